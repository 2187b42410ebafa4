//! Digests interned: each is held once, and known by a small number from then on.
//!
//! There are nine for an ordinary image, and a million images: beside its own bytes a digest takes
//! the four of its number in a table, and its hash is computed again when that grows.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::value::digest::Digest;

/// See the module. Numbers count up from 0, in the order in which digests were new.
#[derive(Clone, Debug, Default)]
pub(super) struct Digests {
    all: Vec<Digest>,
    /// The numbers, by the hashes of their digests.
    numbers: HashTable<u32>,
    state: RandomState,
}

impl Digests {
    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        let Digests {
            all,
            numbers,
            state,
        } = self;
        all.reserve_exact(more);
        numbers.reserve(more, |known| state.hash_one(&all[*known as usize]));
    }

    /// The number of a digest, and whether it is new.
    pub(super) fn insert(&mut self, digest: Digest) -> (usize, bool) {
        let Digests {
            all,
            numbers,
            state,
        } = self;
        let hash = state.hash_one(&digest);
        let is_it = |known: &u32| all[*known as usize] == digest;
        if let Some(known) = numbers.find(hash, is_it) {
            return (*known as usize, false);
        }
        let new = all.len();
        numbers.insert_unique(hash, number(new), |known| {
            state.hash_one(&all[*known as usize])
        });
        all.push(digest);
        (new, true)
    }

    /// The number of a digest, if it is here.
    pub(super) fn find(&self, digest: &Digest) -> Option<usize> {
        let hash = self.state.hash_one(digest);
        let is_it = |known: &u32| self.all[*known as usize] == *digest;
        let known = self.numbers.find(hash, is_it)?;
        Some(*known as usize)
    }

    /// The digest of a number.
    pub(super) fn get(&self, number: usize) -> &Digest {
        &self.all[number]
    }
}

/// Numbers of nodes and edges have 32 bits: four thousand million blobs do not fit on one machine.
pub(super) fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::digest::Algorithm;

    #[test]
    fn each_digest_has_one_number_however_many_there_are() {
        let mut digests = Digests::default();
        let digest = |n: usize| {
            let algorithm = Algorithm::ALL[n % Algorithm::ALL.len()];
            algorithm.hash(&n.to_le_bytes())
        };
        for n in 0..3000 {
            if n == 1000 {
                digests.reserve(500);
            }
            assert_eq!(digests.find(&digest(n)), None);
            assert_eq!(digests.insert(digest(n)), (n, true));
            assert_eq!(digests.insert(digest(n / 2)), (n / 2, false));
        }
        for n in 0..3000 {
            assert_eq!(digests.find(&digest(n)), Some(n));
            assert_eq!(*digests.get(n), digest(n));
        }
    }
}
