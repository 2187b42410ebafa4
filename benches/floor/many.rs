//! The floor program on many layouts: a prune of each that is found below a directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, Dir, FileType};

use super::digest_set::Scanner;
use super::{Floor, NEW_INDEX, open_directory};

/// Bytes that are asked for at once: what small layouts have.
const SMALL: usize = 1 << 15;

/// Lists each directory once, and prunes the layouts among them, with so many threads. `lists` has a
/// directory of the same path for each: which manifests stay, and index.json as it is to become, if it is
/// to become another.
pub(super) fn prune(tree: &Path, lists: &Path, threads: usize) -> io::Result<()> {
    let mut layouts = Vec::new();
    let mut depth = vec![PathBuf::new()];
    while !depth.is_empty() {
        let listed = each(&depth, threads, |path| Here::list(&tree.join(path)))?;
        let mut deeper = Vec::new();
        for (place, here) in listed {
            let path = &depth[place];
            if here.is_layout {
                layouts.push(path.clone());
            } else {
                deeper.extend(here.directories.iter().map(|name| path.join(name)));
            }
        }
        depth = deeper;
    }
    each(&layouts, threads, |path| prune_one(tree, lists, path))?;
    Ok(())
}

fn prune_one(tree: &Path, lists: &Path, path: &Path) -> io::Result<()> {
    let layout = open_directory(CWD, tree.join(path))?;
    let lists = lists.join(path);
    let replaces = lists.join(NEW_INDEX).exists();
    let floor = Floor {
        blobs: open_directory(&layout, "blobs/sha256")?,
        layout,
        lists: open_directory(CWD, lists)?,
        threads: 1,
        document: SMALL,
        entries: SMALL,
        dry_run: false,
        scanner: Scanner::new(),
    };
    floor.prune(replaces)
}

/// What one directory has.
struct Here {
    is_layout: bool,
    directories: Vec<String>,
}

impl Here {
    fn list(dir: &Path) -> io::Result<Here> {
        let mut here = Here {
            is_layout: false,
            directories: Vec::new(),
        };
        for entry in Dir::new(open_directory(CWD, dir)?)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            here.is_layout |= name == "oci-layout";
            if entry.file_type() == FileType::Directory && name != "." && name != ".." {
                here.directories.push(name.into_owned());
            }
        }
        Ok(here)
    }
}

/// Does something with each of these, with so many threads. What comes of it, with the place of each, is in
/// no order.
fn each<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> io::Result<R> + Sync,
) -> io::Result<Vec<(usize, R)>> {
    let next = AtomicUsize::new(0);
    let run = || -> io::Result<Vec<(usize, R)>> {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else {
                return Ok(done);
            };
            done.push((place, work(item)?));
        }
    };
    if threads <= 1 {
        return run();
    }
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut all = run()?;
        for other in others {
            let done = other.join();
            all.extend(done.map_err(|_| io::Error::other("a thread panicked"))??);
        }
        Ok(all)
    })
}
