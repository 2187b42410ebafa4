//! Ways in which an image could have been lost, each found by attacking the program: whatever else
//! needs a blob keeps it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::contents::{arg, blob_path, digest, digest_of};
use crate::support::layout::Layout;
use crate::support::place::{Place, assert_mentions, assert_status, object};

/// A layout `one` with images for these architectures, each with a layer of that name.
struct Ground {
    place: Place,
    layout: Layout,
    images: Vec<Value>,
}

const BOTH: [&str; 2] = ["amd64", "arm64"];

impl Ground {
    fn of(architectures: &[&str]) -> Ground {
        let place = Place::new();
        let layout = place.layout("one");
        let image = |of: &&str| layout.image_for(&format!("linux/{of}"), of, &[of]);
        Ground {
            images: architectures.iter().map(image).collect(),
            layout,
            place,
        }
    }

    /// The same, and `web`, an index of them.
    fn web(architectures: &[&str]) -> (Ground, Value) {
        let mut ground = Ground::of(architectures);
        let web = ground
            .layout
            .index(&ground.images.iter().collect::<Vec<_>>());
        ground.layout.tagged(&web, "web").finish();
        (ground, web)
    }

    /// Another layout, whose `blobs` is a link to those of the first.
    fn linked(&self, name: &str) -> Layout {
        let other = self.place.layout(name);
        fs::remove_dir_all(other.dir.join("blobs")).unwrap();
        symlink(self.layout.dir.join("blobs"), other.dir.join("blobs")).unwrap();
        other
    }

    fn has(&self, descriptor: &Value) -> bool {
        blob_path(&self.layout.dir, digest(descriptor)).exists()
    }

    /// An image with its layer.
    fn has_whole(&self, image: &Value, layer: &str) -> bool {
        let layer = digest_of(format!("layer {layer}\n"));
        self.has(image) && blob_path(&self.layout.dir, &layer).exists()
    }
}

#[test]
fn a_platform_stays_when_another_layout_that_shares_the_blobs_has_it() {
    let (ground, web) = Ground::web(&BOTH);
    let mut two = ground.linked("two");
    two.tagged(&web, "other").finish();
    let removed = ground.place.run_in(
        &ground.layout.dir,
        &[
            "rmi",
            "--also-root",
            arg(&two.dir),
            "--platform",
            "linux/amd64",
            "web",
        ],
    );
    assert!(ground.has_whole(&ground.images[0], "amd64"));
    assert_mentions(&removed, "referenced by another layout");
}

/// A manifest that an index lists for two platforms.
fn for_two(image: &Value) -> [Value; 2] {
    let mut other = image.clone();
    other["platform"]["architecture"] = "arm64".into();
    [image.clone(), other]
}

#[test]
fn a_manifest_that_stands_for_two_platforms_stays_for_the_other() {
    for more in [&[][..], &["--rewrite-index"][..]] {
        let mut ground = Ground::of(&["amd64"]);
        let [amd, arm] = for_two(&ground.images[0]);
        let web = ground.layout.index(&[&amd, &arm]);
        ground.layout.tagged(&web, "web").finish();
        let args = [&["rmi", "web", "--platform", "linux/amd64"], more].concat();
        let removed = ground.place.run_in(&ground.layout.dir, &args);
        assert!(ground.has_whole(&amd, "amd64"));
        assert_mentions(&removed, "web for linux/arm64");
    }
}

#[test]
fn a_manifest_for_two_platforms_goes_when_both_are_asked_for() {
    let mut ground = Ground::of(&["amd64", "s390x"]);
    let [amd, arm] = for_two(&ground.images[0]);
    let web = ground.layout.index(&[&amd, &arm, &ground.images[1]]);
    ground.layout.tagged(&web, "web").finish();
    let args = ["rmi", "web", "--platform", "linux/amd64,linux/arm64"];
    ground.place.succeeds(&ground.layout.dir, &args);
    assert!(!ground.has(&amd) && ground.has(&ground.images[1]));
}

const REWRITE: [&str; 5] = ["rmi", "web", "--platform", "linux/amd64", "--rewrite-index"];

/// A crashed writer may have left anything under the name that the new index gets.
#[test]
fn a_new_index_never_relies_on_a_broken_file_of_its_name() {
    let (ground, _) = Ground::web(&BOTH);
    let dir = &ground.layout.dir;
    let args = [&REWRITE[..], &["--format", "json"]].concat();
    let dry = ground
        .place
        .succeeds(dir, &[&args[..], &["--dry-run"]].concat());
    let new = object(&dry)["rewritten"][0]["to"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::write(blob_path(dir, &new), "{\"trunc").unwrap();
    ground.place.succeeds(dir, &[&args[..], &["-v"]].concat());
    ground.place.succeeds(dir, &["check", "--digests"]);
    assert!(ground.has_whole(&ground.images[1], "arm64") && !ground.has(&ground.images[0]));
}

#[test]
fn a_container_by_id_speaks_against_removing_its_platform() {
    let (ground, web) = Ground::web(&BOTH);
    let list = json!([{
        "Id": "c1".repeat(32),
        "Image": digest(&web),
        "State": {"Status": "running", "Running": true},
        "Config": {"Image": "web"},
    }]);
    let list = ground.place.file("containers.json", list.to_string());
    let platforms = ["--platform", "linux/amd64,linux/arm64"];
    let args = [
        &["rmi", "--containers", arg(&list)],
        &platforms[..],
        &[digest(&web)],
    ]
    .concat();
    assert_status(&ground.place.run_in(&ground.layout.dir, &args), 1);
    assert!(ground.images.iter().all(|image| ground.has(image)));
}

/// One layout's `blobs` is a link into another one of the same run.
#[test]
fn layouts_of_one_run_keep_what_the_others_need() {
    let mut ground = Ground::of(&["one", "two"]);
    let mut linked = ground.linked("linked");
    ground.layout.tagged(&ground.images[0], "one").finish();
    linked.tagged(&ground.images[1], "two").finish();
    let root = ground.place.path(".");
    let args = ["prune", "-f", "--grace", "0s", "--recursive", arg(&root)];
    assert_status(&ground.place.run(&args), 0);
    assert!(ground.has_whole(&ground.images[1], "two"));
}

#[test]
fn keeping_a_signature_keeps_what_it_signs() {
    let mut ground = Ground::of(&["amd64", "signature", "other"]);
    let [image, signature, other] = &ground.images[..] else {
        panic!("three images");
    };
    let tag = format!("sha256-{}.sig", &digest(image)["sha256:".len()..]);
    let layout = &mut ground.layout;
    layout.tagged(image, "web").tagged(signature, &tag);
    layout.tagged(other, "other").finish();
    let dir = &layout.dir.clone();
    let keep = ["prune", "-a", "-f", "--grace", "0s", "--keep", "*.sig"];
    ground.place.succeeds(dir, &keep);
    assert!(ground.has(image) && ground.has(signature) && !ground.has(other));
    let keep_nothing = ["prune", "-a", "-f", "--keep", ""];
    ground.place.refuses(dir, &keep_nothing, 2);
}

/// A row with embedded data would go on showing the old index to whoever trusts that.
#[test]
fn a_row_that_gets_a_new_index_loses_the_old_ones_data() {
    let (mut ground, _) = Ground::web(&BOTH);
    let mut row = ground.layout.rows()[0].clone();
    row["data"] = "eyJv".into();
    let file = ground.layout.dir.join("index.json");
    ground
        .layout
        .finish_as(&json!({"manifests": [row]}).to_string());
    ground.place.succeeds(&ground.layout.dir, &REWRITE);
    assert!(!fs::read_to_string(file).unwrap().contains("\"data\""));
}
