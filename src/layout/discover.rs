//! Finding layouts: every directory below another one that has an `oci-layout` file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// The layouts below `dir`, itself included, in the order of their paths; and what could not be
/// looked into. Symbolic links are not followed, and nothing is looked for inside `blobs` and the trash.
pub(crate) fn discover(dir: &Path) -> (Vec<PathBuf>, Vec<String>) {
    let mut layouts = Vec::new();
    let mut found = HashSet::new();
    let mut failures = Vec::new();
    let mut walk = WalkDir::new(dir).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        match entry {
            Err(error) => failures.push(error.to_string()),
            Ok(entry) if entry.file_type().is_dir() => {
                let parent = entry.path().parent();
                let inner = entry.file_name() == "blobs" || entry.file_name() == super::TRASH;
                if inner && parent.is_some_and(|p| found.contains(p)) {
                    walk.skip_current_dir();
                } else if entry.path().join("oci-layout").symlink_metadata().is_ok() {
                    found.insert(entry.path().to_owned());
                    layouts.push(entry.into_path());
                }
            }
            Ok(_) => {}
        }
    }
    (layouts, failures)
}

#[cfg(test)]
mod tests {
    use super::discover;

    #[test]
    fn layouts_are_found_at_any_depth_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for dir in ["a/blobs/sha256", "a/nested/deep", "b", "none"] {
            std::fs::create_dir_all(at(dir)).unwrap();
        }
        for dir in ["a", "a/nested/deep", "b", "a/blobs/sha256"] {
            std::fs::write(at(dir).join("oci-layout"), "{}").unwrap();
        }
        std::os::unix::fs::symlink(at("b"), at("link")).unwrap();
        let (found, failures) = discover(root.path());
        assert_eq!(found, [at("a"), at("a/nested/deep"), at("b")]);
        assert!(failures.is_empty());
        assert_eq!(discover(&at("missing")).1.len(), 1);
    }
}
