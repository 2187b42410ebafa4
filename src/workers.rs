//! Working on many small files with several threads: as many as the disk likes.
//!
//! With all files in memory, what takes the time is the kernel opening them, and as many threads as
//! there are processors are about as many times faster than one. With files on a disk, threads wait, and
//! the disk is fastest when many wait at a time: an old one with a few, one that is far away with
//! hundreds. So [`Workers`] watch how long files take, become more when it is long, and go on becoming
//! more for as long as that makes them faster. All workers of the process together are at most
//! [`MOST_THREADS`]. Who works on what decides nothing: results come back in the order of the requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{Builder, Scope, available_parallelism, scope};
use std::time::{Duration, Instant};

/// How many files it takes to make further threads worth their while where files take no time.
const WORTH_THREADS: usize = 128;

/// The most threads that one piece of work begins with before it is known how many the disk likes. Every
/// disk that is waited for likes so many.
const MODEST: usize = 16;

/// The most threads that all workers of the process have, beside those that give them work.
pub(crate) const MOST_THREADS: usize = 256;

/// How large the stack of a thread may become. Only what is used of it takes memory.
const STACK: usize = 1 << 20;

/// The most files that a thread takes at a time.
const SHARE: usize = 16;

/// What a file takes for which the disk is waited for. One in memory takes a tenth of it.
const SLOW: Duration = Duration::from_micros(60);

/// How many more slow shares than others it takes to believe it: a thread that has to give way to
/// another process looks slow as well.
const BELIEVED: usize = 4;

/// Further slow shares are remembered up to here, so that a few others do not change what is believed.
const CERTAIN: usize = 2 * BELIEVED;

/// A share that took this many times longer than a slow one counts as two.
const VERY_SLOW: u32 = 10;

/// What is known of the disk, for all work of one kind that the process does.
#[derive(Debug)]
struct Seen {
    /// How many more shares were seen to take long than not to.
    slow: AtomicUsize,
    /// The most threads that made the work faster than half as many.
    paid: AtomicUsize,
}

impl Seen {
    const fn new() -> Seen {
        Seen {
            slow: AtomicUsize::new(0),
            paid: AtomicUsize::new(0),
        }
    }

    fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed) >= BELIEVED
    }

    /// Takes note of how long a share took. The value tells whether the disk is waited for.
    fn note(&self, took: Duration, files: usize) -> bool {
        let files = u32::try_from(files).unwrap_or(u32::MAX);
        let slow = SLOW.saturating_mul(files);
        let count = self.slow.load(Ordering::Relaxed);
        // A count that another thread makes at the same time may be lost; more will follow.
        let count = match took {
            _ if took > slow.saturating_mul(VERY_SLOW) => (count + 2).min(CERTAIN),
            _ if took > slow => (count + 1).min(CERTAIN),
            _ => count.saturating_sub(1),
        };
        self.slow.store(count, Ordering::Relaxed);
        count >= BELIEVED
    }
}

/// The right to have one more thread, until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit(&'static AtomicUsize);

impl Permit {
    /// One of those that the process has, if any is left. Whoever works with threads of his own takes one
    /// for each.
    pub(crate) fn take() -> Option<Permit> {
        static LEFT: AtomicUsize = AtomicUsize::new(MOST_THREADS);
        Permit::of(&LEFT)
    }

    fn of(left: &'static AtomicUsize) -> Option<Permit> {
        let one_less = |left: usize| left.checked_sub(1);
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        // Not made before it is one: it would be given back.
        taken.is_ok().then(|| Permit(left))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many threads a disk likes, found out by trying: twice as many, again and again, until that makes
/// nothing faster.
#[derive(Debug, Default)]
struct Growth {
    /// How many files a second fewer threads have done, and how many those were.
    before: Option<(f64, usize)>,
    /// Whether the threads that there are were measured once and found no faster.
    is_doubted: bool,
    /// Whether the number stays as it is from now on.
    is_settled: bool,
}

/// How much faster twice as many threads have to be. On a disk that only waits it is two.
const PAYS: f64 = 1.2;

impl Growth {
    /// How many threads are to work from now on, after so many have done so many files in this time. None
    /// if that is too little to say anything.
    fn judge(&mut self, threads: usize, files: usize, took: Duration) -> Option<usize> {
        if self.is_settled || files < 2 * threads || took.is_zero() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = files as f64 / took.as_secs_f64();
        match self.before {
            Some((before, fewer)) if rate < before * PAYS => {
                // Once may be chance: the first files of new threads, or another process.
                if !self.is_doubted {
                    self.is_doubted = true;
                    return Some(threads);
                }
                self.is_settled = true;
                Some(fewer)
            }
            _ => {
                self.before = Some((rate, threads));
                self.is_doubted = false;
                self.is_settled = threads >= MOST_THREADS;
                let more = if threads < MODEST {
                    MODEST
                } else {
                    threads * 2
                };
                Some(more.min(MOST_THREADS))
            }
        }
    }
}

/// How many threads take files out of a directory in memory: one holds the directory while the other gives
/// back what its file took. More wait for each other.
const UNLINKING: usize = 2;

/// How many processors there are for this process.
pub(crate) fn processors() -> usize {
    // Asking reads half a dozen files, and a run may be about thousands of layouts.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| available_parallelism().map_or(1, usize::from))
}

/// Threads for one piece of work, which comes in one go or several.
#[derive(Debug)]
pub(crate) struct Workers {
    /// How many begin where nobody waits for the disk.
    few: usize,
    /// How many files it takes for more than that.
    worth: usize,
    seen: &'static Seen,
    /// How many the disk likes, as far as this piece of work has found out.
    growth: Mutex<Growth>,
    /// How many are to work now. Zero until files are seen to be slow.
    wanted: AtomicUsize,
    permit: fn() -> Option<Permit>,
}

impl Workers {
    /// For what each processor can do beside the others: reading and looking.
    pub(crate) fn for_reading() -> Workers {
        static SEEN: Seen = Seen::new();
        Workers::new(processors().min(MODEST), 1, &SEEN, Permit::take)
    }

    /// For taking files out of a directory. The kernel lets only one do that at a time, but it gives back
    /// what a file took outside of that, and meanwhile another can. A few of them go one after the other,
    /// whatever the disk.
    pub(crate) fn for_unlinking() -> Workers {
        static SEEN: Seen = Seen::new();
        let few = processors().min(UNLINKING);
        Workers::new(few, WORTH_THREADS, &SEEN, Permit::take)
    }

    fn new(
        few: usize,
        worth: usize,
        seen: &'static Seen,
        permit: fn() -> Option<Permit>,
    ) -> Workers {
        Workers {
            few,
            worth,
            seen,
            growth: Mutex::default(),
            wanted: AtomicUsize::new(0),
            permit,
        }
    }

    /// Whether the disk is waited for, as far as was seen.
    pub(crate) fn are_waiting(&self) -> bool {
        self.seen.is_slow()
    }

    /// How many threads begin with so many files, whoever gives them the work included.
    fn to_begin(&self, files: usize) -> usize {
        let threads = match self.wanted.load(Ordering::Relaxed) {
            _ if files < self.worth || !self.seen.is_slow() => match files {
                0..WORTH_THREADS => 1,
                _ => self.few,
            },
            0 => MODEST.max(self.seen.paid.load(Ordering::Relaxed)),
            wanted => wanted,
        };
        threads.clamp(1, files.max(1))
    }

    /// Calls `work` with each request, and collects what it returns. This thread does `meanwhile`
    /// first, and helps then.
    pub(crate) fn map<T: Sync, R: Send>(
        &self,
        requests: &[T],
        work: &(dyn Fn(&T, &mut Vec<u8>) -> R + Sync),
        meanwhile: impl FnOnce(),
    ) -> Vec<R> {
        let share = |share: &[T]| -> Vec<R> {
            let mut buffer = Vec::new();
            let results = share.iter().map(|request| work(request, &mut buffer));
            results.collect()
        };
        let mut all = Vec::with_capacity(requests.len());
        if self.to_begin(requests.len()) > 1 {
            let (results, ()) = self.map_shares(requests, SHARE, &share, meanwhile);
            all.extend(results.into_iter().flatten());
            return all;
        }
        meanwhile();
        let rest = self.map_alone(requests, work, &mut all);
        if !rest.is_empty() {
            let (results, ()) = self.map_shares(rest, SHARE, &share, || ());
            all.extend(results.into_iter().flatten());
        }
        all
    }

    /// Works on requests one after the other in this thread: a run may be about thousands of layouts with a few files
    /// each. The value are those that are left when others are to help, because the disk is waited for.
    fn map_alone<'r, T, R>(
        &self,
        requests: &'r [T],
        work: &dyn Fn(&T, &mut Vec<u8>) -> R,
        all: &mut Vec<R>,
    ) -> &'r [T] {
        let (mut rest, mut buffer) = (requests, Vec::new());
        // As in `Pool::run`.
        let mut take = 1;
        while !rest.is_empty() {
            let (share, later) = rest.split_at(take.min(rest.len()));
            let begun = Instant::now();
            all.extend(share.iter().map(|request| work(request, &mut buffer)));
            rest = later;
            if !self.seen.note(begun.elapsed(), share.len()) {
                take = (take * 2).min(SHARE);
            } else if rest.len() >= self.worth {
                break;
            } else {
                take = 1;
            }
        }
        rest
    }

    /// [`Workers::map`] for requests that are done several at a time: at most `share`, and fewer where
    /// each takes long. What `meanwhile` makes comes with the results.
    pub(crate) fn map_shares<T: Sync, R: Send, M>(
        &self,
        requests: &[T],
        share: usize,
        work: &(dyn Fn(&[T]) -> R + Sync),
        meanwhile: impl FnOnce() -> M,
    ) -> (Vec<R>, M) {
        let threads = self.to_begin(requests.len());
        let pool = Pool {
            workers: self,
            requests,
            share: share.max(1),
            work,
            next: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            threads: AtomicUsize::new(threads),
            measured: Mutex::new(Measured {
                begun: 1,
                since: Instant::now(),
                finished: 0,
            }),
            done: Mutex::default(),
        };
        let made = scope(|scope| {
            if threads > 1 {
                let measured = pool.measured.lock();
                let mut measured = measured.unwrap_or_else(PoisonError::into_inner);
                pool.begin(scope, &mut measured, threads);
            }
            let made = meanwhile();
            pool.run(scope, 0);
            made
        });
        let done = pool.done.into_inner();
        let mut done = done.unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(number, _)| *number);
        (done.into_iter().map(|(_, result)| result).collect(), made)
    }
}

/// What the threads of one go share.
struct Pool<'a, T, R> {
    workers: &'a Workers,
    requests: &'a [T],
    share: usize,
    work: &'a (dyn Fn(&[T]) -> R + Sync),
    /// The first request that nobody has taken.
    next: AtomicUsize,
    /// How many requests are done.
    finished: AtomicUsize,
    /// How many threads are to work. One with a higher number ends.
    threads: AtomicUsize,
    measured: Mutex<Measured>,
    /// Results, and the numbers of their first requests.
    done: Mutex<Vec<(usize, R)>>,
}

/// Since when the present threads are measured.
struct Measured {
    /// How many threads have begun.
    begun: usize,
    since: Instant,
    /// How many requests were done by then.
    finished: usize,
}

impl<T: Sync, R: Send> Pool<'_, T, R> {
    /// Begins threads until there are so many, or no more can be had: those are so many less.
    fn begin<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        measured: &mut Measured,
        threads: usize,
    ) {
        for number in measured.begun..threads {
            let Some(permit) = (self.workers.permit)() else {
                return;
            };
            let run = move || {
                self.run(scope, number);
                drop(permit);
            };
            if Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, run)
                .is_err()
            {
                return;
            }
            measured.begun = number + 1;
        }
    }

    fn run<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, number: usize) {
        let mut done = Vec::new();
        // Until it is known how long one takes, nobody is kept waiting for many.
        let mut take = 1;
        while number == 0 || number < self.threads.load(Ordering::Relaxed) {
            let start = self.next.fetch_add(take, Ordering::Relaxed);
            let end = (start + take).min(self.requests.len());
            let Some(share) = self
                .requests
                .get(start..end)
                .filter(|share| !share.is_empty())
            else {
                break;
            };
            let begun = Instant::now();
            done.push((start, (self.work)(share)));
            let took = begun.elapsed();
            self.finished.fetch_add(share.len(), Ordering::Relaxed);
            if self.workers.seen.note(took, share.len()) {
                if self.requests.len() >= self.workers.worth {
                    self.adapt(scope);
                }
                take = 1;
            } else {
                take = (take * 2).min(self.share);
            }
        }
        let mut all = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(done);
    }

    /// Makes the threads as many as the disk likes, as far as that is known.
    fn adapt<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        // Whoever comes while another decides need not decide.
        let (Ok(mut measured), Ok(mut growth)) =
            (self.measured.try_lock(), self.workers.growth.try_lock())
        else {
            return;
        };
        let threads = self.threads.load(Ordering::Relaxed);
        let taken = self.next.load(Ordering::Relaxed).min(self.requests.len());
        let left = self.requests.len() - taken;
        // With nothing left to take, further threads have nothing to do and tell nothing.
        if left == 0 {
            return;
        }
        let finished = self.finished.load(Ordering::Relaxed);
        let files = finished.saturating_sub(measured.finished);
        let Some(wanted) = growth.judge(threads, files, measured.since.elapsed()) else {
            return;
        };
        if let Some((_, paid)) = growth.before
            && paid > MODEST
        {
            self.workers.seen.paid.store(paid, Ordering::Relaxed);
        }
        self.workers.wanted.store(wanted, Ordering::Relaxed);
        self.threads.store(wanted, Ordering::Relaxed);
        self.begin(scope, &mut measured, wanted.min(threads + left));
        (measured.since, measured.finished) = (Instant::now(), finished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Workers that know nothing of what other tests see.
    fn workers(few: usize) -> Workers {
        Workers::new(few, 1, Box::leak(Box::new(Seen::new())), Permit::take)
    }

    #[test]
    fn results_are_in_the_order_of_the_requests() {
        for workers in [workers(1), workers(2), workers(MODEST)] {
            for count in [0, 1, 127, 128, 5000] {
                let requests: Vec<usize> = (0..count).collect();
                let results = workers.map(&requests, &|request, _| request * 2, || ());
                let expected: Vec<usize> = requests.iter().map(|request| request * 2).collect();
                assert_eq!(results, expected);
            }
        }
    }

    /// Work that takes long, and counts.
    #[derive(Default)]
    struct Slow {
        now: AtomicUsize,
        most: AtomicUsize,
        times: Vec<AtomicUsize>,
    }

    impl Slow {
        fn new(files: usize) -> Slow {
            let times = (0..files).map(|_| AtomicUsize::new(0)).collect();
            Slow {
                times,
                ..Slow::default()
            }
        }

        fn work(&self, request: usize) -> usize {
            let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
            std::thread::sleep(SLOW * 3 * VERY_SLOW);
            self.now.fetch_sub(1, Ordering::Relaxed);
            self.times[request].fetch_add(1, Ordering::Relaxed);
            request
        }

        /// Does all of it with these workers. The value is how many worked at the same time, at most.
        fn run(&self, workers: &Workers) -> usize {
            let requests: Vec<usize> = (0..self.times.len()).collect();
            let results = workers.map(&requests, &|request, _| self.work(*request), || ());
            assert_eq!(results, requests);
            assert!(self.times.iter().all(|n| n.load(Ordering::Relaxed) == 1));
            self.most.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn more_threads_work_where_files_take_long_and_nothing_is_done_twice() {
        // Also on far fewer files than make threads worth their while in memory.
        for files in [400, 24] {
            let most = Slow::new(files).run(&workers(1));
            assert!((2..=MOST_THREADS).contains(&most), "{files}: {most}");
        }
    }

    #[test]
    fn what_one_piece_of_work_has_seen_the_next_begins_with() {
        let first = workers(1);
        assert_eq!(first.to_begin(8), 1);
        Slow::new(100).run(&first);
        let next = Workers::new(1, 1, first.seen, Permit::take);
        assert_eq!(next.to_begin(8), 8);
        assert!(next.to_begin(5000) >= MODEST);
        // And no longer when files take no time again.
        for _ in 0..=CERTAIN {
            first.seen.note(Duration::ZERO, 1);
        }
        assert_eq!(next.to_begin(8), 1);
    }

    #[test]
    fn one_slow_share_is_not_believed_and_a_few_fast_ones_change_nothing() {
        let seen = Seen::new();
        let note = |took: Duration| seen.note(took, SHARE);
        let long = SLOW * 2 * u32::try_from(SHARE).unwrap();
        assert!(!note(long * VERY_SLOW));
        assert!(!note(Duration::ZERO));
        for _ in 0..CERTAIN {
            note(long);
        }
        assert!((0..CERTAIN - BELIEVED).all(|_| note(Duration::ZERO)));
        assert!(!note(Duration::ZERO));
    }

    #[test]
    fn threads_are_permitted_to_all_together() {
        static LEFT: AtomicUsize = AtomicUsize::new(3);
        let seen = Box::leak(Box::new(Seen::new()));
        let few = Workers::new(1, 1, seen, || Permit::of(&LEFT));
        assert!(Slow::new(200).run(&few) <= 4);
        let permits: Vec<Permit> = (0..3).filter_map(|_| Permit::of(&LEFT)).collect();
        assert_eq!(permits.len(), 3);
        assert!(Permit::of(&LEFT).is_none());
        // Whoever gets none does all of it himself.
        assert_eq!(Slow::new(8).run(&few), 1);
        drop(permits);
        assert!(Permit::of(&LEFT).is_some());
    }

    /// How many threads it comes to on a disk that does so many files a second with so many threads.
    fn settled(from: usize, disk: impl Fn(usize) -> usize) -> usize {
        let (mut growth, mut threads) = (Growth::default(), from);
        for _ in 0..100 {
            // A second each: more than enough files.
            let files = disk(threads).max(2 * threads);
            let took = Duration::from_secs(1) * u32::try_from(files).unwrap()
                / u32::try_from(disk(threads)).unwrap();
            match growth.judge(threads, files, took) {
                Some(wanted) => threads = wanted,
                None => return threads,
            }
        }
        panic!("never settled");
    }

    #[test]
    fn threads_become_as_many_as_the_disk_likes() {
        for from in [1, 2, MODEST, 64] {
            // Each waits for itself alone.
            assert_eq!(
                settled(from, |threads| threads * 100),
                MOST_THREADS,
                "{from}"
            );
            // So many at a time and no more: half as many are never settled for, nor more than twice.
            for likes in [20, 48, 100] {
                let found = settled(from, |threads| threads.min(likes) * 100);
                assert!(
                    (likes / 2..=2 * likes.max(from)).contains(&found),
                    "{from} {likes} {found}"
                );
            }
        }
        // One at a time.
        assert_eq!(settled(1, |_| 1000), 1);
        assert_eq!(settled(2, |_| 1000), 2);
        // It suffers from many.
        assert_eq!(settled(MODEST, |threads| 100_000 / threads), MODEST);
        assert_eq!(
            settled(1, |threads| if threads > 8 { 50 } else { 100 * threads }),
            1
        );
    }

    #[test]
    fn few_files_say_nothing_and_one_bad_moment_changes_nothing() {
        let second = Duration::from_secs(1);
        let mut growth = Growth::default();
        assert_eq!(growth.judge(16, 31, second), None);
        assert_eq!(growth.judge(16, 1000, second), Some(32));
        assert_eq!(growth.judge(32, 900, second), Some(32));
        assert_eq!(growth.judge(32, 2000, second), Some(64));
        assert_eq!(growth.judge(64, 2000, second), Some(64));
        assert_eq!(growth.judge(64, 2000, second), Some(32));
        assert_eq!(growth.judge(32, 9000, second), None);
    }
}
