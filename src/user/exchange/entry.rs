//! A line of an import.

use super::error::EntryError;
use super::row::StoredRow;
use super::value::{StoredPassword, StoredValue};
use crate::user::AuthSource;
use crate::user::password::PasswordHash;

/// The fields of a user in a line; `None` for a column that the line does not have.
#[derive(Debug, Clone, PartialEq)]
pub struct UserEntry {
    /// The number of the line, or of the first of its lines, from 1.
    pub line: u64,
    /// The username.
    pub username: StoredValue,
    pub(super) name: Option<StoredValue>,
    pub(super) email: Option<StoredValue>,
    pub(super) roles: Option<StoredValue>,
    pub(super) projects: Option<StoredValue>,
    pub(super) source: Option<StoredValue>,
    pub(super) password: Option<StoredPassword>,
    /// Errors of single columns; ignored if the user is skipped.
    pub(super) errors: Vec<EntryError>,
}

/// The columns of a user, in the order of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Username,
    Name,
    Email,
    Roles,
    Projects,
    Source,
    Password,
}

impl Column {
    pub(super) const ALL: [Self; 7] =
        [Self::Username, Self::Name, Self::Email, Self::Roles, Self::Projects, Self::Source, Self::Password];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Name => "name",
            Self::Email => "email",
            Self::Roles => "roles",
            Self::Projects => "projects",
            Self::Source => "source",
            Self::Password => "password_hash",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// The column of a row.
    pub(super) const fn value(self, row: &StoredRow) -> &StoredValue {
        match self {
            Self::Username => &row.username,
            Self::Name => &row.name,
            Self::Email => &row.email,
            Self::Roles => &row.roles,
            Self::Projects => &row.projects,
            Self::Source => &row.source,
            Self::Password => row.password.expose(),
        }
    }

    /// Returns whether the table accepts NULL in the column.
    const fn may_be_null(self) -> bool {
        matches!(self, Self::Name | Self::Email | Self::Password)
    }
}

impl UserEntry {
    pub(super) const fn new(line: u64, username: StoredValue) -> Self {
        Self {
            line,
            username,
            name: None,
            email: None,
            roles: None,
            projects: None,
            source: None,
            password: None,
            errors: Vec::new(),
        }
    }

    /// Sets the value of a column.
    pub(super) fn set(&mut self, column: Column, value: StoredValue) {
        if value == StoredValue::Null && !column.may_be_null() {
            self.errors.push(EntryError::Null(column.name()));
        }
        match column {
            Column::Username => self.username = value,
            Column::Name => self.name = Some(value),
            Column::Email => self.email = Some(value),
            Column::Roles => self.roles = Some(value),
            Column::Projects => self.projects = Some(value),
            Column::Source => self.source = Some(value),
            Column::Password => self.password = Some(StoredPassword::new(value)),
        }
    }

    /// Returns whether the line has content in the password column.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.as_ref().is_some_and(|password| *password.expose() != StoredValue::Null)
    }

    /// Returns the row of a new user, with the defaults of the table for missing columns.
    ///
    /// # Errors
    /// The columns with invalid values.
    pub fn new_row(&self) -> Result<StoredRow, Vec<EntryError>> {
        self.check()?;
        let empty = || StoredValue::text("[]");
        Ok(StoredRow {
            username: self.username.clone(),
            name: self.name.clone().unwrap_or(StoredValue::Null),
            email: self.email.clone().unwrap_or(StoredValue::Null),
            roles: self.roles.clone().unwrap_or_else(empty),
            projects: self.projects.clone().unwrap_or_else(empty),
            source: self.source.clone().unwrap_or(StoredValue::Integer(AuthSource::Local.number())),
            password: self.password.clone().unwrap_or_else(|| StoredPassword::new(StoredValue::Null)),
        })
    }

    /// Returns the row of an existing user, updated with the fields of the line.
    ///
    /// # Errors
    /// The columns that cannot be read; [`EntryError::InvalidRow`] when a column of the database is
    /// damaged and the line does not replace it; [`EntryError::OtherSource`].
    pub fn updated_row(&self, there: &StoredRow) -> Result<StoredRow, Vec<EntryError>> {
        self.check()?;
        for (column, output, stored) in [
            ("roles", self.roles.is_some(), &there.roles),
            ("projects", self.projects.is_some(), &there.projects),
        ] {
            if !output && stored.as_list().is_none() {
                return Err(vec![EntryError::InvalidRow { column }]);
            }
        }
        if let Some(given) = self.source.as_ref().filter(|given| **given != there.source) {
            return Err(vec![EntryError::OtherSource {
                there: source_name(&there.source),
                given: source_name(given),
            }]);
        }
        let or =
            |output: &Option<StoredValue>, stored: &StoredValue| output.as_ref().unwrap_or(stored).clone();
        Ok(StoredRow {
            username: there.username.clone(),
            name: or(&self.name, &there.name),
            email: or(&self.email, &there.email),
            roles: or(&self.roles, &there.roles),
            projects: or(&self.projects, &there.projects),
            source: there.source.clone(),
            password: self.password.as_ref().unwrap_or(&there.password).clone(),
        })
    }

    fn check(&self) -> Result<(), Vec<EntryError>> {
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors.clone()) }
    }
}

/// The auth source for messages: a known name or the number.
fn source_name(value: &StoredValue) -> String {
    match value {
        StoredValue::Integer(number) => match AuthSource::from_number(*number) {
            AuthSource::Unknown(number) => number.to_string(),
            known => known.name().to_owned(),
        },
        _ => "unknown".to_owned(),
    }
}

/// The number of an auth source by its name or number.
pub(super) fn source(text: &str) -> Result<StoredValue, EntryError> {
    if let Ok(source) = text.parse::<AuthSource>() {
        return Ok(StoredValue::Integer(source.number()));
    }
    text.parse().map(StoredValue::Integer).map_err(|_| EntryError::InvalidSource)
}

/// The plain form of an auth source; none for what is not a number.
pub(super) fn plain_source(value: &StoredValue) -> Option<String> {
    match value {
        StoredValue::Integer(_) => Some(source_name(value)),
        _ => None,
    }
}

/// Parses a password hash in plain form. A value that is not a bcrypt hash is rejected, since a
/// plain-text password would be stored unencrypted. A backup contains such values in exact form.
pub(super) fn password(text: &str) -> Result<StoredValue, EntryError> {
    // The form of LDAP directories, RFC 2307, with bcrypt inside.
    let bare = text.strip_prefix("{BCRYPT}").or_else(|| text.strip_prefix("{CRYPT}")).unwrap_or(text);
    match PasswordHash::from_stored(bare.to_owned()).check_unlocked() {
        Ok(()) => Ok(StoredValue::text(bare)),
        Err(error) => Err(EntryError::InvalidHash { error, found: hash_type(text) }),
    }
}

/// Whether a text is a password hash in its plain form.
pub(super) fn is_plain_password(text: &str) -> bool {
    PasswordHash::from_stored(text.to_owned()).check_unlocked().is_ok()
}

/// Returns the probable type of a password hash.
fn hash_type(text: &str) -> Option<&'static str> {
    const PREFIXES: [(&str, &str); 24] = [
        ("$1$", "MD5 crypt"),
        ("$2", "bcrypt, damaged"),
        ("$3$", "NT hash"),
        ("$5$", "SHA-256 crypt"),
        ("$6$", "SHA-512 crypt"),
        ("$7$", "scrypt"),
        ("$scrypt$", "scrypt"),
        ("$y$", "yescrypt"),
        ("$gy$", "gost-yescrypt"),
        ("$sm3$", "SM3 crypt"),
        ("$md5", "Solaris MD5"),
        ("$sha1$", "SHA-1 crypt"),
        ("$apr1$", "Apache MD5"),
        ("$argon2", "Argon2"),
        ("$pbkdf2", "PBKDF2"),
        ("pbkdf2_", "PBKDF2"),
        ("$P$", "phpass"),
        ("$H$", "phpass"),
        ("{SSHA", "salted SHA"),
        ("{SHA", "SHA"),
        ("{SMD5}", "salted MD5"),
        ("{MD5}", "MD5"),
        ("{ARGON2}", "Argon2"),
        ("{PBKDF2", "PBKDF2"),
    ];
    let bare = text.trim_start_matches(['!', '*']);
    let bare = bare.strip_prefix("{CRYPT}").or_else(|| bare.strip_prefix("{crypt}")).unwrap_or(bare);
    let known = PREFIXES.iter().find(|(prefix, _)| bare.starts_with(prefix)).map(|(_, name)| *name);
    let is_hex = |length| bare.len() == length && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    known.or_else(|| is_hex(32).then_some("MD5 or NT hash")).or_else(|| is_hex(40).then_some("SHA-1"))
}
