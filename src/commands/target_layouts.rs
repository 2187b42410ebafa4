//! Which layout a command is about: `--layout`, a reference that names one, the environment, or the
//! current directory.

use std::path::{Path, PathBuf};

use super::session::Session;
use crate::error::{Error, ErrorKind};
use crate::layout::{FileId, discover};
use crate::report::console::{Console, shown};
use crate::value::digest::Digest;

/// The variable that names the layout.
const VARIABLE: &str = "OCIRM_LAYOUT";

/// All layouts that `ls`, `prune` or `check` are about, and the references without what named one.
pub(super) fn target_layouts(
    session: &Session,
    recursive: Option<&Path>,
    references: Vec<String>,
) -> anyhow::Result<(TargetLayouts, Vec<String>)> {
    let named = !session.layouts.is_empty();
    let mut found = TargetLayouts {
        layouts: session.layouts.clone(),
        failures: Vec::new(),
        links: Vec::new(),
        several: session.layouts.len() > 1 || recursive.is_some(),
    };
    if let Some(dir) = recursive {
        let below = discover(dir);
        if below.layouts.is_empty() {
            let message = match below.failures.first() {
                Some(failure) => format!("cannot look for layouts: {failure}"),
                None => format!("there is no layout below `{}`", dir.display()),
            };
            return Err(Error::new(ErrorKind::Failed, message).into());
        }
        found.layouts.extend(below.layouts);
        found.failures = below.failures;
        found.links = below.links;
    }
    if found.several {
        if let Some(text) = references.iter().find(|text| split(text).is_some()) {
            return Err(Error::usage(format!("`{text}` names a layout of its own"))
                .hint("with several layouts, give references without one")
                .into());
        }
        let mut seen = std::collections::HashSet::new();
        found.layouts.retain(|path| {
            // One that cannot be found is reported when it is its turn.
            seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
        });
        if found.layouts.len() > 1 {
            session.has_several();
        }
        return Ok((found, references));
    }
    let (path, references) = target_layout(session, references)?;
    if !named {
        found.layouts = vec![path];
    }
    Ok((found, references))
}

/// What [`target_layouts`] finds.
pub(super) struct TargetLayouts {
    pub(super) layouts: Vec<PathBuf>,
    pub(super) failures: Vec<String>,
    /// Symbolic links to directories that were found on the way.
    pub(super) links: Vec<(FileId, PathBuf)>,
    /// Whether there may be more than one, so that output says which it is about.
    pub(super) several: bool,
}

impl TargetLayouts {
    /// Says what could not be looked into. The value is the exit status.
    pub(super) fn say_failures(&self, console: Console) -> u8 {
        for failure in &self.failures {
            console.error(&shown(failure));
        }
        match self.failures.is_empty() {
            true => 0,
            false => ErrorKind::Failed.exit_status(),
        }
    }
}

/// Says in which of several layouts something failed.
pub(super) fn in_layout(path: &Path, error: anyhow::Error) -> anyhow::Error {
    error.context(format!("in the layout `{}`", path.display()))
}

/// The layout, and the references without what named it.
pub(super) fn target_layout(
    session: &Session,
    references: Vec<String>,
) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let mut named: Option<(PathBuf, String)> = None;
    let mut bare = Vec::new();
    for text in references {
        let Some((dir, reference)) = split(&text) else {
            bare.push(text);
            continue;
        };
        let dir = PathBuf::from(dir);
        if let Some((other, before)) = &named
            && *other != dir
        {
            return Err(
                Error::usage(format!("`{before}` and `{text}` name different layouts"))
                    .hint("work on one layout at a time")
                    .into(),
            );
        }
        bare.extend(reference.map(str::to_owned));
        named = Some((dir, text));
    }
    let given = match session.layouts.as_slice() {
        [] => None,
        [one] => Some(one),
        _ => {
            return Err(Error::usage("this command works on one layout")
                .hint("give --layout once")
                .into());
        }
    };
    let path = match (given, named) {
        (Some(dir), Some((named, text))) if *dir != named => {
            return Err(Error::usage(format!(
                "--layout {} and `{text}` name different layouts",
                dir.display()
            ))
            .into());
        }
        (Some(dir), _) => dir.clone(),
        (None, Some((named, _))) => named,
        (None, None) => match std::env::var_os(VARIABLE) {
            Some(dir) if !dir.is_empty() => PathBuf::from(dir),
            _ => PathBuf::from("."),
        },
    };
    Ok((path, bare))
}

/// The layout and the reference of `oci:DIR:REF` (as skopeo has it) or `ocidir://DIR:REF` and
/// `ocidir://DIR@DIGEST` (as regctl has it). `oci:latest` and `oci:1@sha256:…` are images called
/// `oci`.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
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
