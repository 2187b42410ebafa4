//! `ocirm ls`.
//!
//! Of a single layout each line is printed as it is made, for there may be a million. Lines of several
//! layouts are collected first: they stand in one table. Either way nothing is printed before the
//! layout's lock is gone, for whoever reads the list may take long: a pager waits for a person.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::in_each::InEach;
use super::jobs::{Batch, Job, Results};
use super::session::Session;
use super::several::{self, say_failure};
use super::target_layouts::layouts_and_references;
use super::{container_files, failed, print};
use crate::cli::{LsArgs, Sort};
use crate::containers::Container;
use crate::containers::in_use::Uses;
use crate::error::{Error, ErrorKind};
use crate::inspect::listing::{ListedRecord, Listing, entries_by_kind, sort_by_age_or_name};
use crate::inspect::metadata::ImageMetadata;
use crate::inspect::order::Order;
use crate::inspect::tree::Trees;
use crate::layout::{Locked, Shared, Trash, Weight};
use crate::plan::ls::{ListOptions, Selected};
use crate::plan::{FilterUse, Filters, Refusal};
use crate::report::console::{Console, shown};
use crate::report::list::{Foot, ListFormat, ids, render, template};
use crate::report::list_lines::{ImageLine, TreeLine};
use crate::report::messages::matches_nothing;
use crate::report::{is_for_a_person, stdout_columns};
use crate::snapshot::{Graph, NodeId, RecordId, RecordKind, Snapshot, View};
use crate::value::digest::Digest;

pub(super) fn run(session: &Session, args: LsArgs) -> anyhow::Result<u8> {
    let now = Timestamp::now();
    let filters = Filters::parse(&args.filters, FilterUse::Ls, now, &TimeZone::system)?;
    let format = list_format(&args)?;
    let containers = container_files::containers(&args.containers)?;
    let (found, references) =
        layouts_and_references(session, args.recursive.as_deref(), args.references)?;
    let list = List {
        options: ListOptions::new(args.all, &references, filters)?,
        format,
        order: order(args.sort),
        reversed: args.reverse,
        full: args.no_trunc,
        now,
        tree: args.tree,
        containers: (!args.containers.is_empty()).then_some(containers),
        several: found.several,
        first_selected: AtomicUsize::new(usize::MAX),
        has_foot: !args.quiet && !args.tree && args.format == "table" && is_for_a_person(),
    };
    let console = session.console;
    let is_json = matches!(list.format, ListFormat::Json);
    let mut missing = Missing::default();
    if !found.several {
        let [path] = &*found.layouts else {
            return Ok(0);
        };
        let listed = list.layout(session, 0, path, None);
        let listed = listed.map_err(|error| several::in_json(is_json, path, error))?;
        missing.take(listed.missing);
        return Ok(listed.status.max(missing.say(console)));
    }
    let mut listed = ListedSoFar {
        status: found.say_failures(console),
        collected: Collected::default(),
        missing,
        failures: Vec::new(),
        console,
    };
    let batch = Batch {
        session,
        layouts: &found.layouts,
        groups: several::groups_to_look_at(&found),
        jobs: args.jobs.number(),
        beside: &[],
        what: "Listing",
    };
    if let Some(status) = batch.run(&list, &mut listed)? {
        return Ok(status);
    }
    let ListedSoFar {
        mut status,
        collected,
        missing,
        failures,
        ..
    } = listed;
    print(|out| match &list.format {
        ListFormat::Quiet => ids(collected.ids.iter(), list.full, out),
        format => {
            render(
                &collected.lines,
                format,
                list.full,
                now,
                stdout_columns(),
                out,
            )?;
            let foot = Foot::OfSeveral {
                images: collected.images,
                layouts: collected.layouts,
            };
            if list.has_foot {
                foot.write(out)
            } else {
                Ok(())
            }
        }
    })?;
    // All of them stand at the end, so none is said twice.
    for (path, error) in failures {
        status = status.max(say_failure(console, &path, error, is_json)?);
    }
    Ok(status.max(missing.say(console)))
}

/// A layout that was listed, with what it was collected into.
type OfLayout = anyhow::Result<(Listed, Collected)>;

impl Job<OfLayout> for List {
    fn work(&self, session: &Session, number: usize, path: &Path) -> OfLayout {
        let mut collected = Collected::default();
        let listed = self.layout(session, number, path, Some(&mut collected))?;
        Ok((listed, collected))
    }
}

/// What was listed so far.
struct ListedSoFar {
    status: u8,
    collected: Collected,
    missing: Missing,
    failures: Vec<(PathBuf, anyhow::Error)>,
    console: Console,
}

impl Results<OfLayout> for ListedSoFar {
    fn take(&mut self, path: &Path, listed: OfLayout) -> anyhow::Result<()> {
        match listed {
            Ok((listed, collected)) => {
                self.status = self.status.max(listed.status);
                self.missing.take(listed.missing);
                self.collected.add(collected);
            }
            Err(error) => self.failures.push((path.to_owned(), error)),
        }
        Ok(())
    }

    fn interrupted(&mut self, left: usize, signal: i32) -> anyhow::Result<u8> {
        Ok(several::interrupted(self.console, left, signal))
    }
}

/// The images of a layout as `ls` lists them, for a program that uses the crate. What is damaged says so of
/// itself.
///
/// # Errors
/// What keeps the layout from being read.
pub(super) fn images(session: &Session, path: &Path) -> anyhow::Result<Vec<ImageLine>> {
    let list = List {
        options: ListOptions::new(false, &[], Filters::default())?,
        format: ListFormat::Json,
        order: Order::Index,
        reversed: false,
        full: true,
        now: Timestamp::now(),
        tree: false,
        containers: None,
        // What was read is given back.
        several: true,
        first_selected: AtomicUsize::new(usize::MAX),
        has_foot: false,
    };
    let mut collected = Collected::default();
    list.layout(session, 0, path, Some(&mut collected))?;
    Ok(collected.lines)
}

fn list_format(args: &LsArgs) -> Result<ListFormat, Error> {
    match args.format.as_str() {
        _ if args.quiet => Ok(ListFormat::Quiet),
        "table" if args.tree => Ok(ListFormat::Tree),
        "table" => Ok(ListFormat::Table {
            digests: args.digests,
        }),
        "json" => Ok(ListFormat::Json),
        _ if args.tree => Err(Error::usage("--tree goes with the formats table and json")),
        text => match template(text) {
            Ok(template) => Ok(ListFormat::Template(template)),
            Err(e) => Err(Error::usage(format!("--format: {e}"))),
        },
    }
}

/// What was asked for, whichever the layout.
struct List {
    options: ListOptions,
    format: ListFormat,
    order: Order,
    /// All of it the other way round.
    reversed: bool,
    /// Whole digests.
    full: bool,
    now: Timestamp,
    tree: bool,
    containers: Option<Vec<Container>>,
    /// There are several layouts, so that lines say which they are of.
    several: bool,
    /// The number of the first layout in which the references were looked for.
    first_selected: AtomicUsize,
    /// Below the table a line says how much it is.
    has_foot: bool,
}

/// What finds nothing in one layout.
#[derive(Default)]
struct MissingHere {
    references: BTreeMap<String, Refusal>,
    filters: BTreeMap<String, Option<String>>,
}

/// What finds nothing in any layout so far.
#[derive(Default)]
struct Missing {
    references: InEach<Refusal>,
    filters: InEach<Option<String>>,
}

impl Missing {
    /// Takes what finds nothing in one more layout, in which anything was looked for.
    fn take(&mut self, here: Option<MissingHere>) {
        if let Some(here) = here {
            self.references.take(here.references);
            self.filters.take(here.filters);
        }
    }

    /// Says which references and filters find nothing, in whatever layout. The value is the exit status.
    fn say(self, console: Console) -> u8 {
        for (filter, instead) in self.filters.into_all() {
            console.warning(&shown(&matches_nothing(&filter, instead.as_deref())));
        }
        let mut status = 0;
        for (_, refusal) in self.references.into_all() {
            status = failed(console, &Error::from(refusal).into());
        }
        status
    }
}

/// What there is to say of a layout that was listed.
struct Listed {
    status: u8,
    missing: Option<MissingHere>,
}

/// What is listed of several layouts, and only then printed.
#[derive(Default)]
struct Collected {
    ids: Vec<Digest>,
    lines: Vec<ImageLine>,
    images: usize,
    layouts: usize,
}

impl Collected {
    fn add(&mut self, other: Collected) {
        self.ids.extend(other.ids);
        self.lines.extend(other.lines);
        self.images += other.images;
        self.layouts += other.layouts;
    }
}

fn order(sort: Sort) -> Order {
    match sort {
        Sort::Created => Order::Age,
        Sort::Size => Order::Size,
        Sort::Unique => Order::Unique,
        Sort::Name => Order::Name,
        Sort::None => Order::Index,
    }
}

impl List {
    /// Finds what the references select in a layout, and what they do not.
    fn select(&self, number: usize, view: &View) -> (Selected, MissingHere) {
        // What the first layout says of a reference is what is said of it in the end.
        let suggest = self.first_selected.load(Ordering::Relaxed) > number;
        let mut selected = self.options.select(view, suggest);
        self.first_selected.fetch_min(number, Ordering::Relaxed);
        let missing = MissingHere {
            references: std::mem::take(&mut selected.not_found),
            filters: std::mem::take(&mut selected.unmatched),
        };
        (selected, missing)
    }

    /// Lists one layout: into what is collected, or else at once. A damaged one is listed as far as it
    /// can be, and is a failure all the same.
    fn layout(
        &self,
        session: &Session,
        number: usize,
        path: &Path,
        into: Option<&mut Collected>,
    ) -> anyhow::Result<Listed> {
        let layout = session.open_to_look(path)?;
        match self.format {
            ListFormat::Quiet if self.order == Order::Index && self.options.need_only_kinds() => {
                self.ids_by_kind(session, layout, into)
            }
            // Sizes take more than what was read of documents.
            ListFormat::Quiet if !matches!(self.order, Order::Size | Order::Unique) => {
                self.ids(session, number, layout, into)
            }
            _ => self.images(session, number, layout, path, into),
        }
    }

    fn ids_by_kind(
        &self,
        session: &Session,
        layout: Locked<Shared>,
        into: Option<&mut Collected>,
    ) -> anyhow::Result<Listed> {
        let progress = session.progress("Reading", "manifests");
        let snapshot = Snapshot::read_kinds(&layout, &mut |done| progress.set(done))?;
        drop(layout);
        drop(progress);
        let status = warn(session, &snapshot.graph);
        let listed = entries_by_kind(&snapshot).filter(|(_, kind)| self.options.admit_kind(*kind));
        let mut digests: Vec<&Digest> = listed.map(|(digest, _)| digest).collect();
        if self.reversed {
            digests.reverse();
        }
        self.show_ids(digests.into_iter(), into)?;
        release(snapshot, !self.several);
        Ok(Listed {
            status,
            missing: None,
        })
    }

    fn ids(
        &self,
        session: &Session,
        number: usize,
        layout: Locked<Shared>,
        into: Option<&mut Collected>,
    ) -> anyhow::Result<Listed> {
        let snapshot = session.read(&layout, &[], &Trash::default())?;
        let metadata = ImageMetadata::new(&layout, &snapshot, self.now);
        if self.order != Order::Index || self.options.select_by_configs() {
            metadata.read_configs(self.options.wanted(), || ());
        }
        let (selected, missing) = self.select(number, &snapshot);
        let mut listed: Vec<RecordId> = self
            .options
            .records(&snapshot, &selected, &metadata)?
            .collect();
        let (order, reversed) = (self.order, self.reversed);
        sort_by_age_or_name(&snapshot, &metadata, &mut listed, order, reversed);
        release(metadata, !self.several);
        drop(layout);
        let status = warn(session, &snapshot.graph);
        let target = |id| snapshot.records.record(id).target;
        let digests = listed
            .into_iter()
            .map(|id| snapshot.graph.digest(target(id)));
        self.show_ids(digests, into)?;
        release(snapshot, !self.several);
        Ok(Listed {
            status,
            missing: Some(missing),
        })
    }

    fn show_ids<'s>(
        &self,
        listed: impl Iterator<Item = &'s Digest>,
        into: Option<&mut Collected>,
    ) -> anyhow::Result<()> {
        match into {
            Some(into) => into.ids.extend(listed.cloned()),
            None => print(|out| ids(listed, self.full, out))?,
        }
        Ok(())
    }

    fn images(
        &self,
        session: &Session,
        number: usize,
        layout: Locked<Shared>,
        path: &Path,
        into: Option<&mut Collected>,
    ) -> anyhow::Result<Listed> {
        let (stored, mut snapshot) = session.read_and_list(&layout, &[], None)?;
        let stored = stored.map_or_else(|_| Vec::new(), |listed| listed.blobs);
        if self.tree {
            let is_stray = |digest: &&Digest| snapshot.graph.find(digest).is_none();
            let unreferenced: Vec<Digest> = stored.iter().filter(is_stray).cloned().collect();
            snapshot.show_unlisted(&layout, &unreferenced);
        }
        let metadata = ImageMetadata::new(&layout, &snapshot, self.now);
        let stray = self
            .has_foot
            .then(|| strays(&layout, &snapshot.graph, &stored));
        let listing = Listing::new(&snapshot, metadata, stored, self.options.wanted());
        let (selected, missing) = self.select(number, &snapshot);
        let records = self
            .options
            .records(&snapshot, &selected, &listing.metadata)?;
        let mut listed = listing.listed(records);
        listing.sort(&mut listed, self.order, self.reversed);
        let trees = self.trees(&listing, &listed);
        let Listing { measures, metadata } = listing;
        release(metadata, !self.several);
        drop(layout);
        let status = warn(session, &snapshot.graph);
        let uses = Uses::new(&snapshot, self.containers.as_deref().unwrap_or_default());
        let name = self.several.then(|| path.display().to_string().into());
        let has_parts = matches!(self.format, ListFormat::Json | ListFormat::Template(_));
        let made = listed.iter().map(|record| {
            let target = snapshot.records.record(record.id).target;
            let users = || uses.of(target).len();
            ImageLine {
                layout: name.clone(),
                containers: self.containers.as_ref().map(|_| users()),
                tree: trees.get(&target).cloned(),
                ..ImageLine::new(&measures, record, has_parts)
            }
        });
        let foot = stray.map(|mut weight| {
            weight += measures.present();
            let is_image = |record: &&ListedRecord| !kind(&snapshot, record.id).is_dependent();
            let images = listed.iter().filter(is_image);
            let images = images.map(|record| snapshot.records.record(record.id).target);
            (images.collect::<HashSet<NodeId>>().len(), weight)
        });
        match into {
            Some(into) if matches!(self.format, ListFormat::Quiet) => {
                into.ids.extend(made.map(|line| line.digest));
            }
            Some(into) => {
                into.lines.extend(made);
                into.layouts += 1;
                into.images += foot.map_or(0, |(images, _)| images);
            }
            None => print(|out| {
                render(
                    made,
                    &self.format,
                    self.full,
                    self.now,
                    stdout_columns(),
                    out,
                )?;
                let foot = foot.map(|(images, stored)| Foot::OfOne { images, stored });
                foot.map_or(Ok(()), |foot| foot.write(out))
            })?,
        }
        release(measures, !self.several);
        release(snapshot, !self.several);
        Ok(Listed {
            status,
            missing: Some(missing),
        })
    }

    /// The tree of each image that is listed, if trees are shown. Its names share it.
    fn trees<M>(
        &self,
        listing: &Listing<'_, '_, M>,
        listed: &[ListedRecord],
    ) -> HashMap<NodeId, Arc<[TreeLine]>> {
        let mut made = HashMap::new();
        if self.tree {
            let config_of = |manifest| listing.metadata.config_of(manifest);
            let trees = Trees::new(listing.measures.snapshot, &config_of);
            for record in listed {
                let target = listing.measures.snapshot.records.record(record.id).target;
                made.entry(target).or_insert_with(|| {
                    TreeLine::of_branches(&listing.measures, &trees.of(target)).into()
                });
            }
        }
        made
    }
}

fn kind(snapshot: &View, id: RecordId) -> RecordKind {
    snapshot.records.record(id).kind
}

/// What of the stored blobs nothing leads to.
fn strays<M>(layout: &Locked<M>, graph: &Graph, stored: &[Digest]) -> Weight {
    let stray = stored.iter().filter(|digest| graph.find(digest).is_none());
    let stats = stray.filter_map(|digest| layout.stat_blob(digest).ok()?);
    stats.map(|stat| Weight::of_one(stat.size)).sum()
}

/// Lets go of what was read. Giving back the memory of a large layout piece by piece takes longer than
/// ending does; but before another layout is read it is given back.
fn release<T>(read: T, is_last: bool) {
    match is_last {
        true => std::mem::forget(read),
        false => drop(read),
    }
}

/// Says what is wrong with the layout; looking at it is possible all the same.
fn warn(session: &Session, graph: &Graph) -> u8 {
    for damage in graph.damage() {
        session.error(shown(&graph.describe(damage)));
    }
    match graph.damage() {
        [] => 0,
        _ => ErrorKind::Layout.exit_status(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_last_may_stay_in_memory() {
        for (is_last, left) in [(false, 1), (true, 2)] {
            let read = Arc::new(());
            release(read.clone(), is_last);
            assert_eq!(Arc::strong_count(&read), left);
        }
    }
}
