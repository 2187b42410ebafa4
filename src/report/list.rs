//! What `ls` shows: the formats in which its lines are written. The table for people is in
//! `image_table`, the tree in `tree_lines`.

use std::borrow::{Borrow, Cow};
use std::collections::HashSet;
use std::hash::Hash;
use std::io::{self, Write};

use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::escape::{escaped, write_json};
use super::image_table::table;
use super::list_lines::{ImageLine, Lines, id, kind_in_brackets, shown_digest};
use super::shorten::visible;
use super::template::{Field, InvalidTemplate, Template};
use super::tree_lines::trees;
use super::units::{age, size};
use crate::layout::Weight;
use crate::value::digest::Digest;
use crate::words::count;

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
type Value = for<'l> fn(&'l ImageLine, Style) -> Cow<'l, str>;

#[derive(Clone, Copy)]
struct Style {
    /// Whole digests instead of twelve digits.
    full: bool,
    now: Timestamp,
    /// In columns, where long texts are cut.
    in_columns: bool,
}

impl Style {
    /// A text of the layout, to be shown so.
    fn show(self, text: &str) -> Cow<'_, str> {
        match self.in_columns {
            true => visible(text),
            false => escaped(text),
        }
    }
}

/// The placeholders of templates, with their headers as Docker has them.
const FIELDS: [(Field, Value); 15] = [
    field("ID", "IMAGE ID", |line, style| id(line, style.full).into()),
    field("Repository", "REPOSITORY", |line, style| {
        text(line.repository.as_deref(), style)
    }),
    field("Tag", "TAG", |line, style| text(line.tag.as_deref(), style)),
    field("Digest", "DIGEST", digest),
    field("CreatedSince", "CREATED", |line, style| {
        age(line.created, style.now).into()
    }),
    field("CreatedAt", "CREATED AT", |line, _| {
        let created = line.created.strftime("%Y-%m-%d %H:%M:%S +0000 UTC");
        created.to_string().into()
    }),
    field("CreatedFrom", "CREATED FROM", |line, _| {
        line.created_from.into()
    }),
    field("Size", "SIZE", |line, _| size(line.size).into()),
    field("Containers", "CONTAINERS", |line, _| {
        line.containers
            .map_or_else(|| "N/A".into(), |count| count.to_string().into())
    }),
    field("SharedSize", "SHARED SIZE", |line, _| {
        size(line.size.saturating_sub(line.unique)).into()
    }),
    field("UniqueSize", "UNIQUE SIZE", |line, _| {
        size(line.unique).into()
    }),
    field("Name", "IMAGE", |line, style| match &line.name {
        Some(name) => style.show(name),
        None => kind_in_brackets(line).into(),
    }),
    field("Platforms", "PLATFORMS", |line, style| {
        match &*line.shown_platforms {
            [only] => style.show(&only.text),
            several => {
                let texts: Vec<_> = several.iter().map(|of| style.show(&of.text)).collect();
                texts.join(",").into()
            }
        }
    }),
    field("Kind", "KIND", |line, _| line.kind.into()),
    field("Layout", "LAYOUT", |line, style| {
        style.show(line.layout.as_deref().unwrap_or_default())
    }),
];

const fn field(name: &'static str, header: &'static str, value: Value) -> (Field, Value) {
    (Field { name, header }, value)
}

fn text(text: Option<&str>, style: Style) -> Cow<'_, str> {
    style.show(text.unwrap_or("<none>"))
}

/// The digest in full. One of an unknown algorithm may be as long as a document.
fn digest(line: &ImageLine, style: Style) -> Cow<'_, str> {
    match style.in_columns {
        true => visible(&line.digest.to_string()).into_owned().into(),
        false => line.digest.to_string().into(),
    }
}

/// Reads a template for `ListFormat::Template`.
///
/// # Errors
/// What is wrong with it, and which placeholders there are.
pub fn template(text: &str) -> Result<Template, InvalidTemplate> {
    Template::parse(text, &FIELDS.map(|(field, _)| field))
}

/// Renders a list. `full`: whole digests instead of twelve digits. Of all lines or of none it is
/// said in which layout they are, and likewise by how many containers they are used. A table or a tree
/// fits into so many `columns`.
pub(crate) fn render<L: Lines>(
    lines: L,
    format: &ListFormat,
    full: bool,
    now: Timestamp,
    columns: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut each = lines.clone().into_iter();
    match format {
        ListFormat::Table { digests } => table(&lines, *digests, full, now, columns, out),
        ListFormat::Tree => trees(lines, full, columns, out),
        ListFormat::Json => each.try_for_each(|line| write_json(line.borrow(), out)),
        ListFormat::Quiet => ids(each.map(|line| line.borrow().digest.clone()), full, out),
        ListFormat::Template(template) => {
            // The values of fields that are not shown are left empty.
            let values =
                FIELDS.map(|(field, value)| template.mentions(field.name).then_some(value));
            let style = Style {
                full,
                now,
                in_columns: template.is_table(),
            };
            let mut printed = template.begin();
            each.try_for_each(|line| {
                let cells = values.iter().map(|value| match value {
                    Some(value) => value(line.borrow(), style),
                    None => Cow::Borrowed(""),
                });
                printed.add(&cells.collect::<Vec<_>>(), out)
            })?;
            printed.end(out)
        }
    }
}

/// The last line below a table for a person: how much it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Foot {
    /// Of the images of a layout, of which all blobs are counted.
    OfOne { images: usize, stored: Weight },
    /// Of those of several.
    OfSeveral { images: usize, layouts: usize },
}

impl Foot {
    pub(crate) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let images = |number| count(number, "image", "images");
        match self {
            Foot::OfOne {
                images: number,
                stored,
            } => writeln!(
                out,
                "{}; the layout has {} in {}",
                images(number),
                size(stored.bytes),
                count(stored.blobs, "blob", "blobs")
            ),
            Foot::OfSeveral {
                images: number,
                layouts,
            } => writeln!(
                out,
                "{} in {}",
                images(number),
                count(layouts, "layout", "layouts")
            ),
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
