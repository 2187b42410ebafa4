//! Blobs on their way back from the trash: a name in the layout first, and when everything that leads
//! there is durable, the one in the trash goes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::blobs::open_regular;
use super::moves::{Given, Place, file_of, give_name, unlink};
use super::replace::sync_directory;
use super::trash_access::make_as_in_removal;
use super::{BlobError, Exclusive, Locked, Trash};
use crate::files::unix::sync;
use crate::value::digest::{Algorithm, Digest};

impl Locked<Exclusive> {
    /// Begins to bring blobs back from the trash.
    pub(crate) fn begin_return<'a>(&'a self, trash: &'a Trash) -> Return<'a> {
        Return {
            layout: self,
            trash,
            places: BTreeMap::new(),
            is_above_synced: true,
            two_names: Vec::new(),
        }
    }

    fn sync_above_blobs(&self, is_synced: &mut bool) -> io::Result<()> {
        if std::mem::replace(is_synced, true) {
            return Ok(());
        }
        if let Some(blobs) = self.blob_dirs.open_parent(&self.layout)? {
            sync_directory(blobs)?;
        }
        Ok(sync_directory(&self.layout.dir)?)
    }
}

/// What became of a blob that was to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestoredBlob {
    /// It is in the layout again.
    Done,
    /// The layout had one already.
    WasThere,
    /// Neither the trash nor the layout has it.
    Missing,
}

/// Blobs on their way back. Until [`Return::leave_trash`] the trash has them, too.
#[derive(Debug)]
pub(crate) struct Return<'a> {
    layout: &'a Locked<Exclusive>,
    trash: &'a Trash,
    places: BTreeMap<Algorithm, Place>,
    /// Whether the names of the directories in `places` are durable.
    is_above_synced: bool,
    /// Blobs whose names in the trash are to go.
    two_names: Vec<Digest>,
}

impl Return<'_> {
    /// Gives a blob its name in the layout, and makes its content durable: who wrote it may not have,
    /// and soon something leads to it. One that the layout has already is treated the same.
    ///
    /// # Errors
    /// What the operating system says; the blob is in the trash then.
    pub(crate) fn bring(&mut self, digest: &Digest) -> io::Result<RestoredBlob> {
        let layout = self.layout;
        let Some(algorithm) = digest.algorithm() else {
            return Ok(RestoredBlob::Missing);
        };
        let from = layout.trashed_dir(self.trash, digest)?;
        let place = match self.places.entry(algorithm) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let dir = match (layout.blob_dirs.of(digest), &from) {
                    (Some(dir), _) => dir.try_clone()?,
                    (None, None) => return Ok(RestoredBlob::Missing),
                    (None, Some(from)) => make_as_in_removal(&layout.layout, algorithm, from)?,
                };
                self.is_above_synced = false;
                new.insert(Place {
                    dir,
                    is_synced: true,
                })
            }
        };
        let was_there = file_of(&place.dir, digest).is_some();
        let given = match &from {
            Some(from) => give_name(&layout.layout.ages, from, &place.dir, digest, || {
                layout.sync_above_blobs(&mut self.is_above_synced)
            })?,
            None => Given::Missing,
        };
        if given == Given::Missing && !was_there {
            return Ok(RestoredBlob::Missing);
        }
        place.is_synced = false;
        if given == Given::Second {
            self.two_names.push(digest.clone());
        }
        sync_content(&place.dir, digest)?;
        Ok(match was_there {
            true => RestoredBlob::WasThere,
            false => RestoredBlob::Done,
        })
    }

    /// Makes the names in the layout durable. The directories that lead to them may be as new as they
    /// are: this run made them, or one that was killed, or another program.
    ///
    /// # Errors
    /// What the operating system says; nothing may lead to these blobs then.
    pub(crate) fn sync(&mut self) -> anyhow::Result<()> {
        for place in self.places.values_mut().filter(|place| !place.is_synced) {
            sync_directory(&place.dir)?;
            place.is_synced = true;
        }
        let layout = self.layout;
        Ok(layout.sync_above_blobs(&mut self.is_above_synced)?)
    }

    /// Takes the names in the trash, once everything that leads to the blobs is durable. The values are
    /// how many are left because somebody wanted this to stop, and what could not be done.
    pub(crate) fn leave_trash(self, stop: &dyn Fn() -> bool) -> (usize, Vec<String>) {
        let mut failures = Vec::new();
        for (done, digest) in self.two_names.iter().enumerate() {
            if stop() {
                return (self.two_names.len() - done, failures);
            }
            if let Err(error) = self.take_from_trash(digest) {
                failures.push(format!(
                    "cannot take the blob {digest} out of the trash: {error}"
                ));
            }
        }
        (0, failures)
    }

    fn take_from_trash(&self, digest: &Digest) -> Result<(), Errno> {
        let place = digest.algorithm().and_then(|a| self.places.get(&a));
        let (Some(place), Some(from)) = (place, self.layout.trashed_dir(self.trash, digest)?)
        else {
            return Ok(());
        };
        // Programs that take no lock may have removed or replaced the other name meanwhile.
        match file_of(&from, digest) {
            Some(file) if file_of(&place.dir, digest) == Some(file) => {
                unlink(&self.layout.layout.ages, &from, digest).map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Makes the content of a blob's file durable, as far as it can be opened.
fn sync_content(dir: &OwnedFd, digest: &Digest) -> io::Result<()> {
    match open_regular(dir, digest.file_name().as_ref()) {
        Ok(Some((file, _))) => Ok(sync(&file)?),
        Ok(None) | Err(BlobError::NotRegular(_)) => Ok(()),
        // Whoever may not open it cannot know more of it than its name.
        Err(BlobError::Io(e)) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(BlobError::Io(e)) => Err(e),
        Err(e) => Err(io::Error::other(e)),
    }
}
