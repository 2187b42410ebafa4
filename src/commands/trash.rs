//! What every command has to do with the trash: blobs in it that index.json leads to again come
//! back, and what its entries need is not deleted.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Session;
use crate::commit::put_back;
use crate::gc::{self, Garbage};
use crate::image::Contents;
use crate::image::removal;
use crate::layout::{Digest, Exclusive, Locked, RemovalId, Trash, Weight};
use crate::plan::restore::Removed;
use crate::report::units::{count, size};

/// Blobs in the trash that index.json leads to although the layout does not have them.
pub(super) fn reappeared<M>(
    session: &Session,
    layout: &Locked<M>,
) -> anyhow::Result<(Trash, Vec<Digest>)> {
    let trash = layout.trash()?;
    if trash.blobs().next().is_none() {
        return Ok((trash, Vec::new()));
    }
    let contents = session.load_with(layout, &[], &trash)?;
    let records = removal::records(&trash);
    let cuts = removal::cuts(records.iter().map(|(_, record)| record), &contents.graph);
    let mut back = gc::reappeared(&contents, &trash, cuts);
    back.retain(|digest| matches!(layout.stat_blob(digest), Ok(None)));
    Ok((trash, back))
}

/// Brings them back, and clears away removals that a killed run left without anything in them.
pub(super) fn heal(session: &Session, layout: &Locked<Exclusive>) -> anyhow::Result<()> {
    let (trash, back) = reappeared(session, layout)?;
    if !back.is_empty() {
        let _changing = session.interrupt.changing();
        let bytes = bytes(layout, &trash, &back);
        let came = put_back(layout, &trash, &back)?;
        session.console.say(&format!(
            "Brought {} ({}) back from the trash: index.json leads to them again.",
            count(came.len(), "blob", "blobs"),
            size(bytes)
        ));
    }
    for removal in trash.removals() {
        if removal.record.is_none() && removal.blobs.is_empty() {
            // Not being able to remove garbage is no reason not to do what was asked.
            let _ = layout.empty_removal(&removal.id);
        }
    }
    Ok(())
}

/// Bytes of blobs in the trash.
pub(super) fn bytes<'d, M>(
    layout: &Locked<M>,
    trash: &Trash,
    blobs: impl IntoIterator<Item = &'d Digest>,
) -> u64 {
    blobs.into_iter().fold(0, |sum: u64, digest| {
        sum.saturating_add(layout.size_of_trashed(trash, digest))
    })
}

/// The removals in the trash, oldest first, with what their entries lead to.
pub(super) fn removed<M>(layout: &Locked<M>, trash: &Trash) -> Vec<Removed> {
    let records = removal::records(trash).into_iter();
    records
        .map(|(id, record)| Removed {
            id: id.clone(),
            contents: Contents::of_removal(layout, trash, &record.rows),
            record,
        })
        .collect()
}

/// What a run that deletes does with the trash.
#[derive(Debug, Default)]
pub(super) struct Disposal {
    /// What goes, goes there.
    pub(super) into_trash: bool,
    /// Removals that are old enough to be deleted for good.
    pub(super) expired: Vec<(RemovalId, Weight)>,
    /// How many blobs a real run brings back before it begins.
    pub(super) waiting: usize,
}

/// Sends garbage where it belongs: to the trash if that was asked for, or if something in there
/// needs it. Removals from before `expire` are deleted for good.
pub(super) fn dispose<M>(
    layout: &Locked<M>,
    garbage: &mut Garbage,
    into_trash: bool,
    expire: Option<Timestamp>,
) -> anyhow::Result<Disposal> {
    let trash = layout.trash()?;
    let mut disposal = Disposal {
        into_trash,
        ..Disposal::default()
    };
    for removal in trash.removals() {
        if expire.is_some_and(|moment| removal.at <= moment) {
            let weight = layout.weigh_removal(&removal.id)?;
            disposal.expired.push((removal.id.clone(), weight));
        }
    }
    let needed = match trash.is_empty() || garbage.blobs.is_empty() {
        true => HashMap::new(),
        false => disposal.needed(layout, &trash),
    };
    garbage.into_trash(into_trash, &needed);
    Ok(disposal)
}

impl Disposal {
    /// Blobs that entries in the trash need, apart from those of removals that are to be deleted.
    pub(super) fn needed<M>(
        &self,
        layout: &Locked<M>,
        trash: &Trash,
    ) -> HashMap<Digest, RemovalId> {
        let is_expired = |id: &RemovalId| self.expired.iter().any(|(other, _)| other == id);
        let removals: Vec<(RemovalId, Contents)> = removed(layout, trash)
            .into_iter()
            .filter(|removed| !is_expired(&removed.id))
            .map(|removed| (removed.id, removed.contents))
            .collect();
        gc::needed_by_trash(removals.iter())
    }
}
