//! What the program does with layouts that are none, with damaged ones, with nonsense on the command line, with a lock
//! that somebody else holds, and with a reader that went away: it says so once, and changes nothing that it should not.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::command::{Finished, Running, in_layout, ocirm};
use crate::support::contents::{self, arg, blob_path, digest, digest_of, id};
use crate::support::index_document::IndexDocument;
use crate::support::layout::Layout;
use crate::support::place::{Place, assert_mentions, assert_no_traces, assert_status};
use crate::support::skipped::skipped;
use crate::support::special_files::fifo;
use crate::support::tree::{Content, Tree};

/// The commands that read a layout, as they are tried on each that is no good.
const COMMANDS: [&[&str]; 4] = [
    &["ls"],
    &["rmi", "web"],
    &["untag", "web"],
    &["prune", "-f", "-a", "--grace", "0s"],
];

/// Commands that delete blobs, and leave `shop`.
const LEAVING_SHOP: [&[&str]; 3] = [
    &["rmi", "web"],
    &["prune", "-f", "--grace", "0s"],
    &["prune", "-f", "-a", "--keep", "shop:*", "--grace", "0s"],
];

/// Commands that leave nothing of `shop`.
const TAKING_SHOP: [&[&str]; 2] = [&["rmi", "shop:1"], &["prune", "-f", "-a", "--grace", "0s"]];

/// A layout with `web:latest` and `shop:1`, a blob that nothing refers to, and files that are nobody's to touch.
struct Ground {
    place: Place,
    layout: Layout,
    web: Value,
    shop: Value,
}

impl Ground {
    fn new() -> Self {
        Self::with(|layout, _| layout.image("shop"))
    }

    /// A layout whose `shop:1` is made with a look at `web:latest`.
    fn with(shop: impl Fn(&Layout, &Value) -> Value) -> Self {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let web = layout.image("web");
        let shop = shop(&layout, &web);
        layout
            .named(&web, "docker.io/library/web:latest")
            .named(&shop, "docker.io/library/shop:1")
            .finish();
        layout.blob("text/plain", "nobody refers to this");
        for path in [
            "layout/blobs/sha256/upload-4711.tmp",
            "home/canary",
            "canary.json",
        ] {
            place.file(path, "do not touch\n");
        }
        Ground {
            place,
            layout,
            web,
            shop,
        }
    }

    fn dir(&self) -> &Path {
        &self.layout.dir
    }

    fn file(&self, path: &str) -> PathBuf {
        self.dir().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.file(path), text).expect("an own file");
    }

    fn blob(&self, descriptor: &Value) -> PathBuf {
        blob_path(self.dir(), digest(descriptor))
    }

    fn tree(&self) -> Tree {
        self.place.tree()
    }

    fn run(&self, args: &[&str]) -> Finished {
        self.place.run_in(self.dir(), args)
    }

    fn index(&self) -> IndexDocument {
        contents::index(self.dir())
    }

    /// Makes index.json lead to something else than `shop`.
    fn replace_shop(&self, entry: &Value) {
        let rows = json!([self.layout.rows()[0], entry]);
        self.write("index.json", &json!({"manifests": rows}).to_string());
    }

    fn blobs(&self) -> Vec<String> {
        contents::blobs(self.dir()).into_iter().collect()
    }

    /// How many files are there, whether they may be read or not.
    fn blobs_there(&self) -> usize {
        let folder = fs::read_dir(self.file("blobs/sha256")).expect("an own directory");
        folder.count()
    }

    /// Runs the command, which has to refuse: with this status, one message, and without a trace on the disk.
    #[track_caller]
    fn refuses(&self, args: &[&str], status: i32) -> Finished {
        let finished = self.place.refuses(self.dir(), args, status);
        assert_refused(&finished, status);
        finished
    }
}

/// One clear message on standard error, nothing on standard output.
#[track_caller]
fn assert_refused(finished: &Finished, status: i32) {
    assert_status(finished, status);
    assert_eq!(finished.out, "", "{finished}");
    // What is wrong with a command line is said by the command line parser, in its own words.
    // What was asked to be no failure is a note.
    let heads: &[&str] = match status {
        0 => &["note: "],
        2 => &["ocirm: ", "error: "],
        _ => &["ocirm: "],
    };
    let messages = finished
        .err
        .lines()
        .filter(|line| heads.iter().any(|head| line.starts_with(head)))
        .count();
    assert_eq!(messages, 1, "one message is expected\n{finished}");
    assert!(
        heads.iter().any(|head| finished.err.starts_with(head)),
        "the message does not come first\n{finished}"
    );
}

/// What is done to a layout before a command is tried on it.
type Damage<'a> = &'a (dyn Fn(&Ground) + Sync);

/// Tries each command on a layout of its own with each damage, all at once: the program may wait a second for an
/// index.json that somebody else is writing.
fn all_refuse(commands: &[&[&str]], damages: &[(&str, Damage<'_>)]) {
    let failures: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = damages
            .iter()
            .flat_map(|damage| commands.iter().map(move |command| (damage, *command)))
            .map(|((title, damage), command)| {
                let thread = scope.spawn(move || {
                    let ground = Ground::new();
                    damage(&ground);
                    ground.refuses(command, 12);
                });
                (title, command, thread)
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|(title, command, thread)| {
                let panic = thread.join().err()?;
                let text = panic.downcast_ref::<String>().map_or("", String::as_str);
                Some(format!("{title}, {command:?}: {text}"))
            })
            .collect()
    });
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

// ---- directories that are no layouts

#[test]
fn a_directory_that_does_not_exist_is_refused_by_name() {
    for command in COMMANDS {
        let ground = Ground::new();
        let nowhere = ground.place.path("nowhere");
        let finished = ground.place.run_in(&nowhere, command);
        assert_refused(&finished, 12);
        assert_mentions(&finished, "nowhere");
        assert!(!nowhere.exists(), "{finished}");
    }
}

#[test]
fn a_directory_without_a_sound_oci_layout_file_is_refused() {
    let with = |text: &'static str| move |ground: &Ground| ground.write("oci-layout", text);
    all_refuse(
        &COMMANDS,
        &[
            ("missing", &|ground: &Ground| {
                fs::remove_file(ground.file("oci-layout")).expect("an own file");
            }),
            ("empty", &with("")),
            ("no JSON", &with("imageLayoutVersion: 1.0.0\n")),
            ("no object", &with(r#"["1.0.0"]"#)),
            (
                "another major version",
                &with(r#"{"imageLayoutVersion":"2.0.0"}"#),
            ),
            ("a folder", &|ground: &Ground| {
                replace_by_folder(&ground.file("oci-layout"));
            }),
            ("a FIFO", &|ground: &Ground| {
                replace_by_fifo(&ground.file("oci-layout"));
            }),
        ],
    );
}

#[test]
fn a_later_minor_version_of_the_layout_is_accepted() {
    let ground = Ground::new();
    ground.write("oci-layout", r#"{"imageLayoutVersion":"1.1.0"}"#);
    let finished = ground.run(&["ls"]);
    assert_status(&finished, 0);
}

#[test]
fn a_damaged_index_is_refused() {
    let with = |text: &'static str| move |ground: &Ground| ground.write("index.json", text);
    all_refuse(
        &COMMANDS,
        &[
            ("missing", &|ground: &Ground| {
                fs::remove_file(ground.file("index.json")).expect("an own file");
            }),
            ("empty", &with("")),
            ("truncated", &|ground: &Ground| {
                let data = fs::read(ground.file("index.json")).expect("an own file");
                fs::write(ground.file("index.json"), &data[..data.len() / 2]).expect("an own file");
            }),
            ("no JSON", &with("manifests: []\n")),
            ("without manifests", &with("{}")),
            ("a list", &with("[]")),
            (
                "manifests a string",
                &with(r#"{"schemaVersion":2,"manifests":"none"}"#),
            ),
            (
                "two documents",
                &with(r#"{"manifests":[]}{"manifests":[]}"#),
            ),
            ("a folder", &|ground: &Ground| {
                replace_by_folder(&ground.file("index.json"));
            }),
            ("a FIFO", &|ground: &Ground| {
                replace_by_fifo(&ground.file("index.json"));
            }),
        ],
    );
}

fn replace_by_folder(path: &Path) {
    fs::remove_file(path).expect("an own file");
    fs::create_dir(path).expect("an own folder");
}

fn replace_by_fifo(path: &Path) {
    fs::remove_file(path).expect("an own file");
    fifo(path);
}

// ---- documents that cannot be trusted

/// FR21: damages the manifest of `shop` and expects that nothing is deleted as long as `shop` stays, because nobody
/// knows what it needs; and that `shop` itself can be given up.
fn assert_nothing_is_deleted_after(damage: impl Fn(&Path)) {
    for command in LEAVING_SHOP {
        let ground = Ground::new();
        damage(&ground.blob(&ground.shop));
        let finished = ground.refuses(command, 12);
        assert_mentions(&finished, digest(&ground.shop));
        assert_mentions(&finished, "`ocirm rmi shop:1`");

        let planned = ground.run(&[&[command[0], "--dry-run"], &command[1..]].concat());
        assert_refused(&planned, 12);

        let listed = ground.run(&["ls"]);
        assert!(listed.status.is_some(), "ls hangs");
        assert!(!listed.panicked(), "{listed}");
    }
    for command in TAKING_SHOP {
        let ground = Ground::new();
        damage(&ground.blob(&ground.shop));
        let finished = ground.run(command);
        assert_status(&finished, 0);
        assert_mentions(&finished, digest(&ground.shop));
        assert!(!ground.blob(&ground.shop).is_file(), "{finished}");
        let web_stays = command[0] == "rmi";
        assert_eq!(ground.blob(&ground.web).exists(), web_stays, "{finished}");
        let left = ground.run(&["check"]);
        assert_status(&left, 0);
    }
}

#[test]
fn a_truncated_manifest_stops_what_leaves_it() {
    assert_nothing_is_deleted_after(|blob| {
        let data = fs::read(blob).expect("a blob");
        fs::write(blob, &data[..data.len() - 20]).expect("a blob");
    });
}

#[test]
fn an_empty_manifest_stops_what_leaves_it() {
    assert_nothing_is_deleted_after(|blob| fs::write(blob, "").expect("a blob"));
}

#[test]
fn a_manifest_that_names_another_layer_than_its_digest_says_stops_what_leaves_it() {
    assert_nothing_is_deleted_after(|blob| {
        let text = fs::read_to_string(blob).expect("a manifest");
        let at = text.rfind("sha256:").expect("a layer") + 7;
        let other = if text[at..].starts_with('0') {
            "1"
        } else {
            "0"
        };
        let text = [&text[..at], other, &text[at + 1..]].concat();
        fs::write(blob, text).expect("a blob");
    });
}

#[test]
fn a_fifo_in_place_of_a_manifest_stops_what_leaves_it() {
    assert_nothing_is_deleted_after(replace_by_fifo);
}

#[test]
fn a_folder_in_place_of_a_manifest_stops_what_leaves_it() {
    assert_nothing_is_deleted_after(replace_by_folder);
}

#[test]
fn a_manifest_that_may_not_be_read_stops_what_leaves_it() {
    if rustix::process::geteuid().is_root() {
        skipped("the superuser may read every file");
        return;
    }
    for command in LEAVING_SHOP {
        let ground = Ground::new();
        let before = ground.blobs_there();
        let nobody = fs::Permissions::from_mode(0o000);
        fs::set_permissions(ground.blob(&ground.shop), nobody).expect("an own file");
        let finished = ground.run(command);
        assert_refused(&finished, 12);
        assert_mentions(&finished, digest(&ground.shop));
        assert_eq!(ground.blobs_there(), before);
    }
}

#[test]
fn a_blob_with_the_right_digest_that_is_no_manifest_stops_what_leaves_it() {
    for text in [
        r#"{"schemaVersion":2,"layers":["#,
        "[",
        r#""manifest""#,
        r#"{"layers":7}"#,
    ] {
        for command in LEAVING_SHOP {
            let ground = Ground::new();
            let mut shop = ground.layout.rows()[1].clone();
            shop["digest"] = digest_of(text).into();
            shop["size"] = text.len().into();
            ground.layout.blob("", text);
            ground.replace_shop(&shop);
            let finished = ground.refuses(command, 12);
            assert_mentions(&finished, digest(&shop));
        }
    }
}

#[test]
fn a_missing_manifest_stops_nothing() {
    let ground = Ground::new();
    fs::remove_file(ground.blob(&ground.shop)).expect("a blob");
    let finished = ground.run(&["rmi", "web"]);
    assert_status(&finished, 0);
    assert!(!ground.blob(&ground.web).exists(), "{finished}");
    assert_eq!(ground.index().rows.len(), 1, "{finished}");
}

#[test]
fn a_digest_that_is_a_path_leads_nowhere() {
    for digest in [
        "sha256:../../../home/canary",
        "../../home:canary",
        "sha256:",
        "",
    ] {
        for command in [
            &["rmi", "-f", "evil"][..],
            &["prune", "-f", "-a", "--grace", "0s"],
        ] {
            let ground = Ground::new();
            ground.replace_shop(&json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": 13,
                "annotations": {"org.opencontainers.image.ref.name": "evil"},
            }));
            let before = ground.place.beside("layout");
            let finished = ground.run(command);
            assert!(!finished.panicked(), "{finished}");
            assert!(finished.status.is_some(), "{finished}");
            assert_no_traces(&before, &ground.place.beside("layout"), &finished);
        }
    }
}

// ---- an index without entries

#[test]
fn prune_takes_an_empty_index_for_an_accident_unless_all_is_asked_for() {
    for manifests in ["[]", "null"] {
        let ground = Ground::new();
        let text = format!(r#"{{"schemaVersion":2,"manifests":{manifests}}}"#);
        ground.write("index.json", &text);
        let finished = ground.refuses(&["prune", "-f", "--grace", "0s"], 12);
        assert_mentions(&finished, "--all");

        let finished = ground.run(&["prune", "-f", "-a", "--grace", "0s"]);
        assert_status(&finished, 0);
        assert_eq!(ground.blobs(), Vec::<String>::new(), "{finished}");
        let now = fs::read_to_string(ground.file("index.json")).expect("an index");
        assert_eq!(now, text, "{finished}");
        let stray = ground.file("blobs/sha256/upload-4711.tmp");
        assert!(stray.exists(), "{finished}");
    }
}

#[test]
fn an_index_without_entries_and_blobs_has_nothing_to_prune() {
    let ground = Ground::new();
    ground.write("index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
    for digest in ground.blobs() {
        fs::remove_file(blob_path(ground.dir(), &digest)).expect("a blob");
    }
    let before = ground.tree();
    let finished = ground.run(&["prune", "-f", "--grace", "0s"]);
    assert_status(&finished, 0);
    assert_eq!(finished.reclaimed(), Some(0.0), "{finished}");
    let changes = before.changes(&ground.tree());
    assert!(changes.is_empty(), "{changes:?}");
}

// ---- nonsense on the command line

#[test]
fn a_command_line_that_makes_no_sense_changes_nothing() {
    let bad: &[&[&str]] = &[
        &["rmi"],
        &["untag"],
        &["rmi", "--no-such-option", "web"],
        &["no-such-command"],
        &["prune", "-f", "--filter", "colour=red"],
        &["ls", "--filter", "colour=red"],
        &["prune", "-f", "--filter", "=x"],
        &["prune", "-f", "--filter", "until"],
        &["prune", "-f", "--filter", "dangling=maybe"],
        &["ls", "--filter", "dangling=maybe"],
        &["prune", "-f", "--filter", "until=the-day-before-yesterday"],
        &["prune", "-f", "--filter", "until="],
        &["prune", "-f", "--filter", "until=2024-13-01"],
        &["ls", "--filter", "until=later"],
        &["prune", "-f", "--grace", "a-while"],
        &["prune", "-f", "--grace", "12parsecs"],
        &["prune", "-f", "--grace", ""],
        &["prune", "-f", "--keep-last", "few"],
        &["rmi", "--platform", "linux/amd64/v1/more", "web"],
        &["rmi", "--platform", "linux/", "web"],
        &["rmi", "--platform", "", "web"],
        &["ls", "--lock-timeout", "soon"],
    ];
    for args in bad {
        Ground::new().refuses(args, 2);
    }
}

#[test]
fn a_bad_value_is_named() {
    let ground = Ground::new();
    for (args, value) in [
        (&["prune", "-f", "--filter", "colour=red"][..], "colour"),
        (&["prune", "-f", "--filter", "dangling=maybe"], "maybe"),
        (&["prune", "-f", "--filter", "until=sometime"], "sometime"),
        (&["prune", "-f", "--grace", "a-while"], "a-while"),
        (
            &["rmi", "--platform", "linux/amd64/v1/more", "web"],
            "linux/amd64/v1/more",
        ),
    ] {
        assert_mentions(&ground.refuses(args, 2), value);
    }
}

#[test]
fn a_malformed_reference_is_refused() {
    for reference in [
        "web:",
        ":latest",
        "web@sha256:12",
        "library/Web:1",
        "web latest",
        "",
    ] {
        for verb in ["rmi", "untag"] {
            Ground::new().refuses(&[verb, reference], 1);
        }
        // Force is for images that are missing or in use; this is no name of anything.
        Ground::new().refuses(&["rmi", "-f", reference], 1);
    }
}

#[test]
fn prune_asks_nobody_when_there_is_no_terminal() {
    let finished = Ground::new().refuses(&["prune"], 2);
    assert_mentions(&finished, "-f");
    assert_mentions(&finished, "--dry-run");
}

// ---- images that are not there, or more than one

#[test]
fn an_image_that_is_not_there_is_an_error_unless_that_is_fine() {
    const MESSAGE: &str = "No such image: nothing:latest";
    let ground = Ground::new();
    for (verb, options) in [("rmi", &["-f", "--ignore"][..]), ("untag", &["--ignore"])] {
        assert_mentions(&ground.refuses(&[verb, "nothing"], 1), MESSAGE);
        for option in options {
            assert_mentions(&ground.refuses(&[verb, option, "nothing"], 0), MESSAGE);
        }
    }
}

#[test]
fn a_missing_image_does_not_stop_the_others() {
    let ground = Ground::new();
    let finished = ground.run(&["rmi", "nothing", "web"]);
    assert_status(&finished, 1);
    assert_mentions(&finished, "nothing");
    assert_eq!(finished.said(false).untagged, ["web:latest"], "{finished}");
    assert_eq!(ground.index().rows.len(), 1, "{finished}");
}

#[test]
fn an_ambiguous_id_is_refused_even_with_force() {
    let ground = Ground::with(|layout, web| {
        layout.with_digits(&layout.image("shop"), &digest(web)["sha256:".len()..][..4])
    });
    let (web, shop) = (id(&ground.web), id(&ground.shop));
    let prefix = &web[..4];
    // What only looks gives the same way out as what deletes.
    let before = format!("before={prefix}");
    for args in [
        &["rmi", prefix][..],
        &["rmi", "-f", prefix],
        &["ls", "--filter", &before],
        &["why", prefix],
    ] {
        let refused = ground.refuses(args, 1);
        assert_mentions(&refused, "hint: give a full name, or more digits of the ID");
        assert_mentions(&refused, "ambiguous");
        for candidate in [["web:latest", web], ["shop:1", shop]] {
            let is_listed = candidate.iter().any(|text| refused.err.contains(text));
            assert!(is_listed, "no {candidate:?}\n{refused}");
        }
    }
}

// ---- a lock that somebody else holds

/// The command gives up in time and says what it waited for.
#[track_caller]
fn assert_waits_in_vain(ground: &Ground, args: &[&str]) {
    let before = ground.tree();
    let start = Instant::now();
    let finished = ground.run(&[&["--lock-timeout", "300ms"], args].concat());
    let waited = start.elapsed();
    assert_status(&finished, 11);
    assert!(
        waited >= Duration::from_millis(300),
        "only {waited:?}\n{finished}"
    );
    assert!(waited < Duration::from_secs(5), "{waited:?}\n{finished}");
    assert_eq!(finished.out, "", "{finished}");
    assert!(finished.err.starts_with("ocirm: "), "{finished}");
    assert_mentions(&finished, arg(ground.dir()));
    assert_mentions(&finished, "--lock-timeout");
    assert_no_traces(&before, &ground.tree(), &finished);
}

#[test]
fn nothing_is_read_or_changed_while_somebody_else_changes_the_layout() {
    let ground = Ground::new();
    let held = File::open(ground.dir()).expect("the layout");
    fs2::FileExt::lock_exclusive(&held).expect("a lock that nobody holds");
    for command in COMMANDS {
        assert_waits_in_vain(&ground, command);
        if command[0] != "ls" {
            assert_waits_in_vain(
                &ground,
                &[&[command[0], "--dry-run"], &command[1..]].concat(),
            );
        }
    }
}

#[test]
fn readers_of_a_layout_do_not_disturb_each_other_and_hold_up_changes() {
    let ground = Ground::new();
    let held = File::open(ground.dir()).expect("the layout");
    fs2::FileExt::lock_shared(&held).expect("a lock that nobody holds");
    for command in COMMANDS {
        let mut reading = command.to_vec();
        if command[0] != "ls" {
            assert_waits_in_vain(&ground, command);
            reading.insert(1, "--dry-run");
        }
        assert_status(&ground.run(&reading), 0);
    }
}

#[test]
fn a_lock_that_is_released_in_time_is_taken() {
    let ground = Ground::new();
    let held = File::open(ground.dir()).expect("the layout");
    fs2::FileExt::lock_exclusive(&held).expect("a lock that nobody holds");
    let finished = thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(200));
            drop(held);
        });
        ground.run(&["rmi", "web"])
    });
    assert_status(&finished, 0);
    assert_eq!(ground.index().rows.len(), 1, "{finished}");
}

// ---- a reader that went away

/// Runs the command with a standard output that nobody reads any more, and gives what it said on standard error.
#[track_caller]
fn run_unread(ground: &Ground, args: &[&str]) -> String {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let args = in_layout(ground.dir(), args);
    let program = ocirm(&args, &ground.place.home());
    let finished = Running::start_with(program, &args, Stdio::null(), Some(writer.into())).finish();
    assert_status(&finished, 0);
    finished.err
}

#[test]
fn ls_ends_quietly_when_nobody_reads_on() {
    let ground = Ground::new();
    for args in [&["ls"][..], &["ls", "-q"], &["ls", "--format", "json"]] {
        assert_eq!(run_unread(&ground, args), "", "{args:?}");
    }
}

#[test]
fn help_ends_quietly_when_nobody_reads_on() {
    let ground = Ground::new();
    assert_eq!(run_unread(&ground, &["--help"]), "");
}

#[test]
fn a_deletion_is_done_though_nobody_reads_the_report() {
    for args in [
        &["rmi", "web"][..],
        &["rmi", "--format", "json", "web"],
        &["-v", "rmi", "web"],
    ] {
        let ground = Ground::new();
        run_unread(&ground, args);
        let rows = ground.index().rows;
        assert_eq!(rows.len(), 1, "{args:?}");
        assert_eq!(rows[0].digest, digest(&ground.shop), "{args:?}");
        assert!(!ground.blob(&ground.web).exists(), "{args:?}");
        assert!(ground.blob(&ground.shop).exists(), "{args:?}");
    }
    let ground = Ground::new();
    run_unread(&ground, &["prune", "-f", "-a", "--grace", "0s"]);
    assert!(ground.index().rows.is_empty());
    assert!(ground.blobs().is_empty());
}

/// The tests above rely on it: what they build is a layout, and a FIFO is one.
#[test]
fn the_ground_is_sound() {
    let ground = Ground::new();
    assert_eq!(ground.index().rows.len(), 2);
    assert_eq!(ground.blobs().len(), 7);
    replace_by_fifo(&ground.file("index.json"));
    assert_eq!(
        Tree::of(ground.dir()).items["index.json"].content,
        Content::Fifo
    );
}
