//! What the library shows to other programs is what `docs/public-api.txt` lists: nothing goes or changes unnoticed.
//!
//! The list is made from what rustdoc writes, which takes a while and a toolchain of the right version, so
//! `.ci/run api` makes it. `OCIRM_WRITE_GENERATED=1 .ci/run api` writes the list anew.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::skipped::skipped;

/// A2.
#[test]
fn the_library_shows_what_is_listed() {
    let Some(json) = std::env::var_os("OCIRM_RUSTDOC_JSON") else {
        skipped("the list of what the library shows is compared by `.ci/run api`");
        return;
    };
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .expect("what rustdoc of the toolchain in .ci/run writes");
    let mut shown = String::new();
    for item in api.items() {
        writeln!(shown, "{item}").expect("memory");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/public-api.txt");
    if std::env::var_os("OCIRM_WRITE_GENERATED").is_some() {
        std::fs::write(&path, &shown).expect("a page in docs");
    }
    let listed = std::fs::read_to_string(&path).expect("a page in docs");
    let only = |one: &str, other: &str| -> Vec<String> {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|known| known == *line));
        lines.map(str::to_owned).collect()
    };
    let (gone, new) = (only(&listed, &shown), only(&shown, &listed));
    assert!(
        listed == shown,
        "gone or changed: {gone:#?}\nnew: {new:#?}\nIf that is meant, run `OCIRM_WRITE_GENERATED=1 .ci/run api` and say \
         in CHANGELOG.md what changed: what is gone or changed needs a new version."
    );
}
