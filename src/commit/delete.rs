//! Deleting: index.json first, then the blobs.
//!
//! 1. The new index.json takes the old one's place, synced, and only if the old one still is what
//!    the plan was made from. Nothing is unlinked before that is durable: whatever happens later
//!    leaves garbage, never a name without its image.
//! 2. Then the garbage is unlinked in batches, each document before what it leads to; where a disk
//!    is waited for, several threads share a batch. Between batches one system call tells whether
//!    somebody replaced index.json; if so it is read again, and whatever it leads to now leaves
//!    the list. One more tells whether another program began to write, and may be using again what
//!    is on the list; then the rest of that is left.
//! 3. At the end index.json is read once more, and so is that of every layout that shares the blobs. A program that read it before step 1 and wrote it
//!    back after it has brought back names whose blobs are gone. No lock prevents that, since those
//!    programs take none; it is found and said.
//!
//! On a full disk step 1 fails for want of room. Then the garbage that the old index.json does not lead
//! to goes first, unless somebody changed that, and step 1 is tried once more: before it or after, no
//! name leads to such blobs.
//!
//! A failed unlink is counted, and the rest goes on. Whoever wants it to stop is heard between two
//! files.
//!
//! With the trash, a record of all that goes is durable before step 1, and in step 2 the blobs of a batch
//! get names in the trash, which are durable before those in the layout are unlinked. At the end that
//! is durable, too, for then it is said that they were moved. What step 3 finds to be needed again comes back at once. How things come back
//! otherwise is in `restore`.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;

use jiff::Timestamp;
use rustix::io::Errno;

use super::{Attempt, Watch};
use crate::error::{Error, ErrorKind, errno};
use crate::gc::{
    self, BlobFate, DeletionRank, Destination, Garbage, GarbageBlob, Live, Postponed, TrashUse,
};
use crate::json::edited_text::EditedText;
use crate::layout::{
    Exclusive, Given, IndexStamp, IndexWrite, LockOptions, Locked, OpenRemoval, RemovalId,
    RestoredBlob, RootEdit, Shared, Trash, Weight,
};
use crate::oci::index::Index;
use crate::oci::trash_record::TrashRecord;
use crate::plan::Plan;
use crate::snapshot::{Follow, NodeId, Snapshot, View, Whole};
use crate::value::digest::{Algorithm, Digest};
use crate::words::{command_on, count, quoted};
use crate::workers::Workers;

/// How many blobs are unlinked between two looks at index.json where a disk is waited for.
const BATCH: usize = 256;

/// How many are where none is, when that is known. That takes a few milliseconds.
const FAST_BATCH: usize = 1024;

/// Everything that one command changes.
#[derive(Debug)]
pub struct Change<'a> {
    /// The layout when the plan was made.
    old: &'a View,
    plan: &'a Plan,
    /// index.json from now on; `None`: it stays.
    new_index: Option<EditedText<'a>>,
    /// The files of an unpacked `docker save` that change with it.
    root_edits: Vec<RootEdit>,
    /// Layouts that share the blobs; what they need stays.
    sharers: &'a [Locked<Shared>],
    /// Manifests that images lose although their indexes go on listing them, by image.
    removed_parts: Vec<(Digest, Vec<Digest>)>,
    /// When what this change removes goes to the trash, and the record of that.
    trash: Option<(Timestamp, Vec<u8>)>,
    /// Removals in the trash that are deleted for good.
    expired: &'a [(RemovalId, Weight)],
    /// A temporary file of another program that is younger shows that somebody is writing; `None`:
    /// nobody is looked for.
    writers_since: Option<Timestamp>,
}

impl<'a> Change<'a> {
    /// What carries out a plan. `live` is `None` when no blob is in question; `now` is when what goes
    /// to the trash goes there.
    pub fn new(
        old: &'a View,
        plan: &'a Plan,
        live: Option<&Live>,
        garbage: &Garbage,
        trash: &'a TrashUse,
        sharers: &'a [Locked<Shared>],
        now: Timestamp,
    ) -> Change<'a> {
        let graph = &old.graph;
        let root_edits = match live {
            Some(live) => live.root_edits.clone(),
            None => old.archive.edited(&plan.names_gone, &BTreeSet::new()),
        };
        // The plan has no order here, and what is the same removal is to be the same file.
        let removed_parts: BTreeMap<_, _> = plan.removed_parts.iter().collect();
        let removed_parts = removed_parts.into_iter().map(|(image, lost)| {
            let lost: BTreeSet<_> = lost.iter().collect();
            let lost = lost.into_iter().map(|node| graph.digest(*node).clone());
            (graph.digest(*image).clone(), lost.collect())
        });
        let removed_parts: Vec<(Digest, Vec<Digest>)> = removed_parts.collect();
        let is_empty = plan.is_empty() && garbage.blobs.is_empty();
        let removal = (trash.to_trash && !is_empty).then(|| {
            let blobs = garbage.blobs.iter();
            let documents = blobs.filter(|blob| blob.kind.is_document());
            let documents = documents.map(|blob| blob.digest.to_string()).collect();
            let (index, edits, missing) = (&old.index, &plan.edits, &trash.missing);
            let mut record = TrashRecord::new(
                now,
                index,
                edits,
                &removed_parts,
                &root_edits,
                documents,
                missing,
            );
            record.command = trash.command.map(str::to_owned);
            (now, record.bytes())
        });
        Change {
            old,
            plan,
            new_index: old.index.edited(&plan.edits),
            root_edits,
            sharers,
            removed_parts,
            trash: removal,
            expired: &trash.expired,
            writers_since: None,
        }
    }

    /// Stops deleting when a temporary file of another program turns up that is younger. What goes to
    /// the trash can come back, and goes on.
    #[must_use]
    pub fn heed_writers(mut self, since: Option<Timestamp>) -> Change<'a> {
        self.writers_since = since.filter(|_| self.trash.is_none());
        self
    }
}

impl Change<'_> {
    /// Whether index.json and the trash stay as they are.
    fn is_nothing(&self) -> bool {
        self.new_index.is_none()
            && self.root_edits.is_empty()
            && self.trash.is_none()
            && self.expired.is_empty()
    }

    /// How much is written before anything goes that something led to.
    fn bytes_to_write(&self) -> u64 {
        let index = self.new_index.iter().map(EditedText::length);
        let files = self.root_edits.iter().map(|edit| edit.new.len());
        let blobs = self.plan.new_blobs().map(|blob| blob.bytes.len());
        let record = self.trash.iter().map(|(_, record)| record.len());
        let all = index.chain(files).chain(blobs).chain(record);
        all.map(|length| length as u64).sum()
    }

    /// What the entries that go or change are called, of those with one of these texts.
    fn names_of(&self, texts: &HashSet<&str>) -> Vec<String> {
        let records = &self.old.records;
        let is_there = |at: &&usize| texts.contains(self.old.index.entry_text(**at));
        let positions = self.plan.edits.keys().filter(is_there);
        let ids = positions.filter_map(|at| records.of_entry(*at));
        ids.map(|id| self.old.shown(id)).collect()
    }
}

/// What happened, beside what each blob of the garbage says of itself.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Blobs that could not be unlinked, and why.
    pub failed: Vec<(Digest, String)>,
    /// How many blobs were left because a document that may need them could not be unlinked.
    pub left: u64,
    /// Why it could not be found out in between what index.json leads to, and how many blobs were left
    /// for that.
    pub undecided: Option<(String, u64)>,
    /// How many blobs somebody began to need while this went on; they were left.
    pub needed_again: u64,
    /// What was left because another program began to write meanwhile.
    pub postponed: Option<Postponed>,
    /// How many blobs were left because somebody wanted this to stop.
    pub interrupted: u64,
    /// Names of index.json that lead to blobs that this run deleted.
    pub broken: Vec<String>,
    /// Names of index.json that lead to blobs that this run moved to the trash; they are back.
    pub reappeared: Vec<String>,
    /// Names of other layouts that lead to blobs that this run deleted, with the layouts.
    pub broken_in_sharers: Vec<String>,
    /// Names of other layouts that lead to blobs that this run moved to the trash, with the layouts; the
    /// blobs are back.
    pub needed_by_sharers: Vec<String>,
    /// Entries that this run took away and that are there again, with their blobs.
    pub written_back: Vec<String>,
    /// Whether any entry that this run took away is there again. Otherwise what leads to deleted blobs is new.
    pub is_old_index_back: bool,
    /// Why it could not be found out whether there are any.
    pub unchecked: Option<String>,
    /// What files that were replaced could not keep beside their bytes, a sentence for each.
    pub not_kept: Vec<String>,
    /// Why what was moved to the trash, or back, may be in its old place again after a power cut.
    pub unsynced: Option<String>,
    /// Why index.json may be the old one again after a power cut. No blob was touched then.
    pub not_durable: Option<String>,
    /// Who can delete what this run was not allowed to delete, or what has to be done first.
    pub who_may: Option<String>,
    /// What was deleted from the trash.
    pub emptied: Emptied,
    /// What of it could not be, and why.
    pub not_emptied: Vec<String>,
}

/// Whether something could not be written because the disk is full.
fn is_full(error: &anyhow::Error) -> bool {
    matches!(errno(error), Some(Errno::NOSPC | Errno::DQUOT))
}

/// The failure on a full disk, with what makes room; and of any failure, what went to make some.
fn full_disk(
    error: anyhow::Error,
    change: &Change<'_>,
    garbage: &Garbage,
    layout: &Locked<Exclusive>,
) -> anyhow::Error {
    let gone = garbage
        .blobs
        .iter()
        .filter(|blob| blob.fate == BlobFate::Gone);
    let gone = match gone.count() {
        0 => String::new(),
        n => format!(
            "{} deleted to make room; ",
            count(n, "unreferenced blob was", "unreferenced blobs were")
        ),
    };
    if !is_full(&error) {
        return match gone.is_empty() {
            true => error,
            false => error.context(gone + "then"),
        };
    }
    let message = format!("{error:#}");
    let takes = match layout.lacks_inodes() {
        true => "the file system has no inode left for another file".to_owned(),
        false => format!("this takes {} bytes of free space", change.bytes_to_write()),
    };
    // Where --trash is the default, what goes there takes the same space.
    let away = if change.trash.is_some() {
        "--no-trash "
    } else {
        ""
    };
    let has_trash = layout
        .trash()
        .is_ok_and(|trash| !trash.removals().is_empty());
    let trash = if has_trash {
        ", with --trash-keep 0s also what is in the trash for good"
    } else {
        ""
    };
    let hint = format!(
        "{gone}nothing that anything leads to was changed; {takes}: `{} \
         --force {away}--grace 0s` deletes unreferenced blobs, which takes none, and dangling images{trash}, or remove another file",
        command_on(layout.path(), "prune")
    );
    Error::new(ErrorKind::Failed, message).hint(hint).into()
}

/// What left the trash for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emptied {
    /// How many removals.
    pub removals: u64,
    /// Their blobs.
    pub weight: Weight,
}

/// Carries out a change, and notes in the garbage what became of each blob.
///
/// # Errors
/// index.json could not be replaced; nothing was deleted.
pub fn delete(
    layout: Locked<Exclusive>,
    change: &Change<'_>,
    garbage: &mut Garbage,
    options: &LockOptions<'_>,
    watch: &mut Watch<'_>,
) -> anyhow::Result<Attempt<Outcome>> {
    if change.new_index.is_some() || !garbage.blobs.is_empty() {
        layout.refuse_odd_index(change.new_index.is_some())?;
    }
    let old = [change.old.index.bytes()];
    let new = change.new_index.as_ref().map(EditedText::pieces);
    let new = new.as_deref();
    let mut sweep = Sweep {
        layout: &layout,
        change,
        index: &old,
        uses_trash: change.trash.is_some() || garbage.uses_trash(),
        places: Places::default(),
        left: BTreeSet::new(),
        unsynced: None,
        workers: Workers::for_unlinking(),
        stamps: None,
        of_sharers: None,
        needed: None,
        stays: None,
        not_kept: Vec::new(),
        not_durable: None,
    };
    let sizes = garbage.blobs.iter().map(|blob| blob.size);
    let bytes = sizes.fold(0, u64::saturating_add);
    watch.progress.expect(garbage.blobs.len() as u64, bytes);
    let mut written = sweep.replace_index(new, options);
    if written.as_ref().is_err_and(is_full) && sweep.make_room(garbage, watch) {
        written = sweep.replace_index(new, options);
    }
    if written.map_err(|error| full_disk(error, change, garbage, &layout))? {
        return Ok(Attempt::IndexChanged(layout));
    }
    let mut outcome = Outcome {
        not_kept: std::mem::take(&mut sweep.not_kept),
        ..Outcome::default()
    };
    sweep.index = new.unwrap_or(&old);
    if let Some(reason) = sweep.not_durable.take() {
        outcome.not_durable = Some(reason);
        return Ok(Attempt::Done(outcome));
    }
    sweep.run(garbage, &mut outcome, watch);
    layout.remove_listed_temporaries();
    if change.is_nothing() && garbage.blobs.is_empty() {
        // Nobody can have lost anything.
        return Ok(Attempt::Done(outcome));
    }
    outcome.unsynced = sweep.end_moves();
    let stamp = (!change.expired.is_empty()).then(|| layout.index_stamp());
    let is_ours = sweep.check(garbage, &mut outcome);
    for (id, weight) in change.expired {
        // What index.json leads to again comes back from the trash first, the next time.
        if (watch.stop)() || !is_ours || Some(layout.index_stamp()) != stamp {
            break;
        }
        match layout.empty_removal(id) {
            Ok(()) => {
                outcome.emptied.removals += 1;
                outcome.emptied.weight += *weight;
            }
            Err(error) => outcome.not_emptied.push(format!("{error:#}")),
        }
    }
    Ok(Attempt::Done(outcome))
}

/// The removals in the trash that blobs are moved to.
#[derive(Default)]
struct Places {
    own: Option<(RemovalId, OpenRemoval)>,
    earlier: HashMap<RemovalId, OpenRemoval>,
}

impl Places {
    /// Gives a blob a name in the removal that it goes to, or takes that again.
    fn of<T>(
        &mut self,
        layout: &Locked<Exclusive>,
        (garbage, blob): (&Garbage, &GarbageBlob),
        change: impl FnOnce(&mut OpenRemoval) -> io::Result<T>,
    ) -> io::Result<T> {
        let own = self.own.as_mut().map(|(_, own)| own);
        let (own, earlier) = match blob.destination {
            Destination::Away => (None, None),
            Destination::ToTrash => (own, None),
            Destination::ToRemoval => (None, garbage.removal(blob)),
        };
        let removal = match (own, earlier) {
            (Some(own), _) => own,
            (None, Some(id)) => match self.earlier.entry(id.clone()) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(layout.open_removal(id).map_err(io::Error::other)?)
                }
            },
            (None, None) => return Err(io::Error::other("there is no trash")),
        };
        change(removal)
    }

    fn sync(&mut self) -> io::Result<()> {
        let own = self.own.iter_mut().map(|(_, own)| own);
        let mut all = own.chain(self.earlier.values_mut());
        all.try_for_each(OpenRemoval::sync)
    }
}

/// The deletion of the garbage once the new index.json is durable.
struct Sweep<'a> {
    layout: &'a Locked<Exclusive>,
    change: &'a Change<'a>,
    /// The pieces of index.json as this run left it.
    index: &'a [&'a [u8]],
    uses_trash: bool,
    places: Places,
    /// Directories that blobs left for the trash.
    left: BTreeSet<Algorithm>,
    /// See [`Outcome::unsynced`].
    unsynced: Option<String>,
    workers: Workers,
    /// Those of index.json of all layouts concerned, at the last look.
    stamps: Option<Vec<IndexStamp>>,
    /// The digest of index.json of each layout that shares the blobs, before any blob went.
    of_sharers: Option<Vec<Digest>>,
    /// What index.json leads to since somebody changed it.
    needed: Option<Needed>,
    /// The rank of a document that could not be unlinked: what comes later may be what it needs.
    stays: Option<DeletionRank>,
    /// See [`Outcome::not_kept`].
    not_kept: Vec<String>,
    /// See [`Outcome::not_durable`].
    not_durable: Option<String>,
}

impl Sweep<'_> {
    /// Writes all that takes room, and puts the new index.json into place. The value tells whether
    /// somebody changed the old one first; then, and after a failure, what was written is gone again.
    fn replace_index(
        &mut self,
        new: Option<&[&[u8]]>,
        options: &LockOptions<'_>,
    ) -> anyhow::Result<bool> {
        let (layout, change) = (self.layout, self.change);
        let old = change.old.index.bytes();
        let mut made = Vec::new();
        let written = match self.prepare(&mut made) {
            Ok(()) => layout.replace_index(old, new, &change.root_edits, options),
            Err(error) => Err(error),
        };
        // A failure can come after the new index.json is in place, and then the record must stay.
        let is_unchanged = match &written {
            Ok(written) => *written == IndexWrite::ChangedMeanwhile,
            Err(_) => matches!(layout.index_is(self.index), Ok(true)),
        };
        if is_unchanged {
            if let Some((id, _)) = self.places.own.take() {
                // It says that something is gone which is not. A later prune tries again.
                let _ = layout.empty_removal(&id);
            }
            if written.is_err() {
                for digest in made {
                    // Nobody knew it before this run, and nothing leads to it.
                    let _ = layout.remove_blob(&digest);
                }
            }
        }
        Ok(match written? {
            IndexWrite::Done { not_kept } => {
                self.not_kept = not_kept;
                false
            }
            IndexWrite::NotDurable(reason) => {
                self.not_durable = Some(reason);
                false
            }
            IndexWrite::ChangedMeanwhile => true,
        })
    }

    /// Writes the blobs of new indexes, and the record of what goes to the trash. `made` are the blobs
    /// that the layout did not have.
    fn prepare(&mut self, made: &mut Vec<Digest>) -> anyhow::Result<()> {
        for blob in self.change.plan.new_blobs() {
            let is_new = self
                .layout
                .write_blob(&blob.digest, &blob.bytes, &blob.replaces)?;
            if is_new {
                made.push(blob.digest.clone());
            }
        }
        if let Some((now, record)) = &self.change.trash {
            self.places.own = Some(self.layout.begin_removal(*now, record)?);
        }
        Ok(())
    }

    /// Unlinks what neither the old index.json nor the new one leads to. The value tells whether that
    /// made any room. What cannot be decided or done now is left to [`Sweep::run`], and so is saying so.
    fn make_room(&mut self, garbage: &mut Garbage, watch: &Watch<'_>) -> bool {
        let is_stray = |blob: &GarbageBlob| {
            let is_away = blob.destination == Destination::Away;
            blob.node.is_none() && is_away && blob.fate == BlobFate::Stays
        };
        let numbers = 0..garbage.blobs.len();
        let stray: Vec<usize> = numbers.filter(|n| is_stray(&garbage.blobs[*n])).collect();
        let stamp = self.layout.index_stamp();
        let is_same = self
            .layout
            .index_is(self.index)
            .is_ok_and(|is_same| is_same);
        for batch in stray.chunks(BATCH) {
            // Whoever changed index.json may need what nobody needed before.
            if (watch.stop)() || !is_same || self.layout.index_stamp() != stamp {
                break;
            }
            if !self.change.sharers.is_empty() && self.look_again().is_err() {
                break;
            }
            if self.writer().is_some() {
                break;
            }
            self.delete_batch(garbage, batch, &mut Outcome::default(), watch);
        }
        // From now on another index.json is the one to compare with.
        (self.stamps, self.needed) = (None, None);
        let is_gone = |number: &usize| garbage.blobs[*number].fate == BlobFate::Gone;
        stray.iter().any(is_gone)
    }

    fn run(&mut self, garbage: &mut Garbage, outcome: &mut Outcome, watch: &mut Watch<'_>) {
        let all = garbage.blobs.len();
        let is_gone = |blob: &&GarbageBlob| blob.fate == BlobFate::Gone;
        let mut done = garbage.blobs.iter().filter(is_gone).count();
        let stays = |number: &usize| garbage.blobs[*number].fate == BlobFate::Stays;
        let numbers: Vec<usize> = (0..all).filter(stays).collect();
        let mut rest = &numbers[..];
        let mut most = BATCH;
        while let Some(first) = rest.first() {
            // What needs others is away before they are touched, so they are not in one batch.
            let rank = garbage.blobs[*first].rank;
            let is_same = |number: &&usize| garbage.blobs[**number].rank == rank;
            let length = rest.iter().take(most).take_while(is_same).count();
            let left = (all - done) as u64;
            if (watch.stop)() {
                outcome.interrupted = left;
                return;
            }
            if let Err(error) = self.look_again() {
                // What is needed now is unknown, so nothing more is deleted.
                outcome.undecided = Some((format!("{error:#}"), left));
                return;
            }
            if let Some(writer) = self.writer() {
                let sizes = rest
                    .iter()
                    .map(|number| Weight::of_one(garbage.blobs[*number].size));
                outcome.postponed = Some(Postponed {
                    writer,
                    weight: sizes.sum(),
                });
                return;
            }
            let (batch, later) = rest.split_at(length);
            rest = later;
            done += batch.len();
            self.delete_batch(garbage, batch, outcome, watch);
            most = match self.workers.are_waiting() {
                true => BATCH,
                false => FAST_BATCH,
            };
            if outcome.interrupted > 0 {
                outcome.interrupted += (all - done) as u64;
                return;
            }
        }
    }

    /// The temporary file of another program that is writing now.
    fn writer(&self) -> Option<String> {
        let since = self.change.writers_since?;
        let writer = self.layout.find_writer(since);
        writer.or_else(|| find_writer_beside(self.change.sharers, since))
    }

    /// Finds out what is needed if somebody changed an index.json.
    fn look_again(&mut self) -> anyhow::Result<()> {
        let sharers = self.change.sharers.iter().map(Locked::index_stamp);
        let mut found: Vec<_> = sharers.collect();
        let own = self.layout.index_stamp();
        found.push(own);
        // The first look compares bytes, for index.json may have changed since it was written; of
        // other layouts nobody knows what they were, so they are read again. Later looks compare
        // with that moment.
        let has_changed = match self.stamps.replace(found.clone()) {
            None if self.change.sharers.is_empty() => !self
                .layout
                .stamped_index_is(own, self.index)
                .is_ok_and(|is_same| is_same),
            None => true,
            Some(before) => before != found,
        };
        if has_changed {
            if self.of_sharers.is_none() {
                // Whoever changes one from here on may need what is gone by then: see `check`.
                self.of_sharers = Some(self.read_sharers()?);
            }
            self.needed = Some(Needed::now(self.layout, self.change, self.uses_trash)?);
        }
        Ok(())
    }

    fn delete_batch(
        &mut self,
        garbage: &mut Garbage,
        batch: &[usize],
        outcome: &mut Outcome,
        watch: &Watch<'_>,
    ) {
        let mut going = Vec::with_capacity(batch.len());
        for &number in batch {
            let blob = &garbage.blobs[number];
            let needed = self.needed.as_ref();
            if needed.is_some_and(|needed| needed.contains(&blob.digest)) {
                outcome.needed_again += 1;
                watch.progress.add(blob.size);
            } else if self.stays.is_some_and(|rank| rank < blob.rank) {
                outcome.left += 1;
                watch.progress.add(blob.size);
            } else {
                going.push(number);
            }
        }
        let sent = self.send(garbage, &going, watch);
        for (number, sent) in going.into_iter().zip(sent) {
            let blob = &mut garbage.blobs[number];
            match sent {
                Sent::Stopped => outcome.interrupted += 1,
                Sent::Tried(Ok(_)) => blob.fate = BlobFate::Gone,
                Sent::Tried(Err(error)) => {
                    if blob.kind.is_document() {
                        self.stays.get_or_insert(blob.rank);
                    }
                    let who_may = &mut outcome.who_may;
                    *who_may = who_may
                        .take()
                        .or_else(|| self.layout.who_may_delete(&blob.digest, &error));
                    let failure = (blob.digest.clone(), error.to_string());
                    outcome.failed.push(failure);
                }
            }
        }
    }

    /// Lets blobs go where they are to go, in any order.
    fn send(&mut self, garbage: &Garbage, going: &[usize], watch: &Watch<'_>) -> Vec<Sent> {
        let (layout, blobs) = (self.layout, &garbage.blobs);
        let unlink = |number: &usize, _: &mut Vec<u8>| match (watch.stop)() {
            true => Sent::Stopped,
            false => {
                let blob = &blobs[*number];
                let tried = match garbage.linked.file(&blob.digest) {
                    Some(_) => layout.remove_blob(&blob.digest),
                    None => layout.remove_blob_of_one_name(&blob.digest),
                };
                watch.progress.add(blob.size);
                Sent::Tried(tried)
            }
        };
        let mut destinations = going.iter().map(|number| &blobs[*number].destination);
        if destinations.all(|destination| *destination == Destination::Away) {
            return self.workers.map(going, &unlink, || ());
        }
        self.move_to_trash(garbage, going, watch)
    }

    /// Lets blobs go, some or all of them to the trash: those get a second name, which is durable before
    /// the first one goes.
    fn move_to_trash(
        &mut self,
        garbage: &Garbage,
        going: &[usize],
        watch: &Watch<'_>,
    ) -> Vec<Sent> {
        let layout = self.layout;
        let mut sent = Vec::with_capacity(going.len());
        let mut two_names = Vec::new();
        let mut was_renamed = false;
        for number in going {
            let blob = &garbage.blobs[*number];
            if (watch.stop)() {
                sent.push(Sent::Stopped);
                continue;
            }
            watch.progress.add(blob.size);
            if blob.destination == Destination::Away {
                sent.push(Sent::Tried(layout.remove_blob(&blob.digest)));
                continue;
            }
            let given = self.places.of(layout, (garbage, blob), |removal| {
                layout.name_in_trash(removal, &blob.digest)
            });
            if matches!(given, Ok(Given::Second)) {
                two_names.push((sent.len(), blob));
            }
            was_renamed |= matches!(given, Ok(Given::Moved));
            self.left.extend(blob.digest.algorithm());
            sent.push(Sent::Tried(given.and_then(|given| match given {
                Given::Second | Given::Moved => Ok(true),
                Given::Missing => Ok(false),
                Given::Taken => Err(io::Error::other("the trash has another file of that name")),
            })));
        }
        let synced = self.places.sync();
        if let Err(error) = &synced
            && was_renamed
        {
            self.unsynced.get_or_insert(error.to_string());
        }
        for (at, blob) in two_names {
            let gone = match &synced {
                Ok(()) => layout.remove_blob(&blob.digest),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            if gone.is_err() {
                let forget = |removal: &mut OpenRemoval| {
                    layout.forget_in_trash(removal, &blob.digest);
                    Ok(())
                };
                let _ = self.places.of(layout, (garbage, blob), forget);
            }
            sent[at] = Sent::Tried(gone);
        }
        sent
    }

    /// Makes durable that what was moved is no more where it was. The value says why it may not be.
    fn end_moves(&mut self) -> Option<String> {
        let synced = self.layout.sync_blobs_gone(std::mem::take(&mut self.left));
        let unsynced = self.unsynced.take();
        unsynced.or_else(|| synced.err().map(|error| error.to_string()))
    }

    /// The digest of index.json of each layout that shares the blobs, as it is at this moment.
    fn read_sharers(&self) -> anyhow::Result<Vec<Digest>> {
        let sharers = self.change.sharers.iter();
        sharers
            .map(|sharer| Ok(Algorithm::Sha256.hash(&sharer.read_index()?)))
            .collect()
    }

    /// Looks at index.json of all layouts concerned for the last time, and finds out what somebody's
    /// change of it means. The value tells whether that of this layout is what this run wrote.
    fn check(&self, garbage: &mut Garbage, outcome: &mut Outcome) -> bool {
        let mut is_ours = true;
        let found = self.layout.index_is(self.index).and_then(|is_own| {
            if is_own {
                // Without garbage, nobody has lost anything.
                let is_same = garbage.blobs.is_empty()
                    || self.change.sharers.is_empty()
                    || self.of_sharers.as_ref() == Some(&self.read_sharers()?);
                return match is_same {
                    true => Ok(None),
                    false => Needed::now(self.layout, self.change, self.uses_trash).map(Some),
                };
            }
            is_ours = false;
            if let Ok(now) = Index::load(self.layout) {
                let positions = 0..now.entries().len();
                let texts = positions.map(|position| now.entry_text(position)).collect();
                outcome.written_back = self.change.names_of(&texts);
                outcome.is_old_index_back = !outcome.written_back.is_empty();
            }
            if garbage.blobs.is_empty() {
                return Ok(None);
            }
            Needed::now(self.layout, self.change, self.uses_trash).map(Some)
        });
        match found {
            Ok(Some(needed)) => self.bring_back(&needed, garbage, outcome),
            Ok(None) => {}
            Err(error) => {
                outcome.unchecked = Some(format!("{error:#}"));
                return false;
            }
        }
        is_ours
    }

    /// What index.json leads to again comes back from the trash; what was unlinked is broken.
    fn bring_back(&self, needed: &Needed, garbage: &mut Garbage, outcome: &mut Outcome) {
        let Needed { snapshot, live } = needed;
        let trash = match self.uses_trash {
            true => self.layout.trash().unwrap_or_default(),
            false => Trash::default(),
        };
        let (mut broken, mut back): (Vec<NodeId>, Vec<NodeId>) = (Vec::new(), Vec::new());
        let mut coming = self.layout.begin_return(&trash);
        let gone = |blob: &&mut GarbageBlob| blob.fate == BlobFate::Gone;
        for blob in garbage.blobs.iter_mut().filter(gone) {
            let node = snapshot.graph.find(&blob.digest);
            let Some(node) = node.filter(|node| live.contains(*node)) else {
                continue;
            };
            if matches!(self.layout.stat_blob(&blob.digest), Ok(Some(_))) {
                // Whoever needs it wrote it anew.
                continue;
            }
            let is_back = blob.destination != Destination::Away
                && matches!(
                    coming.bring(&blob.digest),
                    Ok(RestoredBlob::Done | RestoredBlob::WasThere)
                );
            if is_back {
                blob.fate = BlobFate::Stays;
            }
            if is_back { &mut back } else { &mut broken }.push(node);
        }
        match coming.sync() {
            // index.json leads to them already. What cannot be taken out of the trash is there twice.
            Ok(()) => drop(coming.leave_trash(&|| false)),
            Err(error) => outcome.unsynced = Some(format!("{error:#}")),
        }
        outcome.needed_by_sharers = self.names_of_sharers(needed, &back);
        outcome.broken_in_sharers = self.names_of_sharers(needed, &broken);
        let names = |blobs: &[NodeId], of_sharers: &[String]| -> BTreeSet<String> {
            let holders = blobs.iter().filter_map(|node| live.holder(*node));
            let names: BTreeSet<String> = holders.map(|id| snapshot.shown(id)).collect();
            match blobs.first() {
                // Something else than an entry leads there.
                Some(node) if names.is_empty() && of_sharers.is_empty() => {
                    BTreeSet::from([snapshot.graph.digest(*node).to_string()])
                }
                _ => names,
            }
        };
        let broken = names(&broken, &outcome.broken_in_sharers);
        let back = names(&back, &outcome.needed_by_sharers);
        let named: HashSet<&String> = broken.iter().chain(&back).collect();
        outcome.written_back.retain(|name| !named.contains(name));
        outcome.broken = broken.into_iter().collect();
        outcome.reappeared = back.into_iter().collect();
    }

    /// What leads to some blobs in the layouts that share them.
    fn names_of_sharers(&self, needed: &Needed, blobs: &[NodeId]) -> Vec<String> {
        if blobs.is_empty() || self.change.sharers.is_empty() {
            return Vec::new();
        }
        let graph = &needed.snapshot.graph;
        let above: HashSet<NodeId> = graph.above(blobs.iter().copied(), Follow::Subjects);
        let leads = |digest: &&Digest| graph.find(digest).is_some_and(|node| above.contains(&node));
        let mut names = BTreeSet::new();
        for sharer in self.change.sharers {
            // It was read a moment ago.
            let index = Index::load(sharer).unwrap_or_default();
            for entry in index.entries().iter().chain(index.subjects()) {
                if let Some(digest) = entry.digest.iter().find(leads) {
                    let name = entry
                        .name()
                        .map_or_else(|| digest.to_string(), str::to_owned);
                    let path = quoted(&sharer.path().to_string_lossy());
                    names.insert(format!("{name} in the layout {path}"));
                }
            }
        }
        names.into_iter().collect()
    }
}

/// The temporary file of a program that writes into one of the layouts that share the blobs, and is
/// younger than `since`.
pub fn find_writer_beside(sharers: &[Locked<Shared>], since: Timestamp) -> Option<String> {
    sharers.iter().find_map(|sharer| {
        let writer = sharer.find_writer(since)?;
        Some(sharer.path().join(writer).display().to_string())
    })
}

/// What became of the attempt to let a blob go.
enum Sent {
    /// Somebody wanted this to stop before.
    Stopped,
    /// `false`: somebody was faster.
    Tried(io::Result<bool>),
}

/// What index.json leads to now.
struct Needed {
    snapshot: Snapshot<Whole>,
    live: Live,
}

impl Needed {
    fn now(
        layout: &Locked<Exclusive>,
        change: &Change<'_>,
        uses_trash: bool,
    ) -> anyhow::Result<Needed> {
        // What this run moved to the trash can come back, and so can what it needs.
        let trash = match uses_trash {
            true => layout.trash()?,
            false => Trash::default(),
        };
        let snapshot = Snapshot::read(layout, change.sharers, &trash, &mut |_| ())?;
        let node = |digest: &Digest| snapshot.graph.find(digest);
        let removed_parts = change.removed_parts.iter();
        let removed_parts = removed_parts
            .filter_map(|(image, lost)| {
                Some((node(image)?, lost.iter().filter_map(node).collect()))
            })
            .collect();
        let live = gc::mark_all(&snapshot, &removed_parts)?;
        Ok(Needed { snapshot, live })
    }

    fn contains(&self, digest: &Digest) -> bool {
        let node = self.snapshot.graph.find(digest);
        node.is_some_and(|node| self.live.contains(node))
    }
}
