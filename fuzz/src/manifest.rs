//! Manifests and whatever else lists descriptors: every reference that another reader sees is
//! seen, and none of them can lead out of the directory of blobs.

use ocirm::oci::config::ImageConfig;
use ocirm::oci::descriptor::{Class, Role, classify};
use ocirm::oci::manifest;
use ocirm::oci::manifest::{Document, DocumentKind};
use ocirm::value::digest::Digest;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Reads a document and compares it with what serde_json's own types say.
pub fn manifest(input: &[u8]) -> bool {
    ImageConfig::parse(input);
    let other = serde_json::from_slice::<Map<String, Value>>(input);
    let Ok(document) = manifest::parse(input) else {
        assert!(other.is_err(), "an object was refused");
        return false;
    };
    // Keys may hold control characters.
    if !input.iter().any(|byte| *byte < b' ') {
        let ignored = serde_json::from_slice::<IgnoredAny>(input);
        assert!(ignored.is_ok(), "what is no JSON was taken for it");
    }
    for child in &document.children {
        assert_safe(&child.digest);
        assert!(child.role != Role::Entry);
        assert!(document.has_references);
        if child.is_layer {
            assert_eq!(child.class, Class::Leaf);
        }
        if let Some(digest) = child.note.as_ref().and_then(|note| note.attests.as_ref()) {
            assert_safe(digest);
        }
    }
    if document.kind == DocumentKind::Index {
        assert!(document.has_references);
    }
    let spaced = [b" \n", input, b"\t\r\n"].concat();
    assert!(manifest::parse(&spaced).is_ok_and(|spaced| spaced == document));
    assert!(manifest::parse(&[input, b"}"].concat()).is_err());
    if let Ok(members) = other {
        assert_all_seen(&members, &document);
    }
    true
}

/// A digest makes a path of two names, and reads back as it was.
pub(crate) fn assert_safe(digest: &Digest) {
    let text = digest.to_string();
    assert_eq!(text.parse::<Digest>().as_ref(), Ok(digest));
    let encoded = digest.encoded();
    assert_eq!(text, format!("{}:{encoded}", digest.algorithm_name()));
    for name in [digest.algorithm_name(), encoded.as_str()] {
        assert!(!name.is_empty() && !name.starts_with('.'), "{text}");
        assert!(!name.contains(['/', '\\', '\0', ':']), "{text}");
        assert!(name.is_ascii(), "{text}");
    }
    if let Some(algorithm) = digest.algorithm() {
        assert_eq!(
            algorithm.digest_of_file_name(&encoded).as_ref(),
            Some(digest)
        );
    }
}

fn assert_all_seen(members: &Map<String, Value>, document: &Document) {
    for (key, value) in members {
        let role = match key.to_ascii_lowercase().as_str() {
            "manifests" => Role::Manifest,
            "layers" | "fslayers" => Role::Layer,
            "config" => Role::Config,
            "blobs" => Role::Blob,
            "subject" => Role::Subject,
            _ => continue,
        };
        let descriptors = match value {
            Value::Array(list) => list.as_slice(),
            other => std::slice::from_ref(other),
        };
        for descriptor in descriptors.iter().filter_map(Value::as_object) {
            let media_type = descriptor.get("mediaType").and_then(Value::as_str);
            let media_type = media_type.filter(|text| !text.is_empty());
            for name in ["digest", "blobSum"] {
                let text = descriptor.get(name).and_then(Value::as_str);
                let Some(digest) = text.and_then(|text| text.parse::<Digest>().ok()) else {
                    continue;
                };
                // Of several media types the one that says most counts, so it says no less.
                let is_it = |child: &manifest::Child| {
                    child.role == role
                        && child.digest == digest
                        && (media_type.is_none() || child.class >= classify(media_type, role))
                };
                assert!(document.children.iter().any(is_it), "{digest} was not seen");
            }
        }
    }
}
