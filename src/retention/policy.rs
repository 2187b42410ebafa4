//! The policy: what is to stay, as a value. Options and the rules of a file build the same one.

use std::borrow::Cow;

use jiff::SignedDuration;
use regex::Regex;

use crate::filter::Pattern;
use crate::snapshot::{Name, meaning};

/// What is to stay.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// What keeps images: a name stays if any of these keeps it.
    pub counts: Vec<Count>,
    /// The rules of a policy file. Without them every name goes that nothing keeps.
    pub rules: Option<Rules>,
    /// How large a layout may be for what stays while it fits.
    pub limit: Option<Limit>,
}

/// One thing that keeps images.
#[derive(Clone, Debug)]
pub struct Count {
    /// What it keeps of the images that it is about.
    pub keep: Keep,
    /// Which images those are.
    pub scope: Scope,
    /// What it is called as a reason: `--keep-last 3`, `rule 2 (keep-last = 3, policy.toml:9)`.
    pub source: String,
    /// The line in the policy file, from 1.
    pub line: Option<usize>,
}

/// What is kept of some images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of them, those too that cannot be used.
    All,
    /// The newest, as long as the layout is not larger than the limit.
    WhileItFits,
    /// The newest so many.
    Last {
        /// How many, at least one.
        count: usize,
        /// What makes one the newer.
        by: Order,
    },
    /// What was created within this time.
    Within(SignedDuration),
    /// The newest of each of the last periods in which any was created.
    NewestOf {
        /// How many periods, at least one.
        count: usize,
        /// What a period is.
        period: Period,
    },
    /// Of each of these parts of versions the highest version.
    NewestPer(Part),
}

/// What makes one image newer than another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// It was created later.
    #[default]
    Created,
    /// It has a higher semantic version. What has none comes after all that have one.
    Version,
}

/// A period of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A day.
    Day,
    /// A week from Monday to Sunday.
    Week,
    /// A month.
    Month,
}

/// What versions have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first number.
    Major,
    /// The first two numbers.
    Minor,
}

/// Which images something keeps.
#[derive(Clone, Debug)]
pub enum Scope {
    /// All, under all their names.
    Everything,
    /// Those with a matching name, under these names.
    Pattern(String, Pattern),
    /// Those with a name that this rule decides, by its place in the list, under these names.
    Rule(usize),
}

/// The rules of a policy file, in their order.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The file as it is named in messages.
    pub file: String,
    /// For each name the first that matches decides.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it is called in messages: `rule 2 "nightlies" (keep-last = 3, policy.toml:9)`.
    pub source: String,
    /// What it is called for, if it says so.
    pub name: Option<String>,
    /// Where it begins in the file, from 1.
    pub line: usize,
    /// Patterns for repositories, of which one must match; `None`: every name matches.
    pub repositories: Option<Vec<(String, Pattern)>>,
    /// Patterns for tags, likewise.
    pub tags: Option<Vec<(String, TagPattern)>>,
}

/// A pattern for a whole tag.
#[derive(Clone, Debug)]
pub enum TagPattern {
    /// With `*`, `?` and `[…]`.
    Glob(Pattern),
    /// A regular expression.
    Regex(Regex),
}

/// How large a layout may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// In bytes, at least one.
    pub bytes: u64,
    /// As it was given: `--max-size 20GB`.
    pub source: String,
}

impl Policy {
    /// Whether nothing is to be kept.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.rules.is_none()
    }
}

impl Policy {
    /// Whether a rule, by its place, keeps nothing: it says `remove = true`.
    pub fn removes(&self, rule: usize) -> bool {
        let mut counts = self.counts.iter();
        !counts.any(|count| matches!(count.scope, Scope::Rule(of) if of == rule))
    }
}

impl Rules {
    /// The place of the rule that decides a name.
    pub fn deciding(&self, name: &Name, key: &str) -> Option<usize> {
        self.rules.iter().position(|rule| rule.matches(name, key))
    }
}

impl Rule {
    /// Whether it matches every name, and what has none.
    pub fn matches_everything(&self) -> bool {
        self.repositories.is_none() && self.tags.is_none()
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &Name, key: &str) -> bool {
        self.matches_repository(name) && self.matches_tag(name, key)
    }

    /// Whether this rule surely matches every name that another one matches, as far as their patterns are
    /// texts that can be compared: equal ones, those that match all, and those without a wildcard.
    pub fn covers(&self, other: &Rule) -> bool {
        fn all<P>(
            wide: Option<&[(String, P)]>,
            narrow: Option<&[(String, P)]>,
            covers: impl Fn(&(String, P), &str) -> bool,
        ) -> bool {
            let Some(wide) = wide else { return true };
            narrow.is_some_and(|narrow| {
                let is_covered = |(text, _): &(String, P)| wide.iter().any(|one| covers(one, text));
                narrow.iter().all(is_covered)
            })
        }
        let is_plain = |text: &str| !text.starts_with('/') && !text.contains(['*', '?', '[', '\\']);
        let repositories = all(
            self.repositories.as_deref(),
            other.repositories.as_deref(),
            |(text, pattern), narrow| {
                text == "**" || text == narrow || is_plain(narrow) && pattern.matches_text(narrow)
            },
        );
        let tags = all(
            self.tags.as_deref(),
            other.tags.as_deref(),
            |(text, pattern), narrow| {
                // A text that is no reference counts as a tag and may have slashes, which `*` does not
                // cross, and line breaks, which `.` does not match.
                let has_slashes = || narrow.contains('/') || narrow.contains("**");
                text == "**"
                    || text == "*" && !has_slashes()
                    || text == narrow
                    || is_plain(narrow) && pattern.matches(narrow)
            },
        );
        repositories && tags
    }

    fn matches_repository(&self, name: &Name) -> bool {
        let Some(patterns) = &self.repositories else {
            return true;
        };
        let any = |text: &str| patterns.iter().any(|(_, p)| p.matches_text(text));
        let is_meant = |short: &str, long: &str| any(short) || any(long);
        match name {
            Name::Reference(reference) => {
                is_meant(&reference.familiar_repository(), &reference.repository())
            }
            Name::Raw(text) => meaning(text).is_some_and(|reference| {
                is_meant(&reference.familiar_repository(), &reference.repository())
            }),
            // A tag of the layout itself has no repository.
            Name::Tag(_) | Name::Dangling => false,
        }
    }

    fn matches_tag(&self, name: &Name, key: &str) -> bool {
        let Some(patterns) = &self.tags else {
            return true;
        };
        let tag = tag_alone(name, key);
        tag.is_some_and(|tag| patterns.iter().any(|(_, p)| p.matches(&tag)))
    }
}

impl TagPattern {
    /// Whether it matches a tag.
    pub fn matches(&self, tag: &str) -> bool {
        match self {
            TagPattern::Glob(pattern) => pattern.matches_text(tag),
            TagPattern::Regex(regex) => regex.is_match(tag),
        }
    }
}

/// The tag in a name that is more than a tag.
pub(crate) fn tag_of(name: &Name) -> Option<Cow<'_, str>> {
    match name {
        Name::Reference(reference) => reference.tag().map(Cow::Borrowed),
        Name::Raw(text) => meaning(text)?.tag().map(|tag| Cow::Owned(tag.to_owned())),
        Name::Tag(_) | Name::Dangling => None,
    }
}

/// The tag of a name. A text that is nothing else is a tag: people read it as one.
pub(super) fn tag_alone<'n>(name: &'n Name, key: &'n str) -> Option<Cow<'n, str>> {
    match name {
        Name::Reference(_) => tag_of(name),
        Name::Tag(_) => Some(Cow::Borrowed(key)),
        Name::Raw(text) if meaning(text).is_none() => Some(Cow::Borrowed(key)),
        Name::Raw(_) => tag_of(name),
        Name::Dangling => None,
    }
}

/// Whether a pattern of an option means a name: as it is shown, in full, without its tag, or the tag
/// alone.
pub(crate) fn means(pattern: &Pattern, name: &Name, key: &str) -> bool {
    *name != Name::Dangling
        && (pattern.matches(name, key)
            || tag_of(name).is_some_and(|tag| pattern.matches_text(&tag)))
}

/// The repository in which the images of a name are counted; empty for tags of the layout itself and
/// for images without a name.
pub(crate) fn repository_of(name: &Name) -> String {
    match name {
        Name::Reference(reference) => reference.repository(),
        Name::Tag(_) | Name::Dangling => String::new(),
        Name::Raw(text) => match meaning(text) {
            Some(reference) => reference.repository(),
            None => text.to_string(),
        },
    }
}

/// The same as it is shown.
pub(crate) fn shown_repository_of(name: &Name) -> String {
    match name {
        Name::Reference(reference) => reference.familiar_repository(),
        Name::Tag(_) | Name::Dangling => String::new(),
        Name::Raw(text) => match meaning(text) {
            Some(reference) => reference.familiar_repository(),
            None => text.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::reference::Reference;

    /// A name as index.json has it.
    fn name(text: &str) -> Name {
        match Reference::parse(text) {
            Ok(reference) if text.contains([':', '/']) => Name::Reference(reference),
            _ if text.is_empty() => Name::Dangling,
            _ => Name::Tag(text.into()),
        }
    }

    fn rule(repositories: Option<&[&str]>, tags: Option<&[&str]>) -> Rule {
        let pattern = |text: &&str| Pattern::parse(text).unwrap();
        Rule {
            source: String::new(),
            name: None,
            line: 1,
            repositories: repositories
                .map(|all| all.iter().map(|t| ((*t).to_owned(), pattern(t))).collect()),
            tags: tags.map(|all| {
                all.iter()
                    .map(|t| ((*t).to_owned(), TagPattern::Glob(pattern(t))))
                    .collect()
            }),
        }
    }

    /// V13, V15.
    #[test]
    fn a_rule_matches_repositories_and_tags() {
        for (repositories, tags, text, matches) in [
            (None, None, "acme/web:1", true),
            (None, None, "v1", true),
            (None, None, "", true),
            (Some(&["acme/**"][..]), None, "acme/web:1", true),
            (Some(&["acme/*"]), None, "acme/tools/cli:1", false),
            (Some(&["acme/**"]), None, "acme/tools/cli:1", true),
            (Some(&["docker.io/acme/*"]), None, "acme/web:1", true),
            (Some(&["web"]), None, "web:1", true),
            (Some(&["docker.io/library/web"]), None, "web:1", true),
            // A name with its tag is no repository.
            (Some(&["web:1"]), None, "web:1", false),
            (Some(&["**"]), None, "v1", false),
            (Some(&["**"]), None, "", false),
            (None, Some(&["v*"][..]), "acme/web:v1", true),
            (None, Some(&["v*"]), "v1", true),
            (None, Some(&["*"]), "", false),
            (None, Some(&["*"]), "acme/web", false),
            (None, Some(&["a", "1"]), "acme/web:1", true),
            (Some(&["acme/web"]), Some(&["2"]), "acme/web:1", false),
        ] {
            let rule = rule(repositories, tags);
            let key = name(text);
            let key = match &key {
                Name::Reference(reference) => reference.long().to_owned(),
                _ => text.to_owned(),
            };
            assert_eq!(rule.matches(&name(text), &key), matches, "{text}");
        }
    }

    /// V19.
    #[test]
    fn a_rule_covers_what_it_surely_matches() {
        for (wide, narrow, covers) in [
            ((None, None), (Some(&["a"][..]), Some(&["b"][..])), true),
            ((None, None), (None, None), true),
            ((Some(&["a"][..]), None), (None, None), false),
            ((None, Some(&["*"][..])), (None, None), false),
            ((None, Some(&["*"])), (Some(&["a"]), Some(&["v*"])), true),
            ((None, Some(&["*"])), (None, Some(&["**"][..])), false),
            ((None, Some(&["*"])), (None, Some(&["a/**"])), false),
            ((None, Some(&["**"])), (None, Some(&["**/a"])), true),
            ((None, Some(&["v*"])), (None, Some(&["v*"])), true),
            ((None, Some(&["v*"])), (None, Some(&["v1"])), true),
            ((None, Some(&["v*"])), (None, Some(&["v1*"])), false),
            ((None, Some(&["v*"])), (None, Some(&["v1", "w"])), false),
            ((None, Some(&["w", "v*"])), (None, Some(&["v1", "w"])), true),
            ((Some(&["**"]), None), (Some(&["acme/*"]), None), true),
            ((Some(&["acme/*"]), None), (Some(&["acme/web"]), None), true),
            (
                (Some(&["acme/*"]), None),
                (Some(&["acme/a/b"]), None),
                false,
            ),
            ((Some(&["acme/*"]), None), (Some(&["acme/w*"]), None), false),
            ((Some(&["**"]), None), (None, Some(&["v1"])), false),
        ] {
            let (wide, narrow) = (rule(wide.0, wide.1), rule(narrow.0, narrow.1));
            assert_eq!(wide.covers(&narrow), covers, "{wide:?} {narrow:?}");
        }
    }

    /// V2.
    #[test]
    fn a_pattern_of_an_option_means_names_and_tags() {
        for (pattern, text, means_it) in [
            ("web", "web:1", true),
            ("web:1", "web:1", true),
            ("docker.io/library/web:?", "web:1", true),
            ("1", "acme/web:1", true),
            ("*", "acme/web:1", true),
            ("*", "acme/web", false),
            ("v*", "v1", true),
            ("*", "", false),
        ] {
            let (name, pattern_) = (name(text), Pattern::parse(pattern).unwrap());
            let key = match &name {
                Name::Reference(reference) => reference.long().to_owned(),
                _ => text.to_owned(),
            };
            assert_eq!(means(&pattern_, &name, &key), means_it, "{pattern} {text}");
        }
    }
}
