//! The escapes of other formats before a token or key: logs, URLs and strings of programs have them.

/// A character of base64url, which a part of a token consists of.
pub(super) const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Returns whether a token can begin after this text: not within a word, but after an escape such as
/// `\n` or `%20`.
pub(super) fn is_boundary(before: &[u8]) -> bool {
    // One more than the longest end of an escape, so that the work is linear.
    const LONGEST_WORD: usize = 6;
    let word = before.iter().rev().take(LONGEST_WORD).take_while(|byte| is_base64url(**byte)).count();
    match before.split_at_checked(before.len() - word) {
        Some((before, [])) => before.last() != Some(&b'.'),
        Some((before, word)) => escape_end(before, word) == word.len(),
        None => false,
    }
}

/// Returns the number of characters at the start of a word that belong to an escape before it: `n` of `\n`,
/// `20` of `%20`, `x3d` of `\x3d`, `u003e` of `\u003e`, `0m` of a color of a terminal.
pub(super) fn escape_end(before: &[u8], word: &[u8]) -> usize {
    let is_hex =
        |from: usize, to: usize| word.get(from..to).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    match (before.last(), word.first()) {
        (Some(b'\\'), Some(b'n' | b't' | b'r')) => 1,
        (Some(b'\\'), Some(b'x')) if is_hex(1, 3) => 3,
        (Some(b'\\'), Some(b'u')) if is_hex(1, 5) => 5,
        (Some(b'%'), _) if is_hex(0, 2) => 2,
        (Some(b'[' | b';'), _) if begins_color(before) => {
            let digits = word.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
            if word.get(digits) == Some(&b'm') { digits + 1 } else { 0 }
        }
        _ => 0,
    }
}

/// Returns whether a text ends with the beginning of a color of a terminal, such as `ESC[1;`. Programs that
/// write logs in JSON or with quotes escape the ESC.
fn begins_color(text: &[u8]) -> bool {
    const ESCAPES: [&[u8]; 5] = [b"\x1b", b"\\x1b", b"\\u001b", b"\\033", b"\\e"];
    const LONGEST: usize = 16;
    let numbers =
        text.iter().rev().take(LONGEST).take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
    let escape = text.get(..text.len() - numbers).and_then(|text| text.strip_suffix(b"["));
    escape.is_some_and(|text| ESCAPES.iter().any(|escape| ends_with_ignoring_case(text, escape)))
}

fn ends_with_ignoring_case(text: &[u8], end: &[u8]) -> bool {
    text.split_at_checked(text.len().wrapping_sub(end.len()))
        .is_some_and(|(_, tail)| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::super::recognize::find;
    use super::super::testing::{known, pair_base64, token};
    use crate::key::{PrivateKey, nkey};

    #[test]
    fn item_is_found_after_every_escape() {
        let key = PrivateKey::ed25519_from_seed(&[9; 32]).unwrap();
        let seed = nkey::write_seed(&key, nkey::NkeyRole::User).unwrap();
        for escape in [
            "\\n",
            "\\t",
            "\\r",
            "%3D",
            "%0a",
            "\\x3d",
            "\\u003e",
            "\\u0022",
            "\x1b[m",
            "\x1b[1;32m",
            "\x1b[38;5;196m",
            "\\x1b[0m",
            "\\u001B[36m",
            "\\033[1;31m",
            "\\e[0m",
        ] {
            for item in [&token("fritz"), &pair_base64(&key), seed.as_str()] {
                let text = format!("x {escape}{item}{escape} y");
                let found = find(text.as_bytes(), &known());
                let texts: Vec<_> = found.iter().map(|found| &text[found.range.clone()]).collect();
                // The padding of base64 is not a part of the item.
                assert_eq!(texts, [item.trim_end_matches('=')], "{text}");
            }
        }
        for word in ["xn", "\\nn", "%3", "[0m", "\x1b[0", "\x1bx0m", "\\u003", "0m"] {
            assert!(find(format!("{word}{}", token("fritz")).as_bytes(), &known()).is_empty(), "{word}");
        }
    }
}
