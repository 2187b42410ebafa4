//! What `crictl ps` and `crictl inspect` say of containers.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::container::{
    Container, InvalidContainers, each_element, given, is_running, read, reason,
};

/// Reads a list of containers.
pub(super) fn list(
    value: &RawValue,
    containers: &mut Vec<Container>,
) -> Result<(), InvalidContainers> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        containers: &'a RawValue,
    }
    each_element(
        read::<List<'_>>(value)?.containers,
        "container",
        |element| {
            containers.push(container(element)?);
            Ok(())
        },
    )
}

/// Part of what `crictl ps` says of a container, and of what `crictl inspect` calls its status.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedContainer {
    id: String,
    image: Image,
    /// The digest of the config from containerd; a name with a digest, or the ID, from CRI-O.
    image_ref: Option<String>,
    image_id: Option<String>,
    state: String,
    mounts: Option<Vec<Mount>>,
}

/// A mount, and the image that is mounted, if it is one.
#[derive(Deserialize)]
struct Mount {
    image: Option<Image>,
}

/// Part of what `crictl inspect` says beside the status: what the runtime was asked for.
#[derive(Deserialize)]
struct Info {
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    mounts: Option<Vec<Mount>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// What the runtime was given: an ID from the kubelet.
    image: Option<String>,
    /// What the kubelet was given. The status has the member in one spelling, the config in the other.
    #[serde(alias = "user_specified_image")]
    user_specified_image: Option<String>,
}

/// Reads what `crictl inspect` says of one container.
pub(super) fn inspected(value: &RawValue) -> Result<Container, InvalidContainers> {
    #[derive(Deserialize)]
    struct Inspected<'a> {
        #[serde(borrow)]
        status: &'a RawValue,
        #[serde(borrow)]
        info: Option<&'a RawValue>,
    }
    let Inspected { status, info } = read(value)?;
    let mut container = container(status)?;
    // What runtimes say here differs, so what is not understood says nothing.
    let config = info.and_then(|info| read::<Info>(info).ok()?.config);
    add_mounts(&mut container, config.and_then(|config| config.mounts));
    Ok(container)
}

fn add_mounts(container: &mut Container, mounts: Option<Vec<Mount>>) {
    let images = mounts.into_iter().flatten().filter_map(|mount| mount.image);
    for image in images {
        for text in [&image.user_specified_image, &image.image] {
            if let Some(text) = given(text) {
                container.add_mount(text);
            }
        }
    }
}

/// Reads one container.
pub(super) fn container(value: &RawValue) -> Result<Container, InvalidContainers> {
    let listed: ListedContainer = read(value)?;
    if listed.state.is_empty() {
        return Err(reason("its state is empty"));
    }
    let mut container = Container {
        id: listed.id,
        running: is_running(listed.state.trim_start_matches("CONTAINER_")),
        ..Container::default()
    };
    let image = &listed.image;
    let texts = [
        &image.user_specified_image,
        &image.image,
        &listed.image_ref,
        &listed.image_id,
    ]
    .map(given);
    container.add_digests(texts);
    container.set_reference(texts);
    add_mounts(&mut container, listed.mounts);
    container.finished()
}
