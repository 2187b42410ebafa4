//! Working on many small files with several threads.
//!
//! With all files in memory, what takes the time is the kernel opening them, and as many threads as
//! there are processors are about as many times faster than one. With files on a disk, threads
//! wait, and the disk is fastest when many wait at a time. So [`Workers`] watch how long files take
//! and become more when it is long. Who works on what decides nothing: results come back in the
//! order of the requests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{Builder, Scope, available_parallelism, scope};
use std::time::{Duration, Instant};

/// How many files it takes to make further threads worth their while.
const WORTH_THREADS: usize = 128;

/// The most threads that work. More only wait for each other in the kernel.
const MAX_THREADS: usize = 16;

/// How many files a thread takes at a time.
const SHARE: usize = 16;

/// What a file takes for which the disk is waited for. One in memory takes a tenth of it.
const SLOW: Duration = Duration::from_micros(60);

/// How many more slow shares than others it takes to believe it: a thread that has to give way to
/// another process looks slow as well.
const BELIEVED: usize = 4;

/// Threads for one piece of work, which comes in one go or several.
#[derive(Debug)]
pub(crate) struct Workers {
    /// How many begin.
    few: usize,
    /// How many more shares were seen to take long than not to.
    slow: AtomicUsize,
}

impl Workers {
    /// For what each processor can do beside the others: reading and looking.
    pub(crate) fn for_reading() -> Workers {
        // Asking reads half a dozen files, and a run may be about thousands of layouts.
        static PROCESSORS: OnceLock<usize> = OnceLock::new();
        let processors = *PROCESSORS.get_or_init(|| available_parallelism().map_or(1, usize::from));
        Workers::new(processors.min(MAX_THREADS))
    }

    /// For what the kernel lets only one do at a time as long as nobody waits for a disk: taking
    /// files out of a directory.
    pub(crate) fn for_unlinking() -> Workers {
        Workers::new(1)
    }

    fn new(few: usize) -> Workers {
        let slow = AtomicUsize::new(0);
        Workers { few, slow }
    }

    /// Takes note of how long a share took. The value tells whether the disk is waited for.
    fn is_believed(&self, is_slow: bool) -> bool {
        let count = self.slow.load(Ordering::Relaxed);
        if count >= BELIEVED {
            return true;
        }
        // A count that another thread makes at the same time may be lost; more will follow.
        let count = match is_slow {
            true => count + 1,
            false => count.saturating_sub(1),
        };
        self.slow.store(count, Ordering::Relaxed);
        count >= BELIEVED
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
        let (results, ()) = self.map_shares(requests, SHARE, &share, meanwhile);
        let mut all = Vec::with_capacity(requests.len());
        all.extend(results.into_iter().flatten());
        all
    }

    /// [`Workers::map`] for requests that are done several at a time: at most `share`. What
    /// `meanwhile` makes comes with the results.
    pub(crate) fn map_shares<T: Sync, R: Send, M>(
        &self,
        requests: &[T],
        share: usize,
        work: &(dyn Fn(&[T]) -> R + Sync),
        meanwhile: impl FnOnce() -> M,
    ) -> (Vec<R>, M) {
        let threads = match requests.len() {
            0..WORTH_THREADS => 1,
            _ if self.slow.load(Ordering::Relaxed) >= BELIEVED => MAX_THREADS,
            _ => self.few,
        };
        let shares: Vec<&[T]> = requests.chunks(share.max(1)).collect();
        let pool = Pool {
            workers: self,
            may_grow: AtomicBool::new(threads < MAX_THREADS && requests.len() >= WORTH_THREADS),
            begun: threads,
            shares,
            next: AtomicUsize::new(0),
            work,
            done: Mutex::default(),
        };
        let made = scope(|scope| {
            pool.begin(scope, threads - 1);
            let made = meanwhile();
            pool.run(scope);
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
    may_grow: AtomicBool,
    begun: usize,
    shares: Vec<&'a [T]>,
    next: AtomicUsize,
    work: &'a (dyn Fn(&[T]) -> R + Sync),
    /// Results, and the numbers of their shares.
    done: Mutex<Vec<(usize, R)>>,
}

impl<T: Sync, R: Send> Pool<'_, T, R> {
    fn begin<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, count: usize) {
        for _ in 0..count {
            let begun = Builder::new().spawn_scoped(scope, || self.run(scope));
            if begun.is_err() {
                // Threads that cannot be had are so many less.
                return;
            }
        }
    }

    fn run<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let mut done = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = self.shares.get(number) else {
                break;
            };
            let start = Instant::now();
            done.push((number, (self.work)(share)));
            let files = u32::try_from(share.len()).unwrap_or(u32::MAX);
            let is_slow = start.elapsed() > SLOW.saturating_mul(files);
            if self.workers.is_believed(is_slow) && self.may_grow.swap(false, Ordering::Relaxed) {
                self.begin(scope, MAX_THREADS - self.begun);
            }
        }
        let mut all = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_requests() {
        for workers in [Workers::for_reading(), Workers::for_unlinking()] {
            for count in [0, 1, 127, 128, 5000] {
                let requests: Vec<usize> = (0..count).collect();
                let results = workers.map(&requests, &|request, _| request * 2, || ());
                let expected: Vec<usize> = requests.iter().map(|request| request * 2).collect();
                assert_eq!(results, expected);
            }
        }
    }

    #[test]
    fn more_threads_work_where_files_take_long_and_nothing_is_done_twice() {
        let workers = Workers::for_unlinking();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let requests: Vec<usize> = (0..400).collect();
        let times: Vec<AtomicUsize> = requests.iter().map(|_| AtomicUsize::new(0)).collect();
        let work = |request: &usize, _: &mut Vec<u8>| {
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            std::thread::sleep(SLOW * 3);
            now.fetch_sub(1, Ordering::Relaxed);
            times[*request].fetch_add(1, Ordering::Relaxed);
            *request
        };
        assert_eq!(workers.map(&requests, &work, || ()), requests);
        assert!(times.iter().all(|n| n.load(Ordering::Relaxed) == 1));
        let most = most.into_inner();
        assert!((2..=MAX_THREADS).contains(&most), "{most}");
    }
}
