//! Which images containers use.
//!
//! A layout has no daemon, so what runs is told to the command. A container uses an image if any
//! digest that its engine gives for it is the image's, one of its manifests', or one of its
//! configs' (classic Docker and podman call that the image's ID); if none of them is in the layout,
//! by the name it was started with. An image mounted into a container is used in a weaker sense,
//! as in Docker: it counts when the image is removed by name, and not otherwise.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Container;
use crate::snapshot::View;
use crate::snapshot::graph::{NodeId, NodeKind};
use crate::value::reference::Reference;

/// What containers use in one layout.
#[derive(Debug)]
pub struct Uses<'a> {
    images: BTreeMap<NodeId, Vec<&'a Container>>,
    mounted: BTreeMap<NodeId, Vec<&'a Container>>,
    names: BTreeSet<String>,
}

impl<'a> Uses<'a> {
    /// There are no containers.
    pub(crate) const fn none() -> Uses<'a> {
        Uses {
            images: BTreeMap::new(),
            mounted: BTreeMap::new(),
            names: BTreeSet::new(),
        }
    }

    /// Finds the images of the containers.
    pub(crate) fn new(snapshot: &View, containers: &'a [Container]) -> Uses<'a> {
        let mut uses = Uses::none();
        if containers.is_empty() {
            return uses;
        }
        let found = uses.match_ids(snapshot, containers);
        for (number, container) in containers.iter().enumerate() {
            if let Some(text) = &container.reference {
                uses.add_names(text);
                if !found.contains(&number) {
                    for image in named(snapshot, text) {
                        uses.images.entry(image).or_default().push(container);
                    }
                }
            }
            for mount in &container.mounts {
                for image in named(snapshot, mount) {
                    uses.mounted.entry(image).or_default().push(container);
                }
            }
        }
        uses
    }

    /// Matches by digests; the answer says which containers were found.
    fn match_ids(&mut self, snapshot: &View, containers: &'a [Container]) -> HashSet<usize> {
        let graph = &snapshot.graph;
        let mut wanted: HashMap<NodeId, Vec<usize>> = HashMap::new();
        let mut prefixes = Vec::new();
        for (number, container) in containers.iter().enumerate() {
            for node in container.digests.iter().filter_map(|d| graph.find(d)) {
                wanted.entry(node).or_default().push(number);
            }
            if let Some(prefix) = &container.id_prefix {
                prefixes.push((prefix.as_str(), number));
            }
        }
        let mut found = HashSet::new();
        let targets: HashSet<NodeId> = snapshot.records.iter().map(|(_, r)| r.target).collect();
        for target in targets {
            let mut users = BTreeSet::new();
            for node in graph.needed_below(target) {
                let is_id = graph.kind(node).is_document()
                    || graph.kind(node) == NodeKind::ImageConfig
                    || node == target;
                if !is_id {
                    continue;
                }
                users.extend(wanted.get(&node).into_iter().flatten().copied());
                if !prefixes.is_empty() {
                    let hex = graph.digest(node).encoded();
                    let begun = prefixes
                        .iter()
                        .filter(|(prefix, _)| hex.starts_with(prefix));
                    users.extend(begun.map(|(_, number)| *number));
                }
            }
            for number in users {
                // A short text may be the beginning of an ID, and a name all the same.
                if containers[number].id_prefix.is_none() {
                    found.insert(number);
                }
                let images = self.images.entry(target).or_default();
                images.push(&containers[number]);
            }
        }
        found
    }

    /// The names that a container's reference speaks of: with tag and digest, the tag alone too.
    fn add_names(&mut self, text: &str) {
        self.names.insert(text.to_owned());
        if let Ok(reference) = Reference::parse(text) {
            let reference = reference.with_default_tag();
            if reference.digest().is_some()
                && let Some(tag) = reference.tag()
            {
                let repository = reference.repository();
                self.names.insert(format!("{repository}:{tag}"));
            }
            self.names.insert(reference.to_string());
        }
    }

    /// The containers made from an image.
    pub(crate) fn of_image(&self, image: NodeId) -> &[&'a Container] {
        self.images.get(&image).map_or(&[], Vec::as_slice)
    }

    /// The containers that an image is mounted into.
    pub(crate) fn mounted(&self, image: NodeId) -> &[&'a Container] {
        self.mounted.get(&image).map_or(&[], Vec::as_slice)
    }

    /// Whether a container was started under this full name.
    pub(crate) fn is_name_in_use(&self, key: &str) -> bool {
        self.names.contains(key)
    }
}

/// The images that a reference or a digest means, if any does.
fn named(snapshot: &View, text: &str) -> Vec<NodeId> {
    let records = &snapshot.records;
    if let Some(node) = text.parse().ok().and_then(|d| snapshot.graph.find(&d)) {
        return vec![node];
    }
    let exact = records.of_text(snapshot.index.entries(), text);
    let meant = match Reference::parse(text) {
        _ if !exact.is_empty() => exact,
        Ok(reference) => {
            let reference = reference.with_default_tag();
            let by_key = records.of_key(&reference.to_string());
            let digest = reference.digest().and_then(|d| snapshot.graph.find(d));
            match digest {
                Some(node) if by_key.is_empty() => return vec![node],
                _ => by_key,
            }
        }
        Err(_) => exact,
    };
    meant.iter().map(|id| records.record(*id).target).collect()
}
