//! Logins through Keycloak, with the settings that `docs/openid-login.md` describes.

mod algorithms;
mod device;
mod jobs;
mod roles;
mod server;
mod sessions;
mod stronghold;
mod tokens;
mod wrong_settings;
