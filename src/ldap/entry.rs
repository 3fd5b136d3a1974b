//! An entry of a search result.

use ldap3::ResultEntry;
use ldap3::asn1::{PL, StructureTag};

use super::error::LdapError;
use super::snapshot::utf8_text;

/// An entry of a search result, parsed by this crate. The parser of the library panics on
/// unexpected input and copies every value.
pub(super) struct Entry {
    pub(super) dn: String,
    attributes: Vec<(Vec<u8>, Vec<StructureTag>)>,
}

impl Entry {
    pub(super) fn of(item: ResultEntry) -> Result<Self, LdapError> {
        let garbled = || LdapError::Malformed("an entry does not conform to RFC 4511 4.5.2");
        let parts = item.0.expect_constructed().ok_or_else(garbled)?;
        let [dn, attributes] = <[StructureTag; 2]>::try_from(parts).map_err(|_| garbled())?;
        let dn = dn.expect_primitive().ok_or_else(garbled)?;
        let attributes = attributes
            .expect_constructed()
            .ok_or_else(garbled)?
            .into_iter()
            .map(|attribute| {
                let parts = attribute.expect_constructed()?;
                let [name, values] = <[StructureTag; 2]>::try_from(parts).ok()?;
                Some((name.expect_primitive()?, values.expect_constructed()?))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(garbled)?;
        // The DN is only displayed, so invalid UTF-8 is replaced.
        let dn = String::from_utf8(dn)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(Self { dn, attributes })
    }

    /// Returns the values of an attribute. Attribute names are case-insensitive (RFC 4512 2.5), and
    /// a server may answer with a synonym or split the values over several attributes.
    pub(super) fn values<'entry>(&'entry self, attribute: &'entry str) -> impl Iterator<Item = &'entry [u8]> {
        let found = self.attributes.iter().filter(move |(name, _)| is_same_attribute(name, attribute));
        found.flat_map(|(_, values)| values).filter_map(|value| match &value.payload {
            PL::P(bytes) => Some(bytes.as_slice()),
            PL::C(_) => None,
        })
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
            return Ok(Some(ValueRange { first, last, values }));
        }
        Ok(None)
    }

    /// Returns the attribute name in the server's spelling if it differs from the requested one.
    /// The ClusterCockpit server compares attribute names byte by byte.
    pub(super) fn returned_spelling(&self, attribute: &str) -> Option<&str> {
        if self.attributes.iter().any(|(name, _)| name == attribute.as_bytes()) {
            return None;
        }
        let other = self.attributes.iter().find(|(name, _)| is_same_attribute(name, attribute))?;
        std::str::from_utf8(&other.0).ok()
    }
}

/// A part of an attribute's values.
pub(super) struct ValueRange<'entry> {
    /// The position of the first value.
    pub(super) first: u32,
    /// The position of the last value; `None` if no value follows it.
    pub(super) last: Option<u32>,
    values: &'entry [StructureTag],
}

impl<'entry> ValueRange<'entry> {
    /// Returns the values of this part.
    pub(super) fn values(&self) -> impl ExactSizeIterator<Item = &'entry [u8]> + use<'entry> {
        self.values.iter().map(|value| match &value.payload {
            PL::P(bytes) => bytes.as_slice(),
            PL::C(_) => &[],
        })
    }
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
