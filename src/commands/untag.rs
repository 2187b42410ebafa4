//! `ocirm untag`.

use super::change::{Decide, Decision, Run};
use super::session::Session;
use super::target_layouts::target_layout;
use crate::cli::UntagArgs;
use crate::layout::{Locked, Shared};
use crate::plan::Draft;
use crate::report::change_input::ChangingCommand;
use crate::snapshot::Snapshot;

pub(super) fn run(session: &Session, args: UntagArgs) -> anyhow::Result<u8> {
    let (path, references) = target_layout(session, args.references)?;
    let run = Run {
        dry_run: args.dry_run,
        format: args.format,
        lenient: args.ignore,
        command: ChangingCommand::NamedImages,
        sharers: &[],
        found_sharers: None,
    };
    run.run_and_print(session, &path, &Untag { references })
}

struct Untag {
    references: Vec<String>,
}

impl Decide for Untag {
    fn decide<M>(
        &self,
        _: &Session,
        layout: &Locked<M>,
        _: &[Locked<Shared>],
    ) -> anyhow::Result<Decision> {
        // No blob is in question, so none is read: a name can be taken from a damaged layout.
        let snapshot = Snapshot::read_names(layout)?;
        let mut draft = Draft::new(&snapshot);
        for reference in &self.references {
            draft.untag(reference);
        }
        let plan = draft.finish();
        Ok(Decision {
            view: snapshot.into_view(),
            plan,
            ..Decision::default()
        })
    }
}
