//! VALUES: typed text, and nothing else. What people type and what documents say, understood; no file
//! system, no clock, no JSON.
//!
//! * `digest`: the name of a blob
//! * `reference`: the name of an image
//! * `platform`: what an image runs on; `platform_selection`: which of some a given one selects
//! * `mount_table`: the kernel's list of mounts
//! * `transport`: where other tools say an image is
//! * `time`: durations, and values of `until`; `bytes`: numbers of bytes

pub mod bytes;
pub mod digest;
pub(crate) mod mount_table;
pub mod platform;
pub(crate) mod platform_selection;
pub mod reference;
pub mod time;
pub(crate) mod transport;

/// As much of a text as a message shows, in one line: a control character is a replacement character.
pub(crate) fn beginning(text: &str) -> String {
    let beginning = text.chars().take(200);
    let visible = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    beginning.map(visible).collect()
}

/// Whether there is something, and nothing but such bytes.
fn consists_of(text: &str, is_allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(is_allowed)
}
