//! Changing roles, projects, full name and mail address of a user.

use std::collections::HashSet;

use serde::Serialize;

use super::error::{AccountsError, AccountsErrors, unknown_user};
use super::report::{UserReport, Wording, list};
use super::returning::{loses_entry, returning_entries};
use super::server_limit::ServerLimit;
use super::sessions::UserChange;
use super::store::{UserStore, UserTable};
use crate::policy::Endpoint;
use crate::user::account::{MANY_PROJECTS, distinct};
use crate::user::{AccountError, AuthSource, EmailAddress, Field, FullName, ProjectName, Role, User};
use crate::user_db::{Transaction, UserDbError, UserRecord};
use crate::util::file::shell_word;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// A change of one user. [`ChangeRequest::new`] has no change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRequest {
    /// The user.
    pub username: String,
    /// The full name.
    pub name: Field<FullName>,
    /// The mail address.
    pub email: Field<EmailAddress>,
    /// The roles.
    pub roles: ListChange<Role>,
    /// The projects.
    pub projects: ListChange<ProjectName>,
    /// Check the change and report it without changing the user table.
    pub dry_run: bool,
}

/// A change of a list. What is added is checked; what is removed need not be valid, so that an entry
/// that the server does not know can be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChange<T> {
    /// The list stays.
    Keep,
    /// The list is replaced by these entries, also if its column is invalid.
    Replace(Vec<T>),
    /// Entries are removed, and others are added.
    Modify {
        /// The entries to add.
        add: Vec<T>,
        /// The entries to remove.
        remove: Vec<String>,
    },
}

impl<T> ListChange<T> {
    /// These entries are added.
    #[must_use]
    pub const fn add(add: Vec<T>) -> Self {
        Self::Modify { add, remove: Vec::new() }
    }

    /// These entries are removed.
    #[must_use]
    pub const fn remove(remove: Vec<String>) -> Self {
        Self::Modify { add: Vec::new(), remove }
    }

    /// The new entries of the list.
    fn added(&self) -> &[T] {
        match self {
            Self::Keep => &[],
            Self::Replace(entries) | Self::Modify { add: entries, .. } => entries,
        }
    }

    /// Whether the change starts from the list as it is.
    const fn needs_list(&self) -> bool {
        matches!(self, Self::Modify { .. })
    }
}

impl ChangeRequest {
    /// A request for this user without a change.
    #[must_use]
    pub const fn new(username: String) -> Self {
        Self {
            username,
            name: Field::Keep,
            email: Field::Keep,
            roles: ListChange::Keep,
            projects: ListChange::Keep,
            dry_run: false,
        }
    }

    /// Checks that the requests of a running server can do the change.
    ///
    /// # Errors
    /// [`AccountsError::NotAtServer`] for each field that they cannot change.
    pub fn check_for_server(&self) -> Result<(), AccountsErrors> {
        let limits = [
            (self.name != Field::Keep, ServerLimit::FullName),
            (self.email != Field::Keep, ServerLimit::Email),
        ];
        let errors: Vec<AccountsError> =
            limits.into_iter().filter(|(is_changed, _)| *is_changed).map(|(_, limit)| limit.into()).collect();
        if errors.is_empty() { Ok(()) } else { Err(AccountsErrors(errors)) }
    }
}

/// A user before and after a change.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeReport {
    /// The user before the change.
    pub before: UserReport,
    /// The user after the change; equal to `before` if nothing had to be changed.
    pub after: UserReport,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Notes and warnings.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub notes: Notes,
}

/// Changes a user: in one transaction of the database, or by one request to the server for each role and project. An
/// entry that exists already, or does not exist to be removed, is a note.
///
/// # Errors
/// All that is wrong with the change together; the errors of the database or server.
pub fn change(store: &mut UserStore, request: &ChangeRequest) -> Result<ChangeReport, AccountsErrors> {
    let options = store.options();
    change_user(store, request, &options).map_err(|errors| errors.with_options(&options))
}

fn change_user(
    store: &mut UserStore,
    request: &ChangeRequest,
    options: &str,
) -> Result<ChangeReport, AccountsErrors> {
    if store.is_server() {
        request.check_for_server()?;
    }
    let sessions = store.sessions();
    let mut table = store.begin()?;
    let mut disabled = table.disabled_users()?;
    let before = table.existing(&request.username)?;
    if disabled.contains(&before) && request.roles != ListChange::Keep {
        return Err(AccountsError::Disabled(before.user.username).into());
    }
    let mut notes = Notes::new();
    let wording = Wording::of(request.dry_run);
    wording.begin(&mut notes);
    let after = table.stored_after(&before, changed(&before, request, &mut notes)?);
    let changes = Changes::between(&before, &after);
    let loses_last_admin = before.user.has_role(Role::Admin)
        && !after.user.has_role(Role::Admin)
        && !table.has_other_admin(&[&request.username])?;
    // An entry of a user who is not disabled would disable the user whose last role is removed.
    let has_old_entry = changes.roles && disabled.set(&request.username, None);
    let returning = returning_entries(&table, &before.user, &after.user)?;
    let reports = (table.report(&before, &disabled), table.report(&after, &disabled));
    write(table, &before, &after, changes, has_old_entry, request.dry_run)?;
    report(&before.user, &after.user, changes, wording, options, &mut notes);
    if let Some(text) = returning {
        notes.note(text);
    }
    if loses_last_admin {
        warn_of_last_admin(&after.user.username, &mut notes);
    }
    if changes.roles && loses_entry(&before.user.roles, &after.user.roles) {
        sessions.warn(UserChange::Roles, &[&after.user.username], &mut notes);
    }
    if changes.projects && loses_entry(&before.user.projects, &after.user.projects) {
        sessions.warn(UserChange::Projects, &[&after.user.username], &mut notes);
    }
    let (before, after) = reports;
    Ok(ChangeReport { before, after, dry_run: request.dry_run, notes })
}

/// The columns that a change writes.
#[derive(Debug, Clone, Copy)]
struct Changes {
    name: bool,
    email: bool,
    roles: bool,
    projects: bool,
}

impl Changes {
    /// The columns that differ, and those that are no longer invalid.
    fn between(before: &UserRecord, after: &UserRecord) -> Self {
        let is_repaired = |column| is_invalid(before, column) && !is_invalid(after, column);
        let (roles_repaired, projects_repaired) = (is_repaired("roles"), is_repaired("projects"));
        let (before, after) = (&before.user, &after.user);
        Self {
            name: before.name != after.name,
            email: before.email != after.email,
            roles: before.roles != after.roles || roles_repaired,
            projects: before.projects != after.projects || projects_repaired,
        }
    }

    const fn any(self) -> bool {
        self.name || self.email || self.roles || self.projects
    }
}

/// The record after the change.
fn changed(
    before: &UserRecord,
    request: &ChangeRequest,
    notes: &mut Notes,
) -> Result<UserRecord, AccountsErrors> {
    let ChangeRequest { username: _, name, email, roles, projects, dry_run: _ } = request;
    if roles.needs_list() {
        require_valid(before, "roles")?;
    }
    if projects.needs_list() {
        require_valid(before, "projects")?;
    }
    let mut after = before.clone();
    let user = &mut after.user;
    set_field(&mut user.name, name, FullName::as_str);
    set_field(&mut user.email, email, EmailAddress::as_str);
    let mut errors = change_roles(user, roles, notes);
    change_projects(user, projects, notes);
    after.invalid_columns.retain(|invalid| match invalid.column {
        "roles" => !matches!(roles, ListChange::Replace(_)),
        "projects" => !matches!(projects, ListChange::Replace(_)),
        _ => true,
    });
    // Only a manager has projects, after the whole change.
    let user = &after.user;
    if !user.has_role(Role::Manager) {
        let is_lost = before.user.has_role(Role::Manager);
        if !projects.added().is_empty() {
            require_valid(&after, "roles")?;
            errors.push(AccountsError::NotManager(user.username.clone()));
        } else if is_lost && require_valid(&after, "projects").is_err() {
            errors.push(invalid_row(&after).into());
        } else if is_lost && !user.projects.is_empty() {
            let projects = user.projects.clone();
            errors.push(AccountsError::ProjectsLeft { username: user.username.clone(), projects });
        }
    }
    if errors.is_empty() { Ok(after) } else { Err(AccountsErrors(errors)) }
}

/// Writes what differs, and removes the old entry of a user who is not disabled. A dry run of a database writes too, and
/// does not commit, so that it has the same errors.
fn write(
    table: UserTable<'_>,
    before: &UserRecord,
    after: &UserRecord,
    changes: Changes,
    has_old_entry: bool,
    dry_run: bool,
) -> Result<(), AccountsErrors> {
    let mut transaction = match table {
        UserTable::Database { transaction } => transaction,
        UserTable::Server(_) if dry_run => return Ok(()),
        UserTable::Server(server) => return Ok(server.change(&before.user, &after.user)?),
    };
    let user = &after.user;
    let username = &user.username;
    if changes.name {
        transaction.set_name(username, user.name.as_deref())?;
    }
    if changes.email {
        transaction.set_email(username, user.email.as_deref())?;
    }
    if changes.roles {
        transaction.set_roles(username, &user.roles)?;
    }
    if changes.projects {
        transaction.set_projects(username, &user.projects)?;
    }
    if !dry_run && changes.any() {
        if has_old_entry {
            transaction.set_disabled(username, None)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// The record of a user, or the error with a similar username.
pub(super) fn existing(transaction: &Transaction<'_>, username: &str) -> Result<UserRecord, UserDbError> {
    match transaction.record(username)? {
        Some(record) => Ok(record),
        None => Err(unknown_user(username, transaction.similar_username(username)?)),
    }
}

/// Rejects the change of a column that the server cannot read.
pub(super) fn require_valid(record: &UserRecord, column: &str) -> Result<(), UserDbError> {
    if is_invalid(record, column) { Err(invalid_row(record)) } else { Ok(()) }
}

fn is_invalid(record: &UserRecord, column: &str) -> bool {
    record.invalid_columns.iter().any(|invalid| invalid.column == column)
}

fn invalid_row(record: &UserRecord) -> UserDbError {
    UserDbError::InvalidRow {
        name: record.user.username.clone(),
        invalid_columns: record.invalid_columns.clone(),
    }
}

fn set_field<T>(value: &mut Option<String>, change: &Field<T>, text: impl Fn(&T) -> &str) {
    match change {
        Field::Keep => {}
        Field::Clear => *value = None,
        Field::Set(new) => *value = Some(text(new).to_owned()),
    }
}

/// Changes the roles; the errors are unknown roles to be removed.
fn change_roles(user: &mut User, change: &ListChange<Role>, notes: &mut Notes) -> Vec<AccountsError> {
    let (add, remove) = match change {
        ListChange::Keep => return Vec::new(),
        ListChange::Replace(roles) => {
            user.roles = distinct(roles.iter().map(|role| role.name().to_owned()).collect());
            return Vec::new();
        }
        ListChange::Modify { add, remove } => (add, remove),
    };
    let name = quote(&user.username);
    let mut errors = Vec::new();
    let present: HashSet<&str> = user.roles.iter().map(String::as_str).collect();
    for role in remove {
        // A role that the server does not know can be removed from a user who has it; otherwise it
        // is a typing error.
        match role.parse::<Role>() {
            _ if present.contains(role.as_str()) => {}
            Err(error) => errors.push(AccountError::Role(error).into()),
            Ok(role) => notes.note(format!("{name} does not have the role {role}")),
        }
    }
    remove_entries(&mut user.roles, remove);
    for role in add {
        if user.has_role(*role) {
            notes.note(format!("{name} already has the role {role}"));
        } else {
            user.roles.push(role.name().to_owned());
        }
    }
    errors
}

fn change_projects(user: &mut User, change: &ListChange<ProjectName>, notes: &mut Notes) {
    let (add, remove) = match change {
        ListChange::Keep => return,
        ListChange::Replace(projects) => {
            let names = projects.iter().map(|project| project.as_str().to_owned()).collect();
            user.projects = distinct(names);
            return;
        }
        ListChange::Modify { add, remove } => (add, remove),
    };
    let name = quote(&user.username);
    let present: HashSet<&str> = user.projects.iter().map(String::as_str).collect();
    for project in remove.iter().filter(|project| !present.contains(project.as_str())) {
        notes.note(format!("{name} does not have the project {}", quote(project)));
    }
    remove_entries(&mut user.projects, remove);
    let mut present: HashSet<&str> = user.projects.iter().map(String::as_str).collect();
    let mut new = Vec::new();
    for project in add {
        if present.insert(project.as_str()) {
            new.push(project.as_str().to_owned());
        } else {
            notes.note(format!("{name} already has the project {}", quote(project.as_str())));
        }
    }
    user.projects.extend(new);
}

fn remove_entries(list: &mut Vec<String>, entries: &[String]) {
    let removed: HashSet<&String> = entries.iter().collect();
    list.retain(|entry| !removed.contains(entry));
}

/// Reports the new values, and what is unusual about them.
fn report(before: &User, user: &User, changes: Changes, wording: Wording, options: &str, notes: &mut Notes) {
    let name = quote(&user.username);
    let has = wording.pick("has", "would have");
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), quote);
    if changes.name {
        notes.note(format!(
            "{name} {has} the full name {} (before: {})",
            text(&user.name),
            text(&before.name)
        ));
        match user.source {
            AuthSource::Ldap => notes.note(
                "the next sync sets the full name of the LDAP directory again, unless it runs with --keep-names",
            ),
            AuthSource::Token | AuthSource::Oidc => {
                notes.note("with update-user-on-login, the next login sets the full name again");
            }
            AuthSource::Local | AuthSource::Unknown(_) => {}
        }
    }
    if changes.email {
        notes.note(format!(
            "{name} {has} the mail address {} (before: {})",
            text(&user.email),
            text(&before.email)
        ));
    }
    if changes.roles {
        report_roles(user, wording, options, notes);
    }
    if changes.projects {
        report_projects(user, wording, options, notes);
    }
    if !changes.any() && notes.is_empty() {
        notes.note(format!("{name} already has these values: nothing was changed"));
    }
}

/// Warns that no user has the role admin after a change.
pub(super) fn warn_of_last_admin(username: &str, notes: &mut Notes) {
    notes.warn(
        "last-admin",
        format!(
            "{} was the last user with the role admin: no user can manage the server now",
            quote(username)
        ),
    );
}

fn report_roles(user: &User, wording: Wording, options: &str, notes: &mut Notes) {
    let name = quote(&user.username);
    notes.note(format!("{name} {} the roles {}", wording.pick("has", "would have"), list(&user.roles)));
    if user.roles.is_empty() {
        notes.warn(
            "no-role",
            format!("{name} no longer has a role: new logins and tokens of this user do not have any rights"),
        );
    }
    if user.has_role(Role::Manager) && user.projects.is_empty() {
        notes.warn(
            "manager-without-project",
            format!(
                "the manager {name} does not have a project yet: add one with 'cc-user project add {} PROJECT{options}'",
                shell_word(&user.username)
            ),
        );
    }
    note_api_with_other_roles(user, notes);
    if matches!(user.source, AuthSource::Token | AuthSource::Oidc) {
        notes.note("with update-user-on-login, the next login sets the roles of the token again");
    }
}

fn report_projects(user: &User, wording: Wording, options: &str, notes: &mut Notes) {
    let name = quote(&user.username);
    notes.note(format!("{name} {} the projects {}", wording.pick("has", "would have"), list(&user.projects)));
    if user.has_role(Role::Manager) && user.projects.is_empty() {
        notes.warn(
            "manager-without-project",
            format!("the manager {name} no longer has a project and does not see any jobs"),
        );
    }
    warn_of_many_projects(user, options, notes);
}

/// Notes that endpoints treat the role api beside other roles differently.
pub(super) fn note_api_with_other_roles(user: &User, notes: &mut Notes) {
    if user.has_role(Role::Api) && user.roles.len() > 1 && !user.has_role(Role::Admin) {
        notes.note(format!(
            "{}: /userapi accepts a token of this user, /api rejects it (it accepts {})",
            quote(&user.username),
            Endpoint::Api.accepted_roles()
        ));
    }
}

/// Warns of a manager whose session cookie may become too long for the server.
pub(super) fn warn_of_many_projects(user: &User, options: &str, notes: &mut Notes) {
    if user.projects.len() >= MANY_PROJECTS {
        notes.warn(
            "many-projects",
            format!(
                "{} has {} projects: from about 300 on the server cannot create the session cookie, and the web \
                 login fails (list them with 'cc-user show {}{options}')",
                quote(&user.username),
                user.projects.len(),
                shell_word(&user.username)
            ),
        );
    }
}
