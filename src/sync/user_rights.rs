//! The roles and projects of one user: explained, and applied at a login.

use serde::Serialize;

use super::error::SyncError;
use super::ldap_rights;
use super::request::{first, ldap_and_map};
use super::rights::{Rights, given_of, reasons};
use super::slurm::rights as slurm_rights;
use crate::config::Settings;
use crate::history::DisabledUsers;
use crate::ldap::escape::user_filter;
use crate::ldap::snapshot::NameStatus;
use crate::ldap::{
    Connection, Filter, GroupMap, GroupScope, LdapConfig, LdapError, LdapOptions, LdapSnapshot,
};
use crate::policy::role_map::{Authority, CurrentRights, Grants, Reason, RightsChange, decide};
use crate::slurm::{SlurmOptions, SlurmSource};
use crate::user::{AuthSource, GivenRights, RightsSource, Role, User};
use crate::user_db::{Transaction, UserDb, UserDbError, UserRecord};
use crate::util::environment::Environment;
use crate::util::note::Notes;

/// Why a user has roles and projects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RightsExplanation {
    /// The username.
    pub username: String,
    /// Whether the LDAP search finds the user.
    pub in_ldap: bool,
    /// The roles of the user, and those that the next synchronization adds.
    pub roles: Vec<ExplainedRight>,
    /// The projects of the user, and those that the next synchronization adds.
    pub projects: Vec<ExplainedRight>,
}

/// A role or a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainedRight {
    /// The name.
    pub name: String,
    /// What it is now, and what the next synchronization does with it.
    pub state: RightState,
    /// The sources that gave it in earlier runs.
    pub given_by: Vec<RightsSource>,
    /// The rules and chains of groups that give it.
    pub reasons: Vec<Reason>,
}

/// The state of a role or project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RightState {
    /// Given by a synchronization or a login.
    Given,
    /// Set by hand.
    SetByHand,
    /// The next synchronization adds it.
    Added,
    /// The next synchronization removes it.
    Removed,
    /// A project that the user does not get without the role manager.
    NeedsManager,
}

/// The answer of the LDAP directory about one user.
#[derive(Debug)]
pub struct UserAnswer {
    /// Whether the username is that of a user for a synchronization.
    pub is_found: bool,
    rights: Rights,
}

/// Asks for the roles and projects of one user. `scope` is that of a login or, where groups that are
/// missing must be reported, all groups.
///
/// # Errors
/// [`LdapError`].
fn ask(
    connection: &mut Connection,
    ldap: &LdapConfig,
    map: &GroupMap,
    username: &str,
    dn: Option<&str>,
) -> Result<UserAnswer, LdapError> {
    let mut search = ldap.search.clone();
    search.filter = user_filter(Filter::parse(&search.filter)?.as_str(), &search.uid_attribute, username);
    let mut users = map.user_index();
    let snapshot = connection.read_indexed(&search, &mut users, &mut |_| {})?;
    let is_found = has_user(&snapshot, username);
    let scope = dn.map_or(GroupScope::All, |dn| GroupScope::User { dn, username });
    let only_user = LdapConfig { search, ..ldap.clone() };
    let groups = connection.read_groups(&only_user, map, &users, scope, &mut |_| {})?;
    let (grants, groups) = ldap_rights::grants(map, &users, &groups)?;
    let rights = Rights { grants: vec![grants], authority: Authority::of(&map.rules), groups };
    Ok(UserAnswer { is_found, rights })
}

/// Asks whether the LDAP directory has the user.
fn ask_whether_found(
    connection: &mut Connection,
    ldap: &LdapConfig,
    username: &str,
) -> Result<UserAnswer, LdapError> {
    let mut search = ldap.search.clone();
    search.filter = user_filter(Filter::parse(&search.filter)?.as_str(), &search.uid_attribute, username);
    let snapshot = connection.read_all(&search, &mut |_| {})?;
    let is_found = has_user(&snapshot, username);
    Ok(UserAnswer { is_found, rights: Rights::default() })
}

/// Whether an entry makes this username a user for a synchronization: another spelling, a further username of an entry
/// and a username of several entries do not.
fn has_user(snapshot: &LdapSnapshot, username: &str) -> bool {
    let user = snapshot.find(username, 0).and_then(|place| snapshot.get(place));
    user.is_some_and(|user| matches!(user.status, NameStatus::Usable | NameStatus::Invalid))
}

/// Explains the roles and projects of a user. A note if there is no section `group-map` or `slurm`.
///
/// # Errors
/// [`SyncError`].
pub fn explain(
    settings: &Settings,
    options: &LdapOptions,
    environment: &Environment,
    db: &UserDb,
    record: &UserRecord,
    notes: &mut Notes,
) -> Result<RightsExplanation, SyncError> {
    let user = &record.user;
    let given = given_of(&db.given()?, &user.username);
    let of_ldap = settings.ldap.as_ref().filter(|ldap| ldap.group_map.is_some() || ldap.slurm.is_some());
    if of_ldap.is_none() && !SlurmSource::is_configured(settings) {
        notes.note(
            "there is no section 'group-map' or 'slurm': no source of roles and projects is configured",
        );
    }
    let mut answer = match of_ldap {
        Some(_) => ask_ldap(settings, options, user, notes)?,
        None => UserAnswer { is_found: false, rights: Rights::default() },
    };
    // A synchronization with the LDAP directory changes LDAP users only, one with Slurm all users.
    let has_record = given.iter().any(|(source, _)| *source == RightsSource::Slurm);
    let is_asked =
        settings.slurm.is_some() || SlurmSource::is_configured(settings) && (answer.is_found || has_record);
    if is_asked && !matches!(user.source, AuthSource::Unknown(_)) {
        let source = SlurmSource::from_settings(settings, &SlurmOptions::default(), environment);
        let source = source.map_err(first)?;
        let username = std::iter::once(user.username.as_str());
        answer.rights.grants.push(slurm_rights::grants(&source, username, &mut Notes::new())?);
    }
    let disabled = DisabledUsers::load(db.path())?;
    let roles_before = roles_before(record, &answer, &disabled);
    let change = change_of(db, user, roles_before, &answer.rights, &given)?;
    // A user who is in the LDAP directory again has the same roles as before.
    let returned = roles_before.unwrap_or_default().iter();
    let returned = returned.filter(|role| !user.roles.contains(role) && !change.removed_roles.contains(role));
    let added_roles: Vec<String> = returned.chain(&change.added_roles).cloned().collect();
    let side = |current: &[String], added: &[String], removed: &[String], is_role: bool| {
        let mut names: Vec<&String> = current.iter().chain(added).collect();
        if !is_role {
            names.extend(change.projects_without_manager.iter().filter(|name| !current.contains(name)));
        }
        let explained = |name: &String| ExplainedRight {
            name: name.clone(),
            state: state(name, current, added, removed, &given, is_role),
            given_by: given_by(name, &given, is_role).collect(),
            reasons: reasons(&answer.rights.grants, &user.username, name, is_role),
        };
        names.into_iter().map(explained).collect()
    };
    Ok(RightsExplanation {
        username: user.username.clone(),
        in_ldap: answer.is_found,
        roles: side(&user.roles, &added_roles, &change.removed_roles, true),
        projects: side(&user.projects, &change.added_projects, &change.removed_projects, false),
    })
}

/// The roles with which the next synchronization compares what the sources give: those of the row, or of a
/// disabled user who is in the LDAP directory again those from before. `None` if it does not change the user: no
/// source has the user, or the user is disabled.
fn roles_before<'a>(
    record: &'a UserRecord,
    answer: &UserAnswer,
    disabled: &'a DisabledUsers,
) -> Option<&'a [String]> {
    let user = &record.user;
    if answer.rights.grants.is_empty() || !record.invalid_columns.is_empty() {
        return None;
    }
    match disabled.entry(&user.username).filter(|_| user.roles.is_empty()) {
        None => Some(&user.roles),
        Some(entry) => (answer.is_found && entry.missing_since.is_some()).then_some(&entry.roles),
    }
}

/// What the next synchronization changes.
fn change_of(
    db: &UserDb,
    user: &User,
    roles_before: Option<&[String]>,
    rights: &Rights,
    given: &[(RightsSource, GivenRights)],
) -> Result<RightsChange, UserDbError> {
    let Some(roles) = roles_before else { return Ok(RightsChange::default()) };
    let current = CurrentRights { roles, projects: &user.projects };
    let grants: Vec<&Grants> = rights.grants.iter().collect();
    let decision = |authority: &Authority| decide(&user.username, current, &grants, authority, given);
    let change = decision(&rights.authority);
    if !removes_admin(&change) {
        return Ok(change);
    }
    let mut has_other_admin = false;
    db.scan::<UserDbError>(|other| {
        has_other_admin |=
            other.username != user.username && other.is_admin && other.roles.entries().is_some();
        Ok(())
    })?;
    Ok(if has_other_admin { change } else { decision(&rights.authority.protecting_admins()) })
}

fn removes_admin(change: &RightsChange) -> bool {
    change.removed_roles.iter().any(|role| role == Role::Admin.name())
}

/// Asks the LDAP directory about an LDAP user who is found. A synchronization does not change users of
/// another auth source, nor a user who is missing.
fn ask_ldap(
    settings: &Settings,
    options: &LdapOptions,
    user: &User,
    notes: &mut Notes,
) -> Result<UserAnswer, SyncError> {
    let (ldap, map) = ldap_and_map(settings, options, notes)?;
    let unchanged = || UserAnswer { is_found: false, rights: Rights::default() };
    if user.source != AuthSource::Ldap {
        return Ok(unchanged());
    }
    let mut connection = ldap.server.connect(&ldap.credentials, notes)?;
    let answer = match &map {
        Some(map) => ask(&mut connection, &ldap, map, &user.username, None)?,
        None => ask_whether_found(&mut connection, &ldap, &user.username)?,
    };
    Ok(if answer.is_found { answer } else { unchanged() })
}

/// The sources that gave a role or project in earlier runs.
fn given_by<'given>(
    name: &str,
    given: &'given [(RightsSource, GivenRights)],
    is_role: bool,
) -> impl Iterator<Item = RightsSource> + 'given {
    let name = name.to_owned();
    let names =
        move |given: &GivenRights| if is_role { &given.roles } else { &given.projects }.contains(&name);
    given.iter().filter(move |(_, given)| names(given)).map(|(source, _)| *source)
}

fn state(
    name: &String,
    current: &[String],
    added: &[String],
    removed: &[String],
    given: &[(RightsSource, GivenRights)],
    is_role: bool,
) -> RightState {
    let is_given = given_by(name, given, is_role).next().is_some();
    if removed.contains(name) {
        RightState::Removed
    } else if added.contains(name) {
        RightState::Added
    } else if !current.contains(name) {
        RightState::NeedsManager
    } else if is_given {
        RightState::Given
    } else {
        RightState::SetByHand
    }
}

/// Asks for the roles and projects of a user who logs in, with a new connection as the search-dn. Returns
/// `None` without a section `group-map`.
///
/// # Errors
/// [`SyncError`].
pub fn ask_for_login(
    settings: &Settings,
    options: &LdapOptions,
    username: &str,
    dn: &str,
    notes: &mut Notes,
) -> Result<Option<UserAnswer>, SyncError> {
    let (ldap, Some(map)) = ldap_and_map(settings, options, &mut Notes::new())? else { return Ok(None) };
    let mut connection = ldap.server.connect(&ldap.credentials, notes)?;
    Ok(Some(ask(&mut connection, &ldap, &map, username, Some(dn))?))
}

impl UserAnswer {
    /// Applies the answer to the row of an LDAP user, as a synchronization does, and returns the change. A
    /// user without roles may be disabled and is not changed; nor is a user who is not found.
    ///
    /// # Errors
    /// [`UserDbError`].
    pub fn apply(
        &self,
        transaction: &mut Transaction<'_>,
        username: &str,
    ) -> Result<Option<RightsChange>, UserDbError> {
        let Some(record) = transaction.record(username)? else { return Ok(None) };
        let user = &record.user;
        if !self.is_found
            || user.source != AuthSource::Ldap
            || user.roles.is_empty()
            || !record.invalid_columns.is_empty()
        {
            return Ok(None);
        }
        let given = given_of(&transaction.given()?, username);
        let current = CurrentRights { roles: &user.roles, projects: &user.projects };
        let grants: Vec<&Grants> = self.rights.grants.iter().collect();
        let decision = |authority: &Authority| decide(username, current, &grants, authority, &given);
        let mut change = decision(&self.rights.authority);
        if removes_admin(&change) && !transaction.has_other_admin(&[username])? {
            change = decision(&self.rights.authority.protecting_admins());
        }
        if !(change.added_roles.is_empty() && change.removed_roles.is_empty()) {
            transaction.set_roles(username, &change.roles)?;
        }
        if !(change.added_projects.is_empty() && change.removed_projects.is_empty()) {
            transaction.set_projects(username, &change.projects)?;
        }
        for (source, rights) in &change.given {
            transaction.set_given(username, *source, rights.clone())?;
        }
        Ok(Some(change))
    }
}
