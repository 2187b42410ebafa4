//! Templates of `ls --format`: what is understood prints a line for each row, of nothing but what
//! it mentions.

use ocirm::report::list::template as parse;
use ocirm::report::template::Template;

/// The placeholders in the order of their values.
const FIELDS: [&str; 15] = [
    "ID",
    "Repository",
    "Tag",
    "Digest",
    "CreatedSince",
    "CreatedAt",
    "CreatedFrom",
    "Size",
    "Containers",
    "SharedSize",
    "UniqueSize",
    "Name",
    "Platforms",
    "Kind",
    "Layout",
];

/// Renders a template with no row, one row and two.
pub fn template(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let template = match parse(text) {
        Ok(template) => template,
        Err(error) => {
            let message = error.to_string();
            super::assert_one_line(&message);
            assert_position(&message, text);
            return false;
        }
    };
    let (first, second) = (row("web"), row("a \"b\"\\ é"));
    let one = rendered(&template, &[&first]);
    let two = rendered(&template, &[&first, &second]);
    assert!(one.ends_with('\n') && two.ends_with('\n'));
    // Only a table has something to say of no row: its header.
    let is_table = !rendered(&template, &[]).is_empty();
    if is_table {
        assert!(text.trim_start_matches(' ').starts_with("table"));
        assert!(two.lines().all(|line| !line.ends_with(' ')));
    } else {
        assert_eq!(two, one.clone() + &rendered(&template, &[&second]));
    }
    for (number, field) in FIELDS.into_iter().enumerate() {
        let mut changed = first.clone();
        "something else".clone_into(&mut changed[number]);
        if !template.mentions(field) {
            assert_eq!(rendered(&template, &[&changed]), one, "{field}");
        }
    }
    let spaced = parse(&format!("  {text}  "));
    assert!(spaced.is_ok_and(|spaced| rendered(&spaced, &[&first]) == one));
    if !is_table && !text.contains("{{") && !text.contains('\\') {
        assert_eq!(one, format!("{}\n", text.trim_matches(' ')));
    }
    true
}

fn row(word: &str) -> Vec<String> {
    let cells = FIELDS.iter().map(|field| format!("{word} {field}"));
    cells.collect()
}

fn rendered(template: &Template, rows: &[&Vec<String>]) -> String {
    let mut out = Vec::new();
    let rows = rows.iter().map(|row| (*row).clone());
    assert!(template.render(rows, &mut out).is_ok());
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(_) => panic!("what was printed is no text"),
    }
}

/// A person counts to the position that a message names, so it must be in the text.
fn assert_position(message: &str, text: &str) {
    let number = message
        .strip_prefix("invalid template, character ")
        .and_then(|rest| rest.split(':').next())
        .and_then(|number| number.parse::<usize>().ok());
    let Some(number) = number else {
        panic!("no position: {message}");
    };
    assert!(
        (1..=text.chars().count() + 1).contains(&number),
        "{message}"
    );
}
