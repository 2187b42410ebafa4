//! The names in the layout's root, listed once, right after the lock was taken: lock files of others, what
//! killed runs left, and the trash. On a disk that is far away each question for a file that is not there
//! is a wait, and most of these are not there.

use std::ffi::CString;

use rustix::io::Errno;

use super::lock::{INDEX_LOCK, PODMAN_LOCK};
use super::{LAYOUT_LOCK, Layout, TRASH};
use crate::files::directory::each_of_few_once;
use crate::files::temporary::{Sight, is_temporary};

/// What lies in the root of a layout.
#[derive(Debug, Default)]
pub(super) struct RootNames {
    /// Temporary files of ours.
    pub(super) temporaries: Vec<CString>,
    pub(super) has_index_lock: bool,
    pub(super) has_podman_lock: bool,
    pub(super) has_trash: bool,
    has_layout_lock: bool,
}

impl RootNames {
    /// Lists the root of a layout that nobody listed since it was opened.
    ///
    /// # Errors
    /// A directory that cannot be listed.
    pub(super) fn list(layout: &Layout) -> Result<RootNames, Errno> {
        let mut names = RootNames::default();
        each_of_few_once(&layout.dir, &mut |name, kind| {
            // Where capital letters are the same as others, a file can be opened by either.
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            names.has_index_lock |= is(INDEX_LOCK);
            names.has_podman_lock |= is(PODMAN_LOCK);
            names.has_layout_lock |= is(LAYOUT_LOCK);
            names.has_trash |= is(TRASH);
            if is_temporary(name, kind) {
                names.temporaries.extend(CString::new(name));
            }
        })?;
        Ok(names)
    }

    /// As [`super::lock::LayoutLock::sight`].
    pub(super) fn sight(&self) -> Sight {
        match self.has_layout_lock {
            true => Sight::Dim,
            false => Sight::Clear,
        }
    }
}
