//! Inspection of a token, valid or not.
//!
//! The result includes the errors and warnings of the format. The signature is not verified.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::claims::Claims;
use super::error::{TokenError, TokenPart};
use super::json;
use super::jws::{Header, Unverified, is_truncated};
use crate::util::json::kind;
use crate::util::note::Warning;
use crate::util::quote::quote;

/// The content of a token without verification; all of it is untrusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The kind of token, by its format.
    pub form: TokenForm,
    /// The header, as far as it can be decoded.
    pub header: DecodedPart,
    /// The claims, as far as they can be decoded; those of an encrypted token cannot.
    pub claims: DecodedPart,
    /// The original text of the header and the claims, if they are JSON: numbers in a [`Value`] lose
    /// digits.
    pub written: [Option<String>; 2],
    /// The length of the signature in bytes, if it can be decoded.
    pub signature_bytes: Option<usize>,
    /// Warnings and errors of the format, in the order of the token.
    pub warnings: Vec<Warning>,
    /// The reason why every key rejects the token; `None` if the result depends on the key.
    pub refusal: Option<TokenError>,
    /// The header and the claims, if the strict parser accepts them.
    strict: Option<(Header, Claims)>,
}

/// The kind of a token, by its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// Three parts with a signature.
    Signed,
    /// An empty signature, or `none` as `alg`.
    Unsigned,
    /// Five parts: an encrypted token (RFC 7516).
    Encrypted,
    /// Another number of parts.
    Other(usize),
}

impl TokenForm {
    /// Returns the name in JSON reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Unsigned => "unsigned",
            Self::Encrypted => "encrypted",
            Self::Other(_) => "unknown",
        }
    }
}

/// A part of a token, as far as it can be decoded.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum DecodedPart {
    /// The part is missing.
    #[default]
    Missing,
    /// JSON.
    Json(Value),
    /// Text that is not JSON.
    Text(String),
    /// The number of bytes, if they are not text.
    Bytes(usize),
    /// The original text, if it is not base64.
    Raw(String),
}

impl DecodedPart {
    /// Returns the value, if the part is JSON.
    #[must_use]
    pub const fn json(&self) -> Option<&Value> {
        match self {
            Self::Json(value) => Some(value),
            _ => None,
        }
    }
}

impl Inspection {
    /// Returns the header and the claims, if the strict parser accepts the token. They are untrusted;
    /// use them only to report the result that a valid signature would have.
    #[must_use]
    pub const fn unproven(&self) -> Option<(&Header, &Claims)> {
        match &self.strict {
            Some((header, claims)) => Some((header, claims)),
            None => None,
        }
    }
}

/// Inspects a token without a key. [`super::bare`] removes common text around a token.
#[must_use]
pub fn inspect(text: &str) -> Inspection {
    let mut warnings = Vec::new();
    let parts: Vec<&str> = text.split('.').collect();
    let (strict, refusal) = match Unverified::parse(text) {
        Ok(token) => (Some((token.header, token.claims)), None),
        Err(error) => (None, Some(error)),
    };
    if text.len() > super::MAX_BYTES {
        add(&mut warnings, "too-long", TokenError::TooLong(text.len()).to_string());
    }
    let (header, written_header) = see(parts.first(), TokenPart::Header, &mut warnings);
    let form = form(&parts, &header);
    let truncated = matches!(refusal, Some(TokenError::Incomplete(_)));
    let ((claims, written_claims), signature_bytes) = if form == TokenForm::Encrypted {
        add(&mut warnings, "encrypted", "it is encrypted (JWE): its claims cannot be shown".to_owned());
        ((DecodedPart::Missing, None), None)
    } else {
        let claims = see(parts.get(1), TokenPart::Claims, &mut warnings);
        let signature = parts.get(2).and_then(|part| {
            let (bytes, spare) = decode(part, TokenPart::Signature, &mut warnings).ok()?;
            if spare && !truncated {
                add(&mut warnings, "base64", format!("the {} {OTHER_SPELLING}", TokenPart::Signature));
            }
            Some(bytes)
        });
        (claims, signature.map(|bytes| bytes.len()))
    };
    let algorithm = header.json().and_then(|header| header.get("alg")).and_then(Value::as_str);
    let short = signature_bytes.is_some_and(|length| is_truncated(length, algorithm.unwrap_or_default()));
    if let Some(error @ TokenError::Incomplete(_)) = &refusal {
        add(&mut warnings, "incomplete", error.to_string());
    } else if short {
        add(&mut warnings, "incomplete", TokenError::Incomplete(TokenPart::Signature).to_string());
    }
    if let TokenForm::Other(count) = form {
        add(&mut warnings, "parts", TokenError::Parts(count).to_string());
    }
    if let Some(Value::Object(members)) = header.json() {
        header_warnings(members, form, &mut warnings);
    }
    let written = [written_header, written_claims];
    Inspection { form, header, claims, written, signature_bytes, warnings, refusal, strict }
}

/// The warning about a part with nonzero unused bits.
const OTHER_SPELLING: &str = "has bits set that belong to no byte (another spelling of the same token)";

fn add(warnings: &mut Vec<Warning>, check: &'static str, message: String) {
    warnings.push(Warning::new(check, message));
}

fn form(parts: &[&str], header: &DecodedPart) -> TokenForm {
    let unsigned = || {
        header
            .json()
            .and_then(|header| header.get("alg"))
            .and_then(Value::as_str)
            .is_some_and(|alg| alg.trim().eq_ignore_ascii_case("none"))
    };
    match parts {
        [_, _, ""] => TokenForm::Unsigned,
        [_, _] | [_, _, _] if unsigned() => TokenForm::Unsigned,
        [_, _, _] => TokenForm::Signed,
        [_, _, _, _, _] if header.json().is_some_and(|header| header.get("enc").is_some()) => {
            TokenForm::Encrypted
        }
        _ => TokenForm::Other(parts.len()),
    }
}

/// Decodes a part as far as possible, and returns its text if it is JSON.
fn see(part: Option<&&str>, which: TokenPart, warnings: &mut Vec<Warning>) -> (DecodedPart, Option<String>) {
    let Some(part) = part.filter(|part| !part.is_empty()) else { return (DecodedPart::Missing, None) };
    let (bytes, spare) = match decode(part, which, warnings) {
        Ok(decoded) => decoded,
        Err(()) => return (DecodedPart::Raw((*part).to_owned()), None),
    };
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            add(warnings, "not-utf8", format!("the {which} is not UTF-8"));
            let length = error.as_bytes().len();
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let seen =
                if lossy.contains('{') { DecodedPart::Text(lossy) } else { DecodedPart::Bytes(length) };
            return (seen, None);
        }
    };
    let mut read = json::any(&text);
    if read.is_err()
        && let Some(replaced) = json::without_lone_surrogates(&text)
        && let Ok(value) = json::any(&replaced)
    {
        let problem = TokenError::Surrogate(which);
        add(warnings, "surrogate", format!("{problem}: rejected here, accepted by the server"));
        (text, read) = (replaced, Ok(value));
    }
    let seen = match read {
        Ok((value, doubles)) => {
            if spare {
                add(warnings, "base64", format!("the {which} {OTHER_SPELLING}"));
            }
            let written = doubles.is_empty().then(|| text.clone());
            for double in doubles {
                let shown = quote(&double.earlier.to_string());
                add(
                    warnings,
                    "duplicate-member",
                    format!(
                        "the {which} has {} twice, first as {shown}: readers disagree which one counts",
                        quote(&double.name)
                    ),
                );
            }
            if !value.is_object() {
                add(warnings, "not-object", format!("the {which} is {}, not an object", kind(&value)));
            }
            return (DecodedPart::Json(value), written);
        }
        Err(problem) => {
            let text_of = if text.starts_with("eyJ") && text.contains('.') {
                add(warnings, "nested", "it holds another token instead of claims".to_owned());
                text
            } else {
                add(warnings, "not-json", format!("the {which} is not JSON: {problem}"));
                text
            };
            DecodedPart::Text(text_of)
        }
    };
    (seen, None)
}

/// Decodes base64 with any alphabet, padding, white space and unused bits. Adds a warning about each
/// deviation.
fn decode(part: &str, which: TokenPart, warnings: &mut Vec<Warning>) -> Result<(Vec<u8>, bool), ()> {
    const LOOSE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let mut output = |what: &str| add(warnings, "base64", format!("the {which} {what}"));
    if part.contains('=') {
        output("has base64 padding ('=')");
    }
    if part.contains(['+', '/']) {
        output("is in the standard base64 alphabet ('+' and '/'), not base64url");
    }
    if part.contains(|c: char| c.is_ascii_whitespace()) {
        output("has white space in it");
    }
    let plain: String = part
        .chars()
        .filter(|c| !c.is_ascii_whitespace() && *c != '=')
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    match LOOSE.decode(&plain) {
        Ok(bytes) => {
            let spare = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&plain).is_err();
            Ok((bytes, spare))
        }
        Err(_) => {
            output("is not base64url");
            Err(())
        }
    }
}

fn header_warnings(members: &serde_json::Map<String, Value>, form: TokenForm, warnings: &mut Vec<Warning>) {
    match members.get("alg") {
        None => add(warnings, "algorithm", "the header does not have an algorithm".to_owned()),
        Some(Value::String(_)) => {}
        Some(other) => {
            add(warnings, "algorithm", format!("the header's 'alg' is {}, not a text", kind(other)))
        }
    }
    if form == TokenForm::Unsigned {
        add(warnings, "unsigned", "it is not signed: every client can write it".to_owned());
    }
    if let Some(critical) = members.get("crit") {
        let shown = quote(&critical.to_string());
        add(
            warnings,
            "critical",
            format!(
                "critical extensions {shown}: a program that does not support them must reject the token"
            ),
        );
    }
    for name in ["jwk", "jku", "x5c", "x5u"] {
        if members.contains_key(name) {
            add(
                warnings,
                "embedded-key",
                format!("it brings a key of its own ('{name}'): never trust that one"),
            );
        }
    }
    if members.contains_key("zip") && form != TokenForm::Encrypted {
        add(warnings, "compressed", "it has 'zip', which only encrypted tokens may have".to_owned());
    }
}
