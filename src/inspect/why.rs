//! Why a blob is there: the ways from index.json to it, and for parts of other images which those are.

use std::collections::HashMap;

use crate::oci::descriptor::Role;
use crate::snapshot::{NodeId, View};

/// One way to a blob.
pub(crate) struct Way {
    /// The name of the entry where it begins, or its digest.
    pub(crate) entry: String,
    /// The word for what begins it: a kind of record, or what else leads to blobs.
    pub(crate) kind: &'static str,
    /// The image that the entry lives and dies with, if it belongs to another.
    pub(crate) belongs_to: Option<String>,
    /// From the entry's image to the blob; all but the first with how the one before leads there.
    pub(crate) steps: Vec<(NodeId, Option<Role>)>,
}

/// For each entry that leads to a blob the shortest way there, and the shortest of these first.
pub(crate) fn ways(snapshot: &View, node: NodeId) -> Vec<Way> {
    let graph = &snapshot.graph;
    let next = graph.ways_to(node);
    let leads_there = |from: &NodeId| *from == node || next.contains_key(from);
    let steps_to = |start: NodeId| {
        let mut steps = vec![(start, None)];
        let mut at = start;
        while at != node
            && let Some((to, role)) = next.get(&at)
        {
            steps.push((*to, Some(*role)));
            at = *to;
        }
        steps
    };
    let mut owners: HashMap<NodeId, Option<String>> = HashMap::new();
    let mut ways = Vec::new();
    for (id, record) in snapshot.records.iter() {
        if !leads_there(&record.target) {
            continue;
        }
        let owner = record.kind.is_dependent().then(|| {
            let held = record.subject.unwrap_or(record.target);
            let owner = owners.entry(held);
            owner.or_insert_with(|| owner_of(snapshot, held)).clone()
        });
        ways.push(Way {
            entry: snapshot.shown(id),
            kind: record.kind.word(),
            belongs_to: owner.flatten(),
            steps: steps_to(record.target),
        });
    }
    let without_record = |entry, kind, target| Way {
        entry,
        kind,
        belongs_to: None,
        steps: vec![(target, None)],
    };
    for (position, entry) in snapshot.index.entries().iter().enumerate() {
        let targets = entry.more_digests.iter().filter_map(|d| graph.find(d));
        ways.extend(targets.filter(leads_there).map(|target| {
            let entry = format!("entry {position} of index.json");
            without_record(entry, "odd", target)
        }));
    }
    ways.sort_by(|a, b| (a.steps.len(), &a.entry).cmp(&(b.steps.len(), &b.entry)));
    for subject in graph.index_subjects().iter().filter(|n| leads_there(n)) {
        let steps = steps_to(*subject);
        ways.push(Way {
            steps,
            ..without_record("index.json itself".to_owned(), "subject", *subject)
        });
    }
    for referrer in snapshot.unlisted.iter().filter(|n| leads_there(n)) {
        ways.push(Way {
            belongs_to: owner_of_unlisted(snapshot, *referrer),
            steps: steps_to(*referrer),
            ..without_record(
                graph.digest(*referrer).to_string(),
                "unlisted referrer",
                *referrer,
            )
        });
    }
    if snapshot.archive_blobs.iter().flatten().any(|n| *n == node) {
        let file = "manifest.json";
        ways.push(without_record(file.to_owned(), file, node));
    }
    ways
}

/// The first image that leads to what a child is, or to what a referrer is about.
fn owner_of(snapshot: &View, held: NodeId) -> Option<String> {
    let graph = &snapshot.graph;
    let next = graph.ways_to(held);
    let mut images = snapshot.records.iter();
    let owner = images.find(|(_, record)| {
        let target = record.target;
        !record.kind.is_dependent() && (target == held || next.contains_key(&target))
    });
    owner.map(|(id, _)| snapshot.shown(id))
}

/// The first image that leads to what an unlisted referrer is about, at any depth: a signature may be
/// signed.
fn owner_of_unlisted(snapshot: &View, referrer: NodeId) -> Option<String> {
    let graph = &snapshot.graph;
    let mut at = referrer;
    for _ in 0..=snapshot.unlisted.len() {
        at = graph.subject(at).or_else(|| graph.common_subject(at))?;
        let owner = owner_of(snapshot, at);
        if owner.is_some() {
            return owner;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::index::Index;
    use crate::snapshot::load::tests::whole;
    use crate::snapshot::walk::tests::Store;
    use crate::value::digest::Algorithm;

    #[test]
    fn a_referrer_belongs_to_its_image_even_where_that_leads_to_the_blob_too() {
        let mut store = Store::default();
        let app = store.manifest(&["shared"], None);
        let signature = store.manifest(&["shared"], Some(&app));
        let index = format!(
            r#"{{"manifests":[{{"digest":"{app}","annotations":{{"org.opencontainers.image.ref.name":"app"}}}},
            {{"digest":"{signature}"}}]}}"#
        );
        let index = Index::parse(index.into_bytes()).unwrap();
        let graph = store.graph(index.entries());
        let snapshot = whole(index, graph);
        let layer = Algorithm::Sha256.hash(b"shared");
        let ways = ways(&snapshot, snapshot.graph.find(&layer).unwrap());
        let belong: Vec<_> = ways
            .iter()
            .map(|way| (&*way.entry, way.belongs_to.as_deref()))
            .collect();
        assert_eq!(
            belong,
            [("app", None), (&*signature.to_string(), Some("app"))]
        );
    }
}
