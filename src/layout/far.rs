//! Disks that several machines use at once: NFS, SMB, and most of what is mounted through FUSE (JuiceFS, GlusterFS,
//! MooseFS, SSHFS). Two things are different there. A lock on a directory is kept by the kernel of this machine, and
//! the others never hear of it; a lock on a file reaches them. And what a name led to a moment ago is believed without
//! asking, so for a second (JuiceFS) or some (NFS) the kernel shows the file that another machine has replaced. Here it
//! is found out whether a layout lies on such a disk, and the kernel is made to ask.
//!
//! What is not known to be on this machine counts as far: that costs a file `.ocirm.lock` and some system calls, and
//! the other mistake can cost an image. CephFS as the kernel mounts it locks directories for all, and believes nothing
//! without a promise of the server; OCFS2 and GFS2 too.

#[cfg(target_os = "linux")]
use std::collections::HashMap;
use std::collections::HashSet;
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::blobs::blob_of;
#[cfg(target_os = "linux")]
use super::mounts::mount_table;
use super::{Layout, Locked};
use crate::files::directory::each_file;
use crate::value::digest::{Algorithm, Digest};

/// What is wrong with a blob that has a name in its directory and no file, as the end of a sentence.
pub(crate) const NAMED: &str = "its directory lists it, and there is no such file when it is opened; another machine \
     may be replacing it";

/// What `statfs` calls file systems that are on this machine alone (ext2 to ext4, XFS, Btrfs, tmpfs, ZFS,
/// F2FS, bcachefs, ramfs), and those that are alike everywhere (CephFS, OCFS2, GFS2).
#[cfg(target_os = "linux")]
const ALIKE: [u32; 11] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x2fc1_2fc1,
    0xf2f5_2010,
    0xca45_1a4e,
    0x8584_58f6,
    0x00c3_6400,
    0x7461_636f,
    0x0116_1970,
];

/// What overlay is called, of which old kernels show in a file that was opened for reading what it was in the layer
/// below, whatever was written to it by its name since then.
#[cfg(target_os = "linux")]
const OVERLAY: u32 = 0x794c_7630;

/// What kind of disk a layout lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// Of this machine alone, and a file that is open has what anybody wrote to it.
    Near,
    /// Of this machine alone, and a file has to be opened once more to know that.
    Layered,
    /// Other machines may use it, with locks and caches of their own.
    Far,
}

/// What devices are, as long as the table of mounts is this one.
#[cfg(target_os = "linux")]
type Known = Option<(
    Arc<crate::value::mount_table::MountTable>,
    HashMap<u64, Disk>,
)>;

impl Layout {
    /// Whether other machines may use the layout, with locks and caches of their own.
    pub(super) fn is_far(&self) -> bool {
        self.disk() == Disk::Far
    }

    /// Whether a file that is open shows what was written to it since then, by whichever name.
    pub(super) fn shows_writes(&self) -> bool {
        self.disk() == Disk::Near
    }

    fn disk(&self) -> Disk {
        *self.disk.get_or_init(|| self.find_disk())
    }

    /// The same, found out once for each disk as long as the mounts stay what they are: a run may be about
    /// thousands of layouts, and a far disk is asked what it is each time.
    #[cfg(target_os = "linux")]
    fn find_disk(&self) -> Disk {
        static KNOWN: Mutex<Known> = Mutex::new(None);
        let (Ok(id), Some(table)) = (self.id(), mount_table()) else {
            return self.ask_disk();
        };
        let Ok(mut known) = KNOWN.lock() else {
            return self.ask_disk();
        };
        let (of_table, devices) = known.get_or_insert_default();
        if !Arc::ptr_eq(of_table, &table) {
            (*of_table, *devices) = (table, HashMap::new());
        }
        let device = devices.entry(id.device);
        *device.or_insert_with(|| self.ask_disk())
    }

    #[cfg(target_os = "linux")]
    fn ask_disk(&self) -> Disk {
        let kind = rustix::fs::fstatfs(&self.dir).map(|found| i128::from(found.f_type));
        // It has 32 bits, in a number that is wider on most machines, and has a sign on some.
        let is_kind = |known: &u32| kind.is_ok_and(|kind| kind & 0xffff_ffff == i128::from(*known));
        if is_kind(&OVERLAY) {
            Disk::Layered
        } else if ALIKE.iter().any(is_kind) {
            Disk::Near
        } else if self.mount_may_be_elsewhere() {
            Disk::Far
        } else {
            Disk::Layered
        }
    }

    /// Elsewhere there is no table of mounts, and nobody knows what shows.
    #[cfg(not(target_os = "linux"))]
    fn find_disk(&self) -> Disk {
        Disk::Layered
    }

    /// Makes the kernel ask what is in the layout's root by now: a directory that is listed brings with it what its
    /// names lead to. Costs nothing where the kernel knows it anyway.
    pub(super) fn look_afresh(&self) {
        if self.is_far() {
            // Who cannot list it sees what there is to see.
            let _ = each_file(&self.dir, &mut |_, _| ());
        }
    }
}

impl<M> Locked<M> {
    /// Those of some blobs for which there was no file when they were opened, and which have a name in the
    /// layout all the same: another machine may have replaced their files, so that the old ones are gone and
    /// the kernel did not hear of the new ones. Symbolic links that lead nowhere are none of them.
    pub(crate) fn named(&self, gone: &HashSet<Digest>) -> Vec<Digest> {
        let mut named = Vec::new();
        for algorithm in Algorithm::ALL {
            let own = |digest: &&Digest| digest.algorithm() == Some(algorithm);
            let Some(first) = gone.iter().find(own) else {
                continue;
            };
            let late;
            let dir = match self.blob_dirs.of(first) {
                Some(dir) => dir,
                // A copy that began after the directories were opened makes those that it needs.
                None => match self.blob_dirs.open_late(&self.layout, algorithm) {
                    Ok(Some(dir)) => {
                        late = dir;
                        &late
                    }
                    _ => continue,
                },
            };
            // Looking for each would be believed from memory there, and a wait where it is not.
            let listed = self.layout.is_far().then(|| list(dir, algorithm, gone));
            named.extend(match listed {
                Some(Ok(listed)) => listed,
                _ => gone
                    .iter()
                    .filter(own)
                    .filter(|digest| has_name(dir, digest))
                    .cloned()
                    .collect(),
            });
        }
        named
    }

    /// Whether each directory of another layout's blobs is one of this layout as well.
    pub(crate) fn has_blobs_of<N>(&self, other: &Locked<N>) -> bool {
        let is_ours = |theirs| self.blob_dirs.ids().any(|own| own == theirs);
        other.blob_dirs.ids().all(is_ours)
    }
}

/// Those of some blobs that the directory of an algorithm lists, and that are no links.
fn list(dir: &OwnedFd, algorithm: Algorithm, gone: &HashSet<Digest>) -> Result<Vec<Digest>, Errno> {
    let mut listed = Vec::new();
    each_file(dir, &mut |name, kind| {
        if let Some(digest) = blob_of(algorithm, name, kind)
            && gone.contains(&digest)
            && kind != FileType::Symlink
            && (kind != FileType::Unknown || !is_link(dir, &digest))
        {
            listed.push(digest);
        }
    })?;
    Ok(listed)
}

fn is_link(dir: &OwnedFd, digest: &Digest) -> bool {
    kind_of(dir, digest) == Ok(FileType::Symlink)
}

fn has_name(dir: &OwnedFd, digest: &Digest) -> bool {
    !matches!(
        kind_of(dir, digest),
        Ok(FileType::Symlink) | Err(Errno::NOENT)
    )
}

fn kind_of(dir: &OwnedFd, digest: &Digest) -> Result<FileType, Errno> {
    let name = digest.file_name();
    let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}
