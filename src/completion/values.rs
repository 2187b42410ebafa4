//! Which values each argument can have: names, digests and platforms from the layout that the line
//! is about, the keys of filters, and directories.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Command;
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

use super::line::{Line, Said, expanded};
use crate::candidates::{self, Contents, SHORTEST_ID, Words};
use crate::layout::below;
use crate::layout_argument::{self, default_layout, directory, is_directory};

/// What an argument is.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// An image: its name, or a digest.
    Image,
    /// An image, or a directory.
    ImageOrDirectory,
    /// The name of an image in the trash.
    Trashed,
    /// A pattern for names.
    Name,
    /// A platform, or several in a list.
    Platform,
    /// The digest of what an index lists.
    Manifest,
    /// `KEY=VALUE`; what else than the keys of `prune` there is.
    Filter(&'static [&'static str]),
    /// One of these, or something else.
    OneOf(&'static [&'static str]),
    /// A directory, also as `oci:DIR`.
    Directory,
}

/// Where values come from the layout, or are more than clap knows: command, argument, value. Of all other
/// arguments clap knows the values, or knows that they are files or directories.
const VALUES: &[(&str, &str, Value)] = &[
    ("ls", "references", Value::ImageOrDirectory),
    ("ls", "filters", Value::Filter(&["before=", "since="])),
    ("ls", "format", Value::OneOf(&["table", "json"])),
    ("rmi", "references", Value::Image),
    ("rmi", "platforms", Value::Platform),
    ("rmi", "keep_platforms", Value::Platform),
    ("rmi", "manifests", Value::Manifest),
    ("untag", "references", Value::Image),
    ("df", "directories", Value::Directory),
    ("prune", "directories", Value::Directory),
    ("prune", "filters", Value::Filter(&[])),
    ("prune", "keep", Value::Name),
    (
        "prune",
        "keep_newest_per",
        Value::OneOf(&["major", "minor"]),
    ),
    ("restore", "references", Value::Trashed),
    ("why", "references", Value::Image),
    ("check", "directories", Value::Directory),
];

/// The keys of filters that `ls` and `prune` have, with values where there are few.
const FILTERS: &[&str] = &[
    "broken=true",
    "broken=false",
    "dangling=true",
    "dangling=false",
    "orphan=true",
    "orphan=false",
    "label=",
    "label!=",
    "reference=",
    "reference!=",
    "until=",
];

/// How many layouts below a directory are read.
const MOST_LAYOUTS: usize = 100;

/// The command line with what can be completed on this line.
pub(super) fn with_values(mut command: Command, line: Line) -> Command {
    let mut built = command.clone();
    built.build();
    let said = Arc::new(line.said(&built));
    for (name, argument, value) in VALUES {
        let has = |sub: &Command| sub.get_arguments().any(|known| known.get_id() == argument);
        if !command.find_subcommand(name).is_some_and(has) {
            continue;
        }
        let (said, value) = (Arc::clone(&said), *value);
        let complete = move |typed: &OsStr| words(value, &said, typed);
        command = command.mut_subcommand(name, |sub| {
            sub.mut_arg(argument, |found| {
                found.add(ArgValueCompleter::new(complete))
            })
        });
    }
    command
}

fn words(value: Value, said: &Said, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(text) = typed.to_str() else {
        return Vec::new();
    };
    match value {
        Value::Image => images(said, text),
        Value::ImageOrDirectory => {
            let mut found = images(said, text);
            if text.starts_with(['.', '/', '~']) || text.contains('/') {
                found.extend(directories(text));
            }
            found
        }
        Value::Trashed => {
            let (prefix, layouts, name) = place(said, text);
            let found = layouts
                .iter()
                .flat_map(|layout| candidates::trashed(layout, name));
            let mut words = with_prefix(candidates::begun(found.collect(), name), &prefix);
            words.extend(spelled_layouts(text));
            words
        }
        Value::Name => {
            let layouts = layouts(said);
            offered(&layouts, text, &|contents| contents.names(text))
        }
        Value::Platform => {
            // Of a list the last part is being typed; that it has a comma is no beginning of another one.
            let (list, part) = match text.rsplit_once(',') {
                Some((list, part)) => (format!("{list},"), part),
                None => (String::new(), text),
            };
            let (layouts, references) = images_before(said);
            let found = of_layouts(&layouts, &|contents| contents.platforms(&references));
            with_prefix(candidates::begun(found, part), &list)
        }
        Value::Manifest => {
            let (layouts, references) = images_before(said);
            offered(&layouts, text, &|contents| contents.manifests(&references))
        }
        Value::Filter(more) => filters(said, text, more),
        Value::OneOf(values) => {
            let found = values.iter().filter(|value| value.starts_with(text));
            found.map(CompletionCandidate::new).collect()
        }
        Value::Directory => {
            let mut found = directories(text);
            found.extend(spelled_layouts(text));
            found
        }
    }
}

/// Names, and digests of what begins as one.
fn images(said: &Said, text: &str) -> Vec<CompletionCandidate> {
    let (prefix, layouts, typed) = place(said, text);
    let found = of_layouts(&layouts, &|contents| {
        let mut words = contents.names(typed);
        // Who types the beginning of a name means none of the many digests that begin like it.
        if words.is_empty() || typed.len() >= SHORTEST_ID {
            words.extend(contents.digests(typed));
        }
        words
    });
    let mut words = with_prefix(candidates::begun(found, typed), &prefix);
    words.extend(spelled_layouts(text));
    words
}

/// The keys, and values of the one that was typed.
fn filters(said: &Said, text: &str, more: &[&str]) -> Vec<CompletionCandidate> {
    if let Some((key, typed)) = text.split_once('=')
        && ["reference", "reference!", "before", "since"].contains(&key)
    {
        let found = of_layouts(&layouts(said), &|contents| contents.names(typed));
        return with_prefix(candidates::begun(found, typed), &format!("{key}="));
    }
    let all = FILTERS
        .iter()
        .chain(more)
        .filter(|filter| filter.starts_with(text));
    match text.contains('=') {
        true => all.map(CompletionCandidate::new).collect(),
        false => {
            let mut keys: Vec<&str> = all
                .filter_map(|filter| filter.split_inclusive('=').next())
                .collect();
            keys.dedup();
            keys.into_iter().map(CompletionCandidate::new).collect()
        }
    }
}

/// The layouts that a line is about: those of `--layout`, those among its arguments and below
/// `--recursive`, else that of the variable, or the current directory.
fn layouts(said: &Said) -> Vec<PathBuf> {
    let is_given = !said.layouts.is_empty() || said.recursive.is_some();
    let arguments = said.arguments.iter();
    let named = arguments
        .map(|text| expanded(OsStr::new(text)))
        .filter(|path| {
            path.to_str().is_some_and(|text| match &*said.command {
                "ls" => is_directory(text, is_given),
                "df" | "prune" | "check" => true,
                _ => matches!(layout_argument::split(text), Some((_, None))),
            })
        });
    let given = said.layouts.iter().cloned().chain(named);
    let mut layouts: Vec<PathBuf> = given.filter_map(|given| directory(given).ok()).collect();
    if let Some(dir) = &said.recursive {
        layouts.push(dir.clone());
        layouts.extend(below(dir).layouts.into_iter().take(MOST_LAYOUTS));
    }
    match layouts.is_empty() {
        true => default_layout().into_iter().collect(),
        false => layouts,
    }
}

/// What stands before the name in a reference that names its layout, the layouts in which the name is
/// looked for, and what was typed of the name.
fn place<'t>(said: &Said, text: &'t str) -> (String, Vec<PathBuf>, &'t str) {
    match split(text) {
        Some((prefix, layout, name)) => (prefix, vec![PathBuf::from(layout)], name),
        None => (String::new(), layouts(said), text),
    }
}

/// `oci:DIR:NAME` or `ocidir://DIR:NAME` in three parts; the first ends with the second `:`.
fn split(text: &str) -> Option<(String, &str, &str)> {
    let (scheme, rest) = scheme(text)?;
    let (layout, name) = rest.split_once(':')?;
    Some((format!("{scheme}{layout}:"), layout, name))
}

fn scheme(text: &str) -> Option<(&'static str, &str)> {
    let mut schemes = ["ocidir://", "oci:"].into_iter();
    schemes.find_map(|scheme| Some((scheme, text.strip_prefix(scheme)?)))
}

/// The images that stand on the line already, and the layouts that they are in.
fn images_before(said: &Said) -> (Vec<PathBuf>, Vec<String>) {
    let (mut own, mut references) = (Vec::new(), Vec::new());
    for text in &said.arguments {
        match split(text) {
            Some((_, layout, name)) => {
                own.push(PathBuf::from(layout));
                references.push(name.to_owned());
            }
            None => references.push(text.clone()),
        }
    }
    match own.is_empty() {
        true => (layouts(said), references),
        false => (own, references),
    }
}

fn of_layouts(layouts: &[PathBuf], words: &dyn Fn(&Contents) -> Words) -> Words {
    let read = layouts.iter().filter_map(|layout| Contents::read(layout));
    read.flat_map(|contents| words(&contents)).collect()
}

fn offered(
    layouts: &[PathBuf],
    typed: &str,
    words: &dyn Fn(&Contents) -> Words,
) -> Vec<CompletionCandidate> {
    with_prefix(candidates::begun(of_layouts(layouts, words), typed), "")
}

fn with_prefix(words: Words, prefix: &str) -> Vec<CompletionCandidate> {
    let candidate = |(text, about): (String, String)| {
        let help = (!about.is_empty()).then(|| about.into());
        CompletionCandidate::new(format!("{prefix}{text}")).help(help)
    };
    words.into_iter().map(candidate).collect()
}

fn directories(text: &str) -> Vec<CompletionCandidate> {
    PathCompleter::dir().complete(OsStr::new(text))
}

/// `oci:DIR`, while DIR is typed; with a `:` behind what is a layout, for a name follows there.
fn spelled_layouts(text: &str) -> Vec<CompletionCandidate> {
    let Some((scheme, typed)) = scheme(text) else {
        let begins = !text.is_empty() && "oci:".starts_with(text);
        return if begins {
            vec![CompletionCandidate::new("oci:")]
        } else {
            Vec::new()
        };
    };
    if typed.contains(':') {
        return Vec::new();
    }
    let mut words = Vec::new();
    let is_layout = |path: &Path| path.join("oci-layout").is_file();
    for directory in directories(typed) {
        let path = directory.get_value().to_string_lossy().into_owned();
        let name = path.trim_end_matches('/');
        if !path.contains(':') && !name.is_empty() && is_layout(Path::new(name)) {
            words.push(CompletionCandidate::new(format!("{scheme}{name}:")));
        } else {
            words.push(directory.add_prefix(scheme));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, ValueHint};

    use super::*;

    /// Values that nobody can know: spans, sizes, counts.
    const FREE: [&str; 11] = [
        "jobs",
        "lock_timeout",
        "grace",
        "trash_keep",
        "keep_last",
        "keep_within",
        "keep_daily",
        "keep_weekly",
        "keep_monthly",
        "max_size",
        "command",
    ];

    #[test]
    fn of_every_argument_it_is_known_what_it_can_be() {
        fn look(command: &Command, unknown: &mut Vec<String>) {
            for argument in command.get_arguments() {
                let is_flag = !argument.get_action().takes_values()
                    || matches!(argument.get_action(), ArgAction::Help | ArgAction::Version);
                let name = argument.get_id().as_str();
                let is_known = VALUES
                    .iter()
                    .any(|known| known.0 == command.get_name() && known.1 == name)
                    || argument.get_value_hint() != ValueHint::Unknown
                    || !argument.get_possible_values().is_empty()
                    || FREE.contains(&name);
                if !is_flag && !is_known {
                    unknown.push(format!("{} {name}", command.get_name()));
                }
            }
            command.get_subcommands().for_each(|sub| look(sub, unknown));
        }
        let mut command = crate::cli::command().disable_help_subcommand(true);
        command.build();
        let mut unknown = Vec::new();
        look(&command, &mut unknown);
        assert!(unknown.is_empty(), "add them to VALUES: {unknown:?}");
        for (name, argument, _) in VALUES {
            let sub = command.find_subcommand(name);
            let found =
                sub.and_then(|sub| sub.get_arguments().find(|known| known.get_id() == argument));
            assert!(found.is_some(), "{name} has no {argument}");
        }
    }

    #[test]
    fn a_reference_that_names_its_layout_has_three_parts() {
        assert_eq!(
            split("oci:a/b:x:1"),
            Some(("oci:a/b:".to_owned(), "a/b", "x:1"))
        );
        assert_eq!(
            split("ocidir://a:x"),
            Some(("ocidir://a:".to_owned(), "a", "x"))
        );
        assert_eq!(split("oci:a"), None);
        assert_eq!(split("alpine:3"), None);
    }

    #[test]
    fn keys_come_before_values() {
        let said = Said::default();
        let texts = |typed: &str, more: &[&str]| -> Vec<String> {
            let found = filters(&said, typed, more).into_iter();
            found
                .map(|word| word.get_value().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(texts("lab", &[]), ["label=", "label!="]);
        assert_eq!(texts("d", &[]), ["dangling="]);
        assert_eq!(texts("dangling=", &[]), ["dangling=true", "dangling=false"]);
        assert_eq!(texts("s", &["before=", "since="]), ["since="]);
        assert!(texts("s", &[]).is_empty());
    }
}
