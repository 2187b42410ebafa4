//! What `rmi`, `untag` and `prune` did, or would do, as one value: the members of the JSON object,
//! and what the lines (`change_lines`) and the sentences (`messages`) are made from.
//!
//! A dry run and a real run make the same [`Report`] from the same values; only the tense differs,
//! and a real run leaves out what could not be deleted.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::change_input::{Deleted, ReportInput};
use super::change_lines::{KeptBlob, Line, kept, lines};
use super::escape::write_json;
use super::messages::{ReportedError, errors, notes, postponed, remarks, warnings};
use super::units::total;
use super::version::Version;
use crate::gc::{Destination, GarbageBlob};
use crate::layout::Weight;
use crate::oci::index::EntryEdit;
use crate::value::digest::Digest;

/// What a changing command has to say. Serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    pub(super) dry_run: bool,
    /// Names that go, as Docker shows them, in order.
    untagged: Vec<&'a str>,
    /// Blobs that go, in the order of deletion.
    pub(super) deleted: Deleted<'a>,
    /// Blobs that stay although an image that had them went, and what leads to them.
    pub(super) kept: Vec<KeptBlob<'a>>,
    /// Images, or names of them, that the filters let go and that stay, and why.
    pub(super) kept_images: Vec<KeptImage<'a>>,
    /// What becomes of each name, and why, where something was to be kept.
    pub(super) decisions: Vec<Decided<'a>>,
    /// Names that lead to a new index.
    pub(super) rewritten: Vec<Rewritten>,
    /// Bytes that leave the disk.
    pub(crate) freed_bytes: u64,
    /// It may be less, since other files may have the same blocks.
    pub(crate) freed_at_most: bool,
    /// Unreferenced blobs that stay because they are younger than the grace period.
    spared: Weight,
    /// Blobs that stay because another program is writing.
    postponed: Option<PostponedBlobs>,
    /// Referrers that no entry leads to and that stay with what they are about.
    unlisted_referrers: UnlistedReferrers,
    /// What was not done, and why.
    pub(crate) errors: Vec<ReportedError>,
    /// What else the user should know.
    pub(super) warnings: Vec<String>,
    /// What stayed as it was, although somebody may have thought that it would go.
    pub(super) remarks: Vec<String>,
    /// What was left as a matter of course, and how it can be removed all the same.
    pub(super) notes: Vec<String>,
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
    /// What goes to the trash.
    #[serde(skip)]
    pub(super) trashed: Weight,
}

#[derive(Debug, Serialize)]
pub(super) struct KeptImage<'a> {
    pub(super) name: &'a str,
    pub(super) digest: &'a Digest,
    pub(super) reason: &'a str,
}

/// What becomes of a name.
#[derive(Debug, Serialize)]
pub(super) struct Decided<'a> {
    pub(super) name: &'a str,
    pub(super) digest: &'a Digest,
    /// `keep` or `remove`.
    pub(super) decision: &'static str,
    /// The number of the rule that says so.
    rule: Option<usize>,
    /// Its line in the policy file.
    line: Option<usize>,
    pub(super) reason: &'a str,
}

/// The word of a [`Decided`] for what stays.
pub(super) const KEEP: &str = "keep";

fn decisions<'a>(input: &ReportInput<'a>) -> Vec<Decided<'a>> {
    let graph = &input.snapshot.graph;
    let decisions = input.plan.decisions.iter();
    let decided = decisions.map(|decided| Decided {
        name: &decided.name,
        digest: graph.digest(decided.image),
        decision: if decided.stays { KEEP } else { "remove" },
        rule: decided.rule,
        line: decided.line,
        reason: &decided.reason,
    });
    decided.collect()
}

/// A name that leads to a new index.
#[derive(Debug, Serialize)]
pub(super) struct Rewritten {
    pub(super) name: String,
    from: Digest,
    pub(super) to: Digest,
}

fn rewritten(input: &ReportInput<'_>) -> Vec<Rewritten> {
    let graph = &input.snapshot.graph;
    let rewrites = input.plan.rewrites.iter();
    let rewritten = rewrites.filter_map(|rewrite| {
        Some(Rewritten {
            name: input.snapshot.shown(rewrite.record),
            from: graph.digest(rewrite.image).clone(),
            to: rewrite.blobs.last()?.digest.clone(),
        })
    });
    rewritten.collect()
}

#[derive(Debug, Serialize)]
struct PostponedBlobs {
    /// The file that shows it, as a path within the layout.
    writer: String,
    #[serde(flatten)]
    weight: Weight,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct UnlistedReferrers {
    /// How many.
    referrers: u64,
    /// They, and what they need.
    #[serde(flatten)]
    weight: Weight,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct EmptiedTrash {
    /// Some take only names away, and have no blobs.
    pub(super) removals: u64,
    #[serde(flatten)]
    pub(super) weight: Weight,
}

impl EmptiedTrash {
    fn new(input: &ReportInput<'_>) -> EmptiedTrash {
        let (removals, weight) = match input.outcome {
            Some(outcome) => (outcome.emptied.removals, outcome.emptied.weight),
            None => {
                let expired = &input.trash.expired;
                let weight = expired.iter().map(|(_, weight)| *weight).sum();
                (expired.len() as u64, weight)
            }
        };
        EmptiedTrash { removals, weight }
    }
}

impl<'a> Report<'a> {
    pub(crate) fn new(input: &ReportInput<'a>) -> Report<'a> {
        let deleted = Deleted::new(input.garbage, input.outcome);
        let lines = lines(input, deleted);
        let edits = input.plan.edits.values();
        let edits = |kind: EntryEdit| edits.clone().filter(|edit| **edit == kind).count();
        let emptied = EmptiedTrash::new(input);
        let freed = deleted.iter().map(GarbageBlob::frees);
        let trashed = deleted
            .iter()
            .filter(|blob| blob.destination != Destination::Away);
        let kept_images = input.plan.kept_images.iter().map(|kept| KeptImage {
            name: &kept.name,
            digest: input.snapshot.graph.digest(kept.image),
            reason: &kept.reason,
        });
        Report {
            dry_run: input.outcome.is_none(),
            untagged: lines.iter().filter_map(Line::untagged).collect(),
            deleted,
            kept: kept(input),
            kept_images: kept_images.collect(),
            decisions: decisions(input),
            rewritten: rewritten(input),
            freed_bytes: total(freed.chain([emptied.weight.bytes])),
            freed_at_most: input.may_share_blocks,
            spared: input.garbage.too_young,
            postponed: postponed(input).map(|postponed| PostponedBlobs {
                writer: postponed.writer.clone(),
                weight: postponed.weight,
            }),
            unlisted_referrers: UnlistedReferrers {
                referrers: input.garbage.unlisted_referrers,
                weight: input.garbage.of_unlisted_referrers,
            },
            errors: errors(input),
            warnings: warnings(input),
            remarks: remarks(input),
            notes: notes(input),
            to_trash: input.trash.to_trash,
            emptied,
            lines,
            entries_removed: edits(EntryEdit::Remove),
            entries_dangling: edits(EntryEdit::Dangle),
            trashed: trashed.map(|blob| Weight::of_one(blob.size)).sum(),
        }
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Names that go, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.untagged.iter().copied()
    }

    /// Blobs that go, in the order of deletion.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &GarbageBlob> {
        self.deleted.iter()
    }

    /// What was not done, and is a failure.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &ReportedError> {
        self.errors.iter().filter(|error| !error.is_forgiven)
    }

    /// What else somebody should know.
    pub(crate) fn notices(&self) -> impl Iterator<Item = &String> {
        self.warnings.iter().chain(&self.remarks).chain(&self.notes)
    }

    /// Whether nothing was to be removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
            && self.deleted.is_empty()
            && self.rewritten.is_empty()
            && self.entries_removed + self.entries_dangling == 0
            && self.emptied.removals == 0
    }

    /// Takes what is not there for as good as removed: that is no failure then.
    pub(crate) fn forgive_missing(&mut self) {
        self.errors
            .iter_mut()
            .for_each(ReportedError::forgive_missing);
    }

    /// Whether anything is a failure.
    pub(crate) fn has_failed(&self) -> bool {
        self.errors.iter().any(|error| !error.is_forgiven)
    }

    /// What was not done, in short.
    pub(crate) fn what_failed(&self) -> Option<String> {
        let mut failed = self.errors.iter().filter(|error| !error.is_forgiven);
        let first = failed.next()?;
        Some(match failed.count() {
            0 => first.message.clone(),
            n => format!("{} (and {n} more)", first.message),
        })
    }

    /// What stays or would be refused, and why, a line for each.
    pub(crate) fn why_not_more(&self) -> Vec<String> {
        let errors = self.errors.iter().map(|error| error.message.clone());
        let notes = self.notes.iter().chain(&self.remarks);
        notes.chain(&self.warnings).cloned().chain(errors).collect()
    }

    /// How many blobs leave the layout or the trash.
    pub(crate) fn blobs_going(&self) -> usize {
        self.deleted.len() + usize::try_from(self.emptied.weight.blobs).unwrap_or(usize::MAX)
    }

    /// Writes the JSON object, on one line. `layout` is what it is about.
    pub(crate) fn write_json(&self, layout: &Path, out: &mut dyn Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct Named<'a> {
            version: Version,
            layout: String,
            #[serde(flatten)]
            report: &'a Report<'a>,
        }
        let named = Named {
            version: Version,
            layout: layout.display().to_string(),
            report: self,
        };
        write_json(&named, out)
    }
}
