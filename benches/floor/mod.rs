//! The floor program: what any program has to do that does the same job, and nothing else.
//!
//! It takes no lock, checks nothing, knows no JSON, looks at no age, and makes no report. It is told
//! beforehand what a real program has to find out: which manifests are live, which files are configs,
//! and how index.json reads afterwards. What to delete it finds out itself.
//!
//! It is the benchmark's own executable, started with the first argument `floor`, so it pays for its
//! start as any process does.

mod digest_set;
mod many;

use std::ffi::CStr;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem::Finder;
use rustix::fs::{AtFlags, Mode, OFlags};

use crate::generator::REF_NAME;
use crate::job::Job;
use digest_set::{DigestSet, Scanner};

/// Manifests and indexes that a job reads: file names, each with a NUL behind it, in the order in
/// which they were written.
pub(crate) const MANIFESTS: &str = "manifests";
/// Configs that a job reads, in the same form.
pub(crate) const CONFIGS: &str = "configs";
/// Manifests and indexes of the image that is removed, in the same form.
pub(crate) const VICTIM: &str = "victim";
/// What index.json is replaced with.
pub(crate) const NEW_INDEX: &str = "index.json";

/// Bytes of a file name in a list: 64 hex digits and a NUL.
const NAME: usize = 65;

/// Bytes that are read at once: more than any document that the generator writes.
const DOCUMENT: usize = 1 << 20;

/// Bytes of directory entries that are asked for at once.
const ENTRIES: usize = 1 << 18;

/// How many manifests a thread takes at once.
const BATCH: usize = 64;

/// `floor JOB LAYOUT LISTS THREADS [--dry-run]`, or `floor many TREE LISTS THREADS`; `floor` alone does nothing. A dry run prints the
/// names of the files that it would delete, one a line, and changes nothing.
pub(crate) fn run(arguments: &[String]) -> io::Result<()> {
    let [job, layout, lists, threads, rest @ ..] = arguments else {
        return Ok(());
    };
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let threads = threads.parse().map_err(|_| invalid("no number"))?;
    if job == "many" {
        return many::prune(layout.as_ref(), lists.as_ref(), threads);
    }
    let layout = open_directory(rustix::fs::CWD, layout)?;
    let floor = Floor {
        blobs: open_directory(&layout, "blobs/sha256")?,
        layout,
        lists: open_directory(rustix::fs::CWD, lists)?,
        threads,
        document: DOCUMENT,
        entries: ENTRIES,
        dry_run: rest.iter().any(|argument| argument == "--dry-run"),
        scanner: Scanner::new(),
    };
    match Job::from_name(job).ok_or_else(|| invalid("no such job"))? {
        Job::Names => floor.names(),
        Job::List => floor.list(),
        Job::Remove => floor.remove(),
        Job::Prune => floor.prune(true),
        Job::PruneNothing => floor.prune(false),
    }
}

struct Floor {
    layout: OwnedFd,
    blobs: OwnedFd,
    lists: OwnedFd,
    threads: usize,
    /// Bytes that are read of a document at once.
    document: usize,
    /// Bytes of directory entries that are asked for at once.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    entries: usize,
    dry_run: bool,
    scanner: Scanner,
}

/// A file of `blobs/sha256`.
struct Entry {
    inode: u64,
    name: [u8; NAME],
}

impl Floor {
    /// index.json, the digest and the name of each row, printed.
    fn names(&self) -> io::Result<()> {
        let index = read(&self.layout, "index.json")?;
        self.print_names(&index)
    }

    /// The same; also every manifest, every config, and the list of blobs.
    fn list(&self) -> io::Result<()> {
        let index = read(&self.layout, "index.json")?;
        let found = self.mark(&index, &read(&self.lists, MANIFESTS)?)?;
        let created = Finder::new(r#""created":""#);
        let dated = self.read_all(&read(&self.lists, CONFIGS)?, |count: &mut usize, config| {
            *count += usize::from(created.find(config).is_some());
        })?;
        let mut present = 0_usize;
        self.each_blob(|_, hex| present += usize::from(found.contains(hex)))?;
        black_box((dated, present));
        self.print_names(&index)
    }

    /// Every manifest that stays, then those of the image that goes: what only these name is
    /// deleted, after index.json was replaced.
    fn remove(&self) -> io::Result<()> {
        let index = read(&self.lists, NEW_INDEX)?;
        let victim = read(&self.lists, VICTIM)?;
        // The row that goes is in the file that is read, not in the one that is written.
        read(&self.layout, "index.json")?;
        let mut kept = self.mark(&index, &read(&self.lists, MANIFESTS)?)?;
        let mut dead = Vec::new();
        let mut entry = |hex: &[u8; 64]| {
            if !kept.contains(hex) {
                kept.insert(hex);
                dead.push(Entry::new(0, hex));
            }
        };
        let (names, _) = victim.as_chunks::<NAME>();
        let mut buffer = vec![0; self.document];
        for name in names {
            entry(hex_of(name));
            let size = read_blob(self.blobs.as_fd(), name, &mut buffer)?;
            self.scanner.scan(&buffer[..size], &mut entry);
        }
        self.delete(&index, dead)
    }

    /// Every manifest that has a name, then the list of blobs: what is in no manifest is deleted,
    /// after index.json was replaced.
    fn prune(&self, replace: bool) -> io::Result<()> {
        let old = read(&self.layout, "index.json")?;
        let new = if replace {
            read(&self.lists, NEW_INDEX)?
        } else {
            old
        };
        let kept = self.mark(&new, &read(&self.lists, MANIFESTS)?)?;
        let mut dead = Vec::new();
        self.each_blob(|inode, hex| {
            if !kept.contains(hex) {
                dead.push(Entry::new(inode, hex));
            }
        })?;
        if dead.is_empty() && !replace {
            return Ok(());
        }
        // Inodes that lie together are freed together.
        dead.sort_unstable_by_key(|entry| entry.inode);
        self.delete(&new, dead)
    }

    /// All digests of an index.json and of the manifests in a list.
    fn mark(&self, index: &[u8], manifests: &[u8]) -> io::Result<DigestSet> {
        let collect = |set: &mut DigestSet, manifest: &[u8]| {
            self.scanner.scan(manifest, |hex| set.insert(hex));
        };
        let mut sets = self.read_all(manifests, collect)?.into_iter();
        let mut marked = sets.next().unwrap_or_default();
        for set in sets {
            marked.append(&set);
        }
        self.scanner.scan(index, |hex| marked.insert(hex));
        Ok(marked)
    }

    /// Opens and reads each file of a list once; one result for each thread.
    fn read_all<T: Default + Send>(
        &self,
        list: &[u8],
        each: impl Fn(&mut T, &[u8]) + Sync,
    ) -> io::Result<Vec<T>> {
        let (names, _) = list.as_chunks::<NAME>();
        let next = AtomicUsize::new(0);
        let work = || -> io::Result<T> {
            let mut result = T::default();
            let mut buffer = vec![0; self.document];
            loop {
                let start = next.fetch_add(BATCH, Ordering::Relaxed).min(names.len());
                let batch = &names[start..(start + BATCH).min(names.len())];
                if batch.is_empty() {
                    return Ok(result);
                }
                for name in batch {
                    let size = read_blob(self.blobs.as_fd(), name, &mut buffer)?;
                    each(&mut result, &buffer[..size]);
                }
            }
        };
        if self.threads <= 1 {
            return Ok(vec![work()?]);
        }
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads).map(|_| scope.spawn(work)).collect();
            let mut results = vec![work()?];
            for other in others {
                let result = other.join();
                results.push(result.map_err(|_| io::Error::other("a thread panicked"))??);
            }
            Ok(results)
        })
    }

    /// Lists `blobs/sha256`.
    #[cfg(not(target_os = "linux"))]
    fn each_blob(&self, mut each: impl FnMut(u64, &[u8; 64])) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.blobs)? {
            let entry = entry?;
            if let Ok(hex) = entry.file_name().to_bytes().try_into() {
                each(entry.ino(), hex);
            }
        }
        Ok(())
    }

    /// Lists `blobs/sha256`.
    #[cfg(target_os = "linux")]
    fn each_blob(&self, mut each: impl FnMut(u64, &[u8; 64])) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(self.entries);
        let mut entries = rustix::fs::RawDir::new(&self.blobs, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if let Ok(hex) = entry.file_name().to_bytes().try_into() {
                each(entry.ino(), hex);
            }
        }
        Ok(())
    }

    /// Replaces index.json, makes that durable, and unlinks.
    fn delete(&self, index: &[u8], dead: Vec<Entry>) -> io::Result<()> {
        if self.dry_run {
            let mut text = Vec::with_capacity(dead.len() * NAME);
            for entry in &dead {
                text.extend_from_slice(hex_of(&entry.name));
                text.push(b'\n');
            }
            return io::stdout().write_all(&text);
        }
        let temporary = ".index.json.floor";
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let file = rustix::fs::openat(&self.layout, temporary, flags, mode)?;
        let mut file = std::fs::File::from(file);
        file.write_all(index)?;
        rustix::fs::fsync(&file)?;
        rustix::fs::renameat(&self.layout, temporary, &self.layout, "index.json")?;
        rustix::fs::fsync(&self.layout)?;
        for entry in dead {
            rustix::fs::unlinkat(&self.blobs, c_name(&entry.name), AtFlags::empty())?;
        }
        Ok(())
    }

    fn print_names(&self, index: &[u8]) -> io::Result<()> {
        let digest = Finder::new(r#""digest":"sha256:"#);
        let key = format!(r#""{REF_NAME}":""#);
        let name = Finder::new(&key);
        let mut text = Vec::with_capacity(index.len() / 2);
        let mut rest = index;
        while let Some(at) = digest.find(rest) {
            rest = &rest[at + digest.needle().len()..];
            let Some((hex, behind)) = rest.split_first_chunk::<64>() else {
                break;
            };
            text.extend_from_slice(&hex[..12]);
            // A row's name comes before the digest of the next row.
            let row = &behind[..memchr::memmem::find(behind, b"sha256:").unwrap_or(behind.len())];
            if let Some(at) = name.find(row) {
                let value = &row[at + name.needle().len()..];
                let end = memchr::memchr(b'"', value).unwrap_or(value.len());
                text.push(b' ');
                text.extend_from_slice(&value[..end]);
            }
            text.push(b'\n');
            rest = behind;
        }
        io::stdout().write_all(&text)
    }
}

impl Entry {
    fn new(inode: u64, hex: &[u8; 64]) -> Entry {
        let mut name = [0; NAME];
        name[..64].copy_from_slice(hex);
        Entry { inode, name }
    }
}

fn hex_of(name: &[u8; NAME]) -> &[u8; 64] {
    name.first_chunk().unwrap_or(&[0; 64])
}

fn c_name(name: &[u8; NAME]) -> &CStr {
    CStr::from_bytes_until_nul(name).unwrap_or_default()
}

fn open_directory(at: impl AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}

/// Reads a whole file.
fn read(at: impl AsFd, name: &str) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(at, name, flags, Mode::empty())?;
    let size = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while filled < size {
        match rustix::io::read(&file, &mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads a document with one system call and says how many bytes it has.
fn read_blob(blobs: BorrowedFd<'_>, name: &[u8; NAME], buffer: &mut [u8]) -> io::Result<usize> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(blobs, c_name(name), flags, Mode::empty())?;
    Ok(rustix::io::read(&file, buffer)?)
}
