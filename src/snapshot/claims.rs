//! Claims: which records live and die with others.
//!
//! Children and referrers have *claimants*. [`Claims`] says who is claimed when some entries are left;
//! the plan asks it before and after.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::graph::{Follow, Graph, NodeId};
use super::names::Name;
use super::reachability::{Arrival, Reachability, Start};
use super::records::{Record, RecordId, RecordKind, Records, may_be_claimed, may_be_part};
use super::removed_parts::{Parts, RemovedParts, all_parts};

/// Finds out what each record is to a user.
pub(super) fn assign_kinds(records: &mut Records, graph: &Graph) {
    let is_nameless = !records.iter().any(|(_, record)| record.is_chosen());
    let claims = Claims::new(records, graph);
    let settled = (!claims.is_empty()).then(|| claims.classify());
    let settled = settled.as_ref();
    records.set_kinds(|id, record| {
        let is_claimed = settled.is_some_and(|settled| settled.is_claimed(id));
        match record.name {
            // A signature that an index of signatures lists as well is a signature.
            _ if is_claimed && record.subject.is_some() => RecordKind::Referrer,
            _ if is_claimed => RecordKind::Child,
            Name::Dangling if record.explicit || !is_nameless => RecordKind::Dangling,
            Name::Dangling => RecordKind::Unnamed,
            _ => RecordKind::Named,
        }
    });
}

/// Who is claimed by whom. Built once from records and their graph; asked for any set of records that
/// are left.
#[derive(Debug)]
pub struct Claims<'a> {
    records: &'a Records,
    graph: &'a Graph,
    /// Records that something may claim and what they would be, by what has to be reached for it.
    waiting: HashMap<NodeId, Vec<(RecordId, Settlement)>, RandomState>,
}

/// What becomes of a record when only some are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settlement {
    /// It is not left, or what claimed it is not.
    Goes,
    /// It is left, and nobody claims it.
    StandsAlone,
    /// It stays because a document that another record leads to lists it.
    Part,
    /// It stays because its subject belongs to another record.
    Referrer,
}

/// What becomes of every record.
#[derive(Clone, Debug, Default)]
pub struct Settled(Vec<Settlement>);

impl Settled {
    /// Whether a record stays. One of which nothing was settled does.
    pub fn stays(&self, id: RecordId) -> bool {
        self.0.get(id.index()) != Some(&Settlement::Goes)
    }

    /// Whether a record stays, and nothing claims it.
    pub fn stands_alone(&self, id: RecordId) -> bool {
        self.0.get(id.index()) == Some(&Settlement::StandsAlone)
    }

    /// Whether what a record leads to is walked for its own sake: it stays, and not merely as a part of
    /// something that is walked without what that lost.
    pub(super) fn is_walked(&self, id: RecordId, record: &Record) -> bool {
        match self.0.get(id.index()) {
            Some(Settlement::Goes | Settlement::Part) => false,
            Some(Settlement::StandsAlone | Settlement::Referrer) => true,
            None => record.kind != RecordKind::Child,
        }
    }

    fn is_claimed(&self, id: RecordId) -> bool {
        let settlement = self.0.get(id.index());
        matches!(settlement, Some(Settlement::Part | Settlement::Referrer))
    }
}

impl<'a> Claims<'a> {
    /// Finds out who may be claimed.
    pub fn new(records: &'a Records, graph: &'a Graph) -> Claims<'a> {
        let mut claims = Claims {
            records,
            graph,
            waiting: HashMap::default(),
        };
        let mut wait = |node, claim| claims.waiting.entry(node).or_default().push(claim);
        for (id, record) in records.iter() {
            if may_be_part(record, graph) {
                wait(record.target, (id, Settlement::Part));
            }
            if let Some(subject) = record.subject {
                wait(subject, (id, Settlement::Referrer));
            }
        }
        claims
    }

    /// Whether every record stands alone, come what may.
    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Which records stand alone in the layout as it was found, and which are claimed.
    ///
    /// What cannot be claimed stands alone, and claims what it leads to. What then still waits for
    /// something that nobody leads to is an orphan: orphans whose subject no other orphan holds
    /// stand alone too, and claim the rest.
    fn classify(&self) -> Settled {
        let whole = |id| Start::Image(self.records.record(id).target);
        let none = RemovedParts::new();
        let lost = Parts::new();
        let mut walk = Walk::new(self, &|_| true, &whole, &none, &lost);
        walk.keep_index_subjects();
        for (id, record) in self.records.iter() {
            if !may_be_claimed(record, self.graph) {
                walk.keep(id, Follow::Subjects);
            }
        }
        let records = self.records.iter();
        let orphans: Vec<_> = records.filter(|(id, _)| !walk.settled.stays(*id)).collect();
        let mut held = Reachability::new(self.graph);
        for (_, record) in &orphans {
            held.add(self.graph, record.target, Follow::Needed);
        }
        for (id, record) in &orphans {
            let subject_is_held = record.subject.is_some_and(|subject| held.contains(subject));
            if !subject_is_held && !may_be_part(record, self.graph) {
                walk.keep(*id, Follow::Needed);
            }
        }
        // Only forged circles of references are left over.
        for (id, _) in orphans {
            walk.keep(id, Follow::Needed);
        }
        walk.settled
    }

    /// Which records stay when, of those that stand alone, only those that `left` admits do: they,
    /// and what they claim at any depth; and `held`, whatever they belong to. `start` says where the image of a record begins, `removed_parts`
    /// what images lost.
    pub fn settle(
        &self,
        left: &dyn Fn(RecordId) -> bool,
        held: &[RecordId],
        start: &dyn Fn(RecordId) -> Start<'a>,
        removed_parts: &RemovedParts,
    ) -> Settled {
        let stands_alone = |id, record: &Record| !record.kind.is_dependent() && left(id);
        if self.is_empty() {
            // Nobody has to find out what anybody leads to.
            let settled = |(id, record)| match stands_alone(id, record) {
                true => Settlement::StandsAlone,
                false => Settlement::Goes,
            };
            return Settled(self.records.iter().map(settled).collect());
        }
        let lost = all_parts(removed_parts);
        let mut walk = Walk::new(self, left, start, removed_parts, &lost);
        walk.keep_index_subjects();
        // An orphan that refers to something does not thereby hold it, or two of them would hold
        // each other's.
        for (follow, claimable) in [(Follow::Subjects, false), (Follow::Needed, true)] {
            for (id, record) in self.records.iter() {
                if stands_alone(id, record) && may_be_claimed(record, self.graph) == claimable {
                    walk.keep(id, follow);
                }
            }
        }
        for id in held {
            walk.keep(*id, Follow::Needed);
        }
        walk.settled
    }
}

struct Walk<'a, 'b> {
    claims: &'b Claims<'a>,
    left: &'b dyn Fn(RecordId) -> bool,
    start: &'b dyn Fn(RecordId) -> Start<'a>,
    reachability: Reachability<'b>,
    /// For walks from referrers, if any image lost anything.
    of_referrers: Option<Reachability<'b>>,
    settled: Settled,
}

impl<'a, 'b> Walk<'a, 'b> {
    fn new(
        claims: &'b Claims<'a>,
        left: &'b dyn Fn(RecordId) -> bool,
        start: &'b dyn Fn(RecordId) -> Start<'a>,
        removed_parts: &'b RemovedParts,
        lost: &'b Parts,
    ) -> Self {
        let is_any = !lost.is_empty();
        Walk {
            of_referrers: is_any.then(|| Reachability::passing_over(claims.graph, lost)),
            claims,
            left,
            start,
            reachability: Reachability::without(claims.graph, removed_parts),
            settled: Settled(vec![Settlement::Goes; claims.records.iter().len()]),
        }
    }

    /// Keeps a record that stands alone and, through what its image holds, those that it claims.
    fn keep(&mut self, id: RecordId, follow: Follow) {
        self.keep_all(vec![(id, Settlement::StandsAlone)], follow);
    }

    /// Keeps those that what index.json itself is about claims: it stays without any entry.
    fn keep_index_subjects(&mut self) {
        for node in self.claims.graph.index_subjects() {
            let mut claimed = Vec::new();
            self.walk_from(Start::Image(*node), Follow::Subjects, false, &mut claimed);
            self.keep_all(claimed, Follow::Subjects);
        }
    }

    fn keep_all(&mut self, mut todo: Vec<(RecordId, Settlement)>, follow: Follow) {
        while let Some((id, settlement)) = todo.pop() {
            if self.settled.stays(id) {
                continue;
            }
            self.settled.0[id.index()] = settlement;
            // A part is walked by whoever it is a part of, without what that one lost.
            if settlement == Settlement::Part {
                continue;
            }
            let is_referrer = settlement == Settlement::Referrer;
            self.walk_from((self.start)(id), follow, is_referrer, &mut todo);
        }
    }

    /// Adds to `claimed` the records that wait for what is reached from a start for the first time.
    fn walk_from(
        &mut self,
        start: Start<'a>,
        follow: Follow,
        is_referrer: bool,
        claimed: &mut Vec<(RecordId, Settlement)>,
    ) {
        let (Claims { waiting, graph, .. }, left) = (self.claims, self.left);
        let of_referrers = self.of_referrers.as_mut().filter(|_| is_referrer);
        let reachability = of_referrers.unwrap_or(&mut self.reachability);
        reachability.walk(graph, start, follow, &mut |node, arrival| {
            let claims = waiting.get(&node).into_iter().flatten();
            claimed.extend(claims.copied().filter(|(id, claim)| {
                // An image is no part of itself: another entry of the same digest does not claim it.
                (*claim == Settlement::Referrer || arrival == Arrival::Needed) && left(*id)
            }));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::index::{DANGLING_PREFIX, Entry};
    use crate::snapshot::walk::tests::{Store, entry};
    use crate::value::digest::Digest;

    fn named(digest: &Digest, name: &str) -> Entry {
        Entry {
            ref_name: Some(name.into()),
            ..entry(digest)
        }
    }

    fn classified(entries: &[Entry], graph: &Graph) -> Records {
        let mut records = Records::new(entries, graph);
        assign_kinds(&mut records, graph);
        records
    }

    fn kinds(store: &Store, entries: &[Entry]) -> Vec<RecordKind> {
        let graph = store.graph(entries);
        let records = classified(entries, &graph);
        (0..entries.len())
            .map(|n| records.record(records.of_entry(n).unwrap()).kind)
            .collect()
    }

    #[test]
    fn an_entry_without_a_name_is_dangling_only_beside_names() {
        let mut store = Store::default();
        let (a, b) = (store.manifest(&["a"], None), store.manifest(&["b"], None));
        // Any name that a person chose, those too that could be digests of unknown algorithms.
        for name in [
            "v1",
            "3.19-alpine",
            "main-3f2a",
            "sha256-3f2a",
            "x.io/web:v1-rc",
        ] {
            assert_eq!(
                kinds(&store, &[named(&a, name), entry(&b)]),
                [RecordKind::Named, RecordKind::Dangling],
                "{name}"
            );
        }
        let signature = format!("sha256-{}.sig", a.encoded());
        assert_eq!(
            kinds(&store, &[named(&a, &signature), entry(&b)])[1],
            RecordKind::Unnamed
        );
        assert_eq!(
            kinds(&store, &[entry(&a), entry(&b)]),
            [RecordKind::Unnamed, RecordKind::Unnamed]
        );
        let untagged = named(&a, &format!("{DANGLING_PREFIX}{a}"));
        assert_eq!(
            kinds(&store, &[untagged, entry(&b)]),
            [RecordKind::Dangling, RecordKind::Unnamed]
        );
    }

    #[test]
    fn children_and_referrers_are_known_at_any_depth() {
        let mut store = Store::default();
        let child = store.manifest(&["a"], None);
        let inner = store.index(&[&child]);
        let top = store.index(&[&inner]);
        let signature = store.manifest(&["s"], Some(&child));
        let of_signature = store.manifest(&["t"], Some(&signature));
        let fallback = store.index(&[&signature]);
        let schema = format!("sha256-{}.att", top.encoded());
        assert_eq!(
            kinds(
                &store,
                &[
                    entry(&of_signature),
                    entry(&child),
                    entry(&signature),
                    named(&top, "app"),
                    named(&fallback, &schema),
                    named(&signature, "kept-by-hand"),
                ]
            ),
            [
                RecordKind::Referrer,
                RecordKind::Child,
                RecordKind::Referrer,
                RecordKind::Named,
                RecordKind::Referrer,
                RecordKind::Named
            ]
        );
    }

    #[test]
    fn a_referrer_without_its_subject_stands_alone_and_claims_its_own() {
        let mut store = Store::default();
        let image = store.manifest(&["a"], None);
        let gone = store.manifest(&["b"], None);
        let first = store.manifest(&["s"], Some(&gone));
        let second = store.manifest(&["t"], Some(&gone));
        let third = store.manifest(&["u"], Some(&first));
        // That the subject's blob is still there makes no difference: no entry leads to it.
        assert_eq!(
            kinds(
                &store,
                &[
                    entry(&third),
                    entry(&first),
                    entry(&second),
                    named(&image, "v1")
                ]
            ),
            [
                RecordKind::Referrer,
                RecordKind::Dangling,
                RecordKind::Dangling,
                RecordKind::Named
            ]
        );
        let schema = format!("sha256-{}.sig", gone.encoded());
        assert_eq!(
            kinds(&store, &[named(&first, &schema), named(&image, "v1")]),
            [RecordKind::Named, RecordKind::Named]
        );
    }

    #[test]
    fn a_named_referrer_keeps_what_it_refers_to_and_so_its_other_referrers() {
        let mut store = Store::default();
        let subject = store.manifest(&["b"], None);
        let kept = store.manifest(&["s"], Some(&subject));
        let other = store.manifest(&["t"], Some(&subject));
        assert_eq!(
            kinds(&store, &[named(&kept, "v1"), entry(&other)]),
            [RecordKind::Named, RecordKind::Referrer]
        );
    }

    #[test]
    fn removing_the_last_claimant_leaves_its_dependents_unclaimed() {
        let mut store = Store::default();
        let child = store.manifest(&["a"], None);
        let (one, two) = (store.index(&[&child]), {
            let other = store.manifest(&["b"], None);
            store.index(&[&child, &other])
        });
        let signature = store.manifest(&["s"], Some(&child));
        let entries = [
            named(&one, "1"),
            named(&two, "2"),
            entry(&child),
            entry(&signature),
        ];
        let graph = store.graph(&entries);
        let records = classified(&entries, &graph);
        let claims = Claims::new(&records, &graph);
        let whole = |id| Start::Image(records.record(id).target);
        let none = RemovedParts::new();
        let kept = |gone: &[usize]| {
            let settled = claims.settle(&|id| !gone.contains(&id.index()), &[], &whole, &none);
            records
                .iter()
                .map(|(id, _)| settled.stays(id))
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(&[0]), [false, true, true, true]);
        assert_eq!(kept(&[1]), [true, false, true, true]);
        assert_eq!(kept(&[0, 1]), [false; 4]);
        assert_eq!(kept(&[3]), [true, true, true, false]);
    }
}
