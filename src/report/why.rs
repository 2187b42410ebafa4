//! What `why` explains: on which ways index.json leads to a blob.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::escape::write_json;
use super::shorten::visible;
use super::units::{age, size};
use super::version::Version;
use crate::inspect::check::word;
use crate::inspect::why::ways;
use crate::layout::BlobStat;
use crate::oci::descriptor::Role;
use crate::snapshot::View;
use crate::snapshot::graph::NodeId;
use crate::value::digest::Digest;

/// How many ways to a blob are shown without `-v`.
const SHORT_LIST: usize = 10;

/// Why a blob is there; serialised, it is what `--format json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct WhyReport {
    version: Version,
    layout: String,
    /// The REF that it answers, as it was given.
    reference: String,
    pub(crate) digest: Digest,
    /// What it is, as far as anybody says.
    pub(crate) kind: &'static str,
    /// Bytes of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    pub(crate) present: bool,
    /// Its file is empty, and its bytes lie in another repository of a store.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) stub: bool,
    /// When its file last changed: if it is unreferenced, since then at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<Timestamp>,
    /// One for each name.
    pub(crate) ways: Vec<Way>,
    /// Why there may be more ways than these.
    pub(crate) warnings: Vec<String>,
}

/// One way from index.json to a blob.
#[derive(Debug, Serialize)]
pub(crate) struct Way {
    /// The name of the entry, or its digest.
    pub(crate) entry: String,
    /// `named`, `dangling`, `unnamed`, `child`, `referrer`; `unlisted referrer` for one that no entry
    /// leads to; `odd` for an entry without a valid digest that names others; `subject` for what
    /// index.json itself is about; or `manifest.json`.
    pub(crate) kind: &'static str,
    /// What the entry belongs to, if it lives and dies with another image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) belongs_to: Option<String>,
    /// From the entry's image to the blob.
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) digest: Digest,
    pub(crate) kind: &'static str,
    /// How the one before leads to it; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) how: Option<&'static str>,
}

/// How a document leads to its subject. All else it `lists`.
const REFERS_TO: &str = "refers to";

impl WhyReport {
    /// Puts a report together: on a blob, its node if anything leads to it, and its file.
    pub(crate) fn new(
        (layout, reference): (&Path, &str),
        snapshot: &View,
        digest: Digest,
        node: Option<NodeId>,
        stat: Option<BlobStat>,
        present: bool,
    ) -> WhyReport {
        let step = |(node, role): &(NodeId, Option<Role>)| Step {
            digest: snapshot.graph.digest(*node).clone(),
            kind: word(snapshot, *node),
            how: role.map(|role| match role {
                Role::Subject => REFERS_TO,
                _ => "lists",
            }),
        };
        let ways = node.map_or_else(Vec::new, |node| ways(snapshot, node));
        let ways = ways.into_iter().map(|way| Way {
            entry: way.entry,
            kind: way.kind,
            belongs_to: way.belongs_to,
            steps: way.steps.iter().map(step).collect(),
        });
        WhyReport {
            version: Version,
            layout: layout.display().to_string(),
            reference: reference.to_owned(),
            digest,
            kind: node.map_or("blob", |node| word(snapshot, node)),
            size: stat.map(|stat| stat.size),
            present,
            stub: stat.is_some_and(|stat| stat.is_stub),
            changed: stat.map(|stat| stat.changed),
            warnings: Vec::new(),
            ways: ways.collect(),
        }
    }

    /// Writes the explanation for people.
    pub(crate) fn write_text(
        &self,
        verbose: bool,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let there = match (self.present, self.size) {
            (true, Some(bytes)) => size(bytes),
            _ if self.stub => {
                "a stub of deduplication: another repository has its bytes".to_owned()
            }
            _ => "missing".to_owned(),
        };
        let article = if self.kind == "index" { "an" } else { "a" };
        let digest = self.digest.to_string();
        writeln!(
            out,
            "{} is {article} {} ({there})",
            visible(&digest),
            self.kind
        )?;
        if self.ways.is_empty() {
            write!(out, "  unreferenced")?;
            if let Some(changed) = self.changed {
                let age = age(changed, now).to_lowercase();
                write!(out, "; its file last changed {age}")?;
            }
            writeln!(out)?;
        }
        let shown = if verbose { usize::MAX } else { SHORT_LIST };
        for way in self.ways.iter().take(shown) {
            write!(out, "  {}", visible(&way.entry))?;
            if let Some(owner) = &way.belongs_to {
                write!(out, " ({} of {})", way.kind, visible(owner))?;
            } else if way.kind != "named" {
                write!(out, " ({})", way.kind)?;
            }
            for step in &way.steps {
                let arrow = match step.how {
                    Some(REFERS_TO) => REFERS_TO,
                    _ => "->",
                };
                write!(out, " {arrow} {} {}", step.kind, step.digest.short())?;
            }
            writeln!(out)?;
        }
        if self.ways.len() > shown {
            let more = self.ways.len() - shown;
            writeln!(out, "  and {more} more; -v shows them")?;
        }
        Ok(())
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }
}
