//! Words that a shell completes. The shell's script runs this program with the variable `COMPLETE`
//! and the command line as it stands; the answer is the words that could stand at the cursor.
//!
//! * `quoting`: how bash, zsh and fish quote
//! * `line`: which layout and which images a command line is about
//! * `values`: which values each argument can have
//! * `scripts`: what the shells run
//!
//! Whatever goes wrong, nothing is said: there is no place for it beside a line that somebody types.

mod line;
mod quoting;
mod scripts;
mod values;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use clap_complete::CompletionCandidate;
use line::Line;
pub use scripts::{Shell, script};

/// The variable with the name of the shell that asks.
pub const VARIABLE: &str = "COMPLETE";

/// Answers a shell, if one asks. The value is whether it did; otherwise there is a command to run.
pub fn answer(out: &mut dyn Write) -> bool {
    let Some(name) = std::env::var_os(VARIABLE) else {
        return false;
    };
    // The variable may be somebody else's.
    let Some(shell) = Shell::of_path(&name) else {
        return false;
    };
    let mut words = std::env::args_os().skip(1);
    match words.next() {
        None => {
            let _ = out.write_all(script(shell).as_bytes());
            true
        }
        Some(word) if word == "--" => {
            let _ = complete(shell, words.collect(), out).and_then(|()| out.flush());
            true
        }
        // A command, in a shell where the variable happens to be set.
        Some(_) => false,
    }
}

/// Writes the words that could stand at the cursor, one on each line, as the script of the shell
/// expects them.
fn complete(shell: Shell, words: Vec<OsString>, out: &mut dyn Write) -> io::Result<()> {
    match shell {
        Shell::Bash => {
            let [before, after, replaced] = three(words);
            let Some(typed) = quoting::bash(&before) else {
                return Ok(());
            };
            let rest = quoting::words_after(&after);
            let line = Line::new(typed.words.clone(), rest);
            for found in candidates(line)? {
                if let Some(text) = typed.replacement(&found.text, &replaced) {
                    writeln!(out, "{text}")?;
                }
            }
        }
        Shell::Zsh => {
            let mut words = words.into_iter();
            let at = words
                .next()
                .and_then(|at| at.to_str()?.parse().ok())
                .unwrap_or(0);
            let mut before: Vec<OsString> = words.collect();
            let after = before.split_off(before.len().min(at + 1));
            for found in candidates(Line::new(before, after))? {
                let mark = if found.goes_on() { '+' } else { '=' };
                let text = found.text.replace('\\', "\\\\").replace(':', "\\:");
                match found.about.as_str() {
                    "" => writeln!(out, "{mark}{text}")?,
                    about => writeln!(out, "{mark}{text}:{}", about.replace('\\', "\\\\"))?,
                }
            }
        }
        Shell::Fish => {
            let mut words = words;
            if let Some(last) = words.last_mut() {
                *last = quoting::fish(&last.to_string_lossy()).into();
            }
            for found in candidates(Line::new(words, Vec::new()))? {
                match found.about.as_str() {
                    "" => writeln!(out, "{}", found.text)?,
                    about => writeln!(out, "{}\t{about}", found.text)?,
                }
            }
        }
        Shell::Elvish | Shell::PowerShell => {
            let line = Line::new(words, Vec::new());
            let separator = match shell {
                Shell::Elvish => std::env::var("_CLAP_IFS").unwrap_or_else(|_| "\n".to_owned()),
                _ => "\n".to_owned(),
            };
            for (number, found) in candidates(line)?.into_iter().enumerate() {
                let before = if number == 0 { "" } else { &separator };
                write!(out, "{before}{}", found.text)?;
            }
        }
    }
    Ok(())
}

/// What bash passes on: the line before the cursor, behind it, and the word that it would replace.
fn three(words: Vec<OsString>) -> [String; 3] {
    let mut words = words
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned());
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

/// A word that could stand at the cursor.
struct Found {
    text: String,
    about: String,
}

impl Found {
    /// Words of which more is to follow are not ended with a blank.
    fn goes_on(&self) -> bool {
        self.text.ends_with(['/', '=', ':'])
    }
}

/// The words that could stand at the cursor. Options are offered where nothing else can be, or where
/// the word begins as one.
fn candidates(line: Line) -> io::Result<Vec<Found>> {
    let (words, at) = line.words();
    let is_option = |text: &OsStr| text.as_encoded_bytes().starts_with(b"-");
    let asks_for_option = words.get(at).is_some_and(|word| is_option(word));
    let mut command = values::with_values(crate::cli::command(), line);
    let here = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut command, words, at, here.as_deref())?;
    let has_values = found
        .iter()
        .any(|candidate| !is_option(candidate.get_value()));
    let wanted = found
        .into_iter()
        .filter(|candidate| asks_for_option || !has_values || !is_option(candidate.get_value()));
    Ok(wanted.filter_map(of_candidate).collect())
}

/// A candidate as text; what is no text, or would do something to a terminal, is none.
fn of_candidate(candidate: CompletionCandidate) -> Option<Found> {
    let text = candidate.get_value().to_str()?.to_owned();
    let about = candidate
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let about = about.lines().next().unwrap_or_default().to_owned();
    (crate::report::console::shown(&text) == text).then_some(Found { text, about })
}
