//! Strict base64: each content has exactly one encoding.
//!
//! The server decodes with Go's `base64.StdEncoding`, which ignores line breaks anywhere and accepts
//! nonzero unused bits at the end. This module also ignores line breaks, but rejects nonzero unused
//! bits, so that a key has only one encoding (RFC 4648 3.5).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::error::{Base64Error, KeyContext, KeyError};

/// Decodes standard base64 with padding. Line breaks are ignored, as in the server.
///
/// # Errors
/// [`KeyError::Base64`], which contains the position but not the content.
pub fn decode_standard(text: &str, what: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let joined: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    let fault = |fault| KeyError::Base64 { what, fault };
    for (at, character) in text.chars().enumerate() {
        match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' | '=' | '\r' | '\n' => {}
            '-' | '_' => return Err(fault(Base64Error::UrlAlphabet { at: at + 1 })),
            _ => return Err(fault(Base64Error::Character { at: at + 1 })),
        }
    }
    STANDARD.decode(joined.as_bytes()).map(Zeroizing::new).map_err(|error| fault(reason(&error)))
}

/// Decodes the base64 value of an environment variable.
///
/// Same as [`decode_standard`], but the error describes common mistakes, such as quotes around the
/// value.
///
/// # Errors
/// [`KeyError::Context`] for a recognized mistake, otherwise [`KeyError::Base64`].
pub fn decode_variable(text: &str, what: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    decode_standard(text, what).map_err(|error| match surroundings(text) {
        Some(fault) => KeyError::Context { what, fault },
        None => error,
    })
}

/// Detects why a text that may contain a key is not base64.
fn surroundings(text: &str) -> Option<KeyContext> {
    let trimmed = text.trim();
    let name = trimmed.split_once('=').map(|(name, value)| (name, value.trim_end_matches('=')));
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.contains('_')
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    Some(if text.contains("-----BEGIN") {
        KeyContext::Pem
    } else if name.is_some_and(|(name, value)| is_name(name) && !value.is_empty()) {
        KeyContext::Assignment
    } else if trimmed.starts_with(['"', '\'', '\u{201c}', '\u{2018}']) || trimmed.ends_with(['"', '\'']) {
        KeyContext::Quotes
    } else if trimmed.starts_with('{') {
        KeyContext::Jwk
    } else if trimmed.contains("$(") || trimmed.contains("${") || trimmed.contains('`') {
        KeyContext::Shell
    } else if text.contains("\\n") || trimmed.contains('\n') {
        KeyContext::Lines
    } else if text.contains(char::is_whitespace) || text.contains('\u{feff}') {
        KeyContext::Blanks
    } else {
        return None;
    })
}

/// A deviation of a JWK member from RFC 7518 that does not make its content ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base64Deviation {
    /// `=` padding at the end.
    Padding,
    /// `+` or `/` of the standard alphabet.
    StandardAlphabet,
}

/// Decodes base64url as [`decode_url`] does, and also accepts padding and the standard alphabet.
///
/// # Errors
/// [`KeyError::Base64`].
pub fn decode_any_url(
    text: &str,
    what: &'static str,
) -> Result<(Zeroizing<Vec<u8>>, Vec<Base64Deviation>), KeyError> {
    let bare = text.trim_end_matches('=');
    let mut spellings = Vec::new();
    // More than two padding characters are invalid.
    if bare.len() < text.len() && text.len() - bare.len() <= 2 {
        spellings.push(Base64Deviation::Padding);
    }
    if bare.contains(['+', '/']) && !bare.contains(['-', '_']) {
        spellings.push(Base64Deviation::StandardAlphabet);
    }
    if spellings.is_empty() {
        return Ok((decode_url(text, what)?, spellings));
    }
    let plain: Zeroizing<String> = Zeroizing::new(
        bare.chars()
            .map(|c| match c {
                '+' => '-',
                '/' => '_',
                other => other,
            })
            .collect(),
    );
    Ok((decode_url(&plain, what)?, spellings))
}

/// Decodes standard base64 exactly as the server does, including nonzero unused bits.
///
/// This predicts whether a server starts with a value. Do not use the result as a key.
///
/// # Errors
/// [`KeyError::Base64`].
pub fn decode_as_server(text: &str, what: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
    match decode_variable(text, what) {
        Err(KeyError::Base64 { fault: Base64Error::SpareBits, .. }) => {}
        decided => return decided,
    }
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let joined: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    GeneralPurpose::new(&base64::alphabet::STANDARD, config)
        .decode(joined.as_bytes())
        .map(Zeroizing::new)
        .map_err(|error| KeyError::Base64 { what, fault: reason(&error) })
}

/// Encodes in standard base64 with padding, the server's format.
#[must_use]
pub fn encode_standard(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

/// Decodes base64url without padding, the encoding of JWKs (RFC 7515 2).
///
/// # Errors
/// [`KeyError::Base64`].
pub fn decode_url(text: &str, what: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let fault = |fault| KeyError::Base64 { what, fault };
    for (at, character) in text.chars().enumerate() {
        match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' | '=' => {}
            '+' | '/' => return Err(fault(Base64Error::StandardAlphabet { at: at + 1 })),
            _ => return Err(fault(Base64Error::Character { at: at + 1 })),
        }
    }
    URL_SAFE_NO_PAD.decode(text.as_bytes()).map(Zeroizing::new).map_err(|error| fault(reason(&error)))
}

/// Encodes in base64url without padding.
#[must_use]
pub fn encode_url(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes))
}

const fn reason(error: &base64::DecodeError) -> Base64Error {
    match error {
        base64::DecodeError::InvalidLastSymbol(..) => Base64Error::SpareBits,
        _ => Base64Error::Padding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_content_has_one_text() {
        let decoded = |text| decode_standard(text, "key").map(|bytes| bytes.to_vec());
        let refused = |fault| Err(KeyError::Base64 { what: "key", fault });
        assert_eq!(decoded("QQ=="), Ok(b"A".to_vec()));
        assert_eq!(decoded("Q\r\nQ=\n="), Ok(b"A".to_vec()), "the server passes over line ends");
        assert_eq!(decoded("QR=="), refused(Base64Error::SpareBits));
        assert_eq!(decoded("QQ"), refused(Base64Error::Padding));
        assert_eq!(decoded("QQ==="), refused(Base64Error::Padding));
        assert_eq!(decoded("QQ==QQ=="), refused(Base64Error::Padding));
        assert_eq!(decoded(" QQ=="), refused(Base64Error::Character { at: 1 }));
        assert_eq!(decoded("Q-=="), refused(Base64Error::UrlAlphabet { at: 2 }));
        assert_eq!(decode_url("QQ", "key").map(|b| b.to_vec()), Ok(b"A".to_vec()));
        assert!(decode_url("QQ==", "key").is_err());
        assert!(decode_url("QR", "key").is_err());
    }

    #[test]
    fn character_outside_base64url_is_rejected_with_its_position() {
        for (text, fault) in [
            ("+A", Base64Error::StandardAlphabet { at: 1 }),
            ("QQA/", Base64Error::StandardAlphabet { at: 4 }),
            (" QQ", Base64Error::Character { at: 1 }),
            ("QQ Q", Base64Error::Character { at: 3 }),
        ] {
            let error = decode_url(text, "key").map(|bytes| bytes.to_vec());
            assert_eq!(error, Err(KeyError::Base64 { what: "key", fault }), "{text}");
        }
    }

    #[test]
    fn other_spellings_of_base64url_have_the_same_content_and_are_named() {
        let read = |text| decode_any_url(text, "x").map(|(bytes, spellings)| (bytes.to_vec(), spellings));
        assert_eq!(read("-_8"), Ok((vec![0xfb, 0xff], vec![])));
        assert_eq!(read("-_8="), Ok((vec![0xfb, 0xff], vec![Base64Deviation::Padding])));
        assert_eq!(read("+/8"), Ok((vec![0xfb, 0xff], vec![Base64Deviation::StandardAlphabet])));
        assert_eq!(read("+/8=").map(|(_, spellings)| spellings.len()), Ok(2));
        for wrong in ["+_8", "-_8===", "-_9=", "-_8=x", "-_8 "] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_surrounds_a_key_in_a_variable_is_named() {
        let key = "kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=";
        let fault = |text: &str| match decode_variable(text, "public key") {
            Err(KeyError::Context { fault, .. }) => Some(fault),
            _ => None,
        };
        for (text, expected) in [
            (format!("\"{key}\""), KeyContext::Quotes),
            (format!("'{key}'"), KeyContext::Quotes),
            (format!("{key} "), KeyContext::Blanks),
            (format!("{} {}", &key[..20], &key[20..]), KeyContext::Blanks),
            (format!("{}\\n{}", &key[..20], &key[20..]), KeyContext::Lines),
            (format!("JWT_PUBLIC_KEY={key}"), KeyContext::Assignment),
            ("-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----".to_owned(), KeyContext::Pem),
            ("$(cat key.pem)".to_owned(), KeyContext::Shell),
            ("{\"kty\":\"OKP\"}".to_owned(), KeyContext::Jwk),
        ] {
            assert_eq!(fault(&text), Some(expected), "{text}");
        }
        assert_eq!(fault("%%%"), None);
        assert!(decode_variable(key, "public key").is_ok());
    }
}
