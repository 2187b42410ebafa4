//! Reach: which nodes of a graph some starting points lead to.
//!
//! One [`Reach`] collects what many walks find, and each walk costs only what it adds, so a
//! hundred thousand images that share most of what they have are not walked a hundred thousand
//! times.

use std::collections::HashSet;

use super::graph::{Graph, NodeId};

/// Nodes that an image lost although its index still lists them: platforms that were removed.
pub type Cut = HashSet<NodeId>;

/// Which edges a walk follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Follow {
    /// What documents need.
    Needed,
    /// That, and what they only refer to.
    Subjects,
}

/// Where a walk starts.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// At an image, perhaps one that lost something.
    Image(NodeId, Option<&'a Cut>),
    /// At what is left of an image that is going to be another one.
    Parts(&'a [NodeId]),
}

/// How a node was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is where a walk started.
    Start,
    /// A document led to it.
    Below,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Reach {
    /// A walk started here.
    started: Vec<bool>,
    /// A walk came here over an edge.
    below: Vec<bool>,
    /// What was followed from here, by walks without a cut.
    expanded: Vec<Option<Follow>>,
}

impl Reach {
    /// Nothing is reached yet.
    pub fn new(graph: &Graph) -> Reach {
        Reach {
            started: vec![false; graph.len()],
            below: vec![false; graph.len()],
            expanded: vec![None; graph.len()],
        }
    }

    /// Whether any walk came to a node.
    pub fn contains(&self, node: NodeId) -> bool {
        self.started[node.index()] || self.below[node.index()]
    }

    /// Walks from `start`. `each` is told once of every node where a walk starts, and once of
    /// every node that a walk comes to over an edge.
    ///
    /// With a `cut`, nodes of it are not entered, and nothing is remembered that would keep
    /// another walk from entering them.
    pub fn walk(
        &mut self,
        graph: &Graph,
        start: Start<'_>,
        follow: Follow,
        each: &mut dyn FnMut(NodeId, Arrival),
    ) {
        let (start, cut) = match start {
            Start::Image(image, cut) => (image, cut),
            Start::Parts(parts) => {
                for part in parts {
                    if !std::mem::replace(&mut self.below[part.index()], true) {
                        each(*part, Arrival::Below);
                    }
                    self.walk_on(graph, *part, follow, None, each);
                }
                return;
            }
        };
        if !std::mem::replace(&mut self.started[start.index()], true) {
            each(start, Arrival::Start);
        }
        self.walk_on(graph, start, follow, cut, each);
    }

    fn walk_on(
        &mut self,
        graph: &Graph,
        start: NodeId,
        follow: Follow,
        cut: Option<&Cut>,
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
                Some(_) if own.insert(node) => {}
                Some(_) => continue,
            }
            for link in graph.links(node) {
                if !link.is_needed() && follow < Follow::Subjects
                    || cut.is_some_and(|cut| cut.contains(&link.to))
                {
                    continue;
                }
                if !std::mem::replace(&mut self.below[link.to.index()], true) {
                    each(link.to, Arrival::Below);
                }
                stack.push(link.to);
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
        let cut = Cut::from([node(&child)]);
        let mut reach = Reach::new(&graph);
        reach.walk(
            &graph,
            Start::Image(node(&one), Some(&cut)),
            Follow::Subjects,
            &mut |_, _| (),
        );
        assert!(reach.contains(node(&shared)) && !reach.contains(node(&child)));
        reach.walk(
            &graph,
            Start::Image(node(&two), None),
            Follow::Subjects,
            &mut |_, _| (),
        );
        assert!(reach.contains(node(&child)));
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
            Start::Image(node(&signature), None),
            Follow::Needed,
            &mut |_, _| (),
        );
        assert!(!reach.contains(node(&image)));
        reach.walk(
            &graph,
            Start::Image(node(&signature), None),
            Follow::Subjects,
            &mut |_, _| (),
        );
        assert!(reach.contains(node(&image)));
    }
}
