//! Retention: which images `prune` leaves although it may remove them.
//!
//! Everything that is asked must agree to delete. A pattern of `--keep` wins over all else; what the
//! policy counts stays ([`crate::retention`]); what a container uses stays, with one name at least; and
//! what stays while it fits stays in the order of its age. Each image that stays so is reported with
//! the reason.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::decisions::Cause;
use super::draft::Draft;
use super::metadata::Metadata;
use super::plan::{KeptImage, Note};
use crate::containers::in_use::Use;
use crate::filter::{Filters, Pattern};
use crate::inspect::completeness::Completeness;
use crate::inspect::metadata::Created;
use crate::retention::{Aged, Facts, NameRow, Policy, Verdict, decide, in_line, tied};
use crate::snapshot::{NodeId, Record, RecordId, RecordKind};

/// What stays whatever else is said.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Patterns for names, tags and digests, with their texts.
    pub keep: Vec<(String, Pattern)>,
    /// What is counted.
    pub policy: Policy,
    /// It is meant that no image is left.
    pub allow_empty: bool,
}

/// How many of the images that stay while they fit do so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The first so many of [`Plan::in_line`](super::Plan::in_line).
    pub images: usize,
    /// How large the layout is with the first alone, in bytes, if that does not fit.
    pub needed: Option<u64>,
}

/// What of the candidates goes, and what is in line.
#[derive(Default)]
pub(super) struct Retained<'c> {
    /// What goes, in name order, and why.
    pub(super) going: Vec<(&'c str, RecordId, Cause)>,
    /// What would stay while it fits, the newest first.
    pub(super) in_line: Vec<NodeId>,
    /// What stays for its age, and would stay without that.
    pub(super) young_kept: HashSet<RecordId>,
}

/// What is asked of the candidates, and why the others are none.
pub(super) struct Question<'p> {
    /// What is to stay.
    pub(super) retention: &'p Retention,
    /// Which names are meant.
    pub(super) filters: &'p Filters,
    /// How many of those stay that do while they fit.
    pub(super) room: Room,
    /// The present.
    pub(super) now: Timestamp,
    /// Younger than the grace period.
    pub(super) young: &'p HashSet<RecordId>,
    /// Images with names are candidates, if they pass the filters.
    pub(super) takes_all: bool,
}

/// What becomes of a candidate, as far as that is known.
enum Fate {
    Stays(Cause),
    /// It stays while it fits.
    InLine(Cause),
    Goes(Cause),
}

impl Retention {
    /// Whether nothing is to be kept.
    pub fn is_empty(&self) -> bool {
        self.keep.is_empty() && self.policy.is_empty() && self.policy.limit.is_none()
    }
}

impl Draft<'_> {
    /// Takes out of the candidates, which are in name order, what stays.
    pub(super) fn retain<'c>(
        &mut self,
        candidates: Vec<(&'c str, RecordId)>,
        question: &Question<'_>,
        metadata: &dyn Metadata,
    ) -> Retained<'c> {
        let (retention, room) = (question.retention, question.room);
        let policy = &retention.policy;
        let protected = self.kept_with_dependents(retention);
        let verdicts = self.verdicts(policy, question.filters, metadata, question.now);
        let young_kept = match retention.is_empty() {
            true => HashSet::new(),
            false => self.decide_passed_over(&candidates, question, &verdicts),
        };
        let mut fates: Vec<Fate> = Vec::with_capacity(candidates.len());
        for (_, id) in &candidates {
            let record = self.record(*id);
            let pattern = self
                .kept_by_pattern(record, retention)
                .or_else(|| protected.get(&record.target).cloned());
            fates.push(match (pattern, verdicts.get(id)) {
                (Some(reason), _) => Fate::Stays(Cause::of(reason)),
                (None, Some(verdict)) => self.fate(record, verdict, policy),
                (None, None) => self.fate(record, &Verdict::Goes { rule: None }, policy),
            });
        }
        self.keep_for_containers(&candidates, &mut fates);
        let in_line = self.fill(&candidates, &mut fates, retention, room, metadata);
        self.follow_subjects(&candidates, &mut fates, retention);
        let mut retained = Retained {
            in_line,
            young_kept,
            ..Retained::default()
        };
        for ((key, id), fate) in candidates.into_iter().zip(fates) {
            match fate {
                Fate::Stays(cause) => {
                    self.plan.kept_images.push(KeptImage {
                        name: self.view.shown_shared(id),
                        image: self.record(id).target,
                        reason: cause.reason.clone().unwrap_or_default(),
                    });
                    if !retention.is_empty() {
                        self.decided(id, true, cause);
                    }
                }
                Fate::InLine(cause) | Fate::Goes(cause) => retained.going.push((key, id, cause)),
            }
        }
        retained
    }

    /// Notes for the report why what is no candidate stays. The value is what would stay although it were
    /// old enough.
    fn decide_passed_over(
        &mut self,
        candidates: &[(&str, RecordId)],
        question: &Question<'_>,
        verdicts: &HashMap<RecordId, Verdict>,
    ) -> HashSet<RecordId> {
        let retention = question.retention;
        let mut is_candidate = vec![false; self.records().iter().len()];
        for (_, id) in candidates {
            is_candidate[id.index()] = true;
        }
        let mut others: Vec<(&str, RecordId)> = self
            .records()
            .iter()
            .filter(|(id, record)| !record.kind.is_dependent() && !is_candidate[id.index()])
            .map(|(id, record)| (record.key(), id))
            .collect();
        others.sort();
        let mut young_kept = HashSet::new();
        for (_, id) in others {
            let record = self.record(id);
            let of_policy = verdicts
                .get(&id)
                .map(|v| self.fate(record, v, &retention.policy));
            let pattern = self.kept_by_pattern(record, retention);
            let is_young = question.young.contains(&id);
            let cause = match (pattern, of_policy) {
                (Some(reason), _) => Some(Cause::of(reason)),
                (None, Some(Fate::Stays(cause))) => Some(cause),
                (None, _) => None,
            };
            if is_young && cause.is_some() {
                young_kept.insert(id);
            }
            let cause = cause.unwrap_or_else(|| {
                Cause::of(match (is_young, question.takes_all) {
                    (true, _) => "it is younger than the grace period",
                    (false, true) => "it does not pass the filters",
                    (false, false) => "without --all only dangling images go",
                })
            });
            self.decided(id, true, cause);
        }
        young_kept
    }

    /// What the policy says of each record that is an image of its own.
    fn verdicts(
        &mut self,
        policy: &Policy,
        filters: &Filters,
        metadata: &dyn Metadata,
        now: Timestamp,
    ) -> HashMap<RecordId, Verdict> {
        if policy.is_empty() {
            return HashMap::new();
        }
        let mut numbers: HashMap<NodeId, usize> = HashMap::new();
        let mut images: Vec<RecordId> = Vec::new();
        let mut ids = Vec::new();
        let mut names = Vec::new();
        for (id, record) in self.records().iter() {
            if record.kind.is_dependent() {
                continue;
            }
            let image = *numbers.entry(record.target).or_insert_with(|| {
                images.push(id);
                images.len() - 1
            });
            ids.push(id);
            names.push(NameRow {
                image,
                name: &record.name,
                key: record.key(),
                position: last_position(record),
                is_meant: filters.pass_name(&record.name, record.key()),
                is_dangling: record.kind == RecordKind::Dangling,
                is_belonging: self.chosen_subject(record).is_some(),
            });
        }
        let facts = FactsOf {
            draft: self,
            images: &images,
            metadata,
            created: RefCell::default(),
        };
        let decided = decide(policy, &names, images.len(), &facts, now);
        let notes = decided.equally_old.into_iter();
        let notes = notes.map(|(repository, of)| Note::EquallyOld {
            repository,
            images: of.images,
        });
        // Several counts may say the same.
        for note in notes {
            if !self.plan.notes.contains(&note) {
                self.plan.notes.push(note);
            }
        }
        ids.into_iter().zip(decided.of_name).collect()
    }

    fn fate(&self, record: &Record, verdict: &Verdict, policy: &Policy) -> Fate {
        match verdict {
            Verdict::Kept { count, reason } => {
                Fate::Stays(Cause::of_count(policy, *count, reason.clone()))
            }
            Verdict::WhileItFits { count } => {
                let source = policy.counts[*count].source.as_str();
                Fate::InLine(Cause::of_count(policy, *count, source.into()))
            }
            Verdict::NoRule => {
                let file = policy.rules.as_ref().map_or("", |rules| &rules.file);
                Fate::Stays(Cause::of(format!("no rule of {file} matches it")))
            }
            Verdict::Goes { rule } => {
                let rules = policy.rules.as_ref().zip(*rule);
                Fate::Goes(match rules {
                    Some((rules, place)) => Cause {
                        reason: Some(rules.rules[place].source.as_str().into()),
                        rule: Some(place + 1),
                        line: Some(rules.rules[place].line),
                    },
                    None if record.kind == RecordKind::Dangling => Cause::of("it is dangling"),
                    None => Cause::default(),
                })
            }
        }
    }

    /// Of an image in use, the last of its names stays, and the name that a container was started with.
    /// Whatever else keeps a name makes no difference, or keeping one would remove another.
    fn keep_for_containers(&self, candidates: &[(&str, RecordId)], fates: &mut [Fate]) {
        // How many records of each image are left when its candidates are gone through in order.
        let mut left: Vec<usize> = vec![0; self.graph().len()];
        for (id, record) in self.records().iter() {
            let counts = self.is_present(id) && !record.kind.is_dependent();
            left[record.target.index()] += usize::from(counts);
        }
        for ((_, id), fate) in candidates.iter().zip(fates) {
            let record = self.record(*id);
            let left = &mut left[record.target.index()];
            match self.kept_for_container(record, *left) {
                Some(reason) if !matches!(fate, Fate::Stays(_)) => {
                    *fate = Fate::Stays(Cause::of(reason));
                }
                Some(_) => {}
                // What belongs to another image was not counted.
                None => *left = left.saturating_sub(1),
            }
        }
    }

    /// Keeps what is in line as long as there is room, and all names of what stays anyway: they cost
    /// nothing. The value is the line.
    fn fill(
        &mut self,
        candidates: &[(&str, RecordId)],
        fates: &mut [Fate],
        retention: &Retention,
        room: Room,
        metadata: &dyn Metadata,
    ) -> Vec<NodeId> {
        let is_in_line = |fate: &Fate| matches!(fate, Fate::InLine(_));
        if !fates.iter().any(is_in_line) {
            return Vec::new();
        }
        let graph = self.graph();
        let mut is_candidate = vec![false; self.records().iter().len()];
        let mut stays = vec![false; graph.len()];
        let mut waits: Vec<Option<RecordId>> = vec![None; graph.len()];
        for ((_, id), fate) in candidates.iter().zip(&*fates) {
            is_candidate[id.index()] = true;
            let image = self.record(*id).target.index();
            match fate {
                Fate::Stays(_) => stays[image] = true,
                Fate::InLine(_) => waits[image] = Some(*id),
                Fate::Goes(_) => {}
            }
        }
        for (id, record) in self.records().iter() {
            let is_own = self.is_present(id) && !record.kind.is_dependent();
            stays[record.target.index()] |= is_own && !is_candidate[id.index()];
        }
        let waiting = waits.iter().zip(&stays).filter(|(_, stays)| !**stays);
        let waiting: Vec<RecordId> = waiting.filter_map(|(id, _)| *id).collect();
        let aged = waiting.iter().map(|id| {
            let image = self.record(*id).target;
            let records = self.records().of_target(image).iter();
            let own = records.map(|id| self.record(*id));
            let own = own.filter(|record| !record.kind.is_dependent());
            let position = own.map(last_position).max().unwrap_or_default();
            Aged::new(image.index(), self.age(image, *id, metadata), position)
        });
        let line = in_line(aged.collect());
        let (equal, unknown) = tied(&line, room.images);
        if !equal.is_empty() {
            self.plan.notes.push(Note::EquallyOld {
                repository: "this layout".to_owned(),
                images: unknown,
            });
        }
        // Whether nothing but its equal age keeps an image that would not fit.
        let mut fits: Vec<Option<bool>> = vec![None; graph.len()];
        for (place, aged) in line.iter().enumerate() {
            if place < room.images || equal.contains(&place) {
                fits[aged.image] = Some(equal.contains(&place));
            }
        }
        let limit = retention.policy.limit.as_ref();
        let limit = &limit.map_or("the limit", |limit| &*limit.source);
        for ((_, id), fate) in candidates.iter().zip(fates) {
            let image = self.record(*id).target.index();
            let Fate::InLine(cause) = fate else {
                continue;
            };
            let mut cause = std::mem::take(cause);
            *fate = match (stays[image], fits[image]) {
                (true, _) => Fate::Stays(cause),
                (false, Some(false)) => Fate::Stays(cause),
                (false, Some(true)) => {
                    let why = "nothing says that it is older than what fits";
                    let reason = cause.reason.unwrap_or_default();
                    cause.reason = Some(format!("{reason}: {why}").into());
                    Fate::Stays(cause)
                }
                (false, None) => {
                    let reason = cause.reason.unwrap_or_default();
                    let why = match *reason == **limit {
                        true => format!("it does not fit into {limit}"),
                        false => format!("it does not fit: {reason}"),
                    };
                    cause.reason = Some(why.into());
                    Fate::Goes(cause)
                }
            };
        }
        let images: HashMap<usize, NodeId> = waiting
            .iter()
            .map(|id| self.record(*id).target)
            .map(|image| (image.index(), image))
            .collect();
        line.iter().map(|aged| images[&aged.image]).collect()
    }

    /// Keeps signatures and the like under names of their own with what they are about, unless a rule
    /// removes them by name: they are not counted themselves. Those that go with what they are about are
    /// noted in the plan, for they take room when it stays.
    fn follow_subjects(
        &mut self,
        candidates: &[(&str, RecordId)],
        fates: &mut [Fate],
        retention: &Retention,
    ) {
        if retention.is_empty() {
            return;
        }
        let policy = &retention.policy;
        let is_removed = |cause: &Cause| cause.rule.is_some_and(|rule| policy.removes(rule - 1));
        let mut waiting: HashMap<NodeId, Vec<usize>> = HashMap::new();
        for (place, ((_, id), fate)) in candidates.iter().zip(&*fates).enumerate() {
            let record = self.record(*id);
            if let (Fate::Goes(cause), Some(subject)) = (fate, self.chosen_subject(record))
                && !is_removed(cause)
            {
                waiting.entry(subject).or_default().push(place);
            }
        }
        if waiting.is_empty() {
            return;
        }
        let graph = self.graph();
        let mut is_going = vec![false; self.records().iter().len()];
        for ((_, id), fate) in candidates.iter().zip(&*fates) {
            is_going[id.index()] = !matches!(fate, Fate::Stays(_));
        }
        let staying = self.records().iter().filter(|(id, record)| {
            self.is_present(*id) && !record.kind.is_dependent() && !is_going[id.index()]
        });
        let mut nodes: Vec<NodeId> = staying.map(|(_, record)| record.target).collect();
        let mut is_seen = vec![false; graph.len()];
        while let Some(node) = nodes.pop() {
            if std::mem::replace(&mut is_seen[node.index()], true) {
                continue;
            }
            nodes.extend(graph.links(node).map(|link| link.to));
            for place in waiting.remove(&node).into_iter().flatten() {
                fates[place] = Fate::Stays(Cause::of("what it is about stays"));
                nodes.push(self.record(candidates[place].1).target);
            }
        }
        for (subject, places) in waiting {
            for place in places {
                let target = self.record(candidates[place].1).target;
                self.plan.followers.push((subject, target));
            }
        }
    }

    /// What a signature, an attestation or the like is about that somebody gave a name of its own.
    fn chosen_subject(&self, record: &Record) -> Option<NodeId> {
        let is_named = record.kind == RecordKind::Named;
        let subject = self.graph().subject(record.target).filter(|_| is_named);
        subject.filter(|subject| *subject != record.target)
    }

    fn kept_for_container(&self, record: &Record, left: usize) -> Option<String> {
        let users = self.uses.of(record.target);
        let by_name = self.uses.is_name_in_use(record.key());
        let last = !users.is_empty() && (left <= 1 || record.is_dangling());
        if !by_name && !last {
            return None;
        }
        Some(match users.first() {
            Some(user) => {
                let does = match user.does {
                    Use::MadeFrom => "uses it",
                    Use::Mounted => "has it mounted",
                };
                format!("container {} {does}", user.container.short_id())
            }
            None => "a container was started under this name".to_owned(),
        })
    }

    /// When the newest of an image's entries says that it was created.
    fn age(&self, image: NodeId, record: RecordId, metadata: &dyn Metadata) -> Created {
        let others = self.records().of_target(image).iter();
        let others = others.filter(|id| **id != record);
        others.fold(metadata.created(record), |age, id| {
            age.or_later(metadata.created(*id))
        })
    }
}

/// What is known of the images of a draft.
struct FactsOf<'f, 'a> {
    draft: &'f Draft<'a>,
    /// For each image one of its records.
    images: &'f [RecordId],
    metadata: &'f dyn Metadata,
    /// Dates that were asked for: an image may be in many repositories, with many names in each.
    created: RefCell<HashMap<usize, Created>>,
}

impl Facts for FactsOf<'_, '_> {
    fn created(&self, image: usize) -> Created {
        let mut known = self.created.borrow_mut();
        *known.entry(image).or_insert_with(|| {
            let id = self.images[image];
            let target = self.draft.record(id).target;
            self.draft.age(target, id, self.metadata)
        })
    }

    fn is_usable(&self, image: usize) -> bool {
        self.metadata.completeness(self.images[image]) != Completeness::Broken
    }
}

/// Where the last entry of a record stands in index.json.
fn last_position(record: &Record) -> usize {
    record.entries.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::inspect::metadata::CreatedFrom;
    use crate::oci::config::Labels;
    use crate::plan::draft::tests::snapshot;
    use crate::plan::plan::Plan;
    use crate::plan::prune::PruneOptions;
    use crate::retention::Order;
    use crate::retention::options::CountOption;
    use crate::snapshot::{Snapshot, Whole};

    /// Images of which nothing is known but when they were made, by record, in seconds; negative
    /// where only the file says so, and 0 where the image is broken.
    struct Made(&'static [i64]);

    impl Metadata for Made {
        fn created(&self, record: RecordId) -> Created {
            let seconds = self.0[record.index()];
            Created {
                time: Timestamp::from_second(seconds.abs()).unwrap(),
                from: match seconds < 0 {
                    true => CreatedFrom::File,
                    false => CreatedFrom::Config,
                },
            }
        }
        fn completeness(&self, record: RecordId) -> Completeness {
            match self.0[record.index()] {
                0 => Completeness::Broken,
                _ => Completeness::Sparse,
            }
        }
        fn arrived(&self, record: RecordId) -> Timestamp {
            self.created(record).time
        }
        fn labels(&self, _: RecordId) -> Vec<Labels> {
            Vec::new()
        }
    }

    /// `--keep-last` with so many.
    fn last(count: usize) -> Policy {
        let option = CountOption::Last(Order::Created);
        Policy {
            counts: vec![option.parse(&count.to_string()).unwrap()],
            ..Policy::default()
        }
    }

    /// What `prune --all` makes of images with these dates.
    fn pruned(snapshot: &Snapshot<Whole>, retention: Retention, dates: &'static [i64]) -> Plan {
        let mut draft = Draft::new(snapshot);
        let options = PruneOptions {
            all: true,
            filters: &Filters::default(),
            spare_after: Timestamp::MAX,
            confirmed: None,
            retention: &retention,
            room: Room::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        draft.prune(&options, &Made(dates));
        draft.finish()
    }

    #[test]
    fn the_newest_images_of_each_repository_and_what_matches_stay() {
        const IMAGES: &str = "a.io/web:1=A a.io/web:2=B a.io/web:3=C a.io/web:new=C b.io/db:1=D";
        for (keep, keep_last, gone) in [
            (&[][..], None, "web:1 web:2 web:3 web:new db:1"),
            (&[], Some(1), "web:2 web:3 web:new"),
            (&[], Some(2), "web:3 web:new"),
            (&["*.io/web:2"], Some(1), "web:3 web:new"),
            // A pattern keeps names, --keep-last images.
            (&["new"], None, "web:1 web:2 web:3 db:1"),
            (&["a.io/*"], None, "db:1"),
        ] {
            let (_, snapshot) = snapshot(IMAGES);
            let keep = keep
                .iter()
                .map(|text: &&str| (text.to_string(), Pattern::parse(text).unwrap()));
            let plan = pruned(
                &snapshot,
                Retention {
                    keep: keep.collect(),
                    policy: keep_last.map(last).unwrap_or_default(),
                    allow_empty: true,
                },
                &[30, 20, 10, 10, 5],
            );
            let went = snapshot
                .records
                .iter()
                .filter(|(id, _)| !plan.settled.stays(*id));
            let went: BTreeSet<&str> = went
                .map(|(_, record)| record.key().rsplit('/').next().unwrap())
                .collect();
            assert_eq!(went, gone.split(' ').collect(), "{keep_last:?}");
        }
    }

    /// What `--keep-last` leaves of images with these dates, and how many cannot be told apart.
    fn left(images: &str, dates: &'static [i64], keep_last: usize) -> (String, Option<usize>) {
        let (_, snapshot) = snapshot(images);
        let retention = Retention {
            policy: last(keep_last),
            allow_empty: true,
            ..Retention::default()
        };
        let plan = pruned(&snapshot, retention, dates);
        let records = snapshot.records.iter();
        let left = records.filter(|(id, _)| plan.settled.stays(*id));
        let left: Vec<&str> = left
            .map(|(_, record)| record.key().rsplit(':').next().unwrap())
            .collect();
        let equal = plan.notes.iter().find_map(|note| match note {
            Note::EquallyOld { images, .. } => Some(*images),
            _ => None,
        });
        (left.join(" "), equal)
    }

    /// FR17, FR18, FR38.
    #[test]
    fn newer_is_what_was_created_later_and_then_what_stands_later() {
        const FOUR: &str = "a.io/w:1=A a.io/w:2=B a.io/w:3=C a.io/w:4=D";
        for (images, dates, keep_last, expected) in [
            (FOUR, &[9, 7, 8, 6][..], 2, ("1 3", None)),
            // Of equal ones the later, whatever their digests are.
            (FOUR, &[5, 5, 5, 5], 1, ("4", None)),
            (FOUR, &[5, 5, 5, 5], 3, ("2 3 4", None)),
            // Of files of one moment nobody knows.
            (FOUR, &[-5, -5, -5, -5], 1, ("1 2 3 4", Some(4))),
            (FOUR, &[-5, -5, -9, -3], 2, ("1 2 3", Some(2))),
            (FOUR, &[-5, -5, -9, -3], 1, ("3", None)),
            (FOUR, &[-5, -5, -9, -3], 3, ("1 2 3", None)),
            // What was stated is told apart from what was not.
            (FOUR, &[5, -5, 5, 9], 2, ("3 4", None)),
            (FOUR, &[-5, 5, -5, 9], 2, ("1 3 4", Some(2))),
            // What cannot be used is not counted.
            (FOUR, &[9, 0, 8, 0], 1, ("1", None)),
            (FOUR, &[0, 0, 8, 7], 3, ("3 4", None)),
            // An image is as old as its newest entry, and stands where its last one does.
            (
                "a.io/w:1=A a.io/w:2=B a.io/w:3=A",
                &[2, 5, 9],
                1,
                ("1 3", None),
            ),
            (
                "a.io/w:1=A a.io/w:2=B a.io/w:3=A",
                &[9, 5, 2],
                1,
                ("1 3", None),
            ),
            (
                "a.io/w:1=A a.io/w:2=B a.io/w:3=A",
                &[5, 5, 5],
                1,
                ("1 3", None),
            ),
            (
                "a.io/w:1=A a.io/w:2=B b.io/w:3=A",
                &[2, 5, 9],
                1,
                ("1 3", None),
            ),
            // A date that was stated counts more than the time of a file.
            (
                "a.io/w:1=A a.io/w:2=B a.io/w:3=A",
                &[2, 5, -9],
                1,
                ("2", None),
            ),
        ] {
            let (left, equal) = left(images, dates, keep_last);
            assert_eq!((&*left, equal), expected, "{images} {dates:?} {keep_last}");
        }
    }
}
