//! The lines of `ls`, made from what was found out of images and of what belongs to them.

use std::borrow::Cow;

use super::list::{ImageLine, TreeLine};
use crate::inspect::listing::{ListedRecord, Listing, name};
use crate::inspect::tree::Branch;
use crate::snapshot::names::{Name, meaning};

impl ImageLine {
    /// The line of a record. `has_parts`: whether the parts of its name and the media type are shown.
    pub(crate) fn new<M>(
        listing: &Listing<'_, M>,
        listed: &ListedRecord,
        has_parts: bool,
    ) -> ImageLine {
        let snapshot = listing.snapshot;
        let record = snapshot.records.record(listed.id);
        let sizes = listing.sizes.of(record.target);
        let (mut repository, mut tag, mut media_type) = (None, None, None);
        if has_parts {
            (repository, tag) = parts(&record.name);
            let entry = &snapshot.index.entries()[record.entries[0]];
            media_type = entry.media_type.as_deref().map(str::to_owned);
        }
        ImageLine {
            name: name(record).map(Cow::into_owned),
            repository,
            tag,
            media_type,
            platforms: listed.platforms.all.clone(),
            missing_platforms: listed.platforms.missing.clone(),
            created: listed.created,
            size: sizes.size,
            unique: sizes.unique,
            missing_blobs: sizes.missing,
            damaged: listing.is_damaged(record.target),
            ..ImageLine::id(snapshot.graph.digest(record.target), record.kind.word())
        }
    }
}

impl TreeLine {
    /// The lines of the branches of a tree.
    pub(crate) fn of_branches<M>(listing: &Listing<'_, M>, branches: &[Branch]) -> Vec<TreeLine> {
        let line = |branch: &Branch| TreeLine {
            role: branch.role,
            platform: branch.platform.clone(),
            digest: listing.snapshot.graph.digest(branch.node).clone(),
            present: listing.is_present(branch.node),
            size: listing.present_bytes(branch.node),
            names: branch.names.clone(),
            children: TreeLine::of_branches(listing, &branch.below),
            elided: branch.elided,
        };
        branches.iter().map(line).collect()
    }
}

/// The repository and the tag that a name says.
fn parts(name: &Name) -> (Option<String>, Option<String>) {
    let reference = match name {
        Name::Reference(reference) => Some(Cow::Borrowed(reference)),
        Name::Raw(text) => meaning(text).map(Cow::Owned),
        Name::Tag(tag) => return (None, Some(tag.clone())),
        Name::Dangling => None,
    };
    reference.map_or((None, None), |reference| {
        let tag = reference.tag().map(str::to_owned);
        (Some(reference.familiar_repository()), tag)
    })
}
