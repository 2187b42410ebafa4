//! What can be asked of every snapshot, however much was read for it.

use std::collections::HashMap;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use super::claims::assign_kinds;
use super::graph::{Graph, NodeId};
use super::names::Name;
use super::reachability::Start;
use super::records::{RecordId, Records};
use crate::oci::docker_archive::DockerArchive;
use crate::oci::index::{Entry, Index};
use crate::value::platform::Platform;

/// See the module.
#[derive(Debug, Default)]
pub struct View {
    /// The document.
    pub index: Index,
    /// All blobs that it and the archive lead to, as far as that was read.
    pub graph: Graph,
    /// What its entries are.
    pub records: Records,
    /// The files of an unpacked `docker save`.
    pub archive: DockerArchive,
    /// For each image of the archive the blobs that it names.
    pub archive_blobs: Vec<Vec<NodeId>>,
    /// What entries of other layouts that share the blobs lead to.
    pub sharer_roots: Vec<NodeId>,
    /// Names that cannot be shown in their short form, and how they are shown; found out when
    /// somebody asks for the first time.
    pub(super) spellings: OnceLock<HashMap<RecordId, Box<str>, RandomState>>,
    /// Referrers that no entry leads to, if they are shown.
    pub unlisted: Vec<NodeId>,
}

impl View {
    /// Puts together what was read.
    pub(super) fn new(index: Index, mut graph: Graph, archive: DockerArchive) -> View {
        let items = archive.items().iter();
        let archive_blobs = items
            .map(|item| item.blobs().map(|d| graph.intern(d, None)).collect())
            .collect();
        let records = records_of(index.entries(), &graph);
        View {
            index,
            graph,
            records,
            archive,
            archive_blobs,
            ..View::default()
        }
    }

    /// Where the image of a record begins.
    pub fn start<'s>(&self, id: RecordId) -> Start<'s> {
        Start::Image(self.records.record(id).target)
    }

    /// The name of a record as it is shown: as Docker shows it, but in the spelling of the file, or in
    /// full, where the short one would select another image. A dangling record has none; its image's
    /// digest is shown.
    pub fn shown(&self, id: RecordId) -> String {
        match self.spelling(id) {
            Some(text) => text.to_owned(),
            None => self.records.record(id).shown(&self.graph),
        }
    }

    /// The spelling of a name in the file, or in full, if it has to be shown so.
    pub fn spelling(&self, id: RecordId) -> Option<&str> {
        let spellings = self.spellings.get_or_init(|| self.find_spellings());
        Some(spellings.get(&id)?)
    }

    /// A short form selects another image only if that one is called so in the file, for a text that
    /// stands there is found first.
    fn find_spellings(&self) -> HashMap<RecordId, Box<str>, RandomState> {
        let entries = self.index.entries();
        let mut spellings = HashMap::default();
        // What is not the long form may be somebody's short one. Nearly all layouts have either.
        let (mut has_short, mut has_long) = (false, false);
        let (mut has_raw, mut has_reference) = (false, false);
        for (_, record) in self.records.iter() {
            has_raw |= matches!(record.name, Name::Raw(_));
            has_reference |= matches!(record.name, Name::Reference(_));
            match (&record.name, entries[record.entries[0]].name()) {
                (Name::Reference(reference), Some(text)) if reference.long() == text => {
                    has_long |= reference.has_short_form();
                }
                (Name::Reference(reference), Some(text)) => {
                    has_short = true;
                    has_long |= reference.familiar() != text;
                }
                (Name::Dangling, _) => {}
                _ => has_short = true,
            }
            if has_short && has_long {
                break;
            }
        }
        // Any other text may be called as a short form is that stands in the file.
        if !(has_short && has_long || has_raw && has_reference) {
            return spellings;
        }
        // `None`: several images are called so.
        let mut by_text: HashMap<&str, Option<NodeId>, RandomState> = HashMap::default();
        for (position, entry) in entries.iter().enumerate() {
            if let (Some(text), Some(id)) = (entry.name(), self.records.of_entry(position)) {
                let target = self.records.record(id).target;
                let known = by_text.entry(text).or_insert(Some(target));
                if *known != Some(target) {
                    *known = None;
                }
            }
        }
        for (id, record) in self.records.iter() {
            let Name::Reference(reference) = &record.name else {
                continue;
            };
            let is_other = |text: &str| {
                let found = by_text.get(text);
                found.is_some_and(|target| *target != Some(record.target))
            };
            if let Some(text) = entries[record.entries[0]].name()
                && is_other(&reference.familiar())
            {
                let mut spelled = [text, reference.long()].into_iter();
                let own = spelled.find(|text| !is_other(text));
                spellings.insert(id, own.unwrap_or(text).into());
            }
        }
        spellings
    }

    /// The platform that index.json says of an image, in the first entry of a record that says one.
    pub fn declared_platform(&self, id: RecordId) -> Option<&Platform> {
        let mut entries = self.records.record(id).entries.iter();
        entries.find_map(|at| self.index.entries()[*at].platform.as_deref())
    }
}

/// The records of some entries, and what kind each is.
pub(super) fn records_of(entries: &[Entry], graph: &Graph) -> Records {
    let mut records = Records::new(entries, graph);
    assign_kinds(&mut records, graph);
    records
}
