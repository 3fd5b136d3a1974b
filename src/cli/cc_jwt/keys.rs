//! The key that a command signs with, and keys with a name.

use std::path::{Path, PathBuf};

use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::config::Settings;
use crate::key::{Algorithm, KeyStrength, SigningKey, parse};
use crate::util::file::{self, FileContents, SETTINGS_LIMIT};
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::quote_path;
use crate::verify::warn_of_short_secret;

/// The key to sign with: a given one, the HMAC secret for an HMAC algorithm, else the own one.
pub(super) fn signing(
    given: Option<&Path>,
    algorithm: Option<Algorithm>,
    settings: &Settings,
    console: &mut Console,
) -> Result<SigningKey, Failure> {
    let mut notes = Notes::new();
    let key = match given {
        Some(path) => {
            log::info!("the key is read from {}", quote_path(path));
            let bytes = file::read_named(path, SETTINGS_LIMIT, FileContents::Secret, &mut notes)?;
            let bytes = zeroize::Zeroizing::new(bytes);
            parse::read_signing(&bytes, KeyStrength::Enforce, &mut notes)
                .map_err(|error| error.at(quote_path(path)))?
        }
        None if algorithm.is_some_and(Algorithm::is_symmetric) => {
            let key = settings.hmac_signing_key(KeyStrength::AllowWeak)?;
            warn_of_short_secret(key.verifying_key().bits(), &mut notes);
            key
        }
        None => settings.signing_key(&mut notes)?,
    };
    let why_not = algorithm.and_then(|algorithm| key.verifying_key().why_not(algorithm));
    console.notes(notes);
    why_not.map_or(Ok(key), |why| Err(why.into()))
}

/// Parses a key as `NAME=FILE`.
pub(super) fn named_key(option: &str, text: &str) -> Result<(String, PathBuf), UsageError> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => {
            let shown = PrintableText::value(text);
            Err(UsageError::new(format!("{option}: invalid value {shown}: expected NAME=FILE")))
        }
    }
}
