//! What is known of the streams that are written to: whether somebody reads, and how wide a terminal is.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;

/// Whether a stream takes a line at once. A pipe that nobody reads does not, nor does a terminal that was
/// stopped.
pub(super) fn is_ready(stream: &impl AsFd) -> bool {
    let mut stream = [PollFd::new(stream, PollFlags::OUT)];
    // Who cannot be asked is written to as ever.
    poll(&mut stream, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}

/// How many columns a terminal has; nothing on anything else.
pub(super) fn columns(stream: &(impl AsFd + IsTerminal)) -> Option<usize> {
    let size = stream.is_terminal().then(|| tcgetwinsize(stream).ok())??;
    Some(size.ws_col.into()).filter(|columns| *columns > 0)
}
