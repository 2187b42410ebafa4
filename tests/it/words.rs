//! Whatever a user reads says one thing with one word: that of docs/glossary.md.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::structure::sources;

/// Words that have another one in the glossary.
const OLD_WORDS: [&str; 18] = [
    "garbage",
    "need it",
    "need them",
    "needed blob",
    "needed by",
    "needs it",
    "needs them",
    "needs.",
    "nothing else needs",
    "nothing leads to it",
    "nothing needs",
    "orphan blob",
    "are spared",
    "not spared",
    "spares",
    "still spare",
    "that nothing leads to",
    "unneeded",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The texts between quotation marks, without those of tests and comments.
fn literals(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let code = code.replace("'\"'", "").replace("'\\\"'", "");
    let mut literals = Vec::new();
    let mut literal: Option<String> = None;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        match &mut literal {
            None if c == '"' => literal = Some(String::new()),
            None => {}
            Some(_) if c == '"' => literals.extend(literal.take()),
            // A line that goes on in the next one, or an escape.
            Some(_) if c == '\\' => {
                let next = chars.next();
                while next == Some('\n') && chars.next_if(|c| c.is_whitespace()).is_some() {}
            }
            Some(text) => text.push(c),
        }
    }
    assert_eq!(literal, None, "a text has no end");
    literals
}

/// Text without what is quoted in it: code, members of JSON objects, what was said before.
fn prose(line: &str) -> String {
    let outside = |line: &str, mark: char| line.split(mark).step_by(2).collect::<String>();
    outside(&outside(line, '`'), '"')
}

/// All pages, and what is rendered from the command line's help.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let folders = ["", "benches", "docs", "docs/recipes", "fixtures", "fuzz"];
    for folder in folders {
        let is_page = |path: &PathBuf| path.extension().is_some_and(|e| e == "md");
        pages.extend(files_of(folder).into_iter().filter(is_page));
    }
    let more = [
        "completions",
        "contrib",
        "contrib/action",
        "contrib/debian",
        "contrib/kubernetes",
        "contrib/systemd",
        "man",
    ];
    pages.extend(more.into_iter().flat_map(files_of));
    pages.push(root().join("action.yml"));
    pages.push(root().join("fixtures/tour.sh"));
    pages
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

/// What schemas say in words.
fn descriptions(schema: &Value) -> Vec<&str> {
    let members = schema.as_object().into_iter().flatten();
    let words = members.clone().filter(|(name, _)| *name == "description");
    let deeper = members.map(|(_, value)| value);
    let deeper = deeper.chain(schema.as_array().into_iter().flatten());
    let words = words.filter_map(|(_, value)| value.as_str());
    words.chain(deeper.flat_map(descriptions)).collect()
}

fn old_words(place: &Path, text: &str, found: &mut Vec<String>) {
    let lower = text.to_lowercase();
    for word in OLD_WORDS.iter().filter(|word| lower.contains(*word)) {
        found.push(format!("{}: `{word}` in: {text}", place.display()));
    }
}

#[test]
fn no_message_and_no_page_has_a_second_word_for_a_thing() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let (mut found, mut texts) = (Vec::new(), 0);
    for file in files {
        for text in literals(&std::fs::read_to_string(&file).unwrap()) {
            texts += 1;
            old_words(&file, &text, &mut found);
        }
    }
    for page in pages() {
        // A phrase may go on in the next line.
        let text = std::fs::read_to_string(&page).unwrap();
        for paragraph in text.split("\n\n") {
            let lines = paragraph.lines().map(|line| prose(line.trim()));
            let line = lines.collect::<Vec<_>>().join(" ");
            old_words(&page, &line, &mut found);
        }
    }
    for file in files_of("docs/schema") {
        let schema = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let descriptions = descriptions(&schema);
        assert!(descriptions.len() > 5, "{}", file.display());
        for text in descriptions {
            old_words(&file, text, &mut found);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(texts > 500, "{texts} texts were read");
}

#[test]
fn texts_are_found_and_comments_and_tests_are_not() {
    let code = r#"
        // "a comment"
        f('"', "one \"two\"", "a \
            line");
        #[cfg(test)]
        g("a test");
    "#;
    assert_eq!(literals(code), ["one two", "a line"]);
    assert_eq!(
        prose(r#"say `orphans` or "unneeded" here"#),
        "say  or  here"
    );
}
