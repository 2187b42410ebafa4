//! What is in the trash, removal by removal: when, by what, whose, how much, and until when.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::disk_use::Amount;
use super::listing::name;
use crate::layout::{Locked, RecordFile, RemovalId, Trash};
use crate::snapshot::TrashedRemoval;
use crate::snapshot::trashed::removals;
use crate::value::digest::Digest;

/// A removal in the trash.
#[derive(Debug, Serialize)]
pub(crate) struct ListedRemoval {
    /// The name of its directory.
    pub(crate) id: String,
    pub(crate) removed: Timestamp,
    /// The command that removed it, where its record says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// The entries of images that went.
    pub(crate) images: Vec<RemovedImage>,
    /// Images that stayed and lost something.
    pub(crate) parts: Vec<RemovedFrom>,
    /// Blobs, and the record.
    #[serde(flatten)]
    pub(crate) amount: Amount,
    /// From then on a prune deletes it for good.
    pub(crate) expires: Timestamp,
    /// Its record was understood.
    pub(crate) understood: bool,
}

/// The entry of an image that went.
#[derive(Debug, Serialize)]
pub(crate) struct RemovedImage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Arc<str>>,
    pub(crate) digest: Digest,
}

/// What an image lost that stayed.
#[derive(Debug, Serialize)]
pub(crate) struct RemovedFrom {
    /// The digest of its index.
    pub(crate) image: String,
    /// Those of the manifests.
    pub(crate) manifests: Vec<String>,
}

/// The removals in the trash, oldest first. `amounts` is what each takes, `keep` how long one stays.
pub(crate) fn listed_removals<M>(
    layout: &Locked<M>,
    trash: &Trash,
    amounts: &HashMap<RemovalId, Amount>,
    keep: SignedDuration,
) -> Vec<ListedRemoval> {
    let known = removals(layout, trash).into_iter();
    let mut known: HashMap<RemovalId, TrashedRemoval> =
        known.map(|removal| (removal.id.clone(), removal)).collect();
    let listed = trash.removals().iter().map(|removal| {
        let known = known.remove(&removal.id);
        ListedRemoval {
            id: removal.id.as_str().to_owned(),
            removed: removal.at,
            command: known
                .as_ref()
                .and_then(|known| known.record.command.clone()),
            images: known.as_ref().map(images).unwrap_or_default(),
            parts: known.as_ref().map(parts).unwrap_or_default(),
            amount: amounts.get(&removal.id).copied().unwrap_or_default(),
            expires: removal.at.checked_add(keep).unwrap_or(Timestamp::MAX),
            // A run that was killed left no record, and nothing is missing from it.
            understood: known.is_some() || removal.record == RecordFile::Missing,
        }
    });
    listed.collect()
}

fn images(removal: &TrashedRemoval) -> Vec<RemovedImage> {
    let snapshot = &removal.snapshot;
    let images = snapshot.records.iter();
    let images = images.filter(|(_, record)| !record.kind.is_dependent());
    images
        .map(|(id, record)| RemovedImage {
            name: name(snapshot, id),
            digest: snapshot.graph.digest(record.target).clone(),
        })
        .collect()
}

fn parts(removal: &TrashedRemoval) -> Vec<RemovedFrom> {
    let parts = removal.record.removed_parts.iter();
    parts
        .map(|parts| RemovedFrom {
            image: parts.image.clone(),
            manifests: parts.manifests.clone(),
        })
        .collect()
}
