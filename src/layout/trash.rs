//! The trash: what `--trash` took away and `ocirm restore` brings back.
//!
//! ```text
//! .ocirm-trash/
//! └── 20261121T054542.123456789Z-5d0c…/     one removal: when, and what no other has
//!     ├── removal.json                      its record: entries of index.json, and more
//!     └── blobs/<algorithm>/<hex>           the blobs
//! ```
//!
//! A record is durable before the change that it records, so whatever happens, the trash knows at
//! least what is gone. How blobs come here and go back is in `moves`. What a record says is [`crate::oci::trash_record`]'s business.
//!
//! No directory below is entered through a symbolic link, and nothing is removed but records and
//! files whose names are valid digests; whatever else somebody puts there stays.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::blobs::{each_digest, open_regular, read_verified};
use super::lock::LayoutLock;
use super::moves::{OpenRemoval, enter, enter_all, stat, unlink};
use super::replace::sync_directory;
use super::trash_access::{
    TrashAccess, access_of_record, make_new_like, make_or_put_right, put_right,
};
use super::{BlobError, BlobStat, Exclusive, Layout, Locked, TRASH};
use crate::error::{Error, ErrorKind};
use crate::files::access::Access;
use crate::files::attributes::give_at_most;
use crate::files::directory::each_file;
use crate::files::stat::{FileId, Weight, found};
use crate::files::temporary::{RANDOM_DIGITS, SecondName, Temporary, random_digits, remove_stale};
use crate::files::unix::sync;
use crate::value::digest::{Algorithm, Digest};

/// The record of a removal.
const RECORD: &str = "removal.json";

/// The largest record that is read, in bytes.
const MAX_RECORD_BYTES: u64 = super::MAX_INDEX_BYTES;

/// How the time of a removal is written.
const TIME: &str = "%Y%m%dT%H%M%S.%9f";

/// The name of a removal: the time, to the nanosecond, and random digits. Older versions put the number
/// of the process there, which other containers can have as well.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemovalId(String);

impl RemovalId {
    /// A removal at this moment, unlike any other.
    ///
    /// # Errors
    /// A kernel that has no random numbers to give.
    pub(crate) fn new(at: Timestamp) -> anyhow::Result<RemovalId> {
        let digits = random_digits().context("cannot get a random number")?;
        Ok(RemovalId(format!("{}Z-{digits}", at.strftime(TIME))))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the name of a directory in the trash.
    pub(super) fn of_name(name: &str) -> Option<RemovalId> {
        RemovalId::parse(name).map(|(id, _)| id)
    }

    /// Whether it has the number of a process where later versions have random digits.
    fn is_of_older_version(&self) -> bool {
        let digits = self.0.rsplit('-').next().unwrap_or_default();
        digits.len() < RANDOM_DIGITS
    }

    /// Reads a name that [`RemovalId::new`] made; `None` for any other.
    fn parse(name: &str) -> Option<(RemovalId, Timestamp)> {
        let (time, digits) = name.split_once("Z-")?;
        let at = jiff::civil::DateTime::strptime(TIME, time).ok()?;
        let at = TimeZone::UTC.to_timestamp(at).ok()?;
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let are_digits =
            (1..=RANDOM_DIGITS).contains(&digits.len()) && digits.bytes().all(is_digit);
        // jiff reads more than it writes.
        let is_ours = are_digits && at.strftime(TIME).to_string() == time;
        is_ours.then(|| (RemovalId(name.to_owned()), at))
    }
}

/// One removal, as it lies in the trash, and the blobs that lie with it.
#[derive(Clone, Debug)]
pub(crate) struct Removal {
    pub(crate) id: RemovalId,
    pub(crate) at: Timestamp,
    pub(crate) record: RecordFile,
    pub(crate) blobs: Vec<Digest>,
}

/// The record of a removal, as it lies in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordFile {
    /// There is none: the run that was to write it was killed.
    Missing,
    /// There is one that cannot be read.
    Unreadable,
    /// Its bytes.
    Bytes(Vec<u8>),
}

impl RecordFile {
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            RecordFile::Bytes(bytes) => Some(bytes),
            RecordFile::Missing | RecordFile::Unreadable => None,
        }
    }
}

/// Everything in the trash of a layout.
#[derive(Clone, Debug, Default)]
pub struct Trash {
    /// Whether there is a directory, perhaps with nothing in it.
    is_there: bool,
    removals: Vec<Removal>,
    /// Where a blob lies: the number of the latest removal that has it.
    places: HashMap<Digest, usize>,
}

impl Trash {
    /// Lets go of the bytes of all records, which somebody understood or did not: they may be as large as
    /// index.json was.
    pub(crate) fn let_go_of_records(&mut self) {
        for removal in &mut self.removals {
            if let RecordFile::Bytes(bytes) = &mut removal.record {
                *bytes = Vec::new();
            }
        }
    }

    /// The removals, oldest first.
    pub(crate) fn removals(&self) -> &[Removal] {
        &self.removals
    }

    pub(crate) fn blobs_of(&self, id: &RemovalId) -> &[Digest] {
        let removal = self.removals.iter().find(|removal| removal.id == *id);
        removal.map_or(&[], |removal| &removal.blobs)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.removals.is_empty()
    }

    pub(crate) fn is_there(&self) -> bool {
        self.is_there
    }

    /// Every blob in it, once, in no particular order.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Digest> {
        self.places.keys()
    }

    /// The latest removal that has a blob.
    pub(crate) fn place(&self, digest: &Digest) -> Option<&RemovalId> {
        Some(&self.removals[*self.places.get(digest)?].id)
    }

    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.places.contains_key(digest)
    }
}

/// Makes the directory of a removal: one that was not there, whoever else makes some at this moment.
fn make_removal(
    trash: &OwnedFd,
    now: Timestamp,
    access: &Access,
) -> anyhow::Result<(RemovalId, OwnedFd)> {
    loop {
        let id = RemovalId::new(now)?;
        match make_new_like(trash, id.as_str(), access) {
            Err(Errno::EXIST) => {}
            made => return Ok((id, made?)),
        }
    }
}

/// Opens removals of ours that older versions made for those who may use the layout now. Of other
/// removals somebody may have made the layout more readable since.
fn put_older_right(trash: &OwnedFd, access: &TrashAccess) -> Result<(), Errno> {
    let mut older = Vec::new();
    each_file(trash, &mut |name, _| {
        let parsed = std::str::from_utf8(name).ok().and_then(RemovalId::parse);
        older.extend(parsed.filter(|(id, _)| id.is_of_older_version()));
    })?;
    for (id, _) in older {
        let Some(removal) = enter(trash, id.as_str())? else {
            continue;
        };
        put_right(&removal, &access.above)?;
        if let Some(blobs) = enter(&removal, "blobs")? {
            put_right(&blobs, &access.blobs)?;
            for algorithm in Algorithm::ALL {
                if let Some(dir) = enter(&blobs, algorithm.name())? {
                    put_right(&dir, access.of_algorithm(algorithm))?;
                }
            }
        }
    }
    Ok(())
}

fn each_blob(
    removal: &OwnedFd,
    each: &mut dyn FnMut(&OwnedFd, Digest) -> Result<(), Errno>,
) -> Result<(), Errno> {
    for algorithm in Algorithm::ALL {
        let Some(dir) = enter_all(removal, "blobs", &[algorithm.name()])? else {
            continue;
        };
        // A list that is whole before anything is taken out of the directory.
        let mut found = Vec::new();
        each_digest(
            &dir,
            algorithm,
            &mut |digest| found.push(digest),
            &mut |_, _| (),
        )?;
        for digest in found {
            each(&dir, digest)?;
        }
    }
    Ok(())
}

impl<M> Locked<M> {
    /// Looks at the trash. A layout without one costs one system call, once.
    pub(crate) fn trash(&self) -> anyhow::Result<Trash> {
        if self.has_no_trash.load(Ordering::Relaxed) {
            return Ok(Trash::default());
        }
        let path = self.path().join(TRASH);
        let context = || format!("cannot read the trash `{}`", path.display());
        let Some(dir) = enter(&self.layout.dir, TRASH).with_context(context)? else {
            self.has_no_trash.store(true, Ordering::Relaxed);
            return Ok(Trash::default());
        };
        let mut trash = Trash {
            is_there: true,
            ..Trash::default()
        };
        let mut ids = Vec::new();
        each_file(&dir, &mut |name, _| {
            ids.extend(std::str::from_utf8(name).ok().and_then(RemovalId::parse));
        })
        .with_context(context)?;
        for (id, at) in ids {
            let Some(removal) = enter(&dir, id.as_str()).with_context(context)? else {
                continue;
            };
            let mut blobs = Vec::new();
            each_blob(&removal, &mut |_, digest| {
                blobs.push(digest);
                Ok(())
            })
            .with_context(context)?;
            trash.removals.push(Removal {
                record: read_record(&removal),
                id,
                at,
                blobs,
            });
        }
        trash.removals.sort_by(|a, b| a.id.cmp(&b.id));
        for (number, removal) in trash.removals.iter().enumerate() {
            for digest in &removal.blobs {
                trash.places.insert(digest.clone(), number);
            }
        }
        Ok(trash)
    }

    fn removal_dir(&self, id: &RemovalId) -> Result<Option<OwnedFd>, Errno> {
        enter_all(&self.layout.dir, TRASH, &[id.as_str()])
    }

    pub(super) fn trashed_dir(
        &self,
        trash: &Trash,
        digest: &Digest,
    ) -> Result<Option<OwnedFd>, Errno> {
        let Some(id) = trash.place(digest) else {
            return Ok(None);
        };
        let below = [id.as_str(), "blobs", digest.algorithm_name()];
        enter_all(&self.layout.dir, TRASH, &below)
    }

    /// [`Locked::read_blob_into`] of a blob in the trash.
    pub(crate) fn read_trashed(
        &self,
        trash: &Trash,
        digest: &Digest,
        size: Option<u64>,
        limit: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, BlobError> {
        let Some(dir) = self.trashed_dir(trash, digest)? else {
            return Ok(false);
        };
        read_verified(self.open_trashed(&dir, digest)?, digest, size, limit, bytes)
    }

    /// A blob that is a symbolic link leads from where it was, not from where it is.
    pub(super) fn open_trashed(
        &self,
        dir: &OwnedFd,
        digest: &Digest,
    ) -> Result<Option<(File, u64)>, BlobError> {
        let name = digest.file_name();
        let Ok(target) = rustix::fs::readlinkat(dir, name.as_ref(), Vec::new()) else {
            return open_regular(dir, name.as_ref());
        };
        let home = self.blob_dirs.of(digest);
        home.map_or(Ok(None), |home| open_regular(home, target.as_c_str()))
    }

    /// Bytes of a blob's file in the trash; 0 for a symbolic link.
    pub(crate) fn size_of_trashed(&self, trash: &Trash, digest: &Digest) -> u64 {
        let dir = self.trashed_dir(trash, digest).ok().flatten();
        let stat = dir.and_then(|dir| stat(&dir, digest));
        stat.map_or(0, |stat| {
            // Coming back changes it, for other layouts that have it too.
            self.layout.ages.first_seen(stat);
            stat.size
        })
    }

    /// Whether a blob of the layout has a name in the trash as well: whoever moved it was killed.
    pub(super) fn is_in_trash_too(&self, blob: &BlobStat) -> bool {
        // Most files have one name, and then nobody has to look.
        blob.links > 1 && {
            let files = self.trashed_files.get_or_init(|| {
                let trash = self.trash().unwrap_or_default();
                let removals = trash.removals.iter();
                let dirs = removals.filter_map(|removal| self.removal_dir(&removal.id).ok()?);
                let mut files = HashSet::new();
                for dir in dirs {
                    // What cannot be listed is as if it were not there.
                    let _ = each_blob(&dir, &mut |dir, digest| {
                        files.extend(stat(dir, &digest).map(|stat| stat.file));
                        Ok(())
                    });
                }
                files
            });
            files.contains(&blob.file)
        }
    }

    /// How much each of several removals holds. Of a file with several names the bytes count with
    /// the last of them; with names elsewhere they do not. `gone` are blobs of the layout that go, too.
    pub(crate) fn weigh_removals<'d>(
        &self,
        ids: &[RemovalId],
        gone: impl IntoIterator<Item = &'d Digest>,
    ) -> anyhow::Result<Vec<Weight>> {
        let mut names: HashMap<FileId, u64> = HashMap::new();
        for digest in gone.into_iter().filter(|_| !ids.is_empty()) {
            if let Some(stat) = self.stat_blob(digest)?.filter(|stat| stat.links > 1) {
                *names.entry(stat.file).or_default() += 1;
            }
        }
        let mut weights = Vec::new();
        for id in ids {
            let mut weight = Weight::default();
            let context = || format!("cannot read `{TRASH}/{}`", id.as_str());
            if let Some(dir) = self.removal_dir(id).with_context(context)? {
                each_blob(&dir, &mut |dir, digest| {
                    if let Some(stat) = stat(dir, &digest) {
                        let seen = names.entry(stat.file).or_default();
                        *seen += 1;
                        let is_last = *seen >= self.layout.ages.first_seen(stat).links;
                        weight += Weight::of_one(if is_last { stat.on_disk } else { 0 });
                    }
                    Ok(())
                })
                .with_context(context)?;
            }
            weights.push(weight);
        }
        Ok(weights)
    }
}

fn read_record(removal: &OwnedFd) -> RecordFile {
    use std::io::Read as _;
    let read = |file: File| {
        let mut bytes = Vec::new();
        file.take(MAX_RECORD_BYTES).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    match open_regular(removal, RECORD) {
        Ok(None) => RecordFile::Missing,
        Ok(Some((file, size))) if size <= MAX_RECORD_BYTES => {
            read(file).map_or(RecordFile::Unreadable, RecordFile::Bytes)
        }
        _ => RecordFile::Unreadable,
    }
}

impl Locked<Exclusive> {
    /// Makes a removal in the trash, that nobody made before, with its record, both durable. `now` is
    /// when.
    ///
    /// # Errors
    /// What the operating system says; and a trash that is no directory of this layout.
    pub(crate) fn begin_removal(
        &self,
        now: Timestamp,
        record: &[u8],
    ) -> anyhow::Result<(RemovalId, OpenRemoval)> {
        let path = self.path().join(TRASH);
        let context = || format!("cannot make the trash `{}`", path.display());
        self.refuse_distant_blobs()?;
        self.has_no_trash.store(false, Ordering::Relaxed);
        let access = TrashAccess::of(self).with_context(context)?;
        let trash =
            make_or_put_right(&self.layout.dir, TRASH, &access.above).map_err(|e| match e {
                Errno::NOTDIR => anyhow::Error::new(
                    Error::layout(format!("`{}` is no directory", path.display()))
                        .hint("move it away, or remove without --trash"),
                ),
                e => anyhow::Error::new(e).context(context()),
            })?;
        // One that another user made may be narrower than it should be; then this is where it shows.
        let _ = put_older_right(&trash, &access);
        let made = make_removal(&trash, now, &access.above);
        let made = made.map_err(|e| self.closed_trash(&trash, e).context(context()));
        let begun = made.and_then(|(id, dir)| {
            let begin = || {
                self.write_record(&id, &dir, record)?;
                for dir in [&trash, &dir] {
                    sync_directory(dir).with_context(context)?;
                }
                sync_directory(&self.layout.dir).with_context(context)
            };
            if let Err(error) = begin() {
                let _ = rustix::fs::unlinkat(&dir, RECORD, AtFlags::empty());
                remove_directories(&self.layout, &id);
                return Err(error);
            }
            Ok((id, OpenRemoval::new(dir, Vec::new(), access)?))
        });
        if begun.is_err() {
            // A trash that nothing could be put into is of no use to anybody.
            let _ = rustix::fs::unlinkat(&self.layout.dir, TRASH, AtFlags::REMOVEDIR);
        }
        begun
    }

    /// Why nothing can be put into the trash.
    fn closed_trash(&self, trash: &OwnedFd, error: anyhow::Error) -> anyhow::Error {
        match (
            error.downcast_ref::<Errno>().copied(),
            rustix::fs::fstat(trash),
        ) {
            (Some(Errno::ACCESS | Errno::PERM), Ok(stat)) => {
                let message = format!(
                    "it belongs to user {} and may not be written: {error}",
                    stat.st_uid
                );
                Error::new(ErrorKind::Failed, message)
                    .hint(
                        "nothing was changed; let its owner allow it what the layout allows, or \
                         remove without --trash",
                    )
                    .into()
            }
            _ => error,
        }
    }

    /// A file cannot be moved to another file system.
    fn refuse_distant_blobs(&self) -> anyhow::Result<()> {
        let root = rustix::fs::fstat(&self.layout.dir)?;
        for (_, dir) in self.blob_dirs.own() {
            if rustix::fs::fstat(dir)?.st_dev != root.st_dev {
                let path = self.path().join("blobs");
                return Err(Error::layout(format!(
                    "`{}` is on another file system than the trash",
                    path.display()
                ))
                .hint("nothing was changed; remove without --trash")
                .into());
            }
        }
        Ok(())
    }

    /// Opens a removal that is there, to move more blobs into it.
    pub(crate) fn open_removal(&self, id: &RemovalId) -> anyhow::Result<OpenRemoval> {
        let gone = || format!("`{TRASH}/{}` is gone", id.as_str());
        let trash = enter(&self.layout.dir, TRASH)?.with_context(gone)?;
        let dir = enter(&trash, id.as_str())?.with_context(gone)?;
        // Whoever made it may have been killed before its name was durable.
        let root = self.layout.dir.try_clone()?;
        let above = vec![trash, root.into()];
        Ok(OpenRemoval::new(dir, above, TrashAccess::of(self)?)?)
    }

    /// Replaces the record of a removal that is there, durably.
    ///
    /// # Errors
    /// What the operating system says; the old record is whole then.
    pub(crate) fn replace_record(&self, id: &RemovalId, record: &[u8]) -> anyhow::Result<()> {
        let removal = self.open_removal(id)?;
        let old_record = SecondName::give(removal.dir(), RECORD, self.layout.dir.as_fd());
        self.write_record(id, removal.dir(), record)?;
        sync_directory(removal.dir())?;
        old_record
            .into_iter()
            .for_each(|name| self.old_names.add(name));
        Ok(())
    }

    /// The temporary file lies in the root, where the next run finds it if this one is killed.
    fn write_record(&self, id: &RemovalId, dir: &OwnedFd, record: &[u8]) -> anyhow::Result<()> {
        let context = || format!("cannot write `{TRASH}/{}/{RECORD}`", id.as_str());
        let root = &self.layout.dir;
        let write = || -> io::Result<()> {
            let mut temporary = Temporary::create(root.as_fd(), "removal")?;
            temporary.file.write_all(record)?;
            give_at_most(&temporary.file, &access_of_record(self)?)?;
            sync(&temporary.file)?;
            Ok(temporary.rename(dir, RECORD)?)
        };
        write().with_context(context)
    }

    /// Removes a trash that nothing is in.
    pub(crate) fn remove_empty_trash(&self) {
        // One that is not empty holds what somebody else put there.
        let _ = rustix::fs::unlinkat(&self.layout.dir, TRASH, AtFlags::REMOVEDIR);
    }

    /// Deletes a removal for good: its record first, so that nobody counts on the rest. What is not
    /// ours stays, and then so do the directories.
    ///
    /// # Errors
    /// What the operating system says; the next prune tries again.
    pub(crate) fn empty_removal(&self, id: &RemovalId) -> anyhow::Result<()> {
        let context = || format!("cannot delete `{TRASH}/{}`", id.as_str());
        let empty = || -> Result<(), Errno> {
            let Some(dir) = self.removal_dir(id)? else {
                return Ok(());
            };
            found(rustix::fs::unlinkat(&dir, RECORD, AtFlags::empty()))?;
            let mut is_durable = false;
            each_blob(&dir, &mut |blobs, digest| {
                if !is_durable {
                    // A record without its blobs would promise what is not there.
                    sync_directory(&dir)?;
                    is_durable = true;
                }
                unlink(&self.layout.ages, blobs, &digest).map(drop)
            })?;
            // Not being able to list it is no failure: then it stays.
            let _ = remove_stale(&dir, LayoutLock::sight(&self.layout));
            remove_directories(&self.layout, id);
            Ok(())
        };
        empty()
            .map_err(|e| Error::new(ErrorKind::Failed, io::Error::from(e).to_string()))
            .with_context(context)
    }
}

/// Removes the directories of a removal that are empty, and the trash with the last one.
fn remove_directories(layout: &Layout, id: &RemovalId) {
    let rmdir = |below: &[&str], name: &str| {
        if let Ok(Some(parent)) = enter_all(&layout.dir, TRASH, below) {
            // One that is not empty holds what somebody else put there.
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    };
    let id = id.as_str();
    for algorithm in Algorithm::ALL {
        rmdir(&[id, "blobs"], algorithm.name());
    }
    rmdir(&[id], "blobs");
    rmdir(&[], id);
    let _ = rustix::fs::unlinkat(&layout.dir, TRASH, AtFlags::REMOVEDIR);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FR34
    #[test]
    fn a_removal_knows_its_moment_and_has_a_name_of_its_own() {
        let at: Timestamp = "2026-11-21T05:45:42.000000789Z".parse().unwrap();
        let id = RemovalId::new(at).unwrap();
        assert!(id.as_str().starts_with("20261121T054542.000000789Z-"));
        assert_eq!(RemovalId::parse(id.as_str()), Some((id.clone(), at)));
        assert_ne!(RemovalId::new(at).unwrap(), id);
        // What older versions made.
        let older = "20261121T054542.000000789Z-4711";
        assert_eq!(RemovalId::parse(older).unwrap().1, at);
    }

    #[test]
    fn names_that_are_not_ours_are_no_removals() {
        for name in [
            "",
            "x",
            "20261121T054542.1Z-1",
            "20261121T054542.000000789Z-",
            "20261121T054542.000000789Z-x",
            "20261121T054542.000000789Z-A",
            "20261121T054542.000000789Z-0123456789abcdef0123456789abcdef0",
            "20261321T054542.000000789Z-1",
            "../20261121T054542.000000789Z-1",
        ] {
            assert_eq!(RemovalId::parse(name), None, "{name}");
        }
    }
}
