//! What `crictl ps` says of containers.

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
        containers: Vec<&'a RawValue>,
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

/// Part of what `crictl ps` says of a container.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedContainer {
    id: String,
    image: Image,
    /// The digest of the config from containerd; a name with a digest, or the ID, from CRI-O.
    image_ref: Option<String>,
    image_id: Option<String>,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// What the runtime was given: an ID from the kubelet.
    image: Option<String>,
    /// What the kubelet was given.
    user_specified_image: Option<String>,
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
    container.finished()
}
