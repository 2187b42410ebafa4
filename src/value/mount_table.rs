//! The kernel's table of mounts, `/proc/self/mountinfo`, and which types of file systems do not keep their
//! word.
//!
//! A disk that says that a file is written has it. A bucket that is mounted as a directory may lose it later.
//! The operating system tells one from the other by the name of the type alone. Which names are those of
//! buckets, and what each is known for, stands here in one list. Where nothing is known of a mount, nothing
//! is said against it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// How many file systems that pass everything on to another directory are looked through.
const MOST_PASSED: usize = 8;

/// What a mount does that its users cannot see.
const CACHED: &str = "it may report a file as written that never reaches the store";
const UPLOADED_LATER: &str =
    "it uploads files after they were written, and whether that worked nobody is told";
const COPIED: &str = "it renames by copying and deleting, so that a file may be gone in between";

/// Types of file systems that do not keep their word, and why. The kernel shows `fuse.NAME`, or `fuse`
/// where the name is that of the source. Network file systems that are not among them (NFS, CephFS,
/// JuiceFS, SSHFS, 9p, virtiofs) sync what they are told to sync.
const UNSAFE_TYPES: [(&str, &str); 25] = [
    ("ACDFuse", UPLOADED_LATER),
    ("blobfuse", UPLOADED_LATER),
    ("blobfuse2", UPLOADED_LATER),
    ("bosfs", COPIED),
    ("cloudfuse", UPLOADED_LATER),
    ("cosfs", COPIED),
    ("davfs", UPLOADED_LATER),
    ("davfs2", UPLOADED_LATER),
    ("gcsfuse", COPIED),
    ("geesefs", UPLOADED_LATER),
    ("goofys", UPLOADED_LATER),
    ("google-drive-ocamlfuse", UPLOADED_LATER),
    ("mount-s3", UPLOADED_LATER),
    ("mountpoint-s3", UPLOADED_LATER),
    ("obsfs", COPIED),
    ("onedriver", UPLOADED_LATER),
    ("ossfs", COPIED),
    ("ossfs2", UPLOADED_LATER),
    ("rclone", CACHED),
    ("rclonefs", CACHED),
    ("riofs", UPLOADED_LATER),
    ("s3fs", COPIED),
    ("s3fs-fuse", COPIED),
    ("tigrisfs", UPLOADED_LATER),
    ("yas3fs", UPLOADED_LATER),
];

/// Types of file systems on which several files can have the same blocks (copies by reference, snapshots,
/// deduplication), so that deleting one need not free them. Nobody says of a file whether it is so
/// without a walk over all its blocks.
const SHARING_TYPES: [&str; 7] = ["apfs", "bcachefs", "btrfs", "nilfs2", "ocfs2", "xfs", "zfs"];

/// Types of file systems without a device of their own that are on this machine alone, beside what passes everything on to
/// another directory.
const LOCAL_TYPES: [&str; 16] = [
    "aufs",
    "bcachefs",
    "btrfs",
    "devtmpfs",
    "ecryptfs",
    "hugetlbfs",
    "jffs2",
    "nilfs2",
    "overlay",
    "ramfs",
    "rootfs",
    "shiftfs",
    "tmpfs",
    "ubifs",
    "unionfs",
    "zfs",
];

/// Types of FUSE that pass everything on to one directory, which they show as their source: the kernel shows
/// `fuse.NAME`. Others show a path as well and are on a network: GlusterFS that of the file which describes the
/// volume, and programs that say nothing of themselves `/dev/fuse`. mergerfs and fuse-overlayfs have several
/// directories.
const PASSING_TYPES: [&str; 5] = ["bindfs", "cryfs", "encfs", "gocryptfs", "securefs"];

/// By what a file's mount is found in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MountKey {
    /// Kernels before 5.8 do not say it.
    pub(crate) id: Option<u64>,
    /// Major and minor number.
    pub(crate) device: (u32, u32),
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    id: u64,
    device: (u32, u32),
    pub(crate) mount_point: PathBuf,
    /// The type of the file system: `ext4`, `fuse.rclone`.
    pub(crate) kind: String,
    source: PathBuf,
    /// Of the file system, not of the mount: `rw,upperdir=/u`.
    options: Vec<u8>,
}

/// What the kernel lists.
#[derive(Debug, Default)]
pub(crate) struct MountTable(Vec<Mount>);

impl MountTable {
    /// Lines that are not understood are passed over.
    pub(crate) fn parse(text: &[u8]) -> MountTable {
        MountTable(
            text.split(|byte| *byte == b'\n')
                .filter_map(mount)
                .collect(),
        )
    }

    /// Whether any mount does not keep its word.
    pub(crate) fn has_unsafe(&self) -> bool {
        self.0.iter().any(|mount| mount.broken_promise().is_some())
    }

    fn find(&self, key: MountKey) -> Option<&Mount> {
        let mut mounts = self.0.iter();
        match key.id {
            Some(id) => mounts.find(|mount| mount.id == id),
            None => mounts.find(|mount| mount.device == key.device),
        }
    }

    /// The mount that does not keep its word and to which everything written there goes, and why it
    /// does not. `key_of` finds the mount of a path.
    pub(crate) fn unsafe_at(
        &self,
        key: MountKey,
        key_of: &dyn Fn(&Path) -> Option<MountKey>,
    ) -> Option<(&Mount, &'static str)> {
        let mut passed = self.passed(key, key_of);
        passed.find_map(|mount| Some((mount, mount.broken_promise()?)))
    }

    /// Whether a mount, or one to which it passes on what is written, can share blocks between files.
    pub(crate) fn may_share_blocks(
        &self,
        key: MountKey,
        key_of: &dyn Fn(&Path) -> Option<MountKey>,
    ) -> bool {
        let mut passed = self.passed(key, key_of);
        passed.any(|mount| SHARING_TYPES.contains(&mount.kind.as_str()))
    }

    /// Whether other machines may use what lies on a mount. That is so of a network, and of what nobody knows.
    pub(crate) fn may_be_elsewhere(
        &self,
        key: MountKey,
        key_of: &dyn Fn(&Path) -> Option<MountKey>,
    ) -> bool {
        let mut last = None;
        for mount in self.passed(key, key_of) {
            if mount.is_unknown_fuse() {
                return true;
            }
            last = Some(mount);
        }
        last.is_none_or(|mount| mount.device.0 == 0 && !LOCAL_TYPES.contains(&mount.kind.as_str()))
    }

    /// A mount, and those to which it passes on what is written.
    fn passed(
        &self,
        key: MountKey,
        key_of: &dyn Fn(&Path) -> Option<MountKey>,
    ) -> impl Iterator<Item = &Mount> {
        let below = |mount: &&Mount| self.find(key_of(&mount.below()?)?);
        std::iter::successors(self.find(key), below).take(MOST_PASSED)
    }
}

impl Mount {
    /// Why this does not keep its word, if it is known not to.
    fn broken_promise(&self) -> Option<&'static str> {
        let source = self.source.as_os_str().as_bytes();
        let name = match self.kind.split_once('.') {
            Some(("fuse" | "fuseblk", name)) => name.as_bytes(),
            // So davfs2 shows the address of the server, and nothing of itself.
            None if self.kind == "fuse"
                && (source.starts_with(b"http://") || source.starts_with(b"https://")) =>
            {
                b"davfs2"
            }
            // Old kernels have no place for the name, and libfuse puts it before the source.
            None if self.kind == "fuse" => source.split(|byte| *byte == b'#').next()?,
            _ => return None,
        };
        let known = UNSAFE_TYPES.iter();
        let known = known.filter(|(unsafe_type, _)| unsafe_type.as_bytes() == name);
        known.map(|(_, reason)| *reason).next()
    }

    /// Whether this is FUSE without a device of its own, and not known to pass everything on to its source.
    fn is_unknown_fuse(&self) -> bool {
        match self.kind.split_once('.') {
            Some(("fuse", name)) => !PASSING_TYPES.contains(&name),
            _ => self.kind == "fuse",
        }
    }

    /// The directory to which this passes on what is written, if it does: such a file system keeps its
    /// word as well as the one below. Some of FUSE show a path to which they pass on nothing.
    fn below(&self) -> Option<PathBuf> {
        if self.kind == "overlay" {
            let mut options = self.options.split(|byte| *byte == b',');
            let upper = options.find_map(|option| option.strip_prefix(b"upperdir="))?;
            return Some(PathBuf::from(OsStr::from_bytes(&unescaped(upper))));
        }
        let passes_on = self.kind.starts_with("fuse") || self.kind == "ecryptfs";
        (passes_on && self.source.is_absolute()).then(|| self.source.clone())
    }
}

/// One line of the table: `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE SOURCE OPTIONS`.
fn mount(line: &[u8]) -> Option<Mount> {
    let middle = line.windows(3).position(|part| part == b" - ")?;
    let (first, second) = (&line[..middle], &line[middle + 3..]);
    let mut first = first.split(|byte| *byte == b' ');
    let id = number(first.next()?)?;
    let mut device = first.nth(1)?.split(|byte| *byte == b':');
    let device = (number(device.next()?)?, number(device.next()?)?);
    let mount_point = path(first.nth(1)?);
    // The source may be empty.
    let mut second = second.splitn(3, |byte| *byte == b' ');
    let kind = String::from_utf8_lossy(&unescaped(second.next()?)).into_owned();
    Some(Mount {
        id,
        device,
        mount_point,
        kind,
        source: path(second.next()?),
        options: second.next().unwrap_or_default().to_vec(),
    })
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn path(escaped: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&unescaped(escaped)))
}

/// The kernel writes what would end a field or a line as three octal digits: `\040` for a space.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let digits = text.get(at + 1..at + 4).filter(|_| *byte == b'\\');
        let escaped = digits.and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 4 } else { 1 };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a kernel lists them: `TYPE SOURCE OPTIONS` of one mount.
    fn one(second: &str) -> Mount {
        let line = format!("42 27 0:39 / /mnt rw,nosuid shared:7 master:3 - {second}");
        mount(line.as_bytes()).expect("a line of the table")
    }

    /// FR35: overlays pass on to what they lie on, and what does not share is not said to.
    #[test]
    fn file_systems_that_share_blocks_are_known() {
        let table = |kind: &str| {
            let text = format!(
                "1 0 0:1 / /x rw - {kind} /dev/sdb rw\n2 1 0:2 / /m rw - overlay overlay rw,upperdir=/x/up\n"
            );
            MountTable::parse(text.as_bytes())
        };
        let key = |id| MountKey {
            id: Some(id),
            device: (0, 0),
        };
        let key_of = |path: &Path| path.starts_with("/x").then(|| key(1));
        for (kind, shares) in [
            ("btrfs", true),
            ("xfs", true),
            ("zfs", true),
            ("bcachefs", true),
            ("ext4", false),
            ("tmpfs", false),
        ] {
            for id in [1, 2] {
                let found = table(kind).may_share_blocks(key(id), &key_of);
                assert_eq!(found, shares, "{kind} {id}");
            }
        }
    }

    /// E4: what has a device, and what is known to pass on to that, is on this machine; a network is not, nor what nobody
    /// knows, whatever it shows as its source.
    #[test]
    fn what_other_machines_may_use_is_known() {
        let table = |line: &str| {
            let text = format!(
                "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                 3 1 0:6 / /dev rw - devtmpfs devtmpfs rw\n\
                 4 1 0:7 / /net rw - fuse.glusterfs /etc/volume.vol rw\n\
                 2 1 {line}\n"
            );
            MountTable::parse(text.as_bytes())
        };
        let key = |id| MountKey {
            id: Some(id),
            device: (0, 0),
        };
        let key_of = |path: &Path| match path {
            path if path.starts_with("/dev") => Some(key(3)),
            path if path.starts_with("/net") => Some(key(4)),
            path if path.starts_with("/srv") || path.starts_with("/etc") => Some(key(1)),
            _ => None,
        };
        for (line, is_elsewhere) in [
            ("8:2 / /m rw - xfs /dev/sdb rw", false),
            ("8:2 / /m rw - fuseblk /dev/sdb rw", false),
            ("0:5 / /m rw - zfs pool/x rw", false),
            ("0:5 / /m rw - fuse.bindfs /srv/x rw", false),
            ("0:5 / /m rw - fuse.gocryptfs /srv/x rw", false),
            ("0:5 / /m rw - fuse.gocryptfs /net/x rw", true),
            ("0:5 / /m rw - fuse.glusterfs /etc/volume.vol rw", true),
            ("0:5 / /m rw - fuse.somethingnew /srv/x rw", true),
            ("0:5 / /m rw - fuse /dev/fuse rw", true),
            ("0:5 / /m rw - fuse /srv/x rw", true),
            ("0:5 / /m rw - overlay overlay rw,upperdir=/srv/up", false),
            ("0:5 / /m rw - overlay overlay rw,upperdir=/net/up", true),
            ("0:5 / /m rw - nfs4 server:/x rw", true),
            ("0:5 / /m rw - cifs //server/x rw", true),
            ("0:5 / /m rw - fuse.juicefs JuiceFS:volume rw", true),
            ("0:5 / /m rw - fuse.sshfs server:/x rw", true),
            ("0:5 / /m rw - fuse.glusterfs server:volume rw", true),
            ("0:5 / /m rw - 9p share rw", true),
            ("0:5 / /m rw - virtiofs share rw", true),
            ("0:5 / /m rw - somethingnew x rw", true),
        ] {
            let found = table(line).may_be_elsewhere(key(2), &key_of);
            assert_eq!(found, is_elsewhere, "{line}");
        }
        assert!(table("0:5 / /m rw - tmpfs tmpfs rw").may_be_elsewhere(key(9), &key_of));
    }

    /// FR53: the type is recognised by its name, and the name by its place.
    #[test]
    fn a_file_system_is_known_by_the_name_of_its_type() {
        for (second, is_unsafe) in [
            ("fuse.rclone remote: rw,user_id=0", true),
            ("fuse.s3fs s3fs rw", true),
            ("fuse.gcsfuse bucket rw", true),
            ("fuse.mountpoint-s3 x rw", true),
            ("fuse mountpoint-s3 rw", true),
            ("fuse blobfuse2 rw", true),
            ("fuse rclone#remote: rw", true),
            ("fuse https://dav.example/files rw", true),
            ("fuse.geesefs bucket: rw", true),
            (
                "fuse.google-drive-ocamlfuse google-drive-ocamlfuse rw",
                true,
            ),
            ("fuse.juicefs JuiceFS:volume rw", false),
            ("fuse.sshfs host:/rclone rw", false),
            ("fuse.bindfs /srv/rclone rw", false),
            ("fuse.gocryptfs /cipher rw", false),
            ("fuse.rclone-like x rw", false),
            ("fuse /dev/fuse rw", false),
            ("fuse  rw", false),
            ("nfs4 rclone rw", false),
            ("ceph 10.0.0.1:/ rw", false),
            (
                "overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w",
                false,
            ),
            ("virtiofs s3fs rw", false),
            ("9p s3fs rw", false),
            ("ext4 /dev/sda1 rw", false),
        ] {
            assert_eq!(
                one(second).broken_promise().is_some(),
                is_unsafe,
                "{second}"
            );
        }
    }

    #[test]
    fn the_list_has_each_name_once_in_order() {
        let names = UNSAFE_TYPES.map(|(name, _)| name.to_lowercase());
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }

    /// FR53: names with spaces, tags in any number, and lines of other shapes.
    #[test]
    fn lines_of_the_table_are_understood() {
        let table = MountTable::parse(
            b"21 1 8:1 / / rw - ext4 /dev/sda1 rw,errors=remount-ro\n\
              42 21 0:39 /a\\040b /mnt/my\\040bucket\\134x rw,nosuid shared:1 - fuse.rclone my\\040remote: rw\n\
              43 21 0:40 / /mnt/\xff rw shared:1 master:2 propagate_from:3 - fuse  rw\n\
              44 21 0:41\n\
              not a line\n\
              \n\
              45 21 0:42 / /cut rw - tmpfs\n",
        );
        let found: Vec<_> = table.0.iter().map(|mount| mount.id).collect();
        assert_eq!(found, [21, 42, 43]);
        assert_eq!(table.0[1].mount_point, Path::new("/mnt/my bucket\\x"));
        assert_eq!(table.0[1].source, Path::new("my remote:"));
        assert_eq!(table.0[1].device, (0, 39));
        assert_eq!(table.0[2].mount_point.as_os_str().as_bytes(), b"/mnt/\xff");
        assert!(table.has_unsafe());
        assert!(!MountTable::parse(b"").has_unsafe());
    }

    #[test]
    fn only_three_octal_digits_are_an_escape() {
        for (escaped, plain) in [
            (r"a\040b", "a b"),
            (r"\134", r"\"),
            (r"\04", r"\04"),
            (r"\999", r"\999"),
            (r"\\040", r"\ "),
            ("", ""),
        ] {
            assert_eq!(unescaped(escaped.as_bytes()), plain.as_bytes(), "{escaped}");
        }
    }

    /// FR53: the mount is found by its number, or by its device; what passes everything on is looked
    /// through.
    #[test]
    fn what_is_written_is_followed_to_where_it_goes() {
        let table = MountTable::parse(
            b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
              2 1 0:39 / /bucket rw - fuse.rclone remote: rw\n\
              3 1 0:39 /sub /bound rw - fuse.rclone remote: rw\n\
              4 1 0:40 / /plain rw - fuse.gocryptfs /bucket/cipher rw\n\
              5 1 0:41 / /merged rw - overlay overlay rw,lowerdir=/bucket,upperdir=/plain/up,workdir=/w\n\
              6 1 0:42 / /read rw - overlay overlay rw,lowerdir=/bucket\n\
              7 1 0:43 / /loop rw - fuse.bindfs /loop rw\n\
              8 2 0:44 / /bucket rw - tmpfs tmpfs rw\n",
        );
        let key = |id| MountKey {
            id: Some(id),
            device: (0, 0),
        };
        let key_of = |path: &Path| {
            Some(key(match path.to_str()? {
                "/bucket/cipher" => 2,
                "/plain/up" => 4,
                "/loop" => 7,
                _ => 1,
            }))
        };
        for (id, expected) in [
            (1, None),
            (2, Some(2)),
            (3, Some(3)),
            (4, Some(2)),
            (5, Some(2)),
            (6, None),
            (7, None),
            // Something else is mounted over it.
            (8, None),
            (9, None),
        ] {
            let found = table.unsafe_at(key(id), &key_of).map(|(mount, _)| mount.id);
            assert_eq!(found, expected, "{id}");
        }
        let by_device = MountKey {
            id: None,
            device: (0, 39),
        };
        assert!(table.unsafe_at(by_device, &key_of).is_some());
    }
}
