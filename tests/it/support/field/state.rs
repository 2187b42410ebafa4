//! What a layout holds at one moment, found without the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::base64::from_base64;
use super::described::digest_by;
use crate::support::contents::blob_path;
use crate::support::names::{DANGLING, NAME, REF};
use crate::support::tree::{Content, Tree};

/// A blob that is larger is not read for what it leads to.
const LARGEST_DOCUMENT: u64 = 32 << 20;

pub(crate) struct State {
    pub(crate) root: PathBuf,
    /// The bytes of index.json.
    pub(crate) raw: Vec<u8>,
    pub(crate) doc: Value,
    pub(crate) rows: Vec<Value>,
    pub(crate) tree: Tree,
    /// The digests that have a file.
    pub(crate) present: BTreeSet<String>,
}

impl State {
    pub(crate) fn of(root: &Path) -> Result<Self, String> {
        let broken = |e: &dyn std::fmt::Display| format!("index.json cannot be read any more: {e}");
        let raw = fs::read(root.join("index.json")).map_err(|e| broken(&e))?;
        let doc: Value = serde_json::from_slice(&raw).map_err(|e| broken(&e))?;
        let tree = Tree::of(root);
        let files = tree
            .items
            .iter()
            .filter(|(_, item)| item.content != Content::Folder);
        Ok(State {
            root: root.to_owned(),
            rows: doc["manifests"].as_array().cloned().unwrap_or_default(),
            present: files.filter_map(|(path, _)| digest_of_path(path)).collect(),
            raw,
            doc,
            tree,
        })
    }

    /// The bytes that a descriptor stands for, from its file or from its `data`.
    fn bytes(&self, descriptor: &Value) -> Option<Vec<u8>> {
        let digest = descriptor["digest"].as_str()?;
        if is_digest(digest) {
            let path = blob_path(&self.root, digest);
            let meta = fs::metadata(&path).ok();
            if meta.is_some_and(|meta| meta.is_file() && meta.len() < LARGEST_DOCUMENT) {
                return fs::read(path).ok();
            }
        }
        let data = from_base64(descriptor["data"].as_str()?)?;
        is_of(digest, &data).then_some(data)
    }

    /// All digests that these descriptors lead to, themselves included.
    pub(crate) fn reach<'a>(
        &self,
        descriptors: impl IntoIterator<Item = &'a Value>,
    ) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<Value> = descriptors.into_iter().cloned().collect();
        while let Some(descriptor) = todo.pop() {
            let Some(digest) = descriptor["digest"].as_str() else {
                continue;
            };
            if !seen.insert(digest.to_owned()) {
                continue;
            }
            let Some(bytes) = self.bytes(&descriptor) else {
                continue;
            };
            if bytes.first() != Some(&b'{') || !is_of(digest, &bytes) {
                continue;
            }
            let Ok(document) = serde_json::from_slice::<Value>(&bytes) else {
                continue;
            };
            for key in ["manifests", "layers", "blobs"] {
                todo.extend(document[key].as_array().into_iter().flatten().cloned());
            }
            todo.extend(["config", "subject"].map(|key| document[key].clone()));
        }
        seen
    }
}

/// The name of an entry: nothing where there is none, `~` for one that was made dangling.
pub(crate) fn row_name(row: &Value) -> &str {
    let annotation = |key: &str| {
        row["annotations"][key]
            .as_str()
            .filter(|name| !name.is_empty())
    };
    let name = annotation(NAME)
        .or_else(|| annotation(REF))
        .unwrap_or_default();
    match name.strip_prefix(DANGLING) {
        Some(digest) if row["digest"] == digest => "~",
        _ => name,
    }
}

fn is_of(digest: &str, data: &[u8]) -> bool {
    let alg = digest.split(':').next().unwrap_or_default();
    digest_by(alg, data).as_deref() == Ok(digest)
}

fn is_digest(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.split_once(':').is_some_and(|(alg, digits)| {
        let alg_fits = alg
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        !alg.is_empty() && alg_fits && !digits.is_empty() && digits.bytes().all(hex)
    })
}

/// The digest that a file of this path has to have, or nothing if it is none of a blob.
pub(crate) fn digest_of_path(path: &str) -> Option<String> {
    let (alg, digits) = path.strip_prefix("blobs/")?.split_once('/')?;
    let digest = format!("{alg}:{digits}");
    is_digest(&digest).then_some(digest)
}
