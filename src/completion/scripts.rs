//! The scripts by which shells ask. They are what `ocirm completion` prints and what lies in
//! `completions/`, and they call the `ocirm` that the PATH leads to: a path that somebody types is
//! not run before the return key is pressed.

use std::ffi::OsStr;
use std::path::Path;

use clap_complete::env::{Elvish, EnvCompleter, Powershell};

pub use crate::cli::Shell;

use super::VARIABLE;

/// bash takes the word at the cursor apart at `:` and `=`, and puts what it gets into the line as it
/// is. So it hands over the line and what it would replace, and gets words with quotes. A word that
/// begins with `~` or `$` is completed by bash itself, and by zsh likewise.
const BASH: &str = r#"_ocirm() {
    COMPREPLY=()
    if [[ "$2" == [~\$]* ]]; then
        compopt -o default -o bashdefault 2>/dev/null
        return
    fi
    local word
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(COMPLETE=bash ocirm -- "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" "$2" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[/=:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -o nosort -F _ocirm ocirm 2>/dev/null || complete -F _ocirm ocirm
"#;

/// Lines that begin with `+` are words of which more follows. Where the file lies in a directory of
/// `fpath` it is the function itself, which is called when the file is read.
const ZSH: &str = r#"#compdef ocirm

_ocirm() {
    local -a found more whole
    if [[ "$PREFIX" == [~\$]* ]]; then
        _files
        return
    fi
    found=("${(@f)$(COMPLETE=zsh ocirm -- $((CURRENT - 1)) "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" \
        "${(@Q)words[CURRENT+1,-1]}" 2>/dev/null)}")
    more=("${(@)${(@M)found:#+*}#+}")
    whole=("${(@)${(@M)found:#=*}#=}")
    local failed=1
    [[ -n "$more" ]] && _describe -V 'word' more -S '' && failed=0
    [[ -n "$whole" ]] && _describe -V 'word' whole && failed=0
    return failed
}

if [[ "${funcstack[1]}" == _ocirm ]]; then
    _ocirm "$@"
else
    compdef _ocirm ocirm
fi
"#;

const FISH: &str = r"complete --keep-order --exclusive --command ocirm --arguments '(COMPLETE=fish ocirm -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --cut-at-cursor --current-token) 2>/dev/null)'
";

impl Shell {
    /// The shell that a name or the path of a program means.
    pub(super) fn of_path(path: &OsStr) -> Option<Shell> {
        match Path::new(path).file_stem()?.to_str()? {
            "bash" => Some(Shell::Bash),
            "elvish" => Some(Shell::Elvish),
            "fish" => Some(Shell::Fish),
            "pwsh" | "powershell" | "powershell_ise" => Some(Shell::PowerShell),
            "zsh" => Some(Shell::Zsh),
            _ => None,
        }
    }

    /// The name of the file in which the shell looks for it.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Shell::Bash => "ocirm.bash",
            Shell::Elvish => "ocirm.elv",
            Shell::Fish => "ocirm.fish",
            Shell::PowerShell => "_ocirm.ps1",
            Shell::Zsh => "_ocirm",
        }
    }
}

/// The script that makes a shell ask.
#[must_use]
pub fn script(shell: Shell) -> String {
    let library = |completer: &dyn EnvCompleter| {
        let mut text = Vec::new();
        // Into memory: this cannot fail.
        let _ = completer.write_registration(VARIABLE, "ocirm", "ocirm", "ocirm", &mut text);
        let text = String::from_utf8_lossy(&text);
        format!("{}\n", text.trim())
    };
    match shell {
        Shell::Bash => BASH.to_owned(),
        Shell::Zsh => ZSH.to_owned(),
        Shell::Fish => FISH.to_owned(),
        Shell::Elvish => library(&Elvish),
        Shell::PowerShell => library(&Powershell),
    }
}
