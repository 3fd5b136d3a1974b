//! Base64 in the strict reading: one text for one content.
//!
//! The server decodes with Go's `base64.StdEncoding`, which passes over line ends anywhere and
//! takes spare bits at the end. Line ends are passed over here too; spare bits are refused, so
//! that no two texts are the same key (RFC 4648 3.5).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::error::{Base64Fault, KeyError};

/// Decodes standard base64 with padding, passing over line ends as the server does.
///
/// # Errors
/// [`KeyError::Base64`], which tells the place but nothing of the content.
pub fn decode_standard(text: &str, what: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let joined: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    let fault = |fault| KeyError::Base64 { what, fault };
    for (at, character) in text.chars().enumerate() {
        match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' | '=' | '\r' | '\n' => {}
            '-' | '_' => return Err(fault(Base64Fault::UrlAlphabet { at: at + 1 })),
            _ => return Err(fault(Base64Fault::Character { at: at + 1 })),
        }
    }
    STANDARD.decode(joined.as_bytes()).map(Zeroizing::new).map_err(|error| fault(reason(&error)))
}

/// Encodes in standard base64 with padding: the server's form.
#[must_use]
pub fn encode_standard(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

/// Decodes base64url without padding, as JWKs have it (RFC 7515 2).
///
/// # Errors
/// [`KeyError::Base64`].
pub fn decode_url(text: &str, what: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let fault = |fault| KeyError::Base64 { what, fault };
    for (at, character) in text.chars().enumerate() {
        match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' | '=' => {}
            '+' | '/' => return Err(fault(Base64Fault::StandardAlphabet { at: at + 1 })),
            _ => return Err(fault(Base64Fault::Character { at: at + 1 })),
        }
    }
    URL_SAFE_NO_PAD.decode(text.as_bytes()).map(Zeroizing::new).map_err(|error| fault(reason(&error)))
}

/// Encodes in base64url without padding.
#[must_use]
pub fn encode_url(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes))
}

const fn reason(error: &base64::DecodeError) -> Base64Fault {
    match error {
        base64::DecodeError::InvalidLastSymbol(..) => Base64Fault::SpareBits,
        _ => Base64Fault::Padding,
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
        assert_eq!(decoded("QR=="), refused(Base64Fault::SpareBits));
        assert_eq!(decoded("QQ"), refused(Base64Fault::Padding));
        assert_eq!(decoded("QQ==="), refused(Base64Fault::Padding));
        assert_eq!(decoded("QQ==QQ=="), refused(Base64Fault::Padding));
        assert_eq!(decoded(" QQ=="), refused(Base64Fault::Character { at: 1 }));
        assert_eq!(decoded("Q-=="), refused(Base64Fault::UrlAlphabet { at: 2 }));
        assert_eq!(decode_url("QQ", "key").map(|b| b.to_vec()), Ok(b"A".to_vec()));
        assert!(decode_url("QQ==", "key").is_err());
        assert!(decode_url("QR", "key").is_err());
    }
}
