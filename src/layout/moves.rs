//! Moving blobs between the layout and its trash so that no power cut loses one.
//!
//! A rename from one directory into another is two changes to a disk without a journal, and after a
//! power cut the old name can be gone and the new one not there. So a blob gets a second name, that
//! name is made durable, and only then does the first one go. Where a file cannot have two names
//! (some file systems, and files of other users) it is renamed, and the directory that it comes into
//! is synced before the one that it left.
//!
//! Whoever is killed in between leaves a blob with a name in both places. Nothing is missing then:
//! the layout's name counts as ever, and whoever restores or empties the trash finds the other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::ages::{Ages, Names};
use super::replace::sync_directory;
use super::trash_access::{TrashAccess, make_or_put_right};
use super::{BlobStat, Exclusive, Locked};
use crate::files::directory::DIRECTORY;
use crate::files::rename::rename_unless_taken;
use crate::files::stat::{FileId, found};
use crate::files::unix::is_unsupported;
use crate::value::digest::{Algorithm, Digest};

/// How a blob came to have a name in another directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// It has both names now, which it may have had before.
    Second,
    /// It was renamed.
    Moved,
    /// Another file has that name.
    Taken,
    /// It is not there.
    Missing,
}

pub(super) fn enter(dir: impl AsFd, name: &str) -> Result<Option<OwnedFd>, Errno> {
    match rustix::fs::openat(dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::NOTDIR | Errno::LOOP) => Ok(None),
        opened => found(opened),
    }
}

pub(super) fn enter_all(
    dir: impl AsFd,
    first: &str,
    below: &[&str],
) -> Result<Option<OwnedFd>, Errno> {
    let mut inner = enter(dir, first)?;
    for name in below {
        let Some(outer) = inner else {
            return Ok(None);
        };
        inner = enter(outer, name)?;
    }
    Ok(inner)
}

pub(super) fn stat(dir: &OwnedFd, digest: &Digest) -> Option<BlobStat> {
    let name = digest.file_name();
    let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
    BlobStat::from_stat(&stat, digest)
}

/// Whether an answer means that this file cannot have two names here.
fn cannot_link(errno: Errno) -> bool {
    is_unsupported(errno)
        || matches!(
            errno,
            Errno::PERM | Errno::ACCESS | Errno::MLINK | Errno::XDEV | Errno::INVAL
        )
}

/// Gives a blob its name in another directory, where files can have two. Where they cannot,
/// `before_rename` makes the directories durable that lead to the new name, for the old one is gone at
/// once.
pub(super) fn give_name(
    ages: &Ages,
    from: &OwnedFd,
    to: &OwnedFd,
    digest: &Digest,
    before_rename: impl FnOnce() -> io::Result<()>,
) -> io::Result<Given> {
    let name = digest.file_name();
    let name = name.as_ref();
    // Without flags a symbolic link is linked itself, never what it points to.
    let link = || rustix::fs::linkat(from, name, to, name, AtFlags::empty());
    let linked = ages.change(|| stat(from, digest), (Names::OneMore, to), link);
    let (given, how) = match linked {
        Err(errno) if cannot_link(errno) => {
            before_rename()?;
            (rename_unless_taken(from, name, to, name), Given::Moved)
        }
        linked => (linked, Given::Second),
    };
    match given {
        Ok(()) => Ok(how),
        Err(Errno::NOENT) => Ok(Given::Missing),
        Err(Errno::EXIST) => Ok(match file_of(from, digest) {
            None => Given::Missing,
            own if own == file_of(to, digest) => Given::Second,
            Some(_) => Given::Taken,
        }),
        Err(e) => Err(e.into()),
    }
}

pub(super) fn file_of(dir: &OwnedFd, digest: &Digest) -> Option<FileId> {
    stat(dir, digest).map(|stat| stat.file)
}

pub(super) fn unlink(ages: &Ages, dir: &OwnedFd, digest: &Digest) -> Result<bool, Errno> {
    let name = digest.file_name();
    let unlink = || rustix::fs::unlinkat(dir, name.as_ref(), AtFlags::empty());
    let unlinked = ages.change(|| stat(dir, digest), (Names::OneLess, dir), unlink);
    Ok(found(unlinked)?.is_some())
}

/// A directory, and whether all names that this run gave in it are durable.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: OwnedFd,
    pub(super) is_synced: bool,
}

/// A removal in the trash that blobs are being moved into.
#[derive(Debug)]
pub(crate) struct OpenRemoval {
    dir: OwnedFd,
    access: TrashAccess,
    blobs: Option<OwnedFd>,
    algorithms: BTreeMap<Algorithm, Place>,
    /// Whether the names in `blobs` are durable.
    are_algorithms_synced: bool,
    /// Directories on the way here whose names may not be durable, the innermost first.
    above: Vec<OwnedFd>,
}

impl OpenRemoval {
    /// `above` are the directories that lead to `dir`, the innermost first, as far as a killed run may
    /// have made them.
    pub(super) fn new(
        dir: OwnedFd,
        above: Vec<OwnedFd>,
        access: TrashAccess,
    ) -> io::Result<OpenRemoval> {
        let mut all = vec![dir.try_clone()?];
        all.extend(above);
        Ok(OpenRemoval {
            dir,
            access,
            blobs: None,
            algorithms: BTreeMap::new(),
            are_algorithms_synced: true,
            above: all,
        })
    }

    pub(super) fn dir(&self) -> &OwnedFd {
        &self.dir
    }

    fn make_place(&mut self, algorithm: Algorithm) -> Result<(), Errno> {
        let blobs = match self.blobs.take() {
            Some(blobs) => blobs,
            None => make_or_put_right(&self.dir, "blobs", &self.access.blobs)?,
        };
        let blobs = self.blobs.insert(blobs);
        if let Entry::Vacant(new) = self.algorithms.entry(algorithm) {
            let access = self.access.of_algorithm(algorithm);
            let dir = make_or_put_right(blobs, algorithm.name(), access)?;
            self.are_algorithms_synced = false;
            new.insert(Place {
                dir,
                is_synced: true,
            });
        }
        Ok(())
    }

    /// Makes the directories durable that lead to the blobs, once: nothing else is made in them later.
    fn sync_above(
        blobs: Option<&OwnedFd>,
        are_algorithms_synced: &mut bool,
        above: &mut Vec<OwnedFd>,
    ) -> io::Result<()> {
        if !*are_algorithms_synced {
            blobs.into_iter().try_for_each(sync_directory)?;
            *are_algorithms_synced = true;
        }
        above.iter().try_for_each(sync_directory)?;
        above.clear();
        Ok(())
    }

    fn take_in(
        &mut self,
        ages: &Ages,
        from: &OwnedFd,
        algorithm: Algorithm,
        digest: &Digest,
    ) -> io::Result<Given> {
        self.make_place(algorithm)?;
        let OpenRemoval {
            blobs,
            algorithms,
            are_algorithms_synced,
            above,
            ..
        } = self;
        let place = algorithms.get_mut(&algorithm).ok_or(Errno::NOENT)?;
        let given = give_name(ages, from, &place.dir, digest, || {
            OpenRemoval::sync_above(blobs.as_ref(), are_algorithms_synced, above)
        })?;
        place.is_synced &= matches!(given, Given::Taken | Given::Missing);
        Ok(given)
    }

    /// Makes the names of all blobs that came into it durable.
    ///
    /// # Errors
    /// What the operating system says; after a power cut the new names may not be there.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        for place in self.algorithms.values_mut().filter(|p| !p.is_synced) {
            sync_directory(&place.dir)?;
            place.is_synced = true;
        }
        if self.algorithms.is_empty() {
            return Ok(());
        }
        let blobs = self.blobs.as_ref();
        OpenRemoval::sync_above(blobs, &mut self.are_algorithms_synced, &mut self.above)
    }
}

impl Locked<Exclusive> {
    /// Gives a blob its name in the trash. [`OpenRemoval::sync`] makes that durable, and then it is for
    /// [`Locked::remove_blob`] to take the other one.
    ///
    /// # Errors
    /// As [`Locked::remove_blob`]; the blob is where it was.
    pub(crate) fn name_in_trash(
        &self,
        removal: &mut OpenRemoval,
        digest: &Digest,
    ) -> io::Result<Given> {
        let (algorithm, from) = self.own_directory(digest)?;
        removal.take_in(&self.layout.ages, from, algorithm, digest)
    }

    /// Takes the name in the trash again, if the blob has both.
    pub(crate) fn forget_in_trash(&self, removal: &mut OpenRemoval, digest: &Digest) {
        let Ok((algorithm, own)) = self.own_directory(digest) else {
            return;
        };
        if let Some(place) = removal.algorithms.get(&algorithm)
            && let Some(file) = file_of(&place.dir, digest)
            && file_of(own, digest) == Some(file)
        {
            // Two names are one more than needed, and harm nobody.
            let _ = unlink(&self.layout.ages, &place.dir, digest);
        }
    }

    /// Makes durable that blobs of these algorithms left the layout.
    ///
    /// # Errors
    /// What the operating system says; after a power cut they may be back, as garbage.
    pub(crate) fn sync_blobs_gone(
        &self,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> io::Result<()> {
        for algorithm in algorithms {
            let dir = self.blob_dirs.all().find(|(known, _)| *known == algorithm);
            dir.map_or(Ok(()), |(_, dir)| sync_directory(dir))?;
        }
        Ok(())
    }
}
