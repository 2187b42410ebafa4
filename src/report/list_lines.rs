//! The lines of `ls`: their values, made from what was found out of images and of what belongs to them.

use std::borrow::{Borrow, Cow};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::shorten::visible;
use super::version::Version;
use crate::inspect::listing::{ListedRecord, Measures, name};
use crate::inspect::metadata::{CreatedFrom, ShownPlatform};
use crate::inspect::tree::Branch;
use crate::snapshot::names::{Name, meaning};
use crate::value::digest::Digest;
use crate::value::platform::Platform;

/// One line of the list: one name of one image.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ImageLine {
    pub(crate) version: Version,
    /// The layout, when several are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layout: Option<Arc<str>>,
    /// As Docker shows it; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Arc<str>>,
    /// The part of the name before tag and digest; absent for a plain tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<Arc<str>>,
    /// That of its index or manifest.
    pub(crate) digest: Digest,
    /// `named`, `dangling`, `unnamed`, `child` or `referrer`.
    pub(crate) kind: &'static str,
    /// The media type that index.json says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<Arc<str>>,
    /// Those that the image lists and the layout has, with version and features.
    pub(crate) platforms: Arc<[String]>,
    /// All of them, as people are shown them.
    #[serde(skip)]
    pub(crate) shown_platforms: Arc<[ShownPlatform]>,
    /// Those that it lists and the layout does not have.
    pub(crate) missing_platforms: Arc<[String]>,
    /// When it was made, as far as anybody says; else when its file was last modified.
    pub(crate) created: Timestamp,
    /// Where that is written: `entry`, `manifest`, `config`, `file` or `index.json`.
    pub(crate) created_from: &'static str,
    /// Somebody says so, and it is not merely when a file came to be.
    #[serde(skip)]
    pub(crate) is_created_stated: bool,
    /// Bytes of its blobs that are there.
    pub(crate) size: u64,
    /// Bytes that removing it would free.
    pub(crate) unique: u64,
    /// How many of its blobs are missing.
    pub(crate) missing_blobs: u64,
    /// Whether one of its documents cannot be trusted.
    pub(crate) damaged: bool,
    /// How many containers use it, when that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) containers: Option<usize>,
    /// What belongs to it, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tree: Option<Arc<[TreeLine]>>,
}

impl ImageLine {
    /// The line of a record. `has_parts`: whether the parts of its name and the media type are shown.
    pub(crate) fn new(
        measures: &Measures<'_>,
        listed: &ListedRecord,
        has_parts: bool,
    ) -> ImageLine {
        let snapshot = measures.snapshot;
        let record = snapshot.records.record(listed.id);
        let sizes = measures.sizes.of(record.target);
        let (mut repository, mut tag, mut media_type) = (None, None, None);
        if has_parts {
            (repository, tag) = parts(&record.name, snapshot.spelling(listed.id));
            let entry = &snapshot.index.entries()[record.entries[0]];
            media_type = entry.media_type.clone();
        }
        ImageLine {
            name: name(snapshot, listed.id),
            repository,
            tag,
            media_type,
            platforms: listed.platforms.present.clone(),
            shown_platforms: listed.platforms.shown.clone(),
            missing_platforms: listed.platforms.missing.clone(),
            created: listed.created.time,
            created_from: listed.created.from.word(),
            is_created_stated: listed.created.is_stated(),
            size: sizes.size,
            unique: sizes.unique,
            missing_blobs: sizes.missing,
            damaged: measures.is_damaged(record.target),
            ..ImageLine::id(snapshot.graph.digest(record.target), record.kind.word())
        }
    }

    /// A line of which nothing but the ID is shown.
    pub(crate) fn id(digest: &Digest, kind: &'static str) -> ImageLine {
        ImageLine {
            version: Version,
            layout: None,
            name: None,
            repository: None,
            tag: None,
            digest: digest.clone(),
            kind,
            media_type: None,
            platforms: Arc::default(),
            shown_platforms: Arc::default(),
            missing_platforms: Arc::default(),
            created: Timestamp::UNIX_EPOCH,
            created_from: CreatedFrom::Entry.word(),
            is_created_stated: true,
            size: 0,
            unique: 0,
            missing_blobs: 0,
            damaged: false,
            containers: None,
            tree: None,
        }
    }
}

/// One blob that belongs to an image.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TreeLine {
    /// `platform`, `attestation`, `index`, `manifest`, `referrer`, `layer`, `config` or `blob`.
    pub(crate) role: &'static str,
    /// With version and features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// The same, as people are shown it.
    #[serde(skip)]
    pub(crate) shown_platform: Option<String>,
    pub(crate) digest: Digest,
    pub(crate) present: bool,
    /// Bytes of it and of what it needs that are here.
    pub(crate) size: u64,
    /// Names that lead to it themselves.
    pub(crate) names: Vec<String>,
    pub(crate) children: Vec<TreeLine>,
    /// More belongs to it that is not shown: it is shown elsewhere in this tree, or too deep.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) elided: bool,
    /// No entry of index.json leads to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unlisted: bool,
}

/// The lines of a list, in their order, as often as they are asked for. Each may be made when it is
/// its turn: all of a long list at once would take more memory than what they are made from.
pub(crate) trait Lines: IntoIterator<Item: Borrow<ImageLine>> + Clone {}

impl<L: IntoIterator<Item: Borrow<ImageLine>> + Clone> Lines for L {}

pub(super) fn id(line: &ImageLine, full: bool) -> String {
    shown_digest(&line.digest, full)
}

pub(super) fn shown_digest(digest: &Digest, full: bool) -> String {
    match full {
        true => digest.to_string(),
        false => digest.short(),
    }
}

pub(super) fn shown_name(line: &ImageLine) -> Cow<'_, str> {
    match &line.name {
        Some(name) => visible(name),
        None => kind_in_brackets(line).into(),
    }
}

/// What stands in place of the name of one that has none.
pub(super) fn kind_in_brackets(line: &ImageLine) -> String {
    format!("<{}>", line.kind)
}

impl TreeLine {
    /// The lines of the branches of a tree.
    pub(crate) fn of_branches(measures: &Measures<'_>, branches: &[Branch]) -> Vec<TreeLine> {
        let line = |branch: &Branch| TreeLine {
            role: branch.role,
            platform: branch.platform.as_ref().map(Platform::full),
            shown_platform: branch.shown_platform.clone(),
            digest: measures.snapshot.graph.digest(branch.node).clone(),
            present: measures.is_present(branch.node),
            size: measures.present_bytes(branch.node),
            names: branch.names.clone(),
            children: TreeLine::of_branches(measures, &branch.below),
            elided: branch.elided,
            unlisted: branch.unlisted,
        };
        branches.iter().map(line).collect()
    }
}

/// The repository and the tag that a name says. `in_full`: the short form would mean another image.
fn parts(name: &Name, spelling: Option<&str>) -> (Option<Arc<str>>, Option<Arc<str>>) {
    let (reference, text) = match name {
        Name::Reference(reference) => (Some(Cow::Borrowed(reference)), spelling),
        Name::Raw(text) => (meaning(text).map(Cow::Owned), Some(&**text)),
        Name::Tag(tag) => return (None, Some(tag.clone())),
        Name::Dangling => (None, None),
    };
    reference.map_or((None, None), |reference| {
        let tag = reference.tag();
        // Put together again they are the name as it is shown.
        let spelled = text.filter(|_| reference.digest().is_none()).map(|text| {
            let before = tag.and_then(|tag| text.strip_suffix(tag));
            let before = before.and_then(|text| text.strip_suffix(':'));
            before.unwrap_or(text).into()
        });
        let repository = spelled.unwrap_or_else(|| reference.familiar_repository().into());
        (Some(repository), tag.map(Into::into))
    })
}
