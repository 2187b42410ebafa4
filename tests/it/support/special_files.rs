//! FIFOs and devices, made with the programs that every Unix has for that.

use std::path::Path;
use std::process::{Command, Stdio};

use super::contents::arg;

fn is_made(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program)
        .args(args)
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Makes a FIFO that everybody may open, as far as the umask lets him.
pub(crate) fn fifo(path: &Path) {
    assert!(is_made("mkfifo", &[arg(path)]), "mkfifo {}", path.display());
}

/// Makes a device without an end. `false`: that takes the superuser.
pub(crate) fn device(path: &Path) -> bool {
    is_made("mknod", &[arg(path), "c", "1", "5"])
}
