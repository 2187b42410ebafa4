//! Several users of one layout: who could not read or write before cannot afterwards, and who shares a layout goes on
//! sharing it, whatever the umask of the others. And several runs that know nothing of each other.
//!
//! Only root can be several users, so elsewhere most of this is skipped, with a word.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::XattrFlags;
use serde_json::Value;

use crate::support::command::{Finished, Running, TIME_LIMIT, in_layout, ocirm, under};
use crate::support::contents::{arg, assert_no_leftovers, blob_path, blobs, digest, names};
use crate::support::layout::{LAYER, Layout};
use crate::support::place::{PRUNE, Place, assert_mentions, assert_status, object};
use crate::support::skipped::skipped;
use crate::support::strace;

const TRASH: &str = ".ocirm-trash";
/// Makes a new index of an image without one of its platforms.
const REWRITE: [&str; 5] = [
    "rmi",
    "--platform",
    "linux/arm64",
    "--rewrite-index",
    "multi",
];

const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// Somebody who runs the program.
#[derive(Clone, Copy, Debug, PartialEq)]
struct User {
    id: u32,
    group: u32,
    /// Whether the group that shares the layout has this member.
    is_member: bool,
}

/// The group that shares a layout.
const TEAM: u32 = 61_500;
const OWNER: User = user(61_001, true);
const MEMBER: User = user(61_002, true);
const STRANGER: User = user(61_003, false);
/// Somebody in the own group of the member, and of no other.
const FRIEND: User = User {
    group: MEMBER.group,
    ..user(61_004, false)
};
const ROOT: User = user(0, false);

const fn user(id: u32, is_member: bool) -> User {
    User {
        id,
        group: id,
        is_member,
    }
}

/// A place that every user may enter, and the program in it.
struct Shared {
    place: Place,
    program: PathBuf,
}

impl Shared {
    /// Nothing where a test cannot be several users; says so then.
    fn new() -> Option<Shared> {
        if !rustix::process::geteuid().is_root() {
            skipped("only root can be several users");
            return None;
        }
        let place = Place::new();
        let program = place.path("ocirm");
        let built = Path::new(env!("CARGO_BIN_EXE_ocirm"));
        // The directory of the build may be closed to others.
        fs::hard_link(built, &program)
            .or_else(|_| fs::copy(built, &program).map(drop))
            .unwrap();
        for dir in ["", "home", "home/here"] {
            fs::set_permissions(place.path(dir), Permissions::from_mode(0o755)).unwrap();
        }
        let shared = Shared { place, program };
        let trial = Command::new("setpriv")
            .args(words(STRANGER))
            .args(["test", "-x", arg(&shared.program)])
            .status();
        if !trial.is_ok_and(|status| status.success()) {
            skipped("setpriv cannot be another user here");
            return None;
        }
        Some(shared)
    }

    /// Two images with two names each, and one for two platforms.
    fn layout(&self) -> Layout {
        let mut layout = self.place.layout("layout");
        let (one, two) = (layout.image("one"), layout.image("two"));
        let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
        let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
        let both = layout.index(&[&amd, &arm]);
        layout
            .named(&one, "docker.io/library/web:1")
            .named(&two, "docker.io/library/web:2")
            .named(&both, "docker.io/library/multi:1")
            .finish();
        layout
    }

    fn command(&self, user: User, umask: &str, layout: &Path, args: &[&str]) -> Command {
        let inner = ocirm(&in_layout(layout, args), &self.place.home());
        let script = format!("umask {umask}; exec {} \"$@\"", arg(&self.program));
        let words = [
            words(user),
            ["sh", "-c", &script].map(String::from).to_vec(),
        ]
        .concat();
        under("setpriv", words, &inner)
    }

    fn run(&self, user: User, umask: &str, layout: &Path, args: &[&str]) -> Finished {
        let command = self.command(user, umask, layout, args);
        Running::start(command, &in_layout(layout, args)).finish()
    }

    #[track_caller]
    fn succeeds(&self, user: User, umask: &str, layout: &Path, args: &[&str]) -> Finished {
        let finished = self.run(user, umask, layout, args);
        assert_eq!(finished.code(), Some(0), "{user:?} {umask}\n{finished}");
        assert_no_leftovers(layout, &finished);
        finished
    }
}

/// What makes setpriv a user.
fn words(user: User) -> Vec<String> {
    let groups = match user.is_member {
        true => format!("--groups={TEAM}"),
        false => "--clear-groups".to_owned(),
    };
    let (id, group) = (user.id, user.group);
    vec![format!("--reuid={id}"), format!("--regid={group}"), groups]
}

/// How a layout is shared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sharing {
    /// Its owner alone has it.
    Private,
    /// A group may write, and others may read.
    Group,
    /// A group may write, and others may not even read.
    ClosedGroup,
    /// Access lists let the group in.
    Listed,
}

/// An access list as it is stored: permissions of the owner, the owning group, the team, the mask and others.
fn access_list([owner, group, team, mask, others]: [u8; 5]) -> Vec<u8> {
    let mut list = vec![2, 0, 0, 0];
    let nobody = u32::MAX;
    for (tag, may, id) in [
        (0x01, owner, nobody),
        (0x04, group, nobody),
        (0x08, team, TEAM),
        (0x10, mask, nobody),
        (0x20, others, nobody),
    ] {
        list.extend([tag, 0, may, 0]);
        list.extend(u32::to_le_bytes(id));
    }
    list
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(1 << 16);
    let room = rustix::buffer::spare_capacity(&mut value);
    rustix::fs::lgetxattr(path, name, room).ok()?;
    Some(value)
}

/// Whether the file system has such attributes; says so if not.
fn set_attribute(path: &Path, name: &str, value: &[u8]) -> bool {
    match rustix::fs::setxattr(path, name, value, XattrFlags::empty()) {
        Ok(()) => true,
        Err(error) => {
            skipped(format!("the file system has no attribute {name}: {error}"));
            false
        }
    }
}

fn everything(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut at = 0;
    while at < found.len() {
        if found[at].symlink_metadata().unwrap().is_dir() {
            let inside = fs::read_dir(&found[at]).unwrap();
            found.extend(inside.map(|entry| entry.unwrap().path()));
        }
        at += 1;
    }
    found
}

/// Gives a layout to its owner, and shares it. `false`: that cannot be done here.
fn share(layout: &Path, sharing: Sharing) -> bool {
    let (group, dirs, files) = match sharing {
        Sharing::Private => (OWNER.group, 0o700, 0o600),
        Sharing::Group => (TEAM, 0o2775, 0o664),
        Sharing::ClosedGroup => (TEAM, 0o2770, 0o660),
        Sharing::Listed => (OWNER.group, 0o770, 0o660),
    };
    for path in everything(layout) {
        chown(&path, Some(OWNER.id), Some(group)).unwrap();
        let is_dir = path.is_dir();
        let mode = if is_dir { dirs } else { files };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        if sharing == Sharing::Listed {
            let may = if is_dir { 7 } else { 6 };
            let list = access_list([may, 0, may, may, 0]);
            let inherited = access_list([7, 0, 7, 7, 0]);
            if !set_attribute(&path, ACL, &list)
                || is_dir && !set_attribute(&path, DEFAULT_ACL, &inherited)
            {
                return false;
            }
        }
    }
    true
}

/// What a user may read of a layout.
fn readable(user: User, layout: &Path) -> BTreeSet<String> {
    let find = Command::new("setpriv")
        .args(words(user))
        .args(["find", arg(layout), "-type", "f", "-readable"])
        .output()
        .unwrap();
    let found = String::from_utf8(find.stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

/// Everything that index.json has beside its bytes, and that is kept whoever runs the program.
fn beside_bytes(layout: &Path) -> (u32, u32, Option<Vec<u8>>, Option<Vec<u8>>) {
    let index = layout.join("index.json");
    let stat = index.metadata().unwrap();
    let group = match attribute(&index, ACL) {
        // The group of the owner is nobody's but his, and the list gives it nothing.
        Some(_) => 0,
        None => stat.gid(),
    };
    let note = attribute(&index, "user.note");
    (stat.mode(), group, attribute(&index, ACL), note)
}

/// FR28: each command of one user leaves the layout to the next one, and to nobody else.
#[test]
fn who_shares_a_layout_can_go_on_and_nobody_else_can_begin() {
    if Shared::new().is_none() {
        return;
    }
    thread::scope(|scope| {
        for sharing in [
            Sharing::Private,
            Sharing::Group,
            Sharing::ClosedGroup,
            Sharing::Listed,
        ] {
            scope.spawn(move || {
                for umask in ["022", "077"] {
                    let users = match sharing {
                        Sharing::Private => &[OWNER, ROOT][..],
                        _ => &[OWNER, MEMBER, ROOT],
                    };
                    for (at, user) in users.iter().enumerate() {
                        let next = users[(at + 1) % users.len()];
                        goes_on(sharing, umask, *user, next);
                    }
                }
            });
        }
    });
}

fn goes_on(sharing: Sharing, umask: &str, first: User, next: User) {
    let scene = format!("{sharing:?} {umask} {first:?} {next:?}");
    let shared = Shared::new().unwrap();
    let dir = shared.layout().dir;
    if !share(&dir, sharing) {
        return;
    }
    let has_note = set_attribute(&dir.join("index.json"), "user.note", b"keep me");
    let before = (beside_bytes(&dir), names(&dir), blobs(&dir));
    let is_open = sharing == Sharing::Group;
    let owner = || dir.join("index.json").metadata().unwrap().uid();
    let check = |finished: &Finished, by: User, owner_before: u32| {
        let all = format!("{scene}\n{finished}");
        assert_eq!(beside_bytes(&dir), before.0, "{all}");
        assert_eq!(before.0.3.is_some(), has_note, "{all}");
        for outside in [STRANGER, FRIEND] {
            let found = readable(outside, &dir);
            assert!(is_open || found.is_empty(), "{all}\n{outside:?}: {found:?}");
        }
        let is_said = finished.err.contains("did not keep its owner");
        assert_eq!(owner() != owner_before, is_said, "{all}");
        for path in everything(&dir) {
            let stat = path.metadata().unwrap();
            let shown = path.display();
            assert!(by != ROOT || stat.uid() != 0, "{all}\n{shown} is root's");
            let is_in_trash = path.starts_with(dir.join(TRASH));
            if is_in_trash && stat.is_dir() && sharing != Sharing::Listed {
                let like = dir.metadata().unwrap();
                assert_eq!(stat.mode() & 0o7777, like.mode() & 0o7777, "{all}\n{shown}");
                assert_eq!(stat.gid(), like.gid(), "{all}\n{shown}");
            }
        }
    };
    let does = |user: User, args: &[&str]| {
        let before = owner();
        let finished = shared.succeeds(user, umask, &dir, args);
        check(&finished, user, before);
    };
    does(first, &["rmi", "--trash", "web:1"]);
    does(next, &["restore"]);
    assert_eq!(
        (names(&dir), blobs(&dir)),
        (before.1.clone(), before.2.clone()),
        "{scene}"
    );
    does(first, &["rmi", "--trash", "web:1"]);
    does(next, &["rmi", "--trash", "web:2"]);
    does(first, &["restore", "web:2"]);
    does(next, &["prune", "--force", "--trash-keep", "0s"]);
    assert!(!dir.join(TRASH).exists(), "{scene}");
    does(
        first,
        &[
            "rmi",
            "--platform",
            "linux/arm64",
            "--rewrite-index",
            "multi:1",
        ],
    );
    does(next, &["rmi", "multi:1"]);
    does(first, &["untag", "web:2"]);
    assert!(
        names(&dir).iter().all(|name| !name.contains("web:2")),
        "{scene}"
    );
}

/// FR28: whoever an access list lets in by name shuts out neither the owner nor lets anybody in.
#[test]
fn who_is_let_in_by_name_keeps_neither_the_owner_out_nor_lets_others_in() {
    let Some(shared) = Shared::new() else { return };
    let (owner, guest) = (user(OWNER.id, false), user(MEMBER.id, false));
    for group_may in [0, 4, 6] {
        for umask in ["022", "077"] {
            let dir = shared.layout().dir;
            for path in everything(&dir) {
                chown(&path, Some(owner.id), Some(owner.group)).unwrap();
                let enter = if path.is_dir() { 1 } else { 0 };
                let mut list = access_list([6 | enter, group_may | enter, 0, 6 | enter, 0]);
                // In place of the team's entry, one for the guest; users stand before groups.
                list.drain(4 + 16..4 + 24);
                let entry = [[0x02, 0, 6 | enter, 0], u32::to_le_bytes(guest.id)].concat();
                list.splice(12..12, entry);
                if !set_attribute(&path, ACL, &list) {
                    return;
                }
            }
            let before = (names(&dir), blobs(&dir));
            shared.succeeds(guest, umask, &dir, &["rmi", "--trash", "web:1"]);
            shared.succeeds(owner, umask, &dir, &["restore"]);
            assert_eq!((names(&dir), blobs(&dir)), before);
            shared.succeeds(owner, umask, &dir, &["rmi", "--trash", "web:2"]);
            shared.succeeds(guest, umask, &dir, &["restore"]);
            assert_eq!((names(&dir), blobs(&dir)), before);
            shared.succeeds(guest, umask, &dir, &["rmi", "--trash", "web:2"]);
            shared.succeeds(
                owner,
                umask,
                &dir,
                &["prune", "--force", "--trash-keep", "0s"],
            );
            assert!(!dir.join(TRASH).exists());
            for outside in [STRANGER, FRIEND] {
                let found = readable(outside, &dir);
                assert!(
                    found.is_empty(),
                    "{group_may} {umask} {outside:?}: {found:?}"
                );
            }
            fs::remove_dir_all(&dir).unwrap();
        }
    }
}

/// FR28: what would let somebody in stops before anything is changed, and what would not is said.
#[test]
fn an_index_that_would_be_open_to_others_is_not_written() {
    let Some(shared) = Shared::new() else { return };
    for (mode, fails) in [(0o604, true), (0o644, false), (0o666, false), (0o664, true)] {
        for args in [
            &["rmi", "web:1"][..],
            &["rmi", "--trash", "web:1"],
            &["untag", "web:1"],
        ] {
            let dir = shared.layout().dir;
            for path in everything(&dir) {
                chown(&path, Some(OWNER.id), Some(TEAM)).unwrap();
                let open = if path.is_dir() { 0o777 } else { 0o644 };
                fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            }
            let index = dir.join("index.json");
            fs::set_permissions(&index, Permissions::from_mode(mode)).unwrap();
            let before = (names(&dir), blobs(&dir), index.metadata().unwrap().ino());
            let finished = shared.run(STRANGER, "022", &dir, args);
            let scene = format!("{mode:o} {finished}");
            assert_no_leftovers(&dir, &finished);
            let is_same = (names(&dir), blobs(&dir), index.metadata().unwrap().ino()) == before;
            if fails {
                assert_eq!(finished.code(), Some(1), "{scene}");
                assert!(is_same && !dir.join(TRASH).exists(), "{scene}");
                assert_mentions(&finished, "nothing was changed");
                assert_mentions(&finished, "as the owner of the file");
            } else {
                assert_eq!(finished.code(), Some(0), "{scene}");
                assert!(!is_same, "{scene}");
                assert_mentions(
                    &finished,
                    "did not keep its owner (user 61001), group (61500)",
                );
                assert_eq!(index.metadata().unwrap().mode() & 0o777, mode, "{scene}");
            }
            fs::remove_dir_all(&dir).unwrap();
        }
    }
}

/// FR28: what the directory gives to new files is not what index.json had.
#[test]
fn what_a_directory_gives_to_new_files_is_taken_away_again() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("one");
    layout.tagged(&image, "one").finish();
    let dir = &layout.dir;
    let index = dir.join("index.json");
    fs::set_permissions(&index, Permissions::from_mode(0o640)).unwrap();
    if !set_attribute(dir, DEFAULT_ACL, &access_list([7, 7, 7, 7, 7])) {
        return;
    }
    place.succeeds(dir, &["rmi", "--trash", "one"]);
    assert_eq!(attribute(&index, ACL), None);
    assert_eq!(index.metadata().unwrap().mode() & 0o7777, 0o640);
    let inside = everything(&dir.join(TRASH));
    let record = inside.iter().find(|path| path.ends_with("removal.json"));
    let record = record.unwrap();
    assert_eq!(attribute(record, ACL), None);
    assert_eq!(record.metadata().unwrap().mode() & 0o7777, 0o640);
    place.succeeds(dir, &["restore"]);
    assert_eq!(attribute(&index, ACL), None);
    assert_eq!(index.metadata().unwrap().mode() & 0o7777, 0o640);
}

/// FR28: closed blobs stay closed in the trash, and a record is as closed as what it repeats.
#[test]
fn nothing_is_more_readable_in_the_trash_than_it_was() {
    for (root, blobs, of_algorithm, index) in [
        (0o755, 0o700, 0o755, 0o644),
        (0o755, 0o755, 0o700, 0o600),
        (0o700, 0o755, 0o755, 0o644),
        (0o750, 0o705, 0o711, 0o604),
    ] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let image = layout.image("one");
        layout.tagged(&image, "one").finish();
        let dir = &layout.dir;
        let set = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        set(&dir.join("index.json"), index);
        set(&dir.join("blobs/sha256"), of_algorithm);
        set(&dir.join("blobs"), blobs);
        set(dir, root);
        place.succeeds(dir, &["rmi", "--trash", "one"]);
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        let trash = dir.join(TRASH);
        let removal = fs::read_dir(&trash)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        for (path, wanted) in [
            (trash.clone(), root & blobs),
            (removal.clone(), root & blobs),
            (removal.join("blobs"), blobs),
            (removal.join("blobs/sha256"), of_algorithm),
            (removal.join("removal.json"), index),
        ] {
            assert_eq!(mode(&path), wanted, "{}", path.display());
        }
        // What restore has to make again is like what it was.
        fs::remove_dir(dir.join("blobs/sha256")).unwrap();
        fs::remove_dir(dir.join("blobs")).unwrap();
        place.succeeds(dir, &["restore"]);
        assert_eq!(mode(&dir.join("blobs")), blobs);
        assert_eq!(mode(&dir.join("blobs/sha256")), of_algorithm);
    }
}

/// FR28: a removal of an older version, made under a narrow umask, is opened by its owner's next removal, and a trash
/// that stays closed is said.
#[test]
fn a_trash_that_was_made_too_narrow_is_put_right_or_said() {
    let Some(shared) = Shared::new() else { return };
    let dir = shared.layout().dir;
    share(&dir, Sharing::Group);
    shared.succeeds(OWNER, "022", &dir, &["rmi", "--trash", "web:1"]);
    let trash = dir.join(TRASH);
    let removal = fs::read_dir(&trash)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let older = trash.join("20200101T000000.000000001Z-4711");
    fs::rename(removal, &older).unwrap();
    for path in everything(&trash) {
        if path.is_dir() {
            fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        }
    }
    let before = (names(&dir), blobs(&dir));
    for args in [&["restore"][..], &["rmi", "--trash", "web:2"]] {
        let refused = shared.run(MEMBER, "022", &dir, args);
        assert_eq!(refused.code(), Some(1), "{refused}");
        assert_mentions(&refused, TRASH);
        assert_eq!((names(&dir), blobs(&dir)), before, "{refused}");
    }
    // It can be read, but nothing can be put into it.
    fs::set_permissions(&trash, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&older, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(older.join("blobs"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(older.join("blobs/sha256"), Permissions::from_mode(0o755)).unwrap();
    let refused = shared.run(MEMBER, "022", &dir, &["rmi", "--trash", "web:2"]);
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert_mentions(&refused, "it belongs to user 61001 and may not be written");
    assert_eq!((names(&dir), blobs(&dir)), before, "{refused}");
    shared.succeeds(OWNER, "077", &dir, &["rmi", "--trash", "web:2"]);
    shared.succeeds(MEMBER, "077", &dir, &["restore"]);
    assert_eq!(names(&dir).len(), 3);
}

/// FR28: somebody's `chmod` in the middle of a run counts.
#[test]
fn a_mode_that_changes_meanwhile_is_the_one_that_stays() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("one");
    layout.tagged(&image, "one").finish();
    let index = layout.dir.join("index.json");
    fs::set_permissions(&index, Permissions::from_mode(0o644)).unwrap();
    let args = in_layout(&layout.dir, &["rmi", "one"]);
    let log = place.path("log");
    // The fourth lock is that of index.json; the new file is written by then.
    let slow = "flock:delay_enter=1500000:when=4";
    let running = Running::start(strace::injected(slow, &log, &args, &place.home()), &args);
    let start = Instant::now();
    let is_locking = || {
        let found = fs::read_dir(&layout.dir).unwrap();
        let mut names = found.map(|entry| entry.unwrap().file_name());
        names.any(|name| name == "index.json.lock")
    };
    while !is_locking() {
        assert!(start.elapsed() < TIME_LIMIT, "it never locks index.json");
        thread::sleep(Duration::from_millis(2));
    }
    fs::set_permissions(&index, Permissions::from_mode(0o600)).unwrap();
    let finished = running.finish();
    assert_status(&finished, 0);
    assert!(names(&layout.dir).is_empty(), "{finished}");
    assert_eq!(
        index.metadata().unwrap().mode() & 0o777,
        0o600,
        "{finished}"
    );
}

/// FR28: lock files can be used by all who may write the layout.
#[test]
fn a_lock_file_is_for_all_who_share_the_layout() {
    let Some(shared) = Shared::new() else { return };
    if !strace::is_here() {
        return;
    }
    for (sharing, mode) in [(Sharing::Private, 0o600), (Sharing::Group, 0o664)] {
        let dir = shared.layout().dir;
        share(&dir, sharing);
        // The first lock is that of the directory, which cannot be had here.
        let traced = |user: User, args: &[&str]| {
            let inner = shared.command(user, "077", &dir, args);
            let log = shared.place.path("log");
            let _ = fs::remove_file(&log);
            let inject = "inject=flock:error=EBADF:when=1";
            let options = [
                "-f",
                "-qq",
                "-o",
                arg(&log),
                "-e",
                "trace=flock",
                "-e",
                inject,
            ];
            let command = under("strace", options, &inner);
            Running::start(command, &in_layout(&dir, args)).finish()
        };
        let lock = dir.join(".ocirm.lock");
        let first = traced(OWNER, &["untag", "web:1"]);
        assert_status(&first, 0);
        let stat = lock.metadata().unwrap();
        assert_eq!(stat.mode() & 0o777, mode, "{first}");
        if sharing == Sharing::Group {
            assert_eq!(stat.gid(), TEAM, "{first}");
            assert_status(&traced(MEMBER, &["untag", "web:2"]), 0);
            // One that an older version made too narrow.
            fs::set_permissions(&lock, Permissions::from_mode(0o600)).unwrap();
            assert_status(&traced(OWNER, &["ls"]), 0);
            assert_status(&traced(MEMBER, &["untag", "multi:1"]), 0);
        }
        let checked = shared.run(OWNER, "022", &dir, &["check"]);
        assert_status(&checked, 0);
        assert!(!checked.out.contains("other file"), "{checked}");
        fs::remove_dir_all(&dir).unwrap();
    }
}

/// FR28: a rewritten index is as readable as the one that it replaces.
#[test]
fn a_rewritten_index_is_as_readable_as_the_old_one() {
    for mode in [0o600, 0o640, 0o444] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
        let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
        let both = layout.index(&[&amd, &arm]);
        layout.tagged(&both, "multi").finish();
        let old = blob_path(&layout.dir, digest(&both));
        fs::set_permissions(&old, Permissions::from_mode(mode)).unwrap();
        place.succeeds(&layout.dir, &REWRITE);
        let new = blob_path(&layout.dir, &only_digest(&layout.dir));
        assert_ne!(old, new);
        assert_eq!(new.metadata().unwrap().mode() & 0o7777, mode);
    }
}

/// The digest of the only entry.
fn only_digest(layout: &Path) -> String {
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    digest(&index["manifests"][0]).to_owned()
}

/// FR34: what a killed run left goes with the next one, and what a living one uses stays.
#[test]
fn what_a_killed_run_left_is_removed_and_what_a_living_one_uses_is_not() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (one, two) = (layout.image("one"), layout.image("two"));
    layout.tagged(&one, "one").tagged(&two, "two").finish();
    let dir = &layout.dir;
    let left = [
        ".ocirm-tmp-4711-index.json",
        "blobs/sha256/.ocirm-tmp-4711-blob",
    ];
    let used = [".ocirm-tmp-a-index.json", "blobs/sha256/.ocirm-tmp-a-blob"];
    for name in left.iter().chain(&used) {
        fs::write(dir.join(name), "{").unwrap();
    }
    let place_of_link = dir.join(".ocirm-tmp-link");
    symlink("index.json", &place_of_link).unwrap();
    let holders: Vec<File> = used
        .iter()
        .map(|name| File::open(dir.join(name)).unwrap())
        .collect();
    for file in &holders {
        rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    }
    let checked = place.succeeds(dir, &["check"]);
    assert!(
        checked.out.contains("5 temporary files of ocirm"),
        "{checked}"
    );
    let checked = object(&place.succeeds(dir, &["check", "--format", "json"]));
    assert_eq!(checked["own_temporary_files"].as_array().unwrap().len(), 5);
    assert_eq!(checked["temporary_files"], serde_json::json!([]));
    place.succeeds(dir, &["rmi", "--trash", "one"]);
    let removal = fs::read_dir(dir.join(TRASH)).unwrap().next().unwrap();
    let in_trash = removal.unwrap().path().join(".ocirm-tmp-4711-removal");
    fs::write(in_trash, "{").unwrap();
    let is_there = |name: &&str| dir.join(name).exists();
    // rmi does not list the blobs.
    assert_eq!(left.iter().map(is_there).collect::<Vec<_>>(), [false, true]);
    place.succeeds(dir, &[&PRUNE[..], &["--trash-keep", "0s"]].concat());
    assert!(!dir.join(TRASH).exists());
    assert!(!left.iter().any(is_there));
    assert!(used.iter().all(|name| dir.join(name).exists()) && place_of_link.is_symlink());
    drop(holders);
    place.succeeds(dir, &PRUNE);
    assert!(!used.iter().any(is_there) && place_of_link.is_symlink());
}

/// FR34: where blobs are on another file system, a new index is written among them, and so are leftovers.
#[test]
fn what_a_killed_run_left_among_blobs_elsewhere_is_removed() {
    let trial = ["-m", "mount", "-t", "tmpfs", "none", "/mnt"];
    let trial = Command::new("unshare").args(trial).output();
    if !trial.is_ok_and(|output| output.status.success()) {
        skipped("nothing can be mounted here");
        return;
    }
    let place = Place::new();
    let mut layout = place.layout("layout");
    let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
    let both = layout.index(&[&amd, &arm]);
    layout.tagged(&both, "multi").finish();
    let inner = ocirm(&in_layout(&layout.dir, &REWRITE), &place.home());
    let blobs = layout.dir.join("blobs");
    // What is mounted is gone with the program.
    let script = format!(
        "cp -a {0} {0}.old && mount -t tmpfs none {0} && cp -a {0}.old/. {0}/ && \
         echo x > {0}/sha256/.ocirm-tmp-4711-blob && \"$0\" \"$@\"; echo $?; ls -A {0}/sha256",
        arg(&blobs)
    );
    let command = under("unshare", ["-m", "sh", "-c", &script], &inner);
    let finished = Running::start(command, &in_layout(&layout.dir, &REWRITE)).finish();
    assert_status(&finished, 0);
    assert!(!finished.out.contains(".ocirm-tmp-"), "{finished}");
    assert_ne!(only_digest(&layout.dir), digest(&both), "{finished}");
    let new = only_digest(&layout.dir);
    assert!(
        finished.out.contains(&format!("to a new index: {new}")),
        "{finished}"
    );
}

/// X8: a layout that may be entered and not listed is found, and blobs that it shares stay.
#[test]
fn what_cannot_be_listed_shares_its_blobs_all_the_same() {
    let Some(shared) = Shared::new() else { return };
    let images = shared.place.path("images");
    let [own, closed] = ["own", "closed"].map(|name| images.join(name));
    // The blobs of both lie in the one that the member may change, and what the other leads to is
    // garbage to whoever does not know that one.
    for (dir, name) in [(&own, "own"), (&closed, "theirs")] {
        let mut layout = Layout::in_dir(dir);
        let image = layout.image(name);
        layout.tagged(&image, name).finish();
    }
    for theirs in everything(&closed.join("blobs")) {
        if theirs.is_file() {
            let below = theirs.strip_prefix(&closed).unwrap();
            fs::rename(&theirs, own.join(below)).unwrap();
        }
    }
    fs::remove_dir_all(closed.join("blobs")).unwrap();
    symlink("../own/blobs", closed.join("blobs")).unwrap();
    for path in everything(&own) {
        chown(&path, Some(MEMBER.id), Some(MEMBER.group)).unwrap();
    }
    chown(&closed, Some(OWNER.id), Some(OWNER.group)).unwrap();
    let all = blobs(&own);
    assert_eq!(all.len(), 6);
    let prune = [
        "prune",
        "--force",
        "--grace",
        "0s",
        "--recursive",
        arg(&images),
    ];
    for (mode, status) in [(0o711, 12), (0o755, 0)] {
        fs::set_permissions(&closed, Permissions::from_mode(mode)).unwrap();
        let kept = shared.run(MEMBER, "022", &own, &prune);
        assert_status(&kept, status);
        assert_eq!(kept.err.contains(arg(&closed)), status != 0, "{kept}");
        assert_eq!(blobs(&own), all, "{kept}");
    }
    // What may not even be entered cannot be told from any other directory.
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let unknown = shared.run(MEMBER, "022", &own, &["ls", "--recursive", arg(&images)]);
    assert_status(&unknown, 1);
    assert_mentions(&unknown, "cannot look into");
    assert!(unknown.out.contains("own"), "{unknown}");
}

/// E2: a dry run says what a real run could not write to, and asks about nothing that it would not write to.
#[test]
fn a_dry_run_says_where_this_user_may_not_write() {
    const GARBAGE: &[&str] = &["prune", "--force", "--grace", "0s"];
    const NOTHING: &str = "a real run could change nothing: this user may not write to `";
    /// The only one in the trash.
    const REMOVAL: &str = "a removal";
    /// What is closed, the command, what the dry run says, and the exit status of the real run.
    type Case<'a> = (&'a str, &'a [&'a str], Option<(&'a str, &'a str)>, i32);
    let cases: [Case<'_>; 12] = [
        ("", GARBAGE, None, 0),
        ("blobs/sha512", GARBAGE, None, 0),
        ("blobs/sha256", &["untag", "web:1"], None, 0),
        ("blobs/sha512", &["rmi", "web:1"], None, 0),
        (TRASH, &["rmi", "web:1"], None, 0),
        ("", &["rmi", "web:1"], Some((NOTHING, "layout`")), 1),
        ("", &["untag", "web:1"], Some((NOTHING, "layout`")), 1),
        ("blobs/sha256", GARBAGE, Some((NOTHING, "blobs/sha256`")), 1),
        (
            "blobs/sha256",
            &["rmi", "web:1"],
            Some((
                "a real run could change nothing in `",
                "this user may not write there",
            )),
            1,
        ),
        (
            TRASH,
            &["rmi", "--trash", "web:1"],
            Some((NOTHING, "trash`")),
            1,
        ),
        (
            REMOVAL,
            &["prune", "--force", "--trash-keep", "0s"],
            Some((NOTHING, ".ocirm-trash/2")),
            1,
        ),
        (
            "blobs/sha256",
            &["restore"],
            Some((NOTHING, "blobs/sha256`")),
            1,
        ),
    ];
    for (closed, command, expected, status) in cases {
        let Some(shared) = Shared::new() else { return };
        let layout = shared.layout();
        layout.blob(LAYER, "garbage");
        fs::create_dir(layout.dir.join("blobs/sha512")).unwrap();
        for path in everything(&layout.dir) {
            chown(&path, Some(MEMBER.id), Some(MEMBER.group)).unwrap();
        }
        shared.succeeds(MEMBER, "022", &layout.dir, &["rmi", "--trash", "web:2"]);
        let mut closed_dir = layout.dir.join(closed);
        if closed == REMOVAL {
            let mut removals = fs::read_dir(layout.dir.join(TRASH)).unwrap();
            closed_dir = removals.next().unwrap().unwrap().path();
        }
        chown(&closed_dir, Some(OWNER.id), Some(OWNER.group)).unwrap();
        let mut dry = command.to_vec();
        dry.insert(1, "--dry-run");
        let before = (names(&layout.dir), blobs(&layout.dir));
        let shown = shared.run(MEMBER, "022", &layout.dir, &dry);
        assert_status(&shown, 0);
        match expected {
            Some((what, at)) => {
                assert_mentions(&shown, what);
                assert_mentions(&shown, at);
            }
            None => assert_eq!(shown.err, "", "{closed} {shown}"),
        }
        let done = shared.run(MEMBER, "022", &layout.dir, command);
        assert_eq!(done.code(), Some(status), "{closed} {done}");
        let has_changed = (names(&layout.dir), blobs(&layout.dir)) != before;
        let nothing = expected.is_some_and(|(what, _)| what == NOTHING);
        assert_eq!(has_changed, !nothing, "{closed} {done}");
    }
}

/// FR36: whatever a file system or a filter of system calls answers to `renameat2`, the plain call is made.
/// Of a directory like `/tmp` nobody takes what is somebody else's, and a second name would be that as well.
#[test]
fn in_a_sticky_directory_an_index_of_somebody_else_is_not_touched() {
    let Some(shared) = Shared::new() else {
        return;
    };
    let layout = shared.layout();
    let nobodys = blob_path(&layout.dir, digest(&layout.blob(LAYER, "nobody's")));
    let layout = layout.dir;
    for path in everything(&layout) {
        let mode = if path.is_dir() { 0o777 } else { 0o666 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        chown(&path, Some(OWNER.id), Some(OWNER.group)).unwrap();
    }
    fs::set_permissions(&layout, Permissions::from_mode(0o1777)).unwrap();
    let before = names(&layout);
    for args in [
        &["rmi", "--dry-run", "web:1"][..],
        &["rmi", "web:1"],
        &["untag", "web:1"],
        &["prune", "-f", "-a", "--grace", "0s"],
        &["prune", "-f", "-a", "--trash", "--grace", "0s"],
    ] {
        let refused = shared.run(STRANGER, "022", &layout, args);
        assert_status(&refused, 12);
        assert_mentions(&refused, "is sticky");
        assert_no_leftovers(&layout, &refused);
        assert_eq!(names(&layout), before);
    }
    // What is not in that directory can go.
    shared.succeeds(STRANGER, "022", &layout, &["prune", "-f", "--grace", "0s"]);
    assert!(!nobodys.exists());
    shared.succeeds(OWNER, "022", &layout, &["rmi", "web:1"]);
    shared.succeeds(ROOT, "022", &layout, &["rmi", "web:2"]);
}

#[test]
fn without_renameat2_everything_goes_on() {
    if !strace::is_here() {
        return;
    }
    for error in ["EOPNOTSUPP", "EINVAL", "ENOSYS", "EPERM"] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (one, two) = (layout.image("one"), layout.image("two"));
        layout.tagged(&one, "one").tagged(&two, "two").finish();
        let before = (names(&layout.dir), blobs(&layout.dir));
        let run = |args: &[&str]| {
            let log = place.path("log");
            let inject = format!("renameat2:error={error}");
            let args = in_layout(&layout.dir, args);
            let command = strace::injected(&inject, &log, &args, &place.home());
            let finished = Running::start(command, &args).finish();
            assert_status(&finished, 0);
            assert_no_leftovers(&layout.dir, &finished);
            let log = fs::read_to_string(&log).unwrap();
            assert!(log.contains(error), "{finished}{log}");
        };
        run(&["rmi", "--trash", "one"]);
        assert_eq!(names(&layout.dir).len(), 1, "{error}");
        run(&["restore"]);
        assert_eq!((names(&layout.dir), blobs(&layout.dir)), before, "{error}");
        run(&["rmi", "one"]);
        assert_eq!(names(&layout.dir).len(), 1, "{error}");
    }
}

/// X8: who may not look into the `lost+found` of a volume prunes it all the same; of other directories it is said.
#[test]
fn what_fsck_finds_is_passed_over() {
    let Some(shared) = Shared::new() else {
        return;
    };
    let place = &shared.place;
    let script = format!("exec {} \"$@\"", arg(&shared.program));
    let run = |args: &[&str]| {
        let words = [
            words(OWNER),
            ["sh", "-c", &script].map(String::from).to_vec(),
        ]
        .concat();
        let args: Vec<String> = args.iter().copied().map(String::from).collect();
        let command = under("setpriv", words, &ocirm(&args, &place.home()));
        Running::start(command, &args).finish()
    };
    for (closed, status) in [("lost+found", 0), ("found", 1)] {
        let volume = format!("volume of {closed}");
        let layout = place.fixture("skopeo19-full-ref", &format!("{volume}/app"));
        let volume = place.path(&volume);
        for path in everything(&volume) {
            chown(path, Some(OWNER.id), Some(OWNER.group)).unwrap();
        }
        let inner = volume.join(closed);
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(0o700)).unwrap();
        let below = ["--recursive", arg(&volume)];
        for command in [
            &["ls"][..],
            &["df"],
            &["check"],
            &["prune", "--force", "--all"],
        ] {
            let finished = run(&[command, &below].concat());
            assert_status(&finished, status);
            let is_said = finished.err.contains("cannot look into");
            assert_eq!(is_said, status == 1, "{finished}");
        }
        assert!(names(&layout).is_empty(), "{closed}");
        let finished = run(&["ls", "--recursive", arg(&inner)]);
        assert_status(&finished, 1);
        assert_mentions(&finished, "cannot look into");
    }
}
