//! The library: what a program does with it is what the program `ocirm` does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ocirm::{Command, Error, ErrorKind, Layout, Prune, Rmi, Untag};
use serde_json::Value;

use crate::support::contents::{arg, blobs};
use crate::support::layout::{LAYER, Layout as Written};
use crate::support::place::{Place, assert_status};
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
    let layout = Layout::open(&one).unwrap();
    for dry_run in [true, false] {
        let before = Tree::of(&one);
        let change = match dry_run {
            true => layout.dry_run(command),
            false => layout.run(command),
        };
        let change = change.unwrap();
        assert_eq!(change.is_dry_run, dry_run);
        let mut args = [args, &["--format", "json"]].concat();
        if dry_run {
            assert!(before.traces(&Tree::of(&one)).is_empty(), "{args:?}");
            args.insert(1, "--dry-run");
        }
        let finished = place.run_in(&other, &args);
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
        assert_eq!(content(&one), content(&other), "{args:?}");
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

/// A1.
#[test]
fn the_example_prunes_as_the_program_does() {
    let place = Place::new();
    let (one, other) = (written(&place, "one"), written(&place, "other"));
    assert!(example::prune(&one).unwrap());
    let args = ["prune", "--force", "--grace", "0s", "--trash"];
    assert_status(&place.run_in(&other, &args), 0);
    assert_eq!(content(&one), content(&other));
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
    ];
    assert_eq!(usage, [ErrorKind::Usage; 5]);
    let nowhere = Layout::open(place.path("nowhere")).unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Layout);
    let file = File::open(&dir).unwrap();
    file.lock().unwrap();
    assert_eq!(kind(layout.run(&prune())), ErrorKind::LockBusy);
    drop(file);
    layout.handle().stop();
    assert_eq!(kind(layout.run(&prune())), ErrorKind::Interrupted(15));
    assert!(before.traces(&place.tree()).is_empty());
    // What one layout was told, another one was not.
    assert!(Layout::open(&dir).unwrap().run(&prune()).is_ok());
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
