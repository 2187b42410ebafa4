//! Sweeping: which stored blobs go, where they go, and what that frees.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::mark::Live;
use super::rank::{DeletionRank, ranks};
use super::stored::{Candidate, Stored, StoredBlobs, look_at};
use crate::error::Error;
use crate::layout::{
    BlobStat, HardLinks, LinkedBlobs, LinkedFile, NAMED, RemovalId, SharedReason, Weight,
};
use crate::oci::descriptor::Class;
use crate::oci::manifest;
use crate::snapshot::{
    MAX_UNLISTED_BYTES, NodeId, NodeKind, Snapshot, UnlistedDocuments, UnlistedReferrers, View,
    Whole, may_be_document,
};
use crate::value::digest::Digest;

/// A blob that goes. There may be millions, so what few of them have stands beside the list, in [`Garbage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GarbageBlob {
    /// The digest by which it is stored.
    pub digest: Digest,
    /// Its node, if anything led to it before.
    pub node: Option<NodeId>,
    /// What it was, as far as anybody knows.
    pub kind: NodeKind,
    /// Bytes of its file; 0 for a symbolic link.
    pub size: u64,
    /// Bytes that it takes on the disk.
    pub on_disk: u64,
    /// Whether these leave the disk with it: not while the file has other names, nor in the trash. Whether the
    /// other names go as well, [`Garbage::count_links`] says.
    pub is_last_name: bool,
    /// Where it goes.
    pub destination: Destination,
    /// When it goes.
    pub rank: DeletionRank,
    /// What became of it.
    pub fate: BlobFate,
}

impl GarbageBlob {
    /// Bytes that leave the disk with it.
    pub fn frees(&self) -> u64 {
        match self.is_last_name {
            true => self.on_disk,
            false => 0,
        }
    }
}

/// What became of a blob that was to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlobFate {
    /// It still lies where it was: nothing was done yet, or it was left.
    #[default]
    Stays,
    /// It left the layout.
    Gone,
}

/// Where garbage goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere: it is unlinked.
    #[default]
    Away,
    /// Into the trash, with what this run takes away.
    ToTrash,
    /// Into the trash, to an earlier removal whose entries need it: see [`Garbage::removal`].
    ToRemoval,
}

/// Garbage that stays because it may not be this layout's to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeShared {
    /// Why.
    pub reason: String,
    /// What the user can do, if that is not to name the other layouts.
    pub hint: Option<&'static str>,
    /// How much.
    pub weight: Weight,
}

/// Garbage that is left to a later `prune`, because another program is writing and may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponed {
    /// The file that shows it, as a path within the layout.
    pub writer: String,
    /// How much.
    pub weight: Weight,
}

/// Garbage that stays because another layout has a stub of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The digest by which it is stored.
    pub digest: Digest,
    /// What it was, as far as anybody knows.
    pub kind: NodeKind,
    /// Bytes of its file.
    pub size: u64,
    /// A layout with a stub of it.
    pub place: PathBuf,
}

/// What goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    /// In the order of their ranks: documents before what they need, so that an interruption leaves
    /// garbage and never half an image.
    pub blobs: Vec<GarbageBlob>,
    /// What stays this time because of its age.
    pub too_young: Weight,
    /// How many referrers no entry leads to and stay with what they are about.
    pub unlisted_referrers: u64,
    /// They, and what they need.
    pub of_unlisted_referrers: Weight,
    /// Not ours, perhaps.
    pub maybe_shared: Vec<MaybeShared>,
    /// What stays this time because another program is writing.
    pub postponed: Option<Postponed>,
    /// A young blob that may be a document and cannot be read to its end: what it needs is unknown, and
    /// somebody may be writing it.
    pub unfinished: Option<Digest>,
    /// Stubs that would go. They stay, for the store knows of them.
    pub stubs: Vec<Digest>,
    /// What stays for stubs in other layouts.
    pub originals: Vec<Original>,
    /// Blobs whose files have other names.
    pub linked: LinkedBlobs,
    /// The removals to which blobs go that do not go with this run's own.
    removals: HashMap<Digest, RemovalId>,
}

impl Garbage {
    /// Bytes that leave the disk.
    pub fn freed_bytes(&self) -> u64 {
        let sizes = self.blobs.iter().map(GarbageBlob::frees);
        sizes.fold(0, u64::saturating_add)
    }

    /// Finds out with which blobs the last names of their files go, when those go that `links` knows of and
    /// these; with `is_done`, only those that went. Layouts that are pruned together are asked one after the
    /// other, and with the same `links`.
    pub fn count_links(&mut self, links: &mut HardLinks, is_done: bool) {
        if self.linked.is_empty() {
            return;
        }
        for blob in &mut self.blobs {
            if let Some(file) = self.linked.file(&blob.digest)
                && blob.destination == Destination::Away
                && (!is_done || blob.fate == BlobFate::Gone)
            {
                blob.is_last_name = links.is_last(file);
            }
        }
    }

    /// The blobs that leave the layout and whose files have other names.
    pub(crate) fn linked(&self) -> impl Iterator<Item = (&GarbageBlob, LinkedFile)> {
        let away = self
            .blobs
            .iter()
            .filter(|blob| blob.destination == Destination::Away);
        away.filter_map(|blob| Some((blob, self.linked.file(&blob.digest)?)))
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
                    self.removals.insert(blob.digest.clone(), removal.clone());
                    Destination::ToRemoval
                }
                _ => continue,
            };
            blob.is_last_name = false;
        }
    }

    /// The earlier removal to which a blob goes.
    pub fn removal(&self, blob: &GarbageBlob) -> Option<&RemovalId> {
        self.removals.get(&blob.digest)
    }

    /// Leaves all of it to a later `prune`, if there is any.
    pub fn postpone(&mut self, writer: String) {
        if !self.blobs.is_empty() {
            let weight = self
                .blobs
                .iter()
                .map(|blob| Weight::of_one(blob.size))
                .sum();
            self.blobs.clear();
            self.postponed = Some(Postponed { writer, weight });
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
        if stat.is_stub {
            self.stubs.push(digest);
            return;
        }
        if let Some(SharedReason(reason)) = stored.maybe_shared(&digest) {
            let known = self.maybe_shared.iter_mut().find(|k| k.reason == *reason);
            let weight = Weight::of_one(stat.size);
            match known {
                Some(known) => known.weight += weight,
                None => self.maybe_shared.push(MaybeShared {
                    reason: reason.clone(),
                    hint: None,
                    weight,
                }),
            }
            return;
        }
        self.linked.note(&digest, &stat);
        self.blobs.push(GarbageBlob {
            digest,
            node,
            kind,
            size: stat.size,
            on_disk: stat.on_disk,
            is_last_name: stat.links <= 1,
            destination: Destination::Away,
            fate: BlobFate::Stays,
            rank: DeletionRank::CONTENT,
        });
    }

    /// Leaves a blob for its age, or as what a referrer needs that stays at any age.
    fn spare(&mut self, digest: &Digest, stat: &BlobStat, referrers: &UnlistedReferrers) {
        match referrers.needed.contains(digest) {
            true => self.keep_unlisted(digest, stat, referrers),
            false => self.too_young += Weight::of_one(stat.size),
        }
    }

    fn keep_unlisted(&mut self, digest: &Digest, stat: &BlobStat, referrers: &UnlistedReferrers) {
        self.of_unlisted_referrers += Weight::of_one(stat.size);
        self.unlisted_referrers += u64::from(referrers.is_referrer(digest));
    }

    /// Puts the blobs into the order of deletion, that of their ranks.
    fn finish(mut self, snapshot: &View) -> Garbage {
        let document = |blob: &GarbageBlob| blob.node.filter(|_| blob.kind.is_document());
        let documents: Vec<NodeId> = self.blobs.iter().filter_map(document).collect();
        let mut ranks = ranks(&snapshot.graph, &documents).into_iter();
        for blob in &mut self.blobs {
            if document(blob).is_some() {
                blob.rank = ranks.next().unwrap_or(DeletionRank::CONTENT);
            }
        }
        let order = |blob: &GarbageBlob| (blob.rank, blob.kind == NodeKind::Manifest);
        sort_in_place(&mut self.blobs, order);
        self
    }
}

/// Puts blobs into an order; those that are equal in it stay in theirs. There may be millions, and
/// sorting their numbers takes a tenth of the room that sorting them does.
fn sort_in_place<T, K: Ord>(blobs: &mut [T], key: impl Fn(&T) -> K) {
    if blobs.is_sorted_by_key(&key) {
        return;
    }
    // At each place the number of the blob that belongs there.
    let mut from: Vec<u32> = (0..u32::MAX).take(blobs.len()).collect();
    from.sort_unstable_by_key(|number| (key(&blobs[*number as usize]), *number));
    for start in 0..blobs.len() {
        let mut place = start;
        // What stood at the start comes last.
        while from[place] as usize != start {
            let next = from[place] as usize;
            blobs.swap(place, next);
            from[place] = u32::try_from(place).unwrap_or(u32::MAX);
            place = next;
        }
        from[place] = u32::try_from(place).unwrap_or(u32::MAX);
    }
}

/// What `rmi` deletes: what the graph held and is not marked any more.
///
/// # Errors
/// A blob that cannot be looked at.
pub fn rmi(
    snapshot: &Snapshot<Whole>,
    live: &Live,
    stored: &impl Stored,
) -> anyhow::Result<Garbage> {
    let mut garbage = Garbage::default();
    let graph = &snapshot.graph;
    let lost: Vec<_> = graph.ids().filter(|node| !live.contains(*node)).collect();
    look_at(graph, stored, &lost, &mut |blob| {
        garbage.add(stored, blob);
    })?;
    Ok(garbage.finish(snapshot))
}

/// What `prune` was told about blobs.
#[derive(Clone)]
pub struct SweepOptions<'a> {
    /// Sweep even when index.json has no entries at all.
    pub all: bool,
    /// Garbage of earlier that changed after this time stays.
    pub spare_after: Timestamp,
    /// What a person saw and agreed to; nothing else goes.
    pub confirmed: Option<&'a HashSet<Digest>>,
    /// Referrers of what stays go, if no entry leads to them.
    pub delete_unlisted_referrers: bool,
    /// Whether a blob lies in the trash, and stays there: it may come back.
    pub is_trashed: &'a dyn Fn(&Digest) -> bool,
}

/// What `prune` deletes: every listed blob that is not marked, except young ones that were garbage
/// before, and what young documents among those refer to: they may be a push whose index.json is
/// still to come, and writers reuse blobs without touching them. Referrers of what stays are kept, with
/// all that they need, although no entry leads to them.
///
/// # Errors
/// Exit status 12 when index.json has no entries and there are blobs, for then everything would
/// look like garbage; or a blob that cannot be looked at.
pub fn prune(
    snapshot: &Snapshot<Whole>,
    live: &Live,
    listed: StoredBlobs,
    stored: &impl Stored,
    options: &SweepOptions<'_>,
) -> anyhow::Result<Garbage> {
    if !listed.is_empty && !snapshot.index.leads_anywhere() && !options.all {
        return Err(Error::layout(
            "index.json has no entries that lead anywhere, so every blob would be unreferenced",
        )
        .hint("if the layout is meant to be empty, use prune --all")
        .into());
    }
    let mut garbage = Garbage::default();
    let mut needed: HashSet<Digest> = HashSet::new();
    let mut young: HashSet<Digest> = HashSet::new();
    let mut stray = listed.stray?;
    let is_young = |(_, stat): &mut (Digest, BlobStat)| stat.changed > options.spare_after;
    let young_stray: Vec<_> = stray.extract_if(.., is_young).collect();
    let mut gone: HashSet<Digest> = HashSet::new();
    for (digest, _) in &young_stray {
        young.insert(digest.clone());
        let below = need_below(stored, digest, &mut needed, &mut gone);
        if below.is_err() && garbage.unfinished.is_none() {
            garbage.unfinished = Some(digest.clone());
        }
    }
    for _ in 0..LOOKS {
        let named = stored.named(&gone);
        gone.clear();
        for digest in &named {
            if need_below(stored, digest, &mut needed, &mut gone).is_err()
                && garbage.unfinished.is_none()
            {
                garbage.unfinished = Some(digest.clone());
            }
        }
        if gone.is_empty() {
            break;
        }
    }
    if garbage.unfinished.is_none() {
        garbage.unfinished = stored.named(&gone).into_iter().next();
    }
    // These stay whatever their age is.
    let mut young_referrers = UnlistedReferrers::default();
    if !options.delete_unlisted_referrers && !young_stray.is_empty() {
        let is_live = |digest: &Digest| {
            let node = snapshot.graph.find(digest);
            node.is_some_and(|node| live.contains(node)) || (options.is_trashed)(digest)
        };
        young_referrers = unlisted_referrers(snapshot, live, &[], &young_stray, stored, &is_live)?;
    }
    for (digest, stat) in &young_stray {
        garbage.spare(digest, stat, &young_referrers);
    }
    let mut lost = listed.known;
    lost.retain(|node| !live.contains(*node));
    let mut unlisted = UnlistedReferrers::default();
    if !options.delete_unlisted_referrers {
        let stays = |digest: &Digest| {
            let node = snapshot.graph.find(digest);
            node.is_some_and(|node| live.contains(node))
                || young.contains(digest)
                || needed.contains(digest)
                || (options.is_trashed)(digest)
        };
        unlisted = unlisted_referrers(snapshot, live, &lost, &stray, stored, &stays)?;
    }
    garbage.blobs.reserve_exact(lost.len() + stray.len());
    let is_agreed = |digest: &Digest| {
        let confirmed = options.confirmed;
        confirmed.is_none_or(|confirmed| confirmed.contains(digest))
    };
    let mut take = |blob: Candidate| {
        if needed.contains(&blob.digest) {
            garbage.spare(&blob.digest, &blob.stat, &young_referrers);
        } else if unlisted.needed.contains(&blob.digest) {
            garbage.keep_unlisted(&blob.digest, &blob.stat, &unlisted);
        } else if is_agreed(&blob.digest) {
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
    Ok(garbage.finish(snapshot))
}

/// How often blobs are read that have a name and are not there.
const LOOKS: u32 = 3;

/// What could not be read.
#[derive(Default)]
struct Failures {
    /// What was not there.
    gone: HashSet<Digest>,
    /// The first of the others, and what the operating system said of it.
    unreadable: Option<(Digest, String)>,
}

/// What no entry leads to, or will lead to, and is about something that stays. Of what is unreferenced
/// only what is small is looked into.
fn unlisted_referrers(
    snapshot: &Snapshot<Whole>,
    live: &Live,
    lost: &[NodeId],
    stray: &[(Digest, BlobStat)],
    stored: &impl Stored,
    stays: &dyn Fn(&Digest) -> bool,
) -> Result<UnlistedReferrers, Error> {
    let small = stray
        .iter()
        .filter(|(_, stat)| stat.size <= MAX_UNLISTED_BYTES);
    let small: Vec<Digest> = small.map(|(digest, _)| digest.clone()).collect();
    let what_failed = Mutex::new(Failures::default());
    let read = |digest: &Digest, bytes: &mut Vec<u8>| {
        stored.read_small(digest, bytes).unwrap_or_else(|error| {
            let mut failed = what_failed.lock().unwrap_or_else(PoisonError::into_inner);
            if error.kind() == io::ErrorKind::NotFound {
                failed.gone.insert(digest.clone());
            } else if failed.unreadable.is_none() {
                failed.unreadable = Some((digest.clone(), error.to_string()));
            }
            false
        })
    };
    // Whoever removed an entry wanted what it led to away.
    let is_lost =
        |node: &NodeId| snapshot.graph.is_present_document(*node) && !live.is_removed(*node);
    let lost: Vec<NodeId> = match snapshot.graph.has_subjects() {
        true => lost.iter().copied().filter(is_lost).collect(),
        false => Vec::new(),
    };
    let find = || {
        let documents = UnlistedDocuments::read(&small, &read);
        let found = documents.referrers(snapshot, &lost, stays, &read);
        let failed = what_failed.lock();
        let failed = std::mem::take(&mut *failed.unwrap_or_else(PoisonError::into_inner));
        let named = stored.named(&failed.gone).into_iter().next();
        let named = named.map(|digest| (digest, NAMED.to_owned()));
        (found, failed.unreadable, named)
    };
    let mut last = find();
    for _ in 1..LOOKS {
        if last.2.is_none() {
            break;
        }
        last = find();
    }
    let (found, unreadable, named) = last;
    match unreadable.or(named) {
        None => Ok(found),
        // What it needs would look like garbage, and so would it.
        Some((digest, error)) => Err(Error::layout(format!(
            "the unreferenced blob {digest} is unreadable: {error}"
        ))
        .hint(
            "nothing is deleted, because it may be about something that stays; run as a user who may read the \
             layout, or use --unlisted-referrers delete if such blobs are to go",
        )),
    }
}

/// A document that is there and cannot be read.
struct Unreadable;

/// Adds what a blob refers to, if it is a document, at any depth, and to `gone` those that are not there. The
/// failure says that something there may be a document and cannot be read.
fn need_below(
    stored: &impl Stored,
    start: &Digest,
    needed: &mut HashSet<Digest>,
    gone: &mut HashSet<Digest>,
) -> Result<(), Unreadable> {
    let mut result = Ok(());
    let mut stack = vec![start.clone()];
    while let Some(digest) = stack.pop() {
        let bytes = match stored.read(&digest) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                gone.insert(digest);
                continue;
            }
            Err(error) => {
                if may_be_document(&error) {
                    result = Err(Unreadable);
                }
                continue;
            }
        };
        if let Ok(document) = manifest::parse(&bytes) {
            for child in document.children {
                if needed.insert(child.digest.clone()) && child.class > Class::Leaf {
                    stack.push(child.digest);
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::mark;
    use super::*;
    use crate::layout::{BlobError, FileId};
    use crate::oci::index::Index;
    use crate::plan::{Draft, Plan};
    use crate::snapshot::graph::Graph;
    use crate::snapshot::load::tests::whole;
    use crate::value::digest::Algorithm;

    /// A layout in memory: bytes, age in seconds, links.
    #[derive(Default)]
    struct Disk(
        HashMap<Digest, (Vec<u8>, i64, u64, u64)>,
        Option<SharedReason>,
    );

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
                    is_stub: bytes.is_empty() && digest.promises_bytes(),
                    on_disk: bytes.len() as u64,
                    links: *links,
                    file: FileId {
                        device: 0,
                        inode: *inode,
                    },
                    changed: Timestamp::from_second(*changed).unwrap(),
                    modified: Timestamp::from_second(*changed).unwrap(),
                }))
        }
        fn is_stub(&self, digest: &Digest) -> bool {
            let stat = self.stat(digest);
            stat.is_ok_and(|stat| stat.is_some_and(|stat| stat.is_stub))
        }
        fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
            let Some((bytes, ..)) = self.0.get(digest) else {
                return Ok(None);
            };
            let found = Algorithm::Sha256.hash(bytes);
            match found == *digest {
                true => Ok(Some(bytes.clone())),
                false => Err(BlobError::Digest {
                    found,
                    first: bytes.clone(),
                }),
            }
        }
        fn read_small(&self, digest: &Digest, bytes: &mut Vec<u8>) -> io::Result<bool> {
            bytes.clear();
            let found = self.0.get(digest);
            bytes.extend(found.into_iter().flat_map(|(bytes, ..)| bytes));
            Ok(found.is_some() && bytes.first() == Some(&b'{'))
        }
        fn named(&self, _: &HashSet<Digest>) -> Vec<Digest> {
            Vec::new()
        }
        fn maybe_shared(&self, _: &Digest) -> Option<&SharedReason> {
            self.1.as_ref()
        }
    }

    fn options(spare_after: i64) -> SweepOptions<'static> {
        SweepOptions {
            all: false,
            spare_after: Timestamp::from_second(spare_after).unwrap(),
            confirmed: None,
            delete_unlisted_referrers: false,
            is_trashed: &|_| false,
        }
    }

    fn swept(disk: &Disk, index: &str, options: &SweepOptions<'_>) -> anyhow::Result<Garbage> {
        let snapshot = disk.snapshot(index);
        let plan = Draft::new(&snapshot).finish();
        let live = mark(&snapshot, &plan).unwrap();
        let (listed, ()) = StoredBlobs::new(&snapshot.graph, disk, disk.list(), || ());
        let mut garbage = prune(&snapshot, &live, listed, disk, options)?;
        garbage.count_links(&mut HardLinks::default(), false);
        Ok(garbage)
    }

    fn manifest(layer: &Digest) -> String {
        format!(
            r#"{{"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}"}}]}}"#
        )
    }

    fn index_of(digest: &Digest) -> String {
        format!(r#"{{"manifests":[{{"digest":"{digest}"}}]}}"#)
    }

    /// There may be millions: beside its digest a blob takes no more than its sizes do twice.
    #[test]
    fn what_goes_takes_little_room() {
        assert!(size_of::<GarbageBlob>() <= size_of::<Digest>() + 4 * size_of::<u64>());
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
        assert_eq!(garbage.too_young, Weight::of_one(5));
        assert!(disk.0.contains_key(&young));
        assert_eq!(garbage.freed_bytes(), 3);
    }

    #[test]
    fn a_plan_that_settles_nothing_takes_nothing() {
        let mut disk = Disk::default();
        let layer = disk.put("layer", 10);
        let image = disk.put(&manifest(&layer), 10);
        let snapshot = disk.snapshot(&index_of(&image));
        let live = mark(&snapshot, &Plan::default()).unwrap();
        assert_eq!(rmi(&snapshot, &live, &disk).unwrap(), Garbage::default());
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
    fn sorting_in_place_is_sorting_and_keeps_the_order_of_equals() {
        let mut state = 1_u32;
        for length in [0_usize, 1, 2, 7, 100] {
            for kinds in [1, 2, 3, 50] {
                let next = |place: usize| {
                    state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
                    ((state >> 16 & 0x7fff) % kinds) << 8 | place as u32
                };
                let mut found: Vec<u32> = (0..length).map(next).collect();
                let mut expected = found.clone();
                expected.sort_by_key(|item| item >> 8);
                sort_in_place(&mut found, |item| item >> 8);
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn what_others_may_share_is_kept_back_with_the_reason() {
        let mut disk = Disk::default();
        let layer = disk.put("layer", 10);
        let image = disk.put(&manifest(&layer), 10);
        disk.put("x", 10);
        disk.1 = Some(SharedReason("shared".into()));
        let garbage = swept(&disk, &index_of(&image), &options(20)).unwrap();
        assert!(garbage.blobs.is_empty());
        assert_eq!(garbage.maybe_shared[0].weight.blobs, 1);
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
        let garbage = garbage.finish(&snapshot);
        let blobs = garbage.blobs.iter();
        let ranks: HashMap<NodeId, DeletionRank> = blobs
            .filter_map(|blob| Some((blob.node?, blob.rank)))
            .collect();
        assert!(garbage.blobs.is_sorted_by_key(|blob| blob.rank));
        let mut pairs: Vec<(NodeId, NodeId)> = graph.abouts().collect();
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
