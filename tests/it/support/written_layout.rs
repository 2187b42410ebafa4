//! Writes layouts piece by piece, for laws about documents and rows that no case describes.
//!
//! Nothing is random: the same pieces have the same digests each time.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::{Finished, in_layout, ocirm, run, wait};
use crate::support::image_builder::digest_of;
use crate::support::index_document::IndexDocument;
use crate::support::names::{NAME, REF, ref_name};
use crate::support::tree::{Tree, blob_digest};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The annotation with the date of a row.
pub(crate) const CREATED: &str = "org.opencontainers.image.created";

/// A directory of its own: layouts, other files, and a home for the program.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(folder.path().join("home/work")).expect("an own directory");
        Place { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// A new layout without rows, and without blobs.
    pub(crate) fn layout(&self, name: &str) -> WrittenLayout {
        WrittenLayout::in_dir(&self.path(name))
    }

    /// A layout of `fixtures/layouts`.
    pub(crate) fn fixture(&self, fixture: &str, name: &str) -> PathBuf {
        let tar = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/layouts")
            .join(format!("{fixture}.tar"));
        let file = File::open(&tar).unwrap_or_else(|e| panic!("{}: {e}", tar.display()));
        let to = self.path(&format!("{name}.unpacked"));
        let mut archive = tar::Archive::new(file);
        archive.set_preserve_permissions(true);
        archive
            .unpack(&to)
            .unwrap_or_else(|e| panic!("{}: {e}", tar.display()));
        let dir = self.path(name);
        fs::rename(to.join("layout"), &dir).expect("a name that is free");
        dir
    }

    /// A file beside the layouts.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a file in an own directory");
        path
    }

    /// Everything in it, except the home of the program.
    pub(crate) fn tree(&self) -> Tree {
        Tree::without(self.folder.path(), "home")
    }

    /// Runs the program as it stands on the command line.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        run(&args, &self.home())
    }

    /// Runs the program on one layout.
    pub(crate) fn run_in(&self, layout: &Path, args: &[&str]) -> Finished {
        run(&in_layout(layout, args), &self.home())
    }

    /// Runs the program on one layout, with something to read on standard input.
    pub(crate) fn run_with_input(&self, layout: &Path, args: &[&str], input: &str) -> Finished {
        let args = in_layout(layout, args);
        let mut given = tempfile::tempfile().expect("a temporary file");
        given.write_all(input.as_bytes()).expect("an own file");
        given.rewind().expect("an own file");
        let [mut out, mut err] = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
        let handle = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
        let mut child = ocirm(&args, &self.home())
            .stdin(Stdio::from(given))
            .stdout(handle(&out))
            .stderr(handle(&err))
            .spawn()
            .expect("the program starts");
        let status = wait(&mut child);
        Finished {
            args,
            status,
            out: text_of(&mut out),
            err: text_of(&mut err),
            asked: None,
        }
    }

    /// Runs the program on one layout; it has to end so, and leave everything as it is.
    #[track_caller]
    pub(crate) fn refuses(&self, layout: &Path, args: &[&str], status: i32) -> Finished {
        let before = self.tree();
        let finished = self.run_in(layout, args);
        assert_status(&finished, status);
        assert_no_traces(&before, &self.tree(), &finished);
        finished
    }

    /// Runs the program on one layout; it has to succeed.
    #[track_caller]
    pub(crate) fn succeeds(&self, layout: &Path, args: &[&str]) -> Finished {
        let finished = self.run_in(layout, args);
        assert_status(&finished, 0);
        finished
    }

    /// A dry run, which changes nothing, and then the run, which has to say the same and end with the same status.
    #[track_caller]
    pub(crate) fn dry_and_real(&self, layout: &Path, args: &[&str], status: i32) -> Finished {
        let mut dry_args = args.to_vec();
        dry_args.insert(1, "--dry-run");
        let before = self.tree();
        let dry = self.run_in(layout, &dry_args);
        assert_status(&dry, status);
        assert_no_traces(&before, &self.tree(), &dry);
        let real = self.run_in(layout, args);
        assert_status(&real, status);
        assert_eq!(
            dry.said(true),
            real.said(false),
            "the dry run says something else\n{}{}",
            dry.transcript(),
            real.transcript()
        );
        assert_eq!(dry.reclaimed(), real.reclaimed(), "{}", real.transcript());
        real
    }
}

fn text_of(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .expect("what was printed can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[track_caller]
pub(crate) fn assert_status(finished: &Finished, status: i32) {
    let transcript = finished.transcript();
    assert_eq!(finished.code(), Some(status), "{transcript}");
    assert!(!finished.panicked(), "{transcript}");
}

/// Nothing was changed, and nothing came and went.
#[track_caller]
pub(crate) fn assert_no_traces(before: &Tree, after: &Tree, finished: &Finished) {
    let traces = before.traces(after);
    assert!(traces.is_empty(), "{traces:?}\n{}", finished.transcript());
}

/// Standard error says this somewhere.
#[track_caller]
pub(crate) fn assert_mentions(finished: &Finished, text: &str) {
    let transcript = finished.transcript();
    assert!(finished.err.contains(text), "no {text:?}\n{transcript}");
}

/// The one JSON object that a changing command printed.
#[track_caller]
pub(crate) fn object(finished: &Finished) -> Value {
    let lines = objects(finished);
    assert_eq!(lines.len(), 1, "{}", finished.transcript());
    lines.into_iter().next().unwrap_or_default()
}

/// The JSON objects that were printed, one a line.
#[track_caller]
pub(crate) fn objects(finished: &Finished) -> Vec<Value> {
    finished
        .out
        .lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {}", finished.transcript()))
        })
        .collect()
}

/// The texts in a list of a JSON object.
pub(crate) fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(Value::as_str).collect()
}

/// One member of each object in a list.
pub(crate) fn members<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| item[key].as_str()).collect()
}

/// The digests of the blobs of a layout.
pub(crate) fn blobs(layout: &Path) -> BTreeSet<String> {
    let tree = Tree::of(layout);
    tree.items
        .keys()
        .filter_map(|path| blob_digest(path))
        .collect()
}

pub(crate) fn blob_path(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// index.json as it is now.
#[track_caller]
pub(crate) fn index(layout: &Path) -> IndexDocument {
    let path = layout.join("index.json");
    let data = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    IndexDocument::read(data).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The names of the rows in their order; `-` where there is none.
#[track_caller]
pub(crate) fn names(layout: &Path) -> Vec<String> {
    let rows = index(layout).rows;
    rows.into_iter()
        .map(|row| row.name.unwrap_or_else(|| "-".to_owned()))
        .collect()
}

/// The digest in a descriptor.
pub(crate) fn digest(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().expect("a descriptor")
}

/// The first twelve digits of the digest in a descriptor.
pub(crate) fn id(descriptor: &Value) -> &str {
    &digest(descriptor)["sha256:".len()..][..12]
}

/// A layout that is being written.
pub(crate) struct WrittenLayout {
    pub(crate) dir: PathBuf,
    rows: Vec<Value>,
}

impl WrittenLayout {
    fn in_dir(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).expect("an own directory");
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("a file in an own directory");
        WrittenLayout {
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
        let mut parts = platform.split('/');
        let mut runs_on = json!({"os": parts.next(), "architecture": parts.next()});
        if let Some(variant) = parts.next() {
            runs_on["variant"] = variant.into();
        }
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.blob(LAYER, format!("layer {layer}\n")))
            .collect();
        let mut config = runs_on.clone();
        config["created"] = created.into();
        config["author"] = title.into();
        config["rootfs"] =
            json!({"type": "layers", "diff_ids": members(&layers.clone().into(), "digest")});
        let mut descriptor = self.document(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(CONFIG, config.to_string()),
            "layers": layers,
        }));
        descriptor["platform"] = runs_on;
        descriptor
    }

    /// Stores an index.
    pub(crate) fn index(&self, manifests: &[&Value]) -> Value {
        self.document(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))
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
        descriptor["annotations"] = json!({
            "vnd.docker.reference.digest": digest(about),
            "vnd.docker.reference.type": "attestation-manifest",
        });
        descriptor
    }

    /// The config of an image.
    pub(crate) fn config_of(&self, image: &Value) -> String {
        let bytes = fs::read(blob_path(&self.dir, digest(image))).expect("a blob of this layout");
        let manifest: Value = serde_json::from_slice(&bytes).expect("a document of this layout");
        digest(&manifest["config"]).to_owned()
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

    /// Writes index.json, as Go does.
    pub(crate) fn finish(&mut self) -> &mut Self {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.rows});
        self.finish_as(&index.to_string())
    }

    /// Writes index.json as this text.
    pub(crate) fn finish_as(&mut self, text: &str) -> &mut Self {
        fs::write(self.dir.join("index.json"), text).expect("a file in an own directory");
        self
    }
}
