//! File systems: on each the commands say and leave what they do on an ordinary one, whatever it cannot do.
//!
//! Only root can mount them, and not everywhere; what is not tried is said. Each is a small file, gone after
//! the test, mount and all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use crate::support::command::{Running, in_layout};
use crate::support::contents::arg;
use crate::support::layout::{LAYER, Layout};
use crate::support::mount::{self, Mount, may_mount};
use crate::support::place::{PRUNE, Place, assert_mentions, assert_status};
use crate::support::skipped::skipped;
use crate::support::strace;
use crate::support::tree::{Content, Tree};

/// A file system to try: its name, how its file is made, how large that is in MiB, and options for the mount.
struct Kind {
    name: &'static str,
    make: &'static [&'static str],
    mebibytes: u64,
    mount: &'static [&'static str],
}

const LOOP: &[&str] = &["-o", "loop"];

/// Those that are made in a file.
const KINDS: [Kind; 10] = [
    kind("ext2", &["mkfs.ext2", "-q", "-F"], 8, LOOP),
    kind("ext4", &["mkfs.ext4", "-q", "-F"], 16, LOOP),
    kind("xfs", &["mkfs.xfs", "-q", "-f"], 320, LOOP),
    kind("btrfs", &["mkfs.btrfs", "-q", "-f"], 120, LOOP),
    kind("f2fs", &["mkfs.f2fs", "-q", "-f"], 64, LOOP),
    // Neither hard links nor owners nor modes; upper and lower case are one.
    kind("vfat", &["mkfs.vfat"], 16, LOOP),
    kind("exfat", &["mkfs.exfat", "-q"], 16, LOOP),
    kind(
        "ntfs",
        &["mkfs.ntfs", "-q", "-F"],
        16,
        &["-t", "ntfs3", "-o", "loop"],
    ),
    kind(
        "ext4 with folded case",
        &["mkfs.ext4", "-q", "-F", "-O", "casefold"],
        16,
        LOOP,
    ),
    kind(
        "ext4 written through",
        &["mkfs.ext4", "-q", "-F"],
        16,
        &["-o", "loop,sync,data=journal"],
    ),
];

const fn kind(
    name: &'static str,
    make: &'static [&'static str],
    mebibytes: u64,
    mount: &'static [&'static str],
) -> Kind {
    Kind {
        name,
        make,
        mebibytes,
        mount,
    }
}

/// Calls this with each of those that can be had here, mounted in a place of its own. The others are said, in one line.
fn on_each(kinds: &[Kind], work: impl Fn(&Kind, &Place, &Mount)) {
    let mut missing = Vec::new();
    for kind in kinds {
        let place = Place::new();
        let file = place.path("disk");
        let made = mount::make(kind.make, &file, kind.mebibytes);
        let options = [kind.mount, &[arg(&file)]].concat();
        match made.and_then(|()| Mount::new(&place.path("mounted"), &options)) {
            Ok(mount) => work(kind, &place, &mount),
            Err(reason) => missing.push(format!("{} ({reason})", kind.name)),
        }
    }
    if !missing.is_empty() {
        skipped(format!("not tried on {}", missing.join(", ")));
    }
}

/// Two platforms under one name, an image that shares a layer with them, a dangling one, and garbage.
pub(super) fn write(dir: &Path) {
    let mut layout = Layout::in_dir(dir);
    let amd = layout.image_for("linux/amd64", "amd", &["base", "amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["base", "arm"]);
    let (app, old) = (layout.index(&[&amd, &arm]), layout.image("old"));
    let new = layout.image_for("linux/amd64", "new", &["base", "new"]);
    let other = layout.image_for("linux/arm64", "other", &["base", "other"]);
    let two = layout.index(&[&new, &other]);
    layout
        .tagged(&app, "app:1")
        .tagged(&two, "two")
        .tagged(&new, "app:2")
        .named(
            &old,
            &format!("moby-dangling@{}", old["digest"].as_str().unwrap()),
        )
        .finish();
    for text in ["garbage", "more garbage"] {
        layout.blob(LAYER, text);
    }
}

/// Every file of a layout and what is in it; of the trash, whose names are of the moment, only the blobs.
pub(crate) fn content(layout: &Path) -> BTreeMap<String, String> {
    let tree = Tree::of(layout);
    let files = tree.items.iter().filter_map(|(path, item)| {
        let Content::File { sha256, .. } = &item.content else {
            return None;
        };
        match path.split_once(".ocirm-trash/") {
            Some((_, removed)) if removed.ends_with("removal.json") => None,
            Some((_, removed)) => Some((removed.split_once('/')?.1.to_owned(), sha256.clone())),
            // Some file systems need it, and others do not.
            None if path == ".ocirm.lock" => None,
            None => Some((path.clone(), sha256.clone())),
        }
    });
    files.collect()
}

/// What is done, in this order. Each is a dry run first, which changes nothing.
pub(super) const STEPS: [&[&str]; 7] = [
    &["rmi", "--trash", "app:2"],
    &["restore"],
    &["rmi", "--platform", "linux/arm64", "two"],
    &[
        "rmi",
        "--rewrite-index",
        "--platform",
        "linux/arm64",
        "app:1",
    ],
    &["untag", "app:2"],
    &["rmi", "--trash", "app:1"],
    &PRUNE,
];

/// What the steps say and leave. Sizes are those of files, and what they take on the disk differs.
pub(super) fn steps(
    place: &Place,
    layout: &Path,
) -> Vec<(i32, Vec<String>, BTreeMap<String, String>)> {
    let mut seen = Vec::new();
    for step in STEPS {
        let mut dry = step.to_vec();
        dry.insert(1, "--dry-run");
        let before = Tree::of(layout);
        let shown = place.run_in(layout, &dry);
        let traces = before.traces(&Tree::of(layout));
        assert!(traces.is_empty(), "{traces:?}\n{shown}");
        let done = place.run_in(layout, step);
        assert_eq!(shown.code(), done.code(), "{shown}\n{done}");
        let is_name = |line: &&str| line.contains(": sha256:") || line.contains("ntagged: ");
        let lines = done.out.lines().filter(is_name).chain(done.err.lines());
        let lines = lines.map(str::to_owned);
        seen.push((done.code().unwrap_or(-1), lines.collect(), content(layout)));
        for look in [&["check"][..], &["ls"], &["df"]] {
            place.succeeds(layout, look);
        }
    }
    seen
}

/// E1. The same on every file system that can be had.
#[test]
fn commands_do_the_same_on_every_file_system() {
    if !may_mount() {
        return;
    }
    let place = Place::new();
    write(&place.path("layout"));
    let expected = steps(&place, &place.path("layout"));
    on_each(&KINDS, |kind, place, mount| {
        write(&mount.dir.join("layout"));
        let seen = steps(place, &mount.dir.join("layout"));
        for (step, (seen, expected)) in STEPS.iter().zip(seen.iter().zip(&expected)) {
            assert_eq!(seen, expected, "{} {step:?}", kind.name);
        }
    });
}

/// E1, of a run that is killed between two files: nothing that stays is lost, and the next prune does the rest.
#[test]
fn a_killed_run_leaves_a_sound_layout_on_every_file_system() {
    if !may_mount() || !strace::is_here() {
        return;
    }
    let place = Place::new();
    let expected = {
        write(&place.path("layout"));
        place.succeeds(&place.path("layout"), &["rmi", "app:1"]);
        place.succeeds(&place.path("layout"), &PRUNE);
        content(&place.path("layout"))
    };
    on_each(&KINDS[..7], |kind, place, mount| {
        for at in [1, 3] {
            let layout = mount.dir.join(format!("layout{at}"));
            write(&layout);
            let args = in_layout(&layout, &["rmi", "app:1"]);
            let inject = format!("unlinkat:signal=SIGKILL:when={at}");
            let log = place.path("log");
            let killed = strace::injected(&inject, &log, &args, &place.home());
            let killed = Running::start(killed, &args).finish();
            let signal = killed.status.and_then(|status| status.signal());
            assert_eq!(signal, Some(9), "{} {at}: {killed}", kind.name);
            assert_ne!(content(&layout), expected, "{} {at}: {killed}", kind.name);
            place.succeeds(&layout, &["check", "--digests"]);
            place.run_in(&layout, &["rmi", "--ignore", "app:1"]);
            place.succeeds(&layout, &PRUNE);
            assert_eq!(content(&layout), expected, "{} {at}", kind.name);
        }
    });
}

/// E1: of a layout in a lower layer, what goes is hidden by the upper one, and the lower one stays as it is.
#[test]
fn an_overlay_is_changed_in_its_upper_layer() {
    if !may_mount() {
        return;
    }
    let place = Place::new();
    write(&place.path("layout"));
    let expected = steps(&place, &place.path("layout"));
    let Some(disk) = Mount::in_memory(&place.path("disk"), "size=8m") else {
        return;
    };
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| disk.dir.join(name));
    for dir in [&upper, &work] {
        fs::create_dir(dir).unwrap();
    }
    write(&lower.join("layout"));
    let before = Tree::of(&lower);
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        arg(&lower),
        arg(&upper),
        arg(&work)
    );
    match Mount::new(
        &place.path("overlay"),
        &["-t", "overlay", "-o", &options, "overlay"],
    ) {
        Ok(overlay) => {
            let seen = steps(&place, &overlay.dir.join("layout"));
            for (step, (seen, expected)) in STEPS.iter().zip(seen.iter().zip(&expected)) {
                assert_eq!(seen, expected, "{step:?}");
            }
            assert!(before.traces(&Tree::of(&lower)).is_empty());
        }
        Err(reason) => skipped(format!("overlay: {reason}")),
    }
}

/// E2: what may only be read can be looked at, a dry run says that no more than that is possible, and a run
/// fails and says why. After a remount in between it goes on.
#[test]
fn a_file_system_for_reading_only_is_looked_at() {
    if !may_mount() {
        return;
    }
    let place = Place::new();
    let Some(mount) = Mount::in_memory(&place.path("disk"), "size=8m") else {
        return;
    };
    let layout = mount.dir.join("layout");
    write(&layout);
    place.succeeds(&layout, &["rmi", "--trash", "app:2"]);
    mount.again("remount,ro");
    let before = Tree::of(&mount.dir);
    for look in [
        &["check"][..],
        &["ls"],
        &["df"],
        &["why", "app:1"],
        &["restore", "--list"],
    ] {
        assert_eq!(place.succeeds(&layout, look).err, "");
    }
    const ONLY_READ: &str = "lies on a file system that is mounted for reading only";
    for (dry, real) in [
        (&["rmi", "-n", "app:1"][..], &["rmi", "app:1"][..]),
        (&["untag", "-n", "app:1"], &["untag", "app:1"]),
        (&["restore", "-n"], &["restore"]),
        (&["prune", "-n", "--grace", "0s"], &PRUNE),
    ] {
        let shown = place.succeeds(&layout, dry);
        assert_mentions(&shown, "warning: a real run could change nothing: ");
        assert_mentions(&shown, ONLY_READ);
        assert_eq!(shown.err.lines().count(), 1, "{shown}");
        let failed = place.run_in(&layout, real);
        assert!(failed.code() != Some(0), "{failed}");
        assert_mentions(&failed, "Read-only file system");
        assert!(
            failed.err.contains("mount the file system for writing")
                || failed.err.contains("once the file system can be written"),
            "{failed}"
        );
    }
    // Only what is in the trash for too long would go.
    let only_trash = [
        "prune",
        "-n",
        "--filter",
        "until=2000-01-01",
        "--trash-keep",
        "0s",
    ];
    let shown = place.succeeds(&layout, &only_trash);
    assert_mentions(&shown, "warning: a real run could change nothing: ");
    assert_mentions(&shown, ONLY_READ);
    // Nothing is to be done: nothing is said.
    assert_eq!(
        place
            .succeeds(&layout, &["prune", "-n", "--filter", "until=2000-01-01"])
            .err,
        ""
    );
    assert!(before.traces(&Tree::of(&mount.dir)).is_empty());
    mount.again("remount,rw");
    place.succeeds(&layout, &["restore"]);
    assert_status(&place.run_in(&layout, &PRUNE), 0);
}

/// E2: without an inode for a new file nothing is half done, and deleting without new files works.
#[test]
fn a_file_system_without_inodes_loses_nothing() {
    if !may_mount() {
        return;
    }
    let place = Place::new();
    let Some(mount) = Mount::in_memory(&place.path("disk"), "nr_inodes=60") else {
        return;
    };
    let layout = mount.dir.join("layout");
    write(&layout);
    let fill = (0..100).take_while(|n| File::create(mount.dir.join(format!("fill{n}"))).is_ok());
    assert!(fill.count() > 5);
    let before = content(&layout);
    for command in [&["rmi", "--trash", "app:1"][..], &["untag", "app:2"]] {
        let failed = place.run_in(&layout, command);
        assert_status(&failed, 1);
        assert_mentions(&failed, "No space left");
        assert_mentions(&failed, "no inode left for another file");
        assert!(!failed.err.contains("bytes of free space"), "{failed}");
        assert_eq!(content(&layout), before, "{failed}");
    }
    // Garbage makes the room that the new index.json takes.
    place.succeeds(&layout, &PRUNE);
    place.succeeds(&layout, &["check"]);
    place.succeeds(&layout, &["rmi", "app:1"]);
    place.succeeds(&layout, &["check"]);
}
