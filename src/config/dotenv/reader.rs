//! The reader. Where Go's godotenv looks odd (keys checked byte by byte, comments found from the
//! right, quotes trimmed once more), so does this: a file must mean here what it means there.

use std::collections::HashMap;
use std::ops::Range;

use zeroize::Zeroizing;

use super::error::{DotenvError, DotenvErrorKind, DotenvErrors};
use super::expand::{Expanded, GROWN_LIMIT, VALUE_LIMIT, expand, unescape};
use crate::util::printable::PrintableText;
use crate::util::secret::SecretText;

/// The number of errors of one file that are reported.
const SHOWN_ERRORS: usize = 10;

/// A file that was read.
#[derive(Debug, Clone, Default)]
pub struct Dotenv {
    entries: Vec<DotenvEntry>,
    newest: HashMap<String, usize>,
}

/// One assignment.
#[derive(Debug, Clone)]
pub struct DotenvEntry {
    /// The name that is set.
    pub key: String,
    /// What it is set to, quotes and escapes resolved.
    pub value: SecretText,
    /// The line of its name, counted from 1.
    pub line: usize,
    /// Whether a `$NAME` in the value was replaced, by nothing where no earlier key has that name.
    pub expanded: bool,
    /// Whether the value is UTF-8; in one that is not, the wrong bytes were replaced by U+FFFD.
    pub is_text: bool,
    /// The range of the value in the file, quotes included.
    pub(super) span: Range<usize>,
}

impl DotenvEntry {
    /// The range of the value in the file, quotes included.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether the server's process gets this variable at all: the system takes no variable
    /// without a name or with a NUL in its value, and godotenv does not report it.
    #[must_use]
    pub fn is_settable(&self) -> bool {
        !self.key.is_empty() && !self.value.expose().contains('\0')
    }
}

impl Dotenv {
    /// The effective assignment of a name: the last one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&DotenvEntry> {
        self.newest.get(key).and_then(|index| self.entries.get(*index))
    }

    /// All assignments in the order of the file, those that a later one overrides as well.
    #[must_use]
    pub fn entries(&self) -> &[DotenvEntry] {
        &self.entries
    }
}

/// Reads a file's bytes.
///
/// # Errors
/// [`DotenvErrors`]: every invalid line up to ten; a quote that is never closed ends the search.
pub fn read(text: &[u8]) -> Result<Dotenv, DotenvErrors> {
    let mut reader = Reader::new(text);
    let mut errors = Vec::new();
    if text.starts_with(b"\xef\xbb\xbf") {
        errors.push(DotenvError { line: 1, column: 1, problem: DotenvErrorKind::ByteOrderMark });
        reader.at = 3;
    }
    while errors.len() < SHOWN_ERRORS && reader.skip_to_statement() {
        if let Err(error) = reader.statement() {
            let unclosed = matches!(error.problem, DotenvErrorKind::Unterminated { .. });
            errors.push(error);
            if unclosed {
                break;
            }
            reader.skip_line();
        }
    }
    if errors.is_empty() { Ok(reader.file) } else { Err(DotenvErrors(errors)) }
}

/// The file on its way from bytes to entries.
struct Reader {
    /// The bytes with CR LF as LF, as godotenv makes them first.
    text: Zeroizing<Vec<u8>>,
    /// Where in `text` a CR was taken out, ascending.
    removed: Vec<usize>,
    at: usize,
    /// Lines ended before `counted`.
    line: usize,
    counted: usize,
    /// Whether only spaces are between the last quoted value and `at`.
    follows_quote: bool,
    /// How many bytes the values with a `$NAME` in them have together.
    grown: usize,
    /// Values as they are for `$NAME`, before anything that is not UTF-8 was replaced.
    raw: HashMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    file: Dotenv,
}

impl Reader {
    fn new(original: &[u8]) -> Self {
        let mut text = Zeroizing::new(Vec::with_capacity(original.len()));
        let mut removed = Vec::new();
        for (index, byte) in original.iter().enumerate() {
            if *byte == b'\r' && original.get(index + 1) == Some(&b'\n') {
                removed.push(text.len());
            } else {
                text.push(*byte);
            }
        }
        Self {
            text,
            removed,
            at: 0,
            line: 0,
            counted: 0,
            follows_quote: false,
            grown: 0,
            raw: HashMap::new(),
            file: Dotenv::default(),
        }
    }

    /// Where a place in `text` is in the original file.
    fn original(&self, at: usize) -> usize {
        at + self.removed.partition_point(|removed| *removed < at)
    }

    /// Skips white space, line ends and comments; false at the end.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let rest = &self.text[self.at..];
            let space = rest.len() - trim_start(rest, char::is_whitespace).len();
            if self.text[self.at..self.at + space].contains(&b'\n') {
                self.follows_quote = false;
            }
            self.at += space;
            match self.text.get(self.at) {
                None => return false,
                Some(b'#') => self.skip_line(),
                Some(_) => return true,
            }
        }
    }

    /// Goes to the next line end.
    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.follows_quote = false;
    }

    fn error(&mut self, at: usize, problem: DotenvErrorKind) -> DotenvError {
        let line = self.line_of(at);
        let column =
            at - self.text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) + 1;
        DotenvError { line, column, problem }
    }

    /// The line of a place, counted from 1; places are asked in ascending order but for errors.
    fn line_of(&mut self, at: usize) -> usize {
        if at < self.counted {
            return self.text[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        }
        self.line += self.text[self.counted..at].iter().filter(|byte| **byte == b'\n').count();
        self.counted = at;
        self.line + 1
    }

    fn statement(&mut self) -> Result<(), DotenvError> {
        let start = self.at;
        let line = self.line_of(start);
        let key = self.key()?;
        let rest = &self.text[self.at..];
        let from = self.at + rest.len() - trim_start(rest, is_space).len();
        let (value, end) = match self.text.get(from) {
            Some(mark @ (b'"' | b'\'')) => self.quoted(&key, from, *mark)?,
            _ => self.unquoted(&key, from)?,
        };
        let span = self.original(from)..self.original(end);
        let name = lossy(&key);
        self.file.newest.insert(name.clone(), self.file.entries.len());
        self.file.entries.push(DotenvEntry {
            key: name,
            is_text: std::str::from_utf8(&value.text).is_ok(),
            value: SecretText::new(lossy(&value.text)),
            line,
            expanded: value.replaced,
            span,
        });
        self.raw.insert(key, value.text);
        Ok(())
    }

    /// The name up to `=` or `:`. Go looks at single bytes here, those above 127 as Latin-1.
    fn key(&mut self) -> Result<Vec<u8>, DotenvError> {
        let after_quote = std::mem::take(&mut self.follows_quote);
        let begin = self.at;
        let rest = &self.text[begin..];
        let bare = match rest.strip_prefix(b"export") {
            Some(after) if trim_start(after, is_space).len() < after.len() => trim_start(after, is_space),
            _ => rest,
        };
        let start = begin + rest.len() - bare.len();
        if bare.is_empty() {
            return Err(self.error(start, DotenvErrorKind::NoValue));
        }
        for index in start..self.text.len() {
            let byte = self.text[index];
            let letter = char::from(byte);
            match byte {
                b'=' | b':' => {
                    self.at = index + 1;
                    return Ok(trim_end(&self.text[start..index], char::is_whitespace).to_vec());
                }
                _ if is_space(letter) || letter.is_alphanumeric() || matches!(byte, b'_' | b'.') => {}
                _ if after_quote => {
                    let found = first_char(&self.text[begin..]);
                    return Err(self.error(begin, DotenvErrorKind::AfterQuote { found }));
                }
                b'\n' => return Err(self.error(index, DotenvErrorKind::NoValue)),
                _ => {
                    let found = first_char(&self.text[index..]);
                    return Err(self.error(index, DotenvErrorKind::InName { found }));
                }
            }
        }
        // A last line without `=` and without a line end: Go takes it as the value of a key
        // without a name, which the system then silently rejects.
        self.at = start;
        Ok(Vec::new())
    }

    fn unquoted(&mut self, key: &[u8], from: usize) -> Result<(Expanded, usize), DotenvError> {
        let rest = &self.text[from..];
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let line = &rest[..length];
        // The last `#` with a space before it begins the comment.
        let comment = (1..line.len())
            .rev()
            .find(|at| line[*at] == b'#' && trim_end(&line[..*at], is_space).len() < *at);
        let value = trim_end(&line[..comment.unwrap_or(line.len())], is_space);
        let end = from + value.len();
        self.at = from + length;
        let expanded = self.expand(key, from, &as_runes(value))?;
        Ok((expanded, end))
    }

    fn quoted(&mut self, key: &[u8], from: usize, mark: u8) -> Result<(Expanded, usize), DotenvError> {
        let text = &self.text;
        // Go looks only at the one byte before: in `"a\\"` the quote does not close either.
        let close = (from + 1..text.len()).find(|at| text[*at] == mark && text[*at - 1] != b'\\');
        let Some(close) = close else {
            let line_end = text[from..].iter().position(|byte| *byte == b'\n').unwrap_or(text.len() - from);
            let escaped = text[from + 1..from + line_end].contains(&mark);
            let problem = DotenvErrorKind::Unterminated { key: shown(key), quote: char::from(mark), escaped };
            return Err(self.error(from, problem));
        };
        self.at = close + 1;
        self.follows_quote = true;
        // All quotes at both ends are trimmed, an escaped one at the end too.
        let inside = &text[from..close];
        let inside = &inside[inside.iter().take_while(|byte| **byte == mark).count()..];
        let inside = &inside[..inside.len() - inside.iter().rev().take_while(|byte| **byte == mark).count()];
        if mark == b'\'' {
            return Ok((Expanded { text: Zeroizing::new(inside.to_vec()), replaced: false }, close + 1));
        }
        let unescaped = unescape(inside);
        let expanded = self.expand(key, from, &unescaped)?;
        Ok((expanded, close + 1))
    }

    fn expand(&mut self, key: &[u8], from: usize, text: &[u8]) -> Result<Expanded, DotenvError> {
        let limit = VALUE_LIMIT.min(GROWN_LIMIT - self.grown);
        let expanded = expand(text, |name| self.raw.get(name).map(|value| value.as_slice()), limit)
            .ok_or_else(|| self.error(from, DotenvErrorKind::TooLong { key: shown(key) }))?;
        if expanded.replaced {
            self.grown = (self.grown + expanded.text.len()).min(GROWN_LIMIT);
        }
        Ok(expanded)
    }
}

/// White space within a line, as godotenv has it: a line feed is none.
const fn is_space(letter: char) -> bool {
    matches!(letter, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

fn trim_start(bytes: &[u8], space: impl Fn(char) -> bool) -> &[u8] {
    let mut rest = bytes;
    while let Some(width) = first_width(rest).filter(|_| space(first_char(rest))) {
        rest = &rest[width..];
    }
    rest
}

fn trim_end(bytes: &[u8], space: impl Fn(char) -> bool) -> &[u8] {
    let mut rest = bytes;
    loop {
        let width = (1..=rest.len().min(4)).find(|width| {
            std::str::from_utf8(&rest[rest.len() - width..]).is_ok_and(|text| {
                let mut letters = text.chars();
                letters.next().is_some_and(&space) && letters.next().is_none()
            })
        });
        match width {
            Some(width) => rest = &rest[..rest.len() - width],
            None => return rest,
        }
    }
}

fn first_width(bytes: &[u8]) -> Option<usize> {
    if bytes.is_empty() {
        return None;
    }
    let letter = first_char(bytes);
    // What is not UTF-8 counts as single bytes.
    Some(if letter == '\u{fffd}' && !bytes.starts_with(b"\xef\xbf\xbd") { 1 } else { letter.len_utf8() })
}

fn first_char(bytes: &[u8]) -> char {
    let window = &bytes[..bytes.len().min(4)];
    match window.utf8_chunks().next() {
        Some(chunk) => chunk.valid().chars().next().unwrap_or('\u{fffd}'),
        None => '\u{fffd}',
    }
}

/// The bytes as Go makes runes of them and text again: each wrong byte is a U+FFFD.
fn as_runes(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len()));
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out
}

/// A name for a message: one that looks like a name of a variable. The text before a `=` may be a
/// piece of a key that was wrapped.
fn shown(key: &[u8]) -> PrintableText {
    let name = lossy(key);
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if name.contains('_') && name.chars().all(plain) {
        PrintableText::name(&name)
    } else {
        PrintableText::one_of(&name, &[])
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
