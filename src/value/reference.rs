//! Image references: the names that people type and that layouts store.
//!
//! A reference is `[domain/]path[:tag][@digest]`. People write `web`, Docker means
//! `docker.io/library/web:latest`, and both are the same image; everything that compares names
//! compares the long form, and everything that prints names prints the short, familiar one. This
//! module reads a text in either form, and writes both. It knows nothing of layouts: which entry of
//! `index.json` a reference means is decided by the snapshot.
//!
//! The parser goes over the text a constant number of times and uses no regular expressions, since
//! the names in a layout are whatever its last writer put there.

use std::borrow::Cow;
use std::fmt;

use super::consists_of;
use super::digest::{Algorithm, Digest, is_lower_hex};

/// The registry that a name without a domain belongs to.
const DEFAULT_DOMAIN: &str = "docker.io";

/// The old name of the default domain; references that use it mean the new one.
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";

/// What a one-word path on the default domain is short for.
const OFFICIAL_PREFIX: &str = "library/";

/// The tag of a reference that has neither tag nor digest, where one is needed.
const DEFAULT_TAG: &str = "latest";

/// The longest text that is looked at: all that may be long in a reference is its domain.
const MAX_BYTES: usize = 1 << 16;
const MAX_PATH_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;
const MIN_DIGEST_HEX_DIGITS: usize = 32;

/// A reference in its long form: the domain is spelled out, the default tag is *not* added.
///
/// Two references are equal when Docker takes them for the same name; `web` and
/// `docker.io/library/web` are, `web` and `web:latest` are not (see
/// [`with_default_tag`](Self::with_default_tag)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// All of it, in one piece: a layout may have a million.
    long: Box<str>,
    /// The length of the path, in bytes. Before it stands the domain, but for the few names whose
    /// first part looks like a domain and is none, because of an underscore (`a_b.c/web`). Docker
    /// keeps these as a path without a domain.
    path: u16,
    /// The length of what stands behind the path: tag and digest.
    suffix: u16,
    /// The length of the tag; 0 without one.
    tag: u8,
    digest: Option<Box<Digest>>,
}

/// Why a text is no reference. The texts are Docker's, because people search for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// The text does not have the shape of a reference.
    #[error("invalid reference format")]
    Format,
    /// The path, as it stands here after normalising, has upper-case letters.
    #[error("invalid reference format: repository name ({}) must be lowercase", printable(.0))]
    UpperCasePath(String),
    /// The text would be a reference if it were in lower case.
    #[error("repository name must be lowercase")]
    UpperCase,
    /// The path is longer than 255 bytes, an added `library/` included.
    #[error("repository name must not be more than {MAX_PATH_BYTES} characters")]
    TooLong,
    /// The digest's algorithm is none of sha256, sha384 and sha512.
    #[error("unsupported digest algorithm")]
    UnsupportedAlgorithm,
    /// The digest does not have as many digits as its algorithm asks for.
    #[error("invalid checksum digest length")]
    DigestLength,
    /// The digest is not written in lower case.
    #[error("invalid checksum digest format")]
    DigestFormat,
    /// The text is a bare sha256 digest, which would be mistaken for an image ID.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Identifier(String),
}

impl Reference {
    /// Reads a reference in the long or in the familiar form.
    ///
    /// The first part of the text is a domain when a `/` follows it and it is `localhost`, has a
    /// `.` or a `:`, or has an upper-case letter; in every other case the domain is `docker.io`,
    /// where a path of one part is below `library/`. So `localhost:5000` is the tag `5000` of a
    /// repository called `localhost`, and `localhost:5000/web` is `web` on a local registry.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text, in Docker's words. 64 hex digits are refused, as they are
    /// an image ID; [`parse_argument`] takes them for one.
    pub fn parse(text: &str) -> Result<Reference, InvalidReference> {
        if text.len() > MAX_BYTES {
            return Err(InvalidReference::TooLong);
        }
        if is_identifier(text) {
            return Err(InvalidReference::Identifier(text.to_owned()));
        }
        let (domain, remainder) = split_domain(text);

        // Before the shape is looked at, so that `Web` gets the more helpful of the two messages.
        let repository = remainder.split(':').next().unwrap_or_default();
        if repository.chars().any(|c| lower(c) != c) {
            return Err(InvalidReference::UpperCasePath(repository.to_owned()));
        }

        let Some(parts) = Parts::split(domain, &remainder) else {
            let lowered = |text: &str| text.chars().map(lower).collect::<String>();
            return Err(match Parts::split(&lowered(domain), &lowered(&remainder)) {
                Some(_) => InvalidReference::UpperCase,
                None => InvalidReference::Format,
            });
        };
        let path = match parts.has_domain {
            true => parts.path.len(),
            false => domain.len() + 1 + parts.path.len(),
        };
        let path = u16::try_from(path).map_err(|_| InvalidReference::TooLong)?;
        if usize::from(path) > MAX_PATH_BYTES {
            return Err(InvalidReference::TooLong);
        }
        let digest = parts.digest.map(checked_digest).transpose()?;
        let length = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX);
        Ok(Reference {
            path,
            // Tags and the digests of references are short.
            suffix: length(&remainder[parts.path.len()..]),
            tag: parts.tag.map_or(0, |tag| tag.len() as u8),
            digest: digest.map(Box::new),
            long: [domain, "/", &remainder].concat().into(),
        })
    }

    /// Adds the tag `latest` to a reference that has neither tag nor digest.
    ///
    /// Docker does so to what people type, never to names that are stored.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.suffix == 0 {
            self.long = [&self.long, ":", DEFAULT_TAG].concat().into();
            self.tag = DEFAULT_TAG.len() as u8;
            self.suffix = 1 + u16::from(self.tag);
        }
        self
    }

    /// The long form.
    pub fn long(&self) -> &str {
        &self.long
    }

    /// The tag, if there is one.
    pub fn tag(&self) -> Option<&str> {
        let tag = self.suffix().get(1..=usize::from(self.tag))?;
        (self.tag > 0).then_some(tag)
    }

    /// The digest, if there is one. Its algorithm is sha256, sha384 or sha512.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_deref()
    }

    /// Domain and path, without tag and digest.
    pub fn repository(&self) -> String {
        self.name().to_owned()
    }

    /// Whether the two differ in tag and digest at most.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.name() == other.name() && self.path == other.path
    }

    fn name(&self) -> &str {
        &self.long[..self.long.len() - usize::from(self.suffix)]
    }

    /// Tag and digest, each with what sets it off.
    fn suffix(&self) -> &str {
        &self.long[self.long.len() - usize::from(self.suffix)..]
    }

    fn path(&self) -> &str {
        &self.name()[self.name().len() - usize::from(self.path)..]
    }

    /// Empty without one.
    fn domain(&self) -> &str {
        let before = self.name().len() - usize::from(self.path);
        self.name()[..before].trim_end_matches('/')
    }

    /// The short form, as Docker prints names: without `docker.io`, and without `library/` where
    /// one part follows it.
    ///
    /// Unlike Docker's, it always reads back as the same reference: where the shortened text would
    /// be taken for another registry (`docker.io/localhost/web`) or for an image ID
    /// (`docker.io/library/<64 hex digits>`), what is needed to tell them apart stays. A name that
    /// was printed is pasted into the next command, and that may be a deletion.
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_repository();
        text.push_str(self.suffix());
        if is_identifier(&text) || supported_digest(&text).is_some() {
            text.insert_str(0, OFFICIAL_PREFIX);
        }
        text
    }

    /// Whether the short form may be another text than the long one.
    pub(crate) fn has_short_form(&self) -> bool {
        self.domain() == DEFAULT_DOMAIN
    }

    /// The short form of domain and path, without tag and digest.
    pub fn familiar_repository(&self) -> String {
        if self.domain() != DEFAULT_DOMAIN {
            return self.repository();
        }
        let path = self.path();
        match path.strip_prefix(OFFICIAL_PREFIX) {
            Some(name) if !name.contains('/') => name.to_owned(),
            // Whatever the path alone would be read as, it must be this.
            _ if split_domain(path) == (DEFAULT_DOMAIN, Cow::from(path)) => path.to_owned(),
            _ => self.repository(),
        }
    }
}

/// The long form.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.long)
    }
}

/// Reads a reference that is already in the long form, or returns `None`.
///
/// These are the names that Docker itself stores: `docker.io/library/web:1`, and without a tag
/// `docker.io/library/web`. `web:1` is a reference too, but as a stored name it is foreign, as are
/// `sha256:<hex>` and `moby-dangling@sha256:<hex>`.
pub fn parse_canonical(text: &str) -> Option<Reference> {
    let reference = Reference::parse(text).ok()?;
    (*reference.long == *text).then_some(reference)
}

/// What a command was given to name an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// The full digest of an image, typed as it is or, for sha256, without the algorithm.
    Digest(Digest),
    /// A name. It may still be the beginning of an image ID, see
    /// [`DigestPrefix::of_id`](super::digest::DigestPrefix::of_id).
    Name(Reference),
}

/// Reads an argument as Docker does: 64 hex digits are a sha256 digest, a registered algorithm with all
/// its digits is a digest (of blake3 too, which Docker does not know), and everything else is a name. So
/// `sha256:abcd` is the tag `abcd` of a repository called `sha256`.
///
/// # Errors
///
/// Those of [`Reference::parse`], when the text is neither.
pub fn parse_argument(text: &str) -> Result<Argument, InvalidReference> {
    let bare = Algorithm::Sha256.digest_of_file_name(text);
    match bare.or_else(|| supported_digest(text)) {
        Some(digest) => Ok(Argument::Digest(digest)),
        None => Reference::parse(text).map(Argument::Name),
    }
}

/// Cuts the domain off, and adds what the familiar form leaves out. Neither half is checked.
fn split_domain(text: &str) -> (&str, Cow<'_, str>) {
    let (domain, remainder) = match text.split_once('/') {
        Some((LEGACY_DEFAULT_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.chars().any(|c| lower(c) != c) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    };
    if domain == DEFAULT_DOMAIN && !remainder.contains('/') {
        (domain, format!("{OFFICIAL_PREFIX}{remainder}").into())
    } else {
        (domain, remainder.into())
    }
}

/// The pieces of a text that has the shape of a reference.
struct Parts<'a> {
    /// Whether the text before the first `/` is a domain; otherwise it is a part of the path.
    has_domain: bool,
    path: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// The pieces of `domain/remainder`, or `None` when that has not the shape of a reference.
    fn split(domain: &str, remainder: &'a str) -> Option<Parts<'a>> {
        // No piece but the last contains the separator of the next, so the first one decides.
        let (name, digest) = split_optional(remainder, '@');
        let (path, tag) = split_optional(name, ':');
        let has_domain = is_domain(domain);
        let is_reference = (has_domain || is_path_component(domain))
            && path.split('/').all(is_path_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest_shaped);
        is_reference.then_some(Parts {
            has_domain,
            path,
            tag,
            digest,
        })
    }
}

fn split_optional(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// A host name or an IPv6 address in brackets, then perhaps a port.
fn is_domain(text: &str) -> bool {
    let is_port = |port: &str| consists_of(port, |byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('[') else {
        let (host, port) = split_optional(text, ':');
        return host.split('.').all(is_domain_label) && port.is_none_or(is_port);
    };
    let Some((address, port)) = rest.split_once(']') else {
        return false;
    };
    consists_of(address, |byte| byte.is_ascii_hexdigit() || byte == b':')
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_domain_label(text: &str) -> bool {
    consists_of(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Runs of letters and digits with one separator between each two: a dot, one or two underscores,
/// or any number of hyphens.
fn is_path_component(text: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let run = rest.iter().take_while(|byte| is_alphanumeric(byte)).count();
        if run == 0 {
            return false;
        }
        rest = &rest[run..];
        let separator = match rest {
            [] => return true,
            [b'.', ..] => 1,
            [b'_', b'_', ..] => 2,
            [b'_', ..] => 1,
            // None for any other byte; the next run is empty then.
            _ => rest.iter().take_while(|byte| **byte == b'-').count(),
        };
        rest = &rest[separator..];
    }
}

fn is_tag(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    text.len() <= MAX_TAG_BYTES && consists_of(text, is_allowed) && !text.starts_with(['.', '-'])
}

/// Whether a text has the shape of a digest in a reference. Of which algorithm, and whether it has
/// the right length for it, is another question with other error messages.
fn is_digest_shaped(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    hex.len() >= MIN_DIGEST_HEX_DIGITS
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        && algorithm.split(['-', '_', '+', '.']).all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// The digest of a reference, from a text that [`is_digest_shaped`].
fn checked_digest(text: &str) -> Result<Digest, InvalidReference> {
    if let Some(digest) = supported_digest(text) {
        return Ok(digest);
    }
    let (algorithm, hex) = text.split_once(':').unwrap_or((text, ""));
    Err(match Algorithm::of_name(algorithm) {
        Some(algorithm) if hex.len() != algorithm.hex_digits() => InvalidReference::DigestLength,
        Some(_) => InvalidReference::DigestFormat,
        None if algorithm.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            InvalidReference::DigestFormat
        }
        None => InvalidReference::UnsupportedAlgorithm,
    })
}

/// The digest that a text is, when it is one of those that may stand in a reference.
fn supported_digest(text: &str) -> Option<Digest> {
    let (algorithm, hex) = text.split_once(':')?;
    Algorithm::of_name(algorithm)?.digest_of_file_name(hex)
}

/// Whether a text has exactly the digits of a sha256 digest, and would be read as one.
fn is_identifier(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text.as_bytes())
}

/// The lower-case letter, one for one. Of the single letter whose lower case is two (`İ`) this is
/// the first, which is what Docker compares with.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// A part of what was typed, in a message: control characters are shown, not sent.
fn printable(text: &str) -> String {
    let shown = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop_assert_eq, prop_oneof, proptest};

    use super::*;
    use crate::value::digest::DigestPrefix;

    fn hex(digits: usize) -> String {
        "0123456789abcdef".chars().cycle().take(digits).collect()
    }

    fn parse(text: &str) -> Reference {
        Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Text, long form without a default tag, familiar form.
    #[test]
    fn references_are_normalised_and_shown_as_docker_does() {
        let (d256, d384, d512) = (
            format!("sha256:{}", hex(64)),
            format!("sha384:{}", hex(96)),
            format!("sha512:{}", hex(128)),
        );
        let id_tag = format!("{}:v1", hex(64));
        let table = [
            ("web", "docker.io/library/web", "web"),
            ("web:1", "docker.io/library/web:1", "web:1"),
            ("library/web", "docker.io/library/web", "web"),
            ("docker.io/web", "docker.io/library/web", "web"),
            ("docker.io/library/web", "docker.io/library/web", "web"),
            ("index.docker.io/web", "docker.io/library/web", "web"),
            (
                "index.docker.io/library/web",
                "docker.io/library/web",
                "web",
            ),
            ("me/web", "docker.io/me/web", "me/web"),
            ("docker.io/me/web", "docker.io/me/web", "me/web"),
            ("library/a/b", "docker.io/library/a/b", "library/a/b"),
            ("library/library", "docker.io/library/library", "library"),
            ("docker.io", "docker.io/library/docker.io", "docker.io"),
            (
                "index.docker.io",
                "docker.io/library/index.docker.io",
                "index.docker.io",
            ),
            ("localhost", "docker.io/library/localhost", "localhost"),
            (
                "localhost:5000",
                "docker.io/library/localhost:5000",
                "localhost:5000",
            ),
            ("localhost/web", "localhost/web", "localhost/web"),
            (
                "localhost:5000/web",
                "localhost:5000/web",
                "localhost:5000/web",
            ),
            (
                "localhost:5000/web:1",
                "localhost:5000/web:1",
                "localhost:5000/web:1",
            ),
            ("Foo/web", "Foo/web", "Foo/web"),
            (
                "FOO.example:80/a/b:T",
                "FOO.example:80/a/b:T",
                "FOO.example:80/a/b:T",
            ),
            ("Docker.io/web", "Docker.io/web", "Docker.io/web"),
            ("ghcr.io/web", "ghcr.io/web", "ghcr.io/web"),
            (
                "ghcr.io/library/web",
                "ghcr.io/library/web",
                "ghcr.io/library/web",
            ),
            ("10.0.0.1/web", "10.0.0.1/web", "10.0.0.1/web"),
            ("[::1]/web", "[::1]/web", "[::1]/web"),
            ("[::1]:5000/web", "[::1]:5000/web", "[::1]:5000/web"),
            (
                "[2001:DB8::1]:5000/a/b:1",
                "[2001:DB8::1]:5000/a/b:1",
                "[2001:DB8::1]:5000/a/b:1",
            ),
            ("xn--n3h.com/web", "xn--n3h.com/web", "xn--n3h.com/web"),
            ("a--b.com/web", "a--b.com/web", "a--b.com/web"),
            // What looks like a domain and is none is a path, where that is possible.
            ("a_b.c/web", "a_b.c/web", "a_b.c/web"),
            ("a__b", "docker.io/library/a__b", "a__b"),
            ("a--b", "docker.io/library/a--b", "a--b"),
            ("a----b", "docker.io/library/a----b", "a----b"),
            ("a.b_c-d", "docker.io/library/a.b_c-d", "a.b_c-d"),
            ("0/1/2", "docker.io/0/1/2", "0/1/2"),
            ("web:A.b-_c", "docker.io/library/web:A.b-_c", "web:A.b-_c"),
            ("web:_x", "docker.io/library/web:_x", "web:_x"),
            (
                "sha256:abcd",
                "docker.io/library/sha256:abcd",
                "sha256:abcd",
            ),
            (&id_tag, &format!("docker.io/library/{id_tag}"), &id_tag),
            (
                &format!("web@{d256}"),
                &format!("docker.io/library/web@{d256}"),
                &format!("web@{d256}"),
            ),
            (
                &format!("me/web:1@{d384}"),
                &format!("docker.io/me/web:1@{d384}"),
                &format!("me/web:1@{d384}"),
            ),
            (
                &format!("[::1]:5000/web:1@{d512}"),
                &format!("[::1]:5000/web:1@{d512}"),
                &format!("[::1]:5000/web:1@{d512}"),
            ),
            (
                &format!("moby-dangling@{d256}"),
                &format!("docker.io/library/moby-dangling@{d256}"),
                &format!("moby-dangling@{d256}"),
            ),
            // Here Docker prints what it would read as something else.
            (
                "docker.io/localhost/web",
                "docker.io/localhost/web",
                "docker.io/localhost/web",
            ),
            (
                "docker.io/ghcr.io/web",
                "docker.io/ghcr.io/web",
                "docker.io/ghcr.io/web",
            ),
            (
                "docker.io/docker.io/web",
                "docker.io/docker.io/web",
                "docker.io/docker.io/web",
            ),
            (
                "docker.io/index.docker.io/a/b",
                "docker.io/index.docker.io/a/b",
                "docker.io/index.docker.io/a/b",
            ),
            (
                &format!("library/{}", hex(64)),
                &format!("docker.io/library/{}", hex(64)),
                &format!("library/{}", hex(64)),
            ),
            (
                &format!("library/{d256}"),
                &format!("docker.io/library/{d256}"),
                &format!("library/{d256}"),
            ),
        ];
        for (text, long, familiar) in table {
            let reference = parse(text);
            assert_eq!(reference.to_string(), long, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(parse(long), reference, "{text}");
            assert_eq!(
                parse_argument(familiar),
                Ok(Argument::Name(reference)),
                "{text}"
            );
        }
    }

    #[test]
    fn errors_have_dockers_words() {
        let format = "invalid reference format";
        let d = hex(64);
        let lowercase =
            |path| format!("invalid reference format: repository name ({path}) must be lowercase");
        let table = [
            ("".to_owned(), format.to_owned()),
            ("web:".into(), format.into()),
            ("web:1:2".into(), format.into()),
            ("web:-x".into(), format.into()),
            ("web:.x".into(), format.into()),
            (":tag".into(), format.into()),
            ("@sha256:abc".into(), format.into()),
            (format!("@sha256:{d}"), format.into()),
            (format!("sha256:{d}@"), format.into()),
            ("/web".into(), format.into()),
            ("web/".into(), format.into()),
            ("a//b".into(), format.into()),
            ("docker.io/".into(), format.into()),
            ("docker.io//web".into(), format.into()),
            ("http://ghcr.io/web".into(), format.into()),
            ("https://docker.io/web".into(), format.into()),
            ("a___b".into(), format.into()),
            ("a..b".into(), format.into()),
            ("a_.b".into(), format.into()),
            ("a-_b".into(), format.into()),
            ("-a".into(), format.into()),
            ("a-".into(), format.into()),
            ("_a".into(), format.into()),
            ("a.".into(), format.into()),
            ("-a/web".into(), format.into()),
            ("aa/asdf$$^/aa".into(), format.into()),
            ("ghcr.io:/web".into(), format.into()),
            ("ghcr.io:x/web".into(), format.into()),
            ("ghcr.io:1:2/web".into(), format.into()),
            ("-ghcr.io/web".into(), format.into()),
            ("ghcr..io/web".into(), format.into()),
            ("ghcr-.io/web".into(), format.into()),
            ("[]/web".into(), format.into()),
            ("[::1/web".into(), format.into()),
            ("[::1]x/web".into(), format.into()),
            ("[::1]:/web".into(), format.into()),
            ("[fe80::1%eth0]:5000/web".into(), format.into()),
            ("[::ffff:10.0.0.1]/web".into(), format.into()),
            ("[::1]".into(), format.into()),
            ("2001:db8::1/web".into(), format.into()),
            (" web".into(), format.into()),
            ("web ".into(), format.into()),
            ("web\n".into(), format.into()),
            ("we\u{301}b".into(), format.into()),
            ("caf\u{e9}".into(), format.into()),
            ("web:\u{e9}".into(), format.into()),
            ("\u{2603}.com/web".into(), format.into()),
            ("web@".into(), format.into()),
            ("web@sha256".into(), format.into()),
            ("web@sha256:".into(), format.into()),
            (format!("web@sha256:{}", hex(31)), format.into()),
            (format!("web@:{d}"), format.into()),
            (format!("web@sha256+:{d}"), format.into()),
            (format!("web@sha256:{d}@sha256:{d}"), format.into()),
            (format!("web@sha256:{d}:1"), format.into()),
            (format!("web@sha256:{}g", hex(63)), format.into()),
            (
                format!("web@sha256:{}", hex(32)),
                "invalid checksum digest length".into(),
            ),
            (
                format!("web@sha512:{d}"),
                "invalid checksum digest length".into(),
            ),
            (
                format!("web@sha256:{}", d.to_uppercase()),
                "invalid checksum digest format".into(),
            ),
            (
                format!("web:1@SHA256:{d}"),
                "invalid checksum digest format".into(),
            ),
            (
                format!("web@md5:{}", hex(32)),
                "unsupported digest algorithm".into(),
            ),
            (
                format!("web@sha256+b64u:{d}"),
                "unsupported digest algorithm".into(),
            ),
            ("Web".into(), lowercase("library/Web")),
            ("library/Web".into(), lowercase("library/Web")),
            ("docker.io/Web:1".into(), lowercase("library/Web")),
            ("ghcr.io/me/Web".into(), lowercase("me/Web")),
            ("Foo/Web".into(), lowercase("Web")),
            ("WEB:-bad".into(), lowercase("library/WEB")),
            ("\u{c9}t\u{e9}".into(), lowercase("library/\u{c9}t\u{e9}")),
            ("A\u{1b}[2J".into(), lowercase("library/A\\u{1b}[2J")),
            (format!("web@SHA256:{d}"), lowercase("library/web@SHA256")),
            (
                "Foo_bar/web".into(),
                "repository name must be lowercase".into(),
            ),
            // The Kelvin sign, whose lower case is the letter k.
            (
                "web:\u{212a}".into(),
                "repository name must be lowercase".into(),
            ),
            (
                "a".repeat(256),
                "repository name must not be more than 255 characters".into(),
            ),
            (
                d.clone(),
                format!(
                    "invalid repository name ({d}), cannot specify 64-byte hexadecimal strings"
                ),
            ),
        ];
        for (text, message) in table {
            match Reference::parse(&text) {
                Ok(reference) => panic!("{text:?} was read as {reference}"),
                Err(error) => assert_eq!(error.to_string(), message, "{text:?}"),
            }
        }
    }

    #[test]
    fn lengths_are_limited_to_255_for_paths_and_128_for_tags() {
        let library = "library/".len();
        assert!(Reference::parse(&"a".repeat(255 - library)).is_ok());
        assert_eq!(
            Reference::parse(&"a".repeat(256 - library)),
            Err(InvalidReference::TooLong)
        );
        // The domain does not count.
        assert!(Reference::parse(&format!("ghcr.io/{}", "a".repeat(255))).is_ok());
        assert!(Reference::parse(&format!("ghcr.io/b/{}:1", "a".repeat(253))).is_ok());
        assert_eq!(
            Reference::parse(&format!("ghcr.io/b/{}:1", "a".repeat(254))),
            Err(InvalidReference::TooLong)
        );
        // The first complaint is about the length.
        assert_eq!(
            Reference::parse(&format!("{}@md5:{}", "a".repeat(256), hex(32))),
            Err(InvalidReference::TooLong)
        );
        assert!(Reference::parse(&format!("web:{}", "t".repeat(128))).is_ok());
        assert_eq!(
            Reference::parse(&format!("web:{}", "t".repeat(129))),
            Err(InvalidReference::Format)
        );
    }

    #[test]
    fn the_parts_can_be_asked_for() {
        let digest = format!("sha256:{}", hex(64));
        let reference = parse(&format!("web:1@{digest}"));
        assert_eq!(reference.tag(), Some("1"));
        assert_eq!(reference.digest().unwrap().to_string(), digest);
        assert_eq!(reference.repository(), "docker.io/library/web");
        assert_eq!(reference.familiar_repository(), "web");
        assert!(reference.same_repository(&parse("docker.io/web:2")));
        assert!(!reference.same_repository(&parse("ghcr.io/library/web:1")));
        assert_eq!(format!("[{:>8}]", parse("a/b")), "[docker.io/a/b]");
        assert_eq!(format!("[{:>16}]", parse("a/b")), "[   docker.io/a/b]");
    }

    #[test]
    fn only_a_reference_without_tag_and_digest_gets_the_default_tag() {
        let digest = hex(64);
        for (text, tag) in [
            ("web".to_owned(), Some("latest")),
            ("web:1".to_owned(), Some("1")),
            (format!("web@sha256:{digest}"), None),
            (format!("web:1@sha256:{digest}"), Some("1")),
        ] {
            assert_eq!(parse(&text).with_default_tag().tag(), tag, "{text}");
        }
    }

    #[test]
    fn a_canonical_name_is_its_own_long_form() {
        let digest = format!("sha256:{}", hex(64));
        for text in [
            "docker.io/library/web".to_owned(),
            "docker.io/library/web:1".into(),
            format!("ghcr.io/web:1@{digest}"),
            "localhost/web".into(),
            "a_b.c/web".into(),
        ] {
            assert_eq!(parse_canonical(&text), Some(parse(&text)), "{text}");
        }
        for text in [
            "web:1".to_owned(),
            "me/web".into(),
            "docker.io/web".into(),
            "index.docker.io/library/web".into(),
            digest.clone(),
            format!("moby-dangling@{digest}"),
            hex(64),
            "Web".into(),
            String::new(),
        ] {
            assert_eq!(parse_canonical(&text), None, "{text}");
        }
    }

    #[test]
    fn an_argument_is_a_digest_only_when_it_is_complete() {
        for (text, digest) in [
            (hex(64), format!("sha256:{}", hex(64))),
            (format!("sha256:{}", hex(64)), format!("sha256:{}", hex(64))),
            (format!("sha384:{}", hex(96)), format!("sha384:{}", hex(96))),
            (
                format!("sha512:{}", hex(128)),
                format!("sha512:{}", hex(128)),
            ),
            // FR50: not Docker's, but registered.
            (format!("blake3:{}", hex(64)), format!("blake3:{}", hex(64))),
        ] {
            match parse_argument(&text) {
                Ok(Argument::Digest(found)) => assert_eq!(found.to_string(), digest),
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in [
            "sha256:abcd".to_owned(),
            hex(63),
            hex(65),
            format!("sha256:{}", hex(63)),
            format!("sha512:{}", hex(64)),
            format!("blake3:{}", hex(63)),
            format!("sha256:{}", hex(64).to_uppercase()),
        ] {
            assert_eq!(
                parse_argument(&text),
                Ok(Argument::Name(parse(&text))),
                "{text}"
            );
        }
        assert_eq!(
            parse_argument(&hex(64).to_uppercase())
                .unwrap_err()
                .to_string(),
            format!(
                "invalid reference format: repository name (library/{}) must be lowercase",
                hex(64).to_uppercase()
            )
        );
    }

    #[test]
    fn a_very_long_text_takes_no_long_time() {
        for piece in ["a", "a/", "-", ":", "@", ".", "[", "a_", "Aa", "sha256:"] {
            let text = piece.repeat(100_000);
            assert!(parse_argument(&text).is_err(), "{piece}");
            assert!(parse_argument(&format!("a.b/{text}")).is_err(), "{piece}");
            assert!(parse_argument(&format!("web@{text}")).is_err(), "{piece}");
        }
    }

    /// Texts that are often references, and near misses of them.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            "(localhost|docker\\.io|index\\.docker\\.io|[a-z]{1,3}\\.io|Foo|\\[::1\\]|library)?\
             (:[0-9]{1,4})?/?[a-z0-9._-]{1,6}(/[a-z0-9_.-]{1,6}){0,3}\
             (:[A-Za-z0-9_.-]{1,6})?(@sha256:[0-9a-f]{64})?",
            "(library/)?(sha256:)?[0-9a-f]{63,65}(:v1)?",
            "[a-cA0/:@._\\[\\]-]{0,12}",
            "\\PC{0,20}",
            proptest::prelude::any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn every_form_of_a_reference_reads_back_as_the_same_one(text in texts()) {
            if let Ok(reference) = Reference::parse(&text) {
                let long = reference.to_string();
                prop_assert_eq!(Reference::parse(&long), Ok(reference.clone()));
                prop_assert_eq!(parse_canonical(&long), Some(reference.clone()));
                let familiar = reference.familiar();
                prop_assert_eq!(parse_argument(&familiar), Ok(Argument::Name(reference)));
            }
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in texts()) {
            let _ = parse_argument(&text).map_err(|error| error.to_string());
            if let Some(prefix) = DigestPrefix::of_id(&text) {
                prop_assert_eq!(prefix.encoded().trim_start_matches(is_hex_char), "");
            }
        }
    }

    fn is_hex_char(c: char) -> bool {
        matches!(c, '0'..='9' | 'a'..='f')
    }
}
