//! One file for each command: wiring of the stages.
//!
//! * `session`: the common options, and opening and reading a layout with them
//! * `change`: what `rmi`, `untag` and `prune` have in common
//! * `target_layouts`: which layouts a command is about; `several`: what is said of more than one;
//!   `sharers`: which of them share their blobs
//! * `container_files`: the files of `--containers`
//! * `retention`: what the options of `prune` say about what is to stay; `policy_file`: reads a policy
//! * `jobs`: several layouts at once
//! * `in_each`: what is so in each of several layouts
//! * `interrupt`: SIGINT and SIGTERM
//! * `embedded`: the same commands for a program that uses the crate

mod change;
mod check;
mod completion;
mod container_files;
mod df;
pub(crate) mod embedded;
mod in_each;
mod interrupt;
mod jobs;
mod ls;
mod man;
mod policy;
mod policy_file;
mod prune;
mod restore;
mod retention;
mod rmi;
mod session;
mod several;
mod sharers;
mod target_layouts;
mod untag;
mod why;

use std::{fmt, io};

use anstream::ColorChoice;
use anyhow::Context as _;
use session::Session;

use crate::cli::{Cli, Color, Command, OutputFormat};
use crate::error::{Error, hint_and_kind};
use crate::report::console::{Console, Talk, shown};
use crate::report::{write_lines_to_stdout, write_to_stdout};

/// Runs the program and says what failed. The value is the exit status.
pub fn run(cli: Cli) -> u8 {
    let color = match cli.common.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let talk = match (cli.command.is_quiet(), cli.common.verbose) {
        (true, _) => Talk::Quiet,
        (false, false) => Talk::Usual,
        (false, true) => Talk::Verbose,
    };
    let console = Console::new(color, talk);
    if console.is_quiet() && cli.common.verbose {
        // clap sees no conflict with an option that stands before the command.
        let error = Error::usage("the argument '--quiet' cannot be used with '--verbose'");
        return failed(console, &error.into());
    }
    let result = Session::new(&cli.common, console).and_then(|session| {
        let result = match cli.command {
            Command::Ls(args) => ls::run(&session, args),
            Command::Df(args) => df::run(&session, &args),
            Command::Rmi(args) => rmi::run(&session, args),
            Command::Untag(args) => untag::run(&session, args),
            Command::Prune(args) => prune::run(&session, *args),
            Command::Policy(args) => policy::run(&session, args),
            Command::Restore(args) => restore::run(&session, args),
            Command::Why(args) => why::run(&session, args),
            Command::Check(args) => check::run(&session, args),
            Command::Completion(args) => completion::run(&args),
            Command::Man(args) => man::run(&args),
        };
        session.say_what_waited();
        result
    });
    match result {
        Ok(status) => status,
        Err(error) => failed(console, &error),
    }
}

/// Standard output cannot be written; the cause says why.
#[derive(Debug)]
struct CannotPrint;

impl fmt::Display for CannotPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot write to standard output")
    }
}

/// Prints what a command has to say. No layout may be locked meanwhile: whoever reads it may take long.
fn print(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> anyhow::Result<()> {
    write_to_stdout(write).context(CannotPrint)
}

/// [`print()`] in a format: lines for people go on in the next line where the terminal is narrow.
fn print_as(
    format: OutputFormat,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    match format {
        OutputFormat::Json => print(write),
        OutputFormat::Text => write_lines_to_stdout(write).context(CannotPrint),
    }
}

/// Says what failed; the value is the exit status.
fn failed(console: Console, error: &anyhow::Error) -> u8 {
    console.error(&shown(&format!("{error:#}")));
    let (hint, kind) = hint_and_kind(error);
    if let Some(hint) = hint {
        console.hint(&shown(hint));
    }
    kind.exit_status()
}
