//! What takes the disk, in which order images are listed, and what the trash holds.

use serde_json::Value;

use crate::support::contents::arg;
use crate::support::place::{Place, fixtures, objects};
use crate::support::terminal::run_on_terminal;

/// The lines of `ls` in JSON.
fn listed(place: &Place, layout: &std::path::Path, more: &[&str]) -> Vec<Value> {
    let args = [&["ls", "--all", "--format", "json"][..], more].concat();
    let mut done = place.run_in(layout, &args);
    done.err.clear();
    objects(&done)
}

/// Z7: every order is one of the same lines, what is equal stands as by age, and the other way round is
/// just that, for IDs alone as well.
#[test]
fn lists_stand_in_the_order_that_was_asked_for() {
    for fixture in fixtures() {
        let place = Place::new();
        let layout = place.fixture(&fixture, "layout");
        let by_age = listed(&place, &layout, &[]);
        for order in ["created", "size", "unique", "name", "none"] {
            let lines = listed(&place, &layout, &["--sort", order]);
            let mut expected = match order {
                "none" => listed(&place, &layout, &["--sort", "none"]),
                _ => by_age.clone(),
            };
            let number = |line: &Value| u64::MAX - line[order].as_u64().unwrap_or_default();
            match order {
                "size" | "unique" => expected.sort_by_key(number),
                // What has no name comes last; how names stand is a matter of its own.
                "name" => {
                    expected = lines.clone();
                    let nameless = lines.iter().map(|line| line["name"].is_null());
                    assert!(nameless.is_sorted(), "{fixture}");
                }
                _ => {}
            }
            assert_eq!(lines, expected, "{fixture} {order}");
            let mut reversed = listed(&place, &layout, &["--sort", order, "--reverse"]);
            let ids = |more: &[&str]| {
                let args = ["ls", "-a", "-q", "--no-trunc", "--sort", order];
                place.run_in(&layout, &[&args[..], more].concat()).out
            };
            let each_once = |lines: &[Value]| {
                let mut ids: Vec<String> = Vec::new();
                for line in lines {
                    let id = line["digest"].as_str().unwrap().to_owned();
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                ids.iter().map(|id| format!("{id}\n")).collect::<String>()
            };
            assert_eq!(ids(&[]), each_once(&lines), "{fixture} {order}");
            assert_eq!(
                ids(&["--reverse"]),
                each_once(&reversed),
                "{fixture} {order}"
            );
            reversed.reverse();
            assert_eq!(lines, reversed, "{fixture} {order}");
        }
    }
}

/// Z7
#[test]
fn names_stand_by_repository_then_tag_and_numbers_by_their_values() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for tag in ["1.10", "1.9", "latest"] {
        let image = layout.image(tag);
        layout.named(&image, &format!("docker.io/library/app:{tag}"));
        layout.named(&image, &format!("docker.io/library/app-x:{tag}"));
    }
    let nameless = layout.image("nameless");
    layout.unnamed(&nameless).finish();
    let sorted = |more: &[&str]| {
        let args = ["ls", "--format", "{{.Name}}", "--sort", "name"];
        place.succeeds(&layout.dir, &[&args[..], more].concat()).out
    };
    let expected =
        "app:1.9\napp:1.10\napp:latest\napp-x:1.9\napp-x:1.10\napp-x:latest\n<dangling>\n";
    assert_eq!(sorted(&[]), expected);
    let reversed: String = expected.lines().rev().map(|l| format!("{l}\n")).collect();
    assert_eq!(sorted(&["--reverse"]), reversed);
}

/// Z8: only who reads a table is told how much it is.
#[test]
fn a_table_on_a_terminal_ends_with_how_much_it_is() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (one, two) = (layout.image("one"), layout.image("two"));
    layout
        .tagged(&one, "one")
        .tagged(&one, "again")
        .tagged(&two, "two")
        .finish();
    // What nothing leads to takes the disk all the same.
    layout.blob("", vec![b'x'; 3_000_000]);
    let on_terminal = |more: &[&str]| {
        let args = [&["--layout", arg(&layout.dir), "ls"], more].concat();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        run_on_terminal(&args, &place.home(), "").out
    };
    let table = on_terminal(&[]);
    let foot = "\n2 images; the layout has 3MB in 7 blobs\n";
    assert!(table.ends_with(foot), "{table}");
    let one_image = on_terminal(&["one"]);
    assert!(
        one_image.contains("\n1 image; the layout has "),
        "{one_image}"
    );
    let piped = place.succeeds(&layout.dir, &["ls"]);
    assert_eq!(piped.out.lines().count(), 4, "{piped}");
    for more in [
        &["--format", "json"][..],
        &["-q"],
        &["--format", "{{.ID}}"],
        &["--tree"],
    ] {
        let out = on_terminal(more);
        assert!(!out.contains("image;"), "{out}");
    }
    let twice = ["--layout", arg(&layout.dir), "--layout"];
    let other = place.fixture("umoci04-tags", "other");
    let mut args = twice.to_vec();
    args.extend([arg(&other), "ls"]);
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let several = run_on_terminal(&args, &place.home(), "").out;
    assert!(several.ends_with(" in 2 layouts\n"), "{several}");
}
