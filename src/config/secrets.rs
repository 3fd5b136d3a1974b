//! Keys and passwords as text, from the process environment or the environment file.

use std::path::{Path, PathBuf};

use super::dotenv::{Dotenv, DotenvEntry};
use super::error::ConfigError;
use super::origin::Origin;
use super::variable::Variable;
use crate::util::environment::Environment;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote_path};
use crate::util::secret::SecretText;

/// A variable with a non-empty value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The variable.
    pub variable: Variable,
    /// The value.
    pub text: SecretText,
    /// The origin of the value.
    pub origin: Origin,
}

impl Secret {
    /// Returns variable and location for a message: `JWT_PUBLIC_KEY in './.env' line 3`.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.variable, &self.origin)
    }
}

fn place(variable: Variable, origin: &Origin) -> String {
    match origin {
        Origin::Environment(_) => format!("{} in the environment", variable.name()),
        other => format!("{} in {other}", variable.name()),
    }
}

/// Warns that the server expands `$NAME` in a value, which is rarely intended in a password.
pub(super) fn warn_if_expanded(name: &str, entry: &DotenvEntry, origin: &Origin, notes: &mut Notes) {
    if entry.expanded {
        let place = format!("{} in {origin}", escape(name));
        notes.warn_with(
            "env-file-expansion",
            format!("{place}: a $NAME in the value was replaced, and a part of it may be lost"),
            "put the value into single quotes",
        );
    }
}

/// What the server does if this variable is empty.
const fn effect_of_empty(variable: Variable) -> &'static str {
    match variable {
        Variable::SessionKey => "the server does not start",
        Variable::JwtPublicKey | Variable::JwtPrivateKey => {
            "the server rejects every token, since it needs both halves of the key pair"
        }
        Variable::CrossLoginJwtPublicKey => "the server has no login by cookie",
        Variable::CrossLoginJwtHs512Key => "the server has no login at /jwt-login",
        Variable::LdapAdminPassword => "the server binds to the LDAP directory without a password",
        Variable::OidClientId | Variable::OidClientSecret => "the server has no OpenID Connect client",
    }
}

/// The values of all variables.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    set: Vec<Secret>,
    empty: Vec<(Variable, Origin)>,
    env_file: Option<PathBuf>,
}

impl Secrets {
    /// Returns the value of a variable; an empty variable is `None`.
    #[must_use]
    pub fn get(&self, variable: Variable) -> Option<&Secret> {
        self.set.iter().find(|secret| secret.variable == variable)
    }

    /// Returns the value of a variable that must be set.
    ///
    /// # Errors
    /// [`ConfigError::Unset`], with the location of an empty value.
    pub fn require(&self, variable: Variable) -> Result<&Secret, ConfigError> {
        self.get(variable).ok_or_else(|| ConfigError::Unset {
            variable,
            empty: self.empty.iter().find(|(empty, _)| *empty == variable).map(|(_, origin)| origin.clone()),
            env_file: self.env_file.clone(),
            has_counterpart: variable.counterpart().is_some_and(|other| self.get(other).is_some()),
        })
    }

    /// Iterates over the variables that are set, in the order of [`Variable::ALL`].
    pub fn iter(&self) -> std::slice::Iter<'_, Secret> {
        self.set.iter()
    }

    /// Collects the variables from the process environment and the file. The process environment
    /// has precedence, even if the variable is empty there.
    pub(super) fn gather(
        environment: &Environment,
        file: Option<(&Path, &Dotenv)>,
        notes: &mut Notes,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut secrets = Self { env_file: file.map(|(path, _)| path.to_owned()), ..Self::default() };
        let mut in_file = false;
        for variable in Variable::ALL {
            let name = variable.name();
            let entry = file.and_then(|(path, dotenv)| {
                let entry = dotenv.get(name).filter(|entry| entry.is_settable())?;
                in_file |= !variable.is_public() && !entry.value.is_empty();
                Some((path, entry))
            });
            if let Some(text) = environment.get(name) {
                let origin = Origin::Environment(name.to_owned());
                if !text.is_empty() {
                    let text = SecretText::new(text.to_owned());
                    secrets.set.push(Secret { variable, text, origin });
                    continue;
                }
                if let Some((path, entry)) = entry.filter(|(_, entry)| !entry.value.is_empty()) {
                    notes.warn_with(
                        "environment-overrides",
                        format!(
                            "{name} is empty in the environment, which overrides {} line {}: {}",
                            quote_path(path),
                            entry.line,
                            effect_of_empty(variable)
                        ),
                        format!("unset {name}"),
                    );
                }
                secrets.empty.push((variable, origin));
                continue;
            }
            let Some((path, entry)) = entry else { continue };
            let origin = Origin::EnvFile { path: path.to_owned(), line: entry.line };
            warn_if_expanded(name, entry, &origin, notes);
            if !entry.is_text {
                errors.push(ConfigError::NotText { variable: name.to_owned(), origin });
            } else if entry.value.is_empty() {
                secrets.empty.push((variable, origin));
            } else {
                secrets.set.push(Secret { variable, text: entry.value.clone(), origin });
            }
        }
        if let Some((path, _)) = file.filter(|_| in_file) {
            crate::util::file::warn_if_exposed(path, notes);
        }
        secrets
    }
}
