//! Tables for a terminal: columns as wide as their content, up to a limit.

use std::io::{self, Write};

use anstyle::Style;

use crate::text::width;

/// A cell wider than this shifts what follows it in its own row only.
const WIDEST: usize = 40;
/// Gap between two columns, and if there is not enough room for it.
const GAP: usize = 2;
const NARROW_GAP: usize = 1;
const HEADER: Style = Style::new().bold();

/// Alignment of a column's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// One entry: printable text and its style.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// Writes the table, in at most `room` columns if possible.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, out: &mut impl Write, room: usize) -> io::Result<()> {
        let widths: Vec<usize> = self.columns.iter().enumerate().map(|(column, _)| self.width(column)).collect();
        let gaps = widths.len().saturating_sub(1);
        let gap = if widths.iter().sum::<usize>() + gaps * GAP <= room { GAP } else { NARROW_GAP };
        let header: Vec<Cell> = self.columns.iter().map(|(name, _)| Cell::styled(*name, HEADER)).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            for (column, cell) in row.iter().enumerate() {
                let gap = if column == 0 { 0 } else { gap };
                let pad = widths[column].saturating_sub(width(&cell.text));
                let (before, after) = match self.columns[column].1 {
                    Align::Right => (pad, 0),
                    // The last column needs no padding.
                    Align::Left if column + 1 == row.len() => (0, 0),
                    Align::Left => (0, pad),
                };
                let Cell { text, style } = cell;
                write!(out, "{:gap$}{:before$}{style}{text}{style:#}{:after$}", "", "", "")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| width(&row[column].text));
        cells.chain([width(self.columns[column].0)]).max().unwrap_or(0).min(WIDEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_are_aligned_to_the_right() {
        let mut table = Table::new(&[("NAME", Align::Left), ("BYTES", Align::Right), ("STATE", Align::Left)]);
        table.push(vec!["脳波".into(), "7".into(), "live".into()]);
        table.push(vec!["camera".into(), "1234567".into(), "-".into()]);
        let mut out = anstream::StripStream::new(Vec::new());
        table.write(&mut out, 80).unwrap();
        let expected = "NAME      BYTES  STATE\n脳波          7  live\ncamera  1234567  -\n";
        assert_eq!(String::from_utf8(out.into_inner()).unwrap(), expected);
    }

    #[test]
    fn a_very_wide_cell_shifts_its_own_row_only() {
        let mut table = Table::new(&[("NAME", Align::Left), ("PID", Align::Right)]);
        table.push(vec!["x".repeat(1024).into(), "1".into()]);
        table.push(vec!["eeg".into(), "22".into()]);
        let mut out = anstream::StripStream::new(Vec::new());
        table.write(&mut out, 80).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], format!("{}    1", "x".repeat(1024)));
        assert_eq!(lines[2], format!("{:40}   22", "eeg"));
    }

    #[test]
    fn in_narrow_room_the_gaps_between_columns_shrink() {
        let mut table = Table::new(&[("NAME", Align::Left), ("PID", Align::Right), ("STATE", Align::Left)]);
        table.push(vec!["eeg".into(), "22".into(), "live".into()]);
        let written = |room| {
            let mut out = anstream::StripStream::new(Vec::new());
            table.write(&mut out, room).unwrap();
            String::from_utf8(out.into_inner()).unwrap()
        };
        assert_eq!(written(16), "NAME  PID  STATE\neeg    22  live\n");
        assert_eq!(written(15), "NAME PID STATE\neeg   22 live\n");
    }
}
