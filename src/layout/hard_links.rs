//! Files with several names, over all layouts of a run.
//!
//! Two things go wrong when each name is looked at by itself. Removing one name changes the file, so
//! the others would look young in the next layout: [`Ages`] remembers files as they were. And the
//! bytes leave the disk with the last name only: [`HardLinks`] counts how many go.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::files::stat::{BlobStat, FileId};
use crate::value::digest::Digest;

/// Files with several names as they were before this run removed any of the names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages(Arc<SeenFiles>);

#[derive(Debug, Default)]
struct SeenFiles {
    /// Whether there are any: most layouts have none, and many threads ask.
    any: AtomicBool,
    files: Mutex<HashMap<FileId, Seen>>,
}

/// A file with several names, when it was first looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) changed: jiff::Timestamp,
    pub(super) links: u64,
}

impl Ages {
    /// The file as it was when it was first looked at, by whichever of its names.
    pub(super) fn first_seen(&self, stat: BlobStat) -> Seen {
        let now = Seen {
            changed: stat.changed,
            links: stat.links,
        };
        if stat.links > 1 {
            self.0.any.store(true, Ordering::Release);
        } else if !self.0.any.load(Ordering::Acquire) {
            return now;
        }
        let Ok(mut known) = self.0.files.lock() else {
            return now;
        };
        if stat.links > 1 {
            *known.entry(stat.file).or_insert(now)
        } else {
            known.get(&stat.file).copied().unwrap_or(now)
        }
    }
}

/// How many names of each file go. Several layouts that are pruned together share one.
#[derive(Clone, Debug, Default)]
pub struct HardLinks(HashMap<FileId, Links>);

#[derive(Clone, Debug, Default)]
struct Links {
    all: u64,
    going: u64,
    last: Option<Digest>,
}

impl HardLinks {
    /// Takes note of a blob that goes.
    pub(crate) fn count(&mut self, digest: &Digest, stat: &BlobStat) {
        if stat.links > 1 && stat.size > 0 {
            let file = self.0.entry(stat.file).or_default();
            file.all = file.all.max(stat.links);
            file.going += 1;
            file.last = Some(digest.clone());
        }
    }

    /// The blobs with which the last name of a file goes.
    pub(crate) fn last_names(&self) -> HashSet<&Digest> {
        let gone = self.0.values().filter(|file| file.going >= file.all);
        gone.filter_map(|file| file.last.as_ref()).collect()
    }
}
