//! Damage: what is damaged stops whatever would leave it, is named with the command that gives it up, and can be given
//! up in any of the ways in which an image can be removed.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::command::Finished;
use crate::support::contents::{arg, blob_path, blobs, digest, names};
use crate::support::layout::Layout;
use crate::support::peers::is_installed;
use crate::support::place::{
    PRUNE, PRUNE_ALL, Place, assert_mentions, assert_no_traces, assert_status, object, objects,
};
use crate::support::strace;
use crate::support::tree::Tree;
use crate::support::witness::Witness;

/// Damages a blob: half of it is gone, or one byte is another.
fn truncate(layout: &Layout, descriptor: &Value) {
    let path = blob_path(&layout.dir, digest(descriptor));
    let bytes = fs::read(&path).expect("a blob");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("an own file");
}

fn has(dir: &Path, descriptor: &Value) -> bool {
    blob_path(dir, digest(descriptor)).exists()
}

/// `good`, and `bad` whose manifest is truncated; its config and its layer are there.
fn with_bad(place: &Place) -> (Layout, Value, Value) {
    let mut layout = place.layout("layout");
    let (good, bad) = (layout.image("good"), layout.image("bad"));
    layout.tagged(&good, "good").tagged(&bad, "bad").finish();
    truncate(&layout, &bad);
    (layout, good, bad)
}

/// FR21: what would leave the damage is refused, and the refusal names the image and the way out.
#[test]
fn a_refusal_names_what_is_damaged_and_the_command_that_removes_it() {
    let place = Place::new();
    let (layout, _, bad) = with_bad(&place);
    for args in [&["rmi", "good"][..], &PRUNE, &["rmi", "--trash", "good"]] {
        let refused = place.refuses(&layout.dir, args, 12);
        assert_mentions(&refused, digest(&bad));
        assert_mentions(&refused, "1 image damaged: bad");
        assert_mentions(&refused, "`ocirm rmi bad` removes it");
    }
}

/// FR21: the command of the message removes everything that is damaged, however it is called.
#[test]
fn the_command_of_the_message_works() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = |title| layout.image(title);
    let (good, named, both, nameless) = (image("good"), image("n"), image("b"), image("d"));
    let around = layout.index(&[&nameless]);
    layout
        .named(&good, "docker.io/library/good:1")
        .named(&named, "docker.io/library/named:1")
        .tagged(&both, "two words")
        .named(&both, "docker.io/library/both:2")
        .unnamed(&nameless)
        .tagged(&around, "around")
        .finish();
    for damaged in [&named, &both, &nameless] {
        truncate(&layout, damaged);
    }
    let refused = place.refuses(&layout.dir, &PRUNE, 12);
    assert_mentions(
        &refused,
        "(and 2 more); 4 images damaged: named:1, two words, both:2 and around",
    );
    let command = refused.err.split('`').nth(1).expect("a command");
    assert_eq!(command, "ocirm rmi named:1 'two words' both:2 around");
    let done = place.dry_and_real(
        &layout.dir,
        &["rmi", "named:1", "two words", "both:2", "around"],
        0,
    );
    assert_eq!(names(&layout.dir), ["docker.io/library/good:1"]);
    for damaged in [&named, &both, &nameless, &around] {
        assert!(!has(&layout.dir, damaged), "{done}");
    }
    place.succeeds(&layout.dir, &PRUNE);
    assert_eq!(blobs(&layout.dir).len(), 3);
}

/// FR21: `rmi` of the damaged image takes its entries and the document, and leaves what that led to to `prune`.
#[test]
fn rmi_gives_up_a_damaged_image() {
    let place = Place::new();
    let (layout, good, bad) = with_bad(&place);
    let done = place.dry_and_real(&layout.dir, &["rmi", "bad"], 0);
    assert_eq!(done.said(false).deleted, [digest(&bad)]);
    assert_mentions(&done, "the next prune removes it");
    assert_eq!(names(&layout.dir), ["good"]);
    assert!(!has(&layout.dir, &bad) && has(&layout.dir, &good));
    assert_eq!(blobs(&layout.dir).len(), 5);
    // Grace spares what is young, whoever led to it.
    place.succeeds(&layout.dir, &["prune", "--force"]);
    assert_eq!(blobs(&layout.dir).len(), 5);
    place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert_eq!(blobs(&layout.dir).len(), 3);
}

/// FR21: where nothing is left, the warning says what removes the rest then.
#[test]
fn the_last_image_of_a_layout_can_be_damaged_too() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let bad = layout.image("bad");
    layout.tagged(&bad, "bad").finish();
    truncate(&layout, &bad);
    let done = place.dry_and_real(&layout.dir, &["rmi", "bad"], 0);
    assert_mentions(&done, "prune --all");
    place.dry_and_real(&layout.dir, &PRUNE_ALL, 0);
    assert!(blobs(&layout.dir).is_empty());
}

/// FR21: `untag` and then `prune` do the same, and say so.
#[test]
fn untag_and_prune_give_up_a_damaged_image() {
    let place = Place::new();
    let (layout, _, bad) = with_bad(&place);
    place.dry_and_real(&layout.dir, &["untag", "bad"], 0);
    let done = place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert_eq!(done.said(false).deleted, [digest(&bad)]);
    assert_mentions(&done, "is damaged");
    assert_eq!(names(&layout.dir), ["good"]);
    assert_eq!(blobs(&layout.dir).len(), 3);
}

/// FR21: an entry without a name whose document is damaged is dangling, unless it is young: it may be being written.
#[test]
fn prune_takes_a_damaged_entry_without_a_name_when_it_is_old() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (good, bad) = (layout.image("good"), layout.image("bad"));
    layout.tagged(&good, "good").unnamed(&bad).finish();
    truncate(&layout, &bad);
    let refused = place.refuses(&layout.dir, &["prune", "--force"], 12);
    assert_mentions(&refused, &format!("`ocirm rmi {}`", digest(&bad)));
    place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert_eq!(names(&layout.dir), ["good"]);
    assert_eq!(blobs(&layout.dir).len(), 3);
}

/// FR21: what two images lead to stops each of them, and goes with both.
#[test]
fn damage_that_two_images_share_goes_with_the_last() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let child = layout.image("child");
    let other = layout.image_for("linux/arm64", "other", &["other"]);
    let (one, two) = (layout.index(&[&child]), layout.index(&[&child, &other]));
    let keep = layout.image("keep");
    layout
        .tagged(&one, "one")
        .tagged(&two, "two")
        .tagged(&keep, "keep")
        .finish();
    truncate(&layout, &child);
    let refused = place.refuses(&layout.dir, &["rmi", "one"], 12);
    assert_mentions(&refused, "`ocirm rmi one two` removes them");
    place.dry_and_real(&layout.dir, &["rmi", "one", "two"], 0);
    assert_eq!(names(&layout.dir), ["keep"]);
    assert!(!has(&layout.dir, &child) && has(&layout.dir, &keep));
}

/// FR21: the platform whose manifest is damaged can be given up by itself.
#[test]
fn rmi_platform_gives_up_a_damaged_manifest() {
    for rewrite in [false, true] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let amd64 = layout.image_for("linux/amd64", "amd64", &["amd64"]);
        let arm64 = layout.image_for("linux/arm64", "arm64", &["arm64"]);
        let app = layout.index(&[&amd64, &arm64]);
        layout.tagged(&app, "app").finish();
        truncate(&layout, &arm64);
        let mut args = vec!["rmi", "app", "--platform", "linux/amd64"];
        args.extend(rewrite.then_some("--rewrite-index"));
        place.refuses(&layout.dir, &args[..4], 12);
        args[3] = "linux/arm64";
        let done = place.dry_and_real(&layout.dir, &args, 0);
        assert!(
            done.said(false)
                .deleted
                .contains(&digest(&arm64).to_owned()),
            "{done}"
        );
        assert!(!has(&layout.dir, &arm64) && has(&layout.dir, &amd64));
        assert_status(&place.run_in(&layout.dir, &["check"]), 0);
        place.succeeds(&layout.dir, &PRUNE);
        assert_eq!(blobs(&layout.dir).len(), 4, "{done}");
    }
}

/// FR21: a damaged index whose children have entries of their own: these keep all they have.
#[test]
fn children_of_a_damaged_index_that_have_entries_lose_nothing() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (child, good) = (layout.image("child"), layout.image("good"));
    let app = layout.index(&[&child]);
    layout
        .tagged(&app, "app")
        .unnamed(&child)
        .tagged(&good, "good")
        .finish();
    truncate(&layout, &app);
    place.dry_and_real(&layout.dir, &["rmi", "app"], 0);
    assert_eq!(names(&layout.dir), ["-", "good"]);
    assert_status(&place.run_in(&layout.dir, &["check"]), 0);
    assert_eq!(blobs(&layout.dir).len(), 6);
}

/// FR21: a signature with a name of its own leads to its damaged subject; both can be removed together.
#[test]
fn a_damaged_subject_goes_with_what_refers_to_it() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (good, bad) = (layout.image("good"), layout.image("bad"));
    let signature = layout.referrer(&bad, "signature");
    layout
        .tagged(&good, "good")
        .tagged(&bad, "bad")
        .tagged(&signature, "signature")
        .finish();
    truncate(&layout, &bad);
    let refused = place.refuses(&layout.dir, &["rmi", "bad"], 12);
    assert_mentions(&refused, "`ocirm rmi bad signature`");
    place.dry_and_real(&layout.dir, &["rmi", "bad", "signature"], 0);
    assert_eq!(names(&layout.dir), ["good"]);
}

/// FR21: damage to which another layout leads stays there, and stops deletions here.
#[test]
fn damage_of_another_layout_stops_deletions() {
    let place = Place::new();
    let (layout, _, bad) = with_bad(&place);
    let mut other = Layout::in_dir(&place.path("other"));
    other.tagged(&bad, "theirs").finish();
    fs::remove_dir_all(place.path("other/blobs")).expect("an own directory");
    std::os::unix::fs::symlink(layout.dir.join("blobs"), place.path("other/blobs"))
        .expect("an own directory");
    let also = place.path("other");
    let refused = place.refuses(&layout.dir, &["rmi", "bad", "--also-root", arg(&also)], 12);
    assert_mentions(&refused, digest(&bad));
}

/// FR21: what is refused for another reason is said, whatever else is damaged.
#[test]
fn a_conflict_is_said_before_damage() {
    let place = Place::new();
    let (layout, _, _) = with_bad(&place);
    let containers = json!([{"Id": "c1", "State": {"Running": true}, "Image": "bad"}]);
    let list = place.file("containers.json", containers.to_string());
    let args = ["rmi", "bad", "--containers", arg(&list)];
    let refused = place.refuses(&layout.dir, &args, 1);
    assert_mentions(&refused, "conflict");
    let refused = place.refuses(&layout.dir, &["rmi", "nobody"], 1);
    assert_mentions(&refused, "No such image");
}

/// FR21: the JSON of a run says what was given up, and `ls` finds nothing damaged any more.
#[test]
fn what_was_given_up_is_a_warning_of_the_report() {
    let place = Place::new();
    let (layout, _, bad) = with_bad(&place);
    assert_status(&place.run_in(&layout.dir, &["ls"]), 12);
    let args = ["rmi", "bad", "--format", "json"];
    let report = object(&place.succeeds(&layout.dir, &args));
    let warning = report["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.contains(digest(&bad)), "{report}");
    let lines = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
    assert_eq!(lines.len(), 1);
}

/// FR21: a message does not grow without end; however many images are damaged, one command removes them.
#[test]
fn the_command_for_very_many_damaged_images_is_short() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let good = layout.image("good");
    layout.tagged(&good, "good");
    for number in 0..120 {
        let bad = layout.image(&format!("bad {number}"));
        layout.tagged(&bad, &format!("bad-{number}"));
        truncate(&layout, &bad);
    }
    let half = layout.image_for("linux/arm64", "half", &["half"]);
    let around = layout.index(&[&half, &good]);
    layout.tagged(&around, "two words").finish();
    truncate(&layout, &half);
    let refused = place.refuses(&layout.dir, &["rmi", "good"], 12);
    assert_mentions(&refused, "121 images damaged: bad-0, bad-1,");
    let command = refused.err.split('`').nth(1).expect("a command");
    assert!(command.len() < 200, "{command}");
    let witness = Witness::new();
    let shell = command.replace(
        "ocirm ",
        &format!("{} --layout {} ", arg(&witness.program()), arg(&layout.dir)),
    );
    let run = |text: &str| std::process::Command::new("sh").args(["-c", text]).output();
    if !is_installed("jq") {
        return;
    }
    let done = run(&shell).expect("a shell");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(names(&layout.dir), ["good"]);
}

/// Q17: what the disk refuses to read once may be whole, so nobody chooses by it. By name it can be given up.
#[test]
fn nothing_is_chosen_to_go_while_a_manifest_cannot_be_read() {
    if !strace::is_here() {
        return;
    }
    let policy = "[[rule]]\nkeep-last = 5\n";
    for (args, status) in [
        (&["prune", "--force", "--all"][..], 12),
        (&["prune", "--force", "--all", "--keep-last", "5"], 12),
        (&["prune", "--force", "--all", "--keep", "good"], 12),
        (&["prune", "--force", "--all", "--max-size", "1MB"], 12),
        (&["prune", "--force", "--filter", "broken=true"], 12),
        (&["prune", "--force", "--policy", "POLICY"], 12),
        (&["prune", "--dry-run", "--all", "--keep-last", "5"], 12),
        (&["rmi", "bad"], 0),
    ] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (good, bad) = (layout.image("good"), layout.image("bad"));
        layout.tagged(&good, "good").tagged(&bad, "bad").finish();
        let path = blob_path(&layout.dir, digest(&bad));
        let policy = place.file("policy.toml", policy);
        let before = Tree::of(&layout.dir);
        let mut all = vec!["--layout".to_owned(), arg(&layout.dir).to_owned()];
        all.extend(args.iter().map(|word| match *word {
            "POLICY" => arg(&policy).to_owned(),
            word => word.to_owned(),
        }));
        if args[0] == "prune" {
            all.extend(["--grace".to_owned(), "0s".to_owned()]);
        }
        let fail = ["-P", arg(&path), "-e", "trace=read,pread64", "-e"];
        let fail = [
            &fail[..],
            &["inject=read,pread64:error=EIO", "-o", "/dev/null"],
        ]
        .concat();
        let done = strace::run(&fail, &all, &place.home());
        assert_status(&done, status);
        assert_mentions(&done, "is unreadable: ");
        if status == 12 {
            assert_no_traces(&before, &Tree::of(&layout.dir), &done);
            assert_mentions(&done, "`ocirm rmi bad` removes it");
        } else {
            assert_eq!(names(&layout.dir), ["good"], "{done}");
        }
    }
}

/// FR18: of what a count leaves out because it cannot be used, that is the reason.
#[test]
fn that_an_image_is_broken_is_said_as_the_reason_why_no_count_keeps_it() {
    let place = Place::new();
    let (layout, _, _) = with_bad(&place);
    let args = [
        "prune",
        "--all",
        "--dry-run",
        "--grace",
        "0s",
        "--keep-last",
        "5",
    ];
    let said = place.succeeds(&layout.dir, &args);
    let reason = "nothing keeps it; it is broken, so nothing counts it";
    assert!(said.out.contains(reason), "{said}");
    let args = [
        "prune",
        "--all",
        "--dry-run",
        "--grace",
        "0s",
        "--keep",
        "good",
    ];
    let said = place.succeeds(&layout.dir, &args);
    assert!(!said.to_string().contains("nothing counts it"), "{said}");
}

/// K4: a name that is no Unicode is a name, as it is to other tools, and what has one is not dangling.
#[test]
fn what_has_a_name_that_is_no_unicode_is_not_dangling() {
    for name in ["\\ud800", "\\udfff\\ud800x", "v\\udc001"] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (good, odd) = (layout.image("good"), layout.image("odd"));
        layout.tagged(&good, "good").tagged(&odd, "ODD").finish();
        let index = layout.dir.join("index.json");
        let text = fs::read_to_string(&index).expect("an index");
        fs::write(&index, text.replace("ODD", name)).expect("an own file");
        let before = Tree::of(&layout.dir);
        let done = place.succeeds(&layout.dir, &["prune", "--force", "--grace", "0s"]);
        assert_no_traces(&before, &Tree::of(&layout.dir), &done);
        let listed = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
        let kinds: Vec<&Value> = listed.iter().map(|line| &line["kind"]).collect();
        assert_eq!(kinds, ["named", "named"], "{name}");
        let shown = listed.iter().find(|line| line["digest"] == *digest(&odd));
        let shown = shown
            .and_then(|line| line["name"].as_str())
            .expect("a name");
        assert!(shown.contains('\u{fffd}'), "{shown}");
        place.succeeds(&layout.dir, &["rmi", shown]);
        assert_eq!(names(&layout.dir), ["good"], "{name}");
    }
}

/// J2: what somebody reads on standard error is in the object too: there may be more ways than it has.
#[test]
fn why_says_in_its_object_that_it_may_not_know_all() {
    let place = Place::new();
    let (layout, good, _) = with_bad(&place);
    let why = place.run_in(
        &layout.dir,
        &["why", "--format", "json", "good", digest(&good)],
    );
    assert_status(&why, 12);
    for answer in objects(&why) {
        let warning = answer["warnings"][0].as_str().expect("a sentence");
        assert!(
            warning.contains("there may be more ways than shown"),
            "{warning}"
        );
    }
    let place = Place::new();
    let mut layout = place.layout("layout");
    let good = layout.image("good");
    layout.tagged(&good, "good").finish();
    let why = place.succeeds(&layout.dir, &["why", "--format", "json", "good"]);
    assert_eq!(object(&why)["warnings"], json!([]));
}

/// Runs a `prune --force` in which the operating system refuses to read one file.
fn prune_without(place: &Place, layout: &Path, file: &Path, more: &[&str]) -> Finished {
    let words = ["--layout", arg(layout), "prune", "--force", "--grace", "0s"];
    let all = words.iter().chain(more).map(|word| (*word).to_owned());
    let fail = ["-P", arg(file), "-e", "trace=read,pread64", "-e"];
    let inject = ["inject=read,pread64:error=EIO", "-o", "/dev/null"];
    let all: Vec<String> = all.collect();
    strace::run(&[&fail[..], &inject].concat(), &all, &place.home())
}

/// Q17: a config that cannot be read may say that its image is the newest, or that it is old.
#[test]
fn nothing_is_chosen_by_a_date_that_cannot_be_read() {
    if !strace::is_here() {
        return;
    }
    for (more, status) in [
        (&["--all", "--keep-last", "1"][..], 12),
        (&["--all", "--filter", "until=1h"], 12),
        (&["--filter", "broken=true"], 12),
        (&["--all", "--keep", "good"], 0),
    ] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (good, other) = (layout.image("good"), layout.image("other"));
        layout
            .tagged(&good, "good")
            .tagged(&other, "other")
            .finish();
        let manifest = fs::read(blob_path(&layout.dir, digest(&other))).expect("a blob");
        let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
        let config = blob_path(&layout.dir, digest(&manifest["config"]));
        let before = Tree::of(&layout.dir);
        let done = prune_without(&place, &layout.dir, &config, more);
        assert_status(&done, status);
        if status == 12 {
            assert_no_traces(&before, &Tree::of(&layout.dir), &done);
            assert_mentions(&done, "is unreadable: ");
        } else {
            assert_eq!(names(&layout.dir), ["good"], "{done}");
        }
    }
}

/// Q17: an unreferenced blob that cannot be read may be about something that stays.
#[test]
fn nothing_is_unreferenced_for_sure_while_a_small_blob_cannot_be_read() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    let mut layout = place.layout("layout");
    let good = layout.image("good");
    layout.tagged(&good, "good").finish();
    let layer = layout.blob("text/spdx", "a list of what is in it");
    let referrer = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layer, "layers": [layer], "subject": good,
    });
    let referrer = layout.blob(
        "application/vnd.oci.image.manifest.v1+json",
        referrer.to_string(),
    );
    let file = blob_path(&layout.dir, digest(&referrer));
    let before = Tree::of(&layout.dir);
    let done = prune_without(&place, &layout.dir, &file, &[]);
    assert_status(&done, 12);
    assert_mentions(&done, "is unreadable: ");
    assert_no_traces(&before, &Tree::of(&layout.dir), &done);
    let more = ["--unlisted-referrers", "delete"];
    assert_status(&prune_without(&place, &layout.dir, &file, &more), 0);
    assert!(!has(&layout.dir, &referrer) && has(&layout.dir, &good));
}
