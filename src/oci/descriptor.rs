//! Descriptors: what all references from a document to a blob have in common, wherever they stand.
//!
//! What a media type says about the blob, which of several media types counts, the platform, and the
//! text of a descriptor that is to lead elsewhere. Whole documents are read in [`super::manifest`]
//! and [`super::index`].

use std::borrow::Cow;
use std::sync::Arc;

use oci_spec::image::MediaType;

use crate::json::edit::{self, PartFate};
use crate::json::read::{Json, Text, Unexpected, ValueKind, is_member};
use crate::value::digest::{Algorithm, Digest};
use crate::value::platform::Platform;

/// When the image was made, or put here, as RFC 3339: an annotation of entries of index.json, of
/// manifests and of indexes.
pub const CREATED_ANNOTATION: &str = "org.opencontainers.image.created";

/// Where in a document a descriptor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// An entry of index.json.
    Entry,
    /// `manifests[]` of an index. BuildKit's caches list plain layers there.
    Manifest,
    /// `config` of a manifest.
    Config,
    /// `layers[]` or `fsLayers[]` of a manifest.
    Layer,
    /// `blobs[]` of an artifact manifest.
    Blob,
    /// `subject`: what a referrer refers to.
    Subject,
}

/// What a descriptor's media type says about the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Bytes that refer to nothing.
    Leaf,
    /// Nobody knows. If it is JSON that lists descriptors, they count. If it cannot be read, or is not
    /// what it should be, it may be a document all the same, unless it begins like something else.
    Perhaps,
    /// Nobody knows, and it stands where manifests stand: as `Perhaps`, but whatever is not what it
    /// should be may have been a manifest, however it begins.
    Probably,
    /// A manifest or index. It must parse.
    Document,
}

const DOCKER_MANIFESTS: [&str; 6] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.oci.artifact.manifest.v1+json",
    "application/vnd.cncf.oras.artifact.manifest.v1+json",
];

/// The list of layers in BuildKit's caches; the index or manifest around it lists them as well.
const CACHE_CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";

/// JSON that is content and not structure: as a layer it is not worth reading.
const JSON_CONTENT: [&str; 7] = [
    "application/vnd.in-toto+json",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.cyclonedx+json",
    "application/spdx+json",
    "text/spdx+json",
    "application/vnd.cncf.helm.config.v1+json",
];

/// Says whether the blob of a descriptor has to be read to know what it refers to.
pub fn classify(media_type: Option<&str>, role: Role) -> Class {
    // Where manifests stand, what nobody knows may well be one; elsewhere it hardly is.
    let unknown = match role {
        Role::Entry | Role::Manifest | Role::Subject => Class::Probably,
        Role::Config | Role::Layer | Role::Blob => Class::Perhaps,
    };
    let Some(text) = media_type else {
        return unknown;
    };
    // The library makes a text of its own of what it does not know, and of what it does compares
    // all; nearly everything is one of these.
    match text {
        "application/vnd.oci.image.manifest.v1+json"
        | "application/vnd.oci.image.index.v1+json" => return Class::Document,
        "application/vnd.oci.image.config.v1+json"
        | "application/vnd.oci.image.layer.v1.tar+gzip"
        | "application/vnd.oci.image.layer.v1.tar" => return Class::Leaf,
        _ => {}
    }
    match MediaType::from(text) {
        MediaType::ImageManifest | MediaType::ImageIndex | MediaType::ArtifactManifest => {
            return Class::Document;
        }
        MediaType::ImageConfig
        | MediaType::EmptyJSON
        | MediaType::ImageLayer
        | MediaType::ImageLayerGzip
        | MediaType::ImageLayerZstd
        | MediaType::ImageLayerNonDistributable
        | MediaType::ImageLayerNonDistributableGzip
        | MediaType::ImageLayerNonDistributableZstd => return Class::Leaf,
        _ => {}
    }
    // Parameters (`; charset=utf-8`) do not change what it is.
    let base = text.split(';').next().unwrap_or(text).trim();
    if DOCKER_MANIFESTS.contains(&base) {
        return Class::Document;
    }
    if is_image_config(Some(base)) || base == CACHE_CONFIG || is_layer(base) {
        return Class::Leaf;
    }
    let is_content = JSON_CONTENT.contains(&base)
        || ["+gzip", "+zstd", "+encrypted", ".tar"]
            .iter()
            .any(|end| base.ends_with(end));
    match unknown {
        Class::Perhaps if is_content => Class::Leaf,
        unknown => unknown,
    }
}

/// Whether this is the media type of an image's layer.
pub(super) fn is_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.")
}

/// Whether this is the media type of a layer that may lie elsewhere than beside its manifest: the
/// licence of some base images forbids to distribute it, and tools leave it out of copies.
pub(super) fn may_be_left_out(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
}

/// Whether a config of this media type is an image's, with platform, date and labels. Others must
/// not be parsed (`manifest.md` of the specification).
pub fn is_image_config(media_type: Option<&str>) -> bool {
    matches!(
        media_type,
        Some(
            "application/vnd.oci.image.config.v1+json"
                | "application/vnd.docker.container.image.v1+json"
        )
    )
}

/// Of the media types that a descriptor names, the one that says most, and what it says: readers
/// disagree on which of several counts. An empty one is none.
#[derive(Default)]
pub(super) struct StrongestMediaType<'a>(pub(super) Option<(Class, Cow<'a, str>)>);

impl<'a> StrongestMediaType<'a> {
    /// Takes note of one.
    pub(super) fn see(&mut self, text: Option<Cow<'a, str>>, role: Role) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let class = classify(Some(&text), role);
            if self.0.as_ref().is_none_or(|(before, _)| *before <= class) {
                self.0 = Some((class, text));
            }
        }
    }
}

/// Reads a JSON value as the `platform` of a descriptor; `None` if it is no JSON. A member that is
/// missing or of another type is empty: a platform that nobody understands must not keep an image from
/// being listed or removed.
pub fn platform_of_json(text: &[u8]) -> Option<Platform> {
    let mut json = Json::new(text);
    let platform = read_platform(&mut json).ok()?;
    json.end().is_ok().then_some(platform)
}

/// Reads the `platform` of an entry. One that is no object says nothing.
pub(super) fn read_platform(json: &mut Json<'_>) -> Result<Platform, Unexpected> {
    let mut platform = Platform::default();
    if json.kind()? == ValueKind::Object {
        json.object(|json, key| platform_member(&mut platform, json, key))?;
    } else {
        json.other()?;
    }
    Ok(platform)
}

/// Reads or skips a member of a platform, or of the config that says it. Of two of one name the
/// last one counts, as in most readers of JSON; one of an odd type is as good as missing.
pub(super) fn platform_member(
    platform: &mut Platform,
    json: &mut Json<'_>,
    key: Text<'_>,
) -> Result<(), Unexpected> {
    let text = |json: &mut Json<'_>| {
        let text = json.unicode()?.filter(|text| !text.is_empty());
        Ok(text.map(|text| match text.len() <= LONGEST_PLATFORM {
            true => text.into_owned(),
            false => stand_in(text.as_bytes()),
        }))
    };
    match &*key.bytes() {
        b"os" => platform.os = text(json)?.unwrap_or_default(),
        b"architecture" => platform.architecture = text(json)?.unwrap_or_default(),
        b"variant" => platform.variant = text(json)?,
        b"os.version" => platform.os_version = text(json)?,
        b"os.features" => {
            platform.os_features = match json.raw()? {
                long if long.len() > LONGEST_PLATFORM => vec![stand_in(long)],
                list => {
                    let features = json.again(list).texts()?.into_iter().flatten();
                    features.filter(|text| !text.is_empty()).collect()
                }
            };
        }
        _ => json.skip()?,
    }
    Ok(())
}

/// The longest part of a platform, in bytes, that is held as it is. Nobody writes longer ones, and held
/// as lists and texts again and again they would take many times the memory of their document.
const LONGEST_PLATFORM: usize = 4096;

/// What stands for a part of a platform that is too long: its digest, so that it is still equal to
/// itself, and to nothing else.
fn stand_in(part: &[u8]) -> String {
    Algorithm::Sha256.hash(part).to_string()
}

/// The blob of a descriptor, embedded in it as its member `data`: `value` is that member as it
/// stands. `None`: it is no base64, or not the blob that the descriptor promises, and as good as
/// missing.
pub(super) fn embedded(value: &[u8], digest: &Digest, size: Option<u64>) -> Option<Arc<[u8]>> {
    let text: Cow<'_, str> = serde_json::from_slice(value).ok()?;
    let bytes = from_base64(text.as_bytes())?;
    let is_blob = size.is_none_or(|size| size == bytes.len() as u64)
        && digest.algorithm()?.hash(&bytes) == *digest;
    is_blob.then(|| bytes.into())
}

/// What a text in base64 stands for (RFC 4648, the alphabet with `+` and `/`, padded).
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"=").unwrap_or(text);
    let digits = digits.strip_suffix(b"=").unwrap_or(digits);
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut word = 0_u32;
        for place in 0..4 {
            let value = match group.get(place) {
                None => 0,
                Some(digit @ b'A'..=b'Z') => digit - b'A',
                Some(digit @ b'a'..=b'z') => digit - b'a' + 26,
                Some(digit @ b'0'..=b'9') => digit - b'0' + 52,
                Some(b'+') => 62,
                Some(b'/') => 63,
                Some(_) => return None,
            };
            word = word << 6 | u32::from(value);
        }
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bytes.extend_from_slice(&word.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

/// The text of a descriptor with another digest and size.
pub(crate) fn retargeted(descriptor: &str, digest: &Digest, size: u64) -> String {
    edit::edit_parts(descriptor, |_, member| {
        let key = member.key(descriptor);
        if is_member(&key, "digest") {
            member.with_value(descriptor, &format!("\"{digest}\""))
        } else if is_member(&key, "size") {
            member.with_value(descriptor, &size.to_string())
        } else if is_member(&key, "data") {
            // The old blob itself, embedded.
            PartFate::Drop
        } else {
            PartFate::Keep
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux_amd64() -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            ..Platform::default()
        }
    }

    #[test]
    fn a_platform_is_read_from_entries_and_configs_whatever_they_hold() {
        let full = Platform {
            os: "windows".to_owned(),
            architecture: "amd64".to_owned(),
            variant: Some("v2".to_owned()),
            os_version: Some("10.0.20348.1".to_owned()),
            os_features: vec!["win32k".to_owned(), "b".to_owned()],
        };
        for (json, expected) in [
            (
                r#"{"architecture":"amd64","os":"windows","os.version":"10.0.20348.1",
                    "os.features":["win32k","b"],"variant":"v2","features":["x"]}"#,
                full.clone(),
            ),
            (
                r#"{"created":"2024-01-01T00:00:00Z","config":{"os":"no","Labels":{"a":"b"}},
                    "rootfs":{"type":"layers","diff_ids":["x"]},"history":[{"os":"no"}],
                    "architecture":"amd64","os":"linux"}"#,
                linux_amd64(),
            ),
            (
                r#"{"os":"a","os":"linux","architecture":"amd64"}"#,
                linux_amd64(),
            ),
            (
                r#"{"\u006fs":"li\u006eux","architecture":"amd64"}"#,
                linux_amd64(),
            ),
            (
                r#"{"os":"linux","architecture":"amd64","variant":"","os.version":"",
                    "os.features":[]}"#,
                linux_amd64(),
            ),
            (
                r#"{"os":"linux","architecture":"amd64","variant":8,"os.version":10.0,
                    "os.features":"gpu"}"#,
                linux_amd64(),
            ),
            (
                r#"{"os":["linux"],"architecture":{"os":"linux"},"variant":null,
                    "os.version":true,"os.features":{"a":["b"]}}"#,
                Platform::default(),
            ),
            (
                r#"{"os.features":[1,null,["a",{"b":[]}],{"os":"c"},"gpu",""]}"#,
                Platform {
                    os_features: vec!["gpu".to_owned()],
                    ..Platform::default()
                },
            ),
            (
                r#"{"os":-1,"architecture":18446744073709551615}"#,
                Platform::default(),
            ),
            ("{}", Platform::default()),
            ("null", Platform::default()),
            ("\"linux\"", Platform::default()),
            ("[{\"os\":\"linux\"}]", Platform::default()),
            ("1e3", Platform::default()),
            ("false", Platform::default()),
        ] {
            let platform = platform_of_json(json.as_bytes()).unwrap();
            assert_eq!(platform, expected, "{json}");
        }
        assert!(platform_of_json(b"{\"os\":").is_none());
    }

    /// FR32: a long part is told apart from others, and is not held.
    #[test]
    fn a_long_part_of_a_platform_is_held_as_its_digest() {
        let read = |os: &str, features: &str| {
            let json = format!(r#"{{"os":"{os}","os.features":[{features}]}}"#);
            platform_of_json(json.as_bytes()).unwrap()
        };
        let long = "a".repeat(LONGEST_PLATFORM);
        assert_eq!(read(&long, "").os, long);
        let longer = read(&format!("{long}a"), "");
        assert_eq!(longer.os.len(), 71);
        assert_ne!(longer, read(&format!("{long}b"), ""));
        let list = |feature: &str| [feature; 3000].join(",");
        let many = read("linux", &list("\"a\""));
        assert_eq!(many.os_features.len(), 1);
        assert_eq!(many, read("linux", &list("\"a\"")));
        assert_ne!(many, read("linux", &list("\"b\"")));
        assert_eq!(read("linux", &list("7")).os_features.len(), 1);
    }

    /// FR15: what is embedded counts only if it is the blob.
    #[test]
    fn an_embedded_blob_counts_if_it_is_the_one_that_is_promised() {
        for (text, bytes) in [
            (r#""""#, Some("")),
            (r#""e30=""#, Some("{}")),
            (r#""YWI=""#, Some("ab")),
            (r#""YWJj""#, Some("abc")),
            (r#""Pz8\/""#, Some("???")),
            (r#""YQ==""#, Some("a")),
            (r#""YQ""#, None),
            (r#""YQ=""#, None),
            (r#""Y""#, None),
            (r#""Y===""#, None),
            (r#""YW!=""#, None),
            ("7", None),
            ("null", None),
            (r#"["e30="]"#, None),
        ] {
            let digest = Algorithm::Sha512.hash(bytes.unwrap_or("a").as_bytes());
            let found = embedded(text.as_bytes(), &digest, None);
            assert_eq!(found.as_deref(), bytes.map(str::as_bytes), "{text}");
        }
        let digest = Algorithm::Sha256.hash(b"{}");
        assert!(embedded(br#""e30=""#, &digest, Some(2)).is_some());
        assert!(embedded(br#""e30=""#, &digest, Some(3)).is_none());
        assert!(embedded(br#""YWI=""#, &digest, None).is_none());
    }

    #[test]
    fn media_types_say_what_must_be_read() {
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        for (media_type, role, class) in [
            (Some(manifest), Role::Entry, Class::Document),
            (Some(manifest), Role::Layer, Class::Document),
            (Some(DOCKER_MANIFESTS[1]), Role::Manifest, Class::Document),
            (None, Role::Entry, Class::Probably),
            (None, Role::Config, Class::Perhaps),
            (Some("application/xml"), Role::Entry, Class::Probably),
            (
                Some("application/octet-stream"),
                Role::Entry,
                Class::Probably,
            ),
            (Some("application/x.tar"), Role::Manifest, Class::Probably),
            (Some("application/x.tar"), Role::Layer, Class::Leaf),
            (
                Some("application/vnd.acme.bundle"),
                Role::Layer,
                Class::Perhaps,
            ),
            (Some("application/vnd.x+json"), Role::Config, Class::Perhaps),
            (
                Some("application/vnd.oci.image.layer.v1.tar+zstd"),
                Role::Manifest,
                Class::Leaf,
            ),
            (
                Some("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
                Role::Layer,
                Class::Leaf,
            ),
            (Some(CACHE_CONFIG), Role::Manifest, Class::Leaf),
        ] {
            assert_eq!(classify(media_type, role), class, "{media_type:?} {role:?}");
        }
    }
}
