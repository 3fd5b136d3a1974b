//! Users in files.

use cc_auth::user::exchange::{
    Entry, read_csv, read_json_lines, write_csv, write_csv_heading, write_json_line,
};

use super::clean_fault;

/// Users as CSV and as JSON lines: who is taken is the same person after writing and reading.
pub fn csv(data: &[u8]) {
    for existing_too in [false, true] {
        for read in [read_csv, read_json_lines] {
            match read(data, "'fuzzed'", existing_too) {
                Ok(entries) => entries.iter().for_each(goes_round),
                Err(faults) => {
                    assert!(!faults.is_empty());
                    assert!(faults.is_sorted_by_key(|fault| fault.line));
                    faults.iter().for_each(|fault| clean_fault(fault));
                }
            }
        }
    }
}

fn goes_round(entry: &Entry) {
    let Ok(user) = entry.to_new() else { return };
    let hash = entry.password.as_ref().map(Option::as_ref);
    let text = write_csv_heading(hash.is_some()) + &write_csv(&user, hash);
    let read = read_csv(text.as_bytes(), "'written'", false).expect("what was written");
    let [read] = read.as_slice() else { panic!("one user became {}", read.len()) };
    assert_eq!(read.to_new().as_ref(), Ok(&user), "{text}");
    // An empty field says nothing of the password.
    assert_eq!(read.password.clone().flatten(), entry.password.clone().flatten());
    let text = write_json_line(&user, hash);
    let read = read_json_lines(text.as_bytes(), "'written'", false).expect("what was written");
    assert_eq!(read[0].to_new().as_ref(), Ok(&user), "{text}");
    assert_eq!(read[0].password, entry.password);
}
