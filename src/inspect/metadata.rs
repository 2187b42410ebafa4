//! What has to be read from configs and files to describe an image: its age, its labels, its
//! platforms. Asked only by what shows or filters on them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use jiff::Timestamp;

use crate::layout::Locked;
use crate::oci::config::{ImageConfig, Wanted};
use crate::snapshot::View;
use crate::snapshot::graph::{Graph, NodeId, NodeKind};
use crate::snapshot::platform_manifests::{PlatformManifest, config_node, platform_manifests};
use crate::snapshot::records::{Record, RecordId};
use crate::snapshot::removed_parts::Parts;
use crate::snapshot::walk::MAX_DOCUMENT_BYTES;
use crate::value::digest::Digest;
use crate::value::platform::Platform;
use crate::workers::Workers;

/// By image, and the platform that its entry declares.
type Offers<'a> = HashMap<(NodeId, Option<&'a Platform>), Rc<PlatformManifests>, RandomState>;

/// How many configs are read at a time. What they say shrinks when it is kept.
const CONFIGS_AT_ONCE: usize = 4096;

/// Answers questions about images of one layout; configs are read once.
pub struct ImageMetadata<'a, M> {
    layout: &'a Locked<M>,
    snapshot: &'a View,
    host: Platform,
    configs: RefCell<Configs>,
    offers: RefCell<Offers<'a>>,
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

/// What an image offers. Names of one image share it.
#[derive(Debug)]
pub struct PlatformManifests {
    /// Its manifests, those too that are missing.
    pub platform_manifests: Vec<PlatformManifest>,
    /// Which of those that are there runs on this machine, else the first.
    preferred: Option<NodeId>,
}

impl<'a, M> ImageMetadata<'a, M> {
    /// Nothing is read yet.
    pub fn new(layout: &'a Locked<M>, snapshot: &'a View) -> ImageMetadata<'a, M> {
        ImageMetadata {
            layout,
            snapshot,
            host: Platform::host(),
            configs: RefCell::default(),
            offers: RefCell::default(),
            arrivals: RefCell::default(),
        }
    }

    /// Reads the configs of all images at once, which is faster than one after the other. This
    /// thread does `meanwhile` first, and helps then.
    pub fn read_configs(&self, wanted: Wanted, meanwhile: impl FnOnce()) {
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
                meanwhile
                    .take()
                    .into_iter()
                    .for_each(|meanwhile| meanwhile());
            });
            for (node, config) in some.iter().zip(read) {
                configs.add(*node, config);
            }
        }
    }

    /// The config of a manifest's image.
    pub fn config_of(&self, manifest: NodeId) -> Option<Rc<ImageConfig>> {
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

    /// What an image offers.
    pub fn offer(&self, id: RecordId) -> Rc<PlatformManifests> {
        let record = self.record(id);
        let declared = record
            .entries
            .iter()
            .find_map(|at| self.snapshot.index.entries()[*at].platform.as_deref());
        // That of a single manifest is quickly made again, and there may be a million.
        let is_kept = self.snapshot.graph.kind(record.target) == NodeKind::Index;
        if is_kept && let Some(known) = self.offers.borrow().get(&(record.target, declared)) {
            return known.clone();
        }
        let platform_manifests = platform_manifests(
            &self.snapshot.graph,
            record.target,
            declared,
            &Parts::default(),
            &|manifest| self.config_of(manifest),
        );
        let offer = Rc::new(PlatformManifests {
            preferred: self.preferred(&platform_manifests),
            platform_manifests,
        });
        if is_kept {
            let mut known = self.offers.borrow_mut();
            known.insert((record.target, declared), offer.clone());
        }
        offer
    }

    fn preferred(&self, platform_manifests: &[PlatformManifest]) -> Option<NodeId> {
        let mut images = platform_manifests
            .iter()
            .filter(|v| v.is_present && !v.is_attestation);
        let first = images.next()?;
        let runs_here =
            |v: &&PlatformManifest| v.platform.as_ref().is_some_and(|p| self.host.matches(p));
        // Where there is no choice nothing has to be compared.
        let Some(second) = images.next() else {
            return Some(first.manifest);
        };
        let mut all = [first, second].into_iter().chain(images);
        Some(all.find(runs_here).unwrap_or(first).manifest)
    }

    /// When the image was built, as the config of its preferred platform says: this machine's,
    /// else the first. The epoch of reproducible builds is no date.
    pub fn built(&self, id: RecordId) -> Option<Timestamp> {
        self.built_of(&self.offer(id))
    }

    fn built_of(&self, offer: &PlatformManifests) -> Option<Timestamp> {
        self.config_of(offer.preferred?)?
            .created
            .filter(|created| *created > Timestamp::UNIX_EPOCH)
    }

    /// When the image was made: what its entry says, else its config, else when it arrived.
    pub fn created(&self, id: RecordId) -> Timestamp {
        self.declared(id)
            .or_else(|| self.built(id))
            .unwrap_or_else(|| self.arrived(id))
    }

    /// [`ImageMetadata::created`], of an image whose offer is known.
    pub fn created_with(&self, id: RecordId, offer: &PlatformManifests) -> Timestamp {
        self.declared(id)
            .or_else(|| self.built_of(offer))
            .unwrap_or_else(|| self.arrived(id))
    }

    /// When an entry says that the image was made.
    fn declared(&self, id: RecordId) -> Option<Timestamp> {
        let mut entries = self.record(id).entries.iter();
        let created = |at: &usize| self.snapshot.index.entries()[*at].created;
        entries
            .find_map(created)
            .filter(|created| *created > Timestamp::UNIX_EPOCH)
    }

    /// When the image came into the layout: the age of its manifest's file. Where the layout does
    /// not have that, no entry is younger than index.json.
    pub fn arrived(&self, id: RecordId) -> Timestamp {
        let target = self.record(id).target;
        let known = self.arrivals.borrow().get(&target).copied();
        known.unwrap_or_else(|| arrival(self.layout, self.snapshot.graph.digest(target)))
    }

    /// Finds out at once when these came into the layout; see [`ImageMetadata::arrived`].
    pub fn read_arrivals(&self, ids: &[RecordId]) {
        let targets: Vec<NodeId> = ids.iter().map(|id| self.record(*id).target).collect();
        let (layout, graph) = (self.layout, &self.snapshot.graph);
        let read = Workers::for_reading().map(
            &targets,
            &|target, _| arrival(layout, graph.digest(*target)),
            || (),
        );
        let mut arrivals = self.arrivals.borrow_mut();
        arrivals.extend(targets.into_iter().zip(read));
    }

    /// The labels of each config of the image that is there.
    pub fn labels(&self, id: RecordId) -> Vec<BTreeMap<String, String>> {
        self.offer(id)
            .platform_manifests
            .iter()
            .filter(|variant| variant.is_present && !variant.is_attestation)
            .filter_map(|variant| Some(self.config_of(variant.manifest)?.labels.clone()))
            .collect()
    }
}
