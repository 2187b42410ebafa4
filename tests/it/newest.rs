//! Which image is the newer one, what a list shows of that, and what is said when nothing tells.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::contents::{blob_path, digest, id, members, names};
use crate::support::layout::{CREATED, Layout};
use crate::support::names::{NAME, REF};
use crate::support::place::{
    PRUNE, PRUNE_ALL, Place, assert_mentions, assert_says, assert_status, object, objects,
};
use crate::support::terminal::run_on_terminal;

/// Seconds since 1970 of a day in 2023, and of another.
const MONDAY: u64 = 1_700_000_000;
const TUESDAY: u64 = MONDAY + 86_400;

fn set_age(layout: &Path, image: &Value, seconds: u64) {
    let file = File::options()
        .write(true)
        .open(blob_path(layout, digest(image)))
        .unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_modified(time).unwrap();
}

/// An image of which nobody says when it was created.
fn undated(layout: &Layout, title: &str) -> Value {
    let layers = vec![layout.layer(title)];
    layout.image_of("linux/amd64", json!({"author": title}), layers)
}

/// An image whose config and manifest say when it was created, if they do.
fn image(layout: &Layout, title: &str, manifest: Option<&str>, config: Option<&str>) -> Value {
    let mut said = json!({"author": title});
    if let Some(config) = config {
        said["created"] = config.into();
    }
    let plain = layout.image_of("linux/amd64", said, vec![layout.layer(title)]);
    let Some(created) = manifest else {
        return plain;
    };
    let mut document = layout.read(&plain);
    document["annotations"] = json!({CREATED: created});
    layout.document(&document)
}

fn listed(place: &Place, layout: &Layout, args: &[&str]) -> Vec<Value> {
    objects(&place.succeeds(&layout.dir, &[&["ls", "--format", "json"], args].concat()))
}

#[track_caller]
fn created(lines: &[Value], name: &str) -> (String, String) {
    let line = lines.iter().find(|line| line["name"] == name);
    let line = line.unwrap_or_else(|| panic!("no {name}: {lines:?}"));
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    (text("created"), text("created_from"))
}

/// FR16.
#[test]
fn the_first_that_says_when_an_image_was_created_counts() {
    const ENTRY: Option<&str> = Some("2021-01-01T00:00:00Z");
    const MANIFEST: Option<&str> = Some("2022-02-02T00:00:00Z");
    const CONFIG: Option<&str> = Some("2023-03-03T00:00:00Z");
    const ODD: Option<&str> = Some("1980-01-01T00:00:01Z");
    let place = Place::new();
    let mut layout = place.layout("layout");
    let cases = [
        ("a", ENTRY, MANIFEST, CONFIG, ENTRY, "entry"),
        ("b", None, MANIFEST, CONFIG, MANIFEST, "manifest"),
        ("c", ODD, MANIFEST, None, MANIFEST, "manifest"),
        ("d", None, None, CONFIG, CONFIG, "config"),
        (
            "e",
            ODD,
            Some("0001-01-01T23:00:00Z"),
            CONFIG,
            CONFIG,
            "config",
        ),
        (
            "f",
            Some("2999-01-01T00:00:00Z"),
            Some("nonsense"),
            CONFIG,
            CONFIG,
            "config",
        ),
        ("g", None, None, None, Some("2023-11-14T22:13:20Z"), "file"),
        (
            "h",
            Some("1970-01-01T23:59:59Z"),
            Some("1980-01-01T00:00:00Z"),
            Some("0001-01-01T00:00:00Z"),
            Some("2023-11-14T22:13:20Z"),
            "file",
        ),
        // A day beside those is a date like any other.
        (
            "i",
            Some("1970-01-02T00:00:00Z"),
            None,
            None,
            Some("1970-01-02T00:00:00Z"),
            "entry",
        ),
        (
            "j",
            None,
            Some("1979-12-31T23:59:59Z"),
            None,
            Some("1979-12-31T23:59:59Z"),
            "manifest",
        ),
    ];
    for (title, entry, manifest, config, ..) in cases {
        let image = image(&layout, title, manifest, config);
        set_age(&layout.dir, &image, MONDAY);
        let mut annotations = json!({REF: title});
        if let Some(entry) = entry {
            annotations[CREATED] = entry.into();
        }
        layout.row(&image, annotations);
    }
    layout.finish();
    let lines = listed(&place, &layout, &[]);
    for (title, .., time, from) in cases {
        let expected = (time.unwrap().to_owned(), from.to_owned());
        assert_eq!(created(&lines, title), expected, "{title}");
    }
    let table = place.succeeds(&layout.dir, &["ls"]);
    for line in table.out.lines().skip(1) {
        let is_file = line.starts_with("g ") || line.starts_with("h ");
        assert_eq!(line.contains("(file)"), is_file, "{table}");
    }
}

/// FR16: an index says it itself, or its manifests do, or their configs.
#[test]
fn an_index_is_as_old_as_it_or_its_platforms_say() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for (title, index, manifest, config, expected) in [
        (
            "own",
            Some("2021-01-01T00:00:00Z"),
            Some("2022-01-01T00:00:00Z"),
            None,
            "2021-01-01T00:00:00Z",
        ),
        (
            "manifest",
            None,
            Some("2022-01-01T00:00:00Z"),
            Some("2023-01-01T00:00:00Z"),
            "2022-01-01T00:00:00Z",
        ),
        (
            "config",
            Some("1980-01-01T00:00:00Z"),
            None,
            Some("2023-01-01T00:00:00Z"),
            "2023-01-01T00:00:00Z",
        ),
    ] {
        let child = image(&layout, title, manifest, config);
        let mut document = layout.read(&layout.index(&[&child]));
        if let Some(created) = index {
            document["annotations"] = json!({CREATED: created});
        }
        document["title"] = title.into();
        let index = layout.document(&document);
        layout.tagged(&index, title).finish();
        let lines = listed(&place, &layout, &[]);
        assert_eq!(created(&lines, title).0, expected, "{title}");
    }
}

/// FR16: `until`, `before` and `since` follow what is shown.
#[test]
fn filters_follow_the_date_that_is_shown() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for (title, manifest, config) in [
        (
            "old",
            Some("2021-01-01T00:00:00Z"),
            Some("2023-12-01T00:00:00Z"),
        ),
        ("middle", None, Some("2022-01-01T00:00:00Z")),
        (
            "new",
            Some("2023-01-01T00:00:00Z"),
            Some("2020-01-01T00:00:00Z"),
        ),
    ] {
        let image = image(&layout, title, manifest, config);
        layout.tagged(&image, title);
    }
    layout.finish();
    for (filter, expected) in [
        ("until=2022-06-01", &["middle", "old"][..]),
        ("before=middle", &["old"]),
        ("since=middle", &["new"]),
    ] {
        let lines = listed(&place, &layout, &["--filter", filter]);
        assert_eq!(members(&json!(lines), "name"), expected, "{filter}");
    }
    let args = [&PRUNE_ALL[..], &["--filter", "until=2022-06-01"]].concat();
    place.dry_and_real(&layout.dir, &args, 0);
    assert_eq!(names(&layout.dir), ["new"]);
}

/// FR38: an image whose entries say different dates is as old as the newest of them.
#[test]
fn the_newest_entry_of_an_image_says_how_old_it_is() {
    let rows = [("1", "2020"), ("2", "2022"), ("3", "2024")];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (both, other) = (layout.image("both"), layout.image("other"));
        for number in order {
            let (tag, year) = rows[number];
            let image = if number == 1 { &other } else { &both };
            let name = format!("docker.io/library/web:{tag}");
            layout.dated(image, &name, &format!("{year}-01-01T00:00:00Z"));
        }
        layout.finish();
        let shown = listed(&place, &layout, &[]);
        assert_eq!(members(&json!(shown), "name"), ["web:3", "web:2", "web:1"]);
        let args = [&PRUNE_ALL[..], &["--keep-last", "1"]].concat();
        let done = place.dry_and_real(&layout.dir, &args, 0);
        assert_eq!(done.said(false).untagged, ["web:2"], "{order:?}");
        assert_eq!(done.said(false).deleted, [digest(&other)], "{order:?}");
    }
}

/// FR17: of images that were created in one moment the one that stands later is the newer.
#[test]
fn of_one_moment_the_later_entry_is_the_newer() {
    for turned in [false, true] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let mut titles = vec!["p", "q", "r", "s"];
        if turned {
            titles.reverse();
        }
        for title in &titles {
            let image = layout.image(title);
            layout.named(&image, &format!("docker.io/library/app:{title}"));
        }
        layout.finish();
        let newest: Vec<String> = titles.iter().rev().map(|t| format!("app:{t}")).collect();
        let shown = listed(&place, &layout, &[]);
        assert_eq!(members(&json!(shown), "name"), newest);
        let args = [&PRUNE_ALL[..], &["--keep-last", "2"]].concat();
        place.dry_and_real(&layout.dir, &args, 0);
        let left = listed(&place, &layout, &[]);
        assert_eq!(members(&json!(left), "name"), newest[..2]);
    }
}

/// FR17: files of one moment tell nothing.
#[test]
fn what_cannot_be_told_apart_stays_and_is_named() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for (title, age) in [("a", MONDAY), ("b", MONDAY), ("c", TUESDAY), ("d", MONDAY)] {
        let image = undated(&layout, title);
        set_age(&layout.dir, &image, age);
        layout.named(&image, &format!("docker.io/library/app:{title}"));
    }
    layout.finish();
    let args = [&PRUNE_ALL[..], &["--keep-last", "2"]].concat();
    let done = place.dry_and_real(&layout.dir, &args, 0);
    assert!(done.said(false).is_nothing(), "{done}");
    assert_says(&done, "Kept all 3 images of app");
    let json = [&args[..], &["--format", "json"]].concat();
    let report = object(&place.succeeds(&layout.dir, &json));
    let reasons = members(&report["kept_images"], "reason");
    let unclear = reasons.iter().filter(|r| r.contains("nothing says"));
    assert_eq!(unclear.count(), 2, "{report}");
    // Where the cut falls elsewhere, everything is clear.
    let args = [&PRUNE_ALL[..], &["--keep-last", "1"]].concat();
    let done = place.dry_and_real(&layout.dir, &args, 0);
    assert!(!done.out.contains("Kept all"), "{done}");
    assert_eq!(names(&layout.dir), ["docker.io/library/app:c"]);
}

/// FR19: what scripts do with `docker images -q`.
#[test]
fn ids_are_printed_newest_first_and_each_once() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let mut ids = Vec::new();
    for (title, month) in [("a", 2), ("b", 4), ("c", 1), ("d", 3)] {
        let date = format!("2025-{month:02}-01T00:00:00Z");
        let image = layout.image_from("linux/amd64", title, &[title], &date);
        ids.push(id(&image).to_owned());
        layout.tagged(&image, title);
        if title == "a" {
            layout.tagged(&image, "again");
        }
    }
    layout.finish();
    let printed = |args: &[&str]| {
        let done = place.succeeds(&layout.dir, args);
        done.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let in_order = |order: [usize; 4]| order.map(|n| ids[n].clone()).to_vec();
    assert_eq!(printed(&["ls", "-q"]), in_order([1, 3, 0, 2]));
    assert_eq!(
        printed(&["ls", "-q", "--sort", "created"]),
        in_order([1, 3, 0, 2])
    );
    assert_eq!(
        printed(&["ls", "-q", "--sort", "none"]),
        in_order([0, 1, 2, 3])
    );
    let newest = ["b", "d", "again", "a", "c"];
    assert_eq!(printed(&["ls", "--format", "{{.Tag}}"]), newest);
    let stored = ["a", "again", "b", "c", "d"];
    assert_eq!(
        printed(&["ls", "--sort", "none", "--format", "{{.Tag}}"]),
        stored
    );
    let filtered = ["ls", "-q", "--sort", "none", "--filter", "reference=?"];
    assert_eq!(printed(&filtered), in_order([0, 1, 2, 3]));
    let refused = place.refuses(&layout.dir, &["ls", "--sort", "age"], 2);
    assert_mentions(&refused, "--sort");
}

/// FR24.
#[test]
fn a_pattern_that_keeps_nothing_is_named_and_empties_nothing() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (a, b) = (layout.image("a"), layout.image("b"));
    layout
        .tagged(&a, "acme/app:build-123")
        .tagged(&a, "acme/app:1.0")
        .tagged(&b, "acme/app:build-124")
        .finish();
    let garbage = layout.blob("text/plain", "nobody refers to this\n");
    let keep = |pattern| [&PRUNE_ALL[..], &["--keep", pattern]].concat();
    let refused = place.refuses(&layout.dir, &keep("acme/app:v1.0"), 1);
    assert_mentions(&refused, "the name most like it is acme/app:1.0");
    assert_mentions(&refused, "all 2 images");
    assert_mentions(&refused, "--allow-empty");
    let json = [&keep("nope")[..], &["--format", "json"]].concat();
    let refused = place.refuses(&layout.dir, &json, 1);
    let report = object(&refused);
    assert_eq!(report["deleted"], json!([]));
    assert_eq!(members(&report["errors"], "class"), ["conflict"]);
    assert!(
        report["warnings"][0].as_str().unwrap().contains("nope"),
        "{report}"
    );
    // One that keeps something makes the other a warning.
    let both = [&keep("1.0")[..], &["--keep", "2.0"]].concat();
    let done = place.dry_and_real(&layout.dir, &both, 0);
    assert_mentions(
        &done,
        "--keep 2.0 matches nothing; the name most like it is acme/app:1.0",
    );
    assert_eq!(names(&layout.dir), ["acme/app:1.0"]);
    assert!(!blob_path(&layout.dir, digest(&garbage)).exists());
    let all = [&keep("nope")[..], &["--allow-empty"]].concat();
    place.dry_and_real(&layout.dir, &all, 0);
    assert!(names(&layout.dir).is_empty());
    // Where there is nothing nothing is refused.
    place.dry_and_real(&layout.dir, &keep("nope"), 0);
}

/// FR24: of several layouts each is refused for itself, and a pattern may match in one of them only.
#[test]
fn a_pattern_for_one_of_several_layouts_is_no_mistake() {
    let place = Place::new();
    for (dir, tags) in [("all/one", &["1.0", "2.0"][..]), ("all/two", &["3.0"])] {
        let mut layout = place.layout(dir);
        for tag in tags {
            let image = layout.image(&format!("{dir} {tag}"));
            layout.tagged(&image, tag);
        }
        layout.finish();
    }
    let all = place.path("all");
    let mut args = PRUNE_ALL.to_vec();
    args.extend([
        "--recursive",
        all.to_str().unwrap(),
        "--keep",
        "1.0",
        "--keep",
        "9.9",
    ]);
    let done = place.run(&args);
    assert_eq!(done.code(), Some(1), "{done}");
    assert!(!done.err.contains("--keep 1.0 matches nothing"), "{done}");
    assert_eq!(
        done.err.matches("--keep 9.9 matches nothing").count(),
        1,
        "{done}"
    );
    assert_eq!(names(&all.join("one")), ["1.0"]);
    assert_eq!(names(&all.join("two")), ["3.0"]);
}

/// FR24.
#[test]
fn how_many_images_go_is_said_before_they_are_gone() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (a, b) = (layout.image("a"), layout.image("b"));
    let signature = layout.referrer(&a, "signature");
    layout.tagged(&a, "v1").tagged(&a, "v2").tagged(&b, "v3");
    layout.unnamed(&signature).finish();
    let args = [&PRUNE_ALL[..], &["--dry-run"]].concat();
    let done = place.succeeds(&layout.dir, &args);
    assert!(done.out.starts_with("Would remove 2 images.\n"), "{done}");
    let done = place.succeeds(&layout.dir, &PRUNE_ALL);
    assert!(done.out.starts_with("Removing 2 images.\n"), "{done}");
    let again = place.succeeds(&layout.dir, &PRUNE_ALL);
    assert!(!again.out.contains("Removing"), "{again}");
}

/// FR25.
#[test]
fn who_takes_the_last_name_is_told_what_becomes_of_the_rest() {
    const NOTE: &str = "no image of this layout has one any more";
    for command in ["rmi", "untag"] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let [old, older, image, other] =
            ["old", "older", "image", "other"].map(|t| layout.image(t));
        layout
            .unnamed(&old)
            .tagged(&image, "v1")
            .tagged(&other, "v2")
            .unnamed(&older)
            .finish();
        let done = place.dry_and_real(&layout.dir, &[command, "v2"], 0);
        assert!(!done.err.contains(NOTE), "{done}");
        let done = place.dry_and_real(&layout.dir, &[command, "v1"], 0);
        assert_mentions(&done, "Left 2 images without a name");
        assert_mentions(&done, "prune --all");
        assert_mentions(&done, "not dangling");
        place.succeeds(&layout.dir, &PRUNE);
        let left: Vec<&str> = vec!["-"; 2];
        assert_eq!(names(&layout.dir), left, "{command}");
    }
}

/// FR25: what belongs to an image is none, and a layout without nameless ones has nothing to be told.
#[test]
fn parts_and_signatures_are_no_images_without_a_name() {
    for command in ["rmi", "untag"] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let child = layout.image("child");
        let index = layout.index(&[&child]);
        let signature = layout.referrer(&index, "signature");
        layout
            .tagged(&index, "v1")
            .unnamed(&child)
            .unnamed(&signature)
            .finish();
        let done = place.dry_and_real(&layout.dir, &[command, "v1"], 0);
        assert!(!done.err.contains("without a name"), "{done}");
    }
}

/// FR45: one image with one name, written twice.
#[test]
fn an_entry_that_stands_twice_is_not_ambiguous() {
    for command in ["rmi", "untag"] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let image = layout.image("web");
        let row = json!({NAME: "docker.io/library/web:latest", REF: "latest"});
        layout.row(&image, row.clone()).row(&image, row).finish();
        let done = place.dry_and_real(&layout.dir, &[command, "latest"], 0);
        assert_eq!(done.said(false).untagged, ["web:latest"], "{done}");
    }
}

/// FR45: no two images are shown in the same words where others select one of them.
#[test]
fn of_two_names_with_one_text_the_one_that_has_a_longer_one_is_shown_in_full() {
    let place = Place::new();
    for (number, first) in [0, 1].into_iter().enumerate() {
        let mut layout = place.layout(&number.to_string());
        let images = ["one", "two"].map(|title| layout.image(title));
        let rows = [json!({NAME: "web:1"}), json!({REF: "web:1"})];
        for which in [first, 1 - first] {
            layout.row(&images[which], rows[which].clone());
        }
        layout.finish();
        let lines = listed(&place, &layout, &["--sort", "none"]);
        let shown = ["web:1", "docker.io/library/web:1"];
        let expected = [shown[first], shown[1 - first]];
        assert_eq!(members(&json!(lines), "name"), expected);
        place.refuses(&layout.dir, &["rmi", "web:1"], 1);
        let done = place.dry_and_real(&layout.dir, &["rmi", shown[1]], 0);
        assert_eq!(done.said(false).deleted, [digest(&images[1])], "{done}");
        assert_eq!(done.said(false).untagged, [shown[1]], "{done}");
        // The short form is the other's again.
        let done = place.dry_and_real(&layout.dir, &["rmi", "web:1"], 0);
        assert_eq!(done.said(false).deleted, [digest(&images[0])], "{done}");
    }
}

/// FR45: what is printed selects what it stands for.
#[test]
fn names_that_differ_in_spelling_alone_are_shown_so_that_they_can_be_typed() {
    let both = |name: &str| json!({NAME: name});
    let tag = |text: &str| json!({REF: text});
    for (rows, shown) in [
        (
            [both("web:1"), both("docker.io/library/web:1")],
            ["web:1", "docker.io/library/web:1"],
        ),
        (
            [both("docker.io/library/web:1"), tag("web:1")],
            ["docker.io/library/web:1", "web:1"],
        ),
        (
            [both("docker.io/library/web"), tag("web")],
            ["docker.io/library/web", "web"],
        ),
        (
            [both("docker.io/acme/web"), tag("acme/web")],
            ["docker.io/acme/web", "acme/web:latest"],
        ),
        (
            [tag("docker.io/acme/web:2"), tag("acme/web:2")],
            ["docker.io/acme/web:2", "acme/web:2"],
        ),
        // Nothing to tell apart.
        (
            [both("docker.io/library/web:1"), tag("web:2")],
            ["web:1", "web:2"],
        ),
    ] {
        for which in [0, 1] {
            let place = Place::new();
            let mut layout = place.layout("layout");
            let images = ["one", "two"].map(|title| layout.image(title));
            for (image, row) in images.iter().zip(&rows) {
                layout.row(image, row.clone());
            }
            layout.finish();
            let lines = listed(&place, &layout, &["--sort", "none"]);
            assert_eq!(members(&json!(lines), "name"), shown, "{rows:?}");
            // Repository and tag together are a name, as scripts use them.
            let template = [
                "ls",
                "--sort",
                "none",
                "--format",
                "{{.Repository}}:{{.Tag}}",
            ];
            let typed = place.succeeds(&layout.dir, &template);
            let typed = typed.out.lines().nth(which).unwrap();
            let name = match typed.contains("<none>") {
                true => shown[which],
                false => typed,
            };
            let done = place.dry_and_real(&layout.dir, &["rmi", name], 0);
            assert_eq!(
                done.said(false).deleted,
                [digest(&images[which])],
                "{rows:?} {done}"
            );
            assert_eq!(done.said(false).untagged, [shown[which]], "{rows:?}");
        }
    }
}

/// FR24: what is left over for its age alone is nothing that was to be kept.
#[test]
fn a_young_leftover_does_not_stand_for_what_was_to_be_kept() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (a, b) = (layout.image("a"), layout.image("b"));
    layout.tagged(&a, "x").unnamed(&b).finish();
    let args = ["prune", "--all", "--force", "--keep", "typo:1"];
    let refused = place.refuses(&layout.dir, &args, 1);
    assert_mentions(&refused, "--allow-empty");
    assert_eq!(names(&layout.dir).len(), 2);
    // It is said once what becomes of it.
    let allowed = [&args[..], &["--allow-empty"]].concat();
    let done = place.dry_and_real(&layout.dir, &allowed, 0);
    assert_mentions(&done, "Left 1 image without a name, younger than");
    assert_eq!(done.err.matches("without a name").count(), 1, "{done}");
    assert_eq!(names(&layout.dir), ["-"]);
}

/// FR24: an image that has a young leftover too is still the one that would be lost.
#[test]
fn the_images_that_would_go_are_counted_with_their_young_leftovers() {
    for (others, counted) in [(0, "the only image"), (1, "all 2 images")] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let images = [layout.image("a"), layout.image("b")];
        for (image, name) in images.iter().zip(["a", "b"]).take(1 + others) {
            layout.tagged(image, name).unnamed(image);
        }
        layout.finish();
        let args = ["prune", "--all", "--force", "--keep", "typo:1"];
        let refused = place.refuses(&layout.dir, &args, 1);
        assert_mentions(&refused, &format!("{counted} of the layout would go"));
    }
}

/// FR24: what was said before the question is not said again.
#[test]
fn a_pattern_that_keeps_nothing_is_said_once_on_a_terminal() {
    for several in [false, true] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (a, b) = (layout.image("a"), layout.image("b"));
        layout.tagged(&a, "a").tagged(&b, "b").finish();
        let home = place.home();
        let dir = layout.dir.to_str().unwrap().to_owned();
        let mut args = vec!["--layout", &dir, "prune", "--all", "--grace", "0s"];
        args.extend(["--keep", "a", "--keep", "typo"]);
        let parent = layout.dir.parent().unwrap().to_owned();
        if several {
            args.splice(..2, []);
            args.extend(["--recursive", parent.to_str().unwrap()]);
        }
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let finished = run_on_terminal(&args, &home, "y\n");
        assert_status(&finished, 0);
        assert_eq!(finished.asked, Some(true), "{finished}");
        let said = finished.err.matches("typo matches nothing").count();
        assert_eq!(said, 1, "{finished}");
    }
}
