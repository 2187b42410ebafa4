//! JSON that programs can rely on: the schemas of docs/schema know all that is printed and nothing else, the manual
//! lists it, and where nothing could be done there is an object that says so. That every output of every test fits
//! the schemas is found in `support::schema`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ocirm::help;
use serde_json::{Value, json};

use crate::support::command::{Finished, Running, in_layout, ocirm};
use crate::support::contents::{arg, blob_path, digest, digest_of};
use crate::support::layout::{LAYER, Layout};
use crate::support::place::{PRUNE_ALL, Place, assert_status, object, objects};
use crate::support::schema::{self, OUTPUTS};

/// What a schema says of one place, with the place: each object, with all that it has.
fn each_part<'s>(schema: &'s Value, place: &str, look: &mut dyn FnMut(&str, &'s Value)) {
    look(place, schema);
    let members = schema.as_object().into_iter().flatten();
    for (key, below) in members {
        let place = format!("{place}/{key}");
        match below {
            Value::Object(_) => each_part(below, &place, look),
            Value::Array(items) => {
                for item in items.iter().filter(|item| item.is_object()) {
                    each_part(item, &place, look);
                }
            }
            _ => {}
        }
    }
}

/// The members of the objects of a part of a schema.
fn properties(part: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let members = part["properties"].as_object();
    members
        .into_iter()
        .flatten()
        .filter(|_| part["type"] == "object")
}

/// J2: each file is a schema, says of every member what it means, and leaves room for new ones.
#[test]
fn the_schemas_are_schemas_and_say_what_each_member_means() {
    let mut files: Vec<String> = fs::read_dir(schema::folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let known = OUTPUTS.into_iter().chain(["policy-file"]);
    let mut known: Vec<String> = known.map(|name| format!("{name}.json")).collect();
    known.sort();
    assert_eq!(files, known);
    let mut wrong = Vec::new();
    let mut definitions: BTreeMap<String, (String, Value)> = BTreeMap::new();
    for name in OUTPUTS {
        let schema = schema::schema(name);
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        for key in ["title", "description", "$schema"] {
            assert!(schema[key].is_string(), "{name}: no {key}");
        }
        let described = |of: &Value| {
            let target = of["$ref"]
                .as_str()
                .and_then(|path| schema.pointer(&path[1..]));
            let has = |of: &Value| {
                of["description"]
                    .as_str()
                    .is_some_and(|text| text.ends_with('.'))
            };
            has(of) || target.is_some_and(has)
        };
        each_part(&schema, "", &mut |place, part| {
            for (key, of) in properties(part) {
                if !described(of) {
                    wrong.push(format!("{name}{place}: {key} has no description"));
                }
            }
            for key in part["required"].as_array().into_iter().flatten() {
                if part["properties"].get(key.as_str().unwrap()).is_none() {
                    wrong.push(format!("{name}{place}: {key} is required and unknown"));
                }
            }
            for closed in ["additionalProperties", "unevaluatedProperties"] {
                if part.get(closed).is_some() {
                    wrong.push(format!("{name}{place}: it has no room for new members"));
                }
            }
            // A list of words is open: `schema::words` knows how that is written.
            if part["enum"].is_array() && !place.ends_with("/anyOf") {
                wrong.push(format!("{name}{place}: it has no room for new words"));
            }
        });
        for (key, of) in schema["$defs"].as_object().unwrap() {
            // `layout` is what each command says of one.
            let shared = key != "layout" && key != "blob";
            let (first, before) = definitions
                .entry(key.clone())
                .or_insert_with(|| (name.to_owned(), of.clone()));
            if shared && before != of {
                wrong.push(format!("{key} is something else in {first} and {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// J1, J2: the comparison that all outputs go through finds what a schema does not say.
#[test]
fn what_the_schemas_do_not_say_is_found() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("app");
    layout.tagged(&image, "app").finish();
    let listed = place.succeeds(&layout.dir, &["ls", "--format", "json"]);
    let line = listed.out.trim_end();
    assert_eq!(schema::misfit("ls", line), None);
    assert!(schema::misfit("df", line).is_some());
    for (old, new) in [
        // Another member, one that is missing, another name, type, word, place.
        (r#""kind":"#, r#""new":1,"kind":"#),
        (r#""damaged":false"#, r#""damage":false"#),
        (r#","damaged":false"#, ""),
        (r#""version":1,"#, ""),
        (r#""version":1,"#, r#""version":2,"#),
        (
            r#""version":1,"name":"app","#,
            r#""name":"app","version":1,"#,
        ),
        (r#""damaged":false"#, r#""damaged":"false""#),
        (r#""unique":"#, r#""unique":-"#),
        (r#""unique":"#, r#""unique":0."#),
        (r#""kind":"named""#, r#""kind":"tagged""#),
        (r#""digest":"sha256:"#, r#""digest":""#),
        ("Z\"", "+00:00\""),
    ] {
        assert!(line.contains(old), "{line}");
        let other = line.replacen(old, new, 1);
        assert!(schema::misfit("ls", &other).is_some(), "{other}");
    }
}

/// Which schema an output is compared with.
#[test]
fn the_schema_of_a_command_line_is_that_of_its_command() {
    for (line, name) in [
        ("ls --format json", Some("ls")),
        ("ls --format=json -q", None),
        ("ls --format {{json}}", None),
        ("--layout json ls", None),
        ("df --format json", Some("df")),
        ("--layout ls prune -f --format json", Some("rmi")),
        ("restore --format json --list", Some("restore-list")),
        ("restore --format json", Some("restore")),
        ("untag --format json x", Some("rmi")),
        ("policy check --format json x", Some("policy-check")),
        ("rmi --format json", None),
    ] {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(schema::of_command(&args), name, "{line}");
    }
}

/// The words of a text that could be members: with nothing but small letters and underscores.
fn member_words(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// J2: the section on JSON of a manual page has every member of the schema, and no name that is none.
#[test]
fn the_manual_lists_the_members_of_the_schemas() {
    let mut wrong = Vec::new();
    let of_page = |command: &str| help::json(help::page(command).unwrap()).unwrap();
    for page in help::PAGES.iter().filter(|page| page.json.is_some()) {
        let mut text = of_page(page.command);
        if matches!(page.command, "prune" | "untag") {
            assert!(
                text.contains("the members that `ocirm rmi` prints"),
                "{text}"
            );
            text.push_str(&of_page("rmi"));
        }
        if page.command == "df" {
            assert!(
                text.contains("as `ocirm restore --list` prints them"),
                "{text}"
            );
            text.push_str(&of_page("restore"));
        }
        let said = member_words(&text);
        let schemas = help::schemas(page);
        assert!(!schemas.is_empty(), "{}", page.command);
        let members = schemas.iter().flat_map(|name| schema::members(name));
        let members: BTreeSet<String> = members
            .filter_map(|member| Some(member.rsplit('.').next()?.to_owned()))
            .collect();
        let unsaid = members.difference(&said);
        wrong.extend(unsaid.map(|word| format!("{}: {word} is not in the manual", page.command)));
        // The page of df is read together with that of the trash.
        let unknown = said
            .iter()
            .filter(|word| word.contains('_') && page.command != "df");
        let unknown = unknown.filter(|word| !members.contains(*word));
        wrong.extend(unknown.map(|word| format!("{}: {word} is no member", page.command)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What was run, and which members were seen.
#[derive(Default)]
struct Seen {
    seen: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Seen {
    #[track_caller]
    fn add(&mut self, finished: &Finished) -> &mut Seen {
        let name = schema::of_command(&finished.args).expect("JSON");
        assert!(!finished.out.is_empty(), "{finished}");
        let seen = self.seen.entry(name).or_default();
        for line in finished.out.lines() {
            schema::members_of_line(name, line, seen);
        }
        self
    }
}

/// The command with `--format json`, in a layout.
fn in_json(place: &Place, layout: &Path, args: &[&str]) -> Finished {
    place.run_in(layout, &[args, &["--format", "json"]].concat())
}

/// A layout with two images that share a layer, an index of two platforms, and a signature of it that nothing lists.
fn rich(place: &Place, name: &str) -> (Layout, Value) {
    let mut layout = place.layout(name);
    let amd = layout.image_for("linux/amd64", "amd", &["base", "amd"]);
    let arm = layout.image_for("linux/arm64", "arm", &["base", "arm"]);
    let inner = layout.index(&[&amd]);
    let app = layout.index(&[&amd, &arm, &inner]);
    let web = layout.image_for("linux/amd64", "web", &["base", "web"]);
    layout.referrer(&web, "a signature");
    layout
        .named(&app, "docker.io/library/app:1")
        .named(&web, "docker.io/library/web:1")
        .finish();
    (layout, app)
}

fn see_looks(place: &Place, seen: &mut Seen) {
    let (layout, _) = rich(place, "looks");
    let dir = &layout.dir;
    let containers = place.file("containers.json", "[]");
    let args = ["ls", "--all", "--tree", "--containers", arg(&containers)];
    seen.add(&in_json(place, dir, &args));
    let nowhere = place.path("nowhere");
    let both = ["--layout", arg(dir), "--layout", arg(&nowhere)];
    for command in ["ls", "df", "check"] {
        let args = [&both[..], &[command, "--format", "json"]].concat();
        seen.add(&place.run(&args));
    }
    fs::write(dir.join("oci-put-blob1"), "unfinished").unwrap();
    fs::write(dir.join("readme"), "something else").unwrap();
    seen.add(&in_json(place, dir, &["df"]));
    seen.add(&in_json(place, dir, &["check"]));
    seen.add(&in_json(place, dir, &["why", "app:1", "nothing"]));
    let base = digest_of("layer base\n");
    seen.add(&in_json(place, dir, &["why", &base]));
    seen.add(&in_json(place, &nowhere, &["why", "app"]));
    fs::remove_file(blob_path(dir, &base)).unwrap();
    seen.add(&in_json(place, dir, &["check"]));
    seen.add(&in_json(place, dir, &["why", &base]));
    let mut layout = place.layout("damaged");
    let image = layout.image("app");
    let index = layout.index(&[&image]);
    layout.tagged(&index, "app").unnamed(&image).finish();
    seen.add(&in_json(place, &layout.dir, &["why", digest(&image)]));
    fs::write(blob_path(&layout.dir, digest(&image)), "{").unwrap();
    seen.add(&in_json(place, &layout.dir, &["check"]));
    seen.add(&in_json(place, &layout.dir, &["df"]));

    // A store with two repositories, of which one has the bytes.
    for name in ["store/a", "store/b"] {
        let mut layout = place.layout(name);
        let image = layout.image_for("linux/amd64", name, &["common"]);
        layout.tagged(&image, "app").finish();
    }
    let common = digest_of("layer common\n");
    let stub = place.path("store/a");
    fs::write(blob_path(&stub, &common), "").unwrap();
    seen.add(&in_json(place, &stub, &["why", &common]));
}

fn see_changes(place: &Place, seen: &mut Seen) {
    let (layout, _) = rich(place, "changes");
    let dir = &layout.dir;
    seen.add(&in_json(
        place,
        dir,
        &["rmi", "web:1", "nothing", "--dry-run"],
    ));
    seen.add(&in_json(
        place,
        dir,
        &[
            "rmi",
            "app:1",
            "--platform",
            "arm64",
            "--rewrite-index",
            "--dry-run",
        ],
    ));
    let args = [&PRUNE_ALL[..], &["--keep", "app*", "--dry-run"]].concat();
    seen.add(&in_json(place, dir, &args));
    let policy = place.file("keep.toml", "[[rule]]\nkeep-last = 1\n");
    let args = ["prune", "--policy", arg(&policy), "--dry-run"];
    seen.add(&in_json(place, dir, &args));
    layout.blob(LAYER, "unreferenced");
    fs::write(dir.join("oci-put-blob1"), "unfinished").unwrap();
    seen.add(&in_json(place, dir, &["rmi", "web:1", "--dry-run"]));
    fs::remove_file(dir.join("oci-put-blob1")).unwrap();
    let parts = ["rmi", "app:1", "--platform", "arm64", "--trash"];
    seen.add(&in_json(place, dir, &parts));
    seen.add(&in_json(place, dir, &["rmi", "web:1", "--trash"]));
    seen.add(&in_json(place, dir, &["df"]));
    seen.add(&in_json(place, dir, &["restore", "--list"]));
    let nowhere = place.path("nowhere");
    for args in [&["rmi", "app"][..], &["restore"], &["restore", "--list"]] {
        seen.add(&in_json(place, &nowhere, args));
    }
    seen.add(&in_json(place, dir, &["restore", "nothing", "--dry-run"]));
    seen.add(&in_json(place, dir, &["restore", "web:1", "--dry-run"]));
    let trash = dir.join(".ocirm-trash");
    for removal in fs::read_dir(trash).unwrap() {
        let web = digest_of("layer web\n");
        let blob = blob_path(&removal.unwrap().path(), &web);
        if blob.exists() {
            fs::remove_file(blob).unwrap();
        }
    }
    seen.add(&in_json(
        place,
        dir,
        &["restore", "web:1", "--incomplete", "--dry-run"],
    ));
}

fn see_policies(place: &Place, seen: &mut Seen) {
    let (layout, _) = rich(place, "policies");
    let policy = place.file(
        "policy.toml",
        "max-size = \"20GB\"\n\
         [[rule]]\nname = \"apps\"\nrepositories = [\"app\"]\ntags = [\"1\"]\nkeep-last = 3\nnewest-by = \"version\"\n\
         keep-within = \"30d\"\nkeep-daily = 2\nkeep-newest-per = \"minor\"\n\
         [[rule]]\nrepositories = [\"app\"]\nkeep = \"while-it-fits\"\n\
         [[rule]]\nrepositories = [\"app\"]\nremove = true\n",
    );
    let nowhere = place.path("nowhere");
    let check = [
        "policy",
        "check",
        arg(&policy),
        arg(&layout.dir),
        arg(&nowhere),
    ];
    seen.add(&place.run(&[&check[..], &["--format", "json"]].concat()));
    let bad = place.file("bad.toml", "[[rule]]\nkeep-lost = 3\n");
    let finished = place.run(&["policy", "check", arg(&bad), "--format", "json"]);
    assert_status(&finished, 2);
    seen.add(&finished);
}

/// J2: nothing stands in a schema that no run prints.
#[test]
fn every_member_of_the_schemas_is_printed() {
    let place = Place::new();
    let mut seen = Seen::default();
    see_looks(&place, &mut seen);
    see_changes(&place, &mut seen);
    see_policies(&place, &mut seen);
    let mut unseen = Vec::new();
    for name in OUTPUTS {
        let seen = seen.seen.remove(name).unwrap_or_default();
        let members = schema::members(name);
        let missing = members.difference(&seen);
        unseen.extend(missing.map(|member| format!("{name}: {member}")));
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// The commands that print JSON of a layout. Where one cannot be used, none of them changes anything.
const COMMANDS: [&[&str]; 10] = [
    &["ls"],
    &["ls", "--tree", "--all"],
    &["df"],
    &["check"],
    &["why", "app"],
    &["rmi", "app"],
    &["untag", "app"],
    &["prune", "--force"],
    &["restore"],
    &["restore", "--list"],
];

/// The object of a layout with which nothing could be done, alone on standard output.
#[track_caller]
fn assert_failed(finished: &Finished, layout: &Path, class: &str) {
    let said = object(finished);
    assert_eq!(said["version"], 1, "{finished}");
    assert_eq!(said["layout"], arg(layout), "{finished}");
    assert_eq!(said["failed"], true, "{finished}");
    let [error] = &said["errors"].as_array().unwrap()[..] else {
        panic!("{finished}");
    };
    assert_eq!(error["class"], class, "{finished}");
    // Standard error says the same, in the same words.
    let message = error["message"].as_str().unwrap();
    assert!(finished.err.contains(message), "{finished}");
    let hint = error["hint"].as_str();
    assert_eq!(
        hint.is_some(),
        finished.err.contains("hint: "),
        "{finished}"
    );
    assert!(
        hint.is_none_or(|hint| finished.err.contains(hint)),
        "{finished}"
    );
}

/// J4: a single layout that cannot be used has its object, like one of several, and the words on standard error stay
/// what they are without JSON.
#[test]
fn a_single_layout_with_which_nothing_can_be_done_has_an_object() {
    // All at once: each waits a second for the rest of an index.json that is none.
    std::thread::scope(|scope| {
        for command in COMMANDS {
            scope.spawn(move || assert_has_an_object_where_nothing_can_be_done(command));
        }
    });
}

fn assert_has_an_object_where_nothing_can_be_done(command: &[&str]) {
    let place = Place::new();
    let nowhere = place.path("nowhere");
    let broken = place.layout("broken").dir;
    fs::write(broken.join("index.json"), "{").unwrap();
    let later = place.layout("later").dir;
    fs::write(later.join("oci-layout"), r#"{"imageLayoutVersion":"9"}"#).unwrap();
    fs::write(later.join("index.json"), r#"{"manifests":[]}"#).unwrap();
    for layout in [&nowhere, &broken, &later] {
        let text = place.run_in(layout, command);
        if text.code() == Some(0) {
            // The list of the trash does not look into index.json; all else has to.
            assert!(command.contains(&"--list"), "{text}");
            continue;
        }
        let finished = in_json(&place, layout, command);
        assert_eq!(finished.code(), text.code(), "{finished}");
        assert_eq!(finished.err, text.err, "{finished}");
        let class = if text.code() == Some(12) {
            "layout"
        } else {
            "failed"
        };
        assert_failed(&finished, layout, class);
    }
}

/// J4: what somebody else has locked, too.
#[test]
fn a_layout_that_is_locked_has_an_object() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let image = layout.image("app");
    layout.tagged(&image, "app").finish();
    let lock = fs::File::open(&layout.dir).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut waiting = 0;
    for command in COMMANDS {
        let args = [command, &["--lock-timeout", "0s"]].concat();
        let text = place.run_in(&layout.dir, &args);
        if text.code() == Some(0) {
            continue;
        }
        assert_status(&text, 11);
        let finished = in_json(&place, &layout.dir, &args);
        assert_status(&finished, 11);
        assert_failed(&finished, &layout.dir, "locked");
        waiting += 1;
    }
    assert!(waiting >= 4, "{waiting}");
}

/// J4: a command line that cannot be understood is not about a layout.
#[test]
fn a_wrong_command_line_has_no_object() {
    let place = Place::new();
    let (layout, _) = rich(&place, "layout");
    for args in [
        &["prune"][..],
        &["prune", "--force", "--grace", "soon"],
        &["ls", "--filter", "nonsense"],
        &["check", "nowhere"],
        &["rmi", "app:1", "--platform", "a/b/c/d/e"],
    ] {
        let finished = in_json(&place, &layout.dir, args);
        assert_status(&finished, 2);
        assert_eq!(finished.out, "", "{finished}");
    }
}

/// J4: among lines of images a layout that failed is told apart.
#[test]
fn among_images_a_layout_that_failed_is_told_apart() {
    let place = Place::new();
    let (layout, _) = rich(&place, "layout");
    let nowhere = place.path("nowhere");
    let args = [
        "--layout",
        arg(&nowhere),
        "--layout",
        arg(&layout.dir),
        "ls",
        "--format",
        "json",
    ];
    let finished = place.run(&args);
    let lines = objects(&finished);
    let (failed, images): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| line.get("failed").is_some());
    assert_eq!(failed.len(), 1, "{finished}");
    assert_eq!(failed[0]["layout"], arg(&nowhere), "{finished}");
    assert_eq!(images.len(), 2, "{finished}");
    assert!(
        images.iter().all(|line| line["layout"] == arg(&layout.dir)),
        "{finished}"
    );
}

/// J5: of each REF of `why` there is an object, in their order.
#[test]
fn why_has_an_object_for_each_reference() {
    let place = Place::new();
    let (layout, _) = rich(&place, "layout");
    let absent = format!("sha256:{}", "0".repeat(64));
    let references = ["web:1", "nothing", absent.as_str(), "app:1"];
    let finished = in_json(&place, &layout.dir, &[&["why"][..], &references].concat());
    assert_status(&finished, 1);
    let said = objects(&finished);
    let answered: Vec<&str> = said
        .iter()
        .map(|one| one["reference"].as_str().unwrap())
        .collect();
    assert_eq!(answered, references, "{finished}");
    for (one, is_known) in said.iter().zip([true, false, false, true]) {
        assert_eq!(one["layout"], arg(&layout.dir), "{finished}");
        assert_eq!(one.get("failed").is_none(), is_known, "{finished}");
        if !is_known {
            assert_eq!(one["errors"][0]["class"], "not-found", "{finished}");
        }
    }
}

/// The members of a value, at every depth; of a list those of all its items.
fn shape(value: &Value, place: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, below) in members {
                shape(below, &format!("{place}.{key}"), all);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| shape(item, place, all)),
        _ => {
            all.insert(place.to_owned());
        }
    }
}

/// J6: what a dry run prints has the members of what the run prints, with the same values but `dry_run`.
#[test]
fn a_dry_run_and_a_run_have_the_same_shape() {
    let place = Place::new();
    for (number, command) in [
        &["rmi", "web:1", "nothing"][..],
        &["rmi", "app:1", "--platform", "arm64", "--rewrite-index"],
        &["untag", "web:1"],
        &[&PRUNE_ALL[..], &["--keep", "app*"]].concat(),
        &["rmi", "web:1", "--trash"],
    ]
    .into_iter()
    .enumerate()
    {
        let (layout, _) = rich(&place, &format!("layout{number}"));
        let mut dry = object(&in_json(
            &place,
            &layout.dir,
            &[command, &["--dry-run"]].concat(),
        ));
        let real = object(&in_json(&place, &layout.dir, command));
        let [mut before, mut after] = [BTreeSet::new(), BTreeSet::new()];
        shape(&dry, "", &mut before);
        shape(&real, "", &mut after);
        assert_eq!(before, after, "{command:?}");
        assert_eq!(dry["dry_run"], true, "{dry}");
        dry["dry_run"] = json!(false);
        // Sentences have another tense.
        for key in ["warnings", "remarks", "notes"] {
            dry[key] = real[key].clone();
        }
        assert_eq!(dry, real, "{command:?}");
        if command.contains(&"--trash") {
            let dry = object(&in_json(&place, &layout.dir, &["restore", "--dry-run"]));
            let mut real = object(&in_json(&place, &layout.dir, &["restore"]));
            real["dry_run"] = json!(true);
            assert_eq!(dry, real);
        }
    }
}

/// J7: names are what the layout says, with marks for what a terminal would obey, and a path that is no UTF-8 can be
/// read all the same.
#[test]
fn names_are_those_of_the_layout_and_every_path_can_be_read() {
    let place = Place::new();
    let path = place
        .path("layouts")
        .join(std::ffi::OsStr::from_bytes(b"a\xff\x1bb"));
    let mut layout = Layout::in_dir(&path);
    let image = layout.image("app");
    let name = "a\u{1b}[2J \"quoted\" \\ \u{202e}é";
    layout.tagged(&image, name).finish();
    fs::write(path.join(std::ffi::OsStr::from_bytes(b"else\xfe")), "").unwrap();
    let shown = format!("{}/a\u{fffd}\u{1b}b", place.path("layouts").display());
    for command in ["check", "df", "prune", "ls"] {
        let folder = place.path("layouts");
        let mut args = vec![command, "--recursive", arg(&folder), "--format", "json"];
        if command == "prune" {
            args.push("--dry-run");
        }
        let finished = place.run(&args);
        assert_status(&finished, 0);
        let said = objects(&finished);
        assert_eq!(said[0]["layout"], shown, "{finished}");
        assert!(!finished.out.contains(['\u{1b}', '\u{202e}']), "{finished}");
        match command {
            "ls" => assert_eq!(said[0]["name"], name, "{finished}"),
            "check" => assert_eq!(
                said[0]["other_files"],
                json!(["else\u{fffd}"]),
                "{finished}"
            ),
            _ => {}
        }
    }
}

/// J7: what is larger than a number of JavaScript can be is written in full.
#[test]
fn large_numbers_are_written_in_full() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let kept = layout.image("kept");
    let mut image = layout.read(&kept);
    let size = (1_u64 << 53) + 1;
    image["layers"] =
        json!([{"mediaType": LAYER, "digest": format!("sha256:{}", "1".repeat(64)), "size": size}]);
    let one = layout.document(&image);
    image["annotations"] = json!({"which": "other"});
    let other = layout.document(&image);
    layout.tagged(&one, "one").tagged(&other, "other").finish();
    let finished = in_json(&place, &layout.dir, &["rmi", "one", "--dry-run"]);
    assert!(
        finished.out.contains(&format!("\"size\":{size}")),
        "{finished}"
    );
}

/// J4: where standard output takes nothing there is one message, and no object of the layout.
#[test]
fn where_nothing_can_be_printed_nothing_else_is_blamed() {
    let place = Place::new();
    let (layout, _) = rich(&place, "layout");
    for command in [
        &["ls"][..],
        &["check"],
        &["why", "app:1"],
        &["restore", "--list"],
    ] {
        let args = in_layout(&layout.dir, &[command, &["--format", "json"]].concat());
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let program = ocirm(&args, &place.home());
        let running = Running::start_with(
            program,
            &args,
            std::process::Stdio::null(),
            Some(full.into()),
        );
        let finished = running.finish();
        assert_status(&finished, 1);
        assert_eq!(finished.err.lines().count(), 1, "{finished}");
        assert!(
            finished.err.contains("cannot write to standard output"),
            "{finished}"
        );
    }
}

/// J8: `policy check` says the same in JSON as in words.
#[test]
fn a_policy_is_told_in_json() {
    let place = Place::new();
    let (layout, _) = rich(&place, "layout");
    let text = "[[rule]]\nname = \"apps\"\nrepositories = [\"app\"]\nkeep-last = 3\n\n\
                [[rule]]\nrepositories = [\"app\"]\ntags = [\"1\"]\nremove = true\n\n\
                [[rule]]\nrepositories = [\"web\"]\nkeep-within = \"2d\"\n";
    let file = place.file("policy.toml", text);
    let args = [
        "policy",
        "check",
        arg(&file),
        arg(&layout.dir),
        "--format",
        "json",
    ];
    let said = object(&place.run(&args));
    assert_eq!(said["policy"], arg(&file));
    assert_eq!(said["max_size"], Value::Null);
    assert_eq!(said["covers_unnamed"], false);
    let rules = &said["rules"];
    assert_eq!(
        rules[0]["keeps"],
        json!([{"key": "keep-last", "count": 3, "newest_by": "created"}])
    );
    assert_eq!(
        rules[0]["does"],
        "keeps the newest 3 images of each repository; the others go"
    );
    assert_eq!(rules[1]["keeps"], json!([]));
    assert_eq!(rules[1]["covered_by"], 1);
    assert_eq!(
        rules[2]["keeps"],
        json!([{"key": "keep-within", "seconds": 172_800}])
    );
    let here = &said["layouts"][0];
    assert_eq!(
        here["rules"][0],
        json!({"rule": 1, "names": ["app:1"], "decided_before": 0})
    );
    assert_eq!(
        here["rules"][1],
        json!({"rule": 2, "names": [], "decided_before": 1, "decided_by": 1})
    );
    assert_eq!(here["unmatched"], json!([]));
    let bad = place.file("bad.toml", "[[rule]]\nkeep-lost = 3\n");
    let args = ["policy", "check", arg(&bad), "--format", "json"];
    let finished = place.run(&args);
    assert_status(&finished, 2);
    let said = object(&finished);
    assert_eq!(said["failed"], true, "{finished}");
    let message = said["errors"][0]["message"].as_str().unwrap();
    assert!(finished.err.contains(message), "{finished}");
}
