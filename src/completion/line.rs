//! What a command line that is being typed says about the word at the cursor: the command, the
//! layouts, and the images that were named before it.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Arg, Command};

/// A command line, without the quotes of the shell.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// The words up to that at the cursor, which is the last of them.
    before: Vec<OsString>,
    after: Vec<OsString>,
}

/// What a line says, as far as it has been typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The name of the command.
    pub(super) command: String,
    /// Those of `--layout`.
    pub(super) layouts: Vec<PathBuf>,
    /// That of `--recursive`.
    pub(super) recursive: Option<PathBuf>,
    /// The arguments of the command.
    pub(super) arguments: Vec<String>,
}

impl Line {
    /// `before` begins with the name of the program and ends with the word at the cursor.
    pub(super) fn new(before: Vec<OsString>, after: Vec<OsString>) -> Line {
        Line { before, after }
    }

    /// All words up to the cursor, and the position of the one there.
    pub(super) fn words(&self) -> (Vec<OsString>, usize) {
        (self.before.clone(), self.before.len().saturating_sub(1))
    }

    /// What the other words say. The one at the cursor says nothing yet.
    pub(super) fn said(&self, program: &Command) -> Said {
        let mut said = Said::default();
        let before = self
            .before
            .split_last()
            .map_or(&[][..], |(_, before)| before);
        let mut reader = Reader {
            command: program,
            said: &mut said,
            waiting: None,
            is_escaped: false,
        };
        before.iter().skip(1).for_each(|word| reader.read(word));
        // Behind the cursor a value may be missing that the word there is to be.
        reader.waiting = None;
        self.after.iter().for_each(|word| reader.read(word));
        said
    }
}

struct Reader<'r> {
    command: &'r Command,
    said: &'r mut Said,
    /// The option whose value comes next.
    waiting: Option<&'r Arg>,
    is_escaped: bool,
}

impl<'r> Reader<'r> {
    fn read(&mut self, word: &OsStr) {
        if let Some(option) = self.waiting.take() {
            return self.value(option, word);
        }
        let text = word.to_string_lossy().into_owned();
        if self.is_escaped || text == "-" || !text.starts_with('-') {
            return self.argument(text);
        }
        if text == "--" {
            self.is_escaped = true;
        } else if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let option = self.option(|option| option.get_long() == Some(name));
            if let Some(option) = option.filter(|option| takes_value(option)) {
                match value {
                    Some(value) => self.value(option, OsStr::new(value)),
                    None => self.waiting = Some(option),
                }
            }
        } else {
            self.short(&text[1..]);
        }
    }

    /// Several short options in one word, of which the last may have its value there.
    fn short(&mut self, text: &str) {
        for (at, letter) in text.char_indices() {
            let option = self.option(|option| option.get_short() == Some(letter));
            let Some(option) = option.filter(|option| takes_value(option)) else {
                continue;
            };
            let value = &text[at + letter.len_utf8()..];
            match value {
                "" => self.waiting = Some(option),
                _ => self.value(option, OsStr::new(value.strip_prefix('=').unwrap_or(value))),
            }
            return;
        }
    }

    fn option(&self, is_it: impl Fn(&Arg) -> bool) -> Option<&'r Arg> {
        self.command.get_arguments().find(|option| is_it(option))
    }

    fn value(&mut self, option: &Arg, value: &OsStr) {
        match option.get_id().as_str() {
            "layouts" => self.said.layouts.push(expanded(value)),
            "recursive" => self.said.recursive = Some(expanded(value)),
            _ => {}
        }
    }

    fn argument(&mut self, text: String) {
        match self.command.find_subcommand(&text) {
            Some(sub) if self.said.arguments.is_empty() && !self.is_escaped => {
                self.command = sub;
                self.said.command = sub.get_name().to_owned();
            }
            _ => self.said.arguments.push(text),
        }
    }
}

/// A path with what the shell would put in the place of a leading `~` or variable.
pub(super) fn expanded(path: &OsStr) -> PathBuf {
    let text = path.to_string_lossy();
    let (first, rest) = text.split_once('/').unwrap_or((&text, ""));
    let variable = match first.strip_prefix('$') {
        _ if first == "~" => "HOME",
        Some(name) => name
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
            .unwrap_or(name),
        None => return PathBuf::from(path),
    };
    match std::env::var_os(variable) {
        Some(value) if !value.is_empty() => PathBuf::from(value).join(rest),
        _ => PathBuf::from(path),
    }
}

fn takes_value(option: &Arg) -> bool {
    option.get_action().takes_values()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(before: &[&str], after: &[&str]) -> Said {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect();
        let mut program = crate::cli::command();
        program.build();
        Line::new(words(before), words(after)).said(&program)
    }

    #[test]
    fn a_home_directory_is_what_the_shell_makes_of_it() {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        for text in ["~/a", "$HOME/a", "${HOME}/a"] {
            assert_eq!(expanded(OsStr::new(text)), home.join("a"), "{text}");
        }
        for text in ["a/~", "~x/a", "$no_such_variable/a", "./a"] {
            assert_eq!(expanded(OsStr::new(text)), PathBuf::from(text));
        }
    }

    #[test]
    fn layouts_and_arguments_are_found_wherever_they_stand() {
        for (before, after) in [
            (&["o", "--layout", "d", "rmi", "x", ""][..], &[][..]),
            (&["o", "rmi", "--layout=d", "x", ""], &[]),
            (&["o", "rmi", "-ld", "--trash", "x", "al"], &[]),
            (&["o", "rmi", "-nl=d", "x", "al"], &[]),
            (&["o", "rmi", "-l", "d", "--format", "json", "x", "al"], &[]),
            (&["o", "rmi", "al"], &["x", "--layout", "d"]),
            (
                &["o", "-v", "rmi", "--platform", ""],
                &["x", "--layout", "d"],
            ),
            (
                &[
                    "o",
                    "rmi",
                    "--platform",
                    "linux/amd64",
                    "x",
                    "-l",
                    "d",
                    "--",
                ],
                &[],
            ),
        ] {
            let said = said(before, after);
            assert_eq!(said.layouts, [PathBuf::from("d")], "{before:?}");
            assert_eq!(said.arguments, ["x"], "{before:?}");
        }
        assert_eq!(said(&[], &[]), Said::default());
        assert_eq!(said(&["o", "--layout"], &[]), Said::default());
        assert_eq!(said(&["o", "rmi", "--", "rmi", ""], &[]).arguments, ["rmi"]);
    }
}
