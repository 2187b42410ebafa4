//! Several layouts at once keep every promise of one: whoever is killed, whoever else writes, however far the
//! disk is and whatever they share.
//!
//! Below, each law is one that other files state for one layout, or for several one after the other; here
//! eight are worked on at the same time, or what they do is compared with `--jobs 1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::jobs::said;
use crate::races::{Dice, PATIENT, assert_tidy, assert_whole, build, full_name, named, numbered};
use crate::support::command::{Finished, Running, TIME_LIMIT, ocirm};
use crate::support::contents::{arg, blob_path, blobs, digest, digest_of, members, names};
use crate::support::far::far;
use crate::support::layout::{LAYER, Layout};
use crate::support::mount::{Mount, may_mount};
use crate::support::peers::{SKOPEO, oci};
use crate::support::place::{Place, assert_mentions, assert_no_traces, assert_status, objects};
use crate::support::strace;
use crate::support::tree::{Content, Tree};
use rustix::process::{Pid, Signal, kill_process};

/// How many layouts a store has: more than work at the same time.
const LAYOUTS: usize = 12;

/// Layouts below `store`, each with an image `kept`, one of another name, a dangling one, and garbage.
fn store(place: &Place) -> Vec<PathBuf> {
    let one = |number: usize| {
        let mut layout = place.layout(&format!("store/{number:02}"));
        let kept = layout.image(&format!("kept {number}"));
        let old = layout.image_for("linux/amd64", &format!("old {number}"), &["base", "old"]);
        let lost = layout.image_for("linux/amd64", &format!("lost {number}"), &["base", "lost"]);
        layout
            .tagged(&kept, "kept")
            .tagged(&old, "old")
            .unnamed(&lost)
            .finish();
        for garbage in 0..3 {
            layout.blob("text/plain", format!("garbage {number} {garbage}\n"));
        }
        layout.dir.clone()
    };
    (0..LAYOUTS).map(one).collect()
}

/// How many blobs of a layout a plain `prune` leaves.
const LEFT: usize = 7;

/// A command line on all layouts of the store.
fn all_of(place: &Place, command: &[&str], jobs: &str) -> Vec<String> {
    let store = place.path("store");
    let more = ["--recursive", arg(&store), "--jobs", jobs];
    let words = command.iter().chain(&more);
    words.map(|word| (*word).to_owned()).collect()
}

fn run_all(place: &Place, command: &[&str], jobs: &str) -> Finished {
    let args = all_of(place, command, jobs);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    place.run(&args)
}

// Crashes.

const PRUNE: &[&str] = &["prune", "-f", "--grace", "0s"];
const TO_TRASH: &[&str] = &[
    "prune", "-a", "-f", "--keep", "kept", "--grace", "0s", "--trash",
];

/// The calls that change a disk.
const CHANGES: &str = "/^(unlinkat|rmdir|renameat2?|linkat|mkdirat|fsync|fdatasync|write)$";

/// The calls of a run, by name: how many of them two layouts take. As there are more layouts than threads, some thread
/// makes so many.
fn calls_of_two_layouts(log: &str) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in log.lines() {
        let text = line.split_once(' ').unwrap().1.trim_start();
        let call = text.split_once('(').map_or("", |(call, _)| call);
        if call.chars().all(|c| c.is_ascii_alphanumeric()) && !call.is_empty() {
            *counts.entry(call.to_owned()).or_default() += 1;
        }
    }
    let all = counts.into_iter();
    all.map(|(call, count)| (call, (count * 2).div_ceil(LAYOUTS)))
        .collect()
}

/// The bytes of blobs that lie anywhere in a layout, in its trash, too: their digests.
fn held(layout: &Path) -> BTreeSet<String> {
    let items = Tree::of(layout).items;
    let files = items.into_iter().filter_map(|(path, item)| {
        let Content::File { sha256, .. } = item.content else {
            return None;
        };
        path.ends_with(&sha256).then(|| format!("sha256:{sha256}"))
    });
    files.collect()
}

/// What a layout holds outside of the trash, and its index.json, when nobody works on it any more. The lock file
/// goes with the next change of index.json.
fn settled(layout: &Path) -> BTreeMap<String, Content> {
    let items = Tree::of(layout).items.into_iter();
    let own = items.filter(|(path, _)| {
        !path.starts_with(".ocirm-trash/") && path != "index.json.lock" && path != "."
    });
    own.map(|(path, item)| (path, item.content)).collect()
}

/// PA7: whichever thread is at which call, every layout is sound when all are killed there, and the next run
/// finishes all of them. So is it when the call fails instead.
#[test]
fn a_run_that_is_killed_leaves_all_layouts_sound() {
    if !strace::is_here() {
        return;
    }
    for command in [PRUNE, TO_TRASH] {
        let undisturbed = Place::new();
        let layouts = store(&undisturbed);
        let log = undisturbed.path("log");
        let trace = format!("trace={CHANGES}");
        let args = all_of(&undisturbed, command, "8");
        let done = strace::run(&["-o", arg(&log), "-e", &trace], &args, &undisturbed.home());
        assert_status(&done, 0);
        let end: Vec<_> = layouts.iter().map(|layout| settled(layout)).collect();
        let mut points = Vec::new();
        for (call, most) in calls_of_two_layouts(&fs::read_to_string(&log).unwrap()) {
            // Of calls that are made often some are met.
            let step = most.div_ceil(2);
            for number in (1..=most).step_by(step) {
                points.push((format!("{call}:signal=KILL:when={number}"), true));
            }
            points.push((format!("{call}:error=EIO:when={step}"), false));
        }
        let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Some((inject, kills)) =
                        points.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let was_killed = disturbed(command, inject, &end);
                        assert!(*kills || !was_killed, "{inject}");
                        killed.fetch_add(usize::from(was_killed), Ordering::Relaxed);
                    }
                });
            }
        });
        // Who prints makes other calls than who works on layouts, so not every call is met again.
        let killed = killed.into_inner();
        println!("killed at {killed} of {} points", points.len());
        let kills = points.iter().filter(|(_, kills)| *kills).count();
        assert!(killed * 10 >= kills * 9, "{killed} of {points:?}");
    }
}

/// Disturbs a command, judges what it left and what the next run makes of it. The value is whether it was killed.
fn disturbed(command: &[&str], inject: &str, end: &[BTreeMap<String, Content>]) -> bool {
    let place = Place::new();
    let layouts = store(&place);
    let before: Vec<_> = layouts.iter().map(|layout| held(layout)).collect();
    let keeps_all = command.contains(&"--trash");
    let args = all_of(&place, command, "8");
    let injected = strace::injected(inject, Path::new("/dev/null"), &args, &place.home());
    let stopped = Running::start(injected, &args).finish();
    let judge = |finished: &Finished| {
        for (layout, before) in layouts.iter().zip(&before) {
            assert_whole(layout);
            assert!(names(layout).contains(&"kept".to_owned()), "{finished}");
            if keeps_all {
                assert_eq!(held(layout), *before, "{inject}: {finished}");
            }
        }
    };
    judge(&stopped);
    let again = run_all(&place, command, "8");
    assert_status(&again, 0);
    judge(&again);
    for (layout, end) in layouts.iter().zip(end) {
        assert_eq!(settled(layout), *end, "{inject}: {stopped}{again}");
    }
    let was_killed = stopped.code().is_none();
    // Printing fails with the status of the command line tools.
    assert!(was_killed || stopped.code() <= Some(12), "{stopped}");
    was_killed
}

/// What is done to each layout, in order, from the calls that strace wrote: what the proofs of `power_cuts` say of one
/// layout is so of each of several.
fn changes_of_each(log: &str, store: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let head = format!("{}/", arg(store));
    for line in log.lines() {
        let Some((_, text)) = line.split_once(' ') else {
            continue;
        };
        let text = text.trim_start();
        let (Some((call, _)), Some((_, path))) = (text.split_once('('), text.split_once(&head))
        else {
            continue;
        };
        let layout = &path[..2];
        // Names of the moment differ.
        let words = text.replace(&head, "");
        let words: Vec<&str> = words
            .split(|c: char| !(c.is_alphanumeric() || c == '/' || c == '.' || c == '-'))
            .filter(|word| word.contains('/') || word.len() == 64)
            .filter(|word| word.len() == 64 || !word.contains(".ocirm-"))
            .collect();
        let change = format!("{call} {}", words.join(" "));
        found.entry(layout.to_owned()).or_default().push(change);
    }
    for changes in found.values_mut() {
        // Blobs of one kind go in any order.
        for run in changes.chunk_by_mut(|a, b| {
            [a, b].iter().all(|change| change.starts_with("unlinkat "))
                || [a, b].iter().all(|change| change.starts_with("linkat "))
        }) {
            run.sort();
        }
    }
    found
}

/// PA7: what is written, synced and removed in each layout, and in which order, does not depend on the others.
#[test]
fn each_layout_is_synced_as_if_it_were_alone() {
    if !strace::is_here() {
        return;
    }
    for command in [PRUNE, TO_TRASH] {
        let mut all = Vec::new();
        for jobs in ["1", "8"] {
            let place = Place::new();
            store(&place);
            let log = place.path("log");
            let trace = "trace=/^(unlinkat|rmdir|renameat2?|linkat|mkdirat|fsync|fdatasync)$";
            let options = ["-y", "-s", "200", "-o", arg(&log), "-e", trace];
            let args = all_of(&place, command, jobs);
            assert_status(&strace::run(&options, &args, &place.home()), 0);
            let log = fs::read_to_string(&log).unwrap();
            all.push(changes_of_each(&log, &place.path("store")));
        }
        let all_sync = |changes: &Vec<String>| changes.iter().any(|call| call.starts_with("fsync"));
        assert_eq!(all[0].len(), LAYOUTS);
        assert!(all[0].values().all(all_sync), "{:#?}", all[0]);
        assert_eq!(all[1], all[0], "{command:?}");
    }
}

// Other writers.

/// What builders, other commands and `prune --jobs 8` do to the same layouts at the same time loses nothing.
#[test]
fn builders_and_removals_in_several_layouts_lose_no_row_to_a_prune_of_all() {
    const BUILT_IN: usize = 4;
    const REMOVED_FROM: usize = 2;
    const ROUNDS: usize = 12;
    let mut dice = Dice::new();
    let place = Place::new();
    let old = numbered("n", ROUNDS);
    let layouts: Vec<Layout> = (0..8)
        .map(|number| {
            let mut layout = place.layout(&format!("store/{number:02}"));
            let kept = layout.image(&format!("kept {number}"));
            layout.named(&kept, &full_name("kept"));
            for name in &old {
                let image = layout.image_for("linux/amd64", name, &["base", name]);
                layout.named(&image, &full_name(name));
            }
            layout.finish();
            layout
        })
        .collect();
    let (done, pace) = (AtomicBool::new(false), AtomicU64::new(40));
    let prune = [PRUNE, &["--format", "json"], &PATIENT].concat();
    let mut gave_up = 0;
    let built = thread::scope(|scope| {
        let builders: Vec<_> = layouts[..BUILT_IN]
            .iter()
            .map(|layout| {
                let mut own = dice.split();
                let (done, pace) = (&done, &pace);
                // An image that is there: blobs that nothing leads to yet have no grace here.
                let kept = layout.image_for("linux/amd64", &old[0], &["base", &old[0]]);
                scope.spawn(move || build(&layout.dir, &mut own, done, pace, &|_| kept.clone()))
            })
            .collect();
        let removals = scope.spawn(|| {
            let mut wrong = Vec::new();
            for name in &old[1..] {
                for layout in &layouts[BUILT_IN..][..REMOVED_FROM] {
                    let name = format!("{name}:1");
                    let args = [&["rmi", &name][..], &PATIENT].concat();
                    let removed = place.run_in(&layout.dir, &args);
                    wrong.extend((removed.code() != Some(0)).then(|| removed.to_string()));
                }
            }
            wrong
        });
        let mut wrong = Vec::new();
        for round in 0..ROUNDS {
            let garbage: Vec<_> = layouts
                .iter()
                .map(|layout| layout.blob("text/plain", format!("garbage {round}\n")))
                .collect();
            let start = Instant::now();
            let pruned = run_all(&place, &prune, "8");
            let took = start.elapsed().as_millis();
            pace.store(took.try_into().unwrap(), Ordering::SeqCst);
            let too_often = pruned
                .err
                .contains("was changed by another program each time");
            gave_up += usize::from(too_often);
            if !(pruned.code() == Some(0) || pruned.code() == Some(1) && too_often) {
                wrong.push(pruned.to_string());
            }
            for (layout, garbage) in layouts.iter().zip(&garbage).skip(BUILT_IN + REMOVED_FROM) {
                if blobs(&layout.dir).contains(digest(garbage)) {
                    wrong.push(pruned.to_string());
                }
            }
        }
        wrong.extend(removals.join().unwrap());
        done.store(true, Ordering::SeqCst);
        let built: Vec<_> = builders.into_iter().map(|b| b.join().unwrap()).collect();
        assert!(wrong.is_empty(), "{}", wrong.concat());
        built
    });
    println!("{gave_up} of {ROUNDS} gave up");
    assert_status(&run_all(&place, PRUNE, "8"), 0);
    let all: BTreeSet<String> = old.iter().map(|name| full_name(name)).collect();
    for (number, layout) in layouts.iter().enumerate() {
        let mut expected = all.clone();
        match built.get(number) {
            Some(built) => expected.extend(built.names.iter().cloned()),
            None if number < BUILT_IN + REMOVED_FROM => {
                expected = [full_name(&old[0])].into();
            }
            None => {}
        }
        expected.insert(full_name("kept"));
        assert_eq!(named(&layout.dir), expected, "{number}");
        assert_tidy(&layout.dir);
    }
    assert!(built.iter().all(|built| !built.names.is_empty()));
}

/// FR16: what skopeo writes into several of the layouts is whole, and garbage goes all the same.
#[test]
fn copies_into_several_layouts_stay_whole_beside_prunes_of_all() {
    const GRACE: Duration = Duration::from_secs(3);
    const COPIES: usize = 8;
    if !SKOPEO.is_here() {
        return;
    }
    let place = Place::new();
    let mut source = place.layout("source");
    for name in numbered("n", COPIES) {
        let image = source.image_for("linux/amd64", &name, &["base", &name]);
        source.tagged(&image, &name);
    }
    source.finish();
    let layouts = store(&place);
    // skopeo locks nothing: it may bring an entry back that it read before that was removed.
    assert_status(&run_all(&place, PRUNE, "8"), 0);
    for (number, layout) in layouts.iter().enumerate() {
        for garbage in 0..3 {
            let garbage = format!("garbage {number} {garbage}\n");
            fs::write(blob_path(layout, &digest_of(&garbage)), garbage).unwrap();
        }
    }
    let (done, copied) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let prunes = thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let mut prunes = Vec::new();
            let garbage = digest_of("garbage 0 0\n");
            let end = Instant::now() + TIME_LIMIT;
            while !done.load(Ordering::SeqCst)
                || blob_path(&layouts[0], &garbage).exists() && Instant::now() < end
            {
                prunes.push(run_all(&place, &["prune", "-f", "--grace", "3s"], "8"));
            }
            prunes
        });
        let writers: Vec<_> = layouts[..4]
            .iter()
            .map(|layout| {
                let (copied, source) = (&copied, &source.dir);
                scope.spawn(move || {
                    for name in numbered("n", COPIES) {
                        let start = Instant::now();
                        let from = oci(source, &name);
                        SKOPEO.run(["copy", "--quiet", &from, &oci(layout, &name)]);
                        // What takes longer than the grace period was promised nothing.
                        if start.elapsed() < GRACE {
                            let mut copied = copied.lock().unwrap();
                            let of_layout: &mut Vec<String> =
                                copied.entry(layout.clone()).or_default();
                            of_layout.push(name);
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
        pruner.join().unwrap()
    });
    for prune in &prunes {
        // An image that was being written, or an index that was changed again and again, is said.
        assert!(prune.wrong_ending(&[0, 1, 12]).is_none(), "{prune}");
    }
    for (layout, copied) in copied.into_inner().unwrap() {
        let there = names(&layout);
        assert!(
            copied.iter().all(|name| there.contains(name)),
            "{there:?} {copied:?}"
        );
        assert_whole(&layout);
    }
    assert_status(&run_all(&place, PRUNE, "8"), 0);
    for (number, layout) in layouts.iter().enumerate() {
        for garbage in 0..3 {
            let garbage = digest_of(format!("garbage {number} {garbage}\n"));
            assert!(!blobs(layout).contains(&garbage));
        }
    }
}

// Others that are in the way, and disks that are far away.

/// PA3: a layout that somebody else has holds up no other one: all others are pruned while it is waited for.
#[test]
fn while_one_layout_is_waited_for_all_others_are_pruned() {
    for is_far in [false, true] {
        let place = Place::new();
        let near: Vec<PathBuf> = store(&place);
        let disk = if is_far {
            fs::rename(place.path("store"), place.path("near")).unwrap();
            let disk = far(&place.path("near"), &place.path("store"), MILLISECOND);
            if disk.is_none() {
                return;
            }
            disk
        } else {
            None
        };
        // The first, which is printed before all others.
        let locked = File::open(&near[0]).unwrap();
        fs2::FileExt::lock_exclusive(&locked).unwrap();
        let before = Tree::of(&near[0]);
        let prune = [PRUNE, &PATIENT].concat();
        let args = all_of(&place, &prune, "8");
        let running = Running::start(ocirm(&args, &place.home()), &args);
        let end = Instant::now() + TIME_LIMIT;
        let dirs: Vec<PathBuf> = match is_far {
            true => (1..LAYOUTS)
                .map(|number| place.path(&format!("near/{number:02}")))
                .collect(),
            false => near[1..].to_vec(),
        };
        while dirs.iter().any(|dir| stored(dir) > LEFT) {
            assert!(Instant::now() < end, "{}", running.finish());
            thread::sleep(Duration::from_millis(2));
        }
        assert!(before.changes(&Tree::of(&near[0])).is_empty());
        drop(locked);
        let finished = running.finish();
        assert_status(&finished, 0);
        for dir in &near {
            assert_eq!(stored(dir), LEFT, "{finished}");
            assert_no_work_left(dir, &finished);
        }
        drop(disk);
    }
}

/// Nothing is left of the work but the lock file, which a layout on a far disk keeps.
#[track_caller]
fn assert_no_work_left(layout: &Path, finished: &Finished) {
    let items = Tree::of(layout).items;
    let left: Vec<&String> = items
        .keys()
        .filter(|path| path.contains(".ocirm-tmp") || *path == "index.json.lock")
        .collect();
    assert!(left.is_empty(), "{left:?}\n{finished}");
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// How many blobs there are, while they become fewer.
fn stored(layout: &Path) -> usize {
    fs::read_dir(layout.join("blobs/sha256")).unwrap().count()
}

/// PA1: on a far disk the same is said and done, whatever is done at once, also with more jobs than layouts.
#[test]
fn as_many_jobs_as_you_like_do_the_same_on_a_far_disk() {
    let commands: [&[&str]; 5] = [
        &["ls", "-a"],
        &["df", "-v"],
        &["check", "--digests"],
        TO_TRASH,
        PRUNE,
    ];
    let with_jobs = |jobs: &str| {
        let place = Place::new();
        store(&place);
        fs::rename(place.path("store"), place.path("near")).unwrap();
        let disk = far(&place.path("near"), &place.path("store"), MILLISECOND)?;
        let done = commands.map(|command| {
            let finished = run_all(&place, command, jobs);
            assert_status(&finished, 0);
            (plain(&finished, &place), files(&place.path("near")))
        });
        assert!(disk.is_mounted());
        Some(done)
    };
    let all = thread::scope(|scope| {
        let all = ["1", "8", "64"].map(|jobs| scope.spawn(move || with_jobs(jobs)));
        all.map(|one| one.join().unwrap())
    });
    let [Some(one), Some(eight), Some(many)] = all else {
        return;
    };
    for (number, command) in commands.iter().enumerate() {
        assert_eq!(eight[number], one[number], "{command:?}");
        assert_eq!(many[number], one[number], "{command:?}");
    }
}

/// PA2: names of old files go from all layouts of a far disk, whoever looks at a file while another job takes a name.
#[test]
fn old_files_in_many_layouts_of_a_far_disk_go_from_all() {
    if !strace::is_here() {
        return;
    }
    const FILES: usize = 3;
    let place = Place::new();
    let mut first: Vec<PathBuf> = Vec::new();
    for number in 0..24 {
        let mut layout = place.layout(&format!("near/{number:02}"));
        let kept = layout.image("kept");
        layout.tagged(&kept, "kept").finish();
        for garbage in 0..FILES {
            let blob = layout.blob(LAYER, format!("garbage {garbage}\n"));
            let path = blob_path(&layout.dir, digest(&blob));
            match first.get(garbage) {
                Some(other) => {
                    fs::remove_file(&path).unwrap();
                    fs::hard_link(other, &path).unwrap();
                }
                None => first.push(path),
            }
        }
    }
    let Some(_disk) = far(&place.path("near"), &place.path("store"), Duration::ZERO) else {
        return;
    };
    thread::sleep(MILLISECOND * 1100);
    let command = ["prune", "--grace", "1s", "--format", "json", "--dry-run"];
    let freed = |finished: &Finished| -> Vec<u64> {
        assert_status(finished, 0);
        let all = objects(finished);
        all.iter()
            .filter_map(|report| report["freed_bytes"].as_u64())
            .collect()
    };
    let dry = freed(&run_all(&place, &command, "16"));
    let mut args = all_of(&place, &command, "16");
    args[5] = "--force".to_owned();
    // What a look found is old when it is known.
    let inject = "newfstatat:delay_exit=3000";
    let command = strace::injected(inject, Path::new("/dev/null"), &args, &place.home());
    assert_eq!(freed(&Running::start(command, &args).finish()), dry);
    for number in 0..24 {
        assert_eq!(stored(&place.path(&format!("near/{number:02}"))), 3);
    }
}

/// PA4: on a far disk a signal stops all layouts that are being changed between two files, and no other is begun.
#[test]
fn a_signal_stops_all_layouts_of_a_far_disk_between_two_files() {
    let signal = Signal::TERM;
    let place = Place::new();
    let layouts: Vec<PathBuf> = (0..16)
        .map(|number| {
            let mut layout = place.layout(&format!("near/{number:02}"));
            let kept = layout.image(&format!("kept {number}"));
            layout.tagged(&kept, "kept").finish();
            for garbage in 0..60 {
                layout.blob(LAYER, format!("garbage {number} {garbage}\n"));
            }
            layout.dir.clone()
        })
        .collect();
    let before: Vec<_> = layouts.iter().map(|dir| blobs(dir)).collect();
    let delay = MILLISECOND * 2;
    let Some(_disk) = far(&place.path("near"), &place.path("store"), delay) else {
        return;
    };
    let command = [PRUNE, &["--format", "json"]].concat();
    let args = all_of(&place, &command, "4");
    let mut running = Running::start(ocirm(&args, &place.home()), &args);
    let all: usize = before.iter().map(BTreeSet::len).sum();
    while layouts.iter().map(|dir| stored(dir)).sum::<usize>() > all - 5 {
        assert!(running.child.try_wait().unwrap().is_none());
        thread::sleep(MILLISECOND);
    }
    kill_process(Pid::from_child(&running.child), signal).unwrap();
    let finished = running.finish();
    assert_status(&finished, 128 + signal.as_raw());
    let reports = objects(&finished);
    let mut untouched = 0;
    for (dir, before) in layouts.iter().zip(&before) {
        let gone: BTreeSet<String> = before.difference(&blobs(dir)).cloned().collect();
        untouched += usize::from(gone.is_empty());
        let name = dir.file_name().and_then(|name| name.to_str()).unwrap();
        let report = reports.iter().find(|report| {
            let layout = report["layout"].as_str();
            layout.is_some_and(|layout| layout.ends_with(&format!("store/{name}")))
        });
        let said = report.map(|report| members(&report["deleted"], "digest"));
        let said: BTreeSet<String> = said
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert_eq!(said, gone, "{name}: {finished}");
        assert_whole(dir);
        assert_no_work_left(dir, &finished);
    }
    assert!(untouched > 0, "{finished}");
    assert_mentions(&finished, "not done, and nothing was changed there");
    assert_status(&run_all(&place, PRUNE, "8"), 0);
    assert!(layouts.iter().all(|dir| stored(dir) == 3));
}

/// PA4: who only reads, on however many layouts, is ended at once: an answer of the disk is not waited for.
#[test]
fn a_signal_ends_many_readers_of_a_far_disk() {
    let place = Place::new();
    store(&place);
    fs::rename(place.path("store"), place.path("near")).unwrap();
    let delay = MILLISECOND * 100;
    let Some(disk) = far(&place.path("near"), &place.path("store"), delay) else {
        return;
    };
    let asked = || disk.requests().into_values().sum::<u64>();
    let commands: [&[&str]; 4] = [&["ls"], &["df"], &["check"], PRUNE];
    for command in commands {
        let before = Tree::of(&place.path("near"));
        let asked_before = asked();
        let args = all_of(&place, command, "8");
        let running = Running::start(ocirm(&args, &place.home()), &args);
        let end = Instant::now() + TIME_LIMIT;
        while asked() < asked_before + 16 {
            assert!(Instant::now() < end, "{}", running.finish());
            thread::sleep(MILLISECOND);
        }
        kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
        let finished = running.finish();
        assert_status(&finished, 143);
        assert_mentions(&finished, "interrupted; nothing was changed");
        assert_no_traces(&before, &Tree::of(&place.path("near")), &finished);
    }
}

// Layouts that share.

/// What layouts of a store have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sharing {
    /// `blobs` of each is a link to one directory beside the store.
    Links,
    /// `blobs/sha256` is.
    InnerLinks,
    /// `blobs` of each is a link into the first layout.
    LinksToTheFirst,
    /// `blobs` of each is a mount of that of the first.
    Mounts,
    /// The layouts are mounts of the first.
    WholeMounts,
    /// Each blob of a layout is a hard link to one of the first.
    HardLinks,
    /// A store that deduplicates: empty files stand for what the first has.
    Stubs,
    /// Pairs of those above, below one directory.
    Mixed,
}

const SHARINGS: [Sharing; 8] = [
    Sharing::Links,
    Sharing::InnerLinks,
    Sharing::LinksToTheFirst,
    Sharing::Mounts,
    Sharing::WholeMounts,
    Sharing::HardLinks,
    Sharing::Stubs,
    Sharing::Mixed,
];

/// Makes a store of nine layouts. The mounts that it needs go when the value does.
fn sharing(place: &Place, sharing: Sharing) -> Option<Vec<Mount>> {
    const NINE: usize = 9;
    let mut mounts = Vec::new();
    let first = write_sharer(place, 0);
    let shared = place.path("shared");
    if matches!(sharing, Sharing::Links | Sharing::InnerLinks) {
        let inner = inner_of(sharing);
        fs::rename(first.join(inner), &shared).unwrap();
        symlink(&shared, first.join(inner)).unwrap();
    }
    for number in 1..NINE {
        let of_pair = match (sharing, number / 3) {
            (Sharing::Mixed, 0) => Sharing::LinksToTheFirst,
            (Sharing::Mixed, 1) => Sharing::HardLinks,
            (Sharing::Mixed, _) => Sharing::Stubs,
            (other, _) => other,
        };
        if of_pair == Sharing::WholeMounts {
            let dir = place.path(&format!("store/{number:02}"));
            mounts.push(Mount::new(&dir, &["--bind", arg(&first)]).ok()?);
            continue;
        }
        let dir = write_sharer(place, number);
        match of_pair {
            Sharing::Links | Sharing::InnerLinks => {
                let inner = inner_of(of_pair);
                share(&dir.join(inner), &shared);
                fs::remove_dir_all(dir.join(inner)).unwrap();
                symlink(&shared, dir.join(inner)).unwrap();
            }
            Sharing::LinksToTheFirst => {
                share(&dir.join("blobs"), &first.join("blobs"));
                fs::remove_dir_all(dir.join("blobs")).unwrap();
                symlink(first.join("blobs"), dir.join("blobs")).unwrap();
            }
            Sharing::Mounts => {
                let blobs = dir.join("blobs");
                share(&blobs, &first.join("blobs"));
                mounts.push(Mount::new(&blobs, &["--bind", arg(&first.join("blobs"))]).ok()?);
            }
            Sharing::HardLinks | Sharing::Stubs => {
                for blob in blobs(&first) {
                    let (own, other) = (blob_path(&dir, &blob), blob_path(&first, &blob));
                    if own.exists() && of_pair == Sharing::Stubs {
                        fs::write(own, "").unwrap();
                    } else if of_pair == Sharing::HardLinks {
                        let _ = fs::remove_file(&own);
                        fs::hard_link(other, own).unwrap();
                    }
                }
            }
            Sharing::WholeMounts | Sharing::Mixed => {}
        }
    }
    Some(mounts)
}

fn inner_of(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::InnerLinks => "blobs/sha256",
        _ => "blobs",
    }
}

/// A layout with images of its own, a layer that all have, a dangling image, and garbage of its own and of all.
fn write_sharer(place: &Place, number: usize) -> PathBuf {
    let mut layout = place.layout(&format!("store/{number:02}"));
    let kept = layout.image_for(
        "linux/amd64",
        &format!("kept {number}"),
        &["base", &format!("kept {number}")],
    );
    let lost = layout.image_for("linux/amd64", &format!("lost {number}"), &["base"]);
    layout.tagged(&kept, "kept").unnamed(&lost).finish();
    layout.blob("text/plain", "garbage of all\n");
    layout.blob("text/plain", format!("garbage {number}\n"));
    layout.dir.clone()
}

/// Brings what is below a directory to another one.
fn share(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => share(&entry.path(), &target),
            false => fs::rename(entry.path(), target).unwrap(),
        }
    }
}

/// Removals are called by the time at which they were made.
fn without_times(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let parts = text.split_inclusive(|c: char| !is_word(c)).map(|part| {
        let word = part.trim_end_matches(|c: char| !is_word(c));
        let is_removal = word.starts_with("20") && word.contains("Z-");
        match is_removal {
            true => part.replace(word, "REMOVAL"),
            false => part.to_owned(),
        }
    });
    parts.collect()
}

fn plain(finished: &Finished, place: &Place) -> (Option<i32>, String, String) {
    let (code, out, err) = said(finished, place);
    (code, without_times(&out), without_times(&err))
}

/// Every file and what is in it, by its path; of what the trash notes only that it does.
fn files(dir: &Path) -> BTreeMap<String, Option<Content>> {
    let items = Tree::of(dir).items.into_iter();
    let files = items.map(|(path, item)| {
        let is_note = path.ends_with("removal.json");
        (without_times(&path), (!is_note).then_some(item.content))
    });
    // A link leads to where the test is.
    files
        .map(|(path, content)| match content {
            Some(Content::Link(_)) => (path, None),
            content => (path, content),
        })
        .collect()
}

/// PA1, PA2, PA5: whatever layouts share, the same is said, done and freed, and no lock is waited for that the run
/// itself has.
#[test]
fn as_many_jobs_as_you_like_do_the_same_where_layouts_share() {
    const COMMANDS: [&[&str]; 7] = [
        &["prune", "-n", "--grace", "0s"],
        &["prune", "-a", "-f", "-v", "--grace", "0s"],
        OF_SOME,
        TO_TRASH,
        &["ls", "-a"],
        &["df", "-v"],
        &["check", "--digests"],
    ];
    let may_mount = may_mount();
    let of_sharing = SHARINGS.map(|kind| (kind, COMMANDS));
    let todo: Vec<(Sharing, &[&str])> = of_sharing
        .iter()
        .flat_map(|(kind, commands)| commands.iter().map(|command| (*kind, *command)))
        .filter(|(kind, _)| may_mount || !matches!(kind, Sharing::Mounts | Sharing::WholeMounts))
        .collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((kind, command)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    compare(*kind, command);
                }
            });
        }
    });
}

/// What is tried beside others that share, too.
const OF_SOME: &[&str] = &["prune", "-f", "--grace", "0s", "--format", "json"];

/// Compares what one after the other says and does with what eight at once do, with and without others that share.
fn compare(kind: Sharing, command: &[&str]) {
    let besides: &[&[&str]] = match command {
        OF_SOME => &[&[], &["store/04"], &["beside"], &["store/00", "store/08"]],
        _ => &[&[]],
    };
    for beside in besides {
        let mut all = Vec::new();
        for jobs in ["1", "8"] {
            let place = Place::new();
            let Some(_mounts) = sharing(&place, kind) else {
                return;
            };
            let mut other = place.layout("beside");
            let image = other.image("beside");
            other.tagged(&image, "beside").finish();
            let beside: Vec<PathBuf> = beside.iter().map(|name| place.path(name)).collect();
            let mut command = [command, &["--lock-timeout", "0s"]].concat();
            for beside in &beside {
                command.extend(["--also-root", arg(beside)]);
            }
            let finished = run_all(&place, &command, jobs);
            assert!(finished.wrong_ending(&[0, 1, 12]).is_none(), "{finished}");
            for wrong in ["in use by another process", "clocks"] {
                assert!(!finished.err.contains(wrong), "{kind:?} {finished}");
            }
            all.push((
                plain(&finished, &place),
                files(&place.path("store")),
                files(&place.path("beside")),
                place
                    .path("shared")
                    .exists()
                    .then(|| files(&place.path("shared"))),
            ));
        }
        for other in &all[1..] {
            assert_eq!(*other, all[0], "{kind:?} {command:?} {beside:?}");
        }
    }
}
