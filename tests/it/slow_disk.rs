//! Where a disk is slow, several threads unlink: what holds with one holds with many.
//!
//! strace makes each unlinking slow, so the layouts are in memory and the threads there all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::support::command::{Running, in_layout};
use crate::support::contents::{blob_path, blobs, digest, names};
use crate::support::place::{Place, assert_mentions, assert_status};
use crate::support::strace;

/// So many images that several batches of each kind of document go.
const IMAGES: usize = 300;

/// What makes the disk slow.
const SLOW: &str = "unlinkat:delay_enter=400";

/// A layout with `kept`, and images in indexes in indexes, each with an attestation and a signature
/// of a signature. Nothing has a name but `kept` and the outermost indexes.
fn nested_layout(place: &Place) -> PathBuf {
    let mut layout = place.layout("nested");
    let kept = layout.image("kept");
    layout.tagged(&kept, "kept");
    for number in 0..IMAGES {
        let image = layout.image(&format!("image {number}"));
        let about = layout.attestation(&image, &format!("attestation {number}"));
        let inner = layout.index(&[&image, &about]);
        let outer = layout.index(&[&inner]);
        let signature = layout.referrer(&outer, &format!("signature {number}"));
        let second = layout.referrer(&signature, &format!("second {number}"));
        layout.tagged(&outer, &format!("v{number}"));
        layout.unnamed(&signature).unnamed(&second);
    }
    layout.finish();
    layout.dir.clone()
}

/// For each document of a layout, what it lists or is about.
fn led_to(layout: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for own in blobs(layout) {
        let bytes = fs::read(blob_path(layout, &own)).unwrap();
        let Ok(Value::Object(document)) = serde_json::from_slice(&bytes) else {
            continue;
        };
        let lists = ["layers", "manifests"].map(|key| document.get(key).and_then(Value::as_array));
        let one = ["config", "subject"].map(|key| document.get(key));
        let descriptors = lists.into_iter().flatten().flatten();
        for descriptor in descriptors.chain(one.into_iter().flatten()) {
            let Some(Value::String(_)) = descriptor.get("digest") else {
                continue;
            };
            let to = digest(descriptor).to_owned();
            let attested = descriptor["annotations"]["vnd.docker.reference.digest"].as_str();
            if let Some(attested) = attested {
                found
                    .entry(to.clone())
                    .or_default()
                    .push(attested.to_owned());
            }
            found.entry(own.clone()).or_default().push(to);
        }
    }
    found
}

/// How many blobs there are, while they become fewer.
fn stored(layout: &Path) -> usize {
    fs::read_dir(layout.join("blobs/sha256")).unwrap().count()
}

fn removal(layout: &Path) -> Vec<String> {
    let mut command = vec!["rmi", "-f"];
    let names: Vec<String> = (0..IMAGES).map(|number| format!("v{number}")).collect();
    command.extend(names.iter().map(String::as_str));
    in_layout(layout, &command)
}

/// The unlinkings in what strace wrote: the thread, the digest, the lines where it began and ended.
fn unlinkings(log: &str) -> Vec<(String, String, usize, usize)> {
    let mut open: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    let mut found = Vec::new();
    for (number, line) in log.lines().enumerate() {
        let (thread, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix("unlinkat(") {
            let name = rest.split('"').nth(1).unwrap();
            open.insert(thread, (format!("sha256:{name}"), number));
        }
        if text.contains("= 0")
            && let Some((digest, start)) = open.remove(thread)
        {
            found.push((thread.to_owned(), digest, start, number));
        }
    }
    found
}

#[test]
fn threads_unlink_no_document_after_what_it_leads_to() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    let layout = nested_layout(&place);
    let led_to = led_to(&layout);
    let before = blobs(&layout);
    let log = place.path("log");
    let args = removal(&layout);
    let slow = strace::injected(SLOW, &log, &args, &place.home());
    let finished = Running::start(slow, &args).finish();
    assert_status(&finished, 0);
    assert_eq!(names(&layout), ["kept"]);
    let gone: BTreeSet<String> = before.difference(&blobs(&layout)).cloned().collect();
    let unlinked = unlinkings(&fs::read_to_string(&log).unwrap());
    let threads: BTreeSet<&String> = unlinked.iter().map(|(thread, ..)| thread).collect();
    assert!(threads.len() > 1, "one thread unlinked all");
    let times: BTreeMap<&String, (usize, usize)> = unlinked
        .iter()
        .map(|(_, digest, start, end)| (digest, (*start, *end)))
        .collect();
    assert!(gone.iter().all(|digest| times.contains_key(digest)));
    for (document, parts) in led_to.iter().filter(|(digest, _)| gone.contains(*digest)) {
        for part in parts.iter().filter(|part| gone.contains(*part)) {
            assert!(times[document].1 < times[part].0, "{document} {part}");
        }
    }
}

#[test]
fn threads_that_are_stopped_leave_no_document_without_what_it_leads_to() {
    if !strace::is_here() {
        return;
    }
    for (signal, status, of_a_hundred) in [
        (Signal::KILL, None, 90),
        (Signal::KILL, None, 65),
        (Signal::TERM, Some(143), 80),
        (Signal::KILL, None, 40),
    ] {
        let place = Place::new();
        let layout = nested_layout(&place);
        let led_to = led_to(&layout);
        let all = stored(&layout);
        let args = removal(&layout);
        let slow = strace::injected(SLOW, Path::new("/dev/null"), &args, &place.home());
        let mut running = Running::start(slow, &args);
        while stored(&layout) * 100 > all * of_a_hundred
            && running.child.try_wait().unwrap().is_none()
        {
            thread::sleep(Duration::from_millis(1));
        }
        // strace keeps what is not KILL from itself.
        let _ = kill_process_group(Pid::from_child(&running.child), signal);
        let finished = running.finish();
        // It waits for the lock, which the last thread that dies leaves.
        place.succeeds(&layout, &["ls", "-q"]);
        assert_eq!(names(&layout), ["kept"]);
        let left = blobs(&layout);
        for (document, parts) in led_to.iter().filter(|(digest, _)| left.contains(*digest)) {
            for part in parts {
                assert!(left.contains(part), "{signal:?}: {document} {part}");
            }
        }
        if status.is_some() && finished.code() == status {
            assert_mentions(&finished, "interrupted");
        }
        // The rest is garbage, and goes with the next prune.
        place.succeeds(&layout, &["prune", "-f", "--grace", "0s"]);
        assert_eq!(blobs(&layout).len(), 3);
    }
}

/// Nobody can tell any more what is referenced: the rest is left and counted, and no blob is blamed.
#[test]
fn an_index_that_cannot_be_read_again_ends_a_deletion_and_is_said_as_what_it_is() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    let layout = nested_layout(&place);
    let all = stored(&layout);
    let args = removal(&layout);
    let slow = strace::injected(SLOW, Path::new("/dev/null"), &args, &place.home());
    let running = Running::start(slow, &args);
    while stored(&layout) * 100 > all * 80 {
        thread::sleep(Duration::from_millis(1));
    }
    let index = layout.join("index.json");
    let good = fs::read(&index).unwrap();
    fs::write(&index, "{").unwrap();
    let finished = running.finish();
    assert_status(&finished, 1);
    let left = stored(&layout) - 3;
    assert!(left > 0, "{finished}");
    assert_mentions(
        &finished,
        &format!(
            "index.json could not be read again during the deletion, so {left} blobs that were to go are left: "
        ),
    );
    assert!(
        !finished.err.contains("cannot delete the blob"),
        "{finished}"
    );
    fs::write(&index, good).unwrap();
    place.succeeds(&layout, &["prune", "-f", "--grace", "0s"]);
    assert_eq!(blobs(&layout).len(), 3);
}
