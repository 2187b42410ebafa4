//! What `kubectl get pods` and the API of Kubernetes say of the containers of pods.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::container::{Container, InvalidContainers, each_element, given, read, reason};

/// Part of an object of Kubernetes: a pod, or a list of pods.
#[derive(Deserialize)]
struct Kind<'a> {
    kind: Option<String>,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
}

/// Reads a pod, or a list of pods.
pub(super) fn pods(
    value: &RawValue,
    containers: &mut Vec<Container>,
) -> Result<(), InvalidContainers> {
    let Kind { kind, items } = read(value)?;
    let kind = kind.as_deref().unwrap_or_default();
    if kind == "Pod" {
        return read::<Pod>(value)?.containers(containers);
    }
    if kind != "List" && kind != "PodList" {
        let kind: String = kind.chars().take(60).collect();
        return Err(reason(format!(
            "it is of the kind `{}`, not a pod",
            kind.escape_debug()
        )));
    }
    let items = items.ok_or_else(|| reason("it has no items"))?;
    each_element(items, "item", |item| {
        // Straight from the API, pods in a list of pods do not repeat that they are pods.
        let is_pod = match read::<Kind<'_>>(item)?.kind {
            Some(own) => own == "Pod",
            None => kind == "PodList",
        };
        match is_pod {
            true => read::<Pod>(item)?.containers(containers),
            false => Err(reason("it is not a pod")),
        }
    })
}

#[derive(Deserialize)]
struct Pod {
    metadata: PodMetadata,
    spec: PodSpec,
    status: Option<PodStatus>,
}

#[derive(Deserialize)]
struct PodMetadata {
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    containers: Vec<PodContainer>,
    init_containers: Option<Vec<PodContainer>>,
    ephemeral_containers: Option<Vec<PodContainer>>,
    volumes: Option<Vec<Volume>>,
}

#[derive(Deserialize)]
struct PodContainer {
    name: String,
    image: Option<String>,
}

#[derive(Deserialize)]
struct Volume {
    image: Option<ImageVolume>,
}

#[derive(Deserialize)]
struct ImageVolume {
    reference: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStatus {
    phase: Option<String>,
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    image: Option<String>,
    #[serde(rename = "imageID")]
    image_id: Option<String>,
    #[serde(rename = "containerID")]
    container_id: Option<String>,
    state: Option<ContainerState>,
    volume_mounts: Option<Vec<VolumeMountStatus>>,
}

/// At most one of its members is there; none means waiting.
#[derive(Deserialize)]
struct ContainerState {
    running: Option<IgnoredAny>,
    waiting: Option<IgnoredAny>,
    terminated: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeMountStatus {
    volume_status: Option<VolumeStatus>,
}

#[derive(Deserialize)]
struct VolumeStatus {
    image: Option<ImageVolumeStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageVolumeStatus {
    image_ref: Option<String>,
}

impl Pod {
    fn containers(self, containers: &mut Vec<Container>) -> Result<(), InvalidContainers> {
        let status = self.status.unwrap_or_default();
        let is_over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let pod = [&self.metadata.namespace, &self.metadata.name]
            .into_iter()
            .filter_map(given)
            .fold(String::new(), |path, name| path + name + "/");
        let volumes = self.spec.volumes.into_iter().flatten();
        let mounted: Vec<String> = volumes
            .filter_map(|volume| volume.image?.reference)
            .filter(|image| !image.is_empty())
            .collect();

        let mut statuses: BTreeMap<String, ContainerStatus> = [
            status.container_statuses,
            status.init_container_statuses,
            status.ephemeral_container_statuses,
        ]
        .into_iter()
        .flatten()
        .flatten()
        .map(|status| (status.name.clone(), status))
        .collect();
        let further = [self.spec.init_containers, self.spec.ephemeral_containers];
        let further = further.into_iter().flatten().flatten();
        let specified = self.spec.containers.into_iter().chain(further);
        let mut all: Vec<(PodContainer, ContainerStatus)> = specified
            .map(|specified| {
                let status = statuses.remove(&specified.name);
                (specified, status.unwrap_or_default())
            })
            .collect();
        // There should be no others. If there are, they use their images all the same.
        all.extend(statuses.into_iter().map(|(name, status)| {
            let image = None;
            (PodContainer { name, image }, status)
        }));
        for (specified, status) in all {
            let mut container = pod_container(specified, status, is_over, &pod);
            for image in &mounted {
                container.add_mount(image);
            }
            containers.push(container.finished()?);
        }
        Ok(())
    }
}

/// Puts together what was asked for and what became of it.
///
/// A container that waits is about to be started, or started again. Without a status nobody knows;
/// so it counts as running.
fn pod_container(
    specified: PodContainer,
    status: ContainerStatus,
    is_over: bool,
    pod: &str,
) -> Container {
    let is_terminated = status.state.is_some_and(|state| {
        state.terminated.is_some() && state.running.is_none() && state.waiting.is_none()
    });
    let mut container = Container {
        id: status.container_id.unwrap_or_default(),
        running: !is_over && !is_terminated,
        ..Container::default()
    };
    if container.id.is_empty() {
        container.id = format!("{pod}{}", specified.name);
    }
    let (typed, image) = (given(&specified.image), given(&status.image));
    container.add_digests([typed, image, status.image_id.as_deref()]);
    container.set_reference([typed, image]);
    for mount in status.volume_mounts.into_iter().flatten() {
        let image = mount.volume_status.and_then(|status| status.image);
        if let Some(image) = image.and_then(|image| image.image_ref) {
            container.add_mount(&image);
        }
    }
    container
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::container::tests::lines;

    fn read_pods(text: &str) -> Result<Vec<Container>, InvalidContainers> {
        let mut containers = Vec::new();
        pods(serde_json::from_str(text).unwrap(), &mut containers)?;
        Ok(containers)
    }

    #[test]
    fn pods_from_the_api_do_not_repeat_their_kind() {
        let pod =
            r#"{"metadata":{"name":"web"},"spec":{"containers":[{"name":"a","image":"web"}]}}"#;
        let list = format!(r#"{{"kind":"PodList","items":[{pod}]}}"#);
        assert_eq!(lines(&read_pods(&list).unwrap()), ["web/a up web"]);
        let error = read_pods(&list.replace("PodList", "List")).unwrap_err();
        assert!(error.to_string().starts_with("item 1: "));
    }

    #[test]
    fn a_container_that_only_the_status_of_a_pod_has_counts_too() {
        let pod = r#"{"kind":"Pod","metadata":{"name":"web","namespace":"shop"},
            "spec":{"containers":[{"name":"a","image":"web"}]},
            "status":{"phase":"Running","containerStatuses":[
                {"name":"c","image":"tools:1","state":{"terminated":{}}},
                {"name":"b","image":"shop:2","state":{}}]}}"#;
        assert_eq!(
            lines(&read_pods(pod).unwrap()),
            [
                "shop/web/a up web",
                "shop/web/b up shop:2",
                "shop/web/c down tools:1"
            ]
        );
    }
}
