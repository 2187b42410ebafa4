//! BuildKit's lock on index.json: who made the file takes it away.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::contents::names;
use crate::support::layout::Layout;
use crate::support::place::{Place, assert_status};

/// A layout whose one row leads nowhere, and the place of the lock.
fn ground() -> (Place, Layout, PathBuf) {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = json!({"digest": format!("sha256:{}", "a".repeat(64))});
    layout.tagged(&image, "v1").finish();
    let lock = layout.dir.join("index.json.lock");
    (place, layout, lock)
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
        let (place, layout, file) = ground();
        if let Some(text) = before {
            fs::write(&file, text).unwrap();
        }
        place.succeeds(&layout.dir, &["--lock-timeout", "5s", "untag", "v1"]);
        assert_eq!(file.exists(), stays, "{before:?}");
    }
}

#[test]
fn a_held_lock_is_waited_for_and_then_reported() {
    let (place, layout, file) = ground();
    let held = fs::File::create(file).unwrap();
    fs2::FileExt::lock_exclusive(&held).unwrap();
    let untag = ["--lock-timeout", "200ms", "untag", "v1"];
    assert_status(&place.run_in(&layout.dir, &untag), 11);
    assert_eq!(names(&layout.dir), ["v1"]);
    drop(held);
    place.succeeds(&layout.dir, &untag);
}
