//! The client of a Stronghold, OpenBao or Vault server: logins, tokens, and the roles of a mount.
//!
//! [`ServerSettings`] are resolved from options and three families of environment variables;
//! [`StrongholdClient`] sends the requests, in one namespace. Requests and answers are those of OpenBao
//! 2.7; Stronghold and Vault have the same interface. No request follows a redirect, and a token is sent
//! to the server of the settings only.
//!
//! ```no_run
//! use cc_auth::stronghold::{ConnectionOptions, ServerSettings, StrongholdClient};
//! # fn main() -> Result<(), cc_auth::stronghold::StrongholdError> {
//! # let environment = cc_auth::util::environment::Environment::default();
//! let settings = ServerSettings::resolve(&ConnectionOptions::default(), &environment)?;
//! let client = StrongholdClient::new(settings, &environment)?;
//! println!("{}", client.health()?.version);
//! # Ok(())
//! # }
//! ```

mod answer;
mod auth;
mod client;
mod error;
mod mount;
mod path;
mod settings;
mod source;
mod token;

pub use answer::{IssuedToken, LoginAnswer, MfaConstraint, MfaMethod, MfaRequirement, WrappedToken};
pub use auth::{AuthUrl, AuthUrlRequest, JwtLogin, PollAnswer};
pub use client::{Health, StrongholdClient};
pub use error::{ServerAction, StrongholdError};
pub use path::{MountPath, MountPathError, Namespace, NamespaceError};
pub use settings::{
    ConnectionOptions, FoundToken, ServerSettings, Setting, VariableKind, token_of_environment,
};
pub use source::SettingSource;
pub use token::TokenStatus;
