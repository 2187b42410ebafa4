//! Files that have a name and are not there when they are opened: on a disk that several machines use, another one may
//! have replaced them a moment ago. strace says so in its place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::command::{Finished, in_layout};
use crate::support::contents::{Stock, blob_path, blobs, digest, names};
use crate::support::far::far;
use crate::support::layout::Layout;
use crate::support::place::{PRUNE, PRUNE_ALL, Place, assert_mentions, assert_status};
use crate::support::skipped::skipped;
use crate::support::strace;

/// What the kernel says of a file whose name leads to one that was replaced.
const ANSWERS: [&str; 2] = ["ENOENT", "ESTALE"];

/// Each way of choosing what goes. Without the document all of them would delete what `stays` needs.
const COMMANDS: [&str; 7] = [
    "prune --force --grace 0s",
    "prune --force --grace 0s --all --keep stays",
    "prune --force --grace 0s --all --keep-last 5",
    "prune --force --grace 0s --all --max-size 1kB --keep stays",
    "prune --force --grace 0s --filter broken=true",
    "rmi goes",
    "rmi --trash goes",
];

/// Two images that have a layer in common.
fn two_images(layout: &mut Layout) -> (Value, Value) {
    let image = |title: &str| layout.image_for("linux/amd64", title, &["common", title]);
    let (stays, goes) = (image("stays"), image("goes"));
    layout
        .tagged(&stays, "stays")
        .tagged(&goes, "goes")
        .finish();
    (stays, goes)
}

/// Runs the program; opening the file of a blob fails so, each time or (`:when=`) some of the times.
fn without(place: &Place, layout: &Path, blob: &Value, answer: &str, args: &[&str]) -> Finished {
    let (_, name) = digest(blob).split_once(':').expect("a digest");
    let inject = format!("inject=openat:error={answer}");
    let fail = [
        "-P",
        name,
        "-e",
        "trace=openat",
        "-e",
        &inject,
        "-o",
        "/dev/null",
    ];
    strace::run(&fail, &in_layout(layout, args), &place.home())
}

#[track_caller]
fn assert_nothing_goes_without(place: &Place, dir: &Path, stays: &Value) {
    let (all, named) = (blobs(dir), names(dir));
    for answer in ANSWERS {
        for command in COMMANDS {
            let args: Vec<&str> = command.split(' ').collect();
            let done = without(place, dir, stays, answer, &args);
            assert_status(&done, 12);
            assert_mentions(&done, digest(stays));
            assert_mentions(&done, "is unreadable: ");
            assert_eq!(
                (blobs(dir), names(dir)),
                (all.clone(), named.clone()),
                "{done}"
            );
        }
    }
}

/// Q18: what cannot be opened although it has a name is neither missing nor broken, so nothing is deleted.
#[test]
fn nothing_goes_while_a_document_has_a_name_and_no_file() {
    if !strace::is_here() {
        return skipped("there is no strace, or it may not trace");
    }
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (stays, _) = two_images(&mut layout);
    assert_nothing_goes_without(&place, &layout.dir, &stays);
}

/// Q18: where other machines can be at work the directory is listed.
#[test]
fn nothing_goes_on_a_far_disk_while_a_document_has_a_name_and_no_file() {
    if !strace::is_here() {
        return skipped("there is no strace, or it may not trace");
    }
    let place = Place::new();
    let Some(_disk) = far(&place.path("near"), &place.path("far"), Duration::ZERO) else {
        return;
    };
    let mut layout = Layout::in_dir(&place.path("far/layout"));
    let (stays, _) = two_images(&mut layout);
    assert_nothing_goes_without(&place, &layout.dir, &stays);
}

/// Q18: the next look finds it.
#[test]
fn what_is_there_at_the_next_look_was_never_gone() {
    if !strace::is_here() {
        return skipped("there is no strace, or it may not trace");
    }
    for answer in ANSWERS {
        for command in COMMANDS {
            let args: Vec<&str> = command.split(' ').collect();
            let place = Place::new();
            let mut layout = place.layout("layout");
            let (stays, _) = two_images(&mut layout);
            let all = blobs(&layout.dir);
            let of_stays = Stock::of(&layout.dir).below([digest(&stays)]);
            let done = without(
                &place,
                &layout.dir,
                &stays,
                &format!("{answer}:when=1"),
                &args,
            );
            assert_status(&done, 0);
            let left = blobs(&layout.dir);
            assert!(of_stays.is_subset(&left), "{done}");
            assert_eq!(
                left.is_superset(&all),
                names(&layout.dir).len() == 2,
                "{done}"
            );
        }
    }
}

/// Q18: a name that is a link to nowhere is no file that somebody replaced, and what is in no list is missing.
#[test]
fn what_is_gone_from_the_list_is_missing_and_so_is_a_link_to_nowhere() {
    for is_link in [false, true] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (stays, _) = two_images(&mut layout);
        let path = blob_path(&layout.dir, digest(&stays));
        fs::remove_file(&path).expect("an own file");
        if is_link {
            symlink("nowhere", &path).expect("an own directory");
        }
        let done = place.run_in(&layout.dir, &PRUNE);
        assert_status(&done, 0);
        assert_eq!(names(&layout.dir), ["stays", "goes"], "{done}");
    }
}

/// Q18: a config by which images are chosen, and an unreferenced blob that may be about something that stays.
#[test]
fn nothing_is_chosen_by_what_has_a_name_and_no_file() {
    if !strace::is_here() {
        return skipped("there is no strace, or it may not trace");
    }
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (stays, _) = two_images(&mut layout);
    let manifest = fs::read(blob_path(&layout.dir, digest(&stays))).expect("a blob");
    let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
    let list = layout.blob("text/spdx", "a list of what is in it");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let referrer = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": list, "layers": [list], "subject": stays,
    });
    let referrer = layout.blob(media_type, referrer.to_string());
    let all = blobs(&layout.dir);
    for answer in ANSWERS {
        for (blob, more) in [
            (&manifest["config"], &["--all", "--keep-last", "1"][..]),
            (&manifest["config"], &["--filter", "label!=x", "--all"]),
            (&referrer, &[]),
        ] {
            let args = [&PRUNE[..], more].concat();
            let done = without(&place, &layout.dir, blob, answer, &args);
            assert_status(&done, 12);
            assert_mentions(&done, digest(blob));
            assert_mentions(&done, "is unreadable: ");
            assert_eq!(blobs(&layout.dir), all, "{done}");
        }
    }
    // What is there at the next look was never gone.
    let more = ["--all", "--keep-last", "5"];
    for (blob, more) in [(&referrer, &[][..]), (&manifest["config"], &more)] {
        let args = [&PRUNE[..], more].concat();
        let done = without(&place, &layout.dir, blob, "ENOENT:when=1", &args);
        assert_status(&done, 0);
        assert_eq!(blobs(&layout.dir), all, "{done}");
    }
    assert_status(&place.run_in(&layout.dir, &PRUNE_ALL), 0);
}
