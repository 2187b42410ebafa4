//! `ls --tree`: what belongs to each image, on layouts that other tools wrote.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::contents::{arg, digest, id, texts};
use crate::support::place::{Place, assert_mentions, object, objects};

/// A layout of the fixtures; what `ls` is to show of it; and how.
struct Shown {
    fixture: &'static str,
    name: &'static str,
    tree: &'static str,
}

const SHOWN: [Shown; 9] = [
    // Each attestation stands below the platform that it is about, and not beside it.
    Shown {
        fixture: "buildkit-multi-provenance",
        name: "app:1.0",
        tree: "\
app:1.0             ed130b9461c7   20.9kB
├─ linux/amd64      7756bfd5df08   1.72kB
│  └─ attestation   a658e5f2f63c    4.5kB
│     ├─ config     44136fa355b3       2B
│     └─ layer      1416a90ff237   3.66kB
├─ linux/arm64      594873d249f9   1.73kB
│  └─ attestation   2956f3ac22eb    4.5kB
│     ├─ config     44136fa355b3       2B
│     └─ layer      9c87f63cbe42   3.66kB
└─ linux/arm/v7     4311c195467c   1.73kB
   └─ attestation   8820fac701f9    4.5kB
      ├─ config     44136fa355b3       2B
      └─ layer      a8752363dbfd   3.66kB
",
    },
    // Names of the layout that lead to a part of the image stand beside that part.
    Shown {
        fixture: "oras-index-create",
        name: "top",
        tree: "\
top                     7b0507eac498   9.71kB
├─ index = both         09ac7986ce2a   4.56kB
│  ├─ linux/amd64 = a   b09675af198f   1.89kB
│  └─ linux/amd64 = b   34ded0d9eab5   2.44kB
└─ index = m            7bb1dbfc849b   4.76kB
   ├─ linux/arm/v7      0c212fb106eb   1.36kB
   ├─ linux/amd64       b2abb9d81fad   1.35kB
   └─ linux/arm64       73ce9b12bd1b   1.35kB
",
    },
    Shown {
        fixture: "oras-index-create",
        name: "both",
        tree: "\
both                 09ac7986ce2a   4.56kB
├─ linux/amd64 = a   b09675af198f   1.89kB
└─ linux/amd64 = b   34ded0d9eab5   2.44kB
",
    },
    // An image for one platform has nothing below it that is worth a line.
    Shown {
        fixture: "oras-index-create",
        name: "a",
        tree: "a   b09675af198f   1.89kB\n",
    },
    Shown {
        fixture: "oras-push-attach",
        name: "v1.0",
        tree: "\
v1.0              889c3dbacdd4   751B
├─ config         44136fa355b3     2B
├─ layer          5891b5b522d5     6B
├─ layer          015abd7f5cc5     7B
├─ referrer       8ed4287432eb   917B
│  ├─ config      44136fa355b3     2B
│  ├─ layer       d4f269605ffe    26B
│  └─ referrer    d89838b457d4   722B
│     ├─ config   44136fa355b3     2B
│     └─ layer    5891b5b522d5     6B
└─ referrer       265230f1625c   880B
   ├─ config      44136fa355b3     2B
   └─ layer       0a017e570e0b     4B
",
    },
    Shown {
        fixture: "mixed-cosign-tags",
        name: "app",
        tree: "\
app                                                                                          7bb1dbfc849b   4.76kB
├─ linux/arm/v7                                                                              0c212fb106eb   1.36kB
├─ linux/amd64                                                                               b2abb9d81fad   1.35kB
├─ linux/arm64                                                                               73ce9b12bd1b   1.35kB
├─ referrer = sha256-7bb1dbfc849b60f3e23036d8a5fbf156c32f50f36bd97e925fb24ff032c83daa.sig    b9ef5b754c3f     735B
├─ referrer = sha256-7bb1dbfc849b60f3e23036d8a5fbf156c32f50f36bd97e925fb24ff032c83daa.att    7d11f5722870     724B
└─ referrer = sha256-7bb1dbfc849b60f3e23036d8a5fbf156c32f50f36bd97e925fb24ff032c83daa.sbom   e01e40c663d2     702B
",
    },
    Shown {
        fixture: "buildkit-cache-index",
        name: "latest",
        tree: "\
latest     aed4f924f796   3.24kB
├─ layer   a7c2ed3fb8be     101B
├─ layer   d7b14a9c4f85     101B
├─ layer   f7087d8216a8     103B
└─ blob    94a406b29bd6   1.39kB
",
    },
    Shown {
        fixture: "buildkit-cache-image-manifest",
        name: "latest",
        tree: "\
latest      b3bf31359a47   3.25kB
├─ config   94a406b29bd6   1.39kB
├─ layer    a7c2ed3fb8be     101B
├─ layer    d7b14a9c4f85     101B
└─ layer    f7087d8216a8     103B
",
    },
    Shown {
        fixture: "buildah128-manifest-push",
        name: "multi1",
        tree: "\
multi1            6ef479d0654a      706B
├─ linux/arm/v7   1f036a5eac85   missing
├─ linux/amd64    02863a7f2a59   missing
└─ linux/arm64    55f0ecf0ac94   missing
",
    },
];

fn unpacked(fixture: &str) -> (Place, PathBuf) {
    let place = Place::new();
    let layout = place.fixture(fixture, "layout");
    (place, layout)
}

#[test]
fn the_tree_of_an_image_shows_all_that_belongs_to_it() {
    for shown in &SHOWN {
        let (place, layout) = unpacked(shown.fixture);
        let finished = place.succeeds(&layout, &["ls", "--tree", shown.name]);
        assert_eq!(finished.out, shown.tree, "{}", shown.fixture);
        assert_eq!(finished.err, "", "{}", shown.fixture);
    }
}

#[test]
fn the_tree_has_no_colours_even_when_they_are_asked_for() {
    // They are for messages; the list is data.
    for shown in &SHOWN {
        let (place, layout) = unpacked(shown.fixture);
        let args = ["--color", "always", "ls", "--tree", shown.name];
        let finished = place.succeeds(&layout, &args);
        assert_eq!(finished.out, shown.tree, "{}", shown.fixture);
    }
}

/// A line of the tree for each branch of the JSON, as `ls --tree` would print it without its columns.
fn lines_of(branches: &Value, depth: usize, lines: &mut Vec<String>) {
    for branch in branches.as_array().map_or(&[][..], Vec::as_slice) {
        let mut words = vec!["  ".repeat(depth)];
        let role = branch["role"].as_str().unwrap_or_default();
        match branch["platform"].as_str() {
            Some(platform) if role == "platform" => words.push(platform.to_owned()),
            Some(platform) => words.push(format!("{role} {platform}")),
            None => words.push(role.to_owned()),
        }
        let names = texts(&branch["names"]);
        if !names.is_empty() {
            words.push(format!(" = {}", names.join(", ")));
        }
        words.push(format!(" {}", id(branch)));
        if branch["present"] != true {
            words.push(" missing".to_owned());
        }
        lines.push(words.concat());
        assert!(branch["size"].is_u64(), "{branch}");
        assert!(branch["children"].is_array(), "{branch}");
        lines_of(&branch["children"], depth + 1, lines);
    }
}

/// The same lines from the text.
fn lines_in(tree: &str) -> Vec<String> {
    tree.lines()
        .skip(1)
        .map(|line| {
            let start = line.find("─ ").expect("a branch") + "─ ".len();
            let depth = line[..start].chars().count() / 3 - 1;
            let columns: Vec<&str> = line[start..].split("   ").map(str::trim).collect();
            let columns: Vec<&&str> = columns.iter().filter(|column| !column.is_empty()).collect();
            let missing = if *columns[2] == "missing" {
                " missing"
            } else {
                ""
            };
            format!(
                "{}{} {}{missing}",
                "  ".repeat(depth),
                columns[0],
                columns[1]
            )
        })
        .collect()
}

#[test]
fn the_json_of_a_tree_has_the_same_branches_as_the_text() {
    for shown in &SHOWN {
        let (place, layout) = unpacked(shown.fixture);
        let args = ["ls", "--tree", "--format", "json", shown.name];
        let line = object(&place.succeeds(&layout, &args));
        assert_eq!(line["name"], shown.name);
        let mut lines = Vec::new();
        lines_of(&line["tree"], 0, &mut lines);
        assert_eq!(lines, lines_in(shown.tree), "{}", shown.fixture);
    }
}

#[test]
fn a_branch_of_the_json_has_these_members_and_no_others() {
    let (place, layout) = unpacked("buildkit-multi-provenance");
    let args = ["ls", "--tree", "--format", "json"];
    let line = object(&place.succeeds(&layout, &args));
    let tree = line["tree"].as_array().cloned().unwrap_or_default();
    assert_eq!(tree.len(), 3);
    let config = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let expected = json!({
        "role": "platform",
        "platform": "linux/arm64",
        "digest": "sha256:594873d249f9b125acd60ee570c0f40f6489cf9410896ca69e2cab6e05c54433",
        "present": true,
        "size": 1726,
        "names": [],
        "children": [{
            "role": "attestation",
            "digest": "sha256:2956f3ac22eb7b3a360499ef129abb4270235359b95cc10eca54be0224f9d896",
            "present": true,
            "size": 4498,
            "names": [],
            "children": [
                {"role": "config", "digest": config, "present": true, "size": 2, "names": [], "children": []},
                {
                    "role": "layer",
                    "digest": "sha256:9c87f63cbe425aa216b7d3c69f3445f3a72d7bc4e00996067928f6dabba02c24",
                    "present": true,
                    "size": 3660,
                    "names": [],
                    "children": [],
                },
            ],
        }],
    });
    assert_eq!(tree[1], expected);
}

#[test]
fn without_tree_the_json_has_no_tree() {
    let (place, layout) = unpacked("buildkit-multi-provenance");
    let line = object(&place.succeeds(&layout, &["ls", "--format", "json"]));
    assert!(line.get("tree").is_none(), "{line}");
}

#[test]
fn what_is_missing_has_no_size() {
    let (place, layout) = unpacked("buildah128-manifest-push");
    let line = object(&place.succeeds(&layout, &["ls", "--tree", "--format", "json"]));
    for branch in line["tree"].as_array().cloned().unwrap_or_default() {
        assert_eq!(
            (&branch["present"], &branch["size"]),
            (&json!(false), &json!(0))
        );
        assert_eq!(branch["role"], "platform");
    }
}

#[test]
fn a_removed_platform_is_missing_in_the_tree_and_its_attestation_too() {
    let (place, layout) = unpacked("buildkit-multi-provenance");
    place.succeeds(&layout, &["rmi", "app:1.0", "--platform", "linux/arm64"]);
    let finished = place.succeeds(&layout, &["ls", "--tree"]);
    let missing: Vec<&str> = finished
        .out
        .lines()
        .filter(|line| line.ends_with("missing"))
        .collect();
    assert_eq!(
        missing,
        [
            "├─ linux/arm64      594873d249f9   missing",
            "│  └─ attestation   2956f3ac22eb   missing",
        ],
        "{finished}"
    );
}

#[test]
fn whole_digests_are_shown_when_they_are_asked_for() {
    let (place, layout) = unpacked("oras-push-attach");
    let finished = place.succeeds(&layout, &["ls", "--tree", "--no-trunc", "v1.0"]);
    for line in finished.out.lines() {
        let column = line
            .split("   ")
            .map(str::trim)
            .find(|word| word.starts_with("sha256:"));
        assert_eq!(column.map(str::len), Some("sha256:".len() + 64), "{line}");
    }
    assert_eq!(finished.out.lines().count(), 13);
}

#[test]
fn every_name_of_an_image_has_the_whole_tree() {
    let (place, layout) = unpacked("oras-push-attach");
    let lines = objects(&place.succeeds(&layout, &["ls", "--tree", "--format", "json"]));
    let mut names: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["latest", "v1", "v1.0"]);
    assert!(lines.iter().all(|line| line["tree"] == lines[0]["tree"]));
}

#[test]
fn an_image_in_use_is_marked_in_the_tree() {
    let (place, layout) = unpacked("buildkit-multi-provenance");
    let list = json!([{"ID": "cafe", "Image": "app:1.0", "State": "running", "Status": "Up"}]);
    let list = place.file("list.json", list.to_string());
    let list = arg(&list);
    let finished = place.succeeds(&layout, &["ls", "--tree", "--containers", list]);
    let first = finished.out.lines().next().unwrap_or_default();
    assert!(first.starts_with("app:1.0 (in use)"), "{finished}");
}

#[test]
fn names_in_a_tree_cannot_command_a_terminal() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let child = layout.image("child");
    let index = layout.index(&[&child]);
    layout
        .tagged(&index, "a\u{1b}[31mred")
        .tagged(&child, "b\u{1b}]0;title\u{7}")
        .finish();
    let finished = place.succeeds(&layout.dir, &["ls", "--tree"]);
    assert!(
        finished.out.chars().all(|c| c == '\n' || !c.is_control()),
        "{finished}"
    );
    assert!(finished.out.contains(id(&child)));
}

#[test]
fn a_circle_of_referrers_ends() {
    // Digests cannot form a circle, but the tags of cosign can claim one.
    let place = Place::new();
    let mut layout = place.layout("layout");
    let [a, b] = ["a", "b"].map(|title| layout.image(title));
    for (target, subject) in [(&a, &b), (&b, &a)] {
        let tag = format!("{}.sig", digest(subject).replace(':', "-"));
        layout.tagged(target, &tag);
    }
    layout.tagged(&a, "app").finish();
    let finished = place.succeeds(&layout.dir, &["ls", "--tree", "--all"]);
    assert!(finished.out.lines().count() < 20, "{finished}");
}

#[test]
fn the_tree_does_not_go_with_other_forms_of_the_list() {
    let (place, layout) = unpacked("oras-push-attach");
    for other in [&["--quiet"][..], &["--digests"], &["--format", "{{.ID}}"]] {
        let mut args = vec!["ls", "--tree"];
        args.extend(other);
        let refused = place.refuses(&layout, &args, 2);
        assert_mentions(&refused, "--tree");
        assert_eq!(refused.out, "", "{refused}");
    }
}
