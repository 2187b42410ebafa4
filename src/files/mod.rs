//! Files, whatever is in them: what the operating system says of them, who may use them, and how they come
//! to their names. What a layout is nobody knows here.
//!
//! * `stat`: what the operating system says of a file
//! * `directory`: how directories are opened and listed
//! * `rename`: `renameat2`, and what to do without
//! * `unix`: what is not the same on every Unix
//! * `temporary`: temporary files, and what killed runs left of them
//! * `access`, `attributes`: who may do what with a file, and what else it has beside its bytes
#![expect(
    clippy::disallowed_methods,
    reason = "with the layout the one stage that changes the disk"
)]

pub(crate) mod access;
pub(crate) mod attributes;
pub(crate) mod directory;
pub(crate) mod rename;
pub(crate) mod stat;
pub(crate) mod temporary;
pub(crate) mod unix;
