//! Errors of key encodings: base64, PEM, DER.

use std::fmt;

/// The reason why a text is not valid base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base64Error {
    /// A character outside the alphabet.
    Character {
        /// The position, counted from 1.
        at: usize,
    },
    /// `-` or `_` of the base64url alphabet where standard base64 is expected.
    UrlAlphabet {
        /// The position, counted from 1.
        at: usize,
    },
    /// `+` or `/` of the standard alphabet where base64url is expected.
    StandardAlphabet {
        /// The position, counted from 1.
        at: usize,
    },
    /// The `=` padding is missing, too long or not expected, or characters are missing.
    Padding,
    /// The unused bits of the last character are not zero (RFC 4648 3.5).
    SpareBits,
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { at } => write!(f, "character {at} is not in its alphabet"),
            Self::UrlAlphabet { at } => {
                write!(f, "character {at} is of base64url, expected the standard alphabet with + and /")
            }
            Self::StandardAlphabet { at } => {
                write!(f, "character {at} is of standard base64, expected base64url with - and _")
            }
            Self::Padding => f.write_str("its length or its padding with = is wrong"),
            Self::SpareBits => f.write_str("the unused bits of its last character are not zero"),
        }
    }
}

/// Text around a key in a variable, or another format in its place. The user can correct each case
/// without a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyContext {
    /// Quotes that are part of the value. `docker run --env-file` does not remove quotes, nor does a
    /// misplaced quote in systemd's `Environment=`.
    Quotes,
    /// White space before, after or inside the value.
    Blanks,
    /// A PEM block.
    Pem,
    /// Base64 on several lines.
    Lines,
    /// `$(…)`, `${…}` or backquotes: a shell expression that no shell expanded.
    Shell,
    /// `NAME=` before the value.
    Assignment,
    /// A JWK.
    Jwk,
}

impl fmt::Display for KeyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quotes => "has quotes around the value, and the quotes are part of it",
            Self::Blanks => "has white space in it",
            Self::Pem => "is a PEM block, expected the base64 of the key's bytes",
            Self::Lines => "is base64 on several lines, expected one line",
            Self::Shell => "is a shell expression such as $(…) that no shell has replaced",
            Self::Assignment => "begins with NAME=, expected the value alone",
            Self::Jwk => "is a JWK, expected the base64 of the key's bytes",
        })
    }
}

/// The kind of a binary file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DerKind {
    /// `SubjectPublicKeyInfo`.
    Spki,
    /// `RSAPublicKey` of PKCS#1.
    Pkcs1Public,
    /// PKCS#8, encrypted or not.
    Pkcs8,
    /// `RSAPrivateKey` of PKCS#1.
    Pkcs1Private,
    /// `ECPrivateKey` of SEC 1.
    Sec1,
    /// X.509.
    Certificate,
    /// PKCS#12.
    Pkcs12,
    /// Another structure.
    Other,
}

impl fmt::Display for DerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spki => "a public key in binary DER",
            Self::Pkcs1Public => "an RSA public key (PKCS#1) in binary DER",
            Self::Pkcs8 => "a private key in binary DER",
            Self::Pkcs1Private => "an RSA private key in binary DER",
            Self::Sec1 => "an EC private key in binary DER",
            Self::Certificate => "a certificate in binary DER",
            Self::Pkcs12 => "a PKCS#12 file",
            Self::Other => "binary data, perhaps DER",
        })
    }
}

impl DerKind {
    /// Returns the command that converts the file to PEM; if `public`, to PEM of the public key.
    pub(super) const fn command(self, public: bool) -> Option<&'static str> {
        Some(match (self, public) {
            (Self::Spki, _) => "openssl pkey -pubin -inform DER -in FILE -pubout",
            (Self::Pkcs1Public, _) => "openssl rsa -RSAPublicKey_in -inform DER -in FILE -pubout",
            (Self::Pkcs8 | Self::Pkcs1Private | Self::Sec1, true) => {
                "openssl pkey -inform DER -in FILE -pubout"
            }
            (Self::Pkcs8 | Self::Pkcs1Private | Self::Sec1, false) => "openssl pkey -inform DER -in FILE",
            (Self::Certificate, _) => "openssl x509 -inform DER -in FILE -pubkey -noout",
            (Self::Pkcs12, true) => "openssl pkcs12 -in FILE -clcerts -nokeys | openssl x509 -pubkey -noout",
            (Self::Pkcs12, false) => "openssl pkcs12 -in FILE -nocerts -nodes",
            (Self::Other, _) => return None,
        })
    }
}

/// How a PEM block lost its line structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemLines {
    /// BEGIN, base64 and END are on one line.
    OneLine,
    /// Lines end with a carriage return only.
    CarriageReturn,
    /// Text before `BEGIN`, or after the label on the same line.
    BeginNotAlone,
}

impl fmt::Display for PemLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneLine => {
                "is on one line, expected line ends after the BEGIN line and before the END line"
            }
            Self::CarriageReturn => "has carriage returns as line ends, expected line feeds",
            Self::BeginNotAlone => "does not begin at the start of a line of its own",
        })
    }
}
