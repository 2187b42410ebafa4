//! THE GARBAGE: which blobs are unreferenced. A whole snapshot and a plan in, a list of blobs out; files
//! are looked at and nothing is deleted here.
//!
//! **Roots** are the entries of index.json that the plan leaves, the images of `manifest.json`
//! that it leaves, and digests that odd entries name besides. **Marking** follows every reference
//! from there, `subject` too ([`mark()`]). **Sweeping** lists what is not marked, and differs by
//! command:
//!
//! * `rmi` takes what index.json led to a moment ago and does not any more. Whatever was garbage
//!   before is none of its business: it may be the first half of somebody's push. So it never
//!   lists the blob directory.
//! * `prune` takes that too, and of what was garbage before, what is older than the grace period,
//!   unless something that is younger refers to it.
//!
//! Never garbage: a file whose name is no digest, a blob of an unknown algorithm, a directory that
//! other layouts may share, and anything at all when a document that stays could not be read
//! ([`Live`]).
//!
//! * `mark`: what stays; `stored`: what lies on the disk; `garbage`: what goes; `rank`: in which order
//! * `fit`: how many images a layout has room for
//! * `trash`: what the trash and the layout need of each other

mod fit;
mod garbage;
mod mark;
mod originals;
mod rank;
mod stored;
mod trash;

pub use fit::{Fit, fit};
pub use garbage::{
    BlobFate, Destination, Garbage, GarbageBlob, MaybeShared, Original, Postponed, SweepOptions,
    prune, rmi,
};
pub use mark::{Live, mark, mark_all};
pub(crate) use originals::Siblings;
pub use rank::DeletionRank;
pub use stored::{Stored, StoredBlobs};
pub use trash::{TrashOptions, TrashUse, damage_in_trash, reappeared};
