//! Disks that are far away: whatever a call costs, the same is said and done.
//!
//! The far disk is that of the benchmarks, a FUSE file system. Where none can be mounted, that is said.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, XattrFlags};

use crate::file_systems::{STEPS, steps, write};
use crate::support::far::{MOST_AT_ONCE, far};
use crate::support::place::Place;

/// How much longer a call takes in these tests: enough for whoever watches how long calls take.
const DELAY: Duration = Duration::from_micros(300);

/// E1. The same as on a near disk.
#[test]
fn commands_do_the_same_on_a_far_disk() {
    let place = Place::new();
    write(&place.path("layout"));
    let expected = steps(&place, &place.path("layout"));
    let Some(disk) = far(&place.path("far"), &place.path("mounted"), DELAY) else {
        return;
    };
    write(&place.path("mounted/layout"));
    let seen = steps(&place, &place.path("mounted/layout"));
    for (step, (seen, expected)) in STEPS.iter().zip(seen.iter().zip(&expected)) {
        assert_eq!(seen, expected, "{step:?}");
    }
    assert!(disk.is_mounted());
}

/// What the benchmarks rely on: files are exchanged, linked, held and removed there as in the directory itself.
#[test]
fn a_far_disk_passes_on_what_a_layout_needs() {
    let place = Place::new();
    let Some(disk) = far(&place.path("near"), &place.path("far"), Duration::ZERO) else {
        return;
    };
    let (near, far) = (place.path("near"), place.path("far"));
    fs::create_dir_all(far.join("a/b")).unwrap();
    fs::write(far.join("a/b/one"), "one").unwrap();
    fs::hard_link(far.join("a/b/one"), far.join("two")).unwrap();
    assert_eq!(fs::metadata(far.join("two")).unwrap().nlink(), 2);
    fs::write(far.join("three"), "three").unwrap();
    let (two, three) = (far.join("two"), far.join("three"));
    rustix::fs::renameat_with(CWD, &two, CWD, &three, RenameFlags::EXCHANGE).unwrap();
    assert_eq!(fs::read_to_string(&two).unwrap(), "three");
    assert_eq!(fs::read_to_string(near.join("three")).unwrap(), "one");
    // The other name of a file leads to it when the one by which it was found is gone.
    fs::remove_file(&three).unwrap();
    assert_eq!(fs::read_to_string(far.join("a/b/one")).unwrap(), "one");
    // What is below a directory goes with it.
    fs::rename(far.join("a"), far.join("moved")).unwrap();
    let mut held = File::options()
        .read(true)
        .write(true)
        .open(far.join("moved/b/one"))
        .unwrap();
    held.write_all(b"new").unwrap();
    held.sync_all().unwrap();
    fs::remove_file(far.join("moved/b/one")).unwrap();
    assert_eq!(held.metadata().unwrap().nlink(), 0);
    let mut rest = String::new();
    held.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    rustix::fs::lsetxattr(&two, "user.note", b"x", XattrFlags::empty()).unwrap();
    let mut value = [0; 8];
    let length = rustix::fs::lgetxattr(&two, "user.note", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"x");
    assert_eq!(fs::read_dir(far.join("moved/b")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&near).unwrap().count(), 2);
    File::open(&far).unwrap().sync_all().unwrap();
    let requests = disk.requests();
    for what in ["lookup", "open", "rename", "unlink", "fsync", "fsyncdir"] {
        assert!(requests.contains_key(what), "{what}: {requests:?}");
    }
}

/// What the benchmarks rely on: who asks for many files at once waits no longer than for one.
#[test]
fn a_far_disk_answers_many_at_the_same_time() {
    const TOGETHER: usize = 32;
    let place = Place::new();
    let (near, mounted) = (place.path("near"), place.path("far"));
    fs::create_dir_all(&near).unwrap();
    for number in 0..TOGETHER {
        fs::write(near.join(number.to_string()), "x").unwrap();
    }
    let Some(disk) = far(&near, &mounted, Duration::from_millis(2)) else {
        return;
    };
    thread::scope(|scope| {
        for number in 0..TOGETHER {
            let path = mounted.join(number.to_string());
            scope.spawn(move || fs::read(path).unwrap());
        }
    });
    let most = disk.most_at_once();
    assert!((2..=MOST_AT_ONCE).contains(&most), "{most}");
}
