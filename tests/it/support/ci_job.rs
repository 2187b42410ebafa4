//! Carries out the jobs of GitHub Actions and GitLab CI that recipes show, as far as they are about a cache: commands
//! as a runner runs them, `docker` and downloads by stand-ins.
//!
//! The stand-in of `docker buildx build` exports a cache as BuildKit does: the new blobs, beside those of the export
//! before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use saphyr::{LoadableYamlNode as _, Yaml};

use super::machine::Machine;
use super::place::fixtures_folder;

/// The only document of a text in YAML.
pub(crate) fn yaml(text: &str) -> Yaml<'_> {
    let mut documents = Yaml::load_from_str(text).expect("YAML");
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

/// A text of a mapping.
#[track_caller]
fn text<'a>(of: &'a Yaml<'_>, key: &str) -> &'a str {
    let value = of.as_mapping_get(key).and_then(Yaml::as_str);
    value.unwrap_or_else(|| panic!("no {key} in {of:?}"))
}

/// The texts of a mapping in it, if it is there.
fn texts(of: &Yaml<'_>, key: &str) -> Vec<(String, String)> {
    let mapping = of.as_mapping_get(key).and_then(Yaml::as_mapping);
    let pairs = mapping.into_iter().flatten();
    let text = |value: &Yaml<'_>| value.as_str().expect("a text").to_owned();
    pairs.map(|(key, value)| (text(key), text(value))).collect()
}

/// The list of a mapping.
#[track_caller]
fn list<'a, 'b>(of: &'a Yaml<'b>, key: &str) -> &'a [Yaml<'b>] {
    let value = of
        .as_mapping_get(key)
        .and_then(Yaml::as_sequence)
        .map(Vec::as_slice);
    value.unwrap_or_else(|| panic!("no list {key} in {of:?}"))
}

/// Puts the stand-ins of a job into their place.
fn stand_ins(machine: &Machine) {
    let export = fixtures_folder().join("buildkit-cache-index.tar");
    let docker = format!(
        r#"
case "$1 $2" in
    'context create' | 'buildx create') exit 0 ;;
    'buildx build') ;;
    *) echo "docker $*?" >&2; exit 64 ;;
esac
for argument in "$@"; do
    case $argument in
        type=local,dest=*)
            to=${{argument#type=local,dest=}}
            to=${{to%%,*}}
            mkdir -p "$to"
            tar -xf '{}' -C "$to" --strip-components 1
            exit 0 ;;
    esac
done
echo 'no cache is exported' >&2
exit 64
"#,
        export.display()
    );
    machine.stand_in("docker", &docker);
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("ocirm-v{version}-x86_64-unknown-linux-musl");
    let release = machine.path("release").join(&name);
    fs::create_dir_all(&release).expect("an own directory");
    std::os::unix::fs::symlink(machine.witness.program(), release.join("ocirm"))
        .expect("a new file");
    let address = format!("releases/download/v{version}/{name}.tar.gz");
    let download = format!(
        "for argument in \"$@\"; do\n    case $argument in\n        https://*/{address}) exec tar -cz -C '{}' {name} ;;\n    \
         esac\ndone\necho \"nothing is at $*\" >&2\nexit 22\n",
        machine.path("release").display()
    );
    machine.stand_in("curl", &download);
    machine.stand_in("wget", &download);
}

/// What a job left for the cache.
pub(crate) struct Ended {
    pub(crate) cache: PathBuf,
    /// What its commands printed, in order.
    pub(crate) outputs: Vec<Output>,
}

struct Github<'a> {
    machine: &'a Machine,
    /// What stands between `${{` and `}}`.
    values: BTreeMap<String, String>,
    environment: Vec<(String, String)>,
    outputs: Vec<Output>,
}

/// Carries out the only job of a workflow.
pub(crate) fn github(machine: &Machine, workflow: &str) -> Ended {
    stand_ins(machine);
    let workflow = yaml(workflow);
    let jobs = workflow.as_mapping_get("jobs").and_then(Yaml::as_mapping);
    let (_, job) = jobs.expect("jobs").iter().next().expect("a job");
    let temporary = machine.path("runner");
    fs::create_dir_all(&temporary).expect("an own directory");
    let of = |name: &str| temporary.join(name).display().to_string();
    for file in ["path", "output"] {
        fs::write(temporary.join(file), "").expect("an own file");
    }
    let mut runner = Github {
        machine,
        values: BTreeMap::from(
            [
                ("runner.temp", temporary.display().to_string()),
                ("github.ref_name", "main".to_owned()),
                ("github.sha", "0123abcd".to_owned()),
                (
                    "github.action_ref",
                    concat!("v", env!("CARGO_PKG_VERSION")).to_owned(),
                ),
                ("github.action_repository", "OWNER/ocirm".to_owned()),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        ),
        environment: [
            ("RUNNER_TEMP", temporary.display().to_string()),
            ("GITHUB_PATH", of("path")),
            ("GITHUB_OUTPUT", of("output")),
            ("GITHUB_ACTION_PATH", env!("CARGO_MANIFEST_DIR").to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
        outputs: Vec::new(),
    };
    for of in [&workflow, job] {
        let texts = texts(of, "env");
        runner.environment.extend(texts);
    }
    let mut cache = None;
    for step in list(job, "steps") {
        runner.step(step, &mut cache);
    }
    Ended {
        cache: cache.expect("a cache"),
        outputs: runner.outputs,
    }
}

impl Github<'_> {
    fn expanded(&self, text: &str) -> String {
        let mut parts = text.split("${{");
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once("}}").expect("an end of the expression");
            let value = self.values.get(name.trim());
            expanded.push_str(value.unwrap_or_else(|| panic!("what is {name}?")));
            expanded.push_str(rest);
        }
        expanded
    }

    fn step(&mut self, step: &Yaml<'_>, cache: &mut Option<PathBuf>) {
        if step.as_mapping_get("run").is_some() {
            return self.run(text(step, "run"), &texts(step, "env"));
        }
        let with = texts(step, "with").into_iter();
        let with: BTreeMap<String, String> = with
            .map(|(key, value)| (key, self.expanded(&value)))
            .collect();
        let (action, version) = text(step, "uses").split_once('@').expect("a version");
        match action {
            "actions/checkout" | "docker/setup-buildx-action" => {}
            "actions/cache" => {
                assert_ne!(with["key"], with["restore-keys"], "a key is saved once");
                assert!(
                    with["key"].starts_with(with["restore-keys"].lines().next().expect("a key"))
                );
                *cache = Some(PathBuf::from(&with["path"]));
            }
            "docker/build-push-action" => {
                let (from, to) = (&with["cache-from"], &with["cache-to"]);
                let build = format!(
                    "docker buildx build '{}' --cache-from '{from}' --cache-to '{to}'",
                    with["context"]
                );
                self.run(&build, &[]);
            }
            "OWNER/ocirm" => {
                assert_eq!(version, concat!("v", env!("CARGO_PKG_VERSION")));
                self.own_action(&with);
            }
            _ => panic!("what does {action} do?"),
        }
    }

    /// The action of this repository.
    fn own_action(&mut self, with: &BTreeMap<String, String>) {
        let action = Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml");
        let action = fs::read_to_string(action).expect("the action");
        let action = yaml(&action);
        let inputs = action.as_mapping_get("inputs").and_then(Yaml::as_mapping);
        let inputs = inputs.expect("inputs");
        for name in with.keys() {
            assert!(inputs.contains_key(&Yaml::value_from_str(name)), "{name}");
        }
        for (name, input) in inputs {
            let name = name.as_str().expect("a name");
            let value = match with.get(name) {
                Some(value) => value.clone(),
                None => self.expanded(text(input, "default")),
            };
            self.values.insert(format!("inputs.{name}"), value);
        }
        let runs = action.as_mapping_get("runs").expect("what it runs");
        for step in list(runs, "steps") {
            let env = texts(step, "env").into_iter();
            let env: Vec<_> = env
                .map(|(key, value)| (key, self.expanded(&value)))
                .collect();
            self.run(text(step, "run"), &env);
        }
    }

    fn run(&mut self, script: &str, env: &[(String, String)]) {
        let shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"];
        let script = self.expanded(script);
        // What a step adds to the path comes first in the next ones.
        let added = fs::read_to_string(self.machine.path("runner/path")).expect("an own file");
        let added: Vec<String> = added.lines().map(|line| format!("{line}:")).collect();
        let script = format!("PATH={}$PATH\n{script}", added.concat());
        let home = self.machine.place.home();
        let mut command = self.machine.shell(&shell, &script, &home);
        command.envs(self.environment.iter().chain(env).cloned());
        let output = command.output().expect("bash can be run");
        assert!(output.status.success(), "{script}\n{output:?}");
        self.outputs.push(output);
    }
}

/// Carries out the only job of a pipeline.
pub(crate) fn gitlab(machine: &Machine, pipeline: &str) -> Ended {
    stand_ins(machine);
    let pipeline = yaml(pipeline);
    let jobs = pipeline.as_mapping().expect("a mapping");
    let (_, job) = jobs.iter().next().expect("a job");
    let project = machine.path("builds");
    fs::create_dir_all(&project).expect("an own directory");
    let lines = ["before_script", "script"].into_iter();
    let lines = lines.flat_map(|part| list(job, part));
    let lines: Vec<&str> = lines
        .map(|line| line.as_str().expect("a command"))
        .collect();
    // One shell for all of them, which ends with the first that fails.
    let mut command = machine.shell(&["sh", "-euc"], &lines.join("\n"), &project);
    command
        .env("CI_PROJECT_DIR", &project)
        .env("CI_COMMIT_REF_SLUG", "main");
    for (name, value) in texts(job, "variables") {
        let project = project.to_str().expect("a name in UTF-8");
        command.env(name, value.replace("$CI_PROJECT_DIR", project));
    }
    let output = command.output().expect("sh can be run");
    assert!(output.status.success(), "{output:?}");
    let cache = job.as_mapping_get("cache").expect("a cache");
    let [path] = list(cache, "paths") else {
        panic!("several paths: {cache:?}");
    };
    let path = path.as_str().expect("a path").trim_end_matches('/');
    Ended {
        cache: project.join(path),
        outputs: vec![output],
    }
}
