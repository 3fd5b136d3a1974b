//! `cc-user list`.

use clap::Args;

use super::{DatabaseOptions, complete};
use crate::accounts::report::list;
use crate::accounts::{DisabledUsers, UserReport};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::table::Table;
use crate::user::{AuthSource, Role, RoleError};
use crate::user_db::{OpenMode, UserDb, UserDbError, UserFilter, UserRecord};
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::escape;

/// List the users
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    which: UserSelection,

    /// Print only the usernames, one per line
    #[arg(long, conflicts_with = "json")]
    names: bool,
}

/// The users that match all of these options.
#[derive(Debug, Args)]
pub(super) struct UserSelection {
    /// Only users with this role
    #[arg(long, value_name = "ROLE", add = complete::roles())]
    role: Option<String>,

    /// Only users of this auth source: local, ldap, token or oidc
    #[arg(long, value_name = "SOURCE", add = complete::sources())]
    source: Option<String>,

    /// Only managers of this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
}

impl UserSelection {
    pub(super) fn filter(self) -> Result<UserFilter, Failure> {
        let role =
            self.role.map(|role| role.parse::<Role>()).transpose().map_err(|error: RoleError| error)?;
        let source = self
            .source
            .map(|source| source.parse::<AuthSource>())
            .transpose()
            .map_err(|error| UsageError::new(format!("--source: {error}")))?;
        Ok(UserFilter { role, source, project: self.project })
    }
}

pub(super) fn run(
    arguments: List,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let filter = arguments.which.filter()?;
    let store = database.open(OpenMode::Read, console)?;
    if console.is_json() {
        in_json(&store, &filter, console)
    } else if arguments.names {
        each(&store, &filter, console, |record, console| Ok(console.line(&escape(&record.user.username))?))
    } else {
        in_a_table(&store, &filter, console)
    }
}

/// The disabled users; none, with a warning, if their file cannot be read.
pub(super) fn disabled_users(store: &UserDb, console: &mut Console) -> DisabledUsers {
    DisabledUsers::load(store.path()).unwrap_or_else(|error| {
        console.warn("disabled-users-unreadable", &format!("disabled users are not shown: {error}"));
        DisabledUsers::default()
    })
}

/// Calls `show` with every record. A record with an invalid column is shown and reported, and the
/// list ends with the status of that error.
fn each(
    store: &UserDb,
    filter: &UserFilter,
    console: &mut Console,
    mut show: impl FnMut(&UserRecord, &mut Console) -> Result<(), Failure>,
) -> Result<ExitStatus, Failure> {
    let mut status = ExitStatus::Success;
    let visited = store.for_each(filter, |record| {
        show(&record, console)?;
        if !record.invalid_columns.is_empty() {
            let error = UserDbError::InvalidRow {
                name: record.user.username,
                invalid_columns: record.invalid_columns,
            };
            status = report_invalid_row(error, console);
        }
        if console.is_reader_gone() { Err(ListEnd::ReaderGone) } else { Ok(()) }
    });
    match visited {
        Ok(()) | Err(ListEnd::ReaderGone) => Ok(status),
        Err(ListEnd::Failure(failure)) => Err(failure),
    }
}

/// Reports a record with an invalid column; the list continues.
pub(super) fn report_invalid_row(error: UserDbError, console: &mut Console) -> ExitStatus {
    let failure = Failure::from(error);
    console.report(&failure);
    failure.status()
}

/// Why a list ends early.
pub(super) enum ListEnd {
    /// The reader closed standard output, as `| head -1` does.
    ReaderGone,
    /// Something failed.
    Failure(Failure),
}

impl<F: Into<Failure>> From<F> for ListEnd {
    fn from(failure: F) -> Self {
        Self::Failure(failure.into())
    }
}

/// Prints one JSON array with a line per user; one record is in memory at a time.
fn in_json(store: &UserDb, filter: &UserFilter, console: &mut Console) -> Result<ExitStatus, Failure> {
    let disabled = disabled_users(store, console);
    let mut before = "[\n";
    let status = each(store, filter, console, |record, console| {
        console.text(before)?;
        before = ",\n";
        Ok(console.json_item(&UserReport::new(record, &disabled))?)
    })?;
    console.line(if before == "[\n" { "[]" } else { "\n]" })?;
    Ok(status)
}

fn in_a_table(store: &UserDb, filter: &UserFilter, console: &mut Console) -> Result<ExitStatus, Failure> {
    let mut table = Table::new(&["USERNAME", "ROLES", "SOURCE", "PROJECTS", "NAME", "EMAIL"]);
    let mut count = 0_u64;
    let disabled = disabled_users(store, console);
    let status = each(store, filter, console, |record, _| {
        let user = &record.user;
        let roles = if record.invalid_columns.iter().any(|broken| broken.column == "roles") {
            "(invalid)".to_owned()
        } else if disabled.contains(record) {
            "(disabled)".to_owned()
        } else {
            list(&user.roles)
        };
        table.row(&[
            &user.username,
            &roles,
            &user.source.to_string(),
            &list(&user.projects),
            user.name.as_deref().unwrap_or("-"),
            user.email.as_deref().unwrap_or("-"),
        ]);
        count += 1;
        Ok(())
    })?;
    if count == 0 {
        console.note("no users found");
        return Ok(status);
    }
    for (index, line) in table.lines().into_iter().enumerate() {
        if index == 0 {
            let heading = console.paint("1", &line);
            console.line(&heading)?;
        } else {
            console.line(&line)?;
        }
    }
    Ok(status)
}
