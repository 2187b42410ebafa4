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
use std::sync::Mutex;

use anyhow::Context as _;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::blobs::{Presence, READING};
use super::forbidden::look_at;
use super::lock::IndexLock;
use super::{DockerFile, Exclusive, INDEX, Layout, LockOptions, Locked, are_bytes_of, length_of};
use crate::error::{Error, ErrorKind};
use crate::files::attributes::{Attributes, access_of, give_access_to_all};
use crate::files::rename::exchange;
use crate::files::stat::{FileId, describe, is_name_of_file};
use crate::files::temporary::{Made, OldNames, SecondName, Temporary};
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
        let index = look_at(&self.layout, INDEX);
        let index = index.with_context(|| looking_at(&self.layout, INDEX))?;
        refuse_odd(&self.layout, INDEX, index.kind)?;
        Ok(self.layout.refuse_fixed_root(&index, is_replaced)?)
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
            ready.push(Replacement::write(layout, INDEX, old, new)?);
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
            let new = replacement.replace(&self.old_names).map_err(|error| {
                match replaced.is_empty() {
                    true => error,
                    // Whoever reads that something failed thinks that nothing was changed.
                    false => error.context(format!(
                        "{} changed already, and index.json is as it was",
                        listed(&replaced, replaced.len())
                    )),
                }
            })?;
            let Some(new) = new else {
                return Ok(IndexWrite::ChangedMeanwhile);
            };
            if target == INDEX && self.layout.shows_writes() {
                self.written_index.keep(new);
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
    /// The old file, as it was when this one was written.
    old_file: OldFile,
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
        let old_file = OldFile::open(layout, target)?;
        let mut temporary = Temporary::create(layout.dir.as_fd(), target).with_context(context)?;
        write_pieces(&mut temporary.file, new).with_context(context)?;
        let file = &temporary.file;
        let given = old_file.attributes.give(file).with_context(context)?;
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
            old_file,
            not_kept,
        })
    }

    /// Whether a file of the root has the old bytes, and all that the old file had beside them.
    fn is_of_old(&self, name: &str) -> anyhow::Result<bool> {
        let context = || format!("cannot read `{}`", self.layout.path().join(name).display());
        let compare = || {
            let old = &self.old_file;
            // What still has the name is open.
            if self.layout.shows_writes() {
                let stat = look_at_replaceable(self.layout, name)?;
                if FileId::from_stat(&stat) == old.id {
                    let found = Attributes::of(&old.file, &stat).with_context(context)?;
                    return Ok(found == old.attributes
                        && are_bytes_of(&old.file, &[self.old]).with_context(context)?);
                }
            }
            let found = OldFile::open(self.layout, name)?;
            Ok(found.attributes == old.attributes
                && are_bytes_of(&found.file, &[self.old]).with_context(context)?)
        };
        match compare() {
            // Somebody removed it, or replaced it on another machine, and this one still shows the old file.
            Err(error) if is_gone(&error) => Ok(false),
            compared => compared,
        }
    }

    /// Takes the target's place, which was just seen to be the old file. The value is the new file, or `None`:
    /// whoever was faster is found out where the file system can exchange two files. The old file keeps a name.
    fn replace(mut self, old_names: &OldNames) -> anyhow::Result<Option<Made>> {
        let path = self.layout.path().join(self.target);
        let context = || format!("cannot replace `{}`", path.display());
        let dir = &self.layout.dir;
        if !exchange(dir, self.temporary.name(), self.target).with_context(context)? {
            // Not every file system can do it.
            let old_name = SecondName::give(dir, self.target, dir.as_fd());
            let renamed = self.temporary.rename(dir, self.target);
            renamed.with_context(context)?;
            old_name.into_iter().for_each(|name| old_names.add(name));
            return Ok(Some(self.temporary.into_made()));
        }
        // What was written in place meanwhile came out by this name, and on a far disk what another
        // machine put there: the kernel thinks that it is what it last saw.
        let name = self.temporary.name();
        self.layout.look_afresh();
        if self.is_of_old(name).is_ok_and(|is_old| is_old) {
            let (old_name, new) = self.temporary.into_exchanged();
            old_names.add(old_name);
            return Ok(Some(new));
        }
        if is_name_of_file(dir, self.target, self.temporary.id()) {
            exchange(dir, name, self.target).with_context(context)?;
        }
        Ok(None)
    }
}

/// index.json as this run wrote it, open for comparing, so that nothing has to be opened for that.
#[derive(Debug, Default)]
pub(super) struct WrittenIndex(Mutex<Option<Made>>);

impl WrittenIndex {
    fn keep(&self, mut new: Made) {
        // It is nobody's temporary file any more.
        new.let_go();
        if let Ok(mut kept) = self.0.lock() {
            *kept = Some(new);
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.0.lock().is_ok_and(|kept| kept.is_some())
    }

    /// Whether a file has the bytes of these pieces. `None`: it is another one, or cannot be read.
    pub(super) fn has_bytes(&self, file: FileId, size: u64, pieces: &[&[u8]]) -> Option<bool> {
        let kept = self.0.lock().ok()?;
        let kept = kept.as_ref().filter(|kept| kept.id == file)?;
        match size == length_of(pieces) as u64 {
            true => are_bytes_of(&kept.file, pieces).ok(),
            false => Some(false),
        }
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

/// A file of the root that is to be replaced, opened, with what it has beside its bytes.
struct OldFile {
    file: File,
    id: FileId,
    attributes: Attributes,
}

impl OldFile {
    /// Opens one that was read before. What took its place since then is not followed, keeps nobody waiting,
    /// and is refused if it is no regular file.
    fn open(layout: &Layout, name: &str) -> anyhow::Result<OldFile> {
        let context = || looking_at(layout, name);
        let flags = READING | OFlags::NOFOLLOW;
        let file = match rustix::fs::openat(&layout.dir, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(errno) => {
                look_at_replaceable(layout, name)?;
                return Err(errno).with_context(context);
            }
        };
        let stat = rustix::fs::fstat(&file).with_context(context)?;
        refuse_odd(layout, name, FileType::from_raw_mode(stat.st_mode))?;
        Ok(OldFile {
            id: FileId::from_stat(&stat),
            attributes: Attributes::of(&file, &stat).with_context(context)?,
            file,
        })
    }
}

fn looking_at(layout: &Layout, name: &str) -> String {
    format!("cannot look at `{}`", layout.path().join(name).display())
}

/// Looks at a file of the root that is to be replaced.
fn look_at_replaceable(layout: &Layout, name: &str) -> anyhow::Result<Stat> {
    let stat = rustix::fs::statat(&layout.dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .with_context(|| looking_at(layout, name))?;
    refuse_odd(layout, name, FileType::from_raw_mode(stat.st_mode))?;
    Ok(stat)
}

/// Refuses to replace what is no regular file.
fn refuse_odd(layout: &Layout, target: &str, kind: FileType) -> anyhow::Result<()> {
    if kind == FileType::RegularFile {
        return Ok(());
    }
    let path = layout.path().join(target);
    Err(Error::layout(format!(
        "`{}` is {}, not a regular file, and cannot be replaced",
        path.display(),
        describe(kind)
    ))
    .hint("name the layout that the link leads to with --layout")
    .into())
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, copy, create_dir_all, read, rename, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;
    use crate::layout::COMPARED_AT_ONCE;
    use crate::layout::lock::INDEX_LOCK;

    const OLD: &[u8] = b"{\"schemaVersion\":2,\"manifests\":[]}";
    const NEW: &[u8] = b"{\"schemaVersion\":2,\"manifests\":[ ]}";

    fn layout_at(path: &Path) -> Locked<Exclusive> {
        create_dir_all(path.join("blobs")).unwrap();
        write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        write(path.join(INDEX), OLD).unwrap();
        let layout = Layout::open(path).unwrap();
        layout.lock_exclusive(&LockOptions::default()).unwrap()
    }

    fn replace(layout: &Locked<Exclusive>, new: &[u8]) -> IndexWrite {
        let replaced = layout.replace_index(OLD, Some(&[new]), &[], &LockOptions::default());
        replaced.unwrap()
    }

    /// What others do to index.json, and whether it has the bytes that it had all the same.
    type Other = (&'static str, fn(&Path, &[u8]), bool);

    const OTHERS: [Other; 5] = [
        ("nothing", |_, _| (), true),
        (
            "other bytes in place",
            |index, bytes| write(index, vec![b' '; bytes.len()]).unwrap(),
            false,
        ),
        (
            "more bytes in place",
            |index, bytes| write(index, [bytes, b"\n"].concat()).unwrap(),
            false,
        ),
        (
            "another file with the same bytes",
            |index, _| {
                let other = index.with_extension("other");
                copy(index, &other).unwrap();
                rename(other, index).unwrap();
            },
            true,
        ),
        (
            "another file with other bytes",
            |index, bytes| {
                let other = index.with_extension("other");
                write(&other, vec![b' '; bytes.len()]).unwrap();
                rename(other, index).unwrap();
            },
            false,
        ),
    ];

    /// What is compared with a file that is open is what anybody finds by its name.
    #[test]
    fn index_json_that_this_run_wrote_is_compared_as_it_is_by_now() {
        for (what, change, is_same) in OTHERS {
            let folder = tempfile::tempdir().unwrap();
            let layout = layout_at(folder.path());
            assert!(layout.index_is(&[OLD]).unwrap() && !layout.index_is(&[NEW]).unwrap());
            assert_eq!(replace(&layout, NEW), IndexWrite::done());
            assert!(layout.index_is(&[NEW]).unwrap() && !layout.index_is(&[OLD]).unwrap());
            change(&folder.path().join(INDEX), NEW);
            assert_eq!(layout.index_is(&[NEW]).unwrap(), is_same, "{what}");
            let stamp = layout.index_stamp();
            assert_eq!(
                layout.stamped_index_is(stamp, &[NEW]).unwrap(),
                is_same,
                "{what}"
            );
        }
    }

    /// PA3: so it is with the old one, which was opened when the new one was written.
    #[test]
    fn index_json_that_others_changed_meanwhile_is_no_old_one() {
        for (what, change, is_same) in OTHERS {
            let folder = tempfile::tempdir().unwrap();
            let layout = layout_at(folder.path());
            let index = folder.path().join(INDEX);
            let ready = Replacement::write(&layout.layout, INDEX, OLD, &[NEW]).unwrap();
            change(&index, OLD);
            assert_eq!(ready.is_of_old(INDEX).unwrap(), is_same, "{what}");
            let found = read(&index).unwrap();
            let is_replaced = ready.replace(&layout.old_names).unwrap().is_some();
            assert_eq!(is_replaced, is_same, "{what}");
            let expected = if is_same { NEW } else { &found };
            assert_eq!(read(&index).unwrap(), expected, "{what}");
        }
        let folder = tempfile::tempdir().unwrap();
        let layout = layout_at(folder.path());
        let ready = Replacement::write(&layout.layout, INDEX, OLD, &[NEW]).unwrap();
        set_permissions(folder.path().join(INDEX), Permissions::from_mode(0o600)).unwrap();
        assert!(!ready.is_of_old(INDEX).unwrap());
    }

    /// What came after the root was listed holds as well.
    #[test]
    fn a_lock_file_of_another_program_is_waited_for_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout_at(folder.path());
        let lock = folder.path().join(INDEX_LOCK);
        write(&lock, "").unwrap();
        let held = File::open(&lock).unwrap();
        fs2::FileExt::lock_exclusive(&held).unwrap();
        let options = LockOptions {
            timeout: std::time::Duration::ZERO,
            ..LockOptions::default()
        };
        assert!(
            layout
                .replace_index(OLD, Some(&[NEW]), &[], &options)
                .is_err()
        );
        assert_eq!(read(folder.path().join(INDEX)).unwrap(), OLD);
        drop(held);
        assert_eq!(replace(&layout, NEW), IndexWrite::done());
        // It is somebody else's, and stays.
        assert!(lock.exists());
    }

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
            let are = |pieces: &[&[u8]]| are_bytes_of(&File::open(&path).unwrap(), pieces).unwrap();
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
