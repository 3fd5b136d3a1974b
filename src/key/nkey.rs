//! NATS nkeys: base32 of a prefix, an Ed25519 key and a CRC-16.
//!
//! The prefix determines the first letter, which is the role of the key. The server's key pair can log
//! in to NATS as an nkey.

use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::private::PrivateKey;
use super::public::PublicKey;

/// The role of an nkey: the first letter of its public form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NkeyRole {
    /// `U`: a user. The default.
    #[default]
    User,
    /// `A`: an account.
    Account,
    /// `O`: an operator.
    Operator,
    /// `N`: a server.
    Server,
    /// `C`: a cluster.
    Cluster,
}

/// The prefix of a private key, `S`; the following bits are the role.
const SEED: u8 = 18 << 3;

impl NkeyRole {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::User, Self::Account, Self::Operator, Self::Server, Self::Cluster];

    /// Returns the name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Account => "account",
            Self::Operator => "operator",
            Self::Server => "server",
            Self::Cluster => "cluster",
        }
    }

    const fn prefix(self) -> u8 {
        match self {
            Self::User => 20 << 3,
            Self::Account => 0,
            Self::Operator => 14 << 3,
            Self::Server => 13 << 3,
            Self::Cluster => 2 << 3,
        }
    }
}

impl FromStr for NkeyRole {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or(KeyError::Nkey("its role is none of user, account, operator, server, cluster"))
    }
}

/// Returns whether a text looks like an nkey: upper-case base32 of the right length.
#[must_use]
pub fn is_nkey(text: &str) -> bool {
    matches!(text.len(), 56 | 58)
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte))
}

/// Writes a public key as an nkey.
///
/// # Errors
/// [`KeyError::WrongType`] for a key that is not Ed25519.
pub fn write_public(key: &PublicKey, role: NkeyRole) -> Result<String, KeyError> {
    let mut bytes = vec![role.prefix()];
    bytes.extend_from_slice(key.ed25519_bytes()?);
    bytes.extend_from_slice(&crc16(&bytes).to_le_bytes());
    Ok(BASE32_NOPAD.encode(&bytes))
}

/// Writes a private key as an nkey seed.
///
/// # Errors
/// [`KeyError::UnsupportedFormat`] for a key that is not Ed25519.
pub fn write_seed(key: &PrivateKey, role: NkeyRole) -> Result<Zeroizing<String>, KeyError> {
    let PrivateKey::Ed25519(key) = key else {
        return Err(KeyError::UnsupportedFormat { kind: key.kind(), form: "an nkey" });
    };
    let prefix = role.prefix();
    let mut bytes = Zeroizing::new(vec![SEED | (prefix >> 5), (prefix & 31) << 3]);
    bytes.extend_from_slice(key.as_bytes());
    let sum = crc16(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    Ok(Zeroizing::new(BASE32_NOPAD.encode(&bytes)))
}

/// Parses a public nkey and its role.
///
/// # Errors
/// [`KeyError::Nkey`]; [`KeyError::WrongType`] for a seed; other variants for an invalid key.
pub fn read_public(text: &str) -> Result<(PublicKey, NkeyRole), KeyError> {
    if text.starts_with('S') {
        return Err(KeyError::WrongType {
            found: "the seed of an nkey, a private key".into(),
            expected: "a public key",
        });
    }
    let bytes = checked(text)?;
    let (prefix, key) = bytes.split_first().ok_or(KeyError::Nkey("it is empty"))?;
    let role = NkeyRole::ALL.into_iter().find(|role| role.prefix() == *prefix);
    let role = role.ok_or(KeyError::Nkey("its first letter is none of U, A, O, N, C"))?;
    Ok((PublicKey::ed25519(key)?, role))
}

/// Parses an nkey seed and its role.
///
/// # Errors
/// [`KeyError::Nkey`], [`KeyError::WrongType`] for a public nkey.
pub fn read_seed(text: &str) -> Result<(PrivateKey, NkeyRole), KeyError> {
    let bytes = checked(text)?;
    let Some(([first, second], seed)) = bytes.split_first_chunk::<2>() else {
        return Err(KeyError::Nkey("it is too short"));
    };
    if first & 0xf8 != SEED {
        return Err(KeyError::WrongType { found: "a public nkey".into(), expected: "a seed (S…)" });
    }
    let prefix = ((first & 7) << 5) | (second >> 3);
    let role = NkeyRole::ALL.into_iter().find(|role| role.prefix() == prefix && second & 7 == 0);
    let role = role.ok_or(KeyError::Nkey("its second letter is none of U, A, O, N, C"))?;
    Ok((PrivateKey::ed25519_from_seed(seed)?, role))
}

fn checked(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bytes = BASE32_NOPAD.decode(text.as_bytes());
    let mut bytes = Zeroizing::new(bytes.map_err(|_| KeyError::Nkey("it is not base32"))?);
    let Some((content, sum)) = bytes.split_last_chunk::<2>() else {
        return Err(KeyError::Nkey("it is too short"));
    };
    if crc16(content).to_le_bytes() != *sum {
        return Err(KeyError::Nkey("its checksum is wrong, so a letter was mistyped or lost"));
    }
    let length = content.len();
    bytes.truncate(length);
    Ok(bytes)
}

/// Computes the CRC-16/XMODEM checksum: polynomial 0x1021, initial value 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_16_xmodem() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the check value of the CRC catalog");
    }

    #[test]
    fn nkey_first_letter_is_its_role() {
        let key = PrivateKey::generate(crate::key::Algorithm::EdDsa).unwrap();
        for (role, letter) in NkeyRole::ALL.into_iter().zip(['U', 'A', 'O', 'N', 'C']) {
            let public = write_public(&key.public(), role).unwrap();
            let seed = write_seed(&key, role).unwrap();
            assert!(public.starts_with(letter) && is_nkey(&public));
            assert!(seed.starts_with(&format!("S{letter}")) && is_nkey(&seed));
            assert_eq!(read_public(&public).unwrap(), (key.public(), role));
            let (read, its) = read_seed(&seed).unwrap();
            assert_eq!((read.public(), its), (key.public(), role));
            assert!(matches!(read_public(&seed), Err(KeyError::WrongType { .. })));
            assert!(matches!(read_seed(&public), Err(KeyError::WrongType { .. })));
        }
    }

    #[test]
    fn a_mistyped_letter_is_noticed() {
        let key = PrivateKey::generate(crate::key::Algorithm::EdDsa).unwrap();
        let good = write_public(&key.public(), NkeyRole::User).unwrap();
        for at in 1..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            assert!(matches!(read_public(std::str::from_utf8(&bad).unwrap()), Err(KeyError::Nkey(_))));
        }
    }
}
