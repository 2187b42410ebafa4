//! A place that looks like the machines that recipes are written for, and runs command lines there as they stand.
//!
//! A command line is changed in one thing: `/srv`, `/var`, `/etc`, `/opt` and `/tmp` at the beginning of a path, and what a CronJob
//! mounts, are directories of the test. What is not to be run, or not on this machine, has stand-ins that come first on PATH.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use regex::Regex;

use super::place::Place;
use super::witness::Witness;

/// See the module.
pub(crate) struct Machine {
    pub(crate) place: Place,
    pub(crate) witness: Witness,
}

impl Machine {
    pub(crate) fn new() -> Machine {
        let machine = Machine {
            place: Place::new(),
            witness: Witness::new(),
        };
        for directory in [
            "bin",
            "etc/ocirm",
            "lists",
            "opt",
            "srv",
            "tmp",
            "var/lib",
            "var/log",
        ] {
            fs::create_dir_all(machine.place.path(directory)).expect("an own directory");
        }
        machine
    }

    /// The directory that an absolute path of a recipe is here.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.place.path(path.trim_start_matches('/'))
    }

    /// Text of a recipe with the directories of the test.
    pub(crate) fn mapped(&self, text: &str) -> String {
        // What has them already may lie below /tmp itself.
        const DONE: &str = "\0";
        let pattern = Regex::new(r#"(^|[\s"'=:,<>])/(srv|var|etc|opt|tmp|lists|layouts)\b"#)
            .expect("a pattern");
        let root = self.root();
        let text = text.replace(&root, DONE);
        let text = pattern.replace_all(&text, format!("${{1}}{DONE}/$2"));
        text.replace(DONE, &root)
    }

    /// What a program said, with the directories that a recipe has.
    pub(crate) fn unmapped(&self, text: &[u8]) -> String {
        String::from_utf8_lossy(text).replace(&self.root(), "")
    }

    fn root(&self) -> String {
        let root = self.place.path("");
        let root = root.to_str().expect("a name in UTF-8");
        root.trim_end_matches('/').to_owned()
    }

    /// A fresh copy of a layout of `fixtures/layouts` at an absolute path of a recipe.
    pub(crate) fn fixture(&self, fixture: &str, path: &str) -> PathBuf {
        let to = self.path(path);
        fs::create_dir_all(to.parent().expect("a path below the root")).expect("own directories");
        let path = to
            .strip_prefix(self.place.path(""))
            .expect("a path of the place");
        self.place
            .fixture(fixture, path.to_str().expect("a name in UTF-8"))
    }

    /// A file at an absolute path of a recipe, with the directories of the test in it.
    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a path below the root")).expect("own directories");
        fs::write(path, self.mapped(text)).expect("an own file");
    }

    /// The file whose path stands behind `#` in its first line, as in recipes.
    #[track_caller]
    pub(crate) fn file_that_says_its_name(&self, text: &str) -> String {
        let name = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let name = name.unwrap_or_else(|| panic!("does not begin with its name: {text}"));
        self.file(name, text);
        name.to_owned()
    }

    /// A script of `sh` in place of a program.
    pub(crate) fn stand_in(&self, program: &str, script: &str) {
        let path = self.place.path("bin").join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}")).expect("an own file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an own file");
    }

    /// A shell in the directory, with the stand-ins, this build of the program, and whatever is installed.
    pub(crate) fn shell(&self, shell: &[&str], script: &str, directory: &Path) -> Command {
        let program = self.witness.bin();
        let installed = std::env::var("PATH").unwrap_or_default();
        let own = self.place.path("bin");
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(self.mapped(script));
        command.current_dir(directory).stdin(Stdio::null());
        command.env(
            "PATH",
            format!("{}:{}:{installed}", own.display(), program.display()),
        );
        command
            .env("HOME", self.place.home())
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command.env_remove("OCIRM_LAYOUT").env_remove("OCIRM_TRASH");
        command
    }

    /// Runs a block of `sh`.
    pub(crate) fn runs(&self, script: &str) -> Output {
        let mut command = self.shell(&["sh", "-euc"], script, &self.place.home());
        command.output().expect("sh can be run")
    }

    /// Runs a block of `sh` that has to succeed and to have nothing to complain of. Returns what it prints.
    #[track_caller]
    pub(crate) fn succeeds(&self, script: &str) -> String {
        let output = self.runs(script);
        assert!(output.status.success(), "{script}{output:?}");
        assert!(output.stderr.is_empty(), "{script}{output:?}");
        self.unmapped(&output.stdout)
    }
}
