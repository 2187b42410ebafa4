//! How a layout is named on the command line: a directory, `oci:DIR` as other tools have it, or in front
//! of a reference.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::layout::is_archive;
use crate::value::digest::Digest;
use crate::words::quoted;

/// The variable that names the layout.
const VARIABLE: &str = "OCIRM_LAYOUT";

/// The layout that is meant where none is named.
pub(crate) fn default_layout() -> Result<PathBuf, Error> {
    match std::env::var_os(VARIABLE) {
        Some(dir) if !dir.is_empty() => directory(dir.into()),
        _ => Ok(PathBuf::from(".")),
    }
}

/// Whether an argument of `ls` is a layout directory and no reference. What cannot be a name, such as
/// `./dir`, is a directory if there is one. What could be both, such as `acme/web`, is a name wherever
/// there is a layout to look it up in, for `rmi` takes it for that, and lists of one are arguments of the
/// other.
pub(crate) fn is_directory(text: &str, is_given: bool) -> bool {
    match split(text) {
        Some((_, None)) => return true,
        Some(_) => return false,
        None => {}
    }
    let path = Path::new(text.strip_prefix("oci:").unwrap_or(text));
    let at_hand = || default_layout().unwrap_or_default();
    let can_look_up = || is_given || at_hand().join("oci-layout").exists();
    if is_path(text) {
        return path.exists() || !can_look_up();
    }
    let has = |name| path.join(name).exists();
    let is_layout = || has("oci-layout") || has("index.json") || is_archive(path);
    is_layout() && !can_look_up()
}

/// Whether a text has the shape of a path, and of no name that any tool gives.
fn is_path(text: &str) -> bool {
    let begins = |with: &&str| text.starts_with(*with);
    [".", ".."].contains(&text) || text.ends_with('/') || ["./", "../", "/"].iter().any(begins)
}

/// The directory that is meant where a layout is asked for: `DIR`, or `oci:DIR` and `ocidir://DIR` as
/// other tools have it.
///
/// # Errors
/// Exit status 2: it names an image.
pub(crate) fn directory(given: PathBuf) -> Result<PathBuf, Error> {
    let Some(text) = given.to_str().filter(|_| !given.exists()) else {
        return Ok(given);
    };
    // Only here `oci:dir` is no image called `oci`.
    let bare = text.strip_prefix("oci:").filter(|dir| !dir.is_empty());
    let (dir, reference) = match (bare, split(text)) {
        (_, Some(found)) => found,
        (Some(dir), None) => (dir, None),
        (None, None) => return Ok(given),
    };
    match reference {
        None => Ok(PathBuf::from(dir)),
        Some(_) => Err(Error::usage(format!(
            "{} names an image, where a layout is asked for",
            quoted(text)
        ))
        .hint(format!("oci:{dir} names its layout"))),
    }
}

/// The layout and the reference of `oci:DIR:REF` (as skopeo has it) or `ocidir://DIR:REF` and
/// `ocidir://DIR@DIGEST` (as regctl has it). `oci:latest` and `oci:1@sha256:…` are images called
/// `oci`.
pub(crate) fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix("ocidir://") {
        if let Some((dir, digest)) = rest.rsplit_once('@')
            && digest.parse::<Digest>().is_ok()
        {
            return Some((dir, Some(digest)));
        }
        return match rest.rsplit_once(':') {
            Some((dir, reference)) if !reference.contains('/') => Some((dir, Some(reference))),
            _ => Some((rest, None)),
        };
    }
    let rest = text.strip_prefix("oci:")?;
    match rest.split_once(':') {
        Some((dir, _)) if dir.contains('@') => None,
        Some((dir, "")) => Some((dir, None)),
        Some((dir, reference)) => Some((dir, Some(reference))),
        None if rest.contains('/') || rest.starts_with('.') => Some((rest, None)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_spellings_of_other_tools_name_a_layout_and_a_reference() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, expected) in [
            ("oci:dir:v1", Some(("dir", Some("v1")))),
            (
                "oci:/a/b:docker.io/x:1",
                Some(("/a/b", Some("docker.io/x:1"))),
            ),
            ("oci:./dir", Some(("./dir", None))),
            ("oci:dir:", Some(("dir", None))),
            ("oci:latest", None),
            (&format!("oci:1@{digest}"), None),
            ("ocidir://a/b:v1", Some(("a/b", Some("v1")))),
            ("ocidir://a/b", Some(("a/b", None))),
            (
                &format!("ocidir://a/b@{digest}"),
                Some(("a/b", Some(digest.as_str()))),
            ),
            ("alpine:3", None),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
