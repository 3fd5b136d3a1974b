//! The checks that every message of an LDAP server passes before the LDAP library parses it.
//!
//! The library parses a message of any length and depth, allocates for every element, and panics
//! on some messages that are not made as RFC 4511 says. Here a message is measured, and compared
//! with the one form that its operation has, without recursion and without an allocation.

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
    /// It is not made as RFC 4511 says.
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

/// What is to be done with a message that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageAction {
    /// The library gets it.
    Forward,
    /// The library has no use for it.
    Drop,
}

// Tags of RFC 4511 in the order of its sections.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const CONTROLS: u8 = 0xa0;
const REFERRAL: u8 = 0xa3;
const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const SEARCH_REQUEST: u8 = 0x63;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE: u8 = 0x79;

/// The requests that wait for an answer, by message ID: what the client sent decides what the
/// server may send.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Few at a time: the client sends one request after another.
    open: Vec<(u32, u8)>,
    /// What the client sent of a message that is not whole.
    partial: Vec<u8>,
}

impl Conversation {
    /// Notes what the client sends.
    pub(super) fn record_request(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(rest) = self.partial.get(from..)
            && let Ok(Some(header)) = ber::header(rest)
            && let Some(contents) = rest.get(header.start..header.end)
        {
            let mut parts = Elements::new(contents);
            if let Ok(id) = parts.expect(INTEGER).and_then(ber::number)
                && let Ok(Some(operation)) = parts.next()
                && matches!(operation.tag, BIND_REQUEST | SEARCH_REQUEST)
            {
                self.open.push((id, operation.tag));
            }
            from += header.end;
        }
        self.partial.drain(..from);
    }

    /// Whether a request waits for the rest of its answer.
    pub(super) const fn expects_more(&self) -> bool {
        !self.open.is_empty()
    }

    /// Checks one whole message, and replaces bytes of its texts that are no UTF-8, which the
    /// library panics on.
    ///
    /// # Errors
    /// [`MessageError`].
    pub(super) fn check(&mut self, message: &mut [u8]) -> Result<MessageAction, MessageError> {
        let shape = parse(message)
            .map_err(|Malformed| MessageError::Malformed("a message does not conform to RFC 4511"))?;
        if shape.elements > MESSAGE_ELEMENTS {
            return Err(MessageError::TooLarge("a message has more than 100,000 values"));
        }
        let parts = shape.parts;
        if parts.id == 0 {
            return match parts.operation {
                EXTENDED_RESPONSE => Err(disconnection(message, &parts)),
                _ => Err(MessageError::Malformed("a message has the ID 0")),
            };
        }
        let place = self.open.iter().position(|(id, _)| *id == parts.id);
        let request = place.and_then(|place| self.open.get(place)).map(|(_, request)| *request);
        let (verdict, is_last) = match (request, parts.operation) {
            (Some(BIND_REQUEST), BIND_RESPONSE) | (Some(SEARCH_REQUEST), DONE) => {
                (MessageAction::Forward, true)
            }
            (Some(SEARCH_REQUEST), ENTRY | REFERENCE) => (MessageAction::Forward, false),
            (Some(SEARCH_REQUEST), INTERMEDIATE) => (MessageAction::Drop, false),
            _ => return Err(MessageError::Malformed("a message answers no request")),
        };
        if let Some(place) = place.filter(|_| is_last) {
            self.open.swap_remove(place);
        }
        for (from, to) in shape.texts {
            replace_invalid(message.get_mut(from..to).unwrap_or_default());
        }
        Ok(verdict)
    }
}

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

/// The request that asks for TLS (RFC 4511 4.14.1), with the message ID 1.
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
struct Parts {
    id: u32,
    operation: u8,
    /// The contents of the operation.
    from: usize,
    to: usize,
}

struct ParsedMessage {
    parts: Parts,
    elements: usize,
    /// Where texts are that the library expects to be UTF-8.
    texts: Vec<(usize, usize)>,
}

fn disconnection(message: &[u8], parts: &Parts) -> MessageError {
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
fn parse(message: &[u8]) -> Result<ParsedMessage, Malformed> {
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

/// Writes question marks over what is no UTF-8, so that the length stays.
fn replace_invalid(mut text: &mut [u8]) {
    while let Err(error) = std::str::from_utf8(text) {
        let from = error.valid_up_to();
        let to = error.error_len().map_or(text.len(), |length| from + length);
        let (invalid, rest) = text.split_at_mut(to);
        if let Some(invalid) = invalid.get_mut(from..) {
            invalid.fill(b'?');
        }
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x84][..], &length, contents].concat()
    }

    fn message(id: u8, operation: u8, fields: &[Vec<u8>], controls: &[u8]) -> Vec<u8> {
        let operation = element(operation, &fields.concat());
        element(SEQUENCE, &[&[INTEGER, 1, id][..], &operation, controls].concat())
    }

    fn result_of(text: &[u8]) -> Vec<Vec<u8>> {
        vec![vec![ENUMERATED, 1, 49], element(OCTETS, b""), element(OCTETS, text)]
    }

    fn entry_of(value: &[u8]) -> Vec<Vec<u8>> {
        let values = element(SET, &element(OCTETS, value));
        let attribute = element(SEQUENCE, &[element(OCTETS, b"uid"), values].concat());
        vec![element(OCTETS, b"uid=a"), element(SEQUENCE, &attribute)]
    }

    fn conversation() -> Conversation {
        let mut conversation = Conversation::default();
        conversation.record_request(&message(1, BIND_REQUEST, &[], b""));
        conversation.record_request(&message(2, SEARCH_REQUEST, &[], b""));
        conversation
    }

    fn check(mut bytes: Vec<u8>) -> Result<MessageAction, MessageError> {
        assert_eq!(length(&bytes), Ok(Some(bytes.len())));
        conversation().check(&mut bytes)
    }

    #[test]
    fn message_that_answers_its_request_passes() {
        let page =
            element(CONTROLS, &element(SEQUENCE, &[element(OCTETS, b"1.2"), element(OCTETS, b"x")].concat()));
        for (id, operation, fields) in [
            (1, BIND_RESPONSE, result_of(b"data 52e")),
            (1, BIND_RESPONSE, [result_of(b""), vec![element(0x87, b"creds")]].concat()),
            (2, ENTRY, entry_of(b"\xff")),
            (2, REFERENCE, vec![element(OCTETS, b"ldap://x")]),
            (2, DONE, [result_of(b""), vec![element(REFERRAL, &element(OCTETS, b"ldap://x"))]].concat()),
        ] {
            for controls in [&b""[..], &page] {
                assert_eq!(
                    check(message(id, operation, &fields, controls)),
                    Ok(MessageAction::Forward),
                    "{operation:x}"
                );
            }
        }
        assert_eq!(check(message(2, INTERMEDIATE, &[element(0x80, b"1.2")], b"")), Ok(MessageAction::Drop));
    }

    #[test]
    fn message_that_answers_no_request_is_refused() {
        for (id, operation, fields) in [
            (1, DONE, result_of(b"")),
            (2, BIND_RESPONSE, result_of(b"")),
            (3, ENTRY, entry_of(b"a")),
            (1, ENTRY, entry_of(b"a")),
            (0, DONE, result_of(b"")),
            (1, EXTENDED_RESPONSE, result_of(b"")),
            (2, 0x6b, result_of(b"")),
        ] {
            let refused = check(message(id, operation, &fields, b""));
            assert!(matches!(refused, Err(MessageError::Malformed(_))), "{id} {operation:x}: {refused:?}");
        }
        let mut twice = conversation();
        let mut done = message(2, DONE, &result_of(b""), b"");
        assert_eq!(twice.check(&mut done), Ok(MessageAction::Forward));
        assert!(twice.check(&mut done).is_err(), "a search ends once");
    }

    #[test]
    fn message_of_another_form_is_refused() {
        let nested =
            (0..50_000).fold(Vec::new(), |inner, _| element(SEQUENCE, &inner[..inner.len().min(4000)]));
        for (operation, fields) in [
            (ENTRY, vec![]),
            (ENTRY, vec![element(OCTETS, b"a")]),
            (ENTRY, vec![element(OCTETS, b"a"), element(SET, b"")]),
            (ENTRY, vec![element(OCTETS, b"a"), nested]),
            (ENTRY, [entry_of(b"a"), entry_of(b"b")].concat()),
            (DONE, vec![]),
            (DONE, vec![vec![ENUMERATED, 0], element(OCTETS, b""), element(OCTETS, b"")]),
            (DONE, vec![element(INTEGER, b"\0"), element(OCTETS, b""), element(OCTETS, b"")]),
            (DONE, [result_of(b""), vec![element(0xaa, b"")]].concat()),
            (DONE, [result_of(b""), vec![element(0x83, b"")]].concat()),
            (DONE, [result_of(b""), vec![element(REFERRAL, b"")]].concat()),
            (REFERENCE, vec![]),
            (REFERENCE, vec![element(INTEGER, b"\0")]),
        ] {
            let refused = check(message(2, operation, &fields, b""));
            assert!(matches!(refused, Err(MessageError::Malformed(_))), "{operation:x}: {refused:?}");
        }
        for controls in [&b"\xa0\x01\x30"[..], b"\xa0\x02\x30\0", b"\x80\0", b"\xa0\x05\x30\x03\x01\x01\x01"]
        {
            let refused = check(message(2, DONE, &result_of(b""), controls));
            assert!(matches!(refused, Err(MessageError::Malformed(_))), "{controls:?}: {refused:?}");
        }
    }

    #[test]
    fn message_over_a_limit_is_refused_before_it_is_whole() {
        let claimed = u32::try_from(MESSAGE_BYTES).unwrap().to_be_bytes();
        let refused = length(&[&[SEQUENCE, 0x84][..], &claimed].concat());
        assert!(matches!(refused, Err(MessageError::TooLarge(_))), "{refused:?}");
        let values = [OCTETS, 0].repeat(MESSAGE_ELEMENTS);
        let attribute = element(SEQUENCE, &[element(OCTETS, b"uid"), element(SET, &values)].concat());
        let refused = check(message(2, ENTRY, &[element(OCTETS, b"a"), element(SEQUENCE, &attribute)], b""));
        assert!(matches!(refused, Err(MessageError::TooLarge(_))), "{refused:?}");
        let uris = [OCTETS, 0].repeat(MESSAGE_ELEMENTS + 5);
        let refused = check(message(2, REFERENCE, &[uris], b""));
        assert!(matches!(refused, Err(MessageError::TooLarge(_))), "{refused:?}");
    }

    #[test]
    fn notice_of_disconnection_gives_the_servers_reason() {
        let expected = Err(MessageError::Disconnection { code: 49, text: "going down".to_owned() });
        assert_eq!(check(message(0, EXTENDED_RESPONSE, &result_of(b"going down"), b"")), expected);
        let as_active_directory = element(0x8a, b"1.3.6.1.4.1.1466.20036");
        assert_eq!(
            check(message(0, EXTENDED_RESPONSE, &result_of(b"going down"), &as_active_directory)),
            expected
        );
    }

    #[test]
    fn text_that_is_no_utf8_is_replaced() {
        let mut bytes = message(1, BIND_RESPONSE, &result_of(b"gesperrt f\xfcr \xc3\xbc\xe2\x82"), b"");
        let before = bytes.len();
        conversation().check(&mut bytes).unwrap();
        assert_eq!(bytes.len(), before);
        assert!(bytes.ends_with("gesperrt f?r \u{fc}??".as_bytes()));
    }

    #[test]
    fn starttls_request_is_the_one_of_rfc_4511_and_its_answer_is_read() {
        assert_eq!(length(STARTTLS), Ok(Some(STARTTLS.len())));
        let mut answer = message(1, EXTENDED_RESPONSE, &result_of(b"no"), b"");
        assert_eq!(starttls_result(&mut answer), Ok((49, "no".to_owned())));
        for mut wrong in [
            message(2, EXTENDED_RESPONSE, &result_of(b""), b""),
            message(1, BIND_RESPONSE, &result_of(b""), b""),
            message(1, EXTENDED_RESPONSE, &[], b""),
            message(1, EXTENDED_RESPONSE, &[element(ENUMERATED, b"\0"), element(SEQUENCE, b"")], b""),
        ] {
            let refused = starttls_result(&mut wrong);
            assert!(matches!(refused, Err(MessageError::Malformed(_))), "{refused:?}");
        }
    }

    proptest! {
        /// Whatever passes, the library reads without a panic.
        #[test]
        fn message_that_passes_is_read_by_the_library(
            id in 1_u8..4,
            operation in proptest::sample::select(vec![BIND_RESPONSE, ENTRY, DONE, REFERENCE, EXTENDED_RESPONSE]),
            text in proptest::collection::vec(any::<u8>(), 0..20),
            at in any::<proptest::sample::Index>(),
            flip in any::<u8>(),
        ) {
            let fields = match operation {
                ENTRY => entry_of(&text),
                REFERENCE => vec![element(OCTETS, &text)],
                _ => [result_of(&text), vec![element(REFERRAL, &element(OCTETS, &text))]].concat(),
            };
            let page = element(CONTROLS, &element(SEQUENCE, &[element(OCTETS, b"1.2"), element(BOOLEAN, b"\xff")].concat()));
            let mut bytes = message(id, operation, &fields, &page);
            let place = at.index(bytes.len());
            bytes[place] ^= flip;
            if length(&bytes) == Ok(Some(bytes.len())) && conversation().check(&mut bytes) == Ok(MessageAction::Forward) {
                let (_, tag) = ldap3::asn1::parse_tag(&bytes).unwrap();
                let operation = tag.expect_constructed().unwrap().swap_remove(1);
                match operation.id {
                    // This crate has a reader of its own for entries.
                    4 => {}
                    19 => drop(ldap3::parse_refs(operation)),
                    _ => drop(ldap3::LdapResult::from(ldap3::asn1::Tag::StructureTag(operation))),
                }
            }
        }
    }
}
