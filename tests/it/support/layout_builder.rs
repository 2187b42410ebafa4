//! Writes the layout of a case to disk, as containerd's exporter and others write theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::deletion_case::{Case, Container};
use super::image_builder::{INDEX, Images, LONG_AGO, parse_platform};
use super::json_text::{Json, Spacing, text_members};
use super::names::{DANGLING, NAME, REF, familiar, ref_name};

/// A file among the blobs that is none: never to be touched.
const STRAY_BLOB: &str = "upload-4711.tmp";

/// A file in the root that belongs to nobody: never to be touched.
const STRAY_ROOT: &str = "notes.txt";

/// The directory of a case. The layout is in `layout`; everything beside it has to stay as it is.
pub(crate) struct CaseLayout {
    /// The whole directory.
    pub(crate) place: PathBuf,
    /// The layout.
    pub(crate) dir: PathBuf,
    /// The home directory of the commands that are run.
    pub(crate) home: PathBuf,
    /// The list of containers, as `docker inspect` prints it.
    pub(crate) containers: PathBuf,
    /// Digests of the blobs that lie in the layout.
    pub(crate) present: BTreeSet<String>,
    /// Those of them that nothing refers to.
    pub(crate) garbage: BTreeSet<String>,
}

impl CaseLayout {
    /// Writes the layout and its surroundings into `place`, which is made.
    pub(crate) fn write(case: &Case, images: &mut Images, place: &Path) -> Self {
        let dir = place.join("layout");
        let home = place.join("home");
        for folder in [&dir.join("blobs/sha256"), &home.join("work")] {
            fs::create_dir_all(folder).expect("a folder in a temporary directory");
        }

        let mut present = BTreeSet::new();
        for image in &case.images {
            images.node(&image.target).collect_present(&mut present);
        }
        let mut garbage = BTreeSet::new();
        if case.verb() != "prune" {
            let document: Json = [
                ("nobody", "refers to this".into()),
                ("case", case.id.as_str().into()),
            ]
            .into();
            let digest = images.put(document.written(&Spacing::COMPACT).into_bytes());
            present.insert(digest.clone());
            garbage.insert(digest);
        }

        let style = Style::of(&case.id);
        let mut files = BTreeMap::from([
            (
                "oci-layout".to_owned(),
                br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            ),
            (
                "index.json".to_owned(),
                index_text(case, images, style).into_bytes(),
            ),
            (STRAY_ROOT.to_owned(), b"mine\n".to_vec()),
            (format!("blobs/sha256/{STRAY_BLOB}"), b"half a blo".to_vec()),
            ("../home/canary".to_owned(), b"do not touch\n".to_vec()),
            (
                "../canary.json".to_owned(),
                br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(),
            ),
            (
                "../containers.json".to_owned(),
                container_list(case, images).into_bytes(),
            ),
        ]);
        for digest in &present {
            files.insert(
                format!("blobs/sha256/{}", &digest[7..]),
                images.data[digest].clone(),
            );
        }
        for (n, (path, data)) in (0..).zip(&files) {
            let private = path == "index.json" && matches!(style, Style::Indented);
            let age = Duration::from_secs(LONG_AGO + 60 * n);
            let path = dir.join(path);
            fs::write(&path, data).expect("a file in a temporary directory");
            let file = File::options()
                .write(true)
                .open(&path)
                .expect("a file that was just written");
            file.set_permissions(Permissions::from_mode(if private { 0o640 } else { 0o644 }))
                .expect("a mode for an own file");
            file.set_modified(SystemTime::UNIX_EPOCH + age)
                .expect("a time for an own file");
        }
        CaseLayout {
            place: place.to_owned(),
            containers: place.join("containers.json"),
            dir,
            home,
            present,
            garbage,
        }
    }
}

/// How index.json is laid out. A case has always the same one.
#[derive(Clone, Copy)]
enum Style {
    /// Without a space, as Go writes it.
    Compact,
    /// Indented, and readable for the group only.
    Indented,
    /// With spaces, members that no specification knows, a number with a trailing zero and escapes nobody needs.
    Odd,
}

impl Style {
    fn of(id: &str) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(id.as_bytes());
        match crc.sum() % 4 {
            2 => Style::Indented,
            3 => Style::Odd,
            _ => Style::Compact,
        }
    }
}

fn index_text(case: &Case, images: &mut Images, style: Style) -> String {
    let parents: BTreeMap<String, String> = case
        .children
        .iter()
        .map(|child| {
            let parent = images.node(&child.parent).digest.clone();
            (images.expand(&child.record), parent)
        })
        .collect();
    let mut entries: Vec<Json> = Vec::new();
    for (n, image) in case.images.iter().enumerate() {
        let node = images.node(&image.target);
        let mut notes: BTreeMap<String, String> = image
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), images.expand(value)))
            .collect();
        if let Some(name) = &image.name {
            let name = images.expand(name);
            if name != format!("{DANGLING}{}", node.digest) {
                notes.insert(REF.to_owned(), ref_name(&name).to_owned());
            }
            if let Some(parent) = parents.get(&name) {
                notes.insert("org.mobyproject.image.parent".to_owned(), parent.clone());
            }
            notes.insert(NAME.to_owned(), name);
        }
        if let Some(created) = &image.created {
            notes.insert(
                "org.opencontainers.image.created".to_owned(),
                created.clone(),
            );
        }
        let media_type = ("mediaType".to_owned(), Json::from(node.media_type));
        let digest = ("digest".to_owned(), Json::from(node.digest.as_str()));
        let size = ("size".to_owned(), Json::from(node.size));
        let mut entry = if let Style::Odd = style {
            notes.insert(
                "org.example.caf\u{e9}".to_owned(),
                "\u{201c}quoted\u{201d}, \\ and \t".to_owned(),
            );
            let kept = vec![
                Json::Literal("1.50".to_owned()),
                Json::Literal("null".to_owned()),
                [("n", n.into())].into(),
            ];
            vec![digest, ("x-kept".to_owned(), kept.into()), media_type, size]
        } else {
            vec![media_type, digest, size]
        };
        if !notes.is_empty() {
            entry.push(("annotations".to_owned(), text_members(&notes)));
        }
        entries.push(Json::Object(entry));
    }
    match style {
        Style::Odd => {
            let document: Json = [
                ("x-first", [("b", 1.into()), ("a", 2.into())].into()),
                ("schemaVersion", 2.into()),
                ("manifests", entries.into()),
                ("annotations", [("org.example.kept", "yes".into())].into()),
            ]
            .into();
            document
                .written(&Spacing::WIDE)
                .replace('\u{e9}', "\\u00e9")
                + "\n\n"
        }
        Style::Compact | Style::Indented => {
            let document: Json = [
                ("schemaVersion", 2.into()),
                ("mediaType", INDEX.into()),
                ("manifests", entries.into()),
            ]
            .into();
            match style {
                Style::Indented => document.written(&Spacing::indented(3)) + "\n",
                _ => document.written(&Spacing::COMPACT),
            }
        }
    }
}

fn container_list(case: &Case, images: &mut Images) -> String {
    let list: Vec<Json> = case
        .containers
        .iter()
        .map(|container| inspected(case, container, images))
        .collect();
    Json::List(list).written(&Spacing::indented(4)) + "\n"
}

/// One container as `docker inspect` prints it.
fn inspected(case: &Case, container: &Container, images: &mut Images) -> Json {
    let node = images.node(&container.target);
    let running = container.state == "running";
    let typed = images.expand(&container.image_ref);
    let platform_text = container.platform.as_deref().unwrap_or("linux/amd64");
    let platform = parse_platform(platform_text);
    let manifest = node
        .members
        .iter()
        .map(|(_, member)| member)
        .find(|member| member.platform.as_ref() == Some(&platform))
        .unwrap_or(&node);
    let (system, _) = platform_text
        .split_once(['/', '('])
        .expect("a platform with an architecture");
    let mut asked: Vec<Json> = Vec::new();
    let mut mounts: Vec<Json> = Vec::new();
    for (i, target) in container.mounts.iter().enumerate() {
        let name = case
            .images
            .iter()
            .find(|image| &image.target == target && image.name.is_some())
            .and_then(|image| image.name.as_deref());
        let source = match name {
            Some(name) => familiar(&images.expand(name)).to_owned(),
            None => images.node(target).digest.clone(),
        };
        let place = format!("/mnt/{i}");
        asked.push(
            [
                ("Type", "image".into()),
                ("Source", source.as_str().into()),
                ("Target", place.as_str().into()),
            ]
            .into(),
        );
        let root = format!("/var/lib/docker/rootfs/overlayfs/{:064x}", i + 1);
        mounts.push(
            [
                ("Type", "image".into()),
                ("Name", source.into()),
                ("Source", root.into()),
                ("Destination", place.into()),
                ("Driver", "".into()),
                ("Mode", "".into()),
                ("RW", false.into()),
                ("Propagation", "".into()),
            ]
            .into(),
        );
    }
    let finished = if running {
        "0001-01-01T00:00:00Z"
    } else {
        "2021-07-01T09:00:00Z"
    };
    let state: Json = [
        ("Status", if running { "running" } else { "exited" }.into()),
        ("Running", running.into()),
        ("Paused", false.into()),
        ("Restarting", false.into()),
        ("OOMKilled", false.into()),
        ("Dead", false.into()),
        ("Pid", if running { 4242 } else { 0 }.into()),
        ("ExitCode", 0.into()),
        ("Error", "".into()),
        ("StartedAt", "2021-07-01T08:00:01Z".into()),
        ("FinishedAt", finished.into()),
    ]
    .into();
    let config: Json = [
        ("Hostname", container.id[..12].into()),
        ("Env", vec!["PATH=/usr/bin".into()].into()),
        ("Cmd", vec!["/srv".into()].into()),
        ("Image", typed.into()),
        ("Labels", Json::Object(Vec::new())),
    ]
    .into();
    let host: Json = [
        ("Binds", Json::Literal("null".to_owned())),
        ("NetworkMode", "bridge".into()),
        ("Mounts", asked.into()),
    ]
    .into();
    let descriptor: Json = [
        ("mediaType", manifest.media_type.into()),
        ("digest", manifest.digest.as_str().into()),
        ("size", manifest.size.into()),
        ("platform", platform.clone()),
    ]
    .into();
    [
        ("Id", container.id.as_str().into()),
        ("Created", "2021-07-01T08:00:00.123456789Z".into()),
        ("Path", "/srv".into()),
        ("Args", Json::List(Vec::new())),
        ("State", state),
        ("Image", node.digest.as_str().into()),
        ("Name", format!("/c-{}", &container.id[..4]).into()),
        ("RestartCount", 0.into()),
        ("Driver", "overlayfs".into()),
        ("Platform", system.into()),
        ("HostConfig", host),
        ("Mounts", mounts.into()),
        ("Config", config),
        (
            "NetworkSettings",
            [("Networks", Json::Object(Vec::new()))].into(),
        ),
        ("ImageManifestDescriptor", descriptor),
    ]
    .into()
}
