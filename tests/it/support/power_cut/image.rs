//! File systems in files, which lose what they had not written when the power went.
//!
//! What a file system has written lies in its backing file; what it still has in memory does not. So a copy of
//! that file is the disk after a power cut at that moment.

use std::path::{Path, PathBuf};

use crate::support::contents::arg;
use crate::support::mount::{self, Mount};

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

impl Kind {
    /// Makes a new one in a file.
    ///
    /// # Errors
    /// The program that makes them is not here, or says why not.
    pub(crate) fn make(self, file: &Path) -> Result<(), String> {
        mount::make(self.make, file, self.mebibytes)
    }

    /// Makes a copy of what the power cut left ready to be mounted.
    ///
    /// # Errors
    /// It cannot be mended.
    pub(crate) fn mend(self, file: &Path) -> Result<(), String> {
        match self.mend {
            [] => Ok(()),
            mend => mount::run(mend, &[arg(file)]),
        }
    }
}

/// A file system of such a file, with the directory of the layout in it.
pub(crate) struct Mounted(Mount);

impl Mounted {
    /// # Errors
    /// There are no loop devices here, or nobody may mount.
    pub(crate) fn new(file: &Path, dir: &Path) -> Result<Mounted, String> {
        Mount::new(dir, &["-o", "loop", arg(file)]).map(Mounted)
    }

    pub(crate) fn layout(&self) -> PathBuf {
        self.0.dir.join("layout")
    }
}

/// The disk as it would be if the power went now.
pub(crate) fn copy(file: &Path, to: &Path) {
    mount::run(&["cp", "--sparse=always"], &[arg(file), arg(to)]).expect("room for a small file");
}
