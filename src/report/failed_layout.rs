//! One of several layouts with which nothing could be done: the object that JSON has in its place.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::escape::write_json;
use super::messages::ReportedError;
use crate::error::ErrorKind;

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct FailedLayout {
    layout: String,
    errors: [ReportedError; 1],
}

impl FailedLayout {
    /// What failed, and what the user can do about it.
    pub(crate) fn new(
        layout: &Path,
        kind: ErrorKind,
        message: String,
        hint: Option<&str>,
    ) -> FailedLayout {
        let class = match kind {
            ErrorKind::LockBusy => "locked",
            ErrorKind::Layout => "layout",
            ErrorKind::Failed | ErrorKind::Usage | ErrorKind::Interrupted(_) => "failed",
        };
        FailedLayout {
            layout: layout.display().to_string(),
            errors: [ReportedError::new(class, message, hint)],
        }
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }
}
