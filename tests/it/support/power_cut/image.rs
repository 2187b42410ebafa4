//! File systems in files, which lose what they had not written when the power went.
//!
//! What a file system has written lies in its backing file; what it still has in memory does not. So a copy of
//! that file is the disk after a power cut at that moment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::contents::arg;

/// A kind of file system, how it is made, and how it is mended after a power cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    make: &'static [&'static str],
    mebibytes: u64,
    mend: &'static [&'static str],
}

pub(crate) const EXT2: Kind = Kind {
    name: "ext2",
    make: &["mkfs.ext2", "-q", "-F"],
    mebibytes: 16,
    mend: &["e2fsck", "-fy"],
};

/// The others, as they are made where nobody asks for more than a name; and one that has its journal taken away.
pub(crate) const OTHERS: [Kind; 4] = [
    Kind {
        name: "ext4 without a journal",
        make: &["mkfs.ext4", "-q", "-F", "-O", "^has_journal"],
        mebibytes: 16,
        mend: &["e2fsck", "-fy"],
    },
    Kind {
        name: "ext4",
        make: &["mkfs.ext4", "-q", "-F"],
        mebibytes: 16,
        mend: &[],
    },
    Kind {
        name: "xfs",
        make: &["mkfs.xfs", "-q", "-f"],
        mebibytes: 320,
        mend: &[],
    },
    Kind {
        name: "btrfs",
        make: &["mkfs.btrfs", "-q", "-f"],
        mebibytes: 120,
        mend: &[],
    },
];

fn run(command: &[&str], more: &[&str]) -> Result<(), String> {
    let (program, options) = command.split_first().expect("a program");
    let done = Command::new(program)
        .args(options)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    match done.status.code() {
        Some(0) => Ok(()),
        // It says so when it mended something.
        Some(1 | 2) if *program == "e2fsck" => Ok(()),
        _ => Err(format!("{program}: {said}")),
    }
}

impl Kind {
    /// Makes a new one in a file.
    ///
    /// # Errors
    /// The program that makes them is not here, or says why not.
    pub(crate) fn make(self, file: &Path) -> Result<(), String> {
        let made = File::create(file).and_then(|made| made.set_len(self.mebibytes << 20));
        made.map_err(|e| e.to_string())?;
        run(self.make, &[arg(file)])
    }

    /// Makes a copy of what the power cut left ready to be mounted.
    ///
    /// # Errors
    /// It cannot be mended.
    pub(crate) fn mend(self, file: &Path) -> Result<(), String> {
        match self.mend {
            [] => Ok(()),
            mend => run(mend, &[arg(file)]),
        }
    }
}

/// A file system that is mounted until this is dropped.
pub(crate) struct Mounted {
    dir: PathBuf,
}

impl Mounted {
    /// # Errors
    /// There are no loop devices here, or nobody may mount.
    pub(crate) fn new(file: &Path, dir: &Path) -> Result<Mounted, String> {
        fs::create_dir_all(dir).map_err(|e| e.to_string())?;
        run(&["mount", "-o", "loop"], &[arg(file), arg(dir)])?;
        Ok(Mounted {
            dir: dir.to_owned(),
        })
    }

    pub(crate) fn layout(&self) -> PathBuf {
        self.dir.join("layout")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The loop device goes with the mount.
        if run(&["umount"], &[arg(&self.dir)]).is_err() {
            let _ = run(&["umount", "-l"], &[arg(&self.dir)]);
        }
    }
}

/// The disk as it would be if the power went now.
pub(crate) fn copy(file: &Path, to: &Path) {
    run(&["cp", "--sparse=always"], &[arg(file), arg(to)]).expect("room for a small file");
}
