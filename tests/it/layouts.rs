//! Runs the program on layouts that other tools wrote: `fixtures/README.md` says which, and what the expectations mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use crate::support::command::{Finished, dry, in_layout, run};
use crate::support::contents::{blob_path, blobs_in, digest_of, hex, index, read_index};
use crate::support::index_document::{IndexDocument, Row};
use crate::support::names::{DANGLING, NAME, familiar, short};
use crate::support::place::{Place, fixtures, fixtures_folder, objects};
use crate::support::tree::{Change, Content, Tree, What, blob_digest};

/// Nothing larger is looked into for digests; the documents of the layouts are far smaller, their layers may not be.
const LARGEST_DOCUMENT: u64 = 64 * 1024;

/// What a layout holds and what has to become of it.
#[derive(Deserialize)]
struct Meta {
    name: String,
    index_mode: String,
    entries: Vec<Entry>,
    platforms: BTreeSet<String>,
    live: BTreeMap<String, u64>,
    dead: BTreeMap<String, u64>,
    missing: BTreeSet<String>,
    stray: Vec<String>,
    ops: Vec<Op>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    #[serde(rename = "ref")]
    ref_name: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Entry {
    fn name(&self) -> Option<&str> {
        self.annotations
            .as_ref()
            .and_then(|annotations| annotations.get(NAME))
            .or(self.ref_name.as_ref())
            .map(String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Op {
    op: String,
    #[serde(default)]
    target: Option<String>,
    #[serde(default, rename = "by")]
    _by: Option<String>,
    #[serde(default)]
    refused: Option<String>,
    #[serde(default)]
    exit: Option<i32>,
    #[serde(default)]
    may_refuse: Option<String>,
    #[serde(default)]
    removes_entries: BTreeSet<usize>,
    #[serde(default)]
    may_remove_entries: BTreeSet<usize>,
    #[serde(default)]
    dangling_entries: BTreeSet<usize>,
    #[serde(default)]
    gone: BTreeSet<String>,
    #[serde(default)]
    kept_live: Option<usize>,
}

impl Op {
    fn arguments(&self, layout: &Path) -> Vec<String> {
        let mut args: Vec<&str> = self.op.split(' ').collect();
        if self.op == "prune" {
            // The files were just unpacked, and young files are spared otherwise.
            args.extend(["--force", "--grace", "0s"]);
        }
        args.extend(self.target.as_deref());
        in_layout(layout, &args)
    }
}

fn metas() -> Vec<Meta> {
    let read = |name: String| {
        let path = fixtures_folder().join(format!("{name}.meta.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    fixtures().into_iter().map(read).collect()
}

/// A fresh copy of a layout, in a directory of its own.
struct Copy {
    place: Place,
    layout: PathBuf,
    before: Tree,
    index: IndexDocument,
    /// Every blob that was there, with the digests that it names.
    named: BTreeMap<String, Vec<String>>,
    /// `manifest.json`, if there is one.
    docker_archive: Vec<u8>,
}

impl Copy {
    fn of(meta: &Meta) -> Self {
        let place = Place::new();
        let layout = place.fixture(&meta.name, "layout");
        let before = Tree::of(&layout);
        Copy {
            index: index(&layout),
            named: blobs_in(&before)
                .into_iter()
                .map(|digest| (digest.clone(), named_in(&layout, &digest)))
                .collect(),
            docker_archive: fs::read(layout.join("manifest.json")).unwrap_or_default(),
            place,
            layout,
            before,
        }
    }

    fn run(&self, args: &[String]) -> Finished {
        run(args, &self.place.home())
    }

    fn now(&self) -> Tree {
        Tree::of(&self.layout)
    }
}

/// Digests that are reachable from the rows and lie in the layout, through documents as they were before.
fn reachable(rows: &[Row], named: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut todo: Vec<&String> = rows.iter().map(|row| &row.digest).collect();
    while let Some(digest) = todo.pop() {
        if let Some(names) = named.get(digest)
            && seen.insert(digest.clone())
        {
            todo.extend(names);
        }
    }
    seen
}

/// The digests that a document names.
fn named_in(layout: &Path, digest: &str) -> Vec<String> {
    let path = blob_path(layout, digest);
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > LARGEST_DOCUMENT) {
        return Vec::new();
    }
    let Ok(Value::Object(document)) =
        serde_json::from_slice(&fs::read(&path).expect("a blob that lies in the layout"))
    else {
        return Vec::new();
    };
    [
        "config",
        "layers",
        "manifests",
        "blobs",
        "fsLayers",
        "subject",
    ]
    .iter()
    .filter_map(|key| document.get(*key))
    .flat_map(|value| match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    })
    .filter_map(|value| value["digest"].as_str().or(value["blobSum"].as_str()))
    .map(str::to_owned)
    .collect()
}

fn shown(digests: &BTreeSet<String>) -> Vec<&str> {
    digests.iter().map(|digest| short(digest)).collect()
}

#[test]
fn every_operation_on_a_layout_of_another_tool_does_what_it_should() {
    let metas = metas();
    // One thread for each: a layout with its operations takes about as long as any other.
    let failures: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = metas
            .iter()
            .map(|meta| {
                let failures = move || {
                    meta.ops
                        .iter()
                        .filter_map(|op| failure_of(meta, op))
                        .collect()
                };
                scope.spawn(failures)
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| vec!["a test panicked".to_owned()])
            })
            .collect::<Vec<String>>()
    });
    assert!(
        failures.is_empty(),
        "\n{}\n{} operations failed",
        failures.join("\n"),
        failures.len()
    );
}

fn failure_of(meta: &Meta, op: &Op) -> Option<String> {
    let copy = Copy::of(meta);
    let args = op.arguments(&copy.layout);
    let dry_run = copy.run(&dry(&args));
    let mut problems: Vec<String> = copy
        .before
        .traces(&copy.now())
        .iter()
        .map(|change| format!("after the dry run, {change}"))
        .collect();
    let real = copy.run(&args);
    problems.extend(problems_of(meta, op, &copy, &dry_run, &real));
    if problems.is_empty() {
        return None;
    }
    let target = op.target.as_deref().unwrap_or_default();
    let mut text = format!("FAIL {}: {} {target}\n", meta.name, op.op);
    for problem in problems {
        text += &format!("  - {problem}\n");
    }
    for line in format!("{dry_run}{real}").lines() {
        text += &format!("    {line}\n");
    }
    let after = fs::read(copy.layout.join("index.json")).unwrap_or_default();
    text += &format!(
        "    index.json before: {}\n    index.json after:  {}\n",
        String::from_utf8_lossy(&copy.index.data).trim_end(),
        String::from_utf8_lossy(&after).trim_end()
    );
    Some(text)
}

fn problems_of(meta: &Meta, op: &Op, copy: &Copy, dry: &Finished, real: &Finished) -> Vec<String> {
    let mut problems = Vec::new();
    if dry.code() != real.code() {
        problems.push("the dry run has another exit status".to_owned());
    }
    let (planned, done) = (dry.said(true), real.said(false));
    if planned != done {
        problems.push("the dry run prints other lines".to_owned());
    }
    if dry.panicked() || real.panicked() {
        problems.push("panicked".to_owned());
    }

    let may_refuse = op.may_refuse.is_some() && real.code() == Some(1);
    if op.refused.is_some() || may_refuse {
        problems.extend(real.wrong_ending(&[op.exit.unwrap_or(1)]));
        if real.err.trim().is_empty() {
            problems.push("refused without a word".to_owned());
        }
        if !done.is_nothing() {
            problems.push("refused, and says that it did something".to_owned());
        }
        let traces = copy.before.traces(&copy.now());
        problems.extend(traces.iter().map(|change| format!("refused, yet {change}")));
        return problems;
    }
    problems.extend(real.wrong_ending(&[op.exit.unwrap_or(0)]));

    let mut gone = BTreeSet::new();
    for Change { path, what } in copy.before.changes(&copy.now()) {
        match (path.as_str(), what) {
            ("index.json", What::Content | What::Time) => {}
            (_, What::Gone) if blob_digest(&path).is_some() => gone.extend(blob_digest(&path)),
            ("manifest.json", What::Content | What::Time)
                if meta.stray.iter().any(|stray| stray == "manifest.json") =>
            {
                problems.extend(docker_archive_problem(copy));
            }
            _ => problems.push(Change { path, what }.to_string()),
        }
    }
    if gone != op.gone {
        let but: BTreeSet<String> = gone.difference(&op.gone).cloned().collect();
        let not: BTreeSet<String> = op.gone.difference(&gone).cloned().collect();
        problems.push(format!(
            "deleted blobs that should stay: {:?}; left blobs that should go: {:?}",
            shown(&but),
            shown(&not)
        ));
    }
    match read_index(&copy.layout) {
        Ok(index) => {
            problems.extend(row_problems(op, &copy.index, &index));
            problems.extend(blob_problems(op, copy, &index));
        }
        Err(e) => problems.push(e),
    }
    problems
}

fn row_problems(op: &Op, before: &IndexDocument, after: &IndexDocument) -> Vec<String> {
    let mut problems = Vec::new();
    if after.others != before.others {
        problems.push("index.json: members other than `manifests` changed".to_owned());
    }
    if after.has_rows_of(before) && after.data != before.data {
        problems.push("index.json: no entry changed, yet the file did".to_owned());
    }
    let was_there = |row: &&Row| before.rows.iter().any(|old| old.raw == row.raw);
    let (old, new): (Vec<&Row>, Vec<&Row>) = after.rows.iter().partition(was_there);

    // The old ones are those of before, in their order, without those that had to go.
    let mut rest = old.into_iter().peekable();
    for (n, row) in before.rows.iter().enumerate() {
        if op.removes_entries.contains(&n) || op.dangling_entries.contains(&n) {
            continue;
        }
        if rest.next_if(|next| next.raw == row.raw).is_none() && !op.may_remove_entries.contains(&n)
        {
            problems.push(format!(
                "entry {n} ({}) is not in its place any more",
                row.show()
            ));
        }
    }
    problems.extend(rest.map(|row| format!("the entry {} should have gone", row.show())));

    // The new ones are those that lost their last name.
    let mut untagged: Vec<&Row> = op
        .dangling_entries
        .iter()
        .map(|n| &before.rows[*n])
        .collect();
    for row in new {
        let Some(at) = untagged.iter().position(|old| old.digest == row.digest) else {
            problems.push(format!("an entry that was not there before: {}", row.raw));
            continue;
        };
        let old = untagged.remove(at);
        if !row.is_dangling() {
            problems.push(format!("not called {DANGLING}{}: {}", row.digest, row.raw));
        }
        if let Some(complaint) = row.differs_from_untagged(old) {
            problems.push(format!("the dangling entry {complaint}: {}", row.raw));
        }
    }
    problems.extend(
        untagged
            .iter()
            .map(|row| format!("no dangling entry for {}", row.show())),
    );
    problems
}

fn blob_problems(op: &Op, copy: &Copy, index: &IndexDocument) -> Vec<String> {
    let mut problems = Vec::new();
    let layout = &copy.layout;
    let present = blobs_in(&copy.now());
    let needed = reachable(&index.rows, &copy.named);
    for digest in &needed {
        if !present.contains(digest) {
            problems.push(format!(
                "{} was deleted, and a remaining entry needs it",
                short(digest)
            ));
        } else if let Some(problem) = digest_problem(layout, digest) {
            problems.push(problem);
        }
    }
    if let Some(kept) = op.kept_live
        && op.may_remove_entries.is_empty()
        && needed.len() != kept
    {
        problems.push(format!(
            "{} reachable blobs are left, should be {kept}",
            needed.len()
        ));
    }
    problems
}

fn digest_problem(layout: &Path, digest: &str) -> Option<String> {
    let data = fs::read(blob_path(layout, digest)).expect("a blob that lies in the layout");
    let is = match digest.split_once(':') {
        Some(("sha512", _)) => format!("sha512:{}", hex(&Sha512::digest(data))),
        _ => digest_of(data),
    };
    (is != digest).then(|| format!("{} has another content", short(digest)))
}

/// `manifest.json` of an unpacked `docker save` may lose names and images; nothing in it may change.
fn docker_archive_problem(copy: &Copy) -> Option<String> {
    let text = fs::read(copy.layout.join("manifest.json")).unwrap_or_default();
    let Ok(now) = serde_json::from_slice::<Vec<Value>>(&text) else {
        return Some("manifest.json is no JSON array any more".to_owned());
    };
    let names = |image: &Value| -> BTreeSet<String> {
        let tags = image["RepoTags"].as_array().map_or(&[][..], Vec::as_slice);
        tags.iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let content = |image: &Value| {
        let mut image = image.clone();
        if let Some(members) = image.as_object_mut() {
            members.remove("RepoTags");
        }
        image
    };
    let before: Vec<Value> =
        serde_json::from_slice(&copy.docker_archive).expect("the manifest.json of a fixture");
    now.iter()
        .find(|image| {
            !before
                .iter()
                .any(|old| content(old) == content(image) && names(old).is_superset(&names(image)))
        })
        .map(|image| format!("manifest.json has an image that was not there: {image}"))
}

#[test]
fn the_expectations_describe_the_layouts() {
    for meta in metas() {
        let copy = Copy::of(&meta);
        let name = &meta.name;
        let mode = copy.before.items["index.json"].mode;
        assert_eq!(format!("{mode:04o}"), meta.index_mode, "{name}");
        let digests: Vec<&String> = copy.index.rows.iter().map(|row| &row.digest).collect();
        let expected: Vec<&String> = meta.entries.iter().map(|entry| &entry.digest).collect();
        assert_eq!(digests, expected, "{name}");

        let present = blobs_in(&copy.before);
        let live = reachable(&copy.index.rows, &copy.named);
        assert!(live.iter().eq(meta.live.keys()), "{name}: other live blobs");
        let dead: BTreeSet<String> = present.difference(&live).cloned().collect();
        assert!(dead.iter().eq(meta.dead.keys()), "{name}: other dead blobs");
        assert!(meta.missing.is_disjoint(&present), "{name}");
        for stray in &meta.stray {
            let item = copy.before.items.get(stray.trim_end_matches('/'));
            let is_folder = item.map(|item| item.content == Content::Folder);
            assert_eq!(is_folder, Some(stray.ends_with('/')), "{name}: {stray}");
        }
        for op in &meta.ops {
            let prune = op.op == "prune";
            let known =
                |d: &String| meta.live.contains_key(d) || prune && meta.dead.contains_key(d);
            assert!(op.gone.iter().all(known), "{name}: {}", op.op);
        }
    }
}

/// The lines of `ls --format json`.
fn listing(copy: &Copy, args: &[&str]) -> Vec<Value> {
    objects(&copy.place.succeeds(&copy.layout, args))
}

#[test]
fn ls_changes_nothing_and_prints_objects() {
    for meta in metas() {
        let copy = Copy::of(&meta);
        for args in [
            &["ls", "--format", "json"][..],
            &["ls", "-a", "--format", "json"],
        ] {
            for line in listing(&copy, args) {
                assert!(line.is_object(), "{}: {line}", meta.name);
            }
        }
        let traces = copy.before.traces(&copy.now());
        assert!(traces.is_empty(), "{}: {traces:?}", meta.name);
    }
}

#[test]
fn ls_all_names_each_digest_once() {
    for meta in metas() {
        let copy = Copy::of(&meta);
        let ids = ["ls", "-a", "--no-trunc", "-q"];
        let finished = copy.place.succeeds(&copy.layout, &ids);
        let mut lines: Vec<&str> = finished.out.lines().collect();
        lines.sort_unstable();
        let digests: BTreeSet<&str> = meta.entries.iter().map(|e| e.digest.as_str()).collect();
        assert!(lines.iter().eq(&digests), "{}: {}", meta.name, finished);
    }
}

#[test]
fn ls_all_shows_every_name() {
    for meta in metas() {
        let copy = Copy::of(&meta);
        let lines = listing(&copy, &["ls", "-a", "--format", "json"]);
        let shown: BTreeSet<&str> = lines.iter().filter_map(|l| l["name"].as_str()).collect();
        for name in meta.entries.iter().filter_map(Entry::name) {
            assert!(
                shown.contains(familiar(name)),
                "{}: no {name} in {shown:?}",
                meta.name
            );
        }
    }
}

#[test]
fn ls_all_knows_the_platforms_of_the_images() {
    let mut wrong = Vec::new();
    for meta in metas() {
        let copy = Copy::of(&meta);
        let mut platforms = BTreeSet::new();
        for line in listing(&copy, &["ls", "-a", "--format", "json"]) {
            // Some of the layouts are sparse.
            for member in ["platforms", "missing_platforms"] {
                let list = line[member].as_array();
                let list = list.unwrap_or_else(|| panic!("{}: no {member} in {line}", meta.name));
                platforms.extend(
                    list.iter()
                        .map(|p| p.as_str().unwrap_or("no text").to_owned()),
                );
            }
        }
        // An attestation runs nowhere; to list it as a platform would be noise.
        let expected: BTreeSet<String> = meta
            .platforms
            .iter()
            .filter(|platform| *platform != "unknown/unknown")
            .cloned()
            .collect();
        if platforms != expected {
            wrong.push(format!(
                "{}: {platforms:?}, should be {expected:?}",
                meta.name
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
