//! `cc-login token-helper`: the sessions as the token store of `vault` and `bao`.

use clap::{Args, ValueEnum};

use super::ui::{TerminalUi, with_environment};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::SettingsOptions;
use crate::cli::prompt;
use crate::login::SessionSelection;
use crate::login::stronghold::{erase_for_helper, store_for_helper, token_for_helper};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;

/// Read or store the token as the token helper of vault and bao
#[derive(Debug, Args)]
pub(super) struct TokenHelper {
    /// Request of the program that calls the helper
    #[arg(value_name = "ACTION")]
    action: HelperAction,
}

/// The requests to a token helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HelperAction {
    /// Print the token of the session; print nothing without a valid session
    Get,
    /// Save the token on standard input as the session of the server
    Store,
    /// Remove the session without revoking its token
    Erase,
}

pub(super) fn run(
    helper: &TokenHelper,
    selection: &SessionSelection,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    match helper.action {
        HelperAction::Get => {
            let token = with_environment(console, |environment, console| {
                let mut ui = TerminalUi::without_secrets(console, settings);
                token_for_helper(selection, environment, &mut ui)
            })?;
            if let Some(token) = token {
                // The callers reject a line end.
                console.text(token.expose())?;
            }
        }
        HelperAction::Store => {
            let token = prompt::from_stdin("token")?;
            let mut notes = Notes::new();
            let stored = with_environment(console, |environment, _| {
                store_for_helper(token, selection, environment, &mut notes)
            });
            console.notes(notes);
            stored?;
        }
        HelperAction::Erase => {
            with_environment(console, |environment, _| erase_for_helper(selection, environment))?;
        }
    }
    Ok(ExitStatus::Success)
}
