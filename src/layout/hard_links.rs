//! Files with several names, over all layouts of a run: the bytes leave the disk with the last name only, and
//! [`HardLinks`] counts how many go. How old they are, `ages` remembers.

use std::collections::HashMap;

use crate::files::stat::{BlobStat, FileId};
use crate::value::digest::Digest;

/// Which of the blobs of one layout are names of files that have others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkedBlobs(HashMap<Digest, LinkedFile>);

/// A file with several names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkedFile {
    file: FileId,
    /// How many names it had before this run.
    links: u64,
}

impl LinkedBlobs {
    /// Takes note of a blob, if its file has other names.
    pub(crate) fn note(&mut self, digest: &Digest, stat: &BlobStat) {
        if stat.links > 1 && stat.size > 0 {
            let (file, links) = (stat.file, stat.links);
            self.0.insert(digest.clone(), LinkedFile { file, links });
        }
    }

    /// The file of a blob, if it has other names.
    pub(crate) fn file(&self, digest: &Digest) -> Option<LinkedFile> {
        // Most layouts have none, and all their blobs are asked for.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(digest).copied()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note of those of another time as well.
    pub(crate) fn add(&mut self, others: LinkedBlobs) {
        match self.0.is_empty() {
            true => self.0 = others.0,
            false => self.0.extend(others.0),
        }
    }
}

/// How many names of each file go. Several layouts that are pruned together share one, and each is counted
/// when it is its turn, whichever was pruned first.
#[derive(Clone, Debug, Default)]
pub struct HardLinks(HashMap<FileId, Links>);

#[derive(Clone, Copy, Debug, Default)]
struct Links {
    all: u64,
    going: u64,
}

impl HardLinks {
    /// Takes note of a name that goes. The value tells whether the file goes with it.
    pub(crate) fn is_last(&mut self, name: LinkedFile) -> bool {
        let file = self.0.entry(name.file).or_default();
        file.all = file.all.max(name.links);
        file.going += 1;
        file.going == file.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FR54: the bytes are counted once, with whichever name comes last in the report.
    #[test]
    fn a_file_goes_with_the_last_of_its_names() {
        let file = |number, links| LinkedFile {
            file: FileId {
                device: 1,
                inode: number,
            },
            links,
        };
        let mut links = HardLinks::default();
        let names = [(1, 2), (2, 3), (1, 2), (2, 3), (3, 2), (2, 3)];
        let last = names.map(|(number, all)| links.is_last(file(number, all)));
        assert_eq!(last, [false, false, true, false, false, true]);
    }
}
