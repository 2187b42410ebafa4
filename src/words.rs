//! Counting and listing in English, for every sentence that the program says.

use std::fmt::Display;
use std::path::Path;

/// Texts that differ in more letters are no misspellings of each other.
const MOST_TYPING_ERRORS: usize = 4;

/// A number with its noun: `1 image`, `3 images`, `0 images`.
pub(crate) fn count<N: Display + PartialEq + From<u8>>(
    n: N,
    singular: &str,
    plural: &str,
) -> String {
    let noun = if n == N::from(1) { singular } else { plural };
    format!("{n} {noun}")
}

/// A text between backticks, for messages.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{text}`")
}

/// A text as a shell takes it for one word, for commands that are to be copied.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+=,%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A command about one layout, as a shell takes it: `ocirm --layout DIR prune`.
pub(crate) fn command_on(layout: &Path, command: &str) -> String {
    match layout == Path::new(".") {
        true => format!("ocirm {command}"),
        false => {
            let layout = layout.display().to_string();
            format!("ocirm --layout {} {command}", shell_word(&layout))
        }
    }
}

/// A list for a sentence, of at most `most` items: `a, b and 3 more`.
pub(crate) fn listed(items: &[String], most: usize) -> String {
    match items {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        items if items.len() <= most => format!(
            "{} and {}",
            items[..items.len() - 1].join(", "),
            items[items.len() - 1]
        ),
        items => format!(
            "{} and {} more",
            items[..most].join(", "),
            items.len() - most
        ),
    }
}

/// The text that another one is most like.
pub(crate) fn nearest<'k>(text: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |known: &&str| strsim::levenshtein(&text.to_lowercase(), known);
    // To compare long texts takes long, and nobody has mistyped one.
    let known = known.iter().copied().filter(|_| text.len() <= 64);
    let known = known.map(|known| (distance(&known), known));
    let (distance, nearest) = known.min()?;
    let most = MOST_TYPING_ERRORS.min(nearest.len() / 2);
    (distance <= most).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::{count, listed, shell_word};

    #[test]
    fn a_noun_follows_its_number() {
        assert_eq!(count(0usize, "image", "images"), "0 images");
        assert_eq!(count(1u64, "entry", "entries"), "1 entry");
        assert_eq!(count(u64::MAX, "x", "xs"), format!("{} xs", u64::MAX));
    }

    #[test]
    fn a_list_ends_with_and_or_with_how_many_are_left_out() {
        let items = ["a", "b", "c"].map(str::to_owned);
        let of = |count: usize, most| listed(&items[..count], most);
        assert_eq!(
            [of(0, 8), of(1, 8), of(2, 8), of(3, 3), of(3, 2)],
            ["nothing", "a", "a and b", "a, b and c", "a, b and 1 more"]
        );
    }

    #[test]
    fn a_shell_takes_a_word_for_what_it_was() {
        for (text, word) in [
            ("docker.io/web:1", "docker.io/web:1"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("a*", "'a*'"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }
}
