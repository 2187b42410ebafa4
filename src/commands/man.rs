//! `ocirm man`.
#![expect(
    clippy::disallowed_methods,
    reason = "manual pages are ordinary files, which belong to no layout"
)]

use anyhow::Context as _;

use super::print;
use crate::cli::ManArgs;
use crate::manual;
use crate::report::console::shown;

pub(super) fn run(args: &ManArgs) -> anyhow::Result<u8> {
    let directory = &args.directory;
    let pages = manual::pages().context("cannot make the manual pages")?;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the directory `{}`", directory.display()))?;
    for page in &pages {
        let path = directory.join(&page.file);
        std::fs::write(&path, &page.text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let text = format!(
        "{} pages are in {}\n",
        pages.len(),
        shown(&directory.display().to_string())
    );
    print(|out| out.write_all(text.as_bytes()))?;
    Ok(0)
}
