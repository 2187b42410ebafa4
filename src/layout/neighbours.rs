//! Neighbours: whether a layout lies beside others, as the repositories of a store do.
//!
//! A file without bytes says one thing in a store and another thing elsewhere. Among the repositories of a
//! store that deduplicates it is a stub, and the bytes are in another one. In a layout that lies alone it
//! is what a power cut left of a file, which is damage. Nobody is asked unless there is such a file.

use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use super::Layout;
use crate::files::stat::promises_more;
use crate::value::digest::Digest;
use crate::workers::Workers;

/// How many entries of a directory are looked at. Where there are more, nobody knows, and a layout is
/// taken for one that has neighbours.
const MOST_LOOKED_AT: usize = 4096;

/// How many layouts beside those of a command are looked into, at most: that is done for each command that deletes.
const MOST_NEIGHBOURS: usize = 1024;

impl Layout {
    /// Whether a blob's file of this length in bytes is a stub; see `stubs.rs`.
    pub(super) fn is_stub(&self, size: u64, digest: &Digest) -> bool {
        promises_more(size, digest) && self.has_neighbours()
    }

    fn has_neighbours(&self) -> bool {
        *self.neighbours.get_or_init(|| {
            // What lies beside a mounted bucket is not to be seen.
            self.unsafe_mount().is_some() || lies_beside_others(&self.path).unwrap_or(true)
        })
    }

    /// Says that this layout is one of several, wherever they lie.
    pub(crate) fn into_one_of_several(self) -> Layout {
        let _ = self.neighbours.set(true);
        self
    }
}

/// Whether another layout lies in the same directory, or in a directory of layouts beside that: `a/b`
/// and `c/d` are repositories of one store, if it has nothing else.
fn lies_beside_others(path: &Path) -> std::io::Result<bool> {
    let path = path.canonicalize()?;
    let Some(parent) = path.parent() else {
        return Ok(false);
    };
    let is_other = |entry: &DirEntry| entry.path() != path && is_layout(&entry.path());
    let is_beside = |entry: DirEntry| is_other(&entry);
    if any(parent, &mut |entry| Ok(is_beside(entry)))? {
        return Ok(true);
    }
    let Some(above) = parent.parent() else {
        return Ok(false);
    };
    // A directory with anything else in it is no store.
    let mut others = false;
    let is_foreign = any(above, &mut |entry| {
        let dir = entry.path();
        if dir == parent || entry.file_name().as_encoded_bytes().starts_with(b"_") {
            return Ok(false);
        }
        let holds_layouts = entry.file_type()?.is_dir()
            && (is_layout(&dir) || any(&dir, &mut |entry| Ok(is_layout(&entry.path())))?);
        others |= holds_layouts;
        Ok(!holds_layouts)
    })?;
    Ok(others && !is_foreign)
}

/// Layouts that lie in the same directories as these, and are none of these, in order: all, if they are not thousands.
pub(crate) fn layouts_beside(paths: &[PathBuf]) -> Vec<PathBuf> {
    let paths: BTreeSet<PathBuf> = paths
        .iter()
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let parents: BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    let listed = parents.into_iter().flat_map(|parent| {
        let entries = std::fs::read_dir(parent).into_iter().flatten();
        entries.take(MOST_LOOKED_AT).flatten()
    });
    let is_file = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let others = listed.filter(|entry| !is_file(entry));
    let others: BTreeSet<PathBuf> = others.map(|entry| entry.path()).collect();
    let others: Vec<PathBuf> = others.difference(&paths).cloned().collect();
    let look = |path: &PathBuf, _: &mut Vec<u8>| is_layout(path);
    let are_layouts = Workers::for_reading().map(&others, &look, || ());
    let layouts = others.into_iter().zip(are_layouts);
    let layouts = layouts.filter(|(_, is_layout)| *is_layout);
    layouts
        .map(|(path, _)| path)
        .take(MOST_NEIGHBOURS)
        .collect()
}

fn is_layout(path: &Path) -> bool {
    path.join("oci-layout").is_file()
}

/// Whether any entry of a directory is what `is_wanted` says.
fn any(
    dir: &Path,
    is_wanted: &mut dyn FnMut(DirEntry) -> std::io::Result<bool>,
) -> std::io::Result<bool> {
    for (number, entry) in std::fs::read_dir(dir)?.enumerate() {
        if number >= MOST_LOOKED_AT || is_wanted(entry?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::lies_beside_others;

    /// FR54.
    #[test]
    fn a_layout_has_neighbours_in_its_directory_or_in_those_beside_it() {
        for (layouts, files, expected) in [
            (&["s/a"][..], &[][..], false),
            (&["s/a"], &["s/index.html"], false),
            (&["s/a", "s/b"], &[], true),
            (&["s/a", "s/b"], &["s/index.html"], true),
            (&["s/x/a"], &[], false),
            (&["s/x/a", "s/y/b"], &[], true),
            (&["s/x/a", "s/y"], &["s/_trivy/db"], true),
            (&["s/x/a", "s/y/b"], &["s/z/file"], false),
            (&["s/x/a", "s/y/b"], &["s/file"], false),
            // A layout inside of another one is no neighbour.
            (&["s/a", "s/a/b"], &[], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let at = |path: &str| folder.path().join(path);
            for layout in layouts {
                std::fs::create_dir_all(at(layout)).unwrap();
                std::fs::write(at(layout).join("oci-layout"), "{}").unwrap();
            }
            for file in files {
                std::fs::create_dir_all(at(file).parent().unwrap()).unwrap();
                std::fs::write(at(file), "").unwrap();
            }
            let found = lies_beside_others(&at(layouts[0])).unwrap();
            assert_eq!(found, expected, "{layouts:?} {files:?}");
        }
    }
}
