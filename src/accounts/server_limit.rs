//! The actions that no request of a running server does.

use std::fmt;

/// An action that no request of a running server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerLimit {
    /// Creating the files of a server.
    Init,
    /// Changing a full name.
    FullName,
    /// Changing a mail address.
    Email,
    /// Changing a password.
    Password,
    /// Adding a user without a password and without the role api.
    NoPassword,
    /// Renaming a user.
    Rename,
    /// Disabling or enabling a user.
    Disable,
    /// Importing users.
    Import,
    /// Exporting users with all columns.
    Export,
    /// Printing the journal or undoing a run.
    Journal,
    /// Synchronizing with an LDAP directory.
    SyncLdap,
    /// `sync-slurm`.
    SyncSlurm,
}

impl ServerLimit {
    /// The next step for the user.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::NoPassword => {
                "give the user a password, or the role api, or run the command in the directory of the server, without --server"
            }
            Self::Export => {
                "the verb list has --json; for the passwords run the command in the directory of the server, without --server"
            }
            _ => "run the command in the directory of the server, without --server",
        }
    }
}

impl fmt::Display for ServerLimit {
    /// Writes what a request cannot do, as an infinitive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "create the files of a server",
            Self::FullName => "change a full name",
            Self::Email => "change a mail address",
            Self::Password => "change a password",
            Self::NoPassword => "add a user without a password, except with the role api",
            Self::Rename => "rename a user",
            Self::Disable => "disable or enable a user",
            Self::Import => "import users",
            Self::Export => "export users with their passwords",
            Self::Journal => "print the journal or undo a run",
            Self::SyncLdap => "start a synchronization with the LDAP directory",
            Self::SyncSlurm => "synchronize with Slurm accounting",
        })
    }
}
