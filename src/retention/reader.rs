//! Values of a policy file, and where they stand: whatever is wrong is said with file, line and column.

use std::ops::Range;

use regex::Regex;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::policy::TagPattern;
use crate::error::Error;
use crate::filter::Pattern;
use crate::value::beginning;
use crate::words::nearest;

/// The text of a policy file.
pub(super) struct Source<'t> {
    text: &'t str,
    /// The file as it was given.
    path: &'t str,
    /// Where the lines begin, but for the first.
    lines: Vec<usize>,
}

/// A key of a table, its value, and where both stand.
pub(super) struct Setting<'t> {
    pub(super) key: &'t str,
    pub(super) key_span: Range<usize>,
    pub(super) value: &'t Spanned<DeValue<'t>>,
}

/// The settings of a table, in the order of the file.
pub(super) fn settings<'t>(table: &'t DeTable<'t>) -> Vec<Setting<'t>> {
    let mut settings: Vec<Setting<'t>> = table
        .iter()
        .map(|(key, value)| Setting {
            key: key.get_ref(),
            key_span: key.span(),
            value,
        })
        .collect();
    settings.sort_by_key(|setting| setting.key_span.start);
    settings
}

impl Setting<'_> {
    fn span(&self) -> Range<usize> {
        self.value.span()
    }
}

impl<'t> Source<'t> {
    /// Nothing of it is understood yet.
    pub(super) fn new(text: &'t str, path: &'t str) -> Source<'t> {
        let lines = text.match_indices('\n').map(|(at, _)| at + 1);
        Source {
            text,
            path,
            lines: lines.collect(),
        }
    }

    /// The line in which a place is, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at) + 1
    }

    /// The column of a place, from 1.
    fn column(&self, at: usize) -> usize {
        let before = self.lines.partition_point(|begin| *begin <= at);
        let begin = before.checked_sub(1).map_or(0, |line| self.lines[line]);
        let line = self.text.get(begin..at).unwrap_or_default();
        line.chars().count() + 1
    }

    /// What is wrong, and where.
    pub(super) fn error(&self, at: usize, what: &str) -> Error {
        let (line, column) = (self.line(at), self.column(at));
        Error::usage(format!("{}:{line}:{column}: {what}", self.path))
    }

    /// A setting as it stands in the file.
    pub(super) fn written(&self, setting: &Setting<'_>) -> String {
        let value = self.text.get(setting.span()).unwrap_or_default();
        let value: String = value.chars().take(60).collect();
        let value = match value.contains(['\n', '\r']) {
            true => beginning(&value),
            false => value,
        };
        format!("{} = {value}", setting.key)
    }

    /// That the value of a setting means nothing.
    pub(super) fn bad_value(&self, setting: &Setting<'_>, why: &str) -> Error {
        self.error(setting.span().start, &format!("{}: {why}", setting.key))
    }

    /// That nobody knows this key, and which one may be meant.
    pub(super) fn unknown_key(&self, setting: &Setting<'_>, known: &[&str]) -> Error {
        let key = beginning(setting.key);
        let message = format!("unknown key `{key}`");
        let error = |hint: String| {
            let error = self.error(setting.key_span.start, &message);
            error.hint(hint)
        };
        let lower = setting.key.to_lowercase();
        // Other programs have such rules, and whoever comes from there looks for them.
        for (part, done) in [("pull", "pulled"), ("push", "pushed")] {
            if lower.contains(part) {
                return error(format!(
                    "when an image was {done} cannot be known from a layout; keep-within counts from \
                     when it was created"
                ));
            }
        }
        match nearest(setting.key, known) {
            Some(nearest) => error(format!("did you mean `{nearest}`?")),
            None => error(format!("the keys here are {}", known.join(", "))),
        }
    }

    pub(super) fn text<'v>(&self, setting: &Setting<'v>, example: &str) -> Result<&'v str, Error> {
        let found = setting.value.get_ref();
        found.as_str().ok_or_else(|| {
            let found = found.type_str();
            self.bad_value(
                setting,
                &format!("expected a text such as {example}, not {}", a(found)),
            )
        })
    }

    /// A whole number as its digits.
    pub(super) fn number<'v>(&self, setting: &Setting<'v>) -> Result<&'v str, Error> {
        let found = setting.value.get_ref();
        let Some(number) = found.as_integer() else {
            let found = found.type_str();
            let why = format!("expected a number, not {}", a(found));
            return Err(self.bad_value(setting, &why));
        };
        match number.radix() {
            10 => Ok(number.as_str()),
            _ => Err(self.bad_value(setting, "expected a number in decimal digits")),
        }
    }

    /// A list of texts, each with its place; never empty.
    pub(super) fn list<'v>(&self, setting: &Setting<'v>) -> Result<Vec<(&'v str, usize)>, Error> {
        let found = setting.value.get_ref();
        let Some(items) = found.as_array() else {
            let found = found.type_str();
            return Err(self.bad_value(
                setting,
                &format!("expected a list such as [\"v*\"], not {}", a(found)),
            ));
        };
        if items.is_empty() {
            return Err(self.bad_value(
                setting,
                "an empty list matches nothing; without the key everything matches",
            ));
        }
        let text = |item: &'v Spanned<DeValue<'v>>| {
            let text = item.get_ref().as_str();
            text.map(|text| (text, item.span().start)).ok_or_else(|| {
                let found = item.get_ref().type_str();
                let what = format!("{}: expected a text, not {}", setting.key, a(found));
                self.error(item.span().start, &what)
            })
        };
        items.iter().map(text).collect()
    }

    /// Patterns for repositories.
    pub(super) fn repositories(
        &self,
        setting: &Setting<'_>,
    ) -> Result<Vec<(String, Pattern)>, Error> {
        let patterns = self.list(setting)?.into_iter().map(|(text, at)| {
            let pattern = repository_pattern(text).map_err(|why| self.error(at, &why))?;
            Ok((text.to_owned(), pattern))
        });
        patterns.collect()
    }

    /// Patterns for tags.
    pub(super) fn tags(&self, setting: &Setting<'_>) -> Result<Vec<(String, TagPattern)>, Error> {
        let patterns = self.list(setting)?.into_iter().map(|(text, at)| {
            let pattern = tag_pattern(text);
            let pattern = pattern.map_err(|why| self.error(at, &why))?;
            Ok((text.to_owned(), pattern))
        });
        patterns.collect()
    }
}

/// A pattern with `*`, `?` and `[…]`.
fn pattern(text: &str) -> Result<Pattern, String> {
    let bad = |error: Error| error.to_string().replace(text, &beginning(text));
    Pattern::parse(text).map_err(|error| match text.is_empty() {
        true => error.to_string(),
        false => bad(error),
    })
}

/// A pattern for repositories. One that no repository can match was meant for something else.
fn repository_pattern(text: &str) -> Result<Pattern, String> {
    let shown = beginning(text);
    if text.starts_with('/') {
        return Err(format!(
            "no repository matches `{shown}`: none begins with `/`, and regular expressions are for tags \
             alone"
        ));
    }
    let last = text.rsplit('/').next().unwrap_or_default();
    // A colon may stand before the port of a registry, and in brackets.
    if text.contains('@') || last.contains(':') && !last.contains('[') {
        return Err(format!(
            "no repository matches `{shown}`: tags and digests are no part of it; tags have a key of their \
             own"
        ));
    }
    pattern(text)
}

/// A pattern for tags: between slashes a regular expression, else one with `*`, `?` and `[…]`.
fn tag_pattern(text: &str) -> Result<TagPattern, String> {
    let Some(rest) = text.strip_prefix('/') else {
        if text.contains(['/', ':']) {
            return Err(format!(
                "no tag matches `{}`: a tag has neither `/` nor `:`; repositories have a key of their \
                 own",
                beginning(text)
            ));
        }
        return Ok(TagPattern::Glob(pattern(text)?));
    };
    let shown = beginning(text);
    let Some(inner) = rest.strip_suffix('/') else {
        return Err(format!(
            "`{shown}` begins like a regular expression and has no `/` at its end"
        ));
    };
    if inner.is_empty() {
        return Err(format!("no tag matches `{shown}`: every tag has a letter"));
    }
    let bad = |error: &regex::Error| {
        let last = match error {
            regex::Error::Syntax(text) => text.lines().last().unwrap_or_default().to_owned(),
            other => other.to_string(),
        };
        let why = last.trim_start_matches("error: ");
        format!("bad regular expression `{shown}`: {why}")
    };
    // Alone first: a bracket too many would close the group around it.
    Regex::new(inner).map_err(|error| bad(&error))?;
    let whole = Regex::new(&format!(r"\A(?:{inner})\z"));
    // With `(?x)` it may end in a comment, which ends with the line.
    let whole = whole.or_else(|_| Regex::new(&format!("\\A(?:{inner}\n)\\z")));
    let whole = whole.map_err(|error| bad(&error))?;
    Ok(TagPattern::Regex(whole))
}

/// The word of TOML for a kind of value, with its article.
fn a(kind: &str) -> String {
    match kind {
        "integer" => "a number".to_owned(),
        "array" | "array of tables" => "a list".to_owned(),
        "boolean" => "true or false".to_owned(),
        "string" => "a text".to_owned(),
        kind => format!("a {kind}"),
    }
}
