//! What is typed is found, or what would be found is said.

use std::fs;

use crate::support::contents::{arg, blobs, digest, id, names};
use crate::support::each::each;
use crate::support::layout::Layout;
use crate::support::place::{
    PRUNE, Place, assert_mentions, assert_no_traces, assert_says, assert_status, fixtures,
};

/// A layout in the directory where the program runs, with the image `NAME:1`, where NAME is the last part
/// of the directory, and a blob that nothing leads to.
fn layout_here(place: &Place, dir: &str) -> Layout {
    let mut layout = place.layout(&format!("home/here/{dir}"));
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
        finished.out.matches("Deleted 1 blob").count(),
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
    // Nor is it a directory that happens to be called like the layout and the name together.
    let odd = layout_here(&place, "a:a:1");
    let before = blobs(&odd.dir);
    let pruned = [&PRUNE, &["oci:a:a:1"][..]].concat();
    fails(&place, &pruned, 2, &[image, "hint: oci:a names its layout"]);
    assert_eq!(blobs(&odd.dir), before);
    fs::remove_dir_all(&odd.dir).unwrap();
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
    let work = place.path("home/here");
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
        // A repository, and the tag of one entry, which `rmi` would find.
        (&["b"][..], &["b:2", "oci:b"][..]),
        (&["oci:b"], &["oci:b"]),
        (&["./b"], &["b:1"]),
        (&["b/"], &["b:1"]),
        (&["."], &["b:2", "oci:b", "acme/web:2"]),
        (&["acme/web"], &["acme/web:2"]),
        (&["./acme/web"], &["web:1"]),
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
    fs::create_dir_all(place.path("home/here/copied")).unwrap();
    place.file(
        "home/here/copied/version",
        "Directory Transport Version: 1.1\n",
    );
    place.file("home/here/copied/manifest.json", "{}");
    place.file("home/here/plain", "text");
    place.file("home/here/a.tar.gz", b"\x1f\x8b\x08rest");
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_path_with_name(lost.dir.join("index.json"), "index.json")
        .unwrap();
    place.file("home/here/a.tar", archive.into_inner().unwrap());
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
            &["prune", dir, "-f"],
        ] {
            fails(&place, args, status, &[message, hint]);
        }
    }
    let nope = "there is no directory `nope`";
    fails(&place, &["ls", "-l", "nope"], 12, &[nope, "--layout DIR"]);
    for command in ["check", "prune"] {
        fails(&place, &[command, "nope"], 2, &[nope, "`ocirm rmi`"]);
    }
    // Where there is no layout to look a name up in, these are no names either.
    for dir in ["a.tar", "./a.tar", "./nope", "./store"] {
        fails(&place, &["ls", dir], 12, &[dir.trim_start_matches("./")]);
    }
}

// ---- I4: ls finds what rmi finds

/// A layout with names of all kinds. The images of `shop/web:2` and of `abcd` have IDs that begin so.
fn many_names(place: &Place) -> (Layout, Vec<serde_json::Value>) {
    let mut layout = place.layout("layout");
    let web = layout.image("web");
    let other = layout.with_digits(&layout.image("other"), "abcd");
    let same = layout.with_digits(&layout.image("same"), "abcd");
    layout
        .named(&web, "docker.io/library/web:1")
        .named(&web, "docker.io/library/web:1.1")
        .named(&other, "registry.example.com/shop/web:2")
        .named(&same, "docker.io/library/abcd:latest")
        .tagged(&web, "v1")
        .finish();
    (layout, vec![web, other, same])
}

/// I4. What `rmi` finds, `ls` finds; what it does not, `ls` does not either, and says the same.
#[test]
fn ls_finds_what_rmi_finds() {
    let place = Place::new();
    let (layout, images) = many_names(&place);
    let dir = arg(&layout.dir);
    let web = digest(&images[0]);
    let (short, id) = (&web["sha256:".len()..][..12], &web["sha256:".len()..]);
    let of_web = "web:1 web:1.1 v1";
    let in_place = format!("oci:{dir}:web:1");
    let by_digest = format!("web@{web}");
    for (reference, expected) in [
        ("web:1", "web:1"),
        ("docker.io/library/web:1", "web:1"),
        ("web", "web:1 web:1.1"),
        (
            "registry.example.com/shop/web",
            "registry.example.com/shop/web:2",
        ),
        ("v1", "v1"),
        ("2", "registry.example.com/shop/web:2"),
        (short, of_web),
        (id, of_web),
        (web, of_web),
        (&by_digest, "web:1 web:1.1"),
        (&in_place, "web:1"),
        ("web:*", "web:1 web:1.1"),
        // Two IDs begin so, and a name is that.
        ("abcd", "registry.example.com/shop/web:2 abcd:latest"),
    ] {
        let args: &[&str] = match reference.starts_with("oci:") {
            true => &[reference],
            false => &["-l", dir, reference],
        };
        let expected: Vec<&str> = expected.split(' ').collect();
        assert_eq!(listed(&place, args), expected, "{reference}");
    }
    let long = format!("web@sha256:{}", "0".repeat(64));
    let elsewhere = format!("nowhere@{web}");
    for reference in [
        &*elsewhere,
        "web:3",
        "wob",
        "ffff",
        "registry/web:1",
        long.as_str(),
        "we?:3",
        "UP",
    ] {
        let rmi = place.refuses(&layout.dir, &["rmi", reference], 1);
        for format in ["{{.Name}}", "json"] {
            let ls = place.refuses(&layout.dir, &["ls", reference, "--format", format], 1);
            assert_eq!(ls.out, "", "{ls}");
            assert_eq!(ls.err, rmi.err, "{ls}{rmi}");
        }
        // The others are listed all the same.
        let args = ["ls", "-q", reference, "web:1"];
        let ls = place.refuses(&layout.dir, &args, 1);
        assert_eq!(ls.out.trim(), short, "{ls}");
        assert_eq!(ls.err, rmi.err, "{ls}{rmi}");
    }
    // What a filter takes away was found.
    let args = ["ls", "-q", "web:1", "--filter", "dangling=true"];
    assert_eq!(place.succeeds(&layout.dir, &args).out, "");
}

/// I4.
#[test]
fn what_belongs_to_an_image_is_listed_where_it_is_asked_for() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let part = layout.image("part");
    let app = layout.index(&[&part]);
    layout
        .named(&app, "docker.io/library/app:1")
        .unnamed(&part)
        .finish();
    let config = layout.config_of(&part);
    let refused = place.refuses(&layout.dir, &["ls", "-q", &config], 1);
    assert_mentions(&refused, &format!("`{config}` is a part of images"));
    assert!(!refused.err.contains("delete"), "{refused}");
    assert_eq!(refused.out, "");
    for option in ["-q", "-aq"] {
        let found = place.succeeds(&layout.dir, &["ls", option, digest(&part)]);
        assert_eq!(found.out.trim(), id(&part));
    }
    // A pattern that finds images as well lists these alone.
    let found = place.succeeds(&layout.dir, &["ls", "-q", "app:1", digest(&part)]);
    assert_eq!(found.out.lines().count(), 2, "{found}");
}

/// I4. With several layouts a REF has to be found in one of them.
#[test]
fn a_reference_is_missing_only_if_no_layout_has_it() {
    let place = Place::new();
    layout_here(&place, "a");
    layout_here(&place, "b");
    assert_eq!(listed(&place, &["./a", "./b", "a:1"]), ["a:1"]);
    let missing = place.run(&["ls", "-q", "./a", "./b", "a:1", "c:1"]);
    assert_status(&missing, 1);
    assert_eq!(missing.out.lines().count(), 1, "{missing}");
    assert_eq!(
        missing.err.matches("No such image: c:1").count(),
        1,
        "{missing}"
    );
}

// ---- I5, I6: what would be found

/// I5. Whatever is suggested is found if it is typed, for all commands.
#[test]
fn what_exists_is_said_where_nothing_is_found() {
    let place = Place::new();
    let (layout, _) = many_names(&place);
    for (typed, said) in [
        ("web:2.0", "; web:1.1 and web:1 exist"),
        (
            "web:2",
            "; registry.example.com/shop/web:2, web:1 and web:1.1 exist",
        ),
        (
            "ghcr.io/shop/web:2",
            "; registry.example.com/shop/web:2 exists",
        ),
        ("wib:1", "hint: did you mean web:1?"),
        ("v12", "hint: did you mean v1?"),
        ("ghost", "No such image: ghost:latest\n"),
    ] {
        for command in ["rmi", "untag", "why", "ls"] {
            let refused = place.refuses(&layout.dir, &[command, typed], 1);
            assert_mentions(&refused, said);
        }
    }
    for name in ["web:1", "web:1.1", "registry.example.com/shop/web:2", "v1"] {
        place.succeeds(&layout.dir, &["why", name]);
    }
    // A text that another tool would take.
    let refused = place.refuses(&layout.dir, &["rmi", "docker://web:1"], 1);
    assert_mentions(&refused, "an image in a registry");
}

/// I5: of several layouts the first says what it has, and only if none has what was asked for.
#[test]
fn of_several_layouts_the_first_says_what_exists() {
    let place = Place::new();
    let layouts = ["one", "two"].map(|dir| {
        let mut layout = place.layout(dir);
        let image = layout.image(dir);
        layout
            .named(&image, &format!("docker.io/library/app:{dir}"))
            .finish();
        layout.dir
    });
    let list = |tag: &str| {
        let [one, two] = layouts.each_ref().map(|dir| arg(dir));
        place.run(&["ls", "-q", one, two, tag])
    };
    let refused = list("app:three");
    assert_status(&refused, 1);
    assert_eq!(
        refused.err,
        "ocirm: No such image: app:three; app:one exists\n"
    );
    let found = list("app:two");
    assert_status(&found, 0);
    assert_eq!(found.err, "");
}

/// I6.
#[test]
fn a_wider_pattern_is_said_where_one_matches_nothing() {
    let place = Place::new();
    let (layout, _) = many_names(&place);
    let wider = "`'**/web:2'` matches registry.example.com/shop/web:2";
    let filter = format!("warning: --filter reference=web:2 matches nothing; {wider}");
    // Of a name the tag may be what is wrong.
    let tag = place.refuses(&layout.dir, &["ls", "--filter", "reference=web:zzz"], 0);
    assert_mentions(
        &tag,
        "--filter reference=web:zzz matches nothing; `'web:*'` matches web:1",
    );
    for args in [
        &["ls"][..],
        &["ls", "-q"],
        &["prune", "-af"],
        &["prune", "-an"],
    ] {
        let args = [args, &["--filter", "reference=web:2"]].concat();
        let finished = place.refuses(&layout.dir, &args, 0);
        assert_mentions(&finished, &filter);
        // Nothing is like this, which may match tomorrow, and this matches.
        for fine in ["nightly-*", "web"] {
            let filter = format!("reference={fine}");
            let args = [&args[..args.len() - 1], &[&filter]].concat();
            let dry = match args[0] {
                "prune" => place.run_in(&layout.dir, &[&args[..], &["-n"]].concat()),
                _ => place.succeeds(&layout.dir, &args),
            };
            assert!(!dry.err.contains("matches nothing"), "{dry}");
        }
    }
    let refused = place.refuses(&layout.dir, &["rmi", "shop/*"], 1);
    assert_mentions(
        &refused,
        "hint: `'**/shop/*'` matches registry.example.com/shop/web:2",
    );
}

/// I1. `-f` is `--force` for `prune`, so what stands behind it is an argument.
#[test]
fn a_filter_behind_the_wrong_option_prunes_nothing() {
    let place = Place::new();
    let layout = layout_here(&place, "a");
    let args = ["prune", "-l", arg(&layout.dir), "-a", "-f", "until=24h"];
    fails(
        &place,
        &args,
        2,
        &["no directory `until=24h`", "--filter until=24h"],
    );
}

// ---- I7: what is forgiven

/// I7. What was asked to be no failure is a note.
#[test]
fn what_is_forgiven_is_a_note() {
    let place = Place::new();
    let (layout, _) = many_names(&place);
    for args in [
        &["rmi", "--ignore", "web:2.0"][..],
        &["rmi", "-f", "web:2.0"],
        &["rmi", "-n", "-f", "web:2.0"],
        &["untag", "--ignore", "web:2.0"],
        &["rmi", "--ignore", "web:1", "--platform", "linux/arm64"],
        &["rmi", "--ignore", "nothing:*"],
    ] {
        let finished = place.refuses(&layout.dir, args, 0);
        assert_eq!(finished.err.matches("note: ").count(), 1, "{finished}");
        assert_eq!(finished.err.lines().count(), 1, "{finished}");
        let quiet = place.refuses(&layout.dir, &[args, &["-q"]].concat(), 0);
        assert_eq!((&*quiet.out, &*quiet.err), ("", ""), "{quiet}");
    }
    // What nobody forgave is a failure beside it.
    let args = ["rmi", "--ignore", "web:2.0", "abcd"];
    let finished = place.refuses(&layout.dir, &args, 1);
    assert_mentions(&finished, "note: No such image: web:2.0");
    assert_mentions(&finished, "ocirm: `abcd`: ambiguous reference");
    let finished = place.refuses(&layout.dir, &["rmi", "web:2.0"], 1);
    assert_mentions(&finished, "ocirm: No such image: web:2.0");
}

// ---- I8: a dry run speaks of what would be

/// I8. With every layout of other tools, and all that commands can do with it.
#[test]
fn a_dry_run_speaks_of_what_would_be() {
    let wrong = each(&fixtures(), |fixture| {
        let place = Place::new();
        let layout = place.fixture(fixture, "layout");
        let names = place.run_in(&layout, &["ls", "--format", "{{.Name}}"]).out;
        let ids = place.run_in(&layout, &["ls", "-q"]).out;
        let first = names
            .lines()
            .chain(ids.lines())
            .find(|name| !name.contains('<'));
        let first = first.unwrap_or("nothing:1");
        let mut said = String::new();
        let commands: &[&[&str]] = &[
            &["rmi", first],
            &["rmi", "-f", first, "gone:1"],
            &["rmi", "--platform", "linux/amd64", first],
            &["rmi", "--platform", "linux/amd64", "--rewrite-index", first],
            &["rmi", "--attestations", first],
            &["untag", first],
            &["prune"],
            &["prune", "--all", "-v"],
            &["prune", "--all", "--grace", "0s", "--trash"],
            &["prune", "--all", "--keep-last", "1"],
            &["prune", "--all", "--keep", first, "-v"],
        ];
        let mut try_all = |commands: &[&[&str]]| {
            for &args in commands {
                let before = place.tree();
                let dry = place.run_in(&layout, &[args, &["--dry-run"]].concat());
                assert_no_traces(&before, &place.tree(), &dry);
                for line in dry.said_as_done() {
                    said.push_str(&format!("{fixture}: {line}\n{dry}\n"));
                }
            }
        };
        try_all(commands);
        place.run_in(&layout, &["rmi", "--force", "--trash", first]);
        try_all(&[
            &["restore"],
            &["restore", "-v", first],
            &["prune", "--trash-keep", "0s"],
        ]);
        (!said.is_empty()).then_some(said)
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// I8. The rarer sentences: each is said, in words of what would be.
#[test]
fn a_dry_run_speaks_so_of_what_is_rare() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (amd, arm) = (
        layout.image("amd"),
        layout.image_for("linux/arm64", "arm", &["arm"]),
    );
    let app = layout.index(&[&amd, &arm]);
    let signature = layout.referrer(&app, "signature");
    let lone = layout.image("lone");
    layout
        .named(&app, "docker.io/library/app:1")
        .named(&amd, "docker.io/library/amd:1")
        .named(&signature, "docker.io/library/signature:1")
        .unnamed(&lone)
        .push(serde_json::json!({"mediaType": "x", "digest": "no digest", "size": 1}))
        .finish();
    layout.blob("text/plain", "young");
    for (args, expected) in [
        (
            &["rmi", "app:1"][..],
            "signature:1 refers to what would be removed, and would not go",
        ),
        (
            &["rmi", "app:1"],
            "without a valid digest would be left as found",
        ),
        (&["rmi", "app:1"], "Would keep 7 blobs"),
        (&["rmi", "app:1", "-v"], "Would keep: sha256:"),
        (
            &["rmi", "app:1", "--platform", "linux/arm64"],
            "app:1 would be sparse",
        ),
        (
            &["rmi", "app:1", "--platform", "linux/amd64"],
            "would be kept (",
        ),
        (
            &[
                "rmi",
                "app:1",
                "--platform",
                "linux/arm64",
                "--rewrite-index",
            ],
            "app:1 would have a new index",
        ),
        (
            &["prune"],
            "Would leave 1 image without a name, younger than 1h",
        ),
        (&["prune"], "Would leave 1 unreferenced blob"),
        (
            &["untag", "app:1", "amd:1", "signature:1"],
            "without a name: no image of this layout would have one any more, so it would not be",
        ),
    ] {
        let dry = place.refuses(&layout.dir, &[args, &["--dry-run"]].concat(), 0);
        let all = format!("{}{}", dry.out, dry.err);
        assert!(all.contains(expected), "no {expected:?}\n{dry}");
        assert_eq!(dry.said_as_done(), [""; 0], "{dry}");
    }
}

// ---- G6, F1: spans and filters

/// G6. All spans are read in one way, and refused in one.
#[test]
fn spans_are_one_grammar_everywhere() {
    let place = Place::new();
    let (layout, _) = many_names(&place);
    let with = |text: &str| {
        [
            vec!["prune".to_owned(), "--grace".to_owned(), text.to_owned()],
            vec![
                "prune".to_owned(),
                "--trash-keep".to_owned(),
                text.to_owned(),
            ],
            vec![
                "prune".to_owned(),
                "--lock-timeout".to_owned(),
                text.to_owned(),
            ],
            vec![
                "prune".to_owned(),
                "--all".to_owned(),
                "--allow-empty".to_owned(),
                "--keep-within".to_owned(),
                text.to_owned(),
            ],
            vec![
                "prune".to_owned(),
                "--filter".to_owned(),
                format!("until={text}"),
            ],
        ]
    };
    for text in [
        "90m", "1h30m", "1.5h", "7d", "2w", "1w2d", "+1h", "36h", "100ms",
    ] {
        for args in with(text) {
            let args: Vec<&str> = args.iter().map(String::as_str).chain(["-n"]).collect();
            place.refuses(&layout.dir, &args, 0);
        }
    }
    let units = "numbers with units";
    let examples = "as in 10m, 1h30m, 1.5h or 7d";
    for text in ["7x", "1 h", "1y", "P1D", "7days", "h", "--force"] {
        for args in with(text) {
            let args: Vec<&str> = args.iter().map(String::as_str).chain(["-n"]).collect();
            let refused = place.refuses(&layout.dir, &args, 2);
            for expected in [text, units, examples] {
                assert_mentions(&refused, expected);
            }
        }
    }
    for args in with("-5m").iter().take(4) {
        let args: Vec<&str> = args.iter().map(String::as_str).chain(["-n"]).collect();
        assert_mentions(&place.refuses(&layout.dir, &args, 2), "`-5m`");
    }
}

/// F1, I9. A filter that is unknown says which may have been meant.
#[test]
fn an_unknown_filter_says_what_may_have_been_meant() {
    let place = Place::new();
    let (layout, _) = many_names(&place);
    for (command, filter, hint) in [
        ("ls", "refrence=web", "did you mean `reference`?"),
        ("ls", "name=web", "did you mean `reference`?"),
        ("ls", "after=web:1", "did you mean `since`?"),
        ("prune", "danglin=true", "did you mean `dangling`?"),
        ("prune", "older-than=3d", "did you mean `until`?"),
        ("prune", "before=web:1", "`before` is a filter of ls"),
        (
            "prune",
            "zzzzzz=1",
            "hint: the filters are broken, dangling",
        ),
        ("prune", "dangling=yes", "dangling is true or false"),
        ("ls", "dangling", "--filter dangling=true"),
        ("ls", "label", "--filter label=KEY"),
        ("ls", "web:1", "--filter reference=web:1"),
    ] {
        let refused = place.refuses(&layout.dir, &[command, "--filter", filter], 2);
        assert_mentions(&refused, hint);
    }
    let refused = place.refuses(&layout.dir, &["prune", "--kep", "x"], 2);
    assert_mentions(&refused, "--keep");
}

/// I3. Who forgets `oci:` is told, where there is no layout to look the name up in.
#[test]
fn a_path_in_place_of_a_name_says_how_the_image_is_named() {
    let place = Place::new();
    layout_here(&place, "a");
    for command in ["rmi", "untag", "why"] {
        for (text, hint) in [
            ("a:a:1", "hint: oci:a:a:1 names an image in it"),
            ("./a:a:1", "hint: oci:./a:a:1 names an image in it"),
            ("./a", "hint: oci:./a:REF names an image in it"),
            ("a", "hint: oci:a:REF names an image in it"),
        ] {
            fails(&place, &[command, text], 2, &["is a layout", hint]);
        }
    }
    fails(
        &place,
        &["ls", "a:a:1"],
        2,
        &["hint: oci:a:a:1 names an image in it"],
    );
}
