//! A generated layout in a directory of its own, with the lists for the floor program beside it.
//!
//! After a job that deletes, only what it deleted is made again. The files are real copies: hard
//! links would make ocirm count the names of each file.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::floor::{CONFIGS, MANIFESTS, NEW_INDEX, VICTIM};
use crate::generator::{Digest, Inventory, Parameters, Part, Plan, Scope, hex};
use crate::job::Job;

/// The layout and what is known about it.
pub(crate) struct LayoutOnDisk {
    place: tempfile::TempDir,
    plan: Plan,
    pub(crate) inventory: Inventory,
    /// The name that is removed.
    pub(crate) victim: String,
}

/// Writes a layout into `dir`, which is made.
pub(crate) fn write_layout(dir: &Path, plan: &Plan) -> io::Result<Inventory> {
    fs::create_dir_all(dir.join("blobs/sha256"))?;
    let inventory = plan.write_blobs(&dir.join("blobs/sha256"), Part::Everything, None)?;
    fs::write(dir.join("index.json"), inventory.index(plan, Scope::All))?;
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(inventory)
}

impl LayoutOnDisk {
    /// Generates a layout in a new directory below `parent`.
    pub(crate) fn generate(parent: &Path, parameters: &Parameters) -> io::Result<LayoutOnDisk> {
        let place = tempfile::Builder::new()
            .prefix("ocirm-bench-")
            .tempdir_in(parent)?;
        let plan = Plan::new(parameters);
        let no_victim = || io::Error::other("no image has a name and no signature");
        let victim = plan.victim_name().ok_or_else(no_victim)?;
        let inventory = write_layout(&place.path().join("layout"), &plan)?;
        let layout = LayoutOnDisk {
            place,
            plan,
            inventory,
            victim,
        };
        for job in Job::ALL {
            layout.write_lists(job)?;
        }
        layout.settle()?;
        Ok(layout)
    }

    /// The layout.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path().join("layout")
    }

    /// The directory around it, for anything that goes with it.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    /// What the floor program is told for a job.
    pub(crate) fn lists(&self, job: Job) -> PathBuf {
        self.place.path().join("lists").join(job.name())
    }

    fn write_lists(&self, job: Job) -> io::Result<()> {
        let dir = self.lists(job);
        fs::create_dir_all(&dir)?;
        let write = |name: &str, digests: &[Digest]| {
            let text: String = digests.iter().map(|digest| hex(digest) + "\0").collect();
            fs::write(dir.join(name), text)
        };
        let (plan, inventory) = (&self.plan, &self.inventory);
        let read = match job {
            Job::Names => return Ok(()),
            Job::List => Scope::All,
            Job::Remove => Scope::AllButVictim,
            Job::Prune | Job::PruneNothing => Scope::Named,
        };
        write(MANIFESTS, &inventory.manifests(plan, read))?;
        if job == Job::List {
            write(CONFIGS, &inventory.configs(plan, read))?;
        }
        if job == Job::Remove {
            write(VICTIM, &inventory.manifests(plan, Scope::Victim))?;
        }
        if job.deletes() {
            fs::write(dir.join(NEW_INDEX), inventory.index(plan, read))?;
        }
        Ok(())
    }

    /// How many images a job meets.
    pub(crate) fn images(&self, job: Job) -> usize {
        match job {
            Job::PruneNothing => self.plan.named_images(),
            _ => self.plan.images(),
        }
    }

    /// The blobs that a job deletes.
    pub(crate) fn garbage(&self, job: Job) -> &[Digest] {
        match job {
            Job::Prune => &self.inventory.garbage,
            Job::Remove => &self.inventory.victim_garbage,
            Job::Names | Job::List | Job::PruneNothing => &[],
        }
    }

    /// Whether a job has left what it should: so many blobs, and the right index.json.
    pub(crate) fn verify_after(&self, job: Job) -> anyhow::Result<()> {
        // A prune that finds nothing leaves what the one before it left.
        let job = match job {
            Job::PruneNothing => Job::Prune,
            job => job,
        };
        let blobs = fs::read_dir(self.path().join("blobs/sha256"))?.count() as u64;
        let expected = self.inventory.blobs - self.garbage(job).len() as u64;
        anyhow::ensure!(blobs == expected, "{blobs} blobs are left, not {expected}");
        let index = fs::read(self.path().join("index.json"))?;
        let expected = if job.deletes() {
            fs::read(self.lists(job).join(NEW_INDEX))?
        } else {
            self.inventory.index(&self.plan, Scope::All).into_bytes()
        };
        anyhow::ensure!(index == expected, "index.json is not what it should be");
        Ok(())
    }

    /// Makes again what a job deleted.
    pub(crate) fn restore_after(&self, job: Job) -> io::Result<()> {
        let part = match job {
            Job::Prune => Part::Garbage,
            Job::Remove => Part::Victim,
            Job::Names | Job::List | Job::PruneNothing => return Ok(()),
        };
        let only: HashSet<Digest> = self.garbage(job).iter().copied().collect();
        let blobs = self.path().join("blobs/sha256");
        self.plan.write_blobs(&blobs, part, Some(only))?;
        let index = self.inventory.index(&self.plan, Scope::All);
        fs::write(self.path().join("index.json"), index)?;
        self.settle()
    }

    /// Waits until everything is on the disk, so that no measurement pays for it.
    fn settle(&self) -> io::Result<()> {
        let place = File::open(self.place.path())?;
        #[cfg(target_os = "linux")]
        return Ok(rustix::fs::syncfs(place)?);
        #[cfg(not(target_os = "linux"))]
        return place.sync_all();
    }
}
