//! File systems that are mounted for a test. They go with it, also when it fails.
//!
//! Only root can mount, and not everywhere: where nobody can, the test says so and passes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::contents::arg;
use super::skipped::skipped;

/// Runs a program of file systems.
///
/// # Errors
/// It is not here, or says why not.
pub(crate) fn run(command: &[&str], more: &[&str]) -> Result<(), String> {
    let (program, options) = command.split_first().expect("a program");
    let done = Command::new(program)
        .args(options)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    match done.status.code() {
        Some(0) => Ok(()),
        // It says so when it mended something.
        Some(1 | 2) if *program == "e2fsck" => Ok(()),
        _ => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(format!(
                "{program}: {}",
                said.trim().lines().next().unwrap_or_default()
            ))
        }
    }
}

/// Makes a file system in a new file of so many MiB.
///
/// # Errors
/// As [`run`].
pub(crate) fn make(command: &[&str], file: &Path, mebibytes: u64) -> Result<(), String> {
    let made = File::create(file).and_then(|made| made.set_len(mebibytes << 20));
    made.map_err(|e| e.to_string())?;
    run(command, &[arg(file)])
}

/// A directory on which something is mounted until this is dropped.
pub(crate) struct Mount {
    pub(crate) dir: PathBuf,
}

impl Mount {
    /// Mounts what these arguments of `mount` say.
    ///
    /// # Errors
    /// There are no loop devices here, the kernel does not know the kind, or nobody may mount.
    pub(crate) fn new(dir: &Path, arguments: &[&str]) -> Result<Mount, String> {
        fs::create_dir_all(dir).map_err(|e| e.to_string())?;
        run(&[&["mount"], arguments].concat(), &[arg(dir)])?;
        Ok(Mount {
            dir: dir.to_owned(),
        })
    }

    /// A small file system in memory. Says so if there is none.
    pub(crate) fn in_memory(dir: &Path, option: &str) -> Option<Mount> {
        if !may_mount() {
            return None;
        }
        match Mount::new(dir, &["-t", "tmpfs", "-o", option, "tmpfs"]) {
            Ok(mount) => Some(mount),
            Err(reason) => {
                skipped(format!("no file system can be mounted: {reason}"));
                None
            }
        }
    }

    /// Mounts it anew with these options.
    pub(crate) fn again(&self, options: &str) {
        run(&["mount", "-o", options], &[arg(&self.dir)]).expect("a mount of its own");
    }

    /// Takes all the room that it has, with a file of this name.
    pub(crate) fn fill(&self, name: &str) {
        let mut file = File::create(self.dir.join(name)).expect("a new file");
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The loop device goes with the mount.
        if run(&["umount"], &[arg(&self.dir)]).is_err() {
            let _ = run(&["umount", "-l"], &[arg(&self.dir)]);
        }
    }
}

/// Whether whoever runs the tests may mount. Says so if not.
pub(crate) fn may_mount() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped("only root can mount a file system");
    }
    is_root
}
