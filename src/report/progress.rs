//! Progress of long work: lines on a terminal that are written over again and again, and removed before
//! anything else is printed, at the end, and when a signal comes. indicatif draws them.
//!
//! Nothing is shown on anything but a terminal that can move its cursor, nor for work that is soon over.
//! Who works never waits for the terminal: a thread of its own reads the [`Counter`], and does not write
//! to a terminal that was stopped. A layout is locked meanwhile.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::streams::{columns, is_ready};
use super::units::size;
use crate::counter::{Count, Counter};

/// Work that is over sooner shows no progress.
const QUIET: Duration = Duration::from_millis(500);

/// How often progress is drawn.
const PERIOD: Duration = Duration::from_millis(100);

/// Who says how much time is left before that has seen too little.
const LEARNING: Duration = Duration::from_secs(2);

/// The lines that are drawn.
struct Lines {
    all: MultiProgress,
    /// Held while anything is drawn. `false`: something else is being printed, or it is all over.
    may_draw: Mutex<bool>,
}

static LINES: OnceLock<Lines> = OnceLock::new();

impl Lines {
    fn get() -> &'static Lines {
        LINES.get_or_init(|| {
            let target = ProgressDrawTarget::term_like(Box::new(Screen::default()));
            Lines {
                all: MultiProgress::with_draw_target(target),
                may_draw: Mutex::new(true),
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.may_draw.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints something while no progress stands on the terminal.
pub(super) fn without<T>(print: impl FnOnce() -> T) -> T {
    let Some(lines) = LINES.get() else {
        return print();
    };
    let before = {
        let mut may_draw = lines.lock();
        let _ = lines.all.clear();
        std::mem::replace(&mut *may_draw, false)
    };
    let printed = print();
    *lines.lock() = before;
    printed
}

/// Removes all progress, for good.
pub(super) fn end() {
    if let Some(lines) = LINES.get() {
        let mut may_draw = lines.lock();
        let _ = lines.all.clear();
        *may_draw = false;
        lines.all.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Whether there is a terminal to show progress on.
pub(super) fn can_be_shown() -> bool {
    let term = std::env::var_os("TERM");
    let is_able = term.is_some_and(|term| !term.is_empty() && term != "dumb");
    is_able && io::stderr().is_terminal()
}

/// Progress of one piece of work, as long as this is there. It is the counter of the work.
#[derive(Debug)]
pub(crate) struct Progress {
    counter: Arc<Counter>,
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    /// Whether the work is over.
    over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Deref for Progress {
    type Target = Counter;

    fn deref(&self) -> &Counter {
        &self.counter
    }
}

impl Progress {
    /// What counts the work, for somebody else who wants to read it.
    pub(crate) fn counter(&self) -> Arc<Counter> {
        self.counter.clone()
    }

    /// `what` is being done to things called `things`.
    pub(super) fn new(what: &'static str, things: &'static str, is_shown: bool) -> Progress {
        let counter = Arc::new(Counter::default());
        let shown = is_shown.then(|| {
            let over = Arc::new((Mutex::new(false), Condvar::new()));
            let (read, until) = (counter.clone(), over.clone());
            let thread = std::thread::Builder::new().name("progress".to_owned());
            // A thread that cannot be had is one less.
            let thread = thread.spawn(move || draw(what, things, &read, &until)).ok();
            Shown { over, thread }
        });
        Progress { counter, shown }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(mut shown) = self.shown.take() {
            *shown.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            shown.over.1.notify_all();
            if let Some(thread) = shown.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

/// Waits until the work is over. The value tells whether it is.
fn is_over(over: &(Mutex<bool>, Condvar), time: Duration) -> bool {
    let (over, signal) = over;
    let over = over.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = signal.wait_timeout_while(over, time, |over| !*over);
    let (over, _) = waited.unwrap_or_else(PoisonError::into_inner);
    *over
}

fn draw(what: &str, things: &str, counter: &Counter, over: &(Mutex<bool>, Condvar)) {
    if is_over(over, QUIET) {
        return;
    }
    let lines = Lines::get();
    let bar = {
        let _held = lines.lock();
        lines.all.add(ProgressBar::no_length())
    };
    let mut has_end = None;
    loop {
        let count = counter.read();
        let (position, length) = match count.all_bytes {
            0 => (count.done, count.all),
            all => (count.bytes.min(all), all),
        };
        let may_draw = lines.lock();
        if *may_draw && is_ready(&io::stderr()) {
            if has_end != Some(length > 0) {
                has_end = Some(length > 0);
                bar.set_style(style(length > 0));
            }
            let left = (bar.elapsed() >= LEARNING && position > 0).then(|| bar.eta());
            bar.set_message(words(what, things, count, left));
            if length > 0 {
                bar.set_length(length);
            }
            bar.set_position(position);
            bar.tick();
        }
        drop(may_draw);
        if is_over(over, PERIOD) {
            break;
        }
    }
    let _held = lines.lock();
    bar.finish_and_clear();
    lines.all.remove(&bar);
}

/// Words, and behind them a bar if it is known how much there is.
fn style(has_bar: bool) -> ProgressStyle {
    let template = match has_bar {
        true => "{msg} [{wide_bar}]",
        false => "{msg}",
    };
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// `Checking: 3 of 20 blobs, 1.2GB of 3.4GB, 12s left`.
fn words(what: &str, things: &str, count: Count, left: Option<Duration>) -> String {
    let mut text = format!("{what}: {}", count.done);
    // Writing to a String cannot fail.
    if count.all > 0 {
        let _ = write!(text, " of {}", count.all);
    }
    let _ = write!(text, " {things}");
    if count.all_bytes > 0 {
        let bytes = size(count.bytes.min(count.all_bytes));
        let _ = write!(text, ", {bytes} of {}", size(count.all_bytes));
    }
    if let Some(left) = left.filter(|_| count.all > 0) {
        let _ = write!(text, ", {} left", span(left));
    }
    text
}

/// A time in one unit or two.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}min {}s", seconds % 60),
        (hours @ 1..48, minutes) => format!("{hours}h {}min", minutes % 60),
        (hours, _) => format!("{} days", hours / 24),
    }
}

/// Standard error as indicatif wants it: all that it writes at a time goes out at once, and only if the
/// terminal takes it.
#[derive(Debug, Default)]
struct Screen(Mutex<String>);

impl Screen {
    fn put(&self, text: &str) -> io::Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_str(text);
        Ok(())
    }

    fn escape(&self, number: usize, letter: char) -> io::Result<()> {
        match number {
            0 => Ok(()),
            n => self.put(&format!("\u{1b}[{n}{letter}")),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        let columns = columns(&io::stderr()).unwrap_or(80);
        u16::try_from(columns).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.escape(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.escape(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.escape(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.escape(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.put(text)?;
        self.put("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.put("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let err = io::stderr();
        // What the terminal does not take now it gets with the next.
        if !held.is_empty() && is_ready(&err) {
            err.lock().write_all(held.as_bytes())?;
            held.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_known() {
        let count = |done, all, bytes, all_bytes| Count {
            done,
            all,
            bytes,
            all_bytes,
        };
        let left = Some(Duration::from_secs(75));
        for (count, text) in [
            (count(7, 0, 0, 0), "Checking: 7 blobs"),
            (count(7, 20, 0, 0), "Checking: 7 of 20 blobs, 1min 15s left"),
            (
                count(7, 20, 9_000, 8_000),
                "Checking: 7 of 20 blobs, 8kB of 8kB, 1min 15s left",
            ),
        ] {
            assert_eq!(words("Checking", "blobs", count, left), text);
        }
        assert_eq!(
            words("Checking", "blobs", count(1, 2, 0, 0), None),
            "Checking: 1 of 2 blobs"
        );
    }

    #[test]
    fn spans_have_the_units_that_matter() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1min 0s"),
            (3_599, "59min 59s"),
            (3_600, "1h 0min"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
