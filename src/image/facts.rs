//! What has to be read from configs and files to describe an image: its age, its labels, its
//! platforms. Asked only by what shows or filters on them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use jiff::Timestamp;

use super::Contents;
use super::config::ImageConfig;
use super::graph::NodeId;
use super::platform::Platform;
use super::reach::Cut;
use super::reading;
use super::table::{Record, RecordId};
use super::variants::{Variant, config_node, variants};
use crate::layout::{Digest, Locked};

/// By image, and the platform that its entry declares.
type Offers<'a> = HashMap<(NodeId, Option<&'a Platform>), Rc<Offer>>;

/// Answers questions about images of one layout; configs are read once.
pub struct Facts<'a, M> {
    layout: &'a Locked<M>,
    contents: &'a Contents,
    host: Platform,
    configs: RefCell<HashMap<NodeId, Option<Rc<ImageConfig>>>>,
    offers: RefCell<Offers<'a>>,
    /// By image.
    arrivals: RefCell<HashMap<NodeId, Timestamp>>,
}

fn arrival<M>(layout: &Locked<M>, manifest: &Digest) -> Timestamp {
    match layout.stat_blob(manifest) {
        Ok(Some(stat)) => stat.changed,
        _ => layout.index_changed(),
    }
}

/// What an image offers. Names of one image share it.
#[derive(Debug)]
pub struct Offer {
    /// Its manifests, those too that are missing.
    pub variants: Vec<Variant>,
    /// Which of those that are there runs on this machine, else the first.
    preferred: Option<NodeId>,
}

impl<'a, M> Facts<'a, M> {
    /// Nothing is read yet.
    pub fn new(layout: &'a Locked<M>, contents: &'a Contents) -> Facts<'a, M> {
        Facts {
            layout,
            contents,
            host: Platform::host(),
            configs: RefCell::default(),
            offers: RefCell::default(),
            arrivals: RefCell::default(),
        }
    }

    /// Reads the configs of all images at once, which is faster than one after the other. `labels`:
    /// whether their labels will be asked for; they take memory.
    pub fn read_configs(&self, labels: bool) {
        let graph = &self.contents.graph;
        let mut configs = self.configs.borrow_mut();
        let mut nodes: Vec<NodeId> = graph
            .ids()
            .filter(|node| graph.is_present_document(*node))
            .filter_map(|manifest| config_node(graph, manifest))
            .filter(|node| !configs.contains_key(node))
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        let (layout, graph) = (self.layout, &self.contents.graph);
        let read = reading::read_all(
            &nodes,
            &|node, bytes| {
                let mut config = ImageConfig::load(layout, graph, *node, bytes)?;
                if !labels {
                    config.labels = BTreeMap::new();
                }
                Some(config)
            },
            || (),
        );
        let read = read.into_iter().map(|config| config.map(Rc::new));
        configs.extend(nodes.into_iter().zip(read));
    }

    /// The config of a manifest's image.
    pub fn config_of(&self, manifest: NodeId) -> Option<Rc<ImageConfig>> {
        let node = config_node(&self.contents.graph, manifest)?;
        self.configs
            .borrow_mut()
            .entry(node)
            .or_insert_with(|| {
                let graph = &self.contents.graph;
                ImageConfig::load(self.layout, graph, node, &mut Vec::new()).map(Rc::new)
            })
            .clone()
    }

    fn record(&self, id: RecordId) -> &'a Record {
        self.contents.table.record(id)
    }

    /// What an image offers.
    pub fn offer(&self, id: RecordId) -> Rc<Offer> {
        let record = self.record(id);
        let declared = record
            .entries
            .iter()
            .find_map(|at| self.contents.index.entries()[*at].platform.as_deref());
        if let Some(known) = self.offers.borrow().get(&(record.target, declared)) {
            return known.clone();
        }
        let variants = variants(
            &self.contents.graph,
            record.target,
            declared,
            &Cut::default(),
            &|manifest| self.config_of(manifest),
        );
        let mut images = variants
            .iter()
            .filter(|v| v.is_present && !v.is_attestation);
        let runs_here = |v: &&Variant| v.platform.as_ref().is_some_and(|p| self.host.matches(p));
        let preferred = images.clone().find(runs_here).or_else(|| images.next());
        let offer = Rc::new(Offer {
            preferred: preferred.map(|variant| variant.manifest),
            variants,
        });
        let mut known = self.offers.borrow_mut();
        known.insert((record.target, declared), offer.clone());
        offer
    }

    /// When the image was built, as the config of its preferred platform says: this machine's,
    /// else the first. The epoch of reproducible builds is no date.
    pub fn built(&self, id: RecordId) -> Option<Timestamp> {
        self.config_of(self.offer(id).preferred?)?
            .created
            .filter(|created| *created > Timestamp::UNIX_EPOCH)
    }

    /// When the image was made: what its entry says, else its config, else when it arrived.
    pub fn created(&self, id: RecordId) -> Timestamp {
        let declared = self
            .record(id)
            .entries
            .iter()
            .find_map(|at| self.contents.index.entries()[*at].created)
            .filter(|created| *created > Timestamp::UNIX_EPOCH);
        declared
            .or_else(|| self.built(id))
            .unwrap_or_else(|| self.arrived(id))
    }

    /// When the image came into the layout: the age of its manifest's file. Where the layout does
    /// not have that, no entry is younger than index.json.
    pub fn arrived(&self, id: RecordId) -> Timestamp {
        let target = self.record(id).target;
        let known = self.arrivals.borrow().get(&target).copied();
        known.unwrap_or_else(|| arrival(self.layout, self.contents.graph.digest(target)))
    }

    /// Finds out at once when these came into the layout; see [`Facts::arrived`].
    pub fn read_arrivals(&self, ids: &[RecordId]) {
        let targets: Vec<NodeId> = ids.iter().map(|id| self.record(*id).target).collect();
        let (layout, graph) = (self.layout, &self.contents.graph);
        let read = reading::read_all(
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
            .variants
            .iter()
            .filter(|variant| variant.is_present && !variant.is_attestation)
            .filter_map(|variant| Some(self.config_of(variant.manifest)?.labels.clone()))
            .collect()
    }
}
