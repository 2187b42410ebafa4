//! Finding layouts: every directory below another one that has an `oci-layout` file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::stat::FileId;
use crate::words::quoted;
use crate::workers::Workers;

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
/// looked for inside `blobs` and the trash of a layout.
///
/// Each directory is listed once and nothing else is asked about it: on a disk that is far away each
/// question is a wait, and the directories of one depth are waited for together.
pub(crate) fn discover(dir: &Path) -> Discovered {
    let mut all = Discovered::default();
    let mut failures = Vec::new();
    let workers = Workers::for_reading();
    let mut depth = vec![dir.to_owned()];
    while !depth.is_empty() {
        let listed = workers.map(&depth, &|path, _| list(path), || ());
        let mut deeper = Vec::new();
        for (path, listed) in depth.into_iter().zip(listed) {
            let here = match listed {
                Ok(here) => here,
                Err(error) if is_fscks(&path, &error) && path != dir => continue,
                Err(error) => {
                    failures.push((path, error));
                    continue;
                }
            };
            deeper.extend(here.directories);
            all.links.extend(here.links);
            match here.is {
                Is::Layout => all.layouts.push(path),
                Is::Almost => all.almost.push(path),
                Is::Other => {}
            }
        }
        depth = deeper;
    }
    failures.sort_by(|(one, _), (other, _)| one.cmp(other));
    all.failures = failures.iter().map(failure).collect();
    all.layouts.sort();
    all.almost.sort();
    all.links.sort_by(|(_, one), (_, other)| one.cmp(other));
    all
}

/// What a directory is.
enum Is {
    Layout,
    /// It has what a layout has beside its `oci-layout` file.
    Almost,
    Other,
}

/// What one directory has.
struct Here {
    is: Is,
    /// Those to look into.
    directories: Vec<PathBuf>,
    links: Vec<(FileId, PathBuf)>,
}

fn list(dir: &Path) -> io::Result<Here> {
    let (mut has_marker, mut has_index, mut has_blobs) = (false, false, false);
    let (mut directories, mut links) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        has_marker |= name == "oci-layout";
        has_index |= name == "index.json";
        has_blobs |= name == "blobs";
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        if kind.is_dir() {
            directories.push(path);
        } else if kind.is_symlink()
            && path.is_dir()
            && let Ok(directory) = FileId::of_path(&path)
        {
            links.push((directory, path));
        }
    }
    let is = match has_marker {
        true => Is::Layout,
        false if has_index && has_blobs && dir.join("blobs").is_dir() => Is::Almost,
        false => Is::Other,
    };
    if has_marker {
        let inner = ["blobs", super::TRASH];
        directories.retain(|path| !inner.iter().any(|name| path.ends_with(name)));
    }
    Ok(Here {
        is,
        directories,
        links,
    })
}

/// `mkfs` makes such a directory in the root of ext4 and its like, for root alone: nothing lies there but what `fsck` finds,
/// and that is nobody's layout.
fn is_fscks(path: &Path, error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && path.ends_with("lost+found")
}

/// What could not be looked into, and why, in words.
fn failure((path, error): &(PathBuf, io::Error)) -> String {
    let path = quoted(&path.to_string_lossy());
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no directory {path}"),
        io::ErrorKind::NotADirectory => format!("{path} is no directory"),
        _ => format!("cannot look into {path}: {error}"),
    }
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
