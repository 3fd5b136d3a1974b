//! The OAuth 2.0 endpoints of an OpenID provider.
//!
//! Authorization codes, refresh tokens, device codes, and tokens of other issuers are exchanged for tokens
//! (RFC 6749, 7636, 8628, 8693), and a client gets tokens of its own. Other endpoints are UserInfo, revocation (RFC 7009) and logout.
//!
//! This module does not use the crate `oauth2`, which stores secrets in plain strings, uses its own
//! random generator, and hides responses that it cannot parse. It would also add some twenty crates,
//! including another date library, random generator and SHA-2 implementation.

mod assertion;
mod device;
mod error;
pub mod pkce;
mod provider;
mod registration;
mod userinfo;

pub use device::{DeviceAuthorization, DevicePoll};
pub use error::{ErrorResponse, OauthError};
pub use provider::{Provider, SubjectTokenType, TokenResponse};
pub use registration::{ClientAuth, ClientCredentials, ClientSettings, Registration};
pub use userinfo::Userinfo;
