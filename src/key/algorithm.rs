//! Signature algorithms by their names in RFC 7518, RFC 8037 and RFC 9864.

use std::fmt;
use std::str::FromStr;

use crate::util::printable::PrintableText;

/// A signature algorithm of JSON Web Signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are the names of RFC 7518 3.1 and RFC 8037 3.1")]
pub enum Algorithm {
    EdDsa,
    Es256,
    Es384,
    Es512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Hs256,
    Hs384,
    Hs512,
}

impl Algorithm {
    /// All supported algorithms.
    pub const ALL: [Self; 13] = [
        Self::EdDsa,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// Returns the name in a token's header (`alg`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Returns whether the verification key is secret and can also sign (HMAC).
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An unknown signature algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown signature algorithm {0}")]
pub struct AlgorithmError(pub PrintableText);

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// Parses the exact name (RFC 7515 4.1.1: case-sensitive). `Ed25519` (RFC 9864) is EdDSA, since
    /// Ed25519 is the only supported curve.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "Ed25519" {
            return Ok(Self::EdDsa);
        }
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| AlgorithmError(PrintableText::name(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_case_counts() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert!(algorithm.name().to_lowercase().parse::<Algorithm>().is_err());
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
        for name in ["none", "None", "", "EdDSA "] {
            assert!(name.parse::<Algorithm>().is_err(), "{name:?}");
        }
    }
}
