//! `rmi` of parts of images, selected by platform, by digest, or all attestations at once; patterns instead of names;
//! digests of parts. What goes, what stays, and what is said. The cases of `fixtures/field` say most of it; here is what
//! takes containers, several commands or a look into a document.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::contents::{
    arg, blob_path, blobs, digest, document, id, index, members, names, targets,
};
use crate::support::layout::{Layout, parse_platform};
use crate::support::place::{Place, assert_mentions, object, objects};

/// An index of images for some platforms, each with an attestation.
struct Ground {
    place: Place,
    layout: Layout,
    platforms: Vec<Value>,
    attestations: Vec<Value>,
    app: Value,
}

impl Ground {
    fn of(platforms: &[&str]) -> Ground {
        let place = Place::new();
        let layout = place.layout("layout");
        let platforms: Vec<Value> = platforms
            .iter()
            .enumerate()
            .map(|(number, text)| {
                let title = format!("{text} {number}");
                let mut image = layout.image_for("linux/amd64", &title, &["base", &title]);
                image["platform"] = parse_platform(text);
                image
            })
            .collect();
        let attestations: Vec<Value> = platforms
            .iter()
            .enumerate()
            .map(|(number, image)| layout.attestation(image, &format!("about {number}")))
            .collect();
        let listed: Vec<&Value> = platforms.iter().chain(&attestations).collect();
        let app = layout.index(&listed);
        Ground {
            place,
            layout,
            platforms,
            attestations,
            app,
        }
    }

    /// The same, with a name for the index.
    fn named(name: &str, platforms: &[&str]) -> Ground {
        let mut ground = Ground::of(platforms);
        ground.layout.named(&ground.app, name).finish();
        ground
    }

    fn dir(&self) -> &Path {
        &self.layout.dir
    }

    fn has(&self, descriptor: &Value) -> bool {
        blobs(self.dir()).contains(digest(descriptor))
    }

    /// Whether each platform and its attestation is there; both or none.
    #[track_caller]
    fn left(&self) -> Vec<bool> {
        let both = self.platforms.iter().zip(&self.attestations);
        both.map(|(image, attestation)| {
            assert_eq!(self.has(image), self.has(attestation));
            self.has(image)
        })
        .collect()
    }
}

const APP: &str = "docker.io/library/app:1";

/// FR44: the only name of an image, found by ID, stands in the file as nobody would type it.
#[test]
fn by_id_the_only_name_is_no_other_name() {
    let mut ground = Ground::of(&["linux/amd64", "linux/arm64"]);
    let row = json!({"io.containerd.image.name": "web:1"});
    ground.layout.row(&ground.app, row).finish();
    let args = ["rmi", &id(&ground.app)[..12], "--platform", "linux/arm64"];
    ground.place.dry_and_real(ground.dir(), &args, 0);
    assert_eq!(ground.left(), [true, false]);
    assert_eq!(names(ground.dir()), ["web:1"]);
}

/// FR44: two spellings of one name, and all names of an image in one command; a name that nobody gave is one too many.
#[test]
fn names_that_are_given_lose_parts_together() {
    let ground = || {
        let mut ground = Ground::of(&["linux/amd64", "linux/arm64"]);
        ground.layout.named(&ground.app, APP);
        let row = json!({"io.containerd.image.name": "docker.io/library/app:2"});
        ground.layout.row(&ground.app, row).finish();
        ground
    };
    let alone = ground();
    let args = ["rmi", "app:1", "--platform", "linux/arm64"];
    let refused = alone.place.refuses(alone.dir(), &args, 1);
    assert_mentions(&refused, "app:2 would lose it too");
    let both = ground();
    let args = ["rmi", "app:1", "app:2", "--platform", "linux/arm64"];
    let done = both.place.dry_and_real(both.dir(), &args, 0);
    assert!(!done.err.contains("does not provide"), "{done}");
    assert_eq!(both.left(), [true, false]);
    // Where the image goes, the second name went with the first.
    let all = ground();
    let args = [
        "rmi",
        "app:1",
        "app:2",
        "--platform",
        "linux/arm64,linux/amd64",
    ];
    let done = all.place.dry_and_real(all.dir(), &args, 0);
    assert!(blobs(all.dir()).is_empty(), "{done}");
}

/// FR43: in whatever order, and although the image goes.
#[test]
fn every_platform_that_is_not_there_is_said() {
    for asked in [
        "linux/s390x,linux/arm64,linux/riscv64",
        "linux/arm64,linux/riscv64,linux/s390x",
    ] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let image = layout.image_for("linux/arm64", "only", &["only"]);
        layout.tagged(&image, "v1").finish();
        let done = place.dry_and_real(&layout.dir, &["rmi", "v1", "--platform", asked], 1);
        assert_mentions(&done, "linux/s390x");
        assert_mentions(&done, "linux/riscv64");
        assert!(blobs(&layout.dir).is_empty(), "{done}");
    }
}

/// FR46: what the layout did not have was not deleted, neither a platform nor an index.
#[test]
fn only_what_was_there_is_said_to_be_deleted() {
    let ground = Ground::named(APP, &["linux/amd64", "linux/arm64"]);
    for gone in [&ground.platforms[1], &ground.attestations[1]] {
        fs::remove_file(blob_path(ground.dir(), digest(gone))).unwrap();
    }
    let args = ["rmi", "app:1", "--platform", "arm64", "--rewrite-index"];
    let done = ground.place.dry_and_real(ground.dir(), &args, 0);
    assert_eq!(done.said(false).deleted, [digest(&ground.app)], "{done}");
    let new = &targets(ground.dir())[0];
    fs::remove_file(blob_path(ground.dir(), new)).unwrap();
    let done = ground
        .place
        .dry_and_real(ground.dir(), &["rmi", "app:1"], 0);
    assert!(done.said(false).deleted.is_empty(), "{done}");
}

/// FR41: a signature of a nested index, without a name, is no image that keeps the platform.
#[test]
fn a_signature_of_a_nested_index_keeps_no_platform() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
    let nested = layout.index(&[&arm]);
    let app = layout.index(&[&amd, &nested]);
    let signature = layout.referrer(&nested, "signature");
    layout.named(&app, APP).unnamed(&signature).finish();
    let args = ["rmi", "app:1", "--platform", "linux/arm64"];
    let done = place.dry_and_real(&layout.dir, &args, 0);
    let left = blobs(&layout.dir);
    assert!(!left.contains(digest(&arm)), "{done}");
    for stays in [&amd, &nested, &app, &signature] {
        assert!(left.contains(digest(stays)), "{done}");
    }
}

/// P11 and FR41: who keeps a manifest is said as it is.
#[test]
fn another_layout_is_said_to_keep_a_part_only_if_one_does() {
    let ground = Ground::named(APP, &["linux/amd64", "linux/arm64"]);
    let mut other = ground.place.layout("other");
    fs::remove_dir_all(other.dir.join("blobs")).unwrap();
    std::os::unix::fs::symlink(ground.dir().join("blobs"), other.dir.join("blobs")).unwrap();
    other.tagged(&ground.platforms[1], "arm").finish();
    let other = arg(&other.dir);
    let args = [
        "rmi",
        "app:1",
        "--platform",
        "linux/arm64",
        "--also-root",
        other,
    ];
    let done = ground.place.dry_and_real(ground.dir(), &args, 0);
    assert_mentions(&done, "referenced by another layout");
    assert_eq!(ground.left(), [true, true]);
}

/// FR2: of manifests that no platform tells apart all go, and the report says which of them stays for another image.
#[test]
fn manifests_of_one_platform_go_together() {
    let mut ground = Ground::of(&["linux/amd64", "linux/arm64", "linux/amd64"]);
    ground.layout.named(&ground.app, APP);
    ground.layout.tagged(&ground.platforms[2], "keep").finish();
    let args = ["rmi", "app:1", "--platform", "linux/amd64"];
    let done = ground.place.dry_and_real(ground.dir(), &args, 0);
    let kept = format!(
        "linux/amd64 is kept ({}), referenced by keep",
        digest(&ground.platforms[2])
    );
    assert_mentions(&done, &kept);
    assert_eq!(ground.left(), [false, true, true]);
}

/// FR3 and FR4: the conflict lists what can be typed, what is typed so goes, and the same command then finds nothing.
#[test]
fn what_a_conflict_lists_can_be_typed() {
    let versions = [
        "windows(10.0.20348.3091)/amd64",
        "windows(10.0.26100.2894)/amd64",
        "darwin(macOS 14)/arm64",
    ];
    let ground = Ground::named(APP, &versions);
    for asked in ["windows/amd64", "windows(10.0)/amd64"] {
        let args = ["rmi", "app:1", "--platform", asked];
        let refused = ground.place.refuses(ground.dir(), &args, 1);
        for version in &versions[..2] {
            assert_mentions(&refused, version);
        }
    }
    for (place, version) in versions.iter().enumerate().skip(1) {
        let args = ["rmi", "app:1", "--platform", version];
        ground.place.dry_and_real(ground.dir(), &args, 0);
        assert!(!ground.left()[place]);
        ground.place.refuses(ground.dir(), &args, 1);
    }
    // One version is left, so the plain form means it.
    let args = ["rmi", "app:1", "--platform", "windows/amd64"];
    let done = ground.place.dry_and_real(ground.dir(), &args, 0);
    assert!(blobs(ground.dir()).is_empty(), "{done}");
}

/// FR6: in the table, in the tree and in JSON.
#[test]
fn platforms_that_look_the_same_are_shown_in_full() {
    let ground = Ground::named(
        APP,
        &[
            "windows(1.2)/amd64",
            "windows(1.3+win32k)/amd64",
            "linux(+gpu)/arm64",
        ],
    );
    fs::remove_file(blob_path(ground.dir(), digest(&ground.platforms[1]))).unwrap();
    let table = ground.place.succeeds(ground.dir(), &["ls"]);
    assert!(
        table
            .out
            .contains("windows(1.2)/amd64, (windows(1.3+win32k)/amd64), linux/arm64 "),
        "{table}"
    );
    let tree = ground.place.succeeds(ground.dir(), &["ls", "--tree"]);
    for (text, image) in [
        ("windows(1.2)/amd64", 0),
        ("windows(1.3+win32k)/amd64", 1),
        ("linux/arm64", 2),
    ] {
        let short = &id(&ground.platforms[image])[..12];
        let mut lines = tree.out.lines();
        let line = lines.find(|line| line.contains(short)).unwrap();
        assert!(line.contains(&format!("─ {text} ")), "{tree}");
    }
    let line = &objects(
        &ground
            .place
            .succeeds(ground.dir(), &["ls", "--format", "json"]),
    )[0];
    assert_eq!(
        line["platforms"],
        json!(["windows(1.2)/amd64", "linux(+gpu)/arm64"])
    );
    assert_eq!(
        line["missing_platforms"],
        json!(["windows(1.3+win32k)/amd64"])
    );
}

/// FR7: the options together select what any of them selects, and one new index is made.
#[test]
fn the_options_for_parts_may_be_combined() {
    let ground = Ground::named(
        APP,
        &["linux/amd64", "linux/arm64", "linux/s390x", "linux/386"],
    );
    let s390x = &id(&ground.platforms[2])[..8];
    let args = [
        "rmi",
        "app:1",
        "--platform",
        "linux/arm64",
        "--manifest",
        s390x,
        "--attestations",
        "--rewrite-index",
        "--format",
        "json",
    ];
    let done = ground.place.dry_and_real(ground.dir(), &args, 0);
    assert_eq!(
        object(&done)["rewritten"].as_array().unwrap().len(),
        1,
        "{done}"
    );
    let new = document(ground.dir(), &targets(ground.dir())[0]);
    let left = [&ground.platforms[0], &ground.platforms[3]].map(digest);
    assert_eq!(members(&new["manifests"], "digest"), left);
    for command in [
        &[
            "rmi",
            "app:1",
            "--platform",
            "amd64",
            "--keep-platform",
            "386",
        ][..],
        &["rmi", "app:1", "--manifest", "no digest"],
        &["rmi", "app:1", "--keep-platform", "nonsense"],
        &["rmi", "app:1", "--rewrite-index"],
    ] {
        ground.place.refuses(ground.dir(), command, 2);
    }
}

/// FR7: what is to be kept decides; where it is not there, or nothing that is there would be left, nothing goes.
#[test]
fn what_is_to_be_kept_must_be_there() {
    let ground = Ground::named(APP, &["linux/amd64", "linux/arm64", "linux/s390x"]);
    for missing in ["linux/386", "linux/amd64,linux/386"] {
        let args = ["rmi", "app:1", "--keep-platform", missing];
        let refused = ground.place.refuses(ground.dir(), &args, 1);
        assert_mentions(&refused, "linux/386");
        let args = ["rmi", "--force", "app:1", "--keep-platform", missing];
        ground.place.refuses(ground.dir(), &args, 1);
    }
    let args = ["rmi", "app:1", "--keep-platform", "amd64,linux/s390x"];
    ground.place.dry_and_real(ground.dir(), &args, 0);
    assert_eq!(ground.left(), [true, false, true]);
    // Nothing is left to be removed.
    let done = ground.place.dry_and_real(ground.dir(), &args, 0);
    assert!(done.said(false).is_nothing(), "{done}");
    // What the layout does not have cannot be all that is left.
    for rewrite in [&["--rewrite-index"][..], &[]] {
        let args = [
            &["rmi", "app:1", "--keep-platform", "linux/arm64"][..],
            rewrite,
        ]
        .concat();
        ground.place.refuses(ground.dir(), &args, 1);
    }
}

/// FR7: an attestation that also has an entry of its own goes with that.
#[test]
fn an_entry_of_a_part_goes_with_it() {
    let mut ground = Ground::of(&["linux/amd64"]);
    let signed = ground
        .layout
        .referrer(&ground.platforms[0], "attestation with a subject");
    let mut listed = signed.clone();
    listed["artifactType"] = "application/vnd.docker.attestation.manifest.v1+json".into();
    let app = ground.layout.index(&[&ground.platforms[0], &listed]);
    ground.layout.named(&app, APP).unnamed(&signed);
    ground.layout.unnamed(&ground.platforms[0]).finish();
    let args = ["rmi", "app:1", "--attestations"];
    let done = ground.place.dry_and_real(ground.dir(), &args, 0);
    assert!(!ground.has(&signed), "{done}");
    assert_eq!(
        targets(ground.dir()),
        [digest(&app), digest(&ground.platforms[0])]
    );
    let again = ground.place.refuses(ground.dir(), &args, 1);
    assert_mentions(&again, "it has none");
    let args = ["rmi", "--ignore", "app:1", "--attestations"];
    ground.place.dry_and_real(ground.dir(), &args, 0);
}

/// FR7 and FR8: a nested index goes with all that only it lists, and with what is about that.
#[test]
fn a_nested_index_is_one_part() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = |platform: &str| layout.image_for(platform, platform, &[platform]);
    let [amd, arm, s390x] = ["linux/amd64", "linux/arm64", "linux/s390x"].map(image);
    let nested = layout.index(&[&amd, &arm]);
    let about = layout.attestation(&arm, "about arm64");
    let of_that = layout.referrer(&about, "signature of the attestation");
    let app = layout.index(&[&amd, &nested, &s390x, &about, &of_that]);
    layout.named(&app, APP).finish();
    let args = ["rmi", "app:1", "--manifest", digest(&nested)];
    let done = place.dry_and_real(&layout.dir, &args, 0);
    let left = blobs(&layout.dir);
    for gone in [&nested, &arm, &about, &of_that] {
        assert!(!left.contains(digest(gone)), "{done}");
    }
    for stays in [&amd, &s390x, &app] {
        assert!(left.contains(digest(stays)), "{done}");
    }
}

/// P14: a new index lists no nested index that lists nothing.
#[test]
fn a_nested_index_that_would_be_empty_goes() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
    let nested = layout.index(&[&arm]);
    let nested = layout.index(&[&nested]);
    let app = layout.index(&[&amd, &nested]);
    layout.named(&app, APP).finish();
    let args = ["rmi", "app:1", "--platform", "arm64", "--rewrite-index"];
    place.dry_and_real(&layout.dir, &args, 0);
    let new = document(&layout.dir, &targets(&layout.dir)[0]);
    assert_eq!(members(&new["manifests"], "digest"), [digest(&amd)]);
}

/// FR8: a SOCI index that says in its own annotation what it is about, and a circle of what is about each other.
#[test]
fn what_is_about_a_part_is_no_platform() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
    let soci = layout.document(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.amazon.soci.index.v2+json",
        "config": layout.blob("application/vnd.amazon.soci.index.v2+json", "{}"),
        "layers": [layout.layer("a table of contents")],
        "annotations": {"com.amazon.soci.image-manifest-digest": digest(&arm)},
    }));
    let mut listed = soci.clone();
    listed["platform"] = parse_platform("linux/amd64");
    let (mut one, mut other) = (layout.referrer(&arm, "one"), layout.referrer(&arm, "other"));
    let about = |of: &Value| json!({"vnd.docker.reference.digest": digest(of)});
    (one["annotations"], other["annotations"]) = (about(&other), about(&one));
    let app = layout.index(&[&amd, &arm, &listed, &one, &other]);
    layout.named(&app, APP).finish();
    let line = &objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]))[0];
    assert_eq!(line["platforms"], json!(["linux/amd64", "linux/arm64"]));
    let tree = place.succeeds(&layout.dir, &["ls", "--tree"]);
    for part in [&soci, &one, &other] {
        assert!(tree.out.contains(&id(part)[..12]), "{tree}");
    }
    let done = place.dry_and_real(&layout.dir, &["rmi", "app:1", "--platform", "arm64"], 0);
    for gone in [&arm, &soci, &one, &other] {
        assert!(!blobs(&layout.dir).contains(digest(gone)), "{done}");
    }
    // What is left of the image is one platform, and that is the last.
    place.dry_and_real(&layout.dir, &["rmi", "app:1", "--platform", "amd64"], 0);
    assert!(blobs(&layout.dir).is_empty());
}

/// P16: what is about a manifest goes before it, so an interrupted run leaves the manifest, by which the same command
/// finishes it. FR5: one that is gone is not there, whatever is left of what was about it.
#[test]
fn an_interrupted_removal_is_finished_by_the_manifest_that_it_left() {
    for by_digest in [false, true] {
        for (gone, status) in [("attestation", 0), ("manifest", 1)] {
            let ground = Ground::named(APP, &["linux/amd64", "linux/arm64"]);
            let (manifest, attestation) = (&ground.platforms[1], &ground.attestations[1]);
            let blob = match gone {
                "manifest" => manifest,
                _ => attestation,
            };
            fs::remove_file(blob_path(ground.dir(), digest(blob))).unwrap();
            let part = match by_digest {
                true => ["--manifest", digest(manifest)],
                false => ["--platform", "linux/arm64"],
            };
            let args = [&["rmi", "app:1"][..], &part].concat();
            if status == 0 {
                let done = ground.place.dry_and_real(ground.dir(), &args, 0);
                assert!(!ground.has(manifest), "{done}");
            }
            ground.place.refuses(ground.dir(), &args, 1);
            assert!(ground.has(&ground.platforms[0]));
        }
    }
}

/// FR9: manifests, attestations, layers and configs, with and without an entry, in full and shortened; `--force` and
/// `--ignore` change nothing.
#[test]
fn a_part_of_an_image_is_a_conflict_that_names_it() {
    let mut ground = Ground::of(&["linux/amd64", "linux/arm64"]);
    ground.layout.named(&ground.app, APP);
    ground.layout.unnamed(&ground.platforms[0]).finish();
    let manifest = ground.layout.read(&ground.platforms[1]);
    let config = manifest["config"]["digest"].as_str().unwrap();
    let layer = manifest["layers"][1]["digest"].as_str().unwrap();
    for (part, says) in [
        (digest(&ground.platforms[0]), "--manifest"),
        (digest(&ground.platforms[1]), "--manifest"),
        (digest(&ground.attestations[1]), "--manifest"),
        (config, "it is the config of app:1"),
        (layer, "it is a layer of app:1"),
    ] {
        let named = format!("app@{part}");
        for part in [part, &part[7..], &part[7..19], &named] {
            for option in ["--force", "--ignore"] {
                let refused = ground
                    .place
                    .refuses(ground.dir(), &["rmi", option, part], 1);
                assert_mentions(&refused, "app:1");
                assert_mentions(&refused, says);
                assert!(!refused.err.contains("No such image"), "{refused}");
            }
            for args in [&["untag", part][..], &["untag", "--ignore", part]] {
                let refused = ground.place.refuses(ground.dir(), args, 1);
                assert_mentions(&refused, "app:1");
                assert_mentions(&refused, says);
                assert!(!refused.err.contains("No such image"), "{refused}");
            }
        }
    }
    // What is no part of anything is not found.
    let refused = ground
        .place
        .refuses(ground.dir(), &["rmi", "abcdef012345"], 1);
    assert_mentions(&refused, "No such image");
}

/// FR10: an entry without a name leads to the new index, and one that is called dangling is called so by the new digest.
#[test]
fn an_image_without_a_name_is_rewritten_by_digest() {
    for explicit in [false, true] {
        let mut ground = Ground::of(&["linux/amd64", "linux/arm64"]);
        let old = digest(&ground.app).to_owned();
        let row = match explicit {
            true => json!({"io.containerd.image.name": format!("moby-dangling@{old}"), "x": "y"}),
            false => json!({"x": "y"}),
        };
        ground.layout.row(&ground.app, row).finish();
        let args = ["rmi", &old, "--platform", "arm64", "--rewrite-index"];
        ground.place.dry_and_real(ground.dir(), &args, 0);
        assert_eq!(ground.left(), [true, false]);
        let index = index(ground.dir());
        let [row] = &*index.rows else {
            panic!("one entry")
        };
        assert_ne!(row.digest, old);
        let text = fs::read_to_string(ground.dir().join("index.json")).unwrap();
        let name = format!("moby-dangling@{}", row.digest);
        assert_eq!(text.contains(&name), explicit, "{text}");
        assert!(
            text.contains(r#""x":"y""#) && !text.contains(&old),
            "{text}"
        );
    }
    let mut ground = Ground::of(&["linux/amd64", "linux/arm64"]);
    ground.layout.named(&ground.app, APP);
    ground.layout.unnamed(&ground.app).finish();
    let args = [
        "rmi",
        digest(&ground.app),
        "--platform",
        "arm64",
        "--rewrite-index",
    ];
    ground.place.refuses(ground.dir(), &args, 1);
}

/// FR11: in the order of index.json, of a layout that is named in front of the pattern, with and without parts.
#[test]
fn a_pattern_takes_the_names_that_it_matches() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let [one, two, three] = ["one", "two", "three"].map(|title| layout.image(title));
    let signature = layout.referrer(&three, "signature");
    let dangling = layout.image("dangling");
    let tag = format!("docker.io/acme/app:sha256-{}", id(&three));
    layout
        .named(&two, "docker.io/acme/app:1.1")
        .named(&one, "docker.io/acme/app:1.0")
        .named(&three, "docker.io/acme/tool:1.0")
        .named(&one, "docker.io/acme/team/app:1")
        .named(&signature, &tag)
        .unnamed(&dangling)
        .finish();
    let before = names(&layout.dir);
    for (pattern, status) in [("acme/ap:*", 1), ("acme/app:[", 1), ("acme/app:2.?", 1)] {
        place.refuses(&layout.dir, &["rmi", pattern], status);
        place.refuses(&layout.dir, &["untag", pattern], status);
    }
    let args = ["rmi", "--ignore", "acme/ap:*"];
    assert!(
        place
            .dry_and_real(&layout.dir, &args, 0)
            .said(false)
            .is_nothing()
    );
    // Nothing has the platform: all are passed over.
    let args = ["rmi", "**", "--platform", "linux/s390x"];
    let done = place.dry_and_real(&layout.dir, &args, 0);
    assert!(
        done.said(false).is_nothing() && !done.err.contains("does not provide"),
        "{done}"
    );
    assert_eq!(names(&layout.dir), before);
    let args = ["untag", "acme/app:1.*"];
    let done = place.succeeds(&layout.dir, &[&args[..], &["--dry-run"]].concat());
    assert_eq!(
        done.said(true).untagged,
        ["acme/app:1.1", "acme/app:1.0"],
        "{done}"
    );
    let named = format!("oci:{}:acme/*", arg(&layout.dir));
    let done = place.run(&["rmi", &named]);
    let untagged = ["acme/app:1.1", "acme/app:1.0", "acme/tool:1.0"];
    assert_eq!(done.said(false).untagged[..3], untagged, "{done}");
    // The signature followed its subject, and what is one image still has a name.
    assert!(!blobs(&layout.dir).contains(digest(&signature)), "{done}");
    assert!(blobs(&layout.dir).contains(digest(&one)), "{done}");
    assert_eq!(index(&layout.dir).rows.len(), 2);
}

/// P9: a container speaks against its own platform, however that is selected, and against nothing else.
#[test]
fn a_container_keeps_its_platform_and_no_other_part() {
    let ground = Ground::named(APP, &["linux/amd64", "linux/arm64"]);
    let list = json!([{
        "Id": "c".repeat(64),
        "Image": digest(&ground.app),
        "Config": {"Image": "app:1"},
        "State": {"Status": "running"},
        "ImageManifestDescriptor": {"digest": digest(&ground.platforms[0]),
            "platform": {"os": "linux", "architecture": "amd64"}},
    }]);
    let file = ground.place.file("containers.json", list.to_string());
    let amd = digest(&ground.platforms[0]);
    for part in [
        ["--platform", "amd64"],
        ["--manifest", amd],
        ["--keep-platform", "arm64"],
    ] {
        let args = [&["rmi", "app:1", "--containers", arg(&file)][..], &part].concat();
        let refused = ground.place.refuses(ground.dir(), &args, 1);
        assert_mentions(&refused, "cccccccccccc");
    }
    for part in [&["--attestations"][..], &["--keep-platform", "linux/amd64"]] {
        let args = [&["rmi", "app:1", "--containers", arg(&file)][..], part].concat();
        ground.place.dry_and_real(ground.dir(), &args, 0);
    }
    assert!(ground.has(&ground.platforms[0]) && !ground.has(&ground.platforms[1]));
}

/// FR7: parts go to the trash and come back from there.
#[test]
fn parts_come_back_from_the_trash() {
    let ground = Ground::named(APP, &["linux/amd64", "linux/arm64", "linux/s390x"]);
    let args = ["rmi", "--trash", "app:1", "--keep-platform", "amd64"];
    ground.place.dry_and_real(ground.dir(), &args, 0);
    assert_eq!(ground.left(), [true, false, false]);
    ground.place.succeeds(ground.dir(), &["restore", "app:1"]);
    assert_eq!(ground.left(), [true, true, true]);
}
