//! Laws that hold for every layout and every command, tried on random ones.
//!
//! What is reachable is found out here by the simplest means: read a blob, follow every digest in
//! it. That finds more than the program may follow, never less, for these layouts.

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

fn arguments(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// The digests that a report in JSON says it deletes.
fn deleted(output: &Output) -> BTreeSet<String> {
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let deleted = report["deleted"].as_array().unwrap();
    deleted
        .iter()
        .flat_map(|blob| digests_in(blob["digest"].as_str().unwrap()))
        .collect()
}

fn copy_of(root: &Path) -> Ground {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().to_owned();
    std::fs::create_dir_all(copy.join("blobs/sha256")).unwrap();
    for file in ["oci-layout", "index.json"] {
        std::fs::copy(root.join(file), copy.join(file)).unwrap();
    }
    for (name, bytes) in stored(root) {
        std::fs::write(copy.join("blobs/sha256").join(name), bytes).unwrap();
    }
    Ground {
        _folder: folder,
        root: copy,
    }
}

fn write_rows(root: &Path, rows: &[String]) {
    let text = format!(r#"{{"manifests":[{}]}}"#, rows.join(","));
    std::fs::write(root.join("index.json"), text).unwrap();
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The names of rows that a person gave them, each as often as it stands there.
fn names_in(rows: &[String]) -> Vec<String> {
    let named = rows.iter().filter_map(|row| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        let name = &row["annotations"]["org.opencontainers.image.ref.name"];
        name.as_str().map(str::to_owned)
    });
    let mut names: Vec<String> = named.filter(|name| name.starts_with('n')).collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn live_and_garbage_are_all_that_is_stored_and_nothing_is_both(
        documents in documents(), rows in rows(), orphans in 0_u8..3,
    ) {
        let ground = build(&documents, &rows, orphans);
        let root = &ground.root;
        let (blobs, before) = (stored(root), rows_of(root));
        let dry = ocirm(root, &arguments("prune -n --grace 0s --format json"));
        prop_assert_eq!(dry.status.code(), Some(0), "{:?}", dry);
        let garbage = deleted(&dry);
        // Which rows go is what the run says by doing it; which blobs go then is the model's to say.
        let real = ocirm(root, &arguments("prune -f --grace 0s --format json"));
        prop_assert_eq!(deleted(&real), garbage.clone());
        let after = rows_of(root);
        let live = reachable(&after, &blobs);
        prop_assert!(live.is_disjoint(&garbage));
        prop_assert_eq!(&live | &garbage, blobs.keys().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(stored(root).into_keys().collect::<BTreeSet<_>>(), live);
        // Once is as good as twice.
        let again = ocirm(root, &arguments("prune -f --grace 0s --format json"));
        prop_assert_eq!(deleted(&again), BTreeSet::new());
        prop_assert_eq!(rows_of(root), after.clone());
        prop_assert_eq!(names_in(&after), names_in(&before));
    }

    #[test]
    fn names_survive_every_prune_that_is_not_of_all(
        documents in documents(), rows in rows(),
        more in prop::sample::select(vec!["", " --filter until=1s", " --filter dangling=true", " --filter reference=n1", " --keep n2"]),
    ) {
        let ground = build(&documents, &rows, 1);
        let root = &ground.root;
        let (blobs, before) = (stored(root), rows_of(root));
        let done = ocirm(root, &arguments(&format!("prune -f --grace 0s{more}")));
        prop_assert_eq!(done.status.code(), Some(0), "{:?}", done);
        prop_assert_eq!(names_in(&rows_of(root)), names_in(&before));
        let named: Vec<String> = before.iter().filter(|row| !names_in(std::slice::from_ref(row)).is_empty()).cloned().collect();
        let left = stored(root);
        for digest in reachable(&named, &blobs) {
            prop_assert!(left.contains_key(&digest), "{} of a name", digest);
        }
    }

    #[test]
    fn a_list_of_ids_has_the_images_of_a_list(
        documents in documents(), rows in rows(), all in any::<bool>(),
    ) {
        let ground = build(&documents, &rows, 0);
        let more = if all { " -a" } else { "" };
        let quiet = ocirm(&ground.root, &arguments(&format!("ls -q --no-trunc{more}")));
        let json = ocirm(&ground.root, &arguments(&format!("ls --format json{more}")));
        prop_assert_eq!(quiet.status.code(), Some(0), "{:?}", quiet);
        let ids: BTreeSet<String> = text(&quiet).lines().map(str::to_owned).collect();
        let listed: BTreeSet<String> = text(&json)
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|image| image["digest"].as_str().unwrap().to_owned())
            .collect();
        prop_assert_eq!(ids, listed);
    }

    #[test]
    fn a_row_less_makes_no_garbage_live(
        documents in documents(), rows in rows(), which in any::<prop::sample::Index>(),
    ) {
        let ground = build(&documents, &rows, 2);
        let root = &ground.root;
        let before = rows_of(root);
        let mut fewer = before.clone();
        fewer.remove(which.index(before.len()));
        // An index without rows is taken for an accident, and a row without a name is no garbage when no other has one.
        prop_assume!(!names_in(&fewer).is_empty());
        let less = copy_of(root);
        write_rows(&less.root, &fewer);
        let dry = arguments("prune -n --grace 0s --format json");
        let (more_rows, fewer_rows) = (deleted(&ocirm(root, &dry)), deleted(&ocirm(&less.root, &dry)));
        // Rows that lose what they belong to may become dangling; none becomes an image by that.
        prop_assert!(more_rows.is_subset(&fewer_rows), "{:?} {:?}", more_rows, fewer_rows);
    }

    #[test]
    fn rmi_and_prune_leave_what_prune_leaves_of_the_smaller_index(
        documents in documents(), rows in rows(), name in 0_u8..5, orphans in 0_u8..3,
    ) {
        let ground = build(&documents, &rows, orphans);
        let root = &ground.root;
        let smaller = copy_of(root);
        ocirm(root, &arguments(&format!("rmi n{name}")));
        let left = rows_of(root);
        prop_assume!(!left.is_empty());
        write_rows(&smaller.root, &left);
        for root in [root, &smaller.root] {
            let done = ocirm(root, &arguments("prune -f --grace 0s"));
            prop_assert_eq!(done.status.code(), Some(0), "{:?}", done);
        }
        prop_assert_eq!(rows_of(root), rows_of(&smaller.root));
        prop_assert_eq!(stored(root), stored(&smaller.root));
    }
}

proptest! {
    // A damaged layout is read again for a while, in case somebody is writing it.
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_that_fails_deletes_nothing(
        documents in documents(), rows in rows(), which in any::<prop::sample::Index>(), cut in any::<bool>(),
    ) {
        let ground = build(&documents, &rows, 1);
        let root = &ground.root;
        let is_document = |bytes: &[u8]| bytes.starts_with(b"{\"n\":");
        let (whole, index) = (stored(root), rows_of(root));
        let live: Vec<String> = reachable(&index, &whole)
            .into_iter()
            .filter(|digest| is_document(&whole[digest]))
            .collect();
        let digest = &live[which.index(live.len())];
        let bytes = &whole[digest];
        let rest = &bytes[..bytes.len() - 1];
        let broken = [rest, if cut { b"" } else { b" " }].concat();
        std::fs::write(root.join("blobs/sha256").join(digest), broken).unwrap();
        let (blobs, before) = (stored(root), std::fs::read(root.join("index.json")).unwrap());
        let name = names_in(&index).first().cloned();
        let mut commands = vec!["prune -f --grace 0s".to_owned(), "prune -f -a --grace 0s".to_owned()];
        commands.extend(name.iter().flat_map(|name| [format!("rmi {name}"), format!("rmi -f {name}")]));
        for command in &commands {
            let refused = ocirm(root, &arguments(command));
            prop_assert_eq!(refused.status.code(), Some(12), "{} {:?}", command, refused);
            prop_assert_eq!(&stored(root), &blobs);
            prop_assert_eq!(&std::fs::read(root.join("index.json")).unwrap(), &before);
        }
        if let Some(name) = name {
            ocirm(root, &arguments(&format!("untag {name}")));
            prop_assert_eq!(&stored(root), &blobs);
        }
    }
}
