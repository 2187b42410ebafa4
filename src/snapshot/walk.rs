//! The walk: reads every document that some entries lead to, and puts into a [`Graph`] what it says.
//!
//! A node is *read* when any descriptor says that it is, or may be, a document; it is read once, with
//! verification. The walk uses a queue, so a chain of ten thousand indexes is no deeper for the stack
//! than one, and a graph with more paths than atoms costs what its nodes and edges cost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::digests::number;
use super::graph::{Damage, Edge, Graph, NodeId, NodeKind, ReadState};
use crate::json::read::InvalidJson;
use crate::layout::{BlobError, NAMED};
use crate::oci::descriptor::{Class, Role, classify};
use crate::oci::index::Entry;
use crate::oci::manifest::{self, Child, DocumentKind};
use crate::value::digest::Digest;
use crate::workers::Workers;

/// The largest document that is read, in bytes. Registries take 4 MiB; a cache with a hundred
/// thousand layers has about 20.
pub const MAX_DOCUMENT_BYTES: u64 = 32 << 20;

/// Reads a blob of this digest and, if its descriptor says one, of this size in bytes, into a
/// buffer. `false`: it is not there.
pub type ReadBlob<'a> =
    dyn Fn(&Digest, Option<u64>, &mut Vec<u8>) -> Result<bool, BlobError> + Sync + 'a;

/// How many documents are read before what they say is put into the graph: they take some memory
/// until then. Where the disk is waited for there are more, for many threads wait for the last of them.
const BATCH: usize = 1024;
const SLOW_BATCH: usize = 2048;

/// How many digests are expected of an image, and how many at most are made room for beforehand.
const DIGESTS_OF_AN_IMAGE: usize = 8;
const MOST_RESERVED: usize = 1 << 21;

/// How many bytes of documents, for the same reason, as their descriptors say.
const BATCH_BYTES: u64 = 8 << 20;

/// The longest list of references that is filled again.
const LONGEST_SPARE: usize = 64;

/// Blobs that are to be read, and how large they are.
type Queue = VecDeque<(NodeId, Option<u64>)>;

/// A blob that is to be read.
struct ToRead {
    node: NodeId,
    digest: Digest,
    class: Class,
    size: Option<u64>,
    /// The blob itself, for the case that its file is missing.
    embedded: Option<Arc<[u8]>>,
}

/// A blob that is there, and what its bytes are.
struct BlobRead {
    size: u64,
    document: Result<manifest::Document, InvalidJson>,
    looks_like_one: bool,
    /// There is no file: these are the bytes that a descriptor embeds.
    is_embedded: bool,
}

/// Whether a blob that is there and cannot be read, or is not what it should be, may be a document
/// all the same, or have been one: nothing that can be seen of it says otherwise.
pub fn may_be_document(error: &BlobError) -> bool {
    match error {
        // What is blank as far as it was read may go on as a document.
        BlobError::TooLarge { first, .. } => {
            looks_like_document(first) || first.trim_ascii_start().is_empty()
        }
        BlobError::Size { first, .. } | BlobError::Digest { first, .. } => {
            may_have_been_document(first)
        }
        BlobError::NotRegular(_) | BlobError::Io(_) | BlobError::Stub => true,
    }
}

/// Whether a blob of a class that could not be read is content that leads nowhere, so that it is no
/// matter here what is wrong with it.
fn is_content(class: Class, error: &BlobError) -> bool {
    let is_too_large = matches!(error, BlobError::TooLarge { .. });
    match class {
        Class::Document => false,
        Class::Probably => is_too_large && !may_be_document(error),
        // Stubs of layers are ordinary in a store that deduplicates.
        Class::Perhaps | Class::Leaf => matches!(error, BlobError::Stub) || !may_be_document(error),
    }
}

/// Lists of references that were emptied, and are filled again. Whoever empties them is not the thread that
/// filled them, and memory that goes from one thread to another takes longer than what is read into it.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<Child>>>);

impl Spare {
    fn take(&self) -> Vec<Child> {
        self.all().pop().unwrap_or_default()
    }

    fn put(&self, children: Vec<Child>) {
        // A long one is rare, and is better given back.
        if children.capacity() <= LONGEST_SPARE {
            self.all().push(children);
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Vec<Child>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ToRead {
    fn read(
        &self,
        read: &ReadBlob<'_>,
        is_asked: &dyn Fn(&Child) -> bool,
        spare: &Spare,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<BlobRead>, BlobError> {
        let is_embedded = !read(&self.digest, self.size, bytes)?;
        if is_embedded {
            let Some(embedded) = &self.embedded else {
                return Ok(None);
            };
            bytes.clear();
            bytes.extend_from_slice(embedded);
        }
        let mut document = manifest::parse_into(bytes, spare.take());
        if let Ok(document) = &mut document {
            document.children.retain(is_asked);
        }
        Ok(Some(BlobRead {
            size: bytes.len() as u64,
            document,
            looks_like_one: looks_like_document(bytes),
            is_embedded,
        }))
    }
}

impl Graph {
    /// Reads everything that the entries lead to. `progress` is told the number of documents read.
    pub fn walk<'e>(
        entries: impl IntoIterator<Item = &'e Entry>,
        read: &ReadBlob<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Graph {
        Graph::walk_some(entries, read, &|_| true, progress)
    }

    /// [`Graph::walk`], but only references that are asked for become part of the graph.
    pub fn walk_some<'e>(
        entries: impl IntoIterator<Item = &'e Entry>,
        read: &ReadBlob<'_>,
        is_asked: &(dyn Fn(&Child) -> bool + Sync),
        progress: &mut dyn FnMut(u64),
    ) -> Graph {
        let mut graph = Graph::default();
        graph.extend(entries, read, is_asked, progress);
        graph
    }

    /// Reads everything that further entries lead to, as far as it was not read before.
    pub fn extend<'e>(
        &mut self,
        entries: impl IntoIterator<Item = &'e Entry>,
        read: &ReadBlob<'_>,
        is_asked: &(dyn Fn(&Child) -> bool + Sync),
        progress: &mut dyn FnMut(u64),
    ) {
        let graph = self;
        let mut queue = VecDeque::new();
        let entries = entries.into_iter();
        // Growing a set of a million digests means moving it again and again.
        let most = entries.size_hint().0.saturating_mul(DIGESTS_OF_AN_IMAGE);
        graph.digests.reserve(most.min(MOST_RESERVED));
        graph.nodes.reserve(most.min(MOST_RESERVED));
        for entry in entries {
            let class = classify(entry.media_type.as_deref(), Role::Entry);
            for digest in entry.digest.iter().chain(&entry.more_digests) {
                let node = graph.intern(digest, entry.size);
                graph.want(node, class, entry.size, &mut queue);
            }
            if let (Some(data), Some(digest)) = (&entry.data, &entry.digest) {
                let node = graph.intern(digest, entry.size);
                graph.embed(node, data, &mut queue);
            }
        }
        let workers = Workers::for_reading();
        let spare = Spare::default();
        let mut count = 0;
        let mut before: Vec<(ToRead, Result<Option<BlobRead>, BlobError>)> = Vec::new();
        loop {
            let mut batch = Vec::new();
            let mut bytes: u64 = 0;
            let most = match workers.are_waiting() {
                true => SLOW_BATCH,
                false => BATCH,
            };
            while batch.len() < most
                && bytes < BATCH_BYTES
                && let Some((node, size)) = queue.pop_front()
            {
                if graph.node(node).served < graph.node(node).wanted {
                    batch.extend(graph.serve(node, size));
                    // One of an unknown size may be large.
                    bytes = bytes.saturating_add(size.unwrap_or(BATCH_BYTES / 64));
                }
            }
            if batch.is_empty() && before.is_empty() {
                break;
            }
            // What was read before is put into the graph while this is being read.
            let read_one =
                |to_read: &ToRead, bytes: &mut Vec<u8>| to_read.read(read, is_asked, &spare, bytes);
            let found = workers.map(&batch, &read_one, || {
                for (to_read, found) in before.drain(..) {
                    count += 1;
                    progress(count);
                    graph.take_in(&to_read, found, &mut queue, &spare);
                }
            });
            before = batch.into_iter().zip(found).collect();
        }
    }

    /// Takes blobs that were not there when they were to be read, and have a name, for unreadable ones.
    pub(super) fn doubt(&mut self, named: &[Digest]) {
        for digest in named {
            let node = self.find(digest);
            if let Some(node) = node.filter(|node| self.is_missing_document(*node)) {
                self.node_mut(node).state = ReadState::Damaged;
                self.damage.push(Damage {
                    node,
                    reason: NAMED.to_owned(),
                    unreadable: true,
                    is_stub: false,
                });
            }
        }
    }

    /// Notes that a node is read now, and says what is to be read, if anything.
    fn serve(&mut self, id: NodeId, size: Option<u64>) -> Option<ToRead> {
        let node = self.node_mut(id);
        node.served = node.wanted;
        let (class, is_known) = (
            node.wanted,
            node.state == ReadState::Read && node.kind.is_document(),
        );
        (!is_known).then(|| ToRead {
            node: id,
            digest: self.digest(id).clone(),
            class,
            size,
            embedded: self.embedded.get(&id).cloned(),
        })
    }

    /// Takes note of a blob that a descriptor embeds. If it was looked for in vain, it is found now.
    fn embed(&mut self, id: NodeId, data: &Arc<[u8]>, queue: &mut Queue) {
        self.embedded.entry(id).or_insert_with(|| data.clone());
        let node = self.node_mut(id);
        if node.state == ReadState::Missing {
            node.state = ReadState::Unread;
            node.served = Class::Leaf;
            queue.push_back((id, None));
        }
    }

    /// Puts into the graph what was found of a blob.
    fn take_in(
        &mut self,
        to_read: &ToRead,
        found: Result<Option<BlobRead>, BlobError>,
        queue: &mut Queue,
        spare: &Spare,
    ) {
        let state = match found {
            // A document that was taken in meanwhile may embed it.
            Ok(None) if to_read.embedded.is_none() && self.embedded.contains_key(&to_read.node) => {
                self.node_mut(to_read.node).served = Class::Leaf;
                queue.push_back((to_read.node, to_read.size));
                return;
            }
            Ok(None) => Ok(ReadState::Missing),
            Ok(Some(found)) => match self.take_in_bytes(to_read, found, queue, spare) {
                Ok(()) => Ok(ReadState::Read),
                Err(reason) => Err((reason, false, false)),
            },
            Err(error) if is_content(to_read.class, &error) => Ok(ReadState::Read),
            Err(error) => Err((
                error.to_string(),
                matches!(error, BlobError::Io(_)),
                matches!(error, BlobError::Stub),
            )),
        };
        let before = self.node(to_read.node).state;
        self.node_mut(to_read.node).state =
            state.unwrap_or_else(|(reason, unreadable, is_stub)| {
                // It may have been read before, for less.
                if before != ReadState::Damaged {
                    self.damage.push(Damage {
                        node: to_read.node,
                        reason,
                        unreadable,
                        is_stub,
                    });
                }
                ReadState::Damaged
            });
    }

    /// Puts into the graph what a blob says, if it is a document. The failure tells why it cannot be
    /// trusted.
    fn take_in_bytes(
        &mut self,
        to_read: &ToRead,
        found: BlobRead,
        queue: &mut Queue,
        spare: &Spare,
    ) -> Result<(), String> {
        let must_be_one = to_read.class == Class::Document;
        if found.is_embedded {
            self.without_file.push(to_read.node);
        }
        match found.document {
            Ok(document) if must_be_one && document.is_odd => {
                Err("it is no manifest: what should be descriptors is something else".to_owned())
            }
            Ok(document) if must_be_one || document.has_references => {
                let node = self.node_mut(to_read.node);
                node.kind = match document.kind {
                    DocumentKind::Index => NodeKind::Index,
                    DocumentKind::Manifest => NodeKind::Manifest,
                };
                node.size = found.size;
                spare.put(self.connect(to_read.node, document, queue));
                Ok(())
            }
            // What stands where manifests stand and begins like one may be one to another tool.
            Err(e) if must_be_one || found.looks_like_one && to_read.class == Class::Probably => {
                Err(format!("it is no manifest that can be understood: {e}"))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The value is the document's list of references, emptied.
    fn connect(
        &mut self,
        from: NodeId,
        mut document: manifest::Document,
        queue: &mut Queue,
    ) -> Vec<Child> {
        if let Some(created) = document.created {
            self.created.insert(from, created);
        }
        let start = self.edges.len();
        if let Some(about) = document.about {
            self.abouts.insert(from, about);
        }
        if document.is_attestation {
            self.attestations.insert(from);
        }
        for child in document.children.drain(..) {
            let to = self.place(child.digest, child.size);
            let node = self.node_mut(to);
            if node.kind == NodeKind::Blob {
                node.kind = match child.role {
                    Role::Config if child.image_config => NodeKind::ImageConfig,
                    Role::Config => NodeKind::Config,
                    Role::Layer => NodeKind::Layer,
                    Role::Manifest if child.is_layer => NodeKind::Layer,
                    _ => NodeKind::Blob,
                };
            }
            node.has_parent |= child.role != Role::Subject;
            node.may_be_left_out |= child.may_be_left_out;
            self.has_subjects |= child.role == Role::Subject;
            self.want(to, child.class, child.size, queue);
            if let Some(data) = &child.data {
                self.embed(to, data, queue);
            }
            if let Some(note) = child.note {
                self.notes.push((number(self.edges.len()), note));
            }
            self.edges.push(Edge {
                to,
                role: child.role,
            });
        }
        self.node_mut(from).edges = number(start)..number(self.edges.len());
        document.children
    }

    fn want(&mut self, id: NodeId, class: Class, size: Option<u64>, queue: &mut Queue) {
        let node = self.node_mut(id);
        if class > node.wanted {
            node.wanted = class;
            queue.push_back((id, size));
        }
    }
}

/// Whether bytes that are not what they should be may be what is left of a document. After a power
/// cut a file may be empty, or hold zeros.
fn may_have_been_document(bytes: &[u8]) -> bool {
    let begin = bytes.trim_ascii_start().first();
    begin.is_none_or(|byte| matches!(byte, b'{' | 0))
}

/// Whether bytes begin as a document does.
fn looks_like_document(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use std::collections::HashMap;

    use super::*;
    use crate::value::digest::Algorithm;

    /// A store of blobs in memory, for tests of everything that works on graphs.
    #[derive(Default)]
    pub(crate) struct Store(pub(crate) HashMap<Digest, Vec<u8>>);

    impl Store {
        pub(crate) fn put(&mut self, bytes: impl Into<Vec<u8>>) -> Digest {
            let bytes = bytes.into();
            let digest = Algorithm::Sha256.hash(&bytes);
            self.0.insert(digest.clone(), bytes);
            digest
        }

        /// A manifest with a config and layers of these texts.
        pub(crate) fn manifest(&mut self, layers: &[&str], subject: Option<&Digest>) -> Digest {
            let config = self.put(format!("{{\"config of\":{layers:?}}}"));
            let layers: Vec<_> = layers
                .iter()
                .map(|text| {
                    let digest = self.put(*text);
                    format!(
                        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}"}}"#
                    )
                })
                .collect();
            let subject = subject.map_or(String::new(), |digest| {
                format!(r#","subject":{{"digest":"{digest}","mediaType":"application/vnd.oci.image.manifest.v1+json"}}"#)
            });
            self.put(format!(
                r#"{{"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}"}},"layers":[{}]{subject}}}"#,
                layers.join(",")
            ))
        }

        pub(crate) fn index(&mut self, manifests: &[&Digest]) -> Digest {
            let list: Vec<_> = manifests
                .iter()
                .map(|digest| format!(r#"{{"digest":"{digest}"}}"#))
                .collect();
            self.put(format!(r#"{{"manifests":[{}]}}"#, list.join(",")))
        }

        pub(crate) fn graph(&self, entries: &[Entry]) -> Graph {
            Graph::walk(
                entries,
                &|d, _, bytes| Ok(stored(self.0.get(d), bytes)),
                &mut |_| (),
            )
        }
    }

    fn stored(found: Option<&Vec<u8>>, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        bytes.extend(found.into_iter().flatten());
        found.is_some()
    }

    pub(crate) fn entry(digest: &Digest) -> Entry {
        Entry {
            digest: Some(digest.clone()),
            ..Entry::default()
        }
    }

    #[test]
    fn a_digest_first_seen_as_a_layer_is_still_expanded_as_a_manifest() {
        let mut store = Store::default();
        let inner = store.manifest(&["x"], None);
        let outer = store.put(format!(
            r#"{{"layers":[{{"digest":"{inner}","mediaType":"application/vnd.oci.image.layer.v1.tar"}}]}}"#
        ));
        let top = store.index(&[&outer, &inner]);
        let graph = store.graph(&[entry(&top)]);
        let layer = Algorithm::Sha256.hash(b"x");
        assert!(graph.find(&layer).is_some());
        assert_eq!(graph.kind(graph.find(&inner).unwrap()), NodeKind::Manifest);
    }

    #[test]
    fn a_document_without_media_type_is_followed_if_it_lists_anything() {
        let mut store = Store::default();
        let image = store.manifest(&["x"], None);
        let words = store.put("{\"hello\":1}");
        let noise = store.put([0xff, 0, 1]);
        let graph = store.graph(&[entry(&image), entry(&words), entry(&noise)]);
        assert_eq!(graph.links(graph.find(&image).unwrap()).count(), 2);
        assert!(graph.damage().is_empty());
        assert_eq!(graph.kind(graph.find(&words).unwrap()), NodeKind::Blob);
    }

    #[test]
    fn what_cannot_be_trusted_is_damage_and_what_is_missing_is_not() {
        let mut store = Store::default();
        let image = store.manifest(&["x"], None);
        let broken = |result: fn() -> Result<Option<Vec<u8>>, BlobError>| {
            let mut typed = entry(&image);
            typed.media_type = Some("application/vnd.oci.image.manifest.v1+json".into());
            Graph::walk(
                &[typed],
                &|_, _, bytes| result().map(|found| stored(found.as_ref(), bytes)),
                &mut |_| (),
            )
        };
        for (result, damaged) in [
            ((|| Ok(None)) as fn() -> _, false),
            (|| Ok(Some(b"{\"layers\":[".to_vec())), true),
            (|| Ok(Some(Vec::new())), true),
            (|| Err(BlobError::NotRegular("a FIFO")), true),
            (
                || {
                    Err(BlobError::TooLarge {
                        found: 9,
                        limit: 1,
                        first: vec![0],
                    })
                },
                true,
            ),
        ] {
            assert_eq!(!broken(result).damage().is_empty(), damaged);
        }
    }

    #[test]
    fn what_begins_like_a_manifest_and_has_no_media_type_is_no_leaf() {
        let mut store = Store::default();
        for (text, damaged) in [
            ("{\"layers\":[", true),
            ("{", true),
            ("plain", false),
            ("", false),
        ] {
            let digest = store.put(text);
            let graph = store.graph(&[entry(&digest)]);
            assert_eq!(!graph.damage().is_empty(), damaged, "{text}");
        }
        let digest = store.put("x");
        for (first, damaged) in [
            (b" {".to_vec(), true),
            (b"    ".to_vec(), true),
            (b"PK".to_vec(), false),
        ] {
            let graph = Graph::walk(
                &[entry(&digest)],
                &|_, _, _| {
                    Err(BlobError::TooLarge {
                        found: 9,
                        limit: 1,
                        first: first.clone(),
                    })
                },
                &mut |_| (),
            );
            assert_eq!(!graph.damage().is_empty(), damaged);
        }
    }

    #[test]
    fn ten_thousand_nested_indexes_and_a_bomb_of_paths_end() {
        let mut store = Store::default();
        let mut top = store.manifest(&["x"], None);
        for _ in 0..10_000 {
            top = store.index(&[&top]);
        }
        for _ in 0..60 {
            top = store.index(&[&top, &top]);
        }
        let graph = store.graph(&[entry(&top)]);
        assert_eq!(graph.len(), 10_000 + 60 + 3);
        assert_eq!(
            graph.needed_below(graph.find(&top).unwrap()).len(),
            graph.len()
        );
    }

    #[test]
    fn a_document_is_read_once_however_often_it_is_listed() {
        let mut store = Store::default();
        let image = store.manifest(&["x"], None);
        let tops: Vec<_> = (0..5)
            .map(|n| {
                let extra = store.put(format!("{n}"));
                store.index(&[&image, &extra, &image])
            })
            .collect();
        let entries: Vec<_> = tops.iter().chain([&image]).map(entry).collect();
        let reads: Mutex<HashMap<Digest, u32>> = Mutex::default();
        Graph::walk(
            &entries,
            &|digest, _, bytes| {
                *reads.lock().unwrap().entry(digest.clone()).or_default() += 1;
                Ok(stored(store.0.get(digest), bytes))
            },
            &mut |_| (),
        );
        let reads = reads.into_inner().unwrap();
        assert!(reads.values().all(|n| *n == 1), "{reads:?}");
    }
}
