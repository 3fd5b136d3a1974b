//! The option that selects a session, and the variable `CC_SESSION`.

use clap::Args;

use crate::cli::candidates as complete;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::SettingsOptions;
use crate::login::SessionSelection;
use crate::login::session_key::{SessionOrigin, SessionRequest};

/// The variable that selects a session.
const VARIABLE: &str = "CC_SESSION";

/// The option that selects a session.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Session")]
pub(super) struct SessionOptions {
    /// Use the session NAME; the URL of a server or the absolute path of a directory selects the session
    /// that was created for it [default: the session of this directory, or the only one]
    #[arg(long, global = true, value_name = "NAME", env = VARIABLE, hide_env_values = true,
          add = complete::session_names())]
    session: Option<String>,
}

impl SessionOptions {
    /// Returns the session that the command uses.
    ///
    /// # Errors
    /// [`UsageError`] for an invalid name, with the option or variable that contains it.
    pub(super) fn selection(
        &self,
        settings: &SettingsOptions,
        console: &Console,
    ) -> Result<SessionSelection, Failure> {
        let SettingsOptions { config, env_file, db } = settings;
        let current_directory = std::env::current_dir().ok();
        // The parser uses the variable if the option is missing. The values show which one was used.
        let is_variable = console.environment().get(VARIABLE) == self.session.as_deref();
        let request = match self.session.as_deref() {
            None => None,
            // An empty variable counts as unset.
            Some("") if is_variable => None,
            Some(text) => Some(text.parse::<SessionRequest>().map_err(|error| {
                // The variable would have the same effect on the command that lists the sessions.
                let (source, list) = if is_variable {
                    (VARIABLE, "env -u CC_SESSION cc-login sessions")
                } else {
                    ("--session", "cc-login sessions")
                };
                UsageError::new(format!("{source}: {error}"))
                    .hint(format!("'{list}' lists the sessions that can be selected"))
            })?),
        };
        let here = SessionOrigin::of_settings(
            config.as_deref(),
            env_file.as_deref(),
            db.as_deref(),
            current_directory.as_deref(),
        );
        // The settings of the environment do not count if a session is requested.
        let here = if request.is_some() { here.ok().flatten() } else { here? };
        Ok(SessionSelection { request, here })
    }
}
