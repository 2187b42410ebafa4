//! Members of JSON objects, read so that no other reader sees more.
//!
//! Go's decoder, which most tools use, ignores the case of keys, takes keys that are no Unicode
//! text, and of repeated members the last. Whoever decides what may be deleted must see at least
//! what each of them sees.

use std::borrow::Cow;

use serde::Deserializer as _;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Whether `key` is the member `name` to any of the tools that read layouts. Go's decoder ignores
/// case, so a reader that does not would see fewer references than others do.
pub(crate) fn is_member(key: impl AsRef<[u8]>, name: &str) -> bool {
    key.as_ref().eq_ignore_ascii_case(name.as_bytes())
}

/// Calls `each` with the members of an object in order, repeated ones too. `false`: it is none.
pub(crate) fn each_member<'a>(
    text: &'a str,
    mut each: impl FnMut(Cow<'a, [u8]>, &'a RawValue),
) -> bool {
    struct MembersVisitor<F>(F);
    impl<'de, F: FnMut(Cow<'de, [u8]>, &'de RawValue)> Visitor<'de> for MembersVisitor<F> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(Key(key)) = map.next_key()? {
                (self.0)(key, map.next_value()?);
            }
            Ok(())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
            Err(de::Error::custom("a list"))
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(MembersVisitor(&mut each)).is_ok()
}

/// The text that a JSON value is, if it is one. Borrowed where nothing in it is escaped.
///
/// `json` was accepted by serde_json before.
pub(crate) fn text_of(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str::<String>(json).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
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
