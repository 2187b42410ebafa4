//! `ocirm untag`.

use super::change::{Decide, Decision, Run};
use super::session::Session;
use super::target_layouts::target_layout;
use crate::cli::UntagArgs;
use crate::layout::{Locked, Shared};
use crate::plan::Draft;
use crate::report::change_input::ChangingCommand;
use crate::snapshot::{Record, Snapshot};

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
        let mut plan = draft.finish();
        let is_nameless = |(_, record): (_, &Record)| record.is_dangling() && !record.explicit;
        if snapshot.records.iter().any(is_nameless) && plan.takes_last_name(&snapshot) {
            // What has no name may belong to an image, and only blobs tell. It is a note and no more.
            if let Ok(kinds) = Snapshot::read_kinds(layout, &mut |_| ()) {
                plan.note_nameless(&snapshot, &kinds);
            }
        }
        Ok(Decision {
            view: snapshot.into_view(),
            plan,
            ..Decision::default()
        })
    }
}
