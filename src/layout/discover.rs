//! Finding layouts: every directory below another one that has an `oci-layout` file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::files::stat::FileId;
use crate::words::quoted;

/// What [`discover`] finds.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    /// The layouts, in the order of their paths.
    pub(crate) layouts: Vec<PathBuf>,
    /// Directories that would be layouts if they had an `oci-layout` file.
    pub(crate) almost: Vec<PathBuf>,
    /// What could not be looked into, and why.
    pub(crate) failures: Vec<String>,
    /// Symbolic links that lead to a directory, and to which.
    pub(crate) links: Vec<(FileId, PathBuf)>,
}

/// Looks for layouts below `dir`, itself included. Symbolic links are not followed, and nothing is
/// looked for inside `blobs` and the trash.
pub(crate) fn discover(dir: &Path) -> Discovered {
    let mut all = Discovered::default();
    let mut found = HashSet::new();
    let mut walk = WalkDir::new(dir).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        match entry {
            Err(error) => all.failures.push(failure(error)),
            // Where the search begins a link is meant as what it leads to.
            Ok(entry)
                if entry.file_type().is_dir() || entry.depth() == 0 && entry.path().is_dir() =>
            {
                let parent = entry.path().parent();
                let inner = entry.file_name() == "blobs" || entry.file_name() == super::TRASH;
                if inner && parent.is_some_and(|p| found.contains(p)) {
                    walk.skip_current_dir();
                } else if entry.path().join("oci-layout").symlink_metadata().is_ok() {
                    found.insert(entry.path().to_owned());
                    all.layouts.push(entry.into_path());
                } else if is_almost(entry.path()) {
                    all.almost.push(entry.into_path());
                }
            }
            Ok(entry) if entry.path_is_symlink() => {
                let path = entry.path();
                if path.is_dir()
                    && let Ok(directory) = FileId::of_path(path)
                {
                    all.links.push((directory, entry.into_path()));
                }
            }
            Ok(_) => {}
        }
    }
    all
}

/// What could not be looked into, and why, in words.
fn failure(error: walkdir::Error) -> String {
    let path = error.path().map(Path::to_path_buf).unwrap_or_default();
    let path = quoted(&path.to_string_lossy());
    match error.into_io_error() {
        Some(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("there is no directory {path}")
        }
        Some(error) => format!("cannot look into {path}: {error}"),
        // Only where links are followed.
        None => format!("cannot look into {path}"),
    }
}

/// Whether a directory has what a layout has beside its `oci-layout` file.
fn is_almost(dir: &Path) -> bool {
    dir.join("index.json").symlink_metadata().is_ok() && dir.join("blobs").is_dir()
}

#[cfg(test)]
mod tests {
    use super::{FileId, discover};

    #[test]
    fn layouts_are_found_at_any_depth_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for dir in ["a/blobs/sha256", "a/nested/deep", "b", "none", "old/blobs"] {
            std::fs::create_dir_all(at(dir)).unwrap();
        }
        for dir in ["a", "a/nested/deep", "b", "a/blobs/sha256"] {
            std::fs::write(at(dir).join("oci-layout"), "{}").unwrap();
        }
        std::fs::write(at("old/index.json"), "{}").unwrap();
        std::fs::write(at("none/index.json"), "{}").unwrap();
        std::os::unix::fs::symlink(at("b"), at("link")).unwrap();
        let found = discover(root.path());
        assert_eq!(found.layouts, [at("a"), at("a/nested/deep"), at("b")]);
        assert_eq!(found.almost, [at("old")]);
        assert!(found.failures.is_empty());
        let links = [(FileId::of_path(&at("b")).unwrap(), at("link"))];
        assert_eq!(found.links, links);
        assert_eq!(discover(&at("link")).layouts, [at("link")]);
        assert_eq!(discover(&at("missing")).failures.len(), 1);
    }
}
