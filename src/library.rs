//! What a program that uses the crate says and is told: [`Prune`], [`Rmi`] and [`Untag`] say what is wanted,
//! [`Image`], [`Change`] and [`Progress`] are what it is told. They are plain values; [`crate::Layout`] has the
//! functions. The options are those of the command line, and mean the same.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::cli::{DEFAULT_GRACE, DEFAULT_TRASH_KEEP, PruneArgs, RmiArgs, UnlistedReferrers};
use crate::counter::Count;
use crate::layout::RemovalId;
use crate::report::change::Report;
use crate::report::list_lines::ImageLine;
use crate::value::digest::Digest;

/// Removes dangling images and unreferenced blobs; see `ocirm prune`.
///
/// ```
/// use std::time::Duration;
///
/// let nightly = ocirm::Prune::new().all().keep_last("3").grace(Duration::from_secs(7200));
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until a layout runs it"]
pub struct Prune {
    pub(crate) args: PruneArgs,
    pub(crate) at_most: Option<Arc<Seen>>,
}

impl Default for Prune {
    fn default() -> Prune {
        Prune::new()
    }
}

impl Prune {
    /// Dangling images, and blobs that are unreferenced for more than an hour.
    pub fn new() -> Prune {
        Prune {
            args: PruneArgs {
                grace: DEFAULT_GRACE.to_owned(),
                trash_keep: DEFAULT_TRASH_KEEP.to_owned(),
                ..PruneArgs::default()
            },
            at_most: None,
        }
    }

    /// Every image, not only dangling ones.
    pub fn all(mut self) -> Prune {
        self.args.all = true;
        self
    }

    /// Only images that pass, as `--filter` has it: `until=24h`, `label=team=web`. All filters must hold. A day
    /// without an offset (`until=2026-01-01`) is one of the time zone of the process (`TZ`).
    pub fn filter(mut self, filter: impl Into<String>) -> Prune {
        self.args.filters.push(filter.into());
        self
    }

    /// Keeps images whose name, tag or digest matches a pattern, whatever else is said.
    pub fn keep(mut self, pattern: impl Into<String>) -> Prune {
        self.args.keep.push(pattern.into());
        self
    }

    /// With [`Prune::all`]: keeps the newest images of each repository, as `--keep-last` has it: `3`, or
    /// `nightly-*=3` for names that match.
    pub fn keep_last(mut self, count: impl Into<String>) -> Prune {
        self.args.keep_last.push(count.into());
        self
    }

    /// With [`Prune::all`]: keeps what was created within a time, as `--keep-within` has it: `30d`, or
    /// `release-*=52w`.
    pub fn keep_within(mut self, time: impl Into<String>) -> Prune {
        self.args.keep_within.push(time.into());
        self
    }

    /// Keeps what the rules of a policy file keep, and removes every other image.
    pub fn policy(mut self, file: impl Into<PathBuf>) -> Prune {
        self.args.policy = Some(file.into());
        self
    }

    /// Keeps what these containers use: a file of what docker, podman, nerdctl, crictl or kubectl print in
    /// JSON. One that cannot be read or understood is an error. Nothing is read from standard input.
    pub fn containers(mut self, file: impl Into<PathBuf>) -> Prune {
        self.args.containers.push(file.into());
        self
    }

    /// Another layout that shares the blobs: what it needs stays. Name all of them.
    pub fn also_root(mut self, layout: impl Into<PathBuf>) -> Prune {
        self.args.also_roots.push(layout.into());
        self
    }

    /// Leaves unreferenced blobs alone that are younger, and all of them while another program is writing.
    /// An hour unless this says otherwise; zero is for layouts in which nothing else writes.
    pub fn grace(mut self, grace: Duration) -> Prune {
        self.args.grace = seconds(grace);
        self
    }

    /// Moves what goes into the layout's trash, where `ocirm restore` finds it.
    pub fn trash(mut self, is_used: bool) -> Prune {
        self.args.trash = is_used;
        self
    }

    /// Deletes what has been in the trash for longer; seven days unless this says otherwise.
    pub fn trash_keep(mut self, time: Duration) -> Prune {
        self.args.trash_keep = seconds(time);
        self
    }

    /// Removes signatures and the like of what stays, too, if no entry of index.json leads to them.
    pub fn delete_unlisted_referrers(mut self) -> Prune {
        self.args.unlisted_referrers = UnlistedReferrers::Delete;
        self
    }

    /// Removes every image also where nothing is there that was to be kept. Otherwise that is a failure, and
    /// nothing goes.
    pub fn allow_empty(mut self) -> Prune {
        self.args.allow_empty = true;
        self
    }

    /// Removes nothing but what a dry run on the same layout showed, whatever was added meanwhile.
    pub fn at_most(mut self, shown: &Change) -> Prune {
        self.at_most = Some(Arc::clone(&shown.seen));
        self
    }
}

/// Removes names, and images with their last name; see `ocirm rmi`. Names that cannot be removed are
/// [`Change::failures`]; the others are removed all the same.
///
/// ```
/// let arm = ocirm::Rmi::new(["app:v1"]).platform("linux/arm64").trash(true);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until a layout runs it"]
pub struct Rmi {
    pub(crate) args: RmiArgs,
    pub(crate) ignore_missing: bool,
}

impl Rmi {
    /// Names, digests, beginnings of IDs, or patterns for names.
    pub fn new<R: Into<String>>(references: impl IntoIterator<Item = R>) -> Rmi {
        Rmi {
            args: RmiArgs {
                references: references.into_iter().map(Into::into).collect(),
                ..RmiArgs::default()
            },
            ignore_missing: false,
        }
    }

    /// Removes all names of an image given by ID.
    pub fn force(mut self) -> Rmi {
        self.args.force = true;
        self
    }

    /// What is not there is no failure.
    pub fn ignore_missing(mut self) -> Rmi {
        self.ignore_missing = true;
        self
    }

    /// Only this platform of the images; more than one may be named. Not beside [`Rmi::keep_platform`].
    pub fn platform(mut self, platform: impl Into<String>) -> Rmi {
        self.args.platforms.push(platform.into());
        self
    }

    /// All platforms of the images but this; more than one may be named.
    pub fn keep_platform(mut self, platform: impl Into<String>) -> Rmi {
        self.args.keep_platforms.push(platform.into());
        self
    }

    /// With platforms: gives the names a new index without them, so that every tool sees a complete image.
    pub fn rewrite_index(mut self) -> Rmi {
        self.args.rewrite_index = true;
        self
    }

    /// Keeps what these containers use; see [`Prune::containers`].
    pub fn containers(mut self, file: impl Into<PathBuf>) -> Rmi {
        self.args.containers.push(file.into());
        self
    }

    /// Another layout that shares the blobs: what it needs stays. Name all of them.
    pub fn also_root(mut self, layout: impl Into<PathBuf>) -> Rmi {
        self.args.also_roots.push(layout.into());
        self
    }

    /// Moves what goes into the layout's trash, where `ocirm restore` finds it.
    pub fn trash(mut self, is_used: bool) -> Rmi {
        self.args.trash = is_used;
        self
    }
}

/// Takes names away and leaves the images; see `ocirm untag`.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until a layout runs it"]
pub struct Untag {
    pub(crate) references: Vec<String>,
}

impl Untag {
    /// Names, or patterns for them.
    pub fn new<R: Into<String>>(references: impl IntoIterator<Item = R>) -> Untag {
        Untag {
            references: references.into_iter().map(Into::into).collect(),
        }
    }
}

/// The same time as an option has it, and not less of it.
fn seconds(time: Duration) -> String {
    let more = u64::from(time.subsec_nanos() > 0);
    format!("{}s", time.as_secs().saturating_add(more))
}

/// A name of an image of a layout, or an image that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The name as `ocirm ls` shows it; what is shown can be given to [`Rmi`].
    pub name: Option<String>,
    /// The digest of its index or manifest: its ID.
    pub digest: String,
    /// What kind of entry it is: `named`, `dangling` or `unnamed`. Others may come.
    pub kind: String,
    /// Platforms that the layout has of it.
    pub platforms: Vec<String>,
    /// Platforms that it lists and the layout does not have.
    pub missing_platforms: Vec<String>,
    /// When it was made, as far as anybody says; else when its file was last modified.
    pub created: SystemTime,
    /// Bytes of its blobs that are there.
    pub size: u64,
    /// Bytes that removing all its names would free.
    pub unique: u64,
    /// How many of its blobs are missing.
    pub missing_blobs: u64,
    /// One of its documents cannot be trusted. As long as it stays, nothing can be deleted.
    pub is_damaged: bool,
}

impl From<ImageLine> for Image {
    fn from(line: ImageLine) -> Image {
        Image {
            name: line.name.map(|name| name.to_string()),
            digest: line.digest.to_string(),
            kind: line.kind.to_owned(),
            platforms: line.platforms.to_vec(),
            missing_platforms: line.missing_platforms.to_vec(),
            created: line.created.try_into().unwrap_or(SystemTime::UNIX_EPOCH),
            size: line.size,
            unique: line.unique,
            missing_blobs: line.missing_blobs,
            is_damaged: line.damaged,
        }
    }
}

/// What a command changed, or would change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Nothing was changed: this is what would be.
    pub is_dry_run: bool,
    /// Names that go, in order.
    pub untagged: Vec<String>,
    /// Blobs that leave the layout, in the order of deletion. Of a real run those that did.
    pub blobs: Vec<Blob>,
    /// Bytes that leave the disk, those of the trash included.
    pub freed_bytes: u64,
    /// The file system can give several files the same blocks, so that it may be less.
    pub freed_at_most: bool,
    /// What was asked for and was not done.
    pub failures: Vec<Failure>,
    /// What a person should know beside that, a sentence each.
    pub notices: Vec<String>,
    /// What `Prune::at_most` compares with.
    pub(crate) seen: Arc<Seen>,
}

/// What goes of one layout, and was seen: nothing else does if somebody agreed to that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Entries of index.json, in their [`agreed_form`](crate::plan::prune::agreed_form).
    pub(crate) entries: HashSet<String>,
    pub(crate) blobs: HashSet<Digest>,
    /// What expires in the trash.
    pub(crate) removals: HashSet<RemovalId>,
}

impl Change {
    /// What was done, or would be. `said` is what else there was to say.
    pub(crate) fn new(report: &Report<'_>, said: Vec<String>, seen: Seen) -> Change {
        let blobs = report.blobs().map(|blob| Blob {
            digest: blob.digest.to_string(),
            kind: blob.kind.word().to_owned(),
            size: blob.size,
        });
        let failures = report.failures().map(|error| Failure {
            message: error.message.clone(),
            hint: error.hint_text().map(str::to_owned),
            is_missing: error.is_missing(),
        });
        Change {
            is_dry_run: report.is_dry_run(),
            untagged: report.names().map(str::to_owned).collect(),
            blobs: blobs.collect(),
            freed_bytes: report.freed_bytes,
            freed_at_most: report.freed_at_most,
            failures: failures.collect(),
            notices: said.into_iter().chain(report.notices().cloned()).collect(),
            seen: Arc::new(seen),
        }
    }

    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.untagged.is_empty() && *self.seen == Seen::default()
    }
}

/// A blob that leaves the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blob {
    /// The digest by which it is stored.
    pub digest: String,
    /// What it was, as far as anybody knows: `manifest`, `index`, `layer`, `config` and others.
    pub kind: String,
    /// Bytes of its file.
    pub size: u64,
}

/// Something that was asked for and was not done, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What and why, in one line.
    pub message: String,
    /// What can be done about it, as a sentence for a person who has the program `ocirm`.
    pub hint: Option<String>,
    /// It is not there.
    pub is_missing: bool,
}

/// How far a layout's work is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done: `Reading`, `Deleting`.
    pub what: &'static str,
    /// What is counted: `manifests`, `blobs`.
    pub things: &'static str,
    /// How many are done.
    pub done: u64,
    /// How many there are; `None` if nobody knows yet.
    pub all: Option<u64>,
    /// Bytes that are done.
    pub bytes: u64,
    /// Bytes that there are; `None` if nobody knows.
    pub all_bytes: Option<u64>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, things: &'static str, count: Count) -> Progress {
        Progress {
            what,
            things,
            done: count.done,
            all: (count.all > 0).then_some(count.all),
            bytes: count.bytes,
            all_bytes: (count.all_bytes > 0).then_some(count.all_bytes),
        }
    }
}
