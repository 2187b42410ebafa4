//! What `rmi`, `untag` and `prune` did, or would do, as one value: the members of the JSON object,
//! and what the lines (`change_lines`) and the sentences (`messages`) are made from.
//!
//! A dry run and a real run make the same [`Report`] from the same values; only the tense differs,
//! and a real run leaves out what could not be deleted.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::change_lines::{Line, kept, lines};
use super::escape::json;
use super::messages::{ReportedError, errors, notes, warnings};
use super::units::total;
use crate::commit::Outcome;
use crate::gc::{Destination, Garbage, GarbageBlob, Live, TooYoung};
use crate::layout::{RemovalId, Weight};
use crate::oci::index::EntryEdit;
use crate::plan::Plan;
use crate::snapshot::Snapshot;
use crate::value::digest::Digest;

/// What a changing command has to say. Serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    pub(super) dry_run: bool,
    /// Names that go, as Docker shows them, in order.
    untagged: Vec<&'a str>,
    /// Blobs that go, in the order of deletion.
    pub(super) deleted: Deleted<'a>,
    /// Blobs that stay although an image that had them went, and who needs them.
    pub(super) kept: Vec<KeptBlob<'a>>,
    /// Images, or names of them, that the filters let go and that stay, and why.
    pub(super) kept_images: Vec<KeptImage<'a>>,
    /// Names that lead to a new index.
    pub(super) rewritten: &'a [Rewritten],
    /// Bytes that leave the disk.
    pub(crate) freed_bytes: u64,
    /// Garbage that stays because it is younger than the grace period.
    spared: Blobs,
    /// What was not done, and why.
    pub(crate) errors: Vec<ReportedError>,
    /// What else the user should know.
    pub(super) warnings: Vec<String>,
    /// What goes, goes to the trash.
    pub(super) to_trash: bool,
    /// What leaves the trash for good.
    pub(super) emptied: EmptiedTrash,
    #[serde(skip)]
    pub(super) lines: Vec<Line<'a>>,
    #[serde(skip)]
    pub(super) entries_removed: usize,
    #[serde(skip)]
    pub(super) entries_dangling: usize,
    #[serde(skip)]
    pub(super) notes: Vec<String>,
    /// What goes to the trash.
    #[serde(skip)]
    pub(super) trashed: Blobs,
}

/// The garbage that goes, or went. Serialised, it is a list of digests, kinds and sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deleted<'a> {
    blobs: &'a [GarbageBlob],
    /// For each whether it is gone; `None` in a dry run.
    gone: Option<&'a [bool]>,
}

impl<'a> Deleted<'a> {
    fn new(garbage: &'a Garbage, outcome: Option<&'a Outcome>) -> Deleted<'a> {
        Deleted {
            blobs: &garbage.blobs,
            gone: outcome.map(|outcome| &outcome.gone[..]),
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a GarbageBlob> + Clone {
        let blobs = self.blobs.iter().enumerate();
        blobs
            .filter(move |(number, _)| self.gone.is_none_or(|gone| gone[*number]))
            .map(|(_, blob)| blob)
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

#[derive(Debug, Serialize)]
pub(super) struct KeptBlob<'a> {
    pub(super) digest: &'a Digest,
    pub(super) kind: &'static str,
    /// Bytes, as its descriptor says.
    pub(super) size: u64,
    /// The first name that needs it.
    pub(super) needed_by: String,
}

#[derive(Debug, Serialize)]
pub(super) struct KeptImage<'a> {
    pub(super) name: &'a str,
    pub(super) digest: &'a Digest,
    pub(super) reason: &'a str,
}

/// A name that leads to a new index.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rewritten {
    pub(crate) name: String,
    pub(crate) from: Digest,
    pub(crate) to: Digest,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Blobs {
    pub(super) blobs: u64,
    pub(super) bytes: u64,
}

impl Blobs {
    pub(super) fn of(sizes: impl Iterator<Item = u64> + Clone) -> Blobs {
        Blobs {
            blobs: sizes.clone().count() as u64,
            bytes: total(sizes),
        }
    }
}

impl From<Weight> for Blobs {
    fn from(Weight { blobs, bytes }: Weight) -> Blobs {
        Blobs { blobs, bytes }
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct EmptiedTrash {
    /// Some take only names away, and have no blobs.
    pub(super) removals: u64,
    #[serde(flatten)]
    pub(super) weight: Blobs,
}

impl EmptiedTrash {
    fn new(input: &ReportInput<'_>) -> EmptiedTrash {
        if let Some(outcome) = input.outcome {
            return EmptiedTrash {
                removals: outcome.emptied.removals,
                weight: outcome.emptied.weight.into(),
            };
        }
        let weights = input.expired.iter().map(|(_, weight)| weight);
        EmptiedTrash {
            removals: input.expired.len() as u64,
            weight: Blobs {
                blobs: weights.clone().map(|weight| weight.blobs).sum(),
                bytes: total(weights.map(|weight| weight.bytes)),
            },
        }
    }
}

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
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) plan: &'a Plan,
    /// What stays; `None` when no blob was in question.
    pub(crate) live: Option<&'a Live>,
    pub(crate) garbage: &'a Garbage,
    pub(crate) rewritten: &'a [Rewritten],
    /// What became of it; `None` in a dry run.
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) command: ChangingCommand<'a>,
    /// What goes, goes to the trash.
    pub(crate) into_trash: bool,
    /// Removals in the trash that are old enough to be deleted for good.
    pub(crate) expired: &'a [(RemovalId, Weight)],
    /// How many blobs a real run brings back from the trash before it begins.
    pub(crate) waiting: usize,
    /// How much garbage stays because the trash of a layout that shares it needs it.
    pub(crate) needed_by_sharers: usize,
}

impl<'a> Report<'a> {
    pub(crate) fn new(input: &ReportInput<'a>) -> Report<'a> {
        let deleted = Deleted::new(input.garbage, input.outcome);
        let lines = lines(input, deleted);
        let edits = |kind: EntryEdit| {
            let edits = input.plan.edits.values();
            edits.filter(|edit| **edit == kind).count()
        };
        let emptied = EmptiedTrash::new(input);
        let freed = deleted.iter().map(|blob| blob.frees);
        let trashed = deleted.iter();
        let trashed = trashed.filter(|blob| blob.destination != Destination::Away);
        let kept_images = input.plan.kept_images.iter().map(|kept| KeptImage {
            name: &kept.name,
            digest: input.snapshot.graph.digest(kept.image),
            reason: &kept.reason,
        });
        let TooYoung { blobs, bytes } = input.garbage.too_young;
        Report {
            dry_run: input.outcome.is_none(),
            untagged: lines.iter().filter_map(Line::untagged).collect(),
            deleted,
            kept: kept(input),
            kept_images: kept_images.collect(),
            rewritten: input.rewritten,
            freed_bytes: total(freed.chain([emptied.weight.bytes])),
            spared: Blobs { blobs, bytes },
            errors: errors(input),
            warnings: warnings(input),
            to_trash: input.into_trash,
            emptied,
            lines,
            entries_removed: edits(EntryEdit::Remove),
            entries_dangling: edits(EntryEdit::Dangle),
            notes: notes(input),
            trashed: Blobs::of(trashed.map(|blob| blob.size)),
        }
    }

    /// Whether nothing was to be removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
            && self.deleted.is_empty()
            && self.rewritten.is_empty()
            && self.entries_removed + self.entries_dangling == 0
            && self.emptied.removals == 0
    }

    /// How many blobs leave the layout or the trash.
    pub(crate) fn blobs_going(&self) -> usize {
        self.deleted.len() + usize::try_from(self.emptied.weight.blobs).unwrap_or(usize::MAX)
    }

    /// The JSON object, on one line. `layout` is what it is about.
    pub(crate) fn json(&self, layout: &Path) -> String {
        #[derive(Serialize)]
        struct Named<'a> {
            layout: String,
            #[serde(flatten)]
            report: &'a Report<'a>,
        }
        json(&Named {
            layout: layout.display().to_string(),
            report: self,
        })
    }
}
