//! What the operating system says of a file, as far as anything here depends on it: which file it
//! is, how long, how many names it has, and when it changed. And files counted, with their bytes.

use std::iter::Sum;
use std::ops::AddAssign;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;
use serde::Serialize;

use crate::value::digest::Digest;

/// Device and inode, which all names of one file share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the types differ between platforms"
    )]
    pub(crate) fn from_stat(stat: &Stat) -> FileId {
        FileId {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
        }
    }

    /// That of what a path leads to, links followed.
    pub(crate) fn of_path(path: &Path) -> Result<FileId, Errno> {
        Ok(FileId::from_stat(&rustix::fs::stat(path)?))
    }

    pub(crate) fn of_opened(file: impl AsFd) -> Result<FileId, Errno> {
        Ok(FileId::from_stat(&rustix::fs::fstat(file)?))
    }
}

/// What a system call found; `None` where there is no such file.
pub(crate) fn found<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether a name in `dir` means this file, and not one that somebody put in its place.
pub(crate) fn is_name_of_file(dir: impl AsFd, name: &str, file: FileId) -> bool {
    let named = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
    named.is_ok_and(|named| FileId::from_stat(&named) == file)
}

/// What a stub is, as the end of a sentence. Its file alone cannot be told from one that a power cut emptied.
pub(crate) const STUB: &str = "it has no bytes: a store that deduplicates has them in another repository, or they \
                               were never written";

/// Whether a file of this length in bytes has none although its digest promises some: a stub, or what a
/// power cut left.
pub(crate) fn promises_more(size: u64, digest: &Digest) -> bool {
    size == 0 && digest.promises_bytes()
}

/// The same of what is at a blob's name: only a regular file counts.
pub(crate) fn is_stub(stat: &Stat, digest: &Digest) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && promises_more(length(stat), digest)
}

/// The unit in which every system counts blocks.
const BLOCK: u64 = 512;

/// What `lstat` says of a blob's file.
#[derive(Clone, Copy, Debug)]
pub struct BlobStat {
    /// Bytes that the file holds; for a symbolic link 0, for what it points to stays.
    pub(crate) size: u64,
    /// It is a regular file without bytes, its digest promises some, and the layout has neighbours; see
    /// `stubs.rs`.
    pub(crate) is_stub: bool,
    /// Bytes that leave the disk with the file: those of its blocks, and never more than it holds, of
    /// which holes and what the file system packs take less.
    pub(crate) on_disk: u64,
    /// How many names the file has; it leaves the disk with the last one.
    pub(crate) links: u64,
    /// Which file it is, by whichever name.
    pub(crate) file: FileId,
    /// The later of modification and status change: when the file came to be here. Tools that
    /// unpack or copy set the modification time back, the status change they cannot.
    pub(crate) changed: jiff::Timestamp,
    /// When its content was last written, as far as anybody says: tools that unpack or copy set it
    /// to what it was where the file came from.
    pub(crate) modified: jiff::Timestamp,
}

impl BlobStat {
    /// `None` for what is neither a file nor a link.
    pub(crate) fn from_stat(stat: &Stat, digest: &Digest) -> Option<BlobStat> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let size: u64 = match kind {
            FileType::RegularFile => u64::try_from(stat.st_size).unwrap_or(0),
            FileType::Symlink => 0,
            _ => return None,
        };
        #[allow(
            clippy::useless_conversion,
            reason = "the types differ between platforms"
        )]
        Some(BlobStat {
            size,
            is_stub: is_stub(stat, digest),
            on_disk: size.min(allocated(stat)),
            links: u64::from(stat.st_nlink),
            file: FileId::from_stat(stat),
            changed: changed(stat),
            modified: times(stat)[0],
        })
    }
}

/// Bytes of all blocks that a file or directory takes on the disk.
pub(crate) fn allocated(stat: &Stat) -> u64 {
    let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
    blocks.saturating_mul(BLOCK)
}

/// Bytes that a file, or the name in a symbolic link, has; 0 for anything else.
pub(crate) fn length(stat: &Stat) -> u64 {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Symlink => u64::try_from(stat.st_size).unwrap_or(0),
        _ => 0,
    }
}

/// The later of modification and status change.
pub(crate) fn changed(stat: &Stat) -> jiff::Timestamp {
    let [modified, changed] = times(stat);
    modified.max(changed)
}

/// When the content was last modified, as far as anybody says.
pub(crate) fn modified(stat: &Stat) -> jiff::Timestamp {
    let [modified, _] = times(stat);
    modified
}

/// When the content was last modified, and when the status last changed.
fn times(stat: &Stat) -> [jiff::Timestamp; 2] {
    let time = |seconds: i64, nanoseconds: i32| {
        jiff::Timestamp::new(seconds, nanoseconds).unwrap_or(jiff::Timestamp::MIN)
    };
    let nanoseconds = [stat.st_mtime_nsec, stat.st_ctime_nsec];
    let [modified, changed] = nanoseconds.map(|n| i32::try_from(n).unwrap_or(0));
    #[allow(
        clippy::useless_conversion,
        reason = "the types differ between platforms"
    )]
    [
        time(stat.st_mtime.into(), modified),
        time(stat.st_ctime.into(), changed),
    ]
}

/// What a file that should have been a regular one is, for messages.
pub(crate) fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "a special file",
    }
}

/// How many blobs, and how many bytes they have or free, as it is said where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Weight {
    /// A number of blobs.
    pub blobs: u64,
    /// Their bytes. Sizes are what a layout claims, so the sum ends at the largest number.
    pub bytes: u64,
}

impl Weight {
    /// One blob.
    pub(crate) fn of_one(bytes: u64) -> Weight {
        Weight { blobs: 1, bytes }
    }
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Weight) {
        self.blobs += other.blobs;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Sum for Weight {
    fn sum<I: Iterator<Item = Weight>>(weights: I) -> Weight {
        weights.fold(Weight::default(), |mut sum, weight| {
            sum += weight;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::promises_more;
    use crate::value::digest::{Algorithm, Digest};

    /// FR54: only a file that is empty although its digest says otherwise is a stub.
    #[test]
    fn a_stub_has_no_bytes_and_a_digest_that_promises_some() {
        let some = Algorithm::Sha256.hash(b"some");
        let nothing = Algorithm::Sha512.hash(b"");
        let unknown: Digest = "md5:d41d8cd98f00b204e9800998ecf8427f".parse().unwrap();
        for (size, digest, expected) in [
            (0, &some, true),
            (4, &some, false),
            (1, &some, false),
            (0, &nothing, false),
            (0, &unknown, false),
        ] {
            assert_eq!(promises_more(size, digest), expected, "{size} {digest}");
        }
    }
}
