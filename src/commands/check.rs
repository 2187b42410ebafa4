//! `ocirm check`.

use std::path::Path;

use anyhow::Context as _;

use super::failed;
use super::session::Session;
use super::target_layouts::target_layouts;
use crate::cli::{CheckArgs, OutputFormat};
use crate::error::ErrorKind;
use crate::inspect::check::check;
use crate::layout::Trash;
use crate::report::check::CheckReport;
use crate::report::console::shown;
use crate::report::to_stdout;
use crate::snapshot::{Holders, RemovedParts};

pub(super) fn run(session: &Session, args: CheckArgs) -> anyhow::Result<u8> {
    let (found, _) = target_layouts(session, args.recursive.as_deref(), Vec::new())?;
    let mut status = 0;
    for failure in &found.failures {
        session.console.error(&shown(failure));
        status = ErrorKind::Failed.exit_status();
    }
    for path in &found.layouts {
        match look_into(session, path, args.digests) {
            Ok(report) => {
                if !report.sound {
                    status = status.max(ErrorKind::Layout.exit_status());
                }
                let text = match args.format {
                    OutputFormat::Json => report.json(),
                    OutputFormat::Text => report.text(session.console.is_verbose()),
                };
                to_stdout(&text).context("cannot write to standard output")?;
            }
            Err(error) if !found.several => return Err(error),
            Err(error) => {
                let error = error.context(format!("in the layout `{}`", path.display()));
                status = status.max(failed(session.console, &error));
            }
        }
    }
    Ok(status)
}

fn look_into(session: &Session, path: &Path, digests: bool) -> anyhow::Result<CheckReport> {
    let layout = session.open_to_look(path)?;
    let snapshot = session.read(&layout, &[], &Trash::default())?;
    let mut progress = session.console.progress("checking blobs");
    let findings = check(&layout, &snapshot, digests, &mut |done, total| {
        progress.update(done, Some(total));
    })?;
    drop(progress);
    let holders = Holders::of_all(&snapshot, &RemovedParts::new());
    let name = |node| {
        let id = holders.record(node)?;
        Some(snapshot.records.record(id).shown(&snapshot.graph))
    };
    Ok(CheckReport::new(path, &snapshot, findings, &name))
}
