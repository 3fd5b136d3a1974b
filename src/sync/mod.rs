//! Directory against user table: a plan, then its execution.
//!
//! The directory is read to its end first ([`crate::ldap`]); a [`Plan`] is then a pure value
//! made of what it has, who is known, and [`SyncRules`]. [`execute()`] makes the plan anew inside a
//! transaction, so that what it does is true of the table as it is at that moment, and does all
//! of it or nothing.

pub mod execute;
pub mod limit;
pub mod plan;

pub use execute::{SyncError, execute, preview};
pub use limit::{DeletionLimit, DeletionLimitError};
pub use plan::{Plan, PlanRejection, Planner, SyncRules};
