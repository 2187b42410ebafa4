//! `restore`: what comes back from the trash, and where.
//!
//! An image comes back as it was when it went: with its entries, with what belonged to it, and
//! without what it had lost before. Asked again, it gets that back, too. Nothing that is in
//! index.json now is overwritten: a name that leads to another image by now is a conflict.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Draft, Refusal, RefusalClass, quoted};
use crate::image::Contents;
use crate::image::graph::{Follow, NodeId};
use crate::image::index::Spacing;
use crate::image::reach::{Cuts, Reach, Start};
use crate::image::removal::{OldFile, Record, cuts};
use crate::layout::{Digest, RemovalId, Trash};

/// A removal in the trash, understood.
#[derive(Clone, Debug)]
pub struct Removed {
    /// Its name.
    pub id: RemovalId,
    /// What it took away.
    pub record: Record,
    /// What the entries that it took away lead to.
    pub contents: Contents,
}

/// What comes back.
#[derive(Clone, Debug, Default)]
pub struct Restoration {
    /// Entries of index.json that come back or get their old text, as they are shown.
    pub restored: Vec<(String, Digest)>,
    /// New entries, by the position that they shall have.
    pub inserted: Vec<(usize, String)>,
    /// Entries of index.json that get another text.
    pub replaced: BTreeMap<usize, String>,
    /// How the entries were separated when they went.
    pub spacing: Option<Spacing>,
    /// Blobs that leave the trash.
    pub blobs: BTreeSet<Digest>,
    /// Files beside index.json whose old text comes back, latest change first.
    pub files: Vec<OldFile>,
    /// What is left of records, by removal.
    pub records: BTreeMap<RemovalId, Record>,
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
}

struct Choice<'a> {
    current: &'a Contents,
    trash: &'a Trash,
    /// Oldest first.
    removals: &'a [Removed],
    /// Rows that were chosen, by removal and row, oldest first.
    rows: BTreeSet<(usize, usize)>,
    /// Blobs that were chosen themselves.
    blobs: BTreeSet<Digest>,
    /// Images that get everything back.
    whole: BTreeSet<Digest>,
    refusals: Vec<Refusal>,
}

/// Decides what comes back. `arguments` are names and digests; without any, everything does.
/// `current` are the contents of the layout as if the trash were part of it, `removals` are in the
/// order of time.
pub fn restore(
    current: &Contents,
    trash: &Trash,
    removals: &[Removed],
    arguments: &[String],
) -> Restoration {
    let mut choice = Choice {
        current,
        trash,
        removals,
        rows: BTreeSet::new(),
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
    choice.finish(arguments.is_empty())
}

impl Choice<'_> {
    fn everything(&mut self) {
        for (number, removed) in self.removals.iter().enumerate() {
            self.rows
                .extend((0..removed.record.rows.len()).map(|row| (number, row)));
            let images = removed.record.cuts.iter();
            self.whole
                .extend(images.filter_map(|lost| lost.image.parse().ok()));
        }
        self.blobs.extend(self.trash.blobs().cloned());
    }

    fn add(&mut self, argument: &str) -> Result<(), Refusal> {
        // The latest removal is the one that is undone.
        for (number, removed) in self.removals.iter().enumerate().rev() {
            let mut draft = Draft::new(&removed.contents);
            let found = match draft.look_up(argument) {
                Ok(found) => found,
                Err(refusal) if refusal.class == RefusalClass::NotFound => continue,
                Err(refusal) => return Err(refusal),
            };
            let table = &removed.contents.table;
            let records = match found.matched {
                Some(id) => vec![id],
                None => found.set,
            };
            let rows = records.iter().flat_map(|id| &table.record(*id).entries);
            self.rows.extend(rows.map(|row| (number, *row)));
            let belongings = belongings(&removed.contents, found.target);
            self.rows
                .extend(belongings.into_iter().map(|row| (number, row)));
            return Ok(());
        }
        if let Ok(found) = Draft::new(self.current).look_up(argument) {
            let digest = self.current.graph.digest(found.target);
            let text = digest.to_string();
            let lost_something = |removed: &Removed| {
                let mut images = removed.record.cuts.iter();
                images.any(|lost| lost.image == text)
            };
            if self.removals.iter().any(lost_something) {
                self.whole.insert(digest.clone());
                return Ok(());
            }
        }
        if let Ok(digest) = argument.parse::<Digest>()
            && self.trash.contains(&digest)
        {
            self.blobs.insert(digest);
            return Ok(());
        }
        Err(Refusal::new(
            RefusalClass::NotFound,
            format!("No such image in the trash: {argument}"),
        )
        .hint("restore --dry-run without a name shows all that can come back"))
    }

    /// For each removal what its images had lost before they went: that stays lost.
    fn lost_earlier(&self) -> Vec<Cuts> {
        let removals = self.removals.iter().enumerate();
        let lost = removals.map(|(number, removed)| {
            let graph = &removed.contents.graph;
            let earlier = self.removals[..number].iter().map(|r| &r.record);
            let mut cuts = cuts(earlier, graph);
            cuts.retain(|image, _| !self.whole.contains(graph.digest(*image)));
            cuts
        });
        lost.collect()
    }

    fn finish(mut self, everything: bool) -> Restoration {
        let mut restoration = Restoration {
            blobs: std::mem::take(&mut self.blobs),
            ..Restoration::default()
        };
        let mut refusals = std::mem::take(&mut self.refusals);
        let index = &self.current.index;
        let mut by_text: HashMap<&str, Vec<usize>> = HashMap::new();
        for position in 0..index.entries().len() {
            let same = by_text.entry(index.entry_text(position)).or_default();
            same.push(position);
        }
        let mut names: HashMap<&str, &Digest> = HashMap::new();
        let mut done: HashSet<(usize, usize)> = HashSet::new();
        let lost = self.lost_earlier();
        let mut reaches: HashMap<usize, Reach<'_>> = HashMap::new();
        let mut below = |number: usize, target: NodeId, found: &mut BTreeSet<Digest>| {
            let graph = &self.removals[number].contents.graph;
            let reach = reaches
                .entry(number)
                .or_insert_with(|| Reach::with_cuts(graph, &lost[number]));
            let start = Start::Image(target);
            reach.walk(graph, start, Follow::Subjects, &mut |node, _| {
                let digest = graph.digest(node);
                if self.trash.contains(digest) {
                    found.insert(digest.clone());
                }
            });
        };
        // The latest removal is undone first, so positions mean what they meant then.
        let mut rows: Vec<(usize, usize)> = self.rows.iter().copied().collect();
        rows.sort_by_key(|(number, row)| (std::cmp::Reverse(*number), *row));
        for (number, row) in rows {
            let removed = &self.removals[number];
            let text = removed.record.rows[row].entry.get();
            let graph = &removed.contents.graph;
            let Some(id) = removed.contents.table.of_entry(row) else {
                continue;
            };
            let record = removed.contents.table.record(id);
            let digest = graph.digest(record.target);
            // An entry that is there twice can have gone twice.
            if by_text.get_mut(text).and_then(Vec::pop).is_some() {
                done.insert((number, row));
                below(number, record.target, &mut restoration.blobs);
                continue;
            }
            let shown = record.shown(graph);
            if graph.is_missing_document(record.target) {
                restoration.missing.push((shown.clone(), digest.clone()));
            }
            let replaced = removed.record.rows[row].replaced_by.as_ref();
            let replaced = replaced.and_then(|text| by_text.get_mut(text.get())?.pop());
            if replaced.is_none() && !record.is_dangling() {
                let table = &self.current.table;
                let there = table
                    .of_key(&record.key)
                    .iter()
                    .filter(|id| {
                        let mut entries = table.record(**id).entries.iter();
                        entries.any(|at| !restoration.replaced.contains_key(at))
                    })
                    .map(|id| self.current.graph.digest(table.record(*id).target));
                let there: Vec<&Digest> = there.collect();
                let given = names.get(&*record.key).copied();
                if there.contains(&digest) {
                    done.insert((number, row));
                    below(number, record.target, &mut restoration.blobs);
                    continue;
                }
                let other = there.first().copied().or(given);
                if let Some(other) = other.filter(|other| *other != digest) {
                    refusals.push(
                        Refusal::new(
                            RefusalClass::Conflict,
                            format!("conflict: {} leads to {other} now", quoted(&shown)),
                        )
                        .hint(format!(
                            "`ocirm untag` frees the name; {} stays in the trash",
                            digest.short()
                        )),
                    );
                    continue;
                }
            }
            names.insert(&record.key, digest);
            done.insert((number, row));
            restoration.restored.push((shown, digest.clone()));
            match replaced {
                Some(position) => {
                    restoration.replaced.insert(position, text.to_owned());
                }
                None => {
                    restoration.spacing = removed.record.spacing.clone();
                    let position = removed.record.rows[row].position;
                    restoration.inserted.push((position, text.to_owned()));
                }
            }
            below(number, record.target, &mut restoration.blobs);
        }
        self.give_back_parts(&mut restoration);
        self.settle_records(everything, &done, &mut restoration);
        restoration.refusals = refusals;
        restoration
    }

    /// What images of index.json lost and get back.
    fn give_back_parts(&self, restoration: &mut Restoration) {
        let graph = &self.current.graph;
        let mut reach = Reach::new(graph);
        for image in self.whole.iter().filter_map(|digest| graph.find(digest)) {
            reach.walk(
                graph,
                Start::Image(image),
                Follow::Subjects,
                &mut |node, _| {
                    let digest = graph.digest(node);
                    if self.trash.contains(digest) {
                        restoration.blobs.insert(digest.clone());
                    }
                },
            );
        }
    }

    fn settle_records(
        &self,
        everything: bool,
        done: &HashSet<(usize, usize)>,
        restoration: &mut Restoration,
    ) {
        for (number, removed) in self.removals.iter().enumerate().rev() {
            let mut left = removed.record.clone();
            let mut row = 0;
            left.rows.retain(|_| {
                row += 1;
                !done.contains(&(number, row - 1))
            });
            left.cuts.retain(|lost| {
                let image = lost.image.parse();
                image.is_ok_and(|image: Digest| !self.whole.contains(&image))
            });
            let touched = left.rows.len() < removed.record.rows.len();
            // The other files speak of all the names that went together.
            if left.rows.is_empty() && (touched || everything) {
                restoration.files.append(&mut left.files);
            }
            if touched || everything || left.cuts.len() < removed.record.cuts.len() {
                restoration.records.insert(removed.id.clone(), left);
            }
        }
    }
}

/// The rows of a removal that went with an image because they belong to it.
fn belongings(contents: &Contents, image: NodeId) -> Vec<usize> {
    let graph = &contents.graph;
    let mut reach = Reach::new(graph);
    reach.walk(graph, Start::Image(image), Follow::Needed, &mut |_, _| ());
    let mut rows = Vec::new();
    let mut todo: Vec<_> = contents
        .table
        .records()
        .filter(|(_, record)| record.kind.is_dependent())
        .map(|(_, record)| record)
        .collect();
    loop {
        let before = todo.len();
        todo.retain(|record| {
            let belongs = reach.contains(record.target)
                || record
                    .subject
                    .is_some_and(|subject| reach.contains(subject));
            if belongs {
                rows.extend(&record.entries);
                let start = Start::Image(record.target);
                reach.walk(graph, start, Follow::Needed, &mut |_, _| ());
            }
            !belongs
        });
        if todo.len() == before {
            return rows;
        }
    }
}
