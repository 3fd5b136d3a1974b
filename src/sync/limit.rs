//! The deletion limit of a sync.

use std::fmt;
use std::str::FromStr;

use crate::util::quote::quote;

/// The maximum number of users that one sync may disable and delete. The limit is a rule of this program: the server's own sync
/// deletes all users that the answer does not contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeletionLimit {
    /// 10 % of the LDAP users in the table, rounded down, but at least 5.
    #[default]
    Default,
    /// This number of users; 0 permits no deletion.
    Count(u64),
    /// This percentage, 0 to 100, of the LDAP users in the table, rounded down. 100 permits all: a user can lose a role
    /// and several projects, which count each.
    Percent(u8),
}

impl DeletionLimit {
    /// The number of users that may be deleted if the table has `known` LDAP users.
    #[must_use]
    pub fn allowed(self, known: u64) -> u64 {
        match self {
            Self::Default => (known / 10).max(5),
            Self::Count(count) => count,
            Self::Percent(100..) => u64::MAX,
            Self::Percent(percent) => {
                u64::try_from(u128::from(known) * u128::from(percent) / 100).unwrap_or(u64::MAX)
            }
        }
    }
}

/// A text that is not a deletion limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid limit {}: expected a number, or a percentage from 0% to 100%", quote(.0))]
pub struct DeletionLimitError(pub String);

impl FromStr for DeletionLimit {
    type Err = DeletionLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || DeletionLimitError(text.to_owned());
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.strip_suffix('%') {
            Some(percent) if digits(percent) => {
                let percent = percent.parse().ok().filter(|percent| *percent <= 100);
                percent.map(Self::Percent).ok_or_else(invalid)
            }
            None if digits(text) => text.parse().map(Self::Count).map_err(|_| invalid()),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for DeletionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("10%, at least 5"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletion_limit_is_a_number_or_a_percentage() {
        assert_eq!("7".parse(), Ok(DeletionLimit::Count(7)));
        assert_eq!("25%".parse(), Ok(DeletionLimit::Percent(25)));
        for text in ["", "%", "-1", "101%", "1.5%", "ten", "1 %", "+1", "99999999999999999999"] {
            assert!(text.parse::<DeletionLimit>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn deletion_limit_default_is_a_tenth_but_at_least_five() {
        let table = [(0, 5), (4, 5), (50, 5), (59, 5), (60, 6), (1000, 100)];
        for (known, allowed) in table {
            assert_eq!(DeletionLimit::Default.allowed(known), allowed, "{known}");
        }
        assert_eq!(DeletionLimit::Percent(100).allowed(2), u64::MAX);
        assert_eq!(DeletionLimit::Percent(99).allowed(200), 198);
        assert_eq!(DeletionLimit::Percent(0).allowed(1000), 0);
        assert_eq!(DeletionLimit::Count(0).allowed(1000), 0);
    }
}
