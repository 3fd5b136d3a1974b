//! The expected owner, group and mode of a consumer's file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::ConsumerError;
use crate::util::file;

/// The maximum size of a file of names, in bytes.
const NAMES_LIMIT: u64 = 64 << 20;

/// An account or group in a renewal file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    /// The name as it is written.
    pub name: String,
    /// Its number.
    pub id: u32,
}

impl AccountName {
    /// Looks up an account in `/etc/passwd`, or reads its number.
    ///
    /// # Errors
    /// [`ConsumerError::UnknownAccount`].
    pub fn user(name: &str) -> Result<Self, ConsumerError> {
        Self::find(name, "user", "/etc/passwd")
    }

    /// Looks up a group in `/etc/group`, or reads its number.
    ///
    /// # Errors
    /// [`ConsumerError::UnknownAccount`].
    pub fn group(name: &str) -> Result<Self, ConsumerError> {
        Self::find(name, "group", "/etc/group")
    }

    fn find(name: &str, what: &'static str, file: &'static str) -> Result<Self, ConsumerError> {
        let unknown = || ConsumerError::UnknownAccount { what, name: name.to_owned(), file };
        if let Ok(id) = name.parse() {
            return Ok(Self { name: name.to_owned(), id });
        }
        let text = file::read_text(Path::new(file), NAMES_LIMIT).map_err(|_| unknown())?;
        let id = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
        });
        id.map(|id| Self { name: name.to_owned(), id }).ok_or_else(unknown)
    }
}

/// The expected owner, group and mode; each is checked before a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedAccess {
    /// The owner.
    pub owner: Option<AccountName>,
    /// The group.
    pub group: Option<AccountName>,
    /// The mode.
    pub mode: Option<u32>,
}

impl ExpectedAccess {
    /// Checks the metadata of a file.
    pub(super) fn check(&self, path: &Path, found: &Metadata) -> Result<(), ConsumerError> {
        let wrong = |expected, found| Err(ConsumerError::Access { path: path.to_owned(), expected, found });
        match &self.owner {
            Some(owner) if owner.id != found.uid() => {
                return wrong(format!("the owner {}", owner.name), format!("user ID {}", found.uid()));
            }
            _ => {}
        }
        match &self.group {
            Some(group) if group.id != found.gid() => {
                return wrong(format!("the group {}", group.name), format!("group ID {}", found.gid()));
            }
            _ => {}
        }
        let mode = found.mode() & 0o7777;
        match self.mode {
            Some(expected) if expected != mode => {
                wrong(format!("mode {expected:04o}"), format!("mode {mode:04o}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing is expected of the owner and the group, so that a missing file can be created.
    pub(super) const fn permits_creation(&self) -> bool {
        self.owner.is_none() && self.group.is_none()
    }
}
