//! Layouts that share their blobs: those that `--also-root` names, and those of one run whose
//! directories turn out to be the same, through a symbolic link or a mount.
//!
//! What all of them need stays. But of those that were found nobody said that they are all, so where
//! they share a directory no blob of it is deleted, whichever of them it belongs to.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::target_layouts::TargetLayouts;
use crate::layout::{FileId, blob_directories};
use crate::words::quoted;

/// What leads to the directories of blobs of the layouts of a run.
#[derive(Debug, Default)]
pub(super) struct FoundSharers {
    by_directory: HashMap<FileId, Vec<Leads>>,
    /// Looked at once for each layout: on a disk that is far away each look is a wait.
    by_layout: HashMap<PathBuf, Own>,
}

/// A layout of the run, and where its blobs lie.
#[derive(Debug)]
struct Own {
    layout: Option<FileId>,
    directories: Vec<FileId>,
}

/// A layout or a symbolic link that leads to a directory of blobs.
#[derive(Debug)]
struct Leads {
    path: PathBuf,
    /// The directory of the layout, if it is one.
    layout: Option<FileId>,
}

impl FoundSharers {
    /// Looks at where the blobs of each layout lie, also of those that cannot be opened.
    pub(super) fn of(found: &TargetLayouts) -> FoundSharers {
        let mut sharers = FoundSharers::default();
        if !found.several {
            return sharers;
        }
        for path in &found.layouts {
            let own = Own {
                layout: found.ids.get(path).copied(),
                directories: blob_directories(path),
            };
            for directory in &own.directories {
                let of_directory = sharers.by_directory.entry(*directory).or_default();
                of_directory.push(Leads {
                    path: path.clone(),
                    layout: own.layout,
                });
            }
            sharers.by_layout.insert(path.clone(), own);
        }
        for (directory, path) in &found.links {
            // Nothing but a directory of blobs is of interest.
            if let Some(of_directory) = sharers.by_directory.get_mut(directory) {
                of_directory.push(Leads {
                    path: path.clone(),
                    layout: None,
                });
            }
        }
        sharers
    }

    /// The layouts of the run whose blobs lie where those of the layout at `path` do, apart from itself.
    pub(super) fn beside(&self, path: &Path) -> Vec<PathBuf> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let own = self.by_layout.get(path);
        for directory in own.map_or(&[][..], |own| &own.directories) {
            for leads in self.others(path, *directory) {
                if leads.layout.is_some() && seen.insert(&leads.path) {
                    found.push(leads.path.clone());
                }
            }
        }
        found
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
        let leads = self.others(path, directory).next()?;
        let what = match leads.layout {
            Some(_) => "the layout",
            None => "the link",
        };
        let path = leads.path.to_string_lossy();
        Some(format!("{what} {}", quoted(&path)))
    }
}
