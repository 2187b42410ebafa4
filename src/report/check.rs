//! What `check` found and what `why` explains.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::escape::{json, visible};
use super::units::{age, size};
use crate::inspect::check::{Findings, word};
use crate::inspect::why::ways;
use crate::layout::BlobStat;
use crate::oci::descriptor::Role;
use crate::snapshot::View;
use crate::snapshot::graph::NodeId;
use crate::value::digest::Digest;
use crate::words::count;

/// How many missing blobs are listed without `-v`.
const SHORT_LIST: usize = 10;

/// How many ways to a blob are shown without `-v`.
const SHORT_WAYS: usize = 10;

/// The result of a check; serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// The layout as it was named.
    pub layout: String,
    /// Nothing is damaged. A sparse layout is sound.
    pub sound: bool,
    /// Entries of index.json.
    pub entries: usize,
    /// Entries without a valid digest, by position.
    pub odd_entries: Vec<usize>,
    /// Blobs that are needed and present.
    pub present: u64,
    /// Their bytes.
    pub present_bytes: u64,
    /// Blobs that are needed and missing.
    pub missing: Vec<CheckedBlob>,
    /// Blobs that are not what they should be.
    pub damaged: Vec<CheckedBlob>,
    /// Blobs that nothing needs.
    pub orphans: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
    /// Blobs that nothing needs and that are not what their names promise.
    pub damaged_orphans: Vec<Digest>,
    /// Files of unfinished work of other tools.
    pub temporary_files: Vec<String>,
    /// Other files that are no part of a layout.
    pub other_files: Vec<String>,
}

/// A blob that something is to be said about.
#[derive(Debug, Serialize)]
pub struct CheckedBlob {
    /// Which.
    pub digest: Digest,
    /// What it is, or should be.
    pub kind: &'static str,
    /// The first name that needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl CheckReport {
    /// Puts a report together. `needed_by` says who needs a blob.
    pub(crate) fn new(
        layout: &Path,
        snapshot: &View,
        findings: Findings,
        needed_by: &dyn Fn(NodeId) -> Option<String>,
    ) -> CheckReport {
        let blob = |node: NodeId, reason: Option<String>| CheckedBlob {
            digest: snapshot.graph.digest(node).clone(),
            kind: word(snapshot, node),
            needed_by: needed_by(node),
            reason,
        };
        CheckReport {
            layout: layout.display().to_string(),
            sound: findings.damaged.is_empty(),
            entries: snapshot.index.entries().len(),
            present: findings.present,
            present_bytes: findings.present_bytes,
            missing: findings.missing.iter().map(|n| blob(*n, None)).collect(),
            damaged: findings
                .damaged
                .iter()
                .map(|(node, reason)| blob(*node, Some(reason.clone())))
                .collect(),
            orphans: findings.unreferenced,
            orphan_bytes: findings.unreferenced_bytes,
            damaged_orphans: findings.damaged_unreferenced,
            odd_entries: findings.odd_entries,
            temporary_files: findings.temporary,
            other_files: findings.strays,
        }
    }

    /// The report for people.
    pub fn text(&self, verbose: bool) -> String {
        let mut text = format!(
            "{}: {}, {} ({}), {}\n",
            visible(&self.layout),
            count(self.entries, "entry", "entries"),
            count(self.present, "needed blob", "needed blobs"),
            size(self.present_bytes),
            if self.sound { "sound" } else { "DAMAGED" }
        );
        let mut line = |words: String| {
            text.push_str("  ");
            text.push_str(&words);
            text.push('\n');
        };
        let named = |blob: &CheckedBlob| match &blob.needed_by {
            Some(name) => format!(", needed by {}", visible(name)),
            None => String::new(),
        };
        for blob in &self.damaged {
            let reason = blob.reason.as_deref().unwrap_or_default();
            line(format!(
                "damaged: {} ({}){}: {}",
                blob.digest,
                blob.kind,
                named(blob),
                visible(reason)
            ));
        }
        let shown = if verbose { usize::MAX } else { SHORT_LIST };
        for blob in self.missing.iter().take(shown) {
            line(format!(
                "missing: {} ({}){}",
                blob.digest,
                blob.kind,
                named(blob)
            ));
        }
        if self.missing.len() > shown {
            line(format!(
                "missing: {} more; -v lists them",
                self.missing.len() - shown
            ));
        }
        if !self.odd_entries.is_empty() {
            let odd = count(self.odd_entries.len(), "entry", "entries");
            line(format!("{odd} of index.json without a valid digest"));
        }
        if self.orphans > 0 {
            let orphans = count(self.orphans, "blob", "blobs");
            let bytes = size(self.orphan_bytes);
            line(match self.sound {
                true => format!(
                    "{orphans} ({bytes}) that nothing needs; prune removes what is old enough"
                ),
                false => {
                    format!("{orphans} ({bytes}) that nothing needs, unless what is damaged does")
                }
            });
        }
        for digest in &self.damaged_orphans {
            line(format!(
                "not what its name promises, and nothing needs it: {digest}"
            ));
        }
        for (files, what, several) in [
            (&self.temporary_files, "temporary file", "temporary files"),
            (&self.other_files, "other file", "other files"),
        ] {
            if !files.is_empty() {
                line(count(files.len(), what, several) + " of other tools");
            }
            if verbose {
                for file in files {
                    line(format!("  {}", visible(file)));
                }
            }
        }
        text
    }

    /// The JSON object, on one line.
    pub fn json(&self) -> String {
        json(self)
    }
}

/// Why a blob is there; serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub struct WhyReport {
    /// Which blob.
    pub digest: Digest,
    /// What it is, as far as anybody says.
    pub kind: &'static str,
    /// Bytes of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whether the layout has it.
    pub present: bool,
    /// When its file last changed: since when nothing needs it, if nothing does, at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Timestamp>,
    /// The ways in which index.json leads to it, one for each name.
    pub ways: Vec<Way>,
}

/// One way from index.json to a blob.
#[derive(Debug, Serialize)]
pub struct Way {
    /// The name of the entry, or its digest.
    pub entry: String,
    /// `named`, `dangling`, `unnamed`, `child`, `referrer`, or `manifest.json`.
    pub kind: &'static str,
    /// What the entry belongs to, if it lives and dies with another image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub belongs_to: Option<String>,
    /// From the entry's image to the blob.
    pub steps: Vec<Step>,
}

/// One step of a way.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Which blob.
    pub digest: Digest,
    /// What it is.
    pub kind: &'static str,
    /// How the one before leads to it: `lists` or `refers to`; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<&'static str>,
}

/// The word for how a document leads to a blob.
fn how(role: Role) -> &'static str {
    match role {
        Role::Subject => "refers to",
        _ => "lists",
    }
}

impl WhyReport {
    /// Puts a report together: on a blob, its node if anything leads to it, and its file.
    pub(crate) fn new(
        snapshot: &View,
        digest: Digest,
        node: Option<NodeId>,
        stat: Option<BlobStat>,
        present: bool,
    ) -> WhyReport {
        let step = |(node, role): &(NodeId, Option<Role>)| Step {
            digest: snapshot.graph.digest(*node).clone(),
            kind: word(snapshot, *node),
            how: role.map(how),
        };
        let ways = node.map_or_else(Vec::new, |node| ways(snapshot, node));
        WhyReport {
            digest,
            kind: node.map_or("blob", |node| word(snapshot, node)),
            size: stat.map(|stat| stat.size),
            present,
            changed: stat.map(|stat| stat.changed),
            ways: ways
                .into_iter()
                .map(|way| Way {
                    entry: way.entry,
                    kind: way.kind,
                    belongs_to: way.belongs_to,
                    steps: way.steps.iter().map(step).collect(),
                })
                .collect(),
        }
    }

    /// The explanation for people.
    pub fn text(&self, verbose: bool, now: Timestamp) -> String {
        let there = match (self.present, self.size) {
            (true, Some(bytes)) => size(bytes),
            _ => "missing".to_owned(),
        };
        let mut text = format!("{} is a {} ({there})\n", self.digest, self.kind)
            .replace(" is a index", " is an index");
        if self.ways.is_empty() {
            text.push_str("  nothing leads to it");
            if let Some(changed) = self.changed {
                text.push_str(&format!(
                    "; its file last changed {}",
                    age(changed, now).to_lowercase()
                ));
            }
            text.push('\n');
        }
        let shown = if verbose { usize::MAX } else { SHORT_WAYS };
        for way in self.ways.iter().take(shown) {
            let mut line = format!("  {}", visible(&way.entry));
            if let Some(owner) = &way.belongs_to {
                line.push_str(&format!(" ({} of {})", way.kind, visible(owner)));
            } else if way.kind != "named" {
                line.push_str(&format!(" ({})", way.kind));
            }
            for step in &way.steps {
                let arrow = match step.how {
                    Some("refers to") => "refers to",
                    _ => "->",
                };
                line.push_str(&format!(" {arrow} {} {}", step.kind, step.digest.short()));
            }
            text.push_str(&line);
            text.push('\n');
        }
        if self.ways.len() > shown {
            let more = self.ways.len() - shown;
            text.push_str(&format!("  and {more} more; -v shows them\n"));
        }
        text
    }

    /// The JSON object, on one line.
    pub fn json(&self) -> String {
        json(self)
    }
}
