//! How shells quote: the words of a line that is being typed, and a word that can be put into it.

use std::ffi::OsString;

/// Within which quotes a place on a line lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Quotes {
    #[default]
    None,
    Single,
    Double,
}

/// A line of bash up to the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// The words of the command, without quotes; the last one is that at the cursor.
    pub(super) words: Vec<OsString>,
    /// The last word as it stands on the line.
    raw: String,
}

/// The words of a command line of bash, up to the cursor. `None`: there is no command.
pub(super) fn bash(line: &str) -> Option<Typed> {
    let mut words: Vec<OsString> = Vec::new();
    let (mut word, mut raw, mut is_word) = (String::new(), String::new(), false);
    let mut quotes = Quotes::None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let is_end =
            quotes == Quotes::None && (c.is_whitespace() || matches!(c, ';' | '|' | '&' | '('));
        if is_end {
            if is_word {
                words.push(std::mem::take(&mut word).into());
            }
            if !c.is_whitespace() {
                // Another command begins.
                words.clear();
            }
            raw.clear();
            (word, is_word) = (String::new(), false);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        is_word = true;
        let (unquoted, after) = step(rest, &mut quotes);
        word.extend(unquoted);
        raw.push_str(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    words.push(word.into());
    // What stands before the command sets variables.
    let first = words
        .iter()
        .position(|word| !is_assignment(&word.to_string_lossy()));
    words.drain(..first?);
    Some(Typed { words, raw })
}

/// Whole words behind the cursor; what the word at the cursor goes on with is none of them.
pub(super) fn words_after(line: &str) -> Vec<OsString> {
    let rest = line.trim_start_matches(|c: char| !c.is_whitespace()).trim();
    match (rest, bash(rest)) {
        ("", _) | (_, None) => Vec::new(),
        (_, Some(typed)) => typed.words,
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

impl Typed {
    /// What is put in the place of `replaced`, the part of the word at the cursor that bash replaces, so
    /// that the whole word is `text`. bash begins that part behind an opening quote, and behind a `:` or
    /// `=` on the way. `None`: the word at the cursor begins otherwise.
    pub(super) fn replacement(&self, text: &str, replaced: &str) -> Option<String> {
        let kept = self.raw.strip_suffix(replaced).unwrap_or_default();
        let (before, quotes) = unquoted(kept);
        Some(quoted(text.strip_prefix(&before)?, quotes))
    }
}

/// A part of a word without its quotes, and within which quotes it ends.
fn unquoted(raw: &str) -> (String, Quotes) {
    let (mut text, mut quotes) = (String::new(), Quotes::None);
    let mut rest = raw;
    while !rest.is_empty() {
        let (unquoted, after) = step(rest, &mut quotes);
        text.extend(unquoted);
        rest = after;
    }
    (text, quotes)
}

/// The letter that bash reads at the beginning of a part of a word, if it is not all about quotes, and
/// what comes behind.
fn step<'t>(text: &'t str, quotes: &mut Quotes) -> (Option<char>, &'t str) {
    let mut chars = text.chars();
    let Some(c) = chars.next() else {
        return (None, "");
    };
    let next = chars.clone().next();
    let letter = match (*quotes, c) {
        (Quotes::None, '\'') => {
            *quotes = Quotes::Single;
            None
        }
        (Quotes::None, '"') => {
            *quotes = Quotes::Double;
            None
        }
        (Quotes::Single, '\'') | (Quotes::Double, '"') => {
            *quotes = Quotes::None;
            None
        }
        (Quotes::None, '\\') => chars.next(),
        (Quotes::Double, '\\') if next.is_some_and(|c| "$`\"\\".contains(c)) => chars.next(),
        _ => Some(c),
    };
    (letter, chars.as_str())
}

/// A text as it stands on a line of bash, within these quotes.
fn quoted(text: &str, quotes: Quotes) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        match quotes {
            Quotes::Single if c == '\'' => quoted.push_str("'\\''"),
            Quotes::Double if c == '!' => quoted.push_str("\"'!'\""),
            Quotes::Double if "$`\"\\".contains(c) => quoted.extend(['\\', c]),
            Quotes::None
                if c.is_ascii() && !c.is_ascii_alphanumeric() && !"_@%+=:,./-".contains(c) =>
            {
                quoted.extend(['\\', c]);
            }
            _ => quoted.push(c),
        }
    }
    quoted
}

/// A word of fish that is being typed, without its quotes.
pub(super) fn fish(raw: &str) -> String {
    let (mut text, mut quote) = (String::new(), None);
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '\\') => text.extend(chars.next()),
            (Some(open), '\\') if chars.peek().is_some_and(|c| *c == open || *c == '\\') => {
                text.extend(chars.next());
            }
            (Some('"'), '\\') if chars.peek() == Some(&'$') => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        bash(line).map(|typed| typed.words).unwrap_or_default()
    }

    #[test]
    fn the_words_of_a_line_are_those_that_bash_would_pass_on() {
        for (line, expected) in [
            ("ocirm rmi al", vec!["ocirm", "rmi", "al"]),
            ("ocirm rmi ", vec!["ocirm", "rmi", ""]),
            ("ocirm rmi 'a b", vec!["ocirm", "rmi", "a b"]),
            ("ocirm rmi a\\ b\\$c", vec!["ocirm", "rmi", "a b$c"]),
            ("ocirm rmi \"a\\$b\\c", vec!["ocirm", "rmi", "a$b\\c"]),
            (
                "cd x; A=1 ocirm rmi alpine:3",
                vec!["ocirm", "rmi", "alpine:3"],
            ),
            (
                "ocirm --layout=./d rmi \"\" x",
                vec!["ocirm", "--layout=./d", "rmi", "", "x"],
            ),
            ("ocirm rmi a\\", vec!["ocirm", "rmi", "a"]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
        assert_eq!(bash("A=1"), None);
        assert_eq!(words_after("pine --layout d"), ["--layout", "d"]);
        assert!(words_after("").is_empty() && words_after("pine ").is_empty());
    }

    #[test]
    fn what_is_put_into_the_line_makes_the_word_whole() {
        for (line, replaced, text, expected) in [
            ("o rmi alp", "alp", "alpine:3", Some("alpine:3")),
            ("o rmi alpine:3", "3", "alpine:3.20", Some("3.20")),
            ("o rmi alpine:", "", "alpine:3.20", Some("3.20")),
            (
                "o rmi 'alpine:3",
                "alpine:3",
                "alpine:3.20",
                Some("alpine:3.20"),
            ),
            ("o rmi a", "a", "a b$c'd\"e", Some("a\\ b\\$c\\'d\\\"e")),
            ("o rmi 'a", "a", "a b$c'd", Some("a b$c'\\''d")),
            ("o rmi \"a", "a", "a b$c'd!", Some("a b\\$c'd\"'!'\"")),
            ("o --layout=./d", "./d", "--layout=./dir/", Some("./dir/")),
            ("o rmi x:3", "3", "alpine:3.20", None),
            ("o rmi é", "é", "élan", Some("élan")),
        ] {
            let typed = bash(line).unwrap();
            assert_eq!(
                typed.replacement(text, replaced).as_deref(),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn a_word_of_fish_loses_its_quotes() {
        for (raw, expected) in [
            ("al", "al"),
            ("'a b", "a b"),
            ("a\\ b", "a b"),
            ("\"a\\$b'c", "a$b'c"),
            ("'a\\'b\\c", "a'b\\c"),
        ] {
            assert_eq!(fish(raw), expected, "{raw}");
        }
    }
}
