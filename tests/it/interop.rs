//! What skopeo and umoci say to layouts that ocirm changed.
//!
//! Without those programs the tests say so and pass, unless `OCIRM_INTEROP` is set: then they fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::contents::{arg, blobs, index};
use crate::support::names::REF;
use crate::support::peers::{SKOPEO, UMOCI, oci};
use crate::support::place::{Place, fixtures};

/// How umoci calls an image.
fn image(layout: &Path, name: &str) -> String {
    format!("{}:{name}", layout.display())
}

fn are_here() -> bool {
    SKOPEO.is_here() && UMOCI.is_here()
}

/// A layout with the images `base`, `derived` and `last`, each made from the one before, and `v1`,
/// another name of `base`.
fn made_by_umoci(place: &Place) -> PathBuf {
    let layout = place.path("layout");
    fs::create_dir_all(place.path("files/etc")).unwrap();
    place.file("files/etc/one", "one\n");
    let files = place.path("files");
    let files = arg(&files);
    let of = |name: &str| image(&layout, name);
    UMOCI.run(["init", "--layout", arg(&layout)]);
    UMOCI.run(["new", "--image", &of("base")]);
    for (from, to, below) in [
        ("base", "base", "/"),
        ("base", "derived", "/opt"),
        ("derived", "last", "/srv"),
    ] {
        UMOCI.run([
            "insert",
            "--rootless",
            "--image",
            &of(from),
            "--tag",
            to,
            files,
            below,
        ]);
    }
    UMOCI.run(["tag", "--image", &of("base"), "v1"]);
    // What building left over, so that all blobs are needed from here on.
    UMOCI.run(["gc", "--layout", arg(&layout)]);
    layout
}

fn umoci_names(layout: &Path) -> BTreeSet<String> {
    UMOCI
        .run(["ls", "--layout", arg(layout)])
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Both programs can do with each of these images all that they can do with a whole one.
fn assert_whole(layout: &Path, names: &[&str]) {
    let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(umoci_names(layout), expected);
    for name in names {
        UMOCI.run(["stat", "--image", &image(layout, name)]);
        SKOPEO.run(["inspect", &oci(layout, name)]);
        let to = tempfile::tempdir().unwrap();
        let to = format!("dir:{}", to.path().display());
        SKOPEO.run(["copy", "--quiet", &oci(layout, name), &to]);
    }
}

#[test]
fn what_is_left_of_a_umoci_layout_is_whole_to_umoci_and_skopeo() {
    if !are_here() {
        return;
    }
    let place = Place::new();
    let layout = made_by_umoci(&place);
    assert_whole(&layout, &["base", "derived", "last", "v1"]);

    place.succeeds(&layout, &["rmi", "base"]);
    assert_whole(&layout, &["derived", "last", "v1"]);
    place.succeeds(&layout, &["rmi", "v1"]);
    assert_whole(&layout, &["derived", "last"]);
    // A dangling image bears its name where neither of them looks for one.
    place.succeeds(&layout, &["untag", "last"]);
    assert_whole(&layout, &["derived"]);
    place.succeeds(&layout, &["prune", "--force", "--grace", "0s"]);
    assert_whole(&layout, &["derived"]);
}

#[test]
fn umoci_finds_no_garbage_where_ocirm_swept() {
    if !are_here() {
        return;
    }
    let place = Place::new();
    let layout = made_by_umoci(&place);
    let gc = ["gc", "--layout", arg(&layout)];

    place.succeeds(&layout, &["rmi", "last"]);
    let after_rmi = blobs(&layout);
    UMOCI.run(gc);
    assert_eq!(blobs(&layout), after_rmi, "rmi left garbage");

    // `umoci rm` takes the entry alone, and leaves the blobs to whoever collects garbage.
    UMOCI.run(["rm", "--image", &image(&layout, "derived")]);
    place.succeeds(&layout, &["prune", "--force", "--grace", "0s"]);
    let after_prune = blobs(&layout);
    assert!(after_prune.len() < after_rmi.len());
    UMOCI.run(gc);
    assert_eq!(blobs(&layout), after_prune, "prune left garbage");
    assert_whole(&layout, &["base", "v1"]);
}

#[test]
fn prune_takes_what_skopeo_left_without_a_name_and_nothing_else() {
    if !SKOPEO.is_here() {
        return;
    }
    let place = Place::new();
    let both = place.fixture("skopeo19-multi-all", "both");
    let child = place.fixture("skopeo19-multi-retag", "child");
    let layout = place.path("copy");
    let copy_all = |from: String, to: String| SKOPEO.run(["copy", "--quiet", "--all", &from, &to]);
    let raw = |name: &str| SKOPEO.run(["inspect", "--raw", &oci(&layout, name)]);
    let dangling = || {
        let args = ["ls", "--quiet", "--filter", "dangling=true"];
        place.succeeds(&layout, &args).out.lines().count()
    };
    // `arm64` is one platform of m2. skopeo takes a name from the older entry and leaves the entry.
    copy_all(oci(&both, "m1"), oci(&layout, "kept"));
    let kept = blobs(&layout);
    copy_all(oci(&both, "m2"), oci(&layout, "app"));
    copy_all(oci(&child, "arm64"), oci(&layout, "app"));
    assert_eq!(dangling(), 1);
    copy_all(oci(&both, "m1"), oci(&layout, "app"));
    copy_all(oci(&child, "arm64"), oci(&layout, "app"));
    let before = (raw("app"), raw("kept"));

    place.succeeds(&layout, &["prune", "--force", "--grace", "0s"]);
    assert_eq!(dangling(), 0);
    assert_eq!((raw("app"), raw("kept")), before);
    let to = place.path("all");
    copy_all(oci(&layout, "kept"), oci(&to, "kept"));
    assert_eq!(blobs(&to), kept);
    copy_all(oci(&layout, "app"), oci(&to, "app"));
    assert_eq!(
        blobs(&to),
        blobs(&layout),
        "nothing is there that has no name"
    );
    SKOPEO.run(["--override-arch", "arm64", "inspect", &oci(&layout, "app")]);
    SKOPEO.run(["--override-arch", "amd64", "inspect", &oci(&layout, "kept")]);
}

#[test]
fn after_a_platform_went_the_others_can_be_used_and_all_cannot_be_copied() {
    if !SKOPEO.is_here() {
        return;
    }
    let place = Place::new();
    let layout = place.fixture("skopeo19-multi-all", "layout");
    let raw = |name: &str| SKOPEO.run(["inspect", "--raw", &oci(&layout, name)]);
    let inspect = |arch: &str| {
        SKOPEO.output([
            "--override-os",
            "linux",
            "--override-arch",
            arch,
            "inspect",
            &oci(&layout, "m1"),
        ])
    };
    let copy_all = |name: &str, to: &str| {
        let to = place.path(to);
        let copied = SKOPEO.output([
            "copy",
            "--quiet",
            "--all",
            &oci(&layout, name),
            &oci(&to, "x"),
        ]);
        copied.status.success()
    };
    let before = (raw("m1"), raw("m2"));
    assert!(inspect("arm64").status.success());
    assert!(copy_all("m1", "before"));

    place.succeeds(&layout, &["rmi", "m1", "--platform", "linux/arm64"]);
    assert_eq!((raw("m1"), raw("m2")), before, "the indexes are the same");
    let amd64 = inspect("amd64");
    assert!(amd64.status.success());
    let shown: serde_json::Value = serde_json::from_slice(&amd64.stdout).unwrap();
    assert_eq!(shown["Architecture"], "amd64");
    assert!(!inspect("arm64").status.success());
    // The index still lists the platform. That is what a sparse layout is.
    assert!(!copy_all("m1", "sparse"));
    assert!(copy_all("m2", "whole"));
}

/// The two names of an entry of index.json: what skopeo addresses it by, and what ocirm takes for exactly this entry.
fn names(layout: &Path) -> Vec<(String, String)> {
    let rows = index(layout).rows.into_iter();
    rows.filter_map(|row| {
        Some((
            row.value["annotations"][REF].as_str()?.to_owned(),
            row.name?,
        ))
    })
    .collect()
}

#[test]
fn removing_one_name_changes_nothing_that_skopeo_sees_of_another() {
    if !SKOPEO.is_here() {
        return;
    }
    let mut compared = 0;
    for fixture in fixtures() {
        let place = Place::new();
        let layout = place.fixture(&fixture, "layout");
        let raw = |layout: &Path, tag: &str| {
            let output = SKOPEO.output(["inspect", "--raw", &oci(layout, tag)]);
            output.status.success().then_some(output.stdout)
        };
        let names = names(&layout);
        let before: Vec<_> = names.iter().map(|(tag, _)| raw(&layout, tag)).collect();
        for (removed, name) in &names {
            for command in ["untag", "rmi"] {
                let place = Place::new();
                let layout = place.fixture(&fixture, "layout");
                place.succeeds(&layout, &[command, name]);
                for ((tag, _), before) in names.iter().zip(&before) {
                    // Signatures called after a digest go with the image that has it.
                    let follows = command == "rmi" && tag.starts_with("sha256-");
                    if tag != removed && !follows {
                        let after = raw(&layout, tag);
                        let what = format!("{fixture}: {command} {name}");
                        assert!(after == *before, "{what} changed {tag}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 50, "only {compared} names were compared");
}
