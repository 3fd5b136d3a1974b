//! The layer of the command line: arguments, prompts, reports, progress and exit statuses.
//!
//! This is the only code that prints, prompts, and reads the process's environment. Each program
//! is a [`tool::Tool`]: one function that returns its [`clap::Command`], which help, man pages,
//! completions and tests all ask, and one that runs it.

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
pub mod options;
pub mod page;
pub mod progress;
pub mod prompt;
pub mod rules;
#[cfg(test)]
mod schema;
pub mod settings;
mod stdin;
pub mod suggest;
pub mod table;
pub mod tool;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use self::console::Console;
use self::failure::Failure;
use self::tool::{ParseError, Tool};
use crate::util::diagnostic::ExitStatus;

/// The whole of a program's `main`.
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
    let outcome = match tool.parse(&arguments) {
        Ok(matches) => {
            console.configure(&matches);
            (tool.run)(&matches, &mut console)
        }
        Err(ParseError::Clap(error)) => from_clap(&error, tool, &arguments, &mut console),
        Err(ParseError::Usage(error)) => {
            asks_for_json(&arguments).then(|| console.set_json());
            Err(error.into())
        }
    };
    ExitCode::from(console.end(outcome).code())
}

/// Protects secrets in memory: no core file, whether written to a directory or handed to a
/// collector, and no other process of the same user may trace this one or read its environment.
/// Programs that are started from here are not concerned.
fn protect_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // Unlike the limit below, this holds for collectors as well (core(5): the limit is not enforced
    // for core dumps that are piped to a program).
    #[cfg(target_os = "linux")]
    if rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).is_ok() {
        return;
    }
    let maximum = getrlimit(Resource::Core).maximum;
    // Where neither can be had, the system does as it is set up.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}

/// A file that would grow beyond `ulimit -f` is an error that is reported, as a full disk is; by
/// default the signal for it ends the program without a message.
fn report_file_limits() {
    let noticed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    // Where it cannot be had, the default stays.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noticed);
}

/// Help and version go to standard output and are no failure; everything else is a usage error.
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
    asks_for_json(arguments).then(|| console.set_json());
    Err(usage::describe(error, (tool.command)(), arguments).into())
}

/// Whether `--json` is among the arguments, for errors found before they are understood.
fn asks_for_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}
