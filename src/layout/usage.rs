//! Usage: every file and directory of a layout, and what it takes on the disk, as `du` counts: blocks of
//! directories too, a file with several names once, nothing behind symbolic links. One thing is more:
//! where `blobs` or a directory in it is reached by a link, what it leads to is the layout's all the same.
//!
//! Nothing is opened but directories, and each is listed once, on whichever ways it is reached.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::writers::{is_unfinished_work, is_workshop};
use super::{Locked, RemovalId, TRASH};
use crate::files::directory::{DIRECTORY, each_file};
use crate::files::stat::{FileId, allocated, found, length, modified};
use crate::files::temporary::TEMPORARY;
use crate::value::digest::{Algorithm, Digest};
use crate::workers::Workers;

/// What a file or directory is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has the name of a blob.
    Blob(Digest),
    /// It lies in the trash, and belongs to this removal.
    Trash(Option<RemovalId>),
    /// It is unfinished work of another program, or lies in a directory that is.
    Temporary,
    /// It is anything else.
    Other,
}

/// A file or directory, and what it takes.
#[derive(Clone, Debug)]
pub(crate) struct UsedFile {
    pub(crate) place: Place,
    /// Its path within the layout; empty for the layout itself. Of a blob the digest says it.
    pub(crate) path: String,
    pub(crate) is_directory: bool,
    /// Bytes that it holds: of a file its length, of a symbolic link that of its target's name, of
    /// anything else 0.
    pub(crate) size: u64,
    /// Bytes of the blocks that it takes.
    pub(crate) on_disk: u64,
    /// Whether the file has several names, here or elsewhere.
    pub(crate) is_linked: bool,
    pub(crate) modified: jiff::Timestamp,
    /// Which file it is.
    pub(crate) file: FileId,
    /// Which directory it lies in.
    pub(crate) directory: FileId,
}

/// What the names in a directory mean.
#[derive(Clone)]
enum Zone {
    Root,
    Blobs,
    /// `blobs/<algorithm>`.
    Algorithm(Rc<str>),
    /// A directory that stays, in which other programs work.
    Workshop,
    Trash,
    /// Anything below something, which it is a part of.
    Inside(Place),
}

/// A directory that is still to be listed.
struct Pending {
    parent: Rc<OwnedFd>,
    name: CString,
    path: String,
    zone: Zone,
    /// A link to it is followed.
    follow: bool,
}

impl<M> Locked<M> {
    /// Calls `each` with every file and directory of the layout, each once. The value is what could not
    /// be looked at, and why.
    pub(crate) fn each_used_file(&self, each: &mut dyn FnMut(UsedFile)) -> Vec<String> {
        self.walk_from(c".", "", Zone::Root, each)
    }

    /// The same of the trash alone.
    pub(crate) fn each_file_in_trash(&self, each: &mut dyn FnMut(UsedFile)) -> Vec<String> {
        self.walk_from(c".ocirm-trash", TRASH, Zone::Trash, each)
    }

    fn walk_from(
        &self,
        name: &CStr,
        path: &str,
        zone: Zone,
        each: &mut dyn FnMut(UsedFile),
    ) -> Vec<String> {
        let mut walk = Walk {
            workers: Workers::for_reading(),
            directories: HashSet::new(),
            counted: HashSet::new(),
            linked: HashSet::new(),
            pending: Vec::new(),
            pending_blobs: Vec::new(),
            postponed: Vec::new(),
            failures: Vec::new(),
        };
        let opened = self.layout.dir.as_fd().try_clone_to_owned();
        let begun = opened.map_err(|e| e.to_string()).and_then(|parent| {
            let first = Pending {
                parent: Rc::new(parent),
                name: name.to_owned(),
                path: path.to_owned(),
                zone,
                follow: false,
            };
            walk.list_first(first, each).map_err(|e| e.to_string())
        });
        if let Err(error) = begun {
            walk.failures.push(error);
        }
        while let Some(next) = walk.pending_blobs.pop().or_else(|| walk.pending.pop()) {
            let path = next.path.clone();
            if let Err(error) = walk.list(next, each) {
                walk.fail(&path, error);
            }
        }
        walk.count_postponed(each);
        walk.failures
    }
}

struct Walk {
    workers: Workers,
    /// Those that were listed.
    directories: HashSet<FileId>,
    /// Those that were counted.
    counted: HashSet<FileId>,
    /// Files with several names that were seen.
    linked: HashSet<FileId>,
    pending: Vec<Pending>,
    /// These come first: what is reached as a blob is one, whatever else it is called.
    pending_blobs: Vec<Pending>,
    /// Other names of files that may be blobs as well.
    postponed: Vec<UsedFile>,
    failures: Vec<String>,
}

impl Walk {
    fn fail(&mut self, path: &str, error: Errno) {
        self.failures
            .push(format!("cannot look into `{path}`: {error}"));
    }

    fn push(&mut self, next: Pending) {
        match next.zone {
            Zone::Blobs | Zone::Algorithm(_) => self.pending_blobs.push(next),
            _ => self.pending.push(next),
        }
    }

    /// Counts files with several names none of which is a blob's; what lies in the trash as that.
    fn count_postponed(&mut self, each: &mut dyn FnMut(UsedFile)) {
        let mut postponed = std::mem::take(&mut self.postponed);
        postponed.sort_by_key(|file| !matches!(file.place, Place::Trash(_)));
        for file in postponed {
            if self.linked.insert(file.file) {
                each(file);
            }
        }
    }

    /// Lists the directory where the walk begins, which nobody found in another one. One that is not
    /// there holds nothing.
    fn list_first(&mut self, first: Pending, each: &mut dyn FnMut(UsedFile)) -> Result<(), Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let Some(stat) = found(rustix::fs::statat(&*first.parent, &first.name, flags))? else {
            return Ok(());
        };
        let place = match first.zone {
            Zone::Trash => Place::Trash(None),
            _ => Place::Other,
        };
        let parent = FileId::of_opened(&*first.parent)?;
        each(used(&stat, place, first.path.clone(), parent));
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            self.pending.push(first);
        }
        Ok(())
    }

    fn list(&mut self, next: Pending, each: &mut dyn FnMut(UsedFile)) -> Result<(), Errno> {
        let flags = match next.follow {
            true => DIRECTORY,
            false => DIRECTORY | OFlags::NOFOLLOW,
        };
        let opened = rustix::fs::openat(&*next.parent, &next.name, flags, Mode::empty());
        let dir = match opened {
            // It went, or something else has its place by now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&dir)?;
        let directory = FileId::from_stat(&stat);
        if !self.directories.insert(directory) {
            return Ok(());
        }
        // The link to it was counted where it was found, it itself was not.
        if next.follow && self.counted.insert(directory) {
            each(used(&stat, Place::Other, next.path.clone(), directory));
        }
        let mut names: Vec<CString> = Vec::new();
        each_file(&dir, &mut |name, _| names.extend(CString::new(name)))?;
        let look = |name: &CString, _: &mut Vec<u8>| {
            rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
        };
        let stats = self.workers.map(&names, &look, || ());
        let dir = Rc::new(dir);
        for (name, stat) in names.into_iter().zip(stats) {
            let text = name.to_string_lossy();
            let path = || match next.path.as_str() {
                "" => text.to_string(),
                above => format!("{above}/{text}"),
            };
            let stat = match found(stat) {
                Ok(Some(stat)) => stat,
                Ok(None) => continue,
                Err(error) => {
                    self.fail(&path(), error);
                    continue;
                }
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            let (place, inner, follow) = next.zone.meaning(&text, kind, &path);
            let shown = match place {
                Place::Blob(_) => String::new(),
                _ => path(),
            };
            let entry = used(&stat, place, shown, directory);
            let is_link = kind == FileType::Symlink && follow;
            if kind == FileType::Directory || is_link {
                let path = path();
                drop(text);
                self.push(Pending {
                    parent: dir.clone(),
                    name,
                    path,
                    zone: inner,
                    follow: is_link,
                });
            }
            let is_new = match (&entry.place, kind) {
                (_, FileType::Directory) => self.counted.insert(entry.file),
                _ if !entry.is_linked => true,
                (Place::Blob(_), _) => self.linked.insert(entry.file),
                _ => {
                    self.postponed.push(entry);
                    continue;
                }
            };
            if is_new {
                each(entry);
            }
        }
        Ok(())
    }
}

fn used(stat: &Stat, place: Place, path: String, directory: FileId) -> UsedFile {
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    UsedFile {
        place,
        path,
        is_directory,
        size: length(stat),
        on_disk: allocated(stat),
        is_linked: !is_directory && stat.st_nlink > 1,
        modified: modified(stat),
        file: FileId::from_stat(stat),
        directory,
    }
}

impl Zone {
    /// What a name in it means, what the names in it mean if it is a directory, and whether it is one
    /// also where it is a link.
    fn meaning(
        &self,
        name: &str,
        kind: FileType,
        path: &dyn Fn() -> String,
    ) -> (Place, Zone, bool) {
        let inside = |place: Place| (place.clone(), Zone::Inside(place), false);
        match self {
            Zone::Inside(place) => inside(place.clone()),
            _ if name.starts_with(TEMPORARY) => inside(Place::Other),
            Zone::Root if name == "blobs" => (Place::Other, Zone::Blobs, true),
            Zone::Root if name == TRASH => (Place::Trash(None), Zone::Trash, false),
            Zone::Root if is_workshop(name) => (Place::Other, Zone::Workshop, false),
            Zone::Workshop => inside(Place::Temporary),
            Zone::Trash => inside(Place::Trash(RemovalId::of_name(name))),
            Zone::Blobs => {
                let is_known = Algorithm::ALL.iter().any(|known| known.name() == name);
                (Place::Other, Zone::Algorithm(name.into()), is_known)
            }
            Zone::Algorithm(algorithm) => {
                let is_file = matches!(kind, FileType::RegularFile | FileType::Symlink);
                let known = Algorithm::ALL
                    .iter()
                    .find(|known| known.name() == &**algorithm);
                let digest = match known {
                    Some(known) => known.digest_of_file_name(name.as_bytes()),
                    None => format!("{algorithm}:{name}").parse().ok(),
                };
                match digest.filter(|_| is_file) {
                    Some(digest) => inside(Place::Blob(digest)),
                    None if is_unfinished_work(&path()) => inside(Place::Temporary),
                    None => inside(Place::Other),
                }
            }
            Zone::Root if is_unfinished_work(name) => inside(Place::Temporary),
            Zone::Root => inside(Place::Other),
        }
    }
}
