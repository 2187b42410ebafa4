//! What every command has to do with the trash: blobs in it that index.json leads to again come
//! back, and what its entries need is not deleted.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::Session;
use crate::commit::restore_blobs;
use crate::gc::{self, Garbage};
use crate::layout::{Exclusive, Locked, RecordFile, RemovalId, Shared, Trash, Weight};
use crate::oci::trash_record;
use crate::oci::trash_record::TrashRecord;
use crate::plan::restore::Removed;
use crate::report::units::size;
use crate::snapshot::Snapshot;
use crate::snapshot::removed_parts;
use crate::value::digest::Digest;
use crate::words::count;

/// Blobs in the trash that index.json leads to although the layout does not have them.
pub(super) fn reappeared<M>(
    session: &Session,
    layout: &Locked<M>,
) -> anyhow::Result<(Trash, Vec<Digest>)> {
    let trash = layout.trash()?;
    if trash.blobs().next().is_none() {
        return Ok((trash, Vec::new()));
    }
    let snapshot = session.load_with(layout, &[], &trash)?;
    let records = trash_record::records(&trash);
    let named = records.iter().map(|(id, record)| (*id, record));
    let removed_parts = removed_parts::removed_parts(named, &trash, &snapshot.graph);
    let mut back = gc::reappeared(&snapshot, &trash, removed_parts);
    back.retain(|digest| matches!(layout.stat_blob(digest), Ok(None)));
    Ok((trash, back))
}

/// Brings them back, and clears away removals that a killed run left without anything in them.
pub(super) fn restore_reappeared(
    session: &Session,
    layout: &Locked<Exclusive>,
) -> anyhow::Result<()> {
    let (trash, back) = reappeared(session, layout)?;
    if !back.is_empty() {
        session.interrupt.begin_change();
        let bytes = bytes(layout, &trash, &back);
        let came = restore_blobs(layout, &trash, &back)?;
        session.console.say(&format!(
            "Brought {} ({}) back from the trash: index.json leads to them again.",
            count(came.len(), "blob", "blobs"),
            size(bytes)
        ));
        session.interrupt.reported();
    }
    for removal in trash.removals() {
        if removal.record == RecordFile::Missing && removal.blobs.is_empty() {
            // Not being able to remove garbage is no reason not to do what was asked.
            let _ = layout.empty_removal(&removal.id);
        }
    }
    Ok(())
}

/// Bytes of blobs in the trash.
pub(super) fn bytes<'d, M>(
    layout: &Locked<M>,
    trash: &Trash,
    blobs: impl IntoIterator<Item = &'d Digest>,
) -> u64 {
    blobs.into_iter().fold(0, |sum: u64, digest| {
        sum.saturating_add(layout.size_of_trashed(trash, digest))
    })
}

/// The removals in the trash that are understood, oldest first, with what their entries lead to.
pub(super) fn removed<M>(layout: &Locked<M>, trash: &Trash) -> Vec<Removed> {
    let records = trash_record::records(trash).into_iter();
    records
        .map(|(id, record)| Removed {
            id: id.clone(),
            snapshot: Snapshot::of_removal(layout, trash, &record.rows, &[]),
            blobs: blobs_of(trash, id),
            record,
        })
        .collect()
}

fn blobs_of(trash: &Trash, id: &RemovalId) -> HashSet<Digest> {
    let removal = trash.removals().iter().find(|removal| removal.id == *id);
    removal
        .map(|removal| removal.blobs.iter().cloned().collect())
        .unwrap_or_default()
}

/// What removals in the trash need, apart from some. Of one whose record is not understood, every
/// blob may be a manifest.
fn needed<M>(
    layout: &Locked<M>,
    trash: &Trash,
    apart_from: &[RemovalId],
) -> HashMap<Digest, RemovalId> {
    let mut known: HashMap<&RemovalId, TrashRecord> =
        trash_record::records(trash).into_iter().collect();
    let is_left = |id: &RemovalId| !apart_from.contains(id);
    let removals = trash.removals().iter().filter(|one| is_left(&one.id));
    let removals: Vec<(RemovalId, Snapshot)> = removals
        .map(|one| {
            let snapshot = match known.remove(&one.id) {
                Some(record) => {
                    let documents = record.documents.iter();
                    let documents: Vec<Digest> =
                        documents.filter_map(|text| text.parse().ok()).collect();
                    Snapshot::of_removal(layout, trash, &record.rows, &documents)
                }
                None => Snapshot::of_removal(layout, trash, &[], &one.blobs),
            };
            (one.id.clone(), snapshot)
        })
        .collect();
    gc::needed_by_trash(removals.iter())
}

/// What a run that deletes does with the trash.
#[derive(Debug, Default)]
pub(super) struct Disposal {
    /// What goes, goes there.
    pub(super) into_trash: bool,
    /// Removals that are old enough to be deleted for good.
    pub(super) expired: Vec<(RemovalId, Weight)>,
    /// How many blobs a real run brings back before it begins.
    pub(super) waiting: usize,
    /// How much of the garbage stays because the trash of a layout that shares it needs it.
    pub(super) needed_by_sharers: usize,
}

/// Sends garbage where it belongs: to the trash if that was asked for, or if something in there
/// needs it. What the trash of a layout that shares the blobs needs stays. Removals from before
/// `expire` are deleted for good, unless a later one needs what lies with them.
pub(super) fn dispose<M>(
    layout: &Locked<M>,
    sharers: &[Locked<Shared>],
    garbage: &mut Garbage,
    into_trash: bool,
    expire: Option<Timestamp>,
) -> anyhow::Result<Disposal> {
    let all = garbage.blobs.len();
    for other in sharers {
        let trash = other.trash()?;
        if !trash.is_empty() {
            let needed = needed(other, &trash, &[]);
            garbage
                .blobs
                .retain(|blob| !needed.contains_key(&blob.digest));
        }
    }
    let trash = layout.trash()?;
    let mut disposal = Disposal {
        into_trash,
        needed_by_sharers: all - garbage.blobs.len(),
        ..Disposal::default()
    };
    let old = trash.removals().iter();
    let old = old.filter(|removal| expire.is_some_and(|moment| removal.at <= moment));
    let old: Vec<RemovalId> = old.map(|removal| removal.id.clone()).collect();
    let needed = match trash.is_empty() {
        true => HashMap::new(),
        false => needed(layout, &trash, &old),
    };
    let old: Vec<RemovalId> = old
        .into_iter()
        .filter(|id| {
            let blobs = blobs_of(&trash, id);
            !blobs.iter().any(|digest| needed.contains_key(digest))
        })
        .collect();
    let weights = layout.weigh_removals(&old)?;
    disposal.expired = old.into_iter().zip(weights).collect();
    let stays = |digest: &Digest| {
        let place = trash.place(digest);
        place.is_some_and(|id| !disposal.expired.iter().any(|(other, _)| other == id))
    };
    garbage.into_trash(into_trash, &needed, &stays);
    Ok(disposal)
}
