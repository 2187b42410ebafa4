//! Removed parts: manifests that images lost although their indexes go on listing them.
//!
//! `rmi --platform` leaves an index as it is. What it removed is no part of the image any more, here
//! and in the trash, whose records remember it.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, NodeId};
use crate::layout::{RemovalId, Trash};
use crate::oci::trash_record::TrashRecord;

/// Nodes that an image lost although its index still lists them: platforms that were removed.
pub type Parts = HashSet<NodeId>;

/// What images lost, by image.
pub type RemovedParts = HashMap<NodeId, Parts>;

/// What any image lost. A referrer keeps none of it: it is no other image.
pub fn all_parts(removed_parts: &RemovedParts) -> Parts {
    removed_parts.values().flatten().copied().collect()
}

/// What images lost, by what some records say, as far as it did not come again: what lies in a later
/// removal than the one that took it from its image was there again until then.
pub fn removed_parts<'r>(
    records: impl IntoIterator<Item = (&'r RemovalId, &'r TrashRecord)>,
    trash: &Trash,
    graph: &Graph,
) -> RemovedParts {
    let find = |text: &String| graph.find(&text.parse().ok()?);
    let mut removed_parts: RemovedParts = HashMap::new();
    for (id, record) in records {
        for lost in &record.removed_parts {
            let Some(image) = find(&lost.image) else {
                continue;
            };
            let manifests = lost.manifests.iter().filter_map(find);
            let still_lost = manifests.filter(|node| {
                let place = trash.place(graph.digest(*node));
                place.is_none_or(|place| place <= id)
            });
            removed_parts.entry(image).or_default().extend(still_lost);
        }
    }
    removed_parts
}
