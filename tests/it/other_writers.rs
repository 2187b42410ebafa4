//! What other programs do to the layout or to its neighbours, as far as it can be seen: temporary files
//! of writers without locks, documents that cannot be read, layouts that share their blobs, and runs
//! that name each other.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::command::{Finished, Running, in_layout, ocirm};
use crate::support::contents::{arg, blob_path, blobs, digest, digest_of, names};
use crate::support::layout::{CONFIG, INDEX, LAYER, Layout, MANIFEST};
use crate::support::place::{
    PRUNE, Place, assert_mentions, assert_no_traces, assert_says, assert_status, object,
};
use crate::support::skipped::skipped;

const OCTETS: &str = "application/octet-stream";

/// `kept:1`, `old:1` with a layer of its own, and garbage, all of it just written.
struct Scene {
    place: Place,
    layout: Layout,
    old: Value,
    garbage: Value,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let kept = layout.image_for("linux/amd64", "kept", &["base"]);
        let old = layout.image_for("linux/amd64", "old", &["base", "of old"]);
        let garbage = layout.blob("text/plain", "garbage\n");
        layout
            .named(&kept, "docker.io/library/kept:1")
            .named(&old, "docker.io/library/old:1")
            .finish();
        Scene {
            place,
            layout,
            old,
            garbage,
        }
    }

    fn dir(&self) -> &Path {
        &self.layout.dir
    }

    /// A file of another program, with what is above it.
    fn write(&self, path: &str) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "half a layer").unwrap();
    }

    /// Until all of it is older than a second: the age of a blob cannot be set.
    fn wait(&self) {
        thread::sleep(Duration::from_millis(1100));
    }

    fn run(&self, args: &[&str]) -> Finished {
        self.place.run_in(self.dir(), args)
    }

    fn run_with(&self, args: &[&str], value: &str) -> Finished {
        let args = in_layout(self.dir(), args);
        let mut command = ocirm(&args, &self.place.home());
        command.env("OCIRM_TRASH", value);
        Running::start(command, &args).finish()
    }
}

fn set_modified(path: &Path, time: SystemTime) {
    let file = File::open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Temporary files in the root, as tools make them.
const IN_THE_ROOT: [&str; 9] = [
    "oci-put-blob3141592653",
    ".umoci-a8f2/blob-1",
    "ingest/5d7a_1234",
    "ingest/5d7a/data",
    ".uploads/6f1c1ac0-93a8-4a1c-8b0d-6a1c5f2e9d10",
    "index.json.a1b2.tmp",
    "index.json.271828",
    ".index.json.a7Fq2z",
    "6f1c1ac0-93a8-4a1c-8b0d-6a1c5f2e9d10",
];

/// FR31: beside a writer the names go and the blobs stay; the next prune without a writer takes them.
#[test]
fn beside_a_writer_rmi_takes_the_names_and_leaves_the_blobs_to_prune() {
    for file in IN_THE_ROOT {
        let scene = Scene::new();
        scene.write(file);
        let before = blobs(scene.dir());
        let done = scene.place.dry_and_real(scene.dir(), &["rmi", "old:1"], 0);
        assert_eq!(done.said(false).untagged, ["old:1"], "{done}");
        assert!(done.said(false).deleted.is_empty(), "{done}");
        let shown = file.split('/').next().unwrap();
        assert_says(&done, shown);
        assert_says(&done, "Left 3 blobs");
        assert_says(&done, "to the next prune");
        assert_eq!(names(scene.dir()), ["docker.io/library/kept:1"]);
        assert_eq!(blobs(scene.dir()), before, "{file}");
        fs::remove_dir_all(scene.dir().join(shown))
            .or_else(|_| fs::remove_file(scene.dir().join(shown)))
            .unwrap();
        scene.place.succeeds(scene.dir(), &PRUNE);
        assert_eq!(blobs(scene.dir()).len(), 3, "{file}");
    }
}

/// FR31: who says that nobody is writing is believed.
#[test]
fn writers_are_ignored_if_the_user_says_so() {
    let scene = Scene::new();
    scene.write("oci-put-blob1");
    let args = ["rmi", "--ignore-writers", "old:1"];
    let done = scene.place.dry_and_real(scene.dir(), &args, 0);
    assert_eq!(done.said(false).deleted, [digest(&scene.old)]);
    let done = scene.place.dry_and_real(scene.dir(), &PRUNE, 0);
    assert!(
        !blobs(scene.dir()).contains(digest(&scene.garbage)),
        "{done}"
    );
    assert!(scene.dir().join("oci-put-blob1").exists());
}

/// FR31: files of ocirm, locks, copies that people make and directories without work in them are no
/// writers.
#[test]
fn other_files_are_no_writers() {
    let scene = Scene::new();
    for file in [
        "index.lock",
        "index.json.bak",
        "README.tmp.md",
        ".ocirm.lock",
    ] {
        scene.write(file);
    }
    fs::create_dir_all(scene.dir().join("ingest")).unwrap();
    fs::create_dir_all(scene.dir().join(".uploads")).unwrap();
    fs::create_dir_all(scene.dir().join("oci-put-blob1")).unwrap();
    symlink("nowhere", scene.dir().join("oci-put-blob2")).unwrap();
    let done = scene.place.dry_and_real(scene.dir(), &["rmi", "old:1"], 0);
    assert_eq!(done.said(false).deleted, [digest(&scene.old)], "{done}");
}

/// FR31: a file that nobody wrote to for as long as the grace period is left over from somebody who is
/// gone.
#[test]
fn prune_leaves_all_blobs_while_a_file_is_younger_than_the_grace_period() {
    let hex = "ab".repeat(32);
    let beside = [
        // Beside the blobs they are seen where blobs are listed.
        format!("blobs/sha256/{hex}271828"),
        format!("blobs/sha256/{hex}.x1.tmp"),
        format!("blobs/sha256/.{hex}.Ab3Xyz"),
        "blobs/sha256/3141592653".to_owned(),
        "oci-put-blob1".to_owned(),
    ];
    let scene = Scene::new();
    scene.wait();
    let args = ["prune", "--force", "--grace", "1s", "--format", "json"];
    for file in &beside {
        let before = blobs(scene.dir());
        scene.write(file);
        let path = scene.dir().join(file);
        set_modified(&path, SystemTime::now() + Duration::from_secs(60));
        let done = scene.run(&args);
        assert_status(&done, 0);
        let report = object(&done);
        let postponed = &report["postponed"];
        assert_eq!(postponed["writer"], file.as_str(), "{done}");
        assert_eq!(postponed["blobs"], 1, "{done}");
        assert_eq!(report["freed_bytes"], 0, "{done}");
        assert_eq!(blobs(scene.dir()), before);
        set_modified(&path, SystemTime::now() - Duration::from_secs(60));
        let done = scene.run(&[&args[..], &["--dry-run"]].concat());
        assert!(object(&done)["postponed"].is_null(), "{done}");
    }
    let done = scene.run(&args);
    assert!(
        !blobs(scene.dir()).contains(digest(&scene.garbage)),
        "{done}"
    );
}

/// FR31: an hour is what `rmi` and `prune` take for young, unless they are told otherwise.
#[test]
fn a_file_of_more_than_an_hour_ago_is_left_over() {
    for (minutes, is_writer) in [(50, true), (70, false)] {
        let scene = Scene::new();
        scene.write("oci-put-blob1");
        scene.write("ingest/5d7a/data");
        let time = SystemTime::now() - Duration::from_secs(minutes * 60);
        for path in ["oci-put-blob1", "ingest/5d7a/data", "ingest/5d7a"] {
            set_modified(&scene.dir().join(path), time);
        }
        let done = scene.run(&["rmi", "--format", "json", "old:1"]);
        assert_eq!(object(&done)["postponed"].is_object(), is_writer, "{done}");
    }
}

/// FR31: prune takes the entries and leaves their blobs.
#[test]
fn prune_takes_entries_beside_a_writer() {
    let scene = Scene::new();
    scene.wait();
    scene.write("oci-put-blob1");
    let soon = SystemTime::now() + Duration::from_secs(60);
    set_modified(&scene.dir().join("oci-put-blob1"), soon);
    let before = blobs(scene.dir());
    let args = [
        "prune", "--all", "--force", "--grace", "1s", "--keep", "kept:1",
    ];
    let done = scene.place.dry_and_real(scene.dir(), &args, 0);
    assert_eq!(done.said(false).untagged, ["old:1"], "{done}");
    assert_eq!(names(scene.dir()), ["docker.io/library/kept:1"]);
    assert_eq!(blobs(scene.dir()), before, "{done}");
}

/// FR31: what goes to the trash can come back, so that it goes.
#[test]
fn the_trash_takes_blobs_beside_a_writer() {
    let scene = Scene::new();
    scene.write("oci-put-blob1");
    let done = scene
        .place
        .dry_and_real(scene.dir(), &["rmi", "--trash", "old:1"], 0);
    assert!(!blobs(scene.dir()).contains(digest(&scene.old)), "{done}");
    scene.place.succeeds(scene.dir(), &["restore"]);
    assert!(blobs(scene.dir()).contains(digest(&scene.old)));
}

/// FR31: no prune would find what the index of an image goes on listing, so that nothing is half done.
#[test]
fn parts_of_an_image_that_keeps_its_index_are_refused_beside_a_writer() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let [amd64, arm64] = ["linux/amd64", "linux/arm64"]
        .map(|platform| layout.image_for(platform, platform, &[platform]));
    let app = layout.index(&[&amd64, &arm64]);
    layout.named(&app, "docker.io/library/app:1").finish();
    fs::write(layout.dir.join("oci-put-blob1"), "").unwrap();
    let part = ["rmi", "app:1", "--platform", "linux/arm64"];
    let refused = place.refuses(&layout.dir, &part, 1);
    assert_mentions(&refused, "oci-put-blob1");
    assert_mentions(&refused, "--ignore-writers");
    place.refuses(&layout.dir, &[&part[..], &["--dry-run"]].concat(), 1);
    let before = blobs(&layout.dir);
    let rewriting = [&part[..], &["--rewrite-index"]].concat();
    place.dry_and_real(&layout.dir, &rewriting, 0);
    assert!(before.is_subset(&blobs(&layout.dir)));
    place.succeeds(
        &layout.dir,
        &[&part[..3], &["linux/amd64", "--trash"]].concat(),
    );
}

/// FR29, FR31: a young blob that may be the manifest of a push and is not finished yet leads nobody knows
/// where.
#[test]
fn a_young_document_that_is_not_finished_leaves_old_garbage() {
    let scene = Scene::new();
    scene.wait();
    let half = blob_path(scene.dir(), &digest_of("the whole manifest"));
    for content in ["{\"layers\":[", ""] {
        fs::write(&half, content).unwrap();
        let before = blobs(scene.dir());
        set_modified(&half, SystemTime::now() + Duration::from_secs(60));
        let done = scene.run(&["prune", "--force", "--grace", "1s"]);
        assert_status(&done, 0);
        assert_says(&done, "another program is writing");
        assert_eq!(blobs(scene.dir()), before, "{done}");
    }
    fs::write(&half, "\u{1f}half a layer").unwrap();
    scene.run(&["prune", "--force", "--grace", "1s"]);
    assert!(!blobs(scene.dir()).contains(digest(&scene.garbage)));
}

/// The trash is the default where the environment says so, and the command line wins.
#[test]
fn the_environment_makes_the_trash_the_default() {
    let trash = |scene: &Scene| scene.dir().join(".ocirm-trash").exists();
    for (value, options, is_used) in [
        ("1", &[][..], true),
        ("0", &[], false),
        ("", &[], false),
        ("1", &["--no-trash"], false),
        ("0", &["--trash"], true),
        ("1", &["--trash", "--no-trash"], false),
        ("0", &["--no-trash", "--trash"], true),
    ] {
        for command in [&["rmi", "old:1"][..], &PRUNE] {
            let scene = Scene::new();
            let done = scene.run_with(&[command, options].concat(), value);
            assert_status(&done, 0);
            assert_eq!(trash(&scene), is_used, "{value} {done}");
        }
    }
    for value in ["true", "yes", "2", " 1"] {
        let scene = Scene::new();
        let refused = scene.run_with(&["rmi", "old:1"], value);
        assert_status(&refused, 2);
        assert_mentions(&refused, "OCIRM_TRASH");
        assert_eq!(names(scene.dir()).len(), 2);
        assert_status(&scene.run_with(&["ls"], value), 0);
    }
}

/// Where in a document a blob of an unknown media type stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Entry,
    InIndex,
    Config,
    Layer,
    Subject,
    BlobOfUnknown,
}

const PLACES: [Position; 6] = [
    Position::Entry,
    Position::InIndex,
    Position::Config,
    Position::Layer,
    Position::Subject,
    Position::BlobOfUnknown,
];

/// Writes `odd:1`, which leads to the descriptor from that place.
fn lead_to(layout: &mut Layout, descriptor: &Value, place: Position) {
    let config = layout.blob(CONFIG, "{\"os\":\"linux\",\"architecture\":\"amd64\"}");
    let layer = layout.blob(LAYER, "layer of odd\n");
    let manifest = |config: &Value, layer: &Value| json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    let top = match place {
        Position::Entry => descriptor.clone(),
        Position::InIndex => layout
            .document(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]})),
        Position::Config => layout.document(&manifest(descriptor, &layer)),
        Position::Layer => layout.document(&manifest(&config, descriptor)),
        Position::Subject => {
            let mut document = manifest(&config, &layer);
            document["subject"] = descriptor.clone();
            layout.document(&document)
        }
        Position::BlobOfUnknown => {
            let text = json!({"mediaType": "application/vnd.acme.list", "blobs": [descriptor]});
            layout.document(&text)
        }
    };
    layout.named(&top, "docker.io/library/odd:1").finish();
}

/// FR29: a blob of an unknown media type that may be a document and is not what it should be stops
/// deletions wherever it stands, and removing the image is the way out.
#[test]
fn what_may_be_a_document_and_is_not_as_it_should_be_stops_deletions_wherever_it_stands() {
    let document =
        json!({"layers": [{"mediaType": LAYER, "digest": digest_of("hidden"), "size": 6}]});
    let document = document.to_string();
    for position in PLACES {
        for damage in [
            "size",
            "shorter",
            "empty",
            "zeros",
            "a directory",
            "too large",
        ] {
            let place = Place::new();
            let mut layout = place.layout("layout");
            let kept = layout.image("kept");
            let hidden = layout.blob(LAYER, "hidden");
            layout.named(&kept, "docker.io/library/kept:1");
            let mut descriptor = layout.blob("application/vnd.acme.thing", &document);
            let path = blob_path(&layout.dir, digest(&descriptor));
            match damage {
                "size" => descriptor["size"] = json!(document.len() + 1),
                "shorter" => fs::write(&path, &document[..9]).unwrap(),
                "empty" => fs::write(&path, "").unwrap(),
                "zeros" => fs::write(&path, vec![0; document.len()]).unwrap(),
                "a directory" => {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                }
                "too large" => {
                    let size = (32 << 20) + 1;
                    let file = File::options().write(true).open(&path).unwrap();
                    file.set_len(size).unwrap();
                    descriptor["size"] = json!(size);
                }
                _ => {}
            }
            lead_to(&mut layout, &descriptor, position);
            let what = format!("{position:?} {damage}");
            for command in [&["rmi", "kept:1"][..], &PRUNE] {
                let refused = place.refuses(&layout.dir, command, 12);
                assert_mentions(&refused, digest(&descriptor));
                assert_mentions(&refused, "ocirm rmi odd:1");
            }
            assert!(blobs(&layout.dir).contains(digest(&hidden)), "{what}");
            let done = place.succeeds(&layout.dir, &["rmi", "odd:1"]);
            place.succeeds(&layout.dir, &PRUNE);
            assert!(
                !blobs(&layout.dir).contains(digest(&hidden)),
                "{what} {done}"
            );
        }
    }
}

/// FR29: what cannot be read may be a document; root may read everything.
#[test]
fn what_may_be_a_document_and_may_not_be_read_stops_deletions() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::geteuid().is_root() {
        skipped("root may read every file");
        return;
    }
    for position in PLACES {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let kept = layout.image("kept");
        layout.named(&kept, "docker.io/library/kept:1");
        let descriptor = layout.blob("application/vnd.acme.thing", "{\"layers\":[]}");
        let path = blob_path(&layout.dir, digest(&descriptor));
        lead_to(&mut layout, &descriptor, position);
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        // The test cannot read it either.
        mode(0o644);
        let before = place.tree();
        mode(0o000);
        let refused = place.run_in(&layout.dir, &["rmi", "kept:1"]);
        mode(0o644);
        assert_status(&refused, 12);
        assert_no_traces(&before, &place.tree(), &refused);
        assert_mentions(&refused, digest(&descriptor));
        mode(0o000);
        place.succeeds(&layout.dir, &["rmi", "odd:1"]);
    }
}

/// FR29: layers, and content that begins like no document, stop nothing, whatever is wrong with them.
#[test]
fn content_that_is_no_document_stops_nothing() {
    for (media_type, content, found) in [
        (LAYER, "{\"layers\":[]}", "{\"lay"),
        (OCTETS, "\u{7f}ELF and more", "\u{7f}ELF"),
        ("application/vnd.acme.model", "GGUF and more", "GGUF"),
        ("application/vnd.in-toto+json", "{\"layers\":[]}", "{\"lay"),
    ] {
        for position in [Position::Layer, Position::BlobOfUnknown] {
            let place = Place::new();
            let mut layout = place.layout("layout");
            let kept = layout.image("kept");
            let gone = layout.image("gone");
            layout
                .named(&kept, "docker.io/library/kept:1")
                .named(&gone, "docker.io/library/gone:1");
            let descriptor = layout.blob(media_type, content);
            fs::write(blob_path(&layout.dir, digest(&descriptor)), found).unwrap();
            lead_to(&mut layout, &descriptor, position);
            place.succeeds(&layout.dir, &["rmi", "gone:1"]);
            place.succeeds(&layout.dir, &PRUNE);
            assert!(blobs(&layout.dir).contains(digest(&descriptor)));
        }
    }
}

/// `one` has the blobs, and `two` a link to them.
fn linked() -> (Place, Layout, Layout, Value) {
    let place = Place::new();
    let mut one = place.layout("many/one");
    let mut two = place.layout("many/two");
    let of_one = one.image("one");
    let of_two = one.image("two");
    let garbage = one.blob("text/plain", "garbage of both\n");
    one.named(&of_one, "docker.io/library/one:1").finish();
    two.named(&of_two, "docker.io/library/two:1").finish();
    fs::remove_dir_all(two.dir.join("blobs")).unwrap();
    symlink("../one/blobs", two.dir.join("blobs")).unwrap();
    (place, one, two, garbage)
}

/// FR30: where another layout of the run, or a link that was found, leads to the blobs, nobody said that
/// these are all who share them.
#[test]
fn a_layout_whose_blobs_others_link_to_is_refused_like_those() {
    let (place, one, two, _) = linked();
    let many = arg(one.dir.parent().unwrap()).to_owned();
    let before = blobs(&one.dir);
    let several = ["--layout", arg(&one.dir), "--layout", arg(&two.dir)];
    for layouts in [&["--recursive", &many][..], &several] {
        let args = [&PRUNE[..], layouts].concat();
        let done = place.dry_and_real_of(&args, 1, 1);
        assert_mentions(&done, "many/two");
        assert_mentions(&done, "--also-root");
        assert_eq!(blobs(&one.dir), before, "{done}");
    }
    // The other one is no layout any more, and may become one again.
    fs::remove_file(two.dir.join("oci-layout")).unwrap();
    let done = place.dry_and_real_of(&[&PRUNE[..], &["--recursive", &many]].concat(), 1, 1);
    assert_mentions(&done, "the link");
    assert_eq!(blobs(&one.dir), before, "{done}");
    let done = place.dry_and_real_of(&[&PRUNE[..], &several].concat(), 1, 12);
    assert_eq!(blobs(&one.dir), before, "{done}");
}

/// FR30: with `--also-root` all are known.
#[test]
fn where_all_sharers_are_named_their_garbage_goes() {
    let (place, one, two, garbage) = linked();
    let many = arg(one.dir.parent().unwrap()).to_owned();
    let mut args = [&PRUNE[..], &["--recursive", &many]].concat();
    args.extend(["--also-root", arg(&one.dir), "--also-root", arg(&two.dir)]);
    let mut expected = blobs(&one.dir);
    expected.remove(digest(&garbage));
    assert_status(&place.run(&args), 0);
    assert_eq!(blobs(&one.dir), expected);
}

/// FR31: who writes into a layout that shares the blobs may be using them, too.
#[test]
fn a_writer_in_a_layout_that_shares_the_blobs_is_seen() {
    let (place, one, two, _) = linked();
    fs::write(two.dir.join("oci-put-blob42"), "half a layer").unwrap();
    let before = blobs(&one.dir);
    let args = [&PRUNE[..], &["--grace", "1h", "--also-root", arg(&two.dir)]].concat();
    let done = place.dry_and_real(&one.dir, &["rmi", "one:1", "--also-root", arg(&two.dir)], 0);
    assert_says(&done, "oci-put-blob42");
    assert_eq!(blobs(&one.dir), before, "{done}");
    let done = place.run_in(&one.dir, &args);
    assert_eq!(blobs(&one.dir), before, "{done}");
}

/// FR30: links that lead to the layout itself, or elsewhere, are nobody else's.
#[test]
fn links_to_a_layout_and_in_it_share_nothing() {
    let place = Place::new();
    let mut layout = place.layout("many/one");
    let image = layout.image("one");
    let garbage = layout.blob("text/plain", "garbage\n");
    layout.named(&image, "docker.io/library/one:1").finish();
    symlink("one", place.path("many/current")).unwrap();
    symlink("blobs", layout.dir.join("objects")).unwrap();
    let many = place.path("many");
    let args = [&PRUNE[..], &["--recursive", arg(&many)]].concat();
    assert_status(&place.run(&args), 0);
    assert!(!blobs(&layout.dir).contains(digest(&garbage)));
}

/// FR30: two runs that name each other's layouts wait for each other in one order.
#[test]
fn runs_that_name_each_other_never_wait_in_a_circle() {
    let (place, one, two, _) = linked();
    for index in 0..12 {
        for layout in [&one, &two] {
            let image = one.image_for("linux/amd64", &format!("extra {index}"), &["extra"]);
            let name = format!("docker.io/library/extra:{index}");
            let path = layout.dir.join("index.json");
            let mut rows: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let mut row = image.clone();
            row["annotations"] = json!({"io.containerd.image.name": name});
            rows["manifests"].as_array_mut().unwrap().push(row);
            fs::write(path, rows.to_string()).unwrap();
        }
    }
    let statuses = |own: &Layout, other: &Layout| {
        let mut found = BTreeSet::new();
        for index in 0..12 {
            let name = format!("extra:{index}");
            for dry in [&["--dry-run"][..], &[]] {
                let words = [
                    "rmi",
                    &name,
                    "--also-root",
                    arg(&other.dir),
                    "--lock-timeout",
                    "15s",
                ];
                let done = place.run_in(&own.dir, &[&words[..], dry].concat());
                found.insert(done.code());
            }
        }
        found
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| statuses(&one, &two));
        let second = scope.spawn(|| statuses(&two, &one));
        for found in [first, second] {
            assert_eq!(found.join().unwrap(), BTreeSet::from([Some(0)]));
        }
    });
}
