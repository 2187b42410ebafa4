//! Writes a described layout to the disk: its blobs, its faults, its files, and when each was last modified.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::described::Described;
use super::json::Json;
use crate::support::contents::blob_path;

/// When every file was last modified, unless `mtimes` says otherwise.
const OLD: &str = "2023-11-14T22:13:20Z";

impl Described {
    pub(crate) fn write(&self, root: &Path) -> Result<(), String> {
        let folder = root.join("blobs/sha256");
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        write(
            &root.join("oci-layout"),
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        let paths: BTreeSet<PathBuf> = self.names.values().map(|d| blob_path(root, d)).collect();
        for (digest, data) in &self.data {
            write(&blob_path(root, digest), data)?;
        }
        let mut spoilt = BTreeSet::new();
        for (pattern, fault) in self.spec.faults.iter() {
            for name in self.parts(pattern)? {
                let digest = self.digest(&name)?;
                if spoilt.insert(digest.to_owned()) {
                    spoil(&blob_path(root, digest), fault, &self.data[digest])?;
                }
            }
        }
        for (path, content) in self.spec.files.iter() {
            let content = match content {
                Json::Text(text) => self.expand(text)?,
                other => self.deep(other)?.spaced(),
            };
            write(&root.join(path), content.as_bytes())?;
        }
        write(&root.join("index.json"), self.index_json()?.as_bytes())?;
        let old = self.seconds(&OLD.into())?;
        let mut times: BTreeMap<PathBuf, i64> = paths.into_iter().map(|path| (path, old)).collect();
        for (pattern, time) in self.spec.mtimes.iter() {
            for name in self.parts(pattern)? {
                times.insert(blob_path(root, self.digest(&name)?), self.seconds(time)?);
            }
        }
        for name in ["index.json", "oci-layout"] {
            times.insert(root.join(name), old);
        }
        for (path, time) in times {
            if fs::symlink_metadata(&path).is_ok() {
                let time = Timespec {
                    tv_sec: time,
                    tv_nsec: 0,
                };
                let both = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                utimensat(CWD, &path, &both, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
        Ok(())
    }

    /// A time as text, as a number, or as `ago:SECONDS`, in seconds since 1970.
    fn seconds(&self, time: &Json) -> Result<i64, String> {
        let bad = || format!("the time {}", time.compact());
        match time {
            Json::Number(number) => number.as_i64().ok_or_else(bad),
            Json::Text(text) => match text.strip_prefix("ago:") {
                Some(seconds) => Ok(self.now - seconds.parse::<i64>().map_err(|_| bad())?),
                None => Ok(text.parse::<Timestamp>().map_err(|_| bad())?.as_second()),
            },
            _ => Err(bad()),
        }
    }
}

fn write(path: &Path, data: &[u8]) -> Result<(), String> {
    let folder = path.parent().expect("a file in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, data))
        .map_err(|e| format!("{}: {e}", path.display()))
}

fn spoil(path: &Path, fault: &str, data: &[u8]) -> Result<(), String> {
    fs::remove_file(path).map_err(|e| format!("{}: {e}", path.display()))?;
    if let Some(target) = fault.strip_prefix("symlink:") {
        return std::os::unix::fs::symlink(target, path)
            .map_err(|e| format!("{}: {e}", path.display()));
    }
    match fault {
        "remove" => Ok(()),
        "empty" => write(path, b""),
        "truncate" => write(path, &data[..data.len() / 2]),
        // The same length, still JSON at the beginning, another digest.
        "garble" => {
            let flipped = data
                .iter()
                .enumerate()
                .map(|(i, b)| if i == 0 { *b } else { b ^ 1 });
            write(path, &flipped.collect::<Vec<_>>())
        }
        // One letter changed: JSON that can be read, another digest.
        "flip" => {
            let key = b"schemaVersion";
            let mut flipped = data.to_vec();
            match data.windows(key.len()).position(|part| part == key) {
                Some(at) => flipped[at + key.len() - 1] = b'N',
                None => *flipped.last_mut().ok_or("nothing to flip")? ^= 1,
            }
            write(path, &flipped)
        }
        other => Err(format!("the fault {other}")),
    }
}
