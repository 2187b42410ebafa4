//! `why` tells the truth about what keeps a blob, `check` about what is wrong, and neither changes
//! anything.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A fresh copy of one of the layouts that real tools wrote.
fn unpacked(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/layouts")
        .join(format!("{name}.tar"));
    tar::Archive::new(std::fs::File::open(archive).unwrap())
        .unpack(folder.path())
        .unwrap();
    let layout = folder.path().join("layout");
    (folder, layout)
}

fn ocirm(layout: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ocirm"))
        .arg("--layout")
        .arg(layout)
        .args(arguments)
        .env_remove("OCIRM_LAYOUT")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

const APP: &str = "7bb1dbfc849b60f3e23036d8a5fbf156c32f50f36bd97e925fb24ff032c83daa";

#[test]
fn why_shows_the_way_from_each_name_to_a_blob() {
    let (_folder, layout) = unpacked("mixed-cosign-tags");
    let config = "sha256:43451b8559c32a48409104828e4fa2e5d28a827962f5a18884b5f064c9e10336";
    let output = ocirm(&layout, &["why", config, "app"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output),
        format!(
            "{config} is a config (153B)\n  sha256-{APP}.sig (referrer of app) -> manifest \
             b9ef5b754c3f -> config 43451b8559c3\nsha256:{APP} is an index (706B)\n  app -> index \
             7bb1dbfc849b\n"
        )
    );
    let json = ocirm(&layout, &["why", "--format", "json", config]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["ways"][0]["belongs_to"], "app");
    assert_eq!(json["ways"][0]["steps"].as_array().unwrap().len(), 2);
}

#[test]
fn why_says_that_nothing_keeps_garbage_and_fails_for_what_is_not_there() {
    let (_folder, layout) = unpacked("umoci04-rm-leftover");
    let report = ocirm(
        &layout,
        &["prune", "-n", "-v", "--grace", "0s", "--format", "json"],
    );
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    let garbage = report["deleted"][0]["digest"].as_str().unwrap();
    let output = ocirm(&layout, &["why", garbage]);
    assert!(text(&output).contains("nothing leads to it; its file last changed"));
    let nowhere = format!("sha256:{}", "0".repeat(64));
    for unknown in [nowhere.as_str(), "ghost"] {
        let output = ocirm(&layout, &["why", unknown]);
        assert_eq!(
            (output.status.code(), text(&output).as_str()),
            (Some(1), "")
        );
    }
}

#[test]
fn a_sound_layout_and_a_sparse_one_are_sound() {
    for (name, missing) in [
        ("skopeo19-multi-all", 0),
        ("buildah128-manifest-push", 3),
        ("skopeo19-shared-blob-dir", 2),
        ("umoci06-init-empty", 0),
        ("regctl-sha512", 0),
    ] {
        let (_folder, layout) = unpacked(name);
        let output = ocirm(&layout, &["check", "--digests", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert_eq!(json["sound"], true, "{name}");
        assert_eq!(json["missing"].as_array().unwrap().len(), missing, "{name}");
    }
}

/// A layer of the same length is found only by reading it; everything else without.
#[test]
fn damage_is_found_and_named() {
    let layer = "5c5dbf24f5bd113d3b7abc833a93692eed13b1eaf18d4e0d0557552091806e75";
    let manifest = "b09675af198feaba82ab6e65f912b88102c0ad5b9770d34cf093fd0b28262087";
    let swap = |bytes: Vec<u8>| bytes.iter().map(|b| b ^ 1).collect::<Vec<u8>>();
    let cut = |bytes: Vec<u8>| bytes[1..].to_vec();
    for (digest, change, found_without_reading) in [
        (layer, &swap as &dyn Fn(Vec<u8>) -> Vec<u8>, false),
        (layer, &cut, true),
        (manifest, &swap, true),
        (manifest, &cut, true),
    ] {
        for all in [false, true] {
            let (_folder, layout) = unpacked("skopeo122-killed");
            let file = layout.join("blobs/sha256").join(digest);
            std::fs::write(&file, change(std::fs::read(&file).unwrap())).unwrap();
            let mut arguments = vec!["check"];
            arguments.extend(all.then_some("--digests"));
            let output = ocirm(&layout, &arguments);
            let found = all || found_without_reading;
            assert_eq!(output.status.code(), Some(if found { 12 } else { 0 }));
            assert_eq!(
                text(&output).contains(&format!("damaged: sha256:{digest}")),
                found
            );
        }
    }
}

#[test]
fn garbage_and_files_of_other_tools_are_counted() {
    let (_folder, layout) = unpacked("skopeo122-killed");
    let stray = "12".repeat(32);
    std::fs::write(layout.join("blobs/sha256").join(&stray), "x").unwrap();
    std::fs::write(layout.join("blobs/sha256/upload.tmp"), "x").unwrap();
    std::fs::write(layout.join("notes.txt"), "x").unwrap();
    let output = ocirm(&layout, &["check", "--digests", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json["orphans"], 1);
    assert_eq!(json["damaged_orphans"][0], format!("sha256:{stray}"));
    assert_eq!(json["temporary_files"].as_array().unwrap().len(), 2);
    assert_eq!(json["other_files"], serde_json::json!(["notes.txt"]));
}

#[test]
fn looking_changes_nothing() {
    let (_folder, layout) = unpacked("oras-push-attach");
    let listing = |dir: &Path| {
        let mut found = Vec::new();
        for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            found.push((
                entry.path().to_owned(),
                meta.len(),
                meta.modified().unwrap(),
            ));
        }
        found
    };
    let before = listing(&layout);
    for arguments in [
        vec!["check", "--digests"],
        vec!["why", "v1"],
        vec!["ls", "--tree", "-a"],
    ] {
        assert_eq!(ocirm(&layout, &arguments).status.code(), Some(0));
    }
    assert_eq!(listing(&layout), before);
}
