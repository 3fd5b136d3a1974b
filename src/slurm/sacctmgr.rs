//! Runs `sacctmgr`: an argument list without a shell, with limits for time and size.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::commands::COMMANDS;
use super::error::SlurmError;
use crate::util::file::reason;

/// The maximum size of the output of a command in bytes: about 1,000,000 rows.
pub const OUTPUT_LIMIT: usize = 64 << 20;

/// The number of bytes of standard error that are read.
const MESSAGE_LIMIT: u64 = 64 << 10;

/// The program, and how it runs.
#[derive(Debug, Clone)]
pub struct Sacctmgr {
    /// The program: a path, or a name that is searched in `PATH`.
    pub program: PathBuf,
    /// The time limit of each command. Without slurm.conf, sacctmgr retries for a minute.
    pub timeout: Duration,
    /// The whole environment of the commands.
    pub environment: Vec<(String, String)>,
}

impl Sacctmgr {
    /// Runs both commands.
    ///
    /// # Errors
    /// [`SlurmError::NotStarted`], [`SlurmError::Failed`], [`SlurmError::TimedOut`],
    /// [`SlurmError::TooLarge`], and [`SlurmError::Empty`] if a command prints nothing.
    pub fn read(&self) -> Result<Vec<u8>, SlurmError> {
        let mut output = Vec::new();
        for arguments in COMMANDS {
            let part = self.run(arguments)?;
            if part.is_empty() {
                return Err(SlurmError::Empty);
            }
            output.extend(part);
        }
        Ok(output)
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, SlurmError> {
        let deadline = Instant::now() + self.timeout;
        let command = format!("{} {}", self.program.display(), arguments.join(" "));
        log::debug!("running {command}");
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| SlurmError::NotStarted { program: self.program.clone(), why: reason(&error) })?;
        let stdout = read_in_background(child.stdout.take(), OUTPUT_LIMIT as u64 + 1);
        let stderr = read_in_background(child.stderr.take(), MESSAGE_LIMIT);
        let Some(output) = received(&stdout, deadline) else {
            end(&mut child);
            let message = last_line(&received(&stderr, Instant::now()).unwrap_or_default());
            return Err(SlurmError::TimedOut { command, after: self.timeout, message });
        };
        if output.len() > OUTPUT_LIMIT {
            end(&mut child);
            return Err(SlurmError::TooLarge(OUTPUT_LIMIT));
        }
        let status = wait(&mut child, deadline);
        let message = last_line(&received(&stderr, deadline).unwrap_or_default());
        match status {
            None => Err(SlurmError::TimedOut { command, after: self.timeout, message }),
            Some(status) if status.success() => Ok(output),
            Some(status) => Err(SlurmError::Failed { command, status: ended(status), message }),
        }
    }
}

/// Describes how a command ended.
fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, signal) => format!("was terminated by signal {}", signal.unwrap_or_default()),
    }
}

/// Reads a pipe to its end, or to the limit, in a thread of its own.
fn read_in_background(pipe: Option<impl Read + Send + 'static>, limit: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // After an error the exit status decides.
            let _ = pipe.take(limit).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// What a pipe had; `None` if it does not end before the deadline.
fn received(pipe: &Receiver<Vec<u8>>, deadline: Instant) -> Option<Vec<u8>> {
    match pipe.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(bytes) => Some(bytes),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Vec::new()),
    }
}

/// Waits for the end of a process; ends it at the deadline.
fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            _ => {
                end(child);
                return None;
            }
        }
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The last line of a message that is not empty.
fn last_line(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sacctmgr(script: &str, timeout: Duration) -> (tempfile::TempDir, Sacctmgr) {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("sacctmgr");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let environment = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
        (directory, Sacctmgr { program, timeout, environment })
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn sacctmgr_runs_both_commands_with_the_given_environment() {
        let (_directory, sacctmgr) = sacctmgr("echo \"$@\"; env | grep -c -v ^PWD=", LONG);
        let output = String::from_utf8(sacctmgr.read().unwrap()).unwrap();
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines[0], "-P show assoc format=cluster,account,user,parentname");
        assert_eq!(lines[2], "-P show user withcoordinator format=user,defaultaccount,coordinators,admin");
        assert!(lines[1].parse::<u32>().unwrap() <= 3, "{output}");
    }

    #[test]
    fn sacctmgr_failure_has_the_last_line_of_standard_error() {
        let (_directory, sacctmgr) = sacctmgr("echo part; echo one >&2; echo two >&2; exit 1", LONG);
        let error = sacctmgr.read().unwrap_err();
        assert!(error.to_string().ends_with("exited with status 1: 'two'"), "{error}");
    }

    #[test]
    fn sacctmgr_without_output_is_an_error() {
        let (_directory, sacctmgr) = sacctmgr("exit 0", LONG);
        assert!(matches!(sacctmgr.read(), Err(SlurmError::Empty)));
    }

    #[test]
    fn sacctmgr_that_does_not_end_is_ended() {
        for script in ["echo waiting >&2; exec sleep 1000", "exec >&- 2>&-; exec sleep 1000"] {
            let (_directory, sacctmgr) = sacctmgr(script, Duration::from_millis(300));
            let error = sacctmgr.read().unwrap_err();
            assert!(matches!(error, SlurmError::TimedOut { .. }), "{error}");
        }
    }

    #[test]
    fn sacctmgr_with_endless_output_is_ended() {
        let (_directory, sacctmgr) = sacctmgr("exec yes", LONG);
        assert!(matches!(sacctmgr.read(), Err(SlurmError::TooLarge(OUTPUT_LIMIT))));
    }

    #[test]
    fn missing_sacctmgr_is_an_error() {
        let program = PathBuf::from("/nonexistent/sacctmgr");
        let sacctmgr = Sacctmgr { program, timeout: LONG, environment: Vec::new() };
        let error = sacctmgr.read().unwrap_err().to_string();
        assert!(error.starts_with("cannot run '/nonexistent/sacctmgr': "), "{error}");
    }
}
