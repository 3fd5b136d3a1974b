//! Login through an OpenID Connect provider: in the browser with a code and PKCE, by an address
//! that a person pastes back, or on another device.

pub mod account;
pub mod callback;
pub mod device;
pub mod entry;
pub mod fault;
pub mod listener;
pub mod page;
pub mod person;
pub mod redirect;
pub mod request;
