//! What can be asked of every snapshot, however much was read for it.

use super::claims::assign_kinds;
use super::graph::{Graph, NodeId};
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
