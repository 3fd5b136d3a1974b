//! What can be wrong with the settings.

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

/// Something wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A settings file that was named is missing, or one that is there cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A malformed line of the environment file.
    #[error("{} {error}", quote_path(.path))]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong.
        error: DotenvError,
    },
    /// The configuration is no JSON.
    #[error("{} line {line}, column {column}: {what}", quote_path(.path))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The place in the line, counted from 1.
        column: usize,
        /// The error of the parser.
        what: String,
    },
    /// A value of the wrong type.
    #[error("{}{}: found {found}, expected {expected}", quote_path(.path), at_key(.key))]
    Type {
        /// The file.
        path: PathBuf,
        /// The key with those above it; empty for the whole file.
        key: String,
        /// The value found.
        found: PrintableText,
        /// What should.
        expected: &'static str,
    },
    /// A duration Go does not read.
    #[error("{} key {}: {error}", quote_path(.path), quote(.key))]
    Duration {
        /// The file.
        path: PathBuf,
        /// The key with those above it.
        key: String,
        /// The same in Go's units, where it is clear.
        suggestion: Option<String>,
        /// Why it is none.
        error: DurationError,
    },
    /// A database other than SQLite.
    #[error("{} key {}: the database driver {} is not supported: expected 'sqlite3'", quote_path(.path), quote(.key), quote(.driver))]
    Driver {
        /// The file.
        path: PathBuf,
        /// The key with those above it.
        key: String,
        /// The driver.
        driver: String,
    },
    /// A duplicate member where the value must be unambiguous.
    #[error("{} key {}: duplicate member {}", quote_path(.path), quote(.key), quote(.member))]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The object with those above it.
        key: String,
        /// The member.
        member: String,
    },
    /// A key without which something cannot be done.
    #[error("{} is not set{}", quote(.key), in_file(.path.as_ref()))]
    MissingKey {
        /// The configuration, if there is one.
        path: Option<PathBuf>,
        /// The key with those above it.
        key: String,
    },
    /// A variable that is not set, or set to nothing.
    #[error("{} is {}", .variable.name(), unset(.empty.as_ref(), .env_file.is_some()))]
    Unset {
        /// The variable.
        variable: Variable,
        /// Where it is set to nothing.
        empty: Option<Origin>,
        /// The environment file, if one was found.
        env_file: Option<PathBuf>,
        /// Whether the other key of its pair is set.
        has_counterpart: bool,
    },
    /// A variable with an invalid key.
    #[error("{error}")]
    Key {
        /// The variable.
        variable: Variable,
        /// Where it is set and what is wrong.
        error: KeyFileError,
    },
    /// Two halves that do not belong together.
    #[error("{public} is not the public half of {private}")]
    NoPair {
        /// The private key's variable and place.
        private: String,
        /// The public key's variable and place.
        public: String,
    },
    /// A variable whose bytes are not UTF-8.
    #[error("{} in {origin}: the value is not UTF-8", escape(.variable))]
    NotText {
        /// The variable's name.
        variable: String,
        /// Where it is set.
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
        Some(Origin::Environment(_)) => "set to nothing in the environment".to_owned(),
        Some(origin) => format!("set to nothing in {origin}"),
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

/// The duration that was probably meant: days and weeks in hours, bare numbers in seconds.
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

/// All that is wrong with the settings, in the order in which it was found; at least one.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The errors, unless there are none.
    pub(super) fn check(errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// The errors in order.
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
