//! Errors of the settings.

use std::fmt;
use std::path::PathBuf;

use super::dotenv::DotenvError;
use super::origin::Origin;
use super::variable::Variable;
use crate::key::KeyFileError;
use crate::util::diagnostic::diagnostics;
use crate::util::duration::DurationError;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::quote::{escape, quote, quote_path};

/// An error of the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A settings file from an option is missing, or an existing one cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The environment file contains a malformed line.
    #[error("{} {error}", quote_path(.path))]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// The line and its error.
        error: DotenvError,
    },
    /// The configuration file is not JSON.
    #[error("{} line {line}, column {column}: {what}", quote_path(.path))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// The error of the parser.
        what: String,
    },
    /// A value has the wrong type.
    #[error("{}{}: found {found}, expected {expected}", quote_path(.path), at_key(.key))]
    Type {
        /// The file.
        path: PathBuf,
        /// The full key; empty for the whole file.
        key: String,
        /// The actual value.
        found: PrintableText,
        /// The expected type.
        expected: &'static str,
    },
    /// A duration is not in Go's syntax.
    #[error("{} key {}: {error}", quote_path(.path), quote(.key))]
    Duration {
        /// The file.
        path: PathBuf,
        /// The full key.
        key: String,
        /// The same duration in Go's units, if it is unambiguous.
        suggestion: Option<String>,
        /// The error of parsing it.
        error: DurationError,
    },
    /// The database is not SQLite.
    #[error("{} key {}: the database driver {} is not supported: expected 'sqlite3'", quote_path(.path), quote(.key), quote(.driver))]
    Driver {
        /// The file.
        path: PathBuf,
        /// The full key.
        key: String,
        /// The driver.
        driver: String,
    },
    /// A duplicate member in an object that must be unambiguous.
    #[error("{} key {}: duplicate member {}", quote_path(.path), quote(.key), quote(.member))]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The full key of the object.
        key: String,
        /// The member.
        member: String,
    },
    /// A required key is missing.
    #[error("{} is not set{}", quote(.key), in_file(.path.as_ref()))]
    MissingKey {
        /// The configuration, if there is one.
        path: Option<PathBuf>,
        /// The full key.
        key: String,
    },
    /// A required variable is not set or empty.
    #[error("{} is {}", .variable.name(), unset(.empty.as_ref(), .env_file.is_some()))]
    Unset {
        /// The variable.
        variable: Variable,
        /// The location of the empty value.
        empty: Option<Origin>,
        /// The environment file, if one was found.
        env_file: Option<PathBuf>,
        /// Whether the other key of the pair is set.
        has_counterpart: bool,
    },
    /// A variable contains an invalid key.
    #[error("{error}")]
    Key {
        /// The variable.
        variable: Variable,
        /// The location and the error of the key.
        error: KeyFileError,
    },
    /// The private key and the public key do not match.
    #[error("{public} is not the public half of {private}")]
    NoPair {
        /// The private key's variable and location.
        private: String,
        /// The public key's variable and location.
        public: String,
    },
    /// A variable is not UTF-8.
    #[error("{} in {origin}: the value is not UTF-8", escape(.variable))]
    NotText {
        /// The variable's name.
        variable: String,
        /// The location of the value.
        origin: Origin,
    },
}

fn at_key(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" key {}", quote(key)) }
}

fn in_file(path: Option<&PathBuf>) -> impl fmt::Display {
    path.map_or_else(|| ": no configuration file".to_owned(), |path| format!(" in {}", quote_path(path)))
}

fn unset(empty: Option<&Origin>, has_env_file: bool) -> String {
    match empty {
        None if !has_env_file => "not set, and no environment file './.env' exists".to_owned(),
        None => "not set, neither in the environment nor in the environment file".to_owned(),
        Some(Origin::Environment(_)) => "set to an empty value in the environment".to_owned(),
        Some(origin) => format!("set to an empty value in {origin}"),
    }
}

diagnostics! { ConfigError:
    Self::File(error) => error.kind(), error.hint();
    Self::EnvFile { error, .. } => error.kind(), error.hint();
    Self::Syntax { .. } => Kind::ConfigSyntax;
    Self::Type { .. } => Kind::ConfigType;
    Self::Duration { suggestion, .. } => Kind::ConfigDuration,
        suggestion.as_ref().map(|duration| format!("write it as \"{duration}\""));
    Self::Driver { .. } => Kind::ConfigDriver, "move the users to an SQLite database, or name one with --db";
    Self::Duplicate { .. } => Kind::ConfigDuplicate;
    Self::MissingKey { .. } => Kind::ConfigMissingKey, "'man cc-config' has an example of it";
    Self::Unset { variable, empty: Some(Origin::Environment(_)), .. } => Kind::VariableUnset,
        format!("unset {}", variable.name());
    Self::Unset { empty: None, env_file: None, .. } => Kind::VariableUnset,
        "run this in the server's directory, or name its file with --env-file FILE";
    Self::Unset { variable, env_file, has_counterpart, .. } => Kind::VariableUnset,
        variable.remedy(*has_counterpart, env_file.as_deref());
    Self::NotText { .. } => Kind::VariableNotText;
    Self::Key { variable, error } => error.kind().in_configuration(),
        error.hint().or_else(|| variable.repair().map(str::to_owned));
    Self::NoPair { .. } => Kind::ConfigKeyHalvesDiffer, Variable::JwtPrivateKey.repair().map(str::to_owned);
}

/// Returns the duration that was probably intended: days and weeks in hours, bare numbers in
/// seconds.
pub(super) fn in_go_units(text: &str) -> Option<String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim() {
        "" => Some(format!("{number}s")),
        "d" | "day" | "days" => Some(format!("{}h", number.checked_mul(24)?)),
        "w" | "week" | "weeks" => Some(format!("{}h", number.checked_mul(24 * 7)?)),
        _ => None,
    }
}

/// All errors of the settings, in the order in which they were found; at least one.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Returns an error if the list is not empty.
    pub(super) fn check(errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// Iterates over the errors in order.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
