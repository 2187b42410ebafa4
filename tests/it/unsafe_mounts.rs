//! Mounted buckets: they can be looked at, and are changed only by who says so.
//!
//! The bucket is a directory that bindfs mounts once more, under the name of a type that promises
//! nothing. Where that cannot be done the tests say so and pass.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::contents::{arg, blobs, names};
use crate::support::layout::Layout;
use crate::support::place::{PRUNE, Place, assert_mentions, assert_status, object};
use crate::support::skipped::skipped;

/// A directory that is mounted once more, as a file system of some type.
struct Bucket {
    place: Place,
    /// What has been mounted, in this order.
    mounted: Vec<PathBuf>,
}

impl Bucket {
    fn new() -> Bucket {
        Bucket {
            place: Place::new(),
            mounted: Vec::new(),
        }
    }

    /// Mounts a directory of the place on another one, as the type `fuse.NAME`.
    fn mount(&mut self, from: &str, to: &str, name: &str) -> Option<PathBuf> {
        let [from, to] = [from, to].map(|name| self.place.path(name));
        for dir in [&from, &to] {
            fs::create_dir_all(dir).expect("an own directory");
        }
        let bindfs = Command::new("bindfs")
            .args(["-o", &format!("subtype={name}"), arg(&from), arg(&to)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !bindfs.is_ok_and(|status| status.success()) {
            skipped("bindfs is not there, or may not mount anything");
            return None;
        }
        self.mounted.push(to.clone());
        let table = fs::read_to_string("/proc/self/mountinfo").expect("the table of mounts");
        let line = |line: &&str| line.contains(arg(&to));
        let is_named = table
            .lines()
            .find(line)?
            .contains(&format!(" fuse.{name} "));
        if !is_named {
            skipped(format!("bindfs cannot give a mount the type fuse.{name}"));
        }
        is_named.then_some(to)
    }

    /// A layout with the images `web:1` and `web:2` in a directory of the place.
    fn layout(&self, name: &str) -> Layout {
        let mut layout = self.place.layout(name);
        let (one, two) = (layout.image("one"), layout.image("two"));
        layout
            .named(&one, "docker.io/library/web:1")
            .named(&two, "docker.io/library/web:2")
            .finish();
        layout
    }

    #[track_caller]
    fn assert_refused(&self, layout: &Path, mount: &str) {
        for command in [
            &["rmi", "web:1"][..],
            &["untag", "web:1"],
            &PRUNE,
            &["restore"],
            &["rmi", "web:1", "--trash"],
        ] {
            let refused = self.place.refuses(layout, command, 12);
            assert_mentions(&refused, "nothing was changed");
            assert_mentions(&refused, &format!("of the type fuse.{mount}"));
            assert_mentions(&refused, "--unsafe-mount");
        }
        for command in [&["ls"][..], &["why", "web:1"], &["check"]] {
            self.place.succeeds(layout, command);
        }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        for mounted in self.mounted.iter().rev() {
            let ways = [
                &["umount"][..],
                &["fusermount3", "-u"],
                &["fusermount", "-u"],
                &["umount", "-l"],
                &["fusermount3", "-uz"],
            ];
            let _ = ways.iter().any(|way| {
                let unmount = Command::new(way[0])
                    .args(&way[1..])
                    .arg(mounted)
                    .stderr(Stdio::null())
                    .status();
                unmount.is_ok_and(|status| status.success())
            });
        }
    }
}

/// FR53: a bucket is read and not changed, and a dry run says what a real one would say.
#[test]
fn a_mounted_bucket_is_changed_only_when_that_is_said() {
    let mut bucket = Bucket::new();
    let stored = bucket.layout("stored/layout").dir;
    let Some(mount) = bucket.mount("stored", "mnt", "rclone") else {
        return;
    };
    let layout = mount.join("layout");
    bucket.assert_refused(&layout, "rclone");

    let dry = bucket.place.succeeds(&layout, &["rmi", "-n", "web:1"]);
    assert!(dry.out.contains("Would untag: web:1"), "{dry}");
    assert_mentions(&dry, "a real run would be refused without --unsafe-mount");
    let args = ["rmi", "-n", "web:1", "--format", "json"];
    let dry = object(&bucket.place.succeeds(&layout, &args));
    assert_eq!(dry["warnings"].as_array().map(Vec::len), Some(1), "{dry}");
    let dry = bucket.place.succeeds(&layout, &["restore", "-n"]);
    assert_mentions(&dry, "a real run would be refused without --unsafe-mount");

    let args = ["--unsafe-mount", "rmi", "web:1", "--trash"];
    bucket.place.succeeds(&layout, &args);
    assert_eq!(names(&stored), ["docker.io/library/web:2"]);
    // What index.json leads to again comes back, and not on its own accord.
    bucket.place.refuses(&layout, &["restore", "web:1"], 12);
    bucket
        .place
        .succeeds(&layout, &["--unsafe-mount", "restore", "web:1"]);
    assert_eq!(names(&stored).len(), 2);
}

/// FR53, A1: neither does the library, unless it is told.
#[test]
fn the_library_changes_a_bucket_only_when_that_is_said() {
    let mut bucket = Bucket::new();
    let stored = bucket.layout("stored/layout").dir;
    let Some(mount) = bucket.mount("stored", "mnt", "rclone") else {
        return;
    };
    let layout = ocirm::Layout::open(mount.join("layout")).expect("a layout");
    let rmi = ocirm::Rmi::new(["web:1"]);
    let before = bucket.place.tree();
    let refused = layout.run(&rmi).expect_err("a bucket");
    assert_eq!(refused.kind(), ocirm::ErrorKind::Layout, "{refused}");
    assert!(before.traces(&bucket.place.tree()).is_empty());
    layout.allow_unsafe_mount().run(&rmi).expect("it was told");
    assert_eq!(names(&stored), ["docker.io/library/web:2"]);
}

/// FR53: `ls` brings nothing back from the trash of a bucket, and says so.
#[test]
fn looking_at_a_bucket_changes_nothing() {
    let mut bucket = Bucket::new();
    let stored = bucket.layout("stored/layout").dir;
    let index = fs::read(stored.join("index.json")).expect("index.json");
    bucket.place.succeeds(&stored, &["rmi", "web:1", "--trash"]);
    fs::write(stored.join("index.json"), index).expect("the old index.json");
    let Some(mount) = bucket.mount("stored", "mnt", "s3fs") else {
        return;
    };
    let layout = mount.join("layout");
    let before = blobs(&stored);
    let listed = bucket.place.succeeds(&layout, &["ls"]);
    assert_mentions(&listed, "could not be brought back");
    assert_mentions(&listed, "--unsafe-mount");
    assert_eq!(blobs(&stored), before);
    bucket.place.succeeds(&layout, &["--unsafe-mount", "ls"]);
    assert!(blobs(&stored).len() > before.len());
}

/// FR53: a part of the layout on a bucket is enough: `blobs`, one directory of it, or the trash.
#[test]
fn a_part_of_a_layout_that_lies_on_a_bucket_is_enough() {
    for part in ["blobs", "blobs/sha256", ".ocirm-trash"] {
        let mut bucket = Bucket::new();
        let layout = bucket.layout("layout").dir;
        let Some(mount) = bucket.mount("stored", "mnt", "gcsfuse") else {
            return;
        };
        let (moved, part) = (mount.join("moved"), layout.join(part));
        match part.exists() {
            true => {
                // From one file system to another.
                let copied = Command::new("cp").arg("-r").args([&part, &moved]).status();
                assert!(copied.is_ok_and(|status| status.success()));
                fs::remove_dir_all(&part).expect("an own directory");
            }
            false => fs::create_dir(&moved).expect("an own directory"),
        }
        symlink(&moved, &part).expect("a link");
        let refused = bucket.place.refuses(&layout, &["rmi", "web:1"], 12);
        assert_mentions(&refused, &format!("`{}` lies on", part.display()));
    }
}

/// FR53: what passes everything on to a bucket promises no more than that; what passes it on to a disk
/// is a disk.
#[test]
fn a_file_system_that_passes_everything_on_is_looked_through() {
    let mut bucket = Bucket::new();
    bucket.layout("stored/layout");
    let Some(through) = bucket.mount("stored", "disk", "bindfs") else {
        return;
    };
    let untagged = bucket
        .place
        .run_in(&through.join("layout"), &["untag", "web:2"]);
    assert_status(&untagged, 0);
    assert!(!through.join("layout/.ocirm.lock").exists());
    let named = bucket.mount("stored", "mnt", "rclone");
    if let (Some(_), Some(over)) = (named, bucket.mount("mnt", "over", "gocryptfs")) {
        bucket.assert_refused(&over.join("layout"), "rclone");
    }
}

/// E4: what shows a directory of this machine as its source may be a network all the same.
#[test]
fn a_file_system_that_is_not_known_to_pass_on_is_locked_for_other_machines() {
    for name in ["glusterfs", "somethingnew"] {
        let mut bucket = Bucket::new();
        bucket.layout("stored/layout");
        let Some(mount) = bucket.mount("stored", "disk", name) else {
            return;
        };
        let layout = mount.join("layout");
        assert_status(&bucket.place.run_in(&layout, &["untag", "web:2"]), 0);
        assert!(layout.join(".ocirm.lock").exists(), "{name}");
    }
}

/// FR53: nobody is asked about what will be refused, and of several layouts only those on a bucket are.
#[test]
fn of_several_layouts_only_those_on_a_bucket_are_refused() {
    let mut bucket = Bucket::new();
    bucket.layout("all/plain");
    bucket.layout("stored/kept");
    let Some(mount) = bucket.mount("stored", "all/mnt", "mountpoint-s3") else {
        return;
    };
    let all = bucket.place.path("all");
    let args = ["prune", "--all", "-f", "--recursive", arg(&all)];
    let pruned = bucket.place.run(&args);
    assert_status(&pruned, 12);
    assert_mentions(&pruned, "nothing was changed");
    assert_eq!(names(&all.join("plain")), [""; 0]);
    assert_eq!(names(&mount.join("kept")).len(), 2);
}
