//! Validation of new users: username, roles, projects, full name and email address.

use std::collections::HashSet;
use std::str::FromStr;

use super::name::{Username, UsernameError};
use super::role::{Role, RoleError};
use super::{AuthSource, User};
use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::{is_hidden, quote};

/// Maximum length of a text column in characters.
pub const MAX_TEXT: usize = 255;

/// From this number of projects on, the session cookie of a manager approaches the limit of 4096
/// characters, above which the server cannot create it and the web login fails.
pub const MANY_PROJECTS: usize = 200;

/// Why a requested user is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The username.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// One of the roles.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// No role: the server would accept the login, but permit nothing.
    #[error("the user {} has no role", quote(.0))]
    MissingRole(String),
    /// A manager without projects.
    #[error("the manager {} has no project", quote(.0))]
    ManagerWithoutProject(String),
    /// Projects of a user who is not a manager.
    #[error("the user {} is not a manager and cannot have projects: found {}", quote(.name), quote(&.projects.join(",")))]
    ProjectWithoutManager {
        /// The user.
        name: String,
        /// The projects.
        projects: Vec<String>,
    },
    /// A project's name.
    #[error("invalid project {}: {why}", quote(.name))]
    InvalidProject {
        /// The name.
        name: String,
        /// The reason.
        why: UserTextError,
    },
    /// A full name or mail address.
    #[error("invalid {field} {}: {why}", quote(.text))]
    InvalidText {
        /// Which of them.
        field: &'static str,
        /// The invalid text.
        text: String,
        /// The reason.
        why: UserTextError,
    },
    /// A mail address without anything before or after its `@`.
    #[error("invalid email address {}: expected NAME@DOMAIN", quote(.0))]
    InvalidEmail(String),
}

/// Why a text of a user is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserTextError {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is too long.
    #[error("it has {0} characters, expected at most {MAX_TEXT}")]
    TooLong(usize),
    /// It has a comma, which separates projects.
    #[error("it has a comma, which separates projects")]
    Comma,
    /// It begins or ends with white space.
    #[error("it begins or ends with a blank")]
    OuterBlank,
    /// It has a control character or an invisible character.
    #[error("it has a control character or an invisible character")]
    Invisible,
}

impl UserTextError {
    /// Returns why no text of a user can be this one.
    fn of_text(text: &str) -> Option<Self> {
        let length = text.chars().count();
        if length > MAX_TEXT {
            Some(Self::TooLong(length))
        } else {
            text.chars().any(is_hidden).then_some(Self::Invisible)
        }
    }

    /// Returns why no project can have this name.
    fn of_project(name: &str) -> Option<Self> {
        if name.is_empty() {
            Some(Self::Empty)
        } else if name.contains(',') {
            Some(Self::Comma)
        } else if name.trim() != name {
            Some(Self::OuterBlank)
        } else {
            Self::of_text(name)
        }
    }
}

diagnostics! { AccountError:
    Self::Username(error) => error.kind(), error.hint();
    Self::Role(error) => error.kind(), error.hint();
    Self::MissingRole(_) => Kind::RoleMissing,
        format!("the roles are {}", Role::ALL.map(Role::name).join(", "));
    Self::ManagerWithoutProject(_) => Kind::ManagerWithoutProject,
        "give the manager a project, as with --project P";
    Self::ProjectWithoutManager { .. } => Kind::ProjectWithoutManager,
        "add the role manager, or leave the projects out";
    Self::InvalidProject { .. } => Kind::ProjectInvalid;
    Self::InvalidText { .. } => Kind::TextInvalid;
    Self::InvalidEmail(_) => Kind::EmailInvalid;
}

/// A new user before validation.
#[derive(Debug, Clone, Default)]
pub struct AccountDraft {
    /// The username.
    pub username: String,
    /// The names of the roles.
    pub roles: Vec<String>,
    /// The projects.
    pub projects: Vec<String>,
    /// The full name.
    pub name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
}

impl AccountDraft {
    /// Validates all fields and returns the user. Duplicate roles and projects are stored once: the
    /// server counts entries and treats `[api, api]` differently from `[api]`.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn check(self, source: AuthSource) -> Result<User, Vec<AccountError>> {
        let errors = self.errors();
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(User {
            username: self.username,
            name: self.name,
            roles: distinct(self.roles),
            projects: distinct(self.projects),
            email: self.email,
            source,
        })
    }

    /// Returns all errors of the user.
    #[must_use]
    pub fn errors(&self) -> Vec<AccountError> {
        let mut errors = Vec::new();
        if let Err(error) = self.username.parse::<Username>() {
            errors.push(error.into());
        }
        let roles = roles(&self.roles).unwrap_or_else(|wrong| {
            errors.extend(wrong.into_iter().map(AccountError::from));
            Vec::new()
        });
        if self.roles.is_empty() {
            errors.push(AccountError::MissingRole(self.username.clone()));
        }
        let is_manager = roles.contains(&Role::Manager);
        let understood = errors.is_empty();
        if understood && is_manager && self.projects.is_empty() {
            errors.push(AccountError::ManagerWithoutProject(self.username.clone()));
        }
        if understood && !is_manager && !self.projects.is_empty() {
            errors.push(AccountError::ProjectWithoutManager {
                name: self.username.clone(),
                projects: self.projects.clone(),
            });
        }
        errors.extend(self.projects.iter().filter_map(|name| name.parse::<ProjectName>().err()));
        errors.extend(self.name.as_deref().and_then(|name| name.parse::<FullName>().err()));
        let email = self.email.as_deref().filter(|email| !email.is_empty());
        errors.extend(email.and_then(|email| email.parse::<EmailAddress>().err()));
        errors
    }
}

/// Returns the distinct entries of a list in the order of their first occurrence.
#[must_use]
pub fn distinct(list: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::with_capacity(list.len());
    let is_first: Vec<bool> = list.iter().map(|entry| seen.insert(entry.as_str())).collect();
    list.into_iter().zip(is_first).filter_map(|(entry, is_first)| is_first.then_some(entry)).collect()
}

/// Parses role names; returns the distinct roles in the given order.
///
/// # Errors
/// All names that are not roles of the server.
pub fn roles<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<Vec<Role>, Vec<RoleError>> {
    let mut roles = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        match name.parse() {
            Ok(role) if roles.contains(&role) => {}
            Ok(role) => roles.push(role),
            Err(error) => unknown.push(error),
        }
    }
    if unknown.is_empty() { Ok(roles) } else { Err(unknown) }
}

/// A full name: at most 255 characters, no control or invisible character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullName(String);

impl FullName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FullName {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_text("full name", text).map(|()| Self(text.to_owned()))
    }
}

/// A mail address: at most 255 characters, no control or invisible character, no white space, and
/// something before and after an `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_text("mail address", text)?;
        let is_valid = text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !text.contains(char::is_whitespace)
        });
        if is_valid { Ok(Self(text.to_owned())) } else { Err(AccountError::InvalidEmail(text.to_owned())) }
    }
}

fn check_text(field: &'static str, text: &str) -> Result<(), AccountError> {
    match UserTextError::of_text(text) {
        Some(why) => Err(AccountError::InvalidText { field, text: text.to_owned(), why }),
        None => Ok(()),
    }
}

/// The name of a project that a manager can get: 1 to 255 characters, no comma, no control or
/// invisible character, no white space at either end. A comma separates projects, as it separates roles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProjectName(String);

impl ProjectName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectName {
    type Err = AccountError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match UserTextError::of_project(name) {
            Some(why) => Err(AccountError::InvalidProject { name: name.to_owned(), why }),
            None => Ok(Self(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(username: &str, roles: &[&str], projects: &[&str]) -> AccountDraft {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        AccountDraft {
            username: username.to_owned(),
            roles: own(roles),
            projects: own(projects),
            ..AccountDraft::default()
        }
    }

    #[test]
    fn all_faults_are_reported_together() {
        let wrong = AccountDraft { email: Some("@".to_owned()), ..draft("", &["wizard", "Admin"], &["p\n"]) };
        let errors = wrong.check(AuthSource::Local).unwrap_err();
        assert_eq!(errors.len(), 5, "{errors:?}");
    }

    #[test]
    fn projects_and_the_manager_role_go_together() {
        let check = |roles: &[&str], projects: &[&str]| draft("m", roles, projects).check(AuthSource::Local);
        assert!(check(&["manager"], &["p"]).is_ok());
        assert!(matches!(
            check(&["manager"], &[]).unwrap_err()[..],
            [AccountError::ManagerWithoutProject(_)]
        ));
        assert!(matches!(
            check(&["user"], &["p"]).unwrap_err()[..],
            [AccountError::ProjectWithoutManager { .. }]
        ));
        assert!(matches!(check(&[], &[]).unwrap_err()[..], [AccountError::MissingRole(_)]));
    }

    #[test]
    fn duplicates_are_stored_once() {
        let user = draft("m", &["api", "manager", "api"], &["p", "p"]).check(AuthSource::Local).unwrap();
        assert_eq!((user.roles, user.projects), (vec!["api".into(), "manager".into()], vec!["p".into()]));
    }

    #[test]
    fn each_problem_of_a_project_has_its_own_message() {
        let long = "x".repeat(256);
        for (name, why) in [
            ("", UserTextError::Empty),
            (long.as_str(), UserTextError::TooLong(256)),
            ("a,b", UserTextError::Comma),
            (" a", UserTextError::OuterBlank),
            ("a\t", UserTextError::OuterBlank),
            ("a\u{200b}b", UserTextError::Invisible),
            ("a\u{1b}b", UserTextError::Invisible),
        ] {
            let error = name.parse::<ProjectName>().unwrap_err();
            assert_eq!(error, AccountError::InvalidProject { name: name.to_owned(), why });
            assert!(error.to_string().ends_with(&why.to_string()), "{error}");
        }
        assert!("a b".parse::<ProjectName>().is_ok() && "x".repeat(255).parse::<ProjectName>().is_ok());
    }

    #[test]
    fn mail_address_needs_a_local_part_and_a_domain_without_blanks() {
        let problems = |email: &str| {
            AccountDraft { email: Some(email.to_owned()), ..draft("m", &["user"], &[]) }.errors()
        };
        for email in ["", "m@example.org", "a@b"] {
            assert!(problems(email).is_empty(), "{email}");
        }
        for email in ["@", "m@", "@example.org", "example.org", "m m@example.org", "m@example.org "] {
            assert!(matches!(problems(email)[..], [AccountError::InvalidEmail(_)]), "{email}");
        }
    }
}
