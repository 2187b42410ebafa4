//! Metadata: what has to be read from configs and files to describe an image, which are its age, its
//! labels and its platforms. Asked only by what shows or filters on them; what index.json and the
//! manifests say is in the snapshot already.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use jiff::Timestamp;

use crate::layout::Locked;
use crate::oci::config::{ImageConfig, Wanted};
use crate::snapshot::platform_manifests::{config_node, platform_manifests};
use crate::snapshot::{
    Graph, MAX_DOCUMENT_BYTES, NodeId, NodeKind, Parts, PlatformManifest, Record, RecordId, View,
};
use crate::value::digest::Digest;
use crate::value::platform::Platform;
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
    host: Platform,
    configs: RefCell<Configs>,
    manifests: RefCell<KnownManifests<'a>>,
    /// By image.
    arrivals: RefCell<HashMap<NodeId, Timestamp>>,
}

/// Reads the config that `node` is; `bytes` is room for it. `None`: it is no image's config, is not
/// there, or cannot be trusted.
fn load_config<M>(
    layout: &Locked<M>,
    graph: &Graph,
    node: NodeId,
    wanted: Wanted,
    bytes: &mut Vec<u8>,
) -> Option<ImageConfig> {
    if graph.kind(node) != NodeKind::ImageConfig {
        return None;
    }
    let found = layout.read_blob_into(graph.digest(node), None, MAX_DOCUMENT_BYTES, bytes);
    found.ok()?.then(|| ImageConfig::parse_for(wanted, bytes))
}

/// The epoch of reproducible builds is no date.
fn is_date(time: &Timestamp) -> bool {
    *time > Timestamp::UNIX_EPOCH
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
}

impl Configs {
    fn add(&mut self, node: NodeId, config: Option<ImageConfig>) {
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

/// The platforms that an image lists, and those of them that are missing.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Platforms {
    pub(crate) all: Rc<[String]>,
    pub(crate) missing: Rc<[String]>,
}

impl Platforms {
    pub(super) fn of(manifests: &[PlatformManifest]) -> Platforms {
        let list = |is_listed: fn(&PlatformManifest) -> bool| {
            let listed = manifests.iter().filter(|manifest| is_listed(manifest));
            let platforms = listed.filter_map(|manifest| manifest.platform.as_ref());
            let said = platforms.filter(|p| !p.is_unknown() && **p != Platform::default());
            let each_once: IndexSet<String> = said.map(Platform::to_string).collect();
            each_once.into_iter().collect()
        };
        Platforms {
            all: list(|_| true),
            missing: list(|manifest| !manifest.is_present),
        }
    }
}

impl<'a, M> ImageMetadata<'a, M> {
    /// Nothing is read yet.
    pub(crate) fn new(layout: &'a Locked<M>, snapshot: &'a View) -> ImageMetadata<'a, M> {
        ImageMetadata {
            layout,
            snapshot,
            host: Platform::host(),
            configs: RefCell::default(),
            manifests: RefCell::default(),
            arrivals: RefCell::default(),
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

    /// When the image was built, as the config of its preferred platform says: this machine's,
    /// else the first.
    pub(crate) fn built(&self, id: RecordId) -> Option<Timestamp> {
        self.built_of(&self.platform_manifests(id))
    }

    fn built_of(&self, manifests: &PlatformManifests) -> Option<Timestamp> {
        let built = self.config_of(manifests.preferred?)?.created;
        built.filter(is_date)
    }

    /// When the image was made: what its entry says, else its config, else when it arrived.
    pub(crate) fn created(&self, id: RecordId) -> Timestamp {
        self.declared(id)
            .or_else(|| self.built(id))
            .unwrap_or_else(|| self.arrived(id))
    }

    /// [`ImageMetadata::created`], of an image whose manifests are known.
    pub(crate) fn created_with(&self, id: RecordId, manifests: &PlatformManifests) -> Timestamp {
        self.declared(id)
            .or_else(|| self.built_of(manifests))
            .unwrap_or_else(|| self.arrived(id))
    }

    /// When an entry says that the image was made.
    fn declared(&self, id: RecordId) -> Option<Timestamp> {
        let mut entries = self.record(id).entries.iter();
        let created = |at: &usize| self.snapshot.index.entries()[*at].created;
        entries.find_map(created).filter(is_date)
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
    pub(crate) fn labels(&self, id: RecordId) -> Vec<BTreeMap<String, String>> {
        let manifests = self.platform_manifests(id);
        let images = manifests.all.iter().filter(|of| of.is_present_image());
        images
            .filter_map(|of| Some(self.config_of(of.manifest)?.labels.clone()))
            .collect()
    }
}
