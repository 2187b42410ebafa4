//! Blobs: reading one with verification, listing all, unlinking one.
//!
//! Everything goes through handles of the directories `blobs/<algorithm>` that are opened once, so
//! that no path is put together from names that somebody else chose, and none is resolved twice.
//! A name becomes a blob only if it is a valid digest of its directory's algorithm; all else in
//! there (temporary files, directories, `<64 hex><digits>`) is invisible here, and so never touched.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{Exclusive, Layout, Locked, describe};
use crate::error::Error;
use crate::value::digest::{Algorithm, Digest};

/// Why a blob could not be read. A *missing* blob is none of these: layouts may be sparse.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// A FIFO, a directory, a device or a socket: never opened for reading.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// Larger than a document may be.
    #[error("it has {found} bytes; the most that is read is {limit}")]
    TooLarge {
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u64,
        /// How it begins.
        first: Vec<u8>,
    },
    /// Not as long as its descriptor says.
    #[error("it has {found} bytes, its descriptor says {expected}")]
    Size {
        /// Bytes found.
        found: u64,
        /// Bytes that the descriptor promises.
        expected: u64,
    },
    /// Not the content that its name promises.
    #[error("its content has the digest {0}")]
    Digest(Digest),
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for BlobError {
    fn from(errno: Errno) -> Self {
        BlobError::Io(errno.into())
    }
}

/// What `lstat` says of a blob's file.
#[derive(Clone, Copy, Debug)]
pub struct BlobStat {
    /// Bytes that the file holds; for a symbolic link 0, for what it points to stays.
    pub size: u64,
    /// How many names the file has; it leaves the disk with the last one.
    pub links: u64,
    /// Device and inode, which two names of one file share.
    pub file: (u64, u64),
    /// The later of modification and status change: when the file came to be here. Tools that
    /// unpack or copy set the modification time back, the status change they cannot.
    pub changed: jiff::Timestamp,
}

/// When files with several names changed, before this run removed any of the names: that is a
/// change of the file too, and would make the other names look young in the next layout.
#[derive(Clone, Debug, Default)]
pub struct Ages(Arc<SeenFiles>);

#[derive(Debug, Default)]
struct SeenFiles {
    /// Whether there are any: most layouts have none, and many threads ask.
    any: AtomicBool,
    files: Mutex<HashMap<(u64, u64), Seen>>,
}

/// A file with several names, when it was first looked at.
#[derive(Clone, Copy, Debug)]
struct Seen {
    changed: jiff::Timestamp,
    links: u64,
}

impl Ages {
    /// How many names the file had when it was first looked at.
    pub(super) fn first_links(&self, stat: BlobStat) -> u64 {
        self.first(stat).links
    }

    /// When the file changed, as it was when it was first looked at.
    fn first_seen(&self, stat: BlobStat) -> jiff::Timestamp {
        self.first(stat).changed
    }

    fn first(&self, stat: BlobStat) -> Seen {
        let now = Seen {
            changed: stat.changed,
            links: stat.links,
        };
        if stat.links > 1 {
            self.0.any.store(true, Ordering::Release);
        } else if !self.0.any.load(Ordering::Acquire) {
            return now;
        }
        let Ok(mut known) = self.0.files.lock() else {
            return now;
        };
        if stat.links > 1 {
            *known.entry(stat.file).or_insert(now)
        } else {
            known.get(&stat.file).copied().unwrap_or(now)
        }
    }
}

/// Why no blob of an algorithm's directory may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// Where containerd's content store writes what is not finished.
const INGEST: &str = "ingest";

/// The directories below `blobs`, opened.
#[derive(Debug)]
pub(super) struct BlobDirs {
    known: Vec<(Algorithm, AlgorithmDir)>,
    /// For reading blobs of other algorithms.
    blobs: Option<OwnedFd>,
}

#[derive(Debug)]
struct AlgorithmDir {
    dir: OwnedFd,
    refusal: Option<Refusal>,
}

impl BlobDirs {
    pub(super) fn open(layout: &Layout) -> anyhow::Result<BlobDirs> {
        let fail = |name: &str, e: Errno| {
            let path = layout.path().join(name);
            Error::layout(format!("cannot open `{}`: {e}", path.display()))
        };
        let Some((blobs, shared)) =
            open_dir(&layout.dir, c"blobs").map_err(|e| fail("blobs", e))?
        else {
            return Ok(BlobDirs {
                known: Vec::new(),
                blobs: None,
            });
        };
        let refuse = |what: &str, how: &str| {
            Refusal(format!(
                "`{what}` is {how}, so other layouts may need what is in it"
            ))
        };
        let above = shared.map(|how| refuse("blobs", how));
        let mut known = Vec::new();
        for algorithm in Algorithm::ALL {
            let name = algorithm.name();
            let path = format!("blobs/{name}");
            let c_name = std::ffi::CString::new(name)?;
            if let Some((dir, shared)) = open_dir(&blobs, &c_name).map_err(|e| fail(&path, e))? {
                let refusal = above
                    .clone()
                    .or_else(|| shared.map(|how| refuse(&path, how)));
                known.push((algorithm, AlgorithmDir { dir, refusal }));
            }
        }
        Ok(BlobDirs {
            known,
            blobs: Some(blobs),
        })
    }

    pub(super) fn forget_refusals(&mut self) {
        for (_, dir) in &mut self.known {
            dir.refusal = None;
        }
    }

    #[expect(
        clippy::unnecessary_cast,
        reason = "the types differ between platforms"
    )]
    pub(super) fn identities(&self) -> Vec<(u64, u64)> {
        let stats = self
            .known
            .iter()
            .map(|(_, dir)| rustix::fs::fstat(&dir.dir));
        stats
            .flatten()
            .map(|stat| (stat.st_dev as u64, stat.st_ino as u64))
            .collect()
    }

    fn of(&self, algorithm: Algorithm) -> Option<&AlgorithmDir> {
        self.known
            .iter()
            .find(|(a, _)| *a == algorithm)
            .map(|(_, dir)| dir)
    }

    /// All directories.
    pub(super) fn directories(&self) -> impl Iterator<Item = &OwnedFd> {
        self.known.iter().map(|(_, dir)| &dir.dir)
    }

    /// Those whose blobs are ours to delete.
    pub(super) fn own_directories(&self) -> impl Iterator<Item = &OwnedFd> {
        let own = self.known.iter().filter(|(_, dir)| dir.refusal.is_none());
        own.map(|(_, dir)| &dir.dir)
    }

    /// The directory that a blob of this digest lies in.
    pub(super) fn directory(&self, digest: &Digest) -> Option<&OwnedFd> {
        Some(&self.of(digest.algorithm()?)?.dir)
    }

    /// Opens the blob's file for reading, wherever it is.
    fn open_blob(&self, digest: &Digest) -> Result<Option<(File, u64)>, BlobError> {
        if let Some(algorithm) = digest.algorithm() {
            return match self.of(algorithm) {
                Some(dir) => open_regular(&dir.dir, digest.file_name().as_ref()),
                None => Ok(None),
            };
        }
        let Some(blobs) = &self.blobs else {
            return Ok(None);
        };
        match rustix::fs::openat(
            blobs,
            digest.algorithm_name(),
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(dir) => open_regular(&dir, digest.file_name().as_ref()),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

/// Opens a directory below `parent`; the second value says why others may share it.
fn open_dir(
    parent: impl AsFd,
    name: &CStr,
) -> Result<Option<(OwnedFd, Option<&'static str>)>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(dir) => {
            let mounted = is_mount_point(&parent, &dir);
            Ok(Some((dir, mounted.then_some("a mount point"))))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(e @ (Errno::LOOP | Errno::NOTDIR)) => {
            let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                return Err(e);
            }
            match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
                Ok(dir) => Ok(Some((dir, Some("a symbolic link")))),
                Err(Errno::NOENT) => Ok(None),
                Err(e) => Err(e),
            }
        }
        Err(e) => Err(e),
    }
}

/// Whether something is mounted on `dir`. A bind mount of the same file system has the device of
/// its surroundings, so the kernel's own attribute is asked first.
fn is_mount_point(parent: impl AsFd, dir: &OwnedFd) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{StatxAttributes, StatxFlags};
        if let Ok(stat) = rustix::fs::statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            && stat
                .stx_attributes_mask
                .contains(StatxAttributes::MOUNT_ROOT)
        {
            return stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        }
    }
    match (rustix::fs::fstat(parent), rustix::fs::fstat(dir)) {
        (Ok(above), Ok(below)) => above.st_dev != below.st_dev,
        _ => true,
    }
}

/// Opens a regular file for reading, following a symbolic link, and says how long it is.
///
/// Anything else is refused without being opened: opening a FIFO waits for a writer, and opening a
/// device can do things. Should it be exchanged in between, `O_NONBLOCK` keeps that from hanging, and
/// whoever reads must not believe the length.
pub(super) fn open_regular(
    dir: impl AsFd,
    name: impl rustix::path::Arg + Copy,
) -> Result<Option<(File, u64)>, BlobError> {
    let open = || {
        rustix::fs::openat(
            &dir,
            name,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
            Mode::empty(),
        )
    };
    let stat = match rustix::fs::statat(&dir, name, AtFlags::empty()) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let regular = |stat: &Stat| match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        kind => Err(BlobError::NotRegular(describe(kind))),
    };
    regular(&stat)?;
    let file = match open() {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    Ok(Some((file, u64::try_from(stat.st_size).unwrap_or(0))))
}

/// The later of modification and status change.
pub(super) fn changed(stat: &Stat) -> jiff::Timestamp {
    let time = |seconds: i64, nanoseconds: i64| {
        jiff::Timestamp::new(seconds, i32::try_from(nanoseconds).unwrap_or(0))
            .unwrap_or(jiff::Timestamp::MIN)
    };
    #[expect(
        clippy::useless_conversion,
        reason = "the types differ between platforms"
    )]
    time(
        stat.st_mtime.into(),
        i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
    )
    .max(time(
        stat.st_ctime.into(),
        i64::try_from(stat.st_ctime_nsec).unwrap_or(0),
    ))
}

/// Reads an opened blob into `bytes` and checks it; see [`Locked::read_blob`].
pub(super) fn read_verified(
    opened: Option<(File, u64)>,
    digest: &Digest,
    size: Option<u64>,
    limit: u64,
    bytes: &mut Vec<u8>,
) -> Result<bool, BlobError> {
    let Some((mut file, found)) = opened else {
        return Ok(false);
    };
    if let Some(expected) = size
        && expected != found
    {
        return Err(BlobError::Size { found, expected });
    }
    if found > limit {
        let mut first = Vec::new();
        file.take(64).read_to_end(&mut first)?;
        return Err(BlobError::TooLarge {
            found,
            limit,
            first,
        });
    }
    // One system call for a file that has the length that it had when it was opened: the byte of
    // room that stays empty shows that there is no more.
    bytes.resize(usize::try_from(found).unwrap_or(0) + 1, 0);
    let mut filled = 0;
    loop {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        }
        if filled as u64 == found || filled == bytes.len() {
            break;
        }
    }
    bytes.truncate(filled);
    if filled as u64 > found {
        // It grew. What it holds now is read as far as it may be.
        file.by_ref()
            .take(limit.saturating_sub(filled as u64) + 1)
            .read_to_end(bytes)?;
    }
    if let Some(algorithm) = digest.algorithm() {
        let computed = algorithm.hash(bytes);
        if computed != *digest {
            return Err(BlobError::Digest(computed));
        }
    }
    Ok(true)
}

impl<M> Locked<M> {
    /// Reads a blob of at most `limit` bytes and checks it against its digest, and against `size`
    /// (bytes) when its descriptor says one. `None`: the layout does not have it, which is legal.
    ///
    /// A blob of an algorithm that nobody can compute here is read as it is.
    ///
    /// # Errors
    /// Every [`BlobError`]: the blob is there, and it cannot be trusted.
    pub fn read_blob(
        &self,
        digest: &Digest,
        size: Option<u64>,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        let mut bytes = Vec::new();
        let found = self.read_blob_into(digest, size, limit, &mut bytes)?;
        Ok(found.then_some(bytes))
    }

    /// [`Locked::read_blob`] into a buffer that can be used again. `false`: it is not there.
    ///
    /// # Errors
    /// As [`Locked::read_blob`].
    pub fn read_blob_into(
        &self,
        digest: &Digest,
        size: Option<u64>,
        limit: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, BlobError> {
        read_verified(self.blobs.open_blob(digest)?, digest, size, limit, bytes)
    }

    /// Reads a whole blob, however large, and compares it with its digest and, if given, with its
    /// size in bytes. `None`: the layout does not have it. Of an algorithm that nobody can compute
    /// here only the size is compared.
    ///
    /// # Errors
    /// As [`Locked::read_blob`].
    pub fn verify_blob(&self, digest: &Digest, size: Option<u64>) -> Result<Option<()>, BlobError> {
        let Some((file, found)) = self.blobs.open_blob(digest)? else {
            return Ok(None);
        };
        if let Some(expected) = size
            && expected != found
        {
            return Err(BlobError::Size { found, expected });
        }
        if let Some(algorithm) = digest.algorithm() {
            let computed =
                algorithm.hash_reader(&mut io::BufReader::with_capacity(1 << 17, file))?;
            if computed != *digest {
                return Err(BlobError::Digest(computed));
            }
        }
        Ok(Some(()))
    }

    /// Makes a blob that is there durable.
    pub(super) fn sync_blob(&self, digest: &Digest) -> io::Result<()> {
        match self.blobs.open_blob(digest) {
            Ok(Some((file, _))) => file.sync_all(),
            Ok(None) => Err(io::ErrorKind::NotFound.into()),
            Err(BlobError::Io(e)) => Err(e),
            Err(e) => Err(io::Error::other(e)),
        }
    }

    /// Compares a blob's size with what its descriptor says, without reading it. `None`: the layout
    /// does not have it.
    ///
    /// # Errors
    /// Another size, something that is no file, and what the operating system says.
    pub fn measure_blob(
        &self,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Option<()>, BlobError> {
        match self.blobs.open_blob(digest)? {
            None => Ok(None),
            Some((_, found)) => match size {
                Some(expected) if expected != found => Err(BlobError::Size { found, expected }),
                _ => Ok(Some(())),
            },
        }
    }

    /// The files and directories of the layout that are neither blobs nor what every layout has,
    /// as paths within the layout, in order.
    ///
    /// # Errors
    /// A directory that cannot be listed.
    pub fn list_strays(&self) -> anyhow::Result<Vec<String>> {
        let mut strays = Vec::new();
        let known = [
            "blobs",
            "index.json",
            "oci-layout",
            "manifest.json",
            "repositories",
            super::TRASH,
        ];
        let names = |dir: &OwnedFd, each: &mut dyn FnMut(&str)| -> anyhow::Result<()> {
            for entry in rustix::fs::Dir::read_from(dir)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if name != "." && name != ".." {
                    each(&name);
                }
            }
            Ok(())
        };
        names(&self.layout.dir.try_clone()?.into(), &mut |name| {
            if !known.contains(&name) && name != INGEST {
                strays.push(name.to_owned());
            }
        })?;
        // containerd, BuildKit and oras leave this directory; what counts is what is in it.
        if let Ok(Some((ingest, _))) = open_dir(&self.layout.dir, c"ingest") {
            names(&ingest, &mut |name| strays.push(format!("{INGEST}/{name}")))?;
        }
        for (algorithm, dir) in &self.blobs.known {
            names(&dir.dir, &mut |name| {
                if algorithm.digest_of_file_name(name).is_none() {
                    strays.push(format!("blobs/{}/{name}", algorithm.name()));
                }
            })?;
        }
        strays.sort();
        Ok(strays)
    }

    /// Looks at a blob's file without following a symbolic link. `None`: there is no such file, or
    /// it is something else than a file or a link.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn stat_blob(&self, digest: &Digest) -> io::Result<Option<BlobStat>> {
        let stat = |dir: &OwnedFd, name: &CStr| match rustix::fs::statat(
            dir,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) => Ok(blob_stat(&stat).map(|stat| BlobStat {
                changed: self.layout.ages.first_seen(stat),
                ..stat
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        };
        match digest.algorithm() {
            Some(algorithm) => match self.blobs.of(algorithm) {
                Some(dir) => stat(&dir.dir, digest.file_name().as_ref()),
                None => Ok(None),
            },
            // Blobs of unknown algorithms are never listed or deleted, so nobody asks.
            None => Ok(None),
        }
    }

    /// Calls `each` with every stored blob of the known algorithms, in no particular order.
    /// Directories and names that are no digest are passed over.
    ///
    /// # Errors
    /// A directory that cannot be listed to its end, or what `each` returns.
    pub fn list_blobs(&self, mut each: impl FnMut(Digest)) -> anyhow::Result<()> {
        for (algorithm, dir) in &self.blobs.known {
            let fail = |e: Errno| {
                let path = self.path().join("blobs").join(algorithm.name());
                Error::layout(format!("cannot list `{}`: {e}", path.display()))
            };
            each_file(&dir.dir, &mut |name, kind| {
                if matches!(
                    kind,
                    FileType::RegularFile | FileType::Symlink | FileType::Unknown
                ) && let Some(digest) = algorithm.digest_of_file_name(name)
                {
                    each(digest);
                }
            })
            .map_err(fail)?;
        }
        Ok(())
    }

    /// Why blobs of this digest's algorithm must not be deleted, if so.
    pub fn refusal(&self, digest: &Digest) -> Option<&Refusal> {
        self.blobs.of(digest.algorithm()?)?.refusal.as_ref()
    }
}

/// Room for what one system call tells of a directory, in bytes: some thousand names.
#[cfg(target_os = "linux")]
const DIRECTORY_BUFFER: usize = 256 << 10;

/// Calls `each` with every name in a directory.
#[cfg(target_os = "linux")]
fn each_file(dir: &OwnedFd, each: &mut dyn FnMut(&[u8], FileType)) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(dir, c".", flags, Mode::empty())?;
    let mut buffer: Vec<u8> = Vec::with_capacity(DIRECTORY_BUFFER);
    let mut entries = rustix::fs::RawDir::new(dir, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        each(entry.file_name().to_bytes(), entry.file_type());
    }
    Ok(())
}

/// Calls `each` with every name in a directory.
#[cfg(not(target_os = "linux"))]
fn each_file(dir: &OwnedFd, each: &mut dyn FnMut(&[u8], FileType)) -> Result<(), Errno> {
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        each(entry.file_name().to_bytes(), entry.file_type());
    }
    Ok(())
}

pub(super) fn blob_stat(stat: &Stat) -> Option<BlobStat> {
    let size = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => u64::try_from(stat.st_size).unwrap_or(0),
        FileType::Symlink => 0,
        _ => return None,
    };
    #[expect(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "the types differ between platforms"
    )]
    Some(BlobStat {
        size,
        links: u64::from(stat.st_nlink),
        file: (stat.st_dev as u64, stat.st_ino),
        changed: changed(stat),
    })
}

impl Locked<Exclusive> {
    /// Unlinks a blob. A symbolic link goes itself, never what it points to. `false`: somebody was
    /// faster, which is as good.
    ///
    /// # Errors
    /// What the operating system says, and a blob of a directory that others may share.
    pub fn remove_blob(&self, digest: &Digest) -> io::Result<bool> {
        let (_, dir) = self.own_directory(digest)?;
        match rustix::fs::unlinkat(dir, digest.file_name().as_ref(), AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// The directory that a blob lies in, if its blobs are ours to delete.
    pub(super) fn own_directory(&self, digest: &Digest) -> io::Result<(Algorithm, &OwnedFd)> {
        let algorithm = digest.algorithm();
        match algorithm.and_then(|a| Some((a, self.blobs.of(a)?))) {
            Some((algorithm, AlgorithmDir { dir, refusal: None })) => Ok((algorithm, dir)),
            _ => Err(io::Error::other("its directory is not this layout's own")),
        }
    }
}
