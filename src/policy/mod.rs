//! Decisions about tokens, each reported as a [`Verdict`], and about the roles of users ([`role_map`]). The
//! functions here do no I/O and do not read the clock.

pub mod client_address;
pub mod endpoint;
pub mod glob;
pub mod id_token;
pub mod keycloak_settings;
pub mod login_role;
pub mod oidc_identity;
pub mod operation;
pub mod pointer;
pub mod profile;
pub mod profile_checks;
pub mod remedy;
pub mod role_map;
pub mod rules;
pub mod scope;
pub mod server_access;
mod subject;
pub mod times;
mod validators;
pub mod verdict;

pub use endpoint::{Endpoint, EndpointError};
pub use rules::{Account, AllowedAddresses, ServerNote, ServerRules, ServerState, Signer};
pub use validators::issuer_slash_warning;
pub use verdict::{CheckState, Finding, Reason, Verbosity, Verdict};
