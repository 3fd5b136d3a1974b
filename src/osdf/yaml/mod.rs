//! YAML and JSON streams as trees whose entries have line numbers.
//!
//! The parser is strict: tags, merge keys and duplicate members with different values are errors.
//! Alias expansion is limited, so that a small file cannot exhaust the memory ("billion laughs").

mod node;
mod parse;

use std::borrow::Cow;

pub(super) use node::{YamlContent, YamlKey, YamlNode, scalar};

use super::location::{FieldPath, ResourceError, SourceName};
use crate::util::json::first_value;
use crate::util::note::Notes;
use parse::Builder;

/// Reads a stream of documents. Empty documents are left out.
///
/// Returns the documents and all errors. If there are errors, the documents serve only to find more of them.
pub(super) fn read(
    text: &str,
    origin: &SourceName,
    notes: &mut Notes,
) -> (Vec<YamlNode>, Vec<ResourceError>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(origin, notes);
    let result = match json_documents(text) {
        Some(documents) => {
            documents.iter().try_for_each(|(line, document)| builder.parse(&json_as_yaml(document), *line))
        }
        None => builder.parse(text, 0),
    };
    if let Err((line, problem)) = result {
        builder.fault(line, FieldPath::root(), problem);
    }
    (builder.documents, builder.faults)
}

/// Reads one document with a list at its top: its entries as JSON values, each with its line. Returns
/// `None` for another document.
///
/// # Errors
/// All errors of the text, each with its line.
pub(crate) fn read_list(
    text: &str,
    origin: &SourceName,
    notes: &mut Notes,
) -> Result<Option<Vec<(usize, serde_json::Value)>>, Vec<ResourceError>> {
    let (documents, errors) = read(text, origin, notes);
    if !errors.is_empty() {
        return Err(errors);
    }
    let [YamlNode { content: YamlContent::List(entries), .. }] = documents.as_slice() else {
        return Ok(None);
    };
    let mut faults = Vec::new();
    let values = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| (entry.line, entry.to_json(&FieldPath::root().entry(index), &mut faults)))
        .collect();
    if faults.is_empty() {
        return Ok(Some(values));
    }
    let error = |(line, path, error)| ResourceError { source: origin.clone(), line, path, error };
    Err(faults.into_iter().map(error).collect())
}

/// The documents of a JSON stream, each with the number of lines before it; none when it is not
/// JSON. Only their ends are looked for: the builder of the tree, the same for YAML and JSON, gives every
/// member its line and reports duplicate ones.
fn json_documents(text: &str) -> Option<Vec<(usize, &str)>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut documents = Vec::new();
    let (mut rest, mut lines) = (text, 0);
    while let Some(end) = first_value(rest).ok()? {
        let (piece, after) = rest.split_at_checked(end)?;
        documents.push((lines, piece));
        lines += piece.matches('\n').count();
        rest = after;
    }
    Some(documents)
}

/// JSON is YAML but for tabs between its tokens and for surrogate pairs in its texts.
fn json_as_yaml(text: &str) -> Cow<'_, str> {
    if !text.contains('\t') && !text.contains("\\u") && !text.contains("\\U") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\t', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\t') {
            out.push(' ');
            rest = after;
        } else if let Some((character, length)) = surrogate_pair(rest) {
            out.push(character);
            rest = &rest[length..];
        } else {
            // A backslash and what it escapes, which is ASCII in JSON.
            let length = rest.len().min(2);
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn surrogate_pair(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + 4)?, 16).ok();
    if text.get(..2)? != "\\u" || text.get(6..8)? != "\\u" {
        return None;
    }
    let pair = [unit(2)?, unit(8)?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    (u32::from(character) > 0xffff).then_some((character, 12))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::location::FieldError;
    use super::parse::{MAX_COPIED, MAX_NAME};
    use super::*;
    use serde_json::json;

    fn read_all(text: &str) -> (Vec<YamlNode>, Vec<String>, Notes) {
        let mut notes = Notes::new();
        let (documents, faults) = read(text, &SourceName("f".to_owned()), &mut notes);
        (documents, faults.iter().map(ToString::to_string).collect(), notes)
    }

    fn value(text: &str) -> Value {
        let (documents, faults, _) = read_all(text);
        assert!(faults.is_empty(), "{faults:?}");
        let mut problems = Vec::new();
        let value = documents[0].to_json(&FieldPath::root(), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        value
    }

    fn faults(text: &str) -> Vec<String> {
        read_all(text).1
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        assert_eq!(
            value("a: 1\nb: 1.0\nc: '1'\nd: true\ne:\nf: 0x1F\ng: -3\nh: 1e3\ni: a b\nj: 1.2.3\nk: 12h\n"),
            json!({"a": 1, "b": 1.0, "c": "1", "d": true, "e": null, "f": 31, "g": -3, "h": 1000.0,
                "i": "a b", "j": "1.2.3", "k": "12h"})
        );
        for text in ["yes", "Off", "007", "99999999999999999999", ".inf"] {
            assert!(scalar(text).is_err(), "{text}");
        }
        for text in ["1_000", "-1_0.5", "0b11", "-0x1F", "0X1F", "+0o17", "0x1_F", "1_0e2"] {
            assert!(matches!(scalar(text), Err(FieldError::Ambiguous { .. })), "{text}");
        }
        for text in
            ["0xyz", "0b12", "1.2.3", "12h", "1-2", "2026-11-21", "12:30", "1_a", "0x", "0b", "10.0.0.1"]
        {
            assert_eq!(scalar(text), Ok(json!(text)));
        }
        assert_eq!(scalar("18446744073709551615"), Ok(json!(u64::MAX)));
    }

    #[test]
    fn json_is_read_with_tabs_and_surrogates() {
        assert_eq!(
            value("{\n\t\"a\": \"\\ud83d\\ude00\\\\u0041\\/\\t\",\n\t\"b\": [1, {}]}"),
            json!({"a": "😀\\u0041/\t", "b": [1, {}]})
        );
        let (documents, _, _) = read_all("{\"a\": 1}\n{\n\"a\": 2}\n");
        assert_eq!(documents.iter().map(|d| d.members().unwrap()[0].0.line).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn duplicate_member_is_an_error_unless_the_value_is_equal() {
        assert_eq!(
            faults("a: 1\nb:\n  c: 1\n  c: 2\n"),
            ["f:4: b.c: duplicate member with different values, first in line 3"]
        );
        let (_, none, notes) = read_all("a: 1\na: 1\n");
        assert!(none.is_empty());
        assert!(notes.iter().next().unwrap().text.contains("duplicate member a "));
        assert_eq!(faults("a: 1\na: '1'\n").len(), 1);
    }

    #[test]
    fn aliases_unfold_but_not_without_end() {
        assert_eq!(value("a: &x [1, 2]\nb: *x\n"), json!({"a": [1, 2], "b": [1, 2]}));
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..20 {
            let of = format!("*a{}", level - 1);
            laughs += &format!("a{level}: &a{level} [{}]\n", [of.as_str(); 10].join(", "));
        }
        assert!(faults(&laughs)[0].contains("aliases unfold to more than"), "{:?}", faults(&laughs));
        assert!(!faults("a: &a [*a]\n").is_empty());
    }

    #[test]
    fn yaml_outside_the_subset_is_rejected_with_its_line() {
        for (text, expected) in [
            ("a: 1\n\tb: 2\n", "indented with a tab"),
            ("a:\n\tb: 2\n", "indented with a tab"),
            ("a: !!binary aGk=\n", "tag"),
            ("a: !x {}\n", "tag"),
            ("? [a]\n: 1\n", "as a key"),
            ("a: {b: *x}\n", "not YAML"),
            ("a: &x {b: 1}\nc:\n  <<: *x\n", "'<<' is not part"),
            ("a: 'x\n", "not YAML"),
            ("a: [1\nb: 2\n", "not YAML"),
        ] {
            let found = faults(text);
            assert!(
                found.first().is_some_and(|f| f.contains(expected) && f.starts_with("f:")),
                "{text:?}: {found:?}"
            );
        }
        let deep = "[".repeat(100_000);
        assert!(!faults(&deep).is_empty());
        let deep = (0..200).map(|level| " ".repeat(level) + "a:\n").collect::<String>();
        assert!(faults(&deep)[0].contains("nested deeper"), "{:?}", faults(&deep));
        let many = "- x\n".repeat(300_000);
        assert!(faults(&many)[0].contains("more than 200000 entries"));
    }

    #[test]
    fn empty_documents_are_skipped() {
        let (documents, faults, _) = read_all("---\n---\n# nothing\n---\na: 1\n...\n---\n~\n");
        assert!(faults.is_empty());
        assert_eq!(documents.len(), 1);
        assert_eq!(read_all("").0.len(), 0);
    }

    /// The first problem, and how long it took to find.
    fn stopped(text: &str) -> FieldError {
        let begun = std::time::Instant::now();
        let (_, faults) = read(text, &SourceName("f".to_owned()), &mut Notes::new());
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
        faults.last().unwrap().error.clone()
    }

    #[test]
    fn a_long_text_is_not_copied_without_end() {
        let long = "x".repeat(1 << 20);
        let by_aliases = format!("a: &a {long}\nb: [{}]\n", "*a,".repeat(9000));
        assert_eq!(stopped(&by_aliases), FieldError::CopiesTooMuch(MAX_COPIED));
        let by_anchors: String = (0..60).map(|depth| format!("&a{depth} [")).collect();
        let by_anchors = format!("{by_anchors}{long}{}", "]".repeat(60));
        assert_eq!(stopped(&by_anchors), FieldError::CopiesTooMuch(MAX_COPIED));
    }

    #[test]
    fn long_names_do_not_make_every_path_long() {
        let long = "x".repeat(1 << 20);
        let text = format!("? {long}\n: [{}]\n", "0,".repeat(100_000));
        assert_eq!(stopped(&text), FieldError::NameTooLong(MAX_NAME));
        let deep: String = (0..60).map(|_| format!("{{\"{}\":", "x".repeat(1000))).collect();
        let text = format!("{deep}[{}0]{}", "0,".repeat(150_000), "}".repeat(60));
        let begun = std::time::Instant::now();
        let (documents, faults) = read(&text, &SourceName("f".to_owned()), &mut Notes::new());
        assert!(faults.is_empty() && documents.len() == 1);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    #[test]
    fn very_many_members_that_stand_twice_end_the_reading() {
        let text = "a: 1\n".repeat(100_000);
        assert!(matches!(stopped(&text), FieldError::Duplicate { .. }));
    }
}
