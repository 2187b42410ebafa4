//! Standard error: what is said to a person beside the data.
//!
//! Every message is one line, `ocirm: ` or a word before it, so that it can be told apart in the
//! log of a job. Failing to say something is never a failure: the deletion is what counts.

use std::borrow::Cow;
use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anstream::ColorChoice;

use super::fit::wrapped;
use super::progress::{Progress, can_be_shown, end, without};
use super::shorten::message;
use super::streams::{columns, is_ready};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Nothing at all: a program that uses the crate says what is to be said.
    Silent,
    /// What failed, and nothing else, on neither stream.
    Quiet,
    /// What most people want to know.
    Usual,
    /// All of it.
    Verbose,
}

/// Standard error, with or without colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    color: ColorChoice,
    talk: Talk,
}

impl Console {
    pub(crate) fn new(color: ColorChoice, talk: Talk) -> Console {
        Console { color, talk }
    }

    /// The same for somebody who is asked a question, and has to know what it is about.
    pub(crate) fn while_asking(self) -> Console {
        let talk = match self.talk {
            Talk::Quiet => Talk::Usual,
            talk => talk,
        };
        Console { talk, ..self }
    }

    /// Whether to say what most people need not know.
    pub(crate) fn is_verbose(self) -> bool {
        self.talk == Talk::Verbose
    }

    /// Whether to say nothing but what failed, on neither stream.
    pub(crate) fn is_quiet(self) -> bool {
        matches!(self.talk, Talk::Quiet | Talk::Silent)
    }

    /// Whether to say nothing at all.
    pub(crate) fn is_silent(self) -> bool {
        self.talk == Talk::Silent
    }

    fn line(self, style: &str, head: &str, text: &str) {
        if self.is_silent() {
            return;
        }
        without(|| {
            let mut err = anstream::AutoStream::new(io::stderr().lock(), self.color);
            let head_and_text = format!("{head} {text}");
            let lines = match columns(&io::stderr()) {
                Some(columns) => wrapped(&head_and_text, columns),
                None => Cow::Borrowed(&*head_and_text),
            };
            let text = &lines[head.len()..];
            let _ = writeln!(err, "{style}{head}\u{1b}[0m{text}");
        });
    }

    /// A failure, in one line.
    pub(crate) fn error(self, text: &str) {
        self.line("\u{1b}[1;31m", "ocirm:", text);
    }

    /// Something that may not be what the user wanted.
    pub(crate) fn warning(self, text: &str) {
        if !self.is_quiet() {
            self.line("\u{1b}[1;33m", "warning:", text);
        }
    }

    /// Something that the user may have thought would be otherwise, and that is no failure.
    pub(crate) fn note(self, text: &str) {
        if !self.is_quiet() {
            self.line("\u{1b}[1;36m", "note:", text);
        }
    }

    /// What the user can do now.
    pub(crate) fn hint(self, text: &str) {
        self.line("\u{1b}[1;36m", "hint:", text);
    }

    /// A line of the dialogue with who sits at the terminal.
    pub(crate) fn say(self, text: &str) {
        if self.is_silent() {
            return;
        }
        let lines = match columns(&io::stderr()) {
            Some(columns) => wrapped(text, columns),
            None => Cow::Borrowed(text),
        };
        without(|| {
            let _ = writeln!(io::stderr().lock(), "{lines}");
        });
    }

    /// Whether standard error takes a line at once.
    pub(crate) fn is_ready(self) -> bool {
        is_ready(&io::stderr())
    }

    /// The same, of lines that `write` writes.
    pub(crate) fn say_with(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.is_silent() {
            return;
        }
        without(|| {
            let mut err = io::BufWriter::new(io::stderr().lock());
            let _ = write(&mut err).and_then(|()| err.flush());
        });
    }

    /// Whether somebody sits before it.
    pub(crate) fn is_on_terminal(self) -> bool {
        io::stderr().is_terminal()
    }

    /// How many columns it has; nothing if it is no terminal.
    pub(crate) fn columns(self) -> Option<usize> {
        columns(&io::stderr())
    }

    /// Whether somebody can answer a question.
    pub(crate) fn can_ask(self) -> bool {
        io::stdin().is_terminal()
    }

    /// Asks, and takes only a `y` for a yes.
    pub(crate) fn ask(self, question: &str) -> bool {
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question} [y/N] ");
        let _ = err.flush();
        drop(err);
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        if !answer.ends_with('\n') {
            // Nobody ended the line of the question.
            let _ = writeln!(io::stderr());
        }
        read.is_ok() && answer.trim().eq_ignore_ascii_case("y")
    }

    /// Progress of something that may take long, if anybody is to see it; see [`Progress`].
    pub(crate) fn progress_if(
        self,
        is_shown: bool,
        what: &'static str,
        things: &'static str,
    ) -> Progress {
        let is_shown = is_shown && !self.is_quiet() && can_be_shown();
        Progress::new(what, things, is_shown)
    }

    /// Removes all progress for good: the program ends.
    pub(crate) fn end_progress(self) {
        end();
    }
}

/// A name or message from a layout, safe to show.
pub(crate) fn shown(text: &str) -> String {
    message(text).into_owned()
}
