//! What the user tells about containers: the files of `--containers`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::containers::{Container, parse};
use crate::error::{Error, ErrorKind};

/// Reads all lists of containers. One that cannot be read or understood is an error: what it would
/// have protected is unknown.
pub(super) fn containers(files: &[PathBuf]) -> anyhow::Result<Vec<Container>> {
    let mut all = Vec::new();
    for file in files {
        let shown = file.display();
        let failed = |message| Error::new(ErrorKind::Failed, message).hint("nothing was deleted");
        let bytes = read(file)
            .map_err(|e| failed(format!("cannot read the containers of `{shown}`: {e}")))?;
        let found =
            parse(&bytes).map_err(|e| failed(format!("the containers of `{shown}`: {e}")))?;
        all.extend(found);
    }
    Ok(all)
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
