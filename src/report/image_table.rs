//! The table of `ls`: which columns there are, and what stands in them.

use std::borrow::{Borrow as _, Cow};
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::fit::Part;
use super::list_lines::{ImageLine, Lines, id, shown_name};
use super::shorten::{visible, width};
use super::table::Side::{self, Left, Right};
use super::table::{GAP, Give, Rows};
use super::units::{age, size};
use crate::inspect::metadata::ShownPlatform;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Layout,
    Name,
    Digest,
    Id,
    Platforms,
    Created,
    Use,
    Size,
    Unique,
}

/// All that a table can have, in their order.
const COLUMNS: [(Column, &str, Side); 9] = [
    (Column::Layout, "LAYOUT", Left),
    (Column::Name, "IMAGE", Left),
    (Column::Digest, "DIGEST", Left),
    (Column::Id, "ID", Left),
    (Column::Platforms, "PLATFORMS", Left),
    (Column::Created, "CREATED", Left),
    (Column::Use, "USE", Left),
    (Column::Size, "SIZE", Right),
    (Column::Unique, "UNIQUE", Right),
];

/// What a column keeps where there is too little room.
const LEAST: [(Column, usize, Part); 4] = [
    (Column::Layout, 12, Part::Start),
    (Column::Name, 16, Part::Middle),
    (Column::Platforms, 8, Part::End),
    (Column::Name, 8, Part::Middle),
];

/// The table. On a terminal of so many `columns` a row takes one line: first lists of platforms are
/// shortened to the first one and how many more there are, last the names.
pub(super) fn table<L: Lines>(
    lines: &L,
    digests: bool,
    full: bool,
    now: Timestamp,
    columns: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let first = lines.clone().into_iter().next();
    let first = first.as_ref().map(|line| line.borrow());
    let is_shown = |column| match column {
        Column::Layout => first.is_some_and(|line| line.layout.is_some()),
        Column::Digest => digests,
        Column::Use => first.is_some_and(|line| line.containers.is_some()),
        _ => true,
    };
    let shown = COLUMNS.iter().filter(|(column, ..)| is_shown(*column));
    let shown: Vec<_> = shown.copied().collect();
    let mut platforms = PlatformTexts::default();
    let mut rows = collect(lines, &shown, full, now, |line| platforms.of(line));
    let number = |wanted: Column| shown.iter().position(|(column, ..)| *column == wanted);
    if let (Some(columns), Some(at)) = (columns, number(Column::Platforms))
        && !rows.fits(Some(columns))
    {
        let all: usize = rows.widest().iter().sum();
        let others = all - rows.widest()[at] + GAP * (shown.len() - 1);
        let room = columns.saturating_sub(others);
        drop(rows);
        rows = collect(lines, &shown, full, now, |line| {
            let text = platforms.of(line);
            match width(&text) > room {
                true => short_platforms(line).unwrap_or(text),
                false => text,
            }
        });
    }
    let give = LEAST.iter().filter_map(|(column, least, part)| {
        Some(Give {
            column: number(*column)?,
            least: *least,
            part: *part,
        })
    });
    rows.write_within(columns, &give.collect::<Vec<_>>(), out)
}

/// An image that goes, or a name of one.
pub(crate) struct Going {
    pub(crate) line: ImageLine,
    /// The image stays under another name.
    pub(crate) image_stays: bool,
}

/// What somebody is asked about, if there is anything: names, ages and sizes; of an image that stays no
/// size.
pub(crate) fn images_to_go(
    all: &[Going],
    now: Timestamp,
    columns: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new(vec![Side::Left, Side::Left, Side::Left, Side::Right]);
    rows.add(["IMAGE", "ID", "CREATED", "SIZE"].map(Cow::Borrowed));
    for Going { line, image_stays } in all {
        let bytes = match image_stays {
            true => String::new(),
            false => size(line.size),
        };
        rows.add([
            shown_name(line),
            id(line, false).into(),
            created(line, now),
            bytes.into(),
        ]);
    }
    let give = Give {
        column: 0,
        least: 8,
        part: Part::Middle,
    };
    rows.write_within(columns, &[give], out)
}

/// How old an image is.
fn created(line: &ImageLine, now: Timestamp) -> Cow<'static, str> {
    match line.is_created_stated {
        true => age(line.created, now).into(),
        // Nobody says when it was made.
        false => format!("{} (file)", age(line.created, now)).into(),
    }
}

fn collect<L: Lines>(
    lines: &L,
    columns: &[(Column, &str, Side)],
    full: bool,
    now: Timestamp,
    mut platforms: impl FnMut(&ImageLine) -> String,
) -> Rows {
    let mut rows = Rows::new(columns.iter().map(|(.., side)| *side).collect());
    rows.add(columns.iter().map(|(_, header, _)| Cow::Borrowed(*header)));
    for line in lines.clone() {
        let line = line.borrow();
        let bytes = size(line.size);
        rows.add(columns.iter().map(|(column, ..)| match column {
            Column::Layout => visible(line.layout.as_deref().unwrap_or_default()),
            Column::Name => shown_name(line),
            Column::Digest => line.digest.to_string().into(),
            Column::Id => id(line, full).into(),
            Column::Platforms => platforms(line).into(),
            Column::Created => created(line, now),
            Column::Use if line.containers.is_some_and(|count| count > 0) => "in use".into(),
            Column::Use => "".into(),
            Column::Size => Cow::Borrowed(&*bytes),
            // Nothing is shared by most images, and to write a number takes longer than to copy it.
            Column::Unique if line.unique == line.size => Cow::Borrowed(&*bytes),
            Column::Unique => size(line.unique).into(),
        }));
    }
    rows
}

/// One of several platforms, one that is here if any is, and how many more there are.
fn short_platforms(line: &ImageLine) -> Option<String> {
    let all = &line.shown_platforms;
    let first = all.iter().find(|platform| platform.is_present);
    let first = first.or(all.first()).filter(|_| all.len() > 1)?;
    let text = format!("{} +{}", one_platform(first), all.len() - 1);
    Some(marked(line, text))
}

/// A platform, in parentheses if it is missing.
fn one_platform(platform: &ShownPlatform) -> String {
    let text = visible(&platform.text);
    match platform.is_present {
        true => text.into_owned(),
        false => format!("({text})"),
    }
}

/// Platforms, and what is wrong with the image.
fn marked(line: &ImageLine, text: String) -> String {
    let mark = match (line.damaged, line.missing_blobs) {
        (true, _) => "(damaged)",
        (false, 1..) => "(incomplete)",
        (false, 0) => return text,
    };
    match text.is_empty() {
        true => mark.to_owned(),
        false => format!("{text} {mark}"),
    }
}

/// How lists of platforms are shown, by where they are: images share the lists. They are held, so
/// that no other comes to be in the same place.
#[derive(Default)]
struct PlatformTexts(HashMap<*const [ShownPlatform], Held, RandomState>);

type Held = (Arc<[ShownPlatform]>, String);

impl PlatformTexts {
    /// The platforms of an image, missing ones in parentheses, and what is wrong with it.
    fn of(&mut self, line: &ImageLine) -> String {
        let known = self.0.entry(Arc::as_ptr(&line.shown_platforms));
        let (_, text) = known.or_insert_with(|| {
            let all = line.shown_platforms.iter().map(one_platform);
            let text = all.collect::<Vec<_>>().join(", ");
            (line.shown_platforms.clone(), text)
        });
        marked(line, text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::digest::Algorithm;

    #[test]
    fn a_line_fills_its_columns() {
        let line = |number: u64, name: &str, platforms: &[&str]| ImageLine {
            name: Some(name.into()),
            shown_platforms: platforms
                .iter()
                .enumerate()
                .map(|(place, text)| ShownPlatform {
                    text: (*text).to_owned(),
                    is_present: place > 0,
                })
                .collect(),
            containers: Some(1),
            is_created_stated: number != 3,
            size: number * 12_345,
            missing_blobs: number % 2,
            ..ImageLine::id(&Algorithm::Sha256.hash(&number.to_le_bytes()), "named")
        };
        let lines = [
            line(1, "a", &["linux/amd64"]),
            line(2, "名前:タグ", &["linux/arm64", "linux/amd64"]),
            line(3, "e\u{301}\u{1b}[31m", &[]),
        ];
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let mut out = Vec::new();
        table(&lines.iter(), false, false, now, None, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
IMAGE         ID             PLATFORMS                    CREATED               USE        SIZE   UNIQUE
a             7c9fa136d441   (linux/amd64) (incomplete)   53 years ago          in use   12.3kB       0B
名前:タグ     d86e8112f3c4   (linux/arm64), linux/amd64   53 years ago          in use   24.7kB       0B
e\u{301}\\u{1b}[31m   35be322d094f   (incomplete)                 53 years ago (file)   in use     37kB       0B
"
        );
    }
}
