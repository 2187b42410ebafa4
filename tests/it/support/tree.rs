//! What a directory looks like, and what became different. Nothing but regular files is ever opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::contents::hex;

/// The permission bits of a mode, with set-user-ID and its like.
const PERMISSIONS: u32 = 0o7777;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    File { size: u64, sha256: String },
    Folder,
    Link(PathBuf),
    Fifo,
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) content: Content,
    pub(crate) mode: u32,
    modified: (i64, i64),
}

impl Item {
    /// Bytes of a file; nothing for everything else.
    pub(crate) fn size(&self) -> u64 {
        match self.content {
            Content::File { size, .. } => size,
            _ => 0,
        }
    }
}

/// A directory, which is `.` here, and everything below it, by path.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) items: BTreeMap<String, Item>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    Gone,
    New,
    Mode,
    Content,
    Time,
}

/// A path that is not as it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) what: What,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Gone => "is gone",
            What::New => "is new",
            What::Mode => "has another mode",
            What::Content => "has another content",
            What::Time => "has another modification time",
        };
        write!(f, "{} {what}", self.path)
    }
}

impl Tree {
    pub(crate) fn of(root: &Path) -> Self {
        Self::without(root, "")
    }

    /// The tree without the folder of that name in its root.
    pub(crate) fn without(root: &Path, skip: &str) -> Self {
        let mut items = BTreeMap::new();
        read(root, "", skip, &mut items);
        let meta = fs::metadata(root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
        items.insert(".".to_owned(), item(Content::Folder, &meta));
        Tree { items }
    }

    /// What happened to the files. The times of folders do not count: a file may come and go in them.
    pub(crate) fn changes(&self, after: &Tree) -> Vec<Change> {
        self.compare(after, false)
    }

    /// Everything that happened, and that something came and went again.
    pub(crate) fn traces(&self, after: &Tree) -> Vec<Change> {
        self.compare(after, true)
    }

    fn compare(&self, after: &Tree, with_folder_times: bool) -> Vec<Change> {
        let paths: BTreeSet<&String> = self.items.keys().chain(after.items.keys()).collect();
        paths
            .into_iter()
            .filter_map(|path| {
                let what = match (self.items.get(path), after.items.get(path)) {
                    (Some(_), None) => What::Gone,
                    (None, Some(_)) => What::New,
                    (Some(old), Some(new)) if old.mode != new.mode => What::Mode,
                    (Some(old), Some(new)) if old.content != new.content => What::Content,
                    (Some(old), Some(new)) if old.modified != new.modified => {
                        if old.content == Content::Folder && !with_folder_times {
                            return None;
                        }
                        What::Time
                    }
                    _ => return None,
                };
                Some(Change {
                    path: path.clone(),
                    what,
                })
            })
            .collect()
    }
}

fn read(folder: &Path, prefix: &str, skip: &str, items: &mut BTreeMap<String, Item>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let entry = entry.expect("an entry of a test's own directory");
        let name = entry.file_name();
        let name = name.to_str().expect("a name that a test chose");
        if prefix.is_empty() && name == skip {
            continue;
        }
        let path = entry.path();
        let relative = format!("{prefix}{name}");
        let meta =
            fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let kind = meta.file_type();
        let content = if kind.is_file() {
            let data = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            Content::File {
                size: meta.len(),
                sha256: hex(&Sha256::digest(data)),
            }
        } else if kind.is_dir() {
            read(&path, &format!("{relative}/"), skip, items);
            Content::Folder
        } else if kind.is_symlink() {
            Content::Link(fs::read_link(&path).expect("a link that was just seen"))
        } else if kind.is_fifo() {
            Content::Fifo
        } else {
            Content::Other
        };
        items.insert(relative, item(content, &meta));
    }
}

fn item(content: Content, meta: &Metadata) -> Item {
    Item {
        content,
        mode: meta.mode() & PERMISSIONS,
        modified: (meta.mtime(), meta.mtime_nsec()),
    }
}

/// The digest that a blob file of this path has to have, or nothing if the path is none of a blob.
pub(crate) fn blob_digest(path: &str) -> Option<String> {
    let (algorithm, digits) = path.strip_prefix("blobs/")?.split_once('/')?;
    let length = match algorithm {
        "sha256" => 64,
        "sha512" => 128,
        _ => return None,
    };
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (digits.len() == length && digits.bytes().all(is_hex)).then(|| format!("{algorithm}:{digits}"))
}
