//! The directories `blobs/<algorithm>`, opened once.
//!
//! Everything that is done to blobs goes through these handles, so no path is put together from
//! names that somebody else chose, and none is resolved twice. A directory that is reached by a
//! symbolic link, or that something is mounted on, may belong to other layouts too: it is read, and
//! nothing in it is deleted.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Layout;
#[cfg(target_os = "linux")]
use super::mounts::mount_key;
use crate::error::Error;
use crate::files::directory::{DIRECTORY, each_file, each_file_once, each_of_few_once};
use crate::files::stat::{FileId, found};
use crate::value::digest::{Algorithm, Digest};
use crate::value::mount_table::MountKey;

/// How many bytes directories have whose list takes long: those of ten thousand names and more, by the file
/// system.
const LONG: u64 = 1 << 20;

/// What a directory is that something is mounted on.
const MOUNT_POINT: &str = "a mount point";

/// Why no blob of an algorithm's directory may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedReason(pub String);

/// The directories below `blobs`, opened.
#[derive(Debug)]
pub(super) struct BlobDirs {
    known: Vec<AlgorithmDir>,
    /// For reading blobs of other algorithms.
    blobs: Option<OpenedDir>,
    /// Whether a thread is listing all of them.
    is_being_listed: AtomicBool,
    /// For waiting until it is done.
    waiting: Mutex<()>,
    listed: Condvar,
}

#[derive(Debug)]
struct AlgorithmDir {
    algorithm: Algorithm,
    opened: OpenedDir,
    refusal: Option<SharedReason>,
    /// Something is mounted on it, or above it.
    is_mounted: bool,
    /// Nobody listed it since it was opened.
    is_fresh: AtomicBool,
    /// The names in it of what is no regular file, once it was listed to its end.
    odd: OnceLock<HashSet<Vec<u8>>>,
}

/// An opened directory, and what is known of it without another look.
#[derive(Debug)]
pub(super) struct OpenedDir {
    pub(super) dir: OwnedFd,
    file: FileId,
    mount: Option<MountKey>,
    /// Bytes that the directory itself has: the more names, the more.
    length: u64,
    /// Why others may share it.
    shared: Option<&'static str>,
}

impl BlobDirs {
    pub(super) fn open(layout: &Layout) -> anyhow::Result<BlobDirs> {
        let fail = |name: &str, e: Errno| {
            let path = layout.path().join(name);
            Error::layout(format!("cannot open `{}`: {e}", path.display()))
        };
        let mut known = Vec::new();
        let opened = open_dir(&layout.dir, c"blobs").map_err(|e| fail("blobs", e))?;
        let Some(blobs) = opened else {
            return Ok(BlobDirs::with(known, None));
        };
        let refuse = |what: &str, how: &str| {
            SharedReason(format!(
                "`{what}` is {how}, so other layouts may lead to what is in it"
            ))
        };
        let above = blobs.shared.map(|how| refuse("blobs", how));
        for algorithm in listed(&blobs.dir) {
            let path = format!("blobs/{}", algorithm.name());
            let name = CString::new(algorithm.name())?;
            let inner = open_dir(&blobs.dir, &name).map_err(|e| fail(&path, e))?;
            if let Some(opened) = inner {
                let own = || opened.shared.map(|how| refuse(&path, how));
                known.push(AlgorithmDir {
                    algorithm,
                    refusal: above.clone().or_else(own),
                    is_mounted: [&blobs, &opened]
                        .iter()
                        .any(|opened| opened.shared == Some(MOUNT_POINT)),
                    is_fresh: AtomicBool::new(true),
                    odd: OnceLock::new(),
                    opened,
                });
            }
        }
        Ok(BlobDirs::with(known, Some(blobs)))
    }

    fn with(known: Vec<AlgorithmDir>, blobs: Option<OpenedDir>) -> BlobDirs {
        BlobDirs {
            known,
            blobs,
            is_being_listed: AtomicBool::new(false),
            waiting: Mutex::default(),
            listed: Condvar::new(),
        }
    }

    pub(super) fn forget_refusals(&mut self) {
        for known in &mut self.known {
            known.refusal = None;
        }
    }

    /// Refuses to delete what lies in directories that somebody else leads to: `by_whom` says who.
    pub(super) fn refuse_shared(&mut self, by_whom: &dyn Fn(FileId) -> Option<String>) {
        let all = self.blobs.as_ref().and_then(|blobs| by_whom(blobs.file));
        for known in &mut self.known {
            let who = all.clone().or_else(|| by_whom(known.opened.file));
            if let (None, Some(who)) = (&known.refusal, who) {
                let name = known.algorithm.name();
                known.refusal = Some(SharedReason(format!(
                    "`blobs/{name}` is where {who} leads, too, so other layouts may lead to what is in it"
                )));
            }
        }
    }

    /// Those of all known algorithms.
    pub(super) fn all(&self) -> impl Iterator<Item = (Algorithm, &OwnedFd)> {
        self.known
            .iter()
            .map(|known| (known.algorithm, &known.opened.dir))
    }

    /// Calls `each` with every name in the directory of an algorithm.
    pub(super) fn each_name(
        &self,
        algorithm: Algorithm,
        each: &mut dyn FnMut(&[u8], FileType),
    ) -> Result<(), Errno> {
        let mut known = self.known.iter();
        let Some(known) = known.find(|known| known.algorithm == algorithm) else {
            return Ok(());
        };
        let (mut odd, mut is_unknown) = (HashSet::new(), false);
        let mut each = |name: &[u8], kind: FileType| {
            match kind {
                FileType::RegularFile => {}
                FileType::Unknown => is_unknown = true,
                _ => _ = odd.insert(name.to_owned()),
            }
            each(name, kind);
        };
        match known.is_fresh.swap(false, Ordering::Relaxed) {
            true => each_file_once(&known.opened.dir, &mut each)?,
            false => each_file(&known.opened.dir, &mut each)?,
        }
        if !is_unknown {
            // Whoever lists it again finds what is there then.
            let _ = known.odd.set(odd);
        }
        Ok(())
    }

    /// Whether a list of all of them takes long, as far as the sizes of directories say.
    pub(super) fn are_long(&self) -> bool {
        let lengths = self.known.iter().map(|known| known.opened.length);
        lengths.fold(0, u64::saturating_add) >= LONG
    }

    /// Says that a thread is about to list all of them, or is done with that.
    pub(super) fn set_being_listed(&self, is_being_listed: bool) {
        let waiting = self.waiting.lock();
        let was_being_listed = self.is_being_listed.swap(is_being_listed, Ordering::AcqRel);
        drop(waiting);
        // Else nobody waits.
        if was_being_listed {
            self.listed.notify_all();
        }
    }

    /// The directory of a blob, if a list of that says that the blob is a regular file, or is not there.
    /// Waits for a list that is being made.
    pub(super) fn of_regular(&self, digest: &Digest) -> Option<&OwnedFd> {
        let known = self.known_of(digest)?;
        let is_coming = || self.is_being_listed.load(Ordering::Acquire);
        if known.odd.get().is_none() && is_coming() {
            let waiting = self.waiting.lock();
            let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let listed = self.listed.wait_while(waiting, |()| is_coming());
            drop(listed.unwrap_or_else(PoisonError::into_inner));
        }
        let odd = known.odd.get()?;
        let is_odd = !odd.is_empty() && odd.contains(digest.encoded().as_bytes());
        (!is_odd).then_some(&known.opened.dir)
    }

    /// Which directories they are.
    pub(super) fn ids(&self) -> impl Iterator<Item = (Algorithm, FileId)> {
        let known = self.known.iter();
        known.map(|known| (known.algorithm, known.opened.file))
    }

    /// The mounts that they lie on.
    pub(super) fn mounts(&self) -> impl Iterator<Item = MountKey> {
        self.known.iter().filter_map(|known| known.opened.mount)
    }

    /// Those whose blobs are ours to delete.
    pub(super) fn own(&self) -> impl Iterator<Item = (Algorithm, &OwnedFd)> {
        let own = self.known.iter().filter(|known| known.refusal.is_none());
        own.map(|known| (known.algorithm, &known.opened.dir))
    }

    /// `blobs` itself.
    pub(super) fn parent(&self) -> Option<&OwnedFd> {
        self.blobs.as_ref().map(|blobs| &blobs.dir)
    }

    /// Those to which no file of the root, which lies on this device, can be renamed.
    pub(super) fn distant(&self, root: u64) -> impl Iterator<Item = &OwnedFd> {
        let known = self.known.iter();
        let distant =
            known.filter(move |known| known.is_mounted || known.opened.file.device != root);
        distant.map(|known| &known.opened.dir)
    }

    /// That in which the blob of a digest lies, if its algorithm is known.
    pub(super) fn of(&self, digest: &Digest) -> Option<&OwnedFd> {
        Some(&self.known_of(digest)?.opened.dir)
    }

    /// Why blobs of this digest's algorithm must not be deleted, if so.
    pub(super) fn maybe_shared(&self, digest: &Digest) -> Option<&SharedReason> {
        self.known_of(digest)?.refusal.as_ref()
    }

    fn known_of(&self, digest: &Digest) -> Option<&AlgorithmDir> {
        let algorithm = digest.algorithm()?;
        self.known.iter().find(|known| known.algorithm == algorithm)
    }

    /// `blobs` itself, which may have been made since this was opened.
    pub(super) fn open_parent(&self, layout: &Layout) -> Result<Option<OwnedFd>, Errno> {
        found(rustix::fs::openat(
            &layout.dir,
            c"blobs",
            DIRECTORY,
            Mode::empty(),
        ))
    }

    /// Opens that of a known algorithm which was not there when the others were opened.
    pub(super) fn open_late(
        &self,
        layout: &Layout,
        algorithm: Algorithm,
    ) -> Result<Option<OwnedFd>, Errno> {
        let blobs = self.open_parent(layout)?;
        blobs.map_or(Ok(None), |blobs| {
            found(rustix::fs::openat(
                &blobs,
                algorithm.name(),
                DIRECTORY,
                Mode::empty(),
            ))
        })
    }

    /// Opens that of an algorithm that nobody knows here: it is read and never listed.
    pub(super) fn open_foreign(&self, algorithm: &str) -> Result<Option<OwnedFd>, Errno> {
        let Some(blobs) = &self.blobs else {
            return Ok(None);
        };
        match rustix::fs::openat(&blobs.dir, algorithm, DIRECTORY, Mode::empty()) {
            Err(Errno::NOTDIR) => Ok(None),
            opened => found(opened),
        }
    }
}

/// Where the blobs of a layout lie, wherever links lead, as far as somebody looked.
#[derive(Debug)]
pub(crate) struct BlobPlace {
    /// The directory of the layout.
    pub(crate) layout: Option<FileId>,
    /// `blobs`, and those of the algorithms in it.
    pub(crate) directories: Vec<(Option<Algorithm>, FileId)>,
}

/// Those of some layouts.
pub(crate) type BlobPlaces = HashMap<PathBuf, BlobPlace>;

impl BlobPlace {
    /// That of a layout, which may be one that cannot be opened.
    pub(crate) fn of(path: &Path, layout: Option<FileId>) -> BlobPlace {
        let blobs = path.join("blobs");
        let inner = Algorithm::ALL.map(|algorithm| (Some(algorithm), blobs.join(algorithm.name())));
        let all = std::iter::once((None, blobs.clone())).chain(inner);
        let found = all.filter_map(|(algorithm, path)| {
            let id = FileId::of_path(&path).ok()?;
            Some((algorithm, id))
        });
        BlobPlace {
            layout,
            directories: found.collect(),
        }
    }

    /// Those of which there are directories.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        let directories = self.directories.iter();
        directories.filter_map(|(algorithm, _)| *algorithm)
    }
}

/// Which of the known algorithms have a directory in `blobs`, as far as a list of it says. One list takes
/// less than asking for each; whether it is a directory, opening it says.
fn listed(blobs: &OwnedFd) -> Vec<Algorithm> {
    let mut found = Vec::new();
    let listed = each_of_few_once(blobs, &mut |name, _| {
        // Where capital letters are the same as others, it can be opened by either.
        let is_it = |known: &Algorithm| name.eq_ignore_ascii_case(known.name().as_bytes());
        found.extend(Algorithm::ALL.into_iter().find(is_it));
    });
    if listed.is_err() || found.is_empty() {
        return Algorithm::ALL.to_vec();
    }
    let is_found = |known: &Algorithm| found.contains(known);
    Algorithm::ALL.into_iter().filter(is_found).collect()
}

/// Opens a directory below `parent`, and looks at what it is.
pub(super) fn open_dir(parent: impl AsFd, name: &CStr) -> Result<Option<OpenedDir>, Errno> {
    match rustix::fs::openat(&parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(dir) => {
            let Look {
                file,
                mount,
                length,
                is_mount_point,
            } = Look::at(&dir)?;
            let is_mounted = is_mount_point.unwrap_or_else(|| {
                FileId::of_opened(parent).map_or(true, |above| above.device != file.device)
            });
            Ok(Some(OpenedDir {
                dir,
                file,
                mount,
                length,
                shared: is_mounted.then_some(MOUNT_POINT),
            }))
        }
        Err(e @ (Errno::LOOP | Errno::NOTDIR)) => {
            let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                return Err(e);
            }
            let linked = found(rustix::fs::openat(&parent, name, DIRECTORY, Mode::empty()))?;
            let Some(dir) = linked else {
                return Ok(None);
            };
            let Look {
                file,
                mount,
                length,
                ..
            } = Look::at(&dir)?;
            Ok(Some(OpenedDir {
                dir,
                file,
                mount,
                length,
                shared: Some("a symbolic link"),
            }))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What one look at an opened directory says.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    file: FileId,
    mount: Option<MountKey>,
    length: u64,
    /// Whether something is mounted on it. A bind mount of the same file system has the device of its
    /// surroundings, so it is the kernel's own attribute that counts; old kernels do not have it.
    is_mount_point: Option<bool>,
}

impl Look {
    #[cfg(target_os = "linux")]
    fn at(dir: &OwnedFd) -> Result<Look, Errno> {
        use rustix::fs::{StatxAttributes, StatxFlags, makedev, statx};
        let flags = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let Ok(stat) = statx(dir, c"", AtFlags::EMPTY_PATH, flags) else {
            return Look::without_attributes(dir);
        };
        let root = StatxAttributes::MOUNT_ROOT;
        let knows_root = stat.stx_attributes_mask.contains(root);
        Ok(Look {
            file: FileId {
                device: makedev(stat.stx_dev_major, stat.stx_dev_minor),
                inode: stat.stx_ino,
            },
            mount: Some(mount_key(&stat)),
            length: stat.stx_size,
            is_mount_point: knows_root.then_some(stat.stx_attributes.contains(root)),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn at(dir: &OwnedFd) -> Result<Look, Errno> {
        Look::without_attributes(dir)
    }

    fn without_attributes(dir: &OwnedFd) -> Result<Look, Errno> {
        let stat = rustix::fs::fstat(dir)?;
        Ok(Look {
            file: FileId::from_stat(&stat),
            mount: None,
            length: u64::try_from(stat.st_size).unwrap_or(0),
            is_mount_point: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layouts that share a directory find each other by these numbers, which come from two calls.
    #[test]
    fn a_directory_has_the_same_numbers_whoever_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let dir = OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        let asked = FileId::of_path(folder.path()).unwrap();
        assert_eq!(Look::at(&dir).unwrap().file, asked);
        assert_eq!(Look::without_attributes(&dir).unwrap().file, asked);
    }
}
