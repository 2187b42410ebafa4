//! `why` tells the truth about what keeps a blob, `check` about what is wrong, and neither changes
//! anything.

use std::fs;

use serde_json::json;

use crate::support::contents::blob_path;
use crate::support::place::{Place, assert_no_traces, assert_status, object};

const APP: &str = "7bb1dbfc849b60f3e23036d8a5fbf156c32f50f36bd97e925fb24ff032c83daa";

#[test]
fn why_shows_the_way_from_each_name_to_a_blob() {
    let place = Place::new();
    let layout = place.fixture("mixed-cosign-tags", "layout");
    let config = "sha256:43451b8559c32a48409104828e4fa2e5d28a827962f5a18884b5f064c9e10336";
    let why = place.succeeds(&layout, &["why", config, "app"]);
    assert_eq!(
        why.out,
        format!(
            "{config} is a config (153B)\n  sha256-{APP}.sig (referrer of app) -> manifest \
             b9ef5b754c3f -> config 43451b8559c3\nsha256:{APP} is an index (706B)\n  app -> index \
             7bb1dbfc849b\n"
        )
    );
    let json = object(&place.succeeds(&layout, &["why", "--format", "json", config]));
    assert_eq!(json["ways"][0]["belongs_to"], "app");
    assert_eq!(json["ways"][0]["steps"].as_array().unwrap().len(), 2);
}

#[test]
fn why_says_that_nothing_keeps_garbage_and_fails_for_what_is_not_there() {
    let place = Place::new();
    let layout = place.fixture("umoci04-rm-leftover", "layout");
    let dry = ["prune", "-n", "-v", "--grace", "0s", "--format", "json"];
    let report = object(&place.succeeds(&layout, &dry));
    let garbage = report["deleted"][0]["digest"].as_str().unwrap();
    let why = place.succeeds(&layout, &["why", garbage]);
    assert!(why.out.contains("unreferenced; its file last changed"));
    let nowhere = format!("sha256:{}", "0".repeat(64));
    for unknown in [nowhere.as_str(), "ghost"] {
        let refused = place.refuses(&layout, &["why", unknown], 1);
        assert_eq!(refused.out, "");
    }
}

#[test]
fn a_sound_layout_and_a_sparse_one_are_sound() {
    for (name, missing) in [
        ("skopeo19-multi-all", 0),
        ("buildah128-manifest-push", 3),
        ("skopeo19-shared-blob-dir", 2),
        ("umoci06-init-empty", 0),
        ("regctl-sha512", 0),
    ] {
        let place = Place::new();
        let layout = place.fixture(name, "layout");
        let check = ["check", "--digests", "--format", "json"];
        let json = object(&place.succeeds(&layout, &check));
        assert_eq!(json["sound"], true, "{name}");
        assert_eq!(json["missing"].as_array().unwrap().len(), missing, "{name}");
    }
}

/// A layer of the same length is found only by reading it; everything else without.
#[test]
fn damage_is_found_and_named() {
    let layer = "sha256:5c5dbf24f5bd113d3b7abc833a93692eed13b1eaf18d4e0d0557552091806e75";
    let manifest = "sha256:b09675af198feaba82ab6e65f912b88102c0ad5b9770d34cf093fd0b28262087";
    let swap = |bytes: Vec<u8>| bytes.iter().map(|b| b ^ 1).collect::<Vec<u8>>();
    let cut = |bytes: Vec<u8>| bytes[1..].to_vec();
    for (digest, change, found_without_reading) in [
        (layer, &swap as &dyn Fn(Vec<u8>) -> Vec<u8>, false),
        (layer, &cut, true),
        (manifest, &swap, true),
        (manifest, &cut, true),
    ] {
        for options in [&["check"][..], &["check", "--digests"]] {
            let place = Place::new();
            let layout = place.fixture("skopeo122-killed", "layout");
            let file = blob_path(&layout, digest);
            fs::write(&file, change(fs::read(&file).unwrap())).unwrap();
            let check = place.run_in(&layout, options);
            let found = options.len() > 1 || found_without_reading;
            assert_status(&check, if found { 12 } else { 0 });
            assert_eq!(check.out.contains(&format!("damaged: {digest}")), found);
        }
    }
}

#[test]
fn garbage_and_files_of_other_tools_are_counted() {
    let place = Place::new();
    let layout = place.fixture("skopeo122-killed", "layout");
    let stray = format!("sha256:{}", "12".repeat(32));
    fs::write(blob_path(&layout, &stray), "x").unwrap();
    for path in ["blobs/sha256/upload.tmp", "notes.txt"] {
        fs::write(layout.join(path), "x").unwrap();
    }
    let json = object(&place.succeeds(&layout, &["check", "--digests", "--format", "json"]));
    assert_eq!(json["orphans"], 1);
    assert_eq!(json["damaged_orphans"][0], stray);
    assert_eq!(json["temporary_files"].as_array().unwrap().len(), 2);
    assert_eq!(json["other_files"], json!(["notes.txt"]));
}

#[test]
fn looking_changes_nothing() {
    let place = Place::new();
    let layout = place.fixture("oras-push-attach", "layout");
    let before = place.tree();
    for args in [
        &["check", "--digests"][..],
        &["why", "v1"],
        &["ls", "--tree", "-a"],
    ] {
        let finished = place.succeeds(&layout, args);
        assert_no_traces(&before, &place.tree(), &finished);
    }
}

/// The beginning of a part's digest is answered without a word about removing, which nobody asked for.
#[test]
fn why_says_of_the_beginning_of_a_part_what_it_is_of() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
    let index = layout.index(&[&amd]);
    layout.tagged(&index, "multi").finish();
    let whole = amd["digest"].as_str().unwrap();
    let short = &whole[7..19];
    for begun in [short, &whole[7..40]] {
        let refused = place.refuses(&layout.dir, &["why", begun], 1);
        let said = format!("ocirm: {short} is part of multi, and no image\nhint: ");
        assert!(refused.err.starts_with(&said), "{refused}");
        assert!(refused.err.contains(whole), "{refused}");
        assert!(!refused.err.contains("delete"), "{refused}");
    }
    place.succeeds(&layout.dir, &["why", whole]);
}

/// A tag of digits does not make a name a digest.
#[test]
fn why_finds_names_whose_tag_is_all_digits() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("web");
    layout.named(&image, "docker.io/library/web:1").finish();
    let digest = image["digest"].as_str().unwrap();
    for name in ["web:1", "docker.io/library/web:1", digest] {
        let why = place.succeeds(&layout.dir, &["why", name]);
        assert!(why.out.starts_with(digest), "{why}");
    }
    let refused = place.refuses(&layout.dir, &["why", "web:2"], 1);
    assert!(refused.err.contains("No such image: web:2"), "{refused}");
}
