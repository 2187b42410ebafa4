//! What lies where a layout was expected and is none, and what to do about it: a tar archive, another
//! tool's directory, a directory of layouts. It is only looked at when opening failed.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::Error;
use crate::value::transport::elsewhere;
use crate::words::{count, quoted, shell_word};

/// What is looked at of what lies below, to find layouts there: a home directory has no end.
const MOST_ENTRIES: usize = 5_000;
const MOST_DEPTH: usize = 4;

const NAME_ONE: &str = "name an OCI image layout with --layout DIR or OCIRM_LAYOUT";

/// Why there is no directory at `path`.
pub(super) fn nothing_there(path: &Path) -> Error {
    if let Some(elsewhere) = path.to_str().and_then(elsewhere) {
        return Error::usage(elsewhere.message).hint(elsewhere.hint);
    }
    Error::layout(format!("there is no directory {}", shown(path))).hint(NAME_ONE)
}

/// Why a file at `path` is no layout.
pub(super) fn no_directory(path: &Path) -> Error {
    match is_archive(path) {
        true => Error::layout(format!(
            "{} is a tar archive, and no layout directory",
            shown(path)
        ))
        .hint(unpack(path)),
        false => Error::layout(format!("{} is no directory", shown(path))).hint(NAME_ONE),
    }
}

/// Why a directory at `path` is no layout: it has no file `oci-layout`.
pub(super) fn no_marker(path: &Path) -> Error {
    let error =
        |what: &str| Error::layout(format!("{} is no OCI image layout: {what}", shown(path)));
    let has = |name: &str| path.join(name).symlink_metadata().is_ok();
    let no_marker = "it has no file `oci-layout`";
    if has("index.json") && has("blobs") {
        let file = shell_word(&path.join("oci-layout").to_string_lossy());
        return error("it has index.json and blobs, and no file `oci-layout`").hint(format!(
            "if that file was lost: echo '{{\"imageLayoutVersion\":\"1.0.0\"}}' > {file}"
        ));
    }
    if has("manifest.json") && has("version") {
        let dir = shell_word(&path.to_string_lossy());
        return error("it is a directory of skopeo's own format").hint(format!(
            "`skopeo copy dir:{dir} oci:DIR:TAG` copies its image into a layout"
        ));
    }
    let Below { layouts, is_all } = below(path);
    let Some(first) = layouts.first() else {
        return error(no_marker).hint(NAME_ONE);
    };
    let more = layouts.len() - 1;
    let first = quoted(&first.to_string_lossy());
    error(no_marker).hint(match (more, is_all) {
        (0, true) => format!("there is one layout below: {first}"),
        (0, false) => format!("there is at least one layout below: {first}"),
        (more, is_all) => format!(
            "there are {}{} below, such as {first}; use --recursive {} for all, with a command that has it",
            if is_all { "" } else { "at least " },
            count(1 + more, "layout", "layouts"),
            shell_word(&path.to_string_lossy()),
        ),
    })
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Whether a file is a tar archive, or a compressed file, which may be one.
pub(crate) fn is_archive(path: &Path) -> bool {
    // The last one stands where tar has its own name.
    const BEGINNINGS: [(usize, &[u8]); 5] = [
        (0, b"\x1f\x8b"),
        (0, b"\x28\xb5\x2f\xfd"),
        (0, b"BZh"),
        (0, b"\xfd7zXZ\0"),
        (257, b"ustar"),
    ];
    // A pipe would be waited for.
    if !path.metadata().is_ok_and(|file| file.is_file()) {
        return false;
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut bytes));
    let begins =
        |(at, text): &(usize, &[u8])| bytes.get(*at..).is_some_and(|b| b.starts_with(text));
    read.is_ok() && BEGINNINGS.iter().any(begins)
}

/// What to do with an archive: what `docker save` and `oci-archive` write has a layout in it, what older
/// Dockers wrote has not.
fn unpack(path: &Path) -> String {
    let file = shell_word(&path.to_string_lossy());
    format!(
        "unpack it (mkdir DIR && tar -xf {file} -C DIR) and use DIR; if there is no oci-layout in it: skopeo \
         copy docker-archive:{file} oci:DIR:TAG"
    )
}

/// Layouts below a directory, as many as are found without looking for long.
pub(crate) struct Below {
    /// In the order of their paths.
    pub(crate) layouts: Vec<PathBuf>,
    /// Everything was looked at.
    is_all: bool,
}

/// Looks for layouts below a directory, not far down and not at many files.
pub(crate) fn below(path: &Path) -> Below {
    let mut below = Below {
        layouts: Vec::new(),
        is_all: true,
    };
    let mut walk = WalkDir::new(path)
        .min_depth(1)
        .max_depth(MOST_DEPTH)
        .sort_by_file_name()
        .into_iter();
    let mut looked_at = 0;
    while let Some(entry) = walk.next() {
        looked_at += 1;
        if looked_at > MOST_ENTRIES {
            below.is_all = false;
            break;
        }
        let Ok(entry) = entry else {
            continue;
        };
        if !entry.file_type().is_dir() {
            continue;
        }
        below.is_all &= entry.depth() < MOST_DEPTH;
        if entry.path().join("oci-layout").symlink_metadata().is_ok() {
            below.layouts.push(entry.into_path());
            // Its blobs are many, and layouts below layouts are few.
            walk.skip_current_dir();
        }
    }
    below
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{MOST_DEPTH, MOST_ENTRIES, no_marker};

    fn hint(path: &std::path::Path) -> String {
        no_marker(path).hint_text().unwrap_or_default().to_owned()
    }

    /// I3.
    #[test]
    fn a_directory_of_layouts_says_how_many_there_are() {
        let root = tempfile::tempdir().unwrap();
        let add = |path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("oci-layout"), "{}").unwrap();
        };
        assert!(hint(root.path()).contains("name an OCI image layout"));
        add("a/b");
        assert!(hint(root.path()).starts_with("there is one layout below: `"));
        add("c");
        let said = hint(root.path());
        assert!(
            said.starts_with("there are 2 layouts below, such as `"),
            "{said}"
        );
        assert!(said.contains("--recursive"), "{said}");
        fs::create_dir_all(root.path().join(["d"; MOST_DEPTH].join("/"))).unwrap();
        assert!(hint(root.path()).starts_with("there are at least 2 layouts below"));
    }

    /// I3.
    #[test]
    fn what_lies_below_is_not_looked_at_without_end() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..MOST_ENTRIES {
            fs::write(root.path().join(format!("b{number}")), "").unwrap();
        }
        for dir in ["a", "z"] {
            fs::create_dir(root.path().join(dir)).unwrap();
            fs::write(root.path().join(dir).join("oci-layout"), "{}").unwrap();
        }
        let said = hint(root.path());
        assert!(
            said.starts_with("there is at least one layout below"),
            "{said}"
        );
    }
}
