//! `--keep`: what its patterns match, and what stays with that; and what to say of patterns that match
//! nothing, for a wrong letter in one of them may cost images.

use std::cell::{Cell, LazyCell};
use std::collections::HashMap;

use super::draft::Draft;
use super::plan::Note;
use super::retention::Retention;
use crate::filter::Pattern;
use crate::retention::{Scope, means, tag_of};
use crate::snapshot::{Follow, NodeId, Record};
use crate::value::digest::DigestPrefix;

/// How many digits of a digest `ls` prints at least.
const SHOWN_DIGITS: usize = 12;

/// The longest name, in bytes, that is compared with a pattern that matches nothing.
const MAX_COMPARED_BYTES: usize = 300;

impl Draft<'_> {
    /// The images that something belongs to which a pattern keeps: it would go with them. What matches
    /// is held besides, for it may belong to something that no entry leads to.
    pub(super) fn kept_with_dependents(
        &mut self,
        retention: &Retention,
    ) -> HashMap<NodeId, String> {
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

    pub(super) fn kept_by_pattern(&self, record: &Record, retention: &Retention) -> Option<String> {
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
            || tag_of(&record.name).is_some_and(|tag| pattern.matches_text(&tag))
            || pattern.matches_text(&digest.to_string())
            || is_id()
    }

    /// Notes which patterns keep nothing, for a wrong letter in one of them may cost images.
    pub(super) fn note_unmatched(&mut self, retention: &Retention) {
        let mut keep: Vec<&(String, Pattern)> = retention.keep.iter().collect();
        let counts = retention.policy.counts.iter();
        let mut counts: Vec<(&str, &str, &Pattern)> = counts
            .filter_map(|count| match &count.scope {
                Scope::Pattern(text, pattern) => Some((&*count.source, &**text, pattern)),
                Scope::Everything | Scope::Rule(_) => None,
            })
            .collect();
        for (_, record) in self.records().iter() {
            if keep.is_empty() && counts.is_empty() {
                return;
            }
            keep.retain(|pattern| !self.is_matched(record, pattern));
            let is_image = !record.kind.is_dependent();
            counts.retain(|(_, _, pattern)| {
                !(is_image && means(pattern, &record.name, record.key()))
            });
        }
        let keep = keep
            .into_iter()
            .map(|(text, _)| (format!("--keep {text}"), &**text));
        let counts = counts
            .into_iter()
            .map(|(option, text, _)| (option.to_owned(), text));
        for (option, text) in keep.chain(counts) {
            self.plan.notes.push(Note::MatchesNothing {
                option,
                instead: self.nearest_name(text).map(most_like_it),
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
            let (shown, tag) = (self.shown(*id), tag_of(&record.name));
            let last_part = shown.rsplit('/').next().unwrap_or_default();
            let repository = tag.as_deref().and_then(|tag| shown.strip_suffix(tag));
            let repository = repository.map_or(shown.as_str(), |text| text.trim_end_matches(':'));
            let distances = [&shown, record.key(), last_part, repository].map(distance);
            let of_tag = tag.map_or(usize::MAX, |tag| distance(&tag));
            distances.into_iter().fold(of_tag, usize::min)
        });
        nearest.map(|(id, _)| self.shown(id))
    }
}

fn most_like_it(name: String) -> String {
    format!("the name most like it is {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::draft::tests::snapshot;

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
            let expected = Note::MatchesNothing {
                option: format!("--keep {pattern}"),
                instead: expected.map(|name| most_like_it(name.to_owned())),
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
