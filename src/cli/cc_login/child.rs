//! A command as a child process: it gets the signals of this process, which waits for its end.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_process, waitid};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};

use crate::cli::prompt;

/// The signals that the command gets. None of them ends this process.
const FORWARDED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// The signals of the keyboard, which the terminal sends to all processes in the foreground.
const OF_KEYBOARD: [i32; 2] = [SIGINT, SIGQUIT];

/// The number that shells add to the number of a signal for the exit status.
const SIGNAL_BASE: i32 = 128;

/// The signals from now on: they are recorded until a command gets them.
pub(super) struct HeldSignals(Signals);

impl HeldSignals {
    /// Records the signals instead of their default action, which ends the process.
    pub(super) fn hold() -> io::Result<Self> {
        // A signal that is ignored, such as by nohup, is ignored by the command as well.
        let ignored = ignored_signals();
        Ok(Self(Signals::new(FORWARDED.iter().filter(|signal| !is_in(ignored, **signal)))?))
    }

    /// Starts a command. From now on, it gets the signals, those before its start included.
    pub(super) fn start(self, command: &mut Command) -> io::Result<RunningCommand> {
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let Self(mut signals) = self;
        let handle = signals.handle();
        let forwarding = thread::spawn(move || {
            for signal in signals.forever() {
                forward(signal, pid);
            }
        });
        let (sender, ended) = mpsc::channel();
        // The process ID is not free for another process until the child is waited for.
        thread::spawn(move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
            // The receiver waits until the command has ended.
            let _ = sender.send(());
        });
        Ok(RunningCommand { child, handle, forwarding, ended })
    }
}

/// Returns the set of the ignored signals: bit 0 is signal 1. It is empty if it is not known.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default()
}

fn is_in(set: u64, signal: i32) -> bool {
    (set >> (signal - 1)) & 1 == 1
}

fn forward(signal: i32, pid: Pid) {
    if OF_KEYBOARD.contains(&signal) && is_in_foreground() {
        return;
    }
    if let Some(signal) = Signal::from_named_raw(signal)
        && let Err(error) = kill_process(pid, signal)
    {
        log::debug!("cannot send a signal to the command: {error}");
    }
}

/// Whether this process, and so the command, is in the foreground of a terminal.
fn is_in_foreground() -> bool {
    prompt::terminal().is_ok_and(|terminal| tcgetpgrp(terminal) == Ok(getpgrp()))
}

/// A command that runs.
pub(super) struct RunningCommand {
    child: Child,
    handle: Handle,
    forwarding: thread::JoinHandle<()>,
    ended: mpsc::Receiver<()>,
}

impl RunningCommand {
    /// Waits until the command ends, at most this time; without a limit for `None`. Returns whether it ended.
    pub(super) fn wait(&self, limit: Option<Duration>) -> bool {
        match limit {
            Some(limit) => self.ended.recv_timeout(limit) != Err(RecvTimeoutError::Timeout),
            // A sender that has ended without a value is the end of the command as well.
            None => {
                let _ = self.ended.recv();
                true
            }
        }
    }

    /// Returns the exit status of the command, or 128 and the number of the signal that ended it. Signals
    /// are ignored from now on.
    pub(super) fn status(mut self) -> io::Result<u8> {
        // The child still exists here, so a late signal does not reach another process.
        self.handle.close();
        if self.forwarding.join().is_err() {
            log::debug!("the thread that sends signals to the command has failed");
        }
        Ok(code(self.child.wait()?))
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNAL_BASE + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
