//! Expansion of values as in godotenv: escapes, and `$NAME` from earlier keys.
//!
//! The functions work on bytes: the patterns are ASCII, and all other bytes are copied.

use zeroize::Zeroizing;

/// The longest value that `$NAME`s may grow to, in bytes.
pub(super) const VALUE_LIMIT: usize = 1 << 20;

/// What all values of a file may grow to together by `$NAME`s, in bytes: some lines of a few
/// letters must not fill the memory.
pub(super) const GROWN_LIMIT: usize = 16 << 20;

/// Resolves the escapes of a double-quoted value: `\n` and `\r` are line ends; before any other
/// character except `$` the backslash is removed. Go does this in two passes, so only the second
/// pass matches `\` before a raw line end.
pub(super) fn unescape(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut pairs = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        match (first, after.first()) {
            (b'\\', Some(&second)) if second != b'\n' => {
                match second {
                    b'n' => pairs.push(b'\n'),
                    b'r' => pairs.push(b'\r'),
                    other => pairs.extend([b'\\', other]),
                }
                rest = &after[1..];
            }
            _ => {
                pairs.push(first);
                rest = after;
            }
        }
    }
    let mut out = Zeroizing::new(Vec::with_capacity(pairs.len()));
    let mut rest = &pairs[..];
    while let Some((&first, after)) = rest.split_first() {
        match (first, after.first()) {
            (b'\\', Some(&second)) if second != b'$' => {
                out.push(second);
                rest = &after[1..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

/// A value after the expansion of `$NAME` and `${NAME}`.
pub(super) struct Expanded {
    /// The expanded value.
    pub(super) text: Zeroizing<Vec<u8>>,
    /// Whether a name was expanded.
    pub(super) replaced: bool,
}

/// Expands names of capital letters, digits and `_` with `lookup`; unknown names expand to nothing;
/// `\$` is a literal `$`. Returns `None` if the value exceeds `limit` bytes, which happens only
/// with keys that repeatedly double each other.
pub(super) fn expand<'a>(
    text: &[u8],
    lookup: impl Fn(&[u8]) -> Option<&'a [u8]>,
    limit: usize,
) -> Option<Expanded> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut replaced = false;
    let mut at = 0;
    while at < text.len() {
        let escaped = text[at] == b'\\' && text.get(at + 1) == Some(&b'$');
        if !escaped && text[at] != b'$' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        // The name may be in braces. Go's pattern also consumes a parenthesis and unpaired braces.
        let mut end = at + if escaped { 2 } else { 1 };
        let skip = |end: usize, expected: u8| end + usize::from(text.get(end) == Some(&expected));
        end = skip(end, b'(');
        end = skip(end, b'{');
        let name_start = end;
        while text.get(end).is_some_and(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_') {
            end += 1;
        }
        let name = &text[name_start..end];
        end = skip(end, b'}');
        if escaped {
            out.extend_from_slice(&text[at + 1..end]);
        } else if name.is_empty() {
            out.extend_from_slice(&text[at..end]);
        } else {
            out.extend_from_slice(lookup(name).unwrap_or_default());
            replaced = true;
            if out.len() > limit {
                return None;
            }
        }
        at = end;
    }
    Some(Expanded { text: out, replaced })
}
