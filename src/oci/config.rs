//! Image configs: platform, date and labels of an image.
//!
//! A config is read only when something shows these or filters on them, and only if its media type
//! says that it is an image's; others must not be parsed. Members of an odd type are as good as
//! missing: what is shown or filtered may then be less, but nothing depends on it for safety.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::descriptor::platform_member;
use crate::json::read::{Json, Unexpected, ValueKind};
use crate::value::platform::Platform;
use crate::value::time::parse_created;

/// What an image's config says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// When the image was built. Reproducible builds have the epoch, or nothing.
    pub created: Option<jiff::Timestamp>,
    /// Its labels.
    pub labels: Labels,
    /// What it runs on: one of few, for all the images of a layout.
    pub platform: Arc<Platform>,
}

/// The labels of a config, as they stand there: a list of small ones would take many times the memory of
/// its text, and few of them are ever asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(
    /// Objects, one after another: a config may have several.
    Arc<[u8]>,
);

impl Labels {
    /// The value of a label; of a repeated one, the last.
    pub fn get(&self, label: &str) -> Option<String> {
        let mut found = None;
        let mut json = Json::new(&self.0);
        // They were read before.
        while json.kind().is_ok() {
            let read = json.object(|json, key| {
                match *key.bytes() == *label.as_bytes() {
                    true => found = json.unicode()?.map(Cow::into_owned).or(found.take()),
                    false => json.skip()?,
                }
                Ok(())
            });
            if read.is_err() {
                break;
            }
        }
        found
    }
}

impl From<&BTreeMap<String, String>> for Labels {
    fn from(labels: &BTreeMap<String, String>) -> Labels {
        // Texts can always be written.
        Labels(serde_json::to_vec(labels).unwrap_or_default().into())
    }
}

/// What is asked of a config. Labels take time and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Date and platform; there are no labels then.
    Dates,
    /// The labels, too.
    Labels,
}

impl ImageConfig {
    /// Parses a config; one that is no JSON object says nothing.
    pub fn parse(bytes: &[u8]) -> ImageConfig {
        ImageConfig::parse_for(Wanted::Labels, bytes)
    }

    /// [`ImageConfig::parse`], of what is wanted.
    pub fn parse_for(wanted: Wanted, bytes: &[u8]) -> ImageConfig {
        let (mut created, mut config) = (None, None);
        let mut platform = Platform::default();
        let mut json = Json::new(bytes);
        let read = json.object(|json, key| {
            let place = match &*key.bytes() {
                b"created" => &mut created,
                b"config" => &mut config,
                _ => return platform_member(&mut platform, json, key),
            };
            match place.replace(json.raw()?) {
                None => Ok(()),
                // Nobody knows which of them counts.
                Some(_) => json.unexpected("a member stands there twice"),
            }
        });
        if read.and_then(|()| json.end()).is_err() {
            return ImageConfig::default();
        }
        let created = created.and_then(|raw| Json::new(raw).unicode().ok()?);
        let mut labels = Vec::new();
        if wanted == Wanted::Labels
            && let Some(config) = config
        {
            // What is no object has none.
            let _ = Json::new(config).object(|json, key| match &*key.bytes() {
                b"Labels" => read_labels(json, &mut labels),
                _ => json.skip(),
            });
        }
        ImageConfig {
            created: created.and_then(|text| parse_created(&text)),
            labels: Labels(labels.into()),
            platform: Arc::new(platform),
        }
    }
}

fn read_labels(json: &mut Json<'_>, labels: &mut Vec<u8>) -> Result<(), Unexpected> {
    match json.kind()? {
        ValueKind::Object => labels.extend_from_slice(json.raw()?),
        _ => json.skip()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ImageConfig;

    #[test]
    fn a_config_says_what_it_can_and_odd_members_hide_nothing_else() {
        let config = ImageConfig::parse(
            br#"{"created":"2021-06-01T12:00:00Z","architecture":"arm64","os":"linux","variant":7,
                "config":{"Cmd":["x"],"Labels":{"a":"b","c":7,"d":"\u0065"}},"rootfs":[]}"#,
        );
        assert_eq!(config.created.unwrap().to_string(), "2021-06-01T12:00:00Z");
        let labels = ["a", "c", "d", "x"].map(|label| config.labels.get(label));
        assert_eq!(labels, [Some("b".into()), None, Some("e".into()), None]);
        assert_eq!(config.platform.to_string(), "linux/arm64");
        let odd =
            ImageConfig::parse(br#"{"created":7,"os":"linux","architecture":"s390x","config":[]}"#);
        assert_eq!(
            (odd.created, odd.platform.to_string()),
            (None, "linux/s390x".into())
        );
        assert_eq!(ImageConfig::parse(b"no").labels, super::Labels::default());
    }

    #[test]
    fn the_last_of_several_members_counts_and_one_of_an_odd_type_is_as_good_as_missing() {
        for (members, expected) in [
            (r#""architecture":"ar\u006d","os":"linux""#, "linux/arm"),
            (
                r#""os":"a","os":"b","architecture":"","variant":"""#,
                "b/unknown",
            ),
            (
                r#""os":null,"architecture":["x"],"variant":{}"#,
                "unknown/unknown",
            ),
            (
                r#""os":"","os":"b","variant":"v1","variant":7"#,
                "b/unknown",
            ),
            (
                r#""os":"windows","architecture":"amd64","os.version":"10","os.features":["f",7]"#,
                "windows/amd64",
            ),
        ] {
            let config = ImageConfig::parse(format!("{{{members}}}").as_bytes());
            assert_eq!(config.platform.to_string(), expected, "{members}");
        }
    }

    #[test]
    fn a_config_that_contradicts_itself_or_goes_on_behind_its_end_says_nothing() {
        for text in [
            r#"{"created":"2021-06-01T12:00:00Z","created":"2022-06-01T12:00:00Z","os":"linux"}"#,
            r#"{"created":"2021-06-01T12:00:00Z","os":"linux"} x"#,
        ] {
            let config = ImageConfig::parse(text.as_bytes());
            assert_eq!(config, ImageConfig::default(), "{text}");
        }
    }
}
