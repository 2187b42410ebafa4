//! The version of the JSON objects, which is the first member of each. docs/json.md says what it promises.

use serde::{Serialize, Serializer};

/// What the member says: the number of the promise, not of the program. It is another one when a member
/// goes, gets another name, or means something else.
const VERSION: u32 = 1;

/// The member `version`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(VERSION)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::error::ErrorKind;
    use crate::inspect::completeness::Completeness;
    use crate::inspect::metadata::CreatedFrom;
    use crate::plan::{Refusal, RefusalClass};
    use crate::report::failed_layout::class;
    use crate::report::messages::ReportedError;
    use crate::snapshot::RecordKind;
    use crate::snapshot::graph::NodeKind;

    /// The words that a schema lists at a place.
    fn listed(schema: &str, place: &str) -> BTreeSet<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema");
        let text = std::fs::read_to_string(format!("{folder}/{schema}.json")).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let words = schema.pointer(&format!("{place}/anyOf/0/enum")).unwrap();
        let words = words.as_array().unwrap().iter();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    }

    fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        words.into_iter().map(str::to_owned).collect()
    }

    /// J2: what a schema lists is what the types can say, and nothing that they never say.
    #[test]
    fn the_words_of_the_schemas_are_those_of_the_types() {
        let kinds = [
            RecordKind::Named,
            RecordKind::Dangling,
            RecordKind::Unnamed,
            RecordKind::Child,
            RecordKind::Referrer,
        ];
        assert_eq!(
            listed("ls", "/$defs/entry-kind"),
            set(kinds.map(RecordKind::word))
        );
        let kinds = [
            NodeKind::Index,
            NodeKind::Manifest,
            NodeKind::ImageConfig,
            NodeKind::Config,
            NodeKind::Layer,
            NodeKind::Blob,
        ];
        let kinds = set(kinds.map(NodeKind::word));
        for schema in ["rmi", "check", "why", "restore"] {
            assert_eq!(listed(schema, "/$defs/blob-kind"), kinds, "{schema}");
        }
        let from = [
            CreatedFrom::Entry,
            CreatedFrom::Manifest,
            CreatedFrom::Config,
            CreatedFrom::File,
            CreatedFrom::IndexFile,
        ];
        assert_eq!(
            listed("ls", "/$defs/image/properties/created_from"),
            set(from.map(CreatedFrom::word))
        );
        let states = [
            Completeness::Complete,
            Completeness::Sparse,
            Completeness::Broken,
        ];
        let place = "/$defs/layout/properties/images/items/properties/state";
        assert_eq!(listed("check", place), set(states.map(Completeness::word)));
        let refused = [
            RefusalClass::NotFound,
            RefusalClass::Ambiguous,
            RefusalClass::Conflict,
            RefusalClass::Invalid,
            RefusalClass::Incomplete,
        ];
        let refused = refused.map(|class| {
            ReportedError::refused(&Refusal {
                class,
                message: String::new(),
                hint: None,
            })
            .class
        });
        let failed = [
            ErrorKind::Failed,
            ErrorKind::Usage,
            ErrorKind::LockBusy,
            ErrorKind::Layout,
        ];
        let classes = set(refused.into_iter().chain(failed.map(class)));
        for schema in [
            "ls",
            "df",
            "check",
            "why",
            "rmi",
            "restore",
            "restore-list",
            "policy-check",
        ] {
            let place = "/$defs/error/properties/class";
            assert_eq!(listed(schema, place), classes, "{schema}");
        }
    }
}
