//! README.md and docs/ say what the program does: their examples are run, and their links followed.
//!
//! A `console` block is a session in a shell. Each line that begins with `$ ` is run, in the order of
//! the page. The first one of each page is the same, and makes the directory that all others run in.
//! The lines below it, up to the next command, are what a terminal shows of it. Ages differ from
//! day to day and are not compared. Blocks of other kinds are for `recipes`.
//!
//! `OCIRM_WRITE_GENERATED=1 cargo test --test it examples` writes into the pages what the program prints.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::peers::{SKOPEO, UMOCI, is_installed};
use crate::support::witness::Witness;

/// Programs that examples look with, and that a machine may lack.
const OPTIONAL: [&str; 1] = ["jq"];

/// What the session of each page begins with, so that it finds nothing that another one left.
const BEGINS: &str = r#"cd "$(mktemp -d)" && ln -s "$OLDPWD/fixtures" ."#;

/// Where that is typed.
const WHERE: &str = "in the root of the checkout";

/// The words that ages are made of, apart from numbers.
const AGE_WORDS: &str = "less than about a an second seconds minute minutes hour hours day days \
                         week weeks month months year years";

/// The title of the column of ages.
const AGES: &str = "CREATED";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and the pages of docs/ and of its recipes, relative to the root.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut pages = vec![PathBuf::from("README.md")];
    for folder in ["docs", "docs/recipes"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            pages.push(Path::new(folder).join(entry.unwrap().file_name()));
        }
    }
    pages.retain(|page| page.extension().is_some_and(|e| e == "md"));
    pages.sort();
    pages
}

fn sh(bin: &Path, directory: &Path, command: &str) -> Command {
    let mut path = bin.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut sh = Command::new("sh");
    sh.args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(directory)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env_remove("OCIRM_LAYOUT")
        .stdin(Stdio::null());
    sh
}

/// Whether a command is one of another tool that a machine may lack. Without it all that follows would be different.
fn is_of_missing_tool(command: &str) -> bool {
    let peers = [("skopeo ", SKOPEO), ("umoci ", UMOCI)];
    let mut peers = peers.into_iter();
    peers.any(|(name, peer)| command.starts_with(name) && !peer.is_here())
}

/// The directory in which the session of a page goes on after its first command.
fn begun(temporary: &Path) -> PathBuf {
    let mut begins = sh(temporary, root(), &format!("{BEGINS} && pwd"));
    let output = begins.env("TMPDIR", temporary).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

/// What a terminal shows of a command; `None` where the machine lacks a program that it uses. JSON fits its schema, also
/// where another program reads it.
fn shown(witness: &Witness, directory: &Path, command: &str) -> Option<String> {
    let mut words = command.split([' ', '|']);
    if !words.all(|word| !OPTIONAL.contains(&word) || is_installed(word)) {
        return None;
    }
    let output = sh(&witness.bin(), directory, command).output().unwrap();
    let lines = witness.judge();
    let is_json = command.starts_with("ocirm ") && command.contains("--format json");
    assert!(!is_json || lines > 0, "{command} prints no object");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// How many bytes of the text, from its beginning, are an age: `4 hours ago`.
fn age(text: &str) -> Option<usize> {
    let end = text.find(" ago")?;
    let is_age_word = |word: &str| {
        let word = word.to_lowercase();
        word.parse::<u64>().is_ok() || AGE_WORDS.split_whitespace().any(|known| known == word)
    };
    text[..end].split(' ').all(is_age_word).then_some(end + 4)
}

/// The text without what differs from day to day: ages, the width of their column, trailing blanks.
fn comparable(text: &str) -> String {
    let mut kept = String::new();
    let mut table = Vec::new();
    for line in text.lines() {
        if line.contains(AGES) {
            without_ages(&table, &mut kept);
            table.clear();
        }
        table.push(line);
    }
    without_ages(&table, &mut kept);
    kept.truncate(kept.trim_end().len());
    kept
}

/// Adds lines of which the first one is the head of a table if any is.
fn without_ages(lines: &[&str], kept: &mut String) {
    let column = lines.first().and_then(|line| line.find(AGES));
    let in_column = |line: &str| age(line.get(column?..)?);
    let ages = lines.iter().filter_map(|line| in_column(line));
    let width = ages.chain([AGES.len()]).max().unwrap_or_default();
    for (number, line) in lines.iter().enumerate() {
        let is_row = number == 0 || in_column(line).is_some();
        let without_age = match column.filter(|_| is_row) {
            Some(column) => {
                let rest = line.get(column + width..).unwrap_or_default();
                [&line[..column], rest].concat()
            }
            None => {
                let begins_at =
                    |at: &usize| line.get(*at..).is_some_and(|rest| age(rest).is_some());
                match (0..line.len()).find(begins_at) {
                    Some(at) => [&line[..at], &line[at + age(&line[at..]).unwrap()..]].concat(),
                    None => (*line).to_owned(),
                }
            }
        };
        let _ = writeln!(kept, "{}", without_age.trim_end());
    }
}

/// Runs the examples of a page. Returns the page with what the program really prints, and what
/// differs from it.
fn run(page: &Path) -> (String, String) {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut directory = None;
    let witness = Witness::new();
    let (mut true_page, mut differences) = (String::new(), String::new());
    let (mut in_console, mut is_skipped) = (false, false);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(true_page, "{line}");
        if line.starts_with("```") {
            in_console = line == "```console";
            continue;
        }
        let Some(command) = line.strip_prefix("$ ").filter(|_| in_console) else {
            assert!(
                !in_console,
                "{}: of which command is this? {line}",
                page.display()
            );
            continue;
        };
        assert!(
            // `//` is an operator of jq.
            !command.replace(" // ", " ").contains(" /"),
            "{}: leaves its directory: {command}",
            page.display()
        );
        let Some(directory) = &directory else {
            assert_eq!(command, BEGINS, "{}", page.display());
            let words = true_page.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(WHERE), "{}: where?", page.display());
            directory = Some(begun(temporary.path()));
            continue;
        };
        let mut expected = String::new();
        while let Some(line) = lines.next_if(|l| !l.starts_with("$ ") && !l.starts_with("```")) {
            let _ = writeln!(expected, "{line}");
        }
        is_skipped = is_skipped || is_of_missing_tool(command);
        let shown = match is_skipped {
            true => None,
            false => shown(&witness, directory, command),
        };
        match shown {
            Some(shown) if comparable(&shown) != comparable(&expected) => {
                true_page.push_str(&shown);
                let page = page.display();
                let _ = writeln!(
                    differences,
                    "{page}\n$ {command}\n{shown}instead of\n{expected}"
                );
            }
            _ => true_page.push_str(&expected),
        }
    }
    (true_page, differences)
}

#[test]
fn every_example_prints_what_its_page_says() {
    let mut wrong = String::new();
    for page in pages() {
        let (true_page, differences) = run(&page);
        if std::env::var_os("OCIRM_WRITE_GENERATED").is_none() {
            wrong.push_str(&differences);
        } else if !differences.is_empty() {
            std::fs::write(root().join(&page), true_page).unwrap();
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong}\nOCIRM_WRITE_GENERATED=1 writes into the pages what the program prints"
    );
}

/// README.md shows some of what the tour prints, with dots where it leaves something out.
#[test]
fn the_tour_prints_what_the_first_page_shows_of_it() {
    let directory = tempfile::tempdir().unwrap();
    // The tour asks cargo for the program; here it gets the one that is tested.
    let program = env!("CARGO_BIN_EXE_ocirm");
    let cargo = format!("#!/bin/sh\necho '{{\"executable\":\"{program}\"}}'\n");
    std::fs::write(directory.path().join("cargo"), cargo).unwrap();
    let tour = root().join("fixtures/tour.sh");
    let command = format!("chmod +x cargo\nPATH=$PWD:$PATH sh '{}'", tour.display());
    let output = sh(directory.path(), directory.path(), &command).output();
    let output = output.unwrap();
    let output = comparable(&String::from_utf8(output.stdout).unwrap());
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, block) = page.split_once("```text\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    for part in block.split("\n...\n") {
        let part = comparable(part);
        assert!(
            output.contains(part.trim()),
            "{part}\n\nis not in\n{output}"
        );
    }
}

#[test]
fn ages_are_not_compared_and_all_else_is() {
    let table = |ages: [&str; 2], size: &str| {
        let width = ages[0].len().max(ages[1].len());
        let rows = [
            ("IMAGE", "CREATED", "SIZE"),
            ("a", ages[0], size),
            ("b", ages[1], "100kB"),
        ];
        rows.map(|(name, age, size)| format!("{name:<8}{age:<width$}   {size:>5}\n"))
            .concat()
    };
    let today = table(["4 hours ago", "2 days ago"], "2kB");
    let later = table(["2 weeks ago", "About a minute ago"], "2kB");
    assert_eq!(comparable(&today), comparable(&later));
    assert_ne!(comparable(&today), comparable(&later.replace("2kB", "3kB")));
    assert_ne!(
        comparable(&today),
        comparable(&later.replace("2kB", "  2kB"))
    );
    let sentence = |age: &str| comparable(&format!("x last changed {age}; y"));
    assert_eq!(sentence("3 weeks ago"), sentence("less than a second ago"));
    assert_ne!(sentence("long ago"), sentence("3 weeks ago"));
}

/// The anchors of a page, as forges make them of its headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| -> String {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut pages = pages();
    for more in ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"] {
        pages.push(more.into());
    }
    for folder in ["benches", "contrib", "fixtures", "fuzz"] {
        pages.push(Path::new(folder).join("README.md"));
    }
    let mut dead = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root().join(&page),
                file => root().join(&page).parent().unwrap().join(file),
            };
            let found = match anchor {
                "" => target.exists(),
                anchor => std::fs::read_to_string(target)
                    .is_ok_and(|text| anchors(&text).iter().any(|known| known == anchor)),
            };
            if !found {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// Who opens docs/ or docs/recipes on a forge sees its README.md, and finds every page from there.
#[test]
fn every_page_is_on_the_index_of_its_folder() {
    let mut lost = pages();
    lost.retain(|page| {
        let folder = root().join(page.parent().unwrap());
        let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
        let name = page.file_name().unwrap().to_str().unwrap();
        name != "README.md" && !index.contains(&format!("]({name}"))
    });
    assert!(lost.is_empty(), "{lost:?}");
}

/// SECURITY.md names the tests that show each promise: `file: name`, and more names of that file.
#[test]
fn every_test_that_a_promise_names_exists() {
    let text = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (mut named, mut unknown) = (0, Vec::new());
    for line in text.lines().filter(|line| line.starts_with("* `")) {
        // What stands in parentheses is a remark.
        let list = line.split(" (").next().unwrap_or_default();
        let mut quoted = list.split('`').skip(1).step_by(2);
        let Some((file, first)) = quoted.next().and_then(|first| first.split_once(": ")) else {
            unknown.push(line.to_owned());
            continue;
        };
        let folder = if file.contains('/') {
            "src"
        } else {
            "tests/it"
        };
        let code = std::fs::read_to_string(root().join(folder).join(file)).unwrap_or_default();
        for name in [first].into_iter().chain(quoted) {
            named += 1;
            let place = code.find(&format!("fn {name}("));
            if !place.is_some_and(|at| code[..at].trim_end().ends_with("#[test]")) {
                unknown.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(named > 50, "{named} tests are named");
}

/// A case says which rules it is about; docs/rules.md says what they are.
#[test]
fn the_rules_that_cases_are_about_are_on_the_page_of_rules() {
    let cases = std::fs::read_to_string(root().join("fixtures/cases/delete_cases.json")).unwrap();
    let rules = std::fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let lists = cases.split("\"rule\": \"").skip(1);
    let lists = lists.filter_map(|rest| rest.split('"').next());
    let numbers = lists.flat_map(|list| list.split(','));
    // The member is explained in the file as well, in words.
    let mut unknown: Vec<&str> = numbers
        .filter(|number| !number.contains(' ') && !rules.contains(&format!("**{number}**")))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    assert!(unknown.is_empty(), "{unknown:?}");
}
