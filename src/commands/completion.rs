//! `ocirm completion`.

use super::print;
use crate::cli::CompletionArgs;
use crate::completion::script;

pub(super) fn run(args: &CompletionArgs) -> anyhow::Result<u8> {
    print(|out| out.write_all(script(args.shell).as_bytes()))?;
    Ok(0)
}
