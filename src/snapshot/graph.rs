//! The graph: every blob that index.json leads to, and what leads to what.
//!
//! Nodes are digests and nothing else: one blob may be listed under two media types, or as a layer
//! here and as a manifest there, and is still one blob. A node is *read* when any descriptor says
//! that it is, or may be, a document; it is read once, with verification. The walk uses a queue,
//! so a chain of ten thousand indexes is no deeper for the stack than one, and a graph with more
//! paths than atoms costs what its nodes and edges cost.
//!
//! A blob that is missing is legal and ends the walk there. A document that is present and cannot
//! be trusted is *damage*: what it leads to is unknown, so whoever wants to delete must refuse
//! ([`Graph::refuse_damage`]). Looking is still allowed.
//!
//! Edges come in two strengths. What a document lists, it needs. Its `subject` it only refers to:
//! such an edge keeps the subject while the document lives, but makes it no part of it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexSet;

use crate::error::Error;
use crate::json::read::InvalidJson;
use crate::layout::BlobError;
use crate::oci::descriptor::{Class, Role, classify};
use crate::oci::index::Entry;
use crate::oci::manifest;
use crate::oci::manifest::{Child, DocumentKind, EdgeNote};
use crate::value::digest::Digest;
use crate::workers::Workers;

/// The largest document that is read, in bytes. Registries take 4 MiB; a cache with a hundred
/// thousand layers has about 20.
pub const MAX_DOCUMENT_BYTES: u64 = 32 << 20;

/// A blob, by the number that its digest got when it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The number, for tables that have a place for each node.
    pub fn index(self) -> usize {
        self.0 as usize
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
enum ReadState {
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
struct Node {
    kind: NodeKind,
    state: ReadState,
    /// How much the most demanding descriptor so far wanted it read.
    wanted: Class,
    /// How much it was read for.
    served: Class,
    /// Some document lists it.
    has_parent: bool,
    /// Bytes, as the first descriptor said; 0 when it said nothing.
    size: u64,
    is_size_known: bool,
    edges: Range<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    to: NodeId,
    role: Role,
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
    /// Which.
    pub node: NodeId,
    /// What is wrong, as the end of a sentence.
    pub reason: String,
    /// The operating system refused to read it; it may be whole.
    pub unreadable: bool,
}

/// Reads a blob of this digest and, if its descriptor says one, of this size in bytes, into a
/// buffer. `false`: it is not there.
pub type ReadBlob<'a> =
    dyn Fn(&Digest, Option<u64>, &mut Vec<u8>) -> Result<bool, BlobError> + Sync + 'a;

/// How many documents are read before what they say is put into the graph: they take some memory
/// until then.
const BATCH: usize = 2048;

/// How many digests are expected of an image, and how many at most are made room for beforehand.
const DIGESTS_OF_AN_IMAGE: usize = 8;
const MOST_RESERVED: usize = 1 << 21;

/// How many bytes of documents, for the same reason, as their descriptors say.
const BATCH_BYTES: u64 = 8 << 20;

/// A blob that is to be read.
struct ToRead {
    node: NodeId,
    digest: Digest,
    class: Class,
    size: Option<u64>,
}

impl ToRead {
    fn read(
        &self,
        read: &ReadBlob<'_>,
        is_asked: &dyn Fn(&Child) -> bool,
        bytes: &mut Vec<u8>,
    ) -> ReadOutcome {
        match read(&self.digest, self.size, bytes) {
            Ok(false) => ReadOutcome::Missing,
            Ok(true) => {
                let mut document = manifest::parse(bytes);
                if let Ok(document) = &mut document {
                    document.children.retain(is_asked);
                }
                ReadOutcome::Bytes {
                    size: bytes.len() as u64,
                    document,
                    looks_like: looks_like(bytes),
                }
            }
            Err(error) => ReadOutcome::Failed(error),
        }
    }
}

/// What reading it gave.
enum ReadOutcome {
    Missing,
    Failed(BlobError),
    Bytes {
        size: u64,
        document: Result<manifest::Document, InvalidJson>,
        looks_like: bool,
    },
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    digests: IndexSet<Digest, foldhash::fast::RandomState>,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// By number of the edge, ascending: few edges have one.
    notes: Vec<(u32, Arc<EdgeNote>)>,
    damage: Vec<Damage>,
}

impl Graph {
    /// Reads everything that the entries lead to. `progress` is told the number of documents read.
    pub fn walk<'e>(
        entries: impl IntoIterator<Item = &'e Entry>,
        read: &ReadBlob<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Graph {
        Graph::walk_some(entries, read, &|_| true, progress)
    }

    /// [`Graph::walk`], but only references that are asked for become part of the graph.
    pub fn walk_some<'e>(
        entries: impl IntoIterator<Item = &'e Entry>,
        read: &ReadBlob<'_>,
        is_asked: &(dyn Fn(&Child) -> bool + Sync),
        progress: &mut dyn FnMut(u64),
    ) -> Graph {
        let mut graph = Graph::default();
        let mut queue = VecDeque::new();
        let entries = entries.into_iter();
        // Growing a set of a million digests means moving it again and again.
        let most = entries.size_hint().0.saturating_mul(DIGESTS_OF_AN_IMAGE);
        graph.digests.reserve(most.min(MOST_RESERVED));
        graph.nodes.reserve(most.min(MOST_RESERVED));
        for entry in entries {
            let class = classify(entry.media_type.as_deref(), Role::Entry);
            for digest in entry.digest.iter().chain(&entry.more_digests) {
                let node = graph.intern(digest, entry.size);
                graph.want(node, class, entry.size, &mut queue);
            }
        }
        let workers = Workers::for_reading();
        let mut count = 0;
        let mut before: Vec<(ToRead, ReadOutcome)> = Vec::new();
        loop {
            let mut batch = Vec::new();
            let mut bytes: u64 = 0;
            while batch.len() < BATCH
                && bytes < BATCH_BYTES
                && let Some((node, size)) = queue.pop_front()
            {
                if graph.node(node).served < graph.node(node).wanted {
                    batch.extend(graph.serve(node, size));
                    // One of an unknown size may be large.
                    bytes = bytes.saturating_add(size.unwrap_or(BATCH_BYTES / 64));
                }
            }
            if batch.is_empty() && before.is_empty() {
                break;
            }
            // What was read before is put into the graph while this is being read.
            let found = workers.map(
                &batch,
                &|wish: &ToRead, bytes| wish.read(read, is_asked, bytes),
                || {
                    for (wish, found) in before.drain(..) {
                        count += 1;
                        progress(count);
                        graph.take_in(&wish, found, &mut queue);
                    }
                },
            );
            before = batch.into_iter().zip(found).collect();
        }
        graph
    }

    /// Notes that a node is read now, and says what is to be read, if anything.
    fn serve(&mut self, id: NodeId, size: Option<u64>) -> Option<ToRead> {
        let node = self.node_mut(id);
        node.served = node.wanted;
        let is_known = node.state == ReadState::Read && node.kind.is_document();
        let class = node.wanted;
        (!is_known).then(|| ToRead {
            node: id,
            digest: self.digests[id.index()].clone(),
            class,
            size,
        })
    }

    /// Puts into the graph what was found of a blob.
    fn take_in(
        &mut self,
        wish: &ToRead,
        found: ReadOutcome,
        queue: &mut VecDeque<(NodeId, Option<u64>)>,
    ) {
        let (id, class) = (wish.node, wish.class);
        let state = match found {
            ReadOutcome::Missing => ReadState::Missing,
            ReadOutcome::Bytes {
                size,
                document,
                looks_like,
            } => match document {
                Ok(document) if class == Class::Document && document.is_odd => {
                    self.damage.push(Damage {
                        node: id,
                        reason: "it is no manifest: what should be descriptors is something else"
                            .to_owned(),
                        unreadable: false,
                    });
                    ReadState::Damaged
                }
                Ok(document) if class == Class::Document || document.has_references => {
                    self.node_mut(id).kind = match document.kind {
                        DocumentKind::Index => NodeKind::Index,
                        DocumentKind::Manifest => NodeKind::Manifest,
                    };
                    self.node_mut(id).size = size;
                    self.connect(id, document, queue);
                    ReadState::Read
                }
                Ok(_) => ReadState::Read,
                // What stands where manifests stand and begins like one may be one to another tool.
                Err(e) if class == Class::Document || looks_like && class == Class::Probably => {
                    self.damage.push(Damage {
                        node: id,
                        reason: format!("it is no manifest that can be understood: {e}"),
                        unreadable: false,
                    });
                    ReadState::Damaged
                }
                Err(_) => ReadState::Read,
            },
            // What is too large for a document and does not begin like one is none.
            ReadOutcome::Failed(BlobError::TooLarge { first, .. })
                if class < Class::Document && !self::looks_like(&first) =>
            {
                ReadState::Read
            }
            ReadOutcome::Failed(_) if class == Class::Perhaps => ReadState::Read,
            ReadOutcome::Failed(error) => {
                self.damage.push(Damage {
                    node: id,
                    unreadable: matches!(error, BlobError::Io(_)),
                    reason: error.to_string(),
                });
                ReadState::Damaged
            }
        };
        self.node_mut(id).state = state;
    }

    fn connect(
        &mut self,
        from: NodeId,
        document: manifest::Document,
        queue: &mut VecDeque<(NodeId, Option<u64>)>,
    ) {
        let start = self.edges.len();
        for child in document.children {
            let to = self.place(child.digest, child.size);
            let node = self.node_mut(to);
            if node.kind == NodeKind::Blob {
                node.kind = match child.role {
                    Role::Config if child.image_config => NodeKind::ImageConfig,
                    Role::Config => NodeKind::Config,
                    Role::Layer => NodeKind::Layer,
                    Role::Manifest if child.is_layer => NodeKind::Layer,
                    _ => NodeKind::Blob,
                };
            }
            node.has_parent |= child.role != Role::Subject;
            self.want(to, child.class, child.size, queue);
            if let Some(note) = child.note {
                self.notes.push((number(self.edges.len()), note));
            }
            self.edges.push(Edge {
                to,
                role: child.role,
            });
        }
        self.node_mut(from).edges = number(start)..number(self.edges.len());
    }

    fn want(
        &mut self,
        id: NodeId,
        class: Class,
        size: Option<u64>,
        queue: &mut VecDeque<(NodeId, Option<u64>)>,
    ) {
        let node = self.node_mut(id);
        if class > node.wanted {
            node.wanted = class;
            queue.push_back((id, size));
        }
    }

    /// The node of a digest that may be new, for blobs that something beside index.json needs.
    pub fn intern(&mut self, digest: &Digest, size: Option<u64>) -> NodeId {
        self.place(digest.clone(), size)
    }

    fn place(&mut self, digest: Digest, size: Option<u64>) -> NodeId {
        let (index, is_new) = self.digests.insert_full(digest);
        if !is_new {
            return NodeId(number(index));
        }
        self.nodes.push(Node {
            kind: NodeKind::Blob,
            state: ReadState::Unread,
            wanted: Class::Leaf,
            served: Class::Leaf,
            has_parent: false,
            size: size.unwrap_or(0),
            is_size_known: size.is_some(),
            edges: 0..0,
        });
        NodeId(number(index))
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
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
        (0..number(self.nodes.len())).map(NodeId)
    }

    /// The node of a digest, if anything leads to it.
    pub fn find(&self, digest: &Digest) -> Option<NodeId> {
        self.digests
            .get_index_of(digest)
            .map(|index| NodeId(number(index)))
    }

    /// The digest of a node.
    pub fn digest(&self, id: NodeId) -> &Digest {
        &self.digests[id.index()]
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

    /// Whether some document lists it.
    pub fn has_parent(&self, id: NodeId) -> bool {
        self.node(id).has_parent
    }

    /// What it leads to, in the document's order.
    pub fn links(&self, id: NodeId) -> impl Iterator<Item = Link<'_>> {
        let range = self.node(id).edges.clone();
        let first = self.notes.partition_point(|(edge, _)| *edge < range.start);
        let mut notes = self.notes[first..].iter().peekable();
        range.map(move |number| {
            let edge = self.edges[number as usize];
            let note = notes
                .next_if(|(at, _)| *at == number)
                .map(|(_, note)| &**note);
            Link {
                to: edge.to,
                role: edge.role,
                note,
            }
        })
    }

    /// What a document refers to without needing it.
    pub fn subject(&self, id: NodeId) -> Option<NodeId> {
        self.links(id)
            .find(|link| link.role == Role::Subject)
            .map(|link| link.to)
    }

    /// Documents of which an index says what they attest, and what that is.
    pub fn attested(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.notes.iter().filter_map(|(edge, note)| {
            let attested = self.find(note.attests.as_ref()?)?;
            Some((self.edges[*edge as usize].to, attested))
        })
    }

    /// Whether it should have been read and could not be, because it is missing or damaged.
    pub fn is_unread_document(&self, id: NodeId) -> bool {
        matches!(self.node(id).state, ReadState::Missing | ReadState::Damaged)
    }

    /// Everything reachable over edges that are needed, the start first, each node once, in the
    /// order in which documents list them, depth first.
    pub fn needed_below(&self, start: NodeId) -> Vec<NodeId> {
        let mut seen = HashSet::from([start]);
        let mut order = Vec::new();
        let mut stack = vec![start];
        while let Some(id) = stack.pop() {
            order.push(id);
            let mut below: Vec<_> = self
                .links(id)
                .filter(|link| link.is_needed() && seen.insert(link.to))
                .map(|link| link.to)
                .collect();
            below.reverse();
            stack.append(&mut below);
        }
        order
    }

    /// For everything that leads to a node the next step on a shortest way there. Costs as much as
    /// the graph is large.
    pub fn ways_to(&self, node: NodeId) -> HashMap<NodeId, (NodeId, Role)> {
        let mut above: HashMap<NodeId, Vec<(NodeId, Role)>> = HashMap::new();
        for from in self.ids() {
            for link in self.links(from) {
                above.entry(link.to).or_default().push((from, link.role));
            }
        }
        let mut next = HashMap::new();
        let mut queue = VecDeque::from([node]);
        while let Some(at) = queue.pop_front() {
            for (from, role) in above.get(&at).into_iter().flatten() {
                if *from != node && !next.contains_key(from) {
                    next.insert(*from, (at, *role));
                    queue.push_back(*from);
                }
            }
        }
        next
    }

    /// The node and everything that leads to it. Costs as much as the graph is large, so it is for
    /// messages about single nodes.
    pub fn ancestors(&self, node: NodeId, follow: Follow) -> HashSet<NodeId> {
        self.above([node], follow)
    }

    /// [`Graph::ancestors`] of any of several nodes, at the same cost.
    pub fn above(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
        follow: Follow,
    ) -> HashSet<NodeId> {
        let mut above: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for from in self.ids() {
            for link in self.links(from) {
                if link.is_needed() || follow == Follow::Subjects {
                    above.entry(link.to).or_default().push(from);
                }
            }
        }
        let mut stack: Vec<NodeId> = nodes.into_iter().collect();
        let mut found: HashSet<NodeId> = stack.iter().copied().collect();
        while let Some(node) = stack.pop() {
            for from in above.get(&node).into_iter().flatten() {
                if found.insert(*from) {
                    stack.push(*from);
                }
            }
        }
        found
    }

    /// What could not be trusted.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Refuses to go on with a graph that is not whole: whatever an unreadable document leads to
    /// would look like garbage.
    ///
    /// # Errors
    /// Exit status 12, naming the first blob and the number of others.
    pub fn refuse_damage(&self) -> Result<(), Error> {
        let Some(first) = self.damage.first() else {
            return Ok(());
        };
        let more = match self.damage.len() - 1 {
            0 => String::new(),
            1 => " (and 1 more)".to_owned(),
            n => format!(" (and {n} more)"),
        };
        let (what, hint) = match first.unreadable {
            true => (
                "cannot be read",
                "nothing was deleted, because what it refers to is unknown; run as a user who may \
                 read the layout",
            ),
            false => (
                "is damaged",
                "nothing was deleted, because what it refers to is unknown; put the blob back from \
                 where the image came from",
            ),
        };
        Err(Error::layout(format!(
            "the blob {} {what}: {}{more}",
            self.digest(first.node),
            first.reason
        ))
        .hint(hint))
    }
}

/// Whether bytes begin as a document does.
fn looks_like(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

/// Numbers of nodes and edges have 32 bits: four thousand million blobs do not fit on one machine.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::value::digest::Algorithm;

    /// A store of blobs in memory, for tests of everything that works on graphs.
    #[derive(Default)]
    pub(crate) struct Store(pub(crate) HashMap<Digest, Vec<u8>>);

    impl Store {
        pub(crate) fn put(&mut self, bytes: impl Into<Vec<u8>>) -> Digest {
            let bytes = bytes.into();
            let digest = Algorithm::Sha256.hash(&bytes);
            self.0.insert(digest.clone(), bytes);
            digest
        }

        /// A manifest with a config and layers of these texts.
        pub(crate) fn manifest(&mut self, layers: &[&str], subject: Option<&Digest>) -> Digest {
            let config = self.put(format!("{{\"config of\":{layers:?}}}"));
            let layers: Vec<_> = layers
                .iter()
                .map(|text| {
                    let digest = self.put(*text);
                    format!(
                        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}"}}"#
                    )
                })
                .collect();
            let subject = subject.map_or(String::new(), |digest| {
                format!(r#","subject":{{"digest":"{digest}","mediaType":"application/vnd.oci.image.manifest.v1+json"}}"#)
            });
            self.put(format!(
                r#"{{"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}"}},"layers":[{}]{subject}}}"#,
                layers.join(",")
            ))
        }

        pub(crate) fn index(&mut self, manifests: &[&Digest]) -> Digest {
            let list: Vec<_> = manifests
                .iter()
                .map(|digest| format!(r#"{{"digest":"{digest}"}}"#))
                .collect();
            self.put(format!(r#"{{"manifests":[{}]}}"#, list.join(",")))
        }

        pub(crate) fn graph(&self, entries: &[Entry]) -> Graph {
            Graph::walk(
                entries,
                &|d, _, bytes| Ok(stored(self.0.get(d), bytes)),
                &mut |_| (),
            )
        }
    }

    fn stored(found: Option<&Vec<u8>>, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        bytes.extend(found.into_iter().flatten());
        found.is_some()
    }

    pub(crate) fn entry(digest: &Digest) -> Entry {
        Entry {
            digest: Some(digest.clone()),
            ..Entry::default()
        }
    }

    #[test]
    fn a_digest_first_seen_as_a_layer_is_still_expanded_as_a_manifest() {
        let mut store = Store::default();
        let inner = store.manifest(&["x"], None);
        let outer = store.put(format!(
            r#"{{"layers":[{{"digest":"{inner}","mediaType":"application/vnd.oci.image.layer.v1.tar"}}]}}"#
        ));
        let top = store.index(&[&outer, &inner]);
        let graph = store.graph(&[entry(&top)]);
        let layer = Algorithm::Sha256.hash(b"x");
        assert!(graph.find(&layer).is_some());
        assert_eq!(graph.kind(graph.find(&inner).unwrap()), NodeKind::Manifest);
    }

    #[test]
    fn a_document_without_media_type_is_followed_if_it_lists_anything() {
        let mut store = Store::default();
        let image = store.manifest(&["x"], None);
        let words = store.put("{\"hello\":1}");
        let noise = store.put([0xff, 0, 1]);
        let graph = store.graph(&[entry(&image), entry(&words), entry(&noise)]);
        assert_eq!(graph.links(graph.find(&image).unwrap()).count(), 2);
        assert!(graph.damage().is_empty());
        assert_eq!(graph.kind(graph.find(&words).unwrap()), NodeKind::Blob);
    }

    #[test]
    fn what_cannot_be_trusted_is_damage_and_what_is_missing_is_not() {
        let mut store = Store::default();
        let image = store.manifest(&["x"], None);
        let broken = |result: fn() -> Result<Option<Vec<u8>>, BlobError>| {
            let mut typed = entry(&image);
            typed.media_type = Some("application/vnd.oci.image.manifest.v1+json".into());
            Graph::walk(
                &[typed],
                &|_, _, bytes| result().map(|found| stored(found.as_ref(), bytes)),
                &mut |_| (),
            )
        };
        for (result, damaged) in [
            ((|| Ok(None)) as fn() -> _, false),
            (|| Ok(Some(b"{\"layers\":[".to_vec())), true),
            (|| Ok(Some(Vec::new())), true),
            (|| Err(BlobError::NotRegular("a FIFO")), true),
            (
                || {
                    Err(BlobError::TooLarge {
                        found: 9,
                        limit: 1,
                        first: vec![0],
                    })
                },
                true,
            ),
        ] {
            assert_eq!(broken(result).refuse_damage().is_err(), damaged);
        }
    }

    #[test]
    fn what_begins_like_a_manifest_and_has_no_media_type_is_no_leaf() {
        let mut store = Store::default();
        for (text, damaged) in [
            ("{\"layers\":[", true),
            ("{", true),
            ("plain", false),
            ("", false),
        ] {
            let digest = store.put(text);
            let graph = store.graph(&[entry(&digest)]);
            assert_eq!(graph.refuse_damage().is_err(), damaged, "{text}");
        }
        let digest = store.put("x");
        for (first, damaged) in [(b" {".to_vec(), true), (b"PK".to_vec(), false)] {
            let graph = Graph::walk(
                &[entry(&digest)],
                &|_, _, _| {
                    Err(BlobError::TooLarge {
                        found: 9,
                        limit: 1,
                        first: first.clone(),
                    })
                },
                &mut |_| (),
            );
            assert_eq!(graph.refuse_damage().is_err(), damaged);
        }
    }

    #[test]
    fn ten_thousand_nested_indexes_and_a_bomb_of_paths_end() {
        let mut store = Store::default();
        let mut top = store.manifest(&["x"], None);
        for _ in 0..10_000 {
            top = store.index(&[&top]);
        }
        for _ in 0..60 {
            top = store.index(&[&top, &top]);
        }
        let graph = store.graph(&[entry(&top)]);
        assert_eq!(graph.len(), 10_000 + 60 + 3);
        assert_eq!(
            graph.needed_below(graph.find(&top).unwrap()).len(),
            graph.len()
        );
    }

    #[test]
    fn a_document_is_read_once_however_often_it_is_listed() {
        let mut store = Store::default();
        let image = store.manifest(&["x"], None);
        let tops: Vec<_> = (0..5)
            .map(|n| {
                let extra = store.put(format!("{n}"));
                store.index(&[&image, &extra, &image])
            })
            .collect();
        let entries: Vec<_> = tops.iter().chain([&image]).map(entry).collect();
        let reads: Mutex<HashMap<Digest, u32>> = Mutex::default();
        Graph::walk(
            &entries,
            &|digest, _, bytes| {
                *reads.lock().unwrap().entry(digest.clone()).or_default() += 1;
                Ok(stored(store.0.get(digest), bytes))
            },
            &mut |_| (),
        );
        let reads = reads.into_inner().unwrap();
        assert!(reads.values().all(|n| *n == 1), "{reads:?}");
    }
}
