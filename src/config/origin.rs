//! The origin of a setting.

use std::fmt;
use std::path::PathBuf;

use crate::util::quote::{quote, quote_path};

/// The origin of a value; its `Display` can follow "from" or "in".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A command-line option, such as `--db`.
    Flag(&'static str),
    /// An environment variable of the process.
    Environment(String),
    /// A line of the environment file.
    EnvFile {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A key of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The full key, such as `auth.jwts.max-age`.
        key: String,
    },
    /// The built-in default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Environment(name) => write!(f, "{} in the environment", quote(name)),
            Self::EnvFile { path, line } => write!(f, "{} line {line}", quote_path(path)),
            Self::File { path, key } => write!(f, "{} key {}", quote_path(path), quote(key)),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value<T> {
    /// The value.
    pub value: T,
    /// The origin of the value.
    pub origin: Origin,
}

impl<T> Value<T> {
    /// Creates a value with an origin.
    #[must_use]
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// Creates a value with the origin [`Origin::Default`].
    #[must_use]
    pub const fn by_default(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }

    /// Whether the value is the default.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        matches!(self.origin, Origin::Default)
    }
}
