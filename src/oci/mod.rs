//! THE DOCUMENTS: what the specification's files, and those beside them, say. One file for each.
//!
//! Bytes in, values out, and texts that differ from the old one in what was asked for only. What the
//! documents of one layout mean together is [`crate::snapshot`]'s.
//!
//! * `descriptor`: what all references have in common
//! * `manifest`: what a manifest or an index refers to
//! * `index`: index.json as it was found, its entries, lossless edits
//! * `config`: platform, date and labels of an image
//! * `docker_archive`: the files that `docker save` writes beside index.json
//! * `trash_record`: what the trash knows of a removal

pub mod config;
pub mod descriptor;
pub mod docker_archive;
pub mod index;
pub mod manifest;
pub mod trash_record;
