//! `renameat2` (`renameatx_np` on macOS), and what to do where it cannot be had. Kernels, file systems and the filters of
//! containers each say that in a way of their own, so the answers are read here and nowhere else.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::unix::is_unsupported;

/// Whether an answer means that the flags, not the renaming, were refused. `EPERM` is what some
/// filters of system calls say; if it is meant, the plain call that comes next says it again.
fn is_unavailable(errno: Errno) -> bool {
    is_unsupported(errno) || matches!(errno, Errno::INVAL | Errno::PERM)
}

fn attempt(result: Result<(), Errno>) -> Result<bool, Errno> {
    match result {
        Ok(()) => Ok(true),
        Err(errno) if is_unavailable(errno) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Exchanges two files of a directory in one step. `false`: that cannot be done here, and nothing
/// was.
///
/// # Errors
/// What the operating system says; nothing was done.
pub(crate) fn exchange(dir: impl AsFd, one: &str, other: &str) -> Result<bool, Errno> {
    let flags = RenameFlags::EXCHANGE;
    attempt(rustix::fs::renameat_with(&dir, one, &dir, other, flags))
}

/// Renames a file unless the new name is taken. `false`: whether it is cannot be asked for in the
/// same step here, and nothing was done.
///
/// # Errors
/// `EEXIST` if the name is taken, and what else the operating system says; nothing was done.
pub(crate) fn rename_to_new(
    from: impl AsFd,
    name: impl rustix::path::Arg,
    to: impl AsFd,
    new_name: impl rustix::path::Arg,
) -> Result<bool, Errno> {
    let flags = RenameFlags::NOREPLACE;
    attempt(rustix::fs::renameat_with(from, name, to, new_name, flags))
}

/// Renames a file unless the new name is taken, as surely as this file system can.
///
/// # Errors
/// As [`rename_to_new`].
pub(crate) fn rename_unless_taken(
    from: impl AsFd,
    name: impl rustix::path::Arg + Copy,
    to: impl AsFd,
    new_name: impl rustix::path::Arg + Copy,
) -> Result<(), Errno> {
    if rename_to_new(&from, name, &to, new_name)? {
        return Ok(());
    }
    match rustix::fs::statat(&to, new_name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rustix::fs::renameat(&from, name, &to, new_name),
        Err(e) => Err(e),
    }
}
