//! JSON as text: where the parts of an object or an array begin and end.
//!
//! index.json and its neighbours are other people's documents. They are edited by cutting pieces
//! out of their text and never by writing a parsed value back, so everything that is not touched
//! stays as it was: unknown members, key order, numbers, escapes, white space.
//!
//! Nothing here is built. Every function is given text that was read to its end before; what it
//! finds are ranges.

use std::ops::Range;

use super::edited_text::{EditedText, Edition, Pieces};
use super::read::{Json, ValueKind};

/// One member of an object or one element of an array, as ranges of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The key with its quotes; empty for elements of arrays.
    pub(crate) key: Range<usize>,
    /// The value.
    pub(crate) value: Range<usize>,
}

impl Part {
    /// The key, read; empty for one that is no Unicode text, which is none that anybody looks for.
    pub(crate) fn key(&self, text: &str) -> String {
        serde_json::from_str(&text[self.key.clone()]).unwrap_or_default()
    }

    /// The text of the value.
    pub(crate) fn value<'t>(&self, text: &'t str) -> &'t str {
        &text[self.value.clone()]
    }

    /// The part goes on with another value.
    pub(crate) fn with_value(&self, text: &str, value: &str) -> PartFate {
        let start = self.range().start;
        PartFate::Replace([&text[start..self.value.start], value].concat())
    }

    /// From the key, or for an element from the value, to the end of the value.
    pub(crate) fn range(&self) -> Range<usize> {
        if self.key.is_empty() {
            self.value.clone()
        } else {
            self.key.start..self.value.end
        }
    }
}

/// The parts of the object or array that `text` is, in order.
pub(crate) fn parts(text: &str) -> Vec<Part> {
    let mut found = Vec::new();
    each_part(text, &mut |part| found.push(part));
    found
}

/// Calls `each` with the parts of the object or array that `text` is, in order.
fn each_part(text: &str, each: &mut dyn FnMut(Part)) {
    let mut json = Json::new(text.as_bytes());
    let mut part = |json: &mut Json<'_>, key: Range<usize>| {
        let value = json.range()?;
        each(Part { key, value });
        Ok(())
    };
    // What was read to its end before is so again.
    let _ = match json.kind() {
        Ok(ValueKind::Object) => json.object(|json, key| {
            let key = json.range_of(key);
            part(json, key)
        }),
        Ok(ValueKind::List) => json.list(|json| part(json, 0..0)),
        _ => Ok(()),
    };
}

/// What becomes of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartFate {
    /// It stays as it is.
    Keep,
    /// It goes, with one comma.
    Drop,
    /// Its text (of a member: key and value) becomes another.
    Replace(String),
}

/// The object or array that `text` is with its parts changed; `fate` is asked for each.
///
/// No list of the parts is made: in a text of small ones it would be many times as long as the text.
pub(crate) fn edit_parts(text: &str, mut fate: impl FnMut(usize, &Part) -> PartFate) -> String {
    let out = String::with_capacity(text.len());
    let mut edited = Edited::new(text, Copied { text, out });
    let mut number = 0;
    each_part(text, &mut |part| {
        edited.add(part.range(), fate(number, &part));
        number += 1;
    });
    edited.end().out
}

/// `text` with some of its parts changed, which stand at `ranges`; `fate` is asked for each by its
/// number.
///
/// A part that stays keeps the separator that stands before it, so an indented document stays
/// indented. When nothing stays, nothing is left between the brackets.
pub(crate) fn edit<'t>(
    text: &'t str,
    ranges: &[Range<usize>],
    mut fate: impl FnMut(usize) -> PartFate,
) -> EditedText<'t> {
    let mut edited = Edited::new(text, Pieces::of(text));
    for (number, range) in ranges.iter().enumerate() {
        edited.add(range.clone(), fate(number));
    }
    edited.end().end()
}

/// An edited text in one: its parts may be so small that each takes less than a place in a list.
struct Copied<'t> {
    text: &'t str,
    out: String,
}

impl Edition for Copied<'_> {
    fn keep(&mut self, range: Range<usize>) {
        self.out.push_str(&self.text[range]);
    }

    fn insert(&mut self, new: String) {
        self.out.push_str(&new);
    }
}

/// A text that is being edited, part by part.
struct Edited<'t, E> {
    text: &'t str,
    new: E,
    /// Where the first part begins.
    first_start: usize,
    /// Where the last part ended.
    previous_end: Option<usize>,
    /// Something stays.
    any: bool,
}

impl<'t, E: Edition> Edited<'t, E> {
    fn new(text: &'t str, new: E) -> Edited<'t, E> {
        Edited {
            text,
            new,
            first_start: 0,
            previous_end: None,
            any: false,
        }
    }

    /// The next part.
    fn add(&mut self, range: Range<usize>, fate: PartFate) {
        let separator = match self.previous_end.replace(range.end) {
            Some(end) => end..range.start,
            None => {
                self.first_start = range.start;
                range.start..range.start
            }
        };
        if fate == PartFate::Drop {
            return;
        }
        self.new.keep(match self.any {
            true => separator,
            false => 0..self.first_start,
        });
        self.any = true;
        match fate {
            PartFate::Replace(new) => self.new.insert(new),
            PartFate::Keep | PartFate::Drop => self.new.keep(range),
        }
    }

    fn end(mut self) -> E {
        let text = self.text;
        let (head, tail) = match self.previous_end {
            None => (0, 0),
            Some(end) if self.any => (0, end),
            Some(end) => {
                let head = text[..self.first_start].trim_end_matches(BLANKS).len();
                let blanks = text[end..].trim_start_matches(BLANKS).len();
                (head, text.len() - blanks)
            }
        };
        self.new.keep(0..head);
        self.new.keep(tail..text.len());
        self.new
    }
}

/// What may stand between the parts of a text.
pub(crate) const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_whatever_the_white_space() {
        let text = " { \"a\\\"b\" : [1, {\"x\":\"]}\"}] ,\n\t\"c\":-1.5e3,\"d\" :null } ";
        let found: Vec<_> = parts(text)
            .iter()
            .map(|p| (&text[p.key.clone()], &text[p.value.clone()]))
            .collect();
        assert_eq!(
            found,
            [
                ("\"a\\\"b\"", "[1, {\"x\":\"]}\"}]"),
                ("\"c\"", "-1.5e3"),
                ("\"d\"", "null")
            ]
        );
        assert!(parts("[]").is_empty());
        assert!(parts(" { } ").is_empty());
    }

    #[test]
    fn what_stays_keeps_its_text_and_its_indentation() {
        let text = "[\n  1,\n  2,\n  3\n]\n";
        let without = |gone: &[usize]| {
            edit_parts(text, |n, _| match gone.contains(&n) {
                true => PartFate::Drop,
                false => PartFate::Keep,
            })
        };
        assert_eq!(without(&[]), text);
        assert_eq!(without(&[0]), "[\n  2,\n  3\n]\n");
        assert_eq!(without(&[1]), "[\n  1,\n  3\n]\n");
        assert_eq!(without(&[2]), "[\n  1,\n  2\n]\n");
        assert_eq!(without(&[0, 1, 2]), "[]\n");
    }

    #[test]
    fn a_replaced_part_stands_where_the_old_one_stood() {
        let text = "{ \"a\" : 1 , \"b\" : 2 }";
        let new = edit_parts(text, |n, part| match n {
            0 => PartFate::Replace("\"z\" : 9".to_owned()),
            _ => part.with_value(text, "8"),
        });
        assert_eq!(new, "{ \"z\" : 9 , \"b\" : 8 }");
    }
}
