//! `ocirm policy check`.

use std::path::PathBuf;

use super::policy_file::read_policy;
use super::print_as;
use super::session::Session;
use super::target_layouts::in_layout;
use crate::cli::{OutputFormat, PolicyArgs, PolicyCheckArgs, PolicyCommand};
use crate::layout::Trash;
use crate::layout_argument::directory;
use crate::report::policy::{of_layout, of_policy};

pub(super) fn run(session: &Session, args: PolicyArgs) -> anyhow::Result<u8> {
    match args.command {
        PolicyCommand::Check(args) => check(session, args),
    }
}

fn check(session: &Session, args: PolicyCheckArgs) -> anyhow::Result<u8> {
    let policy = read_policy(&args.file)?;
    let mut text = of_policy(&policy);
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
            Ok(view) => text.push_str(&of_layout(&policy, path, &view)),
            Err(error) => {
                status = super::failed(session.console, &in_layout(path, error)).max(status);
            }
        }
    }
    print_as(OutputFormat::Text, |out| out.write_all(text.as_bytes()))?;
    Ok(status)
}
