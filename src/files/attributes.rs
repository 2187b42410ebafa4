//! What a file has beside its bytes: owner, group, mode, POSIX access list and extended attributes. A file
//! that takes another's place, or holds what another held, is given what that had.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{Gid, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::access::Access;
use super::unix::{self, is_no_attribute, is_unsupported, mode, mode_of};

/// The extended attribute that holds the access list.
const ACL: &std::ffi::CStr = c"system.posix_acl_access";

/// The largest value of an extended attribute, and the longest list of names, that Linux has.
const LARGEST: usize = 64 << 10;

/// What a file has beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    access: Access,
    /// `None`: one that may not be read.
    extended: BTreeMap<CString, Option<Vec<u8>>>,
}

/// What became of the wish to give a file the attributes of another one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// What the file does not have of them, in words.
    pub(crate) not_kept: Vec<String>,
    /// With the mode of the other one somebody could do what was not allowed there.
    pub(crate) is_wider: bool,
}

impl Attributes {
    /// Those of an opened file of which it is known what `fstat` says.
    pub(crate) fn of(file: impl AsFd, stat: &Stat) -> Result<Attributes, Errno> {
        Ok(Attributes {
            access: access_with(&file, stat)?,
            extended: extended_of(&file)?,
        })
    }

    /// Gives a new file of ours all this. Where somebody could then do what these attributes do not
    /// allow, the file stays as private as it is, and the value says so.
    ///
    /// # Errors
    /// What the operating system says of looking at the file or of changing its mode.
    pub(crate) fn give(&self, file: impl AsFd) -> Result<Given, Errno> {
        let mut given = Given::default();
        if !give_access_to_all(&file, &self.access)? {
            given.is_wider = true;
            given.not_kept = self.access_not_kept(&access_of(&file)?);
            return Ok(given);
        }
        let mut present = extended_of(&file)?;
        let mut is_changed = false;
        for (name, value) in &self.extended {
            if let Some(value) = value
                && present.get(name) != Some(&Some(value.clone()))
            {
                is_changed = true;
                room(rustix::fs::fsetxattr(
                    &file,
                    name,
                    value,
                    XattrFlags::empty(),
                ))?;
            }
        }
        // What the directory gives to new files.
        for name in present.keys() {
            if !self.extended.contains_key(name) {
                is_changed = true;
                let _ = rustix::fs::fremovexattr(&file, name);
            }
        }
        given.not_kept = self.access_not_kept(&access_of(&file)?);
        if is_changed {
            present = extended_of(&file)?;
        }
        let names = self.extended.keys().chain(present.keys());
        let mut names: Vec<_> = names
            .filter(|name| self.extended.get(*name) != present.get(*name))
            .collect();
        names.sort();
        names.dedup();
        // An access list of another kind says who may do what, and nobody here can read it.
        given.is_wider = names.iter().any(|name| is_access_list(name));
        given.not_kept.extend(
            names
                .iter()
                .map(|name| format!("attribute `{}`", name.to_string_lossy().escape_debug())),
        );
        Ok(given)
    }

    fn access_not_kept(&self, now: &Access) -> Vec<String> {
        let old = &self.access;
        let mut not_kept = Vec::new();
        if old.owner != now.owner {
            not_kept.push(format!("owner (user {})", old.owner));
        }
        if old.group != now.group {
            not_kept.push(format!("group ({})", old.group));
        }
        if old.acl != now.acl {
            not_kept.push("access list (ACL)".to_owned());
        } else if old.mode != now.mode {
            not_kept.push(format!("mode ({:04o})", old.mode));
        }
        not_kept
    }
}

/// Who may do what with an opened file.
///
/// # Errors
/// What the operating system says; an access list that cannot be read is no absent one.
pub(crate) fn access_of(file: impl AsFd) -> Result<Access, Errno> {
    let stat = rustix::fs::fstat(&file)?;
    access_with(file, &stat)
}

fn access_with(file: impl AsFd, stat: &Stat) -> Result<Access, Errno> {
    Ok(Access {
        owner: stat.st_uid,
        group: stat.st_gid,
        mode: mode_of(stat),
        acl: value_of(&file, ACL)?,
    })
}

/// Gives a file or directory of ours this access. `false`: owner, group or access list could not be
/// given, somebody could do what this access does not allow, and so the mode was not given either.
///
/// # Errors
/// As [`Attributes::give`].
fn give_access(file: impl AsFd, access: &Access) -> Result<bool, Errno> {
    let runner = rustix::process::geteuid().as_raw();
    let mut now = access_of(&file)?;
    // Owner before mode, because a change of owner takes mode bits away. Only root may give a file to
    // somebody else, and only a member may give it to a group.
    if (now.owner, now.group) != (access.owner, access.group) {
        let (uid, gid) = (Uid::from_raw(access.owner), Gid::from_raw(access.group));
        if rustix::fs::fchown(&file, Some(uid), Some(gid)).is_err() {
            let _ = rustix::fs::fchown(&file, None, Some(gid));
        }
        now = access_of(&file)?;
    }
    // Whatever is next is looked at before it is done: there is no moment of too much.
    let wanted = Access {
        owner: now.owner,
        group: now.group,
        ..access.clone()
    };
    if wanted.is_wider_than(access, runner) {
        return Ok(false);
    }
    let mut is_mode_known = true;
    if now.acl != access.acl {
        is_mode_known = false;
        // The access list before the mode, for a mode without it would let in other people. One that
        // the directory gave has no effect as long as the mode is private.
        let changed = match &access.acl {
            Some(acl) => rustix::fs::fsetxattr(&file, ACL, acl, XattrFlags::empty()),
            None => rustix::fs::fremovexattr(&file, ACL),
        };
        if !room(changed)? {
            let _ = rustix::fs::fremovexattr(&file, ACL);
        }
        let acl = value_of(&file, ACL)?;
        if (Access { acl, ..wanted }).is_wider_than(access, runner) {
            return Ok(false);
        }
    }
    let mode_now = match is_mode_known {
        true => now.mode,
        false => mode_of(&rustix::fs::fstat(&file)?),
    };
    if mode_now != access.mode {
        rustix::fs::fchmod(&file, mode(access.mode))?;
    }
    Ok(true)
}

/// [`give_access`], and where an access list is there anyway it names the owner and the group that could
/// not be given: if that is what keeps others out, or if the owner would be kept out.
pub(crate) fn give_access_to_all(file: impl AsFd, access: &Access) -> Result<bool, Errno> {
    let is_given = give_access(&file, access)?;
    if access.acl.is_none()
        || is_given && access_of(&file)?.keeps_owner_of(access, &shared_groups())
    {
        return Ok(is_given);
    }
    Ok(give_named(&file, access)? || give_access(&file, access)?)
}

/// Groups that the owner of a file may be in as well: those of whoever runs this, without the first one,
/// which is often nobody else's.
fn shared_groups() -> Vec<u32> {
    let own = rustix::process::getegid();
    let groups = rustix::process::getgroups().unwrap_or_default();
    let groups = groups.into_iter().filter(|group| *group != own);
    groups.map(Gid::as_raw).collect()
}

/// Gives an access list that names the owner and the group that could not be given. `false`: it would let
/// others in, or cannot be had.
fn give_named(file: impl AsFd, access: &Access) -> Result<bool, Errno> {
    let now = access_of(&file)?;
    let runner = rustix::process::geteuid().as_raw();
    let Some(named) = access.naming_owners(now.owner, now.group) else {
        return Ok(false);
    };
    Ok(!named.is_wider_than(access, runner)
        && give_access(&file, &named)?
        && access_of(&file)?.acl == named.acl)
}

/// [`give_access`] to what may have less: where that is needed, an access list names the owner and the
/// group that could not be given; and where that cannot be had, everybody but the owner may only do
/// what all might.
///
/// # Errors
/// As [`Attributes::give`].
pub(crate) fn give_at_most(file: impl AsFd, access: &Access) -> Result<(), Errno> {
    if give_access_to_all(&file, access)? {
        return Ok(());
    }
    let now = access_of(&file)?;
    let runner = rustix::process::geteuid().as_raw();
    let _ = rustix::fs::fremovexattr(&file, ACL);
    let least = Access {
        owner: now.owner,
        group: now.group,
        mode: access.narrow_mode(),
        acl: value_of(&file, ACL)?,
    };
    let mode = match least.is_wider_than(access, runner) {
        true => access.mode & 0o1700,
        false => least.mode,
    };
    rustix::fs::fchmod(&file, unix::mode(mode))
}

/// Whether something could be set. That there is no room for it is no answer: some can be made.
fn room(set: Result<(), Errno>) -> Result<bool, Errno> {
    match set {
        Err(e @ (Errno::NOSPC | Errno::DQUOT)) => Err(e),
        set => Ok(set.is_ok()),
    }
}

/// Whether an attribute belongs to the file that its bytes are taken from, and not to its name: what
/// the kernel derives from the bytes, and how a file system stores them.
fn is_of_the_bytes(name: &[u8]) -> bool {
    let is_foreign_system = name.starts_with(b"system.") && !name.ends_with(b"acl");
    is_foreign_system
        || name == ACL.to_bytes()
        || [&b"security.ima"[..], b"security.evm"].contains(&name)
        // Which program wrote it, as macOS notes by itself.
        || name == b"com.apple.provenance"
        || [&b"trusted.overlay."[..], b"user.overlay."]
            .iter()
            .any(|layer| name.starts_with(layer))
        || [&b"ceph."[..], b"lustre.", b"trusted.lov", b"trusted.lma"]
            .iter()
            .any(|place| name.starts_with(place))
}

/// An access list that is not POSIX: `system.nfs4_acl`, `system.cifs_acl` and others.
fn is_access_list(name: &CString) -> bool {
    let name = name.to_bytes();
    name.starts_with(b"system.") && name.ends_with(b"acl")
}

fn extended_of(file: impl AsFd) -> Result<BTreeMap<CString, Option<Vec<u8>>>, Errno> {
    let mut list = Vec::new();
    if absent(rustix::fs::flistxattr_query(&file))?.unwrap_or(0) > 0 {
        list.reserve(LARGEST);
        absent(rustix::fs::flistxattr(&file, spare_capacity(&mut list)))?;
    }
    let names = list.split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty() && !is_of_the_bytes(name));
    let mut extended = BTreeMap::new();
    for name in names.filter_map(|name| CString::new(name).ok()) {
        match value_of(&file, &name) {
            Ok(None) => {}
            Ok(value) => drop(extended.insert(name, value)),
            Err(_) => drop(extended.insert(name, None)),
        }
    }
    Ok(extended)
}

fn value_of(file: impl AsFd, name: &std::ffi::CStr) -> Result<Option<Vec<u8>>, Errno> {
    if absent(rustix::fs::fgetxattr_query(&file, name))?.is_none() {
        return Ok(None);
    }
    let mut value = Vec::with_capacity(LARGEST);
    let read = rustix::fs::fgetxattr(&file, name, spare_capacity(&mut value));
    Ok(absent(read)?.map(|_| value))
}

/// `None`: the file does not have it, or the file system has nothing of the kind.
fn absent<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if is_no_attribute(e) || is_unsupported(e) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FR28
    #[test]
    fn attributes_that_describe_the_bytes_are_not_kept() {
        for (name, is_kept) in [
            ("user.comment", true),
            ("trusted.x", true),
            ("security.selinux", true),
            ("system.nfs4_acl", true),
            ("btrfs.compression", true),
            ("security.ima", false),
            ("com.apple.quarantine", true),
            ("com.apple.provenance", false),
            ("trusted.overlay.origin", false),
            ("system.posix_acl_access", false),
            ("system.ntfs_attrib", false),
        ] {
            assert_eq!(is_of_the_bytes(name.as_bytes()), !is_kept, "{name}");
        }
    }
}
