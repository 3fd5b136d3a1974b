//! Parsers for key files in all supported formats.

use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::certificate::Certificate;
use super::der::{
    Restricted, kind_of, read_pkcs1_public, read_restricted_pkcs8, read_restricted_spki, read_sec1,
};
use super::error::{KeyError, PemLines};
use super::jwk::{Jwk, note_repairs};
use super::pem::{Block, blocks, lost_lines, shown, unescaped};
use super::private::PrivateKey;
use super::public::{KeyStrength, PublicKey, with_article};
use super::set::KeySet;
use super::signing::SigningKey;
use super::verifying::{VerifyingKey, server_base64};
use super::{nkey, openssh};
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::secret::SecretText;

/// The format of a public key in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEncoding {
    /// PEM `PUBLIC KEY`.
    Spki,
    /// PEM `RSA PUBLIC KEY`.
    Pkcs1,
    /// PEM `CERTIFICATE`.
    Certificate,
    /// An OpenSSH line.
    OpenSsh,
    /// RFC 4716 format.
    Rfc4716,
    /// A JWK.
    Jwk,
    /// A JWKS with one usable key.
    JwkSet,
    /// The server's base64.
    ServerBase64,
    /// The 32 bytes in hexadecimal.
    Hex,
    /// A NATS nkey.
    Nkey,
}

impl KeyEncoding {
    /// Returns the name for messages and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spki => "SPKI PEM",
            Self::Pkcs1 => "PKCS#1 PEM",
            Self::Certificate => "X.509 certificate",
            Self::OpenSsh => "OpenSSH",
            Self::Rfc4716 => "RFC 4716",
            Self::Jwk => "JWK",
            Self::JwkSet => "JWK set",
            Self::ServerBase64 => "base64",
            Self::Hex => "hexadecimal",
            Self::Nkey => "nkey",
        }
    }
}

/// A public key that was read from a file.
#[derive(Debug, Clone)]
pub struct ParsedKey {
    /// The key, with the key ID and algorithms that its format specifies.
    pub key: VerifyingKey,
    /// The format of the file.
    pub form: KeyEncoding,
    /// The certificate that contains the key; the caller checks its validity period.
    pub certificate: Option<Certificate>,
}

impl ParsedKey {
    /// Returns the public key. A [`ParsedKey`] never contains an HMAC secret.
    #[must_use]
    pub const fn public(&self) -> Option<&PublicKey> {
        self.key.public_key()
    }
}

fn parsed(key: PublicKey, form: KeyEncoding) -> ParsedKey {
    ParsedKey { key: VerifyingKey::public(key), form, certificate: None }
}

const EXPECTED_PUBLIC: &str = "a public key";
const EXPECTED_PRIVATE: &str = "a private key";

/// Parses a public key: PEM (SPKI, PKCS#1, certificate), JWK, a JWKS with one usable key, an OpenSSH
/// line, an nkey, hexadecimal or the server's base64.
///
/// The first complete PEM block wins, as in the server's own tool; the notes list the others.
///
/// # Errors
/// Returns a [`KeyError`] if the format is not supported or the key is invalid.
pub fn read_public(bytes: &[u8], weak: KeyStrength, notes: &mut Notes) -> Result<ParsedKey, KeyError> {
    let text = text_of(bytes, true)?;
    if has_block(&text) {
        return public_in_pem(&with_line_ends(&text, notes), weak, notes);
    }
    let content = text.trim();
    if content.is_empty() {
        return Err(KeyError::Empty("input"));
    }
    if openssh::is_rfc_4716(content) {
        return Ok(parsed(openssh::read_rfc_4716(content, weak)?, KeyEncoding::Rfc4716));
    }
    if is_putty(content) {
        return Err(KeyError::WrongType { found: "a PuTTY private key".into(), expected: EXPECTED_PUBLIC });
    }
    if content.starts_with(['{', '[']) {
        return public_in_json(content, weak, notes);
    }
    let mut lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next().unwrap_or_default();
    if openssh::is_openssh(first) {
        if lines.next().is_some() {
            notes.note("more lines follow the first key and are not read");
        }
        return Ok(parsed(openssh::read(first, weak)?, KeyEncoding::OpenSsh));
    }
    if nkey::is_nkey(content) {
        return Ok(parsed(nkey::read_public(content)?.0, KeyEncoding::Nkey));
    }
    // No key has 48 bytes, the length if these digits were base64.
    if content.len() == 64 && content.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(content.as_bytes()).unwrap_or_default();
        return Ok(parsed(PublicKey::ed25519(&bytes)?, KeyEncoding::Hex));
    }
    if !looks_like_base64(content) {
        return Err(KeyError::NoPem("text"));
    }
    if content.starts_with("MC") && content.len() >= 60 || content.len() > 128 {
        return Err(KeyError::NoPem(
            "base64 that is longer than a key, perhaps PEM without its first and last line",
        ));
    }
    Ok(parsed(server_base64(content)?, KeyEncoding::ServerBase64))
}

/// Parses the single PEM block of a text, SPKI or a certificate, as the servers of login roles parse
/// `jwt_validation_pubkeys`.
///
/// Text before the block is ignored. PKCS#1, formats other than PEM, and any text after the block
/// except white space are rejected.
///
/// # Errors
/// Same as [`read_public`].
pub fn read_one_block(text: &str, weak: KeyStrength) -> Result<ParsedKey, KeyError> {
    const EXPECTED: &str = "one PEM block PUBLIC KEY or CERTIFICATE; another key is an entry of its own";
    let expected = |found| KeyError::WrongType { found, expected: EXPECTED };
    if !has_block(text) {
        return Err(KeyError::NoPem("text"));
    }
    let count = blocks(text).len();
    if count > 1 {
        return Err(expected(PrintableText::concat([count.into(), " PEM blocks".into()])));
    }
    let found = public_in_pem(text, weak, &mut Notes::new())?;
    if found.form == KeyEncoding::Pkcs1 {
        return Err(expected("an RSA key in PKCS#1".into()));
    }
    let after = text.rsplit_once("-----END ").and_then(|(_, end)| end.split_once("-----"));
    match after {
        Some((_, rest)) if rest.trim().is_empty() => Ok(found),
        _ => Err(KeyError::TrailingData("PEM block")),
    }
}

/// Parses a private key or HMAC secret: PEM (PKCS#8, PKCS#1, SEC 1), JWK, an nkey seed, or the server's
/// base64 of 64 bytes.
///
/// # Errors
/// Returns a [`KeyError`] if the format is not supported or the key is invalid.
pub fn read_signing(bytes: &[u8], weak: KeyStrength, notes: &mut Notes) -> Result<SigningKey, KeyError> {
    let text = text_of(bytes, false)?;
    if has_block(&text) {
        return private_in_pem(&with_line_ends(&text, notes), notes).and_then(signing);
    }
    let content = text.trim();
    if content.is_empty() {
        return Err(KeyError::Empty("input"));
    }
    if content.starts_with('{') {
        return private_in_json(content, weak, notes);
    }
    if is_putty(content) {
        return Err(KeyError::WrongType { found: "a PuTTY private key".into(), expected: EXPECTED_PRIVATE });
    }
    if nkey::is_nkey(content) {
        return SigningKey::private(nkey::read_seed(content)?.0);
    }
    if openssh::is_openssh(content) {
        return Err(KeyError::WrongType {
            found: "an OpenSSH public key".into(),
            expected: EXPECTED_PRIVATE,
        });
    }
    if !looks_like_base64(content) {
        return Err(KeyError::NoPem("text"));
    }
    SigningKey::from_server_base64(&SecretText::new(content.to_owned()))
}

fn signing(read: Restricted<PrivateKey>) -> Result<SigningKey, KeyError> {
    let key = SigningKey::private(read.key)?;
    Ok(match read.algorithms {
        Some(algorithms) => key.restrict(&algorithms),
        None => key,
    })
}

/// Replaces each `\n` escape in the text with a line break.
fn with_line_ends(text: &str, notes: &mut Notes) -> Zeroizing<String> {
    match unescaped(text) {
        Some(lines) => {
            notes.note("the line ends of the PEM block are written as \\n");
            lines
        }
        None => Zeroizing::new(text.to_owned()),
    }
}

fn is_putty(text: &str) -> bool {
    text.starts_with("PuTTY-User-Key-File-")
}

/// Converts the content of a file to text without a byte order mark. Bytes around a PEM block may be
/// arbitrary; binary DER is detected.
fn text_of(bytes: &[u8], public: bool) -> Result<Zeroizing<String>, KeyError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.first() == Some(&0x30) && std::str::from_utf8(bytes).is_err() {
        return Err(KeyError::Binary { kind: kind_of(bytes), public });
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(KeyError::NoPem("UTF-16 text"));
    }
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    if text.contains('\u{fffd}') && !has_block(&text) || text.contains('\0') {
        return Err(KeyError::NoPem("binary data"));
    }
    Ok(text)
}

fn has_block(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

fn looks_like_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\r\n".contains(&byte))
}

/// Returns the first complete block. Adds notes about malformed blocks before it and about later
/// blocks.
fn first_block(text: &str, skip: &[&str], notes: &mut Notes) -> Result<Block, KeyError> {
    let mut first_fault = None;
    let mut all = blocks(text).into_iter();
    while let Some(next) = all.next() {
        match next {
            Ok(block) if skip.contains(&block.label.as_str()) => {}
            Ok(block) => {
                if let Some(fault) = first_fault {
                    notes.warn("pem-block-skipped", format!("{fault}; the next block is used"));
                }
                let more = all.count();
                if more > 0 {
                    let label = shown(&block.label);
                    notes.note(format!("the first PEM block {label} is used; {more} more are not read"));
                }
                return Ok(block);
            }
            Err(fault) => {
                first_fault.get_or_insert(fault);
            }
        }
    }
    if let Some(lines) = lost_lines(text) {
        return Err(KeyError::PemLines(lines));
    }
    Err(first_fault.unwrap_or(KeyError::PemLines(PemLines::BeginNotAlone)))
}

fn public_in_pem(text: &str, weak: KeyStrength, notes: &mut Notes) -> Result<ParsedKey, KeyError> {
    let block = first_block(text, &[], notes)?;
    match block.label.as_str() {
        "PUBLIC KEY" => {
            let Restricted { key, algorithms } = read_restricted_spki(&block.content, weak)?;
            Ok(ParsedKey {
                key: restricted(key, algorithms.as_deref()),
                form: KeyEncoding::Spki,
                certificate: None,
            })
        }
        "RSA PUBLIC KEY" => Ok(parsed(read_pkcs1_public(&block.content, weak)?, KeyEncoding::Pkcs1)),
        "CERTIFICATE" | "X509 CERTIFICATE" => {
            let certificate = Certificate::from_der(&block.content, weak)?;
            let key = restricted(certificate.key.clone(), certificate.algorithms.as_deref());
            Ok(ParsedKey { key, form: KeyEncoding::Certificate, certificate: Some(certificate) })
        }
        _ => Err(KeyError::WrongType { found: what_is(&block), expected: EXPECTED_PUBLIC }),
    }
}

fn restricted(key: PublicKey, algorithms: Option<&[Algorithm]>) -> VerifyingKey {
    let key = VerifyingKey::public(key);
    match algorithms {
        Some(algorithms) => key.restrict(algorithms),
        None => key,
    }
}

fn private_in_pem(text: &str, notes: &mut Notes) -> Result<Restricted<PrivateKey>, KeyError> {
    // `openssl ecparam -genkey` writes the curve parameters before the key.
    let block = first_block(text, &["EC PARAMETERS"], notes)?;
    if block.encrypted {
        return Err(KeyError::Encrypted);
    }
    let plain = |key| Restricted { key, algorithms: None };
    match block.label.as_str() {
        "PRIVATE KEY" => read_restricted_pkcs8(&block.content),
        "EC PRIVATE KEY" => read_sec1(&block.content).map(plain),
        "RSA PRIVATE KEY" => PrivateKey::rsa_from_pkcs1(&block.content).map(plain),
        "OPENSSH PRIVATE KEY" => openssh::read_private(&block.content).map(plain),
        "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted),
        _ => Err(KeyError::WrongType { found: what_is(&block), expected: EXPECTED_PRIVATE }),
    }
}

/// Describes a block of another kind.
fn what_is(block: &Block) -> PrintableText {
    let text: &'static str = match block.label.as_str() {
        _ if block.encrypted => "an encrypted private key",
        "PRIVATE KEY" => {
            return match read_restricted_pkcs8(&block.content) {
                Ok(read) => {
                    PrintableText::concat([with_article(read.key.kind()).into(), " private key".into()])
                }
                Err(KeyError::UnknownKind(kind)) => PrintableText::concat(["a private key of ".into(), kind]),
                Err(_) => "a private key".into(),
            };
        }
        "EC PRIVATE KEY" => "an EC private key",
        "RSA PRIVATE KEY" => "an RSA private key",
        "DSA PRIVATE KEY" => "a DSA private key",
        "ENCRYPTED PRIVATE KEY" => "an encrypted private key",
        "OPENSSH PRIVATE KEY" => "an OpenSSH private key",
        "SSH2 PUBLIC KEY" => "a public key in the form of RFC 4716",
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => "a certificate request",
        "PUBLIC KEY" | "RSA PUBLIC KEY" => EXPECTED_PUBLIC,
        "CERTIFICATE" | "X509 CERTIFICATE" => "a certificate",
        other => return PrintableText::concat(["a PEM block ".into(), shown(other)]),
    };
    text.into()
}

/// Parses a private key or HMAC secret from a JWK, or from a JWKS with one such key (`gen-keypair -f
/// jwks`).
fn private_in_json(text: &str, weak: KeyStrength, notes: &mut Notes) -> Result<SigningKey, KeyError> {
    let mut repairs = Vec::new();
    let jwk = Jwk::parse(text)?;
    let key = if jwk.is_set() {
        let keys = super::set::private_keys(text)?;
        match keys.as_slice() {
            [only] => only.signing_key_with(weak, &mut repairs)?,
            other => return Err(KeyError::JwkSetCount { found: other.len() }),
        }
    } else {
        jwk.signing_key_with(weak, &mut repairs)?
    };
    note_repairs("the JWK", &repairs, notes);
    Ok(key)
}

fn public_in_json(text: &str, weak: KeyStrength, notes: &mut Notes) -> Result<ParsedKey, KeyError> {
    let jwk = Jwk::parse(text)?;
    if !jwk.is_set() {
        let mut repairs = Vec::new();
        let key = jwk.verifying_key_with(weak, &mut repairs)?;
        note_repairs("the JWK", &repairs, notes);
        return Ok(ParsedKey { key, form: KeyEncoding::Jwk, certificate: None });
    }
    let set = KeySet::from_json(text, weak, notes)?;
    match set.keys() {
        [key] => Ok(ParsedKey { key: key.clone(), form: KeyEncoding::JwkSet, certificate: None }),
        other => Err(KeyError::JwkSetCount { found: other.len() }),
    }
}

impl SigningKey {
    /// Parses an unencrypted private key from PEM: PKCS#8, PKCS#1 or SEC 1.
    ///
    /// # Errors
    /// Same as [`read_signing`].
    pub fn from_pem(text: &SecretText, notes: &mut Notes) -> Result<Self, KeyError> {
        private_in_pem(&with_line_ends(text.expose(), notes), notes).and_then(signing)
    }

    /// Parses a private key or HMAC secret from a JWK.
    ///
    /// # Errors
    /// Same as [`Jwk::signing_key`].
    pub fn from_jwk(text: &SecretText, weak: KeyStrength) -> Result<Self, KeyError> {
        Jwk::parse(text.expose())?.signing_key(weak)
    }
}

impl VerifyingKey {
    /// Parses a public key from PEM: SPKI, PKCS#1 or a certificate. The certificate's validity is not
    /// checked.
    ///
    /// # Errors
    /// Same as [`read_public`].
    pub fn from_pem(text: &str, weak: KeyStrength, notes: &mut Notes) -> Result<Self, KeyError> {
        public_in_pem(text, weak, notes).map(|found| found.key)
    }

    /// Parses a public key from a JWK.
    ///
    /// # Errors
    /// Same as [`Jwk::verifying_key`].
    pub fn from_jwk(text: &str, weak: KeyStrength) -> Result<Self, KeyError> {
        Jwk::parse(text)?.verifying_key(weak)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pem;
    use super::*;

    #[test]
    fn private_key_where_a_public_key_is_expected_is_named_by_its_kind() {
        for (label, kind) in [
            ("EC PRIVATE KEY", "an EC private key"),
            ("RSA PRIVATE KEY", "an RSA private key"),
            ("DSA PRIVATE KEY", "a DSA private key"),
            ("ENCRYPTED PRIVATE KEY", "an encrypted private key"),
            ("OPENSSH PRIVATE KEY", "an OpenSSH private key"),
            ("PRIVATE KEY", "a private key"),
        ] {
            let text = pem::write(label, &[1, 2, 3]);
            let error = read_public(text.as_bytes(), KeyStrength::Enforce, &mut Notes::new()).err();
            let Some(KeyError::WrongType { found, .. }) = &error else { panic!("{label}: {error:?}") };
            assert_eq!(found.as_str(), kind, "{label}");
        }
    }
}
