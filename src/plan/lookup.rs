//! Which image a person means.
//!
//! In this order: the text of a name as it stands in the layout; a full digest; a name, completed
//! as Docker does it; the beginning of an ID; the bare tag of exactly one entry. A name and an ID
//! that mean different images are ambiguous, and so is a name that different images carry.

use std::collections::{BTreeSet, HashSet};

use super::draft::Draft;
use super::plan::{Note, Refusal, RefusalClass};
use crate::oci::descriptor::Role;
use crate::snapshot::{Follow, NodeId, RecordId, RecordKind};
use crate::value::digest::DigestPrefix;
use crate::value::reference::{Argument, Reference, parse_argument};
use crate::words::{listed, quoted};

/// Candidates that a message about several lists.
const MOST_CANDIDATES: usize = 8;

/// What was found: one image.
#[derive(Clone, Debug)]
pub struct Found {
    /// The image.
    pub target: NodeId,
    /// All records of the image that count, in name order; never empty.
    pub set: Vec<RecordId>,
    /// What about it the argument meant.
    pub by: FoundBy,
}

/// What of an image an argument meant.
#[derive(Clone, Debug)]
pub enum FoundBy {
    /// A name.
    Name {
        /// The record that has it.
        record: RecordId,
        /// The same text is the image's ID, or the beginning of it.
        is_id: bool,
    },
    /// The image's ID, or the beginning of it.
    Id,
    /// The digest behind a name that no entry has.
    Digest(Reference),
}

/// Why there is no single image that an argument means.
enum Missed {
    Refused(Refusal),
    /// It could be any of these.
    Several(Vec<RecordId>),
}

impl From<Refusal> for Missed {
    fn from(refusal: Refusal) -> Missed {
        Missed::Refused(refusal)
    }
}

impl Found {
    /// The record that was named, if it was one.
    pub fn record(&self) -> Option<RecordId> {
        match self.by {
            FoundBy::Name { record, .. } => Some(record),
            FoundBy::Id | FoundBy::Digest(_) => None,
        }
    }

    /// Whether the image was asked for, whatever it is called.
    pub fn is_by_id(&self) -> bool {
        match self.by {
            FoundBy::Name { is_id, .. } => is_id,
            FoundBy::Id => true,
            FoundBy::Digest(_) => false,
        }
    }
}

impl Draft<'_> {
    /// Finds the image that `argument` means.
    ///
    /// # Errors
    /// It means none, more than one, or nothing at all. The messages are Docker's.
    pub fn look_up(&mut self, argument: &str) -> Result<Found, Refusal> {
        self.find(argument).map_err(|missed| match missed {
            Missed::Refused(refusal) => refusal,
            Missed::Several(candidates) => self.ambiguous(argument, &candidates),
        })
    }

    /// The records that `argument` means, where it does no harm if they are several: that of a name, all
    /// of an image that is found in another way, and all candidates of what is ambiguous.
    ///
    /// # Errors
    /// It means nothing.
    pub(super) fn meant_records(&mut self, argument: &str) -> Result<Vec<RecordId>, Refusal> {
        match self.find(argument) {
            Ok(found) => match &found.by {
                FoundBy::Name { record, is_id } if !is_id => Ok(vec![*record]),
                // Of other repositories it is not that digest.
                FoundBy::Digest(asked) => match self.going_together(&found) {
                    together if together.is_empty() => Err(no_such_image(&asked.familiar())),
                    together => Ok(together),
                },
                _ => Ok(found.set),
            },
            Err(Missed::Several(candidates)) => Ok(candidates),
            Err(Missed::Refused(refusal)) => Err(refusal),
        }
    }

    fn find(&mut self, argument: &str) -> Result<Found, Missed> {
        if argument.trim().is_empty() {
            return Err(Refusal::invalid("image name cannot be blank").into());
        }
        let exact = self.with_text(argument);
        if !exact.is_empty() {
            return self.one_image(argument, &exact, exact.first().copied());
        }
        match parse_argument(argument) {
            Ok(Argument::Digest(digest)) => {
                // The forms with and without the algorithm are one argument.
                let literal = self.with_text(&digest.to_string());
                if !literal.is_empty() {
                    return self.one_image(argument, &literal, literal.first().copied());
                }
                let target = self.graph().find(&digest);
                let set = target.map_or_else(Vec::new, |target| self.set_of(target));
                self.found_by_id(set).ok_or_else(|| {
                    if let Some(part) = target.and_then(|target| self.part_refusal(target)) {
                        return part.into();
                    }
                    let missing = no_such_image(&digest.to_string());
                    match digest.algorithm_name() {
                        "sha256" => missing,
                        _ => missing.hint(
                            "no entry of index.json has it (Docker takes only sha256 digests for IDs: \
                             `invalid name reference`)",
                        ),
                    }
                    .into()
                })
            }
            Ok(Argument::Name(reference)) => self.look_up_name(argument, reference),
            Err(invalid) => match self.look_up_tag(argument) {
                Some(result) => result,
                None => Err(Refusal::invalid(format!("{}: {invalid}", quoted(argument))).into()),
            },
        }
    }

    fn look_up_name(&mut self, argument: &str, reference: Reference) -> Result<Found, Missed> {
        let reference = reference.with_default_tag();
        let named = self.named_as_before(self.records().of_key(&reference.to_string()));
        if let Some(prefix) = DigestPrefix::of_id(argument) {
            let by_prefix = self.with_id_prefix(&prefix);
            let mut hits = named.clone();
            hits.extend(by_prefix.iter().filter(|id| !named.contains(id)));
            if !hits.is_empty() {
                return self.one_image(argument, &hits, named.first().copied());
            }
        } else if !named.is_empty() {
            let found = self.one_image(argument, &named, named.first().copied())?;
            let digest = self.graph().digest(found.target);
            if reference.digest().is_some_and(|asked| asked != digest) {
                self.plan.notes.push(Note::DigestIgnored {
                    argument: argument.to_owned(),
                    found: digest.to_string(),
                });
            }
            return Ok(found);
        } else if let Some(target) = reference.digest().and_then(|d| self.graph().find(d)) {
            let set = self.set_of(target);
            if set.is_empty() {
                let part = self.part_refusal(target);
                let part = part.unwrap_or_else(|| no_such_image(&reference.familiar()));
                return Err(part.into());
            }
            return Ok(Found {
                target,
                set,
                by: FoundBy::Digest(reference),
            });
        }
        let by_tag = self.look_up_tag(argument);
        by_tag.unwrap_or_else(|| {
            let prefix = DigestPrefix::of_id(argument);
            let part = prefix.and_then(|prefix| self.part_with_prefix(argument, &prefix));
            let part = part.unwrap_or_else(|| no_such_image(&reference.familiar()));
            Err(part.into())
        })
    }

    /// Why what `prefix` begins is not removed: it is a part of an image, and none itself. `None`: there
    /// is no such part.
    fn part_with_prefix(&self, argument: &str, prefix: &DigestPrefix) -> Option<Refusal> {
        let graph = self.graph();
        let sorted = self.by_digest.get_or_init(|| {
            let all = graph.ids();
            let mut all: Vec<_> = all
                .map(|node| (graph.digest(node).encoded(), node))
                .collect();
            all.sort_unstable();
            all
        });
        let from = sorted.partition_point(|(hex, _)| hex.as_str() < prefix.encoded());
        let begun = sorted[from..].iter();
        let begun = begun.take_while(|(hex, _)| hex.starts_with(prefix.encoded()));
        let parts = begun.map(|(_, node)| *node);
        let parts = parts.filter(|node| prefix.begins(graph.digest(*node)));
        let parts: Vec<NodeId> = parts.collect();
        match *parts {
            [only] => self.part_refusal(only),
            _ => {
                let parts = parts
                    .into_iter()
                    .filter(|part| self.part_refusal(*part).is_some());
                let parts = parts.map(|part| graph.digest(part).to_string());
                let parts: Vec<String> = parts.take(MOST_CANDIDATES).collect();
                (!parts.is_empty()).then(|| {
                    Refusal::new(
                        RefusalClass::Ambiguous,
                        format!(
                            "{}: it could be {}, which are parts of images",
                            quoted(argument),
                            listed(&parts, MOST_CANDIDATES)
                        ),
                    )
                    .hint(match self.only_looks {
                        true => "give more digits",
                        false => "give more digits; rmi IMAGE --manifest DIGEST removes a part",
                    })
                })
            }
        }
    }

    /// A refusal of an argument that may be an ID, or what says more.
    pub(super) fn explained(&mut self, argument: &str, refusal: Refusal) -> Refusal {
        let explain = self.explain.filter(|_| is_id(argument));
        let explained = explain.and_then(|explain| explain(argument));
        explained.unwrap_or_else(|| self.suggested(argument, refusal))
    }

    /// Why an argument means no image, if what it means is a part of one.
    pub fn meant_part(&mut self, argument: &str) -> Option<Refusal> {
        match self.look_up(argument) {
            Ok(found) => {
                let first = *found.set.first()?;
                let is_part =
                    self.is_mere_dependent(first) && self.record(first).kind == RecordKind::Child;
                is_part.then(|| self.part_refusal(found.target)).flatten()
            }
            Err(refusal) if refusal.class == RefusalClass::NotFound => None,
            Err(refusal) => Some(refusal),
        }
    }

    /// Why a blob is not removed: some image leads to it. `None`: none does. `--force` changes nothing.
    pub(super) fn part_refusal(&self, part: NodeId) -> Option<Refusal> {
        let graph = self.graph();
        let parents = self.parents.get_or_init(|| graph.parents(Follow::Needed));
        let mut above = HashSet::from([part]);
        let mut todo = vec![part];
        while let Some(node) = todo.pop() {
            let leading = parents.get(&node).into_iter().flatten();
            todo.extend(
                leading
                    .map(|(from, _)| *from)
                    .filter(|from| above.insert(*from)),
            );
        }
        above.remove(&part);
        let mut images = Vec::new();
        let (mut own, mut belonging) = (BTreeSet::new(), BTreeSet::new());
        for node in above {
            for id in self.set_of(node) {
                let names = match self.record(id).kind.is_dependent() {
                    true => &mut belonging,
                    false => &mut own,
                };
                names.insert(self.shown(id));
            }
        }
        // A part of a signature is a part of what nobody else speaks for.
        images.extend(if own.is_empty() { belonging } else { own });
        let image: &String = images.first()?;
        let leading = || parents.get(&part).into_iter().flatten();
        let is_child = leading().any(|(_, role)| *role == Role::Manifest);
        let role = leading().map(|(_, role)| match role {
            Role::Config => "the config",
            Role::Layer => "a layer",
            _ => "a part",
        });
        let what = match is_child {
            true => "part",
            false => role.min().unwrap_or("a part"),
        };
        let short = graph.digest(part).short();
        let images_above = listed(&images, 8);
        if self.only_looks {
            let message = format!("{short} is {what} of {images_above}, and no image");
            let whole = format!("`ocirm why {}` shows what leads to it", graph.digest(part));
            return Some(Refusal::conflict(message).hint(whole));
        }
        let refusal = Refusal::conflict(format!(
            "conflict: unable to delete {short} (cannot be forced) - it is {what} of {images_above}"
        ));
        Some(match is_child {
            true => refusal.hint(format!(
                "remove that image, or only this part of it: ocirm rmi {image} --manifest {short}"
            )),
            false => refusal.hint("it goes with the last image that leads to it"),
        })
    }

    /// The bare tag of exactly one entry whose full name is another.
    fn look_up_tag(&self, argument: &str) -> Option<Result<Found, Missed>> {
        let records = self.records();
        let entries = records.entries_with_tag(self.view.index.entries(), argument);
        let of_entries = entries.into_iter().filter_map(|at| records.of_entry(at));
        let named = of_entries.filter(|id| self.is_present(*id) && !self.is_dangling(*id));
        // Entries that say the same are one record.
        let each_once: BTreeSet<RecordId> = named.collect();
        match &*each_once.into_iter().collect::<Vec<_>>() {
            [] => None,
            [only] => Some(self.one_image(argument, &[*only], Some(*only))),
            several => Some(Err(Missed::Several(several.to_vec()))),
        }
    }

    /// Whether a name stands in the file with exactly this text.
    pub(super) fn has_text(&self, text: &str) -> bool {
        !self.with_text(text).is_empty()
    }

    /// The records whose name stands in the file with exactly this text.
    fn with_text(&self, text: &str) -> Vec<RecordId> {
        let entries = self.view.index.entries();
        self.named_as_before(self.records().of_text(entries, text))
    }

    /// Those of some records that still have the name that they had.
    fn named_as_before(&self, mut ids: Vec<RecordId>) -> Vec<RecordId> {
        ids.retain(|id| {
            self.is_present(*id) && self.is_dangling(*id) == self.record(*id).is_dangling()
        });
        ids
    }

    /// The records whose image's ID begins so.
    fn with_id_prefix(&self, prefix: &DigestPrefix) -> Vec<RecordId> {
        let ids = self.records().with_id_prefix(self.graph(), prefix);
        let present = ids.iter().filter(|id| self.is_present(**id));
        present.copied().collect()
    }

    /// The single image that `hits` belong to. `named` is the record that the argument names, if it
    /// names one.
    fn one_image(
        &self,
        argument: &str,
        hits: &[RecordId],
        named: Option<RecordId>,
    ) -> Result<Found, Missed> {
        let targets: BTreeSet<NodeId> = hits.iter().map(|id| self.record(*id).target).collect();
        if targets.len() > 1 {
            return Err(Missed::Several(hits.to_vec()));
        }
        let Some(target) = targets.first().copied() else {
            return Err(no_such_image(argument).into());
        };
        let mut set = self.set_of(target);
        let Some(record) = named else {
            let found = self.found_by_id(set);
            return found.ok_or_else(|| no_such_image(argument).into());
        };
        if !set.contains(&record) {
            set.push(record);
        }
        let id = self.graph().digest(target);
        let is_id = id.to_string() == argument
            || DigestPrefix::of_id(argument).is_some_and(|prefix| prefix.begins(id));
        Ok(Found {
            target,
            set,
            by: FoundBy::Name { record, is_id },
        })
    }

    /// What a record stands for that was found by its name.
    pub(super) fn found_record(&self, record: RecordId) -> Found {
        let target = self.record(record).target;
        let mut set = self.set_of(target);
        if !set.contains(&record) {
            set.push(record);
        }
        let is_id = false;
        Found {
            target,
            set,
            by: FoundBy::Name { record, is_id },
        }
    }

    /// The image of some records, if there are any.
    fn found_by_id(&self, set: Vec<RecordId>) -> Option<Found> {
        let first = *set.first()?;
        Some(Found {
            target: self.record(first).target,
            set,
            by: FoundBy::Id,
        })
    }

    fn ambiguous(&self, argument: &str, candidates: &[RecordId]) -> Refusal {
        let targets = candidates.iter().map(|id| self.record(*id).target);
        let targets = targets.collect::<BTreeSet<_>>().len();
        let described = candidates.iter().map(|id| {
            let digest = self.graph().digest(self.record(*id).target);
            match self.is_dangling(*id) {
                true => digest.to_string(),
                false => format!("{} ({})", self.shown(*id), digest.short()),
            }
        });
        let list: BTreeSet<String> = described.collect();
        let list: Vec<String> = list.into_iter().collect();
        Refusal::new(
            RefusalClass::Ambiguous,
            format!(
                "{}: ambiguous reference, it could be {}",
                quoted(argument),
                listed(&list, 8)
            ),
        )
        .hint(if targets > 1 {
            "give a full name, or more digits of the ID"
        } else {
            "give a full name"
        })
    }
}

/// Whether a text is a digest, ends in one, or is the beginning of one.
pub(super) fn is_id(text: &str) -> bool {
    DigestPrefix::of_id(text).is_some()
        || match parse_argument(text) {
            Ok(Argument::Digest(_)) => true,
            Ok(Argument::Name(reference)) => reference.digest().is_some(),
            Err(_) => false,
        }
}

pub(super) fn no_such_image(familiar: &str) -> Refusal {
    Refusal::not_found(format!("No such image: {familiar}"))
}
