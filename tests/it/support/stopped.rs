//! One moment of a run, made to last: strace stops the program there, until somebody else is done.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::command::{Finished, Running, TIME_LIMIT, in_layout};
use super::contents::arg;
use super::place::Place;
use super::strace;

/// A moment of a run: right after the `number`th of these system calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) call: &'static str,
    pub(crate) number: usize,
    /// Only calls that concern this file of the root count.
    pub(crate) of: Option<&'static str>,
}

impl Moment {
    pub(crate) const fn after(call: &'static str, number: usize) -> Moment {
        Moment {
            call,
            number,
            of: None,
        }
    }
}

/// A run that stands still at a moment.
pub(crate) struct Stopped {
    /// strace, which ends when the program does.
    strace: Running,
    /// The process that stands still. Its thread that met the moment may end before the others do.
    pid: Pid,
}

impl Stopped {
    pub(crate) fn at(moment: Moment, place: &Place, layout: &Path, args: &[&str]) -> Stopped {
        let log = tempfile::NamedTempFile::new().unwrap();
        let args = in_layout(layout, args);
        let Moment { call, number, of } = moment;
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:signal=SIGSTOP:when={number}");
        let of = of.map(|name| layout.join(name));
        let mut options = vec!["-o", arg(log.path()), "-e", &trace, "-e", &inject];
        if let Some(of) = &of {
            options.extend(["-P", arg(of)]);
        }
        let mut strace = Running::start(strace::traced(&options, &args, &place.home()), &args);
        let end = Instant::now() + TIME_LIMIT;
        loop {
            let lines = fs::read_to_string(log.path()).unwrap();
            // Threads that are done stand in the log as well; one that is stopped stands for all.
            let stopped_line = lines
                .lines()
                .find(|line| line.contains("stopped by SIGSTOP"));
            if let Some(line) = stopped_line {
                let pid = process_of(line.split_whitespace().next().unwrap());
                return Stopped { strace, pid };
            }
            let ended = strace.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > end {
                let told = strace.finish();
                panic!("{moment:?} never came\n{lines}{told}");
            }
            thread::sleep(Duration::from_millis(3));
        }
    }

    pub(crate) fn goes_on(mut self) -> Finished {
        kill_process(self.pid, Signal::CONT).unwrap();
        // strace counts the calls of each thread for itself, so another one may stop the run again.
        let end = Instant::now() + TIME_LIMIT;
        while self.strace.child.try_wait().unwrap().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
            let _ = kill_process(self.pid, Signal::CONT);
        }
        self.strace.finish()
    }

    pub(crate) fn end_by_kill(self) {
        kill_process(self.pid, Signal::KILL).unwrap();
        let finished = self.strace.finish();
        assert_eq!(finished.code(), None, "{finished}");
    }
}

/// The process of a thread. One that stands still does not go away.
fn process_of(thread: &str) -> Pid {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap();
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    Pid::from_raw(process.unwrap().trim().parse().unwrap()).unwrap()
}
