//! `restore`: what comes back from the trash, and where.
//!
//! An image comes back as it was when it went: with its entries, with what belonged to it, and
//! without what it had lost before. Asked again, it gets that back, too. Nothing that is in
//! index.json now is overwritten: a name that leads to another image by now is a conflict. An image
//! that lacks anything stays in the trash, unless that is accepted, and what is damaged always does.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::draft::Draft;
use super::plan::{Refusal, RefusalClass};
use crate::inspect::lacks::{Checks, Found, Incomplete, Lack, Missed, Stored};
use crate::layout::{RemovalId, Trash};
use crate::oci::index::Spacing;
use crate::oci::trash_record::{OldFile, RemovedEntry, TrashRecord};
use crate::snapshot::names::named_subject;
use crate::snapshot::removed_parts::removed_parts;
use crate::snapshot::{
    Follow, Graph, NodeId, Parts, Reachability, Record, RemovedParts, Start, TrashedRemoval, View,
};
use crate::value::digest::Digest;
use crate::words::{quoted, shell_word};

/// What comes back.
#[derive(Clone, Debug, Default)]
pub struct Restoration {
    /// Entries of index.json that come back or get their old text, as they are shown.
    pub restored: Vec<(Arc<str>, Digest)>,
    /// The text of index.json from now on, if it changes.
    pub index: Option<String>,
    /// How the entries were separated when they went.
    pub spacing: Option<Spacing>,
    /// Blobs that leave the trash and are not in the layout.
    pub blobs: BTreeSet<Digest>,
    /// Blobs that the layout has already and that what comes back needs.
    pub stored: BTreeSet<Digest>,
    /// Files beside index.json whose old text comes back, latest change first.
    pub files: Vec<OldFile>,
    /// What is left of records, by removal.
    pub records: BTreeMap<RemovalId, TrashRecord>,
    /// Entries that come back although their manifests are nowhere, as some had none before.
    pub missing: Vec<(String, Digest)>,
    /// Images that lack something, restored or not.
    pub incomplete: Vec<Incomplete>,
    /// Arguments that were not done.
    pub refusals: Vec<Refusal>,
}

impl Restoration {
    /// Whether nothing comes back.
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.records.is_empty()
    }

    /// Takes note of a blob that what comes back needs, wherever it is.
    fn need(&mut self, digest: &Digest, trash: &Trash) {
        let place = match trash.contains(digest) {
            true => &mut self.blobs,
            false => &mut self.stored,
        };
        place.insert(digest.clone());
    }
}

struct Choice<'a> {
    current: &'a View,
    trash: &'a Trash,
    stored: Stored<'a>,
    /// Images come back whatever they lack.
    accepts_incomplete: bool,
    /// Oldest first.
    removals: &'a [TrashedRemoval],
    /// Entries that were chosen, by removal and position in its record, oldest first.
    entries: BTreeSet<(usize, usize)>,
    /// Blobs that were chosen themselves.
    blobs: BTreeSet<Digest>,
    /// Images that get everything back.
    whole: BTreeSet<Digest>,
    /// For each removal, and at the end for what index.json leads to, what was looked at of that.
    checks: Vec<Option<Checks<'a>>>,
    /// What is damaged in the trash stays there.
    damaged: HashSet<Digest>,
    incomplete: Vec<Incomplete>,
    refusals: Vec<Refusal>,
}

/// Decides what comes back. `arguments` are names and digests; without any, everything does.
/// `current` is what the layout holds as if the trash were part of it, `removals` are in the
/// order of time. `accepts_incomplete`: images that lack something come back as well.
pub fn restore<'a>(
    current: &'a View,
    trash: &'a Trash,
    removals: &'a [TrashedRemoval],
    arguments: &[String],
    stored: Stored<'a>,
    accepts_incomplete: bool,
) -> Restoration {
    let mut choice = Choice {
        current,
        trash,
        stored,
        accepts_incomplete,
        removals,
        entries: BTreeSet::new(),
        blobs: BTreeSet::new(),
        whole: BTreeSet::new(),
        checks: std::iter::repeat_with(|| None)
            .take(removals.len() + 1)
            .collect(),
        damaged: HashSet::new(),
        incomplete: Vec::new(),
        refusals: Vec::new(),
    };
    if arguments.is_empty() {
        choice.everything();
    }
    for argument in arguments {
        if let Err(refusal) = choice.add(argument) {
            choice.refusals.push(refusal);
        }
    }
    let mut restoration = choice.finish(arguments.is_empty());
    restoration.stored.append(&mut restoration.blobs.clone());
    restoration
        .stored
        .retain(|digest| (stored.is_stored)(digest));
    let there = &restoration.stored;
    restoration.blobs.retain(|digest| !there.contains(digest));
    restoration
}

impl<'a> Choice<'a> {
    fn everything(&mut self) {
        let mut images: BTreeSet<Digest> = BTreeSet::new();
        for (number, removed) in self.removals.iter().enumerate() {
            self.entries
                .extend((0..removed.record.entries.len()).map(|entry| (number, entry)));
            let lost = removed.record.removed_parts.iter();
            images.extend(lost.filter_map(|lost| lost.image.parse().ok()));
        }
        for image in images {
            match self.admits_parts(None, &image) {
                Ok(()) => _ = self.whole.insert(image),
                Err(refusal) => self.refusals.push(refusal),
            }
        }
    }

    /// What was looked at of a removal, or of what index.json leads to, and its graph.
    fn checks(&mut self, number: usize) -> &mut Checks<'a> {
        let Stored { is_stored, look_at } = self.stored;
        let graph = self.graph(number);
        self.checks[number].get_or_insert_with(|| Checks::new(graph, look_at, is_stored))
    }

    fn graph(&self, number: usize) -> &'a Graph {
        let (current, removals) = (self.current, self.removals);
        removals
            .get(number)
            .map_or(&current.graph, |removed| &removed.snapshot.graph)
    }

    /// Whether an image, or what it lost, may come back with what it lacks.
    ///
    /// # Errors
    /// It may not.
    fn admits(&mut self, name: String, image: &Digest, lacks: Vec<Lack>) -> Result<(), Refusal> {
        if lacks.is_empty() {
            return Ok(());
        }
        for lack in &lacks {
            if matches!(lack.found, Found::Damaged { in_trash: true, .. }) {
                self.damaged.insert(lack.digest.clone());
            }
        }
        let mut incomplete = Incomplete {
            name,
            image: image.clone(),
            lacks,
            is_restored: false,
        };
        incomplete.is_restored = self.accepts_incomplete && !incomplete.is_hopeless();
        let result = match incomplete.is_restored {
            true => Ok(()),
            false => Err(is_incomplete(&incomplete)),
        };
        self.incomplete.push(incomplete);
        result
    }

    /// A name for an image of index.json that lost something.
    fn shown(&self, image: &Digest) -> String {
        let current = self.current;
        let mut records = current.records.iter();
        let named = records.find(|(_, record)| current.graph.digest(record.target) == image);
        named.map_or_else(
            || image.to_string(),
            |(_, record)| record.shown(&current.graph),
        )
    }

    /// Whether an image may get back what it lost.
    fn admits_parts(&mut self, name: Option<&str>, image: &Digest) -> Result<(), Refusal> {
        let removals = self.removals;
        let has_it = |number: &usize| self.graph(*number).find(image).is_some();
        // What index.json leads to comes first, then what went last.
        let Some(number) = (0..=removals.len()).rev().find(has_it) else {
            return Ok(());
        };
        let graph = self.graph(number);
        let text = image.to_string();
        let mut lacks = Vec::new();
        for removed in removals {
            let lost = removed.record.removed_parts.iter();
            let lost = lost.filter(|lost| lost.image == text);
            let parts = lost.flat_map(|lost| &lost.manifests);
            let parts: Vec<NodeId> = parts
                .filter_map(|part| graph.find(&part.parse().ok()?))
                .collect();
            if !parts.is_empty() {
                let missed = Missed::new(graph, &removed.record);
                let missed = |digest: &Digest| missed.contains(digest);
                let checks = self.checks(number);
                lacks.extend(checks.lacks(&parts, &Parts::default(), &missed));
            }
        }
        if lacks.is_empty() {
            return Ok(());
        }
        let name = name.map_or_else(|| self.shown(image), str::to_owned);
        self.admits(name, image, lacks)
    }

    fn add(&mut self, argument: &str) -> Result<(), Refusal> {
        // The latest removal is the one that is undone.
        for (number, removed) in self.removals.iter().enumerate().rev() {
            let mut draft = Draft::new(&removed.snapshot);
            let found = match draft.look_up(argument) {
                Ok(found) => found,
                Err(refusal) if refusal.class == RefusalClass::NotFound => continue,
                Err(refusal) if refusal.class == RefusalClass::Conflict => {
                    return Err(part_of_trashed(&refusal));
                }
                Err(refusal) => return Err(refusal),
            };
            let records = &removed.snapshot.records;
            let mut entries = belongings(&removed.snapshot, &[found.target]);
            let found_records = match found.record() {
                Some(id) => vec![id],
                None => found.set,
            };
            for id in found_records {
                entries.extend(records.record(id).entries.iter());
            }
            self.entries
                .extend(entries.into_iter().map(|entry| (number, entry)));
            return Ok(());
        }
        if let Ok(found) = Draft::new(self.current).look_up(argument) {
            let digest = self.current.graph.digest(found.target);
            let text = digest.to_string();
            self.admits_parts(Some(argument), digest)?;
            for (number, removed) in self.removals.iter().enumerate() {
                let lost = removed.record.removed_parts.iter();
                for lost in lost.filter(|lost| lost.image == text) {
                    let entries = entries_of_parts(&removed.snapshot, &lost.manifests);
                    self.entries
                        .extend(entries.into_iter().map(|entry| (number, entry)));
                    self.whole.insert(digest.clone());
                }
            }
            if self.whole.contains(digest) {
                return Ok(());
            }
        }
        if let Ok(digest) = argument.parse::<Digest>()
            && self.trash.contains(&digest)
        {
            if let Found::Damaged { reason, .. } = (self.stored.look_at)(&digest, None, true) {
                let text = format!("the blob {digest} is damaged, and is not restored: {reason}");
                return Err(Refusal::incomplete(text));
            }
            self.blobs.insert(digest);
            return Ok(());
        }
        Err(
            Refusal::not_found(format!("No such image in the trash: {argument}"))
                .hint("restore --dry-run without a name shows all that can come back"),
        )
    }

    /// What the images of a removal had lost before they went: that stays lost.
    fn lost_earlier(&self, number: usize) -> RemovedParts {
        let graph = &self.removals[number].snapshot.graph;
        let earlier = self.removals[..number].iter().map(|r| (&r.id, &r.record));
        let mut removed_parts = removed_parts(earlier, self.trash, graph);
        removed_parts.retain(|image, _| !self.whole.contains(graph.digest(*image)));
        removed_parts
    }

    fn finish(mut self, everything: bool) -> Restoration {
        let mut restoration = Restoration {
            blobs: std::mem::take(&mut self.blobs),
            refusals: std::mem::take(&mut self.refusals),
            ..Restoration::default()
        };
        let mut list = List::new(self.current);
        // The latest removal is undone first, so positions mean what they meant then.
        for (number, removed) in self.removals.iter().enumerate().rev() {
            let graph = &removed.snapshot.graph;
            let undone = self.undo(number, &mut list, &mut restoration);
            let lost = self.lost_earlier(number);
            let damage = graph.damage().iter();
            self.damaged
                .extend(damage.map(|damage| graph.digest(damage.node).clone()));
            let mut back = Reachability::without(graph, &lost);
            for (_, target) in &undone.accepted {
                back.add(graph, *target, Follow::Subjects);
            }
            for node in graph.ids().filter(|node| back.contains(*node)) {
                restoration.need(graph.digest(node), self.trash);
            }
            // Of what an image lacks nobody knows what it leads to.
            let lost = removed.record.removed_parts.iter();
            let mut lost = lost.filter_map(|lost| lost.image.parse().ok());
            let is_lacking =
                undone.is_lacking || lost.any(|image: Digest| !self.whole.contains(&image));
            if everything && !is_lacking {
                // What nothing led to comes back, too.
                let mut stays = Reachability::new(graph);
                for target in targets_of(removed, &undone.refused) {
                    stays.add(graph, target, Follow::Subjects);
                }
                let is_stray = |digest: &&Digest| {
                    let node = graph.find(digest);
                    !node.is_some_and(|node| stays.contains(node))
                };
                let stray = removed.blobs.iter().filter(is_stray);
                restoration.blobs.extend(stray.cloned());
            }
            self.settle_record(removed, &undone, everything, &mut restoration);
        }
        restoration.index = list.changed().map(|entries| {
            let spacing = restoration.spacing.as_ref();
            self.current.index.with_entries(&entries, spacing)
        });
        self.give_back_parts(&mut restoration);
        let damage = self.current.graph.damage().iter();
        let damage = damage.map(|damage| self.current.graph.digest(damage.node).clone());
        self.damaged.extend(damage);
        restoration
            .blobs
            .retain(|digest| !self.damaged.contains(digest));
        restoration.incomplete = std::mem::take(&mut self.incomplete);
        restoration.refusals.append(&mut self.refusals);
        restoration
    }

    /// Puts the chosen entries of one removal back into the list: images first, and then what belongs
    /// to those that came.
    fn undo(
        &mut self,
        number: usize,
        list: &mut List<'a>,
        restoration: &mut Restoration,
    ) -> Undone {
        let removals = self.removals;
        let removed = &removals[number];
        let records = &removed.snapshot.records;
        let is_part = |entry: &usize| {
            let id = records.of_entry(*entry);
            id.is_some_and(|id| records.record(id).kind.is_dependent())
        };
        let chosen = self.entries.range((number, 0)..(number + 1, 0));
        let (parts, images): (Vec<usize>, Vec<usize>) =
            chosen.map(|(_, entry)| *entry).partition(is_part);
        let mut undone = Undone::default();
        let mut judge = Judge::new(self, number);
        for entry in images {
            if !judge.admits(entry) {
                undone.is_lacking = true;
                undone.refused.push(entry);
                continue;
            }
            match list.restore(removed, entry, restoration) {
                Some(target) => undone.accepted.push((entry, target)),
                None => undone.refused.push(entry),
            }
        }
        // What belongs to an image that stays in the trash stays there with it.
        let mut left = belongings(&removed.snapshot, &targets_of(removed, &undone.refused));
        let taken: Vec<NodeId> = undone.accepted.iter().map(|(_, target)| *target).collect();
        let taken = belongings(&removed.snapshot, &taken);
        left.retain(|entry| !taken.contains(entry));
        for entry in parts {
            if left.contains(&entry) {
                undone.refused.push(entry);
            } else if !judge.admits(entry) {
                undone.is_lacking = true;
                undone.refused.push(entry);
            } else if let Some(target) = list.restore(removed, entry, restoration) {
                undone.accepted.push((entry, target));
            }
        }
        list.settle();
        undone
    }

    /// What images of index.json lost and get back.
    fn give_back_parts(&self, restoration: &mut Restoration) {
        let graph = &self.current.graph;
        let mut reachability = Reachability::new(graph);
        let mut give_back = |node, _| {
            restoration.need(graph.digest(node), self.trash);
        };
        for image in self.whole.iter().filter_map(|digest| graph.find(digest)) {
            let start = Start::Image(image);
            reachability.walk(graph, start, Follow::Subjects, &mut give_back);
        }
    }

    /// Finds out what is left of the record of a removal.
    fn settle_record(
        &self,
        removed: &TrashedRemoval,
        undone: &Undone,
        everything: bool,
        restoration: &mut Restoration,
    ) {
        let mut left = removed.record.clone();
        let done: HashSet<usize> = undone.accepted.iter().map(|(entry, _)| *entry).collect();
        let mut numbers = 0..;
        left.entries
            .retain(|_| numbers.next().is_none_or(|entry| !done.contains(&entry)));
        left.removed_parts.retain(|lost| {
            let image = lost.image.parse();
            image.is_ok_and(|image: Digest| !self.whole.contains(&image))
        });
        let is_touched = !done.is_empty() || everything;
        // The other files speak of all the names that went together.
        if left.entries.is_empty() && is_touched {
            restoration.files.append(&mut left.files);
        }
        if is_touched || left.removed_parts.len() < removed.record.removed_parts.len() {
            restoration.records.insert(removed.id.clone(), left);
        }
    }
}

/// What became of the chosen entries of one removal.
#[derive(Default)]
struct Undone {
    /// Those that are back, with their images.
    accepted: Vec<(usize, NodeId)>,
    /// Those that stay in the trash.
    refused: Vec<usize>,
    /// Some of these because their images lack something.
    is_lacking: bool,
}

/// Says of the entries of one removal whether their images may come back. Several names may lead to one
/// image, which is looked at once.
struct Judge<'c, 'a> {
    choice: &'c mut Choice<'a>,
    number: usize,
    missed: Missed<'a>,
    /// What images lost before they went: that is asked for by itself.
    lost: RemovedParts,
    known: HashMap<NodeId, Vec<Lack>>,
}

impl<'c, 'a> Judge<'c, 'a> {
    fn new(choice: &'c mut Choice<'a>, number: usize) -> Judge<'c, 'a> {
        let removals = choice.removals;
        let removed = &removals[number];
        let graph = &removed.snapshot.graph;
        let earlier = removals[..number].iter().map(|r| (&r.id, &r.record));
        Judge {
            number,
            missed: Missed::new(graph, &removed.record),
            lost: removed_parts(earlier, choice.trash, graph),
            known: HashMap::new(),
            choice,
        }
    }

    fn admits(&mut self, entry: usize) -> bool {
        let removals = self.choice.removals;
        let snapshot = &removals[self.number].snapshot;
        let Some(id) = snapshot.records.of_entry(entry) else {
            return true;
        };
        let record = snapshot.records.record(id);
        let image = record.target;
        if !self.known.contains_key(&image) {
            let nothing = Parts::default();
            let lost = self.lost.get(&image).unwrap_or(&nothing);
            let missed = |digest: &Digest| self.missed.contains(digest);
            let checks = self.choice.checks(self.number);
            let lacks = checks.lacks(&[image], lost, &missed);
            self.known.insert(image, lacks);
        }
        let lacks = self.known[&image].clone();
        let (name, digest) = (record.shown(&snapshot.graph), snapshot.graph.digest(image));
        let admitted = self.choice.admits(name, digest, lacks);
        admitted
            .map_err(|refusal| self.choice.refusals.push(refusal))
            .is_ok()
    }
}

fn targets_of(removed: &TrashedRemoval, entries: &[usize]) -> Vec<NodeId> {
    let records = &removed.snapshot.records;
    let ids = entries.iter().filter_map(|entry| records.of_entry(*entry));
    ids.map(|id| records.record(id).target).collect()
}

/// The entries of a removal that went with parts of an image: their own, and those of what refers
/// to them.
fn entries_of_parts(snapshot: &View, parts: &[String]) -> HashSet<usize> {
    let graph = &snapshot.graph;
    let mut went: HashSet<Digest> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    let mut entries = HashSet::new();
    let mut todo: Vec<&Record> = snapshot.records.iter().map(|(_, record)| record).collect();
    loop {
        let before = todo.len();
        todo.retain(|record| {
            let target = graph.digest(record.target);
            let subject = graph.subject(record.target).map(|node| graph.digest(node));
            let listed = &snapshot.index.entries()[record.entries[0]];
            let named = named_subject(listed);
            let about = [subject, listed.subject.as_deref(), named.as_ref()];
            let is_part = record.is_dangling() && went.contains(target);
            let refers = about.into_iter().flatten().any(|d| went.contains(d));
            if is_part || refers {
                entries.extend(record.entries.iter());
                went.insert(target.clone());
            }
            !(is_part || refers)
        });
        if todo.len() == before {
            return entries;
        }
    }
}

/// The entries of index.json while things come back to it.
#[derive(Default)]
struct List<'a> {
    entries: Vec<ListedEntry<'a>>,
    /// How many were in index.json before: their numbers come first.
    before: usize,
    /// The numbers of the entries, in their order.
    order: Vec<usize>,
    /// Those that come back with the removal that is being undone, and their positions.
    coming: Vec<(usize, usize)>,
    /// Those that got their old texts back with it.
    replaced: Vec<usize>,
    /// Entries by their text, as far as nothing was found to be the same.
    by_text: HashMap<&'a str, Vec<usize>>,
    by_name: HashMap<&'a str, Vec<usize>>,
    is_changed: bool,
}

struct ListedEntry<'a> {
    text: &'a str,
    name: Option<&'a str>,
    digest: Option<&'a Digest>,
}

impl<'a> List<'a> {
    fn new(current: &'a View) -> List<'a> {
        let mut list = List::default();
        for position in 0..current.index.entries().len() {
            let record = current.records.of_entry(position);
            let record = record.map(|id| current.records.record(id));
            let named = record.filter(|record| !record.is_dangling());
            let number = list.push(ListedEntry {
                text: current.index.entry_text(position),
                name: named.map(Record::key),
                digest: record.map(|record| current.graph.digest(record.target)),
            });
            list.order.push(number);
            list.register(number);
        }
        list.before = list.entries.len();
        list
    }

    fn push(&mut self, entry: ListedEntry<'a>) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    fn register(&mut self, number: usize) {
        let entry = &self.entries[number];
        self.by_text.entry(entry.text).or_default().push(number);
        if let Some(name) = entry.name {
            self.by_name.entry(name).or_default().push(number);
        }
    }

    /// Brings one entry back. The value is its image, `None` if a name leads elsewhere by now.
    fn restore(
        &mut self,
        removed: &'a TrashedRemoval,
        entry: usize,
        restoration: &mut Restoration,
    ) -> Option<NodeId> {
        let graph = &removed.snapshot.graph;
        let records = &removed.snapshot.records;
        let record = records.record(records.of_entry(entry)?);
        let digest = graph.digest(record.target);
        let RemovedEntry {
            entry: text,
            position,
            replaced_by,
        } = &removed.record.entries[entry];
        // An entry that is there twice can have gone twice.
        if self.take_by_text(text.get()).is_some() {
            return Some(record.target);
        }
        let shown = record.shown_shared(graph);
        let new = ListedEntry {
            text: text.get(),
            name: (!record.is_dangling()).then_some(record.key()),
            digest: Some(digest),
        };
        let new_text = replaced_by.as_ref();
        if let Some(number) = new_text.and_then(|text| self.take_by_text(text.get())) {
            self.replace(number, new);
        } else {
            let others = new.name.and_then(|name| self.by_name.get(name));
            if let Some(number) = others.and_then(|numbers| numbers.first()) {
                let there = self.entries[*number].digest;
                if there == Some(digest) {
                    return Some(record.target);
                }
                let refusal = match *number < self.before {
                    true => name_is_taken(&shown, there, digest),
                    false => name_was_given_again(&shown, there, digest),
                };
                restoration.refusals.push(refusal);
                return None;
            }
            // What went together comes back together, twins too.
            let number = self.push(new);
            self.coming.push((*position, number));
            restoration.spacing.clone_from(&removed.record.spacing);
        }
        if graph.is_missing_document(record.target) {
            restoration
                .missing
                .push((shown.to_string(), digest.clone()));
        }
        self.is_changed = true;
        restoration.restored.push((shown, digest.clone()));
        Some(record.target)
    }

    /// Takes an entry of this text out of those that nothing was found to be the same as.
    fn take_by_text(&mut self, text: &str) -> Option<usize> {
        self.by_text.get_mut(text)?.pop()
    }

    /// Gives an entry its old text back.
    fn replace(&mut self, number: usize, new: ListedEntry<'a>) {
        let old = self.entries[number].name;
        if let Some(numbers) = old.and_then(|name| self.by_name.get_mut(name)) {
            numbers.retain(|other| *other != number);
        }
        if let Some(name) = new.name {
            self.by_name.entry(name).or_default().push(number);
        }
        self.entries[number] = new;
        self.replaced.push(number);
    }

    /// Puts what came back where it was: at its old position, or at the end of a list that is
    /// shorter by now.
    fn settle(&mut self) {
        // What an earlier removal put there is what a later one found.
        for number in std::mem::take(&mut self.replaced) {
            let text = self.entries[number].text;
            self.by_text.entry(text).or_default().push(number);
        }
        self.coming.sort_unstable();
        for (_, number) in self.coming.clone() {
            self.register(number);
        }
        let mut coming = std::mem::take(&mut self.coming).into_iter().peekable();
        let mut order = Vec::with_capacity(self.order.len() + coming.len());
        for number in std::mem::take(&mut self.order) {
            while let Some((_, new)) = coming.next_if(|(position, _)| *position <= order.len()) {
                order.push(new);
            }
            order.push(number);
        }
        order.extend(coming.map(|(_, new)| new));
        self.order = order;
    }

    fn changed(&self) -> Option<Vec<&'a str>> {
        let texts = self.order.iter().map(|number| self.entries[*number].text);
        self.is_changed.then(|| texts.collect())
    }
}

/// Why an image stays in the trash that lacks something.
fn is_incomplete(image: &Incomplete) -> Refusal {
    let hint = match image.is_hopeless() {
        true => "copy the image into the layout anew; `ocirm prune --force --trash-keep 0s` empties the trash"
            .to_owned(),
        false => format!(
            "`ocirm restore --incomplete {}` brings back what is there",
            shell_word(&image.name)
        ),
    };
    let name = quoted(&image.name);
    Refusal::incomplete(format!("{name} is not restored: {}", image.message())).hint(hint)
}

/// A part of an image comes back with it.
fn part_of_trashed(refusal: &Refusal) -> Refusal {
    let message = refusal.message.replace("delete", "restore");
    let message = message.replace(" (cannot be forced)", "");
    Refusal::conflict(message).hint("restore that image, and it comes back with it")
}

fn name_is_taken(name: &str, there: Option<&Digest>, digest: &Digest) -> Refusal {
    let there = there.map_or_else(String::new, Digest::to_string);
    Refusal::conflict(format!("conflict: {} leads to {there} now", quoted(name))).hint(format!(
        "`ocirm untag` frees the name; {} stays in the trash",
        digest.short()
    ))
}

/// Of two images that had one name, one after the other, the later one comes back with it.
fn name_was_given_again(name: &str, there: Option<&Digest>, digest: &Digest) -> Refusal {
    let there = there.map_or_else(String::new, Digest::short);
    Refusal::conflict(format!(
        "conflict: {} comes back as {there}, which had the name last",
        quoted(name)
    ))
    .hint(format!(
        "{} had it before and stays in the trash: `ocirm untag` frees the name for `ocirm restore {}`",
        digest.short(),
        digest.short()
    ))
}

/// The entries of a removal that went with images because they belong to them.
fn belongings(snapshot: &View, images: &[NodeId]) -> HashSet<usize> {
    let graph = &snapshot.graph;
    let mut reachability = Reachability::new(graph);
    for image in images {
        reachability.add(graph, *image, Follow::Needed);
    }
    let mut entries = HashSet::new();
    let records = snapshot.records.iter().map(|(_, record)| record);
    let mut todo: Vec<_> = records
        .filter(|record| record.kind.is_dependent())
        .collect();
    loop {
        let before = todo.len();
        todo.retain(|record| {
            let mut held_by = record.subject.into_iter().chain([record.target]);
            let belongs = held_by.any(|node| reachability.contains(node));
            if belongs {
                entries.extend(record.entries.iter());
                reachability.add(graph, record.target, Follow::Needed);
            }
            !belongs
        });
        if todo.len() == before {
            return entries;
        }
    }
}
