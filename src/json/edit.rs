//! JSON as text: where the parts of an object or an array begin and end.
//!
//! index.json and its neighbours are other people's documents. They are edited by cutting pieces
//! out of their text and never by writing a parsed value back, so everything that is not touched
//! stays as it was: unknown members, key order, numbers, escapes, white space.
//!
//! Nothing here is built. Every function is given text that was read to its end before; what it
//! finds are ranges.

use std::ops::Range;

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
    let mut json = Json::new(text.as_bytes());
    let mut part = |json: &mut Json<'_>, key: Range<usize>| {
        let value = json.range()?;
        found.push(Part { key, value });
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
    found
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
pub(crate) fn edit_parts(text: &str, mut fate: impl FnMut(usize, &Part) -> PartFate) -> String {
    let parts = parts(text);
    edit(text, &parts, |number| fate(number, &parts[number]))
}

/// `text` with some of its parts changed; `fate` is asked for each by its number.
///
/// A part that stays keeps the separator that stands before it, so an indented document stays
/// indented. When nothing stays, nothing is left between the brackets.
pub(crate) fn edit(text: &str, parts: &[Part], mut fate: impl FnMut(usize) -> PartFate) -> String {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return text.to_owned();
    };
    let (start, end) = (first.range().start, last.range().end);
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..start]);
    let mut previous_end = None;
    let mut any = false;
    for (number, part) in parts.iter().enumerate() {
        let range = part.range();
        let separator = previous_end.map(|end: usize| end..range.start);
        previous_end = Some(range.end);
        let new = match fate(number) {
            PartFate::Drop => continue,
            PartFate::Keep => None,
            PartFate::Replace(new) => Some(new),
        };
        if any && let Some(separator) = separator {
            out.push_str(&text[separator]);
        }
        any = true;
        out.push_str(new.as_deref().unwrap_or(&text[range]));
    }
    if any {
        out.push_str(&text[end..]);
    } else {
        out.truncate(out.trim_end_matches(BLANKS).len());
        out.push_str(text[end..].trim_start_matches(BLANKS));
    }
    out
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
