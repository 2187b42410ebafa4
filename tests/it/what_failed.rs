//! What is said when something failed: what was changed by then, what finishes the work, who can do it. And what is said to
//! be free afterwards is.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::command::{Finished, in_layout};
use crate::support::contents::{arg, blob_path, blobs, digest, index, names};
use crate::support::layout::Layout;
use crate::support::place::{Place, assert_mentions, assert_status, object};
use crate::support::skipped::skipped;
use crate::support::strace;

/// A layout of two images that share nothing.
fn ground() -> (Place, Layout) {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let web = layout.image("web");
    let db = layout.image("db");
    layout.tagged(&web, "web").tagged(&db, "db").finish();
    (place, layout)
}

/// Runs the program with system calls that fail: `inject=` of strace's manual, and the path that they are about, if only
/// those that name it are to fail.
fn failing(
    place: &Place,
    layout: &Path,
    inject: &str,
    path: Option<&str>,
    args: &[&str],
) -> Finished {
    let calls = format!("trace={}", inject.split(':').next().unwrap_or_default());
    let inject = format!("inject={inject}");
    let log = place.path("strace.log");
    let mut options = vec!["-o", arg(&log), "-e", &calls, "-e", &inject];
    options.extend(path.iter().flat_map(|path| ["-P", *path]));
    strace::run(&options, &in_layout(layout, args), &place.home())
}

/// The command that a hint names, between backticks.
fn named_command(finished: &Finished) -> Vec<String> {
    let hint = finished.err.lines().find(|line| line.contains("hint: "));
    let hint = hint.unwrap_or_else(|| panic!("no hint\n{finished}"));
    let start = hint
        .find("`ocirm ")
        .unwrap_or_else(|| panic!("no command\n{finished}"));
    let command = &hint[start + "`ocirm ".len()..];
    let command = command.split('`').next().unwrap_or_default();
    command.split(' ').map(str::to_owned).collect()
}

/// FR35: once index.json is another one, nobody says that nothing was changed, and no blob goes that the old one needs.
#[test]
fn a_sync_that_fails_says_what_is_changed_by_then() {
    if !strace::is_here() {
        return;
    }
    for trash in [false, true] {
        let mut said = 0;
        for number in 1.. {
            let (place, layout) = ground();
            let before = (index(&layout.dir).data, blobs(&layout.dir));
            let inject = format!("fsync:error=EIO:when={number}");
            let args: &[&str] = match trash {
                true => &["rmi", "--trash", "web"],
                false => &["rmi", "web"],
            };
            let finished = failing(&place, &layout.dir, &inject, None, args);
            if finished.code() == Some(0)
                && fs::read(place.path("strace.log"))
                    .is_ok_and(|log| !log.windows(8).any(|w| w == b"INJECTED"))
            {
                break;
            }
            let is_changed = index(&layout.dir).data != before.0;
            assert_eq!(
                is_changed,
                names(&layout.dir) == ["db"],
                "{number} {finished}"
            );
            if finished.err.contains("could not be made durable") {
                said += 1;
                assert_status(&finished, 1);
                assert!(is_changed, "{number} {finished}");
                assert_eq!(blobs(&layout.dir), before.1, "{number} {finished}");
                assert_mentions(&finished, "the names are gone");
                assert!(
                    !finished.err.contains("nothing was changed"),
                    "{number} {finished}"
                );
                place.run(
                    &named_command(&finished)
                        .iter()
                        .map(String::as_str)
                        .chain(["--grace", "0s"])
                        .collect::<Vec<_>>(),
                );
                assert_eq!(names(&layout.dir), ["db"], "{number} {finished}");
                assert!(
                    blobs(&layout.dir).len() < before.1.len(),
                    "{number} {finished}"
                );
            }
        }
        assert_eq!(said, 1, "with the trash: {trash}");
    }
}

/// FR35: `restore` says that the names are back.
#[test]
fn a_sync_that_fails_after_a_restore_says_that_the_names_are_back() {
    if !strace::is_here() {
        return;
    }
    let mut said = 0;
    for number in 1.. {
        let (place, layout) = ground();
        let before = blobs(&layout.dir);
        place.succeeds(&layout.dir, &["rmi", "--trash", "web"]);
        let inject = format!("fsync:error=EIO:when={number}");
        let finished = failing(&place, &layout.dir, &inject, None, &["restore"]);
        if finished.code() == Some(0) {
            break;
        }
        if finished.err.contains("could not be made durable") {
            said += 1;
            assert_mentions(&finished, "the names are back");
            assert_eq!(names(&layout.dir), ["web", "db"], "{number} {finished}");
        }
        let again = place.succeeds(&layout.dir, &["restore"]);
        assert_eq!(
            names(&layout.dir),
            ["web", "db"],
            "{number} {finished}{again}"
        );
        assert_eq!(blobs(&layout.dir), before, "{number} {finished}{again}");
    }
    assert_eq!(said, 1);
}

/// FR35: the hint names the layout, and the command that it names finishes the work.
#[test]
fn the_hint_after_a_failed_sweep_names_what_finishes_it() {
    if !strace::is_here() {
        return;
    }
    for (args, is_last) in [
        (&["rmi", "web"][..], false),
        (&["rmi", "--trash", "web"], false),
        (&["prune", "--force", "--all"], true),
        (&["rmi", "web", "db"], true),
    ] {
        let (place, layout) = ground();
        let before = blobs(&layout.dir);
        let inject = "unlinkat:error=EACCES";
        let finished = failing(&place, &layout.dir, inject, None, args);
        assert_status(&finished, 1);
        assert_mentions(&finished, "as a user who may write in");
        assert_eq!(blobs(&layout.dir), before, "{finished}");
        let command = named_command(&finished);
        assert!(command.contains(&"--layout".to_owned()), "{finished}");
        assert_eq!(command.contains(&"--all".to_owned()), is_last, "{finished}");
        let mut command: Vec<&str> = command.iter().map(String::as_str).collect();
        command.extend(["--grace", "0s"]);
        let again = place.run(&command);
        assert_status(&again, 0);
        let left = if is_last { 0 } else { before.len() / 2 };
        assert_eq!(blobs(&layout.dir).len(), left, "{finished}{again}");
    }
}

/// FR35: whose fault it is that a lock file cannot be opened.
#[test]
fn a_lock_that_cannot_be_had_is_not_blamed_on_another_program() {
    if !strace::is_here() {
        return;
    }
    for (error, words) in [
        ("EMFILE", "too many files are open"),
        ("ENFILE", "too many files are open"),
        ("EROFS", "mounted for reading only"),
        ("EACCES", "who may make files in the layout's directory"),
        ("ENOSPC", "bytes of free space"),
    ] {
        let (place, layout) = ground();
        let before = index(&layout.dir).data;
        let inject = format!("openat:error={error}");
        let args = ["rmi", "web"];
        let finished = failing(&place, &layout.dir, &inject, Some("index.json.lock"), &args);
        assert_ne!(finished.code(), Some(0), "{error} {finished}");
        assert_mentions(&finished, words);
        assert!(
            !finished.err.contains("another program"),
            "{error} {finished}"
        );
        assert_eq!(index(&layout.dir).data, before, "{error} {finished}");
    }
    let (place, layout) = ground();
    std::os::unix::fs::symlink("oci-layout", layout.dir.join("index.json.lock")).unwrap();
    let finished = place.run_in(&layout.dir, &["rmi", "web"]);
    assert_status(&finished, 12);
    assert_mentions(&finished, "another program made this lock file");
}

/// What `chattr` makes of a file, and takes away again at the end, also of a test that failed.
struct Flagged<'a> {
    path: &'a Path,
    flag: char,
}

impl<'a> Flagged<'a> {
    /// `None`, and a word about it: nobody here can do that.
    fn new(path: &'a Path, flag: char) -> Option<Flagged<'a>> {
        let flagged = Flagged { path, flag };
        let is_set = flagged.chattr('+');
        if !is_set {
            skipped(format!(
                "chattr +{flag} takes root, and a file system that knows it"
            ));
        }
        is_set.then_some(flagged)
    }

    fn chattr(&self, sign: char) -> bool {
        let mut chattr = Command::new("chattr");
        chattr.arg(format!("{sign}{}", self.flag)).arg(self.path);
        chattr.output().is_ok_and(|output| output.status.success())
    }
}

impl Drop for Flagged<'_> {
    fn drop(&mut self) {
        self.chattr('-');
    }
}

/// FR35: an append-only directory gets its own words, and no file that nobody could remove.
#[test]
fn what_chattr_forbids_is_said_before_anything_is_written() {
    for (below, flag, word) in [
        ("", 'a', "append-only"),
        ("", 'i', "immutable"),
        ("index.json", 'i', "immutable"),
    ] {
        let (place, layout) = ground();
        let path = layout.dir.join(below);
        let Some(flagged) = Flagged::new(&path, flag) else {
            return;
        };
        for args in [
            &["rmi", "--dry-run", "web"][..],
            &["rmi", "web"],
            &["rmi", "--trash", "web"],
        ] {
            let finished = place.refuses(&layout.dir, args, 12);
            assert_mentions(&finished, word);
            assert_mentions(&finished, &format!("`chattr -{flag} "));
        }
        drop(flagged);
        place.succeeds(&layout.dir, &["rmi", "web"]);
    }
    let (place, layout) = ground();
    let path = layout.dir.join("blobs/sha256");
    if let Some(_flagged) = Flagged::new(&path, 'a') {
        let finished = place.run_in(&layout.dir, &["rmi", "web"]);
        assert_status(&finished, 1);
        assert_mentions(&finished, &format!("after `chattr -a {}`", arg(&path)));
    }
}

/// FR35: a file with holes frees what it takes.
#[test]
fn what_is_said_to_be_freed_is_no_more_than_a_file_takes_on_the_disk() {
    let (place, mut layout) = ground();
    let size: u64 = 1 << 30;
    let layer = digest(&layout.layer("sparse")).to_owned();
    let path = blob_path(&layout.dir, &layer);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(size)
        .unwrap();
    let taken = fs::metadata(&path).unwrap().blocks() * 512;
    if taken >= size {
        skipped("this file system knows no holes");
        return;
    }
    let image = layout.image("big");
    layout.tagged(&image, "big").finish();
    let args = ["prune", "--force", "--grace", "0s", "--format", "json"];
    let finished = place.dry_and_real(&layout.dir, &args, 0);
    let freed = object(&finished)["freed_bytes"].as_u64().unwrap();
    assert!(freed <= taken, "{freed} of {taken}\n{finished}");
    assert!(
        object(&finished)["freed_at_most"].is_boolean(),
        "{finished}"
    );
}
