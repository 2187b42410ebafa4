//! A full disk: what nothing leads to goes first and makes room, and where that does not help nothing happens.
//!
//! The disk is a small file system in memory. Where none can be mounted the tests say so and pass.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use ocirm::commit::{Attempt, Change, Watch, delete};
use ocirm::gc::{self, StoredBlobs, SweepOptions, TrashUse};
use ocirm::layout::{LockOptions, Trash};
use ocirm::plan::Draft;
use ocirm::snapshot::Snapshot;

use crate::support::contents::{arg, blob_path, blobs, digest, index, names};
use crate::support::layout::{LAYER, Layout};
use crate::support::mount::Mount;
use crate::support::place::{PRUNE, Place, assert_mentions, assert_says, assert_status};

/// A file system of its own, which goes with the test.
struct Disk {
    mount: Mount,
    place: Place,
}

impl Disk {
    fn mounted() -> Option<Disk> {
        let place = Place::new();
        let mount = Mount::in_memory(&place.path("disk"), "size=256k")?;
        Some(Disk { mount, place })
    }

    fn fill(&self) {
        self.mount.fill("fill");
    }

    /// A layout with the image `app` under two names, a dangling one, and garbage of so many bytes.
    fn layout(&self, garbage: usize) -> Layout {
        let mut layout = Layout::in_dir(&self.mount.dir.join("layout"));
        let (app, old) = (layout.image("app"), layout.image("old"));
        layout
            .tagged(&app, "app:1")
            .tagged(&app, "app:2")
            .tagged(&old, "old")
            .finish();
        self.place.succeeds(&layout.dir, &["untag", "old"]);
        if garbage > 0 {
            layout.blob(LAYER, vec![b'x'; garbage]);
        }
        layout
    }
}

/// FR23: garbage makes the room that the new index.json needs, which a dangling image needs to go.
#[test]
fn prune_works_on_a_full_disk_if_there_is_garbage() {
    let Some(disk) = Disk::mounted() else {
        return;
    };
    let layout = disk.layout(9000);
    disk.fill();
    let done = disk.place.dry_and_real(&layout.dir, &PRUNE, 0);
    assert_says(&done, "deleted 4 blobs");
    assert_eq!(names(&layout.dir), ["app:1", "app:2"]);
    assert_eq!(blobs(&layout.dir).len(), 3);
}

/// FR23: a run that cannot write changes nothing and says what helps, with `--trash` and with a new index too.
#[test]
fn what_cannot_be_written_changes_nothing() {
    let Some(disk) = Disk::mounted() else {
        return;
    };
    let mut layout = disk.layout(0);
    let platforms = ["linux/amd64", "linux/arm64"].map(|p| layout.image_for(p, p, &[p]));
    let multi = layout.index(&[&platforms[0], &platforms[1]]);
    layout.tagged(&multi, "multi:1").finish();
    disk.fill();
    for args in [
        &["rmi", "app:1"][..],
        &["rmi", "--trash", "multi:1"],
        &["untag", "app:1"],
        &[
            "rmi",
            "multi:1",
            "--platform",
            "linux/arm64",
            "--rewrite-index",
        ],
        &["rmi", "multi:1", "--platform", "linux/arm64", "--trash"],
    ] {
        let before = disk.place.tree();
        let refused = disk.place.run_in(&layout.dir, args);
        assert_status(&refused, 1);
        let changes = before.changes(&disk.place.tree());
        assert!(changes.is_empty(), "{changes:?}\n{refused}");
        assert_mentions(&refused, "No space left on device");
        // What goes to the trash makes no room.
        let away = if args.contains(&"--trash") {
            "--no-trash "
        } else {
            ""
        };
        let command = format!(
            "`ocirm --layout {} prune --force {away}--grace 0s`",
            arg(&layout.dir)
        );
        assert_mentions(&refused, &command);
        assert_mentions(&refused, "bytes of free space");
    }
    // With a little room it works.
    fs::remove_file(disk.mount.dir.join("fill")).expect("an own file");
    assert_status(&disk.place.run_in(&layout.dir, &["rmi", "app:1"]), 0);
}

/// FR23: `prune` that still cannot write index.json has deleted garbage and nothing else, and is finished later.
#[test]
fn prune_that_makes_too_little_room_leaves_all_images() {
    let Some(disk) = Disk::mounted() else {
        return;
    };
    let layout = disk.layout(0);
    disk.fill();
    let before = blobs(&layout.dir);
    let failed = disk.place.run_in(&layout.dir, &PRUNE);
    assert_status(&failed, 1);
    assert_eq!(blobs(&layout.dir), before, "{failed}");
    assert_eq!(index(&layout.dir).rows.len(), 3, "{failed}");
}

/// What is deleted first is looked up once more: somebody may have begun to need it, and then all is decided again.
#[test]
fn garbage_that_somebody_needs_by_now_is_not_deleted_first() {
    let Some(disk) = Disk::mounted() else {
        return;
    };
    let mut layout = Layout::in_dir(&disk.mount.dir.join("layout"));
    let (app, old) = (layout.image("app"), layout.image("old"));
    layout.tagged(&app, "app").unnamed(&old).finish();
    // A push whose entry is still to come.
    let pushed = layout.image("pushed");
    let dir: &Path = &layout.dir.clone();
    let options = LockOptions::default();
    let locked = ocirm::layout::Layout::open(dir)
        .and_then(|layout| layout.lock_exclusive(&options))
        .expect("a lock");
    let snapshot = Snapshot::read(&locked, &[], &Trash::default(), &mut |_| ()).expect("a layout");
    let mut draft = Draft::new(&snapshot);
    draft.rmi(digest(&old), &ocirm::plan::RmiOptions::default(), &|_| None);
    let plan = draft.finish();
    let live = gc::mark(&snapshot, &plan).expect("nothing is damaged");
    let stored = blobs(dir)
        .into_iter()
        .map(|text| text.parse().expect("a digest"));
    let stored = stored.collect();
    let (listed, ()) = StoredBlobs::new(&snapshot.graph, &locked, stored, || ());
    let sweep = SweepOptions {
        all: false,
        spare_after: Timestamp::MAX,
        confirmed: None,
        delete_unlisted_referrers: false,
        is_trashed: &|_| false,
    };
    let mut garbage = gc::prune(&snapshot, &live, listed, &locked, &sweep).expect("garbage");
    assert!(garbage.blobs.iter().any(|blob| blob.node.is_none()));
    let trash = TrashUse::default();
    let change = Change::new(
        &snapshot,
        &plan,
        Some(&live),
        &garbage,
        &trash,
        &[],
        Timestamp::now(),
    );
    // The entry comes.
    disk.fill();
    layout.tagged(&pushed, "pushed").finish();
    let before = blobs(dir);
    let attempt = Watch::nobody(|watch| delete(locked, &change, &mut garbage, &options, watch));
    assert!(!matches!(attempt, Ok(Attempt::Done(_))));
    assert_eq!(blobs(dir), before);
    assert!(blob_path(dir, digest(&pushed)).exists());
    assert_eq!(index(dir).rows.len(), 3);
}
