//! Originals: what must stay because another layout has a stub of it.
//!
//! A store that deduplicates keeps the bytes of a blob in one of its layouts and a stub in each of the
//! others; see `layout/stubs.rs`. To the layout with the bytes they may be garbage, and to the store they
//! are the only ones. Of the layouts of one run, it is known which have stubs of what. A layout with
//! stubs that a run knows too few of the others of gives nothing away, and neither does one of whose
//! garbage a layout beside it has a stub.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::garbage::{Garbage, MaybeShared, Original};
use super::mark::Live;
use super::stored::Stored;
use crate::layout::{BlobPlaces, Neighbours, StubsOfRun, Weight};
use crate::snapshot::{Graph, NodeId};
use crate::value::digest::Digest;
use crate::workers::Workers;

/// How many files of what stays are looked at, to find out whether a layout has stubs. Those of an ordinary
/// repository are fewer; in a larger one of a store hardly all of these have nothing to do with a stub.
const SAMPLE: usize = 1024;

/// The ways out, where not all of the store is known.
const KNOW_MORE: &str = "prune --recursive over the whole store, or --also-root with each of its other \
                         repositories, says what can go; if it is no such store, the empty file is what is \
                         left of a blob, so copy the image anew, or delete the file";

/// Where this process may not have as many files open as it takes.
const FEW_FILES: &str = "raise the limit of open files (`ulimit -n`) and run it again";

/// The layouts of a run, as far as they may be repositories of one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Siblings {
    paths: Vec<PathBuf>,
    /// The user says that there are no others.
    are_all: bool,
    /// They are all that there are below a directory.
    tree: Option<Tree>,
    /// Where their blobs lie, as far as that is known.
    places: Arc<BlobPlaces>,
    /// Found out when something goes for the first time.
    stubs: Arc<OnceLock<StubsOfRun>>,
}

/// A directory below which layouts were looked for.
#[derive(Clone, Debug)]
struct Tree {
    root: PathBuf,
    /// Links in it, which were not followed, to directories that are no layout of the run.
    links: Vec<PathBuf>,
}

impl Siblings {
    /// `paths` are all layouts of the run. `are_all`: the user says that there are no others.
    pub(crate) fn new(paths: Vec<PathBuf>, are_all: bool) -> Siblings {
        Siblings {
            are_all: are_all && paths.len() > 1,
            paths,
            ..Siblings::default()
        }
    }

    /// Tells that they are all that there are below `root`, so that nothing else lies beside any of them but what lies
    /// beside that, and where `links` lead.
    pub(crate) fn in_tree(self, root: PathBuf, links: Vec<PathBuf>) -> Siblings {
        let is_several = self.paths.len() > 1;
        let tree = is_several.then_some(Tree { root, links });
        Siblings { tree, ..self }
    }

    /// Tells where blobs of some of them lie at this moment.
    pub(crate) fn with_places(self, places: Arc<BlobPlaces>) -> Siblings {
        Siblings { places, ..self }
    }

    /// Looks again, when something goes the next time.
    pub(crate) fn forget(&mut self) {
        self.stubs = Arc::default();
        self.places = Arc::default();
    }

    /// Takes out of the garbage of the layout at `own` what other layouts may have stubs of, and says why.
    pub(crate) fn keep_originals(
        &self,
        own: &Path,
        graph: &Graph,
        live: &Live,
        stored: &impl Stored,
        garbage: &mut Garbage,
    ) {
        if garbage.blobs.is_empty() {
            return;
        }
        if self.paths.is_empty() {
            return;
        }
        let known = self.stubs.get_or_init(|| {
            let beside = match &self.tree {
                Some(Tree { root, links }) => Neighbours::of_tree(root, links),
                None => Neighbours::of(&self.paths),
            };
            StubsOfRun::find(&self.paths, beside, &self.places)
        });
        let mut stubs = garbage.stubs.clone();
        let seen = known.seen_in(own);
        stubs.extend(stubs_among(graph, live, |digest| {
            let is_stub = seen.as_ref().and_then(|seen| seen.is_stub(digest));
            is_stub.unwrap_or_else(|| stored.is_stub(digest))
        }));
        let mut going = garbage.blobs.iter();
        let is_store = known.has_any() || going.any(|blob| known.place(&blob.digest).is_some());
        let doubt = doubt(&stubs, known, is_store, self.are_all);
        keep(garbage, known, doubt);
    }
}

/// Stubs among what stays; of a large layout only some of it is looked at.
fn stubs_among(
    graph: &Graph,
    live: &Live,
    is_stub: impl Fn(&Digest) -> bool + Sync,
) -> Vec<Digest> {
    let is_leaf = |node: &NodeId| live.contains(*node) && !graph.is_present_document(*node);
    let step = graph.len() / SAMPLE + 1;
    let sample: Vec<NodeId> = graph.ids().step_by(step).filter(is_leaf).collect();
    let look = |node: &NodeId, _: &mut Vec<u8>| is_stub(graph.digest(*node));
    let found = Workers::for_reading().map(&sample, &look, || ());
    let stubs = sample.iter().zip(found).filter(|(_, is_stub)| *is_stub);
    stubs.map(|(node, _)| graph.digest(*node).clone()).collect()
}

/// Why nothing of a layout may go, if it is not known where all stubs of its blobs are. `own` are stubs
/// that it has itself; `is_store`: others have stubs; `are_all`: the run is said to know all layouts of the store.
fn doubt(own: &[Digest], known: &StubsOfRun, is_store: bool, are_all: bool) -> Option<Doubt> {
    const MAYBE: &str = "so other repositories of that store may have stubs of these blobs";
    let is_store = is_store || !own.is_empty();
    if let Some(unknown) = &known.unknown
        && (is_store || unknown.is_by_chance)
    {
        let (path, why) = (unknown.path.display(), io::Error::from(unknown.why));
        return Some(Doubt {
            reason: match is_store {
                true => format!(
                    "this is a repository of a store that deduplicates, and `{path}` cannot be looked into: {why}"
                ),
                false => format!(
                    "`{path}` beside it cannot be looked into ({why}), and may have stubs of these blobs if this is \
                     a store that deduplicates"
                ),
            },
            hint: match unknown.is_for_lack() {
                true => FEW_FILES,
                false => KNOW_MORE,
            },
        });
    }
    let reason = match own.first() {
        _ if !is_store => return None,
        Some(stub) if !are_all => {
            format!("the blob {stub} is a stub of a store that deduplicates, {MAYBE}")
        }
        None if !are_all => format!("this is a repository of a store that deduplicates, {MAYBE}"),
        _ => {
            let lost = own.iter().find(|stub| !known.has_original(stub))?;
            format!("the blob {lost} is a stub, and no layout of this run has its bytes, {MAYBE}")
        }
    };
    let hint = KNOW_MORE;
    Some(Doubt { reason, hint })
}

/// Why nothing of a layout may go, and the way out.
#[derive(Debug)]
struct Doubt {
    reason: String,
    hint: &'static str,
}

/// Takes out of the garbage what is known to be an original, and all of it in case of a doubt.
fn keep(garbage: &mut Garbage, known: &StubsOfRun, doubt: Option<Doubt>) {
    let mut doubtful = Weight::default();
    let originals = &mut garbage.originals;
    garbage.blobs.retain(|blob| {
        if let Some(place) = known.place(&blob.digest) {
            originals.push(Original {
                digest: blob.digest.clone(),
                kind: blob.kind,
                size: blob.size,
                place: place.to_owned(),
            });
        } else if doubt.is_some() {
            doubtful += Weight::of_one(blob.size);
        } else {
            return true;
        }
        false
    });
    if let Some(Doubt { reason, hint }) = doubt.filter(|_| doubtful.blobs > 0) {
        garbage.maybe_shared.push(MaybeShared {
            reason,
            hint: Some(hint),
            weight: doubtful,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::digest::Algorithm;

    /// FR54: whoever has a stub needs to know all others, and where its original is.
    #[test]
    fn a_layout_with_stubs_is_in_doubt_unless_all_is_known() {
        let stub = Algorithm::Sha256.hash(b"elsewhere");
        let paths = ["store/x", "store/y"].map(PathBuf::from);
        let unknown = StubsOfRun::find(&paths, Neighbours::default(), &BlobPlaces::new());
        let own = std::slice::from_ref(&stub);
        let nothing = StubsOfRun::default();
        for (own, known, are_all, expected) in [
            (&[][..], &nothing, false, None),
            (&[], &nothing, true, None),
            (&[], &unknown, true, None),
            (own, &nothing, false, Some("is a stub of a store")),
            (
                own,
                &nothing,
                true,
                Some("no layout of this run has its bytes"),
            ),
            (own, &unknown, true, Some("`store/x` cannot be looked into")),
        ] {
            let doubt = doubt(own, known, false, are_all);
            let doubt = doubt.map(|doubt| doubt.reason);
            match (&doubt, expected) {
                (Some(doubt), Some(expected)) => assert!(doubt.contains(expected), "{doubt}"),
                _ => assert_eq!(doubt.as_deref(), expected),
            }
        }
    }
}
