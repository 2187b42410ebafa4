//! `ocirm ls`.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use anyhow::Context as _;
use indexmap::IndexSet;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::locate::locate_all;
use super::{Session, failed, load_and_list, open_to_look, told};
use crate::cli::LsArgs;
use crate::error::{Error, Kind};
use crate::image::Contents;
use crate::image::containers::Container;
use crate::image::facts::{Facts, Offer};
use crate::image::graph::{Follow, Graph, NodeId};
use crate::image::platform::Platform;
use crate::image::table::{Kind as RecordKind, Name, Record, RecordId, meaning};
use crate::image::tree::{Branch, Trees};
use crate::image::usage::{ImageUsage, usage};
use crate::layout::{Digest, Locked, Shared};
use crate::plan::Draft;
use crate::plan::filter::{FilterUse, Filters, Pattern};
use crate::plan::in_use::Uses;
use crate::plan::prune::passes;
use crate::report::console::shown;
use crate::report::list::{ImageLine, ListFormat, TreeLine, render, template};
use crate::report::write_to_stdout;

pub(super) fn run(session: &Session, args: LsArgs) -> anyhow::Result<u8> {
    let now = Timestamp::now();
    let filters = Filters::parse(&args.filters, FilterUse::Ls, now, &TimeZone::system())?;
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
    let containers = told::containers(&args.containers)?;
    let (found, references) = locate_all(session, args.recursive.as_deref(), args.references)?;
    let wanted = references
        .iter()
        .map(|text| Ok((text.clone(), Pattern::parse(text)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let selection = Selection {
        all: args.all,
        wanted,
        filters,
        tree: args.tree,
        containers: (!args.containers.is_empty()).then_some(&containers),
        name_layout: found.several,
        quiet: args.quiet,
    };
    let mut lines = Vec::new();
    let mut status = 0;
    for failure in &found.failures {
        session.console.error(&shown(failure));
        status = Kind::Failed.exit_status();
    }
    let mut failures = Vec::new();
    for path in &found.layouts {
        match selection.list(session, path, &mut lines) {
            Ok(one) => status = status.max(one),
            Err(error) if !found.several => return Err(error),
            Err(error) => {
                failures.push(error.context(format!("in the layout `{}`", path.display())));
            }
        }
    }
    write_to_stdout(|out| render(&lines, &format, args.no_trunc, now, out))
        .context("cannot write to standard output")?;
    for error in failures {
        status = status.max(failed(session.console, &error));
    }
    Ok(status)
}

/// What to list.
struct Selection<'a> {
    all: bool,
    wanted: Vec<(String, Pattern)>,
    filters: Filters,
    tree: bool,
    containers: Option<&'a Vec<Container>>,
    name_layout: bool,
    quiet: bool,
}

impl Selection<'_> {
    /// Adds the lines of one layout. A damaged one is listed as far as it can be, and is a failure
    /// all the same.
    fn list(
        &self,
        session: &Session,
        path: &Path,
        lines: &mut Vec<ImageLine>,
    ) -> anyhow::Result<u8> {
        let layout = open_to_look(session, path)?;
        if self.quiet && self.filters.is_empty() && self.wanted.is_empty() {
            return self.list_ids(session, &layout, lines);
        }
        let (stored, contents) = load_and_list(session, &layout, &[])?;
        let listing = Listing::new(&layout, &contents, stored.unwrap_or_default());
        listing.facts.read_configs(self.filters.need_configs());
        let bounds = Bounds::find(&listing, &self.filters)?;
        let uses = Uses::new(&contents, self.containers.map_or(&[], Vec::as_slice));
        let config_of = |manifest| listing.facts.config_of(manifest);
        let trees = self.tree.then(|| Trees::new(&contents, &config_of));
        let mut trees_of: HashMap<NodeId, Rc<[TreeLine]>> = HashMap::new();
        let dangling = self.filters.dangling;
        let mut own: Vec<ImageLine> = contents
            .table
            .records()
            .filter(|(_, record)| self.all || !record.kind.is_dependent())
            .filter(|(id, record)| {
                is_wanted(record, &contents.graph, &self.wanted)
                    && dangling.is_none_or(|d| d == (record.kind == RecordKind::Dangling))
                    && passes(*id, record, &self.filters, &listing.facts)
                    && bounds.admit(&listing, *id)
            })
            .map(|(id, record)| {
                let users = uses.of_image(record.target).len() + uses.mounted(record.target).len();
                ImageLine {
                    layout: self.name_layout.then(|| path.display().to_string()),
                    containers: self.containers.map(|_| users),
                    tree: trees.as_ref().map(|trees| {
                        let known = trees_of.entry(record.target);
                        known
                            .or_insert_with(|| listing.tree(&trees.of(record.target)).into())
                            .clone()
                    }),
                    ..listing.line(id, record)
                }
            })
            .collect();
        if !self.quiet {
            own.sort_by(|a, b| {
                (b.created, &a.name, &a.digest).cmp(&(a.created, &b.name, &b.digest))
            });
        }
        lines.append(&mut own);
        let status = warn(session, &contents.graph);
        drop(listing);
        if !self.name_layout {
            // Giving back the memory of a large layout piece by piece takes longer than ending does.
            std::mem::forget(contents);
        }
        Ok(status)
    }
}

impl Selection<'_> {
    /// Adds what a list of IDs shows, without reading what it does not.
    fn list_ids(
        &self,
        session: &Session,
        layout: &Locked<Shared>,
        lines: &mut Vec<ImageLine>,
    ) -> anyhow::Result<u8> {
        let mut progress = session.console.progress("reading manifests");
        let contents = Contents::load_kinds(layout, &mut |done| progress.update(done, None))?;
        drop(progress);
        let graph = &contents.graph;
        let kind = |position: usize| {
            let id = contents.table.of_entry(position)?;
            Some(contents.table.record(id).kind)
        };
        let entries = contents.index.entries().iter().enumerate();
        lines.extend(entries.filter_map(|(position, entry)| {
            let kind = kind(position).unwrap_or(RecordKind::Named);
            let is_listed = self.all || !kind.is_dependent();
            let digest = entry.digest.as_ref().filter(|_| is_listed)?;
            Some(ImageLine::id(digest, kind.word()))
        }));
        let status = warn(session, graph);
        std::mem::forget(contents);
        Ok(status)
    }
}

/// Whether any of the references selects a record; without any, all are selected.
fn is_wanted(record: &Record, graph: &Graph, wanted: &[(String, Pattern)]) -> bool {
    wanted.is_empty()
        || wanted.iter().any(|(text, pattern)| {
            pattern.matches(&record.name, &record.key)
                || record.shown(graph) == *text
                || graph.digest(record.target).to_string() == *text
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
            let mut draft = Draft::new(listing.contents);
            let found = draft
                .look_up(text)
                .map_err(|refusal| Error::new(Kind::Failed, refusal.message))?;
            listing.facts.built(found.set[0]).ok_or_else(|| {
                Error::new(
                    Kind::Failed,
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
        listing.facts.built(id).is_some_and(|built| {
            self.before.iter().all(|bound| built < *bound)
                && self.since.iter().all(|bound| built > *bound)
        })
    }
}

/// The platforms that an image lists, and those of them that are missing.
type Platforms = (Rc<[String]>, Rc<[String]>);

struct Listing<'a, M> {
    contents: &'a Contents,
    facts: Facts<'a, M>,
    usage: HashMap<NodeId, ImageUsage>,
    present: Vec<bool>,
    /// What needs something that cannot be trusted.
    damaged: HashSet<NodeId>,
    platforms: RefCell<HashMap<*const Offer, Platforms>>,
}

impl<'a, M> Listing<'a, M> {
    /// `stored` are the blobs that are there. A list that is not complete only shows less as present.
    fn new(layout: &'a Locked<M>, contents: &'a Contents, stored: Vec<Digest>) -> Self {
        let graph = &contents.graph;
        let mut present = vec![false; graph.len()];
        for node in stored.iter().filter_map(|digest| graph.find(digest)) {
            present[node.index()] = true;
        }
        let damaged = match graph.damage() {
            [] => HashSet::new(),
            damage => graph.above(damage.iter().map(|damage| damage.node), Follow::Needed),
        };
        Listing {
            platforms: RefCell::default(),
            contents,
            facts: Facts::new(layout, contents),
            usage: usage(contents, &present),
            present,
            damaged,
        }
    }

    fn line(&self, id: RecordId, record: &Record) -> ImageLine {
        let graph = &self.contents.graph;
        let usage = self.usage.get(&record.target).copied().unwrap_or_default();
        let (platforms, missing_platforms) = self.platforms(id);
        let (repository, tag) = match &record.name {
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
        let damaged = self.damaged.contains(&record.target);
        ImageLine {
            layout: None,
            containers: None,
            tree: None,
            name: (!record.is_dangling()).then(|| record.shown(graph)),
            repository,
            tag,
            digest: graph.digest(record.target).clone(),
            kind: record.kind.word(),
            media_type: self.contents.index.entries()[record.entries[0]]
                .media_type
                .as_deref()
                .map(str::to_owned),
            platforms,
            missing_platforms,
            created: self.facts.created(id),
            size: usage.size,
            unique: usage.unique,
            missing_blobs: usage.missing,
            damaged,
        }
    }

    /// The platforms that an image lists, and those of them that are missing. Names of one image
    /// share them.
    fn platforms(&self, id: RecordId) -> Platforms {
        let offer = self.facts.offer(id);
        let mut known = self.platforms.borrow_mut();
        let (all, missing) = known.entry(Rc::as_ptr(&offer)).or_insert_with(|| {
            let (mut all, mut missing) = (IndexSet::new(), IndexSet::new());
            for variant in &offer.variants {
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
        });
        (all.clone(), missing.clone())
    }

    fn tree(&self, branches: &[Branch]) -> Vec<TreeLine> {
        let graph = &self.contents.graph;
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
        _ => Kind::Layout.exit_status(),
    }
}
