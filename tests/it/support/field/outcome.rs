//! Compares what a step left in a layout with what its case says: whatever the case does not take out stays as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::case::{After, LayoutSpec, Left, NewIndex};
use super::described::{Described, digest_by};
use super::state::{State, digest_of_path, row_name};
use crate::support::contents::blob_path;
use crate::support::tree::{Change, What};

const TRASH: &str = ".ocirm-trash";

/// One layout of a case: its description and where it lies.
pub(crate) struct OnDisk {
    pub(crate) layout: Described,
    pub(crate) root: PathBuf,
    first: State,
}

type Checked = Result<(), String>;

impl OnDisk {
    pub(crate) fn write(spec: &LayoutSpec, root: &Path) -> Result<Self, String> {
        let layout = Described::of(spec)?;
        layout.write(root)?;
        let root = root.to_owned();
        Ok(OnDisk {
            first: State::of(&root)?,
            layout,
            root,
        })
    }

    pub(crate) fn check(&self, was: &State, after: &After, trash_is_asked_for: bool) -> Checked {
        let now = State::of(&self.root)?;
        let some = match after {
            After::Same => return self.same(was, &now),
            After::Restored => return self.restored(&now),
            After::OneOf(some) => some,
        };
        let mut problems = Vec::new();
        for left in some {
            let step = Step {
                place: self,
                was,
                now: &now,
                left,
                trash_is_asked_for,
            };
            match step.check() {
                Ok(()) => return Ok(()),
                Err(problem) => problems.push(problem),
            }
        }
        Err(problems.join("; or else: "))
    }

    fn same(&self, was: &State, now: &State) -> Checked {
        let changes = was.tree.changes(&now.tree);
        let changes: Vec<String> = changes.iter().map(|change| self.show(change)).collect();
        if changes.is_empty() {
            Ok(())
        } else {
            Err(format!("something changed: {}", changes.join(", ")))
        }
    }

    fn restored(&self, now: &State) -> Checked {
        if now.raw != self.first.raw {
            return Err("index.json is not what it was, byte for byte".to_owned());
        }
        let differ: BTreeSet<&String> = now
            .present
            .symmetric_difference(&self.first.present)
            .collect();
        if !differ.is_empty() {
            return Err(format!(
                "the blobs are not those of the beginning: {}",
                self.titles(differ)
            ));
        }
        self.same_bytes(&self.first, now)
    }

    /// No blob that is still there has other bytes than before.
    fn same_bytes(&self, was: &State, now: &State) -> Checked {
        for (path, item) in was
            .tree
            .items
            .iter()
            .filter(|(path, _)| path.starts_with("blobs/"))
        {
            if now
                .tree
                .items
                .get(path)
                .is_some_and(|is| is.content != item.content)
            {
                return Err(format!("other bytes than before: {}", self.title_of(path)));
            }
        }
        Ok(())
    }

    fn show(&self, change: &Change) -> String {
        let title = self.title_of(&change.path);
        Change {
            path: title,
            what: change.what,
        }
        .to_string()
    }

    fn title_of(&self, path: &str) -> String {
        digest_of_path(path).map_or_else(|| path.to_owned(), |digest| self.title(&digest))
    }

    /// What the case calls a digest.
    fn title(&self, digest: &str) -> String {
        let names = self.layout.names.iter().filter(|(_, own)| *own == digest);
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            digest.to_owned()
        } else {
            names.join("/")
        }
    }

    fn titles<'a>(&self, digests: impl IntoIterator<Item = &'a String>) -> String {
        let titles: Vec<String> = digests
            .into_iter()
            .map(|digest| self.title(digest))
            .collect();
        titles.join(", ")
    }

    /// The entries as `NAME=blob`, or `NAME=*` where they lead to a blob that no description made.
    fn row_list(&self, state: &State) -> Vec<String> {
        let blob = |row: &Value| {
            let mut names = self.layout.names.iter();
            let name = names.find(|(_, digest)| row["digest"] == **digest);
            name.map_or("*", |(name, _)| name.as_str()).to_owned()
        };
        state
            .rows
            .iter()
            .map(|row| format!("{}={}", row_name(row), blob(row)))
            .collect()
    }
}

/// What one step did to one layout.
struct Step<'a> {
    place: &'a OnDisk,
    was: &'a State,
    now: &'a State,
    left: &'a Left,
    trash_is_asked_for: bool,
}

impl Step<'_> {
    fn check(&self) -> Checked {
        let (gone, loose) = self.expected()?;
        let present = &self.now.present;
        let left: Vec<&String> = gone.intersection(present).collect();
        if !left.is_empty() {
            return Err(format!("still there: {}", self.place.titles(left)));
        }
        let keep = self
            .was
            .present
            .iter()
            .filter(|d| !gone.contains(*d) && !loose.contains(*d));
        let lost: Vec<&String> = keep.filter(|digest| !present.contains(*digest)).collect();
        if !lost.is_empty() {
            return Err(format!("lost: {}", self.place.titles(lost)));
        }
        self.place.same_bytes(self.was, self.now)?;
        let made = self.rows()?;
        self.nothing_else(&made)?;
        // What an entry that stays led to must be there, unless the case takes it away on purpose.
        let stays = |row: &&Value| self.was.rows.contains(row) || **row == self.was.doc["subject"];
        let rows = self.now.rows.iter().chain([&self.now.doc["subject"]]);
        for row in rows.filter(stays).filter(|row| !row.is_null()) {
            let reached = self.now.reach([row]);
            let lost = reached.intersection(&self.was.present);
            let lost =
                lost.filter(|d| !present.contains(*d) && !gone.contains(*d) && !loose.contains(*d));
            let lost: Vec<&String> = lost.collect();
            if !lost.is_empty() {
                return Err(format!(
                    "the entry `{}` lost {}",
                    row_name(row),
                    self.place.titles(lost)
                ));
            }
        }
        Ok(())
    }

    /// The digests that must be gone, and those that may be there or not.
    fn expected(&self) -> Result<(BTreeSet<String>, BTreeSet<String>), String> {
        let layout = &self.place.layout;
        let named = |patterns: &[String], with_parts: bool| -> Result<BTreeSet<String>, String> {
            let patterns = patterns
                .iter()
                .filter(|pattern| pattern.ends_with('+') == with_parts);
            let parts = patterns
                .map(|pattern| layout.parts(pattern))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(parts.into_iter().flatten().collect())
        };
        let digests = |names: &BTreeSet<String>| -> BTreeSet<String> {
            names
                .iter()
                .filter_map(|name| layout.names.get(name).cloned())
                .collect()
        };
        let (exact, parts) = (
            named(&self.left.gone, false)?,
            named(&self.left.gone, true)?,
        );
        let loose = digests(&named(&self.left.any, false)?)
            .union(&digests(&named(&self.left.any, true)?))
            .cloned()
            .collect();
        // `NAME+` leaves alone what a document that is still there has in common with it.
        let owners: BTreeMap<&String, &String> = layout
            .own
            .iter()
            .flat_map(|(owner, parts)| parts.iter().map(move |part| (part, owner)))
            .collect();
        let here = |name: &String| {
            layout
                .names
                .get(name)
                .is_some_and(|d| self.was.present.contains(d))
        };
        let others: BTreeSet<&String> = layout
            .names
            .iter()
            .filter(|(name, _)| !exact.contains(*name) && !parts.contains(*name))
            .filter(|(name, _)| here(name) && owners.get(name).is_some_and(|owner| here(owner)))
            .map(|(_, digest)| digest)
            .collect();
        let mut gone = digests(&exact);
        gone.extend(
            digests(&parts)
                .into_iter()
                .filter(|digest| !others.contains(digest)),
        );
        let loose: BTreeSet<String> = loose;
        let loose = loose.difference(&gone).cloned().collect();
        Ok((gone, loose))
    }

    /// Compares the entries, and gives the digests of the new indexes that they lead to.
    fn rows(&self) -> Result<BTreeSet<String>, String> {
        let (was, now, layout) = (self.was, self.now, &self.place.layout);
        let got = self.place.row_list(now);
        match &self.left.rows {
            None if now.rows != was.rows => {
                let before = self.place.row_list(was);
                return Err(format!(
                    "the entries of index.json are {got:?}, not {before:?}"
                ));
            }
            None => {}
            Some(rows) => {
                let want = rows
                    .iter()
                    .map(|row| layout.expand(row))
                    .collect::<Result<Vec<_>, _>>()?;
                if got != want {
                    return Err(format!(
                        "the entries of index.json are {got:?}, not {want:?}"
                    ));
                }
            }
        }
        let mut made = BTreeSet::new();
        let mut before = was.rows.clone();
        for row in &now.rows {
            if let Some(at) = before.iter().position(|old| old == row) {
                before.remove(at);
                continue;
            }
            if row_name(row) == "~" {
                continue;
            }
            let digest = row["digest"].as_str().unwrap_or_default();
            if was.present.contains(digest) || layout.data.contains_key(digest) {
                return Err(format!("the entry `{}` is not what it was", row_name(row)));
            }
            made.insert(digest.to_owned());
            self.new_index(row, digest)?;
        }
        let others = |doc: &Value| {
            let mut others = doc.clone();
            others
                .as_object_mut()
                .and_then(|members| members.remove("manifests"));
            others
        };
        if others(&was.doc) != others(&now.doc) {
            return Err("a member of index.json beside `manifests` changed".to_owned());
        }
        Ok(made)
    }

    fn new_index(&self, row: &Value, digest: &str) -> Checked {
        let path = blob_path(&self.now.root, digest);
        let bytes = std::fs::read(path).map_err(|e| format!("the new index is not there: {e}"))?;
        let alg = digest.split(':').next().unwrap_or_default();
        if digest_by(alg, &bytes)? != digest || row["size"] != bytes.len() {
            return Err("the new index is not what its descriptor says".to_owned());
        }
        let Some(NewIndex { of, lists }) = &self.left.new_index else {
            return Ok(());
        };
        let layout = &self.place.layout;
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).map_err(|e| e.to_string());
        let mut new = read(&bytes)?;
        let mut old = read(&layout.data[layout.digest(of)?])?;
        let kept = lists
            .iter()
            .map(|name| layout.digest(name))
            .collect::<Result<BTreeSet<_>, _>>()?;
        let listed = old["manifests"].as_array().cloned().unwrap_or_default();
        let is_kept = |child: &Value| {
            child["digest"]
                .as_str()
                .is_some_and(|digest| kept.contains(digest))
        };
        let want: Vec<Value> = listed.into_iter().filter(is_kept).collect();
        if new["manifests"] != Value::from(want.clone()) {
            let got = new["manifests"].as_array().into_iter().flatten();
            let got: Vec<String> = got
                .map(|c| self.place.title(c["digest"].as_str().unwrap_or_default()))
                .collect();
            return Err(format!(
                "the new index lists {got:?}, not {lists:?} (in this order, as the old one described them)"
            ));
        }
        for doc in [&mut new, &mut old] {
            doc["manifests"] = Value::Null;
        }
        if new != old {
            return Err("the members of the new index are not those of the old one".to_owned());
        }
        let reached = self.was.reach(&want);
        let needed = reached.intersection(&self.was.present);
        let lost: Vec<&String> = needed.filter(|d| !self.now.present.contains(*d)).collect();
        if lost.is_empty() {
            Ok(())
        } else {
            Err(format!("the new index lacks {}", self.place.titles(lost)))
        }
    }

    fn nothing_else(&self, made: &BTreeSet<String>) -> Checked {
        let in_trash = |path: &str| path == TRASH || path.starts_with(&format!("{TRASH}/"));
        let is_blob = |path: &str| path.starts_with("blobs/");
        for change in self.was.tree.changes(&self.now.tree) {
            let path = change.path.as_str();
            let fine = match change.what {
                What::New => {
                    let data = &self.place.layout.data;
                    let known =
                        |digest: String| made.contains(&digest) || data.contains_key(&digest);
                    in_trash(path) || is_blob(path) && digest_of_path(path).is_some_and(known)
                }
                What::Mode => false,
                What::Gone | What::Content | What::Time => {
                    is_blob(path)
                        || in_trash(path)
                        || ["index.json", "manifest.json", "repositories"].contains(&path)
                }
            };
            if !fine {
                return Err(self.place.show(&change));
            }
        }
        let had_trash = self.was.tree.items.contains_key(TRASH);
        if self.now.tree.items.contains_key(TRASH) && !had_trash && !self.trash_is_asked_for {
            return Err(format!("`{TRASH}` was made although nobody asked for it"));
        }
        Ok(())
    }
}
