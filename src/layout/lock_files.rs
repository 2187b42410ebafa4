//! Lock files that this process has locked, or is about to.
//!
//! Several layouts of one run can have one lock file: a copy that is made of hard links (`cp -al`, backups) has the
//! file of the original. Each of them needs it for itself, so who works on several at once waits for itself. It knows
//! that from here, and such a wait ends with the work on the other layout, not with a time-out.
//!
//! Of a POSIX record lock, as podman takes it, the kernel knows only the process: a second layout would get it at
//! once, and closing whichever descriptor of the file takes it from the first. So such a file is not even opened
//! while it is in this list.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::IntoRawFd as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::files::stat::FileId;

/// Which files, under which name, and how often. A file may have names of several kinds, whose locks do not see each
/// other.
static HELD: Mutex<BTreeMap<(&str, FileId), usize>> = Mutex::new(BTreeMap::new());

fn held() -> MutexGuard<'static, BTreeMap<(&'static str, FileId), usize>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An entry of the list; it goes when the value is dropped.
#[derive(Debug)]
pub(super) struct Held {
    name: &'static str,
    file: FileId,
}

impl Held {
    /// Lists a file that was locked, perhaps once more.
    pub(super) fn once_more(name: &'static str, file: FileId) -> Held {
        *held().entry((name, file)).or_insert(0) += 1;
        Held { name, file }
    }

    /// Lists a file that is about to be opened and locked, unless it is listed.
    pub(super) fn alone(name: &'static str, file: FileId) -> Option<Held> {
        let mut held = held();
        if held.contains_key(&(name, file)) {
            return None;
        }
        held.insert((name, file), 1);
        Some(Held { name, file })
    }

    /// Whether this process has locked a file, or is about to.
    pub(super) fn is(name: &'static str, file: FileId) -> bool {
        held().contains_key(&(name, file))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = held();
        let key = (self.name, self.file);
        if let Some(count) = held.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&key);
            }
        }
    }
}

/// A lock file that is open, and listed until it is closed.
#[derive(Debug)]
pub(super) struct LockFile {
    /// Closed first, which unlocks it.
    pub(super) file: File,
    _held: Held,
}

impl LockFile {
    /// One that was locked.
    pub(super) fn locked(name: &'static str, file: File, id: FileId) -> LockFile {
        let _held = Held::once_more(name, id);
        LockFile { file, _held }
    }

    /// One that was opened to be locked with a lock of the process. `None` when that was another file than was listed
    /// before, and this process has it: then it stays open for good, for closing it would unlock it.
    pub(super) fn opened(file: File, held: Held) -> Result<Option<LockFile>, Errno> {
        let id = FileId::of_opened(&file)?;
        let held = match id == held.file {
            true => Some(held),
            false => Held::alone(held.name, id),
        };
        Ok(match held {
            Some(_held) => Some(LockFile { file, _held }),
            None => {
                let _ = file.into_raw_fd();
                None
            }
        })
    }
}
