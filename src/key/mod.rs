//! Key material: signing and verifying keys in all their forms.
//!
//! A key is checked once, when it is read: on its curve, in its one canonical encoding, not
//! weak, both halves of one pair. What got that far is a [`PublicKey`] or [`PrivateKey`];
//! [`VerifyingKey`] and [`SigningKey`] add what they may be used for.
//!
//! Knows nothing of tokens, settings or users.

pub mod algorithm;
pub mod certificate;
pub mod compromised;
pub mod der;
pub mod encoding;
pub mod error;
mod form_error;
pub mod jwk;
pub mod nkey;
pub mod openssh;
pub mod parse;
pub mod pem;
mod prepared;
pub mod private;
pub mod public;
pub mod set;
pub mod signing;
pub mod verifying;

pub use algorithm::{Algorithm, AlgorithmError};
pub use compromised::published;
pub use error::{KeyError, KeyFileError};
pub use jwk::Jwk;
pub use parse::{ParsedKey, read_public, read_signing};
pub use private::PrivateKey;
pub use public::{Curve, KeyStrength, PublicKey};
pub use set::KeySet;
pub use signing::SigningKey;
pub use verifying::{VerifyingKey, thumbprint};
