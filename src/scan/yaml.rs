//! The texts of a YAML stream with their lines.
//!
//! Aliases are not expanded: the text is found at its anchor. So a small file cannot become large
//! ("billion laughs").

use saphyr_parser::{Event, Parser, ScalarStyle};
use zeroize::Zeroizing;

use super::field::{Field, FieldList, MAX_PATH};

/// The deepest nesting.
const MAX_DEPTH: usize = 1_000;

/// An open mapping or sequence.
enum Frame {
    /// The name of the member whose value comes next.
    Mapping(Option<String>),
    /// The index of the next element.
    Sequence(usize),
}

/// Reads the texts up to the first error. The rest of the stream is searched without its structure.
pub(super) fn fields(text: &str) -> Vec<Field> {
    let mut open: Vec<Frame> = Vec::new();
    let mut found = FieldList::default();
    let mut document = 0_usize;
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) if open.len() >= MAX_DEPTH => break,
            Event::MappingStart(..) => open.push(Frame::Mapping(None)),
            Event::SequenceStart(..) => open.push(Frame::Sequence(0)),
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                end_of_value(&mut open, None);
            }
            Event::Alias(_) => end_of_value(&mut open, Some("")),
            Event::Scalar(value, style, ..) => {
                if let Some(Frame::Mapping(None)) = open.last() {
                    end_of_value(&mut open, Some(&value));
                    continue;
                }
                let is_block = style == ScalarStyle::Literal;
                let line = span.start.line() as u64;
                let value = Zeroizing::new(value.into_owned());
                if !found.push(Field { path: path(document, &open), value, line, is_block }) {
                    break;
                }
                end_of_value(&mut open, None);
            }
            Event::DocumentEnd => {
                open.clear();
                document += 1;
            }
            Event::DocumentStart(_) | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
    }
    found.into_fields()
}

/// Ends a value of the innermost mapping or sequence; a value where a name is expected is the name.
fn end_of_value(open: &mut [Frame], name: Option<&str>) {
    match open.last_mut() {
        Some(Frame::Mapping(next @ None)) => *next = Some(name.unwrap_or_default().to_owned()),
        Some(Frame::Mapping(next)) => *next = None,
        Some(Frame::Sequence(index)) => *index += 1,
        None => {}
    }
}

/// Returns the path. The documents after the first one have their number as its first part, so that
/// the members of two documents differ.
fn path(document: usize, open: &[Frame]) -> Vec<String> {
    let number = (document > 0).then(|| document.to_string());
    let names = open.iter().take(MAX_PATH).map(|frame| match frame {
        Frame::Mapping(name) => name.clone().unwrap_or_default(),
        Frame::Sequence(index) => index.to_string(),
    });
    number.into_iter().chain(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, u64)> {
        let pointer = |field: &Field| super::super::field::PathStyle::Pointer.write(&field.path);
        fields(text).iter().map(|field| (pointer(field), field.value.to_string(), field.line)).collect()
    }

    fn one(pointer: &str, value: &str, line: u64) -> (String, String, u64) {
        (pointer.to_owned(), value.to_owned(), line)
    }

    #[test]
    fn yaml_members_have_pointer_value_and_line() {
        let text =
            "a:\n  - x\n  - {b: y, c: [z]}\n? [k]\n: v\nd: |\n  one\n  two\ne: >-\n  p\n  q\n---\na: w\n";
        assert_eq!(
            read(text),
            [
                one("/a/0", "x", 2),
                one("/a/1/b", "y", 3),
                one("/a/1/c/0", "z", 3),
                one("//0", "k", 4),
                one("/", "v", 5),
                one("/d", "one\ntwo\n", 7),
                one("/e", "p q", 10),
                one("/1/a", "w", 13),
            ]
        );
        assert!(fields(text)[5].is_block);
    }

    #[test]
    fn yaml_bomb_and_depth_end() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..60 {
            let of = format!("*a{}", level - 1);
            laughs += &format!("a{level}: &a{level} [{}]\n", [of.as_str(); 10].join(", "));
        }
        assert_eq!(fields(&laughs).len(), 10);
        assert!(fields(&"[".repeat(100_000)).is_empty());
        assert_eq!(read("a: x\nb: [\n"), [one("/a", "x", 1)]);
    }
}
