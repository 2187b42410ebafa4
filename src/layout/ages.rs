//! How old files with several names were before this run.
//!
//! Removing one name of a file, or giving it another, changes it, so that it would look young in the next
//! layout. So [`Ages`] remembers files as they were when they were first looked at. It believes what it
//! remembers only as long as the file has as many names as this run has left it, and the size and the
//! modification time that it had: another program that gives it a name may need it, and when the last name
//! is gone, the disk gives its number to the next new file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rustix::io::Errno;

use crate::files::stat::{BlobStat, FileId};

/// See the module. Clones remember the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages(Arc<SeenFiles>);

#[derive(Debug, Default)]
struct SeenFiles {
    /// Whether there are any: most layouts have none, and many threads ask.
    any: AtomicBool,
    files: Mutex<HashMap<FileId, Known>>,
}

/// A file with several names, when it was first looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) changed: Timestamp,
    pub(super) links: u64,
}

impl Seen {
    fn now(stat: BlobStat) -> Seen {
        Seen {
            changed: stat.changed,
            links: stat.links,
        }
    }
}

/// How often a file is looked at whose names other threads are removing.
const LOOKS: usize = 8;

/// What is remembered of a file.
#[derive(Clone, Copy, Debug)]
struct Known {
    seen: Seen,
    modified: Timestamp,
    size: u64,
    /// How many names it has now if nobody else changed that: so many at least, and so many at most, for
    /// several threads may be changing it.
    least: u64,
    most: u64,
}

/// What becomes of the names of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    OneMore,
    OneLess,
}

impl Ages {
    /// The file as it was when it was first looked at, by whichever of its names; else as it is now. `again`
    /// looks once more: another thread may have removed a name just after the first look.
    pub(super) fn first_seen_of(
        &self,
        mut stat: BlobStat,
        again: impl Fn() -> Option<BlobStat>,
    ) -> Seen {
        for _ in 0..LOOKS {
            match self.known(stat) {
                Some(seen) => return seen,
                None => match again() {
                    Some(now) if now.file == stat.file => stat = now,
                    _ => break,
                },
            }
        }
        Seen::now(stat)
    }

    /// The same with one look.
    pub(super) fn first_seen(&self, stat: BlobStat) -> Seen {
        self.known(stat).unwrap_or(Seen::now(stat))
    }

    /// `None`: what is remembered does not fit.
    fn known(&self, stat: BlobStat) -> Option<Seen> {
        let now = Seen::now(stat);
        if stat.links > 1 {
            self.0.any.store(true, Ordering::Release);
        } else if !self.has_any() {
            return Some(now);
        }
        let mut files = self.lock();
        let known = match files.entry(stat.file) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) if stat.links > 1 => *new.insert(Known {
                seen: now,
                modified: stat.modified,
                size: stat.size,
                least: stat.links,
                most: stat.links,
            }),
            Entry::Vacant(_) => return Some(now),
        };
        let is_same = (known.least..=known.most).contains(&stat.links)
            && known.modified == stat.modified
            && known.size == stat.size;
        is_same.then_some(known.seen)
    }

    /// Changes how many names `file` has: `change` does it. Which file it is, is asked only where that matters.
    ///
    /// # Errors
    /// What `change` returns; then there are as many as before.
    pub(super) fn change<T>(
        &self,
        file: impl FnOnce() -> Option<FileId>,
        names: Names,
        change: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if !self.has_any() {
            return change();
        }
        let file = file();
        self.begin(file, names);
        let changed = change();
        self.end(file, names, changed.is_ok());
        changed
    }

    fn begin(&self, file: Option<FileId>, names: Names) {
        self.edit(file, |known| match names {
            Names::OneMore => known.most += 1,
            Names::OneLess => known.least = known.least.saturating_sub(1),
        });
    }

    fn end(&self, file: Option<FileId>, names: Names, is_done: bool) {
        self.edit(file, |known| match (names, is_done) {
            (Names::OneMore, true) | (Names::OneLess, false) => known.least += 1,
            (Names::OneMore, false) | (Names::OneLess, true) => {
                known.most = known.most.saturating_sub(1);
            }
        });
    }

    /// Edits what is remembered of a file, and forgets it when its last name is gone.
    fn edit(&self, file: Option<FileId>, edit: impl FnOnce(&mut Known)) {
        let mut files = self.lock();
        if let Some(Entry::Occupied(mut known)) = file.map(|file| files.entry(file)) {
            edit(known.get_mut());
            if known.get().most == 0 {
                known.remove();
            }
        }
    }

    fn has_any(&self) -> bool {
        self.0.any.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FileId, Known>> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(inode: u64, changed: i64, links: u64) -> BlobStat {
        BlobStat {
            file: FileId { device: 1, inode },
            changed: Timestamp::from_second(changed).unwrap(),
            modified: Timestamp::from_second(1).unwrap(),
            links,
            size: 3,
            on_disk: 3,
            is_stub: false,
        }
    }

    /// PA2: the first look counts, while nobody but this run changes how many names there are.
    #[test]
    fn a_file_is_as_old_as_at_the_first_look_until_somebody_else_touches_it() {
        let ages = Ages::default();
        let file = Some(stat(1, 0, 0).file);
        let seconds = |stat| ages.first_seen(stat).changed.as_second();
        // Before anything has several names, nothing is remembered.
        assert_eq!([seconds(stat(2, 9, 1)), seconds(stat(2, 5, 1))], [9, 5]);
        assert_eq!([seconds(stat(1, 5, 3)), seconds(stat(1, 9, 3))], [5, 5]);
        // Another program gave it a name, or took one.
        assert_eq!([seconds(stat(1, 9, 4)), seconds(stat(1, 9, 2))], [9, 9]);
        ages.begin(file, Names::OneLess);
        assert_eq!([seconds(stat(1, 9, 3)), seconds(stat(1, 9, 2))], [5, 5]);
        ages.end(file, Names::OneLess, true);
        assert_eq!([seconds(stat(1, 9, 3)), seconds(stat(1, 9, 2))], [9, 5]);
        ages.begin(file, Names::OneMore);
        ages.end(file, Names::OneMore, false);
        assert_eq!([seconds(stat(1, 9, 3)), seconds(stat(1, 9, 2))], [9, 5]);
        assert_eq!(ages.first_seen(stat(1, 9, 2)).links, 3);
        // Written anew in place.
        let other = BlobStat {
            size: 4,
            ..stat(1, 9, 2)
        };
        assert_eq!(seconds(other), 9);
    }

    /// PA2: the number of a file that is gone may be that of a new one.
    #[test]
    fn a_new_file_with_the_number_of_one_that_went_is_young() {
        let ages = Ages::default();
        let file = Some(stat(1, 0, 0).file);
        ages.first_seen(stat(1, 5, 2));
        for _ in 0..2 {
            ages.begin(file, Names::OneLess);
            ages.end(file, Names::OneLess, true);
        }
        assert_eq!(ages.first_seen(stat(1, 9, 1)).changed.as_second(), 9);
    }
}
