//! Records: what each entry of index.json is to a user.
//!
//! Entries become *records*, the unit of Docker's rules: a name and the image it points to. What a
//! record is:
//!
//! * **named**: somebody gave it a name.
//! * **dangling**: its name is `moby-dangling@<its digest>`, or it has none and nothing claims it.
//! * **unnamed**: as above, in a layout where no entry has a name. Such layouts are written by many
//!   tools, and what is in them are images.
//! * **child**: it has no name, and a document that another entry leads to lists it. oras and zot
//!   list the manifests of an index so.
//! * **referrer**: it has no name, or one of the tag schemas of signatures, and its subject belongs
//!   to another entry. In stores that give an image and its signatures one name, it has the
//!   image's name and says of itself that it is a signature.
//!
//! Which records belong to others is found out in [`super::claims`].

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::graph::{Graph, NodeId};
use super::names::{Name, meaning, name_of, schema_subject};
use crate::oci::index::{DANGLING_PREFIX, Entry};
use crate::value::digest::{Digest, DigestPrefix};

/// Identifies a record of a [`Records`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(u32);

impl RecordId {
    /// The number, for tables that have a place for each record.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn new(number: usize) -> RecordId {
        RecordId(u32::try_from(number).unwrap_or(u32::MAX))
    }
}

/// What a record is to a user; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// It has a name.
    Named,
    /// It has none, and nothing claims it.
    Dangling,
    /// It has none, like everything else in the layout.
    Unnamed,
    /// Part of another image.
    Child,
    /// Signature, attestation or the like of another image.
    Referrer,
}

impl RecordKind {
    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            RecordKind::Named => "named",
            RecordKind::Dangling => "dangling",
            RecordKind::Unnamed => "unnamed",
            RecordKind::Child => "child",
            RecordKind::Referrer => "referrer",
        }
    }

    /// Whether it lives and dies with another image.
    pub fn is_dependent(self) -> bool {
        matches!(self, RecordKind::Child | RecordKind::Referrer)
    }
}

/// Where entries stand in index.json, ascending; at least one. There may be a million of these, and
/// nearly all have one, so that one needs no memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Positions {
    /// A single entry.
    One(usize),
    /// Several.
    More(Vec<usize>),
}

impl Positions {
    fn push(&mut self, position: usize) {
        match self {
            Positions::One(first) => *self = Positions::More(vec![*first, position]),
            Positions::More(all) => all.push(position),
        }
    }
}

impl Deref for Positions {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        match self {
            Positions::One(position) => std::slice::from_ref(position),
            Positions::More(all) => all,
        }
    }
}

/// A name and the image it points to. Entries that agree in both are one record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its name.
    pub name: Name,
    /// What stands for the name of one that has none.
    dangling_key: Box<str>,
    /// The image.
    pub target: NodeId,
    /// Its entries, by position in index.json.
    pub entries: Positions,
    /// Whether its dangling name stands in the file: somebody untagged it on purpose. An entry
    /// without any name beside it is another record, for it may be a part of an image.
    pub explicit: bool,
    /// Whether it belongs to the image whose name stands in its entry: it has none of its own.
    pub is_belonging: bool,
    /// What it is.
    pub kind: RecordKind,
    /// The image it was built from, if Docker's classic builder said so.
    pub parent: Option<Box<Digest>>,
    /// What it refers to, if it is or could be a referrer.
    pub subject: Option<NodeId>,
}

impl Record {
    /// The name as text: what names are compared and ordered by.
    pub fn key(&self) -> &str {
        match &self.name {
            Name::Reference(reference) => reference.long(),
            Name::Tag(text) | Name::Raw(text) => text,
            Name::Dangling => &self.dangling_key,
        }
    }

    /// The name as Docker shows it, without what can be left out. A dangling record has none; its
    /// image's digest is shown.
    pub fn shown(&self, graph: &Graph) -> String {
        match &self.name {
            Name::Reference(reference) => reference.familiar(),
            Name::Tag(text) | Name::Raw(text) => text.to_string(),
            Name::Dangling => graph.digest(self.target).to_string(),
        }
    }

    /// The same, of which a name that may be long is no copy.
    pub fn shown_shared(&self, graph: &Graph) -> Arc<str> {
        match &self.name {
            Name::Tag(text) | Name::Raw(text) => text.clone(),
            Name::Reference(_) | Name::Dangling => self.shown(graph).into(),
        }
    }

    /// Whether it has a name that somebody chose, and not one that says what it refers to.
    pub fn is_chosen(&self) -> bool {
        !self.is_dangling() && schema_subject(&self.name).is_none()
    }

    /// Whether it is a record without a name, of whatever kind.
    pub fn is_dangling(&self) -> bool {
        self.name == Name::Dangling
    }
}

/// All records of a layout.
#[derive(Debug, Default)]
pub struct Records {
    records: Vec<Record>,
    by_key: Lookup,
    by_text: Lookup,
    by_tag: Lookup,
    /// Names that Docker would have written differently, by what it would have written.
    by_meaning: HashMap<String, Vec<RecordId>>,
    /// In the order of their images, those of one image in name order.
    by_target: Vec<RecordId>,
    with_parent: Vec<RecordId>,
    /// What belongs to images by their names, by image.
    belongings: HashMap<NodeId, Vec<RecordId>>,
    /// In the order of their IDs; made when somebody asks for the first time.
    by_id: OnceLock<Vec<RecordId>>,
    /// For each entry the record it belongs to; [`NO_RECORD`] for entries without a usable digest.
    of_entry: Vec<RecordId>,
}

/// What belongs to no record belongs to this.
const NO_RECORD: RecordId = RecordId(u32::MAX);

/// Finds texts among many. Most commands ask once or twice, and looking at all of them costs less
/// than sorting them; whoever asks more often has them sorted.
#[derive(Debug, Default)]
struct Lookup {
    asked: AtomicU32,
    sorted: OnceLock<Vec<u32>>,
}

/// How often all texts are looked at before they are sorted.
const LOOKS: u32 = 8;

impl Lookup {
    /// The numbers below `count` whose text is `wanted`, ascending.
    fn find<'t>(
        &self,
        count: usize,
        text: &dyn Fn(usize) -> Option<&'t str>,
        wanted: &str,
    ) -> Vec<usize> {
        if self.asked.fetch_add(1, Ordering::Relaxed) < LOOKS {
            let found = (0..count).filter(|number| text(*number) == Some(wanted));
            return found.collect();
        }
        let text = |number: &u32| text(*number as usize);
        let sorted = self.sorted.get_or_init(|| {
            let mut all: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
            all.sort_by(|a, b| text(a).cmp(&text(b)));
            all
        });
        let from = sorted.partition_point(|number| text(number) < Some(wanted));
        let found = sorted[from..].iter();
        let found = found.take_while(|number| text(number) == Some(wanted));
        found.map(|number| *number as usize).collect()
    }
}

impl Records {
    /// Makes the records of the entries of index.json, from the graph that they lead to. What kind
    /// each is, is found out then: see [`super::claims`].
    pub fn new(entries: &[Entry], graph: &Graph) -> Records {
        let (all, of_entry) = one_for_each(entries, graph);
        let mut made = Records {
            of_entry,
            ..Records::default()
        };
        made.unite(all);
        for (position, entry) in entries.iter().enumerate() {
            if let Some(id) = made.of_entry(position) {
                made.join(id, position, entry, graph);
            }
        }
        for (number, record) in made.records.iter().enumerate() {
            if let Some(image) = record.subject.filter(|_| record.is_belonging) {
                let belongings = made.belongings.entry(image).or_default();
                belongings.push(RecordId::new(number));
            }
        }
        made
    }

    /// Entries of one image and one name are one record: keeps the first of each, and numbers them in
    /// the order of their first entries.
    fn unite(&mut self, mut all: Vec<Record>) {
        let mut sorted: Vec<RecordId> = (0..all.len()).map(RecordId::new).collect();
        let identity = |id: RecordId| {
            let record = &all[id.index()];
            (
                record.target,
                record.key(),
                record.explicit,
                record.is_belonging,
            )
        };
        // Those that are one stand together in this order.
        sorted.sort_by(|a, b| identity(*a).cmp(&identity(*b)));
        let mut first_of: Vec<RecordId> = (0..all.len()).map(RecordId::new).collect();
        sorted.dedup_by(|later, first| {
            let is_same = identity(*later) == identity(*first);
            if is_same {
                first_of[later.index()] = *first;
            }
            is_same
        });
        if sorted.len() < all.len() {
            let mut number = 0;
            let mut is_first = first_of.iter().enumerate().map(|(n, id)| n == id.index());
            all.retain(|_| is_first.next().unwrap_or(true));
            for n in 0..first_of.len() {
                let first = first_of[n].index();
                first_of[n] = match first == n {
                    true => RecordId::new(number),
                    false => first_of[first],
                };
                number += usize::from(first == n);
            }
            for id in sorted.iter_mut().chain(&mut self.of_entry) {
                if let Some(new) = first_of.get(id.index()) {
                    *id = *new;
                }
            }
        }
        self.by_target = sorted;
        self.records = all;
    }

    /// Takes into a record what one of its entries says. They come in their order.
    fn join(&mut self, id: RecordId, position: usize, entry: &Entry, graph: &Graph) {
        let record = &mut self.records[id.index()];
        let is_first = record.entries[0] == position;
        if is_first
            && let Name::Raw(text) = &record.name
            && let Some(reference) = meaning(text)
        {
            let meant = reference.with_default_tag().to_string();
            self.by_meaning.entry(meant).or_default().push(id);
        }
        if !record.explicit && record.subject.is_none() {
            record.subject = subject_of(&record.name, entry, record.target, graph);
        }
        if !is_first {
            record.entries.push(position);
        }
        if record.parent.is_none() && entry.parent.is_some() {
            record.parent.clone_from(&entry.parent);
            self.with_parent.push(id);
        }
    }

    pub(super) fn set_kinds(&mut self, kind_of: impl Fn(RecordId, &Record) -> RecordKind) {
        for (number, record) in self.records.iter_mut().enumerate() {
            record.kind = kind_of(RecordId::new(number), record);
        }
    }

    /// All records, in the order of their first entries.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (RecordId, &Record)> {
        let records = self.records.iter().enumerate();
        records.map(|(number, record)| (RecordId::new(number), record))
    }

    /// One record.
    pub fn record(&self, id: RecordId) -> &Record {
        &self.records[id.index()]
    }

    /// The records of an image, in name order.
    pub fn of_target(&self, target: NodeId) -> &[RecordId] {
        let of = |id: &RecordId| self.records[id.index()].target;
        let from = self.by_target.partition_point(|id| of(id) < target);
        let rest = &self.by_target[from..];
        &rest[..rest.partition_point(|id| of(id) == target)]
    }

    /// The records of this full name; several when different images carry it. Without one, those
    /// of names that mean it and are written differently.
    pub fn of_key(&self, key: &str) -> Vec<RecordId> {
        let text = |number: usize| Some(self.records[number].key());
        let found = self.by_key.find(self.records.len(), &text, key);
        if found.is_empty() {
            return self.by_meaning.get(key).cloned().unwrap_or_default();
        }
        found.into_iter().map(RecordId::new).collect()
    }

    /// The records whose name stands in the file with exactly this text. `entries` are those that
    /// the records were made from.
    pub fn of_text(&self, entries: &[Entry], text: &str) -> Vec<RecordId> {
        let name = |position: usize| entries[position].name();
        let found = self.by_text.find(entries.len(), &name, text);
        let mut ids: Vec<RecordId> = Vec::new();
        for id in found.into_iter().filter_map(|at| self.of_entry(at)) {
            if self.record(id).is_belonging {
                continue;
            }
            if ids.last() != Some(&id) && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// The records whose image's ID begins so.
    pub fn with_id_prefix(&self, graph: &Graph, prefix: &DigestPrefix) -> Vec<RecordId> {
        let digest = |id: &RecordId| graph.digest(self.record(*id).target);
        let sorted = self.by_id.get_or_init(|| {
            let mut ids: Vec<_> = self.iter().map(|(id, _)| id).collect();
            ids.sort_by_cached_key(|id| digest(id).encoded());
            ids
        });
        let hex = |id: &RecordId| digest(id).encoded();
        let from = sorted.partition_point(|id| hex(id).as_str() < prefix.encoded());
        let begun = sorted[from..].iter();
        let begun = begun.take_while(|id| hex(id).starts_with(prefix.encoded()));
        begun
            .copied()
            .filter(|id| prefix.begins(digest(id)))
            .collect()
    }

    /// The entries that carry this text as the reference name of the specification, and have a
    /// valid digest. `entries` are those that the records were made from.
    pub fn entries_with_tag(&self, entries: &[Entry], tag: &str) -> Vec<usize> {
        let text = |position: usize| entries[position].ref_name.as_deref();
        let mut found = self.by_tag.find(entries.len(), &text, tag);
        found.retain(|position| self.of_entry(*position).is_some());
        found
    }

    /// The record that an entry belongs to; `None` for an entry without a valid digest.
    pub fn of_entry(&self, position: usize) -> Option<RecordId> {
        let id = self.of_entry.get(position).copied();
        id.filter(|id| *id != NO_RECORD)
    }

    /// The records that say which image theirs was built from.
    pub fn with_parent(&self) -> &[RecordId] {
        &self.with_parent
    }

    /// The images to which something belongs by their names, and what that is.
    pub fn belongings(&self) -> &HashMap<NodeId, Vec<RecordId>> {
        &self.belongings
    }

    /// Whether a record stands alone that something could claim.
    pub fn has_orphans(&self, graph: &Graph) -> bool {
        let mut records = self.records.iter();
        records.any(|record| !record.kind.is_dependent() && may_be_claimed(record, graph))
    }
}

/// A record for each entry with a usable digest, and for each entry the number of its record.
fn one_for_each(entries: &[Entry], graph: &Graph) -> (Vec<Record>, Vec<RecordId>) {
    let mut of_entry = vec![NO_RECORD; entries.len()];
    // A walk numbers what entries lead to first, in their order, so the next node is mostly the
    // next number, and comparing two digests is cheaper than looking one up among a million.
    let mut numbered = graph.ids().peekable();
    let mut find = |digest: &Digest| {
        let next = numbered.next_if(|node| graph.digest(*node) == digest);
        next.or_else(|| graph.find(digest))
    };
    let images = images_of_belongings(entries);
    let mut text = String::new();
    let usable = entries.iter().filter(|entry| entry.digest.is_some());
    let mut records: Vec<Record> = Vec::with_capacity(usable.count().min(graph.len()));
    for (position, entry) in entries.iter().enumerate() {
        let Some((digest, target)) = entry.digest.as_ref().and_then(|d| Some((d, find(d)?))) else {
            continue;
        };
        of_entry[position] = RecordId::new(records.len());
        let name = name_of(entry, digest);
        let explicit = name == Name::Dangling && entry.name().is_some();
        let owner = images.get(&position).copied();
        let name = match owner {
            Some(_) => Name::Dangling,
            None => name,
        };
        let dangling_key = match (&name, entry.name()) {
            (Name::Dangling, Some(written)) if explicit => written.into(),
            (Name::Dangling, _) => {
                text.clear();
                text.push_str(DANGLING_PREFIX);
                // Writing to a String cannot fail.
                let _ = write!(text, "{digest}");
                if owner.is_some() {
                    // It goes with this name of its image, and not with another one.
                    let _ = write!(text, " {}", entry.name().unwrap_or_default());
                }
                text.as_str().into()
            }
            _ => Box::default(),
        };
        records.push(Record {
            name,
            dangling_key,
            target,
            entries: Positions::One(position),
            explicit,
            is_belonging: owner.is_some(),
            kind: RecordKind::Named,
            parent: None,
            subject: owner.and_then(|position| graph.find(entries[position].digest.as_ref()?)),
        });
    }
    (records, of_entry)
}

/// For each entry that says that it belongs to the image of its name, by position, the entry of that
/// image. One whose name no image has, or several have, is not among them: it stands alone.
fn images_of_belongings(entries: &[Entry]) -> HashMap<usize, usize> {
    let mut belongings = entries.iter().enumerate();
    let Some(first) = belongings.find(|(_, entry)| entry.is_belonging) else {
        return HashMap::new();
    };
    let belongings = std::iter::once(first).chain(belongings.filter(|(_, e)| e.is_belonging));
    let mut of_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (position, entry) in belongings {
        if let Some(name) = entry.name().filter(|_| entry.digest.is_some()) {
            of_name.entry(name).or_default().push(position);
        }
    }
    let mut image_of: HashMap<&str, Option<usize>> = HashMap::new();
    for (position, entry) in entries.iter().enumerate() {
        let is_image = !entry.is_belonging && entry.digest.is_some();
        if let Some(name) = entry
            .name()
            .filter(|name| is_image && of_name.contains_key(name))
        {
            let known = image_of.entry(name).or_insert(Some(position));
            if known.is_some_and(|known| entries[known].digest != entry.digest) {
                *known = None;
            }
        }
    }
    let found = of_name.into_iter().flat_map(|(name, belongings)| {
        let image = image_of.get(name).copied().flatten();
        belongings
            .into_iter()
            .filter_map(move |at| Some((at, image?)))
    });
    // What two entries say of one blob in different ways is no image's signature.
    found
        .filter(|(at, image)| entries[*at].digest != entries[*image].digest)
        .collect()
}

/// What a record refers to, if it has no name that a person chose.
fn subject_of(name: &Name, entry: &Entry, target: NodeId, graph: &Graph) -> Option<NodeId> {
    match name {
        Name::Dangling if entry.name().is_some() => None,
        Name::Dangling => graph
            .subject(target)
            .or_else(|| graph.find(entry.subject.as_ref()?))
            .or_else(|| graph.common_subject(target)),
        _ => graph.find(&schema_subject(name)?),
    }
}

/// Whether a record could live and die with another.
pub(crate) fn may_be_claimed(record: &Record, graph: &Graph) -> bool {
    record.subject.is_some() || may_be_part(record, graph)
}

pub(super) fn may_be_part(record: &Record, graph: &Graph) -> bool {
    record.is_dangling() && !record.explicit && graph.has_parent(record.target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::walk::tests::{Store, entry};

    fn named(digest: &Digest, name: &str) -> Entry {
        Entry {
            ref_name: Some(name.into()),
            ..entry(digest)
        }
    }

    #[test]
    fn entries_of_one_image_and_one_name_are_one_record_wherever_they_stand() {
        let mut store = Store::default();
        let (a, b) = (store.manifest(&["a"], None), store.manifest(&["b"], None));
        let with_parent = |entry: Entry| Entry {
            parent: Some(Box::new(b.clone())),
            ..entry
        };
        let entries = [
            named(&a, "2"),
            named(&b, "1"),
            named(&a, "1"),
            Entry::default(),
            with_parent(named(&a, "2")),
            entry(&a),
            with_parent(named(&b, "1")),
            named(&a, &format!("{DANGLING_PREFIX}{a}")),
            named(&a, "2"),
        ];
        let graph = store.graph(&entries);
        let records = Records::new(&entries, &graph);
        let found: Vec<(&str, &[usize])> = records
            .iter()
            .map(|(_, record)| (record.key(), &*record.entries))
            .collect();
        let dangling = format!("{DANGLING_PREFIX}{a}");
        let expected: [(&str, &[usize]); 5] = [
            ("2", &[0, 4, 8]),
            ("1", &[1, 6]),
            ("1", &[2]),
            (&dangling, &[5]),
            (&dangling, &[7]),
        ];
        assert_eq!(found, expected);
        let of_entry = |position| records.of_entry(position).map(RecordId::index);
        let of_entries: Vec<_> = (0..=entries.len()).map(of_entry).collect();
        let expected = [0, 1, 2, 9, 0, 3, 1, 4, 0, 9].map(|n| Some(n).filter(|n| *n < 9));
        assert_eq!(of_entries, expected);
        let node = |digest| graph.find(digest).unwrap();
        assert_eq!(records.of_target(node(&a)), [2, 0, 3, 4].map(RecordId));
        assert_eq!(records.of_target(node(&b)), [RecordId(1)]);
        assert_eq!(records.with_parent(), [RecordId(0), RecordId(1)]);
        // FR39: an untagged entry is another record than one that never had a name.
        let is_explicit = |number| records.record(RecordId(number)).explicit;
        assert!(!is_explicit(3) && is_explicit(4));
    }

    #[test]
    fn names_are_read_as_the_tools_mean_them() {
        let mut store = Store::default();
        let image = store.manifest(&["a"], None);
        let full = |text: &str| Entry {
            image_name: Some(text.into()),
            ref_name: Some("1".into()),
            ..entry(&image)
        };
        for (entry, key) in [
            (named(&image, "v1"), "v1"),
            (named(&image, "alpine:3"), "docker.io/library/alpine:3"),
            (named(&image, "localhost/x"), "localhost/x:latest"),
            (named(&image, "Not/Valid:"), "Not/Valid:"),
            (full("docker.io/library/x:1"), "docker.io/library/x:1"),
            (full("docker.io/library/x"), "docker.io/library/x"),
            (full("x:1"), "x:1"),
        ] {
            let entries = [entry];
            let graph = store.graph(&entries);
            let records = Records::new(&entries, &graph);
            assert_eq!(records.record(RecordId(0)).key(), key);
        }
    }
}
