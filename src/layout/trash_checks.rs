//! Looking at blobs in the trash before they come back, and at those of the layout that are to serve
//! again: whether they are there, and what they should be.
//!
//! A file that is only measured is not opened, since whoever may move it may not always read it.

use rustix::fs::{AtFlags, FileType, Stat};

use super::blobs::{BlobError, Presence, check_digest, check_size};
use super::{Locked, Trash};
use crate::files::stat::{describe, found};
use crate::value::digest::Digest;

impl<M> Locked<M> {
    /// Compares a blob's size with what its descriptor says, as [`Locked::measure_blob`], but without
    /// opening it.
    ///
    /// # Errors
    /// Another size, something that is no file, and what the operating system says.
    pub(crate) fn look_at_blob(
        &self,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Presence, BlobError> {
        match self.blob_dirs.of(digest) {
            Some(dir) => {
                let name = digest.file_name();
                let stat = rustix::fs::statat(dir, name.as_ref(), AtFlags::empty());
                let stat = found(stat)?;
                let is_stub = stat.as_ref().is_some_and(|stat| {
                    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                        && stat.st_size == 0
                        && self.layout.is_stub(0, digest)
                });
                match is_stub {
                    true => Ok(Presence::Stub),
                    false => presence(stat, size),
                }
            }
            None => self.measure_blob(digest, size),
        }
    }

    /// [`Locked::look_at_blob`] of a blob in the trash.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn look_at_trashed(
        &self,
        trash: &Trash,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Presence, BlobError> {
        let Some(dir) = self.trashed_dir(trash, digest)? else {
            return Ok(Presence::Missing);
        };
        let name = digest.file_name();
        // A link leads from where it was, not from where it is.
        let stat = match rustix::fs::readlinkat(&dir, name.as_ref(), Vec::new()) {
            Ok(target) => match self.blob_dirs.of(digest) {
                Some(home) => rustix::fs::statat(home, target, AtFlags::empty()),
                None => return Ok(Presence::Missing),
            },
            Err(_) => rustix::fs::statat(&dir, name.as_ref(), AtFlags::empty()),
        };
        presence(found(stat)?, size)
    }

    /// [`Locked::verify_blob`] of a blob in the trash.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn verify_trashed(
        &self,
        trash: &Trash,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Presence, BlobError> {
        let opened = match self.trashed_dir(trash, digest)? {
            Some(dir) => self.open_trashed(&dir, digest)?,
            None => None,
        };
        let Some((mut file, found)) = opened else {
            return Ok(Presence::Missing);
        };
        check_size(found, size)?;
        if let Some(algorithm) = digest.algorithm() {
            check_digest(algorithm.hash_reader(&mut file)?, digest)?;
        }
        Ok(Presence::Whole)
    }
}

fn presence(stat: Option<Stat>, size: Option<u64>) -> Result<Presence, BlobError> {
    let Some(stat) = stat else {
        return Ok(Presence::Missing);
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            check_size(u64::try_from(stat.st_size).unwrap_or(0), size)?;
            Ok(Presence::Whole)
        }
        kind => Err(BlobError::NotRegular(describe(kind))),
    }
}
