//! The members of a YAML stream with the ranges of their values.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};
use zeroize::Zeroizing;

use super::{Content, DocumentMember, EditError, Quoting};

/// The deepest nesting.
const MAX_DEPTH: usize = 1_000;

/// An open mapping or sequence.
enum Frame {
    /// The name of the member whose value comes next.
    Mapping(Option<String>),
    /// The index of the next element.
    Sequence(usize),
}

/// Reads a stream. As in a scan, the paths of the documents after the first begin with the number of the
/// document.
pub(super) fn members(text: &str) -> Result<Vec<DocumentMember>, EditError> {
    let offsets = Offsets::new(text);
    let mut open: Vec<Frame> = Vec::new();
    let mut found = Vec::new();
    let mut document = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            EditError::Malformed(format!("invalid YAML: line {} column {}", marker.line(), marker.col() + 1))
        })?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) if open.len() >= MAX_DEPTH => {
                return Err(EditError::Malformed("nested too deeply".to_owned()));
            }
            Event::MappingStart(..) => {
                found.push(DocumentMember {
                    path: path(document, &open),
                    content: Content::Other("an object"),
                });
                open.push(Frame::Mapping(None));
            }
            Event::SequenceStart(..) => {
                found.push(DocumentMember {
                    path: path(document, &open),
                    content: Content::Other("an array"),
                });
                open.push(Frame::Sequence(0));
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                end_of_value(&mut open, None);
            }
            Event::Alias(_) => {
                if !matches!(open.last(), Some(Frame::Mapping(None))) {
                    found.push(DocumentMember {
                        path: path(document, &open),
                        content: Content::Other("an alias"),
                    });
                }
                end_of_value(&mut open, Some(""));
            }
            Event::Scalar(value, style, anchor, tag) => {
                if let Some(Frame::Mapping(None)) = open.last() {
                    end_of_value(&mut open, Some(&value));
                    continue;
                }
                let (range, quoting) = match tag {
                    Some(_) => (0..0, Quoting::Fixed("has a tag: write it without one")),
                    None if anchor > 0 => {
                        (0..0, Quoting::Fixed("has an anchor: its aliases would change as well"))
                    }
                    None => scalar(text, offsets.byte(span.start.index()), &value, style),
                };
                let value = Zeroizing::new(value.into_owned());
                found.push(DocumentMember {
                    path: path(document, &open),
                    content: Content::Text { value, range, quoting },
                });
                end_of_value(&mut open, None);
            }
            Event::DocumentEnd => {
                open.clear();
                document += 1;
            }
            Event::DocumentStart(_) | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
    }
    Ok(found)
}

/// Returns the range of a scalar that begins at `start`, if it can be replaced: it is on one line, and its
/// text is found in the file.
fn scalar(text: &str, start: usize, value: &str, style: ScalarStyle) -> (Range<usize>, Quoting) {
    let fixed = |why| (start..start, Quoting::Fixed(why));
    let rest = text.get(start..).unwrap_or_default();
    match style {
        ScalarStyle::Plain if value.is_empty() || matches!(value, "~" | "null") => {
            fixed("is empty: write '' as the value first")
        }
        ScalarStyle::Plain if rest.starts_with(value) => (start..start + value.len(), Quoting::Verbatim),
        ScalarStyle::Plain => fixed("spans several lines: write it on one line"),
        ScalarStyle::DoubleQuoted => match quoted_length(rest, '"') {
            Some(length) => (start..start + length, Quoting::Double),
            None => fixed("spans several lines: write it on one line"),
        },
        ScalarStyle::SingleQuoted => match quoted_length(rest, '\'') {
            Some(length) => (start..start + length, Quoting::Single),
            None => fixed("spans several lines: write it on one line"),
        },
        ScalarStyle::Literal | ScalarStyle::Folded => {
            fixed("is a block (| or >): write it on the line of its name")
        }
    }
}

/// Returns the length of a scalar in quotes, with its quotes; none if it has several lines.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.strip_prefix(quote)?.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\n' | '\r' => return None,
            '\\' if quote == '"' => {
                characters.next();
            }
            '\'' if quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
            }
            character if character == quote => return Some(at + 2),
            _ => {}
        }
    }
    None
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

fn path(document: usize, open: &[Frame]) -> Vec<String> {
    let number = (document > 0).then(|| document.to_string());
    let names = open.iter().map(|frame| match frame {
        Frame::Mapping(name) => name.clone().unwrap_or_default(),
        Frame::Sequence(index) => index.to_string(),
    });
    number.into_iter().chain(names).collect()
}

/// The offsets of the characters of a text in bytes: the parser counts characters.
enum Offsets {
    Ascii,
    Characters(Vec<usize>),
}

impl Offsets {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii;
        }
        Self::Characters(text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
    }

    fn byte(&self, character: usize) -> usize {
        match self {
            Self::Ascii => character,
            Self::Characters(offsets) => offsets.get(character).copied().unwrap_or(usize::MAX),
        }
    }
}
