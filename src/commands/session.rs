//! The session: the common options, understood, and layouts opened and read with them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstream::ColorChoice;
use jiff::Timestamp;

use super::interrupt::Interrupt;
use crate::cli::Common;
use crate::commit::{RestoredBlobs, Watch, restore_blobs};
use crate::counter::Counter;
use crate::error::Error;
use crate::gc;
use crate::layout::{
    Ages, Exclusive, Layout, LockOptions, Locked, RecordFile, Shared, Trash, UnsafeMount,
};
use crate::layout_argument::directory;
use crate::report::console::{Console, Talk, shown};
use crate::report::progress::Progress;
use crate::report::units::size;
use crate::report::{stdout_is_ready, to_stdout};
use crate::snapshot::{Snapshot, Whole};
use crate::value::digest::Digest;
use crate::value::time::parse_duration;
use crate::words::count;

/// How often a layout with a damaged manifest is read again, in case that is being written.
const DAMAGE_RETRIES: u32 = 2;

/// How long to wait between two such readings.
const DAMAGE_PAUSE: Duration = Duration::from_millis(150);

/// What lies in the directories of blobs.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) blobs: Vec<Digest>,
    /// A file that shows that another program is writing.
    pub(super) writer: Option<String>,
}

/// Something that is said of a layout.
#[derive(Debug)]
pub(super) enum Said {
    /// What happens as a matter of course, on standard output.
    Out(String),
    /// What somebody must look at.
    Err(String),
    /// What may not be what the user wanted.
    Warning(String),
    Error(String),
    Hint(String),
}

/// See the module.
pub(super) struct Session {
    pub(super) layouts: Vec<PathBuf>,
    /// The run is about several layouts: each may be a repository of one store.
    has_several: AtomicBool,
    lock_timeout: Duration,
    locking: bool,
    allow_unsafe_mount: bool,
    pub(super) console: Console,
    ages: Ages,
    pub(super) interrupt: Interrupt,
    /// What was said and nobody took while a layout was locked; where all of it is collected, all of it.
    waiting: Mutex<Vec<Said>>,
    /// Somebody else says what is said, when it is its turn.
    collects: bool,
    /// Several layouts are worked on at once, and this is about one of more than a few: it shows no progress
    /// of its own.
    is_one_of_many: bool,
    /// Where somebody else reads what is being done.
    work: Option<OwnWork>,
}

/// What is being done, for somebody who wants to read it: of each piece of work that goes on the step at
/// which it is, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub(super) struct Work(Arc<Mutex<Steps>>);

type Steps = Vec<(Arc<()>, Step)>;

/// One piece of work. Its step goes when it ends.
#[derive(Debug)]
struct OwnWork {
    all: Work,
    /// No other piece has the same.
    own: Arc<()>,
}

/// One step of a piece of work.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) what: &'static str,
    pub(super) things: &'static str,
    pub(super) counter: Arc<Counter>,
}

impl Work {
    /// Where the work is that began last.
    pub(super) fn step(&self) -> Option<Step> {
        self.lock().last().map(|(_, step)| step.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Steps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnWork {
    fn of(all: Work) -> OwnWork {
        let own = Arc::new(());
        OwnWork { all, own }
    }

    fn set(&self, step: Step) {
        let mut all = self.all.lock();
        match all.iter_mut().find(|(own, _)| Arc::ptr_eq(own, &self.own)) {
            Some((_, known)) => *known = step,
            None => all.push((Arc::clone(&self.own), step)),
        }
    }
}

impl Drop for OwnWork {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        all.retain(|(own, _)| !Arc::ptr_eq(own, &self.own));
    }
}

impl Session {
    pub(super) fn new(common: &Common, console: Console) -> anyhow::Result<Session> {
        if common.no_lock {
            console.warning("no lock is taken; whatever else uses the layout now can lose images");
        }
        Ok(Session {
            layouts: common
                .layouts
                .iter()
                .cloned()
                .map(directory)
                .collect::<Result<_, _>>()?,
            has_several: AtomicBool::new(false),
            lock_timeout: span("--lock-timeout", &common.lock_timeout)?,
            locking: !common.no_lock,
            allow_unsafe_mount: common.unsafe_mount,
            console,
            ages: Ages::default(),
            interrupt: Interrupt::listen(console),
            waiting: Mutex::default(),
            collects: false,
            is_one_of_many: false,
            work: None,
        })
    }

    /// For one of several layouts that are worked on at the same time: what is said is collected, until
    /// [`Session::say_what_was_said_of`] says it.
    pub(super) fn for_job(&self, is_one_of_many: bool) -> Session {
        Session {
            layouts: Vec::new(),
            has_several: AtomicBool::new(self.has_several.load(Ordering::Relaxed)),
            lock_timeout: self.lock_timeout,
            locking: self.locking,
            allow_unsafe_mount: self.allow_unsafe_mount,
            console: self.console,
            ages: self.ages.clone(),
            interrupt: self.interrupt.for_job(),
            waiting: Mutex::default(),
            collects: true,
            is_one_of_many,
            work: None,
        }
    }

    /// For a program that uses the crate: nothing is printed, and no signal is caught.
    pub(super) fn embedded(
        layout: PathBuf,
        lock_timeout: Duration,
        allow_unsafe_mount: bool,
        interrupt: Interrupt,
        work: Work,
    ) -> Session {
        Session {
            layouts: vec![layout],
            has_several: AtomicBool::new(false),
            lock_timeout,
            locking: true,
            allow_unsafe_mount,
            console: Console::new(ColorChoice::Never, Talk::Silent),
            ages: Ages::default(),
            interrupt,
            waiting: Mutex::default(),
            collects: true,
            is_one_of_many: false,
            work: Some(OwnWork::of(work)),
        }
    }

    /// Progress of something that may take long; see [`Progress`].
    pub(super) fn progress(&self, what: &'static str, things: &'static str) -> Progress {
        let progress = self.console.progress_if(!self.is_one_of_many, what, things);
        if let Some(work) = &self.work {
            let counter = progress.counter();
            work.set(Step {
                what,
                things,
                counter,
            });
        }
        progress
    }

    fn warning(&self, text: String) {
        self.say_now(Said::Warning(text));
    }

    /// Says what failed.
    pub(super) fn error(&self, text: String) {
        self.say_now(Said::Error(text));
    }

    fn hint(&self, text: String) {
        self.say_now(Said::Hint(text));
    }

    fn say_now(&self, said: Said) {
        match self.collects {
            true => self.waiting().push(said),
            false => self.say(said),
        }
    }

    /// What was said, for a program that uses the crate.
    pub(super) fn take_what_was_said(&self) -> Vec<String> {
        let said = std::mem::take(&mut *self.waiting()).into_iter();
        let texts = said.map(|said| match said {
            Said::Out(text)
            | Said::Err(text)
            | Said::Warning(text)
            | Said::Error(text)
            | Said::Hint(text) => text,
        });
        texts.collect()
    }

    /// Says something while a layout is locked: at once if the stream takes it, else when the lock is
    /// gone. Nobody who does not read what is said may hold up whoever wants the lock.
    pub(super) fn say_while_locked(&self, said: Said) {
        if self.console.is_quiet() && !self.console.is_silent() {
            return;
        }
        if self.collects {
            return self.waiting().push(said);
        }
        let is_ready = match said {
            Said::Out(_) => stdout_is_ready(),
            _ => self.console.is_ready(),
        };
        match is_ready {
            true => self.say(said),
            false => self.waiting().push(said),
        }
    }

    fn say(&self, said: Said) {
        match said {
            // Who does not read it is told of it when the result is printed.
            Said::Out(text) => drop(to_stdout(&format!("{text}\n"))),
            Said::Err(text) => self.console.say(&text),
            Said::Warning(text) => self.console.warning(&text),
            Said::Error(text) => self.console.error(&text),
            Said::Hint(text) => self.console.hint(&text),
        }
    }

    /// Says what had to wait. No layout is locked any more.
    pub(super) fn say_what_waited(&self) {
        self.say_what_was_said_of(self);
    }

    /// Says what was said of a layout that was worked on beside others.
    pub(super) fn say_what_was_said_of(&self, job: &Session) {
        for said in std::mem::take(&mut *job.waiting()) {
            self.say(said);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Said>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the run is about several layouts.
    pub(super) fn has_several(&self) {
        self.has_several.store(true, Ordering::Relaxed);
    }

    /// Calls `with` with the options for locking.
    pub(super) fn locking<T>(&self, with: impl FnOnce(&LockOptions<'_>) -> T) -> T {
        let waiting = |what: &str| {
            // A job that had to wait and got what it wanted is no reason to write a letter.
            let is_heard = !self.console.is_silent();
            if is_heard && (self.console.is_on_terminal() || self.console.is_verbose()) {
                let what = shown(what);
                let text = format!("Waiting for {what}, which another process uses.");
                match self.collects {
                    // Nobody waits for it to be its turn.
                    true if self.console.is_ready() => self.console.say(&text),
                    true => {}
                    false => self.say_while_locked(Said::Err(text)),
                }
            }
        };
        with(&LockOptions {
            enabled: self.locking,
            allow_unsafe_mount: self.allow_unsafe_mount,
            timeout: self.lock_timeout,
            waits_for_jobs: self.collects && self.work.is_none(),
            waiting: &waiting,
            stop: &|| self.interrupt.wanted_end(),
        })
    }

    /// Reads a layout, as if the trash were part of it.
    pub(super) fn read<M>(
        &self,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        trash: &Trash,
    ) -> anyhow::Result<Snapshot<Whole>> {
        let progress = self.progress("Reading", "manifests");
        let read = || {
            let mut each = |done| progress.set(done);
            Snapshot::read(layout, sharers, trash, &mut each)
        };
        for _ in 0..DAMAGE_RETRIES {
            let snapshot = read()?;
            if snapshot.graph.damage().is_empty() {
                return Ok(snapshot);
            }
            // Some tools write manifests in place under their final names.
            std::thread::sleep(DAMAGE_PAUSE);
        }
        read()
    }

    /// Reads a layout, and lists its blobs meanwhile: both take long and use little of the machine.
    /// With the list comes a temporary file beside the blobs that is younger than `writers_since`.
    pub(super) fn read_and_list<M>(
        &self,
        layout: &Locked<M>,
        sharers: &[Locked<Shared>],
        writers_since: Option<Timestamp>,
    ) -> anyhow::Result<(anyhow::Result<Listed>, Snapshot<Whole>)> {
        let list = || {
            let mut blobs = Vec::new();
            let each = |digest| blobs.push(digest);
            let writer = layout.list_blobs_and_writers(writers_since, each)?;
            anyhow::Ok(Listed { blobs, writer })
        };
        let read = || self.read(layout, sharers, &Trash::default());
        if self.is_one_of_many {
            // The others keep the machine busy, and a thread is more than most of them are worth.
            return Ok((list(), read()?));
        }
        layout.expect_list();
        let (listed, snapshot) = std::thread::scope(|scope| {
            match std::thread::Builder::new().spawn_scoped(scope, list) {
                Ok(listing) => {
                    let snapshot = read();
                    match listing.join() {
                        Ok(listed) => (listed, snapshot),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
                // A thread that cannot be had is one less.
                Err(_) => (list(), read()),
            }
        });
        Ok((listed, snapshot?))
    }

    pub(super) fn open(&self, path: &Path) -> anyhow::Result<Layout> {
        let layout = Layout::open(path)?.with_ages(&self.ages);
        Ok(match self.has_several.load(Ordering::Relaxed) {
            true => layout.into_one_of_several(),
            false => layout,
        })
    }

    /// Opens a layout under the shared lock.
    pub(super) fn open_shared(&self, path: &Path) -> anyhow::Result<Locked<Shared>> {
        let layout = self.open(path)?;
        self.locking(|options| layout.lock_shared(options))
    }

    /// Opens a layout to look at it. What index.json leads to and lies in the trash comes back first.
    pub(super) fn open_to_look(&self, path: &Path) -> anyhow::Result<Locked<Shared>> {
        let layout = self.open_shared(path)?;
        // What cannot be read now is reported by whoever looks.
        let Ok(Reappeared { back, damaged, .. }) = self.reappeared(&layout) else {
            return Ok(layout);
        };
        if back.is_empty() {
            self.say_damaged(&damaged);
            return Ok(layout);
        }
        drop(layout);
        if let Err(error) = self.open_to_change(path).map(drop) {
            self.warning(shown(&format!(
                "index.json leads to {} in the trash, which could not be brought back: {error:#}",
                count(back.len(), "blob", "blobs")
            )));
            let known = error
                .chain()
                .find_map(|cause| cause.downcast_ref::<Error>());
            if let Some(hint) = known.and_then(Error::hint_text) {
                self.hint(shown(hint));
            }
            self.interrupt.heed(self.console);
            self.interrupt.refuse_to_go_on(0)?;
        }
        self.open_shared(path)
    }

    /// What speaks against changing a layout, although it can be read.
    pub(super) fn unsafe_mount<M>(&self, layout: &Locked<M>) -> Option<UnsafeMount> {
        match self.allow_unsafe_mount {
            true => None,
            false => layout.unsafe_mount(),
        }
    }

    /// Opens a layout to change it. What index.json leads to and lies in the trash comes back first.
    pub(super) fn open_to_change(&self, path: &Path) -> anyhow::Result<Locked<Exclusive>> {
        let (layout, _) = self.open_to_change_beside(path, Vec::new())?;
        Ok(layout)
    }

    /// [`Session::open_to_change`], with layouts that share the blobs.
    pub(super) fn open_to_change_beside(
        &self,
        path: &Path,
        sharers: Vec<Layout>,
    ) -> anyhow::Result<(Locked<Exclusive>, Vec<Locked<Shared>>)> {
        let layout = self.open(path)?;
        let (layout, sharers) =
            self.locking(|options| layout.lock_exclusive_with(sharers, options))?;
        self.restore_reappeared(&layout)?;
        Ok((layout, sharers))
    }

    /// Blobs in the trash that index.json leads to although the layout does not have them.
    pub(super) fn reappeared<M>(&self, layout: &Locked<M>) -> anyhow::Result<Reappeared> {
        let trash = layout.trash()?;
        if trash.blobs().next().is_none() {
            return Ok(Reappeared {
                trash,
                ..Reappeared::default()
            });
        }
        let snapshot = self.read(layout, &[], &trash)?;
        let mut back = gc::reappeared(&snapshot, &trash);
        back.retain(|digest| matches!(layout.stat_blob(digest), Ok(None)));
        let damage = gc::damage_in_trash(layout, &snapshot, &trash, &back);
        back.retain(|digest| !damage.contains_key(digest));
        Ok(Reappeared {
            trash,
            back,
            damaged: damage.into_iter().collect(),
        })
    }

    /// Says what is not brought back although index.json leads to it.
    fn say_damaged(&self, damaged: &[(Digest, String)]) {
        let Some((digest, reason)) = damaged.first() else {
            return;
        };
        let more = match damaged.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        self.warning(shown(&format!(
            "index.json leads to the blob {digest} in the trash, which is damaged there and is not brought \
             back: {reason}{more}"
        )));
    }

    /// Brings them back, and clears away removals that a killed run left without anything in them.
    fn restore_reappeared(&self, layout: &Locked<Exclusive>) -> anyhow::Result<()> {
        let Reappeared {
            trash,
            back,
            damaged,
        } = self.reappeared(layout)?;
        self.say_damaged(&damaged);
        if !back.is_empty() {
            let sizes = back.iter().map(|d| layout.size_of_trashed(&trash, d));
            let sizes: Vec<u64> = sizes.collect();
            let stop = || self.interrupt.signal().is_some();
            self.interrupt.begin_change(0)?;
            let progress = self.progress("Bringing back", "blobs");
            let all = sizes.iter().copied().fold(0, u64::saturating_add);
            progress.expect(back.len() as u64, all);
            let watch = Watch {
                progress: &progress,
                stop: &stop,
            };
            let blobs = back.iter().zip(sizes.iter().copied());
            let came = restore_blobs(layout, &trash, blobs, &watch);
            drop(progress);
            if let Ok(RestoredBlobs { tried, moved }) = came
                && moved > 0
            {
                let bytes = sizes[..tried].iter().copied().fold(0, u64::saturating_add);
                let back = format!(
                    "Brought {} ({}) back from the trash: index.json leads to them again.",
                    count(moved, "blob", "blobs"),
                    size(bytes)
                );
                self.say_while_locked(Said::Err(back));
            }
            if came.as_ref().is_ok_and(|came| came.moved == 0) {
                self.interrupt.nothing_changed();
            }
            self.interrupt.restored();
            came?;
            self.interrupt.heed(self.console);
            self.interrupt.refuse_to_go_on(0)?;
        }
        for removal in trash.removals() {
            if removal.record == RecordFile::Missing && removal.blobs.is_empty() {
                // Not being able to remove garbage is no reason not to do what was asked.
                let _ = layout.empty_removal(&removal.id);
            }
        }
        if trash.is_there() && trash.is_empty() {
            layout.remove_empty_trash();
        }
        Ok(())
    }
}

/// What index.json leads to and only the trash has.
#[derive(Default)]
pub(super) struct Reappeared {
    pub(super) trash: Trash,
    /// What can come back.
    pub(super) back: Vec<Digest>,
    /// What is damaged there and stays, and what is wrong with it.
    pub(super) damaged: Vec<(Digest, String)>,
}

/// A span of time given to an option; never negative.
pub(super) fn span(option: &str, text: &str) -> anyhow::Result<Duration> {
    let span = parse_duration(text).map_err(|e| Error::usage(format!("{option}: {e}")))?;
    let is_negative = |_| Error::usage(format!("{option}: `{text}` is negative"));
    Ok(Duration::try_from(span).map_err(is_negative)?)
}
