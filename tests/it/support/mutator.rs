//! Mutations of bytes, the same ones for the same seed: what libFuzzer does, without its guidance
//! by coverage, so that a few seconds of it fit into every test run.

/// A stream of numbers that looks random and depends on nothing but its seed (`splitmix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = usize::try_from(self.next() >> 32).unwrap_or_default();
        number.checked_rem(end).unwrap_or_default()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// A range that begins in `bytes`, mostly a short one.
    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len());
        let most = match self.below(3) {
            0 => 4,
            1 => 40,
            _ => bytes.len(),
        };
        let length = 1 + self.below(most.min(bytes.len() - start));
        start..(start + length).min(bytes.len())
    }
}

/// Inputs no longer than this, since most laws read them several times.
const MAX_BYTES: usize = 4096;

/// Characters at which texts are cut as people would: between words of JSON, names and templates.
const SEAMS: &[u8] = b"\"{}[],: \n/@.=";

/// A changed copy of `base`, with pieces of `other` and words of the dictionary.
pub(crate) fn mutated(
    random: &mut Random,
    base: &[u8],
    other: &[u8],
    dictionary: &[Vec<u8>],
) -> Vec<u8> {
    let mut bytes = base.to_vec();
    // Mostly one change: several at once seldom leave anything that is understood.
    let changes = [1, 1, 1, 2, 2, 3, 5][random.below(7)];
    for _ in 0..changes {
        change(random, &mut bytes, other, dictionary);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8], dictionary: &[Vec<u8>]) {
    let word = random.pick(dictionary).cloned().unwrap_or_default();
    if bytes.is_empty() {
        *bytes = word;
        return;
    }
    let at = random.below(bytes.len());
    let range = random.range(bytes);
    match random.below(11) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = b"0aAz\"\\{}[]:,/ .-_\n\x00\xff"[random.below(20)],
        2 => drop(bytes.drain(range)),
        3 => {
            let copy = bytes[range].to_vec();
            drop(bytes.splice(at..at, copy));
        }
        4 => drop(bytes.splice(at..at, word)),
        5 => drop(bytes.splice(range, word)),
        // One word of the dictionary becomes another: structure stays, meaning changes.
        6 => {
            if let Some(old) = random.pick(dictionary)
                && let Some(at) = bytes.windows(old.len().max(1)).position(|w| w == old)
            {
                drop(bytes.splice(at..at + old.len(), word));
            }
        }
        // What stands between two seams goes, comes twice, or becomes a word.
        7 | 8 => {
            let seams: Vec<usize> = (0..bytes.len())
                .filter(|at| SEAMS.contains(&bytes[*at]))
                .collect();
            let seam = random.below(seams.len());
            let (Some(from), Some(to)) = (
                seams.get(seam),
                seams.get(seam + 1 + random.below(4)).or(seams.last()),
            ) else {
                return;
            };
            let piece = *from..*to;
            match random.below(3) {
                0 => drop(bytes.drain(piece)),
                1 => {
                    let copy = bytes[piece.clone()].to_vec();
                    drop(bytes.splice(piece.end..piece.end, copy));
                }
                _ => drop(bytes.splice(piece, word)),
            }
        }
        9 if !other.is_empty() => {
            let piece = other[random.range(other)].to_vec();
            drop(bytes.splice(range, piece));
        }
        10 if !other.is_empty() => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len())..]);
        }
        _ => {}
    }
}
