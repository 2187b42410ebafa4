//! Layouts that somebody made to do harm: documents that lead out of the layout, links and special files in every
//! place, texts that are too large or too deep, names that command a terminal, and files that change while they are
//! read. Whatever stands there, a command ends in time and in little memory, says in one line why it refuses, and
//! changes nothing outside the layout.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::command::{Finished, Running, in_layout, ocirm, under};
use crate::support::contents::{self, arg, blob_path, digest, digest_of};
use crate::support::layout::{CONFIG, INDEX, LAYER, Layout, MANIFEST};
use crate::support::names::{NAME, REF};
use crate::support::place::{Place, assert_status};
use crate::support::skipped::skipped;
use crate::support::special_files;
use crate::support::tree::{Change, Tree, What};

/// The most memory that a command may map, in KiB. None of the layouts here is worth more.
const MEMORY: u64 = 1_500_000;

/// What only looks.
const LOOKS: [&[&str]; 7] = [
    &["ls", "--tree", "-a"],
    &["ls", "-a", "--format", "json"],
    &["check", "-v", "--digests"],
    &["df", "-v"],
    &["why", "web"],
    &["rmi", "-n", "web"],
    &["prune", "-n", "-a", "--grace", "0s"],
];

/// What deletes blobs.
const DELETIONS: [&[&str]; 5] = [
    &["rmi", "web"],
    &["rmi", "--platform", "linux/amd64", "web"],
    &["rmi", "--platform", "linux/amd64", "--rewrite-index", "web"],
    &["prune", "-f", "--grace", "0s"],
    &["prune", "-f", "-a", "--grace", "0s"],
];

const UNTAG: [&[&str]; 1] = [&["untag", "web"]];

/// What the deletions have to do with a layout.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// All of them do their work.
    Works,
    /// All of them refuse, and leave the layout as it is.
    Refuses,
    /// Those that leave something which nobody can read refuse; `prune --all` leaves nothing.
    RefusesIfItStays,
    /// That depends on the command.
    Either,
}

use Answer::{Either, Refuses, RefusesIfItStays, Works};

/// A layout with the images `web` and `other`, and something beside it that is nobody's to touch.
struct Ground {
    place: Place,
    layout: Layout,
    web: Value,
    amd64: Value,
    /// The blobs that `other` needs.
    needed: BTreeSet<String>,
}

impl Ground {
    fn new() -> Self {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let other = layout.image("other");
        let needed = contents::blobs(&layout.dir);
        let [amd64, arm64] = ["linux/amd64", "linux/arm64"]
            .map(|platform| layout.image_for(platform, platform, &[platform]));
        let attestation = layout.attestation(&arm64, "attestation");
        let web = layout.index(&[&amd64, &arm64, &attestation]);
        layout.blob(LAYER, "orphan");
        layout.tagged(&web, "web").tagged(&other, "other").finish();
        let ground = Ground {
            place,
            layout,
            web,
            amd64,
            needed,
        };
        let hex = "0c".repeat(32);
        for folder in ["canary/sha256", "canary/empty"] {
            fs::create_dir_all(ground.place.path(folder)).expect("an own directory");
        }
        for file in ["canary/treasure", "canary/sha256/treasure", "treasure"] {
            ground.place.file(file, "treasure");
        }
        ground.place.file(&format!("canary/sha256/{hex}"), "{}");
        fs::set_permissions(
            ground.place.path("canary/treasure"),
            fs::Permissions::from_mode(0o640),
        )
        .expect("an own file");
        ground
    }

    fn dir(&self) -> &Path {
        &self.layout.dir
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn blob(&self, descriptor: &Value) -> PathBuf {
        blob_path(self.dir(), digest(descriptor))
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.file(name), text).expect("an own file");
    }

    /// Adds a row with that name, and writes index.json.
    fn row(&mut self, target: &Value, name: &str) {
        self.layout.tagged(target, name).finish();
    }

    /// Everything but the layout: nothing of it may ever change.
    fn outside(&self) -> Tree {
        self.place.beside("layout")
    }

    fn run(&self, args: &[&str]) -> Finished {
        run_limited(&in_layout(self.dir(), args), &self.place.home(), None)
    }

    /// Runs the command, which has to end well or refuse in an orderly way, and leave what is outside alone.
    fn survives(&self, args: &[&str]) -> Result<Finished, String> {
        let outside = self.outside();
        let finished = self.run(args);
        let wrong = disorder(&finished).or_else(|| {
            let changes: Vec<Change> = outside
                .traces(&self.outside())
                .into_iter()
                .filter(|change| !is_new_in_moved_blobs(change))
                .collect();
            (!changes.is_empty()).then(|| format!("outside: {changes:?}"))
        });
        match wrong {
            Some(wrong) => Err(format!("{wrong}\n{finished}")),
            None => Ok(finished),
        }
    }

    /// The blobs that `other` needs and that are gone.
    fn lost(&self) -> Vec<&String> {
        let is_gone = |digest: &&String| {
            blob_path(self.dir(), digest.as_str())
                .symlink_metadata()
                .is_err()
        };
        self.needed.iter().filter(is_gone).collect()
    }
}

/// The program with a limit on its memory, and with the rights of somebody else if that is asked for.
fn run_limited(args: &[String], home: &Path, uid: Option<u32>) -> Finished {
    let limit = format!("ulimit -v {MEMORY}; exec \"$@\"");
    let mut command = under("sh", ["-c", &limit, "sh"], &ocirm(args, home));
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    Running::start(command, args).finish()
}

/// A folder of blobs that was moved out is still the layout's own to add a new index to, though never to delete from.
fn is_new_in_moved_blobs(change: &Change) -> bool {
    change.path.starts_with("canary/moved") && matches!(change.what, What::New | What::Time)
}

/// Characters that act on a terminal or turn letters round; a line feed between lines is none.
fn acts_on_a_terminal(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is wrong with the way in which a command ended, whatever it was to do.
fn disorder(finished: &Finished) -> Option<String> {
    if let Some(wrong) = finished.wrong_ending(&[0, 1, 2, 12]) {
        return Some(wrong);
    }
    if finished.panicked() {
        return Some("panicked".to_owned());
    }
    for text in [&finished.out, &finished.err] {
        if let Some(c) = text.chars().find(|c| acts_on_a_terminal(*c)) {
            return Some(format!("printed {c:?}"));
        }
    }
    let says = |heads: &[&str]| {
        let begins = |line: &str| heads.iter().any(|head| line.starts_with(head));
        finished.err.lines().any(begins)
    };
    let is_explained = match finished.code() {
        Some(0) => true,
        Some(2) => says(&["ocirm: ", "error: "]),
        // `check` reports damage; that is its work and no failure of it.
        Some(12) => says(&["ocirm: "]) || finished.out.contains("DAMAGED"),
        _ => says(&["ocirm: "]),
    };
    (!is_explained).then(|| "gave no reason".to_owned())
}

/// What a test does to a layout.
type Harm<'a> = &'a (dyn Fn(&mut Ground) + Sync);

/// A harm that was put together, with its title and what has to come of it.
type OwnedHarm<'a> = (String, Answer, Box<dyn Fn(&mut Ground) + Sync + 'a>);

fn harmed(harm: Harm<'_>) -> Ground {
    let mut ground = Ground::new();
    harm(&mut ground);
    ground
}

/// Tries all commands on layouts with each of the harms, those that change something on one of its own.
#[track_caller]
fn all_survive(harms: &[(&str, Answer, Harm<'_>)]) {
    let failures: Vec<String> = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (title, answer, harm) in harms {
            threads.push(scope.spawn(move || {
                let failures: Vec<String> =
                    looks_leave_no_traces(*harm).err().into_iter().collect();
                named(title, failures)
            }));
            let commands = DELETIONS.iter().map(|args| (*args, *answer));
            // `untag` reads no blobs, so it may work where nothing else does.
            for (args, answer) in commands.chain(UNTAG.iter().map(|args| (*args, Either))) {
                threads.push(scope.spawn(move || {
                    let failures = change(*harm, args, answer).err().into_iter().collect();
                    named(title, failures)
                }));
            }
        }
        let results = threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| vec!["the test itself panicked".to_owned()])
        });
        results.flatten().collect()
    });
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn named(title: &str, failures: Vec<String>) -> Vec<String> {
    let failures = failures.into_iter();
    failures
        .map(|failure| format!("{title}: {failure}"))
        .collect()
}

fn looks_leave_no_traces(harm: Harm<'_>) -> Result<(), String> {
    let ground = harmed(harm);
    let before = ground.place.tree();
    for args in LOOKS {
        let finished = ground.survives(args)?;
        let traces = before.traces(&ground.place.tree());
        if !traces.is_empty() {
            return Err(format!("left {traces:?}\n{finished}"));
        }
    }
    Ok(())
}

fn change(harm: Harm<'_>, args: &[&str], answer: Answer) -> Result<(), String> {
    let ground = harmed(harm);
    let before = ground.place.tree();
    let was_whole = ground.lost().is_empty();
    let finished = ground.survives(args)?;
    let after = ground.place.tree();
    let refused = finished.code() != Some(0);
    let answer = match answer {
        RefusesIfItStays if args.contains(&"-a") => Works,
        RefusesIfItStays => Refuses,
        answer => answer,
    };
    if answer == Works && refused || answer == Refuses && !refused {
        return Err(format!("should be: {answer:?}\n{finished}"));
    }
    if finished.code() == Some(12) {
        // The new index of `--rewrite-index` is stored first, and is garbage if nothing comes of it.
        let mut changes = before.changes(&after);
        changes.retain(|change| !(args.contains(&"--rewrite-index") && change.what == What::New));
        if !changes.is_empty() {
            return Err(format!("refused, but: {changes:?}\n{finished}"));
        }
    }
    if was_whole && !args.contains(&"-a") && !ground.lost().is_empty() {
        return Err(format!("lost {:?}\n{finished}", ground.lost()));
    }
    Ok(())
}

// ---- digests that are paths

/// Texts that would lead out of `blobs/<algorithm>/` if they were taken for names of files.
fn ways_out(ground: &Ground) -> Vec<String> {
    let treasure = ground.place.path("canary/treasure");
    let hex = "0c".repeat(32);
    vec![
        "sha256:../../../canary/treasure".to_owned(),
        "sha256:../../../treasure".to_owned(),
        format!("sha256:{}", treasure.display()),
        format!("{}:treasure", ground.place.path("canary").display()),
        "../../canary:treasure".to_owned(),
        format!("../../canary/sha256:{hex}"),
        format!("sha256/../../../canary/sha256:{hex}"),
        format!("sha256:{hex}/../../../../canary/treasure"),
        "sha256:..".to_owned(),
        "sha256:.".to_owned(),
        "..:..".to_owned(),
        ".:index.json".to_owned(),
        "sha256:..\0".to_owned(),
        "sha256:%2e%2e%2f%2e%2e%2f%2e%2e%2ftreasure".to_owned(),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256+..:{hex}"),
        String::new(),
    ]
}

fn descriptors(media_type: &str, digests: &[String]) -> Vec<Value> {
    let descriptor =
        |digest: &String| json!({"mediaType": media_type, "digest": digest, "size": 8});
    digests.iter().map(descriptor).collect()
}

/// Adds `evil`, whose rows lead to documents that this makes of the ways out.
fn rows_of(ground: &mut Ground, documents: impl Fn(&Ground, &[String]) -> Vec<Value>) {
    let ways = ways_out(ground);
    let documents = documents(ground, &ways);
    for (number, document) in documents.iter().enumerate() {
        ground.row(document, &format!("evil{number}"));
    }
}

#[test]
fn a_digest_in_a_document_never_leads_out_of_the_layout() {
    let parts = |ground: &Ground| {
        let manifest = fs::read(ground.blob(&ground.amd64)).expect("a blob");
        let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
        (manifest["config"].clone(), manifest["layers"].clone())
    };
    all_survive(&[
        ("rows", Works, &|ground: &mut Ground| {
            rows_of(ground, |_, ways| descriptors(MANIFEST, ways));
        }),
        ("layers", Works, &|ground: &mut Ground| {
            rows_of(ground, |ground, ways| {
                let (config, _) = parts(ground);
                let layers = descriptors(LAYER, ways);
                vec![
                    ground.layout.document(
                        &json!({"mediaType": MANIFEST, "config": config, "layers": layers}),
                    ),
                ]
            });
        }),
        ("configs", Works, &|ground: &mut Ground| {
            rows_of(ground, |ground, ways| {
                let (_, layers) = parts(ground);
                let document = |config: &Value| {
                    ground.layout.document(
                        &json!({"mediaType": MANIFEST, "config": config, "layers": layers}),
                    )
                };
                descriptors(CONFIG, ways).iter().map(document).collect()
            });
        }),
        ("subjects", Works, &|ground: &mut Ground| {
            rows_of(ground, |ground, ways| {
                let (config, layers) = parts(ground);
                let document = |subject: &Value| {
                    ground.layout.document(&json!({"mediaType": MANIFEST, "config": config, "layers": layers, "subject": subject}))
                };
                descriptors(MANIFEST, ways).iter().map(document).collect()
            });
        }),
        ("manifests and blobs", Works, &|ground: &mut Ground| {
            rows_of(ground, |ground, ways| {
                let list = descriptors(MANIFEST, ways);
                let sums: Vec<Value> = ways.iter().map(|way| json!({"blobSum": way})).collect();
                vec![
                    ground.layout.document(&json!({"mediaType": INDEX, "manifests": list})),
                    ground.layout.document(&json!({"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": list})),
                    ground.layout.document(&json!({"mediaType": "application/vnd.docker.distribution.manifest.v1+json", "fsLayers": sums})),
                ]
            });
        }),
        ("attestations", Works, &|ground: &mut Ground| {
            rows_of(ground, |ground, ways| {
                let about = |way: &String| {
                    let mut listed = ground.amd64.clone();
                    listed["annotations"] = json!({
                        "vnd.docker.reference.digest": way,
                        "vnd.docker.reference.type": "attestation-manifest",
                    });
                    listed
                };
                let list: Vec<Value> = ways.iter().map(about).collect();
                vec![
                    ground
                        .layout
                        .document(&json!({"mediaType": INDEX, "manifests": list})),
                ]
            });
        }),
        ("annotations of rows", Works, &|ground: &mut Ground| {
            let target = ground.layout.image("evil");
            for way in ways_out(ground) {
                for name in [NAME, REF] {
                    let dangling = format!("moby-dangling@{way}");
                    ground.layout.row(&target, json!({name: dangling}));
                }
                for key in [
                    "io.containerd.manifest.subject",
                    "containerd.io/gc.ref.content.parent",
                    "org.mobyproject.image.parent",
                    "vnd.docker.reference.digest",
                ] {
                    ground.layout.row(&target, json!({key: way}));
                }
            }
            ground.layout.finish();
        }),
        ("a docker archive", Works, &|ground: &mut Ground| {
            let ways = ways_out(ground);
            let paths = ways.iter().flat_map(|way| {
                let path = way.replace(':', "/");
                [
                    path.clone(),
                    format!("blobs/{path}"),
                    "../treasure".to_owned(),
                    "../canary/layer.tar".to_owned(),
                ]
            });
            let item = |path: String| json!({"Config": path, "RepoTags": ["web:latest", path], "Layers": [path, path]});
            let items: Vec<Value> = paths.map(item).collect();
            ground.write("manifest.json", Value::from(items).to_string());
            ground.write(
                "repositories",
                r#"{"../../canary":{"treasure":"../treasure"},"web":{"latest":"../treasure"}}"#,
            );
        }),
        (
            "an unknown algorithm that is a link",
            Works,
            &|ground: &mut Ground| {
                symlink("../../canary", ground.file("blobs/canary")).expect("a free name");
                let target = json!({"mediaType": LAYER, "digest": "canary:treasure", "size": 8});
                ground.row(&target, "evil");
                let index = ground.layout.index(&[&target]);
                ground.row(&index, "evil2");
            },
        ),
    ]);
}

#[test]
fn a_container_list_with_paths_for_digests_touches_nothing() {
    for shape in ["docker", "podman", "crictl"] {
        let ground = Ground::new();
        let containers: Vec<Value> = ways_out(&ground)
            .iter()
            .map(|way| match shape {
                "docker" => json!({"Id": way, "Image": way, "ImageManifestDescriptor": {"digest": way},
                    "State": {"Status": "running", "Running": true}, "Config": {"Image": way}}),
                "podman" => json!({"Id": way, "ImageID": way, "Image": way, "State": "running", "Names": [way]}),
                _ => json!({"id": way, "imageRef": way, "image": {"image": way}, "state": "CONTAINER_RUNNING",
                    "podSandboxId": way}),
            })
            .collect();
        let text = match shape {
            "crictl" => json!({"containers": containers}),
            _ => containers.into(),
        };
        let list = ground.place.file("containers.json", text.to_string());
        let list = arg(&list);
        for args in [
            &["ls", "--containers", list][..],
            &["rmi", "web", "--containers", list],
            &["prune", "-f", "-a", "--grace", "0s", "--containers", list],
        ] {
            let done = ground.survives(args);
            assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
        }
    }
}

#[test]
fn a_path_on_the_command_line_is_no_image() {
    let ground = Ground::new();
    let before = ground.place.tree();
    // No argument can hold a NUL.
    for way in ways_out(&ground).iter().filter(|way| !way.contains('\0')) {
        let dangling = format!("moby-dangling@{way}");
        let with_name = format!("web@{way}");
        for text in [way, &dangling, &with_name] {
            for args in [
                &["rmi", "-f", text][..],
                &["rmi", "-f", "--platform", "linux/amd64", text],
                &["untag", text],
                &["why", text],
                &["ls", text],
            ] {
                let done = ground.survives(args);
                assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
            }
        }
    }
    let traces = before.traces(&ground.place.tree());
    assert!(traces.is_empty(), "{traces:?}");
}

// ---- links

/// Puts a link in the place of a file or folder, and moves that outside of the layout.
fn moved_out(ground: &Ground, path: &str) {
    let (from, to) = (ground.file(path), ground.place.path("canary/moved"));
    fs::rename(&from, &to).expect("an own file");
    symlink(&to, &from).expect("a name that is free");
}

fn linked(ground: &Ground, path: &str, target: &str) {
    let path = ground.file(path);
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
        Ok(_) => fs::remove_file(&path),
        Err(_) => Ok(()),
    };
    removed.expect("an own file");
    symlink(ground.place.path(target), &path).expect("a name that is free");
}

/// Finds the path of something in a layout.
type Find = Box<dyn Fn(&Ground) -> String + Sync>;

/// A link to nothing, to itself, to a folder, and to a device.
const TARGETS: [(&str, &str); 4] = [
    ("nothing", "canary/nothing"),
    ("itself", ""),
    ("a folder", "canary"),
    ("a device", "/dev/zero"),
];

#[test]
fn a_link_in_any_place_changes_nothing_that_it_leads_to() {
    let within =
        |_: &Ground, descriptor: &Value| format!("blobs/{}", digest(descriptor).replace(':', "/"));
    let places: Vec<(&str, Find, Answer)> = vec![
        ("oci-layout", Box::new(|_| "oci-layout".to_owned()), Refuses),
        ("index.json", Box::new(|_| "index.json".to_owned()), Refuses),
        ("blobs", Box::new(|_| "blobs".to_owned()), Either),
        ("sha256", Box::new(|_| "blobs/sha256".to_owned()), Either),
        (
            "manifest.json",
            Box::new(|_| "manifest.json".to_owned()),
            Either,
        ),
        (
            "index.json.lock",
            Box::new(|_| "index.json.lock".to_owned()),
            Either,
        ),
        ("index.lock", Box::new(|_| "index.lock".to_owned()), Either),
        ("ingest", Box::new(|_| "ingest".to_owned()), Either),
        (
            "an index",
            Box::new(move |ground| within(ground, &ground.web)),
            Either,
        ),
        (
            "a manifest",
            Box::new(move |ground| within(ground, &ground.amd64)),
            Either,
        ),
        (
            "a layer",
            Box::new(move |ground| {
                within(
                    ground,
                    &json!({"digest": digest_of(b"layer linux/amd64\n")}),
                )
            }),
            Either,
        ),
        (
            "a config",
            Box::new(move |ground| {
                within(
                    ground,
                    &json!({"digest": ground.layout.config_of(&ground.amd64)}),
                )
            }),
            Either,
        ),
        (
            "garbage",
            Box::new(move |ground| within(ground, &json!({"digest": digest_of(b"orphan")}))),
            Works,
        ),
    ];
    let mut harms: Vec<OwnedHarm<'_>> = Vec::new();
    for (title, find, answer) in &places {
        for (to, target) in TARGETS {
            harms.push((
                format!("{title} is a link to {to}"),
                *answer,
                Box::new(move |ground: &mut Ground| {
                    let path = find(ground);
                    let own = format!("layout/{path}");
                    linked(ground, &path, if target.is_empty() { &own } else { target });
                }),
            ));
        }
        harms.push((
            format!("{title} is a link to what it was"),
            Either,
            Box::new(move |ground: &mut Ground| {
                let path = find(ground);
                if ground.file(&path).exists() {
                    moved_out(ground, &path);
                }
            }),
        ));
    }
    let harms: Vec<(&str, Answer, Harm<'_>)> = harms
        .iter()
        .map(|(title, answer, harm)| (title.as_str(), *answer, &**harm as Harm<'_>))
        .collect();
    for some in harms.chunks(16) {
        all_survive(some);
    }
}

#[test]
fn a_layout_is_found_behind_a_link_and_nowhere_else() {
    let ground = Ground::new();
    let at = |name: &str| ground.place.path(name);
    symlink(at("layout"), at("link")).expect("a free name");
    for (name, target) in [
        ("dangling", "nothing"),
        ("loop", "loop"),
        ("to-file", "treasure"),
        ("to-folder", "canary"),
    ] {
        symlink(at(target), at(name)).expect("a free name");
        let before = ground.place.tree();
        for args in LOOKS.iter().chain(&DELETIONS).chain(&UNTAG) {
            let dir = at(name);
            let finished = run_limited(&in_layout(&dir, args), &at("home"), None);
            assert_eq!(disorder(&finished), None, "{finished}");
            assert_status(&finished, 12);
        }
        let traces = before.traces(&ground.place.tree());
        assert!(traces.is_empty(), "{traces:?}");
    }
    let outside = ground.outside();
    let finished = run_limited(
        &in_layout(&at("link"), &["prune", "-f", "-a", "--grace", "0s"]),
        &at("home"),
        None,
    );
    assert_status(&finished, 0);
    assert!(contents::blobs(ground.dir()).is_empty());
    assert!(outside.traces(&ground.outside()).is_empty());
}

#[test]
fn the_other_name_of_a_hard_link_keeps_its_bytes() {
    let names = ["index.json", "oci-layout", "manifest.json"];
    all_survive(&[("hard links", Works, &|ground: &mut Ground| {
        let item = json!([{"Config": "x", "RepoTags": ["web:latest"], "Layers": []}]);
        ground.write("manifest.json", item.to_string());
        for name in names {
            fs::hard_link(
                ground.file(name),
                ground.place.path(&format!("canary/{name}")),
            )
            .expect("a free name");
        }
        for blob in contents::blobs(ground.dir()) {
            let other = ground.place.path(&format!("canary/{}", &blob[7..]));
            fs::hard_link(blob_path(ground.dir(), &blob), other).expect("a free name");
        }
    })]);
}

// ---- special files

const SPECIALS: [&str; 4] = ["a FIFO", "a socket", "a device", "a folder"];

/// Puts something special in the place of a file or folder. `false`: this user may not make one.
fn special(ground: &Ground, path: &str, what: &str) -> bool {
    let path = ground.file(path);
    let device = ground.place.path("device");
    if what == "a device" {
        if !special_files::device(&device) {
            return false;
        }
        fs::remove_file(&device).expect("an own file");
    }
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
        Ok(_) => fs::remove_file(&path),
        Err(_) => Ok(()),
    };
    removed.expect("an own file");
    match what {
        "a FIFO" => special_files::fifo(&path),
        "a socket" => {
            // The path of a socket must be short.
            let short = ground.place.path("socket");
            drop(UnixListener::bind(&short).expect("a socket"));
            fs::rename(&short, &path).expect("a free name");
        }
        "a device" => assert!(special_files::device(&path), "a device, as before"),
        _ => fs::create_dir(&path).expect("a free name"),
    }
    if what == "a folder" {
        for file in ["treasure", "index.json"] {
            fs::write(path.join(file), "treasure").expect("an own folder");
        }
    }
    true
}

#[test]
fn a_special_file_in_any_place_holds_nothing_up() {
    let ground = Ground::new();
    let blob = |text: &str| format!("blobs/sha256/{}", &text[7..]);
    let places = [
        ("oci-layout".to_owned(), Refuses),
        ("index.json".to_owned(), Refuses),
        ("blobs".to_owned(), Either),
        ("blobs/sha256".to_owned(), Either),
        ("blobs/sha512".to_owned(), Either),
        ("manifest.json".to_owned(), Refuses),
        ("repositories".to_owned(), Refuses),
        ("index.json.lock".to_owned(), Either),
        ("index.lock".to_owned(), Either),
        ("ingest".to_owned(), Works),
        (blob(digest(&ground.web)), Either),
        (blob(digest(&ground.amd64)), Either),
        (blob(&ground.layout.config_of(&ground.amd64)), Works),
        (blob(&digest_of(b"layer linux/amd64\n")), Works),
        (blob(&digest_of(b"orphan")), Works),
    ];
    let mut harms: Vec<OwnedHarm<'_>> = Vec::new();
    for (path, answer) in &places {
        for what in SPECIALS {
            if !special(&Ground::new(), path, what) {
                skipped(format!("{what}, which only the superuser can make"));
                continue;
            }
            // A young file in `ingest` is that of a program that is writing, beside which no part of an
            // image goes (FR31).
            let answer = match (&**path, what) {
                ("ingest", "a folder") => Either,
                _ => *answer,
            };
            harms.push((
                format!("{path} is {what}"),
                answer,
                Box::new(move |ground: &mut Ground| {
                    special(ground, path, what);
                }),
            ));
        }
    }
    let harms: Vec<(&str, Answer, Harm<'_>)> = harms
        .iter()
        .map(|(title, answer, harm)| (title.as_str(), *answer, &**harm as Harm<'_>))
        .collect();
    for some in harms.chunks(16) {
        all_survive(some);
    }
}

// ---- JSON that is too large, too deep, or means two things

const DEPTH: usize = 100_000;

/// A list in a list in a list.
fn deep() -> String {
    "[".repeat(DEPTH) + &"]".repeat(DEPTH)
}

/// Adds an image whose manifest is this text.
fn manifest_of_text(ground: &mut Ground, name: &str, text: &str) {
    let target = ground.layout.blob(MANIFEST, text);
    ground.row(&target, name);
}

/// index.json with this text in the first row, and this beside the rows.
fn index_with(ground: &Ground, in_row: &str, beside: &str) {
    let rows: Vec<String> = ground
        .layout
        .rows()
        .iter()
        .map(ToString::to_string)
        .collect();
    let rows = rows.join(",").replacen('{', &format!("{{{in_row}"), 1);
    ground.write("index.json", format!("{{{beside}\"manifests\":[{rows}]}}"));
}

#[test]
fn depth_of_json_is_no_depth_of_the_stack() {
    all_survive(&[
        (
            "an index that only opens",
            Refuses,
            &|ground: &mut Ground| {
                ground.write("index.json", "[".repeat(DEPTH));
            },
        ),
        ("rows that only open", Refuses, &|ground: &mut Ground| {
            ground.write(
                "index.json",
                format!("{{\"manifests\":{}", "[".repeat(DEPTH)),
            );
        }),
        ("objects that only open", Refuses, &|ground: &mut Ground| {
            ground.write("index.json", "{\"manifests\":".repeat(DEPTH));
        }),
        ("a deep row", Either, &|ground: &mut Ground| {
            index_with(ground, "", "");
            let text = fs::read_to_string(ground.file("index.json")).expect("an own file");
            ground.write(
                "index.json",
                text.replacen('[', &format!("[{},", deep()), 1),
            );
        }),
        ("deep members", Either, &|ground: &mut Ground| {
            index_with(
                ground,
                &format!("\"x\":{},", deep()),
                &format!("\"y\":{},", deep()),
            );
        }),
        (
            "deep members that are known",
            Either,
            &|ground: &mut Ground| {
                let deep = deep();
                index_with(
                    ground,
                    &format!("\"platform\":{deep},\"urls\":{deep},\"size\":{deep},"),
                    "",
                );
            },
        ),
        ("a deep annotation", Either, &|ground: &mut Ground| {
            index_with(
                ground,
                &format!("\"annotations\":{{\"{NAME}\":{}}},", deep()),
                "",
            );
        }),
        ("deep manifests", Either, &|ground: &mut Ground| {
            for key in [
                "x",
                "layers",
                "config",
                "subject",
                "manifests",
                "annotations",
            ] {
                manifest_of_text(ground, key, &format!("{{\"{key}\":{}}}", deep()));
            }
        }),
        (
            "a manifest that only opens",
            RefusesIfItStays,
            &|ground: &mut Ground| {
                manifest_of_text(ground, "deep", &"{\"layers\":[".repeat(DEPTH));
            },
        ),
        ("a deep config", Either, &|ground: &mut Ground| {
            let config = ground.layout.blob(
                CONFIG,
                format!("{{\"config\":{},\"os\":{}}}", deep(), deep()),
            );
            let target = ground
                .layout
                .document(&json!({"mediaType": MANIFEST, "config": config, "layers": []}));
            ground.row(&target, "deep");
        }),
        ("a deep docker archive", Either, &|ground: &mut Ground| {
            ground.write("manifest.json", deep());
            ground.write(
                "repositories",
                format!("{{\"web\":{{\"latest\":{}}}}}", deep()),
            );
        }),
        (
            "a docker archive that only opens",
            Refuses,
            &|ground: &mut Ground| {
                ground.write("manifest.json", "[".repeat(DEPTH));
                ground.write("repositories", "{\"a\":".repeat(DEPTH));
            },
        ),
        ("a deep oci-layout", Either, &|ground: &mut Ground| {
            ground.write(
                "oci-layout",
                format!("{{\"imageLayoutVersion\":\"1.0.0\",\"x\":{}}}", deep()),
            );
        }),
    ]);
    let ground = Ground::new();
    for text in [
        deep(),
        "[".repeat(DEPTH),
        "{\"Config\":".repeat(DEPTH),
        format!("[{{\"Id\":\"c\",\"Image\":\"web\",\"State\":{}}}]", deep()),
    ] {
        let list = ground.place.file("containers.json", text);
        let list = arg(&list);
        let done = ground.survives(&["prune", "-f", "-a", "--containers", list]);
        assert!(done.is_ok_and(|done| done.code() == Some(1)));
        assert_eq!(ground.lost(), Vec::<&String>::new());
    }
}

#[test]
fn megabytes_of_json_are_read_in_time_and_memory() {
    const LENGTH: usize = 3 << 20;
    all_survive(&[
        ("blanks", Works, &|ground: &mut Ground| {
            index_with(ground, &" ".repeat(LENGTH), "");
        }),
        ("a member", Works, &|ground: &mut Ground| {
            index_with(ground, "", &format!("\"x\":\"{}\",", "x".repeat(LENGTH)));
        }),
        ("no end", Refuses, &|ground: &mut Ground| {
            ground.write(
                "index.json",
                format!("{{\"manifests\":[{}", "{\"digest\":\"".repeat(LENGTH / 20)),
            );
        }),
        ("a docker archive", Works, &|ground: &mut Ground| {
            ground.write(
                "manifest.json",
                format!("[{}]", vec!["{}"; LENGTH / 30].join(",")),
            );
        }),
    ]);
}

#[test]
fn a_name_of_a_megabyte_is_listed_in_every_form() {
    let mut ground = Ground::new();
    let target = ground.layout.image("long");
    ground.row(&target, &"x/".repeat(1 << 19));
    for args in [
        &["ls"][..],
        &["ls", "--format", "json"],
        &["ls", "--tree"],
        &["rmi", "-n", "web"],
        &["prune", "-n", "-a", "--grace", "0s"],
    ] {
        let done = ground.survives(args);
        assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
    }
}

/// Each of the numbers takes two bytes of the file.
#[test]
fn rows_that_are_no_descriptors_cost_little_more_memory_than_they_are_long() {
    let ground = Ground::new();
    let rows: Vec<String> = ground
        .layout
        .rows()
        .iter()
        .map(ToString::to_string)
        .collect();
    let zeros = "0,".repeat(2_500_000);
    ground.write(
        "index.json",
        format!("{{\"manifests\":[{zeros}{}]}}", rows.join(",")),
    );
    for args in [
        &["ls", "-q"][..],
        &["untag", "-n", "web"],
        &["prune", "-n", "--grace", "0s"],
    ] {
        let done = ground.survives(args);
        assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
    }
}

#[test]
fn members_that_stand_twice_count_twice() {
    all_survive(&[
        ("two lists of rows", Refuses, &|ground: &mut Ground| {
            index_with(ground, "", "\"manifests\":[],");
        }),
        (
            "two lists of rows in another case",
            Refuses,
            &|ground: &mut Ground| {
                index_with(ground, "", "\"Manifests\":[],");
            },
        ),
        (
            "two digests, names and types in a row",
            Either,
            &|ground: &mut Ground| {
                let second = digest(&ground.layout.image("second")).to_owned();
                let row = format!(
                    "\"digest\":\"{second}\",\"Digest\":7,\"mediaType\":\"x\",\"annotations\":{{\"{REF}\":\"a\",\"{REF}\":\"b\"}},"
                );
                index_with(ground, &row, "");
            },
        ),
        (
            "two members of all kinds in a manifest",
            Either,
            &|ground: &mut Ground| {
                let other = ground
                    .needed
                    .iter()
                    .next_back()
                    .cloned()
                    .unwrap_or_default();
                let one = format!(
                    "{{\"digest\":\"{other}\",\"digest\":\"sha256:{}\"}}",
                    "0d".repeat(32)
                );
                let members = ["config", "Config"].map(|key| format!("\"{key}\":{one}"));
                let lists = ["layers", "layers", "LAYERS", "manifests"]
                    .map(|key| format!("\"{key}\":[{one}]"));
                manifest_of_text(
                    ground,
                    "twice",
                    &format!("{{{},{}}}", members.join(","), lists.join(",")),
                );
            },
        ),
    ]);
    // Both digests of a row are needed, and both layers of a manifest.
    let ground = Ground::new();
    let [one, two, three] = ["one", "two", "three"].map(|text| ground.layout.blob(LAYER, text));
    let manifest = ground.layout.blob(
        MANIFEST,
        format!("{{\"layers\":[{one}],\"Layers\":[{two}],\"layers\":[]}}"),
    );
    let row = format!(
        "{{\"digest\":\"{}\",\"digest\":\"{}\",\"annotations\":{{\"{REF}\":\"x\"}}}}",
        digest(&three),
        digest(&manifest)
    );
    ground.write("index.json", format!("{{\"manifests\":[{row}]}}"));
    let done = ground.survives(&["prune", "-f", "--grace", "0s"]);
    assert!(done.is_ok_and(|done| done.code() == Some(0)));
    let left = contents::blobs(ground.dir());
    for needed in [&one, &two, &three, &manifest] {
        assert!(left.contains(digest(needed)), "{needed}");
    }
    assert_eq!(left.len(), 4);
}

#[test]
fn a_number_of_any_size_is_a_number() {
    const NUMBERS: [&str; 9] = [
        "-1",
        "1.5",
        "1e3",
        "1e400",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "\"12\"",
        "[]",
    ];
    let harm = |number: &'static str| {
        move |ground: &mut Ground| {
            let layer = |text: &str| {
                let stored = ground.layout.blob(LAYER, text);
                format!(
                    "{{\"mediaType\":\"{LAYER}\",\"digest\":\"{}\",\"size\":{number}}}",
                    digest(&stored)
                )
            };
            let layers = ["one", "two", "three"].map(layer).join(",");
            let config = ground.layout.blob(
                CONFIG,
                format!("{{\"os\":{number},\"architecture\":{number},\"created\":{number},\"config\":{{\"Labels\":{number}}}}}"),
            );
            let text = format!(
                "{{\"schemaVersion\":{number},\"mediaType\":\"{MANIFEST}\",\"config\":{{\"mediaType\":\"{CONFIG}\",\"digest\":\"{}\",\"size\":{number}}},\"layers\":[{layers}]}}",
                digest(&config)
            );
            let manifest = ground.layout.blob(MANIFEST, text);
            let child = format!(
                "{{\"mediaType\":\"{MANIFEST}\",\"digest\":\"{}\",\"platform\":{{\"os\":{number},\"os.features\":{number},\"architecture\":\"amd64\"}}}}",
                digest(&manifest)
            );
            let index = ground
                .layout
                .blob(INDEX, format!("{{\"manifests\":[{child}]}}"));
            ground.row(&index, "numbers");
            ground.row(&manifest, "number");
            index_with(
                ground,
                &format!("\"urls\":{number},\"platform\":{number},"),
                &format!("\"schemaVersion\":{number},"),
            );
        }
    };
    let harms = NUMBERS.map(harm);
    let harms: Vec<(&str, Answer, Harm<'_>)> = NUMBERS
        .iter()
        .zip(&harms)
        .map(|(number, harm)| {
            // A manifest with a number that nobody can read is no manifest that can be trusted.
            let answer = if number.contains("e400") {
                RefusesIfItStays
            } else {
                Works
            };
            (*number, answer, harm as Harm<'_>)
        })
        .collect();
    all_survive(&harms);
    let in_rows = NUMBERS.map(|number| {
        move |ground: &mut Ground| {
            let text = fs::read_to_string(ground.file("index.json")).expect("an own file");
            let size = format!("\"size\":{number}");
            let sized = ground.web["size"].to_string();
            ground.write(
                "index.json",
                text.replace(&format!("\"size\":{sized}"), &size),
            );
        }
    });
    let harms: Vec<(&str, Answer, Harm<'_>)> = NUMBERS
        .iter()
        .zip(&in_rows)
        .map(|(number, harm)| (*number, Either, harm as Harm<'_>))
        .collect();
    all_survive(&harms);
}

#[test]
fn prune_takes_an_index_of_nothing_but_odd_rows_for_an_accident() {
    for rows in [
        "0",
        "{}",
        "{\"digest\":\"sha256:ABC\"}",
        "[[]],null,{\"digest\":7}",
    ] {
        let ground = Ground::new();
        ground.write(
            "index.json",
            format!("{{\"schemaVersion\":2,\"manifests\":[{rows}]}}"),
        );
        let before = ground.place.tree();
        let done = ground.survives(&["prune", "-f", "--grace", "0s"]);
        let changes = before.changes(&ground.place.tree());
        assert!(changes.is_empty(), "{rows}: {changes:?}");
        assert!(done.is_ok_and(|done| done.code() == Some(12)), "{rows}");
    }
}

// ---- graphs that are larger than the files that they stand in

/// An index around an index around an image.
fn nested(ground: &Ground, levels: usize) -> Value {
    let mut inner = ground.amd64.clone();
    for _ in 0..levels {
        inner = ground.layout.index(&[&inner]);
    }
    inner
}

#[track_caller]
fn survives_all(ground: &Ground, commands: &[&[&str]], status: i32) {
    for args in commands {
        match ground.survives(args) {
            Ok(done) => assert_eq!(done.code(), Some(status), "{done}"),
            Err(wrong) => panic!("{wrong}"),
        }
    }
    assert_eq!(ground.lost(), Vec::<&String>::new());
}

#[test]
fn an_index_that_lists_a_child_twice_at_each_of_many_levels_costs_no_more_than_its_files() {
    all_survive(&[("twice", Works, &|ground: &mut Ground| {
        let mut inner = ground.amd64.clone();
        for _ in 0..18 {
            inner = ground.layout.index(&[&inner, &inner]);
        }
        ground.row(&inner, "bomb");
    })]);
}

/// Two indexes at each level, each of which lists both of the next.
fn diamonds(ground: &mut Ground, levels: usize) {
    let mut pair = [ground.amd64.clone(), ground.layout.image("second")];
    for _ in 0..levels {
        pair = [1, 2].map(|x| {
            ground
                .layout
                .document(&json!({"mediaType": INDEX, "manifests": pair, "x": x}))
        });
    }
    let around = ground.layout.index(&[&pair[0], &pair[1]]);
    ground.row(&around, "bomb");
}

#[test]
fn a_graph_with_more_paths_than_atoms_is_walked_once() {
    let mut ground = Ground::new();
    diamonds(&mut ground, 200);
    survives_all(
        &ground,
        &[
            &["ls", "-a"],
            &["check"],
            &["why", "bomb"],
            &["rmi", "-n", "--platform", "linux/amd64", "bomb"],
            &["untag", "-n", "bomb"],
            &["prune", "-n", "-a", "--grace", "0s"],
            &["rmi", "bomb"],
        ],
        0,
    );
}

#[test]
fn the_tree_of_a_graph_with_more_paths_than_atoms_ends() {
    let mut ground = Ground::new();
    diamonds(&mut ground, 30);
    let done = ground.survives(&["ls", "--tree"]);
    assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
}

#[test]
fn ten_thousand_nested_indexes_are_no_depth_of_the_stack() {
    let mut ground = Ground::new();
    let outer = nested(&ground, 10_000);
    ground.row(&outer, "deep");
    survives_all(
        &ground,
        &[
            &["ls", "-a"],
            &["rmi", "-n", "--platform", "linux/amd64", "deep"],
            &["prune", "-n", "-a", "--grace", "0s"],
            &["rmi", "deep"],
        ],
        0,
    );
}

#[test]
fn the_tree_of_ten_thousand_nested_indexes_is_no_depth_of_the_stack() {
    let mut ground = Ground::new();
    let outer = nested(&ground, 10_000);
    ground.row(&outer, "deep");
    let done = ground.survives(&["ls", "--tree"]);
    assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
}

#[test]
fn a_forged_circle_ends() {
    let media_types = json!({"mediaType": INDEX, "size": 8});
    all_survive(&[
        (
            "an index of a known algorithm that lists itself",
            RefusesIfItStays,
            &|ground: &mut Ground| {
                let mut listed = media_types.clone();
                listed["digest"] = format!("sha256:{}", "0e".repeat(32)).into();
                let text = json!({"mediaType": INDEX, "manifests": [listed]}).to_string();
                fs::write(ground.blob(&listed), &text).expect("a blob");
                listed["size"] = text.len().into();
                ground.row(&listed, "circle");
            },
        ),
        // What nobody can compute cannot be verified, so this circle is a real one.
        (
            "indexes of an unknown algorithm that list each other",
            Either,
            &|ground: &mut Ground| {
                fs::create_dir(ground.file("blobs/odd")).expect("a free name");
                let listed =
                    |name: &str| json!({"mediaType": INDEX, "digest": format!("odd:{name}")});
                for (name, other) in [("a", "b"), ("b", "c"), ("c", "a")] {
                    let list = [listed(other), listed(name), ground.amd64.clone()];
                    let subject = listed(other);
                    let text = json!({"mediaType": INDEX, "manifests": list, "subject": subject})
                        .to_string();
                    fs::write(ground.blob(&listed(name)), text).expect("a blob");
                }
                ground.row(&listed("a"), "circle");
                ground.row(&listed("b"), "circle2");
                let around = ground.layout.index(&[&listed("c")]);
                ground.row(&around, "around");
            },
        ),
    ]);
}

fn manifest_of_many(ground: &Ground, digest: impl Fn(usize) -> String, count: usize) -> Value {
    let layers: Vec<String> = (0..count)
        .map(|n| format!("{{\"digest\":\"{}\"}}", digest(n)))
        .collect();
    ground
        .layout
        .blob(MANIFEST, format!("{{\"layers\":[{}]}}", layers.join(",")))
}

#[test]
fn a_manifest_with_a_million_layers_is_too_large_to_be_one() {
    let mut ground = Ground::new();
    let manifest = manifest_of_many(&ground, |n| format!("sha256:{n:064x}"), 1_000_000);
    ground.row(&manifest, "many");
    let refused: [&[&str]; 4] = [
        &["ls"],
        &["check"],
        &["rmi", "web"],
        &["prune", "-f", "--grace", "0s"],
    ];
    survives_all(&ground, &refused, 12);
    survives_all(&ground, &[&["rmi", "many"], &["ls"]], 0);
}

#[test]
fn a_manifest_with_as_many_layers_as_it_may_have_is_an_image() {
    let mut ground = Ground::new();
    let manifest = manifest_of_many(&ground, |n| format!("sha256:{n:064x}"), 40_000);
    ground.row(&manifest, "many");
    let commands: [&[&str]; 4] = [
        &["ls"],
        &["check"],
        &["rmi", "many"],
        &["prune", "-f", "--grace", "0s"],
    ];
    survives_all(&ground, &commands, 0);
}

#[test]
fn an_index_with_very_many_rows_is_read_in_time_and_memory() {
    let ground = Ground::new();
    let rows = ground.layout.rows();
    let row = rows[0].to_string();
    let mut text = String::from("{\"manifests\":[");
    for number in 0..20_000 {
        text += &row.replace("\"web\"", &format!("\"v{number}\""));
        text.push(',');
    }
    text += &format!("{row},{}]}}", rows[1]);
    ground.write("index.json", text);
    survives_all(
        &ground,
        &[
            &["ls", "-q"],
            &["untag", "v7"],
            &["rmi", "web"],
            &["prune", "-f", "--grace", "0s"],
        ],
        0,
    );
}

#[test]
fn many_names_of_an_image_with_many_platforms_are_listed_in_time() {
    let ground = Ground::new();
    let mut child = ground.amd64.clone();
    let children: Vec<Value> = (0..3000)
        .map(|number| {
            child["digest"] = format!("sha256:{number:064x}").into();
            child.clone()
        })
        .collect();
    let index = ground.layout.index(&children.iter().collect::<Vec<_>>());
    let row = |number: usize| {
        let mut row = index.clone();
        row["annotations"] = json!({REF: format!("v{number}")});
        row.to_string()
    };
    let rows: Vec<String> = (0..3000).map(row).collect();
    ground.write(
        "index.json",
        format!("{{\"manifests\":[{}]}}", rows.join(",")),
    );
    for args in [&["ls", "-q"][..], &["prune", "-n", "-a", "--grace", "0s"]] {
        let done = ground.survives(args);
        assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
    }
}

// ---- names that command a terminal

const EVIL_NAMES: [&str; 7] = [
    "a\u{1b}[2J\u{1b}]0;title\u{7}",
    "b\nDeleted: everything",
    "c\r\nocirm: all is well",
    "d\u{202e}gpj.exe\u{2066}",
    "e\u{9b}31m\u{85}\u{2028}",
    "f\0\u{8}\u{7f}",
    "g\u{200b}\u{feff}\u{e0041}",
];

#[test]
fn no_text_of_a_layout_commands_a_terminal_or_forges_a_line() {
    let harm = |ground: &mut Ground| {
        for (number, evil) in EVIL_NAMES.into_iter().enumerate() {
            let config = ground.layout.blob(
                CONFIG,
                json!({"os": evil, "architecture": evil, "variant": evil, "created": evil, "author": evil,
                    "config": {"Labels": {evil: evil}}})
                .to_string(),
            );
            let manifest = ground.layout.document(&json!({
                "mediaType": MANIFEST, "artifactType": evil, "config": config, "n": number,
                "layers": [{"mediaType": evil, "digest": evil, "size": 1}],
            }));
            let mut listed = manifest.clone();
            listed["platform"] = json!({"os": evil, "architecture": evil, "os.version": evil});
            let mut index = ground.layout.index(&[&listed]);
            index["mediaType"] = format!("application/{evil}").into();
            ground.row(&index, evil);
            for key in [NAME, REF, "org.opencontainers.image.created"] {
                ground
                    .layout
                    .row(&manifest, json!({key: format!("{evil}/web:{evil}")}));
            }
            ground
                .layout
                .row(&json!({"digest": evil}), json!({NAME: evil}));
            ground.layout.finish();
            if !evil.contains('\0') {
                ground.write(evil, "");
                ground.write(&format!("blobs/sha256/{evil}"), "");
            }
        }
        let items =
            EVIL_NAMES.map(|evil| json!({"Config": evil, "RepoTags": [evil], "Layers": [evil]}));
        ground.write("manifest.json", json!(items).to_string());
    };
    all_survive(&[("names", Either, &harm)]);
    let ground = harmed(&harm);
    for args in [
        &["-v", "prune", "-f", "-a", "--grace", "0s", "-n"][..],
        &["check", "-v"],
        &["ls", "--tree", "-a"],
        &["rmi", "-n", "-f", EVIL_NAMES[1], EVIL_NAMES[2]],
        &["why", EVIL_NAMES[1], EVIL_NAMES[3]],
    ] {
        let done = ground
            .survives(args)
            .unwrap_or_else(|wrong| panic!("{wrong}"));
        for line in done.out.lines().chain(done.err.lines()) {
            let is_forged =
                line.starts_with("Deleted: everything") || line.starts_with("ocirm: all is well");
            assert!(!is_forged, "{done}");
        }
    }
}

#[test]
fn no_field_of_a_template_commands_a_terminal_or_forges_a_line() {
    for evil in EVIL_NAMES {
        let mut ground = Ground::new();
        let config = json!({"os": evil, "architecture": evil, "config": {"Labels": {"x": evil}}});
        let config = ground.layout.blob(CONFIG, config.to_string());
        let manifest = json!({"mediaType": MANIFEST, "config": config, "layers": []});
        let mut target = ground.layout.document(&manifest);
        target["mediaType"] = evil.into();
        ground.row(&target, evil);
        for field in [
            "Repository",
            "Tag",
            "Name",
            "Digest",
            "ID",
            "Platforms",
            "MissingPlatforms",
            "MediaType",
            "Labels",
        ] {
            // A field that does not exist is refused.
            let done = ground
                .survives(&["ls", "--format", &format!("{{{{.{field}}}}}")])
                .unwrap_or_else(|wrong| panic!("{field}: {wrong}"));
            let lines = done.out.lines().count();
            assert!(lines == 3 || done.code() == Some(2), "{field}: {done}");
        }
    }
}

#[test]
fn the_name_of_a_layout_does_not_command_a_terminal() {
    for evil in EVIL_NAMES.iter().filter(|evil| !evil.contains('\0')) {
        let ground = Ground::new();
        let dir = ground.place.path(evil);
        fs::rename(ground.dir(), &dir).expect("a free name");
        let around = ground.place.path(".");
        let around = arg(&around);
        for args in [
            in_layout(&dir, &["check"]),
            in_layout(&dir, &["rmi", "nothing"]),
            ["prune", "-n", "--recursive", around]
                .map(str::to_owned)
                .to_vec(),
            ["ls", "--recursive", around].map(str::to_owned).to_vec(),
        ] {
            let finished = run_limited(&args, &ground.place.home(), None);
            assert_eq!(disorder(&finished), None, "{finished}");
        }
        fs::remove_file(dir.join("index.json")).expect("an own file");
        let finished = run_limited(&in_layout(&dir, &["ls"]), &ground.place.home(), None);
        assert_eq!(disorder(&finished), None, "{finished}");
    }
}

// ---- what may not be read

/// Gives a folder and all that is in it to somebody.
fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).expect("the superuser may");
    if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        for entry in fs::read_dir(path).expect("an own folder") {
            give(&entry.expect("an own folder").path(), uid);
        }
    }
}

#[test]
fn what_may_not_be_read_is_named_and_nothing_that_stays_is_lost() {
    const NOBODY: u32 = 65534;
    let is_root = rustix::process::geteuid().is_root();
    let paths: [(&str, u32, Option<i32>); 8] = [
        (".", 0o000, Some(12)),
        (".", 0o555, None),
        ("oci-layout", 0o000, Some(12)),
        ("index.json", 0o000, Some(12)),
        ("blobs", 0o000, Some(12)),
        ("blobs/sha256", 0o000, Some(12)),
        ("blobs/sha256", 0o555, None),
        ("manifest", 0o000, Some(12)),
    ];
    for (path, mode, status) in paths {
        for args in LOOKS.iter().chain(&DELETIONS).chain(&UNTAG) {
            let ground = Ground::new();
            let top = ground.place.path(".");
            if is_root {
                give(&top, NOBODY);
            }
            let path = match path {
                "manifest" => ground.blob(&ground.amd64),
                // Not `layout/.`: its owner could not name it any more once it is closed.
                "." => ground.dir().to_owned(),
                path => ground.file(path),
            };
            let (before, old) = (
                ground.place.tree(),
                fs::metadata(&path).expect("an own file").mode(),
            );
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("an own file");
            let uid = is_root.then_some(NOBODY);
            let finished = run_limited(&in_layout(ground.dir(), args), &ground.place.home(), uid);
            if path.exists() {
                fs::set_permissions(&path, fs::Permissions::from_mode(old)).expect("an own file");
            }
            if finished.err.contains("exec: ") || finished.err.starts_with("sh: ") {
                skipped(format!(
                    "somebody else may not run {}",
                    env!("CARGO_BIN_EXE_ocirm")
                ));
                return;
            }
            assert_eq!(disorder(&finished), None, "{finished}");
            let changes = before.changes(&ground.place.tree());
            // `untag` reads no blobs, and an image that goes may be unreadable.
            let is_of_web = path == ground.blob(&ground.amd64);
            let goes = args.contains(&"-a") || args[0] == "rmi";
            let may_work = args[0] == "untag" || status.is_none() || is_of_web && goes;
            if !may_work {
                assert_eq!(
                    finished.code(),
                    status,
                    "{mode:o} {}: {}",
                    path.display(),
                    finished
                );
            }
            if !may_work || LOOKS.contains(args) {
                assert!(changes.is_empty(), "{changes:?}\n{finished}");
            }
            assert!(
                ground.lost().is_empty() || args.contains(&"-a"),
                "{finished}"
            );
        }
    }
}

// ---- a layout that changes while it is read

/// Runs the commands while somebody else does this to the layout again and again. A lock that a command waits for is
/// not in question, so none of them can be held up.
fn disturbed(disturb: impl Fn(&Ground, usize) + Sync) {
    let ground = Ground::new();
    let outside = ground.outside();
    let is_over = AtomicBool::new(false);
    let wrong = thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !is_over.load(Ordering::Relaxed) {
                disturb(&ground, round);
                round += 1;
            }
        });
        let mut wrong = Vec::new();
        for args in [
            &["ls"][..],
            &["ls", "--tree", "-a"],
            &["check", "--digests"],
            &["prune", "-f", "--grace", "0s"],
            &["prune", "-n", "-a", "--grace", "0s"],
            &["untag", "--ignore", "nothing"],
        ] {
            for _ in 0..4 {
                let finished = ground.run(args);
                wrong.extend(disorder(&finished).map(|wrong| format!("{wrong}\n{finished}")));
            }
        }
        is_over.store(true, Ordering::Relaxed);
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ground.lost(), Vec::<&String>::new());
    let mut traces = outside.traces(&ground.outside());
    traces.retain(|change| change.path != ".");
    assert!(traces.is_empty(), "{traces:?}");
}

#[test]
fn a_layout_that_comes_and_goes_is_there_or_not() {
    disturbed(|ground, _| {
        let away = ground.place.path("away");
        fs::rename(ground.dir(), &away).expect("a free name");
        thread::yield_now();
        fs::rename(&away, ground.dir()).expect("a free name");
        thread::yield_now();
    });
}

#[test]
fn an_index_that_turns_into_garbage_and_back_loses_nothing() {
    let whole = fs::read(Ground::new().file("index.json")).expect("an own file");
    let half = whole.len() / 2;
    disturbed(|ground, round| {
        let garbage: &[u8] = match round % 4 {
            0 => b"",
            1 => b"[[[[[[",
            2 => b"\0\xff\x1b[2J",
            _ => &whole[..half],
        };
        for bytes in [garbage, &whole] {
            let new = ground.file("new");
            fs::write(&new, bytes).expect("an own folder");
            fs::rename(&new, ground.file("index.json")).expect("an own folder");
            thread::sleep(std::time::Duration::from_millis(1));
        }
    });
}
