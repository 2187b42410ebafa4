//! Work is bounded by what is read: whatever a document says, a command costs a few times its bytes and prints no more
//! than what is in it; and whoever reads what it prints, or does not, holds up nobody.
//!
//! Memory is limited and compared as a number; nothing here depends on how fast a machine is.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use crate::support::command::{Finished, Running, TIME_LIMIT, in_layout, ocirm, under};
use crate::support::contents::{digest, digest_of, index};
use crate::support::layout::{Layout, MANIFEST};
use crate::support::place::{Place, assert_status, object, objects};

/// The bytes of a document of this module, about.
const LARGE: usize = 4_000_000;

/// The bytes that a command may take that reads nothing: the program, its threads and their stacks.
const PROGRAM: usize = 48_000_000;

/// The most bytes that a document may have.
const LARGEST: usize = 32 << 20;

/// How many times its bytes a document may cost.
const TIMES: usize = 4;

/// Commands of every kind, none of which changes anything.
const LOOKS: [&[&str]; 11] = [
    &["ls"],
    &["ls", "-q"],
    &["ls", "--tree"],
    &["ls", "--tree", "--format", "json"],
    &["ls", "--format", r"table {{.Name}}\t{{.Platforms}}"],
    &["check", "--format", "json"],
    &["why", "-v", "web"],
    &["df", "-v"],
    &["rmi", "-n", "web"],
    &["untag", "-n", "web"],
    &["prune", "-n", "-a", "--grace", "0s"],
];

/// A layout with the image `web`, and the text of its entry.
fn layout(place: &Place) -> (Layout, String) {
    let mut layout = place.layout("layout");
    let web = layout.image("web");
    layout.tagged(&web, "web").finish();
    let entry = layout.rows()[0].to_string();
    (layout, entry)
}

/// The same entry under another name, which is JSON already.
fn renamed(entry: &str, name: &str) -> String {
    entry.replace("\"web\"", &format!("\"{name}\""))
}

fn write_index(layout: &Layout, entries: &str, rest: &str) -> usize {
    let text = format!("{{\"schemaVersion\":2{rest},\"manifests\":[{entries}]}}");
    fs::write(layout.dir.join("index.json"), &text).expect("an own file");
    text.len()
}

/// Runs a command that may take so many bytes of memory.
fn within(place: &Place, layout: &Layout, args: &[&str], bytes: usize) -> Finished {
    let args = in_layout(&layout.dir, args);
    let inner = ocirm(&args, &place.home());
    let limit = format!("ulimit -d {} && exec \"$@\"", bytes / 1024);
    Running::start(under("sh", ["-c", &limit, "sh"], &inner), &args).finish()
}

/// The commands cost a few times what was read, and end as they should.
#[track_caller]
fn cost_little(place: &Place, layout: &Layout, read: usize, statuses: &[i32]) {
    for args in LOOKS {
        let done = within(place, layout, args, TIMES * read + PROGRAM);
        let wrong = done.wrong_ending(statuses);
        let said = &done.err[..done.err.len().min(500)];
        assert!(wrong.is_none(), "{args:?}: {wrong:?}: {said}");
        assert!(done.err.len() < 1 << 16, "{args:?}: {}", done.err.len());
    }
}

/// FR32: a name, and what stands beside it, may be as long as the document.
#[test]
fn a_document_costs_a_few_times_its_bytes_whatever_is_long_in_it() {
    let long = "a".repeat(LARGE);
    let zeros = "0,".repeat(LARGE / 2);
    let features = "\"a\",".repeat(LARGE / 4);
    let deep = ["[", "]"].map(|bracket| bracket.repeat(LARGE / 2)).concat();
    let many: String = (0..LARGE / 13).map(|n| format!("\"k{n}\":\"\",")).collect();
    let blanks = " ".repeat(LARGE);
    let with = |entry: &str, more: &str| entry.replacen('{', &format!("{{{more},"), 1);
    let platform = |inner: &str| format!("\"platform\":{{\"os\":\"linux\",{inner}}}");
    let place = Place::new();
    let (layout, entry) = layout(&place);
    let other = renamed(&entry, "other");
    let both = |second: &str| format!("{entry},{second}");
    for (entries, rest) in [
        (both(&renamed(&entry, &long)), String::new()),
        (
            both(&renamed(&entry, &"\u{200b}".repeat(LARGE / 3))),
            String::new(),
        ),
        (
            both(&renamed(&entry, &"\\u0001".repeat(LARGE / 6))),
            String::new(),
        ),
        (both(&other), format!(",\"x\":[{zeros}0]")),
        (both(&other), format!(",\"x\":{deep}")),
        (format!("{entry},{blanks}{other}"), String::new()),
        (
            both(&with(&other, &format!("\"mediaType\":\"{long}\""))),
            String::new(),
        ),
        (
            both(&other.replacen("\"annotations\":{", &format!("\"annotations\":{{{many}"), 1)),
            String::new(),
        ),
        (
            both(&with(
                &other,
                &platform(&format!("\"os.features\":[{features}\"b\"]")),
            )),
            String::new(),
        ),
        (
            both(&with(&other, &platform(&format!("\"variant\":\"{long}\"")))),
            String::new(),
        ),
    ] {
        let read = write_index(&layout, &entries, &rest);
        cost_little(&place, &layout, read, &[0]);
    }
}

/// FR32: how long a document is said to be makes no work, if it is not as long.
#[test]
fn a_size_that_a_descriptor_claims_costs_nothing() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for number in 0..200 {
        let mut image = layout.image(&number.to_string());
        image["size"] = LARGEST.into();
        layout.tagged(&image, &format!("v{number}"));
    }
    layout.finish();
    for args in [&["ls"][..], &["check"], &["prune", "-n", "--grace", "0s"]] {
        // Less than one of them would take.
        let done = within(&place, &layout, args, LARGEST);
        let wrong = done.wrong_ending(&[0, 12]);
        assert!(wrong.is_none(), "{args:?}: {wrong:?}: {done}");
    }
}

/// FR32: an index that is a blob, and `manifest.json`, are bounded like index.json.
#[test]
fn a_blob_and_a_list_of_docker_cost_a_few_times_their_bytes() {
    let place = Place::new();
    let (mut layout, entry) = layout(&place);
    let web = layout.rows()[0].clone();
    let features = "\"a\",".repeat(LARGE / 4);
    let text = format!(
        "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{MANIFEST}\",\"digest\":\"{}\",\
         \"size\":{},\"platform\":{{\"os\":\"linux\",\"os.features\":[{features}\"b\"]}}}}]}}",
        digest(&web),
        web["size"]
    );
    let index = layout.blob("application/vnd.oci.image.index.v1+json", &text);
    layout.tagged(&index, "index").finish();
    cost_little(&place, &layout, text.len(), &[0]);
    write_index(&layout, &entry, "");
    for list in [
        format!("[{}0]", "0,".repeat(LARGE / 2)),
        format!("[{}{{}}]", "{},".repeat(LARGE / 3)),
        format!(
            "[{{\"RepoTags\":[{}\"a:b\"]}}]",
            // Each is read as the name of an image, which takes its time in a program that is not optimised.
            "\"a:b\",".repeat(LARGE / 24)
        ),
    ] {
        fs::write(layout.dir.join("manifest.json"), &list).expect("an own file");
        cost_little(&place, &layout, list.len(), &[0]);
    }
}

/// FR32: manifests that attest each other in a row as long as the index are no depth of the stack.
#[test]
fn a_long_row_of_attestations_is_shown_as_deep_as_a_tree_may_be() {
    let place = Place::new();
    let (mut layout, _) = layout(&place);
    let digest = |number: usize| digest_of(number.to_string());
    let manifests: Vec<String> = (0..20_000)
        .map(|number| {
            format!(
                "{{\"digest\":\"{}\",\"annotations\":{{\"vnd.docker.reference.type\":\"attestation-manifest\",\
                 \"vnd.docker.reference.digest\":\"{}\"}}}}",
                digest(number),
                digest(number + 1)
            )
        })
        .collect();
    let text = format!("{{\"manifests\":[{}]}}", manifests.join(","));
    let index = layout.blob("application/vnd.oci.image.index.v1+json", text);
    layout.tagged(&index, "index").finish();
    for format in ["table", "json"] {
        let done = place.succeeds(&layout.dir, &["ls", "--tree", "--format", format]);
        assert!(done.out.contains("attestation"), "{format}");
    }
}

/// FR32: more entries than are read are counted, and not held.
#[test]
fn too_many_entries_are_refused_before_they_are_read() {
    let place = Place::new();
    let (layout, entry) = layout(&place);
    let zeros = "0,".repeat(4 << 20);
    let read = write_index(&layout, &format!("{zeros}{entry}"), "");
    for args in [&["ls", "-q"][..], &["prune", "-n", "-a"]] {
        let done = within(&place, &layout, args, TIMES * read + PROGRAM);
        assert_status(&done, 12);
        assert!(done.err.contains("4194304"), "{done}");
    }
}

/// FR32: one long name is not paid for in each row, and breaks no row.
#[test]
fn one_long_name_among_many_is_cut_and_widens_no_column() {
    const ROWS: usize = 1_000;
    let place = Place::new();
    let (layout, entry) = layout(&place);
    let long = "x".repeat(1 << 20);
    let mut entries: Vec<String> = (0..ROWS)
        .map(|number| renamed(&entry, &format!("v{number}")))
        .collect();
    entries.push(renamed(&entry, &long));
    write_index(&layout, &entries.join(","), "");
    for (args, head) in [
        (&["ls"][..], 1),
        (&["ls", "--tree"], 0),
        (&["ls", "--format", r"table {{.Name}}\t{{.Size}}"], 1),
    ] {
        let done = place.succeeds(&layout.dir, args);
        assert!(done.out.len() < 5_000_000, "{args:?}: {}", done.out.len());
        let rows = done
            .out
            .lines()
            .filter(|line| !line.starts_with(['├', '└', ' ']));
        assert_eq!(rows.count(), ROWS + 1 + head, "{args:?}");
        let cut = done.out.lines().find(|line| line.starts_with("xxx"));
        let (cell, rest) = cut.unwrap().split_once('…').unwrap();
        assert!(cell.len() < 4096, "{}", cell.len());
        assert!(rest.ends_with('B'), "{rest}");
    }
    // A program reads all of it.
    let all = objects(&place.succeeds(&layout.dir, &["ls", "--format", "json"]));
    assert!(all.iter().any(|line| line["name"] == long.as_str()));
    let plain = place.succeeds(&layout.dir, &["ls", "--format", "{{.Name}}"]);
    assert!(plain.out.lines().any(|line| line == long));
    // Nor do messages and reports repeat it.
    let id = digest(&layout.rows()[0]).to_owned();
    for args in [
        &["why", "-v", &id][..],
        &["check", "-v"],
        &["df", "-v"],
        &["rmi", "-n", &id],
        &["rmi", "-n", "-f", &id],
        &["prune", "-n", "-a", "--grace", "0s"],
    ] {
        let done = place.run_in(&layout.dir, args);
        let printed = done.out.len() + done.err.len();
        assert!(printed < 200_000, "{args:?}: {printed}");
    }
    let said = object(&place.succeeds(&layout.dir, &["rmi", "-n", "-f", "--format", "json", &id]));
    let untagged = said["untagged"].as_array().unwrap();
    assert!(untagged.iter().any(|name| *name == long.as_str()));
}

/// FR32: a cell is one line, whatever the characters in it are to a terminal.
#[test]
fn no_name_breaks_a_row() {
    let place = Place::new();
    let (layout, entry) = layout(&place);
    let breaks = [
        "\\n", "\\r", "\\u000b", "\\u000c", "\u{85}", "\u{2028}", "\u{2029}", "あ", "e\u{301}",
    ];
    for times in [1, 20_000] {
        let entries = breaks.map(|text| renamed(&entry, &format!("a{}", text.repeat(times))));
        write_index(&layout, &entries.join(","), "");
        for (args, head) in [
            (&["ls"][..], 1),
            (&["ls", "--format", r"table {{.Name}}\t{{.Size}}"], 1),
            (&["ls", "--format", r"{{.Name}}"], 0),
        ] {
            let done = place.succeeds(&layout.dir, args);
            let is_break =
                |c: char| c.is_control() && c != '\n' || ('\u{2028}'..='\u{2029}').contains(&c);
            assert!(!done.out.contains(is_break), "{args:?}");
            assert_eq!(done.out.lines().count(), breaks.len() + head, "{args:?}");
        }
    }
}

/// A layout with many long names of one image: more than a pipe holds, whatever is printed of them.
fn many_names(place: &Place) -> (Layout, String) {
    let (layout, entry) = layout(place);
    let names = (0..60).map(|number| renamed(&entry, &format!("v{number}{}", "x".repeat(3_000))));
    write_index(&layout, &names.collect::<Vec<_>>().join(","), "");
    let id = digest(&layout.rows()[0]).to_owned();
    layout.blob("application/octet-stream", "unreferenced");
    (layout, id)
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + TIME_LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "it never comes to that {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_free(layout: &Layout) -> bool {
    let dir = File::open(&layout.dir).expect("an own directory");
    match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => true,
        Err(Errno::WOULDBLOCK) => false,
        Err(error) => panic!("cannot lock: {error}"),
    }
}

/// A program that a test that fails does not leave behind.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let (read, write) = io::pipe().expect("a pipe");
    (read.into(), write.into())
}

/// FR33: nobody reads what is printed, and somebody else can change the layout all the same.
#[test]
fn a_pager_that_nobody_reads_holds_up_no_change() {
    let place = Place::new();
    let (layout, id) = many_names(&place);
    place.succeeds(&layout.dir, &["check"]);
    let trashed = place.path("trashed");
    let copy = Layout::in_dir(&trashed);
    for file in ["index.json", "oci-layout"] {
        fs::copy(layout.dir.join(file), copy.dir.join(file)).expect("an own file");
    }
    for file in fs::read_dir(layout.dir.join("blobs/sha256")).expect("an own directory") {
        let file = file.expect("an own file");
        let to = copy.dir.join("blobs/sha256");
        fs::create_dir_all(&to).expect("an own directory");
        fs::copy(file.path(), to.join(file.file_name())).expect("an own file");
    }
    place.succeeds(&copy.dir, &["rmi", "-f", "--trash", &id]);
    for (layout, args) in [
        (&layout, &["ls"][..]),
        (&layout, &["ls", "--tree"]),
        (&layout, &["ls", "--format", "json"]),
        (&layout, &["ls", "--format", "table {{.Name}}"]),
        (&layout, &["why", "-v", &id]),
        (&layout, &["check"]),
        (&layout, &["rmi", "-n", "-f", &id]),
        (&layout, &["prune", "-n", "-a", "--grace", "0s"]),
        (&copy, &["restore", "-n"]),
        (&copy, &["restore", "--list", "-v"]),
        (&copy, &["df", "-v"]),
    ] {
        let (read, write) = pipe();
        let args = in_layout(&layout.dir, args);
        let mut command = ocirm(&args, &place.home());
        command
            .stdin(Stdio::null())
            .stdout(write)
            .stderr(Stdio::null());
        let _started = Started(command.spawn().expect("the program starts"));
        // Its copy of the pipe's end would keep that open.
        drop(command);
        until(&format!("{args:?} prints"), || {
            rustix::io::ioctl_fionread(&read).is_ok_and(|held| held >= 1 << 15)
        });
        assert!(is_free(layout), "{args:?}");
    }
}

/// FR33: nor does a stream that takes nothing while the layout is locked.
#[test]
fn messages_that_nobody_reads_hold_up_no_change() {
    for is_out in [false, true] {
        let place = Place::new();
        let (layout, _) = many_names(&place);
        let (_read, write) = pipe();
        let flags = rustix::fs::fcntl_getfl(&write).expect("a pipe");
        rustix::fs::fcntl_setfl(&write, flags | OFlags::NONBLOCK).expect("a pipe");
        let mut full = File::from(write.try_clone().expect("a second handle"));
        while full.write(&[b'x'; 4096]).is_ok() {}
        drop(full);
        rustix::fs::fcntl_setfl(write.as_fd(), flags).expect("a pipe");
        let args = in_layout(&layout.dir, &["prune", "-f", "-a", "--grace", "0s"]);
        let mut command = ocirm(&args, &place.home());
        command.stdin(Stdio::null());
        match is_out {
            true => command.stdout(write).stderr(Stdio::null()),
            false => command.stdout(Stdio::null()).stderr(write),
        };
        let _started = Started(command.spawn().expect("the program starts"));
        drop(command);
        until("all is pruned", || index(&layout.dir).rows.is_empty());
        until("the lock is free", || is_free(&layout));
    }
}
