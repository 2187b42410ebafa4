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

/// How the text of a placeholder is made.
type Value = fn(&ImageLine, Style) -> String;

#[derive(Clone, Copy)]
struct Style {
    /// Whole digests instead of twelve digits.
    full: bool,
    now: Timestamp,
}

/// The placeholders of templates, with their headers as Docker has them.
const FIELDS: [(Field, Value); 15] = [
    field("ID", "IMAGE ID", |line, style| id(line, style.full)),
    field("Repository", "REPOSITORY", |line, _| text(&line.repository)),
    field("Tag", "TAG", |line, _| text(&line.tag)),
    field("Digest", "DIGEST", |line, _| line.digest.to_string()),
    field("CreatedSince", "CREATED", |line, style| {
        age(line.created, style.now)
    }),
    field("CreatedAt", "CREATED AT", |line, _| {
        let created = line.created.strftime("%Y-%m-%d %H:%M:%S +0000 UTC");
        created.to_string()
    }),
    field("CreatedFrom", "CREATED FROM", |line, _| {
        line.created_from.to_owned()
    }),
    field("Size", "SIZE", |line, _| size(line.size)),
    field("Containers", "CONTAINERS", |line, _| {
        line.containers
            .map_or_else(|| "N/A".to_owned(), |count| count.to_string())
    }),
    field("SharedSize", "SHARED SIZE", |line, _| {
        size(line.size.saturating_sub(line.unique))
    }),
    field("UniqueSize", "UNIQUE SIZE", |line, _| size(line.unique)),
    field("Name", "IMAGE", |line, _| shown_name(line).into()),
    field("Platforms", "PLATFORMS", |line, _| {
        let shown = line.shown_platforms.iter();
        let texts: Vec<&str> = shown.map(|platform| &*platform.text).collect();
        visible(&texts.join(",")).into()
    }),
    field("Kind", "KIND", |line, _| line.kind.to_owned()),
    field("Layout", "LAYOUT", |line, _| {
        visible(line.layout.as_deref().unwrap_or_default()).into()
    }),
];

const fn field(name: &'static str, header: &'static str, value: Value) -> (Field, Value) {
    (Field { name, header }, value)
}

#[expect(clippy::ref_option, reason = "a member of a line as it is")]
fn text(text: &Option<String>) -> String {
    visible(text.as_deref().unwrap_or("<none>")).into_owned()
}

/// Reads a template for `ListFormat::Template`.
///
/// # Errors
/// What is wrong with it, and which placeholders there are.
pub fn template(text: &str) -> Result<Template, InvalidTemplate> {
    Template::parse(text, &FIELDS.map(|(field, _)| field))
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
            // The values of fields that are not shown are left empty.
            let values =
                FIELDS.map(|(field, value)| template.mentions(field.name).then_some(value));
            let row = |line: &ImageLine| {
                let cells = values.iter().map(|value| match value {
                    Some(value) => value(line, Style { full, now }),
                    None => String::new(),
                });
                cells.collect()
            };
            template.render(each.map(|line| row(line.borrow())), out)
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
