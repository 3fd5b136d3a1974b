//! Keys in variables of the environment or the environment file, selected by an option.

use std::path::Path;

use zeroize::Zeroizing;

use super::console::Console;
use super::failure::{Failure, UsageError};
use crate::config::{ConfigError, DEFAULT_ENV_FILE, Origin, dotenv};
use crate::key::KeyError;
use crate::util::file::{self, FileError, SETTINGS_LIMIT};
use crate::util::printable::PrintableText;
use crate::util::quote::quote_path;
use crate::util::redact::is_plain;
use crate::util::secret::SecretText;

/// Checks that the value of an option is a valid variable name.
///
/// # Errors
/// [`UsageError`] if it is not.
pub(super) fn check_name(option: &str, name: &str) -> Result<(), UsageError> {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_usable =
        name.bytes().next().is_some_and(letter) && name.bytes().all(|b| letter(b) || b.is_ascii_digit());
    if is_usable {
        return Ok(());
    }
    let shown = PrintableText::name(name);
    Err(UsageError::new(format!(
        "invalid variable name {shown} for {option}: expected letters, digits and '_', and no digit first"
    )))
}

/// Returns the value and location of a variable. The environment has precedence over the file, as
/// on the server, even if the variable is empty there.
///
/// # Errors
/// [`KeyError::Unset`], [`KeyError::Empty`], and errors of the environment file.
pub(super) fn variable(
    name: &str,
    env_file: Option<&Path>,
    console: &Console,
) -> Result<(SecretText, String), Failure> {
    if let Some(text) = console.environment().get(name) {
        let place = format!("{name} in the environment");
        if text.is_empty() {
            return Err(KeyError::Empty("variable").configured(place).into());
        }
        return Ok((SecretText::new(text.to_owned()), place));
    }
    let path = env_file.unwrap_or_else(|| Path::new(DEFAULT_ENV_FILE));
    let read = match env_file {
        Some(path) => file::read(path, SETTINGS_LIMIT),
        None => file::read_default(path, SETTINGS_LIMIT).map_err(|error| error.with_option("--env-file")),
    };
    let bytes = match read {
        Err(FileError::Missing(_)) if env_file.is_none() => return Err(unset(name, path)),
        other => Zeroizing::new(other?),
    };
    let content = dotenv::read(&bytes).map_err(|errors| {
        Failure::several(
            errors.into_iter().map(|error| ConfigError::EnvFile { path: path.to_owned(), error }),
        )
    })?;
    let Some(entry) = content.get(name) else { return Err(unset(name, path)) };
    let origin = Origin::EnvFile { path: path.to_owned(), line: entry.line };
    let place = format!("{name} in {origin}");
    if entry.value.is_empty() {
        return Err(KeyError::Empty("variable").configured(place).into());
    }
    Ok((entry.value.clone(), place))
}

fn unset(name: &str, path: &Path) -> Failure {
    // The option may contain a key by mistake instead of a name.
    let name = if is_plain(name) { name } else { "the variable" };
    KeyError::Unset { file: quote_path(path) }.configured(name).into()
}
