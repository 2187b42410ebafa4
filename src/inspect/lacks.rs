//! What an image lacks before it comes back from the trash: documents and blobs that are neither in the
//! layout nor in the trash, or that are damaged.
//!
//! A sparse image comes back as sparse as it went, so what the record of its removal says was missing is
//! not missed. Documents were read, and compared with their digests; of configs the content is
//! compared, of layers the size.

use std::collections::{HashMap, HashSet};

use crate::oci::trash_record::TrashRecord;
use crate::snapshot::{Graph, NodeId, NodeKind, Parts};
use crate::value::digest::Digest;
use crate::words::listed;

/// How many blobs a message lists.
const MOST_BLOBS: usize = 8;

/// What was found of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is in the layout or in the trash, and what it should be.
    Whole,
    /// It is in neither.
    Missing,
    /// It is in one of them, and cannot be used.
    Damaged {
        /// In which.
        in_trash: bool,
        /// What is wrong, as the end of a sentence.
        reason: String,
    },
}

/// Looks at a blob that is no document. It is compared with its size in bytes, if a descriptor says one,
/// and its content with the digest if the last argument says so.
pub(crate) type LookAt<'a> = dyn Fn(&Digest, Option<u64>, bool) -> Found + 'a;

/// What is known of blobs.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// Whether the layout has a blob.
    pub is_stored: &'a dyn Fn(&Digest) -> bool,
    /// What is there of a blob, in the layout or in the trash.
    pub look_at: &'a LookAt<'a>,
}

/// A blob that an image lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Which.
    pub digest: Digest,
    /// The word for what it is.
    pub kind: &'static str,
    /// What is wrong with it; never [`Found::Whole`].
    pub found: Found,
    /// It is the manifest or index that the name would lead to, or the part itself.
    pub is_image: bool,
}

impl Lack {
    /// Where it is not, or what is wrong with it there, as the end of a sentence.
    pub fn reason(&self) -> String {
        match &self.found {
            Found::Whole | Found::Missing => "is neither in the layout nor in the trash".to_owned(),
            Found::Damaged { in_trash, reason } => {
                let place = if *in_trash { "trash" } else { "layout" };
                format!("is damaged in the {place}: {reason}")
            }
        }
    }

    /// Whether it is the image itself and damaged: whatever leads there would stop every deletion.
    pub fn is_hopeless(&self) -> bool {
        self.is_image && matches!(self.found, Found::Damaged { .. })
    }
}

/// What an image that was asked for lacks.
#[derive(Clone, Debug)]
pub struct Incomplete {
    /// What it is called.
    pub name: String,
    /// Its digest.
    pub image: Digest,
    /// The blobs.
    pub lacks: Vec<Lack>,
    /// Whether it comes back all the same.
    pub is_restored: bool,
}

impl Incomplete {
    /// Whether it cannot come back at all.
    pub fn is_hopeless(&self) -> bool {
        self.lacks.iter().any(Lack::is_hopeless)
    }

    /// What it lacks, as a sentence without its end.
    pub fn message(&self) -> String {
        let lacks = self.lacks.iter();
        let lacks =
            lacks.map(|lack| format!("its {} {} {}", lack.kind, lack.digest, lack.reason()));
        let lacks: Vec<String> = lacks.collect();
        listed(&lacks, MOST_BLOBS)
    }
}

/// Looks for what images lack, in one graph. What an image has is walked over each time that the image
/// is looked at, and no file is looked at twice.
pub(crate) struct Checks<'a> {
    graph: &'a Graph,
    look_at: &'a LookAt<'a>,
    is_stored: &'a dyn Fn(&Digest) -> bool,
    /// Why documents are damaged.
    damage: HashMap<NodeId, &'a str>,
    /// What is wrong with blobs that were looked at.
    known: HashMap<NodeId, Found>,
    /// For each node the last walk that came to it.
    seen: Vec<u32>,
    walks: u32,
}

impl<'a> Checks<'a> {
    /// Nothing was looked at yet. `is_stored` says of a document whether the layout has it.
    pub(crate) fn new(
        graph: &'a Graph,
        look_at: &'a LookAt<'a>,
        is_stored: &'a dyn Fn(&Digest) -> bool,
    ) -> Checks<'a> {
        let damage = graph.damage().iter();
        Checks {
            graph,
            look_at,
            is_stored,
            damage: damage.map(|d| (d.node, d.reason.as_str())).collect(),
            known: HashMap::new(),
            seen: vec![0; graph.len()],
            walks: 0,
        }
    }

    /// What images, or parts of one, lack of all that they need, apart from some parts. What is in
    /// `missed` was missing before.
    pub(crate) fn lacks(
        &mut self,
        images: &[NodeId],
        apart_from: &Parts,
        missed: &dyn Fn(&Digest) -> bool,
    ) -> Vec<Lack> {
        let graph = self.graph;
        self.walks += 1;
        let mut lacks = Vec::new();
        let mut stack: Vec<NodeId> = images.iter().rev().copied().collect();
        while let Some(node) = stack.pop() {
            let seen = &mut self.seen[node.index()];
            if std::mem::replace(seen, self.walks) == self.walks || apart_from.contains(&node) {
                continue;
            }
            let links = graph.links(node).filter(|link| link.is_needed());
            stack.extend(links.map(|link| link.to));
            let digest = graph.digest(node);
            match self.found(node) {
                Found::Whole => {}
                Found::Missing if missed(digest) => {}
                found => lacks.push(Lack {
                    digest: digest.clone(),
                    kind: kind(graph, node),
                    found,
                    is_image: images.contains(&node),
                }),
            }
        }
        lacks
    }

    fn found(&mut self, node: NodeId) -> Found {
        let graph = self.graph;
        let digest = graph.digest(node);
        if graph.is_present_document(node) {
            return Found::Whole;
        }
        if let Some(reason) = self.damage.get(&node) {
            return Found::Damaged {
                in_trash: !(self.is_stored)(digest),
                reason: (*reason).to_owned(),
            };
        }
        if graph.is_missing_document(node) {
            return Found::Missing;
        }
        let known = self.known.entry(node).or_insert_with(|| {
            let is_config = matches!(graph.kind(node), NodeKind::ImageConfig | NodeKind::Config);
            (self.look_at)(digest, graph.declared_size(node), is_config)
        });
        match known {
            // Nobody misses these.
            Found::Missing if graph.may_be_left_out(node) || graph.embedded(node).is_some() => {
                Found::Whole
            }
            found => found.clone(),
        }
    }
}

/// The word for what a node is; what should have been read as a document and could not be is called a
/// manifest.
fn kind(graph: &Graph, node: NodeId) -> &'static str {
    match graph.kind(node) {
        NodeKind::Blob if graph.is_unread_document(node) => "manifest",
        kind => kind.word(),
    }
}

/// What the images of a removal lacked when they went.
pub(crate) struct Missed<'a> {
    graph: &'a Graph,
    /// What its record says; `None` if it does not.
    said: Option<HashSet<Digest>>,
    /// The documents that went.
    went: HashSet<Digest>,
}

impl<'a> Missed<'a> {
    pub(crate) fn new(graph: &'a Graph, record: &TrashRecord) -> Missed<'a> {
        let parsed = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        Missed {
            graph,
            said: record.missing.as_deref().map(parsed),
            went: match record.missing {
                Some(_) => HashSet::new(),
                None => parsed(&record.documents),
            },
        }
    }

    /// Whether a blob was missing before. Where nobody said, a platform that did not go was.
    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        match &self.said {
            Some(said) => said.contains(digest),
            None => {
                let node = self.graph.find(digest);
                node.is_some_and(|node| self.graph.is_missing_document(node))
                    && !self.went.contains(digest)
            }
        }
    }
}
