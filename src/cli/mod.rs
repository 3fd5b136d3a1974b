//! Floor of the command line: arguments, prompts, reports, progress and exit statuses.
//!
//! This is the only code that prints, asks, and reads the process's environment. Each program
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
pub mod directory;
pub mod failure;
pub mod gen_keypair;
pub mod network;
pub mod options;
mod output_owner;
pub mod page;
pub mod progress;
pub mod prompt;
pub mod settings;
pub mod table;
pub mod tool;

use std::ffi::OsString;
use std::process::ExitCode;

use self::console::Console;
use self::failure::{Failure, UsageFault};
use self::tool::Tool;
use crate::base::fault::Status;
use crate::base::quote::{escape, is_hidden};

/// The whole of a program's `main`.
#[must_use]
pub fn main(tool: &Tool) -> ExitCode {
    keep_memory_private();
    survive_file_limits();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut console = Console::new(tool.name);
    if let Some(text) = completion::answer(tool, &arguments) {
        let outcome = console.text(&text).map(|()| Status::Done).map_err(Failure::from);
        return ExitCode::from(console.end(outcome).code());
    }
    let outcome = match tool.decorated_command().try_get_matches_from(&arguments) {
        Ok(matches) => {
            console.configure(&matches);
            (tool.run)(&matches, &mut console)
        }
        Err(error) => from_clap(&error, &arguments, &mut console),
    };
    ExitCode::from(console.end(outcome).code())
}

/// What is in memory stays there: no core file, whether written to a folder or handed to a
/// collector, and no other process of the same user may trace this one or read its environment.
/// Programs that are started from here are not concerned.
fn keep_memory_private() {
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

/// A file that would grow beyond `ulimit -f` is an error that can be told, as a full disk is; by
/// default the signal for it ends the program without a word.
fn survive_file_limits() {
    let noticed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    // Where it can't be had, the default stays.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noticed);
}

/// Help and version go to standard output and are no failure; a usage error is shown as clap
/// words it, or as a JSON object when `--json` is among the arguments.
fn from_clap(error: &clap::Error, arguments: &[OsString], console: &mut Console) -> Result<Status, Failure> {
    if !error.use_stderr() {
        console.text(&error.render().to_string())?;
        return Ok(Status::Done);
    }
    let text = harmless(&without_passwords(&error.render().to_string(), arguments));
    if arguments.iter().any(|argument| argument == "--json") {
        let first = text.lines().next().unwrap_or_default();
        console.set_json();
        return Err(UsageFault::new(first.trim_start_matches("error: ")).into());
    }
    console.usage_error(&text);
    Ok(Status::Usage)
}

/// A usage error repeats arguments, which may come from elsewhere: nothing in it is obeyed by a
/// terminal. Colours are not in it, and line ends are clap's own.
fn harmless(text: &str) -> String {
    text.split('\n')
        .map(|line| if line.chars().any(is_hidden) { escape(line) } else { line.to_owned() })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A usage error without what stands after the second colon of an argument: the server's own
/// command takes a new user as `NAME:ROLES:PASSWORD`, and who uses that in the wrong place must
/// not see the password shown.
fn without_passwords(text: &str, arguments: &[OsString]) -> String {
    let spelled = arguments.iter().skip(1).filter_map(|argument| {
        let argument = argument.to_str()?;
        let (second, _) = argument.match_indices(':').nth(1)?;
        Some((argument, argument.get(..=second)?))
    });
    spelled.fold(text.to_owned(), |text, (whole, start)| text.replace(whole, &format!("{start}…")))
}
