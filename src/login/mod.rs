//! Who is it: the chain of methods, attempts, the session that is kept.
//!
//! [`chain::login`] asks the methods in the server's order, and the first that is meant for
//! somebody decides: nobody whom the directory refuses is let in by another way.
//! [`attempt_limit`] makes guessing slow, [`session`] remembers who it was.

pub mod attempt_limit;
pub mod chain;
mod context;
pub mod error;
pub mod identity;
pub mod ldap;
pub mod local;
pub mod oidc;
pub mod paths;
mod row;
pub mod session;
pub mod token;

pub use attempt_limit::Attempts;
pub use chain::{Credentials, login};
pub use context::LoginContext;
pub use error::LoginError;
pub use identity::{Identity, Method};
pub use session::Session;
