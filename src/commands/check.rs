//! `ocirm check`.

use std::path::Path;

use super::jobs::{Batch, Job, Results};
use super::print_as;
use super::session::Session;
use super::several::{self, Failures};
use super::target_layouts::layout_directories;
use crate::cli::{CheckArgs, OutputFormat};
use crate::error::ErrorKind;
use crate::inspect::check::check;
use crate::layout::Trash;
use crate::report::check::{CheckReport, total};
use crate::report::console::Console;
use crate::snapshot::{Holders, RemovedParts};

pub(super) fn run(session: &Session, args: CheckArgs) -> anyhow::Result<u8> {
    let found = layout_directories(session, args.recursive.as_deref(), args.directories)?;
    let console = session.console;
    let is_text = args.format == OutputFormat::Text;
    let mut results = Checked {
        console,
        format: args.format,
        complete: args.complete,
        is_short: args.recursive.is_some() && !console.is_verbose(),
        status: found.say_failures(console),
        sound: 0,
        damaged: 0,
        failures: Failures::default(),
    };
    let check = Check {
        digests: args.digests,
    };
    if let ([path], false) = (&found.layouts[..], found.several) {
        let checked = check.work(session, 0, path);
        let report = checked.map_err(|error| several::in_json(!is_text, path, error))?;
        results.take(path, Ok(report))?;
        return Ok(results.status);
    }
    let batch = Batch {
        session,
        layouts: &found.layouts,
        groups: several::groups_to_look_at(&found),
        jobs: args.jobs.number(),
        beside: &[],
        what: "Checking",
    };
    if let Some(status) = batch.run(&check, &mut results)? {
        return Ok(status);
    }
    if is_text {
        let total = total(found.layouts.len(), results.sound, results.damaged);
        print_as(args.format, |out| writeln!(out, "{total}"))?;
    }
    results.failures.say_again(console, found.layouts.len());
    Ok(results.status)
}

/// Looks into each layout.
struct Check {
    digests: bool,
}

impl Job<anyhow::Result<CheckReport>> for Check {
    fn work(&self, session: &Session, _: usize, path: &Path) -> anyhow::Result<CheckReport> {
        let layout = session.open_to_look(path)?;
        let snapshot = session.read(&layout, &[], &Trash::default())?;
        let progress = session.progress("Checking", "blobs");
        let findings = check(&layout, &snapshot, self.digests, &progress)?;
        drop(progress);
        let holders = Holders::of_all(&snapshot, &RemovedParts::new());
        let name = |node| Some(snapshot.shown_shared(holders.record(node)?));
        Ok(CheckReport::new(path, &snapshot, findings, &name))
    }
}

/// What was found so far.
struct Checked {
    console: Console,
    format: OutputFormat,
    /// Only complete images are good.
    complete: bool,
    /// A layout has one line.
    is_short: bool,
    status: u8,
    sound: usize,
    damaged: usize,
    failures: Failures,
}

impl Results<anyhow::Result<CheckReport>> for Checked {
    fn take(&mut self, path: &Path, result: anyhow::Result<CheckReport>) -> anyhow::Result<()> {
        let (console, format) = (self.console, self.format);
        let report = match result {
            Ok(report) => report,
            Err(error) => {
                let is_json = format == OutputFormat::Json;
                let failed = self.failures.add(console, path, error, is_json)?;
                self.status = self.status.max(failed);
                return Ok(());
            }
        };
        if !report.sound || self.complete && !report.complete {
            self.status = self.status.max(ErrorKind::Layout.exit_status());
        }
        match report.sound {
            true => self.sound += 1,
            false => self.damaged += 1,
        }
        print_as(format, |out| match format {
            OutputFormat::Json => report.write_json(out),
            OutputFormat::Text if self.is_short => report.write_short(out),
            OutputFormat::Text => report.write_text(console.is_verbose(), out),
        })
    }

    fn interrupted(&mut self, left: usize, signal: i32) -> anyhow::Result<u8> {
        Ok(several::interrupted(self.console, left, signal))
    }
}
