//! The source keeps the order of its stages: each uses those before it, never those after it.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where it cannot read the source"
)]

use std::path::{Path, PathBuf};

/// The stages, in the order of the pipeline; `src/lib.rs` explains them.
const STAGES: [&str; 9] = [
    "error", "layout", "image", "plan", "gc", "commit", "report", "cli", "commands",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The stage of a file, by the first part of its path below `src`.
fn stage_of(path: &Path) -> Option<usize> {
    let first = path.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    STAGES.iter().position(|stage| *stage == name)
}

/// The stages that a text names behind `crate::`, grouped imports included.
fn used(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| -> String {
            text.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        };
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut item = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            names.push(word(item.trim()));
                            item.clear();
                            continue;
                        }
                        _ => {}
                    }
                    item.push(c);
                }
                names.push(word(item.trim()));
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn a_stage_uses_only_earlier_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_owned();
        if path == Path::new("lib.rs") || path == Path::new("main.rs") {
            continue;
        }
        let Some(own) = stage_of(&path) else {
            wrong.push(format!(
                "{}: belongs to no stage; add it to STAGES",
                path.display()
            ));
            continue;
        };
        for name in used(&std::fs::read_to_string(&file).unwrap()) {
            match STAGES.iter().position(|stage| *stage == name) {
                Some(other) if other <= own => {}
                Some(_) => wrong.push(format!(
                    "{}: {} must not use {name}",
                    path.display(),
                    STAGES[own]
                )),
                None => wrong.push(format!("{}: `crate::{name}` is no stage", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_read_in_every_form() {
    assert_eq!(
        used(
            "use crate::{layout::{Digest, Layout}, plan};\nlet x = crate::gc::mark(); // crate::report"
        ),
        ["layout", "plan", "gc"]
    );
}

/// Each folder opens with a paragraph that says what lives there, and so does each file.
#[test]
fn every_source_file_says_what_it_is_about() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "{}", file.display());
    }
}
