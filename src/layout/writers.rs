//! Other programs at work: most tools write into a temporary file in the layout and rename it then, and
//! take no lock. Such a file that is young says that one of them is writing now. What counts is when its
//! content was last modified, since whoever writes modifies it: what lies in a layout that was copied or
//! unpacked a moment ago is left over from work that ended elsewhere.
//!
//! | tool | temporary files |
//! |---|---|
//! | skopeo, podman, buildah | `oci-put-blob…` |
//! | umoci | `.umoci-…/` |
//! | oras, containerd, BuildKit | `ingest/…` |
//! | zot | `.uploads/…` |
//! | regctl | `blobs/<algorithm>/….tmp`, `index.json.….tmp` |
//! | crane and what is made of the same library | `blobs/<algorithm>/<hex><digits>`, `…/<digits>` |
//! | rsync | `.index.json.…`, `blobs/<algorithm>/.<hex>.…` |
//! | several libraries | `.tmp…`, `….tmp`, a UUID, `….part`, `….partial` |

use std::os::fd::AsFd;

use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, Stat};

use super::Locked;
use super::blob_dirs::open_dir;
use crate::files::directory::each_file;
use crate::files::stat::modified;
use crate::files::temporary::TEMPORARY;

/// Where tools make temporary files, as directories that may stay when those are gone.
const WORKSHOPS: [&str; 2] = ["ingest", ".uploads"];

/// How umoci and containerd begin the names of temporary directories.
const DIRECTORIES: [&str; 2] = [".umoci-", ".fsverity-check-"];

/// What a name in the layout's root is to somebody who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// A temporary file.
    File,
    /// A temporary directory.
    Directory,
    /// A directory that stays; what is in it is temporary.
    Workshop,
}

impl Sign {
    fn of(name: &str) -> Option<Sign> {
        if name.starts_with(TEMPORARY) {
            return None;
        }
        if WORKSHOPS.contains(&name) {
            Some(Sign::Workshop)
        } else if DIRECTORIES.iter().any(|begin| name.starts_with(begin)) {
            Some(Sign::Directory)
        } else if is_file_in_the_root(name) {
            Some(Sign::File)
        } else {
            None
        }
    }
}

fn is_file_in_the_root(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let copy_of_index = name.strip_prefix("index.json.");
    name.starts_with("oci-put-blob")
        || name.starts_with(".index.json")
        || copy_of_index.is_some_and(is_number)
        || has_a_usual_form(name)
        || is_uuid(name)
}

/// Whether libraries for temporary files make such names.
fn has_a_usual_form(name: &str) -> bool {
    name.starts_with(".tmp")
        || [".tmp", ".part", ".partial"]
            .iter()
            .any(|end| name.ends_with(end))
}

fn is_uuid(name: &str) -> bool {
    let mut parts = name.split('-');
    let lengths = [8, 4, 4, 4, 12];
    let is_hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    lengths.iter().all(|length| {
        parts
            .next()
            .is_some_and(|p| p.len() == *length && is_hex(p))
    }) && parts.next().is_none()
}

/// Whether a name beside blobs is that of a blob that is not finished.
fn is_unfinished_blob(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    let are_digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    // How many hex digits digests have.
    let digest_and_digits = [64, 96, 128].iter().any(|length| {
        let split = bytes.split_at_checked(*length);
        split.is_some_and(|(digest, rest)| is_hex(digest) && are_digits(rest))
    });
    // What a stream is written to gets its name when its digest is known.
    let is_stream = bytes.len() <= 20 && are_digits(bytes);
    let of_rsync = bytes
        .strip_prefix(b".")
        .and_then(|rest| rest.split_at_checked(64));
    !name.starts_with(TEMPORARY)
        && (digest_and_digits
            || is_stream
            || of_rsync.is_some_and(|(digest, _)| is_hex(digest))
            || has_a_usual_form(name))
}

/// Whether a name in the layout's root is that of a directory that stays, in which other programs work.
pub(super) fn is_workshop(name: &str) -> bool {
    WORKSHOPS.contains(&name)
}

/// Whether a path within a layout, of what is no part of it, is that of unfinished work of some tool.
pub(crate) fn is_unfinished_work(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match folder {
        "" => name.starts_with(TEMPORARY) || Sign::of(name).is_some_and(|s| s != Sign::Workshop),
        _ if folder.starts_with("blobs") => name.starts_with(TEMPORARY) || is_unfinished_blob(name),
        _ => WORKSHOPS.contains(&folder),
    }
}

impl<M> Locked<M> {
    /// The path within the layout of a temporary file that another program wrote to after this time. Looks at the root, and not at what lies beside blobs: see
    /// [`Locked::list_blobs_and_writers`].
    pub(crate) fn find_writer(&self, since: Timestamp) -> Option<String> {
        let mut signs: Vec<(String, Sign)> = Vec::new();
        // Where nothing can be listed nothing can be seen.
        let _ = each_file(&self.layout.dir, &mut |name, _| {
            if let Ok(name) = std::str::from_utf8(name)
                && let Some(sign) = Sign::of(name)
            {
                signs.push((name.to_owned(), sign));
            }
        });
        signs.sort_by(|a, b| a.0.cmp(&b.0));
        let root = &self.layout.dir;
        signs.iter().find_map(|(name, sign)| {
            let is_young = |kind: FileType| is_young(root, name, kind, since);
            let inside = |depth| young_inside(root, name, depth, since);
            match sign {
                Sign::File => is_young(FileType::RegularFile).then(|| name.clone()),
                Sign::Directory if is_young(FileType::Directory) => Some(name.clone()),
                Sign::Directory => inside(1),
                // Each piece of work may have a directory of its own there.
                Sign::Workshop => inside(2),
            }
        })
    }
}

/// Whether the name of something beside the blobs of an algorithm is that of a file that another
/// program wrote to after this time, to make a blob of it.
pub(super) fn is_writer_beside_blobs(dir: impl AsFd, name: &[u8], since: Timestamp) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| {
        is_unfinished_blob(name) && is_young(dir, name, FileType::RegularFile, since)
    })
}

fn is_young(dir: impl AsFd, name: &str, kind: FileType, since: Timestamp) -> bool {
    stat_of(dir, name).is_some_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == kind && modified(&stat) > since
    })
}

fn stat_of(dir: impl AsFd, name: &str) -> Option<Stat> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()
}

/// The path of something in a directory that was modified after this time. In directories it looks only
/// so deep.
fn young_inside(parent: impl AsFd, folder: &str, depth: u8, since: Timestamp) -> Option<String> {
    let name = std::ffi::CString::new(folder).ok()?;
    let dir = open_dir(parent, &name).ok()??.dir;
    let mut names: Vec<String> = Vec::new();
    let _ = each_file(&dir, &mut |name, _| {
        if let Ok(name) = std::str::from_utf8(name) {
            names.push(name.to_owned());
        }
    });
    names.sort();
    names.iter().find_map(|name| {
        let stat = stat_of(&dir, name)?;
        let below = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Directory if modified(&stat) > since => {
                Some(name.clone())
            }
            FileType::Directory if depth > 1 => young_inside(&dir, name, depth - 1, since),
            _ => None,
        };
        Some(format!("{folder}/{}", below?))
    })
}

#[cfg(test)]
mod tests {
    use super::{Sign, is_unfinished_blob, is_unfinished_work};

    /// FR31: the temporary files of tools are known by their names, and nothing else is one.
    #[test]
    fn temporary_files_of_tools_are_known_by_their_names() {
        for (name, sign) in [
            ("oci-put-blob1234567", Some(Sign::File)),
            (".umoci-a8f2", Some(Sign::Directory)),
            (".fsverity-check-12", Some(Sign::Directory)),
            ("ingest", Some(Sign::Workshop)),
            (".uploads", Some(Sign::Workshop)),
            ("index.json.x7f.tmp", Some(Sign::File)),
            ("index.json.2837465", Some(Sign::File)),
            (".index.json.a7Fq2z", Some(Sign::File)),
            (".tmpAbC123", Some(Sign::File)),
            ("x.partial", Some(Sign::File)),
            ("6f1c1ac0-93a8-4a1c-8b0d-6a1c5f2e9d10", Some(Sign::File)),
            ("index.json.lock", None),
            ("index.json.bak", None),
            ("index.json.", None),
            ("index.json", None),
            ("index.lock", None),
            ("oci-layout", None),
            ("blobs", None),
            (".ocirm-trash", None),
            (".ocirm.lock", None),
            (".ocirm-tmp-1.tmp", None),
            ("README.md", None),
            ("6f1c1ac0-93a8-4a1c-8b0d", None),
        ] {
            assert_eq!(Sign::of(name), sign, "{name}");
        }
        let hex = "0123456789abcdef".repeat(4);
        for (name, is_one) in [
            (format!("{hex}1234"), true),
            ("123456789".to_owned(), true),
            (format!("{hex}.a1.tmp"), true),
            ("a1.tmp".to_owned(), true),
            (format!(".{hex}.Ab3Xyz"), true),
            (hex.clone(), false),
            (format!("{hex}{hex}"), false),
            (format!("{hex}x"), false),
            ("README".to_owned(), false),
            (".ocirm-tmp-7.tmp".to_owned(), false),
        ] {
            assert_eq!(is_unfinished_blob(&name), is_one, "{name}");
        }
    }

    #[test]
    fn check_knows_temporary_files_wherever_they_are() {
        for (path, is_one) in [
            ("oci-put-blob1", true),
            ("ingest/data", true),
            ("ingest", false),
            (".ocirm-tmp-4-x", true),
            ("blobs/sha256/.ocirm-tmp-4-x", true),
            ("blobs/sha256/a.tmp", true),
            ("blobs/sha256/README", false),
            ("notes", false),
        ] {
            assert_eq!(is_unfinished_work(path), is_one, "{path}");
        }
    }
}
