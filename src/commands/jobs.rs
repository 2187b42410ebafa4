//! Several layouts at once, each a job. What is said and printed of them comes in the order of their paths,
//! whichever is done first: the thread that called prints, and what a job says is collected, but for that it
//! waits for somebody.
//!
//! How many jobs go on at once follows what they wait for: where the disk is far away they spend their time
//! waiting, and further ones begin until they do not, or until there are [`MOST`]. Layouts that lead to the
//! same blobs are a group and follow each other, for each needs the lock that the other has.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope, scope};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::failed;
use super::interrupt::LAST_FILES;
use super::session::Session;
use crate::error::ErrorKind;
use crate::files::temporary::leave_none;
use crate::report::progress::Progress;
use crate::words::count;
use crate::workers::processors;

/// The most jobs that begin by themselves.
const MOST: usize = 64;

/// How many layouts may be done before one that is to be printed before them.
const AHEAD: usize = 512;

/// Bytes of index.json that further jobs read at once, and about those that results hold in memory that wait to
/// be printed. A job needs several times as much memory as its index.json has bytes.
const HELD: u64 = 64 << 20;

/// How long a job works until it is found out how much of that was waiting.
const PERIOD: Duration = Duration::from_millis(10);

/// How often it is looked for a signal.
const SIGNALS: Duration = Duration::from_millis(50);

/// How many results are taken together where they come fast: whoever prints is woken for them, and takes a
/// processor from a job each time.
const TOGETHER: usize = 16;

/// So few layouts show how far each of them is.
const FEW_LAYOUTS: usize = 4;

/// Layouts, and how they are to be worked on.
pub(super) struct Batch<'a> {
    pub(super) session: &'a Session,
    pub(super) layouts: &'a [PathBuf],
    /// Numbers of layouts that follow each other; the first of each group in order.
    pub(super) groups: Vec<Vec<usize>>,
    /// So many at once; else as many as pay.
    pub(super) jobs: Option<usize>,
    /// Layouts that are read beside each of them.
    pub(super) beside: &'a [PathBuf],
    /// What is being done to them, as progress says it.
    pub(super) what: &'static str,
}

/// What is done with each layout, and what happens then.
pub(super) trait Job<T>: Sync {
    /// Works on one layout. Its number says which of them it is. It may be one of several at the same time.
    fn work(&self, session: &Session, number: usize, layout: &Path) -> T;

    /// About how many bytes a result holds in memory.
    fn held(&self, _: &T) -> u64 {
        0
    }

    /// Whether anything was changed.
    fn has_changed(&self, _: &T) -> bool {
        false
    }

    /// Whether a signal ended the work before anything was changed.
    fn is_interrupted(&self, _: &T) -> bool {
        false
    }
}

/// Who takes the results, in the order of the layouts.
pub(super) trait Results<T> {
    /// Takes the result of one layout, of which everything was said that its work had to say.
    ///
    /// # Errors
    /// Nobody can be told any more: no further layout is begun.
    fn take(&mut self, layout: &Path, result: T) -> anyhow::Result<()>;

    /// A signal came, and so many layouts were not worked on, or not to the end and without a change. The
    /// value is the exit status.
    ///
    /// # Errors
    /// As above.
    fn interrupted(&mut self, left: usize, signal: i32) -> anyhow::Result<u8>;
}

impl Batch<'_> {
    /// Each layout a group of its own.
    pub(super) fn alone(layouts: &[PathBuf]) -> Vec<Vec<usize>> {
        (0..layouts.len()).map(|number| vec![number]).collect()
    }

    /// Works on all layouts. The value is `None`, or the exit status if a signal came.
    ///
    /// # Errors
    /// Nobody can be told any more.
    pub(super) fn run<T: Send>(
        &self,
        job: &impl Job<T>,
        results: &mut impl Results<T>,
    ) -> anyhow::Result<Option<u8>> {
        let bound = with_files(most_files()).min(reading(index_bytes(self.beside)));
        let few = self
            .jobs
            .unwrap_or_else(|| processors().min(MOST))
            .min(bound);
        let most = self.jobs.unwrap_or(MOST).min(self.groups.len()).min(bound);
        let (console, layouts) = (self.session.console, self.layouts.len());
        let progress = console.progress_if(layouts > 1, self.what, "layouts");
        progress.expect(layouts as u64, 0);
        if most <= 1 {
            return self.one_by_one(job, results, &progress);
        }
        let pool = Pool {
            batch: self,
            job,
            progress: &progress,
            few: few.min(most),
            most,
            queue: Mutex::default(),
            changed: Condvar::new(),
            made: Condvar::new(),
        };
        scope(|scope| {
            pool.lock().threads = pool.few;
            if pool.begin(scope, pool.few) == 0 {
                return self.one_by_one(job, results, &progress);
            }
            // Whatever happens, no thread goes on when this is over.
            let _ending = Ending(&pool);
            pool.take_all(results)
        })
    }

    fn one_by_one<T>(
        &self,
        job: &impl Job<T>,
        results: &mut impl Results<T>,
        progress: &Progress,
    ) -> anyhow::Result<Option<u8>> {
        let session = self.session;
        for (number, layout) in self.layouts.iter().enumerate() {
            if let Some(signal) = session.interrupt.signal() {
                let left = self.layouts.len() - number;
                return results.interrupted(left, signal).map(Some);
            }
            let result = job.work(session, number, layout);
            session.say_what_waited();
            results.take(layout, result)?;
            session.interrupt.reported();
            progress.add(0);
        }
        Ok(None)
    }
}

/// What one job made, or how it came to grief.
type Made<T> = Result<T, Box<dyn Any + Send>>;

/// What one job made, and what it had to say.
type Done<T> = (Session, Made<T>);

/// The threads of a batch.
struct Pool<'a, J, T> {
    batch: &'a Batch<'a>,
    job: &'a J,
    /// One more with each layout that is done.
    progress: &'a Progress,
    /// How many begin.
    few: usize,
    most: usize,
    queue: Mutex<Queue<T>>,
    /// Something of the queue did, for threads that wait for their turn.
    changed: Condvar,
    /// The same, for whoever takes the results.
    made: Condvar,
}

/// Ends the work of the threads when it is dropped. After a panic nobody begins to change anything any more;
/// else the run may go on, with what was decided here.
struct Ending<'p, 'a, J, T>(&'p Pool<'a, J, T>);

impl<J, T> Drop for Ending<'_, '_, J, T> {
    fn drop(&mut self) {
        let pool = self.0;
        if std::thread::panicking() {
            pool.batch.session.interrupt.close();
        }
        let mut queue = pool.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.is_over = true;
        drop(queue);
        pool.changed.notify_all();
        pool.made.notify_all();
    }
}

struct Queue<T> {
    /// The group that is begun next.
    next: usize,
    /// The layout that is printed next.
    printed: usize,
    done: BTreeMap<usize, Box<Done<T>>>,
    /// Bytes that what is done holds, and those of index.json of further jobs.
    held: u64,
    threads: usize,
    /// How many of them wait for their turn.
    waiting: usize,
    /// How long jobs worked since it was last decided whether further ones begin, and how much of that
    /// they waited.
    time: Duration,
    waited: Duration,
    is_over: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            next: 0,
            printed: 0,
            done: BTreeMap::new(),
            held: 0,
            threads: 0,
            waiting: 0,
            time: Duration::ZERO,
            waited: Duration::ZERO,
            is_over: false,
        }
    }
}

impl<T: Send, J: Job<T>> Pool<'_, J, T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for results, and looks now and then whether there are any.
    fn wait<'q>(&self, queue: MutexGuard<'q, Queue<T>>) -> MutexGuard<'q, Queue<T>> {
        let waited = self.made.wait_timeout(queue, SIGNALS);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for a turn.
    fn wait_in_turn<'q>(&self, mut queue: MutexGuard<'q, Queue<T>>) -> MutexGuard<'q, Queue<T>> {
        queue.waiting += 1;
        let waited = self.changed.wait_timeout(queue, SIGNALS);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.waiting -= 1;
        queue
    }

    /// Begins threads that are in the queue's count already. The value is how many there are now.
    fn begin<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, count: usize) -> usize {
        for begun in 0..count {
            let thread = Builder::new().name("layout".to_owned());
            if thread.spawn_scoped(scope, || self.work(scope)).is_err() {
                // Threads that cannot be had are so many less.
                self.lock().threads -= count - begun;
                break;
            }
        }
        self.lock().threads
    }

    fn stop(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
        self.made.notify_all();
    }

    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let mut pace = Pace::default();
        while let Some((group, weight)) = self.next_group() {
            for number in group {
                if self.wait_for_turn(*number) {
                    return;
                }
                let is_one_of_many = self.batch.layouts.len() > FEW_LAYOUTS;
                let session = self.batch.session.for_job(is_one_of_many);
                pace.begin();
                let layout = &self.batch.layouts[*number];
                let work = || self.job.work(&session, *number, layout);
                let made = catch_unwind(AssertUnwindSafe(work));
                let held = made.as_ref().map_or(0, |made| self.job.held(made));
                let done = Box::new((session, made));
                let waited = pace.end();
                let mut queue = self.lock();
                if let Some((time, waited)) = waited {
                    queue.time += time;
                    queue.waited += waited;
                }
                queue.held += held;
                queue.done.insert(*number, done);
                let further = queue.further(self.most);
                let is_time = queue.is_time_to_take(self.batch.groups.len());
                drop(queue);
                if is_time {
                    self.made.notify_all();
                }
                self.begin(scope, further);
            }
            self.lock().held -= weight;
        }
    }

    /// Waits while too much is done that is to be printed later. The value tells whether all is over.
    fn wait_for_turn(&self, number: usize) -> bool {
        let groups = &self.batch.groups;
        let mut queue = self.lock();
        loop {
            let next = groups.get(queue.next).and_then(|group| group.first());
            // Somebody has to begin with what is printed next.
            let is_begun = next.is_none_or(|first| *first > queue.printed);
            let is_far =
                number > queue.printed && (number >= queue.printed + AHEAD || queue.held >= HELD);
            if queue.is_over || !is_begun || !is_far {
                return queue.is_over;
            }
            self.made.notify_all();
            queue = self.wait_in_turn(queue);
        }
    }

    /// The group that is begun next, and bytes of index.json that it is about to hold.
    fn next_group(&self) -> Option<(&[usize], u64)> {
        let groups = &self.batch.groups;
        let mut queue = self.lock();
        loop {
            let group = groups.get(queue.next).filter(|_| !queue.is_over)?;
            let first = group.first().copied().unwrap_or(0);
            let is_next = first <= queue.printed;
            if is_next || first < queue.printed + AHEAD && queue.held < HELD {
                queue.next += 1;
                let is_further = self.batch.jobs.is_none() && queue.threads > self.few;
                if group.len() == 1 && !is_further {
                    return Some((group, 0));
                }
                drop(queue);
                // Each of a group is read beside the others. Where further jobs pay, one more question is no
                // matter.
                let layouts = group.iter().map(|number| &self.batch.layouts[*number]);
                let weight = index_bytes(layouts).min(HELD);
                self.lock().held += weight;
                return Some((group, weight));
            }
            self.made.notify_all();
            queue = self.wait_in_turn(queue);
        }
    }

    /// Takes all results in order.
    fn take_all(&self, results: &mut impl Results<T>) -> anyhow::Result<Option<u8>> {
        let all = self.batch.layouts.len();
        for number in 0..all {
            let mut queue = self.lock();
            let (session, made) = loop {
                if let Some(signal) = self.batch.session.interrupt.signal() {
                    drop(queue);
                    return self.take_what_is_there(number, signal, results);
                }
                match queue.done.remove(&number) {
                    Some(done) => break *done,
                    None => queue = self.wait(queue),
                }
            };
            queue.printed = number + 1;
            let held = made.as_ref().map_or(0, |made| self.job.held(made));
            queue.held -= held;
            let is_waited_for = queue.waiting > 0;
            drop(queue);
            if is_waited_for {
                self.changed.notify_all();
            }
            let result = made.unwrap_or_else(|panic| {
                self.tell_nobody();
                resume_unwind(panic)
            });
            let taken = self.take(number, &session, result, results);
            if let Err(error) = taken {
                self.tell_nobody();
                return Err(error);
            }
        }
        Ok(None)
    }

    fn take(
        &self,
        number: usize,
        session: &Session,
        result: T,
        results: &mut impl Results<T>,
    ) -> anyhow::Result<()> {
        self.batch.session.say_what_was_said_of(session);
        let taken = results.take(&self.batch.layouts[number], result);
        session.interrupt.reported();
        self.progress.add(0);
        taken
    }

    /// Nothing can be printed any more: what is being changed goes on to its end, and nothing else. That it
    /// was is said where that is still possible.
    fn tell_nobody(&self) {
        let session = self.batch.session;
        session.interrupt.close();
        self.stop();
        self.wait_for_changes();
        let done = std::mem::take(&mut self.lock().done);
        self.say_untold(done.into_values().map(|done| *done));
    }

    /// Says how many of these layouts were changed: nothing else can be printed of them.
    fn say_untold(&self, done: impl Iterator<Item = (Session, Made<T>)>) {
        let mut untold = 0;
        for (session, made) in done {
            let has_changed = |made| self.job.has_changed(made);
            let has_changed = made.as_ref().map_or(true, has_changed);
            let interrupt = &session.interrupt;
            if interrupt.is_changing() && (has_changed || interrupt.has_restored()) {
                untold += 1;
            }
            interrupt.reported();
        }
        if untold > 0 {
            let (one, several) = ("further layout was", "further layouts were");
            let untold = count(untold, one, several);
            let text = format!("{untold} changed, and what was done there could not be printed");
            self.batch.session.console.error(&text);
        }
    }

    /// Waits until nothing is being changed that is not reported.
    fn wait_for_changes(&self) {
        let interrupt = &self.batch.session.interrupt;
        let mut queue = self.lock();
        loop {
            let done = queue.done.values();
            let unreported = done.filter(|done| done.0.interrupt.is_changing());
            if unreported.count() >= interrupt.changing() {
                return;
            }
            queue = self.wait(queue);
        }
    }

    /// After a signal: waits until nothing is being changed, takes what is done, and ends the program, for
    /// others may be waiting for a disk.
    fn take_what_is_there(
        &self,
        first: usize,
        signal: i32,
        results: &mut impl Results<T>,
    ) -> anyhow::Result<Option<u8>> {
        self.stop();
        self.wait_for_changes();
        let mut queue = self.lock();
        let done = std::mem::take(&mut queue.done);
        drop(queue);
        let interrupt = &self.batch.session.interrupt;
        // A second signal waits for the end of this one.
        interrupt.begin_end();
        let mut left = self.batch.layouts.len() - first;
        let mut done = done.into_iter().map(|(number, done)| (number, *done));
        let mut taken = Ok(());
        for (number, (session, made)) in done.by_ref() {
            let is_interrupted = |made| self.job.is_interrupted(made);
            if session.interrupt.is_changing() || !made.as_ref().is_ok_and(is_interrupted) {
                left -= 1;
                taken = match made {
                    Ok(result) => self.take(number, &session, result, results),
                    Err(panic) => {
                        self.say_untold(done.map(|(_, done)| done));
                        resume_unwind(panic)
                    }
                };
                if taken.is_err() {
                    break;
                }
            }
        }
        let status = taken.and_then(|()| results.interrupted(left, signal));
        let console = self.batch.session.console;
        let status = status.unwrap_or_else(|error| {
            self.say_untold(done.map(|(_, done)| done));
            failed(console, &error);
            ErrorKind::Interrupted(signal).exit_status()
        });
        console.end_progress();
        leave_none(LAST_FILES);
        std::process::exit(status.into());
    }
}

impl<T> Queue<T> {
    /// Whether whoever takes the results is to be woken, who looks for some now and then anyway. Near the end
    /// there may be nobody else to do so.
    fn is_time_to_take(&self, groups: usize) -> bool {
        self.done.len().is_multiple_of(TOGETHER) || self.next >= groups || self.held >= HELD / 2
    }

    /// How many further threads are to begin; they count from now on.
    fn further(&mut self, most: usize) -> usize {
        if self.threads >= most || self.time < PERIOD * u32::try_from(self.threads).unwrap_or(1) {
            return 0;
        }
        let waits = self.waited * 2 > self.time;
        (self.time, self.waited) = (Duration::ZERO, Duration::ZERO);
        let further = match waits {
            true => self.threads.min(most - self.threads),
            false => 0,
        };
        self.threads += further;
        further
    }
}

/// How many jobs there can be where each of them reads so many bytes of index.json that it does not work on.
fn reading(bytes: u64) -> usize {
    usize::try_from(HELD / bytes.max(1)).map_or(usize::MAX, |jobs| jobs.max(1))
}

/// Bytes of index.json of several layouts.
fn index_bytes<'a>(layouts: impl IntoIterator<Item = &'a PathBuf>) -> u64 {
    let bytes = layouts.into_iter().map(|layout| {
        let index = std::fs::metadata(layout.join("index.json"));
        index.map_or(0, |index| index.len())
    });
    bytes.fold(0, u64::saturating_add)
}

/// Files that a process has open beside those of its jobs.
const OTHER_FILES: u64 = 40;

/// Files that a job has open, with a few threads that read.
const FILES_OF_EACH: u64 = 20;

/// How many jobs there can be where a process may have so many files open.
fn with_files(most: u64) -> usize {
    let jobs = most.saturating_sub(OTHER_FILES) / FILES_OF_EACH;
    usize::try_from(jobs).unwrap_or(usize::MAX).max(1)
}

/// How many files this process may have open. It takes as many as it may have.
fn most_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised,
        Err(_) => limit,
    };
    limit.current.unwrap_or(u64::MAX)
}

/// What a thread spends its time with.
#[derive(Default)]
struct Pace {
    began: Option<Instant>,
    /// How long it worked.
    time: Duration,
    /// How long a processor had worked for it when that began, if that is known.
    busy_before: Option<Duration>,
    /// How long it could have worked and had no processor, all in all.
    delayed: Duration,
}

impl Pace {
    fn begin(&mut self) {
        self.began = Some(Instant::now());
        // What it does between two layouts is not worth a question.
        self.busy_before.get_or_insert_with(busy);
    }

    /// How long the thread worked on several layouts, and how much of that it waited for something else than
    /// a processor; now and then.
    fn end(&mut self) -> Option<(Duration, Duration)> {
        self.time += self.began.take()?.elapsed();
        if self.time < PERIOD {
            return None;
        }
        let (delayed, now) = (delayed(), busy());
        let delay = delayed.saturating_sub(self.delayed);
        let busy = now.saturating_sub(self.busy_before?);
        let time = self.time;
        *self = Pace {
            delayed,
            busy_before: Some(now),
            ..Pace::default()
        };
        Some((time, time.saturating_sub(busy + delay)))
    }
}

/// How long a processor has worked for this thread.
fn busy() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long this thread could have worked while others had all processors; 0 where nobody knows.
fn delayed() -> Duration {
    let known = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let delayed = known.split(' ').nth(1);
    let delayed = delayed.and_then(|nanoseconds| nanoseconds.parse().ok());
    Duration::from_nanos(delayed.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many again as there are, while more than half of the time is waiting, and never too many.
    #[test]
    fn further_jobs_begin_while_those_that_there_are_wait() {
        for (threads, time, waited, most, expected) in [
            (2, 100, 90, 64, 2),
            (2, 100, 50, 64, 0),
            (2, 15, 15, 64, 0),
            (40, 1000, 1000, 64, 24),
            (64, 1000, 1000, 64, 0),
        ] {
            let mut queue = Queue::<()> {
                threads,
                time: Duration::from_millis(time),
                waited: Duration::from_millis(waited),
                ..Queue::default()
            };
            assert_eq!(queue.further(most), expected);
            assert_eq!(queue.threads, threads + expected);
        }
    }

    #[test]
    fn so_many_jobs_as_files_may_be_open() {
        for (files, jobs) in [(0, 1), (64, 1), (128, 4), (256, 10), (1024, 49)] {
            assert_eq!(with_files(files), jobs);
        }
        assert!(with_files(u64::MAX) > MOST);
    }

    /// PA1: jobs that all read something large are few.
    #[test]
    fn so_many_jobs_as_can_read_what_all_of_them_read() {
        let large = HELD * 2;
        for (bytes, jobs) in [(large, 1), (HELD, 1), (HELD / 3, 3), (HELD / 100, 100)] {
            assert_eq!(reading(bytes), jobs);
        }
        assert!(reading(0) > MOST);
    }

    #[test]
    fn a_thread_that_sleeps_waits() {
        let mut pace = Pace::default();
        pace.begin();
        std::thread::sleep(PERIOD * 2);
        let (time, waited) = pace.end().unwrap();
        assert!(time >= PERIOD * 2 && waited > PERIOD);
    }
}
