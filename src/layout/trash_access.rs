//! Who may use the trash: nobody who could not use what lies in it where it was, and everybody else. What
//! is made in the trash is given that outright, for the umask of whoever happens to remove something
//! must neither show it to others nor keep a group from it that shares the layout.
//!
//! A directory of blobs in a removal is like the one of the layout that its blobs come from; those above
//! it allow what the layout's directory and `blobs` both allow; and a record is like `index.json`.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::blobs::open_regular;
use super::{DockerFile, Layout, Locked};
use crate::files::access::Access;
use crate::files::attributes::{access_of, give_at_most};
use crate::files::directory::DIRECTORY;
use crate::value::digest::Algorithm;

/// Who may use the directories of the trash.
#[derive(Clone, Debug)]
pub(super) struct TrashAccess {
    /// That of the trash itself and of each removal.
    pub(super) above: Access,
    /// That of the `blobs` of a removal.
    pub(super) blobs: Access,
    algorithms: BTreeMap<Algorithm, Access>,
}

impl TrashAccess {
    /// What the layout allows now.
    pub(super) fn of<M>(locked: &Locked<M>) -> Result<TrashAccess, Errno> {
        let root = access_of(&locked.layout.dir)?;
        let blobs = locked.blob_dirs.parent().map(access_of).transpose()?;
        let blobs = blobs.unwrap_or_else(|| root.clone());
        let mut algorithms = BTreeMap::new();
        for (algorithm, dir) in locked.blob_dirs.all() {
            algorithms.insert(algorithm, access_of(dir)?);
        }
        Ok(TrashAccess {
            above: root.and(&blobs),
            blobs,
            algorithms,
        })
    }

    /// That of a removal's directory for the blobs of an algorithm.
    pub(super) fn of_algorithm(&self, algorithm: Algorithm) -> &Access {
        self.algorithms.get(&algorithm).unwrap_or(&self.blobs)
    }
}

/// Who may read and write a record: it repeats what is in index.json, and in the files of a `docker
/// save` beside it.
pub(super) fn access_of_record<M>(locked: &Locked<M>) -> Result<Access, Errno> {
    let of_file = |name: &str| -> Result<Option<Access>, Errno> {
        match open_regular(&locked.layout.dir, name) {
            Ok(Some((file, _))) => access_of(&file).map(Some),
            _ => Ok(None),
        }
    };
    let private = Access {
        mode: 0o600,
        acl: None,
        ..access_of(&locked.layout.dir)?
    };
    let mut access = of_file("index.json")?.unwrap_or(private);
    for file in [DockerFile::Manifest, DockerFile::Repositories] {
        if let Some(other) = of_file(file.name())? {
            access = access.and(&other);
        }
    }
    Ok(access.for_files())
}

/// Opens a directory, which is made if it is not there.
///
/// # Errors
/// `ENOTDIR` for a link or anything else that is no directory, and what the operating system says.
fn make_like(parent: impl AsFd, name: &str, access: &Access) -> Result<OwnedFd, Errno> {
    match make_new_like(&parent, name, access) {
        Err(Errno::EXIST) => open(&parent, name),
        made => made,
    }
}

/// The same for a directory of the trash: one of ours that an older version, or the layout as it was,
/// made too narrow or too wide is put right.
///
/// # Errors
/// As [`make_like`].
pub(super) fn make_or_put_right(
    parent: impl AsFd,
    name: &str,
    access: &Access,
) -> Result<OwnedFd, Errno> {
    match make_new_like(&parent, name, access) {
        Err(Errno::EXIST) => {}
        made => return made,
    }
    let dir = open(&parent, name)?;
    put_right(&dir, access)?;
    Ok(dir)
}

/// Makes a directory that is not there.
///
/// # Errors
/// `EEXIST` if it is, and what the operating system says.
pub(super) fn make_new_like(
    parent: impl AsFd,
    name: &str,
    access: &Access,
) -> Result<OwnedFd, Errno> {
    rustix::fs::mkdirat(&parent, name, Mode::RWXU)?;
    let opened = open(&parent, name).or_else(|e| match e {
        // A umask can take from the owner, too.
        Errno::ACCESS => {
            rustix::fs::chmodat(&parent, name, Mode::RWXU, AtFlags::empty())?;
            open(&parent, name)
        }
        e => Err(e),
    });
    let given = opened.and_then(|dir| give_at_most(&dir, access).map(|()| dir));
    if given.is_err() {
        // What nobody can use would be in everybody's way.
        let _ = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
    }
    given
}

/// Makes the layout's directory for the blobs of an algorithm, if it is gone, like `removed`, that of a
/// removal.
///
/// # Errors
/// As [`make_like`].
pub(super) fn make_as_in_removal(
    layout: &Layout,
    algorithm: Algorithm,
    removed: &OwnedFd,
) -> Result<OwnedFd, Errno> {
    let above = rustix::fs::openat(removed, c"..", DIRECTORY, Mode::empty())?;
    let blobs = make_like(&layout.dir, "blobs", &access_of(above)?)?;
    make_like(blobs, algorithm.name(), &access_of(removed)?)
}

/// Gives a directory this access if it is ours and has another.
///
/// # Errors
/// What the operating system says.
pub(super) fn put_right(dir: impl AsFd, access: &Access) -> Result<(), Errno> {
    let now = access_of(&dir)?;
    let runner = rustix::process::geteuid();
    let is_ours = runner.is_root() || now.owner == runner.as_raw();
    let owner = if runner.is_root() {
        access.owner
    } else {
        now.owner
    };
    let wanted = Access {
        owner,
        ..access.clone()
    };
    match is_ours && now != wanted {
        true => give_at_most(&dir, access),
        false => Ok(()),
    }
}

fn open(parent: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = DIRECTORY | OFlags::NOFOLLOW;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::LOOP) => Err(Errno::NOTDIR),
        opened => opened,
    }
}
