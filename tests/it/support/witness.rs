//! Looks on where shells run the program: what it prints as JSON there fits the schemas, too.
//!
//! On PATH, a script stands before the program. It keeps the arguments and the output of each call with which JSON
//! is asked for, and hands all others on as they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;

use tempfile::TempDir;

use super::schema;

/// See the module. What was kept is compared at the end of the test at the latest.
pub(crate) struct Witness {
    folder: TempDir,
}

impl Witness {
    pub(crate) fn new() -> Witness {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for name in ["bin", "calls"] {
            fs::create_dir(folder.path().join(name)).expect("an own directory");
        }
        let witness = Witness { folder };
        let script = format!(
            r#"#!/bin/sh
case "$*" in
*json*) ;;
*) exec '{program}' "$@" ;;
esac
call=$(mktemp -d '{calls}/XXXXXXXX')
printf '%s\0' "$@" >"$call/arguments"
'{program}' "$@" >"$call/out"
status=$?
echo $status >"$call/status"
cat "$call/out"
exit $status
"#,
            program = env!("CARGO_BIN_EXE_ocirm"),
            calls = witness.folder.path().join("calls").display()
        );
        let program = witness.program();
        fs::write(&program, script).expect("an own file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("an own file");
        witness
    }

    /// The directory that comes first on PATH.
    pub(crate) fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// What stands before the program.
    pub(crate) fn program(&self) -> PathBuf {
        self.bin().join("ocirm")
    }

    /// Compares what was kept since the last time. Returns how many lines that were.
    #[track_caller]
    pub(crate) fn judge(&self) -> usize {
        let mut lines = 0;
        for call in fs::read_dir(self.folder.path().join("calls")).expect("an own directory") {
            let call = call.expect("an own directory").path();
            // A call that goes on, or was killed with its shell, has none.
            let Ok(status) = fs::read_to_string(call.join("status")) else {
                continue;
            };
            let text = |name| fs::read_to_string(call.join(name)).expect("an own file");
            let arguments = text("arguments");
            let arguments: Vec<String> = arguments
                .split_terminator('\0')
                .map(str::to_owned)
                .collect();
            let status: i32 = status.trim().parse().expect("a status");
            let out = text("out");
            if schema::of_command(&arguments).is_some() {
                lines += out.lines().count();
            }
            schema::judge(&arguments, Some(ExitStatus::from_raw(status << 8)), &out);
            fs::remove_dir_all(call).expect("an own directory");
        }
        lines
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // A test that fails has said why.
        if !std::thread::panicking() {
            self.judge();
        }
    }
}
