//! Sizes: how many bytes an image has, and how many would leave with it.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::layout::{BlobStat, FileId};
use crate::snapshot::records::may_be_claimed;
use crate::snapshot::{Follow, Graph, NodeId, Record, View};
use crate::value::digest::Digest;
use crate::workers::Workers;

/// Bytes of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageSizes {
    /// Bytes of its blobs that are present, each once.
    pub(crate) size: u64,
    /// Bytes that `rmi` would free: those of no other image, those of its signatures included.
    pub(crate) unique: u64,
    /// How many of its blobs are missing.
    pub(crate) missing: u64,
}

/// The sizes of all images of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    /// For each node the number of the image that it is; 0 for all others.
    numbers: Vec<u32>,
    /// By number.
    images: Vec<ImageSizes>,
}

impl Sizes {
    pub(crate) fn of(&self, image: NodeId) -> ImageSizes {
        self.images[self.numbers[image.index()] as usize]
    }
}

/// Whose a blob is: the number of an image, or one of these.
type Owner = u32;

/// How many blobs are looked at before what was found is counted: of all of a large layout it would take
/// as much memory as all else together.
const AT_ONCE: usize = 8192;

const NOBODY: Owner = 0;
const SEVERAL: Owner = u32::MAX;

/// Looks at a blob's file.
pub(crate) type LookAt<'a> = dyn Fn(&Digest) -> Option<BlobStat> + Sync + 'a;

/// Finds out the sizes of all images. `present` says for each node whether the layout has it.
pub(crate) fn sizes(snapshot: &View, present: &[bool], look_at: &LookAt<'_>) -> Sizes {
    let graph = &snapshot.graph;
    let (numbers, roots) = numbered(snapshot);
    let mut images = vec![ImageSizes::default(); roots.len()];
    let owners = owners(snapshot, &numbers);
    let is_own = |node: &NodeId| {
        let owner = owners[node.index()];
        owner != NOBODY && owner != SEVERAL && present[node.index()]
    };
    let own: Vec<NodeId> = graph.ids().filter(is_own).collect();
    // By image and file, how many names of it the image has.
    let mut linked: HashMap<(Owner, FileId), u64, RandomState> = HashMap::default();
    let workers = Workers::for_reading();
    for nodes in own.chunks(AT_ONCE) {
        let stats = workers.map(nodes, &|node, _| look_at(graph.digest(*node)), || ());
        for (node, stat) in nodes.iter().zip(stats) {
            let (owner, Some(stat)) = (owners[node.index()], stat) else {
                continue;
            };
            if stat.links > 1 {
                // The bytes leave the disk with the last name.
                let names = linked.entry((owner, stat.file)).or_default();
                *names += 1;
                if *names < stat.links {
                    continue;
                }
            }
            let unique = &mut images[owner as usize].unique;
            *unique = unique.saturating_add(stat.on_disk);
        }
    }
    drop(own);
    // The number of the image in whose walk a node was seen last: clearing a set for each image
    // would cost the size of the graph each time.
    let mut seen = owners;
    seen.fill(NOBODY);
    let mut stack: Vec<NodeId> = Vec::new();
    for (number, root) in (NOBODY..).zip(&roots) {
        let of_image = &mut images[number as usize];
        stack.extend(root);
        while let Some(node) = stack.pop() {
            if std::mem::replace(&mut seen[node.index()], number) == number {
                continue;
            }
            if present[node.index()] {
                of_image.size = of_image.size.saturating_add(graph.size(node));
            } else if !graph.may_be_left_out(node) && graph.embedded(node).is_none() {
                of_image.missing += 1;
            }
            stack.extend(graph.links(node).filter(|l| l.is_needed()).map(|l| l.to));
        }
    }
    Sizes { numbers, images }
}

/// Says of each node whether more than one image has it, or something else than an image as well.
pub(crate) fn shared(snapshot: &View) -> Vec<bool> {
    let (numbers, _) = numbered(snapshot);
    let owners = owners(snapshot, &numbers);
    owners.into_iter().map(|owner| owner == SEVERAL).collect()
}

/// The number of each node that is the target of an entry, and the targets by number: of the first, which
/// is nobody's, there is none.
fn numbered(snapshot: &View) -> (Vec<Owner>, Vec<Option<NodeId>>) {
    let mut numbers = vec![NOBODY; snapshot.graph.len()];
    let mut roots: Vec<Option<NodeId>> = vec![None];
    for (_, record) in snapshot.records.iter() {
        let number = &mut numbers[record.target.index()];
        if *number == NOBODY {
            *number = u32::try_from(roots.len()).unwrap_or(SEVERAL);
            roots.push(Some(record.target));
        }
    }
    (numbers, roots)
}

/// The nodes in colours: whose each is. A node changes its colour at most twice, from nobody's to one
/// image's to several's, so the cost is that of the graph.
struct Colours<'a> {
    graph: &'a Graph,
    of_node: Vec<Owner>,
    stack: Vec<(NodeId, Owner)>,
}

/// Records that stay with what they are about, by that.
type Followers = HashMap<NodeId, Vec<NodeId>, RandomState>;

impl<'a> Colours<'a> {
    fn new(graph: &'a Graph) -> Colours<'a> {
        Colours {
            graph,
            of_node: vec![NOBODY; graph.len()],
            stack: Vec::new(),
        }
    }

    fn of(&self, node: NodeId) -> Owner {
        self.of_node[node.index()]
    }

    /// Says that a node, all that it leads to over these edges, and what follows any of that, is this
    /// one's.
    fn spread(
        &mut self,
        node: NodeId,
        owner: Owner,
        follow: Follow,
        followers: Option<&Followers>,
    ) {
        self.stack.push((node, owner));
        while let Some((node, owner)) = self.stack.pop() {
            let now = both(self.of(node), owner);
            if std::mem::replace(&mut self.of_node[node.index()], now) == now {
                continue;
            }
            let links = self.graph.links(node);
            let links = links.filter(|link| follow == Follow::Subjects || link.is_needed());
            self.stack.extend(links.map(|link| (link.to, now)));
            if let Some(followers) = followers {
                let followers = followers.get(&node).into_iter().flatten();
                self.stack
                    .extend(followers.map(|follower| (*follower, now)));
            }
        }
    }
}

/// Whose something is that is this one's and that one's.
fn both(one: Owner, other: Owner) -> Owner {
    match (one, other) {
        (NOBODY, owner) | (owner, NOBODY) => owner,
        (one, other) if one == other => one,
        _ => SEVERAL,
    }
}

/// Finds out whose each node is: the number of an image with which it goes, or of several.
fn owners(snapshot: &View, numbers: &[u32]) -> Vec<Owner> {
    let graph = &snapshot.graph;
    let number = |record: &Record| numbers[record.target.index()];
    let mut followers = Followers::default();
    for (_, record) in snapshot.records.iter() {
        if record.kind.is_dependent()
            && let Some(subject) = record.subject
        {
            followers.entry(subject).or_default().push(record.target);
        }
    }
    let records = || snapshot.records.iter().map(|(_, record)| record);
    let independent = || records().filter(|record| !record.kind.is_dependent());
    let all = Follow::Subjects;
    let mut held = Colours::new(graph);
    if followers.is_empty() || !snapshot.records.has_orphans(graph) {
        for record in independent() {
            held.spread(record.target, number(record), all, Some(&followers));
        }
        // What index.json itself is about stays, with what is about that.
        for subject in graph.index_subjects() {
            held.spread(*subject, SEVERAL, all, Some(&followers));
        }
    } else {
        // An orphan holds what it is about, but nothing stays for its sake that is about that.
        let (mut firmly, mut loosely) = (Colours::new(graph), Colours::new(graph));
        for record in independent() {
            held.spread(record.target, number(record), all, None);
            let (colours, follow) = match may_be_claimed(record, graph) {
                true => (&mut loosely, Follow::Needed),
                false => (&mut firmly, all),
            };
            colours.spread(record.target, number(record), follow, Some(&followers));
        }
        for subject in graph.index_subjects() {
            firmly.spread(*subject, SEVERAL, all, Some(&followers));
            held.spread(*subject, SEVERAL, all, None);
        }
        for (subject, followers) in &followers {
            let owner = both(firmly.of(*subject), loosely.of(*subject));
            for follower in followers {
                held.spread(*follower, owner, all, None);
            }
        }
    }
    // What other layouts and odd entries lead to stays, that of an entry as long as it is there.
    for (position, entry) in snapshot.index.entries().iter().enumerate() {
        let nodes = entry
            .more_digests
            .iter()
            .filter_map(|digest| graph.find(digest));
        let record = snapshot.records.of_entry(position);
        let record = record.map(|id| snapshot.records.record(id));
        let owner = record.filter(|record| !record.kind.is_dependent());
        let owner = owner.map_or(SEVERAL, number);
        for node in nodes {
            held.spread(node, owner, all, None);
        }
    }
    for root in &snapshot.sharer_roots {
        held.spread(*root, SEVERAL, all, None);
    }
    let mut owners = held.of_node;
    for (item, blobs) in snapshot.archive.items().iter().zip(&snapshot.archive_blobs) {
        let config = item.config.as_ref().and_then(|digest| graph.find(digest));
        let owner = config.map_or(NOBODY, |config| owners[config.index()]);
        // An image that manifest.json lists too goes with its names in both, if it has no others there.
        let goes = owner != NOBODY && owner != SEVERAL && {
            let is_its = |name: Option<String>| {
                let records = name.map(|name| snapshot.records.of_key(&name));
                records.is_some_and(|ids| {
                    let targets = ids.iter().map(|id| snapshot.records.record(*id).target);
                    !ids.is_empty()
                        && targets
                            .into_iter()
                            .all(|target| numbers[target.index()] == owner)
                })
            };
            let mut are_its = true;
            snapshot.archive.names(item, &mut |name| {
                are_its = is_its(name);
                are_its
            });
            are_its
        };
        for node in blobs {
            let known = &mut owners[node.index()];
            if !goes || *known != owner {
                *known = SEVERAL;
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::index::Index;
    use crate::snapshot::load::tests::whole;
    use crate::snapshot::walk::tests::Store;

    #[test]
    fn unique_bytes_are_those_that_no_other_image_has() {
        let mut store = Store::default();
        let one = store.manifest(&["shared", "own of one"], None);
        let two = store.manifest(&["shared", "two"], None);
        let signature = store.manifest(&["signature"], Some(&two));
        let index = Index::parse(
            format!(
                r#"{{"manifests":[{{"digest":"{one}","annotations":{{"org.opencontainers.image.ref.name":"1"}}}},
                {{"digest":"{two}","annotations":{{"org.opencontainers.image.ref.name":"2"}}}},{{"digest":"{signature}"}}]}}"#
            )
            .into_bytes(),
        )
        .unwrap();
        let graph = store.graph(index.entries());
        let snapshot = whole(index, graph);
        // Layers have no size in their descriptors here, so only documents count.
        let stat = |digest: &Digest| {
            let bytes = store.0.get(digest)?;
            let is_document = snapshot
                .graph
                .is_present_document(snapshot.graph.find(digest)?);
            Some(BlobStat {
                size: if is_document { bytes.len() as u64 } else { 0 },
                is_stub: false,
                on_disk: if is_document { bytes.len() as u64 } else { 0 },
                links: 1,
                file: FileId {
                    device: 0,
                    inode: 0,
                },
                changed: jiff::Timestamp::UNIX_EPOCH,
                modified: jiff::Timestamp::UNIX_EPOCH,
            })
        };
        let sizes = sizes(&snapshot, &vec![true; snapshot.graph.len()], &stat);
        let bytes = |digest| store.0[digest].len() as u64;
        let of = |digest| sizes.of(snapshot.graph.find(digest).unwrap());
        assert_eq!(of(&one).size, bytes(&one));
        assert_eq!(of(&one).unique, bytes(&one));
        assert_eq!(of(&two).unique, bytes(&two) + bytes(&signature));
    }
}
