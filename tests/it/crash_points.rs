//! Every point at which the program can be stopped: at each system call with which it changes the
//! disk, it is killed and the call is failed, once for each way, and what is left is judged.
//!
//! strace does that. A run without a fault shows the calls; then the n-th call of a name is the
//! point, and the same run on a fresh copy meets it again. A signal that strace sends at a call
//! arrives before the call takes effect, so "killed after" is a kill at the call that follows.
//!
//! Without strace, or where it may not trace, the test says so and passes, unless `OCIRM_INTEROP` is
//! set: then it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use crate::support::command::{Finished, in_layout};
use crate::support::contents::{Stock, arg, digest, id, index, read_index};
use crate::support::index_document::IndexDocument;
use crate::support::layout::LAYER;
use crate::support::names::{DANGLING, NAME};
use crate::support::place::{Place, assert_status};
use crate::support::strace;
use crate::support::tree::{Content, Tree, What};

/// One command that is stopped at all its points.
struct Case {
    /// Writes the layout.
    ground: fn(&Place) -> PathBuf,
    /// Commands that run first, undisturbed.
    before: &'static [&'static str],
    command: &'static str,
    /// What somebody runs who found the command stopped: it finishes the work.
    again: &'static [&'static str],
}

const fn case(
    ground: fn(&Place) -> PathBuf,
    before: &'static [&'static str],
    command: &'static str,
    again: &'static [&'static str],
) -> Case {
    Case {
        ground,
        before,
        command,
        again,
    }
}

const PRUNE: &str = "prune -f --grace 0s";
const PRUNE_ALL: &str = "prune -f -a --grace 0s";

/// `rmi` that is stopped after it took the name away leaves garbage, which is for `prune`.
#[rustfmt::skip]
const CASES: &[Case] = &[
    case(mixed, &[], "rmi multi:1", &["rmi --ignore multi:1", PRUNE]),
    case(mixed, &[], "rmi signed:1", &["rmi --ignore signed:1", PRUNE]),
    case(mixed, &[], "rmi app:1", &["rmi --ignore app:1", PRUNE]),
    case(mixed, &["untag app:1"], "rmi app:2", &["rmi --ignore app:2", PRUNE]),
    case(mixed, &[], "rmi --platform linux/arm64 multi:1", &["rmi --ignore --platform linux/arm64 multi:1", PRUNE]),
    case(mixed, &[], "rmi --platform linux/arm64 --rewrite-index multi:1", &["rmi --ignore --platform linux/arm64 --rewrite-index multi:1", PRUNE]),
    case(mixed, &[], "untag signed:1", &["untag --ignore signed:1"]),
    case(mixed, &[], PRUNE, &[PRUNE]),
    case(mixed, &[], PRUNE_ALL, &[PRUNE_ALL]),
    case(saved, &[], "rmi 127.0.0.1:5000/multi:1", &["rmi --ignore 127.0.0.1:5000/multi:1", PRUNE]),
    case(saved, &[], "untag 127.0.0.1:5000/multi:1", &["untag --ignore 127.0.0.1:5000/multi:1"]),
    case(saved, &[], PRUNE_ALL, &[PRUNE_ALL]),
];

/// Names and shared layers, an image for several platforms with attestations, one with a signature,
/// one with two names, dangling images, and blobs that nothing needs.
fn mixed(place: &Place) -> PathBuf {
    let mut layout = place.layout("layout");
    let amd = layout.image_for("linux/amd64", "amd", &["base", "amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["base", "arm"]);
    let multi = layout.index(&[
        &amd,
        &arm,
        &layout.attestation(&amd, "about amd"),
        &layout.attestation(&arm, "about arm"),
    ]);
    let app = layout.image_for("linux/amd64", "app", &["base", "app"]);
    let signed = layout.image_for("linux/amd64", "signed", &["base", "signed"]);
    let signature = layout.referrer(&signed, "signature");
    let unnamed = layout.image_for("linux/amd64", "unnamed", &["base", "unnamed"]);
    let dangling = layout.image_for("linux/amd64", "dangling", &["base", "dangling"]);
    layout
        .named(&multi, "docker.io/library/multi:1")
        .named(&app, "docker.io/library/app:1")
        .named(&app, "docker.io/library/app:2")
        .named(&signed, "docker.io/library/signed:1")
        .unnamed(&signature)
        .unnamed(&unnamed);
    let name = format!("{DANGLING}{}", digest(&dangling));
    layout
        .row(&dangling, serde_json::json!({NAME: name}))
        .finish();
    layout.image_for("linux/amd64", "nobody", &["base", "nobody's"]);
    layout.blob(LAYER, "what a push left");
    with_strangers(layout.dir)
}

/// An unpacked `docker save`.
fn saved(place: &Place) -> PathBuf {
    let layout = place.fixture("containerd16-ctr-export", "layout");
    let ids: Vec<String> = index(&layout)
        .rows
        .iter()
        .map(|row| id(&row.value).to_owned())
        .collect();
    let text = format!(
        r#"{{"127.0.0.1:5000/single":{{"1":"{}"}},"127.0.0.1:5000/multi":{{"1":"{}"}}}}"#,
        ids[0], ids[2]
    );
    fs::write(layout.join("repositories"), text).expect("a file in an own directory");
    with_strangers(layout)
}

/// Files that are nobody's business.
const STRANGERS: [&str; 2] = ["notes.txt", "blobs/sha256/upload.tmp"];

fn with_strangers(layout: PathBuf) -> PathBuf {
    for stranger in STRANGERS {
        fs::write(layout.join(stranger), stranger).expect("a file in an own directory");
    }
    layout
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("an own directory");
    for entry in fs::read_dir(from).expect("an own directory") {
        let entry = entry.expect("an entry of an own directory");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a kind of file").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("an own file");
        }
    }
}

/// A layout as it lies there.
struct Picture {
    tree: Tree,
    index: IndexDocument,
    stock: Stock,
}

/// The config and the layers of a manifest; nothing of everything else.
fn parts(bytes: &[u8]) -> BTreeSet<String> {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let layers = value["layers"].as_array().into_iter().flatten();
    layers
        .chain([&value["config"]])
        .filter_map(|part| part["digest"].as_str().map(str::to_owned))
        .collect()
}

impl Picture {
    fn of(layout: &Path) -> Result<Self, String> {
        Ok(Picture {
            tree: Tree::of(layout),
            index: read_index(layout)?,
            stock: Stock::of(layout),
        })
    }

    /// The blobs that are there and to which a digest leads.
    fn reach(&self, from: &str) -> BTreeSet<String> {
        self.stock.below([from])
    }

    fn has_row(&self, raw: &str) -> bool {
        self.index.rows.iter().any(|row| row.raw == raw)
    }

    /// What became different in another picture; times do not count, nor does the lock.
    fn differences(&self, other: &Picture) -> Vec<String> {
        self.tree
            .changes(&other.tree)
            .iter()
            .filter(|change| change.what != What::Time && change.path != INDEX_LOCK)
            .map(ToString::to_string)
            .collect()
    }

    fn passing_files(&self) -> Vec<&str> {
        let paths = self.tree.items.keys().map(String::as_str);
        paths.filter(|path| is_passing(path)).collect()
    }
}

const INDEX_LOCK: &str = "index.json.lock";

/// Whether it is one of the files that are there only while the program runs.
fn is_passing(path: &str) -> bool {
    path == INDEX_LOCK || path.split('/').any(|part| part.starts_with(".ocirm-tmp-"))
}

/// What a command did to a layout when nothing disturbed it.
struct Undisturbed {
    case: &'static Case,
    /// Keeps `prepared`.
    _place: Place,
    /// Where the layout was that the command had.
    done: PathBuf,
    /// The layout before the command.
    prepared: PathBuf,
    before: Picture,
    after: Picture,
    /// After the commands that finish the work.
    end: Picture,
    points: Vec<Point>,
}

/// The n-th system call of that name, among those that name something in the same directory of the
/// layout if it is one of these: of blobs the first thread opens as many as it happens to get.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    name: String,
    directory: Option<PathBuf>,
    number: usize,
    text: String,
}

/// A call that changes the disk, and the next one that does, or the end.
#[derive(Debug)]
struct Point {
    call: Call,
    next: Call,
    next_changes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    KilledBefore,
    KilledAfter,
    /// This call fails, and the next of its name works again.
    Fails(&'static str),
    /// So do all later calls of its name, as on a disk that is full from now on.
    FailsFromHere(&'static str),
}

/// The last one says to try again, which need not end where it is said every time.
const ERRORS: [&str; 5] = ["ENOSPC", "EIO", "EACCES", "EROFS", "EINTR"];
const LASTING: [&str; 4] = ["ENOSPC", "EIO", "EACCES", "EROFS"];

impl Fault {
    /// What happens at a point. The errors take turns, so that each call meets each of them in one
    /// command or another; all of them at all points would take twice as long.
    fn all_at(number: usize, point: &Point) -> Vec<Fault> {
        let error = |step: usize| ERRORS[(number + step) % ERRORS.len()];
        let mut faults = vec![
            Fault::KilledBefore,
            Fault::Fails(error(0)),
            Fault::Fails(error(2)),
            Fault::FailsFromHere(LASTING[number % LASTING.len()]),
        ];
        // Otherwise it is the kill before the next point.
        if !point.next_changes {
            faults.push(Fault::KilledAfter);
        }
        faults
    }

    fn kills(self) -> bool {
        matches!(self, Fault::KilledBefore | Fault::KilledAfter)
    }

    /// The call at which strace brings it.
    fn call(self, point: &Point) -> &Call {
        match self {
            Fault::KilledAfter => &point.next,
            _ => &point.call,
        }
    }

    /// The calls at which it came, by what strace wrote.
    fn effects(self, log: &str) -> impl Iterator<Item = &str> {
        let mark = if self.kills() { "= ?" } else { "(INJECTED)" };
        let lines = log.lines().filter(move |line| line.contains(mark));
        let calls = lines.filter_map(|line| line.split_once(' '));
        calls.map(|(_, text)| text.trim_start())
    }

    /// How strace is told.
    fn injection(self, point: &Point, layout: &Path) -> Vec<String> {
        let (effect, and_later) = match self {
            Fault::KilledBefore | Fault::KilledAfter => ("signal=KILL".to_owned(), ""),
            Fault::Fails(error) => (format!("error={error}"), ""),
            Fault::FailsFromHere(error) => (format!("error={error}"), "+"),
        };
        let call = self.call(point);
        let (name, number) = (&call.name, call.number);
        let mut options = vec![
            "-e".to_owned(),
            format!("trace={name}"),
            "-e".to_owned(),
            format!("inject={name}:{effect}:when={number}{and_later}"),
        ];
        if let Some(directory) = &call.directory {
            // Without a "/" at the end, which would be another path to strace.
            let path: PathBuf = layout.components().chain(directory.components()).collect();
            options.extend(["-P".to_owned(), arg(&path).to_owned()]);
        }
        options
    }
}

/// Calls that change the disk, whatever their arguments are.
const CHANGING: &str = "chmod fchmod fchmodat fchmodat2 chown fchown fchownat lchown \
    creat fallocate ftruncate truncate copy_file_range sendfile \
    write writev pwrite64 pwritev pwritev2 fsync fdatasync syncfs sync_file_range \
    link linkat symlink symlinkat mkdir mkdirat mknod mknodat \
    rename renameat renameat2 rmdir unlink unlinkat setxattr fsetxattr utimensat";

impl Call {
    /// Whether it changes something below that path.
    fn changes(&self, layout: &str) -> bool {
        let opens_to_change = matches!(self.name.as_str(), "open" | "openat" | "openat2")
            && ["O_CREAT", "O_WRONLY", "O_RDWR", "O_TRUNC"]
                .iter()
                .any(|flag| self.text.contains(flag));
        let changes = opens_to_change || CHANGING.split(' ').any(|name| name == self.name);
        changes && self.text.contains(layout)
    }
}

/// The calls in what strace wrote; those that only manage memory are left out, and so are those of
/// other threads than the first: they wait for signals, and read. What they unlink where a disk is
/// slow is tried in `slow_disk.rs`. strace counts the calls of each thread for itself.
fn calls(log: &Path, layout: &Path) -> Vec<Call> {
    let text = fs::read_to_string(log).expect("what strace wrote");
    let mut counts: BTreeMap<(&str, Option<&Path>), usize> = BTreeMap::new();
    let mut first = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let (process, text) = line.split_once(' ').expect("the number of a process");
        let text = text.trim_start();
        if *first.get_or_insert(process) != process {
            continue;
        }
        // A call that another thread's came into is written in two lines.
        let Some((name, rest)) = text.split_once('(').filter(|_| !text.starts_with('<')) else {
            continue;
        };
        let directory = directory(name, rest).and_then(|path| path.strip_prefix(layout).ok());
        let count = counts.entry((name, directory)).or_default();
        *count += 1;
        if name != "mmap" {
            found.push(Call {
                name: name.to_owned(),
                directory: directory.map(Path::to_owned),
                number: *count,
                text: text.to_owned(),
            });
        }
    }
    found
}

/// The directory in which a call like `openat(5</some/directory>, "name"` names something. strace counts calls that
/// name the directory itself among them.
fn directory<'log>(name: &str, arguments: &'log str) -> Option<&'log Path> {
    let (descriptor, rest) = arguments.split_once(">, ")?;
    let (from, path) = descriptor.split_once('<')?;
    let path = match rest.strip_prefix("\"/") {
        Some(named) if from == "AT_FDCWD" => &rest[1..=named.find('"')? + 1],
        _ => path,
    };
    let is_named_in = name.trim_end_matches('2').ends_with("at") && rest.starts_with('"');
    is_named_in.then(|| Path::new(path))
}

/// A call up to its result, without what is another one each time: where the layout is, numbers,
/// names of temporary files.
fn without_chance(text: &str, layout: &Path) -> String {
    let call = text.rsplit_once(" = ").map_or(text, |(call, _)| call);
    let call = call.split(" <unfinished").next().unwrap_or_default();
    let call = call
        .trim_end()
        .trim_end_matches(')')
        .replace(arg(layout), "");
    let mut rest = String::new();
    for part in call.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let is_a_word = part.chars().all(|c| !c.is_ascii_digit());
        rest.push_str(if is_a_word { part } else { "0" });
    }
    rest
}

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

impl Undisturbed {
    fn new(case: &'static Case) -> Self {
        let place = Place::new();
        let prepared = (case.ground)(&place);
        for command in case.before {
            place.succeeds(&prepared, &words(command));
        }
        let picture =
            |dir: &Path| Picture::of(dir).unwrap_or_else(|e| panic!("{}: {e}", case.command));
        let before = picture(&prepared);
        // It lies alone, as those do that are stopped: who looks around makes the same calls.
        let alone = Place::new();
        let done = alone.path("layout");
        copy(&prepared, &done);
        let args = in_layout(&done, &words(case.command));
        let log = place.path("calls");
        let trace = ["-y", "-e", "trace=%file,%desc,exit_group"];
        let options = [&["-e", "signal=none", "-o", arg(&log)], &trace[..]].concat();
        let finished = strace::run(&options, &args, &place.home());
        assert_status(&finished, 0);
        let after = picture(&done);
        for command in case.again {
            place.succeeds(&done, &words(command));
        }
        let end = picture(&done);

        let calls = calls(&log, &done);
        let layout = arg(&done).to_owned();
        // What comes between is looking, of which threads do as much as they happen to get.
        let marks: Vec<&Call> = calls
            .iter()
            .filter(|call| call.changes(&layout) || call.name == "exit_group")
            .collect();
        let points = marks
            .windows(2)
            .map(|pair| Point {
                call: pair[0].clone(),
                next: pair[1].clone(),
                next_changes: pair[1].changes(&layout),
            })
            .collect();
        let undisturbed = Undisturbed {
            case,
            _place: place,
            done,
            prepared,
            before,
            after,
            end,
            points,
        };
        undisturbed.assert_worth_disturbing();
        undisturbed
    }

    /// Or the laws would say nothing.
    fn assert_worth_disturbing(&self) {
        let command = self.case.command;
        assert!(
            !self.before.differences(&self.after).is_empty(),
            "{command}"
        );
        assert!(self.points.len() > 5, "{command}: {:?}", self.points);
        assert!(self.end.passing_files().is_empty(), "{command}");
        for stranger in STRANGERS {
            let of = |picture: &Picture| {
                picture
                    .tree
                    .items
                    .get(stranger)
                    .map(|item| item.content.clone())
            };
            assert!(of(&self.before).is_some(), "{stranger}");
            assert_eq!(of(&self.before), of(&self.end), "{command}: {stranger}");
        }
        // Only who asks for a platform gets images that are less than they were.
        if !command.contains("--platform") {
            for row in &self.after.index.rows {
                assert_eq!(
                    self.before.reach(&row.digest),
                    self.after.reach(&row.digest),
                    "{command}"
                );
            }
        }
    }

    /// Stops the command at one point, judges what is left, and finishes the work. Threads share the
    /// looking as they happen to get it, so the n-th call of a name is not always the same one: what
    /// became of another call is judged as well, but the point is tried until it was met.
    fn disturb(&self, point: &Point, fault: Fault) -> Result<(), String> {
        for _ in 0..TRIES {
            if self.disturb_once(point, fault)? {
                return Ok(());
            }
        }
        Err(format!("{fault:?} at {} was never met", point.call.text))
    }

    /// Whether the point was met.
    fn disturb_once(&self, point: &Point, fault: Fault) -> Result<bool, String> {
        let place = Place::new();
        let layout = place.path("layout");
        copy(&self.prepared, &layout);
        let args = in_layout(&layout, &words(self.case.command));
        let log = place.path("log");
        let injection = fault.injection(point, &layout);
        let injection: Vec<&str> = injection.iter().map(String::as_str).collect();
        let options = [
            &["-y", "-e", "signal=none", "-o", arg(&log)],
            &injection[..],
        ]
        .concat();
        let stopped = strace::run(&options, &args, &place.home());
        let log = fs::read_to_string(&log).map_err(|e| format!("what strace wrote: {e}"))?;
        let judged = self
            .judge_left(&layout, point, fault, &stopped)
            .and_then(|()| self.judge_end(&place, &layout));
        judged
            .map_err(|wrong| format!("{fault:?} at {}\n  {wrong}\n{stopped}", point.call.text))?;
        let wanted = without_chance(&fault.call(point).text, &self.done);
        let met = fault
            .effects(&log)
            .any(|call| without_chance(call, &layout) == wanted);
        Ok(met)
    }

    fn judge_left(
        &self,
        layout: &Path,
        point: &Point,
        fault: Fault,
        stopped: &Finished,
    ) -> Result<(), String> {
        let now = Picture::of(layout)?;
        if stopped.panicked() {
            return Err("it panicked".to_owned());
        }
        let was_killed = stopped.status.and_then(|status| status.signal()) == Some(9);
        if was_killed && !fault.kills() {
            return Err("it was killed".to_owned());
        }
        if !was_killed {
            if let Some(ending) = stopped.wrong_ending(&[0, 1, 12]) {
                return Err(ending);
            }
            // What the next run clears away is no work that was asked for.
            let mut undone = self.after.differences(&now);
            undone.retain(|difference| !is_passing(difference));
            if stopped.code() == Some(0) && !undone.is_empty() {
                return Err(format!(
                    "exit status 0, and the work is not done: {undone:?}"
                ));
            }
            let left = now.passing_files();
            if !left.is_empty() && !point.call.name.starts_with("unlink") {
                return Err(format!("a failure left {left:?}"));
            }
        }
        self.judge_rows(&now)?;
        self.judge_files(&now)
    }

    /// Each row is an old or a new one and leads to all that it led to, or will lead to.
    fn judge_rows(&self, now: &Picture) -> Result<(), String> {
        for row in &now.index.rows {
            let (old, new) = (self.before.has_row(&row.raw), self.after.has_row(&row.raw));
            let source = match (old, new) {
                (true, _) => &self.before,
                (false, true) => &self.after,
                (false, false) => return Err(format!("a row of neither index.json: {}", row.raw)),
            };
            let mut missing = source.reach(&row.digest);
            let here = now.reach(&row.digest);
            missing.retain(|digest| !here.contains(digest));
            if old && new {
                let stays = self.after.reach(&row.digest);
                missing.retain(|digest| stays.contains(digest));
            }
            if !missing.is_empty() {
                return Err(format!("{} lacks {missing:?}", row.show()));
            }
            for digest in &here {
                let lost = parts(&now.stock.0[digest])
                    .into_iter()
                    .find(|part| self.before.stock.0.contains_key(part) && !here.contains(part));
                if let Some(lost) = lost {
                    return Err(format!("{}: {digest} is there without {lost}", row.show()));
                }
            }
        }
        Ok(())
    }

    /// Each file is as it was or as it will be, except those that the next run clears away.
    fn judge_files(&self, now: &Picture) -> Result<(), String> {
        let content = |picture: &Picture, path: &str| -> Option<(Content, u32)> {
            let item = picture.tree.items.get(path)?;
            Some((item.content.clone(), item.mode))
        };
        let pictures = [&self.before, &self.after, now];
        let paths: BTreeSet<&String> = pictures
            .iter()
            .flat_map(|picture| picture.tree.items.keys())
            .collect();
        for path in paths {
            let [old, new, here] = pictures.map(|picture| content(picture, path));
            if here != old && here != new && !is_passing(path) {
                return Err(format!("{path} is neither as before nor as after"));
            }
        }
        Ok(())
    }

    /// Whoever runs it again is where the undisturbed run had brought them.
    fn judge_end(&self, place: &Place, layout: &Path) -> Result<(), String> {
        for command in self.case.again {
            let finished = place.run_in(layout, &words(command));
            if finished.panicked() || finished.code() != Some(0) {
                return Err(format!("it could not be finished: {finished}"));
            }
        }
        let end = Picture::of(layout)?;
        let differences = self.end.differences(&end);
        if !differences.is_empty() {
            return Err(format!("in the end {differences:?}"));
        }
        match fs::read_to_string(layout.join(INDEX_LOCK)) {
            Ok(text) => Err(format!("in the end there is {INDEX_LOCK}: {text:?}")),
            _ => Ok(()),
        }
    }
}

/// How often a point is tried.
const TRIES: usize = 10;

/// How many runs go on at the same time.
const THREADS: usize = 2;

#[test]
fn stopped_at_any_point_it_leaves_whole_images_and_garbage_and_can_be_finished() {
    if !strace::is_here() {
        return;
    }
    let cases: Vec<Undisturbed> = CASES.iter().map(Undisturbed::new).collect();
    let points = cases
        .iter()
        .flat_map(|case| case.points.iter().map(move |point| (case, point)));
    let tries: Vec<(&Undisturbed, &Point, Fault)> = points
        .enumerate()
        .flat_map(|(number, (case, point))| {
            let faults = Fault::all_at(number, point);
            faults.into_iter().map(move |fault| (case, point, fault))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((case, point, fault)) =
                    tries.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Err(reason) = case.disturb(point, *fault) {
                        wrong.lock().expect("no panic").push(reason);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    let calls: usize = cases.iter().map(|case| case.points.len()).sum();
    println!(
        "{} points at {calls} system calls of {} commands",
        tries.len(),
        cases.len()
    );
    assert!(
        wrong.is_empty(),
        "{} points are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
