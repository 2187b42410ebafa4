//! Says that a test, or a part of one, was not run, and why: one line on standard error, also of a test that passes.
//!
//! libtest keeps what passing tests print with the macros of the standard library, so this writes past it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::Write as _;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

/// Says once of each test why it, or a part of it, is skipped.
pub(crate) fn skipped(reason: impl Display) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let reason = reason.to_string();
    // What other programs say may have several lines.
    let reason = reason.lines().next().unwrap_or_default();
    // libtest names the threads of tests after them; a thread that a test started has no name.
    let line = match thread::current().name() {
        Some(test) if test != "main" => format!("skipped: {test}: {reason}\n"),
        _ => format!("skipped: {reason}\n"),
    };
    if SAID
        .lock()
        .expect("nobody fails with it")
        .insert(line.clone())
    {
        // A closed standard error is no reason to fail.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// A reader of the output of `cargo test` sees what was not tried, without `--nocapture`.
#[test]
fn what_is_skipped_is_said_without_nocapture_and_once() {
    const INNER: &str = "OCIRM_TEST_OF_SKIPPED";
    if std::env::var_os(INNER).is_some() {
        for _ in 0..2 {
            skipped("there is no moon\nand no sun");
        }
        return;
    }
    let name = "support::skipped::what_is_skipped_is_said_without_nocapture_and_once";
    let output = Command::new(std::env::current_exe().expect("the test itself"))
        .args(["--exact", name])
        .env(INNER, "1")
        .env_remove("RUST_TEST_NOCAPTURE")
        .output()
        .expect("the test itself");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("there is no moon\n").count(), 1, "{said}");
    assert!(said.starts_with("skipped: "), "{said}");
}
