//! `ocirm restore`.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::SignedDuration;

use super::session::{Session, span};
use super::target_layouts::target_layout;
use super::{print, print_as, several};
use crate::cli::{DEFAULT_TRASH_KEEP, OutputFormat, RestoreArgs};
use crate::commit::{self, Attempt, Restore, Restored, Watch};
use crate::error::{Error, ErrorKind};
use crate::inspect::disk_use::amounts_in_trash;
use crate::inspect::lacks::{Found, Stored};
use crate::inspect::removals::listed_removals;
use crate::layout::{
    BlobError, DockerFile, Locked, Presence, RootEdit, TRASH, Trash, Writes, Written,
};
use crate::plan::restore::{Restoration, restore};
use crate::report::console::shown;
use crate::report::messages::{refused_here, unwritable};
use crate::report::restore::RestoreReport;
use crate::report::stdout_columns;
use crate::report::trash_list::TrashList;
use crate::snapshot::trashed::removals;
use crate::snapshot::{Snapshot, Whole};
use crate::value::digest::Digest;

pub(super) fn run(session: &Session, mut args: RestoreArgs) -> anyhow::Result<u8> {
    let given = std::mem::take(&mut args.references);
    let (path, references) = target_layout(session, given, false)?;
    if args.list {
        return list(session, &path, &references, args.format);
    }
    let is_json = args.format == OutputFormat::Json;
    let report = restored(session, &path, &references, &args);
    let report = report.map_err(|error| several::in_json(is_json, &path, error))?;
    let console = session.console;
    let is_printed = args.format == OutputFormat::Json || !console.is_quiet();
    let printed = match is_printed {
        false => Ok(()),
        true => print_as(args.format, |out| match args.format {
            OutputFormat::Json => report.write_json(out),
            OutputFormat::Text => report.write_text(console.is_verbose(), out),
        }),
    };
    report.talk(console);
    printed?;
    Ok(match session.interrupt.signal() {
        Some(signal) => ErrorKind::Interrupted(signal).exit_status(),
        None if report.errors.is_empty() => 0,
        None => ErrorKind::Failed.exit_status(),
    })
}

/// Brings back what the references name, or says what would come back.
fn restored(
    session: &Session,
    path: &Path,
    references: &[String],
    args: &RestoreArgs,
) -> anyhow::Result<RestoreReport> {
    Ok(if args.dry_run {
        let layout = session.open_shared(path)?;
        let mut decision = Decision::new(session, &layout, references, args.incomplete)?;
        let unsafe_mount = session.unsafe_mount(&layout);
        let warnings = unsafe_mount.as_ref().map(refused_here);
        decision.warnings.extend(warnings);
        if !decision.restoration.is_empty() {
            layout.refuse_odd_index(true)?;
            let why = layout.why_unwritable(&decision.writes());
            decision.warnings.extend(why.as_ref().map(unwritable));
        }
        decision.report(&layout, true)
    } else {
        carry_out(session, path, references, args.incomplete)?
    })
}

/// Lists what is in the trash.
fn list(
    session: &Session,
    path: &Path,
    references: &[String],
    format: OutputFormat,
) -> anyhow::Result<u8> {
    if let Some(reference) = references.first() {
        let message = format!("--list lists everything in the trash, and takes no `{reference}`");
        return Err(Error::usage(message)
            .hint("`restore --dry-run REF` shows what would come back")
            .into());
    }
    let keep = SignedDuration::try_from(span("--trash-keep", DEFAULT_TRASH_KEEP)?)?;
    let look = || {
        let layout = session.open_shared(path)?;
        let trash = layout.trash()?;
        let (amounts, failures) = amounts_in_trash(&layout);
        let removals = listed_removals(&layout, &trash, &amounts, keep);
        anyhow::Ok(TrashList::new(path, removals, failures))
    };
    let is_json = format == OutputFormat::Json;
    let report = look().map_err(|error| several::in_json(is_json, path, error))?;
    print(|out| match format {
        OutputFormat::Json => report.write_json(out),
        OutputFormat::Text => {
            report.write_text(session.console.is_verbose(), stdout_columns(), out)
        }
    })?;
    for error in &report.errors {
        session.console.error(&shown(&error.message));
    }
    Ok(match report.errors.is_empty() {
        true => 0,
        false => ErrorKind::Failed.exit_status(),
    })
}

struct Decision {
    current: Snapshot<Whole>,
    trash: Trash,
    restoration: Restoration,
    files: Vec<RootEdit>,
    warnings: Vec<String>,
}

impl Decision {
    fn new<M>(
        session: &Session,
        layout: &Locked<M>,
        references: &[String],
        incomplete: bool,
    ) -> anyhow::Result<Decision> {
        let mut trash = layout.trash()?;
        let current = session.read(layout, &[], &trash)?;
        let removals = removals(layout, &trash);
        trash.let_go_of_records();
        let is_stored = |digest: &Digest| matches!(layout.stat_blob(digest), Ok(Some(_)));
        let look_at =
            |digest: &Digest, size, content| look_at(layout, &trash, digest, size, content);
        let stored = Stored {
            is_stored: &is_stored,
            look_at: &look_at,
        };
        let restoration = restore(&current, &trash, &removals, references, stored, incomplete);
        let accepted = restoration.incomplete.iter().filter(|of| of.is_restored);
        let mut warnings: Vec<String> = accepted
            .clone()
            .map(|of| format!("{} is incomplete: {}", of.name, of.message()))
            .collect();
        // What is said above is not said again.
        let missing = restoration.missing.iter();
        let missing = missing.filter(|(_, digest)| {
            let mut lacks = accepted.clone().flat_map(|of| &of.lacks);
            !lacks.any(|lack| lack.digest == *digest)
        });
        warnings.extend(missing.map(|(name, digest)| {
            format!("{name}: its manifest {digest} is neither in the layout nor in the trash")
        }));
        for removal in trash.removals() {
            if !removals.iter().any(|known| known.id == removal.id) {
                warnings.push(format!(
                    "`{TRASH}/{}/removal.json` cannot be understood, so nothing of that removal is \
                     brought back; its blobs are there",
                    removal.id.as_str()
                ));
            }
        }
        let files = undone_files(layout, &restoration, &mut warnings)?;
        Ok(Decision {
            current,
            trash,
            restoration,
            files,
            warnings,
        })
    }

    /// Where a real run writes.
    fn writes(&self) -> Writes<'_> {
        let restoration = &self.restoration;
        let coming = restoration.blobs.iter().map(Digest::algorithm_name);
        let mut before: BTreeSet<Written<'_>> = coming.map(Written::Blobs).collect();
        if restoration.index.is_some() || !self.files.is_empty() {
            before.insert(Written::Root);
        }
        let after = restoration.records.keys().map(Written::Removal);
        Writes {
            before,
            after: after.collect(),
        }
    }

    /// Sizes are asked for in the trash, so this comes before the blobs leave it.
    fn report<M>(&self, layout: &Locked<M>, dry_run: bool) -> RestoreReport {
        let size_of = |digest: &_| layout.size_of_trashed(&self.trash, digest);
        let restoration = &self.restoration;
        RestoreReport::new(
            layout.path(),
            dry_run,
            restoration,
            &size_of,
            self.warnings.clone(),
        )
    }
}

/// What is there of a blob: in the layout, else in the trash. `content`: it is compared with the digest.
fn look_at<M>(
    layout: &Locked<M>,
    trash: &Trash,
    digest: &Digest,
    size: Option<u64>,
    content: bool,
) -> Found {
    let stored = match content {
        true => layout.verify_blob(digest, size),
        false => layout.look_at_blob(digest, size),
    };
    let (in_trash, found) = match stored {
        Ok(Presence::Missing) if content => (true, layout.verify_trashed(trash, digest, size)),
        Ok(Presence::Missing) => (true, layout.look_at_trashed(trash, digest, size)),
        stored => (false, stored),
    };
    match found {
        Ok(Presence::Whole) => Found::Whole,
        // The store has what is only compared in size.
        Ok(Presence::Stub) if !content => Found::Whole,
        Ok(Presence::Stub) => Found::Damaged {
            in_trash,
            reason: BlobError::Stub.to_string(),
        },
        Ok(Presence::Missing) => Found::Missing,
        Err(error) => Found::Damaged {
            in_trash,
            reason: error.to_string(),
        },
    }
}

/// The edits that bring the old texts of files beside index.json back, where nobody else changed
/// them since.
fn undone_files<M>(
    layout: &Locked<M>,
    restoration: &Restoration,
    warnings: &mut Vec<String>,
) -> anyhow::Result<Vec<RootEdit>> {
    let mut edits: Vec<RootEdit> = Vec::new();
    let mut lost: Vec<DockerFile> = Vec::new();
    for edit in restoration.files.iter().filter_map(|file| file.undone()) {
        if lost.contains(&edit.file) {
            continue;
        }
        // Changes of several removals are undone one after the other, and written once.
        let known = edits.iter_mut().find(|known| known.file == edit.file);
        let is_next = match &known {
            Some(known) => known.new == edit.old,
            None => layout.read_docker_file(edit.file)?.as_ref() == Some(&edit.old),
        };
        match known {
            Some(known) if is_next => known.new = edit.new,
            None if is_next => edits.push(edit),
            _ => {
                warnings.push(format!(
                    "{} was changed since by another program, so no names come back into it",
                    edit.file.name()
                ));
                lost.push(edit.file);
            }
        }
    }
    Ok(edits)
}

fn carry_out(
    session: &Session,
    path: &Path,
    references: &[String],
    incomplete: bool,
) -> anyhow::Result<RestoreReport> {
    let layout = session.open_to_change(path)?;
    let hint =
        "the blobs are back and index.json is as it was; try again when that program is done";
    let stop = || session.interrupt.signal().is_some();
    commit::repeat(layout, hint, &mut |layout| {
        let decision = Decision::new(session, &layout, references, incomplete)?;
        let mut report = decision.report(&layout, false);
        if decision.restoration.is_empty() {
            return Ok(Attempt::Done(report));
        }
        let change = Restore {
            old_index: decision.current.index.bytes(),
            new_index: decision.restoration.index.as_deref(),
            root_edits: &decision.files,
            trash: &decision.trash,
            blobs: &decision.restoration.blobs,
            stored: &decision.restoration.stored,
            sizes: &report.sizes(),
            records: &decision.restoration.records,
        };
        // From here to the report: between two attempts blobs are back that no entry leads to.
        session.interrupt.begin_change(0)?;
        let progress = session.progress("Bringing back", "blobs");
        let watch = Watch {
            progress: &progress,
            stop: &stop,
        };
        let attempt =
            session.locking(|options| commit::restore(layout, &change, options, &watch))?;
        drop(progress);
        Ok(match attempt {
            Attempt::IndexChanged(layout) => Attempt::IndexChanged(layout),
            Attempt::Done(Restored::Done {
                failures,
                not_kept,
                left,
            }) => {
                report.failed(failures);
                report.warnings.extend(not_kept);
                if left > 0 {
                    report.not_cleared(left);
                }
                Attempt::Done(report)
            }
            Attempt::Done(Restored::Stopped { back, left }) => {
                report.stopped(back, left);
                Attempt::Done(report)
            }
        })
    })
}
