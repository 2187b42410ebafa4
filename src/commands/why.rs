//! `ocirm why`.

use std::collections::HashMap;

use anyhow::Context as _;
use jiff::Timestamp;

use super::target_layouts::target_layout;
use super::{Session, open_to_look};
use crate::cli::{OutputFormat, WhyArgs};
use crate::error::{Error, ErrorKind};
use crate::inspect::check::word;
use crate::layout::{Locked, Shared};
use crate::plan::Draft;
use crate::report::console::shown;
use crate::report::to_stdout;
use crate::report::why::{Link, Step, Way, WhyReport};
use crate::snapshot::Snapshot;
use crate::snapshot::graph::NodeId;
use crate::snapshot::records::Record;
use crate::value::digest::Digest;
use crate::value::reference::{Argument, parse_argument};

pub(super) fn run(session: &Session, args: WhyArgs) -> anyhow::Result<u8> {
    let (path, references) = target_layout(session, args.references)?;
    let layout = open_to_look(session, &path)?;
    let snapshot = session.load(&layout, &[])?;
    let mut status = 0;
    for text in &references {
        match explain(&layout, &snapshot, text) {
            Ok(report) => {
                let text = match args.format {
                    OutputFormat::Json => report.json(),
                    OutputFormat::Text => {
                        report.text(session.console.is_verbose(), Timestamp::now())
                    }
                };
                to_stdout(&text).context("cannot write to standard output")?;
            }
            Err(error) => status = super::failed(session.console, &error),
        }
    }
    if let Err(damage) = snapshot.graph.refuse_damage() {
        session.console.error(&shown(&format!("{damage}")));
        session.console.hint(
            "what the damaged blob leads to is unknown, so there may be more ways than shown",
        );
        status = damage.kind().exit_status();
    }
    Ok(status)
}

fn explain(layout: &Locked<Shared>, snapshot: &Snapshot, text: &str) -> anyhow::Result<WhyReport> {
    let graph = &snapshot.graph;
    let digest = match parse_argument(text) {
        Ok(Argument::Digest(digest)) => Some(digest),
        _ => text.parse::<Digest>().ok(),
    };
    let node = match &digest {
        Some(digest) => graph.find(digest),
        None => {
            let found = Draft::new(snapshot).look_up(text).map_err(|refusal| {
                let error = Error::new(ErrorKind::Failed, refusal.message);
                match refusal.hint {
                    Some(hint) => error.hint(hint),
                    None => error.hint("why takes a name or the full digest of any blob"),
                }
            })?;
            Some(found.target)
        }
    };
    let digest = match (node, digest) {
        (Some(node), _) => graph.digest(node).clone(),
        (None, Some(digest)) => digest,
        (None, None) => {
            return Err(Error::new(ErrorKind::Failed, format!("No such image: {text}")).into());
        }
    };
    let stat = layout.stat_blob(&digest)?;
    if node.is_none() && stat.is_none() {
        let message = format!("the layout has no blob {digest}, and nothing leads to one");
        return Err(Error::new(ErrorKind::Failed, message).into());
    }
    Ok(WhyReport {
        kind: node.map_or("blob", |node| word(snapshot, node)),
        size: stat.map(|stat| stat.size),
        present: matches!(layout.measure_blob(&digest, None), Ok(Some(()))),
        changed: stat.map(|stat| stat.changed),
        ways: node.map_or_else(Vec::new, |node| ways(snapshot, node)),
        digest,
    })
}

/// For each entry that leads to a blob the shortest way there.
fn ways(snapshot: &Snapshot, node: NodeId) -> Vec<Way> {
    let graph = &snapshot.graph;
    let next = graph.ways_to(node);
    let step = |node: NodeId, how| Step {
        digest: graph.digest(node).clone(),
        kind: word(snapshot, node),
        how,
    };
    let mut owners: HashMap<NodeId, Option<String>> = HashMap::new();
    let mut ways: Vec<Way> = snapshot
        .records
        .iter()
        .filter(|(_, record)| record.target == node || next.contains_key(&record.target))
        .map(|(_, record)| {
            let mut steps = vec![step(record.target, None)];
            let mut at = record.target;
            while at != node
                && let Some((to, role)) = next.get(&at)
            {
                steps.push(step(*to, Some(Link::from(*role))));
                at = *to;
            }
            Way {
                entry: record.shown(graph),
                kind: record.kind.word(),
                belongs_to: owners
                    .entry(record.subject.unwrap_or(record.target))
                    .or_insert_with(|| owner(snapshot, record))
                    .clone()
                    .filter(|_| record.kind.is_dependent()),
                steps,
            }
        })
        .collect();
    for (position, entry) in snapshot.index.entries().iter().enumerate() {
        let named = entry.more_digests.iter().filter_map(|d| graph.find(d));
        for target in named.filter(|target| *target == node || next.contains_key(target)) {
            ways.push(Way {
                entry: format!("entry {position} of index.json"),
                kind: "odd",
                belongs_to: None,
                steps: vec![step(target, None)],
            });
        }
    }
    ways.sort_by(|a, b| (a.steps.len(), &a.entry).cmp(&(b.steps.len(), &b.entry)));
    if snapshot.archive_blobs.iter().flatten().any(|n| *n == node) {
        ways.push(Way {
            entry: "manifest.json".to_owned(),
            kind: "manifest.json",
            belongs_to: None,
            steps: vec![step(node, None)],
        });
    }
    ways
}

/// The image that a child or referrer lives and dies with: the first that holds its subject, or it.
fn owner(snapshot: &Snapshot, record: &Record) -> Option<String> {
    if !record.kind.is_dependent() {
        return None;
    }
    let graph = &snapshot.graph;
    let held = record.subject.unwrap_or(record.target);
    let next = graph.ways_to(held);
    snapshot
        .records
        .iter()
        .find(|(_, owner)| {
            !owner.kind.is_dependent() && (owner.target == held || next.contains_key(&owner.target))
        })
        .map(|(_, owner)| owner.shown(graph))
}
