//! What is not the same on every Unix: names of failures, the type of a mode, where randomness comes from, and
//! what it takes to have something on the disk. Everything else here is written once for all of them.

use std::os::fd::AsFd;

use rustix::fs::{Mode, RawMode};
use rustix::io::Errno;

/// Whether an answer means that the system or the file system has nothing of the kind. On Linux `ENOTSUP` and
/// `EOPNOTSUPP` are one number, elsewhere they are two.
pub(crate) fn is_unsupported(errno: Errno) -> bool {
    errno == Errno::NOTSUP || matches!(errno, Errno::OPNOTSUPP | Errno::NOSYS)
}

/// Whether an answer means that a file does not have an extended attribute.
pub(crate) fn is_no_attribute(errno: Errno) -> bool {
    #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd"))]
    return errno == Errno::NOATTR;
    #[cfg(not(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd")))]
    return errno == Errno::NODATA;
}

/// A mode from its bits, of which no Unix has more than sixteen.
pub(crate) fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits as RawMode)
}

/// The mode of a file, without its type.
#[allow(
    clippy::useless_conversion,
    reason = "the types differ between platforms"
)]
pub(crate) fn mode_of(stat: &rustix::fs::Stat) -> u32 {
    u32::from(stat.st_mode) & 0o7777
}

/// Makes the content of a file, or the names in a directory, durable. macOS keeps what was synced in the cache
/// of the disk unless it is asked for more; not every file system there can do that.
///
/// # Errors
/// What the operating system says.
pub(crate) fn sync(file: impl AsFd) -> Result<(), Errno> {
    #[cfg(target_vendor = "apple")]
    if rustix::fs::fcntl_fullfsync(&file).is_ok() {
        return Ok(());
    }
    rustix::fs::fsync(file)
}

/// Makes everything durable that lies on the file system of a directory, as far as the system can be asked for
/// that.
///
/// # Errors
/// What the operating system says.
pub(crate) fn sync_all(dir: impl AsFd) -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    return rustix::fs::syncfs(dir);
    #[cfg(not(target_os = "linux"))]
    return sync(dir);
}

/// Fills a buffer with random bytes.
///
/// # Errors
/// A system that has none to give.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    {
        use rustix::rand::{GetRandomFlags, getrandom};
        let wanted = bytes.len();
        let filled = rustix::io::retry_on_intr(|| getrandom(&mut *bytes, GetRandomFlags::empty()))?;
        // So few bytes are given whole or not at all.
        if filled == wanted {
            Ok(())
        } else {
            Err(Errno::IO)
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        use std::io::Read as _;
        let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes));
        read.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    }
}
