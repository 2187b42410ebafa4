//! What the help and the manual pages say beside the options: examples, the members of JSON output,
//! exit statuses, files and variables. Each text stands here once; [`crate::cli`] puts it below the
//! long help, [`crate::manual`] into sections of the pages.

/// A command line, and what it does.
pub type Example = (&'static str, &'static str);

/// What is said of one command.
pub struct Page {
    /// The command, as it is typed after the name of the program; empty for the program itself.
    pub command: &'static str,
    /// Command lines that somebody would type.
    pub examples: &'static [Example],
    /// What `--format json` prints, where there is such an option.
    pub json: Option<&'static str>,
    /// Other commands that belong to the subject.
    pub see_also: &'static [&'static str],
}

/// The exit statuses, and what each means.
pub const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Done, or there was nothing to do."),
    ("1", "Something was not found, was refused, or failed."),
    (
        "2",
        "The command line, or a policy file, cannot be understood. Nothing was changed.",
    ),
    ("11", "Somebody else holds a lock. Nothing was changed."),
    (
        "12",
        "The layout is damaged or unsafe to change, and nothing was deleted. `ocirm check` also says so of damage \
         that it finds.",
    ),
    (
        "130, 143",
        "Stopped by SIGINT or SIGTERM, between two files. The layout is sound.",
    ),
];

/// The variables that the program reads.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "OCIRM_LAYOUT",
        "The layout to work on, where neither --layout nor a reference names one.",
    ),
    (
        "OCIRM_TRASH",
        "With 1, `rmi` and `prune` move what goes into the trash, as with --trash.",
    ),
    (
        "NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM",
        "Whether messages have colours, with --color auto: never with NO_COLOR; always with CLICOLOR_FORCE; else on \
         a terminal, but with CLICOLOR=0 or TERM=dumb. With TERM=dumb no progress is shown either.",
    ),
    (
        "TZ",
        "The time zone of dates and times without one, as in `--filter until=`.",
    ),
    (
        "COMPLETE",
        "Set by the script that `ocirm completion` prints, when a shell asks how a word goes on.",
    ),
];

/// The files of a layout that the program has to do with.
pub const FILES: &[(&str, &str)] = &[
    (
        "oci-layout",
        "Says that the directory is a layout, and its version. Only read.",
    ),
    (
        "index.json",
        "The entries: images and their names. It is replaced as a whole, never changed in place.",
    ),
    ("blobs/", "The blobs, in one directory for each algorithm."),
    (
        "manifest.json, repositories",
        "Those of an unpacked `docker save`. Names that go are taken out of them, too.",
    ),
    (
        "index.json.lock, index.lock, .ocirm.lock",
        "Locks: that of BuildKit, that of podman where there is one, and one that is used where a directory cannot be \
         locked for all machines.",
    ),
    (
        ".ocirm-trash/",
        "What --trash took away: a directory for each removal, until `ocirm restore` or `ocirm prune`.",
    ),
];

/// What is said of each command, in the order of the help.
pub const PAGES: &[Page] = &[
    Page {
        command: "",
        examples: &[
            ("ocirm --layout ./images ls", "Show the images of a layout"),
            (
                "ocirm rmi oci:./images:alpine:3.20",
                "Remove an image, named as skopeo names it",
            ),
            (
                "ocirm --layout ./images prune --dry-run",
                "Show dangling images and unreferenced blobs",
            ),
            ("ocirm help prune", "All that one command can do"),
        ],
        json: None,
        see_also: &[],
    },
    Page {
        command: "ls",
        examples: &[
            (
                "ocirm ls",
                "The images of the current directory, the newest first",
            ),
            (
                "ocirm ls 'ghcr.io/*/web' --digests",
                "Those of some repositories, with digests",
            ),
            (
                "ocirm ls --filter until=30d --quiet",
                "IDs of images that are older than 30 days",
            ),
            (
                "ocirm ls --format '{{.Repository}}:{{.Tag}} {{.Size}}'",
                "A line of one's own for each name",
            ),
        ],
        json: Some(
            "Every line is an object with the members version, name, repository, tag, digest, kind (named, dangling, unnamed, \
             child, referrer), media_type, platforms (those that are here, with version and features), \
             missing_platforms, created, created_from (entry, manifest, config, file, index.json), size, unique, \
             missing_blobs, damaged, and where asked for layout, containers and tree \
             (role, platform, digest, present, size, names, children: the same again, elided, unlisted). Sizes are \
             bytes.",
        ),
        see_also: &["df", "rmi", "why"],
    },
    Page {
        command: "df",
        examples: &[
            ("ocirm df", "What the layout of the current directory takes"),
            (
                "ocirm df --verbose ./images",
                "Also its largest blobs, and what leads to them",
            ),
            (
                "ocirm df --recursive /srv/layouts",
                "A line for each layout below a directory, and one for all",
            ),
        ],
        json: Some(
            "One object for each layout is printed, with the members version, layout, images (count, files, bytes, on_disk, \
             shared: files, bytes, on_disk), unreferenced (files, bytes, on_disk), temporary and other (files, bytes, \
             on_disk, paths: path, bytes, on_disk, modified), trash (files, bytes, on_disk, removals: as `ocirm \
             restore --list` prints them), files, bytes and on_disk of all, prune, later and prune_all (bytes, images, \
             unreferenced, trash; or null where it is not known), freed_at_most, largest (digest, kind, bytes, \
             on_disk, names, entries: how many there are), notes and errors. Of several layouts a last object, in \
             which layouts says how many in place of layout, has the sums. Sizes are bytes.",
        ),
        see_also: &["prune", "restore", "ls", "why"],
    },
    Page {
        command: "rmi",
        examples: &[
            (
                "ocirm rmi alpine:3.20",
                "Take a name away; with the last one the image goes",
            ),
            (
                "ocirm rmi --dry-run 'acme/app:1.*'",
                "Show what a pattern would remove",
            ),
            (
                "ocirm rmi --trash -f 4bcff63911fc",
                "Move an image with all its names to the trash",
            ),
            (
                "ocirm rmi --keep-platform linux/amd64 alpine:3.20",
                "Keep one platform of an image, and its digest",
            ),
            (
                "crictl ps -o json | ocirm rmi --containers - v1.0",
                "Only if no container uses it",
            ),
        ],
        json: Some(
            "One object is printed, with the members version, layout, dry_run, untagged, deleted (digest, kind, size), kept \
             (digest, kind, size, needed_by), kept_images (name, digest, reason), decisions (of \
             prune: name, digest, decision: keep or remove, rule, line, reason), rewritten (name, from, to), \
             freed_bytes, freed_at_most (it may be less: the file system can give several files the same blocks), \
             spared (blobs, bytes), postponed (writer, blobs, bytes; or null), unlisted_referrers (referrers, blobs, bytes), errors \
             (class, message, hint), warnings, remarks and notes (on what stayed), to_trash, and emptied (removals, blobs, \
             bytes; what left the trash for good). Sizes are bytes.",
        ),
        see_also: &["untag", "prune", "restore", "why"],
    },
    Page {
        command: "untag",
        examples: &[
            ("ocirm untag acme/app:old", "Take one name away"),
            (
                "ocirm untag --dry-run 'nightly-*'",
                "Show which names a pattern matches",
            ),
        ],
        json: Some("One object is printed, with the members that `ocirm rmi` prints."),
        see_also: &["rmi", "prune"],
    },
    Page {
        command: "prune",
        examples: &[
            (
                "ocirm prune",
                "Show dangling images and unreferenced blobs, ask, and remove them",
            ),
            (
                "ocirm prune --force --all --filter until=720h --keep 'release-*'",
                "Remove what is older than 30 days, but no release",
            ),
            (
                "ocirm prune --dry-run --all --keep-last 3 --keep-last 'nightly-*=7'",
                "Show what goes if three images of each repository stay, and seven nightly ones",
            ),
            (
                "ocirm prune --force --max-size 20GB --all --trash",
                "Keep the newest 20 GB; the rest can come back for a week",
            ),
            (
                "ocirm prune --recursive /srv/layouts --policy policy.toml --force",
                "All layouts below a directory, by the rules of a file",
            ),
        ],
        json: Some(
            "One object is printed for each layout, with the members that `ocirm rmi` prints: what was to be kept is in \
             decisions and kept_images.",
        ),
        see_also: &["df", "rmi", "restore", "policy check", "check"],
    },
    Page {
        command: "restore",
        examples: &[
            (
                "ocirm restore --dry-run",
                "Show everything that could come back",
            ),
            ("ocirm restore alpine:3.20", "Bring one image back"),
            (
                "ocirm restore --list",
                "What is in the trash, and until when",
            ),
        ],
        json: Some(
            "One object is printed, with the members version, layout, dry_run, restored (name, digest), incomplete (name, \
             digest, restored, lacks: digest, kind, reason), blobs (digest, size), bytes, errors and warnings. With \
             --list the members are version, layout, removals (id, removed, command, images: name and digest, parts: image and \
             manifests, files, bytes, on_disk, expires, understood) and errors.",
        ),
        see_also: &["rmi", "prune"],
    },
    Page {
        command: "why",
        examples: &[
            ("ocirm why alpine:3.20", "Which entries lead to an image"),
            (
                "ocirm why sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1",
                "Which images have a layer",
            ),
        ],
        json: Some(
            "One object for each REF is printed, with the members version, layout, reference (the REF), digest, kind, \
             size, present, stub, changed, ways (entry, kind, belongs_to, steps: digest, kind, how: lists or refers \
             to) and warnings (why there may be more ways).",
        ),
        see_also: &["ls", "check"],
    },
    Page {
        command: "policy",
        examples: &[("ocirm policy check policy.toml", "Say what each rule does")],
        json: None,
        see_also: &["policy check", "prune"],
    },
    Page {
        command: "policy check",
        examples: &[
            ("ocirm policy check policy.toml", "Say what each rule does"),
            (
                "ocirm policy check policy.toml ./images",
                "Also what the rules find in a layout",
            ),
        ],
        json: Some(
            "One object is printed, with the members version, policy (the file), rules (rule: its number, line, name, \
             repositories, tags, keeps: key, while_it_fits, count, newest_by, seconds, part, does: the same in words, \
             covered_by), max_size, covers_unnamed, layouts (layout, rules: rule, names, decided_before, decided_by, \
             unmatched, failed, errors), failed (of a file that cannot be used) and errors (class, message, hint).",
        ),
        see_also: &["prune"],
    },
    Page {
        command: "check",
        examples: &[
            ("ocirm check", "Look at the layout of the current directory"),
            (
                "ocirm check --digests --complete --recursive /srv/layouts",
                "Read every blob of all layouts, and fail unless all images are complete",
            ),
        ],
        json: Some(
            "One object for each layout is printed, with the members version, layout, sound (nothing is damaged), entries \
             (how many index.json has), odd_entries (positions of those without a valid digest), images (name, \
             digest, state: complete, sparse or broken; of what belongs to an image only what is not complete), \
             present and present_bytes (referenced blobs that are here), missing, damaged and stubs (digest, kind, \
             needed_by, reason), orphans and orphan_bytes (unreferenced blobs), orphan_stubs, damaged_orphans, \
             unlisted_referrers, of_unlisted_referrers (blobs, bytes), temporary_files (of unfinished work of other \
             tools), own_temporary_files (of ocirm) and other_files.",
        ),
        see_also: &["why", "prune"],
    },
    Page {
        command: "completion",
        examples: &[
            (
                "d=~/.local/share/bash-completion/completions; mkdir -p $d; ocirm completion bash >$d/ocirm",
                "Install it for bash, where the package bash-completion finds it",
            ),
            (
                "mkdir -p ~/.zfunc; ocirm completion zsh >~/.zfunc/_ocirm",
                "Install it for zsh, with this in ~/.zshrc: fpath=(~/.zfunc $fpath); autoload -U compinit; compinit",
            ),
            (
                "mkdir -p ~/.config/fish/completions; ocirm completion fish >~/.config/fish/completions/ocirm.fish",
                "Install it for fish",
            ),
        ],
        json: None,
        see_also: &[],
    },
    Page {
        command: "man",
        examples: &[
            (
                "ocirm man ~/.cargo/share/man/man1",
                "Write the pages to where `man` finds those of a program in ~/.cargo/bin",
            ),
            (
                "sudo ocirm man /usr/local/share/man/man1",
                "Write them for all users of this machine",
            ),
        ],
        json: None,
        see_also: &[],
    },
];

/// The columns that a text below the help takes; narrower terminals break its lines again.
const WIDTH: usize = 78;

/// What is said of a command; nothing of one that this list does not have.
#[must_use]
pub fn page(command: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.command == command)
}

/// The schemas in docs/schema of what `--format json` of a command prints, by the names of their files.
#[must_use]
pub fn schemas(page: &Page) -> &'static [&'static str] {
    match page.command {
        _ if page.json.is_none() => &[],
        "check" => &["check"],
        "df" => &["df"],
        "ls" => &["ls"],
        "policy check" => &["policy-check"],
        "restore" => &["restore", "restore-list"],
        "rmi" | "untag" | "prune" => &["rmi"],
        "why" => &["why"],
        _ => &[],
    }
}

/// What is said of `--format json`, where a command has it.
#[must_use]
pub fn json(page: &Page) -> Option<String> {
    let members = page.json?;
    let failed = match page.command {
        "policy check" => "",
        "why" => {
            " In place of a REF that means nothing, or of a layout with which nothing can be done, there is an \
             object with failed (true) and errors (class, message, hint)."
        }
        _ => {
            " In place of a layout with which nothing could be done there is an object with version, layout, failed \
             (true) and errors (class, message, hint)."
        }
    };
    let files = schemas(page).iter();
    let files: Vec<String> = files
        .map(|name| format!("docs/schema/{name}.json"))
        .collect();
    let schemas = match &files[..] {
        [one] => format!("The schema is {one}"),
        several => format!("The schemas are {}", several.join(" and ")),
    };
    Some(format!(
        "{members}{failed} {schemas}, and docs/json.md says what of it stays as it is."
    ))
}

/// What stands below the long help of a command; `heading` makes a line look like the headings above.
#[must_use]
pub fn below(page: &Page, heading: &dyn Fn(&str) -> String) -> String {
    let mut blocks = Vec::new();
    if !page.examples.is_empty() {
        let mut block = heading("Examples:");
        for (line, what) in page.examples {
            block.push_str(&format!("\n  {line}\n{}", wrapped(what, 10)));
        }
        blocks.push(block);
    }
    let list = |title: &str, list: &[(&str, &str)]| {
        let lines = list.iter();
        let lines = lines.map(|(name, what)| format!("\n  {name}\n{}", wrapped(what, 10)));
        format!("{}{}", heading(title), lines.collect::<String>())
    };
    if page.command.is_empty() {
        blocks.push(list("Exit status:", EXIT_STATUS));
        blocks.push(list("Environment:", ENVIRONMENT));
        blocks.push(list("Files of a layout:", FILES));
    }
    if let Some(json) = json(page) {
        blocks.push(format!("{}\n{}", heading("JSON:"), wrapped(&json, 2)));
    }
    blocks.join("\n\n")
}

/// A text in lines that begin with so many blanks.
fn wrapped(text: &str, indent: usize) -> String {
    let (mut lines, mut width) = (String::new(), 0);
    for word in text.split(' ') {
        let first = width == 0;
        if !first && width + 1 + word.len() <= WIDTH {
            lines.push(' ');
            width += 1 + word.len();
        } else {
            if !first {
                lines.push('\n');
            }
            lines.push_str(&" ".repeat(indent));
            width = indent + word.len();
        }
        lines.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words() {
        let text = wrapped("word ".repeat(40).trim_end(), 4);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(
            text.lines().all(|line| line.starts_with("    word")),
            "{text}"
        );
        assert_eq!(wrapped("one", 2), "  one");
    }

    #[test]
    fn each_command_is_described_once() {
        for (at, page) in PAGES.iter().enumerate() {
            let first = PAGES.iter().position(|other| other.command == page.command);
            assert_eq!(first, Some(at), "{}", page.command);
            for other in page.see_also {
                assert!(super::page(other).is_some(), "{other}");
            }
        }
    }
}
