//! The process environment as a value. Only the command line reads the real one.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Environment variables by name. Variables that are not UTF-8 are left out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Returns the value of a variable; an empty variable is `Some("")`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the value of a variable; an empty variable counts as unset.
    #[must_use]
    pub fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Iterates over all variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl std::fmt::Debug for Environment {
    /// Prints only the names, because values may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The name of an environment variable that every shell can set: ASCII letters, digits and `_`, not a
/// digit first (POSIX.1-2017, XBD 3.235).
///
/// ```
/// use cc_auth::util::environment::VariableName;
/// assert_eq!("TOKEN".parse::<VariableName>().map(|name| name.to_string()).as_deref(), Ok("TOKEN"));
/// assert!("A=B; rm".parse::<VariableName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableName(String);

/// The error of a name that is not a [`VariableName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected letters, digits and '_', not a digit first")]
pub struct VariableNameError;

impl VariableName {
    /// Whether a text is a valid name.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        text.bytes().next().is_some_and(is_letter)
            && text.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VariableName {
    type Err = VariableNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if Self::is_valid(text) { Ok(Self(text.to_owned())) } else { Err(VariableNameError) }
    }
}

impl std::fmt::Display for VariableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_name_has_only_letters_digits_and_underscores() {
        for name in ["TOKEN", "_", "a1", "CC_TOKEN_2"] {
            assert!(VariableName::is_valid(name), "{name}");
        }
        for name in ["", "1A", "A-B", "A B", "A=B", "A;b", "Ä", "A\n", "$A"] {
            assert!(!VariableName::is_valid(name), "{name:?}");
        }
    }
}
