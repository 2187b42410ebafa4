//! `--containers`: what the lists of each tool protect, from `rmi` and from `prune`, and what `ls` says of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::contents::{self, arg, blobs, digest, id, names};
use crate::support::layout::Layout;
use crate::support::place::{
    PRUNE, PRUNE_ALL, Place, assert_mentions, assert_no_traces, assert_status, object, objects,
};

/// What a list of `fixtures/containers` says, in the words of its tool.
struct Format {
    file: &'static str,
    /// The row of the image `a…`, which a running container uses in all of them.
    web: &'static str,
    /// The row of the image `b…`.
    shop: &'static str,
    shop_runs: bool,
    /// The row of an image that is mounted into a container and not used otherwise.
    mounted: Option<&'static str>,
    /// Another row that a container uses by its name alone.
    by_name: Option<&'static str>,
}

const FORMATS: [Format; 8] = [
    Format {
        file: "docker-inspect.json",
        web: "docker.io/library/web:1",
        shop: "docker.io/library/shop:2",
        shop_runs: true,
        mounted: Some("docker.io/library/tools:1"),
        by_name: None,
    },
    Format {
        file: "docker-ps.jsonl",
        web: "docker.io/library/web:1",
        shop: "docker.io/library/shop:2",
        shop_runs: true,
        mounted: None,
        by_name: None,
    },
    Format {
        file: "podman-ps.json",
        web: "localhost/web:1",
        shop: "docker.io/library/shop:2",
        shop_runs: false,
        mounted: Some("localhost/tools:1"),
        by_name: None,
    },
    Format {
        file: "podman-inspect.json",
        web: "localhost/web:1",
        shop: "docker.io/library/shop:2",
        shop_runs: false,
        mounted: Some("localhost/tools:1"),
        by_name: None,
    },
    Format {
        file: "nerdctl-ps.jsonl",
        web: "docker.io/library/web:1",
        shop: "docker.io/library/shop:2",
        shop_runs: false,
        mounted: None,
        by_name: Some("registry.k8s.io/pause:3.10"),
    },
    Format {
        file: "nerdctl-inspect.json",
        web: "docker.io/library/web:1",
        shop: "docker.io/library/shop:2",
        shop_runs: false,
        mounted: None,
        by_name: None,
    },
    Format {
        file: "crictl-ps.json",
        web: "registry.example/web:1",
        shop: "registry.example/shop:2",
        shop_runs: false,
        mounted: None,
        by_name: None,
    },
    Format {
        file: "kubectl-pods.json",
        web: "registry.example/web:1",
        shop: "docker.io/library/shop:2",
        shop_runs: false,
        mounted: Some("registry.example/assets:3"),
        by_name: Some("registry.example/tools:1"),
    },
];

/// A layout with the images that a list speaks of, and `other:1`, which no list knows; and the list.
struct Ground {
    place: Place,
    layout: Layout,
    web: Value,
    shop: Value,
    mounted: Value,
    list: PathBuf,
}

impl Ground {
    fn of(format: &Format) -> Self {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let web_amd64 = layout.image_for("linux/amd64", "web amd64", &["base", "web amd64"]);
        let web_arm64 = layout.image_for("linux/arm64/v8", "web arm64", &["base", "web arm64"]);
        let web = layout.index(&[&web_amd64, &web_arm64]);
        let shop_amd64 = layout.image_for("linux/amd64", "shop", &["base", "shop"]);
        let shop = layout.index(&[&shop_amd64]);
        let tools_amd64 = layout.image_for("linux/amd64", "tools", &["tools"]);
        let tools = layout.index(&[&tools_amd64]);
        let assets = layout.image("assets");
        let other = layout.image("other");
        let is_pod = format.file.starts_with("kubectl");
        let mounted = if is_pod { &assets } else { &tools };
        let by_name = if is_pod { &tools } else { &assets };
        layout
            .named(&web, format.web)
            .named(&shop, format.shop)
            .named(&other, "docker.io/library/other:1");
        if let Some(name) = format.mounted {
            layout.named(mounted, name);
        }
        if let Some(name) = format.by_name {
            layout.named(by_name, name);
        }
        layout.finish();

        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/containers")
            .join(format.file);
        let mut list = fs::read_to_string(&fixture).expect("a fixture");
        for (byte, digest) in [
            ("a1", digest(&web)),
            ("a2", digest(&web_amd64)),
            ("a3", digest(&web_arm64)),
            ("a4", &layout.config_of(&web_amd64)),
            ("b1", digest(&shop)),
            ("b2", digest(&shop_amd64)),
            ("b4", &layout.config_of(&shop_amd64)),
            ("d1", digest(&tools)),
            ("d2", digest(&tools_amd64)),
            ("d4", &layout.config_of(&tools_amd64)),
            ("e1", digest(&assets)),
        ] {
            let hex = &digest["sha256:".len()..];
            // The longest first: each is the beginning of the one before.
            for digits in [64, 12, 8] {
                list = list
                    .replace(
                        &format!(":{}\"", byte.repeat(digits / 2)),
                        &format!(":{}\"", &hex[..digits]),
                    )
                    .replace(
                        &format!("\"{}\"", byte.repeat(digits / 2)),
                        &format!("\"{}\"", &hex[..digits]),
                    );
            }
        }
        let list = place.file(format.file, list);
        let mounted = mounted.clone();
        Ground {
            place,
            layout,
            web,
            shop,
            mounted,
            list,
        }
    }

    fn list(&self) -> &str {
        arg(&self.list)
    }

    fn names(&self) -> Vec<String> {
        names(&self.layout.dir)
    }
}

/// Docker Hub's part of a name is left out in what people read.
fn shown(name: &str) -> &str {
    crate::support::names::familiar(name)
}

#[test]
fn what_a_container_of_any_tool_uses_stays_with_prune_all_and_the_rest_goes() {
    for format in &FORMATS {
        let ground = Ground::of(format);
        let mut args = PRUNE_ALL.to_vec();
        args.extend(["--containers", ground.list()]);
        ground.place.dry_and_real(&ground.layout.dir, &args, 0);
        let mut kept = vec![format.web, format.shop];
        kept.extend(format.mounted);
        kept.extend(format.by_name);
        assert_eq!(ground.names(), kept, "{}", format.file);
        let again = ground.place.succeeds(&ground.layout.dir, &args);
        assert!(again.said(false).is_nothing(), "{again}");
    }
}

#[test]
fn prune_all_says_for_each_used_image_which_container_keeps_it() {
    for format in &FORMATS {
        let ground = Ground::of(format);
        let mut args = PRUNE_ALL.to_vec();
        args.extend(["--format", "json", "--containers", ground.list()]);
        let report = object(&ground.place.succeeds(&ground.layout.dir, &args));
        let kept = report["kept_images"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let web = kept.iter().find(|image| image["name"] == shown(format.web));
        let web = web.unwrap_or_else(|| panic!("{}: {report}", format.file));
        assert_eq!(web["digest"], digest(&ground.web), "{}", format.file);
        let reason = web["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("container"), "{}: {reason}", format.file);
    }
}

#[test]
fn a_running_container_of_any_tool_forbids_removing_its_image_by_id_even_with_force() {
    for format in &FORMATS {
        for force in [&[][..], &["--force"]] {
            let ground = Ground::of(format);
            for given in [
                digest(&ground.web),
                &digest(&ground.web)[7..],
                id(&ground.web),
            ] {
                let mut args = vec!["rmi", given, "--containers", ground.list()];
                args.extend(force);
                let refused = ground.place.refuses(&ground.layout.dir, &args, 1);
                assert_mentions(&refused, "cannot be forced");
                assert_mentions(&refused, "image is being used by running container c");
                assert_mentions(&refused, id(&ground.web));
                assert_eq!(refused.out, "", "{refused}");
            }
        }
    }
}

#[test]
fn a_stopped_container_of_any_tool_must_be_forced_by_id() {
    for format in FORMATS.iter().filter(|format| !format.shop_runs) {
        let ground = Ground::of(format);
        let layout = &ground.layout.dir;
        let args = ["rmi", digest(&ground.shop), "--containers", ground.list()];
        let refused = ground.place.refuses(layout, &args, 1);
        assert_mentions(&refused, "must be forced");
        assert_mentions(&refused, "image is being used by stopped container c");
        let args = [
            "rmi",
            "--force",
            digest(&ground.shop),
            "--containers",
            ground.list(),
        ];
        let done = ground.place.dry_and_real(layout, &args, 0);
        assert_eq!(done.said(false).untagged, [shown(format.shop)]);
        assert_eq!(done.said(false).deleted, [digest(&ground.shop)]);
        assert!(!ground.names().contains(&format.shop.to_owned()));
    }
}

#[test]
fn a_paused_container_counts_as_running() {
    for format in FORMATS.iter().filter(|format| format.shop_runs) {
        let ground = Ground::of(format);
        let args = [
            "rmi",
            "-f",
            digest(&ground.shop),
            "--containers",
            ground.list(),
        ];
        let refused = ground.place.refuses(&ground.layout.dir, &args, 1);
        assert_mentions(&refused, "cannot be forced");
    }
}

#[test]
fn the_last_name_of_a_used_image_must_be_forced_and_then_the_image_stays_dangling() {
    for format in &FORMATS {
        for (name, target) in [("web", format.web), ("shop", format.shop)] {
            let ground = Ground::of(format);
            let layout = &ground.layout.dir;
            let image = if name == "web" {
                &ground.web
            } else {
                &ground.shop
            };
            let args = ["rmi", shown(target), "--containers", ground.list()];
            let refused = ground.place.refuses(layout, &args, 1);
            let message = format!(
                "conflict: unable to delete {} (must be forced)",
                shown(target)
            );
            assert_mentions(&refused, &message);
            assert_mentions(&refused, "is using its referenced image");
            assert_mentions(&refused, id(image));

            let before = blobs(layout);
            let args = [
                "rmi",
                "--force",
                shown(target),
                "--containers",
                ground.list(),
            ];
            let done = ground.place.dry_and_real(layout, &args, 0);
            assert_eq!(done.said(false).untagged, [shown(target)]);
            assert!(done.said(false).deleted.is_empty(), "{done}");
            assert_eq!(blobs(layout), before, "{done}");
            let index = contents::index(layout);
            let dangling = index.rows.iter().find(|row| row.digest == digest(image));
            assert!(
                dangling.is_some_and(|row| row.is_dangling()),
                "{}",
                format.file
            );
        }
    }
}

/// FR20: whether a container is made from an image or has it mounted makes no difference.
#[test]
fn an_image_mounted_into_a_container_counts_by_name_and_by_id() {
    for format in &FORMATS {
        let Some(name) = format.mounted else {
            continue;
        };
        let ground = Ground::of(format);
        let layout = &ground.layout.dir;
        let args = ["rmi", shown(name), "--containers", ground.list()];
        let refused = ground.place.refuses(layout, &args, 1);
        assert_mentions(&refused, "must be forced");
        assert_mentions(&refused, "is using its referenced image");
        let args = [
            "rmi",
            digest(&ground.mounted),
            "--containers",
            ground.list(),
        ];
        let refused = ground.place.refuses(layout, &args, 1);
        assert_mentions(&refused, "image is mounted into");
    }
}

#[test]
fn ls_says_of_each_image_how_many_containers_use_it() {
    for format in &FORMATS {
        let ground = Ground::of(format);
        let args = ["ls", "--format", "json", "--containers", ground.list()];
        let lines = objects(&ground.place.succeeds(&ground.layout.dir, &args));
        let count = |name: &str| {
            let line = lines.iter().find(|line| line["name"] == shown(name));
            line.and_then(|line| line["containers"].as_u64())
        };
        assert!(count(format.web) > Some(0), "{}: {lines:?}", format.file);
        assert!(count(format.shop) > Some(0), "{}: {lines:?}", format.file);
        assert_eq!(
            count("docker.io/library/other:1"),
            Some(0),
            "{}",
            format.file
        );
    }
}

#[test]
fn ls_marks_used_images_in_the_table_and_counts_them_in_templates() {
    let ground = Ground::of(&FORMATS[0]);
    let layout = &ground.layout.dir;
    let table = ground
        .place
        .succeeds(layout, &["ls", "--containers", ground.list()]);
    for line in table.out.lines() {
        let is_used = ["web:1", "shop:2", "tools:1"]
            .iter()
            .any(|name| line.starts_with(name));
        assert_eq!(line.contains("in use"), is_used, "{table}");
    }
    let template = [
        "ls",
        "--format",
        "{{.Name}} {{.Containers}}",
        "--containers",
        ground.list(),
    ];
    let lines = ground.place.succeeds(layout, &template).out;
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["other:1 0", "shop:2 1", "tools:1 1", "web:1 3"]);
}

#[test]
fn without_a_list_ls_knows_of_no_containers_and_does_not_say_zero() {
    let ground = Ground::of(&FORMATS[0]);
    let layout = &ground.layout.dir;
    let table = ground.place.succeeds(layout, &["ls"]);
    assert!(!table.out.contains("in use"), "{table}");
    let lines = objects(&ground.place.succeeds(layout, &["ls", "--format", "json"]));
    assert!(lines.iter().all(|line| line.get("containers").is_none()));
    let template = ground
        .place
        .succeeds(layout, &["ls", "--format", "{{.Containers}}"]);
    assert!(template.out.lines().all(|line| line == "N/A"), "{template}");
}

/// A container as `docker inspect` prints it: made from the image with this ID, asked for by this reference.
fn inspected(state: &str, image: &str, typed: &str) -> Value {
    json!({
        "Id": format!("{:0<64}", "cafe"),
        "State": {"Status": state, "Running": state == "running"},
        "Image": image,
        "Config": {"Image": typed},
    })
}

/// The digest of something that no layout of these tests has.
fn elsewhere() -> String {
    format!("sha256:{}", "0f".repeat(32))
}

/// `web:1` is an index for two platforms, and `other:1` an image that nothing uses.
struct Small {
    place: Place,
    layout: Layout,
    web: Value,
    amd64: Value,
    arm64: Value,
    other: Value,
}

impl Small {
    fn new() -> Self {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let amd64 = layout.image_for("linux/amd64", "amd64", &["base", "amd64"]);
        let arm64 = layout.image_for("linux/arm64", "arm64", &["base", "arm64"]);
        let web = layout.index(&[&amd64, &arm64]);
        let other = layout.image("other");
        layout
            .named(&web, "docker.io/library/web:1")
            .named(&other, "docker.io/library/other:1")
            .finish();
        Small {
            place,
            layout,
            web,
            amd64,
            arm64,
            other,
        }
    }

    fn list(&self, name: &str, containers: &Value) -> String {
        let path = self.place.file(name, containers.to_string());
        arg(&path).to_owned()
    }

    fn prune_all(&self, lists: &[&str]) -> Vec<String> {
        let mut args = PRUNE_ALL.to_vec();
        for list in lists {
            args.extend(["--containers", list]);
        }
        self.place.dry_and_real(&self.layout.dir, &args, 0);
        names(&self.layout.dir)
    }
}

#[test]
fn a_container_is_matched_by_any_digest_of_its_image_or_by_its_name() {
    let digests = |small: &Small| {
        let config = small.layout.config_of(&small.arm64);
        [
            ("the target", digest(&small.web).to_owned(), "gone:1"),
            ("a manifest", digest(&small.amd64).to_owned(), "gone:1"),
            (
                "another manifest",
                digest(&small.arm64).to_owned(),
                "gone:1",
            ),
            ("a config", config.clone(), "gone:1"),
            (
                "a config as podman has it",
                config["sha256:".len()..].to_owned(),
                "gone:1",
            ),
            ("the name", elsewhere(), "web:1"),
            ("the full name", elsewhere(), "docker.io/library/web:1"),
            ("a short ID", elsewhere(), "by short ID"),
        ]
    };
    for at in 0..digests(&Small::new()).len() {
        let small = Small::new();
        let (what, image, typed) = digests(&small)[at].clone();
        let typed = match typed {
            "by short ID" => &digest(&small.web)["sha256:".len()..][..10],
            typed => typed,
        };
        // The reference says an ID only where the tool says no image ID.
        let image = if what == "a short ID" {
            typed.to_owned()
        } else {
            image
        };
        let list = small.list("list.json", &json!([inspected("running", &image, typed)]));
        let layout = &small.layout.dir;
        let args = ["rmi", digest(&small.web), "--force", "--containers", &list];
        let refused = small.place.refuses(layout, &args, 1);
        assert_mentions(&refused, "running container cafe00000000");
        assert_eq!(
            small.prune_all(&[&list]),
            ["docker.io/library/web:1"],
            "{what}"
        );
    }
}

#[test]
fn a_container_of_another_image_protects_nothing() {
    let small = Small::new();
    let list = small.list(
        "list.json",
        &json!([inspected("running", &elsewhere(), "gone:1")]),
    );
    assert!(small.prune_all(&[&list]).is_empty());
}

#[test]
fn a_layer_that_a_used_image_shares_stays_and_its_other_user_goes() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let used = layout.image_for("linux/amd64", "used", &["base", "used"]);
    let unused = layout.image_for("linux/amd64", "unused", &["base", "unused"]);
    layout
        .tagged(&used, "used")
        .tagged(&unused, "unused")
        .finish();
    let list = json!([inspected("exited", digest(&used), "whatever:1")]).to_string();
    let list = place.file("list.json", list);
    let list = arg(&list);
    let mut args = PRUNE_ALL.to_vec();
    args.extend(["--containers", list]);
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(names(&layout.dir), ["used"]);
    assert_eq!(
        blobs(&layout.dir).len(),
        4,
        "a manifest, a config and two layers"
    );
}

#[test]
fn several_lists_count_together() {
    let small = Small::new();
    let web = small.list(
        "web.json",
        &json!([inspected("running", digest(&small.web), "x:1")]),
    );
    let other = small.list(
        "other.json",
        &json!([inspected("exited", digest(&small.other), "y:1")]),
    );
    let none = small.list("none.json", &json!([]));
    let kept = small.prune_all(&[&web, &none, &other]);
    assert_eq!(
        kept,
        ["docker.io/library/web:1", "docker.io/library/other:1"]
    );
}

#[test]
fn one_list_may_mix_what_several_tools_print() {
    let small = Small::new();
    let ps =
        json!({"ID": "beef", "Image": "other:1", "State": "running", "Status": "Up", "Mounts": ""});
    let text = format!(
        "{}\n{ps}\n",
        json!([inspected("running", digest(&small.web), "x:1")])
    );
    let list = small.place.file("mixed.json", text);
    let kept = small.prune_all(&[arg(&list)]);
    assert_eq!(
        kept,
        ["docker.io/library/web:1", "docker.io/library/other:1"]
    );
}

#[test]
fn a_list_comes_from_standard_input_as_well() {
    let small = Small::new();
    let list = json!([inspected("running", digest(&small.web), "x:1")]).to_string();
    let layout = &small.layout.dir;
    let before = small.place.tree();
    let args = ["rmi", digest(&small.web), "-f", "--containers", "-"];
    let refused = small.place.run_with_input(layout, &args, &list);
    assert_status(&refused, 1);
    assert_mentions(&refused, "running container");
    assert_no_traces(&before, &small.place.tree(), &refused);
    let mut args = PRUNE_ALL.to_vec();
    args.extend(["--containers", "-"]);
    assert_status(&small.place.run_with_input(layout, &args, &list), 0);
    assert_eq!(names(layout), ["docker.io/library/web:1"]);
}

#[test]
fn while_another_name_is_left_containers_do_not_matter_by_name() {
    let mut small = Small::new();
    let web = small.web.clone();
    small.layout.named(&web, "docker.io/library/web:2").finish();
    let list = small.list(
        "list.json",
        &json!([inspected("running", digest(&web), "web:1")]),
    );
    let args = ["rmi", "web:1", "--containers", &list];
    let done = small.place.dry_and_real(&small.layout.dir, &args, 0);
    assert_eq!(done.said(false).untagged, ["web:1"]);
    assert!(done.said(false).deleted.is_empty());
}

/// The same container, and what Docker 28 and newer say of the manifest that it runs.
fn on_platform(small: &Small, manifest: &Value, architecture: &str) -> Value {
    let mut container = inspected("running", digest(&small.web), "web:1");
    container["ImageManifestDescriptor"] = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(manifest),
        "size": manifest["size"],
        "platform": {"os": "linux", "architecture": architecture},
    });
    container
}

#[test]
fn a_container_protects_its_platform_by_name_and_no_other_platform() {
    let small = Small::new();
    let layout = &small.layout.dir;
    let list = small.list(
        "list.json",
        &json!([on_platform(&small, &small.amd64, "amd64")]),
    );
    let args = [
        "rmi",
        "web:1",
        "--platform",
        "linux/amd64",
        "--containers",
        &list,
    ];
    let refused = small.place.refuses(layout, &args, 1);
    assert_mentions(
        &refused,
        "conflict: unable to delete web:1 (must be forced)",
    );
    let args = [
        "rmi",
        "web:1",
        "--platform",
        "linux/arm64",
        "--containers",
        &list,
    ];
    let done = small.place.dry_and_real(layout, &args, 0);
    assert_eq!(done.said(false).deleted, [digest(&small.arm64)]);
    assert!(done.said(false).untagged.is_empty());
}

#[test]
fn a_container_of_an_unknown_platform_protects_every_platform() {
    let small = Small::new();
    let list = small.list(
        "list.json",
        &json!([inspected("exited", digest(&small.web), "web:1")]),
    );
    for platform in ["linux/amd64", "linux/arm64"] {
        let args = [
            "rmi",
            "web:1",
            "--platform",
            platform,
            "--containers",
            &list,
        ];
        let refused = small.place.refuses(&small.layout.dir, &args, 1);
        assert_mentions(&refused, "must be forced");
    }
}

#[test]
fn with_force_no_container_protects_a_platform() {
    let small = Small::new();
    let list = small.list(
        "list.json",
        &json!([on_platform(&small, &small.amd64, "amd64")]),
    );
    let args = [
        "rmi",
        "-f",
        "web:1",
        "--platform",
        "linux/amd64",
        "--containers",
        &list,
    ];
    let done = small.place.dry_and_real(&small.layout.dir, &args, 0);
    assert_eq!(done.said(false).deleted, [digest(&small.amd64)]);
    assert_eq!(names(&small.layout.dir)[0], "docker.io/library/web:1");
}

/// A layout whose rows all have one image, which a container uses by its ID.
fn pruned_with_names(rows: &[&str], filters: &[&str]) -> Vec<String> {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    for name in rows {
        layout.named(&image, name);
    }
    layout.finish();
    let list = json!([inspected("exited", digest(&image), &digest(&image)[7..19])]).to_string();
    let list = place.file("list.json", list);
    let mut args = PRUNE_ALL.to_vec();
    args.extend(["--containers", arg(&list)]);
    args.extend(filters);
    let done = place.dry_and_real(&layout.dir, &args, 0);
    assert!(done.said(false).deleted.is_empty(), "{done}");
    assert_eq!(blobs(&layout.dir).len(), 3, "{done}");
    names(&layout.dir)
}

#[test]
fn of_the_names_of_an_image_used_by_id_the_last_in_byte_order_stays() {
    let kept = pruned_with_names(
        &[
            "docker.io/library/web:9",
            "docker.io/library/web:10",
            "docker.io/library/a:1",
        ],
        &[],
    );
    assert_eq!(kept, ["docker.io/library/web:9"]);
    let kept = pruned_with_names(
        &["quay.io/web:1", "localhost:5000/web:1", "ghcr.io/web:1"],
        &[],
    );
    assert_eq!(kept, ["quay.io/web:1"]);
}

#[test]
fn a_name_that_the_filters_leave_is_name_enough_for_a_used_image() {
    let rows = ["docker.io/library/a:1", "docker.io/library/z:1"];
    let kept = pruned_with_names(&rows, &["--filter", "reference!=a"]);
    assert_eq!(kept, ["docker.io/library/a:1"]);
}

#[test]
fn a_used_dangling_image_stays() {
    let ground = || {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let named = layout.image("named");
        let dangling = layout.image("dangling");
        layout.named(&named, "docker.io/library/web:1");
        let name = format!("moby-dangling@{}", digest(&dangling));
        layout.row(&dangling, json!({"io.containerd.image.name": name}));
        layout.finish();
        let list = json!([inspected("exited", digest(&dangling), "web:1")]).to_string();
        let list = place.file("list.json", list);
        let list = arg(&list).to_owned();
        (place, layout, list)
    };
    for all in [&[][..], &["--all"]] {
        let (place, layout, list) = ground();
        let mut args = vec!["prune", "--force", "--grace", "0s", "--containers", &list];
        args.extend(all);
        let done = place.dry_and_real(&layout.dir, &args, 0);
        assert!(done.said(false).is_nothing(), "{done}");
        // Without the list it goes.
        let done = place.dry_and_real(&layout.dir, &["prune", "--force", "--grace", "0s"], 0);
        assert_eq!(done.said(false).deleted.len(), 1, "{done}");
    }
}

#[test]
fn the_name_that_a_container_was_started_with_stays_wherever_it_leads_now() {
    // The image that the container runs has lost this name to another one, and has one of its own.
    for typed in ["web:1", "web:1@", "docker.io/library/web:1"] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let [old, new] = ["old", "new"].map(|title| layout.image(title));
        layout
            .named(&new, "docker.io/library/web:1")
            .named(&new, "docker.io/library/web:2")
            .named(&old, "docker.io/library/old:1")
            .named(&old, "docker.io/library/old:2")
            .finish();
        let typed = match typed {
            "web:1@" => format!("web:1@{}", digest(&old)),
            typed => typed.to_owned(),
        };
        let list = json!([inspected("running", digest(&old), &typed)]).to_string();
        let list = place.file("list.json", list);
        let mut args = PRUNE_ALL.to_vec();
        args.extend(["--containers", arg(&list)]);
        place.dry_and_real(&layout.dir, &args, 0);
        let kept = names(&layout.dir);
        assert!(
            kept.contains(&"docker.io/library/web:1".to_owned()),
            "{typed}: {kept:?}"
        );
        assert!(
            !kept.contains(&"docker.io/library/web:2".to_owned()),
            "{typed}: {kept:?}"
        );
        // What runs is never left without a name, however it was started.
        assert!(
            kept.contains(&"docker.io/library/old:2".to_owned()),
            "{typed}: {kept:?}"
        );
    }
}

#[test]
fn a_list_that_cannot_be_understood_is_named_and_nothing_is_deleted() {
    let texts: [(&str, &str); 14] = [
        ("nothing", ""),
        ("white space", " \n\n"),
        ("a torn array", "["),
        ("a torn object", r#"[{"Id":"c1","Sta"#),
        ("an empty object", "{}"),
        ("an array with an empty object", "[{}]"),
        ("a number", "42"),
        ("null", "null"),
        ("an array of texts", r#"["web:1"]"#),
        (
            "another kind",
            r#"{"apiVersion":"apps/v1","kind":"Deployment","items":[]}"#,
        ),
        (
            "an image, not a container",
            r#"[{"Id":"sha256:00","RepoTags":["web:1"],"Architecture":"amd64"}]"#,
        ),
        (
            "a container without a state",
            r#"[{"Id":"c1","Image":"web:1"}]"#,
        ),
        ("an error message", "Error: cannot connect to the daemon\n"),
        (
            "one good container and one bad",
            r#"[{"Id":"c1","Image":"web:1","State":"running","Status":"Up"},{"Id":"c2"}]"#,
        ),
    ];
    for (what, text) in texts {
        let small = Small::new();
        let list = small.place.file("list-of-containers.json", text);
        let list = arg(&list);
        for command in [
            &["rmi", "other:1"][..],
            &["rmi", "-f", "other:1"],
            &PRUNE_ALL,
            &["prune", "--dry-run"],
            &["ls"],
        ] {
            let mut args = command.to_vec();
            args.extend(["--containers", list]);
            let refused = small.place.refuses(&small.layout.dir, &args, 1);
            assert_mentions(&refused, "list-of-containers.json");
            assert_eq!(refused.out, "", "{what}: {refused}");
        }
    }
}

#[test]
fn a_list_that_is_not_there_is_named_and_nothing_is_deleted() {
    let small = Small::new();
    let folder = small.place.path("folder");
    fs::create_dir(&folder).expect("an own directory");
    for name in ["no-such-list.json", "folder"] {
        let list = small.place.path(name);
        let list = arg(&list);
        for command in [&["rmi", "other:1"][..], &PRUNE_ALL, &["ls"]] {
            let mut args = command.to_vec();
            args.extend(["--containers", list]);
            let refused = small.place.refuses(&small.layout.dir, &args, 1);
            assert_mentions(&refused, name);
            assert_eq!(refused.out, "", "{refused}");
        }
    }
}

/// FR24: containers of another cluster, or names of another registry, keep nothing. That is no failure, and is said.
#[test]
fn lists_that_keep_nothing_in_any_layout_are_a_warning_of_prune_all() {
    let warning = "warning: --containers matches nothing; ";
    let unknown = format!("sha256:{}", "00".repeat(32));
    for (containers, says) in [
        (json!([]), "it lists no containers"),
        (
            json!([inspected("running", &unknown, "elsewhere:1")]),
            "the one container that it lists uses no image that is here",
        ),
        (
            json!([
                inspected("running", &unknown, "elsewhere:1"),
                inspected("exited", &unknown, "elsewhere:2")
            ]),
            "none of the 2 containers that it lists uses an image that is here",
        ),
    ] {
        let small = Small::new();
        let list = small.list("list.json", &containers);
        let said = |command: &[&str]| {
            let args = [command, &["--dry-run", "--containers", &list]].concat();
            small.place.succeeds(&small.layout.dir, &args).err
        };
        let expected = format!("{warning}{says}\n");
        assert_eq!(said(&PRUNE_ALL), expected);
        assert_eq!(said(&PRUNE), "");
        // Of several layouts, one of which has an image that is used.
        let used = Small::new();
        let run = |list: &str| {
            let layouts = [&small, &used].map(|small| arg(&small.layout.dir));
            let args = [
                &PRUNE_ALL[..],
                &layouts,
                &["--dry-run", "--containers", list],
            ]
            .concat();
            small.place.run(&args).err
        };
        assert_eq!(run(&list), expected);
        let own = json!([inspected("running", digest(&used.web), "x:1")]);
        let list = used.list("own.json", &own);
        assert_eq!(run(&list), "");
    }
}

#[test]
fn one_bad_list_among_good_ones_stops_everything() {
    let small = Small::new();
    let good = small.list("good.json", &json!([]));
    let bad = small.place.file("bad.json", "");
    let bad = arg(&bad);
    let mut args = PRUNE_ALL.to_vec();
    args.extend(["--containers", &good, "--containers", bad]);
    let refused = small.place.refuses(&small.layout.dir, &args, 1);
    assert_mentions(&refused, "bad.json");
}

#[test]
fn empty_standard_input_is_an_error_and_an_empty_list_is_none() {
    let small = Small::new();
    let layout = &small.layout.dir;
    let mut args = PRUNE_ALL.to_vec();
    args.extend(["--containers", "-"]);
    let before = small.place.tree();
    let refused = small.place.run_with_input(layout, &args, "");
    assert_status(&refused, 1);
    assert_no_traces(&before, &small.place.tree(), &refused);
    assert_status(&small.place.run_with_input(layout, &args, "[]"), 0);
    assert!(names(layout).is_empty());
}
