//! Errors of Slurm accounting.

use std::path::PathBuf;
use std::time::Duration;

use super::commands::COMMANDS;
use crate::util::diagnostic::diagnostics;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::{quote, quote_path};
use crate::util::time::human_span;

/// Why the output of sacctmgr cannot be used. Partial output is always an error.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// A setting is invalid.
    #[error("{key}: {why}")]
    Setting {
        /// The setting.
        key: String,
        /// The reason.
        why: String,
    },
    /// There are two sections for Slurm.
    #[error("expected only one of the sections auth.slurm and auth.ldap.slurm")]
    TwoSections,
    /// The file with saved output cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The command cannot be started.
    #[error("cannot run {}: {why}", quote_path(.program))]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// The reason.
        why: String,
    },
    /// The command failed.
    #[error("{} {status}{}", quote(.command), after_colon(.message))]
    Failed {
        /// The command.
        command: String,
        /// The exit status or the signal, such as `exited with status 1`.
        status: String,
        /// The last line on standard error; can be empty.
        message: String,
    },
    /// The command did not end in time.
    #[error("{} did not end within {}{}", quote(.command), human_span(.after.as_secs()), after_colon(.message))]
    TimedOut {
        /// The command.
        command: String,
        /// The time limit.
        after: Duration,
        /// The last line on standard error; can be empty.
        message: String,
    },
    /// The output is over the size limit.
    #[error("the output of sacctmgr is larger than {} MiB", .0 / (1024 * 1024))]
    TooLarge(usize),
    /// The output has no lines.
    #[error("the output of sacctmgr is empty: nothing was changed")]
    Empty,
    /// One of the two commands printed nothing.
    #[error("the output of 'sacctmgr show {0}' is missing: nothing was changed")]
    MissingTable(&'static str),
    /// A line is malformed.
    #[error("the output of sacctmgr is malformed: line {line}: {why}")]
    Malformed {
        /// The number of the line, from 1.
        line: usize,
        /// The reason.
        why: &'static str,
    },
    /// Rows are missing.
    #[error("the output of sacctmgr is partial: {0}: nothing was changed")]
    Partial(PartialAnswer),
    /// A configured cluster is not in the answer.
    #[error("Slurm does not have the cluster {}: found {}", quote(.name), names(.found))]
    UnknownCluster {
        /// The cluster.
        name: String,
        /// The clusters in the answer.
        found: Vec<String>,
    },
}

/// The sign of partial output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartialAnswer {
    /// `show user` always has the user `root`.
    #[error("the user 'root' is missing")]
    RootUser,
    /// `show assoc` has at least one cluster.
    #[error("there is no cluster")]
    NoCluster,
    /// `show assoc` has the account `root` in each cluster.
    #[error("the account 'root' is missing in the cluster {}", quote(.0))]
    RootAccount(String),
    /// The parent of an account is in the same cluster, up to `root`.
    #[error("the account {} of the cluster {} does not lead to 'root'", quote(.account), quote(.cluster))]
    Parent {
        /// The cluster.
        cluster: String,
        /// The account.
        account: String,
    },
    /// A user in an account is in `show user` as well.
    #[error("the user {} of the account {} is not in the output of 'sacctmgr show user'", quote(.user), quote(.account))]
    User {
        /// The account.
        account: String,
        /// The user.
        user: String,
    },
}

diagnostics! { SlurmError:
    Self::Setting { .. } => Kind::ConfigValue;
    Self::TwoSections => Kind::ConfigValue,
        "remove auth.slurm if 'cc-user sync-ldap' applies Slurm as well, otherwise auth.ldap.slurm";
    Self::File(error) => error.kind(), error.hint();
    Self::NotStarted { .. } => Kind::SlurmUnavailable,
        "set 'sacctmgr' in the section 'slurm' to the path of the program, or 'saved-output' to a file with its output";
    Self::Failed { .. } => Kind::SlurmUnavailable;
    Self::TimedOut { .. } => Kind::SlurmUnavailable;
    Self::TooLarge(_) => Kind::SlurmMalformed;
    Self::Empty => Kind::SlurmPartial, privileges();
    Self::MissingTable(_) => Kind::SlurmPartial, format!("save the output of both commands: {}", saved());
    Self::Malformed { .. } => Kind::SlurmMalformed, format!("save the output of these commands: {}", saved());
    Self::Partial(_) => Kind::SlurmPartial, privileges();
    Self::UnknownCluster { .. } => Kind::SlurmClusterUnknown, "check 'clusters' in the section 'slurm', and --cluster";
}

/// With `PrivateData` in slurmdbd.conf, Slurm answers an account without privileges with success and a
/// part of the rows.
const fn privileges() -> &'static str {
    "run sacctmgr as root, as SlurmUser or as an operator of Slurm"
}

/// The commands whose output is read, for a shell.
fn saved() -> String {
    COMMANDS.map(|arguments| format!("sacctmgr {}", arguments.join(" "))).join("; ")
}

fn names(found: &[String]) -> String {
    found.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {}", quote(message)) }
}
