//! Ways in which an image could have been lost, each found by attacking the program: whatever else
//! needs a blob keeps it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ocirm::layout::{Algorithm, Digest};

/// A layout that is written blob by blob.
struct Ground {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Ground {
    fn new() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        Ground {
            _folder: folder,
            root,
        }
    }

    /// An empty layout below the ground; with `blobs` as a link to another one's.
    fn layout(&self, name: &str, blobs_of: Option<&str>) -> PathBuf {
        let layout = self.root.join(name);
        std::fs::create_dir_all(&layout).unwrap();
        std::fs::write(
            layout.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        match blobs_of {
            None => std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap(),
            Some(other) => {
                let target = self.root.join(other).join("blobs");
                std::os::unix::fs::symlink(target, layout.join("blobs")).unwrap();
            }
        }
        layout
    }
}

fn put(layout: &Path, text: &str) -> Digest {
    let digest = Algorithm::Sha256.hash(text.as_bytes());
    std::fs::write(blob(layout, &digest), text).unwrap();
    digest
}

fn blob(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.encoded())
}

/// A manifest with one layer of this text; the layer comes second.
fn manifest(layout: &Path, text: &str) -> (Digest, Digest) {
    let layer = put(layout, text);
    let config = put(
        layout,
        &format!("{{\"os\":\"linux\",\"architecture\":\"{text}\"}}"),
    );
    let manifest = put(
        layout,
        &format!(
            r#"{{"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}"}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}"}}]}}"#
        ),
    );
    (manifest, layer)
}

/// An index of manifests with their architectures.
fn index(layout: &Path, manifests: &[(&Digest, &str)]) -> Digest {
    let list: Vec<String> = manifests
        .iter()
        .map(|(digest, architecture)| {
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","platform":{{"os":"linux","architecture":"{architecture}"}}}}"#
            )
        })
        .collect();
    put(layout, &format!(r#"{{"manifests":[{}]}}"#, list.join(",")))
}

fn write_index(layout: &Path, rows: &[(&str, &Digest)]) {
    let rows: Vec<String> = rows
        .iter()
        .map(|(name, digest)| {
            let size = std::fs::metadata(blob(layout, digest)).unwrap().len();
            format!(
                r#"{{"digest":"{digest}","size":{size},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, rows.join(","));
    std::fs::write(layout.join("index.json"), text).unwrap();
}

fn ocirm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ocirm"))
        .args(arguments)
        .env_remove("OCIRM_LAYOUT")
        .output()
        .unwrap()
}

fn path(layout: &Path) -> &str {
    layout.to_str().unwrap()
}

#[test]
fn a_platform_stays_when_another_layout_that_shares_the_blobs_has_it() {
    let ground = Ground::new();
    let one = ground.layout("one", None);
    let two = ground.layout("two", Some("one"));
    let ((amd, layer), (arm, _)) = (manifest(&one, "amd64"), manifest(&one, "arm64"));
    let multi = index(&one, &[(&amd, "amd64"), (&arm, "arm64")]);
    write_index(&one, &[("multi", &multi)]);
    write_index(&two, &[("other", &multi)]);
    let output = ocirm(&[
        "--layout",
        path(&one),
        "rmi",
        "--also-root",
        path(&two),
        "--platform",
        "linux/amd64",
        "multi",
    ]);
    assert!(blob(&one, &amd).exists() && blob(&one, &layer).exists());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another layout needs it"));
}

#[test]
fn a_manifest_that_stands_for_two_platforms_stays_for_the_other() {
    for more in [&[][..], &["--rewrite-index"][..]] {
        let ground = Ground::new();
        let layout = ground.layout("one", None);
        let (both, layer) = manifest(&layout, "amd64");
        let image = index(&layout, &[(&both, "amd64"), (&both, "arm64")]);
        write_index(&layout, &[("web", &image)]);
        let mut arguments = vec![
            "--layout",
            path(&layout),
            "rmi",
            "web",
            "--platform",
            "linux/amd64",
        ];
        arguments.extend(more);
        let output = ocirm(&arguments);
        assert!(blob(&layout, &both).exists() && blob(&layout, &layer).exists());
        assert!(String::from_utf8_lossy(&output.stderr).contains("web for linux/arm64"));
    }
}

#[test]
fn a_manifest_for_two_platforms_goes_when_both_are_asked_for() {
    let ground = Ground::new();
    let layout = ground.layout("one", None);
    let ((both, _), (other, _)) = (manifest(&layout, "amd64"), manifest(&layout, "s390x"));
    let image = index(
        &layout,
        &[(&both, "amd64"), (&both, "arm64"), (&other, "s390x")],
    );
    write_index(&layout, &[("web", &image)]);
    let output = ocirm(&[
        "--layout",
        path(&layout),
        "rmi",
        "web",
        "--platform",
        "linux/amd64,linux/arm64",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!blob(&layout, &both).exists() && blob(&layout, &other).exists());
}

/// A crashed writer may have left anything under the name that the new index gets.
#[test]
fn a_new_index_never_relies_on_a_broken_file_of_its_name() {
    let ground = Ground::new();
    let layout = ground.layout("one", None);
    let ((amd, _), (arm, layer)) = (manifest(&layout, "amd64"), manifest(&layout, "arm64"));
    let image = index(&layout, &[(&amd, "amd64"), (&arm, "arm64")]);
    write_index(&layout, &[("web", &image)]);
    let arguments = |dry: &'static str| {
        [
            "--layout",
            path(&layout),
            "rmi",
            "web",
            "--platform",
            "linux/amd64",
            "--rewrite-index",
            "--format",
            "json",
            dry,
        ]
    };
    let dry = ocirm(&arguments("--dry-run"));
    let report: serde_json::Value = serde_json::from_slice(&dry.stdout).unwrap();
    let new: Digest = report["rewritten"][0]["to"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    std::fs::write(blob(&layout, &new), "{\"trunc").unwrap();
    assert_eq!(ocirm(&arguments("-v")).status.code(), Some(0));
    let check = ocirm(&["--layout", path(&layout), "check", "--digests"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert!(blob(&layout, &layer).exists() && !blob(&layout, &amd).exists());
}

#[test]
fn a_container_by_id_speaks_against_removing_its_platform() {
    let ground = Ground::new();
    let layout = ground.layout("one", None);
    let ((amd, _), (arm, _)) = (manifest(&layout, "amd64"), manifest(&layout, "arm64"));
    let image = index(&layout, &[(&amd, "amd64"), (&arm, "arm64")]);
    write_index(&layout, &[("web", &image)]);
    let list = ground.root.join("containers.json");
    let text = format!(
        r#"[{{"Id":"{}","Image":"{image}","State":{{"Status":"running","Running":true}},"Config":{{"Image":"web"}}}}]"#,
        "c1".repeat(32)
    );
    std::fs::write(&list, text).unwrap();
    let id = image.to_string();
    let output = ocirm(&[
        "--layout",
        path(&layout),
        "rmi",
        "--containers",
        path(&list),
        "--platform",
        "linux/amd64,linux/arm64",
        &id,
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(blob(&layout, &amd).exists() && blob(&layout, &arm).exists());
}

/// One layout's `blobs` is a link into another one of the same run.
#[test]
fn layouts_of_one_run_keep_what_the_others_need() {
    let ground = Ground::new();
    let store = ground.layout("store", None);
    let linked = ground.layout("linked", Some("store"));
    let ((one, _), (two, layer)) = (manifest(&store, "one"), manifest(&store, "two"));
    write_index(&store, &[("one", &one)]);
    write_index(&linked, &[("two", &two)]);
    let output = ocirm(&[
        "prune",
        "-f",
        "--grace",
        "0s",
        "--recursive",
        path(&ground.root),
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(blob(&store, &two).exists() && blob(&store, &layer).exists());
}

#[test]
fn keeping_a_signature_keeps_what_it_signs() {
    let ground = Ground::new();
    let layout = ground.layout("one", None);
    let (image, _) = manifest(&layout, "amd64");
    let (signature, _) = manifest(&layout, "signature");
    let (other, _) = manifest(&layout, "other");
    let tag = format!("sha256-{}.sig", image.encoded());
    write_index(
        &layout,
        &[("web", &image), (&tag, &signature), ("other", &other)],
    );
    let output = ocirm(&[
        "--layout",
        path(&layout),
        "prune",
        "-a",
        "-f",
        "--grace",
        "0s",
        "--keep",
        "*.sig",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(blob(&layout, &image).exists() && blob(&layout, &signature).exists());
    assert!(!blob(&layout, &other).exists());
    let output = ocirm(&["--layout", path(&layout), "prune", "-a", "-f", "--keep", ""]);
    assert_eq!(output.status.code(), Some(2));
}

/// A row with embedded data would go on showing the old index to whoever trusts that.
#[test]
fn a_row_that_gets_a_new_index_loses_the_old_ones_data() {
    let ground = Ground::new();
    let layout = ground.layout("one", None);
    let ((amd, _), (arm, _)) = (manifest(&layout, "amd64"), manifest(&layout, "arm64"));
    let image = index(&layout, &[(&amd, "amd64"), (&arm, "arm64")]);
    write_index(&layout, &[("web", &image)]);
    let file = layout.join("index.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("\"annotations\"", "\"data\":\"eyJv\",\"annotations\""),
    )
    .unwrap();
    let output = ocirm(&[
        "--layout",
        path(&layout),
        "rmi",
        "web",
        "--platform",
        "linux/amd64",
        "--rewrite-index",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("\"data\""));
}
