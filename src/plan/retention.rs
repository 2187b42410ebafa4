//! Retention: which images `prune` leaves although it may remove them.
//!
//! Everything that is asked must agree to delete. A pattern of `--keep` wins over all else; the
//! newest images of each repository stay with `--keep-last`; what a container uses stays, with one
//! name at least. Each image that stays so is reported with the reason.

use std::borrow::Cow;
use std::cell::{Cell, LazyCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::draft::Draft;
use super::metadata::Metadata;
use super::plan::{KeptImage, Note};
use crate::containers::in_use::Use;
use crate::filter::Pattern;
use crate::inspect::completeness::Completeness;
use crate::inspect::metadata::Created;
use crate::snapshot::{Follow, Name, NodeId, Record, RecordId, RecordKind, meaning};
use crate::value::digest::DigestPrefix;

/// How many digits of a digest `ls` prints at least.
const SHOWN_DIGITS: usize = 12;

/// The longest name, in bytes, that is compared with a pattern that matches nothing.
const MAX_COMPARED_BYTES: usize = 300;

/// What stays whatever else is said.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Patterns for names, tags and digests, with their texts.
    pub keep: Vec<(String, Pattern)>,
    /// How many images of each repository stay.
    pub keep_last: Option<usize>,
    /// It is meant that no image is left.
    pub allow_empty: bool,
}

/// An image of a repository, as old as its order among the newest needs it.
struct AgedImage {
    image: NodeId,
    created: Created,
    /// That of its last entry in the repository: tools append, so later ones are newer.
    position: usize,
}

/// What `--keep-last` keeps.
#[derive(Default)]
struct Newest {
    /// The images, and why they stay.
    reasons: HashMap<NodeId, String>,
    /// Where nothing says which images are newer.
    notes: Vec<Note>,
}

impl Retention {
    /// Whether nothing is to be kept.
    pub fn is_empty(&self) -> bool {
        self.keep.is_empty() && self.keep_last.is_none()
    }
}

impl Draft<'_> {
    /// Takes out of the candidates, which are in name order, what stays.
    pub(super) fn retain<'c>(
        &mut self,
        candidates: Vec<(&'c str, RecordId)>,
        retention: &Retention,
        metadata: &dyn Metadata,
    ) -> Vec<(&'c str, RecordId)> {
        let protected = self.kept_with_dependents(retention);
        let newest = match retention.keep_last {
            Some(count) => self.newest(count, metadata),
            None => Newest::default(),
        };
        self.plan.notes.extend(newest.notes);
        // How many records of each image are left when its candidates are gone through in order:
        // of an image in use, the last one stays.
        let mut left: Vec<usize> = vec![0; self.graph().len()];
        for (id, record) in self.records().iter() {
            let counts = self.is_present(id) && !record.kind.is_dependent();
            left[record.target.index()] += usize::from(counts);
        }
        let mut going = Vec::with_capacity(candidates.len());
        for (key, id) in candidates {
            let record = self.record(id);
            let reason = self
                .kept_by_pattern(record, retention)
                .or_else(|| protected.get(&record.target).cloned())
                .or_else(|| newest.reasons.get(&record.target).cloned())
                .or_else(|| self.kept_for_container(record, left[record.target.index()]));
            match reason {
                Some(reason) => {
                    self.plan.kept_images.push(KeptImage {
                        name: self.shown(id),
                        image: record.target,
                        reason,
                    });
                }
                None => {
                    // What belongs to another image was not counted.
                    let left = &mut left[record.target.index()];
                    *left = left.saturating_sub(1);
                    going.push((key, id));
                }
            }
        }
        going
    }

    /// The images that something belongs to which a pattern keeps: it would go with them. What matches
    /// is held besides, for it may belong to something that no entry leads to.
    fn kept_with_dependents(&mut self, retention: &Retention) -> HashMap<NodeId, String> {
        let mut protected: HashMap<NodeId, String> = HashMap::new();
        if retention.keep.is_empty() {
            return protected;
        }
        let graph = self.graph();
        let above = LazyCell::new(|| graph.parents(Follow::Needed));
        let mut matching = Vec::new();
        for (id, record) in self.records().iter() {
            if !record.kind.is_dependent() {
                continue;
            }
            let Some(reason) = self.kept_by_pattern(record, retention) else {
                continue;
            };
            matching.push((id, reason.clone()));
            // A signature of a signature belongs to what that one belongs to. Above a node that is
            // protected already, everything is.
            let mut held = vec![record.target, record.subject.unwrap_or(record.target)];
            while let Some(node) = held.pop() {
                if protected.contains_key(&node) {
                    continue;
                }
                protected.insert(node, reason.clone());
                let documents = above.get(&node).into_iter().flatten();
                held.extend(documents.map(|(document, _)| *document));
                for id in self.records().of_target(node) {
                    held.extend(self.record(*id).subject);
                }
            }
        }
        drop(above);
        self.held.extend(matching);
        protected
    }

    fn kept_by_pattern(&self, record: &Record, retention: &Retention) -> Option<String> {
        if retention.keep.is_empty() {
            return None;
        }
        let mut patterns = retention.keep.iter();
        let (text, _) = patterns.find(|pattern| self.is_matched(record, pattern))?;
        Some(format!("--keep {text}"))
    }

    /// Whether a pattern matches a name, the tag alone, or the digest, which may be as short as `ls`
    /// prints it.
    fn is_matched(&self, record: &Record, (text, pattern): &(String, Pattern)) -> bool {
        let digest = self.graph().digest(record.target);
        let is_id = || {
            let prefix = DigestPrefix::of_id(text)
                .filter(|prefix| prefix.encoded().len() >= SHOWN_DIGITS && prefix.begins(digest));
            prefix.is_some()
        };
        pattern.matches(&record.name, record.key())
            || tag_of(record).is_some_and(|tag| pattern.matches_text(&tag))
            || pattern.matches_text(&digest.to_string())
            || is_id()
    }

    /// Notes which patterns keep nothing, for a wrong letter in one of them may cost images.
    pub(super) fn note_unmatched(&mut self, retention: &Retention) {
        let mut unmatched: Vec<&(String, Pattern)> = retention.keep.iter().collect();
        for (_, record) in self.records().iter() {
            if unmatched.is_empty() {
                return;
            }
            unmatched.retain(|pattern| !self.is_matched(record, pattern));
        }
        for (text, _) in unmatched {
            self.plan.notes.push(Note::KeepsNothing {
                pattern: text.clone(),
                nearest: self.nearest_name(text),
            });
        }
    }

    /// The name that is most like a text, whole or in a part of it; of equal ones the first.
    fn nearest_name(&self, text: &str) -> Option<String> {
        // A name that is so much longer or shorter cannot be nearer, and most are not compared.
        let least = Cell::new(usize::MAX);
        let distance = |name: &str| match name.len() {
            // To compare long texts takes long, and nobody has mistyped one.
            ..=MAX_COMPARED_BYTES if name.len().abs_diff(text.len()) < least.get() => {
                let distance = strsim::levenshtein(text, name);
                least.set(least.get().min(distance));
                distance
            }
            _ => usize::MAX,
        };
        if text.len() > MAX_COMPARED_BYTES {
            return None;
        }
        let records = self.records().iter();
        let independent = records.filter(|(_, record)| !record.kind.is_dependent());
        let nearest = independent.min_by_key(|(id, record)| {
            let (shown, tag) = (self.shown(*id), tag_of(record));
            let last_part = shown.rsplit('/').next().unwrap_or_default();
            let repository = tag.as_deref().and_then(|tag| shown.strip_suffix(tag));
            let repository = repository.map_or(shown.as_str(), |text| text.trim_end_matches(':'));
            let distances = [&shown, record.key(), last_part, repository].map(distance);
            let of_tag = tag.map_or(usize::MAX, |tag| distance(&tag));
            distances.into_iter().fold(of_tag, usize::min)
        });
        nearest.map(|(id, _)| self.shown(id))
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

    /// The newest images of each repository. Images are counted, not tags, and what cannot be used
    /// is not counted.
    fn newest(&self, count: usize, metadata: &dyn Metadata) -> Newest {
        let mut repositories: BTreeMap<String, HashMap<NodeId, AgedImage>> = BTreeMap::new();
        for (id, record) in self.records().iter() {
            let repository = match &record.name {
                Name::Reference(reference) => reference.repository(),
                Name::Tag(_) => String::new(),
                Name::Raw(text) => match meaning(text) {
                    Some(reference) => reference.repository(),
                    None => text.to_string(),
                },
                Name::Dangling if record.kind == RecordKind::Unnamed => String::new(),
                Name::Dangling => continue,
            };
            if record.kind.is_dependent() || metadata.completeness(id) == Completeness::Broken {
                continue;
            }
            let position = record.entries.last().copied().unwrap_or_default();
            let images = repositories.entry(repository).or_default();
            let aged = images.entry(record.target).or_insert_with(|| AgedImage {
                image: record.target,
                created: self.age(record.target, id, metadata),
                position,
            });
            aged.position = aged.position.max(position);
        }
        let mut newest = Newest::default();
        for (repository, images) in repositories {
            let of = match repository.as_str() {
                "" => "this layout",
                name => name,
            };
            newest.add(of, images.into_values().collect(), count);
        }
        newest
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

impl Newest {
    /// Keeps the newest images of a repository.
    fn add(&mut self, repository: &str, mut images: Vec<AgedImage>, count: usize) {
        images.sort_by_key(|aged| Reverse((aged.created.time, aged.position)));
        let (kept, rest) = images.split_at(count.min(images.len()));
        let unstated = |aged: &&AgedImage| !aged.created.is_stated();
        let times = kept.iter().filter(unstated).map(|aged| aged.created.time);
        let times: HashSet<Timestamp> = times.collect();
        // Files of one moment, as a copy of a layout makes them, say nothing about which is newer.
        let is_as_old = |aged: &&AgedImage| times.contains(&aged.created.time);
        let equal: Vec<&AgedImage> = rest.iter().filter(unstated).filter(is_as_old).collect();
        let reason = format!("--keep-last {count} of {repository}");
        for aged in kept {
            self.keep(aged.image, &reason);
        }
        let Some(first) = equal.first() else {
            return;
        };
        let reason = format!("{reason}: nothing says that it is older than those");
        for aged in &equal {
            self.keep(aged.image, &reason);
        }
        let is_equal =
            |aged: &&AgedImage| unstated(aged) && aged.created.time == first.created.time;
        self.notes.push(Note::EquallyOld {
            repository: repository.to_owned(),
            images: kept.iter().filter(is_equal).count() + equal.len(),
        });
    }

    fn keep(&mut self, image: NodeId, reason: &str) {
        let reasons = &mut self.reasons;
        reasons.entry(image).or_insert_with(|| reason.to_owned());
    }
}

/// The tag in a name that is more than a tag.
fn tag_of(record: &Record) -> Option<Cow<'_, str>> {
    match &record.name {
        Name::Reference(reference) => reference.tag().map(Cow::Borrowed),
        Name::Raw(text) => meaning(text)?.tag().map(|tag| Cow::Owned(tag.to_owned())),
        Name::Tag(_) | Name::Dangling => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::filter::Filters;
    use crate::inspect::metadata::CreatedFrom;
    use crate::oci::config::Labels;
    use crate::plan::draft::tests::snapshot;
    use crate::plan::prune::PruneOptions;

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
            let mut draft = Draft::new(&snapshot);
            draft.prune(
                &PruneOptions {
                    all: true,
                    filters: &Filters::default(),
                    spare_after: Timestamp::MAX,
                    confirmed: None,
                    retention: &Retention {
                        keep: keep.collect(),
                        keep_last,
                        allow_empty: true,
                    },
                },
                &Made(&[30, 20, 10, 10, 5]),
            );
            let plan = draft.finish();
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
        let mut draft = Draft::new(&snapshot);
        draft.prune(
            &PruneOptions {
                all: true,
                filters: &Filters::default(),
                spare_after: Timestamp::MAX,
                confirmed: None,
                retention: &Retention {
                    keep_last: Some(keep_last),
                    allow_empty: true,
                    ..Retention::default()
                },
            },
            &Made(dates),
        );
        let plan = draft.finish();
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

    /// FR24.
    #[test]
    fn a_pattern_that_matches_nothing_names_what_is_most_like_it() {
        for (images, pattern, expected) in [
            (
                "a.io/app:build-1=A a.io/app:1.0=B",
                "a.io/app:v1.0",
                Some("a.io/app:1.0"),
            ),
            (
                "a.io/app:build-1=A a.io/app:1.0=B",
                "build_1",
                Some("a.io/app:build-1"),
            ),
            (
                "docker.io/library/web:1=A a.io/x:2=B",
                "wep:1",
                Some("web:1"),
            ),
            (
                "a.io/we:1=A a.io/b/app:1.0=B",
                "app:v1.0",
                Some("a.io/b/app:1.0"),
            ),
            (
                "a.io/b/app:1=A a.io/b/web:1.0=B",
                "a.io/b/wed",
                Some("a.io/b/web:1.0"),
            ),
            ("", "web", None),
        ] {
            let (_, snapshot) = snapshot(images);
            let mut draft = Draft::new(&snapshot);
            draft.note_unmatched(&Retention {
                keep: vec![(pattern.to_owned(), Pattern::parse(pattern).unwrap())],
                ..Retention::default()
            });
            let expected = Note::KeepsNothing {
                pattern: pattern.to_owned(),
                nearest: expected.map(str::to_owned),
            };
            assert_eq!(draft.plan.notes, [expected], "{pattern}");
        }
        let (_, snapshot) = snapshot("a.io/app:1.0=B");
        let mut draft = Draft::new(&snapshot);
        let keep = ["1.?", "a.io/*", "sha256:*"]
            .map(|text| (text.to_owned(), Pattern::parse(text).unwrap()));
        draft.note_unmatched(&Retention {
            keep: keep.into(),
            ..Retention::default()
        });
        assert_eq!(draft.plan.notes, []);
    }
}
