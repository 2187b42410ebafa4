//! One file for each command: wiring of the stages, and no logic of their own.
//!
//! What the changing commands have in common is here: a [`Decision`] is made from a locked layout,
//! whichever the lock; a dry run reports it, a real run commits it. When index.json was changed by
//! somebody else between reading and replacing it, the decision is made again.

mod locate;
mod ls;
mod prune;
mod rmi;
mod untag;

use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use anyhow::Context as _;

use crate::cli::{ChangeFormat, Cli, Color, Command, Common};
use crate::commit::{Change, Committed, Outcome, commit};
use crate::error::{Error, Kind};
use crate::gc::{Garbage, Live};
use crate::image::Contents;
use crate::layout::{Exclusive, Layout, LockOptions, Locked};
use crate::plan::moment::parse_duration;
use crate::plan::{Plan, RefusalClass};
use crate::report::change::{Facts, Report};
use crate::report::console::{Console, shown};
use crate::report::to_stdout;

/// How often a decision is made again because index.json changed under it.
const ATTEMPTS: usize = 8;

/// Runs the program and says what failed. The value is the exit status.
pub fn run(cli: Cli) -> u8 {
    let color = match cli.common.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let console = Console::new(color, cli.common.verbose);
    let result = Session::new(&cli.common, console).and_then(|session| match cli.command {
        Command::Ls(args) => ls::run(&session, args),
        Command::Rmi(args) => rmi::run(&session, args),
        Command::Untag(args) => untag::run(&session, args),
        Command::Prune(args) => prune::run(&session, args),
    });
    match result {
        Ok(status) => status,
        Err(error) => {
            console.error(&shown(&format!("{error:#}")));
            let known = error
                .chain()
                .find_map(|cause| cause.downcast_ref::<Error>());
            if let Some(hint) = known.and_then(Error::hint_text) {
                console.hint(&shown(hint));
            }
            known.map_or(Kind::Failed, Error::kind).exit_status()
        }
    }
}

/// The common options, understood.
struct Session {
    layout: Option<PathBuf>,
    lock_timeout: Duration,
    locking: bool,
    console: Console,
}

impl Session {
    fn new(common: &Common, console: Console) -> anyhow::Result<Session> {
        if common.no_lock {
            console.warning("no lock is taken; whatever else uses the layout now can lose images");
        }
        Ok(Session {
            layout: common.layout.clone(),
            lock_timeout: span("--lock-timeout", &common.lock_timeout)?,
            locking: !common.no_lock,
            console,
        })
    }

    /// Calls `with` with the options for locking.
    fn locking<T>(&self, with: impl FnOnce(&LockOptions<'_>) -> T) -> T {
        let waiting = |what: &str| {
            self.console.say(&format!(
                "Waiting for {}, which another process uses.",
                shown(what)
            ));
        };
        with(&LockOptions {
            enabled: self.locking,
            timeout: self.lock_timeout,
            waiting: &waiting,
        })
    }

    fn load<M>(&self, layout: &Locked<M>) -> anyhow::Result<Contents> {
        let mut progress = self.console.progress("reading manifests");
        Contents::load(layout, &mut |done| progress.update(done, None))
    }
}

/// A span of time given to an option; never negative.
fn span(option: &str, text: &str) -> anyhow::Result<Duration> {
    let duration = parse_duration(text)
        .map_err(|e| Error::usage(format!("{option}: {e}")))
        .and_then(|duration| {
            Duration::try_from(duration)
                .map_err(|_| Error::usage(format!("{option}: `{text}` is negative")))
        });
    Ok(duration?)
}

/// Everything that a changing command decided.
struct Decision {
    contents: Contents,
    plan: Plan,
    /// `None` when no blob is in question.
    live: Option<Live>,
    garbage: Garbage,
}

impl Decision {
    fn change(&self) -> Change<'_> {
        let graph = &self.contents.graph;
        let beside = match &self.live {
            Some(live) => live.beside.clone(),
            None => self
                .contents
                .archive
                .edited(&self.plan.names_gone, &Default::default()),
        };
        Change {
            old_index: self.contents.index.bytes(),
            new_index: self.contents.index.edited(&self.plan.edits),
            beside,
            garbage: &self.garbage,
            cuts: self
                .plan
                .cuts
                .iter()
                .map(|(image, lost)| {
                    let lost = lost.iter().map(|node| graph.digest(*node).clone());
                    (graph.digest(*image).clone(), lost.collect())
                })
                .collect(),
        }
    }

    fn report(&self, outcome: Option<&Outcome>, grace: Option<&str>) -> Report {
        Report::new(&Facts {
            contents: &self.contents,
            plan: &self.plan,
            live: self.live.as_ref(),
            garbage: &self.garbage,
            outcome,
            grace,
        })
    }

    /// `lenient`: what is not there is as good as removed.
    fn exit_status(&self, report: &Report, lenient: bool) -> u8 {
        let forgiven = |class| lenient && class == RefusalClass::NotFound;
        let refused = self
            .plan
            .refusals
            .iter()
            .any(|refusal| !forgiven(refusal.class));
        let failed = report.errors.len() > self.plan.refusals.len();
        if refused || failed {
            Kind::Failed.exit_status()
        } else {
            0
        }
    }
}

/// A changing command: how it decides. It is told nothing about the kind of the lock, so it cannot
/// change anything.
trait Decide {
    fn decide<M>(&self, session: &Session, layout: &Locked<M>) -> anyhow::Result<Decision>;
}

/// How a changing command is to be run and its result to be printed.
struct Run<'a> {
    path: PathBuf,
    dry_run: bool,
    format: ChangeFormat,
    /// What is not there is as good as removed.
    lenient: bool,
    /// The grace period as the user gave it, for `prune`.
    grace: Option<&'a str>,
}

impl Run<'_> {
    /// Decides, and shows or does it.
    fn run(&self, session: &Session, command: &impl Decide) -> anyhow::Result<u8> {
        let layout = Layout::open(&self.path)?;
        if self.dry_run {
            let layout = session.locking(|options| layout.lock_shared(options))?;
            let decision = command.decide(session, &layout)?;
            return self.print(session, &decision, None);
        }
        let layout = session.locking(|options| layout.lock_exclusive(options))?;
        let (decision, outcome) = carry_out(session, layout, command)?;
        self.print(session, &decision, Some(&outcome))
    }

    fn print(
        &self,
        session: &Session,
        decision: &Decision,
        outcome: Option<&Outcome>,
    ) -> anyhow::Result<u8> {
        let report = decision.report(outcome, self.grace);
        let text = match self.format {
            ChangeFormat::Json => report.json(),
            ChangeFormat::Text => {
                let mut text = report.text(session.console.is_verbose());
                if self.grace.is_some() {
                    text.push_str(&report.reclaimed());
                }
                text
            }
        };
        let printed = to_stdout(&text);
        report.talk(session.console);
        printed.context("cannot write to standard output")?;
        Ok(decision.exit_status(&report, self.lenient))
    }
}

fn carry_out(
    session: &Session,
    mut layout: Locked<Exclusive>,
    command: &impl Decide,
) -> anyhow::Result<(Decision, Outcome)> {
    for _ in 0..ATTEMPTS {
        let decision = command.decide(session, &layout)?;
        let mut progress = session.console.progress("deleting blobs");
        let committed = session.locking(|options| {
            commit(layout, &decision.change(), options, &mut |done, total| {
                progress.update(done as u64, Some(total as u64));
            })
        })?;
        match committed {
            Committed::Done(outcome) => return Ok((decision, outcome)),
            Committed::IndexChanged(again) => layout = again,
        }
    }
    Err(Error::new(
        Kind::Failed,
        "index.json was changed by another program each time it was to be replaced",
    )
    .hint("nothing was changed; try again when that program is done")
    .into())
}
