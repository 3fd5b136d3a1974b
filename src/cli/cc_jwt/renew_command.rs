//! The command after a renewal: a shell with a time limit.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::cli::child;
use crate::consumer::{ChangeCommand, CommandFailure, CommandRunner};
use crate::util::environment::Environment;
use crate::util::file::reason;

/// The time between two checks whether a command has ended.
const STEP: Duration = Duration::from_millis(10);

/// Runs commands with `/bin/sh`. They do not get the variables of this process that may be secret; their
/// output goes to standard error.
pub(super) struct Shell {
    pub(super) environment: Environment,
}

impl CommandRunner for Shell {
    fn run(&mut self, command: &ChangeCommand) -> Result<(), CommandFailure> {
        let mut shell = Command::new("/bin/sh");
        child::restrict(&mut shell, &self.environment);
        // A group of its own, so that the time limit also ends the processes that it started.
        shell
            .args(["-c", &command.line])
            .stdin(Stdio::null())
            .stdout(Stdio::from(std::io::stderr()))
            .process_group(0);
        let start = |error: std::io::Error| CommandFailure::Start(reason(&error));
        let mut running = shell.spawn().map_err(start)?;
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = running.try_wait().map_err(start)? {
                break status;
            }
            if begin.elapsed() >= command.timeout {
                // The process was not waited for, so its number still belongs to its group.
                let _ = kill_process_group(Pid::from_child(&running), Signal::KILL);
                let _ = running.wait();
                return Err(CommandFailure::Timeout(command.timeout));
            }
            std::thread::sleep(STEP);
        };
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(status), _) => Err(CommandFailure::Status(status)),
            (None, signal) => Err(CommandFailure::Signal(signal.unwrap_or_default())),
        }
    }
}
