//! `ocirm check`.

use std::path::Path;

use super::session::Session;
use super::target_layouts::{in_layout, layout_directories};
use super::{failed, print};
use crate::cli::{CheckArgs, OutputFormat};
use crate::error::ErrorKind;
use crate::inspect::check::check;
use crate::layout::Trash;
use crate::report::check::CheckReport;
use crate::snapshot::{Holders, RemovedParts};

pub(super) fn run(session: &Session, args: CheckArgs) -> anyhow::Result<u8> {
    let found = layout_directories(session, args.recursive.as_deref(), args.directories)?;
    let mut status = found.say_failures(session.console);
    for path in &found.layouts {
        match look_into(session, path, args.digests) {
            Ok(report) => {
                if !report.sound || args.complete && !report.complete {
                    status = status.max(ErrorKind::Layout.exit_status());
                }
                print(|out| match args.format {
                    OutputFormat::Json => report.write_json(out),
                    OutputFormat::Text => report.write_text(session.console.is_verbose(), out),
                })?;
            }
            Err(error) if !found.several => return Err(error),
            Err(error) => {
                status = status.max(failed(session.console, &in_layout(path, error)));
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
    let name = |node| Some(snapshot.shown_shared(holders.record(node)?));
    Ok(CheckReport::new(path, &snapshot, findings, &name))
}
