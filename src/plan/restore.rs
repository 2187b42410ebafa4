//! `restore`: what comes back from the trash, and where.
//!
//! An image comes back as it was when it went: with its entries, with what belonged to it, and
//! without what it had lost before. Asked again, it gets that back, too. Nothing that is in
//! index.json now is overwritten: a name that leads to another image by now is a conflict.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::draft::Draft;
use super::plan::{Refusal, RefusalClass};
use crate::layout::{RemovalId, Trash};
use crate::oci::index::Spacing;
use crate::oci::trash_record::{OldFile, RemovedEntry, TrashRecord};
use crate::snapshot::names::named_subject;
use crate::snapshot::removed_parts::removed_parts;
use crate::snapshot::{
    Follow, NodeId, Reachability, Record, RemovedParts, Start, TrashedRemoval, View,
};
use crate::value::digest::Digest;
use crate::words::quoted;

/// What comes back.
#[derive(Clone, Debug, Default)]
pub struct Restoration {
    /// Entries of index.json that come back or get their old text, as they are shown.
    pub restored: Vec<(String, Digest)>,
    /// The texts of all entries from now on, if they change.
    pub entries: Option<Vec<String>>,
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
    /// Oldest first.
    removals: &'a [TrashedRemoval],
    /// Entries that were chosen, by removal and position in its record, oldest first.
    entries: BTreeSet<(usize, usize)>,
    /// Blobs that were chosen themselves.
    blobs: BTreeSet<Digest>,
    /// Images that get everything back.
    whole: BTreeSet<Digest>,
    refusals: Vec<Refusal>,
}

/// Decides what comes back. `arguments` are names and digests; without any, everything does.
/// `current` is what the layout holds as if the trash were part of it, `removals` are in the
/// order of time, and `is_stored` tells whether the layout has a blob.
pub fn restore(
    current: &View,
    trash: &Trash,
    removals: &[TrashedRemoval],
    arguments: &[String],
    is_stored: &dyn Fn(&Digest) -> bool,
) -> Restoration {
    let mut choice = Choice {
        current,
        trash,
        removals,
        entries: BTreeSet::new(),
        blobs: BTreeSet::new(),
        whole: BTreeSet::new(),
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
    restoration.stored.retain(is_stored);
    let stored = &restoration.stored;
    restoration.blobs.retain(|digest| !stored.contains(digest));
    restoration
}

impl Choice<'_> {
    fn everything(&mut self) {
        for (number, removed) in self.removals.iter().enumerate() {
            self.entries
                .extend((0..removed.record.entries.len()).map(|entry| (number, entry)));
            let images = removed.record.removed_parts.iter();
            self.whole
                .extend(images.filter_map(|lost| lost.image.parse().ok()));
        }
    }

    fn add(&mut self, argument: &str) -> Result<(), Refusal> {
        // The latest removal is the one that is undone.
        for (number, removed) in self.removals.iter().enumerate().rev() {
            let mut draft = Draft::new(&removed.snapshot);
            let found = match draft.look_up(argument) {
                Ok(found) => found,
                Err(refusal) if refusal.class == RefusalClass::NotFound => continue,
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
            let mut back = Reachability::without(graph, &lost);
            for (_, target) in &undone.accepted {
                back.add(graph, *target, Follow::Subjects);
            }
            for node in graph.ids().filter(|node| back.contains(*node)) {
                restoration.need(graph.digest(node), self.trash);
            }
            if everything {
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
        restoration.entries = list.changed();
        self.give_back_parts(&mut restoration);
        restoration
    }

    /// Puts the chosen entries of one removal back into the list: images first, and then what belongs
    /// to those that came.
    fn undo<'l>(&self, number: usize, list: &mut List<'l>, restoration: &mut Restoration) -> Undone
    where
        Self: 'l,
    {
        let removed = &self.removals[number];
        let records = &removed.snapshot.records;
        let is_part = |entry: &usize| {
            let id = records.of_entry(*entry);
            id.is_some_and(|id| records.record(id).kind.is_dependent())
        };
        let chosen = self.entries.range((number, 0)..(number + 1, 0));
        let (parts, images): (Vec<usize>, Vec<usize>) =
            chosen.map(|(_, entry)| *entry).partition(is_part);
        let mut undone = Undone::default();
        for entry in images {
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
    /// The numbers of the entries, in their order.
    order: Vec<usize>,
    /// Those that come back with the removal that is being undone, and their positions.
    coming: Vec<(usize, usize)>,
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
        let shown = record.shown(graph);
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
                let refusal = name_is_taken(&shown, there, digest);
                restoration.refusals.push(refusal);
                return None;
            }
            // What went together comes back together, twins too.
            let number = self.push(new);
            self.coming.push((*position, number));
            restoration.spacing.clone_from(&removed.record.spacing);
        }
        if graph.is_missing_document(record.target) {
            restoration.missing.push((shown.clone(), digest.clone()));
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
    }

    /// Puts what came back where it was: at its old position, or at the end of a list that is
    /// shorter by now.
    fn settle(&mut self) {
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

    fn changed(&self) -> Option<Vec<String>> {
        let texts = self.order.iter().map(|number| self.entries[*number].text);
        self.is_changed.then(|| texts.map(str::to_owned).collect())
    }
}

fn name_is_taken(name: &str, there: Option<&Digest>, digest: &Digest) -> Refusal {
    let there = there.map_or_else(String::new, Digest::to_string);
    Refusal::conflict(format!("conflict: {} leads to {there} now", quoted(name))).hint(format!(
        "`ocirm untag` frees the name; {} stays in the trash",
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
