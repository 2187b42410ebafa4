//! THE DEED: what was decided, done to the disk.
//!
//! * `delete`: index.json first, then the blobs
//! * `restore`: blobs first, then index.json
//!
//! Both replace index.json only if it still is what the decision was made from; [`repeat`] decides and
//! tries again otherwise. Whoever wants them to stop is heard between two files.

mod delete;
mod restore;

use std::time::Duration;

use crate::counter::Counter;
use crate::error::{Error, ErrorKind};
use crate::layout::{Exclusive, Locked};

pub use delete::{Change, Emptied, Outcome, delete, find_writer_beside};
pub use restore::{Restore, Restored, RestoredBlobs, restore, restore_blobs};

/// How often a decision is made again because index.json changed under it.
const ATTEMPTS: u32 = 12;

/// How long to wait after the first such attempt; after later ones, as many times longer.
const PAUSE: Duration = Duration::from_millis(7);

/// Who looks on.
pub struct Watch<'a> {
    /// Counts what is done.
    pub progress: &'a Counter,
    /// Whether to stop, asked between two files.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl Watch<'_> {
    /// Calls `with` while nobody looks on.
    pub fn nobody<T>(with: impl FnOnce(&mut Watch<'_>) -> T) -> T {
        with(&mut Watch {
            progress: &Counter::default(),
            stop: &|| false,
        })
    }
}

/// How an attempt ended.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Attempt<T> {
    /// Somebody changed index.json first. Decide again.
    IndexChanged(Locked<Exclusive>),
    /// It was carried out, as far as the value says.
    Done(T),
}

/// Decides and carries out, again and again until nobody changes index.json in between.
///
/// # Errors
/// What `attempt` says; or that index.json changed each time, with `hint` about what to do then.
pub fn repeat<T>(
    mut layout: Locked<Exclusive>,
    hint: &str,
    attempt: &mut dyn FnMut(Locked<Exclusive>) -> anyhow::Result<Attempt<T>>,
) -> anyhow::Result<T> {
    for number in 1..=ATTEMPTS {
        match attempt(layout)? {
            Attempt::Done(value) => return Ok(value),
            Attempt::IndexChanged(again) => layout = again,
        }
        // A program that writes in a loop leaves a gap sooner or later.
        std::thread::sleep(PAUSE * number);
    }
    let message = "index.json was changed by another program each time it was to be replaced";
    Err(Error::new(ErrorKind::Failed, message).hint(hint).into())
}
