//! What the program prints as JSON, against the schemas of docs/schema. Whatever any test runs with
//! `--format json` is compared with them by [`judge`], without the test asking for it; what shells run, by `witness`.
//!
//! The schemas are open: who reads JSON has to expect members and words that are new. Here they are
//! closed, so that nothing is printed that they do not know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::LazyLock;

use clap::Parser as _;
use jsonschema::Validator;
use ocirm::cli::{Cli, Command, OutputFormat, PolicyCommand};
use serde_json::{Map, Value, json};

/// The schemas of what commands print, by the names of their files.
pub(crate) const OUTPUTS: [&str; 8] = [
    "check",
    "df",
    "ls",
    "policy-check",
    "restore",
    "restore-list",
    "rmi",
    "why",
];

/// How each object begins.
const BEGINNING: &str = r#"{"version":1,"#;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema")
}

/// A schema as it is published.
pub(crate) fn schema(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A schema in which objects have no other members, and texts of a list no other values.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(closed).collect(),
        Value::Object(members) => {
            let all = members.iter();
            let mut all: Map<String, Value> = all
                .map(|(key, value)| (key.clone(), closed(value)))
                .collect();
            if members.get("properties").is_some_and(Value::is_object)
                && members.contains_key("type")
            {
                all.insert("additionalProperties".to_owned(), false.into());
            }
            if let Some(words) = words(schema) {
                all.remove("anyOf");
                all.insert("enum".to_owned(), words.clone());
            }
            Value::Object(all)
        }
        other => other.clone(),
    }
}

/// The words of a text that is one of a list, which may grow.
pub(crate) fn words(schema: &Value) -> Option<&Value> {
    match &schema.get("anyOf")?.as_array()?[..] {
        [list, any] if *any == json!({"type": "string"}) => list.get("enum"),
        _ => None,
    }
}

/// What one line may be, and the validator of it.
struct Shape {
    name: String,
    validator: Validator,
}

static SHAPES: LazyLock<BTreeMap<&str, Vec<Shape>>> = LazyLock::new(|| {
    let shapes = OUTPUTS.map(|name| {
        let schema = closed(&schema(name));
        let shapes = alternatives(&schema).into_iter().map(|reference| {
            let alone = json!({"$ref": reference, "$defs": schema["$defs"]});
            let validator = jsonschema::draft202012::new(&alone);
            Shape {
                name: reference,
                validator: validator.unwrap_or_else(|e| panic!("{name}: {e}")),
            }
        });
        (name, shapes.collect())
    });
    shapes.into()
});

/// What a line may be, as references into the schema.
fn alternatives(schema: &Value) -> Vec<String> {
    let of = |one: &Value| one["$ref"].as_str().map(str::to_owned);
    match schema["anyOf"].as_array() {
        Some(several) => several.iter().filter_map(of).collect(),
        None => of(schema).into_iter().collect(),
    }
}

/// The schema of what a command line prints; nothing where that is no JSON.
pub(crate) fn of_command(args: &[String]) -> Option<&'static str> {
    if !args.iter().any(|arg| arg.contains("json")) {
        return None;
    }
    let words = std::iter::once("ocirm").chain(args.iter().map(String::as_str));
    let cli = Cli::try_parse_from(words).ok()?;
    let (name, format) = match cli.command {
        Command::Ls(args) if args.format == "json" && !args.quiet => return Some("ls"),
        Command::Df(args) => ("df", args.format),
        Command::Check(args) => ("check", args.format),
        Command::Why(args) => ("why", args.format),
        Command::Rmi(args) => ("rmi", args.format),
        Command::Untag(args) => ("rmi", args.format),
        Command::Prune(args) => ("rmi", args.format),
        Command::Restore(args) if args.list => ("restore-list", args.format),
        Command::Restore(args) => ("restore", args.format),
        Command::Policy(args) => match args.command {
            PolicyCommand::Check(args) => ("policy-check", args.format),
        },
        _ => return None,
    };
    (format == OutputFormat::Json).then_some(name)
}

/// What is wrong with a line of such an output.
pub(crate) fn misfit(name: &str, line: &str) -> Option<String> {
    let value: Value = match serde_json::from_str(line) {
        Ok(value) => value,
        Err(error) => return Some(error.to_string()),
    };
    if !line.starts_with(BEGINNING) {
        return Some(format!("it does not begin with {BEGINNING}"));
    }
    let shapes = &SHAPES[name];
    if shapes.iter().any(|shape| shape.validator.is_valid(&value)) {
        return None;
    }
    let reasons = shapes.iter().map(|shape| {
        let errors = shape.validator.iter_errors(&value);
        let errors = errors.map(|error| format!("  {}: {error}\n", error.instance_path()));
        format!("as {}:\n{}", shape.name, errors.collect::<String>())
    });
    Some(reasons.collect())
}

/// Compares what a command printed with its schema. A run that was killed may have printed part of a line.
#[track_caller]
pub(crate) fn judge(args: &[String], status: Option<ExitStatus>, out: &str) {
    let Some(name) = of_command(args) else {
        return;
    };
    let code = status.and_then(|status| status.code());
    let is_whole = code.is_some_and(|code| code < 128);
    assert!(
        !is_whole || out.is_empty() || out.ends_with('\n'),
        "{args:?}: {out}"
    );
    for line in out
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        if let Some(wrong) = misfit(name, line.trim_end_matches('\n')) {
            panic!("{args:?}: {line}\ndoes not fit docs/schema/{name}.json: {wrong}");
        }
    }
}

/// The members that a schema knows, as `definition.member`, and in objects without a name of their own
/// `definition.member.member`.
pub(crate) fn members(name: &str) -> BTreeSet<String> {
    fn walk(place: &str, schema: &Value, all: &mut BTreeSet<String>) {
        for one in schema["anyOf"].as_array().into_iter().flatten() {
            walk(place, one, all);
        }
        if schema["items"].is_object() {
            walk(place, &schema["items"], all);
        }
        for (key, of) in schema["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}.{key}");
            walk(&place, of, all);
            all.insert(place);
        }
    }
    let mut all = BTreeSet::new();
    for (key, of) in schema(name)["$defs"].as_object().into_iter().flatten() {
        walk(key, of, &mut all);
    }
    all
}

/// Those of [`members`] that a line has. Empty lists have nothing.
pub(crate) fn members_of_line(name: &str, line: &str, seen: &mut BTreeSet<String>) {
    fn walk(root: &Value, place: &str, schema: &Value, value: &Value, seen: &mut BTreeSet<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let path = reference.strip_prefix('#').unwrap_or_default();
            let target = root.pointer(path).expect("a definition of the same file");
            let key = reference.rsplit('/').next().unwrap_or_default();
            return walk(root, key, target, value, seen);
        }
        for one in schema["anyOf"].as_array().into_iter().flatten() {
            if !value.is_null() {
                walk(root, place, one, value, seen);
            }
        }
        if let Some(items) = value.as_array() {
            for item in items {
                walk(root, place, &schema["items"], item, seen);
            }
        }
        for (key, of) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = value.get(key) {
                let place = format!("{place}.{key}");
                walk(root, &place, of, value, seen);
                seen.insert(place);
            }
        }
    }
    let schema = schema(name);
    let value: Value = serde_json::from_str(line).expect("an object");
    let shapes = SHAPES[name].iter();
    for shape in shapes.filter(|shape| shape.validator.is_valid(&value)) {
        walk(&schema, "", &json!({"$ref": shape.name}), &value, seen);
    }
}
