//! `ocirm prune`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::change::{Decide, Decision, Run, leave_to_writer, uses_trash};
use super::in_each::InEach;
use super::jobs::{Batch, Job, Results};
use super::retention::retention;
use super::session::{Listed, Said, Session, span};
use super::several::{self, Failures, say_failure};
use super::sharers::{FoundSharers, ToldBlobs};
use super::target_layouts::{TargetLayouts, layout_directories};
use super::{container_files, print_as};
use crate::cli::{Jobs, OutputFormat, PruneArgs, UnlistedReferrers};
use crate::commit::Outcome;
use crate::containers::Container;
use crate::containers::in_use::Uses;
use crate::error::{Error, ErrorKind, hint_and_kind};
use crate::gc::{self, Siblings, SweepOptions, TrashOptions, TrashUse};
use crate::inspect::listing::Listing;
use crate::inspect::metadata::ImageMetadata;
use crate::layout::{HardLinks, Locked, RemovalId, Shared};
use crate::layout_argument::directory;
use crate::library::Seen;
use crate::oci::config::Wanted;
use crate::plan::prune::agreed_form;
use crate::plan::{Draft, FilterUse, Filters, Note, Plan, PruneOptions, Retention, Room};
use crate::report::change_input::ChangingCommand;
use crate::report::console::{Console, shown};
use crate::report::image_table::{Going, images_to_go};
use crate::report::list_lines::ImageLine;
use crate::report::messages::{matches_nothing, reclaimed};
use crate::report::sums::Sums;
use crate::report::units::size_freed;
use crate::snapshot::{NodeId, RecordId, Snapshot, Whole};
use crate::value::digest::Digest;
use crate::words::{count, listed};

/// Said where filters read as if they were about all images.
const ONLY_DANGLING: &str =
    "Without --all, filters choose among dangling images; images with a name stay.";

pub(super) fn run(session: &Session, args: PruneArgs) -> anyhow::Result<u8> {
    let mut command = Prune::understand(&args)?;
    let found = layout_directories(session, args.recursive.as_deref(), args.directories)?;
    let also_roots: Vec<PathBuf> = args
        .also_roots
        .into_iter()
        .map(directory)
        .collect::<Result<_, _>>()?;
    let only_dangling = !command.all && command.filters.may_mean_named();
    let found_sharers = FoundSharers::of(&found);
    let run = Run {
        dry_run: args.dry_run,
        format: args.format,
        of_many: args.recursive.is_some(),
        lenient: false,
        command: ChangingCommand::Prune { grace: &args.grace },
        sharers: &also_roots,
        found_sharers: Some(&found_sharers),
    };
    command.trash.to_trash = uses_trash(args.trash, args.no_trash)?;
    let siblings = found.siblings(&also_roots);
    command.siblings = siblings.with_places(found_sharers.places());
    if !args.force && !args.dry_run {
        if !session.console.can_ask() {
            return Err(Error::usage("prune asks before it deletes, and there is no terminal")
                .hint("use -f (--force) to prune without a question, -n (--dry-run) to see what would go")
                .into());
        }
        if only_dangling {
            session.console.while_asking().note(ONLY_DANGLING);
        }
        match command.confirm(session, &found, &run, args.jobs)? {
            Ok(confirmed) => command.confirmed = Some(confirmed),
            Err(status) => return Ok(status),
        }
    } else if only_dangling && args.format == OutputFormat::Text && !session.console.is_quiet() {
        print_as(args.format, |out| writeln!(out, "{ONLY_DANGLING}"))?;
    }
    match (&found.layouts[..], found.several) {
        ([path], false) => run.run_and_print(session, path, &command),
        _ => command.run_all(session, &found, &run, args.jobs),
    }
}

/// What a person saw and agreed to, in each layout.
type Confirmed = HashMap<PathBuf, Arc<Seen>>;

/// What goes by a decision.
pub(super) fn seen(decision: &Decision) -> Seen {
    let form = |at: &usize| agreed_form(decision.view.index.entry_text(*at));
    let blobs = decision.garbage.blobs.iter();
    let removals = decision.trash.expired.iter();
    Seen {
        entries: decision.plan.edits.keys().map(form).collect(),
        blobs: blobs.map(|blob| blob.digest.clone()).collect(),
        removals: removals.map(|(id, _)| id.clone()).collect(),
    }
}

/// Options and filters whose patterns match nothing in any layout so far, and what is like them.
type Unmatched = InEach<Option<String>>;

/// Takes what the plan of one layout notes.
fn take_unmatched(unmatched: &mut Unmatched, plan: &mut Plan) {
    let mut here = BTreeMap::new();
    plan.notes.retain_mut(|note| match note {
        Note::MatchesNothing { option, instead } => {
            here.insert(std::mem::take(option), instead.take());
            false
        }
        _ => true,
    });
    unmatched.take(here);
}

fn say_unmatched(unmatched: Unmatched, console: Console) {
    for (option, instead) in unmatched.into_all() {
        console.warning(&shown(&matches_nothing(&option, instead.as_deref())));
    }
}

/// See the module.
pub(super) struct Prune {
    now: Timestamp,
    dry_run: bool,
    /// One JSON object is printed, and no line beside it.
    is_json: bool,
    /// As in [`Run`].
    of_many: bool,
    all: bool,
    filters: Filters,
    retention: Retention,
    /// What containers use is to be kept, if there are any.
    has_lists: bool,
    containers: Vec<Container>,
    spare_after: Timestamp,
    /// As in [`Decision`].
    writers_since: Option<Timestamp>,
    trash: TrashOptions,
    delete_unlisted_referrers: bool,
    confirmed: Option<Confirmed>,
    /// What would go is listed, and somebody is asked about it.
    is_asking: bool,
    /// Which patterns match nothing was said before the question.
    is_warned: bool,
    siblings: Siblings,
}

/// Everything that `prune` decides about one layout.
#[derive(Default)]
pub(super) struct Decided {
    pub(super) plan: Plan,
    /// `None`: it was refused, and no blob is in question.
    live: Option<gc::Live>,
    pub(super) garbage: gc::Garbage,
    pub(super) trash: TrashUse,
}

impl Prune {
    /// Understands the options that say what goes and what stays. Whether it goes to the trash, and which
    /// other layouts there are, is for whoever runs it to say.
    ///
    /// # Errors
    /// Exit status 2: an option cannot be understood; and a file that cannot be read.
    pub(super) fn understand(args: &PruneArgs) -> anyhow::Result<Prune> {
        let now = Timestamp::now();
        let all = args.all || args.policy.is_some();
        let for_use = FilterUse::Prune { all };
        let filters = Filters::parse(&args.filters, for_use, now, &TimeZone::system)?;
        let grace = span("--grace", &args.grace)?;
        let trash_keep = span("--trash-keep", &args.trash_keep)?;
        Ok(Prune {
            dry_run: args.dry_run,
            is_json: args.format == OutputFormat::Json,
            of_many: args.recursive.is_some(),
            filters,
            retention: retention(args)?,
            has_lists: !args.containers.is_empty(),
            containers: container_files::containers(&args.containers)?,
            delete_unlisted_referrers: args.unlisted_referrers == UnlistedReferrers::Delete,
            ..Prune::plain(now, all, (grace, trash_keep), false, Siblings::default())
        })
    }

    /// The same for a program that uses the crate, of one layout. Of what `seen` holds, if it is given,
    /// and of nothing else, may anything go.
    ///
    /// # Errors
    /// As [`Prune::understand`].
    pub(super) fn embedded(
        args: &PruneArgs,
        layout: &Path,
        seen: Option<Arc<Seen>>,
    ) -> anyhow::Result<Prune> {
        let also_roots = args.also_roots.iter();
        let layouts = std::iter::once(layout.to_owned()).chain(also_roots.cloned());
        let command = Prune::understand(args)?;
        Ok(Prune {
            is_json: true,
            trash: TrashOptions {
                to_trash: args.trash,
                ..command.trash
            },
            siblings: Siblings::new(layouts.collect(), !args.also_roots.is_empty()),
            confirmed: seen.map(|seen| HashMap::from([(layout.to_owned(), seen)])),
            ..command
        })
    }

    /// `prune` without any option but these: how young blobs are that stay, and how long the trash keeps
    /// what is in it.
    pub(super) fn plain(
        now: Timestamp,
        all: bool,
        (grace, trash_keep): (Duration, Duration),
        to_trash: bool,
        siblings: Siblings,
    ) -> Prune {
        let spare_after = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
        Prune {
            now,
            dry_run: true,
            is_json: false,
            of_many: false,
            all,
            filters: Filters::default(),
            retention: Retention::default(),
            has_lists: false,
            containers: Vec::new(),
            spare_after,
            // Who says that nothing is too young says that nobody is writing.
            writers_since: (!grace.is_zero()).then_some(spare_after),
            trash: TrashOptions {
                to_trash,
                command: Some("prune"),
                // Nothing is too young to go at once, not even what a clock that was wrong dated.
                expire_before: Some(match trash_keep.is_zero() {
                    true => Timestamp::MAX,
                    false => now.checked_sub(trash_keep).unwrap_or(Timestamp::MIN),
                }),
                now: Some(now),
            },
            delete_unlisted_referrers: false,
            confirmed: None,
            is_asking: false,
            is_warned: false,
            siblings,
        }
    }

    /// A temporary file of another program that is younger shows that somebody is writing.
    pub(super) fn writers_since(&self) -> Option<Timestamp> {
        self.writers_since
    }

    /// Prunes several layouts. One that fails does not stop the others.
    fn run_all(
        self,
        session: &Session,
        found: &TargetLayouts,
        run: &Run<'_>,
        jobs: Jobs,
    ) -> anyhow::Result<u8> {
        let console = session.console;
        let mut pruned = Pruned {
            session,
            run,
            is_warned: self.is_warned,
            layouts: found.layouts.len(),
            status: found.say_failures(console),
            sums: Sums::default(),
            freed: 0,
            at_most: false,
            hard_links: HardLinks::default(),
            told: ToldBlobs::default(),
            unmatched: Unmatched::default(),
            failures: Failures::default(),
        };
        let batch = Batch {
            session,
            layouts: &found.layouts,
            groups: run.groups(&found.layouts),
            jobs: jobs.number(),
            beside: run.sharers,
            what: "Pruning",
        };
        let job = Pruning {
            command: &self,
            run,
        };
        if let Some(status) = batch.run(&job, &mut pruned)? {
            return Ok(status);
        }
        pruned.say_all()?;
        Ok(pruned.status)
    }

    /// Shows what would go and asks. No lock is held while somebody thinks about the answer; what
    /// is deleted afterwards is decided anew, and is at most what was shown. The inner error is the exit
    /// status of a no: that of layouts that could not be looked at.
    fn confirm(
        &mut self,
        session: &Session,
        found: &TargetLayouts,
        run: &Run<'_>,
        jobs: Jobs,
    ) -> anyhow::Result<Result<Confirmed, u8>> {
        let console = session.console.while_asking();
        self.is_asking = true;
        let mut question = Question {
            console,
            run,
            several: found.several,
            now: self.now,
            confirmed: Confirmed::new(),
            unmatched: Unmatched::default(),
            hard_links: HardLinks::default(),
            told: ToldBlobs::default(),
            images: 0,
            names: 0,
            blobs: 0,
            freed: 0,
            at_most: false,
            failed: Vec::new(),
        };
        let batch = Batch {
            session,
            layouts: &found.layouts,
            groups: run.groups(&found.layouts),
            jobs: jobs.number(),
            beside: run.sharers,
            what: "Looking at",
        };
        let job = LookingAt { command: self, run };
        if let Some(status) = batch.run(&job, &mut question)? {
            return Ok(Err(status));
        }
        self.is_asking = false;
        self.siblings.forget();
        let Question {
            confirmed,
            unmatched,
            images,
            names,
            blobs,
            freed,
            at_most,
            failed,
            ..
        } = question;
        let nothing = |seen: &Arc<Seen>| {
            seen.entries.is_empty() && seen.blobs.is_empty() && seen.removals.is_empty()
        };
        if confirmed.values().all(nothing) {
            return Ok(Ok(confirmed));
        }
        for (path, error) in &failed {
            let layout = path.display();
            console.warning(&shown(&format!(
                "the layout `{layout}` is not in the list: {error:#}"
            )));
        }
        say_unmatched(unmatched, console);
        // The JSON object has its warnings whatever was said before.
        self.is_warned = run.format == OutputFormat::Text;
        let mut parts = Vec::new();
        if images > 0 {
            parts.push(format!("removes {}", count(images, "image", "images")));
        }
        if names > 0 {
            let names = count(names, "name", "names");
            parts.push(format!("takes {names} from images that stay"));
        }
        let blobs = count(blobs, "blob", "blobs");
        parts.push(match self.trash.to_trash {
            true => format!("moves {blobs} to the trash"),
            false => format!("deletes {blobs}"),
        });
        parts.push(format!("frees {}", size_freed(freed, at_most)));
        console.say(&format!("This {}.", listed(&parts, parts.len())));
        if self.all {
            console
                .warning("this removes all images that pass the filters, not only dangling ones");
        }
        let ask = || console.ask("Are you sure you want to continue?");
        if session.interrupt.asking(ask) {
            return Ok(Ok(confirmed));
        }
        console.say("Nothing was changed.");
        let mut status = 0;
        for (path, error) in failed {
            let is_json = run.format == OutputFormat::Json;
            status = status.max(say_failure(console, &path, error, is_json)?);
        }
        Ok(Err(status))
    }
}

/// Prunes each of several layouts.
struct Pruning<'a> {
    command: &'a Prune,
    run: &'a Run<'a>,
}

/// What became of one of several layouts.
type Done = anyhow::Result<(Decision, Option<Outcome>)>;

impl Job<Done> for Pruning<'_> {
    fn work(&self, session: &Session, _: usize, path: &Path) -> Done {
        self.run.run(session, path, self.command)
    }

    fn held(&self, done: &Done) -> u64 {
        done.as_ref().map_or(0, |(decision, _)| held(decision))
    }

    fn has_changed(&self, done: &Done) -> bool {
        // One that failed in the midst of it may have changed something.
        done.as_ref().map_or(true, |(decision, outcome)| {
            let mut blobs = decision.garbage.blobs.iter();
            let is_emptied = outcome.as_ref().is_some_and(|o| o.emptied.removals > 0);
            is_emptied
                || !decision.plan.is_empty()
                || blobs.any(|blob| blob.fate == gc::BlobFate::Gone)
        })
    }

    fn is_interrupted(&self, done: &Done) -> bool {
        let kind = |error| hint_and_kind(error).1;
        matches!(done.as_ref().map_err(kind), Err(ErrorKind::Interrupted(_)))
    }
}

/// As [`Job::held`] has it: what was read is most of it, with the bytes that an entry with its record takes, a
/// blob in the graph, and one that goes.
fn held(decision: &Decision) -> u64 {
    let (view, garbage) = (&decision.view, &decision.garbage);
    let read = view.index.entries().len() * 400 + view.graph.len() * 90;
    let bytes = view.index.bytes().len() + read + garbage.blobs.len() * 100;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What became of several layouts so far.
struct Pruned<'a> {
    session: &'a Session,
    run: &'a Run<'a>,
    /// As in [`Prune`].
    is_warned: bool,
    /// How many there are.
    layouts: usize,
    status: u8,
    sums: Sums,
    freed: u64,
    at_most: bool,
    hard_links: HardLinks,
    told: ToldBlobs,
    unmatched: Unmatched,
    failures: Failures,
}

impl Results<Done> for Pruned<'_> {
    fn take(&mut self, path: &Path, done: Done) -> anyhow::Result<()> {
        let (session, run) = (self.session, self.run);
        let console = session.console;
        let is_text = run.format == OutputFormat::Text;
        let (mut decision, outcome) = match done {
            Ok(done) => done,
            Err(error) => {
                self.sums.add_failed();
                let failed = self.failures.add(console, path, error, !is_text)?;
                self.status = self.status.max(failed);
                return Ok(());
            }
        };
        if outcome.is_none() {
            run.leave_out_told(path, &mut decision, &mut self.told);
        }
        decision
            .garbage
            .count_links(&mut self.hard_links, outcome.is_some());
        take_unmatched(&mut self.unmatched, &mut decision.plan);
        let (report, one) = run.report(session, &decision, outcome.as_ref());
        self.status = self.status.max(one);
        self.sums += report.sums();
        self.freed = self.freed.saturating_add(report.freed_bytes);
        self.at_most |= report.freed_at_most && report.freed_bytes > 0;
        if is_text && !console.is_quiet() {
            let farewell = reclaimed(self.freed, self.at_most);
            session.interrupt.say_at_the_end(farewell);
        }
        run.print_one_of_several(session, path, &report)?;
        if let Some(message) = report.what_failed() {
            self.failures.note(path, message);
        }
        if report.has_talk(console) {
            console.say(&format!("Layout: {}", shown(&path.display().to_string())));
            report.talk(console);
        }
        Ok(())
    }

    fn interrupted(&mut self, left: usize, signal: i32) -> anyhow::Result<u8> {
        self.status = several::interrupted(self.session.console, left, signal);
        self.say_all()?;
        Ok(self.status)
    }
}

impl Pruned<'_> {
    /// Says what there is to say of all layouts together.
    fn say_all(&mut self) -> anyhow::Result<()> {
        let (console, run) = (self.session.console, self.run);
        if !self.is_warned {
            say_unmatched(std::mem::take(&mut self.unmatched), console);
        }
        if run.format == OutputFormat::Text && !console.is_quiet() {
            let freed = reclaimed(self.freed, self.at_most);
            let total = self.sums.total(run.dry_run) + "\n" + &freed;
            print_as(run.format, |out| out.write_all(total.as_bytes()))?;
        }
        self.failures.say_again(console, self.layouts);
        Ok(())
    }
}

/// Decides on each of several layouts, to ask about it.
struct LookingAt<'a> {
    command: &'a Prune,
    run: &'a Run<'a>,
}

impl Job<anyhow::Result<Decision>> for LookingAt<'_> {
    fn work(&self, session: &Session, _: usize, path: &Path) -> anyhow::Result<Decision> {
        let (decision, _) = self.run.decide(session, path, self.command)?;
        Ok(decision)
    }

    fn held(&self, decided: &anyhow::Result<Decision>) -> u64 {
        decided.as_ref().map_or(0, held)
    }
}

/// What a person is asked about.
struct Question<'a> {
    console: Console,
    run: &'a Run<'a>,
    several: bool,
    now: Timestamp,
    confirmed: Confirmed,
    unmatched: Unmatched,
    hard_links: HardLinks,
    told: ToldBlobs,
    images: usize,
    names: usize,
    blobs: usize,
    freed: u64,
    at_most: bool,
    /// Layouts that could not be looked at.
    failed: Vec<(PathBuf, anyhow::Error)>,
}

impl Results<anyhow::Result<Decision>> for Question<'_> {
    fn take(&mut self, path: &Path, decided: anyhow::Result<Decision>) -> anyhow::Result<()> {
        let console = self.console;
        let mut decision = match decided {
            Ok(decision) => decision,
            // It fails again, and is reported, when it is its turn.
            Err(error) if self.several => {
                self.failed.push((path.to_owned(), error));
                return Ok(());
            }
            Err(error) => return Err(self.run.in_json(path, error)),
        };
        // What lies in a directory of several is shown with one of them, and may go with any.
        let all = seen(&decision);
        let is_told = self.run.leave_out_told(path, &mut decision, &mut self.told);
        decision.garbage.count_links(&mut self.hard_links, false);
        take_unmatched(&mut self.unmatched, &mut decision.plan);
        let report = decision.report(None, self.run.command);
        let to_see = Arc::new(match report.is_empty() && !is_told {
            true => Seen::default(),
            false => all,
        });
        if !report.is_empty() {
            if self.several {
                console.say(&format!("Layout: {}", shown(&path.display().to_string())));
            }
            let columns = console.columns();
            console.say_with(|out| images_to_go(&decision.going, self.now, columns, out));
            if console.is_verbose() {
                console.say_with(|out| report.write_text(true, out));
            }
            self.images += decision.plan.images_going(&decision.view);
            let going = decision.going.iter();
            self.names += going.filter(|going| going.image_stays).count();
            self.blobs += report.blobs_going();
            self.freed = self.freed.saturating_add(report.freed_bytes);
            self.at_most |= report.freed_at_most;
        }
        self.confirmed.insert(path.to_owned(), to_see);
        Ok(())
    }

    fn interrupted(&mut self, left: usize, signal: i32) -> anyhow::Result<u8> {
        Ok(several::interrupted(self.console, left, signal))
    }
}

impl Decide for Prune {
    /// Without a filter nothing of what goes was named: how much it is, is said before it is gone.
    fn announce(&self, session: &Session, decision: &Decision) {
        // Each of many layouts has one line, when it is done.
        let is_shown = !self.of_many || session.console.is_verbose();
        if !self.all || self.is_json || !is_shown {
            return;
        }
        let images = decision.plan.images_going(&decision.view);
        if images > 0 {
            let remove = match self.dry_run {
                true => "Would remove",
                false => "Removing",
            };
            let images = count(images, "image", "images");
            session.say_while_locked(Said::Out(format!("{remove} {images}.")));
        }
    }

    fn decide<M>(
        &self,
        session: &Session,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
    ) -> anyhow::Result<Decision> {
        let (listed, snapshot) = session.read_and_list(layout, sharers, self.writers_since)?;
        let listed = listed?;
        let stored = self.is_asking.then(|| listed.blobs.clone());
        let decided = self.decide_on(layout, sharers, &snapshot, listed)?;
        let Decided {
            plan,
            live,
            garbage,
            trash,
        } = decided;
        let going = match stored {
            Some(stored) => {
                let metadata = ImageMetadata::new(layout, &snapshot, self.now);
                going(&snapshot, metadata, stored, &plan)
            }
            None => Vec::new(),
        };
        Ok(Decision {
            going,
            view: snapshot.into_view(),
            writers_since: self.writers_since.filter(|_| live.is_some()),
            plan,
            live,
            garbage,
            trash,
            ..Decision::default()
        })
    }
}

impl Prune {
    /// Decides on a layout of which everything was read.
    pub(super) fn decide_on<M>(
        &self,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        snapshot: &Snapshot<Whole>,
        listed: Listed,
    ) -> anyhow::Result<Decided> {
        let Listed { blobs, writer } = listed;
        let uses = Uses::new(snapshot, &self.containers);
        let nothing = Seen::default();
        let confirmed = self.confirmed.as_ref();
        let confirmed = confirmed.map(|all| all.get(layout.path()).map_or(&nothing, Arc::as_ref));
        let metadata = ImageMetadata::new(layout, snapshot, self.now);
        let limit = self.retention.policy.limit.as_ref();
        // How much fits is only known when everything else is decided: as if nothing did.
        let first = Retention {
            allow_empty: self.retention.allow_empty || limit.is_some(),
            ..self.retention.clone()
        };
        let sweep = |listed: gc::StoredBlobs, (live, plan): (&gc::Live, &Plan)| {
            self.sweep(layout, sharers, (snapshot, live, plan), listed, confirmed)
        };
        let decide = |retention: &Retention, room: Room| {
            let mut draft = Draft::with_uses(snapshot, &uses);
            let options = PruneOptions {
                all: self.all,
                filters: &self.filters,
                spare_after: self.spare_after,
                confirmed: confirmed.map(|c| &c.entries),
                retention,
                room,
                now: self.now,
            };
            draft.prune(&options, &metadata);
            let mut plan = draft.finish();
            plan.note_nameless(snapshot, snapshot);
            self.note_unused(&uses, &mut plan);
            if self.is_warned {
                plan.notes
                    .retain(|note| !matches!(note, Note::MatchesNothing { .. }));
            }
            let live = gc::mark(snapshot, &plan)
                .and_then(|live| snapshot.refuse_unreadable().map(|()| live))
                .and_then(|live| metadata.refuse_unreadable().map(|()| live));
            (live, plan)
        };
        let none = Room::default();
        let (mut listed, (mut live, mut plan)) =
            gc::StoredBlobs::new(&snapshot.graph, layout, blobs, || decide(&first, none));
        let mut bytes = 0;
        if let Some(limit) = limit {
            bytes = listed.bytes(&snapshot.graph, layout)?;
            let mut room = none;
            if !plan.in_line.is_empty() && plan.refusals.is_empty() {
                let listed = listed.again()?;
                let (garbage, _) = sweep(listed, (&live?, &plan))?;
                let sizes = (bytes, limit.bytes);
                let keep = self.delete_unlisted_referrers;
                let fit = gc::fit(snapshot, &plan, &garbage, sizes, layout, keep);
                room = Room {
                    images: fit.images,
                    needed: (fit.images == 0).then_some(fit.with_first),
                };
            }
            (live, plan) = decide(&self.retention, room);
        }
        if !plan.refusals.is_empty() {
            // Nothing was decided, and blobs are only said to be unreferenced beside a decision.
            return Ok(Decided {
                plan,
                ..Decided::default()
            });
        }
        let live = live?;
        let (mut garbage, trash) = sweep(listed, (&live, &plan))?;
        leave_to_writer(
            &mut garbage,
            &trash,
            layout,
            sharers,
            self.writers_since,
            writer,
        );
        if let Some(limit) = limit {
            let going = garbage.blobs.iter().map(|blob| blob.size);
            let left = bytes.saturating_sub(going.fold(0, u64::saturating_add));
            if left > limit.bytes {
                plan.refuse_size(left, &limit.source);
            }
        }
        Ok(Decided {
            plan,
            live: Some(live),
            garbage,
            trash,
        })
    }
}

impl Prune {
    /// Containers of another machine, or names of another registry, keep nothing, and every image would go.
    fn note_unused(&self, uses: &Uses<'_>, plan: &mut Plan) {
        if !self.has_lists || !self.all || uses.has_any() {
            return;
        }
        let instead = match self.containers.len() {
            0 => "it lists no containers".to_owned(),
            1 => "the one container that it lists uses no image that is here".to_owned(),
            n => format!("none of the {n} containers that it lists uses an image that is here"),
        };
        plan.notes.push(Note::MatchesNothing {
            option: "--containers".to_owned(),
            instead: Some(instead),
        });
    }
}

/// The entries that go, as a list shows them, in the order of index.json. What belongs to an image is
/// not listed beside it.
fn going<M>(
    snapshot: &Snapshot<Whole>,
    metadata: ImageMetadata<'_, M>,
    stored: Vec<Digest>,
    plan: &Plan,
) -> Vec<Going> {
    let records = plan.edits.keys().filter_map(|at| {
        let id = snapshot.records.of_entry(*at)?;
        let is_own = !snapshot.records.record(id).kind.is_dependent();
        is_own.then_some(id)
    });
    // One record may have several entries.
    let mut seen = HashSet::new();
    let records: Vec<RecordId> = records.filter(|id| seen.insert(*id)).collect();
    if records.is_empty() {
        // Configs and sizes are not read for an empty list.
        return Vec::new();
    }
    let listing = Listing::new(snapshot, metadata, stored, Wanted::Dates);
    let own = snapshot.records.iter();
    let staying = own.filter(|(id, record)| !record.kind.is_dependent() && plan.settled.stays(*id));
    let staying: HashSet<NodeId> = staying.map(|(_, record)| record.target).collect();
    let listed = listing.listed(records.into_iter());
    let lines = listed.iter().map(|record| Going {
        line: ImageLine::new(&listing.measures, record, false),
        image_stays: staying.contains(&snapshot.records.record(record.id).target),
    });
    lines.collect()
}

/// What goes, and what the trash has to do with it.
type Swept = (gc::Garbage, TrashUse);

impl Prune {
    /// Finds out what goes when this is left, in a layout of which a person agreed to so much.
    fn sweep<M>(
        &self,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        (snapshot, live, plan): (&Snapshot<Whole>, &gc::Live, &Plan),
        listed: gc::StoredBlobs,
        confirmed: Option<&Seen>,
    ) -> anyhow::Result<Swept> {
        let trash = layout.trash()?;
        let expired = trash.removals().iter().filter(|removal| {
            let expire_before = self.trash.expire_before;
            expire_before.is_some_and(|time| removal.at <= time)
        });
        let expired: HashSet<&RemovalId> = expired.map(|removal| &removal.id).collect();
        let place = |digest: &Digest| trash.place(digest);
        let options = SweepOptions {
            all: self.all,
            spare_after: self.spare_after,
            confirmed: confirmed.map(|c| &c.blobs),
            delete_unlisted_referrers: self.delete_unlisted_referrers,
            is_trashed: &|digest| place(digest).is_some_and(|id| !expired.contains(id)),
        };
        let mut garbage = gc::prune(snapshot, live, listed, layout, &options)?;
        let siblings = &self.siblings;
        siblings.keep_originals(layout.path(), &snapshot.graph, live, layout, &mut garbage);
        // What others, or this run by another path, moved to the trash since it began is of the past.
        let options = TrashOptions {
            now: self.trash.now.map(|_| Timestamp::now()),
            ..self.trash
        };
        let mut trash = TrashUse::decide(layout, sharers, (snapshot, plan), &mut garbage, options)?;
        if let Some(confirmed) = confirmed {
            let removals = &confirmed.removals;
            trash.expired.retain(|(id, _)| removals.contains(id));
        }
        Ok((garbage, trash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::digest::Algorithm;

    /// PA1: what waits to be printed is bounded, and most of it is what was read of the blobs.
    #[test]
    fn what_a_result_holds_grows_with_its_blobs() {
        const BLOBS: u8 = 200;
        let mut decision = Decision::default();
        let none = held(&decision);
        for number in 0..BLOBS {
            let digest = Algorithm::Sha256.hash(&[number]);
            decision.view.graph.intern(&digest, None);
        }
        // A digest alone takes so much.
        assert!(held(&decision) - none >= u64::from(BLOBS) * 32);
    }
}
