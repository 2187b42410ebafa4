//! Compares ocirm with the floor program, whole process with whole process: `cargo bench`.
//!
//! ```text
//! cargo bench                                       # the medium and the large layout
//! cargo bench -- --size small                       # in seconds
//! cargo bench -- --size small,medium,large,huge
//! cargo bench -- --help
//! ```
//!
//! For each size a layout is generated, the answers of both programs are compared, and then they do
//! each job in turns. The tables are printed as Markdown on standard output; everything else goes to
//! standard error. Without `--bench`, which `cargo bench` adds, and without other arguments, nothing
//! is measured: one tiny layout is generated and all answers are compared.
//!
//! The parts: [`generator`] makes layouts, [`layout_on_disk`] puts one into a directory and repairs it
//! after a deletion, `far_disk` shows a directory as if it were far away, `by_hand` leaves that mounted,
//! [`floor`] is the floor program, [`job`] says what is done, [`process`] runs and measures, [`agreement`] compares answers, [`results`] prints.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program of its own, that makes layouts and deletes from them"
)]

mod agreement;
#[cfg(target_os = "linux")]
mod by_hand;
#[cfg(target_os = "linux")]
mod far_disk;
mod floor;
mod generator;
mod job;
mod layout_on_disk;
mod process;
mod results;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Parser, ValueEnum};

use generator::{Parameters, Plan};
use job::Job;
use layout_on_disk::{LayoutOnDisk, write_layout};
use process::{Invocation, drop_caches};
use results::{Comparison, LayoutResults, Measured};

/// Compares ocirm with the least that any program would have to do
#[derive(Debug, Parser)]
#[command(name = "ratios", max_term_width = 100)]
struct Arguments {
    /// Which layouts, as a list
    #[arg(
        long = "size",
        value_enum,
        value_delimiter = ',',
        default_value = "medium,large"
    )]
    sizes: Vec<Size>,
    /// One layout of this many images instead
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Which jobs, as a list [default: all]
    #[arg(long = "job", value_enum, value_delimiter = ',')]
    jobs: Vec<Job>,
    /// How often each program does each job [default: depends on the size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// With how many threads the floor program reads
    #[arg(long, value_name = "N", default_value_t = 1)]
    floor_threads: usize,
    /// Empty the kernel's caches before each run; needs root
    #[arg(long)]
    cold: bool,
    /// Where layouts are made; they are removed at the end
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// The program that is measured
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_ocirm"))]
    ocirm: String,
    /// Only write a layout into this new directory, and leave it there
    #[arg(long, value_name = "DIR")]
    generate: Option<PathBuf>,
    /// Only show a directory at another place, where each call takes so many milliseconds longer
    #[cfg(target_os = "linux")]
    #[arg(long, num_args = 3, value_names = ["MS", "DIR", "MOUNTPOINT"])]
    mount_delay: Option<Vec<String>>,
    /// Only generate a tiny layout and compare all answers
    #[arg(long)]
    test: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
    #[command(flatten)]
    parameters: Parameters,
}

/// Sizes of layouts.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Size {
    /// 200 images
    Small,
    /// 2,000 images
    Medium,
    /// 20,000 images
    Large,
    /// 100,000 images
    Huge,
}

impl Size {
    fn name(self) -> &'static str {
        match self {
            Size::Small => "small",
            Size::Medium => "medium",
            Size::Large => "large",
            Size::Huge => "huge",
        }
    }

    fn images(self) -> usize {
        match self {
            Size::Small => 200,
            Size::Medium => 2_000,
            Size::Large => 20_000,
            Size::Huge => 100_000,
        }
    }
}

/// How often each program does each job on a layout of so many images.
fn usual_rounds(images: usize) -> u32 {
    match images {
        0..1_000 => 25,
        1_000..10_000 => 15,
        10_000..50_000 => 9,
        _ => 5,
    }
}

/// How often a process is started that does nearly nothing.
const STARTS: u32 = 101;

/// The two programs.
pub(crate) struct Programs {
    ocirm: String,
    /// This executable, which is the floor program too.
    floor: String,
}

impl Programs {
    /// ocirm, working on a layout.
    pub(crate) fn ocirm(&self, layout: &LayoutOnDisk, arguments: &[&str]) -> Invocation {
        let layout = layout.path().display().to_string();
        let before = ["--layout", &layout, "--color", "never"];
        let all = before.iter().chain(arguments);
        Invocation {
            program: self.ocirm.clone(),
            arguments: all.map(|argument| (*argument).to_owned()).collect(),
        }
    }

    /// The floor program, doing a job with so many threads.
    pub(crate) fn floor(&self, layout: &LayoutOnDisk, job: Job, threads: usize) -> Invocation {
        Invocation {
            program: self.floor.clone(),
            arguments: vec![
                "floor".to_owned(),
                job.name().to_owned(),
                layout.path().display().to_string(),
                layout.lists(job).display().to_string(),
                threads.to_string(),
            ],
        }
    }
}

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == "floor") {
        return Ok(floor::run(&words[2..])?);
    }
    let arguments = Arguments::parse();
    if let Some(dir) = &arguments.generate {
        return generate(&arguments, dir);
    }
    #[cfg(target_os = "linux")]
    if let Some(words) = &arguments.mount_delay {
        return by_hand::stay_mounted(words);
    }
    std::fs::create_dir_all(&arguments.dir)?;
    let programs = Programs {
        ocirm: arguments.ocirm.clone(),
        floor: std::env::current_exe()?.display().to_string(),
    };
    if arguments.test || words.len() == 1 {
        return compare_answers(&programs, &arguments);
    }
    measure(&programs, &arguments)
}

/// `--generate`.
fn generate(arguments: &Arguments, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(dir)?;
    let images = arguments.images.unwrap_or(arguments.sizes[0].images());
    let plan = Plan::new(&Parameters {
        images,
        ..arguments.parameters.clone()
    });
    let start = Instant::now();
    let inventory = write_layout(dir, &plan)?;
    eprintln!(
        "{} blobs ({} bytes), {} entries in {:.1} s",
        inventory.blobs,
        inventory.bytes,
        inventory.rows.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// `--test`: a layout that has a little of everything, and every job once by each program.
fn compare_answers(programs: &Programs, arguments: &Arguments) -> anyhow::Result<()> {
    let layout = LayoutOnDisk::generate(
        &arguments.dir,
        &Parameters {
            images: 60,
            shared_layers: 2,
            images_per_base: 4,
            platforms: 3,
            multi_platform: 0.3,
            attestations: true,
            orphans: 0.5,
            referrers: 0.3,
            ..arguments.parameters.clone()
        },
    )?;
    agreement::verify(programs, &layout)?;
    for job in Job::ALL {
        for invocation in contenders(programs, &layout, job, 1) {
            run_once(&layout, job, || invocation.time())?;
        }
        leave_pruned(programs, &layout, job)?;
    }
    eprintln!("the generator, the floor program and ocirm agree");
    Ok(())
}

fn measure(programs: &Programs, arguments: &Arguments) -> anyhow::Result<()> {
    let version = Invocation {
        program: programs.ocirm.clone(),
        arguments: vec!["--version".to_owned()],
    };
    let machine = results::machine(&arguments.dir);
    println!("{}, {machine}.\n", version.output()?.trim());
    println!("{}", start(programs, arguments, &version)?);
    let sizes: Vec<(String, usize)> = match arguments.images {
        Some(images) => vec![("custom".to_owned(), images)],
        None => {
            let sizes = arguments.sizes.iter();
            sizes
                .map(|size| (size.name().to_owned(), size.images()))
                .collect()
        }
    };
    let mut all = Vec::new();
    for (size, images) in sizes {
        let results = measure_size(programs, arguments, size, images)?;
        println!("{}", results::layout_table(&results));
        all.push(results);
    }
    println!("{}", results::growth_table(&all));
    Ok(())
}

/// What it takes to start a process, and ocirm.
fn start(
    programs: &Programs,
    arguments: &Arguments,
    version: &Invocation,
) -> anyhow::Result<String> {
    let parameters = Parameters {
        images: 1,
        dangling: 0.0,
        referrers: 0.0,
        tags: 1.0,
        ..arguments.parameters.clone()
    };
    let layout = LayoutOnDisk::generate(&arguments.dir, &parameters)?;
    let nothing = Invocation {
        program: programs.floor.clone(),
        arguments: vec!["floor".to_owned()],
    };
    let list = programs.ocirm(&layout, &["ls"]);
    let mut rows = Vec::new();
    for (what, invocation) in [
        ("the floor program, doing nothing", &nothing),
        ("`ocirm --version`", version),
        ("`ocirm ls` of one image", &list),
    ] {
        let mut measured = Measured {
            peak_memory: invocation.peak_memory(layout.place())?,
            ..Measured::default()
        };
        for _ in 0..STARTS {
            measured.times.add(invocation.time()?);
        }
        rows.push((what, measured));
    }
    Ok(results::start_table(&rows))
}

fn measure_size(
    programs: &Programs,
    arguments: &Arguments,
    size: String,
    images: usize,
) -> anyhow::Result<LayoutResults> {
    let rounds = arguments.rounds.unwrap_or(usual_rounds(images));
    eprintln!("{size}: generating {images} images");
    let start = Instant::now();
    let parameters = Parameters {
        images,
        ..arguments.parameters.clone()
    };
    let layout = LayoutOnDisk::generate(&arguments.dir, &parameters)?;
    eprintln!(
        "{size}: {:.1} s; comparing answers",
        start.elapsed().as_secs_f64()
    );
    agreement::verify(programs, &layout)?;
    let mut comparisons = Vec::new();
    for job in Job::ALL {
        if arguments.jobs.is_empty() || arguments.jobs.contains(&job) {
            eprintln!("{size}: {}, {rounds} rounds", job.name());
            comparisons.push(compare(programs, arguments, &layout, job, rounds)?);
        }
        leave_pruned(programs, &layout, job)?;
    }
    let inventory = &layout.inventory;
    Ok(LayoutResults {
        size,
        contents: format!(
            "{images} images, {} entries, {} blobs, {} of them for `prune`{}",
            inventory.rows.len(),
            inventory.blobs,
            inventory.garbage.len(),
            if arguments.cold { "; cold caches" } else { "" },
        ),
        comparisons,
    })
}

/// Both programs do a job in turns. The first run of each is not timed: it fills the caches, and is
/// asked for its memory.
fn compare(
    programs: &Programs,
    arguments: &Arguments,
    layout: &LayoutOnDisk,
    job: Job,
    rounds: u32,
) -> anyhow::Result<Comparison> {
    let invocations = contenders(programs, layout, job, arguments.floor_threads);
    let mut measured = [Measured::default(), Measured::default()];
    for (invocation, measured) in invocations.iter().zip(&mut measured) {
        measured.peak_memory = run_once(layout, job, || invocation.peak_memory(layout.place()))?;
    }
    for round in 0..rounds {
        // Who goes first changes from round to round.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for contender in order {
            let took = run_once(layout, job, || {
                if arguments.cold {
                    drop_caches()?;
                }
                invocations[contender].time()
            })?;
            measured[contender].times.add(took);
        }
    }
    let [floor, ocirm] = measured;
    Ok(Comparison {
        job,
        images: layout.images(job),
        floor,
        ocirm,
    })
}

fn contenders(
    programs: &Programs,
    layout: &LayoutOnDisk,
    job: Job,
    threads: usize,
) -> [Invocation; 2] {
    [
        programs.floor(layout, job, threads),
        programs.ocirm(layout, &job.arguments(&layout.victim)),
    ]
}

/// Runs a program, makes sure that it did its job, and repairs the layout.
fn run_once<T>(
    layout: &LayoutOnDisk,
    job: Job,
    run: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let result = run()?;
    layout.verify_after(job)?;
    layout.restore_after(job)?;
    Ok(result)
}

/// Behind the job that prunes, prunes once more and repairs nothing, for the job after it.
fn leave_pruned(programs: &Programs, layout: &LayoutOnDisk, job: Job) -> anyhow::Result<()> {
    if job != Job::Prune {
        return Ok(());
    }
    let arguments = job.arguments(&layout.victim);
    programs.ocirm(layout, &arguments).time()?;
    layout.verify_after(job)?;
    agreement::verify_pruned(programs, layout)
}
