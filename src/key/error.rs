//! Errors of keys.
//!
//! Text from the input is a [`PrintableText`], which never contains key content.

use super::algorithm::Algorithm;
pub use super::form_error::{Base64Error, DerKind, KeyContext, PemLines};
use crate::util::count::counted;
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
/// An error of a key, its encoding or its numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An empty value where a key is expected.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// A variable that is not set.
    #[error("set neither in the environment nor in {file}")]
    Unset {
        /// The environment file, quoted.
        file: String,
    },
    /// The value is not base64.
    #[error("the {what} is not base64: {fault}")]
    Base64 {
        /// The kind of value.
        what: &'static str,
        /// The base64 error.
        fault: Base64Error,
    },
    /// The value has the wrong length for a key of its kind.
    #[error("the {what} has the wrong length: found {}, expected {expected}", counted(*.found, "byte"))]
    Length {
        /// The kind of value.
        what: &'static str,
        /// The length in bytes.
        found: usize,
        /// The expected length in bytes.
        expected: usize,
    },
    /// The value has text that does not belong to a key: quotes, white space, a shell expression.
    #[error("the {what} {fault}")]
    Context {
        /// The kind of value.
        what: &'static str,
        /// The kind of the surrounding text.
        fault: KeyContext,
    },
    /// A private key where a public key is expected: 64 bytes in the server's format.
    #[error("found the 64 bytes of an Ed25519 private key, expected the 32 bytes of a public key")]
    PrivateForPublic,
    /// A public key or a bare seed where a private key is expected.
    #[error("found 32 bytes, a public key or a bare seed, expected the 64 bytes of seed and public key")]
    MissingPublicPart,
    /// The point is not on the curve.
    #[error("the {0} public key is not on its curve")]
    NotOnCurve(&'static str),
    /// The point is not in its canonical encoding (RFC 8032 5.1.3).
    #[error("the Ed25519 public key is not in its canonical form")]
    NonCanonical,
    /// A point of small order: signatures can be forged for any message.
    #[error("the Ed25519 public key is of small order: anyone can forge signatures for it")]
    SmallOrder,
    /// A point of mixed order, which no private key produces.
    #[error("the Ed25519 public key is of mixed order: no private key belongs to it")]
    MixedOrder,
    /// A compressed point of one of the NIST curves.
    #[error("the {0} public key is compressed, expected an uncompressed point")]
    Compressed(&'static str),
    /// The private and the public key do not belong to the same key pair.
    #[error("the private and the public key of the {0} key pair do not match")]
    Mismatch(&'static str),
    /// The RSA key is too short to be secure.
    #[error("the RSA key has {bits} bits, expected at least {expected}")]
    RsaShort {
        /// The length of the modulus.
        bits: usize,
        /// The smallest accepted length.
        expected: usize,
    },
    /// The RSA key is so long that verification would allow a denial of service.
    #[error("the RSA key has {0} bits, expected at most 8192")]
    RsaLong(usize),
    /// The RSA modulus is even: it is not a product of two odd primes.
    #[error("the RSA modulus is even")]
    RsaEvenModulus,
    /// The RSA public exponent is even or below 3 (RFC 8017 3.1).
    #[error("the RSA public exponent is even or below 3")]
    RsaExponent,
    /// The RSA public exponent is longer than 33 bits.
    #[error("the RSA public exponent is longer than 33 bits")]
    RsaLongExponent,
    /// An RSA private key with more than two primes.
    #[error("the RSA private key has more than two primes")]
    RsaMultiPrime,
    /// A private key with inconsistent numbers.
    #[error("the {0} private key is malformed: its numbers do not fit each other")]
    InvalidPrivate(&'static str),
    /// An empty HMAC secret: every client could forge tokens.
    #[error("the HMAC secret is empty: anyone could forge tokens")]
    HmacSecretEmpty,
    /// An HMAC secret shorter than the hash (RFC 7518 3.2).
    #[error(
"the HMAC secret has {}, expected at least {expected} for {algorithm}", counted(*.found, "byte"))]
    HmacSecretShort {
        /// The length in bytes.
        found: usize,
        /// The length of the hash in bytes.
        expected: usize,
        /// The algorithm of the secret.
        algorithm: Algorithm,
    },
    /// Malformed DER, or DER that does not match the label.
    #[error("the {what} is malformed DER: {reason}")]
    Der {
        /// The kind of value.
        what: &'static str,
        /// The reason.
        reason: &'static str,
    },
    /// Trailing bytes after the structure.
    #[error("the {0} has bytes after its end")]
    TrailingData(&'static str),
    /// The BIT STRING of the key has unused bits.
    #[error("the {0} has a key whose last bits do not count: a shifted key")]
    UnusedBits(&'static str),
    /// Algorithm parameters, which must be absent (RFC 8410 3).
    #[error("the {0} names its algorithm with parameters that it must not have")]
    Parameters(&'static str),
    /// An unknown key algorithm.
    #[error("found a key of {0}, expected Ed25519, EC (P-256, P-384, P-521) or RSA")]
    UnknownKind(PrintableText),
    /// A known kind of key that is not the expected one.
    #[error("found {found}, expected {expected}")]
    WrongType {
        /// The kind of the input.
        found: PrintableText,
        /// The expected kind.
        expected: &'static str,
    },
    /// An encrypted private key.
    #[error("the private key is encrypted, expected one without passphrase")]
    Encrypted,
    /// No PEM block where one is expected.
    #[error("no PEM block: found {0}, expected a line -----BEGIN …-----")]
    NoPem(&'static str),
    /// A key or certificate in binary DER.
    #[error("found {kind}, expected PEM")]
    Binary {
        /// The kind of structure.
        kind: DerKind,
        /// Whether a public key is expected.
        public: bool,
    },
    /// A PEM block whose line breaks are missing or invalid.
    #[error("the PEM block {0}")]
    PemLines(PemLines),
    /// An EC key with explicit curve parameters instead of a named curve (RFC 5480 2.1.1).
    #[error("the {0} has explicit curve parameters, expected a named curve")]
    ExplicitCurve(&'static str),
    /// A PEM block without an `END` line, with malformed base64, or with different labels.
    #[error("the PEM block {label} is malformed: {reason}")]
    Pem {
        /// The label.
        label: PrintableText,
        /// The reason.
        reason: &'static str,
    },
    /// Not JSON where a JWK is expected.
    #[error("not JSON: {0}")]
    Json(PrintableText),
    /// A member of a JWK is missing.
    #[error("the JWK does not have the member '{0}'")]
    JwkMissing(&'static str),
    /// A member of a JWK is of the wrong type.
    #[error("the JWK's member '{name}' is {found}, expected {expected}")]
    JwkType {
        /// The member.
        name: &'static str,
        /// The type of the value.
        found: &'static str,
        /// The expected type.
        expected: &'static str,
    },
    /// A duplicate member (RFC 7517 4: parsers must reject or take the last).
    #[error("the JWK has a duplicate member: {0}")]
    JwkDuplicateMember(PrintableText),
    /// An unknown key type.
    #[error("the JWK has the unknown key type {0}, expected OKP, EC, RSA or oct")]
    JwkKind(PrintableText),
    /// An unknown curve, or a curve that does not belong to the key type.
    #[error("the JWK has the unknown curve {crv} for {kty}, expected {expected}")]
    JwkCurve {
        /// The key type.
        kty: &'static str,
        /// The curve.
        crv: PrintableText,
        /// The supported curves.
        expected: &'static str,
    },
    /// `use` does not permit signatures.
    #[error("the JWK's use is {0}, expected 'sig'")]
    JwkUse(PrintableText),
    /// `key_ops` does not contain the operation.
    #[error("the JWK's key_ops do not contain '{0}'")]
    JwkOps(&'static str),
    /// `alg` does not match the kind of key.
    #[error("the JWK's alg is {alg}, which is not a signature algorithm of {kind} keys")]
    JwkAlgorithm {
        /// The value of `alg`.
        alg: PrintableText,
        /// The kind of key.
        kind: &'static str,
    },
    /// A number in a JWK that is empty, or longer than its curve allows (RFC 7518 6.2.1.2).
    #[error("the JWK's number '{0}' is empty or too long")]
    JwkNumber(&'static str),
    /// A JWKS whose number of usable keys is not one.
    #[error("the JWK set has {found} usable keys, expected one")]
    JwkSetCount {
        /// The number of usable keys.
        found: usize,
    },
    /// A JWKS without a usable key.
    #[error("the key set has no usable key")]
    SetUnusable,
    /// A malformed OpenSSH key, or one that cannot sign tokens.
    #[error("the OpenSSH key is malformed: {0}")]
    OpenSsh(&'static str),
    /// A malformed nkey.
    #[error("the nkey is malformed: {0}")]
    Nkey(&'static str),
    /// A malformed or unsupported certificate.
    #[error("the certificate is malformed: {0}")]
    Certificate(&'static str),
    /// A certificate outside its validity period.
    #[error("the certificate is valid from {from} to {to}, not at the requested time")]
    CertificateDates {
        /// The beginning in RFC 3339 format.
        from: String,
        /// The end in RFC 3339 format.
        to: String,
    },
    /// The key does not support the algorithm.
    #[error("{kind} keys cannot sign or verify {algorithm}")]
    Algorithm {
        /// The kind of key.
        kind: &'static str,
        /// The requested algorithm.
        algorithm: Algorithm,
    },
    /// The kind of key cannot be written in this format.
    #[error("{kind} keys cannot be written as {form}")]
    UnsupportedFormat {
        /// The kind of key.
        kind: &'static str,
        /// The format.
        form: &'static str,
    },
    /// The system returned no random bytes.
    #[error("the system gave no random bytes")]
    NoRandom,
    /// A cryptographic operation failed, which does not occur for a valid key.
    #[error("{0} failed")]
    Crypto(&'static str),
}

impl KeyError {
    /// Adds the place of the key: a quoted file name or the name of a variable.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> KeyFileError {
        KeyFileError { place: place.into(), error: self, configured: false }
    }

    /// Adds the name of a setting such as `JWT_PUBLIC_KEY`, and marks the key as configured.
    #[must_use]
    pub fn configured(self, name: impl Into<String>) -> KeyFileError {
        KeyFileError { place: name.into(), error: self, configured: true }
    }
}

impl Diagnostic for KeyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Empty(_) | Self::HmacSecretEmpty => Kind::KeyEmpty,
            Self::SmallOrder | Self::MixedOrder | Self::RsaShort { .. } | Self::HmacSecretShort { .. } => {
                Kind::KeyWeak
            }
            Self::Mismatch(_) => Kind::KeyHalvesDiffer,
            Self::PrivateForPublic
            | Self::MissingPublicPart
            | Self::WrongType { .. }
            | Self::UnknownKind(_)
            | Self::JwkKind(_)
            | Self::Algorithm { .. }
            | Self::UnsupportedFormat { .. }
            | Self::JwkUse(_)
            | Self::JwkOps(_)
            | Self::JwkAlgorithm { .. }
            | Self::Binary { .. }
            | Self::JwkSetCount { .. } => Kind::KeyOtherKind,
            Self::Encrypted => Kind::KeyEncrypted,
            Self::NoPem(_) | Self::Unset { .. } => Kind::KeyNotFound,
            Self::SetUnusable => Kind::KeySetUnusable,
            Self::CertificateDates { .. } => Kind::CertificateDates,
            Self::NoRandom => Kind::RandomUnavailable,
            Self::Crypto(_) => Kind::CryptoFailed,
            _ => Kind::KeyMalformed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Encrypted => "openssl pkey -in FILE -out PLAIN.pem",
            Self::WrongType { found, expected } => {
                return other_form(found.as_str(), expected).map(str::to_owned);
            }
            Self::Binary { kind, public } => kind.command(*public)?,
            Self::PemLines(PemLines::OneLine) => {
                r"sed 's/\(-----BEGIN [A-Z0-9 ]*-----\) */\1\n/; s/ *-----END/\n-----END/' FILE > FILE.pem"
            }
            Self::PemLines(PemLines::CarriageReturn) => r"tr '\r' '\n' < FILE > FILE.pem",
            Self::ExplicitCurve("public key (SPKI)") => {
                "openssl ec -pubin -in FILE -param_enc named_curve -pubout"
            }
            Self::ExplicitCurve(_) => "openssl ec -in FILE -param_enc named_curve",
            Self::Compressed(_) => "openssl ec -pubin -in FILE -conv_form uncompressed -pubout",
            Self::Context { fault, .. } => match fault {
                KeyContext::Quotes => {
                    "remove the quotes: docker's --env-file and systemd's EnvironmentFile differ in them"
                }
                KeyContext::Blanks => "remove the white space",
                KeyContext::Lines => "join the lines",
                KeyContext::Shell => "write the value itself: no program runs this command",
                KeyContext::Assignment => "remove the name and the '='",
                KeyContext::Pem | KeyContext::Jwk => {
                    "the variable holds base64 alone: 'convert-pem-pubkey FILE' prints it for a public key; --key FILE signs with a private one"
                }
            },
            // Base64 that was cut at the end of a full line has a multiple of three bytes.
            Self::Length { found, expected, .. } if (24..*expected).contains(found) && found % 3 == 0 => {
                "the base64 may continue on the next line: write all of it on one line"
            }
            Self::MissingPublicPart | Self::Mismatch(_) => {
                "restore the pair from a backup ('.env.old' is the file before the last change); \
                 a new pair invalidates all tokens"
            }
            Self::HmacSecretShort { .. } | Self::HmacSecretEmpty => {
                "create a longer one: gen-keypair --algorithm hs512"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Returns the command that converts the found format to the expected one.
fn other_form(found: &str, expected: &str) -> Option<&'static str> {
    let public = expected.contains("public key");
    Some(match found {
        "an OpenSSH private key" if public => "ssh-keygen -y -f FILE",
        "an OpenSSH private key of RSA" => "ssh-keygen -p -m PEM -f COPY-OF-FILE",
        "an encrypted OpenSSH private key" => "ssh-keygen -p -N '' -f COPY-OF-FILE",
        "a PuTTY private key" if public => "puttygen FILE -O public-openssh",
        "a PuTTY private key" => "puttygen FILE -O private-openssh-new -o FILE.openssh",
        "the seed of an nkey, a private key" if public => "nk -inkey FILE -pubout",
        _ if public && found.ends_with("private key") => "openssl pkey -in FILE -pubout",
        _ => return None,
    })
}

/// A key error with the place of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {error}")]
pub struct KeyFileError {
    /// The file (quoted) or variable from which the key was read.
    pub place: String,
    /// The error.
    pub error: KeyError,
    /// Whether the key comes from the configuration.
    configured: bool,
}

impl Diagnostic for KeyFileError {
    fn kind(&self) -> Kind {
        let kind = self.error.kind();
        if self.configured { kind.in_configuration() } else { kind }
    }

    fn hint(&self) -> Option<String> {
        self.error.hint()
    }
}

/// Converts an error of the DER parser.
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
        _ => "its structure is invalid",
    };
    KeyError::Der { what, reason }
}
