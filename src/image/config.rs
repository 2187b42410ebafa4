//! Image configs: platform, date and labels of an image.
//!
//! A config is read only when something shows these or filters on them, and only if its media type
//! says that it is an image's; others must not be parsed. Members of an odd type are as good as
//! missing: what is shown or filtered may then be less, but nothing depends on it for safety.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::graph::{Graph, MAX_DOCUMENT_BYTES, NodeId, NodeKind};
use super::platform::Platform;
use crate::layout::Locked;

/// What an image's config says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// When the image was built. Reproducible builds have the epoch, or nothing.
    pub created: Option<jiff::Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it runs on.
    pub platform: Platform,
}

#[derive(serde::Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    created: Option<&'a RawValue>,
    #[serde(borrow, default)]
    config: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct RawConfig<'a> {
    #[serde(borrow, default, rename = "Labels")]
    labels: Option<&'a RawValue>,
}

impl ImageConfig {
    /// Parses a config; one that is no JSON object says nothing.
    pub fn parse(bytes: &[u8]) -> ImageConfig {
        let Ok(raw) = serde_json::from_slice::<Raw<'_>>(bytes) else {
            return ImageConfig::default();
        };
        let created = raw
            .created
            .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
            .and_then(|text| text.parse().ok());
        let labels = raw
            .config
            .and_then(|raw| serde_json::from_str::<RawConfig<'_>>(raw.get()).ok())
            .and_then(|config| config.labels)
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        ImageConfig {
            created,
            labels,
            platform: serde_json::from_slice(bytes).unwrap_or_default(),
        }
    }

    /// Reads the config that `node` is. `None`: it is no image's config, is not there, or cannot be
    /// trusted.
    /// `bytes` is room for them.
    pub fn load<M>(
        layout: &Locked<M>,
        graph: &Graph,
        node: NodeId,
        bytes: &mut Vec<u8>,
    ) -> Option<ImageConfig> {
        if graph.kind(node) != NodeKind::ImageConfig {
            return None;
        }
        let found = layout.read_blob_into(graph.digest(node), None, MAX_DOCUMENT_BYTES, bytes);
        found.ok()?.then(|| ImageConfig::parse(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::ImageConfig;

    #[test]
    fn a_config_says_what_it_can_and_odd_members_hide_nothing_else() {
        let config = ImageConfig::parse(
            br#"{"created":"2021-06-01T12:00:00Z","architecture":"arm64","os":"linux","variant":7,
                "config":{"Labels":{"a":"b"}},"rootfs":[]}"#,
        );
        assert_eq!(config.created.unwrap().to_string(), "2021-06-01T12:00:00Z");
        assert_eq!(config.labels["a"], "b");
        assert_eq!(config.platform.to_string(), "linux/arm64");
        let odd =
            ImageConfig::parse(br#"{"created":7,"os":"linux","architecture":"s390x","config":[]}"#);
        assert_eq!(
            (odd.created, odd.platform.to_string()),
            (None, "linux/s390x".into())
        );
        assert_eq!(ImageConfig::parse(b"no").labels.len(), 0);
    }
}
