//! Construction of documents from the events of the YAML parser, within limits.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use zeroize::Zeroizing;

use super::super::location::{FieldError, FieldPath, ResourceError, SourceName};
use super::node::{YamlContent, YamlKey, YamlNode};
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::escape;

/// The deepest nesting.
const MAX_DEPTH: usize = 64;
/// The maximum number of entries of a stream: about 3000 resources.
const MAX_ENTRIES: usize = 200_000;
/// The maximum number of entries that the aliases of a stream unfold to.
const MAX_UNFOLDED: usize = 10_000;

/// The most that anchors and aliases copy, in MiB: few entries can be long ones.
pub(super) const MAX_COPIED: usize = 32;
/// The longest name of a member, in bytes. YAML 1.2.2 7.4.2 has the same limit for most of them; it
/// also bounds the paths that every entry has.
pub(super) const MAX_NAME: usize = 1024;

/// The number of duplicate members of a document that are reported; with more it is not a resource.
const MAX_TWICE: usize = 100;
/// An incomplete object or list.
struct Open {
    line: usize,
    anchor: usize,
    content: YamlContent,
    /// The name of the member whose value comes next.
    key: Option<YamlKey>,
    /// The members so far by name.
    known: HashMap<String, usize>,
}

pub(super) struct Builder<'a> {
    pub(super) origin: &'a SourceName,
    pub(super) notes: &'a mut Notes,
    pub(super) documents: Vec<YamlNode>,
    pub(super) faults: Vec<ResourceError>,
    entries: usize,
    unfolded: usize,
    /// Bytes that anchors and aliases have copied.
    copied: usize,
    /// The number of duplicate members of this document.
    twice: usize,
}

type Stop = (usize, FieldError);

impl<'a> Builder<'a> {
    pub(super) const fn new(origin: &'a SourceName, notes: &'a mut Notes) -> Self {
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

    pub(super) fn fault(&mut self, line: usize, path: FieldPath, problem: FieldError) {
        self.faults.push(ResourceError { source: self.origin.clone(), line, path, error: problem });
    }

    pub(super) fn parse(&mut self, text: &str, lines_before: usize) -> Result<(), Stop> {
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

    /// Adds a node to the innermost open object or list, or to the documents.
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
        // Paths are built only for reported duplicates, since they can be long.
        if self.twice >= MAX_TWICE {
            return Err((key.line, FieldError::Duplicate { first: first_line }));
        }
        self.twice += 1;
        let here = path_of(open).member(&key.name);
        if same {
            self.notes.warn(
                "resource-duplicate-member",
                format!(
                    "{}:{}: duplicate member {} with the same value, first in line {first_line}",
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

    /// Sets the name of the next member.
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

/// Returns whether two nodes are equal, ignoring their lines.
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

/// Returns the path of the next node.
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
