//! Directories: how they are opened, and the names in them.

use std::os::fd::AsFd;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

/// How every directory is opened.
pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Room for what one system call tells of a directory, in bytes: some thousand names.
#[cfg(target_os = "linux")]
const DIRECTORY_BUFFER: usize = 256 << 10;

/// Calls `each` with every name in a directory.
#[cfg(target_os = "linux")]
pub(crate) fn each_file(
    dir: impl AsFd,
    each: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    let dir = rustix::fs::openat(dir, c".", DIRECTORY, rustix::fs::Mode::empty())?;
    let mut buffer: Vec<u8> = Vec::with_capacity(DIRECTORY_BUFFER);
    let mut entries = rustix::fs::RawDir::new(dir, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            each(name, entry.file_type());
        }
    }
    Ok(())
}

/// Calls `each` with every name in a directory.
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
