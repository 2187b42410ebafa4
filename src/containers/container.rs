//! A container, and what the texts of all tools have in common: digests, states and names, and how a
//! part that is not understood is reported.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::json::read::Json;
use crate::value::digest::{Algorithm, Digest, DigestPrefix};
use crate::value::platform::Platform;

/// The longest list that is read. A thousand containers in the longest format are 10 MiB.
pub const MAX_LIST_BYTES: usize = 64 << 20;

const EXPECTED: &str = "expected the JSON that `docker inspect`, `docker ps -a --no-trunc --format json`, \
                        `podman ps -a --format json`, `nerdctl ps -a --no-trunc --format json`, \
                        `crictl ps -a -o json`, `crictl inspect` or `kubectl get pods -A -o json` prints";

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
    /// What an image ID begins with, when the tool says nothing more precise. Such a text may be a name
    /// as well, so [`reference`](Self::reference) has it too.
    pub id_prefix: Option<DigestPrefix>,
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
    /// It is longer than what is read.
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

    /// Takes the digests from texts that name the image.
    pub(super) fn add_digests<'a>(&mut self, texts: impl IntoIterator<Item = Option<&'a str>>) {
        for digest in texts.into_iter().flatten().filter_map(digest_in) {
            if !self.digests.contains(&digest) {
                self.digests.push(digest);
            }
        }
    }

    /// Sets the reference to the first text that is there and is no digest by itself.
    pub(super) fn set_reference<'a>(&mut self, texts: impl IntoIterator<Item = Option<&'a str>>) {
        self.reference = texts
            .into_iter()
            .flatten()
            .map(without_scheme)
            .find(|text| is_given(text) && (text.contains('@') || digest_in(text).is_none()))
            .map(str::to_owned);
    }

    pub(super) fn add_mount(&mut self, image: &str) {
        if !self.mounts.iter().any(|mount| mount == image) {
            self.mounts.push(image.to_owned());
        }
    }

    /// The last step for every container.
    pub(super) fn finished(mut self) -> Result<Container, InvalidContainers> {
        if self.id.is_empty() || self.id.contains(char::is_control) {
            return Err(reason("the ID is empty or is no text"));
        }
        if self.digests.is_empty() {
            let reference = self.reference.as_deref();
            self.id_prefix = reference.and_then(DigestPrefix::of_id);
        }
        Ok(self)
    }
}

impl InvalidContainers {
    /// Says where the part is in which the error was found.
    pub(super) fn inside(mut self, outer: impl fmt::Display) -> InvalidContainers {
        if let InvalidContainers::Part { place, .. } = &mut self {
            *place = match place.as_str() {
                "" => outer.to_string(),
                inner => format!("{outer}, {inner}"),
            };
        }
        self
    }
}

/// Calls `each` with the elements of a list, one by one. Where one is not understood, the error says
/// which.
pub(super) fn each_element<'a>(
    list: &'a RawValue,
    what: &str,
    mut each: impl FnMut(&'a RawValue) -> Result<(), InvalidContainers>,
) -> Result<(), InvalidContainers> {
    // This says what is no list, and holds nothing of what is one.
    read::<Vec<IgnoredAny>>(list)?;
    let text = list.get();
    let (mut failure, mut number) = (None, 0_usize);
    let mut json = Json::new(text.as_bytes());
    let _ = json.list(|json| {
        number += 1;
        let element = serde_json::from_str(&text[json.range()?]);
        let result = element
            .map_err(|error| reason(shortened(&error)))
            .and_then(&mut each);
        result.or_else(|error| {
            failure = Some(error.inside(format_args!("{what} {number}")));
            json.unexpected("it is not understood")
        })
    });
    failure.map_or(Ok(()), Err)
}

/// An error of the part that is being read; [`InvalidContainers::inside`] says which it is.
pub(super) fn reason(text: impl Into<String>) -> InvalidContainers {
    InvalidContainers::Part {
        place: String::new(),
        reason: text.into(),
    }
}

pub(super) fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, InvalidContainers> {
    serde_json::from_str(value.get()).map_err(|error| {
        // Lines and columns are those of this part, and help nobody.
        let text = shortened(&error);
        reason(text.split(" at line ").next().unwrap_or_default())
    })
}

/// A message without the end of a long text that it may quote.
pub(super) fn shortened(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

/// Whether a container in this state, or with this status for people, has to be taken for running.
///
/// The states in which it does not run are known. A new or a garbled one is not among them.
pub(super) fn is_running(state: &str) -> bool {
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
pub(super) fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Whether a text is an image at all. Docker has a word for a container without one.
fn is_given(text: &str) -> bool {
    !text.is_empty() && text != "<no image>"
}

/// The digest that a text is or ends in: `sha256:<hex>`, bare hex digits, `web@sha256:<hex>`, all of
/// them with or without a scheme such as `docker-pullable://`.
pub(super) fn digest_in(text: &str) -> Option<Digest> {
    let text = without_scheme(text);
    let text = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
    // `web:1` has the grammar of a digest, too.
    let is_known = |digest: &Digest| digest.algorithm().is_some();
    let bare = Algorithm::Sha256.digest_of_file_name(text);
    bare.or_else(|| text.parse().ok().filter(is_known))
}

fn without_scheme(text: &str) -> &str {
    text.split_once("://").map_or(text, |(_, rest)| rest)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Digests of the samples repeat one byte: `sha256:a1a1…` is `<a1>` here.
    fn abbreviated(text: &str) -> String {
        let Some((before, hex)) = text.split_once("sha256:") else {
            return text.to_owned();
        };
        assert_eq!(hex, hex[..2].repeat(32));
        format!("{before}<{}>", &hex[..2])
    }

    /// All of a container in one line: ID, state, reference, digests, then what not every one has.
    pub(in crate::containers) fn line(container: &Container) -> String {
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

    pub(in crate::containers) fn lines(containers: &[Container]) -> Vec<String> {
        containers.iter().map(line).collect()
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
    }
}
