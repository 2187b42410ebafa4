//! `ocirm rmi`.

use anyhow::Context as _;

use super::target_layouts::target_layout;
use super::trash::dispose;
use super::{Decide, Decision, Run, Session, container_files};
use crate::cli::RmiArgs;
use crate::containers::in_use::Uses;
use crate::containers::parse::Container;
use crate::error::Error;
use crate::gc::{self, Garbage};
use crate::inspect::metadata::ImageMetadata;
use crate::layout::{Locked, Shared};
use crate::plan::rewrite_index;
use crate::plan::rewrite_index::NewBlob;
use crate::plan::rmi::RmiOptions;
use crate::plan::{Draft, Plan};
use crate::report::change::{ChangingCommand, Rewritten};
use crate::snapshot::Snapshot;
use crate::snapshot::graph::MAX_DOCUMENT_BYTES;
use crate::value::digest::Digest;
use crate::value::platform;
use crate::value::platform::Platform;

pub(super) fn run(session: &Session, args: RmiArgs) -> anyhow::Result<u8> {
    let mut platforms = Vec::new();
    for text in &args.platforms {
        let parsed = platform::parse_list(text, &Platform::host());
        platforms.extend(parsed.map_err(|e| Error::usage(format!("--platform: {e}")))?);
    }
    let containers = container_files::containers(&args.containers)?;
    let (path, references) = target_layout(session, args.references)?;
    let command = Rmi {
        containers,
        references,
        trash: args.trash,
        options: RmiOptions {
            force: args.force,
            keep_parents: args.no_prune,
            platforms,
            rewrite_index: args.rewrite_index,
        },
    };
    let run = Run {
        dry_run: args.dry_run,
        format: args.format,
        lenient: args.force || args.ignore,
        command: ChangingCommand::NamedImages,
        sharers: &args.also_roots,
        is_last: true,
        beside: None,
    };
    run.run_and_print(session, &path, &command)
}

struct Rmi {
    containers: Vec<Container>,
    references: Vec<String>,
    trash: bool,
    options: RmiOptions,
}

impl Decide for Rmi {
    fn decide<M>(
        &self,
        session: &Session,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
    ) -> anyhow::Result<Decision> {
        let snapshot = session.load(layout, sharers)?;
        snapshot.graph.refuse_damage()?;
        let metadata = ImageMetadata::new(layout, &snapshot);
        let uses = Uses::new(&snapshot, &self.containers);
        let mut draft = Draft::with_uses(&snapshot, &uses);
        for reference in &self.references {
            draft.rmi(reference, &self.options, &|manifest| {
                metadata.config_of(manifest)
            });
        }
        let mut plan = draft.finish();
        let (new_blobs, rewritten) = rewrite(layout, &snapshot, &mut plan)?;
        let live = gc::mark(&snapshot, &plan);
        let mut garbage = if plan.is_empty() {
            Garbage::default()
        } else {
            gc::rmi(&snapshot, &live, layout)?
        };
        // A new index can be one that the layout had and that nothing else needs.
        garbage
            .blobs
            .retain(|blob| !new_blobs.iter().any(|new| new.digest == blob.digest));
        let disposal = dispose(layout, sharers, &mut garbage, self.trash, None)?;
        Ok(Decision {
            snapshot,
            plan,
            live: Some(live),
            garbage,
            new_blobs,
            rewritten,
            disposal,
        })
    }
}

/// Makes the new indexes of a plan and points their names to them.
fn rewrite<M>(
    layout: &Locked<M>,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> anyhow::Result<(Vec<NewBlob>, Vec<Rewritten>)> {
    let graph = &snapshot.graph;
    let mut read = |digest: &Digest| {
        layout
            .read_blob(digest, None, MAX_DOCUMENT_BYTES)?
            .with_context(|| format!("the index {digest} is gone"))
    };
    let (mut new_blobs, mut rewritten) = (Vec::new(), Vec::new());
    for rewrite in plan.rewrites.clone() {
        let blobs = rewrite_index::without(graph, rewrite.image, &rewrite.removed, &mut read)?;
        let Some(top) = blobs.last() else {
            continue;
        };
        rewritten.push(Rewritten {
            name: snapshot.records.record(rewrite.record).shown(graph),
            from: graph.digest(rewrite.image).clone(),
            to: top.digest.clone(),
        });
        plan.retarget(snapshot, &rewrite, &top.digest, top.bytes.len() as u64);
        new_blobs.extend(blobs);
    }
    Ok((new_blobs, rewritten))
}
