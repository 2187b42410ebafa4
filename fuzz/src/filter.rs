//! Filters: one a line, for `ls` and for both ways of `prune`.

use std::collections::BTreeMap;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use ocirm::filter::{FilterUse, Filters, Pattern};
use ocirm::oci::config::Labels;
use ocirm::value::time::{parse_duration, parse_until};

/// Reads the lines as filters, each by itself and all together.
pub fn filter(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    for line in &lines {
        moment(
            line.split_once('=')
                .map_or(line.as_str(), |(_, value)| value),
        );
    }
    // An empty text is no filter, and no error.
    let given: Vec<&String> = lines.iter().filter(|line| !line.is_empty()).collect();
    let single: Vec<Option<Filters>> = given.iter().map(|line| one(line)).collect();
    let all = parse(&lines, FilterUse::Ls);
    if let Some(all) = &all {
        // What is understood together is understood line by line, and nothing gets lost.
        let parts: Vec<&Filters> = single.iter().flatten().collect();
        assert_eq!(parts.len(), given.len());
        let sum = |count: fn(&Filters) -> usize| parts.iter().map(|part| count(part)).sum();
        let counts: [fn(&Filters) -> usize; 6] = [
            |filters| filters.until.len(),
            |filters| filters.labels.len(),
            |filters| filters.references.len(),
            |filters| filters.not_references.len(),
            |filters| filters.before.len(),
            |filters| filters.since.len(),
        ];
        for count in counts {
            let sum: usize = sum(count);
            assert_eq!(count(all), sum);
        }
        assert!(
            parts
                .iter()
                .all(|part| part.dangling.is_none() || part.dangling == all.dangling)
        );
        assert_eq!(all.need_configs(), !all.labels.is_empty());
        assert_eq!(all.need_dates(), !all.until.is_empty());
        for moment in &all.until {
            assert!(!all.pass_date(*moment), "`until` is before, not at");
        }
    } else if single.iter().all(Option::is_some) {
        let truths: Vec<_> = single.iter().flatten().filter_map(|f| f.dangling).collect();
        assert!(truths.contains(&true) && truths.contains(&false));
    }
    for without_names_too in [false, true] {
        let for_use = FilterUse::Prune {
            all: without_names_too,
        };
        let Some(prune) = parse(&lines, for_use) else {
            continue;
        };
        let Some(all) = &all else {
            panic!("`ls` understands less than `prune`");
        };
        assert_eq!(prune.dangling, Some(!without_names_too));
        assert!(all.dangling.is_none_or(|truth| truth != without_names_too));
        assert!(prune.before.is_empty() && prune.since.is_empty());
        assert_eq!(prune.until, all.until);
        assert_eq!(prune.labels, all.labels);
    }
    all.is_some()
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 50)
}

fn parse(texts: &[String], for_use: FilterUse) -> Option<Filters> {
    match Filters::parse(texts, for_use, now(), &|| TimeZone::UTC) {
        Ok(filters) => Some(filters),
        Err(error) => {
            assert_eq!(error.kind().exit_status(), 2);
            None
        }
    }
}

/// One filter by itself, and its opposite.
fn one(line: &str) -> Option<Filters> {
    let parse_one = |text: &str| parse(&[text.to_owned()], FilterUse::Ls);
    let filters = parse_one(line)?;
    let (key, value) = line.split_once('=')?;
    assert!(parse_one(&format!(" {} = {value}\t", key.to_ascii_uppercase())).is_some());
    let trimmed = key.trim().to_lowercase();
    let opposite = match trimmed.strip_suffix('!') {
        Some(key) => format!("{key}={value}"),
        None => format!("{trimmed}!={value}"),
    };
    match trimmed.trim_end_matches('!') {
        "label" => {
            let Some(opposite) = parse_one(&opposite) else {
                panic!("`{line}` has no opposite");
            };
            let (label, text) = value.trim().split_once('=').unwrap_or((value.trim(), ""));
            for key in [label, label.trim_end_matches('!'), "other"] {
                for text in [text, "", "another"] {
                    let labels = BTreeMap::from([(key.to_owned(), text.to_owned())]);
                    let labels = [Labels::from(&labels)];
                    assert!(filters.pass_labels(&labels) != opposite.pass_labels(&labels));
                }
            }
            assert!(!filters.pass_labels(&[]));
        }
        "reference" => {
            assert!(parse_one(&opposite).is_some());
            pattern(value.trim());
        }
        _ => {}
    }
    Some(filters)
}

/// A pattern without brackets and escapes matches what a plain reading of `*` and `?` says.
///
/// References are ASCII, so what `?` makes of other characters is left open.
fn pattern(text: &str) {
    let Ok(pattern) = Pattern::parse(text) else {
        panic!("a pattern was understood and is not any more");
    };
    if text.contains(['[', ']', '{', '}', '\\', '!', '^']) || text.contains("**") {
        return;
    }
    let plain = text.replace(['*', '?'], "a");
    let names = [
        plain.clone(),
        text.replace('*', ""),
        text.replace('*', "/"),
        text.replace('?', "/"),
        text.replace('*', "é"),
        text.replace('*', "a.b-c"),
        format!("{plain}a"),
        format!("a/{plain}"),
    ];
    for name in names {
        assert_eq!(
            pattern.matches_text(&name),
            matches(text, &name),
            "{text:?} and {name:?}"
        );
    }
}

/// `*` is any text without `/`, `?` one character but `/`, and everything else is itself.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last star that was passed, and where its text ends: no earlier one needs another try.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), name.get(n)) {
            (Some('*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (None, None) => return true,
            (Some(wanted), Some(c)) if wanted == c || (*wanted == '?' && *c != '/') => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, end)) if name.get(end).is_some_and(|c| *c != '/') => {
                    star = Some((at, end + 1));
                    (p, n) = (at + 1, end + 1);
                }
                _ => return false,
            },
        }
    }
}

/// A value of `until` is measured by the clock or by the calendar, never by both.
fn moment(text: &str) {
    if let Ok(duration) = parse_duration(text) {
        let nanos = duration.as_nanos();
        assert_eq!(parse_duration(&format!("{nanos}ns")), Ok(duration));
        if nanos != 0 && !text.starts_with(['+', '-']) {
            assert_eq!(parse_duration(&format!("-{text}")), Ok(-duration));
        }
    }
    let hour = SignedDuration::from_hours(1);
    let east = Offset::constant(1).to_time_zone();
    let plain = parse_until(text, now(), &TimeZone::UTC);
    let later = parse_until(text, now() + hour, &TimeZone::UTC);
    let eastern = parse_until(text, now(), &east);
    let (Ok(plain), Ok(later), Ok(eastern)) = (&plain, &later, &eastern) else {
        if let Err(error) = plain {
            super::assert_one_line(&error.to_string());
        }
        return;
    };
    if later == plain {
        // A date has two hyphens; what has no date is a Unix time, which is the same everywhere.
        let has_zone = text.ends_with('Z') || text.contains('+') || text.matches('-').count() != 2;
        let shift = if has_zone { SignedDuration::ZERO } else { hour };
        assert_eq!(plain.duration_since(*eastern), shift, "{text:?}");
        if let Some(local) = text.strip_suffix('Z') {
            let eastern = parse_until(&format!("{local}+01:00"), now(), &TimeZone::UTC);
            assert!(eastern.is_ok_and(|eastern| plain.duration_since(eastern) == hour));
        }
    } else {
        assert_eq!(later.duration_since(*plain), hour, "{text:?}");
        assert_eq!(plain, eastern, "{text:?}");
    }
}
