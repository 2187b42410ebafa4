//! `ocirm df`: what a layout takes on the disk, and what pruning would free of it. What goes is decided
//! by `prune` itself, as for a dry run, and nothing but a shared lock is taken.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::change::{Decide, Decision, Run, uses_trash};
use super::jobs::{Batch, Job, Results};
use super::prune::{Decided, Prune};
use super::session::{Session, span};
use super::several::{self, Failures};
use super::sharers::FoundSharers;
use super::target_layouts::{TargetLayouts, in_layout, layout_directories};
use super::{hint_and_kind, print};
use crate::cli::{DEFAULT_GRACE, DEFAULT_TRASH_KEEP, DfArgs, OutputFormat};
use crate::error::{Error, ErrorKind};
use crate::inspect::disk_use::{CountedFiles, DiskUse, TakenByDirectory};
use crate::inspect::removals::listed_removals;
use crate::layout::{HardLinks, LinkedFile, Locked, Shared};
use crate::report::change::Report;
use crate::report::change_input::{ChangingCommand, ReportInput};
use crate::report::console::{Console, shown};
use crate::report::disk_use::{DiskUseReport, Freed, FreedBy, TotalUse};
use crate::report::messages::ReportedError;
use crate::report::stdout_columns;
use crate::snapshot::{Snapshot, Whole};

pub(super) fn run(session: &Session, args: &DfArgs) -> anyhow::Result<u8> {
    let directories = args.directories.clone();
    let found = layout_directories(session, args.recursive.as_deref(), directories)?;
    // Tables without details do not show them.
    let with_largest = args.format == OutputFormat::Json || session.console.is_verbose();
    let found_sharers = FoundSharers::of(&found);
    let run = Run {
        dry_run: true,
        format: args.format,
        of_many: false,
        lenient: false,
        command: COMMAND,
        sharers: &[],
        found_sharers: Some(&found_sharers),
    };
    let overview = Overview::new(&found, with_largest, &run)?;
    let console = session.console;
    let is_json = args.format == OutputFormat::Json;
    let mut measured = Measured {
        console,
        is_json,
        several: found.several,
        status: found.say_failures(console),
        failures: Failures::default(),
        counted: CountedFiles::default(),
        hard_links: Default::default(),
        together: TotalUse::new(),
    };
    if let ([path], false) = (&found.layouts[..], found.several) {
        let used = overview.work(session, 0, path);
        let used = used.map_err(|error| several::in_json(is_json, path, error))?;
        measured.take(path, Ok(used))?;
        return Ok(measured.status);
    }
    let layouts = inner_first(found.layouts);
    let batch = Batch {
        session,
        layouts: &layouts,
        groups: Batch::alone(&layouts),
        jobs: args.jobs.number(),
        beside: &[],
        what: "Measuring",
    };
    if let Some(status) = batch.run(&overview, &mut measured)? {
        return Ok(status);
    }
    let together = &measured.together;
    print(|out| match args.format {
        OutputFormat::Json => together.write_json(out),
        OutputFormat::Text => together.write_text(stdout_columns(), out),
    })?;
    measured.failures.say_again(console, layouts.len());
    Ok(measured.status)
}

/// What was measured so far.
struct Measured {
    console: Console,
    is_json: bool,
    /// There are several layouts.
    several: bool,
    status: u8,
    failures: Failures,
    counted: CountedFiles,
    /// The names of files that go, for each of the prunes.
    hard_links: [HardLinks; 3],
    together: TotalUse,
}

impl Results<anyhow::Result<Used>> for Measured {
    fn take(&mut self, path: &Path, used: anyhow::Result<Used>) -> anyhow::Result<()> {
        let console = self.console;
        let Used {
            mut report,
            status,
            by_directory,
            freed,
        } = match used {
            Ok(used) => used,
            Err(error) => {
                let failed = self.failures.add(console, path, error, self.is_json)?;
                self.status = self.status.max(failed);
                return Ok(());
            }
        };
        report.of_run = self.counted.first_time(by_directory);
        let mut links = self.hard_links.iter_mut();
        let [now, later, all] = freed.map(|freed| Some(freed?.with_last_names(links.next()?)));
        report.freed.prune = now;
        report.freed.later = later.zip(now).map(|(later, now)| later.beyond(now));
        report.freed.prune_all = all;
        self.together.add(&report);
        self.status = self.status.max(status);
        let (verbose, several) = (console.is_verbose(), self.several);
        // Of several layouts the table at the end says enough.
        let is_shown = verbose || !several;
        // What is wider than a terminal finds its own way to fit.
        print(|out| match self.is_json {
            true => report.write_json(out),
            false if !is_shown => Ok(()),
            false => {
                if several {
                    writeln!(out, "Layout: {}", shown(&path.display().to_string()))?;
                }
                report.write_text(verbose, stdout_columns(), out)?;
                if several { writeln!(out) } else { Ok(()) }
            }
        })?;
        for error in &report.errors {
            let message = error.message.clone();
            match several {
                true => {
                    let error = in_layout(path, anyhow::Error::msg(message));
                    console.error(&shown(&format!("{error:#}")));
                }
                false => console.error(&shown(&message)),
            }
        }
        if let [first, rest @ ..] = &report.errors[..] {
            let more = match rest.len() {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            self.failures.note(path, format!("{}{more}", first.message));
        }
        Ok(())
    }

    fn interrupted(&mut self, left: usize, signal: i32) -> anyhow::Result<u8> {
        Ok(several::interrupted(self.console, left, signal))
    }
}

/// Layouts below other ones before these: what is theirs is not something else of the outer one.
fn inner_first(mut layouts: Vec<PathBuf>) -> Vec<PathBuf> {
    let known: HashSet<&Path> = layouts.iter().map(PathBuf::as_path).collect();
    let is_inner = |path: &PathBuf| path.ancestors().skip(1).any(|above| known.contains(above));
    if layouts.iter().any(is_inner) {
        layouts.sort_by_key(|path| Reverse(path.components().count()));
    }
    layouts
}

/// What is found out is that of a plain `prune`.
const COMMAND: ChangingCommand<'static> = ChangingCommand::Prune {
    grace: DEFAULT_GRACE,
};

/// A layout that was looked at. What it has in common with those before it is still counted as its own.
struct Used {
    report: DiskUseReport,
    status: u8,
    by_directory: TakenByDirectory,
    /// What the prunes would free; `None` where that is not known.
    freed: [Option<FreedWithLinks>; 3],
}

/// What a prune would free.
struct FreedWithLinks {
    /// Without files that have several names.
    alone: Freed,
    /// These: whether something led to them, and the bytes that leave the disk with the last name.
    linked: Vec<(LinkedFile, bool, u64)>,
}

impl FreedWithLinks {
    fn of(decided: &Decided) -> FreedWithLinks {
        let (mut images, mut unreferenced) = (0_u64, 0_u64);
        let garbage = &decided.garbage;
        for blob in &garbage.blobs {
            let part = match blob.node {
                Some(_) => &mut images,
                None => &mut unreferenced,
            };
            *part = part.saturating_add(blob.frees());
        }
        let expired = decided.trash.expired.iter();
        let trash = expired.fold(0, |sum: u64, (_, weight)| sum.saturating_add(weight.bytes));
        let linked = garbage.linked();
        FreedWithLinks {
            alone: Freed::new(images, unreferenced, trash),
            linked: linked
                .map(|(blob, file)| (file, blob.node.is_some(), blob.on_disk))
                .collect(),
        }
    }

    /// All of it, after what `links` knows of.
    fn with_last_names(self, links: &mut HardLinks) -> Freed {
        let (mut images, mut unreferenced) = (0_u64, 0_u64);
        for (file, is_of_image, bytes) in self.linked {
            if links.is_last(file) {
                let part = match is_of_image {
                    true => &mut images,
                    false => &mut unreferenced,
                };
                *part = part.saturating_add(bytes);
            }
        }
        self.alone.with(Freed::new(images, unreferenced, 0))
    }
}

/// What is looked for in each layout.
struct Overview<'a> {
    run: &'a Run<'a>,
    /// As long a removal stays in the trash.
    trash_keep: Duration,
    /// The largest blobs are shown.
    with_largest: bool,
    /// What goes would go there.
    to_trash: bool,
    /// `prune` now, the same when nothing is too young and nobody is writing, and `prune --all` now.
    prunes: [Prune; 3],
}

impl<'a> Overview<'a> {
    fn new(
        found: &TargetLayouts,
        with_largest: bool,
        run: &'a Run<'a>,
    ) -> anyhow::Result<Overview<'a>> {
        let now = Timestamp::now();
        let grace = span("--grace", DEFAULT_GRACE)?;
        let trash_keep = span("--trash-keep", DEFAULT_TRASH_KEEP)?;
        let to_trash = uses_trash(false, false)?;
        // What they find out about stubs is the same.
        let siblings = found.siblings(&[]);
        let prune =
            |all, grace| Prune::plain(now, all, (grace, trash_keep), to_trash, siblings.clone());
        Ok(Overview {
            run,
            trash_keep,
            with_largest,
            to_trash,
            prunes: [
                prune(false, grace),
                prune(false, Duration::ZERO),
                prune(true, grace),
            ],
        })
    }
}

impl Job<anyhow::Result<Used>> for Overview<'_> {
    fn work(&self, session: &Session, _: usize, path: &Path) -> anyhow::Result<Used> {
        let look = Look {
            overview: self,
            used: RefCell::default(),
        };
        // No lock is held any more when this is over.
        drop(self.run.decide(session, path, &look)?);
        let used = look.used.take();
        used.ok_or_else(|| Error::new(ErrorKind::Failed, "nothing was looked at").into())
    }

    fn held(&self, used: &anyhow::Result<Used>) -> u64 {
        let of = |used: &Used| {
            used.freed
                .iter()
                .flatten()
                .map(|freed| freed.linked.len())
                .sum()
        };
        let linked: usize = used.as_ref().map_or(0, of);
        u64::try_from(linked).unwrap_or(u64::MAX).saturating_mul(20)
    }
}

/// A look at one layout.
struct Look<'a> {
    overview: &'a Overview<'a>,
    /// What was seen.
    used: RefCell<Option<Used>>,
}

/// Why it is not known what a prune would free.
struct Unknown {
    message: String,
    hint: Option<String>,
}

impl Unknown {
    fn plain(message: String) -> Unknown {
        Unknown {
            message,
            hint: None,
        }
    }

    fn of(error: anyhow::Error) -> Unknown {
        let (hint, _) = hint_and_kind(&error);
        Unknown {
            hint: hint.map(str::to_owned),
            message: format!("{error:#}"),
        }
    }
}

impl Decide for Look<'_> {
    fn decide<M>(
        &self,
        session: &Session,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
    ) -> anyhow::Result<Decision> {
        let overview = self.overview;
        let prunes = &overview.prunes;
        let (listed, snapshot) =
            session.read_and_list(layout, sharers, prunes[0].writers_since())?;
        let listed = listed.map_err(|error| format!("{error:#}"));
        let [now, later, all] = prunes.each_ref().map(|prune| {
            let listed = listed.clone().map_err(Unknown::plain)?;
            let decided = prune.decide_on(layout, sharers, &snapshot, listed);
            decided.map_err(Unknown::of)
        });
        let mut used = DiskUse::of(layout, &snapshot, overview.with_largest);
        let by_directory = std::mem::take(&mut used.by_directory);
        let keep = SignedDuration::try_from(overview.trash_keep).unwrap_or(SignedDuration::MAX);
        let trash = layout.trash()?;
        let removals = listed_removals(layout, &trash, &used.removals, keep);
        let freed_by = FreedBy::unknown(layout.may_share_blocks());
        let freed = [&now, &later, &all].map(|decided| decided.as_ref().ok());
        let freed = freed.map(|decided| decided.map(FreedWithLinks::of));
        let mut report = DiskUseReport::new(layout.path(), &snapshot, used, removals, freed_by);
        let mut status = match report.errors.is_empty() {
            true => 0,
            false => ErrorKind::Failed.exit_status(),
        };
        let damage = snapshot.graph.damage();
        if !damage.is_empty() {
            status = ErrorKind::Layout.exit_status();
            let damage = damage.iter().map(|damage| snapshot.graph.describe(damage));
            report.errors.extend(damage.map(ReportedError::damaged));
        }
        match &now {
            Ok(decided) => report.notes = notes(layout, &snapshot, decided),
            Err(unknown) => {
                let hint = unknown.hint.iter().map(|hint| format!("; {hint}"));
                let hint: String = hint.collect();
                let message = format!("it would not run: {}{hint}", unknown.message);
                report.notes.push(message);
            }
        }
        if overview.to_trash {
            report.notes.push(TO_TRASH.to_owned());
        }
        self.used.replace(Some(Used {
            report,
            status,
            by_directory,
            freed,
        }));
        Ok(Decision::default())
    }
}

const TO_TRASH: &str = "with OCIRM_TRASH=1 it moves what goes to the trash, which frees nothing";

/// Why a prune would not take more.
fn notes<M>(layout: &Locked<M>, snapshot: &Snapshot<Whole>, decided: &Decided) -> Vec<String> {
    let unsafe_mount = layout.unsafe_mount();
    let report = Report::new(&ReportInput {
        snapshot,
        plan: &decided.plan,
        live: None,
        garbage: &decided.garbage,
        outcome: None,
        command: COMMAND,
        trash: &decided.trash,
        layout: layout.path(),
        may_share_blocks: false,
        unsafe_mount: unsafe_mount.as_ref(),
        unwritable: None,
    });
    report.why_not_more()
}
