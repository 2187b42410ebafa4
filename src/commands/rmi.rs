//! `ocirm rmi`.

use super::locate::locate;
use super::{Decide, Decision, Run, Session};
use crate::cli::RmiArgs;
use crate::error::Error;
use crate::gc::{self, Garbage};
use crate::image::facts::Facts;
use crate::image::platform::{self, Platform};
use crate::layout::Locked;
use crate::plan::Draft;
use crate::plan::rmi::RmiOptions;

pub(super) fn run(session: &Session, args: RmiArgs) -> anyhow::Result<u8> {
    let mut platforms = Vec::new();
    for text in &args.platforms {
        let parsed = platform::parse_list(text, &Platform::host());
        platforms.extend(parsed.map_err(|e| Error::usage(format!("--platform: {e}")))?);
    }
    let (path, references) = locate(session, args.references)?;
    let command = Rmi {
        references,
        options: RmiOptions {
            force: args.force,
            keep_parents: args.no_prune,
            platforms,
        },
    };
    let run = Run {
        path,
        dry_run: args.dry_run,
        format: args.format,
        lenient: args.force || args.ignore,
        grace: None,
    };
    run.run(session, &command)
}

struct Rmi {
    references: Vec<String>,
    options: RmiOptions,
}

impl Decide for Rmi {
    fn decide<M>(&self, session: &Session, layout: &Locked<M>) -> anyhow::Result<Decision> {
        let contents = session.load(layout)?;
        contents.graph.refuse_damage()?;
        let facts = Facts::new(layout, &contents);
        let mut draft = Draft::new(&contents);
        for reference in &self.references {
            draft.rmi(reference, &self.options, &|manifest| {
                facts.config_of(manifest)
            });
        }
        let plan = draft.finish();
        let live = gc::mark(&contents, &plan);
        let garbage = if plan.is_empty() {
            Garbage::default()
        } else {
            gc::rmi(&contents, &live, layout)?
        };
        Ok(Decision {
            contents,
            plan,
            live: Some(live),
            garbage,
        })
    }
}
