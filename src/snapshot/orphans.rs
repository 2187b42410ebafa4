//! Orphans: referrers whose subject is gone. Nothing but what refers to it leads there.
//!
//! Referrers without a name live and die with their subject. One to which somebody gave a name stays,
//! and is found here when its subject goes, or is gone.

use std::collections::{HashMap, HashSet};

use super::graph::{Follow, NodeId};
use super::names::schema_subject;
use super::reachability::{Reachability, Start};
use super::records::{Record, RecordId, RecordKind};
use super::removed_parts::RemovedParts;
use super::view::View;

/// The orphans among all records of a layout.
pub fn orphans(view: &View) -> HashSet<RecordId> {
    let none = RemovedParts::new();
    orphans_of(view, &|_| true, &|id| view.start(id), &none)
}

/// The orphans among the records that are left. `start` says where the image of a record begins,
/// `removed_parts` what images lost.
pub fn orphans_of<'s>(
    view: &View,
    left: &dyn Fn(RecordId) -> bool,
    start: &dyn Fn(RecordId) -> Start<'s>,
    removed_parts: &RemovedParts,
) -> HashSet<RecordId> {
    let graph = &view.graph;
    let mut orphans = HashSet::new();
    let mut waiting: HashMap<NodeId, Vec<RecordId>> = HashMap::new();
    let mut images = Vec::new();
    for (id, record) in view.records.iter().filter(|(id, _)| left(*id)) {
        match about(view, record) {
            About::Image if record.kind == RecordKind::Child => {}
            About::Image => images.push(id),
            About::Unknown => _ = orphans.insert(id),
            About::Subject(subject) => waiting.entry(subject).or_default().push(id),
        }
    }
    if waiting.is_empty() {
        return orphans;
    }
    orphans.extend(waiting.values().flatten());
    let mut reachability = Reachability::without(graph, removed_parts);
    let mut found: Vec<RecordId> = images;
    let entries = view.index.entries().iter();
    let odd = entries.flat_map(|entry| &entry.more_digests);
    let odd = odd.filter_map(|digest| graph.find(digest));
    let roots = view.sharer_roots.iter().chain(graph.index_subjects());
    for root in odd.chain(roots.copied()) {
        let start = Start::Image(root);
        reachability.walk(graph, start, Follow::Needed, &mut |node, _| {
            found.extend(waiting.get(&node).into_iter().flatten());
        });
    }
    // What a referrer of something that is there needs is there, too.
    let mut walked = HashSet::new();
    while let Some(id) = found.pop() {
        if walked.insert(id) {
            orphans.remove(&id);
            reachability.walk(graph, start(id), Follow::Needed, &mut |node, _| {
                found.extend(waiting.get(&node).into_iter().flatten());
            });
        }
    }
    orphans
}

/// What a record is about.
enum About {
    /// Nothing: it is an image.
    Image,
    /// Something that nothing at all leads to.
    Unknown,
    Subject(NodeId),
}

fn about(view: &View, record: &Record) -> About {
    let subject = record.subject.or_else(|| view.graph.subject(record.target));
    if let Some(subject) = subject {
        return About::Subject(subject);
    }
    let mut entries = record.entries.iter().map(|at| &view.index.entries()[*at]);
    let is_about = match record.is_dangling() {
        true => entries.any(|entry| entry.subject.is_some()),
        false => schema_subject(&record.name).is_some(),
    };
    match is_about {
        true => About::Unknown,
        false => About::Image,
    }
}
