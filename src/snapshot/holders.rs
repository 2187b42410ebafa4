//! Holders: which blobs are held when some records are left, and by whom.
//!
//! Planning asks this before a platform is taken away, and marking before anything is deleted. The
//! roots are the records that are left, the digests that odd entries name besides, what index.json
//! itself is about, what layouts that share the blobs lead to, and the images of `manifest.json`.

use std::collections::BTreeSet;

use super::claims::Settled;
use super::digests::number;
use super::graph::{Follow, NodeId};
use super::reachability::{Reachability, Start};
use super::records::{RecordId, RecordKind};
use super::removed_parts::{RemovedParts, all_parts};
use super::view::View;

/// See the module.
#[derive(Clone, Debug)]
pub struct Holders {
    of_node: Vec<Holder>,
    /// Images of `manifest.json` that go, by number.
    pub lost_archive_images: BTreeSet<usize>,
}

/// What holds a blob: the number of a record, or a number that no record has. There is one for each blob of a
/// layout, and an enum of these would take twice the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder(u32);

impl Holder {
    const NOBODY: Holder = Holder(u32::MAX);
    /// An image of `manifest.json`, an odd entry, or another layout.
    const OTHER: Holder = Holder(u32::MAX - 1);

    fn record(id: RecordId) -> Holder {
        Holder(number(id.index()))
    }

    /// Takes what nobody holds yet.
    fn hold_for(&mut self, holder: Holder) {
        if *self == Holder::NOBODY {
            *self = holder;
        }
    }
}

impl Holders {
    /// Finds out who holds what when everything stays, apart from what images lost before.
    pub fn of_all(view: &View, removed_parts: &RemovedParts) -> Holders {
        let (all, none) = (Settled::default(), BTreeSet::new());
        Holders::of(view, &all, &none, &|id| view.start(id), removed_parts)
    }

    /// Finds out who holds what of the records that stay. `names_gone` are the full names that no
    /// record has any more, `start` says where the image of a record begins, `removed_parts` what
    /// images lost.
    pub fn of<'s>(
        view: &View,
        settled: &Settled,
        names_gone: &BTreeSet<String>,
        start: &dyn Fn(RecordId) -> Start<'s>,
        removed_parts: &RemovedParts,
    ) -> Holders {
        let graph = &view.graph;
        let mut of_node = vec![Holder::NOBODY; graph.len()];
        let mut reachability = Reachability::without(graph, removed_parts);
        let lost = all_parts(removed_parts);
        let mut of_referrers = (!lost.is_empty()).then(|| Reachability::passing_over(graph, &lost));
        for (id, record) in view.records.iter() {
            // Parts of other images are held by those, without what they lost.
            if settled.is_walked(id, record) {
                let is_referrer = record.kind == RecordKind::Referrer;
                let of_referrers = of_referrers.as_mut().filter(|_| is_referrer);
                let reachability = of_referrers.unwrap_or(&mut reachability);
                reachability.walk(graph, start(id), Follow::Subjects, &mut |node, _| {
                    of_node[node.index()].hold_for(Holder::record(id));
                });
            }
        }
        // What odd entries and other layouts lead to, they need whole.
        let mut whole = Reachability::new(graph);
        let entries = view.index.entries().iter().enumerate();
        let odd = entries
            .filter(|(position, _)| {
                let record = view.records.of_entry(*position);
                record.is_none_or(|id| settled.stays(id))
            })
            .flat_map(|(_, entry)| &entry.more_digests)
            .filter_map(|digest| graph.find(digest));
        let roots = view.sharer_roots.iter().chain(graph.index_subjects());
        for node in odd.chain(roots.copied()) {
            whole.walk(
                graph,
                Start::Image(node),
                Follow::Subjects,
                &mut |node, _| {
                    of_node[node.index()].hold_for(Holder::OTHER);
                },
            );
        }
        let mut holders = Holders {
            of_node,
            lost_archive_images: BTreeSet::new(),
        };
        holders.hold_archive(view, names_gone);
        holders
    }

    /// An image of `manifest.json` goes with the last entry that led to its config, if no name of its
    /// own is left. One that no entry ever led to is an image that only `docker load` knows, and
    /// stays.
    fn hold_archive(&mut self, view: &View, names_gone: &BTreeSet<String>) {
        let graph = &view.graph;
        for (number, item) in view.archive.items().iter().enumerate() {
            let config = item.config.as_ref().and_then(|digest| graph.find(digest));
            let is_lost = |config| graph.has_parent(config) && !self.contains(config);
            if !config.is_some_and(is_lost) {
                continue;
            }
            let mut has_name = false;
            view.archive.names(item, &mut |name| {
                has_name = name.is_none_or(|name| !names_gone.contains(&name));
                !has_name
            });
            if !has_name {
                self.lost_archive_images.insert(number);
            }
        }
        for (number, blobs) in view.archive_blobs.iter().enumerate() {
            if !self.lost_archive_images.contains(&number) {
                for node in blobs {
                    self.of_node[node.index()].hold_for(Holder::OTHER);
                }
            }
        }
    }

    /// Whether anything holds a blob.
    pub fn contains(&self, node: NodeId) -> bool {
        self.of_node[node.index()] != Holder::NOBODY
    }

    /// The first record that holds a blob; `None` also when something else than a record does.
    pub fn record(&self, node: NodeId) -> Option<RecordId> {
        match self.of_node[node.index()] {
            Holder::NOBODY | Holder::OTHER => None,
            Holder(record) => Some(RecordId::new(record as usize)),
        }
    }
}
