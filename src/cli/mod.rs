//! The command-line interface: arguments, prompts, reports, progress and exit statuses.
//!
//! This is the only code that prints, prompts, and reads the process environment. Each program is a
//! [`tool::Tool`]: a function that returns its [`clap::Command`], from which help, man pages,
//! completions and tests are derived, and a function that runs it.

mod author;
mod candidates;
pub mod cc_jwt;
pub mod cc_login;
pub mod cc_user;
mod child;
pub mod completion;
pub mod console;
pub mod convert_pem_pubkey;
pub mod failure;
pub mod gen_keypair;
mod key_source;
pub mod ldap;
mod logging;
pub mod options;
pub mod page;
pub mod progress;
pub mod prompt;
mod quantity;
pub mod rules;
#[cfg(test)]
mod schema;
pub mod settings;
mod signals;
mod stdin;
mod style;
pub mod suggest;
pub mod table;
mod token_format;
pub mod tool;
pub mod usage;
mod wrap;

use std::ffi::OsString;
use std::process::ExitCode;

use self::console::Console;
use self::failure::Failure;
use self::tool::{ParseError, Tool};
use crate::util::diagnostic::ExitStatus;

/// Runs a program; the body of its `main`.
#[must_use]
pub fn main(tool: &Tool) -> ExitCode {
    protect_memory();
    report_file_limits();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut console = Console::new(tool.name);
    if let Some(text) = completion::answer(tool, &arguments) {
        let outcome = console.text(&text).map(|()| ExitStatus::Success).map_err(Failure::from);
        return ExitCode::from(console.end(outcome).code());
    }
    let parsed = tool.parse(&arguments);
    let is_wrong = match &parsed {
        Ok(_) => false,
        Err(ParseError::Clap(error)) => error.use_stderr(),
        Err(ParseError::Usage(_)) => true,
    };
    let outcome = match parsed {
        Ok(matches) => {
            console.configure(&matches);
            (tool.run)(&matches, &mut console)
        }
        Err(ParseError::Clap(error)) => from_clap(&error, tool, &arguments, &mut console),
        Err(ParseError::Usage(error)) => {
            has_word(&arguments, "--json").then(|| console.set_json());
            Err(error.into())
        }
    };
    let outcome = match outcome {
        Err(failure) if is_wrong && is_plugin(tool, &arguments) => {
            cc_jwt::report_unknown_state(&failure, &mut console)
        }
        other => other,
    };
    ExitCode::from(console.end(outcome).code())
}

/// Protects secrets in memory: prevents core dumps, both to files and to collectors, and prevents
/// other processes of the same user from tracing this one or reading its environment. Child
/// processes are not affected.
fn protect_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // Unlike the limit below, this also prevents dumps to collectors: core(5) says that the limit
    // is not enforced for core dumps that are piped to a program.
    #[cfg(target_os = "linux")]
    if rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).is_ok() {
        return;
    }
    let maximum = getrlimit(Resource::Core).maximum;
    // If neither works, the system default applies.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}

/// Turns the signal for `ulimit -f` into a write error, which is reported like a full disk. By
/// default, the signal ends the program without a message.
fn report_file_limits() {
    let noticed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    // On an error, the default behavior remains.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noticed);
}

/// Converts an error of clap. Help and version are printed to standard output; everything else is a
/// usage error.
fn from_clap(
    error: &clap::Error,
    tool: &Tool,
    arguments: &[OsString],
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    if !error.use_stderr() {
        console.text(&error.render().to_string())?;
        return Ok(ExitStatus::Success);
    }
    has_word(arguments, "--json").then(|| console.set_json());
    Err(usage::describe(error, (tool.command)(), arguments).into())
}

/// Whether the arguments are those of a Nagios plugin, for errors before they are parsed.
fn is_plugin(tool: &Tool, arguments: &[OsString]) -> bool {
    let has = |word| has_word(arguments, word);
    tool.name == "cc-jwt" && has("scan") && has("--nagios") && !has("--json")
}

/// Whether the arguments contain a word, for errors before they are parsed.
fn has_word(arguments: &[OsString], word: &str) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == word)
}
