//! What the black-box tests share: building layouts, running the program, reading what it left.

pub(crate) mod command;
pub(crate) mod deletion_case;
pub(crate) mod image_builder;
pub(crate) mod index_document;
pub(crate) mod json_text;
pub(crate) mod judge;
pub(crate) mod layout_builder;
pub(crate) mod mutator;
pub(crate) mod names;
pub(crate) mod strace;
pub(crate) mod terminal;
pub(crate) mod tree;
pub(crate) mod written_layout;
