//! The command line: clap's types, and nothing else. What the values mean is found out in
//! `commands`.
//!
//! The doc comments here are the help texts and the manual pages; `man/` and `completions/` are
//! rendered from them.

use std::path::PathBuf;

use clap::{
    ArgAction, ArgGroup, Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint,
};

use crate::help;

/// How old unreferenced blobs, and temporary files of other programs, must be unless the user says.
pub const DEFAULT_GRACE: &str = "1h";

/// How long the trash keeps what went there unless the user says.
pub const DEFAULT_TRASH_KEEP: &str = "7d";

// The headings of options, in the order in which the help has them.

/// What a command is about.
const WHAT: &str = "What is listed";
/// How a list looks.
const OUTPUT: &str = "How it is listed";
/// What a command removes.
const WHAT_GOES: &str = "What goes";
/// What a command does not remove.
const WHAT_STAYS: &str = "What stays";
/// How a command removes it and says so.
const HOW: &str = "How";
/// What every command understands.
const COMMON: &str = "Common options";

/// Removes images from OCI image layout directories with Docker's rules, and never loses data
///
/// An OCI image layout is a directory with `oci-layout`, `index.json` and `blobs/`, as skopeo,
/// umoci, crane, oras, regctl, podman and BuildKit write them. ocirm works on the directory itself;
/// there is no daemon and no registry.
///
/// Data and results go to standard output, what somebody must look at to standard error: a job that
/// throws standard output away is silent as long as all is well.
#[derive(Debug, Parser)]
#[command(
    name = "ocirm",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub common: Common,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = COMMON)]
    pub version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The command line as clap knows it, with what [`help`] says below the long help.
#[must_use]
pub fn command() -> clap::Command {
    with_page(Cli::command(), "")
}

/// A command and those below it, each with its page; `path` is what is typed after the program's name.
fn with_page(mut command: clap::Command, path: &str) -> clap::Command {
    if let Some(page) = help::page(path) {
        let style = *command.get_styles().get_header();
        let below = help::below(page, &|title| format!("{style}{title}{style:#}"));
        if !below.is_empty() {
            command = command.after_long_help(clap::builder::StyledStr::from(below));
        }
    }
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |sub| with_page(sub, path.trim_start()))
    })
}

/// Options that go before or after the command.
#[derive(Args, Debug)]
#[command(next_help_heading = COMMON)]
pub struct Common {
    /// The layout [default: $OCIRM_LAYOUT, else .]
    ///
    /// References of the form `oci:DIR:REF` and `ocidir://DIR:REF` name the layout themselves. `ls`,
    /// `df`, `prune` and `check` take several, and also directories without this option. Without it, and
    /// without such a reference, it is the one that the variable OCIRM_LAYOUT names, else the current
    /// directory.
    #[arg(short = 'l', long = "layout", global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub layouts: Vec<PathBuf>,
    /// How long to wait for a lock that somebody else holds, such as 30s or 5m
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s")]
    #[arg(allow_hyphen_values = true, hide_short_help = true)]
    pub lock_timeout: String,
    /// Take no lock at all; only when nothing else uses the layout
    #[arg(long, global = true)]
    #[arg(hide_short_help = true)]
    pub no_lock: bool,
    /// Change a layout also on a mounted bucket that may lose what was written
    ///
    /// rclone, s3fs, Mountpoint for S3, gcsfuse, blobfuse, davfs2 and the like can report a write as done
    /// that never arrives, while the deletions that follow do. There layouts are read, and dry runs work;
    /// everything that would change one is refused with exit status 12 without this option.
    #[arg(long, global = true)]
    #[arg(hide_short_help = true)]
    pub unsafe_mount: bool,
    /// Say more: each blob, what was kept and why
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colour in messages
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    #[arg(hide_short_help = true)]
    pub color: Color,
    /// Print help; --help has everything
    #[arg(short, long, global = true, action = ArgAction::Help)]
    pub help: Option<bool>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List images
    ///
    /// One line for each name, newest first: IMAGE (the name, or `<dangling>`, `<unnamed>`), ID,
    /// PLATFORMS, CREATED, SIZE (bytes that are here) and UNIQUE (bytes that removing the image would
    /// free). A platform that the image lists and the layout does not have stands in parentheses; an
    /// image of which any blob is missing is marked `(incomplete)`. Layouts may be sparse.
    ///
    /// A REF is what `ocirm rmi` takes, or a repository, for all its images. Where it is ambiguous, as the
    /// beginning of several IDs is, all that it could be is listed. Finding nothing is exit status 1.
    ///
    /// A directory among the arguments is a layout to list: `./dir`, `dir/`, `oci:./dir`. What could be a name
    /// as well, such as `acme/web` or `oci:dir`, is a name wherever there is a layout to look it up in.
    ///
    /// CREATED is what the annotation `org.opencontainers.image.created` of the entry in index.json
    /// says, else that of the index or manifest, else the config. The days 0001-01-01,
    /// 1970-01-01 and 1980-01-01 (UTC) and what is more than a day in the future count as nothing said. Where nothing is said it is when the manifest's file was last
    /// modified, with `(file)` behind it. Of images of one moment the one that stands later in
    /// index.json is the newer.
    ///
    /// A template of `--format` has the fields ID, Repository, Tag, Digest, CreatedSince, CreatedAt,
    /// CreatedFrom, Size, Containers, SharedSize, UniqueSize, Name, Platforms, Kind and Layout. CreatedSince
    /// and CreatedAt have no `(file)` behind them; CreatedFrom says what created_from of the JSON does.
    Ls(LsArgs),
    /// Show where the disk went
    ///
    /// Everything in the layout's directory, by what it is there for: images, what several of them
    /// share, unreferenced blobs, the trash, temporary files of other tools, and everything else. SIZE is
    /// what the files hold, ON DISK the blocks that they and the directories take: its sum is what
    /// `du -s` says. Of several layouts there is a line for each and one for all; a file with several
    /// names, and a directory of blobs that several layouts have, counts once there.
    ///
    /// PRUNE is what `ocirm prune` would free now, LATER what it would free besides if nothing were too
    /// young for it any more and nobody were writing, and PRUNE -A what `ocirm prune --all` would free
    /// now. They are found out as `prune --dry-run` does it, with the same defaults.
    ///
    /// Nothing is changed, and nothing is brought back from the trash. `--verbose` lists the largest
    /// blobs with the names that lead to them, and files that are no blobs. Exit status 12 when anything
    /// is damaged: then it may not be known what can go.
    Df(DfArgs),
    /// Remove images, or parts of them
    ///
    /// A REF is a name (`alpine:3.20`), a tag of the layout (`v1.0`), a digest, at least four digits
    /// of an ID, or a pattern for names (`acme/app:1.*`; `**` crosses slashes). The rules are Docker's: removing one of several names only takes that name away;
    /// with the last name the image goes, with its platforms, its signatures, and every blob that
    /// nothing else leads to. By ID, an image with several names is a conflict.
    ///
    /// `--platform`, `--keep-platform`, `--manifest` and `--attestations` remove parts of an image and
    /// leave its index, digest and names as they are; the image is sparse then. They may be combined.
    /// With a part goes what belongs to it: attestations, SOCI indexes, referrers. What another image
    /// leads to is kept. A platform selects what equals it; without a version, or with a shortened one,
    /// the only version that is there.
    ///
    /// Most tools take no lock. If a temporary file of one, younger than an hour, shows that it is writing, the
    /// names go and the blobs are left to the next `prune`, for that tool may be using one of them again. Parts
    /// of an image that keeps its index are refused then. `--trash` goes on: what goes there comes back when it is needed.
    ///
    /// With `--rewrite-index` the given name gets a new index without these parts instead, which other
    /// tools see as complete; other names keep the old one.
    Rmi(RmiArgs),
    /// Take names away and keep the images
    ///
    /// Takes exactly the names that are given, or that a pattern such as `acme/app:1.*` matches, and
    /// deletes nothing. When the last name of an image
    /// goes, the image stays as a dangling one, which `prune` removes.
    Untag(UntagArgs),
    /// Remove dangling images and unreferenced blobs
    ///
    /// Removes dangling images, and blobs that no entry of index.json leads to. With `--all`,
    /// removes every image that passes the filters. On a terminal the list is shown first and nothing
    /// else than that list is deleted; without a terminal `--force` is needed.
    ///
    /// What is unreferenced may be the first half of somebody's push: writers put blobs first and the
    /// index last. So unreferenced blobs, and images without a name, younger than `--grace` are left
    /// alone. The age of a file is the later of its modification and its status change. If a temporary file of
    /// another program is younger than `--grace`, that one is writing, and may be using an old blob again: then
    /// all blobs are left to the next `prune`. `--trash` goes on.
    ///
    /// In a layout where no image has a name, images without a name are not dangling; they go only with
    /// `--all`.
    ///
    /// Signatures, attestations and SBOMs that no entry leads to, as `cosign save` and others write them,
    /// stay with what they are about: a manifest with a `subject` that stays is kept, and all below it,
    /// unless `--unlisted-referrers delete` is given. An older copy of a list of
    /// referrers goes when a newer one has the tag.
    ///
    /// Filters: `broken=true` (images of which no platform could be used, because a manifest, a config
    /// or a layer of each is missing or damaged, or that list no platform; named ones too, even without
    /// `--all`, and with `dangling=false` no dangling ones), `until=` (a date, a time, a Unix time, or a span such as 90m or 30d back from now; judged
    /// by what `ocirm ls` shows as CREATED), `label=KEY[=VALUE]` and `label!=KEY[=VALUE]` (of the
    /// image's config), `reference=PATTERN` and `reference!=PATTERN`, `dangling=true|false`,
    /// `orphan=true|false`. All must hold. `orphan=true` takes signatures and the like whose image is
    /// gone, those too that have a name, with or without `--all`.
    ///
    /// Everything that is asked must agree to delete. `--keep` takes patterns for names, tags and
    /// digests and wins over all else. The options that count, with `--all`: `--keep-last`,
    /// `--keep-within`, `--keep-daily`, `--keep-weekly`, `--keep-monthly` and `--keep-newest-per`, each
    /// any number of times, and a name stays if any of them keeps it. They count images, not names,
    /// in each repository by itself; plain tags and images without a name are one repository. Without
    /// PATTERN they count all images and keep an image under all its names; with PATTERN those with a
    /// matching name, under these names. PATTERN matches a name as it is shown, in full, or without its
    /// tag, or the tag alone: `--keep-last 'nightly-*=3'`, `--keep-daily acme/web=7`. `--filter
    /// reference=` restricts what is counted, `until`, `label` and `dangling` do not. Newest is by CREATED
    /// as `ocirm ls` shows it, of equal ones what stands later in index.json; an image is as old as
    /// the newest of its entries. Broken images are not counted. Where nothing is said but that files are
    /// equally old, all of these stay. If something was to be kept and yet every image of a layout would
    /// go, nothing goes without `--allow-empty`.
    ///
    /// `--max-size SIZE` keeps, of what no other option keeps, the newest images as long as the blobs of
    /// the layout are not larger together, each counted once: the first that does not fit goes, and all
    /// older ones. Images without a name and build caches count too. If what must stay is larger by
    /// itself, the rest goes and the exit status is 1.
    ///
    /// `--policy FILE` takes what is to stay from a file in TOML, and implies `--all`. Of its rules the
    /// first that matches a name decides; names that none matches stay. `ocirm policy check FILE` says in
    /// words what a file does. Options keep in addition to it.
    ///
    /// A dry run and `--verbose` say of each name which option or rule keeps or removes it; in JSON the
    /// member decisions does (name, digest, decision: keep or remove, rule, line, reason).
    ///
    /// Of what a container runs or has mounted one entry stays: the one without a name if there is one,
    /// else one of its names.
    Prune(Box<PruneArgs>),
    /// Bring back what --trash removed
    ///
    /// A REF is a name, a digest, or at least four digits of an ID, of an image that `rmi --trash` or
    /// `prune --trash` removed; the latest removal of it is undone: its names, what belonged to it,
    /// its blobs, and its place in index.json. An image that lost a platform gets it back. Without a
    /// REF everything in the trash comes back.
    ///
    /// Nothing in index.json is overwritten: when a name leads to another image by now, that is a
    /// conflict, and the removed image stays in the trash. So does an image that lacks anything that it
    /// had when it was removed: a blob that is neither in the layout nor in the trash, or that is
    /// damaged, of layers as far as their sizes tell. With `--incomplete` it comes back without that,
    /// unless its manifest itself is damaged.
    ///
    /// `--list` shows what is in the trash: when and by which command it was removed, its names, its
    /// size, and when the first prune with the default of --trash-keep deletes it.
    Restore(RestoreArgs),
    /// Explain what keeps an image or a blob
    ///
    /// Shows how the entries of index.json lead to it, one way for each name, or that nothing does
    /// and when its file last changed. A REF is a name, or the full digest of any blob.
    Why(WhyArgs),
    /// Work with policy files
    Policy(PolicyArgs),
    /// Check whether a layout is sound
    ///
    /// Every entry is followed; manifests and configs of images are compared with their digests, other
    /// blobs with their sizes, and with `--digests` all blobs with their digests. Missing blobs are listed and are no
    /// damage, for layouts may be sparse; neither are stubs, empty files that a store which deduplicates leaves of blobs that
    /// another repository has. Of each image it is said whether it is complete, sparse (one
    /// platform at least could be used) or broken; with `--complete` anything but complete is a failure.
    /// Unreferenced blobs and files of other tools are
    /// counted. Nothing is changed. Exit status 12 when anything is damaged.
    Check(CheckArgs),
    /// Print the script that completes words in a shell
    ///
    /// The script asks ocirm itself how a word goes on, so that names, digests and platforms are those of
    /// the layout that the command line is about, which is read and never locked. `ocirm` must be in the
    /// PATH. A shell reads the script at its start, or when it is needed, from where the examples put it;
    /// `source <(ocirm completion bash)` tries it out.
    Completion(CompletionArgs),
    /// Write the manual pages into a directory
    ///
    /// One page for each command, such as `ocirm-prune.1`. The directory is made where there is none;
    /// pages that are there already are replaced, other files stay.
    Man(ManArgs),
}

impl Command {
    /// Whether nothing but errors is to be said. What `ls --quiet` leaves out is something else.
    pub fn is_quiet(&self) -> bool {
        match self {
            Command::Rmi(args) => args.quiet,
            Command::Untag(args) => args.quiet,
            Command::Prune(args) => args.quiet,
            Command::Restore(args) => args.quiet,
            _ => false,
        }
    }
}

/// The arguments of `ocirm completion`.
#[derive(Args, Debug)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// The shells for which there are scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Elvish
    Elvish,
    /// fish
    Fish,
    /// PowerShell
    #[value(name = "powershell", alias = "pwsh")]
    PowerShell,
    /// Z shell
    Zsh,
}

/// The arguments of `ocirm man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Where the pages are written
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
}

/// The arguments of `ocirm policy`.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What can be done with policy files.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say in words what a policy file does
    ///
    /// Says of each rule which names it is about and what it keeps or removes, and which rules are never
    /// reached. With layouts also which names no rule matches, and which rules match nothing there.
    /// Nothing is changed. A file that `ocirm prune --policy` would refuse is refused here too, with exit
    /// status 2 and the line and column of what is wrong.
    Check(PolicyCheckArgs),
}

/// The arguments of `ocirm policy check`.
#[derive(Args, Debug)]
pub struct PolicyCheckArgs {
    /// The policy file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Layouts to try it on
    #[arg(value_name = "LAYOUT", value_hint = ValueHint::DirPath)]
    pub tried: Vec<PathBuf>,
    /// How the result is printed
    ///
    /// `text`, which is the default, are lines for people; `json` is one object, whose members the section
    /// on JSON lists.
    #[arg(long, value_enum, value_name = "text|json", default_value = "text")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
}

/// The arguments of `ocirm why`.
#[derive(Args, Debug)]
pub struct WhyArgs {
    /// Names of images, or full digests of blobs
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<String>,
    /// How the result is printed
    ///
    /// `text`, which is the default, are lines for people; `json` is one object for each layout,
    /// whose members the section on JSON lists.
    #[arg(long, value_enum, value_name = "text|json", default_value = "text")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
}

/// How many layouts at once, of commands that take several.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Jobs {
    /// Work on so many layouts at once
    ///
    /// Without it as many as pay: further ones begin as long as most of the time is spent waiting for the
    /// disk. What is printed is in the order of the layouts in any case.
    #[arg(short, long = "jobs", value_name = "N", hide_short_help = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
}

impl Jobs {
    /// How many, if it was said.
    pub fn number(self) -> Option<usize> {
        self.jobs.map(usize::from)
    }
}

/// The arguments of `ocirm check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Layouts, as DIR or oci:DIR [default: that of --layout]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directories: Vec<PathBuf>,
    /// Read every blob and compare its digest
    #[arg(long)]
    pub digests: bool,
    /// Exit with status 12 unless every image is complete
    #[arg(long)]
    pub complete: bool,
    /// Every layout below this directory
    ///
    /// Symbolic links are not followed.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recursive: Option<PathBuf>,
    /// How many layouts at once.
    #[command(flatten)]
    pub jobs: Jobs,
    /// How the result is printed
    ///
    /// `text`, which is the default, are lines for people; `json` is one object for each layout,
    /// whose members the section on JSON lists.
    #[arg(long, value_enum, value_name = "text|json", default_value = "text")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
}

/// The arguments of `ocirm df`.
#[derive(Args, Debug)]
pub struct DfArgs {
    /// Layouts, as DIR or oci:DIR [default: that of --layout]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directories: Vec<PathBuf>,
    /// Every layout below this directory
    ///
    /// Symbolic links are not followed.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recursive: Option<PathBuf>,
    /// How many layouts at once.
    #[command(flatten)]
    pub jobs: Jobs,
    /// How the result is printed
    ///
    /// `text`, which is the default, are tables for people; `json` is one object for each layout, and of
    /// several one for all, whose members the section on JSON lists.
    #[arg(long, value_enum, value_name = "text|json", default_value = "text")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
}

/// The arguments of `ocirm ls`.
#[derive(Args, Debug)]
pub struct LsArgs {
    /// Only these: what `rmi` takes, or a repository; or layouts
    ///
    /// A repository, a name, a pattern such as `ghcr.io/*/web`, a tag, a digest, or digits of an ID; or
    /// layouts to list, as DIR or oci:DIR.
    #[arg(value_name = "REF|DIR")]
    pub references: Vec<String>,
    /// Also list what belongs to other images
    ///
    /// Manifests of an index, signatures and other referrers.
    #[arg(short, long)]
    #[arg(help_heading = WHAT)]
    pub all: bool,
    /// Only images that pass
    ///
    /// The keys are broken, dangling, orphan, label, label!, reference, reference!, until, before and
    /// since; repeatable, and all must hold. `ocirm prune --help` says what they mean.
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    #[arg(help_heading = WHAT)]
    pub filters: Vec<String>,
    /// Every layout below this directory
    ///
    /// Symbolic links are not followed.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = WHAT)]
    pub recursive: Option<PathBuf>,
    /// How many layouts at once.
    #[command(flatten)]
    pub jobs: Jobs,
    /// What comes first: created, size, unique, name, none
    ///
    /// `created`, the default, is the newest first, by CREATED; of equal ones what stands later in
    /// index.json. `size` is the largest first, `unique` what frees most first; of equal ones the newest.
    /// `name` is by repository, then tag, and numbers by their values, so that 1.9 comes before 1.10;
    /// what has no name comes last. `none` is the order of index.json, the fastest for --quiet.
    #[arg(long, value_enum, value_name = "ORDER", default_value = "created")]
    #[arg(help_heading = OUTPUT, hide_default_value = true, hide_possible_values = true)]
    pub sort: Sort,
    /// The other way round, whatever the order
    #[arg(long)]
    #[arg(help_heading = OUTPUT)]
    pub reverse: bool,
    /// Print IDs only, each once, in the order of --sort
    #[arg(short, long, conflicts_with = "format")]
    #[arg(help_heading = OUTPUT)]
    pub quiet: bool,
    /// Show what belongs to each image below it
    ///
    /// Its platforms, attestations and referrers, and the layers of caches.
    #[arg(long, conflicts_with_all = ["quiet", "digests"])]
    #[arg(help_heading = OUTPUT)]
    pub tree: bool,
    /// Add a column with digests to the table
    ///
    /// JSON always has them, a template shows them with '{{.Digest}}', and --quiet prints IDs alone.
    #[arg(long)]
    #[arg(help_heading = OUTPUT)]
    pub digests: bool,
    /// Do not shorten IDs
    #[arg(long)]
    #[arg(help_heading = OUTPUT, hide_short_help = true)]
    pub no_trunc: bool,
    /// Mark what these containers use
    ///
    /// FILE is what docker, podman, nerdctl, crictl or kubectl print in JSON; repeatable, `-` for
    /// standard input
    #[arg(
        long = "containers",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with = "quiet"
    )]
    #[arg(help_heading = OUTPUT, hide_short_help = true)]
    pub containers: Vec<PathBuf>,
    /// table (default), json, or a template
    ///
    /// A template is such as '{{.Repository}}:{{.Tag}}'.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    #[arg(help_heading = OUTPUT, hide_default_value = true)]
    pub format: String,
}

/// In which order images are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// The newest first, by CREATED; of equal ones what stands later in index.json
    Created,
    /// The largest first, by SIZE; of equal ones the newest
    Size,
    /// What frees most first, by UNIQUE; of equal ones the newest
    Unique,
    /// By name: repository, then tag, and numbers by their values, so that 1.9 comes before 1.10; what
    /// has no name comes last
    Name,
    /// As they stand in index.json
    None,
}

/// The arguments of `ocirm rmi`.
#[derive(Args, Clone, Debug, Default)]
#[command(group = ArgGroup::new("parts").multiple(true))]
pub struct RmiArgs {
    /// Names, digests, IDs, or patterns for names
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<String>,
    /// Only this platform; repeatable
    ///
    /// os, arch, os/arch, os/arch/variant, or os(version+feature)/arch; repeatable, or a list.
    #[arg(long = "platform", value_name = "PLATFORM", group = "parts")]
    #[arg(help_heading = WHAT_GOES)]
    pub platforms: Vec<String>,
    /// All platforms but this; repeatable
    ///
    /// Keep only this platform, and remove all others; repeatable, or a list.
    #[arg(
        long = "keep-platform",
        value_name = "PLATFORM",
        group = "parts",
        conflicts_with = "platforms"
    )]
    #[arg(help_heading = WHAT_GOES)]
    pub keep_platforms: Vec<String>,
    /// Only this manifest of an index
    ///
    /// Remove only what the image's index lists under this digest, or under the only one that begins
    /// so, and what belongs to it; repeatable.
    #[arg(long = "manifest", value_name = "DIGEST", group = "parts")]
    #[arg(help_heading = WHAT_GOES)]
    pub manifests: Vec<String>,
    /// Only the attestations of the image
    ///
    /// Remove only the attestation manifests of the image.
    #[arg(long, group = "parts")]
    #[arg(help_heading = WHAT_GOES, hide_short_help = true)]
    pub attestations: bool,
    /// Give the name an index without these parts
    ///
    /// With one of the options above: make a new index without what goes for this name, so that every
    /// tool sees a complete image; other names keep the old one.
    #[arg(long, requires = "parts")]
    #[arg(help_heading = WHAT_GOES)]
    pub rewrite_index: bool,
    /// All names of an image given by ID
    ///
    /// Remove all names of an image given by ID; a missing image is no failure.
    #[arg(short, long)]
    #[arg(help_heading = WHAT_GOES)]
    pub force: bool,
    /// Remove signatures and the like that have a name of their own, too, when nothing else leads to
    /// what they are about any more
    #[arg(long)]
    #[arg(help_heading = WHAT_GOES, hide_short_help = true)]
    pub referrers: bool,
    /// Keep dangling images that the removed one was built from
    #[arg(long)]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub no_prune: bool,
    /// Keep what these containers use
    ///
    /// FILE is what docker, podman, nerdctl, crictl or kubectl print in JSON; repeatable, `-` for
    /// standard input
    #[arg(long = "containers", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub containers: Vec<PathBuf>,
    /// Another layout that shares this one's blobs
    ///
    /// What its index.json leads to stays, and what it has a stub of. With it, blobs of a directory
    /// that others may share are deleted; name all that do
    #[arg(long = "also-root", value_name = "LAYOUT", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub also_roots: Vec<PathBuf>,
    /// Show what would go, and change nothing
    #[arg(short = 'n', long)]
    #[arg(help_heading = HOW)]
    pub dry_run: bool,
    /// A missing image is no failure
    #[arg(long)]
    #[arg(help_heading = HOW, hide_short_help = true)]
    pub ignore: bool,
    /// Move what goes into the layout's trash
    ///
    /// That is `.ocirm-trash`, where `ocirm restore` finds it until a prune finds it older than
    /// --trash-keep [default with OCIRM_TRASH=1]
    #[arg(long, overrides_with = "no_trash")]
    #[arg(help_heading = HOW)]
    pub trash: bool,
    /// Delete what goes, also where OCIRM_TRASH=1 makes --trash the default
    #[arg(long, overrides_with = "trash")]
    #[arg(help_heading = HOW, hide_short_help = true)]
    pub no_trash: bool,
    /// Delete blobs although another program is writing
    ///
    /// A young temporary file in the layout shows that; without the option blobs are left to the next
    /// prune then.
    #[arg(long)]
    #[arg(help_heading = HOW, hide_short_help = true)]
    pub ignore_writers: bool,
    /// Print nothing but errors
    ///
    /// With `--format json` the objects are printed all the same.
    #[arg(short, long, conflicts_with = "verbose")]
    #[arg(help_heading = HOW)]
    pub quiet: bool,
    /// How the result is printed
    ///
    /// `text`, which is the default, are lines for people; `json` is one object for each layout,
    /// whose members the section on JSON lists.
    #[arg(long, value_enum, value_name = "text|json", default_value = "text")]
    #[arg(help_heading = HOW, hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
}

/// The arguments of `ocirm untag`.
#[derive(Args, Debug)]
pub struct UntagArgs {
    /// Names, or patterns for them
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<String>,
    /// Show what would be done, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// A missing name is no failure
    #[arg(long)]
    pub ignore: bool,
    /// Print nothing but errors
    ///
    /// With `--format json` the objects are printed all the same.
    #[arg(short, long, conflicts_with = "verbose")]
    #[arg(help_heading = HOW)]
    pub quiet: bool,
    /// How the result is printed
    ///
    /// `text`, which is the default, are lines for people; `json` is one object for each layout,
    /// whose members the section on JSON lists.
    #[arg(long, value_enum, value_name = "text|json", default_value = "text")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
}

/// The arguments of `ocirm prune`.
#[derive(Args, Clone, Debug, Default)]
#[command(group = ArgGroup::new("everything").multiple(true))]
pub struct PruneArgs {
    /// In these layouts, as DIR or oci:DIR
    ///
    /// Without it in that of --layout.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = WHAT_GOES)]
    pub directories: Vec<PathBuf>,
    /// Every image, not only dangling ones
    #[arg(short, long, group = "everything")]
    #[arg(help_heading = WHAT_GOES)]
    pub all: bool,
    /// Only images that pass; repeatable
    ///
    /// Filters are listed above; all must hold.
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    #[arg(help_heading = WHAT_GOES)]
    pub filters: Vec<String>,
    /// What to do with signatures that no entry leads to
    ///
    /// Signatures and the like that no entry of index.json leads to and that are about something that
    /// stays.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "keep")]
    #[arg(help_heading = WHAT_GOES, hide_short_help = true)]
    pub unlisted_referrers: UnlistedReferrers,
    /// Every layout below this directory
    ///
    /// Symbolic links are not followed.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = WHAT_GOES)]
    pub recursive: Option<PathBuf>,
    /// How many layouts at once.
    #[command(flatten)]
    pub jobs: Jobs,
    /// Images whose name, tag or digest matches
    ///
    /// It wins over everything; repeatable.
    #[arg(long = "keep", value_name = "PATTERN")]
    #[arg(help_heading = WHAT_STAYS)]
    pub keep: Vec<String>,
    /// The newest N images of each repository
    ///
    /// With --all: keep the newest N images of each repository, or N of those with a name that
    /// matches; repeatable, like all that follow.
    #[arg(
        long,
        value_name = "[PATTERN=]N",
        requires = "everything",
        allow_negative_numbers = true
    )]
    #[arg(help_heading = WHAT_STAYS)]
    pub keep_last: Vec<String>,
    /// With --all: keep what was created within this time, such as 36h, 30d or 2w
    #[arg(
        long,
        value_name = "[PATTERN=]DURATION",
        requires = "everything",
        allow_hyphen_values = true
    )]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub keep_within: Vec<String>,
    /// With --all: keep the newest image of each of the last N days (UTC) that have any
    #[arg(
        long,
        value_name = "[PATTERN=]N",
        requires = "everything",
        allow_negative_numbers = true
    )]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub keep_daily: Vec<String>,
    /// With --all: keep the newest image of each of the last N weeks (Monday to Sunday) that have any
    #[arg(
        long,
        value_name = "[PATTERN=]N",
        requires = "everything",
        allow_negative_numbers = true
    )]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub keep_weekly: Vec<String>,
    /// With --all: keep the newest image of each of the last N months that have any
    #[arg(
        long,
        value_name = "[PATTERN=]N",
        requires = "everything",
        allow_negative_numbers = true
    )]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub keep_monthly: Vec<String>,
    /// With --all: keep the highest version of each major version, or of each major and minor one; of
    /// tags that are semantic versions, with or without a v
    #[arg(
        long,
        value_name = "[PATTERN=]major|minor",
        requires = "everything",
        allow_negative_numbers = true
    )]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub keep_newest_per: Vec<String>,
    /// What --keep-last calls the newest: what was created last, or the highest semantic version
    #[arg(long, value_enum, value_name = "WHAT", requires = "keep_last")]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub newest_by: Option<NewestBy>,
    /// The newest that fit into SIZE
    ///
    /// With --all: keep the newest images, and all that other options keep, as long as the blobs of
    /// the layout have no more bytes together, such as 20GB or 500MiB.
    #[arg(
        long,
        value_name = "SIZE",
        requires = "everything",
        allow_negative_numbers = true
    )]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub max_size: Option<String>,
    /// What the rules of this file keep
    ///
    /// Implies --all; `ocirm policy check FILE` says what a file does.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "everything")]
    #[arg(help_heading = WHAT_STAYS)]
    pub policy: Option<PathBuf>,
    /// Remove every image, if nothing is to be kept
    ///
    /// With options that keep images: remove every image of a layout all the same, if nothing in it
    /// is to be kept.
    #[arg(long)]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub allow_empty: bool,
    /// Keep what these containers use
    ///
    /// FILE is what docker, podman, nerdctl, crictl or kubectl print in JSON; repeatable, `-` for
    /// standard input
    #[arg(long = "containers", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub containers: Vec<PathBuf>,
    /// Another layout that shares this one's blobs
    ///
    /// What its index.json leads to stays, and what it has a stub of. With it, blobs of a directory
    /// that others may share are deleted; name all that do
    #[arg(long = "also-root", value_name = "LAYOUT", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = WHAT_STAYS, hide_short_help = true)]
    pub also_roots: Vec<PathBuf>,
    /// Leave unreferenced blobs alone that are younger
    ///
    /// Such as 30m, 2h or 7d; and all of them if a temporary file of another program is younger; 0s
    /// when nothing else writes.
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_GRACE)]
    #[arg(allow_hyphen_values = true, help_heading = WHAT_STAYS, hide_short_help = true)]
    pub grace: String,
    /// Show what would go, and change nothing
    #[arg(short = 'n', long)]
    #[arg(help_heading = HOW)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    #[arg(help_heading = HOW)]
    pub force: bool,
    /// Move what goes into the layout's trash
    ///
    /// That is `.ocirm-trash`, where `ocirm restore` finds it until a prune finds it older than
    /// --trash-keep [default with OCIRM_TRASH=1]
    #[arg(long, overrides_with = "no_trash")]
    #[arg(help_heading = HOW)]
    pub trash: bool,
    /// Delete what goes, also where OCIRM_TRASH=1 makes --trash the default
    #[arg(long, overrides_with = "trash")]
    #[arg(help_heading = HOW, hide_short_help = true)]
    pub no_trash: bool,
    /// Delete what has been in the trash for longer, such as 12h, 7d or 4w
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_TRASH_KEEP)]
    #[arg(allow_hyphen_values = true, help_heading = HOW, hide_short_help = true)]
    pub trash_keep: String,
    /// Print nothing but errors
    ///
    /// With `--format json` the objects are printed all the same.
    #[arg(short, long, conflicts_with = "verbose")]
    #[arg(help_heading = HOW, hide_short_help = true)]
    pub quiet: bool,
    /// How the result is printed
    ///
    /// `text`, which is the default, are lines for people; `json` is one object for each layout,
    /// whose members the section on JSON lists.
    #[arg(long, value_enum, value_name = "text|json", default_value = "text")]
    #[arg(help_heading = HOW, hide_short_help = true, hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
}

/// What makes one image newer than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NewestBy {
    /// It was created later
    Created,
    /// It has a higher semantic version; what has none comes after all that have one
    Version,
}

/// What `prune` does with referrers that no entry leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum UnlistedReferrers {
    /// They stay with what they are about
    #[default]
    Keep,
    /// They go like everything that is unreferenced
    Delete,
}

/// The arguments of `ocirm restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// Images [default: everything in the trash]
    #[arg(value_name = "REF")]
    pub references: Vec<String>,
    /// List what is in the trash, and change nothing
    #[arg(long, conflicts_with_all = ["incomplete", "dry_run", "quiet"])]
    pub list: bool,
    /// Show what would come back, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Also images that lack something, without it
    #[arg(long)]
    pub incomplete: bool,
    /// Print nothing but errors
    ///
    /// With `--format json` the objects are printed all the same.
    #[arg(short, long, conflicts_with = "verbose")]
    #[arg(help_heading = HOW)]
    pub quiet: bool,
    /// How the result is printed
    ///
    /// `text`, which is the default, are lines for people; `json` is one object for each layout,
    /// whose members the section on JSON lists.
    #[arg(long, value_enum, value_name = "text|json", default_value = "text")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
}

/// How commands print their result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object
    Json,
}
