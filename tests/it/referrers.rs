//! Referrers and belongings: signatures, attestations and SBOMs stay with what they are about and go with it, whether an
//! entry leads to them or not, and whatever names they have.

use std::fs;

use serde_json::{Value, json};

use crate::support::contents::{blob_path, blobs, digest, digest_of, id, members, names, targets};
use crate::support::layout::{INDEX, LAYER, Layout, MANIFEST};
use crate::support::names::{DANGLING, NAME, REF};
use crate::support::place::{
    PRUNE, PRUNE_ALL, Place, assert_mentions, assert_says, object, objects,
};

/// A descriptor without anything but what a blob is found by.
fn plain(descriptor: &Value) -> Value {
    json!({"mediaType": descriptor["mediaType"], "digest": descriptor["digest"], "size": descriptor["size"]})
}

/// The name under which the referrers of an image are listed.
fn list_of(image: &Value) -> String {
    format!("sha256-{}", &digest(image)["sha256:".len()..])
}

/// An image `v1`, a signature of it and one of that signature, which no row leads to.
struct Signed {
    place: Place,
    layout: Layout,
    image: Value,
    signature: Value,
    of_signature: Value,
}

impl Signed {
    fn new() -> Self {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let image = layout.image("image");
        let signature = layout.referrer(&image, "signature");
        let of_signature = layout.referrer(&signature, "signature of the signature");
        layout.tagged(&image, "v1").finish();
        Signed {
            place,
            layout,
            image,
            signature,
            of_signature,
        }
    }

    fn has(&self, document: &Value) -> bool {
        blobs(&self.layout.dir).contains(digest(document))
    }
}

/// FR12
#[test]
fn an_unlisted_signature_stays_with_its_image_and_so_does_the_signature_of_it() {
    let signed = Signed::new();
    let before = blobs(&signed.layout.dir);
    let old = signed.layout.blob("", "{ nothing that anybody knows");
    let done = signed.place.dry_and_real(&signed.layout.dir, &PRUNE, 0);
    assert!(!signed.has(&old));
    assert_eq!(blobs(&signed.layout.dir), before);
    assert_says(&done, "Kept 2 unlisted referrers");
    let args = [&PRUNE[..], &["--format", "json"]].concat();
    let said = object(&signed.place.succeeds(&signed.layout.dir, &args));
    // Both have the empty config.
    assert_eq!(said["unlisted_referrers"]["referrers"], 2, "{said}");
    assert_eq!(said["unlisted_referrers"]["blobs"], 5, "{said}");
    let args = [&PRUNE[..], &["--unlisted-referrers", "delete"]].concat();
    signed.place.dry_and_real(&signed.layout.dir, &args, 0);
    assert!(signed.has(&signed.image) && !signed.has(&signed.signature));
    assert!(!signed.has(&signed.of_signature));
}

/// FR12: `rmi` leaves them, and `prune` takes them then, with what they are about in the trash not yet.
#[test]
fn an_unlisted_signature_goes_after_its_image() {
    for to_trash in [false, true] {
        let mut signed = Signed::new();
        let other = signed.layout.image("other");
        signed.layout.tagged(&other, "v2").finish();
        let args = [
            &["rmi", "v1"][..],
            if to_trash { &["--trash"] } else { &[] },
        ]
        .concat();
        signed.place.dry_and_real(&signed.layout.dir, &args, 0);
        assert!(signed.has(&signed.signature) && signed.has(&signed.of_signature));
        signed
            .place
            .dry_and_real(&signed.layout.dir, &["prune", "--force"], 0);
        assert!(signed.has(&signed.signature));
        signed.place.dry_and_real(&signed.layout.dir, &PRUNE, 0);
        assert_eq!(signed.has(&signed.signature), to_trash);
        assert_eq!(signed.has(&signed.of_signature), to_trash);
        if to_trash {
            signed
                .place
                .succeeds(&signed.layout.dir, &["restore", "v1"]);
            assert!(signed.has(&signed.image));
        }
    }
}

/// FR12: what is damaged, or about nothing that stays, is unreferenced like anything else.
#[test]
fn what_only_claims_to_be_a_signature_is_no_referrer() {
    let mut signed = Signed::new();
    let gone = json!({"mediaType": MANIFEST, "digest": digest_of("gone"), "size": 4});
    let of_gone = signed.layout.referrer(&gone, "of something that is gone");
    let damaged = signed.layout.referrer(&signed.image, "damaged");
    let path = blob_path(&signed.layout.dir, digest(&damaged));
    let text = fs::read_to_string(&path).expect("a blob");
    fs::write(path, format!("{text} ")).expect("an own directory");
    signed.layout.finish();
    signed.place.dry_and_real(&signed.layout.dir, &PRUNE, 0);
    assert!(!signed.has(&of_gone) && !signed.has(&damaged));
    assert!(signed.has(&signed.signature));
}

/// FR12: a list of referrers under no tag is one, and an image that happens to list one is none.
#[test]
fn an_unlisted_list_of_referrers_stays_until_the_tag_has_one() {
    let mut signed = Signed::new();
    let list = signed.layout.index(&[&plain(&signed.signature)]);
    let stranger = signed.layout.image("stranger");
    let mixed = signed.layout.index(&[&plain(&signed.signature), &stranger]);
    signed.place.dry_and_real(&signed.layout.dir, &PRUNE, 0);
    assert!(signed.has(&list) && !signed.has(&mixed));
    let newer = signed.layout.referrer(&signed.image, "newer");
    let newer = signed.layout.index(&[&plain(&newer)]);
    let tag = list_of(&signed.image);
    signed.layout.tagged(&newer, &tag).finish();
    signed.place.dry_and_real(&signed.layout.dir, &PRUNE, 0);
    assert!(!signed.has(&list) && signed.has(&newer) && signed.has(&signed.signature));
}

/// FR12
#[test]
fn ls_and_why_and_check_see_what_no_row_leads_to() {
    let signed = Signed::new();
    let dir = &signed.layout.dir;
    let tree = signed.place.succeeds(dir, &["ls", "--tree"]);
    assert!(tree.out.contains("referrer (unlisted)"), "{tree}");
    for document in [&signed.signature, &signed.of_signature] {
        assert!(tree.out.contains(id(document)), "{tree}");
        let why = signed.place.succeeds(dir, &["why", digest(document)]);
        assert!(why.out.contains("unlisted referrer of v1"), "{why}");
    }
    let check = object(&signed.place.succeeds(dir, &["check", "--format", "json"]));
    assert_eq!(
        (&check["orphans"], &check["unlisted_referrers"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(check["of_unlisted_referrers"]["blobs"], 5);
}

/// FR12: several layouts whose blobs are the same keep what is about any of their images.
#[test]
fn an_unlisted_signature_of_an_image_of_a_sharer_stays() {
    let signed = Signed::new();
    let dir = &signed.layout.dir;
    let second = signed.place.layout("second").finish().dir.clone();
    fs::remove_dir_all(second.join("blobs")).expect("an own directory");
    std::os::unix::fs::symlink("../layout/blobs", second.join("blobs")).expect("an own directory");
    let args = [
        &PRUNE_ALL[..],
        &["--also-root", dir.to_str().expect("UTF-8")],
    ]
    .concat();
    signed.place.dry_and_real(&second, &args, 0);
    assert!(signed.has(&signed.signature) && signed.has(&signed.of_signature));
}

/// FR13
#[test]
fn an_older_list_of_referrers_holds_nothing() {
    let mut signed = Signed::new();
    let (old, new) = (
        signed.layout.index(&[&plain(&signed.signature)]),
        signed
            .layout
            .index(&[&plain(&signed.of_signature), &plain(&signed.signature)]),
    );
    signed.layout.unnamed(&old).finish();
    let kinds = |signed: &Signed| {
        let lines = signed
            .place
            .succeeds(&signed.layout.dir, &["ls", "-a", "--format", "json"]);
        members(&json!(objects(&lines)), "kind").join(" ")
    };
    assert_eq!(kinds(&signed), "referrer named");
    // Nothing newer has the tag.
    let done = signed.place.dry_and_real(&signed.layout.dir, &PRUNE, 0);
    assert!(done.said(false).is_nothing(), "{done}");
    // One that lists something else as well is an image.
    signed.layout.unnamed(&new).finish();
    assert!(kinds(&signed).contains("dangling"));
    signed
        .place
        .dry_and_real(&signed.layout.dir, &["rmi", "v1"], 0);
    assert!(!signed.has(&old) && !signed.has(&signed.image) || signed.has(&new));
}

/// FR14
#[test]
fn referrers_with_names_are_said_to_stay_taken_along_or_found_later() {
    for take in [false, true] {
        let mut signed = Signed::new();
        let (signature, of_signature) = (signed.signature.clone(), signed.of_signature.clone());
        let other = signed.layout.image("other");
        signed
            .layout
            .tagged(&signature, "sig")
            .tagged(&of_signature, "sig-of-sig")
            .tagged(&other, "other")
            .finish();
        let dir = signed.layout.dir.clone();
        let orphans = |value: &str| {
            let args = [
                "ls",
                "--filter",
                &format!("orphan={value}"),
                "--format",
                "json",
            ];
            let lines = objects(&signed.place.succeeds(&dir, &args));
            members(&json!(lines), "name").join(" ")
        };
        assert_eq!(orphans("true"), "");
        let args = [
            &["rmi", "v1"][..],
            if take { &["--referrers"] } else { &[] },
        ]
        .concat();
        let done = signed.place.dry_and_real(&dir, &args, 0);
        if take {
            assert_eq!(done.said(false).untagged, ["v1", "sig", "sig-of-sig"]);
            assert_eq!(names(&dir), ["other"]);
            assert!(!signed.has(&signature) && !signed.has(&of_signature));
            continue;
        }
        assert_mentions(&done, "--referrers");
        assert_mentions(&done, "sig and sig-of-sig refer");
        assert_eq!(orphans("false"), "other");
        let args = [
            "prune",
            "--force",
            "--grace",
            "0s",
            "--filter",
            "orphan=true",
        ];
        signed.place.dry_and_real(&dir, &args, 0);
        assert_eq!(names(&dir), ["other"]);
        assert!(!signed.has(&signature) && !signed.has(&signed.image));
    }
}

/// FR15
#[test]
fn the_subject_of_index_json_stays_with_all_below_it() {
    let signed = Signed::new();
    let other = signed.layout.image("other");
    let mut listing = signed.layout.listing();
    listing["subject"] = plain(&other);
    fs::write(signed.layout.dir.join("index.json"), listing.to_string()).expect("an own directory");
    let all = blobs(&signed.layout.dir);
    signed.place.dry_and_real(&signed.layout.dir, &PRUNE, 0);
    assert_eq!(blobs(&signed.layout.dir), all);
    let why = signed
        .place
        .succeeds(&signed.layout.dir, &["why", digest(&other)]);
    assert!(why.out.contains("index.json itself"), "{why}");
    signed.place.dry_and_real(&signed.layout.dir, &PRUNE_ALL, 0);
    assert!(signed.has(&other) && !signed.has(&signed.image));
}

/// FR15: `data` counts if it is the blob, and only then.
#[test]
fn an_embedded_manifest_stands_for_the_file() {
    let place = Place::new();
    for whole in [true, false] {
        let mut layout = place.layout(if whole { "whole" } else { "other" });
        let image = layout.image("image");
        let config = layout.config_of(&image);
        let path = blob_path(&layout.dir, digest(&image));
        let text = fs::read(&path).expect("a blob");
        fs::remove_file(path).expect("an own directory");
        let mut row = plain(&image);
        row["annotations"] = json!({REF: "v1"});
        let text = if whole { text } else { b"{}".to_vec() };
        row["data"] = base64(&text).into();
        layout.push(row).finish();
        place.dry_and_real(&layout.dir, &PRUNE, 0);
        assert_eq!(blobs(&layout.dir).contains(&config), whole);
        let lines = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
        assert_eq!(lines[0]["missing_blobs"] == 0, whole, "{lines:?}");
    }
}

/// FR15: an index without a file is rewritten from the bytes that another one embeds.
#[test]
fn an_embedded_index_is_rewritten_like_any_other() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = |platform: &str| {
        let layers = vec![layout.layer(platform)];
        layout.image_of(platform, json!({}), layers)
    };
    let [a, b, c] = ["linux/amd64", "linux/arm64", "linux/s390x"].map(image);
    let mut inner = layout.index(&[&a, &b]);
    let path = blob_path(&layout.dir, digest(&inner));
    inner["data"] = base64(&fs::read(&path).expect("a blob")).into();
    fs::remove_file(path).expect("an own directory");
    let outer = layout.index(&[&inner, &c]);
    layout.tagged(&outer, "v1").finish();
    let rewrite = ["rmi", "v1", "--platform", "linux/arm64", "--rewrite-index"];
    place.dry_and_real(&layout.dir, &rewrite, 0);
    let written = fs::read(layout.dir.join("index.json")).expect("a file");
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    let new = layout.read(&written["manifests"][0]);
    assert!(new["manifests"][0].get("data").is_none(), "{new}");
    assert_eq!(digest(&new["manifests"][1]), digest(&c));
    let inner = layout.read(&new["manifests"][0]);
    assert_eq!(members(&inner["manifests"], "digest"), [digest(&a)]);
    let left = blobs(&layout.dir);
    assert!(!left.contains(digest(&b)) && !left.contains(digest(&outer)));
    place.succeeds(&layout.dir, &["check"]);
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |n: usize| u32::from(*group.get(n).unwrap_or(&0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4_usize {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place > group.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    text
}

/// FR39
#[test]
fn what_untag_left_is_dangling_beside_a_row_without_a_name() {
    let place = Place::new();
    let mut layout = place.layout("unnamed");
    let image = layout.image("image");
    let dangling = format!("{DANGLING}{}", digest(&image));
    layout
        .unnamed(&image)
        .row(&image, json!({NAME: dangling}))
        .finish();
    let done = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert_eq!(done.said(false).untagged, [digest(&image)]);
    assert!(done.said(false).deleted.is_empty(), "{done}");
    assert_eq!(targets(&layout.dir), [digest(&image)]);

    let mut layout = place.layout("child");
    let (image, other) = (layout.image("image"), layout.image("other"));
    let index = layout.index(&[&image, &other]);
    layout
        .unnamed(&image)
        .row(&image, json!({NAME: dangling}))
        .tagged(&index, "v1")
        .finish();
    let done = place.dry_and_real(&layout.dir, &["rmi", "v1"], 0);
    assert_says(&done, digest(&image));
    assert_eq!(targets(&layout.dir), [digest(&image)]);
    assert!(blobs(&layout.dir).contains(&layout.config_of(&image)));
}

/// FR40: what is kept is not only the image that a part belongs to, for no row may lead to that.
#[test]
fn a_part_whose_digest_is_kept_stays_although_what_refers_to_its_image_goes() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    let index = layout.index(&[&image]);
    let signature = layout.referrer(&plain(&index), "signature");
    layout.unnamed(&image).tagged(&signature, "latest").finish();
    let args = [&PRUNE_ALL[..], &["--keep", digest(&image)]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(targets(&layout.dir), [digest(&image)]);
    assert_eq!(blobs(&layout.dir).len(), 3);
}

/// FR47
#[test]
fn a_name_that_only_manifest_json_has_stays() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    layout.named(&image, "docker.io/library/web:1").finish();
    let document = layout.read(&image);
    let path = |digest: &str| digest.replace("sha256:", "blobs/sha256/");
    let layers = members(&document["layers"], "digest");
    let item = json!([{
        "Config": path(digest(&document["config"])),
        "RepoTags": ["web:1", "shop:9"],
        "Layers": layers.iter().map(|layer| path(layer)).collect::<Vec<_>>(),
    }]);
    let file = layout.dir.join("manifest.json");
    fs::write(&file, item.to_string()).expect("an own directory");
    let line = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"])).remove(0);
    let done = place.succeeds(&layout.dir, &["rmi", "web:1", "--format", "json"]);
    assert_eq!(object(&done)["freed_bytes"], line["unique"]);
    let left: Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    assert_eq!(left[0]["RepoTags"], json!(["shop:9"]));
    assert_eq!(blobs(&layout.dir).len(), 2);
}

/// FR48: a file that has a name in another layout does not leave the disk.
#[test]
fn hard_links_to_other_layouts_are_not_unique() {
    let signed = Signed::new();
    let unique = || {
        let lines = objects(
            &signed
                .place
                .succeeds(&signed.layout.dir, &["ls", "--format", "json"]),
        );
        lines[0]["unique"].as_u64().expect("a size")
    };
    let before = unique();
    let config = signed.layout.config_of(&signed.image);
    let path = blob_path(&signed.layout.dir, &config);
    let bytes = fs::metadata(&path).expect("a blob").len();
    fs::hard_link(path, signed.place.path("elsewhere")).expect("an own directory");
    assert_eq!(unique(), before - bytes);
    let done = signed
        .place
        .succeeds(&signed.layout.dir, &["rmi", "v1", "--format", "json"]);
    assert_eq!(object(&done)["freed_bytes"], before - bytes);
}

/// FR52: podman's artifact store, with its lock and an entry that lost its name.
#[test]
fn prune_repairs_a_store_of_artifacts() {
    let place = Place::new();
    let mut layout = place.layout("artifacts");
    let (old, new) = (layout.image("old"), layout.image("new"));
    layout
        .unnamed(&old)
        .tagged(&new, "quay.io/acme/model:1")
        .finish();
    fs::write(layout.dir.join("index.lock"), "").expect("an own directory");
    let done = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert_eq!(done.said(false).deleted, [digest(&old)]);
    assert_eq!(names(&layout.dir), ["quay.io/acme/model:1"]);
    assert_eq!(object_of(&layout)["mediaType"], INDEX);
}

fn object_of(layout: &Layout) -> Value {
    let text = fs::read(layout.dir.join("index.json")).expect("an index");
    serde_json::from_slice(&text).expect("JSON")
}

/// FR12: a young referrer of what stays is none of what `--grace 0s` would delete.
#[test]
fn a_young_unlisted_referrer_is_not_said_to_wait_for_its_age() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("app");
    layout.tagged(&image, "app").finish();
    layout.referrer(&image, "signature");
    layout.blob("text/plain", "half a push\n");
    let args = ["prune", "--force", "--format", "json"];
    let report = object(&place.succeeds(&layout.dir, &args));
    assert_eq!(report["spared"]["blobs"], 1, "{report}");
    assert_eq!(report["unlisted_referrers"]["referrers"], 1, "{report}");
    assert_eq!(report["unlisted_referrers"]["blobs"], 3, "{report}");
    let args = ["prune", "--force", "--grace", "0s", "--format", "json"];
    let report = object(&place.succeeds(&layout.dir, &args));
    assert_eq!(report["unlisted_referrers"]["blobs"], 3, "{report}");
    assert_eq!(members(&report["deleted"], "digest").len(), 1, "{report}");
}

/// FR12: `rmi` of an unlisted referrer says what it is and what removes it, and `--force` does not.
#[test]
fn the_digest_of_an_unlisted_referrer_is_said_to_be_one() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("app");
    layout.tagged(&image, "v1").finish();
    let signature = layout.referrer(&image, "signature");
    let signature = digest(&signature);
    for args in [&["rmi", signature][..], &["rmi", "--force", signature]] {
        let refused = place.refuses(&layout.dir, args, 1);
        assert_mentions(
            &refused,
            "it is a referrer that no entry of index.json leads to",
        );
        assert_mentions(&refused, "--unlisted-referrers delete");
        assert!(!refused.err.contains("No such image"), "{refused}");
    }
    let stray = layout.blob(LAYER, "nothing leads here");
    let refused = place.refuses(&layout.dir, &["rmi", digest(&stray)], 1);
    assert_mentions(&refused, "No such image");
    assert_mentions(&refused, "that is an unreferenced blob");
}
