//! VALUES: typed text, and nothing else. What people type and what documents say, understood; no file
//! system, no clock, no JSON.
//!
//! * `digest`: the name of a blob
//! * `reference`: the name of an image
//! * `platform`: what an image runs on
//! * `time`: durations, and values of `until`

pub mod digest;
pub mod platform;
pub mod reference;
pub mod time;
