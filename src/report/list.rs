//! What `ls` shows: the values of its lines, and the formats in which they are written. The table
//! for people is in `image_table`, the tree in `tree_lines`.

use std::borrow::{Borrow, Cow};
use std::collections::HashSet;
use std::hash::Hash;
use std::io::{self, Write};
use std::rc::Rc;

use foldhash::fast::RandomState;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::escape::{json, visible};
use super::image_table::table;
use super::template::{Field, InvalidTemplate, Template};
use super::tree_lines::trees;
use super::units::{age, size};
use crate::value::digest::Digest;

/// One line of the list: one name of one image.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ImageLine {
    /// The layout, when several are listed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shared")]
    pub(crate) layout: Option<Rc<str>>,
    /// As Docker shows it; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The part of the name before tag and digest; absent for a plain tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    /// That of its index or manifest.
    pub(crate) digest: Digest,
    /// `named`, `dangling`, `unnamed`, `child` or `referrer`.
    pub(crate) kind: &'static str,
    /// The media type that index.json says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    /// Those that the image lists.
    #[serde(serialize_with = "as_list")]
    pub(crate) platforms: Rc<[String]>,
    /// Those of them that the layout does not have.
    #[serde(serialize_with = "as_list")]
    pub(crate) missing_platforms: Rc<[String]>,
    /// When it was made, as far as anybody says; else when it arrived.
    pub(crate) created: Timestamp,
    /// Bytes of its blobs that are there.
    pub(crate) size: u64,
    /// Bytes that removing it would free.
    pub(crate) unique: u64,
    /// How many of its blobs are missing.
    pub(crate) missing_blobs: u64,
    /// Whether one of its documents cannot be trusted.
    pub(crate) damaged: bool,
    /// How many containers use it, when that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) containers: Option<usize>,
    /// What belongs to it, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shared")]
    pub(crate) tree: Option<Rc<[TreeLine]>>,
}

impl ImageLine {
    /// A line of which nothing but the ID is shown.
    pub(crate) fn id(digest: &Digest, kind: &'static str) -> ImageLine {
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

fn as_list<S: Serializer>(list: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    list.serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde passes the member as it is")]
fn shared<S: Serializer, T: Serialize + ?Sized>(
    value: &Option<Rc<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_deref().serialize(serializer)
}

/// One blob that belongs to an image.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TreeLine {
    /// `platform`, `attestation`, `index`, `manifest`, `referrer`, `layer`, `config` or `blob`.
    pub(crate) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    pub(crate) digest: Digest,
    pub(crate) present: bool,
    /// Bytes of it and of what it needs that are here.
    pub(crate) size: u64,
    /// Names that lead to it themselves.
    pub(crate) names: Vec<String>,
    pub(crate) children: Vec<TreeLine>,
    /// More belongs to it that is not shown: it is shown elsewhere in this tree, or too deep.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) elided: bool,
}

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

/// Reads a template for [`ListFormat::Template`].
///
/// # Errors
/// What is wrong with it, and which placeholders there are.
pub fn template(text: &str) -> Result<Template, InvalidTemplate> {
    Template::parse(text, &FIELDS)
}

/// The lines of a list, in their order, as often as they are asked for. Each may be made when it is
/// its turn: all of a long list at once would take more memory than what they are made from.
pub(crate) trait Lines: IntoIterator<Item: Borrow<ImageLine>> + Clone {}

impl<L: IntoIterator<Item: Borrow<ImageLine>> + Clone> Lines for L {}

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

pub(super) fn id(line: &ImageLine, full: bool) -> String {
    shown_digest(&line.digest, full)
}

pub(super) fn shown_digest(digest: &Digest, full: bool) -> String {
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

pub(super) fn shown_name(line: &ImageLine) -> Cow<'_, str> {
    match &line.name {
        Some(name) => visible(name),
        None => format!("<{}>", line.kind).into(),
    }
}
