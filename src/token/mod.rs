//! Tokens: what came in and proves nothing yet ([`Unverified`]), what a key stands for
//! ([`Verified`]), what is made here ([`fn@issue`]), and a look at anything at all ([`fn@inspect`]).
//!
//! There is one verification in the house, [`fn@verify`]; logins, OpenID Connect and scopes build on
//! it. It proves who signed, and nothing more: times, issuer, audience and roles are judged by
//! `policy`, from a [`Verified`].
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

/// The longest token that is looked at, in bytes. A header line of a request could not carry
/// more with most servers, and everything before the signature check costs time an attacker
/// does not pay for.
pub const MAX_BYTES: usize = 64 << 10;

/// The deepest nesting of objects and lists in a token's header or claims.
pub const MAX_DEPTH: usize = 64;
