//! The members of a JSON text with their lines.
//!
//! The reader accepts more than JSON, such as comments and missing commas, because a scan must find the
//! token in a file that its program rejects. It has no recursion, so depth costs nothing.

use zeroize::Zeroizing;

use super::field::{Field, FieldList, MAX_PATH};
use super::lines::count_lines;

/// The deepest nesting. Deeper text is not JSON that a program reads.
const MAX_DEPTH: usize = 10_000;

/// An open object or array.
enum Frame {
    /// The name of the member whose value comes next.
    Object(Option<String>),
    /// The index of the next element.
    Array(usize),
}

/// Reads the texts of a JSON document or of several documents.
pub(super) fn fields(text: &str) -> Vec<Field> {
    let mut reader = Reader { rest: text, line: 1 };
    let mut open: Vec<Frame> = Vec::new();
    let mut found = FieldList::default();
    while let Some(token) = reader.next() {
        match token {
            Token::Open(frame) if open.len() < MAX_DEPTH => open.push(frame),
            Token::Open(_) => break,
            Token::Close => {
                open.pop();
            }
            Token::Comma => match open.last_mut() {
                Some(Frame::Object(name)) => *name = None,
                Some(Frame::Array(index)) => *index += 1,
                None => {}
            },
            Token::Text { text, line } => match open.last_mut() {
                Some(Frame::Object(name @ None)) => *name = Some(text.to_string()),
                _ => {
                    if !found.push(Field { path: path(&open), value: text, line, is_block: false }) {
                        break;
                    }
                }
            },
        }
    }
    found.into_fields()
}

fn path(open: &[Frame]) -> Vec<String> {
    open.iter()
        .take(MAX_PATH)
        .map(|frame| match frame {
            Frame::Object(name) => name.clone().unwrap_or_default(),
            Frame::Array(index) => index.to_string(),
        })
        .collect()
}

enum Token {
    Open(Frame),
    Close,
    Comma,
    Text { text: Zeroizing<String>, line: u64 },
}

struct Reader<'a> {
    rest: &'a str,
    line: u64,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<Token> {
        loop {
            let mut characters = self.rest.chars();
            let character = characters.next()?;
            let after = characters.as_str();
            match character {
                '"' => return Some(self.text(after)),
                '/' if after.starts_with('/') => self.skip_to("\n"),
                '/' if after.starts_with('*') => self.skip_to("*/"),
                _ => {
                    self.rest = after;
                    self.line += u64::from(character == '\n');
                    match character {
                        '{' => return Some(Token::Open(Frame::Object(None))),
                        '[' => return Some(Token::Open(Frame::Array(0))),
                        '}' | ']' => return Some(Token::Close),
                        ',' => return Some(Token::Comma),
                        _ => {}
                    }
                }
            }
        }
    }

    fn skip_to(&mut self, end: &str) {
        let length = self.rest.find(end).map_or(self.rest.len(), |at| at + end.len());
        let (skipped, rest) = self.rest.split_at(length);
        self.line += count_lines(skipped.as_bytes());
        self.rest = rest;
    }

    /// Reads a text whose opening quote is skipped, to its closing quote or to the end.
    fn text(&mut self, from: &'a str) -> Token {
        let line = self.line;
        let mut value = Zeroizing::new(String::new());
        let mut rest_length = 0;
        let mut characters = from.chars();
        let mut units: Option<u16> = None;
        while let Some(character) = characters.next() {
            match character {
                '"' => {
                    rest_length = characters.as_str().len();
                    break;
                }
                '\\' => {
                    let escaped = match characters.next() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some('b') => '\u{8}',
                        Some('f') => '\u{c}',
                        Some('u') => {
                            let digits = characters.as_str().get(..4).unwrap_or_default();
                            let unit = u16::from_str_radix(digits, 16).ok();
                            if unit.is_some() {
                                characters = characters.as_str().get(4..).unwrap_or_default().chars();
                            }
                            match (units.take(), unit) {
                                (Some(high), Some(low)) => char::decode_utf16([high, low])
                                    .next()
                                    .and_then(Result::ok)
                                    .unwrap_or('\u{fffd}'),
                                (None, Some(unit)) if (0xd800..0xdc00).contains(&unit) => {
                                    units = Some(unit);
                                    continue;
                                }
                                (_, unit) => unit
                                    .and_then(|unit| char::from_u32(u32::from(unit)))
                                    .unwrap_or('\u{fffd}'),
                            }
                        }
                        Some(other) => other,
                        None => break,
                    };
                    value.push(escaped);
                }
                other => value.push(other),
            }
        }
        let read = from.len() - rest_length;
        let (skipped, rest) = from.split_at(read);
        self.line += count_lines(skipped.as_bytes());
        self.rest = rest;
        Token::Text { text: value, line }
    }
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
    fn json_members_have_pointer_value_and_line() {
        let text = "{\n \"a\": {\"b/c\": [1, \"x\",\n {\"d~\": \"y\"}]},\n \"e\": \"z\"\n}\n{\"f\": \"w\"}";
        let expected =
            [one("/a/b~1c/1", "x", 2), one("/a/b~1c/2/d~0", "y", 3), one("/e", "z", 4), one("/f", "w", 6)];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn json_escapes_are_decoded() {
        assert_eq!(read(r#"["\u0041\/\n\ud83d\ude00\\\""]"#), [one("/0", "A/\n😀\\\"", 1)]);
        assert_eq!(read(r#"["\u00"#), [one("/0", "\u{fffd}00", 1)]);
        assert_eq!(read(r#"["\"#), [one("/0", "", 1)]);
    }

    #[test]
    fn json_with_comments_and_faults_is_still_read() {
        let text = "// \"no\"\n{ /* \"no\" \n */ \"a\": \"x\", \"b\" \"y\",, \"c\": 'z', \"d\": \"end";
        assert_eq!(read(text), [one("/a", "x", 3), one("/b", "y", 3), one("/d", "end", 3)]);
    }

    #[test]
    fn json_of_any_depth_ends() {
        assert!(read(&"[".repeat(1_000_000)).is_empty());
        let deep = format!("{}\"x\"", "{\"a\":[".repeat(4_000));
        let found = fields(&deep);
        assert_eq!((found.len(), found[0].path.len()), (1, MAX_PATH));
    }
}
