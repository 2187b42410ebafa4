//! THE WORDS: values in, text or JSON out, to a writer that is given.
//!
//! Data goes to standard output, talk to standard error. Names from a layout are escaped before a
//! person sees them ([`escape`]), and are what they are in JSON.
//!
//! * `change`: what `rmi`, `untag` and `prune` did, or would do
//! * `list`: what `ls` shows; `check`, `why`: what these two say
//! * `console`: standard error: warnings, hints, progress, the question
//! * `template`, `units`, `escape`: the small parts

pub(crate) mod change;
mod change_lines;
pub(crate) mod check;
pub mod console;
pub mod escape;
mod image_table;
pub mod list;
pub(crate) mod messages;
pub(crate) mod restore;
mod table;
pub mod template;
mod tree_lines;
pub mod units;
pub(crate) mod why;

use std::io::{self, Write};

/// Writes to standard output. Somebody who stopped reading is no failure: what was to be done is
/// done by then.
///
/// # Errors
/// Any other failure to write.
pub fn to_stdout(text: &str) -> io::Result<()> {
    write_to_stdout(|out| out.write_all(text.as_bytes()))
}

/// [`to_stdout`] of something that need not be in memory as a whole.
///
/// # Errors
/// As [`to_stdout`].
pub fn write_to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
