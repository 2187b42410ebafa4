//! Compares what a command printed with what its case says: patterns, lines, tables, JSON.

use regex::Regex;

use super::case::{Differ, JsonCheck, Pattern};
use super::json::Json;

type Checked = Result<(), String>;

/// The words that a run and a dry run print before a name or a digest.
const SAID: [(&str, &str); 4] = [
    ("Untagged: ", "Would untag: "),
    ("Deleted: ", "Would delete: "),
    ("Trashed: ", "Would trash: "),
    ("Restored: ", "Would restore: "),
];

/// What a run says that it did, or a dry run that it would do, in its order: the words of a run, and what about.
pub(crate) fn said(out: &str, dry: bool) -> Vec<(&'static str, &str)> {
    let said = |line| {
        SAID.iter().find_map(|(real, would)| {
            let rest = str::strip_prefix(line, if dry { would } else { real })?;
            Some((*real, rest))
        })
    };
    out.lines().filter_map(said).collect()
}

/// The JSON values of the lines.
pub(crate) fn documents(out: &str) -> Result<Vec<Json>, String> {
    let lines = out.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).map_err(|_| format!("this is no JSON: {line}")))
        .collect()
}

/// Replaces placeholders.
pub(crate) type Expand<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Whether a text has something like a pattern.
pub(crate) fn fits(pattern: &Pattern, text: &str, expand: Expand<'_>) -> Result<bool, String> {
    match pattern {
        Pattern::Anywhere(pattern) => matches(pattern, text, expand),
        Pattern::InOneLine(all) => {
            for line in text.lines() {
                let fit = all.iter().map(|pattern| matches(pattern, line, expand));
                if fit
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .all(|fits| fits)
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// A pattern as it stands in a message.
pub(crate) fn show(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Anywhere(pattern) => format!("/{pattern}/"),
        Pattern::InOneLine(all) => format!("one line with /{}/", all.join("/ and /")),
    }
}

fn matches(pattern: &str, text: &str, expand: Expand<'_>) -> Result<bool, String> {
    let pattern = Regex::new(&expand(pattern)?).map_err(|e| e.to_string())?;
    Ok(pattern.is_match(text))
}

pub(crate) fn order(texts: &[String], out: &str, expand: Expand<'_>) -> Checked {
    let mut from = 0;
    for text in texts {
        let text = expand(text)?;
        let at = out[from..].find(&text);
        let at =
            at.ok_or_else(|| format!("{text} is not in standard output, or not in this place"))?;
        from += at + 1;
    }
    Ok(())
}

pub(crate) fn differ(want: &Differ, out: &str) -> Checked {
    let mut lines = out.lines();
    let column =
        Regex::new(&format!(r"\b{}\s*", regex::escape(&want.column))).map_err(|e| e.to_string())?;
    let head = lines.next().unwrap_or_default();
    let place = column
        .find(head)
        .ok_or_else(|| format!("no column {}", want.column))?;
    let from = head[..place.start()].chars().count();
    let width = place.as_str().chars().count();
    let mut cells = Vec::new();
    for row in &want.rows {
        let line = lines
            .clone()
            .find(|line| line.split(' ').next() == Some(row));
        let line = line.ok_or_else(|| format!("no line for {row}"))?;
        let cell: String = line.chars().skip(from).take(width).collect();
        cells.push(cell.trim().to_owned());
    }
    if cells[0] == cells[1] {
        return Err(format!(
            "{} of {:?} are both {:?}",
            want.column, want.rows, cells[0]
        ));
    }
    Ok(())
}

pub(crate) fn json(check: &JsonCheck, documents: &[Json], expand: Expand<'_>) -> Checked {
    if let Some(name) = &check.about {
        return about(&expand(name)?, check.matches.items(), documents, expand);
    }
    if check.names.is_some() || !check.names_has.is_empty() || !check.names_lacks.is_empty() {
        return names(check, documents, expand);
    }
    let mut documents = documents.iter();
    let document = match &check.row {
        None => documents.next().ok_or("no JSON")?,
        Some(row) => {
            let key = expand(row)?;
            let is = |document: &Json, member: &str| {
                document.get(member).and_then(Json::text) == Some(&key)
            };
            let found =
                documents.find(|d| is(d, "name") || key.starts_with("sha") && is(d, "digest"));
            found.ok_or_else(|| format!("no JSON line for {row}"))?
        }
    };
    let value = look_up(document, &check.get);
    let text = value.map_or_else(|| "not there".to_owned(), Json::spaced);
    let about = format!(
        "{} {} is {text}",
        check.row.as_deref().unwrap_or_default(),
        check.get
    );
    if let Some(want) = &check.is {
        let want = match want {
            Json::Text(text) => expand(text)?.into(),
            other => other.clone(),
        };
        if value.unwrap_or(&Json::Null).value() != want.value() {
            return Err(format!("{about}, not {}", want.spaced()));
        }
    }
    for pattern in check.matches.items() {
        if value.is_none_or(|v| *v == Json::Null) || !matches(pattern, &text, expand)? {
            return Err(format!("{about}, nothing like /{pattern}/"));
        }
    }
    for pattern in check.lacks.items() {
        if value.is_none_or(|v| *v == Json::Null) || matches(pattern, &text, expand)? {
            return Err(format!("{about}, which is or has /{pattern}/"));
        }
    }
    let is_nothing = value.is_none_or(Json::is_nothing);
    if check.nonempty && is_nothing || check.empty && !is_nothing {
        return Err(about);
    }
    Ok(())
}

fn names(check: &JsonCheck, documents: &[Json], expand: Expand<'_>) -> Checked {
    let name = |document: &Json| {
        document
            .get("name")
            .and_then(Json::text)
            .unwrap_or_default()
            .to_owned()
    };
    let mut listed: Vec<String> = documents.iter().map(name).collect();
    listed.sort();
    if let Some(names) = &check.names {
        let mut names = names
            .iter()
            .map(|name| expand(name))
            .collect::<Result<Vec<_>, _>>()?;
        names.sort();
        if listed != names {
            return Err(format!("listed are {listed:?}, not {names:?}"));
        }
    }
    for (names, wanted) in [(&check.names_has, true), (&check.names_lacks, false)] {
        for name in names {
            if listed.contains(&expand(name)?) != wanted {
                return Err(format!(
                    "{name} is {}listed",
                    if wanted { "not " } else { "" }
                ));
            }
        }
    }
    Ok(())
}

/// A member by its path, with dots between the steps and numbers for places in a list.
fn look_up<'a>(value: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.')
        .filter(|part| !part.is_empty())
        .try_fold(value, |value, part| match value {
            Json::List(list) => list.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        })
}

/// Some object or list that has this name in it, at most one level further down, matches.
fn about(name: &str, patterns: &[String], documents: &[Json], expand: Expand<'_>) -> Checked {
    let mut seen = Vec::new();
    for document in documents {
        walk(document, name, true, &mut seen);
    }
    for text in seen {
        let fit = patterns
            .iter()
            .map(|pattern| matches(pattern, &text, expand));
        if fit
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .all(|fits| fits)
        {
            return Ok(());
        }
    }
    Err(format!("no JSON about {name} has {patterns:?}"))
}

fn inner(value: &Json) -> Vec<&Json> {
    match value {
        Json::List(list) => list.iter().collect(),
        Json::Object(members) => members.iter().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    }
}

fn walk(value: &Json, name: &str, top: bool, seen: &mut Vec<String>) {
    let inner = inner(value);
    if !top && !inner.is_empty() && is_near(value, name, 2) {
        seen.push(value.get(name).unwrap_or(value).spaced());
    }
    for value in inner {
        walk(value, name, false, seen);
    }
}

fn is_near(value: &Json, name: &str, depth: usize) -> bool {
    match value {
        Json::Object(_) | Json::List(_) => {
            depth > 0
                && (value.get(name).is_some()
                    || inner(value)
                        .into_iter()
                        .any(|v| is_near(v, name, depth - 1)))
        }
        other => other.text() == Some(name),
    }
}
