//! A set of sha256 digests that is filled from their hex text: one flat table, open addressing.

use memchr::memmem::Finder;

/// A digest as four words. Each eight hex digits become half a word; which bits go where does not
/// matter, as long as different texts give different words.
type Words = [u64; 4];

/// No digest: nobody has seen a blob whose sha256 is zero.
const FREE: Words = [0; 4];

/// The set.
pub(crate) struct DigestSet {
    /// A power of two of them, at most half in use.
    slots: Vec<Words>,
    used: usize,
}

impl Default for DigestSet {
    fn default() -> DigestSet {
        DigestSet {
            slots: vec![FREE; 1 << 12],
            used: 0,
        }
    }
}

impl DigestSet {
    /// Adds the digest whose 64 hex digits these are.
    pub(crate) fn insert(&mut self, hex: &[u8; 64]) {
        self.insert_words(words(hex));
    }

    /// Whether the digest whose 64 hex digits these are is in the set.
    pub(crate) fn contains(&self, hex: &[u8; 64]) -> bool {
        let words = words(hex);
        self.slots[self.position(&words)] != FREE
    }

    /// Adds all of another set.
    pub(crate) fn append(&mut self, other: &DigestSet) {
        for words in other.slots.iter().filter(|words| **words != FREE) {
            self.insert_words(*words);
        }
    }

    fn insert_words(&mut self, words: Words) {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        let position = self.position(&words);
        if self.slots[position] == FREE {
            self.slots[position] = words;
            self.used += 1;
        }
    }

    /// Where these words are, or would be.
    fn position(&self, words: &Words) -> usize {
        let mask = self.slots.len() - 1;
        let mut position = usize::try_from(words[0] & mask as u64).unwrap_or(0);
        while self.slots[position] != FREE && self.slots[position] != *words {
            position = (position + 1) & mask;
        }
        position
    }

    fn grow(&mut self) {
        let larger = vec![FREE; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, larger);
        for words in old.into_iter().filter(|words| *words != FREE) {
            let position = self.position(&words);
            self.slots[position] = words;
        }
    }
}

/// Packs 64 hex digits without looking whether they are any.
fn words(hex: &[u8; 64]) -> Words {
    let mut words = FREE;
    let (pieces, _) = hex.as_chunks::<16>();
    for (word, piece) in words.iter_mut().zip(pieces) {
        let (halves, _) = piece.as_chunks::<8>();
        *word = halves.iter().fold(0, |word, half| {
            word << 32 | u64::from(pack(u64::from_le_bytes(*half)))
        });
    }
    words
}

/// Eight hex digits, one in each byte, as 32 bits: all at once instead of one after the other.
fn pack(digits: u64) -> u32 {
    let letters = digits >> 6 & 0x0101_0101_0101_0101;
    let nibbles = (digits & 0x0f0f_0f0f_0f0f_0f0f) + letters * 9;
    let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let packed = (pairs | pairs >> 16) as u32;
    packed
}

/// Finds digests in JSON text without reading it as JSON.
pub(crate) struct Scanner(Finder<'static>);

impl Scanner {
    pub(crate) fn new() -> Scanner {
        Scanner(Finder::new("sha256:"))
    }

    /// Calls `each` with the 64 bytes behind every `sha256:`.
    pub(crate) fn scan<'t>(&self, text: &'t [u8], mut each: impl FnMut(&'t [u8; 64])) {
        let mut rest = text;
        while let Some(at) = self.0.find(rest) {
            rest = &rest[at + "sha256:".len()..];
            let Some((hex, behind)) = rest.split_first_chunk::<64>() else {
                return;
            };
            each(hex);
            rest = behind;
        }
    }
}
