//! Decisions: what the report says of each name and why, where something was to be kept. What becomes of
//! names is found out elsewhere; here it is noted.

use std::collections::HashMap;
use std::sync::Arc;

use super::draft::Draft;
use super::plan::NameDecision;
use crate::retention::{Policy, Scope};
use crate::snapshot::RecordId;

/// Why something goes that nobody asked to keep.
const NOTHING: &str = "nothing keeps it";

/// Why something stays or goes, and which rule says so, by its number and line.
#[derive(Clone, Debug, Default)]
pub(super) struct Cause {
    /// `None`: nothing keeps it.
    pub(super) reason: Option<Arc<str>>,
    pub(super) rule: Option<usize>,
    pub(super) line: Option<usize>,
}

impl Cause {
    pub(super) fn of(reason: impl Into<Arc<str>>) -> Cause {
        Cause {
            reason: Some(reason.into()),
            ..Cause::default()
        }
    }

    /// The same of an image that nothing counts because it cannot be used.
    pub(super) fn of_broken(self) -> Cause {
        let reason = self.reason.as_deref().unwrap_or(NOTHING);
        Cause {
            reason: Some(format!("{reason}; it is broken, so nothing counts it").into()),
            ..self
        }
    }

    /// A count of the policy, by its place.
    pub(super) fn of_count(policy: &Policy, count: usize, reason: Arc<str>) -> Cause {
        let count = &policy.counts[count];
        Cause {
            reason: Some(reason),
            rule: match count.scope {
                Scope::Rule(rule) => Some(rule + 1),
                Scope::Everything | Scope::Pattern(..) => None,
            },
            line: count.line,
        }
    }
}

impl Draft<'_> {
    /// Notes what becomes of a name, for the report.
    pub(super) fn decided(&mut self, id: RecordId, stays: bool, cause: Cause) {
        let Cause { reason, rule, line } = cause;
        self.plan.decisions.push(NameDecision {
            name: self.view.shown_shared(id),
            image: self.record(id).target,
            stays,
            rule,
            line,
            reason: reason.unwrap_or_else(|| NOTHING.into()),
        });
    }

    /// Notes for the report what becomes of names of what belongs to images: they go and stay with these.
    pub(super) fn decide_dependents(&mut self) {
        if self.plan.decisions.is_empty() {
            return;
        }
        let records = self.records().iter();
        let named =
            records.filter(|(_, record)| record.kind.is_dependent() && !record.is_dangling());
        let mut named: Vec<(&str, RecordId)> =
            named.map(|(id, record)| (record.key(), id)).collect();
        named.sort();
        let held: HashMap<RecordId, Arc<str>> = self
            .held
            .iter()
            .map(|(id, reason)| (*id, reason.as_str().into()))
            .collect();
        for (_, id) in named {
            let stays = self.plan.settled.stays(id);
            let cause = match (held.get(&id), stays) {
                (Some(reason), true) => Cause::of(reason.clone()),
                (_, true) => Cause::of("what it belongs to stays"),
                (_, false) => Cause::of("it goes with what it belongs to"),
            };
            self.decided(id, stays, cause);
        }
    }
}
