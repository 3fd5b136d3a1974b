//! Tables in text: columns as wide as their content, measured as a terminal shows it.

use unicode_width::UnicodeWidthStr;

use crate::util::quote::escape;

/// Rows of text under a heading. Cells are escaped when they are added.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[&str]) {
        self.rows.push(cells.iter().map(|cell| escape(cell)).collect());
    }

    /// The lines of the table, without blanks at their ends.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
            })
            .collect();
        self.rows.iter().map(|row| line(row, &widths)).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut out = String::new();
    for (cell, width) in row.iter().zip(widths) {
        out.push_str(cell);
        out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_width_on_the_screen() {
        let mut table = Table::new(&["NAME", "ROLE"]);
        table.row(&["李雷", "user"]);
        table.row(&["fritz", "api"]);
        assert_eq!(table.lines(), ["NAME   ROLE", "李雷   user", "fritz  api"]);
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let mut table = Table::new(&["NAME"]);
        table.row(&["a\x1b[2J\nb"]);
        assert_eq!(table.lines()[1], "a\\u{1b}[2J\\nb");
    }
}
