//! What `ls` shows: a table, JSON lines, IDs, or a template.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::io::{self, Write};
use std::rc::Rc;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use foldhash::fast::RandomState;
use jiff::Timestamp;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::escape::{json, visible};
use super::template::{Field, InvalidTemplate, Template};
use super::units::{age, size};
use crate::value::digest::Digest;

/// One line of the list: one name of one image.
#[derive(Clone, Debug, Serialize)]
pub struct ImageLine {
    /// The layout, when several are listed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub layout: Option<Rc<str>>,
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
fn as_text<S: serde::Serializer>(text: &Option<Rc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
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

/// The lines of a list, in their order, as often as they are asked for. Each may be made when it is
/// its turn: all of a long list at once would take more memory than what they are made from.
pub trait Lines: IntoIterator<Item: Borrow<ImageLine>> + Clone {}

impl<L: IntoIterator<Item: Borrow<ImageLine>> + Clone> Lines for L {}

/// Renders a list. `full`: whole digests instead of twelve digits. Of all lines or of none it is
/// said in which layout they are, and likewise by how many containers they are used.
///
/// # Errors
/// What the writer says.
pub fn render<L: Lines>(
    lines: L,
    format: &ListFormat,
    full: bool,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut each = lines.clone().into_iter();
    match format {
        ListFormat::Table { digests } => table(lines, *digests, full, now, out),
        ListFormat::Tree => trees(&lines, full, out),
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
///
/// # Errors
/// What the writer says.
pub fn ids<D: Borrow<Digest> + Eq + Hash + Clone>(
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

fn id(line: &ImageLine, full: bool) -> String {
    shown_digest(&line.digest, full)
}

fn shown_digest(digest: &Digest, full: bool) -> String {
    match full {
        true => digest.to_string(),
        false => digest.short(),
    }
}

/// The values of [`FIELDS`], those that are not shown left empty.
fn values(
    line: &ImageLine,
    full: bool,
    now: Timestamp,
    shown: [bool; FIELDS.len()],
) -> Vec<String> {
    let none = || "<none>".to_owned();
    let text = |text: &Option<String>| text.as_deref().map_or_else(none, |t| visible(t).into());
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
        10 => shown_name(line),
        11 => visible(&line.platforms.join(",")).into_owned(),
        12 => line.kind.to_owned(),
        _ => line
            .layout
            .as_deref()
            .map_or_else(String::new, |layout| visible(layout).into()),
    };
    let shown = shown.into_iter().enumerate();
    shown
        .map(|(number, is_shown)| {
            if is_shown {
                value(number)
            } else {
                String::new()
            }
        })
        .collect()
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
fn trees<L: Lines>(lines: &L, full: bool, out: &mut dyn Write) -> io::Result<()> {
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

fn each_row<L: Lines>(lines: &L, full: bool, each: &mut EachRow<'_>) -> io::Result<()> {
    let mut large: HashMap<Digest, String> = HashMap::new();
    for line in lines.clone() {
        let line = line.borrow();
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
            large.insert(line.digest.clone(), name);
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
        let digest = shown_digest(&branch.digest, full);
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
struct Columns<L> {
    digests: bool,
    full: bool,
    with_use: bool,
    with_layout: bool,
    now: Timestamp,
    platforms: RefCell<PlatformTexts>,
    lines: L,
}

/// How lists of platforms are shown, by where they are. The lists are held, so that no other comes
/// to be in the same place.
type PlatformTexts = HashMap<*const [String], (Rc<[String]>, Rc<str>), RandomState>;

impl<L: Lines> Columns<L> {
    fn of(lines: L, digests: bool, full: bool, now: Timestamp) -> Columns<L> {
        let first = lines.clone().into_iter().next();
        let first = first.as_ref().map(Borrow::borrow);
        Columns {
            digests,
            full,
            with_use: first.is_some_and(|line| line.containers.is_some()),
            with_layout: first.is_some_and(|line| line.layout.is_some()),
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

    fn cells(&self, line: &ImageLine, cells: &mut Cells) {
        if self.with_layout {
            let layout = line.layout.as_deref().unwrap_or_default();
            cells.add(&visible(layout));
        }
        match &line.name {
            Some(name) => cells.add(&visible(name)),
            None => cells.add(&shown_name(line)),
        }
        if self.digests {
            cells.add(&line.digest.to_string());
        }
        cells.add(&id(line, self.full));
        let platforms = self.platforms(line);
        let mark = match (line.damaged, line.missing_blobs) {
            (true, _) => "(damaged)",
            (false, 1..) => "(incomplete)",
            (false, 0) => "",
        };
        match (&*platforms, mark) {
            (platforms, "") => cells.add(platforms),
            ("", mark) => cells.add(mark),
            (platforms, mark) => cells.add(&format!("{platforms} {mark}")),
        }
        cells.add(&age(line.created, self.now));
        if self.with_use {
            let used = line.containers.is_some_and(|count| count > 0);
            cells.add(if used { "in use" } else { "" });
        }
        let bytes = size(line.size);
        cells.add(&bytes);
        match line.unique == line.size {
            true => cells.add(&bytes),
            false => cells.add(&size(line.unique)),
        }
    }

    /// The platforms of an image, missing ones in parentheses. Images share the lists.
    fn platforms(&self, line: &ImageLine) -> Rc<str> {
        let mut known = self.platforms.borrow_mut();
        let text = known.entry(Rc::as_ptr(&line.platforms));
        let (_, text) = text.or_insert_with(|| {
            let missing: HashSet<&String> = line.missing_platforms.iter().collect();
            let all = line.platforms.iter();
            let all = all.map(|text| match missing.contains(text) {
                true => format!("({})", visible(text)),
                false => visible(text).into_owned(),
            });
            let text = all.collect::<Vec<_>>().join(", ").into();
            (line.platforms.clone(), text)
        });
        text.clone()
    }

    /// Whether a column's cells stand at its right edge: those of numbers do.
    fn is_right(&self, column: usize) -> bool {
        let others =
            usize::from(self.digests) + usize::from(self.with_use) + usize::from(self.with_layout);
        column >= 4 + others
    }
}

/// Cells, one after the other: a text of its own for each of a million would take several times as
/// much memory.
#[derive(Default)]
struct Cells {
    text: String,
    /// The length of each, in bytes.
    lengths: Vec<u32>,
}

impl Cells {
    fn add(&mut self, cell: &str) {
        // No name is longer than the largest index.json that is read.
        self.lengths
            .push(u32::try_from(cell.len()).unwrap_or(u32::MAX));
        self.text.push_str(cell);
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = &*self.text;
        self.lengths.iter().map(move |length| {
            let (cell, behind) = rest
                .split_at_checked(*length as usize)
                .unwrap_or((rest, ""));
            rest = behind;
            cell
        })
    }
}

/// How many columns of a terminal a cell takes. Hidden characters were escaped before.
fn width(cell: &str) -> usize {
    match cell.is_ascii() {
        true => cell.len(),
        false => cell.width(),
    }
}

/// Blanks behind a column.
const GAP: u16 = 3;

/// Of longer lists every cell would be in memory several times.
const LONG_LIST: usize = 1000;

fn table<L: Lines>(
    lines: L,
    digests: bool,
    full: bool,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_long = lines.clone().into_iter().nth(LONG_LIST - 1).is_some();
    let columns = Columns::of(lines, digests, full, now);
    match is_long {
        false => short_table(&columns, out),
        true => long_table(&columns, out),
    }
}

fn short_table<L: Lines>(columns: &Columns<L>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(columns.header());
    for line in columns.lines.clone() {
        let mut cells = Cells::default();
        columns.cells(line.borrow(), &mut cells);
        table.add_row(cells.iter());
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
fn long_table<L: Lines>(columns: &Columns<L>, out: &mut dyn Write) -> io::Result<()> {
    let header = columns.header();
    let mut cells = Cells::default();
    header.iter().for_each(|cell| cells.add(cell));
    for line in columns.lines.clone() {
        columns.cells(line.borrow(), &mut cells);
    }
    let mut widths = vec![0; header.len()];
    for (number, cell) in cells.iter().enumerate() {
        let column = &mut widths[number % header.len()];
        *column = width(cell).max(*column);
    }
    let mut text = String::new();
    for (number, cell) in cells.iter().enumerate() {
        let column = number % header.len();
        let blanks = std::iter::repeat_n(' ', widths[column] - width(cell));
        if columns.is_right(column) {
            text.extend(blanks);
            text.push_str(cell);
        } else {
            text.push_str(cell);
            text.extend(blanks);
        }
        if column + 1 < header.len() {
            text.extend(std::iter::repeat_n(' ', usize::from(GAP)));
            continue;
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        out.write_all(text.as_bytes())?;
        text.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::digest::Algorithm;

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
