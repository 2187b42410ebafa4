//! Several layouts in one run: one that fails does not stop the others, is said at once, and again when
//! all others are done, for by then it may have left the screen. JSON has an object of a layout that fails,
//! of a single one, too.

use std::path::{Path, PathBuf};

use super::jobs::Batch;
use super::sharers::FoundSharers;
use super::target_layouts::{TargetLayouts, in_layout};
use super::{CannotPrint, failed, hint_and_kind, print};
use crate::error::ErrorKind;
use crate::layout::TRASH;
use crate::report::console::{Console, shown};
use crate::report::failed_layout::FailedLayout;
use crate::words::count;
use crate::workers::Workers;

/// Groups for commands that only look, as [`FoundSharers::groups`] has them. What index.json leads to in the
/// trash comes back before anybody looks, into directories that others may lead to; without a trash there is
/// nothing to wait for.
pub(super) fn groups_to_look_at(found: &TargetLayouts) -> Vec<Vec<usize>> {
    let has_trash = |path: &PathBuf, _: &mut Vec<u8>| path.join(TRASH).symlink_metadata().is_ok();
    let layouts = &found.layouts;
    match Workers::for_reading()
        .map(layouts, &has_trash, || ())
        .contains(&true)
    {
        true => FoundSharers::of(found).groups(layouts, &[]),
        false => Batch::alone(layouts),
    }
}

/// Says that a signal came before so many layouts were done. The value is the exit status.
pub(super) fn interrupted(console: Console, left: usize, signal: i32) -> u8 {
    let text = match left {
        0 => "interrupted; what is said above was done".to_owned(),
        _ => {
            let (one, several) = ("layout was", "layouts were");
            let left = count(left, one, several);
            format!("interrupted; {left} not done, and nothing was changed there")
        }
    };
    console.error(&text);
    ErrorKind::Interrupted(signal).exit_status()
}

/// Says what failed in a layout, with `json` on standard output, too. The value is the exit status.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn say_failure(
    console: Console,
    path: &Path,
    error: anyhow::Error,
    json: bool,
) -> anyhow::Result<u8> {
    if json {
        print_failed(path, &error)?;
    }
    Ok(failed(console, &in_layout(path, error)))
}

/// The object of a layout with which nothing could be done.
pub(super) fn failed_layout(path: &Path, error: &anyhow::Error) -> FailedLayout {
    let (hint, kind) = hint_and_kind(error);
    FailedLayout::new(path, kind, format!("{error:#}"), hint)
}

fn print_failed(path: &Path, error: &anyhow::Error) -> anyhow::Result<()> {
    print(|out| failed_layout(path, error).write_json(out))
}

/// Prints the object of a single layout that failed, with `json`, and hands the error on to whoever says it.
pub(super) fn in_json(json: bool, path: &Path, error: anyhow::Error) -> anyhow::Error {
    // A command line that is wrong is not about the layout, and where nothing can be printed, that was
    // what failed.
    let is_silent = hint_and_kind(&error).1 == ErrorKind::Usage || error.is::<CannotPrint>();
    match json && !is_silent {
        true => print_failed(path, &error).err().unwrap_or(error),
        false => error,
    }
}

/// What failed in which layout.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<(PathBuf, String)>);

impl Failures {
    /// Says what failed, as [`say_failure`] does, and takes note of it.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn add(
        &mut self,
        console: Console,
        path: &Path,
        error: anyhow::Error,
        json: bool,
    ) -> anyhow::Result<u8> {
        self.note(path, format!("{error:#}"));
        say_failure(console, path, error, json)
    }

    /// Takes note of what failed and was said already.
    pub(super) fn note(&mut self, path: &Path, message: String) {
        self.0.push((path.to_owned(), message));
    }

    /// Says all of it again; `all` is the number of layouts.
    pub(super) fn say_again(&self, console: Console, all: usize) {
        if self.0.is_empty() {
            return;
        }
        let layouts = count(all, "layout", "layouts");
        console.error(&format!("{} of {layouts} failed:", self.0.len()));
        for (path, message) in &self.0 {
            console.say(&shown(&format!("  {}: {message}", path.display())));
        }
    }
}
