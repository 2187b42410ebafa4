//! Marking: what the entries that stay lead to.

use std::collections::HashSet;

use crate::error::Error;
use crate::layout::RootEdit;
use crate::plan::Plan;
use crate::snapshot::{Holders, NodeId, RecordId, RemovedParts, Snapshot, Whole};

/// What stays under a plan, and because of whom. Whatever is not in it is taken for garbage, so there is
/// one only where every document was read and none that stays is damaged.
///
/// ```compile_fail,E0308
/// # fn with(layout: &ocirm::layout::Locked<ocirm::layout::Shared>, plan: &ocirm::plan::Plan) -> anyhow::Result<()> {
/// // Only names were read. Whatever their images need would look like garbage.
/// let snapshot = ocirm::snapshot::Snapshot::read_names(layout)?;
/// let live = ocirm::gc::mark(&snapshot, plan)?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # fn with(layout: &ocirm::layout::Locked<ocirm::layout::Shared>, plan: &ocirm::plan::Plan) -> anyhow::Result<()> {
/// let snapshot = ocirm::snapshot::Snapshot::read_kinds(layout, &mut |_| ())?;
/// let live = ocirm::gc::mark(&snapshot, plan)?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # fn with(layout: &ocirm::layout::Locked<ocirm::layout::Shared>, plan: &ocirm::plan::Plan) -> anyhow::Result<()> {
/// // Something that stays may be damaged, which is only found out by handling the failure.
/// let snapshot = ocirm::snapshot::Snapshot::read(layout, &[], &Default::default(), &mut |_| ())?;
/// let live = ocirm::gc::mark(&snapshot, plan);
/// let garbage = ocirm::gc::rmi(&snapshot, &live, layout)?;
/// # Ok(())
/// # }
/// ```
///
/// ```
/// # fn with(layout: &ocirm::layout::Locked<ocirm::layout::Shared>, plan: &ocirm::plan::Plan) -> anyhow::Result<()> {
/// let snapshot = ocirm::snapshot::Snapshot::read(layout, &[], &Default::default(), &mut |_| ())?;
/// let live = ocirm::gc::mark(&snapshot, plan)?;
/// let garbage = ocirm::gc::rmi(&snapshot, &live, layout)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Live {
    holders: Holders,
    /// Indexes that the plan makes and that the layout has: nothing led to them before.
    made: HashSet<NodeId>,
    /// Targets of the entries that go: nobody wants those back.
    removed: HashSet<NodeId>,
    /// Changes to the files of an unpacked `docker save` that go with the plan.
    pub root_edits: Vec<RootEdit>,
}

impl Live {
    /// Whether a blob stays.
    pub fn contains(&self, node: NodeId) -> bool {
        self.holders.contains(node) || self.made.contains(&node)
    }

    /// Whether an entry that goes leads to this blob itself.
    pub(super) fn is_removed(&self, node: NodeId) -> bool {
        self.removed.contains(&node)
    }

    /// The first record that references a blob; `None` also when something else than a record does.
    pub fn holder(&self, node: NodeId) -> Option<RecordId> {
        self.holders.record(node)
    }
}

/// Marks everything that stays under the plan.
///
/// # Errors
/// Exit status 12 when something that stays leads to a document that cannot be trusted: whatever that
/// one needs would look like garbage.
pub fn mark(snapshot: &Snapshot<Whole>, plan: &Plan) -> Result<Live, Error> {
    let start = plan.starts(snapshot);
    let holders = Holders::of(
        snapshot,
        &plan.settled,
        &plan.names_gone,
        &start,
        &plan.removed_parts,
    );
    snapshot.refuse_damage(&holders)?;
    let lost = &holders.lost_archive_images;
    let made = plan.new_blobs();
    Ok(Live {
        made: made
            .filter_map(|blob| snapshot.graph.find(&blob.digest))
            .collect(),
        removed: snapshot
            .records
            .iter()
            .filter(|(id, _)| !plan.settled.stays(*id))
            .map(|(_, record)| record.target)
            .collect(),
        root_edits: snapshot.archive.edited(&plan.names_gone, lost),
        holders,
    })
}

/// Marks everything that index.json leads to, apart from what images lost.
///
/// # Errors
/// As [`mark`].
pub fn mark_all(snapshot: &Snapshot<Whole>, removed_parts: &RemovedParts) -> Result<Live, Error> {
    let holders = Holders::of_all(snapshot, removed_parts);
    snapshot.refuse_damage(&holders)?;
    Ok(Live {
        holders,
        made: HashSet::new(),
        removed: HashSet::new(),
        root_edits: Vec::new(),
    })
}
