//! `cc-login token`: the token of the session, printed or in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::report;
use super::ui::{TerminalUi, with_environment};
use crate::cli::console::{Console, warn_if_not_owner};
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::quantity;
use crate::cli::signals::Signals;
use crate::cli::token_format::TokenFormatOptions;
use crate::login::{SessionSelection, SessionToken, TokenDemand, TokenKind, stored};
use crate::renew::sd_notify::Notifier;
use crate::token::TokenFormat;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, PRIVATE_MODE};
use crate::util::quote::quote_path;
use crate::util::time::{Clock, Timestamp};
use crate::util::watch_events::{WatchEvent, WatchEvents as _};

/// The longest time between two checks of the token in a watched file.
const WATCH_INTERVAL: Duration = Duration::from_secs(30);

/// Print the token of the session; exit with 1 if there is no valid one
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(flatten)]
    demand: TokenDemandOptions,

    /// Write to FILE, mode 0600, and replace it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Renew the token in the file before it expires, until a signal ends the program
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    at: AtOption,

    #[command(flatten)]
    form: TokenFormatOptions,
}

/// The token that a command requires.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct TokenDemandOptions {
    /// Token of the session
    #[arg(long, value_name = "KIND", default_value = "server")]
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
    let mut demand = token.demand.demand()?;
    let file = token.output.as_deref().filter(|path| *path != Path::new("-"));
    if token.watch {
        let Some(path) = file else {
            return Err(UsageError::new("--watch requires a file: -o - is standard output").into());
        };
        if !demand.min_ttl.is_positive() {
            demand.min_ttl = TokenDemand::MIN_TTL_OF_WATCH;
        }
        let source = SessionSource { selection, demand, settings };
        return watch_file(&source, &format, path, console);
    }
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
    let Some(path) = file else {
        let line = format.render(&found.token, found.expires_at)?;
        console.deliver(&zeroize::Zeroizing::new(format!("{}\n", line.expose())))?;
        return Ok(ExitStatus::Success);
    };
    write(&found, &format, path, console)?;
    Ok(ExitStatus::Success)
}

/// Writes the token to the file, with a note.
fn write(
    found: &SessionToken,
    format: &TokenFormat,
    path: &Path,
    console: &mut Console,
) -> Result<(), Failure> {
    let line = format.render(&found.token, found.expires_at)?;
    let line = zeroize::Zeroizing::new(format!("{}\n", line.expose()));
    file::write(path, line.as_bytes(), PRIVATE_MODE, Existing::Replace)?;
    warn_if_not_owner([path], console);
    let until = match found.expires_at {
        Some(expires_at) => format!(", valid until {}", expires_at.human(Clock::System.now())),
        None => String::new(),
    };
    console.note(&format!("the token is in {}{until}", quote_path(path)));
    Ok(())
}

/// The session from which a watched file gets its tokens.
struct SessionSource<'a> {
    selection: &'a SessionSelection,
    demand: TokenDemand,
    settings: &'a SettingsOptions,
}

impl SessionSource<'_> {
    fn fresh_token(&self, console: &mut Console) -> Result<SessionToken, Failure> {
        with_environment(console, |environment, console| {
            let mut ui = TerminalUi::without_secrets(console, self.settings);
            stored::fresh_token(self.selection, self.demand, environment, &mut ui)
        })
    }

    /// Whether the token in the file has to be renewed.
    fn is_due(&self, token: &SessionToken, now: Timestamp) -> bool {
        token.expires_at.is_some_and(|expires_at| now.plus(self.demand.min_ttl) >= expires_at)
    }
}

/// Writes the token to the file, and renews it until a signal stops the program. An error at the start
/// ends it; later the renewal is repeated until the token in the file has expired.
fn watch_file(
    source: &SessionSource<'_>,
    format: &TokenFormat,
    path: &Path,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let mut signals = Signals::register(console);
    let notifier = Notifier::from_environment(console.environment());
    let mut current = source.fresh_token(console)?;
    write(&current, format, path, console)?;
    console.flush()?;
    notifier.notify("READY=1\n");
    // The wait is short compared with the required lifetime, so that a token never expires unnoticed.
    let interval = WATCH_INTERVAL.min(source.demand.min_ttl.to_std() / 2).max(Duration::from_secs(1));
    let mut reported = String::new();
    loop {
        let event = signals.wait(interval);
        let now = Clock::System.now();
        match event {
            WatchEvent::Stop => break,
            WatchEvent::Timeout if !source.is_due(&current, now) && path.exists() => continue,
            WatchEvent::Timeout | WatchEvent::RunNow => {}
        }
        let renewed = source.fresh_token(console).and_then(|found| {
            write(&found, format, path, console)?;
            Ok(found)
        });
        match renewed {
            Ok(found) => {
                current = found;
                reported.clear();
            }
            Err(failure) if current.expires_at.is_some_and(|expires_at| now >= expires_at) => {
                return Err(failure);
            }
            Err(failure) => {
                let message = failure.errors().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                if message != reported {
                    console.warn("token-not-renewed", &format!("{message}; the renewal is repeated"));
                    reported = message;
                }
            }
        }
    }
    notifier.notify("STOPPING=1\n");
    Ok(ExitStatus::Success)
}
