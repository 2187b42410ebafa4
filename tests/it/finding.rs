//! What is typed is found, or what would be found is said.

use std::fs;

use crate::support::contents::{arg, names};
use crate::support::layout::Layout;
use crate::support::place::{
    PRUNE, Place, assert_mentions, assert_no_traces, assert_says, assert_status,
};

/// A layout in the directory where the program runs, with the image `NAME:1`, where NAME is the last part
/// of the directory, and a blob that nothing leads to.
fn layout_here(place: &Place, dir: &str) -> Layout {
    let mut layout = place.layout(&format!("home/work/{dir}"));
    let name = dir.rsplit('/').next().unwrap_or_default();
    let image = layout.image(dir);
    layout
        .named(&image, &format!("docker.io/library/{name}:1"))
        .finish();
    layout.blob("text/plain", format!("unreferenced {dir}\n"));
    layout
}

/// What `ls --format '{{.Name}}'` prints with these arguments, each name once.
#[track_caller]
fn listed(place: &Place, args: &[&str]) -> Vec<String> {
    let args = [&["ls", "--format", "{{.Name}}", "--sort", "none"], args].concat();
    let finished = place.run(&args);
    assert_status(&finished, 0);
    finished.out.lines().map(str::to_owned).collect()
}

/// Runs what must fail so, say this, and change nothing.
#[track_caller]
fn fails(place: &Place, args: &[&str], status: i32, mentions: &[&str]) {
    let before = place.tree();
    let finished = place.run(args);
    assert_status(&finished, status);
    for text in mentions {
        assert_mentions(&finished, text);
    }
    assert_eq!(finished.out, "", "{finished}");
    assert_no_traces(&before, &place.tree(), &finished);
}

// ---- I1, I2: layouts as arguments

/// I1.
#[test]
fn check_and_prune_take_layouts_as_arguments() {
    let place = Place::new();
    for spelling in ["a", "./a", "a/", "oci:a", "oci:./a", "ocidir://a", "oci:a:"] {
        let layout = layout_here(&place, "a");
        layout_here(&place, "not-asked-for");
        let checked = place.run(&["check", spelling]);
        assert_status(&checked, 0);
        assert_eq!(checked.out.matches("1 entry").count(), 1, "{checked}");
        let pruned = place.run(&[&PRUNE, &[spelling][..]].concat());
        assert_status(&pruned, 0);
        assert_says(&pruned, "Deleted 1 blob");
        assert_eq!(names(&layout.dir).len(), 1);
        fs::remove_dir_all(&layout.dir).unwrap();
    }
    layout_here(&place, "a");
    let b = layout_here(&place, "b");
    // All at once, each once, beside those of the option.
    let finished = place.run(&["check", "a", "./a", "-l", arg(&b.dir)]);
    assert_status(&finished, 0);
    assert_eq!(finished.out.matches("1 entry").count(), 2, "{finished}");
    let finished = place.run(&[&PRUNE, &["a", "b"][..]].concat());
    assert_status(&finished, 0);
    assert_eq!(
        finished.err.matches("Deleted 1 blob").count(),
        2,
        "{finished}"
    );
}

/// I1.
#[test]
fn every_place_for_a_layout_takes_the_spellings_of_other_tools() {
    let place = Place::new();
    layout_here(&place, "a");
    layout_here(&place, "b");
    for args in [
        &["-l", "oci:a", "ls", "-q"][..],
        &["ls", "-q", "-l", "a"],
        &["rmi", "-n", "a:1", "-l", "a", "--also-root", "oci:b"],
        &["prune", "-n", "oci:a", "--also-root", "ocidir://b"],
    ] {
        let finished = place.run(args);
        assert_status(&finished, 0);
    }
    let policy = place.file("policy.toml", "[[rule]]\nkeep = true\n");
    let finished = place.run(&["policy", "check", arg(&policy), "oci:a"]);
    assert_status(&finished, 0);
    // What is called so literally comes first.
    layout_here(&place, "oci:b");
    assert_eq!(listed(&place, &["-l", "oci:b"]).len(), 1);
}

/// I1.
#[test]
fn an_image_is_no_layout_and_a_layout_no_image() {
    let place = Place::new();
    layout_here(&place, "a");
    let image = "`oci:a:a:1` names an image, where a layout is asked for";
    for args in [
        &["check", "oci:a:a:1"][..],
        &["prune", "-f", "oci:a:a:1"],
        &["ls", "-l", "oci:a:a:1"],
    ] {
        fails(&place, args, 2, &[image, "hint: oci:a names its layout"]);
    }
    for command in ["rmi", "untag", "why"] {
        let layout = "`oci:./a` names a layout, and no image";
        fails(
            &place,
            &[command, "oci:./a"],
            2,
            &[layout, "hint: oci:./a:REF"],
        );
    }
    let found = place.run(&["rmi", "-n", "oci:./a", "a:1"]);
    assert_status(&found, 0);
    assert_says(&found, "Would remove 1 entry");
}

/// I2.
#[test]
fn an_argument_of_ls_is_a_directory_or_a_name() {
    let place = Place::new();
    layout_here(&place, "store/acme/web");
    layout_here(&place, "store/b");
    let work = place.path("home/work");
    fs::rename(work.join("store/acme"), work.join("acme")).unwrap();
    fs::rename(work.join("store/b"), work.join("b")).unwrap();
    // There is nothing to look a name up in.
    for (args, expected) in [
        (&["acme/web"][..], &["web:1"][..]),
        (&["./acme/web"], &["web:1"]),
        (&["b"], &["b:1"]),
        (&["oci:b"], &["b:1"]),
        (&["oci:./b"], &["b:1"]),
        (&["oci:b:b:1"], &["b:1"]),
        (&["./b", "b:*"], &["b:1"]),
        (&["./b", "acme/web"], &["b:1", "web:1"]),
    ] {
        assert_eq!(listed(&place, args), expected, "{args:?}");
    }
    // Names come first where there is.
    let mut here = Layout::in_dir(&work);
    let image = here.image("here");
    for name in ["b:2", "oci:b"] {
        here.named(&image, &format!("docker.io/library/{name}"));
    }
    here.named(&image, "docker.io/acme/web:2").finish();
    for (args, expected) in [
        (&["b"][..], &["b:2"][..]),
        (&["oci:b"], &["oci:b"]),
        (&["./b"], &["b:1"]),
        (&["b/"], &["b:1"]),
        (&["."], &["b:2", "oci:b", "acme/web:2"]),
        (&["acme/web"], &["web:1"]),
        (&["acme/web", "-l", "."], &["acme/web:2"]),
    ] {
        assert_eq!(listed(&place, args), expected, "{args:?}");
    }
}

// ---- I3: what is no layout

/// I3.
#[test]
fn what_is_no_layout_is_said_to_be_what_it_is() {
    let place = Place::new();
    layout_here(&place, "store/a");
    layout_here(&place, "store/b/c");
    let lost = layout_here(&place, "lost");
    fs::remove_file(lost.dir.join("oci-layout")).unwrap();
    fs::create_dir_all(place.path("home/work/copied")).unwrap();
    place.file(
        "home/work/copied/version",
        "Directory Transport Version: 1.1\n",
    );
    place.file("home/work/copied/manifest.json", "{}");
    place.file("home/work/plain", "text");
    place.file("home/work/a.tar.gz", b"\x1f\x8b\x08rest");
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_path_with_name(lost.dir.join("index.json"), "index.json")
        .unwrap();
    place.file("home/work/a.tar", archive.into_inner().unwrap());
    for (dir, status, message, hint) in [
        (
            "a.tar",
            12,
            "`a.tar` is a tar archive",
            "tar -xf a.tar -C DIR",
        ),
        (
            "a.tar.gz",
            12,
            "`a.tar.gz` is a tar archive",
            "tar -xf a.tar.gz",
        ),
        ("plain", 12, "`plain` is no directory", "--layout DIR"),
        ("nope", 12, "there is no directory `nope`", "--layout DIR"),
        (
            "store",
            12,
            "it has no file `oci-layout`",
            "there are 2 layouts below, such as `store/a`",
        ),
        (
            "store/b",
            12,
            "no file `oci-layout`",
            "there is one layout below: `store/b/c`",
        ),
        (
            "lost",
            12,
            "it has index.json and blobs",
            "> lost/oci-layout",
        ),
        (
            "copied",
            12,
            "skopeo's own format",
            "skopeo copy dir:copied oci:DIR:TAG",
        ),
        (
            "docker://alpine:3",
            2,
            "an image in a registry",
            "skopeo copy --all docker://alpine:3",
        ),
        (
            "docker-daemon:alpine",
            2,
            "Docker's own store",
            "docker image rm alpine",
        ),
        (
            "containers-storage:alpine",
            2,
            "podman's own store",
            "podman image rm alpine",
        ),
        (
            "oci-archive:a.tar",
            2,
            "in a tar archive",
            "skopeo copy oci-archive:a.tar",
        ),
        (
            "docker-archive:a.tar",
            2,
            "in a tar archive",
            "skopeo copy docker-archive:a.tar",
        ),
        (
            "dir:copied",
            2,
            "skopeo's own format",
            "skopeo copy dir:copied",
        ),
    ] {
        for args in [
            &["check", dir][..],
            &["ls", "-l", dir],
            &["prune", "-f", dir],
        ] {
            fails(&place, args, status, &[message, hint]);
        }
    }
    // Where there is no layout to look a name up in, these are no names either.
    for dir in ["a.tar", "./a.tar", "./nope", "./store"] {
        fails(&place, &["ls", dir], 12, &[dir.trim_start_matches("./")]);
    }
}
