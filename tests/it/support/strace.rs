//! Runs the program under strace, which can make one chosen system call fail, wait, or bring a signal.
//!
//! Without strace the tests say so and pass, unless `OCIRM_INTEROP` is set: then they fail.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::command::{Finished, Running, ocirm};

/// Whether strace is here and may trace. Says so if not; fails if it has to be.
#[expect(clippy::print_stdout, reason = "a test says why it skips")]
pub(crate) fn is_here() -> bool {
    let probe = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("OCIRM_INTEROP").is_none_or(|value| value.is_empty()),
        "OCIRM_INTEROP is set, and strace is not here or may not trace"
    );
    println!("skipped: strace is not here or may not trace");
    false
}

/// The program under strace, which injects this, as `inject=` of its manual has it.
pub(crate) fn injected(inject: &str, args: &[String], home: &Path) -> Command {
    let calls = inject.split(':').next().unwrap_or_default();
    traced(
        &[
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
            "-e",
            &format!("inject={inject}"),
        ],
        args,
        home,
    )
}

/// The program under strace with these options.
pub(crate) fn traced(options: &[&str], args: &[String], home: &Path) -> Command {
    let inner = ocirm(args, home);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq"])
        .args(options)
        .arg(inner.get_program())
        .args(inner.get_args())
        .process_group(0);
    if let Some(dir) = inner.get_current_dir() {
        command.current_dir(dir);
    }
    for (key, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command
}

/// Runs the program to its end, under strace that injects this.
pub(crate) fn run_injected(inject: &str, args: &[String], home: &Path) -> Finished {
    Running::start(injected(inject, args, home), args).finish()
}
