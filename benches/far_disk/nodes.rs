//! Which files the kernel knows, and where they are: each by the number of its inode, with all names
//! under which it was looked up.
//!
//! Nothing is held open for a file that is only known, so hundreds of thousands of them need no file
//! descriptors. A path is put together from names when it is asked for.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The number by which the kernel knows the directory that is mounted.
pub(super) const ROOT: u64 = 1;

/// All files that the kernel knows.
#[derive(Debug, Default)]
pub(super) struct Nodes(HashMap<u64, Node>);

#[derive(Debug, Default)]
struct Node {
    /// Directory and name. A directory has one, a file one for each hard link that was looked up.
    names: Vec<(u64, OsString)>,
    /// How often the kernel was told of it. It says how often it forgets.
    lookups: u64,
    /// Becomes another when the number belongs to another file.
    generation: u64,
    /// Open files of it, by which it can be asked for when it has no name any more.
    handles: Vec<u64>,
}

impl Nodes {
    /// Takes note that the kernel is told of a file. The value is its generation.
    pub(super) fn looked_up(&mut self, number: u64, directory: u64, name: &OsStr) -> u64 {
        let node = self.0.entry(number).or_default();
        if node.names.is_empty() && node.lookups > 0 {
            node.generation += 1;
        }
        node.lookups += 1;
        add_name(node, directory, name);
        node.generation
    }

    /// Takes note that the kernel forgets a file so many times.
    pub(super) fn forgotten(&mut self, number: u64, times: u64) {
        if let Some(node) = self.0.get_mut(&number) {
            node.lookups = node.lookups.saturating_sub(times);
            if node.lookups == 0 && node.handles.is_empty() {
                self.0.remove(&number);
            }
        }
    }

    /// A file has another name.
    pub(super) fn named(&mut self, number: u64, directory: u64, name: &OsStr) {
        if let Some(node) = self.0.get_mut(&number) {
            add_name(node, directory, name);
        }
    }

    /// A file has lost a name.
    pub(super) fn unnamed(&mut self, number: u64, directory: u64, name: &OsStr) {
        if let Some(node) = self.0.get_mut(&number) {
            node.names.retain(|own| !is_name(own, directory, name));
        }
    }

    /// Where a file is, relative to the directory that is mounted. None if it has no name any more.
    pub(super) fn path(&self, number: u64) -> Option<PathBuf> {
        let mut names = Vec::new();
        let mut number = number;
        while number != ROOT {
            let (directory, name) = self.0.get(&number)?.names.last()?;
            names.push(name);
            number = *directory;
        }
        // `.` is the mounted directory itself, and harmless before all others.
        let mut path = PathBuf::from(".");
        path.extend(names.into_iter().rev());
        Some(path)
    }

    /// Where a file of this name in a directory is.
    pub(super) fn path_in(&self, directory: u64, name: &OsStr) -> Option<PathBuf> {
        Some(self.path(directory)?.join(Path::new(name)))
    }

    /// A file was opened.
    pub(super) fn opened(&mut self, number: u64, handle: u64) {
        self.0.entry(number).or_default().handles.push(handle);
    }

    /// A file was closed.
    pub(super) fn closed(&mut self, number: u64, handle: u64) {
        if let Some(node) = self.0.get_mut(&number) {
            node.handles.retain(|own| *own != handle);
            if node.lookups == 0 && node.handles.is_empty() {
                self.0.remove(&number);
            }
        }
    }

    /// Some open file of it.
    pub(super) fn handle(&self, number: u64) -> Option<u64> {
        self.0.get(&number)?.handles.first().copied()
    }
}

fn is_name((own_directory, own): &(u64, OsString), directory: u64, name: &OsStr) -> bool {
    *own_directory == directory && own == name
}

fn add_name(node: &mut Node, directory: u64, name: &OsStr) {
    if !node.names.iter().any(|own| is_name(own, directory, name)) {
        node.names.push((directory, name.to_owned()));
    }
}
