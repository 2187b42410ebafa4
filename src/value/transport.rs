//! Transports: the words in front of an image's name with which skopeo, podman and buildah say where
//! it is. Those for layouts, `oci:` and `ocidir://`, are the command line's business; here are the
//! others, and what somebody who gave one can do: a layout is a directory, and images elsewhere have
//! to be copied into one first.

use crate::words::{quoted, shell_word};

/// What a text names that is no layout and no image of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// What it is, in a sentence.
    pub(crate) message: String,
    /// What can be done.
    pub(crate) hint: String,
}

/// What a text with the transport of another tool names, or `None` if it has none. `dir:latest` may be
/// an image called `dir` as well, so names are looked up first.
pub(crate) fn elsewhere(text: &str) -> Option<Elsewhere> {
    let (transport, place) = text
        .split_once(':')
        .filter(|(_, place)| !place.is_empty())?;
    let copy = || format!("`skopeo copy {} oci:DIR:TAG`", shell_word(text));
    let removed_by = |tool: &str| {
        let (place, copy) = (shell_word(place), copy());
        format!("`{tool} image rm {place}` removes it there; {copy} copies it into a layout")
    };
    let (what, hint) = match transport {
        "docker" => (
            "an image in a registry",
            place.strip_prefix("//").map(|_| {
                let all = copy().replacen("copy", "copy --all", 1);
                format!("{all} copies it into a layout")
            })?,
        ),
        "docker-daemon" => ("an image in Docker's own store", removed_by("docker")),
        "containers-storage" => ("an image in podman's own store", removed_by("podman")),
        "oci-archive" | "docker-archive" => (
            "an image in a tar archive",
            format!("{} copies it into a layout", copy()),
        ),
        "dir" => (
            "an image in a directory of skopeo's own format",
            format!("{} copies it into a layout", copy()),
        ),
        _ => return None,
    };
    let message = format!("{} is {what}, and no layout directory", quoted(text));
    Some(Elsewhere { message, hint })
}

#[cfg(test)]
mod tests {
    use super::elsewhere;

    /// I3.
    #[test]
    fn a_transport_says_what_it_is_and_what_can_be_done() {
        for (text, what, hint) in [
            (
                "docker://alpine:3",
                "in a registry",
                "`skopeo copy --all docker://alpine:3 oci:DIR:TAG`",
            ),
            (
                "docker-daemon:alpine:3",
                "in Docker's own store",
                "`docker image rm alpine:3`",
            ),
            (
                "containers-storage:localhost/app",
                "in podman's own store",
                "`podman image rm localhost/app`",
            ),
            (
                "oci-archive:a b.tar",
                "in a tar archive",
                "'oci-archive:a b.tar'",
            ),
            ("docker-archive:a.tar", "in a tar archive", "oci:DIR:TAG"),
            ("dir:/tmp/x", "skopeo's own format", "dir:/tmp/x"),
        ] {
            let found = elsewhere(text).unwrap();
            assert!(found.message.contains(what), "{}", found.message);
            assert!(found.hint.contains(hint), "{}", found.hint);
        }
        for text in ["docker", "docker:dind", "dir:", "alpine:3", "oci:dir", ""] {
            assert_eq!(elsewhere(text), None, "{text}");
        }
    }
}
