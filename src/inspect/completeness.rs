//! Completeness: whether an image could be used with what the layout holds of it.
//!
//! Layouts may be sparse, so a blob that is missing is no damage. But who keeps the newest images
//! wants those that can be run, and who cleans up wants to find those that cannot.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::layout::{BlobError, Locked};
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
    /// Enough for one platform at least.
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

/// Says of each image how much of it the layout holds.
pub(crate) struct Holdings<'a> {
    graph: &'a Graph,
    /// For each node whether nothing of it is missing or known to be damaged.
    whole: Vec<bool>,
    room: RefCell<Room>,
}

/// What was found out so far, and room for finding out more.
struct Room {
    descent: Descent,
    images: HashMap<NodeId, Completeness, RandomState>,
    manifests: HashMap<NodeId, bool, RandomState>,
}

impl<'a> Holdings<'a> {
    /// `whole` says for each node whether it is there and, as far as that was looked at, what it
    /// should be.
    pub(crate) fn new(graph: &'a Graph, mut whole: Vec<bool>) -> Holdings<'a> {
        for node in graph.ids() {
            // What a descriptor embeds is there without a file.
            let is_embedded = graph.embedded(node).is_some() && !graph.is_unread_document(node);
            whole[node.index()] |= graph.may_be_left_out(node) || is_embedded;
        }
        Holdings {
            graph,
            whole,
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
        let look = |node: &NodeId, _: &mut Vec<u8>| {
            if graph.is_present_document(*node) || graph.is_unread_document(*node) {
                return graph.is_present_document(*node);
            }
            let digest = graph.digest(*node);
            layout.has_blob(digest, graph.declared_size(*node))
                && !(unread_configs.contains(node)
                    && matches!(
                        layout.verify_blob(digest, None),
                        Err(BlobError::Digest { .. })
                    ))
        };
        let whole = Workers::for_reading().map(&nodes, &look, || ());
        Holdings::new(graph, whole)
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
        let is_whole = self.is_whole_below(image, room);
        let is_index = graph.is_present_document(image) && graph.kind(image) == NodeKind::Index;
        let is_usable = match is_index {
            true => self.has_usable_part(image, room),
            false => is_whole,
        };
        match (is_usable, is_whole) {
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
            return platforms.any(|of| self.is_whole_below(of.manifest, room));
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
                    && self.is_whole_below(link.to, room)
                {
                    return true;
                }
            }
        }
        false
    }

    /// Whether nothing that a document needs is missing.
    fn is_whole_below(&self, start: NodeId, room: &mut Room) -> bool {
        if let Some(known) = room.manifests.get(&start) {
            return *known;
        }
        let mut is_whole = true;
        room.descent.walk(self.graph, start, &mut |node| {
            is_whole &= self.whole[node.index()];
        });
        room.manifests.insert(start, is_whole);
        is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::walk::tests::{Store, entry};
    use crate::value::digest::{Algorithm, Digest};

    /// What `of` says when these blobs are not there.
    fn completeness(store: &Store, image: &Digest, missing: &[&Digest]) -> Completeness {
        let mut left = Store(store.0.clone());
        left.0.retain(|digest, _| !missing.contains(&digest));
        let graph = left.graph(&[entry(image)]);
        let whole = graph
            .ids()
            .map(|node| left.0.contains_key(graph.digest(node)));
        let holdings = Holdings::new(&graph, whole.collect());
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
