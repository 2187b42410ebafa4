//! The graph: every blob that index.json leads to, and what leads to what.
//!
//! Nodes are digests and nothing else: one blob may be listed under two media types, or as a layer
//! here and as a manifest there, and is still one blob. How they are read is in [`super::walk`].
//!
//! A blob that is missing is legal and ends the walk there. A document that is present and cannot
//! be trusted is *damage*: what it leads to is unknown. Looking is still allowed; nothing may be
//! deleted while something that stays leads there: see [`super::View::refuse_damage`].
//!
//! Edges come in two strengths. What a document lists, it needs. Its `subject` it only refers to:
//! such an edge keeps the subject while the document lives, but makes it no part of it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use super::digests::{Digests, number};
use crate::oci::descriptor::{Class, Role};
use crate::oci::index::Entry;
use crate::oci::manifest::EdgeNote;
use crate::value::digest::Digest;

/// A blob, by the number that its digest got when it was first seen. One more is held, so that the lack of
/// one takes no room in long lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    fn new(number: u32) -> NodeId {
        NodeId(NonZeroU32::MIN.saturating_add(number))
    }

    /// The number, for tables that have a place for each node.
    pub fn index(self) -> usize {
        (self.0.get() - 1) as usize
    }
}

/// Which edges a walk follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Follow {
    /// What documents need.
    Needed,
    /// That, and what they only refer to.
    Subjects,
}

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// A document that lists manifests.
    Index,
    /// A document that lists anything else.
    Manifest,
    /// The config of an image: platform, date, labels.
    ImageConfig,
    /// Any other config.
    Config,
    /// A layer.
    Layer,
    /// Bytes that something refers to.
    Blob,
}

impl NodeKind {
    /// The word for it in messages and reports.
    pub fn word(self) -> &'static str {
        match self {
            NodeKind::Index => "index",
            NodeKind::Manifest => "manifest",
            NodeKind::ImageConfig | NodeKind::Config => "config",
            NodeKind::Layer => "layer",
            NodeKind::Blob => "blob",
        }
    }

    /// Whether it lists other blobs.
    pub fn is_document(self) -> bool {
        matches!(self, NodeKind::Index | NodeKind::Manifest)
    }
}

/// What the walk found out about a blob's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadState {
    /// Nothing asked for it: a leaf, present or not.
    Unread,
    /// A document or something that might have been one; read and verified.
    Read,
    /// It should have been read, and the layout does not have it.
    Missing,
    /// It should have been read, is there, and cannot be trusted.
    Damaged,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) state: ReadState,
    /// How much the most demanding descriptor so far wanted it read.
    pub(super) wanted: Class,
    /// How much it was read for.
    pub(super) served: Class,
    /// Some document lists it.
    pub(super) has_parent: bool,
    /// Images are complete without it.
    pub(super) may_be_left_out: bool,
    /// Bytes, as the first descriptor said; 0 when it said nothing.
    pub(super) size: u64,
    pub(super) is_size_known: bool,
    pub(super) edges: Range<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) to: NodeId,
    pub(super) role: Role,
}

/// One reference from a document.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// What it leads to.
    pub to: NodeId,
    /// Where in the document it stands.
    pub role: Role,
    /// What an index says about it.
    pub note: Option<&'a EdgeNote>,
}

impl Link<'_> {
    /// Whether the document needs what it leads to, or only refers to it.
    pub fn is_needed(&self) -> bool {
        self.role != Role::Subject
    }
}

/// A blob that is present and must not be trusted.
#[derive(Clone, Debug)]
pub struct Damage {
    /// The blob in the graph.
    pub node: NodeId,
    /// What is wrong, as the end of a sentence.
    pub reason: String,
    /// The operating system refused to read it; it may be whole.
    pub unreadable: bool,
    /// It has no bytes here; another repository of the store may have them.
    pub is_stub: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(super) digests: Digests,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    /// By number of the edge, ascending: few edges have one.
    pub(super) notes: Vec<(u32, Arc<EdgeNote>)>,
    pub(super) damage: Vec<Damage>,
    /// When documents were made, as their own annotations say; few do.
    pub(super) created: HashMap<NodeId, jiff::Timestamp, foldhash::fast::RandomState>,
    /// Blobs that a descriptor embeds; few are. They stand for files that are missing.
    pub(super) embedded: HashMap<NodeId, Arc<[u8]>>,
    /// Those of them that were read because there is no file.
    pub(super) without_file: Vec<NodeId>,
    /// What nothing leads to any more, because those that did are gone with it.
    pub(super) gone: HashSet<NodeId, foldhash::fast::RandomState>,
    /// What index.json itself is about: it stays with all below it, and no entry leads there.
    pub(super) index_subjects: Vec<NodeId>,
    /// Whether any document has a subject.
    pub(super) has_subjects: bool,
    /// What documents say that they are about, in an annotation of their own; few do.
    pub(super) abouts: HashMap<NodeId, Digest, foldhash::fast::RandomState>,
    /// Documents whose own artifact type is that of attestations.
    pub(super) attestations: HashSet<NodeId, foldhash::fast::RandomState>,
}

impl Graph {
    /// The node of a digest that may be new, for blobs that something beside index.json needs.
    pub fn intern(&mut self, digest: &Digest, size: Option<u64>) -> NodeId {
        let node = self.place(digest.clone(), size);
        self.gone.remove(&node);
        node
    }

    pub(super) fn place(&mut self, digest: Digest, size: Option<u64>) -> NodeId {
        let (index, is_new) = self.digests.insert(digest);
        if is_new {
            self.nodes.push(Node {
                kind: NodeKind::Blob,
                state: ReadState::Unread,
                wanted: Class::Leaf,
                served: Class::Leaf,
                has_parent: false,
                may_be_left_out: false,
                size: size.unwrap_or(0),
                is_size_known: size.is_some(),
                edges: 0..0,
            });
        }
        NodeId::new(number(index))
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing leads anywhere.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..number(self.nodes.len())).map(NodeId::new)
    }

    /// The node of a digest, if anything leads to it.
    pub fn find(&self, digest: &Digest) -> Option<NodeId> {
        let index = self.digests.find(digest)?;
        Some(NodeId::new(number(index)))
    }

    /// The digest of a node.
    pub fn digest(&self, id: NodeId) -> &Digest {
        self.digests.get(id.index())
    }

    /// What it is.
    pub fn kind(&self, id: NodeId) -> NodeKind {
        self.node(id).kind
    }

    /// Its size in bytes: of a document that was read, what it has; else what a descriptor says.
    pub fn size(&self, id: NodeId) -> u64 {
        self.node(id).size
    }

    /// Its size in bytes as a descriptor says, if one does.
    pub fn declared_size(&self, id: NodeId) -> Option<u64> {
        let node = self.node(id);
        node.is_size_known.then_some(node.size)
    }

    /// Whether it is a document that was read.
    pub fn is_present_document(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.state == ReadState::Read && node.kind.is_document()
    }

    /// Whether the walk wanted to read it and it is not there.
    pub fn is_missing_document(&self, id: NodeId) -> bool {
        self.node(id).state == ReadState::Missing
    }

    /// What the walk wanted to read and did not find.
    pub(super) fn missing_documents(&self) -> HashSet<Digest> {
        let missing = self.ids().filter(|id| self.is_missing_document(*id));
        missing.map(|id| self.digest(id).clone()).collect()
    }

    /// Whether some document lists it.
    pub fn has_parent(&self, id: NodeId) -> bool {
        self.node(id).has_parent
    }

    /// Whether an image that lists it is complete without it.
    pub fn may_be_left_out(&self, id: NodeId) -> bool {
        self.node(id).may_be_left_out
    }

    /// When a document was made, as its own annotation says.
    pub fn created(&self, id: NodeId) -> Option<jiff::Timestamp> {
        self.created.get(&id).copied()
    }

    /// What it leads to, in the document's order.
    pub fn links(&self, id: NodeId) -> impl Iterator<Item = Link<'_>> {
        let range = self.node(id).edges.clone();
        let first = self.notes.partition_point(|(edge, _)| *edge < range.start);
        let mut notes = self.notes[first..].iter().peekable();
        range.map(move |number| {
            let Edge { to, role } = self.edges[number as usize];
            let note = notes.next_if(|(at, _)| *at == number);
            let note = note.map(|(_, note)| &**note);
            Link { to, role, note }
        })
    }

    /// What an index says that something it lists is about: what it attests, or the image of a SOCI
    /// index.
    pub fn about_by(&self, link: &Link<'_>) -> Option<NodeId> {
        self.find(link.note?.about()?)
    }

    /// What a document refers to without needing it.
    pub fn subject(&self, id: NodeId) -> Option<NodeId> {
        let mut links = self.links(id);
        Some(links.find(|link| link.role == Role::Subject)?.to)
    }

    /// The bytes of a blob that a descriptor embeds: they stand for its file where that is missing.
    pub fn embedded(&self, id: NodeId) -> Option<&[u8]> {
        self.embedded.get(&id).map(|bytes| &**bytes)
    }

    /// Whether it is not there and not missed either: what needed it is gone, too.
    pub fn is_gone(&self, id: NodeId) -> bool {
        self.gone.contains(&id)
    }

    /// What index.json itself says that it is about: it stays with all below it.
    pub fn index_subjects(&self) -> &[NodeId] {
        &self.index_subjects
    }

    /// Takes note of what index.json itself is about, which was walked over like entries.
    pub(super) fn set_index_subjects(&mut self, subjects: &[Entry]) {
        let digests = subjects
            .iter()
            .flat_map(|subject| subject.digest.iter().chain(&subject.more_digests));
        self.index_subjects = digests.filter_map(|digest| self.find(digest)).collect();
    }

    /// Whether any document refers to another without needing it.
    pub fn has_subjects(&self) -> bool {
        self.has_subjects
    }

    /// What all that an index lists refers to: it is a list of referrers then, and no image. One that
    /// is missing says nothing, unless the index says a platform of it.
    pub fn common_subject(&self, index: NodeId) -> Option<NodeId> {
        if !self.is_present_document(index) || self.kind(index) != NodeKind::Index {
            return None;
        }
        let mut common = None;
        for link in self.links(index).filter(Link::is_needed) {
            let is_platform = link.note.is_some_and(|note| note.platform.is_some());
            match self.subject(link.to) {
                _ if link.role != Role::Manifest => return None,
                None if self.is_present_document(link.to) || is_platform => return None,
                None => {}
                Some(subject) if common.is_none_or(|known| known == subject) => {
                    common = Some(subject);
                }
                Some(_) => return None,
            }
        }
        common
    }

    /// What a document says itself that it is about: its subject, or what its annotation names.
    pub fn about(&self, id: NodeId) -> Option<NodeId> {
        self.subject(id)
            .or_else(|| self.find(self.abouts.get(&id)?))
    }

    /// Whether a document says itself that it is an attestation.
    pub fn is_attestation(&self, id: NodeId) -> bool {
        self.attestations.contains(&id)
    }

    /// Documents of which an index, or an annotation of their own, says what they are about, and what
    /// that is.
    pub fn abouts(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        let listed = self.notes.iter().filter_map(|(edge, note)| {
            let about = self.find(note.about()?)?;
            Some((self.edges[*edge as usize].to, about))
        });
        let own = self.abouts.iter();
        listed.chain(own.filter_map(|(node, about)| Some((*node, self.find(about)?))))
    }

    /// Whether it should have been read and could not be, because it is missing or damaged.
    pub fn is_unread_document(&self, id: NodeId) -> bool {
        matches!(self.node(id).state, ReadState::Missing | ReadState::Damaged)
    }

    /// Everything reachable over edges that are needed, the start first, each node once, in the
    /// order in which documents list them, depth first.
    pub fn needed_below(&self, start: NodeId) -> Vec<NodeId> {
        let (mut seen, mut order) = (HashSet::new(), Vec::new());
        let is_new = |node| seen.insert(node);
        self.descend(start, &mut Vec::new(), is_new, &mut |node| order.push(node));
        order
    }

    /// Calls `each` with what [`Graph::needed_below`] lists, as far as `is_new` admits it. `stack` is
    /// room for the walk, and empty before and after.
    pub(super) fn descend(
        &self,
        start: NodeId,
        stack: &mut Vec<NodeId>,
        mut is_new: impl FnMut(NodeId) -> bool,
        each: &mut dyn FnMut(NodeId),
    ) {
        is_new(start);
        stack.push(start);
        while let Some(node) = stack.pop() {
            each(node);
            let from = stack.len();
            let below = self.links(node).filter(Link::is_needed).map(|link| link.to);
            stack.extend(below.filter(|node| is_new(*node)));
            // The first of them is next.
            stack[from..].reverse();
        }
    }

    /// For everything that leads to a node the next step on a shortest way there. Costs as much as
    /// the graph is large.
    pub fn ways_to(&self, node: NodeId) -> HashMap<NodeId, (NodeId, Role)> {
        let parents = self.parents(Follow::Subjects);
        let mut next = HashMap::new();
        let mut queue = VecDeque::from([node]);
        while let Some(at) = queue.pop_front() {
            for (from, role) in parents.get(&at).into_iter().flatten() {
                if *from != node && !next.contains_key(from) {
                    next.insert(*from, (at, *role));
                    queue.push_back(*from);
                }
            }
        }
        next
    }

    /// Some nodes and everything that leads to them. Costs as much as the graph is large, so it is for
    /// messages about few nodes.
    pub fn above(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
        follow: Follow,
    ) -> HashSet<NodeId> {
        let parents = self.parents(follow);
        let mut stack: Vec<NodeId> = nodes.into_iter().collect();
        let mut found: HashSet<NodeId> = stack.iter().copied().collect();
        while let Some(node) = stack.pop() {
            for (from, _) in parents.get(&node).into_iter().flatten() {
                if found.insert(*from) {
                    stack.push(*from);
                }
            }
        }
        found
    }

    /// For each node the documents that lead to it, and in which role.
    pub fn parents(&self, follow: Follow) -> HashMap<NodeId, Vec<(NodeId, Role)>> {
        let mut parents: HashMap<NodeId, Vec<(NodeId, Role)>> = HashMap::new();
        for from in self.ids() {
            for link in self.links(from) {
                if link.is_needed() || follow == Follow::Subjects {
                    parents.entry(link.to).or_default().push((from, link.role));
                }
            }
        }
        parents
    }

    /// What could not be trusted.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Whether it is there and cannot be trusted.
    pub fn is_damaged(&self, id: NodeId) -> bool {
        self.node(id).state == ReadState::Damaged
    }

    /// What is wrong, as a sentence.
    pub(crate) fn describe(&self, damage: &Damage) -> String {
        let what = match damage.unreadable {
            true => "unreadable",
            false if damage.is_stub => "a stub of deduplication",
            false => "damaged",
        };
        let digest = self.digest(damage.node);
        format!("the blob {digest} is {what}: {}", damage.reason)
    }
}
