//! A random sequence that is the same everywhere and for ever: SplitMix64, whose state is one word.

/// The generator of the sequence.
pub(crate) struct Random(u64);

impl Random {
    /// The sequence that belongs to a seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.next()) * bound as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// Marks exactly `count` of `total` positions, all of them when `count` is larger.
    pub(crate) fn mark(&mut self, total: usize, count: usize) -> Vec<bool> {
        let mut marks: Vec<bool> = (0..total).map(|position| position < count).collect();
        for position in (1..total).rev() {
            marks.swap(position, self.below(position + 1));
        }
        marks
    }
}
