//! Reading many small blobs, or looking at many files, with several threads.
//!
//! What takes the time is opening files, thousands of them, in the kernel; two threads are nearly
//! twice as fast as one even with all files in memory, and more are with files on a disk. Who reads
//! decides nothing: results come back in the order of the requests.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many blobs it takes to make further threads worth their while.
const WORTH_THREADS: usize = 128;

/// The most threads that read. More only wait for each other in the kernel.
const MAX_THREADS: usize = 16;

/// How many blobs a thread takes at a time.
const SHARE: usize = 16;

/// Calls `read` with each request, and a buffer for its bytes, and collects what it returns. This
/// thread does `meanwhile` first, and helps then.
pub(crate) fn read_all<T: Sync, R: Send>(
    requests: &[T],
    read: &(dyn Fn(&T, &mut Vec<u8>) -> R + Sync),
    meanwhile: impl FnOnce(),
) -> Vec<R> {
    let threads = match requests.len() {
        0..WORTH_THREADS => 1,
        _ => std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS)),
    };
    if threads == 1 {
        meanwhile();
        let mut bytes = Vec::new();
        return requests.iter().map(|one| read(one, &mut bytes)).collect();
    }
    let shares: Vec<&[T]> = requests.chunks(SHARE).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut bytes = Vec::new();
        let mut done: Vec<(usize, Vec<R>)> = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = shares.get(number) else {
                return done;
            };
            let results = share.iter().map(|one| read(one, &mut bytes));
            done.push((number, results.collect()));
        }
    };
    let mut done = std::thread::scope(|scope| {
        // A thread that cannot be had is one less.
        let others: Vec<_> = (1..threads)
            .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        meanwhile();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

#[cfg(test)]
mod tests {
    use super::read_all;

    #[test]
    fn results_are_in_the_order_of_the_requests() {
        for count in [0, 1, 127, 128, 5000] {
            let requests: Vec<usize> = (0..count).collect();
            let results = read_all(&requests, &|request, _| request * 2, || ());
            assert!(
                results
                    .iter()
                    .enumerate()
                    .all(|(at, twice)| at * 2 == *twice)
            );
            assert_eq!(results.len(), count);
        }
    }
}
