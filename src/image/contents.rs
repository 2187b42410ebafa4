//! Everything that a layout's index.json and its neighbours say, read at one moment.

use super::docker_archive::DockerArchive;
use super::graph::{Graph, NodeId};
use super::index::Index;
use super::table::Table;
use crate::layout::Locked;

/// index.json, what it leads to, and what it means.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The document.
    pub index: Index,
    /// All blobs that it and the archive lead to.
    pub graph: Graph,
    /// What its entries are.
    pub table: Table,
    /// The files of an unpacked `docker save`.
    pub archive: DockerArchive,
    /// For each image of the archive the blobs that it names.
    pub archive_blobs: Vec<Vec<NodeId>>,
}

impl Contents {
    /// Reads all of it. `progress` is told the number of manifests read so far.
    ///
    /// # Errors
    /// Exit status 12 when index.json or the archive cannot be read. A damaged blob is no error
    /// here; see [`Graph::refuse_damage`].
    pub fn load<M>(layout: &Locked<M>, progress: &mut dyn FnMut(u64)) -> anyhow::Result<Contents> {
        let index = Index::load(layout)?;
        let graph = Graph::load(layout, index.entries(), progress);
        let archive = DockerArchive::load(layout)?;
        Ok(Contents::new(index, graph, archive))
    }

    /// Reads index.json and the archive, but no blob: enough to find names, not to delete.
    ///
    /// # Errors
    /// As [`Contents::load`].
    pub fn load_names<M>(layout: &Locked<M>) -> anyhow::Result<Contents> {
        let index = Index::load(layout)?;
        let graph = Graph::walk(index.entries(), &mut |_, _| Ok(None), &mut |_| ());
        let archive = DockerArchive::load(layout)?;
        Ok(Contents::new(index, graph, archive))
    }

    /// Puts together what was read.
    pub fn new(index: Index, mut graph: Graph, archive: DockerArchive) -> Contents {
        let archive_blobs = archive
            .items()
            .iter()
            .map(|item| item.blobs().map(|d| graph.intern(d, None)).collect())
            .collect();
        let table = Table::new(index.entries(), &graph);
        Contents {
            index,
            graph,
            table,
            archive,
            archive_blobs,
        }
    }
}
