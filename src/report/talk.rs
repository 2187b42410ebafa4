//! Reports, told to a person. What was done, or would be, and what was left as a matter of course is
//! written to standard output; what somebody must look at is said on standard error, so that a job which
//! throws standard output away is silent as long as all is well. The sentences are those of `messages`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use super::change::{KEEP, Report};
use super::change_lines::Line;
use super::console::Console;
use super::messages::{
    BRING_BACK, DELETED, END, KEPT, LEAD, MOVED, MOVED_BACK, REMOVED, RESTORED, ReportedError,
    TRASHED, UNLINKED, UNTAGGED, blobs,
};
use super::restore::RestoreReport;
use super::shorten::{message, visible};
use super::sums::Sums;
use super::units::{size, total};
use crate::words::{count, listed};

impl Report<'_> {
    /// Writes what is said on standard output: `Untagged: NAME`, `Deleted: DIGEST`, with `verbose` what
    /// each name led to and each blob with its size; then how much it was, and what stayed and why.
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
                Line::Untagged(name, digest) => {
                    write!(out, "{untagged}: {}", visible(name))?;
                    // Without a name the digest stands there already.
                    match verbose && !name.ends_with(&*digest.encoded()) {
                        true => writeln!(out, " ({digest})")?,
                        false => writeln!(out)?,
                    }
                }
                Line::Deleted(digest) => writeln!(out, "{deleted}: {digest}")?,
            }
        }
        for blob in blobs {
            let (digest, kind, size) = (&blob.digest, blob.kind.word(), size(blob.size));
            writeln!(out, "{unlinked}: {digest} ({kind}, {size})")?;
        }
        if !self.is_empty() || self.errors.is_empty() {
            writeln!(out, "{}", capitalised(self.sums().sentence(self.dry_run)))?;
        }
        self.write_kept(verbose, out)?;
        for rewritten in &self.rewritten {
            writeln!(
                out,
                "{} {} to a new index: {}",
                visible(&rewritten.name),
                LEAD.of(self.dry_run),
                rewritten.to
            )?;
        }
        self.write_decisions(verbose, out)?;
        for note in &self.notes {
            writeln!(out, "{}", message(note))?;
        }
        Ok(())
    }

    /// Writes one line about one of several layouts.
    pub(crate) fn write_line(&self, layout: &Path, out: &mut dyn Write) -> io::Result<()> {
        let layout = layout.display().to_string();
        writeln!(
            out,
            "{}: {}",
            visible(&layout),
            self.sums().sentence(self.dry_run)
        )
    }

    /// Whether there is anything that somebody must look at.
    pub(crate) fn has_talk(&self, console: Console) -> bool {
        let has_more =
            !self.remarks.is_empty() || !self.warnings.is_empty() || !self.errors.is_empty();
        self.has_failed() || has_more && !console.is_quiet()
    }

    /// Says what somebody must look at.
    pub(crate) fn talk(&self, console: Console) {
        for remark in &self.remarks {
            console.note(&message(remark));
        }
        talk_failures(console, &self.warnings, &self.errors);
    }

    /// Writes of each name what keeps or removes it: in a dry run, and for who asks for more words.
    fn write_decisions(&self, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
        let decisions = self.decisions.iter().filter(|_| verbose || self.dry_run);
        for decided in decisions {
            let head = match decided.decision {
                KEEP => KEPT,
                _ => REMOVED,
            };
            writeln!(
                out,
                "{}: {} ({}), {}",
                head.of(self.dry_run),
                visible(decided.name),
                decided.digest.short(),
                visible(decided.reason)
            )?;
        }
        // Where nothing was to be kept, what containers use stays all the same.
        let kept = self
            .kept_images
            .iter()
            .filter(|_| verbose && self.decisions.is_empty());
        for kept in kept {
            writeln!(
                out,
                "{}: {} ({}), {}",
                KEPT.of(self.dry_run),
                visible(kept.name),
                kept.digest.short(),
                visible(kept.reason)
            )?;
        }
        Ok(())
    }

    /// How much it was.
    pub(crate) fn sums(&self) -> Sums {
        Sums {
            removed: self.entries_removed as u64,
            rewritten: self.rewritten.len() as u64,
            dangling: self.entries_dangling as u64,
            deleted: self.deleted.len() as u64,
            trashed: self.trashed,
            freed: self.freed_bytes - self.emptied.weight.bytes,
            freed_at_most: self.freed_at_most,
            removals: self.emptied.removals,
            emptied: self.emptied.weight,
            layouts: 1,
            changed: u64::from(!self.is_empty()),
        }
    }

    fn write_kept(&self, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let holders: BTreeSet<&str> = self.kept.iter().map(|blob| &*blob.needed_by).collect();
        let holders: Vec<String> = holders
            .into_iter()
            .map(|name| visible(name).into())
            .collect();
        writeln!(
            out,
            "{} {} ({}) referenced by {}.",
            KEPT.of(self.dry_run),
            blobs(self.kept.len() as u64),
            size(total(self.kept.iter().map(|blob| blob.size))),
            listed(&holders, 3)
        )?;
        for blob in self.kept.iter().filter(|_| verbose) {
            writeln!(
                out,
                "{}: {} ({}, {}), referenced by {}",
                KEPT.of(self.dry_run),
                blob.digest,
                blob.kind,
                size(blob.size),
                visible(&blob.needed_by)
            )?;
        }
        Ok(())
    }
}

fn capitalised(mut text: String) -> String {
    text[..1].make_ascii_uppercase();
    text
}

impl RestoreReport {
    /// Writes what is said on standard output: what came back, and how much it was.
    pub(crate) fn write_text(&self, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
        let [restored, moved] = [RESTORED, MOVED_BACK].map(|words| words.of(self.dry_run));
        for entry in &self.restored {
            writeln!(out, "{restored}: {}", visible(&entry.name))?;
        }
        for blob in self.blobs.iter().filter(|_| verbose) {
            writeln!(out, "{moved}: {} ({})", blob.digest, size(blob.size))?;
        }
        if !self.restored.is_empty() || !self.blobs.is_empty() {
            writeln!(
                out,
                "{} {} of index.json and {} ({}).{}",
                BRING_BACK.of(self.dry_run),
                count(self.restored.len(), "entry", "entries"),
                blobs(self.blobs.len() as u64),
                size(self.bytes),
                END.of(self.dry_run)
            )?;
        } else if self.errors.is_empty() {
            writeln!(out, "There is nothing to restore.")?;
        }
        Ok(())
    }

    /// Says what somebody must look at.
    pub(crate) fn talk(&self, console: Console) {
        talk_failures(console, &self.warnings, &self.errors);
    }
}

fn talk_failures(console: Console, warnings: &[String], errors: &[ReportedError]) {
    for warning in warnings {
        console.warning(&message(warning));
    }
    for error in errors {
        if error.is_forgiven {
            console.note(&message(&error.message));
            continue;
        }
        console.error(&message(&error.message));
        if let Some(hint) = &error.hint {
            console.hint(&message(hint));
        }
    }
}
