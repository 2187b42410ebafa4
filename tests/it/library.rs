//! The library: what a program does with it is what the program `ocirm` does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ocirm::{Command, Error, ErrorKind, Layout, Prune, Rmi, Untag};
use serde_json::Value;

use crate::support::contents::{arg, blobs};
use crate::support::layout::{LAYER, Layout as Written};
use crate::support::place::{Place, assert_status};
use crate::support::special_files::fifo;
use crate::support::tree::Tree;

#[path = "../../examples/prune.rs"]
#[expect(dead_code, reason = "its `main` is not called")]
mod example;

/// A prune that spares nothing for its age.
fn prune() -> Prune {
    Prune::new().grace(Duration::ZERO)
}

/// Two platforms under one name, a dangling image, garbage, and a name that shares a layer.
fn write(dir: &Path) -> Written {
    let mut layout = Written::in_dir(dir);
    let amd = layout.image_for("linux/amd64", "amd", &["base", "amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["base", "arm"]);
    let (app, old) = (layout.index(&[&amd, &arm]), layout.image("old"));
    let new = layout.image_for("linux/amd64", "new", &["base", "new"]);
    layout
        .tagged(&app, "app:1")
        .tagged(&new, "app:2")
        .tagged(&old, "old")
        .finish();
    layout
}

/// The same layout as often as it is needed, with something dangling and something unreferenced.
fn written(place: &Place, name: &str) -> PathBuf {
    let layout = write(&place.path(name));
    layout.blob(LAYER, "garbage");
    place.succeeds(&layout.dir, &["untag", "old"]);
    layout.dir
}

/// What a layout holds; of what is in the trash, the blobs.
fn content(layout: &Path) -> (String, Vec<String>) {
    let index = fs::read_to_string(layout.join("index.json")).unwrap();
    let tree = Tree::of(layout);
    let files = tree
        .items
        .keys()
        .map(|path| match path.split_once(".ocirm-trash/") {
            Some((_, below)) => format!("trash: {}", below.rsplit('/').next().unwrap()),
            None => path.clone(),
        });
    let is_removal = |file: &String| file.starts_with("trash: 20");
    (index, files.filter(|file| !is_removal(file)).collect())
}

/// Runs a command by the library and by the program, dry and real, on two equal layouts.
fn assert_same(command: &impl Command, args: &[&str]) {
    let place = Place::new();
    let (one, other) = (written(&place, "one"), written(&place, "other"));
    assert_same_on(&place, &one, &other, command, args);
}

/// The same on two layouts that are already written.
fn assert_same_on(place: &Place, one: &Path, other: &Path, command: &impl Command, args: &[&str]) {
    let layout = Layout::open(one).unwrap();
    for dry_run in [true, false] {
        let before = Tree::of(one);
        let change = match dry_run {
            true => layout.dry_run(command),
            false => layout.run(command),
        };
        let change = change.unwrap();
        assert_eq!(change.is_dry_run, dry_run);
        let mut args = [args, &["--format", "json"]].concat();
        if dry_run {
            assert!(before.traces(&Tree::of(one)).is_empty(), "{args:?}");
            args.insert(1, "--dry-run");
        }
        let finished = place.run_in(other, &args);
        let said: Value = serde_json::from_str(&finished.out).unwrap();
        assert_eq!(
            finished.code(),
            Some(i32::from(!change.failures.is_empty()))
        );
        assert_eq!(
            said["untagged"],
            Value::from(change.untagged.clone()),
            "{args:?}"
        );
        assert_eq!(said["freed_bytes"], change.freed_bytes, "{args:?}");
        let deleted = said["deleted"].as_array().unwrap().iter();
        let deleted: Vec<&str> = deleted
            .map(|blob| blob["digest"].as_str().unwrap())
            .collect();
        let blobs: Vec<&str> = change
            .blobs
            .iter()
            .map(|blob| blob.digest.as_str())
            .collect();
        assert_eq!(deleted, blobs, "{args:?}");
        let errors = said["errors"].as_array().unwrap().iter();
        let errors: Vec<&str> = errors
            .map(|error| error["message"].as_str().unwrap())
            .collect();
        let failures = change.failures.iter();
        let failures: Vec<&str> = failures.map(|failure| failure.message.as_str()).collect();
        assert_eq!(errors, failures, "{args:?}");
        assert_eq!(content(one), content(other), "{args:?}");
    }
}

/// A1.
#[test]
fn what_the_library_does_is_what_the_program_does() {
    let all = [
        "prune", "--force", "--grace", "0s", "--all", "--keep", "app:2",
    ];
    assert_same(&prune(), &["prune", "--force", "--grace", "0s"]);
    assert_same(
        &prune().trash(true),
        &["prune", "--force", "--grace", "0s", "--trash"],
    );
    assert_same(&prune().all().keep("app:2"), &all);
    assert_same(&Prune::new(), &["prune", "--force"]);
    let last = [
        "prune",
        "--force",
        "--grace",
        "0s",
        "--all",
        "--keep-last",
        "1",
    ];
    assert_same(&prune().all().keep_last("1"), &last);
    assert_same(&Rmi::new(["app:1"]), &["rmi", "app:1"]);
    assert_same(
        &Rmi::new(["app:1"]).trash(true),
        &["rmi", "--trash", "app:1"],
    );
    let arm = Rmi::new(["app:1"]).platform("linux/arm64");
    assert_same(&arm, &["rmi", "--platform", "linux/arm64", "app:1"]);
    let arm = [
        "rmi",
        "--keep-platform",
        "arm64",
        "--rewrite-index",
        "app:1",
    ];
    assert_same(
        &Rmi::new(["app:1"]).keep_platform("arm64").rewrite_index(),
        &arm,
    );
    assert_same(&Rmi::new(["none", "app:2"]), &["rmi", "none", "app:2"]);
    assert_same(&Untag::new(["app:*"]), &["untag", "app:*"]);
}

/// What an option is about: what [`written`] has, an image with two names, a referrer that nothing lists, and something in
/// the trash.
fn written_for_options(place: &Place, name: &str) -> PathBuf {
    let mut layout = write(&place.path(name));
    let two = layout.image("two");
    layout.referrer(&two, "signature");
    layout.tagged(&two, "two:1").tagged(&two, "two:2");
    let away = layout.image("away");
    layout.tagged(&away, "away").finish();
    layout.blob(LAYER, "garbage");
    place.succeeds(&layout.dir, &["untag", "old"]);
    place.succeeds(&layout.dir, &["rmi", "--trash", "away"]);
    layout.dir
}

/// The library and the program do the same, and something else than the program does without the option.
fn assert_counts(place: &Place, command: &impl Command, args: &[&str], without: &[&str]) {
    let folder = tempfile::tempdir_in(place.path("")).unwrap();
    let [one, other, plain] = ["one", "other", "plain"].map(|name| {
        let name = folder.path().join(name);
        written_for_options(place, arg(&name))
    });
    assert_same_on(place, &one, &other, command, args);
    place.run_in(&plain, without);
    assert_ne!(content(&one), content(&plain), "{args:?}");
}

/// A1: each option of a prune.
#[test]
fn options_of_a_prune_are_those_of_the_program() {
    const PLAIN: [&str; 5] = ["prune", "--force", "--grace", "0s", "--all"];
    let place = Place::new();
    let mut sharer = Written::in_dir(&place.path("sharer"));
    let old = sharer.image("old");
    sharer.tagged(&old, "kept").finish();
    let sharer = arg(&sharer.dir).to_owned();
    let containers = place.file(
        "containers.json",
        r#"{"containers":[{"id":"1","state":"CONTAINER_RUNNING","image":{"image":"app:2"},"imageRef":""}]}"#,
    );
    let policy = place.file("policy.toml", "[[rule]]\ntags = [\"1\"]\nkeep = true\n");
    let (containers, policy) = (arg(&containers), arg(&policy));
    let all = || prune().all();
    let with = |more: &[&'static str]| [&PLAIN, more].concat();
    let of_file = |option: &'static str, file: &str| -> Vec<String> {
        let words = PLAIN.into_iter().chain([option]).map(str::to_owned);
        words.chain([file.to_owned()]).collect()
    };
    for (command, option, file) in [
        (all().also_root(&sharer), "--also-root", &*sharer),
        (all().containers(containers), "--containers", containers),
    ] {
        let args = of_file(option, file);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        assert_counts(&place, &command, &args, &PLAIN);
    }
    let args = ["prune", "--force", "--grace", "0s", "--policy", policy];
    assert_counts(&place, &prune().policy(policy), &args, &PLAIN);
    let filter = "until=2000-01-01T00:00:00Z";
    let args = with(&["--filter", filter]);
    assert_counts(&place, &all().filter(filter), &args, &PLAIN);
    let args = with(&["--keep-within", "1000000d"]);
    assert_counts(&place, &all().keep_within("1000000d"), &args, &PLAIN);
    let args = with(&["--trash-keep", "0s"]);
    let command = all().trash_keep(Duration::ZERO);
    assert_counts(&place, &command, &args, &PLAIN);
    let args = with(&["--keep", "two:*", "--unlisted-referrers", "delete"]);
    let command = all().keep("two:*").delete_unlisted_referrers();
    assert_counts(&place, &command, &args, &with(&["--keep", "two:*"]));
    // Nothing is there that was to be kept.
    let args = with(&["--keep", "none", "--allow-empty"]);
    let command = all().keep("none").allow_empty();
    assert_counts(&place, &command, &args, &with(&["--keep", "none"]));
}

/// A1: each option of `rmi`.
#[test]
fn options_of_rmi_are_those_of_the_program() {
    let place = Place::new();
    let mut sharer = Written::in_dir(&place.path("sharer"));
    let two = sharer.image("two");
    sharer.tagged(&two, "kept").finish();
    let sharer = arg(&sharer.dir).to_owned();
    let id = two["digest"].as_str().unwrap();
    let containers = place.file(
        "containers.json",
        r#"{"containers":[{"id":"1","state":"CONTAINER_RUNNING","image":{"image":"app:2"},"imageRef":""}]}"#,
    );
    let containers = arg(&containers);
    let both = ["two:1", "two:2"];
    let args = ["rmi", "--also-root", &sharer, "two:1", "two:2"];
    let command = Rmi::new(both).also_root(&sharer);
    assert_counts(&place, &command, &args, &["rmi", "two:1", "two:2"]);
    let args = ["rmi", "--containers", containers, "app:2"];
    let command = Rmi::new(["app:2"]).containers(containers);
    assert_counts(&place, &command, &args, &["rmi", "app:2"]);
    let command = Rmi::new([id]).force();
    assert_counts(&place, &command, &["rmi", "--force", id], &["rmi", id]);
    // What is not there counts for the program's exit status: JSON has it all the same, the library has not.
    let (one, other) = (written(&place, "one"), written(&place, "other"));
    let command = Rmi::new(["none", "app:2"]).ignore_missing();
    let done = Layout::open(&one).unwrap().run(&command).unwrap();
    assert_eq!(done.failures, []);
    place.succeeds(&other, &["rmi", "--ignore", "none", "app:2"]);
    assert_eq!(content(&one), content(&other));
}

/// Makes all blobs of a layout two hours old.
fn make_old(layout: &Path) {
    let then = SystemTime::now() - Duration::from_secs(7200);
    for blob in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let file = File::open(blob.unwrap().path()).unwrap();
        file.set_modified(then).unwrap();
    }
}

/// A1.
#[test]
fn the_example_prunes_as_the_program_does() {
    let place = Place::new();
    let (one, other) = (written(&place, "one"), written(&place, "other"));
    let before = blobs(&one);
    for layout in [&one, &other] {
        make_old(layout);
        // What is younger than an hour stays.
        Written::in_dir(layout).blob(LAYER, "young");
    }
    assert!(example::prune(&one).unwrap());
    assert_status(&place.run_in(&other, &["prune", "--force", "--trash"]), 0);
    assert_eq!(content(&one), content(&other));
    let after = blobs(&one);
    assert!(!after.is_subset(&before) && !before.is_subset(&after));
}

/// A2.
#[test]
fn images_are_those_of_ls() {
    let place = Place::new();
    let dir = written(&place, "layout");
    let images = Layout::open(&dir).unwrap().images().unwrap();
    let listed = place.succeeds(&dir, &["ls", "--format", "json", "--sort", "none"]);
    let lines = listed.out.lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(images.len(), lines.len());
    for (image, line) in images.iter().zip(&lines) {
        assert_eq!(image.name.as_deref(), line["name"].as_str());
        assert_eq!(line["digest"], image.digest);
        assert_eq!(line["kind"], image.kind);
        assert_eq!(line["size"], image.size);
        assert_eq!(line["unique"], image.unique);
        assert_eq!(line["platforms"], Value::from(image.platforms.clone()));
    }
}

/// A2.
#[test]
fn nothing_goes_that_the_dry_run_did_not_show() {
    let place = Place::new();
    let layout = write(&place.path("layout"));
    layout.blob(LAYER, "garbage");
    let library = Layout::open(&layout.dir).unwrap();
    let shown = library.dry_run(&prune()).unwrap();
    let late = layout.blob(LAYER, "late");
    let done = library.run(&prune().at_most(&shown)).unwrap();
    assert_eq!(shown.blobs, done.blobs);
    let late = late["digest"].as_str().unwrap();
    assert!(blobs(&layout.dir).contains(late));
    let done = library.run(&prune()).unwrap();
    assert_eq!(done.blobs[0].digest, late);
}

/// A2.
#[test]
fn failures_have_a_kind_and_change_nothing() {
    let place = Place::new();
    let dir = written(&place, "layout");
    let layout = Layout::open(&dir)
        .unwrap()
        .lock_timeout(Duration::from_millis(20));
    let before = place.tree();
    let kind = |result: Result<ocirm::Change, Error>| result.unwrap_err().kind();
    let usage = [
        kind(layout.run(&Prune::new().keep_last("3"))),
        kind(layout.run(&Prune::new().all().keep_last("many"))),
        kind(layout.run(&Prune::new().filter("color=red"))),
        kind(layout.run(&Rmi::new(["app:1"]).platform("a").keep_platform("b"))),
        kind(layout.run(&Rmi::new(["app:1"]).rewrite_index())),
        // The program's own input is not read.
        kind(layout.run(&Prune::new().all().containers("-"))),
        kind(layout.run(&Rmi::new(["app:1"]).containers("-"))),
    ];
    assert_eq!(usage, [ErrorKind::Usage; 7]);
    let nowhere = Layout::open(place.path("nowhere")).unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Layout);
    let file = File::open(&dir).unwrap();
    file.lock().unwrap();
    assert_eq!(kind(layout.run(&prune())), ErrorKind::LockBusy);
    drop(file);
    layout.handle().stop();
    assert_eq!(kind(layout.run(&prune())), ErrorKind::Interrupted(15));
    assert_eq!(kind(layout.dry_run(&prune())), ErrorKind::Interrupted(15));
    let images = layout.images().unwrap_err();
    assert_eq!(images.kind(), ErrorKind::Interrupted(15));
    assert_eq!(images.to_string(), "interrupted; nothing was changed");
    assert!(before.traces(&place.tree()).is_empty());
    // What one layout was told, another one was not.
    assert!(Layout::open(&dir).unwrap().run(&prune()).is_ok());
}

/// A2: what looks at a layout has no half of a result when it is stopped on its way, and what would change it
/// changes nothing. Of two pieces of work each has its own progress.
#[test]
fn what_is_stopped_on_its_way_ends_so() {
    let place = Place::new();
    let dir = written(&place, "layout");
    let before = Tree::of(&dir);
    for dry_run in [true, false] {
        let layout = Layout::open(&dir).unwrap();
        let handle = layout.handle();
        let list = place.path("list");
        let _ = fs::remove_file(&list);
        fifo(&list);
        let prune = prune().all().containers(&list);
        let ended = std::thread::scope(|scope| {
            let work = scope.spawn(|| match dry_run {
                true => layout.dry_run(&prune),
                false => layout.run(&prune),
            });
            // This waits until the work reads the list.
            let mut writing = File::options().write(true).open(&list).unwrap();
            // The end of another one is not that of this one.
            layout.clone().images().unwrap();
            handle.stop();
            std::io::Write::write_all(&mut writing, b"[]").unwrap();
            drop(writing);
            work.join().unwrap()
        });
        let error = ended.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted(15), "{error}");
        assert_eq!(error.to_string(), "interrupted; nothing was changed");
        assert!(handle.progress().is_none());
        assert!(before.traces(&Tree::of(&dir)).is_empty());
    }
}

/// A2: a day of a filter is one of the time zone, as for the program.
#[test]
fn a_day_is_one_of_the_time_zone() {
    const INNER: &str = "OCIRM_TEST_OF_THE_TIME_ZONE";
    let place = Place::new();
    let until = "until=2024-01-01";
    if let Some(dir) = std::env::var_os(INNER) {
        let layout = Layout::open(dir).unwrap();
        let shown = layout.dry_run(&prune().all().filter(until)).unwrap();
        println!("untagged: {}", shown.untagged.len());
        return;
    }
    let mut layout = Written::in_dir(&place.path("layout"));
    let image = layout.image("image");
    layout
        .dated(&image, "app:1", "2023-12-31T22:00:00Z")
        .finish();
    // In the east the year began before, in the west after.
    for (zone, goes) in [("UTC", 1), ("XXX-5", 0), ("XXX+5", 1)] {
        let test = "library::a_day_is_one_of_the_time_zone";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads", "1"])
            .env(INNER, arg(&layout.dir))
            .env("TZ", zone)
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(out.contains(&format!("untagged: {goes}")), "{zone} {out}");
        let args = [
            "prune", "-n", "--all", "--filter", until, "--grace", "0s", "--format", "json",
        ];
        let args = crate::support::command::in_layout(&layout.dir, &args);
        let mut command = crate::support::command::ocirm(&args, &place.home());
        let finished = command.env("TZ", zone).output().unwrap();
        let said: Value = serde_json::from_slice(&finished.stdout).unwrap();
        assert_eq!(said["untagged"].as_array().unwrap().len(), goes, "{zone}");
    }
}

/// A2: somebody else's terminal stays as it is, and what is to be said is in the value.
#[test]
fn nothing_is_printed_and_blobs_that_come_back_are_said() {
    const INNER: &str = "OCIRM_TEST_OF_THE_LIBRARY";
    if let Some(dir) = std::env::var_os(INNER) {
        let layout = Layout::open(dir).unwrap();
        let done = layout.run(&prune()).unwrap();
        let back = |notice: &String| notice.starts_with("Brought");
        assert!(done.notices.iter().any(back), "{:?}", done.notices);
        return;
    }
    let place = Place::new();
    let dir = written(&place, "layout");
    let index = fs::read(dir.join("index.json")).unwrap();
    place.succeeds(&dir, &["rmi", "--trash", "app:2"]);
    // Another program writes an old index.json back.
    fs::write(dir.join("index.json"), index).unwrap();
    let test = "library::nothing_is_printed_and_blobs_that_come_back_are_said";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(INNER, arg(&dir))
        .output()
        .unwrap();
    let (out, err) = (&output.stdout, &output.stderr);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(err));
    assert_eq!(String::from_utf8_lossy(err), "");
    let out = String::from_utf8_lossy(out);
    let own = |line: &&str| {
        !line.is_empty() && !line.starts_with("running ") && !line.starts_with("test ")
    };
    assert_eq!(
        out.lines().filter(own).collect::<Vec<_>>(),
        [""; 0],
        "{out}"
    );
}
