//! Rows as other tools write them, where names are shared, missing, or say something else than what an image is called.

use std::fs;

use serde_json::{Value, json};

use crate::support::contents::{arg, blobs, digest, id, index, members, names, targets};
use crate::support::layout::{self, CREATED, Layout};
use crate::support::names::{DANGLING, NAME, REF};
use crate::support::place::{PRUNE, PRUNE_ALL, Place, assert_mentions, assert_status, objects};

/// The kinds of the rows, `-a` included, as `ls` tells them.
fn kinds(place: &Place, layout: &Layout) -> Vec<(String, String)> {
    let args = ["ls", "--all", "--format", "json"];
    let mut kinds: Vec<(String, String)> = objects(&place.succeeds(&layout.dir, &args))
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            (text("digest"), text("kind"))
        })
        .collect();
    kinds.sort();
    kinds
}

fn kind_of(kinds: &[(String, String)], target: &Value) -> String {
    let found: Vec<&str> = kinds
        .iter()
        .filter(|(row, _)| row == digest(target))
        .map(|(_, kind)| kind.as_str())
        .collect();
    found.join(" ")
}

/// What `prune` takes is what `ls --filter dangling=true` lists.
#[track_caller]
fn dangling(place: &Place, layout: &Layout) -> Vec<String> {
    let args = [
        "ls",
        "--all",
        "--no-trunc",
        "-q",
        "--filter",
        "dangling=true",
    ];
    let mut found: Vec<String> = place
        .succeeds(&layout.dir, &args)
        .out
        .lines()
        .map(str::to_owned)
        .collect();
    found.sort();
    found
}

// ---- rows that share a name

/// Two images of one name, which the specification allows, and one of another.
fn two_of_one_name() -> (Place, Layout, [Value; 3]) {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let images = ["one", "two", "other"].map(|title| layout.image(title));
    layout
        .named(&images[0], "docker.io/library/web:1")
        .named(&images[2], "docker.io/library/other:1")
        .named(&images[1], "docker.io/library/web:1")
        .finish();
    (place, layout, images)
}

#[test]
fn a_name_of_two_images_is_ambiguous_whatever_is_forced() {
    let (place, layout, [one, two, _]) = two_of_one_name();
    for name in ["web:1", "docker.io/library/web:1"] {
        for command in [
            &["rmi"][..],
            &["rmi", "--force"],
            &["rmi", "--ignore"],
            &["rmi", "--force", "--platform", "linux/amd64"],
            &["untag"],
            &["untag", "--ignore"],
        ] {
            let mut args = command.to_vec();
            args.push(name);
            let refused = place.refuses(&layout.dir, &args, 1);
            assert_mentions(&refused, "ambiguous");
            assert_mentions(&refused, id(&one));
            assert_mentions(&refused, id(&two));
            assert_eq!(refused.out, "", "{refused}");
        }
    }
}

#[test]
fn an_ambiguous_name_does_not_stop_the_other_arguments() {
    let (place, layout, [.., other]) = two_of_one_name();
    let done = place.dry_and_real(&layout.dir, &["rmi", "--force", "web:1", "other:1"], 1);
    assert_eq!(done.said(false).untagged, ["other:1"]);
    assert_eq!(done.said(false).deleted, [digest(&other)]);
    assert_eq!(names(&layout.dir), ["docker.io/library/web:1"; 2]);
}

#[test]
fn by_its_digest_each_image_of_a_shared_name_can_be_removed() {
    let (place, layout, [one, two, _]) = two_of_one_name();
    let done = place.dry_and_real(&layout.dir, &["rmi", digest(&two)], 0);
    assert_eq!(done.said(false).untagged, ["web:1"]);
    assert_eq!(done.said(false).deleted, [digest(&two)]);
    // Now the name means one image again.
    let done = place.dry_and_real(&layout.dir, &["rmi", "web:1"], 0);
    assert_eq!(done.said(false).deleted, [digest(&one)]);
}

#[test]
fn ls_shows_both_images_of_a_shared_name_and_prune_takes_neither() {
    let (place, layout, [one, two, other]) = two_of_one_name();
    let lines = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json", "web:1"]));
    let mut shown: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["digest"].as_str())
        .collect();
    shown.sort_unstable();
    let mut expected = [digest(&one), digest(&two)];
    expected.sort_unstable();
    assert_eq!(shown, expected);
    let done = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert!(done.said(false).is_nothing(), "{done}");
    let done = place.dry_and_real(&layout.dir, &PRUNE_ALL, 0);
    assert_eq!(done.said(false).deleted.len(), 3, "{done}");
    assert!(
        done.said(false)
            .deleted
            .contains(&digest(&other).to_owned())
    );
    assert!(blobs(&layout.dir).is_empty());
}

/// Two rows of one name and one image, as a copy of a copy makes them.
fn one_image_in_two_rows() -> (Place, Layout, Value) {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    layout
        .named(&image, "docker.io/library/web:1")
        .row(&image, json!({REF: "docker.io/library/web:1", "org.example.note": "the same name in another way"}))
        .finish();
    (place, layout, image)
}

#[test]
fn rows_of_one_name_and_one_image_are_one_and_go_together() {
    let (place, layout, image) = one_image_in_two_rows();
    let lines = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
    assert_eq!(lines.len(), 1, "{lines:?}");
    let done = place.dry_and_real(&layout.dir, &["rmi", "web:1"], 0);
    assert_eq!(done.said(false).untagged, ["web:1"]);
    assert_eq!(done.said(false).deleted, [digest(&image)]);
    assert!(names(&layout.dir).is_empty());
    assert!(blobs(&layout.dir).is_empty());
}

#[test]
fn untagging_takes_every_row_of_the_name() {
    let (place, layout, image) = one_image_in_two_rows();
    let done = place.dry_and_real(&layout.dir, &["untag", "web:1"], 0);
    assert_eq!(done.said(false).untagged, ["web:1"]);
    for row in index(&layout.dir).rows {
        assert!(row.is_dangling(), "{}", row.raw);
        assert_eq!(row.digest, digest(&image));
    }
    assert_eq!(blobs(&layout.dir).len(), 3);
    place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert!(blobs(&layout.dir).is_empty());
}

#[test]
fn by_id_rows_of_one_name_are_no_conflict() {
    let (place, layout, image) = one_image_in_two_rows();
    let done = place.dry_and_real(&layout.dir, &["rmi", id(&image)], 0);
    assert_eq!(done.said(false).deleted, [digest(&image)]);
    assert!(names(&layout.dir).is_empty());
}

// ---- BuildKit and containerd: a full name, and a tag that others have as well

fn rows_that_share_a_tag() -> (Place, Layout, [Value; 3]) {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let images = ["app", "team", "old"].map(|title| layout.image(title));
    layout
        .dated(
            &images[0],
            "docker.io/library/app:2.0",
            "2024-01-01T00:00:00Z",
        )
        .dated(
            &images[1],
            "localhost:5000/team/app:2.0",
            "2024-01-01T00:00:00Z",
        )
        .dated(
            &images[2],
            "docker.io/library/app:1.0",
            "2023-01-01T00:00:00Z",
        )
        .finish();
    for (row, tag) in layout.rows().iter().zip(["2.0", "2.0", "1.0"]) {
        assert_eq!(row["annotations"][REF], tag);
    }
    (place, layout, images)
}

#[test]
fn a_tag_that_several_rows_have_names_none_of_them() {
    // `umoci rm` would remove all of them, `skopeo delete` the first, oras the last.
    let (place, layout, _) = rows_that_share_a_tag();
    for command in ["rmi", "untag"] {
        let refused = place.refuses(&layout.dir, &[command, "2.0"], 1);
        assert_eq!(refused.out, "", "{refused}");
    }
}

#[test]
fn a_tag_that_one_row_has_names_that_row() {
    let (place, layout, [.., old]) = rows_that_share_a_tag();
    let done = place.dry_and_real(&layout.dir, &["rmi", "1.0"], 0);
    assert_eq!(done.said(false).untagged, ["app:1.0"]);
    assert_eq!(done.said(false).deleted, [digest(&old)]);
}

#[test]
fn the_full_name_decides_and_not_the_tag_beside_it() {
    let (place, layout, [app, team, _]) = rows_that_share_a_tag();
    let done = place.dry_and_real(&layout.dir, &["rmi", "app:2.0"], 0);
    assert_eq!(done.said(false).deleted, [digest(&app)]);
    let left = ["localhost:5000/team/app:2.0", "docker.io/library/app:1.0"];
    assert_eq!(names(&layout.dir), left);
    let done = place.dry_and_real(&layout.dir, &["untag", "localhost:5000/team/app:2.0"], 0);
    assert_eq!(done.said(false).untagged, ["localhost:5000/team/app:2.0"]);
    let row = &index(&layout.dir).rows[0];
    assert!(
        row.is_dangling() && row.digest == digest(&team),
        "{}",
        row.raw
    );
    // The tag must not live on for the tools that read nothing else.
    assert!(row.value["annotations"].get(REF).is_none(), "{}", row.raw);
    assert_eq!(row.value["annotations"][CREATED], "2024-01-01T00:00:00Z");
}

// ---- hauler: an image, its signatures and its attestations in rows of one name

fn written_by_hauler() -> (Place, Layout, [Value; 3]) {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    let [signature, attestation] = ["signature", "attestation"].map(|title| layout.image(title));
    let name = "index.docker.io/rancher/app:v1";
    for (target, kind) in [
        (&image, "image"),
        (&signature, "sigs"),
        (&attestation, "atts"),
    ] {
        let kind = format!("dev.cosignproject.cosign/{kind}");
        layout.row(
            target,
            json!({NAME: name, REF: "rancher/app:v1", "kind": kind}),
        );
    }
    layout.finish();
    (place, layout, [image, signature, attestation])
}

/// FR51
#[test]
fn of_rows_that_differ_by_kind_alone_the_name_is_that_of_the_image() {
    for given in ["rancher/app:v1", "index.docker.io/rancher/app:v1"] {
        let (place, layout, [image, signature, attestation]) = written_by_hauler();
        let done = place.dry_and_real(&layout.dir, &["rmi", digest(&attestation)], 0);
        assert_eq!(done.said(false).deleted, [digest(&attestation)]);
        assert_eq!(targets(&layout.dir), [digest(&image), digest(&signature)]);
        let done = place.dry_and_real(&layout.dir, &["rmi", given], 0);
        assert_eq!(
            done.said(false).untagged,
            ["index.docker.io/rancher/app:v1"]
        );
        assert!(targets(&layout.dir).is_empty() && blobs(&layout.dir).is_empty());
    }
}

/// FR51: what belongs to the image loses the name with it, so that nothing is left that has it.
#[test]
fn untag_of_rows_that_differ_by_kind_alone_leaves_no_row_with_the_name() {
    let (place, layout, images) = written_by_hauler();
    let before = blobs(&layout.dir);
    place.dry_and_real(&layout.dir, &["untag", "rancher/app:v1"], 0);
    assert_eq!(blobs(&layout.dir), before);
    assert!(
        names(&layout.dir)
            .iter()
            .all(|name| name.starts_with(DANGLING))
    );
    assert_eq!(targets(&layout.dir), images.each_ref().map(digest));
    place.refuses(&layout.dir, &["rmi", "rancher/app:v1"], 1);
    place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert!(targets(&layout.dir).is_empty() && blobs(&layout.dir).is_empty());
}

/// FR51
#[test]
fn of_rows_that_differ_by_kind_alone_ls_shows_the_image_and_prune_takes_none() {
    let (place, layout, _) = written_by_hauler();
    let lines = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
    assert_eq!(
        members(&json!(lines), "name"),
        ["index.docker.io/rancher/app:v1"]
    );
    let all = objects(&place.succeeds(&layout.dir, &["ls", "-a", "--format", "json"]));
    assert_eq!(all.len(), 3, "{all:?}");
    let done = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert!(done.said(false).is_nothing(), "{done}");
    place.dry_and_real(&layout.dir, &PRUNE_ALL, 0);
    assert!(names(&layout.dir).is_empty() && blobs(&layout.dir).is_empty());
}

/// FR51: of rows of one name without a kind each is an image, also the one that is pinned by a digest: a container
/// that uses it keeps it, and the newest is kept by its own time.
#[test]
fn rows_of_one_name_of_which_one_is_pinned_by_a_digest_are_images() {
    let pinned_and_newer = || {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let [pinned, newer] = ["pinned", "newer"].map(|title| layout.image(title));
        let name = "127.0.0.1:5000/single:1";
        let by_digest = format!("1@{}", digest(&pinned));
        for (target, ref_name, created) in [
            (&pinned, &*by_digest, "2024-01-01T00:00:00Z"),
            (&newer, "1", "2025-01-01T00:00:00Z"),
        ] {
            layout.row(target, json!({NAME: name, REF: ref_name, CREATED: created}));
        }
        layout.finish();
        (place, layout, [pinned, newer])
    };
    let (place, layout, [pinned, newer]) = pinned_and_newer();
    let lines = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
    assert_eq!(
        members(&json!(lines), "digest"),
        [digest(&newer), digest(&pinned)]
    );
    place.refuses(&layout.dir, &["rmi", "127.0.0.1:5000/single:1"], 1);

    // A container uses it by its digest, beside a name that leads to both.
    let container = json!([{
        "Id": "cafe".repeat(16),
        "State": {"Status": "running", "Running": true},
        "Image": digest(&pinned),
        "Config": {"Image": format!("127.0.0.1:5000/single@{}", digest(&pinned))},
    }]);
    let list = place.file("containers.json", container.to_string());
    let args = [&PRUNE_ALL[..], &["--containers", arg(&list)]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(targets(&layout.dir), [digest(&pinned)]);

    let (place, layout, [_, newer]) = pinned_and_newer();
    let args = [&PRUNE_ALL[..], &["--keep-last", "1"]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(targets(&layout.dir), [digest(&newer)]);
}

// ---- cosign save: no row has a name

fn written_by_cosign_save() -> (Place, Layout, [Value; 3]) {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let [amd64, arm64] = ["linux/amd64", "linux/arm64"]
        .map(|platform| layout.image_for(platform, platform, &[platform]));
    let image = layout.index(&[&amd64, &arm64]);
    let [signatures, attestations] = ["sigs", "atts"].map(|title| layout.image(title));
    for (target, kind) in [
        (&image, "imageIndex"),
        (&signatures, "sigs"),
        (&attestations, "atts"),
    ] {
        layout.row(
            target,
            json!({"kind": format!("dev.cosignproject.cosign/{kind}")}),
        );
    }
    layout.finish();
    (place, layout, [image, signatures, attestations])
}

#[test]
fn prune_leaves_a_layout_in_which_no_row_has_a_name_and_says_so() {
    let (place, layout, images) = written_by_cosign_save();
    let table = place.succeeds(&layout.dir, &["ls"]);
    assert_eq!(table.out.matches("<unnamed>").count(), 3, "{table}");
    assert!(dangling(&place, &layout).is_empty());
    let done = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert!(done.said(false).is_nothing(), "{done}");
    assert_mentions(&done, "--all");
    assert_eq!(targets(&layout.dir), images.each_ref().map(digest));
}

#[test]
fn prune_all_takes_all_of_a_layout_in_which_no_row_has_a_name() {
    let (place, layout, _) = written_by_cosign_save();
    place.dry_and_real(&layout.dir, &PRUNE_ALL, 0);
    assert!(targets(&layout.dir).is_empty() && blobs(&layout.dir).is_empty());
}

#[test]
fn unnamed_images_are_removed_by_id_and_have_no_name_to_untag() {
    let (place, layout, [image, signatures, attestations]) = written_by_cosign_save();
    place.refuses(&layout.dir, &["untag", digest(&image)], 1);
    let done = place.dry_and_real(&layout.dir, &["rmi", id(&image)], 0);
    assert!(done.said(false).untagged.is_empty(), "{done}");
    assert_eq!(done.said(false).deleted, [digest(&image)]);
    assert_eq!(
        targets(&layout.dir),
        [digest(&signatures), digest(&attestations)]
    );
}

// ---- zot, opened offline

/// A repository of zot: `1.0` is an index; its manifests and what refers to it have rows without a name, as has an
/// image that was pushed by its digest.
struct Zot {
    place: Place,
    layout: Layout,
    app: Value,
    children: [Value; 2],
    signature: Value,
    of_child: Value,
    by_digest: Value,
}

impl Zot {
    fn new() -> Self {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let children = ["linux/amd64", "linux/arm64"]
            .map(|platform| layout.image_for(platform, platform, &[platform]));
        let app = layout.index(&[&children[0], &children[1]]);
        let signature = layout.referrer(&app, "signature");
        let of_child = layout.referrer(&children[0], "sbom of amd64");
        let by_digest = layout.image("by digest");
        layout
            .unnamed(&children[0])
            .unnamed(&children[1])
            .tagged(&app, "1.0")
            .unnamed(&signature)
            .unnamed(&of_child)
            .unnamed(&by_digest);
        let text = json!({"schemaVersion": 2, "manifests": layout.rows()}).to_string();
        layout.finish_as(&text);
        fs::create_dir(layout.dir.join(".uploads")).expect("an own directory");
        Zot {
            place,
            layout,
            app,
            children,
            signature,
            of_child,
            by_digest,
        }
    }

    fn parts(&self) -> [&Value; 5] {
        [
            &self.children[0],
            &self.children[1],
            &self.app,
            &self.signature,
            &self.of_child,
        ]
    }
}

#[test]
fn ls_tells_the_images_of_a_zot_repository_from_their_parts() {
    let zot = Zot::new();
    let kinds = kinds(&zot.place, &zot.layout);
    for (target, kind) in [
        (&zot.app, "named"),
        (&zot.children[0], "child"),
        (&zot.children[1], "child"),
        (&zot.signature, "referrer"),
        (&zot.of_child, "referrer"),
        (&zot.by_digest, "dangling"),
    ] {
        assert_eq!(kind_of(&kinds, target), kind, "{kinds:?}");
    }
    let lines = objects(
        &zot.place
            .succeeds(&zot.layout.dir, &["ls", "--format", "json"]),
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(dangling(&zot.place, &zot.layout), [digest(&zot.by_digest)]);
}

#[test]
fn removing_an_image_of_a_zot_repository_takes_the_rows_of_its_parts() {
    let zot = Zot::new();
    let done = zot.place.dry_and_real(&zot.layout.dir, &["rmi", "1.0"], 0);
    assert_eq!(done.said(false).untagged, ["1.0"]);
    assert_eq!(targets(&zot.layout.dir), [digest(&zot.by_digest)]);
    for part in zot.parts() {
        assert!(!blobs(&zot.layout.dir).contains(digest(part)), "{done}");
    }
    let text = fs::read_to_string(zot.layout.dir.join("index.json")).expect("an index");
    assert!(
        !text.contains("mediaType\":\"application/vnd.oci.image.index"),
        "{text}"
    );
    assert!(zot.layout.dir.join(".uploads").is_dir());
}

#[test]
fn a_part_of_a_zot_image_is_no_image_however_it_is_asked_for() {
    let mut zot = Zot::new();
    let child = zot.children[0].clone();
    let with_digest = format!("other@{}", digest(&child));
    for asked in [digest(&child), id(&child)] {
        for platform in [&[][..], &["--platform", "linux/amd64"]] {
            let args = [&["rmi", asked], platform].concat();
            let refused = zot.place.refuses(&zot.layout.dir, &args, 1);
            assert_mentions(&refused, "it is part of 1.0");
        }
    }
    zot.place
        .refuses(&zot.layout.dir, &["rmi", &with_digest], 1);
    // FR39: a row that untag left is an image of its own; the part stays.
    let rows = targets(&zot.layout.dir);
    let dangling = format!("{DANGLING}{}", digest(&child));
    zot.layout.tagged(&child, &dangling).finish();
    zot.place
        .dry_and_real(&zot.layout.dir, &["rmi", &dangling], 0);
    assert_eq!(targets(&zot.layout.dir), rows);
    assert!(blobs(&zot.layout.dir).contains(digest(&child)));
}

#[test]
fn a_platform_of_a_zot_image_goes_with_its_row_and_its_referrers() {
    let zot = Zot::new();
    let args = ["rmi", "1.0", "--platform", "linux/amd64"];
    zot.place.dry_and_real(&zot.layout.dir, &args, 0);
    let left = [&zot.children[1], &zot.app, &zot.signature, &zot.by_digest].map(digest);
    assert_eq!(targets(&zot.layout.dir), left);
    let present = blobs(&zot.layout.dir);
    assert!(
        !present.contains(digest(&zot.children[0])) && !present.contains(digest(&zot.of_child))
    );
}

#[test]
fn untagging_an_image_of_a_zot_repository_leaves_its_parts() {
    let zot = Zot::new();
    let before = blobs(&zot.layout.dir);
    zot.place
        .dry_and_real(&zot.layout.dir, &["untag", "1.0"], 0);
    assert_eq!(blobs(&zot.layout.dir), before);
    let kinds = kinds(&zot.place, &zot.layout);
    assert_eq!(kind_of(&kinds, &zot.app), "dangling");
    assert_eq!(kind_of(&kinds, &zot.children[0]), "child");
    assert_eq!(kind_of(&kinds, &zot.signature), "referrer");
    zot.place.dry_and_real(&zot.layout.dir, &PRUNE, 0);
    // No row has a name now, so what was pushed by its digest is an image and not dangling.
    assert_eq!(targets(&zot.layout.dir), [digest(&zot.by_digest)]);
}

#[test]
fn prune_takes_of_a_zot_repository_what_was_pushed_by_digest_and_nothing_that_belongs_to_an_image()
{
    let zot = Zot::new();
    let spared = zot
        .place
        .dry_and_real(&zot.layout.dir, &["prune", "--force"], 0);
    assert!(spared.said(false).is_nothing(), "{spared}");
    let done = zot.place.dry_and_real(&zot.layout.dir, &PRUNE, 0);
    assert_eq!(done.said(false).deleted, [digest(&zot.by_digest)]);
    let mut left = targets(&zot.layout.dir);
    left.sort();
    let mut parts = zot.parts().map(digest);
    parts.sort_unstable();
    assert_eq!(left, parts);
    let again = zot.place.dry_and_real(&zot.layout.dir, &PRUNE, 0);
    assert!(again.said(false).is_nothing(), "{again}");
}

#[test]
fn a_part_of_an_image_cannot_be_removed_by_its_id_without_force() {
    let zot = Zot::new();
    let refused = zot
        .place
        .refuses(&zot.layout.dir, &["rmi", id(&zot.children[0])], 1);
    assert_mentions(&refused, "conflict");
    assert_mentions(&refused, "1.0");
}

#[test]
fn a_new_zot_repository_has_null_for_its_rows_and_nothing_to_do() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    layout.finish_as(r#"{"schemaVersion":2,"manifests":null}"#);
    let listed = place.refuses(&layout.dir, &["ls", "--format", "json"], 0);
    assert_eq!(listed.out, "");
    for args in [
        &PRUNE[..],
        &PRUNE_ALL,
        &["rmi", "--force", "1.0"],
        &["untag", "--ignore", "1.0"],
    ] {
        place.refuses(&layout.dir, args, 0);
    }
    for args in [["rmi", "1.0"], ["untag", "1.0"]] {
        place.refuses(&layout.dir, &args, 1);
    }
    // With blobs, all of them would look like garbage.
    layout.image("pushed and not listed yet");
    place.refuses(&layout.dir, &PRUNE, 12);
    place.dry_and_real(&layout.dir, &PRUNE_ALL, 0);
    assert!(blobs(&layout.dir).is_empty());
}

// ---- referrers of oras, of containerd, and of nobody any more

#[test]
fn referrers_of_oras_go_with_the_last_name_and_not_before() {
    let place = Place::new();
    let layout = place.fixture("oras-push-attach", "layout");
    let before = blobs(&layout);
    for tag in ["v1", "latest"] {
        let done = place.dry_and_real(&layout, &["rmi", tag], 0);
        assert_eq!(done.said(false).untagged, [tag]);
        assert_eq!(blobs(&layout), before);
    }
    place.dry_and_real(&layout, &["rmi", "v1.0"], 0);
    assert!(names(&layout).is_empty());
    assert!(blobs(&layout).is_empty());
}

#[test]
fn a_referrer_removed_by_its_digest_takes_its_own_referrers_and_not_its_subject() {
    let place = Place::new();
    let layout = place.fixture("oras-push-attach", "layout");
    let sbom = "sha256:8ed4287432ebac833bef02e79dccd59c5e490143920ef36439d1b87f5bd23b89";
    let its_signature = "sha256:d89838b457d4f13473d19059505d80f2430599f639bbc0d8fb835665a975b0d0";
    place.refuses(&layout, &["untag", sbom], 1);
    place.dry_and_real(&layout, &["rmi", sbom], 0);
    let rows = index(&layout).rows;
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter()
            .all(|row| row.digest != sbom && row.digest != its_signature)
    );
    assert!(!blobs(&layout).contains(its_signature));
    let done = place.dry_and_real(&layout, &PRUNE, 0);
    assert!(done.said(false).is_nothing(), "{done}");
}

/// A referrer that only its row tells of, as containerd exports them.
fn exported_by_containerd() -> (Place, Layout, [Value; 2]) {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let [image, signature, other] =
        ["image", "signature", "other"].map(|title| layout.image(title));
    layout
        .named(&image, "docker.io/library/web:1")
        .row(
            &signature,
            json!({"io.containerd.manifest.subject": digest(&image)}),
        )
        .named(&other, "docker.io/library/other:1")
        .finish();
    (place, layout, [image, signature])
}

#[test]
fn a_row_that_says_its_subject_is_a_referrer_of_it() {
    let (place, layout, [image, signature]) = exported_by_containerd();
    let kinds = kinds(&place, &layout);
    assert_eq!(kind_of(&kinds, &signature), "referrer");
    let listed = place.succeeds(&layout.dir, &["ls", "-q"]);
    assert!(!listed.out.contains(id(&signature)), "{listed}");
    let done = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert!(done.said(false).is_nothing(), "{done}");
    place.dry_and_real(&layout.dir, &["rmi", "web:1"], 0);
    assert_eq!(names(&layout.dir), ["docker.io/library/other:1"]);
    let left = blobs(&layout.dir);
    assert!(!left.contains(digest(&signature)) && !left.contains(digest(&image)));
}

#[test]
fn untagging_the_subject_keeps_the_row_of_its_referrer_as_it_is() {
    let (place, layout, [_, signature]) = exported_by_containerd();
    let before = index(&layout.dir).rows[1].raw.clone();
    place.dry_and_real(&layout.dir, &["untag", "web:1"], 0);
    let rows = index(&layout.dir).rows;
    assert_eq!(rows[1].raw, before);
    place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert!(!blobs(&layout.dir).contains(digest(&signature)));
    assert_eq!(names(&layout.dir), ["docker.io/library/other:1"]);
}

#[test]
fn unnamed_referrers_whose_subject_is_gone_are_what_prune_takes() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let kept = layout.image("kept");
    let gone = json!({"mediaType": layout::MANIFEST, "digest": format!("sha256:{}", "0f".repeat(32)), "size": 7});
    let by_manifest = layout.referrer(&gone, "by manifest");
    let by_row = layout.image("by row");
    let alive = layout.referrer(&kept, "alive");
    layout
        .named(&kept, "docker.io/library/web:1")
        .unnamed(&by_manifest)
        .row(
            &by_row,
            json!({"io.containerd.manifest.subject": digest(&gone)}),
        )
        .unnamed(&alive)
        .finish();
    let mut expected = [digest(&by_manifest), digest(&by_row)];
    expected.sort_unstable();
    assert_eq!(dangling(&place, &layout), expected);
    let done = place.dry_and_real(&layout.dir, &PRUNE, 0);
    let mut deleted = done.said(false).deleted;
    deleted.sort();
    assert_eq!(deleted, expected);
    assert_eq!(targets(&layout.dir), [digest(&kept), digest(&alive)]);
}

#[test]
fn what_a_person_named_is_an_image_even_if_it_refers_to_another() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    let signature = layout.referrer(&image, "signature");
    layout
        .named(&image, "docker.io/library/web:1")
        .named(&signature, "docker.io/library/web:signature")
        .finish();
    place.dry_and_real(&layout.dir, &["rmi", "web:1"], 0);
    assert_eq!(names(&layout.dir), ["docker.io/library/web:signature"]);
    let left = blobs(&layout.dir);
    assert!(left.contains(digest(&signature)));
    let done = place.run_in(&layout.dir, &["rmi", "web:signature"]);
    assert_status(&done, 0);
    assert!(names(&layout.dir).is_empty());
    assert!(blobs(&layout.dir).is_empty(), "{done}");
}

// ---- Docker Hub by its old name, as crane, ko and hauler write it

#[test]
fn docker_hub_is_one_registry_however_a_row_spells_it() {
    // In either annotation: a text with `/`, `:` or `@` is read as a Docker reference.
    for annotation in [REF, NAME] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let image = layout.image("image");
        layout
            .row(
                &image,
                json!({annotation: "index.docker.io/library/alpine:3"}),
            )
            .finish();
        for keep in ["alpine", "alpine:3", "docker.io/library/alpine:*"] {
            let mut args = PRUNE_ALL.to_vec();
            args.extend(["--keep", keep]);
            let done = place.dry_and_real(&layout.dir, &args, 0);
            assert!(done.said(false).is_nothing(), "{annotation}: {done}");
        }
        let done = place.dry_and_real(&layout.dir, &["rmi", "alpine:3"], 0);
        assert_eq!(done.said(false).deleted, [digest(&image)], "{annotation}");
    }
}

// ---- options of ls that speak of one form of the list

#[test]
fn a_list_of_ids_cannot_mark_what_containers_use_and_says_so() {
    let (place, layout, _) = one_image_in_two_rows();
    for quiet in ["-q", "--quiet"] {
        // The file is not there, and is not even looked for.
        let args = ["ls", quiet, "--containers", "containers.json"];
        let refused = place.refuses(&layout.dir, &args, 2);
        assert_mentions(&refused, "--containers");
        assert_mentions(&refused, "--quiet");
        assert_eq!(refused.out, "", "{refused}");
    }
}

#[test]
fn digests_are_a_column_of_the_table_and_change_no_other_form() {
    let (place, layout, image) = one_image_in_two_rows();
    let ls = |args: &[&str]| {
        let args = [&["ls"], args].concat();
        place.succeeds(&layout.dir, &args).out
    };
    assert!(!ls(&[]).contains(digest(&image)));
    assert!(ls(&["--digests"]).contains(digest(&image)));
    for form in [
        &["-q"][..],
        &["--format", "json"],
        &["--format", "{{.ID}} {{.Digest}}"],
    ] {
        assert_eq!(ls(&[form, &["--digests"]].concat()), ls(form), "{form:?}");
    }
    assert!(ls(&["--format", "json"]).contains(digest(&image)));
}
