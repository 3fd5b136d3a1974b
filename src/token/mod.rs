//! Tokens: parsing ([`Unverified`]), verification with a key ([`Verified`]), signing ([`fn@sign`]),
//! inspection without a key ([`fn@inspect`]), and the forms for other programs ([`TokenFormat`]).
//!
//! [`fn@verify`] is the only verification; logins, OpenID Connect and scopes use it. It checks only the
//! signature: `policy` evaluates times, issuer, audience and roles of a [`Verified`].
//!
//! ```
//! use cc_auth::token::{TokenError, Unverified};
//! assert_eq!(Unverified::parse("x.y").err(), Some(TokenError::Parts(2)));
//! ```

pub mod bearer_discovery;
pub mod claims;
pub mod error;
pub mod format;
pub mod inspect;
pub mod json;
pub mod jws;
pub mod sign;
pub mod text;
pub mod verify;

pub use claims::{Claims, NumericDate, TimeClaimError};
pub use error::{TokenError, TokenPart};
pub use format::{TokenFormat, TokenFormatError};
pub use inspect::{Inspection, inspect};
pub use jws::{Header, Unverified};
pub use sign::{HeaderParams, SignError, TokenSigner, sign};
pub use text::bare;
pub use verify::{Verified, signed_content, verify, verify_owned};

/// The maximum length of a token in bytes.
///
/// Most servers do not accept a longer header line. The limit also bounds the work before the signature
/// check, which an attacker could cause for free.
pub const MAX_BYTES: usize = 64 << 10;

/// The maximum nesting depth of a token's header or claims.
pub const MAX_DEPTH: usize = 64;
