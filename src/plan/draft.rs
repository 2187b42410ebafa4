//! The draft: the records of a layout, as the arguments so far left them.
//!
//! Every command works on one. When all arguments are handled, [`Draft::finish`] lets the children and
//! referrers follow what they belong to, and makes the plan.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context as _;

use super::plan::{Action, KeptImage, NameDecision, Note, Plan, Refusal};
use super::rewrite_index;
use crate::containers::in_use::Uses;
use crate::oci::descriptor::Role;
use crate::oci::index::{DANGLING_PREFIX, EntryEdit};
use crate::snapshot::{
    Claims, Follow, Graph, Holders, Name, NodeId, Parts, Record, RecordId, RecordKind, Records,
    RemovedParts, Settled, View,
};
use crate::value::digest::Digest;

/// What became of a record so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Present,
    /// It lost its name and is dangling now.
    Dangling,
    Gone,
}

/// A part that an image loses.
pub(super) struct RemovedPart {
    pub(super) image: NodeId,
    /// What it is called in a sentence: `platform linux/arm64`.
    pub(super) what: String,
    /// Its manifest, and then what belongs to that, in the order of the index.
    pub(super) parts: Vec<NodeId>,
    /// Where its lines stand among the actions.
    pub(super) action: usize,
}

/// Of how many parts that stay all holders are said; of others, one.
const MOST_EXPLAINED: usize = 16;

/// The records of a layout, as the arguments so far left them.
pub struct Draft<'a> {
    pub(super) view: &'a View,
    pub(super) uses: &'a Uses<'a>,
    pub(super) standings: Vec<Standing>,
    pub(super) removed: Vec<RemovedPart>,
    /// Children and referrers that stay whatever becomes of what they belong to, and why.
    pub(super) held: Vec<(RecordId, String)>,
    /// Names that some argument of the command means.
    pub(super) given_names: HashSet<RecordId>,
    /// The images that the arguments mean, where parts are to be removed.
    pub(super) given_images: HashMap<String, NodeId>,
    /// Images that lost parts already, and names that got a new index.
    pub(super) parted_images: HashSet<NodeId>,
    pub(super) parted_names: HashSet<RecordId>,
    /// What leads to what, for messages; made when one asks for the first time.
    pub(super) parents: OnceCell<HashMap<NodeId, Vec<(NodeId, Role)>>>,
    /// Everything that index.json leads to, in the order of the encoded digests; likewise.
    pub(super) by_digest: OnceCell<Vec<(String, NodeId)>>,
    /// Says more of an argument that means no image, if there is more to say.
    pub(super) explain: Option<&'a Explain<'a>>,
    /// Nothing is to be removed, so nobody is told that something cannot be.
    pub(super) only_looks: bool,
    /// For how many arguments something was suggested.
    pub(super) suggestions: u32,
    /// What is known of the plan by now.
    pub(super) plan: Plan,
}

/// What an argument means that means no image: a blob of another kind, or a part. `None`: nothing that
/// is there.
pub(super) type Explain<'a> = dyn Fn(&str) -> Option<Refusal> + 'a;

impl<'a> Draft<'a> {
    /// Nothing is decided yet.
    pub fn new(view: &'a View) -> Draft<'a> {
        const NONE: &Uses<'static> = &Uses::none();
        Draft::with_uses(view, NONE)
    }

    /// [`Draft::new`], beside containers that use images.
    pub fn with_uses(view: &'a View, uses: &'a Uses<'a>) -> Draft<'a> {
        Draft {
            view,
            uses,
            standings: vec![Standing::Present; view.records.iter().len()],
            removed: Vec::new(),
            held: Vec::new(),
            given_names: HashSet::new(),
            given_images: HashMap::new(),
            parted_images: HashSet::new(),
            parted_names: HashSet::new(),
            parents: OnceCell::new(),
            by_digest: OnceCell::new(),
            explain: None,
            only_looks: false,
            suggestions: 0,
            plan: Plan::default(),
        }
    }

    /// Says what arguments mean for a command that removes nothing.
    pub fn only_looks(&mut self) {
        self.only_looks = true;
    }

    /// Has what is not found explained by somebody who may read more than the snapshot.
    pub fn explain_with(&mut self, explain: &'a (dyn Fn(&str) -> Option<Refusal> + 'a)) {
        self.explain = Some(explain);
    }

    pub(super) fn records(&self) -> &'a Records {
        &self.view.records
    }

    pub(super) fn graph(&self) -> &'a Graph {
        &self.view.graph
    }

    pub(super) fn record(&self, id: RecordId) -> &'a Record {
        self.records().record(id)
    }

    pub(super) fn standing(&self, id: RecordId) -> Standing {
        self.standings[id.index()]
    }

    pub(super) fn is_present(&self, id: RecordId) -> bool {
        self.standing(id) != Standing::Gone
    }

    pub(super) fn is_dangling(&self, id: RecordId) -> bool {
        *self.name(id) == Name::Dangling
    }

    /// The name that a record has by now.
    pub(super) fn name(&self, id: RecordId) -> &'a Name {
        match self.standing(id) {
            Standing::Dangling => &Name::Dangling,
            Standing::Present | Standing::Gone => &self.record(id).name,
        }
    }

    /// A record's name as it is shown, for lists of names.
    pub(super) fn shown(&self, id: RecordId) -> String {
        self.view.shown(id)
    }

    pub(super) fn shown_shared(&self, id: RecordId) -> Arc<str> {
        self.view.shown_shared(id)
    }

    /// The records of an image that Docker's rules count: an entry that merely lists a part of
    /// another image counts only when there is nothing else.
    pub(super) fn set_of(&self, target: NodeId) -> Vec<RecordId> {
        let mut set = self.records().of_target(target).to_vec();
        set.retain(|id| self.is_present(*id));
        if set.iter().any(|id| !self.is_mere_dependent(*id)) {
            set.retain(|id| !self.is_mere_dependent(*id));
        }
        // They are in name order already. One that became dangling sorts where its new name does.
        let became_dangling = |id: &RecordId| self.standing(*id) == Standing::Dangling;
        if set.iter().any(became_dangling) {
            let dangling = format!("{DANGLING_PREFIX}{}", self.graph().digest(target));
            set.sort_by_key(|id| match self.standing(*id) {
                Standing::Dangling => &dangling,
                Standing::Present | Standing::Gone => self.record(*id).key(),
            });
        }
        set
    }

    pub(super) fn is_mere_dependent(&self, id: RecordId) -> bool {
        let record = self.record(id);
        record.is_dangling() && record.kind.is_dependent()
    }

    pub(super) fn remove(&mut self, id: RecordId) {
        self.standings[id.index()] = Standing::Gone;
    }

    /// Takes a record's name away and leaves its image dangling, unless it already is.
    pub(super) fn dangle(&mut self, id: RecordId) {
        let target = self.record(id).target;
        let set = self.set_of(target);
        let is_another = |other: RecordId| other != id && self.is_dangling(other);
        self.standings[id.index()] = match set.into_iter().any(is_another) {
            true => Standing::Gone,
            false => Standing::Dangling,
        };
    }

    /// What belongs to an image by the name of this record.
    fn belongings_of(&self, id: RecordId) -> Vec<RecordId> {
        let Some(belongings) = self.records().belongings().get(&self.record(id).target) else {
            return Vec::new();
        };
        let entries = self.view.index.entries();
        let name = |id: RecordId| entries[self.record(id).entries[0]].name();
        let belongings = belongings.iter().copied();
        belongings
            .filter(|other| self.is_present(*other) && name(*other) == name(id))
            .collect()
    }

    /// What belongs to an image by a name that it loses loses that name, too.
    pub(super) fn dangle_belongings(&mut self, id: RecordId) {
        for belonging in self.belongings_of(id) {
            self.standings[belonging.index()] = Standing::Dangling;
        }
    }

    /// What belongs to an image by a name goes with that name.
    fn follow_names(&mut self) {
        let mut images: Vec<NodeId> = self.records().belongings().keys().copied().collect();
        images.sort();
        for image in images {
            let names = self.records().of_target(image);
            for id in names {
                if self.record(*id).is_dangling() {
                    continue;
                }
                match self.standing(*id) {
                    Standing::Present => {}
                    Standing::Dangling => self.dangle_belongings(*id),
                    Standing::Gone => {
                        let of_name = self.belongings_of(*id).into_iter();
                        let named =
                            of_name.filter(|other| self.standing(*other) == Standing::Present);
                        for belonging in named.collect::<Vec<_>>() {
                            // With the whole image it goes anyway, and is reported then.
                            if !self.set_of(image).is_empty() {
                                let target = self.record(belonging).target;
                                self.remove(belonging);
                                self.plan.actions.push(Action::DeletedBelow(target));
                            }
                        }
                    }
                }
            }
        }
    }

    /// What images lost so far.
    pub(super) fn removed_parts(&self) -> RemovedParts {
        let mut removed_parts = RemovedParts::new();
        for removed in &self.removed {
            let parts = removed_parts.entry(removed.image).or_default();
            parts.extend(&removed.parts);
        }
        removed_parts
    }

    /// Makes the plan, new indexes included. `read` gives the bytes of an old index.
    ///
    /// # Errors
    /// What `read` says, and an index that cannot be rewritten.
    pub fn finish_with(
        mut self,
        read: &mut dyn FnMut(&Digest) -> anyhow::Result<Vec<u8>>,
    ) -> anyhow::Result<Plan> {
        for rewrite in &mut self.plan.rewrites {
            let (image, removed) = (rewrite.image, &rewrite.removed);
            rewrite.blobs = rewrite_index::without(&self.view.graph, image, removed, read)
                .context("cannot make a new index")?;
        }
        Ok(self.settle())
    }

    /// Makes the plan of a command that asks for no new index.
    pub fn finish(mut self) -> Plan {
        // Nothing may be taken from an index whose successor was not made.
        self.plan.rewrites.clear();
        self.settle()
    }

    /// Lets children and referrers follow, takes back platforms that others need, and makes the
    /// plan.
    fn settle(mut self) -> Plan {
        self.follow_names();
        (self.plan.settled, self.plan.removed_parts) = self.settle_platforms();
        self.report_held();
        self.report_platforms();
        self.report_followers();
        self.decide_dependents();
        self.edit();
        self.plan
    }

    /// What becomes of the records, and what images lose. Platforms that something else needs stay.
    fn settle_platforms(&mut self) -> (Settled, RemovedParts) {
        let claims = Claims::new(self.records(), self.graph());
        let held: Vec<RecordId> = self.held.iter().map(|(id, _)| *id).collect();
        loop {
            let removed_parts = self.removed_parts();
            let start = self.plan.starts(self.view);
            let parts_gone = self.parts_gone(&removed_parts);
            let is_left = |id: RecordId| {
                let is_part =
                    || self.is_mere_dependent(id) && parts_gone.contains(&self.record(id).target);
                self.is_present(id) && (parts_gone.is_empty() || !is_part())
            };
            let settled = claims.settle(&is_left, &held, &start, &removed_parts);
            if self.removed.is_empty() {
                return (settled, removed_parts);
            }
            // Whether a name of `manifest.json` goes with these is not known yet: none does.
            let names_gone = BTreeSet::new();
            let holders = Holders::of(self.view, &settled, &names_gone, &start, &removed_parts);
            drop(start);
            let (needed, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.removed)
                .into_iter()
                .partition(|removed| holders.contains(removed.parts[0]));
            self.removed = gone;
            if needed.is_empty() {
                return (settled, removed_parts);
            }
            // Taking one back can make another one needed, so everything is looked at again.
            let mut known: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
            for removed in needed {
                let manifest = removed.parts[0];
                // Finding all of them takes a look at the whole layout.
                let is_many = known.len() >= MOST_EXPLAINED && !known.contains_key(&manifest);
                let first = holders.record(manifest).filter(|_| is_many);
                let holders = known.entry(manifest).or_insert_with(|| match first {
                    Some(first) => vec![self.shown(first)],
                    None => self.needed_by(manifest, &settled, &removed_parts),
                });
                self.plan.notes.push(Note::PartKept {
                    what: removed.what,
                    manifest,
                    holders: holders.clone(),
                });
            }
        }
    }

    /// What the parts are that no image has any more once it lost them, or gets a new index: an entry of
    /// index.json that merely lists one of them goes with it.
    fn parts_gone(&self, removed_parts: &RemovedParts) -> Parts {
        let mut gone: Parts = removed_parts.values().flatten().copied().collect();
        let rewritten = self.plan.rewrites.iter().map(|rewrite| rewrite.record);
        let rewritten: HashSet<RecordId> = rewritten.collect();
        let mut keeps_old: HashMap<NodeId, bool> = HashMap::new();
        for rewrite in &self.plan.rewrites {
            // Another name keeps the old index, with all that it lists.
            let keeps_old = keeps_old.entry(rewrite.image).or_insert_with(|| {
                let mut of_image = self.records().of_target(rewrite.image).iter();
                of_image.any(|id| self.is_present(*id) && !rewritten.contains(id))
            });
            if !*keeps_old {
                gone.extend(&rewrite.removed);
            }
        }
        gone
    }

    /// Finds out what happens to entries of index.json, and which full names nothing carries any more.
    fn edit(&mut self) {
        let (edits, names_gone) = (&mut self.plan.edits, &mut self.plan.names_gone);
        let settled = &self.plan.settled;
        for (id, record) in self.view.records.iter() {
            let first = match (settled.stays(id), self.standings[id.index()]) {
                (true, Standing::Dangling) => EntryEdit::Dangle,
                (true, Standing::Present | Standing::Gone) => continue,
                (false, _) => EntryEdit::Remove,
            };
            edits.insert(record.entries[0], first);
            let rest = record.entries[1..].iter();
            edits.extend(rest.map(|at| (*at, EntryEdit::Remove)));
            if let Name::Reference(_) = record.name {
                names_gone.insert(record.key().to_owned());
            }
        }
        for (id, record) in self.view.records.iter() {
            if settled.stays(id) && self.standings[id.index()] == Standing::Present {
                names_gone.remove(record.key());
            }
        }
        for rewrite in &self.plan.rewrites {
            if let Some(new) = rewrite.blobs.last() {
                let retarget = EntryEdit::Retarget(new.digest.clone(), new.bytes.len() as u64);
                let entries = self.view.records.record(rewrite.record).entries.iter();
                edits.extend(entries.map(|at| (*at, retarget.clone())));
            }
        }
    }

    /// The records that need a manifest, apart from those that lose it. Another layout may, too.
    fn needed_by(
        &self,
        manifest: NodeId,
        settled: &Settled,
        removed_parts: &RemovedParts,
    ) -> Vec<String> {
        let above = self.graph().above([manifest], Follow::Subjects);
        let holders = self.records().iter().filter(|(id, record)| {
            let lost = removed_parts.get(&record.target);
            settled.stays(*id)
                && !record.kind.is_dependent()
                && above.contains(&record.target)
                && !lost.is_some_and(|lost| lost.contains(&manifest))
        });
        let names: BTreeSet<String> = holders.map(|(id, _)| self.shown(id)).collect();
        match names.is_empty() {
            true => {
                let mut roots = self.view.sharer_roots.iter();
                let is_shared = roots.any(|root| above.contains(root));
                let holder = match is_shared {
                    true => "another layout",
                    false if !self.view.archive.items().is_empty() => "manifest.json",
                    false => "another entry of index.json",
                };
                vec![holder.to_owned()]
            }
            false => names.into_iter().collect(),
        }
    }

    /// Puts the lines of removed platforms where their arguments stood.
    fn report_platforms(&mut self) {
        let mut images = BTreeSet::new();
        for removed in self.removed.iter().rev() {
            let lines = removed.parts.iter().copied().map(Action::Deleted);
            let place = removed.action..removed.action;
            self.plan.actions.splice(place, lines);
            images.insert(removed.image);
        }
        for image in images {
            let set = self.set_of(image);
            self.plan.notes.push(Note::Sparse {
                image: set.first().map_or_else(String::new, |id| self.shown(*id)),
                index: image,
            });
        }
    }

    /// What stays although what it belongs to goes.
    fn report_held(&mut self) {
        for (id, reason) in std::mem::take(&mut self.held) {
            if self.plan.settled.stands_alone(id) {
                let (name, image) = (self.view.shown_shared(id), self.record(id).target);
                let reason: Arc<str> = reason.into();
                self.plan.decisions.push(NameDecision {
                    name: name.clone(),
                    image,
                    stays: true,
                    rule: None,
                    line: None,
                    reason: reason.clone(),
                });
                self.plan.kept_images.push(KeptImage {
                    name,
                    image,
                    reason,
                });
            }
        }
    }

    /// Referrers that go because what they refer to goes are images of their own: they are named.
    fn report_followers(&mut self) {
        let goes = |id| !self.plan.settled.stays(id) && self.is_present(id);
        let referrers = self.records().iter();
        let referrers = referrers.filter(|(_, record)| record.kind == RecordKind::Referrer);
        let followers = referrers.filter(|(id, _)| goes(*id));
        let mut followers: Vec<_> = followers.map(|(id, record)| (record.key(), id)).collect();
        followers.sort();
        for (_, id) in followers {
            let record = self.record(id);
            if !record.is_dangling() {
                self.plan
                    .actions
                    .push(Action::Untagged(self.shown_shared(id), record.target));
            }
            self.plan.actions.push(Action::DeletedBelow(record.target));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::oci::index::Index;
    use crate::plan::rmi::RmiOptions;
    use crate::snapshot::load::tests::whole;
    use crate::snapshot::walk::tests::Store;
    use crate::snapshot::{Snapshot, Whole};

    /// A layout in memory: names with letters for images, as in `web:1=A`. An image's letter makes
    /// its content; `A<B` says that image A was built from B.
    pub(crate) fn snapshot(rows: &str) -> (Store, Snapshot<Whole>) {
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
        (store, whole(index, graph))
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
                Action::Untagged(name, _) => {
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
