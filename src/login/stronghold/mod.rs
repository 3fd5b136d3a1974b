//! Login at a Stronghold, OpenBao or Vault server: with a JWT or through its provider. The token that
//! the server issues becomes the session.

mod command_token;
pub mod error;
mod explain;
mod flow;
mod helper;
mod mfa;
mod provider;
mod redirected;
mod request;
pub(super) mod token;

pub use command_token::CommandToken;
pub use flow::log_in;
pub use helper::{erase_for_helper, store_for_helper, token_for_helper};
pub use request::{JwtSource, ProviderLoginOptions, StrongholdFlow, StrongholdRequest};
pub use token::settings_origin;
