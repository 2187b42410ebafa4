//! What must hold for every input, one function for each kind of input that comes from outside.
//!
//! Each function takes bytes, panics when a law is broken, and says whether the bytes were
//! understood at all; most laws are about those that were. The targets of cargo-fuzz call these
//! functions, and so does `tests/it/fuzz_entries.rs` of the program, which needs neither a nightly
//! compiler nor libFuzzer.

mod containers;
mod filter;
mod index;
mod manifest;
mod platform;
mod policy;
mod reference;
mod removal;
mod template;

pub use containers::containers;
pub use filter::filter;
pub use index::index;
pub use manifest::manifest;
pub use platform::platform;
pub use policy::policy;
pub use reference::reference;
pub use removal::removal;
pub use template::template;

/// A kind of input, with the name of its corpus and its dictionary.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("containers", containers),
    ("filter", filter),
    ("index", index),
    ("manifest", manifest),
    ("platform", platform),
    ("policy", policy),
    ("reference", reference),
    ("removal", removal),
    ("template", template),
];

/// A text for one line of a terminal: without control characters.
fn assert_one_line(message: &str) {
    assert!(
        !message.is_empty() && !message.contains(char::is_control),
        "not one line: {message:?}"
    );
}
