//! Changing roles, projects, full name and mail address of a user.

use std::collections::HashSet;

use super::error::{AccountsError, AccountsErrors, unknown_user};
use super::report::{UserReport, list};
use super::sessions::{SessionPolicy, UserChange};
use crate::policy::Endpoint;
use crate::user::account::MANY_PROJECTS;
use crate::user::{AccountError, AuthSource, Field, ProjectName, Role, User};
use crate::user_db::{Transaction, UserDb, UserDbError, UserRecord};
use crate::util::file::shell_word;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// A change of one user. [`ChangeRequest::new`] has no change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRequest {
    /// The user.
    pub username: String,
    /// The full name.
    pub name: Field<String>,
    /// The mail address.
    pub email: Field<String>,
    /// The roles.
    pub roles: ListChange<Role>,
    /// The projects.
    pub projects: ListChange<ProjectName>,
}

/// A change of a list. What is added is checked; what is removed need not be valid, so that an entry
/// that the server does not know can be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChange<T> {
    /// The list stays.
    Keep,
    /// These entries are added.
    Add(Vec<T>),
    /// These entries are removed.
    Remove(Vec<String>),
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
        }
    }
}

/// The user after the change.
#[derive(Debug)]
pub struct ChangeReport {
    /// The user.
    pub user: UserReport,
    /// Whether the user table was changed.
    pub is_changed: bool,
    /// Notes and warnings.
    pub notes: Notes,
}

/// Changes a user in one transaction. An entry that exists already, or does not exist to be
/// removed, is a note.
///
/// # Errors
/// All that is wrong with the change together; the errors of the database.
pub fn change(
    db: &mut UserDb,
    request: &ChangeRequest,
    sessions: &SessionPolicy,
) -> Result<ChangeReport, AccountsErrors> {
    let mut transaction = db.transaction()?;
    let mut record = existing(&transaction, &request.username)?;
    let mut notes = Notes::new();
    let name_changed = set_field(&mut record.user.name, &request.name);
    let email_changed = set_field(&mut record.user.email, &request.email);
    // Projects are removed before the role manager, and added after it.
    let mut projects_changed = false;
    if let ListChange::Remove(projects) = &request.projects {
        require_valid(&record, "projects")?;
        projects_changed = remove_projects(&mut record.user, projects, &mut notes);
    }
    let roles_changed = match &request.roles {
        ListChange::Keep => false,
        ListChange::Add(roles) => {
            require_valid(&record, "roles")?;
            add_roles(&mut record.user, roles, &mut notes)
        }
        ListChange::Remove(roles) => {
            require_valid(&record, "roles")?;
            remove_roles(&mut record, roles, &mut notes)?
        }
    };
    if let ListChange::Add(projects) = &request.projects {
        require_valid(&record, "projects")?;
        require_valid(&record, "roles")?;
        projects_changed = add_projects(&mut record.user, projects, &mut notes)?;
    }
    let user = &record.user;
    let is_changed = name_changed || email_changed || roles_changed || projects_changed;
    if is_changed {
        if name_changed {
            transaction.set_name(&user.username, user.name.as_deref())?;
        }
        if email_changed {
            transaction.set_email(&user.username, user.email.as_deref())?;
        }
        if roles_changed {
            transaction.set_roles(&user.username, &user.roles)?;
        }
        if projects_changed {
            transaction.set_projects(&user.username, &user.projects)?;
        }
        transaction.commit()?;
    }
    if roles_changed {
        report_roles(user, &mut notes);
        if matches!(request.roles, ListChange::Remove(_)) {
            sessions.warn(UserChange::Roles, &[&user.username], &mut notes);
        }
    }
    if projects_changed {
        report_projects(user, &mut notes);
        if matches!(request.projects, ListChange::Remove(_)) {
            sessions.warn(UserChange::Projects, &[&user.username], &mut notes);
        }
    }
    Ok(ChangeReport { user: UserReport::from(&record), is_changed, notes })
}

/// The record of a user, or the error with a similar username.
pub(super) fn existing(transaction: &Transaction<'_>, username: &str) -> Result<UserRecord, UserDbError> {
    match transaction.record(username)? {
        Some(record) => Ok(record),
        None => Err(unknown_user(username, transaction.similar_username(username)?)),
    }
}

/// Rejects the change of a column that the server cannot read.
fn require_valid(record: &UserRecord, column: &str) -> Result<(), UserDbError> {
    if record.invalid_columns.iter().any(|invalid| invalid.column == column) {
        return Err(invalid_row(record));
    }
    Ok(())
}

fn invalid_row(record: &UserRecord) -> UserDbError {
    UserDbError::InvalidRow {
        name: record.user.username.clone(),
        invalid_columns: record.invalid_columns.clone(),
    }
}

fn set_field(value: &mut Option<String>, change: &Field<String>) -> bool {
    let new = match change {
        Field::Keep => return false,
        Field::Clear => None,
        Field::Set(text) => Some(text.clone()),
    };
    let is_changed = *value != new;
    *value = new;
    is_changed
}

fn add_roles(user: &mut User, roles: &[Role], notes: &mut Notes) -> bool {
    let before = user.roles.len();
    for role in roles {
        if user.has_role(*role) {
            notes.note(format!("{} already has the role {role}", quote(&user.username)));
        } else {
            user.roles.push(role.name().to_owned());
        }
    }
    user.roles.len() > before
}

fn remove_roles(
    record: &mut UserRecord,
    roles: &[String],
    notes: &mut Notes,
) -> Result<bool, AccountsErrors> {
    let user = &record.user;
    let mut errors = Vec::new();
    let mut absent = Vec::new();
    let present: HashSet<&str> = user.roles.iter().map(String::as_str).collect();
    for role in roles {
        // A role that the server does not know can be removed from a user who has it; otherwise it
        // is a typing error.
        match role.parse::<Role>() {
            _ if present.contains(role.as_str()) => {}
            Err(error) => errors.push(AccountError::Role(error).into()),
            Ok(role) => absent.push(role),
        }
    }
    let loses_manager = user.has_role(Role::Manager) && roles.iter().any(|role| role == Role::Manager.name());
    if loses_manager && require_valid(record, "projects").is_err() {
        errors.push(invalid_row(record).into());
    } else if loses_manager && !user.projects.is_empty() {
        errors.push(AccountsError::ProjectsLeft {
            username: user.username.clone(),
            projects: user.projects.clone(),
        });
    }
    if !errors.is_empty() {
        return Err(AccountsErrors(errors));
    }
    for role in absent {
        notes.note(format!("{} does not have the role {role}", quote(&user.username)));
    }
    Ok(remove_entries(&mut record.user.roles, roles))
}

fn add_projects(user: &mut User, projects: &[ProjectName], notes: &mut Notes) -> Result<bool, AccountsError> {
    if !user.has_role(Role::Manager) {
        return Err(AccountsError::NotManager(user.username.clone()));
    }
    let mut present: HashSet<&str> = user.projects.iter().map(String::as_str).collect();
    let mut new = Vec::new();
    for project in projects {
        if present.insert(project.as_str()) {
            new.push(project.as_str().to_owned());
        } else {
            notes.note(format!(
                "{} already has the project {}",
                quote(&user.username),
                quote(project.as_str())
            ));
        }
    }
    let is_changed = !new.is_empty();
    user.projects.extend(new);
    Ok(is_changed)
}

fn remove_projects(user: &mut User, projects: &[String], notes: &mut Notes) -> bool {
    let present: HashSet<&str> = user.projects.iter().map(String::as_str).collect();
    for project in projects.iter().filter(|project| !present.contains(project.as_str())) {
        notes.note(format!("{} does not have the project {}", quote(&user.username), quote(project)));
    }
    remove_entries(&mut user.projects, projects)
}

fn remove_entries(list: &mut Vec<String>, entries: &[String]) -> bool {
    let before = list.len();
    let removed: HashSet<&String> = entries.iter().collect();
    list.retain(|entry| !removed.contains(entry));
    list.len() < before
}

fn report_roles(user: &User, notes: &mut Notes) {
    let name = quote(&user.username);
    notes.note(format!("{name} has the roles {}", list(&user.roles)));
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
                "the manager {name} does not have a project yet: add one with 'cc-user project add {} PROJECT'",
                shell_word(&user.username)
            ),
        );
    }
    note_api_with_other_roles(user, notes);
    if matches!(user.source, AuthSource::Token | AuthSource::Oidc) {
        notes.note("with update-user-on-login, the next login sets the roles of the token again");
    }
}

fn report_projects(user: &User, notes: &mut Notes) {
    let name = quote(&user.username);
    notes.note(format!("{name} has the projects {}", list(&user.projects)));
    if user.has_role(Role::Manager) && user.projects.is_empty() {
        notes.warn(
            "manager-without-project",
            format!("the manager {name} no longer has a project and does not see any jobs"),
        );
    }
    warn_of_many_projects(user, notes);
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
pub(super) fn warn_of_many_projects(user: &User, notes: &mut Notes) {
    if user.projects.len() >= MANY_PROJECTS {
        notes.warn(
            "many-projects",
            format!(
                "{} has {} projects: from about 300 on the server cannot create the session cookie, and the web \
                 login fails (list them with 'cc-user show {}')",
                quote(&user.username),
                user.projects.len(),
                shell_word(&user.username)
            ),
        );
    }
}
