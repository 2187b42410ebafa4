//! What `restore` did, or would do.

use std::path::Path;

use serde::Serialize;

use super::change::{ReportedError, refused};
use super::console::Console;
use super::escape::{json, visible};
use super::units::size;
use crate::plan::restore::Restoration;
use crate::value::digest::Digest;
use crate::words::count;

/// What `restore` has to say. Serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub struct RestoreReport {
    layout: String,
    dry_run: bool,
    restored: Vec<RestoredEntry>,
    blobs: Vec<RestoredBlob>,
    bytes: u64,
    /// What was not done, and why.
    pub errors: Vec<ReportedError>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RestoredEntry {
    name: String,
    digest: Digest,
}

#[derive(Debug, Serialize)]
struct RestoredBlob {
    digest: Digest,
    size: u64,
}

impl RestoreReport {
    /// Puts a report together. `size_of` tells how many bytes a blob has.
    pub fn new(
        layout: &Path,
        dry_run: bool,
        restoration: &Restoration,
        size_of: &dyn Fn(&Digest) -> u64,
        warnings: Vec<String>,
    ) -> RestoreReport {
        let blobs: Vec<RestoredBlob> = restoration
            .blobs
            .iter()
            .map(|digest| RestoredBlob {
                digest: digest.clone(),
                size: size_of(digest),
            })
            .collect();
        RestoreReport {
            layout: layout.display().to_string(),
            dry_run,
            restored: restoration
                .restored
                .iter()
                .map(|(name, digest)| RestoredEntry {
                    name: name.clone(),
                    digest: digest.clone(),
                })
                .collect(),
            bytes: blobs
                .iter()
                .fold(0, |sum, blob| sum.saturating_add(blob.size)),
            blobs,
            errors: restoration.refusals.iter().map(refused).collect(),
            warnings,
        }
    }

    /// Adds what failed at the end.
    pub fn failed(&mut self, reasons: Vec<String>) {
        let reasons = reasons.into_iter();
        self.errors.extend(reasons.map(|message| ReportedError {
            class: "failed",
            message,
            hint: None,
        }));
    }

    /// It was stopped before index.json was replaced, when so many blobs were back and so many not.
    pub fn stopped(&mut self, back: usize, left: usize) {
        self.restored.clear();
        self.blobs.truncate(back);
        self.bytes = self.blobs.iter().map(|blob| blob.size).sum();
        self.errors.push(ReportedError {
            class: "failed",
            message: format!(
                "interrupted: {} back in the layout, {left} left in the trash, and index.json is as \
                 it was",
                count(back, "blob is", "blobs are")
            ),
            hint: Some("the same command finishes the work".to_owned()),
        });
    }

    /// The lines for standard output.
    pub fn text(&self, verbose: bool) -> String {
        let (restored, moved) = match self.dry_run {
            true => ("Would restore", "Would move back"),
            false => ("Restored", "Moved back"),
        };
        let entries = self
            .restored
            .iter()
            .map(|entry| format!("{restored}: {}\n", visible(&entry.name)));
        let blobs = self.blobs.iter().filter(|_| verbose);
        let blobs = blobs.map(|blob| format!("{moved}: {} ({})\n", blob.digest, size(blob.size)));
        entries.chain(blobs).collect()
    }

    /// The JSON object, on one line.
    pub fn json(&self) -> String {
        json(self)
    }

    /// Says how much it was, and what was not done.
    pub fn talk(&self, console: Console) {
        if self.restored.is_empty() && self.blobs.is_empty() {
            if self.errors.is_empty() {
                console.say("There is nothing to restore.");
            }
        } else {
            let (brought, end) = match self.dry_run {
                true => ("Would bring back", " Nothing was changed."),
                false => ("Brought back", ""),
            };
            console.say(&format!(
                "{brought} {} of index.json and {} ({}).{end}",
                count(self.restored.len(), "entry", "entries"),
                count(self.blobs.len(), "blob", "blobs"),
                size(self.bytes)
            ));
        }
        for warning in &self.warnings {
            console.warning(&visible(warning));
        }
        for error in &self.errors {
            error.say(console);
        }
    }
}
