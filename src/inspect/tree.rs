//! The tree of an image: platforms, attestations, referrers, layers of caches.
//!
//! Shown are documents, and of documents that are no image (BuildKit's caches, artifacts) their
//! layers. Configs and layers of an image proper are left out: every image has them, and they say
//! nothing that the platform does not.

use std::collections::{HashMap, HashSet};

use crate::oci::descriptor::Role;
use crate::snapshot::platform_manifests::config_node;
use crate::snapshot::{ConfigOf, Graph, NodeId, NodeKind, RecordKind, View};

/// One blob below an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) node: NodeId,
    /// What it is to the image: `platform`, `attestation`, `index`, `manifest`, `referrer`,
    /// `layer`, `config` or `blob`.
    pub(crate) role: &'static str,
    /// What it runs on, if it is a platform.
    pub(crate) platform: Option<String>,
    /// Names of the layout that lead to it.
    pub(crate) names: Vec<String>,
    /// What belongs to it.
    pub(crate) below: Vec<Branch>,
    /// More belongs to it: it was shown before, or is too deep.
    pub(crate) elided: bool,
    /// No entry leads to it: it is known by what it says that it is about.
    pub(crate) unlisted: bool,
}

/// How deep a tree is shown. Real ones have five levels at most.
const MAX_DEPTH: usize = 32;

/// What was shown of an image so far.
#[derive(Default)]
struct Shown {
    nodes: HashSet<NodeId>,
    depth: usize,
}

/// What refers to what in one layout; made once for all images.
pub(crate) struct Trees<'a> {
    snapshot: &'a View,
    config_of: &'a ConfigOf<'a>,
    referrers: HashMap<NodeId, Vec<NodeId>>,
    listed_attestations: HashSet<NodeId>,
    unlisted: HashSet<NodeId>,
}

impl<'a> Trees<'a> {
    pub(crate) fn new(snapshot: &'a View, config_of: &'a ConfigOf<'a>) -> Trees<'a> {
        let graph = &snapshot.graph;
        let mut referrers: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        let mut known = HashSet::new();
        let records = snapshot.records.iter().map(|(_, record)| record);
        let records = records.filter(|record| record.kind == RecordKind::Referrer);
        let records = records.filter_map(|record| Some((record.subject?, record.target)));
        let documents = graph
            .ids()
            .filter(|node| graph.is_present_document(*node))
            .filter_map(|node| Some((graph.subject(node)?, node)));
        let lists = snapshot.unlisted.iter();
        let lists = lists.filter_map(|node| Some((graph.common_subject(*node)?, *node)));
        for (subject, referrer) in records.chain(documents).chain(lists) {
            if known.insert((subject, referrer)) {
                referrers.entry(subject).or_default().push(referrer);
            }
        }
        let listed_attestations = graph
            .ids()
            .flat_map(|node| graph.links(node))
            .filter(|link| link.note.is_some_and(|note| note.attests.is_some()))
            .map(|link| link.to)
            .collect();
        Trees {
            snapshot,
            config_of,
            referrers,
            listed_attestations,
            unlisted: snapshot.unlisted.iter().copied().collect(),
        }
    }

    /// What belongs to an image, in the order in which it is listed. What belongs to it in several
    /// ways is shown in full where it comes first, so a tree is no larger than its graph.
    pub(crate) fn of(&self, image: NodeId) -> Vec<Branch> {
        let mut shown = Shown::default();
        shown.nodes.insert(image);
        self.below(image, &mut shown)
    }

    fn below(&self, node: NodeId, shown: &mut Shown) -> Vec<Branch> {
        let graph = &self.snapshot.graph;
        let mut branches = Vec::new();
        let attestations_of = attestations(graph, node);
        let attestations: HashSet<NodeId> = attestations_of.values().flatten().copied().collect();
        let is_image = config_node(graph, node)
            .is_some_and(|config| graph.kind(config) == NodeKind::ImageConfig);
        let mut seen = HashSet::new();
        for link in graph.links(node) {
            let is_shown = link.is_needed()
                && (link.role == Role::Manifest || (!is_image && graph.is_present_document(node)))
                && !attestations.contains(&link.to)
                && seen.insert(link.to);
            if !is_shown {
                continue;
            }
            let declared = link.note.and_then(|note| note.platform.clone());
            let mut branch = self.branch(link.to, declared.map(|p| p.to_string()), shown);
            for attestation in attestations_of.get(&link.to).into_iter().flatten() {
                let role = "attestation";
                let below = self.branch(*attestation, None, shown);
                branch.below.push(Branch { role, ..below });
            }
            if link.note.is_some_and(|note| note.attestation) {
                branch.role = "attestation";
                branch.platform = None;
            }
            branches.push(branch);
        }
        for referrer in self.referrers.get(&node).into_iter().flatten() {
            // An attestation that says what it is about in both ways is shown once, by the index.
            let is_listed = self.listed_attestations.contains(referrer);
            if seen.insert(*referrer) && !attestations.contains(referrer) && !is_listed {
                branches.push(Branch {
                    role: "referrer",
                    platform: None,
                    ..self.branch(*referrer, None, shown)
                });
            }
        }
        branches
    }

    fn branch(&self, node: NodeId, declared: Option<String>, shown: &mut Shown) -> Branch {
        let graph = &self.snapshot.graph;
        let kind = graph.kind(node);
        let platform = declared.or_else(|| {
            let config = (self.config_of)(node)?;
            (!config.platform.is_unknown()).then(|| config.platform.to_string())
        });
        let role = match kind {
            NodeKind::Index => "index",
            _ if platform.is_some() => "platform",
            other => other.word(),
        };
        let records = &self.snapshot.records;
        let named = records.of_target(node).iter();
        let named = named.filter(|id| !records.record(**id).is_dangling());
        let mut names: Vec<String> = named.map(|id| self.snapshot.shown(*id)).collect();
        names.sort();
        // A forged circle of references ends here.
        let is_new = shown.nodes.insert(node);
        let (mut below, mut elided) = (Vec::new(), !is_new && graph.links(node).next().is_some());
        if is_new && shown.depth < MAX_DEPTH {
            shown.depth += 1;
            below = self.below(node, shown);
            shown.depth -= 1;
        } else if is_new {
            elided = kind == NodeKind::Index;
        }
        Branch {
            node,
            role,
            platform,
            names,
            below,
            elided,
            unlisted: self.unlisted.contains(&node),
        }
    }
}

/// By what they are about, the attestations of an index that lists both: they stand below that.
fn attestations(graph: &Graph, index: NodeId) -> HashMap<NodeId, Vec<NodeId>> {
    let listed: HashSet<NodeId> = graph.links(index).map(|link| link.to).collect();
    let mut found: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for link in graph.links(index) {
        let subject = graph.attested_by(&link);
        if let Some(subject) = subject.filter(|to| listed.contains(to) && *to != link.to) {
            found.entry(subject).or_default().push(link.to);
        }
    }
    found
}
