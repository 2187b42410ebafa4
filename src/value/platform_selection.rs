//! What a platform on the command line selects among those of an image.
//!
//! Deleting is not running: nothing is selected because a machine could run it. A platform selects what
//! equals it in every part. Only where nothing does, what it leaves open counts: the version of the
//! operating system, or the end of it.

use super::platform::Platform;

/// A feature of Windows that counts only if somebody gives it.
const WIN32K: &str = "win32k";

/// One of the platforms that an image lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListedPlatform<'p> {
    pub(crate) platform: &'p Platform,
    /// It can be selected. What the layout does not have cannot, unless the index is to be rewritten.
    pub(crate) counts: bool,
}

/// What was selected, by place in the list; never empty lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selected {
    /// Nothing.
    None,
    /// One platform, which several manifests may be for.
    Platform(Vec<usize>),
    /// Several platforms, which differ in what was left open.
    Several(Vec<usize>),
}

impl Selected {
    /// All places, whether they are one platform or several.
    pub(crate) fn places(self) -> Vec<usize> {
        match self {
            Selected::None => Vec::new(),
            Selected::Platform(places) | Selected::Several(places) => places,
        }
    }
}

/// Selects among the platforms of an image.
///
/// What equals `asked` decides alone, even if the layout does not have it any more: a command that was
/// right the first time must not mean another platform the second time.
pub(crate) fn select(asked: &Platform, listed: &[ListedPlatform<'_>]) -> Selected {
    let places = |is_meant: &dyn Fn(&Platform) -> bool| -> Vec<usize> {
        let all = listed.iter().enumerate();
        let meant = all.filter(|(_, of)| is_meant(of.platform));
        meant.map(|(place, _)| place).collect()
    };
    let counts = |places: Vec<usize>| -> Vec<usize> {
        let all = places.into_iter();
        all.filter(|place| listed[*place].counts).collect()
    };
    let equal = places(&|platform| asked.is_same(platform));
    if !equal.is_empty() {
        return one_or_none(counts(equal));
    }
    let open = match asked.version() {
        Some(version) => places(&|platform| {
            asked.is_same_but_options(platform)
                && asked.features() == platform.features()
                && is_shortened(version, platform.version())
        }),
        None => {
            places(&|platform| asked.is_same_but_options(platform) && has_features(asked, platform))
        }
    };
    let open = counts(open);
    let options = |place: &usize| {
        let platform = listed[*place].platform;
        (platform.version(), platform.features())
    };
    let differ = open
        .windows(2)
        .any(|two| options(&two[0]) != options(&two[1]));
    match differ {
        true => Selected::Several(open),
        false => one_or_none(open),
    }
}

fn one_or_none(places: Vec<usize>) -> Selected {
    match places.is_empty() {
        true => Selected::None,
        false => Selected::Platform(places),
    }
}

/// Whether a version is another one cut at a dot.
fn is_shortened(short: &str, version: Option<&str>) -> bool {
    let rest = version.and_then(|version| version.strip_prefix(short));
    rest.is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a platform has the features that were asked for and no others.
fn has_features(asked: &Platform, platform: &Platform) -> bool {
    let wanted = asked.features();
    let mut features = platform.features();
    let is_windows = platform.os.eq_ignore_ascii_case("windows");
    if is_windows && !wanted.contains(&WIN32K) {
        features.retain(|feature| *feature != WIN32K);
    }
    wanted == features
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of a list is selected: its places, `!` before those of several platforms. What the layout
    /// does not have is in brackets.
    fn selected(asked: &str, listed: &str) -> String {
        let host = Platform::host();
        let parse = |text: &str| Platform::parse(text, &host).unwrap();
        let texts: Vec<&str> = listed.split_whitespace().collect();
        let platforms: Vec<Platform> = texts
            .iter()
            .map(|text| parse(text.trim_matches(['[', ']'])))
            .collect();
        let listed: Vec<ListedPlatform<'_>> = platforms
            .iter()
            .zip(&texts)
            .map(|(platform, text)| ListedPlatform {
                platform,
                counts: !text.starts_with('['),
            })
            .collect();
        let list = |places: &[usize]| {
            let texts: Vec<String> = places.iter().map(usize::to_string).collect();
            texts.join(" ")
        };
        match select(&parse(asked), &listed) {
            Selected::None => "-".to_owned(),
            Selected::Platform(places) => list(&places),
            Selected::Several(places) => format!("! {}", list(&places)),
        }
    }

    /// FR1, FR2, FR3, FR4, FR4a, FR5.
    #[test]
    fn a_platform_selects_what_equals_it_and_else_what_it_leaves_open() {
        const TWO: &str = "windows(10.0.20348.3091)/amd64 windows(10.0.26100.2894)/amd64";
        for (asked, listed, expected) in [
            // Equality, whatever a host of that version could run.
            ("windows(10.0.26100.2894)/amd64", TWO, "1"),
            ("windows(10.0.30000.1)/amd64", TWO, "-"),
            (
                "linux(+gpu)/amd64",
                "linux/amd64 linux(+erofs+gpu)/amd64",
                "-",
            ),
            (
                "linux(+gpu+erofs)/amd64",
                "linux/amd64 linux(+erofs+gpu)/amd64",
                "1",
            ),
            ("linux(5.1)/amd64", "linux/amd64", "-"),
            ("linux/arm64/v8", "linux/amd64 linux/arm64", "1"),
            ("linux/arm", "linux/arm/v6 linux/arm/v7", "1"),
            // All that are the same.
            ("linux/amd64", "linux/amd64 linux/arm64 linux/amd64", "0 2"),
            ("unknown/unknown", "unknown/unknown unknown/unknown", "0 1"),
            // What is left open.
            ("windows/amd64", "windows(10.0.1.1)/amd64 linux/amd64", "0"),
            ("windows/amd64", "windows(1)/amd64 windows(1)/amd64", "0 1"),
            ("windows/amd64", TWO, "! 0 1"),
            ("windows/amd64", "windows/amd64 windows(1)/amd64", "0"),
            (
                "windows/amd64",
                "windows(1)/amd64 windows(1+win32k)/amd64",
                "! 0 1",
            ),
            ("windows/amd64", "windows(1+win32k)/amd64", "0"),
            ("windows/amd64", "windows(+win32k)/amd64", "0"),
            (
                "windows(+win32k)/amd64",
                "windows(1)/amd64 windows(1+win32k)/amd64",
                "1",
            ),
            ("windows/amd64", "windows(1+gpu)/amd64", "-"),
            ("linux/arm64", "linux(+erofs)/arm64", "-"),
            ("linux/arm64", "linux(+win32k)/arm64", "-"),
            ("linux(+erofs)/arm64", "linux(6.1+erofs)/arm64", "0"),
            // A version that is cut at a dot.
            ("windows(10.0)/amd64", TWO, "! 0 1"),
            ("windows(10.0.26100)/amd64", TWO, "1"),
            ("windows(10.0.2)/amd64", TWO, "-"),
            ("windows(10.0.20348.3091.)/amd64", TWO, "-"),
            ("windows(1)/amd64", "windows(1.2+win32k)/amd64", "-"),
            (
                "windows(1)/amd64",
                "windows(1.2)/amd64 windows(1.2+win32k)/amd64",
                "0",
            ),
            ("windows(1)/amd64", "windows/amd64", "-"),
            (
                "windows(1)/amd64",
                "windows(1)/amd64 windows(1.2)/amd64",
                "0",
            ),
            ("darwin(macOS)/arm64", "darwin(macOS-14)/arm64", "-"),
            // What the layout does not have makes no conflict and is not found.
            ("linux/amd64", "[linux/amd64] linux/arm64", "-"),
            ("linux/amd64", "[linux/amd64] linux/amd64", "1"),
            ("windows/amd64", "[windows(1)/amd64] windows(2)/amd64", "1"),
            // The same command again means nothing else.
            ("windows/amd64", "[windows/amd64] windows(2)/amd64", "-"),
            (
                "windows(1)/amd64",
                "[windows(1)/amd64] windows(1.2)/amd64",
                "-",
            ),
        ] {
            assert_eq!(selected(asked, listed), expected, "{asked} of {listed}");
        }
    }
}
