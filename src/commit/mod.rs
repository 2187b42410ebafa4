//! THE DEED: index.json first, then the blobs.
//!
//! 1. The new index.json takes the old one's place, synced, and only if the old one still is what
//!    the plan was made from. Nothing is unlinked before that is durable: whatever happens later
//!    leaves garbage, never a name without its image.
//! 2. Then the garbage is unlinked in batches, each document before what it leads to; where a disk
//!    is waited for, several threads share a batch. Between batches one system call tells whether
//!    somebody replaced index.json; if so it is read again, and whatever it leads to now leaves
//!    the list.
//! 3. At the end index.json is read once more. A program that read it before step 1 and wrote it
//!    back after it has brought back names whose blobs are gone. No lock prevents that, since those
//!    programs take none; it is found and said.
//!
//! A failed unlink is counted, and the rest goes on. Whoever wants it to stop is heard between two
//! files.
//!
//! With the trash, a record of all that goes is durable before step 1, and step 2 moves instead of
//! unlinking. What step 3 finds to be needed again comes back at once. How things come back
//! otherwise is in `restore`.

mod restore;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::gc::{self, DeletionRank, Destination, Garbage, GarbageBlob, Live};
use crate::layout::{
    Exclusive, IndexWrite, LockOptions, Locked, OpenRemoval, RemovalId, RestoredBlob, RootEdit,
    Shared, Trash, Weight,
};
use crate::oci::index::{EntryEdit, Index};
use crate::plan::rewrite_index::NewBlob;
use crate::snapshot::Snapshot;
use crate::value::digest::Digest;
use crate::workers::Workers;

use crate::plan::Draft;
pub use restore::{Restore, Restored, restore, restore_blobs};

/// How many blobs are unlinked between two looks at index.json.
const BATCH: usize = 256;

/// Everything that one command changes.
#[derive(Debug)]
pub struct Change<'a> {
    /// The layout when the plan was made.
    pub old: &'a Snapshot,
    /// index.json from now on; `None`: it stays.
    pub new_index: Option<String>,
    /// The files of an unpacked `docker save` that change with it.
    pub root_edits: Vec<RootEdit>,
    /// The blobs to unlink.
    pub garbage: &'a Garbage,
    /// Blobs that the new index.json leads to and that do not exist yet.
    pub new_blobs: &'a [NewBlob],
    /// Layouts that share the blobs; what they need stays.
    pub sharers: &'a [Locked<Shared>],
    /// Manifests that images lose although their indexes go on listing them, by image.
    pub removed_parts: Vec<(Digest, Vec<Digest>)>,
    /// The removal in the trash that takes what this change removes, and its record.
    pub trash: Option<(RemovalId, Vec<u8>)>,
    /// What happens to entries of index.json.
    pub edits: &'a BTreeMap<usize, EntryEdit>,
    /// Removals in the trash that are deleted for good.
    pub expired: &'a [(RemovalId, Weight)],
}

/// Who looks on.
pub struct Watch<'a> {
    /// Told how many blobs of how many are done.
    pub progress: &'a mut dyn FnMut(usize, usize),
    /// Whether to stop, asked between two files.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Change<'_> {
    fn uses_trash(&self) -> bool {
        let mut blobs = self.garbage.blobs.iter();
        self.trash.is_some() || blobs.any(|blob| blob.destination != Destination::Away)
    }

    /// What the entries that go or change are called, of those with one of these texts.
    fn names_of(&self, texts: &HashSet<&str>) -> Vec<String> {
        let Snapshot {
            records,
            graph,
            index,
            ..
        } = self.old;
        let positions = self.edits.keys();
        positions
            .filter(|position| texts.contains(index.entry_text(**position)))
            .filter_map(|position| Some(records.record(records.of_entry(*position)?).shown(graph)))
            .collect()
    }
}

/// What became of it.
#[derive(Debug)]
pub enum Committed {
    /// Somebody changed index.json first; nothing was done. Plan again.
    IndexChanged(Locked<Exclusive>),
    /// Done, as far as the outcome says.
    Done(Outcome),
}

/// What happened to the blobs.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// For each blob of the garbage, by its number: whether it is gone.
    pub gone: Vec<bool>,
    /// Blobs that could not be unlinked, and why.
    pub failed: Vec<(Digest, String)>,
    /// How many blobs were left because a document that may need them could not be unlinked.
    pub left: u64,
    /// How many blobs somebody began to need while this went on; they were left.
    pub needed_again: u64,
    /// How many blobs were left because somebody wanted this to stop.
    pub interrupted: u64,
    /// Names of index.json that lead to blobs that this run deleted.
    pub broken: Vec<String>,
    /// Names of index.json that lead to blobs that this run moved to the trash; they are back.
    pub reappeared: Vec<String>,
    /// Entries that this run took away and that are there again, with their blobs.
    pub written_back: Vec<String>,
    /// Why it could not be found out whether there are any.
    pub unchecked: Option<String>,
    /// What was deleted from the trash.
    pub emptied: Emptied,
    /// What of it could not be, and why.
    pub not_emptied: Vec<String>,
}

/// What left the trash for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emptied {
    /// How many removals.
    pub removals: u64,
    /// Their blobs.
    pub weight: Weight,
}

/// Carries out a change.
///
/// # Errors
/// index.json could not be replaced; nothing was deleted.
pub fn commit(
    layout: Locked<Exclusive>,
    change: &Change<'_>,
    options: &LockOptions<'_>,
    watch: &mut Watch<'_>,
) -> anyhow::Result<Committed> {
    if change.new_index.is_some() || !change.garbage.blobs.is_empty() {
        layout.refuse_odd_index()?;
    }
    for blob in change.new_blobs {
        layout.write_blob(&blob.digest, &blob.bytes)?;
    }
    let mut places = Places::default();
    if let Some((id, record)) = &change.trash {
        places.own = Some(layout.begin_removal(id, record)?);
    }
    let old = change.old.index.bytes();
    let new = change.new_index.as_deref().map(str::as_bytes);
    let written = layout.replace_index(old, new, &change.root_edits, options);
    // A failure can come after the new index.json is in place, and then the record must stay.
    let is_unchanged = match &written {
        Ok(written) => *written == IndexWrite::ChangedMeanwhile,
        Err(_) => matches!(layout.read_index(), Ok(bytes) if bytes == old),
    };
    if is_unchanged && let Some(own) = &places.own {
        // It says that something is gone which is not. A later prune tries again.
        let _ = layout.empty_removal(own.id());
    }
    if written? == IndexWrite::ChangedMeanwhile {
        return Ok(Committed::IndexChanged(layout));
    }
    let now = new.unwrap_or(old);
    let mut outcome = Outcome::default();
    sweep(&layout, change, now, &mut places, &mut outcome, watch);
    let stamp = layout.index_stamp();
    let is_ours = check(&layout, change, now, &mut outcome);
    for (id, weight) in change.expired {
        // What index.json leads to again comes back from the trash first, the next time.
        if (watch.stop)() || !is_ours || layout.index_stamp() != stamp {
            break;
        }
        match layout.empty_removal(id) {
            Ok(()) => {
                outcome.emptied.removals += 1;
                outcome.emptied.weight.blobs += weight.blobs;
                outcome.emptied.weight.bytes += weight.bytes;
            }
            Err(error) => outcome.not_emptied.push(format!("{error:#}")),
        }
    }
    Ok(Committed::Done(outcome))
}

/// The removals in the trash that blobs are moved to.
#[derive(Default)]
struct Places {
    own: Option<OpenRemoval>,
    earlier: HashMap<RemovalId, OpenRemoval>,
}

impl Places {
    /// Lets a blob go where it is to go. `false`: somebody was faster.
    fn send(
        &mut self,
        layout: &Locked<Exclusive>,
        digest: &Digest,
        destination: &Destination,
    ) -> std::io::Result<bool> {
        let removal = match (destination, &mut self.own) {
            (Destination::Away, _) => return layout.remove_blob(digest),
            (Destination::ToTrash, Some(own)) => own,
            (Destination::ToTrash, None) => return Err(std::io::Error::other("there is no trash")),
            (Destination::ToRemoval(id), _) => {
                if !self.earlier.contains_key(id) {
                    let open = layout.open_removal(id).map_err(std::io::Error::other)?;
                    self.earlier.insert(RemovalId::clone(id), open);
                }
                match self.earlier.get_mut(id) {
                    Some(open) => open,
                    None => return Err(std::io::Error::other("the removal is gone")),
                }
            }
        };
        layout.trash_blob(removal, digest)
    }
}

fn sweep(
    layout: &Locked<Exclusive>,
    change: &Change<'_>,
    index: &[u8],
    places: &mut Places,
    outcome: &mut Outcome,
    watch: &mut Watch<'_>,
) {
    let blobs = &change.garbage.blobs;
    outcome.gone = vec![false; blobs.len()];
    let workers = Workers::for_unlinking();
    let mut stamp = None;
    // The turn of a document that could not be unlinked: what comes later may be what it needs.
    let mut stays: Option<DeletionRank> = None;
    let mut needed: Option<Needed> = None;
    let mut start = 0;
    // What needs others is away before they are touched, so they are not in one batch.
    for batch in blobs.chunk_by(|a, b| a.rank == b.rank) {
        for batch in batch.chunks(BATCH) {
            let numbers = start..start + batch.len();
            start = numbers.end;
            if (watch.stop)() {
                outcome.interrupted = (blobs.len() - numbers.start) as u64;
                return;
            }
            (watch.progress)(numbers.start, blobs.len());
            let sharers = change.sharers.iter().map(Locked::index_stamp);
            let found: Vec<_> = sharers.chain([layout.index_stamp()]).collect();
            // The first look compares contents, for the index may have changed since it was
            // written; of other layouts nobody knows what they were, so they are read again. Later
            // looks compare with that moment.
            let changed = match stamp.replace(found.clone()) {
                None if change.sharers.is_empty() => {
                    layout.read_index().map_or(true, |bytes| bytes != index)
                }
                None => true,
                Some(before) => before != found,
            };
            if changed {
                match Needed::now(layout, change) {
                    Ok(now) => needed = Some(now),
                    Err(error) => {
                        // What is needed now is unknown, so nothing more is deleted.
                        let digest = batch[0].digest.clone();
                        outcome.failed.push((digest, format!("{error:#}")));
                        return;
                    }
                }
            }
            let mut going = Vec::with_capacity(batch.len());
            for number in numbers {
                let blob = &blobs[number];
                if needed
                    .as_ref()
                    .is_some_and(|now| now.contains(&blob.digest))
                {
                    outcome.needed_again += 1;
                } else if stays.is_some_and(|rank| rank < blob.rank) {
                    outcome.left += 1;
                } else {
                    going.push(number);
                }
            }
            let sent = send(layout, blobs, &going, places, &workers, watch);
            for (number, sent) in going.into_iter().zip(sent) {
                match sent {
                    None => outcome.interrupted += 1,
                    Some(Ok(_)) => outcome.gone[number] = true,
                    Some(Err(error)) => {
                        let blob = &blobs[number];
                        if blob.kind.is_document() {
                            stays.get_or_insert(blob.rank);
                        }
                        outcome
                            .failed
                            .push((blob.digest.clone(), error.to_string()));
                    }
                }
            }
            if outcome.interrupted > 0 {
                outcome.interrupted += (blobs.len() - start) as u64;
                return;
            }
        }
    }
    (watch.progress)(blobs.len(), blobs.len());
}

/// Lets blobs go where they are to go, in any order. `None`: somebody wanted this to stop before;
/// `false`: somebody was faster.
fn send(
    layout: &Locked<Exclusive>,
    blobs: &[GarbageBlob],
    going: &[usize],
    places: &mut Places,
    workers: &Workers,
    watch: &Watch<'_>,
) -> Vec<Option<std::io::Result<bool>>> {
    let unlink = |number: &usize, _: &mut Vec<u8>| {
        (!(watch.stop)()).then(|| layout.remove_blob(&blobs[*number].digest))
    };
    if going
        .iter()
        .all(|number| blobs[*number].destination == Destination::Away)
    {
        return workers.map(going, &unlink, || ());
    }
    let send = |number: &usize| {
        let blob = &blobs[*number];
        (!(watch.stop)()).then(|| places.send(layout, &blob.digest, &blob.destination))
    };
    going.iter().map(send).collect()
}

/// What index.json leads to now.
struct Needed {
    snapshot: Snapshot,
    live: Live,
}

impl Needed {
    fn now(layout: &Locked<Exclusive>, change: &Change<'_>) -> anyhow::Result<Needed> {
        // What this run moved to the trash can come back, and so can what it needs.
        let trash = match change.uses_trash() {
            true => layout.trash()?,
            false => Trash::default(),
        };
        let snapshot = Snapshot::load_with(layout, change.sharers, &trash, &mut |_| ())?;
        snapshot.graph.refuse_damage()?;
        let mut plan = Draft::new(&snapshot).finish();
        let node = |digest: &Digest| snapshot.graph.find(digest);
        plan.removed_parts = change
            .removed_parts
            .iter()
            .filter_map(|(image, lost)| {
                Some((node(image)?, lost.iter().filter_map(node).collect()))
            })
            .collect();
        let live = gc::mark(&snapshot, &plan);
        Ok(Needed { snapshot, live })
    }

    fn contains(&self, digest: &Digest) -> bool {
        let node = self.snapshot.graph.find(digest);
        node.is_some_and(|node| self.live.contains(node))
    }
}

/// Looks at index.json for the last time, and finds out what somebody's change of it means. The value
/// tells whether it is what this run wrote.
fn check(
    layout: &Locked<Exclusive>,
    change: &Change<'_>,
    index: &[u8],
    outcome: &mut Outcome,
) -> bool {
    let mut is_ours = true;
    let found = layout.read_index().and_then(|bytes| {
        if bytes == index {
            return Ok(None);
        }
        is_ours = false;
        if let Ok(now) = Index::load(layout) {
            let texts: HashSet<&str> = (0..now.entries().len())
                .map(|position| now.entry_text(position))
                .collect();
            outcome.written_back = change.names_of(&texts);
        }
        if change.garbage.blobs.is_empty() {
            return Ok(None);
        }
        Needed::now(layout, change).map(Some)
    });
    let needed = match found {
        Ok(Some(needed)) => needed,
        Ok(None) => return is_ours,
        Err(error) => {
            outcome.unchecked = Some(format!("{error:#}"));
            return false;
        }
    };
    let Needed { snapshot, live } = needed;
    let trash = match change.uses_trash() {
        true => layout.trash().unwrap_or_default(),
        false => Trash::default(),
    };
    let (mut broken, mut back) = (BTreeSet::new(), BTreeSet::new());
    for (blob, gone) in change.garbage.blobs.iter().zip(&mut outcome.gone) {
        let node = snapshot.graph.find(&blob.digest);
        let Some(node) = node.filter(|node| *gone && live.contains(*node)) else {
            continue;
        };
        if matches!(layout.stat_blob(&blob.digest), Ok(Some(_))) {
            // Whoever needs it wrote it anew.
            continue;
        }
        let returned = blob.destination != Destination::Away
            && matches!(
                layout.restore_blob(&trash, &blob.digest),
                Ok(RestoredBlob::Done | RestoredBlob::WasThere)
            );
        *gone = !returned;
        if let Some(id) = live.holder(node) {
            let names = if returned { &mut back } else { &mut broken };
            names.insert(snapshot.records.record(id).shown(&snapshot.graph));
        }
    }
    if !back.is_empty()
        && let Err(error) = layout.sync_blobs()
    {
        outcome.unchecked = Some(format!("{error:#}"));
    }
    let named: HashSet<&String> = broken.iter().chain(&back).collect();
    outcome.written_back.retain(|name| !named.contains(name));
    outcome.broken = broken.into_iter().collect();
    outcome.reappeared = back.into_iter().collect();
    is_ours
}
