//! Synchronization of the user table with the LDAP directory: search, plan, limits, execution, report.
//!
//! [`run()`] shows the flow. The LDAP search is read to its end first ([`crate::ldap`]). A [`Plan`] is a
//! pure value, computed from the answer, the user table and the [`SyncRules`]. [`execute()`] computes it
//! again inside a transaction, so that it is correct for the table at that moment, and makes all
//! changes or none. [`watch()`] repeats runs, and a [`MetricsFile`] has the numbers of the last one.
//!
//! Nothing here prints or reads a clock: a [`SyncObserver`] receives notes and the [`SyncReport`], and
//! the clocks are arguments.

pub mod check;
mod database;
pub mod error;
pub mod execute;
mod ldap_rights;
pub mod limit;
pub mod metrics;
pub mod missing;
pub mod plan;
pub mod planner;
pub mod report;
pub mod request;
pub mod rights;
mod rights_report;
pub mod rules;
pub mod run;
mod similar_usernames;
pub mod slurm;
pub mod user_rights;
pub mod watch;

pub use check::{CheckReport, RuleReport, check, check_ldap};
pub use error::{GroupMapErrors, PlanRejection, SyncError};
pub use execute::{execute, preview};
pub use ldap_rights::GroupSummary;
pub use limit::{DeletionLimit, DeletionLimitError};
pub use metrics::MetricsFile;
pub use missing::UserInGrace;
pub use plan::Plan;
pub use planner::Planner;
pub use report::{SyncCounts, SyncReport};
pub use request::{SyncOptions, SyncRequest, WatchInterval, configured_grace, warn_of_server_sync};
pub use rights::{GivenBy, Rights, RightsCounts};
pub use rights_report::{ChangedUserReport, RightsByHand, RightsList};
pub use rules::{MissingUsers, SyncRules};
pub use run::{SyncObserver, run};
pub use user_rights::{ExplainedRight, RightState, RightsExplanation, explain};
pub use watch::watch;
