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
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::blob_dirs::{BlobPlace, BlobPlaces};
use super::blobs::blob_of;
use super::neighbours::{Neighbours, Unknown, is_lack};
use crate::files::directory::{DIRECTORY, each_file_once};
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
    /// Any of them is in a layout of the run, and not in one beside these.
    has_own: bool,
    /// Files that could not be looked at: each may be a stub.
    unseen: HashMap<Digest, PathBuf>,
    /// A layout that could not be looked into, or what there may be more of them in.
    pub(crate) unknown: Option<Unknown>,
    /// The files that were looked at.
    looked_at: LookedAt,
}

/// Of which blobs the files were looked at, in each layout that has one.
#[derive(Debug, Default)]
struct LookedAt {
    blobs: HashSet<BlobNumber, RandomState>,
    hasher: RandomState,
    /// The stubs of each layout, but not of one to whose directories others lead, or where something failed.
    stubs: HashMap<PathBuf, HashSet<Digest>>,
}

impl StubsOfRun {
    /// Looks into some layouts, each of which may be given several times, and into others `beside` them, of which
    /// nobody said anything. Only of blobs that several of them have, and of the others none that these do not have,
    /// the files are looked at. Of some it may be `known` where their blobs lie.
    pub(crate) fn find(own: &[PathBuf], beside: Neighbours, known: &BlobPlaces) -> StubsOfRun {
        let paths: Vec<PathBuf> = own.iter().cloned().chain(beside.layouts).collect();
        if paths.len() == 1 {
            return StubsOfRun {
                unknown: beside.unknown,
                ..StubsOfRun::default()
            };
        }
        let search = Search::default();
        let workers = Workers::for_reading();
        let numbers: Vec<u32> = (0..u32::MAX).take(paths.len()).collect();
        let path = |number: u32| &paths[number as usize];
        let is_own = |number: u32| (number as usize) < own.len();
        let list = |number: &u32, _: &mut Vec<u8>| {
            let path = path(*number);
            search.list(*number, path, known.get(path), is_own(*number))
        };
        // Nothing stays open: a run may be about more layouts than a process may have files open.
        let (of_own, of_others) = numbers.split_at(own.len());
        let mut looks = map(&workers, of_own, &list);
        looks.extend(map(&workers, of_others, &list));
        let passed = search.take_passed();
        let directories = passed.chunk_by(|(one, _), (next, _)| one == next);
        let some: Vec<_> = directories.flat_map(|all| all.chunks(AT_ONCE)).collect();
        let look = |some: &&[(u32, Digest)], _: &mut Vec<u8>| search.look(&paths, some);
        looks.extend(map(&workers, &some, &look));
        let mut failures: Vec<Failure> = looks.iter().filter_map(|looks| looks.failure).collect();
        failures.sort_unstable_by_key(|failure| failure.layout);
        let unknown = failures.iter().map(|failure| {
            let path = path(failure.layout);
            match is_own(failure.layout) {
                true => Some(Unknown::own(path, failure.errno)),
                false => Unknown::beside(path, failure.errno),
            }
        });
        let mut found = StubsOfRun {
            unknown: unknown.chain([beside.unknown]).fold(None, Unknown::first),
            ..StubsOfRun::default()
        };
        let failed: HashSet<u32> = failures.iter().map(|failure| failure.layout).collect();
        let unseen = looks.iter_mut().flat_map(|looks| looks.unseen.drain(..));
        for (number, digest) in search.in_layouts(unseen) {
            let place = found.unseen.entry(digest).or_insert(path(number).clone());
            if path(number) < place {
                place.clone_from(path(number));
            }
        }
        let stubs = looks.iter_mut().flat_map(|looks| looks.stubs.drain(..));
        // Whichever thread was faster, the first layout is named.
        let mut stubs = search.in_layouts(stubs);
        stubs.sort_unstable();
        let (shared, hasher) = search.into_shared();
        let is_apart = |number: &u32| shared.contains(number) || failed.contains(number);
        let alone = numbers.iter().filter(|number| !is_apart(number));
        let mut of_layouts: HashMap<PathBuf, HashSet<Digest>> = alone
            .map(|number| (path(*number).clone(), HashSet::new()))
            .collect();
        for (number, digest) in stubs {
            if let Some(of_layout) = of_layouts.get_mut(path(number)) {
                of_layout.insert(digest.clone());
            }
            found.has_own |= is_own(number);
            found.add(path(number), digest);
        }
        let mut blobs: HashSet<_, _> = looks.into_iter().flat_map(|looks| looks.whole).collect();
        let stubs = found.stubs.keys();
        let has_bytes = |stub: &&Digest| blobs.contains(&number_of(&hasher, stub));
        found.originals = stubs.filter(has_bytes).cloned().collect();
        let stubs = found.stubs.keys();
        blobs.extend(stubs.map(|stub| number_of(&hasher, stub)));
        found.looked_at = LookedAt {
            blobs,
            hasher,
            stubs: of_layouts,
        };
        found
    }

    /// What was seen of the files of the layout at `path`, if that is known.
    pub(crate) fn seen_in(&self, path: &Path) -> Option<SeenInLayout<'_>> {
        let looked_at = &self.looked_at;
        let stubs = looked_at.stubs.get(path)?;
        Some(SeenInLayout { looked_at, stubs })
    }

    fn add(&mut self, path: &Path, digest: Digest) {
        self.stubs.entry(digest).or_insert_with(|| path.to_owned());
    }

    /// A layout that has a stub of this blob, or may have, if another one has a file of it.
    pub(crate) fn place(&self, digest: &Digest) -> Option<&Path> {
        let stub = self.stubs.get(digest).or_else(|| self.unseen.get(digest));
        stub.map(PathBuf::as_path)
    }

    /// Whether any layout of the run has a stub of what another one has a file of.
    pub(crate) fn has_any(&self) -> bool {
        self.has_own
    }

    /// Whether a layout has the bytes of which this is a stub.
    pub(crate) fn has_original(&self, digest: &Digest) -> bool {
        self.originals.contains(digest)
    }
}

/// What was seen of the files of one layout.
#[derive(Debug)]
pub(crate) struct SeenInLayout<'a> {
    looked_at: &'a LookedAt,
    stubs: &'a HashSet<Digest>,
}

impl SeenInLayout<'_> {
    /// Whether the file of a blob that the layout has is a stub. `None`: nobody looked.
    pub(crate) fn is_stub(&self, digest: &Digest) -> Option<bool> {
        let number = number_of(&self.looked_at.hasher, digest);
        let was_looked_at = self.looked_at.blobs.contains(&number);
        was_looked_at.then(|| self.stubs.contains(digest))
    }
}

/// Looks at a blob's file. `None`: it went, or is none.
fn stat(dir: &OwnedFd, digest: &Digest) -> Result<Option<BlobStat>, Errno> {
    let name = digest.file_name();
    let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW);
    Ok(found(stat)?.and_then(|stat| BlobStat::from_stat(&stat, digest)))
}

/// A directory of blobs that was opened.
struct OpenedDirectory {
    algorithm: Algorithm,
    dir: OwnedFd,
    id: FileId,
}

impl OpenedDirectory {
    /// That of an algorithm in the layout at `path`, if there is one.
    fn open(path: &Path, algorithm: Algorithm) -> Result<Option<OpenedDirectory>, Errno> {
        let place = path.join(format!("blobs/{}", algorithm.name()));
        let opened = rustix::fs::open(&place, DIRECTORY, Mode::empty());
        let Some(dir) = found(opened)? else {
            return Ok(None);
        };
        let id = FileId::of_opened(&dir)?;
        Ok(Some(OpenedDirectory { algorithm, dir, id }))
    }

    /// All of whatever is at a path, of which these may be known. Whether it is a layout of a version that can
    /// be read, its own turn says.
    fn open_all(path: &Path, known: Option<&BlobPlace>) -> Result<Vec<OpenedDirectory>, Errno> {
        let known = known.into_iter().flat_map(BlobPlace::algorithms).collect();
        for algorithms in [known, Algorithm::ALL.to_vec()] {
            let opened = algorithms
                .into_iter()
                .map(|algorithm| OpenedDirectory::open(path, algorithm));
            let opened: Vec<_> = opened.collect::<Result<_, _>>()?;
            let opened: Vec<_> = opened.into_iter().flatten().collect();
            if !opened.is_empty() {
                return Ok(opened);
            }
        }
        // Without blobs it may be a layout all the same.
        FileId::of_path(path).map(|_| Vec::new())
    }
}

/// Calls `look` with each request. With fewer files open at a time there is room for one more: what failed for lack
/// of that is done again, one after the other.
fn map<T: Sync>(
    workers: &Workers,
    requests: &[T],
    look: &(dyn Fn(&T, &mut Vec<u8>) -> Looks + Sync),
) -> Vec<Looks> {
    let mut all = workers.map(requests, look, || ());
    let lacking = all
        .iter_mut()
        .zip(requests)
        .filter(|(looks, _)| looks.has_nothing_for_lack());
    for (looks, request) in lacking {
        *looks = look(request, &mut Vec::new());
    }
    all
}

/// How many blobs there is room for before anybody counted them.
const SMALL: usize = 64;

/// How many names are looked up at a time, by one of many threads.
const AT_ONCE: usize = 4096;

/// What stands for a digest where there may be millions. Two have the same by accident, if ever.
type BlobNumber = [u32; 2];

fn number_of(hasher: &RandomState, digest: &Digest) -> BlobNumber {
    let number = hasher.hash_one(digest);
    [(number >> 32) as u32, number as u32]
}

/// A search for stubs, by several threads.
#[derive(Debug, Default)]
struct Search {
    listed: Mutex<ListedBlobs>,
    hasher: RandomState,
}

/// What was listed. Directories have numbers, in no order.
#[derive(Debug, Default)]
struct ListedBlobs {
    /// Layouts that use one directory have each blob in common.
    directories: HashMap<(Algorithm, FileId), u32, RandomState>,
    /// The first of the layouts that lead to each directory.
    leads: Vec<u32>,
    /// Layouts that lead to the same directories as others.
    shared: HashSet<u32>,
    /// Where each blob was found first.
    first: HashMap<BlobNumber, First, RandomState>,
    /// Files that were passed over before there was another one of the same blob.
    passed: Vec<(u32, Digest)>,
}

#[derive(Debug)]
struct First {
    directory: u32,
    /// Another one has it as well, so this file was passed over.
    is_passed: bool,
}

/// A layout of which something could not be looked at.
#[derive(Clone, Copy, Debug)]
struct Failure {
    layout: u32,
    errno: Errno,
}

/// What a thread saw of one layout.
#[derive(Debug, Default)]
struct Looks {
    /// Stubs, and in which directory.
    stubs: Vec<(u32, Digest)>,
    /// Blobs with bytes.
    whole: Vec<BlobNumber>,
    /// Files that could not be looked at, and in which directory.
    unseen: Vec<(u32, Digest)>,
    failure: Option<Failure>,
    /// It failed before anything was seen.
    is_empty: bool,
}

impl Looks {
    fn of_nothing(layout: u32, errno: Errno) -> Looks {
        Looks {
            failure: Some(Failure { layout, errno }),
            is_empty: true,
            ..Looks::default()
        }
    }

    fn has_nothing_for_lack(&self) -> bool {
        self.is_empty && self.failure.is_some_and(|failure| is_lack(failure.errno))
    }
}

impl Search {
    /// Lists the blobs of a layout, and looks at the files of those that were found elsewhere before.
    fn list(&self, layout: u32, path: &Path, known: Option<&BlobPlace>, is_own: bool) -> Looks {
        let mut looks = Looks::default();
        let opened = match OpenedDirectory::open_all(path, known) {
            Ok(opened) => opened,
            Err(errno) => return Looks::of_nothing(layout, errno),
        };
        for OpenedDirectory { algorithm, dir, id } in opened {
            let Some(directory) = self.lock().begin((algorithm, id), layout) else {
                continue;
            };
            let mut failed = None;
            let mut take = |some: &mut Vec<Digest>| {
                for digest in self.place(directory, some, is_own) {
                    let looked = self.look_at(&dir, directory, digest, &mut looks);
                    failed = failed.or(looked.err());
                }
            };
            let mut some = Vec::with_capacity(SMALL);
            let listed = each_file_once(&dir, &mut |name, kind| {
                some.extend(blob_of(algorithm, name, kind));
                if some.len() >= AT_ONCE {
                    take(&mut some);
                }
            });
            take(&mut some);
            if let Some(errno) = listed.err().or(failed) {
                looks.failure = Some(Failure { layout, errno });
            }
        }
        looks
    }

    /// Notes the blobs of a directory, if it `is_own`, and returns those that another one has as well.
    fn place(&self, directory: u32, blobs: &mut Vec<Digest>, is_own: bool) -> Vec<Digest> {
        let mut known = Vec::new();
        // Before the others have to wait.
        let numbers: Vec<BlobNumber> = blobs.iter().map(|digest| self.number(digest)).collect();
        let mut listed = self.lock();
        let ListedBlobs { first, passed, .. } = &mut *listed;
        for (digest, number) in blobs.drain(..).zip(numbers) {
            let first = match first.entry(number) {
                Entry::Occupied(first) => first.into_mut(),
                Entry::Vacant(new) => {
                    if is_own {
                        let is_passed = false;
                        new.insert(First {
                            directory,
                            is_passed,
                        });
                    }
                    continue;
                }
            };
            if first.directory != directory {
                if !std::mem::replace(&mut first.is_passed, true) {
                    passed.push((first.directory, digest.clone()));
                }
                known.push(digest);
            }
        }
        known
    }

    /// Looks at a file, and notes what it is.
    fn look_at(
        &self,
        dir: &OwnedFd,
        place: u32,
        digest: Digest,
        looks: &mut Looks,
    ) -> Result<(), Errno> {
        match stat(dir, &digest) {
            Ok(Some(stat)) if stat.is_stub => looks.stubs.push((place, digest)),
            Ok(Some(_)) => looks.whole.push(self.number(&digest)),
            Ok(None) => {}
            Err(errno) => {
                looks.unseen.push((place, digest));
                return Err(errno);
            }
        }
        Ok(())
    }

    /// The files that were passed over, by directory.
    fn take_passed(&self) -> Vec<(u32, Digest)> {
        let mut passed = std::mem::take(&mut self.lock().passed);
        passed.sort_unstable();
        passed
    }

    /// Looks at some files that were passed over, of one directory.
    fn look(&self, paths: &[PathBuf], passed: &[(u32, Digest)]) -> Looks {
        let mut looks = Looks::default();
        let Some((directory, digest)) = passed.first() else {
            return looks;
        };
        let layout = self.lock().leads[*directory as usize];
        // All of them are of the algorithm of that directory.
        let algorithm = digest.algorithm().ok_or(Errno::NOENT);
        let opened = algorithm.and_then(|algorithm| {
            let opened = OpenedDirectory::open(&paths[layout as usize], algorithm)?;
            opened.ok_or(Errno::NOENT)
        });
        let dir = match opened {
            Ok(opened) => opened.dir,
            // What could be looked into before may not be by now.
            Err(errno) => return Looks::of_nothing(layout, errno),
        };
        for (_, digest) in passed {
            if let Err(errno) = self.look_at(&dir, *directory, digest.clone(), &mut looks) {
                looks.failure = Some(Failure { layout, errno });
            }
        }
        looks
    }

    /// Files, with the numbers of their layouts instead of those of their directories.
    fn in_layouts(&self, files: impl Iterator<Item = (u32, Digest)>) -> Vec<(u32, Digest)> {
        let listed = self.lock();
        let lead = |directory: u32| listed.leads[directory as usize];
        files
            .map(|(directory, digest)| (lead(directory), digest))
            .collect()
    }

    /// The layouts that lead to the same directories as others, and what makes the numbers of blobs.
    fn into_shared(self) -> (HashSet<u32>, RandomState) {
        let listed = self.listed.into_inner();
        let listed = listed.unwrap_or_else(PoisonError::into_inner);
        (listed.shared, self.hasher)
    }

    fn number(&self, digest: &Digest) -> BlobNumber {
        number_of(&self.hasher, digest)
    }

    fn lock(&self) -> MutexGuard<'_, ListedBlobs> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListedBlobs {
    /// The number of a directory to which a layout leads. `None`: it was listed for another one, or is being.
    fn begin(&mut self, id: (Algorithm, FileId), layout: u32) -> Option<u32> {
        match self.directories.entry(id) {
            Entry::Occupied(known) => {
                let first = &mut self.leads[*known.get() as usize];
                self.shared.extend([*first, layout]);
                *first = layout.min(*first);
                None
            }
            Entry::Vacant(new) => {
                let number = u32::try_from(self.leads.len()).ok()?;
                new.insert(number);
                self.leads.push(layout);
                Some(number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if nothing were known of where blobs lie, and as if it were.
    fn find(own: &[PathBuf], beside: &[PathBuf]) -> [StubsOfRun; 2] {
        let all = own.iter().chain(beside);
        let known = all.map(|path| (path.clone(), BlobPlace::of(path, None)));
        let known = known.collect();
        [&BlobPlaces::default(), &known].map(|known| {
            let beside = Neighbours {
                layouts: beside.iter().cloned().collect(),
                unknown: None,
            };
            StubsOfRun::find(own, beside, known)
        })
    }

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
        let seen = |found: &StubsOfRun, path: &str, digest: &Digest| {
            let seen = found.seen_in(&folder.path().join(path));
            seen.and_then(|seen| seen.is_stub(digest))
        };
        for _ in 0..paths.len() {
            paths.rotate_left(1);
            for found in find(&paths, &[]) {
                assert!(found.place(&shared).is_some());
                assert!(found.has_original(&shared));
                assert_eq!((found.place(&alone), found.place(&lost)), (None, None));
                assert!(!found.has_original(&lost));
                assert_eq!(found.unknown, None);
                // Whatever only one of them has, nobody looked at.
                for (path, digest, is_stub) in [
                    ("a", &shared, Some(false)),
                    ("b", &shared, Some(true)),
                    ("c", &shared, Some(true)),
                    ("c", &lost, None),
                    ("a", &alone, None),
                    ("d", &shared, None),
                ] {
                    assert_eq!(seen(&found, path, digest), is_stub, "{path} {digest}");
                }
            }
        }
        paths.push(folder.path().join("none"));
        for found in find(&paths, &[]) {
            let unknown = found.unknown.unwrap();
            assert_eq!(Some(&unknown.path), paths.last());
            assert!(!unknown.is_by_chance);
        }
        // Where others lead to the same directory, nobody knows which of them was looked at.
        let link = folder.path().join("d");
        std::fs::create_dir(&link).unwrap();
        std::os::unix::fs::symlink("../b/blobs", link.join("blobs")).unwrap();
        for found in find(&paths, &[link]) {
            assert_eq!(seen(&found, "b", &shared), None);
            assert_eq!(seen(&found, "c", &shared), Some(true));
            assert!(found.place(&shared).is_some());
        }
        // Of one layout alone nothing is known.
        assert!(find(&paths[..1], &[]).iter().all(|found| !found.has_any()));
    }
}
