//! What lies in the trash: the removals that are understood, and what their entries lead to.

use std::collections::HashSet;

use super::load::{Snapshot, Trashed};
use crate::layout::{Locked, RemovalId, Trash};
use crate::oci::trash_record::{self, TrashRecord};
use crate::value::digest::Digest;

/// A removal in the trash, understood.
#[derive(Debug)]
pub struct TrashedRemoval {
    /// Its name.
    pub id: RemovalId,
    /// What it took away.
    pub record: TrashRecord,
    /// What the entries that it took away lead to.
    pub snapshot: Snapshot<Trashed>,
    /// The blobs that lie with it.
    pub blobs: HashSet<Digest>,
}

/// The removals in the trash that are understood, oldest first.
pub fn removals<M>(layout: &Locked<M>, trash: &Trash) -> Vec<TrashedRemoval> {
    let records = trash_record::records(trash).into_iter();
    records
        .map(|(id, record)| TrashedRemoval {
            id: id.clone(),
            snapshot: Snapshot::of_removal(layout, trash, &record.entries, &[]),
            blobs: trash.blobs_of(id).iter().cloned().collect(),
            record,
        })
        .collect()
}
