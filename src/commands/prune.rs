//! `ocirm prune`.

use std::collections::HashSet;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::locate::locate;
use super::{Decide, Decision, Run, Session, span};
use crate::cli::PruneArgs;
use crate::error::Error;
use crate::gc::{self, SweepOptions};
use crate::image::facts::Facts;
use crate::layout::{Digest, Layout, Locked};
use crate::plan::Draft;
use crate::plan::filter::{FilterUse, Filters};
use crate::plan::prune::PruneOptions;
use crate::report::units::size;

pub(super) fn run(session: &Session, args: PruneArgs) -> anyhow::Result<u8> {
    let now = Timestamp::now();
    let for_use = FilterUse::Prune { all: args.all };
    let filters = Filters::parse(&args.filters, for_use, now, &TimeZone::system())?;
    let grace = span("--grace", &args.grace)?;
    let (path, _) = locate(session, Vec::new())?;
    let mut command = Prune {
        all: args.all,
        filters,
        spare_after: now.checked_sub(grace).unwrap_or(Timestamp::MIN),
        confirmed: None,
    };
    if !args.force && !args.dry_run {
        if !session.console.can_ask() {
            return Err(Error::usage("prune asks before it deletes, and there is no terminal")
                .hint("use -f (--force) to prune without a question, -n (--dry-run) to see what would go")
                .into());
        }
        match command.confirm(session, &path, &args.grace)? {
            Some(confirmed) => command.confirmed = Some(confirmed),
            None => return Ok(0),
        }
    }
    let run = Run {
        path,
        dry_run: args.dry_run,
        format: args.format,
        lenient: false,
        grace: Some(&args.grace),
    };
    run.run(session, &command)
}

/// What a person saw and agreed to.
struct Confirmed {
    entries: HashSet<String>,
    blobs: HashSet<Digest>,
}

struct Prune {
    all: bool,
    filters: Filters,
    spare_after: Timestamp,
    confirmed: Option<Confirmed>,
}

impl Prune {
    /// Shows what would go and asks. No lock is held while somebody thinks about the answer; what
    /// is deleted afterwards is decided anew, and is at most what was shown.
    fn confirm(
        &self,
        session: &Session,
        path: &Path,
        grace: &str,
    ) -> anyhow::Result<Option<Confirmed>> {
        let console = session.console;
        let layout = Layout::open(path)?;
        let layout = session.locking(|options| layout.lock_shared(options))?;
        let decision = self.decide(session, &layout)?;
        drop(layout);
        let report = decision.report(None, Some(grace));
        if report.is_empty() {
            return Ok(Some(Confirmed {
                entries: HashSet::new(),
                blobs: HashSet::new(),
            }));
        }
        console.say(report.text(console.is_verbose()).trim_end());
        console.say(&format!(
            "This deletes {} and frees {}.",
            crate::report::units::count(decision.garbage.blobs.len(), "blob", "blobs"),
            size(decision.garbage.freed_bytes())
        ));
        if self.all {
            console
                .warning("this removes all images that pass the filters, not only dangling ones");
        }
        if !console.ask("Are you sure you want to continue?") {
            return Ok(None);
        }
        let entries = decision.plan.edits.keys();
        Ok(Some(Confirmed {
            entries: entries
                .map(|at| decision.contents.index.entry_text(*at).to_owned())
                .collect(),
            blobs: decision
                .garbage
                .blobs
                .iter()
                .map(|blob| blob.digest.clone())
                .collect(),
        }))
    }
}

impl Decide for Prune {
    fn decide<M>(&self, session: &Session, layout: &Locked<M>) -> anyhow::Result<Decision> {
        let contents = session.load(layout)?;
        contents.graph.refuse_damage()?;
        let mut draft = Draft::new(&contents);
        let confirmed = self.confirmed.as_ref();
        draft.prune(
            &PruneOptions {
                all: self.all,
                filters: self.filters.clone(),
                spare_after: self.spare_after,
                confirmed: confirmed.map(|c| c.entries.clone()),
            },
            &Facts::new(layout, &contents),
        );
        let plan = draft.finish();
        let live = gc::mark(&contents, &plan);
        let garbage = gc::prune(
            &contents,
            &live,
            layout,
            &SweepOptions {
                all: self.all,
                spare_after: self.spare_after,
                confirmed: confirmed.map(|c| c.blobs.clone()),
            },
        )?;
        Ok(Decision {
            contents,
            plan,
            live: Some(live),
            garbage,
        })
    }
}
