//! Blobs: reading one with verification, listing all, unlinking one.
//!
//! A name becomes a blob only if it is a valid digest of its directory's algorithm; all else in
//! there (temporary files, directories, `<64 hex><digits>`) is invisible here, and so never touched.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::ages::{Names, Seen};
use super::blob_dirs::{BlobDirs, SharedReason, open_dir};
use super::writers::is_writer_beside_blobs;
use super::{Exclusive, Locked};
use crate::counter::Counter;
use crate::error::Error;
use crate::files::directory::{each_file, each_file_once};
use crate::files::stat::{BlobStat, STUB, describe, found, is_stub};
use crate::files::temporary::is_temporary;
use crate::files::unix::sync;
use crate::value::digest::{Algorithm, Digest};

/// Where containerd's content store writes what is not finished.
const INGEST: &str = "ingest";

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
    /// No bytes at all, where the digest promises some; see `stubs.rs`.
    #[error("{STUB}")]
    Stub,
    /// Not as long as its descriptor says.
    #[error("it has {found} bytes, its descriptor says {expected}{}", empty(*found))]
    Size {
        /// Bytes found.
        found: u64,
        /// Bytes that the descriptor promises.
        expected: u64,
        /// How it begins, if it was to be read.
        first: Vec<u8>,
    },
    /// Not the content that its name promises.
    #[error("its content has the digest {found}")]
    Digest {
        /// The digest that it has.
        found: Digest,
        /// How it begins, if it was read as a whole.
        first: Vec<u8>,
    },
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What a file without bytes may be.
fn empty(found: u64) -> &'static str {
    match found {
        0 => "; a power cut leaves such a file, and so does deduplication",
        _ => "",
    }
}

/// What is known of a blob whose check failed at nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is there, and all that was compared is as it should be.
    Whole,
    /// The layout does not have it, which is legal.
    Missing,
    /// Its file is a stub: the bytes lie in another repository of a store.
    Stub,
}

impl From<Errno> for BlobError {
    fn from(errno: Errno) -> Self {
        BlobError::Io(errno.into())
    }
}

/// Up to so many bytes room is made for what a descriptor says; for more, its file has to have them.
const BELIEVED: u64 = 64 << 10;

/// How a file is opened for reading.
pub(super) const READING: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Opens a regular file for reading, following a symbolic link, and says how long it is.
///
/// Anything else is refused without being opened: opening a FIFO waits for a writer, and opening a
/// device can do things. Should it be exchanged in between, `O_NONBLOCK` keeps that from hanging, and
/// whoever reads must not believe the length.
pub(super) fn open_regular(
    dir: impl AsFd,
    name: impl rustix::path::Arg + Copy,
) -> Result<Option<(File, u64)>, BlobError> {
    let Some(stat) = found(rustix::fs::statat(&dir, name, AtFlags::empty()))? else {
        return Ok(None);
    };
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        return Err(BlobError::NotRegular(describe(kind)));
    }
    let opened = found(rustix::fs::openat(&dir, name, READING, Mode::empty()))?;
    Ok(opened.map(|file| {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        (File::from(file), size)
    }))
}

/// Compares a size with what a descriptor says, if it says one.
pub(super) fn check_size(found: u64, size: Option<u64>) -> Result<(), BlobError> {
    match size {
        Some(expected) if expected != found => Err(BlobError::Size {
            found,
            expected,
            first: Vec::new(),
        }),
        _ => Ok(()),
    }
}

/// Compares a blob's digest with the one that its content has.
pub(super) fn check_digest(computed: Digest, digest: &Digest) -> Result<(), BlobError> {
    match computed == *digest {
        true => Ok(()),
        false => Err(BlobError::Digest {
            found: computed,
            first: Vec::new(),
        }),
    }
}

/// Reads a file into `bytes`, which had `length` bytes when it was opened, and of what it has no more than
/// one above `limit`, which shows that it grew.
///
/// One system call for a file that has that length still: the byte of room that stays empty shows that
/// there is no more.
pub(super) fn read_whole(
    file: &mut File,
    length: u64,
    limit: u64,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    bytes.resize(usize::try_from(length).unwrap_or(0) + 1, 0);
    let mut filled = 0;
    loop {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        }
        if filled as u64 == length || filled == bytes.len() {
            break;
        }
    }
    bytes.truncate(filled);
    if filled as u64 > length {
        // It grew. What it holds now is read as far as it may be.
        file.take(limit.saturating_sub(filled as u64) + 1)
            .read_to_end(bytes)?;
    }
    Ok(())
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
    let first = |file: File| {
        let mut first = Vec::new();
        file.take(64).read_to_end(&mut first).map(|_| first)
    };
    if let Some(expected) = size.filter(|size| *size != found) {
        return Err(BlobError::Size {
            found,
            expected,
            first: first(file)?,
        });
    }
    if found > limit {
        let first = first(file)?;
        return Err(BlobError::TooLarge {
            found,
            limit,
            first,
        });
    }
    read_whole(&mut file, found, limit, bytes)?;
    if let Some(algorithm) = digest.algorithm() {
        let found = algorithm.hash(bytes);
        if found != *digest {
            let first = bytes[..bytes.len().min(64)].to_vec();
            return Err(BlobError::Digest { found, first });
        }
    }
    Ok(true)
}

/// Calls `each` with the blobs in the directory of an algorithm, and `other` with all other names.
pub(super) fn each_digest(
    dir: &OwnedFd,
    algorithm: Algorithm,
    each: &mut dyn FnMut(Digest),
    other: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    each_file(
        dir,
        &mut |name, kind| match blob_of(algorithm, name, kind) {
            Some(digest) => each(digest),
            None => other(name, kind),
        },
    )
}

/// The blob that a name in the directory of an algorithm is that of, if it is one.
pub(super) fn blob_of(algorithm: Algorithm, name: &[u8], kind: FileType) -> Option<Digest> {
    let is_file = matches!(
        kind,
        FileType::RegularFile | FileType::Symlink | FileType::Unknown
    );
    is_file.then(|| algorithm.digest_of_file_name(name))?
}

impl<M> Locked<M> {
    /// Opens a blob's file for reading, wherever it is.
    pub(super) fn open_blob(&self, digest: &Digest) -> Result<Option<(File, u64)>, BlobError> {
        let name = digest.file_name();
        if digest.algorithm().is_some() {
            let dir = self.blob_dirs.of(digest);
            return dir.map_or(Ok(None), |dir| open_regular(dir, name.as_ref()));
        }
        match self.blob_dirs.open_foreign(digest.algorithm_name())? {
            Some(dir) => open_regular(dir, name.as_ref()),
            None => Ok(None),
        }
    }

    /// Reads a blob of at most `limit` bytes and checks it against its digest, and against `size`
    /// (bytes) when its descriptor says one. `None`: the layout does not have it, which is legal.
    ///
    /// A blob of an algorithm that nobody can compute here is read as it is.
    ///
    /// # Errors
    /// Every [`BlobError`]: the blob is there, and it cannot be trusted.
    pub(crate) fn read_blob(
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
    pub(crate) fn read_blob_into(
        &self,
        digest: &Digest,
        size: Option<u64>,
        limit: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, BlobError> {
        if let Some(is_there) = self.read_regular(digest, size, limit, bytes) {
            return Ok(is_there);
        }
        let opened = self.open_blob(digest)?;
        if let Some((_, found)) = &opened
            && self.layout.is_stub(*found, digest)
        {
            return Err(BlobError::Stub);
        }
        read_verified(opened, digest, size, limit, bytes)
    }

    /// Reads a blob into a buffer without a look at it first, where a list said what it is and its
    /// descriptor how long. `None`: that is not known, or it is something else, and whatever is wrong with it
    /// is to be found out.
    fn read_regular(
        &self,
        digest: &Digest,
        size: Option<u64>,
        limit: u64,
        bytes: &mut Vec<u8>,
    ) -> Option<bool> {
        let (size, algorithm) = (size?, digest.algorithm()?);
        if size == 0 || size > limit {
            return None;
        }
        let dir = self.blob_dirs.of_regular(digest)?;
        let name = digest.file_name();
        // What took its place since then is not followed, and keeps nobody waiting.
        let flags = READING | OFlags::NOFOLLOW;
        let mut file = match found(rustix::fs::openat(dir, name.as_ref(), flags, Mode::empty())) {
            Ok(Some(file)) => File::from(file),
            Ok(None) => return Some(false),
            Err(_) => return None,
        };
        if size > BELIEVED && rustix::fs::fstat(&file).ok()?.st_size != i64::try_from(size).ok()? {
            return None;
        }
        let size = usize::try_from(size).ok()?;
        // The byte of room that stays empty shows that there is no more.
        bytes.resize(size + 1, 0);
        let read = file.read(bytes).ok()?;
        bytes.truncate(size);
        (read == size && algorithm.hash(bytes) == *digest).then_some(true)
    }

    /// Reads a blob of at most `limit` bytes into a buffer, if it begins like a JSON object and is what
    /// its name promises. `false`: it is anything else.
    ///
    /// # Errors
    /// What the operating system says of reading it: it may be anything. `NotFound`: it is not there.
    pub(crate) fn read_json_blob(
        &self,
        digest: &Digest,
        limit: u64,
        bytes: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let (file, size) = match self.open_blob(digest) {
            Ok(Some(found)) => found,
            // A link that leads round in a circle leads to nothing that anybody could have read.
            Err(BlobError::Io(error)) if Errno::from_io_error(&error) != Some(Errno::LOOP) => {
                return Err(error);
            }
            Ok(None) => return Err(io::ErrorKind::NotFound.into()),
            Err(_) => return Ok(false),
        };
        // Most that is looked at is a layer; of that no more is read than this.
        let mut first = [0; 32];
        if size > limit {
            return Ok(false);
        }
        file.read_at(&mut first, 0)?;
        let begin = first[..first.len().min(size as usize)].trim_ascii_start();
        if begin.first().is_some_and(|byte| *byte != b'{') {
            return Ok(false);
        }
        match read_verified(Some((file, size)), digest, None, limit, bytes) {
            Err(BlobError::Io(error)) => Err(error),
            read => Ok(read.unwrap_or(false)),
        }
    }

    /// Reads a whole blob, however large, and compares it with its digest and, if given, with its
    /// size in bytes. Of an algorithm that nobody can compute here only the size is compared.
    pub(crate) fn verify_blob(
        &self,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Presence, BlobError> {
        self.verify_blob_counted(digest, size, &Counter::default())
            .0
    }

    /// The same; `counter` has the bytes as they are read, and how many those were comes with the result.
    pub(crate) fn verify_blob_counted(
        &self,
        digest: &Digest,
        size: Option<u64>,
        counter: &Counter,
    ) -> (Result<Presence, BlobError>, u64) {
        let mut read = 0;
        let mut verify = || {
            let Some((file, found)) = self.open_blob(digest)? else {
                return Ok(Presence::Missing);
            };
            if self.layout.is_stub(found, digest) {
                return Ok(Presence::Stub);
            }
            check_size(found, size)?;
            if let Some(algorithm) = digest.algorithm() {
                let mut file = counter.reading(file);
                let hashed = algorithm.hash_reader(&mut file);
                read = file.read_so_far();
                check_digest(hashed?, digest)?;
            }
            Ok(Presence::Whole)
        };
        (verify(), read)
    }

    /// Makes a blob that is there durable.
    pub(super) fn sync_blob(&self, digest: &Digest) -> io::Result<()> {
        match self.open_blob(digest) {
            Ok(Some((file, _))) => Ok(sync(&file)?),
            Ok(None) => Err(io::ErrorKind::NotFound.into()),
            Err(BlobError::Io(e)) => Err(e),
            Err(e) => Err(io::Error::other(e)),
        }
    }

    /// Compares a blob's size with what its descriptor says, without reading it.
    ///
    /// # Errors
    /// Another size, something that is no file, and what the operating system says.
    pub(crate) fn measure_blob(
        &self,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Presence, BlobError> {
        match self.open_blob(digest)? {
            Some((_, found)) if self.layout.is_stub(found, digest) => Ok(Presence::Stub),
            Some((_, found)) => check_size(found, size).map(|()| Presence::Whole),
            None => Ok(Presence::Missing),
        }
    }

    /// The files and directories of the layout that are neither blobs nor what every layout has,
    /// as paths within the layout, in order.
    pub(crate) fn list_strays(&self) -> anyhow::Result<Vec<String>> {
        let mut strays = Vec::new();
        let known = [
            "blobs",
            "index.json",
            "oci-layout",
            "manifest.json",
            "repositories",
            INGEST,
            super::TRASH,
            super::LAYOUT_LOCK,
        ];
        each_file(&self.layout.dir, &mut |name, _| {
            let name = String::from_utf8_lossy(name);
            if !known.contains(&&*name) {
                strays.push(name.into_owned());
            }
        })?;
        // containerd, BuildKit and oras leave this directory; what counts is what is in it.
        if let Ok(Some(ingest)) = open_dir(&self.layout.dir, c"ingest") {
            each_file_once(&ingest.dir, &mut |name, _| {
                strays.push(format!("{INGEST}/{}", String::from_utf8_lossy(name)));
            })?;
        }
        for (algorithm, dir) in self.blob_dirs.all() {
            each_file(dir, &mut |name, _| {
                if algorithm.digest_of_file_name(name).is_none() {
                    let name = String::from_utf8_lossy(name);
                    strays.push(format!("blobs/{}/{name}", algorithm.name()));
                }
            })?;
        }
        strays.sort();
        Ok(strays)
    }

    /// Looks at a blob's file without following a symbolic link. `None`: there is no such file, or
    /// it is something else than a file or a link.
    pub(crate) fn stat_blob(&self, digest: &Digest) -> io::Result<Option<BlobStat>> {
        // Blobs of unknown algorithms are never listed or deleted, so nobody asks.
        let Some(dir) = self.blob_dirs.of(digest) else {
            return Ok(None);
        };
        let name = digest.file_name();
        let look = || {
            let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW);
            let stat = found(stat)?.and_then(|stat| BlobStat::from_stat(&stat, digest));
            io::Result::Ok(stat)
        };
        Ok(look()?.map(|stat| {
            let again = || look().ok().flatten();
            let seen = self.layout.ages.first_seen_of(stat, again);
            let seen = match self.is_in_trash_too(&stat) {
                // The second name made it look young, and it went once at the age that it had.
                true => Seen {
                    changed: stat.modified,
                    ..seen
                },
                false => seen,
            };
            BlobStat {
                changed: seen.changed,
                links: seen.links,
                is_stub: stat.is_stub && self.layout.is_stub(stat.size, digest),
                ..stat
            }
        }))
    }

    /// Whether the file of a blob is a stub, as far as it can be looked at.
    pub(crate) fn has_stub(&self, digest: &Digest) -> bool {
        let Some(dir) = self.blob_dirs.of(digest) else {
            return false;
        };
        let name = digest.file_name();
        let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| is_stub(&stat, digest) && self.layout.is_stub(0, digest))
    }

    /// Calls `each` with every stored blob of the known algorithms, in no particular order.
    /// Directories and names that are no digest are passed over.
    ///
    /// # Errors
    /// A directory that cannot be listed to its end, or what `each` returns.
    pub(crate) fn list_blobs(&self, each: impl FnMut(Digest)) -> anyhow::Result<()> {
        self.list_blobs_and_writers(None, each).map(drop)
    }

    /// [`Locked::list_blobs`]. The value is the path within the layout of a temporary file beside the
    /// blobs that another program wrote to after `since`.
    pub(crate) fn list_blobs_and_writers(
        &self,
        since: Option<jiff::Timestamp>,
        mut each: impl FnMut(Digest),
    ) -> anyhow::Result<Option<String>> {
        let _over = ListingOver(&self.blob_dirs);
        let mut temporaries = Vec::new();
        let mut writer = None;
        for (algorithm, dir) in self.blob_dirs.all() {
            let fail = |e: Errno| {
                let path = self.path().join("blobs").join(algorithm.name());
                Error::layout(format!("cannot list `{}`: {e}", path.display()))
            };
            let mut other = |name: &[u8], kind| {
                if is_temporary(name, kind) {
                    temporaries.extend(CString::new(name).map(|name| (algorithm, name)));
                } else if let Some(since) = since
                    && writer.is_none()
                    && is_writer_beside_blobs(dir, name, since)
                {
                    let name = String::from_utf8_lossy(name);
                    writer = Some(format!("blobs/{}/{name}", algorithm.name()));
                }
            };
            let listed = self
                .blob_dirs
                .each_name(
                    algorithm,
                    &mut |name, kind| match blob_of(algorithm, name, kind) {
                        Some(digest) => each(digest),
                        None => other(name, kind),
                    },
                );
            listed.map_err(fail)?;
        }
        if let Ok(mut seen) = self.temporaries.lock() {
            *seen = temporaries;
        }
        Ok(writer)
    }

    /// Says that another thread is about to list the blobs, with [`Locked::list_blobs_and_writers`]. Whoever
    /// reads blobs from here on waits for that: then nothing has to be asked about each. A disk of this machine
    /// answers sooner than a long list is made, so it is asked until then.
    pub(crate) fn expect_list(&self) {
        if self.layout.is_far() || !self.blob_dirs.are_long() {
            self.blob_dirs.set_being_listed(true);
        }
    }

    /// Why blobs of this digest's algorithm must not be deleted, if so.
    pub(crate) fn maybe_shared(&self, digest: &Digest) -> Option<&SharedReason> {
        self.blob_dirs.maybe_shared(digest)
    }
}

/// Says that the list is made, or cannot be, when this is dropped.
struct ListingOver<'a>(&'a BlobDirs);

impl Drop for ListingOver<'_> {
    fn drop(&mut self) {
        self.0.set_being_listed(false);
    }
}

impl Locked<Exclusive> {
    /// Unlinks a blob. A symbolic link goes itself, never what it points to. `false`: somebody was
    /// faster, which is as good.
    ///
    /// # Errors
    /// What the operating system says, and a blob of a directory that others may share.
    pub(crate) fn remove_blob(&self, digest: &Digest) -> io::Result<bool> {
        let (_, dir) = self.own_directory(digest)?;
        let name = digest.file_name();
        let unlink = || rustix::fs::unlinkat(dir, name.as_ref(), AtFlags::empty());
        let look = || {
            let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW);
            BlobStat::from_stat(&stat.ok()?, digest)
        };
        let unlinked = self.layout.ages.change(look, (Names::OneLess, dir), unlink);
        Ok(found(unlinked)?.is_some())
    }

    /// The same for a file that had no other name when it was looked at: no layout of the run knew another one.
    /// If it has been given one since then, it looks as young there as it is.
    ///
    /// # Errors
    /// As for [`Locked::remove_blob`].
    pub(crate) fn remove_blob_of_one_name(&self, digest: &Digest) -> io::Result<bool> {
        let (_, dir) = self.own_directory(digest)?;
        let unlinked = rustix::fs::unlinkat(dir, digest.file_name().as_ref(), AtFlags::empty());
        Ok(found(unlinked)?.is_some())
    }

    /// The directory that a blob lies in, if its blobs are ours to delete.
    pub(super) fn own_directory(&self, digest: &Digest) -> io::Result<(Algorithm, &OwnedFd)> {
        let algorithm = digest.algorithm();
        self.blob_dirs
            .own()
            .find(|(known, _)| Some(*known) == algorithm)
            .ok_or_else(|| io::Error::other("its directory is not this layout's own"))
    }
}
