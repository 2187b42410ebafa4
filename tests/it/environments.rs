//! The environment: whatever locale, time zone, terminal, home or current directory a process is given, and
//! whichever of its streams are closed, it says and does the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::command::ocirm;
use crate::support::contents::arg;
use crate::support::layout::{LAYER, Layout};
use crate::support::place::Place;
use crate::support::schema;
use crate::support::tree::Tree;

/// What is run, in this order; the last ones change the layout.
const COMMANDS: [&[&str]; 16] = [
    &["ls"],
    &["ls", "--tree"],
    &["ls", "--format", "json"],
    &["ls", "--format", "{{.Name}} {{.CreatedAt}} {{.Size}}"],
    &["ls", "--sort", "name", "TITLE:*"],
    &["ls", "--filter", "until=2020-01-01T00:00:00Z"],
    &["df", "-v"],
    &["check", "-v", "--digests"],
    &["why", "title:i"],
    &["rmi", "-n", "-v", "title:I"],
    &["rmi", "-n", "straße:1"],
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
        let output = command.output().expect("the program");
        let said = said(&output);
        schema::judge(&args, Some(output.status), &said.1);
        all.push(said);
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

/// So many rounds show each value of each variable.
const ROUNDS: usize = 11;

/// Variables and their values; nothing where one is not set. In each round all have one of theirs, again and again
/// from the first. LANG counts where LC_ALL is not set, so each of its values meets that.
const VARIABLES: [(&str, &[Option<&str>]); 14] = [
    (
        "LC_ALL",
        &[
            Some("C"),
            Some("POSIX"),
            Some("tr_TR.UTF-8"),
            Some("de_DE.UTF-8"),
            Some("ja_JP.SJIS"),
            Some("en_US.ISO-8859-1"),
            Some("x"),
            None,
            None,
            None,
            None,
        ],
    ),
    ("LANG", &[None, Some("C"), Some("tr_TR.UTF-8"), Some("")]),
    (
        "TZ",
        &[
            None,
            Some("Pacific/Apia"),
            Some("America/St_Johns"),
            Some("Nowhere/Land"),
            Some(":"),
            Some(""),
            Some("UTC-14"),
            Some("\u{1b}[31m"),
        ],
    ),
    (
        "TERM",
        &[
            None,
            Some(""),
            Some("dumb"),
            Some("xterm-256color"),
            Some("unknown"),
        ],
    ),
    ("COLUMNS", &[Some("1"), Some("20"), Some("many")]),
    ("NO_COLOR", &[None, Some(""), Some("0")]),
    (
        "HOME",
        &[None, Some(""), Some("/nowhere"), Some("relative")],
    ),
    ("PATH", &[Some(""), Some("/nowhere"), None]),
    ("PAGER", &[Some("false")]),
    ("TMPDIR", &[Some("/nowhere"), None]),
    ("RUST_BACKTRACE", &[Some("full"), None]),
    ("RUST_LOG", &[Some("trace")]),
    ("LANGUAGE", &[Some("tr:de")]),
    ("SOURCE_DATE_EPOCH", &[Some("0")]),
];

/// E3.
#[test]
fn no_variable_changes_what_is_said() {
    let place = Place::new();
    let expected = run_all(&place, &|_| ());
    let statuses: Vec<i32> = expected.0.iter().filter_map(|said| said.0).collect();
    assert!(statuses.len() == COMMANDS.len() && statuses.contains(&2) && statuses.contains(&0));
    for round in 0..ROUNDS {
        let setting = VARIABLES.map(|(name, values)| (name, values[round % values.len()]));
        let with = run_all(&place, &|command| {
            for (variable, value) in setting {
                match value {
                    Some(value) => command.env(variable, value),
                    None => command.env_remove(variable),
                };
            }
        });
        let mut expected = expected.clone();
        // Help is for people, and fits into COLUMNS.
        let help = COMMANDS.iter().position(|args| args.contains(&"--help"));
        let help = help.expect("one of the commands");
        expected.0[help] = with.0[help].clone();
        assert_same(&format!("{setting:?}"), &expected, &with);
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
