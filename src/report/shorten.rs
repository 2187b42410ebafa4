//! Texts that are longer than anybody reads, cut: one name may be as long as a document, and would
//! stand in the table, in messages and beside everything that belongs to it.
//!
//! The one place where text for people is cut. Nothing that a program reads is: JSON, IDs, and
//! templates without columns.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr as _;

use super::escape::escaped;

/// The longest text that stands in a cell or a line, in bytes, with the mark of what was cut off.
pub(super) const LONGEST: usize = 4096;

/// What stands where text was cut off.
const MARK: char = '…';

/// How many bytes of signs that belong to one letter are looked back over for that letter.
const LONGEST_LETTER: usize = 64;

/// How many columns of a terminal a text takes. Hidden characters were escaped before.
pub(super) fn width(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.width(),
    }
}

/// A text of a layout as people are shown it: hidden characters as escapes, and cut if it is too
/// long. It takes no more time or memory than what is shown.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return shortened(escaped(text));
    }
    // Whatever it is escaped to, this is too long as well.
    let head = &text[..boundary_behind(text, LONGEST)];
    shortened(escaped(head))
}

/// A text that was escaped already, cut if it is too long: not within an escape, nor between a letter
/// and the signs that are written over it.
pub(super) fn shortened(shown: Cow<'_, str>) -> Cow<'_, str> {
    if shown.len() <= LONGEST {
        return shown;
    }
    let end = boundary_before(&shown, LONGEST - MARK.len_utf8());
    let end = before_letter(&shown, before_escape(&shown, end));
    let mut cut = String::with_capacity(LONGEST);
    cut.push_str(&shown[..end]);
    cut.push(MARK);
    Cow::Owned(cut)
}

/// A message with what people are told around a name: of one that is too long the middle is cut out,
/// since a name stands there, and behind it what to do.
pub(super) fn message(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return escaped(text);
    }
    let head = boundary_before(text, LONGEST / 4 * 3);
    let tail = boundary_behind(text, text.len() - LONGEST / 4);
    let (head, tail) = (escaped(&text[..head]), escaped(&text[tail..]));
    Cow::Owned(format!("{head}{MARK}{tail}"))
}

/// The end of the last character that ends at `at` or before.
fn boundary_before(text: &str, at: usize) -> usize {
    let mut ends = (0..=at).rev();
    ends.find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The beginning of the first character that begins behind `at`.
fn boundary_behind(text: &str, at: usize) -> usize {
    let mut starts = at + 1..text.len();
    let start = starts.find(|at| text.is_char_boundary(*at));
    start.unwrap_or(text.len())
}

/// Where the escape begins that `end` would cut in two; `end` if there is none.
fn before_escape(shown: &str, end: usize) -> usize {
    let Some(last) = shown[..end].rfind('\\') else {
        return end;
    };
    let run = last + 1 - shown[..=last].trim_end_matches('\\').len();
    if run.is_multiple_of(2) {
        // Each two of them are one.
        return end;
    }
    let escape = &shown[last..];
    let length = match escape.as_bytes().get(1) {
        Some(b'u') => escape.find('}').map_or(escape.len(), |at| at + 1),
        _ => 2,
    };
    match last + length <= end {
        true => end,
        false => last,
    }
}

/// Where the letter begins that `end` would cut off from signs above or below it; `end` if there is
/// none, or it has more of them than any letter of a language.
fn before_letter(shown: &str, end: usize) -> usize {
    let is_sign = |c: char| width(c.encode_utf8(&mut [0; 4])) == 0;
    if !shown[end..].starts_with(is_sign) {
        return end;
    }
    let letter = shown[..end].rfind(|c| !is_sign(c)).unwrap_or(end);
    match end - letter <= LONGEST_LETTER {
        true => letter,
        false => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FR32: exactly 4 KB are shown as they are, and one byte more is cut to 4 KB.
    #[test]
    fn what_is_longer_than_four_kilobytes_is_cut() {
        for (length, is_cut) in [(0, false), (4095, false), (4096, false), (4097, true)] {
            let text = "a".repeat(length);
            let shown = visible(&text);
            assert_eq!(*shown != *text, is_cut, "{length}");
            assert!(shown.len() <= LONGEST);
            assert_eq!(shown.ends_with('…'), is_cut);
        }
        assert_eq!(visible(&"a".repeat(1 << 20)).len(), LONGEST);
    }

    /// FR32: neither half an escape nor half a letter is left.
    #[test]
    fn a_cut_divides_no_escape_and_no_letter() {
        for (text, unit) in [
            ("あ", "あ"),
            ("\u{1b}", "\\u{1b}"),
            ("\u{200b}", "\\u{200b}"),
            ("\n", "\\n"),
            ("e\u{301}", "e\u{301}"),
            ("🦀", "🦀"),
        ] {
            // Whichever part of it the limit meets.
            for before in 0..12 {
                let before = "a".repeat(before);
                let shown = visible(&format!("{before}{}", text.repeat(LONGEST))).into_owned();
                let inner = shown.strip_prefix(&before).unwrap();
                let inner = inner.strip_suffix('…').unwrap();
                assert_eq!(inner.replace(unit, ""), "", "{text:?}");
                assert!(
                    shown.len() > LONGEST - 16 && shown.len() <= LONGEST,
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn backslashes_are_left_in_pairs_where_they_are_doubled() {
        for before in ["", "a", "ab", "\n", "\na", "\nab"] {
            let shown = visible(&format!("{before}{}", "\\".repeat(LONGEST))).into_owned();
            let inner = shown.strip_suffix('…').unwrap();
            let run = inner.len() - inner.trim_end_matches('\\').len();
            assert_eq!(run % 2, 0, "{before:?}");
        }
    }

    #[test]
    fn a_heap_of_signs_without_a_letter_is_cut_where_it_is_too_long() {
        let shown = visible(&"\u{301}".repeat(LONGEST)).into_owned();
        assert!(shown.len() > LONGEST - 16 && shown.len() <= LONGEST);
    }

    /// FR32: what is said before a name and behind it is not lost.
    #[test]
    fn of_a_message_the_middle_is_cut_out() {
        let text = format!("the image `{}` is there; remove it\n", "\n".repeat(1 << 20));
        let shown = message(&text);
        assert!(shown.starts_with("the image `\\n\\n"));
        assert!(shown.ends_with("\\n` is there; remove it\\n"));
        assert!(shown.len() < 3 * LONGEST && !shown.contains('\n'));
        assert_eq!(message("a\nb"), "a\\nb");
    }
}
