//! `--filter`: what is accepted, and which images pass.
//!
//! `prune` and `ls` share the keys and their meaning; `ls` knows two more. An unknown key or a
//! value that cannot be read is an error before anything is looked at. Different keys must all
//! hold.

use globset::{GlobBuilder, GlobMatcher};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::Error;
use crate::oci::config::Labels;
use crate::snapshot::{Name, meaning};
use crate::value::reference::Reference;
use crate::value::time::parse_until;
use crate::words::{nearest, shell_word};

/// The filters of one command, understood.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// `dangling=`: what was asked for, if anything.
    pub dangling: Option<bool>,
    /// It was asked for, and is not what `prune` does by itself.
    pub says_dangling: bool,
    /// `broken=`: whether images must be unusable, or usable, if that was asked for.
    pub broken: Option<bool>,
    /// `orphan=`: whether only referrers whose subject is gone pass, or none of these.
    pub orphan: Option<bool>,
    /// `until=`: images must be older than each of these times.
    pub until: Vec<Timestamp>,
    /// `label=`, `label!=`: all must hold.
    pub labels: Vec<LabelCheck>,
    /// `reference=`: one must match.
    pub references: Vec<Pattern>,
    /// `reference!=`: none may match.
    pub not_references: Vec<Pattern>,
    /// `before=`: images created before each of these.
    pub before: Vec<String>,
    /// `since=`: images created after each of these.
    pub since: Vec<String>,
}

/// Which command the filters are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterUse {
    /// `prune`; with `--all` it adds `dangling=false`, else `dangling=true`, as Docker does.
    Prune {
        /// `--all`.
        all: bool,
    },
    /// `ls`, which also knows `before` and `since`.
    Ls,
}

/// One condition on the labels of an image's config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelCheck {
    key: String,
    value: Option<String>,
    negated: bool,
}

/// A shell pattern for references; `*` does not cross `/`.
#[derive(Clone, Debug)]
pub struct Pattern(GlobMatcher);

/// The longest label condition, in bytes, as in Docker.
const MAX_LABEL_BYTES: usize = 4096;

impl Filters {
    /// Whether images are chosen by what all of them have, named ones too.
    pub fn may_mean_named(&self) -> bool {
        let is_about_age_or_label = !self.until.is_empty() || !self.labels.is_empty();
        let is_about_names = !self.references.is_empty() || !self.not_references.is_empty();
        let is_about_others = self.broken.is_some() || self.orphan.is_some();
        (is_about_age_or_label || is_about_names) && !is_about_others && !self.says_dangling
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        let Filters {
            dangling,
            says_dangling: _,
            broken,
            orphan,
            until,
            labels,
            references,
            not_references,
            before,
            since,
        } = self;
        dangling.is_none()
            && broken.is_none()
            && orphan.is_none()
            && until.is_empty()
            && labels.is_empty()
            && references.is_empty()
            && not_references.is_empty()
            && before.is_empty()
            && since.is_empty()
    }

    /// Understands `KEY=VALUE` texts. `now` and `zone` are what spans of time and times without a
    /// zone are measured by; finding out the zone takes a while, so it is asked for only then.
    ///
    /// # Errors
    /// Exit status 2: no `=`, an unknown key, a value that cannot be read, values that contradict.
    pub fn parse(
        texts: &[String],
        for_use: FilterUse,
        now: Timestamp,
        zone: &dyn Fn() -> TimeZone,
    ) -> Result<Filters, Error> {
        let mut filters = Filters::default();
        let mut dangling: Vec<String> = Vec::new();
        let mut broken: Vec<String> = Vec::new();
        let mut orphan: Vec<String> = Vec::new();
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let Some((key, value)) = text.split_once('=') else {
                return Err(Error::usage(format!(
                    "bad format of filter `{text}` (expected name=value)"
                ))
                .hint(without_value(text, for_use)));
            };
            let (key, value) = (key.trim().to_lowercase(), value.trim());
            match key.as_str() {
                "dangling" => dangling.push(value.to_owned()),
                "broken" => broken.push(value.to_owned()),
                "orphan" => orphan.push(value.to_owned()),
                "until" => {
                    let time = parse_until(value, now, &zone());
                    let time = time.map_err(|e| Error::usage(e.to_string()))?;
                    filters.until.push(time);
                }
                "label" => filters.labels.push(LabelCheck::parse(value, false)?),
                "label!" => filters.labels.push(LabelCheck::parse(value, true)?),
                "reference" => filters.references.push(Pattern::parse(value)?),
                "reference!" => filters.not_references.push(Pattern::parse(value)?),
                "before" if for_use == FilterUse::Ls => filters.before.push(value.to_owned()),
                "since" if for_use == FilterUse::Ls => filters.since.push(value.to_owned()),
                _ => {
                    return Err(Error::usage(format!("invalid filter '{key}'"))
                        .hint(unknown_key(&key, for_use)));
                }
            }
        }
        filters.says_dangling = !dangling.is_empty();
        filters.broken =
            one_truth("broken", &broken).map_err(|error| error.hint("broken is true or false"))?;
        filters.orphan =
            one_truth("orphan", &orphan).map_err(|error| error.hint("orphan is true or false"))?;
        if let FilterUse::Prune { all } = for_use {
            // What asks for named images, too, is narrowed by nothing but what is said.
            if all || !filters.takes_all() {
                dangling.push((!all).to_string());
            }
        }
        filters.dangling = one_truth("dangling", &dangling).map_err(|error| {
            error.hint("dangling is true or false; prune sets it to true, and with --all to false")
        })?;
        Ok(filters)
    }

    /// Whether `prune` takes what passes whether it is dangling or not, even without `--all`: who
    /// asks for what cannot be used, or for referrers whose subject is gone, means just that.
    pub fn takes_all(&self) -> bool {
        self.broken == Some(true) || self.orphan == Some(true)
    }

    /// Whether any filter asks what an image's config says.
    pub fn need_configs(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Whether any filter asks when an image was made.
    pub fn need_dates(&self) -> bool {
        !self.until.is_empty()
    }

    /// Whether a name passes `reference` and `reference!`.
    pub fn pass_name(&self, name: &Name, key: &str) -> bool {
        let matches = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(name, key));
        (self.references.is_empty() || matches(&self.references)) && !matches(&self.not_references)
    }

    /// Whether the labels of an image pass: one of its configs must satisfy all conditions, so an
    /// image without configs never does.
    pub fn pass_labels(&self, configs: &[Labels]) -> bool {
        let pass = |labels| self.labels.iter().all(|check| check.holds(labels));
        self.labels.is_empty() || configs.iter().any(pass)
    }

    /// Whether an image of this date is older than every one of these times.
    pub fn pass_date(&self, created: Timestamp) -> bool {
        self.until.iter().all(|time| created < *time)
    }
}

/// The keys, those last that only `ls` knows.
const KEYS: [&str; 10] = [
    "broken",
    "dangling",
    "label",
    "label!",
    "orphan",
    "reference",
    "reference!",
    "until",
    "before",
    "since",
];

/// Keys of other tools, and what people try, with what says the same here.
const OTHER_KEYS: [(&str, &str); 14] = [
    ("name", "reference"),
    ("repository", "reference"),
    ("repo", "reference"),
    ("image", "reference"),
    ("tag", "reference"),
    ("tags", "reference"),
    ("after", "since"),
    ("age", "until"),
    ("older", "until"),
    ("older-than", "until"),
    ("created", "until"),
    ("labels", "label"),
    ("untagged", "dangling"),
    ("incomplete", "broken"),
];

fn keys(for_use: FilterUse) -> &'static [&'static str] {
    match for_use {
        FilterUse::Ls => &KEYS,
        FilterUse::Prune { .. } => &KEYS[..KEYS.len() - 2],
    }
}

/// What may have been meant by a key that the command does not know.
fn unknown_key(key: &str, for_use: FilterUse) -> String {
    let known = keys(for_use);
    let other = OTHER_KEYS.iter().find(|(other, _)| *other == key);
    let meant = match other {
        Some((_, meant)) => Some(*meant).filter(|meant| known.contains(meant)),
        None if for_use != FilterUse::Ls && KEYS.contains(&key) => {
            return format!(
                "`{key}` is a filter of ls; the filters of prune are {}",
                known.join(", ")
            );
        }
        None => nearest(key, known),
    };
    let all = format!("the filters are {}", known.join(", "));
    match meant {
        Some(meant) => format!("did you mean `{meant}`? {all}"),
        None => all,
    }
}

/// What a filter without a value may have been meant to be.
fn without_value(text: &str, for_use: FilterUse) -> String {
    let key = text.trim().to_lowercase();
    match &*key {
        "dangling" | "broken" | "orphan" => format!("--filter {key}=true"),
        "until" => "--filter until=30d".to_owned(),
        "label" | "label!" => format!("--filter {key}=KEY or {key}=KEY=VALUE"),
        _ if keys(for_use).contains(&&*key) => format!("--filter {key}=NAME"),
        _ => format!(
            "for names: --filter {}",
            shell_word(&format!("reference={}", text.trim()))
        ),
    }
}

/// The one value of a filter that all texts agree on.
fn one_truth(key: &str, texts: &[String]) -> Result<Option<bool>, Error> {
    let bad = || Error::usage(format!("invalid filter '{key}=[{}]'", texts.join(" ")));
    let mut truth = None;
    for text in texts {
        let value = match text.as_str() {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => return Err(bad()),
        };
        if truth.replace(value).is_some_and(|before| before != value) {
            return Err(bad());
        }
    }
    Ok(truth)
}

impl LabelCheck {
    fn parse(text: &str, negated: bool) -> Result<LabelCheck, Error> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (text, None),
        };
        let length = key.len() + value.map_or(0, str::len);
        if length > MAX_LABEL_BYTES {
            return Err(Error::usage(format!(
                "a label filter has {length} bytes; the most is {MAX_LABEL_BYTES}"
            )));
        }
        // `label=key!=value` negates too, and with `label!` that is a double negation.
        let (key, not_equal) = match (key.strip_suffix('!'), value) {
            (Some(key), Some(_)) => (key, true),
            _ => (key, false),
        };
        if key.is_empty() {
            return Err(Error::usage(
                "a label filter needs a label: label=KEY or label=KEY=VALUE",
            ));
        }
        Ok(LabelCheck {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            negated: negated != not_equal,
        })
    }

    fn holds(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.key);
        let holds = match &self.value {
            None => found.is_some(),
            Some(value) => found.as_ref() == Some(value),
        };
        holds != self.negated
    }
}

impl Pattern {
    /// Understands a pattern: `*`, `?`, `[...]`.
    ///
    /// # Errors
    /// Exit status 2, with what is wrong.
    pub fn parse(text: &str) -> Result<Pattern, Error> {
        if text.is_empty() {
            return Err(Error::usage("a pattern is empty, and would match nothing"));
        }
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|e| Error::usage(format!("bad pattern `{text}`: {}", e.kind())))?;
        Ok(Pattern(glob.compile_matcher()))
    }

    /// The pattern as it was given.
    pub fn text(&self) -> &str {
        self.0.glob().glob()
    }

    /// Whether it matches a text.
    pub fn matches_text(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Whether it matches a name: as it is shown, in full, or either without tag and digest.
    pub fn matches(&self, name: &Name, key: &str) -> bool {
        let is_match = |text: &str| self.0.is_match(text);
        let is_meant = |reference: &Reference| {
            is_match(&reference.familiar())
                || is_match(&reference.familiar_repository())
                || is_match(&reference.to_string())
                || is_match(&reference.repository())
        };
        match name {
            Name::Reference(reference) => is_meant(reference),
            Name::Raw(text) => is_match(key) || meaning(text).is_some_and(|r| is_meant(&r)),
            Name::Tag(_) | Name::Dangling => is_match(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parse(texts: &[&str], for_use: FilterUse) -> Result<Filters, String> {
        let texts: Vec<String> = texts.iter().map(|t| (*t).to_owned()).collect();
        Filters::parse(&texts, for_use, Timestamp::UNIX_EPOCH, &|| TimeZone::UTC)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn unknown_keys_and_contradictions_are_errors() {
        let prune = FilterUse::Prune { all: false };
        for (texts, for_use, message) in [
            (vec!["label"], prune, "expected name=value"),
            (vec!["before=x"], prune, "invalid filter 'before'"),
            (vec!["nope=x"], FilterUse::Ls, "invalid filter 'nope'"),
            (
                vec!["dangling=false"],
                prune,
                "invalid filter 'dangling=[false true]'",
            ),
            (
                vec!["dangling=maybe"],
                FilterUse::Ls,
                "invalid filter 'dangling=[maybe]'",
            ),
            (vec!["until=soon"], prune, "until"),
            (vec!["reference=[a"], prune, "bad pattern"),
        ] {
            let error = parse(&texts, for_use).unwrap_err();
            assert!(error.contains(message), "{texts:?}: {error}");
        }
        let all = FilterUse::Prune { all: true };
        assert_eq!(parse(&["dangling=0"], all).unwrap().dangling, Some(false));
        assert_eq!(
            parse(&[" Dangling = true ", ""], prune).unwrap().dangling,
            Some(true)
        );
        // FR22, Q2: who asks for named images too may narrow that either way.
        for (texts, for_use, dangling) in [
            (&["broken=true"][..], prune, None),
            (&["broken=true", "dangling=false"], prune, Some(false)),
            (&["orphan=true", "dangling=true"], prune, Some(true)),
            (&["broken=false"], prune, Some(true)),
            (&["broken=true", "dangling=false"], all, Some(false)),
        ] {
            let parsed = parse(texts, for_use).unwrap();
            assert_eq!(parsed.dangling, dangling, "{texts:?}");
        }
        assert!(parse(&["before=x", "since=y"], FilterUse::Ls).is_ok());
    }

    #[test]
    fn labels_are_judged_together_and_per_config() {
        let config = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let test = config(&[("stage", "test"), ("team", "x")]);
        let prod = config(&[("stage", "prod")]);
        for (filters, labels, passes) in [
            (vec!["label=stage"], vec![&test], true),
            (vec!["label=stage=test"], vec![&prod], false),
            (
                vec!["label=stage=prod", "label=team"],
                vec![&test, &prod],
                false,
            ),
            (vec!["label!=team"], vec![&prod], true),
            (vec!["label!=stage=test"], vec![&test], false),
            (vec!["label=stage!=test"], vec![&prod], true),
            (vec!["label=none!=x"], vec![&prod], true),
            (vec!["label!=stage!=test"], vec![&test], true),
            (vec!["label!=none"], vec![], false),
        ] {
            let parsed = parse(&filters, FilterUse::Ls).unwrap();
            let labels: Vec<_> = labels.into_iter().map(Labels::from).collect();
            assert_eq!(parsed.pass_labels(&labels), passes, "{filters:?}");
        }
    }

    #[test]
    fn patterns_match_names_as_docker_does() {
        let web = Reference::parse("ghcr.io/acme/web:1.2").unwrap();
        let hub = Reference::parse("alpine:3").unwrap();
        for (pattern, reference, matches) in [
            ("ghcr.io/acme/web", &web, true),
            ("ghcr.io/*/web", &web, true),
            ("*/web", &web, false),
            ("ghcr.io/acme/web:1.*", &web, true),
            ("we", &web, false),
            ("alp*", &hub, true),
            ("docker.io/library/alpine:[23]", &hub, true),
            ("alpine:?", &hub, true),
            ("*", &hub, true),
            ("*", &web, false),
        ] {
            let key = reference.to_string();
            let name = Name::Reference(reference.clone());
            let pattern_ = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern_.matches(&name, &key), matches, "{pattern}");
        }
    }
}
