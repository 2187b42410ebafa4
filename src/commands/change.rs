//! What `rmi`, `untag` and `prune` have in common: a [`Decision`] is made from a locked layout,
//! whichever the lock; a dry run reports it, a real run carries it out. When index.json was changed by
//! somebody else between reading and replacing it, the decision is made again.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::jobs::Batch;
use super::session::Session;
use super::sharers::{FoundSharers, ToldBlobs};
use super::{print_as, several};
use crate::cli::OutputFormat;
use crate::commit::{Attempt, Change, Outcome, Watch, delete, find_writer_beside, repeat};
use crate::error::{Error, ErrorKind};
use crate::gc::{BlobFate, Destination, Garbage, Live, TrashUse};
use crate::layout::{
    Exclusive, HardLinks, Layout, LinkedBlobs, Locked, Shared, UnsafeMount, Unwritable, Writes,
    Written,
};
use crate::plan::Plan;
use crate::report::change::Report;
use crate::report::change_input::{ChangingCommand, ReportInput};
use crate::report::console::shown;
use crate::report::image_table::Going;
use crate::report::messages::reclaimed;
use crate::snapshot::View;
use crate::value::digest::Digest;
use crate::words::quoted;

/// The variable that makes `--trash` the default.
const TRASH_VARIABLE: &str = "OCIRM_TRASH";

/// Everything that a changing command decided.
#[derive(Default)]
pub(super) struct Decision {
    pub(super) view: View,
    pub(super) plan: Plan,
    /// `None` when no blob is in question.
    pub(super) live: Option<Live>,
    pub(super) garbage: Garbage,
    pub(super) trash: TrashUse,
    /// Why a real run would be refused where the layout lies.
    pub(super) unsafe_mount: Option<UnsafeMount>,
    /// Why a real run could not change anything, or not everything.
    pub(super) unwritable: Option<Unwritable>,
    /// A temporary file of another program that is younger shows that somebody is writing; `None`:
    /// nobody is looked for.
    pub(super) writers_since: Option<Timestamp>,
    /// The images that go, as the list shows them about which somebody is asked.
    pub(super) going: Vec<Going>,
    /// Where the layout is.
    pub(super) path: PathBuf,
    /// Other files may have the same blocks as those that go.
    pub(super) may_share_blocks: bool,
}

impl Decision {
    /// Takes note of what has to be known of the layout for the report.
    fn know<M>(&mut self, layout: &Locked<M>) {
        self.path = layout.path().to_owned();
        let frees = !self.garbage.blobs.is_empty() || !self.trash.expired.is_empty();
        self.may_share_blocks = frees && layout.may_share_blocks();
    }

    /// Where a real run writes that first brings these blobs back from the trash.
    fn writes<'a>(&'a self, back: &'a [Digest]) -> Writes<'a> {
        let mut writes = Writes::default();
        let (plan, garbage) = (&self.plan, &self.garbage);
        let blobs = &garbage.blobs;
        let new = plan.new_blobs().map(|blob| &blob.digest);
        let first = back.iter().chain(new).map(Digest::algorithm_name);
        writes.before.extend(first.map(Written::Blobs));
        let edits_files = self
            .live
            .as_ref()
            .is_some_and(|live| !live.root_edits.is_empty());
        if !plan.edits.is_empty() || edits_files {
            writes.before.insert(Written::Root);
        }
        if self.trash.to_trash && !(plan.is_empty() && blobs.is_empty()) {
            writes.before.insert(Written::Trash);
        }
        for blob in blobs {
            let algorithm = blob.digest.algorithm_name();
            writes.after.insert(Written::Blobs(algorithm));
            if blob.destination == Destination::ToRemoval {
                let id = garbage.removal(blob);
                writes.after.extend(id.map(Written::Removal));
            }
        }
        for (id, _) in &self.trash.expired {
            writes.after.insert(Written::Removal(id));
        }
        writes
    }

    pub(super) fn report<'a>(
        &'a self,
        outcome: Option<&'a Outcome>,
        command: ChangingCommand<'a>,
    ) -> Report<'a> {
        Report::new(&ReportInput {
            snapshot: &self.view,
            plan: &self.plan,
            live: self.live.as_ref(),
            garbage: &self.garbage,
            outcome,
            command,
            trash: &self.trash,
            layout: &self.path,
            may_share_blocks: self.may_share_blocks,
            unsafe_mount: self.unsafe_mount.as_ref(),
            unwritable: self.unwritable.as_ref(),
        })
    }
}

/// A changing command: how it decides. It is told nothing about the kind of the lock, so it cannot
/// change anything. `sharers` are layouts that share the blobs of this one.
pub(super) trait Decide {
    /// Says what the user should know before it is done. The layout is locked meanwhile.
    fn announce(&self, _: &Session, _: &Decision) {}

    fn decide<M>(
        &self,
        session: &Session,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
    ) -> anyhow::Result<Decision>;
}

/// Leaves garbage to a later `prune` if another program is writing now and may use it, into this layout
/// or one that shares the blobs. What goes to the trash can come back, and is not left. `known` is a file
/// that shows it and was found on the way.
pub(super) fn leave_to_writer<M>(
    garbage: &mut Garbage,
    trash: &TrashUse,
    layout: &Locked<M>,
    sharers: &[Locked<Shared>],
    since: Option<Timestamp>,
    known: Option<String>,
) {
    let Some(since) = since.filter(|_| !trash.to_trash && !garbage.blobs.is_empty()) else {
        return;
    };
    let unfinished = || {
        let digest = garbage.unfinished.as_ref()?;
        let (algorithm, name) = (digest.algorithm_name(), digest.encoded());
        Some(format!("blobs/{algorithm}/{name}"))
    };
    let writer = layout.find_writer(since).or(known).or_else(unfinished);
    let writer = writer.or_else(|| find_writer_beside(sharers, since));
    if let Some(writer) = writer {
        garbage.postpone(writer);
    }
}

/// Whether what goes, goes to the trash: what the command line says, else the environment.
///
/// # Errors
/// A value in the environment that is neither 0 nor 1.
pub(super) fn uses_trash(trash: bool, no_trash: bool) -> Result<bool, Error> {
    if trash || no_trash {
        return Ok(trash);
    }
    let value = std::env::var_os(TRASH_VARIABLE).unwrap_or_default();
    match value.to_str() {
        Some("" | "0") => Ok(false),
        Some("1") => Ok(true),
        _ => {
            let value = quoted(&value.to_string_lossy());
            let message = format!("{TRASH_VARIABLE} is {value}, which is neither 0 nor 1");
            Err(Error::usage(message)
                .hint("with 1, rmi and prune move what goes into the trash; unset it otherwise"))
        }
    }
}

/// How a changing command is to be run and its result to be printed.
pub(super) struct Run<'a> {
    pub(super) dry_run: bool,
    pub(super) format: OutputFormat,
    /// Layouts were looked for, and there may be more than anybody reads about.
    pub(super) of_many: bool,
    /// What is not there is as good as removed.
    pub(super) lenient: bool,
    pub(super) command: ChangingCommand<'a>,
    /// Layouts that share the blobs.
    pub(super) sharers: &'a [PathBuf],
    /// What of this run shares blobs.
    pub(super) found_sharers: Option<&'a FoundSharers>,
}

impl Run<'_> {
    /// Decides on one layout, and does it unless this is a dry run. Of files with several names what goes is
    /// counted as if there were no other layouts.
    pub(super) fn run(
        &self,
        session: &Session,
        path: &Path,
        command: &impl Decide,
    ) -> anyhow::Result<(Decision, Option<Outcome>)> {
        if self.dry_run {
            let (mut decision, layout) = self.decide(session, path, command)?;
            command.announce(session, &decision);
            let back = session.reappeared(&layout)?.back;
            decision.trash.reappeared = back.len();
            decision.unsafe_mount = session.unsafe_mount(&layout);
            let is_replaced = !decision.plan.is_empty();
            if is_replaced || !decision.garbage.blobs.is_empty() {
                layout.refuse_odd_index(is_replaced)?;
            }
            decision.unwritable = layout.why_unwritable(&decision.writes(&back));
            decision
                .garbage
                .count_links(&mut HardLinks::default(), false);
            Ok((decision, None))
        } else {
            let sharers = self.open_sharers(path)?;
            if !sharers.is_empty() {
                session.has_several();
            }
            let (mut layout, sharers) = session.open_to_change_beside(path, sharers)?;
            self.say_who_shares(path, &mut layout);
            let (mut decision, outcome) = carry_out(session, layout, &sharers, command)?;
            decision
                .garbage
                .count_links(&mut HardLinks::default(), true);
            Ok((decision, Some(outcome)))
        }
    }

    /// Decides on one layout, under a lock that allows nothing else.
    pub(super) fn decide(
        &self,
        session: &Session,
        path: &Path,
        command: &impl Decide,
    ) -> anyhow::Result<(Decision, Locked<Shared>)> {
        let sharers = self.open_sharers(path)?;
        if !sharers.is_empty() {
            session.has_several();
        }
        let layout = session.open(path)?;
        let (mut layout, sharers) =
            session.locking(|options| layout.lock_shared_with(sharers, options))?;
        if !self.dry_run
            && let Some(unsafe_mount) = session.unsafe_mount(&layout)
        {
            // Nobody is asked about what is refused then.
            return Err(unsafe_mount.refusal().into());
        }
        self.say_who_shares(path, &mut layout);
        let mut decision = command.decide(session, &layout, &sharers)?;
        decision.know(&layout);
        Ok((decision, layout))
    }

    /// The report on what was decided and done, and the exit status.
    pub(super) fn report<'d>(
        &'d self,
        session: &Session,
        decision: &'d Decision,
        outcome: Option<&'d Outcome>,
    ) -> (Report<'d>, u8) {
        let mut report = decision.report(outcome, self.command);
        if self.lenient {
            report.forgive_missing();
        }
        let decided = match report.has_failed() {
            true => ErrorKind::Failed.exit_status(),
            false => 0,
        };
        let status = match session.interrupt.signal() {
            Some(signal) => ErrorKind::Interrupted(signal).exit_status(),
            None => decided,
        };
        (report, status)
    }

    /// Whether blobs of directories that others lead to may be deleted: only if the user named them
    /// all.
    fn say_who_shares<M>(&self, path: &Path, layout: &mut Locked<M>) {
        if !self.sharers.is_empty() {
            layout.all_sharers_are_known();
        } else if let Some(found) = self.found_sharers {
            layout.refuse_shared(&|directory| found.who(path, directory));
        }
    }

    /// As [`FoundSharers::leave_out_told`] has it.
    pub(super) fn leave_out_told(
        &self,
        path: &Path,
        decision: &mut Decision,
        told: &mut ToldBlobs,
    ) -> bool {
        let found = self.found_sharers;
        found.is_some_and(|found| found.leave_out_told(path, &mut decision.garbage, told))
    }

    /// The numbers of layouts in groups, in each of which they follow each other.
    pub(super) fn groups(&self, layouts: &[PathBuf]) -> Vec<Vec<usize>> {
        match self.found_sharers {
            Some(found) => found.groups(layouts, self.sharers),
            None => Batch::alone(layouts),
        }
    }

    /// The layouts that share the blobs of the one at `path`, apart from itself: those that the
    /// user named, and those of the same run whose blobs turn out to be the same directories.
    fn open_sharers(&self, path: &Path) -> anyhow::Result<Vec<Layout>> {
        let found = self.found_sharers.map(|found| found.beside(path));
        let found = found.unwrap_or_default();
        if self.sharers.is_empty() && found.is_empty() {
            return Ok(Vec::new());
        }
        let own = Layout::open(path)?;
        let named = self.sharers.iter().map(|path| {
            let named = || format!("--also-root {}", path.display());
            Layout::open(path).with_context(named)
        });
        let found = named.chain(found.iter().map(|path| Layout::open(path)));
        let mut others = found.collect::<anyhow::Result<Vec<Layout>>>()?;
        others.retain(|other| !own.is_same(other));
        Ok(others
            .into_iter()
            .map(Layout::into_one_of_several)
            .collect())
    }

    /// Says in JSON, too, that nothing was done with the only layout.
    pub(super) fn in_json(&self, path: &Path, error: anyhow::Error) -> anyhow::Error {
        several::in_json(self.format == OutputFormat::Json, path, error)
    }

    /// [`Run::run`] on the last layout, and says what happened.
    pub(super) fn run_and_print(
        &self,
        session: &Session,
        path: &Path,
        command: &impl Decide,
    ) -> anyhow::Result<u8> {
        let done = self.run(session, path, command);
        let (decision, outcome) = done.map_err(|error| self.in_json(path, error))?;
        let (report, status) = self.report(session, &decision, outcome.as_ref());
        session.say_what_waited();
        let is_printed = self.format == OutputFormat::Json || !session.console.is_quiet();
        let printed = match is_printed {
            false => Ok(()),
            true => print_as(self.format, |out| self.write(session, path, &report, out)),
        };
        report.talk(session.console);
        // Giving back the memory of a large layout piece by piece takes longer than ending does.
        std::mem::forget(report);
        std::mem::forget((decision, outcome));
        printed?;
        Ok(status)
    }

    /// Prints what happened to one of several layouts. Of many, a line if anything did, and all with `-v`.
    pub(super) fn print_one_of_several(
        &self,
        session: &Session,
        path: &Path,
        report: &Report<'_>,
    ) -> anyhow::Result<()> {
        let console = session.console;
        match self.format {
            OutputFormat::Json => print_as(self.format, |out| report.write_json(path, out)),
            OutputFormat::Text if console.is_quiet() => Ok(()),
            OutputFormat::Text if console.is_verbose() || !self.of_many => {
                print_as(self.format, |out| {
                    let layout = shown(&path.display().to_string());
                    writeln!(out, "Layout: {layout}")?;
                    report.write_text(console.is_verbose(), out)
                })
            }
            OutputFormat::Text if report.is_empty() => Ok(()),
            OutputFormat::Text => print_as(self.format, |out| report.write_line(path, out)),
        }
    }

    fn write(
        &self,
        session: &Session,
        path: &Path,
        report: &Report<'_>,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        match self.format {
            OutputFormat::Json => report.write_json(path, out),
            OutputFormat::Text => {
                report.write_text(session.console.is_verbose(), out)?;
                if matches!(self.command, ChangingCommand::Prune { .. }) {
                    let reclaimed = reclaimed(report.freed_bytes, report.freed_at_most);
                    out.write_all(reclaimed.as_bytes())?;
                }
                Ok(())
            }
        }
    }
}

fn carry_out(
    session: &Session,
    layout: Locked<Exclusive>,
    sharers: &[Locked<Shared>],
    command: &impl Decide,
) -> anyhow::Result<(Decision, Outcome)> {
    let hint = "nothing that anything leads to was changed; try again when that program is done";
    // What went in attempts that ended because index.json changed: nothing led to it.
    let mut gone = Vec::new();
    let mut linked = LinkedBlobs::default();
    repeat(layout, hint, &mut |layout| {
        let mut decision = command.decide(session, &layout, sharers)?;
        decision.know(&layout);
        command.announce(session, &decision);
        let gone_before = gone.len();
        session.interrupt.refuse_to_go_on(gone_before)?;
        let mut garbage = std::mem::take(&mut decision.garbage);
        garbage.blobs.append(&mut gone);
        garbage.linked.add(std::mem::take(&mut linked));
        let (view, plan) = (&decision.view, &decision.plan);
        let (live, trash) = (decision.live.as_ref(), &decision.trash);
        let change = Change::new(view, plan, live, &garbage, trash, sharers, Timestamp::now());
        let change = change.heed_writers(decision.writers_since);
        let progress = session.progress("Deleting", "blobs");
        session.interrupt.begin_change(gone_before)?;
        let attempt = session.locking(|options| {
            let mut watch = Watch {
                progress: &progress,
                stop: &|| session.interrupt.signal().is_some(),
            };
            delete(layout, &change, &mut garbage, options, &mut watch)
        })?;
        drop(change);
        decision.garbage = garbage;
        match attempt {
            Attempt::Done(outcome) => Ok(Attempt::Done((decision, outcome))),
            Attempt::IndexChanged(layout) => {
                linked = decision.garbage.linked;
                let blobs = decision.garbage.blobs.into_iter();
                gone.extend(blobs.filter(|blob| blob.fate == BlobFate::Gone));
                if gone.is_empty() {
                    session.interrupt.nothing_changed();
                }
                if let Some(signal) = session.interrupt.signal() {
                    return Err(session.interrupt.stopped(signal, gone.len()).into());
                }
                Ok(Attempt::IndexChanged(layout))
            }
        }
    })
}
