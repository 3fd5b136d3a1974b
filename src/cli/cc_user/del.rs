//! `cc-user del`.

use clap::Args;

use super::server::ServerLoginOptions;
use super::{DatabaseOptions, complete};
use crate::accounts::{self, DeleteRequest};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::user::AuthSource;
use crate::util::diagnostic::ExitStatus;

/// Delete users: all of them or none
#[derive(Debug, Args)]
pub(super) struct Del {
    /// The usernames
    #[arg(value_name = "NAME", required = true, add = complete::usernames())]
    names: Vec<String>,

    /// Delete users of this auth source; the next sync or login adds those of ldap, token and oidc
    /// again
    #[arg(long, value_name = "SOURCE", add = complete::sources())]
    source: Option<String>,

    #[command(flatten)]
    server: ServerLoginOptions,
}

pub(super) fn run(
    del: Del,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let source = del
        .source
        .as_deref()
        .map(str::parse::<AuthSource>)
        .transpose()
        .map_err(|error| UsageError::new(format!("--source: {error}")))?;
    let mut store = database.open_users_with_login(&del.server, console)?;
    let request = DeleteRequest { usernames: del.names, source };
    let report = accounts::delete(&mut store, request)?;
    console.notes(report.notes.clone());
    if console.is_json() {
        console.json(&report)?;
    }
    Ok(ExitStatus::Success)
}
