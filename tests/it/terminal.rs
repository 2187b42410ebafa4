//! How the tool talks: which stream a word goes to, how little is said on demand, and what many layouts
//! have said about them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::command::{in_layout, ocirm};
use crate::support::contents::{arg, blob_path, blobs, digest, names};
use crate::support::layout::Layout;
use crate::support::place::{
    PRUNE, PRUNE_ALL, Place, assert_mentions, assert_no_traces, assert_status, objects,
};
use crate::support::strace;
use crate::support::terminal::{run_on_terminal, written};

/// Two images that share a layer, one of them without a name, and a blob that nothing leads to.
fn ground(place: &Place, dir: &str) -> Layout {
    let mut layout = place.layout(dir);
    let app = layout.image("app");
    layout.named(&app, "docker.io/library/app:1");
    layout.named(&app, "docker.io/library/app:2");
    let lost = layout.image("lost");
    let dangling = format!("moby-dangling@{}", digest(&lost));
    layout.named(&lost, &dangling).finish();
    layout.blob("text/plain", "garbage\n");
    layout
}

/// Y1: a job that throws standard output away is silent as long as all is well.
#[test]
fn what_went_well_is_said_on_standard_output_alone() {
    for format in ["text", "json"] {
        for command in [
            &["prune", "--dry-run"][..],
            &["prune", "--force"],
            &PRUNE,
            &PRUNE,
            &["untag", "app:2"],
            &["rmi", "--dry-run", "app:1"],
            &["rmi", "--trash", "app:1"],
        ] {
            let place = Place::new();
            let layout = ground(&place, "layout");
            let args = [command, &["--format", format]].concat();
            let done = place.run_in(&layout.dir, &args);
            assert_status(&done, 0);
            assert_eq!(done.err, "", "{done}");
            assert!(!done.out.is_empty(), "{done}");
        }
    }
    // What was forgiven somebody may want to know.
    let place = Place::new();
    let layout = ground(&place, "layout");
    let done = place.succeeds(&layout.dir, &["rmi", "--ignore", "app:9"]);
    assert_eq!(done.err.matches("note: ").count(), 1, "{done}");
    assert_eq!(done.err.lines().count(), 1, "{done}");
    place.succeeds(&layout.dir, &["rmi", "--trash", "app:1", "app:2"]);
    for text in ["Brought back 2 entries", "There is nothing to restore."] {
        let done = place.succeeds(&layout.dir, &["restore"]);
        assert!(done.out.contains(text), "{done}");
        assert_eq!(done.err, "", "{done}");
    }
    let again = place.succeeds(&layout.dir, &PRUNE);
    let again = [again, place.succeeds(&layout.dir, &PRUNE)];
    assert_eq!(
        again[1].out,
        "Nothing was removed.\nTotal reclaimed space: 0B\n"
    );
}

/// Y1: what may not be as somebody thinks is a note on standard error, and in the JSON object.
#[test]
fn what_somebody_must_look_at_is_said_on_standard_error() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("nameless");
    layout.unnamed(&image).finish();
    let done = place.succeeds(&layout.dir, &PRUNE);
    assert!(
        done.err.starts_with("note: Left 1 image without a name"),
        "{done}"
    );
    let json = [&PRUNE[..], &["--format", "json"]].concat();
    let said = place.succeeds(&layout.dir, &json);
    let report = &objects(&said)[0];
    let remark = report["remarks"][0].as_str().unwrap();
    assert!(remark.starts_with("Left 1 image without a name"), "{said}");
    assert_eq!(report["notes"], Value::Array(Vec::new()), "{said}");
}

/// Y2: neither stream says anything, and the same happens.
#[test]
fn quiet_says_nothing_and_does_the_same() {
    for command in [
        &["prune", "--force"][..],
        &PRUNE,
        &PRUNE_ALL,
        &["prune", "--dry-run"],
        &["untag", "app:2"],
        &["rmi", "app:1", "app:2"],
        &["rmi", "--trash", "-f", "app:1"],
        &["restore"],
    ] {
        let (loud, quiet) = (Place::new(), Place::new());
        let (one, two) = (ground(&loud, "layout"), ground(&quiet, "layout"));
        if command == ["restore"] {
            for (place, layout) in [(&loud, &one), (&quiet, &two)] {
                place.succeeds(&layout.dir, &["rmi", "--trash", "app:2"]);
            }
        }
        loud.succeeds(&one.dir, command);
        let done = quiet.succeeds(&two.dir, &[command, &["-q"]].concat());
        assert_eq!((&*done.out, &*done.err), ("", ""), "{done}");
        assert_eq!(names(&one.dir), names(&two.dir), "{command:?}");
        assert_eq!(blobs(&one.dir), blobs(&two.dir), "{command:?}");
    }
}

/// Y2: what exit status 1 is about is said, and no warning beside it.
#[test]
fn quiet_says_what_failed_and_what_to_do() {
    let place = Place::new();
    let mut layout = ground(&place, "layout");
    let image = layout.image("nameless");
    layout.unnamed(&image).finish();
    let args = ["--no-lock", "rmi", "--quiet", "app:7", "app:1"];
    let done = place.run_in(&layout.dir, &args);
    assert_status(&done, 1);
    assert_eq!(done.out, "", "{done}");
    assert_mentions(&done, "No such image: app:7");
    assert!(!done.err.contains("warning"), "{done}");
    let left = names(&layout.dir);
    assert!(
        !left.contains(&"docker.io/library/app:1".to_owned()),
        "{done}"
    );
    // Nobody is asked where nobody sits, and that is an error like any other.
    let asked = place.refuses(&layout.dir, &["prune", "-q"], 2);
    assert_mentions(&asked, "--force");
}

/// Y2: what prints all and what prints nothing cannot both be meant.
#[test]
fn quiet_goes_with_no_other_way_to_print() {
    let place = Place::new();
    let layout = ground(&place, "layout");
    for args in [
        &["prune", "-f", "-q", "--verbose"][..],
        &["rmi", "app:1", "-q", "--verbose"],
        &["-v", "rmi", "app:1", "-q"],
        &["restore", "--quiet", "-v"],
    ] {
        let refused = place.refuses(&layout.dir, args, 2);
        assert_mentions(&refused, "cannot be used with");
    }
}

/// Y2: the objects are what was asked for, and beside them only what failed is said.
#[test]
fn quiet_json_is_the_objects_and_nothing_but_errors_beside_them() {
    let place = Place::new();
    let mut layout = place.layout("store/layout");
    let image = layout.image("nameless");
    let layout = layout.unnamed(&image).finish().dir.clone();
    let second = place.fixture("skopeo19-full-ref", "second");
    let store = place.path("store");
    for what in [
        &["--layout", arg(&layout)][..],
        &["--recursive", arg(&store)],
    ] {
        let json = [&["prune", "-f", "-n", "--format", "json"], what].concat();
        let told = place.run(&json);
        let quiet = place.run(&[&json[..], &["-q"]].concat());
        assert_status(&quiet, 0);
        assert_mentions(&told, "without a name");
        assert_eq!((&*quiet.out, &*quiet.err), (&*told.out, ""), "{quiet}");
    }
    for args in [
        &["untag", "nope", "-q", "--format", "json"][..],
        &["rmi", "nope", "-q", "--format", "json"],
        &["restore", "nope", "-q", "--format", "json"],
    ] {
        let done = place.run_in(&second, args);
        assert_status(&done, 1);
        assert_eq!(objects(&done).len(), 1, "{done}");
        assert_mentions(&done, "nope");
    }
}

/// Three layouts below `store`, one of which nothing is to be removed of.
fn store(place: &Place) -> [Layout; 3] {
    let mut whole = place.layout("store/whole");
    let image = whole.image("whole");
    whole.named(&image, "docker.io/library/whole:1").finish();
    [ground(place, "store/a"), ground(place, "store/b"), whole]
}

/// Y5: of many layouts each that changes has a line, and all have a total.
#[test]
fn many_layouts_have_a_line_each_if_they_change() {
    let place = Place::new();
    let layouts = store(&place);
    let store = place.path("store");
    let prune = [&PRUNE[..], &["--recursive", arg(&store)]].concat();
    let [a, b, whole] = layouts.each_ref().map(|layout| arg(&layout.dir));
    let line = |dir: &str, done: &str| format!("{dir}: {done}");
    let dry = place.run(&[&prune[..], &["-n"]].concat());
    let would = "would remove 1 entry of index.json, would delete";
    assert!(dry.out.starts_with(&line(a, would)), "{dry}");
    assert!(
        dry.out
            .contains("2 of 3 layouts would change: would remove 2 entries"),
        "{dry}"
    );
    let verbose = place.run(&[&prune[..], &["-n", "-v"]].concat());
    for dir in [a, b, whole] {
        assert!(
            verbose.out.contains(&format!("Layout: {dir}\n")),
            "{verbose}"
        );
    }
    assert!(verbose.out.contains("Would unlink: "), "{verbose}");
    let done = place.run(&prune);
    assert_status(&done, 0);
    assert_eq!(done.err, "", "{done}");
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines.len(), 4, "{done}");
    assert!(
        lines[0].starts_with(&line(a, "removed 1 entry of index.json, deleted")),
        "{done}"
    );
    assert!(
        lines[1].starts_with(&line(b, "removed 1 entry of index.json, deleted")),
        "{done}"
    );
    assert!(
        lines[2].starts_with("2 of 3 layouts changed: removed 2 entries of index.json"),
        "{done}"
    );
    let again = place.run(&prune);
    assert_eq!(
        again.out,
        "0 of 3 layouts changed.\nTotal reclaimed space: 0B\n"
    );
    let checked = place.run(&["check", "--recursive", arg(&store)]);
    assert_eq!(checked.out.lines().count(), 4, "{checked}");
    assert!(
        checked.out.ends_with("\n3 of 3 layouts are sound.\n"),
        "{checked}"
    );
    // What is damaged is said, although nothing leads to it.
    let lost = blob_path(
        &layouts[0].dir,
        digest(&layouts[0].blob("text/plain", "lost")),
    );
    fs::write(&lost, "tsol").unwrap();
    let checked = place.run(&["check", "--digests", "--recursive", arg(&store)]);
    assert!(
        checked.out.contains("unreferenced and damaged: "),
        "{checked}"
    );
}

/// Y5: what failed is said when it does, again at the end, and in JSON in its place.
#[test]
fn a_layout_that_fails_is_said_again_at_the_end_and_has_its_object() {
    let place = Place::new();
    let [a, b, _whole] = store(&place);
    fs::write(a.dir.join("index.json"), "{").unwrap();
    let store = place.path("store");
    let before = place.tree();
    for command in [&["check"][..], &["prune", "--dry-run", "--grace", "0s"]] {
        let args = [command, &["--recursive", arg(&store)]].concat();
        let done = place.run(&args);
        assert_status(&done, 12);
        let said: Vec<&str> = done.err.lines().collect();
        assert!(said[0].contains("in the layout"), "{done}");
        assert!(said.contains(&"ocirm: 1 of 3 layouts failed:"), "{done}");
        let last = said.last().unwrap();
        assert!(last.starts_with(&format!("  {}: ", arg(&a.dir))), "{done}");
        assert!(last.contains("index.json"), "{done}");
    }
    for command in [
        &["check", "--format", "json"][..],
        &["ls", "--format", "json"],
        &["prune", "--dry-run", "--format", "json"],
    ] {
        let args = [command, &["--recursive", arg(&store)]].concat();
        let done = place.run(&args);
        assert_status(&done, 12);
        let all = objects(&done);
        let of = |dir| {
            all.iter()
                .filter(|o| o["layout"] == arg(dir))
                .collect::<Vec<_>>()
        };
        assert!(!of(&b.dir).is_empty(), "{done}");
        let failed = of(&a.dir);
        assert_eq!(failed.len(), 1, "{done}");
        assert_eq!(failed[0]["errors"][0]["class"], "layout", "{done}");
        let message = failed[0]["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("index.json") && !message.contains("in the layout"),
            "{done}"
        );
    }
    assert_no_traces(&before, &place.tree(), &place.run(&["--version"]));
}

/// Y3: work that takes long is seen on a terminal, and not on what is none; in the end nothing is left of it.
#[test]
fn progress_of_long_work_is_seen_and_goes_away() {
    if !strace::is_here() {
        return;
    }
    // Each of more than forty blobs takes longer than a fiftieth of what is called long.
    let slow = "unlinkat:delay_enter=30000";
    for (term, options, is_seen) in [
        ("xterm", &["--format", "json"][..], true),
        ("xterm", &[], true),
        ("xterm", &["-q"], false),
        ("dumb", &[], false),
    ] {
        let place = Place::new();
        let layout = ground(&place, "layout");
        for number in 0..40 {
            layout.blob("text/plain", format!("garbage {number}"));
        }
        let args = in_layout(&layout.dir, &[&PRUNE[..], options].concat());
        let mut command = strace::injected(slow, Path::new("/dev/null"), &args, &place.home());
        command.env("TERM", term);
        let seen = written(command, 80);
        assert!(
            seen.status.is_some_and(|status| status.success()),
            "{}",
            seen.err
        );
        assert_eq!(seen.err.contains("Deleting: "), is_seen, "{}", seen.err);
        assert_eq!(seen.err.contains(" of 44 blobs, "), is_seen, "{}", seen.err);
        assert_eq!(seen.left().trim(), "", "{}", seen.err);
        assert_eq!(blobs(&layout.dir).len(), 3, "{}", seen.err);
    }
}

/// Y3: what is soon over shows nothing.
#[test]
fn short_work_shows_no_progress() {
    let place = Place::new();
    let layout = ground(&place, "layout");
    for command in [&["check", "--digests"][..], &["ls"], &PRUNE] {
        let mut command = ocirm(&in_layout(&layout.dir, command), &place.home());
        command.env("TERM", "xterm");
        let seen = written(command, 80);
        assert!(!seen.err.contains('\r'), "{:?}", seen.err);
        assert!(!seen.out.contains('\u{1b}'), "{:?}", seen.out);
    }
}

/// How wide the widest line is. What is shown here takes a column a letter.
fn widest(text: &str) -> usize {
    let lines = text
        .lines()
        .map(|line| line.trim_end_matches('\r').chars().count());
    lines.max().unwrap_or_default()
}

/// Y7: on a terminal no row is wider than that, and on anything else nothing is cut.
#[test]
fn a_row_fits_into_the_columns_of_a_terminal() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"];
    let images = platforms.map(|platform| layout.image_for(platform, platform, &["base"]));
    let index = layout.index(&images.each_ref());
    let short = "docker.io/library/app:1";
    let long = "registry.example.com/department/group/project/service-with-a-long-name:1.20.3-rc.4";
    layout.named(&index, short).named(&index, long).finish();
    let whole = place.succeeds(&layout.dir, &["ls"]);
    assert!(whole.out.contains(long), "{whole}");
    assert!(whole.out.contains(&platforms.join(", ")), "{whole}");
    let look = |args: &[&str], columns: u16| {
        let seen = written(ocirm(&in_layout(&layout.dir, args), &place.home()), columns);
        assert_eq!(seen.err, "", "{}", seen.out);
        seen.out
    };
    for columns in [70, 80, 120, 160] {
        for args in [&["ls"][..], &["ls", "--tree"]] {
            let shown = look(args, columns);
            assert!(widest(&shown) <= columns.into(), "{columns}: {shown}");
        }
        if columns < 80 {
            continue;
        }
        let shown = look(&["ls"], columns);
        assert!(shown.contains("app:1 "), "{shown}");
        assert!(shown.contains("linux/amd64 +3 "), "{shown}");
        assert!(shown.contains("-rc.4 "), "{shown}");
    }
    // With room for the names, the platforms alone are shortened.
    let shown = look(&["ls"], 170);
    assert!(
        shown.contains(long) && shown.contains("linux/amd64 +3"),
        "{shown}"
    );
    let shown = look(&["ls"], 400);
    assert!(shown.contains(&platforms.join(", ")), "{shown}");
}

/// Y7: sentences and messages go on between words, whole to the letter.
#[test]
fn messages_break_between_words() {
    let place = Place::new();
    let layout = ground(&place, "layout");
    for (args, color) in [
        (&["prune", "-n"][..], "never"),
        (
            &[
                "rmi",
                "-n",
                "app:1",
                "nothing:1",
                "--platform",
                "linux/none",
            ],
            "never",
        ),
        (
            &[
                "rmi",
                "-n",
                "app:1",
                "nothing:1",
                "--platform",
                "linux/none",
            ],
            "always",
        ),
        (&["why", "app:1"], "never"),
        (&["check", "-v"], "never"),
    ] {
        let args = [args, &["--color", color]].concat();
        let whole = place.run_in(&layout.dir, &args);
        let seen = written(ocirm(&in_layout(&layout.dir, &args), &place.home()), 60);
        for (terminal, pipe) in [(&seen.out, &whole.out), (&seen.err, &whole.err)] {
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(terminal), words(pipe), "{args:?}");
            for line in terminal
                .lines()
                .filter(|line| !line.contains('`') && color == "never")
            {
                let is_one = line.trim().split(' ').count() < 3;
                assert!(widest(line) <= 60 || is_one, "{line}");
            }
        }
    }
}

/// Y4: the question is about a list with names, IDs, ages and sizes, and no changes nothing.
#[test]
fn prune_lists_what_it_asks_about_and_says_that_nothing_was_changed() {
    let place = Place::new();
    let mut layout = ground(&place, "layout");
    let lost = layout.image("lost");
    layout
        .dated(
            &layout.image("old"),
            "docker.io/library/old:1",
            "2020-01-01T00:00:00Z",
        )
        .finish();
    let id = &digest(&lost)["sha256:".len()..][..12];
    let args = |options: &[&str]| {
        in_layout(
            &layout.dir,
            &[&["prune", "--grace", "0s"], options].concat(),
        )
    };
    let before = place.tree();
    let asked = run_on_terminal(&args(&[]), &place.home(), "n\n");
    assert_status(&asked, 0);
    assert_no_traces(&before, &place.tree(), &asked);
    let lines: Vec<&str> = asked.err.lines().map(str::trim_end).collect();
    assert!(
        lines[0].starts_with("IMAGE") && lines[0].ends_with("SIZE"),
        "{asked}"
    );
    assert!(
        lines[1].starts_with("<dangling>") && lines[1].contains(id),
        "{asked}"
    );
    assert!(lines[1].contains(" ago"), "{asked}");
    assert!(
        lines[2].starts_with("This removes 1 image, deletes "),
        "{asked}"
    );
    assert!(asked.err.ends_with("Nothing was changed.\n"), "{asked}");
    assert_eq!(asked.out, "", "{asked}");
    let all = run_on_terminal(&args(&["--all", "--keep", "app:1"]), &place.home(), "n\n");
    for name in ["app:2 ", "old:1 ", "<dangling> "] {
        assert_eq!(
            all.err
                .lines()
                .filter(|line| line.starts_with(name))
                .count(),
            1,
            "{all}"
        );
    }
    assert!(
        !all.err.lines().any(|line| line.starts_with("app:1 ")),
        "{all}"
    );
    let sentence =
        "This removes 2 images, takes 1 name from images that stay, deletes 7 blobs and frees ";
    assert!(all.err.contains(sentence), "{all}");
    // What was shown goes.
    let done = run_on_terminal(&args(&["--all", "--keep", "app:1"]), &place.home(), "y\n");
    assert_status(&done, 0);
    assert!(done.out.contains("Untagged: old:1"), "{done}");
    assert!(!done.err.contains("Nothing was changed."), "{done}");
    assert_eq!(names(&layout.dir), ["docker.io/library/app:1"], "{done}");
}

/// Y4: who filters and forgets `--all` is told what that is about.
#[test]
fn a_filter_without_all_says_that_images_with_a_name_stay() {
    let place = Place::new();
    let layout = ground(&place, "layout");
    let before = names(&layout.dir);
    for (filter, is_said) in [
        ("until=2030-01-01", true),
        ("label=a", true),
        ("reference=app", true),
        ("dangling=true", false),
        ("broken=true", false),
    ] {
        let done = place.succeeds(&layout.dir, &["prune", "-n", "--filter", filter]);
        assert_eq!(
            done.out.contains("images with a name stay"),
            is_said,
            "{done}"
        );
        let all = place.run_in(&layout.dir, &["prune", "-n", "--all", "--filter", filter]);
        assert!(!all.out.contains("images with a name stay"), "{all}");
    }
    assert_eq!(names(&layout.dir), before);
}

/// Y6: a directory that lacks nothing but `oci-layout` is not passed over in silence.
#[test]
fn a_directory_that_is_nearly_a_layout_is_named() {
    let place = Place::new();
    let [a, ..] = store(&place);
    fs::remove_file(a.dir.join("oci-layout")).unwrap();
    let store = place.path("store");
    for command in [&["ls"][..], &["check"], &["prune", "-f"]] {
        let done = place.run(&[command, &["--recursive", arg(&store)]].concat());
        assert_status(&done, 0);
        assert_eq!(done.err.lines().count(), 1, "{done}");
        assert!(done.err.starts_with("warning: `"), "{done}");
        assert_mentions(
            &done,
            &format!(
                "{}` has index.json and blobs but no oci-layout",
                arg(&a.dir)
            ),
        );
    }
    let quiet = place.run(&["prune", "-q", "-f", "--recursive", arg(&store)]);
    assert_eq!((&*quiet.out, &*quiet.err), ("", ""), "{quiet}");
}
