//! A reader of tar streams (POSIX ustar and pax, GNU) for untrusted input.
//!
//! Names are only text for the report: nothing is extracted. Sizes are limits of what is read, never an
//! allocation. The crate `tar` reads long names and headers of any length into memory.

use std::io::{self, Read};

/// The size of a header, and the unit of all sizes.
pub(super) const BLOCK: usize = 512;

/// The longest extended header that is read, in bytes.
const MAX_EXTENDED: u64 = 64 << 10;

/// A regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TarEntry {
    pub(super) name: String,
    pub(super) mode: u32,
}

/// An archive. [`Read`] returns the content of the present entry.
pub(super) struct TarReader<R> {
    reader: R,
    /// The bytes of the present entry that are not read yet.
    remaining: u64,
    /// The bytes after its content up to the next header.
    padding: u64,
}

/// Returns whether bytes begin with a header of a tar archive.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    bytes.get(..BLOCK).is_some_and(|header| has_checksum(header) && header.get(257..262) == Some(b"ustar"))
}

impl<R: Read> TarReader<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, remaining: 0, padding: 0 }
    }

    /// Goes to the next regular file.
    ///
    /// # Errors
    /// Of the reader; [`io::ErrorKind::InvalidData`] for an invalid header.
    pub(super) fn next_file(&mut self) -> io::Result<Option<TarEntry>> {
        let (mut long_name, mut long_size) = (None, None);
        loop {
            self.skip()?;
            let mut header = [0; BLOCK];
            match self.reader.read_exact(&mut header) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                other => other?,
            }
            if header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            if !has_checksum(&header) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "invalid header in the tar archive"));
            }
            let size = number(&header[124..136]).unwrap_or(0);
            self.set_size(size);
            match header[156] {
                b'0' | 0 | b'7' | b'S' => {
                    if header[156] == b'S' {
                        self.skip_sparse_headers(&header)?;
                    }
                    if let Some(size) = long_size {
                        self.set_size(size);
                    }
                    let mode =
                        number(&header[100..108]).and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0);
                    let name = long_name.unwrap_or_else(|| short_name(&header));
                    return Ok(Some(TarEntry { name, mode }));
                }
                b'L' if size <= MAX_EXTENDED => long_name = Some(text(&self.read_all()?)),
                b'x' if size <= MAX_EXTENDED => {
                    for (key, value) in records(&self.read_all()?) {
                        match key.as_str() {
                            "path" => long_name = Some(value),
                            "size" => long_size = value.parse().ok(),
                            _ => {}
                        }
                    }
                }
                // The header of the next entry, which is too long to be read.
                b'L' | b'x' | b'K' | b'g' => {}
                _ => (long_name, long_size) = (None, None),
            }
        }
    }

    /// Skips the list of the parts of a sparse file (GNU) that does not fit its header. The content has the parts
    /// one after the other, without the holes.
    fn skip_sparse_headers(&mut self, header: &[u8; BLOCK]) -> io::Result<()> {
        let mut has_more = header[482] == 1;
        while has_more {
            let mut block = [0; BLOCK];
            self.reader.read_exact(&mut block)?;
            has_more = block[504] == 1;
        }
        Ok(())
    }

    const fn set_size(&mut self, size: u64) {
        self.remaining = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    /// Skips the rest of the present entry.
    fn skip(&mut self) -> io::Result<()> {
        let rest = self.remaining.saturating_add(self.padding);
        io::copy(&mut (&mut self.reader).take(rest), &mut io::sink())?;
        self.remaining = 0;
        self.padding = 0;
        Ok(())
    }

    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.reader.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.remaining -= read as u64;
        Ok(read)
    }
}

/// Returns whether the checksum of a header is correct: the sum of its bytes, with spaces in place of
/// the checksum.
fn has_checksum(header: &[u8]) -> bool {
    let is_sum = |at: usize| (148..156).contains(&at);
    let sum: u64 =
        header.iter().enumerate().map(|(at, byte)| if is_sum(at) { 32 } else { u64::from(*byte) }).sum();
    header.get(148..156).and_then(number) == Some(sum)
}

/// Reads a number: octal digits, or big-endian bytes after a byte with the highest bit.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => rest
            .iter()
            .try_fold(u64::from(first & 0x7f), |sum, byte| Some(sum.checked_mul(256)? | u64::from(*byte))),
        _ => {
            let text = std::str::from_utf8(field).ok()?;
            u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
        }
    }
}

fn short_name(header: &[u8; BLOCK]) -> String {
    let name = text(&header[..100]);
    let prefix = if &header[257..263] == b"ustar\0" { text(&header[345..500]) } else { String::new() };
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

/// The text before the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`.
fn records(bytes: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(space) = memchr::memchr(b' ', rest) {
        let length = rest.get(..space).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let Some(record) = length.and_then(|length: usize| rest.get(space + 1..length)) else { break };
        rest = rest.get(space + 1 + record.len()..).unwrap_or_default();
        let record = String::from_utf8_lossy(record.strip_suffix(b"\n").unwrap_or(record));
        if let Some((key, value)) = record.split_once('=') {
            found.push((key.to_owned(), value.to_owned()));
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The header of an entry.
    pub(crate) fn header(name: &str, kind: u8, size: &str) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..name.len().min(100)].copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
        header[100..107].copy_from_slice(b"0000644");
        header[124..124 + size.len()].copy_from_slice(size.as_bytes());
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].copy_from_slice(b"        ");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    /// An entry with its content.
    pub(crate) fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = header(name, kind, &format!("{:011o}", content.len()));
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn read(archive: &[u8]) -> Vec<(String, String)> {
        let mut reader = TarReader::new(archive);
        let mut found = Vec::new();
        while let Ok(Some(entry)) = reader.next_file() {
            let mut content = String::new();
            reader.read_to_string(&mut content).unwrap();
            found.push((entry.name, content));
        }
        found
    }

    #[test]
    fn archive_entries_are_read_with_long_names() {
        let long = "d/".repeat(80) + "file";
        let record = format!("path={long}x\n");
        let record = format!("{} {record}", record.len() + 4);
        let archive = [
            entry("/etc/../a", b'0', b"one"),
            entry("dir/", b'5', b""),
            entry("@", b'L', format!("{long}\0").as_bytes()),
            entry("short", b'0', b"two"),
            entry("@", b'x', record.as_bytes()),
            entry("short", b'0', &[b'x'; 600]),
            vec![0; 1024],
        ]
        .concat();
        assert!(is_archive(&archive));
        let found = read(&archive);
        let names: Vec<_> = found.iter().map(|(name, content)| (name.as_str(), content.len())).collect();
        assert_eq!(names, [("/etc/../a", 3), (long.as_str(), 3), (&format!("{long}x"), 600)]);
    }

    #[test]
    fn archive_with_sparse_files_is_read_to_its_end() {
        let mut sparse = entry("sparse", b'S', b"the parts");
        let set_extended = |header: &mut [u8], at: usize| {
            header[at] = 1;
            header[148..156].copy_from_slice(b"        ");
            let sum: u64 = header[..BLOCK].iter().map(|byte| u64::from(*byte)).sum();
            header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        };
        set_extended(&mut sparse, 482);
        let content = sparse.split_off(BLOCK);
        let (mut first, last) = (vec![7; BLOCK], vec![0; BLOCK]);
        first[504] = 1;
        let archive = [sparse, first, last, content, entry("after", b'0', b"one"), vec![0; 1024]].concat();
        let expected = [("sparse", "the parts"), ("after", "one")];
        assert_eq!(read(&archive), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn archive_with_false_sizes_ends() {
        for size in ["77777777777", "\u{7f}\u{7f}", ""] {
            let archive = [header("a", b'0', size), b"content".to_vec()].concat();
            assert!(read(&archive).len() <= 1);
        }
        let long = [header("@", b'L', "77777777777"), vec![b'x'; 100_000]].concat();
        assert!(read(&long).is_empty());
        let mut wrong = entry("a", b'0', b"x");
        wrong[0] = b'b';
        assert!(!is_archive(&wrong) && TarReader::new(wrong.as_slice()).next_file().is_err());
    }
}
