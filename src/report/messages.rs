//! The sentences of `rmi`, `untag`, `prune` and `restore`: what they say to a person beside the
//! lines on standard output, and what the JSON object holds as errors and warnings.
//!
//! Each sentence stands here once. Words that differ between a real run and a dry one stand side by
//! side, so that a plan and its report cannot come to speak of different things.

use std::collections::BTreeMap;

use serde::Serialize;

use super::change_input::{ChangingCommand, ReportInput};
use super::units::{size, size_freed};
use crate::commit::Outcome;
use crate::gc::{MaybeShared, Postponed};
use crate::layout::{UnsafeMount, Unwritable, Weight};
use crate::oci::index::EntryEdit;
use crate::plan::{Note, Refusal, RefusalClass};
use crate::snapshot::graph::Graph;
use crate::value::digest::Digest;
use crate::words::{command_on, count, listed, quoted};

/// Words of a real run, and those of a dry one.
#[derive(Clone, Copy)]
pub(super) struct Tenses {
    done: &'static str,
    would: &'static str,
}

impl Tenses {
    const fn new(done: &'static str, would: &'static str) -> Tenses {
        Tenses { done, would }
    }

    pub(super) fn of(self, dry_run: bool) -> &'static str {
        if dry_run { self.would } else { self.done }
    }
}

// Heads of lines.
pub(super) const UNTAGGED: Tenses = Tenses::new("Untagged", "Would untag");
pub(super) const DELETED: Tenses = Tenses::new("Deleted", "Would delete");
pub(super) const TRASHED: Tenses = Tenses::new("Trashed", "Would trash");
pub(super) const UNLINKED: Tenses = Tenses::new("Unlinked", "Would unlink");
pub(super) const MOVED: Tenses = Tenses::new("Moved", "Would move");
pub(super) const KEPT: Tenses = Tenses::new("Kept", "Would keep");
const LEFT: Tenses = Tenses::new("Left", "Would leave");
pub(super) const REMOVED: Tenses = Tenses::new("Removed", "Would remove");
pub(super) const RESTORED: Tenses = Tenses::new("Restored", "Would restore");
pub(super) const MOVED_BACK: Tenses = Tenses::new("Moved back", "Would move back");

// Parts of sentences.
pub(super) const REMOVE: Tenses = Tenses::new("removed", "would remove");
pub(super) const CHANGE: Tenses = Tenses::new("changed", "would change");
pub(super) const LEAVE: Tenses = Tenses::new("left", "would leave");
pub(super) const MOVE: Tenses = Tenses::new("moved", "would move");
pub(super) const DELETE: Tenses = Tenses::new("deleted", "would delete");
pub(super) const FREE: Tenses = Tenses::new("freed", "would free");
pub(super) const LEAD: Tenses = Tenses::new("leads", "would lead");
pub(super) const BRING_BACK: Tenses = Tenses::new("Brought back", "Would bring back");
pub(super) const NOTHING: Tenses =
    Tenses::new("nothing was removed.", "there is nothing to remove.");
pub(super) const END: Tenses = Tenses::new("", " Nothing was changed.");

/// Names that a sentence lists before it says how many more there are.
const MOST_NAMES: usize = 8;

pub(super) fn blobs(number: u64) -> String {
    count(number, "blob", "blobs")
}

/// Blobs and their bytes: `3 blobs (12MB)`.
pub(super) fn weight(Weight { blobs: n, bytes }: Weight) -> String {
    format!("{} ({})", blobs(n), size(bytes))
}

pub(super) fn unreferenced(number: u64) -> String {
    count(number, "unreferenced blob", "unreferenced blobs")
}

/// Docker's last line of a prune.
pub(crate) fn reclaimed(bytes: u64, at_most: bool) -> String {
    format!("Total reclaimed space: {}\n", size_freed(bytes, at_most))
}

fn it_or_them(number: u64) -> &'static str {
    if number == 1 { "it" } else { "them" }
}

fn it_is_or_they_are(number: usize) -> &'static str {
    if number == 1 { "it is" } else { "they are" }
}

/// The class of what is not there.
const NOT_FOUND: &str = "not-found";

/// Something that was not done.
#[derive(Debug, Serialize)]
pub(crate) struct ReportedError {
    pub(super) class: &'static str,
    pub(crate) message: String,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    /// It was asked for that this is no failure.
    #[serde(skip)]
    pub(super) is_forgiven: bool,
}

impl ReportedError {
    pub(super) fn new(class: &'static str, message: String, hint: Option<&str>) -> ReportedError {
        ReportedError {
            class,
            message,
            hint: hint.map(str::to_owned),
            is_forgiven: false,
        }
    }

    pub(crate) fn refused(refusal: &Refusal) -> ReportedError {
        ReportedError {
            class: match refusal.class {
                RefusalClass::NotFound => NOT_FOUND,
                RefusalClass::Ambiguous => "ambiguous",
                RefusalClass::Conflict => "conflict",
                RefusalClass::Invalid => "invalid",
                RefusalClass::Incomplete => "incomplete",
            },
            message: refusal.message.clone(),
            hint: refusal.hint.clone(),
            is_forgiven: false,
        }
    }

    /// Something in the layout is damaged.
    pub(crate) fn damaged(message: String) -> ReportedError {
        ReportedError::new("layout", message, None)
    }

    pub(super) fn failed(message: impl Into<String>) -> ReportedError {
        ReportedError {
            class: "failed",
            message: message.into(),
            hint: None,
            is_forgiven: false,
        }
    }

    /// What is not there is as good as removed.
    pub(super) fn forgive_missing(&mut self) {
        self.is_forgiven |= self.class == NOT_FOUND;
    }

    /// Whether it is about something that is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.class == NOT_FOUND
    }

    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn hint(self, hint: &str) -> ReportedError {
        ReportedError {
            hint: Some(hint.to_owned()),
            ..self
        }
    }
}

pub(super) fn errors(input: &ReportInput<'_>) -> Vec<ReportedError> {
    let refusals = input.plan.refusals.iter().map(ReportedError::refused);
    let mut errors: Vec<ReportedError> = refusals.collect();
    let maybe_shared = |kept| maybe_shared(kept, is_dry(input));
    errors.extend(input.garbage.maybe_shared.iter().map(maybe_shared));
    if let Some(outcome) = input.outcome {
        let finish = finish(input, outcome);
        errors.extend(not_durable(outcome, &finish));
        errors.extend(not_deleted(outcome, &finish));
        errors.extend(undecided(outcome, &finish));
        errors.extend(left(outcome, &finish));
        errors.extend(interrupted(outcome, &finish));
        errors.extend(outcome.unsynced.iter().map(unsynced));
        errors.extend(parts_left(input, outcome, &finish));
        errors.extend(outcome.not_emptied.iter().map(not_emptied));
        errors.extend(written_back(outcome));
        errors.extend(outcome.unchecked.iter().map(unchecked));
        errors.extend(broken(outcome));
        errors.extend(broken_in_sharers(outcome));
    }
    errors
}

/// Whether this is the report of what would be done.
fn is_dry(input: &ReportInput<'_>) -> bool {
    input.outcome.is_none()
}

fn maybe_shared(kept: &MaybeShared, dry_run: bool) -> ReportedError {
    ReportedError::failed(format!(
        "{} ({}) {}: {}",
        unreferenced(kept.weight.blobs),
        size(kept.weight.bytes),
        Tenses::new("kept", "would be kept").of(dry_run),
        kept.reason
    ))
    .hint(
        kept.hint.unwrap_or(
            "name every other layout that uses these blobs with --also-root, and they go",
        ),
    )
}

/// Blobs that stay although the plan has them go. After `rmi --platform` an index may still list them,
/// so not all of them are unreferenced.
fn blobs_left(number: u64) -> String {
    count(
        number,
        "blob that was to go is left",
        "blobs that were to go are left",
    )
}

/// What deletes blobs that were to go and are there still. Their names are gone, so that the same
/// command finds nothing any more, unless it left an index as it was.
fn finish(input: &ReportInput<'_>, outcome: &Outcome) -> String {
    let options = [
        // Where nothing is left that leads anywhere, prune takes an empty index for an accident.
        (!leaves_entries(input), " --all"),
        (input.trash.to_trash, " --trash"),
    ];
    let options = options.iter().filter(|(is_needed, _)| *is_needed);
    let options: String = options.map(|(_, option)| *option).collect();
    let prune = command_on(input.layout, &format!("prune --force{options}"));
    let who = match &outcome.who_may {
        Some(who) => format!("{who}: "),
        None => String::new(),
    };
    let same = match input.plan.removed_parts.is_empty() {
        true => "",
        false => "the same command, or where that finds nothing any more ",
    };
    format!(
        "{who}{same}`{prune}` deletes what is older than the grace period, and with --grace 0s the rest"
    )
}

fn not_durable(outcome: &Outcome, finish: &str) -> Option<ReportedError> {
    let reason = outcome.not_durable.as_ref()?;
    Some(
        ReportedError::failed(format!(
            "index.json was replaced, and that could not be made durable: {reason}; the names are gone, and \
             after a power cut they may be there again, so no blob was deleted"
        ))
        .hint(&format!("when the disk works again, {finish}")),
    )
}

/// One error for each reason: it is often the same for all blobs.
fn not_deleted(outcome: &Outcome, finish: &str) -> impl Iterator<Item = ReportedError> {
    let mut causes: BTreeMap<&str, Vec<&Digest>> = BTreeMap::new();
    for (digest, reason) in &outcome.failed {
        causes.entry(reason).or_default().push(digest);
    }
    causes.into_iter().map(|(reason, digests)| {
        let more = match digests.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let first = digests[0];
        ReportedError::failed(format!("cannot delete the blob {first}{more}: {reason}"))
            .hint(finish)
    })
}

fn undecided(outcome: &Outcome, finish: &str) -> Option<ReportedError> {
    let (reason, left) = outcome.undecided.as_ref()?;
    let message = format!(
        "index.json could not be read again during the deletion, so {}: {reason}",
        blobs_left(*left)
    );
    Some(ReportedError::failed(message).hint(finish))
}

/// `restore` was stopped before index.json was replaced.
pub(super) fn stopped(back: usize, left: usize) -> ReportedError {
    ReportedError::failed(format!(
        "interrupted: {} back in the layout, {left} left in the trash, and index.json is as it was",
        count(back, "blob is", "blobs are")
    ))
    .hint("the same command finishes the work")
}

/// `restore` was stopped when index.json was replaced.
pub(super) fn not_cleared(left: usize) -> ReportedError {
    ReportedError::failed(format!(
        "interrupted: everything is back, and {} left to be cleared away in the trash",
        count(left, "file is", "files are")
    ))
    .hint("the same command clears it, or a later prune")
}

fn unsynced(reason: &String) -> ReportedError {
    ReportedError::failed(format!(
        "what was moved cannot be made durable, so a power cut may undo that: {reason}"
    ))
    .hint("let the disk finish (`sync`), and look with `ocirm check`")
}

fn left(outcome: &Outcome, finish: &str) -> Option<ReportedError> {
    (outcome.left > 0).then(|| {
        ReportedError::failed(format!(
            "{}, because a document that may lead there could not be deleted",
            blobs_left(outcome.left)
        ))
        .hint(finish)
    })
}

fn interrupted(outcome: &Outcome, finish: &str) -> Option<ReportedError> {
    (outcome.interrupted > 0).then(|| {
        ReportedError::failed(format!("interrupted: {}", blobs_left(outcome.interrupted)))
            .hint(finish)
    })
}

/// The index goes on listing the parts, so no prune would find what is left of them.
fn parts_left(input: &ReportInput<'_>, outcome: &Outcome, finish: &str) -> Option<ReportedError> {
    let postponed = outcome.postponed.as_ref();
    let postponed = postponed.filter(|_| !input.plan.removed_parts.is_empty())?;
    let message = format!(
        "another program began to write ({}), so {}",
        quoted(&postponed.writer),
        blobs_left(postponed.weight.blobs)
    );
    Some(ReportedError::failed(message).hint(finish))
}

fn not_emptied(reason: &String) -> ReportedError {
    ReportedError::failed(reason).hint("the next prune tries again")
}

/// What another program undid without harm; see [`broken`].
fn written_back(outcome: &Outcome) -> impl Iterator<Item = ReportedError> {
    let names = &outcome.reappeared;
    let reappeared = match outcome.is_old_index_back {
        true => index_changed(OLD_IS_BACK, names, |names| {
            format!("the names of {names} are there again, and their blobs are back from the trash")
        })
        .map(|error| error.hint("remove these images again")),
        false => index_changed(CHANGED, names, |names| {
            format!("{names} needs blobs that were in the trash, which are back")
        })
        .map(|error| error.hint("nothing is missing")),
    };
    let written_back = index_changed(OLD_IS_BACK, &outcome.written_back, |names| {
        format!("{names} is there again")
    });
    let written_back = written_back
        .map(|error| error.hint("nothing is missing; remove it again when that program is done"));
    reappeared.into_iter().chain(written_back)
}

fn broken(outcome: &Outcome) -> Option<ReportedError> {
    let names = &outcome.broken;
    match outcome.is_old_index_back {
        true => index_changed(OLD_IS_BACK, names, |names| {
            format!("the blobs of {names} are gone, and its names are there again")
        }),
        false => index_changed(CHANGED, names, |names| format!("blobs of {names} are gone")),
    }
    .map(|error| error.hint("remove these images again, or copy them into the layout anew"))
}

fn broken_in_sharers(outcome: &Outcome) -> Option<ReportedError> {
    let names = &outcome.broken_in_sharers;
    (!names.is_empty()).then(|| {
        ReportedError::failed(format!(
            "another program changed the index.json of a layout that shares the blobs: the blobs of {} \
             are gone",
            listed(names, MOST_NAMES)
        ))
        .hint("remove these images there, or copy them into that layout anew")
    })
}

/// What another program did to index.json.
const OLD_IS_BACK: &str = "wrote an old index.json back";
const CHANGED: &str = "changed index.json";

fn index_changed(
    did: &str,
    names: &[String],
    what: impl FnOnce(String) -> String,
) -> Option<ReportedError> {
    (!names.is_empty()).then(|| {
        ReportedError::failed(format!(
            "another program {did}: {}",
            what(listed(names, MOST_NAMES))
        ))
    })
}

fn unchecked(reason: &String) -> ReportedError {
    ReportedError::failed(format!(
        "index.json could not be read again after the deletion: {reason}"
    ))
    .hint("`ocirm check` says whether anything is missing")
}

pub(super) fn warnings(input: &ReportInput<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let entries = input.snapshot.index.entries().iter();
    let odd = entries.filter(|entry| entry.digest.is_none()).count();
    if odd > 0 {
        warnings.push(format!(
            "{} of index.json without a valid digest {} as found",
            count(odd, "entry", "entries"),
            Tenses::new("left", "would be left").of(is_dry(input))
        ));
    }
    if input.trash.reappeared > 0 {
        warnings.push(format!(
            "index.json leads to {} in the trash, which a real run brings back first",
            blobs(input.trash.reappeared as u64)
        ));
    }
    warnings.extend(input.unsafe_mount.map(refused_here));
    warnings.extend(input.unwritable.map(unwritable));
    let notes = input.plan.notes.iter();
    let graph = &input.snapshot.graph;
    warnings.extend(notes.filter_map(|note| warning(note, graph, is_dry(input))));
    warnings.extend(damage_going(input));
    let outcome = input.outcome.into_iter();
    warnings.extend(outcome.flat_map(|outcome| outcome.not_kept.iter().cloned()));
    warnings
}

/// Said in a dry run.
pub(crate) fn unwritable(why: &Unwritable) -> String {
    let shown = why.path.display();
    let what = match why.is_all {
        true => "nothing".to_owned(),
        false => format!("nothing in `{shown}`"),
    };
    let reason = match (why.is_mounted_so, why.is_all) {
        (true, true) => format!("`{shown}` lies on a file system that is mounted for reading only"),
        (true, false) => "that lies on a file system that is mounted for reading only".to_owned(),
        (false, true) => format!("this user may not write to `{shown}`"),
        (false, false) => "this user may not write there".to_owned(),
    };
    format!("a real run could change {what}: {reason}")
}

/// Said in a dry run.
pub(crate) fn refused_here(unsafe_mount: &UnsafeMount) -> String {
    format!(
        "a real run would be refused without --unsafe-mount: {}",
        unsafe_mount.describe()
    )
}

/// Damaged documents that nothing that stays leads to: what they led to nobody can say any more.
fn damage_going(input: &ReportInput<'_>) -> Option<String> {
    let (graph, live) = (&input.snapshot.graph, input.live?);
    let mut going = graph.damage().iter();
    let first = going.find(|damage| !live.contains(damage.node))?;
    let more = match going.filter(|damage| !live.contains(damage.node)).count() {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    let described = graph.describe(first);
    let what_next = match (input.command, leaves_entries(input)) {
        (ChangingCommand::Prune { .. }, _) => Tenses::new(
            "what only that led to is unreferenced, and goes when it is older than the grace period",
            "what only that leads to would be unreferenced, and goes when it is older than the grace period",
        ),
        (ChangingCommand::NamedImages, true) => Tenses::new(
            "what only that led to stays for now, and the next prune removes it",
            "what only that leads to would stay for now, and the next prune would remove it",
        ),
        (ChangingCommand::NamedImages, false) => Tenses::new(
            "what only that led to stays for now, and the next prune --all removes it",
            "what only that leads to would stay for now, and the next prune --all would remove it",
        ),
    };
    let what_next = what_next.of(is_dry(input));
    Some(format!("{described}{more}; {what_next}"))
}

/// What the plan notes and that may not be what the user wanted.
fn warning(note: &Note, graph: &Graph, dry_run: bool) -> Option<String> {
    let of = |done, would| Tenses::new(done, would).of(dry_run);
    Some(match note {
        Note::DigestIgnored { argument, found } => {
            format!("`{argument}` names an image whose digest is {found}; the name counts")
        }
        Note::PartKept {
            what,
            manifest,
            holders,
        } => format!(
            "{what} {} kept ({}), referenced by {}",
            of("is", "would be"),
            graph.digest(*manifest),
            listed(holders, MOST_NAMES)
        ),
        Note::Rewritten { image, old } => format!(
            "{image} {} a new index; signatures of the old one ({}) {} not cover it",
            of("has", "would have"),
            graph.digest(*old),
            of("do", "would")
        ),
        Note::Sparse { image, .. } => format!(
            "{image} {}: its index still lists what {} removed, and tools that copy all platforms {} miss it",
            of("is sparse now", "would be sparse"),
            of("was", "would be"),
            of("will", "would"),
        ),
        Note::ReferrersStay { referrers } => format!(
            "{} to what {} removed, and {} with it: rmi --referrers removes both, and prune --filter \
             orphan=true what is left",
            match &referrers[..] {
                [one] => format!("{one} refers"),
                several => format!("{} refer", listed(several, MOST_NAMES)),
            },
            of("was", "would be"),
            match referrers.len() {
                1 => of("stays", "would not go"),
                _ => of("stay", "would not go"),
            }
        ),
        Note::NotAgreed { entries } => format!(
            "{} of index.json stayed: somebody changed the layout after what goes was shown; prune again to see \
             {} first",
            count(*entries, "entry", "entries"),
            it_or_them(*entries as u64),
        ),
        Note::MatchesNothing { option, instead } => matches_nothing(option, instead.as_deref()),
        Note::NamelessLeft { .. }
        | Note::NamelessNow { .. }
        | Note::EquallyOld { .. }
        | Note::YoungLeft { .. } => return None,
    })
}

/// An option or filter whose pattern matches nothing, and what is like it.
pub(crate) fn matches_nothing(option: &str, instead: Option<&str>) -> String {
    match instead {
        Some(instead) => format!("{option} matches nothing; {instead}"),
        None => format!("{option} matches nothing"),
    }
}

/// What was left because another program is writing, or would be.
pub(super) fn postponed<'a>(input: &ReportInput<'a>) -> Option<&'a Postponed> {
    let of_sweep = input.outcome.and_then(|outcome| outcome.postponed.as_ref());
    let of_sweep = of_sweep.filter(|_| input.plan.removed_parts.is_empty());
    input.garbage.postponed.as_ref().or(of_sweep)
}

fn left_to_prune(input: &ReportInput<'_>, postponed: &Postponed) -> String {
    let is_prune = matches!(input.command, ChangingCommand::Prune { .. });
    let at_once = match (is_prune, input.outcome) {
        (true, _) => "--grace 0s deletes",
        (false, None) => "--ignore-writers deletes",
        (false, Some(_)) => "`ocirm prune --grace 0s` deletes",
    };
    let Weight { blobs: n, bytes } = postponed.weight;
    format!(
        "{} {} ({}) to {}, because another program is writing: {} is young. If none is, {at_once} {}.",
        LEFT.of(is_dry(input)),
        blobs(n),
        size(bytes),
        match is_prune || leaves_entries(input) {
            true => "the next prune",
            false => "the next prune --all",
        },
        quoted(&postponed.writer),
        it_or_them(n)
    )
}

/// Whether index.json has an entry left that leads anywhere: without one, prune asks for `--all`.
fn leaves_entries(input: &ReportInput<'_>) -> bool {
    let mut entries = input.snapshot.index.entries().iter().enumerate();
    entries.any(|(at, entry)| {
        let edit = input.plan.edits.get(&at);
        entry.digest.is_some() && edit != Some(&EntryEdit::Remove)
    })
}

/// What stayed as it was, although somebody may have thought that it would go.
pub(super) fn remarks(input: &ReportInput<'_>) -> Vec<String> {
    let of_plan = input.plan.notes.iter();
    let dry_run = is_dry(input);
    let nameless = of_plan.filter_map(|note| left_nameless(note, dry_run));
    let mut remarks: Vec<String> = nameless.collect();
    if let ChangingCommand::Prune { grace } = input.command {
        let of_plan = input.plan.notes.iter();
        remarks.extend(of_plan.filter_map(|note| left_image(note, grace, dry_run)));
    }
    if let Some(latest) = input.trash.of_the_future.iter().max() {
        let n = input.trash.of_the_future.len();
        remarks.push(format!(
            "{} {} in the trash, dated in the future ({latest:.0}): clocks differ or one was set back; prune \
             --trash-keep 0s deletes {}.",
            LEFT.of(dry_run),
            count(n, "removal", "removals"),
            it_or_them(n as u64)
        ));
    }
    remarks
}

/// What was left, and how it can be removed all the same.
pub(super) fn notes(input: &ReportInput<'_>) -> Vec<String> {
    let of_plan = input.plan.notes.iter();
    let dry_run = is_dry(input);
    let (left, kept) = (LEFT.of(dry_run), KEPT.of(dry_run));
    let together = of_plan.filter_map(|note| kept_together(note, dry_run));
    let mut notes: Vec<String> = together.collect();
    if input.trash.needed_by_sharers > 0 {
        notes.push(format!(
            "{left} {} referenced by the trash of a layout that shares the blobs.",
            blobs(input.trash.needed_by_sharers as u64)
        ));
    }
    let Weight { blobs: n, bytes } = input.garbage.too_young;
    if let ChangingCommand::Prune { grace } = input.command
        && n > 0
    {
        notes.push(format!(
            "{left} {} ({}), younger than {grace} or referenced by younger ones; use --grace 0s to \
             delete {} too.",
            unreferenced(n),
            size(bytes),
            it_or_them(n)
        ));
    }
    notes.extend(postponed(input).map(|postponed| left_to_prune(input, postponed)));
    let stubs = input.garbage.stubs.len() as u64;
    if stubs > 0 {
        notes.push(format!(
            "{left} {} of deduplication: they belong to the store, whose database knows them.",
            count(stubs, "stub", "stubs")
        ));
    }
    let unlisted = input.garbage.of_unlisted_referrers;
    if unlisted.blobs > 0 {
        let n = input.garbage.unlisted_referrers;
        notes.push(format!(
            "{kept} {}, {} in {}, of what stays; --unlisted-referrers delete removes {} too.",
            count(n, "unlisted referrer", "unlisted referrers"),
            size(unlisted.bytes),
            blobs(unlisted.blobs),
            it_or_them(n)
        ));
    }
    let by_sharers = input.outcome.map(|outcome| &outcome.needed_by_sharers[..]);
    if let Some(names @ [_, ..]) = by_sharers {
        notes.push(format!(
            "Brought blobs back from the trash, referenced by {} by now.",
            listed(names, MOST_NAMES)
        ));
    }
    let needed_again = input.outcome.map_or(0, |outcome| outcome.needed_again);
    if needed_again > 0 {
        notes.push(format!(
            "Left {}, referenced by now: another program changed index.json.",
            blobs(needed_again)
        ));
    }
    notes
}

/// Images that lost their last name, in a layout where that makes none of them dangling.
fn left_nameless(note: &Note, dry_run: bool) -> Option<String> {
    let Note::NamelessNow { images: n } = note else {
        return None;
    };
    Some(format!(
        "{} {} without a name: no image of this layout {} one any more, so {} dangling; \
         `ocirm prune --all` or `ocirm rmi DIGEST` removes {}.",
        LEFT.of(dry_run),
        count(*n, "image", "images"),
        Tenses::new("has", "would have").of(dry_run),
        match (dry_run, *n) {
            (false, 1) => "it is not",
            (false, _) => "they are not",
            (true, 1) => "it would not be",
            (true, _) => "they would not be",
        },
        it_or_them(*n as u64)
    ))
}

/// Images of which none is known to be the newest.
fn kept_together(note: &Note, dry_run: bool) -> Option<String> {
    let Note::EquallyOld { repository, images } = note else {
        return None;
    };
    Some(format!(
        "{} all {images} images of {repository} of which nothing but the age of their files is \
         known, and that is equal.",
        KEPT.of(dry_run)
    ))
}

/// What `prune` notes about images that it leaves.
fn left_image(note: &Note, grace: &str, dry_run: bool) -> Option<String> {
    let left = LEFT.of(dry_run);
    let images = |number| count(number, "image", "images");
    Some(match note {
        Note::NamelessLeft { images: n } => format!(
            "{left} {} without a name: no image of this layout has one, so {} not dangling; \
             prune --all removes {}.",
            images(*n),
            it_is_or_they_are(*n),
            it_or_them(*n as u64)
        ),
        Note::YoungLeft { images: young } => format!(
            "{left} {} without a name, younger than {grace}; use --grace 0s to remove {} too.",
            images(young.len()),
            it_or_them(young.len() as u64)
        ),
        _ => return None,
    })
}
