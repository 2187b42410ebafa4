//! Runs every deletion case of `fixtures/cases/delete_cases.json` against the built program.
//!
//! `OCIRM_CASES=GLOB` restricts a run to the cases whose id, or one of whose rules, matches: `OCIRM_CASES='prune-*'`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::case_layout::{CaseLayout, Images};
use crate::support::command::{Finished, dry, in_layout, run};
use crate::support::contents::{blob_path, digest_of};
use crate::support::deletion_case::{Case, read_cases};
use crate::support::each::{each, retain_selected};
use crate::support::judge::Judge;
use crate::support::terminal::run_on_terminal;
use crate::support::tree::Tree;

#[test]
fn every_case_ends_as_docker_would_have_it() {
    let mut cases = read_cases();
    cases.retain(|case| cfg!(target_os = "linux") || !case.needs.iter().any(|n| n == "linux-host"));
    retain_selected(&mut cases, |case| (&case.id, &case.rule));

    let failures = each(&cases, failure_of);
    assert!(
        failures.is_empty(),
        "\n{}\n{} of {} cases failed",
        failures.join("\n"),
        failures.len(),
        cases.len()
    );
}

/// Everything that can be said about a case that failed, or nothing.
fn failure_of(case: &Case) -> Option<String> {
    let (problems, report) =
        catch_unwind(AssertUnwindSafe(|| try_case(case))).unwrap_or_else(|_| {
            (
                vec!["the test itself failed; see above".to_owned()],
                String::new(),
            )
        });
    if problems.is_empty() {
        return None;
    }
    let mut text = format!(
        "FAIL {}  {}  (rule {})\n",
        case.id, case.description, case.rule
    );
    for problem in problems {
        text += &format!("  - {problem}\n");
    }
    text += &format!("  why: {}\n", case.reason);
    if let Some(differs) = &case.moby_differs {
        text += &format!("  moby: {differs}\n");
    }
    for line in report.lines() {
        text += &format!("    {line}\n");
    }
    Some(text)
}

/// The problems of a case, and what was run and printed.
fn try_case(case: &Case) -> (Vec<String>, String) {
    let mut judge = fresh(case);
    let mut shared = Vec::new();

    let dry_run = run(
        &dry(&arguments(case, &mut judge)),
        &judge.layout.place.home(),
    );
    let touched = traces(&judge);
    if !touched.is_empty() {
        shared.extend(
            touched
                .iter()
                .map(|t| format!("the dry run changed something: {t}")),
        );
        judge = fresh(case);
    }

    let args = arguments(case, &mut judge);
    let real = match &case.stdin {
        Some(answer) => run_on_terminal(&args, &judge.layout.place.home(), answer),
        None => run(&args, &judge.layout.place.home()),
    };
    let after = Tree::of(&judge.layout.dir);
    let outside = judge.layout.place.beside("layout");

    let mut again = None;
    if case.verb() == "prune" && real.code() == Some(0) && real.asked.is_none() {
        let second = run(&dry(&args), &judge.layout.place.home());
        let said = second.said(true);
        if !said.is_nothing() {
            shared.push(format!("a second prune would find more: {said:?}"));
        }
        again = Some(second);
    }

    let mut best: Option<Vec<String>> = None;
    for outcome in case.outcomes() {
        let mut problems: Vec<String> = judge
            .dry_run(&dry_run, &outcome.dry)
            .iter()
            .map(|problem| format!("dry run: {problem}"))
            .collect();
        problems.extend(judge.real_run(&real, &outcome.real));
        problems.extend(judge.disk(&real, &outcome.real, &after, &outside));
        // Of several outcomes the first is the usual one, and the one to compare with.
        if problems.is_empty() {
            best = Some(problems);
            break;
        }
        best.get_or_insert(problems);
    }
    let problems: Vec<String> = shared
        .into_iter()
        .chain(best.unwrap_or_default())
        .map(|problem| judge.images.symbols(&problem))
        .collect();
    let report = if problems.is_empty() {
        String::new()
    } else {
        report(&judge, &dry_run, &real, again.as_ref())
    };
    (problems, report)
}

fn fresh(case: &Case) -> Judge<'_> {
    let mut images = Images::of(case);
    let layout = CaseLayout::write(case, &mut images);
    Judge::new(case, images, layout)
}

/// What became of the directory since it was made, down to the times of folders.
fn traces(judge: &Judge<'_>) -> Vec<String> {
    let inside = judge.before.traces(&Tree::of(&judge.layout.dir));
    let outside = judge.outside.traces(&judge.layout.place.beside("layout"));
    inside
        .iter()
        .map(ToString::to_string)
        .chain(
            outside
                .iter()
                .map(|change| format!("outside the layout: {change}")),
        )
        .collect()
}

fn arguments(case: &Case, judge: &mut Judge<'_>) -> Vec<String> {
    let verb = case.verb();
    let mut args = in_layout(&judge.layout.dir, &[verb]);
    // `untag` has no such option: it takes names away and nothing else.
    if !case.containers.is_empty() && verb != "untag" {
        args.push("--containers".to_owned());
        args.push(judge.layout.containers.to_string_lossy().into_owned());
    }
    if let Some(grace) = &case.grace
        && verb == "prune"
        && !case.args.iter().any(|arg| arg == "--grace")
    {
        args.extend(["--grace".to_owned(), grace.clone()]);
    }
    args.extend(case.args[1..].iter().map(|arg| judge.images.expand(arg)));
    args
}

fn report(judge: &Judge<'_>, dry: &Finished, real: &Finished, again: Option<&Finished>) -> String {
    let mut text = format!("dry run: {dry}run: {real}");
    if let Some(again) = again {
        text += &format!("dry run after it: {again}");
    }
    for (symbol, digest) in judge.images.digests() {
        text += &format!("{symbol} = {digest}\n");
    }
    let after = match std::fs::read(judge.layout.dir.join("index.json")) {
        Ok(data) => String::from_utf8_lossy(&data).into_owned(),
        Err(e) => e.to_string(),
    };
    let before = String::from_utf8_lossy(&judge.index.data);
    text + &format!(
        "index.json before: {}\nindex.json after:  {}\n",
        before.trim_end(),
        after.trim_end()
    )
}

/// The cases are worth nothing on layouts that are broken to begin with.
#[test]
fn the_layouts_of_the_cases_are_sound() {
    for case in read_cases() {
        let judge = fresh(&case);
        assert_eq!(judge.index.rows.len(), case.images.len(), "{}", case.id);
        for digest in &judge.layout.present {
            let path = blob_path(&judge.layout.dir, digest);
            let data = std::fs::read(&path).expect("a blob that was just written");
            assert_eq!(digest_of(&data), *digest, "{}", case.id);
        }
        for row in &judge.index.rows {
            let size = judge.stock.0.get(&row.digest).map(Vec::len);
            assert_eq!(
                row.value["size"].as_u64(),
                size.map(|n| n as u64),
                "{}",
                case.id
            );
        }
        for outcome in case.outcomes() {
            assert!(!outcome.real.exit.allowed().is_empty(), "{}", case.id);
        }
        if let Some(same) = &case.same_prefix {
            let digits: Vec<&str> = judge
                .images
                .digests()
                .filter(|(symbol, _)| same.targets.iter().any(|target| target == symbol))
                .map(|(_, digest)| &digest[7..7 + same.hex_digits])
                .collect();
            assert!(
                digits.windows(2).all(|pair| pair[0] == pair[1]),
                "{}",
                case.id
            );
        }
        let containers: serde_json::Value = serde_json::from_slice(
            &std::fs::read(&judge.layout.containers).expect("a list that was just written"),
        )
        .expect("JSON");
        assert_eq!(
            containers.as_array().map(Vec::len),
            Some(case.containers.len())
        );
    }
}
