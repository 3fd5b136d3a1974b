//! OpenSSH keys: public keys on one line (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4) or in RFC 4716
//! format, private keys in PEM (OpenSSH's `PROTOCOL.key`).

use zeroize::Zeroizing;

use super::encoding::{decode_standard, encode_standard};
use super::error::KeyError;
use super::private::PrivateKey;
use super::public::{Curve, KeyStrength, PublicKey, without_leading_zeros};

/// The first line of a public key in RFC 4716 format (section 3.2).
const RFC_4716_BEGIN: &str = "---- BEGIN SSH2 PUBLIC KEY ----";

/// The first bytes of the content of a private key.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Returns whether a line looks like an OpenSSH public key.
#[must_use]
pub fn is_openssh(line: &str) -> bool {
    let name = line.split([' ', '\t']).next().unwrap_or_default();
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| name.starts_with(start))
}

/// Parses a line `ssh-ed25519 AAAA… comment`, or one of `ssh-rsa` or `ecdsa-sha2-nistp…`.
///
/// # Errors
/// [`KeyError::OpenSsh`], [`KeyError::UnknownKind`]; other variants for an invalid key.
pub fn read(line: &str, weak: KeyStrength) -> Result<PublicKey, KeyError> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default();
    if name.contains("-cert-") {
        return Err(KeyError::UnknownKind("an OpenSSH certificate".into()));
    }
    if name.starts_with("sk-") {
        return Err(KeyError::UnknownKind("an OpenSSH security key, whose signatures no token has".into()));
    }
    let base64 = words.next().ok_or(KeyError::OpenSsh("the base64 after its type is missing"))?;
    let blob = decode_standard(base64, "OpenSSH key")?;
    let mut rest = blob.as_slice();
    if field(&mut rest)? != name.as_bytes() {
        return Err(KeyError::OpenSsh("its two types differ"));
    }
    read_fields(name, rest, weak)
}

/// Returns whether a text is a public key in RFC 4716 format, which PuTTY and `ssh-keygen -e` write.
#[must_use]
pub fn is_rfc_4716(text: &str) -> bool {
    text.trim_start().starts_with(RFC_4716_BEGIN)
}

/// Parses a public key in RFC 4716 format.
///
/// # Errors
/// Same as [`read`].
pub fn read_rfc_4716(text: &str, weak: KeyStrength) -> Result<PublicKey, KeyError> {
    let mut base64 = String::new();
    let mut in_header = false;
    for line in text.trim_start().lines().skip(1).map(str::trim) {
        if line.starts_with("---- END") {
            let blob = decode_standard(&base64, "OpenSSH key")?;
            let mut rest = blob.as_slice();
            let name =
                std::str::from_utf8(field(&mut rest)?).map_err(|_| KeyError::OpenSsh("it has no type"))?;
            return read_fields(name, rest, weak);
        }
        // A backslash continues a header on the next line (RFC 4716 3.3).
        let is_header = in_header || line.contains(':');
        in_header = is_header && line.ends_with('\\');
        if !is_header {
            base64.push_str(line);
        }
    }
    Err(KeyError::OpenSsh("its END line is missing"))
}

/// Writes a public key as an OpenSSH line without a comment.
#[must_use]
pub fn write(key: &PublicKey) -> String {
    let mut blob = Vec::new();
    let name = match key {
        PublicKey::Ed25519(point) => {
            push(&mut blob, b"ssh-ed25519");
            push(&mut blob, point.as_bytes());
            "ssh-ed25519"
        }
        PublicKey::Ec { curve, point } => {
            let (name, short) = names(*curve);
            push(&mut blob, name.as_bytes());
            push(&mut blob, short.as_bytes());
            push(&mut blob, point);
            name
        }
        PublicKey::Rsa { modulus, exponent } => {
            push(&mut blob, b"ssh-rsa");
            push_number(&mut blob, exponent);
            push_number(&mut blob, modulus);
            "ssh-rsa"
        }
    };
    format!("{name} {}", *encode_standard(&blob))
}

const fn names(curve: Curve) -> (&'static str, &'static str) {
    match curve {
        Curve::P256 => ("ecdsa-sha2-nistp256", "nistp256"),
        Curve::P384 => ("ecdsa-sha2-nistp384", "nistp384"),
        Curve::P521 => ("ecdsa-sha2-nistp521", "nistp521"),
    }
}

fn push(blob: &mut Vec<u8>, bytes: &[u8]) {
    blob.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    blob.extend_from_slice(bytes);
}

/// Appends an `mpint` (RFC 4251 5): a zero octet precedes a number whose first bit is set.
fn push_number(blob: &mut Vec<u8>, number: &[u8]) {
    let mut octets = Vec::with_capacity(number.len() + 1);
    if number.first().is_some_and(|first| first & 0x80 != 0) {
        octets.push(0);
    }
    octets.extend_from_slice(number);
    push(blob, &octets);
}

/// Parses the content of a PEM block `OPENSSH PRIVATE KEY`: an unencrypted Ed25519 or EC key.
///
/// # Errors
/// [`KeyError::OpenSsh`]; [`KeyError::WrongType`] for an encrypted key and for RSA, whose format lacks
/// some numbers of PKCS#1; other variants for an invalid key.
pub fn read_private(content: &[u8]) -> Result<PrivateKey, KeyError> {
    let expected =
        |found: &'static str| KeyError::WrongType { found: found.into(), expected: "a private key" };
    let mut rest = content.strip_prefix(MAGIC).ok_or(KeyError::OpenSsh("it has another form"))?;
    let cipher = field(&mut rest)?;
    let (_kdf, _options) = (field(&mut rest)?, field(&mut rest)?);
    if cipher != b"none" {
        return Err(expected("an encrypted OpenSSH private key"));
    }
    if number(&mut rest)? != 1 {
        return Err(KeyError::OpenSsh("it contains more than one key"));
    }
    let _public = field(&mut rest)?;
    let mut inner = field(&mut rest)?;
    if !rest.is_empty() {
        return Err(KeyError::TrailingData("OpenSSH key"));
    }
    if number(&mut inner)? != number(&mut inner)? {
        return Err(KeyError::OpenSsh("its check numbers differ"));
    }
    let name = field(&mut inner)?;
    let key = match name {
        b"ssh-ed25519" => {
            let _public = field(&mut inner)?;
            PrivateKey::ed25519_from_pair(field(&mut inner)?)?
        }
        b"ssh-rsa" => return Err(expected("an OpenSSH private key of RSA")),
        other => {
            let curve = Curve::ALL.into_iter().find(|curve| names(*curve).0.as_bytes() == other);
            let curve = curve.ok_or(KeyError::UnknownKind("another OpenSSH type".into()))?;
            if field(&mut inner)? != names(curve).1.as_bytes() {
                return Err(KeyError::OpenSsh("its curve is not that of its type"));
            }
            let point = field(&mut inner)?;
            let scalar = without_leading_zeros(field(&mut inner)?);
            let missing = curve.bytes().checked_sub(scalar.len());
            let missing = missing.ok_or(KeyError::OpenSsh("its number is too long"))?;
            let padded = Zeroizing::new([&vec![0; missing], scalar].concat());
            PrivateKey::ec(curve, &padded)?.with_public_half(point)?
        }
    };
    let _comment = field(&mut inner)?;
    // The padding bytes are 1, 2, 3 and so on.
    let is_padding = inner.iter().zip(1_u8..).all(|(byte, count)| *byte == count);
    if is_padding && inner.len() < 256 { Ok(key) } else { Err(KeyError::TrailingData("OpenSSH key")) }
}

/// Parses the fields after the type of a public key.
fn read_fields(name: &str, mut rest: &[u8], weak: KeyStrength) -> Result<PublicKey, KeyError> {
    let key = match name {
        "ssh-ed25519" => PublicKey::ed25519(field(&mut rest)?)?,
        "ecdsa-sha2-nistp256" => point(Curve::P256, b"nistp256", &mut rest)?,
        "ecdsa-sha2-nistp384" => point(Curve::P384, b"nistp384", &mut rest)?,
        "ecdsa-sha2-nistp521" => point(Curve::P521, b"nistp521", &mut rest)?,
        "ssh-rsa" => {
            let exponent = field(&mut rest)?;
            PublicKey::rsa(field(&mut rest)?, exponent, weak)?
        }
        _ => return Err(KeyError::UnknownKind("another OpenSSH type".into())),
    };
    if rest.is_empty() { Ok(key) } else { Err(KeyError::TrailingData("OpenSSH key")) }
}

fn point(curve: Curve, name: &[u8], rest: &mut &[u8]) -> Result<PublicKey, KeyError> {
    if field(rest)? != name {
        return Err(KeyError::OpenSsh("its curve is not that of its type"));
    }
    PublicKey::ec(curve, field(rest)?)
}

/// Reads a `string` (RFC 4251 5): four bytes of length, then the content.
fn field<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], KeyError> {
    let length = number(rest)? as usize;
    let Some((bytes, after)) = rest.split_at_checked(length) else {
        return Err(KeyError::OpenSsh("it is truncated"));
    };
    *rest = after;
    Ok(bytes)
}

/// Reads a `uint32` (RFC 4251 5).
fn number(rest: &mut &[u8]) -> Result<u32, KeyError> {
    let Some((bytes, after)) = rest.split_first_chunk::<4>() else {
        return Err(KeyError::OpenSsh("it is truncated"));
    };
    *rest = after;
    Ok(u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::encoding::encode_standard;

    #[test]
    fn a_key_ends_where_its_fields_end() {
        // RFC 8032 7.1, test 1.
        let point = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend_from_slice(&decode_standard(point, "key").unwrap());
        let line = |blob: &[u8]| format!("ssh-ed25519 {} user@example", *encode_standard(blob));
        assert!(read(&line(&blob), KeyStrength::Enforce).is_ok());
        let short = read(&line(&blob[..blob.len() - 1]), KeyStrength::Enforce);
        assert_eq!(short, Err(KeyError::OpenSsh("it is truncated")));
        blob.push(0);
        assert_eq!(read(&line(&blob), KeyStrength::Enforce), Err(KeyError::TrailingData("OpenSSH key")));
    }
}
