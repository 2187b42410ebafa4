//! Everything that a layout's index.json and its neighbours say, read at one moment.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::graph::{Graph, MAX_DOCUMENT_BYTES, NodeId};
use super::records::{Records, is_of_tag_schema, named_subject};
use crate::layout::{BlobError, Locked, Shared, Trash};
use crate::oci::descriptor::{Class, Role};
use crate::oci::docker_archive::{DockerArchive, Item};
use crate::oci::index::{Entry, Index};
use crate::oci::manifest::Child;
use crate::oci::trash_record::RemovedEntry;
use crate::value::digest::Digest;

/// Media types of images for one platform.
const IMAGE_MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// index.json, what it leads to, and what it means.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The document.
    pub index: Index,
    /// All blobs that it and the archive lead to.
    pub graph: Graph,
    /// What its entries are.
    pub records: Records,
    /// The files of an unpacked `docker save`.
    pub archive: DockerArchive,
    /// For each image of the archive the blobs that it names.
    pub archive_blobs: Vec<Vec<NodeId>>,
    /// What entries of other layouts that share the blobs lead to.
    pub sharer_roots: Vec<NodeId>,
}

impl Snapshot {
    /// Reads all of it. `sharers` are layouts that share the blobs of this one, and may have none of
    /// their own. `progress` is told the number of manifests read so far.
    ///
    /// # Errors
    /// Exit status 12 when an index.json or the archive cannot be read. A damaged blob is no error
    /// here; see [`Graph::refuse_damage`].
    pub fn load<M>(
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        progress: &mut dyn FnMut(u64),
    ) -> anyhow::Result<Snapshot> {
        Snapshot::load_with(layout, sharers, &Trash::default(), progress)
    }

    /// [`Snapshot::load`], as if everything in the trash were still in the layout.
    ///
    /// # Errors
    /// As [`Snapshot::load`].
    pub fn load_with<M>(
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        trash: &Trash,
        progress: &mut dyn FnMut(u64),
    ) -> anyhow::Result<Snapshot> {
        let index = Index::load(layout)?;
        let mut others: Vec<Entry> = Vec::new();
        for other in sharers {
            others.extend_from_slice(Index::load(other)?.entries());
            let archive = DockerArchive::load(other)?;
            others.extend(
                archive
                    .items()
                    .iter()
                    .flat_map(Item::blobs)
                    .map(|digest| Entry {
                        digest: Some(digest.clone()),
                        // It is a config or a layer; nothing is to be looked for in it.
                        media_type: Some("application/octet-stream".into()),
                        ..Entry::default()
                    }),
            );
        }
        let read = |digest: &Digest, size, bytes: &mut Vec<u8>| {
            if read(layout, trash, digest, size, bytes)? {
                return Ok(true);
            }
            for other in sharers {
                if other.read_blob_into(digest, size, MAX_DOCUMENT_BYTES, bytes)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let roots = index.entries().iter().chain(&others);
        let graph = Graph::walk(roots, &read, progress);
        let archive = DockerArchive::load(layout)?;
        let sharer_roots = others
            .iter()
            .flat_map(|entry| entry.digest.iter().chain(&entry.more_digests))
            .filter_map(|digest| graph.find(digest))
            .collect();
        Ok(Snapshot {
            sharer_roots,
            ..Snapshot::new(index, graph, archive)
        })
    }

    /// Reads index.json, and of the blobs only those that tell whether an entry without a name is an
    /// image or belongs to one: enough to list images, not to delete. The table has no records for
    /// images that nothing but their own entries leads to.
    ///
    /// What an image's manifest lists as a layer and index.json as an entry without a name looks
    /// like an image then.
    ///
    /// # Errors
    /// As [`Snapshot::load`].
    pub fn load_kinds<M>(
        layout: &Locked<M>,
        progress: &mut dyn FnMut(u64),
    ) -> anyhow::Result<Snapshot> {
        let index = Index::load(layout)?;
        let entries = index.entries();
        let is_asked = |entry: &&Entry| entry.name().is_none_or(is_of_tag_schema);
        let is_manifest = |entry: &Entry| {
            let media_type = entry.media_type.as_deref();
            media_type.is_some_and(|text| IMAGE_MANIFESTS.contains(&text))
        };
        // Those belong to what they say they are about, if that is here.
        let asked = entries.iter().filter(is_asked);
        let subjects: HashSet<Digest> = asked
            .filter_map(|entry| {
                entry
                    .subject
                    .as_deref()
                    .cloned()
                    .or_else(|| named_subject(entry))
            })
            .collect();
        let is_subject = |entry: &Entry| {
            let digest = entry.digest.as_ref();
            digest.is_some_and(|digest| subjects.contains(digest))
        };
        if !entries.iter().any(|entry| is_asked(&entry)) {
            let archive = DockerArchive::default();
            return Ok(Snapshot::new(index, Graph::default(), archive));
        }
        let read = |digest: &Digest, size, bytes: &mut Vec<u8>| {
            layout.read_blob_into(digest, size, MAX_DOCUMENT_BYTES, bytes)
        };
        let nameless: HashSet<&Digest, RandomState> = entries
            .iter()
            .filter(is_asked)
            .flat_map(|entry| entry.digest.iter())
            .collect();
        // Of what a manifest needs only what index.json lists as well may be a part.
        let is_part = |child: &Child| {
            child.class > Class::Leaf
                || matches!(child.role, Role::Manifest | Role::Subject)
                || nameless.contains(&child.digest)
        };
        // An image for one platform has no part that could stand in index.json.
        let few = entries
            .iter()
            .filter(|entry| is_asked(entry) || !is_manifest(entry) || is_subject(entry));
        let mut graph = Graph::walk_some(few, &read, &is_part, progress);
        let mut records = Records::new(entries, &graph);
        // What waits in vain for something that leads to it may find it below a manifest with a name.
        if records.has_orphans(&graph) {
            graph = Graph::walk_some(entries, &read, &is_part, progress);
            records = Records::new(entries, &graph);
        }
        Ok(Snapshot {
            index,
            graph,
            records,
            archive: DockerArchive::default(),
            archive_blobs: Vec::new(),
            sharer_roots: Vec::new(),
        })
    }

    /// What entries of a removal in the trash lead to, as if index.json had these and no others;
    /// `documents` lead to something, too, and are `sharer_roots`.
    pub fn of_removal<M>(
        layout: &Locked<M>,
        trash: &Trash,
        rows: &[RemovedEntry],
        documents: &[Digest],
    ) -> Snapshot {
        let rows: Vec<&str> = rows.iter().map(|row| row.entry.get()).collect();
        let text = format!("{{\"manifests\":[{}]}}", rows.join(","));
        // Every row is JSON, so the list is one.
        let index = Index::parse(text.into_bytes()).unwrap_or_default();
        let read =
            |digest: &Digest, size, bytes: &mut Vec<u8>| read(layout, trash, digest, size, bytes);
        let others: Vec<Entry> = documents
            .iter()
            .map(|digest| Entry {
                digest: Some(digest.clone()),
                ..Entry::default()
            })
            .collect();
        let graph = Graph::walk(index.entries().iter().chain(&others), &read, &mut |_| ());
        let sharer_roots = documents.iter().filter_map(|digest| graph.find(digest));
        Snapshot {
            sharer_roots: sharer_roots.collect(),
            ..Snapshot::new(index, graph, DockerArchive::default())
        }
    }

    /// Reads index.json and the archive, but no blob: enough to find names, not to delete.
    ///
    /// # Errors
    /// As [`Snapshot::load`].
    pub fn load_names<M>(layout: &Locked<M>) -> anyhow::Result<Snapshot> {
        let index = Index::load(layout)?;
        let graph = Graph::walk(index.entries(), &|_, _, _| Ok(false), &mut |_| ());
        let archive = DockerArchive::load(layout)?;
        Ok(Snapshot::new(index, graph, archive))
    }

    /// Puts together what was read.
    pub fn new(index: Index, mut graph: Graph, archive: DockerArchive) -> Snapshot {
        let archive_blobs = archive
            .items()
            .iter()
            .map(|item| item.blobs().map(|d| graph.intern(d, None)).collect())
            .collect();
        let records = Records::new(index.entries(), &graph);
        Snapshot {
            index,
            graph,
            records,
            archive,
            archive_blobs,
            sharer_roots: Vec::new(),
        }
    }
}

fn read<M>(
    layout: &Locked<M>,
    trash: &Trash,
    digest: &Digest,
    size: Option<u64>,
    bytes: &mut Vec<u8>,
) -> Result<bool, BlobError> {
    Ok(
        layout.read_blob_into(digest, size, MAX_DOCUMENT_BYTES, bytes)?
            || !trash.is_empty()
                && layout.read_trashed(trash, digest, size, MAX_DOCUMENT_BYTES, bytes)?,
    )
}
