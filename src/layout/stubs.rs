//! Stubs: what deduplication leaves of a blob whose bytes lie in another layout.
//!
//! zot keeps a blob that several repositories have only once. On a disk the others are hard links; in a
//! bucket there are none, so the others are empty files, and only zot's own database knows which
//! repository has the bytes. Mounted or copied, each repository of such a store is a layout like any
//! other, with files that have no bytes although their digests promise some.
//!
//! A stub says that somewhere else an original must stay. [`StubsOfRun`] finds both in the layouts of
//! one run.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use foldhash::fast::FixedState;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::Layout;
use super::blob_dirs::BlobDirs;
use super::blobs::blob_of;
use super::neighbours::layouts_beside;
use crate::files::stat::{BlobStat, FileId, found};
use crate::value::digest::{Algorithm, Digest};
use crate::workers::Workers;

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
        // Two numbers that are equal by accident cost a look at two files.
        let numbers = FixedState::default();
        let workers = Workers::for_reading();
        let list = |path: &PathBuf, _: &mut Vec<u8>| {
            each_directory(path, &mut |dirs, algorithm| {
                let mut own = Vec::new();
                let listed = dirs.each_name(algorithm, &mut |name, kind| {
                    let digest = blob_of(algorithm, name, kind);
                    own.extend(digest.map(|digest| numbers.hash_one(&digest)));
                });
                (own, listed.is_ok())
            })
        };
        // Nothing stays open: a run may be about more layouts than a process may have files open.
        let listed = workers.map(paths, &list, || ());
        let mut first: HashMap<FileId, &Path> = HashMap::new();
        let (mut once, mut several) = (HashSet::new(), HashSet::<u64>::new());
        for (path, directories) in paths.iter().zip(&listed) {
            let is_whole = |(_, (_, is_whole)): &(_, (_, bool))| *is_whole;
            if !directories
                .as_ref()
                .is_some_and(|all| all.iter().all(is_whole))
            {
                found.unknown.get_or_insert_with(|| path.clone());
            }
            for (id, (own, _)) in directories.iter().flatten() {
                // Layouts that use one directory have each blob in common.
                if let Entry::Vacant(new) = first.entry(*id) {
                    new.insert(path);
                    several.extend(own.iter().filter(|number| !once.insert(**number)));
                }
            }
        }
        drop(once);
        if several.is_empty() {
            return found;
        }
        let has_any = |(_, (own, _)): &(FileId, (Vec<u64>, bool))| {
            own.iter().any(|number| several.contains(number))
        };
        let all = paths.iter().zip(&listed);
        let paths = all.filter(|(_, all)| all.iter().flatten().any(has_any));
        let paths: Vec<&PathBuf> = paths.map(|(path, _)| path).collect();
        let look = |path: &&PathBuf, _: &mut Vec<u8>| {
            each_directory(path, &mut |dirs, algorithm| {
                let (mut stats, mut is_whole) = (Vec::new(), true);
                let listed = dirs.each_name(algorithm, &mut |name, kind| {
                    if let Some(digest) = blob_of(algorithm, name, kind)
                        && several.contains(&numbers.hash_one(&digest))
                        && let Some(dir) = dirs.of(&digest)
                    {
                        match stat(dir, &digest) {
                            Ok(stat) => stats.extend(stat.map(|stat| (digest, stat.is_stub))),
                            Err(_) => is_whole = false,
                        }
                    }
                });
                (stats, is_whole && listed.is_ok())
            })
        };
        let looked_at = workers.map(&paths, &look, || ());
        for (path, directories) in paths.into_iter().zip(looked_at) {
            // What could be looked into before may not be by now.
            let is_whole = directories
                .as_ref()
                .is_some_and(|all| all.iter().all(|(_, (_, is_whole))| *is_whole));
            if !is_whole {
                found.unknown.get_or_insert_with(|| path.clone());
            }
            for (id, (stats, _)) in directories.into_iter().flatten() {
                // Not every disk gives a directory the same number each time.
                if first.get(&id).is_none_or(|known| *known == path.as_path()) {
                    for (digest, is_stub) in stats {
                        found.add(path, digest, is_stub);
                    }
                }
            }
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
                match opened.of(digest).map(|dir| stat(dir, digest)) {
                    Some(Ok(Some(stat))) => found.add(&other, digest.clone(), stat.is_stub),
                    // It may be one.
                    Some(Err(_)) => found.add(&other, digest.clone(), true),
                    Some(Ok(None)) | None => {}
                }
            }
        }
        found
    }

    fn add(&mut self, path: &Path, digest: Digest, is_stub: bool) {
        match is_stub {
            true => _ = self.stubs.entry(digest).or_insert_with(|| path.to_owned()),
            false => _ = self.originals.insert(digest),
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

/// Looks at a blob's file. `None`: it went, or is none.
fn stat(dir: &OwnedFd, digest: &Digest) -> Result<Option<BlobStat>, Errno> {
    let name = digest.file_name();
    let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW);
    Ok(found(stat)?.and_then(|stat| BlobStat::from_stat(&stat, digest)))
}

/// Calls `each` with each directory of blobs of a layout, which is open meanwhile, and collects what it
/// returns, with which directory that is. `None`: the layout cannot be opened.
fn each_directory<T>(
    path: &Path,
    each: &mut dyn FnMut(&BlobDirs, Algorithm) -> T,
) -> Option<Vec<(FileId, T)>> {
    let dirs = Layout::open(path)
        .and_then(|layout| BlobDirs::open(&layout))
        .ok()?;
    let all = dirs
        .ids()
        .map(|(algorithm, id)| (id, each(&dirs, algorithm)));
    Some(all.collect())
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
