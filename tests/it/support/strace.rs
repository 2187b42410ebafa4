//! Runs the program under strace, which can make one chosen system call fail, wait, or bring a signal.

use std::path::Path;
use std::process::Command;

use super::command::{Finished, Running, ocirm, under};
use super::contents::arg;
use super::peers;

/// Whether strace is here and may trace and inject.
pub(crate) fn is_here() -> bool {
    let inject = "inject=close:signal=SIGCONT:when=1";
    let trial = ["-f", "-o", "/dev/null", "-e", "trace=close", "-e", inject];
    peers::works("strace", &[&trial[..], &["true"]].concat())
}

/// The program under strace with these options.
pub(crate) fn traced(options: &[&str], args: &[String], home: &Path) -> Command {
    let options = ["-f", "-qq"].iter().chain(options);
    under("strace", options, &ocirm(args, home))
}

/// Runs the program to its end, under strace with these options.
pub(crate) fn run(options: &[&str], args: &[String], home: &Path) -> Finished {
    Running::start(traced(options, args, home), args).finish()
}

/// The program under strace, which injects this, as `inject=` of its manual has it, and writes to `log` what it did.
pub(crate) fn injected(inject: &str, log: &Path, args: &[String], home: &Path) -> Command {
    let calls = inject.split(':').next().unwrap_or_default();
    let (trace, inject) = (format!("trace={calls}"), format!("inject={inject}"));
    traced(&["-o", arg(log), "-e", &trace, "-e", &inject], args, home)
}
