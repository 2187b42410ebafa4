//! `rmi --platform --rewrite-index`: one name gets an index without the platform, and everything else stays.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::command::Finished;
use crate::support::contents::{
    blob_path, blobs, digest, document, id, index, members, names, targets,
};
use crate::support::layout::{INDEX, Layout};
use crate::support::peers::{SKOPEO, oci};
use crate::support::place::{Place, assert_mentions, object, objects};

/// An index for three platforms, each with an attestation, one signed within the index; `app:1` and `app:2` lead to it.
struct Ground {
    place: Place,
    layout: Layout,
    /// For `linux/amd64`, `linux/arm64` and `linux/arm/v7`.
    platforms: Vec<Value>,
    attestations: Vec<Value>,
    /// Signs the image for `linux/arm64`.
    signature: Value,
    app: Value,
}

const PLATFORMS: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/arm/v7"];

impl Ground {
    /// With these names of the index.
    fn named(rows: &[&str]) -> Self {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let platforms: Vec<Value> = PLATFORMS
            .iter()
            .map(|platform| layout.image_for(platform, platform, &["base", platform]))
            .collect();
        let attestations: Vec<Value> = platforms
            .iter()
            .zip(PLATFORMS)
            .map(|(image, platform)| layout.attestation(image, &format!("about {platform}")))
            .collect();
        let signature = layout.referrer(&platforms[1], "signature of arm64");
        let mut listed: Vec<&Value> = platforms.iter().collect();
        listed.extend(&attestations);
        listed.push(&signature);
        let app = layout.index(&listed);
        for name in rows {
            layout.named(&app, name);
        }
        layout.finish();
        Ground {
            place,
            layout,
            platforms,
            attestations,
            signature,
            app,
        }
    }

    fn new() -> Self {
        Self::named(&["docker.io/library/app:1", "docker.io/library/app:2"])
    }

    fn dir(&self) -> &Path {
        &self.layout.dir
    }

    /// Removes platforms of `app:1`, after a dry run that leaves everything and says the same.
    #[track_caller]
    fn rewrites(&self, platforms: &str) -> Finished {
        let args = ["rmi", "--platform", platforms, "--rewrite-index", "app:1"];
        self.place.dry_and_real(self.dir(), &args, 0)
    }

    /// What the rows lead to, in their order.
    fn targets(&self) -> Vec<String> {
        targets(self.dir())
    }
}

/// The digests that an index lists.
fn listed(layout: &Path, digest: &str) -> Vec<String> {
    let document = document(layout, digest);
    let manifests = members(&document["manifests"], "digest");
    manifests.into_iter().map(str::to_owned).collect()
}

/// After it, a prune without grace finds nothing: no blob is left over, and none is missing.
#[track_caller]
fn assert_swept(place: &Place, layout: &Path) {
    let before = blobs(layout);
    let args = ["prune", "--force", "--grace", "0s"];
    let pruned = place.dry_and_real(layout, &args, 0);
    assert!(pruned.said(false).is_nothing(), "{pruned}");
    assert_eq!(pruned.reclaimed(), Some(0.0), "{pruned}");
    assert_eq!(blobs(layout), before);
    for line in objects(&place.succeeds(layout, &["ls", "--format", "json"])) {
        assert_eq!(line["missing_blobs"], 0, "{line}");
        assert_eq!(line["missing_platforms"], json!([]), "{line}");
        assert_eq!(line["damaged"], false, "{line}");
    }
}

#[test]
fn the_platform_goes_from_the_index_with_its_attestations_and_signatures() {
    let ground = Ground::named(&["docker.io/library/app:1"]);
    let done = ground.rewrites("linux/arm64");
    let new = &ground.targets()[0];
    assert_ne!(new, digest(&ground.app));
    let left = [0, 2].map(|at| digest(&ground.platforms[at]).to_owned());
    let attested = [0, 2].map(|at| digest(&ground.attestations[at]).to_owned());
    assert_eq!(listed(ground.dir(), new), [left, attested].concat());
    let present = blobs(ground.dir());
    for gone in [
        &ground.platforms[1],
        &ground.attestations[1],
        &ground.signature,
        &ground.app,
    ] {
        assert!(!present.contains(digest(gone)), "{done}");
    }
    assert!(done.said(false).untagged.is_empty(), "{done}");
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn the_named_row_leads_to_the_new_index_and_nothing_else_of_it_or_of_others_changes() {
    let ground = Ground::new();
    let before = index(ground.dir());
    ground.rewrites("linux/arm64");
    let after = index(ground.dir());
    assert_eq!(after.others, before.others);
    assert_eq!(after.rows[1].raw, before.rows[1].raw);
    let new = &after.rows[0];
    let size = fs::metadata(blob_path(ground.dir(), &new.digest))
        .expect("a new index")
        .len();
    let expected = before.rows[0]
        .raw
        .replace(digest(&ground.app), &new.digest)
        .replace(
            &format!("\"size\":{}", ground.app["size"]),
            &format!("\"size\":{size}"),
        );
    assert_eq!(new.raw, expected);
    let text = String::from_utf8(after.data).expect("a text");
    let old_text = String::from_utf8(before.data).expect("a text");
    assert_eq!(text, old_text.replacen(&before.rows[0].raw, &expected, 1));
}

#[test]
fn other_names_keep_the_old_index_with_all_that_it_lists() {
    let ground = Ground::new();
    let before = blobs(ground.dir());
    let done = ground.rewrites("linux/arm64");
    assert_eq!(ground.targets()[1], digest(&ground.app));
    let added: Vec<String> = blobs(ground.dir()).difference(&before).cloned().collect();
    assert_eq!(
        added,
        [ground.targets()[0].clone()],
        "only the new index is new"
    );
    assert!(blobs(ground.dir()).is_superset(&before), "nothing goes");
    assert!(done.said(false).deleted.is_empty(), "{done}");
    assert_swept(&ground.place, ground.dir());

    // The old index goes with its last name, and leaves what the new one needs.
    let new = ground.targets()[0].clone();
    ground
        .place
        .dry_and_real(ground.dir(), &["rmi", "app:2"], 0);
    let left = blobs(ground.dir());
    assert!(left.contains(&new) && left.contains(digest(&ground.platforms[0])));
    for gone in [
        &ground.app,
        &ground.platforms[1],
        &ground.attestations[1],
        &ground.signature,
    ] {
        assert!(!left.contains(digest(gone)));
    }
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn the_report_says_which_name_leads_where() {
    let ground = Ground::new();
    let args = [
        "rmi",
        "app:1",
        "--platform",
        "arm64",
        "--rewrite-index",
        "--format",
        "json",
    ];
    let mut dry_args = args.to_vec();
    dry_args.push("--dry-run");
    let dry = object(&ground.place.succeeds(ground.dir(), &dry_args));
    let real = ground.place.succeeds(ground.dir(), &args);
    let report = object(&real);
    assert_eq!(dry["rewritten"], report["rewritten"]);
    let expected =
        json!([{"name": "app:1", "from": digest(&ground.app), "to": ground.targets()[0]}]);
    assert_eq!(report["rewritten"], expected);
    assert_eq!(dry["deleted"], report["deleted"]);
    assert_eq!(dry["freed_bytes"], report["freed_bytes"]);
}

#[test]
fn signatures_of_the_old_index_do_not_cover_the_new_one_and_that_is_said() {
    let ground = Ground::new();
    let done = ground.rewrites("linux/arm64");
    assert_mentions(&done, "warning: app:1 has a new index");
    assert_mentions(&done, digest(&ground.app));
    assert!(!done.err.contains("sparse"), "{done}");
}

#[test]
fn the_new_index_is_the_old_text_without_the_elements() {
    // Unknown members, their order, numbers nobody writes so, escapes, and white space of every kind.
    let place = Place::new();
    let layout = place.layout("layout");
    let [amd64, arm64, s390x] = ["amd64", "arm64", "s390x"]
        .map(|arch| layout.image_for(&format!("linux/{arch}"), arch, &[arch]));
    let attestation = layout.attestation(&arm64, "about arm64");
    let element = |of: &Value, platform: &str| {
        format!(
            "{{ \"size\": {}, \"x-odd\": [1.50, null ,\t{{\"a\":\"\\u00e9/\\/\"}}],\r\n  \"digest\" : \"{}\", \
             \"mediaType\":\"{}\" , \"platform\":{{\"os\":\"linux\",\"architecture\":\"{platform}\"}} }}",
            of["size"],
            digest(of),
            of["mediaType"].as_str().unwrap_or_default()
        )
    };
    let attested = format!(
        "{{\"mediaType\":\"{}\",\"digest\":\"{}\",\"size\":{},\"annotations\":{}}}",
        attestation["mediaType"].as_str().unwrap_or_default(),
        digest(&attestation),
        attestation["size"],
        attestation["annotations"]
    );
    let text = |elements: &[&str]| {
        format!(
            "\n{{ \"x-first\" : {{\"b\":1,\"a\":2}},\n\t\"manifests\" :\n[ {} ],\n \"schemaVersion\": 2, \
             \"mediaType\":\"{INDEX}\",\"annotations\":{{\"z\":\"1\",\"a\":\"\\u003c\"}} }}\n\n",
            elements.join(" ,\n\t")
        )
    };
    let elements = [
        element(&amd64, "amd64"),
        element(&arm64, "arm64"),
        element(&s390x, "s390x"),
    ];
    let [one, two, three] = elements.each_ref().map(String::as_str);
    for (platform, left) in [
        ("linux/arm64", vec![one, three]),
        ("linux/s390x", vec![one, two, &attested]),
        ("linux/arm64,linux/s390x", vec![one]),
    ] {
        let old = layout.blob(INDEX, text(&[one, two, &attested, three]));
        let mut copy = place.layout(&format!("copy {}", platform.replace('/', "-")));
        for digest in blobs(&layout.dir) {
            fs::copy(
                blob_path(&layout.dir, &digest),
                blob_path(&copy.dir, &digest),
            )
            .expect("a blob of the layout");
        }
        copy.tagged(&old, "app").finish();
        let args = ["rmi", "app", "--platform", platform, "--rewrite-index"];
        place.dry_and_real(&copy.dir, &args, 0);
        let new = &index(&copy.dir).rows[0].digest;
        let written = fs::read_to_string(blob_path(&copy.dir, new)).expect("a text");
        assert_eq!(written, text(&left), "{platform}");
    }
}

#[test]
fn the_first_and_the_last_element_go_without_a_trace() {
    for (platform, at) in [("linux/amd64", 0), ("linux/arm/v7", 2)] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let platforms = PLATFORMS.map(|platform| layout.image_for(platform, platform, &[platform]));
        let [a, b, c] = &platforms;
        let app = layout.index(&[a, b, c]);
        layout.tagged(&app, "app").finish();
        let args = ["rmi", "app", "--platform", platform, "--rewrite-index"];
        place.dry_and_real(&layout.dir, &args, 0);
        let mut left: Vec<&Value> = platforms.iter().collect();
        left.remove(at);
        // The same document as if it had been made so.
        assert_eq!(
            index(&layout.dir).rows[0].digest,
            digest(&layout.index(&left))
        );
        assert_swept(&place, &layout.dir);
    }
}

#[test]
fn several_platforms_go_at_once_and_one_new_index_is_made() {
    let ground = Ground::named(&["docker.io/library/app:1"]);
    ground.rewrites("linux/arm64,linux/arm/v7");
    let expected = [&ground.platforms[0], &ground.attestations[0]].map(|d| digest(d).to_owned());
    assert_eq!(listed(ground.dir(), &ground.targets()[0]), expected);
    let indexes = blobs(ground.dir())
        .into_iter()
        .filter(|digest| {
            let bytes = fs::read(blob_path(ground.dir(), digest)).expect("a blob of the layout");
            serde_json::from_slice::<Value>(&bytes)
                .is_ok_and(|document| document["manifests"].is_array())
        })
        .count();
    assert_eq!(indexes, 1);
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn one_after_the_other_comes_to_the_same_as_all_at_once() {
    let at_once = Ground::named(&["docker.io/library/app:1"]);
    at_once.rewrites("linux/arm64,linux/arm/v7");
    let one_by_one = Ground::named(&["docker.io/library/app:1"]);
    one_by_one.rewrites("linux/arm/v7");
    one_by_one.rewrites("linux/arm64");
    assert_eq!(at_once.targets(), one_by_one.targets());
    assert_eq!(blobs(at_once.dir()), blobs(one_by_one.dir()));
}

#[test]
fn with_the_last_platform_the_name_goes_and_with_the_last_name_the_image() {
    let all = PLATFORMS.join(",");
    let ground = Ground::new();
    let done = ground.rewrites(&all);
    assert_eq!(done.said(false).untagged, ["app:1"]);
    assert!(done.said(false).deleted.is_empty(), "{done}");
    assert_eq!(names(ground.dir()), ["docker.io/library/app:2"]);
    assert_eq!(ground.targets(), [digest(&ground.app)]);
    assert_swept(&ground.place, ground.dir());

    let ground = Ground::named(&["docker.io/library/app:1"]);
    let done = ground.rewrites(&all);
    assert_eq!(done.said(false).untagged, ["app:1"]);
    assert!(
        done.said(false)
            .deleted
            .contains(&digest(&ground.app).to_owned())
    );
    assert!(names(ground.dir()).is_empty());
    assert!(blobs(ground.dir()).is_empty());
}

#[test]
fn an_image_that_is_no_index_goes_with_its_platform() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    layout.tagged(&image, "app").finish();
    let args = ["rmi", "app", "--platform", "linux/amd64", "--rewrite-index"];
    let done = place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(done.said(false).untagged, ["app"]);
    assert!(blobs(&layout.dir).is_empty());
}

#[test]
fn by_id_it_is_refused_when_the_image_has_several_names() {
    let ground = Ground::new();
    for given in [digest(&ground.app), id(&ground.app)] {
        for force in [&[][..], &["--force"]] {
            let mut args = vec!["rmi", given, "--platform", "linux/arm64", "--rewrite-index"];
            args.extend(force);
            let refused = ground.place.refuses(ground.dir(), &args, 1);
            assert_mentions(&refused, "app:1");
            assert_mentions(&refused, "app:2");
        }
    }
}

#[test]
fn by_id_the_only_name_gets_the_new_index() {
    let ground = Ground::named(&["docker.io/library/app:1"]);
    let args = [
        "rmi",
        id(&ground.app),
        "--platform",
        "linux/arm64",
        "--rewrite-index",
    ];
    ground.place.dry_and_real(ground.dir(), &args, 0);
    assert_ne!(ground.targets(), [digest(&ground.app)]);
    assert_eq!(names(ground.dir()), ["docker.io/library/app:1"]);
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn no_force_is_needed_although_other_names_have_the_platform() {
    let ground = Ground::new();
    let args = ["rmi", "app:1", "--platform", "linux/arm64"];
    let refused = ground.place.refuses(ground.dir(), &args, 1);
    assert_mentions(&refused, "app:2");
    ground.rewrites("linux/arm64");
}

#[test]
fn a_platform_that_is_not_there_is_not_found_and_the_others_are_done() {
    let ground = Ground::named(&["docker.io/library/app:1"]);
    let args = [
        "rmi",
        "app:1",
        "--platform",
        "linux/s390x",
        "--rewrite-index",
    ];
    let refused = ground.place.refuses(ground.dir(), &args, 1);
    assert_mentions(&refused, "linux/s390x");
    let args = [
        "rmi",
        "app:1",
        "--platform",
        "linux/s390x,linux/arm64",
        "--rewrite-index",
    ];
    let done = ground.place.dry_and_real(ground.dir(), &args, 1);
    assert_mentions(&done, "linux/s390x");
    assert!(!blobs(ground.dir()).contains(digest(&ground.platforms[1])));
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn rewriting_needs_a_platform() {
    let ground = Ground::new();
    let refused = ground
        .place
        .refuses(ground.dir(), &["rmi", "app:1", "--rewrite-index"], 2);
    assert_mentions(&refused, "--platform");
}

#[test]
fn a_platform_that_another_image_needs_stays_in_the_layout() {
    let mut ground = Ground::named(&["docker.io/library/app:1"]);
    let arm64 = ground.platforms[1].clone();
    ground
        .layout
        .named(&arm64, "docker.io/library/arm:1")
        .finish();
    ground.rewrites("linux/arm64");
    assert!(!listed(ground.dir(), &ground.targets()[0]).contains(&digest(&arm64).to_owned()));
    assert!(blobs(ground.dir()).contains(digest(&arm64)));
    assert_eq!(ground.targets()[1], digest(&arm64));
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn of_a_nested_index_each_level_is_made_anew_and_the_rest_is_shared() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let platforms =
        PLATFORMS.map(|platform| layout.image_for(platform, platform, &["base", platform]));
    let [amd64, arm64, arm] = &platforms;
    let inner = layout.index(&[amd64, arm64]);
    let untouched = layout.index(&[arm]);
    let outer = layout.index(&[&inner, &untouched]);
    layout
        .tagged(&outer, "outer")
        .tagged(&inner, "inner")
        .finish();
    let args = [
        "rmi",
        "outer",
        "--platform",
        "linux/arm64",
        "--rewrite-index",
    ];
    place.dry_and_real(&layout.dir, &args, 0);
    let new_inner = layout.index(&[amd64]);
    let new_outer = layout.index(&[&new_inner, &untouched]);
    assert_eq!(targets(&layout.dir), [digest(&new_outer), digest(&inner)]);
    let present = blobs(&layout.dir);
    assert!(
        !present.contains(digest(&outer)),
        "nothing needs the old outer index"
    );
    assert!(
        present.contains(digest(arm64)),
        "another name needs the platform"
    );
    assert_swept(&place, &layout.dir);
}

#[test]
fn an_inner_index_whose_last_platform_goes_leaves_no_empty_index_that_misses_anything() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let [amd64, arm64] = ["linux/amd64", "linux/arm64"]
        .map(|platform| layout.image_for(platform, platform, &[platform]));
    let inner = layout.index(&[&arm64]);
    let outer = layout.index(&[&amd64, &inner]);
    layout.tagged(&outer, "outer").finish();
    let args = [
        "rmi",
        "outer",
        "--platform",
        "linux/arm64",
        "--rewrite-index",
    ];
    place.dry_and_real(&layout.dir, &args, 0);
    let present = blobs(&layout.dir);
    assert!(!present.contains(digest(&arm64)) && !present.contains(digest(&inner)));
    assert!(present.contains(digest(&amd64)));
    assert_swept(&place, &layout.dir);
}

#[test]
fn signatures_of_the_old_index_go_with_it_and_stay_with_it() {
    for (rows, stays) in [
        (&["docker.io/library/app:1"][..], false),
        (
            &["docker.io/library/app:1", "docker.io/library/app:2"],
            true,
        ),
    ] {
        let mut ground = Ground::named(rows);
        let app = ground.app.clone();
        let by_subject = ground.layout.referrer(&app, "signature of the index");
        let by_tag = ground.layout.image("cosign signature");
        let tag = format!("{}.sig", digest(&app).replace(':', "-"));
        ground
            .layout
            .unnamed(&by_subject)
            .tagged(&by_tag, &tag)
            .finish();
        let done = ground.rewrites("linux/arm64");
        let present = blobs(ground.dir());
        for signature in [&by_subject, &by_tag] {
            assert_eq!(present.contains(digest(signature)), stays, "{done}");
            assert_eq!(
                ground.targets().contains(&digest(signature).to_owned()),
                stays
            );
        }
        assert_mentions(&done, "signatures of the old one");
        assert_swept(&ground.place, ground.dir());
    }
}

#[test]
fn signatures_of_a_platform_that_stays_stay() {
    let mut ground = Ground::named(&["docker.io/library/app:1"]);
    let amd64 = ground.platforms[0].clone();
    let signature = ground.layout.referrer(&amd64, "signature of amd64");
    ground.layout.unnamed(&signature).finish();
    ground.rewrites("linux/arm64");
    assert!(blobs(ground.dir()).contains(digest(&signature)));
    assert!(ground.targets().contains(&digest(&signature).to_owned()));
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn rows_of_the_removed_manifests_go_and_those_of_the_others_stay() {
    // oras and zot list each manifest of an index in a row of its own.
    let mut ground = Ground::named(&["docker.io/library/app:1"]);
    let platforms = ground.platforms.clone();
    for platform in &platforms {
        ground.layout.unnamed(platform);
    }
    ground.layout.finish();
    ground.rewrites("linux/arm64");
    let rows = ground.targets();
    assert_eq!(rows[1..], [digest(&platforms[0]), digest(&platforms[2])]);
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn the_same_platform_can_go_from_each_name_by_itself() {
    let ground = Ground::new();
    ground.rewrites("linux/arm64");
    let args = [
        "rmi",
        "app:2",
        "--platform",
        "linux/arm64",
        "--rewrite-index",
    ];
    ground.place.dry_and_real(ground.dir(), &args, 0);
    let targets = ground.targets();
    assert_eq!(
        targets[0], targets[1],
        "the same index without the same platform"
    );
    let present = blobs(ground.dir());
    assert!(!present.contains(digest(&ground.platforms[1])));
    assert!(!present.contains(digest(&ground.app)));
    assert_swept(&ground.place, ground.dir());
}

#[test]
fn an_index_that_lies_there_already_is_used_as_it_is() {
    let mut ground = Ground::named(&["docker.io/library/app:1"]);
    let left: Vec<Value> = [0, 2].map(|at| ground.platforms[at].clone()).to_vec();
    let attested: Vec<Value> = [0, 2].map(|at| ground.attestations[at].clone()).to_vec();
    let all: Vec<&Value> = left.iter().chain(&attested).collect();
    let there = ground.layout.index(&all);
    ground.layout.tagged(&there, "there").finish();
    ground.rewrites("linux/arm64");
    assert_eq!(ground.targets(), [digest(&there), digest(&there)]);
    assert_swept(&ground.place, ground.dir());
}

/// Its file must not be taken for unreferenced because all goes that led to it before.
#[test]
fn an_index_that_only_the_removed_platform_led_to_stays_when_it_is_the_new_one() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let stays = layout.image("stays");
    let there = layout.index(&[&stays]);
    let goes = layout.image_of("linux/arm64", json!({}), vec![there.clone()]);
    let app = layout.index(&[&stays, &goes]);
    layout.tagged(&app, "app").finish();
    let args = ["rmi", "app", "--platform", "linux/arm64", "--rewrite-index"];
    let finished = place.dry_and_real(&layout.dir, &args, 0);
    let deleted = format!("Deleted: {}", digest(&there));
    assert!(!finished.out.contains(&deleted), "{finished}");
    assert_eq!(targets(&layout.dir), [digest(&there)]);
    assert!(blobs(&layout.dir).contains(digest(&there)));
    assert_swept(&place, &layout.dir);
}

/// Its text cannot be edited without losing what is no text.
#[test]
fn an_index_with_bytes_that_are_no_text_is_left_alone_and_named() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let images = [layout.image("a"), layout.image_for("linux/arm64", "b", &[])];
    let index = layout.index(&[&images[0], &images[1]]);
    let mut bytes = layout.read(&index).to_string().into_bytes();
    bytes.pop();
    bytes.extend(b",\"x\":\"\xff\"}");
    let index = layout.blob(index["mediaType"].as_str().unwrap(), bytes);
    layout.tagged(&index, "app").finish();
    let args = ["rmi", "app", "--platform", "linux/arm64", "--rewrite-index"];
    let finished = place.refuses(&layout.dir, &args, 1);
    let said = format!(
        "ocirm: cannot make a new index: the index {} is no Unicode text",
        digest(&index)
    );
    assert_mentions(&finished, &said);
}

#[test]
fn a_full_docker_archive_beside_the_layout_stays_right() {
    let place = Place::new();
    let layout = place.fixture("containerd16-ctr-export", "layout");
    let name = "127.0.0.1:5000/multi:1";
    let archive = |layout: &Path| -> Vec<Value> {
        let bytes = fs::read(layout.join("manifest.json")).expect("a docker archive");
        serde_json::from_slice(&bytes).expect("a list of images")
    };
    let before = archive(&layout);
    let args = ["rmi", name, "--platform", "linux/arm64", "--rewrite-index"];
    place.dry_and_real(&layout, &args, 0);
    assert!(names(&layout).contains(&name.to_owned()));
    // Whatever manifest.json still says is there.
    let present = blobs(&layout);
    let after = archive(&layout);
    assert_eq!(
        after.len(),
        before.len(),
        "no image of the archive was asked to go"
    );
    for image in &after {
        let layers = image["Layers"].as_array().cloned().unwrap_or_default();
        let files = layers
            .iter()
            .chain([&image["Config"]])
            .filter_map(Value::as_str);
        for file in files {
            let digest = file.replacen("blobs/sha256/", "sha256:", 1);
            assert!(
                present.contains(&digest),
                "{file} is gone, and manifest.json needs it"
            );
        }
    }
    let other_rows: Vec<&Value> = after
        .iter()
        .filter(|image| image["RepoTags"] != json!([name]))
        .collect();
    let other_before: Vec<&Value> = before
        .iter()
        .filter(|image| image["RepoTags"] != json!([name]))
        .collect();
    assert_eq!(other_rows, other_before);
    assert_swept(&place, &layout);
}

#[test]
fn a_layout_that_buildkit_wrote_is_whole_without_a_platform() {
    let place = Place::new();
    let layout = place.fixture("buildkit-multi-provenance", "layout");
    let args = [
        "rmi",
        "app:1.0",
        "--platform",
        "linux/arm64",
        "--rewrite-index",
    ];
    let done = place.dry_and_real(&layout, &args, 0);
    let new = index(&layout).rows[0].digest.clone();
    assert_eq!(
        new,
        "sha256:34b29e2f123d1d1b0b37465cd0ec47596ec02a2ad54e6c0674f086c26c84cb27"
    );
    assert_eq!(done.said(false).deleted.len(), 3, "{done}");
    assert_swept(&place, &layout);
}

/// A platform that is asked for twice is asked for once, however it is spelled.
#[test]
fn a_platform_that_is_asked_for_twice_goes_once() {
    for more in [&[][..], &["--rewrite-index"]] {
        let place = Place::new();
        let layout = place.fixture("buildkit-multi-provenance", "layout");
        let once = place.fixture("buildkit-multi-provenance", "once");
        let platforms = "linux/arm64,linux/arm64/v8,linux/arm64";
        let args = ["rmi", "app:1.0", "--platform", platforms];
        let done = place.dry_and_real(&layout, &[&args[..], more].concat(), 0);
        let args = ["rmi", "app:1.0", "--platform", "linux/arm64"];
        let same = place.dry_and_real(&once, &[&args[..], more].concat(), 0);
        assert_eq!(done.out, same.out);
        assert_eq!(done.err, same.err);
    }
}

#[test]
fn skopeo_copies_all_of_a_rewritten_image_and_not_of_a_sparse_one() {
    if !SKOPEO.is_here() {
        return;
    }
    for (rewrite, whole) in [(&[][..], false), (&["--rewrite-index"], true)] {
        let place = Place::new();
        let layout = place.fixture("skopeo19-multi-all", "layout");
        let mut args = vec!["rmi", "m1", "--platform", "linux/arm64"];
        args.extend(rewrite);
        place.dry_and_real(&layout, &args, 0);
        let copy = place.path("copy");
        let args = [
            "copy",
            "--quiet",
            "--all",
            &oci(&layout, "m1"),
            &oci(&copy, "m1"),
        ];
        let copied = SKOPEO.output(args).status.success();
        assert_eq!(copied, whole, "{rewrite:?}");
        if whole {
            let of = |layout: &Path| -> BTreeSet<String> {
                let target = index(layout).rows[0].digest.clone();
                listed(layout, &target)
                    .into_iter()
                    .chain([target])
                    .collect()
            };
            assert_eq!(of(&layout), of(&copy));
        }
    }
}
