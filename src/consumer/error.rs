//! Why the token in a consumer's file is not renewed.

use std::path::PathBuf;
use std::time::Duration;

use super::edit::EditError;
use crate::accounts::AccountsError;
use crate::config::ConfigError;
use crate::issue::IssueError;
use crate::key::KeyError;
use crate::renew::OutputError;
use crate::user_db::UserDbError;
use crate::util::diagnostic::diagnostics;
use crate::util::duration::GoDuration;
use crate::util::file::{FileError, shell_word};
use crate::util::kind::Kind;
use crate::util::quote::{quote, quote_path};

/// Why the token in a consumer's file is not renewed.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The settings of the server cannot be read, or have no key.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file cannot be locked or read.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The user table cannot be read, or does not have the user.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// The user is disabled, or the file of disabled users cannot be read.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// No token was issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The user does not have a role.
    #[error("the user {} does not have a role: no endpoint accepts the token", quote(.0))]
    NoRoles(String),
    /// Neither the command nor the configuration sets a lifetime.
    #[error("the lifetime of the token is not set: a token that is renewed must expire")]
    NoLifetime,
    /// The token would be due as soon as it is issued.
    #[error(
        "invalid renewal time {}: expected less than the lifetime of the token, {}",
        .renew_before, .lifetime
    )]
    RenewBefore {
        /// The time before the expiry.
        renew_before: GoDuration,
        /// The lifetime.
        lifetime: GoDuration,
    },
    /// The value of the member cannot be replaced.
    #[error("{}: {problem}", place(.path, .member))]
    Edit {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// The reason.
        problem: EditError,
    },
    /// The owner, group or mode of the file is not the expected one.
    #[error("{}: expected {expected}, found {found}: nothing was written", quote_path(.path))]
    Access {
        /// The file.
        path: PathBuf,
        /// The expected owner, group or mode.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A name of an account or group is unknown.
    #[error("{what} {} does not exist in {file}: expected a name in this file, or a number", quote(.name))]
    UnknownAccount {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// The file of names.
        file: &'static str,
    },
    /// The command after a change failed.
    #[error("{}: the token was renewed, but the command {} {failure}; the next run repeats it", quote_path(.path), quote(.command))]
    Command {
        /// The file.
        path: PathBuf,
        /// The command.
        command: String,
        /// What happened.
        failure: CommandFailure,
    },
}

/// Why a command after a change failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandFailure {
    /// It cannot be started.
    #[error("cannot be started: {0}")]
    Start(String),
    /// Its exit status is not 0.
    #[error("exited with status {0}")]
    Status(i32),
    /// A signal terminated it.
    #[error("was terminated by signal {0}")]
    Signal(i32),
    /// It exceeded its time limit and was terminated.
    #[error("did not end within {} and was terminated", GoDuration::from_seconds(i64::try_from(.0.as_secs()).unwrap_or(i64::MAX)))]
    Timeout(Duration),
}

fn place(path: &std::path::Path, member: &str) -> String {
    if member.is_empty() { quote_path(path) } else { quote(&format!("{}#{member}", path.to_string_lossy())) }
}

/// Whether a member of a JSON or YAML file is written with dots, as the settings of other files.
fn is_pointer_without_slash(path: &std::path::Path, member: &str) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["json", "yaml", "yml"].contains(&extension) && !member.is_empty() && !member.starts_with('/')
}

diagnostics! { ConsumerError:
    Self::Config(error) => error.kind(), error.hint();
    Self::Key(error) => error.kind(), error.hint();
    Self::Output(error) => error.kind(), error.hint();
    Self::File(error) => error.kind(), error.hint();
    Self::UserDb(error) => error.kind(), error.hint();
    Self::Accounts(error) => error.kind(), error.hint();
    Self::Issue(error) => error.kind(), error.hint();
    Self::NoRoles(user) => Kind::UserWithoutRoles,
        format!("add one: cc-user role add {} api", shell_word(user));
    Self::NoLifetime => Kind::RenewalNoLifetime, "give --ttl 24h, or set auth.jwts.max-age";
    Self::RenewBefore { .. } => Kind::RenewalTimes;
    Self::Edit { path, problem: EditError::Missing { similar: Some(similar), .. }, .. } =>
        Kind::TargetMissing, format!(
            "did you mean --into {}?",
            shell_word(&format!("{}#{similar}", path.to_string_lossy()))
        );
    Self::Edit { path, member, problem: EditError::Missing { members, .. } }
        if members.is_empty() && is_pointer_without_slash(path, member) =>
        Kind::TargetMissing, format!(
            "a member of JSON or YAML is a JSON pointer after '#': --into {}",
            shell_word(&format!("{}#/{}", path.to_string_lossy(), member.replace('.', "/")))
        );
    Self::Edit { problem: EditError::Missing { .. }, .. } => Kind::TargetMissing;
    Self::Edit { member, problem: EditError::NotAToken, .. } if member.is_empty() =>
        Kind::TargetNotAToken, "add the member with the token to the target: FILE#/json/pointer or FILE#SETTING";
    Self::Edit { problem: EditError::NotAToken, .. } =>
        Kind::TargetNotAToken, "if the token belongs there, replace the value by an empty string first";
    Self::Edit { problem: EditError::Malformed(_), .. } => Kind::TargetMalformed;
    Self::Edit { .. } => Kind::TargetNotEditable;
    Self::Access { .. } => Kind::TargetAccess;
    Self::UnknownAccount { .. } => Kind::AccountUnknown;
    Self::Command { .. } => Kind::RenewalCommandFailed;
}
