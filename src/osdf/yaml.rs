//! YAML and JSON streams as trees in which every entry knows its line.
//!
//! Read strictly: no tags, no merge keys, no member twice with different values. Aliases are
//! unfolded within a limit, so that a small file cannot grow in memory ("billion laughs").

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Number, Value};
use zeroize::Zeroizing;

use super::location::{FieldError, FieldPath, ResourceError, SourceName};
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::escape;

/// The deepest nesting.
const MAX_DEPTH: usize = 64;
/// The most entries of a stream: about 3000 resources.
const MAX_ENTRIES: usize = 200_000;
/// The most entries that the aliases of a stream unfold to.
const MAX_UNFOLDED: usize = 10_000;

/// The most that anchors and aliases copy, in MiB: few entries can be long ones.
const MAX_COPIED: usize = 32;
/// The longest name of a member, in bytes. YAML 1.2.2 7.4.2 has the same limit for most of them; it
/// also bounds the paths that every entry has.
const MAX_NAME: usize = 1024;

/// How many members of a document that stand twice are told; with more it is no resource.
const MAX_TWICE: usize = 100;

/// An entry of a document.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct YamlNode {
    /// Its line, counted from 1; 0 for one that was set from outside.
    pub(super) line: usize,
    /// What it is.
    pub(super) content: YamlContent,
}

/// What an entry is. Texts may be private keys and are wiped.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum YamlContent {
    /// A text, and whether it stood without quotes and so may be a number and the like.
    Scalar { text: Zeroizing<String>, plain: bool },
    /// A list.
    List(Vec<YamlNode>),
    /// An object; its members in order.
    Object(Vec<(YamlKey, YamlNode)>),
}

/// The name of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlKey {
    pub(super) name: String,
    pub(super) line: usize,
}

impl YamlNode {
    /// A text that was set from outside.
    pub(super) fn text(text: &str) -> Self {
        Self { line: 0, content: YamlContent::Scalar { text: Zeroizing::new(text.to_owned()), plain: false } }
    }

    /// A value that was set from outside.
    pub(super) fn value(value: &Value) -> Self {
        let content = match value {
            Value::String(text) => return Self::text(text),
            Value::Array(list) => YamlContent::List(list.iter().map(Self::value).collect()),
            Value::Object(members) => YamlContent::Object(
                members
                    .iter()
                    .map(|(name, value)| (YamlKey { name: name.clone(), line: 0 }, Self::value(value)))
                    .collect(),
            ),
            other => YamlContent::Scalar { text: Zeroizing::new(other.to_string()), plain: true },
        };
        Self { line: 0, content }
    }

    /// The members, if it is an object.
    pub(super) fn members(&self) -> Option<&[(YamlKey, Self)]> {
        match &self.content {
            YamlContent::Object(members) => Some(members),
            _ => None,
        }
    }

    /// A member by its name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members()?.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// Whether it stands for nothing: `null`, `~`, or no value at all.
    pub(super) fn is_null(&self) -> bool {
        match &self.content {
            YamlContent::Scalar { text, plain: true } => is_null(text),
            _ => false,
        }
    }

    /// What it is, for messages; never its content, which may be secret.
    pub(super) fn kind(&self) -> &'static str {
        match &self.content {
            YamlContent::Scalar { text, plain: true } => match scalar(text) {
                Ok(Value::Null) => "nothing",
                Ok(Value::Bool(_)) => "a boolean",
                Ok(Value::Number(_)) => "a number",
                _ => "a text",
            },
            YamlContent::Scalar { .. } => "a text",
            YamlContent::List(_) => "a list",
            YamlContent::Object(_) => "an object",
        }
    }

    fn entries(&self) -> usize {
        1 + match &self.content {
            YamlContent::Scalar { .. } => 0,
            YamlContent::List(list) => list.iter().map(Self::entries).sum(),
            YamlContent::Object(members) => members.iter().map(|(_, node)| 1 + node.entries()).sum(),
        }
    }

    /// How many bytes a copy takes, roughly.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.content {
                YamlContent::Scalar { text, .. } => text.len(),
                YamlContent::List(list) => list.iter().map(Self::bytes).sum(),
                YamlContent::Object(members) => members
                    .iter()
                    .map(|(key, node)| size_of::<YamlKey>() + key.name.len() + node.bytes())
                    .sum(),
            }
    }

    /// The value as JSON by YAML 1.2's core schema; what cannot be one is a fault each.
    pub(super) fn to_json(
        &self,
        path: &FieldPath,
        faults: &mut Vec<(usize, FieldPath, FieldError)>,
    ) -> Value {
        match &self.content {
            YamlContent::Scalar { text, plain: false } => Value::String(text.to_string()),
            YamlContent::Scalar { text, plain: true } => scalar(text).unwrap_or_else(|problem| {
                faults.push((self.line, path.clone(), problem));
                Value::Null
            }),
            YamlContent::List(list) => Value::Array(
                list.iter()
                    .enumerate()
                    .map(|(index, node)| node.to_json(&path.entry(index), faults))
                    .collect(),
            ),
            YamlContent::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (key, node) in members {
                    let value = node.to_json(&path.member(&key.name), faults);
                    object.insert(key.name.clone(), value);
                }
                Value::Object(object)
            }
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A text without quotes by the core schema (YAML 1.2.2, 10.3.2). Where Kubernetes, which reads
/// YAML 1.1, takes it for something else, it is a fault: the operator would sign another token.
pub(super) fn scalar(text: &str) -> Result<Value, FieldError> {
    if is_null(text) {
        return Ok(Value::Null);
    }
    match text {
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            return Err(FieldError::Ambiguous { text: PrintableText::value(text), in_kubernetes: "true" });
        }
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Err(FieldError::Ambiguous { text: PrintableText::value(text), in_kubernetes: "false" });
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN" => {
            return Err(FieldError::NotAJsonNumber(PrintableText::value(text)));
        }
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(Value::String(text.to_owned()));
    }
    let inexact = || FieldError::Inexact(PrintableText::value(text));
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let number = text.strip_prefix(prefix).filter(|number| !number.is_empty());
        if let Some(number) = number.filter(|number| number.chars().all(|c| c.is_digit(radix))) {
            return u64::from_str_radix(number, radix).map(Value::from).map_err(|_| inexact());
        }
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(FieldError::Ambiguous {
                text: PrintableText::value(text),
                in_kubernetes: "an octal number",
            });
        }
        let plain = text.strip_prefix('+').unwrap_or(text);
        return plain
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| plain.parse::<u64>().map(Value::from))
            .map_err(|_| inexact());
    }
    if is_float(digits) {
        let value: f64 = text.parse().map_err(|_| inexact())?;
        return Number::from_f64(value).map(Value::Number).ok_or_else(inexact);
    }
    if is_number_to_kubernetes(digits) {
        return Err(FieldError::Ambiguous { text: PrintableText::value(text), in_kubernetes: "a number" });
    }
    Ok(Value::String(text.to_owned()))
}

/// Whether YAML 1.1 as Kubernetes' reader has it takes a text without its sign for a number, which
/// YAML 1.2 takes for a text: digits in groups (`1_000`), other bases in capitals, in base 2, or
/// behind a sign.
fn is_number_to_kubernetes(digits: &str) -> bool {
    let digits = digits.replace('_', "").to_ascii_lowercase();
    let is_of = |prefix: &str, radix| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix)))
    };
    is_of("0x", 16) || is_of("0o", 8) || is_of("0b", 2) || is_float(&digits)
}

/// `[0-9]* ('.' [0-9]*)? ([eE] [-+]? [0-9]+)?` with at least one digit before the exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['-', '+']).unwrap_or(e);
            !e.is_empty() && digits(e)
        })
}

/// Reads a stream of documents. Empty documents are left out.
///
/// Returns what could be read, and all faults: with one, the documents are for finding more only.
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

/// The documents of a JSON stream, each with the number of lines before it; none when it is no JSON.
fn json_documents(text: &str) -> Option<Vec<(usize, &str)>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let mut documents = Vec::new();
    let (mut start, mut lines) = (0, 0);
    while let Some(document) = stream.next() {
        document.ok()?;
        let end = stream.byte_offset();
        let piece = text.get(start..end)?;
        documents.push((lines, piece));
        lines += piece.matches('\n').count();
        start = end;
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

/// An object or a list that is not complete yet.
struct Open {
    line: usize,
    anchor: usize,
    content: YamlContent,
    /// The name of the member whose value comes next.
    key: Option<YamlKey>,
    /// The members so far by name.
    known: HashMap<String, usize>,
}

struct Builder<'a> {
    origin: &'a SourceName,
    notes: &'a mut Notes,
    documents: Vec<YamlNode>,
    faults: Vec<ResourceError>,
    entries: usize,
    unfolded: usize,
    /// Bytes that anchors and aliases have copied.
    copied: usize,
    /// Members of this document that stood twice.
    twice: usize,
}

type Stop = (usize, FieldError);

impl<'a> Builder<'a> {
    const fn new(origin: &'a SourceName, notes: &'a mut Notes) -> Self {
        Self {
            origin,
            notes,
            documents: Vec::new(),
            faults: Vec::new(),
            entries: 0,
            unfolded: 0,
            copied: 0,
            twice: 0,
        }
    }

    fn fault(&mut self, line: usize, path: FieldPath, problem: FieldError) {
        self.faults.push(ResourceError { source: self.origin.clone(), line, path, error: problem });
    }

    fn parse(&mut self, text: &str, lines_before: usize) -> Result<(), Stop> {
        let mut parser = Parser::new_from_str(text);
        let mut open: Vec<Open> = Vec::new();
        let mut anchors: BTreeMap<usize, YamlNode> = BTreeMap::new();
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| syntax(&error, text, lines_before))?;
            let line = span.start.line() + lines_before;
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err((line, FieldError::TooManyEntries(MAX_ENTRIES)));
            }
            let (node, anchor) = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    if let Some(tag) = tag {
                        self.fault(
                            line,
                            path_of(&open),
                            FieldError::Tag(PrintableText::value(&tag.to_string())),
                        );
                    }
                    let plain = style == ScalarStyle::Plain;
                    let text = Zeroizing::new(text.into_owned());
                    (YamlNode { line, content: YamlContent::Scalar { text, plain } }, anchor)
                }
                Event::Alias(id) => {
                    let Some(node) = anchors.get(&id) else { return Err((line, FieldError::AliasOfItself)) };
                    self.unfolded += node.entries();
                    if self.unfolded > MAX_UNFOLDED {
                        return Err((line, FieldError::AliasesUnfold(MAX_UNFOLDED)));
                    }
                    self.copied += node.bytes();
                    if self.copied > MAX_COPIED << 20 {
                        return Err((line, FieldError::CopiesTooMuch(MAX_COPIED)));
                    }
                    (YamlNode { line, content: node.content.clone() }, 0)
                }
                Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                    if open.len() >= MAX_DEPTH || tag.is_some() =>
                {
                    let Some(tag) = tag else { return Err((line, FieldError::TooDeep(MAX_DEPTH))) };
                    let _ = anchor;
                    return Err((line, FieldError::Tag(PrintableText::value(&tag.to_string()))));
                }
                Event::SequenceStart(anchor, _) => {
                    self.key_must_not_be_here(&open, span)?;
                    open.push(Open::new(line, anchor, YamlContent::List(Vec::new())));
                    continue;
                }
                Event::MappingStart(anchor, _) => {
                    self.key_must_not_be_here(&open, span)?;
                    open.push(Open::new(line, anchor, YamlContent::Object(Vec::new())));
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(done) = open.pop() else { continue };
                    (YamlNode { line: done.line, content: done.content }, done.anchor)
                }
                Event::DocumentEnd => {
                    anchors.clear();
                    continue;
                }
                Event::DocumentStart(_) | Event::StreamStart | Event::StreamEnd | Event::Nothing => continue,
            };
            if anchor > 0 {
                self.copied += node.bytes();
                if self.copied > MAX_COPIED << 20 {
                    return Err((line, FieldError::CopiesTooMuch(MAX_COPIED)));
                }
                anchors.insert(anchor, node.clone());
            }
            self.place(node, &mut open)?;
        }
        Ok(())
    }

    fn key_must_not_be_here(&self, open: &[Open], span: Span) -> Result<(), Stop> {
        match open.last() {
            Some(Open { content: YamlContent::Object(_), key: None, .. }) => {
                Err((span.start.line(), FieldError::KeyNotText))
            }
            _ => Ok(()),
        }
    }

    /// Puts an entry where it belongs: into the innermost object or list, or among the documents.
    fn place(&mut self, node: YamlNode, open: &mut [Open]) -> Result<(), Stop> {
        let Some(innermost) = open.last_mut() else {
            self.twice = 0;
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        let (key, first_line, same) = match (&mut innermost.content, innermost.key.take()) {
            (YamlContent::Scalar { .. }, _) => return Ok(()),
            (YamlContent::List(list), _) => {
                list.push(node);
                return Ok(());
            }
            (YamlContent::Object(_), None) => return self.name(&node, open),
            (YamlContent::Object(members), Some(key)) => {
                let first = innermost.known.get(&key.name).and_then(|index| members.get(*index));
                let Some((first, value)) = first else {
                    innermost.known.insert(key.name.clone(), members.len());
                    members.push((key, node));
                    return Ok(());
                };
                (key, first.line, same_value(value, &node))
            }
        };
        // A path is as long as its names: it is made for those only that are told of.
        if self.twice >= MAX_TWICE {
            return Err((key.line, FieldError::Duplicate { first: first_line }));
        }
        self.twice += 1;
        let here = path_of(open).member(&key.name);
        if same {
            self.notes.warn(
                "resource-duplicate-member",
                format!(
                    "{}:{}: {} stands twice, first in line {first_line}, with the same value",
                    escape(&self.origin.0),
                    key.line,
                    here.as_str(),
                ),
            );
        } else {
            self.fault(key.line, here, FieldError::Duplicate { first: first_line });
        }
        Ok(())
    }

    /// Takes an entry as the name of the member that comes next.
    fn name(&mut self, node: &YamlNode, open: &mut [Open]) -> Result<(), Stop> {
        let YamlContent::Scalar { text, plain } = &node.content else {
            return Err((node.line, FieldError::KeyNotText));
        };
        if text.len() > MAX_NAME {
            return Err((node.line, FieldError::NameTooLong(MAX_NAME)));
        }
        if *plain && text.as_str() == "<<" {
            self.fault(node.line, path_of(open), FieldError::MergeKey);
        }
        if let Some(innermost) = open.last_mut() {
            innermost.key = Some(YamlKey { name: text.to_string(), line: node.line });
        }
        Ok(())
    }
}

impl Open {
    fn new(line: usize, anchor: usize, content: YamlContent) -> Self {
        Self { line, anchor, content, key: None, known: HashMap::new() }
    }
}

/// Whether two entries are the same but for their lines.
fn same_value(left: &YamlNode, right: &YamlNode) -> bool {
    match (&left.content, &right.content) {
        (YamlContent::List(l), YamlContent::List(r)) => {
            l.len() == r.len() && l.iter().zip(r).all(|(l, r)| same_value(l, r))
        }
        (YamlContent::Object(l), YamlContent::Object(r)) => {
            l.len() == r.len() && l.iter().zip(r).all(|(l, r)| l.0.name == r.0.name && same_value(&l.1, &r.1))
        }
        (l, r) => l == r,
    }
}

/// Where the next entry will stand.
fn path_of(open: &[Open]) -> FieldPath {
    open.iter().fold(FieldPath::root(), |path, level| match (&level.content, &level.key) {
        (YamlContent::List(list), _) => path.entry(list.len()),
        (_, Some(key)) => path.member(&key.name),
        (_, None) => path,
    })
}

fn syntax(error: &ScanError, text: &str, lines_before: usize) -> Stop {
    let line = error.marker().line();
    let near = line.saturating_sub(2)..=line;
    let tab = text
        .lines()
        .enumerate()
        .filter(|(index, _)| near.contains(index))
        .find(|(_, content)| content.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t'));
    match tab {
        Some((index, _)) => (index + 1 + lines_before, FieldError::Tab),
        None => (line + lines_before, FieldError::Syntax(error.info().to_lowercase())),
    }
}

#[cfg(test)]
mod tests {
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
    fn a_member_that_stands_twice_is_a_fault_unless_it_is_the_same() {
        assert_eq!(
            faults("a: 1\nb:\n  c: 1\n  c: 2\n"),
            ["f:4: b.c: stands twice with different values, first in line 3"]
        );
        let (_, none, notes) = read_all("a: 1\na: 1\n");
        assert!(none.is_empty());
        assert!(notes.iter().next().unwrap().text.contains("a stands twice"));
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
    fn what_is_no_plain_yaml_is_refused_with_its_line() {
        for (text, wanted) in [
            ("a: 1\n\tb: 2\n", "indented with a tab"),
            ("a:\n\tb: 2\n", "indented with a tab"),
            ("a: !!binary aGk=\n", "tag"),
            ("a: !x {}\n", "tag"),
            ("? [a]\n: 1\n", "as a key"),
            ("a: {b: *x}\n", "not YAML"),
            ("a: &x {b: 1}\nc:\n  <<: *x\n", "'<<' is no part"),
            ("a: 'x\n", "not YAML"),
            ("a: [1\nb: 2\n", "not YAML"),
        ] {
            let found = faults(text);
            assert!(
                found.first().is_some_and(|f| f.contains(wanted) && f.starts_with("f:")),
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
    fn empty_documents_are_passed_over() {
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
