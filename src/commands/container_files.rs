//! What the user tells about containers: the files of `--containers`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::containers::{Container, MAX_LIST_BYTES, parse};
use crate::error::{Error, ErrorKind};

/// Reads all lists of containers. One that cannot be read or understood is an error: what it would
/// have protected is unknown.
pub(super) fn containers(files: &[PathBuf]) -> anyhow::Result<Vec<Container>> {
    let mut all = Vec::new();
    for file in files {
        let shown = file.display();
        let failed = |message| Error::new(ErrorKind::Failed, message).hint("nothing is deleted");
        let bytes = read(file)
            .map_err(|e| failed(format!("cannot read the containers of `{shown}`: {e}")))?;
        let found =
            parse(&bytes).map_err(|e| failed(format!("the containers of `{shown}`: {e}")))?;
        all.extend(found);
    }
    Ok(all)
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than may be shows that there are too many.
    let most = MAX_LIST_BYTES as u64 + 1;
    match file == Path::new("-") {
        true => std::io::stdin().lock().take(most).read_to_end(&mut bytes)?,
        false => File::open(file)?.take(most).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}
