//! Prunes a layout, as `ocirm prune --force --trash` does: `cargo run --example prune -- DIR`.
//!
//! It shows what would go, then moves that and nothing else into the layout's trash.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program says what it does"
)]

use std::process::ExitCode;

use ocirm::{Error, ErrorKind, Layout, Prune};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: prune DIR");
        return ExitCode::from(2);
    };
    match prune(path.as_ref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            if error.kind() == ErrorKind::LockBusy {
                eprintln!("try again later");
            }
            ExitCode::from(error.kind().exit_status())
        }
    }
}

/// Whether all went well.
pub(crate) fn prune(path: &std::path::Path) -> Result<bool, Error> {
    let layout = Layout::open(path)?;
    let prune = Prune::new().trash(true);
    let shown = layout.dry_run(&prune)?;
    for blob in &shown.blobs {
        println!("{} {} {}", blob.digest, blob.kind, blob.size);
    }
    let done = layout.run(&prune.at_most(&shown))?;
    for notice in &done.notices {
        eprintln!("{notice}");
    }
    for failure in &done.failures {
        eprintln!("{}", failure.message);
    }
    println!("{} blobs went", done.blobs.len());
    Ok(done.failures.is_empty())
}
