//! Checking a layout: does every entry lead where it says, and is what is there what it should be?
//!
//! Missing blobs are listed and are no damage, because layouts may be sparse. Damage is a blob that
//! is there and is not what its descriptor promises.

use crate::layout::{BlobError, Locked};
use crate::snapshot::View;
use crate::snapshot::graph::{NodeId, NodeKind};
use crate::value::digest::Digest;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Entries of index.json without a valid digest, by position.
    pub(crate) odd_entries: Vec<usize>,
    /// Blobs that something leads to and that are there.
    pub(crate) present: u64,
    /// Their bytes.
    pub(crate) present_bytes: u64,
    /// Blobs that something leads to and that are not there.
    pub(crate) missing: Vec<NodeId>,
    /// Blobs that are there and not what they should be, and how.
    pub(crate) damaged: Vec<(NodeId, String)>,
    /// Stored blobs that nothing leads to.
    pub(crate) orphans: u64,
    /// Their bytes.
    pub(crate) orphan_bytes: u64,
    /// Blobs that nothing leads to and whose content is not what their name promises; looked for
    /// only when all digests are compared.
    pub(crate) damaged_orphans: Vec<(Digest, String)>,
    /// Files of unfinished work of other tools.
    pub(crate) temporary: Vec<String>,
    /// Other files that are no part of a layout.
    pub(crate) strays: Vec<String>,
}

impl Findings {
    /// Whether anything is not what it should be.
    pub(crate) fn is_damaged(&self) -> bool {
        !self.damaged.is_empty()
    }
}

/// Checks a layout. With `digests` every blob is read and its digest compared; without, documents
/// are, and of other blobs the size. `progress` is told how many blobs are done, and of how many.
///
/// # Errors
/// A directory that cannot be listed.
pub(crate) fn check<M>(
    layout: &Locked<M>,
    snapshot: &View,
    digests: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<Findings> {
    let graph = &snapshot.graph;
    let mut findings = Findings::default();
    for (position, entry) in snapshot.index.entries().iter().enumerate() {
        if entry.digest.is_none() {
            findings.odd_entries.push(position);
        }
    }
    for damage in graph.damage() {
        findings.damaged.push((damage.node, damage.reason.clone()));
    }
    let total = graph.len() as u64;
    for (done, node) in graph.ids().enumerate() {
        progress(done as u64, total);
        if graph.damage().iter().any(|damage| damage.node == node) {
            continue;
        }
        let (digest, size) = (graph.digest(node), graph.declared_size(node));
        let result = match digests {
            true => layout.verify_blob(digest, size),
            false => layout.measure_blob(digest, size),
        };
        match result {
            Ok(Some(())) => {
                findings.present += 1;
                findings.present_bytes = findings.present_bytes.saturating_add(graph.size(node));
            }
            Ok(None) => findings.missing.push(node),
            Err(error) => findings.damaged.push((node, error.to_string())),
        }
    }
    let mut orphans = Vec::new();
    layout.list_blobs(|digest| {
        if graph.find(&digest).is_none() {
            orphans.push(digest);
        }
    })?;
    orphans.sort();
    for digest in orphans {
        findings.orphans += 1;
        if let Ok(Some(stat)) = layout.stat_blob(&digest) {
            findings.orphan_bytes = findings.orphan_bytes.saturating_add(stat.size);
        }
        if digests && let Err(error @ BlobError::Digest(_)) = layout.verify_blob(&digest, None) {
            findings.damaged_orphans.push((digest, error.to_string()));
        }
    }
    for stray in layout.list_strays()? {
        match is_temporary(&stray) {
            true => findings.temporary.push(stray),
            false => findings.strays.push(stray),
        }
    }
    Ok(findings)
}

/// Names that tools give to files while they write: skopeo and podman, umoci, containerd and oras,
/// crane, regctl.
fn is_temporary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_long_digest = name.len() > 64
        && name.bytes().all(|b| b.is_ascii_hexdigit())
        && name[64..].bytes().all(|b| b.is_ascii_digit());
    name.starts_with("oci-put-blob")
        || name.starts_with(".umoci-")
        || name.starts_with(".ocirm-tmp-")
        || path.starts_with("ingest/")
        || name.ends_with(".tmp")
        || is_long_digest
}

/// The words for a kind of blob whose kind nobody said.
pub(crate) fn word(snapshot: &View, node: NodeId) -> &'static str {
    match snapshot.graph.kind(node) {
        NodeKind::Blob if snapshot.graph.is_unread_document(node) => "manifest",
        kind => kind.word(),
    }
}
