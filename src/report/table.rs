//! A table for people: columns as wide as their widest cell.
//!
//! A list can have a million rows, so cells are collected as text, one a line, and laid out once all
//! widths are known. A row is a line whatever is in its cells: one that is broken would look like
//! two.

use std::borrow::Cow;
use std::io::{self, Write};

use super::fit::{Part, cut};
use super::shorten::{shortened, width};

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Blanks behind a column.
pub(super) const GAP: usize = 3;

/// The same where there is little room.
const NARROW_GAP: usize = 2;

/// A column that gives way where a row is wider than the terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Give {
    /// Its number.
    pub(super) column: usize,
    /// So many columns of the terminal it keeps.
    pub(super) least: usize,
    /// What of a cell is given up.
    pub(super) part: Part,
}

/// A column is as wide as a cell of this width, however many rows there are: all names that registries
/// take, and most lists of platforms.
const USUAL_WIDTH: usize = 512;

/// How many blanks may stand in a column because one of its cells is wider than usual.
const MOST_BLANKS: usize = 4 << 20;

/// The widest cell that counts for the width of its column in a table of so many rows. A wider one
/// shifts the rest of its own row, for otherwise one long name would be paid for in each row.
pub(super) fn widest_that_counts(rows: usize) -> usize {
    (MOST_BLANKS / rows.max(1)).max(USUAL_WIDTH)
}

/// Cells are held in blocks of this many bytes: a single text would be copied as it grows.
const BLOCK_BYTES: usize = 1 << 16;

/// Rows, until all are there.
pub(super) struct Rows {
    sides: Vec<Side>,
    rows: usize,
    /// For each column how wide its cells are, ascending, each width once.
    widths: Vec<Vec<usize>>,
    /// The cells row by row, one a line.
    blocks: Vec<String>,
}

impl Rows {
    /// Rows of as many columns.
    pub(super) fn new(sides: Vec<Side>) -> Rows {
        Rows {
            widths: vec![Vec::new(); sides.len()],
            sides,
            rows: 0,
            blocks: Vec::new(),
        }
    }

    /// Adds a row: a cell for each column, in which no line ends.
    pub(super) fn add<'c>(&mut self, cells: impl IntoIterator<Item = Cow<'c, str>>) {
        if self
            .blocks
            .last()
            .is_none_or(|block| block.len() >= BLOCK_BYTES)
        {
            self.blocks.push(String::new());
        }
        self.rows += 1;
        let Some(text) = self.blocks.last_mut() else {
            return;
        };
        for (cell, widths) in cells.into_iter().zip(&mut self.widths) {
            let cell = shortened(cell);
            if let Err(at) = widths.binary_search(&width(&cell)) {
                widths.insert(at, width(&cell));
            }
            text.push_str(&cell);
            text.push('\n');
        }
    }

    /// How wide each column is if there is room for all of it.
    pub(super) fn widest(&self) -> Vec<usize> {
        let limit = widest_that_counts(self.rows);
        let widest = |widths: &Vec<usize>| {
            let mut counting = widths.iter().rev().filter(|width| **width <= limit);
            counting.next().copied().unwrap_or_default()
        };
        self.widths.iter().map(widest).collect()
    }

    /// Whether no row is wider than the terminal.
    pub(super) fn fits(&self, columns: Option<usize>) -> bool {
        let widest = self.widths.iter().map(|widths| widths.last().copied());
        let sum: usize = widest.map(Option::unwrap_or_default).sum();
        columns.is_none_or(|columns| sum + GAP * (self.sides.len() - 1) <= columns)
    }

    /// Writes rows as wide as they are.
    pub(super) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        self.write_within(None, &[], out)
    }

    /// Writes rows that are no wider than the terminal, as far as the columns that give way can do
    /// that, the first of them first.
    pub(super) fn write_within(
        self,
        columns: Option<usize>,
        give: &[Give],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut widest = self.widest();
        let mut gap = GAP;
        let mut parts = vec![None; self.sides.len()];
        if let Some(columns) = columns.filter(|_| !self.fits(columns)) {
            gap = NARROW_GAP;
            for (all, widest) in self.widths.iter().zip(&mut widest) {
                *widest = all.last().copied().unwrap_or_default();
            }
            let gaps = gap * (self.sides.len() - 1);
            for give in give {
                let over = (widest.iter().sum::<usize>() + gaps).saturating_sub(columns);
                let room = widest[give.column].saturating_sub(over);
                widest[give.column] = room.max(give.least).min(widest[give.column]);
                parts[give.column] = Some(give.part);
            }
        }
        let mut line = String::new();
        for block in self.blocks {
            let mut cells = block.split_terminator('\n').peekable();
            while cells.peek().is_some() {
                line.clear();
                let sides = self.sides.iter().zip(&widest).zip(&parts);
                for (((side, widest), part), cell) in sides.zip(&mut cells) {
                    let cell = match part {
                        Some(part) => cut(cell, *widest, *part),
                        None => Cow::Borrowed(cell),
                    };
                    let cell = &*cell;
                    let blanks = std::iter::repeat_n(' ', widest.saturating_sub(width(cell)));
                    match side {
                        Side::Left => {
                            line.push_str(cell);
                            line.extend(blanks);
                        }
                        Side::Right => {
                            line.extend(blanks);
                            line.push_str(cell);
                        }
                    }
                    line.extend(std::iter::repeat_n(' ', gap));
                }
                line.truncate(line.trim_end_matches(' ').len());
                line.push('\n');
                out.write_all(line.as_bytes())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(rows: &[[&str; 3]]) -> String {
        let mut table = Rows::new(vec![Side::Left, Side::Right, Side::Left]);
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

    /// Y7: the first column that may give way does so first, and what none gives is left to the terminal.
    #[test]
    fn columns_give_way_in_their_order() {
        let rows = || {
            let mut rows = Rows::new(vec![Side::Left, Side::Left, Side::Right]);
            for cells in [
                ["IMAGE", "PATH", "SIZE"],
                ["acme/web:1.0", "/srv/store/a", "1.2MB"],
            ] {
                rows.add(cells.map(Cow::Borrowed));
            }
            rows
        };
        let give = [(1, Part::Start), (0, Part::Middle)].map(|(column, part)| Give {
            column,
            least: 6,
            part,
        });
        for (columns, last) in [
            (35, "acme/web:1.0   /srv/store/a   1.2MB"),
            (34, "acme/web:1.0  /srv/store/a  1.2MB"),
            (30, "acme/web:1.0  …/store/a  1.2MB"),
            (25, "acm…eb:1.0  …ore/a  1.2MB"),
            (3, "a…:1.0  …ore/a  1.2MB"),
        ] {
            let mut out = Vec::new();
            rows().write_within(Some(columns), &give, &mut out).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out.lines().last(), Some(last), "{columns}");
        }
    }

    /// FR32: it is cut, and stays in its line.
    #[test]
    fn the_widest_cell_leaves_its_neighbours_in_step() {
        let wide = "x".repeat(100_000);
        let text = laid_out(&[["a", "1", ""], [&wide, "2", ""], ["b", "3", ""]]);
        let lengths: Vec<usize> = text.lines().map(width).collect();
        assert_eq!(lengths, [4098; 3]);
        let ends: Vec<&str> = text.lines().map(|line| &line[line.len() - 1..]).collect();
        assert_eq!(ends, ["1", "2", "3"]);
    }

    /// FR32: one wide cell is not paid for in each row.
    #[test]
    fn in_a_long_table_a_wide_cell_shifts_its_own_row_alone() {
        let wide = "x".repeat(100_000);
        let mut rows = vec![["aa", "1", ""]; 20_000];
        rows[7][0] = &wide;
        let text = laid_out(&rows);
        assert!(text.len() < 300_000, "{}", text.len());
        assert_eq!(text.lines().count(), rows.len());
        assert!(text.starts_with("aa   1\n"));
        assert!(text.lines().nth(7).unwrap().ends_with("x…   1"));
    }
}
