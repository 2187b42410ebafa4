//! THE MEANING: JSON to typed values. Nothing here deletes, and only [`crate::layout`] reads.
//!
//! * `containers`: lists of containers that engines print
//! * `rewrite`: an index without some of its manifests
//! * `check`: whether a layout is sound
//! * `tree`: what belongs to an image
//! * `facts`, `usage`: age, labels and bytes of an image

pub mod check;
pub mod containers;
pub mod facts;
pub mod rewrite;
pub mod tree;
pub mod usage;
