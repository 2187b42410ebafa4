//! THE DIRECTORY: bytes and paths. With the files below it the only stage that changes the disk.
//!
//! ```text
//! DIR/
//! ├── oci-layout                    checked when the layout is opened, never written
//! ├── index.json                    read as bytes; replaced whole      (replace.rs)
//! ├── index.json.lock               BuildKit's lock, held for moments  (lock.rs)
//! ├── manifest.json, repositories   of an unpacked `docker save`       (replace.rs)
//! ├── .ocirm-trash/                 what `--trash` took away           (trash.rs)
//! └── blobs/<algorithm>/<hex>       read, listed, unlinked             (blob_dirs.rs, blobs.rs)
//! ```
//!
//! A [`Layout`] is an opened directory that nobody locked; all it can do is be locked. What can be
//! read is on [`Locked`], whichever the lock. What changes the disk exists on `Locked<Exclusive>`
//! alone, so a dry run, which holds a `Locked<Shared>`, cannot be written to delete anything.
//!
//! This stage knows no JSON beyond the version in `oci-layout`: what the bytes mean is
//! [`crate::oci`]'s business. The files below use each other in one direction:
//!
//! * `blob_dirs`: the directories below `blobs`, and whose they are
//! * `hard_links`: files with several names, over all layouts of a run
//! * `mounts`: file systems that do not keep their word; `far`: those that several machines use
//! * `moves`, `returns`: into the trash and back, so that no power cut loses anything
//! * `neighbours`: whether it lies beside other layouts, so that an empty file is a stub
//! * `root_names`: what lies in the layout's root that a change has to know of
//! * `stubs`: empty files whose bytes lie in another layout
//! * `blobs`, `lock`, `replace`, `trash`: what is done in the directory
//! * `trash_access`: who may use the trash
//! * `trash_checks`: whether what is to come back is what it should be
//! * `lock_files`: lock files that several layouts of a run may have; `lock_order`: several layouts, locked for one command
//! * `usage`: all files, and what they take on the disk
//! * `writers`: temporary files of other programs that are writing
//! * `forbidden`: why a change is not allowed, and who may make it; `unwritable`: whether one would be
//! * `discover`: finding layouts; `no_layout`: what lies where none is
#![expect(
    clippy::disallowed_methods,
    reason = "with the files the one stage that changes the disk"
)]

mod ages;
mod blob_dirs;
mod blobs;
mod discover;
mod far;
mod forbidden;
mod hard_links;
mod lock;
mod lock_files;
mod lock_order;
mod mounts;
mod moves;
mod neighbours;
mod no_layout;
mod replace;
mod returns;
mod root_names;
mod stubs;
mod trash;
mod trash_access;
mod trash_checks;
mod unwritable;
mod usage;
mod writers;

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io::ErrorKind;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::{AtFlags, Mode, Stat};
use rustix::io::Errno;

use crate::error::Error;
use crate::files::directory::DIRECTORY;
use crate::files::{stat, temporary};
use crate::value::digest::Algorithm;

use root_names::RootNames;

pub(crate) use crate::files::stat::FileId;
pub use crate::files::stat::{BlobStat, Weight};
pub(crate) use crate::files::temporary::TEMPORARY;
pub(crate) use ages::Ages;
pub use blob_dirs::SharedReason;
pub(crate) use blob_dirs::{BlobPlace, BlobPlaces};
pub use blobs::BlobError;
pub(crate) use blobs::Presence;
pub(crate) use discover::discover;
pub(crate) use far::NAMED;
pub(crate) use hard_links::LinkedFile;
pub use hard_links::{HardLinks, LinkedBlobs};
pub use lock::LockOptions;
pub(crate) use mounts::UnsafeMount;
pub(crate) use moves::{Given, OpenRemoval};
pub(crate) use neighbours::Neighbours;
pub(crate) use no_layout::{below, is_archive};
pub(crate) use replace::IndexWrite;
pub use replace::RootEdit;
pub(crate) use returns::{RestoredBlob, Return};
pub(crate) use stubs::StubsOfRun;
pub(crate) use trash::RecordFile;
pub use trash::{RemovalId, Trash};
pub(crate) use unwritable::{Unwritable, Writes, Written};
pub(crate) use usage::{Place, UsedFile};
pub(crate) use writers::is_unfinished_work;

/// How long a file that does not parse is read again: other tools write in place.
pub(crate) const TORN: Duration = Duration::from_millis(1000);

/// How long to wait between two such readings.
pub(crate) const TORN_RETRY: Duration = Duration::from_millis(40);

/// How often a far disk is asked again where `index.json` is that is not there.
const AFRESH_AT_MOST: usize = 10;

/// The largest `index.json` that is read, in bytes. A million entries need about 350 MB.
pub(crate) const MAX_INDEX_BYTES: u64 = 1 << 30;

/// The largest file beside index.json that is read, in bytes: `oci-layout` and what an unpacked
/// `docker save` has.
const MAX_ROOT_FILE_BYTES: u64 = 1 << 28;

/// The lock file on file systems that cannot lock a directory, or not for other machines.
const LAYOUT_LOCK: &str = ".ocirm.lock";

/// The largest `oci-layout` that is read, in bytes. All that stands in it is a version.
const MAX_MARKER_BYTES: u64 = 1 << 16;

/// What says which images there are.
const INDEX: &str = "index.json";

/// The directory of the trash in the layout's root.
pub(crate) const TRASH: &str = ".ocirm-trash";

/// How many bytes of a file are compared at once.
const COMPARED_AT_ONCE: usize = 1 << 16;

/// An opened layout directory whose `oci-layout` says that it is one. Nothing is locked yet.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    dir: File,
    /// Found out when it matters.
    id: OnceLock<FileId>,
    ages: Ages,
    /// Whether it lies beside other layouts; found out when that matters.
    neighbours: OnceLock<bool>,
    /// On what kind of disk it lies; found out when it is locked.
    disk: OnceLock<far::Disk>,
}

impl Layout {
    /// Opens a layout.
    ///
    /// # Errors
    /// Exit status 12 when the directory, its `oci-layout` or a version that we know is missing.
    pub fn open(path: &Path) -> anyhow::Result<Layout> {
        Layout::open_within(path, TORN)
    }

    /// Opens a layout, and waits no longer than this for an `oci-layout` that is being written.
    ///
    /// # Errors
    /// As for [`Layout::open`].
    pub(crate) fn open_within(path: &Path, torn: Duration) -> anyhow::Result<Layout> {
        let layout = Layout::open_directory(path)?;
        layout.check_version(torn)?;
        Ok(layout)
    }

    /// Opens a directory that may be a layout: nobody asked its `oci-layout`.
    fn open_directory(path: &Path) -> anyhow::Result<Layout> {
        let dir = rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(|errno| {
            match std::io::Error::from(errno) {
                e if e.kind() == ErrorKind::NotFound => no_layout::nothing_there(path),
                e if e.kind() == ErrorKind::NotADirectory => no_layout::no_directory(path),
                e => Error::layout(format!(
                    "cannot open the directory `{}`: {e}",
                    path.display()
                )),
            }
        })?;
        Ok(Layout {
            path: path.to_owned(),
            dir: File::from(dir),
            id: OnceLock::new(),
            ages: Ages::default(),
            neighbours: OnceLock::new(),
            disk: OnceLock::new(),
        })
    }

    /// The path as the user gave it, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shares what is known of files with several names with the other layouts of a run.
    pub(crate) fn with_ages(mut self, ages: &Ages) -> Layout {
        self.ages = ages.clone();
        self
    }

    /// Which directory it is.
    fn id(&self) -> Result<FileId, Errno> {
        if let Some(id) = self.id.get() {
            return Ok(*id);
        }
        let id = FileId::of_opened(&self.dir)?;
        Ok(*self.id.get_or_init(|| id))
    }

    /// Whether two paths led to the same directory.
    pub(crate) fn is_same(&self, other: &Layout) -> bool {
        let own = self.id();
        own.is_ok() && own == other.id()
    }

    fn check_version(&self, torn: Duration) -> anyhow::Result<()> {
        let shown = self.path.join("oci-layout");
        let shown = shown.display();
        let start = Instant::now();
        let mut found = self.read_root_file("oci-layout", MAX_MARKER_BYTES)?;
        // skopeo writes the file anew, in place, whenever it copies something into a layout. Another machine that
        // still believes in its old size sees zeros for a moment.
        let is_torn = |bytes: &Vec<u8>| bytes.iter().all(|byte| *byte == 0);
        while found.as_ref().is_some_and(is_torn) && start.elapsed() < torn {
            std::thread::sleep(TORN_RETRY);
            found = self.read_root_file("oci-layout", MAX_MARKER_BYTES)?;
        }
        let Some(bytes) = found else {
            return Err(no_layout::no_marker(&self.path).into());
        };
        let marker: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|e| Error::layout(format!("`{shown}` says no layout version: {e}")))?;
        let Some(version) = marker.get("imageLayoutVersion").and_then(|v| v.as_str()) else {
            return Err(Error::layout(format!("`{shown}` says no layout version")).into());
        };
        if version != "1" && !version.starts_with("1.") {
            return Err(Error::layout(format!(
                "`{shown}` says layout version `{}`; this program knows version 1",
                version.escape_debug()
            ))
            .into());
        }
        Ok(())
    }

    /// Whether a file of the layout's root has exactly the bytes of these pieces.
    ///
    /// # Errors
    /// Those of reading it.
    fn has_bytes(&self, name: &str, pieces: &[&[u8]]) -> anyhow::Result<bool> {
        let context = || format!("cannot read `{}`", self.path.join(name).display());
        let opened = blobs::open_regular(&self.dir, name).with_context(context)?;
        match opened {
            Some((file, size)) if size == length_of(pieces) as u64 => {
                are_bytes_of(&file, pieces).with_context(context)
            }
            _ => Ok(false),
        }
    }

    /// Reads a file of the layout's root, following a symbolic link, or `None` if there is none.
    ///
    /// # Errors
    /// Exit status 12 when it is no regular file or larger than `limit` bytes.
    fn read_root_file(&self, name: &str, limit: u64) -> anyhow::Result<Option<Vec<u8>>> {
        let shown = self.path.join(name);
        let unsafe_file = |what: String| Error::layout(format!("`{}` {what}", shown.display()));
        match blobs::open_regular(&self.dir, name) {
            Ok(None) => Ok(None),
            Ok(Some((mut file, size))) if size <= limit => {
                let mut bytes = Vec::new();
                blobs::read_whole(&mut file, size, limit, &mut bytes)
                    .with_context(|| format!("cannot read `{}`", shown.display()))?;
                Ok(Some(bytes))
            }
            Ok(Some((_, size))) => Err(unsafe_file(format!(
                "has {size} bytes; the most that is read is {limit}"
            ))
            .into()),
            Err(BlobError::NotRegular(kind)) => {
                Err(unsafe_file(format!("is {kind}, not a regular file")).into())
            }
            Err(error) => Err(unsafe_file(format!("cannot be read: {error}")).into()),
        }
    }
}

/// How many bytes pieces have together.
fn length_of(pieces: &[&[u8]]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}

/// Whether a file has exactly the bytes of these pieces. Not all of it is read at once, for it may be large.
fn are_bytes_of(file: &File, pieces: &[&[u8]]) -> std::io::Result<bool> {
    let length = length_of(pieces);
    let mut left = length;
    // The byte of room that stays empty shows that there is no more, without another call.
    let mut room = vec![0; left.saturating_add(1).min(COMPARED_AT_ONCE)];
    let mut pieces = pieces.iter();
    let mut piece: &[u8] = &[];
    loop {
        match file.read_at(&mut room, (length - left) as u64) {
            Ok(0) => return Ok(left == 0),
            Ok(n) if n > left => return Ok(false),
            Ok(n) => {
                left -= n;
                let mut found = &room[..n];
                while !found.is_empty() {
                    if piece.is_empty() {
                        let Some(next) = pieces.next() else {
                            return Ok(false);
                        };
                        piece = next;
                    }
                    let both = found.len().min(piece.len());
                    if found[..both] != piece[..both] {
                        return Ok(false);
                    }
                    (found, piece) = (&found[both..], &piece[both..]);
                }
                if left == 0 && n < room.len() {
                    return Ok(true);
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Marks a layout that others may read at the same time.
#[derive(Debug)]
pub enum Shared {}

/// Marks a layout that no other ocirm reads or changes.
#[derive(Debug)]
pub enum Exclusive {}

/// A layout under a lock, which goes when the value does.
#[derive(Debug)]
pub struct Locked<M> {
    blob_dirs: blob_dirs::BlobDirs,
    /// Temporary files of ours that were seen when the blobs were listed.
    temporaries: Mutex<Vec<(Algorithm, CString)>>,
    /// Names of files that were replaced.
    old_names: temporary::OldNames,
    /// Files that have another name in the trash, once somebody asked.
    trashed_files: OnceLock<HashSet<FileId>>,
    /// index.json, once this run replaced it.
    written_index: replace::WrittenIndex,
    /// There is no trash, and under the lock nobody but us makes one.
    has_no_trash: AtomicBool,
    /// Held for what dropping it does.
    _lock: lock::LayoutLock,
    /// The directory that is locked. It is closed last, for that unlocks it, and what goes when a value
    /// above is dropped goes under the lock.
    layout: Layout,
    mode: PhantomData<fn() -> M>,
}

impl Layout {
    /// Locks for reading: beside other readers, never beside a change.
    ///
    /// # Locking
    /// `flock` on the directory itself, which leaves no file behind; see `lock.rs`. On a read-only
    /// file system that has no locks it goes on without: nobody can change anything there.
    ///
    /// # Errors
    /// Exit status 11 when a change goes on for longer than the time-out.
    pub fn lock_shared(self, options: &LockOptions<'_>) -> anyhow::Result<Locked<Shared>> {
        let (locked, _) = self.lock_shared_with(Vec::new(), options)?;
        Ok(locked)
    }

    /// Locks for changing, and removes the temporary files of an earlier run that was killed.
    ///
    /// # Locking
    /// As [`Layout::lock_shared`], but exclusive; also the `index.lock` of podman's artifact store
    /// where that file exists.
    ///
    /// # Errors
    /// Exit status 11 when somebody else holds a lock for longer than the time-out, 12 when the layout
    /// lies on a mount that does not keep its word and that was not allowed.
    pub fn lock_exclusive(self, options: &LockOptions<'_>) -> anyhow::Result<Locked<Exclusive>> {
        let (locked, _) = self.lock_exclusive_with(Vec::new(), options)?;
        Ok(locked)
    }
}

impl Locked<Exclusive> {
    /// Removes what runs left that were killed: in the root, and where blobs lie on another file system,
    /// for then they are written in their own directories. Those of a run that is alive stay.
    fn remove_stale_temporaries(&self, root: &RootNames) -> anyhow::Result<()> {
        let sight = root.sight();
        temporary::remove_stale_of(&self.layout.dir, &root.temporaries, sight);
        let device = self.layout.id()?.device;
        for dir in self.blob_dirs.distant(device) {
            // Not being able to remove garbage is no reason not to do what was asked.
            let _ = temporary::remove_stale(dir, sight);
        }
        Ok(())
    }

    /// Removes those that were seen when the blobs were listed.
    pub(crate) fn remove_listed_temporaries(&self) {
        let Ok(seen) = self.temporaries.lock() else {
            return;
        };
        if seen.is_empty() {
            return;
        }
        let sight = lock::LayoutLock::sight(&self.layout);
        for (algorithm, name) in seen.iter() {
            let dir = self.blob_dirs.all().find(|(known, _)| known == algorithm);
            if let Some((_, dir)) = dir {
                temporary::remove_if_stale(dir, name, sight);
            }
        }
    }
}

impl<M> Locked<M> {
    fn new(layout: Layout, lock: lock::LayoutLock) -> anyhow::Result<Locked<M>> {
        let blob_dirs = blob_dirs::BlobDirs::open(&layout)?;
        Ok(Locked {
            blob_dirs,
            temporaries: Mutex::default(),
            old_names: temporary::OldNames::default(),
            trashed_files: OnceLock::new(),
            written_index: replace::WrittenIndex::default(),
            has_no_trash: AtomicBool::new(false),
            _lock: lock,
            layout,
            mode: PhantomData,
        })
    }

    /// The path as the user gave it, for messages.
    pub fn path(&self) -> &Path {
        self.layout.path()
    }

    /// Allows deleting blobs of directories that others may share: the caller knows all layouts
    /// that do, and keeps what they need.
    pub(crate) fn all_sharers_are_known(&mut self) {
        self.blob_dirs.forget_refusals();
    }

    /// Refuses to delete blobs of directories that others are known to lead to. `by_whom` says who that
    /// is, as messages call them.
    pub(crate) fn refuse_shared(&mut self, by_whom: &dyn Fn(FileId) -> Option<String>) {
        self.blob_dirs.refuse_shared(by_whom);
    }

    /// Reads index.json as it is at this moment. Other tools write it in place and without a lock,
    /// so it can be torn; the caller parses it and reads again.
    ///
    /// # Errors
    /// Exit status 12 when it is missing, no regular file, or beyond [`MAX_INDEX_BYTES`].
    pub(crate) fn read_index(&self) -> anyhow::Result<Vec<u8>> {
        let read = || self.layout.read_root_file("index.json", MAX_INDEX_BYTES);
        self.layout.look_afresh();
        let mut found = read();
        for _ in 0..AFRESH_AT_MOST {
            if matches!(found, Ok(Some(_))) || !self.layout.is_far() {
                break;
            }
            // Another machine replaced it after this one had looked.
            self.layout.look_afresh();
            found = read();
        }
        let found = found?;
        found.ok_or_else(|| {
            Error::layout(format!("`{}` has no index.json", self.path().display()))
                .hint("an index that is gone says nothing about which blobs are referenced; put it back first")
                .into()
        })
    }

    /// Whether index.json has the bytes of these pieces at this moment.
    ///
    /// # Errors
    /// What the operating system says, and a file that is no regular one.
    pub(crate) fn index_is(&self, pieces: &[&[u8]]) -> anyhow::Result<bool> {
        if self.written_index.is_kept() {
            return self.stamped_index_is(self.index_stamp(), pieces);
        }
        self.layout.look_afresh();
        self.layout.has_bytes(INDEX, pieces)
    }

    /// The same, of which the stamp was just taken.
    ///
    /// # Errors
    /// As [`Locked::index_is`].
    pub(crate) fn stamped_index_is(
        &self,
        stamp: IndexStamp,
        pieces: &[&[u8]],
    ) -> anyhow::Result<bool> {
        let known = stamp.0.and_then(|(file, size, _)| {
            let written = &self.written_index;
            written.has_bytes(file, size, pieces)
        });
        known.map_or_else(|| self.layout.has_bytes(INDEX, pieces), Ok)
    }

    /// When index.json last changed: no entry of it can have arrived later.
    pub(crate) fn index_changed(&self) -> jiff::Timestamp {
        let changed = self.stat_index().map(|stat| stat::changed(&stat));
        changed.unwrap_or_else(|_| jiff::Timestamp::now())
    }

    /// Something that differs whenever somebody replaced or rewrote index.json, at the cost of one
    /// system call, and on a far disk of one listing. Equal stamps are a strong hint, not a proof.
    pub(crate) fn index_stamp(&self) -> IndexStamp {
        let stat = self.stat_index().map(|stat| {
            let times = [
                stat.st_mtime.into(),
                stat.st_mtime_nsec.into(),
                stat.st_ctime.into(),
                stat.st_ctime_nsec.into(),
            ];
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            (FileId::from_stat(&stat), size, times)
        });
        IndexStamp(stat.ok())
    }

    fn stat_index(&self) -> Result<Stat, Errno> {
        self.layout.look_afresh();
        rustix::fs::statat(&self.layout.dir, "index.json", AtFlags::empty())
    }

    /// Reads `manifest.json` or `repositories` of an unpacked `docker save`, if it is there.
    ///
    /// # Errors
    /// Exit status 12 when it is no regular file, or larger than 256 MiB.
    pub(crate) fn read_docker_file(&self, name: DockerFile) -> anyhow::Result<Option<Vec<u8>>> {
        self.layout.read_root_file(name.name(), MAX_ROOT_FILE_BYTES)
    }
}

/// See [`Locked::index_stamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexStamp(Option<(FileId, u64, [i128; 4])>);

/// The files that `docker save` writes beside index.json, for engines that cannot read that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DockerFile {
    /// `manifest.json`: a list of configs, names and layers.
    Manifest,
    /// `repositories`: names by repository and tag.
    Repositories,
}

impl DockerFile {
    /// The name of the file in the layout's root.
    pub fn name(self) -> &'static str {
        match self {
            DockerFile::Manifest => "manifest.json",
            DockerFile::Repositories => "repositories",
        }
    }
}
