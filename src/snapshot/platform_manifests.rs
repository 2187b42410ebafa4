//! Platform manifests: the manifests that an image offers, one for each platform, and what is about them.

use std::collections::HashSet;
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
    /// It is about another manifest, and no platform of its own.
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
    let mut found = Vec::new();
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
                    let is_about = |note: &EdgeNote| note.attestation || note.attests.is_some();
                    stack.push((link.to, declared, link.note.is_some_and(is_about)));
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
            // An unknown platform alone makes no attestation: it may be somebody's only copy of
            // something odd.
            let is_about_another = graph
                .subject(node)
                .is_some_and(|subject| subject != image && graph.has_parent(subject));
            found.push(PlatformManifest {
                manifest: node,
                platform,
                is_attestation: is_attestation || is_about_another,
                // A damaged one is there, whatever it says.
                is_present: is_present || graph.is_damaged(node),
            });
        }
    }
    found
}

/// The config of a manifest.
pub fn config_node(graph: &Graph, manifest: NodeId) -> Option<NodeId> {
    let mut links = graph.links(manifest);
    Some(links.find(|link| link.role == Role::Config)?.to)
}
