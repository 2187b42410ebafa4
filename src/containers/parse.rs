//! Containers: which images are in use, as the tool that runs them tells it.
//!
//! A layout has no daemon that could be asked. People hand over what their tools print already:
//! `docker inspect` and `docker ps`, `podman`, `nerdctl`, `crictl`, `kubectl get pods`. Which of them
//! wrote a text is told from its members. What these are is noted in `fixtures/containers`.
//!
//! An image that is in use and is taken for unused would be removed. So there are two rules here. An
//! object that is not understood fails the whole list. And where a tool is vague the container counts
//! as running, and a text as the image that it may be.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::oci::descriptor::platform_of_json;
use crate::value::digest::{Algorithm, Digest};
use crate::value::platform::Platform;
use crate::value::reference::id_prefix;

/// The longest list that is read. A thousand containers in the longest format are 10 MiB.
pub const MAX_LIST_BYTES: usize = 64 << 20;

const EXPECTED: &str = "expected the JSON that `docker inspect`, `docker ps -a --no-trunc --format json`, \
                        `podman ps -a --format json`, `nerdctl ps -a --no-trunc --format json`, \
                        `crictl ps -a -o json` or `kubectl get pods -A -o json` prints";

/// One container, and all that its tool says of its image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The ID as the tool shows it. Kubernetes has none for a container that it did not create yet:
    /// then it is `namespace/pod/container`.
    pub id: String,
    /// Whether it runs, is paused or is being restarted; not if it was only created, or has exited.
    pub running: bool,
    /// Digests that identify the image: its target's, its manifest's or its config's, whichever the
    /// tool says.
    pub digests: Vec<Digest>,
    /// The hex digits that an image ID begins with, when the tool says nothing more precise. Such a
    /// text may be a name as well, so [`reference`](Self::reference) has it too.
    pub id_prefix: Option<String>,
    /// The reference as the user gave it. From `docker inspect` this may be an ID.
    pub reference: Option<String>,
    /// The platform of the image, if the tool says it.
    pub platform: Option<Platform>,
    /// The images that are mounted into it: references or digests, as they were given.
    pub mounts: Vec<String>,
}

/// Why a text is no list of containers. The message is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContainers {
    /// There is nothing in it. Some tools print nothing when there are no containers, but so does a
    /// command that failed.
    #[error("it is empty; {EXPECTED}, or [] if there are no containers")]
    Empty,
    /// It is longer than [`MAX_LIST_BYTES`].
    #[error("it is longer than {} MiB", MAX_LIST_BYTES >> 20)]
    TooLong,
    /// It is not JSON, or stops in the middle.
    #[error("it is not JSON ({0}); {EXPECTED}")]
    Json(String),
    /// One of its parts is no container in any of the formats.
    #[error("{place}: {reason}; {EXPECTED}")]
    Part {
        /// Which part, counted from 1.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Container {
    /// The first twelve characters of the ID, without a scheme such as `containerd://`. A name that
    /// stands in for an ID is not cut.
    pub fn short_id(&self) -> String {
        let id = without_scheme(&self.id);
        if id.contains('/') {
            return id.to_owned();
        }
        id.chars().take(12).collect()
    }

    /// Takes the digest from a text that names the image, if there is one.
    fn add_digest(&mut self, text: &str) {
        if let Some(digest) = digest_in(text)
            && !self.digests.contains(&digest)
        {
            self.digests.push(digest);
        }
    }

    /// Sets the reference to the first text that is there and is no digest by itself.
    fn set_reference<'a>(&mut self, texts: impl IntoIterator<Item = Option<&'a str>>) {
        self.reference = texts
            .into_iter()
            .flatten()
            .map(without_scheme)
            .find(|text| is_given(text) && (text.contains('@') || digest_in(text).is_none()))
            .map(str::to_owned);
    }

    fn add_mount(&mut self, image: &str) {
        if !self.mounts.iter().any(|mount| mount == image) {
            self.mounts.push(image.to_owned());
        }
    }

    /// The last step for every container.
    fn finished(mut self) -> Result<Container, InvalidContainers> {
        if self.id.is_empty() || self.id.contains(char::is_control) {
            return Err(reason("the ID is empty or is no text"));
        }
        if self.digests.is_empty() {
            self.id_prefix = self
                .reference
                .as_deref()
                .and_then(id_prefix)
                .map(str::to_owned);
        }
        Ok(self)
    }
}

/// Reads what one of the supported tools printed: an array, one object, or objects one after another.
///
/// # Errors
///
/// When any part of it is not understood, so that the caller can do without the deletion. An empty
/// array or list is understood and means that there are no containers; an empty text is not.
pub fn parse(bytes: &[u8]) -> Result<Vec<Container>, InvalidContainers> {
    if bytes.len() > MAX_LIST_BYTES {
        return Err(InvalidContainers::TooLong);
    }
    // Windows tools begin a text with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
    let mut containers = Vec::new();
    let mut count = 0_usize;
    for value in values {
        let value = value.map_err(|error| InvalidContainers::Json(shortened(&error)))?;
        count += 1;
        if value.get().starts_with('[') {
            // An array is the whole list nearly always, and then needs no number of its own.
            let in_array = |error: InvalidContainers| match count {
                1 => error,
                _ => error.inside(format_args!("array {count}")),
            };
            for (i, element) in read::<Vec<&RawValue>>(value)?.into_iter().enumerate() {
                object(element, &mut containers)
                    .map_err(|error| in_array(error.inside(format_args!("element {}", i + 1))))?;
            }
        } else {
            object(value, &mut containers)
                .map_err(|error| error.inside(format_args!("object {count}")))?;
        }
    }
    match count {
        0 => Err(InvalidContainers::Empty),
        _ => Ok(containers),
    }
}

impl InvalidContainers {
    /// Says where the part is in which the error was found.
    fn inside(self, outer: impl fmt::Display) -> InvalidContainers {
        match self {
            InvalidContainers::Part { place, reason } => InvalidContainers::Part {
                place: match place.as_str() {
                    "" => outer.to_string(),
                    inner => format!("{outer}, {inner}"),
                },
                reason,
            },
            other => other,
        }
    }
}

/// An error of the part that is being read; [`InvalidContainers::inside`] says which it is.
fn reason(text: impl Into<String>) -> InvalidContainers {
    InvalidContainers::Part {
        place: String::new(),
        reason: text.into(),
    }
}

fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, InvalidContainers> {
    serde_json::from_str(value.get()).map_err(|error| {
        // Lines and columns are those of this part, and help nobody.
        let text = shortened(&error);
        reason(text.split(" at line ").next().unwrap_or_default())
    })
}

/// A message without the end of a long text that it may quote.
fn shortened(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

/// The members by which the formats are told apart.
#[derive(Deserialize)]
struct Shape<'a> {
    kind: Option<IgnoredAny>,
    containers: Option<IgnoredAny>,
    image: Option<IgnoredAny>,
    #[serde(rename = "Image")]
    docker_image: Option<IgnoredAny>,
    #[serde(rename = "State", borrow)]
    docker_state: Option<&'a RawValue>,
    #[serde(rename = "Status")]
    docker_status: Option<IgnoredAny>,
}

/// Reads one object, which may be a container or a list of some.
fn object(value: &RawValue, containers: &mut Vec<Container>) -> Result<(), InvalidContainers> {
    if !value.get().starts_with('{') {
        return Err(reason("it is no object"));
    }
    let shape: Shape<'_> = read(value)?;
    if shape.kind.is_some() {
        return kubernetes(value, containers);
    }
    if shape.containers.is_some() {
        let list: CriList<'_> = read(value)?;
        for (i, container) in list.containers.into_iter().enumerate() {
            containers.push(
                read::<Cri>(container)
                    .and_then(Cri::container)
                    .map_err(|error| error.inside(format_args!("container {}", i + 1)))?,
            );
        }
        return Ok(());
    }
    let is_inspected = shape
        .docker_state
        .is_some_and(|state| state.get().starts_with('{'));
    let is_listed = shape.docker_state.is_some() || shape.docker_status.is_some();
    containers.push(match shape.docker_image {
        Some(_) if is_inspected => read::<Inspected>(value)?.container()?,
        Some(_) if is_listed => read::<Listed>(value)?.container()?,
        None if shape.image.is_some() => read::<Cri>(value)?.container()?,
        _ => return Err(reason("it is no container: it lacks an image or a state")),
    });
    Ok(())
}

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

impl Inspected {
    fn container(self) -> Result<Container, InvalidContainers> {
        let state = &self.state;
        let is_set = |flag: Option<bool>| flag == Some(true);
        let running = if is_set(state.running) || is_set(state.paused) || is_set(state.restarting) {
            true
        } else if let Some(status) = given(&state.status) {
            is_running(status)
        } else if state.running.is_some() {
            false
        } else {
            return Err(reason("its state does not say whether it is running"));
        };
        let mut container = Container {
            id: self.id,
            running,
            ..Container::default()
        };
        let typed = self.config.as_ref().and_then(|config| given(&config.image));
        for text in [
            Some(self.image.as_str()),
            self.image_digest.as_deref(),
            given(&self.image_name),
            typed,
        ] {
            container.add_digest(text.unwrap_or_default());
        }
        if let Some(descriptor) = self.image_manifest_descriptor {
            container.add_descriptor(descriptor);
        }
        // What was typed stays, even if it is an ID: `prune` asks whether it was.
        match typed {
            Some(typed) => container.reference = Some(typed.to_owned()),
            None => container.set_reference([given(&self.image_name), Some(&self.image)]),
        }
        let asked = self.host_config.and_then(|config| config.mounts);
        let mounts = self.mounts.into_iter().chain(asked).flatten();
        container.add_mounts(mounts)?;
        container.finished()
    }
}

impl Container {
    fn add_descriptor(&mut self, descriptor: Descriptor) {
        self.add_digest(&descriptor.digest);
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
        for mount in mounts {
            if mount.r#type.as_deref() != Some("image") {
                continue;
            }
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
struct Listed {
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

impl Listed {
    fn container(self) -> Result<Container, InvalidContainers> {
        let Some(state) = given(&self.state).or(given(&self.status)) else {
            return Err(reason("its state is empty"));
        };
        let mut container = Container {
            running: is_running(state),
            ..Container::default()
        };
        container.add_digest(&self.image);
        container.add_digest(self.image_id.as_deref().unwrap_or_default());
        container.platform = match &self.platform {
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
        if let Some(descriptor) = self.image_manifest_descriptor {
            container.add_descriptor(descriptor);
        }
        container.set_reference([Some(self.image.as_str())]);
        match self.mounts {
            Some(ListedMounts::Names(names)) => {
                let volumes = self.local_volumes.and_then(|count| count.parse().ok());
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
        container.id = self.id;
        container.finished()
    }
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

#[derive(Deserialize)]
struct CriList<'a> {
    #[serde(borrow)]
    containers: Vec<&'a RawValue>,
}

/// Part of what `crictl ps` says of a container.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cri {
    id: String,
    image: CriImage,
    /// The digest of the config from containerd; a name with a digest, or the ID, from CRI-O.
    image_ref: Option<String>,
    image_id: Option<String>,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CriImage {
    /// What the runtime was given: an ID from the kubelet.
    image: Option<String>,
    /// What the kubelet was given.
    user_specified_image: Option<String>,
}

impl Cri {
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
        for text in texts.into_iter().flatten() {
            container.add_digest(text);
        }
        container.set_reference(texts);
        container.finished()
    }
}

/// Part of an object of Kubernetes: a pod, or a list of pods.
#[derive(Deserialize)]
struct Kind<'a> {
    kind: Option<String>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

fn kubernetes(value: &RawValue, containers: &mut Vec<Container>) -> Result<(), InvalidContainers> {
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
    for (i, item) in items.into_iter().enumerate() {
        let item_kind = read::<Kind<'_>>(item).map(|item| item.kind);
        let result = match item_kind {
            // Straight from the API, pods in a list of pods do not repeat that they are pods.
            Ok(None) if kind == "PodList" => {
                read::<Pod>(item).and_then(|pod| pod.containers(containers))
            }
            Ok(Some(kind)) if kind == "Pod" => {
                read::<Pod>(item).and_then(|pod| pod.containers(containers))
            }
            Ok(_) => Err(reason("it is not a pod")),
            Err(error) => Err(error),
        };
        result.map_err(|error| error.inside(format_args!("item {}", i + 1)))?;
    }
    Ok(())
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

#[derive(Deserialize)]
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
        let mounted: Vec<String> = self
            .spec
            .volumes
            .into_iter()
            .flatten()
            .filter_map(|volume| volume.image?.reference)
            .filter(|image| !image.is_empty())
            .collect();

        let mut statuses: HashMap<String, ContainerStatus> = HashMap::new();
        let all_statuses = [
            status.container_statuses,
            status.init_container_statuses,
            status.ephemeral_container_statuses,
        ];
        for status in all_statuses.into_iter().flatten().flatten() {
            statuses.insert(status.name.clone(), status);
        }
        let specified = self
            .spec
            .containers
            .into_iter()
            .chain(self.spec.init_containers.into_iter().flatten())
            .chain(self.spec.ephemeral_containers.into_iter().flatten());
        let mut all: Vec<(PodContainer, Option<ContainerStatus>)> = specified
            .map(|specified| {
                let status = statuses.remove(&specified.name);
                (specified, status)
            })
            .collect();
        // There should be no others. If there are, they use their images all the same.
        let mut others: Vec<ContainerStatus> = statuses.into_values().collect();
        others.sort_by(|a, b| a.name.cmp(&b.name));
        all.extend(others.into_iter().map(|status| {
            let specified = PodContainer {
                name: status.name.clone(),
                image: None,
            };
            (specified, Some(status))
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
    status: Option<ContainerStatus>,
    is_over: bool,
    pod: &str,
) -> Container {
    let mut container = Container {
        running: !is_over,
        ..Container::default()
    };
    let typed = given(&specified.image);
    container.add_digest(typed.unwrap_or_default());
    if let Some(status) = status {
        let is_terminated = status.state.is_some_and(|state| {
            state.terminated.is_some() && state.running.is_none() && state.waiting.is_none()
        });
        container.running &= !is_terminated;
        for text in [&status.image, &status.image_id] {
            container.add_digest(given(text).unwrap_or_default());
        }
        container.set_reference([typed, given(&status.image)]);
        for mount in status.volume_mounts.into_iter().flatten() {
            let image = mount.volume_status.and_then(|status| status.image);
            if let Some(image) = image.and_then(|image| image.image_ref) {
                container.add_mount(&image);
            }
        }
        container.id = status.container_id.unwrap_or_default();
    } else {
        container.set_reference([typed]);
    }
    if container.id.is_empty() {
        container.id = format!("{pod}{}", specified.name);
    }
    container
}

/// Whether a container in this state, or with this status for people, has to be taken for running.
///
/// The states in which it does not run are known. A new or a garbled one is not among them.
fn is_running(state: &str) -> bool {
    let word = state.split([' ', '(']).next().unwrap_or_default();
    !matches!(
        word.to_ascii_lowercase().as_str(),
        "created"
            | "configured"
            | "initialized"
            | "exited"
            | "stopped"
            | "dead"
            | "removing"
            // Docker's status for people is "Removal In Progress".
            | "removal"
            // What podman calls the containers of other tools, such as buildah.
            | "storage"
    )
}

/// The text, unless it is missing or empty.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Whether a text is an image at all. Docker has a word for a container without one.
fn is_given(text: &str) -> bool {
    !text.is_empty() && text != "<no image>"
}

/// The digest that a text is or ends in: `sha256:<hex>`, bare hex digits, `web@sha256:<hex>`, all of
/// them with or without a scheme such as `docker-pullable://`.
fn digest_in(text: &str) -> Option<Digest> {
    let text = without_scheme(text);
    let text = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
    Algorithm::Sha256.digest_of_file_name(text).or_else(|| {
        // `web:1` has the grammar of a digest, too.
        text.parse()
            .ok()
            .filter(|digest: &Digest| digest.algorithm().is_some())
    })
}

fn without_scheme(text: &str) -> &str {
    text.split_once("://").map_or(text, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOCKER_INSPECT: &[u8] = include_bytes!("../../fixtures/containers/docker-inspect.json");
    const DOCKER_PS: &[u8] = include_bytes!("../../fixtures/containers/docker-ps.jsonl");
    const PODMAN_PS: &[u8] = include_bytes!("../../fixtures/containers/podman-ps.json");
    const PODMAN_INSPECT: &[u8] = include_bytes!("../../fixtures/containers/podman-inspect.json");
    const NERDCTL_PS: &[u8] = include_bytes!("../../fixtures/containers/nerdctl-ps.jsonl");
    const NERDCTL_INSPECT: &[u8] = include_bytes!("../../fixtures/containers/nerdctl-inspect.json");
    const CRICTL_PS: &[u8] = include_bytes!("../../fixtures/containers/crictl-ps.json");
    const KUBECTL_PODS: &[u8] = include_bytes!("../../fixtures/containers/kubectl-pods.json");

    const SAMPLES: [&[u8]; 8] = [
        DOCKER_INSPECT,
        DOCKER_PS,
        PODMAN_PS,
        PODMAN_INSPECT,
        NERDCTL_PS,
        NERDCTL_INSPECT,
        CRICTL_PS,
        KUBECTL_PODS,
    ];

    /// Digests of the samples repeat one byte: `sha256:a1a1…` is `<a1>` here.
    fn abbreviated(text: &str) -> String {
        let Some((before, hex)) = text.split_once("sha256:") else {
            return text.to_owned();
        };
        assert_eq!(hex, hex[..2].repeat(32));
        format!("{before}<{}>", &hex[..2])
    }

    /// All of a container in one line: ID, state, reference, digests, then what not every one has.
    fn line(container: &Container) -> String {
        let mut line = container.short_id();
        line += if container.running { " up" } else { " down" };
        let reference = container.reference.as_deref().map(abbreviated);
        line += &format!(" {}", reference.as_deref().unwrap_or("-"));
        for digest in &container.digests {
            line += &format!(" {}", abbreviated(&digest.to_string()));
        }
        if let Some(prefix) = &container.id_prefix {
            line += &format!(" prefix={prefix}");
        }
        if let Some(platform) = &container.platform {
            line += &format!(" {platform}");
        }
        for mount in &container.mounts {
            line += &format!(" mount={}", abbreviated(mount));
        }
        line
    }

    fn lines(bytes: &[u8]) -> Vec<String> {
        parse(bytes).unwrap().iter().map(line).collect()
    }

    fn error(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_format_says_what_its_tool_knows() {
        for (sample, expected) in [
            (
                DOCKER_INSPECT,
                &[
                    "c1c1c1c1c1c1 up web:1 <a1> <a2> linux/amd64 mount=shop mount=tools@<d1>",
                    "c2c2c2c2c2c2 up shop@<b1> <b1>",
                    "c3c3c3c3c3c3 down a1a1a1a1 <a1> <a3> linux/arm64/v8",
                    "c4c4c4c4c4c4 down <a1> <a1> <a2> linux/amd64",
                ][..],
            ),
            (
                DOCKER_PS,
                &[
                    "c1c1c1c1c1c1 up web:1 linux/amd64 mount=shop:2",
                    "c2c2c2c2c2c2 up shop@<b1> <b1> linux/amd64",
                    "c3c3c3c3c3c3 down - <a1> linux/arm64/v8",
                    "c4c4c4c4c4c4 up a1a1a1a1a1a1 prefix=a1a1a1a1a1a1",
                ],
            ),
            (
                PODMAN_PS,
                &[
                    "c1c1c1c1c1c1 up localhost/web:1 <a4>",
                    "c2c2c2c2c2c2 down docker.io/library/shop:2 <b4> mount=localhost/tools:1",
                    "c3c3c3c3c3c3 down -",
                ],
            ),
            (
                PODMAN_INSPECT,
                &[
                    "c1c1c1c1c1c1 up localhost/web:1 <a4> <a2> mount=localhost/tools:1",
                    "c2c2c2c2c2c2 down docker.io/library/shop:2 <b4> <b2>",
                ],
            ),
            (
                NERDCTL_PS,
                &[
                    "c1c1c1c1c1c1 up docker.io/library/web:1 linux/amd64",
                    "c2c2c2c2c2c2 down docker.io/library/shop:2 linux/arm64",
                    "c3c3c3c3c3c3 down docker.io/library/shop@<b1> <b1> linux/arm/v7",
                    "c4c4c4c4c4c4 up registry.k8s.io/pause:3.10",
                ],
            ),
            (
                NERDCTL_INSPECT,
                &[
                    "c1c1c1c1c1c1 up docker.io/library/web:1",
                    "c2c2c2c2c2c2 down docker.io/library/shop@<b1> <b1>",
                ],
            ),
            (
                CRICTL_PS,
                &[
                    "c1c1c1c1c1c1 up registry.example/web:1 <a4>",
                    "c2c2c2c2c2c2 down registry.example/shop:2 <b1> <b4>",
                    "c3c3c3c3c3c3 down - <b4>",
                    "c4c4c4c4c4c4 up registry.example/web:1 <a4>",
                ],
            ),
            (
                KUBECTL_PODS,
                &[
                    "c2c2c2c2c2c2 up registry.example/web:1 <a1> \
                     mount=registry.example/assets@<e1> mount=registry.example/assets:3",
                    "c1c1c1c1c1c1 down registry.example/tools:1 <d2> \
                     mount=registry.example/assets:3",
                    "c3c3c3c3c3c3 up registry.example/debug@<d1> <d1> <d4> \
                     mount=registry.example/assets:3",
                    "c4c4c4c4c4c4 down shop:2 <b1>",
                    "shop/slow/slow up registry.example/shop:3",
                    "shop/new/new up web",
                ],
            ),
        ] {
            assert_eq!(lines(sample), expected);
        }
    }

    #[test]
    fn wrapped_unwrapped_and_joined_lists_are_the_same_list() {
        for sample in SAMPLES {
            let whole = parse(sample).unwrap();
            let values: Vec<serde_json::Value> = serde_json::Deserializer::from_slice(sample)
                .into_iter()
                .collect::<Result<_, _>>()
                .unwrap();
            // As an array of what was printed: `jq --slurp`.
            if values[0].is_object() {
                let array = serde_json::to_vec(&values).unwrap();
                assert_eq!(parse(&array).unwrap(), whole);
            }
            // One container or pod after the other: `jq '.[]'`, `jq '.items[]'`.
            let parts: Vec<&serde_json::Value> = values
                .iter()
                .flat_map(|value| match value {
                    serde_json::Value::Array(elements) => elements.iter().collect(),
                    value => match (&value["items"], &value["containers"]) {
                        (serde_json::Value::Array(items), _)
                        | (_, serde_json::Value::Array(items)) => items.iter().collect(),
                        _ => vec![value],
                    },
                })
                .collect();
            let stream: String = parts.iter().map(|part| format!("{part:#}\n")).collect();
            assert_eq!(parse(stream.as_bytes()).unwrap(), whole);
            // Two lists in one file, with a byte order mark.
            let twice = [b"\xef\xbb\xbf".as_slice(), sample, b"\n", sample].concat();
            assert_eq!(parse(&twice).unwrap(), [whole.clone(), whole].concat());
        }
    }

    #[test]
    fn an_empty_list_has_no_containers_and_an_empty_text_is_no_list() {
        for text in [
            "[]",
            " [ ]\n",
            r#"{"containers": []}"#,
            r#"{"kind":"List","apiVersion":"v1","items":[],"metadata":{}}"#,
            r#"{"kind":"PodList","items":[]}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(vec![]), "{text}");
        }
        for text in ["", " ", "\n\n", "\u{feff}"] {
            assert_eq!(
                parse(text.as_bytes()),
                Err(InvalidContainers::Empty),
                "{text:?}"
            );
        }
    }

    #[test]
    fn pods_from_the_api_do_not_repeat_their_kind() {
        let pod =
            r#"{"metadata":{"name":"web"},"spec":{"containers":[{"name":"a","image":"web"}]}}"#;
        let list = format!(r#"{{"kind":"PodList","items":[{pod}]}}"#);
        assert_eq!(lines(list.as_bytes()), ["web/a up web"]);
        assert!(error(&list.replace("PodList", "List")).starts_with("object 1, item 1: "));
    }

    #[test]
    fn a_container_that_only_the_status_of_a_pod_has_counts_too() {
        let pod = r#"{"kind":"Pod","metadata":{"name":"web","namespace":"shop"},
            "spec":{"containers":[{"name":"a","image":"web"}]},
            "status":{"phase":"Running","containerStatuses":[
                {"name":"c","image":"tools:1","state":{"terminated":{}}},
                {"name":"b","image":"shop:2","state":{}}]}}"#;
        assert_eq!(
            lines(pod.as_bytes()),
            [
                "shop/web/a up web",
                "shop/web/b up shop:2",
                "shop/web/c down tools:1"
            ]
        );
    }

    #[test]
    fn a_state_that_is_not_known_to_be_at_rest_is_running() {
        for state in [
            "running",
            "Up 2 hours (Paused)",
            "Up",
            "paused",
            "Pausing",
            "restarting",
            "Restarting (1) 5 seconds ago",
            "stopping",
            "unknown",
            "bad state",
            "RUNNING",
            "hibernating",
        ] {
            assert!(is_running(state), "{state}");
        }
        for state in [
            "created",
            "Created",
            "configured",
            "initialized",
            "exited",
            "Exited (0) 3 days ago",
            "stopped",
            "dead",
            "Dead",
            "removing",
            "Removal In Progress",
            "EXITED",
        ] {
            assert!(!is_running(state), "{state}");
        }
        for (state, running) in [
            (r#"{"Running":true}"#, true),
            (r#"{"Running":false}"#, false),
            (r#"{"Running":false,"Status":"exited"}"#, false),
            (r#"{"Running":false,"Status":"unknown"}"#, true),
            (r#"{"Running":false,"Paused":true,"Status":"exited"}"#, true),
            (r#"{"Restarting":true,"Status":"exited"}"#, true),
            (r#"{"Status":"paused"}"#, true),
        ] {
            let text = format!(r#"[{{"Id":"c1","Image":"","State":{state}}}]"#);
            assert_eq!(
                parse(text.as_bytes()).unwrap()[0].running,
                running,
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_is_a_digest_or_a_prefix_only_if_it_can_be_one() {
        let hex = "a1".repeat(32);
        for (image, expected) in [
            ("web".to_owned(), "c1 up web"),
            ("web:1".to_owned(), "c1 up web:1"),
            ("cafe".to_owned(), "c1 up cafe prefix=cafe"),
            (
                "sha256:a1a1a1".to_owned(),
                "c1 up sha256:a1a1a1 prefix=a1a1a1",
            ),
            (hex.clone(), "c1 up - <a1>"),
            (format!("sha256:{hex}"), "c1 up - <a1>"),
            (format!("web:1@sha256:{hex}"), "c1 up web:1@<a1> <a1>"),
            ("<no image>".to_owned(), "c1 up -"),
            (String::new(), "c1 up -"),
        ] {
            let text = format!(r#"{{"ID":"c1","Image":"{image}","State":"running"}}"#);
            // A short reference is not abbreviated.
            let container = &parse(text.as_bytes()).unwrap()[0];
            let shown = match &container.reference {
                Some(reference) if reference.starts_with("sha256:") => {
                    format!(
                        "c1 up {reference} prefix={}",
                        container.id_prefix.as_ref().unwrap()
                    )
                }
                _ => line(container),
            };
            assert_eq!(shown, expected);
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

    #[test]
    fn short_ids_are_as_docker_shows_them() {
        for (id, short) in [
            ("c1c1c1c1c1c1c1c1", "c1c1c1c1c1c1"),
            ("containerd://c1c1c1c1c1c1c1c1", "c1c1c1c1c1c1"),
            ("cri-o://c1", "c1"),
            ("c1", "c1"),
            ("", ""),
            ("ääääääääääääää", "ääääääääääää"),
            ("shop/web-0/a-long-name", "shop/web-0/a-long-name"),
        ] {
            let container = Container {
                id: id.to_owned(),
                ..Container::default()
            };
            assert_eq!(container.short_id(), short);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_located() {
        let good = r#"{"ID":"c1","Image":"web","State":"running"}"#;
        for (text, start) in [
            // No JSON, or not all of it.
            (
                "CONTAINER ID   IMAGE".to_owned(),
                "it is not JSON (expected value at line 1",
            ),
            (
                format!("{good}\n{{\"ID\""),
                "it is not JSON (EOF while parsing an object at line 2",
            ),
            (format!("[{good}"), "it is not JSON ("),
            (format!("{good},{good}"), "it is not JSON ("),
            ("[}".to_owned(), "it is not JSON ("),
            // JSON of another kind.
            ("7".to_owned(), "object 1: it is no object"),
            ("null".to_owned(), "object 1: it is no object"),
            ("\"web\"".to_owned(), "object 1: it is no object"),
            ("{}".to_owned(), "object 1: it is no container: "),
            ("[null]".to_owned(), "element 1: it is no object"),
            ("[[]]".to_owned(), "element 1: it is no object"),
            // docker images, docker image inspect, docker network inspect, podman pod inspect
            (
                r#"{"Containers":"N/A","ID":"sha256:a1","Repository":"web","Tag":"1"}"#.to_owned(),
                "object 1: it is no container: ",
            ),
            (
                r#"[{"Id":"sha256:a1","RepoTags":["web:1"],"Config":{}}]"#.to_owned(),
                "element 1: it is no container: ",
            ),
            (
                r#"[{"Name":"bridge","Id":"a1","Containers":{}}]"#.to_owned(),
                "element 1: it is no container: ",
            ),
            (
                r#"{"Id":"a1","State":"Running","Containers":[]}"#.to_owned(),
                "object 1: it is no container: ",
            ),
            // crictl images, crictl pods
            (
                r#"{"images":[]}"#.to_owned(),
                "object 1: it is no container: ",
            ),
            (
                r#"{"items":[]}"#.to_owned(),
                "object 1: it is no container: ",
            ),
            // Other objects of Kubernetes
            (
                r#"{"kind":"Service","spec":{}}"#.to_owned(),
                "object 1: it is of the kind `Service`, not a pod",
            ),
            (
                r#"{"kind":"PodList"}"#.to_owned(),
                "object 1: it has no items",
            ),
            (
                r#"{"kind":"List","items":[{"kind":"Deployment"}]}"#.to_owned(),
                "object 1, item 1: it is not a pod",
            ),
            (
                r#"{"kind":"Pod","metadata":{},"status":{}}"#.to_owned(),
                "object 1: missing field `spec`",
            ),
            // One bad part among good ones
            (
                format!("{good}\n{good}\n{{\"ID\":\"c3\"}}"),
                "object 3: it is no container: ",
            ),
            (format!("[{good},7,{good}]"), "element 2: it is no object"),
            (
                format!("{good}[{good},{{}}]"),
                "array 2, element 2: it is no container: ",
            ),
            (
                r#"{"containers":[{"id":"c1","image":{"image":"web"},"state":"CONTAINER_RUNNING"},
                    {"id":"c2","image":{"image":"web"}}]}"#
                    .to_owned(),
                "object 1, container 2: missing field `state`",
            ),
            (
                r#"{"containers":7}"#.to_owned(),
                "object 1: invalid type: integer `7`",
            ),
            // A container with a member that is missing, empty or of another type
            (good.replace("\"c1\"", "\"\""), "object 1: the ID is empty"),
            (
                good.replace("c1", "\\u001b[2J"),
                "object 1: the ID is empty or is no text",
            ),
            (good.replace("running", ""), "object 1: its state is empty"),
            (
                good.replace("\"web\"", "7"),
                "object 1: invalid type: integer `7`",
            ),
            (
                good.replace("\"State\"", "\"Image\""),
                "object 1: duplicate field `Image`",
            ),
            (
                good.replace("\"ID\"", "\"Name\""),
                "object 1: missing field `Id`",
            ),
            (
                r#"[{"Id":"c1","Image":"","State":{}}]"#.to_owned(),
                "element 1: its state does not say",
            ),
            (
                r#"[{"Id":"c1","State":{"Running":true}}]"#.to_owned(),
                "element 1: it is no container: ",
            ),
            (
                r#"[{"Id":"c1","Image":"","State":{"Running":true},
                    "Mounts":[{"Type":"image","Source":"/var/lib/x"}]}]"#
                    .to_owned(),
                "element 1: it has a mounted image without a name",
            ),
        ] {
            let error = error(&text);
            assert!(error.starts_with(start), "{text}\n{error}");
            assert!(error.contains("docker inspect"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_not_read() {
        let blanks = vec![b' '; MAX_LIST_BYTES + 1];
        assert_eq!(parse(&blanks), Err(InvalidContainers::TooLong));
        let nested = "[".repeat(100_000);
        assert!(error(&nested).starts_with("it is not JSON"));
        let deep = format!("[{}{}]", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert!(!error(&deep).is_empty());
        let long = format!(
            r#"[{{"ID":"c1","Image":"a","State":["{}"]}}]"#,
            "x".repeat(9000)
        );
        assert!(error(&long).len() < 900);
    }

    /// A sample with some of its bytes changed.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
        (0..SAMPLES.len(), edits, any::<prop::sample::Index>()).prop_map(|(i, edits, end)| {
            let mut bytes = SAMPLES[i].to_vec();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if end.index(4) == 0 {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes
        })
    }

    /// Objects with the members that matter, and values that do not belong there.
    fn confused() -> impl Strategy<Value = Vec<u8>> {
        let value = prop::sample::select(vec![
            "null",
            "7",
            "\"\"",
            "\"web:1\"",
            "\"List\"",
            "\"Pod\"",
            "{}",
            "[]",
            "[{}]",
            "[\"/x\"]",
            "{\"Running\":true}",
            "{\"image\":\"web\"}",
            "{\"containers\":[{\"name\":\"a\"}]}",
            "[{\"Type\":\"image\",\"Source\":\"web\"}]",
            "\"a,b…\"",
        ]);
        let name = prop::sample::select(vec![
            "Id",
            "ID",
            "id",
            "Image",
            "image",
            "ImageID",
            "State",
            "state",
            "Status",
            "status",
            "Config",
            "Mounts",
            "HostConfig",
            "Platform",
            "ImageManifestDescriptor",
            "kind",
            "items",
            "containers",
            "metadata",
            "spec",
            "imageRef",
            "LocalVolumes",
        ]);
        prop::collection::vec((name, value), 0..7).prop_map(|members| {
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("[{{{}}}]", members.join(",")).into_bytes()
        })
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_error_has_two_lines(
            bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), damaged(), confused()]
        ) {
            match parse(&bytes) {
                Ok(containers) => {
                    for container in containers {
                        prop_assert!(!container.id.is_empty());
                        let _ = container.short_id();
                    }
                }
                Err(error) => {
                    prop_assert!(!error.to_string().contains(char::is_control), "{error}");
                }
            }
        }
    }
}
