//! A disk that is far away makes each call a wait, so there are as many calls as `docs/far-disks.md` says, and
//! not one more.
//!
//! strace counts them. What is counted is what one more layout, and one more image, adds: the difference
//! between few and many of them, so what every run does once does not count.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Sub;
use std::path::Path;

use crate::support::contents::arg;
use crate::support::place::{Place, assert_status};
use crate::support::skipped::skipped;
use crate::support::strace;

/// What kinds of calls are told apart, in the order of the columns.
const KINDS: [&str; 6] = ["looks", "opens", "reads", "lists", "closes", "changes"];

/// How many images each of several layouts has.
const IMAGES_OF_EACH: usize = 2;

/// Few and many layouts.
const LAYOUTS: [usize; 2] = [5, 15];

/// Few and many images: of each several times as many as are worth threads.
const IMAGES: [usize; 2] = [150, 350];

/// Calls of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls([u64; KINDS.len()]);

impl Sub for Calls {
    type Output = Calls;

    fn sub(self, other: Calls) -> Calls {
        Calls(std::array::from_fn(|at| {
            self.0[at].saturating_sub(other.0[at])
        }))
    }
}

impl Calls {
    /// Those of one of so many, to the nearest whole number: a list of many names takes a call for every some
    /// hundred of them.
    fn of_one(self, number: usize) -> Calls {
        let number = number as u64;
        Calls(self.0.map(|calls| (calls + number / 2) / number))
    }

    /// As it stands in the page: all of them, and those of each kind.
    fn columns(self) -> String {
        let all: u64 = self.0.iter().sum();
        let kinds = self.0.map(|calls| calls.to_string());
        format!("{all} | {}", kinds.join(" | "))
    }
}

/// Which column a system call belongs to, if it asks the disk anything.
fn kind(call: &str) -> Option<&'static str> {
    Some(match call {
        "open" | "openat" => "opens",
        "read" | "pread64" => "reads",
        "getdents64" => "lists",
        "close" => "closes",
        "stat" | "lstat" | "fstat" | "newfstatat" | "fstatat64" | "statx" | "faccessat"
        | "faccessat2" | "readlink" | "readlinkat" | "fgetxattr" | "flistxattr" | "fstatfs"
        | "statfs" => "looks",
        // Of the process, not of the disk.
        "fcntl" | "mmap" | "munmap" | "lseek" | "execve" | "poll" | "ppoll" | "write" => {
            return None;
        }
        _ => "changes",
    })
}

/// The calls of a command that are about something in the layouts, as strace wrote them down.
fn counted(log: &Path, root: &Path) -> Calls {
    let mut calls = Calls::default();
    for line in fs::read_to_string(log).unwrap().lines() {
        // What another thread interrupted has a second line, which does not say what it is about.
        let Some((_, call)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, about)) = call.trim_start().split_once('(') else {
            continue;
        };
        if call.starts_with('<') || !about.contains(arg(root)) {
            continue;
        }
        if let Some(kind) = kind(call) {
            calls.0[KINDS.iter().position(|known| *known == kind).unwrap()] += 1;
        }
    }
    calls
}

/// What a command does with layouts, and with images. In its arguments `@` is the directory.
struct Measured {
    /// As it is called in the page.
    shown: &'static str,
    args: &'static [&'static str],
}

/// Of each of these the page has a line.
const COMMANDS: [Measured; 10] = [
    Measured {
        shown: "`ls`",
        args: &["ls", "@"],
    },
    Measured {
        shown: "`ls --quiet`",
        args: &["ls", "--quiet", "@"],
    },
    Measured {
        shown: "`df`",
        args: &["df", "@"],
    },
    Measured {
        shown: "`check`",
        args: &["check", "@"],
    },
    Measured {
        shown: "`check --digests`",
        args: &["check", "--digests", "@"],
    },
    Measured {
        shown: "`prune`, nothing to do",
        args: &["prune", "--force", "@"],
    },
    Measured {
        shown: "`prune --dry-run`, nothing to do",
        args: &["prune", "--dry-run", "@"],
    },
    Measured {
        shown: "`prune --all --dry-run`",
        args: &["prune", "--all", "--dry-run", "--grace", "0s", "@"],
    },
    Measured {
        shown: "`prune --all`",
        args: &["prune", "--all", "--force", "--grace", "0s", "@"],
    },
    Measured {
        shown: "`prune --all --trash`",
        args: &["prune", "--all", "--force", "--trash", "--grace", "0s", "@"],
    },
];

/// Layouts with images below a directory, each image with a manifest, a config and a layer of its own.
fn tree(place: &Place, name: &str, layouts: usize, images: usize) {
    for number in 0..layouts {
        let mut layout = place.layout(&format!("{name}/{number}"));
        for image in 0..images {
            let image = layout.image(&format!("image {image} of {number}"));
            let (_, digits) = image["digest"].as_str().unwrap().split_once(':').unwrap();
            layout.tagged(&image, &digits[..12]);
        }
        layout.finish();
    }
}

/// How many calls a command makes with so many layouts, each of so many images.
fn calls(measured: &Measured, layouts: usize, images: usize) -> Calls {
    let place = Place::new();
    tree(&place, "all", layouts, images);
    let root = place.path("all");
    let dir = match layouts {
        1 => root.join("0"),
        _ => root.clone(),
    };
    let mut args: Vec<String> = Vec::new();
    for text in measured.args {
        match *text {
            // How many jobs pay depends on the machine, and a further one asks a question of its own.
            "@" if layouts > 1 => args.extend(["--jobs=2", "--recursive"].map(str::to_owned)),
            "@" => args.push("--layout".to_owned()),
            text => args.push(text.to_owned()),
        }
    }
    args.push(arg(&dir).to_owned());
    let log = place.path("log");
    let finished = strace::run(&["-y", "-o", arg(&log)], &args, &place.home());
    assert_status(&finished, 0);
    counted(&log, &root)
}

/// The lines of the tables of the page: what stands before the numbers, and the numbers.
fn of_page(heading: &str) -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/far-disks.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(heading).expect(heading);
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = lines.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].to_owned(), cells[1..].join(" | "))
    });
    cells.collect()
}

fn compare(heading: &str, measure: impl Fn(&Measured) -> Calls) {
    if !strace::is_here() {
        skipped("there is no strace, or it may not trace");
        return;
    }
    let expected = of_page(heading);
    let found = COMMANDS.iter().map(|measured| {
        let calls = measure(measured).columns();
        (measured.shown.to_owned(), calls)
    });
    let found: BTreeMap<String, String> = found.collect();
    let lines = |table: &BTreeMap<String, String>| -> String {
        let lines = COMMANDS.iter().filter_map(|measured| {
            let shown = measured.shown;
            Some(format!("| {shown} | {} |\n", table.get(shown)?))
        });
        lines.collect()
    };
    assert_eq!(
        found,
        expected,
        "{heading}: the page says\n{}and it is\n{}When it is less, the page is to say so.",
        lines(&expected),
        lines(&found)
    );
}

/// E7
#[test]
fn one_more_layout_takes_as_many_calls_as_the_page_says() {
    compare("## Calls for each layout", |measured| {
        let [few, many] = LAYOUTS.map(|layouts| calls(measured, layouts, IMAGES_OF_EACH));
        (many - few).of_one(LAYOUTS[1] - LAYOUTS[0])
    });
}

/// E7
#[test]
fn one_more_image_takes_as_many_calls_as_the_page_says() {
    compare("## Calls for each image", |measured| {
        let [few, many] = IMAGES.map(|images| calls(measured, 1, images));
        (many - few).of_one(IMAGES[1] - IMAGES[0])
    });
}
