//! Checking a layout: does every entry lead where it says, and is what is there what it should be?
//!
//! Missing blobs are listed and are no damage, because layouts may be sparse. Damage is a blob that
//! is there and is not what its descriptor promises.

use std::collections::{HashMap, HashSet};

use crate::counter::Counter;
use crate::layout::{BlobError, Locked, Presence, TEMPORARY, Weight, is_unfinished_work};
use crate::snapshot::{Graph, NodeId, NodeKind, Snapshot, View, Whole};
use crate::value::digest::Digest;
use crate::workers::Workers;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Entries of index.json without a valid digest, by position.
    pub(crate) odd_entries: Vec<usize>,
    /// Blobs that something leads to and that are there.
    pub(crate) present: u64,
    pub(crate) present_bytes: u64,
    /// Blobs that something leads to and that are not there.
    pub(crate) missing: Vec<NodeId>,
    /// Blobs that are there and not what they should be, and how.
    pub(crate) damaged: Vec<(NodeId, String)>,
    /// Blobs that something leads to and whose bytes lie in another repository of a store. Those that
    /// would have to be read to know the image are damaged here as well.
    pub(crate) stubs: Vec<NodeId>,
    /// Stubs that nothing leads to.
    pub(crate) unreferenced_stubs: u64,
    /// Stored blobs that nothing leads to, without the stubs.
    pub(crate) unreferenced: u64,
    pub(crate) unreferenced_bytes: u64,
    /// Referrers that no entry leads to and that are about something that one leads to. They and what
    /// they need are not among those that nothing leads to.
    pub(crate) unlisted_referrers: u64,
    pub(crate) of_unlisted_referrers: Weight,
    /// Those of the unreferenced whose content is not what their name promises; looked for only when all
    /// digests are compared.
    pub(crate) damaged_unreferenced: Vec<Digest>,
    /// Files of unfinished work of other tools.
    pub(crate) temporary: Vec<String>,
    /// Those of ocirm's own: a run that was killed left them, or one uses them now.
    pub(crate) own_temporary: Vec<String>,
    /// Other files that are no part of a layout.
    pub(crate) strays: Vec<String>,
}

/// Checks a layout. With `digests` every blob is read and its digest compared; without, documents
/// and configs of images are, and of other blobs the size. `progress` counts the blobs, and
/// their bytes if they are read.
///
/// # Errors
/// A directory that cannot be listed.
pub(crate) fn check<M>(
    layout: &Locked<M>,
    snapshot: &Snapshot<Whole>,
    digests: bool,
    progress: &Counter,
) -> anyhow::Result<Findings> {
    let entries = snapshot.index.entries().iter().enumerate();
    let odd = entries.filter(|(_, entry)| entry.digest.is_none());
    let mut findings = Findings {
        odd_entries: odd.map(|(position, _)| position).collect(),
        ..Findings::default()
    };
    findings.add_referenced(layout, &snapshot.graph, digests, progress);
    findings.add_unreferenced(layout, snapshot, digests, progress)?;
    let strays = layout.list_strays()?.into_iter();
    let (own, strays): (_, Vec<String>) = strays.partition(|path| is_own_temporary(path));
    findings.own_temporary = own;
    let strays = strays.into_iter();
    (findings.temporary, findings.strays) = strays.partition(|path| is_unfinished_work(path));
    Ok(findings)
}

impl Findings {
    fn add_referenced<M>(
        &mut self,
        layout: &Locked<M>,
        graph: &Graph,
        digests: bool,
        progress: &Counter,
    ) {
        let known = graph.damage().iter();
        self.damaged = known.map(|d| (d.node, d.reason.clone())).collect();
        let stubs = graph.damage().iter().filter(|damage| damage.is_stub);
        self.stubs = stubs.map(|damage| damage.node).collect();
        let known: HashSet<NodeId> = self.damaged.iter().map(|(node, _)| *node).collect();
        // An image is said to be complete, so what of it is small is read.
        let is_config = |node: &NodeId| graph.kind(*node) == NodeKind::ImageConfig;
        let configs: Vec<NodeId> = graph.ids().filter(is_config).collect();
        let verify = |node: &NodeId, _: &mut Vec<u8>| {
            layout.verify_blob(graph.digest(*node), graph.declared_size(*node))
        };
        let verified = Workers::for_reading().map(&configs, &verify, || ());
        let mut verified: HashMap<_, _> = configs.iter().zip(verified).collect();
        let bytes_of = |node| if digests { graph.size(node) } else { 0 };
        let bytes = graph.ids().map(bytes_of).fold(0, u64::saturating_add);
        progress.expect(graph.len() as u64, bytes);
        for node in graph.ids() {
            let (digest, size) = (graph.digest(node), graph.declared_size(node));
            let mut read = 0;
            let result = match (verified.remove(&node), digests) {
                _ if known.contains(&node) => {
                    progress.add(bytes_of(node));
                    continue;
                }
                // It was read, and is what it should be.
                _ if graph.is_present_document(node) => Ok(Presence::Whole),
                (Some(result), _) => result,
                (None, true) => {
                    let (result, bytes) = layout.verify_blob_counted(digest, size, progress);
                    read = bytes;
                    result
                }
                (None, false) => layout.measure_blob(digest, size),
            };
            progress.add(bytes_of(node).saturating_sub(read));
            match result {
                Ok(Presence::Whole) => {
                    self.present += 1;
                    self.present_bytes = self.present_bytes.saturating_add(graph.size(node));
                }
                // What a descriptor embeds is not missed.
                Ok(Presence::Missing) if graph.embedded(node).is_some() || graph.is_gone(node) => {}
                Ok(Presence::Missing) => self.missing.push(node),
                Ok(Presence::Stub) => {
                    self.stubs.push(node);
                    if is_config(&node) {
                        self.damaged.push((node, BlobError::Stub.to_string()));
                    }
                }
                Err(error) => self.damaged.push((node, error.to_string())),
            }
        }
    }

    fn add_unreferenced<M>(
        &mut self,
        layout: &Locked<M>,
        snapshot: &Snapshot<Whole>,
        digests: bool,
        progress: &Counter,
    ) -> anyhow::Result<()> {
        let mut unreferenced = Vec::new();
        layout.list_blobs(|digest| {
            if snapshot.graph.find(&digest).is_none() {
                unreferenced.push(digest);
            }
        })?;
        unreferenced.sort();
        let unlisted = snapshot.unlisted_referrers(layout, &unreferenced);
        self.unlisted_referrers = unlisted.referrers.len() as u64;
        let stats = unreferenced.into_iter().map(|digest| {
            let stat = layout.stat_blob(&digest).ok().flatten();
            progress.expect(1, stat.filter(|_| digests).map_or(0, |stat| stat.size));
            (digest, stat)
        });
        // All of them, so that it is known how much there is.
        let stats: Vec<_> = stats.collect();
        for (digest, stat) in stats {
            let bytes = stat.map_or(0, |stat| stat.size);
            if stat.is_some_and(|stat| stat.is_stub) {
                self.unreferenced_stubs += 1;
                progress.add(0);
                continue;
            }
            if unlisted.needed.contains(&digest) {
                self.of_unlisted_referrers += Weight::of_one(bytes);
            } else {
                self.unreferenced += 1;
                self.unreferenced_bytes = self.unreferenced_bytes.saturating_add(bytes);
            }
            if !digests {
                progress.add(0);
                continue;
            }
            let (result, read) = layout.verify_blob_counted(&digest, None, progress);
            progress.add(bytes.saturating_sub(read));
            if matches!(result, Err(BlobError::Digest { .. })) {
                self.damaged_unreferenced.push(digest);
            }
        }
        Ok(())
    }
}

/// Names that ocirm gives to files while it writes.
fn is_own_temporary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with(TEMPORARY)
}

/// The word for what a blob is. What should have been read as a document and could not be is called
/// a manifest.
pub(crate) fn word(snapshot: &View, node: NodeId) -> &'static str {
    match snapshot.graph.kind(node) {
        NodeKind::Blob if snapshot.graph.is_unread_document(node) => "manifest",
        kind => kind.word(),
    }
}
