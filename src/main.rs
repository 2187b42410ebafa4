//! The program: parse, run, choose the exit status.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    ExitCode::from(ocirm::commands::run(ocirm::cli::Cli::parse()))
}
