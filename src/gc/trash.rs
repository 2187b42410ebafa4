//! What the trash and the layout need of each other: blobs in the trash that index.json leads to again
//! come back, and what its entries need is not deleted.

use std::collections::HashMap;

use jiff::Timestamp;

use super::garbage::{Destination, Garbage};
use crate::layout::{Locked, RemovalId, Shared, Trash, Weight};
use crate::oci::trash_record::{self, TrashRecord};
use crate::snapshot::removed_parts::removed_parts;
use crate::snapshot::{Follow, Holders, Reachability, Snapshot, Start, Trashed, View};
use crate::value::digest::Digest;

/// Blobs of the trash that index.json leads to: a program that read it before a removal wrote it
/// back after, or wrote an entry that counts on a blob which was there a moment ago. What images
/// lost on purpose is not among them. `view` is what is there together with the trash.
pub fn reappeared(view: &View, trash: &Trash) -> Vec<Digest> {
    let records = trash_record::records(trash);
    let records = records.iter().map(|(id, record)| (*id, record));
    let removed_parts = removed_parts(records, trash, &view.graph);
    let holders = Holders::of_all(view, &removed_parts);
    let is_held = |digest: &&Digest| {
        let node = view.graph.find(digest);
        node.is_some_and(|node| holders.contains(node))
    };
    let mut found: Vec<Digest> = trash.blobs().filter(is_held).cloned().collect();
    found.sort();
    found
}

/// What a run that deletes does with the trash.
#[derive(Debug, Default)]
pub struct TrashUse {
    /// What goes, goes there.
    pub to_trash: bool,
    /// Removals that are old enough to be deleted for good, and what lies with them.
    pub expired: Vec<(RemovalId, Weight)>,
    /// How many blobs a real run brings back before it begins.
    pub reappeared: usize,
    /// How much of the garbage stays because the trash of a layout that shares the blobs needs it.
    pub needed_by_sharers: usize,
}

/// What a run was told about the trash.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrashOptions {
    /// What goes, goes there.
    pub to_trash: bool,
    /// Removals from before this time are deleted for good, unless a later one needs what lies with
    /// them.
    pub expire_before: Option<Timestamp>,
}

impl TrashUse {
    /// Gives garbage its destination: the trash if that was asked for, or if something in there needs
    /// it. What the trash of a layout that shares the blobs needs is taken out of the garbage.
    ///
    /// # Errors
    /// A trash that cannot be listed.
    pub fn decide<M>(
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        garbage: &mut Garbage,
        options: TrashOptions,
    ) -> anyhow::Result<TrashUse> {
        let needed_by_sharers = leave_to_sharers(sharers, garbage)?;
        let trash = layout.trash()?;
        let is_old = |at: Timestamp| options.expire_before.is_some_and(|time| at <= time);
        let old = trash.removals().iter().filter(|removal| is_old(removal.at));
        let mut old: Vec<RemovalId> = old.map(|removal| removal.id.clone()).collect();
        let needed = needed(layout, &trash, &old);
        old.retain(|id| {
            let mut blobs = trash.blobs_of(id).iter();
            !blobs.any(|digest| needed.contains_key(digest))
        });
        let stays = |digest: &Digest| {
            let place = trash.place(digest);
            place.is_some_and(|id| !old.contains(id))
        };
        garbage.send_to_trash(options.to_trash, &needed, &stays);
        let away = garbage.blobs.iter();
        let away = away.filter(|blob| blob.destination == Destination::Away);
        let weights = layout.weigh_removals(&old, away.map(|blob| &blob.digest))?;
        let expired: Vec<(RemovalId, Weight)> = old.into_iter().zip(weights).collect();
        Ok(TrashUse {
            to_trash: options.to_trash,
            expired,
            reappeared: 0,
            needed_by_sharers,
        })
    }
}

/// Takes out of the garbage what the trash of a layout that shares the blobs needs, and says how much
/// that was.
fn leave_to_sharers(sharers: &[Locked<Shared>], garbage: &mut Garbage) -> anyhow::Result<usize> {
    let all = garbage.blobs.len();
    for sharer in sharers {
        let trash = sharer.trash()?;
        let needed = needed(sharer, &trash, &[]);
        if !needed.is_empty() {
            let blobs = &mut garbage.blobs;
            blobs.retain(|blob| !needed.contains_key(&blob.digest));
        }
    }
    Ok(all - garbage.blobs.len())
}

/// What removals in the trash need, wherever it lies, apart from some, and the latest removal that
/// needs each: it must not be deleted as long as that can be restored. Of one whose record is not
/// understood, every blob may be a manifest.
fn needed<M>(
    layout: &Locked<M>,
    trash: &Trash,
    apart_from: &[RemovalId],
) -> HashMap<Digest, RemovalId> {
    let mut known: HashMap<&RemovalId, TrashRecord> =
        trash_record::records(trash).into_iter().collect();
    let mut needed = HashMap::new();
    for removal in trash.removals().iter().rev() {
        if apart_from.contains(&removal.id) {
            continue;
        }
        let snapshot = match known.remove(&removal.id) {
            Some(record) => {
                let documents = record.documents.iter().filter_map(|text| text.parse().ok());
                let documents: Vec<Digest> = documents.collect();
                Snapshot::of_removal(layout, trash, &record.entries, &documents)
            }
            None => Snapshot::of_removal(layout, trash, &[], &removal.blobs),
        };
        need(&snapshot, &removal.id, &mut needed);
    }
    needed
}

fn need(snapshot: &Snapshot<Trashed>, id: &RemovalId, needed: &mut HashMap<Digest, RemovalId>) {
    let graph = &snapshot.graph;
    let mut reachability = Reachability::new(graph);
    let targets = snapshot.records.iter().map(|(_, record)| record.target);
    for start in targets.chain(snapshot.sharer_roots.iter().copied()) {
        let start = Start::Image(start);
        reachability.walk(graph, start, Follow::Subjects, &mut |node, _| {
            let digest = graph.digest(node).clone();
            needed.entry(digest).or_insert_with(|| id.clone());
        });
    }
}
