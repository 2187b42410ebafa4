//! Platform manifests: the manifests that an image offers, one for each platform, and what belongs to
//! them.
//!
//! An index lists more than platforms: attestations, SOCI indexes and other referrers stand beside the
//! manifests that they are about. These are parts of the image, belong to one of its manifests, and are
//! never taken for a platform.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::graph::{Graph, NodeId, NodeKind};
use super::removed_parts::Parts;
use crate::oci::config::ImageConfig;
use crate::oci::descriptor::Role;
use crate::oci::manifest::EdgeNote;
use crate::value::platform::Platform;

/// One manifest of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformManifest {
    /// The manifest.
    pub manifest: NodeId,
    /// What it runs on, as the index says, or else its config. `None`: nobody says.
    pub platform: Option<Platform>,
    /// It is about another manifest, as attestations, SOCI indexes and referrers are, and no platform of
    /// its own.
    pub is_attestation: bool,
    /// The layout has it.
    pub is_present: bool,
}

impl PlatformManifest {
    /// Whether it is there, and an image.
    pub fn is_present_image(&self) -> bool {
        self.is_present && !self.is_attestation
    }
}

/// Reads the config of a manifest.
pub type ConfigOf<'a> = dyn Fn(NodeId) -> Option<Rc<ImageConfig>> + 'a;

/// The manifests of an image, through nested indexes, in the order in which they are listed.
///
/// `declared` is the platform that the entry of index.json says; nodes of `removed` are passed over;
/// `config_of` is asked about manifests of which no index says the platform.
pub fn platform_manifests(
    graph: &Graph,
    image: NodeId,
    declared: Option<&Platform>,
    removed: &Parts,
    config_of: &ConfigOf<'_>,
) -> Vec<PlatformManifest> {
    let mut found: Vec<PlatformManifest> = Vec::new();
    // A manifest may be listed for several platforms, and is one for each.
    let mut seen: HashSet<(NodeId, Option<&Platform>)> = HashSet::new();
    let mut stack = vec![(image, declared, false)];
    while let Some((node, declared, is_attestation)) = stack.pop() {
        if removed.contains(&node) {
            continue;
        }
        let is_present = graph.is_present_document(node);
        if is_present && graph.kind(node) == NodeKind::Index {
            if node == image {
                seen.insert((node, declared));
            }
            let from = stack.len();
            for link in graph.links(node).filter(|link| link.role == Role::Manifest) {
                let declared = link.note.and_then(|note| note.platform.as_ref());
                if seen.insert((link.to, declared)) {
                    let is_about = link.note.is_some_and(EdgeNote::is_about_another);
                    stack.push((link.to, declared, is_about));
                }
            }
            // The first of them is next.
            stack[from..].reverse();
        } else if is_present || graph.is_unread_document(node) {
            let declared = declared.filter(|platform| **platform != Platform::default());
            let platform = declared.cloned().or_else(|| {
                let config = config_of(node).filter(|_| is_present);
                config.map(|config| Platform::clone(&config.platform))
            });
            found.push(PlatformManifest {
                manifest: node,
                platform,
                is_attestation,
                // A damaged one is there, whatever it says.
                is_present: is_present || graph.is_damaged(node),
            });
        }
    }
    // An unknown platform alone makes no attestation: it may be somebody's only copy of something odd.
    // What is about another part of the image is none of its platforms.
    if graph.kind(image) == NodeKind::Index {
        let listed: HashSet<NodeId> = seen.iter().map(|(node, _)| *node).collect();
        let is_part = |node: NodeId| node != image && listed.contains(&node);
        for manifest in found.iter_mut().filter(|found| !found.is_attestation) {
            let about = graph.about(manifest.manifest);
            manifest.is_attestation =
                about.is_some_and(|about| about != manifest.manifest && is_part(about));
        }
    }
    found
}

/// What an index lists, at any depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexChild {
    /// The manifest, the nested index, or whatever else stands there.
    pub node: NodeId,
    /// It is an attestation of BuildKit.
    pub is_attestation: bool,
}

/// Everything that an image's index lists, and what the indexes among that list, each once, in the order
/// in which it is listed. Empty for an image that is a single manifest.
pub fn index_children(graph: &Graph, image: NodeId) -> Vec<IndexChild> {
    let mut found: Vec<IndexChild> = Vec::new();
    let mut places: HashMap<NodeId, usize> = HashMap::new();
    for index in graph.needed_below(image) {
        if graph.kind(index) != NodeKind::Index {
            continue;
        }
        for link in graph
            .links(index)
            .filter(|link| link.role == Role::Manifest)
        {
            if link.to == image {
                continue;
            }
            let is_attestation =
                link.note.is_some_and(EdgeNote::is_attestation) || graph.is_attestation(link.to);
            let place = *places.entry(link.to).or_insert_with(|| {
                found.push(IndexChild {
                    node: link.to,
                    is_attestation,
                });
                found.len() - 1
            });
            found[place].is_attestation |= is_attestation;
        }
    }
    found
}

/// What within an image is about other parts of it: attestations, SOCI indexes, whatever has a
/// `subject`. Found out once for an image.
#[derive(Clone, Debug, Default)]
pub struct Belongings {
    /// By what they are about, each list in the order of the image.
    of: HashMap<NodeId, Vec<NodeId>>,
    /// Where in the image each part stands.
    places: HashMap<NodeId, usize>,
}

impl Belongings {
    /// Looks through an image.
    pub fn within(graph: &Graph, image: NodeId) -> Belongings {
        let below = graph.needed_below(image);
        let mut found = Belongings::default();
        for (place, node) in below.iter().enumerate() {
            found.places.insert(*node, place);
        }
        let mut pairs = Vec::new();
        for node in &below {
            pairs.extend(graph.about(*node).map(|about| (about, *node)));
            let links = graph.links(*node).filter(|link| link.note.is_some());
            pairs.extend(links.filter_map(|link| Some((graph.about_by(&link)?, link.to))));
        }
        for (about, node) in pairs {
            // The image is no part of itself: what is about all of it belongs to none.
            if about != image && node != image && about != node {
                found.of.entry(about).or_default().push(node);
            }
        }
        found
    }

    /// What belongs to a part, and what belongs to that, in the order of the image, each once. A circle
    /// of what is about each other ends.
    pub fn of(&self, part: NodeId) -> Vec<NodeId> {
        let mut known = HashSet::from([part]);
        let mut todo = vec![part];
        let mut found = Vec::new();
        while let Some(node) = todo.pop() {
            for belonging in self.of.get(&node).into_iter().flatten() {
                if known.insert(*belonging) {
                    found.push(*belonging);
                    todo.push(*belonging);
                }
            }
        }
        found.sort_by_key(|node| self.places.get(node));
        found
    }
}

/// The config of a manifest.
pub fn config_node(graph: &Graph, manifest: NodeId) -> Option<NodeId> {
    let mut links = graph.links(manifest);
    Some(links.find(|link| link.role == Role::Config)?.to)
}
