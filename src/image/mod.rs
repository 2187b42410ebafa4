//! THE MEANING: JSON to typed values. Nothing here deletes, and only [`crate::layout`] reads.
//!
//! * `graph`: all blobs that index.json leads to, and what leads to what
//! * `reach`: which of them some starting points lead to
//! * `table`: what each entry is to a user: named, dangling, part of another image
//! * `containers`: lists of containers that engines print
//! * `removed_parts`: what images lost of what their indexes list
//! * `rewrite`: an index without some of its manifests
//! * `variants`: the manifests that an image offers, by platform
//! * `check`: whether a layout is sound
//! * `tree`: what belongs to an image
//! * `facts`, `usage`: age, labels and bytes of an image
//! * `contents`: all of this, read at one moment

pub mod check;
pub mod containers;
mod contents;
pub mod facts;
pub mod graph;
pub mod reach;
pub mod removed_parts;
pub mod rewrite;
pub mod table;
pub mod tree;
pub mod usage;
pub mod variants;

pub use contents::Contents;
