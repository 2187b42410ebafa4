//! What `policy check` says: a policy file in words, and what it is about in a layout.

use std::fmt::Write as _;
use std::path::Path;

use jiff::SignedDuration;

use super::shorten::visible;
use super::units::size;
use crate::retention::{Count, Keep, Order, Part, Period, Policy, Rule, Rules, Scope};
use crate::snapshot::{RecordKind, View};
use crate::words::{count, listed};

/// Names that a sentence lists before it says how many more there are.
const MOST_NAMES: usize = 8;

/// What a policy file does, a line for each rule.
pub(crate) fn of_policy(policy: &Policy) -> String {
    let Some(rules) = &policy.rules else {
        return String::new();
    };
    let mut text = String::new();
    let number = count(rules.rules.len(), "rule", "rules");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{}: {number}. For each name the first rule that matches decides; a name that none matches stays.",
        visible(&rules.file)
    );
    if let Some(limit) = &policy.limit {
        let _ = writeln!(
            text,
            "{}: what the rules keep stays whatever its size; what stays while it fits does so as long as \
             the blobs of the layout have at most {} together.",
            visible(&limit.source),
            size(limit.bytes)
        );
    }
    for (place, rule) in rules.rules.iter().enumerate() {
        let deeds = deeds(policy, place);
        let _ = writeln!(
            text,
            "{} (line {}), {}: {deeds}.",
            head(place, rule),
            rule.line,
            subject(rule)
        );
        if let Some(first) = covered_by(&rules.rules, place) {
            let all = match rules.rules[first].matches_everything() {
                true => "everything that is left",
                false => "all that it matches",
            };
            let _ = writeln!(
                text,
                "  It is never reached: rule {} decides {all}.",
                first + 1
            );
        }
    }
    if !rules.rules.iter().any(Rule::matches_everything) {
        let _ = writeln!(
            text,
            "Images without a name stay: no rule is without both repositories and tags."
        );
    }
    text
}

/// What a rule is called.
fn head(place: usize, rule: &Rule) -> String {
    match &rule.name {
        Some(name) => format!("Rule {} \"{}\"", place + 1, visible(name)),
        None => format!("Rule {}", place + 1),
    }
}

/// Which names a rule matches.
fn subject(rule: &Rule) -> String {
    fn texts<P>(patterns: &[(String, P)]) -> String {
        let texts: Vec<String> = patterns
            .iter()
            .map(|(t, _)| visible(t).into_owned())
            .collect();
        match &texts[..] {
            [.., _, _] => format!(
                "{} or {}",
                texts[..texts.len() - 1].join(", "),
                texts[texts.len() - 1]
            ),
            _ => texts.concat(),
        }
    }
    match (&rule.tags, &rule.repositories) {
        (None, None) => "every name, and images without one".to_owned(),
        (Some(tags), None) => format!("tags {}", texts(tags)),
        (None, Some(repositories)) => format!("names in {}", texts(repositories)),
        (Some(tags), Some(repositories)) => {
            format!("tags {} in {}", texts(tags), texts(repositories))
        }
    }
}

/// What a rule keeps; if it is nothing, it removes all.
pub(super) fn keeps(policy: &Policy, place: usize) -> impl Iterator<Item = &Keep> {
    let own = move |count: &&Count| matches!(count.scope, Scope::Rule(rule) if rule == place);
    policy.counts.iter().filter(own).map(|count| &count.keep)
}

/// The place of a rule before this one that decides all that it matches.
pub(super) fn covered_by(rules: &[Rule], place: usize) -> Option<usize> {
    let rule = &rules[place];
    rules[..place].iter().position(|other| other.covers(rule))
}

/// What a rule does with the names that it decides, behind its name.
pub(super) fn deeds(policy: &Policy, place: usize) -> String {
    let keeps: Vec<&Keep> = keeps(policy, place).collect();
    if keeps.is_empty() {
        return "removes all of them".to_owned();
    }
    if keeps.contains(&&Keep::All) {
        return "keeps all of them".to_owned();
    }
    let words: Vec<String> = keeps.into_iter().map(words).collect();
    format!("keeps {}; the others go", listed(&words, words.len()))
}

fn words(keep: &Keep) -> String {
    let plural = |n: usize, one: &str, many: &str| match n {
        1 => one.to_owned(),
        n => format!("{n} {many}"),
    };
    match keep {
        Keep::All => "all images".to_owned(),
        Keep::WhileItFits => "the newest images while they fit".to_owned(),
        Keep::Last {
            count,
            by: Order::Created,
        } => {
            let images = plural(*count, "image", "images");
            format!("the newest {images} of each repository")
        }
        Keep::Last {
            count,
            by: Order::Version,
        } => {
            let versions = plural(*count, "version", "versions");
            format!(
                "the highest {versions} of each repository, and where there are fewer the newest images"
            )
        }
        Keep::Within(span) => format!("what was created in the last {}", span_in_words(*span)),
        Keep::NewestOf { count, period } => {
            let (one, many) = match period {
                Period::Day => ("day", "days"),
                Period::Week => ("week", "weeks"),
                Period::Month => ("month", "months"),
            };
            match count {
                1 => format!("in each repository the newest of the last {one} that has any"),
                n => format!(
                    "in each repository the newest of each of the last {n} {many} that have any"
                ),
            }
        }
        Keep::NewestPer(Part::Major) => {
            "in each repository the highest of each major version".to_owned()
        }
        Keep::NewestPer(Part::Minor) => {
            "in each repository the highest of each minor version".to_owned()
        }
    }
}

/// A span in its largest whole unit: `30 days`, `day`.
fn span_in_words(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    if span.subsec_nanos() != 0 {
        return format!("{} seconds", span.as_secs_f64());
    }
    let units = [
        (604_800, "week", "weeks"),
        (86_400, "day", "days"),
        (3_600, "hour", "hours"),
        (60, "minute", "minutes"),
    ];
    let whole = units
        .iter()
        .find(|(unit, ..)| seconds >= *unit && seconds % unit == 0);
    let (unit, one, many) = whole.copied().unwrap_or((1, "second", "seconds"));
    match seconds / unit {
        1 => one.to_owned(),
        number => format!("{number} {many}"),
    }
}

/// What a policy is about in a layout.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(super) layout: String,
    pub(super) rules: Vec<TriedRule>,
    /// Names that no rule matches.
    pub(super) unmatched: Vec<String>,
}

/// What one rule is about in a layout.
#[derive(Clone, Debug, Default)]
pub(super) struct TriedRule {
    /// The names that it decides.
    pub(super) names: Vec<String>,
    /// How many it matches that rules before it decide, and the place of one of these.
    pub(super) taken: Option<(usize, usize)>,
}

impl Tried {
    /// Tries a policy on a layout.
    pub(crate) fn new(policy: &Policy, path: &Path, view: &View) -> Tried {
        let rules = policy.rules.as_ref().map_or(&[][..], |rules| &rules.rules);
        let mut tried = Tried {
            layout: path.display().to_string(),
            rules: vec![TriedRule::default(); rules.len()],
            unmatched: Vec::new(),
        };
        if rules.is_empty() {
            return tried;
        }
        for (id, record) in view.records.iter() {
            if record.kind.is_dependent() || record.kind == RecordKind::Dangling {
                continue;
            }
            let mut first = None;
            for (place, rule) in rules.iter().enumerate() {
                if rule.matches(&record.name, record.key()) {
                    let here = &mut tried.rules[place];
                    match first {
                        None => {
                            first = Some(place);
                            here.names.push(view.shown(id));
                        }
                        Some(first) => {
                            let (names, _) = here.taken.unwrap_or_default();
                            here.taken = Some((names + 1, first));
                        }
                    }
                }
            }
            if first.is_none() {
                tried.unmatched.push(view.shown(id));
            }
        }
        tried
    }

    /// It in words, a line for each rule.
    pub(crate) fn text(&self, policy: &Policy) -> String {
        let Some(Rules { rules, .. }) = &policy.rules else {
            return String::new();
        };
        let mut text = format!("Layout: {}\n", visible(&self.layout));
        for (place, (rule, tried)) in rules.iter().zip(&self.rules).enumerate() {
            let head = head(place, rule);
            // Writing to a String cannot fail.
            let _ = match (&tried.names[..], tried.taken) {
                ([], None) => writeln!(text, "{head} matches nothing here."),
                ([], Some((names, first))) => writeln!(
                    text,
                    "{head} is never reached here: it matches {}, which rules before it decide, such as rule {}.",
                    count(names, "name", "names"),
                    first + 1
                ),
                (names, _) => writeln!(
                    text,
                    "{head} decides {}: {}.",
                    count(names.len(), "name", "names"),
                    shown(names)
                ),
            };
        }
        if !self.unmatched.is_empty() {
            let names = count(self.unmatched.len(), "name", "names");
            let _ = writeln!(text, "No rule matches {names}: {}.", shown(&self.unmatched));
        }
        text
    }
}

fn shown(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .map(|name| visible(name).into_owned())
        .collect();
    listed(&shown, MOST_NAMES)
}
