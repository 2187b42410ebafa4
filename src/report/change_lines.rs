//! What `rmi`, `untag` and `prune` write to standard output for people: a line for each name and
//! document, in the order of the actions. Which blobs stay beside what goes is found out here too,
//! since it is the same walk.

use std::sync::Arc;

use serde::Serialize;

use super::change_input::{Deleted, ReportInput};
use crate::gc::{GarbageBlob, Live};
use crate::oci::index::EntryEdit;
use crate::plan::{Action, Plan};
use crate::snapshot::View;
use crate::snapshot::graph::{Follow, NodeId};
use crate::snapshot::reachability::{Descent, Reachability, Start};
use crate::value::digest::Digest;

#[derive(Debug, Serialize)]
pub(super) struct KeptBlob<'a> {
    pub(super) digest: &'a Digest,
    pub(super) kind: &'static str,
    /// Bytes, as its descriptor says.
    pub(super) size: u64,
    /// The first name that leads to it.
    pub(super) needed_by: Arc<str>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Line<'a> {
    /// The name, and the digest of what it led to.
    Untagged(&'a str, &'a Digest),
    Deleted(&'a Digest),
}

impl<'a> Line<'a> {
    pub(super) fn untagged(&self) -> Option<&'a str> {
        match self {
            Line::Untagged(name, _) => Some(name),
            Line::Deleted(_) => None,
        }
    }
}

/// The lines, in the order of the actions. A document is said to be deleted if it goes, and never
/// twice; one that the layout did not have is not deleted. Of several names that lead to a document, it
/// goes with the last.
pub(super) fn lines<'a>(input: &ReportInput<'a>, deleted: Deleted<'a>) -> Vec<Line<'a>> {
    let graph = &input.snapshot.graph;
    let nodes_of = |blobs: &mut dyn Iterator<Item = &GarbageBlob>| {
        let mut found = vec![false; graph.len()];
        // What no node stands for was unreferenced before, and no line speaks of it.
        for node in blobs.filter_map(|blob| blob.node) {
            found[node.index()] = true;
        }
        found
    };
    let gone = nodes_of(&mut deleted.iter());
    let stays = |node: NodeId| input.live.is_none_or(|live| live.contains(node));
    let mut said = vec![false; graph.len()];
    let is_first =
        |said: &mut [bool], node: NodeId| !std::mem::replace(&mut said[node.index()], true);
    let mut descent = Descent::new(graph);
    // From the last to the first.
    let mut lines: Vec<Line<'a>> = Vec::new();
    for action in input.plan.actions.iter().rev() {
        let own = lines.len();
        match action {
            Action::Untagged(name, image) => {
                lines.push(Line::Untagged(name, graph.digest(*image)));
            }
            Action::Deleted(node) => {
                if gone[node.index()] && is_first(&mut said, *node) {
                    lines.push(Line::Deleted(graph.digest(*node)));
                }
            }
            // What was said of an image was said of all below it.
            Action::DeletedBelow(node) if stays(*node) || said[node.index()] => {}
            Action::DeletedBelow(node) => descent.walk(graph, *node, &mut |below| {
                if (graph.is_present_document(below) || graph.is_damaged(below))
                    && gone[below.index()]
                    && is_first(&mut said, below)
                {
                    lines.push(Line::Deleted(graph.digest(below)));
                }
            }),
        }
        lines[own..].reverse();
    }
    lines.reverse();
    lines
}

/// What the removed images had and something else still leads to.
pub(super) fn kept<'a>(input: &ReportInput<'a>) -> Vec<KeptBlob<'a>> {
    let originals = input.garbage.originals.iter();
    let mut kept: Vec<KeptBlob<'a>> = originals
        .map(|original| KeptBlob {
            digest: &original.digest,
            kind: original.kind.word(),
            size: original.size,
            needed_by: format!("a stub in `{}`", original.place.display()).into(),
        })
        .collect();
    let Some(live) = input.live else {
        return kept;
    };
    let (snapshot, plan) = (input.snapshot, input.plan);
    let graph = &snapshot.graph;
    let mut reach = Reachability::new(graph);
    let mut seen = vec![false; graph.len()];
    for action in &plan.actions {
        let (Action::Deleted(node) | Action::DeletedBelow(node)) = action else {
            continue;
        };
        let start = Start::Image(*node);
        reach.walk(graph, start, Follow::Needed, &mut |node, _| {
            if live.contains(node)
                && !std::mem::replace(&mut seen[node.index()], true)
                && !graph.is_missing_document(node)
            {
                kept.push(KeptBlob {
                    digest: graph.digest(node),
                    kind: graph.kind(node).word(),
                    size: graph.size(node),
                    needed_by: holder_of(snapshot, plan, live, node),
                });
            }
        });
    }
    kept
}

/// What leads to a blob.
fn holder_of(snapshot: &View, plan: &Plan, live: &Live, node: NodeId) -> Arc<str> {
    let Some(id) = live.holder(node) else {
        return "manifest.json or another layout".into();
    };
    let record = snapshot.records.record(id);
    let dangles = record
        .entries
        .iter()
        .any(|at| plan.edits.get(at) == Some(&EntryEdit::Dangle));
    match dangles {
        true => "an image that stays as a dangling one".into(),
        false => snapshot.shown_shared(id),
    }
}
