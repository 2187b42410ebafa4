//! Images that cannot be used: they are found, they are removed, and they take no place of one that can.

use std::fs;

use serde_json::{Value, json};

use crate::support::contents::{blob_path, digest, members, names};
use crate::support::layout::Layout;
use crate::support::place::{PRUNE, PRUNE_ALL, Place, assert_mentions, object, objects};

fn lose(layout: &Layout, digest: &str) {
    fs::remove_file(blob_path(&layout.dir, digest)).unwrap();
}

fn layer(layout: &Layout, image: &Value) -> String {
    digest(&layout.read(image)["layers"][0]).to_owned()
}

/// An image in each of the states that there are, by name: `whole`, `sparse`, and some that are broken.
fn every_state(place: &Place) -> Layout {
    let mut layout = place.layout("layout");
    let [whole, no_manifest, no_layer, short_layer, no_config] = [
        "whole",
        "no-manifest",
        "no-layer",
        "short-layer",
        "no-config",
    ]
    .map(|title| {
        let image = layout.image(title);
        layout.tagged(&image, title);
        image
    });
    let [sparse, half, none] = ["sparse", "half", "none"].map(|title| {
        let children = ["linux/amd64", "linux/arm64"].map(|platform| {
            let title = format!("{title} for {platform}");
            layout.image_for(platform, &title, &[&title])
        });
        let about = layout.attestation(&children[0], title);
        let index = layout.index(&[&children[0], &children[1], &about]);
        layout.tagged(&index, title);
        children
    });
    layout.finish();
    let _ = whole;
    lose(&layout, &layer(&layout, &no_layer));
    let short = layer(&layout, &short_layer);
    fs::write(blob_path(&layout.dir, &short), "x").unwrap();
    lose(&layout, &layout.config_of(&no_config));
    lose(&layout, digest(&no_manifest));
    lose(&layout, digest(&sparse[1]));
    // One platform has no manifest, the other one no layer; what attests them does not stand for them.
    lose(&layout, &layer(&layout, &half[1]));
    lose(&layout, digest(&half[0]));
    lose(&layout, digest(&none[0]));
    lose(&layout, digest(&none[1]));
    layout
}

const BROKEN: [&str; 6] = [
    "no-manifest",
    "no-layer",
    "short-layer",
    "no-config",
    "half",
    "none",
];

/// FR22.
#[test]
fn a_filter_finds_what_cannot_be_used() {
    let place = Place::new();
    let layout = every_state(&place);
    for (filter, expected) in [
        ("broken=true", &BROKEN[..]),
        ("broken=1", &BROKEN),
        ("broken=false", &["whole", "sparse"]),
    ] {
        let args = [
            "ls", "--sort", "none", "--format", "json", "--filter", filter,
        ];
        let lines = objects(&place.succeeds(&layout.dir, &args));
        assert_eq!(members(&json!(lines), "name"), expected, "{filter}");
        let quiet = ["ls", "-q", "--no-trunc", "--filter", filter];
        let quiet = place.succeeds(&layout.dir, &quiet);
        assert_eq!(quiet.out.lines().count(), expected.len(), "{quiet}");
    }
    for command in ["ls", "prune"] {
        for filter in ["broken=maybe", "broken=", "broken=TRUE"] {
            let refused = place.refuses(&layout.dir, &[command, "--filter", filter], 2);
            assert_mentions(&refused, "broken is true or false");
        }
        let both = [
            command,
            "--filter",
            "broken=true",
            "--filter",
            "broken=false",
        ];
        assert_mentions(&place.refuses(&layout.dir, &both, 2), "broken=[true false]");
    }
}

/// FR22: with and without `--all`.
#[test]
fn prune_removes_what_cannot_be_used_named_or_not() {
    for all in [false, true] {
        let place = Place::new();
        let layout = every_state(&place);
        let args = if all { &PRUNE_ALL[..] } else { &PRUNE };
        let args = [args, &["--filter", "broken=true"]].concat();
        let done = place.dry_and_real(&layout.dir, &args, 0);
        assert_eq!(names(&layout.dir), ["whole", "sparse"], "{done}");
        let check = place.succeeds(&layout.dir, &["check", "--format", "json"]);
        assert_eq!(object(&check)["orphans"], 0, "{check}");
        let again = place.dry_and_real(&layout.dir, &args, 0);
        assert!(again.said(false).is_nothing(), "{again}");
    }
}

/// FR22: other filters must hold as well.
#[test]
fn the_filter_for_broken_images_goes_with_others() {
    for (more, left) in [
        (
            &["--filter", "reference=no-*"][..],
            &["whole", "short-layer", "sparse", "half", "none"][..],
        ),
        (&["--keep", "half"], &["whole", "sparse", "half"]),
        (
            &["--filter", "dangling=true"],
            &[
                "whole",
                "no-manifest",
                "no-layer",
                "short-layer",
                "no-config",
                "sparse",
                "half",
                "none",
            ],
        ),
    ] {
        let place = Place::new();
        let layout = every_state(&place);
        let args = [&PRUNE[..], &["--filter", "broken=true"], more].concat();
        place.dry_and_real(&layout.dir, &args, 0);
        assert_eq!(names(&layout.dir), left, "{more:?}");
    }
    // Images without a name that nothing is wrong with stay as they do otherwise.
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (whole, broken) = (layout.image("whole"), layout.image("broken"));
    layout.unnamed(&whole).unnamed(&broken).finish();
    lose(&layout, digest(&broken));
    let args = [&PRUNE[..], &["--filter", "broken=true"]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    let left = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
    assert_eq!(members(&json!(left), "digest"), [digest(&whole)]);
}

/// FR18.
#[test]
fn what_cannot_be_used_is_not_counted_among_the_newest() {
    for broken in 0..4 {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let [a, b, c] = [1, 2, 3].map(|month| {
            let (title, date) = (
                format!("app {month}"),
                format!("2025-{month:02}-01T00:00:00Z"),
            );
            let image = layout.image_from("linux/amd64", &title, &[&title], &date);
            layout.dated(&image, &format!("docker.io/library/app:{month}"), &date);
            image
        });
        layout.finish();
        match broken {
            0 => lose(&layout, digest(&c)),
            1 => lose(&layout, &layer(&layout, &c)),
            2 => lose(&layout, &layout.config_of(&c)),
            _ => fs::write(blob_path(&layout.dir, &layer(&layout, &c)), "").unwrap(),
        }
        let args = [&PRUNE_ALL[..], &["--keep-last", "1"]].concat();
        place.dry_and_real(&layout.dir, &args, 0);
        assert_eq!(names(&layout.dir), ["docker.io/library/app:2"], "{broken}");
        assert!(blob_path(&layout.dir, digest(&b)).exists());
        assert!(!blob_path(&layout.dir, digest(&a)).exists());
    }
}

/// FR18, FR24: where no image can be used, none is kept by its age, and none goes unasked.
#[test]
fn a_layout_of_broken_images_is_not_emptied_by_a_count() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("app");
    layout.tagged(&image, "v1").finish();
    lose(&layout, &layer(&layout, &image));
    let args = [&PRUNE_ALL[..], &["--keep-last", "3"]].concat();
    assert_mentions(&place.refuses(&layout.dir, &args, 1), "--allow-empty");
    let args = [&args[..], &["--allow-empty"]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert!(names(&layout.dir).is_empty());
}

/// FR18: a layer that may not be distributed lies elsewhere.
#[test]
fn a_foreign_layer_is_not_missed() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let foreign = json!({
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": format!("sha256:{}", "5".repeat(64)),
        "size": 12,
        "urls": ["https://mcr.example/base"],
    });
    let layers = vec![foreign, layout.layer("own")];
    let image = layout.image_of("windows/amd64", json!({"author": "x"}), layers);
    layout.tagged(&image, "v1").finish();
    place.succeeds(&layout.dir, &["check", "--complete"]);
    let lines = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
    assert_eq!(lines[0]["missing_blobs"], 0);
}

/// FR22: what `check` says of each image.
#[test]
fn check_says_of_each_image_how_much_of_it_is_there() {
    let place = Place::new();
    let layout = every_state(&place);
    // A layer that is too short is damage; without it the layout is sound.
    let sound = ["rmi", "short-layer"];
    place.succeeds(&layout.dir, &sound);
    let text = place.succeeds(&layout.dir, &["check"]);
    let report = object(&place.succeeds(&layout.dir, &["check", "--format", "json"]));
    for image in report["images"].as_array().unwrap() {
        let name = image["name"].as_str().unwrap();
        let state = match name {
            "whole" => "complete",
            "sparse" => "sparse",
            _ => "broken",
        };
        assert_eq!(image["state"], state, "{name}");
        assert!(text.out.contains(&format!("  {state}: {name} (")), "{text}");
    }
    assert_eq!(report["images"].as_array().unwrap().len(), 7);
    place.refuses(&layout.dir, &["check", "--complete"], 12);
    place.succeeds(
        &layout.dir,
        &[&["rmi"], &BROKEN[..2], &BROKEN[3..]].concat(),
    );
    let still = place.refuses(&layout.dir, &["check", "--complete"], 12);
    assert!(still.out.contains("sparse: sparse"), "{still}");
    place.succeeds(&layout.dir, &["rmi", "sparse"]);
    place.succeeds(&layout.dir, &["check", "--complete"]);
}

/// FR22: what belongs to an image is named only where something of it is missing.
#[test]
fn an_incomplete_signature_is_found_too() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("app");
    let (whole, torn) = (
        layout.referrer(&image, "whole"),
        layout.referrer(&image, "torn"),
    );
    layout
        .tagged(&image, "v1")
        .unnamed(&whole)
        .unnamed(&torn)
        .finish();
    place.succeeds(&layout.dir, &["check", "--complete"]);
    lose(&layout, &layer(&layout, &torn));
    let refused = place.refuses(
        &layout.dir,
        &["check", "--complete", "--format", "json"],
        12,
    );
    let images = &object(&refused)["images"];
    assert_eq!(members(images, "digest"), [digest(&image), digest(&torn)]);
    assert_eq!(members(images, "state"), ["complete", "broken"]);
}

/// Writes other bytes of the same length over a blob.
fn garble(layout: &Layout, digest: &str) {
    let path = blob_path(&layout.dir, digest);
    let length = fs::read(&path).unwrap().len();
    fs::write(&path, vec![b'#'; length]).unwrap();
}

/// FR18, FR22: a config is small and is read, so its length alone does not count.
#[test]
fn a_config_with_other_content_of_the_same_length_makes_an_image_broken() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let [old, new] = [2022, 2023].map(|year| {
        let (title, date) = (format!("app {year}"), format!("{year}-01-01T00:00:00Z"));
        let image = layout.image_from("linux/amd64", &title, &[&title], &date);
        layout.dated(&image, &format!("docker.io/library/app:{year}"), &date);
        image
    });
    layout.finish();
    garble(&layout, &layout.config_of(&new));
    let ls = ["ls", "--format", "json", "--filter", "broken=true"];
    let lines = objects(&place.succeeds(&layout.dir, &ls));
    assert_eq!(members(&json!(lines), "tag"), ["2023"]);
    for args in [&["check"][..], &["check", "--complete"]] {
        let checked = place.refuses(&layout.dir, args, 12);
        assert!(checked.out.contains("broken: app:2023"), "{checked}");
    }
    let args = [&PRUNE_ALL[..], &["--keep-last", "1"]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(names(&layout.dir), ["docker.io/library/app:2022"]);
    assert!(blob_path(&layout.dir, digest(&old)).exists());
    place.succeeds(&layout.dir, &["check", "--complete"]);
}

/// FR22: what lists no platform cannot be used; a cache and a list of signatures can.
#[test]
fn an_index_without_a_platform_is_broken() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("app");
    let about = layout.attestation(&image, "about app");
    let nothing = layout.index(&[]);
    let only_about = layout.index(&[&about]);
    let around = layout.index(&[&nothing]);
    let cache = layout.index(&[&layout.layer("cached")]);
    let (one, other) = (
        layout.referrer(&image, "one"),
        layout.referrer(&image, "other"),
    );
    let list = layout.index(&[&one, &other]);
    layout
        .tagged(&image, "app")
        .tagged(&nothing, "nothing")
        .tagged(&only_about, "only-about")
        .tagged(&around, "around")
        .tagged(&cache, "cache")
        .tagged(&list, "list")
        .finish();
    let ls = [
        "ls",
        "--all",
        "--sort",
        "none",
        "--format",
        "json",
        "--filter",
        "broken=true",
    ];
    let lines = objects(&place.succeeds(&layout.dir, &ls));
    assert_eq!(
        members(&json!(lines), "name"),
        ["nothing", "only-about", "around"]
    );
    let args = [&PRUNE[..], &["--filter", "broken=true"]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(names(&layout.dir), ["app", "cache", "list"]);
    place.succeeds(&layout.dir, &["check", "--complete"]);
}

/// FR22, Q2: named and unnamed images, but no dangling one.
#[test]
fn the_filter_for_broken_images_can_leave_dangling_ones() {
    for (dangling, left) in [("true", [0, 1, 3]), ("false", [0, 2, 3])] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let images = ["whole", "named", "dangling", "whole too"].map(|title| layout.image(title));
        layout
            .tagged(&images[0], "whole")
            .tagged(&images[1], "named")
            .unnamed(&images[2])
            .unnamed(&images[3])
            .finish();
        for image in &images[1..3] {
            lose(&layout, &layer(&layout, image));
        }
        let narrowed = format!("dangling={dangling}");
        let filters = ["--filter", "broken=true", "--filter", &narrowed];
        place.dry_and_real(&layout.dir, &[&PRUNE[..], &filters].concat(), 0);
        let lines = ["ls", "--sort", "none", "--format", "json"];
        let lines = objects(&place.succeeds(&layout.dir, &lines));
        let expected = left.map(|at| digest(&images[at]));
        assert_eq!(members(&json!(lines), "digest"), expected, "{dangling}");
    }
}
