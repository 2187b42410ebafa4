//! The form of a case. `fixtures/README.md` explains every member; one that is not there is an error.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use super::json::{Json, Members};

/// The commands that may change a layout.
pub(crate) const CHANGES: [&str; 4] = ["rmi", "untag", "prune", "restore"];

/// Layouts, commands, and what has to come of each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) rule: String,
    pub(crate) why: String,
    #[serde(default)]
    pub(crate) layout: Option<LayoutSpec>,
    #[serde(default)]
    pub(crate) layouts: Members<LayoutSpec>,
    #[serde(default)]
    pub(crate) files: Members<Json>,
    #[serde(default)]
    pub(crate) tmpfs: Option<Tmpfs>,
    pub(crate) steps: Vec<Step>,
}

/// A file system of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tmpfs {
    pub(crate) kib: u64,
    #[serde(default = "yes")]
    pub(crate) fill: bool,
}

fn yes() -> bool {
    true
}

/// What lies in a layout.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayoutSpec {
    #[serde(default)]
    pub(crate) blobs: Members<Json>,
    #[serde(default)]
    pub(crate) rows: Vec<Json>,
    #[serde(default)]
    pub(crate) index: Members<Json>,
    #[serde(default)]
    pub(crate) garbage: Members<Json>,
    #[serde(default)]
    pub(crate) faults: Members<String>,
    #[serde(default)]
    pub(crate) mtimes: Members<Json>,
    #[serde(default)]
    pub(crate) files: Members<Json>,
    #[serde(default)]
    pub(crate) pretty: bool,
}

/// One command line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) argv: Vec<Word>,
    #[serde(default)]
    pub(crate) stdin: String,
    /// Whether `--layout DIR` stands before the command.
    #[serde(default = "yes")]
    pub(crate) layout: bool,
    #[serde(default)]
    exit: OneOrMany<i32>,
    #[serde(default)]
    pub(crate) dry: Dry,
    #[serde(default)]
    pub(crate) after: Option<Json>,
    #[serde(default)]
    pub(crate) deleted: Vec<String>,
    #[serde(default)]
    pub(crate) untagged: Vec<String>,
    #[serde(default)]
    pub(crate) stdout_has: Vec<Pattern>,
    #[serde(default)]
    pub(crate) stdout_lacks: Vec<Pattern>,
    #[serde(default)]
    pub(crate) stderr_has: Vec<Pattern>,
    #[serde(default)]
    pub(crate) stderr_lacks: Vec<Pattern>,
    #[serde(default)]
    pub(crate) says: Vec<Pattern>,
    #[serde(default)]
    pub(crate) says_lacks: Vec<Pattern>,
    #[serde(default)]
    pub(crate) order: Vec<String>,
    #[serde(default)]
    pub(crate) count: Option<usize>,
    #[serde(default)]
    pub(crate) differ: Option<Differ>,
    #[serde(default)]
    pub(crate) json: Vec<JsonCheck>,
}

impl Step {
    /// The statuses with which it may end.
    pub(crate) fn allowed(&self) -> &[i32] {
        match self.exit.items() {
            [] => &[0],
            some => some,
        }
    }

    fn is_dry(&self) -> bool {
        let is_dry = |word: &Word| matches!(word, Word::Text(text) if is_dry_run(text));
        self.argv.iter().any(is_dry)
    }

    fn verb(&self) -> &str {
        match self.argv.first() {
            Some(Word::Text(verb)) => verb,
            _ => "",
        }
    }
}

pub(crate) fn is_dry_run(word: &str) -> bool {
    word == "-n" || word == "--dry-run"
}

/// A word of a command line.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Word {
    Text(String),
    /// The lines that an earlier step printed, from one on.
    Printed(Printed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Printed {
    /// Which step.
    pub(crate) lines: usize,
    #[serde(default)]
    pub(crate) from: usize,
}

/// A regular expression, or several that fit one line.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Pattern {
    Anywhere(String),
    InOneLine(Vec<String>),
}

/// What is compared with a dry run.
#[derive(Deserialize, Default, PartialEq)]
#[serde(from = "Json")]
pub(crate) enum Dry {
    #[default]
    Plan,
    /// It changes nothing; what it says is not looked at.
    State,
    /// There is none.
    None,
}

impl From<Json> for Dry {
    fn from(json: Json) -> Self {
        match json {
            Json::Bool(false) => Dry::None,
            Json::Bool(true) => Dry::Plan,
            Json::Text(text) if text == "state" => Dry::State,
            other => panic!("dry: {}", other.compact()),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    pub(crate) fn items(&self) -> &[T] {
        match self {
            OneOrMany::One(item) => std::slice::from_ref(item),
            OneOrMany::Many(items) => items,
        }
    }
}

/// Two lines of a table that must not look the same in a column.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Differ {
    pub(crate) rows: [String; 2],
    pub(crate) column: String,
}

/// Something about the JSON that was printed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonCheck {
    #[serde(default)]
    pub(crate) names: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) names_has: Vec<String>,
    #[serde(default)]
    pub(crate) names_lacks: Vec<String>,
    #[serde(default)]
    pub(crate) about: Option<String>,
    #[serde(default)]
    pub(crate) row: Option<String>,
    #[serde(default)]
    pub(crate) get: String,
    #[serde(default, deserialize_with = "even_null")]
    pub(crate) is: Option<Json>,
    #[serde(default)]
    pub(crate) matches: OneOrMany<String>,
    #[serde(default)]
    pub(crate) lacks: OneOrMany<String>,
    #[serde(default)]
    pub(crate) nonempty: bool,
    #[serde(default)]
    pub(crate) empty: bool,
}

fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// What is left in a layout.
pub(crate) enum After {
    /// No file changed in any way.
    Same,
    /// index.json and the blobs are those of the beginning.
    Restored,
    /// One of these.
    OneOf(Vec<Left>),
}

impl After {
    pub(crate) fn read(json: &Json) -> Result<Self, String> {
        if let Some(text) = json.text() {
            return match text {
                "same" => Ok(After::Same),
                "restored" => Ok(After::Restored),
                other => Err(format!("after: {other}")),
            };
        }
        let read =
            |json: &Json| serde_json::from_value(json.value()).map_err(|e| format!("after: {e}"));
        match json.get("either") {
            Some(Json::List(list)) => Ok(After::OneOf(
                list.iter().map(read).collect::<Result<_, _>>()?,
            )),
            _ => Ok(After::OneOf(vec![read(json)?])),
        }
    }
}

/// The blobs and the entries that are left.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Left {
    #[serde(default)]
    pub(crate) gone: Vec<String>,
    #[serde(default)]
    pub(crate) any: Vec<String>,
    #[serde(default)]
    pub(crate) rows: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) new_index: Option<NewIndex>,
}

/// What the index lists that stands for an old one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewIndex {
    pub(crate) of: String,
    pub(crate) lists: Vec<String>,
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

/// All cases of a file in `fixtures/field`.
pub(crate) fn read_cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/field")
        .join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let Cases { cases } =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    for case in &cases {
        assert_ne!(
            case.layout.is_some(),
            !case.layouts.0.is_empty(),
            "{}: `layout` or `layouts`",
            case.id
        );
        for step in &case.steps {
            let says = step.after.is_some() || step.is_dry() || !CHANGES.contains(&step.verb());
            assert!(
                says,
                "{}: a step that may delete does not say what is left",
                case.id
            );
            for after in case.afters(step) {
                After::read(after).unwrap_or_else(|e| panic!("{}: {e}", case.id));
            }
        }
    }
    cases
}

impl Case {
    fn afters<'a>(&self, step: &'a Step) -> Vec<&'a Json> {
        match &step.after {
            None => Vec::new(),
            Some(Json::Object(each)) if self.layout.is_none() => {
                each.0.iter().map(|(_, a)| a).collect()
            }
            Some(after) => vec![after],
        }
    }

    /// What a step has to leave in a layout.
    pub(crate) fn after(&self, step: &Step, layout: &str) -> Result<After, String> {
        let after = match &step.after {
            Some(Json::Object(each)) if self.layout.is_none() => each.get(layout),
            after => after.as_ref(),
        };
        after.map_or(Ok(After::Same), After::read)
    }
}
