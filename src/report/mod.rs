//! THE WORDS: values in, text or JSON out, to a writer that is given.
//!
//! Data and results go to standard output, what somebody must look at to standard error. Names from a layout are escaped before a
//! person sees them (`escape`), and are what they are in JSON.
//!
//! * `messages`: the sentences of the changing commands, both tenses side by side
//! * `change`: what `rmi`, `untag` and `prune` did, or would do, made from `change_input`;
//!   `change_lines`: the names and documents among it; `restore`: the same of `restore`
//! * `talk`: these reports, told to a person; `sums`: how much it was
//! * `failed_layout`: one with which nothing could be done; `version`: the first member of all objects
//! * `list`, with `list_lines`, `image_table` and `tree_lines`: what `ls` shows
//! * `check`, `why`, `policy` with `policy_object`: what these three say; `disk_use`: what `df` says, with `trash_list`, which
//!   `restore --list` shows as well
//! * `console`: standard error: warnings, hints, the question; `progress`: of long work
//! * `streams`: who reads, and how wide the terminal is; `fit`: text for so many columns
//! * `escape`, `shorten`, `table`, `template`, `units`: the small parts

pub(crate) mod change;
pub(crate) mod change_input;
mod change_lines;
pub(crate) mod check;
pub(crate) mod console;
pub(crate) mod disk_use;
mod escape;
pub(crate) mod failed_layout;
mod fit;
pub(crate) mod image_table;
pub mod list;
pub(crate) mod list_lines;
pub(crate) mod messages;
pub(crate) mod policy;
pub(crate) mod policy_object;
pub(crate) mod progress;
pub(crate) mod restore;
mod shorten;
mod streams;
pub(crate) mod sums;
mod table;
mod talk;
pub mod template;
pub(crate) mod trash_list;
mod tree_lines;
pub(crate) mod units;
mod version;
pub(crate) mod why;

use std::io::{self, IsTerminal as _, Write};

/// Whether standard output goes to somebody's eyes, and not to a file or a program.
pub(crate) fn is_for_a_person() -> bool {
    io::stdout().is_terminal()
}

/// Writes to standard output. Somebody who stopped reading is no failure: what was to be done is
/// done by then.
pub(crate) fn to_stdout(text: &str) -> io::Result<()> {
    write_to_stdout(|out| out.write_all(text.as_bytes()))
}

/// Whether standard output takes a line at once.
pub(crate) fn stdout_is_ready() -> bool {
    streams::is_ready(&io::stdout())
}

/// How many columns standard output has; nothing if it is no terminal.
pub(crate) fn stdout_columns() -> Option<usize> {
    streams::columns(&io::stdout())
}

/// [`write_to_stdout`] of sentences for people, which go on in the next line between words.
pub(crate) fn write_lines_to_stdout(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    write_to_stdout(|out| match stdout_columns() {
        Some(columns) => {
            let mut out = fit::Wrapping::new(out, columns);
            write(&mut out)?;
            out.flush()
        }
        None => write(out),
    })
}

/// [`to_stdout`] of something that need not be in memory as a whole.
pub(crate) fn write_to_stdout(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let print = || {
        let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
        write(&mut out).and_then(|()| out.flush())
    };
    let written = match io::stdout().is_terminal() {
        true => progress::without(print),
        false => print(),
    };
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
