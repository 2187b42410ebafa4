//! Names: what the two name annotations of an entry mean, decided once. What tools write into them
//! differs widely.

use std::sync::Arc;

use crate::oci::index::{DANGLING_PREFIX, Entry};
use crate::value::digest::{Algorithm, Digest};
use crate::value::reference::{Reference, parse_canonical};

/// The name of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A full Docker reference.
    Reference(Reference),
    /// A tag of the layout's own repository, which has no name: what umoci, oras, regctl and
    /// skopeo users mostly write.
    Tag(Arc<str>),
    /// A text that is neither, or that Docker would have written differently.
    Raw(Arc<str>),
    /// No name of its own.
    Dangling,
}

/// The record name of an entry. containerd's annotation is taken as it stands; the reference name
/// of the specification is read as a Docker reference if it looks like one, else it is a tag.
pub(super) fn name_of(entry: &Entry, digest: &Digest) -> Name {
    let Some(text) = entry.shared_name() else {
        return Name::Dangling;
    };
    let raw = || Name::Raw(text.clone());
    if let Some(rest) = text.strip_prefix(DANGLING_PREFIX) {
        return match *rest == *digest.to_string() {
            true => Name::Dangling,
            false => raw(),
        };
    }
    if entry.image_name.is_some() {
        return parse_canonical(text).map_or_else(raw, Name::Reference);
    }
    if text.contains(['/', ':', '@']) {
        let reference = Reference::parse(text).map(Reference::with_default_tag);
        return reference.map_or_else(|_| raw(), Name::Reference);
    }
    Name::Tag(text.clone())
}

/// What Docker would read a text as that it would have written differently.
pub fn meaning(text: &str) -> Option<Reference> {
    let is_reference = text.contains(['/', ':', '@']) && !text.starts_with(DANGLING_PREFIX);
    is_reference.then(|| Reference::parse(text).ok()).flatten()
}

/// The digest in a name of the tag schemas: `sha256-<hex>` of the distribution specification,
/// `sha256-<hex>.sig`, `.att`, `.sbom` of cosign.
pub(super) fn schema_subject(name: &Name) -> Option<Digest> {
    let tag = match name {
        Name::Tag(tag) => tag,
        Name::Reference(reference) => reference.tag()?,
        Name::Raw(_) | Name::Dangling => return None,
    };
    let (algorithm, rest) = tag.split_once('-')?;
    let hex = [".sig", ".att", ".sbom"]
        .iter()
        .find_map(|end| rest.strip_suffix(end))
        .unwrap_or(rest);
    // People write tags such as `3.19-alpine`, and a digest may name any algorithm; signatures are
    // made of those that can be computed. A tag holds at most 128 characters, so longer digests are
    // cut there; those match nothing.
    let mut known = Algorithm::ALL.into_iter();
    known
        .find(|known| known.name() == algorithm)?
        .digest_of_file_name(hex)
}

/// Whether a name is one that the tag schemas make for referrers, and not a person's choice.
pub fn is_referrer_tag(name: &Name) -> bool {
    schema_subject(name).is_some()
}

/// The digest that an entry's name says it is about, if it is one of those names.
pub fn named_subject(entry: &Entry) -> Option<Digest> {
    schema_subject(&name_of(entry, entry.digest.as_ref()?))
}

/// Whether a name may be one of those, and not a person's choice.
pub fn is_of_tag_schema(name: &str) -> bool {
    let tag = name.rsplit([':', '/']).next().unwrap_or(name);
    tag.len() > 32
        && tag.contains('-')
        && tag.bytes().filter(|b| b.is_ascii_hexdigit()).count() >= 32
}
