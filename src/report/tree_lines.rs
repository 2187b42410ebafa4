//! What belongs to each image, as `ls --tree` draws it: a block for each image, its line and below
//! it the branches.

use std::borrow::{Borrow as _, Cow};
use std::collections::HashMap;
use std::io::{self, Write};

use super::fit::Part;
use super::list_lines::{Lines, TreeLine, id, shown_digest, shown_name};
use super::shorten::visible;
use super::table::{Give, Rows, Side};
use super::units::size;
use crate::value::digest::Digest;

/// Of an image with several names, trees of more branches than that are shown below the first.
const LARGE_TREE: usize = 64;

pub(super) fn trees<L: Lines>(
    lines: L,
    full: bool,
    columns: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut rows = Rows::new(vec![Side::Left, Side::Left, Side::Right]);
    let mut large: HashMap<Digest, String> = HashMap::new();
    for line in lines {
        let line = line.borrow();
        let mut name = shown_name(line).into_owned();
        if let Some(layout) = &line.layout {
            name = format!("{}: {name}", visible(layout));
        }
        if line.containers.is_some_and(|count| count > 0) {
            name.push_str(" (in use)");
        }
        rows.add([&*name, &*id(line, full), &*size(line.size)].map(Cow::Borrowed));
        let tree = line.tree.as_deref().unwrap_or_default();
        if tree.len() > LARGE_TREE && line.layout.is_none() {
            if let Some(first) = large.get(&line.digest) {
                rows.add([format!("└─ as {first}").into(), "".into(), "".into()]);
                continue;
            }
            large.insert(line.digest.clone(), name);
        }
        add_branches(&mut rows, tree, "", full);
    }
    let give = Give {
        column: 0,
        least: 16,
        part: Part::Middle,
    };
    rows.write_within(columns, &[give], out)
}

fn add_branches(rows: &mut Rows, branches: &[TreeLine], indent: &str, full: bool) {
    for (number, branch) in branches.iter().enumerate() {
        let is_last = number + 1 == branches.len();
        let (bar, next) = match is_last {
            true => ("└─ ", "   "),
            false => ("├─ ", "│  "),
        };
        let mut text = format!("{indent}{bar}");
        match (&branch.shown_platform, branch.role) {
            (Some(platform), "platform") => text.push_str(&visible(platform)),
            (Some(platform), role) => text.push_str(&format!("{role} {}", visible(platform))),
            (None, role) => text.push_str(role),
        }
        if !branch.names.is_empty() {
            text.push_str(&format!(" = {}", visible(&branch.names.join(", "))));
        }
        if branch.unlisted {
            text.push_str(" (unlisted)");
        }
        if branch.elided {
            text.push_str(" …");
        }
        let bytes = match branch.present {
            true => size(branch.size),
            false => "missing".to_owned(),
        };
        let cells = [text, shown_digest(&branch.digest, full), bytes];
        rows.add(cells.map(Cow::Owned));
        add_branches(rows, &branch.children, &format!("{indent}{next}"), full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::list_lines::ImageLine;
    use crate::value::digest::Algorithm;

    #[test]
    fn columns_are_as_wide_as_they_look() {
        let digest = Algorithm::Sha256.hash(b"");
        let branch = |role, names: &[&str]| TreeLine {
            role,
            shown_platform: None,
            platform: None,
            digest: digest.clone(),
            present: role != "layer",
            size: 12_345,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            children: Vec::new(),
            elided: false,
            unlisted: false,
        };
        let lines = [
            ImageLine {
                name: Some("名前:タグ".into()),
                tree: Some([branch("manifest", &["🦀"]), branch("layer", &[])].into()),
                ..ImageLine::id(&digest, "named")
            },
            ImageLine::id(&digest, "dangling"),
        ];
        let mut out = Vec::new();
        trees(lines.iter(), false, None, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
名前:タグ          e3b0c44298fc        0B
├─ manifest = 🦀   e3b0c44298fc    12.3kB
└─ layer           e3b0c44298fc   missing
<dangling>         e3b0c44298fc        0B
"
        );
    }
}
