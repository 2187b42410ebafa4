//! What a layout owes its owner after a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::disk::State;
use crate::support::contents::{Stock, digests_in};
use crate::support::tree::Tree;

/// What the command that met the power cut was to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Task {
    /// Names or blobs go, perhaps to the trash.
    Remove,
    /// Names come back.
    Restore,
    /// index.json has the names already, and the blobs come back.
    BringBack,
    /// What is in the trash goes for good.
    Empty,
}

/// Files beside index.json that change with it.
const DOCKER_FILES: [&str; 2] = ["manifest.json", "repositories"];

const TRASH: &str = ".ocirm-trash";
const RECORD: &str = "removal.json";

/// What a layout holds, as far as a law is about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    files: BTreeMap<String, Vec<u8>>,
    /// The blobs of the layout.
    stock: Stock,
    /// The blobs of each removal in the trash.
    trash: BTreeMap<String, BTreeSet<String>>,
}

impl Picture {
    /// From the bytes of all files by their paths.
    pub(crate) fn new(files: BTreeMap<String, Vec<u8>>) -> Picture {
        let mut stock = BTreeMap::new();
        let mut trash: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, bytes) in &files {
            if let Some(digest) = digest_of_path(path) {
                stock.insert(digest, bytes.clone());
            } else if let Some((id, rest)) = in_trash(path) {
                let blobs = trash.entry(id.to_owned()).or_default();
                blobs.extend(digest_of_path(rest));
            }
        }
        Picture {
            files,
            stock: Stock(stock),
            trash,
        }
    }

    /// Of a layout as it lies there.
    pub(crate) fn of(layout: &Path) -> Picture {
        let paths = Tree::of(layout).items.into_keys();
        let files = paths.filter(|path| layout.join(path).is_file());
        let read = |path: String| {
            let bytes = std::fs::read(layout.join(&path)).expect("an own file");
            (path, bytes)
        };
        Picture::new(files.map(read).collect())
    }

    /// The paths of the blobs in the trash.
    pub(crate) fn blobs_in_trash(&self) -> BTreeSet<String> {
        let paths = self.files.keys();
        let is_blob = |path: &&String| in_trash(path).is_some_and(|(_, rest)| rest != RECORD);
        paths.filter(is_blob).cloned().collect()
    }

    /// Whether it is the path of a blob to which index.json leads.
    pub(crate) fn is_led_to(&self, path: &str) -> bool {
        digest_of_path(path).is_some_and(|digest| self.led_to().contains(&digest))
    }

    fn index(&self) -> &[u8] {
        &self.files["index.json"]
    }

    /// All that index.json leads to, as far as the layout has it.
    fn led_to(&self) -> BTreeSet<String> {
        self.stock
            .below(digests_in(&String::from_utf8_lossy(self.index())))
    }

    fn records(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().filter_map(|(path, bytes)| {
            let (id, rest) = in_trash(path)?;
            (rest == RECORD).then_some((id, bytes.as_slice()))
        })
    }
}

fn in_trash(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix(TRASH)?.strip_prefix('/')?.split_once('/')
}

fn digest_of_path(path: &str) -> Option<String> {
    let (algorithm, name) = path.strip_prefix("blobs/")?.split_once('/')?;
    let is_hex = name.len() >= 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| format!("{algorithm}:{name}"))
}

/// What is known of a command before the power goes.
#[derive(Debug)]
pub(crate) struct Laws {
    pub(crate) task: Task,
    pub(crate) before: Picture,
    pub(crate) after: Picture,
    needed_before: BTreeSet<String>,
    needed_after: BTreeSet<String>,
    /// Blobs that are somewhere before and after.
    kept: BTreeSet<String>,
    /// What left index.json is in the record.
    has_new_record: bool,
    /// Blobs that somebody else wrote a moment ago: they can be lost, unless this run counts on them.
    volatile: BTreeSet<String>,
    /// Blobs whose content need not be there as long as nothing leads to them.
    unwritten: BTreeSet<String>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Laws {
    /// `volatile` are the paths of files that were not on the disk for sure when the command began, `unwritten`
    /// those of files whose content was not.
    pub(crate) fn new(
        task: Task,
        before: Picture,
        after: Picture,
        volatile: &BTreeSet<String>,
        unwritten: &BTreeSet<String>,
    ) -> Laws {
        let everywhere = |picture: &Picture| {
            let trash = picture.trash.values().flatten().cloned();
            picture
                .stock
                .digests()
                .into_iter()
                .chain(trash)
                .collect::<BTreeSet<_>>()
        };
        let after_all = everywhere(&after);
        let ids: BTreeSet<&str> = before.records().map(|(id, _)| id).collect();
        let of_path =
            |path: &String| digest_of_path(in_trash(path).map_or(path.as_str(), |(_, rest)| rest));
        let kept: BTreeSet<String> = everywhere(&before)
            .intersection(&after_all)
            .cloned()
            .collect();
        let has_new_record = after.records().any(|(id, _)| !ids.contains(id));
        let needed_after = after.led_to();
        Laws {
            task,
            needed_before: match before.index() == after.index() {
                // What goes of an image that keeps its name.
                true => before
                    .led_to()
                    .intersection(&needed_after)
                    .cloned()
                    .collect(),
                false => before.led_to(),
            },
            needed_after,
            kept,
            has_new_record,
            volatile: volatile.iter().filter_map(of_path).collect(),
            unwritten: unwritten.iter().filter_map(of_path).collect(),
            contents: [&before, &after]
                .into_iter()
                .flat_map(|picture| &picture.files)
                .filter_map(|(path, bytes)| Some((of_path(path)?, bytes.clone())))
                .collect(),
            before,
            after,
        }
    }

    /// What is wrong with a state; `said`: the command had said that it is done.
    pub(crate) fn broken_by(&self, state: &State<'_>, said: bool) -> Option<String> {
        let index = state.read("index.json");
        let is_new = index == Some(self.after.index());
        if !is_new && index != Some(self.before.index()) {
            return Some("index.json is neither the old one nor the new one".into());
        }
        for file in DOCKER_FILES {
            let pictures = [&self.before, &self.after];
            let known = pictures.map(|picture| picture.files.get(file).map(Vec::as_slice));
            let found = state.find(file).map(|_| state.read(file));
            if !known.into_iter().any(|bytes| found == bytes.map(Some)) {
                return Some(format!("{file} is neither the old one nor the new one"));
            }
        }
        let is_same = self.before.index() == self.after.index();
        let needed = match is_new && (!is_same || said) {
            true => &self.needed_after,
            false => &self.needed_before,
        };
        let path = |digest: &String| format!("blobs/{}", digest.replace(':', "/"));
        let is_whole = |digest: &String, path: &str| {
            let bytes = state.read(path);
            bytes.is_some() && bytes == self.contents.get(digest).map(Vec::as_slice)
        };
        let is_there = |digest: &String, path: &str| match self.unwritten.contains(digest) {
            true => state.find(path).is_some(),
            false => is_whole(digest, path),
        };
        if let Some(digest) = needed
            .iter()
            .find(|digest| !is_whole(digest, &path(digest)))
        {
            return Some(format!("index.json leads to {digest}, which is not there"));
        }
        let ids: BTreeSet<&str> = state.list(TRASH).into_iter().collect();
        let mut recorded: BTreeSet<&str> = BTreeSet::new();
        for id in &ids {
            let record = format!("{TRASH}/{id}/{RECORD}");
            if state.find(&record).is_none() {
                continue;
            }
            let pictures = [&self.before, &self.after];
            let known = pictures.map(|picture| picture.files.get(&record).map(Vec::as_slice));
            let found = state.read(&record);
            if found.is_none() || !known.contains(&found) {
                return Some(format!("the record of {id} is not whole"));
            }
            recorded.insert(id);
        }
        let in_trash = |digest: &String| {
            let mut ids = recorded.iter();
            ids.any(|id| is_there(digest, &format!("{TRASH}/{id}/{}", path(digest))))
        };
        let is_volatile = |digest: &&String| self.volatile.contains(*digest);
        for digest in self.kept.iter().filter(|digest| !is_volatile(digest)) {
            if !is_there(digest, &path(digest)) && !in_trash(digest) {
                return Some(format!("{digest} is lost"));
            }
        }
        for id in &recorded {
            let promised = self.before.trash.get(*id).into_iter().flatten();
            for digest in promised {
                let here = format!("{TRASH}/{id}/{}", path(digest));
                if state.find(&here).is_none() && state.find(&path(digest)).is_none() {
                    return Some(format!(
                        "the record of {id} promises {digest}, which is gone"
                    ));
                }
            }
        }
        let is_removed = is_new && !is_same;
        if self.has_new_record
            && is_removed
            && recorded
                .iter()
                .all(|id| self.before.trash.contains_key(*id))
        {
            return Some("names left index.json, and the trash has no record of them".into());
        }
        if !said {
            return None;
        }
        if !is_new {
            return Some("it said that it was done, and index.json is the old one".into());
        }
        let gone = self.before.stock.0.keys();
        let gone = gone.filter(|digest| !self.after.stock.0.contains_key(*digest));
        let trashed: BTreeSet<&String> = self.after.trash.values().flatten().collect();
        match self.task {
            Task::Remove => gone
                .filter(|digest| trashed.contains(*digest))
                .find(|digest| !in_trash(digest) || state.find(&path(digest)).is_some())
                .map(|digest| {
                    format!("it said that {digest} was moved to the trash, and it was not")
                }),
            _ => None,
        }
    }
}
