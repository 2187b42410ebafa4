//! What `restore --list` and `df` say of the trash: a table of its removals.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::escape::write_json;
use super::fit::Part;
use super::messages::ReportedError;
use super::shorten::visible;
use super::table::Side::{Left, Right};
use super::table::{Give, Rows};
use super::units::size;
use super::version::Version;
use crate::inspect::removals::ListedRemoval;
use crate::words::{count, listed};

/// What a column keeps that gives way.
const LEAST: usize = 10;

/// How many names stand in a line.
pub(super) const MOST_NAMES: usize = 3;

/// What is in the trash. Serialised, it is what `restore --list --format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct TrashList {
    version: Version,
    layout: String,
    pub(crate) removals: Vec<ListedRemoval>,
    /// What could not be looked at.
    pub(crate) errors: Vec<ReportedError>,
}

impl TrashList {
    pub(crate) fn new(
        layout: &Path,
        removals: Vec<ListedRemoval>,
        failures: Vec<String>,
    ) -> TrashList {
        TrashList {
            version: Version,
            layout: layout.display().to_string(),
            removals,
            errors: failures.into_iter().map(ReportedError::failed).collect(),
        }
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }

    /// Writes the table, as far as that goes in so many columns.
    pub(crate) fn write_text(
        &self,
        verbose: bool,
        columns: Option<usize>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.removals.is_empty() && self.errors.is_empty() {
            writeln!(out, "There is nothing in the trash.")?;
        }
        write_removals(&self.removals, verbose, columns, out)
    }
}

/// Writes a table of removals, or nothing where there are none. `verbose`: with all names, a line for
/// each.
pub(super) fn write_removals(
    removals: &[ListedRemoval],
    verbose: bool,
    columns: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if removals.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new(vec![Left, Left, Right, Right, Left, Left]);
    let head = ["REMOVED (UTC)", "BY", "FILES", "SIZE", "GOES AFTER", "WHAT"];
    rows.add(head.map(Cow::Borrowed));
    for removal in removals {
        let command = removal.command.as_deref().unwrap_or_default();
        let mut what = what(removal, verbose).into_iter();
        rows.add([
            date(removal.removed).into(),
            visible(command),
            removal.amount.files.to_string().into(),
            size(removal.amount.bytes).into(),
            date(removal.expires).into(),
            what.next().unwrap_or_default().into(),
        ]);
        for line in what {
            let empty = [""; 5].map(Cow::Borrowed).into_iter();
            rows.add(empty.chain([line.into()]));
        }
    }
    rows.write_within(columns, &[give(5, Part::End)], out)
}

/// A column that gives way on a narrow terminal.
pub(super) fn give(column: usize, part: Part) -> Give {
    Give {
        column,
        least: LEAST,
        part,
    }
}

fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// What a removal took away: in a few words, or each in a line of its own.
fn what(removal: &ListedRemoval, verbose: bool) -> Vec<String> {
    let images = removal.images.iter();
    let images = images.map(|image| match (&image.name, verbose) {
        (Some(name), true) => format!("{} ({})", visible(name), image.digest.short()),
        (Some(name), false) => visible(name).into_owned(),
        (None, _) => format!("<unnamed> {}", image.digest.short()),
    });
    let parts = removal.parts.iter().map(|parts| {
        let number = count(parts.manifests.len(), "part", "parts");
        format!("{number} of {}", visible(&parts.image))
    });
    let all: Vec<String> = images.chain(parts).collect();
    match (removal.understood, &*all) {
        (false, _) => vec!["(its record cannot be understood)".to_owned()],
        (true, []) => vec!["unreferenced blobs".to_owned()],
        (true, _) if verbose => all,
        (true, all) => vec![listed(all, MOST_NAMES)],
    }
}
