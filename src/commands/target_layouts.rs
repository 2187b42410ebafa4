//! Which layouts a command is about: those of `--layout`, directories among the arguments, a reference
//! that names one, the environment, or the current directory.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::session::Session;
use crate::error::{Error, ErrorKind};
use crate::gc::Siblings;
use crate::layout::{FileId, discover};
use crate::layout_argument::{default_layout, directory, is_directory, split};
use crate::report::console::{Console, shown};
use crate::value::transport::elsewhere;
use crate::words::{quoted, shell_word};

/// The layouts that a command is about that takes no references: those of `--layout`, those that were
/// given as arguments, and all below `recursive`; without any, that of the environment or the current
/// directory. `given` are directories, or `oci:DIR` as skopeo has it.
///
/// # Errors
/// Exit status 2 where an argument names an image; 1 where there is no layout below `recursive`.
pub(super) fn layout_directories(
    session: &Session,
    recursive: Option<&Path>,
    given: Vec<PathBuf>,
) -> anyhow::Result<TargetLayouts> {
    let mut layouts = session.layouts.clone();
    for path in given {
        let path = directory(path)?;
        // What is no directory may be an option that went wrong: then nothing is done at all.
        if !path.exists() {
            let text = path.to_string_lossy();
            let error = match elsewhere(&text) {
                Some(elsewhere) => Error::usage(elsewhere.message).hint(elsewhere.hint),
                None => Error::usage(format!("there is no directory {}", quoted(&text))).hint(
                    match text.contains('=') {
                        true => format!("filters go with --filter {}", shell_word(&text)),
                        false => "layout directories are asked for here; `ocirm rmi` takes images"
                            .to_owned(),
                    },
                ),
            };
            return Err(error.into());
        }
        layouts.push(path);
    }
    several(session, recursive, layouts)
}

/// The layouts that `ls` is about, and the references without what named one. Which arguments are
/// directories is said at [`is_directory`].
///
/// # Errors
/// As for [`layout_directories`], and references that name different layouts.
pub(super) fn layouts_and_references(
    session: &Session,
    recursive: Option<&Path>,
    arguments: Vec<String>,
) -> anyhow::Result<(TargetLayouts, Vec<String>)> {
    let is_given = !session.layouts.is_empty() || recursive.is_some();
    let mut layouts = session.layouts.clone();
    let mut references = Vec::new();
    for text in arguments {
        match is_directory(&text, is_given) {
            true => layouts.push(directory(text.into())?),
            false => references.push(text),
        }
    }
    if layouts.len() > 1 || recursive.is_some() {
        if let Some(text) = references.iter().find(|text| split(text).is_some()) {
            return Err(Error::usage(format!("`{text}` names a layout of its own"))
                .hint("with several layouts, give references without one")
                .into());
        }
        return Ok((several(session, recursive, layouts)?, references));
    }
    let (path, references) = one_layout(&layouts, references)?;
    refuse_paths(&path, &references)?;
    Ok((TargetLayouts::of(vec![path]), references))
}

/// These layouts and all below `recursive`, each once.
fn several(
    session: &Session,
    recursive: Option<&Path>,
    layouts: Vec<PathBuf>,
) -> anyhow::Result<TargetLayouts> {
    let mut found = TargetLayouts::of(layouts);
    if let Some(dir) = recursive {
        let below = discover(dir);
        for path in &below.almost {
            let path = path.to_string_lossy();
            session.console.warning(&shown(&format!(
                "{} has index.json and blobs but no oci-layout, so it is no layout and is left alone",
                quoted(&path)
            )));
        }
        if below.layouts.is_empty() {
            let message = match below.failures.first() {
                Some(failure) => failure.clone(),
                None => format!(
                    "there is no layout below {}",
                    quoted(&dir.to_string_lossy())
                ),
            };
            return Err(Error::new(ErrorKind::Failed, message).into());
        }
        let root = dir.canonicalize();
        let is_below = |path: &PathBuf| {
            let real = path.canonicalize();
            matches!((&real, &root), (Ok(real), Ok(root)) if real.starts_with(root))
        };
        found.tree = found.layouts.iter().all(is_below).then(|| dir.to_owned());
        found.layouts.extend(below.layouts);
        found.ids = below.ids;
        found.failures = below.failures;
        found.links = below.links;
        found.several = true;
    }
    if found.layouts.is_empty() {
        found.layouts.push(default_layout()?);
    }
    if found.several {
        found.drop_repeated();
        if found.layouts.len() > 1 {
            session.has_several();
        }
    }
    Ok(found)
}

/// Layouts that were named or found.
pub(super) struct TargetLayouts {
    pub(super) layouts: Vec<PathBuf>,
    /// Which directories they are, as far as that is known.
    pub(super) ids: HashMap<PathBuf, FileId>,
    pub(super) failures: Vec<String>,
    /// Symbolic links to directories that were found on the way.
    pub(super) links: Vec<(FileId, PathBuf)>,
    /// Whether there may be more than one, so that output says which it is about.
    pub(super) several: bool,
    /// The directory below which all of them are, and are all that there are.
    tree: Option<PathBuf>,
}

impl TargetLayouts {
    fn of(layouts: Vec<PathBuf>) -> TargetLayouts {
        TargetLayouts {
            several: layouts.len() > 1,
            layouts,
            ids: HashMap::new(),
            failures: Vec::new(),
            links: Vec::new(),
            tree: None,
        }
    }

    /// What they and others that the command names are to each other in a store.
    pub(super) fn siblings(&self, also_roots: &[PathBuf]) -> Siblings {
        let paths = self.layouts.iter().chain(also_roots).cloned().collect();
        let is_said = self.tree.is_some() || !also_roots.is_empty();
        let siblings = Siblings::new(paths, is_said && self.failures.is_empty());
        match &self.tree {
            Some(root) if also_roots.is_empty() => {
                let own: HashSet<&FileId> = self.ids.values().collect();
                let links = self.links.iter().filter(|(id, _)| !own.contains(id));
                siblings.in_tree(root.clone(), links.map(|(_, path)| path.clone()).collect())
            }
            _ => siblings,
        }
    }

    /// Keeps each layout once, however often and by whichever paths it was named or found.
    fn drop_repeated(&mut self) {
        let mut times: HashMap<FileId, usize> = HashMap::new();
        for path in &self.layouts {
            let id = self.ids.get(path).copied();
            if let Some(id) = id.or_else(|| FileId::of_path(path).ok()) {
                self.ids.insert(path.clone(), id);
                *times.entry(id).or_default() += 1;
            }
        }
        let mut seen = HashSet::new();
        self.layouts.retain(|path| {
            // Following every part of a path is many waits on a disk that is far away, and only paths to
            // one directory can be the same. Not every disk gives each directory a number of its own.
            let is_alone = self.ids.get(path).is_some_and(|id| times[id] == 1);
            // One that cannot be found is reported when it is its turn.
            is_alone || seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
        });
    }

    #[cfg(test)]
    pub(super) fn for_tests(layouts: &[PathBuf]) -> TargetLayouts {
        let mut found = TargetLayouts::of(layouts.to_vec());
        found.drop_repeated();
        found
    }

    /// Says what could not be looked into. The value is the exit status.
    pub(super) fn say_failures(&self, console: Console) -> u8 {
        for failure in &self.failures {
            console.error(&shown(failure));
        }
        match self.failures.is_empty() {
            true => 0,
            false => ErrorKind::Failed.exit_status(),
        }
    }
}

/// Says in which of several layouts something failed.
pub(super) fn in_layout(path: &Path, error: anyhow::Error) -> anyhow::Error {
    error.context(format!("in the layout `{}`", path.display()))
}

/// The layout, and the references without what named it.
///
/// # Errors
/// Exit status 2: they name different layouts, or a layout and no image where one `is_needed`.
pub(super) fn target_layout(
    session: &Session,
    references: Vec<String>,
    is_needed: bool,
) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let first = references.first().cloned();
    let (path, references) = one_layout(&session.layouts, references)?;
    if let Some(first) = first.filter(|_| is_needed && references.is_empty()) {
        return Err(
            Error::usage(format!("{} names a layout, and no image", quoted(&first)))
                .hint(format!("{}:REF names one", first.trim_end_matches(':')))
                .into(),
        );
    }
    refuse_paths(&path, &references)?;
    Ok((path, references))
}

/// Where there is no layout to look names up in, `DIR` and `DIR:REF` are said to be what they are.
///
/// # Errors
/// Exit status 2: one of them leads to a layout.
fn refuse_paths(layout: &Path, references: &[String]) -> Result<(), Error> {
    let is_layout = |path: &str| Path::new(path).join("oci-layout").exists();
    if layout.join("oci-layout").exists() {
        return Ok(());
    }
    for text in references {
        let dir = match text.split_once(':') {
            _ if is_layout(text) => Some(text.as_str()),
            Some((dir, reference)) if !reference.is_empty() && is_layout(dir) => Some(dir),
            _ => None,
        };
        if let Some(dir) = dir {
            let (image, message) = match text.len() == dir.len() {
                true => (
                    format!("oci:{dir}:REF"),
                    format!("{} is a layout, and no name", quoted(dir)),
                ),
                false => (
                    format!("oci:{text}"),
                    format!("{} is a layout, and {} no name", quoted(dir), quoted(text)),
                ),
            };
            return Err(Error::usage(message).hint(format!("{image} names an image in it")));
        }
    }
    Ok(())
}

/// The layout that is meant where none is named. Where there is none, an argument that names something of
/// another kind is what went wrong.
fn layout_at_hand(references: &[String]) -> Result<PathBuf, Error> {
    let path = default_layout()?;
    if !path.join("oci-layout").exists() {
        for text in references {
            if let Some(elsewhere) = elsewhere(text) {
                return Err(Error::usage(elsewhere.message).hint(elsewhere.hint));
            }
        }
    }
    Ok(path)
}

/// Whether two paths lead to one directory.
fn is_same(one: &Path, other: &Path) -> bool {
    let directory = |path| FileId::of_path(path).ok();
    one == other || directory(one).is_some_and(|of| directory(other) == Some(of))
}

fn one_layout(
    layouts: &[PathBuf],
    references: Vec<String>,
) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let mut named: Option<(PathBuf, String)> = None;
    let mut bare = Vec::new();
    for text in references {
        let Some((dir, reference)) = split(&text) else {
            bare.push(text);
            continue;
        };
        let dir = PathBuf::from(dir);
        if let Some((other, before)) = &named
            && !is_same(other, &dir)
        {
            return Err(
                Error::usage(format!("`{before}` and `{text}` name different layouts"))
                    .hint("work on one layout at a time")
                    .into(),
            );
        }
        bare.extend(reference.map(str::to_owned));
        named = Some((dir, text));
    }
    let given = match layouts {
        [] => None,
        [one] => Some(one),
        _ => {
            return Err(Error::usage("this command works on one layout")
                .hint("give --layout once")
                .into());
        }
    };
    let path = match (given, named) {
        (Some(dir), Some((named, text))) if !is_same(dir, &named) => {
            return Err(Error::usage(format!(
                "`{}` and `{text}` name different layouts",
                dir.display()
            ))
            .into());
        }
        (Some(dir), _) => dir.clone(),
        (None, Some((named, _))) => named,
        (None, None) => layout_at_hand(&bare)?,
    };
    Ok((path, bare))
}
