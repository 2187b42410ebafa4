//! Where the disk went: all files of a layout, sorted by what they are there for. What is put together
//! here is everything that `du` counts, so nothing can be missing from the sum.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::ops::AddAssign;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::sizes::shared;
use crate::layout::{FileId, Locked, Place, RemovalId, UsedFile};
use crate::snapshot::{Follow, NodeId, RecordId, View};
use crate::value::digest::{Algorithm, Digest};

/// How many of the largest blobs are remembered.
const LARGEST: usize = 10;

/// How many names are remembered of what leads to a blob.
const NAMES: usize = 10;

/// Files counted, and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Amount {
    /// How many files, directories not counted.
    pub(crate) files: u64,
    /// Bytes that they hold.
    pub(crate) bytes: u64,
    /// Bytes of the blocks that they take, those of directories included.
    pub(crate) on_disk: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.on_disk = self.on_disk.saturating_add(other.on_disk);
    }
}

impl Amount {
    fn of(file: &UsedFile) -> Amount {
        Amount {
            files: u64::from(!file.is_directory),
            bytes: file.size,
            on_disk: file.on_disk,
        }
    }
}

/// All that a layout takes, by what it is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Blobs that something leads to.
    pub(crate) images: Amount,
    /// Blobs that nothing leads to.
    pub(crate) unreferenced: Amount,
    pub(crate) trash: Amount,
    /// Unfinished work of other programs.
    pub(crate) temporary: Amount,
    /// Everything else: index.json, directories, files of other people.
    pub(crate) other: Amount,
}

impl Parts {
    pub(crate) fn total(&self) -> Amount {
        let parts = [
            self.images,
            self.unreferenced,
            self.trash,
            self.temporary,
            self.other,
        ];
        parts.into_iter().fold(Amount::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

impl AddAssign for Parts {
    fn add_assign(&mut self, other: Parts) {
        self.images += other.images;
        self.unreferenced += other.unreferenced;
        self.trash += other.trash;
        self.temporary += other.temporary;
        self.other += other.other;
    }
}

/// A file that is no blob.
#[derive(Debug, Serialize)]
pub(crate) struct NamedFile {
    /// Within the layout.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) on_disk: u64,
    /// When its content was last modified.
    pub(crate) modified: Timestamp,
}

/// One of the largest blobs.
#[derive(Debug)]
pub(crate) struct LargeBlob {
    pub(crate) digest: Digest,
    /// `None`: nothing leads to it.
    pub(crate) node: Option<NodeId>,
    pub(crate) bytes: u64,
    pub(crate) on_disk: u64,
    /// The first entries that lead to it, as they are shown.
    pub(crate) names: Vec<Arc<str>>,
    /// How many do.
    pub(crate) entries: usize,
}

/// What a layout takes.
#[derive(Debug, Default)]
pub(crate) struct DiskUse {
    /// All of it.
    pub(crate) parts: Parts,
    /// What of the images more than one of them has, or another layout.
    pub(crate) shared: Amount,
    /// The same, as far as another layout may have it as well.
    pub(crate) by_directory: TakenByDirectory,
    pub(crate) removals: HashMap<RemovalId, Amount>,
    pub(crate) temporary_files: Vec<NamedFile>,
    /// Files that are neither ocirm's nor what every layout has.
    pub(crate) other_files: Vec<NamedFile>,
    /// The largest blobs, the largest first.
    pub(crate) largest: Vec<LargeBlob>,
    /// What could not be looked at.
    pub(crate) failures: Vec<String>,
}

/// What was counted in the layouts of a run so far.
#[derive(Debug, Default)]
pub(crate) struct CountedFiles {
    directories: HashSet<FileId>,
    /// Those with several names.
    files: HashSet<FileId>,
}

/// What some files take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// All of it.
    pub(crate) parts: Parts,
    /// What of the images more than one of them has, or another layout.
    pub(crate) shared: Amount,
}

impl Taken {
    fn of(kind: PartKind, amount: Amount) -> Taken {
        let mut taken = Taken::default();
        let parts = &mut taken.parts;
        *match kind {
            PartKind::Images { is_shared } => {
                if is_shared {
                    taken.shared = amount;
                }
                &mut parts.images
            }
            PartKind::Unreferenced => &mut parts.unreferenced,
            PartKind::Trash => &mut parts.trash,
            PartKind::Temporary => &mut parts.temporary,
            PartKind::Other => &mut parts.other,
        } = amount;
        taken
    }
}

impl AddAssign for Taken {
    fn add_assign(&mut self, other: Taken) {
        self.parts += other.parts;
        self.shared += other.shared;
    }
}

/// What a file is there for.
#[derive(Clone, Copy, Debug)]
enum PartKind {
    Images { is_shared: bool },
    Unreferenced,
    Trash,
    Temporary,
    Other,
}

/// What a layout takes, as far as another one may have it as well.
#[derive(Debug, Default)]
pub(crate) struct TakenByDirectory {
    /// The directories, with the files in them that have one name.
    directories: HashMap<FileId, Taken>,
    /// Files with several names: the directory of this one, the file, and what it takes.
    linked: Vec<(FileId, FileId, PartKind, Amount)>,
}

impl TakenByDirectory {
    fn add(&mut self, file: &UsedFile, kind: PartKind, amount: Amount) {
        let directory = match file.is_directory {
            true => file.file,
            false => file.directory,
        };
        let of_directory = self.directories.entry(directory).or_default();
        match file.is_linked && !file.is_directory {
            true => self.linked.push((directory, file.file, kind, amount)),
            false => *of_directory += Taken::of(kind, amount),
        }
    }
}

impl CountedFiles {
    /// What no layout before this one has as well.
    pub(crate) fn first_time(&mut self, taken: TakenByDirectory) -> Taken {
        let mut first = Taken::default();
        let own = taken.directories.iter();
        for (_, own) in own.filter(|(directory, _)| !self.directories.contains(directory)) {
            first += *own;
        }
        for (directory, file, kind, amount) in taken.linked {
            if !self.directories.contains(&directory) && self.files.insert(file) {
                first += Taken::of(kind, amount);
            }
        }
        self.directories.extend(taken.directories.into_keys());
        first
    }
}

impl DiskUse {
    /// Looks at all files of a layout. `with_largest`: the largest blobs are wanted, with what leads to them.
    pub(crate) fn of<M>(layout: &Locked<M>, snapshot: &View, with_largest: bool) -> DiskUse {
        let graph = &snapshot.graph;
        let is_shared = shared(snapshot);
        let mut used = DiskUse::default();
        let mut largest = BinaryHeap::new();
        let failures = layout.each_used_file(&mut |file| {
            let amount = Amount::of(&file);
            let kind = match &file.place {
                Place::Blob(digest) => {
                    let node = graph.find(digest);
                    let number = node.map_or(usize::MAX, NodeId::index);
                    let is_larger = |Reverse((least, ..)): &SizedBlob| file.size >= *least;
                    if largest.len() < LARGEST || largest.peek().is_some_and(is_larger) {
                        let place = Reverse(number);
                        largest.push(Reverse((file.size, place, digest.clone(), file.on_disk)));
                    }
                    if largest.len() > LARGEST {
                        largest.pop();
                    }
                    match node {
                        Some(node) => PartKind::Images {
                            is_shared: is_shared[node.index()],
                        },
                        // What lies there under a name that is no digest to us is nobody's blob.
                        None if digest.algorithm().is_none() => PartKind::Other,
                        None => PartKind::Unreferenced,
                    }
                }
                Place::Trash(removal) => {
                    if let Some(removal) = removal {
                        *used.removals.entry(removal.clone()).or_default() += amount;
                    }
                    PartKind::Trash
                }
                Place::Temporary => PartKind::Temporary,
                Place::Other => PartKind::Other,
            };
            let taken = Taken::of(kind, amount);
            used.parts += taken.parts;
            used.shared += taken.shared;
            used.by_directory.add(&file, kind, amount);
            let files = match file.place {
                Place::Temporary => &mut used.temporary_files,
                Place::Other if !is_of_every_layout(&file.path) => &mut used.other_files,
                _ => return,
            };
            if !file.is_directory {
                files.push(NamedFile {
                    path: file.path,
                    bytes: file.size,
                    on_disk: file.on_disk,
                    modified: file.modified,
                });
            }
        });
        used.failures = failures;
        used.temporary_files.sort_by(|a, b| a.path.cmp(&b.path));
        used.other_files.sort_by(|a, b| a.path.cmp(&b.path));
        if with_largest {
            used.largest = name_largest(snapshot, largest.into_sorted_vec());
        }
        used
    }
}

/// What each removal in the trash takes, and what could not be looked at.
pub(crate) fn amounts_in_trash<M>(layout: &Locked<M>) -> (HashMap<RemovalId, Amount>, Vec<String>) {
    let mut amounts: HashMap<RemovalId, Amount> = HashMap::new();
    let failures = layout.each_file_in_trash(&mut |file| {
        if let Place::Trash(Some(removal)) = &file.place {
            *amounts.entry(removal.clone()).or_default() += Amount::of(&file);
        }
    });
    (amounts, failures)
}

/// Whether a file is one that layouts have, or one of ocirm's own.
fn is_of_every_layout(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let algorithm = path.strip_prefix("blobs/");
    // A link there is a directory to everybody.
    let is_directory =
        algorithm.is_some_and(|name| Algorithm::ALL.iter().any(|a| a.name() == name));
    name.starts_with(".ocirm")
        || is_directory
        || matches!(
            path,
            "oci-layout" | "index.json" | "manifest.json" | "repositories" | "blobs"
        )
}

type SizedBlob = Reverse<(u64, Reverse<usize>, Digest, u64)>;

/// Finds out what leads to a few blobs, in one walk over all entries.
fn name_largest(snapshot: &View, blobs: Vec<SizedBlob>) -> Vec<LargeBlob> {
    let graph = &snapshot.graph;
    let nodes: Vec<Option<NodeId>> = blobs
        .iter()
        .map(|Reverse((_, _, digest, _))| graph.find(digest))
        .collect();
    let parents = match nodes.iter().any(Option::is_some) {
        true => graph.parents(Follow::Needed),
        false => HashMap::new(),
    };
    // To which of the blobs each node leads.
    let mut leads_to: HashMap<NodeId, Vec<usize>> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let mut above: HashSet<NodeId> = node.iter().copied().collect();
        let mut stack: Vec<NodeId> = node.iter().copied().collect();
        while let Some(node) = stack.pop() {
            leads_to.entry(node).or_default().push(at);
            for (from, _) in parents.get(&node).into_iter().flatten() {
                if above.insert(*from) {
                    stack.push(*from);
                }
            }
        }
    }
    let mut leading = vec![Leading::default(); blobs.len()];
    for (id, record) in snapshot.records.iter() {
        for at in leads_to.get(&record.target).into_iter().flatten() {
            leading[*at].add(id, record.kind.is_dependent());
        }
    }
    let blobs = blobs.into_iter().zip(nodes).zip(leading);
    let named = blobs.map(|((Reverse((bytes, _, digest, on_disk)), node), leading)| {
        let names = leading.own.into_iter().chain(leading.dependent);
        LargeBlob {
            names: names
                .take(NAMES)
                .map(|id| snapshot.shown_shared(id))
                .collect(),
            node,
            bytes,
            on_disk,
            digest,
            entries: leading.entries,
        }
    });
    named.collect()
}

/// Records that lead to a blob: how many, and the first of them.
#[derive(Clone, Debug, Default)]
struct Leading {
    own: Vec<RecordId>,
    /// Those that belong to an image; they are only named where no image is.
    dependent: Vec<RecordId>,
    entries: usize,
}

impl Leading {
    fn add(&mut self, id: RecordId, is_dependent: bool) {
        self.entries += 1;
        let first = match is_dependent {
            true => &mut self.dependent,
            false => &mut self.own,
        };
        if first.len() < NAMES {
            first.push(id);
        }
    }
}
