//! THE DEED: index.json first, then the blobs.
//!
//! 1. The new index.json takes the old one's place, synced, and only if the old one still is what
//!    the plan was made from. Nothing is unlinked before that is durable: whatever happens later
//!    leaves garbage, never a name without its image.
//! 2. Then the garbage is unlinked in batches, documents first. Between batches one system call
//!    tells whether somebody replaced index.json; if so it is read again, and whatever it leads to
//!    now leaves the list.
//! 3. At the end index.json is read once more. A program that read it before step 1 and wrote it
//!    back after it has brought back names whose blobs are gone. No lock prevents that, since those
//!    programs take none; it is found and said.
//!
//! A failed unlink is counted, and the rest goes on.

use crate::gc::{self, Garbage, Live};
use crate::image::Contents;
use crate::image::rewrite::NewBlob;
use crate::layout::{Digest, Exclusive, IndexWrite, LockOptions, Locked, RootEdit, Shared};
use crate::plan::Draft;

/// How many blobs are unlinked between two looks at index.json.
const BATCH: usize = 256;

/// Everything that one command changes.
#[derive(Debug)]
pub struct Change<'a> {
    /// index.json when the plan was made.
    pub old_index: &'a [u8],
    /// index.json from now on; `None`: it stays.
    pub new_index: Option<String>,
    /// The files of an unpacked `docker save` that change with it.
    pub beside: Vec<RootEdit>,
    /// The blobs to unlink.
    pub garbage: &'a Garbage,
    /// Blobs that the new index.json leads to and that do not exist yet.
    pub new_blobs: &'a [NewBlob],
    /// Layouts that share the blobs; what they need stays.
    pub also: &'a [Locked<Shared>],
    /// Manifests that images lose although their indexes go on listing them, by image.
    pub cuts: Vec<(Digest, Vec<Digest>)>,
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
    /// Names of index.json that lead to blobs that this run deleted.
    pub broken: Vec<String>,
    /// Why it could not be found out whether there are any.
    pub unchecked: Option<String>,
}

/// Carries out a change. `progress` is told how many blobs of how many are done.
///
/// # Errors
/// index.json could not be replaced; nothing was deleted.
pub fn commit(
    layout: Locked<Exclusive>,
    change: &Change<'_>,
    options: &LockOptions<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> anyhow::Result<Committed> {
    if change.new_index.is_some() || !change.garbage.blobs.is_empty() {
        layout.refuse_odd_index()?;
    }
    for blob in change.new_blobs {
        layout.write_blob(&blob.digest, &blob.bytes)?;
    }
    let new = change.new_index.as_deref().map(str::as_bytes);
    let written = layout.replace_index(change.old_index, new, &change.beside, options)?;
    if written == IndexWrite::ChangedMeanwhile {
        return Ok(Committed::IndexChanged(layout));
    }
    let now = new.unwrap_or(change.old_index);
    let mut outcome = Outcome::default();
    sweep(&layout, change, now, &mut outcome, progress);
    check(&layout, change, now, &mut outcome);
    Ok(Committed::Done(outcome))
}

fn sweep(
    layout: &Locked<Exclusive>,
    change: &Change<'_>,
    index: &[u8],
    outcome: &mut Outcome,
    progress: &mut dyn FnMut(usize, usize),
) {
    let garbage = change.garbage;
    let total = garbage.blobs.len();
    outcome.gone = vec![false; total];
    let mut stamp = None;
    let mut document_stays = false;
    let mut needed: Option<Needed> = None;
    for (number, blob) in garbage.blobs.iter().enumerate() {
        if number % BATCH == 0 {
            progress(number, total);
            let also = change.also.iter().map(Locked::index_stamp);
            let found: Vec<_> = also.chain([layout.index_stamp()]).collect();
            // The first look compares contents, for the index may have changed since it was
            // written; of other layouts nobody knows what they were, so they are read again. Later
            // looks compare with that moment.
            let changed = match stamp.replace(found.clone()) {
                None if change.also.is_empty() => {
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
                        outcome
                            .failed
                            .push((blob.digest.clone(), format!("{error:#}")));
                        return;
                    }
                }
            }
        }
        if needed
            .as_ref()
            .is_some_and(|needed| needed.contains(&blob.digest))
        {
            outcome.needed_again += 1;
            continue;
        }
        if document_stays && !blob.kind.is_document() {
            // It may be the layer of a manifest that could not be unlinked.
            outcome.left += 1;
            continue;
        }
        match layout.remove_blob(&blob.digest) {
            Ok(_) => outcome.gone[number] = true,
            Err(error) => {
                document_stays |= blob.kind.is_document();
                outcome
                    .failed
                    .push((blob.digest.clone(), error.to_string()));
            }
        }
    }
    progress(total, total);
}

/// What index.json leads to now.
struct Needed {
    contents: Contents,
    live: Live,
}

impl Needed {
    fn now(layout: &Locked<Exclusive>, change: &Change<'_>) -> anyhow::Result<Needed> {
        let contents = Contents::load(layout, change.also, &mut |_| ())?;
        contents.graph.refuse_damage()?;
        let mut plan = Draft::new(&contents).finish();
        let node = |digest: &Digest| contents.graph.find(digest);
        plan.cuts = change
            .cuts
            .iter()
            .filter_map(|(image, lost)| {
                Some((node(image)?, lost.iter().filter_map(node).collect()))
            })
            .collect();
        let live = gc::mark(&contents, &plan);
        Ok(Needed { contents, live })
    }

    fn contains(&self, digest: &Digest) -> bool {
        let node = self.contents.graph.find(digest);
        node.is_some_and(|node| self.live.contains(node))
    }
}

fn check(layout: &Locked<Exclusive>, change: &Change<'_>, index: &[u8], outcome: &mut Outcome) {
    let found = layout.read_index().and_then(|bytes| {
        if bytes == index {
            Ok(None)
        } else {
            Needed::now(layout, change).map(Some)
        }
    });
    let needed = match found {
        Ok(Some(needed)) => needed,
        Ok(None) => return,
        Err(error) => {
            outcome.unchecked = Some(format!("{error:#}"));
            return;
        }
    };
    let Needed { contents, live } = needed;
    let mut broken = std::collections::BTreeSet::new();
    for (blob, gone) in change.garbage.blobs.iter().zip(&outcome.gone) {
        let holder = contents
            .graph
            .find(&blob.digest)
            .filter(|_| *gone)
            .and_then(|node| live.holder(node));
        if let Some(id) = holder {
            broken.insert(contents.table.record(id).shown(&contents.graph));
        }
    }
    outcome.broken = broken.into_iter().collect();
}
