//! What `restore` did, or would do, as one value. Its sentences stand with those of the other changing
//! commands in `messages` and `talk`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::escape::write_json;
use super::messages::{ReportedError, not_cleared, stopped};
use super::units::total;
use super::version::Version;
use crate::inspect::lacks::Incomplete;
use crate::plan::restore::Restoration;
use crate::value::digest::Digest;

/// What `restore` has to say. Serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct RestoreReport {
    version: Version,
    layout: String,
    pub(super) dry_run: bool,
    pub(super) restored: Vec<RestoredEntry>,
    /// Images that lack something, whether they came back or not.
    incomplete: Vec<IncompleteImage>,
    pub(super) blobs: Vec<RestoredBlob>,
    pub(super) bytes: u64,
    /// What was not done, and why.
    pub(crate) errors: Vec<ReportedError>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct RestoredEntry {
    pub(super) name: Arc<str>,
    digest: Digest,
}

#[derive(Debug, Serialize)]
struct IncompleteImage {
    name: String,
    digest: Digest,
    restored: bool,
    lacks: Vec<LackingBlob>,
}

#[derive(Debug, Serialize)]
struct LackingBlob {
    digest: Digest,
    kind: &'static str,
    reason: String,
}

impl IncompleteImage {
    fn new(incomplete: &Incomplete) -> IncompleteImage {
        let lacks = incomplete.lacks.iter().map(|lack| LackingBlob {
            digest: lack.digest.clone(),
            kind: lack.kind,
            reason: lack.reason(),
        });
        IncompleteImage {
            name: incomplete.name.clone(),
            digest: incomplete.image.clone(),
            restored: incomplete.is_restored,
            lacks: lacks.collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct RestoredBlob {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl RestoreReport {
    /// Puts a report together. `size_of` tells how many bytes a blob has.
    pub(crate) fn new(
        layout: &Path,
        dry_run: bool,
        restoration: &Restoration,
        size_of: &dyn Fn(&Digest) -> u64,
        warnings: Vec<String>,
    ) -> RestoreReport {
        let blob = |digest: &Digest| RestoredBlob {
            digest: digest.clone(),
            size: size_of(digest),
        };
        let entry = |(name, digest): &(Arc<str>, Digest)| RestoredEntry {
            name: name.clone(),
            digest: digest.clone(),
        };
        let blobs: Vec<RestoredBlob> = restoration.blobs.iter().map(blob).collect();
        let refusals = restoration.refusals.iter();
        RestoreReport {
            version: Version,
            layout: layout.display().to_string(),
            dry_run,
            restored: restoration.restored.iter().map(entry).collect(),
            incomplete: (restoration.incomplete.iter())
                .map(IncompleteImage::new)
                .collect(),
            bytes: total(blobs.iter().map(|blob| blob.size)),
            blobs,
            errors: refusals.map(ReportedError::refused).collect(),
            warnings,
        }
    }

    /// How many bytes each of the blobs has, in their order.
    pub(crate) fn sizes(&self) -> Vec<u64> {
        self.blobs.iter().map(|blob| blob.size).collect()
    }

    /// Adds what failed at the end.
    pub(crate) fn failed(&mut self, reasons: Vec<String>) {
        let reasons = reasons.into_iter();
        self.errors.extend(reasons.map(ReportedError::failed));
    }

    /// It was stopped before index.json was replaced, when so many blobs were back and so many not.
    pub(crate) fn stopped(&mut self, back: usize, left: usize) {
        self.restored.clear();
        for image in &mut self.incomplete {
            image.restored = false;
        }
        self.blobs.truncate(back);
        self.bytes = total(self.blobs.iter().map(|blob| blob.size));
        self.errors.push(stopped(back, left));
    }

    /// It was stopped when all was back, and before so many files of the trash were cleared away.
    pub(crate) fn not_cleared(&mut self, left: usize) {
        self.errors.push(not_cleared(left));
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }
}
