//! The failures that somebody branches on: those that choose the exit status, and what the user
//! is told to do about them.
//!
//! Everything else is an [`anyhow::Error`] with context. [`crate::commands`] looks for an [`Error`] in
//! the chain of causes; without one the exit status is 1. A program that uses the crate gets [`Error`]s alone.

use std::fmt;

use rustix::io::Errno;

/// What went wrong, as far as the exit status is concerned. More kinds may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something was not found, was refused, or failed.
    Failed,
    /// What was asked for cannot be understood; nothing was looked at.
    Usage,
    /// A lock is held by somebody else for longer than we may wait. Trying again later may help.
    LockBusy,
    /// The layout is damaged, unknown or unsafe to change; nothing was deleted.
    Layout,
    /// This signal ended it; 15, which is SIGTERM, where a program that uses the crate wanted it to stop.
    Interrupted(i32),
}

impl ErrorKind {
    /// The exit status with which the program `ocirm` ends. These numbers are documented and stable.
    pub fn exit_status(self) -> u8 {
        match self {
            ErrorKind::Failed => 1,
            ErrorKind::Usage => 2,
            ErrorKind::LockBusy => 11,
            ErrorKind::Layout => 12,
            ErrorKind::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(1),
        }
    }
}

/// A failure with an exit status and, where there is one, a way out.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

impl Error {
    /// The whole chain of causes in one line.
    pub(crate) fn of(error: &anyhow::Error) -> Error {
        let (hint, kind) = hint_and_kind(error);
        Error {
            kind,
            message: format!("{error:#}"),
            hint: hint.map(str::to_owned),
        }
    }

    /// A failure of the given kind. The message says what and where, in one line.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// A command line that cannot be understood.
    pub(crate) fn usage(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, message)
    }

    /// A layout that must not be changed, or cannot be read.
    pub(crate) fn layout(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Layout, message)
    }

    /// Adds what the user can do about it, shown on a line of its own.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// What went wrong, as far as the exit status is concerned.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What can be done about it, as a sentence for a person who has the program `ocirm`.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// What the user can do about a failure, and of which kind it is: that of the first [`Error`] in the
/// chain of causes.
pub(crate) fn hint_and_kind(error: &anyhow::Error) -> (Option<&str>, ErrorKind) {
    let mut causes = error.chain();
    let known = causes.find_map(|cause| cause.downcast_ref::<Error>());
    let kind = known.map_or(ErrorKind::Failed, Error::kind);
    let of_system = match errno(error) {
        Some(Errno::ROFS) => Some("mount the file system for writing, and try again"),
        _ => None,
    };
    (known.and_then(Error::hint_text).or(of_system), kind)
}

/// What the operating system answered, where that is among the causes.
pub(crate) fn errno(error: &anyhow::Error) -> Option<Errno> {
    error.chain().find_map(|cause| {
        let errno = cause.downcast_ref::<Errno>().copied();
        errno.or_else(|| Errno::from_io_error(cause.downcast_ref()?))
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    #[test]
    fn exit_statuses_are_those_of_the_manual() {
        let statuses = [
            ErrorKind::Failed,
            ErrorKind::Usage,
            ErrorKind::LockBusy,
            ErrorKind::Layout,
            ErrorKind::Interrupted(15),
        ]
        .map(ErrorKind::exit_status);
        assert_eq!(statuses, [1, 2, 11, 12, 143]);
    }
}
