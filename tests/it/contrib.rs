//! What stands in `contrib/` and `action.yml`: the command lines in it are ones that the program understands, and the
//! scripts of the action do what they say.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use saphyr::Yaml;
use serde_json::Value;

use crate::support::ci_job::yaml;
use crate::support::contents::{blob_path, names};
use crate::support::machine::Machine;
use crate::support::peers::is_installed;
use crate::support::place::{Place, assert_mentions, assert_status};
use crate::support::skipped::skipped;
use crate::support::witness::Witness;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a file of the repository")
}

/// Runs a script of the action as a runner does, with the program of this build before all others. What it prints as
/// JSON fits the schema.
fn script(place: &Place, name: &str, variables: &[(&str, &str)]) -> Output {
    let witness = Witness::new();
    let path = format!(
        "{}:{}",
        witness.bin().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut command = Command::new("bash");
    command.arg(root().join("contrib/action").join(name));
    command.env("PATH", path).env("HOME", place.home());
    command.env("RUNNER_TEMP", place.home());
    command.env("GITHUB_OUTPUT", output_file(place));
    command.envs(variables.iter().copied());
    command.output().expect("bash can be run")
}

fn output_file(place: &Place) -> PathBuf {
    place.home().join("output")
}

#[test]
fn the_action_prunes_what_its_arguments_say_and_reports_in_json() {
    for (arguments, left) in [
        (
            "",
            &["alpine", "alpine:3.20", "alpine:3.21", "team/app:v1"][..],
        ),
        ("--all --keep alpine:3.21", &["alpine:3.21"]),
        ("--all\n--keep=alpine:3*\n", &["alpine:3.20", "alpine:3.21"]),
        ("--all --keep alpine:3.21 --grace 2h", &["alpine:3.21"]),
    ] {
        let place = Place::new();
        let dir = place.fixture("skopeo19-full-ref", "cache");
        let dir_text = dir.to_str().expect("a name in UTF-8");
        let ended = script(
            &place,
            "prune.sh",
            &[("LAYOUTS", dir_text), ("ARGUMENTS", arguments)],
        );
        assert!(ended.status.success(), "{arguments}: {ended:?}");
        let mut found: Vec<String> = names(&dir)
            .iter()
            .map(|name| {
                name.replace("docker.io/library/", "")
                    .replace("localhost:5000/", "")
            })
            .map(|name| name.replace("alpine:latest", "alpine"))
            .collect();
        found.sort();
        assert_eq!(found, left, "{arguments}");
        let told = fs::read_to_string(output_file(&place)).expect("an output of the step");
        let report = told.trim().strip_prefix("report=").expect("the output");
        let report = fs::read_to_string(report).expect("the report");
        let report: Value = serde_json::from_str(&report).expect("one object");
        assert_eq!(report["layout"], dir_text, "{arguments}");
    }
}

/// A blob that nothing leads to and that is as young as in a cache that was just written.
#[test]
fn the_action_waits_for_nothing_unless_its_arguments_say_so() {
    for (arguments, is_gone) in [
        ("", true),
        ("--all --keep alpine:3.21", true),
        ("--grace 2h", false),
        ("--all\n--grace=2h\n", false),
        ("--all\t--grace\t2h", false),
    ] {
        let place = Place::new();
        let dir = place.fixture("skopeo19-full-ref", "cache");
        let dir_text = dir.to_str().expect("a name in UTF-8");
        let stray = blob_path(&dir, &format!("sha256:{}", "12".repeat(32)));
        fs::write(&stray, "x").expect("a blob");
        let variables = [("LAYOUTS", dir_text), ("ARGUMENTS", arguments)];
        let ended = script(&place, "prune.sh", &variables);
        assert!(ended.status.success(), "{arguments}: {ended:?}");
        assert_eq!(!stray.exists(), is_gone, "{arguments}");
    }
}

#[test]
fn the_action_fails_as_the_program_does_and_names_what_is_wrong_with_a_version() {
    let place = Place::new();
    let nowhere = place.path("nowhere");
    let nowhere = nowhere.to_str().expect("a name in UTF-8");
    let ended = script(
        &place,
        "prune.sh",
        &[("LAYOUTS", nowhere), ("ARGUMENTS", "--all --keep-last 0")],
    );
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    let ended = script(&place, "install.sh", &[("VERSION", "main")]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("'main' is no release"), "{said}");
}

/// What stands in for curl writes down what is asked for, and has nothing.
#[test]
fn the_action_fetches_a_release_unless_just_that_is_installed() {
    let own = concat!("v", env!("CARGO_PKG_VERSION"));
    for (version, is_fetched) in [(own, false), ("v99.0.0", true)] {
        let place = Place::new();
        let asked = place.home().join("asked");
        let functions = place.file(
            "functions",
            "curl() { printf '%s\\n' \"$*\" >>\"$HOME/asked\"; return 22; }\nuname() { case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac; }\n",
        );
        let variables = [
            ("VERSION", version),
            ("REPOSITORY", "owner/ocirm"),
            ("GITHUB_SERVER_URL", "https://git.example"),
            ("BASH_ENV", functions.to_str().expect("a name in UTF-8")),
        ];
        let ended = script(&place, "install.sh", &variables);
        assert_eq!(ended.status.success(), !is_fetched, "{ended:?}");
        assert_eq!(asked.exists(), is_fetched, "{ended:?}");
        if is_fetched {
            let asked = fs::read_to_string(&asked).expect("what was asked for");
            let address = "https://git.example/owner/ocirm/releases/download/v99.0.0/\
                           ocirm-v99.0.0-x86_64-unknown-linux-musl.tar.gz";
            assert!(asked.trim_end().ends_with(address), "{asked}");
        }
    }
}

/// Each line is a directory, and `~` is the home directory, as for the action that saves a cache.
#[test]
fn the_action_prunes_each_directory_of_its_lines() {
    let place = Place::new();
    let one = place.fixture("skopeo19-full-ref", "home/a cache");
    let two = place.fixture("skopeo19-full-ref", "two");
    let lines = format!("~/a cache\n  {}\n\n", two.display());
    let arguments = ("ARGUMENTS", "--all --keep alpine:3.21");
    let ended = script(&place, "prune.sh", &[("LAYOUTS", &lines), arguments]);
    assert!(ended.status.success(), "{ended:?}");
    for dir in [&one, &two] {
        assert_eq!(names(dir).len(), 1, "{ended:?}");
    }
    let report = fs::read_to_string(place.home().join("ocirm-prune.json")).expect("the report");
    assert_eq!(report.lines().count(), 2, "{report}");

    // One that is not there does not stop the other.
    let three = place.fixture("skopeo19-full-ref", "three");
    let lines = format!("~/nowhere\n{}", three.display());
    let ended = script(&place, "prune.sh", &[("LAYOUTS", &lines), arguments]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(names(&three).len(), 1, "{ended:?}");
}

/// `@v1` is what people write after the name of an action.
#[test]
fn the_action_says_that_there_is_no_such_release() {
    for (answer, is_missing) in [("404", true), ("500", false)] {
        let place = Place::new();
        let functions = format!(
            "curl() {{ printf {answer}; echo 'curl: (22) {answer}' >&2; return 22; }}\n\
             uname() {{ case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac; }}\n"
        );
        let functions = place.file("functions", &functions);
        let variables = [
            ("VERSION", "v1"),
            ("REPOSITORY", "owner/ocirm"),
            ("GITHUB_SERVER_URL", "https://git.example"),
            ("BASH_ENV", functions.to_str().expect("a name in UTF-8")),
        ];
        let ended = script(&place, "install.sh", &variables);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let said = String::from_utf8_lossy(&ended.stdout);
        let is_said = said.starts_with("::error::there is no release v1 ");
        assert_eq!(is_said, is_missing, "{ended:?}");
    }
}

/// What stands in for curl has an archive; of the programs that compare its checksum there is one or the other.
#[test]
fn the_action_compares_checksums_with_what_is_there() {
    for checksums in ["sha256sum", "shasum"] {
        for is_whole in [true, false] {
            let machine = Machine::new();
            let home = machine.place.home();
            let name = "ocirm-v99.0.0-x86_64-unknown-linux-musl";
            machine.succeeds(&format!(
                "mkdir -p release/{name} && cd release && printf '#!/bin/sh\\necho fetched\\n' >{name}/ocirm &&\n\
                 chmod +x {name}/ocirm && tar -czf {name}.tar.gz {name} &&\n\
                 sha256sum {name}.tar.gz >{name}.tar.gz.sha256\n"
            ));
            if !is_whole {
                let other = format!("{}  {name}.tar.gz\n", "0".repeat(64));
                fs::write(home.join(format!("release/{name}.tar.gz.sha256")), other)
                    .expect("an own file");
            }
            let real = machine.succeeds("command -v sha256sum\n");
            let functions = format!(
                "command() {{ [ \"$2\" = {checksums} ]; }}\n\
                 sha256sum() {{ [ {checksums} = sha256sum ] && {real} \"$@\"; }}\n\
                 shasum() {{ shift 2; [ {checksums} = shasum ] && {real} \"$@\"; }}\n\
                 curl() {{ while [ \"$1\" != --output ]; do shift; done; cp \"$HOME/release/${{3##*/}}\" \"$2\"; }}\n\
                 uname() {{ case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac; }}\n",
                real = real.trim_end()
            );
            let functions = machine.place.file("functions", &functions);
            let paths = machine.path("paths");
            let variables = [
                ("VERSION", "v99.0.0"),
                ("REPOSITORY", "owner/ocirm"),
                ("GITHUB_SERVER_URL", "https://git.example"),
                ("GITHUB_PATH", paths.to_str().expect("a name in UTF-8")),
                ("BASH_ENV", functions.to_str().expect("a name in UTF-8")),
            ];
            let ended = script(&machine.place, "install.sh", &variables);
            assert_eq!(ended.status.success(), is_whole, "{checksums}: {ended:?}");
            let is_used = paths.exists();
            assert_eq!(is_used, is_whole, "{checksums}: {ended:?}");
            let said = String::from_utf8_lossy(&ended.stdout);
            assert_eq!(said.ends_with("\nfetched\n"), is_whole, "{said}");
        }
    }
}

/// In a home directory in which there is nothing yet, the lines that are to be copied make all that they need, and the
/// shell finds what they wrote.
#[test]
fn completions_are_installed_as_their_help_says() {
    const LOADERS: [&str; 3] = [
        "/usr/share/bash-completion/bash_completion",
        "/opt/homebrew/share/bash-completion/bash_completion",
        "/usr/local/share/bash-completion/bash_completion",
    ];
    let page = ocirm::help::page("completion").expect("a page");
    let mut tried = Vec::new();
    for (line, _) in page.examples {
        let shell = ["bash", "zsh", "fish"]
            .into_iter()
            .find(|shell| line.contains(&format!("completion {shell}")));
        let shell = shell.expect("a shell");
        tried.push(shell);
        if !is_installed(shell) {
            skipped(format!("{shell} is not installed"));
            continue;
        }
        let machine = Machine::new();
        let home = machine.path("new");
        fs::create_dir(&home).expect("an own directory");
        let run = |words: &[&str], script: &str| {
            let mut command = machine.shell(words, script, &home);
            command.env("HOME", &home);
            for variable in [
                "XDG_DATA_HOME",
                "XDG_CONFIG_HOME",
                "BASH_COMPLETION_USER_DIR",
            ] {
                command.env_remove(variable);
            }
            let output = command.output().expect("a shell that is installed");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success() && said.is_empty(),
                "{script}: {said}"
            );
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        match shell {
            "bash" => {
                run(&["bash", "--norc", "-euc"], line);
                let loader = LOADERS.into_iter().find(|path| Path::new(path).is_file());
                let Some(loader) = loader else {
                    skipped("the package bash-completion is not installed");
                    continue;
                };
                let asks = format!(
                    ". {loader}; if declare -F _comp_load >/dev/null; then _comp_load ocirm; else \
                     __load_completion ocirm; fi; complete -p ocirm"
                );
                let said = run(&["bash", "--norc", "-c"], &asks);
                assert!(said.contains("-F _ocirm ocirm"), "{said}");
            }
            "zsh" => {
                run(&["zsh", "-f", "-euc"], line);
                let (_, setup) = page
                    .examples
                    .iter()
                    .find(|(other, _)| other == line)
                    .expect("it");
                let (_, setup) = setup.split_once("~/.zshrc: ").expect("what to write there");
                // Directories of root that belong to others would be asked about.
                let setup = setup.replace("; compinit", "; compinit -u");
                fs::write(home.join(".zshrc"), format!("{setup}\n")).expect("an own file");
                let asks = ". ~/.zshrc; print $_comps[ocirm]";
                assert_eq!(run(&["zsh", "-f", "-c"], asks), "_ocirm\n");
            }
            _ => {
                run(&["fish", "--no-config", "-c"], line);
                let said = run(&["fish", "-c"], "complete -C 'ocirm unta'");
                assert!(said.starts_with("untag"), "{said}");
            }
        }
    }
    assert_eq!(tried, ["bash", "zsh", "fish"]);
}

/// With nothing but the program of `cargo install` in PATH.
#[test]
fn man_finds_the_pages_where_the_help_has_them_written() {
    let page = ocirm::help::page("man").expect("a page");
    let (line, _) = page.examples[0];
    let readme = text("README.md");
    assert!(
        readme.contains(&format!("\n{line}\n")),
        "{line} is not in README.md"
    );
    let machine = Machine::new();
    let home = machine.path("new");
    let folder = home.join(".cargo/bin");
    fs::create_dir_all(&folder).expect("an own directory");
    let program = env!("CARGO_BIN_EXE_ocirm");
    std::os::unix::fs::symlink(program, folder.join("ocirm")).expect("an own link");
    let run = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(&home);
        command.env(
            "PATH",
            format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display()),
        );
        command.env("HOME", &home).env_remove("MANPATH");
        command.output().expect("sh can be run")
    };
    let written = run(line);
    assert!(written.status.success(), "{written:?}");
    if !is_installed("man") {
        return skipped("man is not installed");
    }
    let found = run("man -w ocirm-prune");
    let expected = home.join(".cargo/share/man/man1/ocirm-prune.1");
    let said = String::from_utf8_lossy(&found.stdout);
    assert_eq!(
        said.trim_end(),
        expected.to_str().expect("a name in UTF-8"),
        "{found:?}"
    );
}

/// With and without what sends the JSON into a file.
#[test]
fn systemd_has_nothing_to_complain_of_in_the_units() {
    if !is_installed("systemd-analyze") {
        return skipped("systemd-analyze is not installed");
    }
    let machine = Machine::new();
    let unit = machine.path("ocirm-prune@srv-mirror.service");
    let service = text("contrib/systemd/ocirm-prune@.service");
    let run = format!("ExecStart={} ", env!("CARGO_BIN_EXE_ocirm"));
    let run = service.replace("ExecStart=ocirm ", &run);
    fs::write(&unit, &run).expect("an own file");
    let verify = || {
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--man=no"]).arg(&unit);
        command.output().expect("a program that is here")
    };
    let plain = verify();
    if !plain.status.success()
        && String::from_utf8_lossy(&plain.stderr).contains("Failed to initialize")
    {
        return skipped("systemd-analyze cannot be run here");
    }
    assert!(
        plain.status.success() && plain.stderr.is_empty(),
        "{plain:?}"
    );
    let drop_ins = machine.path("ocirm-prune@srv-mirror.service.d");
    fs::create_dir(&drop_ins).expect("an own directory");
    let json = text("contrib/systemd/json.conf");
    fs::write(drop_ins.join("json.conf"), &json).expect("an own file");
    let with = verify();
    assert!(with.status.success() && with.stderr.is_empty(), "{with:?}");
    // It is read: a mistake in it would be seen.
    let wrong = json.replace("truncate:", "trunc:");
    fs::write(drop_ins.join("json.conf"), wrong).expect("an own file");
    assert!(!verify().stderr.is_empty());
}

/// A package that is removed leaves what an administrator enabled, one that is purged leaves nothing.
#[test]
fn the_debian_package_takes_its_timers_away_when_it_is_purged() {
    let place = Place::new();
    let root = place.path("root");
    let wants = root.join("etc/systemd/system/timers.target.wants");
    fs::create_dir_all(&wants).expect("own directories");
    for timer in [
        "ocirm-prune@srv-mirror.timer",
        "ocirm-prune@a.timer",
        "fstrim.timer",
    ] {
        let unit = "/usr/lib/systemd/system/ocirm-prune@.timer";
        std::os::unix::fs::symlink(unit, wants.join(timer)).expect("an own link");
    }
    for (action, left) in [("remove", 3), ("upgrade", 3), ("purge", 1), ("purge", 1)] {
        let mut command = Command::new("sh");
        command
            .arg(self::root().join("contrib/debian/postrm"))
            .arg(action);
        // What runs on this machine is not asked to do anything.
        let path = place.path("none");
        command.env("PATH", format!("{}:/usr/bin:/bin", path.display()));
        fs::create_dir_all(&path).expect("an own directory");
        fs::write(path.join("systemctl"), "#!/bin/sh\n").expect("an own file");
        fs::set_permissions(path.join("systemctl"), fs::Permissions::from_mode(0o755))
            .expect("an own file");
        let ended = command
            .env("DPKG_ROOT", &root)
            .output()
            .expect("sh can be run");
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(
            fs::read_dir(&wants).expect("a directory").count(),
            left,
            "{action}"
        );
    }
    assert!(wants.join("fstrim.timer").symlink_metadata().is_ok());
}

/// The notices of what is in the program, and of nothing else.
#[test]
fn licences_of_the_crates_in_the_program_are_collected() {
    if !is_installed("cargo") {
        return skipped("cargo is not installed");
    }
    let mut command = Command::new("sh");
    command.arg(root().join("contrib/third-party.sh"));
    command
        .arg("x86_64-unknown-linux-musl")
        .env("CARGO_NET_OFFLINE", "true");
    let ended = command.output().expect("sh can be run");
    assert!(ended.status.success(), "{ended:?}");
    let all = String::from_utf8_lossy(&ended.stdout);
    let (list, texts) = all.split_once("====").expect("a list, and the texts");
    for name in ["foldhash", "indicatif", "serde_json", "strum", "winnow"] {
        let line = format!("\n  {name} ");
        assert_eq!(list.matches(&line).count(), 1, "{name}: {list}");
        assert!(texts.contains(&format!("\n{name} ")), "{name}");
    }
    for name in ["ocirm", "proptest", "syn", "cc"] {
        assert!(!list.contains(&format!("\n  {name} ")), "{name}: {list}");
    }
    assert!(list.contains("\n  musl, "), "{list}");
    for words in [
        "Permission is hereby granted, free of charge",
        "This software is provided 'as-is'",
        "Apache License",
    ] {
        assert!(texts.contains(words), "{words}");
    }
}

/// A job of every night should not change on its own.
#[test]
fn the_cron_job_names_the_version_that_it_belongs_to() {
    let image = concat!(
        "image: ghcr.io/OWNER/ocirm:",
        env!("CARGO_PKG_VERSION"),
        "\n"
    );
    for job in ["cronjob.yaml", "keep-what-runs.yaml"] {
        assert!(
            text(&format!("contrib/kubernetes/{job}")).contains(image),
            "{job}"
        );
    }
}

/// The command lines of the units and of the CronJob are understood: the layout is the first thing that is wrong.
#[test]
fn command_lines_of_the_units_and_of_the_cron_job_are_understood() {
    let options = text("contrib/systemd/ocirm-prune.default");
    let options = options.lines().filter_map(|line| {
        let line = line.trim_start_matches(['#', ' ']);
        line.strip_prefix("OCIRM_PRUNE_OPTIONS=")
            .map(|value| value.trim_matches('"').to_owned())
    });
    let options: Vec<String> = options.collect();
    assert_eq!(options.len(), 2, "an example, and what holds");
    let service = text("contrib/systemd/ocirm-prune@.service");
    let service = service
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=ocirm "));
    let service = service.expect("a command");
    let job = text("contrib/kubernetes/cronjob.yaml");
    let job = job.split("args:").nth(1).expect("arguments");
    let job = job
        .split("securityContext")
        .next()
        .expect("what comes before");
    let job = job
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "));
    let job = job.collect::<Vec<_>>().join(" ");
    let lines = options
        .iter()
        .map(|options| service.replace("$OCIRM_PRUNE_OPTIONS", options));
    for line in lines.chain([job]) {
        let place = Place::new();
        let dir = place.fixture("skopeo19-full-ref", "mirror");
        let dir = dir.to_str().expect("a name in UTF-8");
        let policy = place.file("policy.toml", "[[rule]]\nkeep-last = 5\n");
        let policy = policy.to_str().expect("a name in UTF-8");
        let line = line.replace("%f", dir).replace("/layouts", dir);
        let line = line.replace("/etc/ocirm/policy.toml", policy);
        let args: Vec<&str> = line.split_whitespace().collect();
        let finished = place.run(&args);
        assert_status(&finished, 0);
        let args: Vec<&str> = args.into_iter().filter(|arg| *arg != "--force").collect();
        let refused = place.run(&args);
        assert_mentions(&refused, "--force");
    }
}

/// What the init container writes, with a stand-in of kubectl, is what the container reads.
#[test]
fn the_cron_job_for_what_runs_keeps_what_a_pod_has() {
    let machine = Machine::new();
    let mirror = machine.fixture("skopeo19-full-ref", "/layouts/mirror");
    let pods = fs::read_to_string(root().join("fixtures/containers/kubectl-pods.json"));
    let pods = pods
        .expect("a list")
        .replace("registry.example/web:1", "docker.io/library/alpine:3.20");
    fs::write(machine.path("pods.json"), pods).expect("an own file");
    let kubectl = format!("exec cat '{}'\n", machine.path("pods.json").display());
    machine.stand_in("kubectl", &kubectl);
    let objects = text("contrib/kubernetes/keep-what-runs.yaml");
    let job = objects.rsplit("\n---\n").next().expect("a CronJob");
    let job = yaml(job);
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let words = |list: &Yaml<'_>| -> Vec<String> {
        let words = list.as_sequence().expect("a list").iter();
        words
            .map(|word| word.as_str().expect("a word").to_owned())
            .collect()
    };
    let [shell, option, lists] = &words(&pod["initContainers"][0]["command"])[..] else {
        panic!("another command: {pod:?}");
    };
    assert_eq!([&**shell, &**option], ["sh", "-c"]);
    machine.succeeds(lists);
    let arguments = words(&pod["containers"][0]["args"]);
    let keeps = arguments
        .iter()
        .filter(|argument| *argument != "--keep-last=2");
    let keeps = keeps.fold("ocirm".to_owned(), |line, argument| {
        format!("{line} {argument}")
    });
    machine.succeeds(&format!("ocirm {}\n", arguments.join(" ")));
    assert_eq!(names(&mirror).len(), 4, "the newest two of each repository");
    machine.succeeds(&keeps);
    assert_eq!(names(&mirror), ["docker.io/library/alpine:3.20"]);
}

/// The policy in the CronJob is one.
#[test]
fn the_policy_of_the_cron_job_is_understood() {
    let job = text("contrib/kubernetes/cronjob.yaml");
    let policy = job.split("policy.toml: |\n").nth(1).expect("a policy");
    let policy = policy.split("---").next().expect("what comes before");
    let policy: Vec<&str> = policy.lines().map(str::trim).collect();
    let place = Place::new();
    let file = place.file("policy.toml", policy.join("\n"));
    let finished = place.run(&["policy", "check", file.to_str().expect("a name in UTF-8")]);
    assert_status(&finished, 0);
    assert!(finished.out.contains("releases"), "{finished}");
}

/// Debian's tools take the version of a package from there.
#[test]
fn the_changelog_of_the_debian_package_is_of_this_version() {
    let changelog = text("contrib/debian/changelog");
    let head = format!("ocirm ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&head), "{changelog}");
}

/// A packager finds each file that is to be installed, and each table says the same.
#[test]
fn what_the_debian_package_installs_is_on_the_page_for_packagers() {
    let page = text("docs/packaging.md");
    let manifest = text("Cargo.toml");
    let assets = manifest.split("assets = [").nth(1).expect("a table");
    let assets = assets.split("\n]").next().expect("its end");
    for line in assets.lines().filter(|line| line.contains('"')) {
        let source = line.split('"').nth(1).expect("the file");
        let part = source.trim_end_matches(['*', '/', '.']);
        assert!(page.contains(part), "{source} is not in docs/packaging.md");
    }
}
