//! How old files with several names were before this run.
//!
//! Removing one name of a file, or giving it another, changes it, so that it would look young in the next
//! layout. So [`Ages`] remembers files as they were when they were first looked at. It believes what it
//! remembers only as long as nothing but this run changed the file: it has as many names as this run has left
//! it, the size and the modification time that it had, and it changed when this run changed it. Another program
//! that gives it a name may need it, and when the last name is gone, the disk gives its number to the next
//! new file. Where the clock of the disk is ahead of ours, files look young, and stay.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    fn now(stat: &BlobStat) -> Seen {
        Seen {
            changed: stat.changed,
            links: stat.links,
        }
    }
}

/// How often a file is looked at that is not as it should be: between a look and what is remembered, another
/// thread may have changed it.
const LOOKS: usize = 4;

/// How long a thread waits that looks at a file while another one changes it, and how often.
const WAIT: Duration = Duration::from_millis(1);
const WAITS: usize = 5000;

/// What is remembered of a file.
#[derive(Clone, Copy, Debug)]
struct Known {
    seen: Seen,
    modified: Timestamp,
    size: u64,
    /// How many names it has now if nobody else changed that: so many at least, and so many at most. They
    /// differ while a thread is changing it.
    least: u64,
    most: u64,
    /// When this run last had changed it.
    own_change: Option<Timestamp>,
    /// Somebody else changed it.
    is_touched: bool,
}

impl Known {
    /// Whether the file is as this run has left it.
    fn fits(&self, stat: &BlobStat) -> bool {
        let is_own_change = match self.own_change {
            None => stat.changed == self.seen.changed,
            Some(time) => stat.changed <= time,
        };
        !self.is_touched
            && is_own_change
            && (self.least, self.most) == (stat.links, stat.links)
            && self.modified == stat.modified
            && self.size == stat.size
    }
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
        let (mut looks, mut waits) = (0, 0);
        while looks < LOOKS && waits < WAITS {
            match self.known(&stat) {
                Some(seen) => return seen,
                None if self.is_changing(stat.file) => {
                    waits += 1;
                    std::thread::sleep(WAIT);
                }
                None => looks += 1,
            }
            match again() {
                Some(now) if now.file == stat.file => stat = now,
                _ => break,
            }
        }
        // What it looks like from now on may fit by accident.
        self.edit(stat.file, |known| known.is_touched = true);
        Seen::now(&stat)
    }

    /// Whether another thread is changing how many names it has.
    fn is_changing(&self, file: FileId) -> bool {
        let known = self.lock().get(&file).copied();
        known.is_some_and(|known| known.least != known.most)
    }

    /// The same with one look.
    pub(super) fn first_seen(&self, stat: BlobStat) -> Seen {
        self.known(&stat).unwrap_or(Seen::now(&stat))
    }

    /// `None`: what is remembered does not fit.
    fn known(&self, stat: &BlobStat) -> Option<Seen> {
        let now = Seen::now(stat);
        if stat.links > 1 {
            self.0.any.store(true, Ordering::Release);
        } else if !self.has_any() {
            return Some(now);
        }
        match self.lock().entry(stat.file) {
            Entry::Occupied(known) => known.get().fits(stat).then(|| known.get().seen),
            Entry::Vacant(new) => {
                if stat.links > 1 {
                    new.insert(Known {
                        seen: now,
                        modified: stat.modified,
                        size: stat.size,
                        least: stat.links,
                        most: stat.links,
                        own_change: None,
                        is_touched: false,
                    });
                }
                Some(now)
            }
        }
    }

    /// Changes how many names the file has that `look` finds: `change` does it. It is looked at only where
    /// that matters.
    ///
    /// # Errors
    /// What `change` returns; then there are as many as before.
    pub(super) fn change<T>(
        &self,
        look: impl Fn() -> Option<BlobStat>,
        names: Names,
        change: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let stat = self.has_any().then(&look).flatten();
        let Some(stat) = stat else {
            return change();
        };
        // What somebody else did before this change could not be told from it afterwards.
        self.first_seen_of(stat, look);
        self.begin(stat.file, names);
        let changed = change();
        self.end(stat.file, names, changed.is_ok());
        changed
    }

    fn begin(&self, file: FileId, names: Names) {
        self.edit(file, |known| match names {
            Names::OneMore => known.most += 1,
            Names::OneLess => known.least = known.least.saturating_sub(1),
        });
    }

    fn end(&self, file: FileId, names: Names, is_done: bool) {
        self.edit(file, |known| {
            match (names, is_done) {
                (Names::OneMore, true) | (Names::OneLess, false) => known.least += 1,
                (Names::OneMore, false) | (Names::OneLess, true) => {
                    known.most = known.most.saturating_sub(1);
                }
            }
            if is_done {
                known.own_change = Some(Timestamp::now());
            }
        });
    }

    /// Edits what is remembered of a file, and forgets it when its last name is gone.
    fn edit(&self, file: FileId, edit: impl FnOnce(&mut Known)) {
        if let Entry::Occupied(mut known) = self.lock().entry(file) {
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

    /// PA2: the first look counts, while nobody but this run changes the file.
    #[test]
    fn a_file_is_as_old_as_at_the_first_look_until_somebody_else_touches_it() {
        let later = Timestamp::now().as_second() + 1000;
        let sooner = later - 2000;
        // What happens to a file with three names that changed at second 5, and how old it is then.
        for (own, look, age) in [
            (&[][..], stat(1, 5, 3), 5),
            // Another program gave it a name, or took one, or both.
            (&[], stat(1, 9, 4), 9),
            (&[], stat(1, 9, 2), 9),
            (&[], stat(1, 9, 3), 9),
            (&[Names::OneLess], stat(1, sooner, 2), 5),
            (&[Names::OneLess], stat(1, sooner, 3), sooner),
            (&[Names::OneLess], stat(1, later, 2), later),
            (&[Names::OneLess, Names::OneLess], stat(1, sooner, 1), 5),
            (&[Names::OneLess, Names::OneMore], stat(1, sooner, 3), 5),
            // Its number is that of a new file.
            (&[Names::OneLess; 3], stat(1, sooner, 1), sooner),
        ] {
            let ages = Ages::default();
            let first = stat(1, 5, 3);
            assert_eq!(ages.first_seen(first).links, 3);
            for names in own {
                ages.begin(first.file, *names);
                ages.end(first.file, *names, true);
            }
            let seen = ages.first_seen_of(look, || Some(look));
            assert_eq!(seen.changed.as_second(), age, "{own:?} {look:?}");
            if age != 5 {
                // It is never believed again.
                assert_ne!(ages.first_seen(stat(1, 5, 3)).links, 0);
                let known = ages.known(&first);
                assert!(known.is_none() || own.len() == 3, "{own:?}");
            }
        }
    }

    /// While a thread is changing it, others wait; a change that failed changed nothing.
    #[test]
    fn a_file_is_looked_at_when_it_is_not_being_changed() {
        let ages = Ages::default();
        let first = stat(1, 5, 3);
        ages.first_seen(first);
        ages.begin(first.file, Names::OneLess);
        assert!(ages.known(&first).is_none() && ages.is_changing(first.file));
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| ages.first_seen_of(first, || Some(first)));
            std::thread::sleep(WAIT * 3);
            ages.end(first.file, Names::OneLess, false);
            assert_eq!(looking.join().unwrap().changed.as_second(), 5);
        });
        // Before anything has several names, nothing is remembered.
        let none = Ages::default();
        assert_eq!(none.first_seen(stat(2, 9, 1)).changed.as_second(), 9);
        assert_eq!(none.first_seen(stat(2, 5, 1)).changed.as_second(), 5);
    }

    #[test]
    fn what_somebody_did_before_an_own_change_is_not_taken_for_it() {
        let ages = Ages::default();
        ages.first_seen(stat(1, 5, 2));
        // One name more and one less by another program, and then one less by this run.
        let look = || Some(stat(1, 7, 2));
        ages.change(look, Names::OneLess, || Ok(())).unwrap();
        let now = stat(1, 8, 1);
        assert_eq!(ages.first_seen_of(now, || Some(now)).changed.as_second(), 8);
    }
}
