//! One file system of a network, mounted twice, as two machines would: two clients that know nothing of each other, with
//! caches and locks of their own.
//!
//! Where a program for it is missing, or nobody may mount, the test says so and passes.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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
    /// The client of each, as long as it lives.
    clients: [Option<Child>; 2],
    /// How many layouts there were before the one that is meant.
    layouts: AtomicUsize,
}

impl TwoMachines {
    /// JuiceFS, with its metadata in SQLite and its objects in a directory, and what it caches by default.
    pub(crate) fn juicefs() -> Option<TwoMachines> {
        if !may_mount() || !is_installed("juicefs") {
            return None;
        }
        let machines = TwoMachines {
            place: Place::new(),
            clients: [None, None],
            layouts: AtomicUsize::new(0),
        };
        let place = &machines.place;
        let objects = format!("{}/", arg(&place.path("objects")));
        let format = ["juicefs", "format", "--no-update", "--trash-days", "0"];
        let more = ["--storage", "file", "--bucket", &objects];
        let volume = [&machines.metadata(), "volume"];
        if let Err(reason) = run(&[&format[..], &more].concat(), &volume) {
            skipped(format!("JuiceFS makes no volume: {reason}"));
            return None;
        }
        machines.with_clients()
    }

    fn with_clients(mut self) -> Option<TwoMachines> {
        for machine in [0, 1] {
            if let Err(reason) = self.mount(machine) {
                skipped(format!("JuiceFS cannot be mounted here: {reason}"));
                return None;
            }
        }
        Some(self)
    }

    fn metadata(&self) -> String {
        format!("sqlite3://{}", arg(&self.place.path("metadata")))
    }

    /// The directory in which a machine, 0 or 1, sees the file system.
    pub(crate) fn dir(&self, machine: usize) -> PathBuf {
        self.place.path(&format!("machine{machine}"))
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
