//! The numbers, and the Markdown that they are printed as.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::job::Job;

/// What repeated runs of one program took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
        self.0.sort_unstable();
    }

    fn minimum(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    /// The middle one, or the mean of the two in the middle.
    fn median(&self) -> Duration {
        let (low, high) = (self.0.len().saturating_sub(1) / 2, self.0.len() / 2);
        let at = |position: usize| self.0.get(position).copied().unwrap_or_default();
        (at(low) + at(high)) / 2
    }
}

/// One program doing one job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) times: Times,
    /// Bytes.
    pub(crate) peak_memory: u64,
}

/// Both programs doing one job.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub(crate) job: Job,
    /// How many images the layout has.
    pub(crate) images: usize,
    /// The floor program with one thread.
    pub(crate) floor: Measured,
    /// The floor program with several.
    pub(crate) threaded: Measured,
    pub(crate) ocirm: Measured,
}

impl Measured {
    pub(crate) const fn new() -> Measured {
        Measured {
            times: Times(Vec::new()),
            peak_memory: 0,
        }
    }
}

/// All jobs on one layout.
#[derive(Clone, Debug)]
pub(crate) struct LayoutResults {
    pub(crate) size: String,
    /// With how many threads the floor program reads where it has several.
    pub(crate) threads: usize,
    /// What the layout is made of, in words.
    pub(crate) contents: String,
    pub(crate) comparisons: Vec<Comparison>,
}

fn milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    match milliseconds {
        small if small < 10.0 => format!("{small:.2} ms"),
        medium if medium < 100.0 => format!("{medium:.1} ms"),
        large => format!("{large:.0} ms"),
    }
}

fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let bytes = bytes as f64;
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

fn ratio(ocirm: Duration, floor: Duration) -> f64 {
    ocirm.as_secs_f64() / floor.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn microseconds_per_image(measured: &Measured, images: usize) -> f64 {
    measured.times.minimum().as_secs_f64() * 1e6 / images as f64
}

/// The table of one layout.
pub(crate) fn layout_table(results: &LayoutResults) -> String {
    let LayoutResults {
        size,
        threads,
        contents,
        comparisons,
    } = results;
    let mut text = format!(
        "### {size}: {contents}\n\n\
         | job | floor: median | minimum | memory | floor, {threads} threads: median | minimum \
         | ocirm: median | minimum | memory | ratio of medians | of minima | to {threads} threads: of medians | of minima |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    );
    for comparison in comparisons {
        let Comparison {
            floor,
            threaded,
            ocirm,
            ..
        } = comparison;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | **{:.2}** | {:.2} | **{:.2}** | {:.2} |",
            comparison.job.title(),
            milliseconds(floor.times.median()),
            milliseconds(floor.times.minimum()),
            mebibytes(floor.peak_memory),
            milliseconds(threaded.times.median()),
            milliseconds(threaded.times.minimum()),
            milliseconds(ocirm.times.median()),
            milliseconds(ocirm.times.minimum()),
            mebibytes(ocirm.peak_memory),
            ratio(ocirm.times.median(), floor.times.median()),
            ratio(ocirm.times.minimum(), floor.times.minimum()),
            ratio(ocirm.times.median(), threaded.times.median()),
            ratio(ocirm.times.minimum(), threaded.times.minimum()),
        );
    }
    text
}

/// One program on a disk that is far away, or none where it would take too long.
#[derive(Clone, Debug, Default)]
pub(crate) struct FarMeasured {
    pub(crate) times: Times,
    /// How often the kernel asked the disk.
    pub(crate) calls: u64,
}

/// What programs take for jobs on a disk that is far away: one line for each job, one column for each
/// program, of which the last is ocirm. A program without a time was not measured.
pub(crate) fn far_table(
    heading: &str,
    programs: &[String],
    rows: &[(&str, Vec<FarMeasured>)],
) -> String {
    let mut text = format!("### {heading}\n\n| job |");
    for program in programs {
        let _ = write!(text, " {program}: minimum | calls |");
    }
    let others = programs.split_last().map_or(&[][..], |(_, others)| others);
    for other in others {
        let _ = write!(text, " ratio to {other} |");
    }
    text += "\n|---|";
    text += &"--:|".repeat(2 * programs.len() + others.len());
    text.push('\n');
    for (job, measured) in rows {
        let _ = write!(text, "| {job} |");
        for FarMeasured { times, calls } in measured {
            match times.0.is_empty() {
                true => text += " - | - |",
                false => _ = write!(text, " {} | {calls} |", milliseconds(times.minimum())),
            }
        }
        if let Some((ocirm, others)) = measured.split_last() {
            for other in others {
                match other.times.0.is_empty() || ocirm.times.0.is_empty() {
                    true => text += " - |",
                    false => {
                        let of = ratio(ocirm.times.minimum(), other.times.minimum());
                        let _ = write!(text, " **{of:.2}** |");
                    }
                }
            }
        }
        text.push('\n');
    }
    text
}

/// What each image takes, by size of the layout: the same everywhere if the time grows with the
/// number of images and no faster. The floor program shows what the machine adds to that.
pub(crate) fn growth_table(all: &[LayoutResults]) -> String {
    let mut text = String::from(
        "### Microseconds for each image in the layout: ocirm (floor), minimum\n\n| job |",
    );
    for results in all {
        let _ = write!(text, " {} |", results.size);
    }
    text += "\n|---|";
    text += &"--:|".repeat(all.len());
    text.push('\n');
    for job in Job::ALL {
        let row: Vec<String> = all
            .iter()
            .filter_map(|results| results.comparisons.iter().find(|c| c.job == job))
            .map(|comparison| {
                let each = |measured| microseconds_per_image(measured, comparison.images);
                let (ocirm, floor) = (each(&comparison.ocirm), each(&comparison.floor));
                format!("{ocirm:.1} ({floor:.1})")
            })
            .collect();
        if !row.is_empty() {
            let _ = writeln!(text, "| {} | {} |", job.title(), row.join(" | "));
        }
    }
    text
}

/// How much memory each further image takes from one size of layouts to the next.
pub(crate) fn memory_table(all: &[LayoutResults]) -> String {
    let pairs: Vec<_> = all.iter().zip(all.iter().skip(1)).collect();
    if pairs.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "### Bytes of memory for each further image, from one size to the next: ocirm (floor)\n\n| job |",
    );
    for (from, to) in &pairs {
        let _ = write!(text, " {} to {} |", from.size, to.size);
    }
    text += "\n|---|";
    text += &"--:|".repeat(pairs.len());
    text.push('\n');
    for job in Job::ALL {
        let each: Vec<String> = pairs
            .iter()
            .filter_map(|(from, to)| {
                let of = |results: &LayoutResults| {
                    let mut comparisons = results.comparisons.iter();
                    comparisons.find(|c| c.job == job).cloned()
                };
                let (from, to) = (of(from)?, of(to)?);
                let images = to
                    .images
                    .checked_sub(from.images)
                    .filter(|more| *more > 0)?;
                let further = |from: &Measured, to: &Measured| {
                    to.peak_memory.saturating_sub(from.peak_memory) / images as u64
                };
                let (ocirm, floor) = (
                    further(&from.ocirm, &to.ocirm),
                    further(&from.floor, &to.floor),
                );
                Some(format!("{ocirm} ({floor})"))
            })
            .collect();
        if !each.is_empty() {
            let _ = writeln!(text, "| {} | {} |", job.title(), each.join(" | "));
        }
    }
    text
}

/// What programs take for one prune of many layouts; the last is ocirm.
pub(crate) fn many_table(contents: &str, rows: &[(&str, Measured)]) -> String {
    let mut text = format!(
        "### {contents}\n\n\
         | program | median | minimum | memory | ocirm to it: medians | minima |\n\
         |---|--:|--:|--:|--:|--:|\n"
    );
    let Some((_, ocirm)) = rows.last() else {
        return text;
    };
    for (program, measured) in rows {
        let _ = writeln!(
            text,
            "| {program} | {} | {} | {} | **{:.2}** | {:.2} |",
            milliseconds(measured.times.median()),
            milliseconds(measured.times.minimum()),
            mebibytes(measured.peak_memory),
            ratio(ocirm.times.median(), measured.times.median()),
            ratio(ocirm.times.minimum(), measured.times.minimum()),
        );
    }
    text
}

/// The table of what it takes to start at all.
pub(crate) fn start_table(rows: &[(&str, Measured)]) -> String {
    let mut text =
        String::from("### Start\n\n| process | median | minimum | memory |\n|---|--:|--:|--:|\n");
    for (what, measured) in rows {
        let _ = writeln!(
            text,
            "| {what} | {} | {} | {} |",
            milliseconds(measured.times.median()),
            milliseconds(measured.times.minimum()),
            mebibytes(measured.peak_memory),
        );
    }
    text
}

/// The machine, as far as it says what it is.
pub(crate) fn machine(dir: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{model}, {cores} cores; Linux {}; {}; load {load} before the start",
        kernel.trim(),
        file_system(dir)
    )
}

fn file_system(dir: &Path) -> String {
    let Ok(stat) = rustix::fs::statfs(dir) else {
        return "an unknown file system".to_owned();
    };
    match stat.f_type {
        0xef53 => "ext4".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x9123_683e => "btrfs".to_owned(),
        0x0102_1994 => "tmpfs".to_owned(),
        0x794c_7630 => "overlayfs".to_owned(),
        0x2fc1_2fc1 => "zfs".to_owned(),
        other => format!("file system {other:#x}"),
    }
}
