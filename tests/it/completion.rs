//! Words that a shell completes are those of the layout, and get into the line as they are.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::support::command::{ocirm, run};
use super::support::contents::{arg, digest};
use super::support::layout::Layout;
use super::support::peers::is_installed;
use super::support::special_files::fifo;
use super::support::strace;
use super::support::terminal::type_into;
use super::support::tree::Tree;

/// A directory with layouts, in which the program runs, and one before all others on the PATH.
struct Place {
    home: TempDir,
}

/// Names of images that a shell, a terminal or the program itself could misread.
const ODD: [&str; 12] = [
    "a b",
    "a$HOME",
    "it's",
    "dq\"x",
    "semi;rm",
    "b!ang",
    "café",
    "back`tick",
    "paren(x)",
    "~tilde",
    "#hash",
    "eq=x:y",
];

/// Names that are not offered: an option, a pattern, and what a terminal would obey.
const LEFT_OUT: [&str; 5] = ["-rf", "star*", "new\nline", "tab\there", "esc\u{1b}[2J"];

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("here")).unwrap();
        let place = Place { home };
        let mut layout = Layout::in_dir(&place.work().join("odd"));
        for tag in ["alpine:3.19", "alpine:3.20"]
            .iter()
            .chain(&ODD)
            .chain(&LEFT_OUT)
        {
            let image = layout.image(tag);
            layout.tagged(&image, tag);
        }
        layout.finish();
        let mut layout = Layout::in_dir(&place.work().join("multi"));
        let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
        let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
        let multi = layout.index(&[&amd, &arm]);
        let windows = layout.image_for("windows/amd64", "windows", &["windows"]);
        layout
            .tagged(&multi, "multi")
            .tagged(&windows, "single")
            .finish();
        place
    }

    fn work(&self) -> PathBuf {
        self.home.path().join("here")
    }

    /// What the program answers a shell.
    fn answer(&self, shell: &str, words: &[&str]) -> Vec<String> {
        let args: Vec<String> = ["--"]
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect();
        let mut command = ocirm(&args, self.home.path());
        let output = command
            .env("COMPLETE", shell)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{words:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The words that fish is offered, without what is said of them.
    fn words(&self, line: &[&str]) -> Vec<String> {
        let words = [&["ocirm"], line].concat();
        let lines = self.answer("fish", &words).into_iter();
        lines
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect()
    }

    /// A program on the PATH that answers shells, and otherwise writes down how it was called.
    fn path(&self) -> String {
        let bin = self.home.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let program = env!("CARGO_BIN_EXE_ocirm");
        let calls = self.home.path().join("calls");
        let script = format!(
            "#!/bin/sh\nif [ -n \"$COMPLETE\" ] || [ \"$1\" = completion ]; then exec {program} \"$@\"; fi\n\
             for word; do printf '%s\\0' \"$word\"; done >>{0}; echo >>{0}\n",
            calls.display()
        );
        let path = bin.join("ocirm");
        // A program that is open for writing cannot be started; another thread may be starting one.
        let mut sh = Command::new("sh");
        let sh = sh
            .args(["-c", "cat >\"$0\" && chmod +x \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped());
        let mut sh = sh.spawn().unwrap();
        sh.stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        assert!(sh.wait().unwrap().success());
        format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
    }

    /// A shell in which nothing of the machine's is set up.
    fn shell(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs([
                ("PATH", self.path()),
                ("HOME", self.home.path().display().to_string()),
            ])
            .envs([("LANG", "C.UTF-8"), ("TERM", "dumb"), ("PS1", "READY> ")])
            .current_dir(self.work());
        command
    }

    /// How the program was called.
    fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.home.path().join("calls")).unwrap_or_default();
        let calls = text.split_terminator("\0\n");
        calls
            .map(|call| call.split('\0').map(str::to_owned).collect())
            .collect()
    }
}

/// X28: names are those that `ls` shows, of the layout that the line is about.
#[test]
fn names_are_those_of_the_layout_on_the_line() {
    let place = Place::new();
    let both = ["alpine:3.19", "alpine:3.20"];
    for command in ["rmi", "untag", "why", "ls"] {
        assert_eq!(
            place.words(&["-l", "odd", command, "alp"]),
            both,
            "{command}"
        );
        assert_eq!(
            place.words(&["--layout=odd", command, "alpine:3.2"]),
            ["alpine:3.20"]
        );
        assert_eq!(
            place.words(&[command, "--layout", "odd", "alpine:3.2"]),
            ["alpine:3.20"]
        );
        assert_eq!(
            place.words(&[command, "oci:odd:alpine:3.2"]),
            ["oci:odd:alpine:3.20"]
        );
        assert_eq!(
            place.words(&[command, "alp"]),
            [""; 0],
            "{command} without a layout"
        );
    }
    assert_eq!(place.words(&["rmi", "oci:od"]), ["oci:odd:"]);
    let all = place.words(&["-l", "odd", "rmi", ""]);
    for name in ODD.iter().chain(&both) {
        assert!(all.iter().any(|word| word == name), "{name}: {all:?}");
    }
    assert_eq!(all.len(), ODD.len() + 2, "{all:?}");
    let mut command = ocirm(
        &["--", "ocirm", "rmi", "alp"].map(str::to_owned),
        place.home.path(),
    );
    let command = command
        .env("COMPLETE", "fish")
        .env("OCIRM_LAYOUT", "odd")
        .stdin(Stdio::null());
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
}

/// X28: a layout may be spelled as other tools do it, be an argument, or lie below a directory.
#[test]
fn a_layout_is_found_however_it_is_named() {
    let place = Place::new();
    let both = ["alpine:3.19", "alpine:3.20"];
    let filters = both.map(|name| format!("reference={name}"));
    fs::create_dir_all(place.work().join("sub/deep")).unwrap();
    let mut layout = Layout::in_dir(&place.work().join("sub/deep/low"));
    for tag in both {
        let image = layout.image(tag);
        layout.tagged(&image, tag);
    }
    layout.finish();
    for line in [
        &["prune", "./odd", "--keep", "alp"][..],
        &["prune", "odd", "--keep", "alp"],
        &["prune", "oci:odd", "--keep", "alp"],
        &["prune", "--recursive", "sub", "--keep", "alp"],
        &["prune", "--recursive=sub/deep/low", "--keep", "alp"],
        &["ls", "./odd", "alp"],
        &["ls", "odd", "alp"],
        &["ls", "oci:odd", "alp"],
        &["ls", "ocidir://odd", "alp"],
        &["-l", "multi", "ls", "./odd", "alp"],
        &["-l", "oci:odd", "rmi", "alp"],
        &["-l", "ocidir://odd", "rmi", "alp"],
        &["rmi", "oci:./odd", "alp"],
        &["rmi", "ocidir://odd", "alp"],
    ] {
        assert_eq!(place.words(line), both, "{line:?}");
    }
    let line = ["ls", "./odd", "--filter", "reference=alp"];
    assert_eq!(place.words(&line), filters);
    // What is a name to the program names no layout here.
    assert_eq!(place.words(&["rmi", "odd", "alp"]), [""; 0]);
    assert_eq!(place.words(&["-l", "multi", "ls", "odd", "alp"]), [""; 0]);
    let args = ["--", "ocirm", "rmi", "alp"].map(str::to_owned);
    let mut command = ocirm(&args, place.home.path());
    command.env("COMPLETE", "fish").stdin(Stdio::null());
    let command = command.env("OCIRM_LAYOUT", "oci:odd");
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
}

/// X28: IDs from four digits on, digests from `s` on, platforms and digests of the image on the line.
#[test]
fn digests_and_platforms_are_those_of_the_image_on_the_line() {
    let place = Place::new();
    let layout = Layout::in_dir(&place.work().join("multi"));
    let amd = layout.image_for("linux/amd64", "amd", &["amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["arm"]);
    let multi = layout.index(&[&amd, &arm]);
    let (full, multi_id) = (digest(&multi), &digest(&multi)[7..19]);
    let words = |line: &[&str]| place.words(&[&["-l", "multi"], line].concat());
    assert_eq!(words(&["rmi", &full[..12]]), [full]);
    assert_eq!(words(&["rmi", &multi_id[..5]]), [multi_id]);
    for option in ["--platform", "--keep-platform"] {
        assert_eq!(
            words(&["rmi", "multi", option, ""]),
            ["linux/amd64", "linux/arm64"]
        );
        assert_eq!(words(&["rmi", "single", option, ""]), ["windows/amd64"]);
        assert_eq!(words(&["rmi", option, "linux/arm"]), ["linux/arm64"]);
        let all = ["linux/amd64", "linux/arm64", "windows/amd64"];
        assert_eq!(words(&["rmi", option, ""]), all);
        let list = words(&["rmi", multi_id, option, "linux/amd64,linux/ar"]);
        assert_eq!(list, ["linux/amd64,linux/arm64"]);
    }
    let mut listed = [digest(&amd).to_owned(), digest(&arm).to_owned()];
    listed.sort();
    assert_eq!(words(&["rmi", "multi", "--manifest", "sha256:"]), listed);
    assert_eq!(
        place.words(&["rmi", "oci:multi:multi", "--platform", "linux/am"]),
        ["linux/amd64"]
    );
}

/// X28: `restore` is about what lies in the trash.
#[test]
fn names_in_the_trash_are_those_of_restore() {
    let place = Place::new();
    assert_eq!(place.words(&["-l", "multi", "restore", ""]).len(), {
        let options = place.words(&["-l", "multi", "restore", "-"]);
        options.len()
    });
    let args = ["-l", "multi", "rmi", "--trash", "single"].map(str::to_owned);
    assert_eq!(run(&args, place.home.path()).code(), Some(0));
    assert_eq!(place.words(&["-l", "multi", "restore", ""]), ["single"]);
    assert_eq!(place.words(&["-l", "multi", "rmi", ""]), ["multi"]);
}

/// X28: filters, values of options, directories, shells.
#[test]
fn what_has_few_values_is_completed_from_them() {
    let place = Place::new();
    for (line, expected) in [
        (&["prune", "--filter", "dang"][..], &["dangling="][..]),
        (
            &["prune", "--filter", "dangling="],
            &["dangling=true", "dangling=false"],
        ),
        (
            &["ls", "--filter=b"],
            &["--filter=before=", "--filter=broken="],
        ),
        (&["prune", "--filter", "be"], &[]),
        (
            &["-l", "odd", "ls", "-f", "reference=alp"],
            &["reference=alpine:3.19", "reference=alpine:3.20"],
        ),
        (
            &["-l", "odd", "prune", "--keep", "alpine:3.2"],
            &["alpine:3.20"],
        ),
        (&["prune", "--unlisted-referrers", ""], &["keep", "delete"]),
        (&["prune", "--keep-newest-per", ""], &["major", "minor"]),
        (&["rmi", "--format", "j"], &["json"]),
        (&["completion", "z"], &["zsh"]),
        (&["--layout", "od"], &["odd/"]),
        (&["prune", "mul"], &["multi/"]),
        (&["prune", "oci:mul"], &["oci:multi:"]),
        (&["comp"], &["completion"]),
        (&["rmi", "--keep-p"], &["--keep-platform"]),
    ] {
        let mut found = place.words(line);
        let mut expected: Vec<String> = expected.iter().map(|word| (*word).to_owned()).collect();
        if line.contains(&"--filter=b") {
            found.sort();
            expected.sort();
        }
        assert_eq!(found, expected, "{line:?}");
    }
}

/// X29: nothing is said, nothing is changed, and nobody waits, whatever the layout is like.
#[test]
fn what_cannot_be_read_is_as_if_it_were_not_there() {
    let place = Place::new();
    let odd = place.work().join("odd");
    let lines: [&[&str]; 6] = [
        &["-l", "odd", "rmi", "al"],
        &["-l", "odd", "rmi", "--platform", "li"],
        &["-l", "odd", "restore", "al"],
        &["-l", "odd", "rmi", "--manifest", "sha"],
        &["-l", "no/such/layout", "rmi", "al"],
        &["rmi", "oci:odd:al"],
    ];
    for index in [
        "",
        "{",
        "null",
        "[]",
        "{\"manifests\":[{}]}",
        "{\"manifests\":{}}",
        "\u{0}",
    ] {
        fs::write(odd.join("index.json"), index).unwrap();
        let before = Tree::of(&odd);
        for line in lines {
            assert_eq!(place.words(line), [""; 0], "{index}: {line:?}");
        }
        assert!(before.traces(&Tree::of(&odd)).is_empty(), "{index}");
    }
    fs::remove_file(odd.join("index.json")).unwrap();
    fifo(&odd.join("index.json"));
    assert_eq!(place.words(lines[0]), [""; 0]);
    for words in [
        &[][..],
        &["ocirm"],
        &["ocirm", "rmi", "\u{1}"],
        &["", "", ""],
        &["--", "--"],
    ] {
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            place.answer(shell, words);
        }
    }
}

/// X29: who holds the layout for changing it keeps nobody waiting who types.
#[test]
fn no_lock_is_taken() {
    let place = Place::new();
    let odd = fs::File::open(place.work().join("odd")).unwrap();
    rustix::fs::flock(&odd, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(
        place.words(&["-l", "odd", "rmi", "alpine:3.2"]),
        ["alpine:3.20"]
    );
}

/// X29: a file that is being written is not waited for, as commands do.
#[test]
fn what_is_being_written_is_not_waited_for() {
    if !strace::is_here() {
        return;
    }
    let place = Place::new();
    fs::write(place.work().join("odd/oci-layout"), "").unwrap();
    let log = place.home.path().join("log");
    let args = ["--", "ocirm", "-l", "odd", "rmi", "al"].map(str::to_owned);
    let options = [
        "-o",
        arg(&log),
        "-e",
        "trace=openat,nanosleep,clock_nanosleep",
    ];
    let mut command = strace::traced(&options, &args, place.home.path());
    command.env("COMPLETE", "fish").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("oci-layout") && !log.contains("nanosleep"),
        "{log}"
    );
}

/// X29: of very many names beginnings are offered that a person can go on from.
#[test]
fn many_names_are_offered_by_their_beginnings() {
    let place = Place::new();
    let mut layout = Layout::in_dir(&place.work().join("many"));
    let image = layout.image("one");
    for number in 0..100_000 {
        layout.tagged(&image, &format!("acme/app:{number:05}"));
    }
    layout.finish();
    let found = place.words(&["-l", "many", "rmi", "ac"]);
    assert!((2..=1000).contains(&found.len()), "{}", found.len());
    assert!(
        found.iter().all(|word| word.starts_with("acme/app:")),
        "{found:?}"
    );
    assert_eq!(
        place.words(&["-l", "many", "rmi", "acme/app:0543"]).len(),
        10
    );
}

/// X30: a variable that means something else to somebody does nothing.
#[test]
fn a_variable_of_somebody_else_is_not_heeded() {
    let place = Place::new();
    for (value, args) in [
        ("1", &["-l", "odd", "ls", "-q"][..]),
        ("", &["-l", "odd", "ls", "-q"]),
        ("bash", &["-l", "odd", "ls", "-q"]),
        ("tcsh", &["-l", "odd", "ls", "-q"]),
    ] {
        let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
        let expected = run(&args, place.home.path());
        let mut command = ocirm(&args, place.home.path());
        let output = command
            .env("COMPLETE", value)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            expected.out,
            "{value}"
        );
    }
    let script = run(
        &["completion", "bash"].map(str::to_owned),
        place.home.path(),
    );
    let mut command = ocirm(&[], place.home.path());
    let output = command
        .env("COMPLETE", "/bin/bash")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), script.out);
    let unknown = run(
        &["completion", "tcsh"].map(str::to_owned),
        place.home.path(),
    );
    assert_eq!(unknown.code(), Some(2));
}

/// What somebody types, and the words that the program is to be called with last.
const TYPED: [(&str, &str); 22] = [
    ("ocirm -l odd rmi alpine:3.2\t", "alpine:3.20"),
    ("ocirm -l odd rmi al\t2\t", "alpine:3.20"),
    ("ocirm -l odd rmi 'alpine:3.1\t", "alpine:3.19"),
    ("ocirm -l odd rmi \"alpine:3.1\t", "alpine:3.19"),
    ("ocirm -l odd rmi a\\ \t", "a b"),
    ("ocirm -l odd rmi 'a \t", "a b"),
    ("ocirm -l odd rmi a\\$\t", "a$HOME"),
    ("ocirm -l odd rmi it\t", "it's"),
    ("ocirm -l odd rmi dq\t", "dq\"x"),
    ("ocirm -l odd rmi semi\t", "semi;rm"),
    ("ocirm -l odd rmi b\\!\t", "b!ang"),
    ("ocirm -l odd rmi caf\t", "café"),
    ("ocirm -l odd rmi back\t", "back`tick"),
    ("ocirm -l odd rmi par\t", "paren(x)"),
    ("ocirm -l odd rmi \\~\t", "~tilde"),
    ("ocirm -l odd rmi \\#\t", "#hash"),
    ("ocirm -l odd rmi eq\t", "eq=x:y"),
    ("ocirm -l odd rmi new\t", "new"),
    ("ocirm --layout=od\t rmi alpine:3.1\t", "alpine:3.19"),
    ("ocirm rmi oci:od\talpine:3.1\t", "oci:odd:alpine:3.19"),
    (
        "ocirm -l multi rmi multi --platform linux/am\t",
        "linux/amd64",
    ),
    ("ocirm -l odd prune --filter dang\tt\t", "dangling=true"),
];

fn what_is_typed_reaches_the_program(program: &str, args: &[&str], setup: &str) {
    if !is_installed(program) {
        return;
    }
    let place = Place::new();
    let lines: Vec<String> = TYPED
        .iter()
        .map(|(typed, _)| format!("{typed}\n"))
        .collect();
    let mut all = vec![format!("{setup}\n")];
    all.extend(lines);
    all.push("exit\n".to_owned());
    let seen = type_into(place.shell(program, args), "READY> ", &all);
    let calls = place.calls();
    assert_eq!(calls.len(), TYPED.len(), "{seen}");
    for ((typed, expected), call) in TYPED.iter().zip(calls) {
        assert_eq!(
            call.last().unwrap(),
            expected,
            "{typed:?}: {call:?}\n{seen}"
        );
    }
}

/// X30: in bash, which takes words apart at `:` and `=`.
#[test]
fn bash_completes_what_is_typed() {
    let args = ["--noprofile", "--norc", "-i"];
    what_is_typed_reaches_the_program("bash", &args, "source <(ocirm completion bash)");
}

/// X30: in zsh.
#[test]
fn zsh_completes_what_is_typed() {
    let setup = "autoload -U compinit; compinit -u -D; source <(ocirm completion zsh)";
    what_is_typed_reaches_the_program("zsh", &["-f", "-i", "-o", "no_prompt_sp"], setup);
}

/// X30: zsh finds the script in a directory of `fpath`, and completes the first word that is typed.
#[test]
fn zsh_finds_the_installed_script() {
    if !is_installed("zsh") {
        return;
    }
    let place = Place::new();
    let functions = place.home.path().join("functions");
    fs::create_dir(&functions).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions/_ocirm");
    fs::copy(script, functions.join("_ocirm")).unwrap();
    let setup = format!(
        "fpath=({} $fpath); autoload -U compinit; compinit -u -D\n",
        functions.display()
    );
    let lines = [
        setup,
        "ocirm -l odd rmi alpine:3.2\t\n".to_owned(),
        "exit\n".to_owned(),
    ];
    let seen = type_into(
        place.shell("zsh", &["-f", "-i", "-o", "no_prompt_sp"]),
        "READY> ",
        &lines,
    );
    assert_eq!(
        place.calls(),
        [["-l", "odd", "rmi", "alpine:3.20"]],
        "{seen}"
    );
}

/// X30: fish itself says what it would offer.
#[test]
fn fish_completes_what_is_typed() {
    if !is_installed("fish") {
        return;
    }
    let place = Place::new();
    for (typed, expected) in [
        ("ocirm -l odd rmi alp", &["alpine:3.19", "alpine:3.20"][..]),
        ("ocirm -l odd rmi a\\ ", &["a b"]),
        ("ocirm -l odd rmi 'it", &["it's"]),
        ("ocirm -l odd rmi \"dq", &["dq\"x"]),
        ("ocirm -l odd rmi new", &[]),
        (
            "ocirm -l multi rmi multi --platform ",
            &["linux/amd64", "linux/arm64"],
        ),
        ("ocirm --layout=od", &["--layout=odd/"]),
        ("ocirm rmi oci:odd:alpine:3.1", &["oci:odd:alpine:3.19"]),
    ] {
        let script = format!(
            "ocirm completion fish | source; complete -C {}",
            quoted(typed)
        );
        let mut fish = place.shell("fish", &["--no-config", "-c", &script]);
        let output = fish.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Vec<&str> = text
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        assert_eq!(
            found,
            expected,
            "{typed}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// A text as one word of fish.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
