//! Runs the program on a terminal and answers its question.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize,
};

use super::command::{Finished, TIME_LIMIT, ocirm, wait};
use super::schema;

const QUESTION: &str = "[y/N]";

/// Both ends of a pseudo-terminal.
struct Terminal {
    /// The end that the person would hold.
    keyboard: File,
    /// The end that the program gets.
    line: OwnedFd,
}

impl Terminal {
    /// A terminal that passes output on as it is and does not repeat what is typed.
    fn open(columns: u16) -> rustix::io::Result<Self> {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::io::fcntl_setfd(&keyboard, rustix::io::FdFlags::CLOEXEC)?;
        grantpt(&keyboard)?;
        unlockpt(&keyboard)?;
        let name = ptsname(&keyboard, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
        let mut modes = tcgetattr(&line)?;
        modes.output_modes.remove(OutputModes::OPOST);
        modes.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&line, OptionalActions::Now, &modes)?;
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&line, size)?;
        Ok(Terminal {
            keyboard: File::from(keyboard),
            line,
        })
    }

    fn stream(&self) -> Stdio {
        Stdio::from(
            self.line
                .as_fd()
                .try_clone_to_owned()
                .expect("a second handle of a terminal"),
        )
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Stream {
    Out,
    Talk,
}

/// Runs it with three terminals, standard output one of its own, and types the answer when the question appears.
pub(crate) fn run_on_terminal(args: &[String], home: &Path, answer: &str) -> Finished {
    on_terminal(args, home, &|keyboard, _| {
        keyboard
            .write_all(answer.as_bytes())
            .expect("a terminal takes what is typed");
    })
}

/// The same, but what comes at the question is no answer but a signal.
pub(crate) fn signal_at_question(args: &[String], home: &Path, signal: Signal) -> Finished {
    on_terminal(args, home, &|_, child| {
        rustix::process::kill_process(Pid::from_child(child), signal)
            .expect("an own child can be signalled");
    })
}

/// What a program wrote to two terminals, with all that only a terminal understands.
pub(crate) struct Written {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: Option<ExitStatus>,
}

impl Written {
    /// What standard error shows in the end: what was written over or erased is gone.
    pub(crate) fn left(&self) -> String {
        let mut lines = vec![String::new()];
        let mut rest = self.err.as_str();
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            let line = lines.len() - 1;
            match c {
                '\r' => {}
                '\n' => lines.push(String::new()),
                '\u{1b}' => {
                    let end = rest.find(|c: char| c.is_ascii_alphabetic());
                    let (code, behind) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
                    rest = behind;
                    match code {
                        "[2K" | "[K" => lines[line].clear(),
                        _ if code.ends_with('A') => {
                            let up = code[1..code.len() - 1].parse().unwrap_or(0);
                            let below = lines.split_off(lines.len().saturating_sub(up));
                            assert!(below.iter().all(String::is_empty), "{:?}", self.err);
                        }
                        _ => {}
                    }
                }
                c => lines[line].push(c),
            }
        }
        lines.join("\n")
    }
}

/// Runs a program to its end with terminals of so many columns.
pub(crate) fn written(command: Command, columns: u16) -> Written {
    let (status, out, err, _) = watched(command, columns, &|_, _| ());
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Written {
        out: text(out),
        err: text(err),
        status,
    }
}

fn on_terminal(args: &[String], home: &Path, at_question: &dyn Fn(&mut File, &Child)) -> Finished {
    let (status, printed, talked, asked_at) = watched(ocirm(args, home), 160, at_question);
    let (before, after) = printed.split_at(asked_at.unwrap_or(0));
    let out = plain(after);
    schema::judge(args, status, &out);
    Finished {
        args: args.to_vec(),
        status,
        out,
        err: plain(&talked) + &plain(before),
        asked: Some(asked_at.is_some()),
    }
}

/// How it ended, what it wrote to both terminals, and how much of standard output before its question.
type Watched = (Option<ExitStatus>, Vec<u8>, Vec<u8>, Option<usize>);

fn watched(mut command: Command, columns: u16, at_question: &dyn Fn(&mut File, &Child)) -> Watched {
    let talk = Terminal::open(columns).expect("a pseudo-terminal");
    let out = Terminal::open(columns).expect("a pseudo-terminal");
    let mut child = command
        .stdin(talk.stream())
        .stdout(out.stream())
        .stderr(talk.stream())
        .spawn()
        .expect("the program starts");
    // It has handles of the lines, too.
    drop(command);

    let (sender, received) = mpsc::channel();
    let mut keyboard = talk.keyboard.try_clone().expect("a second handle");
    for (stream, terminal) in [(Stream::Talk, talk), (Stream::Out, out)] {
        let sender = sender.clone();
        // The program has to hold the last handles of the lines: their closing is how its end is seen here.
        drop(terminal.line);
        thread::spawn(move || pass_on(terminal.keyboard, stream, &sender));
    }
    drop(sender);

    let end = Instant::now() + TIME_LIMIT;
    let mut printed: Vec<u8> = Vec::new();
    let mut talked: Vec<u8> = Vec::new();
    let mut asked_at = None;
    loop {
        match received.recv_timeout(Duration::from_millis(100)) {
            Ok((Stream::Out, bytes)) => printed.extend(bytes),
            Ok((Stream::Talk, bytes)) => talked.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if Instant::now() > end => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let is_asked = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(QUESTION);
        if asked_at.is_none() && (is_asked(&talked) || is_asked(&printed)) {
            asked_at = Some(printed.len());
            at_question(&mut keyboard, &child);
        }
    }
    (wait(&mut child), printed, talked, asked_at)
}

/// Reads until nobody holds the other end any more, which is an error on Linux and an end on others.
fn pass_on(mut keyboard: File, stream: Stream, sender: &Sender<(Stream, Vec<u8>)>) {
    let mut buffer = [0; 65536];
    while let Ok(n @ 1..) = keyboard.read(&mut buffer) {
        if sender.send((stream, buffer[..n].to_vec())).is_err() {
            break;
        }
    }
}

/// The text without what only a terminal understands.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace('\r', "");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let end = sequence.find(|c: char| ('\u{40}'..='\u{7e}').contains(&c));
        rest = end.map_or("", |end| &sequence[end + 1..]);
    }
    out + rest
}

/// Types lines into a program on a terminal, each when the prompt has come that the one before it led
/// to, and gives what was shown until the program ended.
pub(crate) fn type_into(command: Command, prompt: &str, lines: &[String]) -> String {
    // What is typed is shown on a line that begins with the prompt, again and again; the next
    // prompt comes behind the end of that line.
    let is_asked = |new: &[u8]| {
        plain(new)
            .rsplit('\n')
            .next()
            .is_some_and(|line| line.trim_end() == prompt.trim_end())
    };
    plain(&shown_on(command, 160, &is_asked, lines))
}

/// What a terminal of so many columns shows of a program, and of the answer to its question, with all that
/// only a terminal understands.
pub(crate) fn session(command: Command, columns: u16, answer: &str) -> String {
    let is_asked = |new: &[u8]| String::from_utf8_lossy(new).trim_end().ends_with(QUESTION);
    let answer = [answer.to_owned()];
    let shown = String::from_utf8(shown_on(command, columns, &is_asked, &answer)).expect("text");
    // The terminals here do not repeat what is typed.
    shown.replacen(
        &format!("{QUESTION} "),
        &format!("{QUESTION} {}", answer[0]),
        1,
    )
}

/// Types lines into a program on a terminal, each when what was shown since the one before it asks for it.
fn shown_on(
    mut command: Command,
    columns: u16,
    is_asked: &dyn Fn(&[u8]) -> bool,
    lines: &[String],
) -> Vec<u8> {
    let terminal = Terminal::open(columns).expect("a pseudo-terminal");
    let mut child = command
        .stdin(terminal.stream())
        .stdout(terminal.stream())
        .stderr(terminal.stream())
        .process_group(0)
        .spawn()
        .expect("the program starts");
    // The command holds the line, too.
    drop(command);
    let mut keyboard = terminal.keyboard.try_clone().expect("a second handle");
    let (sender, received) = mpsc::channel();
    drop(terminal.line);
    thread::spawn(move || pass_on(terminal.keyboard, Stream::Out, &sender));
    let (mut shown, mut from) = (Vec::new(), 0);
    let mut end = Instant::now() + TIME_LIMIT;
    let mut lines = lines.iter();
    loop {
        match received.recv_timeout(Duration::from_millis(100)) {
            Ok((_, bytes)) => shown.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if Instant::now() > end => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if is_asked(&shown[from..])
            && let Some(line) = lines.next()
        {
            from = shown.len();
            end = Instant::now() + TIME_LIMIT;
            keyboard
                .write_all(line.as_bytes())
                .expect("a terminal takes what is typed");
        }
    }
    // A program that still waits for somebody is not to be waited for.
    let _ = child.kill();
    let _ = wait(&mut child);
    shown
}
