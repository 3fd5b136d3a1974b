//! Login roles: which tokens can log in, and as which user. The rules are those of the JWT auth method of
//! Stronghold, Vault and OpenBao, so that a role written for them works here unchanged.
//!
//! A [`RoleConfig`] and a [`LoginRole`] are read from JSON, where an unknown field is an error;
//! [`fn@evaluate`] checks a token against them. A token that the reference server accepts only by a
//! defect (a fraction truncated before a comparison, an index `0x1` in a pointer) is rejected here, with
//! a reason that names the difference.
//!
//! ```
//! use cc_auth::policy::login_role::LoginRole;
//! use serde_json::json;
//! let errors = LoginRole::read("demo", &json!({"role_type": "jwt", "bound_claim": {}})).unwrap_err();
//! assert_eq!(errors[0].to_string(), "demo.bound_claim: unknown field; did you mean 'bound_claims'?");
//! ```

mod auth_url;
mod bound_claims;
mod check_sequence;
mod config;
mod error;
mod evaluate;
mod field;
mod identity;
mod issued;
mod lint;
mod redirect_uri;
mod registered;
mod role;
pub mod seconds;
mod server_only;
mod set;
mod times;

pub use auth_url::{AuthUrlDecision, AuthUrlRejection, predict_auth_url};
pub use config::{RoleConfig, RoleKeySource, RoleKeyUrl, known_config_field};
pub use error::LoginRoleError;
pub use evaluate::{CHECKS, Flow, evaluate, unknown_role};
pub use identity::Login;
pub use issued::CallbackMode;
pub use lint::{ANY_ISSUER, config_warnings, role_warnings};
pub use role::{BoundClaim, LoginRole, Matching, RoleType, known_role_field};
pub use server_only::{ServerOnly, server_only};
pub use set::LoginRoleSet;
