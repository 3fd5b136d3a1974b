//! Public keys as OpenSSH writes them (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4).

use super::encoding::decode_standard;
use super::error::KeyError;
use super::public::{Curve, PublicKey, WeakKeys};

/// Whether a line looks like a public key of OpenSSH.
#[must_use]
pub fn is_openssh(line: &str) -> bool {
    let name = line.split([' ', '\t']).next().unwrap_or_default();
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| name.starts_with(start))
}

/// Reads a line `ssh-ed25519 AAAA… comment`; also `ssh-rsa` and `ecdsa-sha2-nistp…`.
///
/// # Errors
/// [`KeyError::OpenSsh`], [`KeyError::UnknownKind`], and what is wrong with the key.
pub fn read(line: &str, weak: WeakKeys) -> Result<PublicKey, KeyError> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default();
    if name.contains("-cert-") {
        return Err(KeyError::UnknownKind("an OpenSSH certificate".to_owned()));
    }
    if name.starts_with("sk-") {
        return Err(KeyError::UnknownKind(
            "an OpenSSH security key, whose signatures no token has".to_owned(),
        ));
    }
    let base64 = words.next().ok_or(KeyError::OpenSsh("the base64 after its type is missing"))?;
    let blob = decode_standard(base64, "OpenSSH key")?;
    let mut rest = blob.as_slice();
    if field(&mut rest)? != name.as_bytes() {
        return Err(KeyError::OpenSsh("its two types differ"));
    }
    let key = match name {
        "ssh-ed25519" => PublicKey::ed25519(field(&mut rest)?)?,
        "ecdsa-sha2-nistp256" => point(Curve::P256, b"nistp256", &mut rest)?,
        "ecdsa-sha2-nistp384" => point(Curve::P384, b"nistp384", &mut rest)?,
        "ecdsa-sha2-nistp521" => point(Curve::P521, b"nistp521", &mut rest)?,
        "ssh-rsa" => {
            let exponent = field(&mut rest)?;
            PublicKey::rsa(field(&mut rest)?, exponent, weak)?
        }
        other => {
            let shown = crate::base::quote::quote(other);
            return Err(KeyError::UnknownKind(format!("the OpenSSH type {shown}")));
        }
    };
    if rest.is_empty() { Ok(key) } else { Err(KeyError::TrailingData("OpenSSH key")) }
}

fn point(curve: Curve, name: &[u8], rest: &mut &[u8]) -> Result<PublicKey, KeyError> {
    if field(rest)? != name {
        return Err(KeyError::OpenSsh("its curve is not that of its type"));
    }
    PublicKey::ec(curve, field(rest)?)
}

/// A `string` of RFC 4251 5: four bytes of length, then that many bytes.
fn field<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], KeyError> {
    let short = KeyError::OpenSsh("it is cut short");
    let Some((length, after)) = rest.split_first_chunk::<4>() else { return Err(short) };
    let length = u32::from_be_bytes(*length) as usize;
    let Some((bytes, after)) = after.split_at_checked(length) else { return Err(short) };
    *rest = after;
    Ok(bytes)
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
        let line = |blob: &[u8]| format!("ssh-ed25519 {} somebody@example", *encode_standard(blob));
        assert!(read(&line(&blob), WeakKeys::Refuse).is_ok());
        let short = read(&line(&blob[..blob.len() - 1]), WeakKeys::Refuse);
        assert_eq!(short, Err(KeyError::OpenSsh("it is cut short")));
        blob.push(0);
        assert_eq!(read(&line(&blob), WeakKeys::Refuse), Err(KeyError::TrailingData("OpenSSH key")));
    }
}
