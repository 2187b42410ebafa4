//! `ocirm policy check`.

use std::path::PathBuf;

use super::policy_file::read_policy;
use super::session::Session;
use super::target_layouts::in_layout;
use super::{hint_and_kind, print, print_as};
use crate::cli::{OutputFormat, PolicyArgs, PolicyCheckArgs, PolicyCommand};
use crate::layout::Trash;
use crate::layout_argument::directory;
use crate::report::policy::{Tried, of_policy};
use crate::report::policy_object::PolicyReport;

pub(super) fn run(session: &Session, args: PolicyArgs) -> anyhow::Result<u8> {
    match args.command {
        PolicyCommand::Check(args) => check(session, args),
    }
}

fn check(session: &Session, args: PolicyCheckArgs) -> anyhow::Result<u8> {
    let is_json = args.format == OutputFormat::Json;
    let policy = match read_policy(&args.file) {
        Ok(policy) => policy,
        Err(error) => {
            if is_json {
                let hint = error.hint_text();
                let report = PolicyReport::of_bad_file(&args.file, error.to_string(), hint);
                print(|out| report.write_json(out))?;
            }
            return Err(error.into());
        }
    };
    let mut text = of_policy(&policy);
    let mut report = PolicyReport::new(&args.file, &policy);
    let tried = args.tried.into_iter().map(directory);
    let tried: Vec<PathBuf> = tried.collect::<Result<_, _>>()?;
    let layouts = session.layouts.iter().chain(&tried);
    let mut status = 0;
    for path in layouts {
        let view = session.open_shared(path).and_then(|layout| {
            let snapshot = session.read(&layout, &[], &Trash::default())?;
            Ok(snapshot.into_view())
        });
        match view {
            Ok(view) => {
                let tried = Tried::new(&policy, path, &view);
                text.push_str(&tried.text(&policy));
                report.add(tried);
            }
            Err(error) => {
                let (hint, kind) = hint_and_kind(&error);
                report.add_failed(path, kind, format!("{error:#}"), hint);
                status = super::failed(session.console, &in_layout(path, error)).max(status);
            }
        }
    }
    print_as(args.format, |out| match args.format {
        OutputFormat::Json => report.write_json(out),
        OutputFormat::Text => out.write_all(text.as_bytes()),
    })?;
    Ok(status)
}
