//! `cc-login run`: a command with the token of the session in its environment.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;

use super::child::HeldSignals;
use super::job::JobLoginOptions;
use super::token::TokenDemandOptions;
use super::ui::{TerminalUi, with_environment};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::SettingsOptions;
use crate::config::Variable;
use crate::login::stronghold::CommandToken;
use crate::login::{SessionPlace, SessionSelection, SessionToken, log_in, stored};
use crate::token::TokenFormat;
use crate::util::diagnostic::{ExitStatus, diagnostics};
use crate::util::environment::VariableName;
use crate::util::file::reason;
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// Run a command with the token of the session in its environment
///
/// Only this command gets the token. The exit status is that of the command. With --identity or
/// --client-credentials, no session is stored. A token of Stronghold is renewed while the command runs. For other
/// tokens, set --min-ttl to the duration of the command.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Variable for the token
    #[arg(long, value_name = "NAME", default_value = "TOKEN")]
    env: VariableName,

    #[command(flatten)]
    demand: TokenDemandOptions,

    /// Command to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    login: JobLoginOptions,
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
    with_environment(console, |environment, console| {
        let mut ui = TerminalUi::without_secrets(console, settings);
        let (token, command_token) = match request {
            None => {
                let (session, token) = stored::fresh_session(selection, demand, environment, &mut ui)?;
                (Ok(token), CommandToken::stored(&session, environment))
            }
            Some(request) => {
                let session = log_in(&request, SessionPlace::Memory, environment, &mut ui)?.session()?;
                let token = stored::token_in_memory(&session, demand, environment, &mut ui);
                (token, CommandToken::in_memory(&session, environment))
            }
        };
        let Some(mut command_token) = command_token else { return replace_process(run, &token?, console) };
        let outcome = token.and_then(|token| run_child(run, &token, &mut command_token, console));
        let mut notes = Notes::new();
        command_token.end(&mut notes);
        console.notes(notes);
        outcome
    })
}

/// Runs the command in place of this process: it has its process ID, gets all signals, and its status is
/// the status of this program.
fn replace_process(run: &Run, token: &SessionToken, console: &mut Console) -> Result<ExitStatus, Failure> {
    let Some((mut command, name)) = command(run, token, console)? else { return Ok(ExitStatus::Success) };
    Err(RunError::new(name, command.exec()).into())
}

/// Runs the command as a child process, and renews its token until it ends.
fn run_child(
    run: &Run,
    token: &SessionToken,
    command_token: &mut CommandToken<'_>,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let Some((mut command, name)) = command(run, token, console)? else { return Ok(ExitStatus::Success) };
    let failed = |source| RunError::new(name, source);
    let running = HeldSignals::hold().and_then(|signals| signals.start(&mut command)).map_err(failed)?;
    while !running.wait(command_token.next_renewal()) {
        let mut notes = Notes::new();
        command_token.renew(&mut notes);
        console.notes(notes);
    }
    Ok(ExitStatus::Command(running.status().map_err(failed)?))
}

/// Returns the command and its name. It has the token and the environment of this process, but without the
/// keys and passwords of a server.
fn command<'a>(
    run: &'a Run,
    token: &SessionToken,
    console: &mut Console,
) -> Result<Option<(Command, &'a OsString)>, Failure> {
    let token = TokenFormat::Plain.render(&token.token, token.expires_at)?;
    console.flush()?;
    let Some((name, arguments)) = run.command.split_first() else { return Ok(None) };
    let mut command = Command::new(name);
    command.args(arguments);
    for variable in Variable::ALL.iter().filter(|variable| !variable.is_public()) {
        command.env_remove(variable.name());
    }
    command.env(run.env.as_str(), token.expose());
    Ok(Some((command, name)))
}
