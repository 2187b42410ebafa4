//! `rmi --platform`: removing one platform of an image and leaving the rest.
//!
//! The index stays, with its digest and its names, and goes on listing the platform; the layout
//! becomes sparse, which the specification allows. What goes is the platform's manifest, what
//! attests or refers to it, and the blobs that nothing else reaches. Unlike in Docker, a manifest
//! that another image needs stays, and the report says who needs it.

use std::collections::HashSet;

use super::draft::{Draft, RemovedPlatform};
use super::lookup::Found;
use super::plan::{Action, Note, Refusal, RefusalClass, Rewrite};
use super::rewrite_index::remaining_parts;
use super::rmi::RmiOptions;
use crate::snapshot::graph::NodeId;
use crate::snapshot::names::Name;
use crate::snapshot::platform_manifests::{ConfigOf, PlatformManifest, platform_manifests};
use crate::snapshot::records::RecordId;
use crate::snapshot::removed_parts::Parts;
use crate::value::platform::Platform;
use crate::words::listed;

/// The platforms that one argument takes away from an image, as far as that got.
struct Removal<'s> {
    set: &'s [RecordId],
    image: NodeId,
    /// The name that gets a new index.
    rewritten: Option<RecordId>,
    /// What the new index lacks, and what is said of it.
    removed: Parts,
    actions: Vec<Action>,
    /// Platforms that went along, because the same manifest stood for them.
    gone_along: Vec<Platform>,
    removed_any: bool,
}

/// What asking for a platform comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Platform,
    /// The image is nothing but that platform.
    Image,
}

impl Draft<'_> {
    /// Removes platforms of an image that was found; `others` are names of it that were not asked for.
    pub(super) fn rmi_platforms(
        &mut self,
        found: &Found,
        others: &[RecordId],
        options: &RmiOptions,
        config_of: &ConfigOf<'_>,
    ) -> Result<(), Refusal> {
        let rewritten = match options.rewrite_index {
            true => Some(self.record_to_rewrite(&found.set, found.record())?),
            false if others.is_empty() || options.force => None,
            false => return Err(self.others_would_lose(found.target, others)),
        };
        let mut removal = Removal {
            set: &found.set,
            image: found.target,
            rewritten,
            removed: Parts::default(),
            actions: Vec::new(),
            gone_along: Vec::new(),
            removed_any: false,
        };
        let mut asked = HashSet::new();
        for platform in &options.platforms {
            // What was asked twice is asked once, however it was spelled.
            if asked.insert(platform.normalized())
                && self.rmi_platform(platform, &mut removal, options, config_of) == Extent::Image
            {
                return self.remove_whole(&removal, options);
            }
        }
        let mut left = self.platform_manifests(removal.set, &removal.removed, config_of);
        left.retain(|manifest| manifest.is_present && !manifest.is_attestation);
        if !removal.removed_any {
            return Ok(());
        }
        if left.is_empty() {
            // Nothing that runs anywhere is left: that is removing the image.
            self.removed_platforms
                .retain(|removed| removed.image != removal.image);
            return self.remove_whole(&removal, options);
        }
        if let Some(record) = removal.rewritten {
            self.rewrite(record, removal);
        }
        Ok(())
    }

    fn others_would_lose(&self, image: NodeId, others: &[RecordId]) -> Refusal {
        let names: Vec<String> = others.iter().map(|id| self.shown(*id)).collect();
        Refusal::new(
            RefusalClass::Conflict,
            format!(
                "conflict: unable to delete a platform of {} (must be forced) - {} would lose it too",
                self.graph().digest(image).short(),
                listed(&names, 8)
            ),
        )
        .hint("use --force to remove it from all of them")
    }

    fn rmi_platform(
        &mut self,
        platform: &Platform,
        removal: &mut Removal<'_>,
        options: &RmiOptions,
        config_of: &ConfigOf<'_>,
    ) -> Extent {
        let image = removal.image;
        let listed = self.platform_manifests(removal.set, &removal.removed, config_of);
        let Some(best) = self.best(image, &listed, platform, options) else {
            let mut gone = removal.gone_along.iter();
            if !gone.any(|gone| platform.matches(gone)) {
                self.refuse_missing(platform, removal, &listed);
            }
            return Extent::Platform;
        };
        let manifest = best.manifest;
        if manifest == image {
            return Extent::Image;
        }
        let same = || listed.iter().filter(|other| other.manifest == manifest);
        let mut platforms = same().filter_map(|other| other.platform.as_ref());
        let is_asked =
            |other: &&Platform| options.platforms.iter().any(|asked| asked.matches(other));
        if let Some(other) = platforms.find(|other| !is_asked(other)) {
            // The very same manifest stands for a platform that stays.
            self.notes.push(Note::PlatformKept {
                platform: platform.to_string(),
                manifest,
                holders: vec![format!("{} for {other}", self.shown(removal.set[0]))],
            });
            return Extent::Platform;
        }
        removal.removed_any = true;
        let along = same().skip(1).filter_map(|other| other.platform.clone());
        removal.gone_along.extend(along);
        let attestations = self.attestations(image, manifest);
        if removal.rewritten.is_some() {
            let parts = || std::iter::once(manifest).chain(attestations.iter().copied());
            removal.removed.extend(parts());
            removal.actions.extend(parts().map(Action::Deleted));
        } else {
            self.removed_platforms.push(RemovedPlatform {
                image,
                manifest,
                platform: platform.to_string(),
                attestations,
                action: self.actions.len(),
            });
        }
        Extent::Platform
    }

    fn refuse_missing(
        &mut self,
        platform: &Platform,
        removal: &Removal<'_>,
        listed: &[PlatformManifest],
    ) {
        let refusal = Refusal::new(
            RefusalClass::NotFound,
            format!(
                "failed to delete platform {platform} for image {}: image with reference {} was \
                 found but does not provide the platform {platform}",
                self.graph().digest(removal.image),
                self.shown(removal.set[0])
            ),
        );
        self.refuse(refusal.hint(present(listed)));
    }

    /// The name gets a new index without what was removed.
    fn rewrite(&mut self, record: RecordId, removal: Removal<'_>) {
        let image = removal.image;
        self.actions.extend(removal.actions);
        self.actions.push(Action::Deleted(image));
        self.notes.push(Note::Rewritten {
            image: self.shown(record),
            old: image,
        });
        self.rewrites.push(Rewrite {
            record,
            image,
            parts: remaining_parts(self.graph(), image, &removal.removed),
            removed: removal.removed,
            blobs: Vec::new(),
        });
    }

    /// The one name that a new index is made for.
    fn record_to_rewrite(
        &self,
        set: &[RecordId],
        matched: Option<RecordId>,
    ) -> Result<RecordId, Refusal> {
        let record = match (matched, set) {
            (Some(matched), _) => matched,
            (None, [only]) => *only,
            (None, set) => {
                let names: Vec<String> = set.iter().map(|id| self.shown(*id)).collect();
                return Err(Refusal::new(
                    RefusalClass::Conflict,
                    format!(
                        "conflict: a new index is made for one name, and {} has several",
                        self.graph().digest(self.record(set[0]).target).short()
                    ),
                )
                .hint(format!("give one of {}", listed(&names, 8))));
            }
        };
        let names_old = match self.name(record) {
            Name::Reference(reference) => reference.digest().is_some(),
            Name::Dangling => true,
            Name::Tag(_) | Name::Raw(_) => false,
        };
        if names_old {
            return Err(Refusal::new(
                RefusalClass::Conflict,
                format!(
                    "conflict: {} is named by the digest of its index, and a new index has another",
                    self.shown(record)
                ),
            )
            .hint("--rewrite-index is for names with a tag"));
        }
        if self.rewrites.iter().any(|rewrite| rewrite.record == record) {
            return Err(Refusal::new(
                RefusalClass::Conflict,
                format!("{} gets a new index already", self.shown(record)),
            )
            .hint("name it once, with all platforms in one --platform list"));
        }
        Ok(record)
    }

    /// The image goes, or where only one of its names was asked for, that name.
    fn remove_whole(&mut self, removal: &Removal<'_>, options: &RmiOptions) -> Result<(), Refusal> {
        match removal.rewritten {
            Some(record) if removal.set.len() > 1 => self.untag_all(&[record]),
            _ => {
                self.refuse_in_use(removal.image, options.force)?;
                self.delete_image(removal.set, options, false);
            }
        }
        Ok(())
    }

    /// The manifest that a platform means: the best that is there. One that is missing counts when
    /// the index is to be rewritten without it, or when an interrupted run left its attestations.
    fn best<'v>(
        &self,
        image: NodeId,
        listed: &'v [PlatformManifest],
        platform: &Platform,
        options: &RmiOptions,
    ) -> Option<&'v PlatformManifest> {
        let graph = self.graph();
        best(listed, platform, |manifest| manifest.is_present).or_else(|| {
            best(listed, platform, |manifest| {
                let left_over = || {
                    self.attestations(image, manifest.manifest)
                        .iter()
                        .any(|node| graph.is_present_document(*node))
                };
                options.rewrite_index || left_over()
            })
        })
    }

    /// The manifests that the image lists and that no earlier argument removed.
    fn platform_manifests(
        &self,
        set: &[RecordId],
        removed: &Parts,
        config_of: &ConfigOf<'_>,
    ) -> Vec<PlatformManifest> {
        let image = self.record(set[0]).target;
        let mut gone = self.parts_removed_of(image);
        gone.extend(removed);
        let declared = set
            .iter()
            .flat_map(|id| &self.record(*id).entries)
            .find_map(|at| self.view.index.entries()[*at].platform.as_deref());
        platform_manifests(self.graph(), image, declared, &gone, config_of)
    }

    /// What, within the image, attests or refers to the manifest, at any depth.
    fn attestations(&self, image: NodeId, manifest: NodeId) -> Vec<NodeId> {
        let graph = self.graph();
        let below = graph.needed_below(image);
        let mut about: Parts = Parts::from([manifest]);
        let mut found = Vec::new();
        loop {
            let before = found.len();
            for node in &below {
                let mut is_about = graph
                    .subject(*node)
                    .is_some_and(|subject| about.contains(&subject));
                if is_about && !about.contains(node) {
                    about.insert(*node);
                    found.push(*node);
                }
                for link in graph.links(*node) {
                    is_about = link
                        .note
                        .and_then(|note| note.attests.as_ref())
                        .and_then(|digest| graph.find(digest))
                        .is_some_and(|subject| about.contains(&subject));
                    if is_about && about.insert(link.to) {
                        found.push(link.to);
                    }
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }
}

/// The one that matches best: more features first, then the order of the image.
fn best<'a>(
    platform_manifests: &'a [PlatformManifest],
    asked: &Platform,
    counts: impl Fn(&PlatformManifest) -> bool,
) -> Option<&'a PlatformManifest> {
    let features = |c: &PlatformManifest| c.platform.as_ref().map_or(0, |p| p.os_features.len());
    let mut best: Option<&PlatformManifest> = None;
    for manifest in platform_manifests {
        let matches = manifest
            .platform
            .as_ref()
            .is_some_and(|platform| asked.matches(platform));
        if matches
            && counts(manifest)
            && best.is_none_or(|best| features(manifest) > features(best))
        {
            best = Some(manifest);
        }
    }
    best
}

fn present(platform_manifests: &[PlatformManifest]) -> String {
    let platforms: Vec<String> = platform_manifests
        .iter()
        .filter(|manifest| manifest.is_present && !manifest.is_attestation)
        .filter_map(|manifest| Some(manifest.platform.as_ref()?.to_string()))
        .collect();
    format!("present in this layout: {}", listed(&platforms, 16))
}
