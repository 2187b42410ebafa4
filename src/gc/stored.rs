//! The blobs of a layout as they lie on the disk, looked at many at a time.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use anyhow::Context as _;

use crate::layout::{BlobError, BlobStat, Locked, SharedReason};
use crate::snapshot::{Graph, MAX_DOCUMENT_BYTES, MAX_UNLISTED_BYTES, NodeId, NodeKind};
use crate::value::digest::Digest;
use crate::workers::Workers;

/// The blobs of a layout as they lie on the disk.
pub trait Stored: Sync {
    /// Looks at a blob's file; `None`: there is none.
    ///
    /// # Errors
    /// What the operating system says.
    fn stat(&self, digest: &Digest) -> io::Result<Option<BlobStat>>;
    /// Whether a blob's file is a stub, as far as it can be looked at.
    fn is_stub(&self, digest: &Digest) -> bool;
    /// A blob's bytes. `None`: there is no such blob.
    ///
    /// # Errors
    /// It is there, and not small, not what its name promises, or not to be read.
    fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError>;
    /// Reads a blob's bytes if it is as small as a manifest, begins like one, and is what its name
    /// promises.
    ///
    /// # Errors
    /// What the operating system says: it may be a manifest. `NotFound`: there is no such blob.
    fn read_small(&self, digest: &Digest, bytes: &mut Vec<u8>) -> io::Result<bool>;
    /// Those of some blobs that were not there when they were read and that have a name all the same, after a
    /// moment in which that may change.
    fn named(&self, gone: &HashSet<Digest>) -> Vec<Digest>;
    /// Why blobs like this one must not be deleted, if so.
    fn maybe_shared(&self, digest: &Digest) -> Option<&SharedReason>;
}

/// How long another machine is given that replaces a file.
const PAUSE: Duration = Duration::from_millis(150);

impl<M> Stored for Locked<M> {
    fn stat(&self, digest: &Digest) -> io::Result<Option<BlobStat>> {
        self.stat_blob(digest)
    }
    fn is_stub(&self, digest: &Digest) -> bool {
        self.has_stub(digest)
    }
    fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
        self.read_blob(digest, None, MAX_DOCUMENT_BYTES)
    }
    fn read_small(&self, digest: &Digest, bytes: &mut Vec<u8>) -> io::Result<bool> {
        self.read_json_blob(digest, MAX_UNLISTED_BYTES, bytes)
    }
    fn named(&self, gone: &HashSet<Digest>) -> Vec<Digest> {
        let named = Locked::named(self, gone);
        if !named.is_empty() {
            std::thread::sleep(PAUSE);
        }
        named
    }
    fn maybe_shared(&self, digest: &Digest) -> Option<&SharedReason> {
        Locked::maybe_shared(self, digest)
    }
}

/// A blob that goes, unless something speaks for it.
pub(super) struct Candidate {
    pub(super) digest: Digest,
    pub(super) node: Option<NodeId>,
    pub(super) kind: NodeKind,
    pub(super) stat: BlobStat,
}

/// How many blobs are looked at before what is to become of them is noted: what was seen takes memory until
/// then. Where the disk is waited for there are more, for many threads wait for the last of them.
const BATCH: usize = 2048;
const SLOW_BATCH: usize = 8192;

/// Calls `each`, in their order, with those of the nodes that the layout has.
pub(super) fn look_at(
    graph: &Graph,
    stored: &impl Stored,
    nodes: &[NodeId],
    each: &mut dyn FnMut(Candidate),
) -> anyhow::Result<()> {
    let workers = Workers::for_reading();
    let mut rest = nodes;
    while !rest.is_empty() {
        let most = match workers.are_waiting() {
            true => SLOW_BATCH,
            false => BATCH,
        };
        let (nodes, later) = rest.split_at(most.min(rest.len()));
        rest = later;
        let stats = workers.map(nodes, &|node, _| stored.stat(graph.digest(*node)), || ());
        for (node, stat) in nodes.iter().zip(stats) {
            let digest = graph.digest(*node);
            if let Some(stat) = stat.with_context(|| looking_at(digest))? {
                each(Candidate {
                    digest: digest.clone(),
                    node: Some(*node),
                    kind: graph.kind(*node),
                    stat,
                });
            }
        }
    }
    Ok(())
}

fn looking_at(digest: &Digest) -> String {
    format!("cannot look at the blob {digest}")
}

/// The blobs of a layout, listed while its manifests were read. What comes later is no garbage of
/// ours to find.
#[derive(Debug)]
pub struct StoredBlobs {
    pub(super) is_empty: bool,
    /// Those that something leads to, in the order of the list.
    pub(super) known: Vec<NodeId>,
    /// Those that nothing leads to, in the order of the list, and what was found of them.
    pub(super) stray: anyhow::Result<Vec<(Digest, BlobStat)>>,
}

/// How many blobs of a list are in a share.
const SHARE: usize = 256;

/// How many blobs make a list whose memory is worth a pause of those who look at it.
const LONG: usize = 1 << 16;

impl StoredBlobs {
    /// Finds out what is known of the blobs of a list, and looks at those that nothing leads to.
    /// This thread does `meanwhile` first, whose value comes with them, and helps then.
    pub fn new<M>(
        graph: &Graph,
        stored: &impl Stored,
        blobs: Vec<Digest>,
        meanwhile: impl FnOnce() -> M,
    ) -> (StoredBlobs, M) {
        let look = |share: &[Digest]| StoredBlobs::share(graph, stored, share);
        let workers = Workers::for_reading();
        let mut blobs = blobs;
        // What `meanwhile` makes takes memory, and so does a long list: half of it is gone by then.
        let mut later = None;
        if blobs.len() >= LONG {
            let middle = blobs.len() / 2;
            let (shares, ()) = workers.map_shares(&blobs[middle..], SHARE, &look, || ());
            blobs.truncate(middle);
            blobs.shrink_to_fit();
            later = Some(StoredBlobs::of_shares(shares));
        }
        let is_empty = blobs.is_empty();
        let (shares, made) = workers.map_shares(&blobs, SHARE, &look, meanwhile);
        // The list takes as much memory as all that comes out of it.
        drop(blobs);
        let shares = shares.into_iter().chain(later);
        let listed = StoredBlobs {
            is_empty,
            ..StoredBlobs::of_shares(shares.collect())
        };
        (listed, made)
    }

    /// Those of a list, of whose pieces these are.
    fn of_shares(shares: Vec<StoredBlobs>) -> StoredBlobs {
        let mut listed = StoredBlobs {
            is_empty: shares.is_empty(),
            known: Vec::with_capacity(shares.iter().map(|share| share.known.len()).sum()),
            stray: Ok(Vec::new()),
        };
        for share in shares {
            listed.known.extend(share.known);
            if let Ok(stray) = &mut listed.stray {
                match share.stray {
                    Ok(more) => stray.extend(more),
                    Err(error) => listed.stray = Err(error),
                }
            }
        }
        listed
    }

    /// The same list once more, to decide on it twice.
    ///
    /// # Errors
    /// What was wrong when it was made.
    pub fn again(&mut self) -> anyhow::Result<StoredBlobs> {
        let stray = std::mem::replace(&mut self.stray, Ok(Vec::new()))?;
        self.stray = Ok(stray.clone());
        Ok(StoredBlobs {
            is_empty: self.is_empty,
            known: self.known.clone(),
            stray: Ok(stray),
        })
    }

    /// How many bytes they have, each once.
    ///
    /// # Errors
    /// A blob that cannot be looked at.
    pub fn bytes(&self, graph: &Graph, stored: &impl Stored) -> anyhow::Result<u64> {
        let mut bytes: u64 = 0;
        look_at(graph, stored, &self.known, &mut |blob| {
            bytes = bytes.saturating_add(blob.stat.size);
        })?;
        let stray = self.stray.iter().flatten();
        let stray = stray.map(|(_, stat)| stat.size);
        Ok(stray.fold(bytes, u64::saturating_add))
    }

    /// [`StoredBlobs::new`] for blobs that stand together in the list.
    fn share(graph: &Graph, stored: &impl Stored, blobs: &[Digest]) -> StoredBlobs {
        let mut listed = StoredBlobs {
            is_empty: blobs.is_empty(),
            known: Vec::with_capacity(blobs.len()),
            stray: Ok(Vec::new()),
        };
        for digest in blobs {
            if let Some(node) = graph.find(digest) {
                listed.known.push(node);
            } else if let Ok(found) = &mut listed.stray {
                match stored.stat(digest).with_context(|| looking_at(digest)) {
                    Ok(stat) => found.extend(stat.map(|stat| (digest.clone(), stat))),
                    Err(error) => listed.stray = Err(error),
                }
            }
        }
        listed
    }
}
