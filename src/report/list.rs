//! What `ls` shows: a table, JSON lines, IDs, or a template.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::escape::visible;
use super::template::{Field, InvalidTemplate, Template};
use super::units::{age, size};
use crate::layout::Digest;

/// One line of the list: one name of one image.
#[derive(Clone, Debug, Serialize)]
pub struct ImageLine {
    /// The name as Docker shows it; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The part of the name before tag and digest; absent for a plain tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The image: the digest of its index or manifest.
    pub digest: Digest,
    /// `named`, `dangling`, `unnamed`, `child` or `referrer`.
    pub kind: &'static str,
    /// The media type that index.json says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The platforms that are there.
    pub platforms: Vec<String>,
    /// The platforms that the image lists and the layout does not have.
    pub missing_platforms: Vec<String>,
    /// When it was made, as far as anybody says; else when it arrived.
    pub created: Timestamp,
    /// Bytes of its blobs that are there.
    pub size: u64,
    /// Bytes that removing it would free.
    pub unique: u64,
    /// How many of its blobs are missing.
    pub missing_blobs: u64,
    /// Whether one of its documents cannot be trusted.
    pub damaged: bool,
}

/// How to show a list.
#[derive(Clone, Debug)]
pub enum ListFormat {
    /// For people.
    Table {
        /// A column with the digest.
        digests: bool,
    },
    /// One object a line.
    Json,
    /// Docker's template language.
    Template(Template),
    /// One ID a line, each once.
    Quiet,
}

/// The placeholders of templates, with their headers as Docker has them.
const FIELDS: [Field; 13] = [
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
];

const fn field(name: &'static str, header: &'static str) -> Field {
    Field { name, header }
}

/// Reads a template for [`ListFormat::Template`].
///
/// # Errors
/// What is wrong with it, and which placeholders there are.
pub fn template(text: &str) -> Result<Template, InvalidTemplate> {
    Template::parse(text, &FIELDS)
}

/// Renders a list. `full`: whole digests instead of twelve digits.
pub fn render(lines: &[ImageLine], format: &ListFormat, full: bool, now: Timestamp) -> String {
    match format {
        ListFormat::Table { digests } => table(lines, *digests, full, now),
        ListFormat::Json => lines
            .iter()
            // Strings, numbers and lists of such: this cannot fail.
            .map(|line| serde_json::to_string(line).unwrap_or_default() + "\n")
            .collect(),
        ListFormat::Quiet => {
            let mut seen = std::collections::HashSet::new();
            lines
                .iter()
                .filter(|line| seen.insert(&line.digest))
                .map(|line| id(line, full) + "\n")
                .collect()
        }
        ListFormat::Template(template) => {
            let mut out = Vec::new();
            let rows = lines.iter().map(|line| values(line, full, now));
            // Writing to memory cannot fail.
            let _ = template.render(rows, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

fn id(line: &ImageLine, full: bool) -> String {
    if full {
        line.digest.to_string()
    } else {
        line.digest.short()
    }
}

fn values(line: &ImageLine, full: bool, now: Timestamp) -> Vec<String> {
    let none = || "<none>".to_owned();
    let text = |text: &Option<String>| text.as_deref().map_or_else(none, |t| visible(t).into());
    vec![
        id(line, full),
        text(&line.repository),
        text(&line.tag),
        line.digest.to_string(),
        age(line.created, now),
        line.created
            .strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
            .to_string(),
        size(line.size),
        "N/A".to_owned(),
        size(line.size.saturating_sub(line.unique)),
        size(line.unique),
        shown_name(line),
        line.platforms.join(","),
        line.kind.to_owned(),
    ]
}

fn shown_name(line: &ImageLine) -> String {
    match &line.name {
        Some(name) => visible(name).into_owned(),
        None => format!("<{}>", line.kind),
    }
}

fn table(lines: &[ImageLine], digests: bool, full: bool, now: Timestamp) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    let mut header = vec!["IMAGE", "ID", "PLATFORMS", "CREATED", "SIZE", "UNIQUE"];
    if digests {
        header.insert(1, "DIGEST");
    }
    let columns = header.len();
    table.set_header(header);
    for line in lines {
        let platforms: Vec<String> = line
            .platforms
            .iter()
            .map(|text| visible(text).into_owned())
            .collect();
        let mut platforms = platforms.join(", ");
        let mark = match (line.damaged, line.missing_blobs) {
            (true, _) => "(damaged)",
            (false, 1..) => "(incomplete)",
            (false, 0) => "",
        };
        if !mark.is_empty() {
            if !platforms.is_empty() {
                platforms.push(' ');
            }
            platforms.push_str(mark);
        }
        let mut cells = vec![
            shown_name(line),
            id(line, full),
            platforms,
            age(line.created, now),
            size(line.size),
            size(line.unique),
        ];
        if digests {
            cells.insert(1, line.digest.to_string());
        }
        table.add_row(cells);
    }
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 3));
        if number + 2 >= columns {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
