//! Unlisted referrers: manifests among the blobs that no entry leads to, and that are about something
//! that stays.
//!
//! Some tools store a signature beside its image and write no entry for it: whoever looks for it reads
//! all blobs. To the graph it is garbage. So before garbage is deleted, what of it is small and begins
//! like JSON is read, and what refers to something that stays is kept with all that it needs: its own
//! referrers too, since a signature may be signed.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, NodeId, NodeKind};
use super::names::schema_subject;
use super::view::View;
use crate::oci::descriptor::{Class, Role};
use crate::oci::manifest::{self, Document, DocumentKind};
use crate::value::digest::Digest;
use crate::workers::Workers;

/// The largest unreferenced blob that is looked into, in bytes: registries take no larger manifest.
pub const MAX_UNLISTED_BYTES: u64 = 4 << 20;

/// Reads a blob into a buffer if it is small, begins like JSON, and is what its name promises.
/// `false`: it is none of these, or not there.
pub type ReadSmall<'a> = dyn Fn(&Digest, &mut Vec<u8>) -> bool + Sync + 'a;

/// Documents among the unreferenced blobs that may be about something else.
#[derive(Debug, Default)]
pub struct UnlistedDocuments {
    documents: HashMap<Digest, Document>,
    /// Those that are about nothing and list no manifests.
    images: HashSet<Digest>,
}

/// What stays because it is about something that stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnlistedReferrers {
    /// The documents.
    pub referrers: HashSet<Digest>,
    /// They, and all that they need.
    pub needed: HashSet<Digest>,
}

impl UnlistedReferrers {
    /// Whether a blob is one of the documents.
    pub fn is_referrer(&self, digest: &Digest) -> bool {
        self.referrers.contains(digest)
    }
}

impl UnlistedDocuments {
    /// Looks into unreferenced blobs, each once.
    pub fn read(unreferenced: &[Digest], read: &ReadSmall<'_>) -> UnlistedDocuments {
        let look = |digest: &Digest, bytes: &mut Vec<u8>| {
            let document = read(digest, bytes).then(|| manifest::parse(bytes).ok())??;
            document.has_references.then(|| {
                let is_about = document.kind == DocumentKind::Index || subject(&document).is_some();
                // Of all others only that they are there has to be remembered.
                is_about.then_some(document)
            })
        };
        let found = Workers::for_reading().map(unreferenced, &look, || ());
        let mut documents = UnlistedDocuments::default();
        for (digest, found) in unreferenced.iter().zip(found) {
            match found {
                Some(Some(document)) => _ = documents.documents.insert(digest.clone(), document),
                Some(None) => _ = documents.images.insert(digest.clone()),
                None => {}
            }
        }
        documents
    }

    /// What is about something that stays. `lost` are documents of the graph that would go although
    /// nobody asked for that; `stays` says of a digest whether something leads to it still; `read`
    /// reads what was not remembered.
    pub fn referrers(
        &self,
        view: &View,
        lost: &[NodeId],
        stays: &dyn Fn(&Digest) -> bool,
        read: &ReadSmall<'_>,
    ) -> UnlistedReferrers {
        let graph = &view.graph;
        let about = self.about(view, lost);
        let mut started: Vec<&Digest> = about.keys().copied().filter(|s| stays(s)).collect();
        started.sort();
        let mut todo: Vec<&Digest> = started.iter().flat_map(|s| &about[*s]).copied().collect();
        let mut found = UnlistedReferrers::default();
        let mut bytes = Vec::new();
        while let Some(referrer) = todo.pop() {
            let is_new = found.referrers.insert(referrer.clone());
            if !is_new || !found.needed.insert(referrer.clone()) {
                continue;
            }
            let mut stack = vec![referrer.clone()];
            while let Some(digest) = stack.pop() {
                // A signature of a signature, or of what that needs.
                todo.extend(about.get(&digest).into_iter().flatten());
                let below = self.needed_by(&digest, graph, read, &mut bytes);
                stack.extend(below.into_iter().filter_map(|(needed, is_read)| {
                    let is_new = found.needed.insert(needed.clone());
                    (is_new && is_read).then_some(needed)
                }));
            }
        }
        found
    }

    /// What would stay with each digest, if that stayed: what is about it, and all that this needs.
    /// What is about those stands under their own digests.
    pub fn followers(&self, view: &View, read: &ReadSmall<'_>) -> HashMap<Digest, Vec<Digest>> {
        let mut bytes = Vec::new();
        let mut followers = HashMap::new();
        for (subject, referrers) in self.about(view, &[]) {
            let mut seen: HashSet<Digest> = HashSet::new();
            let mut stack: Vec<Digest> = referrers.into_iter().cloned().collect();
            seen.extend(stack.iter().cloned());
            while let Some(digest) = stack.pop() {
                let below = self.needed_by(&digest, &view.graph, read, &mut bytes);
                stack.extend(below.into_iter().filter_map(|(needed, is_read)| {
                    let is_new = seen.insert(needed.clone());
                    (is_new && is_read).then_some(needed)
                }));
            }
            followers.insert(subject.clone(), seen.into_iter().collect());
        }
        followers
    }

    /// By what they are about, the documents that are about something.
    fn about<'a>(
        &'a self,
        view: &'a View,
        lost: &[NodeId],
    ) -> HashMap<&'a Digest, Vec<&'a Digest>> {
        let graph = &view.graph;
        let mut about: HashMap<&Digest, Vec<&Digest>> = HashMap::new();
        for node in lost {
            if let Some(subject) = graph.subject(*node) {
                let referrers = about.entry(graph.digest(subject)).or_default();
                referrers.push(graph.digest(*node));
            }
        }
        let mut listed: Option<HashSet<Digest>> = None;
        for (digest, document) in &self.documents {
            let subject = match subject(document) {
                Some(subject) => subject,
                None => match self.common_subject(document, graph) {
                    // An older copy of a list that has its tag is only that.
                    Some(subject) => {
                        let listed = listed.get_or_insert_with(|| subjects_with_a_list(view));
                        if listed.contains(subject) {
                            continue;
                        }
                        subject
                    }
                    None => continue,
                },
            };
            about.entry(subject).or_default().push(digest);
        }
        for referrers in about.values_mut() {
            referrers.sort();
            referrers.dedup();
        }
        about
    }

    /// What all that an unlisted index lists refers to, as far as it is there.
    fn common_subject<'a>(&'a self, index: &'a Document, graph: &'a Graph) -> Option<&'a Digest> {
        let mut common = None;
        for child in &index.children {
            if child.role != Role::Manifest || self.images.contains(&child.digest) {
                return None;
            }
            let known = self.documents.get(&child.digest).map(subject);
            let known = known.or_else(|| {
                let node = graph.find(&child.digest)?;
                let is_read = graph.is_present_document(node);
                is_read.then(|| graph.subject(node).map(|subject| graph.digest(subject)))
            });
            match known {
                Some(Some(subject)) if common.is_none_or(|common| common == subject) => {
                    common = Some(subject);
                }
                // It is an image, or about something else.
                Some(_) => return None,
                // It is missing, or a document about nothing.
                None => {
                    let note = child.note.as_ref();
                    if note.is_some_and(|note| note.platform.is_some()) {
                        return None;
                    }
                }
            }
        }
        common
    }

    /// What a document needs, and whether that may be a document.
    fn needed_by(
        &self,
        digest: &Digest,
        graph: &Graph,
        read: &ReadSmall<'_>,
        bytes: &mut Vec<u8>,
    ) -> Vec<(Digest, bool)> {
        let of_document = |document: &Document| -> Vec<(Digest, bool)> {
            let children = document.children.iter();
            let needed = children.filter(|child| child.role != Role::Subject);
            let needed = needed.map(|child| (child.digest.clone(), child.class > Class::Leaf));
            needed.collect()
        };
        if let Some(document) = self.documents.get(digest) {
            return of_document(document);
        }
        if let Some(node) = graph.find(digest).filter(|n| graph.is_present_document(*n)) {
            let links = graph.links(node).filter(|link| link.is_needed());
            let needed = links.map(|link| (graph.digest(link.to).clone(), true));
            return needed.collect();
        }
        let document = read(digest, bytes).then(|| manifest::parse(bytes).ok());
        document
            .flatten()
            .as_ref()
            .map_or_else(Vec::new, of_document)
    }
}

/// What a document refers to without needing it.
fn subject(document: &Document) -> Option<&Digest> {
    let mut children = document.children.iter();
    Some(&children.find(|child| child.role == Role::Subject)?.digest)
}

/// What some entry lists the referrers of, under the tag that is made of the digest.
pub fn subjects_with_a_list(view: &View) -> HashSet<Digest> {
    let lists = view.records.iter().filter(|(_, record)| {
        view.graph.is_present_document(record.target)
            && view.graph.kind(record.target) == NodeKind::Index
    });
    lists
        .filter_map(|(_, record)| schema_subject(&record.name))
        .collect()
}
