//! What `rmi`, `untag` and `prune` did, or would do: the lines, the JSON object, the summary.
//!
//! A dry run and a real run make the same [`Report`] from the same values; only the tense differs,
//! and a real run leaves out what could not be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::console::Console;
use super::escape::{json, visible};
use super::units::size;
use crate::commit::Outcome;
use crate::gc::{Destination, Fate, Garbage, GarbageBlob, Live, TooYoung};
use crate::layout::{RemovalId, Weight};
use crate::oci::index::EntryEdit;
use crate::plan::{Action, Note, Plan, Refusal, RefusalClass};
use crate::snapshot::View;
use crate::snapshot::graph::{Follow, NodeId};
use crate::snapshot::reachability::{Descent, Reachability, Start};
use crate::value::digest::Digest;
use crate::words::count;

/// What a changing command has to say. Serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// Nothing was changed; this is what would be.
    pub dry_run: bool,
    /// Names that go, as Docker shows them, in order.
    pub untagged: Vec<&'a str>,
    /// Blobs that go, in the order of deletion.
    pub deleted: Deleted<'a>,
    /// Blobs that stay although an image that had them went, and who needs them.
    pub kept: Vec<KeptBlob<'a>>,
    /// Images, or names of them, that the filters let go and that stay, and why.
    pub kept_images: Vec<KeptImage<'a>>,
    /// Names that lead to a new index.
    pub rewritten: Vec<Rewritten>,
    /// Bytes that leave the disk.
    pub freed_bytes: u64,
    /// Garbage that stays because it is younger than the grace period.
    pub spared: SparedBlobs,
    /// What was not done, and why.
    pub errors: Vec<ReportedError>,
    /// What else the user should know.
    pub warnings: Vec<String>,
    /// What goes, goes to the trash.
    pub to_trash: bool,
    /// What leaves the trash for good.
    pub emptied: EmptiedTrash,
    #[serde(skip)]
    lines: Vec<Line<'a>>,
    #[serde(skip)]
    entries_removed: usize,
    #[serde(skip)]
    entries_dangling: usize,
    #[serde(skip)]
    kept_bytes: u64,
    #[serde(skip)]
    notes: Vec<String>,
    /// Blobs that go to the trash, and their bytes.
    #[serde(skip)]
    trashed: SparedBlobs,
}

/// The garbage that goes, or went. Serialised, it is a list of [`DeletedBlob`]s.
#[derive(Clone, Copy, Debug)]
pub struct Deleted<'a> {
    blobs: &'a [GarbageBlob],
    /// Those that stay are left out.
    only_gone: bool,
    count: usize,
}

impl<'a> Deleted<'a> {
    fn new(garbage: &'a Garbage, outcome: Option<&'a Outcome>) -> Deleted<'a> {
        let mut deleted = Deleted {
            blobs: &garbage.blobs,
            only_gone: outcome.is_some(),
            count: 0,
        };
        deleted.count = deleted.iter().count();
        deleted
    }

    /// How many blobs.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn iter(&self) -> impl Iterator<Item = &'a GarbageBlob> + use<'a> {
        let only_gone = self.only_gone;
        let blobs = self.blobs.iter();
        blobs.filter(move |blob| !only_gone || blob.fate == Fate::Gone)
    }
}

impl Serialize for Deleted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|blob| DeletedBlob {
            digest: &blob.digest,
            kind: blob.kind.word(),
            size: blob.size,
        }))
    }
}

/// A blob that goes.
#[derive(Debug, Serialize)]
pub struct DeletedBlob<'a> {
    /// Which.
    pub digest: &'a Digest,
    /// `index`, `manifest`, `config`, `layer`, or `blob` when nobody knows.
    pub kind: &'static str,
    /// Bytes of its file.
    pub size: u64,
}

/// A blob that stays.
#[derive(Debug, Serialize)]
pub struct KeptBlob<'a> {
    /// Which.
    pub digest: &'a Digest,
    /// As in [`DeletedBlob`].
    pub kind: &'static str,
    /// Bytes, as its descriptor says.
    pub size: u64,
    /// Who needs it: the first name that does.
    pub needed_by: String,
}

/// An image that stays.
#[derive(Debug, Serialize)]
pub struct KeptImage<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its digest.
    pub digest: &'a Digest,
    /// Why it stays.
    pub reason: &'a str,
}

/// A name that leads to a new index.
#[derive(Clone, Debug, Serialize)]
pub struct Rewritten {
    /// The name.
    pub name: String,
    /// The old index.
    pub from: Digest,
    /// The new one.
    pub to: Digest,
}

/// See [`Report::spared`].
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct SparedBlobs {
    /// How many.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// See [`Report::emptied`].
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct EmptiedTrash {
    /// How many removals; some take only names away.
    pub removals: u64,
    /// How many blobs.
    pub blobs: u64,
    /// Bytes that leave the disk with them.
    pub bytes: u64,
}

/// Something that was not done.
#[derive(Debug, Serialize)]
pub struct ReportedError {
    /// `not-found`, `ambiguous`, `conflict`, `invalid` or `failed`.
    pub class: &'static str,
    /// What and why.
    pub message: String,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Untagged(&'a str),
    Deleted(&'a Digest),
}

/// How much room is made for a line: most hold a digest and a few words.
const LINE_LENGTH: usize = 96;

/// What a report is made from.
#[derive(Clone, Copy)]
pub struct ReportInput<'a> {
    /// The layout as it was.
    pub snapshot: &'a View,
    /// What the command decided.
    pub plan: &'a Plan,
    /// What stays; `None` when no blob was in question.
    pub live: Option<&'a Live>,
    /// What goes.
    pub garbage: &'a Garbage,
    /// What became of it; `None` in a dry run.
    pub outcome: Option<&'a Outcome>,
    /// The grace period as the user gave it.
    pub grace: Option<&'a str>,
    /// What goes, goes to the trash.
    pub into_trash: bool,
    /// Removals in the trash that are old enough to be deleted for good.
    pub expired: &'a [(RemovalId, Weight)],
    /// How many blobs a real run brings back from the trash before it begins.
    pub waiting: usize,
    /// How much garbage stays because the trash of a layout that shares it needs it.
    pub needed_by_sharers: usize,
}

/// Docker's last line of a prune.
pub fn reclaimed(bytes: u64) -> String {
    format!("Total reclaimed space: {}\n", size(bytes))
}

impl<'a> Report<'a> {
    /// Puts a report together.
    pub fn new(input: &ReportInput<'a>) -> Report<'a> {
        let deleted = Deleted::new(input.garbage, input.outcome);
        let lines = lines(input, deleted);
        let kept = kept(input);
        let edits = |kind: EntryEdit| {
            let edits = input.plan.edits.values();
            edits.filter(|edit| **edit == kind).count()
        };
        let TooYoung { blobs, bytes } = input.garbage.too_young;
        let emptied = emptied(input);
        let mut trashed = SparedBlobs::default();
        for blob in deleted
            .iter()
            .filter(|blob| blob.destination != Destination::Away)
        {
            trashed.blobs += 1;
            trashed.bytes = trashed.bytes.saturating_add(blob.size);
        }
        let mut report = Report {
            to_trash: input.into_trash,
            emptied,
            trashed,
            dry_run: input.outcome.is_none(),
            untagged: lines
                .iter()
                .filter_map(|line| match line {
                    Line::Untagged(name) => Some(*name),
                    Line::Deleted(_) => None,
                })
                .collect(),
            deleted,
            freed_bytes: deleted
                .iter()
                .fold(emptied.bytes, |sum, blob| sum.saturating_add(blob.frees)),
            kept_images: input
                .plan
                .kept_images
                .iter()
                .map(|kept| KeptImage {
                    name: &kept.name,
                    digest: input.snapshot.graph.digest(kept.image),
                    reason: &kept.reason,
                })
                .collect(),
            rewritten: rewritten(input),
            spared: SparedBlobs { blobs, bytes },
            entries_removed: edits(EntryEdit::Remove),
            entries_dangling: edits(EntryEdit::Dangle),
            errors: errors(input),
            warnings: warnings(input),
            kept_bytes: kept
                .iter()
                .fold(0, |sum: u64, blob| sum.saturating_add(blob.size)),
            notes: notes(input),
            kept,
            lines,
        };
        if let Some(Outcome {
            needed_again: n @ 1..,
            ..
        }) = input.outcome
        {
            report.notes.push(format!(
                "Left {}: another program began to need them meanwhile.",
                count(*n, "blob", "blobs")
            ));
        }
        report
    }

    /// Whether anything was to be removed.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
            && self.deleted.is_empty()
            && self.rewritten.is_empty()
            && self.entries_removed + self.entries_dangling == 0
            && self.emptied.removals == 0
    }

    /// How many blobs leave the layout or the trash.
    pub fn blobs_going(&self) -> usize {
        self.deleted.len() + usize::try_from(self.emptied.blobs).unwrap_or(usize::MAX)
    }

    /// The lines for standard output: `Untagged: NAME`, `Deleted: DIGEST`, and with `verbose` each
    /// blob with its size.
    pub fn text(&self, verbose: bool) -> String {
        let (untagged, deleted) = match (self.dry_run, self.to_trash) {
            (true, false) => ("Would untag", "Would delete"),
            (true, true) => ("Would untag", "Would trash"),
            (false, false) => ("Untagged", "Deleted"),
            (false, true) => ("Untagged", "Trashed"),
        };
        let mut lines = self.lines.len();
        if verbose {
            lines += self.deleted.len();
        }
        let mut text = String::with_capacity(lines.saturating_mul(LINE_LENGTH));
        // Writing to a String cannot fail.
        for line in &self.lines {
            let _ = match line {
                Line::Untagged(name) => writeln!(text, "{untagged}: {}", visible(name)),
                Line::Deleted(digest) => writeln!(text, "{deleted}: {digest}"),
            };
        }
        if verbose {
            let verb = match (self.dry_run, self.to_trash) {
                (true, false) => "Would unlink",
                (true, true) => "Would move",
                (false, false) => "Unlinked",
                (false, true) => "Moved",
            };
            for blob in self.deleted.iter() {
                let (digest, kind, size) = (&blob.digest, blob.kind.word(), size(blob.size));
                let _ = writeln!(text, "{verb}: {digest} ({kind}, {size})");
            }
        }
        text
    }

    /// The JSON object, on one line. `layout` is what it is about.
    pub fn json(&self, layout: &Path) -> String {
        #[derive(Serialize)]
        struct Named<'a> {
            layout: String,
            #[serde(flatten)]
            report: &'a Report<'a>,
        }
        let named = Named {
            layout: layout.display().to_string(),
            report: self,
        };
        json(&named)
    }

    /// Says what the lines do not: how much it was, what stayed and why, what failed.
    pub fn talk(&self, console: Console) {
        if !self.is_empty() || self.errors.is_empty() {
            let unchanged = if self.dry_run {
                " Nothing was changed."
            } else {
                ""
            };
            console.say(&format!("{}{unchanged}", self.summary()));
        }
        self.talk_kept(console);
        for rewritten in &self.rewritten {
            let leads = if self.dry_run { "would lead" } else { "leads" };
            console.say(&format!(
                "{} {leads} to a new index: {}",
                visible(&rewritten.name),
                rewritten.to
            ));
        }
        for kept in &self.kept_images {
            console.say_more(&format!(
                "Kept: {} ({}), {}",
                visible(kept.name),
                kept.digest.short(),
                visible(kept.reason)
            ));
        }
        for note in &self.notes {
            console.say(&visible(note));
        }
        for warning in &self.warnings {
            console.warning(&visible(warning));
        }
        for error in &self.errors {
            error.say(console);
        }
    }

    /// One line: how many entries of index.json, how many blobs, how many bytes.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        let verb = |done: &str, would: &str| match self.dry_run {
            true => format!("would {would}"),
            false => done.to_owned(),
        };
        if self.entries_removed > 0 {
            let entries = count(self.entries_removed, "entry", "entries");
            parts.push(format!(
                "{} {entries} of index.json",
                verb("removed", "remove")
            ));
        }
        if !self.rewritten.is_empty() {
            let entries = count(self.rewritten.len(), "entry", "entries");
            parts.push(format!(
                "{} {entries} of index.json",
                verb("changed", "change")
            ));
        }
        if self.entries_dangling > 0 {
            let images = count(self.entries_dangling, "image", "images");
            parts.push(format!("{} {images} dangling", verb("left", "leave")));
        }
        let trashed = || {
            let SparedBlobs { blobs, bytes } = self.trashed;
            format!("{} ({})", count(blobs, "blob", "blobs"), size(bytes))
        };
        let moved = verb("moved", "move");
        if self.to_trash && !self.deleted.is_empty() {
            parts.push(format!("{moved} {} to the trash", trashed()));
        } else if !self.deleted.is_empty() {
            let blobs = count(self.deleted.len(), "blob", "blobs");
            let freed = size(self.freed_bytes - self.emptied.bytes);
            parts.push(format!("{} {blobs}", verb("deleted", "delete")));
            if self.trashed.blobs > 0 {
                parts.push(format!(
                    "{moved} {} of these to the trash, where something needs them",
                    trashed()
                ));
            }
            parts.push(format!("{} {freed}", verb("freed", "free")));
        }
        if self.emptied.removals > 0 {
            parts.push(format!(
                "{} {} with {} ({}) from the trash",
                verb("deleted", "delete"),
                count(self.emptied.removals, "removal", "removals"),
                count(self.emptied.blobs, "blob", "blobs"),
                size(self.emptied.bytes)
            ));
        }
        if parts.is_empty() {
            return match self.dry_run {
                true => "There is nothing to remove.".to_owned(),
                false => "Nothing was removed.".to_owned(),
            };
        }
        let mut text = crate::words::listed(&parts, parts.len());
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
            "Kept {} ({}) that {} {}.",
            count(self.kept.len(), "blob", "blobs"),
            size(self.kept_bytes),
            visible(&crate::words::listed(&holders, 3)),
            if holders.len() == 1 { "needs" } else { "need" }
        ));
        for blob in &self.kept {
            console.say_more(&format!(
                "Kept: {} ({}, {}), needed by {}",
                blob.digest,
                blob.kind,
                size(blob.size),
                visible(&blob.needed_by)
            ));
        }
    }
}

fn emptied(input: &ReportInput<'_>) -> EmptiedTrash {
    let mut emptied = EmptiedTrash::default();
    if let Some(outcome) = input.outcome {
        let done = outcome.emptied;
        emptied.removals = done.removals;
        (emptied.blobs, emptied.bytes) = (done.weight.blobs, done.weight.bytes);
        return emptied;
    }
    for (_, weight) in input.expired {
        emptied.removals += 1;
        emptied.blobs += weight.blobs;
        emptied.bytes = emptied.bytes.saturating_add(weight.bytes);
    }
    emptied
}

/// What goes, by node. What no node stands for was garbage before, and no line speaks of it.
struct Going {
    /// It was to go.
    listed: Vec<bool>,
    /// It goes, or went.
    gone: Vec<bool>,
}

impl Going {
    fn new(input: &ReportInput<'_>, deleted: Deleted<'_>) -> Going {
        let nodes = input.snapshot.graph.len();
        let (mut listed, mut gone) = (vec![false; nodes], vec![false; nodes]);
        for node in input.garbage.blobs.iter().filter_map(|blob| blob.node) {
            listed[node.index()] = true;
        }
        for node in deleted.iter().filter_map(|blob| blob.node) {
            gone[node.index()] = true;
        }
        Going { listed, gone }
    }
}

/// The lines, in the order of the actions. A document is said to be deleted if it goes, and never
/// twice; one that the layout did not have goes with its name. Of several names that lead to a
/// document, it goes with the last.
fn lines<'a>(input: &ReportInput<'a>, deleted: Deleted<'a>) -> Vec<Line<'a>> {
    let graph = &input.snapshot.graph;
    let Going { listed, gone } = Going::new(input, deleted);
    let stays = |node: NodeId| input.live.is_none_or(|live| live.contains(node));
    let mut said = vec![false; graph.len()];
    let is_first =
        |said: &mut [bool], node: NodeId| !std::mem::replace(&mut said[node.index()], true);
    let mut descent = Descent::new(graph);
    // From the last to the first.
    let mut lines: Vec<Line<'a>> = Vec::new();
    for action in input.plan.actions.iter().rev() {
        let own = lines.len();
        match action {
            Action::Untagged(name) => lines.push(Line::Untagged(name)),
            Action::Deleted(node) => {
                let was_missing =
                    !listed[node.index()] && !stays(*node) && input.garbage.maybe_shared.is_empty();
                if (gone[node.index()] || was_missing) && is_first(&mut said, *node) {
                    lines.push(Line::Deleted(graph.digest(*node)));
                }
            }
            // What was said of an image was said of all below it.
            Action::DeletedBelow(node) if stays(*node) || said[node.index()] => {}
            Action::DeletedBelow(node) => descent.walk(graph, *node, &mut |below| {
                if graph.is_present_document(below)
                    && gone[below.index()]
                    && is_first(&mut said, below)
                {
                    lines.push(Line::Deleted(graph.digest(below)));
                }
            }),
        }
        lines[own..].reverse();
    }
    lines.reverse();
    lines
}

/// The names that lead to a new index.
fn rewritten(input: &ReportInput<'_>) -> Vec<Rewritten> {
    let graph = &input.snapshot.graph;
    let rewrites = input.plan.rewrites.iter();
    rewrites
        .filter_map(|rewrite| {
            let record = input.snapshot.records.record(rewrite.record);
            Some(Rewritten {
                name: record.shown(graph),
                from: graph.digest(rewrite.image).clone(),
                to: rewrite.blobs.last()?.digest.clone(),
            })
        })
        .collect()
}

/// What the removed images had and something else still needs.
fn kept<'a>(input: &ReportInput<'a>) -> Vec<KeptBlob<'a>> {
    let Some(live) = input.live else {
        return Vec::new();
    };
    let (snapshot, plan) = (input.snapshot, input.plan);
    let graph = &snapshot.graph;
    let mut reach = Reachability::new(graph);
    let mut seen = vec![false; graph.len()];
    let mut kept = Vec::new();
    for action in &plan.actions {
        let (Action::Deleted(node) | Action::DeletedBelow(node)) = action else {
            continue;
        };
        let start = Start::Image(*node);
        reach.walk(graph, start, Follow::Needed, &mut |node, _| {
            if live.contains(node)
                && !std::mem::replace(&mut seen[node.index()], true)
                && !graph.is_missing_document(node)
            {
                kept.push(KeptBlob {
                    digest: graph.digest(node),
                    kind: graph.kind(node).word(),
                    size: graph.size(node),
                    needed_by: holder_of(snapshot, plan, live, node),
                });
            }
        });
    }
    kept
}

/// Who needs a blob.
fn holder_of(snapshot: &View, plan: &Plan, live: &Live, node: NodeId) -> String {
    let Some(id) = live.holder(node) else {
        return "manifest.json or another layout".to_owned();
    };
    let record = snapshot.records.record(id);
    let dangles = record
        .entries
        .iter()
        .any(|at| plan.edits.get(at) == Some(&EntryEdit::Dangle));
    match dangles {
        true => "an image that stays as a dangling one".to_owned(),
        false => record.shown(&snapshot.graph),
    }
}

impl ReportedError {
    /// Says it to the user.
    pub(super) fn say(&self, console: Console) {
        console.error(&visible(&self.message));
        if let Some(hint) = &self.hint {
            console.hint(&visible(hint));
        }
    }
}

/// A refusal, reported.
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

fn errors(input: &ReportInput<'_>) -> Vec<ReportedError> {
    let mut errors: Vec<ReportedError> = input.plan.refusals.iter().map(refused).collect();
    let mut failed = |message: String, hint: Option<&str>| {
        errors.push(ReportedError {
            class: "failed",
            message,
            hint: hint.map(str::to_owned),
        });
    };
    for kept in &input.garbage.maybe_shared {
        failed(
            format!(
                "{} ({}) kept: {}",
                count(kept.blobs, "unneeded blob", "unneeded blobs"),
                size(kept.bytes),
                kept.reason
            ),
            None,
        );
    }
    let Some(outcome) = input.outcome else {
        return errors;
    };
    let mut causes: BTreeMap<&str, Vec<&Digest>> = BTreeMap::new();
    for (digest, reason) in &outcome.failed {
        causes.entry(reason).or_default().push(digest);
    }
    for (reason, digests) in causes {
        let more = match digests.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        failed(
            format!("cannot delete the blob {}{more}: {reason}", digests[0]),
            Some("the same command, or the next prune, tries again"),
        );
    }
    if let Some((reason, left)) = &outcome.undecided {
        failed(
            format!(
                "index.json could not be read again during the deletion, so {} left: {reason}",
                count(*left, "unreferenced blob is", "unreferenced blobs are")
            ),
            Some("the next prune takes them"),
        );
    }
    if outcome.left > 0 {
        failed(
            format!(
                "{} left, because a manifest that may need them could not be deleted",
                count(outcome.left, "blob", "blobs")
            ),
            None,
        );
    }
    if outcome.interrupted > 0 {
        failed(
            format!(
                "interrupted: {} that nothing needs any more left",
                count(outcome.interrupted, "blob", "blobs")
            ),
            Some("the next prune takes them"),
        );
    }
    for reason in &outcome.not_emptied {
        failed(reason.clone(), Some("the next prune tries again"));
    }
    if !outcome.reappeared.is_empty() {
        failed(
            format!(
                "another program wrote an old index.json back: the names of {} are there again, \
                 and their blobs are back from the trash",
                crate::words::listed(&outcome.reappeared, 8)
            ),
            Some("remove these images again"),
        );
    }
    if !outcome.written_back.is_empty() {
        failed(
            format!(
                "another program wrote an old index.json back: {} is there again",
                crate::words::listed(&outcome.written_back, 8)
            ),
            Some("nothing is missing; remove it again when that program is done"),
        );
    }
    if let Some(reason) = &outcome.unchecked {
        failed(
            format!("index.json could not be read again after the deletion: {reason}"),
            None,
        );
    }
    if !outcome.broken.is_empty() {
        failed(
            format!(
                "another program wrote an old index.json back: the blobs of {} are gone, and its \
                 names are there again",
                crate::words::listed(&outcome.broken, 8)
            ),
            Some("remove these images again, or copy them into the layout anew"),
        );
    }
    errors
}

fn warnings(input: &ReportInput<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let odd = input
        .snapshot
        .index
        .entries()
        .iter()
        .filter(|entry| entry.digest.is_none())
        .count();
    if odd > 0 {
        warnings.push(format!(
            "{} of index.json without a valid digest left as found",
            count(odd, "entry", "entries")
        ));
    }
    if input.waiting > 0 {
        warnings.push(format!(
            "index.json leads to {} in the trash, which a real run brings back first",
            count(input.waiting, "blob", "blobs")
        ));
    }
    for note in &input.plan.notes {
        match note {
            Note::DigestIgnored { argument, found } => warnings.push(format!(
                "`{argument}` names an image whose digest is {found}; the name counted"
            )),
            Note::PlatformKept {
                platform,
                manifest,
                holders,
            } => warnings.push(format!(
                "platform {platform} is kept ({}): {} {} it",
                input.snapshot.graph.digest(*manifest),
                crate::words::listed(holders, 8),
                if holders.len() == 1 { "needs" } else { "need" }
            )),
            Note::Rewritten { image, old } => warnings.push(format!(
                "{image} has a new index; signatures of the old one ({}) do not cover it",
                input.snapshot.graph.digest(*old)
            )),
            Note::Sparse { image, .. } => warnings.push(format!(
                "{image} is sparse now: its index still lists what was removed, and tools that copy \
                 all platforms will miss it"
            )),
            Note::NamelessLeft { .. } | Note::YoungLeft { .. } => {}
        }
    }
    warnings
}

fn notes(input: &ReportInput<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let grace = input.grace.unwrap_or("the grace period");
    for note in &input.plan.notes {
        match note {
            Note::NamelessLeft { images } => notes.push(format!(
                "Left {} without a name: no image of this layout has one, so they are not dangling; \
                 prune --all removes them.",
                count(*images, "image", "images")
            )),
            Note::YoungLeft { images } => notes.push(format!(
                "Left {} without a name, younger than {grace}; use --grace 0s to remove {} too.",
                count(*images, "image", "images"),
                if *images == 1 { "it" } else { "them" }
            )),
            _ => {}
        }
    }
    if input.needed_by_sharers > 0 {
        notes.push(format!(
            "Left {} that the trash of a layout sharing the blobs needs.",
            count(input.needed_by_sharers, "blob", "blobs")
        ));
    }
    let TooYoung { blobs, bytes } = input.garbage.too_young;
    if blobs > 0 {
        notes.push(format!(
            "Left {} ({}) that nothing needs, younger than {grace} or needed by such; use --grace \
             0s to delete {} too.",
            count(blobs, "blob", "blobs"),
            size(bytes),
            if blobs == 1 { "it" } else { "them" }
        ));
    }
    notes
}
