//! Why the operating system does not let a layout be changed, and who can do something about that.

use std::io;

use rustix::fs::AtFlags;
#[cfg(target_os = "linux")]
use rustix::fs::{Mode, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::{Layout, Locked};
use crate::error::Error;
use crate::value::digest::Digest;

/// What `chattr` made of a file or directory: even its owner cannot take anything out of it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nobody says it there")
)]
enum Flag {
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

#[cfg(target_os = "linux")]
fn look(layout: &Layout, path: &str) -> Option<Statx> {
    let wanted = StatxFlags::MODE | StatxFlags::UID;
    rustix::fs::statx(&layout.dir, path, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()
}

#[cfg(target_os = "linux")]
fn flag_in(stat: &Statx) -> Option<Flag> {
    let known = [
        (StatxAttributes::IMMUTABLE, Flag::Immutable),
        (StatxAttributes::APPEND, Flag::AppendOnly),
    ];
    let mut set = known.into_iter();
    set.find(|(bit, _)| stat.stx_attributes.contains(*bit))
        .map(|(_, flag)| flag)
}

#[cfg(target_os = "linux")]
fn flag_of(layout: &Layout, path: &str) -> Option<Flag> {
    flag_in(&look(layout, path)?)
}

/// Whether only others may replace a file of a directory in which everybody may make files, as in `/tmp`.
#[cfg(target_os = "linux")]
fn is_for_its_owner(dir: &Statx, file: &Statx) -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    let is_sticky = Mode::from_raw_mode(dir.stx_mode.into()).contains(Mode::SVTX);
    let user = rustix::process::geteuid().as_raw();
    is_sticky
        && ![dir.stx_uid, file.stx_uid].contains(&user)
        && !capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::FOWNER))
}

/// Elsewhere such a failure is said as the operating system says it.
#[cfg(not(target_os = "linux"))]
fn flag_of(_: &Layout, _: &str) -> Option<Flag> {
    None
}

impl Layout {
    /// Why nothing in the layout's root can be replaced, if so: temporary files could be made there, and
    /// nobody could remove them. Or why not by this user: then a second name of the old file would stay.
    #[cfg(target_os = "linux")]
    pub(super) fn refuse_fixed_root(&self, is_replaced: bool) -> Result<(), Error> {
        let looks = [".", "index.json"].map(|name| look(self, name));
        let index = self.path.join("index.json");
        for (path, stat) in [&self.path, &index].into_iter().zip(&looks) {
            if let Some(flag) = stat.as_ref().and_then(flag_in) {
                let shown = path.display();
                return Err(Error::layout(format!(
                    "`{shown}` is {}, so that index.json cannot be replaced; nothing was changed",
                    flag.word()
                ))
                .hint(format!("`{} {shown}` allows it", flag.undone_by())));
            }
        }
        match &looks {
            [Some(dir), Some(file)] if is_replaced && is_for_its_owner(dir, file) => Err(Error::layout(format!(
                "`{}` is sticky and belongs to user {}, so that only that user and user {} may replace \
                 `{}`; nothing was changed",
                self.path.display(),
                dir.stx_uid,
                file.stx_uid,
                index.display()
            ))
            .hint("run as one of them or as root")),
            _ => Ok(()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn refuse_fixed_root(&self, _: bool) -> Result<(), Error> {
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
