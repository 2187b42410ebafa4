//! The layouts of one command, locked together: the one that it is about, and those that share its
//! blobs, which are only read.
//!
//! Two commands may name each other's layouts, each changing what the other one reads. So the locks of
//! all directories are taken in one order that every process finds, device and inode of the
//! directories, whatever the order on the command line. Then whoever has to wait holds nothing that the
//! one that is waited for still wants.

use std::sync::atomic::Ordering;

use anyhow::Context as _;

use super::lock::{Hold, LayoutLock, LockOptions};
use super::root_names::RootNames;
use super::{Exclusive, Layout, Locked, Shared, lock};

impl Layout {
    /// Locks for reading, together with layouts that share the blobs.
    ///
    /// # Errors
    /// As [`Layout::lock_shared`].
    pub(crate) fn lock_shared_with(
        self,
        sharers: Vec<Layout>,
        options: &LockOptions<'_>,
    ) -> anyhow::Result<(Locked<Shared>, Vec<Locked<Shared>>)> {
        let (own, locks) = in_order(&self, Hold::Shared, &sharers, options)?;
        Ok((Locked::new(self, own)?, for_reading(sharers, locks)?))
    }

    /// Locks for changing, and layouts that share the blobs for reading.
    ///
    /// # Errors
    /// As [`Layout::lock_exclusive`].
    pub(crate) fn lock_exclusive_with(
        self,
        sharers: Vec<Layout>,
        options: &LockOptions<'_>,
    ) -> anyhow::Result<(Locked<Exclusive>, Vec<Locked<Shared>>)> {
        if !options.allow_unsafe_mount
            && let Some(unsafe_mount) = self.unsafe_mount()
        {
            return Err(unsafe_mount.refusal().into());
        }
        let (mut own, locks) = in_order(&self, Hold::Exclusive, &sharers, options)?;
        let mut root = None;
        if options.enabled {
            let context = || format!("cannot list `{}`", self.path().display());
            let names = RootNames::list(&self).with_context(context)?;
            if names.has_podman_lock {
                own = own.with_podman(&self, options)?;
            }
            root = Some(names);
        }
        let locked = Locked::new(self, own)?;
        if let Some(names) = root {
            locked
                .has_no_trash
                .store(!names.has_trash, Ordering::Relaxed);
            locked.remove_stale_temporaries(&names)?;
            if names.has_index_lock {
                lock::remove_stale_index_lock(&locked.layout);
            }
        }
        Ok((locked, for_reading(sharers, locks)?))
    }
}

fn for_reading(
    sharers: Vec<Layout>,
    locks: Vec<LayoutLock>,
) -> anyhow::Result<Vec<Locked<Shared>>> {
    let layouts = sharers.into_iter().zip(locks);
    layouts
        .map(|(layout, lock)| Locked::new(layout, lock))
        .collect()
}

/// Takes the layout locks. The values have the order of the arguments.
fn in_order(
    own: &Layout,
    hold: Hold,
    sharers: &[Layout],
    options: &LockOptions<'_>,
) -> anyhow::Result<(LayoutLock, Vec<LayoutLock>)> {
    if sharers.is_empty() {
        let own = LayoutLock::of_directory(own, options, hold, hold == Hold::Exclusive)?;
        return Ok((own, Vec::new()));
    }
    let mut order = vec![(own.id()?, None)];
    for (number, layout) in sharers.iter().enumerate() {
        order.push((layout.id()?, Some(number)));
    }
    order.sort();
    // Those of sharers are taken for the change, which deletes what nobody of them needs.
    let is_change = hold == Hold::Exclusive;
    let mut of_own = None;
    let mut of_sharers: Vec<(usize, LayoutLock)> = Vec::with_capacity(sharers.len());
    for (_, number) in order {
        match number {
            Some(number) => {
                let lock =
                    LayoutLock::of_directory(&sharers[number], options, Hold::Shared, is_change)?;
                of_sharers.push((number, lock));
            }
            None => of_own = Some(LayoutLock::of_directory(own, options, hold, is_change)?),
        }
    }
    of_sharers.sort_by_key(|(number, _)| *number);
    let of_own = match of_own {
        Some(lock) => lock,
        None => LayoutLock::of_directory(own, options, hold, is_change)?,
    };
    Ok((
        of_own,
        of_sharers.into_iter().map(|(_, lock)| lock).collect(),
    ))
}
