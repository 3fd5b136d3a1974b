//! The positional arguments of `cc-login`: a username, and `KEY=VALUE` as in other login tools.
//!
//! An invalid argument is never printed, because it may be a password.

use super::{provider, remote, stronghold};
use crate::cli::failure::UsageError;
use crate::login::Method;
use crate::util::quote::quote;
use crate::util::suggest::nearest;

/// The username and the parameters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) name: Option<String>,
    /// Whether the username is an argument without a key.
    pub(super) is_bare_name: bool,
    pub(super) method: Option<MethodChoice>,
    /// The parameters of OpenID and remote logins, such as `role`.
    pub(super) others: Vec<(String, String)>,
}

/// The value of --method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MethodChoice {
    /// All methods in the server's order.
    Auto,
    /// Only this method.
    Only(Method),
}

impl MethodChoice {
    /// Parses a method.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        // Stronghold is derived from Vault, as is OpenBao.
        let name = if matches!(text, "vault" | "openbao") { Method::Stronghold.name() } else { text };
        Method::ALL
            .into_iter()
            .find(|method| method.name() == name)
            .map(Self::Only)
            .ok_or_else(|| "expected auto, local, ldap, token, oidc, remote or stronghold".to_owned())
    }
}

/// The keys of all logins.
const KEYS: [&str; 3] = ["username", "name", "method"];

/// All keys.
fn keys() -> impl Iterator<Item = &'static str> + Clone {
    KEYS.into_iter().chain(provider::KEYS).chain(remote::KEYS).chain(stronghold::KEYS)
}

impl Parameters {
    /// Parses the positional arguments.
    pub(super) fn parse(words: &[String]) -> Result<Self, UsageError> {
        let mut parameters = Self::default();
        for word in words {
            match word.split_once('=').filter(|(key, _)| is_key(key)) {
                None => {
                    parameters.set_name(word)?;
                    parameters.is_bare_name = true;
                }
                Some(("username" | "name", value)) => parameters.set_name(value)?,
                Some(("method", value)) => {
                    let choice = MethodChoice::parse(value)
                        .map_err(|expected| UsageError::new(format!("invalid method: {expected}")))?;
                    parameters.method = Some(choice);
                }
                Some(("password" | "passwd" | "pw" | "token" | "jwt" | "secret", _)) => {
                    return Err(UsageError::new(
                        "a password or token cannot be an argument: other users could read it (it is not printed here)",
                    )
                    .hint("use --password-stdin, --password-file FILE or --token-file FILE"));
                }
                Some((key, value)) if keys().any(|known| known == key) => {
                    parameters.others.push((key.to_owned(), value.to_owned()));
                }
                Some((key, _)) => {
                    let error = UsageError::new(format!("unknown key {}", quote(key)));
                    return Err(match nearest(key, keys()) {
                        Some(near) => error.hint(format!("did you mean {near}=…?")),
                        None => error.hint(format!(
                            "the keys are {}; write a name that contains = as username=NAME",
                            keys().collect::<Vec<_>>().join(", ")
                        )),
                    });
                }
            }
        }
        Ok(parameters)
    }

    fn set_name(&mut self, name: &str) -> Result<(), UsageError> {
        if self.name.is_some() {
            return Err(UsageError::new(
                "two names are given, expected one (they are not printed: one may be a password)",
            )
            .hint(
                "the password is read from the terminal, or with --password-stdin or --password-file FILE",
            ));
        }
        self.name = Some(name.to_owned());
        Ok(())
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Parameters, UsageError> {
        Parameters::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn parse_distinguishes_name_and_keys() {
        assert_eq!(parse(&["fritz"]).unwrap().name.as_deref(), Some("fritz"));
        assert_eq!(parse(&["username=a=b"]).unwrap().name.as_deref(), Some("a=b"));
        assert_eq!(parse(&["=x"]).unwrap().name.as_deref(), Some("=x"));
        let full = parse(&["fritz", "role=admin", "method=ldap"]).unwrap();
        assert_eq!(full.others, [("role".to_owned(), "admin".to_owned())]);
        assert_eq!(full.method, Some(MethodChoice::Only(Method::Ldap)));
    }

    #[test]
    fn parse_error_never_contains_a_possible_password() {
        for words in [&["fritz", "hunter2"][..], &["fritz", "password=hunter2"], &["rolle=hunter2"]] {
            let error = parse(words).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        }
    }
}
