//! `ocirm check`.

use std::path::Path;

use super::print_as;
use super::session::Session;
use super::several::{self, Failures};
use super::target_layouts::layout_directories;
use crate::cli::{CheckArgs, OutputFormat};
use crate::error::ErrorKind;
use crate::inspect::check::check;
use crate::layout::Trash;
use crate::report::check::{CheckReport, total};
use crate::snapshot::{Holders, RemovedParts};

pub(super) fn run(session: &Session, args: CheckArgs) -> anyhow::Result<u8> {
    let found = layout_directories(session, args.recursive.as_deref(), args.directories)?;
    let console = session.console;
    let mut status = found.say_failures(console);
    let mut failures = Failures::default();
    let (mut sound, mut damaged) = (0, 0);
    let is_text = args.format == OutputFormat::Text;
    let progress = several::progress(console, "Checking", &found);
    for path in &found.layouts {
        match look_into(session, path, args.digests) {
            Ok(report) => {
                if !report.sound || args.complete && !report.complete {
                    status = status.max(ErrorKind::Layout.exit_status());
                }
                match report.sound {
                    true => sound += 1,
                    false => damaged += 1,
                }
                let is_short = args.recursive.is_some() && !console.is_verbose();
                print_as(args.format, |out| match args.format {
                    OutputFormat::Json => report.write_json(out),
                    OutputFormat::Text if is_short => report.write_short(out),
                    OutputFormat::Text => report.write_text(console.is_verbose(), out),
                })?;
            }
            Err(error) if !found.several => return Err(several::in_json(!is_text, path, error)),
            Err(error) => status = status.max(failures.add(console, path, error, !is_text)?),
        }
        progress.add(0);
    }
    drop(progress);
    if found.several && is_text {
        let total = total(found.layouts.len(), sound, damaged);
        print_as(args.format, |out| writeln!(out, "{total}"))?;
    }
    failures.say_again(console, found.layouts.len());
    Ok(status)
}

fn look_into(session: &Session, path: &Path, digests: bool) -> anyhow::Result<CheckReport> {
    let layout = session.open_to_look(path)?;
    let snapshot = session.read(&layout, &[], &Trash::default())?;
    let progress = session.console.progress("Checking", "blobs");
    let findings = check(&layout, &snapshot, digests, &progress)?;
    drop(progress);
    let holders = Holders::of_all(&snapshot, &RemovedParts::new());
    let name = |node| Some(snapshot.shown_shared(holders.record(node)?));
    Ok(CheckReport::new(path, &snapshot, findings, &name))
}
