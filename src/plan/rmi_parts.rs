//! `rmi --platform`, `--keep-platform`, `--manifest`, `--attestations`: removing parts of an image and
//! leaving the rest.
//!
//! The index stays, with its digest and its names, and goes on listing what was removed; the layout
//! becomes sparse, which the specification allows. What goes is the manifest of each part, what belongs
//! to it, and the blobs that nothing else reaches. Unlike in Docker, a manifest that another image needs
//! stays, and the report says who needs it. With `--rewrite-index` the image gets a new index without
//! the parts instead.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::draft::{Draft, RemovedPart};
use super::lookup::Found;
use super::plan::{Action, Note, Refusal, RefusalClass, Rewrite};
use super::rewrite_index::remaining_parts;
use super::rmi::RmiOptions;
use crate::oci::descriptor::Role;
use crate::snapshot::platform_manifests::{IndexChild, index_children, platform_manifests};
use crate::snapshot::{
    Belongings, ConfigOf, Name, NodeId, NodeKind, Parts, PlatformManifest, RecordId, meaning,
};
use crate::value::digest::DigestPrefix;
use crate::value::platform::Platform;
use crate::value::platform_selection::{ListedPlatform, Selected, select};
use crate::words::listed;

/// How many names or platforms a message lists.
const MOST_LISTED: usize = 16;

/// An image of which parts are to be removed, and what is known of it.
struct PartedImage<'s> {
    found: &'s Found,
    options: &'s RmiOptions,
    /// What `ls` shows as its platforms, and what is about these.
    manifests: Vec<PlatformManifest>,
    children: Vec<IndexChild>,
    belongings: Belongings,
    /// What was selected, in the order in which that was asked for, and what it is called.
    selected: Vec<(NodeId, String)>,
    /// Where in the list each manifest stands, once for each of its platforms.
    places: HashMap<NodeId, Vec<usize>>,
    /// The places that were selected.
    selected_places: HashSet<usize>,
}

impl Draft<'_> {
    /// Removes parts of an image that was found; `same` are the names of it that go together with the
    /// one that was asked for. An image that `is_matched` by a pattern may lack what was asked for.
    pub(super) fn rmi_parts(
        &mut self,
        found: &Found,
        same: &[RecordId],
        is_matched: bool,
        options: &RmiOptions,
        config_of: &ConfigOf<'_>,
    ) -> Result<(), Refusal> {
        let done = match options.rewrite_index {
            true => self
                .parted_names
                .insert(found.record().unwrap_or(found.set[0])),
            false => self.parted_images.insert(found.target),
        };
        // What one command asks for twice is asked for once.
        if !done {
            return Ok(());
        }
        let mut image = self.parted_image(found, options, config_of);
        let refusals = self.select_parts(&mut image, is_matched);
        let is_forgiven = |refusal: &Refusal| is_matched && refusal.class == RefusalClass::NotFound;
        let refusals = refusals.into_iter().filter(|refusal| !is_forgiven(refusal));
        self.plan.refusals.extend(refusals);
        if image.selected.is_empty() {
            return Ok(());
        }
        let rewritten = match options.rewrite_index {
            true => Some(self.record_to_rewrite(found)?),
            false if options.force => None,
            false => match self.others_that_lose(found, same) {
                others if others.is_empty() => None,
                others => return Err(self.others_would_lose(found.target, &others)),
            },
        };
        let parts = self.parts_of(&mut image, rewritten.is_some());
        let going: Parts = parts.iter().flat_map(|part| &part.parts).copied().collect();
        if going.is_empty() {
            return Ok(());
        }
        // No container needs what is merely about a platform.
        let mut platforms = image.manifests.iter().filter(|of| !of.is_attestation);
        let is_lost = rewritten.is_none() || found.set.len() == 1;
        if is_lost && platforms.any(|of| going.contains(&of.manifest)) {
            self.refuse_users_of_parts(found, &going, options.force, config_of)?;
        }
        if self.leaves_nothing(&image, &going) {
            if !options.parts.keep_platforms.is_empty() {
                return Err(self.nothing_kept(&image));
            }
            return self.remove_whole(&image, rewritten);
        }
        match rewritten {
            Some(record) => self.rewrite(record, &image, parts),
            None => self.removed.extend(parts),
        }
        Ok(())
    }

    fn parted_image<'s>(
        &self,
        found: &'s Found,
        options: &'s RmiOptions,
        config_of: &ConfigOf<'_>,
    ) -> PartedImage<'s> {
        let (graph, target) = (self.graph(), found.target);
        let mut set = found.set.iter();
        let declared = set.find_map(|id| self.view.declared_platform(*id));
        let manifests = platform_manifests(graph, target, declared, &Parts::default(), config_of);
        let mut places: HashMap<NodeId, Vec<usize>> = HashMap::new();
        for (place, of) in manifests.iter().enumerate() {
            places.entry(of.manifest).or_default().push(place);
        }
        PartedImage {
            found,
            options,
            manifests,
            children: index_children(graph, target),
            belongings: Belongings::within(graph, target),
            selected: Vec::new(),
            places,
            selected_places: HashSet::new(),
        }
    }

    /// Selects what was asked for, and says what was not found or is a conflict.
    fn select_parts(&self, image: &mut PartedImage<'_>, is_matched: bool) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let asked = &image.options.parts;
        // Of a pattern, an image without what is to be kept is meant no more than one without what is to
        // be removed.
        match self.not_kept(image) {
            Ok(manifests) => {
                for place in manifests {
                    image.select_manifest(place);
                }
            }
            Err(_) if is_matched => return refusals,
            Err(refusal) => {
                refusals.push(refusal);
                return refusals;
            }
        }
        let mut seen: Vec<&Platform> = Vec::new();
        for platform in &asked.platforms {
            // What was asked twice is asked once, however it was spelled.
            if seen.iter().any(|seen| seen.is_same(platform)) {
                continue;
            }
            seen.push(platform);
            let places = match select(platform, &self.listed_platforms(image)) {
                Selected::Several(places) if !image.options.force => {
                    refusals.push(self.several_platforms(platform, image, &places));
                    continue;
                }
                selected => selected.places(),
            };
            if places.is_empty() {
                refusals.push(self.no_such_platform(platform, image));
            }
            for place in places {
                image.select_manifest(place);
            }
        }
        for prefix in &asked.manifests {
            match self.child_of(prefix, image) {
                Ok(node) => image.select_child(node, "the manifest"),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if asked.attestations {
            let attestations = image.children.iter().filter(|child| child.is_attestation);
            let nodes: Vec<NodeId> = attestations.map(|child| child.node).collect();
            let counting = nodes.into_iter().filter(|node| self.counts(*node, image));
            let counting: Vec<NodeId> = counting.collect();
            if counting.is_empty() {
                refusals.push(Refusal::not_found(format!(
                    "failed to delete attestations of {}: it has none",
                    self.shown(image.found.set[0])
                )));
            }
            for node in counting {
                image.select_child(node, "the attestation");
            }
        }
        refusals
    }

    /// Whether a child can be selected: the layout has it, or the index is to be rewritten without it.
    fn counts(&self, node: NodeId, image: &PartedImage<'_>) -> bool {
        image.options.rewrite_index || !self.graph().is_missing_document(node)
    }

    /// The platforms that can be asked for. What is about another manifest is asked for with that one, or
    /// by the platform that attestations have.
    fn listed_platforms<'i>(&self, image: &'i PartedImage<'_>) -> Vec<ListedPlatform<'i>> {
        const NOBODY: &Platform = &Platform::none();
        let listed = image.manifests.iter().map(|manifest| {
            let platform = manifest.platform.as_ref();
            let platform = platform.filter(|of| !manifest.is_attestation || of.is_unknown());
            ListedPlatform {
                platform: platform.unwrap_or(NOBODY),
                counts: platform.is_some() && (manifest.is_present || image.options.rewrite_index),
            }
        });
        listed.collect()
    }

    /// Of the platforms those that `--keep-platform` does not name.
    fn not_kept(&self, image: &PartedImage<'_>) -> Result<Vec<usize>, Refusal> {
        let keep = &image.options.parts.keep_platforms;
        if keep.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self.listed_platforms(image);
        let mut kept = HashSet::new();
        for platform in keep {
            let places = select(platform, &listed).places();
            if places.is_empty() {
                return Err(Refusal::conflict(format!(
                    "conflict: {} has no platform {} that could be kept",
                    self.shown(image.found.set[0]),
                    platform.full()
                ))
                .hint(format!(
                    "nothing of this image goes; {}",
                    present(&image.manifests)
                )));
            }
            kept.extend(places);
        }
        let stays = |place: &usize| image.manifests[*place].is_present;
        if !kept.iter().any(stays) {
            return Err(self.nothing_kept(image));
        }
        let is_going = |place: &usize| {
            let manifest = &image.manifests[*place];
            let said = manifest.platform.as_ref();
            let is_said = said.is_some_and(|of| !of.is_unknown() && *of != Platform::none());
            is_said && !manifest.is_attestation && listed[*place].counts && !kept.contains(place)
        };
        Ok((0..listed.len()).filter(is_going).collect())
    }

    fn nothing_kept(&self, image: &PartedImage<'_>) -> Refusal {
        Refusal::conflict(format!(
            "conflict: nothing that is there would be left of {}",
            self.shown(image.found.set[0])
        ))
        .hint(present(&image.manifests))
    }

    /// What the index lists under the only digest that begins so.
    fn child_of(&self, prefix: &DigestPrefix, image: &PartedImage<'_>) -> Result<NodeId, Refusal> {
        let graph = self.graph();
        let name = self.shown(image.found.set[0]);
        let begins = |node: NodeId| prefix.begins(graph.digest(node));
        let children = image.children.iter().map(|child| child.node);
        let found: Vec<NodeId> = children.filter(|node| begins(*node)).collect();
        let what = format!("failed to delete manifest {prefix} of {name}");
        match *found {
            [] if begins(image.found.target) => Err(Refusal::not_found(format!(
                "{what}: that is the image itself"
            ))
            .hint("without --manifest the image goes")),
            [] => Err(
                Refusal::not_found(format!("{what}: its index lists no such digest"))
                    .hint("`ocirm ls --tree` shows the digests"),
            ),
            [only] if self.counts(only, image) => Ok(only),
            [_] => Err(Refusal::not_found(format!(
                "{what}: its index lists it, and the layout does not have it"
            ))
            .hint("--rewrite-index takes it out of the index")),
            _ => {
                let all = found.iter().map(|node| graph.digest(*node).to_string());
                let all: Vec<String> = all.collect();
                Err(Refusal::new(
                    RefusalClass::Ambiguous,
                    format!("{what}: it could be {}", listed(&all, MOST_LISTED)),
                )
                .hint("give more digits"))
            }
        }
    }

    /// What goes with each selected part. A manifest that stands for a platform that was not selected
    /// stays, and what goes already is not repeated.
    fn parts_of(&mut self, image: &mut PartedImage<'_>, rewrite: bool) -> Vec<RemovedPart> {
        let target = image.found.target;
        let selected = std::mem::take(&mut image.selected);
        let mut removed = Vec::new();
        let mut taken = Parts::new();
        for (manifest, what) in selected {
            if manifest != target && taken.contains(&manifest) {
                continue;
            }
            if let Some(other) = image.platform_that_stays(manifest) {
                self.plan.notes.push(Note::PartKept {
                    what,
                    manifest,
                    holders: vec![format!(
                        "{} for {}",
                        self.shown(image.found.set[0]),
                        other.full()
                    )],
                });
                continue;
            }
            let mut parts = vec![manifest];
            parts.extend(self.below(image, manifest));
            let belongings: Vec<NodeId> = parts
                .iter()
                .flat_map(|part| image.belongings.of(*part))
                .collect();
            parts.extend(belongings);
            parts.retain(|part| taken.insert(*part));
            removed.push(RemovedPart {
                image: target,
                what,
                parts,
                action: self.plan.actions.len(),
            });
        }
        if rewrite {
            removed.extend(self.emptied_indexes(image, &mut taken));
        }
        removed
    }

    /// The documents below a nested index that is removed, as far as the image does not list them
    /// elsewhere.
    fn below(&self, image: &PartedImage<'_>, part: NodeId) -> Vec<NodeId> {
        let graph = self.graph();
        if graph.kind(part) != NodeKind::Index || part == image.found.target {
            return Vec::new();
        }
        let mut elsewhere = HashSet::from([image.found.target]);
        let mut todo = vec![image.found.target];
        while let Some(node) = todo.pop() {
            let below = graph.links(node).filter(|link| link.is_needed());
            let below = below.map(|link| link.to).filter(|node| *node != part);
            todo.extend(below.filter(|node| elsewhere.insert(*node)));
        }
        let below = graph.needed_below(part).into_iter().skip(1);
        let is_own = |node: &NodeId| {
            !elsewhere.contains(node)
                && (graph.is_present_document(*node) || graph.is_unread_document(*node))
        };
        below.filter(is_own).collect()
    }

    /// Nested indexes that would list nothing any more: a new index lists them no longer.
    fn emptied_indexes(&self, image: &PartedImage<'_>, taken: &mut Parts) -> Vec<RemovedPart> {
        let graph = self.graph();
        let mut emptied = Vec::new();
        loop {
            let before = emptied.len();
            // Most indexes stand before what they list.
            for index in image.children.iter().rev().map(|child| child.node) {
                if graph.kind(index) != NodeKind::Index || taken.contains(&index) {
                    continue;
                }
                let listed = graph
                    .links(index)
                    .filter(|link| link.role == Role::Manifest);
                let mut listed = listed.map(|link| link.to).peekable();
                if listed.peek().is_none() || !listed.all(|node| taken.contains(&node)) {
                    continue;
                }
                let mut parts = vec![index];
                parts.extend(image.belongings.of(index));
                parts.retain(|part| taken.insert(*part));
                emptied.push(RemovedPart {
                    image: image.found.target,
                    what: "the index".to_owned(),
                    parts,
                    action: self.plan.actions.len(),
                });
            }
            if emptied.len() == before {
                return emptied;
            }
        }
    }

    /// Whether nothing of the image is left that runs anywhere, or nothing at all: that is removing it.
    fn leaves_nothing(&self, image: &PartedImage<'_>, going: &Parts) -> bool {
        if going.contains(&image.found.target) {
            return true;
        }
        let images = || image.manifests.iter().filter(|of| of.is_present_image());
        let runs = images().any(|of| !going.contains(&of.manifest));
        let ran = images().next().is_some();
        let is_all = image
            .children
            .iter()
            .all(|child| going.contains(&child.node));
        !runs && (ran || is_all)
    }

    /// The names that lose the parts as well, although nobody asked for them: those that are not
    /// another spelling of one that was given.
    fn others_that_lose(&self, found: &Found, same: &[RecordId]) -> Vec<RecordId> {
        let named = found.set.iter().filter(|id| !self.is_dangling(**id));
        let named: Vec<(RecordId, String)> = named.map(|id| (*id, self.meant_by(*id))).collect();
        let names: BTreeSet<&str> = named.iter().map(|(_, name)| &**name).collect();
        // By ID, whatever the only name is called.
        if found.is_by_id() && names.len() <= 1 {
            return Vec::new();
        }
        let is_given = |id: &RecordId| same.contains(id) || self.given_names.contains(id);
        let given = named.iter().filter(|(id, _)| is_given(id));
        let given: BTreeSet<&str> = given.map(|(_, name)| &**name).collect();
        let others = named.iter().filter(|(_, name)| !given.contains(&**name));
        others.map(|(id, _)| *id).collect()
    }

    /// The name of a record in full, however it is spelled.
    fn meant_by(&self, id: RecordId) -> String {
        let record = self.record(id);
        let meant = match &record.name {
            Name::Raw(text) => meaning(text),
            _ => None,
        };
        meant.map_or_else(
            || record.key().to_owned(),
            |reference| reference.with_default_tag().to_string(),
        )
    }

    fn others_would_lose(&self, image: NodeId, others: &[RecordId]) -> Refusal {
        let names: Vec<String> = others.iter().map(|id| self.shown(*id)).collect();
        Refusal::conflict(format!(
            "conflict: unable to delete a part of {} (must be forced) - {} would lose it too",
            self.graph().digest(image).short(),
            listed(&names, 8)
        ))
        .hint("use --force to remove it from all of them")
    }

    fn several_platforms(
        &self,
        platform: &Platform,
        image: &PartedImage<'_>,
        places: &[usize],
    ) -> Refusal {
        let all = places.iter().map(|place| &image.manifests[*place].platform);
        let all: BTreeSet<String> = all.flatten().map(Platform::full).collect();
        let all: Vec<String> = all.into_iter().collect();
        Refusal::conflict(format!(
            "conflict: unable to delete platform {} of {} (must be forced) - it could be {}",
            platform.full(),
            self.shown(image.found.set[0]),
            listed(&all, MOST_LISTED)
        ))
        .hint("name one of them, or its digest with --manifest; --force removes all of them")
    }

    fn no_such_platform(&self, platform: &Platform, image: &PartedImage<'_>) -> Refusal {
        let platform = platform.full();
        Refusal::not_found(format!(
            "failed to delete platform {platform} for image {}: image with reference {} was \
                 found but does not provide the platform {platform}",
            self.graph().digest(image.found.target),
            self.shown(image.found.set[0])
        ))
        .hint(present(&image.manifests))
    }

    /// The name gets a new index without what was removed.
    fn rewrite(&mut self, record: RecordId, image: &PartedImage<'_>, parts: Vec<RemovedPart>) {
        let old = image.found.target;
        let removed = || parts.iter().flat_map(|part| &part.parts).copied();
        self.plan.actions.extend(removed().map(Action::Deleted));
        self.plan.actions.push(Action::Deleted(old));
        self.plan.notes.push(Note::Rewritten {
            image: self.shown(record),
            old,
        });
        let removed = removed().collect();
        self.plan.rewrites.push(Rewrite {
            record,
            image: old,
            parts: remaining_parts(self.graph(), old, &removed),
            removed,
            blobs: Vec::new(),
        });
    }

    /// The one name, or the one entry without a name, that a new index is made for.
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
        let has_others = found.set.len() > 1;
        let names_old = match self.name(record) {
            Name::Reference(reference) => reference.digest().is_some(),
            // Only where nothing else leads to the old index is it replaced under its digest.
            Name::Dangling => has_others,
            Name::Tag(_) | Name::Raw(_) => false,
        };
        if names_old {
            return Err(Refusal::conflict(format!(
                "conflict: {} is named by the digest of its index, and a new index has another",
                self.shown(record)
            ))
            .hint("--rewrite-index is for names with a tag, and for images that have no name"));
        }
        Ok(record)
    }

    /// The image goes, or where only one of its names was asked for, that name.
    fn remove_whole(
        &mut self,
        image: &PartedImage<'_>,
        rewritten: Option<RecordId>,
    ) -> Result<(), Refusal> {
        let PartedImage { found, options, .. } = image;
        match rewritten {
            Some(record) if found.set.len() > 1 => self.untag_all(&[record]),
            _ => {
                self.refuse_in_use(found.target, options.force)?;
                self.delete_image(&found.set, options, false);
            }
        }
        Ok(())
    }
}

impl PartedImage<'_> {
    /// Selects one of the manifests by its platform.
    fn select_manifest(&mut self, place: usize) {
        let manifest = &self.manifests[place];
        let platform = manifest.platform.as_ref().map(Platform::full);
        let what = format!("platform {}", platform.unwrap_or_default());
        self.selected.push((manifest.manifest, what));
        self.selected_places.insert(place);
    }

    /// Selects something by its digest, for whatever platform it stands.
    fn select_child(&mut self, node: NodeId, what: &str) {
        self.selected.push((node, what.to_owned()));
        let places = self.places.get(&node).into_iter().flatten();
        self.selected_places.extend(places);
    }

    /// A platform that was not selected and that the very same manifest stands for.
    fn platform_that_stays(&self, manifest: NodeId) -> Option<&Platform> {
        let mut places = self.places.get(&manifest)?.iter();
        places.find_map(|place| {
            let of = &self.manifests[*place];
            let stays = !self.selected_places.contains(place) && !of.is_attestation;
            of.platform.as_ref().filter(|_| stays)
        })
    }
}

/// The platforms that are there, as they can be typed.
fn present(manifests: &[PlatformManifest]) -> String {
    let images = manifests.iter().filter(|of| of.is_present_image());
    let platforms = images.filter_map(|of| of.platform.as_ref());
    let said = platforms.filter(|of| **of != Platform::none());
    let mut texts: Vec<String> = Vec::new();
    for text in said.map(Platform::full) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    format!("present in this layout: {}", listed(&texts, MOST_LISTED))
}
