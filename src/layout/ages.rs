//! How old files with several names were before this run.
//!
//! Removing one name of a file, or giving it another, changes it, so that it would look young in the next
//! layout. So [`Ages`] remembers files as they were when they were first looked at. It believes what it
//! remembers only as long as nothing but this run changed the file: it has as many names as this run has left
//! it, the size and the modification time that it had, and it changed when this run changed it. Another program
//! that gives it a name may need it, and when the last name is gone, the disk gives its number to the next
//! new file. Where the clock of the disk is ahead of ours, files look young, and stay.
//!
//! Of the threads of a run one at a time changes a file, or looks at one that is not as it should be: so what
//! it sees then was done by another program.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::io::Errno;

use crate::files::stat::{self, BlobStat, FileId};

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

/// How long a thread waits for its turn at a file at which nobody else gets one either.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// How much later a file may have changed than the directory in which its name came or went, by the clock of
/// the disk. Some file systems leave the time of a directory as it is that changed just before (JuiceFS for
/// 100 ms), and clocks that tell files when they changed have ticks.
const DIRECTORY_BEHIND: SignedDuration = SignedDuration::from_millis(250);

/// What is remembered of a file.
#[derive(Clone, Debug)]
struct Known {
    seen: Seen,
    modified: Timestamp,
    size: u64,
    /// How many names it has now if nobody else changed that.
    links: u64,
    /// Not later than this this run last changed it.
    own_change: Option<Timestamp>,
    /// Somebody else changed it.
    is_touched: bool,
    /// What a thread does that has its turn.
    doing: Option<Doing>,
    /// How many turns are over.
    turns: u64,
    /// Who waits for a turn waits here.
    waiting: Option<Arc<Condvar>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Looking,
    Changing,
}

impl Known {
    fn new(stat: &BlobStat) -> Known {
        Known {
            seen: Seen::now(stat),
            modified: stat.modified,
            size: stat.size,
            links: stat.links,
            own_change: None,
            is_touched: false,
            doing: None,
            turns: 0,
            waiting: None,
        }
    }

    /// Whether the file is as this run has left it.
    fn fits(&self, stat: &BlobStat) -> bool {
        let is_own_change = match self.own_change {
            None => stat.changed == self.seen.changed,
            Some(time) => stat.changed <= time,
        };
        !self.is_touched
            && self.doing != Some(Doing::Changing)
            && is_own_change
            && self.links == stat.links
            && self.modified == stat.modified
            && self.size == stat.size
    }

    fn end_turn(&mut self) {
        self.doing = None;
        self.turns += 1;
        if let Some(waiting) = &self.waiting {
            waiting.notify_one();
        }
    }
}

/// What becomes of the names of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    OneMore,
    OneLess,
}

/// A thread may look at a file, or change it, until this is dropped.
struct Turn<'a> {
    ages: &'a Ages,
    file: FileId,
}

impl Turn<'_> {
    fn begin_to_change(&self) {
        self.ages
            .edit(self.file, |known| known.doing = Some(Doing::Changing));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut files = self.ages.lock();
        let Entry::Occupied(mut known) = files.entry(self.file) else {
            return;
        };
        known.get_mut().end_turn();
        if known.get().links == 0 {
            // Its last name is gone. Whoever waits finds that nothing is known of it.
            if let Some(waiting) = known.remove().waiting {
                waiting.notify_all();
            }
        }
    }
}

impl Ages {
    /// The file as it was when it was first looked at, by whichever of its names; else as it is now. `again`
    /// looks once more: another thread may have removed a name just after the first look.
    pub(super) fn first_seen_of(
        &self,
        stat: BlobStat,
        again: impl FnOnce() -> Option<BlobStat>,
    ) -> Seen {
        if let Some(seen) = self.known(&stat) {
            return seen;
        }
        let _turn = self.turn(stat.file);
        let now = again().filter(|now| now.file == stat.file);
        match now.as_ref().and_then(|now| self.known(now)) {
            Some(seen) => seen,
            None => {
                // What it looks like from now on may fit by accident.
                self.edit(stat.file, |known| known.is_touched = true);
                Seen::now(&now.unwrap_or(stat))
            }
        }
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
                    new.insert(Known::new(stat));
                }
                Some(now)
            }
        }
    }

    /// Waits until this thread may look at a file, or change it. `None`: nothing is remembered of it, or it
    /// took too long, and then nothing is believed of it any more. Who has a turn waits for no other.
    fn turn(&self, file: FileId) -> Option<Turn<'_>> {
        let mut files = self.lock();
        loop {
            let known = files.get_mut(&file)?;
            if known.doing.is_none() {
                known.doing = Some(Doing::Looking);
                return Some(Turn { ages: self, file });
            }
            let turns = known.turns;
            let waiting = known.waiting.get_or_insert_default().clone();
            let waited = waiting.wait_timeout(files, LONGEST_TURN);
            let (later, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            files = later;
            if let Some(known) = files.get_mut(&file)
                && timeout.timed_out()
                && known.turns == turns
                && known.doing.is_some()
            {
                known.is_touched = true;
                return None;
            }
        }
    }

    /// The same at once, if nobody has a turn and the file is as this run has left it.
    fn turn_if_known(&self, stat: &BlobStat) -> Option<Turn<'_>> {
        self.known(stat)?;
        let mut files = self.lock();
        let known = files.get_mut(&stat.file)?;
        if known.doing.is_some() || !known.fits(stat) {
            return None;
        }
        known.doing = Some(Doing::Looking);
        Some(Turn {
            ages: self,
            file: stat.file,
        })
    }

    /// Changes how many names the file has that `look` finds: `change` does it, in this directory. It is looked
    /// at only where that matters.
    ///
    /// # Errors
    /// What `change` returns; then there are as many as before.
    pub(super) fn change<T>(
        &self,
        look: impl Fn() -> Option<BlobStat>,
        (names, dir): (Names, &OwnedFd),
        change: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let changed = || Some(stat::changed(&rustix::fs::fstat(dir).ok()?));
        self.change_at(look, names, changed, change)
    }

    /// The same where `directory` says when the directory changed, by the clock of the disk.
    fn change_at<T>(
        &self,
        look: impl Fn() -> Option<BlobStat>,
        names: Names,
        directory: impl FnOnce() -> Option<Timestamp>,
        change: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let stat = self.has_any().then(&look).flatten();
        let Some(stat) = stat else {
            return change();
        };
        // What somebody else did before this change could not be told from it afterwards.
        let turn = self.turn_if_known(&stat).or_else(|| {
            let turn = self.turn(stat.file)?;
            let now = look().filter(|now| now.file == stat.file);
            if now.is_none_or(|now| self.known(&now).is_none()) {
                self.edit(stat.file, |known| known.is_touched = true);
            }
            Some(turn)
        });
        let Some(turn) = turn else {
            return change();
        };
        turn.begin_to_change();
        let changed = change();
        if changed.is_ok() {
            self.note_own(stat.file, names, directory);
        }
        changed
    }

    /// Takes note of a change by this run.
    fn note_own(&self, file: FileId, names: Names, directory: impl FnOnce() -> Option<Timestamp>) {
        let now = Timestamp::now();
        let mut is_gone = false;
        self.edit(file, |known| {
            known.links = match names {
                Names::OneMore => known.links + 1,
                Names::OneLess => known.links.saturating_sub(1),
            };
            is_gone = known.links == 0;
        });
        if is_gone {
            return;
        }
        // The clock of a disk may be behind ours. What others did there just afterwards is later by its own.
        let bound = directory().and_then(|time| time.checked_add(DIRECTORY_BEHIND).ok());
        self.edit(file, |known| match bound {
            Some(bound) => known.own_change = known.own_change.max(Some(now.min(bound))),
            None => known.is_touched = true,
        });
    }

    fn edit(&self, file: FileId, edit: impl FnOnce(&mut Known)) {
        if let Some(known) = self.lock().get_mut(&file) {
            edit(known);
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
            let mut there = first;
            for names in own {
                let clock = || Some(Timestamp::now());
                ages.change_at(|| Some(there), *names, clock, || Ok(()))
                    .unwrap();
                let links = match names {
                    Names::OneMore => there.links + 1,
                    Names::OneLess => there.links - 1,
                };
                there = stat(1, sooner, links);
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
        let (begun, is_begun) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let change = || {
                begun.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(20));
                Err::<(), _>(Errno::PERM)
            };
            let ages = &ages;
            let changing = scope
                .spawn(move || ages.change_at(|| Some(first), Names::OneLess, || None, change));
            is_begun.recv().unwrap();
            assert!(ages.known(&first).is_none());
            let seen = ages.first_seen_of(first, || Some(first));
            assert_eq!(seen.changed.as_second(), 5);
            changing.join().unwrap().unwrap_err();
        });
        // Before anything has several names, nothing is remembered.
        let none = Ages::default();
        assert_eq!(none.first_seen(stat(2, 9, 1)).changed.as_second(), 9);
        assert_eq!(none.first_seen(stat(2, 5, 1)).changed.as_second(), 5);
    }

    /// PA2: also where a look takes as long as it takes many threads to change the file.
    #[test]
    fn a_file_that_many_threads_change_is_as_old_as_it_was() {
        const THREADS: u64 = 16;
        const NAMES: u64 = 6;
        let ages = Ages::default();
        let file = Mutex::new(stat(1, 5, THREADS * NAMES + 1));
        let far = || std::thread::sleep(Duration::from_millis(1));
        let look = || {
            let seen = *file.lock().unwrap();
            far();
            Some(seen)
        };
        let unlink = || {
            let mut file = file.lock().unwrap();
            (file.links, file.changed) = (file.links - 1, Timestamp::now());
            drop(file);
            far();
            Ok(())
        };
        let clock = || Some(Timestamp::now());
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..NAMES {
                        let seen = ages.first_seen_of(look().unwrap(), look);
                        assert_eq!(seen.changed.as_second(), 5);
                        ages.change_at(look, Names::OneLess, clock, unlink).unwrap();
                    }
                });
            }
        });
        assert_eq!(file.into_inner().unwrap().links, 1);
    }

    #[test]
    fn what_somebody_did_before_an_own_change_is_not_taken_for_it() {
        let ages = Ages::default();
        ages.first_seen(stat(1, 5, 2));
        // One name more and one less by another program, and then one less by this run.
        let look = || Some(stat(1, 7, 2));
        let clock = || Some(Timestamp::now());
        ages.change_at(look, Names::OneLess, clock, || Ok(()))
            .unwrap();
        let now = stat(1, 8, 1);
        assert_eq!(ages.first_seen_of(now, || Some(now)).changed.as_second(), 8);
    }

    /// PA2: the clock of a disk may be behind. What counts is when it says that the directory changed.
    #[test]
    fn what_somebody_did_after_an_own_change_is_not_taken_for_it() {
        for (directory, later, age) in [
            (Some(100), 100, 5),
            // It leaves the time of a directory as it is that changed just before.
            (Some(99), 99, 5),
            (Some(100), 101, 101),
            (Some(100), 99, 5),
            (None, 100, 100),
        ] {
            let ages = Ages::default();
            let first = stat(1, 5, 3);
            ages.first_seen(first);
            let time = || directory.map(|second| Timestamp::from_second(second).unwrap());
            ages.change_at(|| Some(first), Names::OneLess, time, || Ok(()))
                .unwrap();
            let now = stat(1, later, 2);
            let seen = ages.first_seen_of(now, || Some(now));
            assert_eq!(seen.changed.as_second(), age, "{directory:?} {later}");
        }
    }
}
