//! What stands in `contrib/` and `action.yml`: the command lines in it are ones that the program understands, and the
//! scripts of the action do what they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use saphyr::Yaml;
use serde_json::Value;

use crate::support::ci_job::yaml;
use crate::support::contents::{blob_path, names};
use crate::support::machine::Machine;
use crate::support::place::{Place, assert_mentions, assert_status};
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
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/ocirm "));
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
