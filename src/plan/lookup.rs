//! Which image a person means.
//!
//! In this order: the text of a name as it stands in the layout; a full digest; a name, completed
//! as Docker does it; the beginning of an ID; the bare tag of exactly one entry. A name and an ID
//! that mean different images are ambiguous, and so is a name that different images carry.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::plan::{Note, Refusal, RefusalClass};
use crate::snapshot::graph::NodeId;
use crate::snapshot::records::RecordId;
use crate::value::reference::{Argument, Reference, id_prefix, parse_argument};
use crate::words::{listed, quoted};

/// What was found: one image.
#[derive(Clone, Debug)]
pub struct Found {
    /// The image.
    pub target: NodeId,
    /// The record that was named, if it was one.
    pub matched: Option<RecordId>,
    /// All records of the image that count, in name order; never empty.
    pub set: Vec<RecordId>,
    /// The argument as a name, when it was read as one.
    pub asked: Option<Reference>,
    /// Whether the argument is the image's ID, or the beginning of it.
    pub by_id: bool,
}

impl Draft<'_> {
    /// Finds the image that `argument` means.
    ///
    /// # Errors
    /// It means none, more than one, or nothing at all. The messages are Docker's.
    pub fn look_up(&mut self, argument: &str) -> Result<Found, Refusal> {
        if argument.trim().is_empty() {
            return Err(Refusal::new(
                RefusalClass::Invalid,
                "image name cannot be blank",
            ));
        }
        let exact = self.alive(&self.of_text(argument));
        if !exact.is_empty() {
            return self.one_image(argument, &exact, None);
        }
        match parse_argument(argument) {
            Ok(Argument::Digest(digest)) => {
                // The forms with and without the algorithm are one argument.
                let literal = self.alive(&self.of_text(&digest.to_string()));
                if !literal.is_empty() {
                    return self.one_image(argument, &literal, None);
                }
                let set = self
                    .graph()
                    .find(&digest)
                    .map(|target| self.set_of(target))
                    .unwrap_or_default();
                if set.is_empty() && digest.algorithm_name() != "sha256" {
                    return Err(
                        Refusal::new(RefusalClass::Invalid, "invalid name reference")
                            .hint("only sha256 digests are IDs; give a name, or NAME@DIGEST"),
                    );
                }
                self.found(None, set, None, argument)
                    .ok_or_else(|| no_such_image(&digest.to_string()))
            }
            Ok(Argument::Name(reference)) => self.look_up_name(argument, reference),
            Err(invalid) => match self.look_up_tag(argument) {
                Some(result) => result,
                None => Err(Refusal::new(
                    RefusalClass::Invalid,
                    format!("{}: {invalid}", quoted(argument)),
                )),
            },
        }
    }

    fn look_up_name(&mut self, argument: &str, reference: Reference) -> Result<Found, Refusal> {
        let reference = reference.with_default_tag();
        let named = self.alive(&self.records().of_key(&reference.to_string()));
        if let Some(prefix) = id_prefix(argument) {
            let by_prefix = self.with_id_prefix(prefix);
            let mut hits = named.clone();
            hits.extend(by_prefix.iter().filter(|id| !named.contains(id)));
            if !hits.is_empty() {
                return self.one_image(argument, &hits, Some((named.first().copied(), reference)));
            }
        } else if !named.is_empty() {
            let found = self.one_image(argument, &named, None)?;
            let digest = self.graph().digest(found.target);
            if reference.digest().is_some_and(|asked| asked != digest) {
                self.notes.push(Note::DigestIgnored {
                    argument: argument.to_owned(),
                    found: digest.to_string(),
                });
            }
            return Ok(found);
        } else if let Some(target) = reference.digest().and_then(|d| self.graph().find(d)) {
            let set = self.set_of(target);
            let familiar = reference.familiar();
            return self
                .found(None, set, Some(reference), argument)
                .ok_or_else(|| no_such_image(&familiar));
        }
        match self.look_up_tag(argument) {
            Some(result) => result,
            None => Err(no_such_image(&reference.familiar())),
        }
    }

    /// The bare tag of exactly one entry whose full name is another.
    fn look_up_tag(&self, argument: &str) -> Option<Result<Found, Refusal>> {
        let entries: Vec<usize> = self
            .records()
            .entries_with_tag(self.view.index.entries(), argument)
            .iter()
            .copied()
            .filter(|position| {
                let id = self.records().of_entry(*position);
                id.is_some_and(|id| self.is_present(id) && !self.is_dangling(id))
            })
            .collect();
        let records: Vec<RecordId> = entries
            .iter()
            .filter_map(|position| self.records().of_entry(*position))
            .collect();
        match entries.len() {
            0 => None,
            1 => Some(self.one_image(argument, &records, None)),
            _ => Some(Err(self.ambiguous(argument, &records))),
        }
    }

    fn of_text(&self, text: &str) -> Vec<RecordId> {
        let entries = self.view.index.entries();
        self.records().of_text(entries, text)
    }

    fn alive(&self, ids: &[RecordId]) -> Vec<RecordId> {
        ids.iter()
            .copied()
            .filter(|id| {
                self.is_present(*id) && self.is_dangling(*id) == self.record(*id).is_dangling()
            })
            .collect()
    }

    /// The records whose image has a sha256 ID that begins so.
    fn with_id_prefix(&self, prefix: &str) -> Vec<RecordId> {
        self.records()
            .with_id_prefix(self.graph(), prefix)
            .iter()
            .copied()
            .filter(|id| self.is_present(*id))
            .collect()
    }

    /// The single image that `hits` belong to. `short` is given for an argument that may be the
    /// beginning of an ID: the record it names, and the name.
    fn one_image(
        &self,
        argument: &str,
        hits: &[RecordId],
        short: Option<(Option<RecordId>, Reference)>,
    ) -> Result<Found, Refusal> {
        let targets: BTreeSet<NodeId> = hits.iter().map(|id| self.record(*id).target).collect();
        if targets.len() > 1 {
            return Err(self.ambiguous(argument, hits));
        }
        let (matched, asked) = match short {
            Some((matched, reference)) => (matched, Some(reference)),
            None => (hits.first().copied(), None),
        };
        let set = targets
            .first()
            .map(|target| self.set_of(*target))
            .unwrap_or_default();
        self.found(matched, set, asked, argument)
            .ok_or_else(|| no_such_image(argument))
    }

    fn found(
        &self,
        matched: Option<RecordId>,
        mut set: Vec<RecordId>,
        asked: Option<Reference>,
        argument: &str,
    ) -> Option<Found> {
        if let Some(matched) = matched
            && !set.contains(&matched)
        {
            set.push(matched);
        }
        let target = self.record(*set.first()?).target;
        let id = self.graph().digest(target);
        let by_id = id.to_string() == argument
            || id_prefix(argument).is_some_and(|hex| {
                id.algorithm_name() == "sha256" && id.encoded().starts_with(hex)
            });
        Some(Found {
            target,
            matched,
            set,
            asked,
            by_id,
        })
    }

    fn ambiguous(&self, argument: &str, candidates: &[RecordId]) -> Refusal {
        let targets = candidates.iter().map(|id| self.record(*id).target);
        let targets = targets.collect::<BTreeSet<_>>().len();
        let list: BTreeSet<String> = candidates
            .iter()
            .map(|id| {
                let record = self.record(*id);
                let digest = self.graph().digest(record.target);
                if self.is_dangling(*id) {
                    digest.to_string()
                } else {
                    format!("{} ({})", self.shown(*id), digest.short())
                }
            })
            .collect();
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

fn no_such_image(familiar: &str) -> Refusal {
    Refusal::new(RefusalClass::NotFound, format!("No such image: {familiar}"))
}
