//! `prune --keep` and `--keep-last`: what stays although the filters let it go, and what is said of it.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::contents::{self, blobs, digest, id, members, names};
use crate::support::layout::{CREATED, Layout};
use crate::support::names::familiar;
use crate::support::place::{PRUNE_ALL, Place, assert_mentions, assert_says, object, objects};

/// What reproducible builds write for a date.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// A layout in a directory of its own.
struct Ground {
    place: Place,
    layout: Layout,
}

impl Ground {
    fn new() -> Self {
        let place = Place::new();
        let layout = place.layout("layout");
        Ground { place, layout }
    }

    /// Rows with an image each.
    fn of(rows: &[&str]) -> Self {
        let mut ground = Ground::new();
        for name in rows {
            let image = ground.layout.image(name);
            ground.layout.named(&image, name);
        }
        ground.layout.finish();
        ground
    }

    /// Rows with an image each, and the dates that index.json gives for them.
    fn dated(rows: &[(&str, &str)]) -> Self {
        let mut ground = Ground::new();
        for (name, created) in rows {
            let image = ground.layout.image(name);
            ground.layout.dated(&image, name, created);
        }
        ground.layout.finish();
        ground
    }

    /// What is left after `prune --all` with these options, which a dry run says before and after which nothing is
    /// left to do.
    #[track_caller]
    fn kept_with(&self, options: &[&str]) -> Vec<String> {
        let mut args = PRUNE_ALL.to_vec();
        args.extend(options);
        self.place.dry_and_real(&self.layout.dir, &args, 0);
        let left = names(&self.layout.dir);
        let again = self.place.succeeds(&self.layout.dir, &args);
        assert!(again.said(false).is_nothing(), "{again}");
        assert_eq!(again.reclaimed(), Some(0.0), "{again}");
        left.iter().map(|name| familiar(name).to_owned()).collect()
    }

    /// The member `kept_images` of the report of `prune --all` with these options, a dry run.
    fn report_with(&self, options: &[&str]) -> Value {
        let mut args = PRUNE_ALL.to_vec();
        args.extend(["--dry-run", "--format", "json"]);
        args.extend(options);
        object(&self.place.succeeds(&self.layout.dir, &args))
    }
}

// ---- --keep

#[test]
fn keep_matches_names_tags_and_digests() {
    let rows = [
        "docker.io/library/alpine:3.20",
        "docker.io/library/alpine:edge",
        "docker.io/acme/web:3.20",
        "ghcr.io/acme/web:edge",
        "localhost:5000/web:1",
    ];
    for (pattern, kept) in [
        ("alpine:3.20", &["alpine:3.20"][..]),
        ("alpine:3.*", &["alpine:3.20"]),
        ("alpine:[0-9]*", &["alpine:3.20"]),
        ("alpine:????", &["alpine:3.20", "alpine:edge"]),
        ("alpine", &["alpine:3.20", "alpine:edge"]),
        ("docker.io/library/alpine:3.*", &["alpine:3.20"]),
        ("docker.io/*/*:3.20", &["alpine:3.20", "acme/web:3.20"]),
        ("edge", &["alpine:edge", "ghcr.io/acme/web:edge"]),
        ("3.2?", &["alpine:3.20", "acme/web:3.20"]),
        ("*/web:*", &["acme/web:3.20", "localhost:5000/web:1"]),
        ("ghcr.io/acme/web", &["ghcr.io/acme/web:edge"]),
        // `*` does not cross `/`.
        ("ghcr.io/*", &[]),
        ("alpin", &[]),
        ("ALPINE:3.20", &[]),
    ] {
        assert_eq!(
            Ground::of(&rows).kept_with(&["--keep", pattern, "--allow-empty"]),
            kept,
            "{pattern}"
        );
    }
}

#[test]
fn keep_matches_digests_whole_or_by_pattern() {
    for digits in [64, 12] {
        let mut ground = Ground::new();
        let [web, shop] = ["web", "shop"].map(|title| ground.layout.image(title));
        ground
            .layout
            .named(&web, "docker.io/library/web:1")
            .named(&web, "docker.io/library/web:2")
            .named(&shop, "docker.io/library/shop:1")
            .finish();
        let mut pattern = digest(&web)["sha256:".len()..][..digits].to_owned();
        pattern = match digits {
            64 => format!("sha256:{pattern}"),
            _ => format!("sha256:{pattern}*"),
        };
        assert_eq!(
            ground.kept_with(&["--keep", &pattern]),
            ["web:1", "web:2"],
            "{pattern}"
        );
    }
}

#[test]
fn keep_matches_tags_of_the_layout_itself() {
    let mut ground = Ground::new();
    for tag in ["v1.0", "v1.1", "v2.0"] {
        let image = ground.layout.image(tag);
        ground.layout.tagged(&image, tag);
    }
    ground.layout.finish();
    assert_eq!(ground.kept_with(&["--keep", "v1.*"]), ["v1.0", "v1.1"]);
}

#[test]
fn several_patterns_keep_what_any_of_them_matches() {
    let rows = [
        "docker.io/library/a:1",
        "docker.io/library/b:1",
        "docker.io/library/c:1",
    ];
    let kept = Ground::of(&rows).kept_with(&["--keep", "c", "--keep", "nothing", "--keep", "a"]);
    assert_eq!(kept, ["a:1", "c:1"]);
}

#[test]
fn keep_wins_over_every_filter() {
    let rows = ["docker.io/library/web:1", "docker.io/library/shop:1"];
    for filter in [
        "until=2199-01-01",
        "reference=web",
        "dangling=false",
        "label!=nope",
    ] {
        let ground = Ground::of(&rows);
        let kept = ground.kept_with(&["--filter", filter, "--keep", "web:1"]);
        assert!(kept.contains(&"web:1".to_owned()), "{filter}: {kept:?}");
        let other_goes = filter != "reference=web";
        assert_eq!(kept.len() == 1, other_goes, "{filter}: {kept:?}");
    }
}

#[test]
fn keep_is_about_names_and_the_image_stays_with_one_of_them() {
    let mut ground = Ground::new();
    let image = ground.layout.image("image");
    ground
        .layout
        .named(&image, "docker.io/library/web:1")
        .named(&image, "docker.io/library/web:2")
        .finish();
    assert_eq!(ground.kept_with(&["--keep", "web:2"]), ["web:2"]);
    assert_eq!(blobs(&ground.layout.dir).len(), 3);
}

#[test]
fn keep_protects_dangling_images_by_their_digest_without_all_too() {
    let mut ground = Ground::new();
    let [web, kept, gone] = ["web", "kept", "gone"].map(|title| ground.layout.image(title));
    ground
        .layout
        .named(&web, "docker.io/library/web:1")
        .unnamed(&kept)
        .unnamed(&gone)
        .finish();
    let args = ["prune", "--force", "--grace", "0s", "--keep", digest(&kept)];
    let done = ground.place.dry_and_real(&ground.layout.dir, &args, 0);
    assert_eq!(done.said(false).deleted, [digest(&gone)]);
    assert_eq!(names(&ground.layout.dir), ["docker.io/library/web:1", "-"]);
}

#[test]
fn what_belongs_to_a_kept_image_stays_with_it() {
    let mut ground = Ground::new();
    let amd64 = ground.layout.image_for("linux/amd64", "amd64", &["amd64"]);
    let attestation = ground.layout.attestation(&amd64, "provenance");
    let web = ground.layout.index(&[&amd64, &attestation]);
    let signature = ground.layout.referrer(&web, "signature");
    let other = ground.layout.image("other");
    let other_signature = ground.layout.referrer(&other, "other signature");
    ground
        .layout
        .named(&web, "docker.io/library/web:1")
        .unnamed(&amd64)
        .unnamed(&signature)
        .named(&other, "docker.io/library/other:1")
        .unnamed(&other_signature)
        .finish();
    assert_eq!(ground.kept_with(&["--keep", "web"]), ["web:1", "-", "-"]);
    let left = blobs(&ground.layout.dir);
    for kept in [&web, &amd64, &attestation, &signature] {
        assert!(left.contains(digest(kept)));
    }
    assert!(!left.contains(digest(&other_signature)));
}

// ---- --keep-last

#[test]
fn keep_last_keeps_the_newest_images_of_each_repository() {
    let rows = [
        ("docker.io/library/web:1", "2024-01-01T00:00:00Z"),
        ("docker.io/library/web:2", "2024-02-01T00:00:00Z"),
        ("docker.io/library/web:3", "2024-03-01T00:00:00Z"),
        ("ghcr.io/library/web:1", "2020-01-01T00:00:00Z"),
        ("docker.io/library/shop:2", "2021-02-01T00:00:00Z"),
        ("docker.io/library/shop:1", "2021-01-01T00:00:00Z"),
    ];
    for (count, kept) in [
        ("1", &["web:3", "ghcr.io/library/web:1", "shop:2"][..]),
        (
            "2",
            &[
                "web:2",
                "web:3",
                "ghcr.io/library/web:1",
                "shop:2",
                "shop:1",
            ],
        ),
        (
            "7",
            &[
                "web:1",
                "web:2",
                "web:3",
                "ghcr.io/library/web:1",
                "shop:2",
                "shop:1",
            ],
        ),
    ] {
        let ground = Ground::dated(&rows);
        assert_eq!(ground.kept_with(&["--keep-last", count]), kept, "{count}");
    }
}

#[test]
fn keep_last_counts_images_and_not_their_tags() {
    let mut ground = Ground::new();
    let [old, middle, new] = ["old", "middle", "new"].map(|title| ground.layout.image(title));
    for (image, tag, created) in [
        (&new, "latest", "2024-03-01T00:00:00Z"),
        (&new, "3", "2024-03-01T00:00:00Z"),
        (&new, "3.0", "2024-03-01T00:00:00Z"),
        (&middle, "2", "2024-02-01T00:00:00Z"),
        (&middle, "2.0", "2024-02-01T00:00:00Z"),
        (&old, "1", "2024-01-01T00:00:00Z"),
    ] {
        let name = format!("docker.io/library/web:{tag}");
        ground.layout.dated(image, &name, created);
    }
    ground.layout.finish();
    let kept = ground.kept_with(&["--keep-last", "2"]);
    assert_eq!(kept, ["web:latest", "web:3", "web:3.0", "web:2", "web:2.0"]);
}

#[test]
fn versions_are_ordered_by_age_and_not_by_their_numbers() {
    let ground = Ground::dated(&[
        ("docker.io/library/web:v1.10.0", "2023-01-01T00:00:00Z"),
        ("docker.io/library/web:v1.9.7", "2024-01-01T00:00:00Z"),
        ("docker.io/library/web:v2.0.0-rc1", "2022-01-01T00:00:00Z"),
    ]);
    assert_eq!(ground.kept_with(&["--keep-last", "1"]), ["web:v1.9.7"]);
}

#[test]
fn plain_tags_are_one_repository() {
    let mut ground = Ground::new();
    for (tag, month) in [("v1", 1), ("stable", 3), ("edge", 2)] {
        let image = ground.layout.image(tag);
        let created = format!("2024-{month:02}-01T00:00:00Z");
        let row = json!({"org.opencontainers.image.ref.name": tag, CREATED: created});
        ground.layout.row(&image, row);
    }
    ground.layout.finish();
    assert_eq!(ground.kept_with(&["--keep-last", "2"]), ["stable", "edge"]);
}

#[test]
fn images_of_a_layout_without_any_name_are_one_repository() {
    let mut ground = Ground::new();
    let mut newest = String::new();
    for month in 1..=3 {
        let created = format!("2024-{month:02}-01T00:00:00Z");
        let title = format!("image {month}");
        let image = ground
            .layout
            .image_from("linux/amd64", &title, &[&title], &created);
        newest = digest(&image).to_owned();
        ground.layout.unnamed(&image);
    }
    ground.layout.finish();
    assert_eq!(ground.kept_with(&["--keep-last", "1"]), ["-"]);
    assert_eq!(contents::index(&ground.layout.dir).rows[0].digest, newest);
}

#[test]
fn the_date_of_the_row_counts_more_than_that_of_the_config() {
    let mut ground = Ground::new();
    let config = |year: u32| format!("{year}-01-01T00:00:00Z");
    let old = ground
        .layout
        .image_from("linux/amd64", "a", &["a"], &config(2024));
    let new = ground
        .layout
        .image_from("linux/amd64", "b", &["b"], &config(2010));
    ground
        .layout
        .dated(&old, "docker.io/library/web:a", &config(2011))
        .dated(&new, "docker.io/library/web:b", &config(2012))
        .finish();
    assert_eq!(ground.kept_with(&["--keep-last", "1"]), ["web:b"]);
}

#[test]
fn without_a_date_in_the_row_that_of_the_config_counts() {
    for in_row in [None, Some(EPOCH)] {
        let mut ground = Ground::new();
        for (tag, year) in [("b", 2022), ("a", 2023), ("c", 2021)] {
            let created = format!("{year}-01-01T00:00:00Z");
            let image = ground
                .layout
                .image_from("linux/amd64", tag, &[tag], &created);
            let name = format!("docker.io/library/web:{tag}");
            match in_row {
                None => ground.layout.named(&image, &name),
                Some(epoch) => ground.layout.dated(&image, &name, epoch),
            };
        }
        ground.layout.finish();
        assert_eq!(
            ground.kept_with(&["--keep-last", "2"]),
            ["web:b", "web:a"],
            "{in_row:?}"
        );
    }
}

#[test]
fn an_index_is_as_old_as_the_newest_thing_that_is_known_of_it() {
    // An index has no date of its own: the configs of its platforms have.
    let mut ground = Ground::new();
    for (tag, year) in [("a", 2022), ("b", 2023)] {
        let created = format!("{year}-01-01T00:00:00Z");
        let platforms = ["linux/amd64", "linux/arm64"].map(|platform| {
            let title = format!("{tag} {platform}");
            ground
                .layout
                .image_from(platform, &title, &[&title], &created)
        });
        let index = ground.layout.index(&[&platforms[0], &platforms[1]]);
        ground
            .layout
            .named(&index, &format!("docker.io/library/web:{tag}"));
    }
    ground.layout.finish();
    assert_eq!(ground.kept_with(&["--keep-last", "1"]), ["web:b"]);
}

#[test]
fn reproducible_images_are_ordered_by_their_arrival() {
    // Their dates are those of 1970, which says nothing; and the order of the rows says nothing either.
    let mut ground = Ground::new();
    let images = ["second", "third", "first"].map(|title| {
        let image = ground
            .layout
            .image_from("linux/amd64", title, &[title], EPOCH);
        // Longer than a tick of the clock of any file system.
        thread::sleep(Duration::from_millis(30));
        image
    });
    let [oldest, middle, newest] = &images;
    ground
        .layout
        .named(middle, "docker.io/library/web:middle")
        .dated(newest, "docker.io/library/web:newest", EPOCH)
        .named(oldest, "docker.io/library/web:oldest")
        .finish();
    assert_eq!(
        ground.kept_with(&["--keep-last", "2"]),
        ["web:middle", "web:newest"]
    );
}

#[test]
fn keep_last_and_until_must_agree_to_delete() {
    let rows = [
        ("docker.io/library/web:2020", "2020-01-01T00:00:00Z"),
        ("docker.io/library/web:2021", "2021-01-01T00:00:00Z"),
        ("docker.io/library/web:2023", "2023-01-01T00:00:00Z"),
        ("docker.io/library/shop:2019", "2019-01-01T00:00:00Z"),
        ("docker.io/library/shop:2020", "2020-01-01T00:00:00Z"),
    ];
    // Young ones count among the last, and the last of a repository stays however old it is.
    let kept =
        Ground::dated(&rows).kept_with(&["--keep-last", "1", "--filter", "until=2022-01-01"]);
    assert_eq!(kept, ["web:2023", "shop:2020"]);
    let kept =
        Ground::dated(&rows).kept_with(&["--keep-last", "2", "--filter", "until=2020-06-01"]);
    assert_eq!(kept, ["web:2021", "web:2023", "shop:2019", "shop:2020"]);
    let kept =
        Ground::dated(&rows).kept_with(&["--keep-last", "1", "--filter", "until=2018-01-01"]);
    assert_eq!(kept.len(), rows.len());
}

#[test]
fn keep_and_keep_last_add_up() {
    let rows = [
        ("docker.io/library/web:1", "2021-01-01T00:00:00Z"),
        ("docker.io/library/web:2", "2022-01-01T00:00:00Z"),
        ("docker.io/library/web:3", "2023-01-01T00:00:00Z"),
    ];
    let kept = Ground::dated(&rows).kept_with(&["--keep-last", "1", "--keep", "web:1"]);
    assert_eq!(kept, ["web:1", "web:3"]);
}

#[test]
fn dangling_images_are_of_no_repository_and_go() {
    let mut ground = Ground::dated(&[("docker.io/library/web:1", "2021-01-01T00:00:00Z")]);
    let dangling = ground.layout.image("dangling");
    ground.layout.unnamed(&dangling).finish();
    assert_eq!(ground.kept_with(&["--keep-last", "5"]), ["web:1"]);
    assert!(!blobs(&ground.layout.dir).contains(digest(&dangling)));
}

#[test]
fn retention_does_not_keep_garbage() {
    let ground = Ground::of(&["docker.io/library/web:1"]);
    let garbage = ground.layout.blob("text/plain", "nobody refers to this\n");
    ground.kept_with(&["--keep-last", "1"]);
    assert!(!blobs(&ground.layout.dir).contains(digest(&garbage)));
}

// ---- what is said of it

#[test]
fn the_report_lists_what_was_kept_with_the_reason() {
    let ground = Ground::dated(&[
        ("docker.io/library/web:1", "2021-01-01T00:00:00Z"),
        ("docker.io/library/web:2", "2022-01-01T00:00:00Z"),
        ("docker.io/library/web:3", "2023-01-01T00:00:00Z"),
    ]);
    let report = ground.report_with(&["--keep-last", "1", "--keep", "*:1"]);
    let kept = &report["kept_images"];
    assert_eq!(members(kept, "name"), ["web:1", "web:3"], "{report}");
    let reasons = members(kept, "reason");
    assert!(reasons[0].contains("--keep *:1"), "{report}");
    assert!(reasons[1].contains("--keep-last 1"), "{report}");
    assert!(reasons[1].contains("web"), "{report}");
    let digests = objects(
        &ground
            .place
            .succeeds(&ground.layout.dir, &["ls", "--format", "json"]),
    );
    for (name, digest) in members(kept, "name").iter().zip(members(kept, "digest")) {
        let line = digests.iter().find(|line| line["name"] == *name);
        assert_eq!(line.and_then(|line| line["digest"].as_str()), Some(digest));
    }
    // What goes is not in that list, and what stays is not in the other.
    assert_eq!(report["untagged"], json!(["web:2"]));
}

#[test]
fn a_real_run_reports_the_same_kept_images_as_a_dry_one() {
    let ground = Ground::of(&["docker.io/library/web:1", "docker.io/library/shop:1"]);
    let options = ["--keep", "web", "--keep-last", "3"];
    let dry = ground.report_with(&options);
    let mut args = PRUNE_ALL.to_vec();
    args.extend(["--format", "json"]);
    args.extend(options);
    let real = object(&ground.place.succeeds(&ground.layout.dir, &args));
    assert_eq!(dry["kept_images"], real["kept_images"]);
    assert_eq!(members(&real["kept_images"], "name"), ["shop:1", "web:1"]);
}

/// V18.
#[test]
fn a_dry_run_and_verbose_say_of_each_name_what_becomes_of_it_and_why() {
    let ground = Ground::of(&["docker.io/library/web:1", "docker.io/library/shop:1"]);
    let layout = &ground.layout.dir;
    let image = id(&ground.layout.rows()[0]).to_owned();
    let mut args = PRUNE_ALL.to_vec();
    args.extend(["--keep", "web:*", "--dry-run"]);
    let dry = ground.place.succeeds(layout, &args);
    let (kept, removed) = (
        format!("Would keep: web:1 ({image}), --keep web:*"),
        "Would remove: shop:1 (",
    );
    assert_says(&dry, &kept);
    assert_says(&dry, removed);
    args.pop();
    let quiet = {
        let other = Ground::of(&["docker.io/library/web:1", "docker.io/library/shop:1"]);
        other.place.succeeds(&other.layout.dir, &args)
    };
    assert!(!quiet.out.contains("--keep"), "{quiet}");
    args.push("--verbose");
    let verbose = ground.place.succeeds(layout, &args);
    assert_says(&verbose, "Kept: web:1 (");
    assert_says(&verbose, "Removed: shop:1 (");
}

#[test]
fn without_retention_nothing_is_reported_as_kept() {
    let ground = Ground::of(&["docker.io/library/web:1"]);
    assert_eq!(ground.report_with(&[])["kept_images"], json!([]));
}

// ---- usage errors

#[test]
fn nonsense_is_a_usage_error_and_changes_nothing() {
    let ground = Ground::of(&["docker.io/library/web:1", "docker.io/library/shop:1"]);
    let mut dangling = ground.layout;
    let image = dangling.image("dangling");
    dangling.unnamed(&image).finish();
    for options in [
        &["--all", "--keep-last", "0"][..],
        &["--all", "--keep-last", "x"],
        &["--all", "--keep-last=-1"],
        &["--all", "--keep-last", "1.5"],
        &["--all", "--keep-last", ""],
        &["--all", "--keep-last", "99999999999999999999"],
        &["--all", "--keep-last"],
        &["--keep-last", "1"],
        &["--all", "--keep", "[a"],
        &["--keep", "[a"],
        &["--all", "--keep", "web:1", "--keep", "[z-a]"],
        &["--all", "--keep"],
    ] {
        let mut args = vec!["prune", "--force", "--grace", "0s"];
        args.extend(options);
        let refused = ground.place.refuses(&dangling.dir, &args, 2);
        assert_eq!(refused.out, "", "{refused}");
        let said = ["--keep", "pattern"]
            .iter()
            .any(|word| refused.err.contains(word));
        assert!(said, "{refused}");
    }
}

#[test]
fn a_negative_number_of_images_is_a_usage_error_however_it_is_written() {
    let ground = Ground::of(&["docker.io/library/web:1"]);
    let mut args = PRUNE_ALL.to_vec();
    args.extend(["--keep-last", "-1"]);
    let refused = ground.place.refuses(&ground.layout.dir, &args, 2);
    assert_mentions(&refused, "-1");
}
