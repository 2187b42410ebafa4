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
//! after a deletion, [`floor`] is the floor program, [`job`] says what is done, [`process`] runs and
//! measures, [`agreement`] compares answers, [`results`] prints. [`many`] has many layouts pruned together;
//! `far_disk` shows a directory as if it were far away, `far` measures there, `by_hand` leaves it mounted.
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
mod far;
#[cfg(target_os = "linux")]
mod far_disk;
mod floor;
mod generator;
mod job;
mod layout_on_disk;
mod many;
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
pub(crate) struct Arguments {
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
    /// With how many threads the floor program reads where it has several
    #[arg(long, value_name = "N", default_value_t = 2)]
    floor_threads: usize,
    /// Measure on a disk that is so many milliseconds away for each call, as a list
    #[cfg(target_os = "linux")]
    #[arg(long, value_name = "MS", value_delimiter = ',', value_parser = by_hand::milliseconds)]
    delay: Vec<std::time::Duration>,
    /// With how many threads the floor program works on a disk that is far away
    #[arg(long, value_name = "N", default_value_t = 64)]
    far_threads: usize,
    /// Measure a prune of so many layouts together, which have `--images` in all
    #[arg(long, value_name = "N")]
    layouts: Option<usize>,
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
    /// 1,000,000 entries: 100,000 images of ten names each, with few blobs
    Million,
}

impl Size {
    fn name(self) -> &'static str {
        match self {
            Size::Small => "small",
            Size::Medium => "medium",
            Size::Large => "large",
            Size::Huge => "huge",
            Size::Million => "million",
        }
    }

    fn images(self) -> usize {
        match self {
            Size::Small => 200,
            Size::Medium => 2_000,
            Size::Large => 20_000,
            Size::Huge | Size::Million => 100_000,
        }
    }

    /// What is made of the parameters that were given.
    fn parameters(self, given: &Parameters) -> Parameters {
        let given = given.clone();
        match self {
            Size::Million => Parameters {
                // 970,000 names of the 70,000 images that have any.
                dangling: 0.3,
                tags: 97.0 / 7.0,
                layers: 1,
                shared_layers: 1,
                ..given
            },
            _ => given,
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
        self.ocirm_at(&layout.path(), arguments)
    }

    /// ocirm, working on the layout that is shown there.
    pub(crate) fn ocirm_at(&self, layout: &Path, arguments: &[&str]) -> Invocation {
        let layout = layout.display().to_string();
        let before = ["--layout", &layout, "--color", "never"];
        let all = before.iter().chain(arguments);
        Invocation {
            program: self.ocirm.clone(),
            arguments: all.map(|argument| (*argument).to_owned()).collect(),
        }
    }

    /// The floor program, doing a job with so many threads.
    pub(crate) fn floor(&self, layout: &LayoutOnDisk, job: Job, threads: usize) -> Invocation {
        self.floor_at(&layout.path(), layout, job, threads)
    }

    /// The floor program, working on the layout where it is shown.
    pub(crate) fn floor_at(
        &self,
        shown: &Path,
        layout: &LayoutOnDisk,
        job: Job,
        threads: usize,
    ) -> Invocation {
        Invocation {
            program: self.floor.clone(),
            arguments: vec![
                "floor".to_owned(),
                job.name().to_owned(),
                shown.display().to_string(),
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
        compare_answers(&programs, &arguments)?;
        return many::compare_answers(&programs, &arguments);
    }
    if let Some(layouts) = arguments.layouts {
        return many::measure(&programs, &arguments, layouts);
    }
    #[cfg(target_os = "linux")]
    if !arguments.delay.is_empty() {
        return far::measure(&programs, &arguments);
    }
    measure(&programs, &arguments)
}

/// `--generate`.
fn generate(arguments: &Arguments, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(dir)?;
    let size = arguments.sizes[0];
    let plan = Plan::new(&Parameters {
        images: arguments.images.unwrap_or(size.images()),
        ..size.parameters(&arguments.parameters)
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
        for invocation in contenders(programs, &layout, job, 2) {
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
    let with = |images: usize, parameters: Parameters| Parameters {
        images,
        ..parameters
    };
    let sizes: Vec<(String, Parameters)> = match arguments.images {
        Some(images) => {
            let parameters = with(images, arguments.parameters.clone());
            vec![("custom".to_owned(), parameters)]
        }
        None => {
            let sizes = arguments.sizes.iter();
            let sizes = sizes.map(|size| {
                let parameters = size.parameters(&arguments.parameters);
                (size.name().to_owned(), with(size.images(), parameters))
            });
            sizes.collect()
        }
    };
    let mut all = Vec::new();
    for (size, parameters) in sizes {
        let results = measure_size(programs, arguments, size, &parameters)?;
        println!("{}", results::layout_table(&results));
        all.push(results);
    }
    println!("{}", results::growth_table(&all));
    println!("{}", results::memory_table(&all));
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
    parameters: &Parameters,
) -> anyhow::Result<LayoutResults> {
    let images = parameters.images;
    let rounds = arguments.rounds.unwrap_or(usual_rounds(images));
    eprintln!("{size}: generating {images} images");
    let start = Instant::now();
    let layout = LayoutOnDisk::generate(&arguments.dir, parameters)?;
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
        threads: arguments.floor_threads,
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

/// The floor program, once with one thread and once with several, and ocirm do a job in turns. The first run of each is not timed: it fills the caches, and is
/// asked for its memory.
fn compare(
    programs: &Programs,
    arguments: &Arguments,
    layout: &LayoutOnDisk,
    job: Job,
    rounds: u32,
) -> anyhow::Result<Comparison> {
    let invocations = contenders(programs, layout, job, arguments.floor_threads);
    let mut measured = [const { Measured::new() }; 3];
    for (invocation, measured) in invocations.iter().zip(&mut measured) {
        measured.peak_memory = run_once(layout, job, || invocation.peak_memory(layout.place()))?;
    }
    for round in 0..rounds {
        // Who goes first changes from round to round.
        let order = (0..3).map(|place| (place + round as usize) % 3);
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
    let [floor, threaded, ocirm] = measured;
    Ok(Comparison {
        job,
        images: layout.images(job),
        floor,
        threaded,
        ocirm,
    })
}

fn contenders(
    programs: &Programs,
    layout: &LayoutOnDisk,
    job: Job,
    threads: usize,
) -> [Invocation; 3] {
    [
        programs.floor(layout, job, 1),
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
