//! Login through an OpenID Connect provider: in the browser with a code and PKCE, by an address
//! that a person pastes back, or on another device.

pub mod account;
pub mod callback;
pub mod device;
mod exchange;
pub mod fault;
pub mod gate;
pub mod id_token;
pub mod listener;
pub mod page;
mod peer;
pub mod provider_config;
pub mod redirect;
pub mod request;
