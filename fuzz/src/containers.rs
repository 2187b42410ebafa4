//! Lists of containers: one that is not wholly understood is not understood at all, and what is
//! understood does not depend on how the parts are strung together.

use ocirm::containers::{Container, parse};
use serde_json::value::RawValue;

/// Reads a list whole, in parts, cut short and with rubbish behind it.
pub fn containers(input: &[u8]) -> bool {
    let list = match parse(input) {
        Ok(list) => list,
        Err(error) => {
            super::assert_one_line(&error.to_string());
            return false;
        }
    };
    // A command that failed prints nothing, too.
    assert!(!input.trim_ascii().is_empty());
    for container in &list {
        assert_usable(container);
    }
    let parsed = |parts: &[&[u8]]| parse(&parts.concat()).ok();
    assert_eq!(parsed(&[input, b"\r\n"]).as_ref(), Some(&list));
    if !input.starts_with(b"\xef\xbb\xbf") {
        let marked = parsed(&[b"\xef\xbb\xbf", input]);
        assert_eq!(marked.as_ref(), Some(&list));
        let twice = [list.clone(), list.clone()].concat();
        assert_eq!(parsed(&[input, b"\n", input]), Some(twice));
    }
    for rubbish in ["{}", "{", "]", "1", "null", "\"x\"", "{\"Image\":\"x\"}"] {
        assert_eq!(
            parsed(&[input, b"\n", rubbish.as_bytes()]),
            None,
            "{rubbish}"
        );
    }
    // Cut anywhere, it is refused, or it is a list of the first containers.
    for part in 1..8 {
        let cut = &input[..input.len() * part / 8];
        if let Ok(shorter) = parse(cut) {
            assert!(list.starts_with(&shorter));
        }
    }
    if let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(input) {
        assert_eq!(one_by_one(elements), list);
    } else if let Ok(object) = serde_json::from_slice::<&RawValue>(input) {
        assert_eq!(parsed(&[b"[", object.get().as_bytes(), b"]"]), Some(list));
    }
    true
}

fn one_by_one(elements: Vec<&RawValue>) -> Vec<Container> {
    let parts = elements
        .into_iter()
        .map(|element| match parse(element.get().as_bytes()) {
            Ok(part) => part,
            Err(error) => panic!("an element of the list is not understood: {error}"),
        });
    parts.flatten().collect()
}

fn assert_usable(container: &Container) {
    super::assert_one_line(&container.id);
    let short = container.short_id();
    assert!(short.chars().count() <= 12 || short.contains('/'));
    for digest in &container.digests {
        super::manifest::assert_safe(digest);
        assert!(digest.algorithm().is_some());
    }
    if let Some(prefix) = &container.id_prefix {
        assert!(container.digests.is_empty());
        assert!(prefix.encoded().len() >= 4);
        let text = container.reference.as_deref();
        assert!(text.is_some_and(|text| text.ends_with(prefix.encoded())));
    }
    assert!(container.reference.as_deref() != Some(""));
}
