//! The program: parse, run, choose the exit status.

use std::process::ExitCode;

use clap::FromArgMatches as _;
use ocirm::cli::{Cli, command};

fn main() -> ExitCode {
    if ocirm::completion::answer(&mut std::io::stdout().lock()) {
        return ExitCode::SUCCESS;
    }
    let matches = command().get_matches();
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => ExitCode::from(ocirm::run(cli)),
        Err(error) => error.format(&mut command()).exit(),
    }
}
