//! What the program does with layouts that are none, with damaged ones, with nonsense on the command line, with a lock
//! that somebody else holds, and with a reader that went away: it says so once, and changes nothing that it should not.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use tempfile::TempDir;

use crate::support::command::{Finished, dry, in_layout, ocirm, run, wait};
use crate::support::deletion_case::Case;
use crate::support::image_builder::{Images, digest_of};
use crate::support::index_document::IndexDocument;
use crate::support::layout_builder::CaseLayout;
use crate::support::tree::{Content, Tree, blob_digest};

/// The commands that read a layout, as they are tried on each that is no good.
const COMMANDS: [&[&str]; 4] = [
    &["ls"],
    &["rmi", "web"],
    &["untag", "web"],
    &["prune", "-f", "-a", "--grace", "0s"],
];

/// The commands that delete blobs.
const DELETIONS: [&[&str]; 3] = [
    &["rmi", "web"],
    &["rmi", "shop"],
    &["prune", "-f", "-a", "--grace", "0s"],
];

/// A layout in a directory of its own, with `web:latest` and `shop:1` and a blob that nothing refers to.
struct Ground {
    folder: TempDir,
    layout: CaseLayout,
    images: Images,
}

impl Ground {
    fn new() -> Self {
        Self::of(json!([
            {"name": "docker.io/library/web:latest", "target": "A"},
            {"name": "docker.io/library/shop:1", "target": "B"},
        ]))
    }

    fn of(images: serde_json::Value) -> Self {
        Self::of_case(json!({"id": "ground", "images": images, "args": ["rmi"]}))
    }

    fn of_case(case: serde_json::Value) -> Self {
        let case: Case = serde_json::from_value(case).expect("a case");
        let mut images = Images::of(&case);
        let folder = tempfile::tempdir().expect("a temporary directory");
        let layout = CaseLayout::write(&case, &mut images, &folder.path().join("case"));
        Ground {
            folder,
            layout,
            images,
        }
    }

    fn dir(&self) -> &Path {
        &self.layout.dir
    }

    fn file(&self, path: &str) -> PathBuf {
        self.dir().join(path)
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.dir().join("blobs/sha256").join(&digest[7..])
    }

    /// The layout and everything around it.
    fn tree(&self) -> Tree {
        Tree::of(self.folder.path())
    }

    fn run(&self, args: &[&str]) -> Finished {
        run(&in_layout(self.dir(), args), &self.layout.home)
    }

    fn index(&self) -> IndexDocument {
        let data = fs::read(self.file("index.json")).expect("an index");
        IndexDocument::read(data).expect("a sound index")
    }

    fn blobs(&self) -> Vec<String> {
        let tree = Tree::of(self.dir());
        tree.items
            .keys()
            .filter_map(|path| blob_digest(path))
            .collect()
    }

    /// Runs the command, which has to refuse: with this status, one message, and without a trace on the disk.
    #[track_caller]
    fn refuses(&self, args: &[&str], status: i32) -> Finished {
        let before = self.tree();
        let finished = self.run(args);
        assert_refused(&finished, status);
        let traces = before.traces(&self.tree());
        assert!(traces.is_empty(), "{traces:?}\n{}", finished.transcript());
        finished
    }
}

/// One clear message on standard error, nothing on standard output.
#[track_caller]
fn assert_refused(finished: &Finished, status: i32) {
    let transcript = finished.transcript();
    assert_eq!(finished.code(), Some(status), "{transcript}");
    assert_eq!(finished.out, "", "{transcript}");
    assert!(!finished.err.contains("panicked"), "{transcript}");
    // What is wrong with a command line is said by the command line parser, in its own words.
    let heads: &[&str] = if status == 2 {
        &["ocirm: ", "error: "]
    } else {
        &["ocirm: "]
    };
    let messages = finished
        .err
        .lines()
        .filter(|line| heads.iter().any(|head| line.starts_with(head)))
        .count();
    assert_eq!(messages, 1, "one message is expected\n{transcript}");
    assert!(
        heads.iter().any(|head| finished.err.starts_with(head)),
        "the message does not come first\n{transcript}"
    );
}

#[track_caller]
fn assert_says(finished: &Finished, text: &str) {
    assert!(
        finished.err.contains(text),
        "no {text:?}\n{}",
        finished.transcript()
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
        let nowhere = ground.folder.path().join("nowhere");
        let finished = run(&in_layout(&nowhere, command), &ground.layout.home);
        assert_refused(&finished, 12);
        assert_says(&finished, "nowhere");
        assert!(!nowhere.exists(), "{}", finished.transcript());
    }
}

#[test]
fn a_directory_without_a_sound_oci_layout_file_is_refused() {
    let with = |text: &'static str| {
        move |ground: &Ground| fs::write(ground.file("oci-layout"), text).expect("an own file")
    };
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
    fs::write(
        ground.file("oci-layout"),
        r#"{"imageLayoutVersion":"1.1.0"}"#,
    )
    .expect("an own file");
    let finished = ground.run(&["ls"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.transcript());
}

#[test]
fn a_damaged_index_is_refused() {
    let with = |text: &'static str| {
        move |ground: &Ground| fs::write(ground.file("index.json"), text).expect("an own file")
    };
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
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
}

// ---- documents that cannot be trusted

/// Damages the manifest of `shop` and expects that nothing is deleted any more: not `shop`, whose blobs are unknown,
/// and not `web`, because nobody knows what `shop` needs.
fn assert_nothing_is_deleted_after(damage: impl Fn(&Path)) {
    for command in DELETIONS {
        let mut ground = Ground::new();
        let digest = ground.images.node("B").digest.clone();
        damage(&ground.blob(&digest));
        let finished = ground.refuses(command, 12);
        assert_says(&finished, &digest);

        let planned = ground.run(&[&[command[0], "--dry-run"], &command[1..]].concat());
        assert_refused(&planned, 12);

        let listed = ground.run(&["ls"]);
        assert!(listed.status.is_some(), "ls hangs");
        assert!(!listed.panicked(), "{}", listed.transcript());
    }
}

#[test]
fn a_truncated_manifest_stops_every_deletion() {
    assert_nothing_is_deleted_after(|blob| {
        let data = fs::read(blob).expect("a blob");
        fs::write(blob, &data[..data.len() - 20]).expect("a blob");
    });
}

#[test]
fn an_empty_manifest_stops_every_deletion() {
    assert_nothing_is_deleted_after(|blob| fs::write(blob, "").expect("a blob"));
}

#[test]
fn a_manifest_that_names_another_layer_than_its_digest_says_stops_every_deletion() {
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
fn a_fifo_in_place_of_a_manifest_stops_every_deletion() {
    assert_nothing_is_deleted_after(replace_by_fifo);
}

#[test]
fn a_folder_in_place_of_a_manifest_stops_every_deletion() {
    assert_nothing_is_deleted_after(replace_by_folder);
}

#[test]
fn a_manifest_that_may_not_be_read_stops_every_deletion() {
    // The superuser reads it all the same, so there is nothing to see then.
    if rustix::process::geteuid().is_root() {
        return;
    }
    for command in DELETIONS {
        let mut ground = Ground::new();
        let digest = ground.images.node("B").digest.clone();
        let blob = ground.blob(&digest);
        fs::set_permissions(&blob, fs::Permissions::from_mode(0o000)).expect("an own file");
        let finished = ground.run(command);
        assert_refused(&finished, 12);
        assert_says(&finished, &digest);
        assert!(
            ground
                .layout
                .present
                .iter()
                .all(|digest| ground.blob(digest).exists())
        );
    }
}

#[test]
fn a_blob_with_the_right_digest_that_is_no_manifest_stops_every_deletion() {
    for text in [
        r#"{"schemaVersion":2,"layers":["#,
        "[",
        r#""manifest""#,
        r#"{"layers":7}"#,
    ] {
        for command in DELETIONS {
            let ground = Ground::new();
            let digest = digest_of(text.as_bytes());
            fs::write(ground.blob(&digest), text).expect("a blob");
            let mut index: serde_json::Value =
                serde_json::from_slice(&ground.index().data).expect("a sound index");
            let shop = &mut index["manifests"][1];
            shop["digest"] = digest.as_str().into();
            shop["size"] = text.len().into();
            fs::write(ground.file("index.json"), index.to_string()).expect("an own file");
            let finished = ground.refuses(command, 12);
            assert_says(&finished, &digest);
        }
    }
}

#[test]
fn a_missing_manifest_stops_nothing() {
    let mut ground = Ground::new();
    let (web, shop) = (ground.images.node("A"), ground.images.node("B"));
    fs::remove_file(ground.blob(&shop.digest)).expect("a blob");
    let finished = ground.run(&["rmi", "web"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.transcript());
    assert!(
        !ground.blob(&web.digest).exists(),
        "{}",
        finished.transcript()
    );
    assert_eq!(ground.index().rows.len(), 1, "{}", finished.transcript());
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
            let mut index: serde_json::Value =
                serde_json::from_slice(&ground.index().data).expect("a sound index");
            index["manifests"][1] = json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": 13,
                "annotations": {"org.opencontainers.image.ref.name": "evil"},
            });
            fs::write(ground.file("index.json"), index.to_string()).expect("an own file");
            let before = Tree::without(&ground.layout.place, "layout");
            let finished = ground.run(command);
            assert!(!finished.panicked(), "{}", finished.transcript());
            assert!(finished.status.is_some(), "{}", finished.transcript());
            let after = Tree::without(&ground.layout.place, "layout");
            let traces = before.traces(&after);
            assert!(traces.is_empty(), "{traces:?}\n{}", finished.transcript());
        }
    }
}

// ---- an index without entries

#[test]
fn prune_takes_an_empty_index_for_an_accident_unless_all_is_asked_for() {
    for manifests in ["[]", "null"] {
        let ground = Ground::new();
        let text = format!(r#"{{"schemaVersion":2,"manifests":{manifests}}}"#);
        fs::write(ground.file("index.json"), &text).expect("an own file");
        let finished = ground.refuses(&["prune", "-f", "--grace", "0s"], 12);
        assert_says(&finished, "--all");

        let finished = ground.run(&["prune", "-f", "-a", "--grace", "0s"]);
        assert_eq!(finished.code(), Some(0), "{}", finished.transcript());
        assert_eq!(
            ground.blobs(),
            Vec::<String>::new(),
            "{}",
            finished.transcript()
        );
        let now = fs::read_to_string(ground.file("index.json")).expect("an index");
        assert_eq!(now, text, "{}", finished.transcript());
        let stray = ground.file("blobs/sha256/upload-4711.tmp");
        assert!(stray.exists(), "{}", finished.transcript());
    }
}

#[test]
fn an_index_without_entries_and_blobs_has_nothing_to_prune() {
    let ground = Ground::new();
    fs::write(
        ground.file("index.json"),
        r#"{"schemaVersion":2,"manifests":[]}"#,
    )
    .expect("an own file");
    for digest in &ground.layout.present {
        fs::remove_file(ground.blob(digest)).expect("a blob");
    }
    let before = ground.tree();
    let finished = ground.run(&["prune", "-f", "--grace", "0s"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.transcript());
    assert_eq!(finished.reclaimed(), Some(0.0), "{}", finished.transcript());
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
        assert_says(&ground.refuses(args, 2), value);
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
    assert_says(&finished, "-f");
    assert_says(&finished, "--dry-run");
}

// ---- images that are not there, or more than one

#[test]
fn an_image_that_is_not_there_is_an_error_unless_that_is_fine() {
    const MESSAGE: &str = "No such image: nothing:latest";
    let ground = Ground::new();
    for (verb, options) in [("rmi", &["-f", "--ignore"][..]), ("untag", &["--ignore"])] {
        assert_says(&ground.refuses(&[verb, "nothing"], 1), MESSAGE);
        for option in options {
            assert_says(&ground.refuses(&[verb, option, "nothing"], 0), MESSAGE);
        }
    }
}

#[test]
fn a_missing_image_does_not_stop_the_others() {
    let ground = Ground::new();
    let finished = ground.run(&["rmi", "nothing", "web"]);
    assert_eq!(finished.code(), Some(1), "{}", finished.transcript());
    assert_says(&finished, "nothing");
    assert_eq!(
        finished.said(false).untagged,
        ["web:latest"],
        "{}",
        finished.transcript()
    );
    assert_eq!(ground.index().rows.len(), 1, "{}", finished.transcript());
}

#[test]
fn an_ambiguous_id_is_refused_even_with_force() {
    let mut ground = Ground::of_case(json!({
        "id": "ambiguous",
        "images": [
            {"name": "docker.io/library/web:latest", "target": "A"},
            {"name": "docker.io/library/shop:1", "target": "B"},
        ],
        "same_prefix": {"targets": ["A", "B"], "hex_digits": 4},
        "args": ["rmi"],
    }));
    let prefix = ground.images.expand("${A.hex:4}");
    let (web, shop) = (
        ground.images.expand("${A.hex:12}"),
        ground.images.expand("${B.hex:12}"),
    );
    for args in [&["rmi", &prefix][..], &["rmi", "-f", &prefix]] {
        let refused = ground.refuses(args, 1);
        assert_says(&refused, "ambiguous");
        for candidate in [["web:latest", &web], ["shop:1", &shop]] {
            let is_listed = candidate.iter().any(|text| refused.err.contains(text));
            assert!(is_listed, "no {candidate:?}\n{}", refused.transcript());
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
    let transcript = finished.transcript();
    assert_eq!(finished.code(), Some(11), "{transcript}");
    assert!(
        waited >= Duration::from_millis(300),
        "only {waited:?}\n{transcript}"
    );
    assert!(waited < Duration::from_secs(5), "{waited:?}\n{transcript}");
    assert_eq!(finished.out, "", "{transcript}");
    assert!(finished.err.starts_with("ocirm: "), "{transcript}");
    assert!(!finished.err.contains("panicked"), "{transcript}");
    assert_says(&finished, &ground.dir().to_string_lossy());
    assert_says(&finished, "--lock-timeout");
    let traces = before.traces(&ground.tree());
    assert!(traces.is_empty(), "{traces:?}\n{transcript}");
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
        let reading = if command[0] == "ls" {
            in_layout(ground.dir(), command)
        } else {
            assert_waits_in_vain(&ground, command);
            dry(&in_layout(ground.dir(), command))
        };
        let finished = run(&reading, &ground.layout.home);
        assert_eq!(finished.code(), Some(0), "{}", finished.transcript());
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
    assert_eq!(finished.code(), Some(0), "{}", finished.transcript());
    assert_eq!(ground.index().rows.len(), 1, "{}", finished.transcript());
}

// ---- a reader that went away

/// Runs the command with a standard output that nobody reads any more, and gives what it said on standard error.
#[track_caller]
fn run_unread(ground: &Ground, args: &[&str]) -> String {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut errors = tempfile::tempfile().expect("a temporary file");
    let mut child = ocirm(&in_layout(ground.dir(), args), &ground.layout.home)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors.try_clone().expect("a second handle of a file"))
        .spawn()
        .expect("the program starts");
    let status = wait(&mut child).expect("it ends in time");
    let mut text = String::new();
    std::io::Seek::rewind(&mut errors)
        .and_then(|()| errors.read_to_string(&mut text))
        .expect("what was printed can be read");
    assert!(!text.contains("panicked"), "{text}");
    assert_eq!(status.code(), Some(0), "{args:?}: {status}\n{text}");
    text
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
        let mut ground = Ground::new();
        let (web, shop) = (ground.images.node("A"), ground.images.node("B"));
        run_unread(&ground, args);
        let rows = ground.index().rows;
        assert_eq!(rows.len(), 1, "{args:?}");
        assert_eq!(rows[0].digest, shop.digest, "{args:?}");
        assert!(!ground.blob(&web.digest).exists(), "{args:?}");
        assert!(ground.blob(&shop.digest).exists(), "{args:?}");
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
