//! The subset of the Basic Encoding Rules that LDAP uses (RFC 4511 5.1): definite lengths and
//! one-octet tags. The parser borrows from its input, does not recurse and copies nothing.

/// Maximum number of length octets. Four octets cover every message within the size limit; Active
/// Directory always sends four.
const LENGTH_OCTETS: usize = 4;

/// An element: its identifier octet and its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'input> {
    /// The identifier octet: class, form and number.
    pub(super) tag: u8,
    /// The contents.
    pub(super) contents: &'input [u8],
}

/// A decoded element header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BerHeader {
    /// The identifier octet.
    pub(super) tag: u8,
    /// The offset of the first content octet.
    pub(super) start: usize,
    /// The offset after the last content octet.
    pub(super) end: usize,
}

/// Error for input that is not BER as LDAP uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Parses the header of an element; returns `None` if the input is too short.
///
/// # Errors
/// [`Malformed`] for a multi-octet tag, an indefinite length, or more than four length octets.
pub(super) fn header(input: &[u8]) -> Result<Option<BerHeader>, Malformed> {
    let Some(tag) = input.first().copied() else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    let Some(first) = input.get(1).copied() else { return Ok(None) };
    if first < 0x80 {
        return Ok(Some(BerHeader { tag, start: 2, end: 2 + usize::from(first) }));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > LENGTH_OCTETS {
        return Err(Malformed);
    }
    let Some(octets) = input.get(2..2 + count) else { return Ok(None) };
    let length = octets.iter().fold(0_usize, |length, octet| (length << 8) | usize::from(*octet));
    let start = 2 + count;
    Ok(Some(BerHeader { tag, start, end: start.checked_add(length).ok_or(Malformed)? }))
}

/// Iterator over the elements in the contents of a constructed element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'input> {
    rest: &'input [u8],
}

impl<'input> Elements<'input> {
    pub(super) const fn new(contents: &'input [u8]) -> Self {
        Self { rest: contents }
    }

    /// Returns the next element, or `None` at the end.
    ///
    /// # Errors
    /// [`Malformed`] for an invalid element or one that exceeds the enclosing contents.
    pub(super) fn next(&mut self) -> Result<Option<Element<'input>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let header = header(self.rest)?.ok_or(Malformed)?;
        let contents = self.rest.get(header.start..header.end).ok_or(Malformed)?;
        self.rest = self.rest.get(header.end..).unwrap_or_default();
        Ok(Some(Element { tag: header.tag, contents }))
    }

    /// Returns the contents of the next element, which must have this tag.
    ///
    /// # Errors
    /// [`Malformed`] if there is no further element or it has another tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'input [u8], Malformed> {
        match self.next()? {
            Some(element) if element.tag == tag => Ok(element.contents),
            _ => Err(Malformed),
        }
    }

    /// Checks that no element follows.
    ///
    /// # Errors
    /// [`Malformed`] if an element follows.
    pub(super) const fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// Parses a non-negative integer of one to four octets.
///
/// # Errors
/// [`Malformed`] for a negative, empty or longer integer.
pub(super) fn number(contents: &[u8]) -> Result<u32, Malformed> {
    match contents {
        [first, ..] if contents.len() <= 4 && *first < 0x80 => {
            Ok(contents.iter().fold(0, |number, octet| (number << 8) | u32::from(*octet)))
        }
        // A leading zero octet is required before a set sign bit.
        [0, rest @ ..] if rest.len() == 4 => {
            Ok(rest.iter().fold(0, |number, octet| (number << 8) | u32::from(*octet)))
        }
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_of_every_length_form_is_read_and_of_other_forms_refused() {
        let read = |tag, start, end| Ok(Some(BerHeader { tag, start, end }));
        assert_eq!(header(&[0x30, 0x03, 1, 2, 3]), read(0x30, 2, 5));
        assert_eq!(header(&[0x04, 0x81, 0xc8]), read(0x04, 3, 203));
        assert_eq!(header(&[0x30, 0x84, 0, 0, 0, 5]), read(0x30, 6, 11), "as Active Directory writes it");
        for partial in [&[][..], &[0x30], &[0x30, 0x82], &[0x30, 0x82, 1]] {
            assert_eq!(header(partial), Ok(None), "{partial:?}");
        }
        for malformed in [&[0x3f, 0x01][..], &[0x30, 0x80], &[0x30, 0x85, 0, 0, 0, 0, 1], &[0x30, 0xff]] {
            assert_eq!(header(malformed), Err(Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn element_longer_than_its_surroundings_is_malformed() {
        let mut elements = Elements::new(&[0x04, 0x01, b'a', 0x04, 0x05, b'b']);
        assert_eq!(elements.expect(0x04), Ok(&b"a"[..]));
        assert_eq!(elements.next(), Err(Malformed));
    }

    #[test]
    fn number_is_read_up_to_32_bits_and_never_negative() {
        assert_eq!(number(&[0]), Ok(0));
        assert_eq!(number(&[0x7f, 0xff, 0xff, 0xff]), Ok(0x7fff_ffff));
        assert_eq!(number(&[0, 0xff, 0xff, 0xff, 0xff]), Ok(u32::MAX));
        for wrong in [&[][..], &[0x80], &[1, 0, 0, 0, 0]] {
            assert_eq!(number(wrong), Err(Malformed), "{wrong:?}");
        }
    }
}
