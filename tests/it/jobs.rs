//! Several layouts at once: the same is done and said as one after the other, in the same order.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::support::command::{Finished, Running, ocirm, under};
use crate::support::contents::{arg, assert_no_leftovers, blobs, members, names};
use crate::support::far::far;
use crate::support::place::{
    PRUNE, Place, assert_mentions, assert_no_traces, assert_status, objects,
};
use crate::support::strace;
use crate::support::terminal::run_on_terminal;
use crate::support::tree::Tree;

/// How many layouts a store has.
const LAYOUTS: usize = 20;

/// Layouts below `store`, with garbage: some have a file in common with others, some share their directory of
/// blobs, one is damaged, one cannot be opened, and one has nothing to do.
fn store(place: &Place) -> PathBuf {
    let common = place.file("common", "the same in several layouts\n");
    for number in 0..LAYOUTS {
        let dir = format!("store/team{}/app{number:02}", number % 3);
        if number % 10 == 9 {
            let path = place.path(&dir);
            fs::create_dir_all(&path).unwrap();
            let other = place.path(&format!(
                "store/team{}/app{:02}",
                (number - 1) % 3,
                number - 1
            ));
            for name in ["oci-layout", "index.json"] {
                fs::copy(other.join(name), path.join(name)).unwrap();
            }
            symlink(other.join("blobs"), path.join("blobs")).unwrap();
            continue;
        }
        let mut layout = place.layout(&dir);
        let image = layout.image(&format!("{number}"));
        layout.tagged(&image, "kept").finish();
        if number == 5 {
            continue;
        }
        layout.blob("text/plain", format!("garbage {number}\n"));
        // What is shared stays, and with it a name of the file.
        if number % 2 == 0 && number % 10 != 8 {
            let linked = layout.blob("text/plain", fs::read(&common).unwrap());
            let linked = linked["digest"].as_str().unwrap().replace(':', "/");
            let path = layout.dir.join("blobs").join(linked);
            fs::remove_file(&path).unwrap();
            fs::hard_link(&common, &path).unwrap();
        }
        if number == 7 {
            fs::write(layout.dir.join("index.json"), "{").unwrap();
        }
    }
    fs::remove_file(common).unwrap();
    place.path("store")
}

/// What was said, without times that differ from run to run.
pub(super) fn said(finished: &Finished, place: &Place) -> (Option<i32>, String, String) {
    let root = place.path("");
    let plain = |text: &str| text.replace(arg(&root), "/");
    (finished.code(), plain(&finished.out), plain(&finished.err))
}

/// PA1: whatever is done at once, what is printed, the exit status and the files are those of one after the other.
#[test]
fn as_many_jobs_as_you_like_say_and_do_the_same() {
    for command in [
        &["prune", "-n", "--grace", "0s"][..],
        &["prune", "-f", "--grace", "0s", "--format", "json"],
        &["prune", "-a", "-f", "-v", "--grace", "0s"],
        &["ls", "-a"],
        &["ls", "-q", "--sort", "none"],
        &["ls", "kept", "gone"],
        &["check", "--digests"],
        &["df", "-v"],
    ] {
        let mut all = Vec::new();
        for jobs in ["1", "8", ""] {
            let place = Place::new();
            let store = store(&place);
            let mut args = command.to_vec();
            args.extend(["--recursive", arg(&store)]);
            if !jobs.is_empty() {
                args.extend(["--jobs", jobs]);
            }
            let finished = place.run(&args);
            let tree = Tree::of(&store);
            let files: BTreeSet<String> = tree.items.keys().cloned().collect();
            all.push((said(&finished, &place), files));
        }
        for other in &all[1..] {
            assert_eq!(*other, all[0], "{command:?}");
        }
    }
}

/// PA1: what is decided at once to ask about it is carried out when the answer is yes.
#[test]
fn what_was_asked_about_is_done() {
    let mut all = Vec::new();
    for jobs in ["1", "8", ""] {
        let place = Place::new();
        let store = store(&place);
        let mut args = vec!["prune", "--grace", "0s", "--recursive", arg(&store)];
        if !jobs.is_empty() {
            args.extend(["--jobs", jobs]);
        }
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let finished = run_on_terminal(&args, &place.home(), "y\n");
        assert_eq!(finished.asked, Some(true), "{finished}");
        // All but the one that is damaged.
        assert_status(&finished, 12);
        assert_mentions(&finished, &format!("1 of {LAYOUTS} layouts failed"));
        let files: BTreeSet<String> = Tree::of(&store).items.into_keys().collect();
        all.push((said(&finished, &place), files));
    }
    for other in &all[1..] {
        assert_eq!(*other, all[0]);
    }
}

/// PA2: the bytes of a file in several layouts are counted once, and with the last of them, whichever is done first.
#[test]
fn a_file_in_many_layouts_is_freed_once() {
    let place = Place::new();
    let store = store(&place);
    let mut args = vec!["prune", "-n", "--grace", "0s", "--format", "json"];
    args.extend(["--recursive", arg(&store), "--jobs", "8"]);
    let freed = |finished: &Finished| -> Vec<u64> {
        let all = objects(finished);
        all.iter()
            .filter_map(|layout| layout["freed_bytes"].as_u64())
            .collect()
    };
    let dry = freed(&place.run(&args));
    args[1] = "-f";
    let real = freed(&place.run(&args));
    assert_eq!(dry, real);
    let own = (0..LAYOUTS)
        .filter(|number| ![5, 7].contains(number) && number % 10 < 8)
        .map(|number| format!("garbage {number}\n").len());
    let all = own.sum::<usize>() + "the same in several layouts\n".len();
    assert_eq!(real.iter().sum::<u64>(), u64::try_from(all).unwrap());
}

/// PA3: one that somebody else has or that is damaged holds up nobody, and is said at its place and at the end.
#[test]
fn one_that_fails_stops_nobody() {
    let place = Place::new();
    let store = store(&place);
    let locked = place.path("store/team0/app00");
    let file = File::open(&locked).unwrap();
    fs2::FileExt::lock_exclusive(&file).unwrap();
    let before = Tree::of(&locked);
    let mut args = PRUNE.to_vec();
    args.extend(["--recursive", arg(&store), "--jobs", "8"]);
    args.extend(["--lock-timeout", "1s"]);
    let finished = place.run(&args);
    assert_status(&finished, 12);
    assert_no_traces(&before, &Tree::of(&locked), &finished);
    assert_mentions(&finished, &format!("6 of {LAYOUTS} layouts failed:"));
    for number in (0..LAYOUTS).filter(|number| ![0, 7, 8, 9].contains(&(number % 10))) {
        let dir = store.join(format!("team{}/app{number:02}", number % 3));
        assert_eq!(blobs(&dir).len(), 3, "{number}: {finished}");
    }
}

/// PA4: a signal stops each layout that is being changed between two files, no other one begins, and what was done
/// is said.
#[test]
fn a_signal_stops_all_between_two_files() {
    if !strace::is_here() {
        return;
    }
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        let mut layouts = Vec::new();
        for number in 0..8 {
            let name = format!("store/{number:02}");
            let mut layout = place.layout(&name);
            let layers: Vec<String> = (0..80).map(|n| format!("{name} {n}")).collect();
            let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
            let big = layout.image_for("linux/amd64", "big", &layers);
            let kept = layout.image("kept");
            layout.tagged(&big, "big").tagged(&kept, "kept").finish();
            layouts.push(layout.dir.clone());
        }
        let before: Vec<_> = layouts.iter().map(|dir| blobs(dir)).collect();
        let store = place.path("store");
        let args = [
            "prune",
            "-a",
            "-f",
            "--grace",
            "0s",
            "--keep",
            "kept",
            "--format",
            "json",
            "--jobs",
            "4",
            "--recursive",
            arg(&store),
        ];
        let args = args.map(str::to_owned);
        let inject = format!("unlinkat:signal={signal}:delay_exit=30000:when=20");
        let command = strace::injected(&inject, Path::new("/dev/null"), &args, &place.home());
        let finished = Running::start(command, &args).finish();
        assert_status(&finished, status);
        let reports = objects(&finished);
        let (mut untouched, mut begun) = (0, 0);
        for (dir, before) in layouts.iter().zip(&before) {
            let gone: BTreeSet<String> = before.difference(&blobs(dir)).cloned().collect();
            let report = reports
                .iter()
                .find(|report| report["layout"].as_str() == dir.to_str());
            let said: BTreeSet<String> = report
                .map(|report| members(&report["deleted"], "digest"))
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned)
                .collect();
            assert_eq!(said, gone, "{}: {finished}", dir.display());
            match gone.is_empty() {
                true => untouched += 1,
                false => begun += 1,
            }
            assert_no_leftovers(dir, &finished);
            let names = names(dir);
            assert!(names == ["kept"] || names == ["big", "kept"], "{names:?}");
            let check = place.succeeds(dir, &["check"]);
            assert!(!check.out.contains("missing"), "{check}");
        }
        assert!(untouched > 0 && begun > 0, "{finished}");
        assert_mentions(&finished, "not done, and nothing was changed there");
        let mut args = PRUNE.to_vec();
        args.extend(["-a", "--keep", "kept", "--recursive", arg(&store)]);
        assert_status(&place.run(&args), 0);
        for dir in &layouts {
            assert_eq!(blobs(dir).len(), 3);
        }
    }
}

/// PA5: layouts that share their blobs follow each other, so that none waits for a lock that the run itself has.
#[test]
fn layouts_that_share_do_not_wait_for_each_other() {
    let place = Place::new();
    let mut layout = place.layout("store/a");
    let image = layout.image("a");
    layout.tagged(&image, "a").finish();
    for number in 0..20 {
        let path = place.path(&format!("store/b{number}"));
        fs::create_dir_all(&path).unwrap();
        for name in ["oci-layout", "index.json"] {
            fs::copy(layout.dir.join(name), path.join(name)).unwrap();
        }
        symlink(layout.dir.join("blobs"), path.join("blobs")).unwrap();
    }
    let store = place.path("store");
    for beside in [None, Some(place.path("store/b3"))] {
        let mut args = PRUNE.to_vec();
        args.extend([
            "--recursive",
            arg(&store),
            "--jobs",
            "16",
            "--lock-timeout",
            "0s",
        ]);
        if let Some(beside) = &beside {
            args.extend(["--also-root", arg(beside)]);
        }
        let finished = place.run(&args);
        assert_status(&finished, 0);
        assert_eq!(blobs(&layout.dir).len(), 3, "{finished}");
    }
}

/// PA5: layouts that have one lock file, as copies of hard links do, do not wait for a lock that the run itself has, and
/// one that shares its blobs with another one besides does not either.
#[test]
fn layouts_with_one_lock_file_do_not_wait_for_each_other() {
    let place = Place::new();
    let mut first = place.layout("near/a");
    let image = first.image("a");
    first.tagged(&image, "a").finish();
    let near = place.path("near");
    let locks = [".ocirm.lock", "index.lock"];
    for lock in locks {
        fs::write(first.dir.join(lock), "").unwrap();
    }
    let names = ["b", "c", "d", "e"];
    for name in names {
        let dir = near.join(name);
        fs::create_dir(&dir).unwrap();
        for file in ["oci-layout", "index.json"] {
            fs::copy(first.dir.join(file), dir.join(file)).unwrap();
        }
        for lock in locks {
            fs::hard_link(first.dir.join(lock), dir.join(lock)).unwrap();
        }
        match name {
            "e" => symlink("../a/blobs", dir.join("blobs")).unwrap(),
            _ => copy_all(&first.dir.join("blobs"), &dir.join("blobs")),
        }
    }
    let delay = Duration::from_millis(1);
    let Some(_disk) = far(&near, &place.path("store"), delay) else {
        return;
    };
    for jobs in ["1", "4"] {
        for name in ["b", "c", "d"] {
            let garbage = near.join(name).join("blobs/sha256").join("0".repeat(64));
            fs::write(garbage, "x").unwrap();
        }
        let store = place.path("store");
        let more = [
            "--recursive",
            arg(&store),
            "--jobs",
            jobs,
            "--lock-timeout",
            "0s",
        ];
        let finished = place.run(&[&PRUNE[..], &more].concat());
        assert_status(&finished, 0);
        for name in ["a", "b", "c", "d"] {
            assert_eq!(blobs(&near.join(name)).len(), 3, "{name}: {finished}");
        }
    }
}

/// Copies a directory of directories of files.
fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// PA6: a number that is none is refused before anything is looked at.
#[test]
fn a_number_of_jobs_is_one_to_256() {
    let place = Place::new();
    let store = store(&place);
    let before = place.tree();
    for number in ["0", "257", "-1", "many", ""] {
        let jobs = format!("--jobs={number}");
        for command in ["ls", "df", "check", "prune"] {
            let refused = place.run(&[command, &jobs, "--recursive", arg(&store)]);
            assert_status(&refused, 2);
            assert_no_traces(&before, &place.tree(), &refused);
        }
    }
}

/// Layouts of which the first has in its trash what index.json leads to, and the others lead to its blobs.
fn store_with_trash(place: &Place) -> (PathBuf, PathBuf) {
    let mut layout = place.layout("store/a");
    let images: Vec<_> = (0..10).map(|n| layout.image(&n.to_string())).collect();
    for (number, image) in images.iter().enumerate() {
        layout.tagged(image, &number.to_string());
    }
    layout.finish();
    let index = fs::read(layout.dir.join("index.json")).unwrap();
    for number in 0..6 {
        let path = place.path(&format!("store/b{number}"));
        fs::create_dir_all(&path).unwrap();
        fs::copy(layout.dir.join("oci-layout"), path.join("oci-layout")).unwrap();
        fs::write(path.join("index.json"), &index).unwrap();
        symlink(layout.dir.join("blobs"), path.join("blobs")).unwrap();
    }
    let names = (0..10).map(|n| n.to_string());
    let mut args = vec!["rmi".to_owned(), "--trash".to_owned()];
    args.extend(names);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    place.succeeds(&layout.dir, &args);
    fs::write(layout.dir.join("index.json"), index).unwrap();
    (place.path("store"), layout.dir.clone())
}

/// PA5: what comes back from the trash of one is there when the others that lead to it are looked at.
#[test]
fn what_comes_back_is_there_for_those_that_share_it() {
    for command in [&["check", "--complete"][..], &["ls", "--format", "json"]] {
        let mut all = Vec::new();
        for jobs in ["1", "8"] {
            let place = Place::new();
            let (store, _) = store_with_trash(&place);
            let mut args = command.to_vec();
            args.extend(["--jobs", jobs, "--recursive", arg(&store)]);
            let finished = place.run(&args);
            assert_status(&finished, 0);
            all.push(said(&finished, &place));
        }
        assert_eq!(all[0], all[1]);
    }
}

/// PA2: a file that comes back from the trash in one layout is as old in the others as it was.
#[test]
fn what_comes_back_makes_nothing_young_elsewhere() {
    for jobs in ["1", "8"] {
        let place = Place::new();
        let (store, dir) = store_with_trash(&place);
        fs::rename(store.join("b0"), place.path("b0")).unwrap();
        for number in 1..6 {
            fs::remove_dir_all(store.join(format!("b{number}"))).unwrap();
        }
        let mut other = place.layout("store/c");
        let kept = other.image("kept");
        other.tagged(&kept, "kept").finish();
        let trash = Tree::of(&dir);
        let mut linked = 0;
        for path in trash.items.keys() {
            let name = path.rsplit('/').next().unwrap();
            if path.starts_with(".ocirm-trash") && name.len() == 64 {
                let to = other.dir.join("blobs/sha256").join(name);
                fs::hard_link(dir.join(path), to).unwrap();
                linked += 1;
            }
        }
        assert!(linked > 20);
        std::thread::sleep(std::time::Duration::from_millis(1200));
        let args = [
            "prune",
            "-f",
            "--grace",
            "1s",
            "--jobs",
            jobs,
            "--recursive",
            arg(&store),
        ];
        let finished = place.run(&args);
        assert_status(&finished, 0);
        assert_eq!(blobs(&other.dir).len(), 3, "{finished}");
        place.succeeds(&dir, &["check", "--complete"]);
    }
}

/// PA1: where a process may have few files open, there are fewer jobs.
#[test]
fn few_open_files_are_enough() {
    let place = Place::new();
    let store = store(&place);
    let expected = place.run(&["df", "--recursive", arg(&store), "--jobs", "1"]);
    for limit in ["64", "128", "256"] {
        let args = ["df", "--recursive", arg(&store), "--jobs", "256"].map(str::to_owned);
        let limited = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        let command = under("sh", ["-c", &limited], &ocirm(&args, &place.home()));
        let finished = Running::start(command, &args).finish();
        assert_eq!(said(&finished, &place), said(&expected, &place));
    }
}

/// PA4: where nothing can be printed any more, no further layout is begun, and how many were changed is said.
#[test]
fn layouts_of_which_nothing_can_be_printed_are_counted() {
    let place = Place::new();
    let store = store(&place);
    let before = Tree::of(&store);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut args = PRUNE.map(str::to_owned).to_vec();
    args.extend(["--recursive", arg(&store), "--jobs", "8"].map(str::to_owned));
    let command = ocirm(&args, &place.home());
    let finished = Running::start_with(command, &args, Stdio::null(), Some(full.into())).finish();
    assert_status(&finished, 1);
    assert_mentions(&finished, "cannot write to standard output");
    let changed: BTreeSet<String> = before
        .changes(&Tree::of(&store))
        .into_iter()
        .filter_map(|change| Some(change.path.split_once("/blobs")?.0.to_owned()))
        .collect();
    let said = finished.err.lines().find_map(|line| {
        let (number, _) = line
            .strip_prefix("ocirm: ")?
            .split_once(" further layout")?;
        number.parse::<usize>().ok()
    });
    // The one that was to be printed is known by the failure.
    assert_eq!(changed.len(), 1 + said.unwrap_or(0), "{finished}");
}
