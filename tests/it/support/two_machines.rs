//! One file system of a network, mounted twice, as two machines would: two clients that know nothing of each other, with
//! caches and locks of their own.
//!
//! It is JuiceFS, or whatever is mounted twice on the directories of `OCIRM_TWO_MOUNTS=DIR:DIR` (NFS from two machines,
//! say). Where there is neither, or nobody may mount, the test says so and passes.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags};
use rustix::process::{Pid, Signal, kill_process_group};

use super::contents::arg;
use super::mount::{may_mount, run};
use super::peers::is_installed;
use super::place::Place;
use super::skipped::skipped;

/// How long a client may take to mount.
const MOUNTED_WITHIN: Duration = Duration::from_secs(20);

/// How soon a client that is gone loses its locks. JuiceFS would take minutes.
const HEARTBEAT: &str = "1s";

/// See the module. What two machines have is gone when this is dropped.
pub(crate) struct TwoMachines {
    pub(crate) place: Place,
    /// Where each sees the file system.
    dirs: [PathBuf; 2],
    /// The client of each, as long as it lives, where the test started it.
    clients: [Option<Child>; 2],
    /// How many layouts there were before the one that is meant.
    layouts: AtomicUsize,
}

impl TwoMachines {
    /// Those that can be had here.
    pub(crate) fn new() -> Option<TwoMachines> {
        match std::env::var("OCIRM_TWO_MOUNTS") {
            Ok(dirs) if !dirs.is_empty() => Some(TwoMachines::mounted(&dirs)),
            _ => TwoMachines::juicefs(),
        }
    }

    fn of(place: Place, dirs: [PathBuf; 2]) -> TwoMachines {
        TwoMachines {
            place,
            dirs,
            clients: [None, None],
            layouts: AtomicUsize::new(0),
        }
    }

    /// What somebody else has mounted.
    fn mounted(dirs: &str) -> TwoMachines {
        let place = Place::new();
        let (one, other) = dirs.split_once(':').expect("two directories");
        let name = place.path("").file_name().map(ToOwned::to_owned);
        let name = name.unwrap_or_default();
        let dirs = [one, other].map(|dir| Path::new(dir).join(&name));
        fs::create_dir(&dirs[0]).expect("a directory on the first machine");
        TwoMachines::of(place, dirs)
    }

    /// JuiceFS, with its metadata in SQLite and its objects in a directory, and what it caches by default.
    fn juicefs() -> Option<TwoMachines> {
        if !may_mount() || !is_installed("juicefs") {
            return None;
        }
        let place = Place::new();
        let dirs = [0, 1].map(|machine| place.path(&format!("machine{machine}")));
        let mut machines = TwoMachines::of(place, dirs);
        let objects = format!("{}/", arg(&machines.place.path("objects")));
        let format = ["juicefs", "format", "--no-update", "--trash-days", "0"];
        let more = ["--storage", "file", "--bucket", &objects];
        let volume = [&machines.metadata(), "volume"];
        let made = run(&[&format[..], &more].concat(), &volume);
        let mounted = made.and_then(|()| machines.mount(0));
        match mounted.and_then(|()| machines.mount(1)) {
            Ok(()) => Some(machines),
            Err(reason) => {
                skipped(format!("JuiceFS cannot be mounted here: {reason}"));
                None
            }
        }
    }

    fn metadata(&self) -> String {
        format!("sqlite3://{}", arg(&self.place.path("metadata")))
    }

    /// The directory in which a machine, 0 or 1, sees the file system.
    fn dir(&self, machine: usize) -> PathBuf {
        self.dirs[machine].clone()
    }

    /// The layout as a machine sees it. What its kernel believes without asking, it has asked for.
    pub(crate) fn layout(&self, machine: usize) -> PathBuf {
        let name = format!("layout{}", self.layouts.load(Ordering::Relaxed));
        let layout = self.dir(machine).join(name);
        // A directory that is listed brings with it what its names lead to.
        for dir in [&self.dir(machine), &layout, &layout.join("blobs/sha256")] {
            let names = fs::read_dir(dir).into_iter().flatten();
            names.for_each(drop);
        }
        layout
    }

    /// From now on another layout is meant. A machine would go on believing what it knows of one that is written anew.
    pub(crate) fn next_layout(&self) {
        self.layouts.fetch_add(1, Ordering::Relaxed);
    }

    /// Mounts it on a machine.
    pub(crate) fn mount(&mut self, machine: usize) -> Result<(), String> {
        let dir = self.dir(machine);
        let said = self.place.path(&format!("said{machine}"));
        let log = File::create(&said).map_err(|e| e.to_string())?;
        fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        let cache = self.place.path(&format!("cache{machine}"));
        let mut client = Command::new("juicefs")
            .args(["mount", "--no-usage-report", "--no-syslog"])
            .args(["--backup-meta", "0", "--buffer-size", "32"])
            .args(["--heartbeat", HEARTBEAT, "--cache-dir", arg(&cache)])
            .args([&self.metadata(), arg(&dir)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|e| e.to_string())?;
        let end = Instant::now() + MOUNTED_WITHIN;
        // Only the root of such a volume has this.
        while !dir.join(".stats").exists() {
            let ended = client.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > end {
                let said = fs::read_to_string(&said).unwrap_or_default();
                let _ = kill_process_group(Pid::from_child(&client), Signal::KILL);
                let _ = client.wait();
                let last = said.lines().last().unwrap_or_default();
                return Err(format!("{ended:?} {last}"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.clients[machine] = Some(client);
        Ok(())
    }

    /// Whether two files can be exchanged in one step. Says so if not: then who writes without a lock in the moment before a
    /// renaming loses that, on any disk.
    pub(crate) fn can_exchange(&self) -> bool {
        let [one, other] = ["one", "other"].map(|name| self.dir(0).join(name));
        for file in [&one, &other] {
            fs::write(file, "").expect("an own file");
        }
        let exchanged = rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
        if let Err(reason) = exchanged {
            skipped(format!("this disk exchanges no files: {reason}"));
        }
        exchanged.is_ok()
    }

    /// Whether a machine can be made to die. Says so if not.
    pub(crate) fn can_die(&self) -> bool {
        let can = self.clients.iter().all(Option::is_some);
        if !can {
            skipped("what others have mounted is not made to die");
        }
        can
    }

    /// The client of a machine dies as when its power goes.
    pub(crate) fn dies(&mut self, machine: usize) {
        if let Some(mut client) = self.clients[machine].take() {
            let _ = kill_process_group(Pid::from_child(&client), Signal::KILL);
            let _ = client.wait();
        }
        unmount(&self.dir(machine));
    }
}

impl Drop for TwoMachines {
    fn drop(&mut self) {
        if self.clients.iter().all(Option::is_none) {
            let _ = fs::remove_dir_all(self.dir(0));
        }
        for machine in [0, 1] {
            if let Some(mut client) = self.clients[machine].take() {
                unmount(&self.dir(machine));
                let _ = kill_process_group(Pid::from_child(&client), Signal::TERM);
                let end = Instant::now() + Duration::from_secs(3);
                while matches!(client.try_wait(), Ok(None)) && Instant::now() < end {
                    thread::sleep(Duration::from_millis(10));
                }
                let _ = kill_process_group(Pid::from_child(&client), Signal::KILL);
                let _ = client.wait();
            }
        }
    }
}

fn unmount(dir: &Path) {
    if run(&["umount"], &[arg(dir)]).is_err() {
        let _ = run(&["umount", "-l"], &[arg(dir)]);
    }
}
