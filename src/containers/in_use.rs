//! Which images containers use.
//!
//! A layout has no daemon, so what runs is told to the command. A container uses the image that it was
//! made from, and every image that is mounted into it. Either is known by a digest, which is the
//! image's, one of its manifests' or one of its configs' (classic Docker and podman call that the
//! image's ID); if none of the digests is in the layout, by the name that was given. There is one
//! answer to "who uses this image", `Uses::of`, and every command asks it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Container;
use super::container::digest_in;
use crate::snapshot::View;
use crate::snapshot::graph::{Graph, NodeId, NodeKind};
use crate::snapshot::reachability::Descent;
use crate::value::digest::{Digest, DigestPrefix};
use crate::value::platform::Platform;
use crate::value::reference::Reference;

/// What a container does with an image. Both count alike; only the words differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It is made from it.
    MadeFrom,
    /// The image is mounted into it.
    Mounted,
}

/// A container that uses an image.
#[derive(Clone, Debug)]
pub struct User<'a> {
    /// The container.
    pub container: &'a Container,
    /// What it does with the image.
    pub does: Use,
    /// The parts of the image by which it is known, manifests or configs of single platforms. None: it
    /// is known by the image itself, or by a name.
    parts: BTreeSet<NodeId>,
}

/// What containers use in one layout.
#[derive(Debug)]
pub struct Uses<'a> {
    users: BTreeMap<NodeId, Vec<User<'a>>>,
    names: BTreeSet<String>,
}

/// One image that a container wants, by all that is said of it.
struct Wanted<'a> {
    container: &'a Container,
    does: Use,
    digests: Vec<Digest>,
    id_prefix: Option<DigestPrefix>,
    name: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// The image that a container was made from, and those that are mounted into it.
    fn by(container: &'a Container) -> impl Iterator<Item = Wanted<'a>> {
        let own = Wanted {
            container,
            does: Use::MadeFrom,
            digests: container.digests.clone(),
            id_prefix: container.id_prefix.clone(),
            name: container.reference.as_deref(),
        };
        let mounted = container.mounts.iter().map(move |text| {
            let digest = digest_in(text);
            Wanted {
                container,
                does: Use::Mounted,
                id_prefix: DigestPrefix::of_id(text).filter(|_| digest.is_none()),
                digests: digest.into_iter().collect(),
                name: Some(text.as_str()),
            }
        });
        std::iter::once(own).chain(mounted)
    }
}

/// For each image what is wanted of it, by number, and the parts by which that is known.
type Matches = BTreeMap<NodeId, BTreeMap<usize, BTreeSet<NodeId>>>;

impl<'a> Uses<'a> {
    /// There are no containers.
    pub(crate) const fn none() -> Uses<'a> {
        Uses {
            users: BTreeMap::new(),
            names: BTreeSet::new(),
        }
    }

    /// Finds the images of the containers.
    pub(crate) fn new(snapshot: &View, containers: &'a [Container]) -> Uses<'a> {
        let mut uses = Uses::none();
        if containers.is_empty() {
            return uses;
        }
        let wanted: Vec<Wanted<'a>> = containers.iter().flat_map(Wanted::by).collect();
        let (mut matches, found) = match_ids(snapshot, &wanted);
        for (number, wanted) in wanted.iter().enumerate() {
            let Some(text) = wanted.name else {
                continue;
            };
            uses.add_names(text);
            if !found.contains(&number) {
                for image in named(snapshot, text) {
                    matches.entry(image).or_default().entry(number).or_default();
                }
            }
        }
        for (image, matched) in matches {
            let users = uses.users.entry(image).or_default();
            for (number, parts) in matched {
                add_user(users, &wanted[number], parts);
            }
        }
        uses
    }

    /// The names that a reference speaks of: with tag and digest, the tag alone too.
    fn add_names(&mut self, text: &str) {
        self.names.insert(text.to_owned());
        if let Ok(reference) = Reference::parse(text) {
            let reference = reference.with_default_tag();
            self.names.extend(tag_alone(&reference));
            self.names.insert(reference.to_string());
        }
    }

    /// The containers that use an image, in the order of their list, each once.
    pub(crate) fn of(&self, image: NodeId) -> &[User<'a>] {
        self.users.get(&image).map_or(&[], Vec::as_slice)
    }

    /// Whether any image of the layout is used.
    pub(crate) fn has_any(&self) -> bool {
        !self.users.is_empty()
    }

    /// Whether a container was started, or had an image mounted, under this full name.
    pub(crate) fn is_name_in_use(&self, key: &str) -> bool {
        self.names.contains(key)
    }
}

impl User<'_> {
    /// Whether it would lose what it uses if these parts of the image went: manifests, and what is
    /// about them. `platforms` are those of all manifests that the image offers.
    ///
    /// Who is known by a part of the image uses that part and no other. Who is known by the image or
    /// by a name uses its platform, if the tool says one that the image has; else all of the image.
    pub(crate) fn needs_any(
        &self,
        graph: &Graph,
        going: &HashSet<NodeId>,
        platforms: &[(NodeId, Option<Platform>)],
    ) -> bool {
        if !self.parts.is_empty() {
            let is_own = |node: &NodeId| self.parts.contains(node);
            let mut below = going.iter().flat_map(|part| graph.needed_below(*part));
            return below.any(|node| is_own(&node));
        }
        let Some(own) = &self.container.platform else {
            return true;
        };
        let mut has_own = false;
        for (manifest, platform) in platforms {
            // A tool may leave out the version or the features that the index states.
            let platform = platform.as_ref();
            if platform.is_none_or(|platform| is_same_machine(own, platform)) {
                if going.contains(manifest) {
                    return true;
                }
                has_own = true;
            }
        }
        !has_own
    }
}

/// Whether two platforms differ in nothing that decides which machine runs them.
fn is_same_machine(one: &Platform, other: &Platform) -> bool {
    let (one, other) = (one.normalized(), other.normalized());
    (one.os, one.architecture, one.variant) == (other.os, other.architecture, other.variant)
}

/// Adds what was wanted of an image. What one container wants of it stands together, and counts as one.
fn add_user<'a>(users: &mut Vec<User<'a>>, wanted: &Wanted<'a>, parts: BTreeSet<NodeId>) {
    let known = users.last_mut();
    match known.filter(|user| std::ptr::eq(user.container, wanted.container)) {
        // Once as what it runs and once as what is mounted: it needs both.
        Some(user) if user.parts.is_empty() || parts.is_empty() => user.parts.clear(),
        Some(user) => user.parts.extend(parts),
        None => users.push(User {
            container: wanted.container,
            does: wanted.does,
            parts,
        }),
    }
}

/// Matches by digests; also says what was found.
fn match_ids(snapshot: &View, wanted: &[Wanted<'_>]) -> (Matches, HashSet<usize>) {
    let graph = &snapshot.graph;
    let mut by_node: HashMap<NodeId, Vec<usize>> = HashMap::new();
    let mut prefixes = Vec::new();
    for (number, wanted) in wanted.iter().enumerate() {
        for node in wanted.digests.iter().filter_map(|d| graph.find(d)) {
            by_node.entry(node).or_default().push(number);
        }
        prefixes.extend(wanted.id_prefix.as_ref().map(|prefix| (prefix, number)));
    }
    let mut matches = Matches::new();
    let mut found = HashSet::new();
    if by_node.is_empty() && prefixes.is_empty() {
        return (matches, found);
    }
    let mut descent = Descent::new(graph);
    let targets: HashSet<NodeId> = snapshot.records.iter().map(|(_, r)| r.target).collect();
    for target in targets {
        let mut users: BTreeMap<usize, BTreeSet<NodeId>> = BTreeMap::new();
        descent.walk(graph, target, &mut |node| {
            let is_id = graph.kind(node).is_document()
                || graph.kind(node) == NodeKind::ImageConfig
                || node == target;
            if !is_id {
                return;
            }
            let by_digest = by_node.get(&node).into_iter().flatten().copied();
            let digest = graph.digest(node);
            let begun = prefixes.iter().filter(|(prefix, _)| prefix.begins(digest));
            for number in by_digest.chain(begun.map(|(_, number)| *number)) {
                let parts = users.entry(number).or_default();
                parts.extend((node != target).then_some(node));
            }
        });
        for number in users.keys() {
            // A short text may be the beginning of an ID, and a name all the same.
            if wanted[*number].id_prefix.is_none() {
                found.insert(*number);
            }
        }
        if !users.is_empty() {
            matches.insert(target, users);
        }
    }
    (matches, found)
}

/// `repository:tag` of a reference with tag and digest.
fn tag_alone(reference: &Reference) -> Option<String> {
    reference.digest()?;
    let tag = reference.tag()?;
    Some(format!("{}:{tag}", reference.repository()))
}

/// The images that a name means, if any does.
fn named(snapshot: &View, text: &str) -> Vec<NodeId> {
    let records = &snapshot.records;
    let mut meant = records.of_text(snapshot.index.entries(), text);
    if meant.is_empty()
        && let Ok(reference) = Reference::parse(text)
    {
        let reference = reference.with_default_tag();
        meant = records.of_key(&reference.to_string());
        // Its digest is not in the layout, so the name is all that is left.
        if meant.is_empty()
            && let Some(tag) = tag_alone(&reference)
        {
            meant = records.of_key(&tag);
        }
    }
    meant.iter().map(|id| records.record(*id).target).collect()
}
