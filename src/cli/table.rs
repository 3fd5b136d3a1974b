//! Tables in text. Columns are as wide as their content is displayed on a terminal.

use unicode_width::UnicodeWidthStr;

use crate::util::quote::escape;

/// A table of text rows with headings. Cells are escaped when they are added.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with these headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[&str]) {
        self.rows.push(cells.iter().map(|cell| escape(cell)).collect());
    }

    /// Returns the lines of the table, without trailing spaces.
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
    fn table_columns_align_by_display_width() {
        let mut table = Table::new(&["NAME", "ROLE"]);
        table.row(&["李雷", "user"]);
        table.row(&["fritz", "api"]);
        assert_eq!(table.lines(), ["NAME   ROLE", "李雷   user", "fritz  api"]);
    }

    #[test]
    fn table_cells_escape_terminal_control_characters() {
        let mut table = Table::new(&["NAME"]);
        table.row(&["a\x1b[2J\nb"]);
        assert_eq!(table.lines()[1], "a\\u{1b}[2J\\nb");
    }
}
