//! Stubs: what deduplication leaves of a blob whose bytes lie in another layout.
//!
//! zot keeps a blob that several repositories have only once. On a disk the others are hard links; in a
//! bucket there are none, so the others are empty files, and only zot's own database knows which
//! repository has the bytes. Mounted or copied, each repository of such a store is a layout like any
//! other, with files that have no bytes although their digests promise some.
//!
//! A stub says that somewhere else an original must stay. [`StubsOfRun`] finds both in the layouts of
//! one run.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use foldhash::fast::FixedState;
use rustix::fs::AtFlags;

use super::Layout;
use super::blob_dirs::BlobDirs;
use super::blobs::each_digest;
use super::neighbours::layouts_beside;
use crate::files::stat::{BlobStat, FileId};
use crate::value::digest::{Algorithm, Digest};

/// What is known of stubs in the layouts of a run, together.
#[derive(Debug, Default)]
pub(crate) struct StubsOfRun {
    /// Blobs that one layout has a stub of and another one has a file of, and a layout with the stub.
    stubs: HashMap<Digest, PathBuf>,
    /// Those of them of which a layout has the bytes.
    originals: HashSet<Digest>,
    /// A layout that could not be looked into.
    pub(crate) unknown: Option<PathBuf>,
}

impl StubsOfRun {
    /// Looks into some layouts, each of which may be given several times. Only of blobs that several
    /// of them have, the files are looked at.
    pub(crate) fn find(paths: &[PathBuf]) -> StubsOfRun {
        let mut found = StubsOfRun::default();
        let mut dirs: Vec<(&Path, Algorithm, OwnedFd)> = Vec::new();
        let mut known: HashSet<FileId> = HashSet::new();
        for path in paths {
            let opened = Layout::open(path).and_then(|layout| BlobDirs::open(&layout));
            let Ok(opened) = opened else {
                found.unknown.get_or_insert_with(|| path.clone());
                continue;
            };
            for (algorithm, dir) in opened.all() {
                // Layouts that use one directory have each blob in common.
                let is_new = FileId::of_opened(dir).is_ok_and(|id| known.insert(id));
                if is_new && let Ok(dir) = dir.try_clone() {
                    dirs.push((path, algorithm, dir));
                }
            }
        }
        // Two numbers that are equal by accident cost a look at two files.
        let numbers = FixedState::default();
        let (mut once, mut several) = (HashSet::new(), HashSet::new());
        for (path, algorithm, dir) in &dirs {
            let listed = each_digest(
                dir,
                *algorithm,
                &mut |digest| {
                    let number = numbers.hash_one(&digest);
                    if !once.insert(number) {
                        several.insert(number);
                    }
                },
                &mut |_, _| (),
            );
            if listed.is_err() {
                found.unknown.get_or_insert_with(|| (*path).to_owned());
            }
        }
        drop(once);
        if several.is_empty() {
            return found;
        }
        for (path, algorithm, dir) in &dirs {
            // One that cannot be listed was noted before.
            let _ = each_digest(
                dir,
                *algorithm,
                &mut |digest| {
                    if several.contains(&numbers.hash_one(&digest)) {
                        found.add(path, dir, digest);
                    }
                },
                &mut |_, _| (),
            );
        }
        let stubs = &found.stubs;
        found.originals.retain(|digest| stubs.contains_key(digest));
        found
    }

    /// Looks for stubs of some blobs of one layout in those that lie beside it.
    pub(crate) fn beside<'d>(
        path: &Path,
        blobs: impl Iterator<Item = &'d Digest> + Clone,
    ) -> StubsOfRun {
        let mut found = StubsOfRun::default();
        for other in layouts_beside(path) {
            let opened = Layout::open(&other).and_then(|layout| BlobDirs::open(&layout));
            // One that cannot be opened is none that anybody uses.
            let Ok(opened) = opened else {
                continue;
            };
            for digest in blobs.clone() {
                if let Some(dir) = opened.of(digest) {
                    found.add(&other, dir, digest.clone());
                }
            }
        }
        found
    }

    fn add(&mut self, path: &Path, dir: &OwnedFd, digest: Digest) {
        let name = digest.file_name();
        let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat
            .ok()
            .and_then(|stat| BlobStat::from_stat(&stat, &digest));
        match stat {
            Some(stat) if stat.is_stub => {
                self.stubs.entry(digest).or_insert_with(|| path.to_owned());
            }
            Some(_) => _ = self.originals.insert(digest),
            None => {}
        }
    }

    /// A layout that has a stub of this blob, if another one has a file of it.
    pub(crate) fn place(&self, digest: &Digest) -> Option<&Path> {
        self.stubs.get(digest).map(PathBuf::as_path)
    }

    /// Whether any layout has a stub of what another one has a file of.
    pub(crate) fn has_any(&self) -> bool {
        !self.stubs.is_empty()
    }

    /// Whether a layout has the bytes of which this is a stub.
    pub(crate) fn has_original(&self, digest: &Digest) -> bool {
        self.originals.contains(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FR54: whichever of the layouts comes first, and whoever else has the blob.
    #[test]
    fn stubs_and_their_originals_are_found_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let (shared, alone) = (b"shared".as_slice(), b"alone".as_slice());
        let mut paths = Vec::new();
        for (name, blobs) in [
            ("a", vec![(shared, shared), (alone, alone)]),
            ("b", vec![(shared, b"")]),
            ("c", vec![(shared, b""), (b"lost", b"")]),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
            std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
            for (content, bytes) in blobs {
                let digest = Algorithm::Sha256.hash(content);
                let file = path.join("blobs/sha256").join(digest.encoded());
                std::fs::write(file, bytes).unwrap();
            }
            paths.push(path);
        }
        let [shared, alone, lost] =
            [shared, alone, b"lost"].map(|bytes| Algorithm::Sha256.hash(bytes));
        for _ in 0..paths.len() {
            paths.rotate_left(1);
            let found = StubsOfRun::find(&paths);
            assert!(found.place(&shared).is_some());
            assert!(found.has_original(&shared));
            assert_eq!((found.place(&alone), found.place(&lost)), (None, None));
            assert!(!found.has_original(&lost));
            assert_eq!(found.unknown, None);
        }
        paths.push(folder.path().join("none"));
        assert_eq!(StubsOfRun::find(&paths).unknown, paths.last().cloned());
        // Of one layout alone nothing is known.
        assert!(!StubsOfRun::find(&paths[..1]).has_any());
    }
}
