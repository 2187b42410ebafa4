//! Policy files, read.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::Error;
use crate::retention::{Policy, parse_policy};

/// The largest policy file, in bytes.
const MAX_POLICY_BYTES: u64 = 1 << 20;

/// Reads a policy file.
///
/// # Errors
/// Exit status 2: it cannot be read, is no ordinary file, is too large, or is not understood.
pub(super) fn read_policy(path: &Path) -> Result<Policy, Error> {
    let shown = path.display().to_string();
    let bad = |why: &str| {
        let error = Error::usage(format!("cannot read the policy `{shown}`: {why}"));
        error.hint("nothing was changed")
    };
    // Before it is opened: to open a pipe is to wait for somebody who writes.
    let found = std::fs::metadata(path).map_err(|error| bad(&error.to_string()))?;
    if !found.is_file() {
        return Err(bad(match found.is_dir() {
            true => "it is a directory",
            false => "it is no ordinary file",
        }));
    }
    let too_large = || bad("it has more than 1 MiB");
    if found.len() > MAX_POLICY_BYTES {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| bad(&error.to_string()))?;
    let read = file.take(MAX_POLICY_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| bad(&error.to_string()))?;
    if bytes.len() as u64 > MAX_POLICY_BYTES {
        return Err(too_large());
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::usage(format!("{shown}:{line}: this is not UTF-8"))
    })?;
    let name = path.file_name().map(|name| name.to_string_lossy());
    parse_policy(&text, &shown, name.as_deref().unwrap_or(&shown))
}
