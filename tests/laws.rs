//! Laws that hold for every layout and every command, tried on random ones.
//!
//! What is reachable is found out here by the simplest means: read a blob, follow every digest in
//! it. That finds more than the program may follow, never less, for these layouts.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "writes layouts of its own, and fails where that fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ocirm::layout::{Algorithm, Digest};
use proptest::prelude::*;

/// One document of a random layout: what it lists, by number among the earlier ones.
#[derive(Clone, Debug)]
struct Document {
    /// Layers by number, if it is a manifest.
    layers: Vec<u8>,
    /// Earlier documents, which make it an index.
    lists: Vec<prop::sample::Index>,
    subject: Option<prop::sample::Index>,
    typed: bool,
}

/// One entry of index.json: the name's number, or none, or an explicit dangling name.
#[derive(Clone, Debug)]
struct Row {
    document: prop::sample::Index,
    name: Option<u8>,
    dangling: bool,
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    let document = (
        prop::collection::vec(0_u8..6, 0..3),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
        any::<bool>(),
    )
        .prop_map(|(layers, lists, subject, typed)| Document {
            layers,
            lists,
            subject,
            typed,
        });
    prop::collection::vec(document, 1..9)
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        any::<prop::sample::Index>(),
        prop::option::weighted(0.6, 0_u8..5),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(document, name, dangling)| Row {
            document,
            name,
            dangling,
        });
    prop::collection::vec(row, 1..7)
}

fn commands() -> impl Strategy<Value = Vec<Vec<String>>> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let command = prop_oneof![
        (0_u8..5, any::<bool>()).prop_map(move |(n, force)| {
            let mut command = words(&format!("rmi n{n}"));
            command.extend(force.then(|| "-f".to_owned()));
            command
        }),
        (0_u8..5).prop_map(move |n| words(&format!("untag n{n}"))),
        (0_u8..5, 0_u8..5).prop_map(move |(n, m)| words(&format!("rmi n{n} n{m}"))),
        Just(words("prune -f --grace 0s")),
        (0_u8..5).prop_map(move |n| words(&format!("prune -f -a --grace 0s --keep n{n}"))),
        Just(words("prune -f -a --grace 0s --keep-last 2")),
        Just(words("prune -f")),
    ];
    prop::collection::vec(command, 1..5)
}

struct Ground {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

fn build(documents: &[Document], rows: &[Row], orphans: u8) -> Ground {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    std::fs::create_dir_all(root.join("blobs/sha256")).unwrap();
    std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let put = |text: &str| {
        let digest = Algorithm::Sha256.hash(text.as_bytes());
        std::fs::write(root.join("blobs/sha256").join(digest.encoded()), text).unwrap();
        digest
    };
    let mut made: Vec<Digest> = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let earlier = |index: &prop::sample::Index| made[index.index(made.len())].clone();
        let subject = match &document.subject {
            Some(index) if number > 0 => format!(r#","subject":{{"digest":"{}"}}"#, earlier(index)),
            _ => String::new(),
        };
        let body = if number > 0 && !document.lists.is_empty() {
            let list: Vec<String> = document
                .lists
                .iter()
                .map(|index| format!(r#"{{"digest":"{}"}}"#, earlier(index)))
                .collect();
            format!(r#""manifests":[{}]"#, list.join(","))
        } else {
            let list: Vec<String> = document
                .layers
                .iter()
                .map(|n| {
                    format!(
                        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}"}}"#,
                        put(&format!("layer {n}"))
                    )
                })
                .collect();
            let config = put(&format!("{{\"config\":{number}}}"));
            format!(
                r#""config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}"}},"layers":[{}]"#,
                list.join(",")
            )
        };
        made.push(put(&format!(r#"{{"n":{number},{body}{subject}}}"#)));
    }
    let list: Vec<String> = rows
        .iter()
        .map(|row| {
            let number = row.document.index(made.len());
            let digest = &made[number];
            let name = match (row.dangling, row.name) {
                (true, _) => Some(format!("moby-dangling@{digest}")),
                (false, Some(n)) => Some(format!("n{n}")),
                (false, None) => None,
            };
            let annotations = name.map_or(String::new(), |name| {
                format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#)
            });
            let is_index = number > 0 && !documents[number].lists.is_empty();
            let media_type = match (documents[number].typed, is_index) {
                (false, _) => String::new(),
                (true, true) => {
                    r#""mediaType":"application/vnd.oci.image.index.v1+json","#.to_owned()
                }
                (true, false) => {
                    r#""mediaType":"application/vnd.oci.image.manifest.v1+json","#.to_owned()
                }
            };
            format!(r#"{{{media_type}"digest":"{digest}"{annotations}}}"#)
        })
        .collect();
    std::fs::write(
        root.join("index.json"),
        format!(r#"{{"manifests":[{}]}}"#, list.join(", ")),
    )
    .unwrap();
    for n in 0..orphans {
        put(&format!("orphan {n}"));
    }
    Ground {
        _folder: folder,
        root,
    }
}

fn ocirm(root: &Path, arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ocirm"))
        .arg("--layout")
        .arg(root)
        .args(arguments)
        .env_remove("OCIRM_LAYOUT")
        .output()
        .unwrap()
}

fn stored(root: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(root.join("blobs/sha256"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn rows_of(root: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(root.join("index.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = value["manifests"].as_array().unwrap();
    rows.iter().map(ToString::to_string).collect()
}

fn digests_in(text: &str) -> BTreeSet<String> {
    text.match_indices("sha256:")
        .filter_map(|(at, _)| text.get(at + 7..at + 71))
        .map(str::to_owned)
        .collect()
}

/// Everything that the rows lead to, of what was stored.
fn reachable(rows: &[String], blobs: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<String> = rows.iter().flat_map(|row| digests_in(row)).collect();
    while let Some(digest) = todo.pop() {
        if let Some(bytes) = blobs.get(&digest)
            && found.insert(digest)
        {
            todo.extend(digests_in(&String::from_utf8_lossy(bytes)));
        }
    }
    found
}

fn said(output: &Output, dry: bool) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| match dry {
            true => line.replacen("Would untag:", "Untagged:", 1).replacen(
                "Would delete:",
                "Deleted:",
                1,
            ),
            false => line.to_owned(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_needed_goes_and_nothing_else_changes(
        documents in documents(), rows in rows(), commands in commands(), orphans in 0_u8..3,
    ) {
        let ground = build(&documents, &rows, orphans);
        let root = &ground.root;
        for command in &commands {
            let (blobs, before) = (stored(root), rows_of(root));
            let mut dry = command.clone();
            dry.push("-n".to_owned());
            let dry = ocirm(root, &dry);
            prop_assert_eq!(&stored(root), &blobs);
            prop_assert_eq!(&rows_of(root), &before);
            let real = ocirm(root, command);
            // What a dry run says is what happens.
            prop_assert_eq!(said(&dry, true), said(&real, false), "{:?}", command);
            prop_assert_eq!(dry.status.code(), real.status.code());
            let (left, after) = (stored(root), rows_of(root));
            // What the entries that are left lead to is there, byte for byte.
            for digest in reachable(&after, &blobs) {
                prop_assert_eq!(left.get(&digest), blobs.get(&digest), "{:?} lost {}", command, digest);
            }
            // Entries stay as they are and in order, or go, or become dangling.
            let mut rest = before.iter();
            for row in after.iter().filter(|row| !row.contains("moby-dangling@") || before.contains(row)) {
                prop_assert!(rest.any(|old| old == row), "{:?}: {}", command, row);
            }
            match command[0].as_str() {
                "untag" => prop_assert_eq!(&left, &blobs),
                // What was garbage before is not rmi's business; what it made garbage goes.
                "rmi" => {
                    let needed = reachable(&before, &blobs);
                    for digest in blobs.keys() {
                        let stays = !needed.contains(digest) || reachable(&after, &blobs).contains(digest);
                        prop_assert_eq!(left.contains_key(digest), stays, "{:?}: {}", command, digest);
                    }
                }
                _ if command.contains(&"0s".to_owned()) && real.status.code() == Some(0) => {
                    prop_assert_eq!(left.keys().cloned().collect::<BTreeSet<_>>(), reachable(&after, &blobs));
                    // One pass reaches the fixpoint.
                    let again = ocirm(root, command);
                    prop_assert_eq!(stored(root), left);
                    prop_assert_eq!(rows_of(root), after.clone(), "{:?}", again);
                }
                _ => {}
            }
            // Names survive every prune without --all.
            if command[0] == "prune" && !command.contains(&"-a".to_owned()) {
                let named = |rows: &[String]| rows.iter().filter(|row| row.contains(":\"n")).count();
                prop_assert_eq!(named(&before), named(&after));
            }
        }
    }
}
