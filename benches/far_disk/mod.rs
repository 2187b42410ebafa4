//! A far disk on this machine: a file system that shows a directory, and answers each call only after a
//! set delay.
//!
//! The kernel sends it what it cannot answer itself, as it does with NFS, JuiceFS, CephFS or EFS:
//! looking up a name, opening, reading, listing, renaming, removing, syncing. Each request waits by
//! itself, as many as [`MOST_AT_ONCE`] at the same time, and then does the same to the directory behind
//! it. So what is measured is how many answers a program waits for one after another, and not how fast
//! this program is. Names and attributes are remembered by the kernel for one second, as with JuiceFS
//! and (at least) with NFS; that a name is missing is not remembered, nor is what files contain from one
//! opening to the next. Closing what was only read asks for nothing. Listing a directory brings the
//! attributes of the files with it where the kernel thinks that they will be asked for.
//!
//! What it is not: a proof that anything works on a real distributed file system. It has no bandwidth
//! and no queue that grows longer, no two machines, and it writes at once what NFS would gather. Locks
//! (`flock`) are the kernel's own, of one mount. Files that are changed behind its back, in the directory
//! itself, are seen as they were for a second. The directory has to be on one file system.
#![expect(
    clippy::disallowed_methods,
    reason = "a file system removes what it is asked to remove"
)]

mod attributes;
mod nodes;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, InitFlags, KernelConfig, LockOwner, MountOption, OpenAccMode, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, SessionACL, TimeOrNow,
    WriteFlags,
};
use rustix::fs::{AtFlags, FileType as Kind, Gid, Mode, OFlags, Stat, Timestamps, Uid, XattrFlags};

use nodes::{Nodes, ROOT};

/// How long the kernel remembers names and attributes.
const REMEMBERED: Duration = Duration::from_secs(1);

/// A directory shown at another place, farther away, until this is dropped.
#[derive(Debug)]
pub(crate) struct FarDisk {
    session: Option<BackgroundSession>,
    requests: Arc<Requests>,
}

/// How often the kernel asked, by what it asked for.
#[derive(Debug, Default)]
struct Requests {
    counts: Mutex<BTreeMap<&'static str, u64>>,
    waiting: AtomicUsize,
    most_waiting: AtomicUsize,
}

impl FarDisk {
    /// Shows `dir` at `mountpoint`, which is a directory too; each call there takes `delay` longer. So many
    /// calls wait at the same time, at most: for each there is a thread, with up to 16 MiB of memory.
    ///
    /// # Errors
    /// The kernel has no FUSE, or whoever runs this may not mount.
    pub(crate) fn mount(
        dir: &Path,
        mountpoint: &Path,
        delay: Duration,
        at_once: usize,
    ) -> io::Result<FarDisk> {
        let requests = Arc::new(Requests::default());
        let passed_on = PassedOn {
            root: open_directory(dir)?,
            delay,
            at_once,
            is_root: rustix::process::geteuid().is_root(),
            nodes: Mutex::default(),
            open: Mutex::default(),
            next: AtomicU64::new(1),
            requests: Arc::clone(&requests),
        };
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("far-disk".to_owned()),
            MountOption::Subtype("far-disk".to_owned()),
            MountOption::DefaultPermissions,
        ];
        // Only root may let others in without being allowed to by the machine.
        config.acl = match passed_on.is_root {
            true => SessionACL::All,
            false => SessionACL::Owner,
        };
        config.n_threads = Some(at_once);
        let session = fuser::spawn_mount(passed_on, mountpoint, &config)?;
        Ok(FarDisk {
            session: Some(session),
            requests,
        })
    }

    /// How often the kernel has asked until now, by what it asked for.
    pub(crate) fn requests(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.requests.counts).clone()
    }

    /// How many requests have waited at the same time, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.requests.most_waiting.load(Ordering::Relaxed)
    }

    /// Whether it is still mounted: somebody else may have unmounted it.
    pub(crate) fn is_mounted(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| !session.guard.is_finished())
    }
}

impl Drop for FarDisk {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && let Err(e) = session.umount_and_join()
        {
            // Nobody else is there to be told.
            let _ = writeln!(io::stderr(), "the far disk cannot be unmounted: {e}");
        }
    }
}

/// The file system.
struct PassedOn {
    root: OwnedFd,
    delay: Duration,
    /// How many calls wait at the same time, at most.
    at_once: usize,
    /// Whether new files can be given to whoever makes them.
    is_root: bool,
    nodes: Mutex<Nodes>,
    open: Mutex<HashMap<u64, Arc<Open>>>,
    next: AtomicU64,
    requests: Arc<Requests>,
}

/// What is open.
enum Open {
    File(File),
    /// A directory, with the entries as they were when the first of them was asked for.
    Directory(OwnedFd, Mutex<Arc<Vec<Entry>>>),
}

/// An entry of a directory.
struct Entry {
    number: u64,
    kind: FileType,
    name: Vec<u8>,
}

type Answer<T> = rustix::io::Result<T>;

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_i32(error.raw_os_error())
}

fn of_io(error: io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
}

fn open_directory(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(dir, flags, Mode::empty())?)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bits of a mode that say who may do what.
fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}

impl PassedOn {
    /// What makes the disk far. Before the call: the answer is as of its end.
    fn wait(&self, what: &'static str) {
        let Requests {
            counts,
            waiting,
            most_waiting,
        } = &*self.requests;
        *locked(counts).entry(what).or_default() += 1;
        if self.delay.is_zero() {
            return;
        }
        thread_local! {
            // Without this the kernel adds 50 microseconds to each delay. Where it is refused, it does.
            static EXACT: bool = rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).is_ok();
        }
        most_waiting.fetch_max(
            waiting.fetch_add(1, Ordering::Relaxed) + 1,
            Ordering::Relaxed,
        );
        EXACT.with(|_| std::thread::sleep(self.delay));
        waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn path(&self, number: INodeNo) -> Answer<PathBuf> {
        let path = locked(&self.nodes).path(number.0);
        path.ok_or(rustix::io::Errno::STALE)
    }

    fn path_in(&self, directory: INodeNo, name: &OsStr) -> Answer<PathBuf> {
        let path = locked(&self.nodes).path_in(directory.0, name);
        path.ok_or(rustix::io::Errno::STALE)
    }

    /// For the calls about extended attributes, of which there are none relative to a directory.
    fn absolute_path(&self, number: INodeNo) -> Answer<PathBuf> {
        let root = format!("/proc/self/fd/{}", self.root.as_raw_fd());
        Ok(Path::new(&root).join(self.path(number)?))
    }

    fn stat(&self, path: &Path) -> Answer<Stat> {
        rustix::fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// A file that was asked for by name, as the kernel is told of it.
    fn entry(&self, directory: INodeNo, name: &OsStr) -> Answer<(fuser::FileAttr, Generation)> {
        let stat = self.stat(&self.path_in(directory, name)?)?;
        let attributes = attributes::shown(&stat, stat.st_ino);
        let generation = locked(&self.nodes).looked_up(stat.st_ino, directory.0, name);
        Ok((attributes, Generation(generation)))
    }

    fn attributes(&self, number: INodeNo, handle: Option<FileHandle>) -> Answer<fuser::FileAttr> {
        let by_handle = |handle| match &*self.opened(handle)? {
            Open::File(file) => rustix::fs::fstat(file),
            Open::Directory(dir, _) => rustix::fs::fstat(dir),
        };
        let by_name = || {
            let stat = self.stat(&self.path(number)?)?;
            match number.0 == ROOT || stat.st_ino == number.0 {
                true => Ok(stat),
                false => Err(rustix::io::Errno::STALE),
            }
        };
        let stat = match handle {
            Some(handle) => by_handle(handle)?,
            None => by_name().or_else(|missing| {
                let handle = locked(&self.nodes).handle(number.0);
                by_handle(FileHandle(handle.ok_or(missing)?))
            })?,
        };
        Ok(attributes::shown(&stat, number.0))
    }

    fn opened(&self, handle: FileHandle) -> Answer<Arc<Open>> {
        let open = locked(&self.open).get(&handle.0).cloned();
        open.ok_or(rustix::io::Errno::BADF)
    }

    fn file<T>(&self, handle: FileHandle, act: impl Fn(&File) -> Answer<T>) -> Answer<T> {
        match &*self.opened(handle)? {
            Open::File(file) => act(file),
            Open::Directory(..) => Err(rustix::io::Errno::ISDIR),
        }
    }

    fn keep_open(&self, number: u64, open: Open) -> FileHandle {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        locked(&self.open).insert(handle, Arc::new(open));
        locked(&self.nodes).opened(number, handle);
        FileHandle(handle)
    }

    fn close(&self, number: INodeNo, handle: FileHandle) {
        let open = locked(&self.open).remove(&handle.0);
        locked(&self.nodes).closed(number.0, handle.0);
        drop(open);
    }

    /// Gives what was made to whoever asked for it, with the permissions that were asked for.
    fn hand_over(&self, request: &Request, path: &Path, mode: Option<u32>) -> Answer<()> {
        if self.is_root {
            let owner = Some(Uid::from_raw(request.uid()));
            let group = Some(Gid::from_raw(request.gid()));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(&self.root, path, owner, group, flags)?;
        }
        if let Some(mode) = mode {
            rustix::fs::chmodat(&self.root, path, permissions(mode), AtFlags::empty())?;
        }
        Ok(())
    }

    /// The number of a file, before its name becomes another's.
    fn number(&self, path: &Path) -> Option<u64> {
        self.stat(path).ok().map(|stat| stat.st_ino)
    }

    fn remove(&self, directory: INodeNo, name: &OsStr, flags: AtFlags) -> Answer<()> {
        let path = self.path_in(directory, name)?;
        let number = self.number(&path);
        rustix::fs::unlinkat(&self.root, &path, flags)?;
        if let Some(number) = number {
            locked(&self.nodes).unnamed(number, directory.0, name);
        }
        Ok(())
    }

    /// The entries of a directory, read anew when it is listed from its beginning.
    fn entries(&self, handle: FileHandle, offset: u64) -> Answer<Arc<Vec<Entry>>> {
        match &*self.opened(handle)? {
            Open::File(_) => Err(rustix::io::Errno::NOTDIR),
            Open::Directory(dir, entries) => {
                let mut entries = locked(entries);
                if offset == 0 {
                    *entries = Arc::new(listed(dir)?);
                }
                Ok(Arc::clone(&entries))
            }
        }
    }
}

fn listed(dir: &OwnedFd) -> Answer<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        entries.push(Entry {
            number: entry.ino(),
            kind: attributes::kind(entry.file_type()),
            name: entry.file_name().to_bytes().to_vec(),
        });
    }
    Ok(entries)
}

impl Filesystem for PassedOn {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = [
            // Without it the kernel looks up one name of a directory at a time.
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_AUTO_INVAL_DATA,
            InitFlags::FUSE_ATOMIC_O_TRUNC,
        ];
        for flag in wanted {
            // What an old kernel does not have it does in its own way.
            let _ = config.add_capabilities(flag);
        }
        // Reading ahead counts as background, of which the kernel otherwise lets few go on.
        let many = u16::try_from(self.at_once).unwrap_or(u16::MAX);
        let _ = config.set_max_background(many);
        let _ = config.set_congestion_threshold(many);
        let _ = config.set_max_write(1 << 20);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.wait("lookup");
        match self.entry(parent, name) {
            Ok((attributes, generation)) => reply.entry(&REMEMBERED, &attributes, generation),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn forget(&self, _: &Request, number: INodeNo, times: u64) {
        locked(&self.nodes).forgotten(number.0, times);
    }

    fn getattr(&self, _: &Request, number: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        self.wait("getattr");
        match self.attributes(number, fh) {
            Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.wait("setattr");
        let set = || -> Answer<fuser::FileAttr> {
            if let Some(size) = size {
                match fh {
                    Some(fh) => self.file(fh, |file| rustix::fs::ftruncate(file, size))?,
                    None => {
                        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                        let path = self.path(number)?;
                        let file = rustix::fs::openat(&self.root, path, flags, Mode::empty())?;
                        rustix::fs::ftruncate(file, size)?;
                    }
                }
            }
            if mode.is_none()
                && uid.is_none()
                && gid.is_none()
                && atime.is_none()
                && mtime.is_none()
            {
                return self.attributes(number, fh);
            }
            let path = self.path(number)?;
            if uid.is_some() || gid.is_some() {
                let owner = uid.map(Uid::from_raw);
                let group = gid.map(Gid::from_raw);
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                rustix::fs::chownat(&self.root, &path, owner, group, flags)?;
            }
            if let Some(mode) = mode {
                rustix::fs::chmodat(&self.root, &path, permissions(mode), AtFlags::empty())?;
            }
            if atime.is_some() || mtime.is_some() {
                let times = Timestamps {
                    last_access: attributes::time_to_set(atime),
                    last_modification: attributes::time_to_set(mtime),
                };
                rustix::fs::utimensat(&self.root, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            self.attributes(number, fh)
        };
        match set() {
            Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        self.wait("readlink");
        let read = || rustix::fs::readlinkat(&self.root, self.path(number)?, Vec::new());
        match read() {
            Ok(target) => reply.data(target.as_bytes()),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        self.wait("mknod");
        let make = || {
            let path = self.path_in(parent, name)?;
            let kind = Kind::from_raw_mode(mode);
            let device = rustix::fs::Dev::from(device);
            rustix::fs::mknodat(&self.root, &path, kind, permissions(mode), device)?;
            self.hand_over(request, &path, Some(mode))?;
            self.entry(parent, name)
        };
        match make() {
            Ok((attributes, generation)) => reply.entry(&REMEMBERED, &attributes, generation),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        self.wait("mkdir");
        let make = || {
            let path = self.path_in(parent, name)?;
            rustix::fs::mkdirat(&self.root, &path, permissions(mode))?;
            self.hand_over(request, &path, Some(mode))?;
            self.entry(parent, name)
        };
        match make() {
            Ok((attributes, generation)) => reply.entry(&REMEMBERED, &attributes, generation),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.wait("unlink");
        match self.remove(parent, name, AtFlags::empty()) {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.wait("rmdir");
        match self.remove(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        self.wait("symlink");
        let make = || {
            let path = self.path_in(parent, name)?;
            rustix::fs::symlinkat(target, &self.root, &path)?;
            self.hand_over(request, &path, None)?;
            self.entry(parent, name)
        };
        match make() {
            Ok((attributes, generation)) => reply.entry(&REMEMBERED, &attributes, generation),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.wait("rename");
        let rename = || {
            let (from, to) = (
                self.path_in(parent, name)?,
                self.path_in(new_parent, new_name)?,
            );
            let (moved, replaced) = (self.number(&from), self.number(&to));
            let how = rustix::fs::RenameFlags::from_bits_retain(flags.bits());
            rustix::fs::renameat_with(&self.root, &from, &self.root, &to, how)?;
            let mut nodes = locked(&self.nodes);
            // Two names of one file stay as they are.
            if moved == replaced {
                return Ok(());
            }
            if let Some(replaced) = replaced {
                nodes.unnamed(replaced, new_parent.0, new_name);
                if flags.contains(RenameFlags::RENAME_EXCHANGE) {
                    nodes.named(replaced, parent.0, name);
                }
            }
            if let Some(moved) = moved {
                nodes.unnamed(moved, parent.0, name);
                nodes.named(moved, new_parent.0, new_name);
            }
            Ok(())
        };
        match rename() {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn link(
        &self,
        _: &Request,
        number: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        self.wait("link");
        let link = || {
            let (from, to) = (self.path(number)?, self.path_in(new_parent, new_name)?);
            rustix::fs::linkat(&self.root, from, &self.root, to, AtFlags::empty())?;
            self.entry(new_parent, new_name)
        };
        match link() {
            Ok((attributes, generation)) => reply.entry(&REMEMBERED, &attributes, generation),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.wait("open");
        let open = || {
            let wanted = OFlags::from_bits_retain(flags.0.cast_unsigned());
            // The kernel finds the end of the file itself, and cannot look where it may not read.
            let own = wanted.difference(OFlags::APPEND | OFlags::DIRECT | OFlags::CREATE)
                | OFlags::CLOEXEC
                | OFlags::NOFOLLOW;
            let file = rustix::fs::openat(&self.root, self.path(number)?, own, Mode::empty())?;
            match rustix::fs::fstat(&file)?.st_ino == number.0 {
                true => Ok(self.keep_open(number.0, Open::File(File::from(file)))),
                false => Err(rustix::io::Errno::STALE),
            }
        };
        match open() {
            Ok(handle) => reply.opened(handle, when_closed(flags)),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        self.wait("create");
        let create = || {
            let wanted = OFlags::from_bits_retain(flags.cast_unsigned());
            let own = wanted.difference(OFlags::APPEND | OFlags::DIRECT)
                | OFlags::CREATE
                | OFlags::CLOEXEC
                | OFlags::NOFOLLOW;
            let path = self.path_in(parent, name)?;
            let file = rustix::fs::openat(&self.root, &path, own, permissions(mode))?;
            self.hand_over(request, &path, Some(mode))?;
            let (attributes, generation) = self.entry(parent, name)?;
            let handle = self.keep_open(attributes.ino.0, Open::File(File::from(file)));
            Ok((attributes, generation, handle))
        };
        let closed = when_closed(OpenFlags(flags));
        match create() {
            Ok((attributes, generation, handle)) => {
                reply.created(&REMEMBERED, &attributes, generation, handle, closed);
            }
            Err(e) => reply.error(errno(e)),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.wait("read");
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let read = self.opened(fh).and_then(|open| match &*open {
            Open::File(file) => file.read_at(&mut bytes, offset).map_err(of_io),
            Open::Directory(..) => Err(rustix::io::Errno::ISDIR),
        });
        match read {
            Ok(filled) => reply.data(&bytes[..filled]),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.wait("write");
        match self.file(fh, |file| file.write_at(data, offset).map_err(of_io)) {
            Ok(count) => reply.written(u32::try_from(count).unwrap_or(u32::MAX)),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.wait("flush");
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        number: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        // Nobody waits for the answer.
        self.close(number, fh);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, data: bool, reply: ReplyEmpty) {
        self.wait("fsync");
        let sync = |file: &File| match data {
            true => rustix::fs::fdatasync(file),
            false => rustix::fs::fsync(file),
        };
        match self.file(fh, sync) {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.wait("opendir");
        let open = || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let dir = rustix::fs::openat(&self.root, self.path(number)?, flags, Mode::empty())?;
            Ok(self.keep_open(number.0, Open::Directory(dir, Mutex::default())))
        };
        match open() {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.wait("readdir");
        match self.entries(fh, offset) {
            Ok(entries) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                for (entry, next) in entries.iter().skip(from).zip(offset + 1..) {
                    let name = OsStr::from_bytes(&entry.name);
                    if reply.add(INodeNo(entry.number), next, entry.kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(e) => reply.error(errno(e)),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        number: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        self.wait("readdirplus");
        match self.entries(fh, offset) {
            Ok(entries) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                for (entry, next) in entries.iter().skip(from).zip(offset + 1..) {
                    let name = OsStr::from_bytes(&entry.name);
                    // The kernel takes no note of these two.
                    if name == "." || name == ".." {
                        let attributes = attributes::nothing(entry.number, entry.kind);
                        let number = INodeNo(entry.number);
                        if reply.add(number, next, name, &REMEMBERED, &attributes, Generation(0)) {
                            break;
                        }
                        continue;
                    }
                    // It may be gone since.
                    let Ok((attributes, generation)) = self.entry(number, name) else {
                        continue;
                    };
                    let own = attributes.ino;
                    if reply.add(own, next, name, &REMEMBERED, &attributes, generation) {
                        locked(&self.nodes).forgotten(own.0, 1);
                        break;
                    }
                }
                reply.ok();
            }
            Err(e) => reply.error(errno(e)),
        }
    }

    fn releasedir(
        &self,
        _: &Request,
        number: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.close(number, fh);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: bool, reply: ReplyEmpty) {
        self.wait("fsyncdir");
        let synced = self.opened(fh).and_then(|open| match &*open {
            Open::Directory(dir, _) => rustix::fs::fsync(dir),
            Open::File(file) => rustix::fs::fsync(file),
        });
        match synced {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.wait("statfs");
        let asked = rustix::fs::openat(&self.root, ".", OFlags::RDONLY, Mode::empty())
            .and_then(rustix::fs::fstatvfs);
        match asked {
            Ok(of) => {
                let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
                reply.statfs(
                    of.f_blocks,
                    of.f_bfree,
                    of.f_bavail,
                    of.f_files,
                    of.f_ffree,
                    short(of.f_bsize),
                    short(of.f_namemax),
                    short(of.f_frsize),
                );
            }
            Err(e) => reply.error(errno(e)),
        }
    }

    fn setxattr(
        &self,
        _: &Request,
        number: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        self.wait("setxattr");
        let set = || {
            let flags = XattrFlags::from_bits_retain(flags.cast_unsigned());
            rustix::fs::lsetxattr(self.absolute_path(number)?, name, value, flags)
        };
        match set() {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn getxattr(&self, _: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        self.wait("getxattr");
        let mut value = vec![0; usize::try_from(size).unwrap_or(0)];
        let get = |value: &mut Vec<u8>| match size {
            0 => rustix::fs::lgetxattr_query(self.absolute_path(number)?, name),
            _ => rustix::fs::lgetxattr(self.absolute_path(number)?, name, &mut value[..]),
        };
        answer_with_value(get(&mut value), &value, reply);
    }

    fn listxattr(&self, _: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        self.wait("listxattr");
        let mut value = vec![0; usize::try_from(size).unwrap_or(0)];
        let list = |value: &mut Vec<u8>| match size {
            0 => rustix::fs::llistxattr_query(self.absolute_path(number)?),
            _ => rustix::fs::llistxattr(self.absolute_path(number)?, &mut value[..]),
        };
        answer_with_value(list(&mut value), &value, reply);
    }

    fn removexattr(&self, _: &Request, number: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.wait("removexattr");
        let remove = || rustix::fs::lremovexattr(self.absolute_path(number)?, name);
        match remove() {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }
}

/// Whether the kernel asks when a file is closed: not if nothing can have been written.
fn when_closed(flags: OpenFlags) -> FopenFlags {
    match flags.acc_mode() {
        OpenAccMode::O_RDONLY => FopenFlags::FOPEN_NOFLUSH,
        OpenAccMode::O_WRONLY | OpenAccMode::O_RDWR => FopenFlags::empty(),
    }
}

/// Who asks with no room for a value is told how long it is.
fn answer_with_value(length: Answer<usize>, value: &[u8], reply: ReplyXattr) {
    match length {
        Ok(length) if value.is_empty() => reply.size(u32::try_from(length).unwrap_or(u32::MAX)),
        Ok(length) => reply.data(&value[..length.min(value.len())]),
        Err(e) => reply.error(errno(e)),
    }
}
