//! What `ls` shows: a table, JSON lines, IDs, or a template.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::rc::Rc;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::escape::{json, visible};
use super::template::{Field, InvalidTemplate, Template};
use super::units::{age, size};
use crate::layout::Digest;

/// One line of the list: one name of one image.
#[derive(Clone, Debug, Serialize)]
pub struct ImageLine {
    /// The layout, when several are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
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
    /// The platforms that the image lists.
    #[serde(serialize_with = "as_list")]
    pub platforms: Rc<[String]>,
    /// Those of them that the layout does not have.
    #[serde(serialize_with = "as_list")]
    pub missing_platforms: Rc<[String]>,
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
    /// How many containers use it, when that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containers: Option<usize>,
    /// What belongs to it, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_tree")]
    pub tree: Option<Rc<[TreeLine]>>,
}

impl ImageLine {
    /// A line of which nothing but the ID is shown.
    pub fn id(digest: &Digest, kind: &'static str) -> ImageLine {
        ImageLine {
            layout: None,
            name: None,
            repository: None,
            tag: None,
            digest: digest.clone(),
            kind,
            media_type: None,
            platforms: Rc::default(),
            missing_platforms: Rc::default(),
            created: Timestamp::UNIX_EPOCH,
            size: 0,
            unique: 0,
            missing_blobs: 0,
            damaged: false,
            containers: None,
            tree: None,
        }
    }
}

fn as_list<S: serde::Serializer>(list: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    list.serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde passes the member as it is")]
fn as_tree<S: serde::Serializer>(
    tree: &Option<Rc<[TreeLine]>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    tree.as_deref().serialize(serializer)
}

/// One blob that belongs to an image.
#[derive(Clone, Debug, Serialize)]
pub struct TreeLine {
    /// `platform`, `attestation`, `index`, `manifest`, `referrer`, `layer`, `config` or `blob`.
    pub role: &'static str,
    /// What it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Which blob.
    pub digest: Digest,
    /// Whether the layout has it.
    pub present: bool,
    /// Bytes of it and of what it needs that are here.
    pub size: u64,
    /// Names that lead to it themselves.
    pub names: Vec<String>,
    /// What belongs to it.
    pub children: Vec<TreeLine>,
    /// More belongs to it that is not shown: it is shown elsewhere in this tree, or too deep.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub elided: bool,
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

/// Reads a template for [`ListFormat::Template`].
///
/// # Errors
/// What is wrong with it, and which placeholders there are.
pub fn template(text: &str) -> Result<Template, InvalidTemplate> {
    Template::parse(text, &FIELDS)
}

/// Renders a list. `full`: whole digests instead of twelve digits.
///
/// # Errors
/// What the writer says.
pub fn render(
    lines: &[ImageLine],
    format: &ListFormat,
    full: bool,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ListFormat::Table { digests } => table(lines, *digests, full, now, out),
        ListFormat::Tree => trees(lines, full, out),
        ListFormat::Json => lines
            .iter()
            .try_for_each(|line| out.write_all(json(line).as_bytes())),
        ListFormat::Quiet => {
            let mut seen = std::collections::HashSet::new();
            lines
                .iter()
                .filter(|line| seen.insert(&line.digest))
                .try_for_each(|line| writeln!(out, "{}", id(line, full)))
        }
        ListFormat::Template(template) => {
            let rows = lines.iter().map(|line| values(line, full, now));
            template.render(rows, out)
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
        line.containers
            .map_or_else(|| "N/A".to_owned(), |count| count.to_string()),
        size(line.size.saturating_sub(line.unique)),
        size(line.unique),
        shown_name(line),
        visible(&line.platforms.join(",")).into_owned(),
        line.kind.to_owned(),
        line.layout
            .as_deref()
            .map_or_else(String::new, |layout| visible(layout).into()),
    ]
}

fn shown_name(line: &ImageLine) -> String {
    match &line.name {
        Some(name) => visible(name).into_owned(),
        None => format!("<{}>", line.kind),
    }
}

/// Of an image with several names, trees of more branches than that are shown below the first.
const LARGE_TREE: usize = 64;

/// A block for each image: its line, and below it what belongs to it.
fn trees(lines: &[ImageLine], full: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut widths = [0; 2];
    each_row(lines, full, &mut |row| {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
        Ok(())
    })?;
    each_row(lines, full, &mut |[text, id, bytes]| {
        let padding = |cell: &str, width: usize| " ".repeat(width + 3 - cell.chars().count());
        let (first, second) = (padding(text, widths[0]), padding(id, widths[1]));
        writeln!(out, "{text}{first}{id}{second}{bytes}")
    })
}

type EachRow<'a> = dyn FnMut([&str; 3]) -> io::Result<()> + 'a;

fn each_row(lines: &[ImageLine], full: bool, each: &mut EachRow<'_>) -> io::Result<()> {
    let mut large: HashMap<&Digest, String> = HashMap::new();
    for line in lines {
        let mut name = shown_name(line);
        if let Some(layout) = &line.layout {
            name = format!("{}: {name}", visible(layout));
        }
        if line.containers.is_some_and(|count| count > 0) {
            name.push_str(" (in use)");
        }
        each([&name, &id(line, full), &size(line.size)])?;
        let tree = line.tree.as_deref().unwrap_or_default();
        if tree.len() > LARGE_TREE && line.layout.is_none() {
            if let Some(first) = large.get(&line.digest) {
                each([&format!("└─ as {first}"), "", ""])?;
                continue;
            }
            large.insert(&line.digest, name);
        }
        each_branch(tree, "", full, each)?;
    }
    Ok(())
}

fn each_branch(
    branches: &[TreeLine],
    indent: &str,
    full: bool,
    each: &mut EachRow<'_>,
) -> io::Result<()> {
    for (number, branch) in branches.iter().enumerate() {
        let is_last = number + 1 == branches.len();
        let (bar, next) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let mut text = format!("{indent}{bar}");
        match (&branch.platform, branch.role) {
            (Some(platform), "platform") => text.push_str(&visible(platform)),
            (Some(platform), role) => text.push_str(&format!("{role} {}", visible(platform))),
            (None, role) => text.push_str(role),
        }
        if !branch.names.is_empty() {
            text.push_str(&format!(" = {}", visible(&branch.names.join(", "))));
        }
        if branch.elided {
            text.push_str(" …");
        }
        let digest = match full {
            true => branch.digest.to_string(),
            false => branch.digest.short(),
        };
        let bytes = match branch.present {
            true => size(branch.size),
            false => "missing".to_owned(),
        };
        each([&text, &digest, &bytes])?;
        each_branch(&branch.children, &format!("{indent}{next}"), full, each)?;
    }
    Ok(())
}

/// The columns of the table, and how a line fills them.
struct Columns<'a> {
    digests: bool,
    full: bool,
    with_use: bool,
    with_layout: bool,
    now: Timestamp,
    platforms: RefCell<HashMap<*const [String], Rc<str>>>,
    lines: &'a [ImageLine],
}

impl<'a> Columns<'a> {
    fn of(lines: &'a [ImageLine], digests: bool, full: bool, now: Timestamp) -> Columns<'a> {
        Columns {
            digests,
            full,
            with_use: lines.iter().any(|line| line.containers.is_some()),
            with_layout: lines.iter().any(|line| line.layout.is_some()),
            now,
            platforms: RefCell::default(),
            lines,
        }
    }

    fn header(&self) -> Vec<&'static str> {
        let mut header = vec!["IMAGE", "ID", "PLATFORMS", "CREATED", "SIZE", "UNIQUE"];
        if self.digests {
            header.insert(1, "DIGEST");
        }
        if self.with_use {
            header.insert(header.len() - 2, "USE");
        }
        if self.with_layout {
            header.insert(0, "LAYOUT");
        }
        header
    }

    fn cells(&self, line: &ImageLine) -> Vec<String> {
        let mut platforms = self.platforms(line).to_string();
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
            id(line, self.full),
            platforms,
            age(line.created, self.now),
            size(line.size),
            size(line.unique),
        ];
        if self.digests {
            cells.insert(1, line.digest.to_string());
        }
        if self.with_use {
            let used = line.containers.is_some_and(|count| count > 0);
            cells.insert(cells.len() - 2, if used { "in use" } else { "" }.to_owned());
        }
        if self.with_layout {
            let layout = line.layout.as_deref().unwrap_or_default();
            cells.insert(0, visible(layout).into_owned());
        }
        cells
    }

    /// The platforms of an image, missing ones in parentheses. Names of one image share the lists.
    fn platforms(&self, line: &ImageLine) -> Rc<str> {
        let mut known = self.platforms.borrow_mut();
        let text = known.entry(Rc::as_ptr(&line.platforms));
        let text = text.or_insert_with(|| {
            let missing: HashSet<&String> = line.missing_platforms.iter().collect();
            let all = line.platforms.iter();
            let all = all.map(|text| match missing.contains(text) {
                true => format!("({})", visible(text)),
                false => visible(text).into_owned(),
            });
            all.collect::<Vec<_>>().join(", ").into()
        });
        text.clone()
    }

    /// Whether a column's cells stand at its right edge: those of numbers do.
    fn is_right(&self, column: usize) -> bool {
        column + 2 >= self.header().len()
    }
}

/// Blanks behind a column.
const GAP: u16 = 3;

/// Of longer lists every cell would be in memory several times.
const LONG_LIST: usize = 1000;

fn table(
    lines: &[ImageLine],
    digests: bool,
    full: bool,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let columns = Columns::of(lines, digests, full, now);
    match lines.len() {
        0..LONG_LIST => short_table(&columns, out),
        _ => long_table(&columns, out),
    }
}

fn short_table(columns: &Columns<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(columns.header());
    for line in columns.lines {
        table.add_row(columns.cells(line));
    }
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, GAP));
        if columns.is_right(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
        .lines()
        .try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

/// The same, one line after the other.
fn long_table(columns: &Columns<'_>, out: &mut dyn Write) -> io::Result<()> {
    let header: Vec<String> = columns.header().into_iter().map(str::to_owned).collect();
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.width()).collect();
    for line in columns.lines {
        for (width, cell) in widths.iter_mut().zip(columns.cells(line)) {
            *width = cell.width().max(*width);
        }
    }
    let right: Vec<bool> = (0..header.len()).map(|n| columns.is_right(n)).collect();
    let rows = columns.lines.iter().map(|line| columns.cells(line));
    let mut text = String::new();
    for cells in std::iter::once(header).chain(rows) {
        text.clear();
        for (number, cell) in cells.iter().enumerate() {
            let blanks = std::iter::repeat_n(' ', widths[number] - cell.width());
            if right[number] {
                text.extend(blanks);
                text.push_str(cell);
            } else {
                text.push_str(cell);
                text.extend(blanks);
            }
            text.extend(std::iter::repeat_n(' ', usize::from(GAP)));
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Algorithm;

    #[test]
    fn long_and_short_lists_look_the_same() {
        let line = |number: u64, name: &str, platforms: &[&str]| ImageLine {
            name: Some(name.to_owned()),
            platforms: platforms.iter().map(|text| (*text).to_owned()).collect(),
            missing_platforms: platforms.iter().take(1).map(|t| (*t).to_owned()).collect(),
            size: number * 12_345,
            missing_blobs: number % 2,
            ..ImageLine::id(&Algorithm::Sha256.hash(&number.to_le_bytes()), "named")
        };
        let lines = [
            line(1, "a", &["linux/amd64"]),
            line(2, "名前:タグ", &["linux/arm64", "linux/amd64"]),
            line(3, "e\u{301}\u{1b}[31m", &[]),
            line(4_000_000, "docker.io/library/a-long-name:1.2.3", &["wasm"]),
        ];
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        for digests in [false, true] {
            for lines in [&lines[..], &lines[..1], &[]] {
                let columns = Columns::of(lines, digests, false, now);
                let (mut short, mut long) = (Vec::new(), Vec::new());
                short_table(&columns, &mut short).unwrap();
                long_table(&columns, &mut long).unwrap();
                assert_eq!(String::from_utf8(long), String::from_utf8(short));
            }
        }
    }
}
