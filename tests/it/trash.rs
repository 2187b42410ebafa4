//! `--trash`, `restore` and `--trash-keep`: whatever went to the trash comes back as it was, and nothing else in the
//! meantime takes away what it needs for that.
//!
//! Whether an image is whole is found out here by the simplest means: every digest in the text of a blob has to lead
//! to a blob, if it did before.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use crate::support::command::{Finished, Running, TIME_LIMIT, in_layout};
use crate::support::contents::{
    Stock, arg, assert_no_leftovers, blob_path, blobs, digest, digest_of, hex, id, index, members,
    names,
};
use crate::support::index_document::{IndexDocument, Row};
use crate::support::layout::{CONFIG, LAYER, Layout, MANIFEST};
use crate::support::peers::{SKOPEO, UMOCI, oci};
use crate::support::place::{
    Place, assert_mentions, assert_no_traces, assert_says, assert_status, fixtures, object, objects,
};
use crate::support::strace;
use crate::support::terminal::run_on_terminal;
use crate::support::tree::{Change, Tree, What, blob_digest};

const TRASH: &str = ".ocirm-trash";
const RECORD: &str = "removal.json";

/// What a run says that brings back what index.json leads to again.
const HEALED: &str = "back from the trash: index.json leads to them again";

/// The removals of a layout, oldest first.
fn removals(layout: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(layout.join(TRASH)) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn only_removal(layout: &Path) -> PathBuf {
    let found = removals(layout);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap_or_default()
}

/// Makes a removal look as if it had been made long ago.
fn make_old(removal: &Path) -> PathBuf {
    let old = removal.with_file_name("20200101T000000.000000001Z-4711");
    fs::rename(removal, &old).unwrap();
    old
}

/// The digests of the blobs in the trash.
fn trashed(layout: &Path) -> BTreeSet<String> {
    let tree = Tree::of(layout);
    let inside = tree.items.keys().filter_map(|path| {
        let (_, path) = path
            .strip_prefix(TRASH)?
            .strip_prefix('/')?
            .split_once('/')?;
        blob_digest(path)
    });
    inside.collect()
}

/// What is not as it was, apart from the times of files that were written anew with the same text.
fn differences(before: &Tree, layout: &Path) -> Vec<Change> {
    let rewritten = |change: &Change| {
        change.what == What::Time && !change.path.contains('/') && change.path.ends_with(".json")
            || change.what == What::Time && change.path == "repositories"
    };
    let mut changes = before.changes(&Tree::of(layout));
    changes.retain(|change| !rewritten(change));
    changes
}

#[track_caller]
fn assert_as_before(before: &Tree, layout: &Path, finished: &Finished) {
    let changes = differences(before, layout);
    assert!(changes.is_empty(), "{changes:#?}\n{finished}");
}

/// What the layout was, to judge what it is.
impl Stock {
    /// All that the layout had of an image is in it, byte for byte.
    #[track_caller]
    fn assert_whole(&self, layout: &Path, image: &str, finished: &Finished) {
        for digest in self.below([image]) {
            let now = fs::read(blob_path(layout, &digest)).ok();
            let text = String::from_utf8_lossy(&self.0[&digest]);
            assert!(
                now.as_ref() == self.0.get(&digest),
                "{digest} is not what it was: {text}\n{finished}"
            );
        }
    }

    /// Every entry of index.json leads to a whole image.
    #[track_caller]
    fn assert_sound(&self, layout: &Path, finished: &Finished) {
        for row in index(layout).rows {
            self.assert_whole(layout, &row.digest, finished);
        }
    }
}

/// A layout, and what it was.
struct Ground {
    place: Place,
    dir: PathBuf,
    before: Tree,
    stock: Stock,
    index: Vec<u8>,
}

impl Ground {
    fn of(place: Place, layout: &Layout) -> Ground {
        let dir = layout.dir.clone();
        Ground {
            before: Tree::of(&dir),
            stock: Stock::of(&dir),
            index: index(&dir).data,
            place,
            dir,
        }
    }

    #[track_caller]
    fn succeeds(&self, args: &[&str]) -> Finished {
        self.place.succeeds(&self.dir, args)
    }

    fn run(&self, args: &[&str]) -> Finished {
        self.place.run_in(&self.dir, args)
    }

    /// Another program writes the index.json back that it read before anything was removed.
    fn write_index_back(&self) {
        fs::write(self.dir.join("index.json"), &self.index).unwrap();
    }

    /// The same program brings the blobs of an image, too.
    fn copy_again(&self, image: &Value) {
        for digest in self.stock.below([digest(image)]) {
            fs::write(blob_path(&self.dir, &digest), &self.stock.0[&digest]).unwrap();
        }
        self.write_index_back();
    }

    #[track_caller]
    fn assert_whole(&self, image: &Value, finished: &Finished) {
        self.stock.assert_whole(&self.dir, digest(image), finished);
    }
}

/// Two images that share a layer, and a third one.
struct Shared {
    ground: Ground,
    a: Value,
    b: Value,
}

impl Shared {
    fn new() -> Shared {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let a = layout.image_for("linux/amd64", "a", &["both", "a"]);
        let b = layout.image_for("linux/amd64", "b", &["both", "b"]);
        let kept = layout.image("kept");
        layout.tagged(&a, "a").tagged(&b, "b");
        layout.tagged(&kept, "kept").finish();
        let ground = Ground::of(place, &layout);
        Shared { ground, a, b }
    }
}

impl Deref for Shared {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

/// An image for two platforms, of which the second shares a layer with another image.
struct Platforms {
    ground: Ground,
    app: Value,
    arm: Value,
}

const REMOVE_ARM: [&str; 5] = ["rmi", "--trash", "--platform", "linux/arm64", "app"];

impl Platforms {
    fn new() -> Platforms {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
        let arm = layout.image_for("linux/arm64", "arm", &["both", "arm"]);
        let app = layout.index(&[&amd, &arm]);
        let other = layout.image_for("linux/amd64", "other", &["both"]);
        layout.tagged(&app, "app").tagged(&other, "other").finish();
        let ground = Ground::of(place, &layout);
        Platforms { ground, app, arm }
    }

    fn has_arm(&self) -> bool {
        blob_path(&self.dir, digest(&self.arm)).exists()
    }
}

impl Deref for Platforms {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

/// What can be removed from a layout, as command lines.
fn removing_commands(place: &Place, layout: &Path) -> Vec<Vec<String>> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut commands = vec![
        words("prune --trash -f -a --grace 0s"),
        words("prune --trash -f --grace 0s"),
    ];
    let listed = place.succeeds(layout, &["ls", "-a", "--format", "json"]);
    let mut seen = BTreeSet::new();
    for image in objects(&listed) {
        let named = (image["kind"] == "named").then(|| image["name"].as_str().unwrap());
        let mut add = |start: &str, end: &str| {
            let mut command = words(start);
            command.push(end.to_owned());
            commands.push(command);
        };
        if let Some(name) = named {
            add("rmi --trash", name);
        }
        let digest = image["digest"].as_str().unwrap();
        if seen.insert(digest.to_owned()) {
            add("rmi --trash -f", digest);
        }
        for platform in image["platforms"].as_array().unwrap() {
            let platform = platform.as_str().unwrap();
            if let (Some(name), false) = (named, platform.contains(' ')) {
                add(&format!("rmi --trash -f --platform {platform}"), name);
                add(
                    &format!("rmi --trash --rewrite-index --platform {platform}"),
                    name,
                );
            }
        }
    }
    commands
}

/// How many commands are tried on one fixture; of more, some are left out evenly.
const COMMANDS: usize = 10;

fn failures_of(fixture: &str) -> Vec<String> {
    let place = Place::new();
    let first = place.fixture(fixture, "first");
    let commands = removing_commands(&place, &first);
    let step = commands.len().div_ceil(COMMANDS).max(1);
    let mut failures = Vec::new();
    for (number, command) in commands.iter().step_by(step).enumerate() {
        let layout = place.fixture(fixture, &format!("layout{number}"));
        let before = Tree::of(&layout);
        let old = blobs(&layout);
        let args: Vec<&str> = command.iter().map(String::as_str).collect();
        let removed = place.run_in(&layout, &args);
        let mut problems = Vec::new();
        problems.extend(removed.wrong_ending(&[0, 1]));
        let (left, in_trash) = (blobs(&layout), trashed(&layout));
        for digest in old
            .iter()
            .filter(|d| !left.contains(*d) && !in_trash.contains(*d))
        {
            problems.push(format!("{digest} is nowhere"));
        }
        let restored = place.run_in(&layout, &["restore"]);
        problems.extend(restored.wrong_ending(&[0]));
        let mut changes = differences(&before, &layout);
        if args.contains(&"--rewrite-index") {
            // The new index is garbage now, for the next prune.
            changes.retain(|c| c.what != What::New || blob_digest(&c.path).is_none());
        }
        problems.extend(changes.iter().map(|change| format!("after all, {change}")));
        if removed.panicked() || restored.panicked() {
            problems.push("panicked".to_owned());
        }
        if !problems.is_empty() {
            failures.push(format!(
                "{fixture}: {}\n{}{}",
                problems.join("\n  "),
                removed,
                restored
            ));
        }
    }
    failures
}

#[test]
fn whatever_goes_from_a_layout_of_another_tool_comes_back_as_it_was() {
    let fixtures = fixtures();
    let (one, two) = fixtures.split_at(fixtures.len() / 2);
    let all = |fixtures: &[String]| -> Vec<String> {
        fixtures.iter().flat_map(|name| failures_of(name)).collect()
    };
    let failures = thread::scope(|scope| {
        let other = scope.spawn(|| all(one));
        let mut failures = all(two);
        failures.extend(other.join().unwrap());
        failures
    });
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn an_image_comes_back_with_what_belongs_to_it_and_with_nothing_else() {
    for reference in ["name", "digest", "id"] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let amd = layout.image_for("linux/amd64", "amd", &["both", "amd"]);
        let arm = layout.image_for("linux/arm64", "arm", &["both", "arm"]);
        let attestation = layout.attestation(&amd, "attestation");
        let app = layout.index(&[&amd, &arm, &attestation]);
        let signature = layout.image("signature");
        let referrer = layout.referrer(&app, "referrer");
        let other = layout.image_for("linux/amd64", "other", &["both", "other"]);
        let about_other = layout.referrer(&other, "about other");
        let tag = format!("sha256-{}.sig", &digest(&app)["sha256:".len()..]);
        layout
            .tagged(&other, "other")
            .unnamed(&about_other)
            .tagged(&app, "app")
            .tagged(&signature, &tag)
            .unnamed(&referrer)
            .unnamed(&arm)
            .finish();
        let dir = layout.dir.clone();
        let (before, stock) = (Tree::of(&dir), Stock::of(&dir));
        let rows: Vec<String> = index(&dir).rows.into_iter().map(|row| row.raw).collect();
        place.succeeds(&dir, &["rmi", "--trash", "app", "other"]);
        assert!(index(&dir).rows.is_empty() && blobs(&dir).is_empty());
        let reference = match reference {
            "name" => "app",
            "digest" => digest(&app),
            _ => id(&app),
        };
        let finished = place.succeeds(&dir, &["restore", reference]);
        let now: Vec<String> = index(&dir).rows.into_iter().map(|row| row.raw).collect();
        assert_eq!(now, rows[2..], "{finished}");
        let needed: BTreeSet<String> = [&app, &signature, &referrer]
            .iter()
            .flat_map(|image| stock.below([digest(image)]))
            .collect();
        assert_eq!(blobs(&dir), needed, "{finished}");
        stock.assert_sound(&dir, &finished);
        let finished = place.succeeds(&dir, &["restore", "other"]);
        assert_as_before(&before, &dir, &finished);
    }
}

#[test]
fn several_removals_come_back_in_any_order() {
    let orders = [
        ["a", "b", "kept"],
        ["a", "kept", "b"],
        ["b", "a", "kept"],
        ["b", "kept", "a"],
        ["kept", "a", "b"],
        ["kept", "b", "a"],
    ];
    for order in orders {
        let ground = Shared::new();
        for name in ["a", "b", "kept"] {
            ground.succeeds(&["rmi", "--trash", name]);
        }
        for name in order {
            let finished = ground.succeeds(&["restore", name]);
            assert!(names(&ground.dir).contains(&name.to_owned()));
            ground.stock.assert_sound(&ground.dir, &finished);
        }
        assert_eq!(blobs(&ground.dir), ground.stock.0.keys().cloned().collect());
        assert!(!ground.dir.join(TRASH).exists());
        let old = IndexDocument::read(ground.index.clone()).unwrap().rows;
        let rows =
            |rows: Vec<Row>| -> BTreeSet<String> { rows.into_iter().map(|row| row.raw).collect() };
        assert_eq!(rows(index(&ground.dir).rows), rows(old));
    }
}

/// One after the other, latest first, or all at once.
#[test]
fn entries_of_several_removals_get_their_old_places() {
    let orders = [
        ["a", "b", "kept"],
        ["a", "kept", "b"],
        ["b", "a", "kept"],
        ["b", "kept", "a"],
        ["kept", "a", "b"],
        ["kept", "b", "a"],
    ];
    for order in orders {
        let ground = Shared::new();
        let remove_all = || {
            for name in order {
                ground.succeeds(&["rmi", "--trash", name]);
            }
        };
        remove_all();
        let mut finished = None;
        for name in order.iter().rev() {
            finished = Some(ground.succeeds(&["restore", name]));
        }
        assert_as_before(&ground.before, &ground.dir, &finished.unwrap());
        remove_all();
        let finished = ground.succeeds(&["restore"]);
        assert_as_before(&ground.before, &ground.dir, &finished);
    }
}

#[test]
fn a_name_that_leads_elsewhere_by_now_is_a_conflict_and_nothing_comes_back() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (old, new) = (layout.image("old"), layout.image("new"));
    let signature = layout.image("signature");
    let tag = format!("sha256-{}.sig", &digest(&old)["sha256:".len()..]);
    layout.tagged(&old, "v1").tagged(&signature, &tag).finish();
    place.succeeds(&layout.dir, &["rmi", "--trash", "v1"]);
    let mut layout = place.layout("layout");
    layout.tagged(&new, "v1").finish();
    for args in [
        &["restore", "v1"][..],
        &["restore", "-n", "v1"],
        &["restore", id(&old)],
    ] {
        let finished = place.refuses(&layout.dir, args, 1);
        assert_mentions(&finished, "conflict");
        assert_mentions(&finished, digest(&new));
    }
    place.succeeds(&layout.dir, &["untag", "v1"]);
    place.succeeds(&layout.dir, &["restore", "v1"]);
    assert!(blob_path(&layout.dir, digest(&old)).exists());
}

/// What it had would be garbage in the layout, for the next prune.
#[test]
fn an_image_in_conflict_stays_in_the_trash_when_all_others_come_back() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a", "kept"]);
    let in_trash = trashed(&ground.dir);
    let b = index(&ground.dir).rows.remove(0).raw;
    let other = b.replace("\"b\"", "\"a\"");
    fs::write(
        ground.dir.join("index.json"),
        format!("{{\"manifests\":[{b},{other}]}}"),
    )
    .unwrap();
    let finished = ground.run(&["restore"]);
    assert_status(&finished, 1);
    assert_mentions(&finished, "conflict");
    assert!(names(&ground.dir).contains(&"kept".to_owned()));
    let own = in_trash
        .iter()
        .filter(|d| ground.stock.below([digest(&ground.a)]).contains(*d));
    let own: BTreeSet<String> = own.cloned().collect();
    assert_eq!(trashed(&ground.dir), own, "{finished}");
    fs::write(
        ground.dir.join("index.json"),
        format!("{{\"manifests\":[{b}]}}"),
    )
    .unwrap();
    let finished = ground.succeeds(&["restore"]);
    ground.assert_whole(&ground.a, &finished);
}

#[test]
fn what_is_not_in_the_trash_is_said_and_nothing_changes() {
    let ground = Shared::new();
    for trash in [false, true] {
        if trash {
            ground.succeeds(&["rmi", "--trash", "a"]);
        }
        for reference in ["b", "nothing", "deadbeef"] {
            let finished = ground
                .place
                .refuses(&ground.dir, &["restore", reference], 1);
            assert_mentions(&finished, "No such image in the trash");
        }
    }
    // One that is not there keeps none that is from coming back.
    let finished = ground.run(&["restore", "nothing", "a"]);
    assert_status(&finished, 1);
    assert_as_before(&ground.before, &ground.dir, &finished);
}

/// The target of a link is not ours to replace, and a dry run says so as the real one does.
#[test]
fn a_restore_into_a_linked_index_is_refused_by_a_dry_run_as_well() {
    let place = Place::new();
    let layout = place.fixture("skopeo19-full-ref", "layout");
    place.succeeds(&layout, &["rmi", "--trash", "alpine:3.21"]);
    let (index, other) = (layout.join("index.json"), layout.join("other.json"));
    fs::rename(&index, &other).unwrap();
    std::os::unix::fs::symlink(&other, &index).unwrap();
    let dry = place.refuses(&layout, &["restore", "-n"], 12);
    let real = place.refuses(&layout, &["restore"], 12);
    assert_eq!(dry.err, real.err);
}

#[test]
fn restoring_again_finds_nothing_to_restore() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    ground.copy_again(&ground.a);
    ground.succeeds(&["restore"]);
    let again = ground.succeeds(&["restore"]);
    assert_says(&again, "nothing to restore");
}

#[test]
fn what_a_program_brings_back_by_writing_an_old_index_comes_out_of_the_trash() {
    let commands: [&[&str]; 7] = [
        &["ls"],
        &["check"],
        &["rmi", "b"],
        &["rmi", "--trash", "b"],
        &["prune", "-f", "--grace", "0s"],
        &["untag", "kept"],
        &["restore", "a"],
    ];
    for command in commands {
        let ground = Shared::new();
        ground.succeeds(&["rmi", "--trash", "a"]);
        ground.write_index_back();
        let mut args = vec!["--lock-timeout", "2s"];
        args.extend(command);
        let finished = ground.run(&args);
        assert_status(&finished, 0);
        assert_mentions(&finished, HEALED);
        ground.stock.assert_sound(&ground.dir, &finished);
        ground.assert_whole(&ground.a, &finished);
        assert!(names(&ground.dir).contains(&"a".to_owned()));
    }
}

#[test]
fn a_dry_run_says_what_would_come_out_of_the_trash_and_leaves_it_there() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    ground.write_index_back();
    for args in [
        &["rmi", "-n", "b"][..],
        &["prune", "-n", "--grace", "0s"],
        &["untag", "-n", "b"],
    ] {
        let before = ground.place.tree();
        let finished = ground.succeeds(args);
        assert_no_traces(&before, &ground.place.tree(), &finished);
        assert_mentions(
            &finished,
            "in the trash, which a real run brings back first",
        );
    }
}

#[test]
fn a_removed_platform_comes_back_when_asked_for_and_not_by_itself() {
    let ground = Platforms::new();
    ground.succeeds(&REMOVE_ARM);
    for args in [
        &["ls"][..],
        &["check"],
        &["prune", "-f", "-n", "--grace", "0s"],
        &["prune", "-f", "--grace", "0s"],
        &["untag", "nothing", "--ignore"],
    ] {
        let finished = ground.succeeds(args);
        assert!(!ground.has_arm(), "{finished}");
        assert!(!finished.err.contains("trash"), "{finished}");
    }
    let finished = ground.succeeds(&["restore", "app"]);
    ground
        .stock
        .assert_whole(&ground.dir, digest(&ground.app), &finished);
    assert!(!ground.dir.join(TRASH).exists());
}

/// An image comes back as it was when it went; asked again, it gets what it had lost before.
#[test]
fn what_an_image_had_lost_before_it_went_comes_back_at_the_second_time() {
    let ground = Platforms::new();
    ground.succeeds(&REMOVE_ARM);
    ground.succeeds(&["rmi", "--trash", "app"]);
    let finished = ground.succeeds(&["restore", "app"]);
    assert!(!ground.has_arm(), "{finished}");
    let finished = ground.succeeds(&["restore", "app"]);
    assert_as_before(&ground.before, &ground.dir, &finished);
}

#[test]
fn a_platform_that_was_copied_again_goes_and_comes_back_with_its_image() {
    let ground = Platforms::new();
    ground.succeeds(&REMOVE_ARM);
    for digest in ground.stock.below([digest(&ground.app)]) {
        fs::write(blob_path(&ground.dir, &digest), &ground.stock.0[&digest]).unwrap();
    }
    ground.succeeds(&["rmi", "--trash", "app"]);
    assert!(!ground.has_arm());
    let finished = ground.succeeds(&["restore", "app"]);
    ground
        .stock
        .assert_whole(&ground.dir, digest(&ground.app), &finished);
}

#[test]
fn what_an_image_in_the_trash_shares_stays_when_the_others_go_for_good() {
    for args in [
        &["rmi", "b"][..],
        &["rmi", "-f", "b", "kept"],
        &["prune", "-a", "-f", "--grace", "0s"],
    ] {
        let ground = Shared::new();
        ground.succeeds(&["rmi", "--trash", "a"]);
        ground.succeeds(args);
        assert!(!blob_path(&ground.dir, digest(&ground.b)).exists());
        let finished = ground.succeeds(&["restore", "a"]);
        ground.assert_whole(&ground.a, &finished);
    }
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    ground.succeeds(&["untag", "b"]);
    ground.succeeds(&["prune", "-f", "--grace", "0s"]);
    let finished = ground.succeeds(&["restore"]);
    ground.assert_whole(&ground.a, &finished);
}

#[test]
fn what_a_platform_in_the_trash_shares_stays_when_the_others_go_for_good() {
    for args in [
        &["rmi", "other"][..],
        &["prune", "-a", "-f", "--grace", "0s", "--keep", "app"],
    ] {
        let ground = Platforms::new();
        ground.succeeds(&REMOVE_ARM);
        ground.succeeds(args);
        let finished = ground.succeeds(&["restore", "app"]);
        ground
            .stock
            .assert_whole(&ground.dir, digest(&ground.app), &finished);
    }
}

#[test]
fn what_a_removal_shares_stays_though_its_record_is_not_understood() {
    for args in [&["rmi", "b"][..], &["prune", "-a", "-f", "--grace", "0s"]] {
        let ground = Shared::new();
        ground.succeeds(&["rmi", "--trash", "a"]);
        let record = only_removal(&ground.dir).join(RECORD);
        let text = fs::read_to_string(&record).unwrap();
        // What a later version would write.
        fs::write(
            &record,
            text.replacen("\"version\": 1", "\"version\": 2", 1),
        )
        .unwrap();
        ground.succeeds(args);
        fs::write(&record, text).unwrap();
        let finished = ground.succeeds(&["restore", "a"]);
        ground.assert_whole(&ground.a, &finished);
    }
}

#[test]
fn what_another_layouts_trash_needs_of_shared_blobs_stays() {
    let place = Place::new();
    let mut one = place.layout("one");
    let a = one.image_for("linux/amd64", "a", &["both", "a"]);
    let b = one.image_for("linux/amd64", "b", &["both", "b"]);
    one.tagged(&a, "a").finish();
    let two = place.path("two");
    fs::create_dir(&two).unwrap();
    fs::copy(one.dir.join("oci-layout"), two.join("oci-layout")).unwrap();
    symlink("../one/blobs", two.join("blobs")).unwrap();
    let text = fs::read_to_string(one.dir.join("index.json")).unwrap();
    let text = text
        .replace("\"a\"", "\"b\"")
        .replace(digest(&a), digest(&b));
    let text = text.replace(&a["size"].to_string(), &b["size"].to_string());
    fs::write(two.join("index.json"), text).unwrap();
    let stock = Stock::of(&one.dir);
    let paths = [arg(&one.dir), arg(&two)];
    let finished = place.succeeds(&one.dir, &["rmi", "--trash", "--also-root", paths[1], "a"]);
    stock.assert_whole(&one.dir, digest(&b), &finished);
    let kept = place.succeeds(&two, &["rmi", "--also-root", paths[0], "b"]);
    assert_says(
        &kept,
        "referenced by the trash of a layout that shares the blobs",
    );
    let finished = place.succeeds(&one.dir, &["restore", "a"]);
    stock.assert_whole(&one.dir, digest(&a), &finished);
}

/// Some build tools make layouts of links into a store.
#[test]
fn blobs_that_are_relative_links_come_back_whole() {
    let ground = Shared::new();
    let store = ground.dir.join("store");
    fs::create_dir(&store).unwrap();
    for digest in blobs(&ground.dir) {
        let blob = blob_path(&ground.dir, &digest);
        let name = blob.file_name().unwrap().to_str().unwrap();
        fs::rename(&blob, store.join(name)).unwrap();
        symlink(format!("../../store/{name}"), &blob).unwrap();
    }
    let before = Tree::of(&ground.dir);
    ground.succeeds(&["rmi", "--trash", "a"]);
    let finished = ground.succeeds(&["restore", "a"]);
    assert_as_before(&before, &ground.dir, &finished);
    ground.succeeds(&["rmi", "--trash", "a"]);
    ground.succeeds(&["rmi", "b"]);
    let finished = ground.succeeds(&["restore", "a"]);
    ground.assert_whole(&ground.a, &finished);
}

#[test]
fn what_was_garbage_comes_back_too() {
    let ground = Shared::new();
    ground.succeeds(&["untag", "a"]);
    let before = Tree::of(&ground.dir);
    ground.succeeds(&["prune", "-f", "--grace", "0s", "--trash"]);
    assert!(!blob_path(&ground.dir, digest(&ground.a)).exists());
    let finished = ground.succeeds(&["restore"]);
    assert_as_before(&before, &ground.dir, &finished);
    fs::write(
        ground.dir.join("index.json"),
        format!("{{\"manifests\":[{}]}}", index(&ground.dir).rows[1].raw),
    )
    .unwrap();
    let before = Tree::of(&ground.dir);
    ground.succeeds(&["prune", "-f", "--grace", "0s", "--trash"]);
    let finished = ground.succeeds(&["restore"]);
    assert_as_before(&before, &ground.dir, &finished);
}

/// Docker keeps an image that others were built from, nameless, until the last of them goes.
#[test]
fn an_image_that_dangled_for_its_children_comes_back_with_its_name_only() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let base = layout.image_for("linux/amd64", "base", &["base"]);
    let child = layout.image_for("linux/amd64", "child", &["base", "child"]);
    let note = json!({
        "io.containerd.image.name": "docker.io/library/child:1",
        "org.mobyproject.image.parent": digest(&base),
    });
    layout
        .named(&base, "docker.io/library/base:1")
        .row(&child, note)
        .finish();
    let before = Tree::of(&layout.dir);
    place.succeeds(&layout.dir, &["rmi", "--trash", "base:1"]);
    assert_eq!(index(&layout.dir).rows.len(), 2);
    place.succeeds(&layout.dir, &["rmi", "--trash", "child:1"]);
    assert!(index(&layout.dir).rows.is_empty());
    let finished = place.succeeds(&layout.dir, &["restore"]);
    assert_as_before(&before, &layout.dir, &finished);
}

#[test]
fn a_new_index_that_went_too_gives_way_to_the_old_one() {
    let ground = Platforms::new();
    let mut args = REMOVE_ARM.to_vec();
    args.insert(1, "--rewrite-index");
    ground.succeeds(&args);
    let rewritten = index(&ground.dir).rows[0].digest.clone();
    ground.succeeds(&["rmi", "--trash", "app"]);
    let finished = ground.run(&["restore"]);
    let mut changes = differences(&ground.before, &ground.dir);
    changes.retain(|change| blob_digest(&change.path).as_ref() != Some(&rewritten));
    assert_status(&finished, 0);
    assert!(changes.is_empty(), "{changes:#?}\n{finished}");
}

#[test]
fn a_rewritten_index_comes_back_and_its_name_leads_to_it() {
    let ground = Platforms::new();
    let mut args = REMOVE_ARM.to_vec();
    args.insert(1, "--rewrite-index");
    ground.succeeds(&args);
    assert_ne!(index(&ground.dir).data, ground.index);
    let finished = ground.succeeds(&["restore", "app"]);
    assert_eq!(index(&ground.dir).data, ground.index, "{finished}");
    ground
        .stock
        .assert_whole(&ground.dir, digest(&ground.app), &finished);
}

#[test]
fn a_prune_deletes_what_was_long_in_the_trash_and_nothing_younger() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    let old = make_old(&only_removal(&ground.dir));
    ground.succeeds(&["rmi", "--trash", "b"]);
    let sizes: Vec<(u64, u64)> = removals(&ground.dir).iter().map(|r| weight(r)).collect();
    let (count, bytes) = sizes[0];
    let before = ground.place.tree();
    let dry = object(&ground.succeeds(&["prune", "-n", "--grace", "0s", "--format", "json"]));
    assert_eq!(
        dry["emptied"],
        json!({"removals": 1, "blobs": count, "bytes": bytes})
    );
    assert_eq!(dry["freed_bytes"], bytes);
    assert!(ground.place.tree().traces(&before).is_empty());
    let words = ground.succeeds(&["prune", "-n", "--grace", "0s"]);
    assert_says(&words, &format!("with {count} blobs"));
    assert!(ground.place.tree().traces(&before).is_empty());
    let real = object(&ground.succeeds(&["prune", "-f", "--grace", "0s", "--format", "json"]));
    assert_eq!(real["emptied"], dry["emptied"]);
    assert_eq!(real["freed_bytes"], dry["freed_bytes"]);
    assert!(!old.exists());
    assert_eq!(removals(&ground.dir).len(), 1);
    let finished = ground.succeeds(&["restore"]);
    ground.assert_whole(&ground.b, &finished);
    assert_status(&ground.run(&["restore", "a"]), 1);
}

/// How many blobs a removal has, and their bytes.
fn weight(removal: &Path) -> (u64, u64) {
    let tree = Tree::of(removal);
    let blobs = tree
        .items
        .iter()
        .filter(|(path, _)| blob_digest(path).is_some());
    blobs.fold((0, 0), |(count, bytes), (_, item)| {
        (count + 1, bytes + item.size())
    })
}

#[test]
fn a_prune_that_keeps_the_trash_for_no_time_deletes_all_of_it_but_what_it_moves_there() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    ground.succeeds(&["untag", "b"]);
    let args = [
        "prune",
        "-f",
        "--grace",
        "0s",
        "--trash",
        "--trash-keep",
        "0s",
    ];
    let finished = ground.succeeds(&args);
    assert_eq!(removals(&ground.dir).len(), 1, "{finished}");
    let finished = ground.succeeds(&["restore"]);
    ground.assert_whole(&ground.b, &finished);
    ground.succeeds(&["rmi", "--trash", "kept"]);
    ground.succeeds(&["prune", "-f", "--trash-keep", "0s"]);
    assert!(!ground.dir.join(TRASH).exists());
}

#[test]
fn a_prune_with_a_question_deletes_old_removals_after_a_yes_only() {
    for (answer, stays) in [("n\n", true), ("y\n", false)] {
        let ground = Shared::new();
        ground.succeeds(&["rmi", "--trash", "a"]);
        let old = make_old(&only_removal(&ground.dir));
        let args = in_layout(&ground.dir, &["prune"]);
        let home = ground.place.home();
        let finished = run_on_terminal(&args, &home, answer);
        assert_status(&finished, 0);
        assert_eq!(finished.asked, Some(true), "{finished}");
        assert_eq!(old.exists(), stays, "{finished}");
    }
}

/// A clock can have gone back between two removals.
#[test]
fn an_old_removal_keeps_what_a_younger_one_needs() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    ground.succeeds(&["rmi", "--trash", "b"]);
    make_old(&removals(&ground.dir)[1]);
    ground.succeeds(&["prune", "-f"]);
    let finished = ground.succeeds(&["restore", "a"]);
    ground.assert_whole(&ground.a, &finished);
}

#[test]
fn names_that_are_deleted_from_the_trash_for_good_are_said_to_be() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    layout.tagged(&image, "one").tagged(&image, "two").finish();
    place.succeeds(&layout.dir, &["rmi", "--trash", "one"]);
    make_old(&only_removal(&layout.dir));
    for args in [&["prune", "-n"][..], &["prune", "-f"]] {
        let finished = place.succeeds(&layout.dir, args);
        assert_says(&finished, "trash");
    }
    assert!(!layout.dir.join(TRASH).exists());
}

/// The other name is in another layout, whose trash goes in the same run.
#[test]
fn files_with_several_names_in_the_trash_are_freed_as_the_dry_run_says() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    let old = make_old(&only_removal(&ground.dir));
    let twin = ground.place.path("twin");
    for folder in [
        "blobs/sha256",
        &format!("{TRASH}/{}/blobs/sha256", name_of(&old)),
    ] {
        fs::create_dir_all(twin.join(folder)).unwrap();
        for entry in fs::read_dir(ground.dir.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            fs::hard_link(&path, twin.join(folder).join(name_of(&path))).unwrap();
        }
    }
    for file in ["oci-layout", "index.json"] {
        fs::copy(ground.dir.join(file), twin.join(file)).unwrap();
    }
    let root = ground.place.path(".");
    let freed = |args: &[&str]| -> u64 {
        let mut all = vec!["prune", "--format", "json", "--recursive", arg(&root)];
        all.extend(args);
        let finished = ground.place.run(&all);
        assert_status(&finished, 0);
        objects(&finished)
            .iter()
            .map(|o| o["freed_bytes"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(freed(&["-n"]), freed(&["-f"]));
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// It was checked whether index.json leads to them when the run began, and a sweep can take long.
#[test]
fn an_index_that_is_written_back_during_a_prune_keeps_what_it_needs_of_old_removals() {
    if !strace::is_here() {
        return;
    }
    let ground = Shared::new();
    let garbage = blob_path(&ground.dir, &digest_of("garbage"));
    fs::write(&garbage, "garbage").unwrap();
    ground.succeeds(&["rmi", "--trash", "a"]);
    make_old(&only_removal(&ground.dir));
    let args = in_layout(&ground.dir, &["prune", "-f", "--grace", "0s"]);
    // The prune stands still before it unlinks the garbage.
    let inject = "unlinkat:delay_enter=2000000:when=1";
    let log = ground.place.path("log");
    let command = strace::injected(inject, &log, &args, &ground.place.home());
    let running = Running::start(command, &args);
    // strace has begun, so the program has not yet; it is given the time to read and plan.
    thread::sleep(Duration::from_millis(900));
    let in_time = garbage.exists();
    ground.write_index_back();
    let finished = running.finish();
    assert_status_is_any(&finished, &[0, 1]);
    if in_time {
        ground.succeeds(&["rmi", "b"]);
        ground.assert_whole(&ground.a, &finished);
    }
}

#[test]
fn an_index_that_is_written_back_while_blobs_move_to_the_trash_gets_them_back() {
    if !strace::is_here() {
        return;
    }
    let ground = Shared::new();
    let args = in_layout(&ground.dir, &["rmi", "--trash", "a"]);
    let home = ground.place.home();
    // Every file takes a while, so that there is time between the first blob and the last.
    let inject = "linkat:delay_enter=400000:when=2+";
    let running = Running::start(
        strace::injected(inject, Path::new("/dev/null"), &args, &home),
        &args,
    );
    let end = Instant::now() + TIME_LIMIT;
    while blob_path(&ground.dir, digest(&ground.a)).exists() {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(5));
    }
    ground.write_index_back();
    let finished = running.finish();
    assert_status_is_any(&finished, &[0, 1]);
    let next = ground.succeeds(&["untag", "kept"]);
    ground.stock.assert_sound(&ground.dir, &finished);
    ground.assert_whole(&ground.a, &next);
}

#[track_caller]
fn assert_status_is_any(finished: &Finished, allowed: &[i32]) {
    let wrong = finished.wrong_ending(allowed);
    assert!(
        wrong.is_none() && !finished.panicked(),
        "{wrong:?}\n{finished}"
    );
}

#[test]
fn nothing_of_others_in_the_trash_is_deleted_or_followed() {
    let ground = Shared::new();
    let canary = ground.place.path("canary");
    fs::create_dir_all(canary.join("blobs/sha256")).unwrap();
    let name = &digest(&ground.a)["sha256:".len()..];
    fs::write(canary.join("blobs/sha256").join(name), "sings").unwrap();
    fs::write(canary.join(RECORD), "{}").unwrap();
    ground.succeeds(&["rmi", "--trash", "a"]);
    let old = make_old(&only_removal(&ground.dir));
    let trash = ground.dir.join(TRASH);
    for (at, what) in [
        (trash.join("notes.txt"), "mine"),
        (trash.join("20200101T000000.5Z-1"), "mine"),
        (old.join("notes.txt"), "mine"),
        (old.join("blobs/notes.txt"), "mine"),
        (old.join("blobs/sha256/upload.tmp"), "mine"),
    ] {
        fs::write(at, what).unwrap();
    }
    fs::create_dir(trash.join("20200101T000000.000000002Z-x")).unwrap();
    fs::create_dir(old.join("blobs/sha256").join("f".repeat(64))).unwrap();
    symlink(&canary, trash.join("20200101T000000.000000003Z-1")).unwrap();
    let linked = trash.join("20200101T000000.000000004Z-1");
    fs::create_dir_all(linked.join("blobs")).unwrap();
    symlink(canary.join("blobs/sha256"), linked.join("blobs/sha256")).unwrap();
    let whole = trash.join("20200101T000000.000000005Z-1");
    fs::create_dir_all(&whole).unwrap();
    symlink(canary.join("blobs"), whole.join("blobs")).unwrap();
    let own = |path: &str| {
        let inside = path.strip_prefix(&format!("layout/{TRASH}/{}/", name_of(&old)));
        inside
            .is_some_and(|path| path == RECORD || path.starts_with("blobs/sha256/") && is_hex(path))
    };
    for args in [
        &["ls"][..],
        &["untag", "b"],
        &["prune", "-n", "--grace", "0s"],
        &["prune", "-f", "--grace", "0s", "--keep", "*"],
    ] {
        let before = ground.place.tree();
        let finished = ground.succeeds(args);
        let changes = before.changes(&ground.place.tree());
        let ours = |change: &Change| {
            change.path == "layout/index.json"
                || change.what == What::Gone && own(&change.path)
                || change.path.starts_with("layout/blobs/sha256/")
                // Directories without anything are garbage of a run that was killed.
                || change.what == What::Gone && change.path.ends_with("Z-1")
        };
        let theirs: Vec<&Change> = changes.iter().filter(|change| !ours(change)).collect();
        assert!(theirs.is_empty(), "{theirs:?}\n{finished}");
    }
    assert!(!old.join("blobs/sha256").join(name).exists());
    assert!(old.join("notes.txt").exists() && old.join("blobs/sha256/upload.tmp").exists());
}

fn is_hex(path: &str) -> bool {
    blob_digest(path).is_some_and(|digest| !digest.ends_with("ffffffff"))
}

#[test]
fn a_trash_that_is_no_directory_of_the_layout_stops_before_anything_goes() {
    for kind in ["link", "dangling link", "file"] {
        let ground = Shared::new();
        let canary = ground.place.path("canary");
        fs::create_dir(&canary).unwrap();
        let trash = ground.dir.join(TRASH);
        match kind {
            "link" => symlink("../canary", &trash).unwrap(),
            "dangling link" => symlink("../nothing", &trash).unwrap(),
            _ => fs::write(&trash, "mine").unwrap(),
        }
        for args in [
            &["rmi", "--trash", "a"][..],
            &["prune", "--trash", "-f", "-a", "--grace", "0s"],
        ] {
            let before = ground.place.tree();
            let finished = ground.run(args);
            assert_status(&finished, 12);
            let changes = before.changes(&ground.place.tree());
            assert!(changes.is_empty(), "{changes:?}\n{finished}");
        }
        // Without the trash everything goes on.
        ground.succeeds(&["ls"]);
        assert_says(&ground.succeeds(&["restore"]), "nothing to restore");
        ground.succeeds(&["rmi", "a"]);
        assert!(fs::read_dir(&canary).unwrap().next().is_none());
    }
}

/// Ways to spoil a record, by name.
const SPOILT: [&str; 9] = [
    "garbage",
    "empty",
    "version 2",
    "missing",
    "fifo",
    "folder",
    "dangling link",
    "huge",
    "a bomb of brackets",
];

fn spoil(record: &Path, how: &str) {
    let text = fs::read_to_string(record).unwrap();
    fs::remove_file(record).unwrap();
    match how {
        "garbage" => fs::write(record, b"\xff{]").unwrap(),
        "empty" => fs::write(record, "").unwrap(),
        "version 2" => fs::write(record, text.replacen(": 1", ": 2", 1)).unwrap(),
        "missing" => {}
        "fifo" => crate::support::special_files::fifo(record),
        "folder" => fs::create_dir(record).unwrap(),
        "dangling link" => symlink("nowhere", record).unwrap(),
        "huge" => File::create(record)
            .unwrap()
            .set_len((1 << 30) + 1)
            .unwrap(),
        _ => fs::write(record, "[".repeat(1 << 20)).unwrap(),
    }
}

fn remove_whatever(path: &Path) {
    if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        fs::remove_dir(path).unwrap();
    } else {
        let _ = fs::remove_file(path);
    }
}

#[test]
fn a_record_that_is_not_understood_stops_nothing_and_loses_nothing() {
    for how in SPOILT {
        let ground = Shared::new();
        ground.succeeds(&["rmi", "--trash", "a"]);
        let record = only_removal(&ground.dir).join(RECORD);
        let text = fs::read(&record).unwrap();
        spoil(&record, how);
        for (args, statuses) in [
            (&["ls"][..], &[0][..]),
            (&["check"], &[0]),
            (&["restore", "-n"], &[0, 1]),
            (&["restore", "a"], &[0, 1]),
            (&["untag", "kept"], &[0]),
            (&["prune", "-f", "--grace", "0s"], &[0]),
        ] {
            let finished = ground.run(args);
            assert_status_is_any(&finished, statuses);
        }
        remove_whatever(&record);
        fs::write(&record, text).unwrap();
        let finished = ground.succeeds(&["restore", "a"]);
        ground.assert_whole(&ground.a, &finished);
    }
}

/// They would be garbage in the layout, for the next prune.
#[test]
fn blobs_of_a_removal_that_is_not_understood_are_never_lost_by_a_restore() {
    for how in ["garbage", "version 2", "huge"] {
        let ground = Shared::new();
        ground.succeeds(&["rmi", "--trash", "a"]);
        let record = only_removal(&ground.dir).join(RECORD);
        let text = fs::read(&record).unwrap();
        spoil(&record, how);
        assert_status_is_any(&ground.run(&["restore"]), &[0, 1]);
        ground.succeeds(&["prune", "-f", "--grace", "0s"]);
        fs::write(&record, text).unwrap();
        let finished = ground.succeeds(&["restore", "a"]);
        ground.assert_whole(&ground.a, &finished);
    }
}

#[test]
fn a_restore_says_that_a_removal_is_not_understood() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    spoil(&only_removal(&ground.dir).join(RECORD), "version 2");
    assert_mentions(&ground.run(&["restore", "a"]), RECORD);
}

#[test]
fn names_without_blobs_in_the_trash_survive_a_record_that_cannot_be_read() {
    for how in ["garbage", "version 2", "huge"] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let image = layout.image("image");
        layout.tagged(&image, "one").tagged(&image, "two").finish();
        place.succeeds(&layout.dir, &["rmi", "--trash", "one"]);
        let record = only_removal(&layout.dir).join(RECORD);
        spoil(&record, how);
        place.succeeds(&layout.dir, &["untag", "two"]);
        assert!(record.exists(), "{how}");
    }
}

#[test]
fn a_record_that_somebody_made_up_cannot_spoil_the_layout() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a", "b", "kept"]);
    let record = only_removal(&ground.dir).join(RECORD);
    let good: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    let old = fs::read(ground.dir.join("index.json")).unwrap();
    let spoilt: [&dyn Fn(&mut Value); 8] = [
        &|r| r["rows"][0]["entry"] = json!(null),
        &|r| r["rows"][0]["entry"] = json!([[[]]]),
        &|r| r["rows"][0]["position"] = json!(u64::MAX),
        &|r| r["rows"][0]["replaced_by"] = json!({}),
        &|r| r["cuts"] = json!([{"image": "../..", "manifests": ["/etc/passwd"]}]),
        &|r| r["files"] = json!([{"name": "../canary", "old": "dead", "new": "sings"}]),
        &|r| r["spacing"] = json!({"before": "x", "separator": "y", "after": "z"}),
        &|r| r["spacing"] = json!({"before": "", "separator": "", "after": ""}),
    ];
    ground.place.file("canary", "sings");
    let trash = Tree::of(&ground.dir.join(TRASH));
    assert!(!trash.items.is_empty());
    for spoil in spoilt {
        let mut bad = good.clone();
        spoil(&mut bad);
        fs::write(&record, bad.to_string()).unwrap();
        fs::write(ground.dir.join("index.json"), &old).unwrap();
        for args in [&["restore", "-n"][..], &["restore", "a"]] {
            let finished = ground.run(args);
            assert_status_is_any(&finished, &[0, 1]);
            let bytes = fs::read(ground.dir.join("index.json")).unwrap();
            let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
            assert!(parsed.is_ok(), "{bad}\n{finished}");
        }
        assert_eq!(
            fs::read_to_string(ground.place.path("canary")).unwrap(),
            "sings"
        );
        // All blobs back to where they were, for the next one.
        let into = record.with_file_name("blobs").join("sha256");
        fs::create_dir_all(&into).unwrap();
        for digest in blobs(&ground.dir) {
            let from = blob_path(&ground.dir, &digest);
            fs::rename(&from, into.join(name_of(&from))).unwrap();
        }
    }
}

fn as_done(finished: &Finished) -> Vec<String> {
    let lines = finished.out.lines().map(|line| {
        let mut line = line.to_owned();
        for (would, done) in [
            ("Would untag:", "Untagged:"),
            ("Would trash:", "Trashed:"),
            ("Would move back:", "Moved back:"),
            ("Would move:", "Moved:"),
            ("Would restore:", "Restored:"),
            ("Would remove 2 images.", "Removing 2 images."),
            ("Would keep", "Kept"),
            ("Would bring back", "Brought back"),
            ("Would remove", "Removed"),
            ("would move", "moved"),
            (" Nothing was changed.", ""),
        ] {
            line = line.replace(would, done);
        }
        line
    });
    lines.collect()
}

#[test]
fn a_dry_run_with_the_trash_says_what_the_real_run_does() {
    for args in [
        &["rmi", "--trash", "-v", "a", "b"][..],
        &["rmi", "--trash", "-v", "nothing", "a"],
        &[
            "prune", "--trash", "-v", "-a", "-f", "--grace", "0s", "--keep", "kept",
        ],
    ] {
        let ground = Shared::new();
        let mut dry_args = args.to_vec();
        dry_args.push("-n");
        let before = ground.place.tree();
        let dry = ground.run(&dry_args);
        assert_no_traces(&before, &ground.place.tree(), &dry);
        let real = ground.run(args);
        assert_eq!(dry.code(), real.code());
        assert_eq!(as_done(&dry), as_done(&real));
        assert!(real.out.contains("Trashed: ") && !real.out.contains("Deleted"));
        assert!(dry.out.contains("Would trash: "), "{dry}");
        assert!(real.out.contains("to the trash"), "{real}");
        assert_eq!(
            real.out.matches("Moved: ").count(),
            trashed(&ground.dir).len()
        );

        let ground = Shared::new();
        let mut args = args.to_vec();
        args.extend(["--format", "json"]);
        let real = object(&ground.run(&args));
        let ground = Shared::new();
        args.push("-n");
        let mut dry = object(&ground.run(&args));
        assert_eq!(dry["dry_run"], true);
        dry["dry_run"] = false.into();
        dry["layout"] = real["layout"].clone();
        assert_eq!(dry, real);
        assert_eq!(real["to_trash"], true);
        assert_eq!(real["freed_bytes"], 0);
        assert_eq!(
            real["emptied"],
            json!({"removals": 0, "blobs": 0, "bytes": 0})
        );
    }
}

#[test]
fn a_dry_restore_says_what_the_real_one_does() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a", "b"]);
    for args in [&["restore", "-v", "a"][..], &["restore", "-v"]] {
        let before = ground.place.tree();
        let mut dry_args = args.to_vec();
        dry_args.push("--dry-run");
        let dry = ground.succeeds(&dry_args);
        assert_no_traces(&before, &ground.place.tree(), &dry);
        dry_args.extend(["--format", "json"]);
        let report = object(&ground.succeeds(&dry_args));
        let old = blobs(&ground.dir);
        let real = ground.succeeds(args);
        assert_eq!(as_done(&dry), real.out.lines().collect::<Vec<_>>());
        let came: BTreeSet<String> = blobs(&ground.dir).difference(&old).cloned().collect();
        let said = members(&report["blobs"], "digest").into_iter();
        let said: BTreeSet<String> = said.map(str::to_owned).collect();
        assert_eq!(said, came);
        let size = |digest: &String| fs::metadata(blob_path(&ground.dir, digest)).unwrap().len();
        assert_eq!(report["bytes"], came.iter().map(size).sum::<u64>());
        assert_eq!(report["dry_run"], true);
    }
    assert_says(&ground.succeeds(&["restore"]), "nothing to restore");
}

#[test]
fn several_layouts_have_a_trash_of_their_own() {
    let place = Place::new();
    let mut before = Vec::new();
    for name in ["one", "two"] {
        let mut layout = place.layout(name);
        let (gone, kept) = (layout.image(&format!("gone {name}")), layout.image("kept"));
        layout.unnamed(&gone).tagged(&kept, "kept").finish();
        before.push((layout.dir.clone(), Tree::of(&layout.dir)));
    }
    let root = place.path(".");
    let prune = [
        "prune",
        "--trash",
        "-f",
        "--grace",
        "0s",
        "--recursive",
        arg(&root),
    ];
    assert_status(&place.run(&prune), 0);
    for (dir, tree) in &before {
        assert_eq!(removals(dir).len(), 1);
        let finished = place.succeeds(dir, &["restore"]);
        assert_as_before(tree, dir, &finished);
    }
}

#[test]
fn a_layout_inside_a_trash_is_not_found_by_recursion() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    let inner = only_removal(&ground.dir);
    fs::write(
        inner.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    fs::write(inner.join("index.json"), r#"{"manifests":[]}"#).unwrap();
    let root = ground.place.path(".");
    let root = arg(&root);
    for args in [
        &["ls", "--recursive", root, "--format", "json"][..],
        &["check", "--recursive", root, "--format", "json"],
        &[
            "prune",
            "-a",
            "-f",
            "--grace",
            "0s",
            "--recursive",
            root,
            "--format",
            "json",
        ],
    ] {
        let finished = ground.place.run(args);
        assert_status(&finished, 0);
        for line in objects(&finished) {
            let layout = line["layout"].as_str().unwrap();
            assert!(layout.ends_with("/layout"), "{finished}");
        }
    }
    assert_eq!(trashed(&ground.dir).len(), 4);
}

#[test]
fn the_trash_is_no_stray_and_its_blobs_are_no_garbage() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    let finished = ground.succeeds(&["check", "--format", "json", "--digests"]);
    assert!(!finished.out.contains(TRASH), "{finished}");
    let report = object(&finished);
    assert_eq!(report["sound"], true);
    let finished = ground.succeeds(&["prune", "-f", "--grace", "0s"]);
    assert_eq!(trashed(&ground.dir).len(), 3, "{finished}");
}

#[test]
fn an_unpacked_docker_save_comes_back_with_its_other_files() {
    for order in [["one", "two"], ["two", "one"]] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (one, two) = (layout.image("one"), layout.image("two"));
        layout
            .named(&one, "docker.io/library/one:1")
            .named(&two, "docker.io/library/two:1")
            .finish();
        let item = |image: &Value, name: &str| {
            let config = layout.config_of(image);
            json!({
                "Config": format!("blobs/{}", config.replace(':', "/")),
                "RepoTags": [format!("{name}:1")],
                "Layers": [],
            })
        };
        let manifest = json!([item(&one, "one"), item(&two, "two")]);
        fs::write(layout.dir.join("manifest.json"), manifest.to_string()).unwrap();
        let repositories = r#"{ "one":{"1":"x"}, "two":{"1":"y"} }"#;
        fs::write(layout.dir.join("repositories"), repositories).unwrap();
        let before = Tree::of(&layout.dir);
        for name in order {
            place.succeeds(&layout.dir, &["rmi", "--trash", &format!("{name}:1")]);
        }
        let text = fs::read_to_string(layout.dir.join("manifest.json")).unwrap();
        assert!(
            !text.contains("RepoTags") || !text.contains("one:1"),
            "{text}"
        );
        for name in order.iter().rev() {
            place.succeeds(&layout.dir, &["restore", &format!("{name}:1")]);
        }
        let finished = place.succeeds(&layout.dir, &["ls"]);
        assert_as_before(&before, &layout.dir, &finished);
        // What somebody else wrote into the file stays.
        place.succeeds(&layout.dir, &["rmi", "--trash", "one:1"]);
        fs::write(layout.dir.join("manifest.json"), "[]").unwrap();
        let finished = place.succeeds(&layout.dir, &["restore"]);
        assert_mentions(&finished, "manifest.json was changed since");
        assert_eq!(
            fs::read_to_string(layout.dir.join("manifest.json")).unwrap(),
            "[]"
        );
        assert_eq!(
            fs::read_to_string(layout.dir.join("repositories")).unwrap(),
            repositories
        );
    }
}

#[test]
fn a_sparse_image_comes_back_as_sparse_as_it_was() {
    let ground = Platforms::new();
    for digest in ground.stock.below([digest(&ground.arm)]) {
        fs::remove_file(blob_path(&ground.dir, &digest)).unwrap();
    }
    let before = Tree::of(&ground.dir);
    ground.succeeds(&["rmi", "--trash", "app"]);
    let finished = ground.succeeds(&["restore", "app"]);
    assert_as_before(&before, &ground.dir, &finished);
}

#[test]
fn blobs_of_other_algorithms_come_back_too() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let kept = layout.image("kept");
    fs::create_dir_all(layout.dir.join("blobs/sha512")).unwrap();
    let put = |media_type: &str, text: &str| {
        let digits = hex(&Sha512::digest(text));
        fs::write(layout.dir.join("blobs/sha512").join(&digits), text).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha512:{digits}"), "size": text.len()})
    };
    let config = put(CONFIG, r#"{"os":"linux","architecture":"amd64"}"#);
    let text = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [put(LAYER, "layer")],
    });
    let image = put(MANIFEST, &text.to_string());
    layout.tagged(&image, "v1").tagged(&kept, "kept").finish();
    let before = Tree::of(&layout.dir);
    place.succeeds(&layout.dir, &["rmi", "--trash", "v1"]);
    assert_eq!(trashed(&layout.dir).len(), 3);
    // Somebody tidies up.
    fs::remove_dir(layout.dir.join("blobs/sha512")).unwrap();
    let finished = place.succeeds(&layout.dir, &["restore", "v1"]);
    assert_as_before(&before, &layout.dir, &finished);
}

#[test]
fn files_with_several_names_keep_them() {
    let ground = Shared::new();
    let beside = ground.place.path("beside");
    fs::hard_link(blob_path(&ground.dir, digest(&ground.a)), &beside).unwrap();
    ground.succeeds(&["rmi", "--trash", "a"]);
    let finished = ground.succeeds(&["restore", "a"]);
    assert_as_before(&ground.before, &ground.dir, &finished);
    use std::os::unix::fs::MetadataExt as _;
    let file = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_eq!(
        file(&beside),
        file(&blob_path(&ground.dir, digest(&ground.a)))
    );
}

#[test]
fn blobs_that_others_may_share_are_not_moved_to_the_trash() {
    let ground = Shared::new();
    let store = ground.place.path("store");
    fs::rename(ground.dir.join("blobs"), &store).unwrap();
    symlink("../store", ground.dir.join("blobs")).unwrap();
    let before = Tree::of(&store);
    let finished = ground.run(&["rmi", "--trash", "a"]);
    assert_status(&finished, 1);
    assert_no_traces(&before, &Tree::of(&store), &finished);
    assert!(!names(&ground.dir).contains(&"a".to_owned()));
    let finished = ground.succeeds(&["restore", "a"]);
    assert_eq!(index(&ground.dir).data, ground.index, "{finished}");
    ground.assert_whole(&ground.a, &finished);
}

/// The trash has a copy of its own already, and may need it whole.
#[test]
fn a_spoilt_blob_of_the_layout_takes_no_good_ones_place_in_the_trash() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    ground.copy_again(&ground.a);
    let layer = digest_of(b"layer a\n");
    fs::write(blob_path(&ground.dir, &layer), "layer ?\n").unwrap();
    ground.succeeds(&["rmi", "a"]);
    let finished = ground.succeeds(&["restore", "a"]);
    ground.assert_whole(&ground.a, &finished);
}

#[test]
fn deleting_for_good_what_the_trash_has_too_frees_it() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    let own = trashed(&ground.dir);
    ground.copy_again(&ground.a);
    let size = |digest: &String| ground.stock.0[digest].len() as u64;
    let report = object(&ground.succeeds(&["rmi", "a", "--format", "json"]));
    assert_eq!(
        report["freed_bytes"],
        own.iter().map(size).sum::<u64>(),
        "{report}"
    );
    assert_eq!(trashed(&ground.dir), own);
    let finished = ground.succeeds(&["restore", "a"]);
    ground.assert_whole(&ground.a, &finished);
}

/// index.json can name what is secret, and others can read the layout.
#[test]
fn a_record_is_as_private_as_the_index_was() {
    use std::os::unix::fs::PermissionsExt as _;
    let ground = Shared::new();
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(ground.dir.join("index.json"), private).unwrap();
    ground.succeeds(&["rmi", "--trash", "a"]);
    let record = only_removal(&ground.dir).join(RECORD);
    let mode = fs::metadata(record).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn an_entry_comes_back_with_every_byte_that_other_tools_wrote() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (odd, kept) = (layout.image("odd"), layout.image("kept"));
    let deep = format!("{}1.50{}", "[".repeat(300), "]".repeat(300));
    for (before, between, after) in [
        ("", ",", ""),
        ("\n\t", "\n\t, ", "\r\n"),
        (" ", " ,\n ", " "),
    ] {
        let row = |image: &Value, name: &str| {
            format!(
                r#"{{ "x" : {deep},"digest":"{}", "x":"\ud83d\ude00\u00e9\/" ,"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#,
                digest(image)
            )
        };
        let rows = [row(&odd, "odd"), row(&kept, "kept"), row(&odd, "also")];
        let text = format!(
            "{{\"b\":1e5, \"manifests\" : [{before}{}{after}],\"a\":[ ]}}\n\n",
            rows.join(between)
        );
        layout.finish_as(&text);
        let tree = Tree::of(&layout.dir);
        for args in [
            &["rmi", "--trash", "odd"][..],
            &["rmi", "--trash", "odd", "also"],
            &["rmi", "--trash", "odd", "also", "kept"],
            &["rmi", "--trash", "kept"],
        ] {
            place.succeeds(&layout.dir, args);
            let finished = place.succeeds(&layout.dir, &["restore"]);
            assert_as_before(&tree, &layout.dir, &finished);
        }
    }
}

#[test]
fn no_temporary_file_is_left() {
    let ground = Shared::new();
    let commands: [&[&str]; 7] = [
        &["rmi", "--trash", "a"],
        &["rmi", "--trash", "b"],
        &["restore", "a"],
        &["rmi", "b"],
        &["restore", "nothing"],
        &["restore"],
        &[
            "prune",
            "--trash",
            "-a",
            "-f",
            "--grace",
            "0s",
            "--trash-keep",
            "0s",
        ],
    ];
    for args in commands {
        let finished = ground.run(args);
        assert_no_leftovers(&ground.dir, &finished);
    }
}

/// The system calls by which anything on the disk changes.
const CHANGING: [&str; 6] = [
    "mkdirat",
    "linkat",
    "renameat",
    "renameat2",
    "unlinkat",
    "fsync",
];

/// Runs a command again and again on fresh grounds, each time with the next one of its changes of the disk spoilt by
/// `inject`, until there are no more.
fn at_every_step(
    inject: &str,
    prepare: &dyn Fn(&Shared),
    args: &[&str],
    judge: &dyn Fn(&Shared, &Finished),
) {
    if !strace::is_here() {
        return;
    }
    for call in CHANGING {
        for number in 1.. {
            let ground = Shared::new();
            prepare(&ground);
            let args = in_layout(&ground.dir, args);
            let log = ground.place.path("log");
            let inject = format!("?{call}:{inject}:when={number}");
            let command = strace::injected(&inject, &log, &args, &ground.place.home());
            let finished = Running::start(command, &args).finish();
            let calls = fs::read_to_string(log).unwrap();
            let reached = calls.matches(&format!("{call}(")).count() >= number;
            if !reached {
                assert_status(&finished, 0);
                break;
            }
            judge(&ground, &finished);
            assert!(number < 100);
        }
    }
}

/// What only a kill leaves: an empty directory, or a lock file that the next one who locks takes away.
fn is_harmless(layout: &Path, change: &Change) -> bool {
    change.path == "index.json.lock"
        || change.path == TRASH && fs::read_dir(layout.join(TRASH)).unwrap().next().is_none()
}

#[track_caller]
fn assert_restorable(ground: &Shared, finished: &Finished) {
    ground.stock.assert_sound(&ground.dir, finished);
    let restored = ground.run(&["restore"]);
    let transcript = format!("{finished}{restored}");
    assert_eq!(restored.code(), Some(0), "{transcript}");
    let mut changes = differences(&ground.before, &ground.dir);
    changes.retain(|change| !is_harmless(&ground.dir, change));
    assert!(changes.is_empty(), "{changes:#?}\n{transcript}");
}

#[test]
fn a_removal_that_is_killed_at_any_step_can_be_undone() {
    at_every_step(
        "signal=KILL",
        &|_| (),
        &["rmi", "--trash", "a"],
        &assert_restorable,
    );
}

#[test]
fn a_removal_that_fails_at_any_step_can_be_undone() {
    at_every_step(
        "error=EIO",
        &|_| (),
        &["rmi", "--trash", "a"],
        &|ground, finished| {
            assert_status_is_any(finished, &[0, 1]);
            assert_restorable(ground, finished);
        },
    );
}

#[test]
fn a_restore_that_is_killed_or_fails_at_any_step_can_be_done_again() {
    let remove = |ground: &Shared| {
        ground.succeeds(&["rmi", "--trash", "kept"]);
        ground.succeeds(&["rmi", "--trash", "a"]);
    };
    at_every_step("signal=KILL", &remove, &["restore"], &assert_restorable);
    at_every_step(
        "error=EIO",
        &remove,
        &["restore", "a", "kept"],
        &|ground, finished| {
            assert_status_is_any(finished, &[0, 1]);
            assert_restorable(ground, finished);
        },
    );
}

#[test]
fn emptying_the_trash_that_is_killed_or_fails_at_any_step_is_finished_by_the_next_prune() {
    let remove = |ground: &Shared| {
        ground.succeeds(&["rmi", "--trash", "a"]);
        make_old(&only_removal(&ground.dir));
    };
    let judge = |ground: &Shared, finished: &Finished| {
        ground.stock.assert_sound(&ground.dir, finished);
        let again = ground.succeeds(&["prune", "-f"]);
        let left: Vec<PathBuf> = removals(&ground.dir);
        assert!(left.is_empty(), "{left:?}\n{finished}{again}");
        ground.stock.assert_sound(&ground.dir, &again);
    };
    at_every_step("signal=KILL", &remove, &["prune", "-f"], &judge);
    at_every_step("error=EIO", &remove, &["prune", "-f"], &judge);
}

/// Nobody but ocirm knows what the directory is.
#[test]
fn other_tools_read_a_layout_with_a_trash() {
    let ground = Shared::new();
    ground.succeeds(&["rmi", "--trash", "a"]);
    if SKOPEO.is_here() {
        let copy = ground.place.path("copy");
        SKOPEO.run(["copy", &oci(&ground.dir, "b"), &oci(&copy, "b")]);
    }
    if UMOCI.is_here() {
        UMOCI.run(["ls", "--layout", arg(&ground.dir)]);
    }
    let finished = ground.succeeds(&["restore"]);
    assert_as_before(&ground.before, &ground.dir, &finished);
}

/// A record is a file that people compare and keep: what is the same removal is the same text.
#[test]
fn the_record_of_the_same_removal_is_the_same_text() {
    let place = Place::new();
    let mut texts = BTreeSet::new();
    for number in 0..8 {
        let mut layout = place.layout(&format!("layout {number}"));
        let image = layout.image_for("linux/arm64", "image", &["image"]);
        let notes: Vec<Value> = (0..6)
            .map(|n| layout.attestation(&image, &format!("note {n}")))
            .collect();
        let other = layout.image("other");
        let mut listed = vec![&other, &image];
        listed.extend(&notes);
        let app = layout.index(&listed);
        layout.tagged(&app, "app").finish();
        let args = ["rmi", "--trash", "--platform", "linux/arm64", "app"];
        place.succeeds(&layout.dir, &args);
        let record = fs::read(only_removal(&layout.dir).join(RECORD)).unwrap();
        let mut record: Value = serde_json::from_slice(&record).unwrap();
        record["removed"].take();
        texts.insert(record.to_string());
    }
    assert_eq!(texts.len(), 1, "{texts:#?}");
}
