//! Text that has to fit into so many columns of a terminal: cells are cut, sentences go on in the next line.
//!
//! Neither an escape is divided nor a letter from the signs that are written over it. What is quoted in
//! backquotes, a command that somebody copies, is never broken; a single word that is wider than the
//! terminal is left to that.

use std::borrow::Cow;
use std::io::{self, Write};

use super::shorten::width;

/// What stands where text was cut off.
const MARK: char = '…';

/// Columns by which the next line of a sentence stands further in.
const HANG: usize = 2;

/// Which part of a text is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The beginning: of a path the end tells most.
    Start,
    /// The middle: a name has its repository at the beginning and its tag at the end.
    Middle,
    /// The end.
    End,
}

/// A text of at most so many columns, and at least of one.
pub(super) fn cut(text: &str, columns: usize, part: Part) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let letters = letters(text);
    let room = columns.saturating_sub(1);
    let (head, tail) = match part {
        Part::Start => (0, room),
        Part::Middle => (room / 3, room - room / 3),
        Part::End => (room, 0),
    };
    let fitting = |letters: &mut dyn Iterator<Item = &&str>, room: usize| {
        let mut used = 0;
        letters
            .take_while(|letter| {
                used += width(letter);
                used <= room
            })
            .map(|letter| letter.len())
            .sum::<usize>()
    };
    let head = fitting(&mut letters.iter(), head);
    let tail = fitting(&mut letters.iter().rev(), tail);
    let mut cut = text[..head].to_owned();
    cut.push(MARK);
    cut.push_str(&text[text.len() - tail..]);
    Cow::Owned(cut)
}

/// The parts of a shown text that must not be divided.
fn letters(text: &str) -> Vec<&str> {
    let mut letters = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut length = match (first, rest.as_bytes().get(1)) {
            ('\\', Some(b'u')) => rest.find('}').map_or(rest.len(), |at| at + 1),
            ('\\', Some(next)) if next.is_ascii() => 2,
            _ => first.len_utf8(),
        };
        let signs = rest[length..].chars();
        let signs = signs.take_while(|c| width(c.encode_utf8(&mut [0; 4])) == 0);
        length += signs.map(char::len_utf8).sum::<usize>();
        let (letter, behind) = rest.split_at(length);
        letters.push(letter);
        rest = behind;
    }
    letters
}

/// A line that goes on in further ones where it is wider than so many columns.
pub(super) fn wrapped(line: &str, columns: usize) -> Cow<'_, str> {
    if width(line) <= columns {
        return Cow::Borrowed(line);
    }
    let indent = line.len() - line.trim_start_matches(' ').len();
    let mut text = " ".repeat(indent);
    let mut used = indent;
    for (number, word) in words(&line[indent..]).into_iter().enumerate() {
        let wide = width(word);
        if number > 0 && used + 1 + wide > columns {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent + HANG));
            used = indent + HANG;
        } else if number > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += wide;
    }
    Cow::Owned(text)
}

/// Words, and quoted commands as one.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut is_quoted) = (0, false);
    for (at, c) in line.char_indices() {
        match c {
            '`' => is_quoted = !is_quoted,
            ' ' if !is_quoted => {
                words.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(&line[start..]);
    words
}

/// Writes lines on, each [`wrapped`].
pub(super) struct Wrapping<'a> {
    out: &'a mut dyn Write,
    columns: usize,
    line: Vec<u8>,
}

impl<'a> Wrapping<'a> {
    pub(super) fn new(out: &'a mut dyn Write, columns: usize) -> Wrapping<'a> {
        Wrapping {
            out,
            columns,
            line: Vec::new(),
        }
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = String::from_utf8_lossy(&self.line);
        self.out
            .write_all(wrapped(&line, self.columns).as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

impl Write for Wrapping<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.split_last() {
                Some((b'\n', line)) => {
                    self.line.extend_from_slice(line);
                    self.end_line()?;
                    self.out.write_all(b"\n")?;
                }
                _ => self.line.extend_from_slice(part),
            }
        }
        Ok(bytes.len())
    }

    /// What is no whole line yet is written as well.
    fn flush(&mut self) -> io::Result<()> {
        self.end_line()?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_part_that_tells_least_is_cut_out() {
        for (text, columns, part, cut_out) in [
            ("short", 5, Part::End, "short"),
            ("too long", 5, Part::End, "too …"),
            ("/srv/store/a", 8, Part::Start, "…store/a"),
            ("ghcr.io/acme/web:1.0", 13, Part::Middle, "ghcr…/web:1.0"),
            ("名前:タグ", 5, Part::End, "名前…"),
            ("a\\u{1b}b", 5, Part::End, "a…"),
            ("e\u{301}e\u{301}e\u{301}", 2, Part::End, "e\u{301}…"),
        ] {
            assert_eq!(cut(text, columns, part), cut_out, "{text}");
        }
    }

    #[test]
    fn a_sentence_goes_on_in_the_next_line_and_a_command_is_not_broken() {
        for (line, columns, lines) in [
            ("one two three", 13, "one two three"),
            ("one two three", 12, "one two\n  three"),
            ("  one two three", 12, "  one two\n    three"),
            (
                "hint: `ocirm prune -a` goes",
                16,
                "hint:\n  `ocirm prune -a`\n  goes",
            ),
            (
                "hint: an-open `quote here",
                14,
                "hint: an-open\n  `quote here",
            ),
        ] {
            assert_eq!(wrapped(line, columns), lines);
        }
    }

    proptest! {
        /// No more columns than there are, and nothing but the mark is new.
        #[test]
        fn what_is_cut_fits(text in ".{0,40}", columns in 1..50usize) {
            let shown = super::super::shorten::visible(&text);
            for part in [Part::Start, Part::Middle, Part::End] {
                let cut = cut(&shown, columns, part);
                prop_assert!(width(&cut) <= columns, "{cut:?}");
                let kept: Vec<&str> = cut.split(MARK).collect();
                prop_assert!(shown.starts_with(kept[0]) || shown.contains(MARK));
                prop_assert!(shown.ends_with(kept[kept.len() - 1]) || shown.contains(MARK));
            }
        }

        /// Every word is there, in its order, and a line is too wide only if one word is.
        #[test]
        fn what_is_wrapped_has_all_its_words(line in "[a-z` ]{0,60}", columns in 5..40usize) {
            let wrapped = wrapped(&line, columns);
            let plain = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(plain(&wrapped), plain(&line));
        }
    }
}
