//! The order of deletion: each document goes before all that it leads to or is about.

use crate::snapshot::{Graph, NodeId};

/// When garbage goes: lower ranks first. What has the same rank goes in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeletionRank(u32);

impl DeletionRank {
    const FIRST: DeletionRank = DeletionRank(0);
    /// That of what needs nothing, as far as anybody knows.
    pub(super) const CONTENT: DeletionRank = DeletionRank(u32::MAX);
}

/// For each document that goes its rank. It goes after those that lead to it or are about it: an
/// interruption would leave these without what they need, or where nobody finds them again.
pub(super) fn ranks(graph: &Graph, documents: &[NodeId]) -> Vec<DeletionRank> {
    const NOBODY: u32 = u32::MAX;
    if documents.is_empty() {
        return Vec::new();
    }
    // For each node its number among the documents, if it is one that goes.
    let mut numbers = vec![NOBODY; graph.len()];
    for (number, node) in (0..NOBODY).zip(documents) {
        numbers[node.index()] = number;
    }
    let number_of = |node: NodeId| Some(numbers[node.index()]).filter(|n| *n != NOBODY);
    let mut about: Vec<(u32, u32)> = graph
        .abouts()
        .filter_map(|(about, attested)| Some((number_of(about)?, number_of(attested)?)))
        .collect();
    about.sort_unstable();
    let after = |number: u32| {
        let links = graph.links(documents[number as usize]);
        let listed = links.filter_map(|link| number_of(link.to));
        let from = about.partition_point(|(first, _)| *first < number);
        let attested = about[from..].iter();
        let attested = attested.take_while(move |(first, _)| *first == number);
        listed.chain(attested.map(|(_, second)| *second))
    };
    let going = || numbers.iter().copied().filter(|number| *number != NOBODY);
    let mut waits_for: Vec<u32> = vec![0; documents.len()];
    for number in going().flat_map(after) {
        waits_for[number as usize] += 1;
    }
    let is_free = |number: &u32| waits_for[*number as usize] == 0;
    let mut now: Vec<u32> = going().filter(is_free).collect();
    let mut ranks: Vec<Option<DeletionRank>> = vec![None; documents.len()];
    let mut rank = DeletionRank::FIRST;
    while !now.is_empty() {
        let mut next = Vec::new();
        for number in now {
            ranks[number as usize] = Some(rank);
            for later in after(number) {
                let waits_for = &mut waits_for[later as usize];
                *waits_for -= 1;
                if *waits_for == 0 {
                    next.push(later);
                }
            }
        }
        now = next;
        rank.0 += 1;
    }
    // Only an index that lies makes documents wait for each other.
    let all = ranks.into_iter().map(|known| known.unwrap_or(rank));
    all.collect()
}
