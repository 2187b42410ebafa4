//! What `policy check` says as one value, for JSON: the rules of a file, and what they are about in layouts.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::escape::write_json;
use super::failed_layout::class;
use super::messages::ReportedError;
use super::policy::{Tried, covered_by, deeds, keeps};
use super::version::Version;
use crate::error::ErrorKind;
use crate::retention::{Keep, Order, Part, Period, Policy, Rule};

/// See the module. Serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyReport {
    version: Version,
    /// The file.
    policy: String,
    /// It cannot be used. Only then the member is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
    rules: Vec<RuleObject>,
    /// Bytes that the blobs of a layout may have for what stays while it fits.
    max_size: Option<u64>,
    /// Images without a name are decided too.
    covers_unnamed: bool,
    /// What it is about in each layout.
    layouts: Vec<LayoutObject>,
    errors: Vec<ReportedError>,
}

#[derive(Debug, Serialize)]
struct RuleObject {
    /// Its number, from 1.
    rule: usize,
    /// Where it begins in the file, from 1.
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Patterns, of which one must match; absent where every repository does.
    #[serde(skip_serializing_if = "Option::is_none")]
    repositories: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
    /// What it keeps of what it decides; nothing where it removes all.
    keeps: Vec<KeepObject>,
    /// The same in words.
    does: String,
    /// The number of the rule before it that decides all that this one matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    covered_by: Option<usize>,
}

/// One thing that a rule keeps, as the file says it.
#[derive(Debug, Default, Serialize)]
struct KeepObject {
    /// The key in the file.
    key: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    while_it_fits: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'static str>,
}

impl KeepObject {
    fn new(keep: &Keep) -> KeepObject {
        let key = |key| KeepObject {
            key,
            ..KeepObject::default()
        };
        match keep {
            Keep::All => KeepObject {
                while_it_fits: Some(false),
                ..key("keep")
            },
            Keep::WhileItFits => KeepObject {
                while_it_fits: Some(true),
                ..key("keep")
            },
            Keep::Last { count, by } => KeepObject {
                count: Some(*count),
                newest_by: Some(match by {
                    Order::Created => "created",
                    Order::Version => "version",
                }),
                ..key("keep-last")
            },
            Keep::Within(span) => KeepObject {
                seconds: Some(span.as_secs()),
                ..key("keep-within")
            },
            Keep::NewestOf { count, period } => KeepObject {
                count: Some(*count),
                ..key(match period {
                    Period::Day => "keep-daily",
                    Period::Week => "keep-weekly",
                    Period::Month => "keep-monthly",
                })
            },
            Keep::NewestPer(part) => KeepObject {
                part: Some(match part {
                    Part::Major => "major",
                    Part::Minor => "minor",
                }),
                ..key("keep-newest-per")
            },
        }
    }
}

#[derive(Debug, Serialize)]
struct LayoutObject {
    layout: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
    rules: Vec<DecidedNames>,
    unmatched: Vec<String>,
    errors: Vec<ReportedError>,
}

#[derive(Debug, Serialize)]
struct DecidedNames {
    rule: usize,
    /// The names that it decides.
    names: Vec<String>,
    /// How many names it matches that rules before it decide.
    decided_before: usize,
    /// The number of one of these rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<usize>,
}

fn rule_object(policy: &Policy, rules: &[Rule], place: usize) -> RuleObject {
    fn texts<P>(patterns: Option<&Vec<(String, P)>>) -> Option<Vec<String>> {
        Some(patterns?.iter().map(|(text, _)| text.clone()).collect())
    }
    let rule = &rules[place];
    RuleObject {
        rule: place + 1,
        line: rule.line,
        name: rule.name.clone(),
        repositories: texts(rule.repositories.as_ref()),
        tags: texts(rule.tags.as_ref()),
        keeps: keeps(policy, place).map(KeepObject::new).collect(),
        does: deeds(policy, place),
        covered_by: covered_by(rules, place).map(|first| first + 1),
    }
}

impl PolicyReport {
    /// What a file says, tried on no layout yet.
    pub(crate) fn new(path: &Path, policy: &Policy) -> PolicyReport {
        let rules = policy.rules.as_ref().map_or(&[][..], |rules| &rules.rules);
        let objects = (0..rules.len()).map(|place| rule_object(policy, rules, place));
        PolicyReport {
            version: Version,
            policy: path.display().to_string(),
            failed: false,
            rules: objects.collect(),
            max_size: policy.limit.as_ref().map(|limit| limit.bytes),
            covers_unnamed: rules.iter().any(Rule::matches_everything),
            layouts: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// That a file cannot be used.
    pub(crate) fn of_bad_file(path: &Path, message: String, hint: Option<&str>) -> PolicyReport {
        let error = ReportedError::new(class(ErrorKind::Usage), message, hint);
        PolicyReport {
            failed: true,
            errors: vec![error],
            ..PolicyReport::new(path, &Policy::default())
        }
    }

    /// Adds what it is about in a layout.
    pub(crate) fn add(&mut self, tried: Tried) {
        let rules = tried.rules.into_iter().enumerate();
        let rules = rules.map(|(place, rule)| DecidedNames {
            rule: place + 1,
            names: rule.names,
            decided_before: rule.taken.map_or(0, |(names, _)| names),
            decided_by: rule.taken.map(|(_, first)| first + 1),
        });
        self.layouts.push(LayoutObject {
            layout: tried.layout,
            failed: false,
            rules: rules.collect(),
            unmatched: tried.unmatched,
            errors: Vec::new(),
        });
    }

    /// Adds a layout that cannot be looked at.
    pub(crate) fn add_failed(
        &mut self,
        layout: &Path,
        kind: ErrorKind,
        message: String,
        hint: Option<&str>,
    ) {
        self.layouts.push(LayoutObject {
            layout: layout.display().to_string(),
            failed: true,
            rules: Vec::new(),
            unmatched: Vec::new(),
            errors: vec![ReportedError::new(class(kind), message, hint)],
        });
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }
}
