//! What the trash and the layout need of each other.

use std::collections::HashMap;

use super::mark;
use crate::layout::{RemovalId, Trash};
use crate::plan::Draft;
use crate::snapshot::Snapshot;
use crate::snapshot::graph::Follow;
use crate::snapshot::reachability::{Reachability, Start};
use crate::snapshot::removed_parts::RemovedParts;
use crate::value::digest::Digest;

/// Blobs of the trash that index.json leads to: a program that read it before a removal wrote it
/// back after, or wrote an entry that counts on a blob which was there a moment ago. What images
/// lost on purpose (`removed_parts`) is not among them. `snapshot` is the one with the trash.
pub fn reappeared(snapshot: &Snapshot, trash: &Trash, removed_parts: RemovedParts) -> Vec<Digest> {
    let mut plan = Draft::new(snapshot).finish();
    plan.removed_parts = removed_parts;
    let live = mark(snapshot, &plan);
    let is_live = |digest: &&Digest| {
        let node = snapshot.graph.find(digest);
        node.is_some_and(|node| live.contains(node))
    };
    let mut found: Vec<Digest> = trash.blobs().filter(is_live).cloned().collect();
    found.sort();
    found
}

/// Blobs that entries and manifests in the trash need, wherever they lie, and the latest removal that
/// needs each: they must not be deleted as long as that can be restored. `removals` are in the order
/// of time, each with what it leads to.
pub fn needed_by_trash<'r>(
    removals: impl DoubleEndedIterator<Item = &'r (RemovalId, Snapshot)>,
) -> HashMap<Digest, RemovalId> {
    let mut needed = HashMap::new();
    for (id, snapshot) in removals.rev() {
        let graph = &snapshot.graph;
        let mut reach = Reachability::new(graph);
        let records = snapshot.records.iter().map(|(_, record)| record.target);
        for start in records.chain(snapshot.sharer_roots.iter().copied()) {
            let start = Start::Image(start);
            reach.walk(graph, start, Follow::Subjects, &mut |node, _| {
                let digest = graph.digest(node).clone();
                needed.entry(digest).or_insert_with(|| id.clone());
            });
        }
    }
    needed
}
