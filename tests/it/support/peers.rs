//! Other programs, which may be missing. Then the tests that need them say so and pass, unless `OCIRM_INTEROP` is set:
//! then they fail.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use super::skipped::skipped;

/// A program that works on layouts.
#[derive(Clone, Copy)]
pub(crate) struct Peer(&'static str);

pub(crate) const SKOPEO: Peer = Peer("skopeo");
pub(crate) const UMOCI: Peer = Peer("umoci");

impl Peer {
    pub(crate) fn is_here(self) -> bool {
        works(self.0, &["--version"])
    }

    pub(crate) fn output<I: AsRef<OsStr>>(self, args: impl IntoIterator<Item = I>) -> Output {
        let mut command = Command::new(self.0);
        if self.0 == "skopeo" {
            command.arg("--insecure-policy");
        }
        command.args(args).output().expect("a program that is here")
    }

    /// Runs it, and fails the test when it fails.
    #[track_caller]
    pub(crate) fn run<I: AsRef<OsStr>>(self, args: impl IntoIterator<Item = I>) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{}: {output:?}", self.0);
        String::from_utf8(output.stdout).expect("text")
    }
}

/// Whether a program is on PATH. Says so if not.
pub(crate) fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_here = std::env::split_paths(&paths).any(|path| path.join(program).is_file());
    if !is_here {
        skipped(format!("{program} is not installed"));
    }
    is_here
}

/// How skopeo calls an image.
pub(crate) fn oci(layout: &Path, name: &str) -> String {
    format!("oci:{}:{name}", layout.display())
}

/// Whether a program is here and does what it is needed for. Says so if not; fails if it has to be.
pub(crate) fn works(program: &str, trial: &[&str]) -> bool {
    let why = match Command::new(program).args(trial).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let must_be = std::env::var_os("OCIRM_INTEROP").is_some_and(|value| !value.is_empty());
    assert!(!must_be, "OCIRM_INTEROP is set, but {program}: {why}");
    skipped(format!("{program}: {why}"));
    false
}
