//! The sentences of `rmi`, `untag`, `prune` and `restore`: what they say to a person beside the
//! lines on standard output, and what the JSON object holds as errors and warnings.
//!
//! Each sentence stands here once. Words that differ between a real run and a dry one stand side by
//! side, so that a plan and its report cannot come to speak of different things.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::change::{Blobs, ChangingCommand, Report, ReportInput, Rewritten};
use super::console::Console;
use super::escape::visible;
use super::restore::RestoreReport;
use super::units::size;
use crate::commit::Outcome;
use crate::gc::{MaybeShared, TooYoung};
use crate::plan::{Note, Refusal, RefusalClass};
use crate::snapshot::graph::Graph;
use crate::value::digest::Digest;
use crate::words::{count, listed};

/// Words of a real run, and those of a dry one.
#[derive(Clone, Copy)]
pub(super) struct Tenses(&'static str, &'static str);

impl Tenses {
    pub(super) fn of(self, dry_run: bool) -> &'static str {
        if dry_run { self.1 } else { self.0 }
    }
}

// Heads of lines.
pub(super) const UNTAGGED: Tenses = Tenses("Untagged", "Would untag");
pub(super) const DELETED: Tenses = Tenses("Deleted", "Would delete");
pub(super) const TRASHED: Tenses = Tenses("Trashed", "Would trash");
pub(super) const UNLINKED: Tenses = Tenses("Unlinked", "Would unlink");
pub(super) const MOVED: Tenses = Tenses("Moved", "Would move");
pub(super) const RESTORED: Tenses = Tenses("Restored", "Would restore");
pub(super) const MOVED_BACK: Tenses = Tenses("Moved back", "Would move back");

// Parts of sentences.
const REMOVE: Tenses = Tenses("removed", "would remove");
const CHANGE: Tenses = Tenses("changed", "would change");
const LEAVE: Tenses = Tenses("left", "would leave");
const MOVE: Tenses = Tenses("moved", "would move");
const DELETE: Tenses = Tenses("deleted", "would delete");
const FREE: Tenses = Tenses("freed", "would free");
const LEAD: Tenses = Tenses("leads", "would lead");
const BRING_BACK: Tenses = Tenses("Brought back", "Would bring back");
const NOTHING: Tenses = Tenses("Nothing was removed.", "There is nothing to remove.");
const END: Tenses = Tenses("", " Nothing was changed.");

/// Names that a sentence lists before it says how many more there are.
const MOST_NAMES: usize = 8;

fn blobs(number: u64) -> String {
    count(number, "blob", "blobs")
}

/// Blobs and their bytes: `3 blobs (12MB)`.
fn weight(Blobs { blobs: n, bytes }: Blobs) -> String {
    format!("{} ({})", blobs(n), size(bytes))
}

/// Docker's last line of a prune.
pub(crate) fn reclaimed(bytes: u64) -> String {
    format!("Total reclaimed space: {}\n", size(bytes))
}

impl Report<'_> {
    /// Says what the lines do not: how much it was, what stayed and why, what failed.
    pub(crate) fn talk(&self, console: Console) {
        if !self.is_empty() || self.errors.is_empty() {
            console.say(&format!("{}{}", self.summary(), END.of(self.dry_run)));
        }
        self.talk_kept(console);
        let lead = LEAD.of(self.dry_run);
        for Rewritten { name, to, .. } in self.rewritten {
            console.say(&format!("{} {lead} to a new index: {to}", visible(name)));
        }
        for kept in &self.kept_images {
            let (name, reason) = (visible(kept.name), visible(kept.reason));
            console.say_more(&format!("Kept: {name} ({}), {reason}", kept.digest.short()));
        }
        for note in &self.notes {
            console.say(&visible(note));
        }
        talk_failures(console, &self.warnings, &self.errors);
    }

    /// One line: how many entries of index.json, how many blobs, how many bytes.
    fn summary(&self) -> String {
        let of = |words: Tenses| words.of(self.dry_run);
        let mut parts = Vec::new();
        for (words, number) in [
            (REMOVE, self.entries_removed),
            (CHANGE, self.rewritten.len()),
        ] {
            if number > 0 {
                let entries = count(number, "entry", "entries");
                parts.push(format!("{} {entries} of index.json", of(words)));
            }
        }
        if self.entries_dangling > 0 {
            let images = count(self.entries_dangling, "image", "images");
            parts.push(format!("{} {images} dangling", of(LEAVE)));
        }
        let trashed = format!("{} {}", of(MOVE), weight(self.trashed));
        if self.to_trash && !self.deleted.is_empty() {
            parts.push(format!("{trashed} to the trash"));
        } else if !self.deleted.is_empty() {
            let deleted = blobs(self.deleted.len() as u64);
            parts.push(format!("{} {deleted}", of(DELETE)));
            if self.trashed.blobs > 0 {
                let reason = "where something needs them";
                parts.push(format!("{trashed} of these to the trash, {reason}"));
            }
            let freed = size(self.freed_bytes - self.emptied.weight.bytes);
            parts.push(format!("{} {freed}", of(FREE)));
        }
        if self.emptied.removals > 0 {
            let removals = count(self.emptied.removals, "removal", "removals");
            let weight = weight(self.emptied.weight);
            parts.push(format!(
                "{} {removals} with {weight} from the trash",
                of(DELETE)
            ));
        }
        if parts.is_empty() {
            return of(NOTHING).to_owned();
        }
        let mut text = listed(&parts, parts.len());
        text[..1].make_ascii_uppercase();
        text + "."
    }

    fn talk_kept(&self, console: Console) {
        if self.kept.is_empty() {
            return;
        }
        let holders: BTreeSet<&String> = self.kept.iter().map(|blob| &blob.needed_by).collect();
        let holders: Vec<String> = holders.into_iter().cloned().collect();
        console.say(&format!(
            "Kept {} that {} {}.",
            weight(Blobs::of(self.kept.iter().map(|blob| blob.size))),
            visible(&listed(&holders, 3)),
            needs(&holders)
        ));
        for blob in &self.kept {
            let (digest, kind, size) = (blob.digest, blob.kind, size(blob.size));
            let holder = visible(&blob.needed_by);
            console.say_more(&format!(
                "Kept: {digest} ({kind}, {size}), needed by {holder}"
            ));
        }
    }
}

impl RestoreReport {
    /// Says how much it was, and what was not done.
    pub(crate) fn talk(&self, console: Console) {
        if !self.restored.is_empty() || !self.blobs.is_empty() {
            console.say(&format!(
                "{} {} of index.json and {}.{}",
                BRING_BACK.of(self.dry_run),
                count(self.restored.len(), "entry", "entries"),
                weight(Blobs::of(self.blobs.iter().map(|blob| blob.size))),
                END.of(self.dry_run)
            ));
        } else if self.errors.is_empty() {
            console.say("There is nothing to restore.");
        }
        talk_failures(console, &self.warnings, &self.errors);
    }
}

fn talk_failures(console: Console, warnings: &[String], errors: &[ReportedError]) {
    for warning in warnings {
        console.warning(&visible(warning));
    }
    for error in errors {
        console.error(&visible(&error.message));
        if let Some(hint) = &error.hint {
            console.hint(&visible(hint));
        }
    }
}

fn needs(holders: &[String]) -> &'static str {
    match holders {
        [_] => "needs",
        _ => "need",
    }
}

fn it_or_them(number: u64) -> &'static str {
    if number == 1 { "it" } else { "them" }
}

/// Something that was not done.
#[derive(Debug, Serialize)]
pub(crate) struct ReportedError {
    class: &'static str,
    message: String,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl ReportedError {
    pub(super) fn refused(refusal: &Refusal) -> ReportedError {
        ReportedError {
            class: match refusal.class {
                RefusalClass::NotFound => "not-found",
                RefusalClass::Ambiguous => "ambiguous",
                RefusalClass::Conflict => "conflict",
                RefusalClass::Invalid => "invalid",
            },
            message: refusal.message.clone(),
            hint: refusal.hint.clone(),
        }
    }

    pub(super) fn failed(message: String, hint: Option<&str>) -> ReportedError {
        ReportedError {
            class: "failed",
            message,
            hint: hint.map(str::to_owned),
        }
    }
}

pub(super) fn errors(input: &ReportInput<'_>) -> Vec<ReportedError> {
    let refusals = input.plan.refusals.iter().map(ReportedError::refused);
    let maybe_shared = input.garbage.maybe_shared.iter().map(maybe_shared);
    let mut errors: Vec<ReportedError> = refusals.chain(maybe_shared).collect();
    if let Some(outcome) = input.outcome {
        errors.extend(not_deleted(outcome));
        errors.extend(stopped(outcome).into_iter().flatten());
        let retry = Some("the next prune tries again");
        let not_emptied = outcome.not_emptied.iter().cloned();
        errors.extend(not_emptied.map(|reason| ReportedError::failed(reason, retry)));
        errors.extend(written_back(outcome).into_iter().flatten());
    }
    errors
}

fn maybe_shared(kept: &MaybeShared) -> ReportedError {
    let blobs = count(kept.blobs, "unneeded blob", "unneeded blobs");
    let (bytes, reason) = (size(kept.bytes), &kept.reason);
    ReportedError::failed(format!("{blobs} ({bytes}) kept: {reason}"), None)
}

/// One error for each reason: it is often the same for all blobs.
fn not_deleted(outcome: &Outcome) -> impl Iterator<Item = ReportedError> {
    let mut causes: BTreeMap<&str, Vec<&Digest>> = BTreeMap::new();
    for (digest, reason) in &outcome.failed {
        causes.entry(reason).or_default().push(digest);
    }
    causes.into_iter().map(|(reason, digests)| {
        let more = match digests.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        ReportedError::failed(
            format!("cannot delete the blob {}{more}: {reason}", digests[0]),
            Some("the same command, or the next prune, tries again"),
        )
    })
}

/// What was not even tried.
fn stopped(outcome: &Outcome) -> [Option<ReportedError>; 2] {
    let some = |number| (number > 0).then(|| blobs(number));
    let left = some(outcome.left).map(|blobs| {
        let reason = "because a manifest that may need them could not be deleted";
        ReportedError::failed(format!("{blobs} left, {reason}"), None)
    });
    let interrupted = some(outcome.interrupted).map(|blobs| {
        ReportedError::failed(
            format!("interrupted: {blobs} that nothing needs any more left"),
            Some("the next prune takes them"),
        )
    });
    [left, interrupted]
}

/// What another program undid meanwhile, from harmless to harmful.
fn written_back(outcome: &Outcome) -> [Option<ReportedError>; 4] {
    let undone = |names: &[String], before: &str, behind: &str, hint| {
        (!names.is_empty()).then(|| {
            let names = listed(names, MOST_NAMES);
            let what = "another program wrote an old index.json back";
            ReportedError::failed(format!("{what}: {before}{names} {behind}"), Some(hint))
        })
    };
    let unchecked = outcome.unchecked.as_ref().map(|reason| {
        let what = "index.json could not be read again after the deletion";
        ReportedError::failed(format!("{what}: {reason}"), None)
    });
    [
        undone(
            &outcome.reappeared,
            "the names of ",
            "are there again, and their blobs are back from the trash",
            "remove these images again",
        ),
        undone(
            &outcome.written_back,
            "",
            "is there again",
            "nothing is missing; remove it again when that program is done",
        ),
        unchecked,
        undone(
            &outcome.broken,
            "the blobs of ",
            "are gone, and its names are there again",
            "remove these images again, or copy them into the layout anew",
        ),
    ]
}

pub(super) fn warnings(input: &ReportInput<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let entries = input.snapshot.index.entries().iter();
    let odd = entries.filter(|entry| entry.digest.is_none()).count();
    if odd > 0 {
        warnings.push(format!(
            "{} of index.json without a valid digest left as found",
            count(odd, "entry", "entries")
        ));
    }
    if input.waiting > 0 {
        warnings.push(format!(
            "index.json leads to {} in the trash, which a real run brings back first",
            blobs(input.waiting as u64)
        ));
    }
    let notes = input.plan.notes.iter();
    warnings.extend(notes.filter_map(|note| warning(note, &input.snapshot.graph)));
    warnings
}

/// What the plan notes and that may not be what the user wanted.
fn warning(note: &Note, graph: &Graph) -> Option<String> {
    Some(match note {
        Note::DigestIgnored { argument, found } => {
            format!("`{argument}` names an image whose digest is {found}; the name counted")
        }
        Note::PlatformKept {
            platform,
            manifest,
            holders,
        } => format!(
            "platform {platform} is kept ({}): {} {} it",
            graph.digest(*manifest),
            listed(holders, MOST_NAMES),
            needs(holders)
        ),
        Note::Rewritten { image, old } => format!(
            "{image} has a new index; signatures of the old one ({}) do not cover it",
            graph.digest(*old)
        ),
        Note::Sparse { image, .. } => format!(
            "{image} is sparse now: its index still lists what was removed, and tools that copy \
             all platforms will miss it"
        ),
        Note::NamelessLeft { .. } | Note::YoungLeft { .. } => return None,
    })
}

/// What was left, and how it can be removed all the same.
pub(super) fn notes(input: &ReportInput<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if let ChangingCommand::Prune { grace } = input.command {
        let of_plan = input.plan.notes.iter();
        notes.extend(of_plan.filter_map(|note| left_image(note, grace)));
    }
    if input.needed_by_sharers > 0 {
        notes.push(format!(
            "Left {} that the trash of a layout sharing the blobs needs.",
            blobs(input.needed_by_sharers as u64)
        ));
    }
    let TooYoung { blobs: n, bytes } = input.garbage.too_young;
    if let ChangingCommand::Prune { grace } = input.command
        && n > 0
    {
        notes.push(format!(
            "Left {} that nothing needs, younger than {grace} or needed by such; use --grace 0s \
             to delete {} too.",
            weight(Blobs { blobs: n, bytes }),
            it_or_them(n)
        ));
    }
    let needed_again = input.outcome.map_or(0, |outcome| outcome.needed_again);
    if needed_again > 0 {
        notes.push(format!(
            "Left {}: another program began to need them meanwhile.",
            blobs(needed_again)
        ));
    }
    notes
}

/// What `prune` notes about images that it leaves.
fn left_image(note: &Note, grace: &str) -> Option<String> {
    let images = |number| count(number, "image", "images");
    Some(match note {
        Note::NamelessLeft { images: n } => format!(
            "Left {} without a name: no image of this layout has one, so they are not dangling; \
             prune --all removes them.",
            images(*n)
        ),
        Note::YoungLeft { images: n } => format!(
            "Left {} without a name, younger than {grace}; use --grace 0s to remove {} too.",
            images(*n),
            it_or_them(*n as u64)
        ),
        _ => return None,
    })
}
