//! A table for people, laid out by comfy-table: columns as wide as their widest cell.
//!
//! A list can have hundreds of thousands of rows, and comfy-table holds each cell several times
//! over. So cells are collected as one text for each column, and laid out in blocks of a few
//! hundred rows once all widths are known.

use std::borrow::Cow;
use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::UnicodeWidthStr as _;

/// How many columns of a terminal a text takes. Hidden characters were escaped before.
pub(super) fn width(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.width(),
    }
}

/// Blanks behind a column.
const GAP: u16 = 3;

/// A block ends with the row that fills so many bytes.
///
/// comfy-table folds a cell that is wider than a `u16` can say. Such a cell has more bytes than
/// this, so it ends its block, and no row below it gets out of step.
const BLOCK_BYTES: usize = 1 << 15;

/// Rows, until all are there.
pub(super) struct Rows {
    alignments: Vec<CellAlignment>,
    widths: Vec<usize>,
    /// Of each block the cells of each column, one a line.
    blocks: Vec<Vec<String>>,
    /// How many bytes the last block has.
    bytes: usize,
}

impl Rows {
    /// Rows of as many columns.
    pub(super) fn new(alignments: Vec<CellAlignment>) -> Rows {
        Rows {
            widths: vec![0; alignments.len()],
            alignments,
            blocks: Vec::new(),
            bytes: BLOCK_BYTES,
        }
    }

    /// Adds a row: a cell for each column, in which no line ends.
    pub(super) fn add<'c>(&mut self, cells: impl IntoIterator<Item = Cow<'c, str>>) {
        if self.bytes >= BLOCK_BYTES {
            self.blocks.push(vec![String::new(); self.widths.len()]);
            self.bytes = 0;
        }
        let columns = self
            .widths
            .iter_mut()
            .zip(self.blocks.last_mut().into_iter().flatten());
        for (cell, (widest, text)) in cells.into_iter().zip(columns) {
            *widest = width(&cell).max(*widest);
            self.bytes += cell.len();
            text.push_str(&cell);
            text.push('\n');
        }
    }

    pub(super) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        for block in self.blocks {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Disabled)
                .add_row(block.iter().map(|column| column.trim_end_matches('\n')));
            let shapes = self.alignments.iter().zip(&self.widths);
            for (column, (alignment, width)) in table.column_iter_mut().zip(shapes) {
                let width = u16::try_from(*width).unwrap_or(u16::MAX);
                let width = Width::Fixed(width.saturating_add(GAP));
                column.set_padding((0, GAP)).set_cell_alignment(*alignment);
                column.set_constraint(ColumnConstraint::Absolute(width));
            }
            for line in table.lines() {
                out.write_all(line.trim_end_matches(' ').as_bytes())?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(rows: &[[&str; 3]]) -> String {
        let sides = vec![
            CellAlignment::Left,
            CellAlignment::Right,
            CellAlignment::Left,
        ];
        let mut table = Rows::new(sides);
        for row in rows {
            table.add(row.iter().map(|cell| Cow::Borrowed(*cell)));
        }
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_they_look() {
        assert_eq!(
            laid_out(&[
                ["IMAGE", "SIZE", "USE"],
                ["a", "12.3kB", ""],
                ["", "", ""],
                ["名前:タグ", "0B", "in use"],
                ["e\u{301}", "1GB", "🦀"],
            ]),
            "\
IMAGE         SIZE   USE
a           12.3kB

名前:タグ       0B   in use
e\u{301}              1GB   🦀
"
        );
        assert_eq!(laid_out(&[]), "");
    }

    #[test]
    fn a_long_list_looks_like_a_short_one() {
        let names: Vec<String> = (0..10_000).map(|number| format!("name-{number}")).collect();
        let rows: Vec<[&str; 3]> = names.iter().map(|name| [name, name, ""]).collect();
        let line = |name: &String| format!("{name:<9}   {name:>9}\n");
        assert_eq!(laid_out(&rows), names.iter().map(line).collect::<String>());
    }

    #[test]
    fn the_widest_cell_leaves_its_neighbours_in_step() {
        let wide = "x".repeat(100_000);
        let text = laid_out(&[["a", "1", ""], [&wide, "2", ""], ["b", "3", ""]]);
        let ends: Vec<&str> = text.lines().map(|line| &line[line.len() - 1..]).collect();
        assert_eq!(ends, ["1", "2", "x", "3"]);
    }
}
