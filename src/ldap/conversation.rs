//! Validation of messages from an LDAP server before the LDAP library parses them.
//!
//! The library parses messages of any length and depth, allocates memory for every element, and
//! panics on some messages that violate RFC 4511. This module checks the structure of each message
//! ([`super::message`]) and that it responds to an open request.

use super::ber::{self, Elements, Malformed};
use super::message::{
    BIND_REQUEST, BIND_RESPONSE, DONE, ENTRY, EXTENDED_RESPONSE, INTEGER, INTERMEDIATE, MESSAGE_ELEMENTS,
    MessageError, REFERENCE, SEARCH_REQUEST, disconnection, parse,
};

/// The action for a valid message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageAction {
    /// Forward the message to the library.
    Forward,
    /// Pass the message, a result of a search, on to the search.
    Deliver,
    /// Forward the message, which ends a search, to the library after all results were delivered.
    EndSearch,
    /// Drop the message, because the library does not use it.
    Drop,
}

/// The open requests by message ID. A response is accepted only if it matches an open request.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Message ID and operation tag of each request. The list is short, since the client sends one
    /// request at a time.
    open: Vec<(u32, u8)>,
    /// The incomplete message at the end of the sent bytes.
    partial: Vec<u8>,
}

impl Conversation {
    /// Records the requests in the bytes that the client sends.
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

    /// Checks a complete message, and replaces invalid UTF-8 in its strings, on which the library
    /// panics.
    ///
    /// # Errors
    /// [`MessageError`] if the message is malformed, too large, or not the response to an open
    /// request.
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
            (Some(BIND_REQUEST), BIND_RESPONSE) => (MessageAction::Forward, true),
            (Some(SEARCH_REQUEST), DONE) => (MessageAction::EndSearch, true),
            (Some(SEARCH_REQUEST), ENTRY | REFERENCE) => (MessageAction::Deliver, false),
            (Some(SEARCH_REQUEST), INTERMEDIATE) => (MessageAction::Drop, false),
            _ => return Err(MessageError::Malformed("a message does not belong to a request")),
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

/// Replaces invalid UTF-8 with question marks without changing the length.
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
    use super::super::message::{
        BOOLEAN, CONTROLS, ENUMERATED, MESSAGE_BYTES, OCTETS, REFERRAL, SEQUENCE, SET, STARTTLS, length,
        starttls_result,
    };
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
                let expected = match operation {
                    BIND_RESPONSE => MessageAction::Forward,
                    DONE => MessageAction::EndSearch,
                    _ => MessageAction::Deliver,
                };
                let action = check(message(id, operation, &fields, controls));
                assert_eq!(action, Ok(expected), "{operation:x}");
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
        assert_eq!(twice.check(&mut done), Ok(MessageAction::EndSearch));
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
    fn invalid_utf8_is_replaced() {
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
        /// The library parses every message that passes the check without a panic.
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
            let action = if length(&bytes) == Ok(Some(bytes.len())) { conversation().check(&mut bytes).ok() } else { None };
            if let Some(MessageAction::Forward | MessageAction::EndSearch) = action {
                let (_, tag) = ldap3::asn1::parse_tag(&bytes).unwrap();
                let operation = tag.expect_constructed().unwrap().swap_remove(1);
                drop(ldap3::LdapResult::from(ldap3::asn1::Tag::StructureTag(operation)));
            }
        }
    }
}
