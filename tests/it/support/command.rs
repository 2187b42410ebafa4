//! Runs the program, without a terminal and with a time limit, and reads what it says.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::schema;

/// How long one command may take. None of them has much to do.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(20);

/// A command that was run.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) args: Vec<String>,
    /// Nothing if it was killed at the time limit.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) out: String,
    pub(crate) err: String,
    /// On a terminal: whether the prompt appeared. Then `out` is what came after it.
    pub(crate) asked: Option<bool>,
}

impl Finished {
    /// The exit status, unless it ended in another way.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// What is wrong with the way it ended, or nothing.
    pub(crate) fn wrong_ending(&self, allowed: &[i32]) -> Option<String> {
        let Some(status) = self.status else {
            return Some("did not end in time".to_owned());
        };
        match status.code() {
            None => Some(format!(
                "died of signal {}",
                status.signal().unwrap_or_default()
            )),
            Some(code) if !allowed.contains(&code) => {
                Some(format!("exit status {code}, should be one of {allowed:?}"))
            }
            Some(_) => None,
        }
    }

    pub(crate) fn panicked(&self) -> bool {
        self.err.contains("panicked at") || self.err.contains("RUST_BACKTRACE")
    }

    /// What a dry run or a run says that it does.
    pub(crate) fn said(&self, dry: bool) -> Said {
        let prune = self.args.iter().any(|arg| arg == "prune");
        let (untagged, deleted, wrong): (&[&str], &[&str], &[&str]) = match (dry, prune) {
            (true, _) => (
                &["Would untag: "],
                &["Would delete: "],
                &["Untagged:", "Deleted:", "untagged:", "deleted:"],
            ),
            // Docker's prune has lower case here and its rmi has not.
            (false, true) => (
                &["Untagged: ", "untagged: "],
                &["Deleted: ", "deleted: "],
                &["Would "],
            ),
            (false, false) => (&["Untagged: "], &["Deleted: "], &["Would "]),
        };
        let mut wrong = self.lines_after(wrong);
        if dry {
            wrong.extend(self.said_as_done());
        }
        Said {
            untagged: self.lines_after(untagged),
            deleted: self.lines_after(deleted),
            wrong,
        }
    }

    /// The lines, on whichever stream, that speak of something as if it had been done. That nothing was
    /// changed is so, and the last line of a prune is Docker's.
    pub(crate) fn said_as_done(&self) -> Vec<String> {
        const DONE: [&str; 18] = [
            "Untagged",
            "Deleted",
            "Trashed",
            "Unlinked",
            "Moved",
            "Kept",
            "Left",
            "Removed",
            "Removing",
            "Restored",
            "Brought",
            "Changed",
            "Freed",
            "untagged:",
            "deleted:",
            "changed",
            "is",
            "was",
        ];
        const WITHIN: [&str; 12] = [
            "was removed",
            "were removed",
            "Nothing was removed",
            " is sparse now",
            " has a new index",
            " is kept",
            " was deleted",
            " were deleted",
            " was kept",
            " were kept",
            ") kept:",
            " digest left as found",
        ];
        let heads = ["ocirm: ", "warning: ", "note: ", "hint: "];
        let is_done = |line: &&str| {
            let text = heads.iter().find_map(|head| line.strip_prefix(head));
            let first = text.unwrap_or(line).split(' ').next().unwrap_or_default();
            let is_head = DONE.contains(&first.trim_end_matches([':', '.', ',']));
            is_head || WITHIN.iter().any(|words| line.contains(words))
        };
        let lines = self.out.lines().chain(self.err.lines());
        lines.filter(is_done).map(str::to_owned).collect()
    }

    fn lines_after(&self, heads: &[&str]) -> Vec<String> {
        self.out
            .lines()
            .filter_map(|line| heads.iter().find_map(|head| line.strip_prefix(head)))
            .map(|rest| rest.trim_end().to_owned())
            .collect()
    }

    /// The bytes in `Total reclaimed space: 13.5MB`.
    pub(crate) fn reclaimed(&self) -> Option<f64> {
        let line = self
            .out
            .lines()
            .find_map(|line| line.strip_prefix("Total reclaimed space:"))?
            .trim();
        // So it is said where files can share blocks.
        let line = line.strip_prefix("up to ").unwrap_or(line);
        let unit = line.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let factor = match line[unit..].trim_start() {
            "B" => 1e0,
            "kB" | "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "TB" => 1e12,
            _ => return None,
        };
        line[..unit].parse::<f64>().ok().map(|n| n * factor)
    }
}

/// The command line and everything that was printed, for messages.
impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$ ocirm")?;
        for arg in &self.args {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"_./:@=,+-".contains(&b);
            if !arg.is_empty() && arg.bytes().all(plain) {
                write!(f, " {arg}")?;
            } else {
                write!(f, " '{}'", arg.replace('\'', r"'\''"))?;
            }
        }
        let ending = match self.status {
            Some(status) => status.to_string(),
            None => format!("killed after {TIME_LIMIT:?}"),
        };
        writeln!(f, "\n  {ending}")?;
        for (stream, printed) in [("stdout", &self.out), ("stderr", &self.err)] {
            for line in printed.lines().filter(|line| !line.trim().is_empty()) {
                writeln!(f, "  {stream}| {line}")?;
            }
        }
        Ok(())
    }
}

/// The values of the lines about names and images on standard output, in their order.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) untagged: Vec<String>,
    pub(crate) deleted: Vec<String>,
    /// Lines that this kind of run must not print.
    pub(crate) wrong: Vec<String>,
}

impl Said {
    pub(crate) fn is_nothing(&self) -> bool {
        self.untagged.is_empty() && self.deleted.is_empty()
    }
}

/// The program with these arguments, in an environment that is the same on all machines.
pub(crate) fn ocirm(args: &[String], home: &Path) -> Command {
    heed_signals();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocirm"));
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("OCIRM") {
            command.env_remove(key);
        }
    }
    for key in ["XDG_CONFIG_HOME", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
        command.env_remove(key);
    }
    command
        .args(args)
        .current_dir(home.join("here"))
        .env("HOME", home)
        .envs([("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")])
        .envs([("NO_COLOR", "1"), ("TERM", "dumb")])
        .process_group(0);
    command
}

/// A shell starts what is to run in the background with SIGINT ignored, `nohup` with SIGHUP, and
/// children inherit that. What a process catches they do not: so the tests catch these and do
/// nothing, which is ignoring them too, and the program begins as in a terminal.
fn heed_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or_default();
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            if ignored & (1 << (signal - 1)) != 0 {
                signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
                    .expect("a signal that may be caught");
            }
        }
    });
}

/// A command as the last words of another one, in the environment that it was to have itself.
pub(crate) fn under<S: AsRef<OsStr>>(
    outer: &str,
    words: impl IntoIterator<Item = S>,
    inner: &Command,
) -> Command {
    let mut command = Command::new(outer);
    command
        .args(words)
        .arg(inner.get_program())
        .args(inner.get_args())
        .process_group(0);
    if let Some(dir) = inner.get_current_dir() {
        command.current_dir(dir);
    }
    for (key, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command
}

/// Runs it to its end, with empty input.
pub(crate) fn run(args: &[String], home: &Path) -> Finished {
    Running::start(ocirm(args, home), args).finish()
}

/// A command that was started.
pub(crate) struct Running {
    pub(crate) child: Child,
    args: Vec<String>,
    out: File,
    err: File,
}

impl Running {
    /// Starts it, with empty input. `args` are what it is called in messages.
    pub(crate) fn start(command: Command, args: &[String]) -> Self {
        Self::start_with(command, args, Stdio::null(), None)
    }

    /// Starts it with this input, and an output of its own that is not read here.
    pub(crate) fn start_with(
        mut command: Command,
        args: &[String],
        input: Stdio,
        output: Option<Stdio>,
    ) -> Self {
        let [out, err] = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
        let handle =
            |file: &File| Stdio::from(file.try_clone().expect("a second handle of a file"));
        let child = command
            .stdin(input)
            .stdout(output.unwrap_or_else(|| handle(&out)))
            .stderr(handle(&err))
            .spawn()
            .expect("the program starts");
        Running {
            child,
            args: args.to_vec(),
            out,
            err,
        }
    }

    /// Waits until standard error says this somewhere.
    pub(crate) fn wait_for(&self, text: &str) {
        let end = Instant::now() + TIME_LIMIT;
        loop {
            let mut bytes = vec![0; 1 << 16];
            // The position of the file is the program's, so nothing is read by way of it here.
            let n = self
                .err
                .read_at(&mut bytes, 0)
                .expect("what was printed can be read");
            let said = String::from_utf8_lossy(&bytes[..n]);
            if said.contains(text) {
                return;
            }
            assert!(Instant::now() < end, "it never says {text:?}, but: {said}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end. What it prints as JSON has to fit the schemas.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        let status = wait(&mut self.child);
        let finished = Finished {
            args: std::mem::take(&mut self.args),
            status,
            out: printed(&mut self.out),
            err: printed(&mut self.err),
            asked: None,
        };
        schema::judge(&finished.args, status, &finished.out);
        finished
    }
}

impl Drop for Running {
    /// A test that fails must not leave a program behind that stands still for ever.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn printed(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .expect("what was printed can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for the end, and makes one at the time limit.
pub(crate) fn wait(child: &mut Child) -> Option<ExitStatus> {
    let end = Instant::now() + TIME_LIMIT;
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait().expect("an own child") {
            return Some(status);
        }
        if Instant::now() > end {
            // It cannot have been reaped yet, so the number is still its own; a failure means that it just ended.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            child.wait().expect("an own child");
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// The arguments `--layout DIR COMMAND ...`, with `--dry-run` behind the command.
pub(crate) fn dry(args: &[String]) -> Vec<String> {
    let mut args = args.to_vec();
    args.insert(3, "--dry-run".to_owned());
    args
}

/// The arguments `--layout DIR` and then these.
pub(crate) fn in_layout(dir: &Path, args: &[&str]) -> Vec<String> {
    let dir = dir.to_str().expect("a path that a test chose");
    ["--layout", dir]
        .iter()
        .chain(args)
        .map(|arg| (*arg).to_owned())
        .collect()
}
