//! The directories `blobs/<algorithm>`, opened once.
//!
//! Everything that is done to blobs goes through these handles, so no path is put together from
//! names that somebody else chose, and none is resolved twice. A directory that is reached by a
//! symbolic link, or that something is mounted on, may belong to other layouts too: it is read, and
//! nothing in it is deleted.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Layout;
use crate::error::Error;
use crate::files::directory::DIRECTORY;
use crate::files::stat::{FileId, found};
use crate::value::digest::{Algorithm, Digest};

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
    blobs: Option<OwnedFd>,
}

#[derive(Debug)]
struct AlgorithmDir {
    algorithm: Algorithm,
    dir: OwnedFd,
    refusal: Option<SharedReason>,
    /// A file of the root cannot be renamed to a name in it.
    is_distant: bool,
}

impl BlobDirs {
    pub(super) fn open(layout: &Layout) -> anyhow::Result<BlobDirs> {
        let fail = |name: &str, e: Errno| {
            let path = layout.path().join(name);
            Error::layout(format!("cannot open `{}`: {e}", path.display()))
        };
        let mut known = Vec::new();
        let opened = open_dir(&layout.dir, c"blobs").map_err(|e| fail("blobs", e))?;
        let Some((blobs, above_how)) = opened else {
            return Ok(BlobDirs { known, blobs: None });
        };
        let refuse = |what: &str, how: &str| {
            SharedReason(format!(
                "`{what}` is {how}, so other layouts may lead to what is in it"
            ))
        };
        let above = above_how.map(|how| refuse("blobs", how));
        let device = |dir: BorrowedFd<'_>| FileId::of_opened(dir).map(|file| file.device);
        let root = device(layout.dir.as_fd())?;
        let is_mounted = |how: Option<&str>| how == Some(MOUNT_POINT);
        for algorithm in Algorithm::ALL {
            let path = format!("blobs/{}", algorithm.name());
            let name = CString::new(algorithm.name())?;
            if let Some((dir, shared)) = open_dir(&blobs, &name).map_err(|e| fail(&path, e))? {
                let own = || shared.map(|how| refuse(&path, how));
                known.push(AlgorithmDir {
                    algorithm,
                    refusal: above.clone().or_else(own),
                    is_distant: is_mounted(above_how)
                        || is_mounted(shared)
                        || device(dir.as_fd())? != root,
                    dir,
                });
            }
        }
        Ok(BlobDirs {
            known,
            blobs: Some(blobs),
        })
    }

    pub(super) fn forget_refusals(&mut self) {
        for known in &mut self.known {
            known.refusal = None;
        }
    }

    /// Refuses to delete what lies in directories that somebody else leads to: `by_whom` says who.
    pub(super) fn refuse_shared(&mut self, by_whom: &dyn Fn(FileId) -> Option<String>) {
        let who = |dir: &OwnedFd| by_whom(FileId::of_opened(dir).ok()?);
        let all = self.blobs.as_ref().and_then(who);
        for known in &mut self.known {
            let who = all.clone().or_else(|| who(&known.dir));
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
        self.known.iter().map(|known| (known.algorithm, &known.dir))
    }

    /// Those whose blobs are ours to delete.
    pub(super) fn own(&self) -> impl Iterator<Item = (Algorithm, &OwnedFd)> {
        let own = self.known.iter().filter(|known| known.refusal.is_none());
        own.map(|known| (known.algorithm, &known.dir))
    }

    /// `blobs` itself.
    pub(super) fn parent(&self) -> Option<&OwnedFd> {
        self.blobs.as_ref()
    }

    /// Those to which no file of the root can be renamed.
    pub(super) fn distant(&self) -> impl Iterator<Item = &OwnedFd> {
        let distant = self.known.iter().filter(|known| known.is_distant);
        distant.map(|known| &known.dir)
    }

    /// That in which the blob of a digest lies, if its algorithm is known.
    pub(super) fn of(&self, digest: &Digest) -> Option<&OwnedFd> {
        Some(&self.known_of(digest)?.dir)
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

    /// Opens that of an algorithm that nobody knows here: it is read and never listed.
    pub(super) fn open_foreign(&self, algorithm: &str) -> Result<Option<OwnedFd>, Errno> {
        let Some(blobs) = &self.blobs else {
            return Ok(None);
        };
        match rustix::fs::openat(blobs, algorithm, DIRECTORY, Mode::empty()) {
            Err(Errno::NOTDIR) => Ok(None),
            opened => found(opened),
        }
    }
}

/// Which directories the blobs of a layout lie in, wherever links lead: `blobs` and those in it.
/// The layout need not be one that can be opened.
pub(crate) fn blob_directories(layout: &Path) -> Vec<FileId> {
    let blobs = layout.join("blobs");
    let inner = Algorithm::ALL
        .iter()
        .map(|algorithm| blobs.join(algorithm.name()));
    let all = std::iter::once(blobs.clone()).chain(inner);
    all.filter_map(|path| FileId::of_path(&path).ok()).collect()
}

/// Opens a directory below `parent`; the second value says why others may share it.
pub(super) fn open_dir(
    parent: impl AsFd,
    name: &CStr,
) -> Result<Option<(OwnedFd, Option<&'static str>)>, Errno> {
    match rustix::fs::openat(&parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(dir) => {
            let mounted = is_mount_point(&parent, &dir);
            Ok(Some((dir, mounted.then_some(MOUNT_POINT))))
        }
        Err(e @ (Errno::LOOP | Errno::NOTDIR)) => {
            let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                return Err(e);
            }
            let linked = found(rustix::fs::openat(&parent, name, DIRECTORY, Mode::empty()))?;
            Ok(linked.map(|dir| (dir, Some("a symbolic link"))))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether something is mounted on `dir`. A bind mount of the same file system has the device of
/// its surroundings, so the kernel's own attribute is asked first.
fn is_mount_point(parent: impl AsFd, dir: &OwnedFd) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{StatxAttributes, StatxFlags};
        if let Ok(stat) = rustix::fs::statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            && stat
                .stx_attributes_mask
                .contains(StatxAttributes::MOUNT_ROOT)
        {
            return stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        }
    }
    match (FileId::of_opened(parent), FileId::of_opened(dir)) {
        (Ok(above), Ok(below)) => above.device != below.device,
        _ => true,
    }
}
