//! The JSON documents of a layout, as text: configs, manifests, indexes, and rows of index.json.

use super::blob_store::{Blob, hex};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const SIGNATURE: &str = "application/vnd.example.signature.v1";

/// The first members of a descriptor, without the closing brace.
fn open_descriptor(media_type: &str, blob: Blob) -> String {
    let Blob { digest, size } = blob;
    let digest = hex(&digest);
    format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{digest}","size":{size}"#)
}

fn descriptor(media_type: &str, blob: Blob) -> String {
    open_descriptor(media_type, blob) + "}"
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

/// When image number `image` was made: each at another minute of the year 2024.
fn created(image: usize) -> String {
    let (hours, minute) = (image / 60, image % 60);
    let (days, hour) = (hours / 24, hours % 24);
    let (month, day) = (days / 28 % 12 + 1, days % 28 + 1);
    format!("2024-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z")
}

/// The config of an image for `linux/<architecture>`.
pub(super) fn config(image: usize, architecture: &str, layers: &[Blob]) -> String {
    let created = created(image);
    let diff_ids = joined(
        layers
            .iter()
            .map(|layer| format!(r#""sha256:{}""#, hex(&layer.digest))),
    );
    let history = joined((0..layers.len()).map(|step| {
        format!(
            r#"{{"created":"{created}","created_by":"RUN /bin/sh -c apk add --no-cache package-{step} # buildkit","comment":"buildkit.dockerfile.v0"}}"#
        )
    }));
    format!(
        r#"{{"created":"{created}","architecture":"{architecture}","os":"linux","config":{{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["/bin/sh"],"Labels":{{"org.example.number":"{image}"}}}},"rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}},"history":[{history}]}}"#
    )
}

/// The manifest of an image for one platform.
pub(super) fn manifest(config: Blob, layers: &[Blob]) -> String {
    let config = descriptor(CONFIG, config);
    let layers = joined(layers.iter().map(|layer| descriptor(LAYER, *layer)));
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layers}]}}"#
    )
}

/// What an attestation says about image number `image`.
pub(super) fn statement(image: usize, architecture: &str) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2","subject":[{{"name":"image-{image}"}}],"predicate":{{"platform":"linux/{architecture}"}}}}"#
    )
}

/// The config of an attestation, as BuildKit writes it.
pub(super) fn attestation_config(statement: Blob) -> String {
    let digest = hex(&statement.digest);
    format!(
        r#"{{"architecture":"unknown","os":"unknown","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}}}}"#
    )
}

/// The manifest of an attestation.
pub(super) fn attestation(config: Blob, statement: Blob) -> String {
    let config = descriptor(CONFIG, config);
    let layer = descriptor(IN_TOTO, statement);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layer}]}}"#
    )
}

/// One entry of an image's index: its manifest for a platform.
pub(super) fn platform_entry(manifest: Blob, architecture: &str) -> String {
    let open = open_descriptor(MANIFEST, manifest);
    format!(r#"{open},"platform":{{"architecture":"{architecture}","os":"linux"}}}}"#)
}

/// One entry of an image's index: an attestation of another entry.
pub(super) fn attestation_entry(attestation: Blob, about: Blob) -> String {
    let open = open_descriptor(MANIFEST, attestation);
    let about = hex(&about.digest);
    format!(
        r#"{open},"annotations":{{"vnd.docker.reference.digest":"sha256:{about}","vnd.docker.reference.type":"attestation-manifest"}},"platform":{{"architecture":"unknown","os":"unknown"}}}}"#
    )
}

/// The index of a multi-platform image, and index.json itself.
pub(super) fn index<'a>(entries: impl Iterator<Item = &'a str>) -> String {
    let mut text = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":["#);
    let start = text.len();
    for entry in entries {
        if text.len() > start {
            text.push(',');
        }
        text.push_str(entry);
    }
    text.push_str("]}");
    text
}

/// The manifest of a signature: an artifact with a subject.
pub(super) fn signature(empty: Blob, content: Blob, media_type: &str, subject: Blob) -> String {
    let config = descriptor(EMPTY, empty);
    let layer = descriptor("application/octet-stream", content);
    let subject = descriptor(media_type, subject);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"{SIGNATURE}","config":{config},"layers":[{layer}],"subject":{subject}}}"#
    )
}

/// A row of index.json.
pub(super) fn row(media_type: &str, blob: Blob, name: Option<&str>) -> String {
    let open = open_descriptor(media_type, blob);
    match name {
        Some(name) => format!(r#"{open},"annotations":{{"{REF_NAME}":"{name}"}}}}"#),
        None => open + "}",
    }
}

/// The row of a signature.
pub(super) fn signature_row(blob: Blob) -> String {
    let open = open_descriptor(MANIFEST, blob);
    format!(r#"{open},"artifactType":"{SIGNATURE}"}}"#)
}
