//! Synchronization of roles and projects with Slurm accounting, without an LDAP directory.
//!
//! [`run()`] shows the flow. The whole output of sacctmgr is read first ([`crate::slurm`]). A [`SlurmPlan`] is a
//! pure value, computed from the answer and the user table; it is computed again inside the transaction that
//! makes the changes.

pub mod check;
pub mod plan;
pub mod report;
pub mod request;
pub(super) mod rights;
pub mod run;

pub use check::{SlurmCheckReport, check};
pub use plan::SlurmPlan;
pub use report::{SlurmSyncCounts, SlurmSyncReport};
pub use request::{SlurmSyncOptions, SlurmSyncRequest};
pub use run::{SlurmSyncObserver, run};
