//! SIGINT and SIGTERM.
//!
//! While nothing is being changed the program ends at once, whatever it is doing: waiting for a
//! lock, for an answer, reading. During a change it stops between two files, says what was done,
//! and ends then. The exit status is 128 and the number of the signal, as a shell counts. Where several
//! layouts are worked on at once, each of them that is being changed stops so, and no other begins.
//!
//! A signal that the program was started with ignored (`nohup`, a shell's background job) stays
//! ignored.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Error, ErrorKind};
use crate::files::temporary::leave_none;
use crate::report::console::Console;
use crate::words::count;

/// What the signals' thread and the program share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// The signal that arrived; 0 for none. Those who work for one program that uses the crate share it.
    signal: Arc<AtomicI32>,
    /// Nothing is changed any more: nobody could be told of it.
    is_closed: AtomicBool,
    /// The process belongs to somebody else, who gets no signal of his taken away and ends when he wants.
    is_embedded: bool,
}

#[derive(Debug, Default)]
struct State {
    /// A question stands on the terminal, and waits for an answer on the same line.
    is_asking: bool,
    /// How many pieces of work are changing something, or did and have not been reported. While there is
    /// none, the program reads, or waits for a lock.
    changing: usize,
    /// A change was made before, and reported.
    has_reported: bool,
    /// What standard output still has to say about it.
    farewell: String,
}

/// What one piece of work knows of itself.
#[derive(Debug, Default)]
struct Own {
    /// It is one of those that are changing something.
    is_changing: AtomicBool,
    /// Blobs came back from the trash, which was not what was asked for.
    has_restored: AtomicBool,
    /// What it says is collected, and reported by somebody else.
    is_collected: bool,
}

/// How long a lock file that is just being made may take to get its name.
pub(super) const LAST_FILES: Duration = Duration::from_millis(300);

/// How long standard output may take for its last words. Nobody may be reading them.
const FAREWELL: Duration = Duration::from_millis(300);

/// See the module. Clones are of the same piece of work.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt {
    shared: Arc<Shared>,
    own: Arc<Own>,
}

impl Interrupt {
    /// Begins to listen. Where that is impossible, a signal ends the program as always, which
    /// leaves garbage and nothing worse.
    pub(super) fn listen(console: Console) -> Interrupt {
        let interrupt = Interrupt::default();
        let ignored = ignored();
        let wanted = [SIGINT, SIGTERM];
        let wanted = wanted.iter().filter(|n| ignored & (1 << (*n - 1)) == 0);
        if let Ok(mut signals) = Signals::new(wanted) {
            let shared = interrupt.clone();
            let listener = std::thread::Builder::new().name("signals".to_owned());
            // Without the thread the handlers would swallow the signals.
            let handle = signals.handle();
            let spawned = listener.spawn(move || {
                for signal in signals.forever() {
                    shared.arrived(signal, console);
                }
            });
            if spawned.is_err() {
                handle.close();
            }
        }
        interrupt
    }

    /// For a program that uses the crate: nothing listens, and [`Interrupt::stop`] stands for a signal.
    pub(super) fn embedded() -> Interrupt {
        let shared = Shared {
            is_embedded: true,
            ..Shared::default()
        };
        Interrupt {
            shared: Arc::new(shared),
            own: Arc::default(),
        }
    }

    /// For one piece of work of such a program: what one of them changed is nothing that another one did.
    pub(super) fn for_work(&self) -> Interrupt {
        let shared = Shared {
            state: Mutex::default(),
            signal: Arc::clone(&self.shared.signal),
            is_closed: AtomicBool::new(false),
            is_embedded: self.shared.is_embedded,
        };
        Interrupt {
            shared: Arc::new(shared),
            own: Arc::default(),
        }
    }

    /// For one of several pieces of work of one run that go on at the same time: what it says is collected,
    /// and until that was said it counts as changing, if it changed anything.
    pub(super) fn for_job(&self) -> Interrupt {
        let own = Own {
            is_collected: true,
            ..Own::default()
        };
        Interrupt {
            shared: Arc::clone(&self.shared),
            own: Arc::new(own),
        }
    }

    /// As if SIGTERM had arrived.
    pub(super) fn stop(&self) {
        self.shared.signal.store(SIGTERM, Ordering::SeqCst);
    }

    /// Ends what changes nothing now, if a program that uses the crate wants it to stop, after so many
    /// unreferenced blobs were deleted; one of several pieces of work ends so as well. Else a signal ends the
    /// program `ocirm` by itself.
    pub(super) fn refuse_to_go_on(&self, gone: usize) -> Result<(), Error> {
        let ends_itself = !self.shared.is_embedded && !self.own.is_collected;
        match self.signal().filter(|_| !ends_itself) {
            Some(signal) => Err(self.stopped(signal, gone)),
            None => Ok(()),
        }
    }

    /// That a signal ended it, after nothing was changed but that so many unreferenced blobs were deleted.
    pub(super) fn stopped(&self, signal: i32, gone: usize) -> Error {
        let mut changed = Vec::new();
        // Otherwise it was said when it was done.
        if self.has_restored() && (self.shared.is_embedded || self.own.is_collected) {
            changed.push("blobs that index.json leads to came back from the trash".to_owned());
        }
        if gone > 0 {
            let (one, several) = ("unreferenced blob was", "unreferenced blobs were");
            changed.push(format!("{} deleted", count(gone, one, several)));
        }
        let changed = match changed.is_empty() {
            true => "nothing was changed".to_owned(),
            false => changed.join(", ") + ", and nothing else was changed",
        };
        let message = format!("interrupted; {changed}");
        Error::new(ErrorKind::Interrupted(signal), message)
    }

    fn arrived(&self, signal: i32, console: Console) {
        // Whoever sees the signal and asks what is being changed finds it as it was at this moment.
        let state = self.state();
        self.shared.signal.store(signal, Ordering::SeqCst);
        if state.changing > 0 {
            return;
        }
        if state.is_asking {
            console.say("");
        }
        console.end_progress();
        if !state.farewell.is_empty() {
            let text = state.farewell.clone();
            let (done, wait) = std::sync::mpsc::channel();
            let _ = std::thread::Builder::new().spawn(move || {
                let _ = crate::report::to_stdout(&text);
                let _ = done.send(());
            });
            let _ = wait.recv_timeout(FAREWELL);
        }
        console.error(match state.has_reported {
            true => "interrupted; what is said above was done",
            false => "interrupted; nothing was changed",
        });
        // The program's own thread may be waiting for something that never comes.
        leave_none(LAST_FILES);
        std::process::exit(ErrorKind::Interrupted(signal).exit_status().into());
    }

    /// The signal that arrived.
    pub(super) fn signal(&self) -> Option<i32> {
        match self.shared.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// From now on something is being changed: a signal does not end the program, which has to look
    /// for it. Who began before goes on, and looks for it as well. So many unreferenced blobs were deleted
    /// before.
    ///
    /// # Errors
    /// A signal came before, or nobody can be told any more of what is changed.
    pub(super) fn begin_change(&self, gone: usize) -> Result<(), Error> {
        let mut state = self.state();
        let signal = self.wanted_end();
        if signal.is_none() || self.is_changing() && !self.has_restored() {
            if !self.own.is_changing.swap(true, Ordering::SeqCst) {
                state.changing += 1;
            }
            return Ok(());
        }
        drop(state);
        Err(self.stopped(signal.unwrap_or(SIGTERM), gone))
    }

    /// Nothing was changed after all.
    pub(super) fn nothing_changed(&self) {
        if !(self.own.is_collected && self.has_restored()) {
            self.end_change();
        }
    }

    /// The blobs that index.json leads to again are back, and it was said.
    pub(super) fn restored(&self) {
        let is_reported = !self.own.is_collected;
        // What was said to a person is over: the next change is another one.
        let is_told_later = !is_reported || self.shared.is_embedded;
        if is_told_later && self.is_changing() {
            self.own.has_restored.store(true, Ordering::SeqCst);
        }
        if is_reported {
            self.reported();
        }
    }

    /// Whether blobs came back from the trash.
    pub(super) fn has_restored(&self) -> bool {
        self.own.has_restored.load(Ordering::SeqCst)
    }

    /// Whether something is being changed, or was and has not been reported.
    pub(super) fn is_changing(&self) -> bool {
        self.own.is_changing.load(Ordering::SeqCst)
    }

    /// How many pieces of work of this run are.
    pub(super) fn changing(&self) -> usize {
        self.state().changing
    }

    /// What was changed has been reported.
    pub(super) fn reported(&self) {
        if self.is_changing() {
            self.set(|state| state.has_reported = true);
        }
        self.end_change();
    }

    fn end_change(&self) {
        self.set(|state| {
            if self.own.is_changing.swap(false, Ordering::SeqCst) {
                state.changing -= 1;
            }
        });
    }

    /// From now on nothing begins to change anything.
    pub(super) fn close(&self) {
        let _state = self.state();
        self.shared.is_closed.store(true, Ordering::SeqCst);
    }

    /// From now on the program ends itself, and no further signal does.
    pub(super) fn begin_end(&self) {
        self.set(|state| state.changing += 1);
    }

    /// Why what waits for something is to end: the signal that arrived, or as if one had.
    pub(super) fn wanted_end(&self) -> Option<i32> {
        let is_closed = self.shared.is_closed.load(Ordering::SeqCst);
        self.signal().or(is_closed.then_some(SIGTERM))
    }

    /// Ends the program if a signal came during a change that was not what was asked for: nobody
    /// else looks for it.
    pub(super) fn heed(&self, console: Console) {
        let ends_itself = !self.shared.is_embedded && !self.own.is_collected;
        if let Some(signal) = self.signal().filter(|_| ends_itself) {
            self.arrived(signal, console);
        }
    }

    /// Calls `ask`, which waits for an answer.
    pub(super) fn asking<T>(&self, ask: impl FnOnce() -> T) -> T {
        self.set(|state| state.is_asking = true);
        let answer = ask();
        self.set(|state| state.is_asking = false);
        answer
    }

    /// What standard output has to say at the end, should the end come early.
    pub(super) fn say_at_the_end(&self, text: String) {
        self.set(|state| state.farewell = text);
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The signals that this process was started to ignore, as a set of bits: bit 0 is signal 1.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
