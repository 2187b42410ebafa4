//! The tree of an image: platforms, attestations, referrers, layers of caches.
//!
//! Shown are documents, and of documents that are no image (BuildKit's caches, artifacts) their
//! layers. Configs and layers of an image proper are left out: every image has them, and they say
//! nothing that the platform does not.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::oci::descriptor::Role;
use crate::oci::manifest::EdgeNote;
use crate::snapshot::platform_manifests::config_node;
use crate::snapshot::{ConfigOf, Graph, NodeId, NodeKind, RecordKind, View};
use crate::value::platform::{Platform, told_apart};

/// One blob below an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) node: NodeId,
    /// What it is to the image: `platform`, `attestation`, `index`, `manifest`, `referrer`,
    /// `layer`, `config` or `blob`.
    pub(crate) role: &'static str,
    /// What it runs on, if it is a platform.
    pub(crate) platform: Option<Platform>,
    /// The same as people are shown it: with version and features, if another platform of the image
    /// looks the same without.
    pub(crate) shown_platform: Option<String>,
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
    listed_belongings: HashSet<NodeId>,
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
        let listed_belongings = graph
            .ids()
            .flat_map(|node| graph.links(node))
            .filter(|link| link.note.is_some_and(|note| note.about().is_some()))
            .map(|link| link.to)
            .collect();
        Trees {
            snapshot,
            config_of,
            referrers,
            listed_belongings,
            unlisted: snapshot.unlisted.iter().copied().collect(),
        }
    }

    /// What belongs to an image, in the order in which it is listed. What belongs to it in several
    /// ways is shown in full where it comes first, so a tree is no larger than its graph.
    pub(crate) fn of(&self, image: NodeId) -> Vec<Branch> {
        let mut shown = Shown::default();
        shown.nodes.insert(image);
        let mut branches = self.below(image, &mut shown);
        show_platforms(&mut branches);
        branches
    }

    fn below(&self, node: NodeId, shown: &mut Shown) -> Vec<Branch> {
        let graph = &self.snapshot.graph;
        let mut branches = Vec::new();
        let mut about = belongings(graph, node);
        let belonging = about.values().flatten().map(|(node, _)| *node);
        let belonging: HashSet<NodeId> = belonging.collect();
        let is_image = config_node(graph, node)
            .is_some_and(|config| graph.kind(config) == NodeKind::ImageConfig);
        let mut seen = HashSet::new();
        for link in graph.links(node) {
            let is_shown = link.is_needed()
                && (link.role == Role::Manifest || (!is_image && graph.is_present_document(node)))
                && !belonging.contains(&link.to)
                && seen.insert(link.to);
            if !is_shown {
                continue;
            }
            let declared = link.note.and_then(|note| note.platform.clone());
            let mut branch = self.branch(link.to, declared, shown);
            self.add_belongings(&mut branch, &mut about, shown);
            if link.note.is_some_and(|note| note.attestation) {
                branch.role = "attestation";
                branch.platform = None;
            }
            branches.push(branch);
        }
        // Those that are about each other, in a circle.
        let circle = about.into_values().flatten();
        for (belonging, role) in circle.collect::<BTreeSet<_>>() {
            let branch = self.branch(belonging, None, shown);
            branches.push(Branch { role, ..branch });
        }
        for referrer in self.referrers.get(&node).into_iter().flatten() {
            // An attestation that says what it is about in both ways is shown once, by the index.
            let is_listed = self.listed_belongings.contains(referrer);
            if seen.insert(*referrer) && !belonging.contains(referrer) && !is_listed {
                branches.push(Branch {
                    role: "referrer",
                    platform: None,
                    ..self.branch(*referrer, None, shown)
                });
            }
        }
        branches
    }

    /// Puts below a branch what the index lists beside it and is about it, as deep as a tree is shown:
    /// what is about each other may be as long a row as the index. The rest stands beside the branch.
    fn add_belongings(&self, branch: &mut Branch, about: &mut Belongings, shown: &mut Shown) {
        if shown.depth >= MAX_DEPTH {
            return;
        }
        let Some(belongings) = about.remove(&branch.node) else {
            return;
        };
        let below = branch.below.iter().enumerate();
        let known: HashMap<NodeId, usize> = below.map(|(at, below)| (below.node, at)).collect();
        shown.depth += 1;
        for (node, role) in belongings {
            let mut new = None;
            let belonging = match known.get(&node) {
                Some(at) => &mut branch.below[*at],
                None => new.insert(self.branch(node, None, shown)),
            };
            self.add_belongings(belonging, about, shown);
            (belonging.role, belonging.platform) = (role, None);
            branch.below.extend(new);
        }
        shown.depth -= 1;
    }

    fn branch(&self, node: NodeId, declared: Option<Platform>, shown: &mut Shown) -> Branch {
        let graph = &self.snapshot.graph;
        let kind = graph.kind(node);
        let platform = declared.or_else(|| {
            let config = (self.config_of)(node)?;
            (!config.platform.is_unknown()).then(|| Platform::clone(&config.platform))
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
            shown_platform: None,
            names,
            below,
            elided,
            unlisted: self.unlisted.contains(&node),
        }
    }
}

/// By what they are about, what an index lists beside that: it stands below it. Each with its role.
type Belongings = HashMap<NodeId, Vec<(NodeId, &'static str)>>;

/// Shows version and features of the platforms of a tree that would look the same without.
fn show_platforms(branches: &mut [Branch]) {
    fn each(branches: &mut [Branch], visit: &mut dyn FnMut(&mut Branch)) {
        for branch in branches {
            visit(branch);
            each(&mut branch.below, visit);
        }
    }
    let mut platforms = Vec::new();
    each(branches, &mut |branch| {
        platforms.extend(branch.platform.clone());
    });
    let mut shown = told_apart(platforms.iter()).into_iter();
    each(branches, &mut |branch| {
        branch.shown_platform = branch.platform.as_ref().and_then(|_| shown.next());
    });
}

fn belongings(graph: &Graph, index: NodeId) -> Belongings {
    let listed: HashSet<NodeId> = graph.links(index).map(|link| link.to).collect();
    let mut seen = HashSet::new();
    let mut found = Belongings::new();
    for link in graph
        .links(index)
        .filter(|link| link.role == Role::Manifest)
    {
        let is_attestation = link.note.is_some_and(EdgeNote::is_attestation);
        let role = match is_attestation || graph.is_attestation(link.to) {
            true => "attestation",
            false => "referrer",
        };
        let about = graph.about_by(&link).or_else(|| graph.about(link.to));
        let about = about.filter(|about| listed.contains(about) && *about != link.to);
        if let Some(about) = about
            && seen.insert(link.to)
        {
            found.entry(about).or_default().push((link.to, role));
        }
    }
    found
}
