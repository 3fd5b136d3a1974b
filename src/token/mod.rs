//! Tokens: received and not verified ([`Unverified`]), verified with a key ([`Verified`]), signed
//! ([`fn@sign`]), and inspected without any key ([`fn@inspect`]).
//!
//! [`fn@verify`] is the only verification; logins, OpenID Connect and scopes use it. It proves who signed
//! the token and nothing more: `policy` evaluates times, issuer, audience and roles of a [`Verified`].
//!
//! ```
//! use cc_auth::token::{TokenError, Unverified};
//! assert_eq!(Unverified::parse("x.y").err(), Some(TokenError::Parts(2)));
//! ```

pub mod bearer_discovery;
pub mod claims;
pub mod error;
pub mod inspect;
pub mod json;
pub mod jws;
pub mod sign;
pub mod text;
pub mod verify;

pub use claims::{Claims, NumericDate, TimeClaimError};
pub use error::{TokenError, TokenPart};
pub use inspect::{Inspection, inspect};
pub use jws::{Header, Unverified};
pub use sign::{HeaderParams, SignError, sign};
pub use text::bare;
pub use verify::{Verified, signed_content, verify, verify_owned};

/// The longest token that is read, in bytes. A header line of a request could not carry
/// more with most servers, and everything before the signature check costs time an attacker
/// does not pay for.
pub const MAX_BYTES: usize = 64 << 10;

/// The deepest nesting of objects and lists in a token's header or claims.
pub const MAX_DEPTH: usize = 64;
