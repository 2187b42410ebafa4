//! What the tests share: writing layouts, running the program, reading what it left.

pub(crate) mod case_layout;
pub(crate) mod ci_job;
pub(crate) mod command;
pub(crate) mod contents;
pub(crate) mod deletion_case;
pub(crate) mod each;
pub(crate) mod field;
pub(crate) mod index_document;
pub(crate) mod judge;
pub(crate) mod layout;
pub(crate) mod machine;
pub(crate) mod mount;
pub(crate) mod mutator;
pub(crate) mod names;
pub(crate) mod page;
pub(crate) mod peers;
pub(crate) mod place;
pub(crate) mod power_cut;
pub(crate) mod schema;
pub(crate) mod skipped;
pub(crate) mod special_files;
pub(crate) mod strace;
pub(crate) mod terminal;
pub(crate) mod tree;
pub(crate) mod witness;
