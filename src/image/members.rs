//! Members of JSON objects, read so that no other reader sees more.
//!
//! Go's decoder, which most tools use, ignores the case of keys, takes keys that are no Unicode
//! text, and of repeated members the last. Whoever decides what may be deleted must see at least
//! what each of them sees.

use std::borrow::Cow;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Whether `key` is the member `name` to any of the tools that read layouts. Go's decoder ignores
/// case, so a reader that does not would see fewer references than others do.
pub(crate) fn is_member(key: impl AsRef<[u8]>, name: &str) -> bool {
    key.as_ref().eq_ignore_ascii_case(name.as_bytes())
}

/// The members of an object in order, repeated ones too.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, [u8]>, &'a RawValue)>);

impl<'de> de::Deserialize<'de> for Members<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Members<'de>, A::Error> {
                Err(de::Error::custom("a list"))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// A key, as bytes: one that is no Unicode text (`"\\ud800"`, which Go's decoder accepts) is a key
/// that nobody asks for, and must not make the rest unreadable.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, [u8]>);

impl<'de> de::Deserialize<'de> for Key<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(bytes)))
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(bytes.to_vec())))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text.as_bytes())))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.as_bytes().to_vec())))
            }
        }
        deserializer.deserialize_bytes(KeyVisitor)
    }
}
