//! One disk and two machines: locks, caches, deaths and copies.
//!
//! JuiceFS is mounted twice, with what it caches by default. What one machine has looked at it believes for a second,
//! and in that second the other one is at work.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::file_systems::{self, STEPS, content};
use crate::support::command::{Finished, Running, in_layout, ocirm};
use crate::support::contents::{arg, blob_path, blobs, digest, names};
use crate::support::layout::{LAYER, Layout};
use crate::support::names::DANGLING;
use crate::support::peers::{SKOPEO, oci};
use crate::support::place::{PRUNE, PRUNE_ALL, Place, assert_mentions, assert_status};
use crate::support::stopped::{Moment, Stopped};
use crate::support::strace;
use crate::support::two_machines::TwoMachines;
use rustix::fs::{FlockOperation, flock};

/// The first blob is about to go; the layout is locked.
const DELETING: Moment = Moment::after("/^unlinkat$", 2);

/// `index.json` was compared and is about to be replaced.
const REPLACING: Moment = Moment {
    call: "pread64",
    number: 1,
    of: Some("index.json"),
};

/// A layout with these images, as the first machine writes it.
fn write(machines: &TwoMachines, titles: &[&str]) -> Layout {
    let mut layout = Layout::in_dir(&machines.layout(0));
    for title in titles {
        let image = layout.image_for("linux/amd64", title, &["base", title]);
        layout.tagged(&image, title);
    }
    layout.finish();
    layout
}

fn run(machines: &TwoMachines, machine: usize, args: &[&str]) -> Finished {
    machines.place.run_in(&machines.layout(machine), args)
}

#[track_caller]
fn succeeds(machines: &TwoMachines, machine: usize, args: &[&str]) -> Finished {
    let finished = run(machines, machine, args);
    assert_status(&finished, 0);
    finished
}

/// Writes index.json as most tools do: beside the old one, and renamed.
fn replace_index(layout: &Path, text: &str) {
    let beside = layout.join("index.json.new");
    let mut file = File::create(&beside).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.sync_all().unwrap();
    fs::rename(beside, layout.join("index.json")).unwrap();
}

/// E4: what one machine changes is locked for the other, and readers read beside each other.
#[test]
fn a_lock_holds_on_the_other_machine() {
    let Some(machines) = TwoMachines::new() else {
        return;
    };
    if !strace::is_here() {
        return;
    }
    write(&machines, &["a", "b", "c"]);
    let impatient = |args: &[&'static str]| [&["--lock-timeout", "200ms"][..], args].concat();
    let stopped = Stopped::at(
        DELETING,
        &machines.place,
        &machines.layout(0),
        &["rmi", "a"],
    );
    for command in [
        &["ls"][..],
        &["check"],
        &["untag", "b"],
        &PRUNE,
        &["rmi", "-n", "b"],
    ] {
        let refused = run(&machines, 1, &impatient(command));
        assert_status(&refused, 11);
    }
    let args = in_layout(
        &machines.layout(1),
        &["-v", "--lock-timeout", "20s", "rmi", "b"],
    );
    let waiting = Running::start(ocirm(&args, &machines.place.home()), &args);
    waiting.wait_for("which another process uses");
    assert_status(&stopped.goes_on(), 0);
    assert_status(&waiting.finish(), 0);
    assert_eq!(names(&machines.layout(0)), ["c"]);
    let file = File::open(machines.layout(0).join(".ocirm.lock")).unwrap();
    flock(&file, FlockOperation::LockShared).unwrap();
    assert_status(&run(&machines, 1, &impatient(&["ls"])), 0);
    assert_status(&run(&machines, 1, &impatient(&["untag", "c"])), 11);
    drop(file);
    assert_status(&run(&machines, 1, &impatient(&["untag", "c"])), 0);
}

/// E4: many commands of both machines at once, none of which is lost.
#[test]
fn no_change_of_two_machines_is_lost() {
    let Some(machines) = TwoMachines::new() else {
        return;
    };
    let titles: Vec<String> = (0..24).map(|n| format!("n{n}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    write(&machines, &titles);
    let (gone, kept) = titles.split_at(16);
    let mut jobs: Vec<Vec<&str>> = Vec::new();
    for (n, title) in gone.iter().enumerate() {
        jobs.push(vec![["untag", "rmi"][n % 2], title]);
        if n % 4 == 0 {
            jobs.push(PRUNE.to_vec());
            jobs.push(vec!["check"]);
            jobs.push(vec!["ls"]);
        }
    }
    let jobs = Mutex::new(jobs);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (jobs, machines) = (&jobs, &machines);
            scope.spawn(move || {
                loop {
                    let job = jobs.lock().unwrap().pop();
                    let Some(job) = job else { break };
                    let patient = [&["--lock-timeout", "60s"], &job[..]].concat();
                    succeeds(machines, thread % 2, &patient);
                }
            });
        }
    });
    for machine in [0, 1] {
        let mut left = names(&machines.layout(machine));
        // Without its last name an image is dangling.
        left.retain(|name| !name.starts_with(DANGLING));
        left.sort();
        let mut kept = kept.to_vec();
        kept.sort_unstable();
        assert_eq!(left, kept);
        succeeds(&machines, machine, &["check", "--digests"]);
    }
    succeeds(&machines, 1, &PRUNE);
    // A config, a manifest and a layer of each, and what they share.
    assert_eq!(blobs(&machines.layout(0)).len(), 3 * kept.len() + 1);
}

/// E5: an entry that the other machine adds between comparing and replacing survives, though this one's kernel still
/// shows the old file.
#[test]
fn an_entry_of_the_other_machine_survives_the_last_moment() {
    if !strace::is_here() {
        return;
    }
    for in_place in [false, true] {
        let Some(machines) = TwoMachines::new() else {
            return;
        };
        if !machines.can_exchange() {
            return;
        }
        let mut layout = write(&machines, &["a", "b"]);
        // Seen by the machine that is going to replace it.
        succeeds(&machines, 1, &["ls"]);
        let stopped = Stopped::at(
            REPLACING,
            &machines.place,
            &machines.layout(1),
            &["untag", "a"],
        );
        let image = layout.image("added");
        layout.tagged(&image, "added");
        let text = layout.listing().to_string();
        match in_place {
            true => fs::write(layout.dir.join("index.json"), text).unwrap(),
            false => replace_index(&layout.dir, &text),
        }
        let finished = stopped.goes_on();
        assert_status(&finished, 0);
        for machine in [0, 1] {
            let mut left = names(&machines.layout(machine));
            left.retain(|name| !name.starts_with(DANGLING));
            assert_eq!(left, ["b", "added"], "{in_place} {finished}");
        }
        succeeds(&machines, 0, &["check", "--digests"]);
    }
}

/// E5: what the other machine has come to need a moment ago stays.
#[test]
fn what_the_other_machine_has_just_named_stays() {
    let Some(machines) = TwoMachines::new() else {
        return;
    };
    for command in [&PRUNE[..], &["rmi", "a"]] {
        machines.next_layout();
        let mut layout = write(&machines, &["a"]);
        let image = layout.image("late");
        // The second machine looks, and then the first one names what was there without a name.
        let dir = machines.layout(1);
        assert!(fs::metadata(dir.join("index.json")).unwrap().len() > 0);
        layout.tagged(&image, "late");
        replace_index(&layout.dir, &layout.listing().to_string());
        assert_status(&machines.place.run_in(&dir, command), 0);
        assert!(
            names(&machines.layout(0)).contains(&"late".to_owned()),
            "{command:?}"
        );
        succeeds(&machines, 0, &["check", "--digests"]);
        assert!(
            blob_path(&machines.layout(0), digest(&image)).exists(),
            "{command:?}"
        );
    }
}

/// E5: whoever looks while the other machine replaces index.json again and again sees one or the other.
#[test]
fn the_other_machine_never_finds_half_an_index() {
    let Some(machines) = TwoMachines::new() else {
        return;
    };
    let titles: Vec<String> = (0..30).map(|n| format!("n{n}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    write(&machines, &titles);
    let is_done = AtomicBool::new(false);
    let looks = thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut looks = 0;
            while !is_done.load(Ordering::Relaxed) {
                for look in [&["--no-lock", "ls"][..], &["ls"], &["--no-lock", "check"]] {
                    let patient = [&["--lock-timeout", "60s"], look].concat();
                    let seen = run(&machines, 1, &patient);
                    // Without a lock an image may go while it is looked at, and never the list of them.
                    assert!(seen.code() == Some(0) || look[1] == "check", "{seen}");
                    assert!(!seen.err.contains("index.json"), "{seen}");
                    looks += 1;
                }
            }
            looks
        });
        for title in &titles[..25] {
            succeeds(&machines, 0, &["--lock-timeout", "60s", "rmi", title]);
        }
        succeeds(
            &machines,
            0,
            &["--lock-timeout", "60s", "prune", "-f", "--grace", "0s"],
        );
        is_done.store(true, Ordering::Relaxed);
        looker.join().unwrap()
    });
    assert!(looks > 3, "{looks}");
}

/// E1, on a disk of a network, and the other machine sees what the first one did.
#[test]
fn commands_do_the_same_on_a_disk_of_a_network() {
    let Some(machines) = TwoMachines::new() else {
        return;
    };
    let place = Place::new();
    file_systems::write(&place.path("layout"));
    let expected = file_systems::steps(&place, &place.path("layout"));
    file_systems::write(&machines.layout(0));
    let seen = file_systems::steps(&machines.place, &machines.layout(0));
    for (step, (seen, expected)) in STEPS.iter().zip(seen.iter().zip(&expected)) {
        assert_eq!(seen, expected, "{step:?}");
    }
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(content(&machines.layout(1)), content(&place.path("layout")));
}

/// What is stopped, and what finishes it.
const STOPPED: [(&[&str], &[&[&str]]); 7] = [
    (&["rmi", "app:1"], &[&["rmi", "--ignore", "app:1"], &PRUNE]),
    (
        &["rmi", "--trash", "app:1"],
        &[
            &["rmi", "--trash", "--ignore", "app:1"],
            &["prune", "-f", "--grace", "0s", "--trash"],
        ],
    ),
    (
        &[
            "rmi",
            "--rewrite-index",
            "--platform",
            "linux/arm64",
            "app:1",
        ],
        &[
            &[
                "rmi",
                "--ignore",
                "--rewrite-index",
                "--platform",
                "linux/arm64",
                "app:1",
            ],
            &PRUNE,
        ],
    ),
    (&["untag", "app:2"], &[&["untag", "--ignore", "app:2"]]),
    (&PRUNE, &[&PRUNE]),
    (&PRUNE_ALL, &[&PRUNE_ALL]),
    (&["restore"], &[&["restore"]]),
];

/// The moments at which it is stopped: calls that change the disk, and how many of them there were.
const AT: [(&str, usize); 7] = [
    ("/^renameat2?$", 1),
    ("/^renameat2?$", 2),
    ("/^unlinkat$", 1),
    ("/^unlinkat$", 3),
    ("fsync", 1),
    ("fsync", 2),
    ("linkat", 1),
];

/// Writes what [`STOPPED`] is about.
fn ground(machines: &TwoMachines, command: &[&str]) {
    file_systems::write(&machines.layout(0));
    if command == ["restore"] {
        succeeds(machines, 0, &["rmi", "--trash", "app:2"]);
    }
}

/// What is left of a command that is done, without the trash.
fn expected(place: &Place, command: &[&str], again: &[&[&str]]) -> Vec<(String, String)> {
    let layout = place.path("layout");
    let _ = fs::remove_dir_all(&layout);
    file_systems::write(&layout);
    if command == ["restore"] {
        place.succeeds(&layout, &["rmi", "--trash", "app:2"]);
    }
    place.succeeds(&layout, command);
    for more in again {
        place.run_in(&layout, more);
    }
    settled(&layout)
}

/// The files of a layout but the trash, and but what a killed run left: on such a disk the latter stays for a day.
fn settled(layout: &Path) -> Vec<(String, String)> {
    let files = content(layout).into_iter();
    let is_settled = |path: &str| {
        !path.contains(".ocirm-tmp")
            && !path.ends_with(".lock")
            && (path.starts_with("blobs") || path == "index.json")
    };
    files.filter(|(path, _)| is_settled(path)).collect()
}

/// Through the other machine: nothing that is named is lost, and the same command finishes the work.
fn assert_can_be_finished(
    machines: &TwoMachines,
    machine: usize,
    again: &[&[&str]],
    expected: &[(String, String)],
    told: &str,
) {
    let checked = run(
        machines,
        machine,
        &["--lock-timeout", "20s", "check", "--digests"],
    );
    assert_eq!(checked.code(), Some(0), "{told}{checked}");
    for more in again {
        let more = [&["--lock-timeout", "20s"], *more].concat();
        let done = run(machines, machine, &more);
        assert_eq!(done.code(), Some(0), "{told}{done}");
    }
    assert_eq!(settled(&machines.layout(machine)), expected, "{told}");
}

/// E6: a run that is killed leaves a layout that is sound on the other machine, which finishes the work.
#[test]
fn what_a_killed_run_leaves_is_sound_on_the_other_machine() {
    if !strace::is_here() {
        return;
    }
    let Some(machines) = TwoMachines::new() else {
        return;
    };
    let here = Place::new();
    for (command, again) in STOPPED {
        let expected = expected(&here, command, again);
        for (call, number) in AT {
            let _ = fs::remove_dir_all(machines.layout(0));
            ground(&machines, command);
            let args = in_layout(&machines.layout(0), command);
            let inject = format!("{call}:signal=SIGKILL:when={number}");
            let log = machines.place.path("log");
            let killed = strace::injected(&inject, &log, &args, &machines.place.home());
            let killed = Running::start(killed, &args).finish();
            let told = format!("{call} {number}: {killed}");
            if killed.code() == Some(0) {
                // This command has no such moment.
                continue;
            }
            assert_eq!(
                killed.status.and_then(|status| status.signal()),
                Some(9),
                "{told}"
            );
            assert_can_be_finished(&machines, 1, again, &expected, &told);
        }
    }
}

/// E6: the machine itself dies. The program that is left without its disk says so, and the other machine finishes the
/// work as soon as the locks of the dead one are gone.
#[test]
fn a_machine_that_dies_leaves_a_sound_layout() {
    if !strace::is_here() {
        return;
    }
    let here = Place::new();
    let Some(mut machines) = TwoMachines::new() else {
        return;
    };
    if !machines.can_die() {
        return;
    }
    for (command, again) in [STOPPED[0], STOPPED[1], STOPPED[4]] {
        let expected = expected(&here, command, again);
        for moment in [Moment::after("/^unlinkat$", 3), Moment::after("fsync", 1)] {
            let _ = fs::remove_dir_all(machines.layout(0));
            ground(&machines, command);
            let stopped = Stopped::at(moment, &machines.place, &machines.layout(0), command);
            machines.dies(0);
            let cut = stopped.goes_on();
            assert!(
                !matches!(cut.code(), None | Some(0)) && !cut.panicked(),
                "{cut}"
            );
            let told = format!("{moment:?}: {cut}");
            assert_can_be_finished(&machines, 1, again, &expected, &told);
            machines.mount(0).unwrap();
        }
    }
}

/// E4: a disk of which nobody knows where it is, as one of a network: a change locks a file that others see, and where
/// that cannot be locked nothing is changed. Who only looks leaves no file.
#[test]
fn a_disk_that_nobody_knows_is_locked_for_other_machines() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    let mut layout = place.layout("layout");
    for title in ["a", "b", "c"] {
        let image = layout.image(title);
        layout.tagged(&image, title);
    }
    layout.finish();
    let lock = layout.dir.join(".ocirm.lock");
    let run = |more: &[&str], args: &[&str]| {
        let unknown = [
            "-e",
            "trace=fstatfs,statx,flock",
            "-e",
            "inject=fstatfs,statx:error=ENOSYS",
        ];
        let log = place.path("log");
        let options = [&["-o", arg(&log)], &unknown[..], more].concat();
        strace::run(&options, &in_layout(&layout.dir, args), &place.home())
    };
    for look in [&["ls"][..], &["check"], &["rmi", "-n", "a"]] {
        assert_status(&run(&[], look), 0);
        assert!(!lock.exists(), "{look:?}");
    }
    assert_status(&run(&[], &["untag", "c"]), 0);
    assert!(lock.exists());
    // The first lock is that of the directory.
    let refused = ["-e", "inject=flock:error=ENOLCK:when=2"];
    let before = content(&layout.dir);
    let failed = run(&refused, &["rmi", "a"]);
    assert_status(&failed, 1);
    assert_mentions(&failed, "--no-lock");
    assert_eq!(content(&layout.dir), before);
    assert_status(&run(&[], &["rmi", "a"]), 0);
    assert_status(&run(&refused, &["ls"]), 0);
    let held = File::open(&lock).unwrap();
    flock(&held, FlockOperation::LockShared).unwrap();
    assert_status(&run(&[], &["ls"]), 0);
    assert_status(&run(&[], &["--lock-timeout", "100ms", "untag", "b"]), 11);
    // On a disk of this machine nobody asks for it.
    place.succeeds(&layout.dir, &["untag", "b"]);
}

/// How long a copy may take from its first blob to its entry. What is older and unreferenced goes.
const COPIED_WITHIN: Duration = Duration::from_secs(5);

/// How many copies are made beside prunes, unless `OCIRM_COPIES` says another number.
const COPIES: usize = 12;

/// E5, FR31: what skopeo copies on one machine is whole, whatever a loop of prunes on the other takes away.
#[test]
fn copies_on_one_machine_beside_prunes_on_the_other_are_whole() {
    if !SKOPEO.is_here() {
        return;
    }
    let Some(machines) = TwoMachines::new() else {
        return;
    };
    let copies = std::env::var("OCIRM_COPIES")
        .ok()
        .and_then(|number| number.parse().ok());
    let copies = copies.unwrap_or(COPIES);
    let mut source = machines.place.layout("source");
    for n in 0..copies {
        let title = format!("n{n}");
        let image = source.image_for("linux/amd64", &title, &["base", &title]);
        source.tagged(&image, &title);
    }
    source.finish();
    let layout = write(&machines, &["first"]);
    // Some of it is old by the time of the first prune, and more in the middle of the copies.
    let garbage = |n: usize| layout.blob(LAYER, format!("garbage {n}"));
    let old: Vec<_> = (0..20).map(garbage).collect();
    thread::sleep(COPIED_WITHIN + Duration::from_millis(100));
    let grace = format!("{}s", COPIED_WITHIN.as_secs());
    let is_done = AtomicBool::new(false);
    let prunes = thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let mut prunes = 0;
            while !is_done.load(Ordering::Relaxed) {
                garbage(100 + prunes);
                let prune = ["prune", "-f", "--grace", &grace, "--lock-timeout", "60s"];
                let pruned = run(&machines, 1, &prune);
                // A writer that never rests can be too fast for it; then it leaves everything as it is.
                let is_late = pruned.err.contains("changed by another program each time");
                assert!(is_late || pruned.code() == Some(0), "{pruned}");
                prunes += usize::from(!is_late);
            }
            prunes
        });
        for n in 0..copies {
            let title = format!("n{n}");
            let to = oci(&layout.dir, &title);
            SKOPEO.run(["copy", "-q", &oci(&source.dir, &title), &to]);
        }
        is_done.store(true, Ordering::Relaxed);
        pruner.join().unwrap()
    });
    println!("{copies} copies beside {prunes} prunes");
    assert!(prunes > 0);
    assert!(
        !old.iter()
            .any(|blob| blob_path(&machines.layout(0), digest(blob)).exists())
    );
    let seen: BTreeSet<String> = names(&machines.layout(1)).into_iter().collect();
    assert_eq!(seen.len(), copies + 1);
    succeeds(&machines, 1, &["check", "--digests"]);
    for n in [0, copies - 1] {
        let image = oci(&machines.layout(1), &format!("n{n}"));
        SKOPEO.run(["inspect", "--raw", &image]);
    }
}

/// E5: skopeo writes `oci-layout` anew, in place, and what is half written, as this machine or another sees it, is read again.
#[test]
fn an_oci_layout_that_is_being_written_is_read_again() {
    for torn in [&b""[..], &[0; 31]] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        layout.finish();
        let file = layout.dir.join("oci-layout");
        let whole = fs::read(&file).unwrap();
        fs::write(&file, torn).unwrap();
        let args = in_layout(&layout.dir, &["ls"]);
        let running = Running::start(ocirm(&args, &place.home()), &args);
        thread::sleep(Duration::from_millis(200));
        fs::write(&file, &whole).unwrap();
        assert_status(&running.finish(), 0);
        fs::write(&file, torn).unwrap();
        assert_status(&place.run_in(&layout.dir, &["ls"]), 12);
    }
}
