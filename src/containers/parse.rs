//! Which tool wrote a list of containers: `docker inspect` and `docker ps`, `podman`, `nerdctl`, `crictl`
//! or `kubectl get pods`. That is told from its members. What these are is noted in `fixtures/containers`.
//!
//! An image that is in use and is taken for unused would be removed. So there are two rules here. An
//! object that is not understood fails the whole list. And where a tool is vague the container counts
//! as running, and a text as the image that it may be.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::container::{
    Container, InvalidContainers, MAX_LIST_BYTES, each_element, read, reason, shortened,
};
use super::{cri, docker, kubernetes};

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
            each_element(value, "element", |element| object(element, &mut containers))
                .map_err(in_array)?;
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

/// The members by which the formats are told apart.
#[derive(Deserialize)]
struct Shape<'a> {
    kind: Option<IgnoredAny>,
    containers: Option<IgnoredAny>,
    image: Option<IgnoredAny>,
    status: Option<IgnoredAny>,
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
        return kubernetes::pods(value, containers);
    }
    if shape.containers.is_some() {
        return cri::list(value, containers);
    }
    let is_inspected = shape
        .docker_state
        .is_some_and(|state| state.get().starts_with('{'));
    let is_listed = shape.docker_state.is_some() || shape.docker_status.is_some();
    containers.push(match shape.docker_image {
        Some(_) if is_inspected => docker::inspected(value)?,
        Some(_) if is_listed => docker::listed(value)?,
        None if shape.image.is_some() => cri::container(value)?,
        None if shape.status.is_some() => cri::inspected(value)?,
        _ => return Err(reason("it is no container: it lacks an image or a state")),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::containers::container::tests::{line, lines};

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
            assert_eq!(lines(&parse(sample).unwrap()), expected);
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
    fn a_name_is_a_digest_or_a_prefix_only_if_it_can_be_one() {
        let hex = "a1".repeat(32);
        for (image, expected) in [
            ("web".to_owned(), "c1 up web"),
            ("web:1".to_owned(), "c1 up web:1"),
            ("cafe".to_owned(), "c1 up cafe prefix=cafe"),
            (
                "sha256:a1a1a1".to_owned(),
                "c1 up sha256:a1a1a1 prefix=sha256:a1a1a1",
            ),
            (
                "sha512:a1a1a1".to_owned(),
                "c1 up sha512:a1a1a1 prefix=sha512:a1a1a1",
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
                Some(reference) if reference.starts_with("sha") => {
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
