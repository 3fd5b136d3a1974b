//! Login through an OpenID provider: in a browser with an authorization code and PKCE, with a URL that
//! the user pastes, on another device, or without a user.

pub mod callback;
pub(in crate::login) mod connection;
pub mod device;
pub mod error;
pub mod flow;
pub mod gate;
pub mod id_token;
mod job;
pub mod listener;
mod local_http;
pub mod page;
mod peer;
pub mod provider_config;
pub mod redirect;
pub mod request;
pub mod user_row;
