//! Runs the cases of `fixtures/field` against the built program: layouts as people have them, commands as people type
//! them. Each command runs dry first, which changes nothing and says the same; whatever a case does not take out stays.
//!
//! `OCIRM_CASES=GLOB` restricts a run to the cases whose id or rule matches: `OCIRM_CASES='FR7'`, and says why those
//! fail that are known to.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::each::{each, retain_selected};
use crate::support::field::case::{Case, read_cases};
use crate::support::field::run::{Ending, run};
use crate::support::skipped::skipped;

/// The files in `fixtures/field`.
const FILES: [&str; 7] = [
    "cases.json",
    "platforms.json",
    "selection.json",
    "referrers.json",
    "age.json",
    "use_and_damage.json",
    "retention.json",
];

/// Cases whose rule is not built yet. One that passes has to leave the list.
const PENDING: &[&str] = &[];

fn try_all(file: &str) {
    let mut cases = read_cases(file);
    let chosen = std::env::var_os("OCIRM_CASES").is_some();
    retain_selected(&mut cases, |case| (&case.id, &case.rule));
    if cases.is_empty() {
        skipped(format!("no case of {file} is asked for"));
        return;
    }
    let failures = each(&cases, |case| {
        let ending = catch_unwind(AssertUnwindSafe(|| run(case)));
        let failed = match ending {
            Ok(Ending::Passed) => None,
            Ok(Ending::Skipped(reason)) => {
                skipped(format!("{}: {reason}", case.id));
                return None;
            }
            Ok(Ending::Failed { problem, log }) => Some((problem, log)),
            Err(_) => Some((
                "the test itself failed; see above".to_owned(),
                String::new(),
            )),
        };
        judged(case, failed, chosen)
    });
    let (failed, all) = (failures.len(), cases.len());
    assert!(
        failures.is_empty(),
        "\n{}\n{failed} of {all} cases failed",
        failures.join("\n")
    );
}

/// What is said of a case that did not end as it should.
fn judged(case: &Case, failed: Option<(String, String)>, chosen: bool) -> Option<String> {
    let pending = PENDING.contains(&case.id.as_str());
    match failed {
        None if pending => Some(format!("{} passes and is still in PENDING", case.id)),
        Some((problem, log)) if !pending || chosen => {
            let head = format!("FAIL {}  {}: {problem}", case.id, case.rule);
            Some(format!("{head}\n  why: {}\n{log}", case.why))
        }
        _ => None,
    }
}

#[test]
fn a_layout_of_the_field_is_left_as_its_case_says() {
    try_all("cases.json");
}

#[test]
fn platforms_are_compared_as_their_cases_say() {
    try_all("platforms.json");
}

#[test]
fn parts_of_an_image_are_selected_as_their_cases_say() {
    try_all("selection.json");
}

#[test]
fn referrers_stay_and_go_as_their_cases_say() {
    try_all("referrers.json");
}

#[test]
fn the_newer_image_is_the_one_that_its_case_says() {
    try_all("age.json");
}

#[test]
fn what_is_in_use_or_damaged_ends_as_its_case_says() {
    try_all("use_and_damage.json");
}

#[test]
fn what_is_counted_stays_as_its_case_says() {
    try_all("retention.json");
}

#[test]
fn what_is_pending_is_a_case() {
    let mut ids = Vec::new();
    for file in FILES {
        ids.extend(read_cases(file).into_iter().map(|case| case.id));
    }
    for id in PENDING {
        assert!(
            ids.iter().any(|known| known == id),
            "no case is called {id}"
        );
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "two cases have one id");
}

/// A case that passes, with one thing said wrongly each time: all of these have to fail, or passing means nothing.
#[test]
fn what_a_case_says_wrongly_is_found() {
    let right = r#"{"id": "x", "rule": "", "why": "",
      "layout": {"blobs": {"a": "linux/amd64", "b": "linux/arm64", "c": {"image": "linux/amd64", "created": null},
        "ix": {"index": ["a", "b"]}}, "rows": ["app:1=ix", "app:2=c", "app:3=ix"], "garbage": {"g": "x"}},
      "steps": [
       {"argv": ["rmi", "app:2"], "deleted": ["c"], "untagged": ["app:2"], "after": {"gone": ["c+"], "rows": ["app:1=ix", "app:3=ix"]}},
       {"argv": ["untag", "app:1"], "count": 2, "after": {"rows": ["app:3=ix"]}},
       {"argv": ["rmi", "app:9"], "exit": [1, 3], "stderr_has": ["(?i)no such image"], "after": "same"},
       {"argv": ["ls", "--format", "json"], "json": [{"names": ["app:3"]}, {"row": "app:3", "get": "digest", "is": "{digest:ix}"}]},
       {"argv": ["rmi", "app:3", "--platform", "linux/arm64", "--rewrite-index"], "after": {"gone": ["b+", "ix"], "rows": ["app:3=*"], "new_index": {"of": "ix", "lists": ["a"]}}}]}"#;
    let ending = |text: &str| run(&serde_json::from_str(text).expect("a case"));
    if let Ending::Failed { problem, log } = ending(right) {
        panic!("{problem}\n{log}");
    }
    let wrong = [
        (r#""gone": ["c+"], "#, "", "lost: c"),
        (r#"["c+"]"#, r#"["c+", "g"]"#, "still there: g"),
        (
            r#""deleted": ["c"]"#,
            r#""deleted": ["a"]"#,
            "no line `Deleted: a`",
        ),
        (
            r#""untagged": ["app:2"]"#,
            r#""untagged": ["app:1"]"#,
            "no line `Untagged: app:1`",
        ),
        (
            r#"["app:1=ix", "app:3=ix"]}}"#,
            r#"["app:3=ix", "app:1=ix"]}}"#,
            "the entries",
        ),
        (
            r#"{"rows": ["app:3=ix"]}"#,
            r#""same""#,
            "something changed: index.json",
        ),
        (r#""count": 2"#, r#""count": 1"#, "2 lines"),
        ("[1, 3]", "[0, 3]", "exit status 1"),
        (
            "(?i)no such image",
            "No such IMAGE",
            "standard error has nothing like",
        ),
        (r#""names": ["app:3"]"#, r#""names": []"#, "listed are"),
        ("{digest:ix}", "{digest:a}", "not \"<a>\""),
        (r#"["a"]}}}"#, r#"["a", "b"]}}}"#, "the new index lists"),
    ];
    for (words, other, problem) in wrong {
        assert!(right.contains(words), "{words}");
        match ending(&right.replace(words, other)) {
            Ending::Failed { problem: found, .. } => assert!(found.contains(problem), "{found}"),
            _ => panic!("passes with {other} for {words}"),
        }
    }
}
