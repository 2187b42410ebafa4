//! `rmi --platform`: removing one platform of an image and leaving the rest.
//!
//! The index stays, with its digest and its names, and goes on listing the platform; the layout
//! becomes sparse, which the specification allows. What goes is the platform's manifest, what
//! attests or refers to it, and the blobs that nothing else reaches. Unlike in Docker, a manifest
//! that another image needs stays, and the report says who needs it.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::draft::{Draft, RemovedPlatform};
use super::lookup::Found;
use super::plan::{Action, Note, Refusal, Rewrite};
use super::rewrite_index::remaining_parts;
use super::rmi::RmiOptions;
use crate::snapshot::platform_manifests::platform_manifests;
use crate::snapshot::{ConfigOf, Name, NodeId, Parts, PlatformManifest, RecordId};
use crate::value::platform::Platform;
use crate::words::listed;

/// The platforms that one argument takes away from an image, as far as that got.
struct PlatformRemoval<'s> {
    found: &'s Found,
    options: &'s RmiOptions,
    config_of: &'s ConfigOf<'s>,
    /// The name that gets a new index.
    rewritten: Option<RecordId>,
    /// What the new index lacks, in the order in which it is said.
    removed: Vec<NodeId>,
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
            true => Some(self.record_to_rewrite(found)?),
            false if others.is_empty() || options.force => None,
            false => return Err(self.others_would_lose(found.target, others)),
        };
        let mut removal = PlatformRemoval {
            found,
            options,
            config_of,
            rewritten,
            removed: Vec::new(),
            gone_along: Vec::new(),
            removed_any: false,
        };
        let mut asked = HashSet::new();
        for platform in &options.platforms {
            // What was asked twice is asked once, however it was spelled.
            if asked.insert(platform.normalized())
                && self.rmi_platform(platform, &mut removal) == Extent::Image
            {
                return self.remove_whole(&removal);
            }
        }
        if !removal.removed_any {
            return Ok(());
        }
        let left = self.platform_manifests(&removal);
        if !left.iter().any(PlatformManifest::is_present_image) {
            // Nothing that runs anywhere is left: that is removing the image.
            self.removed_platforms
                .retain(|removed| removed.image != found.target);
            return self.remove_whole(&removal);
        }
        if let Some(record) = rewritten {
            self.rewrite(record, removal);
        }
        Ok(())
    }

    fn others_would_lose(&self, image: NodeId, others: &[RecordId]) -> Refusal {
        let names: Vec<String> = others.iter().map(|id| self.shown(*id)).collect();
        Refusal::conflict(format!(
            "conflict: unable to delete a platform of {} (must be forced) - {} would lose it too",
            self.graph().digest(image).short(),
            listed(&names, 8)
        ))
        .hint("use --force to remove it from all of them")
    }

    fn rmi_platform(&mut self, platform: &Platform, removal: &mut PlatformRemoval<'_>) -> Extent {
        let image = removal.found.target;
        let listed = self.platform_manifests(removal);
        let Some(best) = self.best(&listed, platform, removal) else {
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
        let asked = &removal.options.platforms;
        if let Some(other) = platforms.find(|other| !asked.iter().any(|asked| asked.matches(other)))
        {
            // The very same manifest stands for a platform that stays.
            self.plan.notes.push(Note::PlatformKept {
                platform: platform.to_string(),
                manifest,
                holders: vec![format!("{} for {other}", self.shown(removal.found.set[0]))],
            });
            return Extent::Platform;
        }
        removal.removed_any = true;
        let along = same().skip(1).filter_map(|other| other.platform.clone());
        removal.gone_along.extend(along);
        let mut parts = vec![manifest];
        parts.extend(self.attestations(image, manifest));
        if removal.rewritten.is_some() {
            removal.removed.extend(parts);
        } else {
            self.removed_platforms.push(RemovedPlatform {
                image,
                platform: platform.to_string(),
                parts,
                action: self.plan.actions.len(),
            });
        }
        Extent::Platform
    }

    fn refuse_missing(
        &mut self,
        platform: &Platform,
        removal: &PlatformRemoval<'_>,
        listed: &[PlatformManifest],
    ) {
        let refusal = Refusal::not_found(format!(
            "failed to delete platform {platform} for image {}: image with reference {} was \
                 found but does not provide the platform {platform}",
            self.graph().digest(removal.found.target),
            self.shown(removal.found.set[0])
        ));
        self.plan.refusals.push(refusal.hint(present(listed)));
    }

    /// The name gets a new index without what was removed.
    fn rewrite(&mut self, record: RecordId, removal: PlatformRemoval<'_>) {
        let image = removal.found.target;
        let lines = removal.removed.iter().copied().map(Action::Deleted);
        self.plan.actions.extend(lines);
        self.plan.actions.push(Action::Deleted(image));
        self.plan.notes.push(Note::Rewritten {
            image: self.shown(record),
            old: image,
        });
        let removed = removal.removed.into_iter().collect();
        self.plan.rewrites.push(Rewrite {
            record,
            image,
            parts: remaining_parts(self.graph(), image, &removed),
            removed,
            blobs: Vec::new(),
        });
    }

    /// The one name that a new index is made for.
    fn record_to_rewrite(&self, found: &Found) -> Result<RecordId, Refusal> {
        let record = match (found.record(), &*found.set) {
            (Some(named), _) => named,
            (None, [only]) => *only,
            (None, set) => {
                let names: Vec<String> = set.iter().map(|id| self.shown(*id)).collect();
                return Err(Refusal::conflict(format!(
                    "conflict: a new index is made for one name, and {} has several",
                    self.graph().digest(found.target).short()
                ))
                .hint(format!("give one of {}", listed(&names, 8))));
            }
        };
        let names_old = match self.name(record) {
            Name::Reference(reference) => reference.digest().is_some(),
            Name::Dangling => true,
            Name::Tag(_) | Name::Raw(_) => false,
        };
        if names_old {
            return Err(Refusal::conflict(format!(
                "conflict: {} is named by the digest of its index, and a new index has another",
                self.shown(record)
            ))
            .hint("--rewrite-index is for names with a tag"));
        }
        let mut rewrites = self.plan.rewrites.iter();
        if rewrites.any(|rewrite| rewrite.record == record) {
            return Err(Refusal::conflict(format!(
                "{} gets a new index already",
                self.shown(record)
            ))
            .hint("name it once, with all platforms in one --platform list"));
        }
        Ok(record)
    }

    /// The image goes, or where only one of its names was asked for, that name.
    fn remove_whole(&mut self, removal: &PlatformRemoval<'_>) -> Result<(), Refusal> {
        let PlatformRemoval { found, options, .. } = removal;
        match removal.rewritten {
            Some(record) if found.set.len() > 1 => self.untag_all(&[record]),
            _ => {
                self.refuse_in_use(found.target, options.force)?;
                self.delete_image(&found.set, options, false);
            }
        }
        Ok(())
    }

    /// The manifest that a platform means: the best that is there. One that is missing counts when
    /// the index is to be rewritten without it, or when an interrupted run left its attestations.
    fn best<'v>(
        &self,
        listed: &'v [PlatformManifest],
        platform: &Platform,
        removal: &PlatformRemoval<'_>,
    ) -> Option<&'v PlatformManifest> {
        best(listed, platform, |manifest| manifest.is_present).or_else(|| {
            best(listed, platform, |manifest| {
                removal.options.rewrite_index || {
                    let attestations = self.attestations(removal.found.target, manifest.manifest);
                    let mut attestations = attestations.into_iter();
                    attestations.any(|node| self.graph().is_present_document(node))
                }
            })
        })
    }

    /// The manifests that the image lists and that no earlier argument removed.
    fn platform_manifests(&self, removal: &PlatformRemoval<'_>) -> Vec<PlatformManifest> {
        let image = removal.found.target;
        let mut gone = self.removed_parts().remove(&image).unwrap_or_default();
        gone.extend(&removal.removed);
        let mut set = removal.found.set.iter();
        let declared = set.find_map(|id| self.view.declared_platform(*id));
        platform_manifests(self.graph(), image, declared, &gone, removal.config_of)
    }

    /// What, within the image, attests or refers to the manifest, at any depth.
    fn attestations(&self, image: NodeId, manifest: NodeId) -> Vec<NodeId> {
        let graph = self.graph();
        let below = graph.needed_below(image);
        let mut about = Parts::from([manifest]);
        let is_about = |of: Option<NodeId>, about: &Parts| of.is_some_and(|of| about.contains(&of));
        let mut found = Vec::new();
        loop {
            let before = found.len();
            for node in &below {
                if is_about(graph.subject(*node), &about) && about.insert(*node) {
                    found.push(*node);
                }
                for link in graph.links(*node) {
                    if is_about(graph.attested_by(&link), &about) && about.insert(link.to) {
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
    listed: &'a [PlatformManifest],
    asked: &Platform,
    counts: impl Fn(&PlatformManifest) -> bool,
) -> Option<&'a PlatformManifest> {
    let matching = listed.iter().filter_map(|manifest| {
        let platform = manifest.platform.as_ref()?;
        let counts = asked.matches(platform) && counts(manifest);
        counts.then_some((platform.os_features.len(), manifest))
    });
    let best = matching.min_by_key(|(features, _)| Reverse(*features));
    best.map(|(_, manifest)| manifest)
}

fn present(manifests: &[PlatformManifest]) -> String {
    let images = manifests.iter().filter(|of| of.is_present_image());
    let platforms = images.filter_map(|manifest| Some(manifest.platform.as_ref()?.to_string()));
    let platforms: Vec<String> = platforms.collect();
    format!("present in this layout: {}", listed(&platforms, 16))
}
