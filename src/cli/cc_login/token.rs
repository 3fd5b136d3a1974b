//! `cc-login token`: the token of the session, printed or in a file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::report;
use super::ui::{TerminalUi, with_environment};
use crate::cli::console::{Console, warn_if_not_owner};
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::quantity;
use crate::cli::token_format::TokenFormatOptions;
use crate::login::{SessionSelection, SessionToken, TokenDemand, TokenKind, stored};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, PRIVATE_MODE};
use crate::util::quote::quote_path;
use crate::util::time::Clock;

/// Print the token of the session; exit with 1 if there is no valid one
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(flatten)]
    demand: TokenDemandOptions,

    /// Write to FILE, mode 0600, and replace it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    #[command(flatten)]
    at: AtOption,

    #[command(flatten)]
    form: TokenFormatOptions,
}

/// The token that a command requires.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct TokenDemandOptions {
    /// Token of the session
    #[arg(long, value_name = "KIND", default_value = "server", hide_possible_values = false)]
    kind: TokenKindOption,

    /// Renew the session first if the token expires within DURATION (10m, 1h); fail if it still does
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    min_ttl: Option<String>,
}

/// The values of `--kind`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum TokenKindOption {
    /// The token for the ClusterCockpit server
    #[default]
    Server,
    /// The access token of the OpenID provider
    Access,
    /// The ID token of the OpenID provider
    Id,
}

impl TokenDemandOptions {
    /// Returns the token that is required.
    ///
    /// # Errors
    /// [`UsageError`] for an invalid duration.
    pub(super) fn demand(&self) -> Result<TokenDemand, UsageError> {
        let min_ttl = self.min_ttl.as_deref().map(|text| quantity::positive_duration("--min-ttl", text));
        Ok(TokenDemand {
            kind: match self.kind {
                TokenKindOption::Server => TokenKind::Server,
                TokenKindOption::Access => TokenKind::Access,
                TokenKindOption::Id => TokenKind::Id,
            },
            min_ttl: min_ttl.transpose()?.unwrap_or_default(),
        })
    }
}

pub(super) fn run(
    token: &Token,
    selection: &SessionSelection,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let clock = token.at.clock()?;
    let format = token.form.format(console)?;
    let demand = token.demand.demand()?;
    let found: SessionToken = with_environment(console, |environment, console| {
        let mut ui = TerminalUi::without_secrets(console, settings);
        match clock {
            Clock::System => stored::fresh_token(selection, demand, environment, &mut ui),
            Clock::Fixed(now) => stored::token_at(selection, demand.kind, now, environment, &mut ui),
        }
    })?;
    if console.is_json() {
        report::token(&found, console)?;
        return Ok(ExitStatus::Success);
    }
    let line = format.render(&found.token, found.expires_at)?;
    let line = zeroize::Zeroizing::new(format!("{}\n", line.expose()));
    let Some(path) = token.output.as_deref().filter(|path| *path != Path::new("-")) else {
        console.deliver(&line)?;
        return Ok(ExitStatus::Success);
    };
    file::write(path, line.as_bytes(), PRIVATE_MODE, Existing::Replace)?;
    warn_if_not_owner([path], console);
    let until = match found.expires_at {
        Some(expires_at) => format!(", valid until {}", expires_at.human(Clock::System.now())),
        None => String::new(),
    };
    console.note(&format!("the token is in {}{until}", quote_path(path)));
    Ok(ExitStatus::Success)
}
