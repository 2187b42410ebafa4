//! What skopeo and umoci say to layouts that ocirm changed.
//!
//! Without those programs the tests say so and pass, unless `OCIRM_INTEROP` is set: then they fail.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program that tests compare with, once it is known to be here.
#[derive(Clone, Copy)]
struct Peer(&'static str);

const SKOPEO: Peer = Peer("skopeo");
const UMOCI: Peer = Peer("umoci");

impl Peer {
    fn command<I: AsRef<OsStr>>(self, args: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new(self.0);
        if self.0 == "skopeo" {
            command.arg("--insecure-policy");
        }
        command.args(args);
        command
    }

    fn output<I: AsRef<OsStr>>(self, args: impl IntoIterator<Item = I>) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it, and fails the test when it fails.
    fn run<I: AsRef<OsStr>>(self, args: impl IntoIterator<Item = I>) -> String {
        succeeded(&mut self.command(args))
    }
}

/// Whether all these programs are here. Says so if not; fails if they have to be.
fn are_here(peers: &[Peer]) -> bool {
    for Peer(name) in peers {
        if Command::new(name).arg("--version").output().is_err() {
            assert!(
                std::env::var_os("OCIRM_INTEROP").is_none_or(|value| value.is_empty()),
                "OCIRM_INTEROP is set, and {name} is not here"
            );
            println!("skipped: {name} is not here");
            return false;
        }
    }
    true
}

fn succeeded(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn ocirm<I: AsRef<OsStr>>(layout: &Path, args: impl IntoIterator<Item = I>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocirm"));
    command.env_remove("OCIRM_LAYOUT");
    command.arg("--layout").arg(layout).args(args);
    succeeded(&mut command)
}

/// How skopeo and umoci call an image: `oci:DIR:NAME` for skopeo, `DIR:NAME` for umoci.
fn image(prefix: &str, layout: &Path, name: &str) -> String {
    format!("{prefix}{}:{name}", layout.display())
}

fn oci(layout: &Path, name: &str) -> String {
    image("oci:", layout, name)
}

fn archives() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/layouts");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() == Some(OsStr::new("tar")))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Unpacks a fixture below `to`, and says where the layout is.
fn unpack(archive: &Path, to: &Path) -> PathBuf {
    let mut archive = tar::Archive::new(std::fs::File::open(archive).unwrap());
    archive.unpack(to).unwrap();
    to.join("layout")
}

fn fixture(name: &str, to: &Path) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/layouts");
    unpack(&dir.join(format!("{name}.tar")), to)
}

fn blobs(layout: &Path) -> BTreeSet<String> {
    std::fs::read_dir(layout.join("blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A layout with the images `base`, `derived` and `last`, each made from the one before, and `v1`,
/// another name of `base`.
fn made_by_umoci(dir: &Path) -> PathBuf {
    let layout = dir.join("layout");
    let files = dir.join("files");
    std::fs::create_dir_all(files.join("etc")).unwrap();
    std::fs::write(files.join("etc/one"), "one\n").unwrap();
    let files = files.to_str().unwrap();
    let of = |name: &str| image("", &layout, name);
    UMOCI.run(["init", "--layout", layout.to_str().unwrap()]);
    UMOCI.run(["new", "--image", &of("base")]);
    for (from, to, below) in [
        ("base", "base", "/"),
        ("base", "derived", "/opt"),
        ("derived", "last", "/srv"),
    ] {
        UMOCI.run([
            "insert",
            "--rootless",
            "--image",
            &of(from),
            "--tag",
            to,
            files,
            below,
        ]);
    }
    UMOCI.run(["tag", "--image", &of("base"), "v1"]);
    // What building left over, so that all blobs are needed from here on.
    UMOCI.run(["gc", "--layout", layout.to_str().unwrap()]);
    layout
}

fn umoci_names(layout: &Path) -> BTreeSet<String> {
    UMOCI
        .run(["ls", "--layout", layout.to_str().unwrap()])
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Both programs can do with each of these images all that they can do with a whole one.
fn assert_whole(layout: &Path, names: &[&str]) {
    let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(umoci_names(layout), expected);
    for name in names {
        UMOCI.run(["stat", "--image", &image("", layout, name)]);
        SKOPEO.run(["inspect", &oci(layout, name)]);
        let to = tempfile::tempdir().unwrap();
        let to = format!("dir:{}", to.path().display());
        SKOPEO.run(["copy", "--quiet", &oci(layout, name), &to]);
    }
}

#[test]
fn what_is_left_of_a_umoci_layout_is_whole_to_umoci_and_skopeo() {
    if !are_here(&[SKOPEO, UMOCI]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let layout = made_by_umoci(dir.path());
    assert_whole(&layout, &["base", "derived", "last", "v1"]);

    ocirm(&layout, ["rmi", "base"]);
    assert_whole(&layout, &["derived", "last", "v1"]);
    ocirm(&layout, ["rmi", "v1"]);
    assert_whole(&layout, &["derived", "last"]);
    // A dangling image bears its name where neither of them looks for one.
    ocirm(&layout, ["untag", "last"]);
    assert_whole(&layout, &["derived"]);
    ocirm(&layout, ["prune", "--force", "--grace", "0s"]);
    assert_whole(&layout, &["derived"]);
}

#[test]
fn umoci_finds_no_garbage_where_ocirm_swept() {
    if !are_here(&[UMOCI, SKOPEO]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let layout = made_by_umoci(dir.path());
    let gc = ["gc", "--layout", layout.to_str().unwrap()];

    ocirm(&layout, ["rmi", "last"]);
    let after_rmi = blobs(&layout);
    UMOCI.run(gc);
    assert_eq!(blobs(&layout), after_rmi, "rmi left garbage");

    // `umoci rm` takes the entry alone, and leaves the blobs to whoever collects garbage.
    UMOCI.run(["rm", "--image", &image("", &layout, "derived")]);
    ocirm(&layout, ["prune", "--force", "--grace", "0s"]);
    let after_prune = blobs(&layout);
    assert!(after_prune.len() < after_rmi.len());
    UMOCI.run(gc);
    assert_eq!(blobs(&layout), after_prune, "prune left garbage");
    assert_whole(&layout, &["base", "v1"]);
}

#[test]
fn prune_takes_what_skopeo_left_without_a_name_and_nothing_else() {
    if !are_here(&[SKOPEO]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let both = fixture("skopeo19-multi-all", &dir.path().join("both"));
    let child = fixture("skopeo19-multi-retag", &dir.path().join("child"));
    let layout = dir.path().join("copy");
    let copy_all = |from: String, to: String| SKOPEO.run(["copy", "--quiet", "--all", &from, &to]);
    let raw = |name: &str| SKOPEO.run(["inspect", "--raw", &oci(&layout, name)]);
    let dangling = || {
        let args = ["ls", "--quiet", "--filter", "dangling=true"];
        ocirm(&layout, args).lines().count()
    };
    // `arm64` is one platform of m2. skopeo takes a name from the older entry and leaves the entry.
    copy_all(oci(&both, "m1"), oci(&layout, "kept"));
    let kept = blobs(&layout);
    copy_all(oci(&both, "m2"), oci(&layout, "app"));
    copy_all(oci(&child, "arm64"), oci(&layout, "app"));
    assert_eq!(dangling(), 1);
    copy_all(oci(&both, "m1"), oci(&layout, "app"));
    copy_all(oci(&child, "arm64"), oci(&layout, "app"));
    let before = (raw("app"), raw("kept"));

    ocirm(&layout, ["prune", "--force", "--grace", "0s"]);
    assert_eq!(dangling(), 0);
    assert_eq!((raw("app"), raw("kept")), before);
    let to = dir.path().join("all");
    copy_all(oci(&layout, "kept"), oci(&to, "kept"));
    assert_eq!(blobs(&to), kept);
    copy_all(oci(&layout, "app"), oci(&to, "app"));
    assert_eq!(
        blobs(&to),
        blobs(&layout),
        "nothing is there that has no name"
    );
    SKOPEO.run(["--override-arch", "arm64", "inspect", &oci(&layout, "app")]);
    SKOPEO.run(["--override-arch", "amd64", "inspect", &oci(&layout, "kept")]);
}

#[test]
fn after_a_platform_went_the_others_can_be_used_and_all_cannot_be_copied() {
    if !are_here(&[SKOPEO]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let layout = fixture("skopeo19-multi-all", dir.path());
    let raw = |name: &str| SKOPEO.run(["inspect", "--raw", &oci(&layout, name)]);
    let inspect = |arch: &str| {
        SKOPEO.output([
            "--override-os",
            "linux",
            "--override-arch",
            arch,
            "inspect",
            &oci(&layout, "m1"),
        ])
    };
    let copy_all = |name: &str, to: &str| {
        let to = dir.path().join(to);
        let copied = SKOPEO.output([
            "copy",
            "--quiet",
            "--all",
            &oci(&layout, name),
            &oci(&to, "x"),
        ]);
        copied.status.success()
    };
    let before = (raw("m1"), raw("m2"));
    assert!(inspect("arm64").status.success());
    assert!(copy_all("m1", "before"));

    ocirm(&layout, ["rmi", "m1", "--platform", "linux/arm64"]);
    assert_eq!((raw("m1"), raw("m2")), before, "the indexes are the same");
    let amd64 = inspect("amd64");
    assert!(amd64.status.success());
    let shown: serde_json::Value = serde_json::from_slice(&amd64.stdout).unwrap();
    assert_eq!(shown["Architecture"], "amd64");
    assert!(!inspect("arm64").status.success());
    // The index still lists the platform. That is what a sparse layout is.
    assert!(!copy_all("m1", "sparse"));
    assert!(copy_all("m2", "whole"));
}

/// The two names of an entry of index.json.
struct EntryNames {
    /// What skopeo addresses it by.
    tag: String,
    /// What ocirm takes for exactly this entry.
    name: String,
}

fn names(layout: &Path) -> Vec<EntryNames> {
    let text = std::fs::read(layout.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let annotation = |entry: &serde_json::Value, key: &str| {
        entry["annotations"][key].as_str().map(str::to_owned)
    };
    let entries = index["manifests"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| {
            let tag = annotation(entry, "org.opencontainers.image.ref.name")?;
            let name = annotation(entry, "io.containerd.image.name").unwrap_or_else(|| tag.clone());
            Some(EntryNames { tag, name })
        })
        .collect()
}

#[test]
fn removing_one_name_changes_nothing_that_skopeo_sees_of_another() {
    if !are_here(&[SKOPEO]) {
        return;
    }
    let mut compared = 0;
    for archive in archives() {
        let dir = tempfile::tempdir().unwrap();
        let layout = unpack(&archive, dir.path());
        let raw = |layout: &Path, tag: &str| {
            let output = SKOPEO.output(["inspect", "--raw", &oci(layout, tag)]);
            output.status.success().then_some(output.stdout)
        };
        let names = names(&layout);
        let before: Vec<_> = names.iter().map(|n| raw(&layout, &n.tag)).collect();
        for removed in &names {
            for command in ["untag", "rmi"] {
                let dir = tempfile::tempdir().unwrap();
                let layout = unpack(&archive, dir.path());
                ocirm(&layout, [command, &removed.name]);
                for (other, before) in names.iter().zip(&before) {
                    // Signatures called after a digest go with the image that has it.
                    let follows = command == "rmi" && other.tag.starts_with("sha256-");
                    if other.tag != removed.tag && !follows {
                        let after = raw(&layout, &other.tag);
                        let what = format!("{}: {command} {}", archive.display(), removed.name);
                        assert!(after == *before, "{what} changed {}", other.tag);
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 50, "only {compared} names were compared");
}
