//! What `check` says: which blobs of a layout are missing, damaged or unreferenced.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::escape::write_json;
use super::shorten::visible;
use super::units::size;
use super::version::Version;
use crate::inspect::check::{Findings, word};
use crate::inspect::completeness::{Completeness, Held, Holdings};
use crate::inspect::listing::name;
use crate::layout::Weight;
use crate::snapshot::View;
use crate::snapshot::graph::NodeId;
use crate::value::digest::Digest;
use crate::words::count;

/// How many missing blobs are listed without `-v`.
const SHORT_LIST: usize = 10;

/// The result of a check; serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct CheckReport {
    version: Version,
    layout: String,
    /// Nothing is damaged. A sparse layout is sound.
    pub(crate) sound: bool,
    /// Every image is there as a whole.
    #[serde(skip)]
    pub(crate) complete: bool,
    /// How many index.json has.
    entries: usize,
    /// Entries without a valid digest, by position.
    odd_entries: Vec<usize>,
    /// How much of each image is there; of what belongs to images only what is not complete.
    images: Vec<CheckedImage>,
    /// Referenced blobs that are there.
    present: u64,
    present_bytes: u64,
    /// Referenced blobs that are not there.
    missing: Vec<CheckedBlob>,
    damaged: Vec<CheckedBlob>,
    /// Referenced blobs whose bytes lie in another repository of a store.
    stubs: Vec<CheckedBlob>,
    /// Unreferenced blobs.
    orphans: u64,
    orphan_bytes: u64,
    /// Unreferenced stubs, which are not among the unreferenced blobs.
    orphan_stubs: u64,
    /// Unreferenced blobs that are damaged.
    damaged_orphans: Vec<Digest>,
    /// Referrers that no entry leads to, of what one leads to.
    unlisted_referrers: u64,
    /// They, and what they need.
    of_unlisted_referrers: Weight,
    /// Files of unfinished work of other tools.
    temporary_files: Vec<String>,
    /// Files of unfinished work of ocirm.
    own_temporary_files: Vec<String>,
    /// Other files that are no part of a layout.
    other_files: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CheckedImage {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Arc<str>>,
    digest: Digest,
    /// `complete`, `sparse` or `broken`.
    state: &'static str,
}

#[derive(Debug, Serialize)]
struct CheckedBlob {
    digest: Digest,
    /// What it is, or should be.
    kind: &'static str,
    /// The first name that leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_by: Option<Arc<str>>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl std::fmt::Display for CheckedBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.digest, self.kind)?;
        match &self.needed_by {
            Some(name) => write!(f, ", referenced by {}", visible(name)),
            None => Ok(()),
        }
    }
}

fn images(snapshot: &View, findings: &Findings) -> Vec<CheckedImage> {
    let graph = &snapshot.graph;
    let mut held = vec![Held::Here; graph.len()];
    let damaged = findings.damaged.iter().map(|(node, _)| node);
    for node in findings.missing.iter().chain(damaged) {
        held[node.index()] = Held::Not;
    }
    for node in &findings.stubs {
        held[node.index()] = Held::Elsewhere;
    }
    let holdings = Holdings::new(graph, held);
    let images = snapshot.records.iter().filter_map(|(id, record)| {
        let state = holdings.of(record.target);
        let is_said = !record.kind.is_dependent() || state != Completeness::Complete;
        is_said.then(|| CheckedImage {
            name: name(snapshot, id),
            digest: graph.digest(record.target).clone(),
            state: state.word(),
        })
    });
    images.collect()
}

/// How many of several layouts are in order.
pub(crate) fn total(layouts: usize, sound: usize, damaged: usize) -> String {
    let mut text = format!(
        "{sound} of {} sound",
        count(layouts, "layout is", "layouts are")
    );
    for (number, what) in [
        (damaged, "damaged"),
        (layouts - sound - damaged, "could not be checked"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    text + "."
}

impl CheckReport {
    /// Puts a report together. `needed_by` says what leads to a blob.
    pub(crate) fn new(
        layout: &Path,
        snapshot: &View,
        findings: Findings,
        needed_by: &dyn Fn(NodeId) -> Option<Arc<str>>,
    ) -> CheckReport {
        let blob = |node: NodeId, reason: Option<String>| CheckedBlob {
            digest: snapshot.graph.digest(node).clone(),
            kind: word(snapshot, node),
            needed_by: needed_by(node),
            reason,
        };
        let damaged = findings.damaged.iter();
        let images = images(snapshot, &findings);
        let is_complete = |image: &CheckedImage| image.state == Completeness::Complete.word();
        CheckReport {
            version: Version,
            complete: findings.odd_entries.is_empty() && images.iter().all(is_complete),
            images,
            layout: layout.display().to_string(),
            sound: findings.damaged.is_empty(),
            entries: snapshot.index.entries().len(),
            present: findings.present,
            present_bytes: findings.present_bytes,
            missing: findings.missing.iter().map(|n| blob(*n, None)).collect(),
            damaged: damaged
                .map(|(node, reason)| blob(*node, Some(reason.clone())))
                .collect(),
            stubs: findings.stubs.iter().map(|n| blob(*n, None)).collect(),
            orphan_stubs: findings.unreferenced_stubs,
            orphans: findings.unreferenced,
            orphan_bytes: findings.unreferenced_bytes,
            unlisted_referrers: findings.unlisted_referrers,
            of_unlisted_referrers: findings.of_unlisted_referrers,
            damaged_orphans: findings.damaged_unreferenced,
            odd_entries: findings.odd_entries,
            temporary_files: findings.temporary,
            own_temporary_files: findings.own_temporary,
            other_files: findings.strays,
        }
    }

    /// Writes the report on one of several layouts: all of it if anything is damaged, or is not there.
    pub(crate) fn write_short(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.sound && self.complete && self.damaged_orphans.is_empty() {
            true => self.write_head(out),
            false => self.write_text(false, out),
        }
    }

    fn write_head(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}: {}, {} ({}), {}",
            visible(&self.layout),
            count(self.entries, "entry", "entries"),
            count(self.present, "referenced blob", "referenced blobs"),
            size(self.present_bytes),
            if self.sound { "sound" } else { "DAMAGED" }
        )
    }

    /// Writes the report for people.
    pub(crate) fn write_text(&self, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
        self.write_head(out)?;
        let mut line = |words: String| writeln!(out, "  {words}");
        for image in &self.images {
            line(match &image.name {
                Some(name) => {
                    format!(
                        "{}: {} ({})",
                        image.state,
                        visible(name),
                        image.digest.short()
                    )
                }
                None => format!("{}: {}", image.state, image.digest),
            })?;
        }
        for blob in &self.damaged {
            let reason = blob.reason.as_deref().unwrap_or_default();
            line(format!("damaged: {blob}: {}", visible(reason)))?;
        }
        let shown = if verbose { usize::MAX } else { SHORT_LIST };
        for blob in self.missing.iter().take(shown) {
            line(format!("missing: {blob}"))?;
        }
        if self.missing.len() > shown {
            line(format!(
                "missing: {} more; -v lists them",
                self.missing.len() - shown
            ))?;
        }
        for blob in self.stubs.iter().take(shown) {
            line(format!("stub of deduplication: {blob}"))?;
        }
        if self.stubs.len() > shown {
            line(format!(
                "stub of deduplication: {} more; -v lists them",
                self.stubs.len() - shown
            ))?;
        }
        if !self.odd_entries.is_empty() {
            let odd = count(self.odd_entries.len(), "entry", "entries");
            line(format!("{odd} of index.json without a valid digest"))?;
        }
        if self.orphans > 0 {
            let unreferenced = count(self.orphans, "unreferenced blob", "unreferenced blobs");
            let bytes = size(self.orphan_bytes);
            let end = match self.sound {
                true => "; prune removes what is old enough",
                false => ", unless what is damaged leads there",
            };
            line(format!("{unreferenced} ({bytes}){end}"))?;
        }
        if self.orphan_stubs > 0 {
            line(format!(
                "{} of deduplication; prune leaves what belongs to the store",
                count(self.orphan_stubs, "unreferenced stub", "unreferenced stubs")
            ))?;
        }
        if self.unlisted_referrers > 0 {
            let Weight { blobs: n, bytes } = self.of_unlisted_referrers;
            let referrers = count(
                self.unlisted_referrers,
                "referrer that no entry leads to",
                "referrers that no entry leads to",
            );
            let blobs = count(n, "blob", "blobs");
            line(format!(
                "{referrers} ({}, {blobs}); prune keeps what is about images",
                size(bytes)
            ))?;
        }
        for digest in &self.damaged_orphans {
            line(format!("unreferenced and damaged: {digest}"))?;
        }
        let of_others = " of other tools";
        let own = match self.own_temporary_files.len() {
            1 => " of ocirm; the next prune removes it, unless a run uses it now",
            _ => " of ocirm; the next prune removes those that no run uses now",
        };
        let (temporary, own_temporary) = (&self.temporary_files, &self.own_temporary_files);
        for (files, what, several, whose) in [
            (temporary, "temporary file", "temporary files", of_others),
            (own_temporary, "temporary file", "temporary files", own),
            (&self.other_files, "other file", "other files", of_others),
        ] {
            if !files.is_empty() {
                line(count(files.len(), what, several) + whose)?;
            }
            if verbose {
                for file in files {
                    line(format!("  {}", visible(file)))?;
                }
            }
        }
        Ok(())
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }
}
