//! The record of a removal: what `--trash` took from index.json, and what images lost.
//!
//! It is JSON that a person can read, and everything of other people's in it is their text, byte
//! for byte: an entry comes back as it was. The blobs lie beside it, see [`crate::layout::Trash`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::index::{EntryEdit, Index, Spacing};
use crate::layout::{DockerFile, RemovalId, RootEdit, Trash};
use crate::value::digest::Digest;

/// The version of the record that is written and understood.
const VERSION: u32 = 1;

/// What one run took away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrashRecord {
    version: u32,
    /// When they went.
    pub removed: Timestamp,
    /// The command that took them away; `None`: whoever wrote the record did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Entries of index.json, in their order.
    #[serde(rename = "rows")]
    pub entries: Vec<RemovedEntry>,
    /// How index.json separated its entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing: Option<Spacing>,
    /// Manifests that images lost although their indexes go on listing them.
    #[serde(default, rename = "cuts")]
    pub removed_parts: Vec<RemovedPartsOf>,
    /// Other files of the layout that changed.
    #[serde(default)]
    pub files: Vec<OldFile>,
    /// Digests of the manifests and indexes that went. What they need must not be deleted.
    #[serde(default)]
    pub documents: Vec<String>,
    /// Digests of what the images needed and neither the layout nor the trash had: sparse images come
    /// back as sparse as they were. `None`: whoever wrote the record did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
}

/// An entry of index.json that went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemovedEntry {
    /// Where it stood, counted from 0.
    pub position: usize,
    /// Its text.
    pub entry: Arc<RawValue>,
    /// The text of what stands there since, if it was changed and not removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Arc<RawValue>>,
}

/// What an image lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedPartsOf {
    /// The digest of its index.
    pub image: String,
    /// The digests of the manifests.
    pub manifests: Vec<String>,
}

/// A file of an unpacked `docker save`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldFile {
    /// Its name in the layout's root.
    pub name: String,
    /// Its text before.
    pub old: String,
    /// Its text since.
    pub new: String,
}

impl OldFile {
    /// The edit that brings the old text back, if it is a file that is ever changed here.
    pub fn undone(&self) -> Option<RootEdit> {
        let known = [DockerFile::Manifest, DockerFile::Repositories];
        Some(RootEdit {
            file: known.into_iter().find(|file| file.name() == self.name)?,
            old: self.new.clone().into_bytes(),
            new: self.old.clone().into_bytes(),
        })
    }
}

impl TrashRecord {
    /// The record of a change of index.json, of other files, and of images that lose parts. `documents`
    /// are those that go, and `missing` what the images lacked.
    pub fn new(
        removed: Timestamp,
        index: &Index,
        edits: &BTreeMap<usize, EntryEdit>,
        removed_parts: &[(Digest, Vec<Digest>)],
        files: &[RootEdit],
        documents: Vec<String>,
        missing: &[Digest],
    ) -> TrashRecord {
        let raw = |text: &str| -> Option<Arc<RawValue>> {
            Some(RawValue::from_string(text.to_owned()).ok()?.into())
        };
        let entries = edits.iter().filter_map(|(position, edit)| {
            let new = index.edited_entry(*position, edit);
            Some(RemovedEntry {
                position: *position,
                entry: raw(index.entry_text(*position))?,
                replaced_by: new.as_deref().and_then(raw),
            })
        });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let removed_parts = removed_parts.iter().map(|(image, lost)| RemovedPartsOf {
            image: image.to_string(),
            manifests: lost.iter().map(Digest::to_string).collect(),
        });
        let files = files.iter().map(|edit| OldFile {
            name: edit.file.name().to_owned(),
            old: text(&edit.old),
            new: text(&edit.new),
        });
        TrashRecord {
            version: VERSION,
            removed,
            command: None,
            entries: entries.collect(),
            spacing: Some(index.spacing()),
            removed_parts: removed_parts.collect(),
            files: files.collect(),
            documents,
            missing: Some(missing.iter().map(Digest::to_string).collect()),
        }
    }

    /// Reads the bytes of a record; `None` if it is none that is understood.
    pub fn parse(bytes: &[u8]) -> Option<TrashRecord> {
        let mut record: TrashRecord = serde_json::from_slice(bytes).ok()?;
        // It becomes part of index.json, and files can be edited.
        record.spacing = record.spacing.filter(Spacing::is_blank);
        (record.version == VERSION).then_some(record)
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        // Texts and numbers can always be written.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.removed_parts.is_empty() && self.files.is_empty()
    }
}

/// The records of a trash that are understood, oldest first.
pub fn records(trash: &Trash) -> Vec<(&RemovalId, TrashRecord)> {
    let removals = trash.removals().iter();
    removals
        .filter_map(|removal| Some((&removal.id, TrashRecord::parse(removal.record.bytes()?)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_byte_for_byte() {
        let entry = "{ \"digest\" : \"sha256:0\",\n\t\"x\":1e999, \"x\":\"\\ud800\" }";
        let index = Index::parse(format!("{{\"manifests\":[{entry}]}}").into_bytes()).unwrap();
        let edits = BTreeMap::from([(0, EntryEdit::Remove)]);
        let record = TrashRecord::new(
            Timestamp::UNIX_EPOCH,
            &index,
            &edits,
            &[],
            &[],
            Vec::new(),
            &[],
        );
        let read = TrashRecord::parse(&record.bytes()).unwrap();
        assert_eq!(read.entries[0].entry.get(), entry);
        assert_eq!(read.entries[0].position, 0);
        assert!(read.entries[0].replaced_by.is_none());
    }

    #[test]
    fn records_of_other_versions_are_not_understood() {
        assert!(
            TrashRecord::parse(br#"{"version":2,"removed":"2026-01-01T00:00:00Z","rows":[]}"#)
                .is_none()
        );
        assert!(TrashRecord::parse(b"").is_none());
    }
}
