//! What can be asked of every snapshot, however much was read for it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

use super::claims::assign_kinds;
use super::graph::{Graph, NodeId};
use super::names::Name;
use super::reachability::Start;
use super::records::{RecordId, Records};
use crate::oci::docker_archive::DockerArchive;
use crate::oci::index::{Entry, Index};
use crate::value::platform::Platform;
use crate::value::reference::Reference;

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

    /// The same, to be said of many blobs: a name that may be long is not copied.
    pub fn shown_shared(&self, id: RecordId) -> Arc<str> {
        match self.spelling(id) {
            Some(text) => text.into(),
            None => self.records.record(id).shown_shared(&self.graph),
        }
    }

    /// The spelling of a name in the file, or in full, if it has to be shown so.
    pub fn spelling(&self, id: RecordId) -> Option<&str> {
        let spellings = self.spellings.get_or_init(|| self.find_spellings());
        Some(spellings.get(&id)?)
    }

    /// Of each name that cannot be shown in its short form a text that selects its image, if there is
    /// one: what stands in the file, else the long form.
    fn find_spellings(&self) -> HashMap<RecordId, Box<str>, RandomState> {
        let mut spellings = HashMap::default();
        if !self.may_have_spellings() {
            return spellings;
        }
        let entries = self.index.entries();
        // `None`: several images are called so.
        let mut by_text: HashMap<&str, Option<NodeId>, RandomState> = HashMap::default();
        let mut by_key: HashMap<&str, Option<NodeId>, RandomState> = HashMap::default();
        for (position, entry) in entries.iter().enumerate() {
            if let (Some(text), Some(id)) = (entry.name(), self.records.of_entry(position)) {
                let record = self.records.record(id);
                for (all, text) in [(&mut by_text, text), (&mut by_key, record.key())] {
                    let known = all.entry(text).or_insert(Some(record.target));
                    if *known != Some(record.target) {
                        *known = None;
                    }
                }
            }
        }
        // As an argument is looked up: the text in the file counts before what it means.
        let selects = |text: &str| -> Option<NodeId> {
            by_text.get(text).copied().unwrap_or_else(|| {
                let meant = Reference::parse(text).ok()?.with_default_tag();
                by_key.get(&*meant.to_string()).copied().flatten()
            })
        };
        for (id, record) in self.records.iter() {
            let Name::Reference(reference) = &record.name else {
                continue;
            };
            let own = Some(record.target);
            if let Some(text) = entries[record.entries[0]].name()
                && selects(&reference.familiar()) != own
            {
                let mut spelled = [text, reference.long()].into_iter();
                if let Some(text) = spelled.find(|text| selects(text) == own) {
                    spellings.insert(id, text.into());
                }
            }
        }
        spellings
    }

    /// Whether any short form may select another image than its own, or none: two spellings of names are
    /// in use, or one that is neither the short nor the long form, or one that a tag would be added to.
    /// In nearly all layouts that is not so, and there is nothing to compare.
    fn may_have_spellings(&self) -> bool {
        let entries = self.index.entries();
        let (mut has_short, mut has_long) = (false, false);
        let (mut has_raw, mut has_reference) = (false, false);
        for (_, record) in self.records.iter() {
            match (&record.name, entries[record.entries[0]].name()) {
                (Name::Reference(reference), Some(text)) => {
                    has_reference = true;
                    let is_long = reference.long() == text;
                    has_long |= is_long && reference.has_short_form();
                    has_short |= !is_long;
                    let is_odd = !is_long && reference.familiar() != text;
                    if is_odd || reference.tag().is_none() && reference.digest().is_none() {
                        return true;
                    }
                }
                (Name::Raw(_), _) => (has_raw, has_short) = (true, true),
                (Name::Tag(_), _) => has_short = true,
                _ => {}
            }
            if has_short && has_long || has_raw && has_reference {
                return true;
            }
        }
        false
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
