//! Neighbours: whether a layout lies beside others, as the repositories of a store do.
//!
//! A file without bytes says one thing in a store and another thing elsewhere. Among the repositories of a
//! store that deduplicates it is a stub, and the bytes are in another one. In a layout that lies alone it
//! is what a power cut left of a file, which is damage. Nobody is asked unless there is such a file.

use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Layout;
use crate::files::stat::promises_more;
use crate::value::digest::Digest;
use crate::workers::Workers;

/// How many entries of a directory are looked at. Where there are more, nobody knows, and a layout is
/// taken for one that has neighbours, of which not all are known.
const MOST_LOOKED_AT: usize = 4096;

impl Layout {
    /// Whether a blob's file of this length in bytes is a stub; see `stubs.rs`.
    pub(super) fn is_stub(&self, size: u64, digest: &Digest) -> bool {
        promises_more(size, digest) && self.has_neighbours()
    }

    fn has_neighbours(&self) -> bool {
        *self.neighbours.get_or_init(|| {
            // What lies beside a mounted bucket is not to be seen.
            self.unsafe_mount().is_some() || lies_beside_others(&self.path).unwrap_or(true)
        })
    }

    /// Says that this layout is one of several, wherever they lie.
    pub(crate) fn into_one_of_several(self) -> Layout {
        let _ = self.neighbours.set(true);
        self
    }
}

/// Whether another layout lies in the same directory, or in a directory of layouts beside that: `a/b`
/// and `c/d` are repositories of one store, if it has nothing else.
fn lies_beside_others(path: &Path) -> std::io::Result<bool> {
    let path = path.canonicalize()?;
    let Some(parent) = path.parent() else {
        return Ok(false);
    };
    let is_other = |entry: &DirEntry| entry.path() != path && is_layout(&entry.path());
    let is_beside = |entry: DirEntry| is_other(&entry);
    if any(parent, &mut |entry| Ok(is_beside(entry)))? {
        return Ok(true);
    }
    let Some(above) = parent.parent() else {
        return Ok(false);
    };
    // A directory with anything else in it is no store.
    let mut others = false;
    let is_foreign = any(above, &mut |entry| {
        let dir = entry.path();
        if dir == parent || is_of_store(&dir) {
            return Ok(false);
        }
        let holds_layouts = entry.file_type()?.is_dir()
            && (is_layout(&dir) || any(&dir, &mut |entry| Ok(is_layout(&entry.path())))?);
        others |= holds_layouts;
        Ok(!holds_layouts)
    })?;
    Ok(others && !is_foreign)
}

/// Whether it is named as what zot keeps for itself beside repositories.
fn is_of_store(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b"_")
}

/// Something that could not be looked into, and in which layouts or their blobs may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) path: PathBuf,
    pub(crate) why: Errno,
    /// It may have stubs even if nothing else says that this is a store: it is no question of who may read what.
    pub(crate) is_by_chance: bool,
}

impl Unknown {
    /// A layout of the run. Its own turn says that it failed, and that stops no other one.
    pub(super) fn own(path: &Path, why: Errno) -> Unknown {
        Unknown {
            path: path.to_owned(),
            why,
            is_by_chance: is_lack(why),
        }
    }

    /// What lies beside them. `None`: nothing is there, or it is not for this user.
    pub(super) fn beside(path: &Path, why: Errno) -> Option<Unknown> {
        let is_known = matches!(
            why,
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::PERM
        );
        (!is_known).then(|| Unknown {
            path: path.to_owned(),
            why,
            is_by_chance: true,
        })
    }

    /// Whether the run may succeed with more files open at a time.
    pub(crate) fn is_for_lack(&self) -> bool {
        is_lack(self.why)
    }

    /// The one of two that says more.
    pub(super) fn first(one: Option<Unknown>, other: Option<Unknown>) -> Option<Unknown> {
        match (one, other) {
            (Some(one), Some(other)) if other.is_by_chance && !one.is_by_chance => Some(other),
            (one, other) => one.or(other),
        }
    }
}

/// Whether an answer is that this process or the system has no room for one more file now.
pub(super) fn is_lack(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}

/// As the system says it. What has no number is no answer of the system.
fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Layouts that lie beside those of a command, and of which it says nothing.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    /// By which paths they were found.
    pub(crate) layouts: BTreeSet<PathBuf>,
    /// What could not be looked into, and may have more.
    pub(crate) unknown: Option<Unknown>,
}

impl Neighbours {
    /// Looks around layouts: in the directories that they lie in; in what these hold and lie in, where all of that
    /// are layouts and directories of layouts; and for layouts inside of them and around them.
    pub(crate) fn of(paths: &[PathBuf]) -> Neighbours {
        let own: BTreeSet<PathBuf> = paths.iter().flat_map(|path| path.canonicalize()).collect();
        // A link to a layout lies beside others than the layout.
        let links = paths.iter().filter(|path| path.is_symlink());
        let absolute = links.flat_map(std::path::absolute);
        let beside_links = absolute.filter_map(|path| path.parent()?.canonicalize().ok());
        let beside = own.iter().filter_map(|path| path.parent());
        let beside: BTreeSet<PathBuf> = beside.map(Path::to_owned).chain(beside_links).collect();
        let above: BTreeSet<&Path> = beside.iter().filter_map(|dir| dir.parent()).collect();
        let above = above.into_iter().filter(|dir| !beside.contains(*dir));
        let mut search = Search {
            own: &own,
            found: Neighbours::default(),
        };
        for dir in &own {
            let (inside, _) = search.list(dir);
            let (layouts, _) = search.split(inside);
            search.take(layouts);
        }
        for dir in &beside {
            search.look_in(dir, &BTreeSet::new(), true);
        }
        for dir in above {
            search.look_in(dir, &beside, false);
        }
        let around = beside.iter().cloned().map(Candidate::directory).collect();
        let (around, _) = search.split(around);
        search.take(around);
        search.found
    }

    /// Looks around all layouts below a directory, and where links in it lead that lead out of it.
    pub(crate) fn of_tree(root: &Path, links: &[PathBuf]) -> Neighbours {
        let Ok(root) = root.canonicalize() else {
            return Neighbours::default();
        };
        let mut found = match is_layout(&root) {
            true => Neighbours::of(std::slice::from_ref(&root)),
            false => Neighbours::default(),
        };
        found.layouts.retain(|path| !path.starts_with(&root));
        let own = BTreeSet::from([root]);
        let mut search = Search { own: &own, found };
        for above in own.iter().filter_map(|root| root.parent()) {
            search.look_in(above, &own, false);
        }
        let links = links.iter().cloned().map(Candidate::directory).collect();
        let (layouts, _) = search.split(links);
        search.take(layouts);
        search.found
    }
}

/// What may be a layout.
struct Candidate {
    path: PathBuf,
    is_link: bool,
}

impl Candidate {
    fn directory(path: PathBuf) -> Candidate {
        let is_link = false;
        Candidate { path, is_link }
    }
}

struct Search<'a> {
    /// The layouts around which is looked.
    own: &'a BTreeSet<PathBuf>,
    found: Neighbours,
}

impl Search<'_> {
    /// What a directory has that may be a layout, and whether it has files beside that.
    fn list(&mut self, dir: &Path) -> (Vec<Candidate>, bool) {
        let (mut candidates, mut has_files) = (Vec::new(), false);
        let listed = std::fs::read_dir(dir).and_then(|entries| {
            for (number, entry) in entries.enumerate() {
                let entry = entry?;
                if number >= MOST_LOOKED_AT {
                    has_files = true;
                    break;
                }
                let (kind, path) = (entry.file_type(), entry.path());
                match kind.is_ok_and(|kind| kind.is_file()) {
                    true => has_files |= !is_of_store(&path),
                    false => candidates.push(Candidate {
                        is_link: entry.file_type().is_ok_and(|kind| kind.is_symlink()),
                        path,
                    }),
                }
            }
            Ok(())
        });
        if let Err(error) = listed {
            self.note(Unknown::beside(dir, errno(&error)));
            has_files = true;
        }
        (candidates, has_files)
    }

    fn note(&mut self, unknown: Option<Unknown>) {
        let before = self.found.unknown.take();
        self.found.unknown = Unknown::first(before, unknown);
    }

    /// Which of them are layouts other than those around which is looked, and which are none.
    fn split(&mut self, candidates: Vec<Candidate>) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let look = |candidate: &Candidate, _: &mut Vec<u8>| {
            let path = &candidate.path;
            let is_layout = match path.join("oci-layout").metadata() {
                Ok(stat) => stat.is_file(),
                Err(error) => return Err(Unknown::beside(path, errno(&error))),
            };
            let real = match is_layout && candidate.is_link {
                true => path.canonicalize().ok(),
                false => None,
            };
            Ok((is_layout, self.own.contains(real.as_ref().unwrap_or(path))))
        };
        let looks = Workers::for_reading().map(&candidates, &look, || ());
        let (mut layouts, mut others) = (Vec::new(), Vec::new());
        for (candidate, look) in candidates.into_iter().zip(looks) {
            match look {
                Ok((true, false)) => layouts.push(candidate.path),
                Ok((true, true)) => {}
                Ok((false, _)) => others.push(candidate.path),
                Err(unknown) => {
                    self.note(unknown);
                    others.push(candidate.path);
                }
            }
        }
        (layouts, others)
    }

    fn take(&mut self, layouts: Vec<PathBuf>) {
        self.found.layouts.extend(layouts);
    }

    /// Takes the layouts in a directory, and those in directories in it if it has nothing else beside what is `known`.
    /// If it has, those in itself all the same if they lie beside one of ours.
    fn look_in(&mut self, dir: &Path, known: &BTreeSet<PathBuf>, is_beside: bool) {
        let (mut candidates, has_files) = self.list(dir);
        if has_files && !is_beside {
            return;
        }
        candidates.retain(|candidate| !known.contains(&candidate.path));
        let (layouts, mut others) = self.split(candidates);
        others.retain(|path| !is_of_store(path));
        let inside = match has_files {
            true => None,
            false => self.in_all(others),
        };
        if is_beside || inside.is_some() {
            self.take(layouts);
        }
        self.take(inside.unwrap_or_default());
    }

    /// The layouts in some directories, if each has any. One has none most of the time.
    fn in_all(&mut self, dirs: Vec<PathBuf>) -> Option<Vec<PathBuf>> {
        let mut all = Vec::new();
        for dir in dirs {
            let (candidates, _) = self.list(&dir);
            let is_own = candidates
                .iter()
                .any(|inside| self.own.contains(&inside.path));
            let (layouts, _) = self.split(candidates);
            if layouts.is_empty() && !is_own {
                return None;
            }
            all.extend(layouts);
        }
        Some(all)
    }
}

fn is_layout(path: &Path) -> bool {
    path.join("oci-layout").is_file()
}

/// Whether any entry of a directory is what `is_wanted` says.
fn any(
    dir: &Path,
    is_wanted: &mut dyn FnMut(DirEntry) -> std::io::Result<bool>,
) -> std::io::Result<bool> {
    for (number, entry) in std::fs::read_dir(dir)?.enumerate() {
        if number >= MOST_LOOKED_AT || is_wanted(entry?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These layouts and files below a directory.
    fn write(root: &Path, layouts: &[&str], files: &[&str]) {
        let markers = layouts
            .iter()
            .map(|layout| root.join(layout).join("oci-layout"));
        for path in markers.chain(files.iter().map(|file| root.join(file))) {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
    }

    /// FR54.
    #[test]
    fn a_layout_has_neighbours_in_its_directory_or_in_those_beside_it() {
        for (layouts, files, expected) in [
            (&["s/a"][..], &[][..], false),
            (&["s/a"], &["s/index.html"], false),
            (&["s/a", "s/b"], &[], true),
            (&["s/a", "s/b"], &["s/index.html"], true),
            (&["s/x/a"], &[], false),
            (&["s/x/a", "s/y/b"], &[], true),
            (&["s/x/a", "s/y"], &["s/_trivy/db"], true),
            (&["s/x/a", "s/y/b"], &["s/z/file"], false),
            (&["s/x/a", "s/y/b"], &["s/file"], false),
            // A layout inside of another one is no neighbour.
            (&["s/a", "s/a/b"], &[], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), layouts, files);
            let found = lies_beside_others(&folder.path().join(layouts[0])).unwrap();
            assert_eq!(found, expected, "{layouts:?} {files:?}");
        }
    }

    /// FR54: what is taken for a stub in one of them has its bytes in one that is found from there, and back.
    #[test]
    fn neighbours_are_found_as_far_as_stubs_are_believed() {
        for (layouts, files, own, expected) in [
            (&["s/a"][..], &[][..], "s/a", &[][..]),
            (&["s/a", "s/b"], &["s/index.html"], "s/a", &["s/b"]),
            (&["s/a", "s/_b"], &[], "s/a", &["s/_b"]),
            (&["s/x/a", "s/y/b", "s/c"], &[], "s/x/a", &["s/c", "s/y/b"]),
            (&["s/x/a", "s/y/b", "s/c"], &[], "s/c", &["s/x/a", "s/y/b"]),
            (&["s/x/a", "s/y/b"], &["s/_trivy/db"], "s/x/a", &["s/y/b"]),
            (&["s/x/a", "s/y/b"], &["s/z/file"], "s/x/a", &[]),
            (&["s/x/a", "s/y/b"], &["s/file"], "s/x/a", &[]),
            (&["s/a", "s/a/b", "s/a/c"], &[], "s/a", &["s/a/b", "s/a/c"]),
            (&["s/a", "s/a/b", "s/a/c"], &[], "s/a/b", &["s/a", "s/a/c"]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().canonicalize().unwrap();
            let at = |path: &str| root.join("alone").join(path);
            write(&at(""), layouts, files);
            let found = Neighbours::of(&[at(own)]);
            let expected = expected.iter().map(|path| at(path)).collect();
            assert_eq!(found.layouts, expected, "{layouts:?} {files:?} {own}");
            assert_eq!(found.unknown, None);
        }
    }

    /// A layout and a link to it have different ones.
    #[test]
    fn a_layout_in_a_store_by_a_link_has_the_neighbours_of_both() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        write(&root, &["s/b", "d/a", "d/c"], &[]);
        std::os::unix::fs::symlink("../d/a", root.join("s/a")).unwrap();
        let found = |path: &str| Neighbours::of(&[root.join(path)]).layouts;
        let all = |paths: &[&str]| paths.iter().map(|path| root.join(path)).collect();
        assert_eq!(found("s/a"), all(&["d/c", "s/b"]));
        assert_eq!(found("d/a"), all(&["d/c", "s/b"]));
        assert_eq!(found("s/b"), all(&["d/a", "d/c", "s/a"]));
        // The link leads out of the one tree, and nothing of the other lies beside it.
        let links = [root.join("s/a"), root.join("s")];
        let of_tree = |path: &str, links| Neighbours::of_tree(&root.join(path), links).layouts;
        assert_eq!(of_tree("s", &links), all(&["d/a", "d/c", "s/a"]));
        assert_eq!(of_tree("d", &[]), all(&["s/a", "s/b"]));
        std::fs::write(root.join("file"), "").unwrap();
        assert_eq!(of_tree("s", &links), all(&["s/a"]));
        assert_eq!(of_tree("d", &[]), all(&[]));
    }

    #[test]
    fn what_the_system_fails_to_say_is_unknown_and_what_it_keeps_from_a_user_is_not() {
        for (why, own, beside) in [
            (Errno::NOENT, false, None),
            (Errno::NOTDIR, false, None),
            (Errno::ACCESS, false, None),
            (Errno::IO, false, Some(true)),
            (Errno::MFILE, true, Some(true)),
        ] {
            let path = Path::new("x");
            assert_eq!(Unknown::own(path, why).is_by_chance, own, "{why}");
            let found = Unknown::beside(path, why);
            assert_eq!(found.map(|unknown| unknown.is_by_chance), beside, "{why}");
        }
    }
}
