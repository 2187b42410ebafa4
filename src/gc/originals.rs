//! Originals: what must stay because another layout has a stub of it.
//!
//! A store that deduplicates keeps the bytes of a blob in one of its layouts and a stub in each of the
//! others; see `layout/stubs.rs`. To the layout with the bytes they may be garbage, and to the store they
//! are the only ones. Of the layouts of one run, it is known which have stubs of what. A layout with
//! stubs that a run knows too few of the others of gives nothing away, and neither does one of whose
//! garbage a layout beside it has a stub.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::garbage::{Garbage, MaybeShared, Original};
use super::mark::Live;
use super::stored::Stored;
use crate::layout::{BlobPlaces, StubsOfRun, Weight, layouts_beside};
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

/// The layouts of a run, as far as they may be repositories of one store.
#[derive(Debug, Default)]
pub(crate) struct Siblings {
    paths: Vec<PathBuf>,
    /// The user says that there are no others.
    are_all: bool,
    /// They are all that there are below a directory, and so all that lie beside each of them but the outermost.
    are_a_tree: bool,
    /// Where their blobs lie, as far as that is known.
    places: Arc<BlobPlaces>,
    /// Found out when something goes for the first time.
    stubs: OnceLock<StubsOfRun>,
}

impl Siblings {
    /// `paths` are all layouts of the run. `are_all`: the user says that there are no others; `are_a_tree`: they
    /// were found below a directory.
    pub(crate) fn new(paths: Vec<PathBuf>, are_all: bool, are_a_tree: bool) -> Siblings {
        Siblings {
            are_a_tree: are_a_tree && paths.len() > 1,
            paths,
            are_all,
            places: Arc::default(),
            stubs: OnceLock::new(),
        }
    }

    /// Tells where blobs of some of them lie at this moment.
    pub(crate) fn with_places(self, places: Arc<BlobPlaces>) -> Siblings {
        Siblings { places, ..self }
    }

    /// Looks again, when something goes the next time.
    pub(crate) fn forget(&mut self) {
        self.stubs = OnceLock::new();
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
            let beside = match self.are_a_tree {
                true => layouts_beside(outermost(&self.paths)),
                false => layouts_beside(&self.paths),
            };
            match self.paths.len() + beside.len() {
                1 => StubsOfRun::default(),
                _ => StubsOfRun::find(&self.paths, &beside, &self.places),
            }
        });
        let mut stubs = garbage.stubs.clone();
        let seen = known.seen_in(own);
        stubs.extend(stubs_among(graph, live, |digest| {
            let is_stub = seen.as_ref().and_then(|seen| seen.is_stub(digest));
            is_stub.unwrap_or_else(|| stored.is_stub(digest))
        }));
        let mut going = garbage.blobs.iter();
        let is_store = known.has_any() || going.any(|blob| known.place(&blob.digest).is_some());
        let doubt = doubt(
            &stubs,
            known,
            is_store,
            self.are_all && self.paths.len() > 1,
        );
        keep(garbage, known, doubt);
    }
}

/// The one of some layouts that all others lie in, if there is one.
fn outermost(paths: &[PathBuf]) -> &[PathBuf] {
    let least = (0..paths.len()).min_by_key(|number| paths[*number].components().count());
    let holds_all = |number: &usize| paths.iter().all(|path| path.starts_with(&paths[*number]));
    least
        .filter(holds_all)
        .map_or(&[], |number| &paths[number..=number])
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
fn doubt(own: &[Digest], known: &StubsOfRun, is_store: bool, are_all: bool) -> Option<String> {
    const MAYBE: &str = "so other repositories of that store may have stubs of these blobs";
    if own.is_empty() && !is_store {
        return None;
    }
    if let Some(unknown) = &known.unknown {
        let unknown = unknown.display();
        return Some(format!(
            "this is a repository of a store that deduplicates, and `{unknown}` cannot be looked into"
        ));
    }
    if !are_all {
        return Some(match own.first() {
            Some(stub) => {
                format!("the blob {stub} is a stub of a store that deduplicates, {MAYBE}")
            }
            None => format!("this is a repository of a store that deduplicates, {MAYBE}"),
        });
    }
    let lost = own.iter().find(|stub| !known.has_original(stub))?;
    Some(format!(
        "the blob {lost} is a stub, and no layout of this run has its bytes, {MAYBE}"
    ))
}

/// Takes out of the garbage what is known to be an original, and all of it in case of a doubt.
fn keep(garbage: &mut Garbage, known: &StubsOfRun, doubt: Option<String>) {
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
    if let Some(reason) = doubt.filter(|_| doubtful.blobs > 0) {
        garbage.maybe_shared.push(MaybeShared {
            reason,
            hint: Some(KNOW_MORE),
            weight: doubtful,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::digest::Algorithm;

    #[test]
    fn only_a_layout_that_holds_all_others_has_neighbours_outside_of_a_tree() {
        for (paths, expected) in [
            (&["s/a", "s/a/b", "s/a/c/d"][..], Some("s/a")),
            (&["s/a/b", "s/a"], Some("s/a")),
            (&["s/a", "s/ab"], None),
            (&["s/a", "s/b/c"], None),
            (&[], None),
        ] {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let found = outermost(&paths).first();
            assert_eq!(found.map(PathBuf::as_path), expected.map(Path::new));
        }
    }

    /// FR54: whoever has a stub needs to know all others, and where its original is.
    #[test]
    fn a_layout_with_stubs_is_in_doubt_unless_all_is_known() {
        let stub = Algorithm::Sha256.hash(b"elsewhere");
        let unknown = StubsOfRun::find(&[PathBuf::from("store/x")], &[], &BlobPlaces::new());
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
            match (&doubt, expected) {
                (Some(doubt), Some(expected)) => assert!(doubt.contains(expected), "{doubt}"),
                _ => assert_eq!(doubt.as_deref(), expected),
            }
        }
    }
}
