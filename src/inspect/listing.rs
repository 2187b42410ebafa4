//! The list of `ls`: in which order images stand in it, and what is found out of each.
//!
//! Which records are listed at all is a matter of filters, and decided by whoever asks: a listing is
//! given the records. How a line looks is a matter of reports.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::metadata::{Created, ImageMetadata, PlatformManifests, Platforms};
use super::order::{NameKey, Order};
use super::sizes::{Sizes, sizes};
use crate::layout::Weight;
use crate::oci::config::Wanted;
use crate::snapshot::{Follow, Kinds, Name, NodeId, RecordId, RecordKind, Snapshot, View};
use crate::value::digest::Digest;
use crate::value::platform::Platform;

/// What a list says of the images of one layout.
pub(crate) struct Listing<'s, 'l, M> {
    pub(crate) measures: Measures<'s>,
    pub(crate) metadata: ImageMetadata<'l, M>,
}

/// What was measured of images. The layout is not needed any more to show it.
pub(crate) struct Measures<'s> {
    pub(crate) snapshot: &'s View,
    pub(crate) sizes: Sizes,
    present: Vec<bool>,
    /// What needs something that cannot be trusted.
    damaged: HashSet<NodeId>,
}

/// One name of one image. There may be a million, so what can be looked up is not in it.
pub(crate) struct ListedRecord {
    pub(crate) id: RecordId,
    pub(crate) created: Created,
    pub(crate) platforms: Rc<Platforms>,
}

impl<'s, 'l, M> Listing<'s, 'l, M> {
    /// Reads all configs, and finds out meanwhile what else takes long. `stored` are the blobs that
    /// are there. A list that is not complete only shows less as present.
    pub(crate) fn new(
        snapshot: &'s View,
        metadata: ImageMetadata<'l, M>,
        stored: Vec<Digest>,
        wanted: Wanted,
    ) -> Self {
        let graph = &snapshot.graph;
        let mut measures = Measures {
            snapshot,
            sizes: Sizes::default(),
            present: vec![false; graph.len()],
            damaged: HashSet::new(),
        };
        let present = &mut measures.present;
        let layout = metadata.layout();
        metadata.read_configs(wanted, || {
            for node in stored.into_iter().filter_map(|digest| graph.find(&digest)) {
                present[node.index()] = true;
            }
            let look_at = |digest: &Digest| layout.stat_blob(digest).ok().flatten();
            measures.sizes = sizes(snapshot, present, &look_at);
            if let damage @ [_, ..] = graph.damage() {
                let nodes = damage.iter().map(|damage| damage.node);
                measures.damaged = graph.above(nodes, Follow::Needed);
            }
        });
        Listing { measures, metadata }
    }

    /// Finds out what a list says of records, in their order.
    pub(crate) fn listed(&self, ids: impl Iterator<Item = RecordId>) -> Vec<ListedRecord> {
        let mut lists = PlatformLists::default();
        let mut listed = Vec::with_capacity(self.measures.snapshot.records.iter().len());
        listed.extend(ids.map(|id| {
            let manifests = self.metadata.platform_manifests(id);
            ListedRecord {
                id,
                created: self.metadata.created_with(id, &manifests),
                platforms: lists.of(&manifests),
            }
        }));
        listed
    }

    /// Puts records in an order. `reversed`: as a whole the other way round.
    pub(crate) fn sort(&self, listed: &mut [ListedRecord], order: Order, reversed: bool) {
        let snapshot = self.measures.snapshot;
        if order != Order::Index {
            listed.sort_by_key(|record| newest(snapshot, record.id, record.created));
        }
        let sizes = |record: &ListedRecord| {
            let target = snapshot.records.record(record.id).target;
            self.measures.sizes.of(target)
        };
        match order {
            Order::Age | Order::Index => {}
            Order::Size => listed.sort_by_key(|record| Reverse(sizes(record).size)),
            Order::Unique => listed.sort_by_key(|record| Reverse(sizes(record).unique)),
            Order::Name => listed.sort_by_cached_key(|record| by_name(snapshot, record.id)),
        }
        if reversed {
            listed.reverse();
        }
    }
}

impl Measures<'_> {
    /// Whether the image needs something that cannot be trusted.
    pub(crate) fn is_damaged(&self, image: NodeId) -> bool {
        self.damaged.contains(&image)
    }

    pub(crate) fn is_present(&self, node: NodeId) -> bool {
        self.present[node.index()] || self.snapshot.graph.embedded(node).is_some()
    }

    /// How many blobs that something leads to are here, and their bytes, each once.
    pub(crate) fn present(&self) -> Weight {
        let graph = &self.snapshot.graph;
        let present = graph.ids().filter(|node| self.present[node.index()]);
        present.map(|node| Weight::of_one(graph.size(node))).sum()
    }

    /// Bytes that are here of a blob and of what it needs.
    pub(crate) fn present_bytes(&self, node: NodeId) -> u64 {
        let graph = &self.snapshot.graph;
        let below = graph.needed_below(node).into_iter();
        let present = below.filter(|node| self.present[node.index()]);
        present
            .map(|node| graph.size(node))
            .fold(0, u64::saturating_add)
    }
}

/// By this the newest stands first. Of records of one moment that is the one whose last entry stands
/// last: tools append.
fn newest(snapshot: &View, id: RecordId, created: Created) -> impl Ord + use<> {
    let entries = &snapshot.records.record(id).entries;
    Reverse((created.time, entries.last().copied()))
}

/// By this names stand in their order, and what has none comes last.
fn by_name(snapshot: &View, id: RecordId) -> impl Ord + use<> {
    let name = name(snapshot, id).map(NameKey::new);
    (name.is_none(), name)
}

/// [`Listing::sort`] of records of which nothing was measured.
pub(crate) fn sort_by_age_or_name<M>(
    snapshot: &View,
    metadata: &ImageMetadata<'_, M>,
    ids: &mut [RecordId],
    order: Order,
    reversed: bool,
) {
    if matches!(order, Order::Age | Order::Name) {
        ids.sort_by_cached_key(|id| newest(snapshot, *id, metadata.created(*id)));
    }
    if order == Order::Name {
        ids.sort_by_cached_key(|id| by_name(snapshot, *id));
    }
    if reversed {
        ids.reverse();
    }
}

/// What a list of IDs shows: each entry that has one, in the order of index.json, and what it is.
/// Which kind an entry is was only found out where that is in question; all others are images.
pub(crate) fn entries_by_kind(
    snapshot: &Snapshot<Kinds>,
) -> impl Iterator<Item = (&Digest, RecordKind)> {
    let entries = snapshot.index.entries().iter().enumerate();
    entries.filter_map(|(position, entry)| {
        let id = snapshot.records.of_entry(position);
        let kind = id.map_or(RecordKind::Named, |id| snapshot.records.record(id).kind);
        Some((entry.digest.as_ref()?, kind))
    })
}

/// What is shown as the name of a record that has one.
pub(crate) fn name(snapshot: &View, id: RecordId) -> Option<Arc<str>> {
    if let Some(text) = snapshot.spelling(id) {
        return Some(text.into());
    }
    match &snapshot.records.record(id).name {
        Name::Reference(reference) => Some(reference.familiar().into()),
        Name::Tag(text) | Name::Raw(text) => Some(text.clone()),
        Name::Dangling => None,
    }
}

/// The lists of platforms so far: few differ, so images share them.
#[derive(Default)]
struct PlatformLists {
    lists: HashSet<Rc<Platforms>, RandomState>,
    /// Those of images for one platform, for which none has to be made to find it.
    of_one: HashMap<Platform, Rc<Platforms>, RandomState>,
}

impl PlatformLists {
    fn of(&mut self, manifests: &PlatformManifests) -> Rc<Platforms> {
        let only = match &*manifests.all {
            [only] if only.is_present => only.platform.as_ref(),
            _ => None,
        };
        if let Some(known) = only.and_then(|platform| self.of_one.get(platform)) {
            return known.clone();
        }
        let list = manifests.platforms.get_or_init(|| {
            let list = Rc::new(Platforms::of(&manifests.all));
            self.lists.get(&list).cloned().unwrap_or_else(|| {
                self.lists.insert(list.clone());
                list
            })
        });
        if let Some(platform) = only {
            self.of_one.insert(platform.clone(), list.clone());
        }
        list.clone()
    }
}
