//! JSON whose objects keep the order of their members, as the description of a layout and the documents made from it need.

use std::fmt;
use std::io;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Number, Value};

/// The members of an object, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Members<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Members<T> {
    fn default() -> Self {
        Members(Vec::new())
    }
}

impl<T> Members<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&T> {
        self.iter().find(|(own, _)| *own == key).map(|(_, v)| v)
    }

    /// Puts a member where the one of that name is, else at the end.
    pub(crate) fn set(&mut self, key: &str, value: T) {
        match self.0.iter_mut().find(|(own, _)| own == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    pub(crate) fn extend(&mut self, others: Members<T>) {
        for (key, value) in others.0 {
            self.set(&key, value);
        }
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<T> {
        let at = self.0.iter().position(|(own, _)| own == key)?;
        Some(self.0.remove(at).1)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Collect<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Members<T>, A::Error> {
                members(map)
            }
        }

        deserializer.deserialize_map(Collect(std::marker::PhantomData))
    }
}

fn members<'de, T, A>(mut map: A) -> Result<Members<T>, A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    let mut members = Members::default();
    while let Some((key, value)) = map.next_entry::<String, T>()? {
        members.set(&key, value);
    }
    Ok(members)
}

/// Any value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Json {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(Members<Json>),
}

impl Json {
    /// An object with these members.
    pub(crate) fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
        Json::Object(Members(
            members.map(|(key, value)| (key.to_owned(), value)).into(),
        ))
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn members(&self) -> Option<&Members<Json>> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.members()?.get(key)
    }

    /// Whether it is null, false, zero or has nothing in it.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Json::Null => true,
            Json::Bool(yes) => !yes,
            Json::Number(number) => number.as_f64() == Some(0.0),
            Json::Text(text) => text.is_empty(),
            Json::List(list) => list.is_empty(),
            Json::Object(members) => members.0.is_empty(),
        }
    }

    /// The same without the order, for comparing and for reading what has a type.
    pub(crate) fn value(&self) -> Value {
        serde_json::to_value(self).expect("JSON is JSON")
    }

    /// Without a space, and in ASCII.
    pub(crate) fn compact(&self) -> String {
        ascii(&serde_json::to_string(self).expect("JSON is JSON"))
    }

    /// Over many lines, indented by three spaces, and in ASCII.
    pub(crate) fn pretty(&self) -> String {
        ascii(&self.written(PrettyFormatter::with_indent(b"   ")))
    }

    /// On one line with a space behind each comma and colon, which is what patterns are compared with.
    pub(crate) fn spaced(&self) -> String {
        self.written(Spaced)
    }

    fn written(&self, formatter: impl Formatter) -> String {
        let mut text = Vec::new();
        self.serialize(&mut serde_json::Serializer::with_formatter(
            &mut text, formatter,
        ))
        .expect("JSON is JSON");
        String::from_utf8(text).expect("JSON is UTF-8")
    }
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
        Json::Number(number.into())
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        Json::deserialize(value).expect("JSON is JSON")
    }
}

/// Characters beyond ASCII stand in texts alone, so an escape can take their place.
fn ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped += &format!("\\u{unit:04x}");
            }
        }
    }
    escaped
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        w.write_all(b": ")
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(yes) => serializer.serialize_bool(*yes),
            Json::Number(number) => number.serialize(serializer),
            Json::Text(text) => serializer.serialize_str(text),
            Json::List(list) => list.serialize(serializer),
            Json::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.0.len()))?;
                for (key, value) in members.iter() {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, yes: bool) -> Result<Json, E> {
                Ok(Json::Bool(yes))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
                Ok(Json::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
                Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(text.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Json::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Json, A::Error> {
                members(map).map(Json::Object)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
