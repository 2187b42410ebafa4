//! The cases of `fixtures/cases/delete_cases.json`. `fields` in that file explains every member.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One layout, one command line, and what has to come of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) rule: String,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default, rename = "oracle")]
    pub(crate) _oracle: String,
    #[serde(default)]
    pub(crate) moby_differs: Option<String>,
    #[serde(default, rename = "note")]
    pub(crate) _note: Option<String>,
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    #[serde(default)]
    pub(crate) targets: BTreeMap<String, Recipe>,
    #[serde(default)]
    pub(crate) same_prefix: Option<SamePrefix>,
    pub(crate) images: Vec<Image>,
    #[serde(default)]
    pub(crate) children: Vec<Child>,
    #[serde(default)]
    pub(crate) containers: Vec<Container>,
    pub(crate) args: Vec<String>,
    #[serde(default = "no_grace")]
    pub(crate) grace: Option<String>,
    #[serde(default)]
    pub(crate) stdin: Option<String>,
    #[serde(default)]
    expect: Map<String, Value>,
    #[serde(default)]
    expect_or: Vec<Map<String, Value>>,
    #[serde(default)]
    dry_run: Map<String, Value>,
}

/// The files of a test are always young, so without this `prune` would spare them all.
fn no_grace() -> Option<String> {
    Some("0s".to_owned())
}

/// How an image is made.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    #[serde(default)]
    pub(crate) kind: Option<String>,
    /// What a manifest inside an index is called.
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) platform: Option<String>,
    #[serde(default)]
    pub(crate) layers: Vec<String>,
    #[serde(default)]
    pub(crate) manifests: Option<Vec<Recipe>>,
    #[serde(default)]
    pub(crate) attests: Option<String>,
    #[serde(default = "yes")]
    pub(crate) present: bool,
    #[serde(default)]
    pub(crate) same_as: Option<String>,
    #[serde(default = "yes")]
    pub(crate) descriptor_platform: bool,
    #[serde(default)]
    pub(crate) config_labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) config_created: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamePrefix {
    pub(crate) targets: Vec<String>,
    pub(crate) hex_digits: usize,
}

/// An entry of index.json.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    #[serde(default)]
    pub(crate) name: Option<String>,
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) created: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Child {
    pub(crate) record: String,
    pub(crate) parent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) target: String,
    pub(crate) image_ref: String,
    #[serde(default)]
    pub(crate) platform: Option<String>,
    #[serde(default)]
    pub(crate) mounts: Vec<String>,
}

/// One outcome that is right.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) exit: Exit,
    #[serde(default)]
    pub(crate) stderr_contains: Vec<String>,
    #[serde(default)]
    pub(crate) stderr_mentions: Vec<Vec<String>>,
    pub(crate) remaining: Vec<Remaining>,
    pub(crate) dangling: Vec<String>,
    #[serde(default)]
    pub(crate) dangling_annotations: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) untagged: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) deleted: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) reclaimed: Option<f64>,
    #[serde(default)]
    pub(crate) blobs_present: Vec<String>,
    #[serde(default)]
    pub(crate) blobs_absent: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Exit {
    One(i32),
    AnyOf(Vec<i32>),
}

impl Exit {
    pub(crate) fn allowed(&self) -> &[i32] {
        match self {
            Exit::One(status) => std::slice::from_ref(status),
            Exit::AnyOf(statuses) => statuses,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remaining {
    #[serde(default)]
    pub(crate) name: Option<String>,
    pub(crate) target: String,
}

/// What a dry run and the run after it have to do.
pub(crate) struct Outcome {
    pub(crate) dry: Expect,
    pub(crate) real: Expect,
}

impl Case {
    /// The command of ocirm.
    pub(crate) fn verb(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    /// All outcomes that are right; the first one is the usual one.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        std::iter::once(&Map::new())
            .chain(&self.expect_or)
            .map(|other| {
                let real = replaced(&self.expect, other);
                let dry = replaced(&real, &self.dry_run);
                Outcome {
                    dry: self.read(dry),
                    real: self.read(real),
                }
            })
            .collect()
    }

    fn read(&self, expect: Map<String, Value>) -> Expect {
        serde_json::from_value(Value::Object(expect))
            .unwrap_or_else(|e| panic!("{}: the expectation cannot be read: {e}", self.id))
    }
}

fn replaced(members: &Map<String, Value>, others: &Map<String, Value>) -> Map<String, Value> {
    let mut all = members.clone();
    all.extend(others.clone());
    all
}

/// The cases that every version of ocirm has to fulfil.
pub(crate) fn read_cases() -> Vec<Case> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Case>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/delete_cases.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: File =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.cases
}
