//! A far disk for whoever wants to try something on it: mounted until it is not wanted any more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use crate::far::MOST_AT_ONCE;
use crate::far_disk::FarDisk;

/// `--mount-delay`: until somebody unmounts it, or stops this program with Ctrl-C. Then it says how often
/// the kernel asked, and for what.
pub(crate) fn stay_mounted(words: &[String]) -> anyhow::Result<()> {
    let [delay, dir, mountpoint] = words else {
        anyhow::bail!("--mount-delay takes milliseconds, a directory and where to show it");
    };
    let delay = milliseconds(delay).map_err(anyhow::Error::msg)?;
    let disk = FarDisk::mount(Path::new(dir), Path::new(mountpoint), delay, MOST_AT_ONCE)
        .with_context(|| format!("cannot mount at {mountpoint}"))?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_stopped))?;
    }
    eprintln!("{dir} is at {mountpoint}, each call {delay:?} away, until Ctrl-C");
    while disk.is_mounted() && !is_stopped.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
    for (what, count) in disk.requests() {
        println!("{count:>9} {what}");
    }
    println!(
        "{:>9} waited at the same time, at most",
        disk.most_at_once()
    );
    Ok(())
}

/// A delay: milliseconds, with parts of them.
pub(crate) fn milliseconds(text: &str) -> Result<Duration, String> {
    let number: Result<f64, _> = text.parse();
    let seconds = number.map_err(|_| format!("{text} is no number of milliseconds"))? / 1000.0;
    Duration::try_from_secs_f64(seconds).map_err(|e| format!("{text}: {e}"))
}
