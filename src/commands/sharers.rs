//! Layouts that share their blobs: those that `--also-root` names, and those of one run whose
//! directories turn out to be the same, through a symbolic link or a mount.
//!
//! What all of them need stays. But of those that were found nobody said that they are all, so where
//! they share a directory no blob of it is deleted, whichever of them it belongs to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::target_layouts::TargetLayouts;
use crate::gc::Garbage;
use crate::layout::{BlobPlace, BlobPlaces, FileId};
use crate::value::digest::{Algorithm, Digest};
use crate::words::quoted;
use crate::workers::Workers;

/// What leads to the directories of blobs of the layouts of a run.
#[derive(Debug, Default)]
pub(super) struct FoundSharers {
    by_directory: HashMap<FileId, Vec<Leads>>,
    /// Looked at once for each layout: on a disk that is far away each look is a wait.
    by_layout: Arc<BlobPlaces>,
    /// No directory is led to by more than one of them, nor by a link.
    are_apart: bool,
}

/// A layout or a symbolic link that leads to a directory of blobs.
#[derive(Debug)]
struct Leads {
    path: PathBuf,
    /// The directory of the layout, if it is one.
    layout: Option<FileId>,
}

/// Blobs in directories that several layouts of a run have, and of which it was said that they go.
#[derive(Debug, Default)]
pub(super) struct ToldBlobs(HashSet<(FileId, Digest)>);

/// The least number of the group of a number.
fn root(group: &mut [usize], mut number: usize) -> usize {
    while group[number] != number {
        group[number] = group[group[number]];
        number = group[number];
    }
    number
}

/// Makes one group of two.
fn join(group: &mut [usize], one: usize, other: usize) {
    let (one, other) = (root(group, one), root(group, other));
    group[one.max(other)] = one.min(other);
}

impl FoundSharers {
    /// Looks at where the blobs of each layout lie, also of those that cannot be opened.
    pub(super) fn of(found: &TargetLayouts) -> FoundSharers {
        let mut sharers = FoundSharers::default();
        if !found.several {
            return sharers;
        }
        let look = |path: &PathBuf, _: &mut Vec<u8>| {
            let layout = found.ids.get(path).copied();
            BlobPlace::of(path, layout)
        };
        let looked_at = Workers::for_reading().map(&found.layouts, &look, || ());
        let mut by_layout = BlobPlaces::with_capacity(looked_at.len());
        for (path, own) in found.layouts.iter().zip(looked_at) {
            for (_, directory) in &own.directories {
                let of_directory = sharers.by_directory.entry(*directory).or_default();
                of_directory.push(Leads {
                    path: path.clone(),
                    layout: own.layout,
                });
            }
            by_layout.insert(path.clone(), own);
        }
        sharers.by_layout = Arc::new(by_layout);
        for (directory, path) in &found.links {
            // Nothing but a directory of blobs is of interest.
            if let Some(of_directory) = sharers.by_directory.get_mut(directory) {
                of_directory.push(Leads {
                    path: path.clone(),
                    layout: None,
                });
            }
        }
        let mut leads = sharers.by_directory.values();
        sharers.are_apart = leads.all(|leads| leads.len() == 1);
        sharers
    }

    /// Where the blobs of each layout lie.
    pub(super) fn places(&self) -> Arc<BlobPlaces> {
        self.by_layout.clone()
    }

    /// The layouts of the run whose blobs lie where those of the layout at `path` do, apart from itself.
    pub(super) fn beside(&self, path: &Path) -> Vec<PathBuf> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        if self.are_apart {
            return found;
        }
        let own = self.by_layout.get(path);
        for (_, directory) in own.map_or(&[][..], |own| &own.directories) {
            for leads in self.others(path, *directory) {
                if leads.layout.is_some() && seen.insert(&leads.path) {
                    found.push(leads.path.clone());
                }
            }
        }
        found
    }

    /// The numbers of these layouts in groups, each of which has to be worked on one layout after the other:
    /// those that lead to the same blobs, for who changes one of them locks the others. `beside` are locked
    /// with each of them.
    pub(super) fn groups(&self, layouts: &[PathBuf], beside: &[PathBuf]) -> Vec<Vec<usize>> {
        let own = |path| self.by_layout.get(path);
        let locked: HashSet<FileId> = beside
            .iter()
            .filter_map(|path| FileId::of_path(path).ok())
            .collect();
        let mut first_of: HashMap<FileId, usize> = HashMap::new();
        // The group of a layout is the least number that it leads to.
        let mut group: Vec<usize> = (0..layouts.len()).collect();
        for (number, path) in layouts.iter().enumerate() {
            let Some(BlobPlace {
                layout,
                directories,
            }) = own(path)
            else {
                continue;
            };
            let directories = directories.iter().map(|(_, id)| id);
            for id in layout.iter().chain(directories) {
                let first = match locked.is_empty() || Some(*id) != *layout || !locked.contains(id)
                {
                    true => *first_of.entry(*id).or_insert(number),
                    // Whoever locks it with another one waits for all others to be done with it.
                    false => return vec![(0..layouts.len()).collect()],
                };
                join(&mut group, first, number);
            }
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in 0..layouts.len() {
            groups
                .entry(root(&mut group, number))
                .or_default()
                .push(number);
        }
        groups.into_values().collect()
    }

    /// Leaves out of what would go in the layout at `path` what would be gone by then, with one before it. The
    /// value tells whether that is anything.
    pub(super) fn leave_out_told(
        &self,
        path: &Path,
        garbage: &mut Garbage,
        told: &mut ToldBlobs,
    ) -> bool {
        if self.are_apart {
            return false;
        }
        let own = self.by_layout.get(path).into_iter();
        let directories = own.flat_map(|own| &own.directories);
        let shared: HashMap<Algorithm, FileId> = directories
            .filter(|(_, id)| self.has_several(*id))
            .filter_map(|(algorithm, id)| Some(((*algorithm)?, *id)))
            .collect();
        if shared.is_empty() {
            return false;
        }
        let all = garbage.blobs.len();
        garbage.blobs.retain(|blob| {
            let algorithm = blob.digest.algorithm();
            let directory = algorithm.and_then(|algorithm| shared.get(&algorithm));
            directory.is_none_or(|id| told.0.insert((*id, blob.digest.clone())))
        });
        garbage.blobs.len() < all
    }

    /// Whether the blobs of several layouts lie in a directory.
    fn has_several(&self, directory: FileId) -> bool {
        let leads = self.by_directory.get(&directory).into_iter().flatten();
        leads
            .filter(|leads| leads.layout.is_some())
            .nth(1)
            .is_some()
    }

    /// Who else leads to a directory of the layout at `path`.
    fn others(&self, path: &Path, directory: FileId) -> impl Iterator<Item = &Leads> {
        let own = self.by_layout.get(path).and_then(|own| own.layout);
        let all = self.by_directory.get(&directory).into_iter().flatten();
        let path = path.to_owned();
        // The layout itself may be found on several ways, and a link in it is its own.
        all.filter(move |leads| match leads.layout {
            Some(layout) => Some(layout) != own,
            None => !leads.path.starts_with(&path),
        })
    }

    /// Who else leads to a directory of the layout at `path`, as messages call it.
    pub(super) fn who(&self, path: &Path, directory: FileId) -> Option<String> {
        if self.are_apart {
            return None;
        }
        let leads = self.others(path, directory).next()?;
        let what = match leads.layout {
            Some(_) => "the layout",
            None => "the link",
        };
        let path = leads.path.to_string_lossy();
        Some(format!("{what} {}", quoted(&path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64) -> FileId {
        FileId { device: 1, inode }
    }

    /// Those that lead to one directory follow each other, also if only a third one leads to both.
    #[test]
    fn layouts_that_share_are_a_group() {
        let own = [
            (10, vec![20]),
            (11, vec![21]),
            (12, vec![22, 23]),
            (13, vec![20]),
            (14, vec![23]),
            // The same as another one, by another path.
            (11, vec![24]),
            (15, vec![20, 22]),
        ];
        let mut by_layout = BlobPlaces::new();
        let mut layouts = Vec::new();
        for (number, (layout, directories)) in own.into_iter().enumerate() {
            let path = PathBuf::from(number.to_string());
            let own = BlobPlace {
                layout: Some(file(layout)),
                directories: directories.into_iter().map(|id| (None, file(id))).collect(),
            };
            by_layout.insert(path.clone(), own);
            layouts.push(path);
        }
        layouts.push("unknown".into());
        let sharers = FoundSharers {
            by_layout: Arc::new(by_layout),
            ..FoundSharers::default()
        };
        let groups = sharers.groups(&layouts, &[]);
        assert_eq!(groups, [vec![0, 2, 3, 4, 6], vec![1, 5], vec![7]]);
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the directories of a test have to come from somewhere"
    )]
    fn who_is_locked_beside_all_others_makes_them_one_group() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
        for path in &paths {
            std::fs::create_dir(path).unwrap();
        }
        let sharers = FoundSharers::of(&TargetLayouts::for_tests(&paths));
        let groups = |beside: &PathBuf| sharers.groups(&paths, std::slice::from_ref(beside));
        assert_eq!(groups(&paths[1]), [[0, 1, 2]]);
        assert_eq!(groups(&folder.path().join("none")), [[0], [1], [2]]);
    }
}
