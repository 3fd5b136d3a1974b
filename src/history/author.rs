//! The account and the command that change users.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr;

use crate::util::time::{Clock, Timestamp};

/// What a run of a program writes about itself into the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The clock.
    pub clock: Clock,
    /// The account, such as `root` or `root (anna)` with sudo.
    pub account: String,
    /// The program.
    pub program: String,
    /// The arguments of the program, without secrets.
    pub command: String,
}

/// The ID of a run: the time in UTC and a random number, such as `20261127-133415-3f2a9c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// A new ID.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let mut time = String::new();
        for character in now.rfc3339().chars() {
            match character {
                'T' => time.push('-'),
                '0'..='9' => time.push(character),
                _ => {}
            }
        }
        let random = RandomState::new().hash_one(now.0) & 0xff_ffff;
        Self(format!("{time}-{random:06x}"))
    }

    /// The ID as it was read.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error of a text that is neither a run ID nor the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an ID such as 20261127-133415-3f2a9c, or at least its first 8 characters")]
pub struct RunIdError;

impl FromStr for RunId {
    type Err = RunIdError;

    /// Accepts an ID, or at least the first eight characters of one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = text.len() >= 8
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-' || (b'a'..=b'f').contains(&byte));
        if is_valid { Ok(Self(text.to_owned())) } else { Err(RunIdError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_id_begins_with_the_time() {
        let id = RunId::new(Timestamp(1_795_786_455));
        assert!(id.as_str().starts_with("20261127-133415-"), "{id}");
        assert_eq!((id.as_str().len(), id.as_str().parse()), (22, Ok(id.clone())));
        assert_ne!(id, RunId::new(Timestamp(1_795_786_455)));
    }

    #[test]
    fn run_id_is_digits_dashes_and_hexadecimal_digits() {
        for text in ["", "2026112", "LAST", "20261127 13", "../../etc/passwd", "20261127-133415-3F2A9C"] {
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
        assert!("20261127".parse::<RunId>().is_ok());
    }
}
