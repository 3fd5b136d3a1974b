//! Structural validation of LDAP messages (RFC 4511 4.1.1): each message is compared with the
//! grammar of its operation, without recursion or allocation per element.

use super::ber::{self, Elements, Malformed};

/// Maximum size of a message in bytes. A typical user entry has a few hundred bytes, a group with
/// 100,000 members several million.
pub(super) const MESSAGE_BYTES: usize = 16 << 20;

/// Maximum number of elements in a message. The library allocates about 60 bytes for each.
pub(super) const MESSAGE_ELEMENTS: usize = 100_000;

/// Maximum number of bytes that a server may send on one connection.
pub(super) const STREAM_BYTES: u64 = 1 << 30;

/// Why a message is rejected before it reaches the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MessageError {
    /// The message violates RFC 4511.
    Malformed(&'static str),
    /// The message exceeds a limit.
    TooLarge(&'static str),
    /// The server sent a notice of disconnection (RFC 4511 4.4.1).
    Disconnection {
        /// The result code.
        code: u32,
        /// The diagnostic message of the server.
        text: String,
    },
}

// Tags in the order of the sections of RFC 4511.
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const CONTROLS: u8 = 0xa0;
pub(super) const REFERRAL: u8 = 0xa3;
pub(super) const BIND_REQUEST: u8 = 0x60;
pub(super) const BIND_RESPONSE: u8 = 0x61;
pub(super) const SEARCH_REQUEST: u8 = 0x63;
pub(super) const ENTRY: u8 = 0x64;
pub(super) const DONE: u8 = 0x65;
pub(super) const REFERENCE: u8 = 0x73;
pub(super) const EXTENDED_RESPONSE: u8 = 0x78;
pub(super) const INTERMEDIATE: u8 = 0x79;

/// Returns the length of the message at the start of the input; `None` if its header is incomplete.
///
/// # Errors
/// [`MessageError`] if the message is too long or is not an LDAP message.
pub(super) fn length(input: &[u8]) -> Result<Option<usize>, MessageError> {
    if input.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(MessageError::Malformed("it does not use the LDAP protocol"));
    }
    let header = ber::header(input)
        .map_err(|Malformed| MessageError::Malformed("a message does not conform to RFC 4511"))?;
    match header {
        Some(header) if header.end > MESSAGE_BYTES => {
            Err(MessageError::TooLarge("a message has more than 16 MiB"))
        }
        Some(header) => Ok(Some(header.end)),
        None => Ok(None),
    }
}

/// The StartTLS request (RFC 4511 4.14.1) with the message ID 1.
pub(super) const STARTTLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Returns the result code and the diagnostic message of the response to [`STARTTLS`].
///
/// # Errors
/// [`MessageError`] if the response is malformed.
pub(super) fn starttls_result(message: &mut [u8]) -> Result<(u32, String), MessageError> {
    let malformed =
        |Malformed| MessageError::Malformed("the response to StartTLS does not conform to RFC 4511");
    let parts = parse(message).map_err(malformed)?.parts;
    match (parts.id, parts.operation) {
        (1, EXTENDED_RESPONSE) => result(message, &parts).map_err(malformed),
        (0, EXTENDED_RESPONSE) => Err(disconnection(message, &parts)),
        _ => Err(malformed(Malformed)),
    }
}

/// The positions of the parts of a message.
pub(super) struct Parts {
    pub(super) id: u32,
    pub(super) operation: u8,
    /// The offset of the contents of the operation.
    from: usize,
    to: usize,
}

/// The validated structure of a message.
pub(super) struct ParsedMessage {
    pub(super) parts: Parts,
    /// The number of elements.
    pub(super) elements: usize,
    /// The ranges of the strings that the library expects to be UTF-8.
    pub(super) texts: Vec<(usize, usize)>,
}

/// Returns the error for a message with the ID 0, such as a notice of disconnection.
pub(super) fn disconnection(message: &[u8], parts: &Parts) -> MessageError {
    match result(message, parts) {
        Ok((code, text)) => MessageError::Disconnection { code, text },
        Err(Malformed) => MessageError::Malformed("a message has the ID 0"),
    }
}

/// Parses the result code and the diagnostic message of a result.
fn result(message: &[u8], parts: &Parts) -> Result<(u32, String), Malformed> {
    let mut fields = Elements::new(message.get(parts.from..parts.to).unwrap_or_default());
    let code = ber::number(fields.expect(ENUMERATED)?)?;
    fields.expect(OCTETS)?;
    Ok((code, String::from_utf8_lossy(fields.expect(OCTETS)?).into_owned()))
}

/// Validates a message against the grammar of its operation.
pub(super) fn parse(message: &[u8]) -> Result<ParsedMessage, Malformed> {
    let base = message.as_ptr() as usize;
    let place = |part: &[u8]| {
        let from = part.as_ptr() as usize - base;
        (from, from + part.len())
    };
    let mut outer = Elements::new(message);
    let mut fields = Elements::new(outer.expect(SEQUENCE)?);
    outer.end()?;
    let id = ber::number(fields.expect(INTEGER)?)?;
    let operation = fields.next()?.ok_or(Malformed)?;
    let mut texts = Vec::new();
    let mut elements = 3;
    match operation.tag {
        ENTRY => elements += entry(operation.contents)?,
        REFERENCE => elements += uris(operation.contents, &mut |uri| texts.push(place(uri)))?,
        BIND_RESPONSE | DONE | EXTENDED_RESPONSE => {
            elements += result_fields(operation.contents, &mut |text| texts.push(place(text)))?;
        }
        INTERMEDIATE => elements += plain_fields(Elements::new(operation.contents))?,
        _ => return Err(Malformed),
    }
    match fields.next()? {
        None => {}
        Some(controls_field) if controls_field.tag == CONTROLS => {
            elements += controls(controls_field.contents)?;
            fields.end()?;
        }
        // Active Directory puts the OID of the notice of disconnection here.
        Some(field) if id == 0 && field.tag == 0x8a => fields.end()?,
        Some(_) => return Err(Malformed),
    }
    let (from, to) = place(operation.contents);
    Ok(ParsedMessage { parts: Parts { id, operation: operation.tag, from, to }, elements, texts })
}

/// Validates a `SearchResultEntry` (RFC 4511 4.5.2) and returns the number of its elements.
fn entry(contents: &[u8]) -> Result<usize, Malformed> {
    let mut fields = Elements::new(contents);
    fields.expect(OCTETS)?;
    let mut attributes = Elements::new(fields.expect(SEQUENCE)?);
    fields.end()?;
    let mut elements = 2;
    while let Some(attribute) = attributes.next()? {
        if attribute.tag != SEQUENCE {
            return Err(Malformed);
        }
        let mut parts = Elements::new(attribute.contents);
        parts.expect(OCTETS)?;
        let mut values = Elements::new(parts.expect(SET)?);
        parts.end()?;
        elements += 3;
        while let Some(value) = values.next()? {
            if value.tag != OCTETS {
                return Err(Malformed);
            }
            elements += 1;
        }
    }
    Ok(elements)
}

/// Validates the URIs of a `SearchResultReference` or `Referral`; at least one is required.
fn uris(contents: &[u8], text: &mut dyn FnMut(&[u8])) -> Result<usize, Malformed> {
    let mut fields = Elements::new(contents);
    let mut elements = 0;
    while let Some(uri) = fields.next()? {
        if uri.tag != OCTETS {
            return Err(Malformed);
        }
        text(uri.contents);
        elements += 1;
        // Limits the number of recorded ranges.
        if elements > MESSAGE_ELEMENTS {
            return Ok(elements);
        }
    }
    if elements == 0 { Err(Malformed) } else { Ok(elements) }
}

/// Validates an `LDAPResult` (RFC 4511 4.1.9) and the additional fields of `BindResponse` and
/// `ExtendedResponse`.
fn result_fields(contents: &[u8], text: &mut dyn FnMut(&[u8])) -> Result<usize, Malformed> {
    let mut fields = Elements::new(contents);
    ber::number(fields.expect(ENUMERATED)?)?;
    text(fields.expect(OCTETS)?);
    text(fields.expect(OCTETS)?);
    let mut rest = fields;
    if let Some(field) = rest.next()?
        && field.tag == REFERRAL
    {
        let count = uris(field.contents, text)?;
        return Ok(4 + count + plain_fields(rest)?);
    }
    Ok(3 + plain_fields(fields)?)
}

/// Validates primitive fields with context-specific tags.
fn plain_fields(mut fields: Elements<'_>) -> Result<usize, Malformed> {
    let mut elements = 0;
    while let Some(field) = fields.next()? {
        // The library expects UTF-8 in `responseName`; an OID is ASCII.
        let is_text = !matches!(field.tag & 0x1f, 10) || field.contents.is_ascii();
        if field.tag & 0xe0 != 0x80 || !is_text || field.tag & 0x1f == 3 {
            return Err(Malformed);
        }
        elements += 1;
    }
    Ok(elements)
}

/// Validates `Controls` (RFC 4511 4.1.11).
fn controls(contents: &[u8]) -> Result<usize, Malformed> {
    let mut list = Elements::new(contents);
    let mut elements = 1;
    while let Some(control) = list.next()? {
        if control.tag != SEQUENCE {
            return Err(Malformed);
        }
        let mut fields = Elements::new(control.contents);
        if !fields.expect(OCTETS)?.is_ascii() {
            return Err(Malformed);
        }
        let mut next = fields.next()?;
        if let Some(field) = next
            && field.tag == BOOLEAN
        {
            if field.contents.len() != 1 {
                return Err(Malformed);
            }
            next = fields.next()?;
        }
        if next.is_some_and(|field| field.tag != OCTETS) {
            return Err(Malformed);
        }
        fields.end()?;
        elements += 4;
    }
    Ok(elements)
}
