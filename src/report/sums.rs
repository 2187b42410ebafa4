//! How much a changing command did, in one sentence: of one layout, or of several together.

use std::ops::AddAssign;

use super::messages::{
    CHANGE, DELETE, END, FREE, LEAVE, MOVE, NOTHING, REMOVE, Tenses, blobs, weight,
};
use super::units::{size, size_freed};
use crate::layout::Weight;
use crate::words::{count, listed};

/// See the module. Of dry runs it is what would be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// Entries of index.json that go.
    pub(super) removed: u64,
    /// Entries that lead to a new index.
    pub(super) rewritten: u64,
    /// Entries that lose their name.
    pub(super) dangling: u64,
    /// Blobs that go.
    pub(super) deleted: u64,
    /// Those of them that go to the trash.
    pub(super) trashed: Weight,
    /// Bytes that leave the disk, without those of the trash.
    pub(super) freed: u64,
    /// It may be less.
    pub(super) freed_at_most: bool,
    /// Removals that leave the trash for good.
    pub(super) removals: u64,
    /// Their blobs.
    pub(super) emptied: Weight,
    /// Layouts.
    pub(super) layouts: u64,
    /// Those in which anything of this is.
    pub(super) changed: u64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Sums) {
        self.removed += other.removed;
        self.rewritten += other.rewritten;
        self.dangling += other.dangling;
        self.deleted += other.deleted;
        self.trashed += other.trashed;
        self.freed = self.freed.saturating_add(other.freed);
        self.freed_at_most |= other.freed_at_most && other.freed > 0;
        self.removals += other.removals;
        self.emptied += other.emptied;
        self.layouts += other.layouts;
        self.changed += other.changed;
    }
}

impl Sums {
    /// One layout more, of which no report came.
    pub(crate) fn add_failed(&mut self) {
        self.layouts += 1;
    }

    /// How much it was, beginning with a small letter.
    pub(super) fn sentence(&self, dry_run: bool) -> String {
        let parts = self.parts(dry_run);
        let text = match parts.is_empty() {
            true => NOTHING.of(dry_run).to_owned(),
            false => listed(&parts, parts.len()) + ".",
        };
        text + END.of(dry_run)
    }

    /// How much it was in all layouts.
    pub(crate) fn total(&self, dry_run: bool) -> String {
        let layouts = count(self.layouts, "layout", "layouts");
        let (changed, would) = (self.changed, CHANGE.of(dry_run));
        let parts = self.parts(dry_run);
        let what = match parts.is_empty() {
            true => String::new(),
            false => format!(": {}", listed(&parts, parts.len())),
        };
        format!("{changed} of {layouts} {would}{what}.{}", END.of(dry_run))
    }

    fn parts(&self, dry_run: bool) -> Vec<String> {
        let of = |words: Tenses| words.of(dry_run);
        let entries = |number| count(number, "entry", "entries");
        let mut parts = Vec::new();
        if self.removed > 0 {
            let entries = entries(self.removed);
            parts.push(format!("{} {entries} of index.json", of(REMOVE)));
        }
        if self.rewritten > 0 {
            let entries = entries(self.rewritten);
            parts.push(format!("{} {entries} of index.json", of(CHANGE)));
        }
        if self.dangling > 0 {
            let images = count(self.dangling, "image", "images");
            parts.push(format!("{} {images} dangling", of(LEAVE)));
        }
        let trashed = weight(self.trashed);
        if self.deleted > 0 && self.trashed.blobs == self.deleted {
            parts.push(format!("{} {trashed} to the trash", of(MOVE)));
        } else if self.deleted > 0 {
            let deleted = blobs(self.deleted);
            parts.push(format!("{} {deleted}", of(DELETE)));
            if self.trashed.blobs > 0 {
                parts.push(format!(
                    "{} {trashed} of these to the trash, where images lead to them",
                    of(MOVE)
                ));
            }
            let freed = size_freed(self.freed, self.freed_at_most);
            parts.push(format!("{} {freed}", of(FREE)));
        }
        if self.removals > 0 {
            parts.push(format!(
                "{} {} with {} ({}) from the trash",
                of(DELETE),
                count(self.removals, "removal", "removals"),
                blobs(self.emptied.blobs),
                size(self.emptied.bytes)
            ));
        }
        parts
    }
}
