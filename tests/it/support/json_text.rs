//! JSON whose members keep their order, for documents that have to look as other tools write them.

use std::fmt::Write as _;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A JSON value to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    /// A string, not yet escaped.
    Text(String),
    /// A number or a word, written as it stands here (`1.50` stays `1.50`).
    Literal(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::Text(text)
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Json::Literal(number.to_string())
    }
}

impl From<i32> for Json {
    fn from(number: i32) -> Self {
        Json::Literal(number.to_string())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Json::Literal(value.to_string())
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Json::List(items)
    }
}

impl<const N: usize> From<[(&str, Json); N]> for Json {
    fn from(members: [(&str, Json); N]) -> Self {
        Json::Object(members.map(|(key, value)| (key.to_owned(), value)).into())
    }
}

/// An object whose values are all strings.
pub(crate) fn text_members<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Json {
    Json::Object(
        pairs
            .into_iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect(),
    )
}

/// What stands between the parts of a document.
pub(crate) struct Spacing {
    comma: &'static str,
    colon: &'static str,
    /// Blanks for each level, each part on a line of its own.
    indent: Option<usize>,
    /// Everything outside of ASCII is written as `\uXXXX`.
    ascii: bool,
}

impl Spacing {
    /// No space anywhere, as Go writes it.
    pub(crate) const COMPACT: Spacing = Spacing {
        comma: ",",
        colon: ":",
        indent: None,
        ascii: false,
    };

    /// Spaces where nobody expects them.
    pub(crate) const WIDE: Spacing = Spacing {
        comma: ", ",
        colon: " : ",
        indent: None,
        ascii: false,
    };

    /// A part on each line.
    pub(crate) const fn indented(blanks: usize) -> Spacing {
        Spacing {
            comma: ",",
            colon: ": ",
            indent: Some(blanks),
            ascii: true,
        }
    }
}

impl Json {
    /// The text of the value.
    pub(crate) fn written(&self, spacing: &Spacing) -> String {
        let mut out = String::new();
        self.write(spacing, 0, &mut out);
        out
    }

    fn write(&self, spacing: &Spacing, depth: usize, out: &mut String) {
        match self {
            Json::Text(text) => quote(text, spacing.ascii, out),
            Json::Literal(text) => out.push_str(text),
            Json::List(items) if items.is_empty() => out.push_str("[]"),
            Json::Object(members) if members.is_empty() => out.push_str("{}"),
            Json::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    part(n, spacing, depth, out);
                    item.write(spacing, depth + 1, out);
                }
                line(spacing, depth, out);
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (n, (key, value)) in members.iter().enumerate() {
                    part(n, spacing, depth, out);
                    quote(key, spacing.ascii, out);
                    out.push_str(spacing.colon);
                    value.write(spacing, depth + 1, out);
                }
                line(spacing, depth, out);
                out.push('}');
            }
        }
    }
}

fn part(n: usize, spacing: &Spacing, depth: usize, out: &mut String) {
    if n > 0 {
        out.push_str(spacing.comma);
    }
    line(spacing, depth + 1, out);
}

fn line(spacing: &Spacing, depth: usize, out: &mut String) {
    if let Some(blanks) = spacing.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', blanks * depth));
    }
}

fn quote(text: &str, ascii: bool, out: &mut String) {
    let quoted = serde_json::to_string(text).expect("a string is always JSON");
    if !ascii {
        out.push_str(&quoted);
        return;
    }
    for c in quoted.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a string takes all text");
            }
        }
    }
}

/// The members of an object that was read, in their order, repeated keys and all.
#[derive(Clone, Debug)]
pub(crate) struct Members<K, V>(pub(crate) Vec<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Members<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Collect<K, V> {
            type Value = Members<K, V>;

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

        deserializer.deserialize_map(Collect(PhantomData))
    }
}
