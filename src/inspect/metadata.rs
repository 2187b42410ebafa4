//! Metadata: what has to be read from configs and files to describe an image, which are its age, its
//! labels, its platforms and whether it is complete. Asked only by what shows or filters on them; what index.json and the
//! manifests say is in the snapshot already.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use jiff::Timestamp;

use super::completeness::{Completeness, Holdings};
use crate::error::Error;
use crate::layout::{BlobError, Locked, NAMED};
use crate::oci::config::{ImageConfig, Labels, Wanted};
use crate::snapshot::platform_manifests::{config_node, platform_manifests};
use crate::snapshot::{
    Graph, MAX_DOCUMENT_BYTES, NodeId, NodeKind, Parts, PlatformManifest, Record, RecordId, View,
};
use crate::value::digest::Digest;
use crate::value::platform::{Platform, told_apart};
use crate::workers::Workers;

/// By image, and the platform that its entry declares.
type KnownManifests<'a> =
    HashMap<(NodeId, Option<&'a Platform>), Rc<PlatformManifests>, RandomState>;

/// How many configs are read at a time. What they say shrinks when it is kept.
const CONFIGS_AT_ONCE: usize = 4096;

/// Answers questions about images of one layout; configs are read once.
pub(crate) struct ImageMetadata<'a, M> {
    layout: &'a Locked<M>,
    snapshot: &'a View,
    now: Timestamp,
    host: Platform,
    configs: RefCell<Configs>,
    manifests: RefCell<KnownManifests<'a>>,
    /// By image.
    arrivals: RefCell<HashMap<NodeId, Timestamp>>,
    /// Made when somebody asks for the first time, since every blob is looked at.
    holdings: OnceCell<Holdings<'a>>,
}

/// How often configs are read again that have a name and are not there, and after which time.
const LOOKS_AGAIN: u32 = 2;
const PAUSE: Duration = Duration::from_millis(150);

/// Reads the config that `node` is; `bytes` is room for it. `None`: it is no image's config, or cannot be
/// trusted.
///
/// # Errors
/// What the operating system says. `NotFound`: it is not there.
fn load_config<M>(
    layout: &Locked<M>,
    graph: &Graph,
    node: NodeId,
    wanted: Wanted,
    bytes: &mut Vec<u8>,
) -> io::Result<Option<ImageConfig>> {
    if graph.kind(node) != NodeKind::ImageConfig {
        return Ok(None);
    }
    let found = layout.read_blob_into(graph.digest(node), None, MAX_DOCUMENT_BYTES, bytes);
    Ok(match found {
        Ok(true) => Some(ImageConfig::parse_for(wanted, bytes)),
        // What embeds it has it.
        Ok(false) => {
            let embedded = graph.embedded(node).ok_or(io::ErrorKind::NotFound)?;
            Some(ImageConfig::parse_for(wanted, embedded))
        }
        Err(BlobError::Io(error)) => return Err(error),
        Err(_) => None,
    })
}

/// When an image was created, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Created {
    /// When.
    pub(crate) time: Timestamp,
    /// Where that is written.
    pub(crate) from: CreatedFrom,
}

/// Where it is written when an image was created; what comes first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CreatedFrom {
    /// In the annotation of its entry.
    Entry,
    /// In the annotation of its index or manifest.
    Manifest,
    /// In the config.
    Config,
    /// Nowhere: it is when the file of its index or manifest was last modified.
    File,
    /// Nowhere, and there is no such file: it is when index.json last changed.
    IndexFile,
}

impl CreatedFrom {
    /// The word for it in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            CreatedFrom::Entry => "entry",
            CreatedFrom::Manifest => "manifest",
            CreatedFrom::Config => "config",
            CreatedFrom::File => "file",
            CreatedFrom::IndexFile => "index.json",
        }
    }
}

impl Created {
    /// Whether somebody said so, and it is not merely when a file came to be.
    pub(crate) fn is_stated(self) -> bool {
        !matches!(self.from, CreatedFrom::File | CreatedFrom::IndexFile)
    }

    /// The later of two; what was stated counts more than what was not.
    pub(crate) fn or_later(self, other: Created) -> Created {
        let weight = |of: Created| (of.is_stated(), of.time);
        match weight(other) > weight(self) {
            true => other,
            false => self,
        }
    }
}

/// Days that say nothing, counted from 1970-01-01: the zero time of Go and whatever is before it,
/// the epoch of reproducible builds, and the first day that a ZIP archive can hold, which
/// buildpacks write.
const GO_ZERO_DAY: i64 = -719_162;
const EPOCH_DAY: i64 = 0;
const ZIP_DAY: i64 = 3_652;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// Whether a time says when something was created. A clock may be wrong, but not by more than a day.
fn is_date(time: Timestamp, now: Timestamp) -> bool {
    let day = time.as_second().div_euclid(SECONDS_OF_A_DAY);
    !matches!(day, i64::MIN..=GO_ZERO_DAY | EPOCH_DAY | ZIP_DAY)
        && time.as_second() <= now.as_second().saturating_add(SECONDS_OF_A_DAY)
}

fn arrival<M>(layout: &Locked<M>, manifest: &Digest) -> Timestamp {
    match layout.stat_blob(manifest) {
        Ok(Some(stat)) => stat.changed,
        _ => layout.index_changed(),
    }
}

/// The configs that were read.
#[derive(Default)]
struct Configs {
    known: HashMap<NodeId, Option<Rc<ImageConfig>>, RandomState>,
    /// Each once.
    platforms: HashSet<Arc<Platform>, RandomState>,
    /// The first that the operating system refused to read, and what it said.
    unreadable: Option<(NodeId, String)>,
    /// Those that are not there.
    gone: HashSet<NodeId, RandomState>,
}

impl Configs {
    fn add(&mut self, node: NodeId, config: io::Result<Option<ImageConfig>>) {
        let config = config.unwrap_or_else(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                self.gone.insert(node);
            } else if self.unreadable.is_none() {
                self.unreadable = Some((node, error.to_string()));
            }
            None
        });
        let config = config.map(|mut config| {
            match self.platforms.get(&config.platform) {
                Some(known) => config.platform.clone_from(known),
                None => _ = self.platforms.insert(config.platform.clone()),
            }
            Rc::new(config)
        });
        self.known.insert(node, config);
    }
}

/// The manifests of an image, one for each of its platforms. Names of one image share them.
#[derive(Debug)]
pub(crate) struct PlatformManifests {
    /// In the order in which they are listed, those too that are missing.
    pub(crate) all: Vec<PlatformManifest>,
    /// Which of those that are there runs on this machine, else the first.
    preferred: Option<NodeId>,
    /// What a list shows of them, once it was made.
    pub(super) platforms: OnceCell<Rc<Platforms>>,
}

/// The platforms that an image lists: what stands beside them and is about them is none.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Platforms {
    /// Those that are there, with version and features.
    pub(crate) present: Arc<[String]>,
    /// Those that are not, likewise.
    pub(crate) missing: Arc<[String]>,
    /// All of them in the order of the image, as people are shown them.
    pub(crate) shown: Arc<[ShownPlatform]>,
}

/// A platform in a list for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ShownPlatform {
    /// With version and features if another one of the image looks the same without.
    pub(crate) text: String,
    /// The layout has it; if several manifests are for it, all of them.
    pub(crate) is_present: bool,
}

impl Platforms {
    pub(super) fn of(manifests: &[PlatformManifest]) -> Platforms {
        let platforms = manifests.iter().filter(|of| !of.is_attestation);
        let platforms = platforms.filter_map(|of| Some((of.platform.as_ref()?, of.is_present)));
        let said = platforms.filter(|(p, _)| !p.is_unknown() && **p != Platform::default());
        let mut all: IndexMap<String, (&Platform, bool, bool)> = IndexMap::new();
        for (platform, is_present) in said {
            let known = all.entry(platform.full());
            let (_, any, every) = known.or_insert((platform, false, true));
            *any |= is_present;
            *every &= is_present;
        }
        let texts = told_apart(all.values().map(|(platform, ..)| *platform));
        let shown = texts.into_iter().zip(all.values());
        let list = |is_listed: fn(bool, bool) -> bool| {
            let listed = all
                .iter()
                .filter(|(_, (_, any, every))| is_listed(*any, *every));
            listed.map(|(full, _)| full.clone()).collect()
        };
        Platforms {
            present: list(|any, _| any),
            missing: list(|_, every| !every),
            shown: shown
                .map(|(text, (.., every))| ShownPlatform {
                    text,
                    is_present: *every,
                })
                .collect(),
        }
    }
}

impl<'a, M> ImageMetadata<'a, M> {
    /// Nothing is read yet. `now` is the present, by which dates in the future are told.
    pub(crate) fn new(
        layout: &'a Locked<M>,
        snapshot: &'a View,
        now: Timestamp,
    ) -> ImageMetadata<'a, M> {
        ImageMetadata {
            layout,
            snapshot,
            now,
            host: Platform::host(),
            configs: RefCell::default(),
            manifests: RefCell::default(),
            arrivals: RefCell::default(),
            holdings: OnceCell::new(),
        }
    }

    /// Reads the configs of all images at once, which is faster than one after the other. This
    /// thread does `meanwhile` first, and helps then.
    pub(crate) fn read_configs(&self, wanted: Wanted, meanwhile: impl FnOnce()) {
        let (layout, graph) = (self.layout, &self.snapshot.graph);
        let mut configs = self.configs.borrow_mut();
        let mut nodes: Vec<NodeId> = graph
            .ids()
            .filter(|node| graph.is_present_document(*node))
            .filter_map(|manifest| config_node(graph, manifest))
            .filter(|node| !configs.known.contains_key(node))
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        configs.known.reserve(nodes.len());
        let read =
            |node: &NodeId, bytes: &mut Vec<u8>| load_config(layout, graph, *node, wanted, bytes);
        let workers = Workers::for_reading();
        let mut meanwhile = Some(meanwhile);
        // Even where there is no config there is something to do meanwhile.
        let (first, rest) = nodes.split_at(nodes.len().min(CONFIGS_AT_ONCE));
        for some in std::iter::once(first).chain(rest.chunks(CONFIGS_AT_ONCE)) {
            let read = workers.map(some, &read, || {
                if let Some(meanwhile) = meanwhile.take() {
                    meanwhile();
                }
            });
            for (node, config) in some.iter().zip(read) {
                configs.add(*node, config);
            }
        }
        // Another machine may have replaced some of them at this moment.
        let missed = nodes.iter().filter(|node| configs.gone.contains(*node));
        let mut missed: HashSet<Digest> = missed.map(|node| graph.digest(*node).clone()).collect();
        for _ in 0..LOOKS_AGAIN {
            let named = layout.named(&missed);
            if named.is_empty() {
                break;
            }
            std::thread::sleep(PAUSE);
            for node in named.iter().filter_map(|digest| graph.find(digest)) {
                configs.gone.remove(&node);
                let config = load_config(layout, graph, node, wanted, &mut Vec::new());
                configs.add(node, config);
            }
            missed.retain(|digest| {
                graph
                    .find(digest)
                    .is_some_and(|node| configs.gone.contains(&node))
            });
        }
    }

    /// The config of a manifest's image.
    pub(crate) fn config_of(&self, manifest: NodeId) -> Option<Rc<ImageConfig>> {
        let node = config_node(&self.snapshot.graph, manifest)?;
        let mut configs = self.configs.borrow_mut();
        if let Some(known) = configs.known.get(&node) {
            return known.clone();
        }
        let (layout, graph) = (self.layout, &self.snapshot.graph);
        let config = load_config(layout, graph, node, Wanted::Labels, &mut Vec::new());
        configs.add(node, config);
        configs.known.get(&node)?.clone()
    }

    /// The layout that is asked about.
    pub(super) fn layout(&self) -> &'a Locked<M> {
        self.layout
    }

    fn record(&self, id: RecordId) -> &'a Record {
        self.snapshot.records.record(id)
    }

    /// The manifests of an image.
    pub(crate) fn platform_manifests(&self, id: RecordId) -> Rc<PlatformManifests> {
        let record = self.record(id);
        let declared = self.snapshot.declared_platform(id);
        // Those of an image for one platform are quickly made again, and there may be a million.
        let is_kept = self.snapshot.graph.kind(record.target) == NodeKind::Index;
        if is_kept && let Some(known) = self.manifests.borrow().get(&(record.target, declared)) {
            return known.clone();
        }
        let all = platform_manifests(
            &self.snapshot.graph,
            record.target,
            declared,
            &Parts::default(),
            &|manifest| self.config_of(manifest),
        );
        let found = Rc::new(PlatformManifests {
            preferred: self.preferred(&all),
            all,
            platforms: OnceCell::new(),
        });
        if is_kept {
            let mut known = self.manifests.borrow_mut();
            known.insert((record.target, declared), found.clone());
        }
        found
    }

    fn preferred(&self, manifests: &[PlatformManifest]) -> Option<NodeId> {
        let mut images = manifests.iter().filter(|of| of.is_present_image());
        let first = images.next()?;
        let runs_here =
            |of: &&PlatformManifest| of.platform.as_ref().is_some_and(|p| self.host.matches(p));
        // Where there is no choice nothing has to be compared.
        let Some(second) = images.next() else {
            return Some(first.manifest);
        };
        let mut all = [first, second].into_iter().chain(images);
        Some(all.find(runs_here).unwrap_or(first).manifest)
    }

    /// When the image was created, as the entries of this record say, else its index or manifest,
    /// else a config of it, that of its preferred platform first; else when its file was last
    /// modified. Of several entries the newest counts.
    pub(crate) fn created(&self, id: RecordId) -> Created {
        let found = self.stated_by(id, || self.platform_manifests(id));
        found.unwrap_or_else(|| self.modified(id))
    }

    /// [`ImageMetadata::created`], of an image whose manifests are known.
    pub(crate) fn created_with(&self, id: RecordId, manifests: &Rc<PlatformManifests>) -> Created {
        let found = self.stated_by(id, || manifests.clone());
        found.unwrap_or_else(|| self.modified(id))
    }

    /// [`ImageMetadata::created`], if anybody says so.
    pub(crate) fn stated(&self, id: RecordId) -> Option<Timestamp> {
        let found = self.stated_by(id, || self.platform_manifests(id));
        found.map(|created| created.time)
    }

    fn stated_by(
        &self,
        id: RecordId,
        manifests: impl FnOnce() -> Rc<PlatformManifests>,
    ) -> Option<Created> {
        let record = self.record(id);
        let entries = self.snapshot.index.entries();
        let dates = record
            .entries
            .iter()
            .map(|at| self.date(entries[*at].created));
        let (mut newest, mut is_said_by_all) = (None, true);
        for date in dates {
            is_said_by_all &= date.is_some();
            newest = newest.max(date);
        }
        let by_entry = newest.map(|time| Created {
            time,
            from: CreatedFrom::Entry,
        });
        if is_said_by_all {
            return by_entry;
        }
        let by_image = self.stated_by_image(record.target, &manifests());
        match (by_entry, by_image) {
            (Some(one), Some(other)) => Some(one.or_later(other)),
            (one, other) => one.or(other),
        }
    }

    /// When an image was created, as its documents say.
    fn stated_by_image(&self, image: NodeId, manifests: &PlatformManifests) -> Option<Created> {
        let graph = &self.snapshot.graph;
        let by_annotation = |node| {
            Some(Created {
                time: self.date(graph.created(node))?,
                from: CreatedFrom::Manifest,
            })
        };
        let by_config = |manifest| {
            Some(Created {
                time: self.date(self.config_of(manifest)?.created)?,
                from: CreatedFrom::Config,
            })
        };
        let listed = manifests.all.iter().filter(|of| of.is_present_image());
        let listed = listed.map(|of| of.manifest);
        let mut each = manifests.preferred.into_iter().chain(listed);
        by_annotation(image).or_else(|| {
            each.find_map(|manifest| by_annotation(manifest).or_else(|| by_config(manifest)))
        })
    }

    fn date(&self, time: Option<Timestamp>) -> Option<Timestamp> {
        time.filter(|time| is_date(*time, self.now))
    }

    /// When the file of the image was last modified; where there is none, when index.json last
    /// changed.
    fn modified(&self, id: RecordId) -> Created {
        let digest = self.snapshot.graph.digest(self.record(id).target);
        match self.layout.stat_blob(digest) {
            Ok(Some(stat)) => Created {
                time: stat.modified,
                from: CreatedFrom::File,
            },
            _ => Created {
                time: self.layout.index_changed(),
                from: CreatedFrom::IndexFile,
            },
        }
    }

    /// Refuses to go by what was found out while a config that was wanted could not be read: it may say
    /// that its image is the newest, or has a label.
    ///
    /// # Errors
    /// Exit status 12.
    pub(crate) fn refuse_unreadable(&self) -> Result<(), Error> {
        let configs = self.configs.borrow();
        let graph = &self.snapshot.graph;
        let of_node =
            |(node, error): &(NodeId, String)| (graph.digest(*node).clone(), error.clone());
        let named = || {
            let gone: HashSet<Digest> = configs
                .gone
                .iter()
                .map(|node| graph.digest(*node).clone())
                .collect();
            let named = self.layout.named(&gone).into_iter().next();
            named.map(|digest| (digest, NAMED.to_owned()))
        };
        let Some((digest, error)) = configs.unreadable.as_ref().map(of_node).or_else(named) else {
            return Ok(());
        };
        Err(Error::layout(format!("the config {digest} is unreadable: {error}")).hint(
            "nothing is deleted, because what it says of its image is unknown; run as a user who may read the layout",
        ))
    }

    /// How much of an image the layout holds.
    pub(crate) fn completeness(&self, id: RecordId) -> Completeness {
        // Who asks this asks for labels or dates as well, so that configs are read once for both.
        let measure = || {
            self.read_configs(Wanted::Labels, || ());
            let configs = self.configs.borrow();
            let unread = configs.known.iter().filter(|(node, config)| {
                config.is_none() && self.snapshot.graph.kind(**node) == NodeKind::ImageConfig
            });
            let unread = unread.map(|(node, _)| *node).collect();
            Holdings::measure(self.layout, &self.snapshot.graph, &unread)
        };
        self.holdings
            .get_or_init(measure)
            .of(self.record(id).target)
    }

    /// When the image came into the layout: the age of its manifest's file. Where the layout does
    /// not have that, no entry is younger than index.json.
    pub(crate) fn arrived(&self, id: RecordId) -> Timestamp {
        let target = self.record(id).target;
        let known = self.arrivals.borrow().get(&target).copied();
        known.unwrap_or_else(|| arrival(self.layout, self.snapshot.graph.digest(target)))
    }

    /// Finds out at once when these came into the layout; see [`ImageMetadata::arrived`].
    pub(crate) fn read_arrivals(&self, ids: &[RecordId]) {
        let targets: Vec<NodeId> = ids.iter().map(|id| self.record(*id).target).collect();
        let (layout, graph) = (self.layout, &self.snapshot.graph);
        let read = |target: &NodeId, _: &mut Vec<u8>| arrival(layout, graph.digest(*target));
        let read = Workers::for_reading().map(&targets, &read, || ());
        let mut arrivals = self.arrivals.borrow_mut();
        arrivals.extend(targets.into_iter().zip(read));
    }

    /// The labels of each config of the image that is there.
    pub(crate) fn labels(&self, id: RecordId) -> Vec<Labels> {
        let manifests = self.platform_manifests(id);
        let images = manifests.all.iter().filter(|of| of.is_present_image());
        images
            .filter_map(|of| Some(self.config_of(of.manifest)?.labels.clone()))
            .collect()
    }
}
