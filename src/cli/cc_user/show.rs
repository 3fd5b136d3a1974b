//! `cc-user show`.

use clap::Args;
use serde::Serialize;

use super::list::{disabled_users, grace_period, report_invalid_row};
use super::rights::describe_reason;
use super::server::{CredentialOptions, HEADING, RequestOptions, ServerOptions};
use super::{DatabaseOptions, complete};
use crate::accounts::error::unknown_user;
use crate::accounts::report::list;
use crate::accounts::{DisabledUsers, SessionPolicy, UserStore};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::ldap::LdapSearchOptions;
use crate::cli::style;
use crate::config::Settings;
use crate::ldap::LdapOptions;
use crate::login::UserDetails;
use crate::policy::remedy::describe_rights;
use crate::sync::{self, RightState, RightsExplanation};
use crate::user::password::HashError;
use crate::user::{AuthSource, PasswordHash, RightsSource, Role};
use crate::user_db::{UserDbError, UserRecord};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::quote::escape;

/// Show users with their endpoints and login methods
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The usernames
    #[arg(value_name = "NAME", required = true, add = complete::usernames())]
    names: Vec<String>,

    /// Explain roles and projects: the rule and the chain of LDAP groups for each, and what the next
    /// synchronization changes
    #[arg(long)]
    why: bool,

    #[command(flatten)]
    directory: LdapSearchOptions,

    #[command(flatten, next_help_heading = HEADING)]
    credentials: CredentialOptions,

    #[command(flatten, next_help_heading = HEADING)]
    request: RequestOptions,
}

impl Show {
    fn server(&self) -> ServerOptions {
        let (credentials, request) = (self.credentials.clone(), self.request.clone());
        ServerOptions::with_ca_file(credentials, request, self.directory.ca_file())
    }
}

/// A user of the report.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ShownUser {
    #[serde(flatten)]
    details: UserDetails,
    /// With --why, why the user has roles and projects; otherwise null.
    rights: Option<RightsExplanation>,
}

/// The report: one object for one NAME, otherwise an array.
#[derive(Serialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum ShowReport {
    /// One NAME.
    One(Box<ShownUser>),
    /// Several names: those that exist.
    Several(Vec<ShownUser>),
}

pub(super) fn run(
    show: &Show,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let ldap_options = show.directory.options()?;
    let mut users = ShownUsers::open(database, &show.server(), console)?;
    let mut status = ExitStatus::Success;
    let mut shown = Vec::new();
    let mut is_printed = false;
    for name in &show.names {
        let Some(record) = users.store.record(name)? else {
            let error = unknown_user(name, users.store.similar_username(name)?);
            status = fail(error, status, console);
            continue;
        };
        let (details, password) = users.details(&record)?;
        let rights = if show.why { users.explain(&record, &ldap_options, console)? } else { None };
        if console.is_json() {
            shown.push(ShownUser { details, rights });
        } else {
            if std::mem::replace(&mut is_printed, true) {
                console.line("")?;
            }
            print_text(&details, record.user.source, password, console)?;
            if let Some(rights) = &rights {
                print_rights(rights, record.user.source, console)?;
            }
        }
        if !record.invalid_columns.is_empty() {
            let name = record.user.username;
            let error = UserDbError::InvalidRow { name, invalid_columns: record.invalid_columns };
            status = fail(error, status, console);
        }
    }
    if console.is_json() {
        match show.names.as_slice() {
            [_] => {
                if let Some(details) = shown.pop() {
                    console.json(&ShowReport::One(Box::new(details)))?;
                }
            }
            _ if shown.is_empty() => {}
            _ => console.json(&ShowReport::Several(shown))?,
        }
    }
    Ok(status)
}

/// The users, with what their details depend on.
struct ShownUsers {
    store: UserStore,
    disabled: DisabledUsers,
    settings: Option<Settings>,
}

impl ShownUsers {
    fn open(
        database: &DatabaseOptions,
        server: &ServerOptions,
        console: &mut Console,
    ) -> Result<Self, Failure> {
        if database.server.is_some() {
            let store = database.open_users_to_read(server, console)?;
            return Ok(Self { store, disabled: DisabledUsers::default(), settings: None });
        }
        let (db, settings) = database.open_with_settings(console)?;
        let disabled = disabled_users(&db, console);
        let disabled = disabled.with_grace_period(settings.as_ref().and_then(grace_period));
        let sessions = SessionPolicy::from_settings(settings.as_ref());
        Ok(Self { store: UserStore::Database { db: Box::new(db), sessions }, disabled, settings })
    }

    /// The details of a user, and the state of the password.
    fn details(&self, record: &UserRecord) -> Result<(UserDetails, String), UserDbError> {
        let Self { store, disabled, settings } = self;
        Ok(match store {
            UserStore::Database { db, .. } => {
                let hash = db.password_hash(&record.user.username)?;
                let details = UserDetails::new(record, hash.as_ref(), disabled, settings.as_ref());
                (details, password(hash.as_ref(), record.user.source))
            }
            UserStore::Server(_) => {
                (UserDetails::at_server(&record.user), "not reported by a running server".to_owned())
            }
        })
    }
}

impl ShownUsers {
    /// Why a user has roles and projects.
    fn explain(
        &self,
        record: &UserRecord,
        options: &LdapOptions,
        console: &mut Console,
    ) -> Result<Option<RightsExplanation>, Failure> {
        let (UserStore::Database { db, .. }, Some(settings)) = (&self.store, &self.settings) else {
            return Ok(None);
        };
        let mut notes = Notes::new();
        let explanation = sync::explain(settings, options, console.environment(), db, record, &mut notes);
        console.notes(notes);
        Ok(Some(explanation?))
    }
}

/// Prints why a user has roles and projects.
fn print_rights(
    rights: &RightsExplanation,
    source: AuthSource,
    console: &mut Console,
) -> Result<(), Failure> {
    let sides = [("role", &rights.roles), ("project", &rights.projects)];
    let all = sides.into_iter().flat_map(|(what, list)| list.iter().map(move |right| (what, right)));
    for (index, (what, right)) in all.enumerate() {
        let state = match right.state {
            RightState::Given if right.reasons.is_empty() => given_earlier(&right.given_by),
            RightState::Given => "given",
            RightState::SetByHand if source == AuthSource::Ldap && right.name == Role::User.name() => {
                "given to each new user, or set by hand"
            }
            RightState::SetByHand => "set by hand",
            RightState::Added => "added by the next synchronization",
            RightState::Removed => "removed by the next synchronization",
            RightState::NeedsManager => "not given without the role manager",
        };
        let reasons: Vec<String> = right.reasons.iter().map(describe_reason).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!("; {}", reasons.join("; ")) };
        let label = console.paint(style::HEADING, if index == 0 { "why      " } else { "         " });
        let line = format!("{what} {}: {state}{reasons}", escape(&right.name));
        console.wrapped(&format!("{label} "), 10, &line)?;
    }
    Ok(())
}

/// The state of a role or project whose sources were not asked.
fn given_earlier(sources: &[RightsSource]) -> &'static str {
    match sources {
        [RightsSource::Slurm] => "given earlier by Slurm",
        [RightsSource::Ldap] => "given earlier by the LDAP directory",
        _ => "given earlier by the LDAP directory and Slurm",
    }
}

/// Reports an error of one user; the others are shown. The first error determines the exit status.
fn fail(error: UserDbError, before: ExitStatus, console: &mut Console) -> ExitStatus {
    let status = report_invalid_row(error, console);
    if before == ExitStatus::Success { status } else { before }
}

fn print_text(
    details: &UserDetails,
    source: AuthSource,
    password: String,
    console: &mut Console,
) -> Result<(), Failure> {
    let UserDetails { user, disabled_roles, endpoints, login_methods } = details;
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), escape);
    let roles = match disabled_roles {
        Some(roles) => format!("- (the user is disabled; the roles before: {})", list(roles)),
        None => list(&user.roles),
    };
    let role_names: Vec<&str> = user.roles.iter().map(String::as_str).collect();
    let mut lines = vec![
        ("username", escape(&user.username)),
        ("name", text(&user.name)),
        ("email", text(&user.email)),
        ("roles", roles),
        ("projects", list(&user.projects)),
        ("source", source.to_string()),
        ("password", password),
        ("endpoints", format!("{} ({})", endpoints.join(", "), describe_rights(&role_names))),
    ];
    if let Some(since) = &user.missing_since {
        let end = user.delete_at.as_ref().map_or_else(String::new, |time| format!(", to be deleted {time}"));
        lines.push(("missing", format!("from the LDAP directory since {since}{end}")));
    }
    for (index, login) in login_methods.iter().enumerate() {
        let state = match (login.works, &login.reason) {
            (Some(true), None) => "yes".to_owned(),
            (Some(true), Some(limitation)) => format!("yes ({})", escape(limitation)),
            (Some(false), reason) => format!("no ({})", escape(reason.as_deref().unwrap_or_default())),
            (None, reason) => format!("unknown ({})", escape(reason.as_deref().unwrap_or_default())),
        };
        lines.push((if index == 0 { "logins" } else { "" }, format!("{:<5} {state}", login.method)));
    }
    for (label, value) in lines {
        let label = console.paint(style::HEADING, &format!("{label:<9}"));
        console.wrapped(&format!("{label} "), 10, &value)?;
    }
    Ok(())
}

/// The state of the password, without its hash.
fn password(hash: Option<&PasswordHash>, source: AuthSource) -> String {
    let Some(hash) = hash else { return "none".to_owned() };
    let state = match hash.check() {
        Ok(()) => "set".to_owned(),
        Err(HashError::Malformed) if hash.is_locked() => "locked".to_owned(),
        Err(HashError::Malformed) => "unusable: not a bcrypt hash".to_owned(),
        Err(HashError::TooCostly(cost)) => format!("unusable: the cost {cost} exceeds the limit"),
    };
    if source == AuthSource::Local { state } else { format!("{state}, but only local users log in with it") }
}
