//! The environment: whatever locale, time zone, terminal, home or current directory a process is given, and
//! whichever of its streams are closed, it says and does the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::command::ocirm;
use crate::support::contents::arg;
use crate::support::layout::{LAYER, Layout};
use crate::support::place::Place;
use crate::support::tree::Tree;

/// What is run, in this order; the last ones change the layout.
const COMMANDS: [&[&str]; 18] = [
    &["ls"],
    &["ls", "--tree"],
    &["ls", "--digests", "--no-trunc"],
    &["ls", "--format", "json"],
    &["ls", "--format", "{{.Name}} {{.CreatedAt}} {{.Size}}"],
    &["ls", "--sort", "name", "TITLE:*"],
    &["ls", "--filter", "until=2020-01-01T00:00:00Z"],
    &["df", "-v"],
    &["check", "-v", "--digests"],
    &["why", "title:i"],
    &["rmi", "-n", "-v", "title:I"],
    &["rmi", "-n", "straße:1"],
    &["prune", "-n", "--grace", "0s"],
    &["prune", "-n", "--all", "--keep-daily", "1"],
    &["prune", "--nonsense"],
    &["rmi", "--help"],
    &["rmi", "title:I"],
    &["prune", "--force", "--grace", "0s"],
];

/// Names that fold in another way in Turkish, and that no old encoding has.
fn write(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    let mut layout = Layout::in_dir(dir);
    let (one, other) = (layout.image("one"), layout.image("other"));
    layout
        .tagged(&one, "title:i")
        .tagged(&other, "title:I")
        .tagged(&other, "ẞ-日本語-ı")
        .finish();
    layout.blob(LAYER, "garbage");
}

/// What a command says, and how it ends.
type Said = (Option<i32>, String, String);

fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8 in every locale");
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Runs all commands on a new layout, as `change` sets them up, and says what the layout holds then.
fn run_all(place: &Place, change: &dyn Fn(&mut Command)) -> (Vec<Said>, Vec<String>) {
    let dir = place.path("layout");
    write(&dir);
    let mut all = Vec::new();
    for args in COMMANDS {
        let args = [&["--layout", arg(&dir)], args].concat();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut command = ocirm(&args, &place.home());
        command.stdin(Stdio::null());
        change(&mut command);
        all.push(said(&command.output().expect("the program")));
    }
    (all, Tree::of(&dir).items.into_keys().collect())
}

#[track_caller]
fn assert_same(what: &str, expected: &(Vec<Said>, Vec<String>), found: &(Vec<Said>, Vec<String>)) {
    for (args, (expected, found)) in COMMANDS.iter().zip(expected.0.iter().zip(&found.0)) {
        assert_eq!(expected, found, "{what}: {args:?}");
    }
    assert_eq!(expected.1, found.1, "{what}");
}

/// E3.
#[test]
fn no_variable_changes_what_is_said() {
    let place = Place::new();
    let expected = run_all(&place, &|_| ());
    let statuses: Vec<i32> = expected.0.iter().filter_map(|said| said.0).collect();
    assert!(statuses.len() == COMMANDS.len() && statuses.contains(&2) && statuses.contains(&0));
    for (variable, values) in [
        (
            "LC_ALL",
            &[
                "C",
                "POSIX",
                "tr_TR.UTF-8",
                "de_DE.UTF-8",
                "ja_JP.SJIS",
                "en_US.ISO-8859-1",
                "x",
            ][..],
        ),
        ("LANG", &["C", "tr_TR.UTF-8", ""]),
        (
            "TZ",
            &[
                "Pacific/Apia",
                "America/St_Johns",
                "Nowhere/Land",
                ":",
                "",
                "UTC-14",
                "\u{1b}[31m",
            ],
        ),
        ("TERM", &["", "dumb", "xterm-256color", "unknown"]),
        ("COLUMNS", &["1", "20", "many"]),
        ("NO_COLOR", &["", "0"]),
        ("HOME", &["", "/nowhere", "relative"]),
        ("PATH", &["", "/nowhere"]),
        ("PAGER", &["false"]),
        ("TMPDIR", &["/nowhere"]),
        ("RUST_BACKTRACE", &["full"]),
        ("RUST_LOG", &["trace"]),
        ("LANGUAGE", &["tr:de"]),
        ("SOURCE_DATE_EPOCH", &["0"]),
    ] {
        let without = run_all(&place, &|command| {
            command.env_remove("LC_ALL").env_remove(variable);
        });
        assert_same(&format!("{variable} unset"), &expected, &without);
        for value in values {
            let with = run_all(&place, &|command| {
                if variable == "LANG" {
                    command.env_remove("LC_ALL");
                }
                command.env(variable, value);
            });
            let mut expected = expected.clone();
            if variable == "COLUMNS" {
                // Help is for people, and fits in.
                let help = COMMANDS.iter().position(|args| args.contains(&"--help"));
                let help = help.expect("one of the commands");
                expected.0[help] = with.0[help].clone();
            }
            assert_same(&format!("{variable}={value}"), &expected, &with);
        }
    }
    let without = run_all(&place, &|command| {
        command.env_clear();
    });
    assert_same("no variables", &expected, &without);
}

/// E3: whoever is in a directory that is gone, or may only be read, names the layout.
#[test]
fn the_current_directory_is_not_needed() {
    let place = Place::new();
    let expected = run_all(&place, &|_| ());
    for (what, there) in [
        (
            "gone",
            "mkdir -p \"$PWD/gone\" && cd gone && rmdir \"$PWD\" && exec \"$0\" \"$@\"",
        ),
        ("/", "cd / && exec \"$0\" \"$@\""),
        ("/proc", "cd /proc 2>/dev/null; exec \"$0\" \"$@\""),
    ] {
        let found = run_all(&place, &|command| in_shell(command, there));
        assert_same(what, &expected, &found);
    }
}

/// E3: what a closed stream would have had is lost, and nothing else.
#[test]
fn closed_streams_change_nothing() {
    let place = Place::new();
    let expected = run_all(&place, &|_| ());
    for (what, has_out, has_err) in [
        ("<&-", true, true),
        (">&-", false, true),
        ("2>&-", true, false),
        ("<&- >&- 2>&-", false, false),
    ] {
        let found = run_all(&place, &|command| {
            in_shell(command, &format!("exec \"$0\" \"$@\" {what}"));
        });
        let mut kept = expected.clone();
        for (_, out, err) in &mut kept.0 {
            if !has_out {
                out.clear();
            }
            if !has_err {
                err.clear();
            }
        }
        assert_same(what, &kept, &found);
    }
}

/// Has a shell start the command.
fn in_shell(command: &mut Command, script: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(command.get_program());
    shell.args(command.get_args());
    shell.env_clear();
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    for (key, value) in std::env::vars_os() {
        if !key.to_string_lossy().starts_with("OCIRM") {
            shell.env(key, value);
        }
    }
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    shell.stdin(Stdio::null());
    *command = shell;
}
