//! What a layout holds by now, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::command::Finished;
use super::index_document::IndexDocument;
use super::tree::{Tree, blob_digest};

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn digest_of(data: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex(&Sha256::digest(data)))
}

/// A path as an argument of a program.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().expect("a path that a test chose")
}

/// The digests of the blobs of a layout.
pub(crate) fn blobs(layout: &Path) -> BTreeSet<String> {
    blobs_in(&Tree::of(layout))
}

pub(crate) fn blobs_in(layout: &Tree) -> BTreeSet<String> {
    let paths = layout.items.keys();
    paths.filter_map(|path| blob_digest(path)).collect()
}

pub(crate) fn blob_path(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// index.json as it is now, or what is wrong with it.
pub(crate) fn read_index(layout: &Path) -> Result<IndexDocument, String> {
    let data = fs::read(layout.join("index.json")).map_err(|e| format!("index.json: {e}"))?;
    IndexDocument::read(data).map_err(|e| format!("index.json: {e}"))
}

/// index.json as it is now.
#[track_caller]
pub(crate) fn index(layout: &Path) -> IndexDocument {
    read_index(layout).unwrap_or_else(|e| panic!("{}: {e}", layout.display()))
}

/// The names of the rows in their order; `-` where there is none.
#[track_caller]
pub(crate) fn names(layout: &Path) -> Vec<String> {
    let rows = index(layout).rows;
    rows.into_iter()
        .map(|row| row.name.unwrap_or_else(|| "-".to_owned()))
        .collect()
}

/// What the rows lead to, in their order.
#[track_caller]
pub(crate) fn targets(layout: &Path) -> Vec<String> {
    let rows = index(layout).rows;
    rows.into_iter().map(|row| row.digest).collect()
}

/// The digest in a descriptor.
pub(crate) fn digest(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().expect("a descriptor")
}

/// The first twelve digits of the digest in a descriptor.
pub(crate) fn id(descriptor: &Value) -> &str {
    &digest(descriptor)["sha256:".len()..][..12]
}

/// The texts in a list of a JSON object.
pub(crate) fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(Value::as_str).collect()
}

/// One member of each object in a list.
pub(crate) fn members<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| item[key].as_str()).collect()
}

/// A document of a layout, which is what its digest says.
#[track_caller]
pub(crate) fn document(layout: &Path, digest: &str) -> Value {
    let bytes = fs::read(blob_path(layout, digest)).expect("a blob of the layout");
    assert_eq!(digest_of(&bytes), digest, "a blob is what its name says");
    serde_json::from_slice(&bytes).expect("a document")
}

/// The bytes of all blobs of a layout, for comparing later.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stock(pub(crate) BTreeMap<String, Vec<u8>>);

impl Stock {
    pub(crate) fn of(layout: &Path) -> Stock {
        let read = |digest: String| {
            let bytes = fs::read(blob_path(layout, &digest)).expect("a blob of the layout");
            (digest, bytes)
        };
        Stock(blobs(layout).into_iter().map(read).collect())
    }

    pub(crate) fn digests(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// What these digests lead to, themselves included, as far as the layout had it. By the simplest means: every
    /// digest in the text of a blob counts, which may be more than a program follows, and never less.
    pub(crate) fn below<T: Into<String>>(
        &self,
        start: impl IntoIterator<Item = T>,
    ) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut todo: Vec<String> = start.into_iter().map(Into::into).collect();
        while let Some(digest) = todo.pop() {
            if let Some(bytes) = self.0.get(&digest)
                && found.insert(digest)
            {
                todo.extend(digests_in(&String::from_utf8_lossy(bytes)));
            }
        }
        found
    }
}

/// Every digest in a text.
pub(crate) fn digests_in(text: &str) -> BTreeSet<String> {
    let found = text.match_indices("sha256:");
    found
        .filter_map(|(at, _)| text.get(at..at + "sha256:".len() + 64))
        .map(str::to_owned)
        .collect()
}

/// Nothing is left of the work of the program: no file of its own, no lock.
#[track_caller]
pub(crate) fn assert_no_leftovers(layout: &Path, finished: &Finished) {
    let tree = Tree::of(layout);
    let paths = tree.items.keys();
    let left: Vec<&String> = paths
        .filter(|path| path.contains(".ocirm-tmp") || path.ends_with(".lock"))
        .collect();
    assert!(left.is_empty(), "{left:?}\n{finished}");
}
