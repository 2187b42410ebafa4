//! Retention: which images `prune` leaves although it may remove them.
//!
//! Everything that is asked must agree to delete. A pattern of `--keep` wins over all else; the
//! newest images of each repository stay with `--keep-last`; what a container uses stays, with one
//! name at least. Each image that stays so is reported with the reason.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::draft::Draft;
use super::filter::Pattern;
use super::metadata::Metadata;
use super::plan::KeptImage;
use crate::containers::in_use::Use;
use crate::snapshot::{Follow, Name, NodeId, Record, RecordId, RecordKind, meaning};

/// What stays whatever else is said.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Patterns for names, tags and digests, with their texts.
    pub keep: Vec<(String, Pattern)>,
    /// How many images of each repository stay.
    pub keep_last: Option<usize>,
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
            None => HashMap::new(),
        };
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
                .or_else(|| newest.get(&record.target).cloned())
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
                    left[record.target.index()] -= 1;
                    going.push((key, id));
                }
            }
        }
        going
    }

    /// The images that something belongs to which a pattern keeps: it would go with them.
    fn kept_with_dependents(&self, retention: &Retention) -> HashMap<NodeId, String> {
        let mut protected: HashMap<NodeId, String> = HashMap::new();
        if retention.keep.is_empty() {
            return protected;
        }
        let above = LazyCell::new(|| self.graph().parents(Follow::Needed));
        for (_, record) in self.records().iter() {
            if !record.kind.is_dependent() {
                continue;
            }
            let Some(reason) = self.kept_by_pattern(record, retention) else {
                continue;
            };
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
        protected
    }

    fn kept_by_pattern(&self, record: &Record, retention: &Retention) -> Option<String> {
        if retention.keep.is_empty() {
            return None;
        }
        let digest = self.graph().digest(record.target).to_string();
        let tag = match &record.name {
            Name::Reference(reference) => reference.tag().map(str::to_owned),
            Name::Raw(text) => meaning(text).and_then(|r| r.tag().map(str::to_owned)),
            Name::Tag(_) | Name::Dangling => None,
        };
        let (text, _) = retention.keep.iter().find(|(_, pattern)| {
            pattern.matches(&record.name, record.key())
                || tag.as_ref().is_some_and(|tag| pattern.matches_text(tag))
                || pattern.matches_text(&digest)
        })?;
        Some(format!("--keep {text}"))
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

    /// The newest images of each repository, and why they stay: newest by the date that `ls`
    /// shows, then by arrival, then by digest. Images are counted, not tags.
    fn newest(&self, count: usize, metadata: &dyn Metadata) -> HashMap<NodeId, String> {
        let mut repositories: BTreeMap<String, Vec<(Timestamp, Timestamp, NodeId)>> =
            BTreeMap::new();
        let mut seen = HashSet::new();
        for (id, record) in self.records().iter() {
            let repository = match &record.name {
                Name::Reference(reference) => reference.repository(),
                Name::Tag(_) => String::new(),
                Name::Raw(text) => match meaning(text) {
                    Some(reference) => reference.repository(),
                    None => text.clone(),
                },
                Name::Dangling if record.kind == RecordKind::Unnamed => String::new(),
                Name::Dangling => continue,
            };
            if record.kind.is_dependent() || !seen.insert((repository.clone(), record.target)) {
                continue;
            }
            repositories.entry(repository).or_default().push((
                metadata.created(id),
                metadata.arrived(id),
                record.target,
            ));
        }
        let graph = self.graph();
        let mut kept = HashMap::new();
        for (repository, mut images) in repositories {
            images
                .sort_by(|a, b| (b.0, b.1, graph.digest(b.2)).cmp(&(a.0, a.1, graph.digest(a.2))));
            for (.., image) in images.into_iter().take(count) {
                let of = match repository.as_str() {
                    "" => "this layout",
                    name => name,
                };
                kept.entry(image)
                    .or_insert_with(|| format!("--keep-last {count} of {of}"));
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::draft::tests::snapshot;
    use crate::plan::filter::Filters;
    use crate::plan::prune::PruneOptions;

    /// Images of which nothing is known but when they were made, by record, in seconds.
    struct Made(&'static [i64]);

    impl Metadata for Made {
        fn created(&self, record: RecordId) -> Timestamp {
            Timestamp::from_second(self.0[record.index()]).unwrap()
        }
        fn arrived(&self, record: RecordId) -> Timestamp {
            self.created(record)
        }
        fn labels(&self, _: RecordId) -> Vec<BTreeMap<String, String>> {
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
}
