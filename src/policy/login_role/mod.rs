//! Login roles: which tokens may log in, and under which identity, decided as the JWT method of Stronghold,
//! Vault and OpenBao decides, so that a role written for them is used here unchanged.
//!
//! A [`RoleConfig`] and a [`LoginRole`] are read strictly from JSON; [`fn@evaluate`] takes a token's
//! claims up the ladder of checks. Where the reference server decides by accident (a fraction cut
//! off before it is compared, an index `0x1` in a pointer), the token is rejected here, and the reason
//! says so.
//!
//! ```
//! use cc_auth::policy::login_role::LoginRole;
//! use serde_json::json;
//! let faults = LoginRole::read("demo", &json!({"role_type": "jwt", "bound_claim": {}})).unwrap_err();
//! assert_eq!(faults[0].to_string(), "demo.bound_claim: unknown field; did you mean 'bound_claims'?");
//! ```

mod bound_claims;
mod check_sequence;
mod config;
mod error;
mod evaluate;
mod field;
mod identity;
mod issued;
mod lint;
mod registered;
mod role;
pub mod seconds;
mod set;
mod times;

pub use config::{RoleConfig, RoleKeySource, RoleKeyUrl};
pub use error::LoginRoleError;
pub use evaluate::{CHECKS, Flow, evaluate, unknown_role};
pub use identity::Login;
pub use lint::{ANY_ISSUER, config_warnings, role_warnings};
pub use role::{BoundClaim, LoginRole, Matching, RoleType};
pub use set::LoginRoleSet;
