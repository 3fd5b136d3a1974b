//! Users in files.

use cc_auth::user::exchange::{
    CsvReader, JsonLinesReader, Line, LineError, UserEntry, csv_header, csv_line, json_line,
};

use super::clean_fault;

/// Users as CSV and as JSON lines: a row that is accepted is the same after writing and reading.
pub fn csv(data: &[u8]) {
    match CsvReader::new(data) {
        Ok(reader) => check(reader),
        Err(problems) => {
            assert!(!problems.is_empty());
            for (line, problem) in problems {
                clean_fault(&LineError { file: "'fuzzed'".to_owned(), line, error: problem });
            }
        }
    }
    check(JsonLinesReader::new(data));
}

fn check(lines: impl Iterator<Item = Line>) {
    let mut last = 0;
    for (line, entry) in lines {
        assert!(line > last, "line {line} after {last}");
        last = line;
        match entry {
            Ok(entry) => goes_round(&entry),
            Err(problem) => clean_fault(&LineError { file: "'fuzzed'".to_owned(), line, error: problem }),
        }
    }
}

fn goes_round(entry: &UserEntry) {
    let Ok(row) = entry.new_row() else { return };
    let text = csv_header(true) + &csv_line(&row, true);
    let line = json_line(&row, true);
    let csv = CsvReader::new(text.as_bytes()).expect("what was written").map(|(_, entry)| entry);
    let json = JsonLinesReader::new(line.as_bytes()).map(|(_, entry)| entry);
    for entries in [csv.collect::<Vec<_>>(), json.collect()] {
        let [Ok(read)] = entries.as_slice() else { panic!("one user became {}: {text}", entries.len()) };
        assert!(read.new_row().is_ok_and(|read| read.reads_like(&row)), "{text}");
    }
}
