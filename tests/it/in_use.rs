//! Who uses what: images that are mounted, and containers that are known by one platform of an image.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::contents::{self, arg, blobs, digest, names};
use crate::support::layout::{Layout, parse_platform};
use crate::support::place::{PRUNE_ALL, Place, assert_mentions, assert_status, objects};

const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A container as `docker inspect` prints it, made from an image that is not here, with this one mounted.
fn with_mount(running: bool, image: &str) -> Value {
    json!({
        "Id": "4f1c2d9b7a60".repeat(5),
        "State": {"Running": running, "Status": if running { "running" } else { "exited" }},
        "Image": NO_DIGEST,
        "Config": {"Image": "elsewhere:1"},
        "HostConfig": {"Mounts": [{"Type": "image", "Source": image, "Target": "/m"}]},
        "Mounts": [{"Type": "image", "Name": image, "Source": "/var/lib/x", "Destination": "/m"}],
    })
}

/// `model` under two names, and an image that nobody uses.
fn with_model(place: &Place) -> (Layout, Value) {
    let mut layout = place.layout("layout");
    let model = layout.image("model");
    let other = layout.image("other");
    layout
        .named(&model, "docker.io/library/model:1")
        .named(&other, "docker.io/library/other:1")
        .finish();
    (layout, model)
}

fn list(place: &Place, containers: &Value) -> PathBuf {
    place.file("containers.json", json!([containers]).to_string())
}

/// FR20: a mount of a running container is as hard as running the image, one of a stopped one as soft.
#[test]
fn what_a_mount_forbids_depends_on_the_container_alone() {
    for (running, force, by_id, status) in [
        (true, false, true, 1),
        (true, true, true, 1),
        (false, false, true, 1),
        (false, true, true, 0),
        (true, false, false, 1),
        (true, true, false, 0),
        (false, false, false, 1),
        (false, true, false, 0),
    ] {
        let place = Place::new();
        let (layout, model) = with_model(&place);
        let list = list(&place, &with_mount(running, "model:1"));
        let given = if by_id { digest(&model) } else { "model:1" };
        let mut args = vec!["rmi", given, "--containers", arg(&list)];
        args.extend(force.then_some("--force"));
        let before = blobs(&layout.dir);
        let done = match status {
            0 => place.dry_and_real(&layout.dir, &args, 0),
            _ => place.refuses(&layout.dir, &args, 1),
        };
        if status == 1 && by_id {
            let how = if running { "cannot be" } else { "must be" };
            assert_mentions(&done, how);
            assert_mentions(&done, "image is mounted into");
        }
        // By name the image stays for the container, as a dangling one.
        let image_stays = status == 1 || !by_id;
        assert_eq!(blobs(&layout.dir) == before, image_stays, "{done}");
        if status == 0 && !by_id {
            assert!(contents::index(&layout.dir).rows[0].is_dangling(), "{done}");
        }
    }
}

/// FR20: `prune` keeps what is mounted, with the name by which it was mounted; by digest, one entry.
#[test]
fn prune_all_keeps_what_is_mounted() {
    for by_digest in [false, true] {
        let place = Place::new();
        let mut layout = place.layout("layout");
        let model = layout.image("model");
        let other = layout.image("other");
        layout
            .named(&model, "docker.io/library/a:1")
            .named(&model, "docker.io/library/model:1")
            .named(&model, "docker.io/library/z:1")
            .named(&other, "docker.io/library/other:1")
            .finish();
        let image = if by_digest { digest(&model) } else { "model:1" };
        let list = list(&place, &with_mount(false, image));
        let args = [&PRUNE_ALL[..], &["--containers", arg(&list)]].concat();
        place.dry_and_real(&layout.dir, &args, 0);
        let kept = if by_digest {
            "docker.io/library/z:1"
        } else {
            "docker.io/library/model:1"
        };
        assert_eq!(names(&layout.dir), [kept]);
        assert_eq!(blobs(&layout.dir).len(), 3);
    }
}

/// FR20: an image is mounted by the digest of a manifest, by that of a config, and by a digest beside a name.
#[test]
fn a_mount_is_known_by_any_digest_of_its_image() {
    let place = Place::new();
    let (layout, model) = with_model(&place);
    let config = layout.config_of(&model);
    let with_name = format!("elsewhere:9@{}", digest(&model));
    let stale = format!("model:1@{NO_DIGEST}");
    for image in [digest(&model), &config, &with_name, &stale] {
        let list = list(&place, &with_mount(true, image));
        let args = ["rmi", "-f", digest(&model), "--containers", arg(&list)];
        let refused = place.refuses(&layout.dir, &args, 1);
        assert_mentions(&refused, "cannot be forced");
        let args = ["ls", "--format", "json", "--containers", arg(&list)];
        let lines = objects(&place.succeeds(&layout.dir, &args));
        let users = |line: &Value| (line["name"].clone(), line["containers"].clone());
        let users: Vec<_> = lines.iter().map(users).collect();
        assert!(users.contains(&(json!("model:1"), json!(1))), "{users:?}");
        assert!(users.contains(&(json!("other:1"), json!(0))), "{users:?}");
    }
}

/// FR20: `crictl inspect` and pods list images that are mounted, too.
#[test]
fn every_tool_that_says_what_is_mounted_is_heard() {
    let pod = json!({
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": "c", "image": "elsewhere:1"}],
            "volumes": [{"name": "m", "image": {"reference": "model:1"}}],
        },
    });
    let cri = json!({
        "status": {
            "id": "c1",
            "state": "CONTAINER_RUNNING",
            "image": {"image": "elsewhere:1"},
            "imageRef": NO_DIGEST,
            "mounts": [{"containerPath": "/m", "hostPath": "", "image": {"image": "model:1"}}],
        },
        "info": {"pid": 1},
    });
    let cri_info = json!({
        "status": {
            "id": "c1",
            "state": "CONTAINER_RUNNING",
            "image": {"image": "elsewhere:1"},
            "imageRef": NO_DIGEST,
            "mounts": [{"containerPath": "/m", "hostPath": "/var/lib/x"}],
        },
        "info": {"config": {"mounts": [{"container_path": "/m", "image": {"user_specified_image": "model:1"}}]}},
    });
    for containers in [&pod, &cri, &cri_info] {
        let place = Place::new();
        let (layout, model) = with_model(&place);
        let list = place.file("containers.json", containers.to_string());
        let args = ["rmi", "-f", digest(&model), "--containers", arg(&list)];
        let refused = place.refuses(&layout.dir, &args, 1);
        assert_mentions(&refused, "cannot be forced");
        let args = [&PRUNE_ALL[..], &["--containers", arg(&list)]].concat();
        place.dry_and_real(&layout.dir, &args, 0);
        assert_eq!(names(&layout.dir), ["docker.io/library/model:1"]);
    }
}

/// An image for two platforms, and its manifests.
fn with_platforms(place: &Place) -> (Layout, Value, [Value; 2]) {
    let mut layout = place.layout("layout");
    let manifests = ["linux/amd64", "linux/arm64"].map(|p| layout.image_for(p, p, &[p]));
    let app = layout.index(&[&manifests[0], &manifests[1]]);
    layout.named(&app, "docker.io/library/app:1").finish();
    (layout, app, manifests)
}

/// What `docker inspect` says of a container that runs one platform of an image.
fn running(image: &str, manifest: Option<&str>, platform: Option<&str>) -> Value {
    let mut container = json!({
        "Id": "4f1c2d9b7a60".repeat(5),
        "State": {"Running": true, "Status": "running"},
        "Image": image,
        "Config": {"Image": "app:1"},
    });
    if let Some(manifest) = manifest.or(platform.map(|_| NO_DIGEST)) {
        let platform = platform.map(parse_platform);
        container["ImageManifestDescriptor"] = json!({"digest": manifest, "platform": platform});
    }
    container
}

fn remove_platform(place: &Place, dir: &Path, platform: &str, containers: &Value) -> Option<i32> {
    let list = list(place, containers);
    let args = [
        "rmi",
        "--dry-run",
        "--platform",
        platform,
        "app:1",
        "--containers",
        arg(&list),
    ];
    let done = place.run_in(dir, &args);
    if done.code() == Some(1) {
        assert_mentions(&done, "is using its referenced image");
    }
    done.code()
}

/// FR49: who is known by one platform's manifest or config uses that platform, and the others may go.
#[test]
fn a_container_uses_the_platform_by_which_it_is_known() {
    let place = Place::new();
    let (layout, app, [amd64, arm64]) = with_platforms(&place);
    let (amd, config) = (digest(&amd64), layout.config_of(&amd64));
    for (container, arm64_is_free) in [
        (running(digest(&app), Some(amd), Some("linux/amd64")), true),
        (running(digest(&app), Some(amd), None), true),
        (running(amd, None, None), true),
        (running(&config, None, None), true),
        (running(digest(&app), None, Some("linux/amd64")), true),
        (running(NO_DIGEST, None, Some("linux/amd64")), true),
        // Nobody says which platform it is.
        (running(digest(&app), None, None), false),
        (running(NO_DIGEST, None, None), false),
        // One that the image does not have.
        (running(digest(&app), None, Some("linux/s390x")), false),
    ] {
        let remove = |platform| remove_platform(&place, &layout.dir, platform, &container);
        assert_eq!(remove("linux/amd64"), Some(1), "{container}");
        let free = i32::from(!arm64_is_free);
        assert_eq!(remove("linux/arm64"), Some(free), "{container}");
    }
    let known_by_arm = running(digest(&arm64), None, None);
    assert_eq!(
        remove_platform(&place, &layout.dir, "linux/amd64", &known_by_arm),
        Some(0)
    );
}

/// FR49: a pod names the manifest of its platform as `imageID`.
#[test]
fn a_pod_uses_the_platform_of_its_image_id() {
    let place = Place::new();
    let (layout, _, [amd64, _]) = with_platforms(&place);
    let pod = json!({
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "app:1"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "c", "image": "docker.io/library/app:1", "state": {"running": {}},
            "imageID": format!("docker.io/library/app@{}", digest(&amd64)),
        }]},
    });
    assert_eq!(
        remove_platform(&place, &layout.dir, "linux/arm64", &pod),
        Some(0)
    );
    assert_eq!(
        remove_platform(&place, &layout.dir, "linux/amd64", &pod),
        Some(1)
    );
}

/// FR42: the text of a dangling name is the image, as its ID is.
#[test]
fn a_dangling_image_in_use_goes_by_its_text_as_by_its_id() {
    for (running, force, status) in [
        (false, true, 0),
        (false, false, 1),
        (true, true, 1),
        (true, false, 1),
    ] {
        let place = Place::new();
        let (layout, model) = with_model(&place);
        place.succeeds(&layout.dir, &["untag", "model:1"]);
        let mut container = with_mount(running, "none:1");
        container["Image"] = digest(&model).into();
        let list = list(&place, &container);
        let name = format!("moby-dangling@{}", digest(&model));
        let mut args = vec!["rmi", &name, "--containers", arg(&list)];
        args.extend(force.then_some("-f"));
        if status == 1 {
            let refused = place.refuses(&layout.dir, &args, 1);
            let how = if running {
                "cannot be forced"
            } else {
                "must be forced"
            };
            assert_mentions(&refused, how);
            continue;
        }
        let done = place.dry_and_real(&layout.dir, &args, 0);
        assert_status(&done, 0);
        assert_eq!(done.said(false).deleted, [digest(&model)]);
        assert!(done.said(false).untagged.is_empty(), "{done}");
        assert_eq!(names(&layout.dir), ["docker.io/library/other:1"]);
    }
}

/// A shortened ID is understood with any algorithm, where a container says it as well as on the command line.
#[test]
fn a_container_is_known_by_a_shortened_id_of_any_algorithm() {
    let place = Place::new();
    let layout = place.fixture("regctl-sha512", "layout");
    let listed = place.succeeds(&layout, &["ls", "-q", "--no-trunc"]);
    let mut lines = listed.out.lines();
    let id = lines.find(|id| id.starts_with("sha512:")).unwrap();
    for (image, status) in [
        (&id[..20], 1),
        (&id[7..19], 1),
        (&id.replace("512", "384")[..20], 0),
    ] {
        let container = json!([{"ID": "c1", "Image": image, "State": "running"}]);
        let list = place.file("containers.json", container.to_string());
        let args = ["rmi", "-n", &id[..24], "--containers", arg(&list)];
        let removed = place.run_in(&layout, &args);
        assert_status(&removed, status);
    }
}
