//! Repositories of a store that deduplicates, in a bucket: empty files stand for blobs that another one has.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::command::{Running, in_layout, ocirm, under};
use crate::support::contents::{arg, blob_path, blobs, digest, digest_of, names};
use crate::support::layout::{LAYER, Layout};
use crate::support::place::{
    PRUNE, Place, assert_mentions, assert_says, assert_status, object, objects,
};

/// Empties the file of a blob, as deduplication leaves it.
fn empty(layout: &Layout, digest: &str) {
    fs::write(blob_path(&layout.dir, digest), "").expect("a file in an own directory");
}

/// The layer that all repositories of the store have.
fn base() -> String {
    digest_of("layer base\n")
}

/// A repository with the image `app`: of the layer `base`, which others have as well, and one of its own.
fn repository(place: &Place, name: &str) -> (Layout, Value) {
    let mut layout = place.layout(&format!("store/{name}"));
    let image = layout.image_for("linux/amd64", name, &["base", name]);
    let other = layout.image(&format!("{name}'s other"));
    layout
        .tagged(&image, "app")
        .tagged(&other, "other")
        .finish();
    (layout, image)
}

/// The first repository has a stub; another one lies beside it.
fn with_a_stub(place: &Place) -> (Layout, Value) {
    repository(place, "b");
    let (layout, image) = repository(place, "a");
    empty(&layout, &base());
    (layout, image)
}

/// A store: of `base`, one repository has the bytes and the others have stubs.
fn store(place: &Place, with_bytes: &str, stubs: &[&str]) -> Vec<(Layout, Value)> {
    let mut all = vec![repository(place, with_bytes)];
    for name in stubs {
        let (layout, image) = repository(place, name);
        empty(&layout, &base());
        all.push((layout, image));
    }
    all
}

fn all_of(place: &Place) -> PathBuf {
    place.path("store")
}

/// FR54: an image with stubs is whole in its store. It is not broken, nor is it complete here.
#[test]
fn a_stub_of_a_layer_breaks_no_image_and_is_said() {
    let place = Place::new();
    let (layout, _) = with_a_stub(&place);
    let checked = place.succeeds(&layout.dir, &["check"]);
    assert!(checked.out.contains("sound"), "{checked}");
    assert!(checked.out.contains("sparse: app"), "{checked}");
    let line = format!(
        "stub of deduplication: {} (layer), referenced by app",
        base()
    );
    assert!(checked.out.contains(&line), "{checked}");
    let args = ["check", "--digests", "--complete", "--format", "json"];
    let checked = place.run_in(&layout.dir, &args);
    assert_status(&checked, 12);
    let object = object(&checked);
    assert_eq!(object["stubs"][0]["digest"], base(), "{object}");
    assert_eq!(object["sound"], true, "{object}");
    assert_eq!(object["damaged"], Value::Array(Vec::new()), "{object}");

    let why = place.succeeds(&layout.dir, &["why", &base()]);
    assert!(why.out.contains("a stub of deduplication"), "{why}");
    let listed = place.succeeds(&layout.dir, &["ls"]);
    assert!(!listed.out.contains("incomplete"), "{listed}");
    let broken = place.succeeds(&layout.dir, &["ls", "-q", "--filter", "broken=true"]);
    assert_eq!(broken.out, "", "{broken}");
    let prune = [&PRUNE[..], &["--filter", "broken=true"]].concat();
    place.succeeds(&layout.dir, &prune);
    assert!(names(&layout.dir).contains(&"app".to_owned()));
}

/// FR54: what a repository with stubs has may be what others of its store have stubs of.
#[test]
fn a_repository_with_stubs_gives_nothing_away_as_long_as_the_others_are_unknown() {
    for command in [&["rmi", "app", "other"][..], &["rmi", "other"]] {
        let place = Place::new();
        let (layout, _) = with_a_stub(&place);
        let before = blobs(&layout.dir);
        let done = place.dry_and_real(&layout.dir, command, 1);
        assert_mentions(&done, "is a stub of a store that deduplicates");
        assert_mentions(&done, "--recursive over the whole store");
        assert_mentions(&done, "--also-root");
        assert_eq!(blobs(&layout.dir), before);
        assert!(!names(&layout.dir).contains(&"other".to_owned()));

        layout.blob(LAYER, "nothing leads here");
        let before = blobs(&layout.dir);
        let prune = [&PRUNE[..], &["--all"]].concat();
        let pruned = place.dry_and_real(&layout.dir, &prune, 1);
        assert_mentions(&pruned, "is a stub of a store that deduplicates");
        assert_eq!(blobs(&layout.dir), before);
        // With the trash it would be gone for the others as well.
        layout.blob(LAYER, "nothing leads here either");
        let before = blobs(&layout.dir);
        let trash = [&prune[..], &["--trash"]].concat();
        assert_status(&place.run_in(&layout.dir, &trash), 1);
        assert_eq!(blobs(&layout.dir), before);
    }
}

/// FR54: a repository without stubs is known by those beside it.
#[test]
fn what_a_repository_beside_this_one_has_a_stub_of_stays() {
    let place = Place::new();
    let all = store(&place, "a", &["b"]);
    let origin = &all[0].0;
    let before = blobs(&origin.dir);
    // It has nothing of which there is a stub.
    place.dry_and_real(&origin.dir, &["rmi", "other"], 0);
    assert_eq!(blobs(&origin.dir).len(), before.len() - 3);
    let before = blobs(&origin.dir);
    let done = place.dry_and_real(&origin.dir, &["rmi", "app"], 1);
    assert!(done.out.contains("referenced by a stub in"), "{done}");
    assert_mentions(&done, "this is a repository of a store that deduplicates");
    assert_eq!(blobs(&origin.dir), before);
    let done = place.dry_and_real(&origin.dir, &[&PRUNE[..], &["--all"]].concat(), 1);
    assert!(done.out.contains(arg(&all[1].0.dir)), "{done}");
    assert_eq!(blobs(&origin.dir), before);
}

/// FR54: over the whole store, what any repository has a stub of stays, in whatever order they come; the
/// rest goes.
#[test]
fn what_any_repository_of_the_run_has_a_stub_of_stays() {
    for (with_bytes, with_stubs) in [("a", ["b", "c"]), ("m", ["b", "z"]), ("z", ["a", "b"])] {
        let place = Place::new();
        let all = store(&place, with_bytes, &with_stubs);
        let [(origin, image), (stub, _), ..] = &all[..] else {
            panic!("a store has several repositories");
        };
        let own = digest_of(format!("layer {with_bytes}\n"));
        let args = ["rmi", "app", "--also-root", arg(&stub.dir)];
        let removed = place.dry_and_real(&origin.dir, &args, 0);
        assert_says(&removed, "Kept 1 blob (11B) referenced by");
        let left = blobs(&origin.dir);
        assert!(left.contains(&base()), "{removed}");
        assert!(
            !left.contains(&own) && !left.contains(digest(image)),
            "{removed}"
        );

        // By now nothing in its own repository leads to it.
        let recursive = ["prune", "-f", "--grace", "0s", "--recursive"];
        let dir = all_of(&place);
        let args = [&recursive[..], &[arg(&dir), "--format", "json"]].concat();
        let dry = place.run(&[&args[..], &["--dry-run"]].concat());
        let real = place.run(&args);
        for pruned in [dry, real] {
            assert_status(&pruned, 0);
            let kept: Vec<Value> = objects(&pruned)
                .iter()
                .filter_map(|layout| layout["kept"].as_array())
                .flatten()
                .cloned()
                .collect();
            assert_eq!(kept.len(), 1, "{pruned}");
            assert_eq!(kept[0]["digest"], base(), "{pruned}");
            let place = kept[0]["needed_by"].as_str().unwrap_or_default();
            assert!(place.starts_with("a stub in `"), "{pruned}");
        }
        assert!(blobs(&origin.dir).contains(&base()));

        // Of each repository what no other one has a stub of goes, and the stub is left.
        let all_images = [
            "prune",
            "--all",
            "-f",
            "--grace",
            "0s",
            "--recursive",
            arg(&dir),
        ];
        assert_status(&place.run(&all_images), 0);
        for (layout, _) in &all {
            assert_eq!(blobs(&layout.dir), [base()].into(), "{:?}", layout.dir);
        }
    }
}

/// FR54: a run that has a stub and not its original does not know the whole store.
#[test]
fn a_run_without_the_original_of_a_stub_deletes_nothing_of_that_repository() {
    let place = Place::new();
    let all = store(&place, "a", &["b", "c"]);
    let [(origin, _), (stub, _), ..] = &all[..] else {
        panic!("a store has several repositories");
    };
    fs::remove_dir_all(&origin.dir).expect("an own directory");
    let before = blobs(&stub.dir);
    let dir = all_of(&place);
    let pruned = place.run(&[
        "prune",
        "--all",
        "-f",
        "--grace",
        "0s",
        "--recursive",
        arg(&dir),
    ]);
    assert_status(&pruned, 1);
    assert_mentions(&pruned, "no layout of this run has its bytes");
    assert_eq!(blobs(&stub.dir), before);
}

/// FR54: a repository that cannot be looked into may have stubs of anything.
#[test]
fn a_repository_that_cannot_be_looked_into_stops_the_others_of_the_store() {
    let place = Place::new();
    let all = store(&place, "a", &["b"]);
    let odd = place.layout("store/odd").dir;
    fs::remove_dir_all(odd.join("blobs")).expect("an own directory");
    fs::write(odd.join("blobs"), "").expect("a file");
    let before: Vec<_> = all.iter().map(|(layout, _)| blobs(&layout.dir)).collect();
    let dir = all_of(&place);
    let pruned = place.run(&[
        "prune",
        "--all",
        "-f",
        "--grace",
        "0s",
        "--recursive",
        arg(&dir),
    ]);
    assert_status(&pruned, 12);
    assert_mentions(&pruned, "cannot be looked into");
    let after: Vec<_> = all.iter().map(|(layout, _)| blobs(&layout.dir)).collect();
    assert_eq!(before, after);
}

/// FR54: a manifest without bytes cannot be read here, so nothing that it may lead to is deleted, and the
/// message says what it is; with the repository that has its bytes it can be read.
#[test]
fn a_stub_of_a_manifest_stops_deletions_and_is_read_from_where_its_bytes_are() {
    let place = Place::new();
    let all = store(&place, "a", &["b"]);
    let [(origin, _), (stub, image)] = &all[..] else {
        panic!("a store has several repositories");
    };
    // The same image in both, whole in one of them.
    for blob in blobs(&stub.dir) {
        let [from, to] = [stub, origin].map(|layout| blob_path(&layout.dir, &blob));
        if !to.exists() {
            fs::copy(from, to).expect("a copy");
        }
    }
    empty(stub, digest(image));
    stub.blob(LAYER, "nothing leads here");
    let refused = place.refuses(&stub.dir, &PRUNE, 12);
    assert_mentions(&refused, "is a stub of deduplication");
    assert_mentions(
        &refused,
        "name the repository that has its bytes with --also-root",
    );
    let broken = place.run_in(&stub.dir, &["ls", "-q", "--filter", "broken=true"]);
    assert_eq!(broken.out, "", "{broken}");
    let checked = place.run_in(&stub.dir, &["check"]);
    assert_status(&checked, 12);
    assert!(checked.out.contains("stub of deduplication"), "{checked}");

    let args = [&PRUNE[..], &["--also-root", arg(&origin.dir)]].concat();
    let before = blobs(&stub.dir);
    let pruned = place.dry_and_real(&stub.dir, &args, 0);
    let gone: Vec<_> = before.difference(&blobs(&stub.dir)).cloned().collect();
    assert_eq!(gone, [digest_of("nothing leads here")], "{pruned}");
}

/// FR54: a stub that nothing leads to is left where it is; a blob that is empty by right is a blob.
#[test]
fn stubs_stay_and_what_is_empty_by_right_goes() {
    let place = Place::new();
    repository(&place, "b");
    let (layout, _) = repository(&place, "a");
    layout.blob(LAYER, "");
    let pruned = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert!(!blobs(&layout.dir).contains(&digest_of("")), "{pruned}");

    let lost = digest_of("of another image");
    empty(&layout, &lost);
    let pruned = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert_says(&pruned, "Left 1 stub of deduplication");
    assert!(blobs(&layout.dir).contains(&lost));
    let checked = object(&place.succeeds(&layout.dir, &["check", "--format", "json"]));
    assert_eq!(checked["orphan_stubs"], 1, "{checked}");
    assert_eq!(checked["orphans"], 0, "{checked}");
}

/// FR54: in a layout that lies alone an empty file is what a power cut left, which is damage, and goes.
#[test]
fn in_a_layout_that_lies_alone_an_empty_file_is_damage() {
    let place = Place::new();
    let (layout, _) = repository(&place, "a");
    empty(&layout, &base());
    let lost = digest_of("never written");
    empty(&layout, &lost);
    let checked = place.run_in(&layout.dir, &["check"]);
    assert_status(&checked, 12);
    assert!(
        checked.out.contains("a power cut leaves such a file"),
        "{checked}"
    );
    let args = [&PRUNE[..], &["--filter", "broken=true"]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(names(&layout.dir), ["other"]);
    for gone in [lost, base()] {
        assert!(!blob_path(&layout.dir, &gone).exists());
    }
}

/// A repository with one image, and the bytes of `base`, which nothing in it leads to.
fn with_original_as_garbage(place: &Place) -> Layout {
    let mut layout = place.layout("store/a");
    let kept = layout.image("kept");
    layout.tagged(&kept, "kept").finish();
    layout.blob(LAYER, "layer base\n");
    assert!(blobs(&layout.dir).contains(&base()));
    layout
}

/// FR54: also what a repository has a stub of that lies beside those of the command, however many they are, and however
/// much goes.
#[test]
fn what_a_repository_has_a_stub_of_that_is_not_named_stays() {
    for (what, garbage) in [("a b", 3), ("a", 3), ("a", 1500), ("--recursive a", 3)] {
        let place = Place::new();
        let original = with_original_as_garbage(&place);
        repository(&place, "b");
        let (stubs, _) = repository(&place, "z");
        empty(&stubs, &base());
        // Ordinary ones of which there are many.
        for number in 0..if garbage == 3 { 70 } else { 0 } {
            place.layout(&format!("store/c{number}")).finish();
        }
        for number in 0..garbage {
            original.blob(LAYER, format!("garbage {number}"));
        }
        let store = all_of(&place);
        let mut args = PRUNE.to_vec();
        let (a, b) = (store.join("a"), store.join("b"));
        match what {
            "a b" => args.extend([arg(&a), arg(&b)]),
            "a" => args.push(arg(&a)),
            _ => {
                place.layout("store/a/nested").finish();
                args.extend([what.split(' ').next().unwrap(), arg(&a)]);
            }
        }
        let finished = place.run(&args);
        let left = blobs(&original.dir);
        assert!(left.contains(&base()), "{finished}");
        if what.starts_with("--recursive") {
            // The command says that there are no others; what one is seen to need stays all the same.
            assert_status(&finished, 0);
            assert!(!left.contains(&digest_of("garbage 0")), "{finished}");
        } else {
            assert_status(&finished, 1);
            assert_mentions(&finished, "store that deduplicates");
        }
    }
}

/// FR54: wherever an empty file is believed to be a stub, its bytes are found and kept, whichever way the command
/// names the layout that has them.
#[test]
fn what_is_believed_to_be_a_stub_keeps_its_bytes() {
    // Where the bytes lie and where the stub, where links lead, and what is pruned.
    for (original, stub, links, args) in [
        ("s/a", "s/b", &[][..], "s/a --recursive o"),
        ("s/a", "s/b", &[], "--recursive o s/a"),
        ("s/a", "d/b", &[("../d/b", "s/b")], "--recursive s"),
        ("d/a", "s/b", &[("../d/a", "s/a")], "s/a"),
        ("s/x/a", "s/y/b", &[], "s/x/a"),
        ("s/x/a", "s/y/b", &[], "--recursive s/x"),
        ("s/x/a", "s/b", &[], "s/x/a"),
        ("s/a", "s/y/b", &[], "s/a"),
        ("s/a", "s/a/b", &[], "s/a"),
        ("s/a/b", "s/a", &[], "s/a/b"),
        (
            "s/a",
            "s/b",
            &[("../../s/b/blobs/sha256", "s/0/blobs/sha512")],
            "s/a",
        ),
    ] {
        let place = Place::new();
        fs::create_dir_all(place.path("s")).unwrap();
        place.layout("o/c").finish();
        let mut layout = place.layout(original);
        let kept = layout.image("kept");
        layout.tagged(&kept, "kept").finish();
        layout.blob(LAYER, "layer base\n");
        // Otherwise the directory of --recursive would have one layout, of which the user says nothing.
        let beside = place.path(original).with_file_name("also");
        place.layout(arg(&beside)).finish();
        let mut other = place.layout(stub);
        let image = other.image_for("linux/amd64", "app", &["base", "app"]);
        other.tagged(&image, "app").finish();
        empty(&other, &base());
        for (to, from) in links {
            if from.contains("blobs") {
                place.layout("s/0").finish();
            }
            symlink(to, place.path(from)).unwrap();
        }
        let paths = args.split(' ').map(|word| match word.starts_with("--") {
            true => word.to_owned(),
            false => arg(&place.path(word)).to_owned(),
        });
        let mut all: Vec<String> = PRUNE.iter().map(|word| (*word).to_owned()).collect();
        all.extend(paths);
        let finished = place.run(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let left = blobs(&place.path(original));
        assert!(left.contains(&base()), "{args}: {finished}");
    }
}

/// FR54: what cannot be looked into for want of open files may have stubs.
#[test]
fn with_too_few_open_files_nothing_goes_that_a_neighbour_may_have_a_stub_of() {
    for files in 8..24 {
        let place = Place::new();
        let original = with_original_as_garbage(&place);
        let (stubs, _) = repository(&place, "b");
        empty(&stubs, &base());
        let args = in_layout(&original.dir, &PRUNE);
        let command = ocirm(&args, &place.home());
        let limited = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        let finished = Running::start(under("sh", ["-c", &limited], &command), &args).finish();
        assert!(!finished.panicked(), "{finished}");
        let left = blobs(&original.dir);
        assert!(left.contains(&base()), "{files}: {finished}");
    }
}

/// FR54: a file that is listed and cannot be looked at may be a stub.
#[test]
fn what_may_be_a_stub_in_a_repository_that_cannot_be_looked_at_stays() {
    if rustix::process::geteuid().is_root() {
        // Nothing is out of sight of root.
        return;
    }
    let place = Place::new();
    let original = with_original_as_garbage(&place);
    let (stubs, _) = repository(&place, "b");
    let dir = stubs.dir.join("blobs/sha256");
    let mode = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o444);
    let store = all_of(&place);
    let mut args = PRUNE.to_vec();
    args.extend(["--recursive", arg(&store)]);
    let finished = place.run(&args);
    mode(0o755);
    assert!(blobs(&original.dir).contains(&base()), "{finished}");
}
