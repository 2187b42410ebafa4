//! Temporary files: how they are called, who may remove them, and when.
//!
//! Their names are random, for process numbers repeat: in containers that share a volume each first
//! process has the same one. As long as its maker lives it holds `flock` on the file, so a file that
//! nobody holds was left by a run that was killed. Whoever has the layout to itself removes those.
//!
//! Where locks may not be seen by everybody (a network file system, on which the layout lock had to be
//! taken on a file), or the file cannot be locked, only what is older than a day is taken for dead.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::directory::each_file;
use super::stat::{FileId, changed, is_name_of_file};
use super::unix::{random, sync_all};

/// How names of temporary files begin.
pub(crate) const TEMPORARY: &str = ".ocirm-tmp-";

/// How old a temporary file is that nobody can be using, whoever cannot be asked.
const ABANDONED: SignedDuration = SignedDuration::from_hours(24);

/// How often a name is made anew before the directory is given up.
const ATTEMPTS: u32 = 16;

/// How many digits [`random_digits`] gives.
pub(crate) const RANDOM_DIGITS: usize = 32;

/// Digits that nobody else has: 128 random bits in hex.
///
/// # Errors
/// A kernel that has no random numbers to give.
pub(crate) fn random_digits() -> Result<String, Errno> {
    let mut bytes = [0_u8; RANDOM_DIGITS / 2];
    random(&mut bytes)?;
    Ok(const_hex::encode(bytes))
}

/// How many temporary files there are of all threads, and whether the process is ending.
#[derive(Debug)]
struct Alive {
    count: usize,
    is_ending: bool,
}

static ALIVE: Mutex<Alive> = Mutex::new(Alive {
    count: 0,
    is_ending: false,
});
static FEWER: Condvar = Condvar::new();

fn alive() -> MutexGuard<'static, Alive> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever is about to end the process while other threads go on calls this: from now on no temporary file is made,
/// and those that there are get their names or go. For a disk that does not answer nobody waits longer than this.
pub(crate) fn leave_none(longest: Duration) {
    let mut alive = alive();
    alive.is_ending = true;
    let _ended = FEWER.wait_timeout_while(alive, longest, |alive| alive.count > 0);
}

/// One of those that are counted.
#[derive(Debug)]
struct Counted;

impl Counted {
    fn one_more() -> Counted {
        let mut alive = alive();
        // The process ends at any moment, and whoever called has nothing to say any more.
        while alive.is_ending {
            alive = FEWER.wait(alive).unwrap_or_else(PoisonError::into_inner);
        }
        alive.count += 1;
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut alive = alive();
        alive.count -= 1;
        // Before that nobody waits.
        if alive.is_ending {
            FEWER.notify_all();
        }
    }
}

/// A new file under a name of ours, held by us; dropped before it was renamed, it is removed.
#[must_use = "a temporary file that is dropped changes nothing"]
pub(crate) struct Temporary<'a> {
    /// Before the file, which is held until its name is gone.
    place: TemporaryName<'a>,
    pub(crate) file: File,
    id: FileId,
    is_held: bool,
}

/// The name of a temporary file, as long as it has no other.
struct TemporaryName<'a> {
    dir: BorrowedFd<'a>,
    name: String,
    is_renamed: bool,
    /// Until after its name is gone.
    _counted: Counted,
}

/// A file that was a temporary one and has the name for which it was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) file: File,
    pub(crate) id: FileId,
    /// Locked with `flock`, by this open file.
    pub(crate) is_held: bool,
}

impl<'a> Temporary<'a> {
    /// Makes one that its owner alone may read and write. `what` tells people what it is for.
    pub(crate) fn create(dir: BorrowedFd<'a>, what: &str) -> Result<Self, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        for _ in 0..ATTEMPTS {
            let _counted = Counted::one_more();
            let name = format!("{TEMPORARY}{}-{what}", random_digits()?);
            let file = match rustix::fs::openat(dir, &name, flags | OFlags::NOFOLLOW, private) {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(e) => return Err(e),
            };
            let place = TemporaryName {
                dir,
                name,
                is_renamed: false,
                _counted,
            };
            // Between making and holding it somebody can have taken it for dead.
            let held = try_hold(&file);
            let id = FileId::of_opened(&file)?;
            if held != Hold::Others && is_name_of_file(dir, &place.name, id) {
                return Ok(Temporary {
                    place,
                    file,
                    id,
                    is_held: held == Hold::Ours,
                });
            }
        }
        Err(Errno::EXIST)
    }

    pub(crate) fn name(&self) -> &str {
        &self.place.name
    }

    /// Which file it is.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    pub(crate) fn rename(&mut self, dir: impl AsFd, name: &str) -> Result<(), Errno> {
        rustix::fs::renameat(self.place.dir, &self.place.name, dir, name)?;
        self.place.is_renamed = true;
        Ok(())
    }

    /// The file, which has another name by now. It is open, and held, still.
    pub(crate) fn into_made(mut self) -> Made {
        self.place.is_renamed = true;
        let Temporary {
            file, id, is_held, ..
        } = self;
        Made { file, id, is_held }
    }

    /// The name, which is that of another file by now, and the file.
    pub(crate) fn into_exchanged(mut self) -> (OldName<'a>, Made) {
        let old = OldName {
            dir: self.place.dir,
            name: std::mem::take(&mut self.place.name),
        };
        (old, self.into_made())
    }
}

impl Made {
    /// Lets others hold it.
    pub(crate) fn let_go(&mut self) {
        if self.is_held {
            let unlocked = rustix::fs::flock(&self.file, FlockOperation::Unlock);
            self.is_held = unlocked.is_err();
        }
    }
}

impl Drop for TemporaryName<'_> {
    fn drop(&mut self) {
        if !self.is_renamed {
            unlink(self.dir, &self.name);
        }
    }
}

/// A second name for a file whose own is about to be another's; it is removed when this is dropped.
///
/// A disk without a journal can write that a file without a name is gone before it writes that its name
/// is another's, and then a power cut leaves neither of the two. So an old file has a name of ours until
/// the new one's is durable.
#[must_use = "the name goes when this is dropped"]
pub(crate) struct SecondName<'a> {
    dir: BorrowedFd<'a>,
    name: String,
}

impl<'a> SecondName<'a> {
    /// Gives a file of `from` one in `dir`. `None`: it cannot have two, and nothing better can be done.
    pub(crate) fn give(from: impl AsFd, file: &str, dir: BorrowedFd<'a>) -> Option<Self> {
        let name = format!("{TEMPORARY}{}-old", random_digits().ok()?);
        rustix::fs::linkat(from, file, dir, &name, AtFlags::empty()).ok()?;
        Some(SecondName { dir, name })
    }
}

/// Names of old files that are removed when this is dropped, as the last thing that a run does: a new
/// directory can be given the place of a file that was just removed, while the disk still has the name
/// of that file, and whoever mends the disk then takes the directory for that.
#[derive(Debug, Default)]
pub(crate) struct OldNames(Mutex<Vec<(OwnedFd, String)>>);

impl OldNames {
    pub(crate) fn add<'a>(&self, old: impl Into<OldName<'a>>) {
        let OldName { dir, name } = old.into();
        match (dir.try_clone_to_owned(), self.0.lock()) {
            (Ok(dir), Ok(mut names)) => names.push((dir, name)),
            _ => unlink(dir, &name),
        }
    }
}

impl Drop for OldNames {
    fn drop(&mut self) {
        let names = self.0.get_mut();
        for (dir, name) in names.into_iter().flat_map(|names| names.drain(..)) {
            unlink(dir, &name);
        }
    }
}

/// A name for [`OldNames`].
pub(crate) struct OldName<'a> {
    dir: BorrowedFd<'a>,
    name: String,
}

impl<'a> From<SecondName<'a>> for OldName<'a> {
    fn from(mut second: SecondName<'a>) -> OldName<'a> {
        let name = std::mem::take(&mut second.name);
        OldName {
            dir: second.dir,
            name,
        }
    }
}

/// If this fails, the next run that changes the layout does it.
fn unlink(dir: impl AsFd, name: &str) {
    let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
}

impl Drop for SecondName<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            unlink(self.dir, &self.name);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    Ours,
    Others,
    /// The file cannot be locked here.
    Unknown,
}

fn try_hold(file: &File) -> Hold {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Hold::Ours,
        Err(Errno::WOULDBLOCK) => Hold::Others,
        Err(_) => Hold::Unknown,
    }
}

/// How sure it is that whoever is alive holds its temporary files where we see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All processes that can be here lock in one way.
    Clear,
    /// Some may lock elsewhere.
    Dim,
}

/// Whether a name is that of a temporary file of ours.
pub(crate) fn is_temporary(name: &[u8], kind: FileType) -> bool {
    name.starts_with(TEMPORARY.as_bytes())
        && matches!(kind, FileType::RegularFile | FileType::Unknown)
}

/// Removes the temporary files of a directory that runs left which were killed; nobody else's, and no
/// file of a run that is alive.
///
/// # Errors
/// A directory that cannot be listed.
pub(crate) fn remove_stale(dir: impl AsFd, sight: Sight) -> Result<(), Errno> {
    let mut names = Vec::new();
    each_file(&dir, &mut |name, kind| {
        if is_temporary(name, kind) {
            names.extend(CString::new(name));
        }
    })?;
    remove_stale_of(&dir, &names, sight);
    Ok(())
}

/// The same where it is known how the temporary files are called.
pub(crate) fn remove_stale_of(dir: impl AsFd, names: &[CString], sight: Sight) {
    if !names.is_empty() {
        // One of them may be the last name of a file that was replaced by a run that was killed: see
        // `SecondName`.
        let _ = sync_all(&dir);
    }
    for name in names {
        remove_if_stale(&dir, name, sight);
    }
}

/// The same for one file. Not being able to remove garbage is no reason not to do what was asked.
pub(crate) fn remove_if_stale(dir: impl AsFd, name: &CString, sight: Sight) {
    let Ok(stat) = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
        return;
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return;
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = rustix::fs::openat(&dir, name, flags, Mode::empty()).map(File::from);
    let hold = opened.as_ref().map_or(Hold::Unknown, try_hold);
    let is_dead = match (hold, sight) {
        (Hold::Others, _) => false,
        (Hold::Ours, Sight::Clear) => true,
        (Hold::Ours, Sight::Dim) | (Hold::Unknown, _) => {
            let age = jiff::Timestamp::now().duration_since(changed(&stat));
            age >= ABANDONED
        }
    };
    if is_dead {
        let _ = rustix::fs::unlinkat(&dir, name, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FR34
    #[test]
    fn names_do_not_repeat_and_a_file_that_is_held_stays() {
        let place = tempfile::tempdir().unwrap();
        let dir = File::open(place.path()).unwrap();
        let (one, other) = (
            Temporary::create(dir.as_fd(), "x").unwrap(),
            Temporary::create(dir.as_fd(), "x").unwrap(),
        );
        assert_ne!(one.name(), other.name());
        for left in [".ocirm-tmp-4711-index.json", ".ocirm-tmp-new"] {
            std::fs::write(place.path().join(left), "x").unwrap();
        }
        std::fs::write(place.path().join("ocirm-tmp-1"), "x").unwrap();
        remove_stale(&dir, Sight::Dim).unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 5);
        remove_stale(&dir, Sight::Clear).unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 3);
        drop((one, other));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
