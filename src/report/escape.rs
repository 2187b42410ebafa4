//! Text from a layout, made safe to print.
//!
//! Names, labels and media types in a layout are written by strangers. Printed raw, one of them
//! could move the cursor, repaint an earlier line, begin a line that looks like ours, or turn the
//! order of letters round. [`escaped`] shows every such character as an escape. Everything that
//! goes from a layout into a line or a message for people passes through it, mostly by way of
//! [`super::shorten`], for names may be as long as a document. Values in JSON pass
//! through [`write_json`], which a program reads back to what the layout really says. Look-alike letters are beyond
//! it, and letters that are written from right to left stay as they are: people write them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The text with everything that does not simply stand where it is written shown as an escape:
/// `\n`, `\r`, `\t`, and `\u{1b}` for all others.
///
/// No two texts look the same. A text in which nothing needs an escape and in which no backslash
/// could be taken for the start of one is returned as it is; in any other all backslashes are
/// doubled. So the `\` of `a\b` stays single, and that of `a\nb` does not, since this is how a
/// line feed would look. A backslash at the end is doubled too, lest it be read together with
/// what is printed next.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| matches!(b, b' '..=b'~') && b != b'\\';
    if text.bytes().all(is_plain) || !text.contains(is_hidden) && !has_ambiguous_backslash(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\\' => shown.push_str(r"\\"),
            '\n' => shown.push_str(r"\n"),
            '\r' => shown.push_str(r"\r"),
            '\t' => shown.push_str(r"\t"),
            c if is_hidden(c) => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Writes a value as JSON on one line, in which hidden characters stand as `\uXXXX`. A program reads
/// the same text; a terminal that it is shown on does not obey it. Nothing is held in memory
/// meanwhile, for a name may be as long as a document, and stand there several times.
pub(super) fn write_json(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(EscapeHidden(out), value)?;
    out.write_all(b"\n")
}

/// Passes JSON on, hidden characters as escapes. They stand in strings alone, and strings come in
/// pieces that end between two characters.
struct EscapeHidden<'a>(&'a mut dyn Write);

impl Write for EscapeHidden<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.iter().all(|b| matches!(b, b' '..=b'~')) {
            self.0.write_all(piece)?;
            return Ok(piece.len());
        }
        let text = std::str::from_utf8(piece).map_err(io::Error::other)?;
        let mut from = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| is_hidden(*c)) {
            self.0.write_all(&piece[from..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(self.0, "\\u{unit:04x}")?;
            }
            from = at + c.len_utf8();
        }
        self.0.write_all(&piece[from..])?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether some backslash stands where an escape, or a doubled backslash, could begin.
fn has_ambiguous_backslash(text: &str) -> bool {
    text.match_indices('\\').any(|(at, _)| {
        matches!(
            text[at + 1..].chars().next(),
            None | Some('\\' | 'n' | 'r' | 't' | 'u')
        )
    })
}

/// Characters that act on the terminal, reorder what stands around them, or leave no mark at all,
/// so that two different names would look alike.
///
/// A list of our own rather than `char::escape_debug`: that one would escape the vowel signs of
/// many scripts as well, and what it escapes depends on the compiler's Unicode version.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{00}'..='\u{1F}' | '\u{7F}'..='\u{9F}' // C0, DEL, C1: escape sequences begin here
        | '\u{AD}' // soft hyphen
        | '\u{34F}' // combining grapheme joiner
        | '\u{61C}' // Arabic letter mark: a bidirectional control
        | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' // Hangul fillers: letters without ink
        | '\u{17B4}' | '\u{17B5}' // Khmer inherent vowels: without ink
        | '\u{180B}'..='\u{180F}' // Mongolian variation selectors and vowel separator
        | '\u{200B}'..='\u{200F}' // zero-width blank and joiners, left-to-right, right-to-left mark
        | '\u{2028}'..='\u{202E}' // line and paragraph separators, embeddings and overrides
        | '\u{2060}'..='\u{206F}' // word joiner, invisible operators, bidirectional isolates
        | '\u{FE00}'..='\u{FE0F}' // variation selectors
        | '\u{FEFF}' // zero-width no-break blank, or byte order mark
        | '\u{FFF0}'..='\u{FFFB}' // unassigned but ignorable, interlinear annotation
        | '\u{1BCA0}'..='\u{1BCA3}' // shorthand format controls
        | '\u{1D173}'..='\u{1D17A}' // musical format controls
        | '\u{E0000}'..='\u{E0FFF}' // tags and more variation selectors
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_shows_nothing_hidden_and_reads_back() {
        let text = "a\u{1b}[2J\u{9b}\u{202e}\u{e0001}\u{7f}é\n";
        let mut shown = Vec::new();
        write_json(&text, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(!shown.trim_end().contains(is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn ordinary_text_is_borrowed() {
        for text in [
            "",
            "docker.io/library/web:1.0",
            "web 1",
            "größe",
            "日本語",
            "עברית",
            "नमस्ते",
            "e\u{301}",
            "🦀",
            "'\"`$",
            r"a\b\c",
            r"C:\images",
            r"\{",
            "\u{A0}",
        ] {
            assert!(
                matches!(escaped(text), Cow::Borrowed(t) if t == text),
                "{text}"
            );
        }
    }

    #[test]
    fn what_acts_on_the_terminal_is_shown() {
        for (text, shown) in [
            ("a\nDeleted: b", r"a\nDeleted: b"),
            ("a\r\tb", r"a\r\tb"),
            ("\x1b[2J\x1b]0;title\x07", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
            ("\0", r"\u{0}"),
            ("\x7f\u{80}\u{9b}1m\u{9f}", r"\u{7f}\u{80}\u{9b}1m\u{9f}"),
            ("a\u{202e}b\u{202c}", r"a\u{202e}b\u{202c}"),
            ("\u{2066}\u{2069}\u{61c}", r"\u{2066}\u{2069}\u{61c}"),
            ("\u{200e}\u{200f}", r"\u{200e}\u{200f}"),
            ("we\u{200b}b\u{feff}", r"we\u{200b}b\u{feff}"),
            ("\u{2028}\u{2029}\u{85}", r"\u{2028}\u{2029}\u{85}"),
            ("\u{e0061}\u{e01ef}", r"\u{e0061}\u{e01ef}"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    #[test]
    fn backslashes_are_doubled_where_one_could_be_an_escape() {
        for (text, shown) in [
            (r"a\nb", r"a\\nb"),
            (r"\u{1b}", r"\\u{1b}"),
            (r"\temp", r"\\temp"),
            (r"\\", r"\\\\"),
            (r"end\", r"end\\"),
            (r"\a\n", r"\\a\\n"),
            ("\\a\n", r"\\a\n"),
            ("\\\n", r"\\\n"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    /// What `escaped` showed, read back: this is what it means that no two texts look the same.
    fn original(shown: &str) -> String {
        if !has_ambiguous_backslash(shown) {
            return shown.to_owned();
        }
        let mut text = String::new();
        let mut rest = shown.chars();
        while let Some(c) = rest.next() {
            text.push(match c {
                '\\' => match rest.next().unwrap() {
                    '\\' => '\\',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        let digits: String = rest
                            .by_ref()
                            .skip(1)
                            .take_while(|digit| *digit != '}')
                            .collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
                    }
                    other => panic!("\\{other} in {shown}"),
                },
                c => c,
            });
        }
        text
    }

    /// Texts in which the characters that matter are common.
    fn tricky() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just('\\'),
            prop::char::ranges(vec!['\0'..='\u{9f}', '\u{2000}'..='\u{2070}'].into()),
            prop::sample::select(vec!['n', 'r', 't', 'u', '{', '1', 'b', '}']),
            any::<char>(),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in tricky()) {
            let shown = escaped(&text);
            prop_assert!(!shown.contains(char::is_control));
            prop_assert!(!shown.contains(is_hidden));
        }

        #[test]
        fn no_two_texts_look_the_same(text in tricky()) {
            prop_assert_eq!(original(&escaped(&text)), text);
        }
    }
}
