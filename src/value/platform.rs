//! Platforms: for which operating system and processor an image is, and which of them somebody
//! asked for.
//!
//! A platform is written `linux/arm64/v8` by people, and stored as an object in index entries and
//! as members of an image config. Both come with aliases and with parts left out, so nothing is
//! compared before [`Platform::normalized`]. Which manifests of an image are looked at, and what
//! becomes of the one that matches, is not decided here.

use std::collections::HashMap;
use std::fmt;

use oci_spec::image::{Arch, Os};

use super::consists_of;

/// What a specification may look like, for error messages.
const ACCEPTED: &str = "expected OS, ARCH, OS/ARCH or OS/ARCH/VARIANT, where OS may be followed \
                        by (VERSION+FEATURE), as in linux/arm64 or windows(10.0.20348)/amd64";

/// What a version or a feature must be.
const OPTIONS: &str = "version and features are not empty, do not begin or end with a blank, and \
                       have none of the characters ( ) + / , *";

/// The Windows builds with long-term support whose containers later builds can run, oldest first.
const WINDOWS_LONG_TERM_BUILDS: [u16; 2] = [20348, 26100];

/// A platform as it is stored or was asked for, not normalised. Equality is that of the spelling;
/// see [`matches`](Self::matches) for that of the meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Platform {
    /// The operating system, empty when it is not given.
    pub os: String,
    /// The processor architecture, empty when it is not given.
    pub architecture: String,
    /// The version of the architecture, such as `v7` of arm.
    pub variant: Option<String>,
    /// The version of the operating system (`os.version`); only that of Windows has a meaning.
    pub os_version: Option<String>,
    /// What the image needs of the operating system beyond the ordinary (`os.features`).
    pub os_features: Vec<String>,
}

/// Why a text is no platform, or no list of platforms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid platform `{}`: {reason}; {ACCEPTED}", .spec.escape_debug())]
pub struct InvalidPlatform {
    spec: String,
    reason: &'static str,
}

impl Platform {
    /// Nothing is said of it.
    pub const fn none() -> Platform {
        Platform {
            os: String::new(),
            architecture: String::new(),
            variant: None,
            os_version: None,
            os_features: Vec::new(),
        }
    }

    /// The platform that this program was built for: what a specification of one word takes its
    /// other half from.
    ///
    /// The variant of an arm processor is not looked up; without one it counts as `v7`.
    pub fn host() -> Platform {
        let little_endian = cfg!(target_endian = "little");
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "loongarch64" => "loong64",
            "powerpc" => "ppc",
            "powerpc64" if little_endian => "ppc64le",
            "powerpc64" => "ppc64",
            "mips" if little_endian => "mipsle",
            "mips64" if little_endian => "mips64le",
            "riscv32" => "riscv",
            "wasm32" | "wasm64" => "wasm",
            same => same,
        };
        Platform {
            os: normalized_os(std::env::consts::OS),
            architecture: architecture.to_owned(),
            ..Platform::default()
        }
    }

    /// Reads what somebody asked for: `OS`, `ARCH`, `OS/ARCH` or `OS/ARCH/VARIANT`, as Docker
    /// reads `--platform`.
    ///
    /// A single word must be a known operating system, which is completed with the architecture of
    /// `host`, or a known architecture, which is completed with its operating system. Of two and
    /// three parts any are accepted. Aliases (`x86_64`, `aarch64`, `macos`, ...) and upper case are
    /// replaced by the usual names. Behind the operating system, options may stand in parentheses:
    /// a version, then features, each after a `+`.
    ///
    /// # Errors
    ///
    /// For wildcards, blanks, empty parts, four parts and more, and for an unknown single word.
    /// The error names the text and what is accepted.
    pub fn parse(spec: &str, host: &Platform) -> Result<Platform, InvalidPlatform> {
        let invalid = |reason| InvalidPlatform {
            spec: spec.chars().take(200).collect(),
            reason,
        };
        if spec.contains('*') {
            return Err(invalid("wildcards are not supported"));
        }
        let mut parts = spec.split('/');
        let first = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.take(3).collect();
        if rest.len() > 2 {
            return Err(invalid("it has more than three parts"));
        }
        let mut platform = parse_os(first).map_err(invalid)?;
        if !rest.iter().all(|part| consists_of(part, is_part_byte)) {
            return Err(invalid(
                "architecture and variant consist of letters, digits, `_`, `.` and `-`",
            ));
        }
        match rest[..] {
            [] if is_known_os(&platform.os) => {
                platform.architecture.clone_from(&host.architecture);
                // What is the default of arm anyway stays away, as below.
                if host.architecture == "arm" && host.variant.as_deref() != Some("v7") {
                    platform.variant.clone_from(&host.variant);
                }
            }
            [] => {
                platform.set_architecture(first);
                if !is_known_architecture(&platform.architecture) {
                    return Err(invalid("unknown operating system or architecture"));
                }
                platform.os.clone_from(&host.os);
            }
            [architecture] => platform.set_architecture(architecture),
            [architecture, variant, ..] => {
                let (architecture, variant) = normalized_architecture(architecture, Some(variant));
                // Who writes the variant of arm64 sees it again, though matching is without it.
                let is_arm64 = architecture == "arm64";
                platform.architecture = architecture;
                platform.variant = variant.or_else(|| is_arm64.then(|| "v8".to_owned()));
            }
        }
        Ok(platform)
    }

    /// Sets an architecture that came without a variant, except for what an alias implies.
    fn set_architecture(&mut self, text: &str) {
        let (architecture, variant) = normalized_architecture(text, None);
        let is_default = architecture == "arm" && variant.as_deref() == Some("v7");
        self.architecture = architecture;
        self.variant = variant.filter(|_| !is_default);
    }

    /// The one spelling of everything that is spelled in several ways: lower case, no aliases, no
    /// variant where it is the first that the architecture had (amd64/v1, arm64/v8), `v7` for arm
    /// without a variant, the operating system of the host where there is none, and features
    /// sorted, each once.
    #[must_use]
    pub fn normalized(&self) -> Platform {
        let (architecture, variant) =
            normalized_architecture(&self.architecture, self.variant.as_deref());
        let mut os_features = self.os_features.clone();
        os_features.sort_unstable();
        os_features.dedup();
        Platform {
            os: normalized_os(match self.os.as_str() {
                "" => std::env::consts::OS,
                os => os,
            }),
            architecture,
            variant,
            os_version: self.os_version.clone(),
            os_features,
        }
    }

    /// Whether an image for `candidate` runs where `self` says, for choosing one to show.
    ///
    /// This is Docker's strict matching: operating system, architecture and variant must be equal
    /// once both sides are normalised, and the processor's ability to run older variants as well
    /// is of no account. The features that the candidate needs must all be among those asked for.
    /// Nothing is deleted by it; see [`Platform::is_same`].
    ///
    /// A version counts for Windows alone, and only if both sides have one: the build asked for
    /// must be able to run the candidate's.
    pub fn matches(&self, candidate: &Platform) -> bool {
        let asked = self.normalized();
        let offered = candidate.normalized();
        let is_windows = asked.os == "windows";
        asked.os == offered.os
            && asked.architecture == offered.architecture
            && asked.variant == offered.variant
            && (!is_windows || asked.accepts_version(offered.os_version.as_deref()))
            && offered
                .os_features
                .iter()
                // Docker did not look at this one before it looked at features at all.
                .filter(|feature| !(is_windows && *feature == "win32k"))
                .all(|feature| asked.os_features.binary_search(feature).is_ok())
    }

    /// Whether a Windows image of this version will do. Either side may leave the version open.
    fn accepts_version(&self, offered: Option<&str>) -> bool {
        let asked = self.os_version.as_deref().and_then(WindowsVersion::parse);
        let offered = offered.filter(|version| !version.is_empty());
        asked.zip(offered).is_none_or(|(asked, offered)| {
            WindowsVersion::parse(offered).is_some_and(|offered| asked.runs(offered))
        })
    }

    /// Whether both are one platform: every part is equal, once both are normalised, the version and
    /// the set of features included. An operating system that is not given is not this machine's.
    pub fn is_same(&self, other: &Platform) -> bool {
        self.is_same_but_options(other)
            && self.version() == other.version()
            && self.features() == other.features()
    }

    /// [`Platform::is_same`], but for what stands in parentheses.
    pub(crate) fn is_same_but_options(&self, other: &Platform) -> bool {
        // What is not said is shown as unknown, and what is shown can be typed.
        let said = |text: String| match text.is_empty() {
            true => "unknown".to_owned(),
            false => text,
        };
        let machine = |platform: &Platform| {
            let variant = platform.variant.as_deref();
            let (architecture, variant) = normalized_architecture(&platform.architecture, variant);
            (
                said(normalized_os(&platform.os)),
                said(architecture),
                variant,
            )
        };
        machine(self) == machine(other)
    }

    /// The version of the operating system, if it is given.
    pub(crate) fn version(&self) -> Option<&str> {
        self.os_version.as_deref().filter(|text| !text.is_empty())
    }

    /// The features, sorted, each once.
    pub(crate) fn features(&self) -> Vec<&str> {
        let mut features: Vec<&str> = self.os_features.iter().map(String::as_str).collect();
        features.sort_unstable();
        features.dedup();
        features
    }

    /// With version and features behind the operating system, as it can be typed:
    /// `windows(10.0.20348.3091+win32k)/amd64`.
    pub fn full(&self) -> String {
        let plain = self.to_string();
        let options = [self.version().unwrap_or_default()];
        let options = options.into_iter().chain(self.features());
        let options = options.collect::<Vec<_>>().join("+");
        match plain.split_once('/') {
            Some((os, rest)) if !options.is_empty() => format!("{os}({options})/{rest}"),
            _ => plain,
        }
    }

    /// Whether it says nothing: neither operating system nor architecture, or `unknown/unknown`,
    /// which is how attestations are marked so that nobody runs them.
    pub fn is_unknown(&self) -> bool {
        (self.os.is_empty() && self.architecture.is_empty())
            || (self.os == "unknown" && self.architecture == "unknown")
    }
}

/// Reads a comma list of platforms, as one `--platform` may hold. There is always at least one.
///
/// # Errors
///
/// Those of [`Platform::parse`], for the first part that is no platform; an empty part is none.
pub fn parse_list(text: &str, host: &Platform) -> Result<Vec<Platform>, InvalidPlatform> {
    let mut in_parentheses = false;
    // No platform has a comma between parentheses. If there is one, the error shall show the whole
    // of what was meant to be one platform.
    text.split(|c| {
        match c {
            '(' => in_parentheses = true,
            ')' => in_parentheses = false,
            _ => {}
        }
        c == ',' && !in_parentheses
    })
    .map(|spec| match spec {
        "" => Err(InvalidPlatform {
            spec: String::new(),
            reason: "a part of the list is empty",
        }),
        spec => Platform::parse(spec, host),
    })
    .collect()
}

/// How each of some platforms is shown where they stand together: without version and features, unless
/// another one looks the same then.
pub fn told_apart<'p>(platforms: impl Iterator<Item = &'p Platform> + Clone) -> Vec<String> {
    let mut full_of: HashMap<String, Option<String>> = HashMap::new();
    for platform in platforms.clone() {
        let full = platform.full();
        let known = full_of.entry(platform.to_string());
        let known = known.or_insert_with(|| Some(full.clone()));
        if known.as_ref().is_some_and(|known| *known != full) {
            // Several that differ look like this.
            *known = None;
        }
    }
    let shown = platforms.map(|platform| {
        let plain = platform.to_string();
        match full_of.get(&plain) {
            Some(None) => platform.full(),
            _ => plain,
        }
    });
    shown.collect()
}

/// Operating system, architecture and variant as they are stored, with `unknown` for one of the
/// first two that is empty. Version and features are not shown; see [`Platform::full`].
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [os, architecture] = [&self.os, &self.architecture].map(|text| match text.as_str() {
            "" => "unknown",
            text => text,
        });
        match self.variant.as_deref().unwrap_or_default() {
            "" => f.pad(&format!("{os}/{architecture}")),
            variant => f.pad(&format!("{os}/{architecture}/{variant}")),
        }
    }
}

/// The part of a Windows version that decides which containers run on it. The last number of
/// `10.0.20348.2402`, the revision, does not.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct WindowsVersion {
    major: u8,
    minor: u8,
    build: u16,
}

impl WindowsVersion {
    /// `None` when the text says nothing that can be compared, `0.0.0` included.
    fn parse(text: &str) -> Option<WindowsVersion> {
        let mut numbers = text.split('.');
        let version = WindowsVersion {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
            build: numbers.next()?.parse().ok()?,
        };
        (version != WindowsVersion::default()).then_some(version)
    }

    /// Whether this Windows runs containers of another: of its own build only before Windows
    /// Server 2022 (build 20348); since then, of all builds from the previous release with
    /// long-term support up to itself.
    fn runs(self, container: WindowsVersion) -> bool {
        if (self.major, self.minor) != (container.major, container.minor) {
            return false;
        }
        let [first_long_term, ..] = WINDOWS_LONG_TERM_BUILDS;
        if self.build < first_long_term {
            return self.build == container.build;
        }
        let oldest = WINDOWS_LONG_TERM_BUILDS
            .into_iter()
            .rfind(|build| *build < self.build)
            .unwrap_or(first_long_term);
        (oldest..=self.build).contains(&container.build)
    }
}

/// Reads `OS` or `OS(VERSION+FEATURE...)`. The architecture is left empty.
fn parse_os(text: &str) -> Result<Platform, &'static str> {
    let (name, options) = text.split_once('(').unwrap_or((text, ")"));
    let options = options.strip_suffix(')');
    let options = options.ok_or("the options of the operating system have no end")?;
    if !consists_of(name, is_os_byte) {
        return Err("the operating system consists of letters, digits, `_` and `-`");
    }
    let mut options = options.split('+');
    let version = options.next().unwrap_or_default();
    let os_features: Vec<String> = options.map(str::to_owned).collect();
    if !(version.is_empty() || is_option(version)) || !os_features.iter().all(|f| is_option(f)) {
        return Err(OPTIONS);
    }
    Ok(Platform {
        os: normalized_os(name),
        os_version: (!version.is_empty()).then(|| version.to_owned()),
        os_features,
        ..Platform::default()
    })
}

/// Go's names are those that a specification of one word may name.
fn is_known_os(text: &str) -> bool {
    !matches!(Os::from(text), Os::Other(_))
}

fn is_known_architecture(text: &str) -> bool {
    !matches!(Arch::from(text), Arch::Other(_))
}

/// Whether a text can stand as a version or a feature: anything that is printed, so that what is shown
/// can be typed again, but for what divides a specification.
fn is_option(text: &str) -> bool {
    let is_divider = |c: char| c.is_control() || "()+/,*".contains(c);
    !text.is_empty() && text.trim() == text && !text.contains(is_divider)
}

fn is_os_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_part_byte(byte: u8) -> bool {
    is_os_byte(byte) || byte == b'.'
}

fn normalized_os(text: &str) -> String {
    match text.to_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        os => os.to_owned(),
    }
}

fn normalized_architecture(architecture: &str, variant: Option<&str>) -> (String, Option<String>) {
    let architecture = architecture.to_lowercase();
    let variant = variant.unwrap_or_default().to_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        others => others,
    };
    let variant = (!variant.is_empty()).then(|| variant.to_owned());
    (architecture.to_owned(), variant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux_amd64() -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            ..Platform::default()
        }
    }

    /// A platform from its parts, taken as they are.
    fn stored(os: &str, architecture: &str, variant: &str) -> Platform {
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
            ..Platform::default()
        }
    }

    fn parse(spec: &str) -> Platform {
        Platform::parse(spec, &linux_amd64()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn specifications_are_read_as_docker_reads_them() {
        for (spec, os, architecture, variant) in [
            ("linux", "linux", "amd64", ""),
            ("windows", "windows", "amd64", ""),
            ("macOS", "darwin", "amd64", ""),
            ("darwin", "darwin", "amd64", ""),
            ("amd64", "linux", "amd64", ""),
            ("x86_64", "linux", "amd64", ""),
            ("x86-64", "linux", "amd64", ""),
            ("aarch64", "linux", "arm64", ""),
            ("i386", "linux", "386", ""),
            ("386", "linux", "386", ""),
            ("arm", "linux", "arm", ""),
            ("armhf", "linux", "arm", ""),
            ("armel", "linux", "arm", "v6"),
            ("s390x", "linux", "s390x", ""),
            ("wasm", "linux", "wasm", ""),
            ("linux/amd64", "linux", "amd64", ""),
            ("Linux/AMD64", "linux", "amd64", ""),
            ("linux/x86_64", "linux", "amd64", ""),
            ("linux/aarch64", "linux", "arm64", ""),
            ("linux/armhf", "linux", "arm", ""),
            ("linux/armel", "linux", "arm", "v6"),
            ("linux/arm", "linux", "arm", ""),
            ("macos/arm64", "darwin", "arm64", ""),
            ("foo/bar", "foo", "bar", ""),
            ("unknown/unknown", "unknown", "unknown", ""),
            ("linux/amd64/v1", "linux", "amd64", ""),
            ("linux/amd64/V2", "linux", "amd64", "v2"),
            ("linux/arm64/v8", "linux", "arm64", "v8"),
            ("linux/aarch64/8", "linux", "arm64", "v8"),
            ("linux/arm64/v9.0", "linux", "arm64", "v9"),
            ("linux/arm/7", "linux", "arm", "v7"),
            ("linux/arm/v7", "linux", "arm", "v7"),
            ("linux/arm/6", "linux", "arm", "v6"),
            ("linux/arm/5", "linux", "arm", "v5"),
            ("linux/arm/8", "linux", "arm", "v8"),
            ("foo/bar/x.1-y_z", "foo", "bar", "x.1-y_z"),
        ] {
            assert_eq!(parse(spec), stored(os, architecture, variant), "{spec}");
        }
    }

    #[test]
    fn options_follow_the_operating_system() {
        for (spec, version, features, text) in [
            (
                "windows(10.0.20348)",
                Some("10.0.20348"),
                &[][..],
                "windows/amd64",
            ),
            (
                "windows(10.0.20348)/arm64",
                Some("10.0.20348"),
                &[],
                "windows/arm64",
            ),
            ("linux(+gpu)/arm/v6", None, &["gpu"], "linux/arm/v6"),
            ("linux(+b+a)/amd64", None, &["b", "a"], "linux/amd64"),
            (
                "windows(10.0.17763+win32k)/amd64",
                Some("10.0.17763"),
                &["win32k"],
                "windows/amd64",
            ),
            ("linux()/amd64", None, &[], "linux/amd64"),
        ] {
            let platform = parse(spec);
            assert_eq!(platform.os_version.as_deref(), version, "{spec}");
            assert_eq!(platform.os_features, features, "{spec}");
            assert_eq!(platform.to_string(), text, "{spec}");
        }
    }

    #[test]
    fn a_single_word_takes_the_rest_from_the_host() {
        let pi = stored("linux", "arm", "v6");
        assert_eq!(Platform::parse("linux", &pi), Ok(pi.clone()));
        assert_eq!(
            Platform::parse("windows", &pi),
            Ok(stored("windows", "arm", "v6"))
        );
        assert_eq!(
            Platform::parse("amd64", &pi),
            Ok(stored("linux", "amd64", ""))
        );
        let mac = stored("darwin", "arm64", "");
        assert_eq!(
            Platform::parse("linux", &mac),
            Ok(stored("linux", "arm64", ""))
        );
        assert_eq!(
            Platform::parse("amd64", &mac),
            Ok(stored("darwin", "amd64", ""))
        );

        let host = Platform::host();
        assert_eq!(Platform::parse(&host.os, &host), Ok(host.clone()));
        assert!(is_known_architecture(&host.architecture));
    }

    #[test]
    fn what_is_no_platform_is_refused_by_name() {
        for spec in [
            "",
            "*",
            "linux/*",
            "linux/amd64/*",
            "/",
            "linux/",
            "/amd64",
            "linux//v7",
            "linux/arm/",
            " linux/amd64",
            "linux/amd64 ",
            "linux /amd64",
            "linux/amd64\n",
            "linux/arm/v7/x",
            "linux/arm/v7/",
            "a/b/c/d/e",
            "armv7",
            "foo",
            "unknown",
            "amd64(1)",
            "lin.ux/amd64",
            "linux(/amd64",
            "linux)/amd64",
            "linux(1)x/amd64",
            "linux((1))/amd64",
            "(1)/amd64",
            "linux(+)/amd64",
            "linux(1+)/amd64",
            "linux(1++a)/amd64",
            "linux( 1)/amd64",
            "linux(1 )/amd64",
            "linux(1+ a)/amd64",
            "linux(1\n2)/amd64",
            "windows(10,0)/amd64",
            "linux/amd64(1)",
            "l\u{ef}nux/amd64",
        ] {
            let error = Platform::parse(spec, &linux_amd64())
                .unwrap_err()
                .to_string();
            let named = format!("invalid platform `{}`: ", spec.escape_debug());
            assert!(error.starts_with(&named), "{error}");
            assert!(error.contains("OS/ARCH/VARIANT"), "{error}");
        }
        let error = Platform::parse("armv7", &linux_amd64()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("unknown operating system or architecture"),
            "{error}"
        );
    }

    #[test]
    fn a_list_is_cut_at_commas_outside_parentheses() {
        let list = |text| parse_list(text, &linux_amd64());
        assert_eq!(list("linux/amd64"), Ok(vec![linux_amd64()]));
        assert_eq!(
            list("windows(10.0.20348+a)/amd64,arm64,linux/arm/v6"),
            Ok(vec![
                parse("windows(10.0.20348+a)/amd64"),
                stored("linux", "arm64", ""),
                stored("linux", "arm", "v6"),
            ])
        );
        for (text, named) in [
            ("", ""),
            (",", ""),
            ("linux/amd64,", ""),
            ("linux/amd64,,arm64", ""),
            ("linux/amd64, arm64", " arm64"),
            ("amd64,windows(10,0)/amd64,arm64", "windows(10,0)/amd64"),
            ("linux(,arm64", "linux(,arm64"),
        ] {
            let error = list(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("invalid platform `{named}`: ")),
                "{error}"
            );
        }
    }

    fn with_version(version: &str) -> Platform {
        Platform {
            os_version: Some(version.to_owned()),
            ..stored("windows", "amd64", "")
        }
    }

    fn with_features(os: &str, features: &[&str]) -> Platform {
        Platform {
            os_features: features.iter().map(|&feature| feature.to_owned()).collect(),
            ..stored(os, "amd64", "")
        }
    }

    #[test]
    fn matching_is_strict() {
        let candidates = [
            stored("linux", "amd64", ""),
            stored("linux", "amd64", "v1"),
            stored("linux", "amd64", "v2"),
            stored("linux", "386", ""),
            stored("linux", "arm64", ""),
            stored("linux", "arm64", "v8"),
            stored("linux", "arm64", "8"),
            stored("linux", "arm64", "v9"),
            stored("linux", "arm", ""),
            stored("linux", "arm", "v7"),
            stored("linux", "arm", "7"),
            stored("linux", "arm", "v6"),
            stored("linux", "arm", "v8"),
            stored("windows", "amd64", ""),
            stored("Linux", "x86_64", ""),
            stored("unknown", "unknown", ""),
            stored("", "", ""),
        ];
        for (asked, matching) in [
            ("linux/amd64", &[0, 1, 14][..]),
            ("linux/amd64/v1", &[0, 1, 14]),
            ("linux/amd64/v2", &[2]),
            ("linux/386", &[3]),
            ("linux/arm64", &[4, 5, 6]),
            ("linux/arm64/v8", &[4, 5, 6]),
            ("linux/arm64/v9", &[7]),
            ("linux/arm", &[8, 9, 10]),
            ("linux/arm/v7", &[8, 9, 10]),
            ("linux/armhf", &[8, 9, 10]),
            ("linux/arm/v6", &[11]),
            ("linux/armel", &[11]),
            ("linux/arm/v8", &[12]),
            ("windows/amd64", &[13]),
            ("darwin/amd64", &[]),
            ("unknown/unknown", &[15]),
        ] {
            let asked_platform = parse(asked);
            let found: Vec<usize> = (0..candidates.len())
                .filter(|&at| asked_platform.matches(&candidates[at]))
                .collect();
            assert_eq!(found, matching, "{asked}");
        }
        let host = Platform::host();
        assert!(host.matches(&stored("", &host.architecture, "")));
    }

    #[test]
    fn the_version_of_windows_decides_when_both_sides_have_one() {
        let versions = [
            "",
            "10.0.14393.1",
            "10.0.17763",
            "10.0.17763.5696",
            "10.0.20348.2402",
            "10.0.25398.1",
            "10.0.26100.1",
            "10.0.26200.1",
            "6.3.20348",
            "10.1.26100",
            "10.0",
            "ten",
        ];
        let matching = |asked: &str| {
            let asked = parse(asked);
            versions
                .into_iter()
                .filter(|version| asked.matches(&with_version(version)))
                .collect::<Vec<_>>()
        };
        let every: Vec<_> = versions.into();
        assert_eq!(matching("windows/amd64"), every);
        // What cannot be compared is as good as none.
        assert_eq!(matching("windows(ltsc)/amd64"), every);
        assert_eq!(matching("windows(10.0)/amd64"), every);
        assert_eq!(
            matching("windows(10.0.17763)/amd64"),
            ["", "10.0.17763", "10.0.17763.5696"]
        );
        assert_eq!(
            matching("windows(10.0.17763.1)/amd64"),
            ["", "10.0.17763", "10.0.17763.5696"]
        );
        assert_eq!(
            matching("windows(10.0.20348)/amd64"),
            ["", "10.0.20348.2402"]
        );
        assert_eq!(
            matching("windows(10.0.25398)/amd64"),
            ["", "10.0.20348.2402", "10.0.25398.1"]
        );
        assert_eq!(
            matching("windows(10.0.26100)/amd64"),
            ["", "10.0.20348.2402", "10.0.25398.1", "10.0.26100.1"]
        );
        assert_eq!(
            matching("windows(10.0.26200)/amd64"),
            ["", "10.0.26100.1", "10.0.26200.1"]
        );
        assert!(parse("windows(10.0.17763)/amd64").matches(&stored("windows", "amd64", "")));

        // No other system's version is looked at.
        let mut freebsd = stored("freebsd", "amd64", "");
        freebsd.os_version = Some("14.1".to_owned());
        assert!(parse("freebsd(13.2)/amd64").matches(&freebsd));
    }

    #[test]
    fn the_features_of_a_candidate_must_have_been_asked_for() {
        for (asked, features, expected) in [
            ("linux/amd64", &[][..], true),
            ("linux/amd64", &["gpu"], false),
            ("linux(+gpu)/amd64", &[], true),
            ("linux(+gpu)/amd64", &["gpu"], true),
            ("linux(+gpu)/amd64", &["gpu", "gpu"], true),
            ("linux(+gpu)/amd64", &["gpu", "npu"], false),
            ("linux(+npu+gpu)/amd64", &["npu"], true),
            ("linux/amd64", &["win32k"], false),
        ] {
            let candidate = with_features("linux", features);
            assert_eq!(
                parse(asked).matches(&candidate),
                expected,
                "{asked} {features:?}"
            );
        }
        for (asked, features, expected) in [
            ("windows/amd64", &["win32k"][..], true),
            ("windows(+win32k)/amd64", &["win32k"], true),
            ("windows(+win32k)/amd64", &[], true),
            ("windows/amd64", &["win32k", "gpu"], false),
        ] {
            let candidate = with_features("windows", features);
            assert_eq!(
                parse(asked).matches(&candidate),
                expected,
                "{asked} {features:?}"
            );
        }
    }

    /// FR1: no host is asked what it could run.
    #[test]
    fn one_platform_is_one_in_every_part() {
        for (one, other, same) in [
            ("linux/amd64", "linux/x86_64", true),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/amd64", "linux(5.1)/amd64", false),
            ("linux(+a+b)/amd64", "linux(+b+a+b)/amd64", true),
            ("linux(+a+b)/amd64", "linux(+a)/amd64", false),
            ("linux(+a)/amd64", "linux(+a+b)/amd64", false),
            (
                "windows(10.0.20348.1)/amd64",
                "windows(10.0.20348.2)/amd64",
                false,
            ),
            ("windows/amd64", "windows(+win32k)/amd64", false),
        ] {
            assert_eq!(parse(one).is_same(&parse(other)), same, "{one} {other}");
        }
        assert!(!parse("linux/amd64").is_same(&stored("", "amd64", "")));
    }

    /// FR4 and FR6: what is shown can be typed, blanks included, and shows no more than it takes to
    /// tell two apart.
    #[test]
    fn the_full_text_can_be_typed_again() {
        for text in [
            "linux/arm64",
            "linux/arm/v6",
            "windows(10.0.20348.3091)/amd64",
            "windows(10.0.20348.3091+win32k)/amd64",
            "linux(+erofs+gpu)/amd64",
            "darwin(macOS 14)/arm64",
            "darwin(macOS 13.1: the b\u{e9}ta)/arm64",
        ] {
            assert_eq!(parse(text).full(), text);
        }
        let shown = |texts: &[&str]| {
            let all: Vec<Platform> = texts.iter().map(|text| parse(text)).collect();
            told_apart(all.iter())
        };
        assert_eq!(
            shown(&["windows(1)/amd64", "linux(+a)/arm64", "windows(2)/amd64"]),
            ["windows(1)/amd64", "linux/arm64", "windows(2)/amd64"]
        );
        assert_eq!(
            shown(&["windows(1)/amd64", "windows(1)/amd64"]),
            ["windows/amd64", "windows/amd64"]
        );
    }

    #[test]
    fn what_is_shown_is_what_is_stored() {
        for (platform, text) in [
            (stored("linux", "arm64", "v8"), "linux/arm64/v8"),
            (stored("Linux", "x86_64", ""), "Linux/x86_64"),
            (stored("linux", "arm", ""), "linux/arm"),
            (stored("", "", ""), "unknown/unknown"),
            (stored("", "amd64", ""), "unknown/amd64"),
            (with_version("10.0.20348.1"), "windows/amd64"),
        ] {
            assert_eq!(platform.to_string(), text);
        }
        assert_eq!(format!("{:>12}|", linux_amd64()), " linux/amd64|");
    }

    #[test]
    fn an_empty_or_unknown_platform_says_so() {
        assert!(Platform::default().is_unknown());
        assert!(stored("unknown", "unknown", "").is_unknown());
        assert!(!stored("linux", "", "").is_unknown());
        assert!(!stored("", "amd64", "").is_unknown());
        assert!(!stored("linux", "unknown", "").is_unknown());
    }
}
