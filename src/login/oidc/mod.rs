//! Login through an OpenID Connect provider: in the browser with a code and PKCE, by an address
//! that a person pastes back, or on another device.

pub mod callback;
pub mod device;
pub mod error;
pub mod gate;
pub mod id_token;
pub mod listener;
mod local_http;
pub mod page;
mod peer;
pub mod provider_config;
pub mod redirect;
pub mod request;
pub mod user_row;
