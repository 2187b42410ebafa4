//! `ocirm untag`.

use std::cell::OnceCell;

use super::change::{Decide, Decision, Run};
use super::session::Session;
use super::target_layouts::target_layout;
use crate::cli::UntagArgs;
use crate::layout::{Locked, Shared, Trash};
use crate::plan::Draft;
use crate::report::change_input::ChangingCommand;
use crate::snapshot::{Record, Snapshot, Whole};

pub(super) fn run(session: &Session, args: UntagArgs) -> anyhow::Result<u8> {
    let (path, references) = target_layout(session, args.references, true)?;
    let run = Run {
        dry_run: args.dry_run,
        format: args.format,
        of_many: false,
        lenient: args.ignore,
        command: ChangingCommand::NamedImages,
        sharers: &[],
        found_sharers: None,
    };
    run.run_and_print(session, &path, &Untag { references })
}

pub(super) struct Untag {
    pub(super) references: Vec<String>,
}

impl Decide for Untag {
    fn decide<M>(
        &self,
        session: &Session,
        layout: &Locked<M>,
        _: &[Locked<Shared>],
    ) -> anyhow::Result<Decision> {
        // No blob is in question, so none is read: a name can be taken from a damaged layout.
        let snapshot = Snapshot::read_names(layout)?;
        // Only blobs tell that a digest is that of a part of an image.
        let whole = OnceCell::new();
        let part = |argument: &str| {
            let read = || session.read(layout, &[], &Trash::default()).ok();
            let whole: &Snapshot<Whole> = whole.get_or_init(read).as_ref()?;
            Draft::new(whole).meant_part(argument)
        };
        let mut draft = Draft::new(&snapshot);
        draft.explain_with(&part);
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
