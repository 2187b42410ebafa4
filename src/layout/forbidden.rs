//! Why the operating system does not let a layout be changed, and who can do something about that.

use std::io;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::{INDEX, Layout, Locked};
use crate::error::Error;
use crate::value::digest::Digest;

/// What `chattr` made of a file or directory: even its owner cannot take anything out of it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nobody says it there")
)]
pub(super) enum Flag {
    AppendOnly,
    Immutable,
}

impl Flag {
    fn word(self) -> &'static str {
        match self {
            Flag::AppendOnly => "append-only",
            Flag::Immutable => "immutable",
        }
    }

    fn undone_by(self) -> &'static str {
        match self {
            Flag::AppendOnly => "chattr -a",
            Flag::Immutable => "chattr -i",
        }
    }
}

/// What lies at a path in a layout, and what `chattr` made of it.
///
/// # Errors
/// What the operating system says.
pub(super) fn look_at(layout: &Layout, path: &str) -> Result<(FileType, Option<Flag>), Errno> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{StatxAttributes, StatxFlags};
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if let Ok(stat) = rustix::fs::statx(&layout.dir, path, flags, StatxFlags::TYPE) {
            let known = [
                (StatxAttributes::IMMUTABLE, Flag::Immutable),
                (StatxAttributes::APPEND, Flag::AppendOnly),
            ];
            let mut set = known.into_iter();
            let set = set.find(|(bit, _)| stat.stx_attributes.contains(*bit));
            let kind = FileType::from_raw_mode(stat.stx_mode.into());
            return Ok((kind, set.map(|(_, flag)| flag)));
        }
    }
    // Elsewhere a failure for that is said as the operating system says it.
    let stat = rustix::fs::statat(&layout.dir, path, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((FileType::from_raw_mode(stat.st_mode), None))
}

fn flag_of(layout: &Layout, path: &str) -> Option<Flag> {
    let (_, flag) = look_at(layout, path).ok()?;
    flag
}

impl Layout {
    /// Why nothing in the layout's root can be replaced, if so: temporary files could be made there, and
    /// nobody could remove them. `of_index` is what `chattr` made of index.json.
    pub(super) fn refuse_fixed_root(&self, of_index: Option<Flag>) -> Result<(), Error> {
        for (name, flag) in [(".", flag_of(self, ".")), (INDEX, of_index)] {
            if let Some(flag) = flag {
                let path = match name {
                    "." => self.path.clone(),
                    name => self.path.join(name),
                };
                let shown = path.display();
                return Err(Error::layout(format!(
                    "`{shown}` is {}, so that index.json cannot be replaced; nothing was changed",
                    flag.word()
                ))
                .hint(format!("`{} {shown}` allows it", flag.undone_by())));
            }
        }
        Ok(())
    }
}

impl<M> Locked<M> {
    /// Whether no file can be made because there are too many, however many bytes are free.
    pub(crate) fn lacks_inodes(&self) -> bool {
        // Where there is no such limit there is no number of files either.
        let stat = rustix::fs::fstatvfs(&self.layout.dir);
        stat.is_ok_and(|stat| stat.f_files > 0 && stat.f_favail == 0)
    }

    /// Who can delete a blob that this process may not delete, or what has to be done first. `None`: it
    /// failed for another reason.
    pub(crate) fn who_may_delete(&self, digest: &Digest, error: &io::Error) -> Option<String> {
        let errno = Errno::from_io_error(error)?;
        let below = format!("blobs/{}", digest.algorithm_name());
        let path = self.path().join(&below);
        let shown = path.display();
        match errno {
            Errno::ROFS => return Some("once the file system can be written".to_owned()),
            Errno::ACCESS | Errno::PERM => {}
            _ => return None,
        }
        let file = format!("{below}/{}", digest.encoded());
        for name in [&below, &file] {
            if let Some(flag) = flag_of(&self.layout, name) {
                return Some(format!(
                    "after `{} {}`",
                    flag.undone_by(),
                    self.path().join(name).display()
                ));
            }
        }
        let stat = rustix::fs::statat(&self.layout.dir, &below, AtFlags::empty()).ok()?;
        Some(format!(
            "as a user who may write in `{shown}` (it belongs to user {}, group {}, mode {:04o})",
            stat.st_uid,
            stat.st_gid,
            stat.st_mode & 0o7777
        ))
    }
}
