//! Text that is safe to print in errors of code that parses secrets.

use crate::util::count::counted;
use std::borrow::Cow;
use std::fmt;

use super::quote::quote;
use super::redact::is_plain;

/// The maximum length of a value that may be printed unchecked, in characters. A piece this short
/// of a key, password or hash is of no use.
const HARMLESS_CHARS: usize = 7;

/// The maximum length of a printed name, in characters.
const NAME_CHARS: usize = 64;

/// Text that may be printed: a literal of this crate, a number, a word from a known list, or a
/// bounded and escaped name that does not look like a secret. All other text is replaced by its
/// length.
///
/// The errors of all parsers of secrets (keys, key sets, environment files, resources, passwords)
/// contain only this type, so that no message repeats a part of their input.
///
/// ```
/// use cc_auth::util::printable::PrintableText;
/// assert_eq!(PrintableText::one_of("EC", &["OKP", "EC", "RSA"]).to_string(), "'EC'");
/// assert_eq!(PrintableText::one_of("MC4CAQAwBQYDK2Vw", &["OKP"]).to_string(), "(a value of 16 characters)");
/// assert_eq!(PrintableText::name("JWT_PUBLIC_KEY").to_string(), "'JWT_PUBLIC_KEY'");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PrintableText(Cow<'static, str>);

impl PrintableText {
    /// Creates printable text from a literal.
    #[must_use]
    pub const fn literal(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The text as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Quotes a word if it is one of `known` or shorter than 8 characters; otherwise describes its
    /// length.
    #[must_use]
    pub fn one_of(text: &str, known: &[&'static str]) -> Self {
        match known.iter().find(|word| **word == text) {
            Some(word) => Self(Cow::Owned(quote(word))),
            None if text.chars().count() <= HARMLESS_CHARS => Self(Cow::Owned(quote(text))),
            None => Self::length(text, "value"),
        }
    }

    /// Quotes words separated by single spaces if each is one of `known`; otherwise returns `None`.
    #[must_use]
    pub fn known_words(text: &str, known: &[&'static str]) -> Option<Self> {
        let are_known = text.split(' ').all(|word| known.contains(&word));
        (text.chars().count() <= NAME_CHARS && are_known).then(|| Self(Cow::Owned(quote(text))))
    }

    /// Quotes the name of a variable, member, file or field: letters, digits and `_ - . /`, at most
    /// 64 characters. Other text, including names that look random, is replaced by its length.
    #[must_use]
    pub fn name(text: &str) -> Self {
        let plain = |c: char| c.is_alphanumeric() || "_-./ ".contains(c);
        let shown = text.chars().count() <= NAME_CHARS && text.chars().all(plain) && is_plain(text);
        if shown { Self(Cow::Owned(quote(text))) } else { Self::length(text, "name") }
    }

    /// Formats the name of a document member, without quotes if it contains only letters, digits,
    /// `_` and `-`. Names in capital letters are replaced by their length, because they may be a
    /// piece of an nkey.
    #[must_use]
    pub fn member(text: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let is_short = text.chars().count() <= HARMLESS_CHARS;
        let is_name = text.len() <= NAME_CHARS
            && text.chars().all(plain)
            && text.contains(|c: char| c.is_ascii_lowercase())
            && is_plain(text);
        match is_name || is_short {
            true if !text.is_empty() && text.chars().all(|c| plain(c) && c != '.') => {
                Self(Cow::Owned(text.to_owned()))
            }
            true => Self(Cow::Owned(quote(text))),
            false => Self::length(text, "name"),
        }
    }

    /// Quotes a duration or number (digits, signs and units); other text as
    /// [`PrintableText::one_of`].
    #[must_use]
    pub fn quantity(text: &str) -> Self {
        let is_quantity = text.len() <= 32 && text.bytes().all(|b| b"0123456789.+-nsumhdw ".contains(&b));
        if is_quantity { Self(Cow::Owned(quote(text))) } else { Self::one_of(text, &[]) }
    }

    /// Quotes a value, cut after 64 characters; if a part may be a secret, only its length is
    /// printed. For fields that are not secret but may contain a secret by mistake.
    #[must_use]
    pub fn value(text: &str) -> Self {
        let usual = |c: char| c.is_alphanumeric() || " _-./:@%+=,~'()[]#?&*!".contains(c);
        if !text.chars().all(usual) || !is_plain(text) {
            return Self::length(text, "value");
        }
        match text.char_indices().nth(NAME_CHARS) {
            Some((end, _)) => Self(Cow::Owned(quote(&format!("{}…", text.get(..end).unwrap_or_default())))),
            None => Self(Cow::Owned(quote(text))),
        }
    }

    /// Concatenates several texts.
    #[must_use]
    pub fn concat<const N: usize>(parts: [Self; N]) -> Self {
        Self(Cow::Owned(parts.iter().map(Self::as_str).collect()))
    }

    fn length(text: &str, what: &str) -> Self {
        let count = text.chars().count();
        Self(Cow::Owned(format!("(a {what} of {})", counted(count, "character"))))
    }
}

impl From<&'static str> for PrintableText {
    fn from(text: &'static str) -> Self {
        Self::literal(text)
    }
}

impl From<usize> for PrintableText {
    fn from(number: usize) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl PartialEq<str> for PrintableText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for PrintableText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for PrintableText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn name_random_text_is_replaced_by_its_length() {
        assert_eq!(PrintableText::name("spec.data.sub"), "'spec.data.sub'");
        assert_eq!(PrintableText::name("a\u{1b}[31m"), "(a name of 6 characters)");
        assert_eq!(PrintableText::name(&"x".repeat(65)), "(a name of 65 characters)");
        assert_eq!(PrintableText::one_of("x\n", &[]), "'x\\n'");
        assert_eq!(PrintableText::value("30 days"), "'30 days'");
        assert_eq!(PrintableText::value(&"x ".repeat(40)).as_str().chars().count(), 67);
    }

    proptest! {
        #[test]
        fn printable_text_never_contains_random_bytes(bytes in proptest::collection::vec(any::<u8>(), 32..64)) {
            let forms = [
                data_encoding::BASE64.encode(&bytes),
                data_encoding::BASE64URL_NOPAD.encode(&bytes),
                data_encoding::HEXLOWER.encode(&bytes),
                data_encoding::BASE32_NOPAD.encode(&bytes),
            ];
            // Skip bytes with few distinct values: they do not look random.
            prop_assume!(bytes.iter().collect::<std::collections::HashSet<_>>().len() > 20);
            for form in forms {
                for shown in [PrintableText::one_of(&form, &["EC"]), PrintableText::name(&form), PrintableText::value(&form)] {
                    prop_assert!(!shown.as_str().contains(&form[..8]), "{}", shown);
                }
            }
        }
    }
}
