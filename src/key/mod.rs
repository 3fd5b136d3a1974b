//! Key material: signing and verifying keys in all supported formats.
//!
//! Each key is validated once, when it is parsed: the point is on its curve and in canonical form, the
//! key is not weak, and the private and public keys match. The result is a [`PublicKey`] or
//! [`PrivateKey`]. [`VerifyingKey`] and [`SigningKey`] add the permitted algorithms and the key ID.
//!
//! This module does not depend on tokens, settings or users.

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
pub use signing::{Signer, SigningKey};
pub use verifying::{VerifyingKey, thumbprint};
