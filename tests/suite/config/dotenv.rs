//! `.env`: recorded results of Go's godotenv, and properties of the writer.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cc_auth::config::dotenv::{self, DotenvErrorKind};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{data, rows};

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
    }
}

/// The environment of the server's process after reading a file, from the recorded rows.
fn environment_after(before: &Value, file: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut after: BTreeMap<String, String> = before
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let read = dotenv::read(file).ok()?;
    for entry in read.entries() {
        let counts = read.get(&entry.key).unwrap();
        if counts.is_settable() && before.get(&entry.key).is_none() {
            after.insert(entry.key.clone(), counts.value.expose().to_owned());
        }
    }
    Some(after)
}

/// Recorded on cc-backend 1.5, which reads `.env` with godotenv's `Load`.
#[test]
fn dotenv_files_give_the_environment_of_the_server() {
    let rows = rows("dotenv.jsonl");
    assert_eq!(rows.len(), 74);
    for row in rows {
        let file = match &row["file"] {
            Value::String(text) => text.clone().into_bytes(),
            _ => STANDARD.decode(row["file_base64"].as_str().unwrap()).unwrap(),
        };
        let after = environment_after(&row["env_before"], &file);
        assert_eq!(after.is_some(), row["ok"].as_bool().unwrap(), "{row}");
        if let Some(after) = after {
            assert_eq!(serde_json::to_value(after).unwrap(), row["env_after"], "{row}");
        }
    }
}

fn agree(row: &Value) {
    let file = bytes(&row["file"]);
    let read = dotenv::read(&file);
    assert_eq!(read.is_ok(), row["ok"].as_bool().unwrap(), "{row} {read:?}");
    let Ok(read) = read else { return };
    let expected = row["map"].as_array().unwrap();
    let mut names: Vec<&str> = read.entries().iter().map(|entry| entry.key.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), expected.len(), "{row} {names:?}");
    for pair in expected {
        let (key, value) = (bytes(&pair[0]), bytes(&pair[1]));
        let (key, value) = (String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
        let entry = read.get(&key).unwrap_or_else(|| panic!("{row}: no {key:?}"));
        assert_eq!(entry.value.expose(), value, "{row}");
    }
}

/// Files of this project, half of them generated at random, and the results of godotenv 1.5.1
/// (Debian's golang-github-joho-godotenv-dev 1.5.1-1).
#[test]
fn dotenv_files_parse_as_in_godotenv() {
    let path = std::env::var("GODOTENV_ANSWERS").map_or_else(|_| data("godotenv-1.5.1.jsonl"), Into::into);
    let text = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for line in text.lines() {
        agree(&serde_json::from_str(line).unwrap());
        count += 1;
    }
    println!("{count} files read as by godotenv");
    assert!(count >= 400);
}

/// A random `.env` file, in most cases valid.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("A=b\n"),
        Just("A: b\r\n"),
        Just("export  A =  'b' # c\n"),
        Just("B=\"x\ny\" # z\n"),
        Just("# comment\n"),
        Just("\n"),
        Just("C=$B-${A}\n"),
        Just("D=\n"),
        Just("D= \r\n"),
        Just("D=x \\$y # \"\n"),
        Just("E='a\nb'"),
        Just(" F=1 "),
        Just("F=#x"),
        Just("\r"),
        Just("\""),
        Just("="),
        Just("\\"),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat().into_bytes())
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9+/]{43}=",
        "[ -~]{0,20}",
        r#"["'$\\ #{}A_a=\n\r\tü]{0,10}"#,
        any::<String>().prop_filter("no NUL", |text| !text.contains('\0')),
    ]
}

proptest! {
    #[test]
    fn dotenv_arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = dotenv::read(&bytes);
        let _ = dotenv::set(&bytes, "A", "b");
    }

    #[test]
    fn dotenv_set_round_trips_and_preserves_other_bytes(file in file(), value in value(), key in "[A-D]") {
        let Ok(before) = dotenv::read(&file) else { return Ok(()) };
        match dotenv::set(&file, &key, &value) {
            Ok(changed) => {
                let after = dotenv::read(&changed).unwrap();
                prop_assert_eq!(after.get(&key).unwrap().value.expose(), value.as_str());
                // Beginning and end are unchanged, and the text between them is the value of one
                // line.
                let head = file.iter().zip(&changed).take_while(|(a, b)| a == b).count();
                let old = before.get(&key);
                if old.is_none() {
                    prop_assert_eq!(head, file.len(), "a new key is added at the end");
                }
                for (index, entry) in before.entries().iter().enumerate() {
                    let now = &after.entries()[index];
                    prop_assert_eq!(&now.key, &entry.key);
                    let ours = old.is_some_and(|old| std::ptr::eq(old, entry));
                    // Keys that refer to the key change with it.
                    if !ours && !entry.expanded {
                        prop_assert_eq!(now.value.expose(), entry.value.expose());
                    }
                }
            }
            Err(error) => {
                let hard = value.ends_with('\\') || value.contains(['"', '\'']) || !file.ends_with(b"\n");
                prop_assert!(hard, "{error}: {value:?}");
            }
        }
    }
}

#[test]
fn dotenv_set_preserves_other_bytes() {
    let table = [
        ("", "A=\"v\"\n"),
        ("B=c", "B=c\nA=\"v\"\n"),
        ("B=c\r\n", "B=c\r\nA=\"v\"\r\n"),
        ("A=old\nB=c\n", "A=\"v\"\nB=c\n"),
        ("A=old # why\n", "A=\"v\" # why\n"),
        ("  export A : 'old'\t# why\nB=c", "  export A : \"v\"\t# why\nB=c"),
        ("A=\"two\nlines\"\nB=c\n", "A=\"v\"\nB=c\n"),
        ("A=\"two\r\nlines\"\r\nB=c\r\n", "A=\"v\"\r\nB=c\r\n"),
        ("A=1\nB=$A\nA=2\n", "A=1\nB=$A\nA=\"v\"\n"),
        ("A=\nB=c\n", "A=\"v\"\nB=c\n"),
        ("A=\r\nB=c\r\n", "A=\"v\"\r\nB=c\r\n"),
        ("A=   # none\n", "A=   \"v\"\n"),
        ("#A=old\n", "#A=old\nA=\"v\"\n"),
        ("AA=old\n", "AA=old\nA=\"v\"\n"),
    ];
    for (before, after) in table {
        let changed = dotenv::set(before.as_bytes(), "A", "v").unwrap();
        assert_eq!(String::from_utf8(changed).unwrap(), after, "{before:?}");
    }
    let latin = dotenv::set(b"# \xfcber\nA=1\n", "A", "v").unwrap();
    assert_eq!(latin, b"# \xfcber\nA=\"v\"\n", "a comment that is not UTF-8 stays");
}

#[test]
fn dotenv_set_quotes_values_that_need_it() {
    let table = [
        ("plain", "A=\"plain\"\n"),
        (
            "kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=",
            "A=\"kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=\"\n",
        ),
        ("pa$SWORD1", "A='pa$SWORD1'\n"),
        ("it's", "A=\"it's\"\n"),
        ("it's $5", "A=\"it's \\$5\"\n"),
        ("two\nlines", "A=\"two\\nlines\"\n"),
        ("a\\", "A=a\\\n"),
        ("\"it's\"", "A=\"\\\"it's\\\"${_}\"\n"),
        ("", "A=\"\"\n"),
    ];
    for (value, expected) in table {
        let changed = dotenv::set(b"", "A", value).unwrap();
        assert_eq!(String::from_utf8_lossy(&changed), expected);
        assert_eq!(dotenv::read(&changed).unwrap().get("A").unwrap().value.expose(), value);
    }
    for value in ["a\0b", "a\n'\\"] {
        assert!(dotenv::set(b"", "A", value).is_err(), "{value:?}");
    }
    for key in ["", "1A", "A-B", "A B", "Ä", "A="] {
        assert!(dotenv::set(b"", key, "x").is_err(), "{key:?}");
    }
    assert!(dotenv::set(b"B=1\n!\n", "A", "x").is_err(), "a file the server refuses is not touched");
}

#[test]
fn dotenv_malformed_line_is_reported_by_its_number_only() {
    let table: [(&[u8], &str); 10] = [
        (b"\xef\xbb\xbfA=b\n", "line 1, column 1: found a byte order mark (U+FEFF): expected plain UTF-8"),
        (
            b"A=b\n\na-b=c\n",
            "line 3, column 2: found '-' in a name: expected KEY=value with letters, digits, '_' and '.' in KEY",
        ),
        (b"A=b\nsecret\n", "line 2, column 7: found the end of the line: expected KEY=value"),
        (
            b"A='it's'\n",
            "line 1, column 7: found 's' after a closing quote: expected the end of the line, a comment or KEY=value",
        ),
        (b"B=1\nA=\"x\\\"\nC=d\n", "line 2, column 3: the value of 'A' begins with \" and is never closed"),
        (b"export ", "line 1, column 8: found the end of the line: expected KEY=value"),
        (
            "ä=b\n".as_bytes(),
            "line 1, column 2: found '\u{fffd}' in a name: expected KEY=value with letters, digits, '_' and '.' in KEY",
        ),
        (
            b"a@=1\nb@=2\n",
            "line 1, column 2: found '@' in a name: expected KEY=value with letters, digits, '_' and '.' in KEY; line 2, column 2: found '@' in a name: expected KEY=value with letters, digits, '_' and '.' in KEY",
        ),
        (
            b"A=\"x\r\ny\"\r\n!\r\n",
            "line 3, column 1: found '!' in a name: expected KEY=value with letters, digits, '_' and '.' in KEY",
        ),
        (
            b"\x1b[31m=b\n",
            "line 1, column 1: found '\\u{1b}' in a name: expected KEY=value with letters, digits, '_' and '.' in KEY",
        ),
    ];
    for (file, expected) in table {
        let faults = dotenv::read(file).unwrap_err();
        assert_eq!(faults.to_string(), expected);
    }
    let many = dotenv::read("!\n".repeat(1000).as_bytes()).unwrap_err();
    assert_eq!(many.into_iter().count(), 10);
}

#[test]
fn dotenv_value_with_expanded_name_is_marked() {
    let read = dotenv::read(b"A=pa$SWORD1\nB='pa$SWORD1'\nC=pa\\$SWORD1\nD=5$\nE=\"${A}\"\n").unwrap();
    let expanded: Vec<bool> = read.entries().iter().map(|entry| entry.expanded).collect();
    assert_eq!(expanded, [true, false, false, false, true]);
}

#[test]
fn dotenv_exponential_expansion_is_rejected() {
    let mut file = String::from("A=xxxxxxxxxx\n");
    for _ in 0..60 {
        file.push_str("A=$A$A\n");
    }
    let faults = dotenv::read(file.as_bytes()).unwrap_err();
    assert!(matches!(faults.first().problem, DotenvErrorKind::TooLong { .. }), "{faults}");
}

#[test]
fn dotenv_repeated_long_value_is_rejected() {
    let mut file = format!("A={}\n", "x".repeat(500_000));
    for number in 0..40 {
        file.push_str(&format!("B{number}=$A\n"));
    }
    let faults = dotenv::read(file.as_bytes()).unwrap_err();
    assert!(
        matches!(&faults.first().problem, DotenvErrorKind::TooLong { key } if *key == "'B33'"),
        "{faults}"
    );
    // Long values without a name in them are accepted.
    let file: String = (0..7).map(|number| format!("B{number}={}\n", "x".repeat(500_000))).collect();
    assert_eq!(dotenv::read(file.as_bytes()).unwrap().entries().len(), 7);
}
