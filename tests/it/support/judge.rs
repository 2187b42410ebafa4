//! Decides whether what ocirm printed and left behind is what a case expects, and what every case expects.

use std::collections::BTreeSet;

use serde_json::Value;

use super::case_layout::{CaseLayout, Images};
use super::command::Finished;
use super::contents::{Stock, index, read_index};
use super::deletion_case::{Case, Expect};
use super::index_document::{IndexDocument, Row};

use super::names::{DANGLING, short};
use super::tree::{Change, Tree, What, blob_digest};

/// A case with its fresh layout, as it was before anything ran.
pub(crate) struct Judge<'a> {
    case: &'a Case,
    pub(crate) images: Images,
    pub(crate) stock: Stock,
    pub(crate) layout: CaseLayout,
    pub(crate) before: Tree,
    pub(crate) outside: Tree,
    pub(crate) index: IndexDocument,
}

type Problems = Vec<String>;

impl<'a> Judge<'a> {
    pub(crate) fn new(case: &'a Case, mut images: Images, layout: CaseLayout) -> Self {
        // Every image of the case exists now, so that messages can name it.
        for symbol in case.targets.keys() {
            images.node(symbol);
        }
        let before = Tree::of(&layout.dir);
        let outside = layout.place.beside("layout");
        let index = index(&layout.dir);
        Judge {
            case,
            stock: images.stock(),
            images,
            layout,
            before,
            outside,
            index,
        }
    }

    /// Digests reachable from the rows through blobs that were there before, without going from an index to one of `cut`.
    fn reach(&self, rows: &[Row], cut: &BTreeSet<String>) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<String> = rows.iter().map(|row| row.digest.clone()).collect();
        while let Some(digest) = todo.pop() {
            if !seen.insert(digest.clone()) || !self.layout.present.contains(&digest) {
                continue;
            }
            let Some(data) = self.stock.0.get(&digest) else {
                continue;
            };
            let Ok(document) = serde_json::from_slice::<Value>(data) else {
                continue;
            };
            if document["schemaVersion"] != 2 {
                continue;
            }
            let listed = |key: &str| -> Vec<String> {
                let list = document[key].as_array().map_or(&[][..], Vec::as_slice);
                list.iter()
                    .filter_map(|entry| entry["digest"].as_str())
                    .map(str::to_owned)
                    .collect()
            };
            todo.extend(listed("manifests").into_iter().filter(|d| !cut.contains(d)));
            todo.extend(listed("layers"));
            todo.extend(document["config"]["digest"].as_str().map(str::to_owned));
        }
        seen
    }

    fn expand_all(&mut self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.images.expand(text)).collect()
    }

    fn lines(&mut self, run: &Finished, expect: &Expect, dry: bool) -> Problems {
        let mut problems = Problems::new();
        let said = run.said(dry);
        let heads = if dry {
            ["Would untag", "Would delete"]
        } else {
            ["Untagged", "Deleted"]
        };
        let expected = [&expect.untagged, &expect.deleted];
        for ((head, got), want) in heads
            .iter()
            .zip([&said.untagged, &said.deleted])
            .zip(expected)
        {
            let Some(want) = want else {
                continue;
            };
            let want = self.expand_all(want);
            if *got == want {
                continue;
            }
            let sorted = |lines: &[String]| {
                let mut lines = lines.to_vec();
                lines.sort();
                lines
            };
            let hint = if sorted(got) == sorted(&want) {
                "\n    (the same lines in another order)"
            } else {
                ""
            };
            problems.push(format!(
                "`{head}` lines are\n      {got:?}\n    and should be\n      {want:?}{hint}"
            ));
        }
        if !said.wrong.is_empty() {
            let run = if dry { "the dry run" } else { "the run" };
            problems.push(format!("{run} prints lines of the other kind"));
        }
        problems
    }

    fn ending(run: &Finished, expect: &Expect) -> Problems {
        let mut problems: Problems = run
            .wrong_ending(expect.exit.allowed())
            .into_iter()
            .collect();
        if run.code().is_some_and(|code| code != 0) && run.err.trim().is_empty() {
            problems.push("failed without a word on standard error".to_owned());
        }
        if run.panicked() {
            problems.push("panicked".to_owned());
        }
        if run.err.contains("Error response from daemon")
            || run.out.contains("Error response from daemon")
        {
            problems.push("speaks of a daemon".to_owned());
        }
        problems
    }

    pub(crate) fn dry_run(&mut self, run: &Finished, expect: &Expect) -> Problems {
        let mut problems = Self::ending(run, expect);
        // Where the answer on the terminal is no, nothing goes; the dry run knows of no answer.
        let has_lines = |lines: &Option<Vec<String>>| lines.as_ref().is_some_and(|l| !l.is_empty());
        if self.case.stdin.is_none() || has_lines(&expect.deleted) || has_lines(&expect.untagged) {
            problems.extend(self.lines(run, expect, true));
        }
        problems
    }

    pub(crate) fn real_run(&mut self, run: &Finished, expect: &Expect) -> Problems {
        let mut problems = Self::ending(run, expect);
        if self.case.stdin.is_some() && run.asked != Some(true) {
            problems.push("never asked [y/N]".to_owned());
        }
        problems.extend(self.lines(run, expect, false));
        for text in self.expand_all(&expect.stderr_contains) {
            if !run.err.contains(&text) {
                problems.push(format!("standard error does not contain {text:?}"));
            }
        }
        for some in &expect.stderr_mentions {
            let some = self.expand_all(some);
            if !some.iter().any(|text| run.err.contains(text)) {
                problems.push(format!("standard error mentions none of {some:?}"));
            }
        }
        problems
    }

    /// What is on the disk afterwards.
    pub(crate) fn disk(
        &mut self,
        run: &Finished,
        expect: &Expect,
        after: &Tree,
        outside: &Tree,
    ) -> Problems {
        let mut problems: Problems = self
            .outside
            .changes(outside)
            .iter()
            .map(|change| format!("outside the layout: {change}"))
            .collect();
        let mut gone = BTreeSet::new();
        let mut freed = 0;
        for Change { path, what } in self.before.changes(after) {
            match (path.as_str(), what) {
                ("index.json", What::Content | What::Time) => {}
                (_, What::Gone) if blob_digest(&path).is_some() => {
                    gone.extend(blob_digest(&path));
                    freed += self.before.items[&path].size();
                }
                _ => problems.push(Change { path, what }.to_string()),
            }
        }
        let index = match read_index(&self.layout.dir) {
            Ok(index) => index,
            Err(e) => {
                problems.push(e);
                return problems;
            }
        };
        problems.extend(self.rows(&index, expect));
        problems.extend(self.blobs(&index, expect, &gone));
        let answered_no =
            self.case.stdin.is_some() && expect.deleted.as_ref().is_none_or(Vec::is_empty);
        if self.case.verb() == "prune" && run.code() == Some(0) && !answered_no {
            problems.extend(Self::reclaimed(run, expect, freed));
        }
        problems
    }

    fn reclaimed(run: &Finished, expect: &Expect, freed: u64) -> Problems {
        let mut problems = Problems::new();
        let said = run.reclaimed();
        #[expect(clippy::cast_precision_loss, reason = "a few kilobytes")]
        let freed = freed as f64;
        match said {
            None => problems.push("no line `Total reclaimed space: SIZE`".to_owned()),
            // Three significant digits are printed.
            Some(said) if (said - freed).abs() > freed * 0.006 + 0.5 => problems.push(format!(
                "`Total reclaimed space` says {said} bytes, {freed} bytes left"
            )),
            Some(_) => {}
        }
        if expect.reclaimed.is_some() && said != expect.reclaimed {
            problems.push(format!(
                "`Total reclaimed space` is {said:?}, should be {:?}",
                expect.reclaimed
            ));
        }
        problems
    }

    fn rows(&mut self, index: &IndexDocument, expect: &Expect) -> Problems {
        let mut problems = Problems::new();
        let mut want: Vec<(Option<String>, String)> = Vec::new();
        for row in &expect.remaining {
            let name = row.name.as_ref().map(|name| self.images.expand(name));
            want.push((name, self.images.node(&row.target).digest().to_owned()));
        }
        for symbol in &expect.dangling {
            let digest = self.images.node(symbol).digest().to_owned();
            want.push((Some(format!("{DANGLING}{digest}")), digest));
        }
        let mut got = names_of(&index.rows);
        want.sort();
        got.sort();
        if got != want {
            problems.push(format!(
                "index.json has the entries{}\n    and should have{}",
                listed(&got),
                listed(&want)
            ));
        }
        if index.others != self.index.others {
            problems.push("index.json: members other than `manifests` changed".to_owned());
        }

        // An entry is one of before, with the same text; or it is a new one for an image that lost its last name.
        let old = names_of(&self.index.rows);
        let mut stay: Vec<usize> = Vec::new();
        for row in &index.rows {
            let same = (0..self.index.rows.len())
                .find(|i| self.index.rows[*i].raw == row.raw && !stay.contains(i));
            let key = (row.name.clone(), row.digest.clone());
            if let Some(i) = same {
                stay.push(i);
            } else if let Some(i) = old.iter().position(|name| *name == key) {
                problems.push(format!(
                    "the entry {} is not what it was:\n      {}\n    was\n      {}",
                    row.show(),
                    row.raw,
                    self.index.rows[i].raw
                ));
            } else if row.is_dangling() {
                problems.extend(self.new_dangling(row, &got));
            }
        }
        if !stay.is_sorted() {
            problems.push("index.json: the entries that stay are in another order".to_owned());
        }
        if index.has_rows_of(&self.index) && index.data != self.index.data {
            problems.push("index.json: no entry changed, yet the file did".to_owned());
        }
        for (symbol, notes) in &expect.dangling_annotations {
            let digest = self.images.node(symbol).digest().to_owned();
            for row in index
                .rows
                .iter()
                .filter(|r| r.digest == digest && r.is_dangling())
            {
                for (key, want) in notes {
                    let value = &row.value["annotations"][key];
                    if value.as_str() != Some(want) {
                        problems.push(format!(
                            "the dangling row of {symbol} has {key} = {value}, should be {want:?}"
                        ));
                    }
                }
            }
        }
        problems
    }

    /// A new dangling row has to be one of the rows that went, with other name annotations.
    fn new_dangling(&self, row: &Row, got: &[(Option<String>, String)]) -> Option<String> {
        let went = |old: &&Row| {
            old.digest == row.digest && !got.contains(&(old.name.clone(), old.digest.clone()))
        };
        let mut complaint = "is none of the rows that went";
        for old in self.index.rows.iter().filter(went) {
            complaint = row.differs_from_untagged(old)?;
        }
        Some(format!(
            "the dangling row {} {complaint}:\n      {}",
            row.show(),
            row.raw
        ))
    }

    fn blobs(
        &mut self,
        index: &IndexDocument,
        expect: &Expect,
        gone: &BTreeSet<String>,
    ) -> Problems {
        let mut problems = Problems::new();
        let exists: BTreeSet<String> = self.layout.present.difference(gone).cloned().collect();
        for address in &expect.blobs_present {
            let digest = self.images.blob(address);
            if !exists.contains(&digest) {
                problems.push(format!("blob {address} ({}) is gone", short(&digest)));
            }
        }
        for address in &expect.blobs_absent {
            let digest = self.images.blob(address);
            if exists.contains(&digest) {
                problems.push(format!(
                    "blob {address} ({}) is still there",
                    short(&digest)
                ));
            }
        }

        // What a case removes from inside an index is not missed there.
        let mut cut = BTreeSet::new();
        if self.case.args.iter().any(|arg| arg == "--platform") {
            cut.extend(self.expand_all(expect.deleted.as_deref().unwrap_or_default()));
        }
        let titles = self.images.titles();
        let title = |digest: &String| {
            let name = titles.get(digest).map_or("blob", String::as_str);
            format!("{name} ({})", short(digest))
        };
        let present = &self.layout.present;
        let live = self.reach(&index.rows, &cut);
        for digest in live.intersection(present).filter(|d| !exists.contains(*d)) {
            problems.push(format!(
                "{} was deleted, and a remaining entry needs it",
                title(digest)
            ));
        }
        if self.case.verb() == "untag" {
            for digest in gone.intersection(present) {
                problems.push(format!("untag deleted {}", title(digest)));
            }
        } else {
            let once = self.reach(&self.index.rows, &BTreeSet::new());
            for digest in once.difference(&live).filter(|d| exists.contains(*d)) {
                problems.push(format!(
                    "{} is left behind, and nothing needs it any more",
                    title(digest)
                ));
            }
        }
        if !self.layout.garbage.is_subset(&exists) {
            problems.push(
                "a blob that was garbage before was deleted; that is for prune, after a grace period"
                    .to_owned(),
            );
        }
        problems
    }
}

fn names_of(rows: &[Row]) -> Vec<(Option<String>, String)> {
    rows.iter()
        .map(|row| (row.name.clone(), row.digest.clone()))
        .collect()
}

fn listed(rows: &[(Option<String>, String)]) -> String {
    if rows.is_empty() {
        return "\n      (none)".to_owned();
    }
    rows.iter()
        .map(|(name, digest)| {
            let name = name.as_deref().unwrap_or("(no name)");
            format!("\n      {name} -> {}", short(digest))
        })
        .collect()
}
