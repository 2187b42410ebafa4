//! Fitting: how many of the images that stand in line a layout has room for.
//!
//! What stays whatever happens was found out before, by deciding as if none of them stayed: so much has
//! the layout at least. Each image adds what of the rest it leads to, and what stays with that:
//! referrers, the images of `manifest.json`. Every blob is counted once, with the first image that
//! leads to it, so the cost is that of the graph.

use std::collections::HashMap;

use super::garbage::Garbage;
use super::stored::Stored;
use crate::plan::Plan;
use crate::snapshot::{
    MAX_UNLISTED_BYTES, NodeId, RecordKind, Snapshot, UnlistedDocuments, View, Whole,
};
use crate::value::digest::Digest;

/// How many images fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The first so many of the line.
    pub images: usize,
    /// How many bytes the layout has with the first of them alone.
    pub with_first: u64,
}

/// Finds out how many of the images in the line of a plan fit: the first that does not, and all behind it, do not.
/// `garbage` is what goes if none of them stays, `bytes` how many all blobs have, and `limit` how many
/// may stay.
pub fn fit(
    snapshot: &Snapshot<Whole>,
    plan: &Plan,
    garbage: &Garbage,
    (bytes, limit): (u64, u64),
    stored: &impl Stored,
    delete_unlisted_referrers: bool,
) -> Fit {
    let mut walk = Walk::new(snapshot, garbage, stored, delete_unlisted_referrers);
    for (subject, follower) in &plan.followers {
        walk.follow(*subject, *follower);
    }
    let going = garbage.blobs.iter().map(|blob| blob.size);
    let mut bytes = bytes.saturating_sub(going.fold(0, u64::saturating_add));
    let mut fit = Fit {
        images: 0,
        with_first: bytes,
    };
    for (number, image) in plan.in_line.iter().enumerate() {
        bytes = bytes.saturating_add(walk.add(*image));
        if number == 0 {
            fit.with_first = bytes;
        }
        if bytes > limit {
            break;
        }
        fit.images += 1;
    }
    fit
}

struct Walk<'a> {
    view: &'a View,
    /// For each node the bytes that go unless something leads to it.
    going: Vec<u64>,
    /// The same of blobs that no node stands for.
    stray: HashMap<&'a Digest, u64>,
    seen: Vec<bool>,
    /// What stays with a node although nothing there leads to it.
    followers: HashMap<NodeId, Vec<NodeId>>,
    /// The same of referrers that no entry leads to.
    unlisted: HashMap<Digest, Vec<Digest>>,
}

impl<'a> Walk<'a> {
    fn new(
        snapshot: &'a Snapshot<Whole>,
        garbage: &'a Garbage,
        stored: &impl Stored,
        delete_unlisted_referrers: bool,
    ) -> Walk<'a> {
        let graph = &snapshot.graph;
        let mut walk = Walk {
            view: snapshot,
            going: vec![0; graph.len()],
            stray: HashMap::new(),
            seen: vec![false; graph.len()],
            followers: HashMap::new(),
            unlisted: HashMap::new(),
        };
        let mut small = Vec::new();
        for blob in &garbage.blobs {
            match blob.node {
                Some(node) => walk.going[node.index()] = blob.size,
                None => {
                    walk.stray.insert(&blob.digest, blob.size);
                    if blob.size <= MAX_UNLISTED_BYTES {
                        small.push(blob.digest.clone());
                    }
                }
            }
        }
        let mut is_target = vec![false; graph.len()];
        for (_, record) in snapshot.records.iter() {
            is_target[record.target.index()] = true;
            if let (RecordKind::Referrer, Some(subject)) = (record.kind, record.subject) {
                walk.follow(subject, record.target);
            }
        }
        let archive = snapshot.archive.items().iter().zip(&snapshot.archive_blobs);
        for (item, blobs) in archive {
            let config = item.config.as_ref().and_then(|digest| graph.find(digest));
            for blob in blobs.iter().filter(|_| config.is_some()) {
                let config = config.unwrap_or(*blob);
                walk.follow(config, *blob);
            }
        }
        if delete_unlisted_referrers {
            return walk;
        }
        if graph.has_subjects() {
            for node in graph.ids().filter(|node| !is_target[node.index()]) {
                let subject = graph.subject(node);
                if let Some(subject) = subject.filter(|_| graph.is_present_document(node)) {
                    walk.follow(subject, node);
                }
            }
        }
        if !small.is_empty() {
            // What cannot be read stopped the sweep before.
            let read = |digest: &Digest, bytes: &mut Vec<u8>| {
                stored.read_small(digest, bytes).unwrap_or(false)
            };
            let documents = UnlistedDocuments::read(&small, &read);
            walk.unlisted = documents.followers(snapshot, &read);
        }
        walk
    }

    fn follow(&mut self, leader: NodeId, follower: NodeId) {
        self.followers.entry(leader).or_default().push(follower);
    }

    /// How many bytes stay because of an image that would go without it.
    fn add(&mut self, image: NodeId) -> u64 {
        let graph = &self.view.graph;
        let mut bytes: u64 = 0;
        let mut nodes = vec![image];
        let mut strays: Vec<Digest> = Vec::new();
        loop {
            while let Some(node) = nodes.pop() {
                if std::mem::replace(&mut self.seen[node.index()], true) {
                    continue;
                }
                bytes = bytes.saturating_add(std::mem::take(&mut self.going[node.index()]));
                nodes.extend(graph.links(node).map(|link| link.to));
                nodes.extend(self.followers.get(&node).into_iter().flatten());
                if !self.unlisted.is_empty() {
                    let followers = self.unlisted.remove(graph.digest(node));
                    strays.extend(followers.into_iter().flatten());
                }
            }
            let Some(digest) = strays.pop() else {
                return bytes;
            };
            match graph.find(&digest) {
                Some(node) => nodes.push(node),
                None => {
                    let of_blob = self.stray.remove(&digest).unwrap_or_default();
                    bytes = bytes.saturating_add(of_blob);
                    let followers = self.unlisted.remove(&digest);
                    strays.extend(followers.into_iter().flatten());
                }
            }
        }
    }
}
