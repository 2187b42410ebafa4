//! THE DECISION: values in, a [`Plan`] out. Nothing here reads a clock, a file or an environment.
//!
//! * `lookup`: which image a person means
//! * `names_together`: which of an image's names go together
//! * `rmi`, `rmi_platform`, `rewrite_index`, `untag`, `prune`: what each command removes
//! * `in_use`: what containers speak for; `retention`: what `--keep` and `--keep-last` do
//! * `restore`: what comes back from the trash
//! * `filter`: what `--filter` accepts
//!
//! Every command works on a [`Draft`]: the image table as the arguments so far left it. When all
//! are handled, [`Draft::finish`] lets the children and referrers follow what they belong to, and
//! makes the plan. The same plan is shown by a dry run and carried out by a real one.

pub mod filter;
pub mod lookup;
pub mod metadata;
pub mod names_together;
pub mod prune;
pub mod restore;
pub mod retention;
pub mod rewrite_index;
pub mod rmi;
mod rmi_platform;
pub mod untag;

use std::collections::{BTreeMap, BTreeSet};

use crate::containers::in_use::Uses;

use crate::oci::index::EntryEdit;
use crate::snapshot::Snapshot;
use crate::snapshot::graph::{Follow, Graph, NodeId};
use crate::snapshot::reachability::{Reachability, Start};
use crate::snapshot::records::{Claims, Name, Record, RecordId, RecordKind, Records};
use crate::snapshot::removed_parts::{Parts, RemovedParts};
use crate::value::digest::Digest;

/// What a command does to a layout, and says about it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is reported, in order.
    pub actions: Vec<Action>,
    /// What happens to entries of index.json.
    pub edits: BTreeMap<usize, EntryEdit>,
    /// Records that stay, by their number.
    pub kept: Vec<bool>,
    /// Manifests that images lose although their indexes still list them, by image.
    pub removed_parts: RemovedParts,
    /// Full names that nothing carries any more.
    pub names_gone: BTreeSet<String>,
    /// Arguments, or parts of them, that were not done.
    pub refusals: Vec<Refusal>,
    /// What else the user should know.
    pub notes: Vec<Note>,
    /// Images that would have gone, and why they did not.
    pub kept_images: Vec<KeptImage>,
    /// Names that get a new index. Their entries are in `edits` only when that is made; see
    /// [`Plan::retarget`].
    pub rewrites: Vec<Rewrite>,
}

/// A name that leads to another index from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The name.
    pub record: RecordId,
    /// The image it led to.
    pub image: NodeId,
    /// What the new index lacks.
    pub removed: Parts,
    /// What it keeps of the old one.
    pub parts: Vec<NodeId>,
}

/// An image, or a name of it, that `prune` left although the filters let it go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptImage {
    /// The name as it is shown.
    pub name: String,
    /// The image.
    pub image: NodeId,
    /// Why, as the end of a sentence.
    pub reason: String,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// This name goes.
    Untagged(String),
    /// This document goes, unless something else still needs it.
    Deleted(NodeId),
    /// This one and the documents below it go, as far as nothing else needs them.
    DeletedBelow(NodeId),
}

/// Something that was asked for and is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as far as the exit status is concerned.
    pub class: RefusalClass,
    /// What and why, in one line.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// It is not there. With `--force` or `--ignore` that is as good as removed.
    NotFound,
    /// It could mean different images.
    Ambiguous,
    /// Something speaks against it, which `--force` overrules.
    Conflict,
    /// It cannot be understood.
    Invalid,
}

impl Refusal {
    fn new(class: RefusalClass, message: impl Into<String>) -> Refusal {
        Refusal {
            class,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }
}

/// Something that the user should know and that is no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An argument's digest is not that of the image its name leads to; the name counted.
    DigestIgnored {
        /// The argument.
        argument: String,
        /// The digest of the image.
        found: String,
    },
    /// This platform was asked for and stays, because another image needs it.
    PlatformKept {
        /// The platform.
        platform: String,
        /// Its manifest.
        manifest: NodeId,
        /// Images that need it.
        holders: Vec<String>,
    },
    /// This name leads to a new index; signatures of the old one do not cover it.
    Rewritten {
        /// The name.
        image: String,
        /// The old index.
        old: NodeId,
    },
    /// The index of this image lists platforms that are no longer there.
    Sparse {
        /// The image's name.
        image: String,
        /// Its index.
        index: NodeId,
    },
    /// `prune` leaves images without a name, because nothing in the layout has one.
    NamelessLeft {
        /// How many.
        images: usize,
    },
    /// `prune` leaves entries without a name that are younger than the grace period.
    YoungLeft {
        /// How many.
        images: usize,
    },
}

/// What became of a record so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Present,
    /// It lost its name and is dangling now.
    Dangling,
    Gone,
}

/// A platform that an image loses: one manifest, and what says something about it.
struct RemovedPlatform {
    image: NodeId,
    manifest: NodeId,
    platform: String,
    /// Its attestations, in the order of the index.
    attestations: Vec<NodeId>,
    /// Where its lines stand among the actions.
    action: usize,
}

/// The image table, as the arguments so far left it.
pub struct Draft<'a> {
    snapshot: &'a Snapshot,
    uses: &'a Uses<'a>,
    states: Vec<Standing>,
    actions: Vec<Action>,
    refusals: Vec<Refusal>,
    notes: Vec<Note>,
    removed_platforms: Vec<RemovedPlatform>,
    kept_images: Vec<KeptImage>,
    rewrites: Vec<Rewrite>,
}

impl<'a> Draft<'a> {
    /// Nothing is decided yet.
    pub fn new(snapshot: &'a Snapshot) -> Draft<'a> {
        const NONE: &Uses<'static> = &Uses::none();
        Draft::with_uses(snapshot, NONE)
    }

    /// [`Draft::new`], beside containers that use images.
    pub fn with_uses(snapshot: &'a Snapshot, uses: &'a Uses<'a>) -> Draft<'a> {
        Draft {
            snapshot,
            uses,
            kept_images: Vec::new(),
            rewrites: Vec::new(),
            states: vec![Standing::Present; snapshot.records.iter().len()],
            actions: Vec::new(),
            refusals: Vec::new(),
            notes: Vec::new(),
            removed_platforms: Vec::new(),
        }
    }

    fn records(&self) -> &'a Records {
        &self.snapshot.records
    }

    fn graph(&self) -> &'a Graph {
        &self.snapshot.graph
    }

    fn record(&self, id: RecordId) -> &'a Record {
        self.records().record(id)
    }

    fn is_present(&self, id: RecordId) -> bool {
        self.states[id.index()] != Standing::Gone
    }

    fn is_dangling(&self, id: RecordId) -> bool {
        self.record(id).is_dangling() || self.states[id.index()] == Standing::Dangling
    }

    /// The name that a record has by now.
    fn name(&self, id: RecordId) -> &'a Name {
        match self.states[id.index()] {
            Standing::Dangling => &Name::Dangling,
            _ => &self.record(id).name,
        }
    }

    /// A record's name as it is shown, for lists of names.
    fn shown(&self, id: RecordId) -> String {
        self.record(id).shown(self.graph())
    }

    /// The records of an image that Docker's rules count: an entry that merely lists a part of
    /// another image counts only when there is nothing else.
    fn set_of(&self, target: NodeId) -> Vec<RecordId> {
        let present: Vec<RecordId> = self
            .records()
            .of_target(target)
            .iter()
            .copied()
            .filter(|id| self.is_present(*id))
            .collect();
        let own: Vec<RecordId> = present
            .iter()
            .copied()
            .filter(|id| !self.is_mere_dependent(*id))
            .collect();
        let mut set = if own.is_empty() { present } else { own };
        // The table has them in name order. One that became dangling sorts where its new name does.
        if set
            .iter()
            .any(|id| self.states[id.index()] == Standing::Dangling)
        {
            set.sort_by_key(|id| match self.states[id.index()] {
                Standing::Dangling => format!(
                    "{}{}",
                    crate::oci::index::DANGLING_PREFIX,
                    self.graph().digest(target)
                ),
                _ => self.record(*id).key().to_owned(),
            });
        }
        set
    }

    fn is_mere_dependent(&self, id: RecordId) -> bool {
        let record = self.record(id);
        record.is_dangling() && record.kind.is_dependent()
    }

    fn remove(&mut self, id: RecordId) {
        self.states[id.index()] = Standing::Gone;
    }

    /// Takes a record's name away and leaves its image dangling, unless it already is.
    fn dangle(&mut self, id: RecordId) {
        let target = self.record(id).target;
        let exists = self
            .set_of(target)
            .into_iter()
            .any(|other| other != id && self.is_dangling(other));
        self.states[id.index()] = if exists {
            Standing::Gone
        } else {
            Standing::Dangling
        };
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    /// What an image lost so far.
    fn parts_removed_of(&self, image: NodeId) -> Parts {
        let own = self
            .removed_platforms
            .iter()
            .filter(|removed| removed.image == image);
        own.flat_map(|removed| {
            std::iter::once(removed.manifest).chain(removed.attestations.iter().copied())
        })
        .collect()
    }

    fn removed_parts(&self) -> RemovedParts {
        let mut removed_parts = RemovedParts::new();
        for removed in &self.removed_platforms {
            let set = removed_parts.entry(removed.image).or_default();
            set.insert(removed.manifest);
            set.extend(&removed.attestations);
        }
        removed_parts
    }

    /// Lets children and referrers follow, takes back platforms that others need, and makes the
    /// plan.
    pub fn finish(mut self) -> Plan {
        let claims = Claims::new(self.records(), self.graph());
        let (kept, removed_parts) = loop {
            let removed_parts = self.removed_parts();
            let states = &self.states;
            let kept = claims
                .settle(
                    &|id| states[id.index()] != Standing::Gone,
                    &|id| start(self.snapshot, id, &self.rewrites),
                    &removed_parts,
                )
                .kept;
            if self.removed_platforms.is_empty() {
                break (kept, removed_parts);
            }
            let held = held(self.snapshot, &kept, &removed_parts, &self.rewrites);
            let (needed, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.removed_platforms)
                .into_iter()
                .partition(|removed| held[removed.manifest.index()]);
            self.removed_platforms = gone;
            if needed.is_empty() {
                break (kept, removed_parts);
            }
            // Taking one back can make another one needed, so everything is looked at again.
            let mut known: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
            for removed in needed {
                let holders = known
                    .entry(removed.manifest)
                    .or_insert_with(|| self.needed_by(removed.manifest, &kept, &removed_parts));
                self.notes.push(Note::PlatformKept {
                    platform: removed.platform,
                    manifest: removed.manifest,
                    holders: holders.clone(),
                });
            }
        };
        self.report_platforms();
        self.report_followers(&kept);
        let mut plan = Plan {
            kept,
            removed_parts,
            actions: self.actions,
            refusals: self.refusals,
            notes: self.notes,
            kept_images: self.kept_images,
            rewrites: self.rewrites,
            ..Plan::default()
        };
        for (id, record) in self.snapshot.records.iter() {
            let (first, rest) = match (plan.kept[id.index()], self.states[id.index()]) {
                (true, Standing::Dangling) => (EntryEdit::Dangle, EntryEdit::Remove),
                (true, _) => continue,
                (false, _) => (EntryEdit::Remove, EntryEdit::Remove),
            };
            for (number, position) in record.entries.iter().enumerate() {
                let edit = if number == 0 { &first } else { &rest };
                plan.edits.insert(*position, edit.clone());
            }
            if let Name::Reference(_) = record.name {
                plan.names_gone.insert(record.key().to_owned());
            }
        }
        for (id, record) in self.snapshot.records.iter() {
            if plan.kept[id.index()] && self.states[id.index()] == Standing::Present {
                plan.names_gone.remove(record.key());
            }
        }
        plan
    }

    /// The records that need a manifest, apart from those that lose it. Another layout may, too.
    fn needed_by(
        &self,
        manifest: NodeId,
        kept: &[bool],
        removed_parts: &RemovedParts,
    ) -> Vec<String> {
        let above = self.graph().ancestors(manifest, Follow::Subjects);
        let names: BTreeSet<String> = self
            .records()
            .iter()
            .filter(|(id, record)| {
                let lost = removed_parts.get(&record.target);
                kept[id.index()]
                    && !record.kind.is_dependent()
                    && above.contains(&record.target)
                    && !lost.is_some_and(|lost| lost.contains(&manifest))
            })
            .map(|(id, _)| self.shown(id))
            .collect();
        match names.is_empty() {
            true => vec!["another layout".to_owned()],
            false => names.into_iter().collect(),
        }
    }

    /// Puts the lines of removed platforms where their arguments stood.
    fn report_platforms(&mut self) {
        let mut images = BTreeMap::new();
        for removed in self.removed_platforms.iter().rev() {
            let lines = std::iter::once(removed.manifest)
                .chain(removed.attestations.iter().copied())
                .map(Action::Deleted);
            self.actions.splice(removed.action..removed.action, lines);
            images.entry(removed.image).or_insert(());
        }
        for image in images.into_keys() {
            let name = self
                .set_of(image)
                .first()
                .map_or_else(String::new, |id| self.shown(*id));
            self.notes.push(Note::Sparse {
                image: name,
                index: image,
            });
        }
    }

    /// Referrers that go because what they refer to goes are images of their own: they are named.
    fn report_followers(&mut self, kept: &[bool]) {
        let mut followers: Vec<(&str, RecordId)> = self
            .snapshot
            .records
            .iter()
            .filter(|(id, record)| {
                !kept[id.index()] && self.is_present(*id) && record.kind == RecordKind::Referrer
            })
            .map(|(id, record)| (record.key(), id))
            .collect();
        followers.sort();
        for (_, id) in followers {
            let record = self.record(id);
            if !record.is_dangling() {
                self.actions.push(Action::Untagged(self.shown(id)));
            }
            self.actions.push(Action::DeletedBelow(record.target));
        }
    }
}

/// Where a record's image begins.
fn start<'s>(snapshot: &Snapshot, id: RecordId, rewrites: &'s [Rewrite]) -> Start<'s> {
    match rewrites.iter().find(|rewrite| rewrite.record == id) {
        Some(rewrite) => Start::Parts(&rewrite.parts),
        None => Start::Image(snapshot.records.record(id).target),
    }
}

impl Plan {
    /// Where a record's image begins under this plan.
    pub fn start(&self, snapshot: &Snapshot, id: RecordId) -> Start<'_> {
        start(snapshot, id, &self.rewrites)
    }

    /// Points the entries of a rewritten name to the new index.
    pub fn retarget(&mut self, snapshot: &Snapshot, rewrite: &Rewrite, digest: &Digest, size: u64) {
        for position in &snapshot.records.record(rewrite.record).entries {
            let edit = EntryEdit::Retarget(digest.clone(), size);
            self.edits.insert(*position, edit);
        }
    }
}

impl Plan {
    /// For each node whether anything that this plan leaves holds it, as the planning sees it.
    #[doc(hidden)]
    pub fn held(&self, snapshot: &Snapshot) -> Vec<bool> {
        held(snapshot, &self.kept, &self.removed_parts, &self.rewrites)
    }
}

/// For each node whether anything that is left holds it: a record, an odd entry, another layout.
fn held(
    snapshot: &Snapshot,
    kept: &[bool],
    removed_parts: &RemovedParts,
    rewrites: &[Rewrite],
) -> Vec<bool> {
    let graph = &snapshot.graph;
    let mut held = vec![false; graph.len()];
    let mut reach = Reachability::without(graph, removed_parts);
    for (id, record) in snapshot.records.iter() {
        // Parts of other images are held by those.
        if kept[id.index()] && record.kind != RecordKind::Child {
            let start = start(snapshot, id, rewrites);
            reach.walk(graph, start, Follow::Subjects, &mut |node, _| {
                held[node.index()] = true;
            });
        }
    }
    let odd = snapshot.index.entries().iter();
    let odd = odd.flat_map(|entry| &entry.more_digests);
    let others = odd.filter_map(|digest| graph.find(digest));
    let mut whole = Reachability::new(graph);
    for node in others.chain(snapshot.sharer_roots.iter().copied()) {
        whole.walk(
            graph,
            Start::Image(node),
            Follow::Subjects,
            &mut |node, _| {
                held[node.index()] = true;
            },
        );
    }
    held
}

impl Plan {
    /// Whether nothing changes: no entry, and no platform of any image.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.removed_parts.is_empty() && self.rewrites.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::rmi::RmiOptions;
    use super::*;
    use crate::oci::index::Index;
    use crate::snapshot::graph::tests::Store;

    /// A layout in memory: names with letters for images, as in `web:1=A`. An image's letter makes
    /// its content; `A<B` says that image A was built from B.
    fn snapshot(rows: &str) -> (Store, Snapshot) {
        let mut store = Store::default();
        let mut entries = Vec::new();
        for row in rows.split_whitespace() {
            let (name, image) = row.split_once('=').unwrap();
            let (image, parent) = match image.split_once('<') {
                Some((image, parent)) => (image, Some(store.manifest(&[parent], None))),
                None => (image, None),
            };
            let digest = store.manifest(&[image], None);
            let name = name
                .replace("@D", &format!("@{digest}"))
                .replace("dangling", &format!("moby-dangling@{digest}"));
            let parent = parent.map_or(String::new(), |digest| {
                format!(r#","org.mobyproject.image.parent":"{digest}""#)
            });
            entries.push(format!(
                r#"{{"digest":"{digest}","annotations":{{"io.containerd.image.name":"{name}"{parent}}}}}"#
            ));
        }
        let text = format!(r#"{{"manifests":[{}]}}"#, entries.join(","));
        let index = Index::parse(text.into_bytes()).unwrap();
        let graph = store.graph(index.entries());
        (store, Snapshot::new(index, graph, Default::default()))
    }

    fn docker(row: &str) -> String {
        match row.starts_with("dangling=") {
            true => row.to_owned(),
            false => format!("docker.io/library/{row}"),
        }
    }

    /// What is done, and what is left: `-name` untagged, `!` an image deleted, `?class` refused.
    fn outcome(rows: &str, arguments: &[&str], options: &RmiOptions) -> (String, usize) {
        let rows: Vec<String> = rows.split_whitespace().map(docker).collect();
        let (store, snapshot) = snapshot(&rows.join(" "));
        let mut draft = Draft::new(&snapshot);
        for argument in arguments {
            let mut argument = (*argument).to_owned();
            for letter in ["A", "B"] {
                let digest = store_digest(&store, letter);
                argument = argument.replace(&format!("${letter}"), &digest);
            }
            draft.rmi(&argument, options, &|_| None);
        }
        let plan = draft.finish();
        let mut done: Vec<String> = plan
            .actions
            .iter()
            .map(|action| match action {
                Action::Untagged(name) => {
                    format!("-{}", name.split('@').next().unwrap_or_default())
                }
                Action::Deleted(_) | Action::DeletedBelow(_) => "!".to_owned(),
            })
            .collect();
        done.extend(plan.refusals.iter().map(|r| format!("?{:?}", r.class)));
        let left = snapshot.index.entries().len()
            - plan
                .edits
                .values()
                .filter(|edit| **edit == EntryEdit::Remove)
                .count();
        (done.join(" "), left)
    }

    fn store_digest(store: &Store, letter: &str) -> String {
        let mut store_again = Store(store.0.clone());
        store_again.manifest(&[letter], None).to_string()
    }

    #[test]
    fn rmi_decides_as_docker_does() {
        let plain = RmiOptions::default();
        let force = RmiOptions {
            force: true,
            ..RmiOptions::default()
        };
        for (rows, arguments, options, done, left) in [
            ("web:latest=A", vec!["web"], &plain, "-web:latest !", 0),
            ("web:1=A web:2=A", vec!["web:1"], &plain, "-web:1", 1),
            ("web:1=A shop:1=A", vec!["$A"], &plain, "?Conflict", 2),
            (
                "web:1=A shop:1=A",
                vec!["$A"],
                &force,
                "-shop:1 -web:1 !",
                0,
            ),
            ("web:1=A web@D=A", vec!["$A"], &plain, "-web:1 -web !", 0),
            ("web:1=A web@D=A", vec!["web:1"], &plain, "-web:1 -web !", 0),
            ("web:1=A dangling=A", vec!["web:1"], &plain, "-web:1 !", 0),
            ("web:1=A shop:1=A", vec!["web@$A"], &plain, "-web:1", 1),
            ("dangling=A", vec!["$A"], &plain, "!", 0),
            (
                "web:1=A",
                vec!["ghost", "web:1", "web:1"],
                &plain,
                "-web:1 ! ?NotFound ?NotFound",
                0,
            ),
            (
                "web:1=A",
                vec!["Web:1", " ", "web:"],
                &plain,
                "?Invalid ?Invalid ?Invalid",
                1,
            ),
            // Parents: the dangling one goes with its child, a named one leaves its content.
            (
                "kid:1=A<B dangling=B",
                vec!["kid:1"],
                &plain,
                "-kid:1 ! !",
                0,
            ),
            ("kid:1=A<B base:1=B", vec!["kid:1"], &plain, "-kid:1 !", 1),
            ("kid:1=A<B base:1=B", vec!["base:1"], &plain, "-base:1 !", 2),
            ("kid:1=A<B base:1=B", vec!["base:1"], &force, "-base:1 !", 1),
        ] {
            assert_eq!(
                outcome(rows, &arguments, options),
                (done.to_owned(), left),
                "{rows} / {arguments:?}"
            );
        }
    }

    #[test]
    fn untag_takes_exactly_the_names_given_and_leaves_the_image() {
        for (rows, arguments, edits) in [
            (
                "web:1=A web@D=A",
                vec!["web:1"],
                vec![(0, EntryEdit::Remove)],
            ),
            ("web:1=A", vec!["web:1"], vec![(0, EntryEdit::Dangle)]),
            (
                "web:1=A web:2=A",
                vec!["web:1", "web:2"],
                vec![(0, EntryEdit::Remove), (1, EntryEdit::Dangle)],
            ),
            (
                "web:1=A dangling=A",
                vec!["web:1"],
                vec![(0, EntryEdit::Remove)],
            ),
            ("web:1=A", vec!["ghost"], vec![]),
        ] {
            let rows: Vec<String> = rows.split_whitespace().map(docker).collect();
            let (_, snapshot) = snapshot(&rows.join(" "));
            let mut draft = Draft::new(&snapshot);
            for argument in &arguments {
                draft.untag(argument);
            }
            let plan = draft.finish();
            let edits = edits.into_iter().collect::<BTreeMap<_, _>>();
            assert_eq!(plan.edits, edits, "{rows:?} / {arguments:?}");
        }
    }
}
