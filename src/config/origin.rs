//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

use crate::util::quote::{quote, quote_path};

/// Where a value came from; shown as it reads after "from" or "in".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command line, such as `--db`.
    Flag(&'static str),
    /// A variable of the process environment.
    Environment(String),
    /// A line of the environment file.
    EnvFile {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A key of the configuration.
    File {
        /// The file.
        path: PathBuf,
        /// The key with those above it, such as `auth.jwts.max-age`.
        key: String,
    },
    /// The default.
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

/// A value that knows where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Value<T> {
    /// A value from somewhere.
    #[must_use]
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// A default.
    #[must_use]
    pub const fn by_default(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }

    /// Whether it is the default.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        matches!(self.origin, Origin::Default)
    }
}
