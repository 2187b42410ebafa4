//! Reach: which nodes of a graph some starting points lead to.
//!
//! One [`Reach`] collects what many walks find, and each walk costs only what it adds, so a
//! hundred thousand images that share most of what they have are not walked a hundred thousand
//! times.

use std::collections::{HashMap, HashSet};

use super::graph::{Follow, Graph, NodeId};

/// Nodes that an image lost although its index still lists them: platforms that were removed.
pub type Cut = HashSet<NodeId>;

/// What images lost, by image.
pub type Cuts = HashMap<NodeId, Cut>;

/// Where a walk starts.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// At an image.
    Image(NodeId),
    /// At what is left of an image that is going to be another one.
    Parts(&'a [NodeId]),
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
pub struct Reach<'c> {
    cuts: Option<&'c Cuts>,
    /// For each node the ways in which it was reached.
    arrivals: Vec<[bool; 3]>,
    /// What was followed from here, by walks without a cut.
    expanded: Vec<Option<Follow>>,
    /// Images that were walked from without what they lost.
    cut_walked: HashSet<NodeId>,
}

impl<'c> Reach<'c> {
    /// Nothing is reached yet.
    pub fn new(graph: &Graph) -> Reach<'c> {
        Reach {
            cuts: None,
            arrivals: vec![[false; 3]; graph.len()],
            expanded: vec![None; graph.len()],
            cut_walked: HashSet::new(),
        }
    }

    /// Nothing is reached yet, and images lost something. What an image lost is passed over when
    /// a walk starts at the image, or comes to it because something refers to it; another image
    /// that lists this one needs all of it.
    pub fn with_cuts(graph: &Graph, cuts: &'c Cuts) -> Reach<'c> {
        Reach {
            cuts: (!cuts.is_empty()).then_some(cuts),
            ..Reach::new(graph)
        }
    }

    /// Whether any walk came to a node.
    pub fn contains(&self, node: NodeId) -> bool {
        self.arrivals[node.index()] != [false; 3]
    }

    /// Walks from `start`. `each` is told once of each node and way in which it is reached.
    pub fn walk(
        &mut self,
        graph: &Graph,
        start: Start<'_>,
        follow: Follow,
        each: &mut dyn FnMut(NodeId, Arrival),
    ) {
        let mut todo = Vec::new();
        match start {
            Start::Image(image) => {
                self.arrive(image, Arrival::Start, each);
                todo.push((image, self.cut_of(image)));
            }
            Start::Parts(parts) => {
                for part in parts {
                    self.arrive(*part, Arrival::Needed, each);
                    todo.push((*part, None));
                }
            }
        }
        while let Some((node, cut)) = todo.pop() {
            match cut {
                Some(cut) if self.cut_walked.insert(node) => {
                    self.walk_on(graph, node, follow, Some(cut), &mut todo, each);
                }
                Some(_) => {}
                None => self.walk_on(graph, node, follow, None, &mut todo, each),
            }
        }
    }

    fn cut_of(&self, image: NodeId) -> Option<&'c Cut> {
        self.cuts?.get(&image)
    }

    fn arrive(&mut self, node: NodeId, how: Arrival, each: &mut dyn FnMut(NodeId, Arrival)) {
        let known = &mut self.arrivals[node.index()][how as usize];
        if !std::mem::replace(known, true) {
            each(node, how);
        }
    }

    fn walk_on(
        &mut self,
        graph: &Graph,
        start: NodeId,
        follow: Follow,
        cut: Option<&'c Cut>,
        later: &mut Vec<(NodeId, Option<&'c Cut>)>,
        each: &mut dyn FnMut(NodeId, Arrival),
    ) {
        let mut own = HashSet::new();
        let mut stack = vec![start];
        while let Some(node) = stack.pop() {
            if self.expanded[node.index()] >= Some(follow) {
                continue;
            }
            match cut {
                None => self.expanded[node.index()] = Some(follow),
                // A walk with a cut remembers nothing that would keep another one out.
                Some(_) if own.insert(node) => {}
                Some(_) => continue,
            }
            for link in graph.links(node) {
                if link.is_needed() {
                    if cut.is_none_or(|cut| !cut.contains(&link.to)) {
                        self.arrive(link.to, Arrival::Needed, each);
                        stack.push(link.to);
                    }
                } else if follow == Follow::Subjects {
                    self.arrive(link.to, Arrival::Referred, each);
                    match self.cut_of(link.to) {
                        None => stack.push(link.to),
                        cut => later.push((link.to, cut)),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{Store, entry};
    use super::*;

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
        let cuts = Cuts::from([(node(&one), Cut::from([node(&child)]))]);
        let mut reach = Reach::with_cuts(&graph, &cuts);
        reach.walk(
            &graph,
            Start::Image(node(&one)),
            Follow::Subjects,
            &mut |_, _| (),
        );
        assert!(reach.contains(node(&shared)) && !reach.contains(node(&child)));
        reach.walk(
            &graph,
            Start::Image(node(&two)),
            Follow::Subjects,
            &mut |_, _| (),
        );
        assert!(reach.contains(node(&child)));
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
        let cuts = Cuts::from([(node(&image), Cut::from([node(&b)]))]);
        let mut reach = Reach::with_cuts(&graph, &cuts);
        reach.walk(
            &graph,
            Start::Image(node(&signature)),
            Follow::Subjects,
            &mut |_, _| (),
        );
        assert!(reach.contains(node(&a)) && !reach.contains(node(&b)));
        reach.walk(
            &graph,
            Start::Image(node(&around)),
            Follow::Subjects,
            &mut |_, _| (),
        );
        assert!(reach.contains(node(&b)));
    }

    #[test]
    fn a_subject_is_followed_only_when_asked() {
        let mut store = Store::default();
        let image = store.manifest(&["a"], None);
        let signature = store.manifest(&["s"], Some(&image));
        let graph = store.graph(&[entry(&signature)]);
        let node = |digest| graph.find(digest).unwrap();
        let mut reach = Reach::new(&graph);
        reach.walk(
            &graph,
            Start::Image(node(&signature)),
            Follow::Needed,
            &mut |_, _| (),
        );
        assert!(!reach.contains(node(&image)));
        reach.walk(
            &graph,
            Start::Image(node(&signature)),
            Follow::Subjects,
            &mut |_, _| (),
        );
        assert!(reach.contains(node(&image)));
    }
}
