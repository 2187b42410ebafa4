//! Tries many cases at once, or those that are asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use globset::Glob;

/// What is said of the cases, in their order, by as many threads as there are processors.
pub(crate) fn each<T: Sync>(
    cases: &[T],
    said_of: impl Fn(&T) -> Option<String> + Sync,
) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let said: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(n) = Some(next.fetch_add(1, Ordering::Relaxed))
                    && let Some(case) = cases.get(n)
                {
                    if let Some(text) = said_of(case) {
                        said.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((n, text));
                    }
                }
            });
        }
    });
    let mut said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
    said.sort();
    said.into_iter().map(|(_, text)| text).collect()
}

/// Leaves the cases whose id, or one of whose rules, fits the pattern in `OCIRM_CASES`, if there is one.
pub(crate) fn retain_selected<T>(cases: &mut Vec<T>, id_and_rules: impl Fn(&T) -> (&str, &str)) {
    let Ok(pattern) = std::env::var("OCIRM_CASES") else {
        return;
    };
    let glob = Glob::new(&pattern)
        .unwrap_or_else(|e| panic!("OCIRM_CASES: {e}"))
        .compile_matcher();
    cases.retain(|case| {
        let (id, rules) = id_and_rules(case);
        glob.is_match(id) || rules.split(',').any(|rule| glob.is_match(rule))
    });
}
