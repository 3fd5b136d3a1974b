//! What can be wrong with a key. No variant carries anything secret.

use std::fmt;

use super::algorithm::Algorithm;
use crate::base::fault::Fault;
use crate::base::kind::Kind;
use crate::base::quote::quote;

/// Why a text is not base64 as the standard has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base64Fault {
    /// A character that the alphabet does not have.
    Character {
        /// Its place, counted from 1.
        at: usize,
    },
    /// `-` or `_`, the alphabet of base64url, where standard base64 is wanted.
    UrlAlphabet {
        /// Its place, counted from 1.
        at: usize,
    },
    /// `+` or `/`, the alphabet of standard base64, where base64url is wanted.
    StandardAlphabet {
        /// Its place, counted from 1.
        at: usize,
    },
    /// The `=` at the end are missing, too many, or not wanted here; or characters are missing.
    Padding,
    /// The last character has bits that stand for nothing and are not zero (RFC 4648 3.5).
    SpareBits,
}

impl fmt::Display for Base64Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { at } => write!(f, "character {at} is none of its alphabet"),
            Self::UrlAlphabet { at } => {
                write!(f, "character {at} is of base64url, wanted the standard alphabet with + and /")
            }
            Self::StandardAlphabet { at } => {
                write!(f, "character {at} is of standard base64, wanted base64url with - and _")
            }
            Self::Padding => f.write_str("its length or its padding with = is wrong"),
            Self::SpareBits => f.write_str("the unused bits of its last character are not zero"),
        }
    }
}

/// What is wrong with the points and numbers of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing where a key is wanted.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// A variable that is set nowhere.
    #[error("set neither in the environment nor in {file}")]
    Unset {
        /// The environment file, quoted.
        file: String,
    },
    /// Not base64.
    #[error("the {what} is not base64: {fault}")]
    Base64 {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        fault: Base64Fault,
    },
    /// Of another length than such a key has.
    #[error("the {what} has the wrong length: found {found} bytes, wanted {wanted}")]
    Length {
        /// What was read.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The length it should have.
        wanted: usize,
    },
    /// A private key where a public one belongs: 64 bytes in the server's form.
    #[error("found the 64 bytes of an Ed25519 private key, wanted the 32 bytes of a public key")]
    PrivateForPublic,
    /// A public key where a private one belongs, or a bare seed.
    #[error("found 32 bytes, a public key or a bare seed, wanted the 64 bytes of seed and public key")]
    HalfPrivate,
    /// The point is not on the curve.
    #[error("the {0} public key is no point of its curve")]
    NotOnCurve(&'static str),
    /// An encoding of the point that is not the one encoding it has (RFC 8032 5.1.3).
    #[error("the Ed25519 public key is not in its canonical form")]
    NonCanonical,
    /// A point of small order: any message can be signed for it.
    #[error("the Ed25519 public key is of small order: anybody can forge signatures for it")]
    SmallOrder,
    /// A point with a part of small order: no private key leads to it.
    #[error("the Ed25519 public key is of mixed order: no private key belongs to it")]
    MixedOrder,
    /// A compressed point of one of the NIST curves.
    #[error("the {0} public key is compressed, wanted an uncompressed point")]
    Compressed(&'static str),
    /// Private and public part are of different keys.
    #[error("the private and the public half of the {0} key do not match")]
    Mismatch(&'static str),
    /// An RSA key that is too short to resist.
    #[error("the RSA key has {bits} bits, wanted at least {wanted}")]
    RsaShort {
        /// The length of the modulus.
        bits: usize,
        /// The least length that is taken.
        wanted: usize,
    },
    /// An RSA key so long that checking with it would be an attack.
    #[error("the RSA key has {0} bits, wanted at most 8192")]
    RsaLong(usize),
    /// An even modulus is no product of two odd primes.
    #[error("the RSA modulus is even")]
    RsaEvenModulus,
    /// The public exponent is even or below 3 (RFC 8017 3.1).
    #[error("the RSA public exponent is even or below 3")]
    RsaExponent,
    /// The public exponent is longer than 33 bits.
    #[error("the RSA public exponent is longer than 33 bits")]
    RsaLongExponent,
    /// An RSA private key with more than two primes.
    #[error("the RSA private key has more than two primes")]
    RsaMultiPrime,
    /// A private key whose numbers do not fit each other.
    #[error("the {0} private key is broken: its numbers do not fit each other")]
    BrokenPrivate(&'static str),
    /// An empty shared key: anybody could make tokens (it verifies what has no secret).
    #[error("the shared HMAC key is empty: anybody could forge tokens")]
    SharedEmpty,
    /// A shared key shorter than the hash (RFC 7518 3.2).
    #[error("the shared HMAC key has {found} bytes, wanted at least {wanted} for {algorithm}")]
    SharedShort {
        /// Its length in bytes.
        found: usize,
        /// The length of the hash.
        wanted: usize,
        /// The algorithm it is meant for.
        algorithm: Algorithm,
    },
    /// Not a structure of the kind its label says.
    #[error("the {what} is broken DER: {reason}")]
    Der {
        /// What was read.
        what: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// Bytes after the end of the structure.
    #[error("the {0} has bytes after its end")]
    TrailingData(&'static str),
    /// The BIT STRING of the key says that its last bits do not count.
    #[error("the {0} has a key whose last bits do not count: a shifted key")]
    UnusedBits(&'static str),
    /// Parameters that the algorithm does not have (RFC 8410 3).
    #[error("the {0} names its algorithm with parameters that it must not have")]
    Parameters(&'static str),
    /// A key algorithm that is not known here.
    #[error("found a key of {0}, wanted Ed25519, EC (P-256, P-384, P-521) or RSA")]
    UnknownKind(String),
    /// Known, but of another kind than what is wanted.
    #[error("found {found}, wanted {wanted}")]
    Wanted {
        /// What was read.
        found: String,
        /// What it should have been.
        wanted: &'static str,
    },
    /// An encrypted private key.
    #[error("the private key is encrypted, wanted one without passphrase")]
    Encrypted,
    /// No PEM block where one is wanted.
    #[error("no PEM block: found {0}, wanted a line -----BEGIN …-----")]
    NoPem(&'static str),
    /// A PEM block without end, with broken base64, or with different labels.
    #[error("the PEM block {} is broken: {reason}", quote(.label))]
    Pem {
        /// Its label, untrusted.
        label: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Not JSON where a JWK is wanted.
    #[error("not JSON: {0}")]
    Json(String),
    /// A member of a JWK is missing.
    #[error("the JWK has no member '{0}'")]
    JwkMissing(&'static str),
    /// A member of a JWK is of the wrong type.
    #[error("the JWK's member {} is {found}, wanted {wanted}", quote(.name))]
    JwkType {
        /// The member.
        name: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A member stands twice (RFC 7517 4: parsers must reject or take the last).
    #[error("the JWK's member {} stands there twice", quote(.0))]
    JwkTwice(String),
    /// A key type that is not known here.
    #[error("the JWK's key type {} is not known, wanted OKP, EC, RSA or oct", quote(.0))]
    JwkKind(String),
    /// A curve that is not known here, or not one of the key's type.
    #[error("the JWK's curve {} is not known for {kty}, wanted {wanted}", quote(.crv))]
    JwkCurve {
        /// The key type.
        kty: &'static str,
        /// The curve, untrusted.
        crv: String,
        /// The curves there are.
        wanted: &'static str,
    },
    /// `use` says that the key is not for signatures.
    #[error("the JWK's use is {}, wanted 'sig'", quote(.0))]
    JwkUse(String),
    /// `key_ops` does not have the operation.
    #[error("the JWK's key_ops do not have '{0}'")]
    JwkOps(&'static str),
    /// `alg` does not belong to this kind of key.
    #[error("the JWK's alg is {}, which is no signature algorithm of {kind} keys", quote(.alg))]
    JwkAlgorithm {
        /// What it says, untrusted.
        alg: String,
        /// The kind of key.
        kind: &'static str,
    },
    /// A number in a JWK with leading zero bytes or of another length than its curve has
    /// (RFC 7518 6.2.1.2, 6.3.1.1).
    #[error("the JWK's number '{0}' is not in its canonical form")]
    JwkNumber(&'static str),
    /// A set of keys where one key is wanted, or the other way round.
    #[error("the JWK set has {found} usable keys, wanted one")]
    JwkSetCount {
        /// How many usable keys it has.
        found: usize,
    },
    /// No signing key of OpenSSH, or a broken one.
    #[error("the OpenSSH key is broken: {0}")]
    OpenSsh(&'static str),
    /// No nkey, or a broken one.
    #[error("the nkey is broken: {0}")]
    Nkey(&'static str),
    /// A certificate that can't be used.
    #[error("the certificate is broken: {0}")]
    Certificate(&'static str),
    /// A certificate outside of its dates.
    #[error("the certificate is valid from {from} to {to}, not at the time asked for")]
    CertificateDates {
        /// RFC 3339.
        from: String,
        /// RFC 3339.
        to: String,
    },
    /// The key can't do this algorithm.
    #[error("{kind} keys can't sign or verify {algorithm}")]
    Algorithm {
        /// The kind of key.
        kind: &'static str,
        /// What was asked of it.
        algorithm: Algorithm,
    },
    /// The kind of key can't be written in this form.
    #[error("{kind} keys have no form as {form}")]
    NoForm {
        /// The kind of key.
        kind: &'static str,
        /// The form.
        form: &'static str,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandom,
    /// The cryptography failed at making or using a key; this does not happen with a good one.
    #[error("{0} failed")]
    Crypto(&'static str),
}

impl KeyError {
    /// This fault of the key that stands in `place` (a quoted file, or a variable's name).
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> KeyFault {
        KeyFault { place: place.into(), error: self, configured: false }
    }

    /// This fault of a key that is part of the configuration, such as `JWT_PUBLIC_KEY`.
    #[must_use]
    pub fn configured(self, name: impl Into<String>) -> KeyFault {
        KeyFault { place: name.into(), error: self, configured: true }
    }
}

impl Fault for KeyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Empty(_) | Self::SharedEmpty => Kind::KeyEmpty,
            Self::SmallOrder | Self::MixedOrder | Self::RsaShort { .. } | Self::SharedShort { .. } => {
                Kind::KeyWeak
            }
            Self::Mismatch(_) => Kind::KeyHalvesDiffer,
            Self::PrivateForPublic
            | Self::HalfPrivate
            | Self::Wanted { .. }
            | Self::UnknownKind(_)
            | Self::JwkKind(_)
            | Self::Algorithm { .. }
            | Self::NoForm { .. }
            | Self::JwkUse(_)
            | Self::JwkOps(_)
            | Self::JwkAlgorithm { .. }
            | Self::JwkSetCount { .. } => Kind::KeyOtherKind,
            Self::Encrypted => Kind::KeyEncrypted,
            Self::NoPem(_) | Self::Unset { .. } => Kind::KeyNotFound,
            Self::CertificateDates { .. } => Kind::CertificateDates,
            Self::NoRandom => Kind::RandomUnavailable,
            Self::Crypto(_) => Kind::CryptoFailed,
            _ => Kind::KeyMalformed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Encrypted => "openssl pkey -in FILE -out PLAIN.pem",
            Self::Wanted { found, .. } if found == "an OpenSSH private key" => "ssh-keygen -y -f FILE",
            Self::Wanted { found, wanted: "a public key" } if found.ends_with("private key") => {
                "openssl pkey -in FILE -pubout"
            }
            Self::NoPem("binary data, perhaps DER") => "openssl pkey -pubin -inform DER -in FILE -pubout",
            Self::Compressed(_) => "openssl ec -pubin -in FILE -conv_form uncompressed -pubout",
            Self::HalfPrivate | Self::Mismatch(_) => "make a new pair with gen-keypair",
            Self::SharedShort { .. } | Self::SharedEmpty => "make one with gen-keypair --algorithm hs512",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// A fault of a key and where that key stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {error}")]
pub struct KeyFault {
    /// The file (quoted) or variable that the key was read from.
    pub place: String,
    /// What is wrong.
    pub error: KeyError,
    /// Whether the key is part of the configuration.
    configured: bool,
}

impl Fault for KeyFault {
    fn kind(&self) -> Kind {
        let kind = self.error.kind();
        if self.configured { kind.in_configuration() } else { kind }
    }

    fn hint(&self) -> Option<String> {
        self.error.hint()
    }
}

/// What the DER reader found wrong, in words.
pub(super) fn from_der(what: &'static str, kind: pkcs8::der::ErrorKind) -> KeyError {
    use pkcs8::der::ErrorKind;
    let reason = match kind {
        ErrorKind::TrailingData { .. } => return KeyError::TrailingData(what),
        ErrorKind::Incomplete { .. } => "it ends too early",
        ErrorKind::TagUnexpected { .. } | ErrorKind::TagUnknown { .. } => "a part is of another type",
        ErrorKind::IndefiniteLength | ErrorKind::Length { .. } | ErrorKind::Overlength => {
            "a length is wrong or not in its shortest form"
        }
        ErrorKind::Noncanonical { .. } => "a value is not in its canonical form",
        _ => "it has not the structure of one",
    };
    KeyError::Der { what, reason }
}
