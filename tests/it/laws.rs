//! Laws that hold for every layout and every command, tried on random ones.
//!
//! What is reachable is found out here by the simplest means: read a blob, follow every digest in
//! it. That finds more than the program may follow, never less, for these layouts.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ocirm::gc::mark;
use ocirm::layout::{LockOptions, Locked, Shared, Trash};
use ocirm::oci::config::ImageConfig;
use ocirm::plan::PartSelection;
use ocirm::plan::rmi::RmiOptions;
use ocirm::plan::{Draft, Plan};
use ocirm::snapshot::graph::NodeId;
use ocirm::snapshot::records::RecordKind;
use ocirm::snapshot::{Snapshot, View};
use ocirm::value::platform::Platform;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::command::Finished;
use crate::support::contents::{Stock, blob_path, digest, digests_in, index, members};
use crate::support::layout::{CONFIG, INDEX, Layout, MANIFEST};
use crate::support::names::{DANGLING, REF};
use crate::support::place::{Place, object, objects};

/// One document of a random layout: what it lists, by number among the earlier ones.
#[derive(Clone, Debug)]
struct Document {
    /// Layers by number, if it is a manifest.
    layers: Vec<u8>,
    /// Earlier documents, which make it an index.
    lists: Vec<prop::sample::Index>,
    subject: Option<prop::sample::Index>,
    typed: bool,
}

/// One entry of index.json: the name's number, or none, or an explicit dangling name.
#[derive(Clone, Debug)]
struct Row {
    document: prop::sample::Index,
    name: Option<u8>,
    dangling: bool,
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    let document = (
        prop::collection::vec(0_u8..6, 0..3),
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
        any::<bool>(),
    )
        .prop_map(|(layers, lists, subject, typed)| Document {
            layers,
            lists,
            subject,
            typed,
        });
    prop::collection::vec(document, 1..9)
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        any::<prop::sample::Index>(),
        prop::option::weighted(0.6, 0_u8..5),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(document, name, dangling)| Row {
            document,
            name,
            dangling,
        });
    prop::collection::vec(row, 1..7)
}

fn commands() -> impl Strategy<Value = Vec<String>> {
    let command = prop_oneof![
        (0_u8..5, prop::sample::select(vec!["", " -f"]))
            .prop_map(|(n, force)| format!("rmi n{n}{force}")),
        (0_u8..5).prop_map(|n| format!("untag n{n}")),
        (0_u8..5, 0_u8..5).prop_map(|(n, m)| format!("rmi n{n} n{m}")),
        Just("prune -f --grace 0s".to_owned()),
        (0_u8..5).prop_map(|n| format!("prune -f -a --grace 0s --keep n{n}")),
        Just("prune -f -a --grace 0s --keep-last 2".to_owned()),
        (300_u32..1500).prop_map(|n| format!("prune -f -a --grace 0s --max-size {n}")),
        Just("prune -f -a --grace 0s --keep-daily 1 --keep-last n[12]=1".to_owned()),
        Just("prune -f".to_owned()),
    ];
    prop::collection::vec(command, 1..5)
}

struct Ground {
    place: Place,
    layout: Layout,
}

/// A descriptor that says no size.
fn brief(descriptor: Value) -> Value {
    json!({"mediaType": descriptor["mediaType"], "digest": descriptor["digest"]})
}

fn build(documents: &[Document], rows: &[Row], orphans: u8) -> Ground {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let mut made: Vec<Value> = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        // What leads to a document is its digest alone: no media type helps to guess what it is.
        let earlier =
            |index: &prop::sample::Index| json!({"digest": digest(&made[index.index(made.len())])});
        let mut content = json!({"n": number});
        if number > 0 && !document.lists.is_empty() {
            content["manifests"] = document.lists.iter().map(earlier).collect();
        } else {
            let layers = document.layers.iter();
            content["layers"] = layers
                .map(|n| brief(layout.layer(&n.to_string())))
                .collect();
            content["config"] = brief(layout.blob(CONFIG, json!({"config": number}).to_string()));
        }
        if let (Some(subject), true) = (&document.subject, number > 0) {
            content["subject"] = earlier(subject);
        }
        made.push(layout.document(&content));
    }
    for row in rows {
        let number = row.document.index(made.len());
        let digest = digest(&made[number]);
        let mut entry = json!({"digest": digest});
        if documents[number].typed {
            let is_index = number > 0 && !documents[number].lists.is_empty();
            entry["mediaType"] = [MANIFEST, INDEX][usize::from(is_index)].into();
        }
        let name = match (row.dangling, row.name) {
            (true, _) => Some(format!("{DANGLING}{digest}")),
            (false, n) => n.map(|n| format!("n{n}")),
        };
        if let Some(name) = name {
            entry["annotations"][REF] = name.into();
        }
        layout.push(entry);
    }
    layout.finish();
    for n in 0..orphans {
        layout.blob("", format!("orphan {n}"));
    }
    Ground { place, layout }
}

impl Ground {
    fn run(&self, command: &str) -> Finished {
        let args: Vec<&str> = command.split(' ').collect();
        self.place.run_in(&self.layout.dir, &args)
    }

    fn stored(&self) -> Stock {
        Stock::of(&self.layout.dir)
    }

    fn index(&self) -> Vec<u8> {
        index(&self.layout.dir).data
    }

    /// The texts of the rows.
    fn rows(&self) -> Vec<String> {
        let rows = index(&self.layout.dir).rows;
        rows.into_iter().map(|row| row.raw).collect()
    }

    /// The names of rows that a person gave them, each as often as it stands there.
    fn names(&self) -> Vec<String> {
        names_in(&self.rows())
    }

    fn write_rows(&self, rows: &[String]) {
        let text = format!(r#"{{"manifests":[{}]}}"#, rows.join(","));
        std::fs::write(self.layout.dir.join("index.json"), text).unwrap();
    }
}

/// Everything that the rows lead to, of what was stored.
fn reachable(rows: &[String], blobs: &Stock) -> BTreeSet<String> {
    blobs.below(rows.iter().flat_map(|row| digests_in(row)))
}

/// The digests in a member of a document.
fn listed(blobs: &Stock, digest: &str, member: &str) -> BTreeSet<String> {
    let bytes = blobs.0.get(digest);
    let document: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok());
    document.map_or_else(BTreeSet::new, |document| {
        digests_in(&document[member].to_string())
    })
}

/// What a prune leaves: what the rows lead to that are left, and what is stored and about any of that, as a
/// manifest with a subject or a list of such, at any depth. What a row led to that goes, goes with it, and an index
/// of which a row led to somewhere does not count as a list.
fn left_by_prune(before: &[String], after: &[String], blobs: &Stock) -> BTreeSet<String> {
    let targets = |rows: &[String]| rows.iter().flat_map(|row| digests_in(row)).collect();
    let (was, is): (BTreeSet<String>, BTreeSet<String>) = (targets(before), targets(after));
    let removed = &was - &is;
    let known = reachable(before, blobs);
    let mut left = reachable(after, blobs);
    loop {
        let is_about = |digest: &&String| {
            let subject = listed(blobs, digest, "subject");
            if !subject.is_empty() {
                return !removed.contains(*digest) && !subject.is_disjoint(&left);
            }
            let mut members = listed(blobs, digest, "manifests");
            members.retain(|member| blobs.0.contains_key(member));
            let subjects: Vec<BTreeSet<String>> = members
                .iter()
                .map(|member| listed(blobs, member, "subject"))
                .collect();
            !known.contains(*digest)
                && !members.is_empty()
                && !subjects[0].is_disjoint(&left)
                && subjects.iter().all(|subject| *subject == subjects[0])
        };
        let more = blobs.0.keys().filter(|digest| !left.contains(*digest));
        let more: Vec<String> = more.filter(is_about).cloned().collect();
        if more.is_empty() {
            return left;
        }
        // What they are about they do not need.
        let mut todo = more;
        while let Some(digest) = todo.pop() {
            // What a list names need not be there.
            if blobs.0.contains_key(&digest) && left.insert(digest.clone()) {
                for member in ["manifests", "layers", "config"] {
                    todo.extend(listed(blobs, &digest, member));
                }
            }
        }
    }
}

/// The names of rows that a person gave them.
fn names_in(rows: &[String]) -> Vec<String> {
    let named = rows.iter().filter_map(|row| {
        let row: Value = serde_json::from_str(row).unwrap();
        row["annotations"][REF].as_str().map(str::to_owned)
    });
    let mut names: Vec<String> = named.filter(|name| name.starts_with('n')).collect();
    names.sort();
    names
}

/// How many rows lead to a digest.
fn rows_of(ground: &Ground, digest: &str) -> usize {
    let rows = ground.rows();
    rows.iter()
        .filter(|row| digests_in(row).contains(digest))
        .count()
}

/// The digests that a report in JSON says it deletes.
fn deleted(report: &Finished) -> BTreeSet<String> {
    let report = object(report);
    let deleted = members(&report["deleted"], "digest");
    deleted.into_iter().map(str::to_owned).collect()
}

/// What goes, and how much that frees; a dry run says it in other words, and none that it was done.
fn said(output: &Finished, dry: bool) -> Vec<String> {
    let said = output.said(dry);
    assert_eq!(said.wrong, [""; 0], "{output}");
    let reclaimed = output.reclaimed().map(|bytes| bytes.to_string());
    let lines = said.untagged.into_iter().chain(["deleted".to_owned()]);
    lines.chain(said.deleted).chain(reclaimed).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_needed_goes_and_nothing_else_changes(
        documents in documents(), rows in rows(), commands in commands(), orphans in 0_u8..3,
    ) {
        let ground = build(&documents, &rows, orphans);
        for command in &commands {
            let (blobs, before) = (ground.stored(), ground.rows());
            let dry = ground.run(&format!("{command} -n"));
            prop_assert_eq!(&ground.stored(), &blobs);
            prop_assert_eq!(&ground.rows(), &before);
            let real = ground.run(command);
            // What a dry run says is what happens.
            prop_assert_eq!(said(&dry, true), said(&real, false), "{:?}", command);
            prop_assert_eq!(dry.code(), real.code());
            let (left, after) = (ground.stored(), ground.rows());
            // What the entries that are left lead to is there, byte for byte.
            for digest in reachable(&after, &blobs) {
                prop_assert_eq!(left.0.get(&digest), blobs.0.get(&digest), "{:?} lost {}", command, digest);
            }
            // Entries stay as they are and in order, or go, or become dangling.
            let mut rest = before.iter();
            for row in after.iter().filter(|row| !row.contains("moby-dangling@") || before.contains(row)) {
                prop_assert!(rest.any(|old| old == row), "{:?}: {}", command, row);
            }
            match command.split(' ').next() {
                Some("untag") => prop_assert_eq!(&left, &blobs),
                // What was garbage before is not rmi's business; what it made garbage goes.
                Some("rmi") => {
                    let needed = reachable(&before, &blobs);
                    for digest in blobs.0.keys() {
                        let stays = !needed.contains(digest) || reachable(&after, &blobs).contains(digest);
                        prop_assert_eq!(left.0.contains_key(digest), stays, "{:?}: {}", command, digest);
                    }
                }
                _ if command.contains("0s") && real.code() == Some(0) => {
                    prop_assert_eq!(left.digests(), left_by_prune(&before, &after, &blobs));
                    // One pass reaches the fixpoint.
                    let again = ground.run(command);
                    prop_assert_eq!(ground.stored(), left);
                    prop_assert_eq!(ground.rows(), after.clone(), "{:?}", again);
                }
                _ => {}
            }
            // Names survive every prune without --all.
            if command.starts_with("prune") && !command.contains("-a") {
                prop_assert_eq!(names_in(&before), names_in(&after));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn live_and_garbage_are_all_that_is_stored_and_nothing_is_both(
        documents in documents(), rows in rows(), orphans in 0_u8..3,
    ) {
        let ground = build(&documents, &rows, orphans);
        let (blobs, before) = (ground.stored(), ground.rows());
        let dry = ground.run("prune -n --grace 0s --format json");
        prop_assert_eq!(dry.code(), Some(0), "{:?}", dry);
        let garbage = deleted(&dry);
        // Which rows go is what the run says by doing it; which blobs go then is the model's to say.
        let real = ground.run("prune -f --grace 0s --format json");
        prop_assert_eq!(deleted(&real), garbage.clone());
        let after = ground.rows();
        let live = left_by_prune(&before, &after, &blobs);
        prop_assert!(live.is_disjoint(&garbage));
        prop_assert_eq!(&live | &garbage, blobs.digests());
        prop_assert_eq!(ground.stored().digests(), live);
        // Once is as good as twice.
        let again = ground.run("prune -f --grace 0s --format json");
        prop_assert_eq!(deleted(&again), BTreeSet::new());
        prop_assert_eq!(ground.rows(), after.clone());
        prop_assert_eq!(names_in(&after), names_in(&before));
    }

    #[test]
    fn names_survive_every_prune_that_is_not_of_all(
        documents in documents(), rows in rows(),
        more in prop::sample::select(vec!["", " --filter until=1s", " --filter dangling=true", " --filter reference=n1", " --keep n2 --allow-empty"]),
    ) {
        let ground = build(&documents, &rows, 1);
        let (blobs, before) = (ground.stored(), ground.rows());
        let done = ground.run(&format!("prune -f --grace 0s{more}"));
        prop_assert_eq!(done.code(), Some(0), "{:?}", done);
        prop_assert_eq!(ground.names(), names_in(&before));
        let named: Vec<String> = before.iter().filter(|row| !names_in(std::slice::from_ref(row)).is_empty()).cloned().collect();
        let left = ground.stored();
        for digest in reachable(&named, &blobs) {
            prop_assert!(left.0.contains_key(&digest), "{} of a name", digest);
        }
    }

    #[test]
    fn a_list_of_ids_has_the_images_of_a_list(
        documents in documents(), rows in rows(), all in any::<bool>(),
    ) {
        let ground = build(&documents, &rows, 0);
        let more = if all { " -a" } else { "" };
        let quiet = ground.run(&format!("ls -q --no-trunc{more}"));
        let json = ground.run(&format!("ls --format json{more}"));
        prop_assert_eq!(quiet.code(), Some(0), "{:?}", quiet);
        let images = objects(&json);
        let mut each_once: Vec<&str> = Vec::new();
        for image in &images {
            if !each_once.contains(&digest(image)) {
                each_once.push(digest(image));
            }
        }
        // In the same order, unless none was asked for.
        prop_assert_eq!(quiet.out.lines().collect::<Vec<_>>(), each_once.clone());
        let unsorted = ground.run(&format!("ls -q --no-trunc --sort none{more}"));
        let ids: BTreeSet<&str> = unsorted.out.lines().collect();
        prop_assert_eq!(ids.len(), unsorted.out.lines().count());
        prop_assert_eq!(ids, each_once.into_iter().collect());
    }

    /// FR48
    #[test]
    fn what_is_unique_is_what_rmi_frees(
        documents in documents(), rows in rows(),
    ) {
        let ground = build(&documents, &rows, 1);
        let images = objects(&ground.run("ls --format json"));
        for image in &images {
            let digest = digest(image);
            let same = images.iter().filter(|other| other["digest"] == image["digest"]).count();
            let named = rows_of(&ground, digest);
            // Of several names only the last frees anything.
            if same > 1 || named > 1 {
                continue;
            }
            let done = ground.run(&format!("rmi -n {digest} --format json"));
            prop_assert_eq!(done.code(), Some(0), "{:?}", done);
            prop_assert_eq!(&object(&done)["freed_bytes"], &image["unique"], "{} {:?}", image, done);
        }
    }

    #[test]
    fn a_row_less_makes_no_garbage_live(
        documents in documents(), rows in rows(), which in any::<prop::sample::Index>(),
    ) {
        let ground = build(&documents, &rows, 2);
        let before = ground.rows();
        let mut fewer = before.clone();
        fewer.remove(which.index(before.len()));
        // An index without rows is taken for an accident, and a row without a name is no garbage when no other has one.
        prop_assume!(!names_in(&fewer).is_empty());
        // What a row led to may be about something, and stay without any row.
        let dry = "prune -n --grace 0s --format json --unlisted-referrers delete";
        let more_rows = deleted(&ground.run(dry));
        ground.write_rows(&fewer);
        let fewer_rows = deleted(&ground.run(dry));
        // Rows that lose what they belong to may become dangling; none becomes an image by that.
        prop_assert!(more_rows.is_subset(&fewer_rows), "{:?} {:?}", more_rows, fewer_rows);
    }

    #[test]
    fn rmi_and_prune_leave_what_prune_leaves_of_the_smaller_index(
        documents in documents(), rows in rows(), name in 0_u8..5, orphans in 0_u8..3,
    ) {
        let ground = build(&documents, &rows, orphans);
        let smaller = build(&documents, &rows, orphans);
        ground.run(&format!("rmi n{name}"));
        let left = ground.rows();
        prop_assume!(!left.is_empty());
        smaller.write_rows(&left);
        for ground in [&ground, &smaller] {
            // What rmi took may be about something, and stay in the other layout.
            let done = ground.run("prune -f --grace 0s --unlisted-referrers delete");
            prop_assert_eq!(done.code(), Some(0), "{:?}", done);
        }
        prop_assert_eq!(ground.rows(), smaller.rows());
        prop_assert_eq!(ground.stored(), smaller.stored());
    }
}

/// A layout, locked without waiting and without a lock: nobody else has it.
fn opened(root: &Path) -> Locked<Shared> {
    let options = LockOptions {
        enabled: false,
        timeout: Duration::ZERO,
        ..LockOptions::default()
    };
    let layout = ocirm::layout::Layout::open(root).unwrap();
    layout.lock_shared(&options).unwrap()
}

/// What the records that stay lead to, without what their images lost.
fn held_one_by_one(view: &View, plan: &Plan) -> BTreeSet<NodeId> {
    let staying = view
        .records
        .iter()
        .filter(|(id, record)| plan.settled.stays(*id) && record.kind != RecordKind::Child);
    let mut starts: Vec<NodeId> = staying.map(|(_, record)| record.target).collect();
    let (mut held, mut started) = (BTreeSet::new(), BTreeSet::new());
    while let Some(start) = starts.pop() {
        if !started.insert(start) {
            continue;
        }
        let lost = plan.removed_parts.get(&start).cloned().unwrap_or_default();
        let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
        while let Some(node) = todo.pop() {
            if !seen.insert(node) {
                continue;
            }
            for link in view.graph.links(node) {
                match link.is_needed() {
                    true if lost.contains(&link.to) => {}
                    false if plan.removed_parts.contains_key(&link.to) => {
                        held.insert(link.to);
                        starts.push(link.to);
                    }
                    _ => todo.push(link.to),
                }
            }
        }
        held.append(&mut seen);
    }
    held
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Marking remembers what many walks found; walking from each record alone finds the same.
    #[test]
    fn marking_holds_what_each_record_that_stays_leads_to(
        documents in documents(), mut rows in rows(), names in prop::collection::vec((0_u8..5, prop::bool::weighted(0.8)), 1..4),
    ) {
        // Where many names lead everywhere, nothing can be taken away.
        rows.truncate(2);
        let ground = build(&documents, &rows, 0);
        let snapshot = Snapshot::read(&opened(&ground.layout.dir), &[], &Trash::default(), &mut |_| ()).unwrap();
        let mut draft = Draft::new(&snapshot);
        let platform = Platform::parse("linux/amd64", &Platform::host()).unwrap();
        let config = ImageConfig { platform: Arc::new(platform.clone()), ..ImageConfig::default() };
        let config = Rc::new(config);
        for (name, of_platform) in names {
            let platforms = if of_platform { vec![platform.clone()] } else { Vec::new() };
            let options = RmiOptions { force: true, parts: PartSelection { platforms, ..PartSelection::default() }, ..RmiOptions::default() };
            draft.rmi(&format!("n{name}"), &options, &|_| Some(config.clone()));
        }
        let plan = draft.finish();
        let held = held_one_by_one(&snapshot, &plan);
        let live = mark(&snapshot, &plan).unwrap();
        for node in snapshot.graph.ids() {
            prop_assert_eq!(held.contains(&node), live.contains(node), "{}", snapshot.graph.digest(node));
        }
    }
}

proptest! {
    // A damaged layout is read again for a while, in case somebody is writing it.
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// FR21: either nothing happens, or what is damaged is none of what stays.
    #[test]
    fn damage_that_stays_stops_every_deletion(
        documents in documents(), rows in rows(), which in any::<prop::sample::Index>(), cut in any::<bool>(),
    ) {
        let ground = build(&documents, &rows, 1);
        let is_document = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("\"n\":");
        let (whole, index) = (ground.stored(), ground.rows());
        let live: Vec<String> = reachable(&index, &whole)
            .into_iter()
            .filter(|digest| is_document(&whole.0[digest]))
            .collect();
        let digest = &live[which.index(live.len())];
        let bytes = &whole.0[digest];
        let rest = &bytes[..bytes.len() - 1];
        let broken = [rest, if cut { b"" } else { b" " }].concat();
        std::fs::write(blob_path(&ground.layout.dir, digest), broken).unwrap();
        let (blobs, before) = (ground.stored(), ground.index());
        let name = names_in(&index).first().cloned();
        let mut commands = vec!["prune -f --grace 0s".to_owned(), "prune -f -a --grace 0s".to_owned()];
        commands.extend(name.iter().flat_map(|name| [format!("rmi {name}"), format!("rmi -f {name}")]));
        for command in &commands {
            let finished = ground.run(command);
            if finished.code() == Some(12) {
                prop_assert_eq!(&ground.stored(), &blobs);
                prop_assert_eq!(&ground.index(), &before);
                continue;
            }
            prop_assert!(matches!(finished.code(), Some(0 | 1)), "{} {:?}", command, finished);
            let needed = reachable(&ground.rows(), &whole);
            let left = ground.stored();
            if ground.index() != before {
                prop_assert!(!needed.contains(digest), "{} {:?}", command, finished);
            }
            for needed in needed.iter().filter(|needed| blobs.0.contains_key(*needed)) {
                prop_assert!(left.0.contains_key(needed), "{} lost {} {:?}", command, needed, finished);
            }
            if ground.index() != before {
                // The rest of the commands is for the layout as it was.
                return Ok(());
            }
        }
        if let Some(name) = name {
            ground.run(&format!("untag {name}"));
            prop_assert_eq!(&ground.stored(), &blobs);
        }
    }
}
