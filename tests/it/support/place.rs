//! A directory of a test: layouts, what lies beside them, and the program that is run there and judged.

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::command::{Finished, Running, in_layout, ocirm, run};
use super::contents::arg;
use super::layout::Layout;
use super::tree::Tree;

/// Commands that spare nothing because it is young.
pub(crate) const PRUNE: [&str; 4] = ["prune", "--force", "--grace", "0s"];
pub(crate) const PRUNE_ALL: [&str; 5] = ["prune", "--all", "--force", "--grace", "0s"];

/// A directory of its own: layouts, other files, and a home for the program.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(folder.path().join("home/here")).expect("an own directory");
        Place { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// A new layout without rows, and without blobs.
    pub(crate) fn layout(&self, name: &str) -> Layout {
        Layout::in_dir(&self.path(name))
    }

    /// A fresh copy of a layout of `fixtures/layouts`.
    pub(crate) fn fixture(&self, fixture: &str, name: &str) -> PathBuf {
        let tar = fixtures_folder().join(format!("{fixture}.tar"));
        let file = File::open(&tar).unwrap_or_else(|e| panic!("{}: {e}", tar.display()));
        let to = self.path(&format!("{name}.unpacked"));
        let mut archive = tar::Archive::new(file);
        archive.set_preserve_permissions(true);
        archive
            .unpack(&to)
            .and_then(|()| fs::rename(to.join("layout"), self.path(name)))
            .and_then(|()| fs::remove_dir(to))
            .unwrap_or_else(|e| panic!("{}: {e}", tar.display()));
        self.path(name)
    }

    /// A file beside the layouts.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a file in an own directory");
        path
    }

    /// Everything in it.
    pub(crate) fn tree(&self) -> Tree {
        Tree::of(self.folder.path())
    }

    /// Everything in it but the folder of that name.
    pub(crate) fn beside(&self, name: &str) -> Tree {
        Tree::without(self.folder.path(), name)
    }

    /// Runs the program as it stands on the command line.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        run(&args, &self.home())
    }

    /// Runs the program on one layout.
    pub(crate) fn run_in(&self, layout: &Path, args: &[&str]) -> Finished {
        run(&in_layout(layout, args), &self.home())
    }

    /// Runs the program on one layout, with something to read on standard input.
    pub(crate) fn run_with_input(&self, layout: &Path, args: &[&str], input: &str) -> Finished {
        let args = in_layout(layout, args);
        let program = ocirm(&args, &self.home());
        Running::start_with(program, &args, input_of(input).into(), None).finish()
    }

    /// Runs the program on one layout; it has to end so, and leave everything as it is.
    #[track_caller]
    pub(crate) fn refuses(&self, layout: &Path, args: &[&str], status: i32) -> Finished {
        let before = self.tree();
        let finished = self.run_in(layout, args);
        assert_status(&finished, status);
        assert_no_traces(&before, &self.tree(), &finished);
        finished
    }

    /// Runs the program on one layout; it has to succeed.
    #[track_caller]
    pub(crate) fn succeeds(&self, layout: &Path, args: &[&str]) -> Finished {
        let finished = self.run_in(layout, args);
        assert_status(&finished, 0);
        finished
    }

    /// A dry run, which changes nothing, and then the run, which has to say the same and end with the same status.
    #[track_caller]
    pub(crate) fn dry_and_real(&self, layout: &Path, args: &[&str], status: i32) -> Finished {
        let layout = arg(layout);
        self.dry_and_real_of(&[&["--layout", layout], args].concat(), 3, status)
    }

    /// The same for a whole command line, of which so many words stand before the options of the command.
    #[track_caller]
    pub(crate) fn dry_and_real_of(&self, args: &[&str], options: usize, status: i32) -> Finished {
        let mut dry_args = args.to_vec();
        dry_args.insert(options, "--dry-run");
        let before = self.tree();
        let dry = self.run(&dry_args);
        assert_status(&dry, status);
        assert_no_traces(&before, &self.tree(), &dry);
        let real = self.run(args);
        assert_status(&real, status);
        let both = format!("{dry}{real}");
        assert_eq!(dry.said(true), real.said(false), "{both}");
        assert_eq!(dry.reclaimed(), real.reclaimed(), "{both}");
        real
    }
}

/// A file to be read from its beginning as standard input.
pub(crate) fn input_of(text: &str) -> File {
    let mut given = tempfile::tempfile().expect("a temporary file");
    given
        .write_all(text.as_bytes())
        .and_then(|()| given.rewind())
        .expect("an own file");
    given
}

#[track_caller]
pub(crate) fn assert_status(finished: &Finished, status: i32) {
    assert_eq!(finished.code(), Some(status), "{finished}");
    assert!(!finished.panicked(), "{finished}");
}

/// Nothing was changed, and nothing came and went.
#[track_caller]
pub(crate) fn assert_no_traces(before: &Tree, after: &Tree, finished: &Finished) {
    let traces = before.traces(after);
    assert!(traces.is_empty(), "{traces:?}\n{finished}");
}

/// Standard error says this somewhere.
#[track_caller]
pub(crate) fn assert_mentions(finished: &Finished, text: &str) {
    assert!(finished.err.contains(text), "no {text:?}\n{finished}");
}

/// Standard output says this somewhere, and standard error says nothing.
#[track_caller]
pub(crate) fn assert_says(finished: &Finished, text: &str) {
    assert!(finished.out.contains(text), "no {text:?}\n{finished}");
    assert_eq!(finished.err, "", "{finished}");
}

/// The one JSON object that a changing command printed.
#[track_caller]
pub(crate) fn object(finished: &Finished) -> Value {
    let lines = objects(finished);
    assert_eq!(lines.len(), 1, "{finished}");
    lines.into_iter().next().unwrap_or_default()
}

/// The JSON objects that were printed, one a line.
#[track_caller]
pub(crate) fn objects(finished: &Finished) -> Vec<Value> {
    finished
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {finished}")))
        .collect()
}

pub(crate) fn fixtures_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/layouts")
}

/// The names of all layouts of other tools.
pub(crate) fn fixtures() -> Vec<String> {
    let folder = fixtures_folder();
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let names = entries.map(|entry| entry.expect("an entry of the fixtures").file_name());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".tar")?.to_owned()))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no layouts in {}", folder.display());
    names
}
