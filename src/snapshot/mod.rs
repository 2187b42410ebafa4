//! THE SNAPSHOT: what a layout holds at one moment. Nothing here deletes, and only [`crate::layout`]
//! touches the disk.
//!
//! * `digests`: each digest once, by number
//! * `graph`: all blobs that index.json leads to, and what leads to what
//! * `walk`: the documents, read and put into it; `embedded`: those that have no file of their own
//! * `removed_parts`: what images lost of what their indexes list
//! * `reachability`: which blobs some starting points lead to
//! * `names`: what the name annotations of an entry mean
//! * `records`: what each entry is to a user: named, dangling, part of another image
//! * `claims`: which records live and die with others
//! * `view`: all of this in one value
//! * `holders`: which blobs are held when some records are left, and by whom
//! * `damage`: what cannot be trusted, and whether that forbids deleting
//! * `orphans`: referrers whose subject is gone; `unlisted`: referrers that no entry leads to
//! * `platform_manifests`: the manifests that an image offers, by platform
//! * `load`: the view, read at one moment; the type says how much was read
//! * `trashed`: the same of what lies in the trash

pub mod claims;
mod damage;
mod digests;
mod embedded;
pub mod graph;
pub mod holders;
pub(crate) mod load;
pub mod names;
pub mod orphans;
pub mod platform_manifests;
pub mod reachability;
pub mod records;
pub mod removed_parts;
pub mod trashed;
pub mod unlisted;
mod view;
pub mod walk;

pub use claims::{Claims, Settled};
pub use graph::{Follow, Graph, Link, NodeId, NodeKind};
pub use holders::Holders;
pub use load::{Kinds, Names, Snapshot, Trashed, Whole};
pub use names::{Name, is_referrer_tag, meaning};
pub use orphans::{orphans, orphans_of};
pub use platform_manifests::{Belongings, ConfigOf, PlatformManifest};
pub use reachability::{Reachability, RemainingParts, Start};
pub use records::{Record, RecordId, RecordKind, Records};
pub use removed_parts::{Parts, RemovedParts};
pub use trashed::TrashedRemoval;
pub use unlisted::{MAX_UNLISTED_BYTES, UnlistedDocuments, UnlistedReferrers};
pub use view::View;
pub use walk::{MAX_DOCUMENT_BYTES, may_be_document};
