//! Reachability: which nodes of a graph some starting points lead to.
//!
//! One [`Reachability`] collects what many walks find, and each walk costs only what it adds, so a
//! hundred thousand images that share most of what they have are not walked a hundred thousand
//! times.

use std::collections::HashSet;

use super::graph::{Follow, Graph, NodeId};
use super::removed_parts::{Parts, RemovedParts};

/// What an image that is going to be another one keeps of the old one, apart from its indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemainingParts {
    /// What the new indexes list.
    pub needed: Vec<NodeId>,
    /// What the new indexes refer to.
    pub subjects: Vec<NodeId>,
}

/// Where a walk starts.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// At an image.
    Image(NodeId),
    /// At what is left of an image that is going to be another one.
    Parts(&'a RemainingParts),
}

/// How a node was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is where a walk started.
    Start,
    /// A document that was reached needs it.
    Needed,
    /// A document that was reached refers to it.
    Referred,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Reachability<'c> {
    removed_parts: Option<&'c RemovedParts>,
    /// Passed over by every walk.
    passed_over: Option<&'c Parts>,
    /// For each node the ways in which it was reached, a bit each, and which edges were followed
    /// from here by walks that left nothing out: see [`followed`].
    nodes: Vec<u8>,
    /// Images that were walked from without what they lost.
    walked_without: HashSet<NodeId>,
    /// Empty between two walks. There are as many walks as images, and most are short.
    room: Room<'c>,
}

/// What a walk has before it.
#[derive(Clone, Debug, Default)]
struct Room<'c> {
    todo: Vec<(NodeId, Option<&'c Parts>)>,
    stack: Vec<NodeId>,
}

/// The bits of a node's [`Arrival`]s.
const ARRIVED: u8 = 0b111;

/// The bit of a node from which these edges were followed.
fn followed(follow: Follow) -> u8 {
    match follow {
        Follow::Needed => 0b0_1000,
        Follow::Subjects => 0b1_0000,
    }
}

/// The bits of which one says that a walk over these edges has nothing to find: more edges than
/// these were followed, or the same.
fn exhausted(follow: Follow) -> u8 {
    match follow {
        Follow::Needed => followed(Follow::Needed) | followed(Follow::Subjects),
        Follow::Subjects => followed(Follow::Subjects),
    }
}

impl<'c> Reachability<'c> {
    /// Nothing is reached yet.
    pub fn new(graph: &Graph) -> Reachability<'c> {
        Reachability {
            removed_parts: None,
            passed_over: None,
            nodes: vec![0; graph.len()],
            walked_without: HashSet::new(),
            room: Room::default(),
        }
    }

    /// Nothing is reached yet, and images lost something. What an image lost is passed over when
    /// a walk starts at the image, or comes to it because something refers to it; another image
    /// that lists this one needs all of it.
    pub fn without(graph: &Graph, removed_parts: &'c RemovedParts) -> Reachability<'c> {
        Reachability {
            removed_parts: (!removed_parts.is_empty()).then_some(removed_parts),
            ..Reachability::new(graph)
        }
    }

    /// Nothing is reached yet, and wherever a walk starts it passes over `parts`: what referrers lead to
    /// keeps no part of the image that they are about.
    pub fn passing_over(graph: &Graph, parts: &'c Parts) -> Reachability<'c> {
        Reachability {
            passed_over: (!parts.is_empty()).then_some(parts),
            ..Reachability::new(graph)
        }
    }

    /// Whether any walk came to a node.
    pub fn contains(&self, node: NodeId) -> bool {
        self.nodes[node.index()] & ARRIVED != 0
    }

    /// Walks from an image, for what [`Reachability::contains`] says afterwards.
    pub fn add(&mut self, graph: &Graph, image: NodeId, follow: Follow) {
        self.walk(graph, Start::Image(image), follow, &mut |_, _| ());
    }

    /// Walks from `start`. `each` is told once of each node and way in which it is reached.
    pub fn walk(
        &mut self,
        graph: &Graph,
        start: Start<'_>,
        follow: Follow,
        each: &mut dyn FnMut(NodeId, Arrival),
    ) {
        let mut room = std::mem::take(&mut self.room);
        match start {
            Start::Image(image) => {
                self.arrive(image, Arrival::Start, each);
                room.todo.push((image, self.removed_of(image)));
            }
            Start::Parts(parts) => {
                for part in &parts.needed {
                    self.arrive(*part, Arrival::Needed, each);
                    room.todo.push((*part, None));
                }
                let is_followed = follow == Follow::Subjects;
                for subject in parts.subjects.iter().filter(|_| is_followed) {
                    self.arrive(*subject, Arrival::Referred, each);
                    room.todo.push((*subject, self.removed_of(*subject)));
                }
            }
        }
        while let Some((node, removed)) = room.todo.pop() {
            match removed {
                Some(removed) if self.walked_without.insert(node) => {
                    self.walk_on(graph, node, follow, Some(removed), &mut room, each);
                }
                Some(_) => {}
                None => self.walk_on(graph, node, follow, None, &mut room, each),
            }
        }
        self.room = room;
    }

    fn removed_of(&self, image: NodeId) -> Option<&'c Parts> {
        self.passed_over.or_else(|| self.removed_parts?.get(&image))
    }

    fn arrive(&mut self, node: NodeId, how: Arrival, each: &mut dyn FnMut(NodeId, Arrival)) {
        let known = &mut self.nodes[node.index()];
        let arrived = 1 << how as u8;
        if *known & arrived == 0 {
            *known |= arrived;
            each(node, how);
        }
    }

    fn walk_on(
        &mut self,
        graph: &Graph,
        start: NodeId,
        follow: Follow,
        removed: Option<&'c Parts>,
        room: &mut Room<'c>,
        each: &mut dyn FnMut(NodeId, Arrival),
    ) {
        let mut own = HashSet::new();
        room.stack.push(start);
        while let Some(node) = room.stack.pop() {
            let known = &mut self.nodes[node.index()];
            if *known & exhausted(follow) != 0 {
                continue;
            }
            match removed {
                None => *known |= followed(follow),
                // A walk that leaves parts out remembers nothing that would keep another one out.
                Some(_) if own.insert(node) => {}
                Some(_) => continue,
            }
            for link in graph.links(node) {
                if link.is_needed() {
                    if removed.is_none_or(|removed| !removed.contains(&link.to)) {
                        self.arrive(link.to, Arrival::Needed, each);
                        room.stack.push(link.to);
                    }
                } else if follow == Follow::Subjects
                    && self
                        .passed_over
                        .is_none_or(|parts| !parts.contains(&link.to))
                {
                    self.arrive(link.to, Arrival::Referred, each);
                    match self.removed_of(link.to) {
                        None => room.stack.push(link.to),
                        removed => room.todo.push((link.to, removed)),
                    }
                }
            }
        }
    }
}

/// Walks over what documents need, each walk for itself: what one found, the next finds again.
#[derive(Clone, Debug)]
pub struct Descent {
    /// For each node the last walk that came to it, by its number; 0 for none.
    seen: Vec<u32>,
    walks: u32,
    stack: Vec<NodeId>,
}

impl Descent {
    /// Nothing was walked over yet.
    pub fn new(graph: &Graph) -> Descent {
        Descent {
            seen: vec![0; graph.len()],
            walks: 0,
            stack: Vec::new(),
        }
    }

    /// Calls `each` with what [`Graph::needed_below`] lists, in that order.
    pub fn walk(&mut self, graph: &Graph, start: NodeId, each: &mut dyn FnMut(NodeId)) {
        self.walks = match self.walks.checked_add(1) {
            Some(walks) => walks,
            None => {
                self.seen.fill(0);
                1
            }
        };
        let (walk, seen) = (self.walks, &mut self.seen);
        let is_new = |node: NodeId| std::mem::replace(&mut seen[node.index()], walk) != walk;
        graph.descend(start, &mut self.stack, is_new, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::walk::tests::{Store, entry};

    #[test]
    fn a_cut_of_one_image_does_not_hide_anything_from_another() {
        let mut store = Store::default();
        let child = store.manifest(&["a"], None);
        let shared = store.index(&[&child]);
        let (one, two) = (store.index(&[&shared]), {
            let other = store.manifest(&["b"], None);
            store.index(&[&shared, &other])
        });
        let graph = store.graph(&[entry(&one), entry(&two)]);
        let node = |digest| graph.find(digest).unwrap();
        let removed_parts = RemovedParts::from([(node(&one), Parts::from([node(&child)]))]);
        let mut reachability = Reachability::without(&graph, &removed_parts);
        reachability.add(&graph, node(&one), Follow::Subjects);
        assert!(reachability.contains(node(&shared)) && !reachability.contains(node(&child)));
        reachability.add(&graph, node(&two), Follow::Subjects);
        assert!(reachability.contains(node(&child)));
    }

    #[test]
    fn what_refers_to_an_image_does_not_bring_back_what_it_lost() {
        let mut store = Store::default();
        let (a, b) = (store.manifest(&["a"], None), store.manifest(&["b"], None));
        let image = store.index(&[&a, &b]);
        let signature = store.manifest(&["s"], Some(&image));
        let around = store.index(&[&image]);
        let graph = store.graph(&[entry(&signature), entry(&around)]);
        let node = |digest| graph.find(digest).unwrap();
        let removed_parts = RemovedParts::from([(node(&image), Parts::from([node(&b)]))]);
        let mut reachability = Reachability::without(&graph, &removed_parts);
        reachability.add(&graph, node(&signature), Follow::Subjects);
        assert!(reachability.contains(node(&a)) && !reachability.contains(node(&b)));
        reachability.add(&graph, node(&around), Follow::Subjects);
        assert!(reachability.contains(node(&b)));
    }

    #[test]
    fn a_subject_is_followed_only_when_asked() {
        let mut store = Store::default();
        let image = store.manifest(&["a"], None);
        let signature = store.manifest(&["s"], Some(&image));
        let graph = store.graph(&[entry(&signature)]);
        let node = |digest| graph.find(digest).unwrap();
        let mut reachability = Reachability::new(&graph);
        reachability.add(&graph, node(&signature), Follow::Needed);
        assert!(!reachability.contains(node(&image)));
        reachability.add(&graph, node(&signature), Follow::Subjects);
        assert!(reachability.contains(node(&image)));
    }

    #[test]
    fn each_descent_finds_what_those_before_it_found() {
        let mut store = Store::default();
        let (a, b) = (
            store.manifest(&["x", "a"], None),
            store.manifest(&["x", "b"], None),
        );
        let inner = store.index(&[&b, &a]);
        let top = store.index(&[&a, &inner, &b, &a]);
        let signature = store.manifest(&["s"], Some(&top));
        let graph = store.graph(&[entry(&top), entry(&signature)]);
        let mut descent = Descent::new(&graph);
        for _ in 0..2 {
            for digest in [&top, &inner, &signature, &a] {
                let start = graph.find(digest).unwrap();
                let mut found = Vec::new();
                descent.walk(&graph, start, &mut |node| found.push(node));
                assert_eq!(found, graph.needed_below(start));
            }
        }
    }
}
