//! THE SNAPSHOT: what a layout holds at one moment. Nothing here deletes, and only [`crate::layout`]
//! touches the disk.
//!
//! * `graph`: all blobs that index.json leads to, and what leads to what
//! * `removed_parts`: what images lost of what their indexes list
//! * `reachability`: which blobs some starting points lead to
//! * `records`: what each entry is to a user: named, dangling, part of another image
//! * `platform_manifests`: the manifests that an image offers, by platform
//! * `load`: all of this, read at one moment

pub mod graph;
mod load;
pub mod platform_manifests;
pub mod reachability;
pub mod records;
pub mod removed_parts;

pub use load::Snapshot;
