//! Completeness: whether an image could be used with what the layout holds of it.
//!
//! Layouts may be sparse, so a blob that is missing is no damage. But who keeps the newest images
//! wants those that can be run, and who cleans up wants to find those that cannot.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::layout::{BlobError, Locked, Presence};
use crate::oci::descriptor::Role;
use crate::oci::manifest::EdgeNote;
use crate::snapshot::platform_manifests::platform_manifests;
use crate::snapshot::reachability::Descent;
use crate::snapshot::{Graph, NodeId, NodeKind, Parts};
use crate::workers::Workers;

/// How much of an image the layout holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// All of it.
    Complete,
    /// Enough for one platform at least; a stub is enough, since the store has the bytes.
    Sparse,
    /// Not enough for any: a manifest, a config or a layer of each is missing or damaged.
    Broken,
}

impl Completeness {
    /// The word for it in reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Completeness::Complete => "complete",
            Completeness::Sparse => "sparse",
            Completeness::Broken => "broken",
        }
    }
}

/// What there is of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    /// Nothing, or something else than it should be.
    Not,
    /// A stub: its bytes lie in another repository of the store.
    Elsewhere,
    /// It is there, and all that was looked at is as it should be.
    Here,
}

/// Says of each image how much of it the layout holds.
pub(crate) struct Holdings<'a> {
    graph: &'a Graph,
    /// What there is of each node.
    held: Vec<Held>,
    room: RefCell<Room>,
}

/// What was found out so far, and room for finding out more.
struct Room {
    descent: Descent,
    images: HashMap<NodeId, Completeness, RandomState>,
    manifests: HashMap<NodeId, Held, RandomState>,
}

impl<'a> Holdings<'a> {
    /// `held` says what there is of each node.
    pub(crate) fn new(graph: &'a Graph, mut held: Vec<Held>) -> Holdings<'a> {
        for node in graph.ids() {
            // What a descriptor embeds is there without a file.
            let is_embedded = graph.embedded(node).is_some() && !graph.is_unread_document(node);
            if graph.may_be_left_out(node) || is_embedded {
                held[node.index()] = Held::Here;
            }
        }
        Holdings {
            graph,
            held,
            room: RefCell::new(Room {
                descent: Descent::new(graph),
                images: HashMap::default(),
                manifests: HashMap::default(),
            }),
        }
    }

    /// Looks at the files of all blobs: documents were read, of others the size must be what their
    /// descriptors say. Of `unread_configs`, which were wanted and could not be read, the content must
    /// not contradict the digest either.
    pub(crate) fn measure<M>(
        layout: &Locked<M>,
        graph: &'a Graph,
        unread_configs: &HashSet<NodeId, RandomState>,
    ) -> Holdings<'a> {
        let nodes: Vec<NodeId> = graph.ids().collect();
        let gone_ones = Mutex::new(HashSet::new());
        let look = |node: &NodeId, _: &mut Vec<u8>| {
            if graph.is_present_document(*node) {
                return Held::Here;
            }
            let digest = graph.digest(*node);
            let found = layout.look_at_blob(digest, graph.declared_size(*node));
            let found = found.or_else(|error| match error {
                // What cannot be looked at may be there, and whole.
                BlobError::Io(_) => Ok(Presence::Whole),
                error => Err(error),
            });
            let gone = matches!(found, Ok(Presence::Missing));
            if gone && let Ok(mut all) = gone_ones.lock() {
                all.insert(digest.clone());
            }
            match found.unwrap_or(Presence::Missing) {
                Presence::Missing => Held::Not,
                Presence::Stub => Held::Elsewhere,
                Presence::Whole if graph.is_unread_document(*node) => Held::Not,
                Presence::Whole
                    if unread_configs.contains(node)
                        && matches!(
                            layout.verify_blob(digest, None),
                            Err(BlobError::Digest { .. })
                        ) =>
                {
                    Held::Not
                }
                Presence::Whole => Held::Here,
            }
        };
        let mut held = Workers::for_reading().map(&nodes, &look, || ());
        let gone = gone_ones
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let named = layout.named(&gone);
        for node in named.iter().filter_map(|digest| graph.find(digest)) {
            // So may this be. Documents were looked for before.
            if !graph.is_unread_document(node) {
                held[node.index()] = Held::Here;
            }
        }
        Holdings::new(graph, held)
    }

    /// How much of an image there is.
    pub(crate) fn of(&self, image: NodeId) -> Completeness {
        let room = &mut *self.room.borrow_mut();
        if let Some(known) = room.images.get(&image) {
            return *known;
        }
        let found = self.find_out(image, room);
        room.images.insert(image, found);
        found
    }

    fn find_out(&self, image: NodeId, room: &mut Room) -> Completeness {
        let graph = self.graph;
        let held = self.held_below(image, room);
        let is_index = graph.is_present_document(image) && graph.kind(image) == NodeKind::Index;
        let is_usable = match is_index {
            true => self.has_usable_part(image, room),
            false => held >= Held::Elsewhere,
        };
        match (is_usable, held == Held::Here) {
            (true, true) => Completeness::Complete,
            (true, false) => Completeness::Sparse,
            (false, _) => Completeness::Broken,
        }
    }

    /// Whether an index lists anything that can be used with what is there. What only says something
    /// about images, as attestations do, is no use without one.
    fn has_usable_part(&self, index: NodeId, room: &mut Room) -> bool {
        let graph = self.graph;
        let listed = platform_manifests(graph, index, None, &Parts::default(), &|_| None);
        let mut platforms = listed.iter().filter(|of| !of.is_attestation).peekable();
        if platforms.peek().is_some() {
            return platforms.any(|of| self.held_below(of.manifest, room) >= Held::Elsewhere);
        }
        // A list of referrers is of use to what they are about, and a cache is one of layers.
        let is_list = graph.common_subject(index).is_some();
        let (mut open, mut seen) = (vec![index], HashSet::from([index]));
        while let Some(index) = open.pop() {
            for link in graph.links(index).filter(|link| link.is_needed()) {
                // What stands beside platforms has one, if only an unknown one.
                let is_listed = is_list && link.note.is_none_or(|note| note.platform.is_none());
                let is_about = link.note.is_some_and(EdgeNote::is_about_another)
                    || graph.about(link.to).is_some();
                if graph.is_present_document(link.to) && graph.kind(link.to) == NodeKind::Index {
                    if seen.insert(link.to) {
                        open.push(link.to);
                    }
                } else if (is_listed || link.role != Role::Manifest || !is_about)
                    && self.held_below(link.to, room) >= Held::Elsewhere
                {
                    return true;
                }
            }
        }
        false
    }

    /// What there is of that of which there is least, of a document and all that it needs.
    fn held_below(&self, start: NodeId, room: &mut Room) -> Held {
        if let Some(known) = room.manifests.get(&start) {
            return *known;
        }
        let mut least = Held::Here;
        room.descent.walk(self.graph, start, &mut |node| {
            least = least.min(self.held[node.index()]);
        });
        room.manifests.insert(start, least);
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::walk::tests::{Store, entry};
    use crate::value::digest::{Algorithm, Digest};

    /// What `of` says when these blobs are not there.
    fn completeness(store: &Store, image: &Digest, missing: &[&Digest]) -> Completeness {
        completeness_with(store, image, missing, &[])
    }

    /// The same when of others there are only stubs.
    fn completeness_with(
        store: &Store,
        image: &Digest,
        missing: &[&Digest],
        stubs: &[&Digest],
    ) -> Completeness {
        let mut left = Store(store.0.clone());
        left.0.retain(|digest, _| !missing.contains(&digest));
        let graph = left.graph(&[entry(image)]);
        let held = graph
            .ids()
            .map(|node| match left.0.get(graph.digest(node)) {
                None => Held::Not,
                Some(_) if stubs.contains(&graph.digest(node)) => Held::Elsewhere,
                Some(_) => Held::Here,
            });
        let holdings = Holdings::new(&graph, held.collect());
        holdings.of(graph.find(image).unwrap())
    }

    /// FR18, FR22: an image can be used if one platform can.
    #[test]
    fn an_image_is_broken_when_no_platform_of_it_is_whole() {
        use Completeness::{Broken, Complete, Sparse};
        let mut store = Store::default();
        let (a, b) = (store.manifest(&["a"], None), store.manifest(&["b"], None));
        let about = store.manifest(&["about a"], Some(&a));
        let index = store.index(&[&a, &b, &about]);
        let around = store.index(&[&index]);
        let empty = store.index(&[]);
        let around_nothing = store.index(&[&empty]);
        let only_about = store.put(format!(
            r#"{{"manifests":[{{"digest":"{about}","platform":{{"os":"unknown","architecture":"unknown"}},
                "annotations":{{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"{a}"}}}}]}}"#
        ));
        let cached = store.put("a layer".to_owned());
        let cache = store.put(format!(
            r#"{{"manifests":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{cached}"}}]}}"#
        ));
        let layer = |text: &str| Algorithm::Sha256.hash(text.as_bytes());
        let config = |text: &str| layer(&format!("{{\"config of\":[{text:?}]}}"));
        let (in_a, in_b, in_about) = (layer("a"), layer("b"), layer("about a"));
        for (image, missing, expected) in [
            (&a, vec![], Complete),
            (&a, vec![&a], Broken),
            (&a, vec![&in_a], Broken),
            (&a, vec![&config("a")], Broken),
            (&index, vec![], Complete),
            (&index, vec![&a], Sparse),
            (&index, vec![&in_b], Sparse),
            (&index, vec![&about], Sparse),
            (&index, vec![&in_about], Sparse),
            (&index, vec![&a, &b], Broken),
            (&index, vec![&a, &in_b], Broken),
            (&index, vec![&in_a, &config("b")], Broken),
            (&index, vec![&index], Broken),
            (&around, vec![], Complete),
            (&around, vec![&in_b], Sparse),
            (&around, vec![&a, &b], Broken),
            (&around, vec![&index], Broken),
            (&empty, vec![], Broken),
            (&around_nothing, vec![], Broken),
            (&only_about, vec![], Broken),
            (&cache, vec![], Complete),
            (&cache, vec![&cached], Broken),
        ] {
            assert_eq!(
                completeness(&store, image, &missing),
                expected,
                "{image} {missing:?}"
            );
        }
    }

    /// FR54: a stub is missing here, and breaks no image.
    #[test]
    fn an_image_of_which_a_store_has_the_bytes_is_not_broken() {
        use Completeness::{Broken, Sparse};
        let mut store = Store::default();
        let (a, b) = (store.manifest(&["a"], None), store.manifest(&["b"], None));
        let index = store.index(&[&a, &b]);
        let [in_a, in_b] = [b"a", b"b"].map(|text| Algorithm::Sha256.hash(text));
        for (image, missing, stubs, expected) in [
            (&a, vec![], vec![&in_a], Sparse),
            (&a, vec![&in_a], vec![], Broken),
            (&index, vec![], vec![&in_a, &in_b], Sparse),
            (&index, vec![&in_a], vec![&in_b], Sparse),
            (&index, vec![&in_a, &in_b], vec![], Broken),
        ] {
            assert_eq!(
                completeness_with(&store, image, &missing, &stubs),
                expected,
                "{image} {missing:?} {stubs:?}"
            );
        }
    }

    /// FR18: what may not be distributed is not missed.
    #[test]
    fn a_layer_that_may_be_left_out_is_not_missed() {
        for (media_type, expected) in [
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                Completeness::Complete,
            ),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                Completeness::Complete,
            ),
            (
                "application/vnd.oci.image.layer.v1.tar+gzip",
                Completeness::Broken,
            ),
        ] {
            let mut store = Store::default();
            let layer = Algorithm::Sha256.hash(b"far away");
            let image = store.put(format!(
                r#"{{"layers":[{{"mediaType":"{media_type}","digest":"{layer}","urls":["https://x.example/"]}}]}}"#
            ));
            assert_eq!(completeness(&store, &image, &[]), expected, "{media_type}");
        }
    }
}
