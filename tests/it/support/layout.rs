//! Writes layouts piece by piece. Each piece is written at once and gives the descriptor with which others list it:
//!
//! ```
//! let mut layout = place.layout("layout");
//! let amd = layout.image_for("linux/amd64", "amd", &["base", "amd"]);
//! let arm = layout.image_for("linux/arm64", "arm", &["base", "arm"]);
//! let app = layout.index(&[&amd, &arm]);
//! layout.named(&app, "docker.io/library/app:1").finish();
//! ```
//!
//! Nothing is random: the same pieces have the same digests each time.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::contents::{blob_path, digest, digest_of, document, members};
use super::names::{NAME, REF, ref_name};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The annotation with the date of a row.
pub(crate) const CREATED: &str = "org.opencontainers.image.created";

/// A layout that is being written.
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    rows: Vec<Value>,
}

impl Layout {
    pub(crate) fn in_dir(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).expect("an own directory");
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("a file in an own directory");
        Layout {
            dir: dir.to_owned(),
            rows: Vec::new(),
        }
    }

    /// Stores a blob, and gives the descriptor of it.
    pub(crate) fn blob(&self, media_type: &str, content: impl AsRef<[u8]>) -> Value {
        let content = content.as_ref();
        let digest = digest_of(content);
        let path = blob_path(&self.dir, &digest);
        // A blob that is there stays as it is: it may have been given an age, or a second name.
        if !path.exists() {
            fs::write(path, content).expect("a file in an own directory");
        }
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    }

    /// Stores a document, written without a space.
    pub(crate) fn document(&self, content: &Value) -> Value {
        let media_type = content["mediaType"].as_str().unwrap_or_default();
        self.blob(media_type, content.to_string())
    }

    /// Stores an image for `linux/amd64` with a layer of its own.
    pub(crate) fn image(&self, title: &str) -> Value {
        self.image_for("linux/amd64", title, &[title])
    }

    /// Stores an image with these layers, and gives the descriptor of it as an index lists it.
    pub(crate) fn image_for(&self, platform: &str, title: &str, layers: &[&str]) -> Value {
        self.image_from(platform, title, layers, "2021-06-01T12:00:00Z")
    }

    /// The same, with the date that its config has.
    pub(crate) fn image_from(
        &self,
        platform: &str,
        title: &str,
        layers: &[&str],
        created: &str,
    ) -> Value {
        let layers = layers.iter().map(|layer| self.layer(layer)).collect();
        let config = json!({"created": created, "author": title});
        self.image_of(platform, config, layers)
    }

    /// Stores a layer.
    pub(crate) fn layer(&self, title: &str) -> Value {
        self.blob(LAYER, format!("layer {title}\n"))
    }

    /// Stores an image with this config, to which its platform and its layers are added.
    pub(crate) fn image_of(&self, platform: &str, mut config: Value, layers: Vec<Value>) -> Value {
        let layers = Value::from(layers);
        let runs_on = parse_platform(platform);
        if let (Some(config), Some(runs_on)) = (config.as_object_mut(), runs_on.as_object()) {
            config.extend(runs_on.clone());
        }
        config["rootfs"] = json!({"type": "layers", "diff_ids": members(&layers, "digest")});
        let mut descriptor = self.document(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(CONFIG, config.to_string()),
            "layers": layers,
        }));
        descriptor["platform"] = runs_on;
        descriptor
    }

    /// Stores a copy of a document whose digest begins with these digits, and gives its descriptor.
    pub(crate) fn with_digits(&self, image: &Value, digits: &str) -> Value {
        let mut copy = self.read(image);
        copy["annotations"]["org.example.nonce"] = "NONCE".into();
        let text = copy.to_string();
        let (head, tail) = text.split_once("NONCE").expect("what was just put there");
        let found = (0..1_u32 << (4 * digits.len() + 6))
            .map(|n| format!("{head}{n}{tail}"))
            .find(|text| digest_of(text)["sha256:".len()..].starts_with(digits));
        let found = found.unwrap_or_else(|| panic!("no number gives the digits {digits}"));
        let mut descriptor = image.clone();
        descriptor["digest"] = digest_of(&found).into();
        descriptor["size"] = found.len().into();
        self.blob("", found);
        descriptor
    }

    /// The document to which a descriptor leads.
    pub(crate) fn read(&self, descriptor: &Value) -> Value {
        document(&self.dir, digest(descriptor))
    }

    /// Stores an index.
    pub(crate) fn index(&self, manifests: &[&Value]) -> Value {
        self.document(&index_of(manifests))
    }

    /// Stores a manifest that refers to another one, as `oras attach` and `cosign` make them.
    pub(crate) fn referrer(&self, subject: &Value, title: &str) -> Value {
        let mut subject = subject.clone();
        if let Some(members) = subject.as_object_mut() {
            members.retain(|key, _| ["mediaType", "digest", "size"].contains(&key.as_str()));
        }
        self.document(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.signature",
            "config": self.blob(EMPTY, "{}"),
            "layers": [self.blob("text/plain", format!("{title}\n"))],
            "subject": subject,
        }))
    }

    /// Stores an attestation as BuildKit makes it, and gives the descriptor with which an index lists it.
    pub(crate) fn attestation(&self, about: &Value, title: &str) -> Value {
        let mut descriptor = self.image_for("unknown/unknown", title, &[title]);
        descriptor["annotations"] = attests(about);
        descriptor
    }

    /// The digest of the config of an image.
    pub(crate) fn config_of(&self, image: &Value) -> String {
        digest(&self.read(image)["config"]).to_owned()
    }

    /// Adds a row with these annotations.
    pub(crate) fn row(&mut self, target: &Value, annotations: Value) -> &mut Self {
        let mut row = target.clone();
        if let Some(members) = row.as_object_mut() {
            members.remove("annotations");
            members.remove("platform");
        }
        if annotations.as_object().is_some_and(|map| !map.is_empty()) {
            row["annotations"] = annotations;
        }
        self.push(row)
    }

    /// Adds a row as it is.
    pub(crate) fn push(&mut self, row: Value) -> &mut Self {
        self.rows.push(row);
        self
    }

    /// Adds a row as containerd writes it: with the full name, and its tag.
    pub(crate) fn named(&mut self, target: &Value, name: &str) -> &mut Self {
        self.row(target, json!({NAME: name, REF: ref_name(name)}))
    }

    /// Adds a row as containerd writes it, with a date.
    pub(crate) fn dated(&mut self, target: &Value, name: &str, created: &str) -> &mut Self {
        self.row(
            target,
            json!({NAME: name, REF: ref_name(name), CREATED: created}),
        )
    }

    /// Adds a row as skopeo, umoci, oras and regctl write it.
    pub(crate) fn tagged(&mut self, target: &Value, text: &str) -> &mut Self {
        self.row(target, json!({REF: text}))
    }

    /// Adds a row without a name.
    pub(crate) fn unnamed(&mut self, target: &Value) -> &mut Self {
        self.row(target, json!({}))
    }

    /// The rows so far, for an index.json that is written in another way.
    pub(crate) fn rows(&self) -> &[Value] {
        &self.rows
    }

    /// What index.json has to say.
    pub(crate) fn listing(&self) -> Value {
        index_of(&self.rows)
    }

    /// Writes index.json, as Go does.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.finish_as(&self.listing().to_string())
    }

    /// Writes index.json as this text.
    pub(crate) fn finish_as(&mut self, text: &str) -> &mut Self {
        fs::write(self.dir.join("index.json"), text).expect("a file in an own directory");
        self
    }
}

fn index_of<T: serde::Serialize>(manifests: &[T]) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

/// The annotations with which BuildKit lists an attestation about an image.
pub(crate) fn attests(about: &Value) -> Value {
    json!({
        "vnd.docker.reference.digest": digest(about),
        "vnd.docker.reference.type": "attestation-manifest",
    })
}

/// `os[(version[+feature]...)]/arch[/variant]` as a platform object.
pub(crate) fn parse_platform(text: &str) -> Value {
    let mut parts = text.split('/');
    let os = parts.next().unwrap_or_default();
    let (os, options) = match os.strip_suffix(')').and_then(|os| os.split_once('(')) {
        Some((os, options)) => (os, Some(options)),
        None => (os, None),
    };
    let mut platform = json!({"os": os, "architecture": parts.next()});
    if let Some(variant) = parts.next() {
        platform["variant"] = variant.into();
    }
    let mut options = options.into_iter().flat_map(|options| options.split('+'));
    if let Some(version) = options.next().filter(|version| !version.is_empty()) {
        platform["os.version"] = version.into();
    }
    let features: Vec<&str> = options.collect();
    if !features.is_empty() {
        platform["os.features"] = features.into();
    }
    platform
}
