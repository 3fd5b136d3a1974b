//! Validation of usernames.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::util::diagnostic::diagnostics;
use crate::util::file::shell_word;
use crate::util::kind::Kind;
use crate::util::quote::{is_hidden, quote};

/// Maximum length of a username in bytes. The server checks bytes, although its message says
/// characters.
pub const MAX_BYTES: usize = 100;

/// A valid username for a new user: 1 to 100 bytes, no control or invisible character, no leading
/// or trailing blank.
///
/// Usernames that are already in the database may be invalid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

/// Why a username is invalid for a new user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// It is empty.
    #[error("the username is empty")]
    Empty,
    /// Over 100 bytes.
    #[error("the username {} has {length} bytes: the server's limit is {MAX_BYTES}", quote(.name))]
    TooLong {
        /// The name.
        name: String,
        /// Its length in bytes.
        length: usize,
    },
    /// A control, direction or invisible character.
    #[error("the username {} has a control or invisible character (U+{:04X})", quote(.name), u32::from(*.character))]
    Hidden {
        /// The name.
        name: String,
        /// The first such character.
        character: char,
    },
    /// A leading or trailing blank, which the LDAP login of the server ignores.
    #[error("the username {} begins or ends with a blank", quote(.0))]
    OuterWhitespace(String),
}

diagnostics! { UsernameError:
    Self::Empty => Kind::UsernameEmpty;
    Self::TooLong { .. } => Kind::UsernameTooLong;
    Self::Hidden { .. } => Kind::UsernameHiddenCharacter;
    Self::OuterWhitespace(_) => Kind::UsernameBlank;
}

/// Returns a username as a word of a shell command in a hint. For the ID of a user at a provider, such as the UUID in
/// `sub` of Keycloak, it is `NAME`: no user should have it as the name.
#[must_use]
pub fn command_word(name: &str) -> Cow<'_, str> {
    if name.is_empty() || is_provider_id(name) { "NAME".into() } else { shell_word(name).into() }
}

/// The claim of a token that is the username.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsernameClaim<'a> {
    /// `sub` of a token for the server.
    Subject,
    /// The claim that `user_claim` of a login role selects.
    OfRole(&'a str),
    /// `preferred_username` of an OpenID login without a login role.
    PreferredUsername,
}

impl UsernameClaim<'_> {
    /// Returns the warning and its hint if the claim has the ID of a user at a provider; `None` for other names.
    #[must_use]
    pub fn provider_id_warning(self, name: &str) -> Option<(String, &'static str)> {
        if !is_provider_id(name) {
            return None;
        }
        let (claim, hint) = match self {
            Self::Subject => ("sub", "put the username into the claim 'sub' at the issuer"),
            Self::OfRole(claim) => {
                let hint =
                    "set user_claim of the role to the claim with the username, such as preferred_username";
                (claim, hint)
            }
            Self::PreferredUsername => {
                let hint = "use a login role (--role) whose user_claim is the claim with the username, such as email";
                ("preferred_username", hint)
            }
        };
        Some((format!("{} is {}, an ID at the provider and not a username", quote(claim), quote(name)), hint))
    }
}

/// Returns whether a text is a UUID (RFC 9562 4), which is an ID of a user at a provider and not a username.
#[must_use]
pub fn is_provider_id(name: &str) -> bool {
    let lengths = name.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

impl Username {
    /// Returns the username.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Converts the username to a string.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for Username {
    type Err = UsernameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        let length = name.len();
        if length > MAX_BYTES {
            return Err(UsernameError::TooLong { name: name.to_owned(), length });
        }
        if let Some(character) = name.chars().find(|c| is_hidden(*c)) {
            return Err(UsernameError::Hidden { name: name.to_owned(), character });
        }
        if name.trim() != name {
            return Err(UsernameError::OuterWhitespace(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Normalizes a username as an LDAP server does (RFC 4518 2.2, 2.6.1): lower case, no leading or
/// trailing blanks, single inner blanks. Usernames with the same normalized form are different
/// users for the server.
#[must_use]
pub fn normalized(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The search for usernames that differ from given ones only in case or blanks. Its cost is linear in the number of
/// all names.
#[derive(Debug)]
pub struct SimilarNames<'a> {
    usernames: &'a [&'a str],
    positions: HashMap<String, Vec<usize>>,
    found: Vec<Option<String>>,
}

impl<'a> SimilarNames<'a> {
    /// A search for names that are similar to these.
    #[must_use]
    pub fn new(usernames: &'a [&'a str]) -> Self {
        let mut positions: HashMap<String, Vec<usize>> = HashMap::with_capacity(usernames.len());
        for (position, username) in usernames.iter().enumerate() {
            positions.entry(plain(username)).or_default().push(position);
        }
        Self { usernames, positions, found: vec![None; usernames.len()] }
    }

    /// Compares the given names with an existing one.
    pub fn compare(&mut self, existing: &str) {
        let Some(alike) = self.positions.get_mut(&plain(existing)) else { return };
        // The first match settles a username, so the cost stays linear.
        alike.retain(|position| {
            if self.usernames.get(*position).is_none_or(|username| *username == existing) {
                return true;
            }
            if let Some(slot) = self.found.get_mut(*position) {
                *slot = Some(existing.to_owned());
            }
            false
        });
    }

    /// The first similar name of each given one.
    #[must_use]
    pub fn into_found(self) -> Vec<Option<String>> {
        self.found
    }
}

fn plain(name: &str) -> String {
    name.split_whitespace().collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_id_is_a_uuid_and_no_username() {
        assert!(is_provider_id("7457a640-8e6d-495b-964f-16b063620906"));
        assert!(is_provider_id("7457A640-8E6D-495B-964F-16B063620906"));
        for name in [
            "",
            "clara",
            "7457a640-8e6d-495b-964f-16b06362090",
            "7457a640-8e6d-495b-964f-16b06362090x",
            "a-b-c-d-e",
        ] {
            assert!(!is_provider_id(name), "{name}");
        }
        assert_eq!(command_word("7457a640-8e6d-495b-964f-16b063620906"), "NAME");
        assert_eq!((command_word(""), command_word("clara")), ("NAME".into(), "clara".into()));
    }

    #[test]
    fn ordinary_names_are_taken() {
        for name in ["fritz", "jürgen", "with space", "a", &"x".repeat(100), "o'brien@x.example"] {
            assert!(name.parse::<Username>().is_ok(), "{name}");
        }
    }

    #[test]
    fn unfit_names_are_refused_each_for_its_reason() {
        assert_eq!("".parse::<Username>(), Err(UsernameError::Empty));
        assert!(matches!(
            "x".repeat(101).parse::<Username>(),
            Err(UsernameError::TooLong { length: 101, .. })
        ));
        assert!("ü".repeat(50).parse::<Username>().is_ok());
        assert!(matches!(
            "ü".repeat(51).parse::<Username>(),
            Err(UsernameError::TooLong { length: 102, .. })
        ));
        assert!(matches!("a\0".parse::<Username>(), Err(UsernameError::Hidden { character: '\0', .. })));
        assert!(matches!("a\u{202e}b".parse::<Username>(), Err(UsernameError::Hidden { .. })));
        assert!(matches!(" a".parse::<Username>(), Err(UsernameError::OuterWhitespace(_))));
    }

    #[test]
    fn plain_form_ignores_case_and_repeated_blanks() {
        for name in ["Anna  Maria", " anna maria ", "ANNA\tMARIA"] {
            assert_eq!(normalized(name), "anna maria", "{name:?}");
        }
        assert_ne!(normalized("annamaria"), normalized("anna maria"));
    }
}
