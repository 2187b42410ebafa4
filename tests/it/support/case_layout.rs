//! The images and the layout of a case, as containerd's exporter and others write theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Value, json};

use super::contents::{Stock, blob_path, blobs, digest, members};
use super::deletion_case::{Case, Container, Recipe};
use super::layout::{CREATED, Layout, attests, parse_platform};
use super::names::{DANGLING, NAME, REF, familiar, ref_name, short};
use super::place::Place;

/// When everything in the layout was last modified, in seconds since 1970; some minutes are added to tell files apart.
const LONG_AGO: u64 = 1_600_000_000;

/// A manifest or an index.
pub(crate) struct Node {
    /// As an index lists it.
    descriptor: Value,
    /// Whether it lies in the layout, or is merely listed.
    present: bool,
    /// The manifests of an index, by their ids.
    members: Vec<(String, Rc<Node>)>,
    /// The config and the layers of a manifest.
    parts: Vec<String>,
}

impl Node {
    pub(crate) fn digest(&self) -> &str {
        digest(&self.descriptor)
    }

    /// Collects the digests that have to lie in the layout for this image.
    fn collect_present(&self, found: &mut BTreeSet<String>) {
        if self.present && found.insert(self.digest().to_owned()) {
            found.extend(self.parts.iter().cloned());
            for (_, member) in &self.members {
                member.collect_present(found);
            }
        }
    }
}

/// All images of a case by their symbols.
pub(crate) struct Images {
    case_id: String,
    recipes: BTreeMap<String, Recipe>,
    /// Holds the blobs of all images, those that are merely listed included.
    stock: Layout,
    _place: Place,
    layers: BTreeMap<String, Value>,
    nodes: BTreeMap<String, Rc<Node>>,
    /// Digits with which the digest of a symbol has to start.
    prefixes: BTreeMap<String, String>,
}

impl Images {
    pub(crate) fn of(case: &Case) -> Self {
        let place = Place::new();
        let mut images = Images {
            case_id: case.id.clone(),
            recipes: case.targets.clone(),
            stock: place.layout("stock"),
            _place: place,
            layers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            prefixes: BTreeMap::new(),
        };
        if let Some(same) = &case.same_prefix {
            let (first, rest) = same
                .targets
                .split_first()
                .expect("same_prefix names targets");
            let digits = images.node(first).digest()[7..7 + same.hex_digits].to_owned();
            for symbol in rest {
                images.prefixes.insert(symbol.clone(), digits.clone());
            }
        }
        images
    }

    /// The bytes of all blobs.
    pub(crate) fn stock(&self) -> Stock {
        Stock::of(&self.stock.dir)
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
            let member = node.members.iter().find(|(key, _)| key == id);
            let (_, member) =
                member.unwrap_or_else(|| panic!("{}: no {id:?} in {path:?}", self.case_id));
            node = Rc::clone(member);
        }
        node
    }

    fn make(&mut self, symbol: &str) -> Rc<Node> {
        let recipe = self.recipes.get(symbol).cloned().unwrap_or_else(|| Recipe {
            platform: Some("linux/amd64".to_owned()),
            layers: vec![format!("only-{symbol}")],
            present: true,
            descriptor_platform: true,
            ..Recipe::default()
        });
        let mut node = self.build(symbol, &recipe, &[]);
        if let (Some(digits), Some(node)) = (self.prefixes.get(symbol), Rc::get_mut(&mut node)) {
            node.descriptor = self.stock.with_digits(&node.descriptor, digits);
        }
        self.nodes.insert(symbol.to_owned(), Rc::clone(&node));
        node
    }

    fn build(&mut self, path: &str, recipe: &Recipe, siblings: &[(String, Rc<Node>)]) -> Rc<Node> {
        if let Some(other) = &recipe.same_as {
            return self.node(other);
        }
        let mut node = match &recipe.manifests {
            Some(manifests) => self.build_index(path, manifests),
            None => self.build_manifest(path, recipe, siblings),
        };
        node.present = recipe.present;
        Rc::new(node)
    }

    fn build_index(&mut self, path: &str, manifests: &[Recipe]) -> Node {
        let mut members: Vec<(String, Rc<Node>)> = Vec::new();
        let mut entries = Vec::new();
        for inner in manifests {
            let node = self.build(&format!("{path}.{}", inner.id), inner, &members);
            let mut entry = node.descriptor.clone();
            if let (Some(entry), false) = (entry.as_object_mut(), inner.descriptor_platform) {
                entry.remove("platform");
            }
            entries.push(entry);
            members.push((inner.id.clone(), node));
        }
        let entries: Vec<&Value> = entries.iter().collect();
        Node {
            descriptor: self.stock.index(&entries),
            present: true,
            members,
            parts: Vec::new(),
        }
    }

    fn build_manifest(
        &mut self,
        path: &str,
        recipe: &Recipe,
        siblings: &[(String, Rc<Node>)],
    ) -> Node {
        assert_ne!(
            recipe.kind.as_deref(),
            Some("index"),
            "an index without manifests"
        );
        let subject = recipe.attests.as_ref().map(|id| {
            let found = siblings.iter().find(|(key, _)| key == id);
            let (_, node) = found.unwrap_or_else(|| panic!("{path}: no {id} stands before it"));
            node.descriptor.clone()
        });
        let layers: Vec<Value> = recipe
            .layers
            .iter()
            .map(|name| self.layer(name, subject.as_ref()))
            .collect();
        let platform = match &subject {
            Some(_) => "unknown/unknown",
            None => recipe.platform.as_deref().expect("a platform"),
        };
        let created = recipe.config_created.as_deref();
        let config = json!({
            "created": created.unwrap_or("2021-06-01T12:00:00Z"),
            "author": path,
            "config": {"Env": ["PATH=/usr/bin"], "Cmd": ["/srv"], "Labels": recipe.config_labels},
        });
        let mut descriptor = self.stock.image_of(platform, config, layers);
        let document = self.stock.read(&descriptor);
        let mut parts = members(&document["layers"], "digest");
        parts.push(digest(&document["config"]));
        if let Some(subject) = subject {
            descriptor["annotations"] = attests(&subject);
        }
        Node {
            descriptor,
            present: true,
            members: Vec::new(),
            parts: parts.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The layer of that name; that of an attestation is a statement.
    fn layer(&mut self, name: &str, subject: Option<&Value>) -> Value {
        if let Some(layer) = self.layers.get(name) {
            return layer.clone();
        }
        let layer = match subject {
            None => self.stock.layer(&format!("{name} of {}", self.case_id)),
            Some(subject) => {
                let statement = json!({
                    "_type": "https://in-toto.io/Statement/v0.1",
                    "predicateType": "https://spdx.dev/Document",
                    "subject": [{"name": "_", "digest": {"sha256": &digest(subject)[7..]}}],
                    "predicate": {"name": name},
                });
                let media_type = "application/vnd.in-toto+json";
                let mut layer = self.stock.blob(media_type, statement.to_string());
                layer["annotations"]["in-toto.io/predicate-type"] =
                    "https://spdx.dev/Document".into();
                layer
            }
        };
        self.layers.insert(name.to_owned(), layer.clone());
        layer
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
                out.push_str(&self.node(symbol).digest()[7..7 + count]);
            } else if let Some(symbol) = inner.strip_suffix(".hex") {
                out.push_str(&self.node(symbol).digest()[7..]);
            } else {
                out.push_str(self.node(inner).digest());
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
                .replace(node.digest(), &symbol)
                .replace(short(node.digest()), &symbol);
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
            None => self.node(address).digest().to_owned(),
            Some(name) => match self.layers.get(name) {
                Some(layer) => digest(layer).to_owned(),
                None => panic!("{}: no such layer: {address}", self.case_id),
            },
        }
    }

    /// What the digests of the symbols and of the layers are called.
    pub(crate) fn titles(&self) -> BTreeMap<String, String> {
        let nodes = self
            .digests()
            .map(|(symbol, digest)| (digest.to_owned(), symbol.to_owned()));
        let layers = self
            .layers
            .iter()
            .map(|(name, layer)| (digest(layer).to_owned(), format!("layer:{name}")));
        nodes.chain(layers).collect()
    }

    /// Every symbol that was used so far, with its digest.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes
            .iter()
            .map(|(symbol, node)| (symbol.as_str(), node.digest()))
    }
}

/// The directory of a case. The layout is in `layout`; everything beside it has to stay as it is.
pub(crate) struct CaseLayout {
    pub(crate) place: Place,
    /// The layout.
    pub(crate) dir: PathBuf,
    /// The list of containers, as `docker inspect` prints it.
    pub(crate) containers: PathBuf,
    /// Digests of the blobs that lie in the layout.
    pub(crate) present: BTreeSet<String>,
    /// Those of them that nothing refers to.
    pub(crate) garbage: BTreeSet<String>,
}

impl CaseLayout {
    /// Writes the layout and its surroundings.
    pub(crate) fn write(case: &Case, images: &mut Images) -> Self {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let dir = layout.dir.clone();
        let mut present = BTreeSet::new();
        for image in &case.images {
            images.node(&image.target).collect_present(&mut present);
        }
        for digest in &present {
            fs::copy(
                blob_path(&images.stock.dir, digest),
                blob_path(&dir, digest),
            )
            .expect("a file in an own directory");
        }
        let mut garbage = BTreeSet::new();
        if case.verb() != "prune" {
            let text = format!(r#"{{"nobody":"refers to this","case":"{}"}}"#, case.id);
            garbage.insert(digest(&layout.blob("text/plain", text)).to_owned());
        }
        let style = Style::of(case);
        let text = index_text(case, images, style, &mut layout);
        layout.finish_as(&text);
        // Files that are nobody's to touch.
        for (path, text) in [
            ("layout/notes.txt", "mine\n"),
            ("layout/blobs/sha256/upload-4711.tmp", "half a blo"),
            ("home/canary", "do not touch\n"),
            ("canary.json", r#"{"schemaVersion":2,"manifests":[]}"#),
        ] {
            place.file(path, text);
        }
        let list = case.containers.iter();
        let list: Vec<Value> = list.map(|one| inspected(case, one, images)).collect();
        let containers = place.file("containers.json", indented(&list.into(), 4));

        present.extend(garbage.iter().cloned());
        for (n, path) in (0..).zip(files(&place.path("."))) {
            let private = path == dir.join("index.json") && style == Style::Indented;
            let age = Duration::from_secs(LONG_AGO + 60 * n);
            let file = File::open(&path).expect("a file that was just written");
            file.set_permissions(Permissions::from_mode(if private { 0o640 } else { 0o644 }))
                .and_then(|()| file.set_modified(SystemTime::UNIX_EPOCH + age))
                .expect("a mode and a time for an own file");
        }
        assert_eq!(blobs(&dir), present);
        CaseLayout {
            place,
            dir,
            containers,
            present,
            garbage,
        }
    }
}

/// The files in a folder and below it, in the order of their paths.
fn files(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.expect("an entry of an own directory"))
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// How index.json is laid out. A case has always the same one.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Without a space, as Go writes it.
    Compact,
    /// Indented, and readable for the group only.
    Indented,
    /// With spaces, members that no specification knows, a number with a trailing zero and escapes nobody needs.
    Odd,
}

impl Style {
    fn of(case: &Case) -> Self {
        match case.id.bytes().map(u32::from).sum::<u32>() % 4 {
            2 => Style::Indented,
            3 => Style::Odd,
            _ => Style::Compact,
        }
    }
}

fn index_text(case: &Case, images: &mut Images, style: Style, layout: &mut Layout) -> String {
    let parents: BTreeMap<String, String> = case
        .children
        .iter()
        .map(|child| {
            let parent = images.node(&child.parent).digest().to_owned();
            (images.expand(&child.record), parent)
        })
        .collect();
    for image in &case.images {
        let node = images.node(&image.target);
        let mut notes: BTreeMap<&str, String> = image
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), images.expand(value)))
            .collect();
        if let Some(name) = &image.name {
            let name = images.expand(name);
            if name != format!("{DANGLING}{}", node.digest()) {
                notes.insert(REF, ref_name(&name).to_owned());
            }
            if let Some(parent) = parents.get(&name) {
                notes.insert("org.mobyproject.image.parent", parent.clone());
            }
            notes.insert(NAME, name);
        }
        if let Some(created) = &image.created {
            notes.insert(CREATED, created.clone());
        }
        if style == Style::Odd {
            let quoted = "\u{201c}quoted\u{201d}, \\ and \t".to_owned();
            notes.insert("org.example.caf\u{e9}", quoted);
        }
        layout.row(&node.descriptor, json!(notes));
    }
    match style {
        Style::Compact => layout.listing().to_string(),
        Style::Indented => indented(&layout.listing(), 3),
        Style::Odd => odd(layout.rows()),
    }
}

/// A part on each line, and everything outside of ASCII as `\uXXXX`.
fn indented(value: &Value, blanks: usize) -> String {
    let mut bytes = Vec::new();
    let blanks = " ".repeat(blanks);
    let formatter = PrettyFormatter::with_indent(blanks.as_bytes());
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
        .expect("a value is always JSON");
    let text = String::from_utf8(bytes).expect("JSON is text");
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let units = c.encode_utf16(&mut [0; 2]).to_vec();
            out.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out + "\n"
}

/// Spaces where nobody expects them, and members in no order.
fn odd(rows: &[Value]) -> String {
    let rows = rows.iter().enumerate().map(|(n, row)| {
        let notes = row["annotations"].as_object().into_iter().flatten();
        let notes: Vec<String> = notes
            .map(|(key, value)| format!("{} : {value}", Value::from(key.as_str())))
            .collect();
        format!(
            r#"{{"digest" : {}, "x-kept" : [1.50, null, {{"n" : {n}}}], "mediaType" : {}, "size" : {}, "annotations" : {{{}}}}}"#,
            row["digest"],
            row["mediaType"],
            row["size"],
            notes.join(", ").replace('\u{e9}', "\\u00e9"),
        )
    });
    let rows: Vec<String> = rows.collect();
    let rows = rows.join(", ");
    format!(
        r#"{{"x-first" : {{"b" : 1, "a" : 2}}, "schemaVersion" : 2, "manifests" : [{rows}], "annotations" : {{"org.example.kept" : "yes"}}}}"#
    ) + "\n\n"
}

/// One container as `docker inspect` prints it.
fn inspected(case: &Case, container: &Container, images: &mut Images) -> Value {
    let node = images.node(&container.target);
    let running = container.state == "running";
    let platform_text = container.platform.as_deref().unwrap_or("linux/amd64");
    let platform = parse_platform(platform_text);
    let manifest = node
        .members
        .iter()
        .map(|(_, member)| member)
        .find(|member| member.descriptor["platform"] == platform)
        .unwrap_or(&node);
    let (system, _) = platform_text
        .split_once(['/', '('])
        .expect("a platform with an architecture");
    let mut asked = Vec::new();
    let mut mounts = Vec::new();
    for (i, target) in container.mounts.iter().enumerate() {
        let image = case.images.iter();
        let mut image = image.filter(|image| &image.target == target);
        let source = match image.find_map(|image| image.name.as_deref()) {
            Some(name) => familiar(&images.expand(name)).to_owned(),
            None => images.node(target).digest().to_owned(),
        };
        let place = format!("/mnt/{i}");
        asked.push(json!({"Type": "image", "Source": source, "Target": place}));
        let root = format!("/var/lib/docker/rootfs/overlayfs/{:064x}", i + 1);
        mounts.push(json!({
            "Type": "image", "Name": source, "Source": root, "Destination": place,
            "Driver": "", "Mode": "", "RW": false, "Propagation": "",
        }));
    }
    let finished = ["2021-07-01T09:00:00Z", "0001-01-01T00:00:00Z"][usize::from(running)];
    json!({
        "Id": container.id,
        "Created": "2021-07-01T08:00:00.123456789Z",
        "Path": "/srv",
        "Args": [],
        "State": {
            "Status": if running { "running" } else { "exited" },
            "Running": running,
            "Paused": false,
            "Restarting": false,
            "OOMKilled": false,
            "Dead": false,
            "Pid": if running { 4242 } else { 0 },
            "ExitCode": 0,
            "Error": "",
            "StartedAt": "2021-07-01T08:00:01Z",
            "FinishedAt": finished,
        },
        "Image": node.digest(),
        "Name": format!("/c-{}", &container.id[..4]),
        "RestartCount": 0,
        "Driver": "overlayfs",
        "Platform": system,
        "HostConfig": {"Binds": null, "NetworkMode": "bridge", "Mounts": asked},
        "Mounts": mounts,
        "Config": {
            "Hostname": &container.id[..12],
            "Env": ["PATH=/usr/bin"],
            "Cmd": ["/srv"],
            "Image": images.expand(&container.image_ref),
            "Labels": {},
        },
        "NetworkSettings": {"Networks": {}},
        "ImageManifestDescriptor": {
            "mediaType": manifest.descriptor["mediaType"],
            "digest": manifest.digest(),
            "size": manifest.descriptor["size"],
            "platform": platform,
        },
    })
}
