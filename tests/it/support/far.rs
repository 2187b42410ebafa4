//! A disk that is far away, for a test: the one of the benchmarks.

#[path = "../../../benches/far_disk/mod.rs"]
mod far_disk;

use std::fs;
use std::path::Path;
use std::time::Duration;

pub(crate) use far_disk::FarDisk;

use super::skipped::skipped;

/// How many calls wait at the same time. Several tests have such a disk at once, and each call its memory.
pub(crate) const MOST_AT_ONCE: usize = 40;

/// Shows `dir` at `mountpoint`, where each call takes `delay` longer; both are made. Says so where nobody can.
pub(crate) fn far(dir: &Path, mountpoint: &Path, delay: Duration) -> Option<FarDisk> {
    for dir in [dir, mountpoint] {
        fs::create_dir_all(dir).expect("an own directory");
    }
    match FarDisk::mount(dir, mountpoint, delay, MOST_AT_ONCE) {
        Ok(disk) => Some(disk),
        Err(reason) => {
            skipped(format!("no far disk can be mounted: {reason}"));
            None
        }
    }
}
