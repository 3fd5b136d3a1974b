//! The user database.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::DoctorRequest;
use super::finding::{Area, Findings, SourceFindings};
use super::remedy::user_options;
use crate::accounts::DisabledUsers;
use crate::config::Settings;
use crate::user::{AuthSource, Role};
use crate::user_db::{OpenMode, UserDb, UserDbError, UserFilter, UserRecord, companion_files};
use crate::util::count::counted;
use crate::util::diagnostic::Diagnostic as _;
use crate::util::note::{Note, Notes};
use crate::util::quote::{quote, quote_path};
use crate::util::shell::word as shell_word;

/// The maximum number of users that a finding names.
const MOST_NAMED: usize = 5;

/// Opens the database without writing anything, and checks its schema, its files and its rows.
pub(super) fn examine(request: &DoctorRequest, settings: Option<&Settings>, findings: &mut Findings) {
    let path = match (settings, &request.sources.db) {
        (Some(settings), _) => match settings.database() {
            Ok(path) => path.to_owned(),
            Err(error) => return findings.of(Area::Database, "the database").error(&error),
        },
        (None, Some(db)) => db.value.clone(),
        (None, None) => {
            return findings
                .of(Area::Database, "the database")
                .skip("database", "its path is in the configuration, which is not valid");
        }
    };
    let mut of_database = findings.of(Area::Database, quote_path(&path));
    if !check_files(&path, &mut of_database) {
        return of_database.skip("database", "the user table is read after this is corrected");
    }
    let db = match UserDb::open_with_timeout(&path, OpenMode::ReadOnly, request.lock_timeout) {
        Ok(db) => db,
        Err(error) => return of_database.error(&error),
    };
    check_migration(&db, &mut of_database);
    match check_rows(&db, user_options(&request.sources), &mut of_database) {
        Ok(count) => {
            let version = db.migration().map_or_else(
                || "no server has opened it yet".to_owned(),
                |migration| format!("schema version {}", migration.version),
            );
            of_database.pass("database", format!("{}, {version}", counted(count, "user")));
        }
        Err(error) => of_database.error(&error),
    }
}

/// Checks the schema version, and that its migration is complete.
fn check_migration(db: &UserDb, findings: &mut SourceFindings<'_>) {
    let mut notes = Notes::new();
    db.warn_of_migration(&mut notes);
    for Note { check, text, .. } in notes {
        match check {
            Some(check @ "database-migration-failed") => {
                findings.fail(check, text, Some("restore the database from a backup".to_owned()));
            }
            Some(check) => {
                findings.warn(check, text, Some("install a newer version of this package".to_owned()))
            }
            None => {}
        }
    }
}

/// Checks that the files of SQLite beside the database belong to its owner: otherwise the account of the
/// server cannot open its own database.
fn check_files(path: &Path, findings: &mut SourceFindings<'_>) -> bool {
    let Ok(database) = std::fs::metadata(path) else { return true };
    let mut is_readable = true;
    for file in companion_files(path) {
        let Ok(metadata) = std::fs::symlink_metadata(&file) else { continue };
        if metadata.uid() != database.uid() {
            is_readable &= !rustix::process::geteuid().is_root();
            let file = file.to_string_lossy();
            findings.fail(
                "database-file-owner",
                format!(
                    "{} belongs to the account with the user ID {}, and the database to {}: the server may not be \
                     able to open it",
                    quote(&file),
                    metadata.uid(),
                    database.uid()
                ),
                Some(format!("chown --reference={} {}", shell_word(&path.to_string_lossy()), shell_word(&file))),
            );
        }
    }
    is_readable
}

/// What the rows of the user table lack.
#[derive(Default)]
struct RowFindings {
    /// The options of cc-user in remedies.
    options: String,
    count: u64,
    has_admin: bool,
    invalid: Vec<UserDbError>,
    without_roles: Vec<String>,
    only_unknown_roles: Vec<String>,
    unknown_source: Vec<String>,
    managers_without_project: Vec<String>,
    local_without_password: Vec<String>,
    in_grace: Vec<String>,
}

/// Checks every row, and returns the number of users.
fn check_rows(db: &UserDb, options: String, findings: &mut SourceFindings<'_>) -> Result<u64, UserDbError> {
    let disabled = match DisabledUsers::load(db.path()) {
        Ok(disabled) => disabled,
        Err(error) => {
            findings.error(&error);
            DisabledUsers::default()
        }
    };
    let mut problems = RowFindings { options, ..RowFindings::default() };
    db.for_each(&UserFilter::default(), |record| {
        problems.add(record, &disabled);
        Ok::<(), UserDbError>(())
    })?;
    problems.report(findings);
    Ok(problems.count)
}

impl RowFindings {
    fn add(&mut self, record: UserRecord, disabled: &DisabledUsers) {
        self.count += 1;
        let user = &record.user;
        self.has_admin |= user.has_role(Role::Admin);
        if !record.invalid_columns.is_empty() {
            if self.invalid.len() < MOST_NAMED {
                let UserRecord { user, invalid_columns, .. } = record;
                self.invalid.push(UserDbError::InvalidRow { name: user.username, invalid_columns });
            }
            return;
        }
        let is_disabled = disabled.contains(&record);
        let is_api_only = user.roles.iter().all(|role| role == "api");
        for (applies, list) in [
            (user.roles.is_empty() && !is_disabled, &mut self.without_roles),
            (
                !user.roles.is_empty() && user.roles.iter().all(|role| role.parse::<Role>().is_err()),
                &mut self.only_unknown_roles,
            ),
            (
                disabled.entry_of(&record).is_some_and(|entry| entry.missing_since.is_some()),
                &mut self.in_grace,
            ),
            (matches!(user.source, AuthSource::Unknown(_)), &mut self.unknown_source),
            (user.has_role(Role::Manager) && user.projects.is_empty(), &mut self.managers_without_project),
            (
                user.source == AuthSource::Local && !record.has_password && !is_api_only,
                &mut self.local_without_password,
            ),
        ] {
            if applies {
                list.push(user.username.clone());
            }
        }
    }

    fn report(&self, findings: &mut SourceFindings<'_>) {
        if self.count == 0 {
            findings.warn(
                "no-users",
                "the user table is empty",
                Some(format!("cc-user add NAME --role admin{}", self.options)),
            );
        } else if !self.has_admin {
            findings.warn(
                "last-admin",
                "no user has the role admin",
                Some(format!("cc-user role add NAME admin{}", self.options)),
            );
        }
        for error in &self.invalid {
            // The remedy is a command that ends with the name of the input.
            let hint = error.hint().map(|hint| format!("{hint}{}", self.options));
            findings.fail(error.kind().name(), error.to_string(), hint);
        }
        self.report_users(findings);
        if !self.in_grace.is_empty() {
            let message = format!(
                "{} {}",
                named(&self.in_grace),
                "is disabled, because the LDAP directory does not have the user (see --disabled of cc-user-list(1))"
            );
            findings.pass("users-in-grace", message);
        }
    }

    fn report_users(&self, findings: &mut SourceFindings<'_>) {
        type Remedy = fn(&str) -> String;
        let rows: [(&'static str, &[String], &str, Remedy); 5] = [
            ("no-role", &self.without_roles, "does not have a role", |name| {
                format!("cc-user role add {name} user")
            }),
            ("no-role", &self.only_unknown_roles, "does not have a role that the server knows", |name| {
                format!("cc-user set {name} --role user")
            }),
            (
                "unknown-source",
                &self.unknown_source,
                "has an auth source that the server does not know, and cannot log in",
                |_| "set the column ldap of the row to 0 (local), 1 (ldap), 2 (token) or 3 (oidc)".to_owned(),
            ),
            (
                "manager-without-project",
                &self.managers_without_project,
                "is a manager without a project",
                |name| format!("cc-user project add {name} PROJECT"),
            ),
            (
                "no-password",
                &self.local_without_password,
                "is a local user without a password, and cannot log in with one",
                |name| format!("cc-user passwd {name}"),
            ),
        ];
        for (check, names, what, remedy) in rows {
            let Some(first) = names.first() else { continue };
            let hint = remedy(&shell_word(first).to_string());
            let options = if check == "unknown-source" { "" } else { self.options.as_str() };
            findings.warn(check, format!("{} {what}", named(names)), Some(format!("{hint}{options}")));
        }
    }
}

/// The names of users for a message; the verb that follows is singular.
fn named(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(MOST_NAMED).map(|name| quote(name)).collect();
    match names.len() {
        1 => shown.concat(),
        count => format!(
            "each of {count} users ({}{})",
            shown.join(", "),
            if count > MOST_NAMED { ", …" } else { "" }
        ),
    }
}
