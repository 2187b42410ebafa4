//! Makes the manifests, configs and layers of a case. Nothing is random: the same case has the same digests each time.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::deletion_case::{Case, Recipe};
use super::json_text::{Json, Members, Spacing, text_members};
use super::names::short;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// When everything in the layout was last modified, in seconds since 1970; some minutes are added to tell files apart.
pub(crate) const LONG_AGO: u64 = 1_600_000_000;

pub(crate) fn digest_of(data: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(data)))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A manifest or an index.
pub(crate) struct Node {
    pub(crate) media_type: &'static str,
    pub(crate) digest: String,
    pub(crate) size: usize,
    /// Whether it lies in the layout, or is merely listed.
    pub(crate) present: bool,
    /// What an index that lists it says about it.
    pub(crate) platform: Option<Json>,
    /// Likewise.
    annotations: Vec<(String, String)>,
    /// The manifests of an index, by their ids.
    pub(crate) members: Vec<(String, Rc<Node>)>,
    /// The digests of the config and the layers of a manifest.
    leaves: Vec<String>,
}

impl Node {
    fn member(&self, id: &str) -> Option<&Rc<Node>> {
        self.members
            .iter()
            .find(|(key, _)| key == id)
            .map(|(_, node)| node)
    }

    /// Collects the digests that have to lie in the layout for this image.
    pub(crate) fn collect_present(&self, out: &mut BTreeSet<String>) {
        if self.present && out.insert(self.digest.clone()) {
            out.extend(self.leaves.iter().cloned());
            for (_, member) in &self.members {
                member.collect_present(out);
            }
        }
    }
}

struct Layer {
    digest: String,
    diff_id: String,
    size: usize,
}

/// All images of a case by their symbols, and the bytes of all their blobs.
pub(crate) struct Images {
    case_id: String,
    recipes: BTreeMap<String, Recipe>,
    /// Digest to bytes, of blobs that lie in the layout and of those that are merely listed.
    pub(crate) data: BTreeMap<String, Vec<u8>>,
    layers: BTreeMap<String, Layer>,
    nodes: BTreeMap<String, Rc<Node>>,
    /// Digits with which the digest of a symbol has to start.
    prefixes: BTreeMap<String, String>,
}

impl Images {
    pub(crate) fn of(case: &Case) -> Self {
        let mut images = Images {
            case_id: case.id.clone(),
            recipes: case.targets.clone(),
            data: BTreeMap::new(),
            layers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            prefixes: BTreeMap::new(),
        };
        if let Some(same) = &case.same_prefix {
            let (first, rest) = same
                .targets
                .split_first()
                .expect("same_prefix names targets");
            let digits = images.node(first).digest[7..7 + same.hex_digits].to_owned();
            for symbol in rest {
                images.prefixes.insert(symbol.clone(), digits.clone());
            }
        }
        images
    }

    /// Takes the bytes of a blob and gives its digest.
    pub(crate) fn put(&mut self, data: Vec<u8>) -> String {
        let digest = digest_of(&data);
        self.data.insert(digest.clone(), data);
        digest
    }

    /// The image at `A`, or `X.arm` inside of an index, made when it is first asked for.
    pub(crate) fn node(&mut self, path: &str) -> Rc<Node> {
        let mut parts = path.split('.');
        let symbol = parts.next().unwrap_or_default();
        let mut node = match self.nodes.get(symbol) {
            Some(node) => Rc::clone(node),
            None => self.make(symbol),
        };
        for id in parts {
            node = Rc::clone(
                node.member(id)
                    .unwrap_or_else(|| panic!("{}: no {id:?} in {path:?}", self.case_id)),
            );
        }
        node
    }

    fn make(&mut self, symbol: &str) -> Rc<Node> {
        let recipe = self.recipes.get(symbol).cloned().unwrap_or_else(|| Recipe {
            kind: None,
            id: String::new(),
            platform: Some("linux/amd64".to_owned()),
            layers: vec![format!("only-{symbol}")],
            manifests: None,
            attests: None,
            present: true,
            same_as: None,
            descriptor_platform: true,
            config_labels: None,
            config_created: None,
        });
        let node = match self.prefixes.get(symbol).cloned() {
            None => self.build(symbol, &recipe, &[], None),
            Some(digits) => {
                let nonce = self.nonce_for(symbol, &recipe, &digits);
                self.build(symbol, &recipe, &[], Some(nonce))
            }
        };
        self.nodes.insert(symbol.to_owned(), Rc::clone(&node));
        node
    }

    /// The number that gives the image a digest with these first digits.
    fn nonce_for(&mut self, symbol: &str, recipe: &Recipe, digits: &str) -> u32 {
        let first = self.build(symbol, recipe, &[], Some(0));
        let text = self
            .data
            .remove(&first.digest)
            .and_then(|data| String::from_utf8(data).ok())
            .expect("a document that was just made");
        let (head, tail) = text
            .split_once(r#""org.example.nonce":"0""#)
            .expect("a nonce in the document");
        (0..1_u32 << (4 * digits.len() + 6))
            .find(|n| {
                let text = format!(r#"{head}"org.example.nonce":"{n}"{tail}"#);
                digest_of(text.as_bytes())[7..].starts_with(digits)
            })
            .unwrap_or_else(|| panic!("no nonce gives {symbol} the digits {digits}"))
    }

    fn build(
        &mut self,
        path: &str,
        recipe: &Recipe,
        siblings: &[(String, Rc<Node>)],
        nonce: Option<u32>,
    ) -> Rc<Node> {
        if let Some(other) = &recipe.same_as {
            return self.node(other);
        }
        let note = nonce.map(|n| {
            let value: Json = [("org.example.nonce", n.to_string().into())].into();
            ("annotations".to_owned(), value)
        });
        let node = match &recipe.manifests {
            Some(manifests) => self.build_index(path, recipe, manifests, note),
            None => {
                assert_ne!(
                    recipe.kind.as_deref(),
                    Some("index"),
                    "an index without manifests"
                );
                self.build_manifest(path, recipe, siblings, note)
            }
        };
        Rc::new(node)
    }

    fn build_index(
        &mut self,
        path: &str,
        recipe: &Recipe,
        manifests: &[Recipe],
        note: Option<(String, Json)>,
    ) -> Node {
        let mut members: Vec<(String, Rc<Node>)> = Vec::new();
        let mut entries = Vec::new();
        for inner in manifests {
            let node = self.build(&format!("{path}.{}", inner.id), inner, &members, None);
            let mut entry = descriptor(node.media_type, &node.digest, node.size);
            if !node.annotations.is_empty() {
                entry.push((
                    "annotations".to_owned(),
                    text_members(node.annotations.iter().map(|(k, v)| (k, v))),
                ));
            }
            if let (Some(platform), true) = (&node.platform, inner.descriptor_platform) {
                entry.push(("platform".to_owned(), platform.clone()));
            }
            entries.push(Json::Object(entry));
            members.push((inner.id.clone(), node));
        }
        let mut document = vec![
            ("schemaVersion".to_owned(), 2.into()),
            ("mediaType".to_owned(), INDEX.into()),
            ("manifests".to_owned(), entries.into()),
        ];
        document.extend(note);
        let (digest, size) = self.put_document(document);
        Node {
            media_type: INDEX,
            digest,
            size,
            present: recipe.present,
            platform: None,
            annotations: Vec::new(),
            members,
            leaves: Vec::new(),
        }
    }

    fn build_manifest(
        &mut self,
        path: &str,
        recipe: &Recipe,
        siblings: &[(String, Rc<Node>)],
        note: Option<(String, Json)>,
    ) -> Node {
        let subject = recipe.attests.as_ref().map(|id| {
            siblings
                .iter()
                .find(|(key, _)| key == id)
                .map(|(_, node)| node.digest.clone())
                .unwrap_or_else(|| panic!("{path} attests {id}, which is not before it"))
        });
        let platform = match (&subject, &recipe.platform) {
            (Some(_), _) => [("architecture", "unknown".into()), ("os", "unknown".into())].into(),
            (None, Some(text)) => parse_platform(text),
            (None, None) => panic!("{}: {path} has no platform", self.case_id),
        };
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        let mut leaves = Vec::new();
        for name in &recipe.layers {
            let layer = match &subject {
                Some(subject) => self.statement(name, subject),
                None => self.layer(name),
            };
            let media_type = if subject.is_some() { IN_TOTO } else { LAYER };
            let mut members = descriptor(media_type, &layer.digest, layer.size);
            diff_ids.push(layer.diff_id.as_str().into());
            leaves.push(layer.digest.clone());
            if subject.is_some() {
                members.push((
                    "annotations".to_owned(),
                    [(
                        "in-toto.io/predicate-type",
                        "https://spdx.dev/Document".into(),
                    )]
                    .into(),
                ));
            }
            layers.push(Json::Object(members));
        }
        let config = config(path, recipe, &platform, diff_ids);
        let (config_digest, config_size) = self.put_document(config);
        leaves.push(config_digest.clone());
        let mut document = vec![
            ("schemaVersion".to_owned(), 2.into()),
            ("mediaType".to_owned(), MANIFEST.into()),
            (
                "config".to_owned(),
                Json::Object(descriptor(CONFIG, &config_digest, config_size)),
            ),
            ("layers".to_owned(), layers.into()),
        ];
        document.extend(note);
        let (digest, size) = self.put_document(document);
        Node {
            media_type: MANIFEST,
            digest,
            size,
            present: recipe.present,
            platform: Some(platform),
            annotations: subject.map_or_else(Vec::new, |subject| {
                vec![
                    ("vnd.docker.reference.digest".to_owned(), subject),
                    (
                        "vnd.docker.reference.type".to_owned(),
                        "attestation-manifest".to_owned(),
                    ),
                ]
            }),
            members: Vec::new(),
            leaves,
        }
    }

    fn put_document(&mut self, members: Vec<(String, Json)>) -> (String, usize) {
        let text = Json::Object(members).written(&Spacing::COMPACT);
        let size = text.len();
        (self.put(text.into_bytes()), size)
    }

    fn layer(&mut self, name: &str) -> &Layer {
        if !self.layers.contains_key(name) {
            let body = format!("layer {name} of {}\n", self.case_id);
            let raw = tar_of(&format!("srv/{name}.txt"), body.as_bytes());
            let data = gzip_of(&raw);
            let layer = Layer {
                size: data.len(),
                digest: self.put(data),
                diff_id: digest_of(&raw),
            };
            self.layers.insert(name.to_owned(), layer);
        }
        &self.layers[name]
    }

    fn statement(&mut self, name: &str, subject: &str) -> &Layer {
        if !self.layers.contains_key(name) {
            let statement: Json = [
                ("_type", "https://in-toto.io/Statement/v0.1".into()),
                ("predicateType", "https://spdx.dev/Document".into()),
                (
                    "subject",
                    vec![
                        [
                            ("name", "_".into()),
                            ("digest", [("sha256", subject[7..].into())].into()),
                        ]
                        .into(),
                    ]
                    .into(),
                ),
                ("predicate", [("name", name.into())].into()),
            ]
            .into();
            let data = statement.written(&Spacing::COMPACT).into_bytes();
            let size = data.len();
            let digest = self.put(data);
            let layer = Layer {
                diff_id: digest.clone(),
                digest,
                size,
            };
            self.layers.insert(name.to_owned(), layer);
        }
        &self.layers[name]
    }

    /// Replaces `${A}`, `${X.arm}` by digests, `${A.hex}` by their digits, `${A.hex:4}` by the first four of them.
    pub(crate) fn expand(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inner, behind) = after
                .split_once('}')
                .unwrap_or_else(|| panic!("no end of ${{ in {text:?}"));
            out.push_str(before);
            if let Some((symbol, count)) = inner.rsplit_once(".hex:") {
                let count: usize = count
                    .parse()
                    .unwrap_or_else(|_| panic!("no number in {text:?}"));
                out.push_str(&self.node(symbol).digest[7..7 + count]);
            } else if let Some(symbol) = inner.strip_suffix(".hex") {
                out.push_str(&self.node(symbol).digest[7..]);
            } else {
                out.push_str(&self.node(inner).digest);
            }
            rest = behind;
        }
        out + rest
    }

    /// The reverse, for messages: digests become `${A}`.
    pub(crate) fn symbols(&self, text: &str) -> String {
        fn each(path: &str, node: &Node, text: &mut String) {
            let symbol = format!("${{{path}}}");
            *text = text
                .replace(&node.digest, &symbol)
                .replace(short(&node.digest), &symbol);
            for (id, member) in &node.members {
                each(&format!("{path}.{id}"), member, text);
            }
        }
        let mut text = text.to_owned();
        for (symbol, node) in &self.nodes {
            each(symbol, node, &mut text);
        }
        text
    }

    /// The digest of `A`, `X.arm` or `layer:NAME`.
    pub(crate) fn blob(&mut self, address: &str) -> String {
        match address.strip_prefix("layer:") {
            None => self.node(address).digest.clone(),
            Some(name) => match self.layers.get(name) {
                Some(layer) => layer.digest.clone(),
                None => panic!("{}: no such layer: {address}", self.case_id),
            },
        }
    }

    /// What the digests of the symbols and of the layers are called.
    pub(crate) fn titles(&self) -> BTreeMap<String, String> {
        let nodes = self
            .nodes
            .iter()
            .map(|(symbol, node)| (node.digest.clone(), symbol.clone()));
        let layers = self
            .layers
            .iter()
            .map(|(name, layer)| (layer.digest.clone(), format!("layer:{name}")));
        nodes.chain(layers).collect()
    }

    /// Every symbol that was used so far, with its digest.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes
            .iter()
            .map(|(symbol, node)| (symbol.as_str(), node.digest.as_str()))
    }
}

fn descriptor(media_type: &str, digest: &str, size: usize) -> Vec<(String, Json)> {
    vec![
        ("mediaType".to_owned(), media_type.into()),
        ("digest".to_owned(), digest.into()),
        ("size".to_owned(), size.into()),
    ]
}

fn config(
    path: &str,
    recipe: &Recipe,
    platform: &Json,
    diff_ids: Vec<Json>,
) -> Vec<(String, Json)> {
    let created = recipe
        .config_created
        .as_deref()
        .unwrap_or("2021-06-01T12:00:00Z");
    let mut members = vec![
        ("created".to_owned(), created.into()),
        ("author".to_owned(), path.into()),
    ];
    if let Json::Object(platform) = platform {
        members.extend(platform.iter().cloned());
    }
    let mut run = vec![
        ("Env".to_owned(), vec!["PATH=/usr/bin".into()].into()),
        ("Cmd".to_owned(), vec!["/srv".into()].into()),
    ];
    if let Some(Members(labels)) = &recipe.config_labels {
        run.push((
            "Labels".to_owned(),
            text_members(labels.iter().map(|(k, v)| (k, v))),
        ));
    }
    members.push(("config".to_owned(), Json::Object(run)));
    members.push((
        "rootfs".to_owned(),
        [("type", "layers".into()), ("diff_ids", diff_ids.into())].into(),
    ));
    members
}

/// `os[(version[+feature]...)]/arch[/variant]` as a platform object.
pub(crate) fn parse_platform(text: &str) -> Json {
    let mut parts = text.split('/');
    let (Some(system), Some(architecture), variant, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        panic!("platform {text:?}");
    };
    let (system, options) = match system.strip_suffix(')').and_then(|s| s.split_once('(')) {
        Some((system, options)) => (system, options),
        None => (system, ""),
    };
    let mut options = options.split('+');
    let version = options.next().unwrap_or_default();
    let features: Vec<Json> = options.map(Json::from).collect();
    let mut members = vec![
        ("architecture".to_owned(), architecture.into()),
        ("os".to_owned(), system.into()),
    ];
    if !version.is_empty() {
        members.push(("os.version".to_owned(), version.into()));
    }
    if !features.is_empty() {
        members.push(("os.features".to_owned(), features.into()));
    }
    if let Some(variant) = variant {
        members.push(("variant".to_owned(), variant.into()));
    }
    Json::Object(members)
}

/// A tar archive with one small file. Written by hand because no two tar libraries agree on the bytes of a header.
fn tar_of(name: &str, body: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    const RECORD: usize = 20 * BLOCK;
    let mut header = [0_u8; BLOCK];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", body.len()));
    put(136, &format!("{LONG_AGO:011o}\0"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend(body);
    let end = (archive.len() + 2 * BLOCK).next_multiple_of(RECORD);
    archive.resize(end, 0);
    archive
}

/// A gzip file that holds its content as it is: the same bytes with every version of every library.
fn gzip_of(raw: &[u8]) -> Vec<u8> {
    let length = u16::try_from(raw.len()).expect("a layer that fits into one stored block");
    let mut crc = flate2::Crc::new();
    crc.update(raw);
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01".to_vec();
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(raw);
    out.extend(crc.sum().to_le_bytes());
    out.extend(u32::from(length).to_le_bytes());
    out
}
