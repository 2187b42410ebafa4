//! Marking: what the entries that stay lead to.

use std::collections::HashSet;

use crate::layout::RootEdit;
use crate::plan::Plan;
use crate::snapshot::{Holders, NodeId, RecordId, RemovedParts, Trusted};

/// What stays, and because of whom. Made from a trusted snapshot alone: whatever is not in it is taken
/// for garbage.
#[derive(Clone, Debug)]
pub struct Live {
    holders: Holders,
    /// Indexes that the plan makes and that the layout has: nothing led to them before.
    made: HashSet<NodeId>,
    /// Changes to the files of an unpacked `docker save` that go with the plan.
    pub root_edits: Vec<RootEdit>,
}

impl Live {
    /// Whether a blob stays.
    pub fn contains(&self, node: NodeId) -> bool {
        self.holders.contains(node) || self.made.contains(&node)
    }

    /// The first record that references a blob; `None` also when something else than a record does.
    pub fn holder(&self, node: NodeId) -> Option<RecordId> {
        self.holders.record(node)
    }
}

/// Marks everything that stays under the plan.
pub fn mark(snapshot: Trusted<'_>, plan: &Plan) -> Live {
    let stays = |id| plan.settled.stays(id);
    let start = |id| plan.start(&snapshot, id);
    let holders = Holders::of(&snapshot, &stays, &start, &plan.removed_parts);
    let lost = &holders.lost_archive_images;
    let made = plan.new_blobs();
    Live {
        made: made
            .filter_map(|blob| snapshot.graph.find(&blob.digest))
            .collect(),
        root_edits: snapshot.archive.edited(&plan.names_gone, lost),
        holders,
    }
}

/// Marks everything that index.json leads to, apart from what images lost.
pub fn mark_all(snapshot: Trusted<'_>, removed_parts: &RemovedParts) -> Live {
    Live {
        holders: Holders::of_all(&snapshot, removed_parts),
        made: HashSet::new(),
        root_edits: Vec::new(),
    }
}
