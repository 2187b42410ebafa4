//! Bringing back from the trash: blobs first, then index.json, then the trash is cleared.
//!
//! The order is the other way round than for deletion, for the same reason: an entry must not be in
//! index.json before its blobs are in the layout, for good. They leave the trash when it is, so that
//! whatever happens before leaves the trash as it was. Between any two files somebody can stop it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use super::{Attempt, Watch};
use crate::layout::{
    Exclusive, IndexWrite, LockOptions, Locked, RemovalId, RestoredBlob, Return, RootEdit, Trash,
};
use crate::oci::trash_record::TrashRecord;
use crate::value::digest::Digest;

/// Everything that comes back.
#[derive(Debug)]
pub struct Restore<'a> {
    /// index.json when it was decided.
    pub old_index: &'a [u8],
    /// index.json from now on; `None`: it stays.
    pub new_index: Option<&'a str>,
    /// Other files that change with it.
    pub root_edits: &'a [RootEdit],
    /// The trash that the blobs lie in.
    pub trash: &'a Trash,
    /// Blobs that come back.
    pub blobs: &'a BTreeSet<Digest>,
    /// Blobs that the layout has and that what comes back needs.
    pub stored: &'a BTreeSet<Digest>,
    /// How many bytes each of those that come back has, in their order.
    pub sizes: &'a [u64],
    /// What is left of records.
    pub records: &'a BTreeMap<RemovalId, TrashRecord>,
}

/// What became of it.
#[derive(Debug)]
pub enum Restored {
    /// All is back, in index.json too.
    Done {
        /// What could not be cleared away in the trash.
        failures: Vec<String>,
        /// What files that were replaced could not keep beside their bytes, a sentence for each.
        not_kept: Vec<String>,
        /// How many files of the trash were left to be cleared away, because somebody wanted this to stop.
        left: usize,
    },
    /// Somebody wanted this to stop: so many blobs are back, so many are not, and index.json is as it
    /// was.
    Stopped {
        /// Blobs that are back in the layout. The trash has them, too.
        back: usize,
        /// Blobs that the trash alone has.
        left: usize,
    },
}

/// Gives blobs names in the layout until all are there or somebody wants this to stop. The trash has
/// them still.
fn bring<'a, 'd>(
    layout: &'a Locked<Exclusive>,
    trash: &'a Trash,
    blobs: impl IntoIterator<Item = (&'d Digest, u64)>,
    watch: &Watch<'_>,
) -> anyhow::Result<(Return<'a>, RestoredBlobs)> {
    let mut coming = layout.begin_return(trash);
    let mut restored = RestoredBlobs::default();
    for (digest, bytes) in blobs {
        if (watch.stop)() {
            break;
        }
        let came = coming
            .bring(digest)
            .with_context(|| format!("cannot bring back the blob {digest}"))?;
        watch.progress.add(bytes);
        restored.tried += 1;
        restored.moved += usize::from(came == RestoredBlob::Done);
    }
    Ok((coming, restored))
}

fn sync(coming: &mut Return<'_>) -> anyhow::Result<()> {
    let synced = coming.sync();
    synced.context("cannot sync the directories of the blobs")
}

/// Moves blobs to which index.json leads already back into the layout, durably, until all are there or
/// somebody wants this to stop. The value tells how many were tried, and how many came.
///
/// # Errors
/// One that could not be moved. Those before it are in the layout, and in the trash as well.
pub fn restore_blobs<'d>(
    layout: &Locked<Exclusive>,
    trash: &Trash,
    blobs: impl IntoIterator<Item = (&'d Digest, u64)>,
    watch: &Watch<'_>,
) -> anyhow::Result<RestoredBlobs> {
    let (mut coming, restored) = bring(layout, trash, blobs, watch)?;
    sync(&mut coming)?;
    // A name that is left in the trash takes no room, and goes with it.
    coming.leave_trash(&|| false);
    Ok(restored)
}

/// How many blobs came back.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoredBlobs {
    /// Those that are in the layout now, some because they were there before.
    pub tried: usize,
    /// Those that the layout did not have.
    pub moved: usize,
}

/// Brings everything back.
///
/// # Errors
/// A blob that could not be moved, or index.json that could not be replaced. Blobs that are back
/// already stay; nothing is lost, and the same command finishes the work.
pub fn restore(
    layout: Locked<Exclusive>,
    change: &Restore<'_>,
    options: &LockOptions<'_>,
    watch: &Watch<'_>,
) -> anyhow::Result<Attempt<Restored>> {
    let stop = watch.stop;
    layout.refuse_odd_index(true)?;
    let bytes = change.sizes.iter().copied().fold(0, u64::saturating_add);
    let number = change.blobs.len() + change.stored.len();
    watch.progress.expect(number as u64, bytes);
    let sizes = change.sizes.iter().copied().chain(std::iter::repeat(0));
    let (mut coming, blobs) = bring(&layout, change.trash, change.blobs.iter().zip(sizes), watch)?;
    for digest in change.stored {
        if stop() {
            break;
        }
        let kept = coming.bring(digest);
        kept.with_context(|| format!("cannot make the blob {digest} durable"))?;
        watch.progress.add(0);
    }
    sync(&mut coming)?;
    if stop() {
        return Ok(Attempt::Done(Restored::Stopped {
            back: blobs.tried,
            left: change.blobs.len() - blobs.tried,
        }));
    }
    let new = change.new_index.map(|new| [new.as_bytes()]);
    let new = new.as_ref().map(|new| &new[..]);
    let written = layout.replace_index(change.old_index, new, change.root_edits, options)?;
    let not_kept = match written {
        IndexWrite::Done { not_kept } => not_kept,
        IndexWrite::NotDurable(reason) => {
            // The trash keeps all that it has.
            let what = "index.json was replaced, and that could not be made durable";
            let means = "the names are back and so are all blobs, and after a power cut the names may be gone \
                         again; the trash is as it was, and the same command finishes the work";
            return Ok(Attempt::Done(Restored::Done {
                failures: vec![format!("{what} ({reason}): {means}")],
                not_kept: Vec::new(),
                left: 0,
            }));
        }
        IndexWrite::ChangedMeanwhile => {
            drop(coming);
            return Ok(Attempt::IndexChanged(layout));
        }
    };
    let (mut left, mut failures) = coming.leave_trash(stop);
    for (id, record) in change.records {
        if stop() {
            left += 1;
            continue;
        }
        let settle = || -> anyhow::Result<()> {
            let weights = layout.weigh_removals(std::slice::from_ref(id), [])?;
            if record.is_empty() && weights.iter().all(|weight| weight.blobs == 0) {
                layout.empty_removal(id)?;
            } else {
                layout.replace_record(id, &record.bytes())?;
            }
            Ok(())
        };
        if let Err(error) = settle() {
            failures.push(format!("{error:#}"));
        }
    }
    Ok(Attempt::Done(Restored::Done {
        failures,
        not_kept,
        left,
    }))
}
