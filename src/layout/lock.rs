//! The locks: which, in what order, and why.
//!
//! 1. **The layout lock** keeps two ocirm processes apart. It is `flock(2)` on the layout directory
//!    itself: it needs no file, dies with the process, and works before anything else is known.
//!    Shared for reading, exclusive for changing; held for the whole run.
//! 2. **`index.lock`**, where that file exists, is the lock of podman's artifact store: a POSIX
//!    record lock (`fcntl`), which `flock` does not see. Taken by changes, for the whole run.
//! 3. **The index lock**, `flock` on `index.json.lock`, is BuildKit's (and Inspektor Gadget's). They
//!    *try* it and fail, build and all, when they cannot have it, and they delete the file
//!    afterwards, BuildKit even after it unlocked it. So it is held only around reading index.json
//!    again, comparing, and renaming: some milliseconds. Because the file may be deleted before or
//!    after we have it, a lock counts only as long as the path leads to the inode that was locked.
//!
//! They are always taken in this order, and where a command locks several layouts, all layout locks
//! before the others and in the order of [`super::lock_order`], so two processes cannot wait for each
//! other, nor two threads of one. Layouts may have one lock file; see [`super::lock_files`].
//!
//! skopeo, oras, crane, regctl and others take no lock at all; what helps against them is in
//! [`crate::commit`].
//!
//! Where the file system refuses to lock a directory, the layout lock is taken on a file `.ocirm.lock`
//! in the layout, which then stays there. On a disk that several machines use it is taken on both: most
//! network file systems leave the lock of a directory to the kernel of each machine ([`super::far`]).
//!
//! fs2 does the locking. Its methods are called by full path, because since Rust 1.89 some of their
//! names mean methods of the standard library, with other errors. `std::fs::File::lock` and its
//! kin make the same system call, should fs2 ever have to go.

use std::cmp::Reverse;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::blobs::open_regular;
use super::lock_files::{Held, LockFile};
use super::{LAYOUT_LOCK, Layout};
use crate::error::{Error, ErrorKind};
use crate::files::attributes::{access_of, give_at_most};
use crate::files::rename::rename_to_new;
use crate::files::stat::{FileId, found, is_name_of_file};
use crate::files::temporary::{Made, Sight, Temporary};
use crate::files::unix::is_unsupported;

/// How often a lock that somebody else holds is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// How long a wait may last before the user is told.
const SILENCE: Duration = Duration::from_millis(400);

/// The lock of BuildKit and Inspektor Gadget, beside index.json.
pub(super) const INDEX_LOCK: &str = "index.json.lock";

/// What a lock file of BuildKit's that we created holds.
const MARK: &[u8] = b"ocirm\n";

/// The lock of podman's artifact store.
pub(super) const PODMAN_LOCK: &str = "index.lock";

/// How to lock.
pub struct LockOptions<'a> {
    /// `false` takes no lock at all.
    pub enabled: bool,
    /// `true` changes a layout also on a mount that may lose what was written.
    pub allow_unsafe_mount: bool,
    /// How long to wait for whoever holds a lock.
    pub timeout: Duration,
    /// `true` waits for as long as it takes for what another thread of this process holds. That has to be a job
    /// of the same run, which goes on by itself.
    pub waits_for_jobs: bool,
    /// Called once, when a wait gets long enough to be noticed, with what is waited for.
    pub waiting: &'a dyn Fn(&str),
    /// The signal that wants the program to end, if one came; then a wait ends.
    pub stop: &'a dyn Fn() -> Option<i32>,
}

impl Default for LockOptions<'static> {
    /// Waits for ten seconds, in silence.
    fn default() -> Self {
        LockOptions {
            enabled: true,
            allow_unsafe_mount: false,
            timeout: Duration::from_secs(10),
            waits_for_jobs: false,
            waiting: &|_| (),
            stop: &|| None,
        }
    }
}

impl std::fmt::Debug for LockOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockOptions")
            .field("enabled", &self.enabled)
            .field("allow_unsafe_mount", &self.allow_unsafe_mount)
            .field("timeout", &self.timeout)
            .field("waits_for_jobs", &self.waits_for_jobs)
            .finish_non_exhaustive()
    }
}

/// How a file of ours or of another program's is opened to lock it.
const LOCK_FILE: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// How one is opened by who may only read it.
const LOCK_FILE_READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

/// The mode of a lock file that we make; the umask takes from it.
const LOCK_FILE_MODE: Mode = Mode::from_raw_mode(0o666);

/// Opens a lock file that is there. One that is a FIFO keeps nobody waiting.
fn open_lock_file(layout: &Layout, name: &str) -> Result<Option<File>, Errno> {
    let flags = LOCK_FILE | OFlags::NONBLOCK;
    let opened = rustix::fs::openat(&layout.dir, name, flags, Mode::empty());
    Ok(found(opened)?.map(File::from))
}

/// Beside whom a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    /// Beside others of this kind.
    Shared,
    /// Beside nobody.
    Exclusive,
}

/// What is locked beside the layout's directory, which itself is unlocked when it is closed. Dropping this
/// unlocks it.
#[derive(Debug)]
pub(super) struct LayoutLock {
    /// Of `.ocirm.lock`, which several layouts may have.
    _file: Option<Arc<LockFile>>,
    _podman: Option<LockFile>,
}

impl LayoutLock {
    /// How sure it is that other runs lock where this one does: not where a file had to be locked,
    /// by this run or by any before it.
    pub(super) fn sight(layout: &Layout) -> Sight {
        match rustix::fs::statat(&layout.dir, LAYOUT_LOCK, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Sight::Clear,
            _ => Sight::Dim,
        }
    }

    /// The lock of a layout that is locked with this file, or with its directory alone.
    pub(super) fn of_file(file: Option<Arc<LockFile>>) -> Self {
        LayoutLock {
            _file: file,
            _podman: None,
        }
    }

    /// Takes podman's lock as well, where there is one.
    pub(super) fn with_podman(
        self,
        layout: &Layout,
        options: &LockOptions<'_>,
    ) -> anyhow::Result<Self> {
        Ok(LayoutLock {
            _podman: lock_podman(layout, options)?,
            ..self
        })
    }
}

fn shown(layout: &Layout) -> String {
    format!("the layout `{}`", layout.path().display())
}

/// Locks the directory, or says why the file system does not.
pub(super) fn lock_directory(
    layout: &Layout,
    options: &LockOptions<'_>,
    hold: Hold,
) -> anyhow::Result<Option<String>> {
    let shown = shown(layout);
    // A lock belongs to the open file, and goes when that is closed: it is this run's own, for nobody else
    // has it open.
    match wait(options, || flock(&layout.dir, hold), &shown) {
        Ok(()) => Ok(None),
        Err(Refused::Unsupported(why)) => Ok(Some(why.to_string())),
        Err(other) => Err(other.into_error(options, &shown)),
    }
}

/// A file `.ocirm.lock` that is open and to be locked.
#[derive(Debug)]
pub(super) struct Unlocked {
    file: File,
    pub(super) id: FileId,
    hold: Hold,
    /// The layout is as messages call it.
    shown: String,
    /// A change goes not on without it.
    is_needed: bool,
}

impl Unlocked {
    /// Opens the lock file of a layout whose directory is locked or, for the reason in `refused`, cannot be. Only a
    /// change, of this layout or of another one, makes one.
    pub(super) fn open(
        layout: &Layout,
        refused: Option<&str>,
        hold: Hold,
        is_change: bool,
    ) -> anyhow::Result<Option<Unlocked>> {
        if refused.is_none() && !layout.is_far() {
            return Ok(None);
        }
        let shown = shown(layout);
        if !is_change {
            return Ok(Unlocked::that_is_there(layout, shown, hold)?);
        }
        let (file, id) = match open_or_make_fallback(layout) {
            // Who may only read can keep changes out all the same, where there has been one.
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) if hold == Hold::Shared => {
                return Ok(Unlocked::that_is_there(layout, shown, hold)?);
            }
            opened => opened.with_context(|| {
                let why = refused.unwrap_or("other machines see no lock on a directory");
                format!("cannot lock {shown} ({why}), nor its file `{LAYOUT_LOCK}`; --no-lock goes on without")
            })?,
        };
        Ok(Some(Unlocked {
            file,
            id,
            hold,
            shown,
            is_needed: true,
        }))
    }

    /// That of who leaves no trace. Where there is none, no change has been made in this way.
    fn that_is_there(
        layout: &Layout,
        shown: String,
        hold: Hold,
    ) -> Result<Option<Unlocked>, Errno> {
        let flags = LOCK_FILE_READ | OFlags::NONBLOCK;
        let Ok(file) = rustix::fs::openat(&layout.dir, LAYOUT_LOCK, flags, Mode::empty()) else {
            return Ok(None);
        };
        let file = File::from(file);
        Ok(Some(Unlocked {
            id: open_ours_for_others(layout, &file)?,
            file,
            hold,
            shown,
            is_needed: false,
        }))
    }

    /// In which order files are locked, and of several layouts that have one file the first locks it for all.
    pub(super) fn order(&self) -> impl Ord + use<> {
        (self.id, Reverse(self.hold), !self.is_needed)
    }

    /// Locks it, for all layouts that have it.
    pub(super) fn lock(self, options: &LockOptions<'_>) -> anyhow::Result<Option<Arc<LockFile>>> {
        let attempt = || {
            flock(&self.file, self.hold)
                .map_err(|refused| refused.unless_here(LAYOUT_LOCK, self.id))
        };
        match wait(options, attempt, &self.shown) {
            Ok(()) => {
                let locked = LockFile::locked(LAYOUT_LOCK, self.file, self.id);
                Ok(Some(Arc::new(locked)))
            }
            // As where there is no file.
            Err(Refused::Unsupported(_)) if !self.is_needed => Ok(None),
            Err(error) => Err(error.into_error(options, &self.shown)),
        }
    }
}

/// A lock file that keeps others out because an older version made it, or a run with another umask that was
/// stopped in between, is opened for them. The value says which file it is.
fn open_ours_for_others(layout: &Layout, file: &File) -> Result<FileId, Errno> {
    let stat = rustix::fs::fstat(file)?;
    if stat.st_uid == rustix::process::geteuid().as_raw() {
        let _ = open_for_others(layout, file);
    }
    Ok(FileId::from_stat(&stat))
}

/// The lock file of ours, for a change, and which file that is.
fn open_or_make_fallback(layout: &Layout) -> Result<(File, FileId), Errno> {
    loop {
        if let Some(file) = open_lock_file(layout, LAYOUT_LOCK)? {
            let id = open_ours_for_others(layout, &file)?;
            return Ok((file, id));
        }
        match make_lock_file(layout, LAYOUT_LOCK, "lock", b"") {
            Err(Errno::EXIST) => {}
            made => {
                let Made { file, id, .. } = made?;
                return Ok((file, id));
            }
        }
    }
}

fn lock_podman(layout: &Layout, options: &LockOptions<'_>) -> anyhow::Result<Option<LockFile>> {
    if !options.enabled {
        return Ok(None);
    }
    let path = layout.path().join(PODMAN_LOCK);
    let shown = format!("`{}`", path.display());
    let mut opened = None;
    let attempt = || {
        if opened.is_none() {
            opened = open_podman_lock(layout)?;
        }
        let Some(lock) = &opened else {
            return Ok(());
        };
        match rustix::fs::fcntl_lock(&lock.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(()),
            Err(Errno::ACCESS | Errno::AGAIN) => Err(Refused::Busy),
            Err(e) => Err(Refused::Failed(e.into())),
        }
    };
    wait(options, attempt, &shown)
        .map_err(|e| e.into_error_of_file(layout, PODMAN_LOCK, options, &shown))?;
    Ok(opened)
}

/// Opens podman's lock file, where there is one. Not if this process has it open: closing it would unlock it.
fn open_podman_lock(layout: &Layout) -> Result<Option<LockFile>, Refused> {
    let failed = |e: Errno| Refused::Failed(e.into());
    let named = rustix::fs::statat(&layout.dir, PODMAN_LOCK, AtFlags::SYMLINK_NOFOLLOW);
    let Some(named) = found(named).map_err(failed)? else {
        return Ok(None);
    };
    let held = Held::alone(PODMAN_LOCK, FileId::from_stat(&named)).ok_or(Refused::BusyHere)?;
    let Some(file) = open_lock_file(layout, PODMAN_LOCK).map_err(failed)? else {
        return Ok(None);
    };
    let opened = LockFile::opened(file, held).map_err(failed)?;
    opened.map(Some).ok_or(Refused::BusyHere)
}

/// BuildKit's lock on index.json. Dropping it unlocks, and removes the file if we, or one of us that
/// was killed, created it.
#[derive(Debug)]
pub(super) struct IndexLock<'a> {
    layout: &'a Layout,
    opened: IndexLockFile,
    /// Gone after the file is closed.
    _held: Option<Held>,
}

#[derive(Debug)]
struct IndexLockFile {
    file: File,
    id: FileId,
    /// It bears our mark: this run created it, or one that was killed.
    is_ours: bool,
    /// This run made it, and had locked it before it had its name.
    is_locked: bool,
}

impl<'a> IndexLock<'a> {
    /// Takes the lock. The caller gives it back within milliseconds, and believes in it only as long as it
    /// [holds](IndexLock::holds).
    pub(super) fn acquire(
        layout: &'a Layout,
        options: &LockOptions<'_>,
    ) -> anyhow::Result<Option<IndexLock<'a>>> {
        if !options.enabled {
            return Ok(None);
        }
        let path = layout.path().join(INDEX_LOCK);
        let shown = format!("`{}`", path.display());
        let attempt = || {
            let opened = open_or_create(layout).map_err(Refused::Failed)?;
            let id = opened.id;
            if !opened.is_locked {
                let locked = flock(&opened.file, Hold::Exclusive);
                locked.map_err(|refused| refused.unless_here(INDEX_LOCK, id))?;
            }
            // At once: another job that finds it busy has to know by whom.
            let _held = Some(Held::once_more(INDEX_LOCK, id));
            layout.look_afresh();
            // Peers delete the file before they unlock it: then this lock is on a file that the
            // next one will not find. What had its name a moment ago has it still, or does not hold.
            let has_name = opened.is_locked && !layout.is_far();
            if !has_name && !is_name_of_file(&layout.dir, INDEX_LOCK, id) {
                return Err(Refused::Busy);
            }
            Ok(IndexLock {
                layout,
                opened,
                _held,
            })
        };
        let lock = wait(options, attempt, &shown)
            .map_err(|e| e.into_error_of_file(layout, INDEX_LOCK, options, &shown))?;
        Ok(Some(lock))
    }

    /// Whether the lock still keeps others out: nobody deleted its file.
    pub(super) fn holds(&self) -> bool {
        is_name_of_file(&self.layout.dir, INDEX_LOCK, self.opened.id)
    }
}

impl Drop for IndexLock<'_> {
    fn drop(&mut self) {
        if self.opened.is_ours && self.holds() {
            // Failing to remove it harms nobody: it is an empty file that the next one locks.
            let _ = rustix::fs::unlinkat(&self.layout.dir, INDEX_LOCK, AtFlags::empty());
        }
    }
}

fn open_or_create(layout: &Layout) -> io::Result<IndexLockFile> {
    loop {
        if let Some(found) = open_existing(layout)? {
            return Ok(found);
        }
        match create(layout) {
            Ok(Made { file, id, is_held }) => {
                return Ok(IndexLockFile {
                    file,
                    id,
                    is_ours: true,
                    is_locked: is_held,
                });
            }
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

fn open_existing(layout: &Layout) -> io::Result<Option<IndexLockFile>> {
    let opened = match open_lock_file(layout, INDEX_LOCK) {
        // Another machine has deleted it, and this one still shows it.
        Err(Errno::STALE) => {
            layout.look_afresh();
            open_lock_file(layout, INDEX_LOCK)
        }
        opened => opened,
    };
    let opened = match opened {
        Err(Errno::STALE) => None,
        opened => opened?,
    };
    let Some(mut file) = opened else {
        return Ok(None);
    };
    let mut text = Vec::new();
    let read = io::Read::by_ref(&mut file).take(64).read_to_end(&mut text);
    Ok(Some(IndexLockFile {
        id: FileId::of_opened(&file)?,
        file,
        is_ours: read.is_ok() && text == MARK,
        is_locked: false,
    }))
}

/// Makes BuildKit's lock file. Nobody reads it; a mark in it tells the next of us that a killed one
/// left it, so it appears with the mark or not at all.
fn create(layout: &Layout) -> Result<Made, Errno> {
    make_lock_file(layout, INDEX_LOCK, "lock", MARK)
}

/// Makes a lock file, complete in one step. Whoever may write the directory may use it, whatever the
/// umask of who was first: all of them have to lock the same file.
///
/// # Errors
/// `EEXIST` when somebody else made it meanwhile, and what the operating system says.
fn make_lock_file(layout: &Layout, name: &str, what: &str, text: &[u8]) -> Result<Made, Errno> {
    let dir = &layout.dir;
    let temporary = Temporary::create(dir.as_fd(), what)?;
    let fill = |mut file: &File| -> Result<(), Errno> {
        let filled = file.write_all(text);
        filled.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
        open_for_others(layout, file)
    };
    fill(&temporary.file)?;
    if rename_to_new(dir, temporary.name(), dir, name)? {
        return Ok(temporary.into_made());
    }
    // This file system cannot be told not to replace.
    let flags = LOCK_FILE | OFlags::CREATE | OFlags::EXCL;
    let file = File::from(rustix::fs::openat(dir, name, flags, LOCK_FILE_MODE)?);
    let _ = fill(&file);
    let id = FileId::of_opened(&file)?;
    let is_held = false;
    Ok(Made { file, id, is_held })
}

/// Lets those use a lock file of ours who may write the directory.
fn open_for_others(layout: &Layout, file: &File) -> Result<(), Errno> {
    give_at_most(file, &access_of(&layout.dir)?.for_files())
}

/// Removes a lock file that a killed one of us left, if nobody holds it.
pub(super) fn remove_stale_index_lock(layout: &Layout) {
    if !matches!(open_regular(&layout.dir, INDEX_LOCK), Ok(Some(_))) {
        return;
    }
    // Dropping a lock on a file that bears our mark removes it.
    if let Ok(Some(opened)) = open_existing(layout)
        && opened.is_ours
        && flock(&opened.file, Hold::Exclusive).is_ok()
    {
        drop(IndexLock {
            layout,
            opened,
            _held: None,
        });
    }
}

/// Why a lock file was neither opened nor made, and what can be done about it.
fn not_opened(layout: &Layout, name: &str, shown: &str, errno: Errno) -> anyhow::Error {
    let message = format!("cannot lock {shown}: {}", io::Error::from(errno));
    if matches!(errno, Errno::MFILE | Errno::NFILE) {
        return Error::new(ErrorKind::Failed, message)
            .hint("too many files are open: raise the limit (`ulimit -n`), or try again later; nothing was changed")
            .into();
    }
    let is_there = rustix::fs::statat(&layout.dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    let hint = match errno {
        Errno::ROFS => "the file system is mounted for reading only; nothing was changed",
        Errno::ACCESS | Errno::PERM if !is_there => {
            "run as a user who may make files in the layout's directory; nothing was changed"
        }
        Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::NODEV => {
            "another program made this lock file; run as its owner, or remove the file when nothing uses the layout"
        }
        _ => return anyhow::Error::new(errno).context(format!("cannot lock {shown}")),
    };
    Error::layout(message).hint(hint).into()
}

/// Why a lock was not taken.
enum Refused {
    /// Somebody else holds it.
    Busy,
    /// This process does, or is about to, for another layout.
    BusyHere,
    Unsupported(io::Error),
    Failed(io::Error),
    Interrupted(i32),
}

impl Refused {
    /// A file that is busy may be so because this process has it, under this name.
    fn unless_here(self, name: &'static str, file: FileId) -> Refused {
        match self {
            Refused::Busy if Held::is(name, file) => Refused::BusyHere,
            other => other,
        }
    }

    /// As [`Refused::into_error`], of a lock file that may not have been opened.
    fn into_error_of_file(
        self,
        layout: &Layout,
        name: &str,
        options: &LockOptions<'_>,
        shown: &str,
    ) -> anyhow::Error {
        match self {
            Refused::Failed(e) | Refused::Unsupported(e) => match Errno::from_io_error(&e) {
                Some(errno) => not_opened(layout, name, shown, errno),
                None => Refused::Failed(e).into_error(options, shown),
            },
            other => other.into_error(options, shown),
        }
    }

    fn into_error(self, options: &LockOptions<'_>, shown: &str) -> anyhow::Error {
        match self {
            Refused::Busy | Refused::BusyHere => {
                let after = options.timeout.as_secs_f64();
                let seconds = if after == 1.0 { "second" } else { "seconds" };
                let kind = ErrorKind::LockBusy;
                let message = format!(
                    "{shown} is in use by another process, and still was after {after} {seconds}"
                );
                Error::new(kind, message)
                    .hint("try again later, or wait longer with --lock-timeout 5m")
                    .into()
            }
            Refused::Unsupported(e) => {
                let message = format!("the file system cannot lock {shown}: {e}");
                Error::new(ErrorKind::Failed, message)
                    .hint("when nothing else uses the layout, --no-lock goes on without a lock")
                    .into()
            }
            Refused::Interrupted(signal) => {
                let kind = ErrorKind::Interrupted(signal);
                Error::new(kind, "interrupted; nothing was changed").into()
            }
            Refused::Failed(e) => anyhow::Error::new(e).context(format!("cannot lock {shown}")),
        }
    }
}

/// Tries until it works, fails, or the time is over. What a job of the same run holds takes no time: that goes by
/// itself.
fn wait<T>(
    options: &LockOptions<'_>,
    mut attempt: impl FnMut() -> Result<T, Refused>,
    shown: &str,
) -> Result<T, Refused> {
    let mut start = Instant::now();
    let mut told = false;
    // A job that has just got a lock may not have noted it yet.
    let mut is_sure = !options.waits_for_jobs;
    loop {
        let is_here = match attempt() {
            Err(Refused::BusyHere) => options.waits_for_jobs,
            Err(Refused::Busy) => false,
            result => return result,
        };
        if let Some(signal) = (options.stop)() {
            return Err(Refused::Interrupted(signal));
        }
        if is_here {
            std::thread::sleep(RETRY);
            start = Instant::now();
            continue;
        }
        let waited = start.elapsed();
        if waited >= options.timeout && is_sure {
            return Err(Refused::Busy);
        }
        is_sure = true;
        if !told && waited >= SILENCE {
            told = true;
            (options.waiting)(shown);
        }
        let left = options.timeout.saturating_sub(waited);
        std::thread::sleep(match left.is_zero() {
            true => RETRY,
            false => RETRY.min(left),
        });
    }
}

fn flock(file: &File, hold: Hold) -> Result<(), Refused> {
    let result = match hold {
        Hold::Shared => fs2::FileExt::try_lock_shared(file),
        Hold::Exclusive => fs2::FileExt::try_lock_exclusive(file),
    };
    result.map_err(|e| match Errno::from_io_error(&e) {
        // What `fs2::lock_contended_error` is, and a signal that came meanwhile.
        Some(Errno::WOULDBLOCK | Errno::INTR) => Refused::Busy,
        Some(Errno::BADF | Errno::NOLCK | Errno::INVAL) => Refused::Unsupported(e),
        Some(errno) if is_unsupported(errno) => Refused::Unsupported(e),
        _ => Refused::Failed(e),
    })
}
