//! The form of one message of an LDAP server (RFC 4511 4.1.1): measured, and compared with the one
//! form that its operation has, without recursion and without an allocation.

use super::ber::{self, Elements, Malformed};

/// The most bytes of one message. An entry of a user has some hundred; a group with 100,000
/// members some million.
pub(super) const MESSAGE_BYTES: usize = 16 << 20;

/// The most elements of one message: the library needs some 60 bytes for each.
pub(super) const MESSAGE_ELEMENTS: usize = 100_000;

/// The most bytes that a server may send on one connection.
pub(super) const STREAM_BYTES: u64 = 1 << 30;

/// Why a message is not given to the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MessageError {
    /// It does not conform to RFC 4511.
    Malformed(&'static str),
    /// It exceeds a limit.
    TooLarge(&'static str),
    /// The server announces the end of the connection (RFC 4511 4.4.1), and why.
    Disconnection {
        /// The result code.
        code: u32,
        /// The server's text.
        text: String,
    },
}

// Tags of RFC 4511 in the order of its sections.
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

/// The length of the message that begins here, once enough of it is there to know.
///
/// # Errors
/// [`MessageError`]: it is too long, or no LDAP message.
pub(super) fn length(input: &[u8]) -> Result<Option<usize>, MessageError> {
    if input.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(MessageError::Malformed("it does not speak LDAP"));
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

/// The StartTLS request (RFC 4511 4.14.1), with the message ID 1.
pub(super) const STARTTLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// The result code of the answer to [`STARTTLS`], and its text.
///
/// # Errors
/// [`MessageError`].
pub(super) fn starttls_result(message: &mut [u8]) -> Result<(u32, String), MessageError> {
    let malformed =
        |Malformed| MessageError::Malformed("the answer to StartTLS does not conform to RFC 4511");
    let parts = parse(message).map_err(malformed)?.parts;
    match (parts.id, parts.operation) {
        (1, EXTENDED_RESPONSE) => result(message, &parts).map_err(malformed),
        (0, EXTENDED_RESPONSE) => Err(disconnection(message, &parts)),
        _ => Err(malformed(Malformed)),
    }
}

/// Where the parts of a message are.
pub(super) struct Parts {
    pub(super) id: u32,
    pub(super) operation: u8,
    /// The contents of the operation.
    from: usize,
    to: usize,
}

/// The form of a message.
pub(super) struct ParsedMessage {
    pub(super) parts: Parts,
    /// How many elements it has.
    pub(super) elements: usize,
    /// Where texts are that the library expects to be UTF-8.
    pub(super) texts: Vec<(usize, usize)>,
}

/// The error of a message without an ID.
pub(super) fn disconnection(message: &[u8], parts: &Parts) -> MessageError {
    match result(message, parts) {
        Ok((code, text)) => MessageError::Disconnection { code, text },
        Err(Malformed) => MessageError::Malformed("a message has the ID 0"),
    }
}

/// The code and the text of a result.
fn result(message: &[u8], parts: &Parts) -> Result<(u32, String), Malformed> {
    let mut fields = Elements::new(message.get(parts.from..parts.to).unwrap_or_default());
    let code = ber::number(fields.expect(ENUMERATED)?)?;
    fields.expect(OCTETS)?;
    Ok((code, String::from_utf8_lossy(fields.expect(OCTETS)?).into_owned()))
}

/// Compares a message with the form of its operation.
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
        // Active Directory puts the OID of a notice of disconnection here.
        Some(field) if id == 0 && field.tag == 0x8a => fields.end()?,
        Some(_) => return Err(Malformed),
    }
    let (from, to) = place(operation.contents);
    Ok(ParsedMessage { parts: Parts { id, operation: operation.tag, from, to }, elements, texts })
}

/// `SearchResultEntry`, RFC 4511 4.5.2.
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

/// `SearchResultReference` and `Referral`: URIs, at least one.
fn uris(contents: &[u8], text: &mut dyn FnMut(&[u8])) -> Result<usize, Malformed> {
    let mut fields = Elements::new(contents);
    let mut elements = 0;
    while let Some(uri) = fields.next()? {
        if uri.tag != OCTETS {
            return Err(Malformed);
        }
        text(uri.contents);
        elements += 1;
        // Their places are noted one by one.
        if elements > MESSAGE_ELEMENTS {
            return Ok(elements);
        }
    }
    if elements == 0 { Err(Malformed) } else { Ok(elements) }
}

/// `LDAPResult`, RFC 4511 4.1.9, and what `BindResponse` and `ExtendedResponse` add to it.
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

/// Fields of the context's class without parts of their own.
fn plain_fields(mut fields: Elements<'_>) -> Result<usize, Malformed> {
    let mut elements = 0;
    while let Some(field) = fields.next()? {
        // `responseName` has to be a text for the library, and an OID is ASCII.
        let is_text = !matches!(field.tag & 0x1f, 10) || field.contents.is_ascii();
        if field.tag & 0xe0 != 0x80 || !is_text || field.tag & 0x1f == 3 {
            return Err(Malformed);
        }
        elements += 1;
    }
    Ok(elements)
}

/// `Controls`, RFC 4511 4.1.11.
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
