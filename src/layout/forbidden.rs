//! Why the operating system does not let a layout be changed, and who can do something about that.

use std::io;

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;
use rustix::process::Uid;

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

/// What lies at a path in a layout, as far as that says who may replace it.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) kind: FileType,
    mode: Mode,
    owner: u32,
    flag: Option<Flag>,
}

/// # Errors
/// What the operating system says.
pub(super) fn look_at(layout: &Layout, path: &str) -> Result<Look, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{StatxAttributes, StatxFlags};
        let wanted = StatxFlags::TYPE | StatxFlags::MODE | StatxFlags::UID;
        if let Ok(stat) = rustix::fs::statx(&layout.dir, path, flags, wanted) {
            let known = [
                (StatxAttributes::IMMUTABLE, Flag::Immutable),
                (StatxAttributes::APPEND, Flag::AppendOnly),
            ];
            let mut set = known.into_iter();
            let set = set.find(|(bit, _)| stat.stx_attributes.contains(*bit));
            return Ok(Look {
                kind: FileType::from_raw_mode(stat.stx_mode.into()),
                mode: Mode::from_raw_mode(stat.stx_mode.into()),
                owner: stat.stx_uid,
                flag: set.map(|(_, flag)| flag),
            });
        }
    }
    let stat = rustix::fs::statat(&layout.dir, path, flags)?;
    Ok(Look {
        kind: FileType::from_raw_mode(stat.st_mode),
        mode: Mode::from_raw_mode(stat.st_mode),
        owner: stat.st_uid,
        // Elsewhere a failure for that is said as the operating system says it.
        flag: None,
    })
}

/// Whether only others may replace a file of a directory in which everybody may make files, as in `/tmp`.
fn is_for_others(dir: &Look, file: &Look) -> bool {
    let user = rustix::process::geteuid();
    dir.mode.contains(Mode::SVTX)
        && ![dir.owner, file.owner].contains(&user.as_raw())
        && !may_replace_all(user)
}

#[cfg(target_os = "linux")]
fn may_replace_all(_: Uid) -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::FOWNER))
}

#[cfg(not(target_os = "linux"))]
fn may_replace_all(user: Uid) -> bool {
    user.is_root()
}

fn flag_of(layout: &Layout, path: &str) -> Option<Flag> {
    look_at(layout, path).ok()?.flag
}

impl Layout {
    /// Why nothing in the layout's root can be replaced, if so: temporary files could be made there, and
    /// nobody could remove them. And if index.json, which looks so, `is_replaced`, why not by this user: a
    /// second name of the old file would stay.
    pub(super) fn refuse_fixed_root(&self, index: &Look, is_replaced: bool) -> Result<(), Error> {
        let dir = look_at(self, ".").ok();
        let flags = [
            (None, dir.as_ref().and_then(|dir| dir.flag)),
            (Some(INDEX), index.flag),
        ];
        for (name, flag) in flags {
            if let Some(flag) = flag {
                let path = name.map_or_else(|| self.path.clone(), |name| self.path.join(name));
                let shown = path.display();
                return Err(Error::layout(format!(
                    "`{shown}` is {}, so that index.json cannot be replaced; nothing was changed",
                    flag.word()
                ))
                .hint(format!("`{} {shown}` allows it", flag.undone_by())));
            }
        }
        match dir {
            Some(dir) if is_replaced && is_for_others(&dir, index) => Err(Error::layout(format!(
                "`{}` is sticky and belongs to user {}, so that only that user and user {} may replace \
                 `{}`; nothing was changed",
                self.path.display(),
                dir.owner,
                index.owner,
                self.path.join(INDEX).display()
            ))
            .hint("run as one of them or as root")),
            _ => Ok(()),
        }
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
