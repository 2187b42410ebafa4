//! The source keeps the order of its stages: each uses those before it, never those after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The stages, in the order of the pipeline; `src/lib.rs` explains them.
const STAGES: [&str; 26] = [
    "error",
    "words",
    "value",
    "json",
    "workers",
    "counter",
    "files",
    "layout",
    "oci",
    "snapshot",
    "inspect",
    "containers",
    "filter",
    "retention",
    "plan",
    "gc",
    "commit",
    "report",
    "layout_argument",
    "candidates",
    "help",
    "cli",
    "completion",
    "manual",
    "library",
    "commands",
];

pub(super) fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
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

/// What a text names behind `crate::` or another beginning of a path, grouped imports included.
fn used(text: &str, beginning: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(beginning) {
        let rest = &code[at + beginning.len()..];
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
        for name in used(&std::fs::read_to_string(&file).unwrap(), "crate::") {
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
            "use crate::{layout::{Digest, Layout}, plan};\nlet x = crate::gc::mark(); // crate::report",
            "crate::",
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

/// The files of a folder that a file of it names, apart from the folder's front door.
fn used_beside(folder: &Path, file: &Path, names: &BTreeSet<String>) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    // What tests borrow from each other is no arrow of the program.
    let code = text.split("#[cfg(test)]").next().unwrap();
    let own = format!("crate::{}::", folder.file_name().unwrap().to_str().unwrap());
    let mut used = used(code, "super::");
    used.extend(self::used(code, &own));
    let from = exports(folder, names);
    let file = |name: String| from.get(&name).cloned().unwrap_or(name);
    let used: BTreeSet<String> = used.into_iter().map(file).collect();
    used.intersection(names).cloned().collect()
}

/// The names that a folder's front door passes on, and the files that they come from: who goes
/// through the door uses the file all the same.
fn exports(folder: &Path, names: &BTreeSet<String>) -> BTreeMap<String, String> {
    let door = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    let of_file = |file: &String| {
        let exported = used(&door, &format!("use {file}::"));
        let file = file.clone();
        exported.into_iter().map(move |name| (name, file.clone()))
    };
    names.iter().flat_map(of_file).collect()
}

/// For each file of a folder, apart from the front door, those that it uses.
fn arrows(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(folder, &mut files);
    let name = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.retain(|file| name(file) != "mod");
    let names: BTreeSet<String> = files.iter().map(name).collect();
    let used = |file: &PathBuf| (name(file), used_beside(folder, file, &names));
    files.iter().map(used).collect()
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = std::fs::read_dir(root).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

/// The files of two folders in the order in which they build on each other.
const FLOORS: [(&str, &[&str]); 2] = [
    (
        "oci",
        &[
            "descriptor",
            "manifest",
            "index",
            "config",
            "docker_archive",
            "trash_record",
        ],
    ),
    (
        "snapshot",
        &[
            "digests",
            "graph",
            "walk",
            "embedded",
            "removed_parts",
            "reachability",
            "names",
            "records",
            "claims",
            "view",
            "holders",
            "damage",
            "orphans",
            "unlisted",
            "platform_manifests",
            "load",
            "trashed",
        ],
    ),
];

#[test]
fn a_file_of_oci_and_snapshot_uses_only_earlier_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (folder, order) in FLOORS {
        let arrows = arrows(&root.join(folder));
        let known: BTreeSet<String> = order.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(arrows.keys().cloned().collect::<BTreeSet<_>>(), known);
        let floor = |name: &str| order.iter().position(|known| *known == name).unwrap();
        for (name, used) in arrows {
            for other in used {
                assert!(
                    floor(&other) < floor(&name),
                    "{folder}/{name} must not use {other}"
                );
            }
        }
    }
}

#[test]
fn files_of_a_folder_use_each_other_in_no_circle() {
    for folder in folders() {
        let mut arrows = arrows(&folder);
        // Whoever uses nobody that is left goes; a circle stays.
        loop {
            let before = arrows.len();
            let left: BTreeSet<String> = arrows.keys().cloned().collect();
            arrows.retain(|name, used| {
                used.iter()
                    .any(|other| other != name && left.contains(other))
            });
            if arrows.len() == before {
                break;
            }
        }
        assert!(arrows.is_empty(), "{}: {arrows:?}", folder.display());
    }
}

/// A folder that holds more than that much of the program hides floors of its own.
const MOST_PERCENT: usize = 15;

#[test]
fn no_folder_holds_most_of_the_program() {
    let lines = |folder: &Path| -> usize {
        let mut files = Vec::new();
        sources(folder, &mut files);
        let texts = files
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap());
        texts.map(|text| text.lines().count()).sum()
    };
    let all = lines(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for folder in folders() {
        let own = lines(&folder);
        assert!(
            own * 100 <= all * MOST_PERCENT,
            "{}: {own} of {all} lines",
            folder.display()
        );
    }
}
