//! Everything that a layout's index.json and its neighbours say, read at one moment.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::ops::Deref;

use foldhash::fast::RandomState;

use super::graph::Graph;
use super::names::{is_of_tag_schema, named_subject};
use super::unlisted::{MAX_UNLISTED_BYTES, UnlistedDocuments, UnlistedReferrers};
use super::view::{View, records_of};
use super::walk::MAX_DOCUMENT_BYTES;
use crate::layout::{BlobError, Locked, Presence, Shared, Trash};
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

/// Marks a snapshot of index.json and the archive, for which no blob was read: enough to find names.
#[derive(Debug)]
pub enum Names {}

/// Marks a snapshot for which only those documents were read that tell images from what belongs to
/// them: enough to list images.
#[derive(Debug)]
pub enum Kinds {}

/// Marks a snapshot for which every document was read that anything leads to.
#[derive(Debug)]
pub enum Whole {}

/// Marks a snapshot of what one removal in the trash took away: as if index.json had its entries and
/// no others, so it says nothing about what the layout needs.
#[derive(Debug)]
pub enum Trashed {}

/// index.json, what it leads to, and what it means, at one moment. The type says how much was read:
/// [`Names`], [`Kinds`], [`Whole`] or [`Trashed`].
#[derive(Debug)]
pub struct Snapshot<R> {
    view: View,
    read: PhantomData<fn() -> R>,
}

impl<R> Deref for Snapshot<R> {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Snapshot<Whole> {
    /// Reads all of it, as if everything in the trash were still in the layout. `sharers` are layouts
    /// that share the blobs of this one, and may have none of their own. `progress` is told the
    /// number of manifests read so far.
    ///
    /// # Errors
    /// Exit status 12 when an index.json or the archive cannot be read. A damaged blob is no error
    /// here; see [`View::refuse_damage`].
    pub fn read<M>(
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        trash: &Trash,
        progress: &mut dyn FnMut(u64),
    ) -> anyhow::Result<Snapshot<Whole>> {
        let index = Index::load(layout)?;
        let mut others: Vec<Entry> = Vec::new();
        for other in sharers {
            let index = Index::load(other)?;
            others.extend(index.entries().iter().chain(index.subjects()).cloned());
            let archive = DockerArchive::load(other)?;
            let blobs = archive.items().iter().flat_map(Item::blobs);
            others.extend(blobs.map(|digest| Entry {
                // It is a config or a layer; nothing is to be looked for in it.
                media_type: Some("application/octet-stream".into()),
                ..entry_of(digest)
            }));
        }
        let read = |digest: &Digest, size, bytes: &mut Vec<u8>| {
            // The bytes of a stub may lie in any of the others.
            let mut is_stub = false;
            let mut is_there = |found: Result<bool, BlobError>| match found {
                Err(BlobError::Stub) => {
                    is_stub = true;
                    Ok(false)
                }
                found => found,
            };
            if is_there(read(layout, trash, digest, size, bytes))? {
                return Ok(true);
            }
            for other in sharers {
                let found = other.read_blob_into(digest, size, MAX_DOCUMENT_BYTES, bytes);
                if is_there(found)? {
                    return Ok(true);
                }
            }
            match is_stub {
                true => Err(BlobError::Stub),
                false => Ok(false),
            }
        };
        let entries = index.entries().iter().chain(index.subjects());
        let roots = entries.chain(&others);
        let mut graph = Graph::walk(roots.clone(), &read, progress);
        // What could not be opened, and has a name, is there.
        let gone = graph.missing_documents();
        if !gone.is_empty() {
            let others = sharers.iter().filter(|other| !layout.has_blobs_of(other));
            let of_others = others.flat_map(|other| other.named(&gone));
            let named: Vec<Digest> = layout.named(&gone).into_iter().chain(of_others).collect();
            graph.doubt(&named);
        }
        graph.set_index_subjects(index.subjects());
        let roots = roots.flat_map(|root| root.digest.iter().chain(&root.more_digests));
        graph.drop_embedded(roots, &|digest| {
            trash.contains(digest)
                || may_be_stored(layout, digest)
                || sharers.iter().any(|other| may_be_stored(other, digest))
        });
        let archive = DockerArchive::load(layout)?;
        let sharer_roots = others
            .iter()
            .flat_map(|entry| entry.digest.iter().chain(&entry.more_digests))
            .filter_map(|digest| graph.find(digest))
            .collect();
        Ok(Snapshot::of(View {
            sharer_roots,
            ..View::new(index, graph, archive)
        }))
    }

    /// Finds referrers of what it holds that no entry leads to among unreferenced blobs: stored ones
    /// that are not in the graph.
    pub fn unlisted_referrers<M>(
        &self,
        layout: &Locked<M>,
        unreferenced: &[Digest],
    ) -> UnlistedReferrers {
        let read = |digest: &Digest, bytes: &mut Vec<u8>| {
            // Nothing is deleted by this.
            let read = layout.read_json_blob(digest, MAX_UNLISTED_BYTES, bytes);
            read.unwrap_or(false)
        };
        let documents = UnlistedDocuments::read(unreferenced, &read);
        let is_there = |digest: &Digest| self.graph.find(digest).is_some();
        documents.referrers(self, &[], &is_there, &read)
    }

    /// Takes unlisted referrers into the graph, to show them. What is damaged of what they need is their
    /// own affair.
    pub fn show_unlisted<M>(&mut self, layout: &Locked<M>, unreferenced: &[Digest]) {
        let found = self.unlisted_referrers(layout, unreferenced);
        let mut referrers: Vec<&Digest> = found.referrers.iter().collect();
        referrers.sort();
        let entries: Vec<Entry> = referrers.iter().map(|digest| entry_of(digest)).collect();
        let read = |digest: &Digest, size, bytes: &mut Vec<u8>| {
            layout.read_blob_into(digest, size, MAX_DOCUMENT_BYTES, bytes)
        };
        let graph = &mut self.view.graph;
        let damaged = graph.damage.len();
        graph.extend(&entries, &read, &|_| true, &mut |_| ());
        graph.damage.truncate(damaged);
        let nodes = referrers
            .into_iter()
            .filter_map(|digest| graph.find(digest));
        self.view.unlisted = nodes.collect();
    }
}

impl Snapshot<Kinds> {
    /// Reads index.json, and of the blobs only those that tell whether an entry without a name is an
    /// image or belongs to one: enough to list images, not to delete. There are no records of
    /// images that nothing but their own entries leads to.
    ///
    /// What an image's manifest lists as a layer and index.json as an entry without a name looks
    /// like an image then.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub fn read_kinds<M>(
        layout: &Locked<M>,
        progress: &mut dyn FnMut(u64),
    ) -> anyhow::Result<Snapshot<Kinds>> {
        let index = Index::load(layout)?;
        let entries = index.entries();
        let is_asked =
            |entry: &&Entry| entry.is_belonging || entry.name().is_none_or(is_of_tag_schema);
        let is_manifest = |entry: &Entry| {
            let media_type = entry.media_type.as_deref();
            media_type.is_some_and(|text| IMAGE_MANIFESTS.contains(&text))
        };
        // Those belong to what they say they are about, if that is here.
        let asked = entries.iter().filter(is_asked);
        let about = |entry: &Entry| entry.subject.as_deref().cloned();
        let subjects: HashSet<Digest> = asked
            .filter_map(|entry| about(entry).or_else(|| named_subject(entry)))
            .collect();
        let belongings = entries.iter().filter(|entry| entry.is_belonging);
        let names: HashSet<&str> = belongings.filter_map(Entry::name).collect();
        let is_subject = |entry: &Entry| {
            let digest = entry.digest.as_ref();
            digest.is_some_and(|digest| subjects.contains(digest))
                || entry.name().is_some_and(|name| names.contains(name))
        };
        if !entries.iter().any(|entry| is_asked(&entry)) {
            let archive = DockerArchive::default();
            return Ok(Snapshot::of(View::new(index, Graph::default(), archive)));
        }
        let read = |digest: &Digest, size, bytes: &mut Vec<u8>| {
            layout.read_blob_into(digest, size, MAX_DOCUMENT_BYTES, bytes)
        };
        let asked = entries.iter().filter(is_asked);
        let nameless: HashSet<&Digest, RandomState> =
            asked.flat_map(|entry| entry.digest.iter()).collect();
        // Of what a manifest needs only what index.json lists as well may be a part.
        let is_part = |child: &Child| {
            child.class > Class::Leaf
                || matches!(child.role, Role::Manifest | Role::Subject)
                || nameless.contains(&child.digest)
        };
        // An image for one platform has no part that could stand in index.json.
        let is_read = |entry: &&Entry| is_asked(entry) || !is_manifest(entry) || is_subject(entry);
        let few = entries.iter().filter(is_read).chain(index.subjects());
        let mut graph = Graph::walk_some(few, &read, &is_part, progress);
        graph.set_index_subjects(index.subjects());
        let mut records = records_of(entries, &graph);
        // What waits in vain for something that leads to it may find it below a manifest with a name.
        if records.has_orphans(&graph) {
            let all = entries.iter().chain(index.subjects());
            graph = Graph::walk_some(all, &read, &is_part, progress);
            graph.set_index_subjects(index.subjects());
            records = records_of(entries, &graph);
        }
        Ok(Snapshot::of(View {
            index,
            graph,
            records,
            ..View::default()
        }))
    }
}

impl Snapshot<Trashed> {
    /// What entries of a removal in the trash lead to, as if index.json had these and no others;
    /// `documents` lead to something, too, and are `sharer_roots`.
    pub fn of_removal<M>(
        layout: &Locked<M>,
        trash: &Trash,
        entries: &[RemovedEntry],
        documents: &[Digest],
    ) -> Snapshot<Trashed> {
        let mut text = "{\"manifests\":[".to_owned();
        for (number, removed) in entries.iter().enumerate() {
            text.push_str(if number == 0 { "" } else { "," });
            text.push_str(removed.entry.get());
        }
        text.push_str("]}");
        // Every entry is JSON, so the list is one.
        let index = Index::parse(text.into_bytes()).unwrap_or_default();
        let read =
            |digest: &Digest, size, bytes: &mut Vec<u8>| read(layout, trash, digest, size, bytes);
        let others: Vec<Entry> = documents.iter().map(entry_of).collect();
        let graph = Graph::walk(index.entries().iter().chain(&others), &read, &mut |_| ());
        let sharer_roots = documents.iter().filter_map(|digest| graph.find(digest));
        Snapshot::of(View {
            sharer_roots: sharer_roots.collect(),
            ..View::new(index, graph, DockerArchive::default())
        })
    }
}

impl Snapshot<Names> {
    /// Reads index.json and the archive, but no blob: enough to find names, not to delete.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub fn read_names<M>(layout: &Locked<M>) -> anyhow::Result<Snapshot<Names>> {
        let index = Index::load(layout)?;
        Ok(Snapshot::of_index(index, DockerArchive::load(layout)?))
    }

    /// What an index says by itself.
    pub fn of_index(index: Index, archive: DockerArchive) -> Snapshot<Names> {
        let entries = index.entries().iter().chain(index.subjects());
        let mut graph = Graph::walk(entries, &|_, _, _| Ok(false), &mut |_| ());
        graph.set_index_subjects(index.subjects());
        Snapshot::of(View::new(index, graph, archive))
    }
}

impl<R> Snapshot<R> {
    /// What can be asked of it, without what says how much was read.
    pub fn into_view(self) -> View {
        self.view
    }

    fn of(view: View) -> Snapshot<R> {
        Snapshot {
            view,
            read: PhantomData,
        }
    }
}

/// An entry that says nothing but a digest.
fn entry_of(digest: &Digest) -> Entry {
    Entry {
        digest: Some(digest.clone()),
        ..Entry::default()
    }
}

/// Whether the layout has the file of a blob, or may have it.
fn may_be_stored<M>(layout: &Locked<M>, digest: &Digest) -> bool {
    !matches!(layout.measure_blob(digest, None), Ok(Presence::Missing))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A snapshot of a layout in memory, whose documents were all read.
    pub(crate) fn whole(index: Index, graph: Graph) -> Snapshot<Whole> {
        Snapshot::of(View::new(index, graph, DockerArchive::default()))
    }
}
