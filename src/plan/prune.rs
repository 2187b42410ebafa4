//! `prune`: dangling images, with `--all` every image; and then the blobs that nothing reaches.
//!
//! Without `--all` no name that a person chose ever goes. What is left over from another program's
//! work in progress is spared by age: an entry without a name may be the first half of a push.

use std::collections::HashSet;

use jiff::Timestamp;

use super::decisions::Cause;
use super::draft::Draft;
use super::metadata::Metadata;
use super::plan::{Action, Note, Refusal};
use super::retention::{Question, Retention, Room};
use crate::filter::Filters;
use crate::inspect::completeness::Completeness;
use crate::retention::Keep;
use crate::snapshot::unlisted::subjects_with_a_list;
use crate::snapshot::{NodeKind, Record, RecordId, RecordKind, orphans};

/// What `prune` was told.
#[derive(Clone, Debug)]
pub struct PruneOptions<'a> {
    /// Every image, not only dangling ones.
    pub all: bool,
    /// Which of them.
    pub filters: &'a Filters,
    /// What arrived after this time without a name is spared.
    pub spare_after: Timestamp,
    /// What a person saw and agreed to, as texts of entries in their [`agreed_form`]; nothing else goes.
    pub confirmed: Option<&'a HashSet<String>>,
    /// What stays whatever else is said.
    pub retention: &'a Retention,
    /// How many of the images stay that do while they fit.
    pub room: Room,
    /// The present, from which the policy counts back.
    pub now: Timestamp,
}

impl Draft<'_> {
    /// Removes what the options say.
    pub(crate) fn prune(&mut self, options: &PruneOptions<'_>, metadata: &dyn Metadata) {
        // `dangling=` narrows what other filters ask for.
        let filters = options.filters;
        let takes_all = options.all || filters.takes_all() && filters.dangling != Some(true);
        let takes_dangling = options.all || filters.dangling != Some(false);
        let mut passed: Vec<RecordId> = Vec::new();
        let mut nameless = 0;
        let asked = options.filters.orphan;
        let orphans = asked.map(|_| orphans(self.view)).unwrap_or_default();
        for (id, record) in self.records().iter() {
            if asked.is_some_and(|asked| asked != orphans.contains(&id)) {
                continue;
            }
            match record.kind {
                RecordKind::Dangling if takes_dangling => {}
                RecordKind::Named | RecordKind::Unnamed if takes_all => {}
                RecordKind::Unnamed => {
                    nameless += 1;
                    continue;
                }
                _ => continue,
            }
            if passes(id, record, filters, metadata) {
                passed.push(id);
            }
        }
        passed.extend(self.old_lists(options, metadata));
        let may_be_a_push = |id: &RecordId| {
            let record = self.record(*id);
            record.is_dangling() && !record.explicit
        };
        let doubtful: Vec<RecordId> = passed.iter().copied().filter(may_be_a_push).collect();
        metadata.expect_arrivals(&doubtful);
        let mut candidates: Vec<(&str, RecordId)> = Vec::with_capacity(passed.len());
        let mut young = HashSet::new();
        for id in passed {
            let record = self.record(id);
            if may_be_a_push(&id) && metadata.arrived(id) > options.spare_after {
                young.insert(id);
                continue;
            }
            candidates.push((record.key(), id));
        }
        candidates.sort();
        self.note_unmatched(options.retention);
        for (option, instead) in self.unmatched_filters(options.filters) {
            self.plan
                .notes
                .push(Note::MatchesNothing { option, instead });
        }
        let question = Question {
            retention: options.retention,
            filters: options.filters,
            room: options.room,
            now: options.now,
            young: &young,
            takes_all,
        };
        let retained = self.retain(candidates, &question, metadata);
        self.plan.in_line = retained.in_line;
        let going = retained.going.iter().map(|(_, id, _)| *id).collect();
        if let Err(refusal) = self.refuse_to_empty(&going, &young, options) {
            self.plan.refusals.push(refusal);
            return;
        }
        let mut not_agreed = 0;
        for (_, id, cause) in retained.going {
            let is_agreed = |at: &usize| {
                let text = || agreed_form(self.view.index.entry_text(*at));
                options
                    .confirmed
                    .is_none_or(|agreed| agreed.contains(&text()))
            };
            let is_agreed = self.record(id).entries.iter().all(is_agreed);
            if !options.retention.is_empty() {
                let cause = match is_agreed {
                    true if self.is_passed_over(id, options, metadata) => cause.of_broken(),
                    true => cause,
                    false => Cause::of("nobody agreed to remove it"),
                };
                self.decided(id, !is_agreed, cause);
            }
            if !is_agreed {
                not_agreed += self.record(id).entries.len();
                continue;
            }
            let target = self.record(id).target;
            let name = self.shown_shared(id);
            self.plan.actions.push(Action::Untagged(name, target));
            self.plan.actions.push(Action::DeletedBelow(target));
            self.remove(id);
        }
        if not_agreed > 0 {
            let note = Note::NotAgreed {
                entries: not_agreed,
            };
            self.plan.notes.push(note);
        }
        if nameless > 0 {
            let note = Note::NamelessLeft { images: nameless };
            self.plan.notes.push(note);
        }
        young.retain(|id| !retained.young_kept.contains(id));
        if !young.is_empty() {
            let images = young.iter().map(|id| self.record(*id).target).collect();
            self.plan.notes.push(Note::YoungLeft { images });
        }
    }

    /// Whether an image goes because nothing counts what cannot be used (F18).
    fn is_passed_over(
        &self,
        id: RecordId,
        options: &PruneOptions<'_>,
        metadata: &dyn Metadata,
    ) -> bool {
        let policy = &options.retention.policy;
        let is_counting = policy.counts.iter().any(|count| count.keep != Keep::All);
        is_counting
            && !self.record(id).kind.is_dependent()
            && metadata.completeness(id) == Completeness::Broken
    }

    /// Who asks to keep something and would be left with nothing has asked for something else
    /// than what he meant. What is spared for its age alone stays by chance, and an attestation is
    /// no image: neither is what was meant.
    fn refuse_to_empty(
        &self,
        going: &HashSet<RecordId>,
        young: &HashSet<RecordId>,
        options: &PruneOptions<'_>,
    ) -> Result<(), Refusal> {
        let retention = options.retention;
        if retention.allow_empty || retention.is_empty() || going.is_empty() {
            return Ok(());
        }
        // A part that stays for its own sake is an image then.
        if !self.held.is_empty() {
            return Ok(());
        }
        let mut images = self.records().iter();
        let graph = self.graph();
        let is_image = |record: &Record| {
            !record.kind.is_dependent()
                && !graph.is_attestation(record.target)
                && (graph.kind(record.target).is_document()
                    || graph.is_unread_document(record.target))
        };
        let stays = |(id, record): (RecordId, &Record)| {
            is_image(record) && !going.contains(&id) && !young.contains(&id)
        };
        if images.any(stays) {
            return Ok(());
        }
        let targets = |ids: &HashSet<RecordId>| -> HashSet<_> {
            ids.iter().map(|id| self.record(*id).target).collect()
        };
        let (all, later) = (targets(going), targets(young));
        // Those of which a young entry stays too go with a later prune, and are counted if there are no others.
        let now: HashSet<_> = all.difference(&later).copied().collect();
        let targets = if now.is_empty() { all } else { now };
        let all = match targets.len() {
            1 => "the only image".to_owned(),
            n => format!("all {n} images"),
        };
        let limit = retention.policy.limit.as_ref().map(|limit| &limit.source);
        Err(match (limit, options.room.needed) {
            (Some(limit), Some(needed)) => Refusal::conflict(format!(
                "not even the newest image fits into {limit}, and {all} of the layout would go: with it \
                 alone the layout has {needed} bytes"
            ))
            .hint(format!(
                "nothing goes; --max-size {needed} keeps that image, --allow-empty none"
            )),
            _ => Refusal::conflict(format!(
                "nothing that was to be kept is there, and {all} of the layout would go"
            ))
            .hint("nothing goes; correct what is to be kept, or use --allow-empty if no image is to be left"),
        })
    }
}

impl Draft<'_> {
    /// Older copies of lists of referrers, of which a newer one has the tag: nobody asks for them any
    /// more.
    fn old_lists(&self, options: &PruneOptions<'_>, metadata: &dyn Metadata) -> Vec<RecordId> {
        let graph = self.graph();
        let is_list = |record: &Record| {
            record.kind == RecordKind::Referrer
                && record.is_dangling()
                && graph.kind(record.target) == NodeKind::Index
                && graph.subject(record.target).is_none()
                && record.subject == graph.common_subject(record.target)
        };
        let mut lists = self.records().iter().filter(|(_, r)| is_list(r)).peekable();
        if options.filters.orphan.is_some() || lists.peek().is_none() {
            return Vec::new();
        }
        let with_a_tag = subjects_with_a_list(self.view);
        let is_old = |(id, record): &(RecordId, &Record)| {
            let subject = record.subject.map(|subject| graph.digest(subject));
            subject.is_some_and(|subject| with_a_tag.contains(subject))
                && passes(*id, record, options.filters, metadata)
        };
        lists.filter(is_old).map(|(id, _)| id).collect()
    }
}

/// The form in which the text of an entry is compared with what somebody agreed to: another program that
/// writes index.json anew may order members and set blanks in another way.
pub fn agreed_form(entry: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(entry);
    value.map_or_else(|_| entry.to_owned(), |value| value.to_string())
}

/// Whether a record passes all filters that look at single images.
pub(super) fn passes(
    id: RecordId,
    record: &Record,
    filters: &Filters,
    metadata: &dyn Metadata,
) -> bool {
    filters.pass_name(&record.name, record.key())
        && (!filters.need_dates() || filters.pass_date(metadata.created(id).time))
        && (!filters.need_configs() || filters.pass_labels(&metadata.labels(id)))
        && filters
            .broken
            .is_none_or(|wanted| wanted == (metadata.completeness(id) == Completeness::Broken))
}

#[cfg(test)]
mod tests {
    use super::agreed_form;

    /// Y4.
    #[test]
    fn an_entry_is_the_same_however_it_is_written() {
        let one = r#"{"mediaType":"m","digest":"sha256:1","annotations":{"b":"1","a":"2"}}"#;
        for (other, is_same) in [
            (
                r#"{ "digest": "sha256:1", "annotations": {"a":"2", "b":"\u0031"}, "mediaType":"m" }"#,
                true,
            ),
            (
                r#"{"mediaType":"m","digest":"sha256:1","annotations":{"b":"1"}}"#,
                false,
            ),
            (
                r#"{"mediaType":"m","digest":"sha256:2","annotations":{"b":"1","a":"2"}}"#,
                false,
            ),
            ("{", false),
        ] {
            assert_eq!(agreed_form(one) == agreed_form(other), is_same, "{other}");
        }
    }
}
