//! Reports, told to a person: the lines for standard output, and what is said on standard error beside
//! them. The sentences are those of `messages`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::change::{KEEP, Report};
use super::change_lines::Line;
use super::console::Console;
use super::messages::{
    BRING_BACK, CHANGE, DELETE, DELETED, END, FREE, KEPT, LEAD, LEAVE, MOVE, MOVED, NOTHING,
    REMOVE, REMOVED, ReportedError, TRASHED, Tenses, UNLINKED, UNTAGGED, blobs, weight,
};
use super::restore::RestoreReport;
use super::shorten::{message, visible};
use super::units::{size, size_freed, total};
use crate::words::{count, listed};

impl Report<'_> {
    /// Whether there are any lines for standard output.
    pub(crate) fn has_text(&self, verbose: bool) -> bool {
        !self.lines.is_empty() || verbose && !self.deleted.is_empty()
    }

    /// Writes the lines for standard output: `Untagged: NAME`, `Deleted: DIGEST`, and with `verbose`
    /// each blob with its size.
    pub(crate) fn write_text(&self, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
        let (deleted, unlinked) = match self.to_trash {
            true => (TRASHED, MOVED),
            false => (DELETED, UNLINKED),
        };
        let [untagged, deleted, unlinked] =
            [UNTAGGED, deleted, unlinked].map(|words| words.of(self.dry_run));
        let blobs = self.deleted.iter().filter(|_| verbose);
        for line in &self.lines {
            match line {
                Line::Untagged(name) => writeln!(out, "{untagged}: {}", visible(name))?,
                Line::Deleted(digest) => writeln!(out, "{deleted}: {digest}")?,
            }
        }
        for blob in blobs {
            let (digest, kind, size) = (&blob.digest, blob.kind.word(), size(blob.size));
            writeln!(out, "{unlinked}: {digest} ({kind}, {size})")?;
        }
        Ok(())
    }

    /// Says what the lines do not: how much it was, what stayed and why, what failed.
    pub(crate) fn talk(&self, console: Console) {
        if !self.is_empty() || self.errors.is_empty() {
            console.say(&format!("{}{}", self.summary(), END.of(self.dry_run)));
        }
        self.talk_kept(console);
        for rewritten in &self.rewritten {
            console.say(&format!(
                "{} {} to a new index: {}",
                visible(&rewritten.name),
                LEAD.of(self.dry_run),
                rewritten.to
            ));
        }
        self.talk_decisions(console);
        for note in &self.notes {
            console.say(&message(note));
        }
        talk_failures(console, &self.warnings, &self.errors);
    }

    /// Says of each name what keeps or removes it: in a dry run, and to who asks for more words.
    fn talk_decisions(&self, console: Console) {
        for decided in &self.decisions {
            let head = match decided.decision {
                KEEP => KEPT,
                _ => REMOVED,
            };
            let line = format!(
                "{}: {} ({}), {}",
                head.of(self.dry_run),
                visible(decided.name),
                decided.digest.short(),
                visible(decided.reason)
            );
            match self.dry_run {
                true => console.say(&line),
                false => console.say_more(&line),
            }
        }
        // Where nothing was to be kept, what containers use stays all the same.
        let kept = self
            .kept_images
            .iter()
            .filter(|_| self.decisions.is_empty());
        for kept in kept {
            console.say_more(&format!(
                "Kept: {} ({}), {}",
                visible(kept.name),
                kept.digest.short(),
                visible(kept.reason)
            ));
        }
    }

    /// One line: how many entries of index.json, how many blobs, how many bytes.
    fn summary(&self) -> String {
        let of = |words: Tenses| words.of(self.dry_run);
        let entries = |number| count(number, "entry", "entries");
        let mut parts = Vec::new();
        if self.entries_removed > 0 {
            let entries = entries(self.entries_removed);
            parts.push(format!("{} {entries} of index.json", of(REMOVE)));
        }
        if !self.rewritten.is_empty() {
            let entries = entries(self.rewritten.len());
            parts.push(format!("{} {entries} of index.json", of(CHANGE)));
        }
        if self.entries_dangling > 0 {
            let images = count(self.entries_dangling, "image", "images");
            parts.push(format!("{} {images} dangling", of(LEAVE)));
        }
        let trashed = weight(self.trashed);
        if self.to_trash && !self.deleted.is_empty() {
            parts.push(format!("{} {trashed} to the trash", of(MOVE)));
        } else if !self.deleted.is_empty() {
            let deleted = blobs(self.deleted.len() as u64);
            parts.push(format!("{} {deleted}", of(DELETE)));
            if self.trashed.blobs > 0 {
                parts.push(format!(
                    "{} {trashed} of these to the trash, where images lead to them",
                    of(MOVE)
                ));
            }
            let freed = self.freed_bytes - self.emptied.weight.bytes;
            let freed = size_freed(freed, self.freed_at_most);
            parts.push(format!("{} {freed}", of(FREE)));
        }
        if self.emptied.removals > 0 {
            parts.push(format!(
                "{} {} with {} ({}) from the trash",
                of(DELETE),
                count(self.emptied.removals, "removal", "removals"),
                blobs(self.emptied.weight.blobs),
                size(self.emptied.weight.bytes)
            ));
        }
        if parts.is_empty() {
            return of(NOTHING).to_owned();
        }
        let mut text = listed(&parts, parts.len());
        text[..1].make_ascii_uppercase();
        text + "."
    }

    fn talk_kept(&self, console: Console) {
        if self.kept.is_empty() {
            return;
        }
        let holders: BTreeSet<&str> = self.kept.iter().map(|blob| &*blob.needed_by).collect();
        let holders: Vec<String> = holders
            .into_iter()
            .map(|name| visible(name).into())
            .collect();
        console.say(&format!(
            "Kept {} ({}) referenced by {}.",
            blobs(self.kept.len() as u64),
            size(total(self.kept.iter().map(|blob| blob.size))),
            listed(&holders, 3)
        ));
        for blob in &self.kept {
            console.say_more(&format!(
                "Kept: {} ({}, {}), referenced by {}",
                blob.digest,
                blob.kind,
                size(blob.size),
                visible(&blob.needed_by)
            ));
        }
    }
}

impl RestoreReport {
    /// Says how much it was, and what was not done.
    pub(crate) fn talk(&self, console: Console) {
        if !self.restored.is_empty() || !self.blobs.is_empty() {
            console.say(&format!(
                "{} {} of index.json and {} ({}).{}",
                BRING_BACK.of(self.dry_run),
                count(self.restored.len(), "entry", "entries"),
                blobs(self.blobs.len() as u64),
                size(self.bytes),
                END.of(self.dry_run)
            ));
        } else if self.errors.is_empty() {
            console.say("There is nothing to restore.");
        }
        talk_failures(console, &self.warnings, &self.errors);
    }
}

fn talk_failures(console: Console, warnings: &[String], errors: &[ReportedError]) {
    for warning in warnings {
        console.warning(&message(warning));
    }
    for error in errors {
        console.error(&message(&error.message));
        if let Some(hint) = &error.hint {
            console.hint(&message(hint));
        }
    }
}
