//! The two forms of an image name that the tests need: what an exporter writes, and what a person reads.

/// The annotation in which containerd and BuildKit put the full name of an entry.
pub(crate) const NAME: &str = "io.containerd.image.name";

/// The annotation of the specification: a tag, or whatever else the writer found useful.
pub(crate) const REF: &str = "org.opencontainers.image.ref.name";

/// The name of an entry that lost its last name starts so; its own digest follows.
pub(crate) const DANGLING: &str = "moby-dangling@";

/// A name as Docker shows it: without the registry and the folder that everybody leaves out.
pub(crate) fn familiar(name: &str) -> &str {
    let Some(on_hub) = name.strip_prefix("docker.io/") else {
        return name;
    };
    match on_hub.strip_prefix("library/") {
        Some(official) if !official.contains('/') => official,
        _ => on_hub,
    }
}

/// What containerd's exporter puts beside the full name: the tag, with the digest if there is one; the whole name
/// if it has no tag or does not start with a host.
pub(crate) fn ref_name(name: &str) -> &str {
    let Some((host, path)) = name.split_once('/') else {
        return name;
    };
    let Some(at) = path.find([':', '@']) else {
        return name;
    };
    let tag = &path[at + 1..];
    if path[at..].starts_with(':') && !tag.is_empty() && is_host(host) {
        tag
    } else {
        name
    }
}

fn is_host(text: &str) -> bool {
    let (domain, port) = match text.split_once(':') {
        Some((domain, port)) => (domain, Some(port)),
        None => (text, None),
    };
    !domain.is_empty()
        && domain
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// The first twelve digits of a digest with its algorithm: enough to tell the images of one test apart.
pub(crate) fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}
