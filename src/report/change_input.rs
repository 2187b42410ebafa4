//! What the report of a changing command is made from.

use std::path::Path;

use serde::{Serialize, Serializer};

use crate::commit::Outcome;
use crate::gc::{BlobFate, Garbage, GarbageBlob, Live, TrashUse};
use crate::layout::{UnsafeMount, Unwritable};
use crate::plan::Plan;
use crate::snapshot::View;
use crate::value::digest::Digest;

/// The command that a report is about, as far as its words depend on that.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ChangingCommand<'a> {
    /// `rmi` or `untag`: what goes was named.
    NamedImages,
    Prune {
        /// The grace period as the user gave it.
        grace: &'a str,
    },
}

/// What a report is made from.
#[derive(Clone, Copy)]
pub(crate) struct ReportInput<'a> {
    /// The layout as it was.
    pub(crate) snapshot: &'a View,
    pub(crate) plan: &'a Plan,
    /// What stays; `None` when no blob was in question.
    pub(crate) live: Option<&'a Live>,
    pub(crate) garbage: &'a Garbage,
    /// What became of it; `None` in a dry run.
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) command: ChangingCommand<'a>,
    pub(crate) trash: &'a TrashUse,
    /// Where the layout is.
    pub(crate) layout: &'a Path,
    /// Other files may have the same blocks as those that go.
    pub(crate) may_share_blocks: bool,
    /// Why a real run would be refused.
    pub(crate) unsafe_mount: Option<&'a UnsafeMount>,
    /// Why a real run could not change anything, or not everything.
    pub(crate) unwritable: Option<&'a Unwritable>,
}

/// The garbage that goes, or went. Serialised, it is a list of digests, kinds and sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deleted<'a> {
    blobs: &'a [GarbageBlob],
    /// Those that stay are left out.
    only_gone: bool,
}

impl<'a> Deleted<'a> {
    pub(super) fn new(garbage: &'a Garbage, outcome: Option<&'a Outcome>) -> Deleted<'a> {
        Deleted {
            blobs: &garbage.blobs,
            only_gone: outcome.is_some(),
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a GarbageBlob> + Clone {
        let blobs = self.blobs.iter();
        blobs.filter(move |blob| !self.only_gone || blob.fate == BlobFate::Gone)
    }

    pub(super) fn len(self) -> usize {
        self.iter().count()
    }

    pub(super) fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

impl Serialize for Deleted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct DeletedBlob<'a> {
            digest: &'a Digest,
            kind: &'static str,
            size: u64,
        }
        serializer.collect_seq(self.iter().map(|blob| DeletedBlob {
            digest: &blob.digest,
            kind: blob.kind.word(),
            size: blob.size,
        }))
    }
}
