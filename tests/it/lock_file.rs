//! BuildKit's lock on index.json: who made the file takes it away.

use std::path::Path;
use std::process::Command;

const IMAGE: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn untag(layout: &Path, timeout: &str) -> Option<i32> {
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    std::fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    let text = format!(
        r#"{{"manifests":[{{"digest":"{IMAGE}","annotations":{{"org.opencontainers.image.ref.name":"v1"}}}}]}}"#
    );
    std::fs::write(layout.join("index.json"), text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_ocirm"))
        .args(["--lock-timeout", timeout, "--layout"])
        .arg(layout)
        .args(["untag", "v1"])
        .output()
        .unwrap()
        .status
        .code()
}

#[test]
fn the_lock_file_is_gone_afterwards_unless_somebody_else_made_it() {
    for (before, stays) in [
        (None, false),
        // One of us was killed while it held the lock.
        (Some("ocirm\n"), false),
        (Some(""), true),
        (Some("somebody else's"), true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.json.lock");
        if let Some(text) = before {
            std::fs::write(&file, text).unwrap();
        }
        assert_eq!(untag(folder.path(), "5s"), Some(0));
        assert_eq!(file.exists(), stays, "{before:?}");
    }
}

#[test]
fn a_held_lock_is_waited_for_and_then_reported() {
    let folder = tempfile::tempdir().unwrap();
    let held = std::fs::File::create(folder.path().join("index.json.lock")).unwrap();
    fs2::FileExt::lock_exclusive(&held).unwrap();
    assert_eq!(untag(folder.path(), "200ms"), Some(11));
    let index = std::fs::read_to_string(folder.path().join("index.json")).unwrap();
    assert!(index.contains("\"v1\""));
    drop(held);
    assert_eq!(untag(folder.path(), "200ms"), Some(0));
}
