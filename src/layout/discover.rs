//! Finding layouts: every directory below another one that has an `oci-layout` file.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;

use super::neighbours::is_lack;
use crate::files::directory::{DIRECTORY, each_of_few_once};
use crate::files::stat::FileId;
use crate::words::quoted;
use crate::workers::Workers;

/// What every layout has.
const MARKER: &str = "oci-layout";

/// What [`discover`] finds.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    /// The layouts, in the order of their paths.
    pub(crate) layouts: Vec<PathBuf>,
    /// Which directories these are, as far as they could be opened.
    pub(crate) ids: HashMap<PathBuf, FileId>,
    /// Directories that would be layouts if they had an `oci-layout` file.
    pub(crate) almost: Vec<PathBuf>,
    /// What could not be looked into, and why.
    pub(crate) failures: Vec<String>,
    /// Symbolic links that lead to a directory, and to which.
    pub(crate) links: Vec<(FileId, PathBuf)>,
}

/// Looks for layouts below `dir`, itself included. Symbolic links are not followed, and nothing is
/// looked for inside `blobs` and the trash of a layout. What may be entered and not listed is found as well:
/// it may share its blobs with the others.
///
/// Each directory is listed once and nothing else is asked about it: on a disk that is far away each
/// question is a wait. Where many directories are of one depth, several of them are waited for at a time.
pub(crate) fn discover(dir: &Path) -> Discovered {
    let mut all = Discovered::default();
    let mut failures = Vec::new();
    let workers = Workers::for_reading();
    let mut depth = vec![dir.to_owned()];
    while !depth.is_empty() {
        let mut listed = workers.map(&depth, &|path, _| Here::list(path), || ());
        // With fewer files open at a time there is room for one more.
        let lacking = listed.iter_mut().zip(&depth);
        for (here, path) in lacking.filter(|(here, _)| here.failed_for_lack()) {
            *here = Here::list(path);
        }
        let mut deeper = Vec::new();
        for (path, here) in depth.into_iter().zip(listed) {
            deeper.extend(here.directories);
            let of_fsck = |at: &Path, error: &_| at != dir && is_fscks(at, error);
            let here_failed = here.failures.into_iter();
            failures.extend(here_failed.filter(|(at, error)| !of_fsck(at, error)));
            all.links.extend(here.links);
            match here.is {
                Is::Layout => {
                    all.ids.extend(here.id.map(|id| (path.clone(), id)));
                    all.layouts.push(path);
                }
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
#[derive(Default)]
enum Is {
    Layout,
    /// It has what a layout has beside its `oci-layout` file.
    Almost,
    #[default]
    Other,
}

/// What one directory has.
#[derive(Default)]
struct Here {
    is: Is,
    id: Option<FileId>,
    /// Those to look into.
    directories: Vec<PathBuf>,
    links: Vec<(FileId, PathBuf)>,
    /// What could not be looked at: the directory itself, or something in it.
    failures: Vec<(PathBuf, io::Error)>,
}

impl Here {
    fn list(dir: &Path) -> Here {
        let mut here = Here::default();
        let (mut has_marker, mut has_index, mut has_blobs) = (false, false, false);
        let mut is_whole = true;
        let listed = rustix::fs::open(dir, DIRECTORY, Mode::empty()).and_then(|opened| {
            here.id = FileId::of_opened(&opened).ok();
            each_of_few_once(&opened, &mut |name, kind| {
                let name = OsStr::from_bytes(name);
                has_marker |= name == MARKER;
                has_index |= name == "index.json";
                has_blobs |= name == "blobs";
                here.add(&opened, dir.join(name), kind);
            })
        });
        if let Err(errno) = listed {
            is_whole = false;
            here.failures.push((dir.to_owned(), errno.into()));
        }
        // What was not listed may be there.
        has_marker |= !is_whole && dir.join(MARKER).symlink_metadata().is_ok();
        here.is = match has_marker {
            true => Is::Layout,
            false if has_index && has_blobs && dir.join("blobs").is_dir() => Is::Almost,
            false => Is::Other,
        };
        if has_marker {
            let inner = ["blobs", super::TRASH];
            let directories = &mut here.directories;
            directories.retain(|path| !inner.iter().any(|name| path.ends_with(name)));
        }
        here
    }

    fn failed_for_lack(&self) -> bool {
        let mut errnos = self
            .failures
            .iter()
            .filter_map(|(_, error)| Errno::from_io_error(error));
        errnos.any(is_lack)
    }

    fn add(&mut self, dir: &OwnedFd, path: PathBuf, kind: FileType) {
        let name = path.file_name().unwrap_or_default();
        let stat = |flags| rustix::fs::statat(dir, name, flags);
        let kind = match kind {
            // Some disks do not say it in a list.
            FileType::Unknown => {
                let stat = stat(AtFlags::SYMLINK_NOFOLLOW);
                stat.map(|stat| FileType::from_raw_mode(stat.st_mode))
            }
            kind => Ok(kind),
        };
        match kind {
            Ok(FileType::Directory) => self.directories.push(path),
            Ok(FileType::Symlink) => {
                if let Ok(stat) = stat(AtFlags::empty())
                    && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                {
                    self.links.push((FileId::from_stat(&stat), path));
                }
            }
            Ok(_) => {}
            // It went meanwhile.
            Err(Errno::NOENT) => {}
            Err(errno) => self.failures.push((path, errno.into())),
        }
    }
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
        for path in &found.layouts {
            assert_eq!(found.ids[path], FileId::of_path(path).unwrap());
        }
        assert_eq!(found.almost, [at("old")]);
        assert!(found.failures.is_empty());
        let links = [(FileId::of_path(&at("b")).unwrap(), at("link"))];
        assert_eq!(found.links, links);
        assert_eq!(discover(&at("link")).layouts, [at("link")]);
        assert_eq!(discover(&at("missing")).failures.len(), 1);
    }
}
