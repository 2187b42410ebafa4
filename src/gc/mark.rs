//! Marking: what the entries that stay lead to.

use std::collections::BTreeSet;

use crate::layout::RootEdit;
use crate::oci::index::EntryEdit;
use crate::plan::Plan;
use crate::snapshot::Snapshot;
use crate::snapshot::graph::{Follow, NodeId};
use crate::snapshot::reachability::{Reachability, Start};
use crate::snapshot::records::{RecordId, RecordKind};

/// What stays, and because of whom.
#[derive(Clone, Debug, Default)]
pub struct Live {
    holders: Vec<Option<Holder>>,
    /// Changes to the files of an unpacked `docker save` that go with the plan.
    pub root_edits: Vec<RootEdit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Record(RecordId),
    /// An image of `manifest.json`, an odd entry, or another layout.
    Other,
}

impl Live {
    /// Whether a blob stays.
    pub fn contains(&self, node: NodeId) -> bool {
        self.holders[node.index()].is_some()
    }

    /// The first record that needs a blob; `None` also when something else than a record does.
    pub fn holder(&self, node: NodeId) -> Option<RecordId> {
        match self.holders[node.index()] {
            Some(Holder::Record(id)) => Some(id),
            Some(Holder::Other) | None => None,
        }
    }
}

/// Marks everything that stays under the plan.
pub fn mark(snapshot: &Snapshot, plan: &Plan) -> Live {
    let graph = &snapshot.graph;
    let mut holders = vec![None; graph.len()];
    let mut reach = Reachability::without(graph, &plan.removed_parts);
    for (id, record) in snapshot.records.iter() {
        // Parts of other images are held by those, without what they lost.
        if plan.kept[id.index()] && record.kind != RecordKind::Child {
            let start = plan.start(snapshot, id);
            reach.walk(graph, start, Follow::Subjects, &mut |node, _| {
                holders[node.index()].get_or_insert(Holder::Record(id));
            });
        }
    }
    // What odd entries and other layouts lead to, they need whole.
    let mut whole = Reachability::new(graph);
    for (position, entry) in snapshot.index.entries().iter().enumerate() {
        if plan.edits.get(&position) == Some(&EntryEdit::Remove) {
            continue;
        }
        for node in entry.more_digests.iter().filter_map(|d| graph.find(d)) {
            whole.walk(
                graph,
                Start::Image(node),
                Follow::Subjects,
                &mut |node, _| {
                    holders[node.index()].get_or_insert(Holder::Other);
                },
            );
        }
    }
    for node in &snapshot.sharer_roots {
        whole.walk(
            graph,
            Start::Image(*node),
            Follow::Subjects,
            &mut |node, _| {
                holders[node.index()].get_or_insert(Holder::Other);
            },
        );
    }
    // An image of manifest.json goes with the last entry that led to its config. One that no
    // entry ever led to is an image that only `docker load` knows, and stays.
    let mut dropped = BTreeSet::new();
    for (number, item) in snapshot.archive.items().iter().enumerate() {
        let config = item.config.as_ref().and_then(|digest| graph.find(digest));
        let lost = config
            .is_some_and(|config| graph.has_parent(config) && holders[config.index()].is_none());
        if lost {
            dropped.insert(number);
            continue;
        }
    }
    for (number, blobs) in snapshot.archive_blobs.iter().enumerate() {
        if !dropped.contains(&number) {
            for node in blobs {
                holders[node.index()].get_or_insert(Holder::Other);
            }
        }
    }
    Live {
        holders,
        root_edits: snapshot.archive.edited(&plan.names_gone, &dropped),
    }
}
