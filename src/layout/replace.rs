//! Replacing files of the layout's root.
//!
//! There is one way in which a file is replaced here: a temporary file in the same directory, with
//! the old file's owner, mode and attributes, written, synced, renamed over the old one, and the
//! directory synced. Whoever reads sees the old bytes or the new ones, and after a crash too. Who could
//! not read or write the old file cannot read or write the new one, or there is none.
//!
//! Programs that take no lock can write at any moment, between our comparing and our renaming, too.
//! So the two files are exchanged instead, where the file system can do that: what comes out is
//! compared once more, and goes back if somebody was faster.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::Context as _;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::blobs::{Presence, READING};
use super::lock::IndexLock;
use super::{DockerFile, Exclusive, Layout, LockOptions, Locked, are_bytes_of, length_of};
use crate::error::{Error, ErrorKind};
use crate::files::attributes::{Attributes, access_of, give_access_to_all};
use crate::files::rename::exchange;
use crate::files::stat::{describe, is_name_of};
use crate::files::temporary::{OldNames, SecondName, Temporary};
use crate::files::unix::sync;
use crate::value::digest::Digest;
use crate::words::listed;

/// What became of a wish to replace index.json.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IndexWrite {
    /// The new bytes are durable.
    Done {
        /// What files could not keep beside their bytes, a sentence for each.
        not_kept: Vec<String>,
    },
    /// The new bytes are in place, and cannot be made durable: after a power cut the old ones may be
    /// there again. Nothing that the old ones lead to may go. The text says why.
    NotDurable(String),
    /// Somebody changed index.json since it was read; nothing was written. Plan again.
    ChangedMeanwhile,
}

impl IndexWrite {
    fn done() -> IndexWrite {
        let not_kept = Vec::new();
        IndexWrite::Done { not_kept }
    }
}

/// A file of an unpacked `docker save` that must change together with index.json.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootEdit {
    /// Which file.
    pub file: DockerFile,
    /// Its bytes when the plan was made.
    pub old: Vec<u8>,
    /// Its bytes from now on.
    pub new: Vec<u8>,
}

impl<M> Locked<M> {
    /// Refuses an index.json that is no regular file: what it leads to is not ours to replace, and
    /// what it says may be another layout's. And one that nobody can replace, or not this user if it is to
    /// be replaced.
    pub(crate) fn refuse_odd_index(&self, is_replaced: bool) -> anyhow::Result<()> {
        replaceable(&self.layout, "index.json")?;
        Ok(self.layout.refuse_fixed_root(is_replaced)?)
    }
}

impl Locked<Exclusive> {
    /// Replaces index.json, if it still has the bytes `old`, and the files of a `docker save`
    /// beside it. `new` are the pieces of the new bytes, or `None` when index.json itself stays, and is only
    /// compared.
    ///
    /// Those files go first: if the program dies between two renames, a name is still in
    /// index.json and can be removed again; the other way round nothing would ever remove it from
    /// `manifest.json`.
    ///
    /// # Locking
    /// Takes the index lock for the time of comparing and renaming.
    ///
    /// # Errors
    /// Exit status 12 when index.json is a symbolic link, whose target is not ours to replace, or
    /// when the lock file cannot be opened; 11 when the lock stays held.
    pub(crate) fn replace_index(
        &self,
        old: &[u8],
        new: Option<&[&[u8]]>,
        beside: &[RootEdit],
        options: &LockOptions<'_>,
    ) -> anyhow::Result<IndexWrite> {
        if new.is_none() && beside.is_empty() {
            return Ok(match self.index_is(&[old])? {
                true => IndexWrite::done(),
                false => IndexWrite::ChangedMeanwhile,
            });
        }
        // Writing and syncing happen before the lock is taken, so that it is held for moments only.
        let mut ready = Vec::new();
        let layout = &self.layout;
        for edit in beside {
            let (name, new) = (edit.file.name(), [&edit.new[..]]);
            ready.push(Replacement::write(layout, name, &edit.old, &new)?);
        }
        if let Some(new) = new {
            ready.push(Replacement::write(layout, "index.json", old, new)?);
        }
        let lock = IndexLock::acquire(&self.layout, options)?;
        self.layout.look_afresh();
        for replacement in &ready {
            if !replacement.is_of_old(replacement.target)? {
                return Ok(IndexWrite::ChangedMeanwhile);
            }
        }
        let stays = new.is_none();
        if stays && !self.index_is(&[old])? || lock.as_ref().is_some_and(|lock| !lock.holds()) {
            return Ok(IndexWrite::ChangedMeanwhile);
        }
        let mut not_kept = Vec::new();
        let mut replaced: Vec<String> = Vec::new();
        for mut replacement in ready {
            not_kept.append(&mut replacement.not_kept);
            let target = replacement.target;
            let is_replaced = replacement.replace(&self.old_names).map_err(|error| {
                match replaced.is_empty() {
                    true => error,
                    // Whoever reads that something failed thinks that nothing was changed.
                    false => error.context(format!(
                        "{} changed already, and index.json is as it was",
                        listed(&replaced, replaced.len())
                    )),
                }
            })?;
            if !is_replaced {
                return Ok(IndexWrite::ChangedMeanwhile);
            }
            replaced.push(target.to_owned());
        }
        drop(lock);
        Ok(match sync_directory(&self.layout.dir) {
            Ok(()) => IndexWrite::Done { not_kept },
            Err(e) => IndexWrite::NotDurable(format!(
                "cannot sync the directory `{}`: {}",
                self.path().display(),
                io::Error::from(e)
            )),
        })
    }

    /// Writes a blob, synced, unless the layout has it. It is garbage until index.json leads to it. It is
    /// as readable as `like`, the blob whose place it takes. The value tells whether it was written.
    ///
    /// # Errors
    /// What the operating system says, bytes that do not have this digest, and a file that somebody
    /// could read or write who cannot read or write `like`.
    pub(crate) fn write_blob(
        &self,
        digest: &Digest,
        bytes: &[u8],
        like: &Digest,
    ) -> anyhow::Result<bool> {
        let context = || format!("cannot write the blob {digest}");
        anyhow::ensure!(
            digest.algorithm().is_some_and(|a| a.hash(bytes) == *digest),
            "the bytes of a new blob do not have the digest {digest}"
        );
        let size = Some(bytes.len() as u64);
        if matches!(self.verify_blob(digest, size), Ok(Presence::Whole)) {
            // Whoever wrote it may have done so a moment ago.
            self.sync_blob(digest).with_context(context)?;
            let dir = self.blob_dirs.of(digest);
            dir.map_or(Ok(()), sync_directory).with_context(context)?;
            return Ok(false);
        }
        let dir = self
            .blob_dirs
            .of(digest)
            .with_context(|| format!("the layout has no directory for the blob {digest}"))?;
        let access = self.open_blob(like).map(|file| {
            let file = file.map(|(file, _)| file);
            file.map_or_else(
                || access_of(&self.layout.dir).map(|dir| dir.for_files()),
                access_of,
            )
        });
        let access = access.with_context(context)?.with_context(context)?;
        let write_in = |place: BorrowedFd<'_>| -> io::Result<bool> {
            let mut temporary = Temporary::create(place, "blob")?;
            temporary.file.write_all(bytes)?;
            if !give_access_to_all(&temporary.file, &access)? {
                return Ok(false);
            }
            sync(&temporary.file)?;
            temporary.rename(dir, &digest.encoded())?;
            Ok(true)
        };
        // In the root the next run finds what a killed one left, but `blobs` may be on another file
        // system.
        let is_written = write_in(self.layout.dir.as_fd())
            .or_else(|e| match Errno::from_io_error(&e) {
                Some(Errno::XDEV) => write_in(dir.as_fd()),
                _ => Err(e),
            })
            .with_context(context)?;
        if !is_written {
            let what = format!("the blob {digest}, which takes the place of {like},");
            return Err(too_open(&what, &[]));
        }
        sync_directory(dir).with_context(context)?;
        Ok(true)
    }
}

/// A file that would be too open if it was written anew by whoever runs this.
fn too_open(what: &str, not_kept: &[String]) -> anyhow::Error {
    let which = match not_kept {
        [] => "owner, group or access list".to_owned(),
        some => some.join(", "),
    };
    let message = format!(
        "{what} cannot keep its {which}, and without that somebody could read or write it who \
         cannot now; nothing was changed"
    );
    Error::new(ErrorKind::Failed, message)
        .hint("run as root, as the owner of the file, or as a member of its group")
        .into()
}

/// Makes renames in a directory durable.
pub(super) fn sync_directory(dir: impl AsFd) -> Result<(), Errno> {
    sync(dir).or_else(|e| match e {
        // Some file systems cannot sync a directory; the rename is as durable as it gets.
        Errno::INVAL | Errno::BADF => Ok(()),
        e => Err(e),
    })
}

/// A file of the root, written anew and synced, that waits to take the old one's place.
struct Replacement<'a> {
    layout: &'a Layout,
    temporary: Temporary<'a>,
    target: &'static str,
    old: &'a [u8],
    /// What the old file has beside its bytes.
    attributes: Attributes,
    /// What of that the new one does not have, in sentences.
    not_kept: Vec<String>,
}

impl<'a> Replacement<'a> {
    fn write(
        layout: &'a Layout,
        target: &'static str,
        old: &'a [u8],
        new: &[&[u8]],
    ) -> anyhow::Result<Self> {
        let path = layout.path().join(target);
        let context = || format!("cannot write beside `{}`", path.display());
        let attributes = attributes_of(layout, target)?;
        let mut temporary = Temporary::create(layout.dir.as_fd(), target).with_context(context)?;
        write_pieces(&mut temporary.file, new).with_context(context)?;
        let file = &temporary.file;
        let given = attributes.give(file).with_context(context)?;
        let shown = format!("`{}`", path.display());
        if given.is_wider {
            return Err(too_open(&shown, &given.not_kept));
        }
        sync(file).with_context(context)?;
        let not_kept = match given.not_kept.is_empty() {
            true => Vec::new(),
            false => vec![format!(
                "{shown} did not keep its {}",
                given.not_kept.join(", ")
            )],
        };
        Ok(Replacement {
            layout,
            temporary,
            target,
            old,
            attributes,
            not_kept,
        })
    }

    /// Whether a file of the root has the old bytes, and all that the old file had beside them.
    fn is_of_old(&self, name: &str) -> anyhow::Result<bool> {
        let context = || format!("cannot read `{}`", self.layout.path().join(name).display());
        let compare =
            || {
                let file = open_replaceable(self.layout, name)?;
                let found = Attributes::of(&file).with_context(context)?;
                Ok(found == self.attributes
                    && are_bytes_of(file, &[self.old]).with_context(context)?)
            };
        match compare() {
            // Somebody removed it, or replaced it on another machine, and this one still shows the old file.
            Err(error) if is_gone(&error) => Ok(false),
            compared => compared,
        }
    }

    /// Takes the target's place, which was just seen to be the old file. The value tells whether it did:
    /// whoever was faster is found out where the file system can exchange two files. The old file keeps a name.
    fn replace(mut self, old_names: &OldNames) -> anyhow::Result<bool> {
        let path = self.layout.path().join(self.target);
        let context = || format!("cannot replace `{}`", path.display());
        let dir = &self.layout.dir;
        if !exchange(dir, &self.temporary.name, self.target).with_context(context)? {
            // Not every file system can do it.
            let old_name = SecondName::give(dir, self.target, dir.as_fd());
            let renamed = self.temporary.rename(dir, self.target);
            renamed.with_context(context)?;
            old_name.into_iter().for_each(|name| old_names.add(name));
            return Ok(true);
        }
        // What was written in place meanwhile came out by this name, and on a far disk what another
        // machine put there: the kernel thinks that it is what it last saw.
        let name = &self.temporary.name;
        self.layout.look_afresh();
        if self.is_of_old(name).is_ok_and(|is_old| is_old) {
            old_names.add(self.temporary);
            return Ok(true);
        }
        if is_name_of(dir, self.target, &self.temporary.file) {
            exchange(dir, name, self.target).with_context(context)?;
        }
        Ok(false)
    }
}

/// How many bytes of pieces are written at once.
const WRITTEN_AT_ONCE: usize = 1 << 18;

/// Writes pieces one after the other. There may be many small ones, and each call takes a while on a far disk.
fn write_pieces(file: &mut File, pieces: &[&[u8]]) -> io::Result<()> {
    let room = length_of(pieces).min(WRITTEN_AT_ONCE);
    let mut writer = BufWriter::with_capacity(room, file);
    pieces
        .iter()
        .try_for_each(|piece| writer.write_all(piece))?;
    writer.flush()
}

/// Whether an error is that a file is not there.
fn is_gone(error: &anyhow::Error) -> bool {
    let errno = error.chain().find_map(|cause| {
        let of_io = cause
            .downcast_ref::<io::Error>()
            .and_then(Errno::from_io_error);
        of_io.or_else(|| cause.downcast_ref::<Errno>().copied())
    });
    matches!(errno, Some(Errno::NOENT | Errno::STALE))
}

/// What a file of the root that is to be replaced has beside its bytes.
fn attributes_of(layout: &Layout, name: &str) -> anyhow::Result<Attributes> {
    let context = || format!("cannot look at `{}`", layout.path().join(name).display());
    Attributes::of(open_replaceable(layout, name)?).with_context(context)
}

/// Opens a file of the root that is to be replaced.
fn open_replaceable(layout: &Layout, name: &str) -> anyhow::Result<File> {
    replaceable(layout, name)?;
    let context = || format!("cannot look at `{}`", layout.path().join(name).display());
    // What takes its place by now is not followed, and keeps nobody waiting.
    let flags = READING | OFlags::NOFOLLOW;
    let opened = rustix::fs::openat(&layout.dir, name, flags, Mode::empty());
    Ok(File::from(opened.with_context(context)?))
}

/// Looks at a file of the root that is to be replaced.
fn replaceable(layout: &Layout, target: &str) -> anyhow::Result<()> {
    let path = layout.path().join(target);
    let shown = path.display();
    let stat = rustix::fs::statat(&layout.dir, target, AtFlags::SYMLINK_NOFOLLOW)
        .with_context(|| format!("cannot look at `{shown}`"))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        kind => Err(Error::layout(format!(
            "`{shown}` is {}, not a regular file, and cannot be replaced",
            describe(kind)
        ))
        .hint("name the layout that the link leads to with --layout")
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::COMPARED_AT_ONCE;
    use super::*;

    #[test]
    fn pieces_are_in_a_file_as_their_sum_and_nothing_else_is_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let bytes: Vec<u8> = (0..=250).cycle().take(2 * WRITTEN_AT_ONCE).collect();
        for ends in [
            &[][..],
            &[1],
            &[0, 1, 1, 7],
            &[COMPARED_AT_ONCE - 1, COMPARED_AT_ONCE],
            &[7, COMPARED_AT_ONCE],
            &[COMPARED_AT_ONCE, COMPARED_AT_ONCE + 1],
            &[3, WRITTEN_AT_ONCE - 1, WRITTEN_AT_ONCE + 9, bytes.len()],
        ] {
            let starts = std::iter::once(&0).chain(ends);
            let pieces = starts.zip(ends).map(|(start, end)| &bytes[*start..*end]);
            let pieces: Vec<&[u8]> = pieces.collect();
            let length = length_of(&pieces);
            write_pieces(&mut File::create(&path).unwrap(), &pieces).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes[..length]);
            let are = |pieces: &[&[u8]]| are_bytes_of(File::open(&path).unwrap(), pieces).unwrap();
            assert!(are(&pieces) && are(&[&bytes[..length]]));
            let longer = [&pieces[..], &[b"x"]].concat();
            assert!(!are(&longer), "{ends:?}");
            for at in [0, length / 2, length.saturating_sub(1)] {
                if at < length {
                    let other = [bytes[at] ^ 1];
                    let (head, tail) = (&bytes[..at], &bytes[at + 1..length]);
                    assert!(!are(&[head, &other, tail]), "{ends:?} {at}");
                    assert!(!are(&[head, tail]), "{ends:?} {at}");
                }
            }
        }
    }
}
