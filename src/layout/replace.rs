//! Replacing files of the layout's root, and cleaning up after a run that was killed meanwhile.
//!
//! There is one way in which a file is replaced here: a temporary file in the same directory, with
//! the old file's mode and owner, written, synced, renamed over the old one, and the directory
//! synced. Whoever reads sees the old bytes or the new ones, and after a crash too.
//!
//! Programs that take no lock can write at any moment, between our comparing and our renaming, too.
//! So the two files are exchanged instead, where the file system can do that: what comes out is
//! compared once more, and goes back if somebody was faster.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::Context as _;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;

use super::blob_dirs::each_file;
use super::blobs::Presence;
use super::lock::IndexLock;
use super::stat::{describe, is_name_of};
use super::{DockerFile, Exclusive, Layout, LockOptions, Locked, MAX_INDEX_BYTES, TEMPORARY};
use crate::error::Error;
use crate::value::digest::Digest;

/// What became of a wish to replace index.json.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IndexWrite {
    /// The new bytes are durable.
    Done,
    /// Somebody changed index.json since it was read; nothing was written. Plan again.
    ChangedMeanwhile,
}

/// A file of an unpacked `docker save` that must change together with index.json.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootEdit {
    /// Which file.
    pub file: DockerFile,
    /// Its bytes when the plan was made.
    pub old: Vec<u8>,
    /// Its bytes from now on.
    pub new: Vec<u8>,
}

impl<M> Locked<M> {
    /// Refuses an index.json that is no regular file: what it leads to is not ours to replace, and
    /// what it says may be another layout's.
    pub(crate) fn refuse_odd_index(&self) -> anyhow::Result<()> {
        replaceable(&self.layout, "index.json").map(drop)
    }
}

impl Locked<Exclusive> {
    /// Replaces index.json, if it still has the bytes `old`, and the files of a `docker save`
    /// beside it. `new` is `None` when index.json itself stays, and is only compared.
    ///
    /// Those files go first: if the program dies between two renames, a name is still in
    /// index.json and can be removed again; the other way round nothing would ever remove it from
    /// `manifest.json`.
    ///
    /// # Locking
    /// Takes the index lock for the time of comparing and renaming.
    ///
    /// # Errors
    /// Exit status 12 when index.json is a symbolic link, whose target is not ours to replace, or
    /// when the lock file cannot be opened; 11 when the lock stays held.
    pub(crate) fn replace_index(
        &self,
        old: &[u8],
        new: Option<&[u8]>,
        beside: &[RootEdit],
        options: &LockOptions<'_>,
    ) -> anyhow::Result<IndexWrite> {
        if new.is_none() && beside.is_empty() {
            return Ok(match self.read_index()? == old {
                true => IndexWrite::Done,
                false => IndexWrite::ChangedMeanwhile,
            });
        }
        // Writing and syncing happen before the lock is taken, so that it is held for moments only.
        let mut ready = Vec::new();
        let write = |name, old, new| Replacement::write(&self.layout, name, old, new);
        for edit in beside {
            ready.push(write(edit.file.name(), &edit.old, &edit.new)?);
        }
        if let Some(new) = new {
            ready.push(write("index.json", old, new)?);
        }
        let lock = IndexLock::acquire(&self.layout, options)?;
        for edit in beside {
            if self.read_docker_file(edit.file)?.as_deref() != Some(&edit.old) {
                return Ok(IndexWrite::ChangedMeanwhile);
            }
        }
        if self.read_index()? != old || lock.as_ref().is_some_and(|lock| !lock.holds()) {
            return Ok(IndexWrite::ChangedMeanwhile);
        }
        for replacement in ready {
            if replacement.replace()? == IndexWrite::ChangedMeanwhile {
                return Ok(IndexWrite::ChangedMeanwhile);
            }
        }
        drop(lock);
        sync_directory(&self.layout.dir)
            .with_context(|| format!("cannot sync the directory `{}`", self.path().display()))?;
        Ok(IndexWrite::Done)
    }

    /// Writes a blob, synced, unless the layout has it. It is garbage until index.json leads to it. The
    /// value tells whether it was written.
    ///
    /// # Errors
    /// What the operating system says, and bytes that do not have this digest.
    pub(crate) fn write_blob(&self, digest: &Digest, bytes: &[u8]) -> anyhow::Result<bool> {
        let context = || format!("cannot write the blob {digest}");
        anyhow::ensure!(
            digest.algorithm().is_some_and(|a| a.hash(bytes) == *digest),
            "the bytes of a new blob do not have the digest {digest}"
        );
        let size = Some(bytes.len() as u64);
        if matches!(self.verify_blob(digest, size), Ok(Presence::Whole)) {
            self.sync_blob(digest).with_context(context)?;
            return Ok(false);
        }
        let dir = self
            .blob_dirs
            .of(digest)
            .with_context(|| format!("the layout has no directory for the blob {digest}"))?;
        let write_in = |place: BorrowedFd<'_>| -> io::Result<()> {
            let mut temporary = Temporary::create(place, "blob", Mode::from_raw_mode(0o644))?;
            temporary.file.write_all(bytes)?;
            temporary.file.sync_all()?;
            Ok(temporary.rename(dir, &digest.encoded())?)
        };
        // In the root the next run finds what a killed one left, but `blobs` may be on another file
        // system.
        write_in(self.layout.dir.as_fd())
            .or_else(|e| match Errno::from_io_error(&e) {
                Some(Errno::XDEV) => write_in(dir.as_fd()),
                _ => Err(e),
            })
            .with_context(context)?;
        sync_directory(dir).with_context(context)?;
        Ok(true)
    }
}

/// Makes renames in a directory durable.
pub(super) fn sync_directory(dir: impl AsFd) -> Result<(), Errno> {
    rustix::fs::fsync(dir).or_else(|e| match e {
        // Some file systems cannot sync a directory; the rename is as durable as it gets.
        Errno::INVAL | Errno::BADF => Ok(()),
        e => Err(e),
    })
}

/// A new file under a name of ours; dropped before it was renamed, it is removed.
#[must_use = "a temporary file that is dropped changes nothing"]
pub(super) struct Temporary<'a> {
    dir: BorrowedFd<'a>,
    pub(super) file: File,
    name: String,
    is_renamed: bool,
}

impl<'a> Temporary<'a> {
    pub(super) fn create(dir: BorrowedFd<'a>, what: &str, mode: Mode) -> Result<Self, Errno> {
        let name = format!("{TEMPORARY}{}-{what}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, &name, flags | OFlags::NOFOLLOW, mode)?;
        Ok(Temporary {
            dir,
            file: File::from(file),
            name,
            is_renamed: false,
        })
    }

    pub(super) fn rename(&mut self, dir: impl AsFd, name: &str) -> Result<(), Errno> {
        rustix::fs::renameat(self.dir, &self.name, dir, name)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_renamed {
            // If this fails, the next run that changes the layout removes it.
            let _ = rustix::fs::unlinkat(self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// A file of the root, written anew and synced, that waits to take the old one's place.
struct Replacement<'a> {
    layout: &'a Layout,
    temporary: Temporary<'a>,
    target: &'static str,
    old: &'a [u8],
}

impl<'a> Replacement<'a> {
    fn write(
        layout: &'a Layout,
        target: &'static str,
        old: &'a [u8],
        new: &[u8],
    ) -> anyhow::Result<Self> {
        let path = layout.path().join(target);
        let context = || format!("cannot write beside `{}`", path.display());
        let replaced = replaceable(layout, target)?;
        let private = Mode::RUSR | Mode::WUSR;
        let mut temporary =
            Temporary::create(layout.dir.as_fd(), target, private).with_context(context)?;
        temporary.file.write_all(new).with_context(context)?;
        let file = &temporary.file;
        // Owner before mode, because a change of owner takes mode bits away. Only root may give a
        // file to somebody else, and a group that we are not in cannot be kept: the mode still is.
        let (uid, gid) = (replaced.st_uid, replaced.st_gid);
        let now = rustix::fs::fstat(file).with_context(context)?;
        if (now.st_uid, now.st_gid) != (uid, gid) {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            if rustix::fs::fchown(file, Some(uid), Some(gid)).is_err() {
                let _ = rustix::fs::fchown(file, None, Some(gid));
            }
        }
        let mode = Mode::from_raw_mode(replaced.st_mode & 0o7777);
        rustix::fs::fchmod(file, mode).with_context(context)?;
        file.sync_all().with_context(context)?;
        Ok(Replacement {
            layout,
            temporary,
            target,
            old,
        })
    }

    /// Takes the target's place, if that still has its old bytes.
    fn replace(mut self) -> anyhow::Result<IndexWrite> {
        let path = self.layout.path().join(self.target);
        let context = || format!("cannot replace `{}`", path.display());
        let dir = &self.layout.dir;
        match self.exchange() {
            Ok(()) => {}
            // Not every file system can do it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let renamed = self.temporary.rename(dir, self.target);
                return renamed.map(|()| IndexWrite::Done).with_context(context);
            }
            Err(e) => return Err(e).with_context(context),
        }
        // What was written in place meanwhile came out by this name.
        let name = &self.temporary.name;
        let out = self.layout.read_root_file(name, MAX_INDEX_BYTES);
        if out.is_ok_and(|bytes| bytes.as_deref() == Some(self.old)) {
            return Ok(IndexWrite::Done);
        }
        if is_name_of(dir, self.target, &self.temporary.file) {
            self.exchange().with_context(context)?;
        }
        Ok(IndexWrite::ChangedMeanwhile)
    }

    fn exchange(&self) -> Result<(), Errno> {
        let (dir, name) = (&self.layout.dir, &self.temporary.name);
        rustix::fs::renameat_with(dir, name, dir, self.target, RenameFlags::EXCHANGE)
    }
}

/// Looks at a file of the root that is to be replaced.
fn replaceable(layout: &Layout, target: &str) -> anyhow::Result<Stat> {
    let path = layout.path().join(target);
    let shown = path.display();
    let stat = rustix::fs::statat(&layout.dir, target, AtFlags::SYMLINK_NOFOLLOW)
        .with_context(|| format!("cannot look at `{shown}`"))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(stat),
        kind => Err(Error::layout(format!(
            "`{shown}` is {}, not a regular file, and cannot be replaced",
            describe(kind)
        ))
        .hint("name the layout that the link leads to with --layout")
        .into()),
    }
}

/// Removes our own temporary files; nobody else's. The caller holds the exclusive lock.
pub(super) fn remove_stale_temporaries(layout: &Layout) -> anyhow::Result<()> {
    let context = || format!("cannot list `{}`", layout.path().display());
    let mut stale = Vec::new();
    each_file(&layout.dir, &mut |name, kind| {
        if name.starts_with(TEMPORARY.as_bytes())
            && matches!(kind, FileType::RegularFile | FileType::Unknown)
        {
            stale.push(name.to_owned());
        }
    })
    .with_context(context)?;
    for name in stale {
        // Not being able to remove garbage is no reason not to do what was asked.
        let _ = rustix::fs::unlinkat(&layout.dir, name, AtFlags::empty());
    }
    Ok(())
}
