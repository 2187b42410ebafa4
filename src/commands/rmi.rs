//! `ocirm rmi`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::change::{Decide, Decision, Run, leave_to_writer, uses_trash};
use super::container_files;
use super::session::{Session, span};
use super::target_layouts::target_layout;
use crate::cli::{DEFAULT_GRACE, RmiArgs};
use crate::containers::Container;
use crate::containers::in_use::Uses;
use crate::error::{Error, ErrorKind};
use crate::gc::{self, Garbage, Siblings, TrashOptions, TrashUse};
use crate::inspect::metadata::ImageMetadata;
use crate::layout::{Locked, Shared, Trash};
use crate::layout_argument::directory;
use crate::plan::{Draft, PartSelection, Refusal, RefusalClass, RmiOptions};
use crate::report::change_input::ChangingCommand;
use crate::snapshot::{MAX_DOCUMENT_BYTES, Snapshot, Whole};
use crate::value::digest::DigestPrefix;
use crate::value::platform::{self, Platform};
use crate::value::reference::{Argument, parse_argument};
use crate::words::quoted;

pub(super) fn run(session: &Session, args: RmiArgs) -> anyhow::Result<u8> {
    let mut command = Rmi::understand(&args)?;
    let path;
    (path, command.references) = target_layout(session, args.references, true)?;
    let also_roots: Vec<PathBuf> = args
        .also_roots
        .into_iter()
        .map(directory)
        .collect::<Result<_, _>>()?;
    command.trash.to_trash = uses_trash(args.trash, args.no_trash)?;
    command.know_layouts(&path, &also_roots);
    let run = Run {
        dry_run: args.dry_run,
        format: args.format,
        of_many: false,
        lenient: args.force || args.ignore,
        command: ChangingCommand::NamedImages,
        sharers: &also_roots,
        found_sharers: None,
    };
    run.run_and_print(session, &path, &command)
}

/// The platforms that an option lists.
fn parsed(option: &str, texts: &[String]) -> Result<Vec<Platform>, Error> {
    let mut platforms = Vec::new();
    for text in texts {
        let parsed = platform::parse_list(text, &Platform::host());
        platforms.extend(parsed.map_err(|e| Error::usage(format!("{option}: {e}")))?);
    }
    Ok(platforms)
}

fn prefixes(texts: &[String]) -> Result<Vec<DigestPrefix>, Error> {
    let parsed = texts.iter().map(|text| {
        DigestPrefix::parse(text).ok_or_else(|| {
            Error::usage(format!("--manifest: {} is no digest", quoted(text)))
                .hint("give a digest as `ocirm ls --tree` shows it, or the beginning of one")
        })
    });
    parsed.collect()
}

pub(super) struct Rmi {
    containers: Vec<Container>,
    references: Vec<String>,
    /// Referrers with names of their own go along.
    referrers: bool,
    trash: TrashOptions,
    /// As in [`Decision`].
    writers_since: Option<Timestamp>,
    options: RmiOptions,
    siblings: Siblings,
}

impl Rmi {
    /// Understands the options that say what goes and what stays. Of which images, whether it goes to the
    /// trash, and which other layouts there are, is for whoever runs it to say.
    ///
    /// # Errors
    /// Exit status 2: an option cannot be understood; and a file that cannot be read.
    fn understand(args: &RmiArgs) -> anyhow::Result<Rmi> {
        let parts = PartSelection {
            platforms: parsed("--platform", &args.platforms)?,
            keep_platforms: parsed("--keep-platform", &args.keep_platforms)?,
            manifests: prefixes(&args.manifests)?,
            attestations: args.attestations,
        };
        let grace = span("--grace", DEFAULT_GRACE)?;
        let since = Timestamp::now().checked_sub(grace);
        Ok(Rmi {
            containers: container_files::containers(&args.containers)?,
            references: Vec::new(),
            referrers: args.referrers,
            trash: TrashOptions {
                to_trash: false,
                command: Some("rmi"),
                expire_before: None,
                now: None,
            },
            writers_since: (!args.ignore_writers).then(|| since.unwrap_or(Timestamp::MIN)),
            options: RmiOptions {
                force: args.force,
                keep_parents: args.no_prune,
                parts,
                rewrite_index: args.rewrite_index,
            },
            siblings: Siblings::default(),
        })
    }

    fn know_layouts(&mut self, layout: &Path, also_roots: &[PathBuf]) {
        let layouts = std::iter::once(layout.to_owned()).chain(also_roots.iter().cloned());
        self.siblings = Siblings::new(layouts.collect(), true);
    }

    /// For a program that uses the crate.
    ///
    /// # Errors
    /// As of the options on the command line.
    pub(super) fn embedded(args: &RmiArgs, layout: &Path) -> anyhow::Result<Rmi> {
        let mut command = Rmi::understand(args)?;
        command.references.clone_from(&args.references);
        command.trash.to_trash = args.trash;
        command.know_layouts(layout, &args.also_roots);
        Ok(command)
    }
}

impl Decide for Rmi {
    fn decide<M>(
        &self,
        session: &Session,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
    ) -> anyhow::Result<Decision> {
        let snapshot = session.read(layout, sharers, &Trash::default())?;
        let metadata = ImageMetadata::new(layout, &snapshot, Timestamp::now());
        let config_of = |manifest| metadata.config_of(manifest);
        let uses = Uses::new(&snapshot, &self.containers);
        let unlisted = |argument: &str| unlisted(layout, &snapshot, argument);
        let mut draft = Draft::with_uses(&snapshot, &uses);
        draft.explain_with(&unlisted);
        draft.rmi_all(&self.references, &self.options, &config_of);
        draft.follow_named_referrers(self.referrers);
        let embedded = |digest: &_| snapshot.graph.embedded(snapshot.graph.find(digest)?);
        let mut plan = draft.finish_with(&mut |digest| {
            layout
                .read_blob(digest, None, MAX_DOCUMENT_BYTES)?
                .or_else(|| embedded(digest).map(<[u8]>::to_vec))
                .with_context(|| format!("the index {digest} is gone"))
        })?;
        plan.note_nameless(&snapshot, &snapshot);
        let live = match gc::mark(&snapshot, &plan) {
            // Nothing would go, and why says more than what else is wrong with the layout.
            Err(_) if plan.is_empty() && !plan.refusals.is_empty() => None,
            live => Some(live?),
        };
        let mut garbage = match &live {
            Some(live) if !plan.is_empty() => gc::rmi(&snapshot, live, layout)?,
            _ => Garbage::default(),
        };
        if let Some(live) = &live {
            let siblings = &self.siblings;
            siblings.keep_originals(layout.path(), &snapshot.graph, live, layout, &mut garbage);
        }
        let trash = TrashUse::decide(
            layout,
            sharers,
            (&snapshot, &plan),
            &mut garbage,
            self.trash,
        )?;
        leave_to_writer(
            &mut garbage,
            &trash,
            layout,
            sharers,
            self.writers_since,
            None,
        );
        if let Some(postponed) = &garbage.postponed
            && !plan.removed_parts.is_empty()
        {
            // The index goes on listing them, so no prune would ever find them.
            let message = format!(
                "another program is writing ({}), and parts of an image that keeps its index cannot be left to a \
                 later prune",
                quoted(&postponed.writer)
            );
            return Err(Error::new(ErrorKind::Failed, message)
                .hint(
                    "nothing was changed; try again when that program is done, or use --trash, --rewrite-index, \
                     or --ignore-writers if no program is writing",
                )
                .into());
        }
        Ok(Decision {
            view: snapshot.into_view(),
            plan,
            live,
            garbage,
            trash,
            writers_since: self.writers_since,
            ..Decision::default()
        })
    }
}

/// What a digest means that no entry leads to: a blob may lie there all the same. No directory is listed
/// for it.
fn unlisted<M>(layout: &Locked<M>, snapshot: &Snapshot<Whole>, argument: &str) -> Option<Refusal> {
    let Ok(Argument::Digest(digest)) = parse_argument(argument) else {
        return None;
    };
    layout.stat_blob(&digest).ok()??;
    let found = snapshot.unlisted_referrers(layout, std::slice::from_ref(&digest));
    let message = format!("No such image: {digest}");
    Some(match found.is_referrer(&digest) {
        true => Refusal {
            class: RefusalClass::Conflict,
            message: format!(
                "conflict: unable to delete {} (cannot be forced) - it is a referrer that no entry of \
                 index.json leads to",
                digest.short()
            ),
            hint: Some(
                "it goes with what it is about; `ocirm prune --unlisted-referrers delete` removes it with all \
                 others of its kind"
                    .to_owned(),
            ),
        },
        false => Refusal {
            class: RefusalClass::NotFound,
            message,
            hint: Some("that is an unreferenced blob, which `ocirm prune` removes".to_owned()),
        },
    })
}
