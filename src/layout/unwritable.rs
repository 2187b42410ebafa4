//! Whether a change may write where it has to, asked of the operating system without a try: for whoever only
//! looks at what would be done. What the change does not touch is not asked about.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;

use super::{Locked, RemovalId, TRASH};

/// A directory of the layout in which a change makes or removes files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Written<'a> {
    /// The layout's own: index.json and the files beside it.
    Root,
    /// That of the blobs of an algorithm.
    Blobs(&'a str),
    /// The trash, there or yet to be made.
    Trash,
    /// A removal in the trash.
    Removal(&'a RemovalId),
}

/// Where a change writes.
#[derive(Debug, Default)]
pub(crate) struct Writes<'a> {
    /// Before anything goes: where one of these cannot be written, nothing changes.
    pub(crate) before: BTreeSet<Written<'a>>,
    /// What happens in each of these happens whatever becomes of the others.
    pub(crate) after: BTreeSet<Written<'a>>,
}

/// Why a change could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwritable {
    /// The directory that cannot be written.
    pub(crate) path: PathBuf,
    /// It lies on a file system that is mounted for reading only; otherwise this user may not.
    pub(crate) is_mounted_so: bool,
    /// Nothing at all could be changed, not only what lies there.
    pub(crate) is_all: bool,
}

impl<M> Locked<M> {
    /// Why a change could not be made, or not all of it.
    pub(crate) fn why_unwritable(&self, writes: &Writes<'_>) -> Option<Unwritable> {
        if let Some(refused) = writes.before.iter().find_map(|at| self.refusal(at)) {
            return Some(Unwritable {
                is_all: true,
                ..refused
            });
        }
        let refused: Vec<Unwritable> = writes
            .after
            .iter()
            .filter_map(|at| self.refusal(at))
            .collect();
        let is_all = writes.before.is_empty() && refused.len() == writes.after.len();
        let first = refused.into_iter().next()?;
        Some(Unwritable { is_all, ..first })
    }

    fn refusal(&self, at: &Written<'_>) -> Option<Unwritable> {
        let name = match at {
            Written::Root => ".".to_owned(),
            Written::Blobs(algorithm) => format!("blobs/{algorithm}"),
            Written::Trash => TRASH.to_owned(),
            Written::Removal(id) => format!("{TRASH}/{}", id.as_str()),
        };
        let (dir, mode) = (&self.layout.dir, Access::WRITE_OK | Access::EXEC_OK);
        let errno = match rustix::fs::accessat(dir, &*name, mode, AtFlags::EACCESS) {
            Ok(()) => return None,
            // It is made in the root.
            Err(Errno::NOENT) if *at == Written::Trash => return self.refusal(&Written::Root),
            Err(errno) => errno,
        };
        let is_mounted_so = match errno {
            Errno::ROFS => true,
            Errno::ACCESS | Errno::PERM => false,
            _ => return None,
        };
        let path = match at {
            Written::Root => self.path().to_owned(),
            _ => self.path().join(name),
        };
        Some(Unwritable {
            path,
            is_mounted_so,
            is_all: false,
        })
    }
}
