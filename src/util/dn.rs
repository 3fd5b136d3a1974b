//! Distinguished names (RFC 4514), parsed so that two spellings of one name are equal.
//!
//! LDAP servers neither return a DN as it was written nor write it alike in an entry and in the
//! attribute `member`: attribute types in another case, `\,` as `\2C`, UTF-8 instead of hexadecimal
//! escapes, RDNs of several attributes in another order, blanks around commas removed. Therefore DNs are
//! compared in a normal form, never as text:
//!
//! - escapes are decoded, and quoted values (RFC 2253) are unquoted;
//! - attribute types and values are compared without regard to case, in all scripts;
//! - blanks at both ends of a value do not count, and consecutive blanks count as one (RFC 4518 2.6.1);
//! - the attributes of an RDN are a set.
//!
//! Attribute types are compared by name: `2.5.4.3` is another type than `cn`. Case counts in the values
//! of some attributes; no directory uses two entries that differ only in it.

use std::fmt::Write as _;

/// A distinguished name in normal form.
///
/// ```
/// use cc_auth::util::dn::DistinguishedName;
/// let parse = |text| DistinguishedName::parse(text).map_err(|error| error.to_string());
/// assert_eq!(parse(r"CN=Doe\, Jane , OU=People")?, parse(r"cn=doe\2C jane,ou=people")?);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DistinguishedName(Box<str>);

/// A text that is not a distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at character {position}")]
pub struct DnError {
    /// What was expected.
    pub expected: &'static str,
    /// The position of the error in characters, counted from 1.
    pub position: usize,
}

/// Separates attributes of an RDN in the normal form; it cannot occur unescaped in a value.
const AND: char = '+';

impl DistinguishedName {
    /// Parses the string representation of RFC 4514, and that of RFC 2253 with quoted values and
    /// semicolons. The empty DN is that of the root DSE.
    ///
    /// # Errors
    /// [`DnError`] with the position.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        if let Some(plain) = normalize_plain(text) {
            return Ok(Self(plain.into_boxed_str()));
        }
        let mut parser = Parser { text, at: 0 };
        let mut normal = String::with_capacity(text.len());
        parser.skip_blanks();
        if parser.peek().is_none() {
            return Ok(Self(normal.into_boxed_str()));
        }
        loop {
            let mut rdn = vec![parser.attribute()?];
            while parser.take(&['+']) {
                rdn.push(parser.attribute()?);
            }
            rdn.sort_unstable();
            rdn.dedup();
            for (index, attribute) in rdn.iter().enumerate() {
                if index > 0 {
                    normal.push(AND);
                }
                normal.push_str(attribute);
            }
            if !parser.take(&[',', ';']) {
                break;
            }
            normal.push(',');
        }
        if parser.peek().is_some() {
            return Err(parser.expected("a comma"));
        }
        Ok(Self(normal.into_boxed_str()))
    }

    /// Parses a value of the syntax *Name and Optional UID* (RFC 4517 3.3.21), which `uniqueMember` has:
    /// a DN, and possibly a bit string as in `#'0101'B`, which is ignored.
    ///
    /// # Errors
    /// [`DnError`] with the position.
    pub fn parse_name_and_optional_uid(text: &str) -> Result<Self, DnError> {
        let bits = |uid: &str| uid.bytes().all(|byte| matches!(byte, b'0' | b'1'));
        let dn = text.strip_suffix("'B").and_then(|rest| {
            let (dn, uid) = rest.rsplit_once("#'")?;
            bits(uid).then_some(dn)
        });
        Self::parse(dn.unwrap_or(text))
    }

    /// Returns the normal form. It is the same for all spellings, but a server need not accept it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this entry is `base` or below it.
    #[must_use]
    pub fn is_within(&self, base: &Self) -> bool {
        match self.0.strip_suffix(&*base.0) {
            Some(above) => above.is_empty() || base.0.is_empty() || above.ends_with(','),
            None => false,
        }
    }
}

/// Normalizes a DN of the most frequent form in one pass: ASCII without escapes, quotes and RDNs of
/// several attributes. Returns `None` for all others.
fn normalize_plain(text: &str) -> Option<String> {
    let mut normal = String::with_capacity(text.len());
    let mut is_value = false;
    // The length of the normal form at the start of a type or value, without blanks before it.
    let mut start = 0;
    for byte in text.bytes() {
        match byte {
            b',' if is_value => {
                end_of_value(&mut normal, start)?;
                normal.push(',');
                start = normal.len();
                is_value = false;
            }
            b'=' if !is_value => {
                while normal.ends_with(' ') {
                    normal.pop();
                }
                let kind = normal.get(start..)?;
                if !is_type(kind) {
                    return None;
                }
                normal.push('=');
                start = normal.len();
                is_value = true;
            }
            b' ' if normal.len() == start || normal.ends_with(' ') => {}
            b'#' if normal.len() == start => return None,
            b'\\' | b'"' | b'+' | b';' | b'<' | b'>' | b',' | 0..=0x1f | 0x7f.. => return None,
            _ => normal.push(char::from(byte.to_ascii_lowercase())),
        }
    }
    if !is_value {
        return None;
    }
    end_of_value(&mut normal, start)?;
    Some(normal)
}

/// Removes the blank at the end of a value, and returns `None` for an empty value.
fn end_of_value(normal: &mut String, start: usize) -> Option<()> {
    if normal.ends_with(' ') {
        normal.pop();
    }
    (normal.len() > start).then_some(())
}

/// Whether this is an attribute type: a name or an OID (RFC 4512 1.4).
fn is_type(text: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let oid = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    match text.as_bytes().first() {
        Some(first) if first.is_ascii_alphabetic() => text.bytes().all(name),
        Some(first) if first.is_ascii_digit() => text.bytes().all(oid) && !text.ends_with('.'),
        _ => false,
    }
}

struct Parser<'text> {
    text: &'text str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn take(&mut self, expected: &[char]) -> bool {
        let found = self.peek().is_some_and(|character| expected.contains(&character));
        if found {
            self.next();
        }
        found
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(' ') {
            self.at += 1;
        }
    }

    fn expected(&self, expected: &'static str) -> DnError {
        let position = self.text.get(..self.at).unwrap_or_default().chars().count() + 1;
        DnError { expected, position }
    }

    /// Parses `type=value` and returns its normal form.
    fn attribute(&mut self) -> Result<String, DnError> {
        self.skip_blanks();
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
            self.at += 1;
        }
        let mut kind = self.text.get(start..self.at).unwrap_or_default();
        // RFC 2253 4 permits the prefix `OID.`.
        if kind.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("oid.")) {
            kind = kind.get(4..).unwrap_or_default();
        }
        if !is_type(kind) {
            self.at = start;
            return Err(self.expected("an attribute type"));
        }
        let mut normal = kind.to_ascii_lowercase();
        self.skip_blanks();
        if !self.take(&['=']) {
            return Err(self.expected("'='"));
        }
        normal.push('=');
        self.skip_blanks();
        match self.peek() {
            Some('#') => self.hexadecimal_value(&mut normal)?,
            Some('"') => {
                self.next();
                let value = self.string(true)?;
                push_value(&value, &mut normal);
            }
            _ => {
                let value = self.string(false)?;
                push_value(&value, &mut normal);
            }
        }
        self.skip_blanks();
        match self.peek() {
            None | Some(',' | ';' | '+') => Ok(normal),
            Some(_) => Err(self.expected("a comma")),
        }
    }

    /// Parses a BER value in hexadecimal digits (RFC 4514 2.4), which is compared as such.
    fn hexadecimal_value(&mut self, normal: &mut String) -> Result<(), DnError> {
        self.next();
        normal.push('#');
        let start = self.at;
        while let Some(digit) = self.peek().filter(char::is_ascii_hexdigit) {
            normal.push(digit.to_ascii_lowercase());
            self.at += 1;
        }
        let digits = self.at - start;
        if digits == 0 || digits % 2 == 1 { Err(self.expected("hexadecimal digits")) } else { Ok(()) }
    }

    /// Parses the string of a value and decodes its escapes.
    fn string(&mut self, is_quoted: bool) -> Result<Vec<u8>, DnError> {
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                None if is_quoted => return Err(self.expected("'\"'")),
                None => break,
                Some('"') if is_quoted => {
                    self.next();
                    return Ok(bytes);
                }
                Some(',' | ';' | '+') if !is_quoted => break,
                Some('\\') => {
                    self.next();
                    self.escape(&mut bytes)?;
                }
                Some('"' | '<' | '>' | '\0') if !is_quoted => {
                    return Err(self.expected("an escaped character"));
                }
                Some(character) => {
                    self.next();
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        Ok(bytes)
    }

    /// Decodes the escape after a backslash: two hexadecimal digits, or one special character.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), DnError> {
        let pair =
            self.text.get(self.at..self.at + 2).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            self.at += 2;
            bytes.push(byte);
            return Ok(());
        }
        match self.peek() {
            Some(character @ (' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\')) => {
                self.next();
                bytes.push(character as u8);
                Ok(())
            }
            _ => Err(self.expected("two hexadecimal digits or a special character")),
        }
    }
}

/// Appends a decoded value in normal form: lower case, blanks at the ends removed and reduced to one
/// between words, special characters escaped, bytes that are not UTF-8 as hexadecimal escapes.
fn push_value(value: &[u8], normal: &mut String) {
    let start = normal.len();
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars().flat_map(char::to_lowercase) {
            match character {
                ' ' if normal.len() == start || normal.ends_with(' ') => {}
                ',' | '+' | ';' | '\\' | '"' | '<' | '>' => {
                    normal.push('\\');
                    normal.push(character);
                }
                '#' if normal.len() == start => normal.push_str("\\#"),
                control if control.is_ascii_control() => {
                    let _ = write!(normal, "\\{:02x}", u32::from(control));
                }
                other => normal.push(other),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(normal, "\\{byte:02x}");
        }
    }
    if normal.len() > start && normal.ends_with(' ') {
        normal.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(text: &str) -> String {
        DistinguishedName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).as_str().to_owned()
    }

    #[test]
    fn dn_examples_of_rfc_4514_are_read() {
        // RFC 4514 section 4.
        assert_eq!(normal("UID=jsmith,DC=example,DC=net"), "uid=jsmith,dc=example,dc=net");
        assert_eq!(
            normal("OU=Sales+CN=J.  Smith,DC=example,DC=net"),
            "cn=j. smith+ou=sales,dc=example,dc=net"
        );
        assert_eq!(
            normal(r#"CN=James \"Jim\" Smith\, III,DC=example,DC=net"#),
            r#"cn=james \"jim\" smith\, iii,dc=example,dc=net"#
        );
        assert_eq!(normal(r"CN=Before\0dAfter,DC=example,DC=net"), r"cn=before\0dafter,dc=example,dc=net");
        assert_eq!(normal("1.3.6.1.4.1.1466.0=#04024869"), "1.3.6.1.4.1.1466.0=#04024869");
        assert_eq!(normal(r"CN=Lu\C4\8Di\C4\87"), "cn=lučić");
        assert_eq!(normal(""), "");
    }

    #[test]
    fn dn_spellings_that_servers_return_are_equal() {
        for (configured, returned) in [
            (r"cn=Doe\, Jane,ou=People,dc=x", r"cn=Doe\2C Jane,ou=people,dc=x"),
            (r"cn=\#1,dc=x", r"cn=\231,dc=x"),
            (r#"cn="a,b",dc=x"#, r"cn=a\2Cb,dc=x"),
            (r"cn=J\C3\BCrgen,dc=x", "cn=jürgen,dc=x"),
            ("cn=JÜRGEN,dc=x", "cn=jürgen,dc=x"),
            ("uid=a+cn=b,dc=x", "cn=b+uid=a,dc=x"),
            ("cn=a , dc = x", "cn=a,dc=x"),
            ("cn=a   b,dc=x", "cn=a b,dc=x"),
            ("cn=a;dc=x", "cn=a,dc=x"),
            (r"cn=a\20,dc=x", "cn=a,dc=x"),
            (r"cn=\20a,dc=x", "cn=a,dc=x"),
            ("OID.2.5.4.3=a", "2.5.4.3=a"),
            ("cn=(a)*b,dc=x", r"cn=\28a\29\2ab,dc=x"),
        ] {
            assert_eq!(normal(configured), normal(returned), "{configured}");
        }
    }

    #[test]
    fn dn_of_another_entry_is_different() {
        for (one, other) in [
            ("cn=a,dc=x", "cn=a,dc=y"),
            (r"cn=a\,dc=x", "cn=a,dc=x"),
            (r"cn=a\+uid=b,dc=x", "cn=a+uid=b,dc=x"),
            ("cn=ab,dc=x", "cn=a b,dc=x"),
            ("cn=a,dc=x", "uid=a,dc=x"),
            (r"cn=\ff,dc=x", r"cn=\fe,dc=x"),
            (r"cn=\#04024869", "cn=#04024869"),
        ] {
            assert_ne!(normal(one), normal(other), "{one}");
        }
    }

    #[test]
    fn text_that_is_not_a_dn_is_rejected_with_its_position() {
        for (text, expected, position) in [
            ("admins", "'='", 7),
            ("cn=a,", "an attribute type", 6),
            (",cn=a", "an attribute type", 1),
            ("=a", "an attribute type", 1),
            ("c n=a", "'='", 3),
            (r"cn=a\", "two hexadecimal digits or a special character", 6),
            (r"cn=a\zz", "two hexadecimal digits or a special character", 6),
            ("cn=#xyz", "hexadecimal digits", 5),
            ("cn=#123", "hexadecimal digits", 8),
            ("cn=\"a", "'\"'", 6),
            ("cn=\"a\"b", "a comma", 7),
            ("cn=a<b", "an escaped character", 5),
        ] {
            assert_eq!(DistinguishedName::parse(text), Err(DnError { expected, position }), "{text}");
        }
    }

    #[test]
    fn dn_with_optional_uid_is_read_without_it() {
        let parse = |text| DistinguishedName::parse_name_and_optional_uid(text).unwrap();
        assert_eq!(parse("cn=a,dc=x#'0101'B").as_str(), "cn=a,dc=x");
        assert_eq!(parse("cn=a,dc=x#''B").as_str(), "cn=a,dc=x");
        assert_eq!(parse("cn=a,dc=x").as_str(), "cn=a,dc=x");
        assert_eq!(parse("cn=a#'12'B").as_str(), "cn=a#'12'b");
    }

    #[test]
    fn dn_is_within_its_base_only() {
        let dn = |text| DistinguishedName::parse(text).unwrap();
        assert!(dn("cn=a,ou=Groups,dc=x").is_within(&dn("ou=groups, dc=x")));
        assert!(dn("ou=groups,dc=x").is_within(&dn("ou=groups,dc=x")));
        assert!(dn("cn=a").is_within(&dn("")));
        assert!(!dn("cn=a,ou=mygroups,dc=x").is_within(&dn("groups=1,dc=x")));
        assert!(!dn("cn=aou=groups,dc=x").is_within(&dn("ou=groups,dc=x")));
    }

    proptest! {
        #[test]
        fn dn_of_plain_form_is_normalized_as_by_the_parser(text in r"[a-c]{1,2} ?= ?[A-Ba-b =.#]{1,6}(, ?[a-c]=[A-B ]{1,4}){0,2}") {
            if let Some(plain) = normalize_plain(&text) {
                let escaped = format!("{text},z=\\7a");
                prop_assert_eq!(format!("{plain},z=z"), normal(&escaped));
            }
        }

        #[test]
        fn dn_in_normal_form_has_itself_as_normal_form(value in any::<String>()) {
            let dn = format!("cn={},dc=x", escaped(&value));
            let once = normal(&dn);
            prop_assert_eq!(normal(&once), once);
        }
    }

    fn escaped(value: &str) -> String {
        value.bytes().map(|byte| format!("\\{byte:02x}")).collect()
    }
}
