//! An entry of a search result.

use std::borrow::Cow;

use super::ber::{Elements, Malformed};
use super::error::LdapError;
use super::message::{OCTETS, SEQUENCE, SET};
use super::snapshot::utf8_text;

/// An entry of a search result. It borrows from the message, so that a group with a million members is not
/// copied.
pub(super) struct Entry<'message> {
    pub(super) dn: Cow<'message, str>,
    attributes: Vec<(&'message [u8], Values<'message>)>,
}

/// The values of an attribute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'message>(Elements<'message>);

impl<'message> Iterator for Values<'message> {
    type Item = &'message [u8];

    fn next(&mut self) -> Option<Self::Item> {
        // The relay has checked the structure.
        self.0.next().ok().flatten().map(|value| value.contents)
    }
}

impl<'message> Entry<'message> {
    /// Reads the contents of a `SearchResultEntry`.
    ///
    /// # Errors
    /// [`LdapError::Malformed`].
    pub(super) fn of(contents: &'message [u8]) -> Result<Self, LdapError> {
        Self::read(contents)
            .map_err(|Malformed| LdapError::Malformed("an entry does not conform to RFC 4511 4.5.2"))
    }

    fn read(contents: &'message [u8]) -> Result<Self, Malformed> {
        let mut parts = Elements::new(contents);
        // The DN is only displayed, so invalid UTF-8 is replaced.
        let dn = String::from_utf8_lossy(parts.expect(OCTETS)?);
        let mut list = Elements::new(parts.expect(SEQUENCE)?);
        parts.end()?;
        let mut attributes = Vec::new();
        while let Some(attribute) = list.next()? {
            let mut parts = Elements::new(attribute.contents);
            attributes.push((parts.expect(OCTETS)?, Values(Elements::new(parts.expect(SET)?))));
            parts.end()?;
        }
        Ok(Self { dn, attributes })
    }

    /// Returns the values of an attribute. Attribute names are case-insensitive (RFC 4512 2.5), and
    /// a server may answer with a synonym or split the values over several attributes.
    pub(super) fn values<'entry>(&'entry self, attribute: &'entry str) -> impl Iterator<Item = &'entry [u8]> {
        let found = self.attributes.iter().filter(move |(name, _)| is_same_attribute(name, attribute));
        found.flat_map(|(_, values)| *values)
    }

    /// Returns the first value of an attribute that is UTF-8 text.
    pub(super) fn text<'entry>(&'entry self, attribute: &'entry str) -> Option<&'entry str> {
        self.values(attribute).find_map(utf8_text)
    }

    /// Returns the range of an attribute's values if the answer does not have all of them: Active
    /// Directory returns `member;range=0-1499` beside `member` without values.
    ///
    /// # Errors
    /// The option that is not a range.
    pub(super) fn range(&self, attribute: &str) -> Result<Option<ValueRange<'_>>, String> {
        for (name, values) in &self.attributes {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let Some((kind, option)) = name.split_once(';') else { continue };
            let prefix = option.get(..6).unwrap_or_default();
            if !is_same_attribute(kind.as_bytes(), attribute) || !prefix.eq_ignore_ascii_case("range=") {
                continue;
            }
            let bounds = option.get(6..).and_then(|range| range.split_once('-'));
            let parsed = bounds.and_then(|(first, last)| {
                let last = if last == "*" { None } else { Some(last.parse::<u32>().ok()?) };
                Some((first.parse::<u32>().ok()?, last))
            });
            let Some((first, last)) = parsed else { return Err(name.to_owned()) };
            return Ok(Some(ValueRange { first, last, values: *values }));
        }
        Ok(None)
    }

    /// Returns the attribute name in the server's spelling if it differs from the requested one.
    /// The ClusterCockpit server compares attribute names byte by byte.
    pub(super) fn returned_spelling(&self, attribute: &str) -> Option<&str> {
        if self.attributes.iter().any(|(name, _)| *name == attribute.as_bytes()) {
            return None;
        }
        let other = self.attributes.iter().find(|(name, _)| is_same_attribute(name, attribute))?;
        std::str::from_utf8(other.0).ok()
    }
}

/// A part of an attribute's values.
pub(super) struct ValueRange<'entry> {
    /// The position of the first value.
    pub(super) first: u32,
    /// The position of the last value; `None` if no value follows it.
    pub(super) last: Option<u32>,
    /// The values of this part.
    pub(super) values: Values<'entry>,
}

/// Attribute types with two names (RFC 4519).
const SYNONYMS: [(&str, &str); 4] =
    [("uid", "userid"), ("cn", "commonName"), ("sn", "surname"), ("mail", "rfc822Mailbox")];

fn is_same_attribute(seen: &[u8], expected: &str) -> bool {
    let is = |name: &str| seen.eq_ignore_ascii_case(name.as_bytes());
    is(expected)
        || SYNONYMS.iter().any(|(short, long)| {
            (expected.eq_ignore_ascii_case(short) && is(long))
                || (expected.eq_ignore_ascii_case(long) && is(short))
        })
}
