//! Running a program and measuring it from outside: wall time from before its start until after its
//! end, and the most memory that it had.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// GNU time, which asks the kernel for the peak when the program ends.
const GNU_TIME: &str = "/usr/bin/time";

/// A program with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
}

impl Invocation {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        command
    }

    /// Runs it once, its output thrown away. A failure is an error: what it took means nothing.
    pub(crate) fn time(&self) -> anyhow::Result<Duration> {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.spawn()?.wait()?;
        let took = start.elapsed();
        anyhow::ensure!(status.success(), "{self:?}: {status}");
        Ok(took)
    }

    /// What it prints.
    pub(crate) fn output(&self) -> anyhow::Result<String> {
        let output = self
            .command()
            .output()
            .with_context(|| self.program.clone())?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(
            output.status.success(),
            "{self:?}: {}: {said}",
            output.status
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs it once and says how many bytes were resident at its peak. Without GNU time the kernel's
    /// own high-water mark is read until the program ends, which can miss the last moment.
    pub(crate) fn peak_memory(&self, scratch: &Path) -> anyhow::Result<u64> {
        let kilobytes: u64 = if Path::new(GNU_TIME).exists() {
            let report = scratch.join("peak");
            let mut command = Command::new(GNU_TIME);
            command.args(["-f", "%M", "-o"]).arg(&report);
            command.arg(&self.program).args(&self.arguments);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let status = command.stderr(Stdio::null()).status()?;
            anyhow::ensure!(status.success(), "{self:?}: {status}");
            fs::read_to_string(report)?.trim().parse()?
        } else {
            let mut command = self.command();
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn()?;
            let mut peak = 0;
            let status = loop {
                peak = high_water_mark(child.id())?.unwrap_or(peak);
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                std::thread::sleep(Duration::from_micros(200));
            };
            anyhow::ensure!(status.success(), "{self:?}: {status}");
            peak
        };
        Ok(kilobytes * 1024)
    }
}

/// `VmHWM` of a process in kibibytes; a process that has ended has none.
fn high_water_mark(process: u32) -> io::Result<Option<u64>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()))
}

/// Empties the kernel's caches of files and directories. Only root may.
pub(crate) fn drop_caches() -> anyhow::Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3\n").context("cannot empty the caches")
}
