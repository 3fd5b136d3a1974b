//! Logins and sessions.
//!
//! [`log_in`] processes a [`LoginRequest`] up to the stored [`Session`]; a [`LoginUi`] prompts for
//! passwords and prints the steps for the user. [`chain::login`] tries LDAP, token and local
//! password in the server's order: if the LDAP server rejects a user, no other method is tried.
//! [`ci_identity`] fetches the token that a CI system issues to a job.
//! [`attempt_limit`] limits failed logins. [`stored`] contains the operations on a stored session;
//! [`refresh`](mod@refresh) renews it.

pub mod attempt_limit;
pub mod chain;
pub mod ci_identity;
mod context;
pub mod error;
pub mod flow;
pub mod identity;
pub mod ldap;
pub mod local;
mod login_role;
pub mod methods;
pub mod network;
pub mod oidc;
mod outcome;
pub mod refresh;
pub mod remote;
mod row;
pub mod selection;
pub mod session;
pub mod session_error;
pub mod session_file;
pub mod session_key;
pub mod session_store;
pub mod session_token;
mod start;
pub mod stored;
pub mod stronghold;
pub mod token;
pub mod token_demand;
pub mod ui;

pub use attempt_limit::Attempts;
pub use chain::{Credentials, login};
pub use ci_identity::{CiAccess, CiIdentity};
pub use context::LoginContext;
pub use error::LoginError;
pub use flow::{LoginRequest, log_in};
pub use identity::{Identity, Method};
pub use methods::{LoginMethodReport, UserDetails};
pub use network::NetworkOptions;
pub use outcome::LoginOutcome;
pub use selection::{SessionPlace, SessionSelection};
pub use session::Session;
pub use session_token::SessionToken;
pub use token_demand::{TokenDemand, TokenKind};
pub use ui::{LoginEnvironment, LoginUi};
