//! SIGINT and SIGTERM: a change stops between two files and says what it did, and everything else ends at once.
//!
//! strace brings the signals at chosen system calls, so that no test depends on how fast the machine is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::command::{Finished, Running, TIME_LIMIT, in_layout, ocirm, under, wait};
use crate::support::contents::{arg, assert_no_leftovers, blobs, members, names};
use crate::support::place::{Place, assert_mentions, assert_no_traces, assert_status};
use crate::support::strace;
use crate::support::terminal::signal_at_question;
use crate::support::tree::{Change, Tree, What};

/// The signals that stop the program, their names for strace, and the exit status of each.
const SIGNALS: [(Signal, &str, i32); 2] = [(Signal::INT, "INT", 130), (Signal::TERM, "TERM", 143)];

/// So many files that the signal is heard long before the last of them is gone, whichever threads delete them.
const MANY: usize = 900;

/// A layout with an image of many layers, `big`, and another one, `kept`.
fn big_layout(place: &Place, name: &str, layers: usize) -> PathBuf {
    let mut layout = place.layout(name);
    let layers: Vec<String> = (0..layers).map(|n| format!("{name} {n}")).collect();
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    let big = layout.image_for("linux/amd64", "big", &layers);
    let kept = layout.image("kept");
    layout.tagged(&big, "big").tagged(&kept, "kept").finish();
    layout.dir.clone()
}

/// The files that belong to `kept`: a manifest, a config, a layer.
const KEPT: usize = 3;

/// The call takes a while, so that the thread which waits for signals has heard of it when the next one is due.
fn signalled(place: &Place, call: &str, signal: &str, when: usize, args: &[String]) -> Finished {
    let inject = format!("{call}:signal={signal}:delay_exit=5000:when={when}");
    let command = strace::injected(&inject, Path::new("/dev/null"), args, &place.home());
    Running::start(command, args).finish()
}

/// The digests after `Unlinked: ` or `Moved: `.
fn said_to_go(finished: &Finished) -> BTreeSet<String> {
    let lines = finished.out.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("Unlinked: ")
            .or_else(|| line.strip_prefix("Moved: "))?;
        Some(rest.split(' ').next().unwrap_or_default().to_owned())
    });
    lines.collect()
}

/// Waits until the program says that it waits, sends it a signal, and waits for its end.
fn signal_while_waiting(place: &Place, args: &[String], signal: Signal) -> Finished {
    let mut command = ocirm(args, &place.home());
    command.arg("-v");
    let running = Running::start(command, args);
    running.wait_for("Waiting for");
    kill_process(Pid::from_child(&running.child), signal).unwrap();
    running.finish()
}

fn hold(path: &Path) -> File {
    let file = File::open(path).unwrap();
    fs2::FileExt::lock_exclusive(&file).unwrap();
    file
}

#[test]
fn a_sweep_stops_between_two_files_and_says_what_went() {
    if !strace::is_here() {
        return;
    }
    for (_, signal, status) in SIGNALS {
        for (call, args) in [
            ("unlinkat", &["rmi", "-v", "big"][..]),
            ("linkat", &["rmi", "-v", "--trash", "big"]),
            (
                "unlinkat",
                &["prune", "-v", "-a", "-f", "--grace", "0s", "--keep", "kept"],
            ),
        ] {
            let place = Place::new();
            let dir = big_layout(&place, "layout", MANY);
            let before = blobs(&dir);
            let tree = Tree::of(&dir);
            let finished = signalled(&place, call, signal, 20, &in_layout(&dir, args));
            assert_status(&finished, status);
            let now = blobs(&dir);
            let gone: BTreeSet<String> = before.difference(&now).cloned().collect();
            assert_eq!(said_to_go(&finished), gone, "{finished}");
            let left = now.len() - KEPT;
            assert!(left > 0 && gone.len() >= 10, "{finished}");
            assert_mentions(&finished, &format!("interrupted: {left} blobs"));
            assert_eq!(names(&dir), ["kept"]);
            assert_no_leftovers(&dir, &finished);
            let check = place.succeeds(&dir, &["check"]);
            assert!(!check.out.contains("missing"), "{check}");
            // The rest goes the same way with the next prune.
            let prune = place.succeeds(&dir, &["prune", "-f", "--grace", "0s"]);
            assert_eq!(blobs(&dir).len(), KEPT, "{prune}");
            if args.contains(&"--trash") {
                let restore = place.succeeds(&dir, &["restore"]);
                let mut changes = tree.changes(&Tree::of(&dir));
                changes.retain(|c| c.path != "index.json" || c.what != What::Time);
                assert!(changes.is_empty(), "{changes:?}\n{restore}");
            }
        }
    }
}

/// At every file of a small image, the last one included.
#[test]
fn wherever_a_signal_comes_the_layout_stays_sound_and_a_prune_finishes() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    for call in ["unlinkat", "linkat", "renameat", "renameat2", "fsync"] {
        for when in 1..100 {
            let dir = big_layout(&place, &format!("{call}{when}"), 2);
            let before = Tree::of(&dir);
            let all = blobs(&dir);
            let args = in_layout(&dir, &["rmi", "-v", "big"]);
            let finished = signalled(&place, &format!("?{call}"), "INT", when, &args);
            if finished.code() == Some(0) {
                break;
            }
            assert_status(&finished, 130);
            assert_no_leftovers(&dir, &finished);
            let gone: BTreeSet<String> = all.difference(&blobs(&dir)).cloned().collect();
            assert_eq!(said_to_go(&finished), gone, "{finished}");
            if names(&dir).contains(&"big".to_owned()) {
                assert_no_traces(&before, &Tree::of(&dir), &finished);
            } else {
                place.succeeds(&dir, &["prune", "-f", "--grace", "0s"]);
                assert_eq!(blobs(&dir).len(), KEPT, "{finished}");
            }
        }
    }
}

/// The lines of a large removal take a moment to be put together.
#[test]
fn a_signal_between_the_last_file_and_the_last_line_takes_no_line_away() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    let dir = big_layout(&place, "first", 3000);
    let home = place.home();
    let log = place.path("log");
    let args = in_layout(&dir, &["rmi", "-v", "big"]);
    let options = ["-o", arg(&log), "-e", "trace=close,write"];
    let whole = strace::run(&options, &args, &home);
    assert_status(&whole, 0);
    // The files are closed before the lines are printed; the signal comes with the last of them.
    let calls = fs::read_to_string(log).unwrap();
    let (before, _) = calls.split_once(" write(1, ").unwrap();
    let last = before.matches(" close(").count();
    let dir = big_layout(&place, "second", 3000);
    let all = blobs(&dir);
    let args = in_layout(&dir, &["rmi", "-v", "big"]);
    let finished = signalled(&place, "close", "INT", last, &args);
    assert!(
        [Some(0), Some(130)].contains(&finished.code()),
        "{finished}"
    );
    let gone: BTreeSet<String> = all.difference(&blobs(&dir)).cloned().collect();
    let said = said_to_go(&finished);
    assert_eq!(
        (said.len(), said == gone),
        (gone.len(), true),
        "{}",
        finished.err
    );
}

#[test]
fn a_restore_that_gets_a_signal_leaves_nothing_half_done() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    for call in ["linkat", "renameat2", "renameat", "unlinkat", "fsync"] {
        for when in 1..100 {
            let dir = big_layout(&place, &format!("{call}{when}"), 2);
            let before = Tree::of(&dir);
            place.succeeds(&dir, &["rmi", "--trash", "big"]);
            let args = in_layout(&dir, &["restore", "big"]);
            let finished = signalled(&place, &format!("?{call}"), "TERM", when, &args);
            if finished.code() == Some(0) {
                break;
            }
            assert_status(&finished, 143);
            assert_no_leftovers(&dir, &finished);
            let check = place.succeeds(&dir, &["check"]);
            assert!(!check.out.contains("missing"), "{finished}");
            place.succeeds(&dir, &["restore"]);
            let mut changes: Vec<Change> = before.changes(&Tree::of(&dir));
            changes.retain(|c| c.path != "index.json" || c.what != What::Time);
            assert!(changes.is_empty(), "{changes:?}\n{finished}");
        }
    }
}

/// FR37: all is named again then, and the trash alone is not cleared.
#[test]
fn a_restore_that_is_stopped_at_its_end_says_that_everything_is_back() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    let dir = big_layout(&place, "layout", MANY);
    let before = Tree::of(&dir);
    place.succeeds(&dir, &["rmi", "--trash", "big"]);
    let args = in_layout(&dir, &["restore", "-v", "big"]);
    let finished = signalled(&place, "unlinkat", "TERM", 20, &args);
    assert_status(&finished, 143);
    assert_mentions(&finished, "interrupted: everything is back, and ");
    assert!(finished.out.contains("Restored: big"), "{finished}");
    assert_eq!(names(&dir), ["big", "kept"]);
    let trash = dir.join(".ocirm-trash");
    assert!(trash.exists(), "{finished}");
    place.succeeds(&dir, &["check", "--complete"]);
    let again = place.succeeds(&dir, &["restore", "big"]);
    assert!(!trash.exists(), "{again}");
    let mut changes = before.changes(&Tree::of(&dir));
    changes.retain(|c| c.path != "index.json" || c.what != What::Time);
    assert!(changes.is_empty(), "{changes:?}\n{finished}");
}

/// FR37: index.json is not touched then: what is back is said, and the same command finishes the work.
#[test]
fn a_restore_stops_between_two_files_and_says_what_is_back() {
    if !strace::is_here() {
        return;
    }
    for (_, signal, status) in SIGNALS {
        let place = Place::new();
        let dir = big_layout(&place, "layout", MANY);
        let before = Tree::of(&dir);
        let all = blobs(&dir).len();
        place.succeeds(&dir, &["rmi", "--trash", "big"]);
        let args = in_layout(&dir, &["restore", "-v", "big"]);
        let finished = signalled(&place, "linkat", signal, 20, &args);
        assert_status(&finished, status);
        let back = blobs(&dir).len() - KEPT;
        let left = all - KEPT - back;
        assert!(back >= 10 && left > 0, "{finished}");
        assert_mentions(
            &finished,
            &format!("interrupted: {back} blobs are back in the layout, {left} left in the trash"),
        );
        assert_eq!(names(&dir), ["kept"]);
        assert!(!finished.out.contains("Restored"), "{finished}");
        place.succeeds(&dir, &["restore", "big"]);
        let mut changes = before.changes(&Tree::of(&dir));
        changes.retain(|c| c.path != "index.json" || c.what != What::Time);
        assert!(changes.is_empty(), "{changes:?}\n{finished}");
    }
}

/// What index.json leads to again comes back from the trash before anybody looks. That is a change
/// which nobody asked for, and after it nothing else is begun.
#[test]
fn what_comes_back_unasked_stops_between_two_files() {
    if !strace::is_here() {
        return;
    }
    for (_, signal, status) in SIGNALS {
        for command in [&["ls"][..], &["check"], &["why", "big"], &["rmi", "big"]] {
            let place = Place::new();
            let dir = big_layout(&place, "layout", MANY);
            let index = fs::read(dir.join("index.json")).unwrap();
            let all = blobs(&dir);
            place.succeeds(&dir, &["rmi", "--trash", "big"]);
            fs::write(dir.join("index.json"), index).unwrap();
            let args = in_layout(&dir, command);
            let finished = signalled(&place, "linkat", signal, 20, &args);
            assert_status(&finished, status);
            assert_eq!(finished.out, "");
            let back = blobs(&dir).len() - KEPT;
            assert!(back >= 10 && back + KEPT < all.len(), "{finished}");
            assert_mentions(&finished, &format!("Brought {back} blobs "));
            assert_mentions(&finished, "interrupted; what is said above was done");
            place.succeeds(&dir, &["ls"]);
            assert_eq!(blobs(&dir), all);
        }
    }
}

#[test]
fn waiting_for_the_lock_of_a_layout_ends_at_once() {
    let place = Place::new();
    let dir = big_layout(&place, "layout", 2);
    for (signal, _, status) in SIGNALS {
        for command in [&["rmi", "big"][..], &["ls"], &["prune", "-f"], &["restore"]] {
            let held = hold(&dir);
            let before = place.tree();
            let mut args = vec!["--lock-timeout", "5m"];
            args.extend(command);
            let finished = signal_while_waiting(&place, &in_layout(&dir, &args), signal);
            assert_status(&finished, status);
            assert_mentions(&finished, "interrupted; nothing was changed");
            assert_no_traces(&before, &place.tree(), &finished);
            drop(held);
        }
    }
}

/// BuildKit's lock is taken in the midst of a change, but before anything is changed.
#[test]
fn waiting_for_the_lock_of_the_index_ends_at_once() {
    let place = Place::new();
    let dir = big_layout(&place, "layout", 2);
    place.succeeds(&dir, &["rmi", "--trash", "kept"]);
    let lock = dir.join("index.json.lock");
    fs::write(&lock, "").unwrap();
    for (signal, _, status) in SIGNALS {
        for command in [
            &["rmi", "big"][..],
            &["rmi", "--trash", "big"],
            &["untag", "big"],
            &["restore"],
        ] {
            let held = hold(&lock);
            let before = fs::read(dir.join("index.json")).unwrap();
            let mut args = vec!["--lock-timeout", "5m"];
            args.extend(command);
            let finished = signal_while_waiting(&place, &in_layout(&dir, &args), signal);
            assert_status(&finished, status);
            assert_eq!(fs::read(dir.join("index.json")).unwrap(), before);
            let tree = Tree::of(&dir);
            let left = tree.items.keys().find(|path| path.contains(".ocirm-tmp"));
            assert_eq!(left, None, "{finished}");
            drop(held);
        }
    }
}

#[test]
fn a_question_that_gets_a_signal_is_answered_by_nothing() {
    for (signal, _, status) in SIGNALS {
        let place = Place::new();
        let dir = big_layout(&place, "layout", 2);
        let before = place.tree();
        let args = in_layout(&dir, &["prune", "-a", "--grace", "0s"]);
        let finished = signal_at_question(&args, &place.home(), signal);
        assert_status(&finished, status);
        assert_eq!(finished.asked, Some(true), "{finished}");
        assert_mentions(&finished, "interrupted; nothing was changed");
        // The message stands on a line of its own.
        let line = finished
            .err
            .lines()
            .find(|line| line.contains("interrupted"));
        assert!(
            line.is_some_and(|line| !line.contains("[y/N]")),
            "{finished}"
        );
        assert_no_traces(&before, &place.tree(), &finished);
    }
}

/// As `nohup` and the background jobs of a shell start programs.
#[test]
fn a_signal_that_is_ignored_from_the_start_stays_ignored() {
    let place = Place::new();
    for (ignored, other, status) in [("INT", Signal::TERM, 143), ("TERM", Signal::INT, 130)] {
        let sent = if ignored == "INT" {
            Signal::INT
        } else {
            Signal::TERM
        };
        for ends_by_signal in [false, true] {
            let dir = big_layout(&place, &format!("{ignored}-{ends_by_signal}"), 2);
            let args = in_layout(&dir, &["--lock-timeout", "5m", "-v", "rmi", "big"]);
            let inner = ocirm(&args, &place.home());
            let shell = format!("trap '' {ignored}; exec \"$@\"");
            let command = under("sh", ["-c", &shell, "sh"], &inner);
            let held = hold(&dir);
            let mut running = Running::start(command, &args);
            running.wait_for("Waiting for");
            let process = Pid::from_child(&running.child);
            for _ in 0..3 {
                kill_process(process, sent).unwrap();
                thread::sleep(Duration::from_millis(30));
            }
            assert!(running.child.try_wait().unwrap().is_none());
            if ends_by_signal {
                kill_process(process, other).unwrap();
                assert_status(&running.finish(), status);
                assert_eq!(names(&dir), ["big", "kept"]);
            } else {
                drop(held);
                assert_status(&running.finish(), 0);
                assert_eq!(blobs(&dir).len(), KEPT);
            }
        }
    }
}

#[test]
fn a_prune_of_several_layouts_stops_before_the_next() {
    if !strace::is_here() {
        return;
    }
    for (_, signal, status) in SIGNALS {
        for format in ["text", "json"] {
            let place = Place::new();
            let one = big_layout(&place, "one", MANY);
            let two = big_layout(&place, "two", 2);
            let before = Tree::of(&two);
            let root = place.path(".");
            let args: Vec<String> = [
                "prune",
                "-a",
                "-f",
                "--grace",
                "0s",
                "--keep",
                "kept",
                "--format",
                format,
                "--jobs",
                "1",
                "--recursive",
                arg(&root),
            ]
            .map(str::to_owned)
            .to_vec();
            let all = blobs(&one);
            let finished = signalled(&place, "unlinkat", signal, 20, &args);
            assert_status(&finished, status);
            assert_no_traces(&before, &Tree::of(&two), &finished);
            let gone: BTreeSet<String> = all.difference(&blobs(&one)).cloned().collect();
            assert!(gone.len() < MANY, "{finished}");
            let left = "interrupted; 1 layout was not done, and nothing was changed there";
            assert_mentions(&finished, left);
            if format == "json" {
                let line = finished.out.lines().next().unwrap_or_default();
                let report: serde_json::Value = serde_json::from_str(line).unwrap();
                let said = members(&report["deleted"], "digest");
                let said: BTreeSet<String> = said.into_iter().map(str::to_owned).collect();
                assert_eq!(said, gone);
            } else {
                assert!(finished.out.contains("Total reclaimed space: "));
            }
            assert_no_leftovers(&one, &finished);
            assert_status(
                &place.run(&["prune", "-f", "--grace", "0s", "--recursive", arg(&root)]),
                0,
            );
            assert_eq!(blobs(&one).len(), KEPT);
        }
    }
}

#[test]
fn emptying_the_trash_that_gets_a_signal_is_finished_by_the_next_prune() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    for when in 1..100 {
        let dir = big_layout(&place, &format!("layout{when}"), 2);
        place.succeeds(&dir, &["rmi", "--trash", "big"]);
        let args = in_layout(&dir, &["prune", "-f", "--trash-keep", "0s"]);
        let finished = signalled(&place, "unlinkat", "INT", when, &args);
        if finished.code() == Some(0) {
            break;
        }
        assert_status(&finished, 130);
        place.succeeds(&dir, &["prune", "-f", "--trash-keep", "0s"]);
        assert!(!dir.join(".ocirm-trash").exists(), "{finished}");
        assert_eq!(blobs(&dir).len(), KEPT);
    }
}

/// A pager that nobody pages on.
#[test]
fn a_program_that_waits_for_a_reader_ends_at_once() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    for number in 0..600 {
        layout.tagged(&image, &format!("{}-{number}", "long".repeat(25)));
    }
    layout.finish();
    for (signal, _, status) in SIGNALS {
        let args = in_layout(&layout.dir, &["ls", "--format", "json"]);
        let mut child = ocirm(&args, &place.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        // Something came through the pipe, and it holds far less than all.
        out.read_exact(&mut [0]).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let start = Instant::now();
        let ended = wait(&mut child);
        let code = ended.and_then(|status| status.code());
        assert_eq!(
            code,
            Some(status),
            "{ended:?} after {:?} of {TIME_LIMIT:?}",
            start.elapsed()
        );
    }
}
