//! `cc-login run`: a command with the token of the session in its environment.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;

use super::job::JobLoginOptions;
use super::token::TokenDemandOptions;
use super::ui::{TerminalUi, with_environment};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::SettingsOptions;
use crate::config::Variable;
use crate::login::{SessionPlace, SessionSelection, log_in, stored};
use crate::token::TokenFormat;
use crate::util::diagnostic::{ExitStatus, diagnostics};
use crate::util::environment::VariableName;
use crate::util::file::reason;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// Run a command with the token of the session in its environment
///
/// Only this command gets the token. The exit status is that of the command. With --identity or
/// --client-credentials, no session is stored.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Variable for the token
    #[arg(long, value_name = "NAME", default_value = "TOKEN")]
    env: VariableName,

    #[command(flatten)]
    demand: TokenDemandOptions,

    #[command(flatten)]
    login: JobLoginOptions,

    /// Command to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The reason a command is not run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// The command does not exist.
    #[error("cannot run {}: command not found", quote(.0))]
    NotFound(String),
    /// The command cannot be executed.
    #[error("cannot run {}: {}", quote(.command), reason(.source))]
    NotExecutable {
        /// The command.
        command: String,
        /// The error of the system.
        source: io::Error,
    },
}

diagnostics! { RunError:
    Self::NotFound(_) => Kind::CommandNotFound;
    Self::NotExecutable { .. } => Kind::CommandNotExecutable;
}

impl RunError {
    fn new(command: &OsString, source: io::Error) -> Self {
        let command = command.to_string_lossy().into_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound(command),
            _ => Self::NotExecutable { command, source },
        }
    }
}

pub(super) fn run(
    run: &Run,
    selection: &SessionSelection,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let demand = run.demand.demand()?;
    let request = run.login.request(console.environment())?;
    let token = with_environment(console, |environment, console| {
        let mut ui = TerminalUi::without_secrets(console, settings);
        let Some(request) = request else {
            return stored::fresh_token(selection, demand, environment, &mut ui);
        };
        let session = log_in(&request, SessionPlace::Memory, environment, &mut ui)?.session()?;
        stored::token_in_memory(&session, demand, environment, &mut ui)
    })?;
    let token = TokenFormat::Plain.render(&token.token, token.expires_at)?;
    console.flush()?;
    let Some((mut command, name)) = command(&run.command) else { return Ok(ExitStatus::Success) };
    command.env(run.env.as_str(), token.expose());
    // The command replaces this process: it has its process ID, gets all signals, and its status is the
    // status of this program.
    Err(RunError::new(name, command.exec()).into())
}

/// Returns the command with the environment of this process, but without the keys and passwords of a
/// server.
fn command(words: &[OsString]) -> Option<(Command, &OsString)> {
    let (name, arguments) = words.split_first()?;
    let mut command = Command::new(name);
    command.args(arguments);
    for variable in Variable::ALL.iter().filter(|variable| !variable.is_public()) {
        command.env_remove(variable.name());
    }
    Some((command, name))
}
