//! Platforms: as people type them, and as documents store them.

use ocirm::oci::descriptor::platform_of_json;
use ocirm::value::platform::{Platform, parse_list};

/// Reads a list of platforms, and the same bytes as the platform of a document.
pub fn platform(input: &[u8]) -> bool {
    let is_stored = stored(input);
    let Ok(text) = std::str::from_utf8(input) else {
        return is_stored;
    };
    let host = Platform {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        ..Platform::default()
    };
    let list = match parse_list(text, &host) {
        Ok(list) => list,
        Err(error) => {
            super::assert_one_line(&error.to_string());
            return is_stored;
        }
    };
    assert_eq!(list.len(), text.split(',').count());
    for (platform, part) in list.iter().zip(text.split(',')) {
        assert_eq!(Platform::parse(part, &host).as_ref(), Ok(platform));
        assert_eq!(
            parse_list(&typed(platform), &host),
            Ok(vec![platform.clone()])
        );
        let plain = Platform {
            os_version: None,
            os_features: Vec::new(),
            ..platform.clone()
        };
        assert_eq!(Platform::parse(&platform.to_string(), &host), Ok(plain));
        assert_consistent(platform);
    }
    // Versions and features keep their case.
    if !text.contains('(') {
        assert_eq!(parse_list(&text.to_ascii_uppercase(), &host), Ok(list));
    }
    true
}

/// A platform as somebody would have to type it to get exactly this.
fn typed(platform: &Platform) -> String {
    let mut options = platform.os_version.clone().unwrap_or_default();
    for feature in &platform.os_features {
        options.push('+');
        options.push_str(feature);
    }
    let variant = platform.variant.iter().map(|variant| format!("/{variant}"));
    format!(
        "{}({options})/{}{}",
        platform.os,
        platform.architecture,
        variant.collect::<String>()
    )
}

/// Whatever JSON stands where a platform should, reading it does not fail.
fn stored(input: &[u8]) -> bool {
    if serde_json::from_slice::<serde_json::Value>(input).is_err() {
        return false;
    }
    match platform_of_json(input) {
        Some(platform) => assert_consistent(&platform),
        None => panic!("JSON was refused"),
    }
    true
}

fn assert_consistent(platform: &Platform) {
    let normalized = platform.normalized();
    assert_eq!(normalized.normalized(), normalized);
    assert!(platform.matches(platform));
    assert!(platform.matches(&normalized) && normalized.matches(platform));
    assert!(platform.to_string().contains('/'));
}
