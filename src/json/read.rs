//! JSON, read once and where it lies: what is asked for is borrowed, all else is passed over.
//!
//! Documents are read to find out what may be deleted, so nothing that any other tool sees in them
//! may be missed. Go's decoder, which most tools use, ignores the case of keys, takes keys that are
//! no Unicode text, and of repeated members the last; so whoever reads here is shown every member,
//! repeated ones too, and asks with `Text::is_member`. What counts as JSON is what serde_json
//! takes for it, which `fuzz/` compares.
//!
//! A general parser spends most of its time on values that nobody asks for, and this is what the
//! time of a walk over a hundred thousand manifests is made of. What must be changed in a text, and
//! nothing else in it, is `edit`'s.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use crate::value::digest::Digest;

/// How deep the lists and objects that somebody reads may be nested; those that are passed over
/// may be as deep as they like.
const MAX_DEPTH: u32 = 128;

/// How long a digest of SHA-256 is, its algorithm included.
const SHA256_TEXT: usize = 7 + 64;

/// A number of so many digits fits 64 bits, whichever they are.
const FITTING_DIGITS: usize = 19;

/// Goes through a text of JSON, value by value.
#[derive(Clone, Debug)]
pub(crate) struct Json<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    /// See [`Json::careful`].
    is_careful: bool,
    /// What was wrong where reading stopped.
    reason: &'static str,
}

/// A text is not what was expected; [`Json::explained`] knows why. Nothing is in it because it would
/// have to be carried through every function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unexpected;

/// Why a text is not what it should be, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidJson(String);

type Read<T> = Result<T, Unexpected>;

/// What a value is, as its first byte tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Object,
    List,
    Text,
    Null,
    /// A number, `true` or `false`.
    Scalar,
}

impl<'a> Json<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Json<'a> {
        Json {
            text,
            at: 0,
            depth: 0,
            is_careful: false,
            reason: "",
        }
    }

    /// A reader for what decides: in doubt it sees more, or nothing. It takes keys with control
    /// characters, as some readers do, and refuses what most of them refuse in values that are asked
    /// for: texts that are no Unicode, and numbers beyond all that they hold.
    pub(crate) fn careful(text: &'a [u8]) -> Json<'a> {
        Json {
            is_careful: true,
            ..Json::new(text)
        }
    }

    /// The failure of whoever finds something else than what it needs here.
    #[cold]
    pub(crate) fn unexpected<T>(&mut self, reason: &'static str) -> Read<T> {
        self.reason = reason;
        Err(Unexpected)
    }

    /// Why the text is not what was expected, in the words of serde_json where it is no JSON.
    pub(crate) fn explained(&self, _: Unexpected) -> InvalidJson {
        InvalidJson(match serde_json::from_slice::<IgnoredAny>(self.text) {
            Err(error) => error.to_string(),
            Ok(_) => format!("{} at byte {}", self.reason, self.at),
        })
    }

    /// What the next value is. Whether it is all that, only reading it shows.
    #[inline]
    pub(crate) fn kind(&mut self) -> Read<ValueKind> {
        Ok(match self.peek() {
            Some(b'{') => ValueKind::Object,
            Some(b'[') => ValueKind::List,
            Some(b'"') => ValueKind::Text,
            Some(b'n') => ValueKind::Null,
            Some(_) => ValueKind::Scalar,
            None => return self.unexpected("it ends too early"),
        })
    }

    /// Reads an object; `each` is told each key, and has to read or skip the value.
    pub(crate) fn object(
        &mut self,
        mut each: impl FnMut(&mut Json<'a>, Text<'a>) -> Read<()>,
    ) -> Read<()> {
        self.descend(b'{')?;
        if !self.closes(b'}') {
            loop {
                let key = self.key(self.is_careful)?;
                each(self, key)?;
                if self.ends(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a list; `each` has to read or skip the element.
    pub(crate) fn list(&mut self, mut each: impl FnMut(&mut Json<'a>) -> Read<()>) -> Read<()> {
        self.descend(b'[')?;
        if !self.closes(b']') {
            loop {
                each(self)?;
                if self.ends(b']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// A text; `None` for any other value, which is passed over.
    #[inline]
    fn text(&mut self) -> Read<Option<Text<'a>>> {
        match self.peek() {
            Some(b'"') => self.string(false).map(Some),
            _ => self.other().map(|()| None),
        }
    }

    /// A text; `None` for one that is no Unicode, and for any other value, which is passed over.
    #[inline]
    pub(crate) fn unicode(&mut self) -> Read<Option<Cow<'a, str>>> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        match text.unicode() {
            None if self.is_careful => self.unexpected("a text is no Unicode"),
            unicode => Ok(unicode),
        }
    }

    /// A text as Go's decoder reads it: what is no Unicode stands there as U+FFFD. `None` for any other
    /// value, which is passed over.
    pub(crate) fn replaced(&mut self) -> Read<Option<Cow<'a, str>>> {
        Ok(self.text()?.map(Text::replaced))
    }

    /// The elements of a list, `None` for those that are no texts; of any other value none.
    pub(crate) fn texts(&mut self) -> Read<Vec<Option<String>>> {
        let mut texts = Vec::new();
        if self.kind()? != ValueKind::List {
            return self.other().map(|()| texts);
        }
        self.list(|json| {
            texts.push(json.unicode()?.map(Cow::into_owned));
            Ok(())
        })?;
        Ok(texts)
    }

    /// A digest; `None` for any other value, which is passed over.
    #[inline]
    pub(crate) fn digest(&mut self) -> Read<Option<Digest>> {
        if let Some(digest) = self.plain_digest() {
            return Ok(Some(digest));
        }
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        if let Some(digest) = text.sha256() {
            return Ok(Some(digest));
        }
        match text.unicode() {
            None if self.is_careful => self.unexpected("a text is no Unicode"),
            unicode => Ok(unicode.and_then(|text| text.parse().ok())),
        }
    }

    /// A digest of SHA-256 as nearly all are written. None of its digits ends a text, so the text need not be
    /// searched for its end first.
    #[inline]
    fn plain_digest(&mut self) -> Option<Digest> {
        let start = self.position();
        let (open, rest) = self.text.get(start..)?.split_first()?;
        let (inner, behind) = rest.split_at_checked(SHA256_TEXT)?;
        if *open != b'"' || behind.first() != Some(&b'"') {
            return None;
        }
        let digest = Digest::of_sha256_text(inner)?;
        self.at = start + SHA256_TEXT + 2;
        Some(digest)
    }

    /// A whole number that fits 64 bits; `None` for any other value, which is passed over.
    pub(crate) fn whole_number(&mut self) -> Read<Option<u64>> {
        let start = self.position();
        if let Some(number) = self.plain_number() {
            return Ok(Some(number));
        }
        self.other()?;
        let mut digits = self.text[start..self.at].iter().map(|byte| match byte {
            b'0'..=b'9' => Some(u64::from(byte - b'0')),
            _ => None,
        });
        Ok(digits.try_fold(0_u64, |number, digit| {
            number.checked_mul(10)?.checked_add(digit?)
        }))
    }

    /// A number of a few digits and nothing else, as nearly all are.
    #[inline]
    fn plain_number(&mut self) -> Option<u64> {
        let rest = self.text.get(self.at..)?;
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, behind) = rest.split_at(count);
        let is_plain = matches!(digits, [_] | [b'1'..=b'9', ..]) && count <= FITTING_DIGITS;
        let ends = matches!(
            behind,
            [b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n', ..]
        );
        if !is_plain || !ends {
            return None;
        }
        self.at += count;
        let number = |number, digit: &u8| number * 10 + u64::from(digit - b'0');
        Some(digits.iter().fold(0, number))
    }

    /// Passes over a value that is asked for and may be of another type.
    pub(crate) fn other(&mut self) -> Read<()> {
        if self.kind()? != ValueKind::Scalar || !self.is_careful {
            return self.skip();
        }
        let text = std::str::from_utf8(self.raw()?).unwrap_or_default();
        match text.parse::<f64>().is_ok_and(f64::is_infinite) {
            true => self.unexpected("a number is out of range"),
            false => Ok(()),
        }
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self) -> Read<()> {
        match self.peek() {
            Some(b'{' | b'[') => self.skip_nested(),
            _ => self.skip_scalar(),
        }
    }

    /// Passes over a value and says where it stands, blanks around it left out.
    pub(crate) fn range(&mut self) -> Read<Range<usize>> {
        let start = self.position();
        self.skip()?;
        Ok(start..self.at)
    }

    /// A reader of a value that was passed over, as strict as this one.
    pub(crate) fn again(&self, value: &'a [u8]) -> Json<'a> {
        Json {
            is_careful: self.is_careful,
            ..Json::new(value)
        }
    }

    /// The text of the next value, which is passed over.
    pub(crate) fn raw(&mut self) -> Read<&'a [u8]> {
        let range = self.range()?;
        Ok(&self.text[range])
    }

    /// Where a text that was read stands, its quotes included.
    pub(crate) fn range_of(&self, text: Text<'a>) -> Range<usize> {
        let start = text.quoted.as_ptr().addr() - self.text.as_ptr().addr();
        start..start + text.quoted.len()
    }

    /// Where the next value begins.
    pub(crate) fn position(&mut self) -> usize {
        self.skip_blanks();
        self.at
    }

    /// Where the value that was read last ended.
    pub(crate) fn behind(&self) -> usize {
        self.at
    }

    /// Makes sure that nothing but blanks follows.
    pub(crate) fn end(&mut self) -> Read<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.unexpected("something follows"),
        }
    }

    /// A key and its colon.
    #[inline]
    fn key(&mut self, takes_control: bool) -> Read<Text<'a>> {
        if self.peek() != Some(b'"') {
            return self.unexpected("a key is expected");
        }
        let key = self.string(takes_control)?;
        if self.peek() != Some(b':') {
            return self.unexpected("a colon is expected");
        }
        self.at += 1;
        Ok(key)
    }

    fn descend(&mut self, open: u8) -> Read<()> {
        if self.peek() != Some(open) {
            return self.unexpected(match open {
                b'{' => "an object is expected",
                _ => "a list is expected",
            });
        }
        if self.depth == MAX_DEPTH {
            return self.unexpected("it is nested too deeply");
        }
        self.at += 1;
        self.depth += 1;
        Ok(())
    }

    /// Whether what was opened has no members or elements.
    #[inline]
    fn closes(&mut self, close: u8) -> bool {
        let is_empty = self.peek() == Some(close);
        self.at += usize::from(is_empty);
        is_empty
    }

    /// Whether what was opened ends here; otherwise a comma is passed.
    #[inline]
    fn ends(&mut self, close: u8) -> Read<bool> {
        let byte = self.peek();
        if byte != Some(close) && byte != Some(b',') {
            return self.unexpected("a comma or an end is expected");
        }
        self.at += 1;
        Ok(byte == Some(close))
    }

    #[inline]
    fn peek(&mut self) -> Option<u8> {
        self.skip_blanks();
        self.text.get(self.at).copied()
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// Without recursion, for what is passed over may be as deep as it is long.
    fn skip_nested(&mut self) -> Read<()> {
        let mut open = Nesting::default();
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    if !self.closes(b'}') {
                        open.push(true);
                        self.key(false)?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    if !self.closes(b']') {
                        open.push(false);
                        continue;
                    }
                }
                _ => self.skip_scalar()?,
            }
            // A value ends here, and perhaps some of those around it.
            loop {
                let Some(in_object) = open.last() else {
                    return Ok(());
                };
                if self.ends(if in_object { b'}' } else { b']' })? {
                    open.pop();
                    continue;
                }
                if in_object {
                    self.key(false)?;
                }
                break;
            }
        }
    }

    fn skip_scalar(&mut self) -> Read<()> {
        match self.text.get(self.at) {
            Some(b'"') => self.string(false).map(|_| ()),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.unexpected("a value is expected"),
            None => self.unexpected("it ends too early"),
        }
    }

    fn literal(&mut self, word: &'static [u8]) -> Read<()> {
        if !self.text[self.at..].starts_with(word) {
            return self.unexpected("a value is expected");
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Read<()> {
        self.passes(b"-");
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.passes(b".") {
            self.digits()?;
        }
        if self.passes(b"eE") {
            self.passes(b"+-");
            self.digits()?;
        }
        // A zero in front of other digits.
        match self.text.get(self.at) {
            Some(b'0'..=b'9') => self.unexpected("a number is expected"),
            _ => Ok(()),
        }
    }

    /// Whether one of these bytes stood here, which is passed then.
    fn passes(&mut self, any: &[u8]) -> bool {
        let passes = self.text.get(self.at).is_some_and(|b| any.contains(b));
        self.at += usize::from(passes);
        passes
    }

    /// One digit or more.
    fn digits(&mut self) -> Read<()> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 {
            return self.unexpected("a number is expected");
        }
        self.at += count;
        Ok(())
    }

    /// A string; the next byte is its quote.
    #[inline]
    fn string(&mut self, takes_control: bool) -> Read<Text<'a>> {
        let start = self.at;
        let mut has_escapes = false;
        self.at = start + 1;
        loop {
            self.at = plain_until(self.text, self.at);
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) if takes_control => {
                    self.at += 1;
                    continue;
                }
                Some(_) => return self.unexpected("a control character stands in a text"),
                None => return self.unexpected("it ends in a text"),
            }
            has_escapes = true;
        }
        self.at += 1;
        let quoted = &self.text[start..self.at];
        Ok(Text {
            quoted,
            has_escapes,
        })
    }

    fn escape(&mut self) -> Read<()> {
        let length = match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => 6,
            _ => 0,
        };
        let digits = self.text.get(self.at..self.at + length).unwrap_or_default();
        let digits = digits
            .get(2..)
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        if digits.is_none() {
            return self.unexpected("an escape is expected");
        }
        self.at += length;
        Ok(())
    }
}

/// A string as it stands there, with its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    quoted: &'a [u8],
    has_escapes: bool,
}

impl<'a> Text<'a> {
    /// What stands between the quotes.
    #[inline]
    fn inner(self) -> &'a [u8] {
        &self.quoted[1..self.quoted.len() - 1]
    }

    /// What it says, if it stands there as it is.
    #[inline]
    pub(crate) fn plain(self) -> Option<&'a [u8]> {
        (!self.has_escapes).then(|| self.inner())
    }

    /// What it says; `None` when that is no Unicode text.
    #[inline]
    pub(crate) fn unicode(self) -> Option<Cow<'a, str>> {
        if self.has_escapes {
            return match self.bytes() {
                Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
                Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            };
        }
        std::str::from_utf8(self.inner()).ok().map(Cow::Borrowed)
    }

    /// What it says, with U+FFFD for what is no Unicode, each half of a pair of surrogates included.
    fn replaced(self) -> Cow<'a, str> {
        if let Some(text) = self.unicode() {
            return text;
        }
        let bytes = self.bytes();
        // A lone surrogate is three bytes that are no UTF-8, of which each would be replaced.
        let mut text = String::with_capacity(bytes.len());
        let mut rest = &*bytes;
        while let Some(at) = rest.windows(2).position(is_surrogate) {
            text.push_str(&String::from_utf8_lossy(&rest[..at]));
            text.push(char::REPLACEMENT_CHARACTER);
            rest = rest.get(at + 3..).unwrap_or_default();
        }
        text.push_str(&String::from_utf8_lossy(rest));
        Cow::Owned(text)
    }

    /// The digest of SHA-256 that it is, if it is one.
    fn sha256(self) -> Option<Digest> {
        self.plain().and_then(Digest::of_sha256_text)
    }

    /// What it says, as bytes: escapes may stand for what is no Unicode text (`"\ud800"`, which
    /// Go's decoder takes).
    pub(crate) fn bytes(self) -> Cow<'a, [u8]> {
        if !self.has_escapes {
            return Cow::Borrowed(self.inner());
        }
        let mut json = serde_json::Deserializer::from_slice(self.quoted);
        Cow::Owned(serde::Deserializer::deserialize_byte_buf(&mut json, Bytes).unwrap_or_default())
    }

    /// Whether this key is the member `name` to any of the tools that read layouts.
    #[inline]
    pub(crate) fn is_member(self, name: &str) -> bool {
        if self.has_escapes {
            // An escape is at most six times as long as what it stands for.
            let may_be = self.inner().len() <= 6 * MOST_FOLDED * name.len();
            return may_be && is_member(self.bytes(), name);
        }
        is_member(self.inner(), name)
    }
}

/// How many bytes a letter may have that stands for one of a member's name: the Kelvin sign has three.
const MOST_FOLDED: usize = 3;

/// Whether `key` is the member `name` to any of the tools that read layouts. Go's decoder ignores
/// case, and takes the Kelvin sign for a `k` and the long s for an `s`, so a reader that does not
/// would see fewer references than others do.
#[inline]
pub(crate) fn is_member(key: impl AsRef<[u8]>, name: &str) -> bool {
    let key = key.as_ref();
    key == name.as_bytes() || key.len() >= name.len() && is_folded(key, name)
}

fn is_folded(key: &[u8], name: &str) -> bool {
    if key.len() == name.len() || key.is_ascii() {
        return key.eq_ignore_ascii_case(name.as_bytes());
    }
    let Ok(key) = std::str::from_utf8(key) else {
        return false;
    };
    let folded = key.chars().map(|c| match c {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        c => c.to_ascii_lowercase(),
    });
    folded.eq(name.chars().map(|c| c.to_ascii_lowercase()))
}

/// Whether two bytes begin a surrogate in what UTF-8 would be if it had any.
fn is_surrogate(bytes: &[u8]) -> bool {
    matches!(bytes, [0xed, 0xa0..=0xbf])
}

struct Bytes;

impl serde::de::Visitor<'_> for Bytes {
    type Value = Vec<u8>;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text")
    }
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
    fn visit_str<E>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }
}

/// What is open around a value: whether it is an object, innermost last. Sixty-four of them take
/// eight bytes, for a text of brackets only may be as long as a document.
#[derive(Default)]
struct Nesting {
    inner: u64,
    depth: usize,
    outer: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(is_object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.inner >>= 1;
        self.depth -= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }

    fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.inner & 1 == 1)
    }
}

/// Where the first quote, backslash or control character stands at `at` or after it; else the end.
/// Eight bytes at a time: strings are most of what a document is.
#[inline]
fn plain_until(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    /// The highest bit of each byte that is 0, and perhaps of some above the first such.
    fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }
    while let Some(Ok(eight)) = text.get(at..at + 8).map(TryInto::try_into) {
        let word = u64::from_le_bytes(eight);
        let quote = zeros(word ^ (const { ONES * b'"' as u64 }));
        let backslash = zeros(word ^ (const { ONES * b'\\' as u64 }));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & (ONES << 7);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = text[at..].iter();
    let plain = rest.take_while(|b| !matches!(b, b'"' | b'\\' | 0..0x20));
    at + plain.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(text: &[u8]) -> bool {
        let mut json = Json::new(text);
        json.skip().and_then(|()| json.end()).is_ok()
    }

    fn is_object(text: &[u8]) -> bool {
        let mut json = Json::new(text);
        json.object(|json, _| json.skip())
            .and_then(|()| json.end())
            .is_ok()
    }

    #[test]
    fn what_is_json_is_what_serde_json_takes_for_it() {
        let texts: &[&str] = &[
            "",
            " ",
            "{}",
            "[]",
            " [ ] ",
            "{ }",
            "[,]",
            "[1,]",
            "[1 2]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{\"a\":}",
            "{a:1}",
            "{1:1}",
            "[}",
            "{]",
            "[[]",
            "[]]",
            "null",
            "nul",
            "nulll",
            "true",
            "fals",
            "-",
            "-0",
            "0",
            "00",
            "01",
            "-01",
            "1.",
            ".5",
            "1.5",
            "1e",
            "1e+",
            "1E-07",
            "1e400",
            "1.e1",
            "+1",
            "0x1",
            "123456789012345678901234567890",
            "\"\"",
            "\"",
            "\"a",
            "\"\\",
            "\"\\\"",
            "\"\\\"\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\ud800\\udc00\"",
            "\"a\tb\"",
            "\"12345678\"",
            "\"1234567\\n\"",
            "\"12345678\n\"",
            "\"\u{e9}\u{2028}\u{1f600}\"",
            "\"\u{7f}\"",
            "{\"a\":{\"b\":[{\"c\":[[],{}]}]},\"d\":0}",
            "{} {}",
            "[] x",
            "[1,[2,{\"a\":3}],\"x\"]",
            "\u{feff}{}",
            "{\"a\":1 \u{b} }",
            "[1\u{0}]",
        ];
        for text in texts {
            let expected = serde_json::from_str::<IgnoredAny>(text).is_ok();
            assert_eq!(is_json(text.as_bytes()), expected, "{text}");
            let expected = expected && text.trim_start().starts_with('{');
            assert_eq!(is_object(text.as_bytes()), expected, "{text}");
        }
        for byte in 0..=255 {
            for text in [
                vec![byte],
                vec![b'"', byte, b'"'],
                vec![b'"', b'\\', byte, b'"'],
            ] {
                let expected = serde_json::from_slice::<IgnoredAny>(&text).is_ok();
                assert_eq!(is_json(&text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn a_string_ends_where_it_ends_wherever_it_begins() {
        for length in 0..40 {
            for last in ["\"", "\\n\"", "\u{1}\"", "\u{fc}\"", "\u{1f600}\""] {
                let text = format!("\"{}{last},", "x".repeat(length));
                let mut json = Json::new(text.as_bytes());
                match json.text() {
                    Ok(_) => assert_eq!(json.behind(), text.len() - 1, "{text}"),
                    Err(_) => assert!(last.starts_with('\u{1}'), "{text}"),
                }
            }
        }
    }

    #[test]
    fn nesting_is_remembered_at_any_depth() {
        for depth in [1, 63, 64, 65, 128, 129, 1000] {
            for inner in ["", "{\"b\":[{}]}", "{\"b\":[}"] {
                let mut text = String::new();
                for level in 0..depth {
                    text.push_str(if level % 3 == 0 { "{\"a\":" } else { "[1," });
                }
                text.push_str(if inner.is_empty() { "0" } else { inner });
                for level in (0..depth).rev() {
                    text.push(if level % 3 == 0 { '}' } else { ']' });
                }
                assert_eq!(is_json(text.as_bytes()), !inner.ends_with("[}"), "{text}");
                assert!(!is_json(text.replacen(']', "}", 1).as_bytes()) || depth == 1);
            }
        }
        let deep = "[".repeat(1 << 20);
        assert!(!is_json(deep.as_bytes()));
        assert!(is_json(format!("{deep}{}", "]".repeat(1 << 20)).as_bytes()));
    }

    #[test]
    fn control_characters_hide_no_member_from_a_careful_reader() {
        for (text, expected) in [
            ("{\"a\tb\":1,\"x\":2}", true),
            ("{\"a\\n\u{0}\":1,\"x\":2}", true),
            ("{\"a\":\"\t\",\"x\":2}", false),
            ("{\"a\":{\"\t\":1},\"x\":2}", false),
        ] {
            assert!(!is_object(text.as_bytes()), "{text:?}");
            let mut found = None;
            let read = Json::careful(text.as_bytes()).object(|json, key| {
                if !key.is_member("x") {
                    return json.skip();
                }
                found = json.whole_number()?;
                Ok(())
            });
            assert_eq!(
                (read.is_ok(), found.is_some()),
                (expected, expected),
                "{text:?}"
            );
        }
    }

    #[test]
    fn keys_are_those_that_any_tool_takes_for_them() {
        for (key, name, expected) in [
            ("digest", "digest", true),
            ("Digest", "digest", true),
            ("\\u0064igest", "digest", true),
            ("dige\u{17f}t", "digest", true),
            ("dige\\u017ft", "digest", true),
            ("\u{212a}ey", "key", true),
            ("digest2", "digest", false),
            ("diges", "digest", false),
            ("\\ud800", "digest", false),
            ("d\u{131}gest", "digest", false),
            ("FSLAYERS", "fsLayers", true),
        ] {
            let text = format!("\"{key}\"");
            let text = Json::new(text.as_bytes()).text().unwrap().unwrap();
            assert_eq!(text.is_member(name), expected, "{key} {name}");
        }
    }

    #[test]
    fn texts_say_what_serde_json_reads_in_them() {
        for text in [
            "",
            "a",
            "a\\nb",
            "\\u00e9\u{e9}",
            "\\ud83d\\ude00",
            "\\ud800",
            "x\\/y",
        ] {
            let quoted = format!("\"{text}\"");
            let expected = serde_json::from_str::<String>(&quoted).ok();
            let found = Json::new(quoted.as_bytes()).unicode().unwrap();
            assert_eq!(found.map(Cow::into_owned), expected, "{text}");
            let found = Json::careful(quoted.as_bytes()).unicode();
            assert_eq!(found.is_ok(), expected.is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_unicode_is_replaced_and_the_rest_stays() {
        for (quoted, expected) in [
            (&b"\"a\\nb\""[..], "a\nb"),
            (b"\"\\ud800\"", "\u{fffd}"),
            (b"\"\\udfff\\ud800x\"", "\u{fffd}\u{fffd}x"),
            (b"\"\\ud83d\\ude00\\ud83d\"", "\u{1f600}\u{fffd}"),
            (b"\"v\xff1\"", "v\u{fffd}1"),
        ] {
            let found = Json::new(quoted).replaced().unwrap();
            assert_eq!(found.as_deref(), Some(expected));
        }
        assert_eq!(Json::new(b"1").replaced().unwrap(), None);
    }

    #[test]
    fn numbers_are_whole_and_fit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.0", None),
            ("1e3", None),
            ("\"1\"", None),
            ("[1]", None),
            ("\"1e400\"", None),
        ] {
            let mut json = Json::new(text.as_bytes());
            assert_eq!(json.whole_number(), Ok(expected), "{text}");
        }
        let vast = b"1e400";
        assert_eq!(Json::new(vast).whole_number(), Ok(None));
        assert!(Json::careful(vast).whole_number().is_err());
        assert!(Json::careful(vast).digest().is_err());
        assert!(Json::careful(b"[1e400]").digest().is_ok());
    }
}
