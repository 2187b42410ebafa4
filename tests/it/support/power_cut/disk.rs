//! A disk without a journal: of what was changed since a directory was synced, every single name may be
//! on the disk after a power cut or not, and of a file that was not synced as much or as little.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::trace::Op;

/// Which file or directory it is, by whichever name.
pub(crate) type Inode = usize;

/// The directory that everything is in.
const ROOT: Inode = 0;

/// What may be cut in two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Journal {
    /// Nothing holds names together: a rename from one directory into another is two changes.
    None,
    /// Both sides of a rename are there, or neither.
    Renames,
}

/// How many of all possibilities are tried where they are very many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Thoroughness {
    Full,
    Light,
}

#[derive(Clone, Debug)]
enum Node {
    Dir(BTreeMap<String, Inode>),
    File(Vec<u8>),
}

/// A name that was changed since its directory was synced.
#[derive(Clone, Debug)]
struct Change {
    /// The call that changed it.
    call: usize,
    dir: Inode,
    name: String,
    now: Option<Inode>,
}

/// What is on the disk for sure, what running programs see, and what lies between.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    journal: Journal,
    /// As running programs see it.
    live: Vec<Node>,
    /// The names of directories that are on the disk for sure.
    durable: BTreeMap<Inode, BTreeMap<String, Inode>>,
    changes: Vec<Change>,
    /// Files whose content is not on the disk for sure.
    unwritten: BTreeSet<Inode>,
    /// Files without a name: a disk that still has one may lose it.
    freed: BTreeSet<Inode>,
    /// Files that the present call took a name from.
    bereft: Vec<Inode>,
    calls: usize,
}

/// Names that no law is about: whatever becomes of them, the next run clears them away.
fn is_passing(name: &str) -> bool {
    name.starts_with(".ocirm-tmp-") || name == "index.json.lock"
}

impl Disk {
    /// What lies in a directory, all of it on the disk for sure but for the names of `volatile`, with their contents.
    ///
    /// Of the files of `unwritten`, the names are there for sure, and the contents are not.
    pub(crate) fn of(
        dir: &Path,
        journal: Journal,
        volatile: &BTreeSet<String>,
        unwritten: &BTreeSet<String>,
    ) -> Disk {
        let mut disk = Disk {
            journal,
            live: vec![Node::Dir(BTreeMap::new())],
            durable: BTreeMap::from([(ROOT, BTreeMap::new())]),
            changes: Vec::new(),
            unwritten: BTreeSet::new(),
            freed: BTreeSet::new(),
            bereft: Vec::new(),
            calls: 0,
        };
        let mut known = BTreeMap::new();
        disk.add(dir, ROOT, "", volatile, &mut known);
        disk.unwritten
            .extend(unwritten.iter().filter_map(|path| known.get(path)));
        disk
    }

    fn add(
        &mut self,
        dir: &Path,
        into: Inode,
        above: &str,
        volatile: &BTreeSet<String>,
        known: &mut BTreeMap<String, Inode>,
    ) {
        let entries = fs::read_dir(dir).expect("an own directory");
        for entry in entries.map(|entry| entry.expect("an own entry")) {
            let name = entry.file_name().into_string().expect("a name of a test");
            let path = format!("{above}{name}");
            let meta = entry.metadata().expect("an own file");
            let inode = meta.ino().to_string();
            let node = match known.get(&inode) {
                Some(node) => *node,
                None if meta.is_dir() => self.new_node(Node::Dir(BTreeMap::new())),
                None => self.new_node(Node::File(fs::read(entry.path()).expect("an own file"))),
            };
            known.extend([(inode, node), (path.clone(), node)]);
            self.calls += 1;
            self.set(into, &name, Some(node));
            if volatile.contains(&path) {
                self.unwritten.insert(node);
            } else {
                self.unwritten.remove(&node);
                self.settle(|change| change.dir == into && change.name == name);
            }
            if meta.is_dir() {
                self.add(&entry.path(), node, &format!("{path}/"), volatile, known);
            }
        }
    }

    fn new_node(&mut self, node: Node) -> Inode {
        let inode = self.live.len();
        match &node {
            Node::Dir(_) => {
                self.durable.insert(inode, BTreeMap::new());
            }
            Node::File(_) => {
                self.unwritten.insert(inode);
            }
        }
        self.live.push(node);
        inode
    }

    fn set(&mut self, dir: Inode, name: &str, now: Option<Inode>) {
        let Node::Dir(names) = &mut self.live[dir] else {
            panic!("{name} in a file");
        };
        let before = match now {
            Some(inode) => names.insert(name.to_owned(), inode),
            None => names.remove(name),
        };
        self.bereft.extend(before);
        self.changes.push(Change {
            call: self.calls,
            dir,
            name: name.to_owned(),
            now,
        });
    }

    /// Some changes are on the disk for sure from now on.
    fn settle(&mut self, is_chosen: impl Fn(&Change) -> bool) {
        let (settled, left) = self
            .changes
            .drain(..)
            .partition::<Vec<_>, _>(|c| is_chosen(c));
        self.changes = left;
        for change in settled {
            let names = self.durable.get_mut(&change.dir).expect("a directory");
            match change.now {
                Some(inode) => names.insert(change.name, inode),
                None => names.remove(&change.name),
            };
        }
    }

    fn find(&self, path: &str) -> Option<Inode> {
        let mut node = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Node::Dir(names) = &self.live[node] else {
                return None;
            };
            node = *names.get(name)?;
        }
        Some(node)
    }

    fn place<'p>(&self, path: &'p str) -> (Inode, &'p str) {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.find(dir).unwrap_or_else(|| panic!("no {dir}")), name)
    }

    /// Does what a program did. A sync that is not to be done is for [`Disk::skip`].
    pub(crate) fn apply(&mut self, op: &Op) {
        self.calls += 1;
        match op {
            Op::Create(path) => {
                let (dir, name) = self.place(path);
                if self.find(path).is_none() {
                    let node = self.new_node(Node::File(Vec::new()));
                    self.set(dir, name, Some(node));
                }
            }
            Op::Write(path, bytes) => {
                let node = self.find(path).unwrap_or_else(|| panic!("no {path}"));
                if let Node::File(content) = &mut self.live[node] {
                    content.extend(bytes);
                }
                self.unwritten.insert(node);
            }
            Op::Truncate(path) => {
                let node = self.find(path).unwrap_or_else(|| panic!("no {path}"));
                self.live[node] = Node::File(Vec::new());
                self.unwritten.insert(node);
            }
            Op::MakeDir(path) => {
                let (dir, name) = self.place(path);
                let node = self.new_node(Node::Dir(BTreeMap::new()));
                self.set(dir, name, Some(node));
            }
            Op::Remove(path) => {
                let (dir, name) = self.place(path);
                self.set(dir, name, None);
            }
            Op::Link(from, to) => {
                let node = self.find(from);
                let (dir, name) = self.place(to);
                self.set(dir, name, node);
            }
            Op::Rename(from, to) => {
                let node = self.find(from);
                let ((old_dir, old), (dir, name)) = (self.place(from), self.place(to));
                self.set(old_dir, old, None);
                self.set(dir, name, node);
            }
            Op::Exchange(one, other) => {
                let nodes = (self.find(one), self.find(other));
                let (first, second) = (self.place(one), self.place(other));
                self.set(first.0, first.1, nodes.1);
                self.set(second.0, second.1, nodes.0);
            }
            Op::Sync(path) => {
                let node = self.find(path).unwrap_or_else(|| panic!("no {path}"));
                self.unwritten.remove(&node);
                let calls: BTreeSet<usize> = match self.journal {
                    Journal::None => BTreeSet::new(),
                    Journal::Renames => {
                        let of_it = self.changes.iter().filter(|change| change.dir == node);
                        of_it.map(|change| change.call).collect()
                    }
                };
                self.settle(|change| change.dir == node || calls.contains(&change.call));
            }
            Op::Say(_) => {}
        }
        for file in std::mem::take(&mut self.bereft) {
            let has_name = self.live.iter().any(|node| match node {
                Node::Dir(names) => names.values().any(|node| *node == file),
                Node::File(_) => false,
            });
            if !has_name && matches!(self.live[file], Node::File(_)) {
                self.unwritten.insert(file);
                self.freed.insert(file);
            }
        }
    }

    /// Files of `path` and below as running programs see them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let all = State {
            disk: self,
            chosen: self
                .changes
                .iter()
                .map(|c| ((c.dir, c.name.as_str()), c.now))
                .collect(),
            short: BTreeSet::new(),
        };
        let mut files = BTreeMap::new();
        let mut todo = vec![(String::new(), ROOT)];
        while let Some((path, dir)) = todo.pop() {
            for (name, node) in all.names(dir) {
                match &self.live[node] {
                    Node::Dir(_) => todo.push((format!("{path}{name}/"), node)),
                    Node::File(_) if is_passing(name) => {}
                    Node::File(bytes) => {
                        files.insert(format!("{path}{name}"), bytes.clone());
                    }
                }
            }
        }
        files
    }

    /// Calls `each` with what the disk may hold if the power goes now, until it says that it has seen enough: all
    /// possibilities if they are few, or else those in which one thing (or two), or all but that, or the first so
    /// many are on the disk, and some that `random` chooses.
    pub(crate) fn states(
        &self,
        thoroughness: Thoroughness,
        random: &mut u64,
        each: &mut dyn FnMut(&State<'_>) -> bool,
    ) {
        let mut units: Vec<Vec<usize>> = Vec::new();
        let mut of_call: BTreeMap<usize, usize> = BTreeMap::new();
        for (number, change) in self.changes.iter().enumerate() {
            if is_passing(&change.name) {
                continue;
            }
            let joins = self.journal == Journal::Renames;
            match of_call.get(&change.call).filter(|_| joins) {
                Some(unit) => units[*unit].push(number),
                None => {
                    of_call.insert(change.call, units.len());
                    units.push(vec![number]);
                }
            }
        }
        // What no name may lead to is of no interest.
        let durable = self.durable.values().flatten();
        let led_to: BTreeSet<Inode> = durable
            .map(|(name, node)| (name, Some(*node)))
            .chain(self.changes.iter().map(|change| (&change.name, change.now)))
            .filter_map(|(name, node)| node.filter(|_| !is_passing(name)))
            .collect();
        let files: Vec<Inode> = self.unwritten.intersection(&led_to).copied().collect();
        let count = units.len() + files.len();
        let mut show = |bits: &dyn Fn(usize) -> bool| {
            let mut numbers: Vec<usize> = Vec::new();
            for (unit, members) in units.iter().enumerate() {
                if bits(unit) {
                    numbers.extend(members);
                }
            }
            numbers.sort_unstable();
            let chosen = numbers.iter().map(|number| &self.changes[*number]);
            let short = files.iter().enumerate();
            let short = short.filter(|(number, _)| !bits(units.len() + number));
            each(&State {
                disk: self,
                chosen: chosen.map(|c| ((c.dir, c.name.as_str()), c.now)).collect(),
                short: short.map(|(_, file)| *file).collect(),
            })
        };
        let (bits, pairs, chosen) = match thoroughness {
            Thoroughness::Full => (9, 20, 200),
            Thoroughness::Light => (5, 0, 0),
        };
        if count <= bits {
            for bits in 0_usize..1 << count {
                if !show(&|bit| bits >> bit & 1 == 1) {
                    return;
                }
            }
            return;
        }
        for one in 0..=count {
            let others = match count <= pairs {
                true => one..=count,
                false => one..=one,
            };
            for other in others {
                let is_in = |bit: usize| bit == one || bit == other;
                if !show(&is_in) || !show(&|bit| !is_in(bit)) {
                    return;
                }
            }
            if !show(&|bit| bit < one) {
                return;
            }
        }
        for _ in 0..chosen {
            let bits: Vec<bool> = (0..count).map(|_| next(random) & 1 == 1).collect();
            if !show(&|bit| bits[bit]) {
                return;
            }
        }
    }
}

/// Numbers as good as random, the same after the same seed.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random >> 11
}

/// What a disk may hold after a power cut.
pub(crate) struct State<'d> {
    disk: &'d Disk,
    chosen: BTreeMap<(Inode, &'d str), Option<Inode>>,
    /// Files of whose content nothing is on the disk.
    short: BTreeSet<Inode>,
}

impl<'d> State<'d> {
    fn entry(&self, dir: Inode, name: &str) -> Option<Inode> {
        let now = match self.chosen.get(&(dir, name)) {
            Some(now) => *now,
            None => self.disk.durable.get(&dir)?.get(name).copied(),
        };
        now.filter(|node| !(self.short.contains(node) && self.disk.freed.contains(node)))
    }

    pub(crate) fn find(&self, path: &str) -> Option<Inode> {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        names.try_fold(ROOT, |dir, name| self.entry(dir, name))
    }

    /// The bytes of a file, if it is there and all of them are.
    pub(crate) fn read(&self, path: &str) -> Option<&'d [u8]> {
        let node = self.find(path)?;
        match &self.disk.live[node] {
            Node::File(bytes) if !self.short.contains(&node) => Some(bytes),
            _ => None,
        }
    }

    fn names(&self, dir: Inode) -> BTreeMap<&'d str, Inode> {
        let durable = self.disk.durable.get(&dir).into_iter().flatten();
        let mut names: BTreeMap<&'d str, Inode> =
            durable.map(|(name, node)| (name.as_str(), *node)).collect();
        for ((of, name), now) in self.chosen.range((dir, "")..) {
            if *of != dir {
                break;
            }
            match now {
                Some(node) => names.insert(name, *node),
                None => names.remove(name),
            };
        }
        names
    }

    /// The names in a directory.
    pub(crate) fn list(&self, path: &str) -> Vec<&'d str> {
        let names = self.find(path).map(|dir| self.names(dir));
        names.into_iter().flatten().map(|(name, _)| name).collect()
    }
}
