//! `ocirm check`.

use anyhow::Context as _;

use super::target_layouts::locate_all;
use super::{Session, failed, open_to_look};
use crate::cli::{ChangeFormat, CheckArgs};
use crate::error::Kind;
use crate::gc;
use crate::inspect::check::check;
use crate::plan::Draft;
use crate::report::check::CheckReport;
use crate::report::console::shown;
use crate::report::to_stdout;

pub(super) fn run(session: &Session, args: CheckArgs) -> anyhow::Result<u8> {
    let (found, _) = locate_all(session, args.recursive.as_deref(), Vec::new())?;
    let mut status = 0;
    for failure in &found.failures {
        session.console.error(&shown(failure));
        status = Kind::Failed.exit_status();
    }
    for path in &found.layouts {
        let report = open_to_look(session, path).and_then(|layout| {
            let contents = session.load(&layout, &[])?;
            let mut progress = session.console.progress("checking blobs");
            let findings = check(&layout, &contents, args.digests, &mut |done, total| {
                progress.update(done, Some(total));
            })?;
            drop(progress);
            let live = gc::mark(&contents, &Draft::new(&contents).finish());
            let name = |node| {
                let id = live.holder(node)?;
                Some(contents.table.record(id).shown(&contents.graph))
            };
            Ok(CheckReport::new(path, &contents, findings, &name))
        });
        match report {
            Ok(report) => {
                if !report.sound {
                    status = status.max(Kind::Layout.exit_status());
                }
                let text = match args.format {
                    ChangeFormat::Json => report.json(),
                    ChangeFormat::Text => report.text(session.console.is_verbose()),
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
