//! What `df` says: what a layout takes, what `prune` would free of it, and the same of several together.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::escape::write_json;
use super::fit::{Part, wrapped};
use super::messages::ReportedError;
use super::shorten::{message, visible};
use super::table::Rows;
use super::table::Side::{Left, Right};
use super::trash_list::{MOST_NAMES, give, write_removals};
use super::units::{size, total};
use super::version::Version;
use crate::inspect::disk_use::{Amount, DiskUse, NamedFile, Parts, Taken};
use crate::inspect::removals::ListedRemoval;
use crate::snapshot::View;
use crate::value::digest::Digest;
use crate::words::listed;

/// Where files may share blocks.
const AT_MOST: &str =
    "PRUNE, LATER and PRUNE -A may be less: other files may have the same blocks.";

/// Bytes that leave the disk with a prune.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Freed {
    /// All of them.
    pub(crate) bytes: u64,
    /// Of them, with blobs that something led to.
    pub(crate) images: u64,
    /// With blobs that nothing led to before.
    pub(crate) unreferenced: u64,
    /// With removals that were in the trash for long enough.
    pub(crate) trash: u64,
}

impl Freed {
    pub(crate) fn new(images: u64, unreferenced: u64, trash: u64) -> Freed {
        Freed {
            bytes: total([images, unreferenced, trash].into_iter()),
            images,
            unreferenced,
            trash,
        }
    }

    /// Both together.
    pub(crate) fn with(self, other: Freed) -> Freed {
        let sum = |a: u64, b: u64| a.saturating_add(b);
        Freed {
            bytes: sum(self.bytes, other.bytes),
            images: sum(self.images, other.images),
            unreferenced: sum(self.unreferenced, other.unreferenced),
            trash: sum(self.trash, other.trash),
        }
    }

    /// What this is more than another.
    pub(crate) fn beyond(self, other: Freed) -> Freed {
        Freed::new(
            self.images.saturating_sub(other.images),
            self.unreferenced.saturating_sub(other.unreferenced),
            self.trash.saturating_sub(other.trash),
        )
    }
}

/// What prunes would free; `None` where that cannot be known.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct FreedBy {
    /// `prune`, now.
    pub(crate) prune: Option<Freed>,
    /// `prune` besides, if nothing were too young and nobody were writing.
    pub(crate) later: Option<Freed>,
    /// `prune --all`, now.
    pub(crate) prune_all: Option<Freed>,
    /// It may be less, since other files may have the same blocks.
    pub(crate) freed_at_most: bool,
}

impl FreedBy {
    fn nothing() -> FreedBy {
        let nothing = Some(Freed::default());
        FreedBy {
            prune: nothing,
            later: nothing,
            prune_all: nothing,
            freed_at_most: false,
        }
    }

    /// That is still to be found out.
    pub(crate) fn unknown(freed_at_most: bool) -> FreedBy {
        FreedBy {
            prune: None,
            later: None,
            prune_all: None,
            freed_at_most,
        }
    }

    /// What is not known of one is not known of both.
    fn with(self, other: FreedBy) -> FreedBy {
        let both = |one: Option<Freed>, other: Option<Freed>| Some(one?.with(other?));
        FreedBy {
            prune: both(self.prune, other.prune),
            later: both(self.later, other.later),
            prune_all: both(self.prune_all, other.prune_all),
            freed_at_most: self.freed_at_most || other.freed_at_most,
        }
    }

    /// The cells of a line, of a part of what is freed.
    fn cells(&self, part: impl Fn(Freed) -> u64) -> [Cow<'static, str>; 3] {
        [self.prune, self.later, self.prune_all].map(|freed| match freed {
            Some(freed) => size(part(freed)).into(),
            None => "unknown".into(),
        })
    }

    /// Says it where it may be less, once for all cells.
    fn say_at_most(&self, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
        match self.freed_at_most {
            true => write_sentence(AT_MOST, columns, out),
            false => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Images {
    /// How many images.
    count: usize,
    #[serde(flatten)]
    amount: Amount,
    /// What more than one of them has, or another layout.
    shared: Amount,
}

#[derive(Debug, Serialize)]
struct Files {
    #[serde(flatten)]
    amount: Amount,
    paths: Vec<NamedFile>,
}

#[derive(Debug, Serialize)]
struct TrashUse {
    #[serde(flatten)]
    amount: Amount,
    removals: Vec<ListedRemoval>,
}

#[derive(Debug, Serialize)]
struct Largest {
    digest: Digest,
    kind: &'static str,
    bytes: u64,
    on_disk: u64,
    /// The first names that lead to it.
    names: Vec<Arc<str>>,
    /// How many entries do.
    entries: usize,
}

/// What a layout takes. Serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct DiskUseReport {
    version: Version,
    layout: String,
    images: Images,
    unreferenced: Amount,
    trash: TrashUse,
    temporary: Files,
    other: Files,
    #[serde(flatten)]
    all: Amount,
    #[serde(flatten)]
    pub(crate) freed: FreedBy,
    largest: Vec<Largest>,
    /// Why no more would go.
    pub(crate) notes: Vec<String>,
    /// What is not known, and why.
    pub(crate) errors: Vec<ReportedError>,
    /// What no layout before this one has as well.
    #[serde(skip)]
    pub(crate) of_run: Taken,
    #[serde(skip)]
    parts: Parts,
}

impl DiskUseReport {
    /// Puts a report together, without notes and errors.
    pub(crate) fn new(
        layout: &Path,
        snapshot: &View,
        used: DiskUse,
        removals: Vec<ListedRemoval>,
        freed: FreedBy,
    ) -> DiskUseReport {
        let images = snapshot.records.iter();
        let images = images.filter(|(_, record)| !record.kind.is_dependent());
        let mut targets: Vec<usize> = images.map(|(_, record)| record.target.index()).collect();
        targets.sort_unstable();
        targets.dedup();
        let largest = used.largest.into_iter().map(|blob| Largest {
            kind: match blob.node {
                Some(node) => snapshot.graph.kind(node).word(),
                None => "unreferenced",
            },
            digest: blob.digest,
            bytes: blob.bytes,
            on_disk: blob.on_disk,
            names: blob.names,
            entries: blob.entries,
        });
        DiskUseReport {
            version: Version,
            layout: layout.display().to_string(),
            images: Images {
                count: targets.len(),
                amount: used.parts.images,
                shared: used.shared,
            },
            unreferenced: used.parts.unreferenced,
            trash: TrashUse {
                amount: used.parts.trash,
                removals,
            },
            temporary: Files {
                amount: used.parts.temporary,
                paths: used.temporary_files,
            },
            other: Files {
                amount: used.parts.other,
                paths: used.other_files,
            },
            all: used.parts.total(),
            freed,
            largest: largest.collect(),
            notes: Vec::new(),
            errors: used
                .failures
                .into_iter()
                .map(ReportedError::failed)
                .collect(),
            of_run: Taken::default(),
            parts: used.parts,
        }
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }

    /// Writes the tables, as far as that goes in so many columns.
    pub(crate) fn write_text(
        &self,
        verbose: bool,
        columns: Option<usize>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let nothing = [""; 3].map(Cow::Borrowed);
        let lines = [
            (
                "Images",
                self.images.count as u64,
                self.parts.images,
                self.freed.cells(|of| of.images),
            ),
            (
                "  shared",
                self.images.shared.files,
                self.images.shared,
                nothing.clone(),
            ),
            (
                "Unreferenced blobs",
                self.unreferenced.files,
                self.unreferenced,
                self.freed.cells(|of| of.unreferenced),
            ),
            (
                "Trash",
                self.trash.removals.len() as u64,
                self.trash.amount,
                self.freed.cells(|of| of.trash),
            ),
            (
                "Temporary files",
                self.temporary.amount.files,
                self.temporary.amount,
                nothing.clone(),
            ),
            (
                "Everything else",
                self.other.amount.files,
                self.other.amount,
                nothing,
            ),
        ];
        let mut rows = Rows::new(vec![Left, Right, Right, Right, Right, Right, Right]);
        let head = [
            "TYPE", "COUNT", "SIZE", "ON DISK", "PRUNE", "LATER", "PRUNE -A",
        ];
        rows.add(head.map(Cow::Borrowed));
        let all = ("Total", None, self.all, self.freed.cells(|of| of.bytes));
        let lines = lines.map(|(title, count, amount, freed)| (title, Some(count), amount, freed));
        for (title, count, amount, freed) in lines.into_iter().chain([all]) {
            let count = count.map_or(String::new(), |count| count.to_string());
            let sizes = [
                title.to_owned(),
                count,
                size(amount.bytes),
                size(amount.on_disk),
            ];
            rows.add(sizes.map(Cow::Owned).into_iter().chain(freed));
        }
        rows.write(out)?;
        self.freed.say_at_most(columns, out)?;
        if !self.trash.removals.is_empty() {
            writeln!(out)?;
            write_removals(&self.trash.removals, verbose, columns, out)?;
        }
        if verbose {
            self.write_largest(columns, out)?;
            write_files("TEMPORARY FILE", &self.temporary.paths, columns, out)?;
            write_files("OTHER FILE", &self.other.paths, columns, out)?;
        }
        if !self.notes.is_empty() {
            writeln!(out)?;
        }
        for note in &self.notes {
            write_sentence(&format!("prune: {}", message(note)), columns, out)?;
        }
        Ok(())
    }

    fn write_largest(&self, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
        if self.largest.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let mut rows = Rows::new(vec![Left, Left, Right, Right, Left]);
        rows.add(["LARGEST BLOBS", "KIND", "SIZE", "ON DISK", "OF"].map(Cow::Borrowed));
        for blob in &self.largest {
            let mut names: Vec<String> = blob
                .names
                .iter()
                .take(MOST_NAMES)
                .map(|name| visible(name).into_owned())
                .collect();
            // Whoever is left out is counted, and need not have a name here.
            names.resize(blob.entries, String::new());
            rows.add([
                blob.digest.short().into(),
                blob.kind.into(),
                size(blob.bytes).into(),
                size(blob.on_disk).into(),
                match (&*names, blob.kind) {
                    ([], "unreferenced") => Cow::Borrowed(""),
                    ([], _) => "manifest.json or another layout".into(),
                    (names, _) => listed(names, MOST_NAMES).into(),
                },
            ]);
        }
        rows.write_within(columns, &[give(4, Part::End)], out)
    }
}

fn write_sentence(text: &str, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    match columns {
        Some(columns) => writeln!(out, "{}", wrapped(text, columns)),
        None => writeln!(out, "{text}"),
    }
}

fn write_files(
    title: &'static str,
    files: &[NamedFile],
    columns: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut rows = Rows::new(vec![Left, Right, Right, Left]);
    rows.add([title, "SIZE", "ON DISK", "MODIFIED (UTC)"].map(Cow::Borrowed));
    for file in files {
        rows.add([
            visible(&file.path),
            size(file.bytes).into(),
            size(file.on_disk).into(),
            file.modified.strftime("%Y-%m-%d %H:%M").to_string().into(),
        ]);
    }
    rows.write_within(columns, &[give(0, Part::Start)], out)
}

/// Several layouts together. Serialised, it is the last object that `--format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct TotalUse {
    version: Version,
    /// How many.
    layouts: usize,
    images: Images,
    unreferenced: Amount,
    trash: Amount,
    temporary: Amount,
    other: Amount,
    /// Each file once.
    #[serde(flatten)]
    all: Amount,
    #[serde(flatten)]
    freed: FreedBy,
    #[serde(skip)]
    lines: Vec<(String, usize, Amount, FreedBy)>,
    /// What they take together if what several of them have is counted in each.
    #[serde(skip)]
    alone: Amount,
}

impl TotalUse {
    pub(crate) fn new() -> TotalUse {
        TotalUse {
            version: Version,
            layouts: 0,
            images: Images::default(),
            unreferenced: Amount::default(),
            trash: Amount::default(),
            temporary: Amount::default(),
            other: Amount::default(),
            all: Amount::default(),
            freed: FreedBy::nothing(),
            lines: Vec::new(),
            alone: Amount::default(),
        }
    }

    pub(crate) fn add(&mut self, report: &DiskUseReport) {
        let parts = &report.of_run.parts;
        self.layouts += 1;
        self.images.count += report.images.count;
        self.images.amount += parts.images;
        self.images.shared += report.of_run.shared;
        self.unreferenced += parts.unreferenced;
        self.trash += parts.trash;
        self.temporary += parts.temporary;
        self.other += parts.other;
        self.all += parts.total();
        self.alone += report.all;
        self.freed = self.freed.with(report.freed);
        let layout = report.layout.clone();
        self.lines
            .push((layout, report.images.count, report.all, report.freed));
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }

    /// Writes a table with a line for each layout and one for all, as far as that goes in so many columns.
    pub(crate) fn write_text(&self, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = Rows::new(vec![Left, Right, Right, Right, Right, Right, Right]);
        let head = [
            "LAYOUT", "IMAGES", "SIZE", "ON DISK", "PRUNE", "LATER", "PRUNE -A",
        ];
        rows.add(head.map(Cow::Borrowed));
        let lines = self.lines.iter();
        let lines =
            lines.map(|(layout, images, amount, freed)| (&**layout, *images, *amount, *freed));
        let all = ("Total", self.images.count, self.all, self.freed);
        for (title, images, amount, freed) in lines.chain([all]) {
            let cells = [images.to_string(), size(amount.bytes), size(amount.on_disk)];
            let cells = [visible(title)].into_iter().chain(cells.map(Cow::Owned));
            rows.add(cells.chain(freed.cells(|of| of.bytes)));
        }
        rows.write_within(columns, &[give(0, Part::Start)], out)?;
        self.freed.say_at_most(columns, out)?;
        // What the lines have in common, and the last one counts once.
        match self.alone.on_disk.saturating_sub(self.all.on_disk) {
            0 => Ok(()),
            bytes => {
                let bytes = size(bytes);
                let text = format!(
                    "{bytes} on the disk that several layouts have are counted once in the total."
                );
                write_sentence(&text, columns, out)
            }
        }
    }
}
