//! `ocirm df`: what a layout takes on the disk, and what pruning would free of it. What goes is decided
//! by `prune` itself, as for a dry run, and nothing but a shared lock is taken.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::change::{Decide, Decision, Run, uses_trash};
use super::prune::{Decided, Prune};
use super::session::{Listed, Session, span};
use super::several::{self, Failures};
use super::sharers::FoundSharers;
use super::target_layouts::{TargetLayouts, in_layout, layout_directories};
use super::{hint_and_kind, print};
use crate::cli::{DEFAULT_GRACE, DEFAULT_TRASH_KEEP, DfArgs, OutputFormat};
use crate::error::{Error, ErrorKind};
use crate::gc::Siblings;
use crate::inspect::disk_use::{CountedFiles, DiskUse};
use crate::inspect::removals::listed_removals;
use crate::layout::{Locked, Shared};
use crate::report::change::Report;
use crate::report::change_input::{ChangingCommand, ReportInput};
use crate::report::console::shown;
use crate::report::disk_use::{DiskUseReport, Freed, FreedBy, TotalUse};
use crate::report::messages::ReportedError;
use crate::report::stdout_columns;
use crate::snapshot::{Snapshot, Whole};

pub(super) fn run(session: &Session, args: &DfArgs) -> anyhow::Result<u8> {
    let directories = args.directories.clone();
    let found = layout_directories(session, args.recursive.as_deref(), directories)?;
    // Tables without details do not show them.
    let with_largest = args.format == OutputFormat::Json || session.console.is_verbose();
    let overview = Overview::new(&found, args.recursive.is_some(), with_largest)?;
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
    let console = session.console;
    let is_json = args.format == OutputFormat::Json;
    let mut status = found.say_failures(console);
    let mut failures = Failures::default();
    let mut together = TotalUse::new();
    let progress = several::progress(console, "Measuring", &found);
    for path in inner_first(&found.layouts) {
        let used = overview.look_at(session, &run, path);
        progress.add(0);
        let used = match used {
            Ok(used) => used,
            Err(error) if !found.several => return Err(several::in_json(is_json, path, error)),
            Err(error) => {
                status = status.max(failures.add(console, path, error, is_json)?);
                continue;
            }
        };
        together.add(&used.report);
        status = status.max(used.status);
        let verbose = console.is_verbose();
        // Of several layouts the table at the end says enough.
        let is_shown = verbose || !found.several;
        // What is wider than a terminal finds its own way to fit.
        print(|out| match args.format {
            OutputFormat::Json => used.report.write_json(out),
            OutputFormat::Text if !is_shown => Ok(()),
            OutputFormat::Text => {
                if found.several {
                    writeln!(out, "Layout: {}", shown(&path.display().to_string()))?;
                }
                used.report.write_text(verbose, stdout_columns(), out)?;
                if found.several { writeln!(out) } else { Ok(()) }
            }
        })?;
        for error in &used.report.errors {
            let message = error.message.clone();
            match found.several {
                true => {
                    let error = in_layout(path, anyhow::Error::msg(message));
                    console.error(&shown(&format!("{error:#}")));
                }
                false => console.error(&shown(&message)),
            }
        }
        if let [first, rest @ ..] = &used.report.errors[..] {
            let more = match rest.len() {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            failures.note(path, format!("{}{more}", first.message));
        }
    }
    drop(progress);
    if found.several {
        print(|out| match args.format {
            OutputFormat::Json => together.write_json(out),
            OutputFormat::Text => together.write_text(stdout_columns(), out),
        })?;
    }
    if found.several {
        failures.say_again(console, found.layouts.len());
    }
    Ok(status)
}

/// Layouts below other ones before these: what is theirs is not something else of the outer one.
fn inner_first(layouts: &[PathBuf]) -> Vec<&PathBuf> {
    let mut layouts: Vec<&PathBuf> = layouts.iter().collect();
    let known: HashSet<&Path> = layouts.iter().map(|path| path.as_path()).collect();
    let is_inner = |path: &&PathBuf| path.ancestors().skip(1).any(|above| known.contains(above));
    if layouts.iter().any(is_inner) {
        layouts.sort_by_key(|path| Reverse(path.components().count()));
    }
    layouts
}

/// What is found out is that of a plain `prune`.
const COMMAND: ChangingCommand<'static> = ChangingCommand::Prune {
    grace: DEFAULT_GRACE,
};

/// A layout that was looked at.
struct Used {
    report: DiskUseReport,
    status: u8,
}

/// What is looked for in each layout, and what was seen in those before.
struct Overview {
    /// As long a removal stays in the trash.
    trash_keep: Duration,
    /// The largest blobs are shown.
    with_largest: bool,
    /// What goes would go there.
    to_trash: bool,
    /// `prune` now, the same when nothing is too young and nobody is writing, and `prune --all` now.
    prunes: RefCell<[Prune; 3]>,
    counted: RefCell<CountedFiles>,
    /// The layout that was looked at last.
    used: RefCell<Option<Used>>,
}

impl Overview {
    fn new(
        found: &TargetLayouts,
        is_recursive: bool,
        with_largest: bool,
    ) -> anyhow::Result<Overview> {
        let now = Timestamp::now();
        let grace = span("--grace", DEFAULT_GRACE)?;
        let trash_keep = span("--trash-keep", DEFAULT_TRASH_KEEP)?;
        let to_trash = uses_trash(false, false)?;
        let prune = |all, grace| {
            let siblings = Siblings::new(found.layouts.clone(), is_recursive);
            Prune::plain(now, all, (grace, trash_keep), to_trash, siblings)
        };
        Ok(Overview {
            trash_keep,
            with_largest,
            to_trash,
            prunes: RefCell::new([
                prune(false, grace),
                prune(false, Duration::ZERO),
                prune(true, grace),
            ]),
            counted: RefCell::default(),
            used: RefCell::default(),
        })
    }

    fn look_at(&self, session: &Session, run: &Run<'_>, path: &Path) -> anyhow::Result<Used> {
        // No lock is held any more when this is over.
        drop(run.decide(session, path, self)?);
        let used = self.used.take();
        used.ok_or_else(|| Error::new(ErrorKind::Failed, "nothing was looked at").into())
    }

    /// What a prune would free, or why that is not known.
    fn freed<M>(
        &self,
        prune: &mut Prune,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        snapshot: &Snapshot<Whole>,
        listed: &Result<Listed, String>,
    ) -> Result<(Freed, Decided), Unknown> {
        let listed = listed.clone().map_err(Unknown::plain)?;
        let decided = prune.decide_on(layout, sharers, snapshot, listed);
        let mut decided = decided.map_err(Unknown::of)?;
        prune.follow(std::mem::take(&mut decided.hard_links));
        let (mut images, mut unreferenced) = (0_u64, 0_u64);
        for blob in &decided.garbage.blobs {
            let part = match blob.node {
                Some(_) => &mut images,
                None => &mut unreferenced,
            };
            *part = part.saturating_add(blob.frees);
        }
        let expired = decided.trash.expired.iter();
        let trash = expired.fold(0, |sum: u64, (_, weight)| sum.saturating_add(weight.bytes));
        Ok((Freed::new(images, unreferenced, trash), decided))
    }
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

impl Decide for Overview {
    fn decide<M>(
        &self,
        session: &Session,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
    ) -> anyhow::Result<Decision> {
        let mut prunes = self.prunes.borrow_mut();
        let (listed, snapshot) =
            session.read_and_list(layout, sharers, prunes[0].writers_since())?;
        let listed = listed.map_err(|error| format!("{error:#}"));
        let [now, later, all] = prunes
            .each_mut()
            .map(|prune| self.freed(prune, layout, sharers, &snapshot, &listed));
        let mut counted = self.counted.borrow_mut();
        let used = DiskUse::of(layout, &snapshot, &mut counted, self.with_largest);
        let keep = SignedDuration::try_from(self.trash_keep).unwrap_or(SignedDuration::MAX);
        let trash = layout.trash()?;
        let removals = listed_removals(layout, &trash, &used.removals, keep);
        let freed = |result: &Result<(Freed, Decided), Unknown>| {
            result.as_ref().ok().map(|(freed, _)| *freed)
        };
        let freed_now = freed(&now);
        let freed = FreedBy {
            prune: freed_now,
            later: freed(&later)
                .zip(freed_now)
                .map(|(later, now)| later.beyond(now)),
            prune_all: freed(&all),
            freed_at_most: layout.may_share_blocks(),
        };
        let mut report = DiskUseReport::new(layout.path(), &snapshot, used, removals, freed);
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
            Ok((_, decided)) => report.notes = notes(layout, &snapshot, decided),
            Err(unknown) => {
                let hint = unknown.hint.iter().map(|hint| format!("; {hint}"));
                let hint: String = hint.collect();
                let message = format!("it would not run: {}{hint}", unknown.message);
                report.notes.push(message);
            }
        }
        if self.to_trash {
            report.notes.push(TO_TRASH.to_owned());
        }
        self.used.replace(Some(Used { report, status }));
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
