//! Logins and sessions.
//!
//! [`log_in`] takes a [`LoginRequest`] from the request to the stored [`Session`]; a [`LoginUi`] asks
//! for passwords and shows what the user has to do. [`chain::login`] tries LDAP, token and local
//! password in the server's order: a user that the LDAP server rejects is not accepted by another
//! method. [`attempt_limit`] limits failed logins. [`stored`] is about the session that is stored:
//! status, token and logout; [`refresh`](mod@refresh) renews it.

pub mod attempt_limit;
pub mod chain;
mod context;
pub mod error;
pub mod flow;
pub mod identity;
pub mod ldap;
pub mod local;
pub mod oidc;
pub mod refresh;
pub mod remote;
mod row;
pub mod session;
pub mod session_error;
mod start;
pub mod stored;
pub mod token;
pub mod ui;

pub use attempt_limit::Attempts;
pub use chain::{Credentials, login};
pub use context::LoginContext;
pub use error::LoginError;
pub use flow::{LoginRequest, log_in};
pub use identity::{Identity, Method};
pub use session::Session;
pub use ui::{LoginEnvironment, LoginUi};
