//! JSON where it lies: read without building anything, and changed only where that is asked for.
//!
//! * `read`: shows every member of a document, and builds only what is asked
//! * `edit`: changes some parts of a text and leaves every other byte as it was
//! * `edited_text`: such a text, of which nothing is copied that stays

pub mod edit;
pub mod edited_text;
pub mod read;
