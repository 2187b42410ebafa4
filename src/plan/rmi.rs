//! `rmi`: removing names, and the image with the last of them.
//!
//! The rules are those of Docker's containerd image store. By name, the names that go together
//! with it go; if no other is left, the image goes too. By ID, the image goes, which is a conflict
//! when it has names that do not go together. Images that Docker's classic builder left as dangling
//! parents go with their first child that is removed.

use super::draft::Draft;
use super::lookup::{Found, FoundBy, no_such_image};
use super::names_together::{Compared, names_together};
use super::plan::{Action, Note, Refusal, RefusalClass};
use crate::containers::in_use::{Use, User};
use crate::oci::index::DANGLING_PREFIX;
use crate::snapshot::platform_manifests::platform_manifests;
use crate::snapshot::{ConfigOf, Name, NodeId, Parts, RecordId, RecordKind, orphans, orphans_of};
use crate::value::digest::{Digest, DigestPrefix};
use crate::value::platform::Platform;
use crate::words::listed;

/// What `rmi` was told beside the images.
#[derive(Clone, Debug, Default)]
pub struct RmiOptions {
    /// Overrule conflicts.
    pub force: bool,
    /// Leave dangling parents where they are.
    pub keep_parents: bool,
    /// Remove only these parts.
    pub parts: PartSelection,
    /// Do so by a new index for the given name, and leave the old one to its other names.
    pub rewrite_index: bool,
}

/// Which parts of an image are to be removed. All that is selected in any way goes.
#[derive(Clone, Debug, Default)]
pub struct PartSelection {
    /// These platforms.
    pub platforms: Vec<Platform>,
    /// Every platform that is none of these, if there are any.
    pub keep_platforms: Vec<Platform>,
    /// What the index lists under these digests.
    pub manifests: Vec<DigestPrefix>,
    /// All attestation manifests.
    pub attestations: bool,
}

impl PartSelection {
    /// Whether it is no parts but the image that is to be removed.
    pub fn is_empty(&self) -> bool {
        self.platforms.is_empty()
            && self.keep_platforms.is_empty()
            && self.manifests.is_empty()
            && !self.attestations
    }
}

impl Draft<'_> {
    /// Removes what all of some arguments mean, one after the other. `config_of` is asked about platforms
    /// that no index declares.
    pub fn rmi_all(
        &mut self,
        arguments: &[String],
        options: &RmiOptions,
        config_of: &ConfigOf<'_>,
    ) {
        if !options.parts.is_empty() {
            self.note_given_names(arguments);
        }
        for argument in arguments {
            self.rmi(argument, options, config_of);
        }
    }

    /// Removes one image, or all that a pattern matches, or what of it the options say.
    pub fn rmi(&mut self, argument: &str, options: &RmiOptions, config_of: &ConfigOf<'_>) {
        let matched = match self.matched(argument) {
            Ok(Some(matched)) => matched,
            Ok(None) => {
                let done = match self.look_up(argument) {
                    Ok(found) => self.rmi_found(&found, false, options, config_of),
                    // The image went, since it was nothing but the parts, and this name went with it.
                    Err(_) if self.went_whole(argument) => Ok(()),
                    Err(refusal) => Err(match refusal.class {
                        RefusalClass::NotFound => self.explained(argument, refusal),
                        _ => self.suggested(argument, refusal),
                    }),
                };
                self.plan.refusals.extend(done.err());
                return;
            }
            Err(refusal) => {
                let refusal = self.suggested(argument, refusal);
                self.plan.refusals.push(refusal);
                return;
            }
        };
        if !options.parts.is_empty() {
            self.given_names.extend(&matched);
        }
        for record in matched {
            // It may have gone together with another one.
            if !self.is_present(record) || self.is_dangling(record) {
                continue;
            }
            let found = self.found_record(record);
            let done = self.rmi_found(&found, true, options, config_of);
            self.plan.refusals.extend(done.err());
        }
    }

    /// Which names the arguments mean: none of them speaks against removing parts of an image that has
    /// several.
    fn note_given_names(&mut self, arguments: &[String]) {
        let notes = self.plan.notes.len();
        for argument in arguments {
            if let Ok(Some(matched)) = self.matched(argument) {
                self.given_names.extend(matched);
            } else if let Ok(found) = self.look_up(argument) {
                let same = self.going_together(&found);
                self.given_names.extend(same);
                self.given_images.insert(argument.clone(), found.target);
            }
        }
        // They are said when it is their turn.
        self.plan.notes.truncate(notes);
    }

    /// Whether an argument meant an image that this command removed, for another argument.
    fn went_whole(&self, argument: &str) -> bool {
        let image = self.given_images.get(argument);
        image.is_some_and(|image| {
            self.parted_images.contains(image) && self.set_of(*image).is_empty()
        })
    }

    fn rmi_found(
        &mut self,
        found: &Found,
        is_matched: bool,
        options: &RmiOptions,
        config_of: &ConfigOf<'_>,
    ) -> Result<(), Refusal> {
        let same = self.going_together(found);
        if let FoundBy::Digest(asked) = &found.by
            && same.is_empty()
        {
            return Err(no_such_image(&asked.familiar()));
        }
        // However it was found: the text of a dangling name may be that of a part of another image.
        let record = self.record(found.set[0]);
        if self.is_mere_dependent(found.set[0])
            && record.kind == RecordKind::Child
            && let Some(refusal) = self.part_refusal(record.target)
        {
            return Err(refusal);
        }
        if !options.parts.is_empty() {
            return self.rmi_parts(found, &same, is_matched, options, config_of);
        }
        let is_whole = same.len() == found.set.len();
        // Naming an image by its own ID is asking for the image, whatever it is called.
        if found.is_by_id() {
            return self.rmi_image(found, is_whole, options);
        }
        if !is_whole {
            self.untag_all(&same);
            return Ok(());
        }
        match found.record() {
            // A dangling image has no name to take away: there is only the image.
            Some(record) if !self.is_dangling(record) && !self.uses.of(found.target).is_empty() => {
                self.refuse_user(found, options.force)?;
                // The image stays for the container.
                self.plan
                    .actions
                    .push(Action::Untagged(self.shown_shared(record), found.target));
                match found.set.len() {
                    1 => self.dangle(record),
                    _ => self.remove(record),
                }
                Ok(())
            }
            _ => self.rmi_image(found, is_whole, options),
        }
    }

    /// The records whose names go together with what was asked for.
    pub(super) fn going_together(&self, found: &Found) -> Vec<RecordId> {
        let names: Vec<&Name> = found.set.iter().map(|id| self.name(*id)).collect();
        let compared = match &found.by {
            FoundBy::Id => Compared::First,
            FoundBy::Digest(asked) => Compared::Reference(asked),
            FoundBy::Name { record, .. } => match self.name(*record) {
                Name::Reference(reference) => Compared::Reference(reference),
                Name::Tag(tag) => Compared::Tag(tag),
                Name::Raw(_) | Name::Dangling => {
                    let mut set = found.set.iter();
                    Compared::Only(set.position(|id| id == record).unwrap_or_default())
                }
            },
        };
        let places = names_together(&names, compared).into_iter();
        places.map(|place| found.set[place]).collect()
    }

    /// Removes a whole image, unless something speaks against it.
    fn rmi_image(
        &mut self,
        found: &Found,
        is_whole: bool,
        options: &RmiOptions,
    ) -> Result<(), Refusal> {
        self.refuse_in_use(found.target, options.force)?;
        let is_named = found.record().is_some();
        let has_several = found.set.len() > 1;
        if has_several && !options.force && (!is_whole || found.is_by_id() && is_named) {
            return Err(self.several_names(&found.set));
        }
        // An image that others were built from stays for them, nameless, if its only name was given
        // and nothing was forced.
        let keep_for_children = is_named
            && !has_several
            && !options.force
            && !self.is_dangling(found.set[0])
            && self.has_children(found.target);
        self.delete_image(&found.set, options, keep_for_children);
        Ok(())
    }

    /// A container that uses the image speaks against taking its last name away.
    fn refuse_user(&self, found: &Found, force: bool) -> Result<(), Refusal> {
        let user = self.uses.of(found.target).first();
        user.filter(|_| !force).map_or(Ok(()), |user| {
            let hint = "--force takes the name away and keeps the image as a dangling one";
            Err(self.used(found, user).hint(hint))
        })
    }

    /// A container that uses parts of an image speaks against taking them away: `going` are manifests
    /// and what goes with them. One that uses other parts does not.
    ///
    /// # Errors
    /// The conflict, which `force` overrules.
    pub(super) fn refuse_users_of_parts(
        &self,
        found: &Found,
        going: &Parts,
        force: bool,
        config_of: &ConfigOf<'_>,
    ) -> Result<(), Refusal> {
        let users = self.uses.of(found.target);
        if force || users.is_empty() {
            return Ok(());
        }
        let graph = self.graph();
        let listed = platform_manifests(
            graph,
            found.target,
            self.declared_platform(found),
            &Parts::new(),
            config_of,
        );
        let platforms: Vec<_> = listed
            .into_iter()
            .filter(|listed| !listed.is_attestation)
            .map(|listed| (listed.manifest, listed.platform))
            .collect();
        let user = users
            .iter()
            .find(|user| user.needs_any(graph, going, &platforms));
        user.map_or(Ok(()), |user| {
            let hint = "--force removes it from the image all the same";
            Err(self.used(found, user).hint(hint))
        })
    }

    fn declared_platform(&self, found: &Found) -> Option<&Platform> {
        let mut set = found.set.iter();
        set.find_map(|id| self.view.declared_platform(*id))
    }

    fn used(&self, found: &Found, user: &User<'_>) -> Refusal {
        Refusal::conflict(format!(
            "conflict: unable to delete {} (must be forced) - container {} is using its referenced \
             image {}",
            self.shown(found.record().unwrap_or(found.set[0])),
            user.container.short_id(),
            self.graph().digest(found.target).short()
        ))
    }

    /// Removes names of an image that has others.
    pub(super) fn untag_all(&mut self, records: &[RecordId]) {
        for id in records {
            let target = self.record(*id).target;
            let digest = self.graph().digest(target);
            let name = match self.is_dangling(*id) {
                true => format!("{DANGLING_PREFIX}{digest}").into(),
                false => self.shown_shared(*id),
            };
            self.plan.actions.push(Action::Untagged(name, target));
            self.remove(*id);
        }
    }

    /// Removes an image with all its names, and the dangling images it was built from.
    pub(super) fn delete_image(
        &mut self,
        set: &[RecordId],
        options: &RmiOptions,
        keep_for_children: bool,
    ) {
        let target = self.record(set[0]).target;
        let parents = match options.keep_parents {
            true => Vec::new(),
            false => self.parents(target),
        };
        for id in set {
            if !self.is_dangling(*id) {
                self.plan
                    .actions
                    .push(Action::Untagged(self.shown_shared(*id), target));
            }
            match keep_for_children {
                true => self.dangle(*id),
                false => self.remove(*id),
            }
        }
        self.plan.actions.push(Action::Deleted(target));
        for parent in parents {
            let set = self.set_of(parent);
            let in_use = !self.uses.of(parent).is_empty();
            if set.len() != 1 || !self.is_dangling(set[0]) || in_use {
                break;
            }
            self.remove(set[0]);
            self.plan.actions.push(Action::Deleted(parent));
        }
    }

    /// Referrers with names of their own to whose subject nothing else leads any more: takes them
    /// along, at any depth, or notes that they stay.
    pub fn follow_named_referrers(&mut self, take: bool) {
        if !self.graph().has_subjects() {
            return;
        }
        let now = {
            let start = self.plan.starts(self.view);
            let removed_parts = self.removed_parts();
            orphans_of(self.view, &|id| self.is_present(id), &start, &removed_parts)
        };
        if now.is_empty() {
            return;
        }
        let before = orphans(self.view);
        let is_new = |id: &RecordId| {
            now.contains(id) && !before.contains(id) && !self.record(*id).kind.is_dependent()
        };
        let left: Vec<RecordId> = self
            .records()
            .iter()
            .map(|(id, _)| id)
            .filter(is_new)
            .collect();
        let mut stay = Vec::new();
        for id in left {
            let target = self.record(id).target;
            let in_use = !self.uses.of(target).is_empty();
            if !take || in_use {
                stay.push(self.shown(id));
                continue;
            }
            if !self.is_dangling(id) {
                self.plan
                    .actions
                    .push(Action::Untagged(self.shown_shared(id), target));
            }
            self.plan.actions.push(Action::DeletedBelow(target));
            self.remove(id);
        }
        if !stay.is_empty() {
            self.plan
                .notes
                .push(Note::ReferrersStay { referrers: stay });
        }
    }

    fn parent_of(&self, target: NodeId) -> Option<&Digest> {
        let first = *self.set_of(target).first()?;
        self.record(first).parent.as_deref()
    }

    /// The images that this one was built from, nearest first. If any is unknown, there are none:
    /// a chain with a hole says nothing.
    fn parents(&self, target: NodeId) -> Vec<NodeId> {
        let mut chain = Vec::new();
        let mut seen = std::collections::HashSet::from([target]);
        let mut at = target;
        while let Some(parent) = self.parent_of(at) {
            let known = self.graph().find(parent);
            match known.filter(|node| !self.set_of(*node).is_empty()) {
                Some(node) if seen.insert(node) => {
                    chain.push(node);
                    at = node;
                }
                _ => return Vec::new(),
            }
        }
        chain
    }

    fn has_children(&self, target: NodeId) -> bool {
        let digest = self.graph().digest(target);
        let is_child = |id: RecordId| self.record(id).parent.as_deref() == Some(digest);
        let mut with_parent = self.records().with_parent().iter();
        with_parent.any(|id| self.is_present(*id) && is_child(*id))
    }

    /// Containers speak against deleting an image: running ones always, stopped ones unless forced.
    pub(super) fn refuse_in_use(&self, image: NodeId, force: bool) -> Result<(), Refusal> {
        let users = self.uses.of(image);
        let running = users.iter().find(|user| user.container.running);
        let stopped = users.iter().find(|user| !user.container.running && !force);
        let (user, how, state) = match (running, stopped) {
            (Some(user), _) => (user, "cannot", "running"),
            (None, Some(user)) => (user, "must", "stopped"),
            (None, None) => return Ok(()),
        };
        let used = match user.does {
            Use::MadeFrom => "image is being used by",
            Use::Mounted => "image is mounted into",
        };
        Err(Refusal::conflict(format!(
            "conflict: unable to delete {} ({how} be forced) - {used} {state} container {}",
            self.graph().digest(image).short(),
            user.container.short_id()
        )))
    }

    fn several_names(&self, set: &[RecordId]) -> Refusal {
        let names: Vec<String> = set.iter().map(|id| self.shown(*id)).collect();
        Refusal::conflict(format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple \
                 repositories",
            self.graph().digest(self.record(set[0]).target).short()
        ))
        .hint(format!(
            "its names are {}; remove them by name, or use --force for all",
            listed(&names, 8)
        ))
    }
}
