//! Makes a layout from its description: names become digests, and documents are made. Nothing is random: one
//! description gives the same digests every time, unless a time in it counts from now.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use indexmap::IndexMap;
use jiff::Timestamp;
use regex::{Captures, Regex};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::base64::base64;
use super::case::LayoutSpec;
use super::json::{Json, Members};
use crate::support::contents::hex;
use crate::support::layout::{CONFIG, EMPTY, INDEX, MANIFEST, parse_platform};
use crate::support::names::{NAME, REF};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const OCTETS: &str = "application/octet-stream";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// `created` of a config, unless the image says otherwise.
const CREATED: &str = "2024-03-01T12:00:00Z";

/// Stands in a document for the number that gives its digest the digits that are asked for.
const NONCE: &str = "NONCE";

/// How a blob is made.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Recipe {
    image: Json,
    index: Option<Vec<Json>>,
    attests: Option<String>,
    refers: Option<String>,
    refers_type: Option<String>,
    artifact: Option<String>,
    raw: Option<String>,
    json: Option<Json>,
    fill: Option<usize>,
    layers: Option<Vec<Json>>,
    /// Nothing stands for the usual time, null for none.
    created: Option<Json>,
    labels: Option<Json>,
    config: Members<Json>,
    annotations: Members<Json>,
    subject: Option<String>,
    docker: bool,
    alg: Option<String>,
    leaf_alg: Option<String>,
    members: Members<Json>,
    same_prefix: Option<(String, usize)>,
    #[serde(rename = "artifactType")]
    artifact_type: Option<String>,
    #[serde(rename = "configType")]
    config_type: Option<String>,
    #[serde(rename = "layerType")]
    layer_type: Option<String>,
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
}

impl Recipe {
    fn read(what: &Json) -> Result<Self, String> {
        if what.text().is_some() {
            return Ok(Recipe {
                image: what.clone(),
                ..Recipe::default()
            });
        }
        // By way of the text, which keeps the order of members.
        let recipe: Recipe = serde_json::from_str(&what.compact()).map_err(|e| e.to_string())?;
        let null = what.get("created") == Some(&Json::Null);
        Ok(Recipe {
            created: if null {
                Some(Json::Null)
            } else {
                recipe.created
            },
            ..recipe
        })
    }
}

/// What a description means: names, digests, bytes.
pub(crate) struct Described {
    pub(super) spec: LayoutSpec,
    /// When it was made, in seconds since 1970.
    pub(super) now: i64,
    /// Digests by name, in the order in which they were made.
    pub(crate) names: IndexMap<String, String>,
    /// Bytes by digest.
    pub(crate) data: BTreeMap<String, Vec<u8>>,
    /// The names of the parts of each name: itself, `NAME.config`, `NAME.layer0` and so on.
    pub(crate) own: BTreeMap<String, Vec<String>>,
    /// The descriptor with which an index lists a name.
    listed: BTreeMap<String, Members<Json>>,
}

impl Described {
    pub(crate) fn of(spec: &LayoutSpec) -> Result<Self, String> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|e| e.to_string())?;
        let mut layout = Described {
            spec: spec.clone(),
            now: i64::try_from(now.as_secs()).map_err(|e| e.to_string())?,
            names: IndexMap::new(),
            data: BTreeMap::new(),
            own: BTreeMap::new(),
            listed: BTreeMap::new(),
        };
        for (name, what) in spec.blobs.iter() {
            layout.add(name, what).map_err(|e| format!("{name}: {e}"))?;
        }
        for (name, what) in spec.garbage.iter() {
            let data = match (what, fill_of(what)) {
                (Json::Text(text), _) => text.clone().into_bytes(),
                (_, Some(n)) => filled(name, n),
                _ => what.compact().into_bytes(),
            };
            layout.put(name, data, name, "sha256")?;
        }
        Ok(layout)
    }

    /// Makes a blob, and gives its digest and its size.
    fn put(
        &mut self,
        name: &str,
        data: Vec<u8>,
        owner: &str,
        alg: &str,
    ) -> Result<Members<Json>, String> {
        let digest = digest_by(alg, &data)?;
        let place = place(&digest, data.len());
        self.names.insert(name.to_owned(), digest.clone());
        self.data.insert(digest, data);
        self.own
            .entry(owner.to_owned())
            .or_default()
            .push(name.to_owned());
        Ok(place)
    }

    pub(crate) fn digest(&self, name: &str) -> Result<&str, String> {
        let digest = self.names.get(name).map(String::as_str);
        digest.ok_or_else(|| format!("no blob is called `{name}`"))
    }

    /// `{digest:NAME}` is `sha256:...`, `{id:NAME}` its digits, `{short:NAME}` the first 12, `{prefix:NAME:N}` the first
    /// N, `{ago:SECONDS}` a time.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        replaced(
            r"\{(digest|id|short|prefix|ago):([^{}]+)\}",
            text,
            |found| self.placeholder(&found[1], &found[2]),
        )
    }

    fn placeholder(&self, kind: &str, name: &str) -> Result<String, String> {
        if kind == "ago" {
            let seconds: i64 = name.parse().map_err(|_| format!("ago:{name}"))?;
            return Ok(Timestamp::from_second(self.now - seconds)
                .map_err(|e| e.to_string())?
                .to_string());
        }
        let (name, length) = match (kind, name.rsplit_once(':')) {
            ("prefix", Some((name, n))) => {
                (name, n.parse().map_err(|_| format!("prefix:{name}:{n}"))?)
            }
            ("short", _) => (name, 12),
            _ => (name, usize::MAX),
        };
        let digest = self.digest(name)?;
        let digits = digest.split_once(':').map_or("", |(_, digits)| digits);
        Ok(match kind {
            "digest" => digest.to_owned(),
            _ => digits[..length.min(digits.len())].to_owned(),
        })
    }

    /// A value with all placeholders in its texts replaced; `{"desc": NAME}` becomes a descriptor.
    pub(super) fn deep(&self, value: &Json) -> Result<Json, String> {
        Ok(match value {
            Json::Text(text) => self.expand(text)?.into(),
            Json::List(list) => Json::List(
                list.iter()
                    .map(|v| self.deep(v))
                    .collect::<Result<_, _>>()?,
            ),
            Json::Object(members) => match members.0.as_slice() {
                [(key, name)] if key == "desc" => Json::Object(self.descriptor(name, true)?),
                _ => Json::Object(self.deep_members(members)?),
            },
            other => other.clone(),
        })
    }

    fn deep_members(&self, members: &Members<Json>) -> Result<Members<Json>, String> {
        let mut deep = Members::default();
        for (key, value) in members.iter() {
            deep.set(&self.expand(key)?, self.deep(value)?);
        }
        Ok(deep)
    }

    /// `NAME` is that blob, `NAME+` that with its config and layers, `*` all.
    pub(crate) fn parts(&self, pattern: &str) -> Result<Vec<String>, String> {
        if pattern == "*" {
            return Ok(self.names.keys().cloned().collect());
        }
        if let Some(name) = pattern.strip_suffix('+') {
            let parts = self.own.get(name).cloned();
            return parts.ok_or_else(|| format!("no blob is called `{name}`"));
        }
        self.digest(pattern).map(|_| vec![pattern.to_owned()])
    }

    // Documents.

    fn add(&mut self, name: &str, what: &Json) -> Result<(), String> {
        let what = Recipe::read(what)?;
        let data = if let Some(n) = what.fill {
            Some(filled(name, n))
        } else if let Some(text) = &what.raw {
            Some(self.expand(text)?.into_bytes())
        } else if let Some(value) = &what.json {
            Some(self.deep(value)?.compact().into_bytes())
        } else {
            None
        };
        let Some(data) = data else {
            return self.document(name, what);
        };
        let kind = what.media_type.as_deref().unwrap_or(OCTETS);
        let mut desc = media_type(kind);
        desc.extend(self.put(name, data, name, what.alg.as_deref().unwrap_or("sha256"))?);
        self.listed.insert(name.to_owned(), desc);
        Ok(())
    }

    fn document(&mut self, name: &str, mut what: Recipe) -> Result<(), String> {
        let mut annotations = self.deep_members(&what.annotations)?;
        if what.same_prefix.is_some() {
            annotations.set("org.example.nonce", NONCE.into());
        }
        let mut desc = Members::default();
        let mut doc = if let Some(children) = &what.index {
            let mut doc = document(if what.docker { DOCKER_LIST } else { INDEX });
            if let Some(kind) = &what.artifact_type {
                doc.set("artifactType", kind.as_str().into());
            }
            let children = children
                .iter()
                .map(|c| Ok(Json::Object(self.descriptor(c, false)?)));
            doc.set(
                "manifests",
                Json::List(children.collect::<Result<_, String>>()?),
            );
            doc
        } else {
            self.manifest(name, &mut what, &mut desc)?
        };
        if let Some(subject) = &what.subject {
            let digest = self.digest(subject)?.to_owned();
            let listed = self
                .listed
                .get(subject)
                .and_then(|d| d.get("mediaType"))
                .cloned();
            let mut about = Members::default();
            about.set("mediaType", listed.unwrap_or_default());
            about.extend(place(&digest, self.data[&digest].len()));
            doc.set("subject", Json::Object(about));
        }
        if !annotations.0.is_empty() {
            doc.set("annotations", Json::Object(annotations));
        }
        doc.extend(self.deep_members(&what.members)?);
        let kind = doc.get("mediaType").cloned();
        let alg = what.alg.as_deref().unwrap_or("sha256");
        let mut text = Json::Object(doc).compact();
        if let Some((other, digits)) = &what.same_prefix {
            let start = self.placeholder("prefix", &format!("{other}:{digits}"))?;
            text = with_digits(&text, alg, &start)?;
        }
        let mut whole = Members::default();
        whole.set("mediaType", kind.unwrap_or_default());
        whole.extend(self.put(name, text.into_bytes(), name, alg)?);
        whole.extend(desc);
        let own = self.own.entry(name.to_owned()).or_default();
        own.rotate_right(1);
        self.listed.insert(name.to_owned(), whole);
        Ok(())
    }

    /// A manifest, for which `desc` gets what an index says of it besides.
    fn manifest(
        &mut self,
        name: &str,
        what: &mut Recipe,
        desc: &mut Members<Json>,
    ) -> Result<Members<Json>, String> {
        let leaf = what.leaf_alg.clone().or_else(|| what.alg.clone());
        let leaf = leaf.as_deref().unwrap_or("sha256");
        let is_artifact = what.refers.is_some() || what.artifact.is_some();
        let kind_of_layer = match what {
            Recipe {
                attests: Some(_), ..
            } => IN_TOTO,
            Recipe { layer_type, .. } if is_artifact => layer_type.as_deref().unwrap_or(OCTETS),
            Recipe { docker: true, .. } => DOCKER_LAYER,
            _ => LAYER,
        };
        let own_layer = vec![format!("{name} layer 0").into()];
        let mut layers = Vec::new();
        for (i, layer) in what
            .layers
            .as_ref()
            .unwrap_or(&own_layer)
            .iter()
            .enumerate()
        {
            let part = match (layer.text(), fill_of(layer)) {
                (Some(text), _) if text.starts_with('@') => {
                    let digest = self.digest(&text[1..])?;
                    place(digest, self.data[digest].len())
                }
                (Some(text), _) => self.put(
                    &format!("{name}.layer{i}"),
                    text.as_bytes().to_vec(),
                    name,
                    leaf,
                )?,
                (None, Some(n)) => {
                    let unit = format!("{name}.layer{i} ");
                    self.put(&format!("{name}.layer{i}"), filled(&unit, n), name, leaf)?
                }
                (None, None) => return Err(format!("a layer of {name}: {}", layer.compact())),
            };
            let mut layer = media_type(kind_of_layer);
            layer.extend(part);
            layers.push(Json::Object(layer));
        }
        let config = if is_artifact {
            let mut config = media_type(what.config_type.as_deref().unwrap_or(EMPTY));
            config.extend(self.put(&format!("{name}.config"), b"{}".to_vec(), name, leaf)?);
            config
        } else {
            let content = self.config(name, what, &layers, desc)?;
            let mut config = media_type(if what.docker { DOCKER_CONFIG } else { CONFIG });
            config.extend(self.put(
                &format!("{name}.config"),
                content.compact().into_bytes(),
                name,
                leaf,
            )?);
            config
        };
        let mut doc = document(if what.docker {
            DOCKER_MANIFEST
        } else {
            MANIFEST
        });
        let mut kind = what
            .artifact_type
            .clone()
            .or_else(|| what.refers_type.clone())
            .or_else(|| what.artifact.clone());
        if what.refers.is_some() && kind.is_none() {
            kind = Some("application/vnd.example.signature".to_owned());
        }
        if let Some(kind) = kind {
            doc.set("artifactType", kind.as_str().into());
            if is_artifact {
                desc.set("artifactType", kind.into());
            }
        }
        doc.set("config", Json::Object(config));
        doc.set("layers", Json::List(layers));
        if let Some(about) = &what.attests {
            let about = self.digest(about)?.to_owned();
            desc.set(
                "annotations",
                Json::object([
                    ("vnd.docker.reference.digest", about.into()),
                    ("vnd.docker.reference.type", "attestation-manifest".into()),
                ]),
            );
            if what.subject.is_some() {
                what.subject.clone_from(&what.attests);
            }
        } else if what.refers.is_some() {
            what.subject.clone_from(&what.refers);
        }
        Ok(doc)
    }

    fn config(
        &self,
        name: &str,
        what: &Recipe,
        layers: &[Json],
        desc: &mut Members<Json>,
    ) -> Result<Json, String> {
        let is_attestation = what.attests.is_some();
        let runs_on = if is_attestation {
            platform(&"unknown/unknown".into())
        } else {
            platform(&what.image)
        };
        let digests = layers
            .iter()
            .filter_map(|layer| layer.get("digest").cloned());
        let rootfs = Json::object([
            ("type", "layers".into()),
            ("diff_ids", Json::List(digests.collect())),
        ]);
        let mut config = Members::default();
        if is_attestation {
            config.set("architecture", "unknown".into());
            config.set("os", "unknown".into());
            config.set("config", Json::Object(Members::default()));
            config.set("rootfs", rootfs);
            config.set("author", name.into());
        } else {
            config.set("author", name.into());
            match &what.created {
                None => config.set("created", CREATED.into()),
                Some(Json::Text(text)) if !text.is_empty() => {
                    config.set("created", self.expand(text)?.into());
                }
                Some(_) => {}
            }
            if let Json::Object(runs_on) = &runs_on {
                config.extend(runs_on.clone());
            }
            let labels = what
                .labels
                .clone()
                .map(|labels| ("Labels".to_owned(), labels));
            config.set(
                "config",
                Json::Object(Members(labels.into_iter().collect())),
            );
            config.set("rootfs", rootfs);
        }
        config.extend(self.deep_members(&what.config)?);
        if !runs_on.is_nothing() {
            desc.set("platform", runs_on);
        }
        Ok(Json::Object(config))
    }

    /// How an index, or as an entry index.json, lists a blob.
    fn descriptor(&self, entry: &Json, is_entry: bool) -> Result<Members<Json>, String> {
        let mut entry = match entry {
            Json::Object(members) => members.clone(),
            name => Members(vec![("blob".to_owned(), name.clone())]),
        };
        let name = entry
            .take("blob")
            .and_then(|name| name.text().map(str::to_owned));
        let name = name.ok_or("an entry without `blob`")?;
        let digest = self.digest(&name)?;
        let mut d = self.listed.get(&name).cloned().unwrap_or_else(|| {
            let mut d = media_type(OCTETS);
            d.extend(place(digest, self.data[digest].len()));
            d
        });
        if is_entry {
            for key in ["platform", "artifactType", "annotations"] {
                d.take(key);
            }
        }
        let mut annotations = match d.take("annotations") {
            Some(Json::Object(annotations)) => annotations,
            _ => Members::default(),
        };
        for (key, annotation) in [("cname", NAME), ("name", REF)] {
            if let Some(value) = entry.take(key) {
                annotations.set(annotation, self.deep(&value)?);
            }
        }
        if let Some(Json::Object(more)) = entry.take("annotations") {
            annotations.extend(self.deep_members(&more)?);
        }
        if let Some(own) = entry.take("platform") {
            d.take("platform");
            if own != Json::Null {
                d.set("platform", platform(&own));
            }
        }
        if entry.get("data") == Some(&Json::Bool(true)) {
            entry.set("data", base64(&self.data[digest]).into());
        }
        for (key, value) in entry.iter() {
            if *value == Json::Null {
                d.take(key);
            } else {
                d.set(key, self.deep(value)?);
            }
        }
        if !annotations.0.is_empty() {
            d.set("annotations", Json::Object(annotations));
        }
        Ok(d)
    }

    fn row(&self, entry: &Json) -> Result<Json, String> {
        let entry = match entry
            .text()
            .map(|text| text.rsplit_once('=').unwrap_or(("", text)))
        {
            Some(("", blob)) => Json::object([("blob", blob.into())]),
            Some((name, blob)) => Json::object([("blob", blob.into()), ("name", name.into())]),
            None => entry.clone(),
        };
        self.descriptor(&entry, true).map(Json::Object)
    }

    pub(super) fn index_json(&self) -> Result<String, String> {
        let mut doc = document(INDEX);
        let rows = self.spec.rows.iter().map(|row| self.row(row));
        doc.set("manifests", Json::List(rows.collect::<Result<_, _>>()?));
        doc.extend(self.deep_members(&self.spec.index)?);
        let doc = Json::Object(doc);
        Ok(if self.spec.pretty {
            doc.pretty()
        } else {
            doc.compact()
        })
    }
}

/// A text with every match replaced, or the first error.
pub(crate) fn replaced(
    pattern: &str,
    text: &str,
    with: impl Fn(&Captures<'_>) -> Result<String, String>,
) -> Result<String, String> {
    let pattern = Regex::new(pattern).expect("an own pattern");
    let mut error = None;
    let text = pattern.replace_all(text, |found: &Captures<'_>| {
        with(found).unwrap_or_else(|e| {
            error.get_or_insert(e);
            String::new()
        })
    });
    error.map_or_else(|| Ok(text.into_owned()), Err)
}

fn media_type(kind: &str) -> Members<Json> {
    Members(vec![("mediaType".to_owned(), kind.into())])
}

fn document(kind: &str) -> Members<Json> {
    let mut doc = Members(vec![("schemaVersion".to_owned(), 2.into())]);
    doc.extend(media_type(kind));
    doc
}

fn place(digest: &str, size: usize) -> Members<Json> {
    Members(vec![
        ("digest".to_owned(), digest.into()),
        ("size".to_owned(), size.into()),
    ])
}

/// `os[(version[+feature]...)]/arch[/variant]` as the object that an index has; anything else as it is.
fn platform(text: &Json) -> Json {
    let Some(text) = text.text() else {
        return text.clone();
    };
    let parsed = parse_platform(text);
    let mut platform = Members::default();
    for key in ["architecture", "os", "os.version", "os.features", "variant"] {
        if let Some(value) = parsed.get(key) {
            platform.set(key, value.into());
        }
    }
    Json::Object(platform)
}

/// N of `{"fill": N}`.
fn fill_of(what: &Json) -> Option<usize> {
    match what.members()?.0.as_slice() {
        [(key, Json::Number(n))] if key == "fill" => usize::try_from(n.as_u64()?).ok(),
        _ => None,
    }
}

fn filled(unit: &str, n: usize) -> Vec<u8> {
    unit.bytes().cycle().take(n).collect()
}

fn with_digits(text: &str, alg: &str, start: &str) -> Result<String, String> {
    let (head, tail) = text.split_once(NONCE).ok_or("no place for a number")?;
    let texts = (1..1_u32 << 22).map(|n| format!("{head}{n}{tail}"));
    for text in texts {
        let digest = digest_by(alg, text.as_bytes())?;
        if digest[alg.len() + 1..].starts_with(start) {
            return Ok(text);
        }
    }
    Err("no number gives that prefix".to_owned())
}

pub(crate) fn digest_by(alg: &str, data: &[u8]) -> Result<String, String> {
    let digits = match alg {
        "sha256" => hex(&Sha256::digest(data)),
        "sha384" => hex(&Sha384::digest(data)),
        "sha512" => hex(&Sha512::digest(data)),
        "blake3" => hex(blake3::hash(data).as_bytes()),
        other => return Err(format!("no digests by {other} are made here")),
    };
    Ok(format!("{alg}:{digits}"))
}
