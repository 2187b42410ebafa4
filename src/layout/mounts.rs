//! Mounts that do not keep their word, and what is freed on others.
//!
//! Whoever deletes must know that what it wrote before is there to stay: first the new index.json,
//! then the blobs that only the old one needed. A bucket mounted as a directory promises no such
//! thing. It may say that a file is written, lose it later, and carry out the deletions. So it is found out
//! here on which mounts a layout lies; `value/mount_table.rs` knows what is to be said of each.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Layout, Locked, TRASH};
use crate::error::Error;
use crate::value::digest::Algorithm;
use crate::value::mount_table::{MountKey, MountTable};

/// Where the kernel lists the mounts that this process sees.
const MOUNT_TABLE: &str = "/proc/self/mountinfo";

/// A directory of a layout that lies on a mount which does not keep its word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnsafeMount {
    directory: PathBuf,
    mount_point: PathBuf,
    kind: String,
    reason: &'static str,
}

impl UnsafeMount {
    /// What is where, as a sentence without an end.
    pub(crate) fn describe(&self) -> String {
        format!(
            "`{}` lies on a mount of the type {} (`{}`): {}",
            self.directory.display(),
            self.kind,
            self.mount_point.display(),
            self.reason
        )
    }

    /// Exit status 12, and the ways out.
    pub(crate) fn refusal(&self) -> Error {
        Error::layout(format!("nothing was changed, because {}", self.describe())).hint(
            "change a copy on a disk and bring that to the store; --unsafe-mount changes this one all the \
             same, and images can be lost",
        )
    }
}

impl Layout {
    /// Whether the table of mounts does not say that the layout lies on this machine alone.
    #[cfg(target_os = "linux")]
    pub(super) fn mount_may_be_elsewhere(&self) -> bool {
        let key = key_of(&self.dir, Path::new("."));
        let known = key.zip(mount_table());
        known.is_none_or(|(key, table)| {
            let key_at = |path: &Path| key_of(rustix::fs::CWD, path);
            table.may_be_elsewhere(key, &key_at)
        })
    }

    /// The first directory of the layout, if any, to which a change would go and which lies on a mount
    /// that does not keep its word. Each may be a mount of its own, or a link into one.
    pub(crate) fn unsafe_mount(&self) -> Option<UnsafeMount> {
        let table = mount_table()?;
        if !table.has_unsafe() {
            return None;
        }
        let algorithms = Algorithm::ALL.map(|algorithm| format!("blobs/{}", algorithm.name()));
        let algorithms = algorithms.iter().map(String::as_str);
        let names = [".", "blobs", TRASH].into_iter().chain(algorithms);
        let mut unsafe_mounts = names.filter_map(|name| {
            let key = key_of(&self.dir, Path::new(name))?;
            let (mount, reason) = table.unsafe_at(key, &|path| key_of(rustix::fs::CWD, path))?;
            Some(UnsafeMount {
                directory: match name {
                    "." => self.path.clone(),
                    name => self.path.join(name),
                },
                mount_point: mount.mount_point.clone(),
                kind: mount.kind.clone(),
                reason,
            })
        });
        unsafe_mounts.next()
    }
}

impl<M> Locked<M> {
    /// Whether what is deleted from the layout may free less than it had, because the file system can
    /// give several files the same blocks.
    pub(crate) fn may_share_blocks(&self) -> bool {
        let Some(table) = mount_table() else {
            return cfg!(any(target_os = "macos", target_os = "ios"));
        };
        let key_at = |path: &Path| key_of(rustix::fs::CWD, path);
        let mut keys = self.blob_dirs.mounts();
        keys.any(|key| table.may_share_blocks(key, &key_at))
    }

    /// As [`Layout::unsafe_mount`].
    pub(crate) fn unsafe_mount(&self) -> Option<UnsafeMount> {
        self.layout.unsafe_mount()
    }
}

/// The table as it is now. A run may be about thousands of layouts, and making the table is work for the
/// kernel, so it is read again only when the kernel says that it changed.
pub(super) fn mount_table() -> Option<Arc<MountTable>> {
    static KNOWN: Mutex<Option<(File, Arc<MountTable>)>> = Mutex::new(None);
    let mut known = KNOWN.lock().ok()?;
    if let Some((file, table)) = &*known {
        let mut changes = [PollFd::new(file, PollFlags::PRI)];
        if let Ok(0) = poll(&mut changes, Some(&Timespec::default())) {
            return Some(Arc::clone(table));
        }
    }
    // What changes from here on is told of at the next look.
    let mut file = File::open(MOUNT_TABLE).ok()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    let table = Arc::new(MountTable::parse(&text));
    *known = Some((file, Arc::clone(&table)));
    Some(table)
}

/// The mount of what a path leads to, whatever links are on the way.
#[cfg(target_os = "linux")]
fn key_of(dir: impl std::os::fd::AsFd, path: &Path) -> Option<MountKey> {
    use rustix::fs::{AtFlags, StatxFlags};
    let flags = StatxFlags::TYPE | StatxFlags::MNT_ID;
    let stat = rustix::fs::statx(dir, path, AtFlags::empty(), flags).ok()?;
    Some(mount_key(&stat))
}

/// The mount that an answer of the kernel speaks of.
#[cfg(target_os = "linux")]
pub(super) fn mount_key(stat: &rustix::fs::Statx) -> MountKey {
    use rustix::fs::StatxFlags;
    let has_id = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::MNT_ID);
    MountKey {
        id: has_id.then_some(stat.stx_mnt_id),
        device: (stat.stx_dev_major, stat.stx_dev_minor),
    }
}

/// Elsewhere there is no such table either.
#[cfg(not(target_os = "linux"))]
fn key_of(_: impl std::os::fd::AsFd, _: &Path) -> Option<MountKey> {
    None
}
