//! A layout with which nothing could be done, or a REF that `why` does not explain: the object that JSON has
//! in its place.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::escape::write_json;
use super::messages::ReportedError;
use super::version::Version;
use crate::error::ErrorKind;

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct FailedLayout {
    version: Version,
    layout: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// Always true. No other object has it, so it tells this one from all others.
    failed: bool,
    errors: [ReportedError; 1],
}

/// How JSON calls a failure that is no refusal.
pub(super) fn class(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::LockBusy => "locked",
        ErrorKind::Layout => "layout",
        ErrorKind::Usage => "invalid",
        ErrorKind::Failed | ErrorKind::Interrupted(_) => "failed",
    }
}

impl FailedLayout {
    /// What failed, and what the user can do about it.
    pub(crate) fn new(
        layout: &Path,
        kind: ErrorKind,
        message: String,
        hint: Option<&str>,
    ) -> FailedLayout {
        FailedLayout::because(layout, ReportedError::new(class(kind), message, hint))
    }

    /// Of this layout nothing is said because of this.
    pub(crate) fn because(layout: &Path, error: ReportedError) -> FailedLayout {
        FailedLayout {
            version: Version,
            layout: layout.display().to_string(),
            reference: None,
            failed: true,
            errors: [error],
        }
    }

    /// Only nothing of this REF.
    pub(crate) fn of_reference(self, reference: &str) -> FailedLayout {
        FailedLayout {
            reference: Some(reference.to_owned()),
            ..self
        }
    }

    /// Writes the JSON object, on one line.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(self, out)
    }
}
