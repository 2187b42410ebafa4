//! Sweeping: which stored blobs go, in which order, and what that frees.

use std::collections::{HashMap, HashSet};
use std::io;

use anyhow::Context as _;
use jiff::Timestamp;

use super::Live;
use crate::error::Error;
use crate::image::Contents;
use crate::image::document;
use crate::image::graph::{MAX_DOCUMENT_BYTES, NodeKind};
use crate::image::reading;
use crate::layout::{BlobStat, Digest, Locked, Refusal, RemovalId};

/// The blobs of a layout as they lie on the disk.
pub trait Stored: Sync {
    /// Calls `each` with every stored blob.
    ///
    /// # Errors
    /// The list is not complete.
    fn list(&self, each: &mut dyn FnMut(Digest)) -> anyhow::Result<()>;
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
    fn list(&self, each: &mut dyn FnMut(Digest)) -> anyhow::Result<()> {
        self.list_blobs(each)
    }
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
    /// What it was, as far as anybody knows.
    pub kind: NodeKind,
    /// Bytes of its file; 0 for a symbolic link.
    pub size: u64,
    /// Bytes that leave the disk with it: 0 while the file has other names, or in the trash.
    pub frees: u64,
    /// Where it goes.
    pub goes: Goes,
}

/// Where garbage goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Goes {
    /// Nowhere: it is unlinked.
    #[default]
    Away,
    /// Into the trash, with what this run takes away.
    ToTrash,
    /// Into the trash, to an earlier removal whose entries need it.
    ToRemoval(RemovalId),
}

/// Garbage that stays this time because of its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spared {
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Garbage that stays because it may not be this layout's to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBack {
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
    /// In the order of deletion: documents before what they need, so that an interruption leaves
    /// garbage and never half an image.
    pub blobs: Vec<GarbageBlob>,
    /// Too young.
    pub spared: Spared,
    /// Not ours, perhaps.
    pub kept_back: Vec<KeptBack>,
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
    pub fn into_trash(
        &mut self,
        all: bool,
        needed: &HashMap<Digest, RemovalId>,
        is_there: &dyn Fn(&Digest) -> bool,
    ) {
        for blob in &mut self.blobs {
            blob.goes = match needed.get(&blob.digest) {
                _ if all => Goes::ToTrash,
                Some(removal) if !is_there(&blob.digest) => Goes::ToRemoval(removal.clone()),
                _ => continue,
            };
            blob.frees = 0;
        }
    }

    fn add(&mut self, stored: &impl Stored, digest: Digest, kind: NodeKind, stat: BlobStat) {
        if let Some(Refusal(reason)) = stored.refusal(&digest) {
            let known = self.kept_back.iter_mut().find(|k| k.reason == *reason);
            match known {
                Some(known) => {
                    known.blobs += 1;
                    known.bytes = known.bytes.saturating_add(stat.size);
                }
                None => self.kept_back.push(KeptBack {
                    reason: reason.clone(),
                    blobs: 1,
                    bytes: stat.size,
                }),
            }
            return;
        }
        self.blobs.push(GarbageBlob {
            digest,
            kind,
            size: stat.size,
            frees: if stat.links > 1 { 0 } else { stat.size },
            goes: Goes::Away,
        });
    }

    /// Puts the blobs into the order of deletion: indexes, manifests, what they need. Manifests that
    /// are about others go first, or an interruption would leave them without what they are about,
    /// and nobody would find them again.
    fn finish(mut self, contents: &Contents, links: &HardLinks) -> Garbage {
        let last: HashSet<Digest> = links
            .0
            .values()
            .filter(|links| links.going >= links.all)
            .filter_map(|links| links.last.clone())
            .collect();
        for blob in &mut self.blobs {
            if last.contains(&blob.digest) {
                blob.frees = blob.size;
            }
        }
        let about_others = contents.graph.about_others();
        self.blobs.sort_by_key(|blob| match blob.kind {
            NodeKind::Index => 0,
            NodeKind::Manifest => {
                let node = contents.graph.find(&blob.digest);
                if node.is_some_and(|node| about_others.contains(&node)) {
                    1
                } else {
                    2
                }
            }
            _ => 3,
        });
        self
    }
}

/// Files with several names, and how many of those go: their bytes leave the disk with the last.
/// Several layouts that are pruned together share one.
#[derive(Clone, Debug, Default)]
pub struct HardLinks(HashMap<(u64, u64), Links>);

#[derive(Clone, Debug, Default)]
struct Links {
    all: u64,
    going: u64,
    last: Option<Digest>,
}

impl HardLinks {
    fn count(&mut self, digest: &Digest, stat: &BlobStat) {
        if stat.links > 1 && stat.size > 0 {
            let file = self.0.entry(stat.file).or_default();
            file.all = file.all.max(stat.links);
            file.going += 1;
            file.last = Some(digest.clone());
        }
    }
}

/// Looks at blobs; the values are in the same order.
fn look_at(stored: &impl Stored, blobs: &[&Digest]) -> anyhow::Result<Vec<Option<BlobStat>>> {
    let stats = reading::read_all(blobs, &|blob, _| stored.stat(blob), || ());
    let stats = stats.into_iter().zip(blobs);
    stats
        .map(|(stat, blob)| stat.with_context(|| format!("cannot look at the blob {blob}")))
        .collect()
}

/// A layout whose blobs were listed while its manifests were read. What comes later is no garbage of
/// ours to find.
pub struct Listed<'a, M> {
    /// The layout.
    pub layout: &'a Locked<M>,
    /// Its blobs.
    pub blobs: Vec<Digest>,
}

impl<M> Stored for Listed<'_, M> {
    fn list(&self, each: &mut dyn FnMut(Digest)) -> anyhow::Result<()> {
        self.blobs.iter().cloned().for_each(each);
        Ok(())
    }
    fn stat(&self, digest: &Digest) -> io::Result<Option<BlobStat>> {
        self.layout.stat(digest)
    }
    fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.layout.read(digest)
    }
    fn refusal(&self, digest: &Digest) -> Option<&Refusal> {
        Stored::refusal(self.layout, digest)
    }
}

/// What `rmi` deletes: what the graph held and is not marked any more.
///
/// # Errors
/// A blob that cannot be looked at.
pub fn rmi(contents: &Contents, live: &Live, stored: &impl Stored) -> anyhow::Result<Garbage> {
    let mut garbage = Garbage::default();
    let mut links = HardLinks::default();
    let graph = &contents.graph;
    let lost: Vec<_> = graph.ids().filter(|node| !live.contains(*node)).collect();
    let digests: Vec<&Digest> = lost.iter().map(|node| graph.digest(*node)).collect();
    let stats = look_at(stored, &digests)?;
    for (node, stat) in lost.into_iter().zip(stats) {
        if let Some(stat) = stat {
            let digest = graph.digest(node);
            links.count(digest, &stat);
            garbage.add(stored, digest.clone(), graph.kind(node), stat);
        }
    }
    Ok(garbage.finish(contents, &links))
}

/// What `prune` was told about blobs.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// Sweep even when index.json has no entries at all.
    pub all: bool,
    /// Garbage of earlier that changed after this moment stays.
    pub spare_after: Timestamp,
    /// What a person saw and agreed to; nothing else goes.
    pub confirmed: Option<HashSet<Digest>>,
}

/// What `prune` deletes: every stored blob that is not marked, except young ones that were garbage
/// before, and what young documents among those refer to: they may be a push whose index.json is
/// still to come, and writers reuse blobs without touching them. `links` remembers the names of
/// files over several layouts.
///
/// # Errors
/// Exit status 12 when index.json has no entries and there are blobs, for then everything would
/// look like garbage; or the list of blobs is not complete.
pub fn prune(
    contents: &Contents,
    live: &Live,
    stored: &impl Stored,
    options: &SweepOptions,
    links: &mut HardLinks,
) -> anyhow::Result<Garbage> {
    let graph = &contents.graph;
    let mut any = false;
    let mut lost = Vec::new();
    let mut stray = Vec::new();
    stored.list(&mut |digest| {
        any = true;
        match graph.find(&digest) {
            Some(node) if live.contains(node) => {}
            Some(node) => lost.push((digest, graph.kind(node))),
            None => stray.push(digest),
        }
    })?;
    if any && !contents.index.leads_anywhere() && !options.all {
        return Err(Error::layout(
            "index.json has no entries that lead anywhere, so every blob would look like garbage",
        )
        .hint("if the layout is meant to be empty, use prune --all")
        .into());
    }
    let mut garbage = Garbage::default();
    let mut old = Vec::new();
    let mut needed: HashSet<Digest> = HashSet::new();
    let stats = look_at(stored, &stray.iter().collect::<Vec<_>>())?;
    for (digest, stat) in stray.into_iter().zip(stats) {
        let Some(stat) = stat else {
            continue;
        };
        if stat.changed > options.spare_after {
            garbage.spared.blobs += 1;
            garbage.spared.bytes = garbage.spared.bytes.saturating_add(stat.size);
            if stat.size <= MAX_DOCUMENT_BYTES {
                need_below(stored, &digest, &mut needed);
            }
        } else {
            old.push((digest, stat));
        }
    }
    let agreed = |digest: &Digest| {
        options
            .confirmed
            .as_ref()
            .is_none_or(|confirmed| confirmed.contains(digest))
    };
    let mut take = |digest: Digest, kind: NodeKind, stat: BlobStat| {
        if needed.contains(&digest) {
            garbage.spared.blobs += 1;
            garbage.spared.bytes = garbage.spared.bytes.saturating_add(stat.size);
        } else if agreed(&digest) {
            links.count(&digest, &stat);
            garbage.add(stored, digest, kind, stat);
        }
    };
    let digests: Vec<&Digest> = lost.iter().map(|(digest, _)| digest).collect();
    let stats = look_at(stored, &digests)?;
    for ((digest, kind), stat) in lost.into_iter().zip(stats) {
        if let Some(stat) = stat {
            take(digest, kind, stat);
        }
    }
    for (digest, stat) in old {
        take(digest, NodeKind::Blob, stat);
    }
    Ok(garbage.finish(contents, links))
}

/// Adds what a blob refers to, if it is a document, at any depth.
fn need_below(stored: &impl Stored, start: &Digest, needed: &mut HashSet<Digest>) {
    let mut stack = vec![start.clone()];
    while let Some(digest) = stack.pop() {
        let Some(bytes) = stored.read(&digest) else {
            continue;
        };
        if let Ok(document) = document::parse(&bytes) {
            for child in document.children {
                if needed.insert(child.digest.clone()) && child.class > document::Class::Leaf {
                    stack.push(child.digest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::graph::Graph;
    use crate::image::index::Index;
    use crate::layout::Algorithm;
    use crate::plan::Draft;

    /// A layout in memory: bytes, age in seconds, links.
    #[derive(Default)]
    struct Disk(HashMap<Digest, (Vec<u8>, i64, u64, u64)>, Option<Refusal>);

    impl Disk {
        fn put(&mut self, bytes: &str, changed: i64) -> Digest {
            let digest = Algorithm::Sha256.hash(bytes.as_bytes());
            let inode = self.0.len() as u64;
            self.0.insert(
                digest.clone(),
                (bytes.as_bytes().to_vec(), changed, 1, inode),
            );
            digest
        }

        fn contents(&self, index: &str) -> Contents {
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
            Contents::new(index, graph, Default::default())
        }
    }

    impl Stored for Disk {
        fn list(&self, each: &mut dyn FnMut(Digest)) -> anyhow::Result<()> {
            let mut all: Vec<_> = self.0.keys().cloned().collect();
            all.sort();
            all.into_iter().for_each(each);
            Ok(())
        }
        fn stat(&self, digest: &Digest) -> io::Result<Option<BlobStat>> {
            Ok(self
                .0
                .get(digest)
                .map(|(bytes, changed, links, inode)| BlobStat {
                    size: bytes.len() as u64,
                    links: *links,
                    file: (0, *inode),
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

    fn options(spare_after: i64) -> SweepOptions {
        SweepOptions {
            all: false,
            spare_after: Timestamp::from_second(spare_after).unwrap(),
            confirmed: None,
        }
    }

    fn swept(disk: &Disk, index: &str, options: &SweepOptions) -> anyhow::Result<Garbage> {
        let contents = disk.contents(index);
        let plan = Draft::new(&contents).finish();
        let live = mark_(&contents, &plan);
        prune(&contents, &live, disk, options, &mut HardLinks::default())
    }

    fn mark_(contents: &Contents, plan: &crate::plan::Plan) -> Live {
        super::super::mark(contents, plan)
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
        assert_eq!(garbage.spared, Spared { blobs: 1, bytes: 5 });
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
        assert_eq!(garbage.spared.blobs, 2);
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
        assert_eq!(garbage.kept_back[0].blobs, 1);
    }
}
