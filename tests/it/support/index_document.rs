//! index.json as text: entries are compared by their bytes, not by what they mean.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::names::{DANGLING, NAME, REF, short};

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its text, without the space around it.
    pub(crate) raw: String,
    pub(crate) value: Value,
    pub(crate) digest: String,
    pub(crate) name: Option<String>,
}

impl Row {
    fn of(raw: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(raw).map_err(|e| e.to_string())?;
        let digest = value["digest"]
            .as_str()
            .ok_or("an entry without a digest")?
            .to_owned();
        let annotation = |key: &str| {
            value["annotations"][key]
                .as_str()
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        };
        Ok(Row {
            name: annotation(NAME).or_else(|| annotation(REF)),
            raw: raw.to_owned(),
            digest,
            value,
        })
    }

    /// Whether it is the entry of an image without a name, and says so.
    pub(crate) fn is_dangling(&self) -> bool {
        self.name.as_deref() == Some(&format!("{DANGLING}{}", self.digest))
    }

    pub(crate) fn show(&self) -> String {
        let name = self.name.as_deref().unwrap_or("(no name)");
        format!("{name} -> {}", short(&self.digest))
    }

    /// Why this cannot be what is left of `old` after its name was taken, or nothing.
    pub(crate) fn differs_from_untagged(&self, old: &Row) -> Option<&'static str> {
        let annotations = &self.value["annotations"];
        if annotations[NAME].as_str() != self.name.as_deref() {
            return Some("does not carry its name in io.containerd.image.name");
        }
        if !annotations[REF].is_null() {
            return Some("keeps org.opencontainers.image.ref.name");
        }
        if nameless(&self.value) != nameless(&old.value) {
            return Some("lost or gained something beside its name");
        }
        None
    }
}

/// The entry without its name, and without the annotations if there is nothing else in them.
fn nameless(entry: &Value) -> Value {
    let mut entry = entry.clone();
    if let Some(annotations) = entry["annotations"].as_object_mut() {
        annotations.remove(NAME);
        annotations.remove(REF);
    }
    if entry["annotations"]
        .as_object()
        .is_none_or(|a| a.is_empty())
        && let Some(members) = entry.as_object_mut()
    {
        members.remove("annotations");
    }
    entry
}

/// The whole document.
#[derive(Clone, Debug)]
pub(crate) struct IndexDocument {
    pub(crate) data: Vec<u8>,
    /// The texts of all members and their keys; `manifests` has none, only its place.
    pub(crate) others: Vec<(String, Option<String>)>,
    pub(crate) rows: Vec<Row>,
}

impl IndexDocument {
    pub(crate) fn read(data: Vec<u8>) -> Result<Self, String> {
        let members: Members = serde_json::from_slice(&data).map_err(|e| e.to_string())?;
        let mut others = Vec::new();
        let mut rows = None;
        for (key, value) in members.0 {
            let key = key.get().to_owned();
            if key == r#""manifests""# {
                let entries: Vec<Box<RawValue>> =
                    serde_json::from_str(value.get()).map_err(|e| e.to_string())?;
                let all: Result<Vec<Row>, String> =
                    entries.iter().map(|entry| Row::of(entry.get())).collect();
                rows = Some(all?);
                others.push((key, None));
            } else {
                others.push((key, Some(value.get().to_owned())));
            }
        }
        Ok(IndexDocument {
            rows: rows.ok_or("no object with an array `manifests`")?,
            others,
            data,
        })
    }

    /// Whether the texts of all entries are the same.
    pub(crate) fn has_rows_of(&self, other: &IndexDocument) -> bool {
        self.rows
            .iter()
            .map(|r| &r.raw)
            .eq(other.rows.iter().map(|r| &r.raw))
    }
}

/// The members of an object that was read, in their order, repeated keys and all.
struct Members(Vec<(Box<RawValue>, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}
