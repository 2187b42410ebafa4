//! What the trash and the layout need of each other: blobs in the trash that index.json leads to again
//! come back, and what its entries need is not deleted.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::garbage::{Destination, Garbage};
use crate::layout::{Locked, Presence, RemovalId, Shared, Trash, Weight};
use crate::oci::trash_record::{self, TrashRecord};
use crate::plan::Plan;
use crate::snapshot::removed_parts::removed_parts;
use crate::snapshot::{
    Follow, Holders, NodeId, NodeKind, Reachability, Snapshot, Start, Trashed, View,
};
use crate::value::digest::Digest;
use crate::workers::Workers;

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

/// What of some blobs of the trash is damaged there, and what is wrong with it: documents and configs that
/// are not what their digests say, and what does not have the size that its descriptor says.
pub fn damage_in_trash<M>(
    layout: &Locked<M>,
    view: &View,
    trash: &Trash,
    blobs: &[Digest],
) -> BTreeMap<Digest, String> {
    let graph = &view.graph;
    let of_documents = graph.damage().iter();
    let of_documents: HashMap<NodeId, &String> =
        of_documents.map(|d| (d.node, &d.reason)).collect();
    let mut found = BTreeMap::new();
    for digest in blobs {
        let Some(node) = graph
            .find(digest)
            .filter(|n| !graph.is_present_document(*n))
        else {
            continue;
        };
        if let Some(reason) = of_documents.get(&node) {
            found.insert(digest.clone(), (*reason).clone());
            continue;
        }
        let size = graph.declared_size(node);
        let looked = match graph.kind(node) {
            NodeKind::ImageConfig | NodeKind::Config => layout.verify_trashed(trash, digest, size),
            _ => layout.look_at_trashed(trash, digest, size),
        };
        if let Err(error) = looked {
            found.insert(digest.clone(), error.to_string());
        }
    }
    found
}

/// What a run that deletes does with the trash.
#[derive(Debug, Default)]
pub struct TrashUse {
    /// What goes, goes there.
    pub to_trash: bool,
    /// Which command it is, for the record of what goes there.
    pub command: Option<&'static str>,
    /// Removals that are old enough to be deleted for good, and what lies with them.
    pub expired: Vec<(RemovalId, Weight)>,
    /// Removals that are dated in the future and stay.
    pub of_the_future: Vec<Timestamp>,
    /// How many blobs a real run brings back before it begins.
    pub reappeared: usize,
    /// How much of the garbage stays because the trash of a layout that shares the blobs needs it.
    pub needed_by_sharers: usize,
    /// What the images that go to the trash need, and neither the layout nor the trash has.
    pub missing: Vec<Digest>,
}

/// What a run was told about the trash.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrashOptions {
    /// What goes, goes there.
    pub to_trash: bool,
    /// Which command it is, for the record of what goes there.
    pub command: Option<&'static str>,
    /// Removals from before this time are deleted for good, unless a later one needs what lies with
    /// them.
    pub expire_before: Option<Timestamp>,
    /// The time by which removals are in the future, if anybody wants to know.
    pub now: Option<Timestamp>,
}

impl TrashUse {
    /// Gives garbage its destination: the trash if that was asked for, or if something in there needs
    /// it. What the trash of a layout that shares the blobs needs is taken out of the garbage. `view`
    /// and `plan` are what the garbage was found with.
    ///
    /// # Errors
    /// A trash that cannot be listed.
    pub fn decide<M>(
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        (view, plan): (&View, &Plan),
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
        let of_the_future = trash.removals().iter().filter(|removal| {
            let is_later = options.now.is_some_and(|now| removal.at > now);
            is_later && !old.contains(&removal.id)
        });
        let of_the_future = of_the_future.map(|removal| removal.at).collect();
        let missing = match options.to_trash {
            true => missing(layout, &trash, view, plan, garbage),
            false => Vec::new(),
        };
        garbage.send_to_trash(options.to_trash, &needed, &stays);
        let away = garbage.blobs.iter();
        let away = away.filter(|blob| blob.destination == Destination::Away);
        let weights = layout.weigh_removals(&old, away.map(|blob| &blob.digest))?;
        let expired: Vec<(RemovalId, Weight)> = old.into_iter().zip(weights).collect();
        Ok(TrashUse {
            to_trash: options.to_trash,
            command: options.command,
            expired,
            of_the_future,
            reappeared: 0,
            needed_by_sharers,
            missing,
        })
    }
}

/// What the images that a plan takes away need, and what nobody has: whoever brings them back misses
/// nothing of that. Garbage is there, so of what is left files are looked at, each once.
fn missing<M>(
    layout: &Locked<M>,
    trash: &Trash,
    view: &View,
    plan: &Plan,
    garbage: &Garbage,
) -> Vec<Digest> {
    let graph = &view.graph;
    let mut is_there = vec![false; graph.len()];
    for node in garbage.blobs.iter().filter_map(|blob| blob.node) {
        is_there[node.index()] = true;
    }
    let ids = plan
        .edits
        .keys()
        .filter_map(|at| view.records.of_entry(*at));
    let images = ids.map(|id| view.records.record(id).target);
    let parts = plan.removed_parts.values().flatten().copied();
    let mut reachability = Reachability::new(graph);
    let mut asked: Vec<NodeId> = Vec::new();
    for start in images.chain(parts) {
        let start = Start::Image(start);
        reachability.walk(graph, start, Follow::Needed, &mut |node, _| {
            if !std::mem::replace(&mut is_there[node.index()], true) {
                asked.push(node);
            }
        });
    }
    let look = |node: &NodeId, _: &mut Vec<u8>| {
        let digest = graph.digest(*node);
        trash.contains(digest)
            || matches!(
                layout.look_at_blob(digest, None),
                Ok(Presence::Whole | Presence::Stub)
            )
    };
    let found = Workers::for_reading().map(&asked, &look, || ());
    let missing = asked.iter().zip(found).filter(|(_, is_there)| !is_there);
    let mut missing: Vec<Digest> = missing
        .map(|(node, _)| graph.digest(*node).clone())
        .collect();
    missing.sort();
    missing
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
