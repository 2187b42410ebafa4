//! The plan as a value: what a command does to a layout, and says about it. Complete when it is made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::rewrite_index::NewBlob;
use crate::error::{Error, ErrorKind};
use crate::oci::index::EntryEdit;
use crate::snapshot::{
    NodeId, Parts, Record, RecordId, RemainingParts, RemovedParts, Settled, Start, View,
};

/// What a command does to a layout, and says about it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is reported, in order.
    pub actions: Vec<Action>,
    /// What happens to entries of index.json.
    pub edits: BTreeMap<usize, EntryEdit>,
    /// What becomes of every record.
    pub settled: Settled,
    /// Manifests that images lose although their indexes still list them, by image.
    pub removed_parts: RemovedParts,
    /// Full names that nothing carries any more.
    pub names_gone: BTreeSet<String>,
    /// Arguments, or parts of them, that were not done.
    pub refusals: Vec<Refusal>,
    /// What else the user should know.
    pub notes: Vec<Note>,
    /// Images that would have gone, and why they did not.
    pub kept_images: Vec<KeptImage>,
    /// Names that get a new index.
    pub rewrites: Vec<Rewrite>,
    /// What becomes of each name, and why, where something was to be kept.
    pub decisions: Vec<NameDecision>,
    /// Images that stay while they fit, the newest first, whether they do or not.
    pub in_line: Vec<NodeId>,
    /// What goes that would stay with what it is about, as (what it is about, what would stay).
    pub followers: Vec<(NodeId, NodeId)>,
}

/// What `prune` decided about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameDecision {
    /// The name as it is shown.
    pub name: Arc<str>,
    /// The image.
    pub image: NodeId,
    /// Whether it stays.
    pub stays: bool,
    /// The rule that says so, from 1; `None`: no rule does.
    pub rule: Option<usize>,
    /// The line of the policy file that says so, from 1.
    pub line: Option<usize>,
    /// Why, as the end of a sentence: the rule, or the option as it was given.
    pub reason: Arc<str>,
}

/// A name that leads to another index from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The name.
    pub record: RecordId,
    /// The image it led to.
    pub image: NodeId,
    /// What the new index lacks.
    pub removed: Parts,
    /// What it keeps of the old one.
    pub parts: RemainingParts,
    /// The blobs of the new index, those of nested ones first and its own last.
    pub blobs: Vec<NewBlob>,
}

/// An image, or a name of it, that `prune` left although the filters let it go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptImage {
    /// The name as it is shown.
    pub name: Arc<str>,
    /// The image.
    pub image: NodeId,
    /// Why, as the end of a sentence.
    pub reason: Arc<str>,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// This name of this image goes.
    Untagged(Arc<str>, NodeId),
    /// This document goes, unless something else still needs it.
    Deleted(NodeId),
    /// This one and the documents below it go, as far as nothing else needs them.
    DeletedBelow(NodeId),
}

/// Something that was asked for and is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as far as the exit status is concerned.
    pub class: RefusalClass,
    /// What and why, in one line.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// It is not there. With `--force` or `--ignore` that is as good as removed.
    NotFound,
    /// It could mean different images.
    Ambiguous,
    /// Something speaks against it, which `--force` overrules.
    Conflict,
    /// It cannot be understood.
    Invalid,
    /// What it needs is missing or damaged.
    Incomplete,
}

/// For commands that look, and end where something is refused.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        let error = Error::new(ErrorKind::Failed, refusal.message);
        match refusal.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl Refusal {
    pub(super) fn conflict(message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalClass::Conflict, message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalClass::Invalid, message)
    }

    pub(super) fn incomplete(message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalClass::Incomplete, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalClass::NotFound, message)
    }

    pub(super) fn new(class: RefusalClass, message: impl Into<String>) -> Refusal {
        Refusal {
            class,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }
}

/// Something that the user should know and that is no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An argument's digest is not that of the image its name leads to; the name counted.
    DigestIgnored {
        /// The argument.
        argument: String,
        /// The digest of the image.
        found: String,
    },
    /// This part was asked for and stays, because another image needs it.
    PartKept {
        /// What it is called in a sentence: `platform linux/arm64`.
        what: String,
        /// Its manifest.
        manifest: NodeId,
        /// Images that need it.
        holders: Vec<String>,
    },
    /// This name leads to a new index; signatures of the old one do not cover it.
    Rewritten {
        /// The name.
        image: String,
        /// The old index.
        old: NodeId,
    },
    /// The index of this image lists platforms that are no longer there.
    Sparse {
        /// The image's name.
        image: String,
        /// Its index.
        index: NodeId,
    },
    /// Referrers with names of their own stay although nothing else leads to what they are about.
    ReferrersStay {
        /// Their names.
        referrers: Vec<String>,
    },
    /// `prune` leaves images without a name, because nothing in the layout has one.
    NamelessLeft {
        /// How many.
        images: usize,
    },
    /// This command took the last name of the layout away, and images without a name are left: they
    /// are not dangling any more.
    NamelessNow {
        /// How many.
        images: usize,
    },
    /// Nothing in the layout matches a pattern for what is to be kept, or of a filter.
    MatchesNothing {
        /// The option or filter as it was given: `--keep app:v*`.
        option: String,
        /// What is like it and matches something, as the end of a sentence.
        instead: Option<String>,
    },
    /// More than the newest images of a repository are kept: nothing says which of these is newer.
    EquallyOld {
        /// The repository as messages call it.
        repository: String,
        /// How many images cannot be told apart.
        images: usize,
    },
    /// Entries that would go were not shown so when somebody agreed, and stay.
    NotAgreed {
        /// How many.
        entries: usize,
    },
    /// `prune` leaves entries without a name that are younger than the grace period.
    YoungLeft {
        /// The images that they lead to.
        images: HashSet<NodeId>,
    },
}

impl Plan {
    /// Whether nothing changes: no entry, and no platform of any image.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.removed_parts.is_empty() && self.rewrites.is_empty()
    }

    /// Notes it when the last name of the layout goes and images without a name are left: they were
    /// dangling before, and are not any more. `view` is what was decided on; `kinds` tells images from
    /// what belongs to them, and may be another one of the same index.json. What stays because it is
    /// young was said already.
    pub(crate) fn note_nameless(&mut self, view: &View, kinds: &View) {
        if !self.takes_last_name(view) {
            return;
        }
        let nameless = kinds.records.iter().filter(|(_, record)| {
            record.is_dangling()
                && !record.explicit
                && !record.kind.is_dependent()
                && !self.edits.contains_key(&record.entries[0])
        });
        let mut images: HashSet<NodeId> = nameless.map(|(_, record)| record.target).collect();
        for note in &self.notes {
            if let Note::YoungLeft { images: young } = note {
                images.retain(|image| !young.contains(image));
            }
        }
        if !images.is_empty() {
            let images = images.len();
            self.notes.push(Note::NamelessNow { images });
        }
    }

    /// Whether somebody's name for an image is left in the layout only without this plan.
    pub(crate) fn takes_last_name(&self, view: &View) -> bool {
        let loses_its_name = |record: &Record| {
            let edit = self.edits.get(&record.entries[0]);
            matches!(edit, Some(EntryEdit::Remove | EntryEdit::Dangle))
        };
        let records = || view.records.iter().map(|(_, record)| record);
        !self.edits.is_empty()
            && !records().any(|record| record.is_chosen() && !loses_its_name(record))
            && records().any(Record::is_chosen)
    }

    /// How many images go: those of which no entry is left. What merely belongs to another one is
    /// not counted.
    pub fn images_going(&self, view: &View) -> usize {
        let (mut stay, mut go) = (HashSet::new(), HashSet::new());
        if self.edits.is_empty() {
            return 0;
        }
        for (id, record) in view.records.iter() {
            let of = match self.settled.stays(id) {
                true => &mut stay,
                false if record.kind.is_dependent() => continue,
                false => &mut go,
            };
            of.insert(record.target);
        }
        go.difference(&stay).count()
    }

    /// Notes that what stays is larger than the limit. What goes, goes all the same.
    pub(crate) fn refuse_size(&mut self, left: u64, limit: &str) {
        let message = format!("the blobs that stay have {left} bytes, more than {limit} allows");
        self.refusals.push(
            Refusal::conflict(message)
                .hint("this makes no difference to what else is to go; keep less, or allow more"),
        );
    }

    /// Blobs that do not exist yet and that the new index.json leads to.
    pub fn new_blobs(&self) -> impl Iterator<Item = &NewBlob> {
        self.rewrites.iter().flat_map(|rewrite| &rewrite.blobs)
    }

    /// Says where the image of a record begins under this plan.
    pub fn starts<'p>(&'p self, view: &'p View) -> impl Fn(RecordId) -> Start<'p> {
        let rewritten = self.rewrites.iter();
        let rewritten = rewritten.map(|rewrite| (rewrite.record, &rewrite.parts));
        let rewritten: HashMap<RecordId, &RemainingParts> = rewritten.collect();
        move |id| match rewritten.get(&id) {
            Some(parts) => Start::Parts(parts),
            None => view.start(id),
        }
    }
}
