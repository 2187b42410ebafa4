//! `ocirm ls`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::rc::Rc;

use anyhow::Context as _;
use foldhash::fast::RandomState;
use indexmap::IndexSet;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::session::Session;
use super::target_layouts::target_layouts;
use super::{container_files, failed};
use crate::cli::LsArgs;
use crate::containers::in_use::Uses;
use crate::containers::parse::Container;
use crate::error::{Error, ErrorKind};
use crate::inspect::metadata::{ImageMetadata, PlatformManifests};
use crate::inspect::sizes::{Sizes, sizes};
use crate::inspect::tree::{Branch, Trees};
use crate::layout::{Locked, Shared};
use crate::oci::config::Wanted;
use crate::plan::Draft;
use crate::plan::filter::{FilterUse, Filters, Pattern};
use crate::plan::prune::passes;
use crate::report::console::shown;
use crate::report::list::{ImageLine, ListFormat, TreeLine, ids, render, template};
use crate::report::write_to_stdout;
use crate::snapshot::graph::{Follow, Graph, NodeId};
use crate::snapshot::names::{Name, meaning};
use crate::snapshot::platform_manifests::PlatformManifest;
use crate::snapshot::records::{Record, RecordId, RecordKind};
use crate::snapshot::{Snapshot, View};
use crate::value::digest::Digest;
use crate::value::platform::Platform;

pub(super) fn run(session: &Session, args: LsArgs) -> anyhow::Result<u8> {
    let now = Timestamp::now();
    let filters = Filters::parse(&args.filters, FilterUse::Ls, now, &TimeZone::system)?;
    let format = match args.format.as_str() {
        _ if args.quiet => ListFormat::Quiet,
        "table" if args.tree => ListFormat::Tree,
        "table" => ListFormat::Table {
            digests: args.digests,
        },
        "json" => ListFormat::Json,
        _ if args.tree => {
            return Err(Error::usage("--tree goes with the formats table and json").into());
        }
        text => ListFormat::Template(
            template(text).map_err(|e| Error::usage(format!("--format: {e}")))?,
        ),
    };
    let containers = container_files::containers(&args.containers)?;
    let (found, references) = target_layouts(session, args.recursive.as_deref(), args.references)?;
    let wanted = references
        .iter()
        .map(|text| Asked::parse(text))
        .collect::<Result<Vec<_>, Error>>()?;
    let selection = Selection {
        format: &format,
        full: args.no_trunc,
        now,
        all: args.all,
        wanted,
        filters,
        tree: args.tree,
        containers: (!args.containers.is_empty()).then_some(&containers),
        name_layout: found.several,
    };
    if !found.several {
        let [path] = &*found.layouts else {
            return Ok(0);
        };
        return selection.list(session, path, None);
    }
    let mut lines = Vec::new();
    let mut status = 0;
    for failure in &found.failures {
        session.console.error(&shown(failure));
        status = ErrorKind::Failed.exit_status();
    }
    let mut failures = Vec::new();
    for path in &found.layouts {
        match selection.list(session, path, Some(&mut lines)) {
            Ok(one) => status = status.max(one),
            Err(error) => {
                failures.push(error.context(format!("in the layout `{}`", path.display())));
            }
        }
    }
    print(|out| render(&lines, &format, args.no_trunc, now, out))?;
    for error in failures {
        status = status.max(failed(session.console, &error));
    }
    Ok(status)
}

fn print(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> anyhow::Result<()> {
    write_to_stdout(write).context("cannot write to standard output")
}

/// What to list.
struct Selection<'a> {
    format: &'a ListFormat,
    /// Whole digests.
    full: bool,
    now: Timestamp,
    all: bool,
    wanted: Vec<Asked>,
    filters: Filters,
    tree: bool,
    containers: Option<&'a Vec<Container>>,
    name_layout: bool,
}

impl Selection<'_> {
    fn is_quiet(&self) -> bool {
        matches!(self.format, ListFormat::Quiet)
    }

    /// Adds the lines of one layout to `lines`, or prints them, each as it is made. A damaged layout
    /// is listed as far as it can be, and is a failure all the same.
    fn list(
        &self,
        session: &Session,
        path: &Path,
        lines: Option<&mut Vec<ImageLine>>,
    ) -> anyhow::Result<u8> {
        let layout = session.open_to_look(path)?;
        if self.is_quiet() && self.filters.is_empty() && self.wanted.is_empty() {
            return self.list_ids(session, &layout, lines);
        }
        let (stored, snapshot) = session.read_and_list(&layout, &[])?;
        let wanted = match self.filters.need_configs() {
            true => Wanted::Labels,
            false => Wanted::Dates,
        };
        let listing = Listing::new(&layout, &snapshot, stored.unwrap_or_default(), wanted);
        let status = self.list_images(session, path, &listing, lines)?;
        if self.name_layout {
            drop(listing);
        } else {
            // Giving back the memory of a large layout piece by piece takes longer than ending does.
            std::mem::forget(listing);
            std::mem::forget(snapshot);
        }
        Ok(status)
    }

    fn list_images<M>(
        &self,
        session: &Session,
        path: &Path,
        listing: &Listing<'_, M>,
        lines: Option<&mut Vec<ImageLine>>,
    ) -> anyhow::Result<u8> {
        let snapshot = listing.snapshot;
        let rows = self.rows(listing)?;
        let uses = Uses::new(snapshot, self.containers.map_or(&[], Vec::as_slice));
        let config_of = |manifest| listing.metadata.config_of(manifest);
        let trees = self.tree.then(|| Trees::new(snapshot, &config_of));
        let trees_of: RefCell<HashMap<NodeId, Rc<[TreeLine]>>> = RefCell::default();
        let tree = |image: NodeId| -> Option<Rc<[TreeLine]>> {
            let trees = trees.as_ref()?;
            let known = trees_of.borrow().get(&image).cloned();
            Some(known.unwrap_or_else(|| {
                let made: Rc<[TreeLine]> = listing.tree(&trees.of(image)).into();
                trees_of.borrow_mut().insert(image, made.clone());
                made
            }))
        };
        let layout: Option<Rc<str>> = self
            .name_layout
            .then(|| path.display().to_string().as_str().into());
        let has_parts = matches!(self.format, ListFormat::Json | ListFormat::Template(_));
        let line = |row: &Row| {
            let target = snapshot.records.record(row.id).target;
            let users = uses.of_image(target).len() + uses.mounted(target).len();
            ImageLine {
                layout: layout.clone(),
                containers: self.containers.map(|_| users),
                tree: tree(target),
                ..listing.line(row, has_parts)
            }
        };
        let status = warn(session, &snapshot.graph);
        let made = rows.iter().map(&line);
        match lines {
            Some(lines) => lines.extend(made),
            None if self.is_quiet() => {
                let target = |row: &Row| snapshot.records.record(row.id).target;
                let digests = rows.iter().map(|row| snapshot.graph.digest(target(row)));
                print(|out| ids(digests, self.full, out))?;
            }
            None => print(|out| render(made, self.format, self.full, self.now, out))?,
        }
        Ok(status)
    }

    /// What is listed, in the order in which it is.
    fn rows<M>(&self, listing: &Listing<'_, M>) -> anyhow::Result<Vec<Row>> {
        let snapshot = listing.snapshot;
        let bounds = Bounds::find(listing, &self.filters)?;
        let dangling = self.filters.dangling;
        let records = snapshot.records.iter();
        let mut rows = Vec::with_capacity(records.len());
        rows.extend(
            records
                .filter(|(_, record)| self.all || !record.kind.is_dependent())
                .filter(|(id, record)| {
                    is_wanted(record, &snapshot.graph, &self.wanted)
                        && dangling.is_none_or(|d| d == (record.kind == RecordKind::Dangling))
                        && passes(*id, record, &self.filters, &listing.metadata)
                        && bounds.admit(listing, *id)
                })
                .map(|(id, _)| match self.is_quiet() {
                    true => Row::of(id),
                    false => listing.row(id),
                }),
        );
        if !self.is_quiet() {
            rows.sort_by_key(|row| std::cmp::Reverse(row.created));
            // Names are only made for those that nothing else tells apart.
            for same in rows.chunk_by_mut(|a, b| a.created == b.created) {
                same.sort_by_cached_key(|row| {
                    let record = snapshot.records.record(row.id);
                    (name(record), snapshot.graph.digest(record.target))
                });
            }
        }
        Ok(rows)
    }

    /// Lists what a list of IDs shows, without reading what it does not.
    fn list_ids(
        &self,
        session: &Session,
        layout: &Locked<Shared>,
        lines: Option<&mut Vec<ImageLine>>,
    ) -> anyhow::Result<u8> {
        let mut progress = session.console.progress("reading manifests");
        let snapshot = Snapshot::read_kinds(layout, &mut |done| progress.update(done, None))?;
        drop(progress);
        let kind = |position: usize| {
            let id = snapshot.records.of_entry(position);
            id.map_or(RecordKind::Named, |id| snapshot.records.record(id).kind)
        };
        let entries = snapshot.index.entries().iter().enumerate();
        let listed = entries.filter_map(|(position, entry)| {
            let kind = kind(position);
            let is_listed = self.all || !kind.is_dependent();
            let digest = entry.digest.as_ref().filter(|_| is_listed)?;
            Some((digest, kind))
        });
        let status = warn(session, &snapshot.graph);
        match lines {
            Some(lines) => {
                lines.extend(listed.map(|(digest, kind)| ImageLine::id(digest, kind.word())));
            }
            None => print(|out| ids(listed.map(|(digest, _)| digest), self.full, out))?,
        }
        std::mem::forget(snapshot);
        Ok(status)
    }
}

/// A reference that was given.
struct Asked {
    text: String,
    pattern: Pattern,
    /// If it is one.
    digest: Option<Digest>,
}

impl Asked {
    fn parse(text: &str) -> Result<Asked, Error> {
        Ok(Asked {
            text: text.to_owned(),
            pattern: Pattern::parse(text)?,
            digest: text.parse().ok(),
        })
    }
}

/// Whether any of the references selects a record; without any, all are selected.
fn is_wanted(record: &Record, graph: &Graph, wanted: &[Asked]) -> bool {
    wanted.is_empty()
        || wanted.iter().any(|asked| {
            asked.digest.as_ref() == Some(graph.digest(record.target))
                || name(record).is_some_and(|name| *name == asked.text)
                || asked.pattern.matches(&record.name, record.key())
        })
}

/// The dates that `before` and `since` compare with.
struct Bounds {
    before: Vec<Timestamp>,
    since: Vec<Timestamp>,
}

impl Bounds {
    fn find<M>(listing: &Listing<'_, M>, filters: &Filters) -> anyhow::Result<Bounds> {
        let date = |text: &String| {
            let mut draft = Draft::new(listing.snapshot);
            let found = draft
                .look_up(text)
                .map_err(|refusal| Error::new(ErrorKind::Failed, refusal.message))?;
            listing.metadata.built(found.set[0]).ok_or_else(|| {
                Error::new(
                    ErrorKind::Failed,
                    format!("`{text}` has no date to compare with"),
                )
            })
        };
        Ok(Bounds {
            before: filters.before.iter().map(date).collect::<Result<_, _>>()?,
            since: filters.since.iter().map(date).collect::<Result<_, _>>()?,
        })
    }

    fn admit<M>(&self, listing: &Listing<'_, M>, id: RecordId) -> bool {
        if self.before.is_empty() && self.since.is_empty() {
            return true;
        }
        // Docker compares what the configs say, and an image without a date never passes.
        listing.metadata.built(id).is_some_and(|built| {
            self.before.iter().all(|bound| built < *bound)
                && self.since.iter().all(|bound| built > *bound)
        })
    }
}

/// What a line is made from when its turn comes, beside what the table says.
#[derive(Clone, Copy)]
struct Row {
    id: RecordId,
    created: Timestamp,
    /// The number of its [`Platforms`], where they are shown.
    platforms: Option<usize>,
}

impl Row {
    /// One of which only the ID is shown.
    fn of(id: RecordId) -> Row {
        Row {
            id,
            created: Timestamp::UNIX_EPOCH,
            platforms: None,
        }
    }
}

/// The platforms that an image lists, and those of them that are missing.
type Platforms = (Rc<[String]>, Rc<[String]>);

/// Which platforms images have: few differ.
#[derive(Default)]
struct PlatformLists {
    lists: IndexSet<Platforms, RandomState>,
    /// Those of images that offer one.
    of_one: HashMap<Platform, usize, RandomState>,
    /// Those of images that offer several. Names of one image share its offer, which is held so that
    /// no other comes to be in the same place.
    of_several: HashMap<*const PlatformManifests, (Rc<PlatformManifests>, usize), RandomState>,
}

struct Listing<'a, M> {
    snapshot: &'a View,
    metadata: ImageMetadata<'a, M>,
    sizes: Sizes,
    present: Vec<bool>,
    /// What needs something that cannot be trusted.
    damaged: HashSet<NodeId>,
    platforms: RefCell<PlatformLists>,
}

impl<'a, M> Listing<'a, M> {
    /// `stored` are the blobs that are there. A list that is not complete only shows less as present.
    fn new(layout: &'a Locked<M>, snapshot: &'a View, stored: Vec<Digest>, wanted: Wanted) -> Self {
        let graph = &snapshot.graph;
        let mut listing = Listing {
            platforms: RefCell::default(),
            snapshot,
            metadata: ImageMetadata::new(layout, snapshot),
            sizes: Sizes::default(),
            present: vec![false; graph.len()],
            damaged: HashSet::new(),
        };
        let present = &mut listing.present;
        listing.metadata.read_configs(wanted, || {
            for node in stored.into_iter().filter_map(|digest| graph.find(&digest)) {
                present[node.index()] = true;
            }
            listing.sizes = sizes(snapshot, present);
            if let damage @ [_, ..] = graph.damage() {
                let nodes = damage.iter().map(|damage| damage.node);
                listing.damaged = graph.above(nodes, Follow::Needed);
            }
        });
        listing
    }

    fn row(&self, id: RecordId) -> Row {
        let offer = self.metadata.platform_manifests(id);
        Row {
            id,
            created: self.metadata.created_with(id, &offer),
            platforms: Some(self.platforms(&offer)),
        }
    }

    /// `has_parts`: whether the parts of the name are shown.
    fn line(&self, row: &Row, has_parts: bool) -> ImageLine {
        let graph = &self.snapshot.graph;
        let record = self.snapshot.records.record(row.id);
        let sizes = self.sizes[&record.target];
        let platforms = self.platforms.borrow();
        let platforms = row
            .platforms
            .and_then(|number| platforms.lists.get_index(number))
            .cloned();
        let (platforms, missing_platforms) = platforms.unwrap_or_default();
        let (repository, tag) = match &record.name {
            _ if !has_parts => (None, None),
            Name::Reference(reference) => (
                Some(reference.familiar_repository()),
                reference.tag().map(str::to_owned),
            ),
            Name::Tag(tag) => (None, Some(tag.clone())),
            Name::Raw(text) => match meaning(text) {
                Some(reference) => (
                    Some(reference.familiar_repository()),
                    reference.tag().map(str::to_owned),
                ),
                None => (None, None),
            },
            Name::Dangling => (None, None),
        };
        let entry = &self.snapshot.index.entries()[record.entries[0]];
        ImageLine {
            layout: None,
            containers: None,
            tree: None,
            name: name(record).map(Cow::into_owned),
            repository,
            tag,
            digest: graph.digest(record.target).clone(),
            kind: record.kind.word(),
            media_type: entry
                .media_type
                .as_deref()
                .filter(|_| has_parts)
                .map(str::to_owned),
            platforms,
            missing_platforms,
            created: row.created,
            size: sizes.size,
            unique: sizes.unique,
            missing_blobs: sizes.missing,
            damaged: self.damaged.contains(&record.target),
        }
    }

    /// The number of the platforms that an image lists.
    fn platforms(&self, offer: &Rc<PlatformManifests>) -> usize {
        let mut known = self.platforms.borrow_mut();
        if let [only] = &*offer.all
            && let Some(platform) = only.platform.as_ref().filter(|_| only.is_present)
        {
            if let Some(number) = known.of_one.get(platform) {
                return *number;
            }
            let (number, _) = known.lists.insert_full(platforms(&offer.all));
            known.of_one.insert(platform.clone(), number);
            return number;
        }
        if let Some((_, number)) = known.of_several.get(&Rc::as_ptr(offer)) {
            return *number;
        }
        let (number, _) = known.lists.insert_full(platforms(&offer.all));
        if offer.all.len() > 1 {
            let held = (offer.clone(), number);
            known.of_several.insert(Rc::as_ptr(offer), held);
        }
        number
    }

    fn tree(&self, branches: &[Branch]) -> Vec<TreeLine> {
        let graph = &self.snapshot.graph;
        let branch = |branch: &Branch| TreeLine {
            role: branch.role,
            platform: branch.platform.clone(),
            digest: graph.digest(branch.node).clone(),
            present: self.present[branch.node.index()],
            size: graph
                .needed_below(branch.node)
                .into_iter()
                .filter(|node| self.present[node.index()])
                .fold(0, |sum: u64, node| sum.saturating_add(graph.size(node))),
            names: branch.names.clone(),
            children: self.tree(&branch.below),
            elided: branch.elided,
        };
        branches.iter().map(branch).collect()
    }
}

/// What is shown as the name of a record that has one.
fn name(record: &Record) -> Option<Cow<'_, str>> {
    match &record.name {
        Name::Reference(reference) => Some(Cow::Owned(reference.familiar())),
        Name::Tag(text) | Name::Raw(text) => Some(Cow::Borrowed(text)),
        Name::Dangling => None,
    }
}

/// The platforms of an image, and those of them that are missing.
fn platforms(platform_manifests: &[PlatformManifest]) -> Platforms {
    let (mut all, mut missing) = (IndexSet::new(), IndexSet::new());
    for variant in platform_manifests {
        if let Some(platform) = variant.platform.as_ref().filter(|p| !p.is_unknown())
            && *platform != Platform::default()
        {
            let text = platform.to_string();
            if !variant.is_present {
                missing.insert(text.clone());
            }
            all.insert(text);
        }
    }
    let list = |set: IndexSet<String>| set.into_iter().collect::<Rc<[String]>>();
    (list(all), list(missing))
}

/// Says what is wrong with the layout; looking at it is possible all the same.
fn warn(session: &Session, graph: &Graph) -> u8 {
    for damage in graph.damage() {
        session.console.error(&format!(
            "the blob {} {}: {}",
            graph.digest(damage.node),
            if damage.unreadable {
                "cannot be read"
            } else {
                "is damaged"
            },
            shown(&damage.reason)
        ));
    }
    match graph.damage() {
        [] => 0,
        _ => ErrorKind::Layout.exit_status(),
    }
}
