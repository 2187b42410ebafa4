//! Where generated blobs go: `blobs/sha256` of a layout, all of them or chosen ones.
//!
//! The digest of a blob is always computed, so that documents come out the same when only a few
//! blobs are written.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags, Timespec, Timestamps};
use sha2::{Digest as _, Sha256};

/// A sha256 digest.
pub(crate) type Digest = [u8; 32];

/// The name of a blob's file: 64 hex digits.
pub(crate) fn hex(digest: &Digest) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// A blob as documents refer to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    /// Bytes.
    pub(crate) size: u64,
}

/// Unix time that files claim to be from, in seconds: 2024-01-01. The time of the last status
/// change cannot be set.
const MODIFIED: i64 = 1_704_067_200;

/// Layers with more zeros than this many bytes become sparse files.
const SPARSE: usize = 1 << 16;

/// A tar archive ends with this many zero bytes.
const TAR_END: usize = 1024;

/// The directory `blobs/sha256` while it is filled.
pub(crate) struct BlobStore {
    dir: OwnedFd,
    only: Option<HashSet<Digest>>,
    /// What every layer begins with: the tar header of its one file, and that file's zeros.
    head: Vec<u8>,
    zeros: usize,
    hashed_head: Sha256,
    /// Bytes of each layer.
    layer_size: u64,
    /// How many blobs were put, written or not.
    pub(crate) blobs: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

impl BlobStore {
    /// Fills the existing directory `dir`. Layers hold one file of `payload` bytes, rounded up to
    /// whole blocks of 512. With `only`, other blobs are not written.
    pub(crate) fn new(
        dir: &Path,
        payload: usize,
        only: Option<HashSet<Digest>>,
    ) -> io::Result<BlobStore> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(dir, flags, Mode::empty())?;
        let payload = payload.max(1).next_multiple_of(512);
        let mut header = tar::Header::new_ustar();
        header.set_path("content")?;
        header.set_mode(0o644);
        header.set_mtime(MODIFIED.unsigned_abs());
        header.set_size(payload as u64);
        header.set_cksum();
        let zeros = payload - 512;
        let mut head = header.as_bytes().to_vec();
        let layer_size = (head.len() + payload + TAR_END) as u64;
        let mut hashed_head = Sha256::new_with_prefix(&head);
        let block = [0; 512];
        for _ in 0..zeros / 512 {
            hashed_head.update(block);
        }
        if zeros <= SPARSE {
            head.resize(head.len() + zeros, 0);
        }
        Ok(BlobStore {
            dir,
            only,
            head,
            zeros,
            hashed_head,
            layer_size,
            blobs: 0,
            bytes: 0,
        })
    }

    /// Puts a document.
    pub(crate) fn document(&mut self, text: &str) -> io::Result<Blob> {
        let digest = Sha256::digest(text).into();
        let blob = self.count(digest, text.len() as u64);
        if let Some(mut file) = self.create(&digest)? {
            file.write_all(text.as_bytes())?;
            make_old(&file)?;
        }
        Ok(blob)
    }

    /// Puts a layer: a valid tar archive that is unlike those with other labels. Labels are at most
    /// 512 bytes long.
    pub(crate) fn layer(&mut self, label: &str) -> io::Result<Blob> {
        let mut tail = [0; 512 + TAR_END];
        tail[..label.len()].copy_from_slice(label.as_bytes());
        let digest = self.hashed_head.clone().chain_update(tail).finalize();
        let digest = digest.into();
        let blob = self.count(digest, self.layer_size);
        if let Some(mut file) = self.create(&digest)? {
            if self.zeros <= SPARSE {
                let mut bytes = Vec::with_capacity(self.head.len() + tail.len());
                bytes.extend_from_slice(&self.head);
                bytes.extend_from_slice(&tail);
                file.write_all(&bytes)?;
            } else {
                file.write_all(&self.head)?;
                file.write_all_at(&tail, self.layer_size - tail.len() as u64)?;
            }
            make_old(&file)?;
        }
        Ok(blob)
    }

    fn count(&mut self, digest: Digest, size: u64) -> Blob {
        self.blobs += 1;
        self.bytes += size;
        Blob { digest, size }
    }

    fn create(&self, digest: &Digest) -> io::Result<Option<File>> {
        if self
            .only
            .as_ref()
            .is_some_and(|only| !only.contains(digest))
        {
            return Ok(None);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, hex(digest), flags, Mode::from_raw_mode(0o644))?;
        Ok(Some(file.into()))
    }
}

fn make_old(file: &File) -> io::Result<()> {
    let time = Timespec {
        tv_sec: MODIFIED,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(rustix::fs::futimens(file, &times)?)
}
