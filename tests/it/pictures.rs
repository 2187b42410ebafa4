//! The pictures in docs/pictures are what a terminal shows of the program today.
//!
//! A mirror is made as tools fill it, the program runs on a terminal, and what it shows is drawn. Dates are as
//! long ago as on any other day, so that a picture changes with the program alone.
//! `OCIRM_WRITE_GENERATED=1 cargo test --test it pictures` writes them anew.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anstyle::RgbColor;
use anstyle_svg::{Term, WIN10_CONSOLE};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use walkdir::WalkDir;

use crate::support::command::ocirm;
use crate::support::layout::{CREATED, LAYER, Layout, attests};
use crate::support::names::REF;
use crate::support::place::Place;
use crate::support::skipped::skipped;
use crate::support::terminal::session;

/// As wide as a page of a forge shows without making it smaller.
const COLUMNS: u16 = 100;

/// So many pixels, of all pictures, that pages show all of them at the same scale.
const WIDTH: usize = 840;

/// What each file shows: commands, one after the other, on one mirror.
const PICTURES: [(&str, &[&str]); 5] = [
    ("ls", &["ls mirror"]),
    ("tree", &["-l mirror ls --tree ghcr.io/acme/shop"]),
    (
        "dry-run",
        &[
            "-l mirror rmi -n ghcr.io/acme/shop:2.4.0",
            "-l mirror rmi -n ghcr.io/acme/shop:2.4.1 --platform linux/arm64",
        ],
    ),
    ("df", &["df mirror"]),
    ("prune", &["prune mirror --grace 0s", "ls mirror"]),
];

const MINUTES: i64 = 60;
const HOURS: i64 = 60 * MINUTES;
const DAYS: i64 = 24 * HOURS;

/// A mirror of what a small team runs.
struct Mirror {
    layout: Layout,
    now: Timestamp,
}

impl Mirror {
    /// Stores a layer that takes so many kilobytes.
    fn layer(&self, title: &str, kilobytes: usize) -> Value {
        let mut content = format!("{title}\n").into_bytes();
        content.resize(kilobytes * 1000 + title.len(), 0);
        self.layout.blob(LAYER, content)
    }

    fn image(&self, platform: &str, title: &str, layers: &[&Value]) -> Value {
        let layers = layers.iter().map(|layer| (*layer).clone()).collect();
        self.layout
            .image_of(platform, json!({"author": title}), layers)
    }

    /// Stores provenance as BuildKit does.
    fn attestation(&self, about: &Value, title: &str) -> Value {
        let mut descriptor = self.image(
            "unknown/unknown",
            title,
            &[&self.layer(&format!("{title} provenance"), 14)],
        );
        descriptor["annotations"] = attests(about);
        descriptor
    }

    /// An entry of that age, in seconds.
    fn entry(&mut self, target: &Value, name: Option<&str>, age: i64) {
        let created = self.now - SignedDuration::from_secs(age);
        let mut annotations = json!({CREATED: created.to_string()});
        if let Some(name) = name {
            annotations[REF] = name.into();
        }
        self.layout.row(target, annotations);
    }
}

/// The directory `mirror`: names that several tools wrote, two images of one index each, an image that lost its name,
/// a signature, the first half of a push, and what went to the trash.
fn fill(place: &Place) {
    let mut mirror = Mirror {
        layout: place.layout("home/here/mirror"),
        // Whole seconds: a fraction is written in as many digits as it takes, and `df` shows the size.
        now: Timestamp::from_second(Timestamp::now().as_second()).unwrap(),
    };
    let alpine = |mirror: &Mirror, version: &str, platforms: &[(&str, usize)]| {
        let layers: Vec<Value> = platforms
            .iter()
            .map(|(platform, kilobytes)| {
                mirror.layer(&format!("alpine {version} {platform}"), *kilobytes)
            })
            .collect();
        let images: Vec<Value> = (platforms.iter().zip(&layers))
            .map(|((platform, _), layer)| mirror.image(platform, version, &[layer]))
            .collect();
        (
            mirror.layout.index(&images.iter().collect::<Vec<_>>()),
            layers,
        )
    };
    let both = [("linux/amd64", 3806), ("linux/arm64", 4134)];
    let (old, old_layers) = alpine(&mirror, "3.21", &both);
    let (new, new_layers) = alpine(&mirror, "3.22", &both);
    let shop = |mirror: &Mirror, version: &str, base: &[Value]| {
        let app = |platform: &str, base: &Value, kilobytes| {
            let title = format!("shop {version} {platform}");
            let layer = mirror.layer(&title, kilobytes);
            mirror.image(platform, &title, &[base, &layer])
        };
        let amd = app("linux/amd64", &base[0], 11_240);
        let arm = app("linux/arm64", &base[1], 10_870);
        let about_amd = mirror.attestation(&amd, &format!("shop {version} amd64"));
        let about_arm = mirror.attestation(&arm, &format!("shop {version} arm64"));
        mirror.layout.index(&[&amd, &arm, &about_amd, &about_arm])
    };
    let first = shop(&mirror, "2.4.0", &old_layers);
    let second = shop(&mirror, "2.4.1", &new_layers);
    let edge_layer = mirror.layer("shop edge", 11_310);
    let edge = mirror.image("linux/amd64", "shop edge", &[&new_layers[0], &edge_layer]);
    let tool = mirror.image("linux/amd64", "skopeo", &[&mirror.layer("skopeo", 17_450)]);
    let signature = mirror.layout.referrer(&second, "signature of shop 2.4.1");
    mirror.layer("the first half of a push", 7_920);

    mirror.entry(&old, Some("alpine:3.21"), 190 * DAYS);
    mirror.entry(&new, Some("alpine:3.22"), 16 * DAYS);
    mirror.entry(&new, Some("alpine:latest"), 16 * DAYS);
    mirror.entry(&tool, Some("quay.io/skopeo:1.9"), 400 * DAYS);
    mirror.entry(&first, Some("ghcr.io/acme/shop:2.4.0"), 22 * DAYS);
    mirror.entry(&edge, None, 3 * DAYS + 6 * HOURS);
    mirror.entry(
        &second,
        Some("ghcr.io/acme/shop:2.4.1"),
        5 * HOURS + 10 * MINUTES,
    );
    mirror.entry(&signature, None, 5 * HOURS + 10 * MINUTES);
    mirror.layout.finish();
    let trashed = ["rmi", "--trash", "oci:mirror:quay.io/skopeo:1.9"];
    let trashed = trashed.map(str::to_owned);
    let done = ocirm(&trashed, &place.home()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// What a terminal shows: the commands, typed behind a prompt, and what they print.
fn shown(commands: &[&str], place: &Place) -> String {
    let mut text = String::new();
    for line in commands {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut command = ocirm(&args, &place.home());
        // A terminal that has colours and shows no progress: whether there is any depends on the machine.
        command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
        text += &format!("\u{1b}[1;32m$\u{1b}[0m \u{1b}[1mocirm {line}\u{1b}[0m\n");
        text += &session(command, COLUMNS, "y\n").replace('\r', "");
        text.push('\n');
    }
    undated(text.trim_end())
}

/// The days of the trash in `df`, in their order, as if they were these.
fn undated(text: &str) -> String {
    let mut days = ["2026-03-02 04:15", "2026-03-09 04:15"].into_iter();
    let moment = regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d").unwrap();
    moment
        .replace_all(text, |_: &regex::Captures| days.next().expect("two days"))
        .into_owned()
}

/// A little brighter and darker than what most pages have as their ground.
const GROUND: RgbColor = RgbColor(0x1c, 0x21, 0x28);
const TEXT: RgbColor = RgbColor(0xd1, 0xd7, 0xe0);

/// Draws it. A dark ground of its own makes it readable on light and on dark pages.
fn drawn(text: &str) -> String {
    let svg = Term::new()
        .palette(WIN10_CONSOLE)
        .bg_color(GROUND.into())
        .fg_color(TEXT.into())
        .min_width_px(WIDTH)
        .render_svg(text);
    // Without a view box a page that has less room shows a part of it instead of all of it smaller.
    let size = svg
        .strip_prefix("<svg width=\"")
        .and_then(|rest| rest.split_once("px\" height=\""))
        .and_then(|(width, rest)| Some((width, rest.split_once("px\"")?.0)));
    let (width, height) = size.expect("a picture begins with its size");
    svg.replacen(
        "<svg ",
        &format!("<svg viewBox=\"0 0 {width} {height}\" "),
        1,
    )
}

/// Whether files take whole blocks of 4096 bytes, and directories one: `df` shows what they take.
fn has_ordinary_blocks(dir: &Path) -> bool {
    WalkDir::new(dir).into_iter().all(|entry| {
        let meta = entry.unwrap().metadata().unwrap();
        let blocks = match meta.is_dir() {
            true => 1,
            false => meta.len().div_ceil(4096),
        };
        meta.blocks() * 512 == blocks * 4096
    })
}

#[test]
fn pictures_are_what_a_terminal_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    let write = std::env::var_os("OCIRM_WRITE_GENERATED").is_some();
    let place = Place::new();
    fill(&place);
    let ordinary = has_ordinary_blocks(&place.path("home/here/mirror"));
    let mut stale = Vec::new();
    for (name, commands) in PICTURES {
        let text = shown(commands, &place);
        if name == "df" && !ordinary {
            skipped("the picture of df: this file system has no plain blocks of 4096 bytes");
            continue;
        }
        let file = folder.join(format!("{name}.svg"));
        let picture = drawn(&text);
        if write {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &picture).unwrap();
        } else if fs::read_to_string(&file).ok().as_ref() != Some(&picture) {
            stale.push(format!("{}:\n{text}", file.display()));
        }
    }
    assert!(
        stale.is_empty(),
        "stale; write them anew with OCIRM_WRITE_GENERATED=1 cargo test --test it pictures\n{}",
        stale.join("\n")
    );
    let known: Vec<PathBuf> = (PICTURES.iter())
        .map(|(name, _)| folder.join(format!("{name}.svg")))
        .collect();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            known.contains(&path),
            "{} is made by nothing",
            path.display()
        );
    }
}
