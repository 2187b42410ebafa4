//! The draft: the records of a layout, as the arguments so far left them.
//!
//! Every command works on one. When all arguments are handled, [`Draft::finish`] lets the children and
//! referrers follow what they belong to, and makes the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Action, KeptImage, Note, Plan, Refusal, Rewrite, start};
use super::rewrite_index;
use crate::containers::in_use::Uses;
use crate::oci::index::{DANGLING_PREFIX, EntryEdit};
use crate::snapshot::View;
use crate::snapshot::claims::{Claims, Settled};
use crate::snapshot::graph::{Follow, Graph, NodeId};
use crate::snapshot::holders::{Holders, Left};
use crate::snapshot::names::Name;
use crate::snapshot::records::{Record, RecordId, RecordKind, Records};
use crate::snapshot::removed_parts::{Parts, RemovedParts};
use crate::value::digest::Digest;

/// What became of a record so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Present,
    /// It lost its name and is dangling now.
    Dangling,
    Gone,
}

/// A platform that an image loses: one manifest, and what says something about it.
pub(super) struct RemovedPlatform {
    pub(super) image: NodeId,
    pub(super) manifest: NodeId,
    pub(super) platform: String,
    /// Its attestations, in the order of the index.
    pub(super) attestations: Vec<NodeId>,
    /// Where its lines stand among the actions.
    pub(super) action: usize,
}

/// The image table, as the arguments so far left it.
pub struct Draft<'a> {
    pub(super) view: &'a View,
    pub(super) uses: &'a Uses<'a>,
    pub(super) standings: Vec<Standing>,
    pub(super) actions: Vec<Action>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) notes: Vec<Note>,
    pub(super) removed_platforms: Vec<RemovedPlatform>,
    pub(super) kept_images: Vec<KeptImage>,
    pub(super) rewrites: Vec<Rewrite>,
}

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
            kept_images: Vec::new(),
            rewrites: Vec::new(),
            standings: vec![Standing::Present; view.records.iter().len()],
            actions: Vec::new(),
            refusals: Vec::new(),
            notes: Vec::new(),
            removed_platforms: Vec::new(),
        }
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

    pub(super) fn is_present(&self, id: RecordId) -> bool {
        self.standings[id.index()] != Standing::Gone
    }

    pub(super) fn is_dangling(&self, id: RecordId) -> bool {
        self.record(id).is_dangling() || self.standings[id.index()] == Standing::Dangling
    }

    /// The name that a record has by now.
    pub(super) fn name(&self, id: RecordId) -> &'a Name {
        match self.standings[id.index()] {
            Standing::Dangling => &Name::Dangling,
            _ => &self.record(id).name,
        }
    }

    /// A record's name as it is shown, for lists of names.
    pub(super) fn shown(&self, id: RecordId) -> String {
        self.record(id).shown(self.graph())
    }

    /// The records of an image that Docker's rules count: an entry that merely lists a part of
    /// another image counts only when there is nothing else.
    pub(super) fn set_of(&self, target: NodeId) -> Vec<RecordId> {
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
            .any(|id| self.standings[id.index()] == Standing::Dangling)
        {
            set.sort_by_key(|id| match self.standings[id.index()] {
                Standing::Dangling => format!("{}{}", DANGLING_PREFIX, self.graph().digest(target)),
                _ => self.record(*id).key().to_owned(),
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
        let exists = self
            .set_of(target)
            .into_iter()
            .any(|other| other != id && self.is_dangling(other));
        self.standings[id.index()] = if exists {
            Standing::Gone
        } else {
            Standing::Dangling
        };
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    /// What an image lost so far.
    pub(super) fn parts_removed_of(&self, image: NodeId) -> Parts {
        let own = self
            .removed_platforms
            .iter()
            .filter(|removed| removed.image == image);
        own.flat_map(|removed| {
            std::iter::once(removed.manifest).chain(removed.attestations.iter().copied())
        })
        .collect()
    }

    pub(super) fn removed_parts(&self) -> RemovedParts {
        let mut removed_parts = RemovedParts::new();
        for removed in &self.removed_platforms {
            let set = removed_parts.entry(removed.image).or_default();
            set.insert(removed.manifest);
            set.extend(&removed.attestations);
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
        for rewrite in &mut self.rewrites {
            let (image, removed) = (rewrite.image, &rewrite.removed);
            rewrite.blobs = rewrite_index::without(&self.view.graph, image, removed, read)?;
        }
        Ok(self.settle())
    }

    /// Makes the plan of a command that asks for no new index.
    pub fn finish(mut self) -> Plan {
        // Nothing may be taken from an index whose successor was not made.
        self.rewrites.clear();
        self.settle()
    }

    /// Lets children and referrers follow, takes back platforms that others need, and makes the
    /// plan.
    pub(super) fn settle(mut self) -> Plan {
        let (settled, removed_parts) = self.settle_platforms();
        self.report_platforms();
        self.report_followers(&settled);
        let (edits, names_gone) = self.edits(&settled);
        Plan {
            settled,
            removed_parts,
            edits,
            names_gone,
            actions: self.actions,
            refusals: self.refusals,
            notes: self.notes,
            kept_images: self.kept_images,
            rewrites: self.rewrites,
        }
    }

    /// What becomes of the records, and what images lose. Platforms that something else needs stay.
    pub(super) fn settle_platforms(&mut self) -> (Settled, RemovedParts) {
        let claims = Claims::new(self.records(), self.graph());
        loop {
            let removed_parts = self.removed_parts();
            let (view, standings) = (self.view, &self.standings);
            let start = |id| start(view, id, &self.rewrites);
            let is_left = |id: RecordId| standings[id.index()] != Standing::Gone;
            let settled = claims.settle(&is_left, &start, &removed_parts);
            if self.removed_platforms.is_empty() {
                return (settled, removed_parts);
            }
            let holders = Holders::of(
                view,
                &Left {
                    stays: &|id| settled.stays(id),
                    start: &start,
                    removed_parts: &removed_parts,
                },
            );
            let (needed, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.removed_platforms)
                .into_iter()
                .partition(|removed| holders.contains(removed.manifest));
            self.removed_platforms = gone;
            if needed.is_empty() {
                return (settled, removed_parts);
            }
            // Taking one back can make another one needed, so everything is looked at again.
            let mut known: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
            for removed in needed {
                let holders = known
                    .entry(removed.manifest)
                    .or_insert_with(|| self.needed_by(removed.manifest, &settled, &removed_parts));
                self.notes.push(Note::PlatformKept {
                    platform: removed.platform,
                    manifest: removed.manifest,
                    holders: holders.clone(),
                });
            }
        }
    }

    /// What happens to entries of index.json, and the full names that nothing carries any more.
    pub(super) fn edits(
        &self,
        settled: &Settled,
    ) -> (BTreeMap<usize, EntryEdit>, BTreeSet<String>) {
        let mut edits = BTreeMap::new();
        let mut names_gone = BTreeSet::new();
        for (id, record) in self.records().iter() {
            let (first, rest) = match (settled.stays(id), self.standings[id.index()]) {
                (true, Standing::Dangling) => (EntryEdit::Dangle, EntryEdit::Remove),
                (true, _) => continue,
                (false, _) => (EntryEdit::Remove, EntryEdit::Remove),
            };
            for (number, position) in record.entries.iter().enumerate() {
                let edit = if number == 0 { &first } else { &rest };
                edits.insert(*position, edit.clone());
            }
            if let Name::Reference(_) = record.name {
                names_gone.insert(record.key().to_owned());
            }
        }
        for (id, record) in self.records().iter() {
            if settled.stays(id) && self.standings[id.index()] == Standing::Present {
                names_gone.remove(record.key());
            }
        }
        for rewrite in &self.rewrites {
            let entries = self.record(rewrite.record).entries.iter();
            let retarget = rewrite
                .blobs
                .last()
                .map(|new| EntryEdit::Retarget(new.digest.clone(), new.bytes.len() as u64));
            edits.extend(entries.filter_map(|position| Some((*position, retarget.clone()?))));
        }
        (edits, names_gone)
    }

    /// The records that need a manifest, apart from those that lose it. Another layout may, too.
    pub(super) fn needed_by(
        &self,
        manifest: NodeId,
        settled: &Settled,
        removed_parts: &RemovedParts,
    ) -> Vec<String> {
        let above = self.graph().ancestors(manifest, Follow::Subjects);
        let names: BTreeSet<String> = self
            .records()
            .iter()
            .filter(|(id, record)| {
                let lost = removed_parts.get(&record.target);
                settled.stays(*id)
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
    pub(super) fn report_platforms(&mut self) {
        let mut images = BTreeSet::new();
        for removed in self.removed_platforms.iter().rev() {
            let lines = std::iter::once(removed.manifest)
                .chain(removed.attestations.iter().copied())
                .map(Action::Deleted);
            self.actions.splice(removed.action..removed.action, lines);
            images.insert(removed.image);
        }
        for image in images {
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
    pub(super) fn report_followers(&mut self, settled: &Settled) {
        let mut followers: Vec<(&str, RecordId)> = self
            .view
            .records
            .iter()
            .filter(|(id, record)| {
                !settled.stays(*id) && self.is_present(*id) && record.kind == RecordKind::Referrer
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
