//! Documents: manifests, indexes and whatever else lists descriptors, read for what they refer to.
//!
//! A reader that decides what may be deleted must see every reference that any other tool sees. So
//! this one is not typed by media type: the members `config`, `layers`, `manifests`, `blobs`,
//! `fsLayers[].blobSum` and `subject` are followed wherever they stand, in any letter case (Go's
//! decoder ignores it), repeated or not, and members of an odd type are passed over instead of
//! failing the rest. A digest that breaks the grammar names no file that could be swept, and is
//! passed over too.
//!
//! Which blobs are documents at all is said by [`super::descriptor::classify`]; reading them is [`crate::snapshot`]'s.

use std::sync::Arc;

use super::descriptor::{
    CREATED_ANNOTATION, Class, Role, StrongestMediaType, classify, embedded, is_image_config,
    is_layer, may_be_left_out, read_platform,
};
use crate::json::read::{InvalidJson, Json, Text, Unexpected, ValueKind};
use crate::value::digest::Digest;
use crate::value::platform::Platform;
use crate::value::time::parse_created;

/// What a document is, by what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// It lists manifests.
    Index,
    /// It lists anything else.
    Manifest,
}

/// One reference from a document to a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Where in the document it stands.
    pub role: Role,
    /// Which blob.
    pub digest: Digest,
    /// Bytes that the descriptor promises; `None` when it is missing, negative or beyond 64 bits.
    pub size: Option<u64>,
    /// Whether that blob is a document itself.
    pub class: Class,
    /// Whether it is the config of an image.
    pub image_config: bool,
    /// Whether its media type is that of a layer.
    pub is_layer: bool,
    /// Whether an image is complete without it.
    pub may_be_left_out: bool,
    /// What an index says about it; few do.
    pub note: Option<Arc<EdgeNote>>,
    /// The blob itself, if the descriptor embeds it; few do.
    pub data: Option<Arc<[u8]>>,
}

/// What an index says about one of its manifests, where it says anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeNote {
    /// The declared platform.
    pub platform: Option<Platform>,
    /// The digest that BuildKit's attestation manifests say they are about.
    pub attests: Option<Digest>,
    /// The digest of the image whose layers a SOCI index speaks of.
    pub indexes: Option<Digest>,
    /// BuildKit's mark on attestation manifests, or its artifact type.
    pub attestation: bool,
}

impl EdgeNote {
    /// Whether it says nothing.
    fn is_empty(&self) -> bool {
        self.platform.is_none() && !self.is_about_another()
    }

    /// What it says that the manifest is about.
    pub fn about(&self) -> Option<&Digest> {
        self.attests.as_ref().or(self.indexes.as_ref())
    }

    /// Whether it says that the manifest is about another one, even if not about which.
    pub fn is_about_another(&self) -> bool {
        self.attestation || self.about().is_some()
    }

    /// Whether it says that the manifest is an attestation.
    pub fn is_attestation(&self) -> bool {
        self.attestation || self.attests.is_some()
    }
}

/// The artifact type of BuildKit's attestation manifests.
const ATTESTATION: &str = "application/vnd.docker.attestation.manifest.v1+json";

/// The annotation by which a SOCI index, or its descriptor, says what it is about.
const SOCI_IMAGE: &[u8] = b"com.amazon.soci.image-manifest-digest";

/// What a document holds, as far as the graph of blobs is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// All references, in their order, `subject` among them.
    pub children: Vec<Child>,
    /// Whether it has any of the members that documents have.
    pub has_references: bool,
    /// Whether such a member holds something else than descriptors: what is meant is unknown.
    pub is_odd: bool,
    /// When it was made, as its own annotation says.
    pub created: Option<jiff::Timestamp>,
    /// What its own annotation says that it is about; only SOCI indexes have one.
    pub about: Option<Digest>,
    /// Its own artifact type is that of attestations.
    pub is_attestation: bool,
}

/// Parses a document.
///
/// # Errors
/// It is not a JSON object.
pub fn parse(bytes: &[u8]) -> Result<Document, InvalidJson> {
    parse_into(bytes, Vec::new())
}

/// [`parse`], with an empty list that the references are put into: it may have been used before, and then
/// no room has to be made for them.
///
/// # Errors
/// As those of [`parse`].
pub fn parse_into(bytes: &[u8], mut children: Vec<Child>) -> Result<Document, InvalidJson> {
    children.reserve_exact(USUAL_CHILDREN);
    let mut document = Document {
        kind: DocumentKind::Manifest,
        children,
        has_references: false,
        is_odd: false,
        created: None,
        about: None,
        is_attestation: false,
    };
    let mut json = Json::careful(bytes);
    json.object(|json, key| document.member(json, key))
        .and_then(|()| json.end())
        .map_err(|unexpected| json.explained(unexpected))?;
    Ok(document)
}

/// Room for what most manifests list, so that it need not grow.
const USUAL_CHILDREN: usize = 12;

impl Document {
    fn member<'a>(&mut self, json: &mut Json<'a>, key: Text<'a>) -> Result<(), Unexpected> {
        if let Some(b"schemaVersion" | b"mediaType") = key.plain() {
            return json.skip();
        }
        let Some((_, role)) = MEMBERS.iter().find(|(name, _)| key.is_member(name)) else {
            if key.is_member("annotations") {
                return self.annotations(json);
            }
            if key.is_member("artifactType") {
                self.is_attestation = json.unicode()?.as_deref() == Some(ATTESTATION);
                return Ok(());
            }
            return json.skip();
        };
        let before = self.children.len();
        let listed = descriptors(json, *role, &mut self.children)?;
        let lists_manifests = *role == Role::Manifest && listed == Shape::List;
        if lists_manifests {
            self.kind = DocumentKind::Index;
        }
        self.has_references |= self.children.len() > before || lists_manifests;
        self.is_odd |= listed == Shape::Odd;
        Ok(())
    }

    fn annotations(&mut self, json: &mut Json<'_>) -> Result<(), Unexpected> {
        if json.kind()? != ValueKind::Object {
            return json.skip();
        }
        json.object(|json, name| {
            if *name.bytes() == *CREATED_ANNOTATION.as_bytes() {
                self.created = json.unicode()?.and_then(|text| parse_created(&text));
            } else if *name.bytes() == *SOCI_IMAGE {
                self.about = json.digest()?;
            } else {
                json.skip()?;
            }
            Ok(())
        })
    }
}

/// The members of documents that hold descriptors.
const MEMBERS: [(&str, Role); 6] = [
    ("config", Role::Config),
    ("layers", Role::Layer),
    ("manifests", Role::Manifest),
    ("subject", Role::Subject),
    ("blobs", Role::Blob),
    ("fsLayers", Role::Layer),
];

/// What stood where descriptors were expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Descriptor,
    List,
    Null,
    /// Anything else, here or in the list.
    Odd,
}

/// Reads a descriptor, a list of them, or something odd, which is passed over.
fn descriptors(
    json: &mut Json<'_>,
    role: Role,
    children: &mut Vec<Child>,
) -> Result<Shape, Unexpected> {
    match json.kind()? {
        ValueKind::Object => descriptor(json, role, children).map(|()| Shape::Descriptor),
        ValueKind::List => {
            let mut shape = Shape::List;
            json.list(|json| {
                let element = descriptors(json, role, children)?;
                if !matches!(element, Shape::Descriptor | Shape::Null) {
                    shape = Shape::Odd;
                }
                Ok(())
            })?;
            Ok(shape)
        }
        ValueKind::Null => json.skip().map(|()| Shape::Null),
        ValueKind::Text | ValueKind::Scalar => json.skip().map(|()| Shape::Odd),
    }
}

/// The members of a descriptor that are read.
#[derive(Clone, Copy)]
enum Field {
    MediaType,
    Digest,
    Size,
    Platform,
    Annotations,
    ArtifactType,
    Data,
    Other,
}

impl Field {
    /// The field that a key is to any of the tools that read layouts.
    #[inline]
    fn of(key: Text<'_>) -> Field {
        // As nearly everybody writes them; of a hundred thousand images there are millions.
        match key.plain() {
            Some(b"mediaType") => Field::MediaType,
            Some(b"digest") => Field::Digest,
            Some(b"size") => Field::Size,
            Some(b"platform") => Field::Platform,
            Some(b"annotations") => Field::Annotations,
            _ => Field::of_odd(key),
        }
    }

    fn of_odd(key: Text<'_>) -> Field {
        let named = FIELDS.iter().find(|(name, _)| key.is_member(name));
        named.map_or(Field::Other, |(_, field)| *field)
    }
}

const FIELDS: [(&str, Field); 8] = [
    ("mediaType", Field::MediaType),
    ("digest", Field::Digest),
    ("blobSum", Field::Digest),
    ("size", Field::Size),
    ("platform", Field::Platform),
    ("annotations", Field::Annotations),
    ("artifactType", Field::ArtifactType),
    ("data", Field::Data),
];

fn descriptor(
    json: &mut Json<'_>,
    role: Role,
    children: &mut Vec<Child>,
) -> Result<(), Unexpected> {
    // Of nearly all descriptors there is one of each, and no list is made.
    let (mut digest, mut more_digests) = (None, Vec::new());
    let mut media_type = StrongestMediaType::default();
    let mut size = None;
    let mut note = EdgeNote::default();
    let mut data: Option<&[u8]> = None;
    let (mut is_marked, mut has_type) = (false, false);
    json.object(|json, key| {
        match Field::of(key) {
            Field::MediaType => media_type.see(json.unicode()?, role),
            Field::Digest => {
                let found = json.digest()?;
                match digest {
                    None => digest = found,
                    Some(_) => more_digests.extend(found),
                }
            }
            Field::Size => size = json.whole_number()?,
            Field::Platform => note.platform = Some(read_platform(json)?),
            Field::Annotations => {
                (note.attests, note.indexes) = (None, None);
                is_marked = annotations(json, &mut note)?;
            }
            Field::ArtifactType => has_type = json.unicode()?.as_deref() == Some(ATTESTATION),
            Field::Data => data = Some(json.raw()?),
            Field::Other => json.skip()?,
        }
        Ok(())
    })?;
    let (class, media_type) = match &media_type.0 {
        Some((class, text)) => (*class, Some(&**text)),
        None => (classify(None, role), None),
    };
    note.attestation = is_marked || has_type;
    let note = (!note.is_empty()).then(|| Arc::new(note));
    for digest in digest.into_iter().chain(more_digests) {
        let data = data.and_then(|data| embedded(data, &digest, size));
        children.push(Child {
            role,
            digest,
            size,
            class,
            image_config: role == Role::Config && is_image_config(media_type),
            is_layer: media_type.is_some_and(is_layer),
            may_be_left_out: media_type.is_some_and(may_be_left_out),
            note: note.clone(),
            data,
        });
    }
    Ok(())
}

/// Reads the annotations by which a descriptor says what its manifest is about; the answer says whether
/// BuildKit's mark on attestation manifests is among them.
fn annotations(json: &mut Json<'_>, note: &mut EdgeNote) -> Result<bool, Unexpected> {
    let mut is_marked = false;
    if json.kind()? != ValueKind::Object {
        // A text as well: nobody reads it.
        json.other()?;
        return Ok(is_marked);
    }
    json.object(|json, key| {
        match &*key.bytes() {
            b"vnd.docker.reference.digest" => note.attests = json.digest()?,
            b"vnd.docker.reference.type" => {
                is_marked = json.unicode()?.as_deref() == Some("attestation-manifest");
            }
            name if name == SOCI_IMAGE => note.indexes = json.digest()?,
            _ => json.skip()?,
        }
        Ok(())
    })?;
    Ok(is_marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(fill: char) -> String {
        format!("sha256:{}", fill.to_string().repeat(64))
    }

    fn references(json: &str) -> Vec<(Role, String)> {
        parse(json.as_bytes())
            .unwrap()
            .children
            .into_iter()
            .map(|child| (child.role, child.digest.to_string()))
            .collect()
    }

    #[test]
    fn every_reference_of_every_kind_of_document_is_seen() {
        let (a, b, c, d) = (digest('a'), digest('b'), digest('c'), digest('d'));
        for (json, expected) in [
            (
                format!(
                    r#"{{"config":{{"digest":"{a}"}},"layers":[{{"digest":"{b}"}},{{"digest":"{c}"}}],"subject":{{"digest":"{d}"}}}}"#
                ),
                vec![
                    (Role::Config, &a),
                    (Role::Layer, &b),
                    (Role::Layer, &c),
                    (Role::Subject, &d),
                ],
            ),
            (
                format!(r#"{{"manifests":[{{"digest":"{a}"}},{{"digest":"{b}"}}]}}"#),
                vec![(Role::Manifest, &a), (Role::Manifest, &b)],
            ),
            (
                format!(r#"{{"blobs":[{{"digest":"{a}"}}]}}"#),
                vec![(Role::Blob, &a)],
            ),
            (
                format!(r#"{{"fsLayers":[{{"blobSum":"{a}"}}]}}"#),
                vec![(Role::Layer, &a)],
            ),
            // Go's decoder would see these.
            (
                format!(r#"{{"Layers":[{{"Digest":"{a}"}}],"layers":[{{"DIGEST":"{b}"}}]}}"#),
                vec![(Role::Layer, &a), (Role::Layer, &b)],
            ),
            // A repeated member hides nothing.
            (
                format!(
                    r#"{{"config":{{"digest":"{a}","digest":"{b}"}},"config":{{"digest":"{c}"}}}}"#
                ),
                vec![(Role::Config, &a), (Role::Config, &b), (Role::Config, &c)],
            ),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(r, d)| (r, d.clone())).collect();
            assert_eq!(references(&json), expected, "{json}");
        }
    }

    #[test]
    fn odd_members_are_passed_over_and_hide_nothing() {
        let a = digest('a');
        let json = format!(
            r#"{{"schemaVersion":2.5e9,"layers":[null,7,"x",[],{{"digest":[1]}},
            {{"digest":"sha256:../../x"}},{{"size":-1,"mediaType":{{}},"platform":7,
            "annotations":[3],"digest":"{a}"}}],"config":"no","manifests":null,"subject":[]}}"#
        );
        assert_eq!(references(&json), [(Role::Layer, a)]);
        assert!(parse(json.as_bytes()).unwrap().is_odd);
        assert!(
            !parse(br#"{"layers":null,"config":{"digest":""}}"#)
                .unwrap()
                .is_odd
        );
    }

    #[test]
    fn a_key_that_is_no_text_does_not_hide_the_rest() {
        let a = digest('a');
        let json = format!(
            r#"{{"annotations":{{"\ud800":"\udfff"}},"\ud800":1,"layers":[{{"digest":"{a}"}}]}}"#
        );
        assert_eq!(references(&json), [(Role::Layer, a)]);
    }

    /// FR16: the annotation of the document itself, and of nothing that it lists.
    #[test]
    fn a_document_says_when_it_was_made() {
        let a = digest('a');
        let other = format!(
            r#""layers":[{{"digest":"{a}","annotations":{{"{CREATED_ANNOTATION}":"2021-01-01T00:00:00Z"}}}}]"#
        );
        for (value, expected) in [
            (r#""2024-05-06T07:08:09Z""#, Some("2024-05-06T07:08:09Z")),
            (
                r#""2024-05-06T07:08:09+02:00""#,
                Some("2024-05-06T05:08:09Z"),
            ),
            (r#""yesterday""#, None),
            ("7", None),
            ("null", None),
        ] {
            let json =
                format!(r#"{{"annotations":{{"x":"y","{CREATED_ANNOTATION}":{value}}},{other}}}"#);
            let created = parse(json.as_bytes()).unwrap().created;
            assert_eq!(
                created,
                expected.map(|text| text.parse().unwrap()),
                "{json}"
            );
        }
        for annotations in ["null", "[]", "7", r#""x""#] {
            let json = format!(r#"{{"annotations":{annotations},{other}}}"#);
            assert_eq!(parse(json.as_bytes()).unwrap().created, None, "{json}");
        }
    }

    #[test]
    fn the_media_type_that_says_most_counts() {
        let a = digest('a');
        let json = format!(
            r#"{{"layers":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{a}",
            "MEDIATYPE":"application/vnd.oci.image.layer.v1.tar"}}]}}"#
        );
        assert_eq!(
            parse(json.as_bytes()).unwrap().children[0].class,
            Class::Document
        );
    }

    #[test]
    fn only_json_objects_are_documents() {
        for text in ["", "[]", "null", "{\"a\":1", "{} {}", "\u{1f}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(!parse(b"{\"a\":{\"digest\":\"x\"}}").unwrap().has_references);
    }
}
