//! `rmi --platform`: removing one platform of an image and leaving the rest.
//!
//! The index stays, with its digest and its names, and goes on listing the platform; the layout
//! becomes sparse, which the specification allows. What goes is the platform's manifest, what
//! attests or refers to it, and the blobs that nothing else reaches. Unlike in Docker, a manifest
//! that another image needs stays, and the report says who needs it.

use super::draft::{Draft, RemovedPlatform};
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

impl Draft<'_> {
    /// Removes platforms of the image that `set` belongs to; `others` are names of it that were
    /// not asked for, `matched` is the one that was.
    pub(super) fn rmi_platforms(
        &mut self,
        set: &[RecordId],
        others: &[RecordId],
        matched: Option<RecordId>,
        options: &RmiOptions,
        config_of: &ConfigOf<'_>,
    ) -> Result<(), Refusal> {
        let image = self.record(set[0]).target;
        let id = self.graph().digest(image).clone();
        let rewritten = match options.rewrite_index {
            true => Some(self.record_to_rewrite(set, matched)?),
            false => None,
        };
        if rewritten.is_none() && !others.is_empty() && !options.force {
            let names: Vec<String> = others.iter().map(|id| self.shown(*id)).collect();
            return Err(Refusal::new(
                RefusalClass::Conflict,
                format!(
                    "conflict: unable to delete a platform of {} (must be forced) - {} would lose \
                     it too",
                    id.short(),
                    listed(&names, 8)
                ),
            )
            .hint("use --force to remove it from all of them"));
        }
        let mut removed_any = false;
        let mut removed = Parts::default();
        let mut actions = Vec::new();
        let mut gone: Vec<Platform> = Vec::new();
        for platform in &options.platforms {
            let offered = self.platform_manifests(set, &removed, config_of);
            let Some(best) = self.best(image, &offered, platform, options) else {
                // It went with a platform that the same manifest stood for.
                if gone.iter().any(|gone| platform.matches(gone)) {
                    continue;
                }
                let refusal = Refusal::new(
                    RefusalClass::NotFound,
                    format!(
                        "failed to delete platform {platform} for image {id}: image with reference \
                         {} was found but does not provide the platform {platform}",
                        self.shown(set[0])
                    ),
                )
                .hint(present(&offered));
                self.refuse(refusal);
                continue;
            };
            let manifest = best.manifest;
            if manifest == image {
                return self.remove_whole(set, rewritten, options);
            }
            // The very same manifest may stand for another platform, too.
            let other = offered
                .iter()
                .filter(|other| other.manifest == manifest)
                .filter_map(|other| other.platform.as_ref())
                .find(|other| !options.platforms.iter().any(|asked| asked.matches(other)));
            if let Some(other) = other {
                self.notes.push(Note::PlatformKept {
                    platform: platform.to_string(),
                    manifest,
                    holders: vec![format!("{} for {other}", self.shown(set[0]))],
                });
                continue;
            }
            removed_any = true;
            let same = offered.iter().filter(|other| other.manifest == manifest);
            gone.extend(same.skip(1).filter_map(|other| other.platform.clone()));
            if rewritten.is_some() {
                let attestations = self.attestations(image, manifest);
                removed.insert(manifest);
                removed.extend(&attestations);
                actions.extend(
                    std::iter::once(manifest)
                        .chain(attestations)
                        .map(Action::Deleted),
                );
                continue;
            }
            let removed = RemovedPlatform {
                image,
                manifest,
                platform: platform.to_string(),
                attestations: self.attestations(image, manifest),
                action: self.actions.len(),
            };
            self.removed_platforms.push(removed);
        }
        let mut left = self.platform_manifests(set, &removed, config_of);
        left.retain(|variant| variant.is_present && !variant.is_attestation);
        if removed_any && left.is_empty() {
            // Nothing that runs anywhere is left: that is removing the image.
            self.removed_platforms
                .retain(|removed| removed.image != image);
            self.remove_whole(set, rewritten, options)?;
        } else if let Some(record) = rewritten.filter(|_| removed_any) {
            actions.push(Action::Deleted(image));
            self.actions.append(&mut actions);
            self.notes.push(Note::Rewritten {
                image: self.shown(record),
                old: image,
            });
            self.rewrites.push(Rewrite {
                record,
                image,
                parts: remaining_parts(self.graph(), image, &removed),
                removed,
                blobs: Vec::new(),
            });
        }
        Ok(())
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
    fn remove_whole(
        &mut self,
        set: &[RecordId],
        rewritten: Option<RecordId>,
        options: &RmiOptions,
    ) -> Result<(), Refusal> {
        match rewritten {
            Some(record) if set.len() > 1 => self.untag_all(&[record]),
            _ => {
                self.refuse_in_use(self.record(set[0]).target, options.force)?;
                self.delete_image(set, options, false);
            }
        }
        Ok(())
    }

    /// The manifest that a platform means: the best that is there. One that is missing counts when
    /// the index is to be rewritten without it, or when an interrupted run left its attestations.
    fn best<'v>(
        &self,
        image: NodeId,
        offered: &'v [PlatformManifest],
        platform: &Platform,
        options: &RmiOptions,
    ) -> Option<&'v PlatformManifest> {
        let graph = self.graph();
        best(offered, platform, |variant| variant.is_present).or_else(|| {
            best(offered, platform, |variant| {
                let left_over = || {
                    self.attestations(image, variant.manifest)
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
    for variant in platform_manifests {
        let matches = variant
            .platform
            .as_ref()
            .is_some_and(|platform| asked.matches(platform));
        if matches && counts(variant) && best.is_none_or(|best| features(variant) > features(best))
        {
            best = Some(variant);
        }
    }
    best
}

fn present(platform_manifests: &[PlatformManifest]) -> String {
    let platforms: Vec<String> = platform_manifests
        .iter()
        .filter(|variant| variant.is_present && !variant.is_attestation)
        .filter_map(|variant| Some(variant.platform.as_ref()?.to_string()))
        .collect();
    format!("present in this layout: {}", listed(&platforms, 16))
}
