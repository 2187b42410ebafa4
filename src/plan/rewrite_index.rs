//! Rewriting an index: the same text without some of its manifests.
//!
//! A rewritten index is another blob with another digest. Like index.json it is edited as text, so
//! it differs from the old one in nothing but the elements that are gone; of an index that lists
//! the rewritten one, in that one's digest and size.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;

use crate::json::edit;
use crate::json::edit::PartFate;
use crate::json::read::is_member;
use crate::oci::descriptor::retargeted;
use crate::snapshot::{Graph, NodeId, Parts, RemainingParts};
use crate::value::digest::{Algorithm, Digest};

/// A blob that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlob {
    /// Its digest, of the algorithm of the index that it replaces.
    pub digest: Digest,
    /// The index that it replaces; it is as readable as that.
    pub replaces: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The indexes of an image that list any of `removed`, or list such an index: the image's own
/// first, each before those that it lists.
pub fn affected(graph: &Graph, image: NodeId, removed: &Parts) -> Vec<NodeId> {
    let mut lists: HashSet<NodeId> = HashSet::new();
    let below = graph.needed_below(image);
    // Going backwards, most indexes come after what they list; repeating settles the rest.
    loop {
        let before = lists.len();
        for node in below.iter().rev() {
            let affected = graph.links(*node).any(|link| {
                link.is_needed() && (removed.contains(&link.to) || lists.contains(&link.to))
            });
            if affected && !removed.contains(node) {
                lists.insert(*node);
            }
        }
        if lists.len() == before {
            break;
        }
    }
    let affected = below.into_iter().filter(|node| lists.contains(node));
    affected.collect()
}

/// What an image needs and refers to once it is rewritten, apart from the new indexes.
pub fn remaining_parts(graph: &Graph, image: NodeId, removed: &Parts) -> RemainingParts {
    let affected = affected(graph, image, removed);
    let new: HashSet<NodeId> = affected.iter().copied().collect();
    let mut parts = RemainingParts::default();
    for link in affected.iter().flat_map(|node| graph.links(*node)) {
        if !link.is_needed() {
            parts.subjects.push(link.to);
        } else if !removed.contains(&link.to) && !new.contains(&link.to) {
            parts.needed.push(link.to);
        }
    }
    parts
}

/// Makes the new indexes of an image; the last one is the image's own. `read` gives the bytes of
/// an old one.
///
/// # Errors
/// What `read` says, and an index of an algorithm that cannot be computed.
pub fn without(
    graph: &Graph,
    image: NodeId,
    removed: &Parts,
    read: &mut dyn FnMut(&Digest) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<NewBlob>> {
    let gone = removed.iter().map(|node| graph.digest(*node).to_string());
    let gone: Vec<String> = gone.collect();
    let mut todo = affected(graph, image, removed);
    let mut order: Vec<NodeId> = Vec::new();
    while !todo.is_empty() {
        // An index can be made when those that it lists are made.
        let (ready, waiting): (Vec<_>, Vec<_>) = todo.iter().partition(|node| {
            let mut links = graph.links(**node);
            !links.any(|link| link.is_needed() && todo.contains(&link.to))
        });
        anyhow::ensure!(!ready.is_empty(), "its indexes list each other");
        order.extend(ready);
        todo = waiting;
    }
    let mut made: HashMap<String, NewBlob> = HashMap::new();
    let mut blobs = Vec::new();
    for node in order {
        let digest = graph.digest(node);
        let old = String::from_utf8(read(digest)?)
            .with_context(|| format!("the index {digest} is no Unicode text"))?;
        let algorithm = digest.algorithm().unwrap_or(Algorithm::Sha256);
        let bytes = edit_index(&old, &gone, &made).into_bytes();
        let blob = NewBlob {
            digest: algorithm.hash(&bytes),
            replaces: digest.clone(),
            bytes,
        };
        made.insert(digest.to_string(), blob.clone());
        blobs.push(blob);
    }
    Ok(blobs)
}

fn edit_index(text: &str, gone: &[String], made: &HashMap<String, NewBlob>) -> String {
    edit::edit_parts(text, |_, part| {
        if !is_member(part.key(text), "manifests") {
            return PartFate::Keep;
        }
        let list = part.value(text);
        let new = edit::edit_parts(list, |_, element| {
            let element = element.value(list);
            let Some(digest) = digest_of(element) else {
                return PartFate::Keep;
            };
            match made.get(&digest) {
                _ if gone.contains(&digest) => PartFate::Drop,
                Some(new) => {
                    PartFate::Replace(retargeted(element, &new.digest, new.bytes.len() as u64))
                }
                None => PartFate::Keep,
            }
        });
        part.with_value(text, &new)
    })
}

fn digest_of(descriptor: &str) -> Option<String> {
    if !descriptor.starts_with('{') {
        return None;
    }
    let mut parts = edit::parts(descriptor).into_iter();
    let part = parts.find(|part| is_member(part.key(descriptor), "digest"))?;
    serde_json::from_str(&descriptor[part.value]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::walk::tests::{Store, entry};

    #[test]
    fn a_rewritten_index_lacks_the_elements_and_differs_in_nothing_else() {
        let mut store = Store::default();
        let (a, b) = (store.manifest(&["a"], None), store.manifest(&["b"], None));
        let inner_text = format!(
            "{{ \"manifests\" : [ {{\"digest\":\"{a}\",\"x\":1.50}} ,\n {{\"digest\":\"{b}\"}} ], \"y\" : [] }}"
        );
        let inner = store.put(inner_text.clone());
        let outer_text = format!(
            "{{\"manifests\":[{{\"size\":{},\"digest\":\"{inner}\",\"z\":null}}],\"annotations\":{{}}}}\n",
            inner_text.len()
        );
        let outer = store.put(outer_text.clone());
        let graph = store.graph(&[entry(&outer)]);
        let node = |digest| graph.find(digest).unwrap();
        let removed = Parts::from([node(&b)]);
        let new = without(&graph, node(&outer), &removed, &mut |digest| {
            Ok(store.0[digest].clone())
        })
        .unwrap();
        let texts: Vec<String> = new
            .iter()
            .map(|blob| String::from_utf8(blob.bytes.clone()).unwrap())
            .collect();
        let inner_new = inner_text.replace(&format!(" ,\n {{\"digest\":\"{b}\"}}"), "");
        assert_eq!(texts[0], inner_new);
        assert_eq!(
            texts[1],
            outer_text
                .replace(&inner.to_string(), &new[0].digest.to_string())
                .replace(&inner_text.len().to_string(), &inner_new.len().to_string())
        );
        let remaining = remaining_parts(&graph, node(&outer), &removed);
        assert_eq!(remaining.needed, [node(&a)]);
    }
}
