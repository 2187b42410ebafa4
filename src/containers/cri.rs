//! What `crictl ps` says of containers.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::container::{Container, InvalidContainers, given, is_running, read, reason};

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
    for (i, element) in read::<List<'_>>(value)?.containers.into_iter().enumerate() {
        let in_list = |error: InvalidContainers| error.inside(format_args!("container {}", i + 1));
        containers.push(container(element).map_err(in_list)?);
    }
    Ok(())
}

/// Reads one container.
pub(super) fn container(value: &RawValue) -> Result<Container, InvalidContainers> {
    read::<Listed>(value)?.container()
}

/// Part of what `crictl ps` says of a container.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
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

impl Listed {
    fn container(self) -> Result<Container, InvalidContainers> {
        if self.state.is_empty() {
            return Err(reason("its state is empty"));
        }
        let mut container = Container {
            id: self.id,
            running: is_running(self.state.trim_start_matches("CONTAINER_")),
            ..Container::default()
        };
        let texts = [
            given(&self.image.user_specified_image),
            given(&self.image.image),
            given(&self.image_ref),
            given(&self.image_id),
        ];
        container.add_digests(texts);
        container.set_reference(texts);
        container.finished()
    }
}
