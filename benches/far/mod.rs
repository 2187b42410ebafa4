//! `--delay`: the same jobs on a disk that is far away.
//!
//! The layout is made near, and for each run it is mounted anew with the delay, so nothing is remembered
//! from the run before. On such a disk everything waits, so the floor program is run with one thread and
//! with many. With one it is left out where its calls would wait longer than [`PATIENCE`]: how long is
//! plain from their number. Removing names from one directory is done by the kernel one after another
//! whoever asks for it, so the layout has few blobs that go.

use std::path::Path;
use std::time::Duration;

use crate::far_disk::FarDisk;
use crate::generator::Parameters;
use crate::job::Job;
use crate::layout_on_disk::LayoutOnDisk;
use crate::process::Invocation;
use crate::results::{self, FarMeasured};
use crate::{Arguments, Programs, agreement, leave_pruned};

/// How long a program may wait that is known to wait for each call.
const PATIENCE: Duration = Duration::from_secs(90);

/// How many calls wait at the same time, at most.
pub(crate) const MOST_AT_ONCE: usize = 256;

/// Calls for each document that is read: its name, opening, reading.
const CALLS: u32 = 3;

/// Images of the layout, if nothing else is said.
const IMAGES: usize = 20_000;

/// Share of the images without a name.
const DANGLING: f64 = 0.01;

/// Measures on each of the disks, and prints one table for each.
pub(crate) fn measure(programs: &Programs, arguments: &Arguments) -> anyhow::Result<()> {
    let machine = results::machine(&arguments.dir);
    println!("{machine}.\n");
    let parameters = Parameters {
        images: arguments.images.unwrap_or(IMAGES),
        dangling: DANGLING,
        ..arguments.parameters.clone()
    };
    let layout = LayoutOnDisk::generate(&arguments.dir, &parameters)?;
    agreement::verify(programs, &layout)?;
    if let Err(reason) = can_mount(layout.place()) {
        eprintln!("nothing is measured: no far disk can be mounted here: {reason}");
        return Ok(());
    }
    for delay in &arguments.delay {
        let table = measure_at(programs, arguments, &layout, *delay)?;
        println!("{table}");
    }
    Ok(())
}

fn measure_at(
    programs: &Programs,
    arguments: &Arguments,
    layout: &LayoutOnDisk,
    delay: Duration,
) -> anyhow::Result<String> {
    let usual = if delay < Duration::from_millis(5) {
        3
    } else {
        1
    };
    let rounds = arguments.rounds.unwrap_or(usual);
    let mountpoint = layout.place().join("far");
    let mut rows = Vec::new();
    for job in Job::ALL {
        if arguments.jobs.is_empty() || arguments.jobs.contains(&job) {
            eprintln!("{delay:?} away: {}", job.name());
            let ocirm = programs.ocirm_at(&mountpoint, &job.arguments(&layout.victim));
            let floor = |threads| programs.floor_at(&mountpoint, layout, job, threads);
            let contenders = [floor(1), floor(arguments.far_threads), ocirm];
            let mut measured = vec![FarMeasured::default(); contenders.len()];
            for round in 0..rounds as usize {
                for place in 0..contenders.len() {
                    let contender = (place + round) % contenders.len();
                    if contender == 0 && expected(layout, job, delay) > PATIENCE {
                        continue;
                    }
                    let invocation = &contenders[contender];
                    let (took, calls) = run(&layout.path(), invocation, &mountpoint, delay)?;
                    layout.verify_after(job)?;
                    layout.restore_after(job)?;
                    measured[contender].times.add(took);
                    measured[contender].calls = calls;
                }
            }
            rows.push((job.title(), measured));
        }
        leave_pruned(programs, layout, job)?;
    }
    // The last job had a pruned layout; the next disk gets a whole one.
    layout.restore_after(Job::Prune)?;
    let heading = format!(
        "{} images, {} of {} blobs go with `prune`; each call takes {delay:?} longer",
        layout.images(Job::Prune),
        layout.garbage(Job::Prune).len(),
        layout.inventory.blobs,
    );
    let columns = [
        "floor".to_owned(),
        format!("floor, {} threads", arguments.far_threads),
        "ocirm".to_owned(),
    ];
    Ok(results::far_table(&heading, &columns, &rows))
}

/// Whether a far disk can be had here.
pub(crate) fn can_mount(place: &Path) -> std::io::Result<()> {
    let (dir, mountpoint) = (place.join("near"), place.join("far"));
    std::fs::create_dir_all(&dir)?;
    std::fs::create_dir_all(&mountpoint)?;
    FarDisk::mount(&dir, &mountpoint, Duration::ZERO, 1).map(drop)
}

/// How long the floor program with one thread has to wait at least.
fn expected(layout: &LayoutOnDisk, job: Job, delay: Duration) -> Duration {
    let images = u32::try_from(layout.images(job)).unwrap_or(u32::MAX);
    let going = u32::try_from(layout.garbage(job).len()).unwrap_or(u32::MAX);
    let documents = match job {
        Job::Names => 0,
        Job::List => images.saturating_mul(2),
        Job::Remove | Job::Prune | Job::PruneNothing => images,
    };
    delay.saturating_mul(documents.saturating_mul(CALLS).saturating_add(going))
}

/// Runs a program on a directory as it is shown by a far disk. The value is what it took, and how often the
/// kernel asked.
pub(crate) fn run(
    dir: &Path,
    invocation: &Invocation,
    mountpoint: &Path,
    delay: Duration,
) -> anyhow::Result<(Duration, u64)> {
    let disk = FarDisk::mount(dir, mountpoint, delay, MOST_AT_ONCE)?;
    let took = invocation.time()?;
    Ok((took, disk.requests().values().sum()))
}
