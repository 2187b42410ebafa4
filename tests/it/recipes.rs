//! The recipes of docs/recipes, as written: each block of a page that is no session of `examples` is taken from the page and
//! carried out, in the order of the page.
//!
//! How commands with absolute paths are run is said in `support/machine.rs`, how jobs of CI are in `support/ci_job.rs`.
//! `systemctl`, `kubectl` and `crictl` have stand-ins; where jq or systemd's tools are missing, what needs
//! them is skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::examples::pages;
use crate::support::ci_job::{Ended, github, gitlab};
use crate::support::contents::{arg, blob_path, blobs, names};
use crate::support::machine::Machine;
use crate::support::mount::Mount;
use crate::support::page::{Page, blocks};
use crate::support::peers::is_installed;
use crate::support::place::{assert_status, fixtures_folder};
use crate::support::skipped::skipped;

/// What carries out the blocks of a page.
type CarryOut = fn(&mut Page);

/// The pages with blocks that have to be carried out, and what does it.
const PAGES: [(&str, CarryOut); 13] = [
    ("README.md", first_page),
    ("contrib/README.md", what_comes_with_it),
    ("docs/packaging.md", packaging),
    ("docs/policies.md", policies),
    ("docs/recipes/air-gap.md", air_gap),
    ("docs/recipes/ci-cache.md", ci_cache),
    ("docs/recipes/cluster.md", cluster),
    ("docs/recipes/full-disk.md", full_disk),
    ("docs/recipes/nightly.md", nightly),
    ("docs/recipes/platforms.md", platforms),
    ("docs/recipes/podman-artifacts.md", podman_artifacts),
    ("docs/recipes/undo.md", undo),
    ("docs/recipes/zot.md", zot),
];

fn carried_out(name: &str) {
    let found = PAGES.iter().find(|(page, _)| *page == name);
    let (name, test) = found.expect("a page with a test");
    let mut page = Page::read(name);
    test(&mut page);
    page.is_done();
}

/// Nothing on a page is there to be copied that no test has tried.
#[test]
fn every_block_of_every_page_is_of_a_kind_that_is_run() {
    let mut wrong = Vec::new();
    for page in pages().into_iter().chain(["contrib/README.md".into()]) {
        let name = page.to_str().expect("a name in UTF-8");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&page));
        let has_test = PAGES.iter().any(|(tested, _)| *tested == name);
        for block in blocks(&text.expect("a page")) {
            let is_run = match &*block.kind {
                // Output alone.
                "text" => true,
                // `examples` runs it.
                "console" => true,
                "toml" | "sh" | "bash" | "yaml" | "ini" | "crontab" => has_test,
                _ => false,
            };
            if !is_run {
                wrong.push(format!("{name}: {}\n{}", block.kind, block.text));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a test of the page has to run these; PAGES says which: {}",
        wrong.join("\n")
    );
}

/// Three layouts of a mirror: one with tags, one for three platforms, and one in which something is unreferenced.
fn mirror(machine: &Machine) {
    machine.fixture("skopeo19-full-ref", "/srv/mirror/web");
    machine.fixture("buildkit-multi-provenance", "/srv/mirror/app");
    machine.fixture("umoci04-rm-leftover", "/srv/mirror/tools");
}

fn check_is_sound(machine: &Machine, path: &str) {
    let checked = machine
        .place
        .run(&["check", "--recursive", arg(&machine.path(path))]);
    assert_status(&checked, 0);
}

// ---- The first page, and that of policies

fn first_page(page: &mut Page) {
    let by_ci = "`.ci/run` runs it, and looks whether it is among the first ones";
    page.leaves_out("sh fixtures/tour.sh\n", by_ci);
    page.leaves_out("cargo test\n", by_ci);
    let machine = Machine::new();
    installation(page, &machine);
    mirror(&machine);
    let policy = fs::read_to_string(fixtures_folder().join("../policies/mirror.toml"));
    machine.file("/etc/ocirm/mirror.toml", &policy.expect("a policy"));
    assert_eq!(machine.succeeds(&page.next("sh")), "");
    machine.fixture("buildkit-cache-index", "/var/cache/buildkit");
    machine.succeeds(&page.next("sh"));
    check_is_sound(&machine, "/var/cache/buildkit");
}

fn installation(page: &mut Page, machine: &Machine) {
    page.leaves_out(
        "cargo install --path . --locked\ncargo install --git URL ocirm --locked\n",
        "it builds the program anew, the second one from an address",
    );
    let version = env!("CARGO_PKG_VERSION");
    let package = format!("ocirm-v{version}-x86_64-unknown-linux-musl.deb");
    page.leaves_out(
        &format!("sha256sum --check {package}.sha256\nsudo apt install ./{package}\n"),
        "it changes the machine; `.ci/run package` installs the package into a directory",
    );
    let script = page.next("bash") + "complete -p ocirm\n";
    let home = machine.place.home();
    let mut shell = machine.shell(&["bash", "-euc"], &script, &home);
    let output = shell.output().expect("bash can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("\ncomplete "),
        "{output:?}"
    );
    assert!(home.join(".cargo/share/man/man1/ocirm-prune.1").is_file());
}

#[test]
fn the_first_page_works_as_written() {
    carried_out("README.md");
}

fn policies(page: &mut Page) {
    let machine = Machine::new();
    let policy = page.next("toml");
    machine.file("/etc/ocirm/policy.toml", &policy);
    let said = machine.succeeds("ocirm policy check /etc/ocirm/policy.toml\n");
    assert!(said.starts_with("policy.toml: 3 rules."), "{said}");
}

#[test]
fn the_page_of_policies_works_as_written() {
    carried_out("docs/policies.md");
}

// ---- For packagers, and what comes with the program

fn packaging(page: &mut Page) {
    let by_ci = "`.ci/run` runs the like";
    page.leaves_out("cargo build --release --locked\n", by_ci);
    let machine = Machine::new();
    let completion = machine.succeeds(&page.next("sh"));
    assert!(completion.contains("complete "), "{completion}");
    assert!(
        machine
            .place
            .home()
            .join("DIRECTORY/ocirm-prune.1")
            .is_file()
    );
    let package = "mkdir -p target\n\
                   sh contrib/third-party.sh x86_64-unknown-linux-musl >target/THIRD-PARTY\n\
                   cargo deb --target x86_64-unknown-linux-musl\n";
    page.leaves_out(package, by_ci);
    page.leaves_out("cargo test --locked\n", by_ci);
}

#[test]
fn the_page_for_packagers_works_as_written() {
    carried_out("docs/packaging.md");
}

fn what_comes_with_it(page: &mut Page) {
    let machine = Machine::new();
    mirror(&machine);
    timer(&machine, &page.next("sh"));
    let before = machine.place.tree();
    let said = machine.succeeds(&page.next("sh"));
    assert!(said.contains("0 of 3 layouts would change"), "{said}");
    let traces = before.traces(&machine.place.tree());
    assert!(traces.is_empty(), "{traces:?}");
    // The step is one of a job that has written its cache.
    let step = page.next("yaml").replace('\n', "\n      ");
    let job = format!(
        "jobs:
  build:
    steps:
      - uses: actions/cache@v4
        with:
          path: ${{{{ runner.temp }}}}/buildkit-cache
          key: cache-1
          restore-keys: cache-
      - uses: docker/build-push-action@v6
        with:
          context: .
          cache-from: type=local,src=${{{{ runner.temp }}}}/buildkit-cache
          cache-to: type=local,dest=${{{{ runner.temp }}}}/buildkit-cache
      {step}\n"
    );
    let machine = Machine::new();
    assert_pruned(&machine, &github(&machine, &job));
}

#[test]
fn the_page_of_what_comes_with_the_program_works_as_written() {
    carried_out("contrib/README.md");
}

// ---- CI

/// What BuildKit left over is gone, and what it needs is there.
fn assert_pruned(machine: &Machine, ended: &Ended) {
    assert_eq!(blobs(&ended.cache).len(), 5, "{:?}", ended.outputs);
    let args = ["check", "--digests", "--complete", arg(&ended.cache)];
    assert_status(&machine.place.run(&args), 0);
    let said = ended.outputs.iter().map(|output| output.stdout.clone());
    let said = String::from_utf8(said.collect::<Vec<_>>().concat()).expect("text");
    assert!(
        said.contains("3.24kB") || said.contains(r#""freed_bytes":3241"#),
        "{said}"
    );
}

fn ci_cache(page: &mut Page) {
    for carry_out in [github, github, gitlab] {
        let machine = Machine::new();
        let ended = carry_out(&machine, &page.next("yaml"));
        assert_pruned(&machine, &ended);
    }
    // A directory that many builds share.
    let machine = Machine::new();
    let cache = machine.fixture("buildkit-cache-index", "/var/cache/buildkit");
    let all = blobs(&cache);
    machine.succeeds(&page.next("sh"));
    assert_eq!(blobs(&cache), all, "younger than 12 hours");
    let shared = page.next("sh");
    let commands = shared.trim_end().rsplit_once('\n');
    let (build, prune) = commands.expect("a build and a prune");
    // The build goes on until this test has seen that it has the lock.
    machine.stand_in("docker", "echo \"$*\" >\"$HOME/built\"\nread -r _ || :\n");
    let home = machine.place.home();
    let mut builds = machine.shell(&["sh", "-euc"], build, &home);
    let mut builds = builds.stdin(Stdio::piped()).spawn().expect("sh can be run");
    while !home.join("built").exists() {
        assert!(
            builds.try_wait().expect("a child").is_none(),
            "the build ended"
        );
        std::thread::yield_now();
    }
    let waits_not = prune.replace("--lock-timeout 30m", "--lock-timeout 0s");
    assert_ne!(waits_not, prune);
    assert_eq!(machine.runs(&waits_not).status.code(), Some(11));
    drop(builds.stdin.take());
    assert!(builds.wait().expect("a child").success());
    machine.succeeds(prune);
}

#[test]
fn the_page_of_caches_works_as_written() {
    carried_out("docs/recipes/ci-cache.md");
}

// ---- Every night

/// The value of a variable in a file of variables, as systemd reads it.
fn variable(file: &str, name: &str) -> String {
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.expect("the variable").trim_matches('"').to_owned()
}

fn nightly(page: &mut Page) {
    let machine = Machine::new();
    mirror(&machine);
    let policy = machine.file_that_says_its_name(&page.next("toml"));
    assert_eq!(policy, "/etc/ocirm/mirror.toml");
    let looks = page.next("sh");
    let before = machine.place.tree();
    let said = machine.succeeds(&looks);
    assert!(said.contains("Would keep: alpine:3.21"), "{said}");
    let traces = before.traces(&machine.place.tree());
    assert!(traces.is_empty(), "{traces:?}");

    from_a_checkout(&machine, &page.next("sh"));
    let options = page.next("ini");
    assert_eq!(
        machine.file_that_says_its_name(&options),
        "/etc/default/ocirm-prune"
    );
    timer(&machine, &page.next("sh"));
    let service = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd/ocirm-prune@.service"),
    );
    let service = service.expect("a unit");
    assert!(service.contains("EnvironmentFile=-/etc/default/ocirm-prune\n"));
    let command = service
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let command = command.expect("a command").replace("%f", "/srv/mirror");
    let options = variable(&options, "OCIRM_PRUNE_OPTIONS");
    // One layout cannot be read: it is said, and the others are done.
    machine.fixture("skopeo19-full-ref", "/srv/mirror/broken");
    machine.file("/srv/mirror/broken/index.json", "{");
    let journal = machine.runs(&command.replace("$OCIRM_PRUNE_OPTIONS", &options));
    assert_eq!(journal.status.code(), Some(12), "{journal:?}");
    let lines: Vec<Value> = objects(&journal.stdout);
    assert_eq!(lines.len(), 4, "{lines:?}");
    reads_what_it_printed(&machine, page, &journal.stdout);
    cron(&machine, page);
    check_is_sound(&machine, "/srv/mirror/web");
}

fn objects(lines: &[u8]) -> Vec<Value> {
    let lines = String::from_utf8_lossy(lines);
    let objects = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"));
    objects.collect()
}

/// The program and the units lie where systemd looks, and the file where the service does.
fn from_a_checkout(machine: &Machine, install: &str) {
    machine.stand_in("cargo", "printf '%s\\n' \"$*\"\n");
    let units = machine.path("/etc/systemd/system");
    let defaults = machine.path("/etc/default");
    for directory in [&units, &defaults] {
        fs::create_dir_all(directory).expect("an own directory");
    }
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shell = machine.shell(&["sh", "-euc"], install, checkout);
    let output = shell.output().expect("sh can be run");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with(" --root /usr/local\n"), "{said}");
    for file in [
        units.join("ocirm-prune@.service"),
        units.join("ocirm-prune@.timer"),
        defaults.join("ocirm-prune"),
    ] {
        assert!(file.is_file(), "{}", file.display());
    }
}

/// The timer is one of the units, and its instance means the directory.
fn timer(machine: &Machine, enable: &str) {
    if !is_installed("systemd-escape") {
        return;
    }
    machine.stand_in("systemctl", "printf '%s\\n' \"$@\"\n");
    // systemd itself has to see the path as it is written.
    let enable = enable.replace("/srv/mirror", "/./srv/mirror");
    let said = machine.succeeds(&enable);
    let (said, unit) = said.trim_end().rsplit_once('\n').expect("arguments");
    assert_eq!(said, "enable\n--now");
    let (name, rest) = unit.split_once('@').expect("an instance");
    let (instance, kind) = rest.rsplit_once('.').expect("a kind");
    let file = format!("contrib/systemd/{name}@.{kind}");
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR")).join(file).is_file(),
        "{unit}"
    );
    let path = Command::new("systemd-escape")
        .args(["--unescape", "--path", instance])
        .output()
        .expect("a program that is here");
    assert_eq!(String::from_utf8_lossy(&path.stdout), "/srv/mirror\n");
}

/// A drop-in of the unit sends what is printed to a file.
fn reads_what_it_printed(machine: &Machine, page: &mut Page, printed: &[u8]) {
    let (drop_in, read) = (page.next("ini"), page.next("sh"));
    let name = machine.file_that_says_its_name(&drop_in);
    understands_the_drop_in(machine, &name);
    let file = variable(&drop_in, "StandardOutput");
    let file = file.strip_prefix("truncate:").expect("a file");
    fs::write(machine.path(&file.replace("%i", "srv-mirror")), printed).expect("an own file");
    if !is_installed("jq") {
        return;
    }
    let said: Value = serde_json::from_str(&machine.succeeds(&read)).expect("an object");
    let broken = "/srv/mirror/broken";
    let expected = json!({"layouts": 4, "freed_bytes": 0, "failed": [broken], "warned": []});
    assert_eq!(said, expected);
}

/// systemd reads it with the unit, and has nothing to say about it.
fn understands_the_drop_in(machine: &Machine, name: &str) {
    let (folder, file) = name.rsplit_once('/').expect("a path");
    assert_eq!(folder, "/etc/systemd/system/ocirm-prune@.service.d");
    if !is_installed("systemd-analyze") {
        return skipped("systemd-analyze is not installed");
    }
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd/ocirm-prune@.service");
    let unit = machine.path("/etc/systemd/system/ocirm-prune@srv-mirror.service");
    fs::copy(from, &unit).expect("an own file");
    let verified = |text: &str| {
        fs::write(machine.path(name), text).expect("an own file");
        let mut verify = Command::new("systemd-analyze");
        let output = verify.args(["verify", arg(&unit)]).output();
        String::from_utf8_lossy(&output.expect("a program that is here").stderr).into_owned()
    };
    let drop_in = fs::read_to_string(machine.path(name)).expect("an own file");
    let said = verified(&drop_in);
    assert!(!said.contains(file), "{said}");
    // It is read at all.
    let said = verified(&format!("{drop_in}Nonsense=1\n"));
    assert!(said.contains(file), "{said}");
}

/// The command of the only line of a crontab with users, as cron hands it to the shell.
fn of_crontab(crontab: &str) -> (Vec<(String, String)>, String) {
    let mut variables = Vec::new();
    let mut command = None;
    for line in crontab.lines().filter(|line| !line.starts_with('#')) {
        let is_time = line.starts_with(|c: char| c.is_ascii_digit() || c == '*' || c == '@');
        match line.split_once('=').filter(|_| !is_time) {
            Some((name, value)) => variables.push((name.to_owned(), value.to_owned())),
            None => {
                let mut rest = line;
                for _ in 0..6 {
                    rest = rest.split_once(char::is_whitespace).expect("six fields").1;
                    rest = rest.trim_start();
                }
                // What stands behind a percent sign is standard input.
                let end = rest.replace("\\%", "  ").find('%').unwrap_or(rest.len());
                command = Some(rest[..end].replace("\\%", "%"));
            }
        }
    }
    (variables, command.expect("a command"))
}

fn cron(machine: &Machine, page: &mut Page) {
    let (crontab, queries) = (page.next("crontab"), page.next("sh"));
    if !is_installed("jq") {
        return;
    }
    let (variables, command) = of_crontab(&crontab);
    let value = |wanted: &str| variables.iter().find(|(name, _)| name == wanted);
    assert!(value("MAILTO").is_some(), "{variables:?}");
    // Where Debian and its packages put programs.
    assert!(value("PATH").is_some_and(|(_, path)| path.contains("/usr/bin")));
    let home = machine.place.home();
    let night = || {
        let mut shell = machine.shell(&["/bin/sh", "-c"], &command, &home);
        shell.output().expect("sh can be run")
    };
    let bad = night();
    let letter = machine.unmapped(&bad.stderr);
    assert!(letter.contains("/srv/mirror/broken"), "{letter}");
    assert!(bad.stdout.is_empty(), "{bad:?}");
    // Without it there is no letter.
    fs::remove_dir_all(machine.path("/srv/mirror/broken")).expect("an own directory");
    let good = night();
    assert!(good.status.success(), "{good:?}");
    assert!(good.stdout.is_empty() && good.stderr.is_empty(), "{good:?}");
    let log = fs::read(machine.path("/var/log/ocirm.jsonl")).expect("a log");
    assert_eq!(objects(&log).len(), 4 + 3);
    let (failures, freed) = queries.split_once('\n').expect("two commands");
    let failures = objects(machine.succeeds(failures).as_bytes());
    let [failure] = &failures[..] else {
        panic!("{failures:?}");
    };
    assert_eq!(failure["layout"], "/srv/mirror/broken");
    let time = failure["time"]
        .as_str()
        .and_then(|time| time.parse::<Timestamp>().ok());
    assert!(time.is_some(), "{failure}");
    assert_eq!(machine.succeeds(freed), "0\n");
}

#[test]
fn the_page_of_every_night_works_as_written() {
    carried_out("docs/recipes/nightly.md");
}

/// The page says how much the unit exposes.
#[test]
fn the_unit_exposes_no_more_than_its_page_says() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let machine = Machine::new();
    let unit = machine.path("ocirm-prune@srv-mirror.service");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd/ocirm-prune@.service");
    fs::copy(from, &unit).expect("an own file");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", arg(&unit)])
        .output()
        .expect("a program that is here");
    let said = String::from_utf8_lossy(&output.stdout);
    let Some((_, level)) = said.rsplit_once("Overall exposure level for ") else {
        return skipped(format!(
            "systemd-analyze: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    };
    let level = level
        .split_whitespace()
        .nth(1)
        .and_then(|level| level.parse::<f64>().ok());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes/nightly.md");
    let page = fs::read_to_string(page).expect("a page");
    let (_, promised) = page.split_once("Its exposure is ").expect("a figure");
    let promised = promised
        .split(',')
        .next()
        .and_then(|level| level.parse::<f64>().ok());
    let (level, promised) = (level.expect("a figure"), promised.expect("a figure"));
    // Newer versions look at more.
    assert!(level <= promised + 0.3, "{said}");
}

// ---- A cluster

fn cluster(page: &mut Page) {
    let pods = json!({"apiVersion": "v1", "kind": "List", "items": [{
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "image": "localhost:5000/team/app:v1"}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "web", "image": "localhost:5000/team/app:v1", "imageID": "", "state": {"running": {}}}]},
    }]});
    let containers = json!({"containers": [{
        "id": "c1".repeat(32), "state": "CONTAINER_RUNNING",
        "image": {"image": "localhost:5000/team/app:v1"}, "imageRef": "",
    }]});
    let [prunes, lists, on_a_node] = [(); 3].map(|()| page.next("sh"));
    for (program, printed, prunes) in [
        ("kubectl", &pods, &prunes),
        ("crictl", &containers, &on_a_node),
    ] {
        let machine = Machine::new();
        mirror(&machine);
        machine.stand_in(program, &format!("cat <<'END'\n{printed}\nEND\n"));
        if program == "kubectl" {
            let listed = machine.succeeds(&lists);
            assert_eq!(listed.matches(" in use ").count(), 1, "{listed}");
        }
        // The newest two of alpine have three names.
        machine.succeeds(prunes);
        let web = machine.path("/srv/mirror/web");
        assert_eq!(names(&web).len(), 4);
        // Without a number, nothing but what a pod has.
        machine.succeeds(&prunes.replace(" --keep-last 2", ""));
        assert_eq!(names(&web), ["localhost:5000/team/app:v1"]);
        // A tool that failed prints nothing.
        machine.stand_in(program, "exit 1\n");
        let before = machine.place.tree();
        let failed = machine.runs(prunes);
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        let traces = before.traces(&machine.place.tree());
        assert!(traces.is_empty(), "{traces:?}");
    }
}

#[test]
fn the_page_of_clusters_works_as_written() {
    carried_out("docs/recipes/cluster.md");
}

// ---- A mirror with signatures

fn air_gap(page: &mut Page) {
    let machine = Machine::new();
    let mirror = machine.fixture("mixed-cosign-tags", "/srv/mirror/signed");
    let policy = machine.file_that_says_its_name(&page.next("toml"));
    assert_eq!(policy, "/etc/ocirm/air-gap.toml");
    let prunes = page.next("sh");
    let all = blobs(&mirror);
    let said = machine.succeeds(&prunes);
    assert!(said.contains("what it belongs to stays"), "{said}");
    assert_eq!(
        blobs(&mirror),
        all,
        "two images, of which the newest two stay"
    );
    // With room for one, the image with the signatures stays with all of them.
    let one = fs::read_to_string(machine.path(&policy)).expect("an own file");
    fs::write(
        machine.path(&policy),
        one.replace("keep-last = 2", "keep-last = 1"),
    )
    .expect("an own file");
    machine.succeeds(&prunes);
    assert_eq!(names(&mirror).len(), 4, "{:?}", names(&mirror));
    let checks = page.next("sh");
    machine.succeeds(&checks);
    // A blob that was changed on the way is noticed.
    let blob = blobs(&mirror).into_iter().next().expect("a blob");
    fs::write(blob_path(&mirror, &blob), "x").expect("an own file");
    assert_eq!(machine.runs(&checks).status.code(), Some(12));
}

#[test]
fn the_page_of_signed_mirrors_works_as_written() {
    carried_out("docs/recipes/air-gap.md");
}

// ---- By hand

fn full_disk(page: &mut Page) {
    let machine = Machine::new();
    // Where none can be mounted, the disk is not full.
    let disk = Mount::in_memory(&machine.path("/srv"), "size=1m");
    mirror(&machine);
    let web = machine.path("/srv/mirror/web");
    machine.succeeds("ocirm --layout /srv/mirror/web rmi --trash localhost:5000/team/app:v1\n");
    if let Some(disk) = &disk {
        disk.fill("full");
        // Step 4 comes too early, and what is said leads to the others.
        for (trash, says) in [
            (0, "prune --force --grace 0s`"),
            (1, "prune --force --no-trash --grace 0s`"),
        ] {
            let removes =
                format!("OCIRM_TRASH={trash} ocirm --layout /srv/mirror/web rmi alpine:3.21\n");
            let refused = machine.runs(&removes);
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            let said = machine.unmapped(&refused.stderr);
            assert!(said.contains(says), "{said}");
            assert!(
                said.contains("with --trash-keep 0s also what is in the trash"),
                "{said}"
            );
        }
    }
    let said = machine.succeeds(&page.next("sh"));
    assert!(said.contains("Total"), "{said}");
    let said = machine.succeeds(&page.next("sh"));
    assert!(
        said.contains("/srv/mirror/tools: deleted 7 blobs"),
        "{said}"
    );
    assert!(web.join(".ocirm-trash").exists());
    machine.succeeds(&page.next("sh"));
    assert!(!web.join(".ocirm-trash").exists());
    let said = machine.succeeds(&page.next("sh"));
    assert!(said.contains("Would untag: alpine:3.21"), "{said}");
    assert!(said.contains("Untagged: alpine:3.21"), "{said}");
    check_is_sound(&machine, "/srv/mirror");
}

#[test]
fn the_page_of_full_disks_works_as_written() {
    carried_out("docs/recipes/full-disk.md");
}

fn undo(page: &mut Page) {
    let machine = Machine::new();
    let mirror = machine.fixture("skopeo19-full-ref", "/srv/mirror");
    machine.succeeds(&page.next("sh"));
    assert_eq!(
        names(&mirror).into_iter().collect::<BTreeSet<_>>(),
        [
            "alpine",
            "docker.io/library/alpine:3.21",
            "localhost:5000/team/app:v1"
        ]
        .map(str::to_owned)
        .into()
    );
    check_is_sound(&machine, "/srv/mirror");
}

#[test]
fn the_page_of_undoing_works_as_written() {
    carried_out("docs/recipes/undo.md");
}

fn platforms(page: &mut Page) {
    let machine = Machine::new();
    mirror(&machine);
    let removes = page.next("sh");
    if !is_installed("jq") {
        return skipped("jq is not installed");
    }
    let output = machine.runs(&removes);
    assert!(output.status.success(), "{output:?}");
    let missing = |name: &str| {
        let layout = machine.path(&format!("/srv/mirror/{name}"));
        let listed = machine.place.succeeds(&layout, &["ls", "--format", "json"]);
        let lines = objects(listed.out.as_bytes()).into_iter();
        lines
            .map(|line| line["missing_platforms"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(missing("app"), [json!(["linux/arm64", "linux/arm/v7"])]);
    assert_eq!(missing("web"), [(); 4].map(|()| json!([])));
}

#[test]
fn the_page_of_platforms_works_as_written() {
    carried_out("docs/recipes/platforms.md");
}

/// Commands of the second column of a table, between backticks.
fn commands_of_tables(page: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let new = rows.filter_map(|row| row.split('|').nth(2));
    let quoted = new.flat_map(|new| new.split('`').skip(1).step_by(2));
    let commands = quoted.filter(|quoted| quoted.starts_with("ocirm "));
    commands.map(str::to_owned).collect()
}

/// Each command that is said to do what one of another tool did can be typed so.
#[test]
fn the_new_commands_for_old_ones_work_as_written() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes/coming-from.md");
    let commands = commands_of_tables(&fs::read_to_string(page).expect("a page"));
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let machine = Machine::new();
        let mirror = machine.fixture("skopeo19-full-ref", "home/mirror");
        let index = mirror.join("index.json");
        let text = fs::read_to_string(&index).expect("an index");
        fs::write(&index, text.replace("localhost:5000/team/app:v1", "v1")).expect("an own file");
        let before = names(&mirror);
        let id = machine.succeeds("ocirm ls --quiet mirror | head -n 1\n");
        machine.succeeds(&command.replace("mirror:ID", &format!("mirror:{}", id.trim())));
        let is_about_one = ["rmi", "untag"].iter().any(|word| command.contains(word));
        let all_are_there = names(&mirror) == before;
        // What is older than 30 days are none of these.
        assert_eq!(all_are_there, !is_about_one, "{command}");
    }
}

// ---- Special places

fn podman_artifacts(page: &mut Page) {
    let machine = Machine::new();
    let store = "home/.local/share/containers/storage/artifacts";
    let store = machine.fixture("skopeo19-same-tag-twice", store);
    let prunes = page.next("sh");
    let all = blobs(&store);
    let left = machine.runs(&prunes);
    assert!(left.status.success(), "{left:?}");
    assert_eq!(blobs(&store), all, "younger than an hour");
    machine.succeeds(&format!("{} --grace 0s\n", prunes.trim_end()));
    assert_eq!(names(&store), ["latest", "old"]);
}

#[test]
fn the_page_of_podmans_artifacts_works_as_written() {
    carried_out("docs/recipes/podman-artifacts.md");
}

fn zot(page: &mut Page) {
    let machine = Machine::new();
    machine.stand_in("systemctl", "echo \"$*\" >>\"$HOME/zot\"\n");
    let store = fixtures_folder().join("../stores/zot.tar");
    let unpacked = Command::new("tar")
        .args(["-xf", arg(&store), "-C", arg(&machine.path("/var/lib"))])
        .status();
    assert!(unpacked.expect("tar can be run").success());
    let other = blobs(&machine.path("/var/lib/zot/team/web"));
    machine.succeeds(&page.next("sh"));
    let told = fs::read_to_string(machine.place.home().join("zot")).expect("two commands");
    assert_eq!(told, "stop zot\nstart zot\n");
    assert_eq!(blobs(&machine.path("/var/lib/zot/team/web")), other);
    // An index and its three platforms, which zot lists too.
    let app = names(&machine.path("/var/lib/zot/team/app"));
    assert!(app.len() == 4 && app.contains(&"1.1".to_owned()), "{app:?}");
    assert!(machine.path("/var/lib/zot/cache.db").exists());
    check_is_sound(&machine, "/var/lib/zot");
}

#[test]
fn the_page_of_zot_works_as_written() {
    carried_out("docs/recipes/zot.md");
}
