//! Image configs: platform, date and labels of an image.
//!
//! A config is read only when something shows these or filters on them, and only if its media type
//! says that it is an image's; others must not be parsed. Members of an odd type are as good as
//! missing: what is shown or filtered may then be less, but nothing depends on it for safety.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserializer as _, IgnoredAny, MapAccess, Visitor};
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
    /// What it runs on: one of few, for all the images of a layout.
    pub platform: Arc<Platform>,
}

/// What is asked of a config. Labels take time and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Date and platform; there are no labels then.
    Dates,
    /// The labels, too.
    Labels,
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

/// An ordinary config, read in one go.
#[derive(Default)]
struct Plain<'a> {
    created: Option<&'a RawValue>,
    config: Option<&'a RawValue>,
    platform: Platform,
}

/// The members that say something.
#[derive(serde::Deserialize)]
enum Member {
    #[serde(rename = "created")]
    Created,
    #[serde(rename = "config")]
    Config,
    #[serde(rename = "os")]
    Os,
    #[serde(rename = "architecture")]
    Architecture,
    #[serde(rename = "variant")]
    Variant,
    #[serde(rename = "os.version", alias = "os.features")]
    Rare,
    #[serde(other)]
    Other,
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Plain<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an ordinary config")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Plain<'de>, A::Error> {
        let mut plain = Plain::default();
        while let Some(member) = members.next_key::<Member>()? {
            let text = match member {
                Member::Other => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
                Member::Created | Member::Config => {
                    let place = match member {
                        Member::Created => &mut plain.created,
                        _ => &mut plain.config,
                    };
                    if place.replace(members.next_value()?).is_some() {
                        return Err(de::Error::custom("a member twice"));
                    }
                    continue;
                }
                Member::Os => &mut plain.platform.os,
                Member::Architecture => &mut plain.platform.architecture,
                Member::Variant => plain.platform.variant.get_or_insert_default(),
                Member::Rare => return Err(de::Error::custom("a rare member")),
            };
            match members.next_value::<Text<'de>>()?.0 {
                // An empty one is as good as missing.
                value if value.is_empty() || !text.is_empty() => {
                    return Err(de::Error::custom("no text, or a member twice"));
                }
                value => *text = value.into_owned(),
            }
        }
        Ok(plain)
    }
}

/// A text that is borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl ImageConfig {
    /// Parses a config; one that is no JSON object says nothing.
    pub fn parse(bytes: &[u8]) -> ImageConfig {
        ImageConfig::parse_for(Wanted::Labels, bytes)
    }

    fn parse_for(wanted: Wanted, bytes: &[u8]) -> ImageConfig {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let plain = json.deserialize_map(PlainVisitor);
        let plain = plain.and_then(|plain| json.end().map(|()| plain));
        let Plain {
            created,
            config,
            platform,
        } = match plain {
            Ok(plain) => plain,
            // What is odd about one member must not hide another, so each is read on its own.
            Err(_) => match serde_json::from_slice::<Raw<'_>>(bytes) {
                Ok(raw) => Plain {
                    created: raw.created,
                    config: raw.config,
                    platform: serde_json::from_slice(bytes).unwrap_or_default(),
                },
                Err(_) => return ImageConfig::default(),
            },
        };
        let created = created
            .and_then(|raw| serde_json::from_str::<Text<'_>>(raw.get()).ok())
            .and_then(|text| text.0.parse().ok());
        let labels = config
            .filter(|_| wanted == Wanted::Labels)
            .and_then(|raw| serde_json::from_str::<RawConfig<'_>>(raw.get()).ok())
            .and_then(|config| config.labels)
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        ImageConfig {
            created,
            labels,
            platform: Arc::new(platform),
        }
    }

    /// Reads the config that `node` is. `None`: it is no image's config, is not there, or cannot be
    /// trusted.
    /// `bytes` is room for them.
    pub fn load<M>(
        layout: &Locked<M>,
        graph: &Graph,
        node: NodeId,
        wanted: Wanted,
        bytes: &mut Vec<u8>,
    ) -> Option<ImageConfig> {
        if graph.kind(node) != NodeKind::ImageConfig {
            return None;
        }
        let found = layout.read_blob_into(graph.digest(node), None, MAX_DOCUMENT_BYTES, bytes);
        found.ok()?.then(|| ImageConfig::parse_for(wanted, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageConfig, Platform, Raw};

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

    #[test]
    fn reading_an_ordinary_config_in_one_go_says_the_same() {
        let careful = |text: &str| {
            let raw = serde_json::from_str::<Raw<'_>>(text).ok()?;
            let created = serde_json::from_str::<String>(raw.created?.get()).ok();
            Some((created, serde_json::from_str::<Platform>(text).unwrap()))
        };
        for text in [
            r#"{"created":"2021-06-01T12:00:00Z","architecture":"arm","os":"linux","variant":"v7"}"#,
            r#"{"created":"2021-06-01T12:00:00Z","architecture":"ar\u006d","os":"li\nux"}"#,
            r#"{"created":"2021-06-01T12:00:00Z","os":"a","os":"b","architecture":"","variant":""}"#,
            r#"{"created":"2021-06-01T12:00:00Z","os":null,"architecture":["x"],"variant":{}}"#,
            r#"{"created":"2021-06-01T12:00:00Z","os":"windows","os.version":"10","os.features":["f"]}"#,
            r#"{"created":"2021-06-01T12:00:00Z","os":"","os":"b","variant":"v1","variant":7}"#,
        ] {
            let (created, platform) = careful(text).unwrap();
            let config = ImageConfig::parse(text.as_bytes());
            assert_eq!(*config.platform, platform, "{text}");
            assert_eq!(config.created, created.unwrap().parse().ok(), "{text}");
        }
        // The date is there twice, so nobody knows it; what follows the object makes it none.
        for text in [
            r#"{"created":"2021-06-01T12:00:00Z","created":"2022-06-01T12:00:00Z","os":"linux"}"#,
            r#"{"created":"2021-06-01T12:00:00Z","os":"linux"} x"#,
        ] {
            assert_eq!(
                ImageConfig::parse(text.as_bytes()),
                ImageConfig::default(),
                "{text}"
            );
        }
    }
}
