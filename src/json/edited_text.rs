//! A text that was edited, as the pieces that it is made of.
//!
//! index.json may have hundreds of megabytes, and the old one is held as long as the new one: what is to be
//! deleted is decided by the one, and written is the other. Nearly all of the new text stands in the old one, so
//! it is not put together. It is written and compared piece by piece; there are two for each part that
//! goes or changes, however long the text is.

use std::borrow::Cow;
use std::ops::Range;

/// See the module. Pieces that stand in the old text are not copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EditedText<'t>(Vec<Cow<'t, str>>);

impl EditedText<'_> {
    /// Its pieces, one after the other.
    pub fn pieces(&self) -> Vec<&[u8]> {
        self.0.iter().map(|piece| piece.as_bytes()).collect()
    }

    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    /// All of it in one text, for which as much room is made as it takes.
    pub fn in_one(&self) -> String {
        self.0.concat()
    }
}

/// What an edited text is made in, from beginning to end.
pub(super) trait Edition {
    /// Adds what stands in the old text here.
    fn keep(&mut self, range: Range<usize>);
    /// Adds what does not stand there.
    fn insert(&mut self, new: String);
}

/// Makes an [`EditedText`] from beginning to end. What follows each other in the old text is one piece.
#[derive(Debug)]
pub(super) struct Pieces<'t> {
    old: &'t str,
    done: Vec<Cow<'t, str>>,
    /// What is to be the next piece.
    open: Range<usize>,
}

impl<'t> Pieces<'t> {
    pub(super) fn of(old: &'t str) -> Pieces<'t> {
        Pieces {
            old,
            done: Vec::new(),
            open: 0..0,
        }
    }

    fn close(&mut self) {
        let open = std::mem::replace(&mut self.open, 0..0);
        if !open.is_empty() {
            self.done.push(Cow::Borrowed(&self.old[open]));
        }
    }

    pub(super) fn end(mut self) -> EditedText<'t> {
        self.close();
        EditedText(self.done)
    }
}

impl Edition for Pieces<'_> {
    fn keep(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if range.start == self.open.end {
            self.open.end = range.end;
        } else {
            self.close();
            self.open = range;
        }
    }

    fn insert(&mut self, new: String) {
        self.close();
        self.done.push(Cow::Owned(new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_each_other_is_one_piece_and_the_whole_is_their_sum() {
        let mut pieces = Pieces::of("abcdefgh");
        for range in [0..2, 2..3, 5..6, 6..6, 6..7] {
            pieces.keep(range);
        }
        pieces.insert("xy".to_owned());
        pieces.keep(0..1);
        let text = pieces.end();
        assert_eq!(text.pieces(), [&b"abc"[..], b"fg", b"xy", b"a"]);
        assert_eq!(text.in_one(), "abcfgxya");
        assert_eq!(text.length(), 8);
        assert_eq!(Pieces::of("abc").end(), EditedText::default());
    }
}
