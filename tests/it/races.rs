//! What other programs, and other runs of this one, do to a layout at the same time.
//!
//! Most tests run programs side by side and judge what is left; their dice print a seed that
//! `OCIRM_SEED` repeats. Where one moment matters, strace stops the program there until the other
//! writer is done, so that nothing depends on time. Without strace, skopeo or umoci the tests that
//! need them say so and pass, unless `OCIRM_INTEROP` is set: then they fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use crate::support::command::{Finished, in_layout, ocirm};
use crate::support::contents::{Stock, arg, blob_path, blobs, digest, digest_of, index};
use crate::support::layout::{LAYER, Layout};
use crate::support::mutator::Random;
use crate::support::names::{NAME, REF, ref_name};
use crate::support::peers::{SKOPEO, UMOCI, oci};
use crate::support::place::{PRUNE, Place, assert_mentions, assert_says, assert_status, objects};
use crate::support::stopped::{Moment, Stopped};
use crate::support::strace;

/// Nobody here holds a lock for long, but many may wait for it on a slow machine.
pub(super) const PATIENT: [&str; 2] = ["--lock-timeout", "60s"];

/// How long the lock of index.json may be refused to a writer, on top of what the machine itself
/// holds up such work. The program says milliseconds.
const REFUSED_AT_MOST: Duration = Duration::from_millis(250);

/// Chance that can be repeated.
pub(super) struct Dice(Random);

impl Dice {
    pub(super) fn new() -> Dice {
        let seed = match std::env::var("OCIRM_SEED") {
            Ok(text) => text.parse().unwrap(),
            Err(_) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                u64::from(now.subsec_nanos())
            }
        };
        println!("repeat with OCIRM_SEED={seed}");
        Dice(Random::new(seed))
    }

    /// Dice of another thread: what they show does not depend on who is faster.
    pub(super) fn split(&mut self) -> Dice {
        Dice(Random::new(self.0.next()))
    }

    fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(from * 1000 + self.0.next() % ((to - from) * 1000))
    }
}

pub(super) fn full_name(name: &str) -> String {
    format!("docker.io/library/{name}:1")
}

/// Arguments, and patience.
fn patient<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &PATIENT].concat()
}

/// The names that are left, without those of dangling images.
pub(super) fn named(layout: &Path) -> BTreeSet<String> {
    let rows = index(layout).rows;
    let named = rows.into_iter().filter(|row| !row.is_dangling());
    named.filter_map(|row| row.name).collect()
}

/// What the rows of index.json lead to, and what of it is not there as it should be.
fn reached(layout: &Path) -> (BTreeSet<String>, Vec<String>) {
    let mut found = BTreeSet::new();
    let mut broken = Vec::new();
    for row in index(layout).rows {
        let mut stack = vec![(row.digest.clone(), true)];
        while let Some((digest, is_document)) = stack.pop() {
            if !found.insert(digest.clone()) {
                // Whatever is wrong with it was said for another row, which is enough to fail.
                continue;
            }
            let bytes = fs::read(blob_path(layout, &digest)).unwrap_or_default();
            if digest_of(&bytes) != digest {
                broken.push(format!("{}: {digest}", row.show()));
            } else if is_document {
                let document: Value = serde_json::from_slice(&bytes).unwrap();
                let lists = [("manifests", true), ("layers", false)];
                let listed = lists.iter().flat_map(|(key, is_document)| {
                    let items = document[key].as_array().into_iter().flatten();
                    items.map(move |item| (item, *is_document))
                });
                for (item, is_document) in listed.chain([(&document["config"], false)]) {
                    if let Some(digest) = item["digest"].as_str() {
                        stack.push((digest.to_owned(), is_document));
                    }
                }
            }
        }
    }
    (found, broken)
}

#[track_caller]
pub(super) fn assert_whole(layout: &Path) {
    let (_, broken) = reached(layout);
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Nothing is left but what index.json leads to.
#[track_caller]
pub(super) fn assert_tidy(layout: &Path) {
    let (reached, broken) = reached(layout);
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(blobs(layout), reached);
    let root: BTreeSet<String> = fs::read_dir(layout)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["blobs", "index.json", "oci-layout"].map(str::to_owned);
    assert_eq!(root, BTreeSet::from(expected));
}

/// A layout with these images, each with a layer of its own and one that all have.
fn layout_of(place: &Place, names: &[String]) -> Layout {
    let mut layout = place.layout("layout");
    for name in names {
        let image = layout.image_for("linux/amd64", name, &["base", name]);
        layout.named(&image, &full_name(name));
    }
    layout.finish();
    layout
}

pub(super) fn numbered(head: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{head}{n}")).collect()
}

fn row(target: &Value, name: &str) -> Value {
    let name = full_name(name);
    json!({
        "mediaType": target["mediaType"],
        "digest": target["digest"],
        "size": target["size"],
        "annotations": {NAME: name, REF: ref_name(&name)},
    })
}

// Runs of this program among themselves.

#[test]
fn commands_at_once_lose_no_change() {
    let mut dice = Dice::new();
    let place = Place::new();
    let all = numbered("n", 40);
    let layout = layout_of(&place, &all);
    let (gone, kept) = all.split_at(30);
    let mut jobs: Vec<Vec<&str>> = Vec::new();
    for name in gone {
        let command = ["untag", "rmi"][dice.below(2)];
        jobs.push(patient(&[command, name]));
    }
    // Names without a tag mean `latest` in these commands, so the tag is said.
    let names: Vec<String> = gone.iter().map(|name| format!("{name}:1")).collect();
    for (job, name) in jobs.iter_mut().zip(&names) {
        job[1] = name;
    }
    for _ in 0..6 {
        jobs.push(patient(&PRUNE));
        jobs.push(patient(&["ls"]));
    }
    dice.shuffle(&mut jobs);
    let jobs = Mutex::new(jobs);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().unwrap().pop();
                    let Some(job) = job else { break };
                    assert_status(&place.run_in(&layout.dir, &job), 0);
                }
            });
        }
    });
    let expected: BTreeSet<String> = kept.iter().map(|name| full_name(name)).collect();
    assert_eq!(named(&layout.dir), expected);
    assert_whole(&layout.dir);
    place.succeeds(&layout.dir, &PRUNE);
    assert_eq!(named(&layout.dir), expected);
    assert_tidy(&layout.dir);
}

#[test]
fn two_prunes_at_once_delete_each_thing_once() {
    let place = Place::new();
    for round in 0..6 {
        let mut layout = place.layout(&format!("layout{round}"));
        let kept = layout.image("kept");
        layout.named(&kept, &full_name("kept"));
        for name in numbered("lost", 8) {
            let image = layout.image(&name);
            layout.unnamed(&image);
            layout.blob("text/plain", format!("garbage {name}"));
        }
        layout.finish();
        let args = patient(&PRUNE);
        let [one, two] = thread::scope(|scope| {
            let run = || scope.spawn(|| place.run_in(&layout.dir, &args));
            [run(), run()].map(|run| run.join().unwrap())
        });
        for prune in [&one, &two] {
            assert_status(prune, 0);
        }
        let [first, second] = [&one, &two].map(|prune| prune.said(false).deleted);
        assert!(first.is_empty() || second.is_empty(), "{one}{two}");
        assert!(first.len() + second.len() >= 8);
        assert_tidy(&layout.dir);
    }
}

#[test]
fn ls_never_sees_half_a_change() {
    let place = Place::new();
    let all = numbered("n", 20);
    let layout = layout_of(&place, &all);
    let done = AtomicBool::new(false);
    let listings = thread::scope(|scope| {
        let listings = scope.spawn(|| {
            let args = patient(&["ls", "--format", "json"]);
            let mut listings = Vec::new();
            while !done.load(Ordering::SeqCst) {
                listings.push(place.run_in(&layout.dir, &args));
            }
            listings
        });
        let removed: Vec<Finished> = all[1..]
            .iter()
            .map(|name| place.run_in(&layout.dir, &patient(&["rmi", &format!("{name}:1")])))
            .collect();
        done.store(true, Ordering::SeqCst);
        for rmi in &removed {
            assert_status(rmi, 0);
        }
        listings.join().unwrap()
    });
    let mut before = all.len();
    for listing in &listings {
        assert_status(listing, 0);
        let images = objects(listing);
        let seen: BTreeSet<&str> = images.iter().filter_map(|i| i["name"].as_str()).collect();
        // One after the other went, so those that are left are the last ones, and `n0`.
        let expected: Vec<String> = std::iter::once(&all[0])
            .chain(&all[all.len() + 1 - seen.len()..])
            .map(|name| format!("{name}:1"))
            .collect();
        let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
        assert_eq!(seen, expected, "{listing}");
        assert!(seen.len() <= before, "{listing}");
        before = seen.len();
        for image in &images {
            assert_eq!(image["missing_blobs"], 0, "{listing}");
        }
    }
    assert_tidy(&layout.dir);
}

#[test]
fn a_command_that_is_killed_anywhere_leaves_a_sound_layout_and_no_lock() {
    let mut dice = Dice::new();
    let place = Place::new();
    let all = numbered("n", 24);
    let layout = layout_of(&place, &all);
    for name in &all[4..] {
        let name = format!("{name}:1");
        let command: &[&str] = match dice.below(3) {
            0 => &["rmi", &name],
            1 => &["untag", &name],
            _ => &PRUNE,
        };
        let mut child = ocirm(&in_layout(&layout.dir, command), &place.home())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(dice.millis(0, 25));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_whole(&layout.dir);
        let names = named(&layout.dir);
        assert!(all[..4].iter().all(|name| names.contains(&full_name(name))));
        // Whether or not the name is there still.
        let next = ["rmi", "--force", &name];
        let next = place.run_in(&layout.dir, &patient(&next));
        assert!(next.wrong_ending(&[0, 1]).is_none(), "{next}");
        assert!(!named(&layout.dir).contains(&full_name(&name)), "{name}");
        place.succeeds(&layout.dir, &patient(&PRUNE));
        // The lock file goes with the next change of index.json, by whoever makes it.
        BuilderLock::take(&layout.dir).unwrap().release();
        assert_tidy(&layout.dir);
    }
}

// A writer that locks as BuildKit does.

/// BuildKit's lock of index.json.
struct BuilderLock {
    file: File,
    path: PathBuf,
}

impl BuilderLock {
    /// Tries once, as BuildKit does: it gives up where this says `None`.
    fn take(layout: &Path) -> Option<BuilderLock> {
        let path = layout.join("index.json.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let taken = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        taken.then_some(BuilderLock { file, path })
    }

    /// BuildKit unlocks first and deletes then, whoever holds the lock by that time.
    fn release(self) {
        drop(self.file);
        let _ = fs::remove_file(self.path);
    }
}

/// How index.json gets new bytes, while others may be reading it.
#[derive(Clone, Copy, Debug)]
enum InPlace {
    /// In one go.
    AtOnce,
    /// Emptied and filled by halves, as many programs do.
    Emptied,
    /// Overwritten by halves and cut then: BuildKit's way, slowly.
    Overwritten,
}

fn add_row(layout: &Path, row: Value, how: InPlace) {
    let path = layout.join("index.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    document["manifests"].as_array_mut().unwrap().push(row);
    let text = document.to_string();
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let emptied = matches!(how, InPlace::Emptied);
    if matches!(how, InPlace::AtOnce) {
        fs::write(path, text).unwrap();
        return;
    }
    let mut file = File::options()
        .write(true)
        .truncate(emptied)
        .open(path)
        .unwrap();
    for half in [first, second] {
        file.write_all(half).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    file.set_len(text.len().try_into().unwrap()).unwrap();
}

/// What a writer with BuildKit's lock met with.
#[derive(Default)]
pub(super) struct Built {
    pub(super) names: Vec<String>,
    longest_refusal: Duration,
}

/// Adds rows until `done`, one in about `pace` milliseconds; `image` makes what they lead to.
pub(super) fn build(
    layout: &Path,
    dice: &mut Dice,
    done: &AtomicBool,
    pace: &AtomicU64,
    image: &dyn Fn(&str) -> Value,
) -> Built {
    let mut built = Built::default();
    while !done.load(Ordering::SeqCst) {
        let name = format!("built{}", built.names.len());
        let row = row(&image(&name), &name);
        let start = Instant::now();
        let lock = loop {
            match BuilderLock::take(layout) {
                Some(lock) => break lock,
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        built.longest_refusal = built.longest_refusal.max(start.elapsed());
        let how = [InPlace::Emptied, InPlace::Overwritten][dice.below(2)];
        add_row(layout, row, how);
        lock.release();
        built.names.push(full_name(&name));
        // A builder that comes more often than the program can read and sync index.json makes it
        // give up, which is allowed and shows nothing.
        let pace = pace.load(Ordering::SeqCst);
        thread::sleep(dice.millis(pace / 2 + 1, pace * 3 + 2));
    }
    built
}

/// How long the machine takes at most, meanwhile, for what the program does while it holds the lock.
fn longest_stall(done: &AtomicBool) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let [lock, old, new] = ["lock", "old", "new"].map(|name| folder.path().join(name));
    let mut longest = Duration::ZERO;
    while !done.load(Ordering::SeqCst) {
        fs::write(&new, "new").unwrap();
        let start = Instant::now();
        fs::write(&lock, "").unwrap();
        fs::rename(&new, &old).unwrap();
        fs::read(&old).unwrap();
        fs::remove_file(&lock).unwrap();
        thread::sleep(Duration::from_millis(1));
        longest = longest.max(start.elapsed());
    }
    longest
}

/// The law of a builder beside removals: neither loses anything to the other.
fn builder_beside(prune: &[&str], new_images: bool) {
    let mut dice = Dice::new();
    let place = Place::new();
    let old = numbered("old", 30);
    let all = [&["kept".to_owned()][..], &old].concat();
    let layout = layout_of(&place, &all);
    let kept = layout.image_for("linux/amd64", "kept", &["base", "kept"]);
    let done = AtomicBool::new(false);
    let pace = AtomicU64::new(10);
    let mut others = dice.split();
    let mut left: BTreeSet<String> = all.iter().map(|name| full_name(name)).collect();
    let mut gave_up = 0;
    let (built, stall) = thread::scope(|scope| {
        let image = |name: &str| match new_images {
            true => layout.image(name),
            false => kept.clone(),
        };
        let (dir, done, pace, others) = (&layout.dir, &done, &pace, &mut others);
        let builder = scope.spawn(move || build(dir, others, done, pace, &image));
        let stall = scope.spawn(|| longest_stall(done));
        let mut wrong = None;
        for (number, name) in old.iter().enumerate() {
            let typed = format!("{name}:1");
            let command = ["untag", "rmi"][dice.below(2)];
            let start = Instant::now();
            let mut runs = vec![place.run_in(dir, &patient(&[command, &typed]))];
            let took = start.elapsed().as_millis();
            pace.store(took.try_into().unwrap(), Ordering::SeqCst);
            if runs[0].code() == Some(0) {
                left.remove(&full_name(name));
            }
            if number % 5 == 4 {
                runs.push(place.run_in(dir, &patient(prune)));
                let ls = place.run_in(dir, &patient(&["ls"]));
                wrong = wrong.or((ls.code() != Some(0)).then(|| ls.to_string()));
            }
            for run in runs {
                let too_often = run.err.contains("was changed by another program each time");
                gave_up += usize::from(too_often);
                let fine = run.code() == Some(0) || (run.code() == Some(1) && too_often);
                wrong = wrong.or((!fine).then(|| run.to_string()));
            }
        }
        done.store(true, Ordering::SeqCst);
        assert!(wrong.is_none(), "{}", wrong.unwrap_or_default());
        (builder.join().unwrap(), stall.join().unwrap())
    });
    println!(
        "{} rows added, refused for {:?} at most, where the machine stalled for {stall:?}; {gave_up} runs gave up",
        built.names.len(),
        built.longest_refusal
    );
    left.extend(built.names.iter().cloned());
    assert_eq!(named(&layout.dir), left);
    assert_whole(&layout.dir);
    assert!(!layout.dir.join("index.json.lock").exists());
    assert!(!built.names.is_empty());
    assert!(gave_up <= old.len() / 2, "{gave_up} runs gave up");
    assert!(built.longest_refusal <= REFUSED_AT_MOST + stall);
}

#[test]
fn a_builder_and_removals_lose_no_row_to_each_other() {
    builder_beside(&PRUNE, false);
}

#[test]
fn new_images_of_a_builder_stay_whole_beside_removals_and_prunes_with_grace() {
    builder_beside(&["prune", "--force"], true);
}

// Real programs.

/// Copies or makes images while `prune` runs in a loop, until it took the garbage that was there
/// first. `write` makes an image of that number and gives its name.
fn writer_beside_prune(place: &Place, dir: &Path, write: &dyn Fn(usize) -> (String, Output)) {
    const GRACE: Duration = Duration::from_secs(2);
    // Nothing that a writer could want again: prune may take such things any time.
    let layout = place.layout("garbage");
    let garbage: Vec<PathBuf> = (0..40)
        .map(|n| {
            let blob = layout.blob("text/plain", format!("garbage {n}"));
            let to = blob_path(dir, digest(&blob));
            fs::copy(blob_path(&layout.dir, digest(&blob)), &to).unwrap();
            to
        })
        .collect();
    let done = AtomicBool::new(false);
    let end = Instant::now() + 5 * GRACE;
    let mut slow = 0;
    let mut expected = named(dir);
    let prunes = thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let mut prunes = Vec::new();
            while !done.load(Ordering::SeqCst) {
                prunes.push(place.run_in(dir, &["prune", "--force"]));
                prunes.push(place.run_in(dir, &["prune", "--force", "--grace", "2s"]));
            }
            prunes
        });
        let mut wrong = None;
        for number in 0.. {
            let start = Instant::now();
            let (name, output) = write(number);
            // What takes longer than the grace period was promised nothing.
            slow += usize::from(start.elapsed() >= GRACE);
            if output.status.success() {
                expected.insert(name);
            } else {
                wrong = Some(output);
                break;
            }
            thread::sleep(Duration::from_millis(30));
            let swept = garbage.iter().all(|path| !path.exists());
            if (swept && number >= 10) || Instant::now() > end {
                break;
            }
        }
        done.store(true, Ordering::SeqCst);
        let prunes = pruner.join().unwrap();
        assert!(wrong.is_none(), "{wrong:?}");
        prunes
    });
    for prune in &prunes {
        // A writer that never pauses leaves no moment to change anything.
        let met_the_writer = prune.code() == Some(1)
            && prune
                .err
                .contains("was changed by another program each time");
        if !met_the_writer {
            assert_status(prune, 0);
        }
    }
    place.succeeds(dir, &["prune", "--force", "--grace", "2s"]);
    println!(
        "{} images beside {} prunes; {slow} were too slow",
        expected.len(),
        prunes.len()
    );
    assert!(
        garbage.iter().all(|path| !path.exists()),
        "nothing was swept"
    );
    // prune had no row to remove, so index.json was the other program's alone.
    assert_eq!(named(dir), expected);
    if slow == 0 {
        assert_whole(dir);
    }
}

#[test]
fn what_skopeo_copies_beside_prune_is_whole() {
    if !SKOPEO.is_here() {
        return;
    }
    let place = Place::new();
    let mut source = place.layout("source");
    for name in numbered("v", 4) {
        let image = source.image_for("linux/amd64", &name, &["base", &name]);
        source.tagged(&image, &name);
    }
    source.finish();
    let mut layout = place.layout("layout");
    let kept = layout.image("kept");
    layout.tagged(&kept, "kept").finish();
    writer_beside_prune(&place, &layout.dir, &|number| {
        let name = format!("t{number}");
        let from = oci(&source.dir, &format!("v{}", number % 4));
        let output = SKOPEO.output(["copy", "--quiet", &from, &oci(&layout.dir, &name)]);
        (name, output)
    });
}

#[test]
fn what_umoci_makes_beside_prune_is_whole() {
    if !UMOCI.is_here() {
        return;
    }
    let place = Place::new();
    let dir = place.path("layout");
    let image = |name: &str| format!("{}:{name}", dir.display());
    UMOCI.run(["init", "--layout", arg(&dir)]);
    UMOCI.run(["new", "--image", &image("kept")]);
    writer_beside_prune(&place, &dir, &|number| {
        let name = format!("t{number}");
        let output = if number % 3 == 2 {
            UMOCI.output(["tag", "--image", &image("kept"), &name])
        } else {
            let file = place.file("inserted", format!("file {number}\n"));
            let file = arg(&file);
            let of = image("kept");
            UMOCI.output([
                "insert",
                "--rootless",
                "--image",
                &of,
                "--tag",
                &name,
                file,
                "/file",
            ])
        };
        (name, output)
    });
}

// One moment, made to last.

/// The new index.json is written beside the old one; nobody is locked out.
const WRITTEN: Moment = Moment::after("fsync", 1);
/// The lock of index.json is held: its file was locked before it got this name.
const LOCKED: Moment = Moment::after("/^renameat2?$", 1);
/// index.json was read again under the lock and is to be replaced.
const COMPARED: Moment = Moment {
    call: "pread64",
    number: 1,
    of: Some("index.json"),
};
/// index.json is replaced; the lock is still held. The first renaming is that of the lock file.
const REPLACED: Moment = Moment::after("/^renameat2?$", 2);
/// The lock file is deleted.
const UNLOCKED: Moment = Moment::after("/^unlinkat$", 1);
/// index.json was looked at for the last time before blobs go.
const LOOKED: Moment = Moment {
    number: 2,
    ..COMPARED
};

/// So many blobs are gone, and before them the lock file.
const fn swept(blobs: usize) -> Moment {
    Moment::after("/^unlinkat$", blobs + 1)
}

/// `kept`, `a` and `b`; the latter two are removed while somebody else is at work.
struct Scene {
    place: Place,
    layout: Layout,
    images: BTreeMap<&'static str, Value>,
    old_index: Vec<u8>,
}

const REMOVE: [&str; 3] = ["rmi", "a:1", "b:1"];

/// The manifest, the config and the layer of `a` and of `b`.
const REMOVED_BLOBS: usize = 6;

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let mut images = BTreeMap::new();
        for name in ["kept", "a", "b"] {
            let image = layout.image(name);
            layout.named(&image, &full_name(name));
            images.insert(name, image);
        }
        layout.finish();
        let old_index = fs::read(layout.dir.join("index.json")).unwrap();
        Scene {
            place,
            layout,
            images,
            old_index,
        }
    }

    fn stop(&self, moment: Moment, args: &[&str]) -> Stopped {
        Stopped::at(moment, &self.place, &self.layout.dir, args)
    }

    /// Stores an image as a writer does that skips the blobs that are there.
    fn store(&self, image: Added) -> Value {
        match image {
            Added::New => self.layout.image("added"),
            Added::WithOldLayer => self.layout.image_for("linux/amd64", "added", &["a"]),
            Added::OldOne => self.layout.image("a"),
        }
    }

    fn write_old_index_back(&self) {
        fs::write(self.layout.dir.join("index.json"), &self.old_index).unwrap();
    }
}

/// What is added while `a` goes.
#[derive(Clone, Copy, Debug)]
enum Added {
    New,
    WithOldLayer,
    OldOne,
}

const ADDED: [Added; 3] = [Added::New, Added::WithOldLayer, Added::OldOne];

#[test]
fn an_image_that_is_added_before_the_sweep_is_whole() {
    if !strace::is_here() {
        return;
    }
    for moment in [WRITTEN, LOCKED, REPLACED, UNLOCKED] {
        for image in ADDED {
            for locking in [true, false] {
                let scene = Scene::new();
                let dir = &scene.layout.dir;
                let stopped = scene.stop(moment, &REMOVE);
                let row = row(&scene.store(image), "added");
                if locking {
                    let lock = BuilderLock::take(dir);
                    let held = moment.call == REPLACED.call;
                    assert_eq!(lock.is_none(), held, "{moment:?}");
                    let Some(lock) = lock else { continue };
                    add_row(dir, row, InPlace::AtOnce);
                    lock.release();
                } else {
                    add_row(dir, row, InPlace::AtOnce);
                }
                let finished = stopped.goes_on();
                assert_status(&finished, 0);
                let expected = ["added", "kept"].map(full_name);
                assert_eq!(named(dir), BTreeSet::from(expected), "{moment:?} {image:?}");
                let (_, broken) = reached(dir);
                assert!(broken.is_empty(), "{moment:?} {image:?} {broken:?}");
            }
        }
    }
}

#[test]
fn an_image_that_is_added_during_the_sweep_is_whole_or_said_to_be_broken() {
    if !strace::is_here() {
        return;
    }
    for moment in [LOOKED, swept(1), swept(3), swept(REMOVED_BLOBS)] {
        for image in ADDED {
            let scene = Scene::new();
            let dir = &scene.layout.dir;
            let stopped = scene.stop(moment, &REMOVE);
            let row = row(&scene.store(image), "added");
            let lock = BuilderLock::take(dir).unwrap();
            add_row(dir, row, InPlace::AtOnce);
            lock.release();
            let finished = stopped.goes_on();
            let expected = ["added", "kept"].map(full_name);
            assert_eq!(named(dir), BTreeSet::from(expected));
            let (_, broken) = reached(dir);
            if broken.is_empty() && matches!(image, Added::New) {
                assert_status(&finished, 0);
            } else if !broken.is_empty() {
                assert!(!matches!(image, Added::New), "{moment:?} {broken:?}");
                assert_status(&finished, 1);
                assert_mentions(&finished, "added");
            }
        }
    }
}

#[test]
fn what_a_new_image_needs_of_garbage_without_rows_is_kept_or_said_to_be_gone() {
    if !strace::is_here() {
        return;
    }
    // The first unlinking is that of a blob here: index.json stays, and no lock is taken.
    for moment in [LOOKED, Moment::after("/^unlinkat$", 1)] {
        let scene = Scene::new();
        let dir = &scene.layout.dir;
        for n in 0..3 {
            scene.layout.blob(LAYER, format!("layer orphan{n}\n"));
        }
        let stopped = scene.stop(moment, &PRUNE);
        let layers = ["orphan0", "orphan1", "orphan2"];
        let image = scene.layout.image_for("linux/amd64", "added", &layers);
        add_row(dir, row(&image, "added"), InPlace::AtOnce);
        let finished = stopped.goes_on();
        assert_eq!(named(dir).len(), 4);
        let (_, broken) = reached(dir);
        if !broken.is_empty() {
            assert_status(&finished, 1);
            assert_mentions(
                &finished,
                "another program changed index.json: blobs of added:1 are gone",
            );
        }
    }
}

#[test]
fn a_blob_that_a_new_image_needs_leaves_the_list_during_the_sweep() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    // More manifests than are deleted between two looks at index.json, so layers come later.
    let names = numbered("n", 300);
    let mut layout = place.layout("layout");
    let kept = layout.image("kept");
    layout.named(&kept, &full_name("kept"));
    for name in &names {
        let image = layout.image_for("linux/amd64", name, &["base"]);
        layout.named(&image, &full_name(name));
    }
    layout.finish();
    let typed: Vec<String> = names.iter().map(|name| format!("{name}:1")).collect();
    let args: Vec<&str> = std::iter::once("rmi")
        .chain(typed.iter().map(String::as_str))
        .collect();
    let stopped = Stopped::at(swept(2), &place, &layout.dir, &args);
    let image = layout.image_for("linux/amd64", "added", &["base"]);
    add_row(&layout.dir, row(&image, "added"), InPlace::AtOnce);
    let finished = stopped.goes_on();
    assert_status(&finished, 0);
    assert_says(
        &finished,
        "referenced by now: another program changed index.json",
    );
    assert_eq!(
        named(&layout.dir),
        BTreeSet::from(["added", "kept"].map(full_name))
    );
    assert_tidy(&layout.dir);
}

#[test]
fn an_old_index_that_comes_back_before_the_sweep_keeps_its_blobs() {
    if !strace::is_here() {
        return;
    }
    for moment in [REPLACED, UNLOCKED] {
        let scene = Scene::new();
        let dir = &scene.layout.dir;
        let before = blobs(dir);
        let stopped = scene.stop(moment, &REMOVE);
        scene.write_old_index_back();
        let finished = stopped.goes_on();
        assert!(finished.wrong_ending(&[0, 1]).is_none(), "{finished}");
        assert_mentions(&finished, "another program");
        assert_eq!(blobs(dir), before);
        assert_eq!(index(dir).data, scene.old_index);
        assert_whole(dir);
    }
}

#[test]
fn an_old_index_that_comes_back_during_or_after_the_sweep_is_said() {
    if !strace::is_here() {
        return;
    }
    for moment in [LOOKED, swept(1), swept(REMOVED_BLOBS)] {
        let scene = Scene::new();
        let dir = &scene.layout.dir;
        let stopped = scene.stop(moment, &REMOVE);
        scene.write_old_index_back();
        let finished = stopped.goes_on();
        assert_status(&finished, 1);
        assert_mentions(&finished, "another program wrote an old index.json back");
        assert_mentions(&finished, "a:1 and b:1");
        assert_eq!(index(dir).data, scene.old_index, "it is not ours to change");
        let (reached, broken) = reached(dir);
        let lost = scene.images.iter().filter(|(name, _)| **name != "kept");
        for (name, image) in lost {
            assert!(
                broken.iter().any(|what| what.contains(digest(image))),
                "{name}"
            );
        }
        let missing = reached.difference(&blobs(dir)).count();
        assert_eq!(missing, 2, "the manifests, from which nobody gets further");
    }
}

/// FR30: what a layout that shares the blobs came to need while they went is kept, brought back or said.
#[test]
fn what_a_sharer_comes_to_need_during_the_sweep_is_kept_brought_back_or_said() {
    if !strace::is_here() {
        return;
    }
    for moment in [UNLOCKED, swept(1), swept(REMOVED_BLOBS)] {
        for options in [&[][..], &["--trash"]] {
            let scene = Scene::new();
            let dir = &scene.layout.dir;
            let mut second = scene.place.layout("second");
            second.finish();
            fs::remove_dir_all(second.dir.join("blobs")).unwrap();
            let also = ["--also-root", arg(&second.dir)];
            let stopped = scene.stop(moment, &[&REMOVE, &also[..], options].concat());
            add_row(
                &second.dir,
                row(&scene.images["a"], "again"),
                InPlace::AtOnce,
            );
            let finished = stopped.goes_on();
            let digest = digest(&scene.images["a"]);
            let needed = Stock::of(dir).below([digest]);
            let is_whole = blobs(dir).contains(digest) && needed.len() == 3;
            if is_whole {
                assert_status(&finished, 0);
            } else {
                assert!(options.is_empty(), "{moment:?} {finished}");
                assert_status(&finished, 1);
                assert_mentions(&finished, "again:1 in the layout");
                assert_mentions(&finished, arg(&second.dir));
            }
        }
    }
}

#[test]
fn a_run_that_is_killed_while_it_holds_the_lock_stops_nobody() {
    if !strace::is_here() {
        return;
    }
    for moment in [LOCKED, COMPARED, REPLACED] {
        let scene = Scene::new();
        let dir = &scene.layout.dir;
        let stopped = scene.stop(moment, &REMOVE);
        assert!(BuilderLock::take(dir).is_none(), "{moment:?}");
        stopped.end_by_kill();
        assert!(dir.join("index.json.lock").exists());
        assert_whole(dir);
        let builder = BuilderLock::take(dir);
        assert!(builder.is_some(), "{moment:?}");
        // As if the builder were killed, too, so that the file is there for the next run.
        drop(builder);
        let next = scene.place.run_in(dir, &["rmi", "--force", "a:1", "b:1"]);
        assert!(next.wrong_ending(&[0, 1]).is_none(), "{next}");
        assert_eq!(named(dir), BTreeSet::from([full_name("kept")]));
        scene.place.succeeds(dir, &PRUNE);
        let is_replaced = moment.call == REPLACED.call && moment.number == REPLACED.number;
        assert!(!dir.join("index.json.lock").exists() || is_replaced);
    }
}

/// BuildKit deletes the lock file after it unlocked it, so it may delete the one that we hold, and
/// the next builder locks another file.
#[test]
fn a_builder_that_deletes_the_lock_of_others_loses_no_row() {
    if !strace::is_here() {
        return;
    }
    let scene = Scene::new();
    let dir = &scene.layout.dir;
    let lock = dir.join("index.json.lock");
    File::create(&lock).unwrap();
    let stopped = scene.stop(COMPARED, &REMOVE);
    fs::remove_file(&lock).unwrap();
    let next = BuilderLock::take(dir).unwrap();
    add_row(dir, row(&scene.store(Added::New), "added"), InPlace::AtOnce);
    next.release();
    assert_status(&stopped.goes_on(), 0);
    let expected = ["added", "kept"].map(full_name);
    assert_eq!(named(dir), BTreeSet::from(expected));
    assert_whole(dir);
}

#[test]
fn an_image_that_was_added_anew_after_the_sweep_is_not_said_to_be_broken() {
    if !strace::is_here() {
        return;
    }
    let scene = Scene::new();
    let dir = &scene.layout.dir;
    let stopped = scene.stop(swept(REMOVED_BLOBS), &REMOVE);
    add_row(
        dir,
        row(&scene.store(Added::OldOne), "added"),
        InPlace::AtOnce,
    );
    let finished = stopped.goes_on();
    assert_whole(dir);
    assert_status(&finished, 0);
}

/// skopeo empties `oci-layout` and fills it again with each copy.
#[test]
fn a_layout_version_that_was_just_being_written_is_read_again() {
    if !strace::is_here() {
        return;
    }
    let scene = Scene::new();
    let version = scene.layout.dir.join("oci-layout");
    let text = fs::read(&version).unwrap();
    fs::write(&version, "").unwrap();
    let read = Moment {
        of: Some("oci-layout"),
        ..Moment::after("read", 1)
    };
    let stopped = scene.stop(read, &["ls"]);
    fs::write(&version, text).unwrap();
    assert_status(&stopped.goes_on(), 0);
}
