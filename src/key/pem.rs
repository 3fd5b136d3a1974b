//! PEM blocks (RFC 7468), parsed like Go's `encoding/pem`, which the server's own tools use.
//!
//! A block begins at the start of a line, malformed blocks are skipped, and RFC 1421 headers and text
//! around the block are allowed. Unlike Go, nonzero unused base64 bits are rejected.

use zeroize::Zeroizing;

use super::encoding::{decode_standard, encode_standard};
use super::error::{KeyError, PemLines};
use crate::util::printable::PrintableText;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The number of base64 characters on a line (RFC 7468 2).
const LINE: usize = 64;

/// The words of known labels (RFC 7468 4, OpenSSL, OpenSSH, GnuPG, NATS). Messages omit a label with
/// other words, which may be part of the key in a damaged file.
const LABEL_WORDS: [&str; 36] = [
    "ANY",
    "ATTRIBUTE",
    "BLOCK",
    "CERTIFICATE",
    "CHAIN",
    "CMS",
    "CRL",
    "DH",
    "DSA",
    "EC",
    "ED25519",
    "ED448",
    "ENCRYPTED",
    "HMAC",
    "JWT",
    "KEY",
    "KEYS",
    "MESSAGE",
    "NEW",
    "NKEY",
    "OPENSSH",
    "PARAMETERS",
    "PGP",
    "PKCS7",
    "PRIVATE",
    "PUBLIC",
    "REQUEST",
    "RSA",
    "SECRET",
    "SEED",
    "SSH2",
    "TRUSTED",
    "USER",
    "X25519",
    "X509",
    "X9.42",
];

/// A block between its `BEGIN` and `END` lines.
#[derive(Clone)]
pub struct Block {
    /// The label, such as `PUBLIC KEY`; untrusted.
    pub label: String,
    /// The content, usually DER; may be secret.
    pub content: Zeroizing<Vec<u8>>,
    /// Whether the headers mark the content as encrypted (RFC 1421 4.6.1.1).
    pub encrypted: bool,
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block").field("label", &shown(&self.label).as_str()).finish_non_exhaustive()
    }
}

/// Parses all blocks of a text in order; each malformed block is an error.
///
/// ```
/// let text = "my key\n-----BEGIN X-----\nQUJD\n-----END X-----\n";
/// let blocks = cc_auth::key::pem::blocks(text);
/// assert_eq!(*blocks[0].as_ref().unwrap().content, b"ABC");
/// ```
#[must_use]
pub fn blocks(text: &str) -> Vec<Result<Block, KeyError>> {
    let mut found = Vec::new();
    let mut open: Option<(String, Vec<&str>)> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let broken = |label: &str, reason| Err(KeyError::Pem { label: shown(label), reason });
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_end_matches([' ', '\t']);
        if let Some(label) = label(line, BEGIN) {
            if let Some((label, _)) = open.replace((label.to_owned(), Vec::new())) {
                found.push(broken(&label, "its END line is missing"));
            }
        } else if let Some(end) = label_of_end(line) {
            if let Some((label, lines)) = open.take() {
                found.push(if end == Some(label.as_str()) {
                    decode(label, &lines)
                } else {
                    broken(&label, "its END line has another label")
                });
            }
        } else if let Some((_, lines)) = &mut open {
            lines.push(line);
        }
    }
    if let Some((label, _)) = open {
        found.push(broken(&label, "its END line is missing"));
    }
    found
}

/// Formats a label for messages: quoted if its words are known, otherwise as unknown.
pub(super) fn shown(label: &str) -> PrintableText {
    PrintableText::known_words(label, &LABEL_WORDS).unwrap_or(PrintableText::literal("with an unknown label"))
}

/// Detects how a PEM block lost its line breaks; returns `None` if it has them.
pub(super) fn lost_lines(text: &str) -> Option<PemLines> {
    let begin = text.find(BEGIN)?;
    let rest = text.get(begin..)?;
    let first = rest.split('\n').next().unwrap_or(rest);
    if first.contains('\r') && first.trim_end_matches('\r').contains('\r') {
        return Some(PemLines::CarriageReturn);
    }
    if first.contains(END) {
        return Some(PemLines::OneLine);
    }
    let before = text.get(..begin)?.chars().next_back();
    let alone =
        label(first.trim_end_matches(['\r', ' ', '\t']), BEGIN).is_some_and(|label| !label.contains(DASHES));
    (before.is_some_and(|before| before != '\n' && before != '\u{feff}') || !alone)
        .then_some(PemLines::BeginNotAlone)
}

/// Converts a PEM block with `\n` escapes, as in JSON and environment variables, to lines, and removes
/// quotes around it. Returns `None` for other text.
#[must_use]
pub fn unescaped(text: &str) -> Option<Zeroizing<String>> {
    let begin = text.find(BEGIN)?;
    let first = text.get(begin..)?.split('\n').next()?;
    if !first.contains("-----\\n") && !first.contains("-----\\r\\n") {
        return None;
    }
    let inside = text.trim().trim_matches(['"', '\'']);
    Some(Zeroizing::new(inside.replace("\\r\\n", "\n").replace("\\n", "\n")))
}

fn label<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.strip_prefix(mark)?.strip_suffix(DASHES)
}

/// Parses the label of an `END` line; returns `Some(None)` for a malformed `END` line.
fn label_of_end(line: &str) -> Option<Option<&str>> {
    line.starts_with(END).then(|| label(line, END))
}

fn decode(label: String, lines: &[&str]) -> Result<Block, KeyError> {
    let headers = lines.iter().take_while(|line| line.contains(':')).count();
    let (headers, body) = lines.split_at_checked(headers).unwrap_or_default();
    let encrypted =
        headers.iter().any(|header| header.starts_with("Proc-Type:") && header.contains("ENCRYPTED"));
    let mut joined = Zeroizing::new(String::with_capacity(body.len() * LINE));
    joined.extend(body.iter().flat_map(|line| line.chars()).filter(|c| !matches!(c, ' ' | '\t' | '\r')));
    let broken = |reason| KeyError::Pem { label: shown(&label), reason };
    if joined.is_empty() {
        return Err(broken("it is empty"));
    }
    let content = decode_standard(&joined, "PEM block").map_err(|error| match error {
        KeyError::Base64 { fault: super::error::Base64Error::SpareBits, .. } => {
            broken("the unused bits of its last character are not zero")
        }
        KeyError::Base64 { fault: super::error::Base64Error::Padding, .. } => {
            broken("it is truncated, or its padding with = is wrong")
        }
        _ => broken("it contains characters that are not base64"),
    })?;
    Ok(Block { label, content, encrypted })
}

/// Writes a block with lines of 64 characters.
#[must_use]
pub fn write(label: &str, content: &[u8]) -> Zeroizing<String> {
    let encoded = encode_standard(content);
    let mut text = Zeroizing::new(String::with_capacity(encoded.len() + encoded.len() / LINE + 80));
    text.push_str(BEGIN);
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(END);
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_block_does_not_hide_the_next() {
        let text = "-----BEGIN EC-----\nQQ=\n-----END EC-----\n-----BEGIN DSA-----\n-----BEGIN C-----\nK: v\n\nQU JD\n-----END C-----  \r\n";
        let blocks = blocks(text);
        assert!(matches!(&blocks[0], Err(KeyError::Pem { label, .. }) if *label == "'EC'"), "{blocks:?}");
        assert!(matches!(&blocks[1], Err(KeyError::Pem { label, .. }) if *label == "'DSA'"), "{blocks:?}");
        assert_eq!(*blocks[2].as_ref().unwrap().content, b"ABC");
        assert_eq!(blocks.len(), 3);
    }

    #[test]
    fn malformed_base64_of_a_block_is_reported_with_its_cause() {
        for (content, cause) in
            [("QR==", "unused bits"), ("QQ", "truncated"), ("Q%==", "not base64"), ("", "empty")]
        {
            let text = format!("-----BEGIN PUBLIC KEY-----\n{content}\n-----END PUBLIC KEY-----\n");
            let Err(KeyError::Pem { reason, .. }) = &blocks(&text)[0] else { panic!("{content}") };
            assert!(reason.contains(cause), "{content}: {reason}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for length in [1, 47, 48, 49, 96, 1000] {
            let content: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let text = write("X Y", &content);
            let read = blocks(&text);
            assert_eq!(*read[0].as_ref().unwrap().content, content);
            assert!(text.lines().all(|line| line.len() <= LINE));
        }
    }

    #[test]
    fn label_of_unknown_words_is_not_printed() {
        for label in ["PRIVATE KEY----- MC4CAQAwBQYDK2Vw", "MC4CAQAw", "", "KEY ", "PRIVATE KEY X"] {
            assert_eq!(shown(label), "with an unknown label", "{label}");
        }
        for label in ["EC PRIVATE KEY", "CERTIFICATE", "OPENSSH PRIVATE KEY", "X509 CRL"] {
            assert_eq!(shown(label).as_str(), format!("'{label}'"));
        }
    }

    #[test]
    fn lost_lines_are_recognized() {
        let pem = write("PRIVATE KEY", &[7; 100]);
        assert_eq!(lost_lines(&pem), None);
        assert_eq!(lost_lines(&pem.replace('\n', "\r\n")), None);
        assert_eq!(lost_lines(&pem.replace('\n', " ")), Some(PemLines::OneLine));
        assert_eq!(lost_lines(&pem.replace('\n', "")), Some(PemLines::OneLine));
        assert_eq!(lost_lines(&pem.replace('\n', "\r")), Some(PemLines::CarriageReturn));
        assert_eq!(lost_lines(&format!("x {}", *pem)), Some(PemLines::BeginNotAlone));
        let escaped = format!("\"{}\"", pem.replace('\n', "\\n"));
        assert_eq!(blocks(&unescaped(&escaped).unwrap())[0].as_ref().unwrap().content.len(), 100);
        assert!(unescaped(&pem).is_none());
    }
}
