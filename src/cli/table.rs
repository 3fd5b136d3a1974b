//! Tables in text, printed while the rows are read. Columns are as wide as their content is displayed
//! on a terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::util::quote::escape;

/// The number of rows that determine the widths of the columns.
pub const SAMPLE: usize = 1000;

/// The spaces between two columns.
const GAP: usize = 2;

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableColumn {
    /// The heading.
    pub heading: &'static str,
    /// How the column shrinks in a narrow terminal; `None` if its values are never cut.
    pub shrink: Option<Shrink>,
}

/// How a column shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shrink {
    /// The position among the columns that shrink: the column with the lowest one shrinks first.
    pub order: u8,
    /// The width to which the column shrinks before the next column does.
    pub comfortable: usize,
    /// The width to which the column shrinks after all columns have their comfortable width.
    pub min: usize,
}

/// A table of text rows with headings. Cells are escaped when they are added.
#[derive(Debug)]
pub struct Table {
    columns: Vec<TableColumn>,
    /// The width of the terminal; `None` for a table whose values are never cut.
    width: Option<usize>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first rows, which determine the widths.
    Sampling(Vec<Vec<String>>),
    /// The width of each column; a column without one does not fit and is left out.
    Printing(Vec<Option<usize>>),
}

impl Table {
    /// Creates a table for a terminal of this width; without a width, values are never cut.
    #[must_use]
    pub fn new(columns: Vec<TableColumn>, width: Option<usize>) -> Self {
        let headings = columns.iter().map(|column| column.heading.to_owned()).collect();
        Self { columns, width, state: State::Sampling(vec![headings]) }
    }

    /// Adds a row, and returns the lines that can be printed: none while the first [`SAMPLE`] rows
    /// arrive, then the line of the headings with all of these rows, and afterwards the line of
    /// this row.
    pub fn row(&mut self, cells: &[&str]) -> Vec<String> {
        let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
        match &mut self.state {
            State::Printing(widths) => vec![line(&cells, widths, self.width.is_some())],
            State::Sampling(rows) => {
                rows.push(cells);
                if rows.len() > SAMPLE { self.print_sample() } else { Vec::new() }
            }
        }
    }

    /// Returns the lines that were not returned yet, at the end of the rows. Without a row, the
    /// line of the headings is left out as well.
    pub fn finish(&mut self) -> Vec<String> {
        match &self.state {
            State::Sampling(rows) if rows.len() > 1 => self.print_sample(),
            _ => Vec::new(),
        }
    }

    /// Returns a note about the columns that do not fit the terminal, after the first lines. The command has the
    /// option `--wide`.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let State::Printing(widths) = &self.state else { return None };
        let columns = self.columns.iter().zip(widths);
        let left_out: Vec<&str> =
            columns.filter(|(_, width)| width.is_none()).map(|(column, _)| column.heading).collect();
        let names = left_out.join(", ");
        (!left_out.is_empty())
            .then(|| format!("the terminal is too narrow for {names}: --wide prints everything"))
    }

    fn print_sample(&mut self) -> Vec<String> {
        let rows = match &mut self.state {
            State::Sampling(rows) => std::mem::take(rows),
            State::Printing(_) => Vec::new(),
        };
        let natural: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
            })
            .collect();
        let widths = match self.width {
            None => natural.into_iter().map(Some).collect(),
            Some(width) => fit(&natural, &self.columns, width),
        };
        let lines = rows.iter().map(|row| line(row, &widths, self.width.is_some())).collect();
        self.state = State::Printing(widths);
        lines
    }
}

/// Shrinks the columns until they fit the width; if their smallest widths do not fit, leaves out the
/// last columns, but never the first one.
fn fit(natural: &[usize], columns: &[TableColumn], width: usize) -> Vec<Option<usize>> {
    let mut widths: Vec<Option<usize>> = natural.iter().copied().map(Some).collect();
    let excess = |widths: &[Option<usize>]| {
        let shown = widths.iter().flatten().count();
        let total = widths.iter().flatten().sum::<usize>() + shown.saturating_sub(1) * GAP;
        total.saturating_sub(width)
    };
    let mut shrinking: Vec<(usize, Shrink)> = columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| column.shrink.map(|shrink| (index, shrink)))
        .collect();
    shrinking.sort_by_key(|(_, shrink)| shrink.order);
    let limits: [fn(&Shrink) -> usize; 2] = [|shrink| shrink.comfortable, |shrink| shrink.min];
    for limit in limits {
        for (index, shrink) in &shrinking {
            let excess = excess(&widths);
            if let Some(Some(current)) = widths.get_mut(*index) {
                *current = (*current).min(limit(shrink).max(current.saturating_sub(excess)));
            }
        }
    }
    for index in (1..widths.len()).rev() {
        if excess(&widths) > 0
            && let Some(column) = widths.get_mut(index)
        {
            *column = None;
        }
    }
    widths
}

fn line(row: &[String], widths: &[Option<usize>], is_cut: bool) -> String {
    let mut out = String::new();
    for (cell, width) in row.iter().zip(widths) {
        let Some(width) = *width else { continue };
        let used = push_cut(&mut out, cell, if is_cut { width } else { usize::MAX });
        out.extend(std::iter::repeat_n(' ', width.saturating_sub(used) + GAP));
    }
    out.truncate(out.trim_end().len());
    out
}

/// Adds a cell, cut with `…` if it is wider than `width`; returns the displayed width.
fn push_cut(out: &mut String, cell: &str, width: usize) -> usize {
    // Most cells are ASCII, whose width is their length.
    let full = if cell.is_ascii() { cell.len() } else { cell.width() };
    if full <= width {
        out.push_str(cell);
        return full;
    }
    let mut used = 0;
    for character in cell.chars() {
        let next = character.width().unwrap_or(0);
        if used + next + 1 > width {
            break;
        }
        used += next;
        out.push(character);
    }
    out.push('…');
    used + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn column(heading: &'static str, order: u8, comfortable: usize, min: usize) -> TableColumn {
        TableColumn { heading, shrink: Some(Shrink { order, comfortable, min }) }
    }

    fn columns() -> Vec<TableColumn> {
        vec![column("NAME", 1, 8, 4), TableColumn { heading: "ROLE", shrink: None }, column("MAIL", 0, 6, 4)]
    }

    fn lines(width: Option<usize>, rows: &[[&str; 3]]) -> Vec<String> {
        let mut table = Table::new(columns(), width);
        let mut lines: Vec<String> = rows.iter().flat_map(|row| table.row(row)).collect();
        lines.extend(table.finish());
        lines
    }

    #[test]
    fn table_columns_align_by_display_width() {
        let rows = [["李雷", "user", "-"], ["fritz", "api", "-"]];
        assert_eq!(lines(Some(80), &rows), ["NAME   ROLE  MAIL", "李雷   user  -", "fritz  api   -"]);
    }

    #[test]
    fn table_cells_escape_terminal_control_characters() {
        assert_eq!(lines(None, &[["a\x1b[2J\nb", "", ""]])[1], "a\\u{1b}[2J\\nb");
    }

    #[test]
    fn table_columns_shrink_in_order_and_no_line_exceeds_the_width() {
        let rows = [
            ["Ada Lovelace", "user", "ada@site.example"],
            ["李雷李雷李雷李雷", "user", "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}"],
        ];
        // The mail address shrinks first.
        assert_eq!(lines(Some(34), &rows)[1], "Ada Lovelace      user  ada@site.…");
        assert_eq!(lines(Some(28), &rows)[1], "Ada Lovelace    user  ada@s…");
        assert_eq!(lines(Some(16), &rows)[1], "Ada…  user  ada…");
        assert_eq!(lines(Some(16), &rows)[2], "李…   user  e\u{301}e\u{301}e\u{301}…");
        for width in 1..60 {
            for line in lines(Some(width), &rows) {
                assert!(line.width() <= width.max(4), "{width}: {line}");
            }
        }
    }

    #[test]
    fn table_leaves_out_the_last_columns_of_a_very_narrow_terminal() {
        let mut table = Table::new(columns(), Some(12));
        table.row(&["fritz", "user", "f@x"]);
        assert_eq!(table.finish(), ["NAME  ROLE", "fri…  user"]);
        assert_eq!(table.note().unwrap(), "the terminal is too narrow for MAIL: --wide prints everything");
    }

    #[test]
    fn table_cuts_a_long_value_after_the_sample() {
        let mut table = Table::new(columns(), Some(80));
        for _ in 1..SAMPLE {
            assert!(table.row(&["fritz", "user", "-"]).is_empty());
        }
        assert_eq!(table.row(&["fritz", "user", "-"]).len(), SAMPLE + 1);
        assert_eq!(table.row(&["fritz the first", "user", "-"]), ["frit…  user  -"]);
        assert!(table.finish().is_empty());
    }

    #[test]
    fn table_without_a_width_never_cuts() {
        let long = "x".repeat(500);
        assert!(lines(None, &[[&long, "user", "-"]])[1].starts_with(&long));
    }

    #[test]
    fn table_without_rows_has_no_headings() {
        assert!(lines(Some(80), &[]).is_empty());
    }
}
