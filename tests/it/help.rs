//! The short help fits a screen, the long help has examples that can be typed, and the manual pages
//! have the sections that people look for.

use std::process::{Command, Stdio};

use super::support::command::run;
use super::support::peers::is_installed;

/// What a terminal has at least, in columns and lines.
const COLUMNS: usize = 80;
const LINES: usize = 24;

/// Every command with what is typed after the name of the program, that of the program first.
fn commands() -> Vec<(String, clap::Command)> {
    fn add(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        found.push((path.trim_start().to_owned(), command.clone()));
        for sub in command.get_subcommands() {
            if sub.get_name() != "help" {
                add(sub, &format!("{path} {}", sub.get_name()), found);
            }
        }
    }
    let mut command = ocirm::cli::command();
    command.build();
    let mut found = Vec::new();
    add(&command, "", &mut found);
    found
}

/// X24: `-h` is for people who look for an option; each has one line, and all fit a terminal. An
/// option that is for few gets `hide_short_help = true`.
#[test]
fn the_short_help_fits_a_terminal() {
    for (path, command) in commands() {
        let help = command.term_width(COLUMNS).render_help().to_string();
        let lines: Vec<&str> = help.trim_end().lines().collect();
        assert!(
            lines.len() <= LINES,
            "{path}: {} lines\n{help}",
            lines.len()
        );
        for line in lines {
            let indent = line.len() - line.trim_start().len();
            let is_option = line.trim_start().starts_with(['-', '[', '<']);
            assert!(indent <= 6 || is_option, "{path} needs two lines: {line}");
            assert!(line.chars().count() <= COLUMNS, "{path}: {line}");
        }
    }
}

/// X24: whatever `-h` leaves out, `--help` has.
#[test]
fn the_long_help_has_every_option_and_examples() {
    for (path, mut command) in commands() {
        let help = command.render_long_help().to_string();
        for option in command
            .get_arguments()
            .filter(|option| !option.is_positional())
        {
            let option = option.get_long().unwrap();
            assert!(help.contains(&format!("--{option}")), "{path}: --{option}");
        }
        if !command.has_subcommands() || path.is_empty() {
            assert!(help.contains("Examples:"), "{path}");
        }
        let has_json = command
            .get_arguments()
            .any(|option| option.get_id() == "format");
        assert_eq!(help.contains("\nJSON:\n"), has_json, "{path}");
    }
}

/// The words of a command line from `ocirm` on, as a shell makes them.
fn words(line: &str) -> Vec<String> {
    let line = &line[line.find("ocirm").unwrap()..];
    let line = line.split(" >").next().unwrap();
    let script = format!("ocirm() {{ printf '%s\\0' ocirm \"$@\"; }}; {line}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// X25: an example that cannot be typed is worse than none.
#[test]
fn every_example_is_a_command_line_of_its_command() {
    let commands = commands();
    for page in ocirm::help::PAGES {
        assert!(
            commands.iter().any(|(path, _)| path == page.command),
            "{}",
            page.command
        );
        for (line, _) in page.examples {
            let words = words(line);
            assert!(words.len() > 1, "{line}");
            match ocirm::cli::command().try_get_matches_from(&words) {
                Ok(matches) => {
                    let mut path = String::new();
                    let mut below = matches.subcommand();
                    while let Some((name, matches)) = below {
                        path = format!("{path} {name}").trim_start().to_owned();
                        below = matches.subcommand();
                    }
                    // Of a command that has others below it, one of these.
                    let is_own = path.split(' ').zip(page.command.split(' '));
                    let is_own = page.command.is_empty() || is_own.into_iter().all(|(a, b)| a == b);
                    assert!(is_own, "{line} is an example of {}", page.command);
                }
                Err(error) => {
                    let is_help = error.kind() == clap::error::ErrorKind::DisplayHelp;
                    assert!(is_help, "{line}: {error}");
                }
            }
            assert!(line.len() + 2 <= 100, "{line}");
        }
    }
    for (path, _) in commands {
        assert!(
            ocirm::help::page(&path).is_some(),
            "nothing is said of {path}"
        );
    }
}

/// X26: `ocirm man` writes what the repository has, makes the directory, and replaces older pages.
#[test]
fn manual_pages_are_written_into_a_directory() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("here")).unwrap();
    let man = place.path().join("a/man1");
    let man = man.to_str().unwrap();
    for _ in 0..2 {
        let output = run(&["man".to_owned(), man.to_owned()], place.path());
        assert_eq!(output.code(), Some(0));
        for page in ocirm::manual::pages().unwrap() {
            let path = std::path::Path::new(man).join(page.file);
            assert_eq!(std::fs::read(&path).unwrap(), page.text);
            std::fs::write(path, "older").unwrap();
        }
        std::fs::write(place.path().join("a/man1/other.1"), "").unwrap();
    }
    assert!(place.path().join("a/man1/other.1").exists());
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = run(
        &["man".to_owned(), file.to_str().unwrap().to_owned()],
        place.path(),
    );
    assert_eq!(output.code(), Some(1));
    assert_eq!(output.out, "");
    let said = output.err;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("file") && said.contains("directory"),
        "{said}"
    );
}

/// X27: the sections that people look for, in the order of the help, and nothing that `man` stumbles over.
#[test]
fn manual_pages_have_their_sections_and_no_faults() {
    let has_mandoc = is_installed("mandoc");
    let has_man = is_installed("man");
    for page in ocirm::manual::pages().unwrap() {
        let text = String::from_utf8(page.text.clone()).unwrap();
        let mut at = 0;
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
            "SEE ALSO",
        ] {
            let found = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
            let found: Vec<usize> = found
                .iter()
                .filter_map(|line| text.find(line.as_str()))
                .collect();
            assert_eq!(found.len(), 1, "{}: {section}", page.file);
            assert!(found[0] >= at, "{}: {section}", page.file);
            at = found[0];
        }
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join(&page.file);
        std::fs::write(&file, &page.text).unwrap();
        if has_mandoc {
            let output = Command::new("mandoc")
                .args(["-T", "lint", "-W", "warning"])
                .arg(&file)
                .output();
            let said = String::from_utf8(output.unwrap().stdout).unwrap();
            let said: Vec<&str> = said
                .lines()
                .filter(|line| !line.contains("missing date"))
                .collect();
            assert!(said.is_empty(), "{said:#?}");
        }
        if has_man {
            let mut man = Command::new("man");
            let man = man.env("LC_ALL", "C.UTF-8").args([
                "--warnings",
                "-E",
                "UTF-8",
                "-l",
                "-Tutf8",
                "-Z",
            ]);
            let output = man.arg(&file).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.is_empty(), "{}: {said}", page.file);
        }
    }
}
