//! Where a token to look at comes from.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::stdin;
use crate::token::text::TextError;
use crate::token::{self, bearer_discovery};
use crate::util::diagnostic::diagnostics;
use crate::util::file::{self, FileContents, FileError, reason};
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::secret::SecretText;

/// The most that is read, in bytes: a token and the answer of a token endpoint that contains it.
const LIMIT: u64 = 1 << 20;

/// Where the token is.
#[derive(Debug, Clone, Args)]
pub(super) struct TokenOptions {
    /// The token, also in an Authorization header, quotes, JSON or base64; - for standard input
    #[arg(value_name = "TOKEN")]
    token: Option<String>,

    /// Read the token from FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

/// Why there is no token to look at.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenSourceError {
    /// Standard input failed.
    #[error("standard input cannot be read: {}", reason(.0))]
    Unreadable(io::Error),
    /// More than any token.
    #[error("standard input is longer than {LIMIT} bytes: not a token")]
    TooLong,
    /// Something that is not text.
    #[error("{0} is not UTF-8: not a token")]
    NotText(&'static str),
}

diagnostics! { TokenSourceError:
    Self::Unreadable(_) => Kind::InputUnreadable;
    Self::TooLong => Kind::TokenTooLong;
    Self::NotText(_) => Kind::FileNotText;
}

impl TokenOptions {
    /// The file to read from, where one was named.
    pub(super) fn file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// The error of a text without a token, with the file that was named.
    pub(super) fn failure(&self, error: impl Into<TextError>) -> Failure {
        match self.file().filter(|path| *path != Path::new("-")) {
            Some(path) => error.into().in_file(path).into(),
            None => error.into().into(),
        }
    }

    /// Whether an argument is a token.
    pub(super) fn is_argument(&self) -> bool {
        self.token.as_deref().is_some_and(|text| text != "-")
    }

    /// The one token of the text that was given, in any of the forms of [`token::text`].
    pub(super) fn read_one(&self, console: &mut Console) -> Result<SecretText, Failure> {
        let text = SecretText::new(self.read(console)?);
        let found = match self.file().filter(|path| *path != Path::new("-")) {
            Some(path) => token::text::one_of_file(path, text.expose())?,
            None => token::text::one(text.expose())?,
        };
        if let Some(name) = found.name {
            console.note(&format!("using the token of {name}"));
        }
        Ok(SecretText::new(found.token.into_owned()))
    }

    /// The given text, unchanged.
    ///
    /// Without any it is looked for where WLCG bearer token discovery says, and then read from
    /// standard input, unless that is a terminal.
    pub(super) fn read(&self, console: &mut Console) -> Result<String, Failure> {
        match (&self.token, &self.token_file) {
            (_, Some(path)) if path == Path::new("-") => Ok(from_stdin()?),
            (_, Some(path)) => {
                log::info!("the token is read from {}", crate::util::quote::quote_path(path));
                let mut notes = Notes::new();
                let text = file::read_named_text(path, LIMIT, FileContents::Secret, &mut notes)?;
                // A file without a token does not contain a secret.
                if token::text::has_token(&text) {
                    console.notes(notes);
                }
                Ok(text)
            }
            (Some(text), None) if text == "-" => Ok(from_stdin()?),
            (Some(text), None) if !token::text::has_token(text) && Path::new(text).is_file() => {
                let file = file::shell_word(text);
                Err(UsageError::new(format!(
                    "{} is a file, expected a token",
                    crate::util::quote::quote(text)
                ))
                .hint(format!("read the token from the file: --token-file {file}"))
                .into())
            }
            (Some(text), None) => Ok(text.clone()),
            (None, None) => discover(console),
        }
    }
}

/// A token that was not given: by bearer token discovery, else from standard input.
fn discover(console: &mut Console) -> Result<String, Failure> {
    let user = rustix::process::geteuid().as_raw();
    if let Some((token, source)) = bearer_discovery::discover(console.environment(), user)? {
        console.note(&format!("the token is that of {source}"));
        return Ok(token.expose().to_owned());
    }
    if io::stdin().is_terminal() {
        return Err(UsageError::new("no token given, and none found by bearer token discovery")
            .hint("give it as an argument, with --token-file FILE, or on standard input")
            .into());
    }
    log::info!("the token is read from standard input");
    Ok(from_stdin()?)
}

/// All of standard input.
pub(super) fn from_stdin() -> Result<String, TokenSourceError> {
    stdin::read_text(LIMIT).map_err(|error| match error {
        FileError::TooLarge { .. } => TokenSourceError::TooLong,
        FileError::ReadFailed { source, .. } => TokenSourceError::Unreadable(source),
        _ => TokenSourceError::NotText("standard input"),
    })
}
