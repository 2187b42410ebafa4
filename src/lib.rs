//! ocirm removes images from OCI image layout directories with Docker's rules, and never loses data.
//!
//! A layout is a directory with `oci-layout`, `index.json` and `blobs/`. `rmi` removes images from it,
//! `untag` takes names away, `prune` removes what nothing needs, and `restore` brings back what was
//! moved to the trash. `ls`, `why` and `check` look at it.
//!
//! # The pipeline
//!
//! ```text
//! command line → open + lock the layout → index → image table → plan → mark → sweep list
//!              → commit → report
//! ```
//!
//! Each step is a module, and uses only those before it in this list (`tests/it/structure.rs` reads
//! the imports):
//!
//! 1. [`error`]: the failures that choose an exit status
//! 2. [`layout`]: the directory. Bytes, paths, locks; nothing else touches the file system
//! 3. [`image`]: the meaning. JSON to values: entries, graph, table of images
//! 4. [`plan`]: the decision. Pure; values in, a plan out
//! 5. [`gc`]: the garbage. Pure; graph in, list of blobs out
//! 6. [`commit`]: the deed. index.json first, then the blobs
//! 7. [`report`]: the words. Values in, text or JSON out
//! 8. [`cli`]: the command line's types
//! 9. [`commands`]: one file for each command; wiring
//!
//! # What holds everywhere
//!
//! * **The plan is a value.** What a dry run prints and what [`commit`] carries out are the same
//!   plan and the same list of blobs, made by the same code.
//! * **The lock is a type.** Nothing that changes the disk exists on a layout that is locked for
//!   reading.
//! * **Deciding is pure.** Time, sizes and ages are arguments.
//! * **A walk that could not read everything decides nothing.** A document that is there and cannot
//!   be trusted stops every deletion; one that is missing does not, since layouts may be sparse.
//!
//! The crate is a library so that tests can reach it; its interface promises nothing.

pub mod error;

pub mod words;

pub mod value;

pub mod json;

pub(crate) mod workers;

pub mod layout;

pub mod oci;

pub mod snapshot;

pub mod inspect;

pub mod containers;

pub mod plan;

pub mod gc;

pub mod commit;

pub mod report;

pub mod cli;

pub mod commands;
