//! `restore` looks before it names: what an image lacks, and what is damaged in the trash. Beside that, what becomes of
//! removals that are dated in the future, and of a trash with nothing in it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::command::Finished;
use crate::support::contents::{blob_path, blobs, digest, id, index, names};
use crate::support::place::{Place, assert_mentions, assert_status, object};
use crate::support::tree::Tree;

const TRASH: &str = ".ocirm-trash";

/// Where a blob lies in the trash.
fn in_trash(layout: &Path, digest: &str) -> PathBuf {
    let (algorithm, hex) = digest.split_once(':').unwrap();
    let removals = fs::read_dir(layout.join(TRASH)).unwrap();
    let places = removals.map(|removal| {
        let blobs = removal.unwrap().path().join("blobs");
        blobs.join(algorithm).join(hex)
    });
    let mut found: Vec<PathBuf> = places.filter(|path| path.exists()).collect();
    assert_eq!(found.len(), 1, "{digest}: {found:?}");
    found.remove(0)
}

/// Two images in the trash, `app` and `other`, and one that stays. `app` is an index of two platforms.
struct Trashed {
    place: Place,
    dir: PathBuf,
    app: Value,
    amd: Value,
    arm: Value,
}

impl Trashed {
    fn new() -> Trashed {
        let trashed = Trashed::not_yet();
        trashed.succeeds(&["rmi", "--trash", "app", "other"]);
        trashed
    }

    fn not_yet() -> Trashed {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let amd = layout.image_for("linux/amd64", "amd", &["both", "amd"]);
        let arm = layout.image_for("linux/arm64", "arm", &["both", "arm"]);
        let app = layout.index(&[&amd, &arm]);
        let other = layout.image("other");
        let kept = layout.image("kept");
        layout.tagged(&app, "app").tagged(&other, "other");
        layout.tagged(&kept, "kept").finish();
        let dir = layout.dir.clone();
        Trashed {
            place,
            dir,
            app,
            amd,
            arm,
        }
    }

    #[track_caller]
    fn succeeds(&self, args: &[&str]) -> Finished {
        self.place.succeeds(&self.dir, args)
    }

    #[track_caller]
    fn fails(&self, args: &[&str]) -> Finished {
        let finished = self.place.run_in(&self.dir, args);
        assert_status(&finished, 1);
        finished
    }

    fn has(&self, digest: &str) -> bool {
        blob_path(&self.dir, digest).exists()
    }

    /// The digest of the first blob of a role that a manifest lists.
    fn part(&self, manifest: &Value, role: &str) -> String {
        let path = blob_path(&self.dir, digest(manifest));
        let path = match path.exists() {
            true => path,
            false => in_trash(&self.dir, digest(manifest)),
        };
        let text: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        match role {
            "config" => text["config"]["digest"].as_str().unwrap().to_owned(),
            // The last layer is the image's own.
            _ => text["layers"].as_array().unwrap().last().unwrap()["digest"]
                .as_str()
                .unwrap()
                .to_owned(),
        }
    }

    /// The blob of the image's own part, by the word for it.
    fn of(&self, what: &str) -> String {
        match what {
            "index" => digest(&self.app).to_owned(),
            "manifest" => digest(&self.amd).to_owned(),
            other => self.part(&self.amd, other),
        }
    }
}

/// Makes a blob another one, as a disk or another program might.
fn spoil(path: &Path, how: &str) {
    let mut bytes = fs::read(path).unwrap();
    match how {
        "gone" => return fs::remove_file(path).unwrap(),
        "empty" => bytes.clear(),
        "longer" => bytes.push(b'\n'),
        _ => *bytes.last_mut().unwrap() ^= 1,
    }
    fs::write(path, bytes).unwrap();
}

/// FR27: it alone stays in the trash, it is said what is missing, and a dry run says the same.
#[test]
fn an_image_that_lacks_anything_is_not_restored_and_others_are() {
    for (what, how) in [
        ("index", "gone"),
        ("index", "other bytes"),
        ("manifest", "gone"),
        ("manifest", "empty"),
        ("manifest", "other bytes"),
        ("config", "gone"),
        ("config", "other bytes"),
        ("layer", "gone"),
        ("layer", "longer"),
    ] {
        let trashed = Trashed::new();
        let lost = trashed.of(what);
        spoil(&in_trash(&trashed.dir, &lost), how);
        let dry = trashed.fails(&["restore", "--dry-run"]);
        let real = trashed.fails(&["restore"]);
        for finished in [&dry, &real] {
            assert_mentions(finished, "`app` is not restored");
            assert_mentions(finished, &lost);
            // Of an index that cannot be read nobody knows what it was.
            let word = if what == "index" { "manifest" } else { what };
            assert_mentions(finished, &format!("its {word}"));
        }
        assert_eq!(
            names(&trashed.dir),
            ["kept", "other"],
            "{what} {how} {real}"
        );
        assert!(trashed.dir.join(TRASH).exists(), "{what} {how} {real}");
        assert!(!trashed.has(&lost), "{what} {how} {real}");
        // Nothing of it was brought back without it, to be deleted as unreferenced by the next prune.
        for part in [digest(&trashed.app), digest(&trashed.arm)] {
            assert!(!trashed.has(part), "{what} {how} {real}");
        }
        trashed.succeeds(&["check"]);
    }
}

/// FR27: with `--incomplete` it comes back without what is missing or damaged.
#[test]
fn an_incomplete_image_is_restored_when_asked_for() {
    for (what, how) in [
        ("index", "gone"),
        ("manifest", "gone"),
        ("manifest", "other bytes"),
        ("config", "other bytes"),
        ("layer", "gone"),
        ("layer", "longer"),
    ] {
        let trashed = Trashed::new();
        let lost = trashed.of(what);
        spoil(&in_trash(&trashed.dir, &lost), how);
        let finished = trashed.succeeds(&["restore", "--incomplete", "app"]);
        assert_mentions(&finished, "app is incomplete");
        assert_mentions(&finished, &lost);
        assert_eq!(
            names(&trashed.dir),
            ["app", "kept"],
            "{what} {how} {finished}"
        );
        assert!(!trashed.has(&lost), "{what} {how} {finished}");
        if what != "index" {
            assert!(trashed.has(digest(&trashed.arm)), "{what} {how} {finished}");
        }
        // It is as sparse as any, and nothing is in the way of other changes.
        trashed.succeeds(&["ls"]);
        trashed.succeeds(&["rmi", "kept"]);
    }
}

/// FR27: whatever leads to a damaged manifest would stop every deletion.
#[test]
fn a_damaged_manifest_is_never_restored() {
    let trashed = Trashed::new();
    let lost = trashed.of("index");
    spoil(&in_trash(&trashed.dir, &lost), "other bytes");
    let before = Tree::of(&trashed.dir);
    for args in [
        &["restore", "--incomplete", "app"][..],
        &["restore", "--incomplete", lost.as_str()],
        &["restore", "app"],
    ] {
        let finished = trashed.fails(args);
        assert_mentions(&finished, "is not restored");
        assert_mentions(&finished, "is damaged in the trash");
        let changes = before.changes(&Tree::of(&trashed.dir));
        assert!(changes.is_empty(), "{changes:?} {finished}");
    }
}

/// FR27: a sparse image lacks nothing that it had.
#[test]
fn a_sparse_image_comes_back_without_a_word() {
    let trashed = Trashed::not_yet();
    let config = trashed.part(&trashed.arm, "config");
    for digest in [digest(&trashed.amd), &config] {
        fs::remove_file(blob_path(&trashed.dir, digest)).unwrap();
    }
    let before = blobs(&trashed.dir);
    trashed.succeeds(&["rmi", "--trash", "app"]);
    let finished = trashed.succeeds(&["restore", "app"]);
    assert!(!finished.err.contains("warning"), "{finished}");
    // The layer of the platform that was missing was unreferenced before, and is now.
    assert_eq!(blobs(&trashed.dir), before, "{finished}");
    assert!(!trashed.dir.join(TRASH).exists());
}

/// FR27: a platform that was removed alone is looked at as well.
#[test]
fn a_platform_that_lacks_anything_does_not_come_back() {
    let trashed = Trashed::not_yet();
    let layer = trashed.part(&trashed.arm, "layer");
    trashed.succeeds(&["rmi", "--trash", "--platform", "linux/arm64", "app"]);
    spoil(&in_trash(&trashed.dir, &layer), "longer");
    for args in [&["restore", "app"][..], &["restore"]] {
        let finished = trashed.fails(args);
        assert_mentions(&finished, &layer);
        assert!(!trashed.has(digest(&trashed.arm)), "{finished}");
    }
    let finished = trashed.succeeds(&["restore", "--incomplete", "app"]);
    assert!(trashed.has(digest(&trashed.arm)), "{finished}");
    assert!(!trashed.has(&layer), "{finished}");
}

/// FR27: the layout's own blobs are looked at where the image shared them.
#[test]
fn a_shared_blob_that_is_gone_from_the_layout_is_missed() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let one = layout.image_for("linux/amd64", "one", &["both"]);
    let two = layout.image_for("linux/amd64", "two", &["both"]);
    let both = layout.layer("both");
    layout.tagged(&one, "one").tagged(&two, "two").finish();
    place.succeeds(&layout.dir, &["rmi", "--trash", "one"]);
    fs::remove_file(blob_path(&layout.dir, digest(&both))).unwrap();
    let finished = place.run_in(&layout.dir, &["restore", "--format", "json"]);
    assert_status(&finished, 1);
    let object = object(&finished);
    assert_eq!(object["errors"][0]["class"], "incomplete", "{finished}");
    let incomplete = &object["incomplete"][0];
    assert_eq!(incomplete["name"], "one", "{finished}");
    assert_eq!(incomplete["restored"], false, "{finished}");
    let lack = &incomplete["lacks"][0];
    assert_eq!(lack["digest"], digest(&both), "{finished}");
    assert_eq!(lack["kind"], "layer", "{finished}");
    assert_eq!(names(&layout.dir), ["two"]);
}

/// FR27: what another program brings back by writing an old index.json is looked at, too.
#[test]
fn a_damaged_blob_does_not_come_back_by_itself() {
    for what in ["index", "manifest", "config", "layer"] {
        let trashed = Trashed::not_yet();
        let old = index(&trashed.dir).data;
        trashed.succeeds(&["rmi", "--trash", "app"]);
        let lost = trashed.of(what);
        spoil(&in_trash(&trashed.dir, &lost), "longer");
        fs::write(trashed.dir.join("index.json"), old).unwrap();
        let finished = trashed.succeeds(&["ls"]);
        if what != "index" {
            assert!(trashed.has(digest(&trashed.arm)), "{what} {finished}");
        }
        for args in [&["ls"][..], &["rmi", "other"]] {
            let finished = trashed.succeeds(args);
            assert_mentions(&finished, &lost);
            assert_mentions(&finished, "is damaged there and is not brought back");
            assert!(!trashed.has(&lost), "{what} {finished}");
        }
    }
}

/// FR27: a blob that is asked for by itself is compared with its digest.
#[test]
fn a_damaged_blob_is_not_restored_by_its_digest() {
    let trashed = Trashed::new();
    let layer = trashed.of("layer");
    let finished = trashed.fails(&["restore", &layer]);
    assert_mentions(&finished, "it is a layer of app");
    assert!(!finished.err.contains("delete"), "{finished}");
    // Of a removal that is not understood only blobs can be asked for.
    let removal = fs::read_dir(trashed.dir.join(TRASH)).unwrap().next();
    let record = removal.unwrap().unwrap().path().join("removal.json");
    fs::write(record, "x").unwrap();
    spoil(&in_trash(&trashed.dir, &layer), "other bytes");
    let finished = trashed.fails(&["restore", &layer]);
    assert_mentions(&finished, "is damaged, and is not restored");
    assert!(!trashed.has(&layer), "{finished}");
}

/// Makes a removal one of another time.
fn date(layout: &Path, time: &str) {
    let mut removals = fs::read_dir(layout.join(TRASH)).unwrap();
    let removal = removals.next().unwrap().unwrap().path();
    fs::rename(&removal, removal.with_file_name(format!("{time}-4711"))).unwrap();
}

/// FR36: a clock was set back, or there are two.
#[test]
fn a_removal_of_the_future_is_kept_and_said_and_goes_when_nothing_is_to_be_kept() {
    let trashed = Trashed::new();
    date(&trashed.dir, "20991231T235959.000000000Z");
    for keep in ["7d", "1s"] {
        let args = ["prune", "--force", "--trash-keep", keep];
        let finished = trashed.succeeds(&args);
        assert_mentions(&finished, "dated in the future (2099-12-31T23:59:59Z)");
        assert!(trashed.dir.join(TRASH).exists(), "{finished}");
    }
    let args = ["prune", "--force", "--trash-keep", "0s"];
    let finished = trashed.place.dry_and_real(&trashed.dir, &args, 0);
    assert!(!finished.err.contains("future"), "{finished}");
    assert!(!trashed.dir.join(TRASH).exists(), "{finished}");
}

/// FR36: nothing in it, or nothing but what a killed run made and put nothing into.
#[test]
fn an_empty_trash_goes_with_the_next_change() {
    for inside in [
        "",
        "20260101T000000.000000001Z-4711",
        "20260101T000000.000000001Z-4711/blobs/sha256",
    ] {
        let trashed = Trashed::not_yet();
        fs::create_dir_all(trashed.dir.join(TRASH).join(inside)).unwrap();
        trashed.succeeds(&["ls"]);
        trashed.succeeds(&["rmi", "--dry-run", "other"]);
        assert!(trashed.dir.join(TRASH).exists());
        let finished = trashed.succeeds(&["rmi", "other"]);
        assert!(!trashed.dir.join(TRASH).exists(), "{inside:?} {finished}");
    }
    // What somebody else put there stays.
    let trashed = Trashed::not_yet();
    fs::create_dir_all(trashed.dir.join(TRASH).join("mine")).unwrap();
    trashed.succeeds(&["rmi", "other"]);
    assert!(trashed.dir.join(TRASH).join("mine").exists());
}

/// One command can rewrite a name twice, and a restore of everything goes all the way back.
#[test]
fn two_rewrites_of_one_name_are_undone_together() {
    let trashed = Trashed::not_yet();
    let before = index(&trashed.dir).data;
    for platform in ["linux/arm64", "linux/amd64"] {
        let place = &trashed.place;
        let args = [
            "rmi",
            "--trash",
            "--rewrite-index",
            "--platform",
            platform,
            "app",
        ];
        let finished = place.run_in(&trashed.dir, &args);
        assert_status(&finished, 0);
    }
    let finished = trashed.succeeds(&["restore"]);
    assert_eq!(index(&trashed.dir).data, before, "{finished}");
    assert!(!trashed.dir.join(TRASH).exists(), "{finished}");
}

/// The name is the later image's, and it is said which one that is.
#[test]
fn of_two_images_that_had_one_name_the_later_one_gets_it_back() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let one = layout.image("one");
    let two = layout.image("two");
    layout.tagged(&one, "web").finish();
    let first = index(&layout.dir).data;
    place.succeeds(&layout.dir, &["rmi", "--trash", "web"]);
    let text = String::from_utf8(first).unwrap();
    let text = text.replace(digest(&one), digest(&two));
    fs::write(layout.dir.join("index.json"), text).unwrap();
    place.succeeds(&layout.dir, &["rmi", "--trash", "web"]);
    let finished = place.run_in(&layout.dir, &["restore"]);
    assert_status(&finished, 1);
    assert_mentions(
        &finished,
        &format!("comes back as {}, which had the name last", id(&two)),
    );
    assert_mentions(&finished, &format!("{} had it before", id(&one)));
    assert_eq!(names(&layout.dir), ["web"]);
    assert!(blob_path(&layout.dir, digest(&two)).exists());
    place.succeeds(&layout.dir, &["untag", "web"]);
    place.succeeds(&layout.dir, &["restore", id(&one)]);
    assert!(blob_path(&layout.dir, digest(&one)).exists());
}
