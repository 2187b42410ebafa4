//! One file for each command: wiring of the stages, and no logic of their own.
//!
//! What the changing commands have in common is here: a `Decision` is made from a locked layout,
//! whichever the lock; a dry run reports it, a real run commits it. When index.json was changed by
//! somebody else between reading and replacing it, the decision is made again.

mod check;
mod container_files;
mod interrupt;
mod ls;
mod prune;
mod restore;
mod rmi;
mod target_layouts;
mod trash;
mod untag;
mod why;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::ColorChoice;
use anyhow::Context as _;
use interrupt::Interrupt;
use jiff::Timestamp;
use trash::Disposal;

use crate::cli::{Cli, Color, Command, Common, OutputFormat};
use crate::commit::{Change, Committed, Outcome, Watch, commit};
use crate::error::{Error, ErrorKind};
use crate::gc::{Garbage, Live};
use crate::layout::{Ages, Exclusive, Layout, LockOptions, Locked, RemovalId, Shared, Trash};
use crate::oci::trash_record::TrashRecord;
use crate::plan::rewrite_index::NewBlob;
use crate::plan::{Plan, RefusalClass};
use crate::report::change::{ChangingCommand, Report, ReportInput, Rewritten};
use crate::report::console::{Console, shown};
use crate::report::messages::reclaimed;
use crate::report::to_stdout;
use crate::snapshot::Snapshot;
use crate::value::digest::Digest;
use crate::value::time::parse_duration;
use crate::words::count;

/// How often a decision is made again because index.json changed under it.
const ATTEMPTS: u32 = 12;

/// How long to wait after the first such attempt; after later ones, as many times longer.
const PAUSE: Duration = Duration::from_millis(7);

/// How often a layout with a damaged manifest is read again, in case that is being written.
const DAMAGE_RETRIES: u32 = 2;

/// How long to wait between two such readings.
const DAMAGE_PAUSE: Duration = Duration::from_millis(150);

/// Runs the program and says what failed. The value is the exit status.
pub fn run(cli: Cli) -> u8 {
    let color = match cli.common.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let console = Console::new(color, cli.common.verbose);
    let result = Session::new(&cli.common, console).and_then(|session| match cli.command {
        Command::Ls(args) => ls::run(&session, args),
        Command::Rmi(args) => rmi::run(&session, args),
        Command::Untag(args) => untag::run(&session, args),
        Command::Prune(args) => prune::run(&session, args),
        Command::Restore(args) => restore::run(&session, args),
        Command::Why(args) => why::run(&session, args),
        Command::Check(args) => check::run(&session, args),
    });
    match result {
        Ok(status) => status,
        Err(error) => failed(console, &error),
    }
}

/// Says what failed; the value is the exit status.
fn failed(console: Console, error: &anyhow::Error) -> u8 {
    console.error(&shown(&format!("{error:#}")));
    let known = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>());
    if let Some(hint) = known.and_then(Error::hint_text) {
        console.hint(&shown(hint));
    }
    known.map_or(ErrorKind::Failed, Error::kind).exit_status()
}

/// The common options, understood.
struct Session {
    layouts: Vec<PathBuf>,
    lock_timeout: Duration,
    locking: bool,
    console: Console,
    ages: Ages,
    interrupt: Interrupt,
}

impl Session {
    fn new(common: &Common, console: Console) -> anyhow::Result<Session> {
        if common.no_lock {
            console.warning("no lock is taken; whatever else uses the layout now can lose images");
        }
        Ok(Session {
            layouts: common.layouts.clone(),
            lock_timeout: span("--lock-timeout", &common.lock_timeout)?,
            locking: !common.no_lock,
            console,
            ages: Ages::default(),
            interrupt: Interrupt::listen(console),
        })
    }

    fn open(&self, path: &Path) -> anyhow::Result<Layout> {
        Ok(Layout::open(path)?.with_ages(&self.ages))
    }

    /// Calls `with` with the options for locking.
    fn locking<T>(&self, with: impl FnOnce(&LockOptions<'_>) -> T) -> T {
        let waiting = |what: &str| {
            self.console.say(&format!(
                "Waiting for {}, which another process uses.",
                shown(what)
            ));
        };
        with(&LockOptions {
            enabled: self.locking,
            timeout: self.lock_timeout,
            waiting: &waiting,
            stop: &|| self.interrupt.signal(),
        })
    }

    fn load<M>(&self, layout: &Locked<M>, sharers: &[Locked<Shared>]) -> anyhow::Result<Snapshot> {
        self.load_with(layout, sharers, &Trash::default())
    }

    /// [`Session::load`], as if the trash were part of the layout.
    fn load_with<M>(
        &self,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        trash: &Trash,
    ) -> anyhow::Result<Snapshot> {
        let mut progress = self.console.progress("reading manifests");
        let mut load = || {
            Snapshot::load_with(layout, sharers, trash, &mut |done| {
                progress.update(done, None)
            })
        };
        for _ in 0..DAMAGE_RETRIES {
            let snapshot = load()?;
            if snapshot.graph.damage().is_empty() {
                return Ok(snapshot);
            }
            // Some tools write manifests in place under their final names.
            std::thread::sleep(DAMAGE_PAUSE);
        }
        load()
    }

    fn open_shared(&self, path: &Path) -> anyhow::Result<Locked<Shared>> {
        let layout = self.open(path)?;
        self.locking(|options| layout.lock_shared(options))
    }
}

/// Reads a layout, and lists its blobs meanwhile: both take long and use little of the machine.
fn load_and_list<M>(
    session: &Session,
    layout: &Locked<M>,
    sharers: &[Locked<Shared>],
) -> anyhow::Result<(anyhow::Result<Vec<Digest>>, Snapshot)> {
    let list = || {
        let mut blobs = Vec::new();
        layout.list_blobs(|digest| blobs.push(digest))?;
        anyhow::Ok(blobs)
    };
    let (listed, snapshot) = std::thread::scope(|scope| {
        match std::thread::Builder::new().spawn_scoped(scope, list) {
            Ok(listing) => {
                let snapshot = session.load(layout, sharers);
                match listing.join() {
                    Ok(listed) => (listed, snapshot),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            // A thread that cannot be had is one less.
            Err(_) => (list(), session.load(layout, sharers)),
        }
    });
    Ok((listed, snapshot?))
}

/// Opens a layout to look at it. What index.json leads to and lies in the trash comes back first.
fn open_to_look(session: &Session, path: &Path) -> anyhow::Result<Locked<Shared>> {
    let layout = session.open_shared(path)?;
    // What cannot be read now is reported by whoever looks.
    let Ok((_, back)) = trash::reappeared(session, &layout) else {
        return Ok(layout);
    };
    if back.is_empty() {
        return Ok(layout);
    }
    drop(layout);
    if let Err(error) = open_to_change(session, path).map(drop) {
        session.console.warning(&shown(&format!(
            "index.json leads to {} in the trash, which could not be brought back: {error:#}",
            count(back.len(), "blob", "blobs")
        )));
    }
    session.open_shared(path)
}

/// Opens a layout to change it. What index.json leads to and lies in the trash comes back first.
fn open_to_change(session: &Session, path: &Path) -> anyhow::Result<Locked<Exclusive>> {
    let layout = session.open(path)?;
    let layout = session.locking(|options| layout.lock_exclusive(options))?;
    trash::restore_reappeared(session, &layout)?;
    Ok(layout)
}

/// A span of time given to an option; never negative.
fn span(option: &str, text: &str) -> anyhow::Result<Duration> {
    let duration = parse_duration(text)
        .map_err(|e| Error::usage(format!("{option}: {e}")))
        .and_then(|duration| {
            Duration::try_from(duration)
                .map_err(|_| Error::usage(format!("{option}: `{text}` is negative")))
        });
    Ok(duration?)
}

/// Everything that a changing command decided.
struct Decision {
    snapshot: Snapshot,
    plan: Plan,
    /// `None` when no blob is in question.
    live: Option<Live>,
    garbage: Garbage,
    /// New indexes, and the names that lead to them.
    new_blobs: Vec<NewBlob>,
    rewritten: Vec<Rewritten>,
    disposal: Disposal,
}

impl Decision {
    fn change<'a>(&'a self, sharers: &'a [Locked<Shared>]) -> Change<'a> {
        let graph = &self.snapshot.graph;
        let root_edits = match &self.live {
            Some(live) => live.root_edits.clone(),
            None => self
                .snapshot
                .archive
                .edited(&self.plan.names_gone, &Default::default()),
        };
        let removed_parts = self.plan.removed_parts.iter().map(|(image, lost)| {
            let lost = lost.iter().map(|node| graph.digest(*node).clone());
            (graph.digest(*image).clone(), lost.collect())
        });
        let removed_parts: Vec<(Digest, Vec<Digest>)> = removed_parts.collect();
        let (index, edits) = (&self.snapshot.index, &self.plan.edits);
        let anything = !self.plan.is_empty() || !self.garbage.blobs.is_empty();
        let trash = (self.disposal.into_trash && anything).then(|| {
            let now = Timestamp::now();
            let documents = self.garbage.blobs.iter();
            let documents = documents.filter(|blob| blob.kind.is_document());
            let documents = documents.map(|blob| blob.digest.to_string());
            let record = TrashRecord::new(
                now,
                index,
                edits,
                &removed_parts,
                &root_edits,
                documents.collect(),
            );
            (RemovalId::new(now), record.bytes())
        });
        Change {
            old: &self.snapshot,
            new_index: index.edited(edits),
            root_edits,
            garbage: &self.garbage,
            new_blobs: &self.new_blobs,
            sharers,
            removed_parts,
            trash,
            edits,
            expired: &self.disposal.expired,
        }
    }

    fn report<'a>(
        &'a self,
        outcome: Option<&'a Outcome>,
        command: ChangingCommand<'a>,
    ) -> Report<'a> {
        Report::new(&ReportInput {
            snapshot: &self.snapshot,
            plan: &self.plan,
            live: self.live.as_ref(),
            garbage: &self.garbage,
            rewritten: &self.rewritten,
            outcome,
            command,
            into_trash: self.disposal.into_trash,
            expired: &self.disposal.expired,
            waiting: self.disposal.waiting,
            needed_by_sharers: self.disposal.needed_by_sharers,
        })
    }

    /// `lenient`: what is not there is as good as removed.
    fn exit_status(&self, report: &Report<'_>, lenient: bool) -> u8 {
        let forgiven = |class| lenient && class == RefusalClass::NotFound;
        let refused = self
            .plan
            .refusals
            .iter()
            .any(|refusal| !forgiven(refusal.class));
        let failed = report.errors.len() > self.plan.refusals.len();
        if refused || failed {
            ErrorKind::Failed.exit_status()
        } else {
            0
        }
    }
}

/// A changing command: how it decides. It is told nothing about the kind of the lock, so it cannot
/// change anything. `sharers` are layouts that share the blobs of this one.
trait Decide {
    fn decide<M>(
        &self,
        session: &Session,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
    ) -> anyhow::Result<Decision>;
}

/// How a changing command is to be run and its result to be printed.
struct Run<'a> {
    dry_run: bool,
    format: OutputFormat,
    /// What is not there is as good as removed.
    lenient: bool,
    command: ChangingCommand<'a>,
    /// Layouts that share the blobs.
    sharers: &'a [PathBuf],
    /// The program ends after it.
    is_last: bool,
    /// For layouts of this run the others whose blobs are the same directories.
    beside: Option<&'a HashMap<PathBuf, Vec<PathBuf>>>,
}

/// For each layout the others whose blobs lie in a directory that is its own, too: a symbolic link
/// may lead from one to the other.
fn sharers_of_each(layouts: &[PathBuf]) -> HashMap<PathBuf, Vec<PathBuf>> {
    let mut by_directory: HashMap<(u64, u64), Vec<&PathBuf>> = HashMap::new();
    for path in layouts {
        // One that cannot be opened is reported when it is its turn.
        for directory in Layout::open(path).iter().flat_map(Layout::blob_directories) {
            by_directory.entry(directory).or_default().push(path);
        }
    }
    let mut sharers_of_each: HashMap<PathBuf, Vec<PathBuf>> = HashMap::new();
    for group in by_directory.values().filter(|group| group.len() > 1) {
        for path in group {
            let others = group.iter().filter(|other| *other != path);
            let known = sharers_of_each.entry((*path).clone()).or_default();
            for other in others {
                if !known.contains(other) {
                    known.push((*other).clone());
                }
            }
        }
    }
    sharers_of_each
}

impl Run<'_> {
    /// Decides on one layout, and does it unless this is a dry run.
    fn run(
        &self,
        session: &Session,
        path: &Path,
        command: &impl Decide,
    ) -> anyhow::Result<(Decision, Option<Outcome>)> {
        let sharers = self.open_sharers(session, path)?;
        if self.dry_run {
            let mut layout = session.open_shared(path)?;
            if !self.sharers.is_empty() {
                layout.all_sharers_are_known();
            }
            let mut decision = command.decide(session, &layout, &sharers)?;
            decision.disposal.waiting = trash::reappeared(session, &layout)?.1.len();
            if !decision.plan.is_empty() || !decision.garbage.blobs.is_empty() {
                layout.refuse_odd_index()?;
            }
            Ok((decision, None))
        } else {
            let mut layout = open_to_change(session, path)?;
            if !self.sharers.is_empty() {
                layout.all_sharers_are_known();
            }
            let (decision, outcome) = carry_out(session, layout, &sharers, command)?;
            Ok((decision, Some(outcome)))
        }
    }

    /// The report on what was decided and done, and the exit status.
    fn report<'d>(
        &'d self,
        session: &Session,
        decision: &'d Decision,
        outcome: Option<&'d Outcome>,
    ) -> (Report<'d>, u8) {
        let report = decision.report(outcome, self.command);
        let decided = decision.exit_status(&report, self.lenient);
        let status = match session.interrupt.signal() {
            Some(signal) => ErrorKind::Interrupted(signal).exit_status(),
            None => decided,
        };
        (report, status)
    }

    /// The layouts that share the blobs of the one at `path`, apart from itself: those that the
    /// user named, and those of the same run whose blobs turn out to be the same directories.
    fn open_sharers(&self, session: &Session, path: &Path) -> anyhow::Result<Vec<Locked<Shared>>> {
        let beside = self.beside.and_then(|beside| beside.get(path));
        let beside = beside.map_or(&[][..], Vec::as_slice);
        if self.sharers.is_empty() && beside.is_empty() {
            return Ok(Vec::new());
        }
        let own = Layout::open(path)?;
        let found = self
            .sharers
            .iter()
            .chain(beside)
            .map(|path| Layout::open(path));
        let found: Vec<Layout> = found.collect::<anyhow::Result<_>>()?;
        let mut sharers = Vec::new();
        for other in found {
            if !own.is_same(&other) {
                sharers.push(session.locking(|options| other.lock_shared(options))?);
            }
        }
        Ok(sharers)
    }

    /// [`Run::run`], and says what happened.
    fn run_and_print(
        &self,
        session: &Session,
        path: &Path,
        command: &impl Decide,
    ) -> anyhow::Result<u8> {
        let (decision, outcome) = self.run(session, path, command)?;
        let (report, status) = self.report(session, &decision, outcome.as_ref());
        let mut text = self.text(session, path, &report);
        let is_prune = matches!(self.command, ChangingCommand::Prune { .. });
        if is_prune && self.format == OutputFormat::Text {
            text.push_str(&reclaimed(report.freed_bytes));
        }
        let printed = to_stdout(&text);
        report.talk(session.console);
        if self.is_last {
            // Giving back the memory of a large layout piece by piece takes longer than ending does.
            std::mem::forget(report);
            std::mem::forget((decision, outcome));
        }
        printed.context("cannot write to standard output")?;
        Ok(status)
    }

    fn text(&self, session: &Session, path: &Path, report: &Report<'_>) -> String {
        match self.format {
            OutputFormat::Json => report.json(path),
            OutputFormat::Text => report.text(session.console.is_verbose()),
        }
    }
}

fn carry_out(
    session: &Session,
    mut layout: Locked<Exclusive>,
    sharers: &[Locked<Shared>],
    command: &impl Decide,
) -> anyhow::Result<(Decision, Outcome)> {
    for attempt in 1..=ATTEMPTS {
        let decision = command.decide(session, &layout, sharers)?;
        let mut progress = session.console.progress("deleting blobs");
        let change = decision.change(sharers);
        session.interrupt.begin_change();
        let committed = session.locking(|options| {
            let mut progress = |done, total| progress.update(done as u64, Some(total as u64));
            let mut watch = Watch {
                progress: &mut progress,
                stop: &|| session.interrupt.signal().is_some(),
            };
            commit(layout, &change, options, &mut watch)
        })?;
        drop(change);
        match committed {
            Committed::Done(outcome) => return Ok((decision, outcome)),
            Committed::IndexChanged(again) => layout = again,
        }
        session.interrupt.nothing_changed();
        if let Some(signal) = session.interrupt.signal() {
            let kind = ErrorKind::Interrupted(signal);
            return Err(Error::new(kind, "interrupted; nothing was changed").into());
        }
        // A program that writes in a loop leaves a gap sooner or later.
        std::thread::sleep(PAUSE * attempt);
    }
    Err(Error::new(
        ErrorKind::Failed,
        "index.json was changed by another program each time it was to be replaced",
    )
    .hint("nothing was changed; try again when that program is done")
    .into())
}
