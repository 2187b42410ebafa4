//! Several layouts in one command, and layouts that share their blobs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::thread;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::support::command::Finished;
use crate::support::contents::{arg, blob_path, blobs, digest, names};
use crate::support::layout::Layout;
use crate::support::place::{
    PRUNE, Place, assert_mentions, assert_no_traces, assert_status, object, objects,
};
use crate::support::terminal::run_on_terminal;
use crate::support::tree::Tree;

/// A layout with the image `NAME:1` and garbage of its own.
fn layout_with_garbage(place: &Place, dir: &str) -> (Layout, Value) {
    let mut layout = place.layout(dir);
    let title = dir.replace('/', "-");
    let image = layout.image(&title);
    layout
        .named(&image, &format!("docker.io/library/{title}:1"))
        .finish();
    let garbage = layout.blob("text/plain", format!("garbage of {title}\n"));
    (layout, garbage)
}

/// `prune` of these layouts.
fn prune_of<'a>(layouts: &[&'a Layout]) -> Vec<&'a str> {
    let mut args: Vec<&str> = PRUNE.to_vec();
    for layout in layouts {
        args.extend(["--layout", arg(&layout.dir)]);
    }
    args
}

#[track_caller]
fn assert_one_total(finished: &Finished) {
    let lines: Vec<&str> = finished.out.lines().collect();
    let totals = lines
        .iter()
        .filter(|line| line.starts_with("Total reclaimed space:"))
        .count();
    assert_eq!(totals, 1, "{finished}");
    let last = lines.last().copied().unwrap_or_default();
    assert!(last.starts_with("Total reclaimed space:"), "{finished}");
}

// ---- ls

#[test]
fn ls_lists_each_layout_that_is_named_and_says_which_it_is() {
    let place = Place::new();
    let (a, _) = layout_with_garbage(&place, "a");
    let (b, _) = layout_with_garbage(&place, "b");
    let (_, _) = layout_with_garbage(&place, "not-asked-for");
    let args = ["ls", "--layout", arg(&a.dir), "--layout", arg(&b.dir)];
    let table = place.run(&args);
    assert_status(&table, 0);
    let head = table.out.lines().next().unwrap_or_default();
    assert!(head.starts_with("LAYOUT"), "{table}");
    assert_eq!(table.out.lines().count(), 3, "{table}");
    let mut args = args.to_vec();
    args.extend(["--format", "json"]);
    let lines = objects(&place.run(&args));
    let found: BTreeSet<(&str, &str)> = lines
        .iter()
        .filter_map(|line| Some((line["layout"].as_str()?, line["name"].as_str()?)))
        .collect();
    assert_eq!(
        found,
        BTreeSet::from([(arg(&a.dir), "a:1"), (arg(&b.dir), "b:1")])
    );
}

#[test]
fn of_one_layout_ls_does_not_say_which_it_is() {
    let place = Place::new();
    let (a, _) = layout_with_garbage(&place, "a");
    let table = place.succeeds(&a.dir, &["ls"]);
    assert!(!table.out.contains("LAYOUT"), "{table}");
    let line = object(&place.succeeds(&a.dir, &["ls", "--format", "json"]));
    assert!(line.get("layout").is_none(), "{line}");
}

#[test]
fn what_cannot_be_searched_is_said_in_words() {
    let place = Place::new();
    let file = place.file("file", "");
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    for (dir, said) in [
        (place.path("nowhere"), "ocirm: there is no directory `"),
        (file, "is no directory"),
        (empty, "ocirm: there is no layout below `"),
    ] {
        let failed = place.run(&["ls", "--recursive", arg(&dir)]);
        assert_status(&failed, 1);
        assert_mentions(&failed, said);
        assert_eq!(failed.err.lines().count(), 1, "{failed}");
    }
}

#[test]
fn recursive_finds_layouts_at_any_depth_and_follows_no_link() {
    let place = Place::new();
    for dir in [
        "images/a",
        "images/team/b",
        "images/team/deep/er/c",
        "images/a/nested/d",
    ] {
        layout_with_garbage(&place, dir);
    }
    let (_, _) = layout_with_garbage(&place, "elsewhere");
    symlink(place.path("elsewhere"), place.path("images/link")).expect("an own directory");
    symlink(place.path("images"), place.path("images/team/loop")).expect("an own directory");
    // A folder that is none, and one that looks like a layout and lies among blobs.
    fs::create_dir(place.path("images/none")).expect("an own directory");
    fs::create_dir(place.path("images/a/blobs/x")).expect("an own directory");
    fs::write(place.path("images/a/blobs/x/oci-layout"), "{}").expect("an own directory");
    let images = place.path("images");
    let listed = place.run(&["ls", "--recursive", arg(&images), "--format", "json"]);
    assert_status(&listed, 0);
    let lines = objects(&listed);
    let found: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["layout"].as_str())
        .collect();
    let expected = ["a", "a/nested/d", "team/b", "team/deep/er/c"].map(|dir| images.join(dir));
    assert_eq!(found, expected.each_ref().map(|path| arg(path)));

    let mut args = PRUNE.to_vec();
    args.extend(["--recursive", arg(&images)]);
    let pruned = place.dry_and_real_of(&args, 1, 0);
    for dir in &expected {
        assert_eq!(blobs(dir).len(), 3, "{pruned}");
    }
    assert_eq!(blobs(&place.path("elsewhere")).len(), 4, "{pruned}");
    assert_one_total(&pruned);
}

#[test]
fn one_layout_found_by_recursion_says_which_it_is_too() {
    // Whether there is one or more, a script reads the same.
    let place = Place::new();
    layout_with_garbage(&place, "images/a");
    let images = place.path("images");
    let line = object(&place.run(&["ls", "--recursive", arg(&images), "--format", "json"]));
    assert_eq!(line["layout"], arg(&images.join("a")));
}

#[test]
fn a_layout_that_is_named_in_two_ways_is_listed_once() {
    let place = Place::new();
    let (a, _) = layout_with_garbage(&place, "images/a");
    let images = place.path("images");
    let dir = arg(&a.dir);
    for args in [
        &["ls", "-q", "--layout", dir, "--layout", dir][..],
        &["ls", "-q", "--layout", dir, "--recursive", arg(&images)],
    ] {
        let listed = place.run(args);
        assert_status(&listed, 0);
        assert_eq!(listed.out.lines().count(), 1, "{listed}");
    }
}

#[test]
fn references_select_in_every_layout() {
    let place = Place::new();
    let mut layouts = Vec::new();
    for dir in ["a", "b"] {
        let mut layout = place.layout(dir);
        let [web, shop] = ["web", "shop"].map(|title| layout.image(&format!("{title} {dir}")));
        layout
            .named(&web, "docker.io/library/web:1")
            .named(&shop, "docker.io/library/shop:1")
            .finish();
        layouts.push(layout);
    }
    let mut args = vec!["ls", "web", "--format", "{{.Name}}"];
    for layout in &layouts {
        args.extend(["--layout", arg(&layout.dir)]);
    }
    let listed = place.run(&args);
    assert_status(&listed, 0);
    assert_eq!(listed.out, "web:1\nweb:1\n");
}

#[test]
fn nothing_below_a_directory_is_an_error_that_names_it() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).expect("an own directory");
    for dir in ["empty", "missing"] {
        for command in [&["ls"][..], &PRUNE] {
            let dir_path = place.path(dir);
            let mut args = command.to_vec();
            args.extend(["--recursive", arg(&dir_path)]);
            let finished = place.run(&args);
            assert_status(&finished, 1);
            assert_mentions(&finished, dir);
            assert_eq!(finished.out, "", "{finished}");
        }
    }
}

#[test]
fn commands_on_names_take_one_layout() {
    let place = Place::new();
    let (a, _) = layout_with_garbage(&place, "a");
    let (b, _) = layout_with_garbage(&place, "b");
    let before = place.tree();
    for command in ["rmi", "untag"] {
        let args = [
            command,
            "--layout",
            arg(&a.dir),
            "--layout",
            arg(&b.dir),
            "a:1",
        ];
        let refused = place.run(&args);
        assert_status(&refused, 2);
        assert_no_traces(&before, &place.tree(), &refused);
    }
}

// ---- prune, and layouts that cannot be pruned

#[test]
fn prune_prunes_each_layout_and_tells_one_total() {
    let place = Place::new();
    let (a, garbage_a) = layout_with_garbage(&place, "a");
    let (b, garbage_b) = layout_with_garbage(&place, "b");
    let pruned = place.dry_and_real_of(&prune_of(&[&a, &b]), 1, 0);
    assert_one_total(&pruned);
    let freed = garbage_a["size"].as_u64().zip(garbage_b["size"].as_u64());
    let expected = freed.map(|(a, b)| f64::from(u32::try_from(a + b).unwrap_or_default()));
    assert_eq!(pruned.reclaimed(), expected, "{pruned}");
    for layout in [&a, &b] {
        assert_eq!(blobs(&layout.dir).len(), 3);
        let again = place.run_in(&layout.dir, &PRUNE);
        assert!(again.said(false).is_nothing(), "{again}");
    }
}

#[test]
fn prune_says_above_its_lines_which_layout_they_are_about() {
    let place = Place::new();
    let mut layouts = Vec::new();
    for dir in ["a", "b"] {
        let (mut layout, _) = layout_with_garbage(&place, dir);
        let dangling = layout.image(&format!("dangling {dir}"));
        layout.unnamed(&dangling).finish();
        layouts.push((layout, dangling));
    }
    let all: Vec<&Layout> = layouts.iter().map(|(layout, _)| layout).collect();
    let pruned = place.dry_and_real_of(&prune_of(&all), 1, 0);
    let place_of = |text: &str| pruned.out.find(text).unwrap_or_else(|| panic!("{pruned}"));
    let mut places = Vec::new();
    for (layout, dangling) in &layouts {
        places.push(place_of(&format!("Layout: {}\n", arg(&layout.dir))));
        places.push(place_of(&format!("Deleted: {}", digest(dangling))));
    }
    assert!(places.is_sorted(), "{pruned}");
}

#[test]
fn prune_prints_an_object_for_each_layout_with_its_name() {
    let place = Place::new();
    let (a, garbage_a) = layout_with_garbage(&place, "a");
    let (b, garbage_b) = layout_with_garbage(&place, "b");
    let mut args = prune_of(&[&a, &b]);
    args.extend(["--format", "json", "--dry-run"]);
    let dry = objects(&place.run(&args));
    args.pop();
    let real = objects(&place.run(&args));
    for reports in [&dry, &real] {
        let found: Vec<(&str, &str)> = reports
            .iter()
            .filter_map(|report| {
                Some((
                    report["layout"].as_str()?,
                    report["deleted"][0]["digest"].as_str()?,
                ))
            })
            .collect();
        let expected = [
            (arg(&a.dir), digest(&garbage_a)),
            (arg(&b.dir), digest(&garbage_b)),
        ];
        assert_eq!(found, expected);
    }
}

/// What can be wrong with one layout of several.
type Damage = fn(&Layout);

const DAMAGES: [(&str, Damage); 4] = [
    ("index.json is torn", |layout| {
        fs::write(layout.dir.join("index.json"), r#"{"schemaVersion":2,"mani"#)
            .expect("an own file");
    }),
    ("index.json is gone", |layout| {
        fs::remove_file(layout.dir.join("index.json")).expect("an own file");
    }),
    ("the version is unknown", |layout| {
        fs::write(
            layout.dir.join("oci-layout"),
            r#"{"imageLayoutVersion":"9.0.0"}"#,
        )
        .expect("an own file");
    }),
    ("a manifest is damaged", |layout| {
        let target = digest(&layout.rows()[0]).to_owned();
        fs::write(blob_path(&layout.dir, &target), "{}").expect("an own file");
    }),
];

#[test]
fn a_damaged_layout_does_not_stop_the_others_and_the_status_tells() {
    // All at once: the program waits a second for an index.json that somebody may be writing.
    thread::scope(|scope| {
        for (what, damage) in DAMAGES {
            for at in 0..3 {
                scope.spawn(move || one_of_three_is_damaged(what, damage, at));
            }
        }
    });
}

fn one_of_three_is_damaged(what: &str, damage: Damage, at: usize) {
    let place = Place::new();
    let layouts =
        ["images/a", "images/b", "images/c"].map(|dir| layout_with_garbage(&place, dir).0);
    damage(&layouts[at]);
    let damaged_dir = &layouts[at].dir;
    let images = place.path("images");
    let before = Tree::of(damaged_dir);

    let listed = place.run(&["ls", "--recursive", arg(&images)]);
    assert_status(&listed, 12);
    for (number, dir) in ["a", "b", "c"].iter().enumerate() {
        let is_shown = listed.out.contains(&format!("images-{dir}:1"));
        assert!(is_shown || number == at, "{what}: {listed}");
    }

    let mut args = PRUNE.to_vec();
    args.extend(["--recursive", arg(&images)]);
    let pruned = place.dry_and_real_of(&args, 1, 12);
    assert_one_total(&pruned);
    assert_mentions(&pruned, arg(damaged_dir));
    for (number, layout) in layouts.iter().enumerate() {
        let expected = if number == at { 4 } else { 3 };
        assert_eq!(blobs(&layout.dir).len(), expected, "{what}: {pruned}");
    }
    let changes = before.changes(&Tree::of(damaged_dir));
    assert!(changes.is_empty(), "{what}: {changes:?}");
}

#[test]
fn a_layout_that_does_not_exist_does_not_stop_the_others() {
    let place = Place::new();
    let (a, _) = layout_with_garbage(&place, "a");
    let (b, _) = layout_with_garbage(&place, "b");
    let nowhere = place.path("nowhere");
    let layouts = [
        "--layout",
        arg(&a.dir),
        "--layout",
        arg(&nowhere),
        "--layout",
        arg(&b.dir),
    ];
    let mut args = vec!["ls", "--format", "{{.Name}}"];
    args.extend(layouts);
    let listed = place.run(&args);
    assert_status(&listed, 12);
    assert_eq!(listed.out, "a:1\nb:1\n");
    assert_mentions(&listed, "nowhere");
    let mut args = PRUNE.to_vec();
    args.extend(layouts);
    let pruned = place.dry_and_real_of(&args, 1, 12);
    assert_mentions(&pruned, "nowhere");
    assert_eq!((blobs(&a.dir).len(), blobs(&b.dir).len()), (3, 3));
    assert!(!nowhere.exists());
}

#[test]
fn a_layout_that_somebody_else_uses_is_left_and_the_others_are_pruned() {
    for at in 0..3 {
        let place = Place::new();
        let layouts: Vec<Layout> = ["a", "b", "c"]
            .map(|dir| layout_with_garbage(&place, dir).0)
            .into();
        let locked = File::open(&layouts[at].dir).expect("an own directory");
        flock(&locked, FlockOperation::NonBlockingLockExclusive).expect("a lock that nobody has");
        let all: Vec<&Layout> = layouts.iter().collect();
        let mut args = prune_of(&all);
        args.extend(["--lock-timeout", "50ms"]);
        let pruned = place.run(&args);
        assert_status(&pruned, 11);
        assert_one_total(&pruned);
        assert_mentions(&pruned, arg(&layouts[at].dir));
        for (number, layout) in layouts.iter().enumerate() {
            let expected = if number == at { 4 } else { 3 };
            assert_eq!(blobs(&layout.dir).len(), expected, "{pruned}");
        }
        let mut args = vec!["ls", "-q", "--lock-timeout", "50ms"];
        for layout in &layouts {
            args.extend(["--layout", arg(&layout.dir)]);
        }
        let listed = place.run(&args);
        assert_status(&listed, 11);
        assert_eq!(listed.out.lines().count(), 2, "{listed}");
    }
}

// ---- hard links

/// The same garbage in each of these layouts, in one file.
fn linked_garbage(layouts: &[&Layout]) -> Value {
    let garbage = layouts[0].blob(
        "text/plain",
        "the same file in several layouts\n".repeat(40),
    );
    for layout in &layouts[1..] {
        let [from, to] =
            [&layouts[0], layout].map(|layout| blob_path(&layout.dir, digest(&garbage)));
        fs::hard_link(from, to).expect("one file system");
    }
    garbage
}

fn empty_layout(place: &Place, dir: &str) -> Layout {
    let mut layout = place.layout(dir);
    let image = layout.image(dir);
    layout
        .named(&image, &format!("docker.io/library/{dir}:1"))
        .finish();
    layout
}

fn size_of(descriptor: &Value) -> u64 {
    descriptor["size"].as_u64().expect("a descriptor")
}

/// The member `freed_bytes` of each report, in a dry run and then in a real one.
fn freed(place: &Place, args: &[&str]) -> [Vec<u64>; 2] {
    let mut args = args.to_vec();
    args.extend(["--format", "json", "--dry-run"]);
    let of = |args: &[&str]| -> Vec<u64> {
        let finished = place.run(args);
        assert_status(&finished, 0);
        objects(&finished)
            .iter()
            .filter_map(|report| report["freed_bytes"].as_u64())
            .collect()
    };
    let dry = of(&args);
    args.pop();
    [dry, of(&args)]
}

#[test]
fn a_file_in_two_layouts_is_freed_once_and_with_the_last_of_them() {
    let place = Place::new();
    let [a, b] = ["a", "b"].map(|dir| empty_layout(&place, dir));
    let garbage = linked_garbage(&[&a, &b]);
    let expected = vec![0, size_of(&garbage)];
    assert_eq!(
        freed(&place, &prune_of(&[&a, &b])),
        [expected.clone(), expected]
    );
    for layout in [&a, &b] {
        assert!(!blobs(&layout.dir).contains(digest(&garbage)));
    }
}

/// Layouts enough that the last of them is pruned some ticks of the clock after the first.
const MANY: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[test]
fn a_file_in_many_layouts_goes_from_all_of_them_in_one_run() {
    // Unlinking one name of a file renews the status change time of its other names: they are no younger for that.
    let place = Place::new();
    let layouts = MANY.map(|dir| empty_layout(&place, dir));
    let all: Vec<&Layout> = layouts.iter().collect();
    let garbage = linked_garbage(&all);
    let pruned = place.dry_and_real_of(&prune_of(&all), 1, 0);
    for layout in &layouts {
        assert!(!blobs(&layout.dir).contains(digest(&garbage)), "{pruned}");
    }
    let total = pruned.reclaimed().unwrap_or_default();
    let size = f64::from(u32::try_from(size_of(&garbage)).unwrap_or_default());
    // Docker's units have three digits.
    assert!((total - size).abs() < size / 100.0, "{pruned}");
}

#[test]
fn an_image_without_a_name_in_many_layouts_goes_from_all_of_them_in_one_run() {
    let place = Place::new();
    let mut layouts = MANY.map(|dir| empty_layout(&place, dir));
    let dangling = layouts[0].image("dangling");
    let (first, others) = layouts.split_at_mut(1);
    first[0].unnamed(&dangling).finish();
    for layout in others {
        for digest in blobs(&first[0].dir) {
            let to = blob_path(&layout.dir, &digest);
            if !to.exists() {
                fs::hard_link(blob_path(&first[0].dir, &digest), to).expect("one file system");
            }
        }
        layout.unnamed(&dangling).finish();
    }
    let all: Vec<&Layout> = layouts.iter().collect();
    let pruned = place.dry_and_real_of(&prune_of(&all), 1, 0);
    for layout in &layouts {
        assert!(!blobs(&layout.dir).contains(digest(&dangling)), "{pruned}");
        assert_eq!(names(&layout.dir).len(), 1, "{pruned}");
    }
}

#[test]
fn a_file_that_another_layout_still_has_frees_nothing() {
    let place = Place::new();
    let [a, b, c] = ["a", "b", "c"].map(|dir| empty_layout(&place, dir));
    linked_garbage(&[&a, &b, &c]);
    assert_eq!(freed(&place, &prune_of(&[&a])), [vec![0], vec![0]]);
    // Of the two names that are left, one is not pruned.
    assert_eq!(freed(&place, &prune_of(&[&b])), [vec![0], vec![0]]);
}

#[test]
fn the_last_name_of_a_file_frees_it_whenever_the_others_went() {
    let place = Place::new();
    let [a, b] = ["a", "b"].map(|dir| empty_layout(&place, dir));
    let garbage = linked_garbage(&[&a, &b]);
    freed(&place, &prune_of(&[&a]));
    let size = size_of(&garbage);
    assert_eq!(freed(&place, &prune_of(&[&b])), [vec![size], vec![size]]);
}

#[test]
fn a_file_that_another_layout_needs_stays_there_and_frees_nothing() {
    let place = Place::new();
    let [a, mut b] = ["a", "b"].map(|dir| empty_layout(&place, dir));
    let needed = b.image("needed");
    b.named(&needed, "docker.io/library/needed:1").finish();
    let target = digest(&needed);
    fs::hard_link(blob_path(&b.dir, target), blob_path(&a.dir, target)).expect("one file system");
    assert_eq!(
        freed(&place, &prune_of(&[&a, &b])),
        [vec![0, 0], vec![0, 0]]
    );
    assert!(!blobs(&a.dir).contains(target) && blobs(&b.dir).contains(target));
    assert_status(&place.run_in(&b.dir, &["ls"]), 0);
}

#[test]
fn a_layout_that_failed_does_not_count_as_one_that_lost_the_file() {
    // Its name of the file is still there, so the bytes are too.
    let place = Place::new();
    let [a, b] = ["a", "b"].map(|dir| empty_layout(&place, dir));
    linked_garbage(&[&a, &b]);
    fs::write(a.dir.join("index.json"), "{").expect("an own file");
    let pruned = place.dry_and_real_of(&prune_of(&[&a, &b]), 1, 12);
    assert_eq!(pruned.reclaimed(), Some(0.0), "{pruned}");
}

// ---- layouts that share their blobs

/// How layouts share blobs.
#[derive(Clone, Copy, Debug)]
enum Sharing {
    /// `blobs` of each is a symbolic link to one directory.
    Links,
    /// `blobs/sha256` of each is a symbolic link to one directory.
    InnerLinks,
    /// The second one has no blobs directory, as with skopeo's shared blob directory.
    None,
}

/// Two layouts that share their blobs: an image of the first and one of the second, with a layer that both need, and
/// garbage that neither needs.
struct Shared {
    place: Place,
    first: Layout,
    second: Layout,
    of_first: Value,
    of_second: Value,
    garbage: Value,
}

impl Shared {
    /// Prunes both, and says that nobody else leads to the blobs.
    fn prune_of_both(&self) -> Vec<&str> {
        let mut args = vec!["prune", "--grace", "0s", "--jobs", "4"];
        for layout in [&self.first, &self.second] {
            let dir = arg(&layout.dir);
            args.extend(["--layout", dir, "--also-root", dir]);
        }
        args
    }

    fn new(sharing: Sharing) -> Self {
        let place = Place::new();
        let mut first = place.layout("first");
        let mut second = place.layout("second");
        let of_first = first.image_for("linux/amd64", "of first", &["base", "of first"]);
        let of_second = first.image_for("linux/amd64", "of second", &["base", "of second"]);
        let garbage = first.blob("text/plain", "garbage of both\n");
        first.named(&of_first, "docker.io/library/one:1").finish();
        second.named(&of_second, "docker.io/library/two:1").finish();
        let shared = place.path("shared");
        match sharing {
            Sharing::Links | Sharing::InnerLinks => {
                let (from, link) = match sharing {
                    Sharing::Links => ("blobs", "blobs"),
                    _ => ("blobs/sha256", "blobs/sha256"),
                };
                fs::rename(first.dir.join(from), &shared).expect("a name that is free");
                fs::remove_dir_all(second.dir.join(from)).expect("an own directory");
                for layout in [&first, &second] {
                    symlink(&shared, layout.dir.join(link)).expect("a name that is free");
                }
            }
            Sharing::None => {
                fs::remove_dir_all(second.dir.join("blobs")).expect("an own directory");
            }
        }
        Shared {
            place,
            first,
            second,
            of_first,
            of_second,
            garbage,
        }
    }

    fn blobs(&self) -> BTreeSet<String> {
        // Through the link, if it is one.
        let folder = fs::read_dir(self.first.dir.join("blobs/sha256")).expect("an own directory");
        folder
            .map(|entry| entry.expect("an own directory").file_name())
            .map(|name| format!("sha256:{}", name.to_string_lossy()))
            .collect()
    }
}

const LINKED: [Sharing; 2] = [Sharing::Links, Sharing::InnerLinks];
const SHARINGS: [Sharing; 3] = [Sharing::Links, Sharing::InnerLinks, Sharing::None];

#[test]
fn blobs_that_others_may_share_stay_with_the_reason_and_the_names_go() {
    for sharing in LINKED {
        let shared = Shared::new(sharing);
        let before = shared.blobs();
        let done = shared
            .place
            .dry_and_real(&shared.first.dir, &["rmi", "one:1"], 1);
        assert_eq!(done.said(false).untagged, ["one:1"], "{sharing:?}");
        assert!(done.said(false).deleted.is_empty(), "{done}");
        assert_mentions(&done, "symbolic link");
        assert!(names(&shared.first.dir).is_empty());
        assert_eq!(shared.blobs(), before);

        let shared = Shared::new(sharing);
        let before = shared.blobs();
        let done = shared.place.dry_and_real(&shared.first.dir, &PRUNE, 1);
        assert_mentions(&done, "symbolic link");
        assert_eq!(done.reclaimed(), Some(0.0), "{done}");
        assert_eq!(shared.blobs(), before);
    }
}

#[test]
fn prune_with_all_sharers_takes_the_garbage_of_all_and_what_any_needs_stays() {
    for sharing in SHARINGS {
        let shared = Shared::new(sharing);
        let mut expected = shared.blobs();
        let mut args = PRUNE.to_vec();
        args.extend(["--also-root", arg(&shared.second.dir)]);
        let done = shared.place.dry_and_real(&shared.first.dir, &args, 0);
        expected.remove(digest(&shared.garbage));
        assert_eq!(shared.blobs(), expected, "{sharing:?}: {done}");
        let size = f64::from(u32::try_from(size_of(&shared.garbage)).unwrap_or_default());
        assert_eq!(done.reclaimed(), Some(size), "{done}");
    }
}

#[test]
fn rmi_with_all_sharers_takes_the_image_and_leaves_what_the_others_need() {
    for sharing in SHARINGS {
        let shared = Shared::new(sharing);
        let args = ["rmi", "one:1", "--also-root", arg(&shared.second.dir)];
        let done = shared.place.dry_and_real(&shared.first.dir, &args, 0);
        assert_eq!(
            done.said(false).deleted,
            [digest(&shared.of_first)],
            "{sharing:?}"
        );
        let left = shared.blobs();
        assert!(left.contains(digest(&shared.of_second)), "{done}");
        // The image of the other layout with its config and two layers, and the garbage, which is none of rmi's.
        assert_eq!(left.len(), 5, "{sharing:?}: {done}");
        assert!(left.contains(digest(&shared.garbage)));
        assert_eq!(names(&shared.second.dir), ["docker.io/library/two:1"]);
    }
}

#[test]
fn an_image_that_a_sharer_has_too_loses_its_name_and_keeps_its_blobs() {
    for sharing in SHARINGS {
        let mut shared = Shared::new(sharing);
        let image = shared.of_second.clone();
        shared
            .first
            .named(&image, "docker.io/library/two:1")
            .finish();
        let before = shared.blobs();
        let args = ["rmi", "two:1", "--also-root", arg(&shared.second.dir)];
        let done = shared.place.dry_and_real(&shared.first.dir, &args, 0);
        assert_eq!(done.said(false).untagged, ["two:1"]);
        assert!(done.said(false).deleted.is_empty(), "{sharing:?}: {done}");
        assert_eq!(shared.blobs(), before, "{sharing:?}");
    }
}

#[test]
fn a_platform_that_a_sharer_needs_stays() {
    let place = Place::new();
    let mut first = place.layout("first");
    let mut second = place.layout("second");
    let [amd64, arm64] = ["linux/amd64", "linux/arm64"]
        .map(|platform| first.image_for(platform, platform, &[platform]));
    let app = first.index(&[&amd64, &arm64]);
    first.named(&app, "docker.io/library/app:1").finish();
    second.named(&arm64, "docker.io/library/arm:1").finish();
    fs::remove_dir_all(second.dir.join("blobs")).expect("an own directory");
    let before = blobs(&first.dir);
    let args = [
        "rmi",
        "app:1",
        "--platform",
        "linux/arm64",
        "--also-root",
        arg(&second.dir),
    ];
    let done = place.dry_and_real(&first.dir, &args, 0);
    assert_eq!(blobs(&first.dir), before, "{done}");
    let args = [
        "rmi",
        "app:1",
        "--platform",
        "linux/amd64",
        "--also-root",
        arg(&second.dir),
    ];
    place.dry_and_real(&first.dir, &args, 0);
    let left = blobs(&first.dir);
    assert!(!left.contains(digest(&amd64)) && left.contains(digest(&arm64)));
}

#[test]
fn referrers_that_only_a_sharer_lists_stay() {
    let place = Place::new();
    let mut first = place.layout("first");
    let mut second = place.layout("second");
    let image = first.image("image");
    let signature = first.referrer(&image, "signature");
    let other = first.image("other");
    first.named(&other, "docker.io/library/other:1").finish();
    second
        .named(&image, "docker.io/library/web:1")
        .unnamed(&signature)
        .finish();
    fs::remove_dir_all(second.dir.join("blobs")).expect("an own directory");
    let before = blobs(&first.dir);
    let mut args = PRUNE.to_vec();
    args.extend(["--also-root", arg(&second.dir)]);
    let done = place.dry_and_real(&first.dir, &args, 0);
    assert_eq!(blobs(&first.dir), before, "{done}");
}

#[test]
fn several_sharers_count_together() {
    let shared = Shared::new(Sharing::None);
    let mut third = shared.place.layout("third");
    let of_third = shared.first.image("of third");
    third.tagged(&of_third, "three").finish();
    fs::remove_dir_all(third.dir.join("blobs")).expect("an own directory");
    let mut expected = shared.blobs();
    expected.remove(digest(&shared.garbage));
    let mut args = PRUNE.to_vec();
    args.extend([
        "--also-root",
        arg(&shared.second.dir),
        "--also-root",
        arg(&third.dir),
    ]);
    shared.place.dry_and_real(&shared.first.dir, &args, 0);
    assert_eq!(shared.blobs(), expected);
}

#[test]
fn the_sharers_themselves_are_never_changed() {
    let shared = Shared::new(Sharing::None);
    let before = Tree::of(&shared.second.dir);
    for args in [
        &["rmi", "one:1"][..],
        &["prune", "--all", "--force", "--grace", "0s"],
    ] {
        let mut args = args.to_vec();
        args.extend(["--also-root", arg(&shared.second.dir)]);
        shared.place.dry_and_real(&shared.first.dir, &args, 0);
    }
    let traces = before.traces(&Tree::of(&shared.second.dir));
    assert!(traces.is_empty(), "{traces:?}");
}

#[test]
fn a_sharer_that_cannot_be_read_stops_everything() {
    let is_no_layout: Damage = |layout| {
        fs::remove_file(layout.dir.join("oci-layout")).expect("an own file");
    };
    thread::scope(|scope| {
        for sharing in SHARINGS {
            for damage in [DAMAGES[0].1, DAMAGES[1].1, DAMAGES[2].1, is_no_layout] {
                for command in [&["rmi", "one:1"][..], &PRUNE, &["prune", "--dry-run"]] {
                    scope.spawn(move || {
                        let shared = Shared::new(sharing);
                        damage(&shared.second);
                        let mut args = command.to_vec();
                        args.extend(["--also-root", arg(&shared.second.dir)]);
                        let refused = shared.place.refuses(&shared.first.dir, &args, 12);
                        assert_mentions(&refused, "second");
                        assert_eq!(refused.out, "", "{refused}");
                    });
                }
            }
        }
    });
}

#[test]
fn a_sharer_that_does_not_exist_stops_everything() {
    let shared = Shared::new(Sharing::Links);
    let nowhere = shared.place.path("nowhere");
    let mut args = PRUNE.to_vec();
    args.extend(["--also-root", arg(&nowhere)]);
    let refused = shared.place.refuses(&shared.first.dir, &args, 12);
    assert_mentions(&refused, "--also-root");
    assert_mentions(&refused, "nowhere");
}

#[test]
fn a_damaged_manifest_that_only_a_sharer_lists_stops_everything() {
    // What it needs is unknown, and may be what would be deleted.
    let shared = Shared::new(Sharing::None);
    let path = blob_path(&shared.first.dir, digest(&shared.of_second));
    fs::write(path, "{}").expect("an own file");
    for command in [&["rmi", "one:1"][..], &PRUNE] {
        let mut args = command.to_vec();
        args.extend(["--also-root", arg(&shared.second.dir)]);
        let refused = shared.place.refuses(&shared.first.dir, &args, 12);
        assert_mentions(&refused, digest(&shared.of_second));
    }
}

#[test]
fn a_layout_may_be_named_among_those_that_share_its_blobs() {
    // Whoever prunes each of them with one command line names all of them.
    let shared = Shared::new(Sharing::Links);
    let mut args = PRUNE.to_vec();
    args.extend(["--lock-timeout", "1s"]);
    for layout in [&shared.first, &shared.second] {
        args.extend(["--also-root", arg(&layout.dir)]);
    }
    let done = shared.place.run_in(&shared.first.dir, &args);
    assert_status(&done, 0);
    assert!(!shared.blobs().contains(digest(&shared.garbage)), "{done}");
    assert_eq!(shared.blobs().len(), 7);
}

#[test]
fn several_layouts_that_share_their_blobs_are_pruned_by_one_command() {
    let shared = Shared::new(Sharing::Links);
    let mut args = prune_of(&[&shared.first, &shared.second]);
    args.extend(["--lock-timeout", "1s"]);
    for layout in [&shared.first, &shared.second] {
        args.extend(["--also-root", arg(&layout.dir)]);
    }
    let done = shared.place.run(&args);
    assert_status(&done, 0);
    assert!(!shared.blobs().contains(digest(&shared.garbage)), "{done}");
    assert_eq!(shared.blobs().len(), 7);
}

/// PA2: a dry run and the question count what lies in a directory of several layouts once, as the real run does; and
/// what has a name elsewhere as well is not freed by being counted twice.
#[test]
fn what_several_layouts_lead_to_goes_once_also_in_a_dry_run() {
    for sharing in LINKED {
        for has_name_elsewhere in [false, true] {
            let shared = Shared::new(sharing);
            let mut size = size_of(&shared.garbage);
            if has_name_elsewhere {
                let garbage = blob_path(&shared.first.dir, digest(&shared.garbage));
                fs::hard_link(garbage, shared.place.path("elsewhere")).expect("one file system");
                size = 0;
            }
            let mut args = shared.prune_of_both();
            let asked: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            let asked = run_on_terminal(&asked, &shared.place.home(), "n\n");
            let sentence = format!("deletes 1 blob and frees {size}B.");
            assert_mentions(&asked, &sentence);
            args.push("--force");
            assert_eq!(freed(&shared.place, &args), [[size, 0], [size, 0]]);
        }
    }
}

/// The same after a yes.
#[test]
fn what_several_layouts_lead_to_goes_after_a_yes() {
    let shared = Shared::new(Sharing::Links);
    let args = shared.prune_of_both();
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let done = run_on_terminal(&args, &shared.place.home(), "y\n");
    assert_status(&done, 0);
    assert!(!shared.blobs().contains(digest(&shared.garbage)), "{done}");
    assert_eq!(shared.blobs().len(), 7);
}
