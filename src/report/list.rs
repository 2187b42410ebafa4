//! What `ls` shows: the formats in which its lines are written. The table for people is in
//! `image_table`, the tree in `tree_lines`.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::io::{self, Write};

use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::escape::{json, visible};
use super::image_table::table;
use super::list_lines::{ImageLine, Lines, id, shown_digest, shown_name};
use super::template::{Field, InvalidTemplate, Template};
use super::tree_lines::trees;
use super::units::{age, size};
use crate::value::digest::Digest;

/// How to show a list.
#[derive(Clone, Debug)]
pub(crate) enum ListFormat {
    Table {
        /// With a column for them.
        digests: bool,
    },
    /// One object a line.
    Json,
    Template(Template),
    /// One ID a line, each once.
    Quiet,
    /// What belongs to each image, below it.
    Tree,
}

/// The placeholders of templates, with their headers as Docker has them.
const FIELDS: [Field; 14] = [
    field("ID", "IMAGE ID"),
    field("Repository", "REPOSITORY"),
    field("Tag", "TAG"),
    field("Digest", "DIGEST"),
    field("CreatedSince", "CREATED"),
    field("CreatedAt", "CREATED AT"),
    field("Size", "SIZE"),
    field("Containers", "CONTAINERS"),
    field("SharedSize", "SHARED SIZE"),
    field("UniqueSize", "UNIQUE SIZE"),
    field("Name", "IMAGE"),
    field("Platforms", "PLATFORMS"),
    field("Kind", "KIND"),
    field("Layout", "LAYOUT"),
];

const fn field(name: &'static str, header: &'static str) -> Field {
    Field { name, header }
}

/// Reads a template for `ListFormat::Template`.
///
/// # Errors
/// What is wrong with it, and which placeholders there are.
pub fn template(text: &str) -> Result<Template, InvalidTemplate> {
    Template::parse(text, &FIELDS)
}

/// Renders a list. `full`: whole digests instead of twelve digits. Of all lines or of none it is
/// said in which layout they are, and likewise by how many containers they are used.
pub(crate) fn render<L: Lines>(
    lines: L,
    format: &ListFormat,
    full: bool,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut each = lines.clone().into_iter();
    match format {
        ListFormat::Table { digests } => table(&lines, *digests, full, now, out),
        ListFormat::Tree => trees(lines, full, out),
        ListFormat::Json => each.try_for_each(|line| out.write_all(json(line.borrow()).as_bytes())),
        ListFormat::Quiet => ids(each.map(|line| line.borrow().digest.clone()), full, out),
        ListFormat::Template(template) => {
            let shown = FIELDS.map(|field| template.mentions(field.name));
            template.render(
                each.map(|line| values(line.borrow(), full, now, shown)),
                out,
            )
        }
    }
}

/// Renders a list of IDs, each once.
pub(crate) fn ids<D: Borrow<Digest> + Eq + Hash + Clone>(
    digests: impl Iterator<Item = D>,
    full: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut seen: HashSet<D, RandomState> = HashSet::default();
    for digest in digests {
        if seen.insert(digest.clone()) {
            writeln!(out, "{}", shown_digest(digest.borrow(), full))?;
        }
    }
    Ok(())
}

/// The values of [`FIELDS`], those that are not shown left empty.
fn values(
    line: &ImageLine,
    full: bool,
    now: Timestamp,
    shown: [bool; FIELDS.len()],
) -> Vec<String> {
    let text = |text: &Option<String>| visible(text.as_deref().unwrap_or("<none>")).into_owned();
    let value = |number: usize| match number {
        0 => id(line, full),
        1 => text(&line.repository),
        2 => text(&line.tag),
        3 => line.digest.to_string(),
        4 => age(line.created, now),
        5 => line
            .created
            .strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
            .to_string(),
        6 => size(line.size),
        7 => line
            .containers
            .map_or_else(|| "N/A".to_owned(), |count| count.to_string()),
        8 => size(line.size.saturating_sub(line.unique)),
        9 => size(line.unique),
        10 => shown_name(line).into(),
        11 => visible(&line.platforms.join(",")).into(),
        12 => line.kind.to_owned(),
        _ => visible(line.layout.as_deref().unwrap_or_default()).into(),
    };
    let value = |(number, is_shown)| match is_shown {
        true => value(number),
        false => String::new(),
    };
    shown.into_iter().enumerate().map(value).collect()
}
