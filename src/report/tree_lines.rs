//! What belongs to each image, as `ls --tree` draws it: a block for each image, its line and below
//! it the branches.

use std::borrow::Borrow as _;
use std::collections::HashMap;
use std::io::{self, Write};

use super::escape::visible;
use super::list::{Lines, TreeLine, id, shown_digest, shown_name};
use super::units::size;
use crate::value::digest::Digest;

/// Of an image with several names, trees of more branches than that are shown below the first.
const LARGE_TREE: usize = 64;

/// A block for each image: its line, and below it what belongs to it.
pub(super) fn trees<L: Lines>(lines: &L, full: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut widths = [0; 2];
    each_row(lines, full, &mut |row| {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
        Ok(())
    })?;
    each_row(lines, full, &mut |[text, id, bytes]| {
        let padding = |cell: &str, width: usize| " ".repeat(width + 3 - cell.chars().count());
        let (first, second) = (padding(text, widths[0]), padding(id, widths[1]));
        writeln!(out, "{text}{first}{id}{second}{bytes}")
    })
}

type EachRow<'a> = dyn FnMut([&str; 3]) -> io::Result<()> + 'a;

fn each_row<L: Lines>(lines: &L, full: bool, each: &mut EachRow<'_>) -> io::Result<()> {
    let mut large: HashMap<Digest, String> = HashMap::new();
    for line in lines.clone() {
        let line = line.borrow();
        let mut name = shown_name(line).into_owned();
        if let Some(layout) = &line.layout {
            name = format!("{}: {name}", visible(layout));
        }
        if line.containers.is_some_and(|count| count > 0) {
            name.push_str(" (in use)");
        }
        each([&name, &id(line, full), &size(line.size)])?;
        let tree = line.tree.as_deref().unwrap_or_default();
        if tree.len() > LARGE_TREE && line.layout.is_none() {
            if let Some(first) = large.get(&line.digest) {
                each([&format!("└─ as {first}"), "", ""])?;
                continue;
            }
            large.insert(line.digest.clone(), name);
        }
        each_branch(tree, "", full, each)?;
    }
    Ok(())
}

fn each_branch(
    branches: &[TreeLine],
    indent: &str,
    full: bool,
    each: &mut EachRow<'_>,
) -> io::Result<()> {
    for (number, branch) in branches.iter().enumerate() {
        let is_last = number + 1 == branches.len();
        let (bar, next) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let mut text = format!("{indent}{bar}");
        match (&branch.platform, branch.role) {
            (Some(platform), "platform") => text.push_str(&visible(platform)),
            (Some(platform), role) => text.push_str(&format!("{role} {}", visible(platform))),
            (None, role) => text.push_str(role),
        }
        if !branch.names.is_empty() {
            text.push_str(&format!(" = {}", visible(&branch.names.join(", "))));
        }
        if branch.elided {
            text.push_str(" …");
        }
        let digest = shown_digest(&branch.digest, full);
        let bytes = match branch.present {
            true => size(branch.size),
            false => "missing".to_owned(),
        };
        each([&text, &digest, &bytes])?;
        each_branch(&branch.children, &format!("{indent}{next}"), full, each)?;
    }
    Ok(())
}
