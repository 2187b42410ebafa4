//! `prune --policy` and `policy check`: what files say and do, those of registries' manuals among them, and how much of a
//! layout stays within a size.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use crate::support::contents::{arg, blob_path, blobs, digest, document, names};
use crate::support::layout::{CREATED, Layout};
use crate::support::names::familiar;
use crate::support::place::{PRUNE_ALL, Place, assert_mentions, object};
use crate::support::schema;

/// Where the policy files of the fixtures lie.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policies")
}

fn policy(name: &str) -> PathBuf {
    folder().join(format!("{name}.toml"))
}

/// The moment so many hours ago.
fn ago(hours: i64) -> String {
    let now = jiff::Timestamp::now();
    let then = now - jiff::SignedDuration::from_hours(hours);
    then.to_string()
}

/// Images with names, and how many days ago each was made.
fn aged(place: &Place, images: &[(&[&str], i64)]) -> Layout {
    let mut layout = place.layout("layout");
    for (names, days) in images {
        let image = layout.image(names[0]);
        let created = ago(days * 24 + 1);
        for name in *names {
            let path = match name.contains('/') {
                true => (*name).to_owned(),
                false => format!("library/{name}"),
            };
            layout.dated(&image, &format!("docker.io/{path}"), &created);
        }
    }
    layout.finish();
    layout
}

/// The names that are left after `prune --policy`.
#[track_caller]
fn left(place: &Place, layout: &Layout, policy: &Path, options: &[&str]) -> Vec<String> {
    let mut args = vec!["prune", "--force", "--grace", "0s", "--policy", arg(policy)];
    args.extend(options);
    place.dry_and_real(&layout.dir, &args, 0);
    let names = names(&layout.dir);
    let again = place.succeeds(&layout.dir, &args);
    assert!(again.said(false).is_nothing(), "{again}");
    names.iter().map(|name| familiar(name).to_owned()).collect()
}

// ---- what registries' manuals say

/// V13: Amazon says that the first of three images expires. The second stays, under the tag that the first rule keeps.
#[test]
fn the_example_of_ecr_with_several_rules_expires_the_same_image() {
    let place = Place::new();
    let layout = aged(
        &place,
        &[
            (&["acme/a:beta-1", "acme/a:prod-1"], 10),
            (&["acme/a:beta-2", "acme/a:prod-2"], 9),
            (&["acme/a:beta-3"], 8),
        ],
    );
    let images = layout.rows();
    let [a, b, c] = [&images[0], &images[2], &images[4]].map(|row| digest(row).to_owned());
    let left = left(&place, &layout, &policy("ecr-multiple-rules"), &[]);
    assert_eq!(left, ["acme/a:prod-2", "acme/a:beta-3"]);
    let blobs = blobs(&layout.dir);
    assert!(!blobs.contains(&a) && blobs.contains(&b) && blobs.contains(&c));
}

/// V7.
#[test]
fn the_example_of_ecr_by_age_expires_what_is_older_than_two_weeks() {
    let place = Place::new();
    let layout = aged(
        &place,
        &[
            (&["app:prod-1"], 15),
            (&["app:prod-2"], 13),
            (&["app:dev"], 90),
        ],
    );
    let left = left(&place, &layout, &policy("ecr-image-age"), &[]);
    assert_eq!(left, ["app:prod-2", "app:dev"]);
}

/// V13, V15: where a repository has any `keepTags`, zot removes all other tags of it.
#[test]
fn the_example_of_zot_keeps_what_its_patterns_say() {
    let place = Place::new();
    let mut images: Vec<(Vec<String>, i64)> = vec![
        (vec!["infra/db:v2.1".to_owned()], 400),
        (vec!["infra/db:v1.9".to_owned()], 1),
        (vec!["infra/db:7-prod".to_owned()], 300),
        (vec!["infra/db:rc-v2.3".to_owned()], 300),
        (vec!["tmp/a:v1.2".to_owned()], 3),
        (vec!["tmp/a:v1.1".to_owned()], 10),
        (vec!["tmp/a:v3".to_owned()], 1),
        (vec!["prod/web:latest".to_owned()], 1),
        (vec!["other/x:young".to_owned()], 20),
    ];
    for number in 0..12 {
        images.push((vec![format!("other/x:{number}")], 100 - number));
    }
    let images: Vec<(Vec<&str>, i64)> = images
        .iter()
        .map(|(names, days)| (names.iter().map(String::as_str).collect(), *days))
        .collect();
    let images: Vec<(&[&str], i64)> = images.iter().map(|(n, d)| (&n[..], *d)).collect();
    let layout = aged(&place, &images);
    let left = left(&place, &layout, &policy("zot-retention"), &[]);
    // The young one is among the newest ten.
    let mut expected = vec![
        "infra/db:v2.1",
        "infra/db:7-prod",
        "infra/db:rc-v2.3",
        "tmp/a:v1.2",
        "other/x:young",
    ];
    let newest: Vec<String> = (3..12).map(|number| format!("other/x:{number}")).collect();
    expected.extend(newest.iter().map(String::as_str));
    assert_eq!(left, expected);
}

/// V3: a signature that somebody gave a name takes no place of an image, and stays with what it is about, also where
/// room is scarce. Named in a rule of its own it goes.
#[test]
fn signatures_with_names_of_their_own_stay_with_what_they_are_about() {
    for (options, expected) in [
        (&["--keep-last", "1"][..], &["app:2", "app:sig-2"][..]),
        (
            &["--keep-last", "2"],
            &["app:1", "app:2", "app:sig-1", "app:sig-2"],
        ),
        (&["--keep-last", "1=1"], &["app:1", "app:sig-1"]),
        (&["--keep", "app:1"], &["app:1", "app:sig-1"]),
        (&["--max-size", "1"], &[]),
        (
            &["--max-size", "100kB"],
            &["app:1", "app:2", "app:sig-1", "app:sig-2"],
        ),
    ] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        for number in 1..=2 {
            let image = layout.image(&format!("image {number}"));
            let signature = layout.referrer(&image, &format!("signature {number}"));
            layout.dated(&image, &format!("app:{number}"), &ago(1000 - number));
            layout.dated(&signature, &format!("app:sig-{number}"), &ago(24));
        }
        layout.finish();
        let mut args = PRUNE_ALL.to_vec();
        args.extend(options);
        let status = i32::from(expected.is_empty());
        let finished = place.dry_and_real(&layout.dir, &args, status);
        let mut left = names(&layout.dir);
        left.sort();
        match expected.is_empty() {
            // FR24.
            true => assert_mentions(&finished, "not even the newest image fits"),
            false => assert_eq!(left, expected, "{options:?}"),
        }
        let policy = "[[rule]]\ntags = ['sig-*']\nremove = true\n[[rule]]\nkeep = true\n";
        let policy = place.file("policy.toml", policy);
        place.succeeds(
            &layout.dir,
            &[
                "prune",
                "--force",
                "--grace",
                "0s",
                "--policy",
                arg(&policy),
            ],
        );
        let left = names(&layout.dir);
        assert!(left.iter().all(|name| !name.contains("sig")), "{left:?}");
    }
}

/// V18: what goes with an image under a name of its own has a decision, too.
#[test]
fn names_that_go_with_an_image_are_decided() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for number in 1..=2 {
        let image = layout.image(&format!("image {number}"));
        let signature = layout.referrer(&image, &format!("signature {number}"));
        let tag = digest(&image).replace(':', "-");
        layout.dated(
            &image,
            &format!("docker.io/library/app:{number}"),
            &ago(1000 - number),
        );
        layout.named(&signature, &format!("docker.io/library/app:{tag}.sig"));
    }
    layout.finish();
    let args = [&PRUNE_ALL[..], &["--keep-last", "1", "--format", "json"]].concat();
    let finished = place.run_in(&layout.dir, &args);
    let report = object(&finished);
    let decisions = report["decisions"].as_array().expect("a list");
    let found: BTreeSet<(bool, &str, &str)> = decisions
        .iter()
        .map(|decided| {
            let name = decided["name"].as_str().expect("a name");
            let reason = decided["reason"].as_str().expect("a reason");
            (
                name.ends_with(".sig"),
                decided["decision"].as_str().expect("a word"),
                reason,
            )
        })
        .collect();
    let expected = [
        (false, "keep", "--keep-last 1 of app"),
        (false, "remove", "nothing keeps it"),
        (true, "keep", "what it belongs to stays"),
        (true, "remove", "it goes with what it belongs to"),
    ];
    assert_eq!(found, expected.into());
}

/// V6: 100 images in one repository and six in each of four others leave 34.
#[test]
fn the_example_of_harbor_leaves_ten_of_each_repository() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for (repository, count) in [("a", 100), ("b", 6), ("c", 6), ("d", 6), ("e", 6)] {
        for number in 0..count {
            let image = layout.image(&format!("{repository} {number}"));
            let name = format!("docker.io/lib/{repository}:{number}");
            layout.dated(&image, &name, &ago(1000 - number));
        }
    }
    layout.finish();
    let left = left(&place, &layout, &policy("harbor-ten-newest"), &[]);
    assert_eq!(left.len(), 34);
    let of_a: Vec<&String> = left
        .iter()
        .filter(|name| name.starts_with("lib/a:"))
        .collect();
    assert_eq!((of_a.len(), &**of_a[0]), (10, "lib/a:90"));
}

/// V4.
#[test]
fn rules_that_harbor_combines_with_or_are_keys_of_one_rule() {
    let place = Place::new();
    let layout = aged(
        &place,
        &[
            (&["app:latest", "app:1"], 90),
            (&["app:2"], 30),
            (&["app:3"], 20),
            (&["app:4"], 6),
        ],
    );
    let left = left(&place, &layout, &policy("harbor-combined"), &[]);
    assert_eq!(left, ["app:latest", "app:3", "app:4"]);
}

// ---- files

/// Every policy of the pages and fixtures.
fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        examples.push((path.display().to_string(), text));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in crate::examples::pages() {
        let text = fs::read_to_string(root.join(&page)).unwrap();
        let blocks = text.split("```toml\n").skip(1);
        for block in blocks {
            let block = block.split("```").next().unwrap();
            examples.push((page.display().to_string(), block.to_owned()));
        }
    }
    assert!(examples.len() >= 9, "{}", examples.len());
    examples
}

/// V12, V19: `policy check` understands each, and the schema for editors allows it.
#[test]
fn the_policies_of_the_pages_are_understood_and_fit_the_schema() {
    let place = Place::new();
    let schema = schema();
    for (page, text) in examples() {
        let file = place.file("example.toml", &text);
        let done = place.run(&["policy", "check", arg(&file)]);
        assert_eq!(done.code(), Some(0), "{page}: {done}");
        let value = as_json(&text);
        let wrong = schema.validate(&value);
        assert!(wrong.is_ok(), "{page}: {wrong:?}: {text}");
    }
}

/// V16: what the program refuses for its form, the schema does not allow either.
#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let place = Place::new();
    let schema = schema();
    for text in [
        "version = 2\nmax-size = 5",
        "version = 1",
        "max-size = 0",
        "max-size = \"lots\"",
        "max-size = \"20G\"",
        "rule = []",
        "[[rule]]\nkeep-lost = 3",
        "[[rule]]\nname = \"nothing\"",
        "[[rule]]\nkeep = false",
        "[[rule]]\nkeep = \"sometimes\"",
        "[[rule]]\nkeep-last = 0",
        "[[rule]]\nkeep-last = \"3\"",
        "[[rule]]\nkeep-last = 4294967296",
        "[[rule]]\nkeep-within = \"1y\"",
        "[[rule]]\nkeep-within = 3",
        "[[rule]]\nkeep-newest-per = \"patch\"",
        "[[rule]]\nremove = false",
        "[[rule]]\nremove = true\nkeep-last = 3",
        "[[rule]]\nnewest-by = \"version\"\nkeep-daily = 3",
        "[[rule]]\nkeep = true\nmax-size = 3",
        "[[rule]]\nkeep = true\ntags = []",
        "[[rule]]\nkeep = true\ntags = \"v*\"",
        "[[rule]]\nkeep = true\nrepositories = [\"\"]",
        "[[rules]]\nkeep = true",
    ] {
        let file = place.file("wrong.toml", text);
        let done = place.run(&["policy", "check", arg(&file)]);
        assert_eq!(done.code(), Some(2), "{text}: {done}");
        assert_mentions(&done, "wrong.toml");
        assert!(!schema.is_valid(&as_json(text)), "{text}");
    }
}

/// The schema of policy files, for editors.
fn schema() -> Validator {
    jsonschema::draft202012::new(&schema::schema("policy-file")).unwrap()
}

fn as_json(text: &str) -> Value {
    fn value(of: &DeValue<'_>) -> Value {
        match of {
            DeValue::String(text) => json!(text),
            DeValue::Integer(number) => json!(number.as_str().parse::<i64>().unwrap()),
            DeValue::Boolean(truth) => json!(truth),
            DeValue::Array(items) => items.iter().map(|item| value(item.get_ref())).collect(),
            DeValue::Table(members) => table(members),
            other => json!(other.type_str()),
        }
    }
    fn table(members: &DeTable<'_>) -> Value {
        let members = members.iter();
        let members = members.map(|(key, of)| (key.get_ref().to_string(), value(of.get_ref())));
        Value::Object(members.collect())
    }
    table(DeTable::parse(text).unwrap().get_ref())
}

/// V16: whatever is given for a file, it is said at once and nothing is changed.
#[test]
fn what_is_no_policy_file_is_refused_at_once() {
    let place = Place::new();
    let layout = aged(&place, &[(&["app:1"], 2), (&["app:2"], 1)]);
    let large = place.path("large.toml");
    let file = fs::File::create(&large).unwrap();
    file.set_len(100 << 20).unwrap();
    fs::create_dir(place.path("directory.toml")).unwrap();
    let deep = format!("x = {}", "[".repeat(100_000));
    let many = "[[rule]]\nkeep = true\n".repeat(20_000) + "[[rule]]\n";
    for (name, content) in [("deep.toml", deep), ("many.toml", many)] {
        place.file(name, content);
    }
    std::os::unix::fs::symlink(place.path("nowhere"), place.path("link.toml")).unwrap();
    for (name, word) in [
        ("large.toml", "more than 1 MiB"),
        ("directory.toml", "it is a directory"),
        ("link.toml", "cannot read the policy"),
        ("missing.toml", "cannot read the policy"),
        ("deep.toml", "deep.toml:1:"),
        ("many.toml", "many.toml:40001:1"),
    ] {
        let path = place.path(name);
        for args in [
            &["prune", "--force", "--policy", arg(&path)][..],
            &["policy", "check", arg(&path)],
        ] {
            let refused = place.refuses(&layout.dir, args, 2);
            assert_mentions(&refused, word);
            assert_eq!(refused.out, "", "{refused}");
        }
    }
    for device in ["/dev/null", "/dev/zero"] {
        let refused = place.refuses(&layout.dir, &["prune", "-f", "--policy", device], 2);
        assert_mentions(&refused, "no ordinary file");
    }
}

/// V1, V11, V17: options that mean nothing without others, or contradict each other.
#[test]
fn options_that_mean_nothing_are_refused() {
    let place = Place::new();
    let layout = aged(&place, &[(&["app:1"], 2), (&["app:2"], 1)]);
    let limited = place.file("limited.toml", "max-size = 500");
    for (options, word) in [
        (&["--keep-within", "1d"][..], "--all"),
        (&["--max-size", "1GB"], "--all"),
        (&["--keep-newest-per", "major"], "--all"),
        (&["--all", "--newest-by", "version"], "--keep-last"),
        (
            &["--all", "--newest-by", "version", "--keep-daily", "2"],
            "--keep-last",
        ),
        (&["--all", "--max-size", "0"], "--max-size"),
        (&["--all", "--max-size", "20G"], "20G"),
        (&["--all", "--max-size", "99999999999PB"], "out of range"),
        (&["--all", "--keep-within", "0s"], "above zero"),
        (
            &["--all", "--keep-within", "99999999999999999w"],
            "out of range",
        ),
        (&["--all", "--keep-weekly", "4294967296"], "4294967295"),
        (
            &["--policy", arg(&limited), "--max-size", "500"],
            "two limits",
        ),
    ] {
        let mut args = vec!["prune", "--force", "--grace", "0s"];
        args.extend(options);
        let refused = place.refuses(&layout.dir, &args, 2);
        assert_mentions(&refused, word);
    }
    // The longest that can be counted is no mistake.
    let args = [&PRUNE_ALL[..], &["--keep-within", "9000000000000000000s"]].concat();
    let done = place.succeeds(&layout.dir, &args);
    assert!(done.said(false).is_nothing(), "{done}");
}

/// V18: the JSON of several layouts, and names that command terminals.
#[test]
fn what_is_said_of_a_rule_is_escaped_like_everything_else() {
    let place = Place::new();
    let layout = aged(&place, &[(&["app:1"], 2), (&["app:2"], 1)]);
    let file = place.file(
        "policy\u{1b}[31m.toml",
        "[[rule]]\nname = \"red \\u001B[31m\\nKept: x\"\nkeep-last = 1\n",
    );
    let args = [
        "prune",
        "--force",
        "--grace",
        "0s",
        "--dry-run",
        "--policy",
        arg(&file),
    ];
    let done = place.succeeds(&layout.dir, &args);
    assert!(!done.err.contains('\u{1b}'), "{done}");
    assert!(
        !done.out.lines().any(|line| line.starts_with("Kept: x")),
        "{done}"
    );
    let done = place.run(&["policy", "check", arg(&file), arg(&layout.dir)]);
    assert!(
        !done.out.contains('\u{1b}') && !done.out.contains("\nKept"),
        "{done}"
    );
}

/// V19.
#[test]
fn policy_check_goes_on_where_a_layout_is_none() {
    let place = Place::new();
    let layout = aged(&place, &[(&["app:1"], 2)]);
    let file = policy("team");
    let args = ["policy", "check", arg(&file), "nowhere", arg(&layout.dir)];
    let done = place.run(&args);
    assert_eq!(done.code(), Some(12), "{done}");
    assert_mentions(&done, "nowhere");
    assert!(
        done.out.contains("No rule matches 1 name: app:1."),
        "{done}"
    );
}

// ---- sizes

/// An image of a made-up layout: its layers, by number, each of a size of its own.
type Layers = BTreeSet<usize>;

/// V11: as many of the newest stay as fit, and one more would not; sizes are those of files.
#[test]
fn exactly_as_many_images_stay_as_fit() {
    let images = prop::collection::vec(prop::collection::btree_set(0..6_usize, 1..4), 1..6);
    let input = (images, 0..40_u64, any::<bool>());
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(24)
    };
    let mut runner = TestRunner::new(config);
    let done = runner.run(&input, |(images, kilobytes, nameless)| {
        try_size(&images, kilobytes * 1000 + 700, nameless)
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}

fn try_size(images: &[Layers], limit: u64, nameless: bool) -> TestCaseResult {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let mut needs: Vec<BTreeSet<String>> = Vec::new();
    for (number, layers) in images.iter().enumerate() {
        let layers = layers.iter().map(|layer| {
            let content = format!("{layer}").repeat(1000 * (layer + 1));
            layout.blob("application/vnd.oci.image.layer.v1.tar", content)
        });
        let config =
            json!({"number": number, "created": format!("2024-01-{:02}T00:00:00Z", number + 1)});
        let image = layout.image_of("linux/amd64", config, layers.collect());
        let mut needed = BTreeSet::from([digest(&image).to_owned()]);
        let manifest = document(&layout.dir, digest(&image));
        needed.insert(digest(&manifest["config"]).to_owned());
        for layer in manifest["layers"].as_array().unwrap() {
            needed.insert(digest(layer).to_owned());
        }
        needs.push(needed);
        let row = match nameless {
            true => json!({}),
            false => {
                json!({"org.opencontainers.image.ref.name": format!("v{number}"), CREATED: format!("2024-01-{:02}T00:00:00Z", number + 1)})
            }
        };
        layout.row(&image, row);
    }
    layout.finish();
    let bytes = |newest: usize| -> u64 {
        let blobs: BTreeSet<&String> = needs.iter().rev().take(newest).flatten().collect();
        let size = |digest: &&String| fs::metadata(blob_path(&layout.dir, digest)).unwrap().len();
        blobs.iter().map(size).sum()
    };
    let fitting = (0..=images.len())
        .rev()
        .find(|newest| bytes(*newest) <= limit);
    let fitting = fitting.unwrap_or_default();
    let needed = bytes(1);
    let limit_text = limit.to_string();
    let args = [&PRUNE_ALL[..], &["--max-size", &limit_text]].concat();
    let before = blobs(&layout.dir);
    let done = place.run_in(&layout.dir, &args);
    if fitting == 0 {
        prop_assert_eq!(done.code(), Some(1), "{}", done);
        prop_assert!(done.err.contains(&needed.to_string()), "{}", done);
        prop_assert_eq!(blobs(&layout.dir), before);
        return Ok(());
    }
    prop_assert_eq!(done.code(), Some(0), "{}", done);
    let expected: BTreeSet<String> = needs
        .iter()
        .rev()
        .take(fitting)
        .flatten()
        .cloned()
        .collect();
    prop_assert_eq!(blobs(&layout.dir), expected, "{} {}", done, fitting);
    let again = place.run_in(&layout.dir, &args);
    prop_assert!(
        again.code() == Some(0) && again.said(false).is_nothing(),
        "{}",
        again
    );
    Ok(())
}

/// V11: what was agreed to on a terminal, what the trash takes and what other layouts lead to is not in the way.
#[test]
fn what_goes_to_the_trash_does_not_count() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for number in 1..4 {
        let layer = layout.blob(
            "application/vnd.oci.image.layer.v1.tar",
            format!("{number}").repeat(10_000),
        );
        let config = json!({"number": number});
        let image = layout.image_of("linux/amd64", config, vec![layer]);
        layout.dated(
            &image,
            &format!("docker.io/library/app:{number}"),
            &ago(100 - number),
        );
    }
    layout.finish();
    let args = [&PRUNE_ALL[..], &["--trash", "--max-size", "25kB"]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(names(&layout.dir).len(), 2);
    let again = place.succeeds(&layout.dir, &args);
    assert!(again.said(false).is_nothing(), "{again}");
    let json = [&args[..], &["--format", "json"]].concat();
    let report = object(&place.succeeds(&layout.dir, &json));
    assert_eq!(report["decisions"][0]["decision"], "keep", "{report}");
    assert_eq!(
        report["decisions"][0]["reason"], "--max-size 25kB",
        "{report}"
    );
}
