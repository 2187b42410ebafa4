//! What `docker inspect`, `docker ps` and Docker's API say of a container, and podman and nerdctl, which
//! print the same members with other things in them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::container::{Container, InvalidContainers, given, is_running, read, reason};
use crate::oci::descriptor::platform_of_json;
use crate::value::platform::Platform;

/// Part of what `docker inspect`, `podman inspect` and `nerdctl inspect` say of a container.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    state: State,
    /// The ID of the image: with an algorithm from Docker, without one from podman. From nerdctl it
    /// is the name.
    image: String,
    /// What podman has for the name.
    image_name: Option<String>,
    /// What podman has for the digest of the manifest.
    image_digest: Option<String>,
    image_manifest_descriptor: Option<Descriptor>,
    config: Option<Config>,
    mounts: Option<Vec<Mount>>,
    host_config: Option<HostConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: Option<String>,
    running: Option<bool>,
    paused: Option<bool>,
    restarting: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    image: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    mounts: Option<Vec<Mount>>,
}

/// A mount that took place, and in `HostConfig` one that was asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    r#type: Option<String>,
    /// Of a mounted image what the user gave, from Docker.
    name: Option<String>,
    /// Of a mounted image what the user gave, from podman and in what was asked for; the directory
    /// with its files, from Docker.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Box<RawValue>>,
}

/// Reads what `inspect` says of one container.
pub(super) fn inspected(value: &RawValue) -> Result<Container, InvalidContainers> {
    let inspected: Inspected = read(value)?;
    let state = &inspected.state;
    let running = if [state.running, state.paused, state.restarting].contains(&Some(true)) {
        true
    } else if let Some(status) = given(&state.status) {
        is_running(status)
    } else if state.running.is_some() {
        false
    } else {
        return Err(reason("its state does not say whether it is running"));
    };
    let mut container = Container {
        id: inspected.id,
        running,
        ..Container::default()
    };
    let typed = inspected
        .config
        .as_ref()
        .and_then(|config| given(&config.image));
    container.add_digests([
        Some(inspected.image.as_str()),
        inspected.image_digest.as_deref(),
        given(&inspected.image_name),
        typed,
    ]);
    if let Some(descriptor) = inspected.image_manifest_descriptor {
        container.add_descriptor(descriptor);
    }
    // What was typed stays, even if it is an ID: `prune` asks whether it was.
    match typed {
        Some(typed) => container.reference = Some(typed.to_owned()),
        None => container.set_reference([given(&inspected.image_name), Some(&inspected.image)]),
    }
    let asked = inspected.host_config.and_then(|config| config.mounts);
    let mounts = inspected.mounts.into_iter().chain(asked).flatten();
    container.add_mounts(mounts)?;
    container.finished()
}

impl Container {
    fn add_descriptor(&mut self, descriptor: Descriptor) {
        self.add_digests([Some(descriptor.digest.as_str())]);
        self.platform = descriptor
            .platform
            .and_then(|text| platform_of_json(text.get().as_bytes()))
            .filter(|platform| !platform.is_unknown());
    }

    /// Adds the images among the mounts.
    fn add_mounts(
        &mut self,
        mounts: impl IntoIterator<Item = Mount>,
    ) -> Result<(), InvalidContainers> {
        let mut has_images = false;
        let is_image = |mount: &Mount| {
            let kind = mount.r#type.as_deref();
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case("image"))
        };
        for mount in mounts.into_iter().filter(is_image) {
            has_images = true;
            let source = given(&mount.source).filter(|source| !source.starts_with('/'));
            if let Some(image) = given(&mount.name).or(source) {
                self.add_mount(image);
            }
        }
        if has_images && self.mounts.is_empty() {
            return Err(reason("it has a mounted image without a name"));
        }
        Ok(())
    }
}

/// Part of what `docker ps`, `podman ps` and `nerdctl ps` say of a container, and what Docker's API
/// says when it is asked for a list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedContainer {
    #[serde(alias = "ID")]
    id: String,
    /// What the user typed. Once that means another image Docker has the ID here, cut to 12 digits
    /// unless there is `--no-trunc`.
    image: String,
    /// From podman and from Docker's API.
    #[serde(rename = "ImageID")]
    image_id: Option<String>,
    image_manifest_descriptor: Option<Descriptor>,
    /// One word. nerdctl has none.
    state: Option<String>,
    /// A phrase for people. podman's is empty at times.
    status: Option<String>,
    /// A text from nerdctl, an object from Docker.
    platform: Option<Box<RawValue>>,
    mounts: Option<ListedMounts>,
    /// How many of the mounts are ordinary volumes, from Docker.
    local_volumes: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListedMounts {
    /// Docker's: the names of all, whatever they are, with commas.
    Names(String),
    List(Vec<ListedMount>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListedMount {
    /// The place inside the container is all that older versions of podman say.
    Destination(String),
    Mount(Mount),
}

/// Reads what `ps` says of one container.
pub(super) fn listed(value: &RawValue) -> Result<Container, InvalidContainers> {
    let listed: ListedContainer = read(value)?;
    let Some(state) = given(&listed.state).or(given(&listed.status)) else {
        return Err(reason("its state is empty"));
    };
    let mut container = Container {
        running: is_running(state),
        ..Container::default()
    };
    container.add_digests([Some(listed.image.as_str()), listed.image_id.as_deref()]);
    container.platform = match &listed.platform {
        Some(value) if value.get().starts_with('"') => {
            let text: String = read(value)?;
            // A word alone would be completed with what this machine is.
            let is_whole = text.contains('/');
            let parsed = is_whole.then(|| Platform::parse(&text, &Platform::host()));
            parsed.and_then(Result::ok)
        }
        Some(value) => platform_of_json(value.get().as_bytes()),
        None => None,
    }
    .filter(|platform| !platform.is_unknown());
    if let Some(descriptor) = listed.image_manifest_descriptor {
        container.add_descriptor(descriptor);
    }
    container.set_reference([Some(listed.image.as_str())]);
    match listed.mounts {
        Some(ListedMounts::Names(names)) => {
            let volumes = listed.local_volumes.and_then(|count| count.parse().ok());
            for image in images_among(&names, volumes.unwrap_or(0))? {
                container.add_mount(image);
            }
        }
        Some(ListedMounts::List(mounts)) => {
            let mut described = Vec::new();
            for mount in mounts {
                match mount {
                    ListedMount::Mount(mount) => described.push(mount),
                    ListedMount::Destination(place) if place.starts_with('/') => {}
                    ListedMount::Destination(other) => container.add_mount(&other),
                }
            }
            container.add_mounts(described)?;
        }
        None => {}
    }
    container.id = listed.id;
    container.finished()
}

/// The mounted images among the names of all mounts, where `volumes` of them are ordinary volumes.
///
/// A directory begins with a slash, and the name of a volume has neither slash nor colon. Any other
/// name may be an image's, if there are more of them than volumes.
fn images_among(names: &str, volumes: usize) -> Result<Vec<&str>, InvalidContainers> {
    let (mut images, plain): (Vec<&str>, Vec<&str>) = names
        .split(',')
        .filter(|name| !(name.is_empty() || name.starts_with('/') || name.contains('\\')))
        .partition(|name| name.contains([':', '/', '@']));
    if plain.len() > volumes {
        images.extend(plain);
    }
    if images.iter().any(|name| name.ends_with('…')) {
        return Err(reason(
            "the name of a mounted image may be cut short; list it with --no-trunc",
        ));
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inspected_runs_unless_all_says_that_it_does_not() {
        for (state, running) in [
            (r#"{"Running":true}"#, true),
            (r#"{"Running":false}"#, false),
            (r#"{"Running":false,"Status":"exited"}"#, false),
            (r#"{"Running":false,"Status":"unknown"}"#, true),
            (r#"{"Running":false,"Paused":true,"Status":"exited"}"#, true),
            (r#"{"Restarting":true,"Status":"exited"}"#, true),
            (r#"{"Status":"paused"}"#, true),
        ] {
            let text = format!(r#"{{"Id":"c1","Image":"","State":{state}}}"#);
            let value: &RawValue = serde_json::from_str(&text).unwrap();
            assert_eq!(inspected(value).unwrap().running, running, "{text}");
        }
    }

    #[test]
    fn mounted_images_are_found_among_names_of_all_mounts() {
        for (names, volumes, images) in [
            ("", 0, &[][..]),
            ("/srv/web,/srv/shop:x", 0, &[]),
            ("web-data,other", 2, &[]),
            ("web-data,shop:2", 1, &["shop:2"]),
            (
                "registry.example/shop,sha256:a1",
                0,
                &["registry.example/shop", "sha256:a1"],
            ),
            // One of them is no volume, and nobody knows which.
            ("web,web-data", 1, &["web", "web-data"]),
            ("a-very-long-na…,/a/long/direct…", 1, &[]),
        ] {
            assert_eq!(images_among(names, volumes).unwrap(), images, "{names}");
        }
        for names in ["a-very-long-na…", "registry.exam/…"] {
            let error = images_among(names, 0).unwrap_err();
            assert!(error.to_string().contains("--no-trunc"), "{error}");
        }
    }
}
