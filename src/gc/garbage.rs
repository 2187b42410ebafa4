//! Sweeping: which stored blobs go, in which order, and what that frees.

use std::collections::{HashMap, HashSet};
use std::io;

use anyhow::Context as _;
use jiff::Timestamp;

use super::Live;
use crate::error::Error;
use crate::layout::{BlobStat, HardLinks, Locked, Refusal, RemovalId};
use crate::oci::descriptor::Class;
use crate::oci::manifest;
use crate::snapshot::graph::{Graph, NodeId, NodeKind};
use crate::snapshot::walk::MAX_DOCUMENT_BYTES;
use crate::snapshot::{Trusted, View};
use crate::value::digest::Digest;
use crate::workers::Workers;

/// The blobs of a layout as they lie on the disk.
pub trait Stored: Sync {
    /// Looks at a blob's file; `None`: there is none.
    ///
    /// # Errors
    /// What the operating system says.
    fn stat(&self, digest: &Digest) -> io::Result<Option<BlobStat>>;
    /// A blob's bytes, if it is there, small, and what its name promises.
    fn read(&self, digest: &Digest) -> Option<Vec<u8>>;
    /// Why blobs like this one must not be deleted, if so.
    fn refusal(&self, digest: &Digest) -> Option<&Refusal>;
}

impl<M> Stored for Locked<M> {
    fn stat(&self, digest: &Digest) -> io::Result<Option<BlobStat>> {
        self.stat_blob(digest)
    }
    fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.read_blob(digest, None, MAX_DOCUMENT_BYTES).ok()?
    }
    fn refusal(&self, digest: &Digest) -> Option<&Refusal> {
        Locked::refusal(self, digest)
    }
}

/// A blob that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GarbageBlob {
    /// Which.
    pub digest: Digest,
    /// Its node, if anything led to it before.
    pub node: Option<NodeId>,
    /// What it was, as far as anybody knows.
    pub kind: NodeKind,
    /// Bytes of its file; 0 for a symbolic link.
    pub size: u64,
    /// Bytes that leave the disk with it: 0 while the file has other names, or in the trash.
    pub frees: u64,
    /// Where it goes.
    pub destination: Destination,
    /// When it goes.
    pub rank: DeletionRank,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a blob that was to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It still lies where it was: nothing was done yet, or it was left.
    #[default]
    Stays,
    /// It left the layout.
    Gone,
}

/// When garbage goes: lower turns first. What has the same turn goes in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeletionRank(u32);

impl DeletionRank {
    const FIRST: DeletionRank = DeletionRank(0);
    /// That of what needs nothing, as far as anybody knows.
    const CONTENT: DeletionRank = DeletionRank(u32::MAX);
}

/// Where garbage goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere: it is unlinked.
    #[default]
    Away,
    /// Into the trash, with what this run takes away.
    ToTrash,
    /// Into the trash, to an earlier removal whose entries need it.
    ToRemoval(Box<RemovalId>),
}

/// Garbage that stays this time because of its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TooYoung {
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Garbage that stays because it may not be this layout's to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeShared {
    /// Why.
    pub reason: String,
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    /// In the order of their turns: documents before what they need, so that an interruption leaves
    /// garbage and never half an image.
    pub blobs: Vec<GarbageBlob>,
    /// Too young.
    pub too_young: TooYoung,
    /// Not ours, perhaps.
    pub maybe_shared: Vec<MaybeShared>,
}

impl Garbage {
    /// Bytes that leave the disk.
    pub fn freed_bytes(&self) -> u64 {
        self.blobs
            .iter()
            .fold(0, |sum, blob| sum.saturating_add(blob.frees))
    }

    /// Sends blobs to the trash: all, or those that something in there needs and that it does not
    /// have itself.
    pub fn send_to_trash(
        &mut self,
        all: bool,
        needed: &HashMap<Digest, RemovalId>,
        is_there: &dyn Fn(&Digest) -> bool,
    ) {
        for blob in &mut self.blobs {
            blob.destination = match needed.get(&blob.digest) {
                _ if all => Destination::ToTrash,
                Some(removal) if !is_there(&blob.digest) => {
                    Destination::ToRemoval(removal.clone().into())
                }
                _ => continue,
            };
            blob.frees = 0;
        }
    }

    /// Whether anything goes to the trash.
    pub fn uses_trash(&self) -> bool {
        let mut blobs = self.blobs.iter();
        blobs.any(|blob| blob.destination != Destination::Away)
    }

    fn add(&mut self, stored: &impl Stored, blob: Candidate) {
        let Candidate {
            digest,
            node,
            kind,
            stat,
        } = blob;
        if let Some(Refusal(reason)) = stored.refusal(&digest) {
            let known = self.maybe_shared.iter_mut().find(|k| k.reason == *reason);
            match known {
                Some(known) => {
                    known.blobs += 1;
                    known.bytes = known.bytes.saturating_add(stat.size);
                }
                None => self.maybe_shared.push(MaybeShared {
                    reason: reason.clone(),
                    blobs: 1,
                    bytes: stat.size,
                }),
            }
            return;
        }
        self.blobs.push(GarbageBlob {
            digest,
            node,
            kind,
            size: stat.size,
            frees: if stat.links > 1 { 0 } else { stat.size },
            destination: Destination::Away,
            fate: Fate::Stays,
            rank: match kind.is_document() {
                true => DeletionRank::FIRST,
                false => DeletionRank::CONTENT,
            },
        });
    }

    fn spare(&mut self, stat: &BlobStat) {
        self.too_young.blobs += 1;
        self.too_young.bytes = self.too_young.bytes.saturating_add(stat.size);
    }

    /// Puts the blobs into the order of deletion, that of their turns.
    fn finish(mut self, snapshot: &View, links: &HardLinks) -> Garbage {
        let last = links.last_names();
        if !last.is_empty() {
            for blob in &mut self.blobs {
                if last.contains(&blob.digest) {
                    blob.frees = blob.size;
                }
            }
        }
        self.assign_ranks(&snapshot.graph);
        self
    }

    /// Gives each document a turn after those of the documents that lead to it or are about it: an
    /// interruption would leave these without what they need, or where nobody finds them again.
    fn assign_ranks(&mut self, graph: &Graph) {
        const NOBODY: u32 = u32::MAX;
        // For each node the number of the blob, if it is a document that goes.
        let mut numbers = vec![NOBODY; graph.len()];
        for (number, blob) in (0..NOBODY).zip(&self.blobs) {
            if let Some(node) = blob.node.filter(|_| blob.rank == DeletionRank::FIRST) {
                numbers[node.index()] = number;
            }
        }
        let number_of = |node: NodeId| Some(numbers[node.index()]).filter(|n| *n != NOBODY);
        let mut about: Vec<(u32, u32)> = graph
            .attested()
            .filter_map(|(about, attested)| Some((number_of(about)?, number_of(attested)?)))
            .collect();
        about.sort_unstable();
        let after = |number: u32| {
            let blob = &self.blobs[number as usize];
            let links = blob.node.into_iter().flat_map(|node| graph.links(node));
            let listed = links.filter_map(|link| number_of(link.to));
            let from = about.partition_point(|(first, _)| *first < number);
            let attested = about[from..].iter();
            let attested = attested.take_while(move |(first, _)| *first == number);
            listed.chain(attested.map(|(_, second)| *second))
        };
        let documents = || numbers.iter().copied().filter(|number| *number != NOBODY);
        let mut waits_for: Vec<u32> = vec![0; self.blobs.len()];
        for number in documents().flat_map(after) {
            waits_for[number as usize] += 1;
        }
        let is_free = |number: &u32| waits_for[*number as usize] == 0;
        let mut now: Vec<u32> = documents().filter(is_free).collect();
        let mut ranks: Vec<Option<DeletionRank>> = vec![None; self.blobs.len()];
        let mut rank = DeletionRank::FIRST;
        while !now.is_empty() {
            let mut next = Vec::new();
            for number in now {
                ranks[number as usize] = Some(rank);
                for later in after(number) {
                    let waits_for = &mut waits_for[later as usize];
                    *waits_for -= 1;
                    if *waits_for == 0 {
                        next.push(later);
                    }
                }
            }
            now = next;
            rank.0 += 1;
        }
        for (blob, own) in self.blobs.iter_mut().zip(ranks) {
            if blob.rank == DeletionRank::FIRST {
                // Only an index that lies makes documents wait for each other.
                blob.rank = own.unwrap_or(rank);
            }
        }
        let order = |blob: &GarbageBlob| (blob.rank, blob.kind == NodeKind::Manifest);
        self.blobs.sort_by_key(order);
    }
}

/// A blob that goes, unless something speaks for it.
struct Candidate {
    digest: Digest,
    node: Option<NodeId>,
    kind: NodeKind,
    stat: BlobStat,
}

/// How many blobs are looked at before what is to become of them is noted.
const BATCH: usize = 8192;

/// Calls `each`, in their order, with those of the nodes that the layout has.
fn look_at(
    graph: &Graph,
    stored: &impl Stored,
    nodes: &[NodeId],
    each: &mut dyn FnMut(Candidate),
) -> anyhow::Result<()> {
    let workers = Workers::for_reading();
    for nodes in nodes.chunks(BATCH) {
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
pub struct Listed {
    is_empty: bool,
    /// Those that something leads to, in the order of the list.
    known: Vec<NodeId>,
    /// Those that nothing leads to, in the order of the list, and what was found of them.
    stray: anyhow::Result<Vec<(Digest, BlobStat)>>,
}

/// Blobs that stand together in the list.
struct Share {
    known: Vec<NodeId>,
    stray: anyhow::Result<Vec<(Digest, BlobStat)>>,
}

/// How many blobs of a list are in a share.
const SHARE: usize = 256;

impl Listed {
    /// Finds out what is known of the blobs of a list, and looks at those that nothing leads to.
    /// This thread does `meanwhile` first, and helps then.
    pub fn new(
        graph: &Graph,
        stored: &impl Stored,
        blobs: Vec<Digest>,
        meanwhile: impl FnOnce(),
    ) -> Listed {
        let shares = Workers::for_reading().map_shares(
            &blobs,
            SHARE,
            &|share| Share::new(graph, stored, share),
            meanwhile,
        );
        let mut listed = Listed {
            is_empty: blobs.is_empty(),
            known: Vec::with_capacity(shares.iter().map(|share| share.known.len()).sum()),
            stray: Ok(Vec::new()),
        };
        // The list takes as much memory as all that comes out of it.
        drop(blobs);
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
}

impl Share {
    fn new(graph: &Graph, stored: &impl Stored, blobs: &[Digest]) -> Share {
        let mut known = Vec::with_capacity(blobs.len());
        let mut stray = Ok(Vec::new());
        for digest in blobs {
            if let Some(node) = graph.find(digest) {
                known.push(node);
            } else if let Ok(found) = &mut stray {
                match stored.stat(digest).with_context(|| looking_at(digest)) {
                    Ok(stat) => found.extend(stat.map(|stat| (digest.clone(), stat))),
                    Err(error) => stray = Err(error),
                }
            }
        }
        Share { known, stray }
    }
}

/// What `rmi` deletes: what the graph held and is not marked any more.
///
/// # Errors
/// A blob that cannot be looked at.
pub fn rmi(snapshot: Trusted<'_>, live: &Live, stored: &impl Stored) -> anyhow::Result<Garbage> {
    let mut garbage = Garbage::default();
    let mut links = HardLinks::default();
    let graph = &snapshot.graph;
    let lost: Vec<_> = graph.ids().filter(|node| !live.contains(*node)).collect();
    look_at(graph, stored, &lost, &mut |blob| {
        links.count(&blob.digest, &blob.stat);
        garbage.add(stored, blob);
    })?;
    Ok(garbage.finish(&snapshot, &links))
}

/// What `prune` was told about blobs.
#[derive(Clone, Debug)]
pub struct SweepOptions<'a> {
    /// Sweep even when index.json has no entries at all.
    pub all: bool,
    /// Garbage of earlier that changed after this moment stays.
    pub spare_after: Timestamp,
    /// What a person saw and agreed to; nothing else goes.
    pub confirmed: Option<&'a HashSet<Digest>>,
}

/// What `prune` deletes: every listed blob that is not marked, except young ones that were garbage
/// before, and what young documents among those refer to: they may be a push whose index.json is
/// still to come, and writers reuse blobs without touching them. `links` remembers the names of
/// files over several layouts.
///
/// # Errors
/// Exit status 12 when index.json has no entries and there are blobs, for then everything would
/// look like garbage; or a blob that cannot be looked at.
pub fn prune(
    snapshot: Trusted<'_>,
    live: &Live,
    listed: Listed,
    stored: &impl Stored,
    options: &SweepOptions<'_>,
    links: &mut HardLinks,
) -> anyhow::Result<Garbage> {
    if !listed.is_empty && !snapshot.index.leads_anywhere() && !options.all {
        return Err(Error::layout(
            "index.json has no entries that lead anywhere, so every blob would look like garbage",
        )
        .hint("if the layout is meant to be empty, use prune --all")
        .into());
    }
    let mut garbage = Garbage::default();
    let mut needed: HashSet<Digest> = HashSet::new();
    let mut stray = listed.stray?;
    stray.retain(|(digest, stat)| {
        let is_old = stat.changed <= options.spare_after;
        if !is_old {
            garbage.spare(stat);
            if stat.size <= MAX_DOCUMENT_BYTES {
                need_below(stored, digest, &mut needed);
            }
        }
        is_old
    });
    let mut lost = listed.known;
    lost.retain(|node| !live.contains(*node));
    garbage.blobs.reserve_exact(lost.len() + stray.len());
    let is_agreed = |digest: &Digest| {
        let confirmed = options.confirmed;
        confirmed.is_none_or(|confirmed| confirmed.contains(digest))
    };
    let mut take = |blob: Candidate| {
        if needed.contains(&blob.digest) {
            garbage.spare(&blob.stat);
        } else if is_agreed(&blob.digest) {
            links.count(&blob.digest, &blob.stat);
            garbage.add(stored, blob);
        }
    };
    look_at(&snapshot.graph, stored, &lost, &mut take)?;
    for (digest, stat) in stray {
        take(Candidate {
            digest,
            node: None,
            kind: NodeKind::Blob,
            stat,
        });
    }
    Ok(garbage.finish(&snapshot, links))
}

/// Adds what a blob refers to, if it is a document, at any depth.
fn need_below(stored: &impl Stored, start: &Digest, needed: &mut HashSet<Digest>) {
    let mut stack = vec![start.clone()];
    while let Some(digest) = stack.pop() {
        let Some(bytes) = stored.read(&digest) else {
            continue;
        };
        if let Ok(document) = manifest::parse(&bytes) {
            for child in document.children {
                if needed.insert(child.digest.clone()) && child.class > Class::Leaf {
                    stack.push(child.digest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::FileId;
    use crate::oci::index::Index;
    use crate::plan::Draft;
    use crate::snapshot::load::tests::whole;
    use crate::snapshot::{Snapshot, Whole};
    use crate::value::digest::Algorithm;

    /// A layout in memory: bytes, age in seconds, links.
    #[derive(Default)]
    struct Disk(HashMap<Digest, (Vec<u8>, i64, u64, u64)>, Option<Refusal>);

    impl Disk {
        fn list(&self) -> Vec<Digest> {
            let mut all: Vec<_> = self.0.keys().cloned().collect();
            all.sort();
            all
        }

        fn put(&mut self, bytes: &str, changed: i64) -> Digest {
            let digest = Algorithm::Sha256.hash(bytes.as_bytes());
            let inode = self.0.len() as u64;
            self.0.insert(
                digest.clone(),
                (bytes.as_bytes().to_vec(), changed, 1, inode),
            );
            digest
        }

        fn snapshot(&self, index: &str) -> Snapshot<Whole> {
            let index = Index::parse(index.as_bytes().to_vec()).unwrap();
            let graph = Graph::walk(
                index.entries(),
                &|d, _, bytes| {
                    bytes.clear();
                    let found = self.0.get(d);
                    bytes.extend(found.into_iter().flat_map(|(bytes, ..)| bytes));
                    Ok(found.is_some())
                },
                &mut |_| (),
            );
            whole(index, graph)
        }
    }

    impl Stored for Disk {
        fn stat(&self, digest: &Digest) -> io::Result<Option<BlobStat>> {
            Ok(self
                .0
                .get(digest)
                .map(|(bytes, changed, links, inode)| BlobStat {
                    size: bytes.len() as u64,
                    links: *links,
                    file: FileId {
                        device: 0,
                        inode: *inode,
                    },
                    changed: Timestamp::from_second(*changed).unwrap(),
                }))
        }
        fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
            Some(self.0.get(digest)?.0.clone())
        }
        fn refusal(&self, _: &Digest) -> Option<&Refusal> {
            self.1.as_ref()
        }
    }

    fn options(spare_after: i64) -> SweepOptions<'static> {
        SweepOptions {
            all: false,
            spare_after: Timestamp::from_second(spare_after).unwrap(),
            confirmed: None,
        }
    }

    fn swept(disk: &Disk, index: &str, options: &SweepOptions<'_>) -> anyhow::Result<Garbage> {
        let snapshot = disk.snapshot(index);
        let plan = Draft::new(&snapshot).finish();
        let trusted = snapshot.trusted().unwrap();
        let live = super::super::mark(trusted, &plan);
        let listed = Listed::new(&snapshot.graph, disk, disk.list(), || ());
        prune(
            trusted,
            &live,
            listed,
            disk,
            options,
            &mut HardLinks::default(),
        )
    }

    fn manifest(layer: &Digest) -> String {
        format!(
            r#"{{"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}"}}]}}"#
        )
    }

    fn index_of(digest: &Digest) -> String {
        format!(r#"{{"manifests":[{{"digest":"{digest}"}}]}}"#)
    }

    #[test]
    fn live_garbage_and_spared_partition_the_stored_blobs() {
        let mut disk = Disk::default();
        let layer = disk.put("layer", 10);
        let image = disk.put(&manifest(&layer), 10);
        let old = disk.put("old", 10);
        let young = disk.put("young", 30);
        let garbage = swept(&disk, &index_of(&image), &options(20)).unwrap();
        let digests: Vec<_> = garbage.blobs.iter().map(|b| b.digest.clone()).collect();
        assert_eq!(digests, [old]);
        assert_eq!(garbage.too_young, TooYoung { blobs: 1, bytes: 5 });
        assert!(disk.0.contains_key(&young));
        assert_eq!(garbage.freed_bytes(), 3);
    }

    #[test]
    fn an_old_blob_that_a_young_manifest_reuses_is_spared() {
        let mut disk = Disk::default();
        let kept = disk.put("kept", 10);
        let layer = disk.put("reused", 10);
        let image = disk.put(&manifest(&kept), 10);
        disk.put(&manifest(&layer), 30);
        let garbage = swept(&disk, &index_of(&image), &options(20)).unwrap();
        assert!(garbage.blobs.is_empty());
        assert_eq!(garbage.too_young.blobs, 2);
    }

    #[test]
    fn an_index_without_entries_sweeps_nothing_unless_told() {
        let mut disk = Disk::default();
        disk.put("x", 10);
        let none = r#"{"manifests":[]}"#;
        assert!(swept(&disk, none, &options(20)).is_err());
        let all = SweepOptions {
            all: true,
            ..options(20)
        };
        assert_eq!(swept(&disk, none, &all).unwrap().blobs.len(), 1);
        assert!(swept(&Disk::default(), none, &options(20)).is_ok());
    }

    #[test]
    fn a_file_with_other_names_frees_nothing_until_the_last_goes() {
        let mut disk = Disk::default();
        let layer = disk.put("layer", 10);
        let image = disk.put(&manifest(&layer), 10);
        let (one, two) = (disk.put("one", 10), disk.put("two", 10));
        for digest in [&one, &two] {
            let file = disk.0.get_mut(digest).unwrap();
            (file.2, file.3) = (2, 99);
        }
        let index = index_of(&image);
        assert_eq!(swept(&disk, &index, &options(20)).unwrap().freed_bytes(), 3);
        disk.0.remove(&two);
        assert_eq!(swept(&disk, &index, &options(20)).unwrap().freed_bytes(), 0);
    }

    #[test]
    fn what_others_may_share_is_kept_back_with_the_reason() {
        let mut disk = Disk::default();
        let layer = disk.put("layer", 10);
        let image = disk.put(&manifest(&layer), 10);
        disk.put("x", 10);
        disk.1 = Some(Refusal("shared".into()));
        let garbage = swept(&disk, &index_of(&image), &options(20)).unwrap();
        assert!(garbage.blobs.is_empty());
        assert_eq!(garbage.maybe_shared[0].blobs, 1);
    }

    #[test]
    fn a_document_goes_before_all_that_it_leads_to_or_is_about() {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let about = |subject: &Digest, layer: &Digest| {
            format!(
                r#"{{"subject":{{"digest":"{subject}"}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}"}}]}}"#
            )
        };
        let mut disk = Disk::default();
        let layer = disk.put("layer", 10);
        let image = disk.put(&manifest(&layer), 10);
        let attestation = disk.put(&manifest(&Algorithm::Sha256.hash(b"elsewhere")), 10);
        let note = format!(
            r#""annotations":{{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"{image}"}}"#
        );
        let inner = disk.put(
            &format!(
                r#"{{"manifests":[{{"mediaType":"{media_type}","digest":"{image}"}},{{"mediaType":"{media_type}","digest":"{attestation}",{note}}}]}}"#
            ),
            10,
        );
        let mut top = inner.clone();
        let mut rows = vec![image.clone(), inner.clone()];
        for _ in 0..300 {
            top = disk.put(&index_of(&top), 10);
            rows.push(top.clone());
        }
        let signature = disk.put(&about(&top, &layer), 10);
        let countersignature = disk.put(&about(&signature, &layer), 10);
        rows.extend([signature, countersignature]);
        let rows: Vec<_> = rows
            .iter()
            .map(|d| format!(r#"{{"digest":"{d}"}}"#))
            .collect();
        let snapshot = disk.snapshot(&format!(r#"{{"manifests":[{}]}}"#, rows.join(",")));
        let graph = &snapshot.graph;
        let mut garbage = Garbage::default();
        for digest in disk.list() {
            let stat = disk.stat(&digest).unwrap().unwrap();
            let node = graph.find(&digest);
            let kind = node.map_or(NodeKind::Blob, |node| graph.kind(node));
            garbage.add(
                &disk,
                Candidate {
                    digest,
                    node,
                    kind,
                    stat,
                },
            );
        }
        let garbage = garbage.finish(&snapshot, &HardLinks::default());
        let blobs = garbage.blobs.iter();
        let ranks: HashMap<NodeId, DeletionRank> = blobs
            .filter_map(|blob| Some((blob.node?, blob.rank)))
            .collect();
        assert!(garbage.blobs.is_sorted_by_key(|blob| blob.rank));
        let mut pairs: Vec<(NodeId, NodeId)> = graph.attested().collect();
        assert_eq!(pairs.len(), 1);
        for node in graph.ids() {
            pairs.extend(graph.links(node).map(|link| (node, link.to)));
        }
        let is_there = |pair: &&(NodeId, NodeId)| ranks.contains_key(&pair.1);
        for (first, then) in pairs.iter().filter(is_there) {
            assert!(ranks[first] < ranks[then]);
        }
    }
}
