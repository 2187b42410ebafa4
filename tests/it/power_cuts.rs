//! What a power cut leaves, at every moment of every command.
//!
//! strace tells which changes a command makes and what it syncs. From that follows what the disk may hold
//! when the power goes: of the names that were changed since their directory was synced any, in any order,
//! and of files that were not synced anything. Every such state has to keep the laws of
//! `support/power_cut/laws.rs`. And each sync has to be needed for that: without it some state breaks one.
//!
//! Below, the same with file systems that have no journal, or another one, on a disk that stops.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::command::{Running, in_layout, run};
use crate::support::contents::{Stock, arg, digest_of, id, index, names, targets};
use crate::support::place::{Place, assert_status};
use crate::support::power_cut::disk::{Disk, Journal, Thoroughness};
use crate::support::power_cut::image::{self, EXT2, Kind, Mounted, OTHERS};
use crate::support::power_cut::laws::{Laws, Picture, Task};
use crate::support::power_cut::trace::{self, Op};
use crate::support::skipped::skipped;
use crate::support::strace;

/// Where what is chosen at random begins.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// One command, and what is known of it.
#[derive(Clone, Copy)]
struct Case {
    ground: fn(&Place) -> PathBuf,
    /// Commands that run first, and reach the disk.
    before: &'static [&'static str],
    /// What happens then without reaching the disk: the paths of files that can be lost.
    meanwhile: fn(&Path) -> BTreeSet<String>,
    command: &'static str,
    task: Task,
    /// What it says when it is done.
    says: &'static str,
    /// What strace makes fail.
    inject: Option<&'static str>,
}

const fn case(
    before: &'static [&'static str],
    command: &'static str,
    task: Task,
    says: &'static str,
) -> Case {
    Case {
        ground: mixed,
        before,
        meanwhile: nothing,
        command,
        task,
        says,
        inject: None,
    }
}

const NO_LINKS: Option<&str> = Some("linkat:error=EPERM");

fn cases() -> Vec<Case> {
    const PLATFORM: &str = "rmi --rewrite-index --platform linux/arm64 multi";
    const PLATFORM_TRASH: &str = "rmi --trash --rewrite-index --platform linux/arm64 multi";
    const PRUNE: &str = "prune -f --grace 0s --trash-keep 1h";
    const PRUNE_TRASH: &str = "prune -f --grace 0s --trash";
    const PRUNE_ALL: &str = "prune -a -f --grace 0s --keep multi";
    const PRUNE_ALL_TRASH: &str = "prune -a -f --grace 0s --trash --keep multi";
    const MULTI: &str = "rmi --trash multi";
    vec![
        case(&[], "rmi app", Task::Remove, "Untagged"),
        case(&[], "rmi --trash app", Task::Remove, "Trashed"),
        case(&[], "rmi --trash multi app", Task::Remove, "Trashed"),
        case(
            &[],
            "rmi --platform linux/arm64 multi",
            Task::Remove,
            "Deleted",
        ),
        case(
            &[],
            "rmi --trash --platform linux/arm64 multi",
            Task::Remove,
            "Trashed",
        ),
        case(&[], PLATFORM, Task::Remove, "Deleted"),
        case(&[], PLATFORM_TRASH, Task::Remove, "Trashed"),
        Case {
            meanwhile: somebody_wrote_the_new_index,
            ..case(&[], PLATFORM, Task::Remove, "Deleted")
        },
        case(&[], "untag app", Task::Remove, "Untagged"),
        case(&[], PRUNE, Task::Remove, "Total"),
        case(&[], PRUNE_TRASH, Task::Remove, "Total"),
        case(&[], PRUNE_ALL, Task::Remove, "Total"),
        case(&[], PRUNE_ALL_TRASH, Task::Remove, "Total"),
        // What an image in the trash needs goes there, to it.
        case(&["rmi --trash app"], "rmi other", Task::Remove, "Untagged"),
        case(
            &[MULTI, "rmi --trash app"],
            "restore",
            Task::Restore,
            "Restored",
        ),
        case(
            &[MULTI, "rmi --trash app"],
            "restore multi",
            Task::Restore,
            "Restored",
        ),
        case(
            &["rmi --trash multi app"],
            "restore multi",
            Task::Restore,
            "Restored",
        ),
        case(
            &[PLATFORM_TRASH],
            "restore multi",
            Task::Restore,
            "Restored",
        ),
        Case {
            meanwhile: somebody_copied_it_again,
            ..case(
                &["rmi --trash app"],
                "restore app",
                Task::Restore,
                "Restored",
            )
        },
        Case {
            ground: alone,
            meanwhile: nobody_needs_the_directory,
            ..case(
                &["rmi --trash app"],
                "restore app",
                Task::Restore,
                "Restored",
            )
        },
        Case {
            ground: alone,
            meanwhile: a_restore_was_killed,
            ..case(
                &["rmi --trash app"],
                "restore app",
                Task::Restore,
                "Restored",
            )
        },
        Case {
            meanwhile: somebody_wrote_the_old_index,
            ..case(&["rmi --trash app"], "ls", Task::BringBack, "Brought")
        },
        case(
            &[MULTI, "rmi --trash app"],
            "prune -f --trash-keep 0s",
            Task::Empty,
            "Total",
        ),
        Case {
            ground: saved,
            ..case(&[], "rmi 127.0.0.1:5000/multi:1", Task::Remove, "Untagged")
        },
        Case {
            ground: saved,
            ..case(
                &[],
                "rmi --trash 127.0.0.1:5000/multi:1",
                Task::Remove,
                "Trashed",
            )
        },
        Case {
            ground: saved,
            ..case(
                &["rmi --trash 127.0.0.1:5000/multi:1"],
                "restore",
                Task::Restore,
                "Restored",
            )
        },
        Case {
            ground: alone,
            meanwhile: nobody_needs_the_directory,
            inject: NO_LINKS,
            ..case(
                &["rmi --trash app"],
                "restore app",
                Task::Restore,
                "Restored",
            )
        },
        Case {
            inject: NO_LINKS,
            ..case(&[], "rmi --trash app", Task::Remove, "Trashed")
        },
        Case {
            inject: NO_LINKS,
            ..case(
                &["rmi --trash multi app"],
                "restore",
                Task::Restore,
                "Restored",
            )
        },
    ]
}

/// Syncs without which no state of that command breaks a law, and why they are there all the same.
#[rustfmt::skip]
const PRECAUTIONS: &[(&str, &str, &str)] = &[
    ("rmi --trash --platform", ".ocirm-trash/ID 1", "the record is there before anything else, whether blobs follow or not"),
    ("prune -f --grace 0s --trash", ".ocirm-trash/ID 1", "the record is there before anything else, whether blobs follow or not"),
    ("rmi other", ".ocirm-trash/ID/blobs 1", "a run that was killed may have made the directory"),
    ("rmi other", ".ocirm-trash/ID 1", "a run that was killed may have made the directory"),
    ("rmi other", ".ocirm-trash 1", "a run that was killed may have made the directory"),
    ("rmi other", "ROOT 2", "a run that was killed may have made the trash"),
    ("without links rmi", ".ocirm-trash/ID 1", "the record is there before anything else"),
    ("without links rmi", ".ocirm-trash/ID/blobs/sha256", "a journal writes both sides of a rename; without one the new name goes first"),
    ("without links rmi", "blobs/sha256 1", "a journal writes both sides of a rename; without one the old name goes last"),
    ("without links restore", "blobs 1", "another program, or a run that was killed, may have made the directory"),
    ("without links restore", "ROOT 1", "another program, or a run that was killed, may have made the directory"),
    ("without links restore", "blobs/sha256/SHARED", "another program may have written it a moment ago"),
    ("restore app", ".ocirm-trash/ID 1", "what is left of the record can be of use, which this one is not"),
    ("restore", "blobs 1", "another program, or a run that was killed, may have made the directory"),
    ("restore", "ROOT 1", "another program, or a run that was killed, may have made the directory"),
    ("restore", "blobs/sha256/SHARED", "another program may have written it a moment ago"),
    ("ls", "blobs 1", "another program, or a run that was killed, may have made the directory"),
    ("ls", "ROOT 1", "another program, or a run that was killed, may have made the directory"),
];

/// Two images that share a layer, an image for two platforms, one with a signature, and garbage.
fn mixed(place: &Place) -> PathBuf {
    let mut layout = place.layout("layout");
    let amd = layout.image_for("linux/amd64", "amd", &["base", "amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
    let multi = layout.index(&[&amd, &arm]);
    let app = layout.image_for("linux/amd64", "app", &["base", "shared", "app"]);
    let other = layout.image_for("linux/amd64", "other", &["base", "shared"]);
    let signature = layout.referrer(&app, "signature");
    layout
        .tagged(&multi, "multi")
        .tagged(&app, "app")
        .tagged(&other, "other")
        .unnamed(&signature)
        .finish();
    layout.image_for("linux/amd64", "nobody", &["nobody's"]);
    layout.dir.clone()
}

/// One image, so that nothing is left when it went.
fn alone(place: &Place) -> PathBuf {
    let mut layout = place.layout("layout");
    let app = layout.image("app");
    layout.tagged(&app, "app").finish();
    layout.dir.clone()
}

/// An unpacked `docker save`.
fn saved(place: &Place) -> PathBuf {
    let layout = place.fixture("containerd16-ctr-export", "layout");
    let rows = index(&layout).rows;
    let ids: Vec<&str> = rows.iter().map(|row| id(&row.value)).collect();
    let names = json!({
        "127.0.0.1:5000/single": {"1": ids[0]},
        "127.0.0.1:5000/multi": {"1": ids[2]},
    });
    fs::write(layout.join("repositories"), names.to_string()).unwrap();
    layout
}

fn nothing(_: &Path) -> BTreeSet<String> {
    BTreeSet::new()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn blob_files(layout: &Path) -> BTreeMap<String, Vec<u8>> {
    let dir = layout.join("blobs/sha256");
    let entries = fs::read_dir(dir).into_iter().flatten();
    let file = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (format!("blobs/sha256/{name}"), fs::read(&path).unwrap())
    };
    entries.map(|entry| file(entry.unwrap().path())).collect()
}

/// Another tool has the index already that this command makes.
fn somebody_wrote_the_new_index(layout: &Path) -> BTreeSet<String> {
    let place = Place::new();
    let other = place.path("layout");
    copy(layout, &other);
    place.succeeds(
        &other,
        &[
            "rmi",
            "--rewrite-index",
            "--platform",
            "linux/arm64",
            "multi",
        ],
    );
    let known = blob_files(layout);
    let new = blob_files(&other).into_iter();
    let new = new.filter(|(path, _)| !known.contains_key(path));
    new.map(|(path, bytes)| {
        fs::write(layout.join(&path), bytes).unwrap();
        path
    })
    .collect()
}

/// Everything that the trash has lies in the layout as well, written by another tool.
fn somebody_copied_it_again(layout: &Path) -> BTreeSet<String> {
    let removal = only_removal(layout);
    let files = blob_files(&removal).into_iter();
    files
        .map(|(path, bytes)| {
            fs::write(layout.join(&path), bytes).unwrap();
            path
        })
        .collect()
}

fn only_removal(layout: &Path) -> PathBuf {
    let mut removals = fs::read_dir(layout.join(".ocirm-trash")).unwrap();
    removals.next().unwrap().unwrap().path()
}

/// The directories that are empty now are gone.
fn nobody_needs_the_directory(layout: &Path) -> BTreeSet<String> {
    fs::remove_dir(layout.join("blobs/sha256")).unwrap();
    fs::remove_dir(layout.join("blobs")).unwrap();
    BTreeSet::new()
}

/// It had made the directories, and given the blobs their names.
fn a_restore_was_killed(layout: &Path) -> BTreeSet<String> {
    let removal = only_removal(layout);
    let mut volatile: BTreeSet<String> = ["blobs", "blobs/sha256"].map(str::to_owned).into();
    for path in blob_files(&removal).into_keys() {
        fs::hard_link(removal.join(&path), layout.join(&path)).unwrap();
        volatile.insert(path);
    }
    volatile
}

/// The name is there again, and its blobs are in the trash.
fn somebody_wrote_the_old_index(layout: &Path) -> BTreeSet<String> {
    let removal = only_removal(layout);
    let record = fs::read_to_string(removal.join("removal.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let path = layout.join("index.json");
    let mut now: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let entries = record["rows"].as_array().unwrap().iter();
    let manifests = now["manifests"].as_array_mut().unwrap();
    manifests.extend(entries.map(|entry| entry["entry"].clone()));
    fs::write(path, now.to_string()).unwrap();
    BTreeSet::new()
}

/// A command that was watched.
struct Watched {
    case: Case,
    /// The disk before it, without a journal and with one.
    disks: [Disk; 2],
    ops: Vec<Op>,
    laws: Laws,
}

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

impl Watched {
    fn new(case: Case) -> Watched {
        let place = Place::new();
        let layout = (case.ground)(&place);
        for command in case.before {
            place.succeeds(&layout, &words(command));
        }
        let volatile = (case.meanwhile)(&layout);
        let before = Picture::of(&layout);
        // Whoever wrote what comes back need not have synced it.
        let unwritten = match case.task {
            Task::Restore | Task::BringBack => before.blobs_in_trash(),
            Task::Remove | Task::Empty => BTreeSet::new(),
        };
        let journals = [Journal::None, Journal::Renames];
        let disks = journals.map(|journal| Disk::of(&layout, journal, &volatile, &unwritten));
        let args = in_layout(&layout, &words(case.command));
        let log = place.path("calls");
        let mut options = vec!["-e", "signal=none", "-o", arg(&log)];
        options.extend(trace::OPTIONS);
        let inject = case.inject.map(|inject| format!("inject={inject}"));
        if let Some(inject) = &inject {
            options.extend(["-e", inject]);
        }
        let finished = strace::run(&options, &args, &place.home());
        assert_status(&finished, 0);
        let log = fs::read_to_string(log).unwrap();
        let ops = trace::read(&log, &fs::canonicalize(&layout).unwrap());
        let after = Picture::of(&layout);
        let mut replayed = disks[0].clone();
        ops.iter().for_each(|op| replayed.apply(op));
        let replayed = Picture::new(replayed.files());
        assert_eq!(replayed, after, "{}: {ops:?}", case.command);
        let says = |op: &Op| matches!(op, Op::Say(text) if text.contains(case.says));
        assert!(ops.iter().any(says), "no {:?}\n{finished}", case.says);
        Watched {
            laws: Laws::new(case.task, before, after, &volatile, &unwritten),
            case,
            disks,
            ops,
        }
    }

    /// A rename is all that there is where links are refused; without a journal that can lose both names.
    fn journals(&self) -> &[Disk] {
        match self.case.inject {
            Some(_) => &self.disks[1..],
            None => &self.disks,
        }
    }

    fn syncs(&self) -> Vec<usize> {
        let numbers = 0..self.ops.len();
        numbers
            .filter(|number| matches!(self.ops[*number], Op::Sync(_)))
            .collect()
    }

    /// The first state that breaks a law, if one sync, or none, had not happened; and how many were judged.
    fn broken(
        &self,
        disk: &Disk,
        without: Option<usize>,
        thoroughness: Thoroughness,
    ) -> (Option<String>, usize) {
        let (mut disk, mut said) = (disk.clone(), false);
        let mut random = SEED;
        let (mut wrong, mut judged) = (None, 0);
        for (number, op) in self
            .ops
            .iter()
            .enumerate()
            .map(|(n, op)| (n, Some(op)))
            .chain([(self.ops.len(), None)])
        {
            // What may be on the disk only grows until something is synced.
            let is_cut = matches!(op, None | Some(Op::Sync(_)));
            if is_cut && without != Some(number) {
                disk.states(thoroughness, &mut random, &mut |state| {
                    judged += 1;
                    wrong = self.laws.broken_by(state, said);
                    wrong.is_none()
                });
                if let Some(reason) = wrong {
                    return (Some(format!("before {op:?}: {reason}")), judged);
                }
            }
            match op {
                Some(Op::Say(text)) => said |= text.contains(self.case.says),
                Some(Op::Sync(_)) if without == Some(number) => {}
                Some(op) => disk.apply(op),
                None => {}
            }
        }
        (None, judged)
    }

    /// How a sync is called in the list of precautions: what is synced, and which time that is.
    fn name_of(&self, sync: usize) -> String {
        let Op::Sync(path) = &self.ops[sync] else {
            return String::new();
        };
        let shape = |path: &str| -> String {
            let parts = path.split('/').map(|part| match part {
                part if part.starts_with(".ocirm-tmp-") => "TEMPORARY",
                part if part.len() >= 64 => "BLOB",
                part if part.starts_with("20") && part.contains("Z-") => "ID",
                "" => "ROOT",
                part => part,
            });
            parts.collect::<Vec<_>>().join("/")
        };
        if self.laws.before.is_led_to(path) {
            return "blobs/sha256/SHARED".to_owned();
        }
        let own = shape(path);
        let earlier = self.ops[..sync].iter();
        let earlier = earlier.filter(|op| matches!(op, Op::Sync(path) if shape(path) == own));
        format!("{own} {}", earlier.count() + 1)
    }
}

/// All cases, which were watched once.
fn all_watched() -> &'static [Watched] {
    static WATCHED: OnceLock<Vec<Watched>> = OnceLock::new();
    WATCHED.get_or_init(|| match strace::is_here() {
        true => on_threads(&cases(), &|case| vec![Watched::new(*case)]),
        false => Vec::new(),
    })
}

/// What `each` gives for all, on as many threads as there are processors here.
fn on_threads<T: Sync, U: Send>(all: &[T], each: &(dyn Fn(&T) -> Vec<U> + Sync)) -> Vec<U> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let more = each(one);
                    found.lock().unwrap().extend(more);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// FR26
#[test]
fn whenever_the_power_goes_the_laws_hold() {
    let judged = AtomicUsize::new(0);
    let wrong = on_threads(all_watched(), &|watched| {
        let mut wrong = Vec::new();
        for disk in watched.journals() {
            let (broken, states) = watched.broken(disk, None, Thoroughness::Full);
            judged.fetch_add(states, Ordering::Relaxed);
            wrong.extend(broken.map(|reason| format!("{}: {reason}", watched.case.command)));
        }
        wrong
    });
    println!("{} states", judged.into_inner());
    assert!(wrong.is_empty(), "seed {SEED:#x}\n{}", wrong.join("\n"));
}

/// FR26: each sync is needed, or it is named with the reason.
#[test]
fn no_sync_is_without_need() {
    let used = Mutex::new(BTreeSet::new());
    let wrong = on_threads(all_watched(), &|watched| {
        let mut wrong = Vec::new();
        for sync in watched.syncs() {
            let mut disks = watched.journals().iter();
            if disks.any(|disk| {
                watched
                    .broken(disk, Some(sync), Thoroughness::Light)
                    .0
                    .is_some()
            }) {
                continue;
            }
            let name = watched.name_of(sync);
            let case = watched.case;
            let command = match case.inject {
                Some(_) => format!("without links {}", case.command),
                None => case.command.to_owned(),
            };
            let (place, _) = name.split_once(' ').unwrap_or((&name, ""));
            let precaution = PRECAUTIONS
                .iter()
                .position(|(of, what, _)| command.starts_with(of) && [&name, place].contains(what));
            match precaution {
                Some(number) => drop(used.lock().unwrap().insert(number)),
                None => wrong.push(format!(
                    "{} {:?}: nobody misses the sync of {name}",
                    watched.case.command, watched.case.inject
                )),
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let used = used.into_inner().unwrap();
    if strace::is_here() {
        let unused = (0..PRECAUTIONS.len()).filter(|number| !used.contains(number));
        let unused: Vec<_> = unused.map(|number| PRECAUTIONS[number]).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
}

/// FR26: the second name changed the file, and made it look young.
#[test]
fn a_blob_that_a_killed_run_left_in_both_places_is_no_younger_and_frees_its_bytes_once() {
    let place = Place::new();
    let layout = alone(&place);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    for path in blob_files(&layout).into_keys() {
        let file = fs::File::options().write(true).open(layout.join(path));
        file.unwrap().set_modified(long_ago).unwrap();
    }
    place.succeeds(&layout, &["rmi", "--trash", "app"]);
    let removal = only_removal(&layout);
    let blobs = blob_files(&removal);
    let name_again = || {
        for path in blobs.keys() {
            fs::hard_link(removal.join(path), layout.join(path)).unwrap();
        }
    };
    name_again();
    let prune = place.dry_and_real(&layout, &["prune", "-a", "-f"], 0);
    assert_eq!(prune.reclaimed(), Some(0.0), "{prune}");
    assert!(blob_files(&layout).is_empty(), "{prune}");
    name_again();
    let all: usize = blobs.values().map(Vec::len).sum();
    let all = f64::from(u32::try_from(all).unwrap());
    let args = ["prune", "-a", "-f", "--trash-keep", "0s"];
    let prune = place.dry_and_real(&layout, &args, 0);
    assert_eq!(prune.reclaimed(), Some(all), "{prune}");
    assert!(!layout.join(".ocirm-trash").exists(), "{prune}");
}

/// A file system with a layout, and what its owner has there.
struct Ground {
    place: Place,
    kind: Kind,
    /// The disk before the command.
    base: PathBuf,
    /// What index.json had before anything was removed, and all that it led to.
    names: Vec<String>,
    needed: BTreeSet<String>,
}

impl Ground {
    /// `before` are commands that run first, and reach the disk.
    fn new(kind: Kind, before: &[&str]) -> Result<Ground, String> {
        let place = Place::new();
        let base = place.path("base");
        kind.make(&base)?;
        let mounted = Mounted::new(&base, &place.path("mounted"))?;
        copy(&mixed(&place), &mounted.layout());
        let names = names(&mounted.layout());
        let stock = Stock::of(&mounted.layout());
        let needed = stock.below(targets(&mounted.layout()));
        for command in before {
            place.succeeds(&mounted.layout(), &words(command));
        }
        drop(mounted);
        Ok(Ground {
            place,
            kind,
            base,
            names,
            needed,
        })
    }

    /// Runs a command until its end, or until it would sync for the n-th time. Then the power goes, after the disk
    /// wrote one directory of its own accord if that is asked for: the one that blobs leave. The value tells what
    /// is wrong with what is left, or whether the command came to its end.
    fn cut(&self, command: &str, at: Option<usize>, left_is_written: bool) -> Result<bool, String> {
        let (disk, left) = (self.place.path("disk"), self.place.path("left"));
        image::copy(&self.base, &disk);
        let mounted = Mounted::new(&disk, &self.place.path("mounted"))?;
        let args = in_layout(&mounted.layout(), &words(command));
        let ended = match at {
            None => run(&args, &self.place.home()),
            Some(at) => {
                let kill = format!("fsync:signal=KILL:when={at}");
                let log = Path::new("/dev/null");
                let command = strace::injected(&kill, log, &args, &self.place.home());
                Running::start(command, &args).finish()
            }
        };
        if left_is_written {
            let blobs = match command {
                "restore" => fs::read_dir(mounted.layout().join(".ocirm-trash")),
                _ => fs::read_dir(mounted.layout()),
            };
            let dirs = blobs
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path());
            let dirs = dirs.flat_map(|dir| [dir.join("sha256"), dir.join("blobs/sha256")]);
            for dir in dirs.filter(|dir| dir.is_dir()) {
                fs::File::open(dir).unwrap().sync_all().unwrap();
            }
        }
        image::copy(&disk, &left);
        let now = fs::read(mounted.layout().join("index.json")).unwrap();
        drop(mounted);
        let is_done = ended.code() == Some(0);
        if !is_done && at.is_none() {
            return Err(ended.to_string());
        }
        self.kind.mend(&left)?;
        let mounted = Mounted::new(&left, &self.place.path("mounted"))?;
        let layout = mounted.layout();
        let judged = self.judge(&layout, is_done.then_some(now));
        judged.map_err(|wrong| format!("{}, {command}, sync {at:?}: {wrong}", self.kind.name))?;
        Ok(is_done)
    }

    fn judge(&self, layout: &Path, said: Option<Vec<u8>>) -> Result<(), String> {
        let index = fs::read(layout.join("index.json")).map_err(|e| e.to_string())?;
        if said.is_some_and(|said| said != index) {
            return Err("what was said to be done is not".into());
        }
        let check = self
            .place
            .run_in(layout, &["check", "--digests", "--complete"]);
        if check.code() != Some(0) {
            return Err(check.to_string());
        }
        // Whatever was removed can come back, all of it.
        let restored = self.place.run_in(layout, &["restore"]);
        if restored.code() != Some(0) && !restored.err.contains("othing") {
            return Err(restored.to_string());
        }
        if names(layout) != self.names {
            return Err(format!("{:?} are back\n{restored}", names(layout)));
        }
        let stock = Stock::of(layout);
        let spoilt = self.needed.iter().find(|digest| {
            let bytes = stock.0.get(*digest);
            bytes.is_none_or(|bytes| digest_of(bytes) != **digest)
        });
        spoilt.map_or(Ok(()), |digest| Err(format!("{digest} is lost")))
    }
}

/// FR26, on disks: root alone may make and mount them.
#[test]
fn disks_that_lose_their_power_keep_what_was_said() {
    if !rustix::process::geteuid().is_root() || !strace::is_here() {
        skipped("mounting file systems takes root, and stopping at a sync takes strace");
        return;
    }
    let commands: [(&[&str], &str); 2] = [
        (&[], "rmi --trash app multi"),
        (&["rmi --trash app multi"], "restore"),
    ];
    let mut wrong = Vec::new();
    for kind in [EXT2].into_iter().chain(OTHERS) {
        for (before, command) in commands {
            let ground = match Ground::new(kind, before) {
                Ok(ground) => ground,
                Err(reason) => {
                    skipped(format!("{}: {reason}", kind.name));
                    continue;
                }
            };
            for left_is_written in [false, true] {
                wrong.extend(ground.cut(command, None, left_is_written).err());
            }
            // The weakest disk meets it at every other sync, the others at some.
            let step = if kind.name == EXT2.name { 2 } else { 9 };
            for at in (step..60).step_by(step) {
                match ground.cut(command, Some(at), true) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(reason) => wrong.push(reason),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
