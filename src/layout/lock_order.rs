//! The layouts of one command, locked together: the one that it is about, and those that share its
//! blobs, which are only read.
//!
//! Two commands may name each other's layouts, each changing what the other one reads. So the locks of
//! all directories are taken in one order that every process finds, device and inode of the
//! directories, whatever the order on the command line. Then whoever has to wait holds nothing that the
//! one that is waited for still wants. So it is with the files `.ocirm.lock`, after all directories: layouts may
//! have one file, and then it is locked once for all of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;

use super::lock::{Hold, LayoutLock, LockOptions, Unlocked, lock_directory};
use super::lock_files::LockFile;
use super::root_names::RootNames;
use super::{Exclusive, Layout, Locked, Shared, lock};

impl Layout {
    /// Locks for reading, together with layouts that share the blobs.
    ///
    /// # Errors
    /// As [`Layout::lock_shared`].
    pub(crate) fn lock_shared_with(
        self,
        sharers: Vec<Layout>,
        options: &LockOptions<'_>,
    ) -> anyhow::Result<(Locked<Shared>, Vec<Locked<Shared>>)> {
        let (own, locks) = in_order(&self, Hold::Shared, &sharers, options)?;
        Ok((Locked::new(self, own)?, for_reading(sharers, locks)?))
    }

    /// Locks for changing, and layouts that share the blobs for reading.
    ///
    /// # Errors
    /// As [`Layout::lock_exclusive`].
    pub(crate) fn lock_exclusive_with(
        self,
        sharers: Vec<Layout>,
        options: &LockOptions<'_>,
    ) -> anyhow::Result<(Locked<Exclusive>, Vec<Locked<Shared>>)> {
        if !options.allow_unsafe_mount
            && let Some(unsafe_mount) = self.unsafe_mount()
        {
            return Err(unsafe_mount.refusal().into());
        }
        let (mut own, locks) = in_order(&self, Hold::Exclusive, &sharers, options)?;
        let mut root = None;
        if options.enabled {
            let context = || format!("cannot list `{}`", self.path().display());
            let names = RootNames::list(&self).with_context(context)?;
            if names.has_podman_lock {
                own = own.with_podman(&self, options)?;
            }
            root = Some(names);
        }
        let locked = Locked::new(self, own)?;
        if let Some(names) = root {
            locked
                .has_no_trash
                .store(!names.has_trash, Ordering::Relaxed);
            locked.remove_stale_temporaries(&names)?;
            if names.has_index_lock {
                lock::remove_stale_index_lock(&locked.layout);
            }
        }
        Ok((locked, for_reading(sharers, locks)?))
    }
}

fn for_reading(
    sharers: Vec<Layout>,
    locks: Vec<LayoutLock>,
) -> anyhow::Result<Vec<Locked<Shared>>> {
    let layouts = sharers.into_iter().zip(locks);
    layouts
        .map(|(layout, lock)| Locked::new(layout, lock))
        .collect()
}

/// Takes the layout locks. The values have the order of the arguments.
fn in_order(
    own: &Layout,
    hold: Hold,
    sharers: &[Layout],
    options: &LockOptions<'_>,
) -> anyhow::Result<(LayoutLock, Vec<LayoutLock>)> {
    let of_sharers = sharers.iter().map(|layout| (layout, Hold::Shared));
    let layouts: Vec<(&Layout, Hold)> = std::iter::once((own, hold)).chain(of_sharers).collect();
    let mut locks: Vec<Option<Arc<LockFile>>> = vec![None; layouts.len()];
    if options.enabled {
        lock_all(&layouts, hold == Hold::Exclusive, options, &mut locks)?;
    }
    let mut locks = locks.into_iter().map(LayoutLock::of_file);
    let of_own = locks.next().context("a layout has a lock")?;
    Ok((of_own, locks.collect()))
}

/// Locks the directories, and after all of them the files that some have beside. Those of sharers are taken for the
/// change, too, which deletes what nobody of them needs.
fn lock_all(
    layouts: &[(&Layout, Hold)],
    is_change: bool,
    options: &LockOptions<'_>,
    locks: &mut [Option<Arc<LockFile>>],
) -> anyhow::Result<()> {
    let mut order: Vec<usize> = (0..layouts.len()).collect();
    if let [_, _, ..] = layouts {
        let ids = layouts.iter().map(|(layout, _)| layout.id());
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        order.sort_by_key(|number| ids[*number]);
    }
    let mut refused = vec![None; layouts.len()];
    for number in order {
        let (layout, hold) = layouts[number];
        refused[number] = lock_directory(layout, options, hold)?;
    }
    let mut files = Vec::new();
    for (number, (layout, hold)) in layouts.iter().enumerate() {
        let file = Unlocked::open(layout, refused[number].as_deref(), *hold, is_change)?;
        files.extend(file.map(|file| (file, number)));
    }
    files.sort_by_key(|(file, _)| file.order());
    let mut last = None;
    for (file, number) in files {
        // Who locks a file twice waits for itself.
        let lock = match last.take() {
            Some((id, lock)) if id == file.id => (id, lock),
            _ => (file.id, file.lock(options)?),
        };
        locks[number].clone_from(&lock.1);
        last = Some(lock);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, create_dir, hard_link, write};
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::layout::LAYOUT_LOCK;
    use crate::layout::far::Disk;
    use crate::layout::lock::PODMAN_LOCK;

    fn options(waits_for_jobs: bool) -> LockOptions<'static> {
        LockOptions {
            timeout: Duration::ZERO,
            waits_for_jobs,
            ..LockOptions::default()
        }
    }

    /// A layout as if it lay on a disk of several machines.
    fn far(path: &Path) -> Layout {
        let layout = Layout::open(path).unwrap();
        layout.disk.set(Disk::Far).unwrap();
        layout
    }

    /// Layouts that have one lock file.
    fn with_one(lock_file: &str) -> (tempfile::TempDir, [std::path::PathBuf; 3]) {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
        for path in &paths {
            create_dir(path).unwrap();
            write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
            write(path.join("index.json"), r#"{"schemaVersion":2}"#).unwrap();
            match path == &paths[0] {
                true => write(path.join(lock_file), "").unwrap(),
                false => hard_link(paths[0].join(lock_file), path.join(lock_file)).unwrap(),
            }
        }
        (folder, paths)
    }

    #[track_caller]
    fn assert_busy<T>(locked: anyhow::Result<T>) {
        let kind = locked.err().and_then(|error| {
            let error = error.downcast_ref::<Error>();
            error.map(Error::kind)
        });
        assert_eq!(kind, Some(ErrorKind::LockBusy));
    }

    /// Whether this process has a lock of its own on a file, as the kernel lists them.
    #[cfg(target_os = "linux")]
    fn has_posix_lock(file: &Path) -> bool {
        let end = format!(":{} 0 EOF", std::fs::metadata(file).unwrap().ino());
        let own = format!(" {} ", std::process::id());
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let mut locks = locks.lines();
        locks.any(|lock| lock.contains("POSIX") && lock.contains(&own) && lock.ends_with(&end))
    }

    /// PA5: podman's lock of two layouts with one file belongs to one of them until that is done, whatever the other one
    /// tries.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_lock_of_podman_is_not_lost_to_a_layout_with_the_same_file() {
        let (_folder, [a, b, _]) = with_one(PODMAN_LOCK);
        let first = Layout::open(&a).unwrap().lock_exclusive(&options(false));
        assert!(first.is_ok() && has_posix_lock(&a.join(PODMAN_LOCK)));
        for _ in 0..2 {
            assert_busy(Layout::open(&b).unwrap().lock_exclusive(&options(false)));
            assert!(has_posix_lock(&a.join(PODMAN_LOCK)));
        }
        drop(first);
        assert!(!has_posix_lock(&a.join(PODMAN_LOCK)));
        let second = Layout::open(&b).unwrap().lock_exclusive(&options(false));
        assert!(second.is_ok() && has_posix_lock(&b.join(PODMAN_LOCK)));
    }

    /// PA5: a job waits for a lock file that another job of the run has for as long as that takes, and for nobody else's.
    #[test]
    fn who_has_the_same_lock_file_is_waited_for_within_a_run() {
        for lock_file in [PODMAN_LOCK, LAYOUT_LOCK] {
            let (_folder, [a, b, c]) = with_one(lock_file);
            let first = far(&a).lock_exclusive(&options(true)).unwrap();
            assert_busy(far(&b).lock_exclusive(&options(false)));
            let (said, heard) = channel();
            thread::scope(|scope| {
                for path in [&b, &c] {
                    let said = said.clone();
                    scope.spawn(move || {
                        let locked = far(path).lock_exclusive(&options(true));
                        said.send(locked.map(drop)).unwrap();
                    });
                }
                let early = heard.recv_timeout(Duration::from_millis(100));
                assert!(
                    matches!(early, Err(RecvTimeoutError::Timeout)),
                    "{lock_file}"
                );
                drop(first);
                for _ in 0..2 {
                    heard.recv().unwrap().unwrap();
                }
            });
        }
        let (_folder, [a, b, _]) = with_one(LAYOUT_LOCK);
        let another = File::open(a.join(LAYOUT_LOCK)).unwrap();
        fs2::FileExt::lock_exclusive(&another).unwrap();
        assert_busy(far(&b).lock_exclusive(&options(true)));
    }

    /// FR30: a file that a layout and those that share its blobs have is locked once, for the change.
    #[test]
    fn one_lock_file_of_several_layouts_is_locked_once() {
        let (_folder, [a, b, c]) = with_one(LAYOUT_LOCK);
        let file = File::open(a.join(LAYOUT_LOCK)).unwrap();
        for _ in 0..2 {
            let sharers = vec![far(&b), far(&c)];
            let locked = far(&a).lock_exclusive_with(sharers, &options(false));
            let (own, sharers) = locked.unwrap();
            // As long as any of them is there.
            drop(own);
            fs2::FileExt::try_lock_shared(&file).unwrap_err();
            drop(sharers);
            fs2::FileExt::try_lock_shared(&file).unwrap();
            let sharers = vec![far(&b), far(&c)];
            let locked = far(&a).lock_shared_with(sharers, &options(false));
            assert_eq!(locked.unwrap().1.len(), 2);
            fs2::FileExt::unlock(&file).unwrap();
        }
    }
}
