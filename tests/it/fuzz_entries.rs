//! Everything that comes from outside is tried with a small corpus and with mutations of it; what
//! must hold is said in `fuzz/src`, and `fuzz/README.md` tells more.
//!
//! A run is the same every time. `OCIRM_SEED=N` makes it another one, `OCIRM_FUZZ_SECONDS=N` lets
//! it go on for so long for each kind of input.

#[path = "../../fuzz/src/lib.rs"]
pub mod laws;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::contents::index;
use crate::support::mutator::{Random, mutated};
use crate::support::place::Place;

/// Mutations of a run that nobody asked to take longer: a second or two without optimisation.
const MUTATIONS: u64 = 3_000;

/// Inputs that are mutated in turn: the corpus, and mutations of it that were understood.
const MAX_POOL: usize = 400;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

/// The corpus of a target by name of the file.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder().join("corpus").join(target)).unwrap();
    let read = files.map(|file| {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    });
    read.collect()
}

/// The words of a dictionary of libFuzzer: one a line, in quotes, with `\\`, `\"` and `\xNN`.
fn dictionary(target: &str) -> Vec<Vec<u8>> {
    let path = folder().join("dictionaries").join(format!("{target}.dict"));
    let text = std::fs::read_to_string(path).unwrap();
    let words = text.lines().map(|line| {
        let word = line.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        let mut bytes = Vec::new();
        let mut rest = word.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'\\' => match rest.next().unwrap() {
                    b'x' => {
                        let digits = [rest.next().unwrap(), rest.next().unwrap()];
                        let digits = std::str::from_utf8(&digits).unwrap();
                        u8::from_str_radix(digits, 16).unwrap()
                    }
                    escaped => escaped,
                },
                plain => plain,
            });
        }
        bytes
    });
    words.collect()
}

/// Tries one input, and says which it was when a law is broken.
fn holds(laws: fn(&[u8]) -> bool, input: &[u8], origin: &str) -> bool {
    match catch_unwind(AssertUnwindSafe(|| laws(input))) {
        Ok(understood) => understood,
        Err(panic) => {
            // The harness shows it, since the test fails.
            println!("{origin}: b\"{}\"", input.escape_ascii());
            resume_unwind(panic)
        }
    }
}

fn try_target(name: &str) {
    let (_, laws) = *laws::TARGETS.iter().find(|(n, _)| *n == name).unwrap();
    let files = corpus(name);
    assert!(!files.is_empty());
    for (file, input) in &files {
        holds(laws, input, &format!("fuzz/corpus/{name}/{file}"));
    }

    let dictionary = dictionary(name);
    let seed = number("OCIRM_SEED").unwrap_or(1);
    let time = number("OCIRM_FUZZ_SECONDS").map(Duration::from_secs);
    let start = Instant::now();
    let mut random = Random::new(seed);
    let mut pool: Vec<Vec<u8>> = files.into_values().collect();
    let kept = pool.len();
    let mut tried = 0_u64;
    let mut understood = 0_u64;
    while match time {
        Some(time) => start.elapsed() < time,
        None => tried < MUTATIONS,
    } {
        let (base, other) = (random.below(pool.len()), random.below(pool.len()));
        let input = mutated(&mut random, &pool[base], &pool[other], &dictionary);
        tried += 1;
        if !holds(
            laws,
            &input,
            &format!("OCIRM_SEED={seed}, mutation {tried} of {name}"),
        ) {
            continue;
        }
        understood += 1;
        if pool.len() < MAX_POOL {
            pool.push(input);
        } else {
            let place = kept + random.below(pool.len() - kept);
            pool[place] = input;
        }
    }
    println!("{name}: {tried} mutations, {understood} of them understood, seed {seed}");
    // Laws about inputs that are understood say nothing if none is.
    assert!(time.is_some() || understood > tried / 50);
}

#[test]
fn every_kind_of_input_has_a_corpus_a_dictionary_and_a_test() {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file!()));
    let source = source.unwrap();
    let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for (name, _) in laws::TARGETS {
        assert!(!dictionary(name).is_empty());
        assert!(corpus(name).len() < 40, "{name}");
        assert!(
            source.contains(&format!("try_target(\"{name}\")")),
            "{name}"
        );
        assert!(
            manifest.contains(&format!("fuzz_targets/{name}.rs")),
            "{name}"
        );
    }
}

#[test]
fn lists_of_containers_are_understood_whole_or_not_at_all() {
    try_target("containers");
}

#[test]
fn filters_mean_the_same_alone_and_together() {
    try_target("filter");
}

#[test]
fn an_index_keeps_what_is_not_edited_and_gets_back_what_was() {
    try_target("index");
}

#[test]
fn a_manifest_hides_no_reference() {
    try_target("manifest");
}

#[test]
fn a_platform_reads_back_as_it_is_shown() {
    try_target("platform");
}

/// V16.
#[test]
fn a_policy_is_understood_whole_or_refused_with_its_place() {
    try_target("policy");
}

#[test]
fn a_reference_reads_back_as_it_is_shown() {
    try_target("reference");
}

#[test]
fn a_record_of_a_removal_reads_back_as_it_was_written() {
    try_target("removal");
}

#[test]
fn a_template_prints_what_it_mentions() {
    try_target("template");
}

/// A layout in which five names lead to one image, each in an entry of its own.
const FIVE_NAMES: &str = "umoci04-tags";

#[test]
fn what_went_in_two_runs_comes_back_in_one_where_it_stood() {
    let place = Place::new();
    let layout = place.fixture(FIVE_NAMES, "layout");
    let before = index(&layout).data;
    place.succeeds(&layout, &["rmi", "--trash", "base"]);
    place.succeeds(&layout, &["rmi", "--trash", "v1"]);
    place.succeeds(&layout, &["restore"]);
    assert_eq!(index(&layout).data, before);
}

#[test]
fn a_record_that_somebody_edited_does_not_break_the_index() {
    let place = Place::new();
    let layout = place.fixture(FIVE_NAMES, "layout");
    let names = ["base", "v1", "v1.0", "latest", "stable"];
    place.succeeds(&layout, &[&["rmi", "--trash"], &names[..]].concat());
    for removal in std::fs::read_dir(layout.join(".ocirm-trash")).unwrap() {
        let record = removal.unwrap().path().join("removal.json");
        if let Ok(text) = std::fs::read_to_string(&record) {
            let edited = text.replace(r#""before": "[""#, r#""before": "[ x""#);
            assert_ne!(edited, text);
            std::fs::write(record, edited).unwrap();
        }
    }
    // Restored without its blanks or refused, but never an index.json that is none.
    place.run_in(&layout, &["restore"]);
    let bytes = std::fs::read(layout.join("index.json")).unwrap();
    assert!(ocirm::oci::index::Index::parse(bytes).is_ok());
}
