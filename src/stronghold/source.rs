//! The source of a setting.

use std::fmt;
use std::path::PathBuf;

use crate::util::kind::Kind;
use crate::util::quote::quote_path;

/// The source of a setting; its `Display` names it in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingSource {
    /// An option of the command line.
    Option(&'static str),
    /// An environment variable.
    Variable(String),
    /// A file.
    File(PathBuf),
    /// The stored session.
    Session,
}

impl SettingSource {
    /// Returns the kind of the error of an invalid value: a usage error on the command line, otherwise `kind`.
    #[must_use]
    pub const fn kind_of_invalid(&self, kind: Kind) -> Kind {
        match self {
            Self::Option(_) => Kind::Usage,
            Self::Variable(_) | Self::File(_) | Self::Session => kind,
        }
    }
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => f.write_str(&quote_path(path)),
            Self::Session => f.write_str("the session"),
        }
    }
}
