//! Decisions: verified claims and rules in, a [`Verdict`] out. Pure; the time is given.

pub mod admission;
pub mod endpoint;
pub mod glob;
pub mod id_token;
pub mod oidc_identity;

pub mod pointer;
pub mod profile;
pub mod role;
pub mod scope;
pub mod times;
pub mod verdict;

pub use admission::{Account, Rules, Signer};
pub use endpoint::{Endpoint, EndpointError};
pub use verdict::{Detail, Finding, Reason, State, Verdict};
