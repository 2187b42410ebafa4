//! What takes the disk, in which order images are listed, and what the trash holds.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use crate::support::command::{Finished, ocirm, run};
use crate::support::contents::{arg, blob_path, digest, id, index, members, texts};
use crate::support::place::{
    Place, assert_mentions, assert_no_traces, assert_status, fixtures, object, objects,
};
use crate::support::terminal::run_on_terminal;

const TRASH: &str = ".ocirm-trash";

/// The lines of `ls` in JSON.
fn listed(place: &Place, layout: &Path, more: &[&str]) -> Vec<Value> {
    let args = [&["ls", "--all", "--format", "json"][..], more].concat();
    let mut done = place.run_in(layout, &args);
    done.err.clear();
    objects(&done)
}

/// Z7: every order is one of the same lines, what is equal stands as by age, and the other way round is
/// just that, for IDs alone as well.
#[test]
fn lists_stand_in_the_order_that_was_asked_for() {
    for fixture in fixtures() {
        let place = Place::new();
        let layout = place.fixture(&fixture, "layout");
        let by_age = listed(&place, &layout, &[]);
        for order in ["created", "size", "unique", "name", "none"] {
            let lines = listed(&place, &layout, &["--sort", order]);
            let mut expected = by_age.clone();
            let sorted = |lines: &[Value]| {
                let mut texts: Vec<String> = lines.iter().map(Value::to_string).collect();
                texts.sort();
                texts
            };
            let number = |line: &Value| u64::MAX - line[order].as_u64().unwrap_or_default();
            match order {
                "size" | "unique" => expected.sort_by_key(number),
                // That of index.json, in which an entry may stand twice.
                "none" => {
                    let mut seen = BTreeSet::new();
                    let rows = index(&layout).rows.into_iter();
                    let rows =
                        rows.filter(|row| seen.insert((row.digest.clone(), row.name.clone())));
                    let rows: Vec<String> = rows.map(|row| row.digest).collect();
                    let of_lines = lines.iter().map(|line| line["digest"].as_str().unwrap());
                    assert_eq!(of_lines.collect::<Vec<_>>(), rows, "{fixture}");
                    assert_eq!(sorted(&lines), sorted(&by_age), "{fixture}");
                    expected = lines.clone();
                }
                // What has no name comes last; how names stand is a matter of its own.
                "name" => {
                    assert_eq!(sorted(&lines), sorted(&by_age), "{fixture}");
                    expected = lines.clone();
                    let nameless = lines.iter().map(|line| line["name"].is_null());
                    assert!(nameless.is_sorted(), "{fixture}");
                }
                _ => {}
            }
            assert_eq!(lines, expected, "{fixture} {order}");
            let mut reversed = listed(&place, &layout, &["--sort", order, "--reverse"]);
            let ids = |more: &[&str]| {
                let args = ["ls", "-a", "-q", "--no-trunc", "--sort", order];
                place.run_in(&layout, &[&args[..], more].concat()).out
            };
            let each_once = |lines: &[Value]| {
                let mut ids: Vec<String> = Vec::new();
                for line in lines {
                    let id = line["digest"].as_str().unwrap().to_owned();
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                ids.iter().map(|id| format!("{id}\n")).collect::<String>()
            };
            assert_eq!(ids(&[]), each_once(&lines), "{fixture} {order}");
            assert_eq!(
                ids(&["--reverse"]),
                each_once(&reversed),
                "{fixture} {order}"
            );
            reversed.reverse();
            assert_eq!(lines, reversed, "{fixture} {order}");
        }
    }
}

/// Z7
#[test]
fn names_stand_by_repository_then_tag_and_numbers_by_their_values() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    for tag in ["1.10", "1.9", "latest"] {
        let image = layout.image(tag);
        layout.named(&image, &format!("docker.io/library/app:{tag}"));
        layout.named(&image, &format!("docker.io/library/app-x:{tag}"));
    }
    let nameless = layout.image("nameless");
    layout.unnamed(&nameless).finish();
    let sorted = |more: &[&str]| {
        let args = ["ls", "--format", "{{.Name}}", "--sort", "name"];
        place.succeeds(&layout.dir, &[&args[..], more].concat()).out
    };
    let expected =
        "app:1.9\napp:1.10\napp:latest\napp-x:1.9\napp-x:1.10\napp-x:latest\n<dangling>\n";
    assert_eq!(sorted(&[]), expected);
    let reversed: String = expected.lines().rev().map(|l| format!("{l}\n")).collect();
    assert_eq!(sorted(&["--reverse"]), reversed);
}

/// Z8: only who reads a table is told how much it is.
#[test]
fn a_table_on_a_terminal_ends_with_how_much_it_is() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (one, two) = (layout.image("one"), layout.image("two"));
    layout
        .tagged(&one, "one")
        .tagged(&one, "again")
        .tagged(&two, "two")
        .finish();
    // What nothing leads to takes the disk all the same.
    layout.blob("", vec![b'x'; 3_000_000]);
    let on_terminal = |more: &[&str]| {
        let args = [&["--layout", arg(&layout.dir), "ls"], more].concat();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        run_on_terminal(&args, &place.home(), "").out
    };
    let table = on_terminal(&[]);
    let foot = "\n2 images; the layout has 3MB in 7 blobs\n";
    assert!(table.ends_with(foot), "{table}");
    let one_image = on_terminal(&["one"]);
    assert!(
        one_image.contains("\n1 image; the layout has "),
        "{one_image}"
    );
    let piped = place.succeeds(&layout.dir, &["ls"]);
    assert_eq!(piped.out.lines().count(), 4, "{piped}");
    for more in [
        &["--format", "json"][..],
        &["-q"],
        &["--format", "{{.ID}}"],
        &["--tree"],
    ] {
        let out = on_terminal(more);
        assert!(!out.contains("image;"), "{out}");
    }
    let twice = ["--layout", arg(&layout.dir), "--layout"];
    let other = place.fixture("umoci04-tags", "other");
    let mut args = twice.to_vec();
    args.extend([arg(&other), "ls"]);
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let several = run_on_terminal(&args, &place.home(), "").out;
    assert!(several.ends_with(" in 2 layouts\n"), "{several}");
}

/// What files and directories take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Taken {
    files: u64,
    bytes: u64,
    on_disk: u64,
}

/// What everything in some directories takes, each file and directory once, by the simplest means.
fn taken(dirs: &[&Path]) -> Taken {
    let (mut all, mut seen) = (Taken::default(), BTreeSet::new());
    let mut todo: Vec<PathBuf> = dirs.iter().map(|dir| (*dir).to_owned()).collect();
    while let Some(path) = todo.pop() {
        let file = fs::symlink_metadata(&path).unwrap();
        if !seen.insert((file.dev(), file.ino())) {
            continue;
        }
        all.on_disk += 512 * file.blocks();
        match file.is_dir() {
            true => todo.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            ),
            false => {
                all.files += 1;
                all.bytes += file.len();
            }
        }
    }
    all
}

/// What `du` says of some directories together.
fn du(dirs: &[&Path]) -> u64 {
    let output = std::process::Command::new("du")
        .args(["-sc", "--block-size=1"])
        .args(dirs)
        .output()
        .expect("du is everywhere");
    let text = String::from_utf8_lossy(&output.stdout);
    let total = text.lines().last().and_then(|line| line.split('\t').next());
    total
        .and_then(|total| total.parse().ok())
        .expect("a number")
}

fn of(object: &Value) -> Taken {
    let number = |key: &str| {
        object[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {object}"))
    };
    Taken {
        files: number("files"),
        bytes: number("bytes"),
        on_disk: number("on_disk"),
    }
}

const PARTS: [&str; 5] = ["images", "unreferenced", "trash", "temporary", "other"];

/// The parts of an object are all of it.
#[track_caller]
fn assert_adds_up(object: &Value) {
    let mut sum = Taken::default();
    for part in PARTS {
        let part = of(&object[part]);
        sum.files += part.files;
        sum.bytes += part.bytes;
        sum.on_disk += part.on_disk;
    }
    assert_eq!(sum, of(object), "{object}");
}

const DF: [&str; 3] = ["df", "--format", "json"];

/// What `df` says of a layout; it leaves everything as it is.
#[track_caller]
fn df(place: &Place, layout: &Path) -> Value {
    let before = place.tree();
    let done = place.run_in(layout, &DF);
    assert_no_traces(&before, &place.tree(), &done);
    assert_status(&done, 0);
    object(&done)
}

/// Puts into a layout what is no part of it: unfinished work, files of other people, things that are no
/// files, and blobs that nothing leads to.
fn litter(layout: &Path) {
    for dir in [
        "ingest/abc",
        ".umoci-x/rootfs",
        "notes",
        "blobs/sha256/dir",
        "blobs/md5",
    ] {
        fs::create_dir_all(layout.join(dir)).unwrap();
    }
    for (path, bytes) in [
        ("ingest/abc/data", 70_000),
        (".umoci-x/rootfs/file", 5000),
        ("oci-put-blob123", 12_345),
        ("notes/a.txt", 9000),
        (".ocirm-tmp-0-x", 1),
        ("blobs/README", 10),
        ("blobs/sha256/upload.tmp", 4097),
        ("blobs/sha256/dir/file", 3),
        ("blobs/md5/d41d8cd98f00b204e9800998ecf8427e", 33),
    ] {
        fs::write(layout.join(path), vec![b'x'; bytes]).unwrap();
    }
    let stray = blob_path(layout, &format!("sha256:{}", "ab".repeat(32)));
    fs::write(&stray, vec![b'y'; 20_000]).unwrap();
    fs::hard_link(&stray, layout.join("notes/same")).unwrap();
    symlink(
        "../../nowhere",
        blob_path(layout, &format!("sha256:{}", "cd".repeat(32))),
    )
    .unwrap();
    symlink("notes", layout.join("link")).unwrap();
    // Longer than what it takes.
    let sparse = File::create(blob_path(layout, &format!("sha256:{}", "ef".repeat(32)))).unwrap();
    sparse.set_len(10_000_000).unwrap();
}

/// O1: everything is counted, and nothing twice: the sum is what `du` says.
#[test]
fn the_sum_is_what_du_says() {
    for fixture in fixtures() {
        for littered in [false, true] {
            let place = Place::new();
            let layout = place.fixture(&fixture, "layout");
            if littered {
                litter(&layout);
                let removed = place.run_in(&layout, &["prune", "-af", "--trash"]);
                assert!(!removed.panicked(), "{removed}");
            }
            let used = df(&place, &layout);
            assert_adds_up(&used);
            assert_eq!(of(&used), taken(&[&layout]), "{fixture} {used}");
            assert_eq!(of(&used).on_disk, du(&[&layout]), "{fixture}");
            let check = object(&place.run_in(&layout, &["check", "--format", "json"]));
            if !littered {
                let orphans = check["orphans"].as_u64().unwrap()
                    + check["of_unlisted_referrers"]["blobs"].as_u64().unwrap();
                assert_eq!(used["unreferenced"]["files"], orphans, "{fixture}");
                assert_eq!(used["images"]["files"], check["present"], "{fixture}");
                assert_eq!(used["images"]["bytes"], check["present_bytes"], "{fixture}");
                continue;
            }
            let temporary = members(&used["temporary"]["paths"], "path");
            for path in [
                ".umoci-x/rootfs/file",
                "blobs/sha256/upload.tmp",
                "ingest/abc/data",
                "oci-put-blob123",
            ] {
                assert!(temporary.contains(&path), "{path}: {used}");
            }
            let other = members(&used["other"]["paths"], "path");
            for path in [
                "blobs/README",
                "blobs/sha256/dir/file",
                "link",
                "notes/a.txt",
            ] {
                assert!(other.contains(&path), "{path}: {used}");
            }
        }
    }
}

/// O2: what `prune` would free is what its dry run says, whatever lies in the layout.
#[test]
fn what_prunes_free_is_what_their_dry_runs_say() {
    for fixture in fixtures() {
        for step in 0..4 {
            let place = Place::new();
            let layout = place.fixture(&fixture, "layout");
            match step {
                0 => {}
                1 => {
                    let stray = blob_path(&layout, &format!("sha256:{}", "ab".repeat(32)));
                    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
                    fs::write(&stray, vec![b'y'; 20_000]).unwrap();
                }
                // A name that is taken away leaves a dangling image, which is not too young.
                2 => drop(place.run_in(&layout, &["untag", "**"])),
                _ => {
                    place.run_in(&layout, &["prune", "-af", "--trash", "--grace", "0s"]);
                    for removal in fs::read_dir(layout.join(TRASH)).into_iter().flatten() {
                        let old = layout.join(TRASH).join("20200101T000000.000000001Z-4711");
                        fs::rename(removal.unwrap().path(), old).unwrap();
                    }
                }
            }
            let used = df(&place, &layout);
            let dry = |more: &[&str]| {
                let args = [&["prune", "-n", "--format", "json"][..], more].concat();
                let done = place.run_in(&layout, &args);
                (done.code() == Some(0)).then(|| object(&done)["freed_bytes"].clone())
            };
            let what = format!("{fixture} {step} {used}");
            let freed = |by: &str| (!used[by].is_null()).then(|| used[by]["bytes"].clone());
            assert_eq!(freed("prune"), dry(&[]), "{what}");
            assert_eq!(freed("prune_all"), dry(&["--all"]), "{what}");
            if let (Some(now), Some(later)) = (freed("prune"), freed("later")) {
                let both = now.as_u64().unwrap() + later.as_u64().unwrap();
                assert_eq!(Some(json!(both)), dry(&["--grace", "0s"]), "{what}");
            }
            // A record goes too, and is not counted.
            if used["trash"]["removals"][0]["files"].as_u64() > Some(1) {
                assert!(used["prune"]["trash"].as_u64() > Some(0), "{what}");
            }
        }
    }
}

/// O3: images are counted, each blob once, and what several of them have is said.
#[test]
fn what_several_images_have_is_shared_and_counted_once() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let one = layout.image_for("linux/amd64", "one", &["base", "one"]);
    let two = layout.image_for("linux/amd64", "two", &["base", "two"]);
    layout
        .tagged(&one, "1")
        .tagged(&one, "1-again")
        .tagged(&two, "2")
        .finish();
    let big = layout.blob("", vec![b'z'; 5000]);
    let used = df(&place, &layout.dir);
    assert_eq!(used["images"]["count"], 2);
    assert_eq!(used["images"]["files"], 7);
    assert_eq!(used["images"]["shared"]["files"], 1);
    assert_eq!(used["images"]["shared"]["bytes"], "layer base\n".len());
    assert_eq!(used["unreferenced"]["files"], 1);
    let largest = used["largest"].as_array().unwrap();
    assert_eq!(largest[0]["digest"], digest(&big), "{used}");
    assert_eq!(largest[0]["kind"], "unreferenced");
    let layer = layout.layer("base");
    let base = largest
        .iter()
        .find(|blob| blob["digest"] == digest(&layer))
        .unwrap();
    assert_eq!(texts(&base["names"]), ["1", "1-again", "2"]);
    let said = place.succeeds(&layout.dir, &["df", "-v"]);
    assert!(said.out.contains("1, 1-again and 2"), "{said}");
    assert!(said.out.contains(id(&big)), "{said}");
    let plain = place.succeeds(&layout.dir, &["df"]);
    assert!(!plain.out.contains(id(&big)), "{plain}");
    assert!(
        plain.out.contains("\nprune: ") && plain.out.contains("1 unreferenced blob (5kB)"),
        "{plain}"
    );
    let line = |title: &str| {
        let line = plain.out.lines().find(|line| line.starts_with(title));
        let words = line.unwrap_or_else(|| panic!("{plain}")).split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("Images")[1], "2");
    assert_eq!(line("Unreferenced")[2..4], ["1", "5kB"]);
    assert_eq!(line("Unreferenced")[5..], ["0B", "5kB", "0B"]);
}

/// O4: in the sum of several layouts each file counts once, by whichever way they come to have it.
#[test]
fn what_several_layouts_have_counts_once_in_the_total() {
    let place = Place::new();
    let one = place.fixture("skopeo19-multi-all", "one");
    let two = place.fixture("umoci04-derived", "two");
    // The same files.
    for blob in fs::read_dir(one.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        fs::hard_link(blob.path(), two.join("blobs/sha256").join(blob.file_name())).unwrap();
    }
    // The same directory.
    let three = place.path("three");
    fs::create_dir(&three).unwrap();
    for name in ["index.json", "oci-layout"] {
        fs::copy(one.join(name), three.join(name)).unwrap();
    }
    symlink("../one/blobs", three.join("blobs")).unwrap();
    let all = [&*one, &*two, &*three];
    let args = [&["df"][..], &all.map(arg), &DF[1..]].concat();
    let before = place.tree();
    let done = place.run(&args);
    assert_status(&done, 0);
    assert_no_traces(&before, &place.tree(), &done);
    let lines = objects(&done);
    assert_eq!(lines.len(), 4, "{done}");
    for (line, dir) in lines.iter().zip(all) {
        assert_eq!(line["layout"], arg(dir));
        assert_adds_up(line);
    }
    assert_eq!(of(&lines[0]), taken(&[&one]));
    assert_eq!(of(&lines[1]), taken(&[&two]));
    // A link to blobs leads to blobs.
    assert_eq!(of(&lines[2]), taken(&[&three, &one.join("blobs")]));
    let total = &lines[3];
    assert_eq!(total["layouts"], 3);
    assert_adds_up(total);
    assert_eq!(of(total), taken(&all));
    assert!(
        of(&total["images"]["shared"]).files <= of(&total["images"]).files,
        "{total}"
    );
    assert_eq!(of(total).on_disk, du(&all));
    let dry = [
        &["prune", "-n", "-a", "--format", "json"][..],
        &all.map(arg),
    ]
    .concat();
    let dry = objects(&place.run(&dry));
    let freed: u64 = dry
        .iter()
        .map(|line| line["freed_bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(total["prune_all"]["bytes"], freed, "{total}");
    let text = place.run(&[&["df"][..], &all.map(arg)].concat());
    let words = text
        .out
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let titles: Vec<&str> = words.take(5).collect();
    assert_eq!(
        titles,
        ["LAYOUT", arg(&one), arg(&two), arg(&three), "Total"]
    );
    assert!(text.out.contains("are counted once in the total"), "{text}");
    // One that fails does not stop the others.
    fs::write(two.join("index.json"), "{").unwrap();
    let done = place.run(&args);
    assert_status(&done, 12);
    let lines = objects(&done);
    assert_eq!(lines.len(), 4, "{done}");
    assert_eq!(lines[1]["errors"][0]["class"], "layout");
    assert_eq!(lines[3]["layouts"], 2);
    assert_mentions(&done, arg(&two));
    let below = place.run(&[
        "df",
        "--recursive",
        arg(&place.path("")),
        "--format",
        "json",
    ]);
    assert_eq!(objects(&below).len(), 4, "{below}");
}

/// O1: what is reached as a blob is one, whatever else leads to it.
#[test]
fn a_blob_is_a_blob_whatever_else_it_is_called() {
    let plain = |spoil: &dyn Fn(&Path, &str)| {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let (one, two) = (layout.image("one"), layout.image("two"));
        layout.tagged(&one, "one").tagged(&two, "two").finish();
        spoil(&layout.dir, digest(&one));
        let done = place.succeeds(&layout.dir, &DF);
        let used = object(&done);
        assert_adds_up(&used);
        assert_eq!(of(&used), taken(&[&layout.dir]), "{used}");
        (
            used["images"]["files"].clone(),
            used["images"]["bytes"].clone(),
        )
    };
    let expected = plain(&|_, _| {});
    let linked = plain(&|dir, _| {
        fs::rename(dir.join("blobs"), dir.join("a-store")).unwrap();
        std::os::unix::fs::symlink("a-store", dir.join("blobs")).unwrap();
    });
    assert_eq!(linked, expected);
    for name in [
        "a",
        "zz",
        ".ocirm-trash/20200101T000000.000000001Z-1/blobs/x",
    ] {
        let named_twice = plain(&|dir, digest| {
            let name = dir.join(name);
            fs::create_dir_all(name.parent().unwrap()).unwrap();
            fs::hard_link(blob_path(dir, digest), name).unwrap();
        });
        assert_eq!(named_twice, expected, "{name}");
    }
}

/// O5: what cannot be known is said, and all that can be is known.
#[test]
fn of_a_damaged_layout_it_is_said_what_is_not_known() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (one, two) = (layout.image("one"), layout.image("two"));
    layout.tagged(&one, "one").tagged(&two, "two").finish();
    fs::write(blob_path(&layout.dir, digest(&one)), "{").unwrap();
    let before = place.tree();
    let done = place.run_in(&layout.dir, &DF);
    assert_no_traces(&before, &place.tree(), &done);
    assert_status(&done, 12);
    let used = object(&done);
    assert_adds_up(&used);
    assert_eq!(of(&used), taken(&[&layout.dir]));
    assert_eq!(used["prune"], Value::Null);
    assert_eq!(used["later"], Value::Null);
    let error = &used["errors"][0];
    assert_eq!(error["class"], "layout");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(digest(&one)), "{used}");
    assert_mentions(&done, digest(&one));
    let text = place.run_in(&layout.dir, &["df"]);
    assert_status(&text, 12);
    assert!(text.out.contains("unknown"), "{text}");
    assert!(text.out.contains("prune: it would not run: "), "{text}");
    // An empty index.json is no damage, but prune alone refuses.
    fs::write(layout.dir.join("index.json"), r#"{"manifests":[]}"#).unwrap();
    let done = place.succeeds(&layout.dir, &DF);
    assert_eq!(object(&done)["prune"], Value::Null);
    assert!(done.out.contains("use prune --all"), "{done}");
}

/// O6: looking takes no more than a lock that others may share.
#[test]
fn looking_at_the_disk_and_the_trash_shares_the_lock() {
    let place = Place::new();
    let layout = place.fixture("oras-push-attach", "layout");
    let dir = File::open(&layout).unwrap();
    for args in [&["df"][..], &["restore", "--list"]] {
        let args = [&["--lock-timeout", "0s"], args].concat();
        flock(&dir, FlockOperation::LockShared).unwrap();
        place.succeeds(&layout, &args);
        flock(&dir, FlockOperation::LockExclusive).unwrap();
        place.refuses(&layout, &args, 11);
        flock(&dir, FlockOperation::Unlock).unwrap();
    }
}

/// O7: the trash is shown as it is, removal by removal, and nothing comes back by looking.
#[test]
fn the_trash_is_listed_with_dates_names_sizes_and_its_end() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let images = ["one", "two", "three"].map(|title| layout.image(title));
    let index = layout.index(&[
        &images[0],
        &layout.image_for("linux/arm64", "arm", &["arm"]),
    ]);
    for (image, name) in images.iter().zip(["a:1", "b:2", "c:3"]) {
        layout.named(image, &format!("docker.io/library/{name}"));
    }
    layout.named(&index, "docker.io/library/multi:1").finish();
    let dir = &layout.dir;
    let nothing = place.succeeds(dir, &["restore", "--list"]);
    assert_eq!(nothing.out, "There is nothing in the trash.\n");
    assert_eq!(nothing.err, "");
    for args in [
        &["rmi", "--trash", "a:1", "b:2"][..],
        &["rmi", "--trash", "multi:1", "--platform", "linux/arm64"],
        &[
            "prune", "-af", "--trash", "--keep", "multi:1", "--grace", "0s",
        ],
    ] {
        place.succeeds(dir, args);
    }
    let before = place.tree();
    let list = ["restore", "--list", "--format", "json"];
    let done = place.succeeds(dir, &list);
    let listed = object(&done);
    let removals = listed["removals"].as_array().unwrap();
    let commands = members(&listed["removals"], "command");
    assert_eq!(commands, ["rmi", "rmi", "prune"]);
    let names: Vec<Vec<&str>> = removals
        .iter()
        .map(|r| members(&r["images"], "name"))
        .collect();
    assert_eq!(names, [&["a:1", "b:2"][..], &[], &["c:3"]]);
    assert_eq!(removals[1]["parts"][0]["image"], digest(&index));
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    for removal in removals {
        let week = time(&removal["expires"]).duration_since(time(&removal["removed"]));
        assert_eq!(week.as_secs(), 7 * 24 * 3600);
        let folder = dir.join(TRASH).join(removal["id"].as_str().unwrap());
        assert_eq!(of(removal), taken(&[&folder]), "{removal}");
    }
    let used = df(&place, dir);
    assert_eq!(used["trash"]["removals"], listed["removals"]);
    let text = place.succeeds(dir, &["restore", "--list"]);
    let lines: Vec<&str> = text.out.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[1].ends_with("a:1 and b:2"), "{text}");
    assert!(lines[2].contains("1 part of sha256:"), "{text}");
    assert!(
        lines[3].contains("prune") && lines[3].ends_with("c:3"),
        "{text}"
    );
    let more = place.succeeds(dir, &["restore", "--list", "-v"]);
    assert!(
        more.out.contains(&format!("b:2 ({})\n", id(&images[1]))),
        "{more}"
    );
    assert_eq!(more.out.lines().count(), 5, "{more}");
    let told = place.succeeds(dir, &["df"]);
    assert!(told.out.ends_with(&text.out), "{told}");
    assert_no_traces(&before, &place.tree(), &text);
    // Who wrote older records did not say which command it was.
    let record = dir
        .join(TRASH)
        .join(removals[0]["id"].as_str().unwrap())
        .join("removal.json");
    let text = fs::read_to_string(&record).unwrap();
    let mut older: Value = serde_json::from_str(&text).unwrap();
    older.as_object_mut().unwrap().remove("command");
    fs::write(&record, older.to_string()).unwrap();
    let listed = object(&place.succeeds(dir, &list));
    assert_eq!(listed["removals"][0]["command"], Value::Null);
    assert_eq!(
        members(&listed["removals"][0]["images"], "name"),
        ["a:1", "b:2"]
    );
    fs::write(&record, "{").unwrap();
    let unclear = place.succeeds(dir, &["restore", "--list"]);
    assert!(
        unclear.out.contains("(its record cannot be understood)"),
        "{unclear}"
    );
    for wrong in [&["a:1"][..], &["-n"], &["--incomplete"]] {
        place.refuses(dir, &[&["restore", "--list"], wrong].concat(), 2);
    }
}

/// O8: with -v each name is said with what it led to, in a dry run as well.
#[test]
fn names_that_go_are_said_with_their_digests_to_who_asks_for_more() {
    for (args, name) in [
        (&["untag", "v1"][..], "v1"),
        (&["rmi", "v1"], "v1"),
        (&["prune", "-af", "--grace", "0s"], "v1"),
    ] {
        for dry in [true, false] {
            let place = Place::new();
            let mut layout = place.layout("layout");
            let image = layout.image("one");
            layout.tagged(&image, name).finish();
            let args = if dry {
                [args, &["-n"]].concat()
            } else {
                args.to_vec()
            };
            let head = if dry { "Would untag" } else { "Untagged" };
            let plain = place.succeeds(&layout.dir, &args);
            if !dry {
                layout = place.layout("again");
                let image = layout.image("one");
                layout.tagged(&image, name).finish();
            }
            assert!(plain.out.contains(&format!("{head}: {name}\n")), "{plain}");
            let more = place.succeeds(&layout.dir, &[&args[..], &["-v"]].concat());
            let line = format!("{head}: {name} ({})\n", digest(&image));
            assert!(more.out.contains(&line), "{more}");
        }
    }
}

/// O2: where everything goes to the trash first, nothing is freed at once, and that is said.
#[test]
fn with_the_trash_as_the_default_nothing_is_freed_at_once() {
    let place = Place::new();
    let layout = place.fixture("umoci04-tags", "layout");
    let args: Vec<String> = ["--layout", arg(&layout), "df"].map(str::to_owned).to_vec();
    let output = ocirm(&args, &place.home())
        .env("OCIRM_TRASH", "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("OCIRM_TRASH=1"), "{table}");
    let total = |table: &str| {
        let line = table.lines().find(|line| line.starts_with("Total"));
        line.unwrap_or_default().to_owned()
    };
    assert!(total(&table).ends_with(" 0B"), "{table}");
    let without: Finished = run(&args, &place.home());
    assert!(!total(&without.out).ends_with(" 0B"), "{without}");
}

/// FR48: what is unique is what `rmi` frees, also where something unnamed holds an image and nothing for
/// the sake of which a signature would stay.
#[test]
fn what_an_orphan_holds_keeps_no_signatures() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("image");
    let other = layout.image("other");
    let signature = layout.referrer(&image, "signature of the image");
    let signed_too = layout.referrer(&signature, "signature of the signature");
    // Stored, and in no entry.
    let stored = layout.index(&[&image]);
    let orphan = layout.referrer(&stored, "about what nobody lists");
    layout.tagged(&image, "image").tagged(&other, "other");
    layout
        .unnamed(&signature)
        .unnamed(&signed_too)
        .unnamed(&orphan)
        .finish();
    let lines = listed(&place, &layout.dir, &[]);
    let unique = |name: &str| {
        let line = lines.iter().find(|line| line["name"] == name).unwrap();
        line["unique"].as_u64().unwrap()
    };
    for name in ["image", "other"] {
        let args = ["rmi", "-n", "--format", "json", name];
        let done = object(&place.succeeds(&layout.dir, &args));
        assert_eq!(done["freed_bytes"], unique(name), "{name} {done}");
    }
    assert!(unique("image") > 0);
}

/// FR48: so it is with an entry that names two digests: what the other one leads to goes with it, too.
#[test]
fn what_an_odd_entry_names_besides_goes_with_it() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let (image, besides) = (layout.image("image"), layout.image("besides"));
    let entry = json!({"digest": digest(&image), "annotations": {"org.opencontainers.image.ref.name": "image"}});
    let twice = format!(
        r#"{{"digest":"{}",{}"#,
        digest(&besides),
        &entry.to_string()[1..]
    );
    layout.finish_as(&format!(r#"{{"schemaVersion":2,"manifests":[{twice}]}}"#));
    let line = &listed(&place, &layout.dir, &[])[0];
    let args = ["rmi", "-n", "--format", "json", "image"];
    let done = object(&place.succeeds(&layout.dir, &args));
    assert_eq!(done["freed_bytes"], line["unique"], "{line} {done}");
    assert!(line["unique"].as_u64() > line["size"].as_u64(), "{line}");
}
