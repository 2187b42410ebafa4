//! THE MEANING: JSON to typed values. Nothing here deletes, and only [`crate::layout`] reads.
//!
//! * `index`: index.json as it was found, its entries, lossless edits
//! * `descriptor`: what all references have in common
//! * `document`: what a manifest or an index refers to
//! * `graph`: all blobs that index.json leads to, and what leads to what
//! * `reach`: which of them some starting points lead to
//! * `table`: what each entry is to a user: named, dangling, part of another image
//! * `containers`: lists of containers that engines print
//! * `removal`: what the trash knows of a removal
//! * `removed_parts`: what images lost of what their indexes list
//! * `rewrite`: an index without some of its manifests
//! * `config`: platform, date and labels of an image
//! * `variants`: the manifests that an image offers, by platform
//! * `check`: whether a layout is sound
//! * `tree`: what belongs to an image
//! * `facts`, `usage`: age, labels and bytes of an image
//! * `docker_archive`: the files that `docker save` writes beside index.json
//! * `contents`: all of this, read at one moment

pub mod check;
pub mod config;
pub mod containers;
mod contents;
pub mod descriptor;
pub mod docker_archive;
pub mod document;
pub mod facts;
pub mod graph;
pub mod index;
pub mod reach;
pub mod removal;
pub mod removed_parts;
pub mod rewrite;
pub mod table;
pub mod tree;
pub mod usage;
pub mod variants;

pub use contents::Contents;
