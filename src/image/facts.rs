//! What has to be read from configs and files to describe an image: its age, its labels, its
//! platforms. Asked only by what shows or filters on them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::Contents;
use super::config::ImageConfig;
use super::graph::NodeId;
use super::platform::Platform;
use super::reach::Cut;
use super::table::{Record, RecordId};
use super::variants::{Variant, config_node, variants};
use crate::layout::Locked;

/// Answers questions about images of one layout; configs are read once.
pub struct Facts<'a, M> {
    layout: &'a Locked<M>,
    contents: &'a Contents,
    host: Platform,
    configs: RefCell<HashMap<NodeId, Option<ImageConfig>>>,
}

impl<'a, M> Facts<'a, M> {
    /// Nothing is read yet.
    pub fn new(layout: &'a Locked<M>, contents: &'a Contents) -> Facts<'a, M> {
        Facts {
            layout,
            contents,
            host: Platform::host(),
            configs: RefCell::default(),
        }
    }

    /// The config of a manifest's image.
    pub fn config_of(&self, manifest: NodeId) -> Option<ImageConfig> {
        let node = config_node(&self.contents.graph, manifest)?;
        self.configs
            .borrow_mut()
            .entry(node)
            .or_insert_with(|| ImageConfig::load(self.layout, &self.contents.graph, node))
            .clone()
    }

    fn record(&self, id: RecordId) -> &'a Record {
        self.contents.table.record(id)
    }

    /// The manifests that an image offers, those too that are missing.
    pub fn variants(&self, id: RecordId) -> Vec<Variant> {
        let record = self.record(id);
        let declared = record
            .entries
            .iter()
            .find_map(|at| self.contents.index.entries()[*at].platform.as_ref());
        variants(
            &self.contents.graph,
            record.target,
            declared,
            &Cut::default(),
            &|manifest| self.config_of(manifest),
        )
    }

    /// When the image was built, as the config of its preferred platform says: this machine's,
    /// else the first. The epoch of reproducible builds is no date.
    pub fn built(&self, id: RecordId) -> Option<Timestamp> {
        let variants = self.variants(id);
        let mut images = variants
            .iter()
            .filter(|v| v.is_present && !v.is_attestation);
        let runs_here = |v: &&Variant| v.platform.as_ref().is_some_and(|p| self.host.matches(p));
        let preferred = images.clone().find(runs_here).or_else(|| images.next())?;
        self.config_of(preferred.manifest)?
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
        let digest = self.contents.graph.digest(self.record(id).target);
        match self.layout.stat_blob(digest) {
            Ok(Some(stat)) => stat.changed,
            _ => self.layout.index_changed(),
        }
    }

    /// The labels of each config of the image that is there.
    pub fn labels(&self, id: RecordId) -> Vec<BTreeMap<String, String>> {
        self.variants(id)
            .iter()
            .filter(|variant| variant.is_present && !variant.is_attestation)
            .filter_map(|variant| Some(self.config_of(variant.manifest)?.labels))
            .collect()
    }
}
