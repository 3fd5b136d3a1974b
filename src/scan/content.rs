//! The content of a source: a text, an archive, or bytes that are skipped.
//!
//! A text of up to 4 MiB is a document. A larger one is searched in parts that overlap by the longest
//! item, so that the memory does not depend on the size.

use std::io::{self, Read};

use super::document::{self, DocumentFindings, Finding, MAX_DOCUMENT};
use super::known_keys::KnownKeys;
use super::lines::count_lines;
use super::recognize::{LONGEST, find};
use super::tar::{BLOCK, TarReader, is_archive};

/// The first part that is read, which shows the kind of the content.
const HEAD: usize = 64 << 10;

/// The part in which a NUL means that the content is binary, as in `grep`.
const BINARY_HEAD: usize = 8 << 10;

/// The bytes before an item that decide whether it begins there.
const CONTEXT: usize = 256;

/// The deepest archive within archives.
const MAX_ARCHIVES: usize = 2;

/// The first bytes of compressed files: gzip, bzip2, xz, zstd, lz4, zip.
const COMPRESSED: [&[u8]; 6] =
    [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"PK\x03\x04"];

/// How the reading of a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentEnd {
    /// All of it was searched.
    Complete,
    /// It is binary, so it was skipped.
    Binary,
    /// It is compressed, so it was skipped.
    Compressed,
    /// It is larger than the limit; the part before the limit was searched.
    TooLarge,
    /// The time limit was reached.
    TimedOut,
}

/// The limits of a scan.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// The maximum size in bytes of a source.
    pub(super) bytes: u64,
    /// Returns whether the time is over.
    pub(super) is_over: &'a (dyn Fn() -> bool + Sync),
}

/// Receives the findings of a source: the name and the mode of the archive's entry, if it is one.
pub(super) type Receive<'a> = dyn FnMut(Option<(&str, u32)>, DocumentFindings) + 'a;

/// Searches contents with one buffer.
pub(super) struct ContentReader<'a> {
    pub(super) known: &'a KnownKeys,
    pub(super) limits: Limits<'a>,
    pub(super) buffer: Vec<u8>,
    /// What was skipped in the archive that was read last.
    pub(super) skipped: SkippedEntries,
}

/// The files of an archive that were not or not completely searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SkippedEntries {
    pub(super) binary: u64,
    pub(super) compressed: u64,
    pub(super) too_large: u64,
}

impl<'a> ContentReader<'a> {
    pub(super) const fn new(known: &'a KnownKeys, limits: Limits<'a>) -> Self {
        Self {
            known,
            limits,
            buffer: Vec::new(),
            skipped: SkippedEntries { binary: 0, compressed: 0, too_large: 0 },
        }
    }

    /// Searches a source. `name` is its file name.
    ///
    /// # Errors
    /// Of the reader. Findings before the error are received.
    pub(super) fn read(
        &mut self,
        name: &str,
        reader: &mut dyn Read,
        receive: &mut Receive<'_>,
    ) -> io::Result<ContentEnd> {
        self.skipped = SkippedEntries::default();
        let limit = self.limits.bytes;
        let mut limited = reader.take(limit.saturating_add(1));
        let end = self.read_limited(name, None, &mut limited, receive, 0)?;
        Ok(if limited.limit() == 0 && end == ContentEnd::Complete { ContentEnd::TooLarge } else { end })
    }

    fn read_limited(
        &mut self,
        name: &str,
        entry: Option<(&str, u32)>,
        reader: &mut dyn Read,
        receive: &mut Receive<'_>,
        archives: usize,
    ) -> io::Result<ContentEnd> {
        self.buffer.clear();
        self.fill(reader, HEAD)?;
        let head = self.buffer.as_slice();
        if is_archive(head) && archives < MAX_ARCHIVES {
            let head = std::mem::take(&mut self.buffer);
            let chained = head.as_slice().chain(reader);
            return self.read_archive(
                entry.map(|(name, _)| name),
                TarReader::new(chained),
                receive,
                archives,
            );
        }
        if COMPRESSED.iter().any(|magic| head.starts_with(magic)) {
            return Ok(ContentEnd::Compressed);
        }
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            let is_cut = self.fill(reader, 2 * MAX_DOCUMENT)?;
            let text = decode_utf16(&self.buffer);
            receive(entry, document::search(text.as_bytes(), name, self.known));
            return Ok(if is_cut { ContentEnd::TooLarge } else { ContentEnd::Complete });
        }
        if memchr::memchr(0, head.get(..head.len().min(BINARY_HEAD)).unwrap_or_default()).is_some() {
            return Ok(ContentEnd::Binary);
        }
        if head.len() < HEAD || !self.fill(reader, MAX_DOCUMENT)? {
            receive(entry, document::search(&self.buffer, name, self.known));
            return Ok(ContentEnd::Complete);
        }
        let (found, end) = self.read_parts(reader)?;
        receive(entry, found);
        Ok(end)
    }

    fn read_archive<R: Read>(
        &mut self,
        outer: Option<&str>,
        mut archive: TarReader<R>,
        receive: &mut Receive<'_>,
        archives: usize,
    ) -> io::Result<ContentEnd> {
        while let Some(file) = archive.next_file()? {
            if (self.limits.is_over)() {
                return Ok(ContentEnd::TimedOut);
            }
            let name = match outer {
                Some(outer) => format!("{outer}!{}", file.name),
                None => file.name,
            };
            let entry = Some((name.as_str(), file.mode));
            let mut content: &mut dyn Read = &mut archive;
            match self.read_limited(&name, entry, &mut content, receive, archives + 1)? {
                ContentEnd::Complete => {}
                ContentEnd::Binary => self.skipped.binary += 1,
                ContentEnd::Compressed => self.skipped.compressed += 1,
                ContentEnd::TooLarge => self.skipped.too_large += 1,
                ContentEnd::TimedOut => return Ok(ContentEnd::TimedOut),
            }
        }
        Ok(ContentEnd::Complete)
    }

    /// Searches the rest of a large text in parts. The buffer has the first part.
    fn read_parts(&mut self, reader: &mut dyn Read) -> io::Result<(DocumentFindings, ContentEnd)> {
        let (mut findings, mut unlisted) = (Vec::new(), 0);
        let (mut line, mut context, mut has_more) = (1, 0, true);
        loop {
            // The items that begin in the last part of the buffer may end in the next one.
            let part = if has_more { self.buffer.len() - LONGEST } else { self.buffer.len() };
            let mut counted = context;
            for found in find(&self.buffer, self.known) {
                let start = found.range.start;
                if start < context || start >= part {
                    continue;
                }
                if findings.len() >= document::MAX_ITEMS {
                    unlisted += 1;
                    continue;
                }
                line += count_lines(self.buffer.get(counted..start).unwrap_or_default());
                counted = start;
                let needs_known_key = found.needs_known_key;
                findings.push(Finding { needs_known_key, ..Finding::new(found.item, line, None) });
            }
            line += count_lines(self.buffer.get(counted..part).unwrap_or_default());
            if !has_more {
                return Ok((listed(findings, unlisted), ContentEnd::Complete));
            }
            if (self.limits.is_over)() {
                return Ok((listed(findings, unlisted), ContentEnd::TimedOut));
            }
            context = CONTEXT.min(part);
            self.buffer.drain(..part - context);
            has_more = self.fill(reader, MAX_DOCUMENT)?;
        }
    }

    /// Reads until the buffer has `size` bytes; returns whether it does.
    fn fill(&mut self, reader: &mut dyn Read, size: usize) -> io::Result<bool> {
        let missing = size.saturating_sub(self.buffer.len()) as u64;
        reader.take(missing).read_to_end(&mut self.buffer)?;
        Ok(self.buffer.len() >= size)
    }
}

fn listed(findings: Vec<Finding>, unlisted: u64) -> DocumentFindings {
    DocumentFindings { findings, unlisted, ..DocumentFindings::default() }
}

/// Decodes UTF-16 with a byte order mark.
fn decode_utf16(bytes: &[u8]) -> String {
    let is_big = bytes.starts_with(b"\xfe\xff");
    let units = bytes.chunks_exact(2).skip(1).map(|pair| match pair {
        [high, low] if is_big => u16::from_be_bytes([*high, *low]),
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
}

const _: () = assert!(MAX_DOCUMENT > 2 * LONGEST && HEAD >= BLOCK);

#[cfg(test)]
mod tests {
    use super::super::tar::tests::entry;
    use super::super::testing::{known, token};
    use super::*;

    struct Search {
        end: ContentEnd,
        lines: Vec<u64>,
        entries: Vec<String>,
        skipped: SkippedEntries,
    }

    fn search_limited(name: &str, bytes: &[u8], limit: u64) -> Search {
        let known = known();
        let limits = Limits { bytes: limit, is_over: &|| false };
        let (mut lines, mut entries) = (Vec::new(), Vec::new());
        let mut reader = ContentReader::new(&known, limits);
        let mut receive = |entry: Option<(&str, u32)>, found: DocumentFindings| {
            lines.extend(found.findings.iter().map(|one| one.line));
            entries.extend(entry.map(|(name, _)| name.to_owned()));
        };
        let end = reader.read(name, &mut &*bytes, &mut receive).unwrap();
        Search { end, lines, entries, skipped: reader.skipped }
    }

    fn search(bytes: &[u8]) -> Search {
        search_limited("x", bytes, u64::MAX)
    }

    #[test]
    fn token_across_the_parts_of_a_large_file_is_found_once_with_its_line() {
        let token = token("a");
        let line = "x".repeat(99) + "\n";
        for edge in [MAX_DOCUMENT - LONGEST, MAX_DOCUMENT, 2 * MAX_DOCUMENT - LONGEST - CONTEXT] {
            for shift in [0, 1, token.len() / 2, token.len() - 1, token.len(), token.len() + 1] {
                let mut text = line.repeat(9 * MAX_DOCUMENT / 400).into_bytes();
                let at = edge - shift;
                text[at - 1] = b' ';
                text[at..at + token.len()].copy_from_slice(token.as_bytes());
                text[at + token.len()] = b' ';
                let expected = 1 + text[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
                let found = search(&text);
                assert_eq!(
                    (found.end, found.lines),
                    (ContentEnd::Complete, vec![expected]),
                    "{edge} {shift}"
                );
            }
        }
    }

    #[test]
    fn memory_does_not_depend_on_the_size() {
        let known = known();
        let mut reader = ContentReader::new(&known, Limits { bytes: 64 << 20, is_over: &|| false });
        let mut endless = io::repeat(b'x');
        let end = reader.read("x", &mut endless, &mut |_, _| {}).unwrap();
        assert_eq!(end, ContentEnd::TooLarge);
        assert!(reader.buffer.capacity() <= 3 * MAX_DOCUMENT, "{}", reader.buffer.capacity());
    }

    #[test]
    fn binary_and_compressed_files_are_skipped_and_utf_16_is_read() {
        let token = token("a");
        let end = |bytes: &[u8]| search(bytes).end;
        assert_eq!(end(format!("\x7fELF\0 {token}").as_bytes()), ContentEnd::Binary);
        assert_eq!(end(b"\x1f\x8b\x08\0"), ContentEnd::Compressed);
        assert_eq!(end(b""), ContentEnd::Complete);
        for big in [false, true] {
            let bytes: Vec<u8> = format!("\u{feff}\r\nTOKEN={token}\r\n")
                .encode_utf16()
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            let found = search(&bytes);
            assert_eq!((found.end, found.lines), (ContentEnd::Complete, vec![2]));
        }
        let limited = search_limited("x", format!("{}{token}", "x\n".repeat(1000)).as_bytes(), 100);
        assert_eq!((limited.end, limited.lines.len()), (ContentEnd::TooLarge, 0));
    }

    #[test]
    fn archive_is_searched_also_in_an_archive() {
        let token = token("a");
        let json = format!("{{\n\"jwt\": \"{token}\"}}");
        let inner = [entry("a/sinks.json", b'0', json.as_bytes()), vec![0; 1024]].concat();
        let archive = [
            entry("/etc/cc/token", b'0', token.as_bytes()),
            entry("link", b'2', b""),
            entry("inner.tar", b'0', &inner),
            entry("bin", b'0', b"\0\0"),
            entry("old.gz", b'0', b"\x1f\x8b\x08\0"),
            vec![0; 1024],
        ]
        .concat();
        let found = search(&archive);
        assert_eq!(found.skipped, SkippedEntries { binary: 1, compressed: 1, too_large: 0 });
        assert_eq!(found.lines, [1, 2]);
        assert_eq!(found.entries, ["/etc/cc/token", "inner.tar!a/sinks.json"]);
    }

    #[test]
    fn time_limit_ends_a_large_file() {
        let known = known();
        let mut reader = ContentReader::new(&known, Limits { bytes: u64::MAX, is_over: &|| true });
        let end = reader.read("x", &mut io::repeat(b'x'), &mut |_, _| {}).unwrap();
        assert_eq!(end, ContentEnd::TimedOut);
    }
}
