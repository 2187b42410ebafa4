//! Directories: how they are opened, and the names in them.

use std::os::fd::AsFd;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

/// How every directory is opened.
pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Room for what one system call tells of a directory with many names, in bytes: some thousand.
const MANY: usize = 256 << 10;

/// The same for one with a few.
const FEW: usize = 32 << 10;

#[cfg(target_os = "linux")]
thread_local! {
    /// What a thread lists into. A run may list thousands of directories, and to give so much back to the allocator
    /// each time takes longer than a short list.
    static BUFFER: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

/// Calls `each` with every name in a directory, however often it was listed.
#[cfg(target_os = "linux")]
pub(crate) fn each_file(
    dir: impl AsFd,
    each: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    let dir = rustix::fs::openat(dir, c".", DIRECTORY, rustix::fs::Mode::empty())?;
    list(dir, MANY, each)
}

/// The same of a directory that nobody listed since it was opened. It need not be opened again, which on a
/// disk that is far away is a wait.
pub(crate) fn each_file_once(
    dir: impl AsFd,
    each: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    list(dir, MANY, each)
}

/// The same of one in which a few files are to be expected.
pub(crate) fn each_of_few_once(
    dir: impl AsFd,
    each: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    list(dir, FEW, each)
}

#[cfg(target_os = "linux")]
fn list(dir: impl AsFd, room: usize, each: &mut dyn FnMut(&[u8], FileType)) -> Result<(), Errno> {
    // Whoever lists another directory meanwhile makes a buffer of his own.
    let mut buffer = BUFFER.take();
    buffer.clear();
    buffer.reserve(room);
    let listed = list_into(dir, &mut buffer.spare_capacity_mut()[..room], each);
    BUFFER.set(buffer);
    listed
}

#[cfg(target_os = "linux")]
fn list_into(
    dir: impl AsFd,
    buffer: &mut [std::mem::MaybeUninit<u8>],
    each: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    let mut entries = rustix::fs::RawDir::new(dir, buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            each(name, entry.file_type());
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn list(dir: impl AsFd, _: usize, each: &mut dyn FnMut(&[u8], FileType)) -> Result<(), Errno> {
    each_file(dir, each)
}

/// Calls `each` with every name in a directory, however often it was listed.
#[cfg(not(target_os = "linux"))]
pub(crate) fn each_file(
    dir: impl AsFd,
    each: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            each(name, entry.file_type());
        }
    }
    Ok(())
}
