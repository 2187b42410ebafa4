//! Manifests that stand only in the `data` of a descriptor, and when these are there.
//!
//! Embedded bytes stand for a file that is missing. Nothing takes them away: after `rmi --platform` the
//! index embeds the manifest as before. So what an index lists and embeds is there as long as something
//! of it is; once all that only it needs is gone, it is as gone as one whose file was deleted.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, Link, NodeId, NodeKind, ReadState};
use crate::value::digest::Digest;

impl Graph {
    /// Finds out which embedded manifests are gone with what they need. Those that index.json itself
    /// leads to are there as long as they stand in it: `roots` are their digests. `is_stored`: the
    /// layout has the file of a blob.
    pub(super) fn drop_embedded<'d>(
        &mut self,
        roots: impl Iterator<Item = &'d Digest>,
        is_stored: &dyn Fn(&Digest) -> bool,
    ) {
        let mut embedded = std::mem::take(&mut self.without_file);
        if embedded.is_empty() {
            return;
        }
        let roots: HashSet<NodeId> = roots.filter_map(|digest| self.find(digest)).collect();
        embedded.retain(|node| self.is_present_document(*node) && !roots.contains(node));
        if embedded.is_empty() {
            return;
        }
        // How many need what these need: nobody else asks.
        let mut needed: HashMap<NodeId, usize> = HashMap::new();
        for node in &embedded {
            needed.extend(self.needed(*node).map(|to| (to, 0)));
        }
        for from in self.ids() {
            for link in self.links(from).filter(Link::is_needed) {
                if let Some(count) = needed.get_mut(&link.to) {
                    *count += 1;
                }
            }
        }
        // An index may be gone with the last that it lists.
        loop {
            let before = embedded.len();
            embedded.retain(|node| {
                let is_there = self.is_there(*node, &needed, is_stored);
                if !is_there {
                    let lost: Vec<NodeId> = self.needed(*node).collect();
                    for to in lost {
                        let count = needed.entry(to).or_default();
                        *count = count.saturating_sub(1);
                        if *count == 0 && !roots.contains(&to) {
                            self.gone.insert(to);
                        }
                    }
                    self.lose(*node);
                }
                is_there
            });
            if embedded.len() == before {
                return;
            }
        }
    }

    /// What a document needs and does not embed.
    fn needed(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let links = self.links(node).filter(Link::is_needed).map(|link| link.to);
        links.filter(|to| self.embedded(*to).is_none() || self.node(*to).kind.is_document())
    }

    fn is_there(
        &self,
        node: NodeId,
        needed: &HashMap<NodeId, usize>,
        is_stored: &dyn Fn(&Digest) -> bool,
    ) -> bool {
        let is_index = self.kind(node) == NodeKind::Index;
        let is_left = |to: NodeId| match self.node(to).state {
            ReadState::Missing => false,
            ReadState::Read | ReadState::Damaged => true,
            ReadState::Unread => is_stored(self.digest(to)),
        };
        let mut all = true;
        for to in self.needed(node).filter(|to| !self.may_be_left_out(*to)) {
            // A base layer that others have says nothing about this one.
            let is_own = is_index || needed.get(&to).is_none_or(|count| *count < 2);
            match is_left(to) {
                true if is_own => return true,
                true => {}
                false => all = false,
            }
        }
        all
    }

    /// Makes a document one that is not there.
    fn lose(&mut self, node: NodeId) {
        self.embedded.remove(&node);
        let lost = self.node_mut(node);
        lost.state = ReadState::Missing;
        let edges = std::mem::take(&mut lost.edges);
        self.notes.retain(|(edge, _)| !edges.contains(edge));
    }
}
